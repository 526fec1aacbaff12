"""The suite written for this project, and how any suite is read.

python -m pytest tests/test_suite.py
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from errors import InputError
from evaluation.checks import score
from evaluation.harness.suite import documents, results
from evaluation.items import Item
from evaluation.suite import DEFAULT, load_suite, sample

_BESIDE = (
    "Bananas are yellow, I suppose, or so I was told by someone once, long ago, in a place that I have quite forgotten "
    "by now"
)
HARNESS = Path(__file__).parent.parent / "evaluation" / "harness"
_LEAST, _LEAST_BESIDE = 40, 20
_TASKS = ("closed-questions", "source-questions", "extraction", "classification", "summary", "format", "code")
_BESIDE_TASKS = ("topic-switch", "unanswerable")
_SHARED = ("format", "unanswerable")
"""Tasks in which an answer may be right for several items."""


@pytest.fixture(scope="module")
def suite() -> tuple[Item, ...]:
    return load_suite(DEFAULT)


def by_task(suite: Sequence[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in suite:
        found.setdefault(item.task, []).append(item)
    return found


def tried(suite: Sequence[Item]) -> list[Item]:
    """All items, but of those whose answers are run every eighth: each costs a process."""
    return [item for i, item in enumerate(suite) if item.task != "code" or i % 8 == 0]


def test_every_task_has_enough_items_and_some_are_chinese(suite: tuple[Item, ...]) -> None:
    counts = Counter(item.task for item in suite)
    assert set(counts) == {*_TASKS, *_BESIDE_TASKS}
    assert all(counts[task] >= _LEAST for task in _TASKS)
    assert all(counts[task] >= _LEAST_BESIDE for task in _BESIDE_TASKS)
    for items in by_task(suite).values():
        assert 0.1 <= sum(item.language == "zh" for item in items) / len(items) <= 0.2


def test_no_two_items_ask_the_same(suite: tuple[Item, ...]) -> None:
    asked = Counter((item.question, item.sources) for item in suite)
    assert max(asked.values()) == 1


def test_every_reference_is_right_by_its_own_checks(suite: tuple[Item, ...]) -> None:
    with ThreadPoolExecutor(2) as threads:
        worth = threads.map(lambda item: score(item, item.reference), suite)
    assert [(item.id, got) for item, got in zip(suite, worth, strict=True) if got != 1] == []


@pytest.mark.parametrize("wrong", [_BESIDE, ""])
def test_an_answer_beside_the_question_is_right_for_no_item(suite: tuple[Item, ...], wrong: str) -> None:
    assert [item.id for item in tried(suite) if score(item, wrong) == 1] == []


def test_another_items_answer_is_wrong(suite: tuple[Item, ...]) -> None:
    taken = []
    for task, items in by_task(tried(suite)).items():
        for i, item in enumerate(items if task not in _SHARED else ()):
            turned = [*items[i + 1 :], *items[:i]]
            other = next(each for each in turned if each.reference != item.reference)
            taken += [item.id] if score(item, other.reference) == 1 else []
    assert taken == []


def test_gold_sources_hold_an_answer(suite: tuple[Item, ...]) -> None:
    for item in suite:
        if item.task == "source-questions":
            held = [item.sources[n - 1].text.casefold() for n in item.gold]
            assert any(answer.casefold() in text for answer in item.answers for text in held)


def test_the_suite_is_told_to_lm_eval_as_it_is_scored_here(suite: tuple[Item, ...]) -> None:
    found = {}
    for path in HARNESS.glob("[a-z]*.yaml"):
        match = re.search(
            r"^task: groundchat_(\w+)\ndataset_kwargs:\n  task: (\S+)$", path.read_text("utf-8"), re.MULTILINE
        )
        if match:
            assert match[1] == match[2].replace("-", "_") and path.stem == match[2]
            found[match[2]] = documents(match[2], tokenizer="x")["test"]
    assert set(found) == {item.task for item in suite} - {"topic-switch"}
    group = (HARNESS / "groundchat.yaml").read_text("utf-8")
    assert set(re.findall(r"^  - groundchat_(\w+)$", group, re.MULTILINE)) == {t.replace("-", "_") for t in found}
    document = found["source-questions"][0]
    assert "Harlow Lighthouse" in document["prompt"] and document["prompt"].count("```\n[") == 3
    assert results(document, [" " + document["reference"]]) == {"score": 1.0}
    assert results(document, ["olive oil"]) == {"score": 0.0}


def write(path: Path, *rows: Any) -> str:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def pair(asked: str, answered: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}], **more}


def test_conversations_alone_are_a_suite(tmp_path: Path) -> None:
    (item,) = load_suite(write(tmp_path / "pairs.jsonl", pair("Who?", "Ada Berg", source="a fact")))
    assert (item.id, item.task, item.reference, item.answers) == ("pairs-1", "pairs", "Ada Berg", ("Ada Berg",))
    assert [score(item, said) for said in ("ada berg.", "Ada Berg herself", "")] == [1, 0, 0]


def test_a_packed_file_and_a_folder_are_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "b.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(pair("Where?", "Here", id="packed")))
    write(tmp_path / "a.jsonl", pair("Who?", "Ada"), "")
    assert [(item.id, item.task) for item in load_suite(str(tmp_path))] == [("a-1", "a"), ("packed", "b")]


def test_files_are_told_apart_by_all_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "mine.easy.jsonl", pair("Who?", "Ada"))
    write(tmp_path / "mine.hard.jsonl", pair("Who else?", "Bo"))
    items = load_suite(str(tmp_path))
    assert [(item.id, item.task) for item in items] == [("mine.easy-1", "mine.easy"), ("mine.hard-1", "mine.hard")]


def test_a_file_saved_by_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(pair("Who?", "Ada")), encoding="utf-8-sig")
    assert load_suite(str(tmp_path / "a.jsonl"))[0].reference == "Ada"


def test_what_cannot_be_answered_is_scored_by_whether_that_is_said(tmp_path: Path) -> None:
    sources = [{"title": "Ferry", "text": "The ferry leaves at 7:40."}]
    asked = pair("How tall is it?", "The sources do not say.", sources=sources, answerable=False)
    (item,) = load_suite(write(tmp_path / "none.jsonl", asked))
    assert [score(item, said) for said in ("I could not find that in the sources.", "40 metres.", "")] == [1, 0, 0]
    assert item.answers == ()


def test_the_reference_is_an_answer_wherever_answers_are_compared(tmp_path: Path) -> None:
    holds = load_suite(write(tmp_path / "holds.jsonl", pair("Which city?", "Paris", checks=[{"check": "holds"}])))[0]
    assert score(holds, "It is Paris.") == 1
    asked = pair("Write!", "- a", checks=[{"check": "bullets", "count": 1}])
    assert load_suite(write(tmp_path / "ruled.jsonl", asked))[0].answers == ()


def test_all_faults_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    rows = [
        "{",
        "[1]",
        {"text": "x"},
        {"messages": [{"role": "user", "content": "x"}]},
        {"messages": [{"role": "bot", "content": "x"}]},
        pair("x", " "),
        pair("x", "y", checks=[{"check": "magic"}]),
        pair("x", "y", checks=[{"check": "label", "label": "a"}]),
        pair("x", "y", checks=[{"check": "exact", "wrong": 1}]),
        pair("x", "y", gold=[1]),
        pair("x", "y", answers="y"),
        pair("x", "y", answers=[""]),
        pair("x", "y", sources=[{"title": "t"}]),
        pair("x", "y", tokens=True),
        pair("x", "y", tokens=0),
        pair("x", "y", checks=["exact"]),
        {"messages": [{"role": role, "content": "x"} for role in ("user", "user", "assistant")]},
        {"messages": [{"role": role, "content": "x"} for role in ("user", "assistant", "system", "user", "assistant")]},
        {"messages": [{"role": role, "content": "x"} for role in ("assistant", "user", "assistant")]},
        pair("x", "y", id="same"),
        pair("x", "y", id="same"),
    ]
    with pytest.raises(InputError) as told:
        load_suite(write(tmp_path / "bad.jsonl", *rows))
    lines = str(told.value).splitlines()
    assert [int(line.split(",")[1].split()[1]) for line in lines[1:-1]] == list(range(1, 20))
    assert lines[-1] == "“same” is the id of 2 items"
    assert "has no “messages”" in lines[3] and "role 'bot'" in lines[5] and "no check “magic”" in lines[7]
    assert "needs “labels”" in lines[8] and "there are 0 sources" in lines[10] and "a whole number" in lines[14]


@pytest.mark.parametrize("name", ["nowhere.jsonl", "empty.jsonl", "latin.jsonl", "damaged.jsonl.gz", "deep.jsonl"])
def test_what_is_no_suite_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    packed = gzip.compress(json.dumps(pair("Who?", "Ada")).encode())
    (tmp_path / "damaged.jsonl.gz").write_bytes(packed[:10] + b"\x07" + packed[11:])  # a kind of block there is not
    (tmp_path / "deep.jsonl").write_text("[" * 100_000, encoding="utf-8")
    (tmp_path / "latin.jsonl").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(InputError, match=name):
        load_suite(str(tmp_path / name))


def test_a_sample_takes_from_each_task_evenly(suite: tuple[Item, ...]) -> None:
    some = sample(suite, 3)
    assert set(Counter(item.task for item in some).values()) == {3}
    assert sample(suite, None) == suite and len(sample(suite, 1000)) == len(suite)
    assert [item.id for item in some if item.task == "code"] == ["code-01", "code-14", "code-28"]
