"""Many answers written together: whoever asks joins the others at the next token, and whoever is done leaves.

Continuous batching (Yu et al. 2022, “Orca”) over `chat.rows`. One thread drives the network; in every round it reads
a piece of one new prompt and then writes one token of every answer. So a long prompt delays the others by a piece at
a time, a request is gone one token after it was cancelled, and one that fails takes nobody with it. Where memory does
not suffice for a token of every answer, the newest ones pause until others are done.
"""

from __future__ import annotations

import inspect
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from chat.decoding import MOST_WAITING, Job, Waiting, failed_writing, no_memory, not_a_number, queue_full
from chat.masks import Masks
from chat.row_table import Budget, Request, Row, RowTable
from chat.sampler import NOT_A_NUMBER, Draw, pick
from chat.weights import is_out_of_memory
from errors import ModelError

logger = logging.getLogger(__name__)

_PIECE = 256
"""Tokens of a prompt that are read at once: others wait that long for their next token."""
_POLL_S = 0.1
_LINGER_S = 5.0
"""The thread ends after this long without work; the next request starts another."""


class BatchedDecoder:
    """A `Decoder` for one network. At most `most_rows` answers are written at once, `most_waiting` wait.

    `most_tokens` bounds rows × capacity, and with it the memory of keys and values; it is asked again whenever there
    are to be more of them.
    """

    def __init__(
        self, net: Any, *, most_rows: int = 16, most_tokens: int | Budget = 65_536, most_waiting: int = MOST_WAITING
    ) -> None:
        self._net = net
        self._masks = Masks(net.config, net.dtype, net.device)
        budget: Budget = most_tokens if callable(most_tokens) else lambda held: most_tokens
        self._table = RowTable(net.config.get_text_config().num_hidden_layers, most_rows, budget)
        self._most_rows, self._most_waiting = most_rows, most_waiting
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(net.forward).parameters else {}
        self._at_once = most_rows
        """Answers that memory has sufficed for, since the batch last stood still."""
        self._waiting: deque[Request] = deque()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._linger_s = _LINGER_S

    def write(self, job: Job) -> Generator[int | Waiting]:
        """See `Decoder`."""
        needs, most = len(job.ids) + job.room, self._table.most_tokens
        if needs > most:
            raise ModelError(
                f"This conversation takes {needs:,} tokens and there is memory for {most:,}; start a new one, or "
                "choose a smaller model.",
                zh=f"此对话需要 {needs:,} 个词元，内存只容得下 {most:,} 个；请开始新对话，或选用更小的模型。",
            )
        request = Request(job, Draw(job.sampling, job.ids))
        with self._work:
            if len(self._waiting) >= self._most_waiting:
                raise queue_full(self._most_waiting)
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

    def _place(self, request: Request) -> int:
        with self._lock:
            return self._waiting.index(request) + 1 if request in self._waiting else 0

    @property
    def bytes_per_token(self) -> int:
        """Memory of keys and values per token; 0 until something was read."""
        return self._table.store.bytes_per_token

    def forget(self) -> None:
        """Give the memory of all rows back. Does nothing while somebody is being answered."""
        with self._lock:
            if self._thread is None or not (self._waiting or self._table.used):
                self._table.forget()

    def end(self) -> None:
        """Wait for what is being written and end the thread, which else keeps the network for a while."""
        with self._work:
            thread, self._linger_s = self._thread, 0.0
            self._work.notify()
        if thread is not None:
            thread.join()

    @property
    def busy(self) -> int:
        """Requests that are waited for, read or written."""
        with self._lock:
            return len(self._waiting) + len(self._table.used)

    # The thread

    def _run(self) -> None:
        idle_since: float | None = None
        while threading.main_thread().is_alive():
            with self._work:
                if not (self._waiting or self._table.used):
                    self._at_once = self._most_rows
                    idle_since = idle_since or time.monotonic()
                    if time.monotonic() - idle_since >= self._linger_s:
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
            for request in [*self._waiting, *(row.request for row in self._table.used)]:
                if request is not None:
                    request.out.put(None)

    @torch.inference_mode()
    def _round(self) -> None:
        """One piece of a prompt, one token of every answer."""
        try:
            self._drop_cancelled()
            self._admit()
            self._table.resume(self._at_once)
            self._read()
            self._step()
        except Exception as error:
            logger.exception("A round of the batch failed")
            for request in [row.request for row in self._table.used if row.request is not None]:
                request.out.put(failed_writing(error))
            self._table.forget()

    def _drop_cancelled(self) -> None:
        with self._lock:
            cancelled = [request for request in self._waiting if request.cancelled]
            for request in cancelled:
                self._waiting.remove(request)
        for request in cancelled:
            request.out.put(None)
        for row in self._table.used:
            if row.request is not None and row.request.cancelled:
                self._table.end(row)

    def _admit(self) -> None:
        """Give waiting requests a row, in the order they came, as long as there are rows and memory."""
        while True:
            with self._lock:
                request = self._waiting[0] if self._waiting else None
            if request is None:
                return
            row = self._table.place(request)
            if row is None and self._table.used:
                return  # it waits until others have finished
            if row is None:
                self._table.forget()
                row = self._table.place(request)
            with self._lock:
                self._waiting.remove(request)
            if row is None:
                request.out.put(no_memory(request.job))
            else:
                row.request = request

    def _read(self) -> None:
        """Read the next piece of the prompt that came first."""
        reading = [row for row in self._table.used if not row.read]
        if not reading or self._table.writing >= self._at_once:
            return
        row = min(reading, key=lambda row: row.used)
        request = row.request
        assert request is not None
        start = len(row.tokens)
        piece = list(request.job.ids[start : start + _PIECE])
        try:
            self._table.store.read_into(self._table.rows.index(row), start, len(piece))
            places = torch.arange(start, start + len(piece), device=self._net.device)[None]
            logits = self._forward(torch.tensor([piece], device=self._net.device), places, start + len(piece))
            row.tokens += piece
            if not row.read:
                return
            self._table.move(row, self._table.writing)
            token = pick(logits, [request.draw])[0]
        except Exception as error:
            del row.tokens[start:]
            scarce = is_out_of_memory(error)
            if not scarce:
                logger.exception("Reading a prompt failed")
            failure = no_memory(request.job) if scarce else _failed_reading(error)
        else:
            self._table.writing += 1
            self._took(row, token)
            return
        if scarce and (self._table.shed() or self._table.writing):
            self._at_once = self._table.writing or self._at_once
            return  # it is tried again, where others write once one of them is done
        row.tokens = []
        self._table.end(row, failure)
        if not self._table.used:
            self._table.forget()  # a smaller one may find room

    def _step(self) -> None:
        """Write one token of every answer; of fewer, where memory does not suffice."""
        tokens: list[int] | None = None
        rows: Sequence[Row] = ()
        while self._table.writing and tokens is None:
            rows = self._table.rows[: self._table.writing]
            try:
                tokens = self._next(rows)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            if tokens is None:  # outside of `except`, whose error holds on to the tensors of the pass
                self._make_do(rows[-1])
        if tokens is None:
            return
        for row in rows:
            row.tokens.append(row.last)
        for row, token in zip(rows, tokens, strict=True):
            self._took(row, token)

    def _next(self, rows: Sequence[Row]) -> list[int]:
        """The next token of each row. Changes nothing that would be missed if it were asked again."""
        places = torch.tensor([len(row.tokens) for row in rows], device=self._net.device)
        length = max(len(row.tokens) for row in rows) + 1
        ids = torch.tensor([[row.last] for row in rows], device=self._net.device)
        self._table.store.step(places, length)
        logits = self._forward(ids, places[:, None], length)
        return pick(logits, [row.request.draw for row in rows if row.request is not None])

    def _make_do(self, last: Row) -> None:
        """There was no memory for a step: do with less. The last row pauses; one that is alone has to end."""
        if self._table.shed():
            return
        if self._table.writing > 1:
            self._table.writing -= 1
            self._at_once = self._table.writing
            return
        assert last.request is not None
        last.tokens = []
        self._table.end(last, no_memory(last.request.job))
        self._at_once = self._most_rows

    def _forward(self, ids: Tensor, places: Tensor, length: int) -> Tensor:
        """Logits after the last token of each row, shape (rows, vocabulary), float32."""
        output = self._net(
            input_ids=ids,
            position_ids=places,
            attention_mask=self._masks.of(places, length),
            past_key_values=self._table.store,
            use_cache=True,
            **self._options,
        )
        logits: Tensor = output.logits[:, -1].to(torch.float32, copy=True)
        return logits

    def _took(self, row: Row, token: int) -> None:
        """Pass a token on; the row is done when it ends the answer or fills its room."""
        request = row.request
        assert request is not None
        if token == NOT_A_NUMBER:
            row.tokens = []
            self._table.end(row, not_a_number())
            return
        row.last = token
        request.written += 1
        if token in request.job.ends:
            self._table.end(row)
            return
        request.out.put(token)
        if request.written == request.job.room:
            self._table.end(row)


def _failed_reading(error: Exception) -> ModelError:
    kind = type(error).__name__
    return ModelError(
        f"The model failed while reading ({kind}); try again.", zh=f"模型在读取提示词时出错（{kind}）；请再试一次。"
    )
