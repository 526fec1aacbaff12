"""What the sources have on a question: the passages that are handed on, and how the question was understood.

Where a follow-up may have been meant as a question of its own (`retrieval.query.Query.alone`), both are searched for,
and what is found decides.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from chat.bilingual import Bilingual
from chat.sources import NOTHING_CHOSEN, Chosen, Search, Source, Sources
from retrieval.base import Passage
from retrieval.query import Query
from retrieval.rerank import Reranker

_PASSAGES, _COMPARED = 6, 40
"""Passages that are handed on, and how many of the question by itself are looked through for those of the topic."""
_SURE, _RIVAL = 0.3, 0.5
"""How likely a passage must answer the question by itself, and the share of that at which the topic's answers too."""


@dataclass(frozen=True, slots=True)
class Searching:
    """Searches that have begun for a question and, where it may stand alone, for what was typed."""

    query: Query
    searches: tuple[Search, ...]
    alone: tuple[Search, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, best first."""

    query: Query
    """As it turned out to be meant."""
    passages: tuple[Passage, ...]
    notices: tuple[Bilingual, ...]


class Finder:
    """Searches sources side by side. Safe to call from several threads."""

    def __init__(self, sources: Sources, reranker: Reranker) -> None:
        self._sources = sources
        self._reranker = reranker

    def start(
        self,
        chosen: Sequence[Source],
        query: Query,
        owner: str,
        cancel: threading.Event,
        settings: Chosen = NOTHING_CHOSEN,
    ) -> Searching:
        """Begin to search. `settings` is what the visitor chose of the sources."""
        typed = dataclasses.replace(query, text=query.alone)
        return Searching(
            query,
            tuple(self._sources.start(chosen, query, owner, cancel, settings)),
            tuple(self._sources.start(chosen, typed, owner, cancel, settings)) if query.alone else (),
        )

    def found(self, searching: Searching, least: float, cancel: threading.Event) -> Finding:
        """Wait for the searches; of what they found, the best passages that answer with a probability of `least`."""
        query = searching.query
        candidates, notices = self._sources.collect(searching.searches, cancel)
        passages = self._reranker.rank(query.text, candidates, query.language, _PASSAGES, least)
        if searching.alone and not cancel.is_set():
            others, _ = self._sources.collect(searching.alone, cancel)
            ranked = self._reranker.rank(query.alone, [*others, *_new(passages, others)], query.language, _COMPARED)
            if _stands_alone(ranked, passages):
                query = dataclasses.replace(query, text=query.alone, new_topic=True)
                passages = [passage for passage in ranked[:_PASSAGES] if passage.leads or passage.score >= least]
        return Finding(query, tuple(passages), tuple(notices))


def _new(passages: Sequence[Passage], others: Sequence[Passage]) -> list[Passage]:
    known = {passage.id for passage in others}
    return [dataclasses.replace(passage, score=0.0) for passage in passages if passage.id not in known]


def _stands_alone(ranked: Sequence[Passage], of_topic: Sequence[Passage]) -> bool:
    """Whether something answers the question by itself, and nothing that was found with the topic does nearly so."""
    if not ranked or ranked[0].score < _SURE:
        return False
    topical = {passage.id for passage in of_topic[:1]}
    return not any(passage.id in topical and passage.score >= _RIVAL * ranked[0].score for passage in ranked)
