"""The evaluation of search: python -m pytest tests/test_evaluation_retrieval.py"""

from __future__ import annotations

import gzip
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from errors import InputError
from evaluation import beside
from evaluation.dataset import Dataset, Item, Question, held_out, load_dataset
from evaluation.retrieval import main, ndcg, recall, reciprocal_rank

CORPUS = [
    {
        "_id": "moon",
        "title": "Moon",
        "text": "The Moon is the only natural satellite of the Earth. It orbits in 27 days.",
    },
    {"_id": "mars", "title": "Mars", "text": "Mars is the fourth planet from the Sun. It has two moons."},
    {"_id": "long", "title": "Bread", "text": "Bread is baked from flour. " * 150 + "Rye bread needs sourdough."},
    {"_id": "zh", "title": "黑豹队", "text": "黑豹队的防守只丢了308分，在联赛中排名第六。"},
    {"_id": "untitled", "title": "", "text": "Paper was invented in China during the Han dynasty."},
    {"_id": "title only", "title": "Venice", "text": ""},
    {"_id": "nothing", "title": "", "text": "***"},
]
QUERIES = [
    {"_id": "q1", "text": "How many days does the Moon orbit?", "answers": ["27"]},
    {"_id": "q2", "text": "What needs sourdough?", "answers": ["Rye bread"]},
    {"_id": "q3", "text": "黑豹队丢了多少分？", "answers": ["308"]},
    {"_id": "q4", "text": "Venice", "answers": []},
    {"_id": "unjudged", "text": "Nobody knows"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\tmoon\t1\nq1\tmars\t0\nq2\tlong\t1\nq3\tzh\t1\nq4\ttitle only\t1\n"


def _write(folder: Path, packed: bool) -> Path:
    folder.mkdir()
    files = {
        "corpus.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in CORPUS) + "\n",
        "queries.jsonl": "\n".join(json.dumps(row) for row in QUERIES),
        "qrels.tsv": QRELS,
    }
    for name, text in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_every_fourth_article_by_its_title_is_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = load_dataset(_write(tmp_path / "set", packed=False))
    titles = sorted({item.title for item in dataset.corpus})
    theirs = {item.id for item in dataset.corpus if titles.index(item.title) % 4 == 3}
    kept = held_out(dataset).questions
    assert kept and {item for question in kept for item in dataset.relevant[question.id]} <= theirs
    assert held_out(dataset).corpus == dataset.corpus
    assert main(["--dataset", str(tmp_path / "set"), "--mode", "bm25", "--held-out"]) == 0
    assert f"{len(kept)} questions" in capsys.readouterr().out
    with pytest.raises(InputError, match="leave --held-out away"):
        held_out(replace(dataset, corpus=dataset.corpus[:1]))


def test_ndcg_against_a_worked_example() -> None:
    # Järvelin & Kekäläinen's discount; gains 3, 2, 0 at ranks 1, 3, 2 of an ideal 3, 2, 1.
    grades = {"a": 3, "b": 2, "c": 1}
    expected = (3 + 2 / math.log2(4)) / (3 + 2 / math.log2(3) + 1 / math.log2(4))
    assert ndcg(["a", "x", "b"], grades, 10) == pytest.approx(expected)
    assert ndcg(["x", "y", "a"], {"a": 1}, 10) == pytest.approx(0.5)
    assert ndcg(["x", "y", "a"], {"a": 1}, 2) == 0
    assert ndcg(["a", "b"], {"a": 1, "b": 1, "c": 1}, 2) == pytest.approx(1)


def test_recall_and_reciprocal_rank() -> None:
    assert recall(["a", "x", "b"], {"a": 1, "b": 1, "c": 2}, 3) == pytest.approx(2 / 3)
    assert recall(["x", "a"], {"a": 1}, 1) == 0
    assert reciprocal_rank(["x", "a", "b"], {"a": 1, "b": 1}, 10) == 0.5
    assert reciprocal_rank(["x", "a"], {"a": 1}, 1) == 0


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_is_read_packed_or_plain(tmp_path: Path, packed: bool) -> None:
    dataset = load_dataset(_write(tmp_path / "set", packed))
    assert [question.id for question in dataset.questions] == ["q1", "q2", "q3", "q4"]
    assert dataset.questions[1].answers == ("Rye bread",)
    assert len(dataset.corpus) == 7 and dataset.name == "set"
    assert dataset.relevant["q1"] == {"moon": 1}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("corpus.jsonl", '{"_id": "a"}\n', "line 1, has no “text”"),
        ("queries.jsonl", '\n{"_id": "a", "text": 1}\nnonsense\n', "line 3, is not a JSON object"),
        ("queries.jsonl", "3\n", "line 1, is not a JSON object"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\tmoon\tgood\n", "line 2, is not"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\tmoon\t0\n", "no question with a relevant text"),
    ],
)
def test_a_malformed_data_set_names_the_place(tmp_path: Path, name: str, text: str, why: str) -> None:
    folder = _write(tmp_path / "set", packed=False)
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=why):
        load_dataset(folder)


