"""The sources a person can switch on, searched side by side, each with its own time limit.

A source that fails or is late becomes one sentence for the person, never a failed answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from types import MappingProxyType

from chat.bilingual import Bilingual, said
from errors import InputError, SourceError
from retrieval.base import Live, Passage, Retriever, SearchRequest
from retrieval.documents import FetchedDocuments, NamedDocuments
from retrieval.query import Query

logger = logging.getLogger(__name__)

Chosen = Mapping[str, Mapping[str, str]]
"""What a visitor chose of the sources: by source the values of its settings, by the setting's name."""
NOTHING_CHOSEN: Chosen = MappingProxyType({})

_CANDIDATES = 100
_POLL_S = 0.1
_GRACE_S = 0.2
"""What a source that ends with its time limit may take to say so."""
_THREADS = 32


@dataclass(frozen=True, slots=True)
class Source:
    """A retriever a person can switch on, and its label per language."""

    retriever: Retriever
    labels: dict[str, str]
    remote: bool = False
    """Whether searching it sends the query to another machine."""
    empty: Callable[[str], bool] = lambda owner: False
    """Whether an owner has nothing in it; then it is not named among what was searched."""
    documents: NamedDocuments | None = None
    """Its documents as wholes, where they can be named."""
    live: Live | None = None
    """What it tells of itself and lets a visitor choose, where it does."""

    @property
    def name(self) -> str:
        return self.retriever.name

    def label(self, language: str) -> str:
        return self.labels.get(language, self.labels["en"])

    def named_documents(self, chosen: Chosen) -> NamedDocuments | None:
        """Its documents as wholes, looked for as the visitor chose."""
        if isinstance(self.documents, FetchedDocuments):
            return replace(self.documents, settings=chosen.get(self.name, {}))
        return self.documents


@dataclass(frozen=True, slots=True)
class Search:
    """A search that has begun."""

    source: Source
    result: Future[list[Passage]]
    until: float
    """When it is waited for no longer, on `time.monotonic()`'s clock."""


class Sources:
    """The sources by name, and their searches. Safe to call from several threads."""

    def __init__(self, sources: Sequence[Source], limit_s: float) -> None:
        self.all = tuple(sources)
        self.limit_s = limit_s
        # Servers that are slow hold up their own threads, never the search of what lies here.
        self._threads = {
            remote: ThreadPoolExecutor(_THREADS, thread_name_prefix="asking" if remote else "search")
            for remote in (False, True)
        }

    def named(self, names: Sequence[str]) -> list[Source]:
        """The sources of these names. Raises `InputError` for an unknown one."""
        known = {source.name: source for source in self.all}
        for name in names:
            if name not in known:
                raise InputError(
                    f"There is no source named “{name}”; choose from {', '.join(known)}.",
                    zh=f"没有名为“{name}”的资料来源，可选的有：{'、'.join(known)}。",
                )
        return [known[name] for name in dict.fromkeys(names)]

    def checked(self, chosen: Chosen, names: Sequence[str] | None = None) -> Chosen:
        """What a visitor chose, as the sources use it; with `names`, of these sources only.

        Raises `InputError` for a source or a setting that is not there, and for a value that cannot be used.
        """
        sources = {source.name: source for source in self.named(list(chosen))}
        wanted = chosen if names is None else [name for name in chosen if name in names]
        return {name: _checked(sources[name], chosen[name]) for name in wanted}

    def start(
        self,
        chosen: Sequence[Source],
        query: Query,
        owner: str,
        cancel: threading.Event,
        settings: Chosen = NOTHING_CHOSEN,
    ) -> list[Search]:
        """Begin to search every chosen source for the query."""
        deadline = time.monotonic() + self.limit_s
        request = SearchRequest(
            query=query.text,
            k=_CANDIDATES,
            owner=owner,
            language=query.language,
            deadline=deadline,
            cancel=cancel,
        )
        return [
            Search(
                source,
                self._threads[source.remote].submit(
                    source.retriever.search, replace(request, settings=settings.get(source.name, request.settings))
                ),
                deadline + _GRACE_S,
            )
            for source in chosen
        ]

    def collect(
        self, searches: Sequence[Search], cancel: threading.Event
    ) -> tuple[list[Passage], dict[str, Bilingual]]:
        """Candidates of every search that ended in time, and by source one sentence for each that did not."""
        until = max((search.until for search in searches), default=0.0)
        pending = [search.result for search in searches]
        while pending and not cancel.is_set() and time.monotonic() < until:
            pending = list(wait(pending, timeout=_POLL_S).not_done)
        passages: list[Passage] = []
        notices: dict[str, Bilingual] = {}
        for search in searches:
            try:
                passages += search.result.result(0)
            except SourceError as error:
                notices[search.source.name] = said(error)
            except TimeoutError:
                notices[search.source.name] = _late(search.source, self.limit_s)
            except Exception:
                logger.exception("The source %s failed", search.source.name)
                notices[search.source.name] = _failed(search.source)
        return passages, notices


def _checked(source: Source, values: Mapping[str, str]) -> Mapping[str, str]:
    if source.live is None:
        raise InputError(
            f"{source.label('en')} has no settings; leave them out.",
            zh=f"{source.label('zh')}没有可设置的选项，请去掉。",
        )
    known = [setting.name for setting in source.live.settings]
    for name in values:
        if name not in known:
            raise InputError(
                f"{source.label('en')} has no setting “{name[:40]}”; it has {', '.join(known)}.",
                zh=f"{source.label('zh')}没有“{name[:40]}”这项设置，可设置的有：{'、'.join(known)}。",
            )
    return source.live.checked(values)


def _late(source: Source, limit_s: float) -> Bilingual:
    return Bilingual(
        f"{source.label('en')} did not answer within {limit_s:g} seconds; this answer goes on without it.",
        zh=f"{source.label('zh')}在 {limit_s:g} 秒内没有回应，本次回答未使用它。",
    )


def _failed(source: Source) -> Bilingual:
    return Bilingual(
        f"{source.label('en')} failed; this answer goes on without it.",
        zh=f"{source.label('zh')}出错了，本次回答未使用它。",
    )
