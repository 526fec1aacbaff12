"""A chat model rewrites follow-ups for the search. python -m pytest tests/test_rewriting.py"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chat.base import ChatRequest, Chunk, Finish
from chat.conversation import Conversation, Outcome, Turn
from chat.remote import RemoteModel
from chat.rewriting import Rewriter, prompt, usable
from encoder import SentenceEncoder
from errors import ModelError, SourceError
from retrieval.base import Passage, SearchRequest
from retrieval.mentions import Turn as Talked
from retrieval.query import leans, standalone
from tests.bench import HARM, Make, Shelf, benches, turn_of
from tests.chat_server import ChatServer
from tests.serving import LIMITS

BRIDGE = Talked(
    "Who built the Amber Bridge?", "Josef Lindqvist built the Amber Bridge [1], like the Grey Mill [2].", "Amber Bridge"
)
MEDICINE = Talked("谁发现了青霉素？", "弗莱明发现了青霉素[1]。", "青霉素")


@dataclass
class Scripted:
    """A chat model: says its lines in order, one an answer, in pieces; `waits` and `place` hold it up."""

    lines: list[str] = field(default_factory=list)
    name: str = "scripted"
    least: float = 0.01
    waits: threading.Event | None = None
    place: int = 0
    failure: Exception | None = None
    asked: list[ChatRequest] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        self.asked.append(request)
        if self.place:
            yield Chunk(place=self.place)
        while self.waits is not None and not self.waits.wait(0.01):
            if request.cancel.is_set():
                self.cancelled.set()
                yield Chunk(finish=Finish.CANCELLED)
                return
            yield Chunk()
        if self.failure:
            raise self.failure
        for word in self.lines.pop(0).split(" "):
            yield Chunk(f"{word} ")
        yield Chunk(finish=Finish.STOP)


# What can be used


@pytest.mark.parametrize(
    ("written", "question", "turn", "wanted"),
    [
        ("When did Josef Lindqvist die?", "When did he die?", BRIDGE, "When did Josef Lindqvist die?"),
        ("  “When did Josef Lindqvist die?”\n\nHe died", "When did he die?", BRIDGE, "When did Josef Lindqvist die?"),
        ("Rewritten question: When did Lindqvist die?", "When did he die?", BRIDGE, "When did Lindqvist die?"),
        ("Why did Josef Lindqvist build the Amber Bridge?", "why?", BRIDGE, ""),
        ("Why was the Amber Bridge built?", "why?", BRIDGE, "Why was the Amber Bridge built?"),
        ("Tell me more about the Amber Bridge", "Tell me more", BRIDGE, "Tell me more about the Amber Bridge"),
        ("弗莱明什么时候出生？", "他什么时候出生？", MEDICINE, "弗莱明什么时候出生？"),
        ("改写后的问题：弗莱明什么时候出生？", "他什么时候出生？", MEDICINE, "弗莱明什么时候出生？"),
        # nonsense
        ("", "When did he die?", BRIDGE, ""),
        ("   \n", "When did he die?", BRIDGE, ""),
        ("Josef Lindqvist died in 1791.", "When did he die?", BRIDGE, ""),
        ("When did he die? " * 40, "When did he die?", BRIDGE, ""),
        ("<human>: When did he die?", "When did he die?", BRIDGE, ""),
        ("<|im_start|>user\nWhen did he die?", "When did he die?", BRIDGE, ""),
        ("User: When did he die?", "When did he die?", BRIDGE, ""),
        ("<think>The user asks</think> When did he die?", "When did he die?", BRIDGE, ""),
        ("What is the capital of France?", "When did he die?", BRIDGE, ""),
        ("When did Napoleon Bonaparte of Corsica die in exile?", "When did he die?", BRIDGE, ""),
        ("Who built the Amber Bridge?", "Who built it?", BRIDGE, ""),
        ("When did Fleming die?", "他什么时候出生？", MEDICINE, ""),
    ],
)
def test_only_a_question_that_keeps_to_what_was_said_is_used(
    written: str, question: str, turn: Talked, wanted: str
) -> None:
    if question == "why?" and not wanted:
        turn = Talked("Why did Josef Lindqvist build the Amber Bridge?", turn.answer, turn.title)
    assert usable(written, question, [turn]) == wanted


def test_the_prompt_holds_the_last_turns_without_citations_and_the_question() -> None:
    old = Talked("An old question?", "An old answer.", "")
    said = prompt("And when\ndid he die?", [old, BRIDGE, BRIDGE, Talked("Why?", "", "")])
    assert "old" not in said and "[" not in said
    assert said.endswith("Q: Why?\nA: -\n\nLast question: And when did he die?")


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("When did he die?", True),
        ("and the Grey Mill?", True),
        ("Why?", True),
        ("What did the two of them argue about?", True),
        ("How long is the river Nile?", False),
        ("Who was Marie Curie?", False),
    ],
)
def test_only_what_may_lean_on_what_was_said_is_rewritten(question: str, wanted: bool) -> None:
    assert leans(question, standalone(question, [BRIDGE])) is wanted


# In time


def reading(rewriter: Rewriter, model: object, cancel: threading.Event | None = None) -> str:
    return rewriter.begin(model, "When did he die?", [BRIDGE], cancel or threading.Event()).reading()  # type: ignore[arg-type]


def test_a_model_is_asked_briefly_and_greedily() -> None:
    model = Scripted(["When did Josef Lindqvist die?"])
    assert reading(Rewriter(30.0), model) == "When did Josef Lindqvist die?"
    (asked,) = model.asked
    assert (asked.sampling.temperature, asked.sampling.max_new_tokens, asked.passages) == (0.0, 64, ())


def test_a_model_that_is_late_is_cancelled_and_after_three_times_left_alone() -> None:
    rewriter, model = Rewriter(0.03), Scripted(waits=threading.Event())
    for _ in range(3):
        assert reading(rewriter, model) == ""
        assert model.cancelled.wait(10)
        model.cancelled.clear()
    assert reading(rewriter, model) == "" and len(model.asked) == 3
    other = Scripted(["When did Josef Lindqvist die?"], name="other")
    patient = Rewriter(30.0)
    patient._late = rewriter._late
    assert reading(patient, other) == "When did Josef Lindqvist die?"


def test_whoever_would_have_to_queue_goes_on_at_once() -> None:
    assert reading(Rewriter(30.0), Scripted(place=2, waits=threading.Event())) == ""


@pytest.mark.parametrize("failure", [ModelError("It is gone."), RuntimeError("bug")])
def test_a_model_that_fails_leaves_it_to_the_rules(failure: Exception) -> None:
    assert reading(Rewriter(30.0), Scripted(failure=failure)) == ""


def test_a_stop_ends_the_waiting() -> None:
    cancel = threading.Event()
    cancel.set()
    model = Scripted(waits=threading.Event())
    assert reading(Rewriter(30.0), model, cancel) == ""
    assert not model.asked or model.cancelled.wait(10)


def test_without_time_no_model_is_asked() -> None:
    model = Scripted(["When did Josef Lindqvist die?"])
    assert reading(Rewriter(0.0), model) == "" and model.asked == []


def test_a_server_rewrites_over_openais_format() -> None:
    with ChatServer() as server:
        server.mode, server.says = "said", ["When did Josef Lindqvist die?"]
        model = RemoteModel(server.url, limits=LIMITS)
        model.load()
        assert reading(Rewriter(30.0), model) == "When did Josef Lindqvist die?"
        (chat,) = server.chats
        assert chat["temperature"] == 0 and chat["messages"][0]["content"] == prompt("When did he die?", [BRIDGE])
        server.mode = "silent"
        assert reading(Rewriter(0.2), model) == ""
        server.mode = "error-first"
        assert reading(Rewriter(30.0), model) == ""


# In a conversation

FACTS = {
    "born": "Ada Krull was born in the harbour town of Skarholm in 1871.",
    "bridge": "The Amber Bridge was built in 1743 by the engineer Josef Lindqvist.",
}


@dataclass
class Finding:
    """A source that finds what the query names."""

    name: str = "library"
    asked: list[SearchRequest] = field(default_factory=list)

    def search(self, request: SearchRequest) -> list[Passage]:
        self.asked.append(request)
        named = "born" if "Krull" in request.query else "bridge"
        return [Passage(f"{named}#0", FACTS[named], "", self.name, named, language="en", score=9.0)]


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


# The rules take “she” for whom the question before was about; a model that has read the answer knows better.
EARLIER = Conversation(
    "c",
    turns=(
        Turn(
            "1",
            "Who built the Amber Bridge?",
            Outcome.ANSWERED,
            "Josef Lindqvist built it, and Ada Krull measured it.",
        ),
    ),
)
TALKED = Talked(EARLIER.turns[0].question, EARLIER.turns[0].answer, "")
BY_RULES = "Where was Josef Lindqvist born?"


def follow_up(make: Make, model: Scripted, shelf: Finding | Shelf, question: str, **how: object) -> Turn:
    limit = how.pop("rewrite_limit_s", 30.0)
    return turn_of(make(model, [shelf], rewrite_limit_s=limit).reply(question, EARLIER, **how))


def test_the_likelier_reading_is_answered_and_shown(make: Make) -> None:
    model, shelf = Scripted(["Where was Ada Krull born?", "In Skarholm [1]."]), Finding()
    turn = follow_up(make, model, shelf, "Where was she born?")
    assert turn.query == "Where was Ada Krull born?"
    assert turn.answer == "In Skarholm [1]." and turn.passage(1).text == FACTS["born"]
    assert [request.query for request in shelf.asked][-1] == turn.query
    assert len(model.asked) == 2 and len(model.asked[0].messages) == 1


def test_a_reading_that_finds_nothing_better_changes_nothing(make: Make) -> None:
    model, shelf = Scripted(["Where was the measured bridge born?", "Hm."]), Finding()
    turn = follow_up(make, model, shelf, "Where was she born?")
    assert turn.query == BY_RULES
    assert {request.query for request in shelf.asked} == {BY_RULES, "Where was the measured bridge born?"}


def test_an_ordinary_question_pays_nothing(make: Make) -> None:
    model = Scripted(["In 1743 [1]."])
    turn = follow_up(make, model, Finding(), "When was the Amber Bridge built?")
    assert turn.answer == "In 1743 [1]." and len(model.asked) == 1
    first = Scripted(["Hm."])
    make(first, [Finding()]).reply("Where was she born?")
    assert len(first.asked) == 1


def test_the_reader_is_not_asked(make: Make) -> None:
    model = Scripted(["Hm."], least=0.0)
    follow_up(make, model, Finding(), "Where was she born?")
    assert len(model.asked) == 1


def test_a_late_reading_leaves_the_rules_query(make: Make) -> None:
    class Late(Scripted):
        def stream(self, request: ChatRequest) -> Iterator[Chunk]:
            self.waits = threading.Event() if not self.asked else None
            return super().stream(request)

    model = Late(["In Skarholm [1]."])
    turn = follow_up(make, model, Finding(), "Where was she born?", rewrite_limit_s=0.05)
    assert turn.outcome is Outcome.ANSWERED and turn.query == BY_RULES
    assert model.cancelled.wait(10)


def test_a_source_that_fails_is_not_asked_again_for_the_reading(make: Make) -> None:
    model, shelf = Scripted(["Where was Ada Krull born?", "In Skarholm [1]."]), Finding()
    down = Shelf("attic", failure=SourceError("The attic is shut."))
    turn = turn_of(make(model, [shelf, down]).reply("Where was she born?", EARLIER, sources=("library", "attic")))
    assert turn.query == "Where was Ada Krull born?" and turn.notices == ("The attic is shut.",)
    assert [request.query for request in down.asked] == [BY_RULES]


def test_a_reading_that_moderation_refuses_is_not_searched_for(make: Make) -> None:
    talked = Conversation(
        "c", turns=(Turn("1", f"Who was Ada Krull, the {HARM} one?", Outcome.ANSWERED, "A surveyor."),)
    )
    model, shelf = Scripted([f"Where was the {HARM} Ada Krull born?", "Hm."]), Finding()
    turn = turn_of(make(model, [shelf]).reply("Where was she born?", talked))
    assert HARM not in turn.query
    assert all(HARM not in request.query for request in shelf.asked)
