"""Web search, live: the results of the operator's SearxNG instance, and what stands on the first pages of them.

The instance is asked for its JSON (`searxng.py`); each result is a passage of its snippet. The first few pages are
fetched and read too (`page_reader.py`), within the same time limit, and cut into passages; a page that is not ready
in time leaves its snippet. Pages are the web's choice, so nothing of them may lie inside the network, whatever hosts
the operator allows. BM25 orders the passages, with a little for the instance's own order.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from errors import InputError, SettingsError, SourceError
from retrieval.address import host_of, names_of, parsed
from retrieval.base import Document, Passage, SearchRequest, Setting, SourceStatus
from retrieval.bm25 import bm25
from retrieval.cache import Cache
from retrieval.fetch import BrokenOffError, Cancelled, Fetcher, Limits, StatusError
from retrieval.pace import Pace
from retrieval.page_reader import PageReader
from retrieval.pause import Pause, PausedError
from retrieval.searxng import MalformedError, Result, Results, query, results
from retrieval.split import passages
from retrieval.text import language as language_of

READ, PAGES = "read", "pages"
"""Name of the visitor's setting, and its one choice."""
USER_AGENT = "Groundchat/0.1 (self-hosted chat app)"

_SEARCHING_SHARE, _FETCHING_SHARE = 0.7, 0.9  # of the time limit; the rest is for ranking
_TTL_S = 1800.0
_PAGE_BYTES = 2 * 2**20
_MOST_PASSAGES = 60
"""Of one page."""
_ORDER = 0.3
"""What the first place in the instance's order is worth beside the best BM25 score."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of the last search that asked the instance."""

    at: float
    results: int = 0
    pages: int = 0
    engines: tuple[str, ...] = ()
    failure: SourceError | None = None


