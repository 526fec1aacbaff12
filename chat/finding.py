"""What the sources have on a question: the passages that are handed on, and how the question was understood.

Where a follow-up may have been meant as a question of its own (`retrieval.query.Query.alone`), both are searched for,
and what is found decides; so it is where a chat model reads a follow-up differently from the rules (`likelier`).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from chat.bilingual import Bilingual
from chat.sources import NOTHING_CHOSEN, Chosen, Search, Source, Sources
from retrieval.base import Passage
from retrieval.joining import Joining
from retrieval.query import Query
from retrieval.rerank import Reranker
from retrieval.text import analyse

_PASSAGES = 6
_HELD, _RIVAL = 0.3, 0.35
"""Share of the question's terms that a passage holds which answers it by itself (“much” and the like count too), and
the share of that at which the topic's passage is a rival."""


@dataclass(frozen=True, slots=True)
class Searching:
    """Searches that have begun for a question and, where it may stand alone, for what was typed."""

    query: Query
    searches: tuple[Search, ...]
    alone: tuple[Search, ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, best first."""

    query: Query
    """As it turned out to be meant."""
    passages: tuple[Passage, ...]
    notices: tuple[Bilingual, ...]
    silent: frozenset[str] = frozenset()
    """Names of the sources that failed or were late: asked once more they would cost their time limit once more."""


class Finder:
    """Searches sources side by side. Safe to call from several threads.

    With `joining`, passages come with their neighbours in the document.
    """

    def __init__(self, sources: Sources, reranker: Reranker, joining: Joining | None = None) -> None:
        self._sources = sources
        self._reranker = reranker
        self._joining = joining

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
            owner,
        )

    def found(self, searching: Searching, least: float, cancel: threading.Event) -> Finding:
        """Wait for the searches; of what they found, the best passages that answer with a probability of `least`.

        Where `least` is 0 they come without neighbours: who judges by itself quotes nothing but what was found.
        """
        query = searching.query
        candidates, notices = self._sources.collect(searching.searches, cancel)
        passages = self._reranker.rank(query.text, candidates, query.language, _PASSAGES, least)
        if searching.alone and not cancel.is_set():
            others, _ = self._sources.collect(searching.alone, cancel)
            if self._stands_alone(query, others, passages):
                query = dataclasses.replace(query, text=query.alone, new_topic=True)
                passages = self._reranker.rank(query.text, others, query.language, _PASSAGES, least)
        if self._joining is not None and least > 0 and not cancel.is_set():
            passages = self._joining.join(passages, searching.owner)
        return Finding(query, tuple(passages), tuple(notices.values()), frozenset(notices))

    def _stands_alone(self, query: Query, others: Sequence[Passage], of_topic: Sequence[Passage]) -> bool:
        """Whether a passage holds what was typed, and the best one that was found with the topic does not."""
        added = set(analyse(query.text, query.language)) - set(analyse(query.alone, query.language))
        topical = [passage for passage in of_topic[:1] if added & _terms(passage, query.language)]
        candidates = [*others, *(passage for passage in topical if all(passage.id != other.id for other in others))]
        weighed = self._reranker.weigh(query.alone, candidates, query.language)
        if not weighed or weighed[0].coverage < _HELD:
            return False
        rival = [e.coverage for e in weighed if topical and e.passage.id == topical[0].id]
        return max(rival, default=0.0) <= _RIVAL * weighed[0].coverage


def likelier(one: Finding, other: Finding) -> Finding:
    """Of two readings of a question, the one whose best passage is likelier to answer it; `one` where that is even."""
    best = [max((passage.score for passage in found.passages), default=0.0) for found in (one, other)]
    return one if best[0] >= best[1] else dataclasses.replace(other, notices=one.notices)


def _terms(passage: Passage, language: str) -> set[str]:
    return set(analyse(f"{passage.title}\n{passage.section}\n{passage.text}", passage.language or language))
