"""Many answers written together: whoever asks joins the others at the next token, and whoever is done leaves.

Continuous batching (Yu et al. 2022, “Orca”) over `chat.rows`. One thread drives the network; in every round it reads
a piece of one new prompt and then writes one token of every answer. So a long prompt delays the others by a piece at
a time, a request is gone one token after it was cancelled, and one that fails takes nobody with it.

A finished row is kept until its place is needed: the next turn of a conversation begins with the tokens that are
already there and only reads the rest. Rows are also copied, for prompts that begin like somebody else's.
"""

from __future__ import annotations

import inspect
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from chat.decoding import Job, Waiting, failed_writing, no_memory, not_a_number
from chat.masks import Masks
from chat.rows import Rows
from chat.sampler import NOT_A_NUMBER, Draw, pick
from chat.weights import is_out_of_memory
from errors import InputError, ModelError

logger = logging.getLogger(__name__)

_PIECE = 256
"""Tokens of a prompt that are read at once: others wait that long for their next token."""
_CAPACITY_STEP = 256
"""Rows grow by this many tokens."""
_POLL_S = 0.1
_LINGER_S = 5.0
"""The thread ends after this long without work; the next request starts another."""
_WORTH_COPYING = 16
"""A shared beginning of fewer tokens is read again."""


@dataclass(slots=True, eq=False)
class _Request:
    """A job on its way through the batch."""

    job: Job
    draw: Draw
    gone: threading.Event = field(default_factory=threading.Event)
    """Nobody reads its tokens any more."""
    out: queue.SimpleQueue[int | Waiting | ModelError | None] = field(default_factory=queue.SimpleQueue)
    written: int = 0

    @property
    def needs(self) -> int:
        """Tokens of prompt and answer together."""
        return len(self.job.ids) + self.job.room

    @property
    def cancelled(self) -> bool:
        return self.gone.is_set() or self.job.cancel.is_set()


@dataclass(slots=True, eq=False)
class _Row:
    """What a row of keys and values holds."""

    tokens: list[int] = field(default_factory=list)
    """Those whose keys and values are stored. One more, the last one picked, is yet to be read while it writes."""
    request: _Request | None = None
    used: float = 0.0
    last: int = 0
    """The token picked last."""


