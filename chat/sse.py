"""Server-sent events as chat servers send them: bytes become events, events become the text of an answer.

Read as the WHATWG standard says (any line end, comments, fields of several lines, a byte order mark), whatever the
packets they come in, and within limits, so that a server that misbehaves cannot fill the memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Protocol

from chat.base import Finish
from errors import ModelError

LONGEST_EVENT = 2**20
"""Bytes of one line, and of the data of one event."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_DONE = "[DONE]"
_LONGEST_WORDS = 200

_FINISHES = MappingProxyType({"length": Finish.LENGTH, "max_tokens": Finish.LENGTH, "model_length": Finish.LENGTH})
"""What servers call an end that is not the model's own; every other reason is one."""
_FILTERED = "content_filter"


class EventStream:
    """Splits bytes into the data of events. Raises `ValueError` when they are not UTF-8, or longer than may be."""

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        self._longest = longest
        self._waiting = bytearray()
        """The beginning of a line."""
        self._searched = 0
        """Bytes of it in which no line ends."""
        self._after_return = False
        """Whether a line ended in a carriage return, which a line feed may still belong to."""
        self._first = True
        self._data: list[bytes] = []
        self._size = 0

    def push(self, piece: bytes) -> Iterator[str]:
        """The data of the events that `piece` completes, each before the next is looked at."""
        if self._after_return and piece:
            self._after_return = False
            piece = piece.removeprefix(b"\n")
        self._waiting += piece
        start = 0
        while end := _LINE_END.search(self._waiting, max(start, self._searched)):
            event = self._line(bytes(self._waiting[start : end.start()]))
            start = end.end()
            self._after_return = end.group() == b"\r" and start == len(self._waiting)
            if event is not None:
                yield event
        del self._waiting[:start]
        self._searched = len(self._waiting)
        self._check(len(self._waiting))

    def finish(self) -> str | None:
        """The data of an event that was complete but for the empty line after it."""
        self._line(bytes(self._waiting))
        self._waiting.clear()
        return self._line(b"")

    def _line(self, line: bytes) -> str | None:
        """The data of the event that `line` ends, if it ends one."""
        if self._first:
            self._first, line = False, line.removeprefix(_BOM)
        self._check(len(line))
        if not line:
            data, self._data, self._size = self._data, [], 0
            return b"\n".join(data).decode("utf-8") if data else None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
            self._check(self._size)
        return None

    def _check(self, size: int) -> None:
        if size > self._longest:
            raise ValueError("an event is too long")


class Answer(Protocol):
    """One answer on its way. Raises `ModelError` with one sentence when what comes is none."""

    finish: Finish | None
    """Why it ended; None while it has not, also where it was cut off."""
    done: bool
    """Whether nothing more is to come."""

    def push(self, piece: bytes) -> Iterator[str]:
        """The text in the next bytes. What comes before a fault is yielded before it is raised."""
        ...

    def end(self) -> str:
        """The text that was held back until the server closed."""
        ...


class StreamedAnswer:
    """The chunks of a chat completion. Thinking aloud (`reasoning_content`) is not part of the answer."""

    def __init__(self, host: str, secret: str = "") -> None:
        self.finish: Finish | None = None
        self.done = False
        self._host = host
        self._secret = secret
        self._events = EventStream()

    def push(self, piece: bytes) -> Iterator[str]:
        try:
            for event in self._events.push(piece):
                if text := self._text(event):
                    yield text
        except ValueError as error:
            raise _garbled(self._host) from error

    def end(self) -> str:
        try:
            event = self._events.finish()
            return "" if event is None else self._text(event)
        except ValueError:  # cut off inside an event
            return ""

    def _text(self, event: str) -> str:
        """Raises `ValueError` when it is no chunk."""
        if self.done:
            return ""
        if event.strip() == _DONE:
            self.done = True
            self.finish = self.finish or Finish.STOP
            return ""
        chunk = _parsed(event)
        text, finish = _read(chunk, "delta", self._host, self._secret)
        self.finish = finish or self.finish
        return text


class WholeAnswer:
    """A chat completion in one piece, from a server that does not stream."""

    def __init__(self, host: str, secret: str = "") -> None:
        self.finish: Finish | None = None
        self.done = False
        self._host = host
        self._secret = secret
        self._body = bytearray()

    def push(self, piece: bytes) -> Iterator[str]:
        self._body += piece
        return iter(())

    def end(self) -> str:
        try:
            chunk = _parsed(self._body.decode("utf-8"))
        except ValueError as error:
            raise _garbled(self._host) from error
        text, finish = _read(chunk, "message", self._host, self._secret)
        if not text and finish is None:
            raise _garbled(self._host)
        self.finish, self.done = finish or Finish.STOP, True
        return text


def words_of(body: object, secret: str = "") -> str:
    """What a server says of a failure, on one line, not at length and without `secret`.

    Servers put it in several places: `error`, `error.message`, `message`, `detail`, `detail[0].msg`.
    """
    words = " ".join(_found(body).split())
    if secret:
        words = words.replace(secret, "…")
    return words if len(words) <= _LONGEST_WORDS else words[: _LONGEST_WORDS - 1] + "…"


def _found(body: object) -> str:
    if isinstance(body, list) and body:
        return _found(body[0])
    if isinstance(body, dict):
        return next((_found(body[key]) for key in ("error", "message", "detail", "msg") if body.get(key)), "")
    return body if isinstance(body, str) else ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _read(chunk: dict[str, Any], part: str, host: str, secret: str) -> tuple[str, Finish | None]:
    """Text and reason to finish in a chunk; a chunk without choices only counts tokens."""
    if chunk.get("error"):
        words = words_of(chunk, secret)
        quoted = f" (“{words}”)" if words else ""
        raise ModelError(
            f"{host} failed while writing{quoted}; try again.", zh=f"{host} 在书写时出错{quoted}；请再试一次。"
        )
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not choices:
        return "", None
    choice = choices[0]
    if not isinstance(choice, dict):
        raise _garbled(host)
    message = choice.get(part)
    content = message.get("content") if isinstance(message, dict) else None
    reason = choice.get("finish_reason")
    if reason == _FILTERED:
        raise ModelError(
            f"{host} ended the answer because its own content filter stopped it; ask in other words.",
            zh=f"{host} 自己的内容过滤中止了回答；请换一种问法。",
        )
    return _plain(content), _FINISHES.get(reason, Finish.STOP) if isinstance(reason, str) and reason else None


def _plain(content: object) -> str:
    """The text of a message's content, which some servers send in typed parts."""
    if isinstance(content, list):
        return "".join(_plain(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _garbled(host: str) -> ModelError:
    return ModelError(
        f"{host} sent something that is not part of an answer; check that it is a chat server.",
        zh=f"{host} 发来的内容不属于回答；请确认它是聊天服务器。",
    )
