"""RTF 1.9: its text, paragraphs and table rows; headings are not told apart from other text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, islice

from retrieval.base import Part
from retrieval.formats.base import File
from retrieval.formats.blocks import one_line, packed, table

_TITLE = re.compile(rb"\{\\title ([^{}\\]{1,200})\}")
_HEAD = 2**16


def title(file: File) -> str:
    with file.path.open("rb") as stream:
        found = _TITLE.search(stream.read(_HEAD))
    return found[1].decode("ascii", "replace").strip() if found else ""


def parts(file: File, start: int) -> Iterator[Part]:
    from striprtf.striprtf import rtf_to_text

    text = rtf_to_text(file.path.read_bytes().decode("latin-1"), errors="replace")
    blocks = list(_blocks(text.split("\n")))
    return islice(packed((block, (i + 1) / len(blocks)) for i, block in enumerate(blocks)), start, None)


def _blocks(lines: list[str]) -> Iterator[str]:
    """Each line a paragraph; lines with cells, which end in “|”, together a table."""
    for in_table, run in groupby(lines, key=lambda line: line.rstrip().endswith("|")):
        if in_table:
            yield table([line.rstrip().removesuffix("|").split("|") for line in run])
        else:
            yield from filter(None, map(one_line, run))
