"""When to leave a server alone: for as long as it asked, and longer after each failure in a row but the first."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from errors import SourceError

ASKED_TO_WAIT_S = 30.0
"""Where a server asks for fewer requests and names no time."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 60.0


class PausedError(SourceError):
    """The server is being left alone for a while."""


class Pause:
    """Safe to call from several threads. `clock` gives seconds."""

    def __init__(self, name: str, zh: str, clock: Callable[[], float]) -> None:
        """`name` and `zh`: what the sentences call the server, in English and Chinese."""
        self._name, self._zh = name, zh
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._why = ("", "")
        self._failures = 0

    def check(self) -> None:
        """Raises `PausedError` while the server is left alone."""
        with self._lock:
            left = self._until - self._clock()
            if left > 0:
                raise self._error(left)

    def slow_down(self, seconds: float = 0.0) -> PausedError:
        """Leave the server alone, which asked for fewer requests, for so long; say so."""
        return self.hold(seconds or ASKED_TO_WAIT_S, "asked us to slow down", "要求放慢请求")

    def hold(self, seconds: float, why: str, zh: str) -> PausedError:
        """Leave the server alone for this long. The sentence says why: `why` and `zh` follow the server's name."""
        with self._lock:
            if self._clock() + seconds > self._until:
                self._until, self._why = self._clock() + seconds, (why, zh)
            return self._error(self._until - self._clock())

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            doublings = min(self._failures - 2, 8)
        if doublings >= 0:
            self.hold(min(_FIRST_PAUSE_S * 2**doublings, _LONGEST_PAUSE_S), "failed several times", "多次请求失败")

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def _error(self, left: float) -> PausedError:
        why, zh = self._why
        wait = math.ceil(left)
        return PausedError(
            f"{self._name} {why}; it is asked again in {wait} s.", zh=f"{self._zh}{zh}，{wait} 秒后再次查询。"
        )
