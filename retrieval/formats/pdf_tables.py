"""Tables of a PDF page as rows of cells: by the lines drawn around their cells, else by cells that stand in columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retrieval.formats.blocks import one_line, table
from retrieval.formats.pdf_lines import Piece, pieces, rows, whole
from retrieval.formats.pdf_words import Rule, Word

_TOUCH = 3.0  # points
_MOST_RULES = 1500
_FEWEST_CELLS = 0.34
_CELL_LETTERS = 60
_COLUMN_GAP = 0.5  # of the letters' size


@dataclass(frozen=True, slots=True)
class Table:
    """A table on a page; `text` has a line for each row."""

    text: str
    left: float
    right: float
    top: float
    bottom: float
    size: float


def ruled(words: Sequence[Word], drawn: Sequence[Rule], rtl: bool) -> tuple[list[Table], list[Word]]:
    """(tables whose cells have lines around them, the words that are in none)."""
    tables: list[Table] = []
    rest = list(words)
    for group in _touching(drawn) if len(drawn) <= _MOST_RULES else []:
        left, right = min(rule.left for rule in group), max(rule.right for rule in group)
        top, bottom = min(rule.top for rule in group), max(rule.bottom for rule in group)
        columns = _distinct([left, right, *(rule.left for rule in group if not rule.level)])
        lines = _distinct(rule.top for rule in group if rule.level)
        if len(columns) < 3 or len(lines) < 3 or not any(not rule.level for rule in group):
            continue
        inside = [word for word in rest if _within(word, left, right, top, bottom)]
        cells = _cells(inside, columns, lines)
        filled = sum(bool(cell) for line in cells for cell in line)
        size = len(cells) * max(map(len, cells), default=0)
        if len(cells) < 2 or filled < _FEWEST_CELLS * size or max(map(len, cells)) < 2:
            continue
        told = table([line[::-1] for line in cells] if rtl else cells)
        tables.append(Table(told, left, right, top, bottom, inside[0].size))
        taken = set(map(id, inside))
        rest = [word for word in rest if id(word) not in taken]
    return tables, rest


def _within(word: Word, left: float, right: float, top: float, bottom: float) -> bool:
    return left < (word.left + word.right) / 2 < right and top < word.base - 0.3 * word.size < bottom


def _touching(drawn: Sequence[Rule]) -> list[list[Rule]]:
    """Lines in groups whose surrounding boxes touch."""
    groups: list[list[Rule]] = []
    boxes: list[list[float]] = []
    for rule in sorted(drawn, key=lambda rule: rule.top):
        box, members = [rule.left, rule.top, rule.right, rule.bottom], [rule]
        i = 0
        while i < len(boxes):
            other = boxes[i]
            apart = (
                box[0] > other[2] + _TOUCH
                or other[0] > box[2] + _TOUCH
                or box[1] > other[3] + _TOUCH
                or other[1] > box[3] + _TOUCH
            )
            if apart:
                i += 1
                continue
            box = [min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])]
            members = groups.pop(i) + members
            boxes.pop(i)
            i = 0
        boxes.append(box)
        groups.append(members)
    return groups


def _distinct(places: Iterable[float]) -> list[float]:
    found: list[float] = []
    for place in sorted(places):
        if not found or place - found[-1] > _TOUCH:
            found.append(place)
    return found


def _cells(words: Sequence[Word], columns: Sequence[float], lines: Sequence[float]) -> list[list[str]]:
    """Texts of the cells, without rows and columns that are empty."""
    grid: list[list[list[Word]]] = [[[] for _ in columns[1:]] for _ in lines[1:]]
    for word in words:
        column = bisect_right(columns, (word.left + word.right) / 2) - 1
        line = bisect_right(lines, word.base - 0.3 * word.size) - 1
        if 0 <= column < len(columns) - 1 and 0 <= line < len(lines) - 1:
            grid[line][column].append(word)
    used = [i for i in range(len(columns) - 1) if any(line[i] for line in grid)]
    return [[_text(line[i]) for i in used] for line in grid if any(line)]


def _text(words: Sequence[Word]) -> str:
    return one_line(" ".join(whole(line).text for line in rows(pieces(words)))) if words else ""


def aligned(lines: Sequence[Sequence[Piece]]) -> list[list[str]] | None:
    """The cells of consecutive lines if they stand in columns, each with its further lines; else None."""
    wide = [line for line in lines if len(line) > 1]
    if len(wide) < 2:
        return None
    size = wide[0][0].size
    columns = _columns([piece for line in wide for piece in line], _COLUMN_GAP * size)
    letters = [len(piece.text) for line in wide for piece in line]
    if len(columns) < 2 or sum(letters) > _CELL_LETTERS * len(letters):
        return None
    cells: list[list[str]] = []
    last = 0.0
    for line in lines:
        texts = [""] * len(columns)
        for piece in line:
            i = min(range(len(columns)), key=lambda i: _outside(piece, columns[i]))
            texts[i] = f"{texts[i]} {piece.text}".strip()
        if cells and not texts[0] and line[0].base - last < 1.45 * size:
            cells[-1] = [f"{one} {more}".strip() for one, more in zip(cells[-1], texts, strict=True)]
        else:
            cells.append(texts)
        last = line[0].base
    several = [texts for texts in cells if sum(map(bool, texts)) > 1]
    return cells if len(several) >= 2 and len(several) * 2 > len(cells) else None


def _columns(found: Sequence[Piece], gap: float) -> list[tuple[float, float]]:
    """(left, right) of what no upright gap divides."""
    columns: list[tuple[float, float]] = []
    for left, right in sorted((piece.left, piece.right) for piece in found):
        if columns and left < columns[-1][1] + gap:
            columns[-1] = (columns[-1][0], max(columns[-1][1], right))
        else:
            columns.append((left, right))
    return columns


def _outside(piece: Piece, column: tuple[float, float]) -> float:
    return max(column[0] - piece.right, piece.left - column[1], 0.0) + abs(piece.left - column[0]) * 1e-3
