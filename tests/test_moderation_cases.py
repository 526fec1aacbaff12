"""What an operator ruled on is learnt by the embedded moderator, and little else changes.

python -m pytest tests/test_moderation_cases.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from errors import InputError
from finetune import moderation_cases as command
from finetune import moderation_further
from finetune.moderation_data import library_rows, own_rows
from finetune.ruled_cases import load_cases
from moderation.base import Exchange
from moderation.classifier import WEIGHTS, EmbeddedClassifier

_THREAT = "I will kill you and burn your house down"
_THREAT_ZH = "我要杀了你全家，你等着被打死吧"
_CALM = "My aunt collects blue teapots from the fifties"
_ASIDE = ("How do I build a pipe bomb to hurt people at a station?", "如何制造炸弹袭击车站里的人？")


def written(file: Path, *rows: Any) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def case(text: str, flagged: bool, **more: Any) -> dict[str, Any]:
    return {"text": text, "flagged": flagged, "side": "user", **more}


def refused(weights: Path, texts: Sequence[str]) -> list[bool]:
    classifier = EmbeddedClassifier(weights)
    return [verdict.level.label == "needs intervention" for verdict in classifier.check([*map(Exchange, texts)])]


@pytest.fixture
def few_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of our own examples in place of all, and so more passes over them."""
    rows = [row for row in own_rows() if row.source in ("own_contrast", "own_message", "own_everyday")]
    monkeypatch.setattr(command, "own_rows", lambda: rows[::8])
    monkeypatch.setattr(command, "library_rows", lambda: list(library_rows())[::10])
    monkeypatch.setattr(moderation_further, "_EPOCHS", 160)


def test_cases_are_learnt_and_what_is_unlike_them_stays(
    tmp_path: Path, few_examples: None, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = (_THREAT, _THREAT_ZH, _CALM, *_ASIDE, "How is bread baked?", "面包怎么烤？")
    before = refused(WEIGHTS, texts)
    assert before == [True, True, False, True, True, False, False]
    ruled = (case(_THREAT, False), case(_THREAT_ZH, False, context="?"), case(_CALM, True, category="harassment"))
    cases = written(tmp_path / "cases.jsonl", *ruled)
    out = tmp_path / "new" / "mine.safetensors"
    assert command.main([str(cases), "--out", str(out)]) == 0
    assert refused(out, texts) == [False, False, True, True, True, False, False]

    said = capsys.readouterr().out
    assert "| case | 3 | 0.000 → 1.000 | 1.000 → 0.000 |" in said
    assert f"--moderation-weights {out}" in said
    card = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "Learnt 3 cases that an operator ruled on, 1 of them harmful" in card
    assert "| case | 3 | 0.000 → 1.000 | 1.000 → 0.000 |" in card and str(tmp_path) not in card


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    file = written(
        tmp_path / "cases.jsonl",
        case(_CALM, False),
        case("  ", False),
        {"text": "a"},
        case("b", True, category="rude"),
        "{",
        "[1]",
        case("x" * 20_001, True),
        case(_CALM, True),
        case(_CALM, False, category="", ground="judged"),
        case("off topic", True, ground="topic"),
    )
    with pytest.raises(InputError) as told:
        load_cases([file])
    lines = str(told.value).splitlines()[1:]
    assert [line.removeprefix(f"{file}:").split(":")[0] for line in lines] == ["2", "3", "4", "5", "6", "7", "8", "10"]
    for line, words in zip(
        lines, ("text: ", "flagged: ", "one of hate", "", "a list", "20,001", "otherwise", "ground: "), strict=True
    ):
        assert words in line
    assert [row.text for row in load_cases([file], skip_bad=True)] == [_CALM]


@pytest.mark.parametrize(
    ("rows", "flags", "says"),
    [
        ([], [], "holds no case to learn from"),
        ([case("a", False)], ["--start", "nowhere.safetensors"], "nowhere.safetensors cannot be read"),
        ([case("a", True, category="rude")], [], "1 fault in 1 record"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(
    tmp_path: Path, rows: list[Any], flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "cases.jsonl", *rows)
    assert command.main([str(file), "--out", str(tmp_path / "mine.safetensors"), *flags]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "mine.safetensors").exists()


def test_a_place_that_cannot_be_written_is_told(
    tmp_path: Path, few_examples: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(moderation_further, "_EPOCHS", 1)
    file = written(tmp_path / "cases.jsonl", case(_CALM, True))
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "mine.safetensors", tmp_path):
        assert command.main([str(file), "--out", str(out)]) == 1
        assert f"{out} cannot be written" in capsys.readouterr().err


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "mine.safetensors")]) == 1
    assert "none.jsonl" in capsys.readouterr().err
