"""Citations in an answer: which sources it names, and the text with the impossible ones taken out.

Read as citations: `[1]`, `[1, 2]`, `[1][2]`, `【1】`, `［1］`. Left alone: code blocks and inline code, Markdown links,
images and link definitions, footnotes, escaped brackets, and array indexing such as `a[1]` or `row_ids[2]`. A number
of three or more digits is never a citation, so a bracketed year stays. Not covered: an interval such as [1, 2] in
prose reads like a citation when both numbers are sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NUMBERS = r"\d{1,2}(?:\s*[,，、;；]\s*\d{1,2})*"
_MARK = re.compile(
    rf"(?<![\\\[])\[\s*(?P<square>{_NUMBERS})\s*\](?![(\]])"
    rf"|[【［]\s*(?P<wide>{_NUMBERS})\s*(?:†[^】］\n]*)?[】］]"
)
_VERBATIM = re.compile(
    r"^[ ]{0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)"
    r"|^[ ]{0,3}\[\d+\]:[ \t]*\S+",
    re.DOTALL | re.MULTILINE,
)
"""Fenced code (to the end where never closed), inline code within a paragraph, link definitions."""
_LINK = re.compile(r"!?\[[^\[\]\n]*(?:\[[^\[\]\n]*\][^\[\]\n]*)*\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_INDEXED = re.compile(r"(?:(?<![^\W_])(?<!_)[a-z]\d*|(?<!\w)\w*_\w*|\(\))\Z", re.ASCII)
"""What stands before `[1]` where it is an index: a variable of one small letter, a name with `_`, or a call."""
_ASSIGNED = re.compile(r"\s*(?:[-+*/|&]?=(?!=)|\.\w+\()")
_LOOK_BACK = 64
"""Characters before a bracket that are looked at; longer names are cut."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One citation in a text: `text[start:end]` names the sources `numbers`."""

    start: int
    end: int
    numbers: tuple[int, ...]


def marks(text: str, count: int) -> Iterator[Mark]:
    """The citations in `text`, in order, whether or not a source of that number was given.

    With no source given (`count` 0) a list such as [3, 1, 2] is not taken for a citation.
    """
    protected = [match.span() for pattern in (_VERBATIM, _LINK) for match in pattern.finditer(text)]
    for match in _MARK.finditer(text):
        start, end = match.span()
        numbers = tuple(int(number) for number in re.findall(r"\d+", match["square"] or match["wide"]))
        if any(start < stop and end > begin for begin, stop in protected):
            continue
        if match["square"] and (
            _INDEXED.search(text[max(0, start - _LOOK_BACK) : start]) or _ASSIGNED.match(text, end)
        ):
            continue
        if count == 0 and len(numbers) > 1:
            continue
        yield Mark(start, end, numbers)


def cited(text: str, count: int) -> tuple[int, ...]:
    """Numbers of the cited sources, each once, in order of first appearance; only 1..count are sources."""
    numbers = (number for mark in marks(text, count) for number in mark.numbers)
    return tuple(dict.fromkeys(number for number in numbers if 1 <= number <= count))


def tidy(text: str, count: int) -> str:
    """`text` with every citation written `[n]`, numbers without a source removed along with the space before them."""
    pieces, at = [], 0
    for mark in marks(text, count):
        kept = "".join(f"[{number}]" for number in dict.fromkeys(mark.numbers) if 1 <= number <= count)
        before = text[at : mark.start]
        pieces.append(before if kept else before.rstrip(" \t"))
        pieces.append(kept)
        at = mark.end
    return "".join([*pieces, text[at:]])
