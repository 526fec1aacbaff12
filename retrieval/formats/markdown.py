"""Markdown (CommonMark 0.31 with GitHub's tables): keeps headings, lists and code, and loses what only a program reads
(emphasis marks, link targets, front matter); HTML is kept, as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from retrieval.base import Part
from retrieval.formats.base import File
from retrieval.formats.blocks import row
from retrieval.formats.text import pieces

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?P<fields>(?:[^\n]*\n){0,100}?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*[\"']?([^\n\"']+)", re.MULTILINE | re.IGNORECASE)
_FIRST_H1 = re.compile(r"^#[ \t]+([^\n]+)$|^(\S[^\n]*)\n={3,}[ \t]*$", re.MULTILINE)
_FENCED = re.compile(r"(^[ \t]*(?:```|~~~)[^\n]*$)", re.MULTILINE)
_INLINE = (
    (re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,2000}(?:[ \t]+[\"'][^\"'\n]{0,300}[\"'])?\)"), r"\1"),
    (re.compile(r"^[ \t]{0,3}\[[^\[\]\n]{1,100}\]:[ \t]+\S[^\n]*$\n?", re.MULTILINE), ""),
    (re.compile(r"\[([^\[\]\n]{1,500})\]\[[^\[\]\n]{0,100}\]"), r"\1"),
    (re.compile(r"<(https?://[^<>\s]{1,2000})>"), r"\1"),
    (re.compile(r"(`{1,2})([^`\n]{1,1000})\1"), r"\2"),
    (re.compile(r"(?<!\\)(\*\*\*|\*\*|(?<!\w)__|~~)(?=\S)([^*~\n]{1,1000}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]{1,1000}?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w\\])_(?=[^\s_])([^_\n]{1,1000}?)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])"), r"\1"),
)
"""What stands for formatting, and what is left of it."""


def title(file: File) -> str:
    """From the front matter, else the first heading of the first level."""
    text = next((text for text, _, _ in pieces(file)), "")
    front = _FRONT_MATTER.match(text)
    named = _FRONT_TITLE.search(front["fields"]) if front else None
    if named:
        return named[1].strip()
    stretches, _ = _stretches(text[front.end() :] if front else text)
    heading = _FIRST_H1.search("".join(stretches[::4]))
    return (heading[1] or heading[2]).strip(" \t#") if heading else ""


def parts(file: File, start: int) -> Iterator[Part]:
    return islice(_parts(file), start, None)


def _parts(file: File) -> Iterator[Part]:
    fence = ""
    for number, (text, goes_on, done) in enumerate(pieces(file)):
        front = _FRONT_MATTER.match(text) if number == 0 else None
        text = text[front.end() :] if front else text
        # Code that goes on in the next piece is fenced in both.
        stretches, still_open = _stretches(f"{fence}\n{text}" if fence else text)
        text = "".join(stretches)
        if still_open:
            text += ("" if text.endswith("\n") else "\n") + still_open.strip()[:3] + "\n"
        fence = still_open
        yield Part(text, continues=goes_on, done=done)


def _stretches(text: str) -> tuple[list[str], str]:
    """([text, fence, code, fence, text, …] made readable, the fence that is still open at the end)."""
    stretches = _FENCED.split(text)
    for i in range(0, len(stretches), 4):
        stretches[i] = _readable(_rows(stretches[i]))
    return stretches, stretches[-2] if len(stretches) % 4 == 3 else ""


_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_CELL_END = re.compile(r"(?<!\\)\|")


def _rows(text: str) -> str:
    """`text` with its tables as lines of “Header: cell; Header: cell”."""
    lines = text.split("\n")
    written: list[str] = []
    header: list[str] | None = None
    for i, line in enumerate(lines):
        below = lines[i + 1] if i + 1 < len(lines) else ""
        if "|" not in line:
            header = None
            written.append(line)
        elif header is None and "|" in below and _TABLE_RULE.fullmatch(below):
            header = _cells(line)
        elif header is not None and _TABLE_RULE.fullmatch(line):
            continue
        elif header is not None:
            written.append(row(header, _cells(line)))
        else:
            written.append(line)
    return "\n".join(written)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELL_END.split(line.strip().removeprefix("|").removesuffix("|"))]


def _readable(text: str) -> str:
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text
