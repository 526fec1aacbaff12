"""Ratings as data and in their file: what is kept, for whom and how long. python -m pytest tests/test_ratings.py"""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chat.base import Message, Role
from chat.conversation import Conversation, Kind, Outcome, Turn
from chat.flags import Flag
from chat.prompt import SOURCES_HEAD
from chat.rating import LONGEST_IDEAL, Keep, Rating, Reason, Thumb, given, typed
from chat.ratings import FILE, Count, Ratings, read
from chat.store import ConversationStore
from errors import InputError
from moderation.base import Action, Level, Side
from moderation.policy import Decision
from retrieval.base import Passage
from ui.ratings import panel, thumbs, told

_LAB = Passage("a#0", "Fleming found it in London.", "Penicillin", "library", "library")
_MOULD = Passage("a#1", "The mould was rare.", "Penicillin", "library", "library")
_FIRST = Turn("t1", "Hello", Outcome.ANSWERED, "Hello, ask me something.")
_TURN = Turn(
    "t2",
    "Who found it?",
    Outcome.ANSWERED,
    "Fleming did. [4]",
    passages=(_MOULD, _LAB),
    numbers=(0, 4),
    cited=(4,),
    model="tiny",
)
_TALK = Conversation("c1", "anna", (_FIRST, _TURN))
_UP, _DOWN = Rating(Thumb.UP), Rating(Thumb.DOWN, (Reason.UNTRUE, Reason.UNSUPPORTED))
FLAG = Flag(Side.USER, Decision(Action.WARN, "violence", Level.NEEDS_CAUTION, 0.8, "Careful."))


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def _ratings(folder: Path, keeps: Keep = Keep.ASK, most: int = 100) -> Ratings:
    return Ratings(folder, keeps, most, _Clock())


def _bytes(folder: Path) -> bytes:
    return (folder / FILE).read_bytes()


# What is said


@pytest.mark.parametrize(
    ("line", "thumb", "rating"),
    [
        ("", Thumb.UP, Rating(Thumb.UP)),
        ("text", Thumb.UP, Rating(Thumb.UP, keep=True)),
        ("Unsupported, untrue", Thumb.DOWN, Rating(Thumb.DOWN, (Reason.UNTRUE, Reason.UNSUPPORTED))),
        ("不正确、没有帮助", Thumb.DOWN, Rating(Thumb.DOWN, (Reason.UNHELPFUL, Reason.UNTRUE))),
        ("text: At 10:30, they say.", Thumb.DOWN, Rating(Thumb.DOWN, ideal="At 10:30, they say.", keep=True)),
        ("off", Thumb.DOWN, None),
    ],
)
def test_a_rating_is_typed(line: str, thumb: Thumb, rating: Rating | None) -> None:
    assert typed(line, thumb) == (rating and dataclasses.replace(rating, explained=True))


@pytest.mark.parametrize(
    ("line", "thumb", "says"),
    [
        ("untrue", Thumb.UP, "“untrue” does not follow /good; what may: text, off."),
        ("lies", Thumb.DOWN, "“lies” does not follow /bad"),
        ("untrue: Fleming did.", Thumb.DOWN, "write “text” before the colon"),
    ],
)
def test_what_is_no_rating_is_said(line: str, thumb: Thumb, says: str) -> None:
    with pytest.raises(InputError) as caught:
        typed(line, thumb)
    assert says in str(caught.value)
    assert caught.value.told("zh") != str(caught.value)


