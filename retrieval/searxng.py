"""A SearxNG instance's JSON into results (https://docs.searxng.org/dev/search_api.html), and a question as its query.

`results` hold url, title, content, publishedDate and the engines that found them; `infoboxes` what an encyclopaedia
says of the subject; `unresponsive_engines` who did not answer, and why.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from errors import SourceError
from retrieval.address import parsed
from retrieval.text import simplified

_MOST_RESULTS = 30
_TITLE_CHARS, _SNIPPET_CHARS, _ENGINE_CHARS = 200, 2000, 40
_QUERY_CHARS = 300
_OPERATOR = re.compile(r"(?:^|(?<=\s))[!:?]+")
"""What SearxNG reads as a command where a word begins with it: `!engine`, `:language`, `!!` for elsewhere."""
_TAG = re.compile(r"</?(?:b|i|em|strong|span|mark|a|p|br|wbr|u|sup|sub)\b[^<>]{0,300}>", re.IGNORECASE)


class MalformedError(Exception):
    """The answer is not SearxNG's JSON."""


@dataclass(frozen=True, slots=True)
class Result:
    url: str
    title: str
    snippet: str
    published: str
    """Date in ISO 8601; empty where it is not known."""
    engines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Results:
    found: tuple[Result, ...]
    """Best first, each address once."""
    silent: tuple[str, ...]
    """Engines that did not answer."""


def query(question: str, language: str) -> str:
    """The part of an instance's address that asks the question, beginning with a slash."""
    words = _OPERATOR.sub("", " ".join(question.split()))[:_QUERY_CHARS]
    if language == "zh":
        language = "zh-CN" if simplified(question) == question else "zh-TW"
    asked = {"q": words, "format": "json", "language": language, "pageno": "1"}
    return f"/search?{urlencode(asked)}"


def results(body: bytes) -> Results:
    """What an instance answered. Raises `MalformedError`."""
    try:
        answer = orjson.loads(body)
    except ValueError as error:
        raise MalformedError from error
    given = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(given, list):
        raise MalformedError
    rows = [*_infoboxes(answer.get("infoboxes")), *given[:_MOST_RESULTS]]
    found: dict[str, Result] = {}
    for row in rows:
        result = _result(row)
        if result is not None:
            found.setdefault(result.url, result)
    if given and not found:
        raise MalformedError
    return Results(tuple(found.values()), tuple(_silent(answer.get("unresponsive_engines"))))


def _result(row: Any) -> Result | None:
    """A result that can be cited; None where it has no address that can be opened, or no words."""
    if not isinstance(row, dict) or not isinstance(row.get("url"), str):
        return None
    url, title, snippet = row["url"], _line(row.get("title"), _TITLE_CHARS), _line(row.get("content"), _SNIPPET_CHARS)
    try:
        parsed(url)
    except SourceError:
        return None
    engines = row["engines"] if isinstance(row.get("engines"), list) else [row.get("engine")]
    named = tuple(filter(None, (_line(engine, _ENGINE_CHARS) for engine in engines[:20])))
    return Result(url, title or url, snippet, _date(row.get("publishedDate")), named) if title or snippet else None


def _infoboxes(given: Any) -> Iterator[dict[str, Any]]:
    """Infoboxes in the form of results."""
    for box in given[:3] if isinstance(given, list) else ():
        if isinstance(box, dict):
            yield {"url": box.get("id"), "title": box.get("infobox"), **box}


def _silent(given: Any) -> Iterator[str]:
    for one in given[:20] if isinstance(given, list) else ():
        name = _line(one[0] if isinstance(one, list) and one else one, _ENGINE_CHARS)
        if name:
            yield name


def _date(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    try:
        return datetime.fromisoformat(value[:32].replace("Z", "+00:00")).date().isoformat()
    except ValueError:
        return ""


def _line(value: Any, most: int) -> str:
    """One line of printable text, not too long, without the markup by which engines emphasise words."""
    if not isinstance(value, str):
        return ""
    text = html.unescape(_TAG.sub("", value[: 4 * most]))
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:most]
