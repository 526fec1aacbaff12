"""Feeds as they were fetched last: each asked for once at a time, for everybody, and again after some minutes.

`http_cache.py` keeps their bodies, so that one that has not changed is not sent again (ETag, Last-Modified). A feed
that fails is left alone for a while, and what it held before is used meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from errors import SourceError
from retrieval.feeds import ACCEPT, Feed, read_feed
from retrieval.http_cache import HttpCache

logger = logging.getLogger(__name__)

EVERY_S, PAUSE_S = 300.0, 60.0
"""How long a feed is used before it is asked for again, and how long one that failed is left alone."""
_REMEMBERED = 200
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a feed."""

    feed: Feed | None
    """What it holds; of an earlier time where it failed now, None where it never came."""
    failure: SourceError | None = None


@dataclass(slots=True)
class _Held:
    answer: Future[Asked]
    due: float = 0.0
    """When it may be asked for again, on the clock."""
    version: str = ""
    """Of the body that `feed` was read from."""
    feed: Feed | None = None


class FeedStore:
    """Feeds by address. Safe to call from several threads. `clock` gives seconds."""

    def __init__(self, cache: HttpCache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = False
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="feeds")

    def ask(self, address: str) -> Future[Asked]:
        """What the feed holds, once it is there. Whoever does not wait for it leaves it to those who ask next."""
        with self._lock:
            held = self._held.get(address)
            if held is None or (held.answer.done() and held.due <= self._clock()):
                before = held or _Held(Future())
                held = _Held(Future(), version=before.version, feed=before.feed)
                held.answer = self._threads.submit(self._read, address, held)
                self._held[address] = held
            self._held.move_to_end(address)
            while len(self._held) > _REMEMBERED:
                self._held.popitem(last=False)
            return held.answer

    def known(self, addresses: Sequence[str]) -> dict[str, Asked]:
        """What came of those among the addresses that were asked for, without asking."""
        with self._lock:
            held = {address: self._held[address].answer for address in addresses if address in self._held}
        return {address: answer.result() for address, answer in held.items() if answer.done()}

    def close(self) -> None:
        """Ask for nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(self, address: str, held: _Held) -> Asked:
        try:
            self._open()
            kept = self._cache.fetch(address, accept=ACCEPT)
            try:
                if kept.version != held.version:
                    held.feed, held.version = read_feed(kept.file.read_bytes(), kept.url), kept.version
            finally:
                self._cache.done(kept)
        except SourceError as error:
            return self._failed(held, error)
        except FileNotFoundError:  # the cache made room for something else
            return self._failed(held, _gone(address))
        except Exception:
            logger.exception("A feed could not be read")
            return self._failed(held, _gone(address))
        held.due = self._clock() + EVERY_S
        return Asked(held.feed)

    def _failed(self, held: _Held, error: SourceError) -> Asked:
        held.due = self._clock() + PAUSE_S
        return Asked(held.feed, error)

    def _open(self) -> None:
        with self._lock:
            if not self._opened:
                self._cache.open()
                self._opened = True


def _gone(address: str) -> SourceError:
    shown = address[:80]
    return SourceError(f"{shown} could not be read; try again later.", zh=f"无法读取 {shown}，请稍后再试。")
