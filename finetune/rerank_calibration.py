"""Fits the probability that a passage answers: `python -m finetune.rerank_calibration --words DIR --pairs DIR [DIR …]`.

DIRs are data sets in BEIR layout with answers and titles (see `evaluation.dataset`). Each question is asked three
times: of all texts, without the text that answers, and without every text of its article; a passage counts as an
answer if it is of the right text, and is left out if it merely holds an answer string. The five best passages give
features (`retrieval.rerank.Evidence.features`); a logistic regression is fitted on one half of the articles and
measured on the other. There is one for passages with a cosine and one without, for scripts with and without spaces, and
each of these once more for passages whose sentences were weighed. For these the articles that the weighing networks
were fitted to are left out (`evaluation.dataset.parts`).

The weights go to `assets/adapters/rerank.json`, with the figures of the held-out half.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from encoder import SentenceEncoder
from errors import AppError
from evaluation.dataset import Dataset, load_dataset, parts
from evaluation.retrieval import SOURCE, indexed
from finetune.logistic import Floats, fit, probabilities
from retrieval.base import SearchRequest
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.rerank import CALIBRATION, Reranker
from retrieval.unit_vectors import UnitVectors

_BEST = 5
_REGIMES = {"all": 1.0, "passage": 0.5, "article": 0.5}
"""Texts hidden from the search, and the weight: as many questions with an answer as without."""

_WITH_SPACES = frozenset({"cosine", "cosine, judged", "words", "words, judged"})
_PAIRS = frozenset({"pairs", "pairs, judged"})


@dataclass(frozen=True, slots=True)
class Example:
    """A passage that was found for a question, and whether it answers."""

    article: str
    regime: str
    rank: int
    answers: bool
    kind: str
    features: tuple[float, ...]


def examples(dataset: Dataset, index: DocumentIndex, reranker: Reranker, questions: int) -> Iterator[Example]:
    """The best passages of some questions, with and without the right one among them."""
    items = {item.id: item for item in dataset.corpus}
    articles: dict[str, list[str]] = {}
    half = {item: part % 2 for item, part in parts(dataset).items()}
    for item in dataset.corpus:
        articles.setdefault(item.title, []).append(item.id)
    chosen = random.Random(0).sample(dataset.questions, min(questions, len(dataset.questions)))
    for question in chosen:
        gold = set(dataset.relevant[question.id])
        article = items[min(gold)].title
        hidden = {"all": set[str](), "passage": gold, "article": set(articles[article])}
        for regime, exclude in hidden.items():
            found = index.search(SearchRequest(question.text, exclude=frozenset(exclude)), SOURCE)
            for rank, evidence in enumerate(reranker.weigh(question.text, found)[:_BEST]):
                right = evidence.passage.document in gold
                if right or not any(answer in evidence.passage.text for answer in question.answers):
                    bare = replace(evidence, answer=None)
                    yield Example(article, regime, rank, right, bare.kind, bare.features)
                    if half[min(gold)]:
                        yield Example(article, regime, rank, right, evidence.kind, evidence.features)


def figures(chances: Floats, held: Sequence[Example]) -> dict[str, float]:
    """How well calibrated, and what share of questions is kept at a threshold that refuses 85 % of the hopeless."""
    answers = np.array([example.answers for example in held], float)
    first = [(chance, e) for chance, e in zip(chances, held, strict=True) if e.rank == 0]
    hopeless = [chance for chance, e in first if e.regime == "article"]
    hopeful = np.array([chance for chance, e in first if e.regime == "all"])
    threshold = float(np.quantile(hopeless, 0.85))
    order = np.argsort(chances)
    bins = np.array_split(order, 10)
    return {
        "examples": len(held),
        "log_loss": float(-np.mean(np.log(np.where(answers > 0, chances, 1 - chances)))),
        "calibration_error": float(np.mean([abs(chances[b].mean() - answers[b].mean()) for b in bins])),
        "threshold": threshold,
        "kept": float((hopeful > threshold).mean()),
    }


def calibrate(data: Sequence[tuple[Dataset, frozenset[str]]], questions: int) -> dict[str, dict[str, object]]:
    """Weights and held-out figures for each kind of passage; data sets come with the kinds they are for."""
    found: dict[str, list[Example]] = {}
    for dataset, kinds in data:
        encoder = SentenceEncoder()
        with indexed(dataset, encoder) as (index, _):
            encoders = (encoder, SentenceEncoder(languages=frozenset())) if kinds is _WITH_SPACES else (encoder,)
            for knowing in encoders:
                reranker = Reranker(SentenceJudge(UnitVectors(knowing, index)), index)
                for example in examples(dataset, index, reranker, questions):
                    if example.kind in kinds:
                        found.setdefault(example.kind, []).append(example)
        print(f"{dataset.name}: asked", file=sys.stderr)
    weights: dict[str, object] = {}
    measured: dict[str, object] = {}
    for kind, seen in found.items():
        articles = sorted({example.article for example in seen})
        random.Random(0).shuffle(articles)
        training = frozenset(articles[: len(articles) // 2])
        half = [example for example in seen if example.article in training]
        held = [example for example in seen if example.article not in training]
        fitted = fit(
            np.array([example.features for example in half]),
            np.array([example.answers for example in half], float),
            np.array([_REGIMES[example.regime] for example in half]),
        )
        weights[kind] = [round(value, 4) for value in fitted.tolist()]
        chances = probabilities(fitted, np.array([example.features for example in held]))
        measured[kind] = {name: round(value, 4) for name, value in figures(chances, held).items()}
    return {"weights": weights, "held_out": measured}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.rerank_calibration", description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=Path, nargs="+", required=True, help="data sets in a language with spaces")
    parser.add_argument("--pairs", type=Path, nargs="+", required=True, help="data sets in Chinese")
    parser.add_argument("--questions", type=int, default=3000, help="of each data set (default 3000)")
    parser.add_argument("--out", type=Path, default=CALIBRATION)
    options = parser.parse_args(arguments)
    try:
        data = [(load_dataset(folder), _WITH_SPACES) for folder in options.words]
        data += [(load_dataset(folder), _PAIRS) for folder in options.pairs]
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    result = calibrate(data, options.questions)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
