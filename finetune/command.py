"""The command line that `finetune.chat` and `finetune.preference` share, and where the app keeps its data."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import settings
from chat.hub import Progress
from errors import AppError, ModelError, SourceError
from finetune import config
from finetune.config import Recipe
from finetune.place import of_card
from finetune.plan import plan
from finetune.rows import LEFT_OUT
from finetune.training import Run, folder_of

_ROOT = Path(__file__).parent.parent


class Train(Protocol):
    """What a command runs."""

    def __call__(
        self, recipe: Recipe, runs: Path, *, resume: bool, skip_bad: bool, bar: bool, progress: Progress
    ) -> Run: ...


def data_folder() -> Path:
    """The app's, by GROUNDCHAT_DATA_DIR and .env. Raises `SettingsError`."""
    return settings.load([], os.environ, _ROOT / ".env").data_dir


class Count(Protocol):
    """The rows that a recipe's data give, as its model's tokenizer has them."""

    def __call__(self, recipe: Recipe, skip_bad: bool, progress: Progress) -> int: ...


def command(module: str, says: str, train: Train, count: Count, given: Sequence[str] | None, *, pairs: bool) -> int:
    """Read the flags, then plan or train; 0, 1 for what went wrong, 130 after Ctrl-C."""
    options = _parser(module, says).parse_args(given)
    _quieten()
    try:
        recipe = config.read(options.config, options.set)
        runs = data_folder() / "runs"
        if options.plan:
            made = plan(recipe, pairs=pairs, place=of_card(recipe), folder=runs, progress=_tell)
            if made.steps is None and recipe.data.train:
                made = made.with_rows(_rows(module, recipe, count, options.skip_bad))
            _tell("")
            print(made.text())
            return 0
        there = folder_of(recipe, runs).bytes if options.resume else 0
        # Refuses what cannot fit, before anything is loaded.
        plan(recipe, pairs=pairs, folder=runs, there=there, progress=_tell)
        _without_small_bars()
        run = train(recipe, runs, resume=options.resume, skip_bad=options.skip_bad, bar=True, progress=_tell)
    except AppError as error:
        print(f"{module}: {error}", file=sys.stderr)
        return 130 if isinstance(error.__cause__, KeyboardInterrupt) else 1
    except KeyboardInterrupt:
        print(f"\n{module}: stopped before anything was trained.", file=sys.stderr)
        return 130
    if _first():
        said = dataclasses.asdict(run) | {"folder": str(run.folder)}
        print(json.dumps(said) if options.json else _told(run))
    return 0


def _rows(module: str, recipe: Recipe, count: Count, skip_bad: bool) -> int:
    """0 where the tokenizer or data cannot be fetched, which is told: a plan is made without a network, too."""
    try:
        _tell("Counting the rows")
        return count(recipe, skip_bad, _tell)
    except (ModelError, SourceError) as error:
        _tell("")
        print(f"{module}: the steps are unknown: {error}", file=sys.stderr)
        return 0


def _quieten() -> None:
    """Libraries tell of what they will rename and of kernels they lack; a person who trains needs none of it."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _without_small_bars() -> None:
    """Only the run's own progress bar is drawn, none for each file that is read or written."""
    from transformers.utils import logging as shown

    shown.disable_progress_bar()


def _parser(module: str, says: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=says.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="the recipe, a TOML file (finetune/configs)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one key; may be given again"
    )
    parser.add_argument("--plan", action="store_true", help="say what the run takes; of the model, load nothing")
    parser.add_argument("--skip-bad", action="store_true", help="leave out records that cannot be used, and count them")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped or killed")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    return parser


def _tell(says: str) -> None:
    if _first():
        print(f"\r\x1b[K{says}", end="", file=sys.stderr, flush=True)


def _first() -> bool:
    """Whether this is the process that speaks for all."""
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def _told(run: Run) -> str:
    lines = [
        f"{run.steps:,} steps in {run.minutes:.1f} minutes, {run.tokens_per_s:,.0f} tokens/s; "
        f"{run.trained:,} of {run.parameters:,} parameters trained ({run.trained / run.parameters:.2%})"
    ]
    for key, after in run.scores.items():
        if key.endswith("_after"):
            name = key.removesuffix("_after")
            before = run.scores.get(f"{name}_before")
            lines.append(f"{name:<12}{after:.4g}" if before is None else f"{name:<12}{before:.4g} → {after:.4g}")
    lines += [f"{count:,} {name.replace('_', ' ')}" for name, count in run.counts.items() if name.endswith(LEFT_OUT)]
    return "\n".join([*lines, f"kept in {run.folder}"])
