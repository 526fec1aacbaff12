"""The way out to the network and its cache: limits, addresses that are refused, failures in one sentence each."""

from __future__ import annotations

import email.utils
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from errors import SourceError
from retrieval.connection import Cancelled
from retrieval.fetch import BrokenOffError, Fetcher, Limits, StatusError
from tests.sentences import one_sentence
from tests.wikipedia_server import WikipediaServer, bomb

ENGLISH = "/en/w/api.php?action=query&format=json&list=search&srsearch=surtsey"


@pytest.fixture
def server() -> Iterator[WikipediaServer]:
    with WikipediaServer() as server:
        yield server


@pytest.fixture
def fetcher(server: WikipediaServer) -> Iterator[Fetcher]:
    fetcher = Fetcher("Tests/1.0", allowed_hosts=[host(server)], limits=Limits(seconds=5, bytes=2**20, redirects=3))
    yield fetcher
    fetcher.close()


def host(server: WikipediaServer) -> str:
    return server.url.split("/")[2]


def address(server: WikipediaServer) -> str:
    return f"http://{host(server)}{ENGLISH}"


def test_a_body_arrives_decompressed_and_the_server_sees_who_asks(server: WikipediaServer, fetcher: Fetcher) -> None:
    fetched = fetcher.get(address(server), accept="application/json")
    assert fetched.url == address(server)
    assert b'"title": "Surtsey"' in fetched.body
    (seen,) = server.requests
    assert seen.headers["User-Agent"] == "Tests/1.0"
    assert seen.headers["Accept"] == "application/json"
    assert seen.headers["Accept-Encoding"] == "gzip"
    assert seen.headers["Host"] == host(server)


def test_the_next_address_is_tried_when_the_first_refuses(server: WikipediaServer) -> None:
    port = host(server).split(":")[1]
    fetcher = Fetcher("Tests/1.0", allowed_hosts=["two.test"], resolve=lambda host, port: ["127.0.0.3", "127.0.0.1"])
    assert fetcher.get(f"http://two.test:{port}{ENGLISH}").body
    fetcher.close()


def test_a_redirect_is_followed(server: WikipediaServer, fetcher: Fetcher) -> None:
    server.mode = "redirect"
    fetched = fetcher.get(address(server))
    assert fetched.url == address(server) + "&followed=1"
    assert b"Surtsey" in fetched.body


def test_redirects_are_capped(server: WikipediaServer, fetcher: Fetcher) -> None:
    server.mode = "redirect-loop"
    with pytest.raises(SourceError, match="redirected more than 3 times") as caught:
        fetcher.get(address(server))
    assert one_sentence(caught.value)
    assert len(server.requests) == 4


@pytest.mark.parametrize("mode", ["huge", "bomb"])
def test_a_body_over_the_limit_is_cut_off(server: WikipediaServer, fetcher: Fetcher, mode: str) -> None:
    bomb()
    fetcher.get(address(server))  # whatever loads lazily is loaded
    server.mode = mode
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="sent more than 1 MB") as caught:
            fetcher.get(address(server))
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert one_sentence(caught.value)


@pytest.mark.parametrize("mode", ["slow", "drip"])
def test_a_slow_server_is_cut_off_at_the_deadline(server: WikipediaServer, fetcher: Fetcher, mode: str) -> None:
    server.mode = mode
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"^127\.0\.0\.1 did not answer within 0\.3 s; try again later\.$"):
        fetcher.get(address(server), deadline=start + 0.3)
    assert 0.25 < time.monotonic() - start < 2


def test_without_time_nothing_is_asked(server: WikipediaServer, fetcher: Fetcher) -> None:
    with pytest.raises(SourceError, match="There was no time left to ask"):
        fetcher.get(address(server), deadline=time.monotonic() - 1)
    assert server.requests == []


def test_a_name_server_that_hangs_is_not_waited_for() -> None:
    release = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        release.wait()
        return ["127.0.0.1"]

    start = time.monotonic()
    with pytest.raises(SourceError, match=r"^slow\.test did not answer within"):
        Fetcher("Tests/1.0", resolve=hang).get("http://slow.test/", deadline=start + 0.2)
    assert time.monotonic() - start < 2
    release.set()


