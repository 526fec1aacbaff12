"""An assistant with engines, sources and moderators that a test steers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chat.assistant import Ask, Assistant
from chat.base import ChatRequest, Chunk, Finish
from chat.claims import CitationChecks
from chat.conversation import Conversation, Turn
from chat.events import Done, Event
from chat.rewriting import Rewriter
from chat.slot import ModelSlot
from chat.sources import Source, Sources
from chat.startup import Startup
from encoder import SentenceEncoder
from moderation.base import Exchange, Level, Verdict
from moderation.cases import Cases
from moderation.policy_file import load_policy
from moderation.screen import Screen
from moderation.tally import Tally
from retrieval.base import Passage, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.rerank import Reranker
from retrieval.support import Support
from retrieval.unit_vectors import UnitVectors

FACT = "Alexander Fleming discovered penicillin in London in 1928."
HARM = "harmful"


@dataclass
class Engine:
    """Writes what it is given, piece by piece, and remembers what it was asked."""

    pieces: Sequence[str] = ("Fleming ", "did. [1]")
    failure: Exception | None = None
    name: str = "engine"
    least: float = 0.0
    asked: list[ChatRequest] = field(default_factory=list)
    before_each: Callable[[], None] = lambda: None
    closed: bool = False

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        self.asked.append(request)
        try:
            for piece in self.pieces:
                self.before_each()
                if request.cancel.is_set():
                    yield Chunk(finish=Finish.CANCELLED)
                    return
                yield Chunk(piece)
            if self.failure:
                raise self.failure
            yield Chunk(finish=Finish.STOP)
        finally:
            self.closed = True


@dataclass
class Shelf:
    """A source that gives one passage, or fails."""

    name: str = "library"
    failure: Exception | None = None
    gate: threading.Event | None = None
    text: str = FACT
    asked: list[SearchRequest] = field(default_factory=list)

    def search(self, request: SearchRequest) -> list[Passage]:
        self.asked.append(request)
        if self.gate:
            self.gate.wait(30)
        if self.failure:
            raise self.failure
        return [Passage(f"{self.name}#0", self.text, "Penicillin", self.name, self.name, language="en", score=9.0)]


@dataclass
class Nothing:
    """The guide, which has nothing to say here."""

    name: str = "guide"

    def search(self, request: SearchRequest) -> list[Passage]:
        return []


@dataclass
class Words:
    """A moderator that finds what holds the word `harmful`."""

    name: str = "words"
    failure: Exception | None = None
    seen: list[Exchange] = field(default_factory=list)

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        self.seen += exchanges
        if self.failure:
            raise self.failure
        return [_verdict(HARM in exchange.text) for exchange in exchanges]


def _verdict(harmful: bool) -> Verdict:
    if harmful:
        return Verdict(0.99, Level.NEEDS_INTERVENTION, (("harassment", 0.99),))
    return Verdict(0.01, Level.CASUAL)


@dataclass
class Bench:
    assistant: Assistant
    engine: Engine
    moderator: Words
    models: ModelSlot

    def reply(self, question: str, conversation: Conversation | None = None, **how: object) -> list[Event]:
        given = {"sources": ("library",), **how}
        ask = Ask("turn", question, conversation or Conversation("c"), **given)  # type: ignore[arg-type]
        return list(self.assistant.reply(ask))


Make = Callable[..., Bench]


@contextmanager
def benches(encoder: SentenceEncoder, folder: Path) -> Iterator[Make]:
    """Builds an assistant around fakes; ranking and policy are the real ones."""
    index = DocumentIndex(folder / "index", encoder)
    index.open()

    def _make(
        engine: Engine | None = None,
        shelves: Sequence[Shelf] = (),
        moderator: Words | None = None,
        startup: Startup | None = None,
        limit_s: float = 5.0,
        answer_limit_s: float = 60.0,
        guide: Shelf | None = None,
        rewrite_limit_s: float = 5.0,
        screen: Screen | None = None,
        cases: Cases | None = None,
        tally: Tally | None = None,
    ) -> Bench:
        engine, moderator = engine or Engine(), moderator or Words()
        if startup is None:
            startup = Startup([])
            startup.start()
        sources = [Source(shelf, {"en": shelf.name.title()}) for shelf in shelves or [Shelf()]]
        models = ModelSlot(engine)
        judge = SentenceJudge(UnitVectors(encoder, index))
        assistant = Assistant(
            models,
            Sources(sources, limit_s),
            Source(guide or Nothing(), {"en": "Guide"}),
            Reranker(judge, index),
            screen or Screen(moderator, load_policy(None), limit_s=5.0),
            startup,
            answer_limit_s,
            checks=CitationChecks(Support(judge), limit_s=60.0),
            rewriter=Rewriter(rewrite_limit_s),
            cases=cases,
            tally=tally,
        )
        return Bench(assistant, engine, moderator, models)

    yield _make
    index.close()


def turn_of(events: Sequence[Event]) -> Turn:
    assert isinstance(events[-1], Done)
    return events[-1].turn
