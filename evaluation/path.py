"""How long a question takes in a large index: `python -m evaluation.path [--passages 1000000] [--folder DIR] [--json]`.

The whole path, as the app goes it: the question's text, its BM25 candidates, the vectors of their sentences, the final
order. First one searcher alone; then 16 at once, each with questions of its own, who must get exactly what the lone one
got. `search_ms` and `rank_ms` are the two halves of a lone question.

Text and questions are those of `evaluation.index`. The vectors are random, but lie in the vector file of the embedded
encoder, one for each sentence of each passage, so that the times are real and the order means nothing. The question's
own vector is encoded, as always. With `--folder` the index is kept there, and one that is there already is used.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chat.finding import Finder
from chat.sources import Source, Sources
from encoder import SentenceEncoder
from errors import AppError
from evaluation.index import SOURCE, documents, questions
from evaluation.machine import machine
from retrieval.base import Document, Incoming, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.query import standalone
from retrieval.rerank import Reranker
from retrieval.split import passages
from retrieval.unit_vectors import UnitVectors
from retrieval.vectors import VectorFile, encoded_texts, units, vector_key

SEARCHERS = 16
_LIMIT_S = 120.0
_CANDIDATES, _PASSAGES = 100, 6
_WARM = 20
_DRAWN = 2**16
"""Random vectors that are drawn; a passage's are a stretch of them."""

Found = tuple[tuple[str, float], ...]
"""(passage id, probability), best first."""


