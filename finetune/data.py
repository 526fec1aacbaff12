"""Reads what a chat model is taught with: conversations, preference pairs, mixtures of both kinds of files.

    loaded = examples("ratings.jsonl:1.0, oig.jsonl.gz:0.2", skip_bad=False, seed=0)
    loaded.items      conversations in the order of one pass, drawn as `finetune.mixture` says
    loaded.files      what was read, with hashes, for the model card

Formats: `finetune.formats`. Kinds of files: `finetune.reading`, `finetune.fetching`. What is in a mixture says

    python -m finetune.data --data "ratings.jsonl:1.0, oig.jsonl.gz:0.2" --model HuggingFaceTB/SmolLM2-360M-Instruct
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from errors import InputError
from finetune import formats, mixture
from finetune.examples import Example, Pair
from finetune.faults import Fault, refusal
from finetune.fetching import DOWNLOADS, files
from finetune.formats import Kind, Report
from finetune.reading import File, Record, records

Item = TypeVar("Item", Example, Pair)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read."""

    name: str
    sha256: str
    count: int
    """Records that can be learnt from."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Item]):
    """What a mixture gives."""

    items: tuple[Item, ...]
    """One pass, in order. A source of a weight above 1 gives its items several times."""
    faults: tuple[Fault, ...]
    """What is wrong with the records that were left out."""
    files: tuple[ReadFile, ...]
    skipped: int = 0
    """Records that were left out."""


def examples(data: str, skip_bad: bool = False, seed: int = 0, downloads: Path = DOWNLOADS) -> Loaded[Example]:
    """The conversations of a mixture. Raises `InputError` that lists every fault, unless `skip_bad` leaves them out."""
    return _loaded(data, skip_bad, seed, downloads, formats.example, _is_example)


def pairs(data: str, skip_bad: bool = False, seed: int = 0, downloads: Path = DOWNLOADS) -> Loaded[Pair]:
    """The preference pairs of a mixture. Raises as `examples` does."""
    return _loaded(data, skip_bad, seed, downloads, formats.pair, _is_pair)


def _is_example(kind: Kind) -> bool:
    return kind.example is not None


def _is_pair(kind: Kind) -> bool:
    return kind.pair is not None


_A_PAIR = (
    "it belongs to a preference pair, which finetune.preference learns from",
    "它属于偏好对，由 finetune.preference 使用",
)
_A_CONVERSATION = (
    "it is a conversation’s, not a preference pair with chosen and rejected",
    "它属于对话，而不是含 chosen 和 rejected 的偏好对",
)
Parse = Callable[[Kind, Any, str, Report], Item | None]


def _loaded(
    data: str, skip_bad: bool, seed: int, downloads: Path, parse: Parse[Item], wanted: Callable[[Kind], bool]
) -> Loaded[Item]:
    parts = mixture.parse(data)
    seen: dict[bytes, str] = {}
    sources: list[list[Item]] = []
    faults: list[Fault] = []
    read: list[ReadFile] = []
    for part in parts:
        items: list[Item] = []
        for file in files(part.name, downloads):
            before = len(items)
            for found in _items(file, parse, wanted, seen):
                if isinstance(found, Fault):
                    faults.append(found)
                else:
                    items.append(found)
            read.append(ReadFile(file.name, file.sha256(), len(items) - before))
        sources.append(items)
    places = {(fault.file, fault.line) for fault in faults}
    if faults and not skip_bad:
        raise refusal(faults, len(places))
    for part, items in zip(parts, sources, strict=True):
        if not items:
            left_out = f" {len(places):,} were left out." if faults else ""
            raise InputError(
                f"{part.name} holds no record to learn from.{left_out}", zh=f"{part.name} 中没有可学习的记录。"
            )
    order = mixture.draw([len(items) for items in sources], [part.weight for part in parts], seed)
    return Loaded(tuple(sources[source][record] for source, record in order), tuple(faults), tuple(read), len(places))


def _items(
    file: File, parse: Parse[Item], wanted: Callable[[Kind], bool], seen: dict[bytes, str]
) -> Iterator[Item | Fault]:
    """What is learnt from a file, and what is wrong with it. `seen` are the records before, by what they hold."""
    first: Kind | None = None
    for found in records(file):
        if isinstance(found, Fault):
            yield found
            continue
        kind, problems = _kind(found, first, wanted)
        if kind is not None and not problems:
            first = first or kind
            report = Report()
            item = parse(kind, found.value, f"{file.name}:{found.line}", report)
            problems = report.problems
            if item is not None:
                before = seen.setdefault(_digest(item), item.source)
                if before == item.source:
                    yield item
                    continue
                problems = [("", f"it is the same as {before}", f"与 {before} 相同")]
        for field, reason, zh in problems:
            yield Fault(file.name, found.line, field, reason, zh)


def _kind(
    found: Record, first: Kind | None, wanted: Callable[[Kind], bool]
) -> tuple[Kind | None, list[formats.Problem]]:
    """The record's format, or why it has none that is wanted."""
    if not isinstance(found.value, dict):
        said = formats.called(found.value)
        return None, [("", f"it is {said}, not an object", f"它不是对象（{said}）")]
    kind = formats.kind_of(found.value, first, wanted)
    if kind is None:
        return None, formats.missing(found.value, first, wanted)
    if not wanted(kind):
        return kind, [(kind.fields[0], *(_A_PAIR if kind.pair else _A_CONVERSATION))]
    if first is not None and kind is not first:
        return kind, [
            (
                kind.fields[0],
                f"the file began with records of {first.name}, this one is {kind.name}",
                f"文件开头的记录是 {first.name} 格式，此条是 {kind.name} 格式",
            )
        ]
    return kind, []


def _digest(item: Example | Pair) -> bytes:
    """What tells a record from others: all that is said in it."""
    said = [f"{turn.role}\0{turn.text}" for turn in item.turns]
    if isinstance(item, Pair):
        said += [item.chosen, item.rejected]
    return hashlib.sha256("\0\0".join(said).encode("utf-8")).digest()


def main(arguments: Sequence[str] | None = None) -> int:
    from finetune.data_report import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
