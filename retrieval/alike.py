"""Near-duplicates: texts that share most of their pairs of neighbouring terms (Broder 1997)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from retrieval.text import analyse

Shingles = frozenset[tuple[str, str]]
"""A text's pairs of neighbouring terms."""

_SAME, _FEWEST = 0.8, 6


def shingles(text: str, language: str) -> Shingles:
    return frozenset(pairwise(analyse(text, language)))


def alike(one: Shingles, other: Shingles) -> bool:
    """Whether one text is nearly the other, or a part of it. Texts of few terms never are."""
    fewer = min(len(one), len(other))
    return fewer >= _FEWEST and len(one & other) >= _SAME * fewer


class Distinct:
    """Texts that are not alike, as they come: what a new one shares is looked up, not compared with each."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._holding: dict[tuple[str, str], list[int]] = {}

    def add(self, text: Shingles) -> bool:
        """Whether no text like this one is there yet; it is from then on."""
        shared = Counter(number for pair in text for number in self._holding.get(pair, ()))
        for number, count in shared.items():
            fewer = min(len(text), self._sizes[number])
            if fewer >= _FEWEST and count >= _SAME * fewer:
                return False
        for pair in text:
            self._holding.setdefault(pair, []).append(len(self._sizes))
        self._sizes.append(len(text))
        return True
