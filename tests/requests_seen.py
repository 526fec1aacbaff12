"""A server on this machine that only notes who asked it for what, for tests that nobody does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.listener import HangingUp


@dataclass(slots=True)
class Seen:
    """Where the server listens, and the paths it was asked for."""

    url: str
    seen: list[str] = field(default_factory=list)


@contextmanager
def counting() -> Iterator[Seen]:
    noted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            noted.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HangingUp(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Seen(f"http://127.0.0.1:{server.server_address[1]}/", noted)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
