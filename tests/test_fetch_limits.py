"""Servers that send too much, too slowly or nonsense: cut off at the limit, with one sentence and little memory."""

from __future__ import annotations

import gzip
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from functools import cache
from itertools import repeat

import pytest

from errors import SourceError
from retrieval.fetch import BrokenOffError, Fetcher, Limits
from tests.sentences import one_sentence
from tests.web_server import Answer, Page, WebServer, dripping, endless, raw, redirect, silent

MB = 2**20
TOO_MUCH = "sent more than 1 MB"
BROKEN = "broke off its answer"
LONG_HEADERS = "sent headers that are too long"
LATE = r"did not answer within 0\.3 s"

OK = b"HTTP/1.1 200 OK\r\n"
CLOSE = OK + b"Connection: close\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"


@cache
def bomb() -> bytes:
    """64 MB of zeros as one gzip member of 64 KB: 160 of them are 10 GB."""
    return gzip.compress(bytes(64 * MB))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


TOO_LONG: dict[str, tuple[Answer, str]] = {
    "10 GB, declared": (raw(OK, b"Content-Length: 10737418240\r\n\r\n", then=repeat(b"x" * 65536)), TOO_MUCH),
    "10 GB, undeclared": (endless(b"x" * 65536, CLOSE), TOO_MUCH),
    "endless chunks": (endless(chunk(b"x" * 65536), CHUNKED), TOO_MUCH),
    "one endless chunk": (endless(b"x" * 65536, CHUNKED, b"ffffffffff\r\n"), TOO_MUCH),
    "chunks of one byte in long frames": (endless(b"1;" + b"x" * 1000 + b"\r\na\r\n", CHUNKED), TOO_MUCH),
    "a bomb of 64 MB": (raw(GZIP, bomb()), TOO_MUCH),
    "a bomb of 10 GB": (raw(GZIP, then=repeat(bomb(), 160)), TOO_MUCH),
    "a bomb in a bomb": (raw(GZIP, then=repeat(gzip.compress(bytes(MB)), 10_000)), TOO_MUCH),
    "a body, then endless junk": (endless(b"x" * 65536, GZIP, gzip.compress(b"text")), BROKEN),
    "a body, then endless padding": (endless(bytes(65536), GZIP, gzip.compress(b"text")), TOO_MUCH),
    "endless bodies of nothing": (endless(gzip.compress(b"") * 1000, GZIP), BROKEN),
    "an endless header": (endless(b"x" * 65536, OK, b"X-Long: "), LONG_HEADERS),
    "endless headers": (endless(b"X-Short: x\r\n" * 1000, OK), LONG_HEADERS),
    "endless announcements": (endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, b""), LONG_HEADERS),
    "an endless status line": (endless(b"x" * 65536, b"HTTP/1.1 200 "), LONG_HEADERS),
    "endless trailers": (endless(b"X-Late: x\r\n" * 1000, CHUNKED, b"0\r\n"), LONG_HEADERS),
}

NONSENSE: dict[str, tuple[Answer, str]] = {
    "a body shorter than declared": (raw(OK, b"Content-Length: 100\r\n\r\n", b"short"), BROKEN),
    "two lengths": (raw(OK, b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", b"hello!"), BROKEN),
    "a length that is none": (raw(OK, b"Content-Length: -1\r\n\r\n", b"hello"), BROKEN),
    "a chunk that is cut off": (raw(CHUNKED, b"10\r\nhello"), BROKEN),
    "chunks without an end": (raw(CHUNKED, chunk(b"hello")), BROKEN),
    "a chunk size that is none": (raw(CHUNKED, b"zz\r\nhello\r\n0\r\n\r\n"), BROKEN),
    "gzip that is cut off": (raw(GZIP, gzip.compress(b"x" * 1000)[:-8]), BROKEN),
    "gzip that is none": (raw(GZIP, b"plain text"), BROKEN),
    "gzip with a wrong checksum": (raw(GZIP, gzip.compress(b"text")[:-8] + bytes(8)), BROKEN),
    "no answer": (raw(), BROKEN),
    "another protocol": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), BROKEN),
    "half a header": (raw(OK, b"Content-Le"), BROKEN),
    "brotli": (Page(b"\x0b\x02\x80{}\x03", {"Content-Encoding": "br"}), "encoding that was not asked for"),
    "gzip twice": (
        Page(gzip.compress(gzip.compress(b"x")), {"Content-Encoding": "gzip, gzip"}),
        "encoding that was not asked for",
    ),
    "gzip, and brotli in a second line": (
        raw(OK, b"Content-Encoding: gzip\r\nContent-Encoding: br\r\nConnection: close\r\n\r\n", gzip.compress(b"x")),
        "encoding that was not asked for",
    ),
    "half a body as if it were whole": (Page(b"half", status=206), "HTTP status 206"),
    "nothing new, unasked": (Page(status=304), "HTTP status 304"),
}

