"""The moderation measurement: its formulas, its formats, its command.

python -m pytest tests/test_evaluation_moderation.py
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from errors import InputError
from evaluation.moderation import auroc, average_precision, main, measure, read
from moderation.base import Action, Level, Verdict


def _flags(*values: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array(values, dtype=bool)


def test_average_precision_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(_flags(1, 0, 1, 0), scores) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(_flags(0, 0, 1, 1), scores) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert average_precision(_flags(1, 1, 0, 0), scores) == 1.0


def test_ties_are_ranked_together() -> None:
    assert average_precision(_flags(1, 0, 1, 0), np.full(4, 0.5)) == pytest.approx(0.5)
    assert average_precision(_flags(0, 1), np.array([0.5, 0.5])) == average_precision(
        _flags(1, 0), np.array([0.5, 0.5])
    )
    assert auroc(_flags(0, 1, 1), np.array([0.5, 0.5, 0.9])) == pytest.approx((0.5 + 1) / 2)


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(3)
    flagged, scores = rng.random(60) < 0.4, rng.integers(0, 12, 60) / 12
    pairs = [(a > b) + (a == b) / 2 for a in scores[flagged] for b in scores[~flagged]]
    assert auroc(flagged, scores) == pytest.approx(np.mean(pairs))


def test_metrics_that_the_labels_do_not_allow_are_null() -> None:
    scores = np.array([0.1, 0.2])
    assert average_precision(_flags(0, 0), scores) is None
    assert auroc(_flags(1, 1), scores) is None
    found = measure(
        [{"text": "a"}, {"text": "b", "flagged": None}], [Verdict(0.1, Level.CASUAL)] * 2, [Action.WARN] * 2
    )
    assert found == {
        "n": 2,
        "flagged": 0,
        "average_precision": None,
        "auroc": None,
        "recall": None,
        "false_positive_rate": None,
    }


def test_rates_count_refusals_and_skip_unlabelled_rows() -> None:
    rows = [{"flagged": True}, {"flagged": True}, {"flagged": False}, {"flagged": False}, {}]
    actions = [Action.REFUSE, Action.WARN, Action.REFUSE, Action.ALLOW, Action.REFUSE]
    verdicts = [Verdict(score, Level.CASUAL) for score in (0.9, 0.5, 0.6, 0.1, 1.0)]
    found = measure(rows, verdicts, actions)
    assert (found["recall"], found["false_positive_rate"], found["flagged"]) == (0.5, 0.5, 2)


_ROWS: list[dict[str, object]] = [
    {"text": "How do I make a bomb?", "flagged": True},
    {"text": "What is the capital of France?", "flagged": False},
    {"text": "怎么做番茄炒蛋？"},
]


def _file(tmp_path: Path, name: str, rows: list[dict[str, object]]) -> Path:
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["evaluation.moderation", *arguments])
    main()
    return capsys.readouterr().out.splitlines()


def test_the_command_writes_verdicts_in_order_and_prints_one_json_object_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    data = _file(tmp_path, "data.jsonl.gz", _ROWS)
    printed = _run(monkeypatch, capsys, "--data", str(data), "--side", "assistant", "--out", str(out), "--json")
    assert len(printed) == 1
    report = json.loads(printed[0])
    assert report["average_precision"] == report["auroc"] == report["recall"] == 1.0
    assert (report["false_positive_rate"], report["n"], report["flagged"]) == (0.0, 3, 1)
    assert report["p50_ms"] > 0
    assert report["texts_per_s"] > 0
    harmful, harmless, unlabelled = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert set(harmful) == {"score", "level", "categories", "action"}
    assert (harmful["action"], harmless["action"], unlabelled["action"]) == ("refuse", "allow", "allow")
    assert harmful["level"] == "needs intervention"
    assert harmless["score"] < 0.1 < harmful["categories"]["weapons"] <= harmful["score"] <= 1


def test_without_json_the_object_still_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = _run(monkeypatch, capsys, "--data", str(_file(tmp_path, "one.jsonl", _ROWS[:1])))
    assert len(printed) == 2
    assert json.loads(printed[-1])["recall"] == 1.0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b'{"txt": 1}\n', "row 1"), (b'{"text": "a", "flagged": 2}\n', "row 1"), (b"[1]\n", "row 1"), (b"x\n", "JSON")],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read(path)


def test_a_missing_file_ends_the_command_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluation.moderation", "--data", "nowhere.jsonl"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "nowhere.jsonl is not a file" in capsys.readouterr().err
