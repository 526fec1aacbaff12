"""How fast passages become vectors: `python -m evaluation.encoding [--passages 377] [--rounds 5] [--json]`.

Side by side, in turn, on the same weights and texts: our encoder, and sentence-transformers as it is when nothing is
set (fp32, batches of 32, its own sorting). The texts are passages of the English starter library. The ratio is the
median over the rounds, pair by pair.

The ranking is compared on questions of eight words (`evaluation.index`): how often the first passage is the same, and
how many of the first ten are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from encoder import SentenceEncoder, Vectors, weights_folder
from errors import AppError
from evaluation.index import questions
from evaluation.machine import machine
from retrieval.base import Document
from retrieval.split import passages

_LIBRARY = Path(__file__).parent.parent / "assets" / "corpus" / "en"
_QUESTIONS = 200
_FIRST = 10

Encode = Callable[[Sequence[str]], Vectors]


def texts(count: int) -> list[str]:
    """The first so many passages of the English starter library, of all lengths."""
    found: list[str] = []
    for path in sorted(_LIBRARY.glob("*.md")):
        document = Document(path.stem, path.stem, path.read_text(encoding="utf-8"), "library", language="en")
        found += [passage.text for passage in passages(document)]
    return found[:count]


def theirs() -> Encode:
    """sentence-transformers with the same weights and its own defaults."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(weights_folder()), device="cpu")

    def encode(given: Sequence[str]) -> Vectors:
        vectors: Vectors = model.encode(list(given), normalize_embeddings=True, show_progress_bar=False)
        return vectors

    return encode


def compare(one: Encode, other: Encode, given: Sequence[str], rounds: int) -> dict[str, float]:
    """Passages per second of both, in turn, and whether they rank alike."""
    rates = []
    for _ in range(rounds):
        began = time.perf_counter()
        one(given)
        between = time.perf_counter()
        other(given)
        rates.append((len(given) / (between - began), len(given) / (time.perf_counter() - between)))
    return {
        "passages": len(given),
        "passages_per_s": statistics.median(ours for ours, _ in rates),
        "sentence_transformers_passages_per_s": statistics.median(plain for _, plain in rates),
        "ratio": statistics.median(ours / plain for ours, plain in rates),
        **ranked_alike(one, other, given),
    }


def ranked_alike(one: Encode, other: Encode, given: Sequence[str]) -> dict[str, float]:
    """How alike both rank the texts for the same questions, as shares; and the least cosine of two vectors."""
    asked = questions(_QUESTIONS)
    ours, plain = one(given), other(given)
    best, wanted = (
        np.argsort(-(encode(asked) @ to.T), axis=1)[:, :_FIRST] for encode, to in ((one, ours), (other, plain))
    )
    overlap = [len(set(a) & set(b)) / _FIRST for a, b in zip(best.tolist(), wanted.tolist(), strict=True)]
    return {
        "same_first": float(np.mean(best[:, 0] == wanted[:, 0])),
        "same_of_first_10": statistics.mean(overlap),
        "least_cosine": float((ours * plain).sum(axis=1).min()),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.encoding", description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=1000, help="at most so many (default: all there are)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of measurements")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    given, encoder = texts(options.passages), SentenceEncoder()
    try:
        encoder.load()
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    other = theirs()
    for encode in (encoder.encode, other):
        encode(given[:64])  # the first batches are slower
    figures: dict[str, Any] = compare(encoder.encode, other, given, options.rounds)
    for name, value in figures.items():
        print(f"  {name:<40}{value:>10,.4g}")
    if options.json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()} | {"machine": machine()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
