"""How many tokens training data has: in all and taught, per conversation, and in the rows of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from errors import InputError
from finetune.examples import Example, Pair
from finetune.masking import ENDLESS, Encoder
from finetune.packing import Tokens, pack

PERCENTILES = (5, 25, 50, 75, 95, 99)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of conversations, or of pairs, of which each counts with both its answers."""

    items: int
    tokens: int
    """That are read, in rows of at most the length."""
    taught: int
    percentiles: dict[str, int]
    """Lengths before anything is cut, in tokens: `p5` … `p99`, and `max`."""
    cut: float
    """Share of the items that lose turns, or the end of an answer, to fit the length."""
    left_out: int
    """Items of which nothing fits the length, or whose text holds a control token that cannot be made plain."""
    rows: int
    """After packing."""
    unused: float
    """Share of the packed rows that stays empty."""


def of_examples(items: Sequence[Example], encoder: Encoder, length: int) -> Counts:
    return _counted([_rows_of(item, encoder, length) for item in items], length)


def of_pairs(items: Sequence[Pair], encoder: Encoder, length: int) -> Counts:
    return _counted([_rows_of_pair(item, encoder, length) for item in items], length)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """One item: its rows, how long it is uncut, and whether it was."""

    rows: tuple[Tokens, ...]
    whole: int
    cut: bool


def _rows_of(item: Example, encoder: Encoder, length: int) -> _Encoded | None:
    try:
        rows = encoder.rows(item.turns, length)
        fits = not any(row.dropped or row.cut or not row.ids for row in rows)
        whole = rows if fits else encoder.rows(item.turns, ENDLESS)
    except InputError:  # the text of a turn cannot be told from control tokens
        return None
    return _Encoded(tuple(row for row in rows if row.ids), max(len(row.ids) for row in whole), not fits)


def _rows_of_pair(item: Pair, encoder: Encoder, length: int) -> _Encoded | None:
    try:
        found = encoder.pair(item, length)
        fits = bool(found.prompt) and not (found.dropped or found.cut)
        whole = found if fits else encoder.pair(item, ENDLESS)
    except InputError:
        return None
    rows = [
        Tokens((*found.prompt, *answer), (False,) * len(found.prompt) + (True,) * len(answer))
        for answer in (found.chosen, found.rejected)
        if found.prompt
    ]
    return _Encoded(tuple(rows), len(whole.prompt) + max(len(whole.chosen), len(whole.rejected)), not fits)


def _counted(encoded: Sequence[_Encoded | None], length: int) -> Counts:
    found = [one for one in encoded if one is not None]
    rows = [row for one in found for row in one.rows]
    tokens = sum(len(row.ids) for row in rows)
    packed = pack(rows, length)
    lengths = np.array([one.whole for one in found] or [0])
    marks: dict[str, Any] = {f"p{p}": int(np.percentile(lengths, p, method="nearest")) for p in PERCENTILES}
    return Counts(
        items=len(encoded),
        tokens=tokens,
        taught=sum(sum(row.taught) for row in rows),
        percentiles=marks | {"max": int(lengths.max())},
        cut=sum(one.cut for one in found) / len(found) if found else 0.0,
        left_out=sum(one is None or not one.rows for one in encoded),
        rows=len(packed),
        unused=1 - tokens / (len(packed) * length) if packed else 0.0,
    )
