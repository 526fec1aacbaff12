"""Wikipedia, live: search, fetch the best pages, split them into passages, rank the passages with BM25.

wikipedia-api builds the queries and reads the answers (search; extracts with their sections); `fetch.py` carries
them, so its limits hold, and `cache.py` keeps what was good. Everything ends with the request's deadline; pages that
came in time are used even if others did not. When Wikipedia asks for fewer requests it gets none until the time it
named has passed, and after failures in a row it is left alone for a while. Questions are never logged.

Chinese is asked for in the script of the question: Wikipedia converts. The anchor of a converted heading may differ
from the page's own; the link then opens the page at its top. A visitor may choose one edition for all questions.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import wikipediaapi

from errors import SettingsError, SourceError
from retrieval.address import names_of, parsed
from retrieval.base import Document, Passage, SearchRequest, Setting, SourceStatus
from retrieval.bm25 import ranked
from retrieval.cache import Cache
from retrieval.fetch import BrokenOffError, Cancelled, Fetcher, Limits, StatusError
from retrieval.keywords import any_of, key_terms
from retrieval.mediawiki import blocks, encoded
from retrieval.pace import Pace
from retrieval.pause import ASKED_TO_WAIT_S, Pause, PausedError
from retrieval.split import passages
from retrieval.wikipedia_edition import LANGUAGE, checked_language, code_and_variant

URL = "https://{language}.wikipedia.org"
USER_AGENT = "Groundchat/0.1 (self-hosted chat app)"

_SEARCH_TTL_S, _PAGE_TTL_S = 6 * 3600.0, 24 * 3600.0
_FETCHING_SHARE = 0.9  # of the time limit; the rest is for ranking
_RETRY_WAIT_S = 0.3
_BUSY = frozenset({"ratelimited", "maxlag", "cirrussearch-too-busy-error"})
"""API error codes that ask for fewer requests."""
_MALFORMED = {
    "text": "Wikipedia's answer was not in the expected form; try again later, or check the Wikipedia address.",
    "zh": "维基百科的回应格式不符合预期，请稍后再试，或检查维基百科的网址。",
}


class Wikipedia:
    """Live passages of the Wikipedia in the question's language or the one that was chosen; `Retriever` and `Live`.

    `url` may hold `{language}`; a host without it may be a private one (a mirror inside the network), and so may
    `allowed_hosts`. `user_agent` should name a way to reach the operator, as Wikimedia's policy asks. `pages` are
    fetched side by side for each question. Safe to call from several threads. Raises `SettingsError` when `url` is not
    an http(s) address.
    """

    name = "wikipedia"
    settings: tuple[Setting, ...] = (LANGUAGE,)

    def __init__(
        self,
        url: str = URL,
        *,
        user_agent: str = USER_AGENT,
        allowed_hosts: Iterable[str] = (),
        cache_folder: Path | None = None,
        pace: Pace | None = None,
        time_limit_s: float = 6.0,
        max_bytes: int = 2 * 2**20,
        pages: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._time_limit_s = time_limit_s
        self._pages = pages
        library = wikipediaapi.USER_AGENT.partition(";")[0]
        self._fetcher = Fetcher(
            f"{user_agent} {library}",
            allowed_hosts=[*allowed_hosts, *_own_hosts(self._url)],
            limits=Limits(seconds=time_limit_s, bytes=max_bytes),
            pace=pace,
        )
        self._cache = Cache(cache_folder)
        self._pause = Pause("Wikipedia", "维基百科", clock)
        self._told: SourceStatus | None = None

    def checked(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """The settings as they are used. Raises `InputError` for a language that has no such code."""
        return {LANGUAGE.name: checked_language(settings.get(LANGUAGE.name, ""))}

    def status(self) -> SourceStatus | None:
        return self._told

    def search(self, request: SearchRequest) -> list[Passage]:
        """The best `request.k` passages, best first; none when Wikipedia finds none or the request is cancelled."""
        deadline = time.monotonic() + request.remaining(self._time_limit_s) * _FETCHING_SHARE
        edition = _Edition(*code_and_variant(request), lambda url: self._ask(url, deadline, request.cancel), self._url)
        try:
            found = self._found(edition, request.query)
        except Cancelled:
            return []
        except SourceError as error:
            self._told = _failing(error)
            if not isinstance(error, PausedError):
                self._pause.failed()
            raise
        self._told = SourceStatus("Wikipedia answered the last question.", zh="维基百科回应了上一个问题。")
        self._pause.succeeded()
        kept = [passage for passage in found if not {passage.id, passage.document} & request.exclude]
        return ranked(request.query, edition.language, kept)[: request.k]

    def close(self) -> None:
        """Close connections and the cache file."""
        self._fetcher.close()
        self._cache.close()

    def _found(self, edition: _Edition, query: str) -> list[Passage]:
        """The passages of the pages that the search finds. Raises `SourceError` only when no page could be had."""
        terms = key_terms(query, edition.language)
        if not terms:
            return []
        articles = edition.articles(" ".join(terms), self._pages)
        if not articles and (wider := any_of(terms)) != " ".join(terms):
            articles = edition.articles(wider, self._pages)
        if not articles:
            return []
        found: list[list[Passage]] = []
        failures: list[SourceError] = []
        with ThreadPoolExecutor(len(articles), thread_name_prefix="wikipedia") as pool:
            for fetched in [pool.submit(edition.passages, article) for article in articles]:
                try:
                    found.append(fetched.result())
                except SourceError as error:
                    failures.append(error)
        if not found:
            raise failures[0]
        return [passage for article in found for passage in article]

    def _ask(self, url: str, deadline: float, cancel: threading.Event) -> dict[str, Any]:
        """The API's answer at `url`, from the cache where it is still good. Raises `SourceError`."""
        kept = self._cache.get(url)
        if kept is not None:
            return _answer(kept)
        self._pause.check()
        try:
            body = self._fetched(url, deadline, cancel)
            answer = _answer(body)
        except StatusError as error:
            raise self._refused(error) from error
        except _BusyError as error:
            raise self._pause.hold(ASKED_TO_WAIT_S, "has too much to do", "过于繁忙") from error
        self._cache.put(url, body, _PAGE_TTL_S if "pages" in answer["query"] else _SEARCH_TTL_S)
        return answer

    def _fetched(self, url: str, deadline: float, cancel: threading.Event) -> bytes:
        """The body at `url`; a passing fault gets a second try while there is time."""
        fetch = partial(self._fetcher.get, url, accept="application/json", deadline=deadline, cancel=cancel)
        try:
            return fetch().body
        except StatusError as error:
            if error.status < 500 or error.retry_after_s:
                raise
        except BrokenOffError:
            pass
        cancel.wait(min(_RETRY_WAIT_S, max(deadline - time.monotonic(), 0)))
        return fetch().body

    def _refused(self, error: StatusError) -> SourceError:
        """The sentence for an HTTP status; remembers how long Wikipedia wants to be left alone."""
        if error.status == 429 or error.retry_after_s:
            return self._pause.slow_down(error.retry_after_s)
        if error.status == 403:
            return SourceError(
                "Wikipedia refused the request (403); give a contact address in the user agent.",
                zh="维基百科拒绝了请求（403），请在 User-Agent 中写明联系方式。",
            )
        if error.status < 500:
            return SourceError(
                f"Wikipedia answered with HTTP status {error.status}; check the Wikipedia address.",
                zh=f"维基百科返回了 HTTP 状态 {error.status}，请检查维基百科的网址。",
            )
        return SourceError(
            f"Wikipedia has trouble answering (HTTP status {error.status}); try again later.",
            zh=f"维基百科暂时无法回应（HTTP 状态 {error.status}），请稍后再试。",
        )


