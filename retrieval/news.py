"""News: reports of RSS and Atom feeds, as passages with their date.

Feeds are asked side by side and kept for some minutes (`feed_store.py`); whatever a feed's server does costs at most
the time limit, and the others' reports are used. Reports are ranked with BM25. Where the question is about now
(`recent.py`) the newest of those that are about its topic lead, or the newest of all where it names none;
near-duplicates fall out, and reports without a date go last. Questions are never sent anywhere.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from errors import SourceError
from retrieval.alike import Distinct, Shingles, shingles
from retrieval.base import Document, Passage, SearchRequest, Setting, SourceStatus
from retrieval.bm25 import ranked
from retrieval.feed_list import NAME, FeedList
from retrieval.feed_store import Asked, FeedStore
from retrieval.feeds import Feed, Item
from retrieval.fetch import Fetcher, Limits
from retrieval.http_cache import HttpCache
from retrieval.pace import Pace
from retrieval.recent import recent
from retrieval.split import passages
from retrieval.text import analyse, language

_WAITING_SHARE, _FETCHING_SHARE = 0.9, 0.8  # of the time limit: what a search waits for, and what a feed may take
_POLL_S = 0.05
_MOST_BYTES = 2 * 2**20
_KEPT_BYTES = 128 * 2**20
_LEADING = 5
_AS_GOOD = 0.5
"""A report is about the topic where its score is at least this share of the best one's…"""
_HELD = 0.5
"""… and where it holds at least this share of the topic's terms: what leads is shown before all other sources."""
_FEWEST_TERMS = 4


