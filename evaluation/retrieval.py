"""How well search finds: `python -m evaluation.retrieval --dataset DIR [--mode hybrid|bm25] [--k 100] [--run OUT.tsv]`.

DIR is in BEIR layout (see `evaluation.dataset`). The texts go through the app's own path: split into passages,
indexed on disk, encoded; each question is searched by BM25 and, in mode `hybrid`, reranked. A text is as good as its
best passage. Nothing is dropped as unlikely to answer: that is another question than the order.

OUT: `query-id<TAB>doc-id<TAB>rank<TAB>score`. With `--json` the figures come as one JSON object on the last line.
`--beside bm25s` also has the same texts searched by `evaluation.beside`; its figures follow under `beside`.
nDCG is Järvelin & Kekäläinen's (2002) with gains as graded, as trec_eval reckons it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from encoder import SentenceEncoder
from errors import AppError
from evaluation import beside
from evaluation.dataset import Dataset, Item, Question, held_out, load_dataset
from retrieval.base import Document, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.rerank import Reranker
from retrieval.unit_vectors import UnitVectors

MODES = ("hybrid", "bm25")
_NAMES = ("ndcg@10", "recall@1", "recall@100", "mrr@10", "passages_per_s", "p50_ms", "p95_ms")
SOURCE = "corpus"
_CANDIDATES = 100
"""Passages that the app reranks."""
_MOST_PASSAGES = 1600
"""Searched at most, where the first passages are of fewer texts than wanted."""

Ranking = list[tuple[str, float]]
"""(text id, score), best first."""


@dataclass(frozen=True, slots=True)
class Result:
    """Means over the questions; times in milliseconds per question, from its text to the final order."""

    ndcg_10: float
    recall_1: float
    recall_100: float
    mrr_10: float
    passages_per_s: float
    p50_ms: float
    p95_ms: float

    def as_json(self) -> dict[str, float]:
        """With the names that the command promises."""
        return dict(zip(_NAMES, (round(value, 4) for value in astuple(self)), strict=True))


def ndcg(ranking: Sequence[str], grades: dict[str, int], k: int) -> float:
    """Discounted cumulative gain of the first k, as a share of the best there could be."""
    gains = [grades.get(item, 0) for item in ranking[:k]]
    best = sorted(grades.values(), reverse=True)[:k]
    return _discounted(gains) / _discounted(best)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(i + 2) for i, gain in enumerate(gains))


def recall(ranking: Sequence[str], grades: dict[str, int], k: int) -> float:
    """Share of the relevant texts that are among the first k."""
    return sum(item in grades for item in ranking[:k]) / len(grades)


def reciprocal_rank(ranking: Sequence[str], grades: dict[str, int], k: int) -> float:
    """One over the rank of the first relevant text, 0 if it is not among the first k."""
    return next((1 / (i + 1) for i, item in enumerate(ranking[:k]) if item in grades), 0.0)


@contextmanager
def indexed(dataset: Dataset, encoder: SentenceEncoder | None) -> Iterator[tuple[DocumentIndex, float]]:
    """The texts in an index of their own, with vectors where an encoder is given; and passages indexed per second."""
    with tempfile.TemporaryDirectory() as folder:
        if encoder is not None:
            encoder.load()
        index = DocumentIndex(Path(folder), encoder or SentenceEncoder())
        index.open()
        try:
            began = time.perf_counter()
            index.add(_documents(dataset.corpus), _progress("characters indexed"))
            if encoder is not None:
                index.backfill(threading.Event(), _progress("passages encoded"))
            _, passages = index.frequencies(())
            yield index, passages / (time.perf_counter() - began)
        finally:
            index.close()


def _documents(corpus: Sequence[Item]) -> Iterator[Document]:
    """The texts as documents; one without words stands for its title."""
    for item in corpus:
        text = next((text for text in (item.text, item.title) if any(char.isalnum() for char in text)), "")
        if text:
            yield Document(id=item.id, title=item.title, text=text, source=SOURCE)


def search(index: DocumentIndex, reranker: Reranker | None, query: str, k: int) -> Ranking:
    """The k best texts. With a reranker the first 100 passages, and what is near in meaning, are put in its order, as
    in the app; the rest of BM25's follow."""
    wanted = max(_CANDIDATES, k)
    found = index.search(SearchRequest(query, wanted), SOURCE)
    while len({passage.document for passage in found}) < k and len(found) >= wanted < _MOST_PASSAGES:
        wanted *= 2
        found = index.search(SearchRequest(query, wanted), SOURCE)
    if reranker is None:
        return _best_passages([(passage.document, passage.score) for passage in found], k)
    by_words = [passage for passage in found if passage.score]
    near = [passage for passage in found if not passage.score][: _CANDIDATES // 2]
    weighed = reranker.weigh(query, by_words[:_CANDIDATES] + near)
    ranked = [(evidence.passage.document, evidence.relevance) for evidence in weighed]
    if by_words[_CANDIDATES:]:
        last, best = ranked[-1][1], by_words[0].score
        ranked += [(passage.document, last - 1 + passage.score / best) for passage in by_words[_CANDIDATES:]]
    return _best_passages(ranked, k)


def _best_passages(passages: Ranking, k: int) -> Ranking:
    """Texts in the order of their best passages."""
    best: dict[str, float] = {}
    for document, score in passages:
        best.setdefault(document, score)
    return list(best.items())[:k]


def evaluate(dataset: Dataset, mode: str = "hybrid", k: int = 100, run: TextIO | None = None) -> Result:
    """Search every question; write the rankings to `run` where one is given."""
    encoder = SentenceEncoder() if mode == "hybrid" else None
    with indexed(dataset, encoder) as (index, passages_per_s):
        reranker = Reranker(SentenceJudge(UnitVectors(encoder, index)), index) if encoder is not None else None
        if reranker is not None:
            search(index, reranker, dataset.questions[0].text, k)  # the first one loads the language model
        figures, seconds = [], []
        progress = _progress("questions")
        for number, question in enumerate(dataset.questions, 1):
            began = time.perf_counter()
            ranking = search(index, reranker, question.text, k)
            seconds.append(time.perf_counter() - began)
            figures.append(_figures([item for item, _ in ranking], dataset.relevant[question.id]))
            if run is not None:
                run.writelines(_lines(question, ranking))
            progress(number, len(dataset.questions))
    means = np.mean(figures, axis=0)
    times = 1000 * np.percentile(seconds, [50, 95])
    return Result(*map(float, (*means, passages_per_s, *times)))


def compare(dataset: Dataset, mine: Result, k: int = 100) -> dict[str, float]:
    """What bm25s finds for the same questions, and how far `mine` is above it. Raises `InputError` without bm25s."""
    rankings = beside.rankings(dataset, max(k, 10))
    pairs = zip(rankings, dataset.questions, strict=True)
    means = np.mean([_figures(ranking, dataset.relevant[question.id]) for ranking, question in pairs], axis=0)
    figures = dict(zip(_NAMES, (round(float(value), 4) for value in means), strict=False))
    return figures | {"ndcg@10_above": round(mine.ndcg_10 - float(means[0]), 4)}


def _figures(ranking: Sequence[str], grades: dict[str, int]) -> tuple[float, float, float, float]:
    return (
        ndcg(ranking, grades, 10),
        recall(ranking, grades, 1),
        recall(ranking, grades, 100),
        reciprocal_rank(ranking, grades, 10),
    )


def _lines(question: Question, ranking: Ranking) -> Iterator[str]:
    for rank, (item, score) in enumerate(ranking, 1):
        yield f"{question.id}\t{item}\t{rank}\t{score:.6f}\n"


def _progress(what: str) -> Callable[[int, int], None]:
    """Prints how far it is every few seconds, where a person is watching."""
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if sys.stderr.isatty() and (time.monotonic() - last > 2 or done == total):
            last = time.monotonic()
            print(f"\r{done:,} of {total:,} {what}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.retrieval", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="folder in BEIR layout")
    parser.add_argument("--mode", choices=MODES, default=MODES[0])
    parser.add_argument("--k", type=int, default=100, help="texts per question (default 100)")
    parser.add_argument("--run", type=Path, help="write the rankings here")
    parser.add_argument("--beside", choices=beside.NAMES, help="compare with bm25s, over jieba's words in Chinese")
    parser.add_argument("--held-out", action="store_true", help="ask about articles only that nothing was fitted to")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    if options.k < 1:
        parser.error(f"--k is {options.k}; give a whole number above 0")
    try:
        dataset = load_dataset(options.dataset)
        dataset = held_out(dataset) if options.held_out else dataset
        with options.run.open("w", encoding="utf-8") if options.run else nullcontext() as run:
            result = evaluate(dataset, options.mode, options.k, run)
        compared = compare(dataset, result, options.k) if options.beside else {}
    except (AppError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{dataset.name}: {len(dataset.questions):,} questions, {len(dataset.corpus):,} texts, {options.mode}")
    for name, value in result.as_json().items():
        print(f"  {name:<16}{value:>10.4f}")
    for name, value in compared.items():
        print(f"  {options.beside} {name:<16}{value:>10.4f}")
    if options.json:
        print(json.dumps(result.as_json() | ({"beside": compared} if compared else {})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
