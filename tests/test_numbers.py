"""A cited passage keeps its number for the whole conversation. python -m pytest tests/test_numbers.py"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.assistant import Ask
from chat.conversation import Conversation, Outcome, Turn
from chat.store import ConversationStore
from encoder import SentenceEncoder
from retrieval.base import Passage
from tests.bench import Bench, Engine, Make, Shelf, benches, turn_of

SHELVES = {
    "library": "Alexander Fleming discovered penicillin in London in 1928.",
    "attic": "Howard Florey made penicillin a medicine in Oxford in 1941.",
    "cellar": "Penicillin is discovered in no cellar: Dorothy Hodgkin found its structure in 1945.",
}
QUESTION = "Who discovered penicillin?"


@pytest.fixture
def bench(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Bench]:
    with benches(encoder, tmp_path) as make:
        yield _bench(make)


def _bench(make: Make) -> Bench:
    return make(Engine(), [Shelf(name, text=text) for name, text in SHELVES.items()])


def say(bench: Bench, conversation: Conversation, turn_id: str, *shelves: str) -> Conversation:
    """Ask; the model cites the passages of these shelves, in this order."""
    before = conversation.before(turn_id)
    places = {shelf: place for place, shelf in enumerate(_given(bench, before), start=1)}
    bench.engine.pieces = [f"About {shelf} [{places[shelf]}]. " for shelf in shelves]
    ask = Ask(turn_id, QUESTION, before, sources=tuple(SHELVES))
    return conversation.before(turn_id).put(turn_of(list(bench.assistant.reply(ask))))


def _given(bench: Bench, before: Conversation) -> list[str]:
    """The sources in the order in which the model is given their passages."""
    bench.engine.pieces = ["Nothing."]
    list(bench.assistant.reply(Ask("probe", QUESTION, before, sources=tuple(SHELVES))))
    return [passage.source for passage in bench.engine.asked[-1].passages]


def numbers(turn: Turn) -> dict[str, int]:
    return {turn.passage(number).source: number for number in turn.cited}


def test_a_passage_that_is_cited_again_keeps_its_number(bench: Bench) -> None:
    talk = say(bench, Conversation("c"), "1", "attic", "library")
    assert numbers(talk.turns[0]) == {"attic": 1, "library": 2}
    talk = say(bench, talk, "2", "library", "cellar")
    assert numbers(talk.turns[1]) == {"library": 2, "cellar": 3}
    assert talk.turns[1].answer == "About library [2]. About cellar [3]."
    talk = say(bench, talk, "3", "cellar")
    assert (talk.turns[2].answer, talk.turns[2].cited) == ("About cellar [3].", (3,))
    assert {passage.source for passage in talk.turns[2].not_cited} == {"library", "attic"}


def test_numbers_outlive_undo_retry_and_edit(bench: Bench) -> None:
    talk = say(bench, Conversation("c"), "1", "attic")
    talk = say(bench, talk, "2", "library", "cellar")
    retried = say(bench, talk, "2", "cellar", "attic")
    assert numbers(retried.turns[1]) == {"cellar": 3, "attic": 1}
    taken_back = retried.before("1")
    assert taken_back.turns == ()
    again = say(bench, taken_back, "4", "library", "cellar", "attic")
    assert numbers(again.turns[0]) == {"library": 2, "cellar": 3, "attic": 1}


def test_numbers_outlive_a_reload(bench: Bench) -> None:
    store = ConversationStore()
    store.put(say(bench, Conversation("c", "anna"), "1", "attic", "library"))
    loaded = store.get("c", "anna")
    assert loaded is not None
    assert numbers(say(bench, loaded, "2", "library").turns[1]) == {"library": 2}


def test_a_number_that_was_cut_off_with_its_sentence_is_free_again(bench: Bench) -> None:
    places = {shelf: place for place, shelf in enumerate(_given(bench, Conversation("c")), start=1)}
    loop = f"Over and over it says the very same thing [{places['attic']}]. "
    bench.engine.pieces = [f"First [{places['library']}]. ", *[loop] * 60]
    turn = turn_of(bench.reply(QUESTION, sources=tuple(SHELVES)))
    assert turn.outcome is Outcome.REPETITION
    assert all(f"[{number}]" in turn.answer for number in turn.cited)
    talk = say(bench, Conversation("c").put(turn), "2", "cellar")
    assert numbers(talk.turns[1]) == {"cellar": len(turn.cited) + 1}


def test_what_goes_on_keeps_its_numbers(bench: Bench) -> None:
    talk = say(bench, Conversation("c"), "1", "attic")
    talk = say(bench, talk, "2", "library", "attic")
    cut = dataclasses.replace(talk.turns[1], outcome=Outcome.LENGTH)
    places = {passage.source: place for place, passage in enumerate(cut.passages, start=1)}
    bench.engine.pieces = [f"and library [{places['library']}], cellar [{places['cellar']}]."]
    turn = turn_of(list(bench.assistant.reply(Ask("2", QUESTION, talk.before("2"), resume=cut))))
    assert turn.answer == "About library [2]. About attic [1].and library [2], cellar [3]."
    assert turn.cited == (2, 1, 3)
    begun = bench.engine.asked[-1].begun
    assert begun == f"About library [{places['library']}]. About attic [{places['attic']}]."


def test_the_history_cites_what_the_model_is_given_now_and_nothing_else(bench: Bench) -> None:
    gone = Passage("gone#0", "It is gone.", "Gone", "gone", "gone")
    old = Turn("0", "Hm?", Outcome.ANSWERED, "It is gone [1].", (gone,), (1,), (1,))
    talk = say(bench, Conversation("c").put(old), "1", "attic")
    say(bench, talk, "2", "attic")
    given = [passage.source for passage in bench.engine.asked[-1].passages]
    said = [message.content for message in bench.engine.asked[-1].messages]
    assert said[1] == "It is gone."
    assert said[3] == f"About attic [{given.index('attic') + 1}]."


def test_with_a_chat_model_a_citation_is_checked_and_with_the_reader_it_is_not(bench: Bench) -> None:
    wrong = "Louis Pasteur discovered penicillin in Paris in 1864 [1]."
    bench.engine.pieces = [wrong]
    assert turn_of(bench.reply(QUESTION)).doubts == ()
    bench.engine.least = 0.01
    (doubt,) = turn_of(bench.reply(QUESTION)).doubts
    assert wrong[doubt.start : doubt.end] == "[1]"
    bench.engine.pieces = ["Alexander Fleming discovered penicillin [1]."]
    assert turn_of(bench.reply(QUESTION)).doubts == ()


def test_a_citation_of_nothing_goes_and_leaves_no_doubt(bench: Bench) -> None:
    bench.engine.least = 0.01
    bench.engine.pieces = ["Alexander Fleming discovered penicillin [1] [9]."]
    turn = turn_of(bench.reply(QUESTION))
    assert (turn.answer, turn.cited, turn.doubts) == ("Alexander Fleming discovered penicillin [1].", (1,), ())
