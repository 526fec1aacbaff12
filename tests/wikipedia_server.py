"""A small Wikipedia on this machine, for tests: answers as MediaWiki's API does, or fails in every way it can fail.

    with WikipediaServer() as server:
        Wikipedia(server.url)                # http://127.0.0.1:PORT/{language}
        server.mode = "429"                  # `ok`, `empty` or a name in FAULTS, for every answer from now on

It serves `/LANGUAGE/w/api.php` for what wikipedia-api asks: `list=search` (like CirrusSearch: pages that hold every
word, or any word where they are joined with OR), `prop=extracts` (TextExtracts, plain text with wiki headings) and
`prop=info`, in the API's default format (`formatversion=1`), compressed where the client accepts it. Nothing sleeps:
what is slow waits for `release`, which is set when the server closes.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from tests.listener import Answering, HangingUp, LocalServer
from tests.wikipedia_articles import ARTICLES, TO_TRADITIONAL, Article

Params = dict[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    language: str
    path: str
    params: Params
    headers: dict[str, str] = field(default_factory=dict)


class WikipediaServer(LocalServer):
    """Listens on 127.0.0.1 while the `with` block runs; `mode` may change at any time."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.faults_left: int | None = None
        """Where set, only as many requests meet the mode; it is `ok` afterwards."""
        self.body = b""
        """What mode `body` answers."""
        self.location = "http://127.0.0.2/w/api.php"
        """Where mode `redirect-away` leads."""
        self.retry_after = "7"
        self.extract_body: bytes | None = None
        """Where set, the answer to every request for an extract."""
        self.failing: set[str] = set()
        """Titles whose extract is answered with 500."""
        self.stuck: set[str] = set()
        """Titles whose extract is answered only after `release`."""
        self.extracts_together: threading.Barrier | None = None
        """Where set, extracts are answered only when as many of them are asked for at the same time."""
        self.on_request: Callable[[], None] | None = None
        """Called when a request has arrived."""
        self.release = threading.Event()
        self.requests: list[Seen] = []
        self.lock = threading.Lock()
        listener = _Listener(("127.0.0.1", 0), _Handler)
        listener.wikipedia = self
        super().__init__(listener)

    @property
    def url(self) -> str:
        """Base address as a template."""
        return f"http://{self.host}/{{language}}"

    def asked(self, **params: str) -> list[Seen]:
        """The requests that carried these parameters, in order."""
        with self.lock:
            return [seen for seen in self.requests if params.items() <= seen.params.items()]

    def next_mode(self) -> str:
        """The mode for one more request."""
        with self.lock:
            if self.faults_left is not None:
                self.faults_left -= 1
                if self.faults_left < 0:
                    self.mode, self.faults_left = "ok", None
            return self.mode

    def let_go(self) -> None:
        self.release.set()
        if self.extracts_together is not None:
            self.extracts_together.abort()


class _Listener(HangingUp):
    wikipedia: WikipediaServer


