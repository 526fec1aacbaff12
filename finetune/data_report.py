"""What is in training data: `python -m finetune.data --data MIXTURE`. Records, faults, tokens, contamination."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chat.formats import FORMATS
from errors import AppError
from finetune import contamination, data, token_counts
from finetune.base_model import open_encoder
from finetune.config import Data
from finetune.contamination import OWN, Contamination
from finetune.examples import Example, Pair
from finetune.faults import SHOWN, Fault, counted
from finetune.token_counts import Counts
from finetune.writing import write


def run(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where the data cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        said = _said(options)
    except AppError as error:
        print(f"finetune.data: {error}", file=sys.stderr)
        return 1
    print(json.dumps(said, ensure_ascii=False) if options.json else _as_text(said))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune.data", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="MIXTURE", help="like “a.jsonl:0.2, b.jsonl:0.5”")
    parser.add_argument("--pairs", action="store_true", help="preference pairs, not conversations")
    parser.add_argument("--model", default="", metavar="ID", help="hub id or folder: count the tokens of its tokenizer")
    parser.add_argument("--format", default="", choices=("", *FORMATS), help="default: what the app would use for it")
    parser.add_argument("--length", type=int, default=Data().length, help="tokens of a row (default %(default)s)")
    parser.add_argument("--skip-bad", action="store_true", help="leave out records that cannot be used, and count them")
    parser.add_argument(
        "--against",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="look for texts of these evaluation sets in the data; without a name, this project's",
    )
    parser.add_argument("--clean", type=Path, metavar="OUT", help="write what holds none of those texts, as messages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _said(options: argparse.Namespace) -> dict[str, Any]:
    loaded: data.Loaded[Any] = (data.pairs if options.pairs else data.examples)(
        options.data, options.skip_bad, options.seed
    )
    said: dict[str, Any] = {
        "records": len({item.source for item in loaded.items}),
        "drawn": len(loaded.items),
        "skipped": loaded.skipped,
        "faults": [dataclasses.asdict(fault) for fault in loaded.faults],
        "files": [dataclasses.asdict(file) for file in loaded.files],
    }
    if options.model:
        said["tokens"] = dataclasses.asdict(_counts(loaded.items, options))
    if options.against is not None or options.clean:
        found = contamination.check(loaded.items, contamination.references(options.against or [OWN]))
        said["contamination"] = _contamination(found)
        if options.clean:
            said["written"] = _write(loaded.items, found, options.clean)
    return said


def _counts(items: Sequence[Any], options: argparse.Namespace) -> Counts:
    one = open_encoder(options.model, options.format, _tell)
    count = token_counts.of_pairs if options.pairs else token_counts.of_examples
    return count(items, one, options.length)


def _tell(says: str) -> None:
    print(f"\r\x1b[K{says}", end="", file=sys.stderr, flush=True)


def _contamination(found: Contamination) -> dict[str, Any]:
    by_set = Counter(hit.reference.rpartition(":")[0] for hit in found.hits)
    return {
        "references": found.references,
        "items": len(found.items),
        "same": len({hit.item for hit in found.hits if hit.same}),
        "by_set": dict(by_set.most_common()),
        "hits": [dataclasses.asdict(hit) for hit in found.hits],
    }


def _write(items: Sequence[Example | Pair], found: Contamination, out: Path) -> int:
    """Write the items without contamination, each once; how many. Raises `InputError` where `out` cannot be written."""
    kept = {item.source: item for item in items if item.source not in found.items}
    write(out, map(_record, kept.values()), "--clean")
    return len(kept)


def _record(item: Example | Pair) -> dict[str, Any]:
    """An item in the format of this app's own exports."""
    turns = [
        {"role": turn.role.value, "content": turn.text} | ({} if turn.taught else {"weight": 0}) for turn in item.turns
    ]
    if isinstance(item, Example):
        return {"messages": turns, "source": item.source}
    answers = {name: [{"role": "assistant", "content": getattr(item, name)}] for name in ("chosen", "rejected")}
    return {"prompt": turns, **answers, "source": item.source}


def _as_text(said: dict[str, Any]) -> str:
    lines = [f"{counted(said['records'], 'record')}, {said['drawn']:,} in a pass"]
    lines += [f"  {file['count']:>8,}  {file['name']}  sha256 {file['sha256'][:12]}" for file in said["files"]]
    if said["skipped"]:
        lines.append(f"{counted(said['skipped'], 'record')} left out:")
        lines += [f"  {Fault(**fault)}" for fault in said["faults"][:SHOWN]]
        if len(said["faults"]) > SHOWN:
            lines.append(f"  and {len(said['faults']) - SHOWN:,} more")
    if "tokens" in said:
        lines += _tokens(said["tokens"])
    if "contamination" in said:
        lines += _overlaps(said["contamination"])
    if "written" in said:
        lines.append(f"{counted(said['written'], 'record')} without them written")
    return "\n".join(lines)


def _tokens(counts: dict[str, Any]) -> list[str]:
    marks = ", ".join(f"{name} {length:,}" for name, length in counts["percentiles"].items())
    share = counts["taught"] / counts["tokens"] if counts["tokens"] else 0.0
    return [
        f"{counts['tokens']:,} tokens, {counts['taught']:,} of them taught ({share:.1%})",
        f"lengths: {marks}",
        f"{counts['cut']:.1%} are cut to fit, {counts['left_out']:,} left out",
        f"{counts['rows']:,} packed rows, {counts['unused']:.1%} of them empty",
    ]


def _overlaps(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{counted(found['items'], 'record')} with texts of the evaluation sets, {found['same']:,} of them with the "
        f"same question ({found['references']:,} texts compared)"
    ]
    lines += [f"  {count:>8,}  {name}" for name, count in found["by_set"].items()]
    lines += [f"  {hit['item']} and {hit['reference']}: {hit['shared']}" for hit in found["hits"][:SHOWN]]
    if len(found["hits"]) > SHOWN:
        lines.append(f"  and {len(found['hits']) - SHOWN:,} more")
    return lines
