"""Did a chat model get better: `python -m evaluation.chat --model A [--model B …] --suite FILE [--out DIR] [--json]`.

    python -m evaluation.chat --model reader                                     # the suite written for this project
    python -m evaluation.chat --model BASE --model BASE --adapter RUN --out report
    python -m evaluation.chat --model BEFORE --model AFTER --suite questions.jsonl

Models: see `evaluation.engines`; `--adapter` belongs to the `--model` before it. Suites: see `evaluation.suite`. What
is measured stands in `evaluation.measures`, how sure it is in `evaluation.significance`: every figure has its interval,
and each further model is compared with the first one on the same items. Overall figures count every item once.
`--limit` takes so many items of each task. Code in answers is run in a process of its own that may do next to nothing
(`evaluation.code_process`); `--no-code` leaves those items out.

`--out` gets report.md, scores.png, figures.json, and the answers of the n-th model in answers-n.jsonl. With `--json`
the figures come as one JSON object on the last line: `models` (`overall` and `tasks`: `value`, `low`, `high`, `n` of
each measure) and `compared` (`difference`, `low`, `high`, `p`, `n`, `test`; by task also `p_holm`).
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chat.placement import DTYPES, QUANTISATIONS, Placement
from encoder import SentenceEncoder
from errors import AppError, InputError
from evaluation.engines import READER, Contestant, Named, answers, contestant, names
from evaluation.items import Item
from evaluation.measures import MEASURES, Judge, Judged, paired, sums
from evaluation.significance import LEVEL, RESAMPLES, difference, estimate, holm, p_value
from evaluation.suite import DEFAULT, load_suite, sample
from retrieval.judge import SentenceJudge
from retrieval.support import Support
from retrieval.unit_vectors import UnitVectors

SEED = 0
_DIGITS = 6

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One model's whole run."""

    name: str
    named: Named
    judged: tuple[Judged, ...]

    def of(self, task: str) -> tuple[Judged, ...]:
        return tuple(one for one in self.judged if one.item.task == task)

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.item.task for one in self.judged))


def run(asked: Contestant, named: Named, items: Sequence[Item], judge: SentenceJudge) -> Outcome:
    """Load a model and put a suite to it. Raises `ModelError` and `InputError`."""
    asked.load()
    said = answers(asked, items, _tell)
    losses: Sequence[Any] = [None] * len(items)
    if asked.local is not None:
        from evaluation.likelihood import losses as losses_of

        asked.local.rest()  # what its answers have read takes most of the memory that was free
        losses = losses_of(asked.local, items)
        asked.local.close()
    measure = Judge(Support(judge))
    return Outcome(asked.name, named, tuple(measure.judge(*one) for one in zip(items, said, losses, strict=True)))


def figures(outcomes: Sequence[Outcome], suite: str) -> Figures:
    """Everything that `--json` prints."""
    first, *others = outcomes
    return {
        "suite": suite,
        "items": len(first.judged),
        "level": LEVEL,
        "resamples": RESAMPLES,
        "seed": SEED,
        "models": [_of_model(outcome) for outcome in outcomes],
        "compared": [_compared(first, other) for other in others],
    }


def _of_model(outcome: Outcome) -> Figures:
    return {
        "name": outcome.name,
        "model": outcome.named.model,
        "adapter": outcome.named.adapter,
        "overall": _estimates(outcome.judged),
        "tasks": {task: _estimates(outcome.of(task)) for task in outcome.tasks},
    }


def _estimates(judged: Sequence[Judged]) -> Figures:
    found = {name: each for name in MEASURES if (each := sums(judged, name)) is not None}
    return {name: _rounded(asdict(estimate(each, SEED))) for name, each in found.items()}


def _compared(first: Outcome, other: Outcome) -> Figures:
    tasks = {task: _differences(first.of(task), other.of(task)) for task in first.tasks}
    for name in MEASURES:
        having = [task for task in tasks if name in tasks[task]]
        for task, p in zip(having, holm([tasks[task][name]["p"] for task in having]), strict=True):
            tasks[task][name]["p_holm"] = round(p, _DIGITS)
    return {
        "from": first.name,
        "to": other.name,
        "overall": _differences(first.judged, other.judged),
        "tasks": tasks,
    }


def _differences(one: Sequence[Judged], other: Sequence[Judged]) -> Figures:
    found = {name: both for name in MEASURES if (both := paired(one, other, name)) is not None}
    shown = {name: asdict(difference(*both, SEED)) for name, both in found.items()}
    return {name: _rounded({"difference": each.pop("value"), **each}) for name, each in shown.items()}


def _rounded(values: Mapping[str, Any]) -> Figures:
    return {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in values.items()}


def lines(shown: Figures) -> list[str]:
    """The figures for a terminal: the score by task, and every measure overall."""
    tasks = list(shown["models"][0]["tasks"])
    wide = max(map(len, [*tasks, *(measure.label for measure in MEASURES.values())]))
    found = [f"{shown['suite']}: {shown['items']:,} items, score by task (interval of {LEVEL:.0%})"]
    found += [_line(task.ljust(wide), shown, task, "score") for task in tasks]
    found.append("all items")
    found += [
        _line(measure.label.ljust(wide), shown, "", name)
        for name, measure in MEASURES.items()
        if any(name in model["overall"] for model in shown["models"])
    ]
    return found


