"""What is told of a decision, and how it is contested. python -m pytest tests/test_contest.py"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chat.assistant import Ask
from chat.conversation import Conversation, Outcome, Turn
from chat.events import Delta
from chat.flags import Flag, category_name, how_sure, in_brackets
from encoder import SentenceEncoder
from errors import InputError, ModelError
from moderation.base import Action, Exchange, Level, Side, Verdict
from moderation.cases import Cases
from moderation.policy import Decision, Ground
from moderation.policy_file import load_policy
from moderation.screen import Screen
from moderation.tally import Tally
from tests.bench import HARM, Engine, Make, Words, benches, turn_of
from ui.render import entries


class Wary(Words):
    """Warns of what holds the word."""

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        return [Verdict(0.7, Level.NEEDS_CAUTION, (("violence", 0.7),)) for _ in exchanges]


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path / "index") as make:
        yield make


def _rows(folder: Path) -> list[dict[str, object]]:
    path = folder / "cases.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _html(turn: Turn, language: str = "en") -> str:
    content = entries(turn, language)[1]["content"]
    return "".join(block.value for block in content if not isinstance(block, dict))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("score", "english", "chinese"),
    [
        (0.99, "very sure", "非常确定"),
        (0.9, "quite sure", "相当确定"),
        (0.7, "fairly sure", "比较确定"),
        (0.2, "not very sure", "不太确定"),
    ],
)
def test_how_sure_it_is_is_told_in_words(score: float, english: str, chinese: str) -> None:
    decision = Decision(Action.REFUSE, "violence", Level.NEEDS_INTERVENTION, score, "Because.")
    assert how_sure("en", decision) == english
    assert how_sure("zh", decision) == chinese
    assert in_brackets("en", decision) == f" (violence, {english})"
    assert in_brackets("zh", decision) == f"（暴力，{chinese}）"


@pytest.mark.parametrize("ground", [Ground.PHRASE, Ground.TOPIC, Ground.UNCHECKED, Ground.WORDS])
def test_what_rests_on_no_probability_claims_none(ground: Ground) -> None:
    decision = Decision(Action.REFUSE, "", Level.NEEDS_INTERVENTION, 1.0, "Because.", ground)
    assert (how_sure("en", decision), in_brackets("en", decision)) == ("", "")


def test_a_refused_question_is_told_contested_and_counted(make: Make, tmp_path: Path) -> None:
    cases, tally = Cases(tmp_path), Tally(tmp_path)
    bench = make(cases=cases, tally=tally)
    turn = turn_of(bench.reply(f"a {HARM} question"))
    (flag,) = turn.flags
    assert (flag.side, flag.decision.category, flag.decision.score) == (Side.USER, "harassment", 0.99)
    html = _html(turn)
    assert ">harassment</span>" in html
    assert ">very sure</span>" in html
    assert 'title="Probability of harm: 99 %"' in html
    assert "I think this is wrong" in html
    assert 'type="checkbox">' in html, "consent is off by default"
    assert _rows(tmp_path) == []

    contested = bench.assistant.contest(turn, Side.USER, keep_text=True)
    assert "Thank you" in _html(contested)
    assert "I think this is wrong" not in _html(contested)
    (row,) = _rows(tmp_path)
    assert (row["text"], row["side"], row["flagged"]) == (f"a {HARM} question", "user", False)
    assert [(c.side, c.action, c.category, c.texts) for c in tally.days()] == [("user", "refuse", "harassment", 1)]


def test_a_withdrawn_answer_is_contested_without_its_text_in_the_conversation(make: Make, tmp_path: Path) -> None:
    tally = Tally(tmp_path)
    bench = make(Engine(["A fine sentence. ", f"Then a {HARM} one. ", "More."]), cases=Cases(tmp_path), tally=tally)
    turn = turn_of(bench.reply("Who discovered penicillin?"))
    assert turn.outcome is Outcome.ANSWER_REFUSED
    assert HARM not in repr(turn)
    (flag,) = turn.flags
    assert flag.side is Side.ASSISTANT
    bench.assistant.contest(turn, keep_text=True)
    (row,) = _rows(tmp_path)
    assert HARM in str(row["text"])
    assert row["context"] == "Who discovered penicillin?"
    assert {(count.side, count.action) for count in tally.days()} == {("user", "allow"), ("assistant", "refuse")}


def test_a_warning_can_be_contested_on_either_side(make: Make, tmp_path: Path) -> None:
    screen = Screen(Wary(), load_policy(), limit_s=5)
    bench = make(cases=Cases(tmp_path), screen=screen)
    turn = turn_of(bench.reply("Who discovered penicillin?"))
    assert turn.outcome is Outcome.ANSWERED
    assert [flag.side for flag in turn.flags] == [Side.USER, Side.ASSISTANT]
    assert _html(turn).count(">fairly sure</span>") == 2
    assert all(f'data-gc-side="{side}"' in _html(turn) for side in Side)
    turn = bench.assistant.contest(turn, Side.ASSISTANT)
    assert [flag.contested for flag in turn.flags] == [False, True]
    turn = bench.assistant.contest(turn, Side.USER)
    assert [row["side"] for row in _rows(tmp_path)] == ["assistant", "user"]
    assert all("text" not in row for row in _rows(tmp_path))


def test_an_answer_that_is_gone_on_with_keeps_its_warnings_once(make: Make, tmp_path: Path) -> None:
    engine = Engine(["Part of an ", "answer."], ModelError("It broke off.", zh="中断了。"))
    bench = make(engine, cases=Cases(tmp_path), screen=Screen(Wary(), load_policy(), limit_s=5))
    cut = turn_of(bench.reply("Who discovered penicillin?"))
    assert cut.outcome is Outcome.BROKEN_OFF
    engine.failure = None
    whole = turn_of(list(bench.assistant.reply(Ask("turn", cut.question, Conversation("c"), resume=cut))))
    assert whole.outcome is Outcome.ANSWERED
    assert [flag.side for flag in whole.flags] == [Side.USER, Side.ASSISTANT]
    assert whole.notices == tuple(flag.decision.reason for flag in whole.flags)


def test_an_answer_of_which_a_part_was_not_screened_says_so(make: Make) -> None:
    engine = Engine(["Part of an ", "answer."], ModelError("It broke off.", zh="中断了。"))
    for first in (True, False):
        cut = turn_of(make(engine).reply("Who discovered penicillin?", moderation=first))
        ask = Ask("turn", cut.question, Conversation("c"), resume=cut, moderation=not first)
        assert not turn_of(list(make(Engine([" More."])).assistant.reply(ask))).moderated


def test_a_question_that_was_not_screened_is_before_its_answer_is_gone_on_with(make: Make, tmp_path: Path) -> None:
    engine = Engine(["Part of an ", "answer."], ModelError("It broke off.", zh="中断了。"))
    bench = make(engine, cases=Cases(tmp_path))
    question = f"a {HARM} question"
    cut = turn_of(bench.reply(question, moderation=False))
    engine.failure = None
    events = list(bench.assistant.reply(Ask("turn", question, Conversation("c"), resume=cut)))
    turn = turn_of(events)
    assert not any(isinstance(event, Delta) for event in events)
    assert (turn.answer, turn.outcome, turn.passages) == (cut.answer, Outcome.BROKEN_OFF, cut.passages)
    (flag,) = turn.flags
    assert (flag.side, turn.notices[-1]) == (Side.USER, flag.decision.reason)
    bench.assistant.contest(turn, Side.USER, keep_text=True)
    assert _rows(tmp_path)[0]["text"] == question
    assert turn_of(
        list(bench.assistant.reply(Ask("t", question, Conversation("c"), resume=cut, moderation=False)))
    ).answer


def test_a_warning_is_shown_while_the_answer_is_written() -> None:
    assert "Take care." in _html(Turn("t", "q", answer="So", notices=("Take care.",)))


def test_what_could_not_be_checked_is_not_contested() -> None:
    decision = Decision(Action.REFUSE, "", Level.NEEDS_INTERVENTION, 1.0, "Not checked.", Ground.UNCHECKED)
    turn = Turn("t", "q", Outcome.QUESTION_REFUSED, reason="Not checked.", flags=(Flag(Side.USER, decision),))
    assert "Not checked." in _html(turn)
    assert "I think this is wrong" not in _html(turn)
    assert "sure" not in _html(turn)


def test_nothing_flagged_is_nothing_to_contest(make: Make, tmp_path: Path) -> None:
    bench = make(cases=Cases(tmp_path))
    turn = turn_of(bench.reply("Who discovered penicillin?"))
    with pytest.raises(InputError, match="nothing to contest") as caught:
        bench.assistant.contest(turn)
    assert "没有" in caught.value.told("zh")


def test_without_moderation_a_text_is_counted_as_not_screened(make: Make, tmp_path: Path) -> None:
    tally = Tally(tmp_path)
    make(tally=tally).reply(f"a {HARM} question", moderation=False)
    assert [(count.side, count.action) for count in tally.days()] == [("assistant", "off"), ("user", "off")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_off_topic_has_words_of_its_own(language: str) -> None:
    assert category_name(language, "off-topic") != "off-topic"
