"""Web pages for one question: fetched side by side and read, each in a process of its own, until time is up.

What a page is not ready for in time, or cannot be read for, is left out: its snippet speaks for it.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from errors import AppError
from retrieval.fetch import Cancelled, Fetcher
from retrieval.parsing import Limits, Parts, Reading
from retrieval.url_list import file_name

_ACCEPT = "text/html,application/xhtml+xml,application/pdf;q=0.8,text/plain;q=0.8,*/*;q=0.1"
_MOST_CHARS = 100_000
_MEMORY_BYTES = 2**29
_POLL_S = 0.05
_AT_ONCE = 4


@dataclass(slots=True)
class _Turn:
    """What one question has begun and may have to end before it is done."""

    deadline: float
    cancel: threading.Event
    given_up: threading.Event = field(default_factory=threading.Event)
    readings: set[Parts] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def over(self) -> bool:
        return self.cancel.is_set() or time.monotonic() >= self.deadline

    def give_up(self) -> None:
        with self.lock:
            self.given_up.set()
            readings = list(self.readings)
        for reading in readings:
            reading.close()

    def begins(self, reading: Parts) -> bool:
        """Whether there is still time to read."""
        with self.lock:
            if not self.given_up.is_set():
                self.readings.add(reading)
            return not self.given_up.is_set()


class PageReader:
    """Safe to call from several threads; all of them together read four pages at a time."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def read(self, urls: Sequence[str], deadline: float, cancel: threading.Event) -> dict[str, str]:
        """The texts of those pages that are ready by `deadline` (on `time.monotonic()`'s clock), as Markdown."""
        if not urls:
            return {}
        turn = _Turn(deadline, cancel)
        pool = ThreadPoolExecutor(len(urls), thread_name_prefix="pages")
        try:
            reading = {url: pool.submit(self._page, url, turn) for url in urls}
            pending = set(reading.values())
            while pending and not turn.over:
                pending = wait(pending, timeout=_POLL_S).not_done
            return {url: text for url, page in reading.items() if (text := _ready(page))}
        finally:
            turn.give_up()
            pool.shutdown(wait=True, cancel_futures=True)

    def _page(self, url: str, turn: _Turn) -> str:
        # `given_up` rather than the visitor's cancel: it is set in either case, and at the deadline.
        fetched = self._fetcher.get(url, accept=_ACCEPT, deadline=turn.deadline, cancel=turn.given_up)
        with tempfile.TemporaryDirectory(prefix="groundchat-") as folder:
            file = Path(folder) / "page"
            file.write_bytes(fetched.body)
            if not fetched.body or not self._has_place(turn):
                return ""
            try:
                left = max(turn.deadline - time.monotonic(), _POLL_S)
                name = file_name(fetched.url, fetched.content_type or "text/html")
                reading = Reading(file, name, len(fetched.body), Limits(_MEMORY_BYTES, left))
                return "".join(_text(reading.parts(), turn))
            finally:
                self._places.release()

    def _has_place(self, turn: _Turn) -> bool:
        """Waits until fewer pages are being read; False when that is too late."""
        while not turn.given_up.is_set():
            if self._places.acquire(timeout=_POLL_S):
                return True
        return False


def _text(parts: Parts, turn: _Turn) -> Iterator[str]:
    """The beginning of the page."""
    length = 0
    with parts:
        if not turn.begins(parts):
            return
        for part in parts:
            text = part.text[: _MOST_CHARS - length]
            yield text if part.continues or not length else f"\n\n{text}"
            length += len(text)
            if length >= _MOST_CHARS:
                return


def _ready(page: Future[str]) -> str:
    """The text of a page that was read; empty where it was not, for whatever reason."""
    if page.done():
        with suppress(AppError, Cancelled, OSError):
            return page.result()
    return ""
