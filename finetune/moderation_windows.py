"""Labelled rows cut into the windows that the moderation classifier judges, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.moderation_data import POSTED, Row, number
from finetune.moderation_encoder import Labelled
from moderation.base import Category
from moderation.classifier import Floats
from moderation.features import CHINESE, Counts, bags, chinese_share, clean, views, windows

CATEGORIES = tuple(category.value for category in Category)
MOST_VIEWS = {True: 3, False: 10}
"""Windows that are trained on, of harmful texts; windows and sentences, of harmless ones."""
_CALIBRATED = 8
"""One group in so many is not trained on, but mixes, calibrates and sets the thresholds."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of all rows, as arrays; `row[i]` is the row that window i was cut from."""

    texts: tuple[str, ...]
    row: Ints
    english: Bools
    """Whether the encoder reads the window: it is not Chinese."""
    counts: Counts
    target: Floats
    weight: Floats
    kinds: Floats
    """One column per category, 1 where the row has it."""
    kind_weight: Floats
    """0 where the row's kind of harm is not known or it has none."""
    posted: Bools
    """Whether it is from a social network, not said to an assistant."""
    held: Bools
    """Whether it is only measured."""
    calibrating: Bools
    """Whether it is not trained on, but mixes and calibrates."""

    def bag(self, chosen: Ints) -> Counts:
        """The n-gram buckets of some windows, laid end to end."""
        joined, starts = self.counts
        ends = np.append(starts[1:], len(joined))
        lengths = (ends - starts)[chosen]
        offsets = np.cumsum(np.append(0, lengths))[:-1]
        places = np.repeat(starts[chosen] - offsets, lengths) + np.arange(lengths.sum())
        return joined[places], offsets

    def labelled(self, chosen: Ints) -> Labelled:
        """Some windows as the encoder learns from them."""
        texts = [self.texts[i] for i in chosen]
        return Labelled(texts, self.target[chosen], self.weight[chosen], self.kinds[chosen], self.kind_weight[chosen])


def cut(rows: Sequence[Row]) -> Windows:
    """Cut the rows into windows and count their n-grams."""
    parts = [_seen(row) for row in rows]
    flat = [window for part in parts for window in part]
    owner = np.repeat(np.arange(len(rows)), [len(part) for part in parts])
    target = np.array([row.target for row in rows], dtype=np.float32)
    # The windows of a text share its weight: all of it where it is harmful, for only one of them may be.
    shared = np.array([len(part) for part in parts]) ** np.where(target > 0.5, 1, 0.5)
    kinds = np.array([[name in (row.categories or ()) for name in CATEGORIES] for row in rows], dtype=np.float32)
    sure = np.array([row.categories is not None and row.target > 0.5 for row in rows], dtype=np.float32)
    weight = (np.array([row.weight for row in rows]) / shared).astype(np.float32)
    held = np.array([row.held for row in rows])
    return Windows(
        texts=tuple(flat),
        row=owner,
        english=np.array([chinese_share(window) < CHINESE for window in flat]),
        counts=bags(flat),
        target=target[owner],
        weight=weight[owner],
        kinds=kinds[owner],
        kind_weight=(sure * weight)[owner],
        posted=np.array([row.source in POSTED for row in rows])[owner],
        held=held[owner],
        calibrating=(np.array([number(row.group) % _CALIBRATED == 0 for row in rows]) & ~held)[owner],
    )


def _seen(row: Row) -> list[str]:
    """The views of a row. Of harmful training texts only windows: nobody knows which sentence is the harmful one."""
    harmful, text = row.target > 0.5, clean(row.text)
    found = windows(text) if harmful and not row.held else views(text)
    return found if row.held and row.flagged is not None else found[: MOST_VIEWS[harmful]]