@pytest.mark.parametrize("mode", ["bm25", "hybrid"])
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str) -> None:
    folder, run = _write(tmp_path / "set", packed=True), tmp_path / "run.tsv"
    assert main(["--dataset", str(folder), "--mode", mode, "--k", "3", "--run", str(run), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures) == ["ndcg@10", "recall@1", "recall@100", "mrr@10", "passages_per_s", "p50_ms", "p95_ms"]
    assert figures["ndcg@10"] == figures["recall@1"] == figures["recall@100"] == figures["mrr@10"] == 1.0
    assert 0 < figures["p50_ms"] <= figures["p95_ms"] and figures["passages_per_s"] > 0
    rows = [line.split("\t") for line in run.read_text(encoding="utf-8").splitlines()]
    assert {row[0]: row[1] for row in rows if row[2] == "1"} == {
        "q1": "moon",
        "q2": "long",
        "q3": "zh",
        "q4": "title only",
    }
    for query in ("q1", "q2", "q3", "q4"):
        mine = [row for row in rows if row[0] == query]
        assert [int(row[2]) for row in mine] == list(range(1, len(mine) + 1)) and len(mine) <= 3
        assert len({row[1] for row in mine}) == len(mine)  # a text once, whatever its passages
        scores = [float(row[3]) for row in mine]
        assert scores == sorted(scores, reverse=True)


def test_bm25s_is_asked_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _write(tmp_path / "set", packed=False)
    assert main(["--dataset", str(folder), "--mode", "bm25", "--beside", "bm25s", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures)[-2:] == ["p95_ms", "beside"]
    theirs = figures["beside"]
    assert list(theirs) == ["ndcg@10", "recall@1", "recall@100", "mrr@10", "ndcg@10_above"]
    # Of four questions one is Chinese, which it does not cut in a set of English ones.
    assert theirs["ndcg@10"] == theirs["recall@1"] == theirs["recall@100"] == 0.75
    assert theirs["ndcg@10_above"] == 0.25 and figures["ndcg@10"] == 1.0


def test_chinese_is_cut_into_words_beside_it(tmp_path: Path) -> None:
    items = (Item("river", "长江", "长江是中国最长的河流。"), Item("wall", "长城", "长城全长两万多公里。"))
    dataset = Dataset("zh", items, (Question("q", "中国最长的河流是哪条？"),), {"q": {"river": 1}})
    assert beside.rankings(dataset, 5) == [["river"]]
    assert beside.cutter(dataset)("中国最长的河流") == ["中国", "最长", "的", "河流"]


def test_without_its_packages_the_comparison_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    folder = _write(tmp_path / "set", packed=False)
    assert main(["--dataset", str(folder), "--mode", "bm25", "--beside", "bm25s"]) == 1
    assert "bm25s is not installed" in capsys.readouterr().err


def test_a_missing_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", str(tmp_path / "gone")]) == 1
    assert "has neither corpus.jsonl nor corpus.jsonl.gz" in capsys.readouterr().err


def test_texts_of_many_passages_do_not_crowd_out_the_others(tmp_path: Path) -> None:
    from encoder import SentenceEncoder
    from evaluation.retrieval import indexed, search
    from retrieval.judge import SentenceJudge
    from retrieval.rerank import Reranker
    from retrieval.unit_vectors import UnitVectors

    long = "\n\n".join(f"## Part {i}\n\nzebra zebra zebra" for i in range(150))
    corpus = (Item("long", "Zebra", long), *(Item(f"d{i}", "", f"A zebra and other animals {i}.") for i in range(20)))
    dataset = Dataset("x", corpus, (Question("q", "zebra"),), {"q": {"d1": 1}})
    with indexed(dataset, None) as (index, passages_per_s):
        assert passages_per_s > 0
        found = search(index, None, "zebra", 21)
        assert found[0][0] == "long" and len(found) == 21
        unloaded = SentenceEncoder(languages=frozenset())
        reranked = search(index, Reranker(SentenceJudge(UnitVectors(unloaded, index)), index), "zebra", 21)
        assert {item for item, _ in reranked} == {item for item, _ in found}
        assert not unloaded.loaded
