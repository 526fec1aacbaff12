"""The operator's documents, followed in the background: the folder and the list of URLs that the settings name.

Nothing waits for them: the first answer is given while they are read. What is in the index from the last time is
searched at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import AppError
from retrieval.corpus import SHARED, Corpus
from retrieval.follower import Follower
from retrieval.index_protocol import Index

log = logging.getLogger(__name__)

_LOOK_EVERY_S, _REST, _LONGEST_REST_S = 5.0, 20, 60.0
"""A look that takes long is followed by a rest of 20 times as long, a minute at most."""
_LARGEST_BYTES = 500 * 2**20
_CLOSING_S = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    documents: int
    """In the index."""
    waiting: int
    """Known of, and not read yet."""
    failures: tuple[AppError, ...]
    """Why the others could not be read."""


class Corpora:
    """Keeps the source `SHARED` of the index in step with every corpus. `folder` holds the records."""

    def __init__(
        self,
        index: Index,
        corpora: Sequence[Corpus],
        folder: Path,
        limit_bytes: int = _LARGEST_BYTES,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._index = index
        self._look_every_s = look_every_s
        self._reading = threading.Lock()
        self._followers = [
            Follower(index, each, folder / f"{each.name}.json", limit_bytes, self._reading) for each in corpora
        ]
        self._stop = threading.Event()
        self._complete: set[int] = set()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to follow, in threads of their own. The index must be open."""
        if not self._followers:
            self._tidy()
        for number, follower in enumerate(self._followers):
            thread = threading.Thread(target=self._follow, args=(number, follower), name="corpora", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop following; what is being read is finished first, if that does not take long."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_CLOSING_S)

    def status(self) -> Status:
        failures = [error for follower in self._followers for error in list(follower.failures.values())]
        waiting = sum(follower.waiting for follower in self._followers)
        return Status(len(self._held()), waiting, tuple(failures))

    def _held(self) -> frozenset[str]:
        return frozenset[str]().union(*(follower.documents for follower in self._followers))

    def _follow(self, number: int, follower: Follower) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            before = follower.documents
            try:
                complete = follower.step(self._stop)
                self._told(before, follower.documents)
                if complete and number not in self._complete:
                    self._complete.add(number)
                    self._tidy()
            except Exception:
                if self._stop.is_set():  # the index was closed
                    return
                log.exception("Looking for shared documents failed")
            took = time.monotonic() - began
            self._stop.wait(min(max(self._look_every_s, _REST * took), _LONGEST_REST_S))

    def _told(self, before: frozenset[str], after: frozenset[str]) -> None:
        if before != after:
            added, gone = len(after - before), len(before - after)
            log.info("Shared documents: %d new or changed, %d gone, %d in all", added, gone, len(after))

    def _tidy(self) -> None:
        """Once all is known, delete what belongs to no corpus: a crash, or another setting, left it behind."""
        with self._reading:
            if len(self._complete) < len(self._followers):
                return
            held = self._held()
            for info in self._index.documents(SHARED, ""):
                if info.id not in held:
                    self._index.delete(info.id, "")
