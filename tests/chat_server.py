"""A small chat server on this machine, for tests: speaks OpenAI's API, or misbehaves in every way a server can.

    with ChatServer() as server:
        RemoteModel(server.url)              # http://127.0.0.1:PORT/v1
        server.mode = "cut"                  # `ok` or a name in MODES, for every chat from now on
        server.modes = ["503", "ok"]         # for the next ones, in order; then `mode` again

Nothing sleeps: what is silent waits until the client hangs up, and `left` holds the time at which it did.
"""

from __future__ import annotations

import json
import queue
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.listener import Answering, HangingUp, LocalServer

PIECES = ("Paris", " is", " the", " capital: 😀", " 巴黎。")
ANSWER = "".join(PIECES)
_LEFT_S = 20.0
_EVENTS = {"Content-Type": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class ChatServer(LocalServer):
    """Listens on 127.0.0.1 while the `with` block runs."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.modes: list[str] = []
        self.models: list[dict[str, Any]] | None = [{"id": "tiny", "object": "model", "owned_by": "vllm"}]
        """What /v1/models lists; None answers 404."""
        self.models_status: list[int] = []
        """Statuses of the next answers to /v1/models, before it answers properly."""
        self.beside: dict[str, dict[str, Any]] = {}
        """Paths beside the API, and what they answer; other paths answer 404."""
        self.retry_after = "0"
        self.raw: list[bytes] = []
        """What mode `raw` sends, piece by piece."""
        self.says: list[str] = []
        """What the next answers in mode `said` say, in order."""
        self.more: queue.SimpleQueue[None] = queue.SimpleQueue()
        """In mode `stepwise` one entry lets one piece out."""
        self.seen: list[Seen] = []
        self.left: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.arrived = threading.Event()
        """Set when a chat has arrived."""
        listener = _Listener(("127.0.0.1", 0), _Handler)
        listener.chat = self
        super().__init__(listener)

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    @property
    def chats(self) -> list[dict[str, Any]]:
        """The bodies of the chats that arrived."""
        return [seen.body for seen in self.seen if seen.path.endswith("/chat/completions")]


class _Listener(HangingUp):
    request_queue_size = 64
    chat: ChatServer


class _Handler(Answering):
    server: _Listener

    def do_GET(self) -> None:
        chat = self.server.chat
        chat.seen.append(Seen(self.path, dict(self.headers.items()), {}))
        if self.path == "/v1/models" and chat.models_status:
            self.refuse(chat.models_status.pop(0))
        elif self.path == "/v1/models" and chat.models is not None:
            self.json({"object": "list", "data": chat.models})
        elif self.path in chat.beside:
            self.json(chat.beside[self.path])
        else:
            self.refuse(404)

    def do_POST(self) -> None:
        chat = self.server.chat
        body = self.read_json()
        chat.seen.append(Seen(self.path, dict(self.headers.items()), body))
        chat.arrived.set()
        if self.path != "/v1/chat/completions":
            return self.refuse(404)
        return MODES[chat.modes.pop(0) if chat.modes else chat.mode](self)

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """The head. Without a length the answer ends where the connection does."""
        if not {"Content-Length", "Transfer-Encoding"} & set(headers):
            headers = {**headers, "Connection": "close"}
            self.close_connection = True
        super().begin(status, headers)

    def event(self, said: dict[str, Any] | str) -> None:
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        self.wfile.write(f"data: {text}\n\n".encode())

    def stream(self, pieces: tuple[str, ...] = PIECES, reason: str = "stop", done: bool = True) -> None:
        self.begin(200, {"Content-Type": "text/event-stream; charset=utf-8"})
        self.event(chunk({"role": "assistant", "content": ""}))
        for piece in pieces:
            self.event(chunk({"content": piece}))
        if reason:
            self.event(chunk({}, reason))
        if done:
            self.event("[DONE]")

    def wait_until_left(self) -> None:
        """Until the client hangs up; notes when it did."""
        readable, _, _ = select.select([self.connection], [], [], _LEFT_S)
        if readable:  # a client that waits for an answer sends nothing, so this is its end
            self.server.chat.left.put(time.monotonic())
        self.close_connection = True


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """One event of a streamed chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


def _status(status: int, says: str = "no") -> Callable[[_Handler], None]:
    return lambda handler: handler.refuse(status, says)


def _echoing_key(status: int) -> Callable[[_Handler], None]:
    return lambda handler: handler.refuse(status, f"Rejected: {handler.headers['Authorization']} " * 9)


def _busy(status: int) -> Callable[[_Handler], None]:
    return lambda handler: handler.refuse(status, "slow down", {"Retry-After": handler.server.chat.retry_after})


def _redirect(handler: _Handler) -> None:
    handler.begin(307, {"Location": f"http://{handler.server.chat.host}/v1/elsewhere", "Content-Length": "0"})


def _silent(handler: _Handler) -> None:
    handler.wait_until_left()


def _stall(handler: _Handler) -> None:
    handler.stream(PIECES[:2], reason="", done=False)
    handler.wait_until_left()


def _open_end(handler: _Handler) -> None:
    handler.stream(done=False)
    handler.wait_until_left()


def _hang_up(handler: _Handler) -> None:
    handler.close_connection = True


def _cut(handler: _Handler) -> None:
    """The connection dies inside a chunk of the transfer encoding."""
    handler.begin(200, {**_EVENTS, "Transfer-Encoding": "chunked"})
    for piece in PIECES[:2]:
        line = f"data: {json.dumps(chunk({'content': piece}))}\n\n".encode()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
    handler.wfile.write(b"ff\r\ndata: {")
    handler.close_connection = True


def _error_event(pieces: tuple[str, ...]) -> Callable[[_Handler], None]:
    def mode(handler: _Handler) -> None:
        handler.stream(pieces, reason="", done=False)
        handler.event({"error": {"message": f"CUDA went away {handler.headers['Authorization']}", "code": 500}})

    return mode


def _usage(handler: _Handler) -> None:
    handler.stream(done=False)
    handler.event({"id": "1", "object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 9}})
    handler.event("[DONE]")


def _reasoning(handler: _Handler) -> None:
    handler.begin(200, _EVENTS)
    for thought in ("Hmm", ", France"):
        handler.event(chunk({"reasoning_content": thought, "content": None}))
    for piece in PIECES:
        handler.event(chunk({"content": piece}))
    handler.event(chunk({}, "stop"))
    handler.event("[DONE]")


def _whole(handler: _Handler) -> None:
    message = {"role": "assistant", "content": ANSWER}
    handler.json({"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def _html(handler: _Handler) -> None:
    handler.begin(200, {"Content-Type": "text/html; charset=utf-8"})
    handler.wfile.write(b"<!DOCTYPE html><title>Welcome</title>")


def _raw(handler: _Handler) -> None:
    handler.begin(200, _EVENTS)
    for piece in handler.server.chat.raw:
        handler.wfile.write(piece)


def _stepwise(handler: _Handler) -> None:
    handler.begin(200, _EVENTS)
    for piece in PIECES:
        handler.server.chat.more.get(timeout=_LEFT_S)
        handler.event(chunk({"content": piece}))
    handler.event("[DONE]")


def _endless(handler: _Handler) -> None:
    handler.begin(200, _EVENTS)
    with suppress(OSError):
        while True:
            handler.event(chunk({"content": "and so on " * 100}))
    handler.server.chat.left.put(time.monotonic())


def _said(handler: _Handler) -> None:
    handler.stream((handler.server.chat.says.pop(0),))


MODES: dict[str, Callable[[_Handler], None]] = {
    "ok": lambda handler: handler.stream(),
    "nothing": lambda handler: handler.stream(()),
    "length": lambda handler: handler.stream(reason="length"),
    "filtered": lambda handler: handler.stream(reason="content_filter"),
    "no-done": lambda handler: handler.stream(done=False),
    "only-done": lambda handler: handler.stream(reason=""),
    "no-end": lambda handler: handler.stream(reason="", done=False),
    "open-end": _open_end,
    "silent": _silent,
    "stall": _stall,
    "stepwise": _stepwise,
    "hang-up": _hang_up,
    "cut": _cut,
    "endless": _endless,
    "error-first": _error_event(()),
    "error-later": _error_event(PIECES[:2]),
    "usage": _usage,
    "reasoning": _reasoning,
    "whole": _whole,
    "html": _html,
    "raw": _raw,
    "said": _said,
    "redirect": _redirect,
    "too-long": _status(400, "This model's maximum context length is 2048 tokens. However, you requested 9000 tokens."),
    "400": _echoing_key(400),
    "401": _echoing_key(401),
    "403": _echoing_key(403),
    "404": _status(404, "The model `tiny` does not exist."),
    "422": lambda handler: handler.json({"detail": [{"loc": ["body"], "msg": "Input should be valid"}]}, 422),
    "429": _busy(429),
    "500": _status(500),
    "502": _status(502),
    "503": _busy(503),
    "504": _status(504),
}
"""How each mode answers a chat."""
