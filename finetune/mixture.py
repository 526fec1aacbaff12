"""A weighted mixture of data, `a.jsonl:0.2, b.jsonl:0.5`, with OpenChatKit's meaning.

There a weight is the share of a source among what is drawn, whatever the sizes of the sources, and a source without
one has 1.0 (training/tasks/data_loaders/data_utils.py, `StreamDatasetList`); drawing never ends. Here a pass over the
data has an end, and draws nothing by chance but the order. With weights w and numbers of records n,

    scale  = min over the sources of n / min(w, 1)
    drawn  = w * scale, rounded, at least one

so the proportions are those of the weights, a source of weight 1 or less gives no record twice, and one of weight 5
gives each record at most five times. `ratings.jsonl:1.0, oig.jsonl:0.2` is five ratings for every record of OIG, all of
the ratings once. Where no source has a weight, every source is drawn whole, once: in OpenChatKit's reading two files of
which one is long and one is short would count the same, which nobody means who lists files.

A comma in a URL is written %2C.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from chat.on_disk import there
from errors import InputError

_WEIGHTED = re.compile(r"(?s)(?P<name>.+):(?P<weight>[^:/\\]*)")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|[+-]?inf(?:inity)?", re.IGNORECASE)
_PORT = re.compile(r"https?://[^/?#:]*:\d+", re.IGNORECASE)
"""A URL that ends in a port: `http://host:8000` has no weight of 8000."""


@dataclass(frozen=True, slots=True)
class Part:
    """One source of a mixture."""

    name: str
    """A file, a folder, a hub id or a URL."""
    weight: float | None = None


def parse(mixture: str) -> tuple[Part, ...]:
    """The sources of a mixture. A file that exists under a name that holds commas or colons is taken as it is.

    Raises `InputError` when there is none, or a weight is no number above 0.
    """
    parts = [_part(text) for text in _split(mixture)]
    if not parts:
        raise InputError(
            "No training data is named; give files, folders, hub ids or URLs, like `a.jsonl:0.2, b.jsonl:0.5`.",
            zh="没有指定训练数据；请给出文件、文件夹、Hugging Face 名称或网址，如 `a.jsonl:0.2, b.jsonl:0.5`。",
        )
    return tuple(parts)


def _split(mixture: str) -> list[str]:
    """The texts between commas; what names something that exists is not cut."""
    pieces = mixture.split(",")
    found = []
    at = 0
    while at < len(pieces):
        # The longest run of pieces that is a file, else the piece alone.
        lengths = range(len(pieces) - at, 1, -1)
        run = next((n for n in lengths if _is_there(",".join(pieces[at : at + n]).strip())), 1)
        if text := ",".join(pieces[at : at + run]).strip():
            found.append(text)
        at += run
    return found


def _is_there(text: str) -> bool:
    """Whether this is a file or folder, with or without a weight behind it."""
    match = _WEIGHTED.fullmatch(text)
    return _exists(text) or bool(match and _NUMBER.fullmatch(match["weight"].strip()) and _exists(match["name"]))


def _exists(name: str) -> bool:
    return there(name.strip()) is not None


def _part(text: str) -> Part:
    if _exists(text) or _PORT.fullmatch(text):
        return Part(text)
    match = _WEIGHTED.fullmatch(text)
    if match is None:
        return Part(text)
    name, written = match["name"].strip(), match["weight"].strip()
    if not _NUMBER.fullmatch(written):
        if not _exists(name):
            return Part(text)
        raise _no_weight(name, written)
    weight = float(written)
    if not math.isfinite(weight) or weight <= 0:
        raise _no_weight(name, written)
    return Part(name, weight)


def _no_weight(name: str, written: str) -> InputError:
    return InputError(
        f"The weight of {name} is “{written}”; give a number above 0, like {name}:0.5.",
        zh=f"{name} 的权重是“{written}”；请给出大于 0 的数，如 {name}:0.5。",
    )


def draw(counts: Sequence[int], weights: Sequence[float | None], seed: int) -> list[tuple[int, int]]:
    """One pass: (source, record) in the order in which they are learnt from, the same for the same seed.

    `counts` are the records of each source, at least one. Without any weight: every record once, in the order of the
    sources. What of a source is drawn less often than the rest is chosen by the seed, and so is the order.
    """
    if all(weight is None for weight in weights):
        return [(source, record) for source, count in enumerate(counts) for record in range(count)]
    shares = [1.0 if weight is None else weight for weight in weights]
    scale = min(count / min(share, 1.0) for count, share in zip(counts, shares, strict=True))
    drawn: list[tuple[int, int]] = []
    for source, (count, share) in enumerate(zip(counts, shares, strict=True)):
        wanted = max(1, round(share * scale))
        rest = random.Random(f"{seed} {source}").sample(range(count), wanted % count)
        drawn += [(source, record) for record in [*range(count)] * (wanted // count) + sorted(rest)]
    random.Random(f"{seed} order").shuffle(drawn)
    return drawn
