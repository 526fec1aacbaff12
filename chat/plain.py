"""One answer at a time, for networks whose memory cannot be kept in rows (`chat.batching`): state-space models, …

The answer is written by whoever reads it, without a thread; others wait for their turn, in the order they came.
"""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from chat.decoding import MOST_WAITING, Job, Waiting, failed_writing, no_memory, not_a_number, queue_full
from chat.sampler import NOT_A_NUMBER, Draw, pick
from chat.weights import is_out_of_memory
from errors import ModelError

_POLL_S = 0.1
_PIECE = 512
"""Tokens of a prompt read at once; between two readings the request may be cancelled."""


class PlainDecoder:
    """A `Decoder` for one network. At most `most_waiting` answers wait for the one that is written."""

    def __init__(self, net: Any, *, most_waiting: int = MOST_WAITING) -> None:
        self._net = net
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(net.forward).parameters else {}
        self._most_waiting = most_waiting
        self._line: deque[object] = deque()
        """Tickets in the order they came; the first one's answer is being written."""
        self._moved = threading.Condition()

    def write(self, job: Job) -> Generator[int | Waiting]:
        """See `Decoder`."""
        ticket = object()
        with self._moved:
            if len(self._line) > self._most_waiting:
                raise queue_full(self._most_waiting)
            self._line.append(ticket)
        try:
            while place := self._place(ticket):
                if job.cancel.is_set():
                    return
                yield Waiting(place)
            yield from self._write(job)
        except Exception as error:
            if isinstance(error, ModelError):
                raise
            raise (no_memory(job) if is_out_of_memory(error) else failed_writing(error)) from error
        finally:
            with self._moved:
                self._line.remove(ticket)
                self._moved.notify_all()

    def _place(self, ticket: object) -> int:
        """How many are before it, after a while in which it was not yet its turn."""
        with self._moved:
            self._moved.wait_for(lambda: self._line[0] is ticket, _POLL_S)
            return self._line.index(ticket)

    def _write(self, job: Job) -> Generator[int | Waiting]:
        draw = Draw(job.sampling, job.ids)
        cache = DynamicCache(config=self._net.config)
        logits = torch.empty(0)
        for start in range(0, len(job.ids), _PIECE):
            if job.cancel.is_set():
                return
            logits = self._read(job.ids[start : start + _PIECE], cache)
            yield Waiting(0)
        for left in range(job.room - 1, -1, -1):
            with torch.inference_mode():  # the logits are of that mode, and are changed in place
                token = pick(logits, [draw])[0]
            if token == NOT_A_NUMBER:
                raise not_a_number()
            if token in job.ends:
                return
            yield token
            if job.cancel.is_set():
                return
            if left:
                logits = self._read([token], cache)

    def _read(self, ids: Sequence[int], cache: DynamicCache) -> Tensor:
        """Logits after `ids`, shape (1, vocabulary), float32; the cache grows by them."""
        with torch.inference_mode():
            tokens = torch.tensor([list(ids)], device=self._net.device)
            output = self._net(input_ids=tokens, past_key_values=cache, use_cache=True, **self._options)
            logits: Tensor = output.logits[:, -1].to(torch.float32, copy=True)
            return logits
