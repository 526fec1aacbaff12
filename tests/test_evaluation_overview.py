"""The measure of overviews, on articles whose figures are known. python -m pytest tests/test_evaluation_overview.py"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.overview import main, of_rest, of_whole, rouge1
from retrieval.base import Document

TEXT = """# Mill

The mill grinds corn.

## Wheel

The wheel of the mill turns in the river every day. It is made of oak.

## Miller

The miller grinds the corn of the whole village. He sleeps at noon.
"""
ARTICLE = Document("mill", "Mill", TEXT, "library", language="en")


def test_rouge_counts_terms_in_common() -> None:
    assert rouge1("the red mill", ["a red mill"], "en") == (1.0, 1.0)
    f1, recall = rouge1("red mill river corn", ["the red mill"], "en")
    assert f1 == pytest.approx(2 / 3)
    assert recall == 0.5
    assert rouge1("red", [], "en") == rouge1("red", ["blue"], "en") == (0.0, 0.0)


def test_figures_of_a_whole_article() -> None:
    figures = of_whole(ARTICLE)
    assert (figures["subject"], figures["parts"]) == (1.0, 1.0)
    assert 3 <= figures["sentences"] <= 5


def test_the_lead_is_hidden() -> None:
    figures = of_rest(ARTICLE)
    assert figures is not None
    assert 0 < figures["rouge1"] <= 1
    assert figures["rouge1_recall"] == 1.0  # mill, grinds and corn stand in the rest, too
    assert of_rest(Document("x", "X", "# X\n\nOnly a lead.", "library", language="en")) is None


def test_the_command_prints_figures_by_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "mill.md").write_text(TEXT, encoding="utf-8")
    assert main(["--articles", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["en"]["articles"] == 1
    assert main(["--articles", str(tmp_path / "nowhere")]) == 1
    assert "holds no articles" in capsys.readouterr().err