class WebSearch:
    """Passages of web pages; a `Retriever` and a `Live`. Safe to call from several threads.

    `url` is the instance's, the operator's choice, and may lie inside the network; `page_hosts` are hosts of result
    pages that may, too. `pages` of the results are read for each question. `wall` gives Unix time, `clock` seconds.
    Raises `SettingsError` when `url` is no http(s) address.
    """

    name = "web"

    def __init__(
        self,
        url: str,
        *,
        user_agent: str = USER_AGENT,
        cache_folder: Path | None = None,
        pace: Pace | None = None,
        time_limit_s: float = 6.0,
        max_bytes: int = 2 * 2**20,
        pages: int = 3,
        page_hosts: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._url = url.rstrip("/")
        try:
            address = parsed(self._url)
        except SourceError as error:
            raise SettingsError(
                f"The web search address “{url}” cannot be used; give one such as https://search.example.org."
            ) from error
        self._host = host_of(address)
        self._time_limit_s = time_limit_s
        self._pages = pages
        self._wall = wall
        self._fetcher = Fetcher(
            user_agent,
            allowed_hosts=[names_of(address)[1]],
            limits=Limits(seconds=time_limit_s, bytes=max_bytes),
            pace=pace,
        )
        self._page_fetcher = Fetcher(
            user_agent, allowed_hosts=page_hosts, limits=Limits(seconds=time_limit_s, bytes=_PAGE_BYTES), pace=pace
        )
        self._reader = PageReader(self._page_fetcher)
        self._cache = Cache(cache_folder, clock=wall)
        self._pause = Pause("Web search", "网页搜索", clock)
        self._last: _Outcome | None = None

    @property
    def settings(self) -> tuple[Setting, ...]:
        return (
            Setting(
                name=READ,
                labels={"en": "Reading", "zh": "阅读"},
                hints={
                    "en": "Without it, only the snippets of the results are used, which is faster.",
                    "zh": "不选时只使用搜索结果的摘要，速度更快。",
                },
                default=PAGES,
                choices=MappingProxyType({PAGES: {"en": "Read the first pages found", "zh": "阅读排在前面的网页"}}),
            ),
        )

    def checked(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        chosen = settings.get(READ, PAGES).strip()
        if chosen not in ("", PAGES):
            raise InputError(
                f"The web search cannot be set to read “{chosen[:60]}”; choose “{PAGES}” or nothing.",
                zh=f"网页搜索的阅读选项不能是“{chosen[:60]}”，请选择“{PAGES}”或留空。",
            )
        return {READ: chosen}

    def status(self) -> SourceStatus | None:
        last = self._last
        if last is None:
            return None
        at = f"{datetime.fromtimestamp(last.at, UTC):%H:%M}"
        if last.failure is not None:
            return SourceStatus(f"{at} UTC: {last.failure}", f"UTC {at}：{last.failure.told('zh')}", True)
        found, read = last.results, last.pages
        english = f" from {', '.join(last.engines)}" if last.engines else ""
        chinese = f"来自 {'、'.join(last.engines)} 的 " if last.engines else ""
        return SourceStatus(
            f"{at} UTC: {found} result{'s' * (found != 1)}{english}, {read} page{'s' * (read != 1)} read.",
            f"UTC {at}：{chinese}{found} 条结果，读取了 {read} 个网页。",
        )

    def search(self, request: SearchRequest) -> list[Passage]:
        """The best `request.k` passages, best first; none when nothing is found or the request is cancelled.

        Raises `SourceError` when the instance could not be asked, `InputError` for a setting that there is not.
        """
        began, limit = time.monotonic(), request.remaining(self._time_limit_s)
        reads = self.checked(request.settings)[READ] == PAGES
        code = request.language or language_of(request.query)
        if not request.query.strip():
            return []
        try:
            answered = self._results(query(request.query, code), began + limit * _SEARCHING_SHARE, request)
        except Cancelled:
            return []
        except SourceError as error:
            if not isinstance(error, PausedError):
                self._pause.failed()
            self._last = _Outcome(self._wall(), failure=error)
            raise
        self._pause.succeeded()
        found = [one for one in answered.found if _id(one) not in request.exclude]
        first = [one.url for one in found[: self._pages]] if reads else []
        texts = self._reader.read(first, began + limit * _FETCHING_SHARE, request.cancel)
        if request.cancel.is_set():
            return []
        engines = tuple(dict.fromkeys(engine for one in answered.found for engine in one.engines))
        self._last = _Outcome(self._wall(), len(answered.found), len(texts), engines[:8])
        return _ranked(request, code, [list(_passages(one, texts.get(one.url, ""))) for one in found])

    def close(self) -> None:
        """Close connections and the cache file."""
        self._fetcher.close()
        self._page_fetcher.close()
        self._cache.close()

    def _results(self, asked: str, deadline: float, request: SearchRequest) -> Results:
        """What the instance finds, from the cache where that is still good. Raises `SourceError`."""
        url = f"{self._url}{asked}"
        kept = self._cache.get(url)
        if kept is not None:
            try:
                return results(kept)
            except MalformedError:  # a damaged cache is asked again
                pass
        self._pause.check()
        try:
            body = self._fetched(url, deadline, request)
            found = results(body)
        except MalformedError as error:
            raise self._malformed() from error
        except StatusError as error:
            raise self._refused(error) from error
        if not found.found and found.silent:
            raise self._without_engines(found.silent)
        self._cache.put(url, body, _TTL_S)
        return found

    def _fetched(self, url: str, deadline: float, request: SearchRequest) -> bytes:
        """The body at `url`; one that broke off gets a second try."""
        try:
            return self._fetcher.get(url, accept="application/json", deadline=deadline, cancel=request.cancel).body
        except BrokenOffError:
            return self._fetcher.get(url, accept="application/json", deadline=deadline, cancel=request.cancel).body

    def _refused(self, error: StatusError) -> SourceError:
        if error.status == 429 or error.retry_after_s:
            return self._pause.slow_down(error.retry_after_s)
        if error.status == 403:
            return SourceError(
                f"The SearxNG instance at {self._host} does not give out JSON (403); add “json” to its settings.yml, "
                "search: formats: [html, json], and restart it.",
                zh=f"{self._host} 的 SearxNG 不允许输出 JSON（403）；请在它的 settings.yml 中设置 search: formats: "
                "[html, json]，然后重启。",
            )
        return error

    def _malformed(self) -> SourceError:
        return SourceError(
            f"What {self._host} sent is not SearxNG's JSON; check --web-search-url, or try again later.",
            zh=f"{self._host} 返回的内容不是 SearxNG 的 JSON；请检查 --web-search-url，或稍后再试。",
        )

    def _without_engines(self, silent: tuple[str, ...]) -> SourceError:
        english, chinese = ", ".join(silent[:5]), "、".join(silent[:5])
        return SourceError(
            f"None of the search engines behind {self._host} answered ({english}); try again later.",
            zh=f"{self._host} 背后的搜索引擎都没有回应（{chinese}），请稍后再试。",
        )


def _id(result: Result) -> str:
    return f"web:{hashlib.sha256(result.url.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _passages(result: Result, page: str) -> Iterator[Passage]:
    """Passages of a result: those of its page where that was read, and its snippet as the last part of the document."""
    document, count, start = _id(result), 0, 0
    if page.strip():
        read = Document(document, result.title, page, WebSearch.name, url=result.url)
        for passage in passages(read)[:_MOST_PASSAGES]:
            yield passage if passage.section else replace(passage, section=result.published)
            count += 1
        start = len(page) + 2
    if result.snippet:
        yield Passage(
            id=f"{document}#{count}",
            text=result.snippet,
            title=result.title,
            source=WebSearch.name,
            document=document,
            section=result.published,
            url=result.url,
            language=language_of(result.snippet),
            start=start,
            end=start + len(result.snippet),
        )


def _ranked(request: SearchRequest, code: str, found: list[list[Passage]]) -> list[Passage]:
    """The passages of all results by BM25 over title, headings and text, with the score set."""
    flat = [(place, passage) for place, those in enumerate(found) for passage in those]
    kept = [(place, passage) for place, passage in flat if passage.id not in request.exclude]
    scores = bm25(request.query, code, [f"{one.title} {one.section} {one.text}" for _, one in kept])
    most = max(scores, default=0.0) or 1.0
    ranked = [
        replace(passage, score=score / most + _ORDER * (1 - place / len(found)))
        for (place, passage), score in zip(kept, scores, strict=True)
    ]
    return sorted(ranked, key=lambda passage: -passage.score)[: request.k]
