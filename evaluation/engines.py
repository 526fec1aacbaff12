"""The models that a suite is put to, by their names, and what they answer: through the engines that the app uses.

`reader`; a hub id, or a model's folder; `run:NAME` or the folder of a fine-tuned one, be it a whole model or a LoRA
adapter (then on the base that it names); the address of a server. Each is asked as the app asks: the same prompt, the
item's sources as what was found, an overview where one is asked for. Answers are greedy, and written many at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from chat.base import NO_SOURCES, ChatModel, ChatRequest, Finish, Role, Sampling
from chat.hub import Progress, silent
from chat.local import LocalModel
from chat.placement import Placement
from chat.reader import Reader
from chat.remote import RemoteModel, is_address
from chat.runs import Runs
from errors import InputError
from evaluation.items import Item
from finetune.command import data_folder
from retrieval.base import Passage
from retrieval.documents import About
from retrieval.judge import SentenceJudge
from retrieval.overview import Overview, Quote, overview
from retrieval.overview_request import overview_request
from retrieval.query import Turn, standalone
from retrieval.text import language

READER = "reader"
_SOURCE = "suite"
STARTED = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""OpenChatKit's prompt states a time; a fixed one gives the same prompts every time."""
_AT_ONCE = 16
_TELL_S = 5.0


@dataclass(frozen=True, slots=True)
class Named:
    """A model as it is named on the command line."""

    model: str
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model that is put to a suite."""

    name: str
    """As the figures call it; unique among those that are compared."""
    engine: Reader | RemoteModel | LocalModel
    at_once: int

    def load(self) -> None:
        """Make it ready. Raises `ModelError`."""
        self.engine.load()

    @property
    def local(self) -> LocalModel | None:
        """The engine where it is a network on this machine, whose likelihoods can be computed."""
        return self.engine if isinstance(self.engine, LocalModel) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one item."""

    text: str
    unanswered: bool = False
    """Whether the engine itself says that nothing answers, as the reader does."""
    cut: bool = False
    """Whether it had reached its longest length."""
    failed: str = ""
    """Why there is none: the item does not fit the model's context."""
    ms: float = 0.0


def names(named: Sequence[Named]) -> list[str]:
    """What each is called: the last part of its path, numbered where two would be called the same."""
    found: list[str] = []
    for each in named:
        base = each.model if is_address(each.model) else _short(each.model)
        name = f"{base} + {_short(each.adapter)}" if each.adapter else base
        found.append(name)
    return [f"{name} ({found[: i + 1].count(name)})" if found.count(name) > 1 else name for i, name in enumerate(found)]


def _short(model: str) -> str:
    path = Path(model).expanduser()
    return path.resolve().name if path.is_dir() else model


def contestant(
    named: Named, name: str, placement: Placement, judge: SentenceJudge, server: tuple[str, str]
) -> Contestant:
    """The model, not loaded yet; `server` holds the model's name at a server and its key.

    Raises `ModelError` and `InputError` for what cannot be one.
    """
    if named.adapter and (named.model == READER or is_address(named.model)):
        raise InputError(f"--adapter {named.adapter} follows “{named.model}”, which takes none; name a local model.")
    if named.model == READER:
        return Contestant(name, Reader(judge), 1)
    if is_address(named.model):
        return Contestant(name, RemoteModel(named.model, *server), _AT_ONCE)
    return Contestant(name, _local(named, placement), _AT_ONCE)


def _local(named: Named, placement: Placement) -> LocalModel:
    """A model on this machine; a fine-tuned one is written to as it was taught."""
    runs = Runs(data_folder() / "runs")
    run, laid = runs.find(named.model), runs.find(named.adapter)
    if run is not None and run.kind == "adapter" and named.adapter:
        raise InputError(f"“{named.model}” is an adapter itself and --adapter {named.adapter} follows it; name one.")
    taught = laid or run
    if taught is None:
        return LocalModel(named.model, replace(placement, adapter=named.adapter), users=_AT_ONCE)
    return LocalModel(
        named.model if run is None else run.base if run.kind == "adapter" else str(run.folder),
        replace(placement, adapter=str(taught.folder) if taught.kind == "adapter" else named.adapter),
        users=_AT_ONCE,
        format=taught.format,
        sources=taught.sources,
    )


def request_of(item: Item, found: tuple[Passage, ...]) -> ChatRequest:
    """An item as the app would ask it, had it found these passages."""
    earlier = [message for message in item.messages[:-1] if message.role is not Role.SYSTEM]
    turns = [
        Turn(question.content, answer.content, "")
        for question, answer in zip(earlier[::2], earlier[1::2], strict=False)
    ]
    query = standalone(item.question, turns)
    return ChatRequest(
        messages=item.messages,
        passages=found,
        query=query.text,
        language=query.language,
        searched=(_SOURCE,) if found else (),
        overviews=_overviews(item.question, found),
        sampling=Sampling(max_new_tokens=item.tokens, temperature=0),
        started=STARTED,
    )


def sources_for(engine: ChatModel, item: Item) -> tuple[Passage, ...]:
    """What the app would give this engine of an item's sources: none where it was taught without."""
    return () if engine.least == NO_SOURCES else passages_of(item)


def passages_of(item: Item) -> tuple[Passage, ...]:
    """An item's sources as passages, each a document of its own."""
    return tuple(
        Passage(
            id=f"{item.id}/{n}#0",
            text=source.text,
            title=source.title,
            source=_SOURCE,
            document=f"{item.id}/{n}",
            language=language(source.text),
            end=len(source.text),
        )
        for n, source in enumerate(item.sources, 1)
    )


@dataclass(frozen=True, slots=True)
class _Document:
    """A passage as a document of its own."""

    passage: Passage
    count: int = 1

    @property
    def about(self) -> About:
        passage = self.passage
        return About(passage.document, passage.title, passage.source, language=passage.language)

    def stretch(self, first: int, after: int) -> list[Passage]:
        return [self.passage][first:after]


def _overviews(question: str, found: Sequence[Passage]) -> tuple[Overview, ...]:
    """Where a summary is asked for, that of each source; their quotes count through all passages."""
    asked = overview_request(question) if found else None
    if asked is None or not asked.sums:
        return ()
    each = [overview(_Document(passage), asked.sentences) for passage in found]
    return tuple(
        replace(one, quotes=tuple(Quote(n + quote.passage, quote.span) for quote in one.quotes))
        for n, one in enumerate(each)
    )


def answers(contestant: Contestant, items: Sequence[Item], tell: Progress = silent) -> list[Answer]:
    """What a model says to each item, in their order. Raises `ModelError` when it cannot go on."""
    found: list[Answer] = []
    last = time.monotonic()
    with ThreadPoolExecutor(contestant.at_once, thread_name_prefix="suite") as threads:
        waiting = [threads.submit(_answer, contestant.engine, item) for item in items]
        try:
            for done in waiting:
                found.append(done.result())
                if time.monotonic() - last > _TELL_S:
                    last = time.monotonic()
                    tell(f"{contestant.name}: {len(found):,} of {len(items):,} answered")
        finally:
            for each in waiting:
                each.cancel()
    return found


def _answer(engine: ChatModel, item: Item) -> Answer:
    began = time.perf_counter()
    try:
        chunks = list(engine.stream(request_of(item, sources_for(engine, item))))
    except InputError as error:
        return Answer("", failed=str(error))
    text = "".join(chunk.text for chunk in chunks).strip()
    finish = chunks[-1].finish if chunks else None
    ms = 1000 * (time.perf_counter() - began)
    return Answer(text, finish is Finish.UNANSWERED, finish is Finish.LENGTH, ms=ms)
