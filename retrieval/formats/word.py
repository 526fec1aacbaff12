"""DOCX (Office Open XML, ECMA-376 part 1, 17): the text as it reads after every tracked change is accepted.

Kept: headings, numbered and bulleted lists with their numbers, tables, footnotes and endnotes after the paragraph
that refers to them, text boxes, content controls, links' texts. Left out: headers and footers, comments, deleted
text, field codes, pronunciation guides, macros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from retrieval.base import Part
from retrieval.formats.archive import Archive, elements, forget, whole
from retrieval.formats.base import File
from retrieval.formats.blocks import heading, item, one_line, packed, table
from retrieval.formats.numbering import Numbering

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_SKIPPED = frozenset(
    f"{_W}{name}"
    for name in ("del", "moveFrom", "instrText", "delText", "rt", "pPr", "rPr", "tblPr", "tcPr", "sdtPr", "sectPr")
) | {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
_WRITTEN = {f"{_W}tab": " ", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-", f"{_W}ptab": " "}
_TEXT = (f"{_W}t", f"{_M}t")
_NOTES = {f"{_W}footnoteReference": "footnotes", f"{_W}endnoteReference": "endnotes"}


def title(file: File) -> str:
    return Archive(file).stated_title()


def parts(file: File, start: int) -> Iterator[Part]:
    archive = Archive(file)
    return islice(packed(_Document(archive, archive.main()).blocks()), start, None)


@dataclass(frozen=True, slots=True)
class _Style:
    level: int
    """Of a heading, from 1 on; 0 for other text."""
    list_id: str
    depth: int


_PLAIN = _Style(0, "", 0)


@dataclass(slots=True)
class _Document:
    archive: Archive
    main: str
    _styles: dict[str, _Style] = field(default_factory=dict)
    _notes: dict[tuple[str, str], Any] = field(default_factory=dict)
    _noted: list[tuple[str, str]] = field(default_factory=list)
    """Notes that the text has referred to so far, in order: their numbers."""

    def blocks(self) -> Iterator[tuple[str, float]]:
        related = dict(self.archive.relations(self.main).values())
        self._styles = _styles(self.archive, related.get("styles", ""))
        numbering = Numbering.read(self.archive, related.get("numbering", ""))
        for kind in ("footnotes", "endnotes"):
            if related.get(kind, "") in self.archive:
                notes = self.archive.xml(related[kind])
                self._notes |= {(kind, note.get(f"{_W}id")): note for note in notes if isinstance(note.tag, str)}
        with self.archive.open(self.main) as stream:
            size = self.archive.size(self.main) or 1
            for element in elements(stream, self.archive.name, (f"{_W}p", f"{_W}tbl")):
                if not _outermost(element):
                    continue
                told = len(self._noted)
                block = self._table(element) if element.tag == f"{_W}tbl" else self._paragraph(element, numbering)
                done = min(1.0, stream.tell() / size)
                yield block, done
                yield from ((note, done) for note in self._told(told))
                forget(element)

    def _paragraph(self, paragraph: Any, numbering: Numbering) -> str:
        text = self._text(paragraph)
        properties = paragraph.find(f"{_W}pPr")
        style = _PLAIN if properties is None else self._style(properties)
        number = numbering.next(style.list_id, style.depth) if style.list_id and text.strip() else ""
        if style.level:
            return heading(style.level, f"{number} {text}" if number not in ("", "-") else text)
        if number:
            return item(text, style.depth, number)
        return text.strip()

    def _style(self, properties: Any) -> _Style:
        named = properties.find(f"{_W}pStyle")
        style = self._styles.get(named.get(f"{_W}val"), _PLAIN) if named is not None else _PLAIN
        return _stated(properties, style)

    def _table(self, element: Any) -> str:
        rows: list[list[str]] = []
        stated = False
        for line in element.iterchildren(f"{_W}tr", f"{_W}sdt"):
            cells: list[str] = []
            for cell in line.iter(f"{_W}tc"):
                if next(cell.iterancestors(f"{_W}tbl")) is element:
                    span = cell.find(f"{_W}tcPr/{_W}gridSpan")
                    wide = 1 if span is None else whole(span.get(f"{_W}val"), 1, most=64)
                    texts = [self._text(paragraph) for paragraph in cell.iter(f"{_W}p")]
                    cells += [one_line(" ".join(texts)), *[""] * (wide - 1)]
            stated |= not rows and line.find(f"{_W}trPr/{_W}tblHeader") is not None
            rows.append(cells)
        return table(rows, header=True if stated else None)

    def _text(self, element: Any) -> str:
        """The text in an element, notes as “[1]”; text boxes stand behind the paragraph they are anchored in."""
        written: list[str] = []
        self._write(element, written)
        return "".join(written)

    def _write(self, element: Any, written: list[str]) -> None:
        for child in element:
            if child.tag in _SKIPPED:
                continue
            if child.tag in _TEXT:
                written.append(child.text or "")
            elif child.tag in _NOTES:
                self._noted.append((_NOTES[child.tag], child.get(f"{_W}id")))
                written.append(f"[{len(self._noted)}]")
            else:
                written.append(_WRITTEN.get(child.tag, ""))
                self._write(child, written)
                if child.tag == f"{_W}p":
                    written.append("\n")

    def _told(self, first: int) -> Iterator[str]:
        """The notes from the `first`-th on, each numbered as in the text."""
        for number, key in enumerate(self._noted[first:], start=first + 1):
            note = self._notes.get(key)
            text = one_line(self._text(note)) if note is not None else ""
            if text:
                yield f"[{number}] {text}"


def _outermost(element: Any) -> bool:
    """Whether it stands in the text itself, not in a cell or a text box, nor among what was deleted."""
    inside = (f"{_W}tbl", f"{_W}p", *_SKIPPED)
    return next(element.iterancestors(*inside), None) is None


def _stated(properties: Any, style: _Style) -> _Style:
    """`style` with what a paragraph's or a style's own properties say otherwise."""
    level, list_id, depth = style.level, style.list_id, style.depth
    outline = properties.find(f"{_W}outlineLvl")
    if outline is not None:
        stated = whole(outline.get(f"{_W}val"), 9, 9)
        level = stated + 1 if stated < 9 else 0
    listed = properties.find(f"{_W}numPr/{_W}numId")
    if listed is not None:
        list_id = listed.get(f"{_W}val", "").removeprefix("0")
    deep = properties.find(f"{_W}numPr/{_W}ilvl")
    if deep is not None:
        depth = whole(deep.get(f"{_W}val"), 0, 8)
    return _Style(level, list_id, depth)


def _styles(archive: Archive, member: str) -> dict[str, _Style]:
    """Paragraph styles by id, with what they inherit."""
    if member not in archive:
        return {}
    found: dict[str, _Style] = {}
    waiting = {style.get(f"{_W}styleId"): style for style in archive.xml(member).iterchildren(f"{_W}style")}

    def read(style_id: str, above: frozenset[str]) -> _Style:
        if style_id in found or style_id not in waiting or style_id in above:
            return found.get(style_id, _PLAIN)
        element = waiting[style_id]
        based = element.find(f"{_W}basedOn")
        style = read(based.get(f"{_W}val"), above | {style_id}) if based is not None and len(above) < 20 else _PLAIN
        name = element.find(f"{_W}name")
        named = (name.get(f"{_W}val") or "").lower() if name is not None else ""
        if named == "title":
            style = _Style(1, style.list_id, style.depth)
        properties = element.find(f"{_W}pPr")
        found[style_id] = style if properties is None else _stated(properties, style)
        return found[style_id]

    for style_id in list(waiting):
        read(style_id, frozenset())
    return found