class _BusyError(Exception):
    """Wikipedia's API said that it has too much to do."""


class _Edition(wikipediaapi.WikipediaResource, wikipediaapi.BaseHTTPClient):  # type: ignore[misc]  # untyped package
    """One language's Wikipedia for one request: wikipedia-api's resource with our way to the network below it."""

    language: str

    def __init__(self, code: str, variant: str | None, ask: Callable[[str], dict[str, Any]], url: str) -> None:
        super().__init__(user_agent=USER_AGENT, language=code, variant=variant)  # headers are the fetcher's business
        self._ask = ask
        self._base = url.replace("{language}", code)

    def _get(self, language: str, params: dict[str, Any]) -> dict[str, Any]:
        """What the package calls for every request."""
        return self._ask(f"{self._base}/w/api.php?{urlencode(sorted(params.items()))}")

    def articles(self, terms: str, count: int) -> list[Any]:
        """The package's pages that a search finds, best first and not yet fetched."""
        with _shape_checked():
            return list(self.search(terms, limit=count).pages.values())

    def passages(self, article: Any) -> list[Passage]:
        """The passages of one article; none when it has been deleted."""
        with _shape_checked():
            parts = list(blocks(article.summary, article.sections))
            title, page_id = article.title, int(article.pageid)
        document = f"wikipedia:{self.language}:{page_id if page_id > 0 else title.replace(' ', '_')}"
        address = f"{self._base}/wiki/{encoded(title)}"
        split: list[Passage] = []
        offset = 0
        for section, anchor, text in parts:
            url = f"{address}#{encoded(anchor)}" if anchor else address
            block = Document(document, title, text, "wikipedia", url=url, language=self.language)
            for passage in passages(block):
                start, end = offset + passage.start, offset + passage.end
                split.append(replace(passage, id=f"{document}#{len(split)}", section=section, start=start, end=end))
            offset += len(text) + 2  # the article's text: its blocks with an empty line between them
        return split


@contextmanager
def _shape_checked() -> Iterator[None]:
    """The package reads answers without checking them; what it trips over becomes one sentence."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(**_MALFORMED) from error


def _answer(body: bytes) -> dict[str, Any]:
    """The API's answer. Raises `SourceError` when it is none, or says that something went wrong."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceError(**_MALFORMED) from error
    if not isinstance(answer, dict):
        raise SourceError(**_MALFORMED)
    fault = answer.get("error")
    if fault is not None:
        code = str(fault.get("code", "")) if isinstance(fault, dict) else ""
        if code in _BUSY:
            raise _BusyError
        reason = re.sub(r"[^\w -]", "", code)[:60] or "no reason given"
        raise SourceError(
            f"Wikipedia could not answer the search ({reason}); word the question differently.",
            zh=f"维基百科无法完成这次检索（{reason}），请换一种问法。",
        )
    query = answer.get("query")
    if not isinstance(query, dict) or not (
        isinstance(query.get("search"), list) or isinstance(query.get("pages"), dict)
    ):
        raise SourceError(**_MALFORMED)
    return answer


def _failing(error: SourceError) -> SourceStatus:
    return SourceStatus(str(error), zh=error.told("zh"), failing=True)


def _own_hosts(url: str) -> list[str]:
    """`host:port` of an address without `{language}` in its host: the operator named it, so it may be private."""
    try:
        address = parsed(url.replace("{language}", "en"))
    except SourceError as error:
        raise _not_wikipedia(url) from error
    if address.query:
        raise _not_wikipedia(url)
    if "{language}" in url.split("/")[2]:
        return []
    return [names_of(address)[1]]


def _not_wikipedia(url: str) -> SettingsError:
    return SettingsError(f"The Wikipedia address “{url}” cannot be used; give one such as {URL}.")
