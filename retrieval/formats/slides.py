"""PPTX (Office Open XML, ECMA-376 part 1, 19): one part for each slide, its title as a heading, its notes below.

Left out: what the slide master repeats on every slide, charts, comments, macros.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from retrieval.base import Part
from retrieval.formats.archive import Archive, whole
from retrieval.formats.base import File
from retrieval.formats.blocks import heading, item, joined, one_line, table

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES = ("title", "ctrTitle")
_REPEATED = ("dt", "ftr", "sldNum", "hdr", "sldImg")


def title(file: File) -> str:
    return Archive(file).stated_title()


def parts(file: File, start: int) -> Iterator[Part]:
    archive = Archive(file)
    main = archive.main()
    related = archive.relations(main)
    listed = archive.xml(main).iterfind(f"{_P}sldIdLst/{_P}sldId")
    members = [related[slide.get(f"{_R}id")][1] for slide in listed if slide.get(f"{_R}id") in related]
    for number, member in enumerate(members[start:], start=start + 1):
        yield Part(_slide(archive, member), f"slide {number}", done=number / len(members))


def _slide(archive: Archive, member: str) -> str:
    blocks = list(_shapes(archive.xml(member)))
    for kind, target in archive.relations(member).values():
        if kind == "diagramData" and target in archive:
            blocks += [item(text) for text in _paragraphs(archive.xml(target))]
        elif kind == "notesSlide" and target in archive:
            notes = "\n".join(block for block in _shapes(archive.xml(target)) if block)
            blocks.append(f"Notes: {notes}" if notes else "")
    return joined(blocks)


def _shapes(root: Any) -> Iterator[str]:
    """What stands on a slide, its title first, the rest in the order in which it is drawn."""
    shapes = list(root.iter(f"{_P}sp", f"{_P}graphicFrame"))
    for shape in sorted(shapes, key=lambda shape: _kind(shape) not in _TITLES):
        kind = _kind(shape)
        if kind in _TITLES:
            yield heading(1, " ".join(_paragraphs(shape)))
        elif kind not in _REPEATED:
            for grid in shape.iter(f"{_A}tbl"):
                rows = [[" ".join(_paragraphs(cell)) for cell in line.iter(f"{_A}tc")] for line in grid.iter(f"{_A}tr")]
                stated = grid.find(f"{_A}tblPr")
                yield table(rows, header=True if stated is not None and stated.get("firstRow") == "1" else None)
            if shape.tag == f"{_P}sp":
                yield from _text(shape, listed=kind in ("", "body", "obj"))


def _text(shape: Any, listed: bool) -> Iterator[str]:
    """A text box as paragraphs; the outline of a slide as a list where it has more than one."""
    frame = shape.find(f"{_P}txBody")
    lines = [] if frame is None else [(_depth(one), _line(one)) for one in frame.iterchildren(f"{_A}p")]
    lines = [(depth, line) for depth, line in lines if line]
    if listed and len(lines) > 1:
        yield from (item(line, depth) for depth, line in lines)
    else:
        yield from (line for _, line in lines)


def _kind(shape: Any) -> str:
    """What a shape is a placeholder for; “obj” where that is not said, empty where it is none."""
    placeholder = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return "" if placeholder is None else str(placeholder.get("type", "obj"))


def _depth(paragraph: Any) -> int:
    properties = paragraph.find(f"{_A}pPr")
    return 0 if properties is None else whole(properties.get("lvl"), 0, 8)


def _paragraphs(element: Any) -> list[str]:
    return [line for line in map(_line, element.iter(f"{_A}p")) if line]


def _line(paragraph: Any) -> str:
    return one_line(
        "".join(" " if one.tag == f"{_A}br" else one.text or "" for one in paragraph.iter(f"{_A}t", f"{_A}br"))
    )
