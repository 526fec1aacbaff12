"""Figures and plots of the embedded moderator for docs/moderation.md.

    python -m evaluation.moderation_report --data DIR [--ordinary DIR]

The folders are those of `finetune.moderation`; only texts that nothing was trained on are judged, as in the app: with
the readings of disguised texts, the built-in policy and its phrases. Tables go into docs/moderation.md between
`<!-- figures -->` and `<!-- /figures -->`, plots beside it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import generated
from errors import AppError
from evaluation.calibration import calibration_error, refused_from, reliability
from evaluation.moderation import auroc, average_precision, judge, own_moderator
from finetune.moderation_data import Row, all_rows, template_rows
from moderation.base import Action, Category, Side, Verdict
from moderation.classifier import WEIGHTS, Weights
from moderation.features import chinese_share
from moderation.policy_file import load_policy
from moderation.readings import exposed

PAGE = Path(__file__).parent.parent / "docs" / "moderation.md"
_BEGIN, _END = "<!-- figures -->", "<!-- /figures -->"
_RELIABILITY, _THRESHOLDS = "moderation-reliability.png", "moderation-thresholds.png"

GROUPS = (
    *("lesbian", "gay", "bisexual", "transgender", "trans", "queer", "lgbt", "lgbtq", "homosexual", "straight"),
    *("heterosexual", "male", "female", "nonbinary", "african", "african american", "black", "white", "european"),
    *("hispanic", "latino", "latina", "latinx", "mexican", "canadian", "american", "asian", "indian", "middle eastern"),
    *("chinese", "japanese", "christian", "muslim", "jewish", "buddhist", "catholic", "protestant", "sikh", "taoist"),
    *("old", "older", "young", "younger", "teenage", "millenial", "middle aged", "elderly", "blind", "deaf"),
    "paralyzed",
)
"""The identity terms of the bias templates (Dixon et al. 2018, AIES)."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """Texts, what they are, and what the moderator and its policy made of them."""

    rows: Sequence[Row]
    verdicts: Sequence[Verdict]
    actions: Sequence[Action]

    @property
    def scores(self) -> NDArray[np.float64]:
        return np.array([verdict.score for verdict in self.verdicts])

    @property
    def flagged(self) -> Bools:
        return np.array([bool(row.flagged) for row in self.rows])

    @property
    def refused(self) -> Bools:
        return np.array([action is Action.REFUSE for action in self.actions])

    def of(self, chosen: Iterable[bool]) -> Judged:
        """Some of them."""
        kept = [i for i, one in enumerate(chosen) if one]
        return Judged([self.rows[i] for i in kept], [self.verdicts[i] for i in kept], [self.actions[i] for i in kept])


def judged(rows: Sequence[Row]) -> Judged:
    """The rows, each judged by itself and as its side wrote it."""
    moderator, policy = own_moderator(), load_policy()
    sides = [Side.ASSISTANT if row.source == "own_answer" else Side.USER for row in rows]
    verdicts = judge(moderator, [{"text": row.text} for row in rows], Side.USER)
    actions = [
        policy.decide(verdict, side, text=exposed(row.text)).action
        for row, verdict, side in zip(rows, verdicts, sides, strict=True)
    ]
    return Judged(rows, verdicts, actions)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(chosen: Bools) -> float | None:
    return float(chosen.mean()) if len(chosen) else None


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = "|---" + "|--:" * (len(heads) - 1) + "|"
    return "\n".join([f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])


def sources(given: Judged) -> str:
    """A line for each set, and for all in each language."""
    names = sorted({row.source for row in given.rows})
    parts = {name: given.of(row.source == name for row in given.rows) for name in names}
    english = [chinese_share(row.text) < 0.3 for row in given.rows]
    parts |= {"**all English**": given.of(english), "**all Chinese**": given.of(not one for one in english)}
    heads = ("held-out part of", "texts", "harmful", "average precision", "AUROC", "recall", "refused harmless")

    def line(name: str, part: Judged) -> tuple[str, ...]:
        flagged = part.flagged
        both = flagged.any() and not flagged.all()
        cells = (
            average_precision(flagged, part.scores) if both else None,
            auroc(flagged, part.scores),
            _share(part.refused[flagged]),
            _share(part.refused[~flagged]),
        )
        return (name, f"{len(part.rows):,}", f"{int(flagged.sum()):,}", *map(_cell, cells))

    return _table(heads, (line(name, part) for name, part in parts.items()))


def categories(given: Judged) -> str:
    """A line for each category: how well its score finds its texts among all that have categories, and recall."""
    known = given.of(row.categories is not None for row in given.rows)

    def line(category: Category) -> tuple[str, ...]:
        own = np.array([category in (row.categories or ()) for row in known.rows])
        scores = np.array([dict(verdict.categories).get(category, 0.0) for verdict in known.verdicts])
        leading = [verdict.categories[0][0] if verdict.categories else "" for verdict in known.verdicts]
        first = np.array([name == category for name in leading])
        cells = (average_precision(own, scores), _share(known.refused[own]), _share(first[own]))
        return (category, f"{int(own.sum()):,}", *map(_cell, cells))

    heads = ("category", "texts", "average precision", "refused", "named first")
    return _table(heads, (line(category) for category in Category))


def groups(given: Judged) -> tuple[str, float]:
    """False refusals of harmless templates by identity term, and how far apart the terms are."""
    harmless = given.of(not row.flagged for row in given.rows)
    found: dict[str, tuple[int, float]] = {}
    for term in GROUPS:
        longer = [other for other in GROUPS if term in other.split() and other != term]
        part = harmless.of(
            re.search(rf"\b{term}\b", row.text.lower()) is not None and not any(o in row.text.lower() for o in longer)
            for row in harmless.rows
        )
        if part.rows:
            found[term] = (len(part.rows), float(part.refused.mean()))
    rates = [rate for _, rate in found.values()]
    worst = sorted(found.items(), key=lambda pair: -pair[1][1])
    lines = [(term, f"{count:,}", f"{rate:.3f}") for term, (count, rate) in worst]
    return _table(("term", "harmless templates", "refused"), lines), max(rates) - min(rates)


def draw(given: Judged, folder: Path) -> float:
    """The two plots; the expected calibration error over all texts."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    bins = reliability(given.flagged, given.scores)
    error = calibration_error(bins)
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="exact")
    axes.plot([b.probability for b in bins], [b.harmful for b in bins], "o-", color="#3b6ea5", label="moderator")
    axes.set(xlabel="probability of harm", ylabel="share harmful", title=f"Held-out texts; ECE {error:.3f}")
    axes.legend(frameon=False)
    figure.savefig(folder / _RELIABILITY, dpi=110)
    plt.close(figure)

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    thresholds = np.linspace(0, 1, 201)
    for label, names, harmful, style in _CURVES:
        part = given.of(row.source in names and bool(row.flagged) is harmful for row in given.rows)
        axes.plot(thresholds, refused_from(part.scores, thresholds), style, label=label)
    axes.axvline(Weights.read(WEIGHTS).thresholds[3], color="#999999", linewidth=1)
    axes.set(xlabel="threshold", ylabel="share refused", title="What each threshold would refuse")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(folder / _THRESHOLDS, dpi=110)
    plt.close(figure)
    return error


