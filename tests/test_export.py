"""Rated answers and ruled cases as training files. python -m pytest tests/test_export.py"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from chat.conversation import Conversation, Outcome, Turn
from chat.rating import Keep, Rating, Thumb
from chat.ratings import Ratings
from finetune.export import main
from finetune.personal import mask
from moderation.base import Action, Level, Side
from moderation.cases import Cases, Judged
from moderation.policy import Decision, Ground
from retrieval.base import Passage

_LAB = Passage("a#0", "Fleming found it in London.", "Penicillin", "library", "library")
_TURN = Turn("t1", "Who found it?", Outcome.ANSWERED, "Fleming. [1]", passages=(_LAB,), cited=(1,), model="tiny")
_NEXT = Turn("t2", "And where?", Outcome.ANSWERED, "In London.", model="tiny")
_UP = Rating(Thumb.UP, keep=True)
_DOWN = Rating(Thumb.DOWN, keep=True)


class _Desk:
    """Rates answers in a data folder and exports them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out" / "rated.jsonl"
        self._now = 1_767_225_600.0  # 2026-01-01
        self.ratings = Ratings(folder, Keep.ASK, clock=self._tick)

    def _tick(self) -> float:
        self._now += 3600 * 24
        return self._now

    def rate(self, rating: Rating, *turns: Turn, conversation: str = "c") -> None:
        self.ratings.rate(Conversation(conversation, "anna", turns), turns[-1].id, rating)

    def export(self, *flags: str) -> list[dict[str, Any]]:
        assert main(["--out", str(self.out), "--data-folder", str(self.folder), *flags]) == 0
        return [json.loads(line) for line in self.out.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> _Desk:
    return _Desk(tmp_path)


def _version(id: str, answer: str, **changes: Any) -> Turn:
    return dataclasses.replace(_TURN, id=id, answer=answer, **changes)


def test_a_good_answer_is_a_conversation_in_which_it_alone_is_taught(desk: _Desk) -> None:
    desk.rate(_UP, _TURN, _NEXT)
    (record,) = desk.export()
    messages = record["messages"]
    assert [(message["role"], message.get("weight", 1)) for message in messages] == [
        ("user", 1),
        ("assistant", 0),
        ("user", 1),
        ("assistant", 1),
    ]
    assert messages[-1]["content"] == "In London."
    assert (record["source"], record["model"]) == ("rated good", "tiny")


def test_a_grounded_answer_is_exported_with_the_sources_that_it_cites(desk: _Desk) -> None:
    desk.rate(_UP, _TURN)
    asked, answer = desk.export()[0]["messages"]
    assert "[1] Penicillin\nFleming found it in London." in asked["content"]
    assert answer["content"] == "Fleming. [1]"


def test_without_consent_nothing_is_exported(desk: _Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.rate(Rating(Thumb.UP), _TURN)
    assert main(["--out", str(desk.out), "--data-folder", str(desk.folder)]) == 1
    assert capsys.readouterr().out.startswith("There are no conversations to export from")
    assert not desk.out.exists()


def test_an_ideal_answer_is_taught_in_place_of_the_bad_one(desk: _Desk) -> None:
    desk.rate(dataclasses.replace(_DOWN, ideal="Alexander Fleming. [1]"), _TURN)
    (record,) = desk.export()
    assert record["messages"][-1]["content"] == "Alexander Fleming. [1]"
    assert record["source"] == "ideal answer"
    (pair,) = desk.export("--pairs")
    assert pair["prompt"] == record["messages"][:-1]
    assert pair["chosen"] == [{"role": "assistant", "content": "Alexander Fleming. [1]"}]
    assert pair["rejected"] == [{"role": "assistant", "content": "Fleming. [1]"}]


def test_two_versions_of_an_answer_are_a_pair_and_other_answers_are_none(desk: _Desk) -> None:
    desk.rate(_DOWN, _version("t1", "Nobody. [1]"))
    desk.rate(_UP, _version("t2", "Fleming. [1]"))
    desk.rate(_UP, _version("t3", "Fleming did. [1]", passages=(dataclasses.replace(_LAB, text="Something else."),)))
    desk.rate(_UP, _version("t4", "He did. [1]"), conversation="of somebody else")
    desk.rate(_UP, _version("t5", "Fleming, I th", outcome=Outcome.LENGTH))
    (pair,) = desk.export("--pairs")
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("Fleming. [1]", "Nobody. [1]")


def test_an_answer_that_was_rated_either_way_is_neither_taught_nor_paired(
    desk: _Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    for rating, id, answer in ((_UP, "a", "One."), (_DOWN, "b", "Two."), (_DOWN, "c", "One."), (_UP, "d", "Two.")):
        desk.rate(rating, _version(id, answer))
    desk.rate(_UP, _NEXT)
    assert [record["messages"][-1]["content"] for record in desk.export()] == ["In London."]
    assert "Left out: 2 good answers that somebody found bad." in capsys.readouterr().out
    assert main(["--out", str(desk.out), "--data-folder", str(desk.folder), "--pairs"]) == 1
    assert "2 pairs that were rated either way" in capsys.readouterr().out


def test_what_is_left_out_is_counted(desk: _Desk, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.test_ratings import FLAG

    desk.rate(_UP, _version("a", "Fleming. [1]", flags=(FLAG,)))
    desk.rate(_UP, _version("b", "Fleming did. [1]", moderated=False))
    desk.rate(_UP, _version("c", "Fleming, who", outcome=Outcome.STOPPED))
    desk.rate(_UP, _NEXT)
    assert len(desk.export()) == 1
    said = capsys.readouterr().out
    assert "rated.jsonl: 1 conversation (1 rated good)." in said
    assert "1 answers that moderation had something against" in said
    assert "1 answers that were not screened" in said
    assert "1 good answers that were cut" in said
    assert len(desk.export("--unscreened")) == 2


def test_the_same_ratings_give_the_same_file_in_the_order_of_rating(desk: _Desk) -> None:
    for number in (3, 1, 2):
        desk.rate(_UP, _version(f"t{number}", f"Answer {number}."))
    assert [record["messages"][-1]["content"] for record in desk.export()] == ["Answer 3.", "Answer 1.", "Answer 2."]
    first = desk.out.read_bytes()
    desk.export()
    assert desk.out.read_bytes() == first
    assert desk.out.stat().st_mode & 0o077 == 0
    assert len(desk.export("--since", "2026-01-04")) == 1


def test_the_terminal_s_ratings_are_exported_too(desk: _Desk) -> None:
    desk.rate(_UP, _TURN)
    Ratings(desk.folder / "terminal", Keep.ASK).rate(Conversation("d", "", (_NEXT,)), "t2", _UP)
    assert len(desk.export()) == 2


def test_personal_data_is_counted_and_hidden_only_when_asked(desk: _Desk, capsys: pytest.CaptureFixture[str]) -> None:
    turn = Turn(
        "t1", "Write to ann@example.org?", Outcome.ANSWERED, "Or call +44 20 7946 0958.", model="ann@example.org"
    )
    desk.rate(_UP, turn)
    assert "ann@example.org" in json.dumps(desk.export()[0]["messages"])
    assert "1 e-mail, 1 phone; left as they are" in capsys.readouterr().out
    record = desk.export("--mask-personal")[0]
    assert [message["content"] for message in record["messages"]] == ["Write to [e-mail]?", "Or call [phone]."]
    assert record["model"] == "ann@example.org"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("ann.b+c@example.co.uk", "[e-mail]"),
        ("Call (020) 7946 0958, please", "Call [phone], please"),
        ("06 12 34 56 78", "[phone]"),
        ("手机13812345678。", "手机[phone]。"),
        ("4111 1111 1111 1111", "[card]"),
        ("DE89 3704 0044 0532 0130 00", "[account]"),
    ],
)
def test_personal_data_is_known_by_its_form(text: str, hidden: str) -> None:
    assert mask(text)[0] == hidden


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01 10:30",
        "1939-1945",
        "1 000 000 000 people",
        "12,345,678,901",
        "192.168.100.200",
        "978-3-16-148410-0",
        "3.14159265358979",
        "10 20 30 40 50 60",
        "a[1] [2][3]",
        "@property",
    ],
)
def test_other_numbers_and_signs_stay(text: str) -> None:
    assert mask(text)[0] == text


