"""A document's passages for an overview: all of a short one; of a long one its beginning, its end, the beginnings of
its sections and places spread evenly over it.

How much is read does not grow with the document, but for the logarithm by which a section's beginning is searched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from retrieval.base import Passage
from retrieval.documents import Readable, ordinal

WHOLE = 240
"""Passages up to which a document is read whole: about 30,000 words."""
_BEGINNING, _END, _SPREAD = 8, 2, 120
_SECTIONS, _OF_SECTION = 24, 2
"""Sections whose beginning is searched, and how many passages of it are read."""
_DEEPEST = 3
SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read of a document."""

    passages: tuple[Passage, ...]
    """In the order of the document; empty where it is gone."""
    count: int
    """Passages of the document."""
    depth: int
    """How many headings, counted from the outermost, tell its parts from one another; 0 where it has none: then the
    sheets of a workbook are its parts."""

    @property
    def whole(self) -> bool:
        return len(self.passages) >= self.count

    def heading(self, passage: Passage) -> str:
        """The heading of the part that a passage stands in; empty above the first."""
        return heading(passage, self.depth)

    @property
    def outline(self) -> tuple[str, ...]:
        """The headings of the parts that were read, in order."""
        return tuple(dict.fromkeys(each for each in map(self.heading, self.passages) if each))


_SHEET = re.compile(r"sheet (?P<name>.+)")


def heading(passage: Passage, depth: int) -> str:
    """The heading at this depth above a passage, or the innermost where it has fewer; for depth 0 its sheet's name."""
    if depth == 0:
        sheet = _SHEET.fullmatch(passage.place)
        return sheet["name"] if sheet else ""
    above = passage.section.split(SEPARATOR)[:depth]
    return above[-1] if above else ""


def sample(document: Readable) -> Sample:
    """Read a document, or enough of it."""
    count = document.count
    if count <= WHOLE:
        read = document.stretch(0, count)
        return Sample(tuple(read), count, _depth(read))
    spread = [at * (count - 1) // (_SPREAD - 1) for at in range(_SPREAD)]
    found = {ordinal(p): p for p in document.stretch(0, _BEGINNING) + document.stretch(count - _END, count)}
    for at in spread:
        if at not in found:
            found |= {ordinal(p): p for p in document.stretch(at, at + 1)}
    depth = _depth([found[at] for at in sorted(found)])
    for before, after in _turns(found, depth):
        begins = _beginning(document, before, after, depth)
        found |= {ordinal(p): p for p in document.stretch(begins, begins + _OF_SECTION)}
    return Sample(tuple(found[at] for at in sorted(found)), count, depth)


def _depth(passages: Sequence[Passage]) -> int:
    """The least depth at which the passages have different headings."""
    for depth in range(1, _DEEPEST + 1):
        if len({heading(passage, depth) for passage in passages} - {""}) > 1:
            return depth
    return 1 if any(passage.section for passage in passages) else 0


def _turns(found: dict[int, Passage], depth: int) -> list[tuple[int, int]]:
    """Pairs of neighbouring ordinals between which a section ends, the first ones."""
    apart = (
        (before, after)
        for before, after in pairwise(sorted(found))
        if after - before > 1 and heading(found[before], depth) != heading(found[after], depth)
    )
    return [pair for _, pair in zip(range(_SECTIONS), apart, strict=False)]


def _beginning(document: Readable, before: int, after: int, depth: int) -> int:
    """The ordinal of the first passage with the heading of `after`, where only two sections meet in between."""
    last = document.stretch(after, after + 1)
    wanted = heading(last[0], depth) if last else ""
    while after - before > 1:
        middle = (before + after) // 2
        here = document.stretch(middle, middle + 1)
        before, after = (before, middle) if here and heading(here[0], depth) == wanted else (middle, after)
    return after
