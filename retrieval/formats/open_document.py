"""ODT, ODS and ODP (OpenDocument 1.3): text, sheets and slides, every value as it is shown.

Left out: headers and footers, comments, deleted text, pronunciation guides, macros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from retrieval.base import Part
from retrieval.formats.archive import Archive, elements, forget, whole
from retrieval.formats.base import File, encrypted
from retrieval.formats.blocks import heading, item, joined, one_line, packed, table
from retrieval.formats.grid import sheet_blocks

_NS = "{urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TEXT, _TABLE = f"{_NS}office:1.0}}", f"{_NS}text:1.0}}", f"{_NS}table:1.0}}"
_DRAW, _PRESENTATION = f"{_NS}drawing:1.0}}", f"{_NS}presentation:1.0}}"
_P, _H = f"{_TEXT}p", f"{_TEXT}h"
_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
_SKIPPED = (f"{_OFFICE}annotation", f"{_TEXT}tracked-changes", f"{_TEXT}ruby-text", f"{_TEXT}page-number")
_MOST_REPEATED = 256


def title(file: File) -> str:
    archive = Archive(file)
    if "meta.xml" not in archive:
        return ""
    return archive.xml("meta.xml").findtext(".//{http://purl.org/dc/elements/1.1/}title") or ""


def parts(file: File, start: int) -> Iterator[Part]:
    archive = Archive(file)
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise encrypted(file.name)
    kind = archive.read("mimetype").decode("ascii", "replace").removesuffix("-template")
    return islice(_READERS[kind](archive), start, None)


def _text(archive: Archive) -> Iterator[Part]:
    return packed(_Text().blocks(archive))


def _slides(archive: Archive) -> Iterator[Part]:
    number = 0
    with archive.open("content.xml") as stream:
        for page in elements(stream, archive.name, (f"{_DRAW}page",)):
            number += 1
            yield Part(_Text().slide(page), f"slide {number}", done=_share(archive, stream))
            page.clear()


def _sheets(archive: Archive) -> Iterator[Part]:
    """One sheet at a time; its rows are read while they come, and forgotten."""
    rows: list[list[str]] = []
    with archive.open("content.xml") as stream:
        for element in elements(stream, archive.name, (f"{_TABLE}table-row", f"{_TABLE}table")):
            if element.tag == f"{_TABLE}table-row":
                rows.append(_cells(element))
                element.clear()
                continue
            name = element.get(f"{_TABLE}name", "")
            done = _share(archive, stream)
            yield from packed(((block, done) for block in sheet_blocks(name, iter(rows))), f"sheet {name}")
            rows = []
            element.clear()


_READERS = {
    "application/vnd.oasis.opendocument.text": _text,
    "application/vnd.oasis.opendocument.spreadsheet": _sheets,
    "application/vnd.oasis.opendocument.presentation": _slides,
}


def _share(archive: Archive, stream: Any) -> float:
    read: int = stream.tell()
    return min(1.0, read / (archive.size("content.xml") or 1))


def _cells(line: Any) -> list[str]:
    cells: list[str] = []
    for cell in line.iterchildren(*_CELLS):
        text = "\n".join(_content(paragraph, []) for paragraph in cell.iterchildren(_P, _H))
        # A repeated empty cell at the end fills the row up to the last column there can be.
        cells += [text] * whole(cell.get(f"{_TABLE}number-columns-repeated"), 1, _MOST_REPEATED)
    while cells and not cells[-1]:
        cells.pop()
    return cells


@dataclass(slots=True)
class _Text:
    """The blocks of a text or of a slide."""

    _notes: list[str] = field(default_factory=list)

    def blocks(self, archive: Archive) -> Iterator[tuple[str, float]]:
        told = 0
        with archive.open("content.xml") as stream:
            for element in elements(stream, archive.name, (_P, _H, f"{_TABLE}table")):
                if next(element.iterancestors(_P, _H, f"{_TABLE}table", *_SKIPPED), None) is not None:
                    continue
                done = _share(archive, stream)
                yield self._block(element), done
                yield from ((note, done) for note in self._notes[told:])
                told = len(self._notes)
                forget(element)

    def slide(self, page: Any) -> str:
        """A slide's title as heading, then its frames in the order in which they are drawn, then its notes."""
        blocks: list[str] = []
        notes = ""
        for shape in page:
            kind = shape.get(f"{_PRESENTATION}class", "")
            found = [element for element in shape.iter(_P, _H, f"{_TABLE}table") if self._outermost(element, shape)]
            if kind == "title":
                blocks.insert(0, heading(1, " ".join(map(self._block, found))))
            elif shape.tag == f"{_PRESENTATION}notes":
                notes = " ".join(filter(None, map(self._block, found)))
            else:
                blocks += map(self._block, found)
        return joined([*blocks, *self._notes, f"Notes: {notes}" if notes else ""])

    def _outermost(self, element: Any, within: Any) -> bool:
        above = next(element.iterancestors(_P, _H, f"{_TABLE}table", *_SKIPPED), None)
        return above is None or above not in within.iter()

    def _block(self, element: Any) -> str:
        if element.tag == f"{_TABLE}table":
            return self._table(element)
        text = _content(element, self._notes)
        if element.tag == _H:
            return heading(whole(element.get(f"{_TEXT}outline-level"), 1, 6), text)
        if element.get(f"{_TEXT}style-name") == "Title":
            return heading(1, text)
        depth = sum(1 for _ in element.iterancestors(f"{_TEXT}list"))
        return item(text, depth - 1) if depth else text.strip()

    def _table(self, element: Any) -> str:
        rows = [
            [" ".join(_content(one, self._notes) for one in cell.iter(_P, _H)) for cell in line.iterchildren(*_CELLS)]
            for line in element.iter(f"{_TABLE}table-row")
        ]
        return table(rows, header=True if element.find(f"{_TABLE}table-header-rows") is not None else None)


def _content(element: Any, notes: list[str]) -> str:
    """The text of a paragraph; a note becomes “[1]” and is added to `notes`."""
    written: list[str] = []

    def write(node: Any) -> None:
        written.append(node.text or "")
        for child in node:
            if child.tag == f"{_TEXT}s":
                written.append(" " * whole(child.get(f"{_TEXT}c"), 1, 80))
            elif child.tag == f"{_TEXT}tab":
                written.append(" ")
            elif child.tag == f"{_TEXT}line-break":
                written.append("\n")
            elif child.tag == f"{_TEXT}note":
                body = child.find(f"{_TEXT}note-body")
                note = "" if body is None else one_line(" ".join(_content(one, []) for one in body.iter(_P, _H)))
                notes.append(f"[{len(notes) + 1}] {note}")
                written.append(f"[{len(notes)}]")
            elif isinstance(child.tag, str) and child.tag not in _SKIPPED:
                write(child)
            written.append(child.tail or "")

    write(element)
    return "".join(written)
