"""How much the vectors that follow in the background slow a chat.

    python -m evaluation.background [--users 1,4] [--json]

The real assistant writes answers with a model of random weights (`evaluation.shapes`), in turn alone and while the
index encodes passages; the ratio is the median over the rounds, pair by pair. Beside it stand the passages encoded
per second while somebody is answered, and while nobody is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from activity import Activity
from chat.local import LocalModel
from chat.placement import Placement
from encoder import SentenceEncoder
from evaluation.index import documents
from evaluation.machine import machine
from evaluation.shapes import SHAPES, make
from evaluation.speed import SAMPLINGS, Count, Writer, assistant_for, measure, ours
from retrieval.index import DocumentIndex

_PASSAGES = 20_000
"""More than are encoded meanwhile."""
_PROMPT = 100
_IDLE_S = 10.0


@contextmanager
def encoding(index: DocumentIndex) -> Iterator[list[float]]:
    """The index encodes passages meanwhile; at the end the list holds how many there were per second."""
    stop, done, rate = threading.Event(), [0], list[float]()
    thread = threading.Thread(target=index.backfill, args=(stop, lambda count, total: done.append(count)))
    began = time.perf_counter()
    thread.start()
    try:
        yield rate
    finally:
        stop.set()
        thread.join()
        rate.append(done[-1] / (time.perf_counter() - began))


def compare(
    write: Writer, index: DocumentIndex, users: int, rounds: int, tokens: int, count: Count
) -> dict[str, float]:
    """A chat alone and beside the encoding, in turn; times in ms."""
    pairs, rates = [], list[float]()
    for seed in range(1, rounds + 1):
        alone = measure(write, users, _PROMPT, tokens, seed, count)
        with encoding(index) as rate:
            beside = measure(write, users, _PROMPT, tokens, seed, count)
        pairs.append((alone, beside))
        rates += rate
    return {
        "tokens_per_s": statistics.median(alone.tokens_per_s for alone, _ in pairs),
        "beside_tokens_per_s": statistics.median(beside.tokens_per_s for _, beside in pairs),
        "ratio": statistics.median(beside.tokens_per_s / alone.tokens_per_s for alone, beside in pairs),
        "ttft_p50_ms": 1000 * statistics.median(statistics.median(alone.first_s) for alone, _ in pairs),
        "beside_ttft_p50_ms": 1000 * statistics.median(statistics.median(beside.first_s) for _, beside in pairs),
        "beside_passages_per_s": statistics.median(rates),
    }


def run(model: LocalModel, folder: Path, users: Sequence[int], rounds: int, tokens: int) -> dict[str, Any]:
    """All measurements on a loaded model."""
    activity, encoder = Activity(), SentenceEncoder()
    index = DocumentIndex(folder, encoder, activity)
    index.open()
    for document in documents(_PASSAGES):
        index.add_incoming(document)
    write = ours(assistant_for(model, index, encoder, activity), SAMPLINGS["default"])

    def count(text: str) -> int:
        return len(model.tokenizer.encode(text, add_special_tokens=False))

    measure(write, 1, _PROMPT, 8, seed=0, count=count)
    with encoding(index) as idle:
        time.sleep(_IDLE_S)
    rows = {str(number): compare(write, index, number, rounds, tokens, count) for number in users}
    index.close()
    return {"users": rows, "idle_passages_per_s": idle[0]}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.background", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="neox-80m", choices=sorted(SHAPES))
    parser.add_argument("--users", default="1,4", help="numbers of users, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of measurements per number of users")
    parser.add_argument("--tokens", type=int, default=256, help="tokens of an answer")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        users = [int(number) for number in options.users.split(",")]
    except ValueError:
        parser.error(f"--users is {options.users}; give numbers separated by commas, like 1,4")
    with tempfile.TemporaryDirectory() as scratch:
        model = LocalModel(str(make(options.model, Path(scratch) / "model")), Placement("cpu"), users=max(users))
        model.load()
        figures = run(model, Path(scratch) / "index", users, options.rounds, options.tokens)
    for number, row in figures["users"].items():
        print(
            f"{number:>4} users: {row['tokens_per_s']:7.1f} tokens/s alone, {row['beside_tokens_per_s']:7.1f} beside, "
            f"ratio {row['ratio']:.2f}; {row['beside_passages_per_s']:.1f} passages/s"
        )
    print(f"nobody: {figures['idle_passages_per_s']:.1f} passages/s")
    if options.json:
        rounded = {
            number: {name: round(value, 3) for name, value in row.items()} for number, row in figures["users"].items()
        }
        idle = round(figures["idle_passages_per_s"], 3)
        print(json.dumps({"users": rounded, "idle_passages_per_s": idle, "model": options.model, "machine": machine()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
