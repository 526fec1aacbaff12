"""Reading order of a page: columns one after the other, what spans them before or after.

A column's edge is where at least three lines begin; it divides a stretch of the page where no line crosses it and both
sides look like running text. Cells of a table, which are short, do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Protocol

_LINES = 3
_SLACK = 2.0  # points
_SAME_EDGE = 4.0
_INSIDE = 0.12
_FILLED = 0.5
_LETTERS = 12
_GUTTER = 0.6  # of the letters' size
_NEAR = 1.6
_DEEPEST = 12


class Box(Protocol):
    """What stands on a page: a piece of a line, a table."""

    @property
    def left(self) -> float: ...
    @property
    def right(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def bottom(self) -> float: ...
    @property
    def size(self) -> float: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Split:
    above: list[Box]
    left: list[Box]
    right: list[Box]
    below: list[Box]


def regions(boxes: Sequence[Box], rtl: bool = False, depth: int = 0) -> Iterator[list[Box]]:
    """The stretches of a page in reading order, each one column wide, from the top; `rtl`: the right column first."""
    if not boxes:
        return
    split = _split(boxes) if depth < _DEEPEST and len(boxes) >= 2 * _LINES else None
    if split is None:
        yield sorted(boxes, key=lambda box: (box.top, box.left))
        return
    first, second = (split.right, split.left) if rtl else (split.left, split.right)
    for stretch in (split.above, first, second, split.below):
        yield from regions(stretch, rtl, depth + 1)


def _split(boxes: Sequence[Box]) -> _Split | None:
    """The best division into columns: the one with the most lines on its shorter side."""
    best: _Split | None = None
    for edge in _edges(boxes):
        for start, end in _free_stretches(boxes, edge):
            inside = [box for box in boxes if start <= box.top and box.bottom <= end]
            left = [box for box in inside if box.right <= edge + _SLACK]
            right = [box for box in inside if box.left >= edge - _SLACK]
            if not (_is_text(_beside(left, right)) and _is_text(_beside(right, left))):
                continue
            if min(box.left for box in right) - max(box.right for box in left) < _GUTTER * left[0].size:
                continue
            found = _trimmed(boxes, left, right)
            if best is None or _shorter(found) > _shorter(best):
                best = found
    return best


def _shorter(split: _Split) -> int:
    return min(len(split.left), len(split.right))


def _edges(boxes: Sequence[Box]) -> list[float]:
    """Where at least three lines begin, but for the outermost."""
    lefts = sorted(box.left for box in boxes)
    first, last = lefts[0], max(box.right for box in boxes)
    edges: list[float] = []
    i = 0
    while i < len(lefts):
        j = i
        while j < len(lefts) and lefts[j] - lefts[i] <= _SAME_EDGE:
            j += 1
        if j - i >= _LINES and _INSIDE < (lefts[i] - first) / (last - first or 1.0) < 1 - _INSIDE:
            edges.append(lefts[i])
        i = j
    return edges


def _free_stretches(boxes: Sequence[Box], edge: float) -> Iterator[tuple[float, float]]:
    """(top, bottom) of the stretches that no line crosses at this edge."""
    crossing = sorted((box.top, box.bottom) for box in boxes if box.left < edge - _SLACK and box.right > edge + _SLACK)
    start = float("-inf")
    for top, bottom in crossing:
        yield start, top + _SLACK
        start = max(start, bottom - _SLACK)
    yield start, float("inf")


def _beside(side: Sequence[Box], other: Sequence[Box]) -> list[Box]:
    """What of one side stands beside something of the other."""
    if not other:
        return []
    top, bottom = min(box.top for box in other), max(box.bottom for box in other)
    return [box for box in side if box.bottom > top and box.top < bottom]


def _is_text(side: Sequence[Box]) -> bool:
    """Whether it looks like running text: most lines fill it, none of them only a word."""
    if len(side) < _LINES:
        return False
    width = max(box.right for box in side) - min(box.left for box in side)
    filled = median(box.right - box.left for box in side) >= _FILLED * width
    return filled and mean(_weight(box.text) for box in side) >= _LETTERS


def _weight(text: str) -> int:
    """Letters; a Chinese character says as much as two."""
    return len(text) if text.isascii() else len(text) + sum(char > "\u2e7f" for char in text)


def _trimmed(boxes: Sequence[Box], left: list[Box], right: list[Box]) -> _Split:
    """What stands beside each other, and what is above and below; a short line there crosses no edge either."""
    chosen = set(map(id, left)) | set(map(id, right))
    others = [box for box in boxes if id(box) not in chosen]
    top = min(box.top for box in (*left, *right))
    above = [box for box in others if box.top < top]
    below = [box for box in others if box.top >= top]
    start = max(min(box.top for box in left), min(box.top for box in right))
    end = min(max(box.bottom for box in left), max(box.bottom for box in right))
    if above:
        left, over = _kept(left, start, -1)
        right, more = _kept(right, start, -1)
        above += over + more
    if below:
        left, under = _kept(left, end, 1)
        right, more = _kept(right, end, 1)
        below += under + more
    return _Split(above, left, right, below)


def _kept(side: list[Box], limit: float, way: int) -> tuple[list[Box], list[Box]]:
    """(the column, what only stands in line with it): beyond `limit` what is near and of one size goes on with it."""
    ordered = sorted(side, key=lambda box: way * box.top)
    for i in range(1, len(ordered)):
        last, box = ordered[i - 1], ordered[i]
        gap = box.top - last.bottom if way > 0 else last.top - box.bottom
        beyond = box.top > limit - _SLACK if way > 0 else box.bottom < limit + _SLACK
        if beyond and (gap > _NEAR * last.size or abs(box.size - last.size) > 0.1 * last.size):
            return ordered[:i], ordered[i:]
    return ordered, []
