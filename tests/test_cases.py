"""Contested decisions: consent, once each, a bounded file, crashes. python -m pytest tests/test_cases.py"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from errors import InputError
from moderation.base import Action, Level, Side
from moderation.cases import Cases, Judged
from moderation.policy import Decision, Ground

_REFUSAL = Decision(Action.REFUSE, "violence", Level.NEEDS_INTERVENTION, 0.93, "Because.", Ground.JUDGED)
_TEXT = "how do I kill a process"


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def _lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "cases.jsonl").read_text(encoding="utf-8").split("\n") if line]


def _contested(cases: Cases, turn: str, text: str, *, keep: bool = False, side: Side = Side.USER) -> bool:
    cases.hold(turn, side, Judged(text))
    return cases.contest(turn, side, _REFUSAL, keep)


def test_without_consent_no_text_is_kept(tmp_path: Path) -> None:
    assert _contested(Cases(tmp_path), "t", _TEXT) is False
    (row,) = _lines(tmp_path)
    assert set(row) == {"id", "time", "side", "action", "category", "level", "ground", "score", "hash", "flagged"}
    assert (row["category"], row["score"], row["side"], row["flagged"]) == ("violence", 0.93, "user", False)
    assert "kill" not in (tmp_path / "cases.jsonl").read_text(encoding="utf-8")


def test_with_consent_the_text_is_training_data(tmp_path: Path) -> None:
    cases = Cases(tmp_path)
    cases.hold("t", Side.ASSISTANT, Judged("kill -9 ends it", "How do I end a process?"))
    assert cases.contest("t", Side.ASSISTANT, _REFUSAL, keep_text=True) is True
    (row,) = _lines(tmp_path)
    assert (row["text"], row["context"], row["flagged"]) == ("kill -9 ends it", "How do I end a process?", False)


def test_twice_is_once_and_later_consent_adds_the_text(tmp_path: Path) -> None:
    cases = Cases(tmp_path)
    _contested(cases, "t", _TEXT)
    _contested(cases, "t", _TEXT)
    _contested(cases, "another", _TEXT)
    assert len(_lines(tmp_path)) == 1
    assert _contested(cases, "t", _TEXT, keep=True) is True
    (row,) = _lines(tmp_path)
    assert row["text"] == _TEXT
    _contested(cases, "t", _TEXT)
    assert _lines(tmp_path) == [row]
    _contested(cases, "t", _TEXT, side=Side.ASSISTANT)
    assert len(_lines(tmp_path)) == 2


def test_a_text_is_known_again_after_a_restart_and_not_in_another_folder(tmp_path: Path) -> None:
    _contested(Cases(tmp_path / "a"), "t", _TEXT)
    _contested(Cases(tmp_path / "a"), "u", _TEXT)
    _contested(Cases(tmp_path / "b"), "t", _TEXT)
    (first,), (other,) = _lines(tmp_path / "a"), _lines(tmp_path / "b")
    assert first["hash"] != other["hash"]


def test_a_text_waits_an_hour_in_memory_and_in_no_file(tmp_path: Path) -> None:
    clock = Clock()
    cases = Cases(tmp_path, clock=clock)
    cases.hold("t", Side.USER, Judged(_TEXT))
    assert list(tmp_path.iterdir()) == []
    clock.now += 3601
    assert cases.contest("t", Side.USER, _REFUSAL, keep_text=True) is False
    assert "text" not in _lines(tmp_path)[0]


def test_only_so_many_texts_wait(tmp_path: Path) -> None:
    cases = Cases(tmp_path)
    for number in range(501):
        cases.hold(str(number), Side.USER, Judged(f"text {number}"))
    assert cases.contest("0", Side.USER, _REFUSAL, keep_text=True) is False
    assert cases.contest("1", Side.USER, _REFUSAL, keep_text=True) is True


def test_the_file_is_bounded_and_the_oldest_leave(tmp_path: Path) -> None:
    cases = Cases(tmp_path, most=20)
    for number in range(50):
        _contested(cases, str(number), f"text {number}", keep=True)
        assert len(_lines(tmp_path)) <= 20
    texts = [row["text"] for row in _lines(tmp_path)]
    assert texts[-1] == "text 49"
    assert texts == [f"text {number}" for number in range(50 - len(texts), 50)]
    assert [case.text for case in Cases(tmp_path).all()] == texts[::-1]


def test_a_ruling_decides_what_the_text_should_be_called(tmp_path: Path) -> None:
    cases = Cases(tmp_path)
    _contested(cases, "t", _TEXT, keep=True)
    _contested(cases, "u", "another text")
    (newest, oldest) = cases.all()
    assert newest.hash != oldest.hash
    assert cases.export(ruled=True) == ""
    cases.rule(oldest.id, "right")
    again = Cases(tmp_path)
    (row,) = map(json.loads, again.export(ruled=True).splitlines())
    assert (row["text"], row["flagged"], row["ruling"]) == (_TEXT, True, "right")
    again.rule(oldest.id, "wrong")
    assert [row["flagged"] for row in _lines(tmp_path)] == [False, False]
    assert len(again.export().splitlines()) == 2
    with pytest.raises(InputError, match="no longer kept"):
        cases.rule("nothing", "right")
    with pytest.raises(InputError, match="use right or wrong"):
        cases.rule(oldest.id, "perhaps")


@pytest.mark.parametrize("torn", ['{"id": "x", "ti', "no json at all\n", '{"flagged": false}\n', "[1]\n"])
def test_what_a_crash_left_half_written_is_left_out(
    tmp_path: Path, torn: str, caplog: pytest.LogCaptureFixture
) -> None:
    _contested(Cases(tmp_path), "t", _TEXT)
    with (tmp_path / "cases.jsonl").open("a", encoding="utf-8") as file:
        file.write(torn)
    with caplog.at_level(logging.WARNING):
        _contested(Cases(tmp_path), "u", "another text")
    assert len(_lines(tmp_path)) == 2
    assert "1 lines" in caplog.text


def test_cases_that_a_later_version_wrote_are_kept(tmp_path: Path) -> None:
    _contested(Cases(tmp_path), "t", _TEXT, keep=True)
    (row,) = _lines(tmp_path)
    (tmp_path / "cases.jsonl").write_text(json.dumps(row | {"reviewer": "anna"}) + "\n", encoding="utf-8")
    _contested(Cases(tmp_path), "u", "another text")
    assert [case.text for case in Cases(tmp_path).all()] == ["", _TEXT]


def test_signs_that_end_lines_elsewhere_stay_in_their_text(tmp_path: Path) -> None:
    text = "one\u2028two\x85three\nfour\r\nfive \ud800"
    _contested(Cases(tmp_path), "t", text, keep=True)
    (case,) = Cases(tmp_path).all()
    assert case.text == text.replace("\ud800", "?")


def _full(write: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    return lambda file, data: write(file, data[: len(data) // 2])


def _broken(file: int) -> None:
    raise OSError("the disk is full")


def test_a_full_disk_is_told_and_leaves_no_half_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = Cases(tmp_path)
    _contested(cases, "t", _TEXT)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", _full(os.write))
        with pytest.raises(InputError, match="cannot write to its data folder") as caught:
            _contested(cases, "u", "another text")
    assert "数据文件夹" in caught.value.told("zh")
    assert len(_lines(tmp_path)) == 1
    _contested(cases, "u", "another text")
    assert len(_lines(tmp_path)) == 2
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _broken)
        with pytest.raises(InputError, match="cannot write to its data folder"):
            cases.rule(cases.all()[0].id, "wrong")
    assert [case.ruling for case in Cases(tmp_path).all()] == [case.ruling for case in cases.all()] == ["", ""]


def test_others_on_the_machine_cannot_read_the_cases(tmp_path: Path) -> None:
    cases = Cases(tmp_path)
    _contested(cases, "t", _TEXT, keep=True)
    cases.rule(cases.all()[0].id, "wrong")
    assert {(tmp_path / name).stat().st_mode & 0o077 for name in ("cases.jsonl", "key")} == {0}
