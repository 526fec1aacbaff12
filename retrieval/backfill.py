"""Keeps the vectors of an encoder in step with the passages of an index, in the background.

The documents that came last go first. While somebody waits for an answer it works in short pieces with long pauses.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from activity import Activity
from encoder import SentenceEncoder, Vectors
from errors import AppError
from retrieval.base import Passage
from retrieval.means import Means
from retrieval.storage import Storage, View
from retrieval.stored import passage_of
from retrieval.vectors import Stored, VectorFile, encoded_texts, units, vector_key

_LISTED = 4096
"""Passages that are looked through at once."""
_AT_ONCE, _AT_ONCE_BUSY = 16, 2
"""Passages that are encoded at once: enough to fill batches; while somebody waits, a few hundredths of a second."""
_RATED = 32
"""Pieces of work that the rate is reckoned from."""
_TRY_AGAIN_S = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far the vectors are."""

    done: int
    """Passages that have them."""
    total: int
    """Passages in a language that the encoder knows."""
    rate: float
    """Passages per second lately; 0 while nothing is encoded."""
    problem: str = ""
    """Why it stands still; empty otherwise."""


class Backfill:
    """One thread encodes; any number may look up."""

    def __init__(self, folder: Path, encoder: SentenceEncoder, storage: Storage, activity: Activity) -> None:
        self._folder = folder
        self._encoder = encoder
        self._storage = storage
        self._activity = activity
        self._vectors: VectorFile | None = None
        self._means = Means()
        self._opening = threading.Lock()
        self._running = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._new: deque[tuple[int, int]] = deque()
        """Numbers of passages that were added and not counted yet."""
        self._ranges: list[tuple[int, int]] = []
        """Numbers of passages that were not looked through yet; the last range is the next."""
        self._recount = threading.Event()
        self._recount.set()
        self._total = self._missing = 0
        self._pieces: deque[tuple[float, int]] = deque(maxlen=_RATED)
        """(when it was done, passages) of the latest pieces of work."""
        self._problem = ""

    def nearest(self, question: Vectors, count: int) -> list[int]:
        """Keys of the `count` passages that are nearest to a question's vector, of those that were looked through."""
        return self._means.nearest(question, count)

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]:
        """The stored vectors by key; None where there are none, and for all while the encoder is not loaded."""
        return self._file().lookup(keys) if self._encoder.loaded else [None] * len(keys)

    @property
    def progress(self) -> BackfillProgress:
        """How far it is, as of the last piece of work."""
        pieces, total = list(self._pieces), self._total
        rate = 0.0
        if self._missing and len(pieces) > 1:
            rate = sum(count for _, count in pieces[1:]) / max(1e-3, pieces[-1][0] - pieces[0][0])
        return BackfillProgress(max(0, total - self._missing), total, rate, self._problem)

    def start(self) -> None:
        """Run in a background thread, now and after each change, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_running, name="vectors", daemon=True)
            self._thread.start()

    def added(self, first: int, last: int) -> None:
        """Passages of these numbers can be found now."""
        self._new.append((first, last))
        self._wake.set()

    def removed(self) -> None:
        """Passages are gone."""
        self._recount.set()
        self._wake.set()

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        if self._vectors is not None:
            self._vectors.close()

    def _keep_running(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.run(self._stop)
                self._wake.wait()
            except (AppError, OSError) as error:
                self._problem = str(error) if isinstance(error, AppError) else _unwritten(self._folder, error)
                logger.warning("%s", self._problem)
                self._wake.wait(_TRY_AGAIN_S)

    def run(self, stop: threading.Event, progress: Callable[[int, int], None] | None = None) -> None:
        """Encode every passage that has no vectors yet, in a language the encoder knows. Loads the encoder.

        `progress` is told (passages done, passages that were missing). Raises `OSError` on a full disk; what was
        written before stays, and the next run goes on from there.
        """
        with self._running:
            self._encoder.load()
            file, done = self._file(), 0
            self._pieces.clear()
            self._means.catch_up(file)
            while self._count(file) and not stop.is_set():
                view = self._storage.view
                with self._next(view, file) as missing:
                    while missing and not stop.is_set() and not self._new:
                        began = time.monotonic()
                        batch = missing[: _AT_ONCE_BUSY if self._activity.busy else _AT_ONCE]
                        self._encode([passage_of(view.searcher.doc(address)) for _, address in batch], file)
                        del missing[: len(batch)]
                        done += len(batch)
                        if progress is not None:
                            progress(done, done + self._missing)
                        self._activity.make_way(time.monotonic() - began, stop)

    def _count(self, file: VectorFile) -> bool:
        """Whether there may be passages without vectors; counts them."""
        languages = self._encoder.languages
        if self._recount.is_set():
            self._recount.clear()
            self._new.clear()
            self._total = self._missing = 0
            self._ranges = []
            self._new.append((0, self._storage.view.last_number))
        while self._new:
            first, last = self._new.popleft()
            keys = self._storage.view.keys(languages, first, last)
            missing = int(np.count_nonzero(~file.has(keys)))
            self._total, self._missing = self._total + len(keys), self._missing + missing
            if missing:
                self._ranges.append((first, last))
        if not self._ranges:
            self._missing = 0
        return bool(self._ranges)

    @contextmanager
    def _next(self, view: View, file: VectorFile) -> Iterator[list[tuple[int, Any]]]:
        """(number, address) of the next passages without vectors; what is left of them at the end comes again."""
        first, last = self._ranges.pop()
        listed = view.newest(first, last, _LISTED, self._encoder.languages)
        if len(listed) == _LISTED:
            self._ranges.append((first, listed[-1][0] - 1))
        there = file.has(np.array([key for _, key, _ in listed], np.int64))
        # By key, the latest passage of each: equal ones share their vectors.
        new = {
            key: (n, address) for (n, key, address), has in zip(reversed(listed), there[::-1], strict=True) if not has
        }
        missing = sorted(new.values(), key=lambda one: -one[0])
        try:
            yield missing
        finally:
            if missing:
                self._ranges.append((missing[-1][0], missing[0][0]))

    def _encode(self, passages: Sequence[Passage], file: VectorFile) -> None:
        texts = [encoded_texts(passage, units(passage.text)) for passage in passages]
        vectors = self._encoder.encode([text for group in texts for text in group])
        ends = accumulate(map(len, texts))
        file.append(
            [(vector_key(group), vectors[end - len(group) : end]) for group, end in zip(texts, ends, strict=True)]
        )
        self._means.catch_up(file)
        self._missing = max(0, self._missing - len(passages))
        self._pieces.append((time.monotonic(), len(passages)))
        self._problem = ""

    def _file(self) -> VectorFile:
        """The vectors of this encoder; opened, and swept of deleted passages, on first use."""
        with self._opening:
            if self._vectors is None:
                file = VectorFile(self._folder / f"{self._encoder.hash}.f16", self._encoder.dimension)
                file.open()
                file.keep(self._storage.view.keys(frozenset("*")))
                self._vectors = file
            return self._vectors


def _unwritten(folder: Path, error: OSError) -> str:
    return (
        f"Vectors cannot be written to {folder} ({error.strerror}); passages without them are ranked by their words "
        "until there is space again."
    )
