"""How often a host is asked. python -m pytest tests/test_pace.py"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from errors import SourceError
from retrieval.connection import Budget, Cancelled
from retrieval.fetch import Fetcher, Limits
from retrieval.pace import Pace
from tests.sentences import one_sentence
from tests.web_server import Page, WebServer, redirect


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def budget(host: str = "a.test", seconds: float = 5.0) -> Budget:
    return Budget(host, time.monotonic() + seconds, seconds, threading.Event())


def test_so_many_requests_a_minute_may_begin() -> None:
    clock = Clock()
    pace = Pace(per_minute=3, clock=clock)
    for _ in range(3):
        clock.now += 10
        with pace.turn(budget()):
            pass
    with (
        pytest.raises(
            SourceError, match=r"^a\.test was asked as often as it may be in one minute; .* in 40 s\.$"
        ) as error,
        pace.turn(budget()),
    ):
        pass
    assert one_sentence(error.value)
    with pace.turn(budget("b.test")):
        pass
    clock.now += 40
    with pace.turn(budget()):
        pass
    with pytest.raises(SourceError, match="in 10 s"), pace.turn(budget()):
        pass


def test_a_request_waits_where_there_is_time() -> None:
    pace = Pace(per_minute=1, clock=lambda: time.monotonic() * 200)  # a minute passes in 0.3 s
    with pace.turn(budget()):
        pass
    start = time.monotonic()
    with pace.turn(budget(seconds=100)):
        assert 0.2 < time.monotonic() - start < 3


def test_so_many_requests_may_be_under_way() -> None:
    pace = Pace(per_host=2, at_once=3)
    with ExitStack() as under_way:
        under_way.enter_context(pace.turn(budget()))
        under_way.enter_context(pace.turn(budget()))
        with pytest.raises(SourceError, match=r"^Too many requests to a\.test are under way") as error:
            under_way.enter_context(pace.turn(budget(seconds=0.15)))
        assert one_sentence(error.value)
        under_way.enter_context(pace.turn(budget("b.test")))
        with pytest.raises(SourceError, match=r"^Too many requests to c\.test are under way"):
            under_way.enter_context(pace.turn(budget("c.test", seconds=0.15)))
    for _ in range(3):
        with pace.turn(budget()):
            pass


def test_the_next_begins_as_soon_as_one_ends_and_a_cancel_ends_the_wait() -> None:
    pace = Pace(per_host=1)
    waiting, cancelled = budget(), budget()

    def begin(given: Budget) -> float:
        with pace.turn(given):
            return time.monotonic()

    with ThreadPoolExecutor(2) as pool:
        with pace.turn(budget()):
            given_up = pool.submit(begin, cancelled)
            begun = pool.submit(begin, waiting)
            cancelled.cancel.set()
            with pytest.raises(Cancelled):
                given_up.result(timeout=2)
            assert not begun.done()
            ended = time.monotonic()
        assert begun.result(timeout=2) >= ended


def test_no_time_is_no_turn() -> None:
    pace = Pace()
    with pytest.raises(SourceError, match="There was no time left"), pace.turn(budget(seconds=0)):
        pass


def test_hosts_are_forgotten() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for n in range(3000):
        clock.now += 1
        with pace.turn(budget(f"{n}.test")):
            pass
    assert len(pace._hosts) <= 1000


def test_every_hop_counts_and_fetchers_share_a_pace() -> None:
    pace = Pace(per_minute=3, clock=Clock())
    with WebServer() as server:
        server.pages |= {"/": Page(b"here"), "/away": redirect("/")}
        first, second = (
            Fetcher("Tests/1.0", allowed_hosts=[server.host], limits=Limits(seconds=5), pace=pace) for _ in range(2)
        )
        assert first.get(server.url("/away")).body == second.get(server.url("/")).body == b"here"
        with pytest.raises(SourceError, match="as often as it may be in one minute"):
            second.get(server.url("/"))
        assert len(server.requests) == 3
        first.close()
        second.close()
