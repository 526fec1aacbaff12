"""Who is waiting for an answer right now: background work makes way for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_SHARE = 0.1
"""Of the time, what background work takes while somebody is waiting without end: it slows them by about as much."""
_POLL_S = 0.1


class Activity:
    """`with activity:` around what a person waits for. Any number of threads may be in it at once."""

    def __init__(self, left: Callable[[], object] = lambda: None) -> None:
        """`left` is called whenever somebody has what they waited for."""
        self._here = 0
        self._left = left
        self._changed = threading.Condition()

    @property
    def busy(self) -> bool:
        """Whether anybody is waiting."""
        return self._here > 0

    def __enter__(self) -> None:
        with self._changed:
            self._here += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._here -= 1
            self._changed.notify_all()
        self._left()

    def make_way(self, worked_s: float, stop: threading.Event) -> None:
        """Wait until nobody is waiting; but where that does not come, only as long as `worked_s` asks for.

        For background work to call after each short piece, with the seconds that the piece took.
        """
        until = time.monotonic() + worked_s * (1 / _SHARE - 1)
        with self._changed:
            while self._here and (left := until - time.monotonic()) > 0 and not stop.is_set():
                self._changed.wait(min(left, _POLL_S))