class _Handler(Answering):
    server: _Listener

    def do_GET(self) -> None:
        wikipedia, parts = self.server.wikipedia, urlsplit(self.path)
        language = parts.path.split("/")[1]
        seen = Seen(language, parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()))
        with wikipedia.lock:
            wikipedia.requests.append(seen)
        if wikipedia.on_request is not None:
            wikipedia.on_request()
        if parts.path != f"/{language}/w/api.php":
            return self.send_error(404)
        mode = wikipedia.next_mode()
        if mode in FAULTS:
            return FAULTS[mode](self, seen)
        title = seen.params.get("titles", "")
        if "extracts" in seen.params.get("prop", ""):
            if wikipedia.extract_body is not None:
                return self.answer(wikipedia.extract_body, kind="application/json; charset=utf-8")
            if title in wikipedia.failing:
                return self.answer(b"<!DOCTYPE html><title>Wikimedia Error</title>", status=500, kind="text/html")
            if title in wikipedia.stuck:
                wikipedia.release.wait()
            if wikipedia.extracts_together is not None:
                wikipedia.extracts_together.wait()
        return self.tell(respond(language, seen.params, wikipedia.url) if mode != "empty" else _no_hits())

    def tell(self, answer: dict[str, Any]) -> None:
        code = answer.get("error", {}).get("code", "")
        headers = {"MediaWiki-API-Error": code} if code else {}
        self.answer(json.dumps(answer).encode(), "application/json; charset=utf-8", headers=headers)

    def answer(
        self, body: bytes, kind: str = "text/html; charset=utf-8", status: int = 200, headers: Params | None = None
    ) -> None:
        if "gzip" in self.headers.get("Accept-Encoding", "") and "Content-Encoding" not in (headers or {}):
            body, headers = gzip.compress(body, 1), {**(headers or {}), "Content-Encoding": "gzip"}
        self.begin(status, {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)


def _slow(handler: _Handler, seen: Seen) -> None:
    handler.server.wikipedia.release.wait()
    handler.close_connection = True


def _drip(handler: _Handler, seen: Seen) -> None:
    handler.begin(200, {"Content-Type": "application/json", "Content-Length": "1000000"})
    while not handler.server.wikipedia.release.wait(0.02):
        handler.wfile.write(b" ")


def _asks_to_wait(status: int) -> Callable[[_Handler, Seen], None]:
    def fault(handler: _Handler, seen: Seen) -> None:
        after = handler.server.wikipedia.retry_after
        headers = {"Retry-After": after} if after else {}
        handler.answer(b"<!DOCTYPE html><title>Wikimedia Error</title>", status=status, headers=headers)

    return fault


def _status(status: int) -> Callable[[_Handler, Seen], None]:
    return lambda handler, seen: handler.answer(b"<!DOCTYPE html><title>Wikimedia Error</title>", status=status)


def _truncated(handler: _Handler, seen: Seen) -> None:
    handler.begin(200, {"Content-Type": "application/json", "Content-Length": "1000"})
    handler.wfile.write(b'{"batchcomplete":"","query":{"search"')
    handler.close_connection = True


def _cut_gzip(handler: _Handler, seen: Seen) -> None:
    """Complete as HTTP, but the compressed text breaks off."""
    whole = gzip.compress(json.dumps(respond(seen.language, seen.params)).encode())
    handler.answer(whole[: len(whole) // 2], "application/json; charset=utf-8", headers={"Content-Encoding": "gzip"})


def _hang_up(handler: _Handler, seen: Seen) -> None:
    handler.close_connection = True


def _huge(handler: _Handler, seen: Seen) -> None:
    handler.begin(200, {"Content-Type": "application/json", "Connection": "close"})
    handler.close_connection = True
    while not handler.server.wikipedia.release.is_set():
        handler.wfile.write(b" " * 2**16)


@cache
def bomb() -> bytes:
    """64 MB of spaces, compressed."""
    return gzip.compress(b" " * 2**26)


def _bomb(handler: _Handler, seen: Seen) -> None:
    handler.answer(bomb(), headers={"Content-Encoding": "gzip"})


def _redirect(to: str) -> Callable[[_Handler, Seen], None]:
    def fault(handler: _Handler, seen: Seen) -> None:
        if seen.params.get("followed"):
            handler.tell(respond(seen.language, seen.params, handler.server.wikipedia.url))
        else:
            handler.answer(b"", status=302, headers={"Location": to or f"{handler.path}&followed=1"})

    return fault


def _redirect_away(handler: _Handler, seen: Seen) -> None:
    handler.answer(b"", status=302, headers={"Location": handler.server.wikipedia.location})


FAULTS: dict[str, Callable[[_Handler, Seen], None]] = {
    "slow": _slow,
    "drip": _drip,
    "429": _asks_to_wait(429),
    "503-later": _asks_to_wait(503),
    "403": _status(403),
    "404": _status(404),
    "500": _status(500),
    "nonsense": lambda handler, seen: handler.answer(b"<html><body>Welcome to the hotel's network</body></html>"),
    "body": lambda handler, seen: handler.answer(handler.server.wikipedia.body, "application/json; charset=utf-8"),
    "error": lambda handler, seen: handler.tell(_error("internal_api_error_DBQueryError", "Caught exception")),
    "busy": lambda handler, seen: handler.tell(_error("ratelimited", "You've exceeded your rate limit.")),
    "truncated": _truncated,
    "hang-up": _hang_up,
    "cut-gzip": _cut_gzip,
    "huge": _huge,
    "bomb": _bomb,
    "redirect": _redirect(""),
    "redirect-loop": _redirect("?again"),
    "redirect-away": _redirect_away,
    "brotli": lambda handler, seen: handler.answer(b"\x0b\x02\x80{}\x03", headers={"Content-Encoding": "br"}),
}
"""How each mode answers. `503-later` names a time to wait, `redirect` leads to the right answer."""


def respond(language: str, params: Params, url: str = "") -> dict[str, Any]:
    """MediaWiki's answer to `action=query` with these parameters."""
    if params.get("action") != "query" or params.get("format") != "json":
        return _error("badvalue", 'Unrecognized value for parameter "action".')
    if params.get("list") == "search":
        return _search(language, params)
    return _page(language, params, url)


def _search(language: str, params: Params) -> dict[str, Any]:
    query, limit = params.get("srsearch", ""), int(params.get("srlimit", "10"))
    if not query:
        return _error("missingparam", 'The "srsearch" parameter must be set.')
    if len(query) > 300:
        return _error("cirrussearch-query-too-long", f"Search request is longer than allowed ({len(query)} > 300).")
    any_word = " OR " in query
    words = [word.casefold() for word in re.split(r" OR |\s+", query)]
    scored = []
    for article in ARTICLES:
        text = _folded(f"{article.title}\n{article.extract}")
        held = [word for word in words if _folded(word) in text]
        if article.language == language and held and (any_word or len(held) == len(words)):
            in_title = sum(_folded(word) in _folded(article.title) for word in words)
            scored.append((-in_title, -len(held), article.pageid, article))
    hits = [entry[-1] for entry in sorted(scored, key=lambda entry: entry[:3])]
    answer: dict[str, Any] = {"batchcomplete": ""}
    if len(hits) > limit:
        answer["continue"] = {"sroffset": limit, "continue": "-||"}
    answer["query"] = {"searchinfo": {"totalhits": len(hits)}, "search": [_hit(hit) for hit in hits[:limit]]}
    return answer


def _no_hits() -> dict[str, Any]:
    return {"batchcomplete": "", "query": {"searchinfo": {"totalhits": 0}, "search": []}}


def _hit(article: Article) -> dict[str, Any]:
    return {
        "ns": 0,
        "title": article.title,
        "pageid": article.pageid,
        "size": len(article.extract.encode()),
        "wordcount": len(article.extract.split()),
        "snippet": f'<span class="searchmatch">{article.title}</span>',
        "timestamp": "2026-03-01T12:00:00Z",
    }


def _page(language: str, params: Params, url: str) -> dict[str, Any]:
    asked = params.get("titles", "")
    title = asked.replace("_", " ")
    query: dict[str, Any] = {}
    if title != asked:
        query["normalized"] = [{"from": asked, "to": title}]
    own = [article for article in ARTICLES if article.language == language]
    article = next((each for each in own if title == each.title or title in each.redirects), None)
    if article is None:
        query["pages"] = {"-1": {"ns": 0, "title": title, "missing": ""}}
        return {"batchcomplete": "", "query": query}
    if title != article.title:
        query["redirects"] = [{"from": title, "to": article.title}]
    page: dict[str, Any] = {"pageid": article.pageid, "ns": 0, "title": article.title}
    answer: dict[str, Any] = {"batchcomplete": ""}
    if "extracts" in params.get("prop", ""):
        warning = '"exlimit" was too large for a whole article extracts request, lowered to 1.'
        answer["warnings"] = {"extracts": {"*": warning}}
        traditional = params.get("variant") == "zh-hant"
        page["extract"] = article.extract.translate(TO_TRADITIONAL) if traditional else article.extract
    if "info" in params.get("prop", ""):
        address = f"{url.replace('{language}', language)}/wiki/{quote(article.title.replace(' ', '_'))}"
        page |= {"contentmodel": "wikitext", "pagelanguage": language, "fullurl": address, "length": 1000}
    query["pages"] = {str(article.pageid): page}
    return {**answer, "query": query}


def _error(code: str, info: str) -> dict[str, Any]:
    usage = "See the API usage page. Subscribe to the mediawiki-api-announce mailing list."
    return {"error": {"code": code, "info": info, "*": usage}, "servedby": "mw-api-ext.test"}


def _folded(text: str) -> str:
    """Like the search index of Chinese: one script for both."""
    return text.casefold().translate(TO_TRADITIONAL)