class News:
    """Reports of news feeds; a `Retriever` and `Live`. Safe to call from several threads.

    `listed` are the feeds that are asked where a visitor names no others. `folder` keeps what was fetched. Hosts of
    the operator's own list, and `allowed_hosts`, may lie inside the network, but only for feeds of the list. `clock`
    gives seconds.
    """

    name = "news"

    def __init__(
        self,
        listed: FeedList,
        folder: Path,
        *,
        user_agent: str,
        allowed_hosts: Iterable[str] = (),
        pace: Pace | None = None,
        time_limit_s: float = 6.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listed = listed
        self._time_limit_s = time_limit_s
        limits = Limits(seconds=time_limit_s * _FETCHING_SHARE, bytes=_MOST_BYTES)
        trusted = Fetcher(user_agent, allowed_hosts=[*allowed_hosts, *listed.hosts], limits=limits, pace=pace)
        self._trusted = FeedStore(HttpCache(trusted, folder / "listed", _KEPT_BYTES), clock)
        public = Fetcher(user_agent, limits=limits, pace=pace)
        self._public = FeedStore(HttpCache(public, folder / "visitors", _KEPT_BYTES), clock)
        self._fetchers = (trusted, public)

    @property
    def settings(self) -> tuple[Setting, ...]:
        return (self._listed.setting,)

    def checked(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """The settings as they are used. Raises `InputError` for an address that cannot be a feed's."""
        return {NAME: self._listed.checked(settings.get(NAME, ""))}

    def status(self) -> SourceStatus | None:
        """How the listed feeds fare. What visitors added is not named: it is nobody else's business."""
        known = self._trusted.known(list(self._listed.languages))
        if not known:
            return None
        failing = [address.partition("//")[2] for address, asked in known.items() if asked.failure is not None]
        if not failing:
            many = "The feed answers" if len(known) == 1 else f"All {len(known)} feeds that were asked answer"
            return SourceStatus(f"{many}.", zh=f"查询过的 {len(known)} 个订阅源都有回应。")
        return SourceStatus(
            f"{len(known) - len(failing)} of {len(known)} feeds answer; these do not: {', '.join(failing)}.",
            zh=f"{len(known)} 个订阅源中有 {len(known) - len(failing)} 个回应，未回应的是：{'、'.join(failing)}。",
            failing=True,
        )

    def search(self, request: SearchRequest) -> list[Passage]:
        """The best `request.k` passages, best first; none where no report fits or the request is cancelled.

        Raises `SourceError` when no feed could be read.
        """
        code = request.language or language(request.query)
        found = self._feeds(self._listed.wanted(request.settings.get(NAME, ""), code), request)
        reports = [report for report in _gathered(tuple(found)) if report[1][0].document not in request.exclude]
        about_now = recent(request.query)
        if about_now is None:
            every = [passage for _, report in reports for passage in report]
            chosen = [passage for passage in ranked(request.query, code, every) if passage.score > 0]
        elif about_now.topic:
            chosen = _newest_about(about_now.topic, code, reports)
        else:
            chosen = _leading([report[0] for _, report in reports])
        return [passage for passage in chosen if passage.id not in request.exclude][: request.k]

    def close(self) -> None:
        """Close connections, and ask for nothing more."""
        for store in (self._trusted, self._public):
            store.close()
        for fetcher in self._fetchers:
            fetcher.close()

    def _feeds(self, addresses: Sequence[str], request: SearchRequest) -> list[Feed]:
        """What the feeds hold that can be had in time. Raises `SourceError` where none can."""
        until = time.monotonic() + request.remaining(self._time_limit_s) * _WAITING_SHARE
        answers = [self._store(address).ask(address) for address in addresses]
        _await(answers, until, request.cancel)
        if request.cancel.is_set():
            return []
        asked = [answer.result() for answer in answers if answer.done()]
        found = [each.feed for each in asked if each.feed is not None]
        if not found:
            raise _no_feed(asked, len(addresses))
        return found

    def _store(self, address: str) -> FeedStore:
        return self._trusted if address in self._listed.languages else self._public


def _await(answers: Sequence[Future[Asked]], until: float, cancel: threading.Event) -> None:
    pending = set(answers)
    while pending and not cancel.is_set() and (left := until - time.monotonic()) > 0:
        pending = wait(pending, timeout=min(_POLL_S, left)).not_done


Report = tuple[Item, tuple[Passage, ...]]
"""An item, and its passages: at least one, the first of which begins with the date and the title."""


@lru_cache(maxsize=16)
def _gathered(feeds: tuple[Feed, ...]) -> tuple[Report, ...]:
    """The reports of all feeds, each once, the newest first and those without a date last."""
    reports = [report for feed in feeds for report in _reports(feed)]
    return tuple(_distinct(sorted(reports, key=lambda report: -(report[0].published or 0.0))))


@lru_cache(maxsize=64)
def _reports(feed: Feed) -> tuple[Report, ...]:
    return tuple((item, split) for item in feed.items if (split := _split(item, feed)))


def _split(item: Item, feed: Feed) -> tuple[Passage, ...]:
    when = date_of(item.published)
    head = f"{when}: {item.title}" if when else item.title
    document = f"news:{hashlib.sha256(f'{item.url} {item.title}'.encode()).hexdigest()[:20]}"
    text = f"{head}\n\n{item.text}".strip()
    whole = Document(document, item.title, text, "news", url=item.url, language=feed.language)
    return tuple(replace(passage, section=feed.title, place=when) for passage in passages(whole))


def date_of(published: float | None) -> str:
    """Date and time as a reader sees them, the same in every language; empty where there is none."""
    return f"{datetime.fromtimestamp(published, UTC):%Y-%m-%d %H:%M} UTC" if published is not None else ""


def _newest_about(topic: str, code: str, reports: Sequence[Report]) -> list[Passage]:
    """Passages for a topic: the newest reports that are about it lead; what else holds a word of it follows by BM25."""
    every = ranked(topic, code, [passage for _, report in reports for passage in report])
    fitting = [passage for passage in every if passage.score > 0]
    if not fitting:
        return []
    best = fitting[0].score
    scores: dict[str, float] = {}
    for passage in fitting:
        scores[passage.document] = max(scores.get(passage.document, 0.0), passage.score)
    good = {document for document, score in scores.items() if score >= _AS_GOOD * best}
    asked = frozenset(analyse(topic, code))
    newest = [report[0] for _, report in reports if report[0].document in good and _holds(report, asked)]
    leading = _leading([replace(passage, score=scores[passage.document]) for passage in newest])
    ids = {passage.id for passage in leading}
    return [*leading, *(passage for passage in fitting if passage.id not in ids)]


def _holds(report: Sequence[Passage], asked: frozenset[str]) -> bool:
    held = {term for passage in report for term in analyse(passage.text, passage.language)}
    return len(asked & held) >= _HELD * len(asked)


def _leading(newest: Sequence[Passage]) -> list[Passage]:
    """The first few lead, in this order."""
    return [replace(passage, leads=place < _LEADING) for place, passage in enumerate(newest)]


def _distinct(reports: Sequence[Report]) -> list[Report]:
    """The reports without those that nearly repeat an earlier one, in title or text."""
    kept: list[Report] = []
    titles: set[tuple[str, ...]] = set()
    texts = Distinct()
    for item, report in reports:
        title, text = _compared(item, report[0].language)
        if title not in titles and texts.add(text):
            kept.append((item, report))
            titles |= {title} if len(title) >= _FEWEST_TERMS else set()
    return kept


@lru_cache(maxsize=4096)
def _compared(item: Item, code: str) -> tuple[tuple[str, ...], Shingles]:
    """What two reports are compared by: the terms of the title, and the shingles of the text."""
    return tuple(analyse(item.title, code)), shingles(f"{item.title}\n{item.text}", code)


def _no_feed(asked: Sequence[Asked], count: int) -> SourceError:
    """Why there is no news: the first failure, or that all were too slow."""
    failures = [each.failure for each in asked if each.failure is not None]
    if not failures:
        return SourceError("No news feed answered in time; try again later.", zh="没有新闻订阅源及时回应，请稍后再试。")
    if count == 1:
        return failures[0]
    return SourceError(
        f"None of the {count} news feeds could be read, the first of them because: {failures[0]}",
        zh=f"{count} 个新闻订阅源都无法读取，其中第一个的原因是：{failures[0].told('zh')}",
    )