_EVERYDAY = ("own_everyday", "benign", "ordinary_squad_dev_en")
_CURVES = (
    ("plainly harmful requests", ("own_plain",), True, "-"),
    ("harmful twins", ("own_twin", "own_contrast"), True, "--"),
    ("harmless twins", ("own_twin", "own_contrast"), False, ":"),
    ("everyday", _EVERYDAY, False, "-."),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.moderation_report", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public moderation sets")
    parser.add_argument("--ordinary", type=Path, help="folder of reading-comprehension sets in BEIR layout")
    options = parser.parse_args(arguments)
    try:
        rows = [row for row in all_rows(options.data, options.ordinary) if row.held and row.flagged is not None]
        templates = judged(list(template_rows(options.data)))
        given = judged(rows)
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    apart_from_exact = draw(given, PAGE.parent)
    by_group, apart = groups(templates)
    text = "\n\n".join(
        [
            f"![Reliability]({_RELIABILITY}) ![Thresholds]({_THRESHOLDS})",
            f"Expected calibration error {apart_from_exact:.3f}, in ten bins over all held-out texts.",
            sources(given),
            categories(given),
            f"Identity terms: the rates of false refusals are at most {100 * apart:.1f} points apart.",
            by_group,
        ]
    )
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(generated.between(page, _BEGIN, _END, f"\n{text}\n"), encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
