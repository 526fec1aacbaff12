"""What happens to an answer while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.assistant import Ask
from chat.base import SILENT, ChatRequest, Chunk, Finish
from chat.conversation import Conversation, Outcome, Turn
from chat.events import Delta, Found, Notice, Stage, Status
from chat.prompt import whole
from encoder import SentenceEncoder
from retrieval.base import Passage
from tests.bench import FACT, Engine, Make, Shelf, benches, turn_of


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


def test_citations_are_numbered_in_the_order_they_come(make: Make) -> None:
    shelves = [Shelf("library"), Shelf("attic", text="Howard Florey made it a medicine in Oxford in 1941.")]
    events = make(Engine(["Florey [2] and ", "Fleming [1", "]."]), shelves).reply(
        "Who discovered penicillin?", sources=("library", "attic")
    )
    turn = turn_of(events)
    found = next(event.passages for event in events if isinstance(event, Found))
    assert "".join(event.text for event in events if isinstance(event, Delta)) == turn.answer
    assert turn.answer == "Florey [1] and Fleming [2]."
    assert turn.cited == (1, 2)
    assert (turn.passages, turn.numbers) == (found, (2, 1))
    assert (turn.passage(1), turn.passage(2)) == (found[1], found[0])


def test_a_looping_answer_is_ended_and_trimmed(make: Make) -> None:
    engine = Engine(["It is a very long river, I think. "] * 200)
    turn = turn_of(make(engine).reply("How long is it?"))
    assert turn.outcome is Outcome.REPETITION
    assert turn.answer == "It is a very long river, I think."
    assert turn.remembered
    assert engine.closed


def test_an_answer_may_not_take_for_ever(make: Make) -> None:
    engine = Engine(["One. ", "Two. ", "Three. "])
    turn = turn_of(make(engine, answer_limit_s=0.0).reply("Count", moderation=False))
    assert turn.outcome is Outcome.TIMED_OUT
    assert turn.answer == "One."
    assert engine.closed


def test_a_cut_answer_goes_on_where_it_stopped(make: Make) -> None:
    engine = Engine(["and Florey [1] with it."])
    bench = make(engine)
    before = Conversation("c").put(Turn("old", "Hi", Outcome.ANSWERED, "Hello."))
    passage = Passage("library#0", FACT, "Penicillin", "library", "library")
    cut = Turn("t", "Who?", Outcome.LENGTH, "Fleming [1]", passages=(passage,), cited=(1,))
    events = list(bench.assistant.reply(Ask("t", "Who?", before, resume=cut)))
    turn = turn_of(events)
    assert turn.id == "t" and turn.outcome is Outcome.ANSWERED
    assert turn.answer == "Fleming [1]and Florey [1] with it."
    assert turn.passages == (passage,)
    assert engine.asked[0].begun == "Fleming [1]"
    assert not any(isinstance(event, Found) for event in events)


@pytest.mark.parametrize(
    ("question", "told"),
    [("Hello there", "The model ended its turn without an answer."), ("你好吗？", "模型没有作答就结束了。")],
)
def test_a_notice_is_told_in_the_language_of_the_question(make: Make, question: str, told: str) -> None:
    class Silent(Engine):
        def stream(self, request: ChatRequest) -> Iterator[Chunk]:
            yield Chunk(finish=Finish.STOP, notice=SILENT)

    events = make(Silent()).reply(question)
    assert [event.text for event in events if isinstance(event, Notice)] == [told]
    assert turn_of(events).notices == (told,)


def test_the_place_in_the_queue_is_told(make: Make) -> None:
    class Queued(Engine):
        def stream(self, request: ChatRequest) -> Iterator[Chunk]:
            yield Chunk(place=2)
            yield Chunk(place=1)
            yield from super().stream(request)

    events = make(Queued()).reply("Hello there")
    waiting = [event.detail for event in events if isinstance(event, Status) and event.stage is Stage.WAITING]
    assert waiting == ["2", "1"]


class _Reading(Engine):
    """An engine that reads the newest message alone, with the sources."""

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        yield Chunk(read=whole(request.messages[-1:], request.passages))
        yield from super().stream(request)


def test_what_an_engine_read_is_kept_only_where_it_was_not_all(make: Make) -> None:
    before = Conversation("c").put(Turn("old", "Hi", Outcome.ANSWERED, "Hello."))
    assert turn_of(make().reply("Who discovered penicillin?", before)).read == ()
    (read,) = turn_of(make(_Reading()).reply("Who discovered penicillin?", before)).read
    assert FACT in read.content
