"""What the tests' servers share: how they listen, begin and end, and how they answer with JSON.

    class _Handler(Answering): ...      # do_GET and do_POST

    class Nuisance(LocalServer): ...    # with Nuisance() as server: get(server.host)

Every connection can be hung up at once, so that none outlives a test.
"""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class HangingUp(ThreadingHTTPServer):
    """A server whose `hang_up` ends what its handlers still write."""

    daemon_threads = False  # so that closing waits for the handlers, whose connections were hung up

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._open_lock:
            for connection in self._open:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


class LocalServer:
    """Listens on 127.0.0.1 while the `with` block runs."""

    def __init__(self, listener: HangingUp) -> None:
        self._listener = listener
        self._thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._listener.server_port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def let_go(self) -> None:
        """Before it closes: handlers that wait for something wait no longer."""

    def close(self) -> None:
        self.let_go()
        self._listener.shutdown()
        self._listener.hang_up()
        self._listener.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Answering(BaseHTTPRequestHandler):
    """One request, answered with JSON or refused in the form of OpenAI's API."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def read_json(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def json(self, said: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.begin(status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def refuse(self, status: int, says: str = "no", headers: dict[str, str] | None = None) -> None:
        self.json({"error": {"message": says, "type": "BadRequestError", "code": status}}, status, headers)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read what was seen."""