@contextmanager
def filled(folder: Path, count: int, encoder: SentenceEncoder) -> Iterator[tuple[DocumentIndex, dict[str, float]]]:
    """An index of so many passages with their vectors, and what its making took; nothing where it was there."""
    index = DocumentIndex(folder, encoder)
    index.open()
    try:
        figures: dict[str, float] = {}
        if not index.frequencies(())[1]:
            began = time.perf_counter()
            for document in documents(count):
                index.add_incoming(document)
            figures["build_s"] = time.perf_counter() - began
        path = folder / "vectors" / f"{encoder.hash}.f16"
        if not path.is_file():
            began = time.perf_counter()
            write_random(path, encoder.dimension, count)
            figures["vectors_s"] = time.perf_counter() - began
        began = time.perf_counter()
        index.backfill(threading.Event())  # nothing is missing: it takes in what is there
        keys = np.unique(index.passage_keys())
        there = sum(found is not None for found in index.vectors(keys[:: max(1, len(keys) // 10_000)].tolist()))
        figures["open_vectors_s"] = time.perf_counter() - began
        figures["with_vectors"] = there / len(range(0, len(keys), max(1, len(keys) // 10_000)))
        figures["text_mb"] = sum(each.stat().st_size for each in folder.glob("bm25*/*")) / 1e6
        figures["vectors_mb"] = path.stat().st_size / 1e6
        yield index, figures
    finally:
        index.close()


def write_random(path: Path, dimension: int, count: int) -> None:
    """Random unit vectors for every sentence of every passage of `documents(count)`, under their keys."""
    drawn = unit_vectors(dimension)
    draw = np.random.default_rng(1)
    file = VectorFile(path, dimension)
    file.open()
    for given in documents(count):
        for some in _keys(given):
            starts = draw.integers(0, _DRAWN, len(some)).tolist()
            file.append([(key, drawn[at : at + size]) for (key, size), at in zip(some, starts, strict=True)])
    file.close()


def unit_vectors(dimension: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(0).standard_normal((_DRAWN + 64, dimension), np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def _keys(given: Incoming) -> Iterator[list[tuple[int, int]]]:
    """(key, sentences) of each passage, part by part."""
    for part in given.parts(0):
        text = Document(given.id, given.title, part.text, given.source, language=given.language)
        encoded = [encoded_texts(passage, units(passage.text)) for passage in passages(text)]
        yield [(vector_key(texts), len(texts)) for texts in encoded]


class Searcher:
    """The app's own path from a question to the passages that answer it."""

    def __init__(self, index: DocumentIndex, encoder: SentenceEncoder) -> None:
        self._index = index
        self._reranker = Reranker(SentenceJudge(UnitVectors(encoder, index)), index)
        self._source = Source(index.retriever(SOURCE), {"en": SOURCE})
        self._finder = Finder(Sources([self._source], _LIMIT_S), self._reranker)

    def find(self, question: str) -> Found:
        cancel = threading.Event()
        searching = self._finder.start([self._source], standalone(question, ()), "", cancel)
        finding = self._finder.found(searching, 0.0, cancel)
        if finding.notices:
            raise AppError(str(finding.notices[0]))
        return tuple((passage.id, passage.score) for passage in finding.passages)

    def halves(self, question: str) -> tuple[float, float]:
        """Seconds for the candidates, and for their order."""
        query, began = standalone(question, ()), time.perf_counter()
        found = self._index.search(SearchRequest(query.text, _CANDIDATES, language=query.language), SOURCE)
        searched = time.perf_counter()
        self._reranker.rank(query.text, found, query.language, _PASSAGES)
        return searched - began, time.perf_counter() - searched


def timed(
    find: Callable[[str], Found], asked: Sequence[str], clock: Callable[[], float] = time.perf_counter
) -> tuple[list[Found], list[float]]:
    """What is found for each question, and the seconds that it took."""
    found, seconds = [], []
    for question in asked:
        began = clock()
        found.append(find(question))
        seconds.append(clock() - began)
    return found, seconds


def measure(folder: Path, count: int, asked: int, searchers: int = SEARCHERS) -> dict[str, float]:
    """All figures. Times in milliseconds where they are not said to be seconds, disk in MB (10^6 bytes)."""
    encoder = SentenceEncoder()
    encoder.load()
    with filled(folder, count, encoder) as (index, figures):
        searcher = Searcher(index, encoder)
        warm, mine = questions(_WARM + asked)[:_WARM], questions(_WARM + asked)[_WARM:]
        timed(searcher.find, warm)
        began = time.perf_counter()
        alone, seconds = timed(searcher.find, mine)
        took = time.perf_counter() - began
        _, worked = timed(searcher.find, mine[: len(mine) // 2], time.process_time)
        halves = np.median([searcher.halves(question) for question in mine[: len(mine) // 2]], axis=0)
        figures |= {
            "passages": index.frequencies(())[1],
            "questions": len(mine),
            **_percentiles("", seconds),
            "cpu_p50_ms": 1000 * float(np.median(worked)),
            "search_ms": 1000 * float(halves[0]),
            "rank_ms": 1000 * float(halves[1]),
            "questions_per_s": len(mine) / took,
        }
        return figures | together(searcher, mine, alone, searchers)


def together(searcher: Searcher, asked: Sequence[str], alone: Sequence[Found], searchers: int) -> dict[str, float]:
    """Searchers side by side, who share out the questions but begin each with those of another; what differs."""
    ready = threading.Barrier(searchers + 1)

    def search(number: int) -> tuple[int, list[float]]:
        mine = range(number % len(asked), len(asked), max(1, min(searchers, len(asked)) // 4))
        ready.wait()
        found, seconds = timed(searcher.find, [asked[i] for i in mine])
        return sum(one != alone[i] for one, i in zip(found, mine, strict=True)), seconds

    with ThreadPoolExecutor(searchers) as threads:
        begun = [threads.submit(search, number) for number in range(searchers)]
        ready.wait()
        began = time.perf_counter()
        results = [one.result() for one in begun]
        took = time.perf_counter() - began
    seconds = [second for _, own in results for second in own]
    return {
        "searchers": searchers,
        "together_questions": len(seconds),
        "together_differ": sum(differ for differ, _ in results),
        "together_questions_per_s": len(seconds) / took,
        **_percentiles("together_", seconds),
    }


def _percentiles(of: str, seconds: Sequence[float]) -> dict[str, float]:
    p50, p95 = map(float, np.percentile(seconds, [50, 95]))
    return {f"{of}p50_ms": 1000 * p50, f"{of}p95_ms": 1000 * p95}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.path", description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=1_000_000, help="how many (default 1000000: 5 GB of disk)")
    parser.add_argument("--questions", type=int, default=300, help="asked by the lone searcher (default 300)")
    parser.add_argument("--folder", type=Path, help="keep the index here, or use the one that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    if min(options.passages, options.questions) < 10:
        parser.error(f"--passages is {options.passages} and --questions {options.questions}; give at least 10 of each")
    try:
        with tempfile.TemporaryDirectory() as made:
            figures: dict[str, Any] = measure(options.folder or Path(made), options.passages, options.questions)
    except (AppError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in figures.items():
        print(f"  {name:<28}{value:>14,.2f}")
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()} | {"machine": machine()}))
    return 1 if figures["together_differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
