"""How well citations are checked: `python -m evaluation.citations --dataset DIR [--json]`.

DIR is in BEIR layout (see `evaluation.dataset`), its queries carry `answers` and its texts titles. Statements with the
text they cite are made of its questions (`evaluation.statements`), true ones and faults; the check that the app makes
of a language model's citations (`retrieval.support`) says which are supported. Its weights and its threshold were
chosen on one half of the articles, and only the other half is measured.

By kind of fault: `precision` is the share of what was called supported that is true, `recall` the share of the true
ones that were called supported, both among that kind's faults and the statements that they were made from; `marked` is
the share of the faults that were marked. `kept` is the share of all true statements that stay unmarked, by how they
were made. `words` goes without the encoder's vectors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoder import SentenceEncoder
from errors import AppError
from evaluation.dataset import Dataset, Item, load_dataset
from evaluation.statements import FAULTS, TRUE, statements
from retrieval.base import Passage
from retrieval.judge import SentenceJudge
from retrieval.support import Support
from retrieval.text import language
from retrieval.unit_vectors import UnitVectors

_QUESTIONS = 2000


@dataclass(frozen=True, slots=True)
class Example:
    """A statement as it was judged."""

    statement: int
    """Number of the true statement that it is, or was made from."""
    origin: str
    fault: str
    article: str
    half: int
    """Of the articles: 0 to fit to, 1 to measure on."""
    features: tuple[float, ...]
    logit: float | None
    """Above 0 where it is called supported; None without weights."""


def halves(dataset: Dataset) -> dict[str, int]:
    """Half of each article, by its title."""
    return {title: i % 2 for i, title in enumerate(sorted({item.title for item in dataset.corpus}))}


def examples(dataset: Dataset, support: Support, questions: int, half: int | None = None) -> Iterator[Example]:
    """The statements of a data set, or of one half of it, with their features."""
    half_of, passages = halves(dataset), _passages(dataset)
    number = 0
    for made in statements(dataset, questions):
        number += not made.fault
        if half is not None and half_of[made.article] != half:
            continue
        passage = passages[made.cites.id]
        code = passage.language
        features = support.features(made.text, code, [passage])
        if features is not None:
            logit = None if half is None else support.weigh(made.text, code, [passage])
            yield Example(number, made.origin, made.fault, made.article, half_of[made.article], features, logit)


def _passages(dataset: Dataset) -> dict[str, Passage]:
    code = language(" ".join(item.text for item in dataset.corpus[:3]))
    return {item.id: _passage(item, code) for item in dataset.corpus}


def _passage(item: Item, code: str) -> Passage:
    return Passage(f"{item.id}#0", item.text, item.title, "corpus", item.id, language=code)


def figures(found: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Precision, recall and the share that is marked, by kind of fault; and the share of true ones that is kept."""
    true = {e.statement: _called(e) for e in found if not e.fault}
    shown: dict[str, dict[str, float]] = {}
    for fault in FAULTS:
        faulty = [e for e in found if e.fault == fault]
        if not faulty:
            continue
        missed = sum(_called(e) for e in faulty)
        kept = sum(true[e.statement] for e in faulty)
        shown[fault] = {
            "n": len(faulty),
            "precision": round(kept / max(kept + missed, 1), 4),
            "recall": round(kept / len(faulty), 4),
            "marked": round(1 - missed / len(faulty), 4),
        }
    for origin in TRUE:
        mine = [_called(e) for e in found if not e.fault and e.origin == origin]
        if mine:
            shown[origin] = {"n": len(mine), "kept": round(float(np.mean(mine)), 4)}
    return shown


def _called(example: Example) -> bool:
    return example.logit is not None and example.logit >= 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.citations", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="folder in BEIR layout, with answers and titles")
    parser.add_argument("--questions", type=int, default=_QUESTIONS, help=f"to make statements of ({_QUESTIONS})")
    parser.add_argument("--words", action="store_true", help="without the encoder's vectors")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        dataset = load_dataset(options.dataset)
        encoder = SentenceEncoder(languages=frozenset()) if options.words else SentenceEncoder()
        support = Support(SentenceJudge(UnitVectors(encoder)))
        shown = figures(list(examples(dataset, support, options.questions, half=1)))
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{dataset.name}: statements of articles that nothing was fitted to")
    for name, values in shown.items():
        print(f"  {name:<10}", *(f"{key} {value:<8g}" for key, value in values.items()))
    if options.json:
        print(json.dumps(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
