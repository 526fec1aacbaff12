"""How the check of citations is measured. python -m pytest tests/test_evaluation_citations.py"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.citations import Example, figures, main
from evaluation.dataset import load_dataset
from evaluation.statements import FAULTS, reordered, restated, statements
from tests.test_evaluation_answers import write

TEXTS = {
    "a1": ("Amber Bridge", "In 1743, the Amber Bridge (of stone) was built by Josef Lindqvist. It replaced a ferry."),
    "a2": ("Amber Bridge", "A flood tore two arches away in 1799. Maria Krull mended them with 120 masons."),
    "b1": ("Nile", "The Nile is about 6,650 kilometres long. It flows north through eleven countries of Africa."),
    "b2": ("Nile", "Khartoum is the city where the White Nile and the Blue Nile meet, 374 metres high."),
}
QUESTIONS = {
    "builder": ("Who built the Amber Bridge?", ["Josef Lindqvist"], "a1"),
    "mended": ("Who mended the arches?", ["Maria Krull"], "a2"),
    "length": ("How long is the Nile?", ["6,650 kilometres"], "b1"),
    "meet": ("Where do the White Nile and the Blue Nile meet?", ["Khartoum"], "b2"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("beir") / "rivers", TEXTS, QUESTIONS)


@pytest.mark.parametrize(
    ("question", "answer", "wanted"),
    [
        ("Who built the Amber Bridge?", "Josef Lindqvist", "Josef Lindqvist built the Amber Bridge."),
        ("What is the capital of France?", "Paris", "The capital of France is Paris."),
        ("When did the Titanic sink?", "1912", "The Titanic sink in 1912."),
        ("How many arches fell?", "two", "Two arches fell."),
        ("谁发现了青霉素？", "弗莱明", "弗莱明发现了青霉素。"),
        ("The bridge was built by whom?", "Josef", ""),
    ],
)
def test_a_question_and_its_answer_become_a_statement(question: str, answer: str, wanted: str) -> None:
    assert restated(question, answer) == wanted


def test_a_sentence_is_said_in_another_order() -> None:
    assert reordered("In 1743, the bridge (of stone) was built.") == "The bridge was built in 1743."


def test_faults_stand_in_no_cited_text(folder: Path) -> None:
    made = list(statements(load_dataset(folder), 10))
    assert {each.fault for each in made} >= {"", "name", "answer", "negated", "paragraph", "alike"}
    assert {each.fault for each in made} - {""} <= set(FAULTS)
    for each in made:
        if each.fault in ("paragraph", "alike"):
            assert not any(
                answer in each.cites.text for _, gold, own in QUESTIONS.values() for answer in gold if own == each.text
            )
            assert each.cites.title == each.article
        if each.fault == "number":
            assert any(number not in each.cites.text for number in each.text.split())
    assert made == list(statements(load_dataset(folder), 10))


def test_precision_and_recall_are_told_by_kind_of_fault() -> None:
    def example(number: int, fault: str, logit: float) -> Example:
        return Example(number, "restated", fault, "a", 1, (), logit)

    found = [example(1, "", 1.0), example(2, "", -1.0), example(3, "", 1.0)]
    found += [example(1, "name", -1.0), example(2, "name", -1.0), example(3, "name", 2.0)]
    shown = figures(found)
    assert shown["name"] == {"n": 3, "precision": 0.6667, "recall": 0.6667, "marked": 0.6667}
    assert shown["restated"] == {"n": 3, "kept": 0.6667}
    assert "number" not in shown


def test_the_command_prints_one_object_last(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert shown["paragraph"]["n"] >= 2 and 0 <= shown["paragraph"]["precision"] <= 1
    assert shown["reordered"]["kept"] == 1


def test_a_folder_that_is_no_data_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
