"""The way out to the network and its cache: limits, addresses that are refused, failures in one sentence each."""

from __future__ import annotations

import email.utils
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from errors import SourceError
from retrieval.cache import Cache
from retrieval.connection import Cancelled
from retrieval.fetch import BrokenOffError, Fetcher, Limits, StatusError
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


def one_sentence(error: BaseException) -> bool:
    return re.fullmatch(r"[^\n]+\.", str(error)) is not None and ". " not in str(error)


def test_a_body_arrives_decompressed_and_the_server_sees_who_asks(server: WikipediaServer, fetcher: Fetcher) -> None:
    fetched = fetcher.get(address(server), accept="application/json")
    assert fetched.url == address(server)
    assert b'"title": "Surtsey"' in fetched.body
    (seen,) = server.requests
    assert seen.headers["User-Agent"] == "Tests/1.0"
    assert seen.headers["Accept"] == "application/json"
    assert seen.headers["Accept-Encoding"] == "gzip"
    assert seen.headers["Host"] == host(server)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://example.org/", "ftp://example.org/", "data:text/plain,x", "example.org", ""),
        *("http://", "http:///x", "http://a\nb/", "http://[::1", "http://host:99999/", "http://user:pass@example.org/"),
        *("https://127.0.0.1@example.org/", "http://0177.0.0.1/"),
    ],
)
def test_what_is_no_plain_http_address_is_refused(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        Fetcher("Tests/1.0", resolve=no_resolver).get(url)
    assert one_sentence(caught.value)
    assert "pass@" not in str(caught.value)


def no_resolver(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host} must not be looked up")


@pytest.mark.parametrize(
    "name",
    [
        *("127.0.0.1", "127.8.9.1", "localhost", "2130706433", "0x7f000001", "127.1", "0.0.0.0", "0"),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "192.0.0.192", "198.18.0.1"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200"),
        *("[::1]", "[::]", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]", "[::127.0.0.1]"),
        *("[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:db8::1]"),
        *("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[fec0::1]", "[3fff::1]", "[64:ff9b:1::1]", "192.88.99.1"),
    ],
)
def test_addresses_inside_are_refused_however_they_are_written(server: WikipediaServer, name: str) -> None:
    port = host(server).split(":")[1]
    with pytest.raises(SourceError, match="inside a private network") as caught:
        Fetcher("Tests/1.0").get(f"http://{name}:{port}{ENGLISH}")
    assert one_sentence(caught.value)
    assert server.requests == []


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    fetcher = Fetcher("Tests/1.0", resolve=lambda host, port: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(SourceError, match=r"^example\.org is inside a private network"):
        fetcher.get("http://example.org/")


def test_the_connection_goes_to_the_address_that_was_checked(server: WikipediaServer) -> None:
    """A name server that changes its answer gains nothing: one look-up for each connection, none after the check."""
    answers = [["127.0.0.1"], ["10.255.255.1"]]
    looked_up = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return answers.pop(0)

    port = host(server).split(":")[1]
    fetcher = Fetcher("Tests/1.0", allowed_hosts=[f"wiki.test:{port}"], resolve=resolve)
    url = f"http://wiki.test:{port}{ENGLISH}"
    assert fetcher.get(url).body == fetcher.get(url).body
    fetcher.close()
    assert looked_up == ["wiki.test"]
    assert [seen.headers["Host"] for seen in server.requests] == [f"wiki.test:{port}"] * 2
    rebound = Fetcher("Tests/1.0", resolve=resolve)
    with pytest.raises(SourceError, match="inside a private network"):
        rebound.get(url)


def test_an_allowed_host_is_allowed_on_its_port_only(server: WikipediaServer) -> None:
    with pytest.raises(SourceError, match="inside a private network"):
        Fetcher("Tests/1.0", allowed_hosts=["127.0.0.1:1"]).get(address(server))
    assert server.requests == []


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


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://127.0.0.2/", "inside a private network"),
        ("http://169.254.169.254/latest/meta-data/", "inside a private network"),
        ("//localhost/", "inside a private network"),
        ("file:///etc/passwd", "“file:” addresses are not fetched"),
        ("http://user:pass@127.0.0.1/", "user name or password"),
        ("http://[::1", "cannot be fetched"),
    ],
)
def test_each_hop_is_checked(server: WikipediaServer, fetcher: Fetcher, location: str, message: str) -> None:
    server.mode, server.location = "redirect-away", location
    with pytest.raises(SourceError, match=message) as caught:
        fetcher.get(address(server))
    assert one_sentence(caught.value)
    assert len(server.requests) == 1


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
        ("429", email.utils.formatdate(time.time() - 60), 429, 0),
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


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.mark.parametrize("on_disk", [True, False])
def test_the_cache_keeps_a_body_for_its_time(tmp_path: Path, on_disk: bool) -> None:
    clock = Clock()
    cache = Cache(tmp_path if on_disk else None, clock=clock)
    assert cache.get("k") is None
    cache.put("k", b"body", ttl_s=60)
    assert cache.get("k") == b"body"
    clock.now += 61
    assert cache.get("k") is None
    cache.close()


def test_the_cache_drops_what_was_not_used_for_longest() -> None:
    cache = Cache(None, max_bytes=30, clock=Clock())
    for name in ("a", "b", "c"):
        cache.put(name, name.encode() * 10, ttl_s=60)
    assert cache.get("a") == b"a" * 10
    cache.put("d", b"d" * 10, ttl_s=60)
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]
    cache.put("big", b"x" * 31, ttl_s=60)
    assert [name for name in "acd" if cache.get(name)] == ["a", "c", "d"]
    assert cache.get("big") is None
    cache.close()


def test_the_cache_on_disk_survives_and_does_not_spell_out_keys(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    first = Cache(folder)
    first.put("https://en.wikipedia.org/?srsearch=secret", b"body", ttl_s=60)
    first.close()
    second = Cache(folder)
    assert second.get("https://en.wikipedia.org/?srsearch=secret") == b"body"
    second.close()
    assert not any(b"secret" in file.read_bytes() for file in folder.iterdir())


def test_a_damaged_cache_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "fetched.sqlite").write_bytes(b"not a database " * 100)
    cache = Cache(tmp_path)
    cache.put("k", b"body", ttl_s=60)
    cache.close()
    again = Cache(tmp_path)
    assert again.get("k") == b"body"
    again.close()


def test_a_folder_that_cannot_be_used_leaves_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    cache = Cache(blocked)
    cache.put("k", b"body", ttl_s=60)
    assert cache.get("k") == b"body"
    assert "kept in memory instead" in caplog.text
    cache.close()


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def use(n: int) -> bool:
        cache.put(f"k{n}", str(n).encode(), ttl_s=60)
        return cache.get(f"k{n}") == str(n).encode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(100)))
    cache.close()
