"""Teaches the embedded moderator what an operator has ruled on: `python -m finetune.moderation_cases`.

    python -m finetune.export --out cases.jsonl --moderation
    python -m finetune.moderation_cases cases.jsonl --out var/moderation.safetensors
    make run ARGS="--moderation-weights var/moderation.safetensors"

The weights go on from `--start`, which are the shipped ones unless others are named. The encoder, mixes and thresholds
stay. The networks learn each case, and are held to what they said before of our own examples (evaluation/data, 18,000
texts). So what is like a case changes, and little else; what changed of held-out examples is told, and stands in the
card beside the weights.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from encoder import SentenceEncoder
from errors import AppError, ModerationError
from finetune.moderation import flagged, save
from finetune.moderation_data import Row, library_rows, own_rows, reply_rows
from finetune.moderation_further import further
from finetune.moderation_windows import Bools, cut
from finetune.ruled_cases import SOURCE, load_cases
from finetune.writing import writing
from moderation.base import Level
from moderation.classifier import WEIGHTS, Weights


@dataclass(frozen=True, slots=True)
class Change:
    """How texts of one kind are judged: shares that are refused, before and after; None where there are none."""

    name: str
    count: int
    harmful: tuple[float, float] | None
    harmless: tuple[float, float] | None

    def line(self) -> str:
        cells = ("–" if pair is None else f"{pair[0]:.3f} → {pair[1]:.3f}" for pair in (self.harmful, self.harmless))
        return f"| {self.name} | {self.count:,} | {' | '.join(cells)} |"


def examples(cases: Sequence[Row]) -> list[Row]:
    """The cases, our own examples, those held out too, and what the app says itself; what was ruled on is a case."""
    rows = {row.text: replace(row, weight=1.0) for row in (*own_rows(), *reply_rows(), *library_rows())}
    return list((rows | {row.text: row for row in cases}).values())


def changes(rows: Sequence[Row], before: Bools, after: Bools) -> list[Change]:
    """What changed, of the cases and of each kind of our own held-out examples."""
    counted = [row.source == SOURCE or (row.held and row.flagged is not None) for row in rows]
    names = np.array([row.source if use else "" for row, use in zip(rows, counted, strict=True)])
    harmful = np.array([bool(row.flagged) for row in rows])

    def shares(part: Bools) -> tuple[float, float] | None:
        return (float(before[part].mean()), float(after[part].mean())) if part.any() else None

    return [
        Change(name.removeprefix("own_"), int(chosen.sum()), shares(chosen & harmful), shares(chosen & ~harmful))
        for name in sorted(set(names) - {""})
        for chosen in [names == name]
    ]


def _table(found: Sequence[Change]) -> str:
    lines = ["| | texts | harmful refused | harmless refused |", "|---|--:|--:|--:|"]
    return "\n".join([*lines, *(change.line() for change in found)])


def _card(start: Path, files: Sequence[Path], cases: Sequence[Row], table: str) -> str:
    """The card beside the weights, in Markdown."""
    harmful = sum(bool(row.flagged) for row in cases)
    names = "\n".join(f"| {file.name} | {hashlib.sha256(file.read_bytes()).hexdigest()} |" for file in files)
    return f"""# Moderation classifier, taught by rulings

Went on from `{start.name}` (SHA-256 {hashlib.sha256(start.read_bytes()).hexdigest()}), whose card holds for everything
that is not said here. Learnt {len(cases):,} cases that an operator ruled on, {harmful:,} of them harmful, by
`python -m finetune.moderation_cases`.

| cases | SHA-256 |
|---|---|
{names}

## What changed
Shares that the built-in policy refuses, before → after: of the cases, which were learnt, and of our own held-out
examples.

{table}
"""


def teach(start: Path, files: Sequence[Path], out: Path, skip_bad: bool = False) -> list[Change]:
    """Write the weights after the cases, and their card; what changed. Raises `AppError`: a file cannot be used."""
    cases = load_cases(files, skip_bad)
    weights = Weights.read(start)
    encoder = SentenceEncoder(changes=weights.changes)
    if encoder.hash != weights.encoder_hash:
        raise ModerationError(
            f"{start} was trained on another encoder than the embedded one; give the shipped weights."
        )
    with writing(out, "--out"):
        out.parent.mkdir(parents=True, exist_ok=True)
    rows = examples(cases)
    data = cut(rows)
    vectors = encoder.encode([data.texts[i] for i in np.flatnonzero(data.english)])
    of_cases = np.array([row.source == SOURCE for row in rows])[data.row]
    before = flagged(weights, rows, data, vectors, Level.NEEDS_INTERVENTION)
    taught = further(weights, data, vectors, of_cases)
    with writing(out, "--out"):
        save(taught, out)
        after = flagged(Weights.read(out), rows, data, vectors, Level.NEEDS_INTERVENTION)
        found = changes(rows, before, after)
        out.with_suffix(".md").write_text(_card(start, files, cases, _table(found)), encoding="utf-8")
    return found


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.moderation_cases", description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path, nargs="+", help="JSON lines of finetune.export --moderation")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go; a card goes beside them")
    parser.add_argument("--start", type=Path, default=WEIGHTS, help="the weights to go on from; the shipped ones")
    parser.add_argument("--skip-bad", action="store_true", help="leave out cases that cannot be used")
    options = parser.parse_args(given)
    try:
        found = teach(options.start, options.cases, options.out, options.skip_bad)
    except AppError as error:
        print(f"finetune.moderation_cases: {error}", file=sys.stderr)
        return 1
    print(_table(found))
    print(f'Use it: make run ARGS="--moderation-weights {options.out}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
