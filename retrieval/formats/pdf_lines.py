"""Words of a PDF page into pieces of lines: what stands close together on one baseline, with its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from statistics import median

from retrieval.formats.pdf_words import Word, turned_back

_GAP = 0.9  # of the letters' size; a wider one may be the space between columns
_SPACE = 0.12
_RAISED = 0.8
_MARK = re.compile(r"\d{1,3}|[*†‡§¶]{1,3}")
LEADER = " … "
"""What dots that lead to a page number become."""
_LEADER = re.compile(r"(?:[.·…_]\s?){4,}")


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Words of one line that stand close together, in reading order."""

    words: tuple[Word, ...]
    text: str
    """The words with spaces where they stand apart; raised numbers as “[1]”."""
    left: float
    right: float
    base: float
    size: float
    """Of its largest letters."""
    top: float
    bottom: float
    bold: bool
    """Whether most of it is."""
    rtl: bool
    hyphen: bool
    """Whether its last word was cut at the end of the line."""


def joined(words: Sequence[Word]) -> Piece:
    """One piece of words that stand on one line, in any order."""
    ordered = turned_back(list(words))
    largest = max(ordered, key=_size)
    letters = sum(len(word.text) for word in ordered)
    return Piece(
        words=tuple(ordered),
        text=_text(ordered, largest),
        left=min(word.left for word in ordered),
        right=max(word.right for word in ordered),
        base=largest.base,
        size=largest.size,
        top=largest.base - 0.8 * largest.size,
        bottom=largest.base + 0.2 * largest.size,
        bold=sum(len(word.text) for word in ordered if word.bold) * 2 > letters,
        rtl=sum(len(word.text) for word in ordered if word.rtl) * 2 > letters,
        hyphen=ordered[-1].hyphen,
    )


def _text(words: Sequence[Word], largest: Word) -> str:
    written: list[str] = []
    last: Word | None = None
    for word in words:
        if last is not None and (word.spaced or _distance(last, word) > _SPACE * min(last.size, word.size)):
            written.append(" ")
        raised = word.size < _RAISED * largest.size and word.base < largest.base
        written.append(f"[{word.text}]" if raised and _MARK.fullmatch(word.text) else word.text)
        last = word
    text = "".join(written)
    return _LEADER.sub(LEADER, text).strip() if "...." in text or ". ." in text or not text.isascii() else text


_size = attrgetter("size")


def _distance(one: Word, other: Word) -> float:
    """Between two words along the line; negative where they overlap."""
    return max(other.left - one.right, one.left - other.right)


def pieces(words: Iterable[Word]) -> list[Piece]:
    """The pieces of a page's lines, of words in the order in which they are stored, which is near to reading's."""
    found: list[Piece] = []
    line: list[Word] = []
    for word in words:
        if line and not _follows(line[-1], word):
            found.append(joined(line))
            line = []
        line.append(word)
    if line:
        found.append(joined(line))
    return found


def _follows(last: Word, word: Word) -> bool:
    big, small = (last.size, word.size) if last.size > word.size else (word.size, last.size)
    drop = abs(last.base - word.base)
    if drop > 0.6 * big:
        return False
    distance = max(word.left - last.right, last.left - word.right)
    if small < _RAISED * big:
        return -0.5 * big < distance < 0.4 * big
    return drop < 0.25 * small and -0.5 * small < distance < _GAP * small


def rows(found: Iterable[Piece]) -> list[list[Piece]]:
    """Pieces that share a baseline, from the top; within each from the left."""
    made: list[list[Piece]] = []
    for piece in sorted(found, key=lambda piece: (piece.base, piece.left)):
        if made and abs(made[-1][0].base - piece.base) < 0.4 * min(made[-1][0].size, piece.size):
            made[-1].append(piece)
        else:
            made.append([piece])
    return [sorted(row, key=lambda piece: piece.left) for row in made]


def whole(row: Sequence[Piece]) -> Piece:
    """One piece of all that stands on a line."""
    return row[0] if len(row) == 1 else joined([word for piece in row for word in piece.words])


def usual_pitch(lines: Sequence[Piece]) -> float:
    """The usual distance between the baselines of neighbouring lines; 1.2 times their size where none are near."""
    near = [
        below.base - above.base
        for above, below in pairwise(lines)
        if 0 < below.base - above.base < 2.2 * max(above.size, below.size)
    ]
    return median(near) if near else 1.2 * (lines[0].size if lines else 1.0)
