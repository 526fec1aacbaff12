"""The report of `evaluation.chat`: report.md with tables and examples, scores.png, figures.json, the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.measures import MEASURES, Judged
from evaluation.significance import p_value

if TYPE_CHECKING:
    from evaluation.chat import Outcome

_PLOT = "scores.png"
_EXAMPLES = 3
_SHOWN = 700
"""Characters of a question or an answer in the report."""
_COLOURS = ("#9aa5b1", "#2f6f9f", "#c2803a", "#5b8c5a", "#8a5a8c")
_BAR, _INCHES = 0.8, 0.55


def write(folder: Path, figures: Mapping[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write everything into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder / _PLOT, figures)
    (folder / "figures.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(report(figures, outcomes), encoding="utf-8")
    for number, outcome in enumerate(outcomes, 1):
        text = "".join(_answer_line(one) for one in outcome.judged)
        (folder / f"answers-{number}.jsonl").write_text(text, encoding="utf-8")


def _answer_line(one: Judged) -> str:
    fields = {
        "id": one.item.id,
        "task": one.item.task,
        "answer": one.answer.text,
        "failed": one.answer.failed,
        "cut": one.answer.cut,
        "ms": round(one.answer.ms, 1),
        "measures": {name: round(above / below, 4) for name, (above, below) in one.row.items()},
    }
    return json.dumps(fields, ensure_ascii=False) + "\n"


def draw(path: Path, figures: Mapping[str, Any]) -> None:
    """The score by task: a bar for each model, with its interval."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = figures["models"]
    groups = [(task, [model["tasks"][task] for model in models]) for task in models[0]["tasks"]]
    if len(groups) > 1:
        groups.append(("all items", [model["overall"] for model in models]))
    height, thick = 1.4 + _INCHES * len(groups) * max(1.0, len(models) / 2), _BAR / len(models)
    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    for n, model in enumerate(models):
        scores = [values[n]["score"] for _, values in groups]
        value = [each["value"] for each in scores]
        spread = [[max(0.0, each["value"] - each["low"]) for each in scores]]
        spread.append([max(0.0, each["high"] - each["value"]) for each in scores])
        places = [i + (n - (len(models) - 1) / 2) * thick for i in range(len(groups))]
        colour = _COLOURS[n % len(_COLOURS)]
        axes.barh(places, value, thick * 0.92, color=colour, label=model["name"])
        axes.errorbar(value, places, xerr=spread, fmt="o", color=colour, ms=4, mec="#222222", ecolor="#222222", lw=1)
    axes.set_yticks(range(len(groups)), [name for name, _ in groups])
    axes.invert_yaxis()
    axes.set(xlim=(-0.01, 1.01), xlabel=f"score, with intervals of {figures['level']:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=min(3, len(models)), frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def report(figures: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    """The report as Markdown."""
    names = [model["name"] for model in figures["models"]]
    parts = [
        f"# {' and '.join(names) if len(names) < 3 else 'Models'} on {Path(figures['suite']).name}",
        f"{figures['items']:,} items. Intervals of {figures['level']:.0%} by {figures['resamples']:,} bootstrap "
        "resamples of the items (Wilson's where all items are alike); differences on the same items, p by McNemar's "
        "exact test where results are right or wrong, else by approximate randomisation; “p, Holm” is adjusted for the "
        "number of tasks.",
        f"![Score by task]({_PLOT})",
        "## Score by task",
        _scores(figures),
        "## Every measure, all items",
        _measures(figures, ""),
        "Arrows say which way is better. – : the measure does not apply, or cannot be had from this kind of model.",
    ]
    tasks = list(figures["models"][0]["tasks"])
    if len(tasks) > 1:
        parts.append("## Every measure by task")
        for task in tasks:
            parts += [f"### {task}", _measures(figures, task)]
    for other in outcomes[1:]:
        parts += _examples(outcomes[0], other)
    if len(outcomes) == 1:
        parts += _worst(outcomes[0])
    return "\n\n".join(parts) + "\n"


def _scores(figures: Mapping[str, Any]) -> str:
    models, compared = figures["models"], figures["compared"]
    heads = ["task", "items", *(model["name"] for model in models)]
    for pair in compared:
        heads += [f"{pair['to']} − {pair['from']}", "p", "p, Holm"]
    rows = []
    for task in models[0]["tasks"]:
        row = [task, str(models[0]["tasks"][task]["score"]["n"])]
        row += [_interval(model["tasks"][task]["score"]) for model in models]
        for pair in compared:
            each = pair["tasks"][task]["score"]
            row += [_gap(each), p_value(each["p"]), p_value(each["p_holm"])]
        rows.append(row)
    total = ["**all items**", str(figures["items"]), *(_interval(model["overall"]["score"]) for model in models)]
    for pair in compared:
        each = pair["overall"]["score"]
        total += [_gap(each), p_value(each["p"]), ""]
    return _table(heads, [*rows, total])


_ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


def _measures(figures: Mapping[str, Any], task: str) -> str:
    """Every measure that a model has, over all items or those of one task."""

    def of(part: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = part["tasks"][task] if task else part["overall"]
        return found

    models, compared = figures["models"], figures["compared"]
    heads = ["measure", *(model["name"] for model in models)]
    for pair in compared:
        heads += [f"{pair['to']} − {pair['from']}", "p"]
    rows = []
    for name, measure in MEASURES.items():
        if not any(name in of(model) for model in models):
            continue
        row = [measure.label + _ARROWS[measure.better]]
        row += [_interval(of(model)[name], counted=True) if name in of(model) else "–" for model in models]
        for pair in compared:
            each = of(pair).get(name)
            row += [_gap(each), p_value(each["p"])] if each else ["–", "–"]
        rows.append(row)
    return _table(heads, rows)


def _interval(each: Mapping[str, Any], counted: bool = False) -> str:
    n = f"; {each['n']}" if counted else ""
    return f"{each['value']:.3f} ({each['low']:.3f} – {each['high']:.3f}{n})"


def _gap(each: Mapping[str, Any]) -> str:
    return f"{each['difference']:+.3f} ({each['low']:+.3f} – {each['high']:+.3f})"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = "|---" + "|--:" * (len(heads) - 1) + "|"
    return "\n".join([_row(heads), rule, *(_row(row) for row in rows)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _examples(first: Outcome, other: Outcome) -> list[str]:
    """Where the second model gains most, and where it loses most."""
    pairs = list(zip(first.judged, other.judged, strict=True))
    order = sorted(pairs, key=lambda pair: (_worth(pair[0]) - _worth(pair[1]), _f1(pair[0]) - _f1(pair[1])))
    gains = [pair for pair in order[:_EXAMPLES] if _worth(pair[1]) > _worth(pair[0])]
    losses = [pair for pair in order[::-1][:_EXAMPLES] if _worth(pair[1]) < _worth(pair[0])]
    parts: list[str] = []
    for title, some in ((f"Where {other.name} gains most", gains), (f"Where {other.name} loses most", losses)):
        parts += [f"## {title}", *(_example(one, ((first.name, one), (other.name, two))) for one, two in some)]
        if not some:
            parts.append("Nowhere.")
    return parts


def _worst(outcome: Outcome) -> list[str]:
    order = sorted(outcome.judged, key=lambda one: (_worth(one), _f1(one)))
    return ["## What it does worst", *(_example(one, ((outcome.name, one),)) for one in order[:_EXAMPLES])]


def _worth(one: Judged) -> float:
    return one.row["score"][0]


def _f1(one: Judged) -> float:
    return one.row.get("f1", (0.0, 1.0))[0]


def _example(asked: Judged, said: Sequence[tuple[str, Judged]]) -> str:
    parts = [f"**{asked.item.id}** ({asked.item.task})", _quoted(asked.item.question)]
    if asked.item.sources:
        parts.append("Sources: " + "; ".join(source.title or "untitled" for source in asked.item.sources))
    parts += ["Reference:", _quoted(asked.item.reference)]
    for name, one in said:
        parts += [f"{name}, score {_worth(one):.2f}:", _quoted(one.answer.text or one.answer.failed or "(nothing)")]
    return "\n\n".join(parts)


def _quoted(text: str) -> str:
    """A text as it stands, in a fence that it cannot close."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", cut)), default=0))
    return f"{fence}text\n{cut}\n{fence}"
