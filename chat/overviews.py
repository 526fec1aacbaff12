"""An overview that a message asks for: of which document, and on what it stands.

A message names a document, or means the one that is talked about (`retrieval.overview_choice`). What is ready is given
to whichever engine answers: the passages as its sources, the chosen sentences to the reader, which quotes them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from chat.conversation import Conversation
from chat.overview_texts import missing, notices, question_about
from chat.sources import Chosen, Source
from errors import SourceError
from retrieval.base import Passage, SearchRequest
from retrieval.overview import PASSAGES, Overview, Quote, overview
from retrieval.overview_choice import Choice, Cited, Why, choose
from retrieval.overview_request import Naming, OverviewRequest, another, overview_request
from retrieval.query import Query

_SENTENCES, _PASSAGES = 6, 2
"""Of several documents together, and of each."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Overviews that are ready, or why there are none."""

    why: Why
    overviews: tuple[Overview, ...] = ()
    """Their quotes count through `passages`."""
    passages: tuple[Passage, ...] = ()
    query: str = ""
    """The message as a question that names the document; empty for several."""
    notices: tuple[str, ...] = ()


def asked(question: str, conversation: Conversation) -> OverviewRequest | None:
    """The overview that a message asks for, if it may ask for one."""
    found = overview_request(question)
    last = conversation.turns[-1] if conversation.turns else None
    if found is None and last is not None and overview_request(last.query or last.question) is not None:
        return another(question)
    return found


def plainly(request: OverviewRequest, query: Query) -> Query:
    """What to search for where it asks for no overview: the causes of the war, of “Summarise the causes of the war”."""
    if request.sums and request.naming in (Naming.PERHAPS, Naming.QUOTED) and request.names:
        return replace(query, text=request.names[0])
    return query


def ready(
    request: OverviewRequest,
    chosen: Sequence[Source],
    conversation: Conversation,
    language: str,
    limit_s: float,
    cancel: threading.Event,
    settings: Chosen,
) -> Ready | None:
    """The overviews that a message wants; None where it is an ordinary question after all."""
    look = SearchRequest(
        query="", owner=conversation.owner, language=language, deadline=time.monotonic() + limit_s, cancel=cancel
    )
    documents = [each for source in chosen if (each := source.named_documents(settings)) is not None]
    choice = choose(request, documents, _cited(conversation), look)
    if choice is None:
        return None
    found, failures = _read(choice, request.sentences)
    told = tuple(error.told(language) for error in (*choice.failures, *failures))
    if not found:
        return Ready(Why.MISSING, notices=told)
    return Ready(
        why=choice.why,
        overviews=_numbered(found),
        passages=tuple(passage for each in found for passage in each.passages),
        query=question_about(found[0], language) if len(found) == 1 else "",
        notices=(*told, *notices(choice, found, language)),
    )


def none(request: OverviewRequest, chosen: Sequence[Source], every: Sequence[Source], owner: str, language: str) -> str:
    """Why there is no overview, in words."""
    on = [source for source in every if source in chosen and source.documents]
    off = [source for source in every if source not in chosen and source.documents]
    return missing(
        request,
        language,
        own=[each.about for source in on if source.documents for each in source.documents.own(owner)],
        on=[source.label(language) for source in on],
        off=[source.label(language) for source in off],
        personal_off=[source.label(language) for source in off if source.documents and source.documents.personal],
    )


def _cited(conversation: Conversation) -> list[Cited]:
    return [
        Cited(tuple(turn.passage(number) for number in turn.cited), turn.asked)
        for turn in reversed(conversation.turns)
        if turn.cited and turn.remembered
    ]


def _read(choice: Choice, sentences: int) -> tuple[list[Overview], list[SourceError]]:
    found: list[Overview] = []
    failures: list[SourceError] = []
    for document in choice.documents:
        try:
            several = len(choice.documents)
            wanted = sentences if several == 1 else max(_SENTENCES // several, 1)
            found.append(overview(document, wanted, PASSAGES if several == 1 else _PASSAGES))
        except SourceError as error:
            failures.append(error)
    return [each for each in found if each.passages], failures


def _numbered(found: Sequence[Overview]) -> tuple[Overview, ...]:
    """The overviews with their quotes' passages counted through all of them."""
    starts = accumulate((len(each.passages) for each in found), initial=0)
    return tuple(
        replace(each, quotes=tuple(Quote(start + quote.passage, quote.span) for quote in each.quotes))
        for each, start in zip(found, starts, strict=False)
    )
