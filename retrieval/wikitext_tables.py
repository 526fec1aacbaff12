"""A table of wikitext as lines of “Header: cell; Header: cell”.

Format: https://www.mediawiki.org/wiki/Help:Tables. Cells over several rows count for each of them; layout without rows
of figures or words (infoboxes, boxes of links) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from retrieval.formats.blocks import one_line, row

BAR = "\x1f"
"""Stands for a bar that is text, not markup."""
_MOST_COLUMNS = 60
_MOST_ROWS = 20_000
_LONGEST_NAME = 80
_LONGEST_REPEATED = 200
"""Characters of a cell that is repeated in the rows that it spans."""
_MOST_CHARS = 1_000_000
_NO_TEXT = re.compile(
    r"class\s*=[^|\n]{0,200}\b(?:infobox|navbox|toc|metadata|noprint|mbox|ambox|vertical-navbox)\b", re.I
)
_SPAN = re.compile(r"\b(col|row)span\s*=\s*[\"']?\s*(\d{1,4})", re.I)
_HEAD_CELLS = re.compile(r"!!|\|\|")


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    head: bool = False
    columns: int = 1
    rows: int = 1


@dataclass(slots=True)
class Table:
    """Lines go in, in order, without the marks that open and close it; `rows` gives its lines."""

    attributes: str
    caption: str = ""
    _rows: list[list[_Cell]] = field(default_factory=lambda: [[]])
    _in_caption: bool = False

    def feed(self, line: str) -> None:
        mark = line[:1]
        if mark == "|" and line[1:2] == "-":
            self._in_caption = False
            if self._rows[-1] and len(self._rows) < _MOST_ROWS:
                self._rows.append([])
        elif line.startswith("|+"):
            self._in_caption = True
            self.caption = _content(line[2:])[1]
        elif mark == "|":
            self._cells(line[1:].split("||"), head=False)
        elif mark == "!":
            self._cells(_HEAD_CELLS.split(line[1:]), head=True)
        else:
            self.feed_text(line)

    def feed_text(self, text: str) -> None:
        """More of the cell, or the caption, that came last."""
        if self._in_caption:
            self.caption += f" {text}"
        elif self._rows[-1]:
            last = self._rows[-1][-1]
            text = text.lstrip("*#:; ")
            self._rows[-1][-1] = replace(last, text=f"{last.text}\n{text}" if last.text else text)

    def _cells(self, texts: Sequence[str], head: bool) -> None:
        self._in_caption = False
        for text in texts[: _MOST_COLUMNS - len(self._rows[-1])]:
            attributes, content = _content(text)
            spans = {which.lower(): int(many) for which, many in _SPAN.findall(attributes)}
            columns = min(max(spans.get("col", 1), 1), _MOST_COLUMNS)
            self._rows[-1].append(_Cell(content, head, columns, min(max(spans.get("row", 1), 1), _MOST_ROWS)))

    def rows(self) -> list[str]:
        """The caption, and a line for each row that says something."""
        if _NO_TEXT.search(self.attributes):
            return []
        caption = one_line(self.caption)
        written, names, headed = [caption] if caption else [], list[str](), False
        left = _MOST_CHARS
        over: dict[int, _Cell] = {}
        for cells in self._rows:
            head = bool(cells) and all(cell.head for cell in cells)
            texts, over = _placed(cells, over, head)
            if head and len(cells) > 1:
                names = _names(names if headed else [], texts)
                headed = True
                continue
            headed = False
            one = len([text for text in texts if text]) == 1 and any(cell.columns > 1 for cell in cells)
            line = row(() if one else names, texts)
            left -= len(line)
            if left < 0:
                break
            if line:
                written.append(line)
        return written


def _content(text: str) -> tuple[str, str]:
    """The attributes of a cell, and what stands in it."""
    attributes, bar, content = text.partition("|")
    return (attributes, content.strip()) if bar else ("", text.strip())


def _placed(cells: Sequence[_Cell], over: dict[int, _Cell], head: bool) -> tuple[list[str], dict[int, _Cell]]:
    """The texts of a row by column, and the cells that go on in the next row. `over`: those that go on in this one.

    What spans several columns names each of them in a row of headers, and stands once in others.
    """
    texts: list[str] = []
    below: dict[int, _Cell] = {}

    def carried() -> None:
        while (column := len(texts)) in over and column < _MOST_COLUMNS:
            cell = over[column]
            texts.append(cell.text)
            if cell.rows > 1:
                below[column] = replace(cell, rows=cell.rows - 1)

    for cell in cells:
        carried()
        text = one_line(cell.text)
        for number in range(min(cell.columns, _MOST_COLUMNS - len(texts))):
            if cell.rows > 1:
                shown = text[:_LONGEST_REPEATED] if head or number == 0 else ""
                below[len(texts)] = _Cell(shown, rows=cell.rows - 1)
            texts.append(text if head or number == 0 else "")
    carried()
    return texts, below


def _names(above: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The names of the columns, where a second row of headers says more about those of the first."""
    both = [*above, *[""] * (len(texts) - len(above))]
    return [
        " ".join(dict.fromkeys(filter(None, (upper, lower))))[:_LONGEST_NAME]
        for upper, lower in zip(both, [*texts, *[""] * (len(both) - len(texts))], strict=True)
    ]