def _line(head: str, shown: Figures, task: str, name: str) -> str:
    cells = []
    for model in shown["models"]:
        each = (model["tasks"][task] if task else model["overall"]).get(name)
        cells.append(f"{each['value']:9.3f} [{each['low']:.3f}, {each['high']:.3f}]" if each else f"{'–':>9}".ljust(24))
    for pair in shown["compared"]:
        each = (pair["tasks"][task] if task else pair["overall"]).get(name)
        cells.append(f"{each['difference']:+.3f} (p {p_value(each['p'])})" if each else "")
    return f"  {head}" + " ".join(cells)


class _Name(argparse.Action):
    """`--model`, and the `--adapter` that belongs to the one before it."""

    def __call__(self, parser: argparse.ArgumentParser, space: Any, values: Any, flag: str | None = None) -> None:
        named: list[Named] = list(getattr(space, self.dest) or [])
        if flag == "--model":
            named.append(Named(values))
        elif not named or named[-1].adapter:
            parser.error(f"--adapter {values} belongs to no --model; put it after the one that it is for")
        else:
            named[-1] = Named(named[-1].model, values)
        setattr(space, self.dest, named)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation.chat", description=__doc__.splitlines()[0])
    parser.add_argument("--model", action=_Name, dest="named", help=f"`{READER}`, hub id, folder, or address; again")
    parser.add_argument("--adapter", action=_Name, dest="named", help="LoRA adapter of the --model before it")
    parser.add_argument("--suite", default=DEFAULT, help=f"a JSONL file, a folder of them, or `{DEFAULT}`")
    parser.add_argument("--limit", type=int, help="take this many items of each task, evenly")
    parser.add_argument("--no-code", action="store_true", help="leave out items whose answers are run as code")
    parser.add_argument("--out", type=Path, help="folder for the report, the plot and the answers")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=DTYPES, default="auto")
    parser.add_argument("--quantisation", choices=QUANTISATIONS, default="none")
    parser.add_argument("--remote-model", default="", help="the model at a server that has several")
    parser.add_argument("--remote-key-file", type=Path, help="file that holds the server's key")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.named:
        parser.error("there is no --model; name at least one")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit is {options.limit}; give a whole number above 0")
    outcomes: list[Outcome] = []
    faults: list[str] = []
    try:
        for outcome in _outcomes(options):
            outcomes.append(outcome)
    except (AppError, OSError) as error:
        faults.append(str(error))
    if outcomes:
        _report(options, outcomes, faults)
    print("".join(f"{fault}\n" for fault in faults), end="", file=sys.stderr)
    return int(bool(faults))


def _report(options: argparse.Namespace, outcomes: Sequence[Outcome], faults: list[str]) -> None:
    """Show the figures, of those models that have answered; a folder that cannot be written to is a fault."""
    shown = figures(outcomes, options.suite)
    print("\n".join(lines(shown)))
    if options.out is not None:
        from evaluation.chat_report import write

        try:
            write(options.out, shown, outcomes)
            print(f"report: {options.out / 'report.md'}")
        except OSError as error:
            faults.append(
                f"The report in {options.out} cannot be written ({error.strerror}); --json prints the figures, too."
            )
    if options.json:
        print(json.dumps(shown, ensure_ascii=False))


def _outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    """One by one, so that those of the models before one that fails are not lost."""
    key = _key(options.remote_key_file)
    if options.out is not None:
        _make(options.out)
    items = sample([item for item in load_suite(options.suite) if not (options.no_code and _runs(item))], options.limit)
    if not items:
        raise InputError(f"{options.suite} holds nothing but code, which --no-code leaves out; leave that out.")
    placement = Placement(options.device, options.dtype, options.quantisation)
    judge = SentenceJudge(UnitVectors(SentenceEncoder()))
    waiting = [
        (contestant(named, name, placement, judge, (options.remote_model, key)), named)
        for named, name in zip(options.named, names(options.named), strict=True)
    ]
    while waiting:
        yield run(*waiting.pop(0), items, judge)  # nothing holds it then, and the next one has the memory
        gc.collect()


def _key(file: Path | None) -> str:
    """The key in a file; none without one."""
    try:
        return file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--remote-key-file {file} cannot be read ({type(error).__name__}); name a text file that holds the key."
        ) from error


def _make(folder: Path) -> None:
    """Before anything is asked, which may take hours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out {folder} cannot be made ({error.strerror}); name a folder that can be written to."
        ) from error


def _tell(text: str) -> None:
    """How far it is."""
    print(text, file=sys.stderr, flush=True)


def _runs(item: Item) -> bool:
    return any(check.kind == "python" for check in item.checks)


if __name__ == "__main__":
    sys.exit(main())