SLOW: dict[str, Answer] = {
    "silence": silent,
    "a drip of status line": dripping(b"x", b"HTTP/1.1 200 "),
    "a drip of headers": dripping(b"X-Slow: x\r\n", OK),
    "a drip of announcements": dripping(b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a drip of body": dripping(b"x", CLOSE),
    "a drip of chunks": dripping(chunk(b"x"), CHUNKED),
    "a drip of gzip": dripping(gzip.compress(b"x"), GZIP),
    "a body that stops": dripping(b"", OK + b"Content-Length: 100\r\n\r\nhalf"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    bomb()
    with WebServer() as server:
        for number, (answer, _) in enumerate([*TOO_LONG.values(), *NONSENSE.values()]):
            server.pages[f"/{number}"] = answer
        for number, answer in enumerate(SLOW.values()):
            server.pages[f"/slow/{number}"] = answer
        yield server


@pytest.fixture
def fetcher(server: WebServer) -> Iterator[Fetcher]:
    fetcher = Fetcher("Tests/1.0", allowed_hosts=[server.host], limits=Limits(seconds=30, bytes=MB, redirects=3))
    yield fetcher
    fetcher.close()


@pytest.mark.parametrize("name", TOO_LONG)
def test_too_much_is_cut_off_at_the_limit(server: WebServer, fetcher: Fetcher, name: str) -> None:
    number, message = list(TOO_LONG).index(name), TOO_LONG[name][1]
    server.pages["/"] = Page(gzip.compress(b"x"), {"Content-Encoding": "gzip"})
    fetcher.get(server.url())  # whatever loads lazily is loaded
    server.sent = 0
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=message) as caught:
            fetcher.get(server.url(f"/{number}"))
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()
    assert one_sentence(caught.value)
    assert server.sent < 32 * MB  # what fits into the buffers of the connection, beside what was read


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_told(server: WebServer, fetcher: Fetcher, name: str) -> None:
    number, message = len(TOO_LONG) + list(NONSENSE).index(name), NONSENSE[name][1]
    with pytest.raises(SourceError, match=message) as caught:
        fetcher.get(server.url(f"/{number}"))
    assert one_sentence(caught.value)
    assert isinstance(caught.value, BrokenOffError) == (message == BROKEN)


@pytest.mark.parametrize("name", SLOW)
def test_what_is_slow_is_cut_off_at_the_deadline(server: WebServer, fetcher: Fetcher, name: str) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match=LATE) as caught:
        fetcher.get(server.url(f"/slow/{list(SLOW).index(name)}"), deadline=start + 0.3)
    assert 0.25 < time.monotonic() - start < 2
    assert one_sentence(caught.value)


def test_a_handshake_that_nobody_answers_is_cut_off() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        fetcher = Fetcher("Tests/1.0", allowed_hosts=["127.0.0.1"])
        start = time.monotonic()
        with pytest.raises(SourceError, match=LATE):
            fetcher.get(f"https://127.0.0.1:{listening.getsockname()[1]}/", deadline=start + 0.3)
        assert time.monotonic() - start < 2


def test_an_endless_redirect(server: WebServer, fetcher: Fetcher) -> None:
    server.pages |= {f"/hop/{n}": redirect(f"/hop/{n + 1}") for n in range(20)}
    with pytest.raises(SourceError, match="redirected more than 3 times") as caught:
        fetcher.get(server.url("/hop/0"))
    assert one_sentence(caught.value)
    assert [path for n in range(20) for path in [f"/hop/{n}"] if server.asked(path)] == [f"/hop/{n}" for n in range(4)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_in_a_circle(server: WebServer, fetcher: Fetcher, status: int) -> None:
    server.pages |= {"/here": redirect("/there", status), "/there": redirect("/here", status)}
    with pytest.raises(SourceError, match="redirected more than 3 times"):
        fetcher.get(server.url("/here"))


def test_a_redirect_in_utf8_is_followed(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/%E4%B9%A6"] = Page(b"book")
    server.pages["/"] = raw("HTTP/1.1 302 Found\r\nLocation: /书\r\nContent-Length: 0\r\n\r\n".encode())
    assert fetcher.get(server.url()).url == server.url("/%E4%B9%A6")


def test_one_deadline_holds_over_all_redirects(server: WebServer, fetcher: Fetcher) -> None:
    server.pages |= {"/first": redirect("/second"), "/second": redirect("/quiet"), "/quiet": silent}
    start = time.monotonic()
    with pytest.raises(SourceError, match=LATE):
        fetcher.get(server.url("/first"), deadline=start + 0.3)
    assert time.monotonic() - start < 2


def test_the_body_of_a_redirect_or_an_error_is_not_read(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/"] = Page(b"arrived")
    server.pages["/moved"] = endless(b"x" * 65536, b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n")
    server.pages["/broken"] = endless(b"x" * 65536, b"HTTP/1.1 500 Oops\r\n\r\n")
    assert fetcher.get(server.url("/moved")).body == b"arrived"
    with pytest.raises(SourceError, match="HTTP status 500"):
        fetcher.get(server.url("/broken"))


def test_a_body_of_exactly_the_limit_is_let_through(server: WebServer, fetcher: Fetcher) -> None:
    server.pages |= {
        "/most": Page(b"x" * MB, {"Content-Type": "Text/Plain; charset=utf-8"}),
        "/packed": Page(gzip.compress(b"x" * MB), {"Content-Encoding": "GZip"}),
        "/more": Page(b"x" * (MB + 1)),
    }
    fetched = fetcher.get(server.url("/most"))
    assert (len(fetched.body), fetched.content_type) == (MB, "text/plain")
    assert len(fetcher.get(server.url("/packed")).body) == MB
    with pytest.raises(SourceError, match=TOO_MUCH):
        fetcher.get(server.url("/more"))


def test_several_gzip_members_are_one_body(server: WebServer, fetcher: Fetcher) -> None:
    packed = b"".join(map(gzip.compress, (b"one ", b"two ", b"", b"three"))) + bytes(7)
    server.pages["/"] = Page(packed, {"Content-Encoding": "x-gzip"})
    assert fetcher.get(server.url()).body == b"one two three"
    server.pages["/"] = Page(gzip.compress(packed), {"Content-Encoding": "gzip"})
    assert fetcher.get(server.url()).body == packed  # what is in it is not unpacked
    server.pages["/"] = Page(b"", {"Content-Encoding": "gzip"})
    assert fetcher.get(server.url()).body == b""


def test_what_follows_the_declared_length_is_not_read(server: WebServer, fetcher: Fetcher) -> None:
    server.pages["/"] = raw(OK, b"Content-Length: 5\r\n\r\n", b"hello, and more")
    assert fetcher.get(server.url()).body == b"hello"


def test_a_cancel_ends_a_drip(server: WebServer, fetcher: Fetcher) -> None:
    cancel = threading.Event()
    server.pages["/"] = cancelling(cancel)
    start = time.monotonic()
    with pytest.raises(SourceError, match="was cancelled") as caught:
        fetcher.get(server.url(), cancel=cancel)
    assert time.monotonic() - start < 2
    assert one_sentence(caught.value)


def cancelling(cancel: threading.Event) -> Answer:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        cancel.set()
        while True:
            yield b"x"

    return raw(CLOSE, then=pieces())


@pytest.mark.parametrize(
    ("status", "todo"), [(404, "check the address"), (410, "check the address"), (500, "later"), (429, "later")]
)
def test_what_to_do_depends_on_whose_fault_it_is(server: WebServer, fetcher: Fetcher, status: int, todo: str) -> None:
    server.pages["/"] = Page(status=status)
    with pytest.raises(SourceError, match=re.escape(f"HTTP status {status}; ") + f".*{todo}") as caught:
        fetcher.get(server.url())
    assert one_sentence(caught.value)