def test_a_cancel_ends_the_wait(server: WikipediaServer, fetcher: Fetcher) -> None:
    server.mode = "slow"
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fetcher.get, address(server), cancel=cancel)
        until = time.monotonic() + 5
        while not server.requests and time.monotonic() < until:
            threading.Event().wait(0.01)
        cancelled = time.monotonic()
        cancel.set()
        with pytest.raises(Cancelled) as caught:
            waiting.result()
    assert time.monotonic() - cancelled < 1
    assert one_sentence(caught.value)


@pytest.mark.parametrize("mode", ["truncated", "hang-up", "cut-gzip"])
def test_an_answer_that_breaks_off(server: WikipediaServer, fetcher: Fetcher, mode: str) -> None:
    server.mode = mode
    with pytest.raises(BrokenOffError, match=r"^127\.0\.0\.1 broke off its answer; try again later\.$"):
        fetcher.get(address(server))


def test_an_encoding_that_was_not_asked_for(server: WikipediaServer, fetcher: Fetcher) -> None:
    server.mode = "brotli"
    with pytest.raises(SourceError, match="encoding that was not asked for"):
        fetcher.get(address(server))


@pytest.mark.parametrize(
    ("mode", "retry_after", "status", "wait"),
    [
        ("429", "7", 429, 7),
        ("429", "", 429, 0),
        ("429", "soon", 429, 0),
        ("429", "9" * 5000, 429, 3600),
        ("429", "Thu, 01 Jan 2026 00:00:00 -0000", 429, 0),
        ("503-later", "120", 503, 120),
        ("500", "", 500, 0),
        ("404", "", 404, 0),
    ],
)
def test_a_status_other_than_success(
    server: WikipediaServer, fetcher: Fetcher, mode: str, retry_after: str, status: int, wait: float
) -> None:
    server.mode, server.retry_after = mode, retry_after
    with pytest.raises(StatusError, match=f"answered with HTTP status {status}") as caught:
        fetcher.get(address(server))
    assert (caught.value.status, caught.value.retry_after_s) == (status, wait)
    assert one_sentence(caught.value)


def test_retry_after_may_be_a_date(server: WikipediaServer, fetcher: Fetcher) -> None:
    server.mode, server.retry_after = "429", email.utils.formatdate(time.time() + 90, usegmt=True)
    with pytest.raises(StatusError) as caught:
        fetcher.get(address(server))
    assert 80 < caught.value.retry_after_s <= 90


def test_a_closed_port() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(SourceError, match=r"^127\.0\.0\.1 could not be reached; check") as caught:
            Fetcher("Tests/1.0", allowed_hosts=["127.0.0.1"]).get(f"http://127.0.0.1:{port}/")
    assert one_sentence(caught.value)


def test_an_unknown_host() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(
        SourceError, match=r"^no\.such\.host was not found; check the address and this machine's network"
    ):
        Fetcher("Tests/1.0", resolve=unknown).get("http://no.such.host/")


def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(SourceError, match="was not found; check the address"):
        Fetcher("Tests/1.0").get(f"http://{'a' * 70}.org/")


def test_many_threads_share_a_fetcher_each_with_its_own_deadline(server: WikipediaServer, fetcher: Fetcher) -> None:
    server.stuck = {"Surtsey"}
    stuck = f"http://{host(server)}/en/w/api.php?action=query&format=json&prop=extracts&titles=Surtsey"
    with ThreadPoolExecutor(12) as pool:
        late = [pool.submit(fetcher.get, stuck, deadline=time.monotonic() + 0.4) for _ in range(4)]
        good = [pool.submit(fetcher.get, address(server)) for _ in range(24)]
        assert {b"Surtsey" in future.result().body for future in good} == {True}
        for future in late:
            with pytest.raises(SourceError, match="did not answer within"):
                future.result()
