"""RTF 1.9: its text, headings, paragraphs, table rows, and notes after the paragraph that refers to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, islice

from retrieval.base import Part
from retrieval.formats.base import File
from retrieval.formats.blocks import heading, one_line, packed, table

_TITLE = re.compile(rb"\{\\title ([^{}\\]{1,200})\}")
_HEAD = 2**16
_NOTE = re.compile(r"\{(?:\\\*)?\\footnote(?![a-z])")
"""Opens the group of a footnote or an endnote."""
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_PARAGRAPH = re.compile(r"\\(?:par|row)(?![a-z])")
_OUTLINE = re.compile(r"\\outlinelevel([0-8])(?![0-9])")
"""Makes a paragraph a heading; level 9 is that of plain text."""
_MARK = "\ue000"
_MARKED = re.compile(rf"{_MARK}([0-8])")


def title(file: File) -> str:
    with file.path.open("rb") as stream:
        found = _TITLE.search(stream.read(_HEAD))
    return found[1].decode("ascii", "replace").strip() if found else ""


def parts(file: File, start: int) -> Iterator[Part]:
    from striprtf.striprtf import rtf_to_text

    text = _notes_apart(_headings_marked(file.path.read_bytes().decode("latin-1")))
    text = rtf_to_text(text, errors="replace")
    blocks = list(_blocks(text.split("\n")))
    return islice(packed((block, (i + 1) / len(blocks)) for i, block in enumerate(blocks)), start, None)


def _headings_marked(text: str) -> str:
    """Each heading begins with a mark and its level: striprtf leaves formatting out."""
    return _OUTLINE.sub(rf"\g<0>{{\\uc1\\u{ord(_MARK)}?\1}}", text)


def _notes_apart(text: str) -> str:
    """Each note numbered, as a paragraph of its own after that in which it stands: striprtf leaves notes out."""
    kept: list[str] = []
    notes: list[str] = []
    begun = number = 0
    for opened in _NOTE.finditer(text):
        if opened.start() < begun:
            continue  # a note within a note
        number += 1
        kept.append(f"{_with_notes(text[begun : opened.start()], notes)}{{[{number}]}}")
        begun = _group_end(text, opened.end())
        notes.append(f"[{number}] {{{text[opened.end() : begun - 1]}}}")
    return "".join([*kept, _with_notes(text[begun:], notes)])


def _with_notes(text: str, notes: list[str]) -> str:
    """The text with the notes that wait after its first paragraph; none waits afterwards, unless no paragraph ends."""
    ends = _PARAGRAPH.search(text) if notes else None
    if ends is None:
        return text
    told = "".join(f"{{{note}\\par }}" for note in notes)
    notes.clear()
    return f"{text[: ends.end()]} {told}{text[ends.end() :]}"


def _group_end(text: str, start: int) -> int:
    """The place after the brace that closes the group which is open at `start`; the end of a text that is cut off."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.end()
    return len(text)


def _blocks(lines: list[str]) -> Iterator[str]:
    """Each line a paragraph or a heading; lines with cells, which end in “|”, together a table."""
    for in_table, run in groupby(lines, key=lambda line: line.rstrip().endswith("|")):
        if in_table:
            yield table([_MARKED.sub("", line).rstrip().removesuffix("|").split("|") for line in run])
        else:
            yield from filter(None, map(_block, run))


def _block(line: str) -> str:
    marked = _MARKED.search(line)
    text = one_line(_MARKED.sub("", line))
    return heading(int(marked[1]) + 1, text) if marked else text
