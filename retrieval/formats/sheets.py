"""XLSX (Office Open XML, ECMA-376 part 1, 18): each sheet as a table, numbers and dates as they are shown.

A formula stands for the value that it had when the file was saved. Left out: comments, charts, macros.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

from retrieval.base import Part
from retrieval.formats.archive import Archive
from retrieval.formats.base import File
from retrieval.formats.blocks import packed
from retrieval.formats.grid import sheet_blocks
from retrieval.formats.number_format import shown


def title(file: File) -> str:
    return Archive(file).stated_title()


def parts(file: File, start: int) -> Iterator[Part]:
    return islice(_parts(file), start, None)


def _parts(file: File) -> Iterator[Part]:
    from openpyxl import load_workbook

    _check(Archive(file))
    with warnings.catch_warnings(), file.path.open("rb") as stream:
        warnings.simplefilter("ignore")  # openpyxl tells what else in the file it does not read
        book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        sheets = book.worksheets
        for number, sheet in enumerate(sheets):
            sheet.reset_dimensions()  # some programs state too few, others every column there can be
            blocks = sheet_blocks(sheet.title, (_cells(cells) for cells in sheet.iter_rows()))
            done = (number + 1) / len(sheets)
            yield from packed(((block, done) for block in blocks), f"sheet {sheet.title}")


def _check(archive: Archive) -> None:
    """Open each XML member once, which raises where one defines entities."""
    for member in archive:
        if member.endswith((".xml", ".rels")):
            archive.open(member).close()


def _cells(cells: tuple[Any, ...]) -> list[str]:
    written = [shown(cell.value, cell.number_format) if cell.value is not None else "" for cell in cells]
    while written and not written[-1]:
        written.pop()
    return written
