"""Which rows of a vector file belong to which key: 18 bytes a key, on disk and in memory.

A Python dictionary of a million keys takes 250 MB; sorted arrays take a tenth of it and find a hundred keys as fast.
Keys that came lately are in a small dictionary, until there are enough of them to be sorted in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PLACE = np.dtype([("key", "<i8"), ("first", "<i8"), ("count", "<u2")])
"""A key, its first row, and how many rows it has."""
_RECENT = 2**16

Places = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Places by key; of those with the same key the last one given. Contiguous, so that a search copies nothing."""

    keys: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.uint16]

    @staticmethod
    def of(places: Places) -> _Sorted:
        places = places[np.argsort(places["key"], kind="stable")]
        last = np.append(places["key"][1:] != places["key"][:-1], True)[: len(places)]
        return _Sorted(*(np.ascontiguousarray(places[name][last]) for name in PLACE.names or ()))

    @property
    def places(self) -> Places:
        places = np.empty(len(self.keys), PLACE)
        places["key"], places["first"], places["count"] = self.keys, self.first, self.count
        return places

    def at(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where each key stands; -1 where it does not."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)


class KeyTable:
    """One thread may add while others look up. A key that is added again moves to its new rows."""

    def __init__(self, places: Places) -> None:
        self._sorted = _Sorted.of(places)
        self._recent: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        recent = np.array(list(self._recent), np.int64)
        return len(self._sorted.keys) + int(np.count_nonzero(self._sorted.at(recent) < 0))

    def add(self, places: Places) -> None:
        for key, first, count in places.tolist():
            self._recent[key] = first, first + count
        if len(self._recent) > _RECENT:
            # The sorted ones first: who looks up between the two lines finds a key in both, never in none.
            self._sorted = _Sorted.of(self.all())
            self._recent = {}

    def find(self, keys: Sequence[int]) -> list[tuple[int, int] | None]:
        """For each key its first row and the row after its last; None where it has none."""
        recent, known = self._recent, self._sorted
        places = known.at(np.array(keys, np.int64)).tolist()
        return [
            recent.get(key) or (None if at < 0 else (int(known.first[at]), int(known.first[at]) + int(known.count[at])))
            for key, at in zip(keys, places, strict=True)
        ]

    def has(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys have rows."""
        recent = np.array(list(self._recent), np.int64)
        there: NDArray[np.bool_] = (self._sorted.at(keys) >= 0) | np.isin(keys, recent)
        return there

    def all(self) -> Places:
        """Every key that is known, those added last at the end; a key may come twice, then the later one counts."""
        recent = [(key, first, after - first) for key, (first, after) in list(self._recent.items())]
        return np.concatenate([self._sorted.places, np.array(recent, PLACE)])
