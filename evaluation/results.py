"""Tables in the documentation from the figures of earlier runs: `python -m evaluation.results [--check]`.

`evaluation/results/NAME.json` is what a command printed with `--json`. In docs/measurements.md, what stands between
`<!-- NAME -->` and `<!-- /NAME -->` is its table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import generated

_ROOT = Path(__file__).parent.parent
RESULTS = _ROOT / "evaluation" / "results"
PAGE = _ROOT / "docs" / "measurements.md"


def speed(figures: dict[str, Any]) -> str:
    """The table of `evaluation.speed`."""
    lines = [
        f"`{figures['model']}`, {figures['sampling']}, {_machine(figures['machine'])}. Loaded in "
        f"{figures['load_s']:.1f} s; peak memory of both together {figures['peak_memory_mb']:,.0f} MB; reading the "
        f"weights once per token bounds one user to {figures['bandwidth_bound_tokens_per_s']:,.0f} tokens/s.",
        "",
        "| users | tokens/s | plain app | ratio | first text p50 / p95 ms | plain app p95 ms |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {users} | {row['tokens_per_s']:.0f} | {row['plain_tokens_per_s']:.0f} | {row['ratio']:.2f} "
        f"| {row['ttft_p50_ms']:,.0f} / {row['ttft_p95_ms']:,.0f} | {row['plain_ttft_p95_ms']:,.0f} |"
        for users, row in figures["users"].items()
    ]
    return "\n".join(lines)


def training(figures: dict[str, Any]) -> str:
    """The table of `evaluation.training_memory`."""
    lines = [
        f"{_machine(figures['machine'])}; memory beside the libraries.",
        "",
        "| shape | run | planned MB | measured MB | ratio | planned s a step | measured |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {run['shape']} | {run['what']} | {run['planned_mb']:,} | {run['measured_mb']:,} | {run['ratio']:.3f} "
        f"| {run['planned_s']:.1f} | {run['measured_s']:.1f} |"
        for run in figures["runs"]
    ]
    return "\n".join(lines)


def _machine(machine: dict[str, Any]) -> str:
    cpu = f"{machine['cores']} cores of an {machine['cpu']} ({', '.join(machine['features'])})"
    gpu = "" if machine["gpu"] == "none" else f", {machine['gpu']}"
    return f"{cpu}{gpu}, {machine['memory_gb']} GB, PyTorch {machine['torch']}, transformers {machine['transformers']}"


_TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"speed": speed, "training": training}
"""By the first word of a result's name."""


def rendered(page: str) -> str:
    """The page with every table as the results have it."""
    for path in sorted(RESULTS.glob("*.json")):
        table = _TABLES[path.stem.partition("-")[0]](json.loads(path.read_text(encoding="utf-8")))
        page = generated.between(page, f"<!-- {path.stem} -->", f"<!-- /{path.stem} -->", f"\n{table}\n")
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.results", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether the page is current")
    options = parser.parse_args(arguments)
    page = PAGE.read_text(encoding="utf-8")
    wanted = rendered(page)
    if options.check:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
