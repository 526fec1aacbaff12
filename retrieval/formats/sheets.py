"""XLSX (Office Open XML, ECMA-376 part 1, 18): each sheet as a table, numbers and dates as they are shown.

A formula stands for the value that it had when the file was saved. Left out: comments, charts, macros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from retrieval.base import Part
from retrieval.formats.archive import Archive, elements, forget, whole
from retrieval.formats.base import File
from retrieval.formats.blocks import packed
from retrieval.formats.grid import sheet_blocks
from retrieval.formats.number_format import BUILT_IN, is_date, moment, shown

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_LETTERS = re.compile(r"[A-Z]{1,3}")
_MOST_COLUMNS = 2**14
"""Of a sheet, in Excel."""


def title(file: File) -> str:
    return Archive(file).stated_title()


def parts(file: File, start: int) -> Iterator[Part]:
    return islice(_parts(Archive(file)), start, None)


def _parts(archive: Archive) -> Iterator[Part]:
    main = archive.main()
    book, related = archive.xml(main), archive.relations(main)
    properties = book.find(f"{_S}workbookPr")
    members = dict(related.values())
    values = _Values(
        strings=_strings(archive, members.get("sharedStrings", "")),
        formats=_formats(archive, members.get("styles", "")),
        from_1904=properties is not None and properties.get("date1904") in ("1", "true"),
    )
    listed = [(sheet.get("name", ""), related.get(sheet.get(f"{_R}id"))) for sheet in book.iter(f"{_S}sheet")]
    sheets = [(name, to[1]) for name, to in listed if to is not None and to[0] == "worksheet" and to[1] in archive]
    for number, (name, member) in enumerate(sheets):
        with archive.open(member) as stream:
            size = archive.size(member) or 1
            blocks = sheet_blocks(name, _rows(stream, archive.name, values))
            told = ((block, (number + min(1.0, stream.tell() / size)) / len(sheets)) for block in blocks)
            yield from packed(told, f"sheet {name}")


@dataclass(frozen=True, slots=True)
class _Values:
    """What the cells of a workbook refer to."""

    strings: list[str]
    formats: list[str]
    """Number formats by the number of a cell's style."""
    from_1904: bool

    def text(self, cell: Any) -> str:
        """What a cell shows; empty where it refers to nothing that there is."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return "".join(one.text or "" for one in cell.iter(f"{_S}t"))
        value = cell.findtext(f"{_S}v") or ""
        if not value or kind in ("str", "e", "d"):
            return str(value)
        if kind == "s":
            at = whole(value, len(self.strings), len(self.strings))
            return self.strings[at] if at < len(self.strings) else ""
        if kind == "b":
            return shown(value == "1", "General")
        return self._number(value, whole(cell.get("s"), 0, len(self.formats)))

    def _number(self, value: str, style: int) -> str:
        number_format = self.formats[style] if style < len(self.formats) else "General"
        try:
            number = float(value)
            if is_date(number_format):
                return shown(moment(number, number_format, self.from_1904), number_format)
        except (ValueError, OverflowError):  # no number, or a date that no calendar has
            return value
        return shown(int(number) if number.is_integer() else number, number_format)


def _strings(archive: Archive, member: str) -> list[str]:
    """The texts that cells share, without the guides to their pronunciation."""
    found: list[str] = []
    if member not in archive:
        return found
    with archive.open(member) as stream:
        for one in elements(stream, archive.name, (f"{_S}si",)):
            runs = [one, *one.iterchildren(f"{_S}r")]
            found.append("".join(text.text or "" for run in runs for text in run.iterchildren(f"{_S}t")))
            forget(one)
    return found


def _formats(archive: Archive, member: str) -> list[str]:
    if member not in archive:
        return []
    root = archive.xml(member)
    own = {one.get("numFmtId"): one.get("formatCode", "") for one in root.iter(f"{_S}numFmt")}
    styles = (one.get("numFmtId", "0") for one in root.iterfind(f"{_S}cellXfs/{_S}xf"))
    return [own.get(number) or BUILT_IN.get(number, "General") for number in styles]


def _rows(stream: Any, name: str, values: _Values) -> Iterator[list[str]]:
    """The rows of a sheet as texts; an empty one where rows are left out."""
    last = 0
    for line in elements(stream, name, (f"{_S}row",)):
        number = whole(line.get("r"), last + 1, 2**30)
        if number > last + 1:
            yield []
        last = number
        cells: list[str] = []
        for cell in line.iterchildren(f"{_S}c"):
            column = _column(cell.get("r", ""), len(cells))
            text = values.text(cell)
            if text:
                cells += [""] * (column - len(cells))
                cells.append(text)
        yield cells
        forget(line)


def _column(reference: str, otherwise: int) -> int:
    """The column of a cell from its name, such as 27 of AB3, counted from 0; `otherwise` where it has none."""
    letters = _LETTERS.match(reference)
    if letters is None:
        return otherwise
    number = 0
    for letter in letters[0]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return max(otherwise, min(number, _MOST_COLUMNS) - 1)
