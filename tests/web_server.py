"""A web server on this machine, for tests: pages by path, and every way in which a server can be a nuisance.

    with WebServer() as server:
        server.pages["/a"] = Page(b"text", {"ETag": '"1"'})
        server.pages["/b"] = endless(b"x" * 65536)
        Fetcher("Tests/1.0", allowed_hosts=[server.host]).get(server.url("/a"))

Nothing sleeps: what is slow waits for `release`, which is set when the server closes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import repeat

from tests.listener import Answering, HangingUp, LocalServer


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """An ordinary page. Confirms its ETag or Last-Modified with 304, as a server does."""

    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200

    def __call__(self, handler: Handler) -> None:
        asked = handler.headers
        etag, changed = self.headers.get("ETag"), self.headers.get("Last-Modified")
        confirmed = asked.get("If-None-Match") == etag if etag else asked.get("If-Modified-Since") == changed
        unchanged = self.status == 200 and (etag or changed) is not None and confirmed
        handler.send_response_only(304 if unchanged else self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if not unchanged:
            handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        if not unchanged:
            handler.wfile.write(self.body)


Answer = Callable[["Handler"], None]


class WebServer(LocalServer):
    """Listens while the `with` block runs; `pages` may change at any time."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.pages: dict[str, Answer] = {}
        self.requests: list[Seen] = []
        self.sent = 0
        """Bytes that endless answers have sent."""
        self.release = threading.Event()
        listener = _Listener((address, 0), Handler)
        listener.web = self
        super().__init__(listener)

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.requests if seen.path == path]

    def let_go(self) -> None:
        self.release.set()


class _Listener(HangingUp):
    web: WebServer


class Handler(Answering):
    server: _Listener

    def do_GET(self) -> None:
        self.server.web.requests.append(Seen(self.path, dict(self.headers.items())))
        self.server.web.pages.get(self.path, Page(b"gone", status=404))(self)


def raw(*pieces: bytes, then: Iterable[bytes] = ()) -> Answer:
    """Writes these bytes instead of an answer, `then` more, and hangs up."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"".join(pieces))
        for piece in then:
            handler.wfile.write(piece)
            handler.server.web.sent += len(piece)

    return answer


def endless(piece: bytes, head: bytes = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", first: bytes = b"") -> Answer:
    """Writes the piece again and again, until the client hangs up."""
    return raw(head, first, then=repeat(piece))


def dripping(piece: bytes, head: bytes = b"") -> Answer:
    """Writes the piece every few milliseconds, until the client hangs up."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(head)
        while not handler.server.web.release.wait(0.005):
            handler.wfile.write(piece)

    return answer


def silent(handler: Handler) -> None:
    """Says nothing."""
    handler.close_connection = True
    handler.server.web.release.wait()


def redirect(location: str, status: int = 302) -> Answer:
    return Page(headers={"Location": location}, status=status)