class BatchedDecoder:
    """A `Decoder` for one network. At most `most_rows` answers are written at once, `most_waiting` wait.

    `most_tokens` bounds rows × capacity, and with it the memory of keys and values.
    """

    def __init__(self, net: Any, *, most_rows: int = 16, most_tokens: int = 65_536, most_waiting: int = 64) -> None:
        self._net = net
        self._masks = Masks(net.config, net.dtype, net.device)
        self._store = Rows(net.config.get_text_config().num_hidden_layers)
        self._most_rows, self._most_tokens, self._most_waiting = most_rows, most_tokens, most_waiting
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(net.forward).parameters else {}
        self._rows: list[_Row] = []
        self._writing = 0
        """The first rows are those that write."""
        self._waiting: deque[_Request] = deque()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None

    def write(self, job: Job) -> Generator[int | Waiting]:
        """See `Decoder`. Raises `InputError` when the queue is full."""
        if len(job.ids) + job.room > self._most_tokens:
            needs = len(job.ids) + job.room
            raise ModelError(
                f"This conversation takes {needs:,} tokens and there is memory for {self._most_tokens:,}; start a new "
                "one, or choose a smaller model.",
                zh=f"此对话需要 {needs:,} 个词元，内存只容得下 {self._most_tokens:,} 个；请开始新对话，"
                "或选用更小的模型。",
            )
        request = _Request(job, Draw(job.sampling, job.ids))
        with self._work:
            if len(self._waiting) >= self._most_waiting:
                raise InputError(
                    f"{self._most_waiting} others are already waiting for this model; try again in a moment.",
                    zh=f"已有 {self._most_waiting} 人在等待此模型；请稍后再试。",
                )
            self._waiting.append(request)
            if self._thread is None:
                # Not a daemon: the interpreter would end it in the middle of the network, which aborts the process.
                self._thread = threading.Thread(target=self._run, name="batch", daemon=False)
                self._thread.start()
            self._work.notify()
        try:
            while True:
                try:
                    got = request.out.get(timeout=_POLL_S)
                except queue.Empty:
                    got = Waiting(self._place(request))
                if got is None:
                    return
                if isinstance(got, ModelError):
                    raise got
                yield got
        finally:
            request.gone.set()

    def _place(self, request: _Request) -> int:
        with self._lock:
            return self._waiting.index(request) + 1 if request in self._waiting else 0

    @property
    def bytes_per_token(self) -> int:
        """Memory of keys and values per token; 0 until something was read."""
        return self._store.bytes_per_token

    def forget(self) -> None:
        """Give the memory of all rows back. Does nothing while somebody is being answered."""
        with self._lock:
            if self._thread is None or (not self._waiting and all(row.request is None for row in self._rows)):
                self._forget()

    @property
    def busy(self) -> int:
        """Requests that are waited for, read or written."""
        with self._lock:
            return len(self._waiting) + sum(row.request is not None for row in self._rows)

    # The thread

    def _run(self) -> None:
        idle_since: float | None = None
        while threading.main_thread().is_alive():
            with self._work:
                if not self._waiting and all(row.request is None for row in self._rows):
                    idle_since = idle_since or time.monotonic()
                    if time.monotonic() - idle_since >= _LINGER_S:
                        self._thread = None
                        return
                    self._work.wait(_POLL_S)
                    continue
            idle_since = None
            self._round()
        self._leave()

    def _leave(self) -> None:
        """The program ends: nobody is kept waiting."""
        with self._lock:
            self._thread = None
            for request in [*self._waiting, *(row.request for row in self._rows if row.request is not None)]:
                request.out.put(None)

    @torch.inference_mode()
    def _round(self) -> None:
        """One piece of a prompt, one token of every answer."""
        try:
            self._drop_cancelled()
            self._admit()
            self._read()
            self._step()
        except Exception as error:
            logger.exception("A round of the batch failed")
            for row in [row for row in self._rows if row.request is not None]:
                self._end(row, failed_writing(error))
            self._forget()

    def _drop_cancelled(self) -> None:
        with self._lock:
            cancelled = [request for request in self._waiting if request.cancelled]
            for request in cancelled:
                self._waiting.remove(request)
        for request in cancelled:
            request.out.put(None)
        for row in [row for row in self._rows if row.request is not None and row.request.cancelled]:
            self._end(row)

    def _admit(self) -> None:
        """Give waiting requests a row, in the order they came, as long as there are rows and memory."""
        while True:
            with self._lock:
                request = self._waiting[0] if self._waiting else None
            if request is None:
                return
            row = self._placed(request)
            if row is None and any(row.request is not None for row in self._rows):
                return  # it waits until others have finished
            if row is None:
                self._forget()
                row = self._placed(request)
            with self._lock:
                self._waiting.remove(request)
            if row is None:
                request.out.put(no_memory(request.job))
            else:
                row.request = request

    def _placed(self, request: _Request) -> _Row | None:
        """`_row_for`; None also where the machine has no memory."""
        try:
            return self._row_for(request)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                return None
            raise

    def _row_for(self, request: _Request) -> _Row | None:
        """A free row that holds as much of the prompt as there is to be had; None when there is no place for it yet."""
        needs = [row.request.needs for row in self._rows if row.request is not None] + [request.needs]
        if len(needs) > self._most_rows or len(needs) * max(needs) > self._most_tokens:
            return None
        capacity = -(-max(needs) // _CAPACITY_STEP) * _CAPACITY_STEP
        if len(needs) * capacity > self._most_tokens:
            capacity = max(needs)
        if max(len(self._rows), len(needs)) * self._store.capacity <= self._most_tokens:
            capacity = max(capacity, self._store.capacity)
        most = min(self._most_rows, self._most_tokens // capacity)
        for row in sorted(self._free(), key=lambda row: row.used)[: max(0, len(self._rows) - most)]:
            self._move(row, len(self._rows) - 1)
            self._rows.pop()
        more = len(self._rows) < most and all(row.tokens for row in self._free())
        self._store.resize(len(self._rows) + more, capacity)
        self._rows += [_Row()] * more
        for row in self._free():
            del row.tokens[capacity:]
        return self._prepared(request)

    def _free(self) -> list[_Row]:
        return [row for row in self._rows if row.request is None]

    def _prepared(self, request: _Request) -> _Row:
        """A free row, made to hold the longest beginning of the prompt that any row holds."""
        ids = request.job.ids
        shared = {id(row): _shared(row.tokens, ids) for row in self._rows}
        best = max(self._rows, key=lambda row: shared[id(row)])
        oldest = min(self._free(), key=lambda row: (bool(row.tokens), row.used))
        length = shared[id(best)]
        if length < _WORTH_COPYING:
            length = 0
        own = best.request is None and 2 * length >= len(best.tokens)
        row = best if own and length else oldest
        if length and row is not best:
            self._store.copy(self._rows.index(best), self._rows.index(row), length)
        row.tokens = list(ids[:length])
        row.used = time.monotonic()
        return row

    def _read(self) -> None:
        """Read the next piece of the prompt that came first."""
        reading = [row for row in self._rows[self._writing :] if row.request is not None]
        if not reading:
            return
        row = min(reading, key=lambda row: row.used)
        request = row.request
        assert request is not None
        start = len(row.tokens)
        piece = list(request.job.ids[start : start + _PIECE])
        try:
            self._store.read_into(self._rows.index(row), start, len(piece))
            places = torch.arange(start, start + len(piece), device=self._net.device)[None]
            logits = self._forward(torch.tensor([piece], device=self._net.device), places, start + len(piece))
            row.tokens += piece
            if len(row.tokens) == len(request.job.ids):
                self._move(row, self._writing)
                self._writing += 1
                self._took(row, pick(logits, [request.draw])[0])
        except Exception as error:
            if not is_out_of_memory(error):
                logger.exception("Reading a prompt failed")
            row.tokens = []
            self._end(row, no_memory(request.job) if is_out_of_memory(error) else _failed_reading(error))

    def _step(self) -> None:
        """Write one token of every answer."""
        rows = self._rows[: self._writing]
        if not rows:
            return
        places = torch.tensor([len(row.tokens) for row in rows], device=self._net.device)
        length = max(len(row.tokens) for row in rows) + 1
        ids = torch.tensor([[row.last] for row in rows], device=self._net.device)
        self._store.step(places, length)
        logits = self._forward(ids, places[:, None], length)
        for row in rows:
            row.tokens.append(row.last)
        tokens = pick(logits, [row.request.draw for row in rows if row.request is not None])
        for row, token in zip(rows, tokens, strict=True):
            self._took(row, token)

    def _forward(self, ids: Tensor, places: Tensor, length: int) -> Tensor:
        """Logits after the last token of each row, shape (rows, vocabulary), float32."""
        output = self._net(
            input_ids=ids,
            position_ids=places,
            attention_mask=self._masks.of(places, length),
            past_key_values=self._store,
            use_cache=True,
            **self._options,
        )
        logits: Tensor = output.logits[:, -1].to(torch.float32, copy=True)
        return logits

    def _took(self, row: _Row, token: int) -> None:
        """Pass a token on; the row is done when it ends the answer or fills its room."""
        request = row.request
        assert request is not None
        if token == NOT_A_NUMBER:
            row.tokens = []
            self._end(row, not_a_number())
            return
        row.last = token
        request.written += 1
        if token in request.job.ends:
            self._end(row)
            return
        request.out.put(token)
        if request.written == request.job.room:
            self._end(row)

    def _end(self, row: _Row, failure: ModelError | None = None) -> None:
        """Free the row. What it holds stays, for a prompt that begins the same."""
        request = row.request
        assert request is not None
        if self._rows.index(row) < self._writing:
            self._writing -= 1
            self._move(row, self._writing)
        row.request, row.used = None, time.monotonic()
        request.out.put(failure)

    def _move(self, row: _Row, place: int) -> None:
        """Put a row at a place; the row there takes its."""
        at = self._rows.index(row)
        self._store.swap(at, place)
        self._rows[at], self._rows[place] = self._rows[place], self._rows[at]

    def _forget(self) -> None:
        """Give the memory of all rows back; nobody is being answered."""
        self._rows, self._writing = [], 0
        self._store.clear()


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens of a prompt (`other`) that a row (`one`) holds; never all of them, for the last one must be read."""
    most = min(len(one), len(other) - 1)
    return next((i for i in range(most) if one[i] != other[i]), most)


def _failed_reading(error: Exception) -> ModelError:
    kind = type(error).__name__
    return ModelError(
        f"The model failed while reading ({kind}); try again.", zh=f"模型在读取提示词时出错（{kind}）；请再试一次。"
    )
