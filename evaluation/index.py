"""How large an index may grow: `python -m evaluation.index [--passages 100000,1000000] [--vectors] [--json]`.

For each size, in a process of its own: passages built and committed per second, bytes on disk, peak memory, and how
long BM25 takes for the 100 best passages of a question. Up to 100,000 passages rank_bm25 is asked the same questions
in turn, over the same analysis of the same passages; it keeps them all in memory, and more would not fit everywhere.

The text is natural, but not new: sentences of the English starter library, drawn at random (seeded) into paragraphs.
A question is a question word and seven words in a row of one sentence. `--vectors` adds random vectors for every
passage, which says what they cost, not how good they are.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from encoder import SentenceEncoder
from evaluation.machine import machine
from retrieval.base import Incoming, Part, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.sentences import sentences
from retrieval.text import analyse
from retrieval.vectors import VectorFile, units

SOURCE = "documents"
K = 100
_LIBRARY = Path(__file__).parent.parent / "assets" / "corpus" / "en"
_PARAGRAPH_WORDS = 75
"""More than half of what a passage holds at least, so that every paragraph becomes one."""
_DOCUMENT, _PART = 10_000, 500
"""Passages of a document, and of one of its parts."""
_QUESTIONS, _WARM = 300, 20
_BLOCKS, _BLOCK = 5, 8
"""How often rank_bm25 is asked how many questions."""
_RANKED = 100_000
_OPENINGS = ("What", "Who", "When", "Where", "Which", "How", "Why")
_DIMENSION = 384


@cache
def library() -> tuple[str, ...]:
    """The sentences of the English starter library."""
    found = []
    for path in sorted(_LIBRARY.glob("*.md")):
        lines = path.read_text(encoding="utf-8").splitlines()
        text = "\n".join(line for line in lines if not line.startswith("#"))
        found += [text[span.start : span.end].replace("\n", " ") for span in sentences(text)]
    return tuple(sentence for sentence in found if len(sentence.split()) > 8)


def paragraph(number: int) -> str:
    """One paragraph of sentences that were drawn at random; another for each number."""
    drawn = random.Random(number)
    text = drawn.choice(library())
    while len(text.split()) < _PARAGRAPH_WORDS:
        text += " " + drawn.choice(library())
    return text


def documents(passages: int) -> Iterator[Incoming]:
    """Documents of so many passages in all."""
    for first in range(0, passages, _DOCUMENT):
        end = min(passages, first + _DOCUMENT)
        yield Incoming(f"d{first}", f"Volume {first // _DOCUMENT}", SOURCE, _parts(first, end), language="en")


def _parts(first: int, end: int) -> Callable[[int], Iterator[Part]]:
    def parts(start: int) -> Iterator[Part]:
        for at in range(first + start * _PART, end, _PART):
            numbers = range(at, min(end, at + _PART))
            yield Part("\n\n".join(map(paragraph, numbers)), done=(numbers[-1] + 1 - first) / (end - first))

    return parts


def questions(count: int) -> list[str]:
    """Questions of eight words."""
    drawn = random.Random("questions")
    asked = []
    for _ in range(count):
        words = drawn.choice(library()).rstrip(".!?").split()
        at = drawn.randrange(len(words) - 7)
        asked.append(" ".join([drawn.choice(_OPENINGS), *words[at : at + 7]]) + "?")
    return asked


def measure(passages: int, vectors: bool) -> dict[str, float]:
    """All figures for one size. Times in milliseconds, memory and disk in MB (10^6 bytes)."""
    with tempfile.TemporaryDirectory() as folder:
        index = DocumentIndex(Path(folder), SentenceEncoder())
        index.open()
        began, cpu = time.perf_counter(), time.process_time()
        for document in documents(passages):
            index.add_incoming(document)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        _, count = index.frequencies(())
        figures = {"passages": count, "passages_per_s": count / took, "passages_per_cpu_s": count / cpu}
        figures["build_peak_memory_mb"] = _peak_mb()
        figures["disk_mb"] = _disk_mb(Path(folder))
        figures |= searched(index)
        figures["peak_memory_mb"] = _peak_mb()
        if vectors:
            figures |= random_vectors(index, Path(folder) / "random.f16")
        if passages <= _RANKED:
            figures |= compared(index, passages)
        index.close()
    return figures


def searched(index: DocumentIndex) -> dict[str, float]:
    """How long BM25 takes for a question; its processor time tells what other work beside it added."""
    wall, cpu = [], []
    for number, question in enumerate(questions(_QUESTIONS)):
        began, worked = time.perf_counter(), time.thread_time()
        index.search(SearchRequest(question, K), SOURCE)
        if number >= _WARM:
            wall.append(time.perf_counter() - began)
            cpu.append(time.thread_time() - worked)
    p50, p95 = map(float, np.percentile(wall, [50, 95]))
    return {"p50_ms": 1000 * p50, "p95_ms": 1000 * p95, "cpu_p50_ms": 1000 * statistics.median(cpu)}


def compared(index: DocumentIndex, passages: int) -> dict[str, float]:
    """Questions per second of both, block by block in turn; the ratio is the median over the blocks."""
    from rank_bm25 import BM25Okapi

    began = time.perf_counter()
    ranked = BM25Okapi([analyse(paragraph(number), "en", stopwords=True) for number in range(passages)])
    figures = {"rank_bm25_passages_per_s": passages / (time.perf_counter() - began)}

    def ours(question: str) -> None:
        index.search(SearchRequest(question, K), SOURCE)

    def theirs(question: str) -> None:
        scores = ranked.get_scores(analyse(question, "en"))
        best = np.argpartition(-scores, min(K, passages - 1))[:K]
        best[np.argsort(-scores[best])]

    asked = questions(_QUESTIONS)
    rates = [(_rate(ours, asked), _rate(theirs, asked[_BLOCK * block :][:_BLOCK])) for block in range(_BLOCKS)]
    figures["questions_per_s"] = statistics.median(rate for rate, _ in rates)
    figures["rank_bm25_questions_per_s"] = statistics.median(rate for _, rate in rates)
    figures["times_rank_bm25"] = statistics.median(rate / plain for rate, plain in rates)
    return figures


def _rate(answer: Callable[[str], None], asked: Sequence[str]) -> float:
    began = time.perf_counter()
    for question in asked:
        answer(question)
    return len(asked) / (time.perf_counter() - began)


def random_vectors(index: DocumentIndex, path: Path) -> dict[str, float]:
    """What vectors for every passage cost: written, opened, and looked up for 100 passages."""
    keys = np.unique(index.passage_keys())
    per_passage = round(statistics.mean(len(units(paragraph(number))) for number in range(200)))
    draw = np.random.default_rng(0)
    file = VectorFile(path, _DIMENSION)
    file.open()
    began = time.perf_counter()
    for at in range(0, len(keys), 256):
        vectors = draw.standard_normal((per_passage, _DIMENSION), np.float32)
        file.append([(int(key), vectors) for key in keys[at : at + 256]])
    written = time.perf_counter() - began
    file.close()
    began = time.perf_counter()
    file.open()
    opened, looked = time.perf_counter() - began, []
    for _ in range(_QUESTIONS):
        wanted = draw.choice(keys, K).tolist()
        began = time.perf_counter()
        sum(float(found[0, 0]) for found in file.lookup(wanted) if found is not None)
        looked.append(time.perf_counter() - began)
    file.close()
    return {
        "vectors_per_passage": per_passage,
        "vectors_mb": path.stat().st_size / 1e6,
        "vectors_written_passages_per_s": len(keys) / written,
        "vectors_open_ms": 1000 * opened,
        "vectors_lookup_p50_ms": 1000 * statistics.median(looked),
    }


def _peak_mb() -> float:
    """The process's own peak: on Linux `ru_maxrss` begins with that of whoever started it."""
    status = Path("/proc/self/status")
    own = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE) if status.is_file() else None
    return (int(own[1]) if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024 / 1e6


def _disk_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.index", description=__doc__.splitlines()[0])
    parser.add_argument("--passages", default="100000", help="sizes, separated by commas (default 100000)")
    parser.add_argument("--vectors", action="store_true", help="also store random vectors: 2 GB per million sentences")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        sizes = [int(size) for size in options.passages.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1000:
        parser.error(f"--passages is {options.passages}; give numbers of at least 1000 separated by commas")
    figures: dict[str, Any] = {}
    for size in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            figures[str(size)] = process.submit(measure, size, options.vectors).result()
        print(f"{size:,} passages")
        for name, value in figures[str(size)].items():
            print(f"  {name:<32}{value:>14,.2f}")
    if options.json:
        rounded = {size: {name: round(value, 3) for name, value in row.items()} for size, row in figures.items()}
        print(json.dumps(rounded | {"machine": machine()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
