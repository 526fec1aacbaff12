"""What neighbours add to found passages: `python -m evaluation.context --dataset DIR [--widths 1,2] [--least 0.5]`.

DIR is in BEIR layout (see `evaluation.dataset`), its queries carry `answers`. The texts of one title become one
document, in the order of the corpus, as people upload them; each question is searched and ranked as in the app. For the
first 1, 3 and 6 passages, without neighbours and with each width and least cosine of `retrieval.joining`: `holds`, the
share of questions whose answer stands in what a model is given; `words`, how much that is; and what joining costs.

With `--json` the figures come as one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from chat.excerpt import words
from encoder import SentenceEncoder
from errors import AppError
from evaluation.dataset import Dataset, Item, Question, load_dataset
from evaluation.retrieval import SOURCE, indexed
from evaluation.squad import contains, normalise
from retrieval.base import Passage, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.joining import Joining
from retrieval.judge import SentenceJudge
from retrieval.rerank import THRESHOLD, Reranker
from retrieval.text import language
from retrieval.unit_vectors import UnitVectors

GIVEN = (1, 3, 6)
"""How many of the passages a model is given."""
_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Result:
    """Of the first `given` passages with so many neighbours at most."""

    given: int
    width: int
    least: float
    holds: float
    words: float
    joined: float
    """Share of the questions for which anything was joined."""
    join_ms: float
    """Median."""


def documents_of(dataset: Dataset) -> Dataset:
    """The same questions over whole documents: the texts of a title, one after the other."""
    texts: dict[str, list[str]] = {}
    for item in dataset.corpus:
        texts.setdefault(item.title or item.id, []).append(item.text)
    whole = [Item(f"d{i}", title, "\n\n".join(parts)) for i, (title, parts) in enumerate(texts.items())]
    return Dataset(dataset.name, tuple(whole), dataset.questions, dataset.relevant)


def ranked(index: DocumentIndex, reranker: Reranker, question: Question) -> list[Passage]:
    """What a chat model is given for a question, best first."""
    code = language(question.text)
    found = index.search(SearchRequest(question.text, _CANDIDATES, language=code), SOURCE)
    return reranker.rank(question.text, found, code, max(GIVEN), THRESHOLD)


def measure(
    index: DocumentIndex, questions: Sequence[Question], rankings: Sequence[Sequence[Passage]], given: int, way: Joining
) -> Result:
    """One way of joining, over what was ranked for each question."""
    holds, lengths, joined, seconds = [], [], [], []
    for question, ranking in zip(questions, rankings, strict=True):
        began = time.perf_counter()
        passages = way.join(ranking[:given], "")
        seconds.append(time.perf_counter() - began)
        text = "\n".join("\n".join((one.title, one.before, one.text, one.after)) for one in passages)
        holds.append(contains(normalise(text), [normalise(answer) for answer in question.answers]))
        lengths.append(sum(words(part) for one in passages for part in (one.before, one.text, one.after)))
        joined.append(any(one.before or one.after for one in passages))
    return Result(
        given=given,
        width=way.width,
        least=way.least,
        holds=float(np.mean(holds)),
        words=float(np.mean(lengths)),
        joined=float(np.mean(joined)),
        join_ms=1000 * float(np.median(seconds)),
    )


def evaluate(dataset: Dataset, widths: Sequence[int], least: Sequence[float], limit: int | None) -> list[Result]:
    """Every combination, over the questions or an even sample of them."""
    asked = [question for question in dataset.questions if question.answers]
    if limit is not None and limit < len(asked):
        asked = [asked[i * len(asked) // limit] for i in range(limit)]
    encoder = SentenceEncoder()
    with indexed(documents_of(dataset), encoder) as (index, _):
        reranker = Reranker(SentenceJudge(UnitVectors(encoder, index)), index)
        rankings = [ranked(index, reranker, question) for question in asked]
        ways = [Joining(index, 0, 1.0), *(Joining(index, width, cosine) for width in widths for cosine in least)]
        return [measure(index, asked, rankings, given, way) for given in GIVEN for way in ways]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.context", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="folder in BEIR layout, with answers")
    parser.add_argument("--widths", default="1,2,5", help="neighbours on either side (default 1,2,5)")
    parser.add_argument("--least", default="0.5", help="cosines to exceed (default 0.5)")
    parser.add_argument("--limit", type=int, help="ask this many questions, taken evenly")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        widths = [int(width) for width in options.widths.split(",")]
        least = [float(cosine) for cosine in options.least.split(",")]
    except ValueError:
        parser.error(f"--widths is {options.widths} and --least {options.least}; give numbers separated by commas")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit is {options.limit}; give a whole number above 0")
    try:
        dataset = load_dataset(options.dataset)
        results = evaluate(dataset, widths, least, options.limit)
    except (AppError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{dataset.name}\n  given  width  least   holds     words  joined  join_ms")
    for row in results:
        print(
            f"{row.given:>7}{row.width:>7}{row.least:>7.2f}{row.holds:>8.3f}{row.words:>10.0f}{row.joined:>8.2f}"
            f"{row.join_ms:>9.1f}"
        )
    if options.json:
        print(json.dumps({"results": [asdict(row) for row in results]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
