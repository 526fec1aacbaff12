"""The life of a message with engines, sources and moderators that the test steers.

python -m pytest tests/test_assistant.py
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat.assistant import LONGEST_QUESTION, Ask
from chat.base import NO_SOURCES
from chat.conversation import Conversation, Outcome, Turn
from chat.events import Delta, Event, Flagged, Found, Notice, Retracted, Stage, Status
from chat.sources import Source, Sources
from chat.startup import Startup, Step
from encoder import SentenceEncoder
from errors import InputError, ModelError, ModerationError, SourceError
from moderation.base import Action, Side
from retrieval.base import Passage
from retrieval.query import standalone
from tests.bench import FACT, HARM, Engine, Make, Shelf, Words, benches, turn_of


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


def test_a_reply_goes_through_every_stage_in_order(make: Make) -> None:
    events = make().reply("Who discovered penicillin?")
    stages = [event.stage for event in events if isinstance(event, Status)]
    assert stages == [Stage.CHECKING, Stage.SEARCHING, Stage.WRITING]
    found = next(event for event in events if isinstance(event, Found))
    assert [passage.text for passage in found.passages] == [FACT]
    turn = turn_of(events)
    assert (turn.outcome, turn.answer, turn.cited) == (Outcome.ANSWERED, "Fleming did. [1]", (1,))
    assert "".join(event.text for event in events if isinstance(event, Delta)).strip() == turn.answer


def test_a_refused_question_reaches_no_engine_and_holds_no_passages(make: Make) -> None:
    bench = make()
    events = bench.reply(f"a {HARM} question")
    assert any(isinstance(event, Flagged) for event in events)
    turn = turn_of(events)
    assert (turn.outcome, turn.answer, turn.passages) == (Outcome.QUESTION_REFUSED, "", ())
    assert turn.reason
    assert turn.category == "harassment"
    assert bench.engine.asked == []


def test_a_refused_answer_is_taken_back_and_not_kept(make: Make) -> None:
    bench = make(Engine(["A fine sentence stands first. ", f"Then a {HARM} one. ", "Then more."]))
    events = bench.reply("Who discovered penicillin?")
    shown = "".join(event.text for event in events if isinstance(event, Delta))
    assert HARM not in shown
    assert any(isinstance(event, Retracted) for event in events)
    turn = turn_of(events)
    assert (turn.outcome, turn.answer) == (Outcome.ANSWER_REFUSED, "")
    assert bench.engine.closed


def test_moderation_off_checks_nothing_and_says_so(make: Make) -> None:
    bench = make()
    turn = turn_of(bench.reply(f"a {HARM} question", moderation=False))
    assert turn.outcome is Outcome.ANSWERED
    assert turn.moderated is False
    assert bench.moderator.seen == []


def test_both_sides_are_checked_with_what_was_said_before(make: Make) -> None:
    bench = make()
    before = Conversation("c", turns=(Turn("1", "Earlier?", Outcome.ANSWERED, answer="An earlier answer."),))
    bench.reply("Who discovered penicillin?", before)
    user = next(exchange for exchange in bench.moderator.seen if exchange.side is Side.USER)
    assistant = next(exchange for exchange in bench.moderator.seen if exchange.side is Side.ASSISTANT)
    assert user.context == "An earlier answer."
    assert assistant.context == "Who discovered penicillin?"


def test_a_moderator_that_fails_refuses(make: Make) -> None:
    turn = turn_of(make(moderator=Words(failure=ModerationError("It is down."))).reply("Hello?"))
    assert turn.outcome is Outcome.QUESTION_REFUSED
    assert "could not be checked" in turn.reason


def test_a_model_that_was_taught_without_sources_is_given_none(make: Make) -> None:
    bench = make(Engine(["He did."], least=NO_SOURCES))
    events = bench.reply("Who discovered penicillin?")
    turn = turn_of(events)
    assert (turn.outcome, turn.answer, turn.passages) == (Outcome.ANSWERED, "He did.", ())
    assert turn.notices == ("This model was taught to answer from memory, so no source was searched for it.",)
    assert turn_of(bench.reply("Who discovered penicillin?", sources=())).notices == ()
    assert [request.passages for request in bench.engine.asked] == [(), ()]
    assert turn_of(bench.reply(f"a {HARM} question")).outcome is Outcome.QUESTION_REFUSED


@pytest.mark.parametrize("failure", [SourceError("The shelf is on fire."), RuntimeError("bug")])
def test_a_source_that_fails_is_a_notice_and_the_others_answer(make: Make, failure: Exception) -> None:
    bench = make(shelves=[Shelf("library"), Shelf("attic", failure)])
    events = bench.reply("Who discovered penicillin?", sources=("library", "attic"))
    said = [event.text for event in events if isinstance(event, Notice)]
    assert len(said) == 1
    turn = turn_of(events)
    assert turn.outcome is Outcome.ANSWERED
    assert turn.notices == tuple(said)
    assert "bug" not in said[0]


def test_a_source_that_is_too_slow_is_left_behind(make: Make) -> None:
    gate = threading.Event()
    bench = make(shelves=[Shelf("library"), Shelf("attic", gate=gate)], limit_s=0.3)
    turn = turn_of(bench.reply("Who discovered penicillin?", sources=("library", "attic")))
    gate.set()
    assert turn.outcome is Outcome.ANSWERED
    assert "Attic did not answer within 0.3 seconds" in turn.notices[0]


def test_slow_servers_hold_up_nobodys_search_of_what_lies_here() -> None:
    gate, cancel, query = threading.Event(), threading.Event(), standalone("Who discovered penicillin?", ())
    slow = Source(Shelf("elsewhere", gate=gate), {"en": "Elsewhere"}, remote=True)
    here = Source(Shelf("library"), {"en": "Library"})
    sources = Sources([slow, here], 5.0)
    waiting = [sources.start([slow], query, "", cancel) for _ in range(40)]
    try:
        found, notices = sources.collect(sources.start([here], query, "", cancel), cancel)
    finally:
        gate.set()
    assert [passage.source for passage in found] == ["library"] and notices == {}
    assert all(len(sources.collect(searches, cancel)[0]) == 1 for searches in waiting)


def test_what_is_searched_twice_is_waited_for_once() -> None:
    gate, cancel, query = threading.Event(), threading.Event(), standalone("Who discovered penicillin?", ())
    slow = Source(Shelf("elsewhere", gate=gate), {"en": "Elsewhere"}, remote=True)
    sources = Sources([slow], 0.2)
    began = time.monotonic()
    both = [sources.start([slow], query, "", cancel) for _ in range(40)]
    notices = [sources.collect(searches, cancel)[1] for searches in both]
    took = time.monotonic() - began
    gate.set()
    assert took < 4 and all("0.2 seconds" in told["elsewhere"] for told in notices)


def test_only_the_chosen_sources_are_searched(make: Make) -> None:
    library, attic = Shelf("library"), Shelf("attic")
    bench = make(shelves=[library, attic])
    bench.reply("Who discovered penicillin?", sources=("attic",))
    assert (len(library.asked), len(attic.asked)) == (0, 1)
    assert bench.engine.asked[0].searched == ("Attic",)
    assert bench.engine.asked[0].unsearched == ("Library",)


def test_a_follow_up_is_searched_as_what_it_means(make: Make) -> None:
    library = Shelf()
    passages = (Passage("p#0", FACT, "Alexander Fleming", "library", "p"),)
    before = Turn("1", "Who discovered penicillin?", Outcome.ANSWERED, "Alexander Fleming. [1]", passages, (1,))
    turn = turn_of(make(shelves=[library]).reply("and where was he born?", Conversation("c", turns=(before,))))
    assert "Fleming" in library.asked[0].query
    assert turn.query == library.asked[0].query
    assert turn.question == "and where was he born?"


def test_refused_turns_stay_out_of_the_prompt(make: Make) -> None:
    bench = make()
    turns = (
        Turn("1", "Tell me about penicillin", Outcome.ANSWERED, answer="It is an antibiotic."),
        Turn("2", "something refused", Outcome.QUESTION_REFUSED, reason="No."),
    )
    bench.reply("and who discovered it?", Conversation("c", turns=turns))
    contents = [message.content for message in bench.engine.asked[0].messages]
    assert contents == ["Tell me about penicillin", "It is an antibiotic.", "and who discovered it?"]


def test_stopping_keeps_what_was_written(make: Make) -> None:
    cancel = threading.Event()
    engine = Engine(["One sentence stands. ", "Another one. ", "And one more. "])
    bench = make(engine)
    events: list[Event] = []
    for event in bench.assistant.reply(
        Ask("turn", "Tell me", Conversation("c"), ("library",), moderation=False, cancel=cancel)
    ):
        events.append(event)
        if isinstance(event, Delta):
            cancel.set()
    turn = turn_of(events)
    assert (turn.outcome, turn.answer) == (Outcome.STOPPED, "One sentence stands.")


def test_closing_the_stream_cancels_the_engine(make: Make) -> None:
    engine = Engine(["One. "] * 100)
    cancel = threading.Event()
    events = make(engine).assistant.reply(
        Ask("turn", "Tell me", Conversation("c"), ("library",), moderation=False, cancel=cancel)
    )
    while not isinstance(next(events), Delta):
        pass
    events.close()
    assert cancel.is_set()
    assert engine.closed


@pytest.mark.parametrize(
    ("failure", "said"), [(ModelError("The model ran out of memory."), "out of memory"), (RuntimeError("x"), "the log")]
)
def test_an_engine_that_fails_is_told_in_one_sentence(make: Make, failure: Exception, said: str) -> None:
    turn = turn_of(make(Engine([" "], failure)).reply("Tell me"))
    assert (turn.outcome, turn.answer, turn.notices) == (Outcome.FAILED, "", ())
    assert said in turn.reason
    assert not turn.remembered


@pytest.mark.parametrize("moderation", [True, False])
def test_an_engine_that_fails_in_mid_answer_leaves_what_it_wrote(make: Make, moderation: bool) -> None:
    engine = Engine(["Part of an ", "answer [1]"], ModelError("It broke off.", zh="中断了。"))
    turn = turn_of(make(engine).reply("Who discovered penicillin?", moderation=moderation))
    assert (turn.outcome, turn.answer) == (Outcome.BROKEN_OFF, "Part of an answer [1]")
    assert (turn.reason, turn.notices) == ("", ("It broke off.",))
    assert turn.cited == (1,)
    assert turn.remembered and turn.cut
    engine.failure = None
    ask = Ask("turn", "Who discovered penicillin?", Conversation("c"), resume=turn)
    whole = turn_of(list(make(engine).assistant.reply(ask)))
    assert (whole.outcome, whole.notices) == (Outcome.ANSWERED, ())
    assert engine.asked[-1].begun == "Part of an answer [1]"


def test_a_continuation_that_is_refused_takes_only_itself_away(make: Make) -> None:
    cut = turn_of(make(Engine(["It stands. [1] And"])).reply("Who discovered penicillin?"))
    cut = dataclasses.replace(cut, outcome=Outcome.LENGTH)
    moderator = Words()
    bench = make(Engine([" then it goes on.", f" But here is a {HARM} one. More."]), moderator=moderator)
    ask = Ask("turn", "Who discovered penicillin?", Conversation("c"), resume=cut)
    events = list(bench.assistant.reply(ask))
    assert any(isinstance(event, Retracted) for event in events)
    turn = turn_of(events)
    (flag,) = turn.flags
    assert (flag.side, flag.decision.action) == (Side.ASSISTANT, Action.REFUSE)
    assert dataclasses.replace(turn, notices=(), flags=()) == cut
    assert len(turn.notices) == 1 and turn.notices[0].startswith("What was added was withdrawn. ")
    assert turn.remembered and turn.cut
    answers = [exchange.text for exchange in moderator.seen if exchange.side is Side.ASSISTANT]
    assert all(text.startswith("It stands. [1] And then it goes on.") for text in answers)


def test_numbers_that_name_no_passage_are_removed(make: Make) -> None:
    turn = turn_of(make(Engine(["Fleming [1] did it [7]."])).reply("Who discovered penicillin?"))
    assert turn.cited == (1,)
    assert "[7]" not in turn.answer


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("x" * (LONGEST_QUESTION + 1), "20,001 characters and the limit is 20,000"),
    ],
)
def test_a_message_that_cannot_be_answered_is_refused_before_anything_happens(
    make: Make, question: str, said: str
) -> None:
    bench = make()
    with pytest.raises(InputError, match=said):
        bench.reply(question)
    with pytest.raises(InputError, match="no source named “moon”; choose from library"):
        bench.reply("Hello", sources=("moon",))
    assert bench.moderator.seen == []


def test_what_is_loading_is_told_and_a_failed_start_too(make: Make) -> None:
    go = threading.Event()

    def wait(report: Callable[[str], None]) -> None:
        assert go.wait(30)

    startup = Startup([Step("Loading the encoder", wait)])
    startup.start()
    events = make(startup=startup).assistant.reply(Ask("turn", "Hello", Conversation("c")))
    assert [next(events), next(events)] == [Status(Stage.CHECKING), Status(Stage.LOADING, "Loading the encoder")]
    go.set()
    assert turn_of(list(events)).outcome is Outcome.ANSWERED

    def fail(report: Callable[[str], None]) -> None:
        raise ModelError("The encoder is missing.")

    broken = Startup([Step("Loading the encoder", fail)])
    broken.start()
    assert broken.join(10)
    turn = turn_of(make(startup=broken).reply("Hello"))
    assert (turn.outcome, turn.reason) == (Outcome.FAILED, "The encoder is missing.")


def test_search_ranks_and_says_why_it_cannot(make: Make) -> None:
    bench = make(shelves=[Shelf("library"), Shelf("attic", SourceError("The attic is locked."))])
    assert [p.text for p in bench.assistant.search("penicillin", ["library"], k=3)] == [FACT]
    with pytest.raises(SourceError, match="The attic is locked"):
        bench.assistant.search("penicillin", ["attic"], k=3)


@pytest.mark.parametrize(
    ("question", "least", "searched"),
    [
        ("Hello there", 0.04, False),
        ("Who discovered penicillin?", 0.04, False),
        ("How do I upload a document?", 0.04, True),
        ("Hello there", 0.0, True),
    ],
)
def test_a_chat_model_is_given_the_guide_only_for_questions_about_the_app(
    make: Make, question: str, least: float, searched: bool
) -> None:
    guide = Shelf("guide")
    make(Engine(least=least), guide=guide).reply(question, sources=())
    assert bool(guide.asked) is searched
