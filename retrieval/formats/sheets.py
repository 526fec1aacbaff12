"""XLSX (Office Open XML, ECMA-376 part 1, 18): each sheet as a table, numbers and dates as they are shown.

A formula stands for the value that it had when the file was saved. Left out: comments, charts, macros.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from retrieval.base import Part
from retrieval.formats.archive import Archive
from retrieval.formats.base import File, damaged
from retrieval.formats.blocks import packed
from retrieval.formats.grid import sheet_blocks
from retrieval.formats.number_format import shown

_MOST_ROWS = 2**20
"""Of a sheet, in Excel."""


def title(file: File) -> str:
    return Archive(file).stated_title()


def parts(file: File, start: int) -> Iterator[Part]:
    return islice(_parts(file), start, None)


def _parts(file: File) -> Iterator[Part]:
    _check(Archive(file))
    with warnings.catch_warnings(), file.path.open("rb") as stream:
        warnings.simplefilter("ignore")  # openpyxl tells what else in the file it does not read
        sheets = _opened(stream, file.name)
        for number, sheet in enumerate(sheets):
            blocks = sheet_blocks(sheet.title, map(_cells, _rows(sheet, file.name)))
            done = (number + 1) / len(sheets)
            yield from packed(((block, done) for block in blocks), f"sheet {sheet.title}")


_DAMAGE = (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError)
"""What openpyxl raises at a workbook that is not as the standard has it."""


def _opened(stream: BinaryIO, name: str) -> Sequence[Any]:
    from openpyxl import load_workbook

    try:
        return list(load_workbook(stream, read_only=True, data_only=True, keep_links=False).worksheets)
    except _DAMAGE as error:
        raise damaged(name) from error


def _rows(sheet: Any, name: str) -> Iterator[list[tuple[Any, str]]]:
    """(value, number format) of the cells of each row."""
    sheet.reset_dimensions()  # some programs state too few, others every column there can be
    try:
        for cells in sheet.iter_rows(max_row=_MOST_ROWS):  # rows that a row's number leaves out come empty
            yield [(cell.value, cell.number_format) if cell.value is not None else (None, "") for cell in cells]
    except _DAMAGE as error:
        raise damaged(name) from error


def _check(archive: Archive) -> None:
    """Open each XML member once, which raises where one defines entities."""
    for member in archive:
        if member.endswith((".xml", ".rels")):
            archive.open(member).close()


def _cells(cells: list[tuple[Any, str]]) -> list[str]:
    written = ["" if value is None else shown(value, number_format) for value, number_format in cells]
    while written and not written[-1]:
        written.pop()
    return written
