"""How many requests may be under way, in all and to one host, and how many may begin per host and minute."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from errors import SourceError
from retrieval.connection import SLICE_S, Budget, Cancelled

MOST_AT_ONCE = 32
"""Requests under way in all."""
_WINDOW_S = 60.0
_REMEMBERED = 1000
"""Hosts; those that were not asked for a minute are forgotten when there are more."""


@dataclass(slots=True)
class _Host:
    under_way: int = 0
    begun: deque[float] = field(default_factory=deque)
    """When the requests of the last minute began."""


class Pace:
    """Safe to share between fetchers and threads. `clock` gives seconds."""

    def __init__(
        self,
        per_host: int = 8,
        per_minute: int = 240,
        at_once: int = MOST_AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_host = per_host
        self._per_minute = per_minute
        self._at_once = at_once
        self._clock = clock
        self._changed = threading.Condition()
        self._under_way = 0
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def turn(self, budget: Budget) -> Iterator[None]:
        """One request to the budget's host, once it may begin.

        Raises `SourceError` when that is not before the budget's end, `Cancelled` when nobody waits any more.
        """
        budget.left()
        with self._changed:
            host = self._waited_for(budget)
            self._under_way += 1
            host.under_way += 1
            host.begun.append(self._clock())
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                host.under_way -= 1
                self._changed.notify_all()

    def _waited_for(self, budget: Budget) -> _Host:
        while True:
            host = self._host(budget.host)
            pause = self._pause(host)
            if pause <= 0:
                return host
            try:
                left = budget.left()
            except Cancelled:
                raise
            except SourceError:
                raise _busy(budget.host) from None
            if left < pause < math.inf:
                raise _often(budget.host, pause)
            self._changed.wait(min(left, pause, SLICE_S))

    def _pause(self, host: _Host) -> float:
        """Seconds until a request may begin; endless where that depends on the end of another."""
        if host.under_way >= self._per_host or self._under_way >= self._at_once:
            return math.inf
        if len(host.begun) < self._per_minute:
            return 0.0
        return host.begun[0] + _WINDOW_S - self._clock()

    def _host(self, name: str) -> _Host:
        now = self._clock()
        if name not in self._hosts and len(self._hosts) >= _REMEMBERED:
            for known, host in list(self._hosts.items()):
                if not host.under_way and (not host.begun or host.begun[-1] + _WINDOW_S <= now):
                    del self._hosts[known]
        host = self._hosts.setdefault(name, _Host())
        while host.begun and host.begun[0] + _WINDOW_S <= now:
            host.begun.popleft()
        return host


def _busy(host: str) -> SourceError:
    return SourceError(
        f"Too many requests to {host} are under way; try again in a moment.",
        zh=f"正在向 {host} 发送的请求太多，请稍后再试。",
    )


def _often(host: str, pause: float) -> SourceError:
    seconds = math.ceil(pause)
    return SourceError(
        f"{host} was asked as often as it may be in one minute; it is asked again in {seconds} s.",
        zh=f"一分钟内对 {host} 的请求已达上限，{seconds} 秒后再次请求。",
    )
