"""Blocks of Markdown, and parts made of them: what the loaders of structured files write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from retrieval.base import Part
from retrieval.formats.base import PART_CHARS

_SPACE = re.compile(r"\s+")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.MULTILINE)
_DEEPEST = 6


def one_line(text: str) -> str:
    """`text` with every run of white space made one space."""
    return _SPACE.sub(" ", text).strip()


def heading(level: int, text: str) -> str:
    """A heading; empty where there is no text. Levels start at 1 and are cut off at 6."""
    text = one_line(text)
    return f"{'#' * min(max(level, 1), _DEEPEST)} {text}" if text else ""


def item(text: str, depth: int = 0, mark: str = "-") -> str:
    """An item of a list, indented by its depth."""
    text = one_line(text)
    return f"{'  ' * depth}{mark} {text}" if text else ""


def code(text: str, language: str = "") -> str:
    """A fenced block; the fence is longer than any in `text`."""
    longest = max((len(fence) for fence in _FENCE.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def row(header: Sequence[str], cells: Sequence[str]) -> str:
    """“Header: cell; Header: cell”, without the cells that are empty."""
    named = [*header, *[""] * len(cells)]
    pairs = zip(named, cells, strict=False)
    return "; ".join(f"{name}: {cell}" if name and name != cell else cell for name, cell in pairs if cell)


_FIGURE = re.compile(r"[\s\d.,:/%()+\-–—−$€£¥#*]*\d[\s\d.,:/%()+\-–—−$€£¥#*]*[^\W\d]{0,3}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_LONGEST_HEADER = 80


def has_header(rows: Sequence[Sequence[str]], fewest: int = 3) -> bool:
    """Whether the first row names the columns, judged by its form against the rows below it.

    Where no column holds figures, at least `fewest` columns are asked for: two columns of words in a text may be
    “word: meaning”, which reads well without.
    """
    first, below = rows[0], rows[1:]
    named = [cell for cell in first if cell]
    if not below or len(named) < max(2, len(first) - 1) or len(set(named)) < len(named):
        return False
    columns = [[cells[i] for cells in below if i < len(cells) and cells[i]] for i in range(len(first))]
    for cell, column in zip(first, columns, strict=True):
        year = _YEAR.fullmatch(cell) is not None and not all(map(_YEAR.fullmatch, column))
        if len(cell) > _LONGEST_HEADER or (_FIGURE.fullmatch(cell) and not year):
            return False
    if all(map(_FIGURE.fullmatch, named)):
        return False
    return len(first) >= fewest or any(map(_mostly_figures, columns))


def _mostly_figures(column: list[str]) -> bool:
    return bool(column) and sum(_FIGURE.fullmatch(cell) is not None for cell in column) * 2 > len(column)


def table(rows: Sequence[Sequence[str]], header: bool | None = None) -> str:
    """The rows of a table as lines; `header`: whether the first names the columns, None where that must be judged."""
    lines = [[one_line(cell) for cell in cells] for cells in rows]
    lines = [cells for cells in lines if any(cells)]
    if not lines:
        return ""
    if header is None:
        header = has_header(lines)
    if header and len(lines) > 1:
        return "\n".join(row(lines[0], cells) for cells in lines[1:])
    if all(len(cells) == 2 for cells in lines):
        return "\n".join(": ".join(filter(None, (cells[0].rstrip(":"), cells[1]))) for cells in lines)
    return "\n".join(row((), cells) for cells in lines)


def joined(blocks: Iterable[str]) -> str:
    """Blocks with a blank line between them; items of one list and rows of one table stay together."""
    written: list[str] = []
    for block in blocks:
        if block:
            tight = written and _is_item(block) and _is_item(written[-1])
            written += ["\n" if tight else "\n\n"] if written else []
            written.append(block)
    return "".join(written)


_ITEM = re.compile(r" *(?:[-*•]|[\w.()]{1,8}[.)]) ")


def _is_item(block: str) -> bool:
    return _ITEM.match(block) is not None and "\n" not in block


def packed(blocks: Iterable[tuple[str, float]], place: str = "") -> Iterator[Part]:
    """Parts of about `PART_CHARS` made of (block, share of the file read with it); a longer block is cut in lines."""
    waiting: list[str] = []
    size, done = 0, 0.0
    for block, done in blocks:
        for piece in _cut(block):
            if size and size + len(piece) > PART_CHARS:
                yield Part(joined(waiting), place, done=done)
                waiting, size = [], 0
            waiting.append(piece)
            size += len(piece)
    if any(waiting):
        yield Part(joined(waiting), place, done=done)


def _cut(block: str) -> Iterator[str]:
    while len(block) > PART_CHARS:
        cut = max(block.rfind(mark, 1, PART_CHARS) for mark in ("\n", " ")) + 1 or PART_CHARS
        yield block[:cut]
        block = block[cut:]
    yield block
