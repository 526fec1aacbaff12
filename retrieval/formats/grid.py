"""The rows of a spreadsheet's sheet as Markdown: its name as heading, what stands above a table, then the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from retrieval.formats.blocks import has_header, heading, one_line, row

_SAMPLE = 50


def sheet_blocks(name: str, rows: Iterable[list[str]]) -> Iterator[str]:
    """Blocks of a sheet; a row that names the columns is applied to the rows below it, up to an empty row.

    After an empty row another table may begin; where no new names stand, the old ones go on.
    """
    yield heading(1, name)
    header: list[str] = []
    for stretch in _stretches(rows):
        first = list(islice(stretch, _SAMPLE))
        while len(first) > 1 and sum(map(bool, first[0])) == 1 and sum(map(bool, first[1])) > 1:
            yield " ".join(filter(None, first.pop(0)))  # a title above its table
        if first and has_header(first, fewest=2):
            header = first.pop(0)
        lines = (row(header, cells) for cells in chain(first, stretch))
        while block := "\n".join(islice(lines, _SAMPLE)):
            yield block


def _stretches(rows: Iterable[list[str]]) -> Iterator[Iterator[list[str]]]:
    """Rows between empty rows, lazily; each stretch must be used up before the next is asked for."""
    cleaned = ([one_line(cell) for cell in cells] for cells in rows)
    for cells in cleaned:
        if any(cells):
            yield chain((cells,), _until_empty(cleaned))


def _until_empty(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    for cells in rows:
        if not any(cells):
            return
        yield cells