def test_only_cases_with_a_ruling_and_a_text_are_exported(desk: _Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cases = Cases(desk.folder / "moderation")
    decision = Decision(Action.REFUSE, "violence", Level.NEEDS_INTERVENTION, 0.9, "Because.")
    for text, keep in (("harmless after all", True), ("a threat", True), ("not kept", False), ("not ruled on", True)):
        cases.hold(text, Side.ASSISTANT, Judged(text, "a question"))
        cases.contest(text, Side.ASSISTANT, decision, keep)
    cases.hold("off topic", Side.USER, Judged("off topic"))
    cases.contest("off topic", Side.USER, dataclasses.replace(decision, category="", ground=Ground.TOPIC), True)
    topic, *newest_first = cases.all()
    cases.rule(topic.id, "right")
    for case, ruling in zip(newest_first[1:], ("wrong", "right", "wrong"), strict=True):
        cases.rule(case.id, ruling)
    common = {"side": "assistant", "context": "a question"}
    assert desk.export("--moderation") == [
        {"text": "harmless after all", "flagged": False, **common},
        {"text": "a threat", "flagged": True, "category": "violence", **common},
    ]
    said = capsys.readouterr().out
    assert "1 cases of blocked phrases or other topics, which are not about harm" in said
    assert "1 cases that nobody has ruled on" in said and "1 cases whose text was not kept" in said


def test_faults_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "out"), "--data-folder", str(tmp_path / "none")]) == 2
    assert "name the app's with --data-folder" in capsys.readouterr().err
    desk = _Desk(tmp_path)
    desk.rate(_UP, _TURN)
    assert main(["--out", str(tmp_path), "--data-folder", str(tmp_path)]) == 2
    assert "name another file with --out" in capsys.readouterr().err
    assert not tmp_path.with_name(f"{tmp_path.name}.new").exists()
    assert main(["--out", ".", "--data-folder", str(tmp_path)]) == 2
    assert capsys.readouterr().err == ". is a folder; name another file with --out.\n"
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "out"), "--since", "yesterday"])
    assert "“yesterday” is no date" in capsys.readouterr().err
