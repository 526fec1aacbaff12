"""How well the moderator tells harmful texts from harmless ones, and how fast.

    python -m evaluation.moderation --data FILE.jsonl [--side user|assistant] [--out FILE] [--weights FILE] [--json]

The data (.gz too) hold {"text", "flagged"?} per line. What is written with --out, in the same order, holds {"score",
"level", "categories", "action"}: the app's own moderator, and what the built-in policy with its phrases makes of it.
`recall` and `false_positive_rate` count what is *refused*; `average_precision` and `auroc` judge the order of the
scores alone. Rows whose `flagged` is absent or null are judged but not measured; a metric that the labels do not allow
is null.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import InputError, ModerationError
from moderation.base import Action, Exchange, Moderator, Side, Verdict
from moderation.classifier import WEIGHTS, EmbeddedClassifier
from moderation.policy_file import load_policy
from moderation.readings import Readings, exposed

_TIMED = 200
"""Texts that are checked one at a time for `p50_ms`."""
_BATCH = 256

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Report:
    """None where the labels do not allow the metric. Rates are of refused texts."""

    n: int
    flagged: int
    average_precision: float | None
    auroc: float | None
    recall: float | None
    false_positive_rate: float | None
    p50_ms: float
    texts_per_s: float


def average_precision(flagged: Labels, scores: Scores) -> float | None:
    """Mean over the flagged texts of the precision at their rank; ties are ranked together.

    AP = Σ (R_n - R_n-1) · P_n over the distinct scores, best first (Manning, Raghavan & Schütze 2008, §8.4).
    """
    if not flagged.any():
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(flagged[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision = hits[last_of_tie] / (last_of_tie + 1)
    gained = np.diff(np.append(0, hits[last_of_tie])) / hits[-1]
    return float((precision * gained).sum())


def auroc(flagged: Labels, scores: Scores) -> float | None:
    """Probability that a flagged text scores above one that is not, a tie counting half.

    The Mann-Whitney statistic: (Σ ranks of the flagged - n1(n1+1)/2) / (n1 · n0) (Hanley & McNeil 1982).
    """
    n1 = int(flagged.sum())
    n0 = len(flagged) - n1
    if not n1 or not n0:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    return float((mean_rank[place][flagged].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def share(chosen: Labels) -> float | None:
    """Share of true values; None of nothing."""
    return float(chosen.mean()) if len(chosen) else None


def own_moderator(readings: bool = True, weights: Path = WEIGHTS) -> Moderator:
    """The app's own moderator, loaded. `readings`: whether it judges what a text hides, too."""
    classifier = EmbeddedClassifier(weights)
    classifier.load()
    return Readings(classifier) if readings else classifier


def judge(moderator: Moderator, rows: Sequence[dict[str, Any]], side: Side) -> list[Verdict]:
    """Verdicts on all rows, in order, in batches."""
    exchanges = [Exchange(row["text"], side) for row in rows]
    batches = [exchanges[start : start + _BATCH] for start in range(0, len(exchanges), _BATCH)]
    return [verdict for batch in batches for verdict in moderator.check(batch)]


def measure(rows: Sequence[dict[str, Any]], verdicts: Sequence[Verdict], actions: Sequence[Action]) -> dict[str, Any]:
    """The metrics that need no clock."""
    known = np.array([row.get("flagged") is not None for row in rows], dtype=bool)
    flagged = np.array([bool(row.get("flagged")) for row in rows], dtype=bool)[known]
    scores = np.array([verdict.score for verdict in verdicts], dtype=float)[known]
    refused = np.array([action is Action.REFUSE for action in actions], dtype=bool)[known]
    return {
        "n": len(rows),
        "flagged": int(flagged.sum()),
        "average_precision": average_precision(flagged, scores),
        "auroc": auroc(flagged, scores),
        "recall": share(refused[flagged]),
        "false_positive_rate": share(refused[~flagged]),
    }


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file. Raises `InputError` when one has no text."""
    if not path.is_file():
        raise InputError(f"{path} is not a file; give --data a JSON-lines file with a text per line.")
    data = path.read_bytes()
    try:
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is not JSON lines ({error}); give one JSON object per line.") from error
    for number, row in enumerate(rows, 1):
        if (
            not isinstance(row, dict)
            or not isinstance(row.get("text"), str)
            or row.get("flagged") not in (True, False, None)
        ):
            raise InputError(f'{path}, row {number}: needs "text" (a string) and may have "flagged" (true or false).')
    return rows


def _median_ms(moderator: Moderator, rows: Sequence[dict[str, Any]], side: Side) -> float:
    """Median time of one check of one text, after a first one that is not counted."""
    times = []
    for row in [*rows[:1], *rows[:_TIMED]]:
        start = time.perf_counter()
        moderator.check([Exchange(row["text"], side)])
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times[1:])) if times else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the moderator on labelled texts.")
    parser.add_argument("--data", type=Path, required=True, help='JSON lines, {"text", "flagged"?}; .gz too')
    parser.add_argument("--side", type=Side, choices=list(Side), default=Side.USER, help="who wrote the texts")
    parser.add_argument("--out", type=Path, help="where the verdicts go, one JSON object per line")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="the moderator's; the shipped ones")
    parser.add_argument("--json", action="store_true", help="print nothing but the result")
    options = parser.parse_args()

    try:
        rows = read(options.data)
        moderator = own_moderator(weights=options.weights)
    except (InputError, ModerationError) as error:
        parser.error(str(error))
    policy = load_policy(None)
    start = time.perf_counter()
    verdicts = judge(moderator, rows, options.side)
    elapsed = time.perf_counter() - start
    judged = zip(rows, verdicts, strict=True)
    decisions = [policy.decide(verdict, options.side, text=exposed(row["text"])) for row, verdict in judged]
    actions = [decision.action for decision in decisions]
    if options.out:
        with options.out.open("w", encoding="utf-8") as file:
            for verdict, action in zip(verdicts, actions, strict=True):
                file.write(json.dumps(_row(verdict, action)) + "\n")
    report = Report(
        **measure(rows, verdicts, actions),
        p50_ms=round(_median_ms(moderator, rows, options.side), 1),
        texts_per_s=round(len(rows) / elapsed, 1) if rows else 0.0,
    )
    if not options.json:
        print(f"{options.data.name}: {report.n} texts, {report.flagged} flagged; a text counts when it is refused")
    print(json.dumps(asdict(report)))


def _row(verdict: Verdict, action: Action) -> dict[str, Any]:
    return {
        "score": round(verdict.score, 6),
        "level": verdict.level.label,
        "categories": {name: round(score, 6) for name, score in verdict.categories},
        "action": action.value,
    }


if __name__ == "__main__":
    main()
