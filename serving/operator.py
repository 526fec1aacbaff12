"""/moderation, for the operator alone: counts, contested decisions, rulings on them, and their export.

Whoever has the operator key signs in; a cookie that lasts twelve hours, and no longer than the process, stands for the
key from then on. It is sent only to this page and only by it (HttpOnly, SameSite=Strict), and a form of another origin
is refused, so no other page can press its buttons. After `_TRIES` wrong keys within a minute nobody may try for the
rest of it. The chat's own passphrase lets nobody in here: it is what visitors have.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from chat.bilingual import page_language
from chat.ratings import Count, Ratings
from errors import InputError
from moderation.cases import Cases
from moderation.policy_words import in_words
from moderation.screen import Screen
from moderation.tally import Tally
from serving.operator_html import Overview, entrance, overview

PATH = "/moderation"
_COOKIE = "groundchat-operator"
_SIGNED_IN_S = 12 * 3600
_TRIES, _TRIES_S = 10, 60.0
_LONGEST_FORM = 4096
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the operator's page shows and changes."""

    screen: Screen
    cases: Cases
    tally: Tally
    state: str
    """Whether moderation is `on`, `off` or `always`, by the settings."""
    ratings: Ratings | None = None
    """None where answers cannot be rated."""


class Entrance:
    """Who may in. Thread-safe."""

    def __init__(self, key: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._key = key.encode()
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._wrong: list[float] = []

    def enter(self, given: str) -> str:
        """What the cookie holds; empty for a wrong key. Raises `InputError` after too many of those."""
        with self._lock:
            now = self._clock()
            self._wrong = [when for when in self._wrong if now - when < _TRIES_S]
            if len(self._wrong) >= _TRIES:
                raise InputError("Too many wrong keys; try again in a minute.", zh="密钥错误次数过多，请一分钟后再试。")
            if not hmac.compare_digest(given.strip().encode(), self._key):
                self._wrong.append(now)
                return ""
            self._until = {token: until for token, until in self._until.items() if until > now}
            token = secrets.token_urlsafe(32)
            self._until[token] = now + _SIGNED_IN_S
            return token

    def knows(self, token: str) -> bool:
        with self._lock:
            return self._until.get(token, 0.0) > self._clock()

    def leave(self, token: str) -> None:
        with self._lock:
            self._until.pop(token, None)


def operator_route(desk: Desk, key: str) -> Route:
    """The route to hand to the server."""
    return Route(PATH, _Page(desk, Entrance(key)).answer, methods=["GET", "POST"])


@dataclass(frozen=True, slots=True)
class _Page:
    desk: Desk
    entrance: Entrance

    async def answer(self, request: Request) -> Response:
        language = page_language(request.headers.get("accept-language", ""))
        if request.method == "POST" and request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return PlainTextResponse("This form belongs to another page.", 403)
        form = await _form(request) if request.method == "POST" else {}
        response = await run_in_threadpool(self._answer, request, form, language)
        response.headers.update(_HEADERS)
        return response

    def _answer(self, request: Request, form: dict[str, str], language: str) -> Response:
        if form.get("do") == "enter":
            return self._enter(request, form.get("key", ""), language)
        token = request.cookies.get(_COOKIE, "")
        if not self.entrance.knows(token):
            return HTMLResponse(entrance(language, "expired" if token or form else ""), 401 if form else 200)
        if form.get("do") == "leave":
            self.entrance.leave(token)
            response: Response = _back(request)
            response.delete_cookie(_COOKIE, path=_path(request))
            return response
        if form.get("do") == "rule":
            return self._rule(request, form, language)
        if "export" in request.query_params:
            return self._export(request.query_params["export"] == "ruled")
        return HTMLResponse(overview(language, self._overview(request.query_params.get("page", ""), language)))

    def _enter(self, request: Request, key: str, language: str) -> Response:
        try:
            token = self.entrance.enter(key)
        except InputError:
            return HTMLResponse(entrance(language, "wait"), 429)
        if not token:
            return HTMLResponse(entrance(language, "wrong_key"), 403)
        response = _back(request)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
        response.set_cookie(
            _COOKIE,
            token,
            max_age=_SIGNED_IN_S,
            path=_path(request),
            secure=secure,
            httponly=True,
            samesite="strict",
        )
        return response

    def _rule(self, request: Request, form: dict[str, str], language: str) -> Response:
        case = form.get("case", "")
        try:
            self.desk.cases.rule(case, form.get("ruling", ""))
        except InputError as error:
            return PlainTextResponse(error.told(language), 400)
        page = form.get("page", "")
        return _back(request, f"?page={page if page.isdigit() else 0}")

    def _export(self, ruled: bool) -> Response:
        return Response(
            self.desk.cases.export(ruled),
            media_type="application/jsonl",
            headers={"Content-Disposition": 'attachment; filename="moderation-cases.jsonl"'},
        )

    def _overview(self, page: str, language: str) -> Overview:
        desk = self.desk
        policy = desk.screen.policy
        ratings: Sequence[Count] = ()
        unread = ""
        try:
            ratings = desk.ratings.counts() if desk.ratings is not None else ()
        except InputError as error:
            unread = error.told(language)
        return Overview(
            state=desk.state,
            problem=desk.screen.policy_problem,
            policy=in_words(policy, language),
            counts=desk.tally.days(),
            cases=desk.cases.all(),
            ratings=ratings,
            unread=unread,
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 0,
        )


def _path(request: Request) -> str:
    """Where the page lies for the browser, below what a proxy puts before it."""
    return f"{request.scope.get('root_path', '').rstrip('/')}{PATH}"


def _back(request: Request, query: str = "") -> RedirectResponse:
    # Relative, so that it is right behind any proxy.
    return RedirectResponse(f"{PATH.strip('/')}{query}", 303)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; nothing of a large one, which is none of ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            return {"do": ""}
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
