"""A stretch of a long document around one of its passages, for somebody who reads on there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from retrieval.base import Passage
from retrieval.split import Tile
from retrieval.stored import DocumentInfo

_SHORTEST = 200
"""Characters of a passage with what stands before it, about: how many are fetched for a window."""
_MOST_ABOVE = 2000
"""Characters above the first passage (its headings) that are shown with it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a document's text: whole passages, and what stands between them."""

    info: DocumentInfo
    text: str
    start: int
    """Offset of `text` in the document."""
    passages: tuple[Passage, ...]
    """Those in it, in order, never none; their offsets are the document's."""
    wanted: Passage
    """The one that was asked for."""
    places: tuple[tuple[int, str], ...]
    """(offset in the document, place) of each page, slide or sheet in it; the first may have begun before it."""
    first: int
    last: int
    """Ordinals of its first and last passage: where to ask for the window before and the one after."""

    @property
    def before(self) -> bool:
        """Whether there is more of the document before it."""
        return self.first > 0

    @property
    def after(self) -> bool:
        """Whether there is more of the document after it."""
        return self.last < self.info.passages - 1


def window_around(
    info: DocumentInfo, ordinal: int, characters: int, tiles_of: Callable[[int, int], Iterable[Tile]]
) -> Window | None:
    """The window of about so many characters, at least one passage; None when the document cannot be read any more.

    `tiles_of` gives the tiles from one ordinal up to, not including, another, in any order.
    """
    ordinal = min(max(ordinal, 0), info.passages - 1)
    reach = characters // (2 * _SHORTEST) + 1
    lowest = max(0, ordinal - reach)
    beyond = min(info.passages, ordinal + reach + 1)
    tiles = sorted(tiles_of(lowest, beyond), key=lambda tile: tile.passage.start)
    if len(tiles) < beyond - lowest:
        return None
    first, last = _fitting(tiles, ordinal - lowest, characters // 2)
    shown = tiles[first : last + 1]
    start = _start(shown[0])
    text = "".join(tile.text for tile in shown)
    text = text[
        start - shown[0].start : shown[-1].passage.end + min(len(shown[-1].after), _MOST_ABOVE) - shown[0].start
    ]
    marks = [mark for tile in shown for mark in tile.marks if start < mark[0] < start + len(text)]
    return Window(
        info=info,
        text=text,
        start=start,
        passages=tuple(tile.passage for tile in shown),
        wanted=tiles[ordinal - lowest].passage,
        places=((start, shown[0].passage.place), *marks) if shown[0].passage.place or marks else (),
        first=lowest + first,
        last=lowest + last,
    )


def _fitting(tiles: Sequence[Tile], wanted: int, characters: int) -> tuple[int, int]:
    """The first and the last tile of a window that reaches so far to both sides of the wanted passage."""
    first = last = wanted
    begins, ends = tiles[wanted].passage.start, tiles[wanted].passage.end
    while first > 0 and begins - tiles[first - 1].passage.start <= characters:
        first -= 1
    while last < len(tiles) - 1 and tiles[last + 1].passage.end - ends <= characters:
        last += 1
    return first, last


def _start(tile: Tile) -> int:
    """Where a window begins whose first tile this is: above its headings, but in the place of its passage."""
    start = max([tile.start, *(offset for offset, _ in tile.marks if offset <= tile.passage.start)])
    return start if tile.passage.start - start <= _MOST_ABOVE else tile.passage.start