@pytest.mark.parametrize(
    ("thumb", "reasons", "ideal", "says"),
    [
        ("sideways", (), "", "up or down, not “sideways”"),
        ("down", ("bad",), "", "“bad” is no reason; use unhelpful, untrue"),
        ("down", (), "x" * (LONGEST_IDEAL + 1), "20,001 characters"),
    ],
)
def test_a_program_is_told_what_is_wrong(thumb: str, reasons: tuple[str, ...], ideal: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        given(thumb, reasons, ideal)


# What is kept


def test_without_consent_a_rating_is_counted_and_nothing_of_the_text_is_on_disk(tmp_path: Path) -> None:
    ratings = _ratings(tmp_path)
    assert ratings.rate(_TALK, "t2", dataclasses.replace(_DOWN, ideal="Somebody else.")).rating == _DOWN
    told = tuple((reason.value, int(reason in _DOWN.reasons)) for reason in Reason)
    assert ratings.counts() == [Count("tiny", 0, 1, told, 0)]
    assert read(tmp_path) == []
    assert ratings.texts_of("anna") == 0
    for text in (b"Fleming", b"Who found it", b"Somebody else", b"anna"):
        assert text not in _bytes(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_with_consent_the_model_s_messages_are_kept_with_places_for_citations(tmp_path: Path) -> None:
    ratings = _ratings(tmp_path)
    rated = ratings.rate(_TALK, "t2", Rating(Thumb.DOWN, ideal="Fleming, in London. [4] Or so. [7]", keep=True))
    assert rated.rating is not None
    assert rated.rating.keep
    (one,) = read(tmp_path)
    assert [message.role for message in one.messages] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert one.messages[0].content == "Hello"
    asked = one.messages[2].content
    assert asked.startswith(SOURCES_HEAD)
    assert asked.endswith("Question: Who found it?")
    assert "[2] Penicillin\nFleming found it in London." in asked
    assert (one.answer, one.ideal) == ("Fleming did. [2]", "Fleming, in London. [2] Or so.")
    assert (one.thumb, one.model, one.ended, one.screened, one.flagged) == (Thumb.DOWN, "tiny", True, True, False)
    assert b"anna" not in _bytes(tmp_path)


def test_what_the_model_really_read_goes_before_what_it_could_have_read(tmp_path: Path) -> None:
    short = (Message(Role.USER, "Only this fitted."),)
    turn = dataclasses.replace(_TURN, read=short)
    _ratings(tmp_path).rate(Conversation("c1", "anna", (_FIRST, turn)), "t2", Rating(Thumb.UP, keep=True))
    assert read(tmp_path)[0].messages == short


def test_a_rating_is_changed_and_taken_back(tmp_path: Path) -> None:
    ratings = _ratings(tmp_path)
    ratings.rate(_TALK, "t2", Rating(Thumb.UP, keep=True))
    ratings.rate(_TALK, "t2", _DOWN)
    assert read(tmp_path) == []
    assert b"Fleming" not in _bytes(tmp_path)
    assert [(count.up, count.down) for count in ratings.counts()] == [(0, 1)]
    assert ratings.rate(_TALK, "t2", None).rating is None
    assert ratings.counts() == []


def test_the_operator_may_keep_the_text_of_all(tmp_path: Path) -> None:
    rated = _ratings(tmp_path, Keep.ALWAYS).rate(_TALK, "t2", _UP)
    assert rated.rating is not None
    assert rated.rating.keep
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize("place", [0, 1])
def test_what_moderation_had_something_against_is_counted_without_its_text(tmp_path: Path, place: int) -> None:
    turns = [_FIRST, _TURN]
    turns[place] = dataclasses.replace(turns[place], flags=(FLAG,))
    ratings = _ratings(tmp_path)
    rated = ratings.rate(Conversation("c1", "anna", tuple(turns)), "t2", Rating(Thumb.UP, keep=True))
    assert rated.rating == Rating(Thumb.UP, barred=True)
    assert ratings.counts()[0].texts == 0
    (one,) = read(tmp_path)
    assert (one.flagged, one.messages, one.answer) == (True, (), "")
    assert b"Fleming" not in _bytes(tmp_path)


@pytest.mark.parametrize(
    "turn",
    [
        dataclasses.replace(_TURN, outcome=Outcome.PENDING),
        dataclasses.replace(_TURN, outcome=Outcome.ANSWER_REFUSED),
        dataclasses.replace(_TURN, outcome=Outcome.FAILED, answer=""),
        dataclasses.replace(_TURN, kind=Kind.COMMAND),
        dataclasses.replace(_TURN, id="another"),
    ],
)
def test_only_answers_are_rated(tmp_path: Path, turn: Turn) -> None:
    with pytest.raises(InputError, match="no answer here that could be rated"):
        _ratings(tmp_path).rate(Conversation("c1", "anna", (turn,)), "t2", _UP)
    assert not (tmp_path / FILE).exists()


# For how long


def test_with_its_conversation_a_rating_without_text_becomes_a_count_of_nobody(tmp_path: Path) -> None:
    ratings = _ratings(tmp_path)
    store = ConversationStore(capacity=1, gone=ratings.let_go)
    store.put(_TALK)
    ratings.rate(_TALK, "t1", _UP)
    ratings.rate(_TALK, "t2", Rating(Thumb.UP, keep=True))
    store.put(Conversation("c2", "bert"))
    with closing(sqlite3.connect(tmp_path / FILE)) as base:
        rows = base.execute("SELECT turn, conversation, owner IS NULL, messages IS NULL FROM ratings ORDER BY id")
        assert rows.fetchall() == [(None, None, 1, 1), ("t2", "c1", 0, 0)]
    assert sum(count.up for count in ratings.counts()) == 2


def test_a_new_start_lets_go_of_the_conversations_of_the_one_before(tmp_path: Path) -> None:
    _ratings(tmp_path).rate(_TALK, "t1", _UP)
    _ratings(tmp_path).rate(_TALK, "t2", Rating(Thumb.UP, keep=True))
    with closing(sqlite3.connect(tmp_path / FILE)) as base:
        assert base.execute("SELECT turn FROM ratings ORDER BY id").fetchall() == [(None,), ("t2",)]


def test_a_visitor_deletes_their_own_ratings_and_nobody_else_s(tmp_path: Path) -> None:
    ratings = _ratings(tmp_path)
    ratings.rate(_TALK, "t2", Rating(Thumb.UP, keep=True))
    other = Conversation("c2", "bert", (dataclasses.replace(_TURN, id="t3"),))
    ratings.rate(other, "t3", Rating(Thumb.UP, keep=True))
    assert (ratings.texts_of("anna"), ratings.texts_of("bert")) == (1, 1)
    ratings.forget("anna")
    assert (ratings.texts_of("anna"), ratings.texts_of("bert")) == (0, 1)
    assert [one.conversation for one in read(tmp_path)] == ["c2"]


def test_the_oldest_leave_where_there_are_too_many(tmp_path: Path) -> None:
    ratings = _ratings(tmp_path, most=3)
    turns = tuple(dataclasses.replace(_FIRST, id=f"t{number}", question=f"Question {number}") for number in range(5))
    for turn in turns:
        ratings.rate(Conversation("c1", "anna", turns), turn.id, Rating(Thumb.UP, keep=True))
    assert [one.messages[-1].content for one in read(tmp_path)] == ["Question 2", "Question 3", "Question 4"]


def test_since_a_time_only_what_was_rated_then(tmp_path: Path) -> None:
    ratings = _ratings(tmp_path)
    ratings.rate(_TALK, "t1", Rating(Thumb.UP, keep=True))
    ratings.rate(_TALK, "t2", Rating(Thumb.UP, keep=True))
    assert [one.time for one in read(tmp_path)] == [1001.0, 1002.0]
    assert [one.time for one in read(tmp_path, since=1001.5)] == [1002.0]


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write to its data folder"):
        _ratings(tmp_path / "data").rate(_TALK, "t2", _UP)


def test_a_file_of_somebody_else_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no database", encoding="utf-8")
    with pytest.raises(InputError, match="name the data folder of an app of this version"):
        read(tmp_path)


# What the page shows of it


def test_where_ratings_are_off_and_under_what_is_no_answer_there_are_no_thumbs() -> None:
    rated = dataclasses.replace(_TURN, rating=_UP)
    assert thumbs(rated, "en", None) == panel(rated, "en", None) == ""
    assert thumbs(dataclasses.replace(_TURN, outcome=Outcome.ANSWER_REFUSED), "en", Keep.ASK) == ""
    assert thumbs(_TURN, "en", Keep.ASK).count('aria-pressed="false"') == 2
    assert panel(_TURN, "en", Keep.ASK) == ""


def test_who_always_keeps_texts_says_so_and_asks_for_no_consent() -> None:
    shown = panel(dataclasses.replace(_TURN, rating=dataclasses.replace(_DOWN, keep=True)), "en", Keep.ALWAYS)
    assert "Rated answers are kept for training here" in shown
    assert 'name="keep"' not in shown
    assert "gc-ideal" in shown
    assert "The operator keeps the text of every rated answer" in told("en", Keep.ALWAYS, 2)
    assert "管理员会保留每个被评价回答的文字" in told("zh", Keep.ALWAYS, 2)


def test_a_rating_whose_text_cannot_be_kept_says_why_and_asks_for_none() -> None:
    shown = panel(dataclasses.replace(_TURN, rating=dataclasses.replace(_DOWN, barred=True)), "en", Keep.ASK)
    assert "Moderation had something against this or an earlier message" in shown
    assert 'name="keep"' not in shown
    assert "gc-ideal" not in shown


def test_what_somebody_wrote_is_shown_as_text() -> None:
    rating = Rating(Thumb.DOWN, ideal="</textarea><script>alert(1)</script>", keep=True)
    shown = panel(dataclasses.replace(_TURN, id='"><b>', rating=rating), "en", Keep.ASK)
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "&lt;/textarea&gt;" in shown
