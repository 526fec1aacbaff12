"""The measures of answers, and the command that reports them.

python -m pytest tests/test_evaluation_answers.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.base import ChatRequest, Chunk, Finish
from encoder import SentenceEncoder
from evaluation.answers import Corpus, Result, evaluate, main
from evaluation.dataset import load_dataset
from evaluation.retrieval import indexed
from evaluation.squad import contains, exact, f1, normalise
from retrieval.judge import SentenceJudge
from retrieval.rerank import Reranker
from retrieval.unit_vectors import UnitVectors
from tests.tiny_model import shared_tiny_model

TEXTS = {
    "nile-1": ("Nile", "The Nile is about 6,650 kilometres long. It flows north through eleven countries of Africa."),
    "nile-2": ("Nile", "Khartoum is the city where the White Nile and the Blue Nile meet."),
    "amber": (
        "Amber Bridge",
        "The Amber Bridge was built in 1743 by the engineer Josef Lindqvist. It replaced a ferry.",
    ),
    "zorbon": ("Zorbon", "Zorbon was first described by Maria Krull in Lund. Zorbon melts at 312 degrees."),
    "lund": ("Lund", "Lund is a town in Sweden. Josef Lindqvist was buried in Lund."),
}
QUESTIONS = {
    "length": ("How long is the Nile?", ["6,650 kilometres"], "nile-1"),
    "meet": ("In which city do the White Nile and the Blue Nile meet?", ["Khartoum"], "nile-2"),
    "builder": ("Who built the Amber Bridge?", ["Josef Lindqvist", "Lindqvist"], "amber"),
    "zorbon": ("Who first described Zorbon?", ["Maria Krull"], "zorbon"),
}


def write(folder: Path, texts: dict[str, tuple[str, str]], questions: dict[str, tuple[str, list[str], str]]) -> Path:
    folder.mkdir(exist_ok=True)
    corpus = [{"_id": key, "title": title, "text": text} for key, (title, text) in texts.items()]
    queries = [{"_id": key, "text": text, "answers": gold} for key, (text, gold, _) in questions.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    lines = [f"{key}\t{item}\t1" for key, (_, _, item) in questions.items()]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("beir") / "rivers", TEXTS, QUESTIONS)


@pytest.fixture(scope="module")
def corpus(folder: Path, encoder: SentenceEncoder) -> Iterator[Corpus]:
    dataset = load_dataset(folder)
    with indexed(dataset, encoder) as (index, _):
        yield Corpus(dataset, index, Reranker(SentenceJudge(UnitVectors(encoder, index)), index))


class Parrot:
    """Says the first passage back, and cites it; refuses where there is none."""

    name = "parrot"
    least = 0.0

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        self.found[request.query] = [passage.document for passage in request.passages]
        if request.passages:
            yield Chunk(f"{request.passages[0].text} [1]")
        yield Chunk(finish=Finish.STOP if request.passages else Finish.UNANSWERED)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    figures: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return figures


def test_the_command_measures_the_reader(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "answers.jsonl"
    figures = run(capsys, "--dataset", str(folder), "--model", "reader", "--out", str(out))
    assert list(figures) == ["n", "contains", "exact", "f1", "cited_gold", "refused", "words", "p50_ms"]
    assert (figures["n"], figures["contains"], figures["cited_gold"], figures["refused"]) == (4, 1, 1, 0)
    assert 0 < figures["words"] <= 60
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["_id"] for line in lines] == list(QUESTIONS)
    assert all(set(line) == {"_id", "answer", "cited", "refused", "ms"} for line in lines)
    assert lines[1]["answer"].startswith("Khartoum is the city") and lines[1]["cited"][0] == "nile-2"
    assert not any("[1]" in line["answer"] for line in lines)


def test_with_their_articles_hidden_questions_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run(capsys, "--dataset", str(folder), "--remove", "article")
    assert figures["n"] == 3  # the builder's name stands in another article as well
    assert figures["refused"] == 1
    assert figures["contains"] == 0


def test_the_command_measures_a_chat_model(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=False)
    figures = run(capsys, "--dataset", str(folder), "--model", str(model), "--limit", "1")
    assert (figures["n"], figures["refused"]) == (1, 0)
    assert figures["words"] > 0


def test_removal_hides_passages_or_whole_articles(corpus: Corpus) -> None:
    parrot = Parrot()
    evaluate(corpus, parrot, remove="passage")
    meet, builder = QUESTIONS["meet"][0], QUESTIONS["builder"][0]
    assert "nile-2" not in parrot.found[meet] and "nile-1" in parrot.found[meet]
    assert builder not in parrot.found
    evaluate(corpus, parrot, remove="article")
    assert not {"nile-1", "nile-2"} & set(parrot.found[meet])


def test_figures_of_a_model_that_says_everything(corpus: Corpus) -> None:
    result = evaluate(corpus, Parrot())
    assert isinstance(result, Result)
    assert (result.n, result.contains, result.cited_gold, result.exact, result.refused) == (4, 1, 1, 0, 0)
    assert 0 < result.f1 < 0.5
    assert result.words > 10
    assert result.p50_ms > 0


def test_a_limit_samples_evenly(corpus: Corpus) -> None:
    parrot = Parrot()
    assert evaluate(corpus, parrot, limit=2).n == 2
    assert set(parrot.found) == {QUESTIONS["length"][0], QUESTIONS["builder"][0]}
    assert evaluate(corpus, parrot, limit=100).n == 4


def test_nothing_to_ask_is_no_error(tmp_path: Path, encoder: SentenceEncoder) -> None:
    folder = write(tmp_path / "bare", TEXTS, {"length": ("How long is the Nile?", [], "nile-1")})
    dataset = load_dataset(folder)
    with indexed(dataset, encoder) as (index, _):
        assert (
            evaluate(Corpus(dataset, index, Reranker(SentenceJudge(UnitVectors(encoder, index)), index)), Parrot()).n
            == 0
        )


def test_a_missing_data_set_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dataset", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_normalisation() -> None:
    assert normalise("The  “Denver” Broncos, an NFL\u00a0team.") == "denver broncos nfl team"
    assert normalise("24–10") == normalise("24-10")
    assert normalise("136 次。") == "136 次"


def test_contains() -> None:
    assert contains(normalise("It was the Denver Broncos!"), [normalise("denver broncos")])
    assert not contains(normalise("It was Denver."), [normalise("denver broncos")])
    assert not contains(normalise("anything"), [normalise("The")])
    assert contains(normalise("他有136次擒杀。"), [normalise("136 次")])


def test_exact_and_f1() -> None:
    assert exact(normalise("The Broncos."), [normalise("broncos")])
    assert f1(
        normalise("Denver Broncos won"), [normalise("Broncos"), normalise("the Denver Broncos")]
    ) == pytest.approx(0.8)
    assert f1(normalise("长城很长"), [normalise("长城")]) == pytest.approx(2 * 2 / 6)
    assert f1("", ["x"]) == 0
