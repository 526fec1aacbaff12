"""Wikipedia as a source when it fails: one sentence for each way, nothing hangs, and it is left alone for a while."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from errors import SettingsError, SourceError
from retrieval.base import SearchRequest
from retrieval.wikipedia import Wikipedia
from tests.wikipedia_server import WikipediaServer

GEARS = "How many gears of the Antikythera mechanism survive?"
BOTH = "What is a mechanism?"
"""Two articles hold the word."""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[WikipediaServer]:
    with WikipediaServer() as server:
        yield server


@pytest.fixture
def wikipedia(server: WikipediaServer, clock: Clock) -> Iterator[Wikipedia]:
    wikipedia = Wikipedia(server.url, time_limit_s=4.0, clock=clock)
    yield wikipedia
    wikipedia.close()


def ask(query: str, language: str = "en") -> SearchRequest:
    return SearchRequest(query, language=language)


def failure(wikipedia: Wikipedia, request: SearchRequest) -> str:
    """The one sentence that the search fails with."""
    with pytest.raises(SourceError) as caught:
        wikipedia.search(request)
    assert re.fullmatch(r"[^\n]+\.", str(caught.value)), str(caught.value)
    assert ". " not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("429", r"Wikipedia asked us to slow down; it is asked again in 7 s\."),
        ("503-later", r"Wikipedia asked us to slow down; it is asked again in 7 s\."),
        ("busy", r"Wikipedia has too much to do; it is asked again in 30 s\."),
        ("403", r"Wikipedia refused the request \(403\); give a contact address in the user agent\."),
        ("404", r"Wikipedia answered with HTTP status 404; check the Wikipedia address\."),
        ("500", r"Wikipedia has trouble answering \(HTTP status 500\); try again later\."),
        ("nonsense", r"Wikipedia's answer was not in the expected form; .*"),
        ("error", r"Wikipedia could not answer the search \(internal_api_error_DBQueryError\); .*"),
        ("truncated", r"127\.0\.0\.1 broke off its answer; try again later\."),
        ("hang-up", r"127\.0\.0\.1 broke off its answer; try again later\."),
        ("huge", r"127\.0\.0\.1 sent more than 2 MB, .*"),
        ("bomb", r"127\.0\.0\.1 sent more than 2 MB, .*"),
        ("brotli", r"127\.0\.0\.1 sent its answer in an encoding .*"),
        ("redirect-loop", r"127\.0\.0\.1 redirected more than 4 times; .*"),
        ("redirect-away", r"127\.0\.0\.2 is inside a private network .*"),
    ],
)
def test_each_failure_is_one_sentence(server: WikipediaServer, wikipedia: Wikipedia, mode: str, sentence: str) -> None:
    server.mode = mode
    assert re.fullmatch(sentence, failure(wikipedia, ask(GEARS)))
    server.mode = "ok"


SEARCH_BODIES = [
    *("[]", "null", "5", '""', "{}", '{"batchcomplete":""}', '{"query":[]}', '{"query":{}}', "[" * 100_000, "\x00", ""),
    *('{"query":{"search":{}}}', '{"query":{"search":[1]}}', '{"query":{"search":[{"nope":1}]}}'),
    *('{"query":{"search":[{"title":"A","size":"big"}]}}', '{"query":{"search":[null]}}', '{"query":{"pages":[]}}'),
]
EXTRACT_BODIES = [
    *('{"query":{"pages":{"1":{}}}}', '{"query":{"pages":{"1":5}}}', '{"query":{"pages":{"1":{"extract":5}}}}'),
    *('{"query":{"pages":{"1":{"extract":null}}}}', '{"query":{"pages":{"1":{"extract":"x","pageid":"y"}}}}', "[]"),
]


@pytest.mark.parametrize("body", SEARCH_BODIES)
def test_an_answer_of_the_wrong_shape(server: WikipediaServer, wikipedia: Wikipedia, body: str) -> None:
    server.mode, server.body = "body", body.encode()
    assert failure(wikipedia, ask(GEARS)).startswith("Wikipedia's answer was not in the expected form;")


@pytest.mark.parametrize("body", EXTRACT_BODIES)
def test_an_article_of_the_wrong_shape(server: WikipediaServer, wikipedia: Wikipedia, body: str) -> None:
    server.extract_body = body.encode()
    assert failure(wikipedia, ask(GEARS)).startswith("Wikipedia's answer was not in the expected form;")


def test_an_error_without_a_code_and_bytes_that_are_no_text(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.mode, server.body = "body", b'{"error":"x"}'
    assert "(no reason given)" in failure(wikipedia, ask(GEARS))
    server.body = b'\xff\xfe{"query"'
    assert "not in the expected form" in failure(wikipedia, ask(GEARS))


def test_an_article_that_is_gone_leaves_the_others(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.extract_body = json.dumps({"query": {"pages": {"-1": {"ns": 0, "title": "X", "missing": ""}}}}).encode()
    assert wikipedia.search(ask(GEARS)) == []


def test_headings_may_nest_without_end(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    deep = "Intro." + "".join(f"\n\n\n{'=' * n} H{n} {'=' * n}\nText {n}." for n in range(2, 1200))
    pages = {"101": {"pageid": 101, "ns": 0, "title": "Antikythera mechanism", "extract": deep}}
    server.extract_body = json.dumps({"query": {"pages": pages}}).encode()
    assert wikipedia.search(SearchRequest(GEARS, k=5, language="en"))


def test_an_endless_article_is_cut(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    pages = {"101": {"pageid": 101, "ns": 0, "title": "A", "extract": "Bronze gears turn slowly. " * 20_000}}
    server.extract_body = json.dumps({"query": {"pages": pages}}).encode()
    passages = wikipedia.search(SearchRequest(GEARS, k=10_000, language="en"))
    assert 90_000 < sum(len(passage.text) for passage in passages) <= 100_000


def test_a_port_that_nobody_listens_on() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        wikipedia = Wikipedia(f"http://127.0.0.1:{reserved.getsockname()[1]}/{{language}}")
        assert failure(wikipedia, ask(GEARS)).startswith("127.0.0.1 could not be reached;")
        wikipedia.close()


@pytest.mark.parametrize("mode", ["slow", "drip"])
@pytest.mark.parametrize("by", ["time limit", "deadline"])
def test_nothing_takes_longer_than_its_time(server: WikipediaServer, mode: str, by: str) -> None:
    server.mode = mode
    wikipedia = Wikipedia(server.url, time_limit_s=0.3 if by == "time limit" else 30.0)
    start = time.monotonic()
    deadline = start + 0.3 if by == "deadline" else None
    assert "did not answer within" in failure(wikipedia, SearchRequest(GEARS, language="en", deadline=deadline))
    assert time.monotonic() - start < 1.5
    wikipedia.close()


def test_a_deadline_that_has_passed(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    request = SearchRequest(GEARS, language="en", deadline=time.monotonic() - 1)
    assert "no time left" in failure(wikipedia, request)
    assert server.requests == []


def test_pages_that_came_in_time_are_used(server: WikipediaServer) -> None:
    server.stuck = {"Mechanism (engineering)"}
    wikipedia = Wikipedia(server.url, time_limit_s=0.6)
    assert {passage.title for passage in wikipedia.search(ask(BOTH))} == {"Antikythera mechanism"}
    wikipedia.close()


def test_one_page_that_fails_leaves_the_others(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.failing = {"Antikythera mechanism"}
    assert {passage.title for passage in wikipedia.search(ask(BOTH))} == {"Mechanism (engineering)"}
    server.failing = {"Antikythera mechanism", "Mechanism (engineering)", "Surtsey"}
    assert "HTTP status 500" in failure(wikipedia, ask("Surtsey"))


def test_pages_are_fetched_side_by_side(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.extracts_together = threading.Barrier(2)
    assert len({passage.document for passage in wikipedia.search(ask(BOTH))}) == 2


def test_a_cancelled_search_returns_nothing_and_asks_nothing(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    cancel = threading.Event()
    cancel.set()
    assert wikipedia.search(SearchRequest(GEARS, language="en", cancel=cancel)) == []
    assert server.requests == []


def test_a_cancel_ends_a_search_that_is_under_way(server: WikipediaServer) -> None:
    server.mode = "slow"
    wikipedia = Wikipedia(server.url, time_limit_s=30.0)
    cancel, arrived = threading.Event(), threading.Event()
    server.on_request = arrived.set
    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(wikipedia.search, SearchRequest(GEARS, language="en", cancel=cancel))
        assert arrived.wait(5)
        cancelled = time.monotonic()
        cancel.set()
        assert searching.result() == []
    assert time.monotonic() - cancelled < 1
    wikipedia.close()


def test_a_passing_fault_gets_a_second_try(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    for mode in ("500", "hang-up"):
        server.mode, server.faults_left = mode, 1
        assert wikipedia.search(ask({"500": GEARS, "hang-up": "Surtsey"}[mode]))


def test_after_429_wikipedia_is_left_alone_for_as_long_as_it_asked(
    server: WikipediaServer, wikipedia: Wikipedia, clock: Clock
) -> None:
    wikipedia.search(ask("Surtsey"))
    server.mode, server.retry_after = "429", "40"
    failure(wikipedia, ask(GEARS))
    server.mode = "ok"
    asked = len(server.requests)
    clock.now += 39
    assert failure(wikipedia, ask(GEARS)) == "Wikipedia asked us to slow down; it is asked again in 1 s."
    assert wikipedia.search(ask("Surtsey")), "what is kept is still served"
    assert len(server.requests) == asked
    clock.now += 2
    assert wikipedia.search(ask(GEARS))


def test_after_failures_in_a_row_wikipedia_is_left_alone_for_longer_and_longer(
    server: WikipediaServer, wikipedia: Wikipedia, clock: Clock
) -> None:
    server.mode = "nonsense"
    waits = []
    for _ in range(8):
        failure(wikipedia, ask(GEARS))
        asked = len(server.requests)
        start = clock.now
        while len(server.requests) == asked:
            clock.now += 0.5
            failure(wikipedia, ask("Surtsey"))
        waits.append(clock.now - start)
    assert waits == sorted(waits)
    assert waits[0] <= 5.5
    assert 60 <= waits[-1] < 61


def test_a_success_forgets_the_failures(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    for query in ("puffins", "cams"):
        server.mode = "nonsense"
        failure(wikipedia, ask(GEARS))
        server.mode = "ok"
        assert wikipedia.search(ask(query))


def test_a_failure_is_not_kept(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    for mode in ("error", "nonsense"):
        server.mode = mode
        failure(wikipedia, ask({"error": GEARS, "nonsense": "Surtsey"}[mode]))
        server.mode = "ok"
        assert wikipedia.search(ask({"error": GEARS, "nonsense": "Surtsey"}[mode]))


@pytest.mark.parametrize(
    "url", ["", "wikipedia.org", "ftp://wikipedia.org", "https://", "http://user:pass@host/{language}", "http://[::1"]
)
def test_an_address_that_cannot_be_used_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="The Wikipedia address"):
        Wikipedia(url)


def test_only_a_host_that_the_operator_named_may_be_private(
    server: WikipediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that holds the language depends on what a visitor asks, so it must be public."""
    port = int(server.url.split(":")[2].split("/")[0])
    inside = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [inside])
    wikipedia = Wikipedia(f"http://{{language}}.wiki.test:{port}")
    assert failure(wikipedia, ask("Surtsey")).startswith("en.wiki.test is inside a private network")
    wikipedia.close()
    named = Wikipedia(f"http://wiki.test:{port}/{{language}}")
    assert named.search(ask("Surtsey"))
    named.close()
