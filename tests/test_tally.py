"""Counts of what moderation decided. python -m pytest tests/test_tally.py"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from moderation.base import Action, Level, Side
from moderation.policy import Decision, Ground
from moderation.tally import Count, Tally
from tests.test_cases import Clock

_DAY_S = 86_400
_REFUSAL = Decision(Action.REFUSE, "violence", Level.NEEDS_INTERVENTION, 0.93, "Because.")


def test_texts_are_counted_by_day_side_action_and_category(tmp_path: Path) -> None:
    clock = Clock()
    tally = Tally(tmp_path, clock)
    for decision in (_REFUSAL, _REFUSAL, Decision(Action.ALLOW), None):
        tally.count(Side.USER, decision)
    clock.now += _DAY_S
    tally.count(Side.ASSISTANT, Decision(Action.REFUSE, ground=Ground.UNCHECKED))
    tally.count(Side.USER, Decision(Action.REFUSE, ground=Ground.PHRASE))
    assert tally.days() == [
        Count("2023-11-15", "assistant", "refuse", "unchecked", 1),
        Count("2023-11-15", "user", "refuse", "phrase", 1),
        Count("2023-11-14", "user", "allow", "", 1),
        Count("2023-11-14", "user", "off", "", 1),
        Count("2023-11-14", "user", "refuse", "violence", 2),
    ]


def test_counts_outlive_the_process(tmp_path: Path) -> None:
    clock = Clock()
    tally = Tally(tmp_path, clock)
    tally.count(Side.USER, _REFUSAL)
    tally.count(Side.USER, _REFUSAL)
    tally.close()
    again = Tally(tmp_path, clock)
    again.count(Side.USER, _REFUSAL)
    assert [count.texts for count in again.days()] == [3]


def test_they_are_written_every_few_seconds_at_most(tmp_path: Path) -> None:
    clock = Clock()
    tally = Tally(tmp_path, clock)
    tally.count(Side.USER, _REFUSAL)
    for _ in range(20):
        tally.count(Side.USER, _REFUSAL)
    assert [row[-1] for row in json.loads((tmp_path / "counts.json").read_text())] == [1]
    clock.now += 5
    tally.count(Side.USER, _REFUSAL)
    assert [row[-1] for row in json.loads((tmp_path / "counts.json").read_text())] == [22]


def test_a_year_of_days_is_kept(tmp_path: Path) -> None:
    clock = Clock()
    tally = Tally(tmp_path, clock)
    for _ in range(370):
        tally.count(Side.USER, _REFUSAL)
        clock.now += _DAY_S
    assert len({count.day for count in tally.days()}) == 366


@pytest.mark.parametrize("text", ["", "{}{", '[["2023-11-14", "nobody", "refuse", "", 1]]', "[[1]]", "7"])
def test_a_file_that_cannot_be_read_costs_counts_only(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "counts.json").write_text(text, encoding="utf-8")
    tally = Tally(tmp_path, Clock())
    with caplog.at_level(logging.WARNING):
        tally.count(Side.USER, _REFUSAL)
    assert [count.texts for count in tally.days()] == [1]
    assert "begin anew" in caplog.text


def test_a_disk_that_cannot_be_written_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    tally = Tally(tmp_path / "file", Clock())
    with caplog.at_level(logging.ERROR):
        tally.count(Side.USER, _REFUSAL)
    assert "could not be written" in caplog.text
    assert [count.texts for count in tally.days()] == [1]
