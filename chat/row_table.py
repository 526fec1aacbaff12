"""Who is in which row of `chat.rows`, and how many rows there is memory for.

A finished row is kept until its place is needed: the next turn of a conversation begins with the tokens that are
already there and only reads the rest. Rows are also copied, for prompts that begin like somebody else's.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chat.decoding import Job, Waiting
from chat.rows import Rows
from chat.sampler import Draw
from chat.weights import is_out_of_memory
from errors import ModelError

_CAPACITY_STEP = 256
"""Rows grow by this many tokens."""
_WORTH_COPYING = 16
"""A shared beginning of fewer tokens is read again."""

Budget = Callable[[int], int]
"""Tokens, rows × capacity, that there is memory for; it is told how many have their memory already."""


@dataclass(slots=True, eq=False)
class Request:
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
class Row:
    """What a row of keys and values holds."""

    tokens: list[int] = field(default_factory=list)
    """Those whose keys and values are stored. One more, the last one picked, is yet to be read while it writes."""
    request: Request | None = None
    used: float = 0.0
    last: int = 0
    """The token picked last."""

    @property
    def read(self) -> bool:
        """Whether it holds the whole prompt of its request."""
        return self.request is not None and len(self.tokens) >= len(self.request.job.ids)


class RowTable:
    """At most `most_rows` rows of equal capacity, within `budget`. The first `writing` ones write.

    `store` has their keys and values. Whatever fails for want of memory leaves both as they were, or with fewer rows
    that nobody uses.
    """

    def __init__(self, layers: int, most_rows: int, budget: Budget) -> None:
        self.store = Rows(layers)
        self.rows: list[Row] = []
        self.writing = 0
        """Of the others some are being read, and some pause."""
        self._most_rows, self._budget = most_rows, budget

    @property
    def most_tokens(self) -> int:
        """What there is memory for now, rows × capacity."""
        return self._budget(self.store.count * self.store.capacity if self.store.bytes_per_token else 0)

    @property
    def used(self) -> list[Row]:
        return [row for row in self.rows if row.request is not None]

    @property
    def _free(self) -> list[Row]:
        return [row for row in self.rows if row.request is None]

    def place(self, request: Request) -> Row | None:
        """A free row that holds as much of the prompt as there is to be had; None while there is no memory for it."""
        try:
            return self._row_for(request)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                return None
            raise

    def _row_for(self, request: Request) -> Row | None:
        needs = [row.request.needs for row in self.rows if row.request is not None] + [request.needs]
        if len(needs) > self._most_rows or len(needs) * max(needs) > (most_tokens := self.most_tokens):
            return None
        capacity = -(-max(needs) // _CAPACITY_STEP) * _CAPACITY_STEP
        if len(needs) * capacity > most_tokens:
            capacity = max(needs)
        if max(len(self.rows), len(needs)) * self.store.capacity <= most_tokens:
            capacity = max(capacity, self.store.capacity)
        most = min(self._most_rows, most_tokens // capacity)
        for row in sorted(self._free, key=lambda row: row.used)[: max(0, len(self.rows) - most)]:
            self._drop(row)
        more = len(self.rows) < most and all(row.tokens for row in self._free)
        try:
            self.store.resize(len(self.rows) + more, capacity)
        finally:
            for row in self._free:
                del row.tokens[self.store.capacity :]
        self.rows += [Row()] * more
        return self._prepared(request)

    def _prepared(self, request: Request) -> Row:
        """A free row, made to hold the longest beginning of the prompt that any row holds."""
        ids = request.job.ids
        shared = {id(row): _shared(row.tokens, ids) for row in self.rows}
        best = max(self.rows, key=lambda row: shared[id(row)])
        oldest = min(self._free, key=lambda row: (bool(row.tokens), row.used))
        length = shared[id(best)]
        if length < _WORTH_COPYING:
            length = 0
        own = best.request is None and 2 * length >= len(best.tokens)
        row = best if own and length else oldest
        if length and row is not best:
            self.store.copy(self.rows.index(best), self.rows.index(row), length)
        row.tokens = list(ids[:length])
        row.used = time.monotonic()
        return row

    def move(self, row: Row, place: int) -> None:
        """Put a row at a place; the row there takes its. Takes memory only where both hold something."""
        at, there = self.rows.index(row), self.rows[place]
        if row.tokens and there.tokens:
            self.store.swap(at, place)
        elif row.tokens:
            self.store.copy(at, place, len(row.tokens))
        else:
            self.store.copy(place, at, len(there.tokens))
        self.rows[at], self.rows[place] = there, row

    def end(self, row: Row, failure: ModelError | None = None) -> None:
        """Free the row. What it holds stays, for a prompt that begins the same."""
        request = row.request
        assert request is not None
        if self.rows.index(row) < self.writing:
            try:
                self.move(row, self.writing - 1)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                row.tokens = []  # then it is not exchanged, which takes memory, but overwritten
                self.move(row, self.writing - 1)
            self.writing -= 1
        row.request, row.used = None, time.monotonic()
        request.out.put(failure)

    def resume(self, at_once: int) -> None:
        """Let rows write that pause, the first to come before the others, until `at_once` do."""
        paused = [row for row in self.rows[self.writing :] if row.read]
        for row in sorted(paused, key=lambda row: row.used)[: max(0, at_once - self.writing)]:
            try:
                self.move(row, self.writing)
            except (RuntimeError, MemoryError) as error:
                if is_out_of_memory(error):
                    return
                raise
            self.writing += 1

    def shed(self) -> bool:
        """Give the memory of rows back that nobody uses. False where there are none."""
        free = self._free
        for row in free:
            self._drop(row)
        if free:
            try:
                self.store.resize(len(self.rows), self.store.capacity)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
        return bool(free)

    def _drop(self, row: Row) -> None:
        """Take a free row out."""
        row.tokens = []
        self.move(row, len(self.rows) - 1)
        self.rows.pop()

    def forget(self) -> None:
        """Give the memory of all rows back; nobody is being answered."""
        self.rows, self.writing = [], 0
        self.store.clear()


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens of a prompt (`other`) that a row (`one`) holds; never all of them, for the last one must be read."""
    most = min(len(one), len(other) - 1)
    return next((i for i in range(most) if one[i] != other[i]), most)
