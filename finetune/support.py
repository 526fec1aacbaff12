"""Fits what tells whether a passage supports a sentence: `python -m finetune.support --words DIR --pairs DIR [DIR …]`.

DIRs are data sets in BEIR layout with answers and titles, the first in English, the others in Chinese. Statements are
made from one half of their articles (`evaluation.statements`). A logistic regression over the features of
`retrieval.support` is fitted to them, true ones and faults weighing the same. `least` is the logit that `KEPT` of the
true ones reach when each quarter of the articles is weighed by what was fitted to the other one. How good it is on the
other half, `python -m evaluation.citations` measures.

The weights go to `assets/adapters/support.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from encoder import SentenceEncoder
from errors import AppError
from evaluation.citations import Example, examples
from evaluation.dataset import load_dataset
from finetune.logistic import Floats, fit
from retrieval.judge import ADAPTERS, SentenceJudge
from retrieval.support import Support
from retrieval.unit_vectors import UnitVectors

KEPT = 0.95
"""Share of the true statements that stay unmarked: a mark on a right citation costs more trust than one that is
missing."""
_QUESTIONS = 3000
_PENALTY = 1.0
"""On the squares of the weights: features that say nearly the same are not to weigh against each other."""


def weights(found: Sequence[Example]) -> dict[str, object]:
    """Bias, weights and the least logit, of one kind."""
    seen = [example for example in found if example.half == 0]
    titles = sorted({example.article for example in seen})
    parts = [[e for e in seen if (titles.index(e.article) % 2) == part] for part in (0, 1)]
    # Each part's true statements are weighed by what was fitted to the other part.
    logits = np.concatenate(
        [_logits(_fitted(one), [e for e in other if not e.fault]) for one, other in (parts, parts[::-1])]
    )
    least = float(np.quantile(logits, 1 - KEPT))
    return {"least": round(least, 4), "weights": [round(float(value), 4) for value in _fitted(seen)]}


def _fitted(seen: Sequence[Example]) -> Floats:
    true = np.array([not example.fault for example in seen], float)
    share = np.where(true > 0, 0.5 / true.mean(), 0.5 / (1 - true.mean()))
    return fit(np.array([example.features for example in seen], float), true, share, _PENALTY)


def _logits(solution: Floats, seen: Sequence[Example]) -> Floats:
    return np.asarray(solution[0] + np.array([example.features for example in seen], float) @ solution[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.support", description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=Path, required=True, help="a data set in English")
    parser.add_argument("--pairs", type=Path, nargs="+", required=True, help="data sets in Chinese")
    parser.add_argument("--questions", type=int, default=_QUESTIONS, help=f"of each (default {_QUESTIONS})")
    parser.add_argument("--out", type=Path, default=ADAPTERS / "support.json")
    options = parser.parse_args(arguments)
    try:
        english, chinese = [load_dataset(options.words)], [load_dataset(folder) for folder in options.pairs]
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    kinds = {
        "vectors": (SentenceEncoder(), english),
        "words": (SentenceEncoder(languages=frozenset()), english),
        "pairs": (SentenceEncoder(), chinese),
    }
    result = {}
    for kind, (encoder, datasets) in kinds.items():
        support = Support(SentenceJudge(UnitVectors(encoder)))
        found = [e for dataset in datasets for e in examples(dataset, support, options.questions)]
        result[kind] = weights(found)
        print(f"{kind}: {len(found):,} statements", file=sys.stderr)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
