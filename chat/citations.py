"""Citations in an answer: which sources it names, and the text with the impossible ones taken out.

Read as citations: `[1]`, `[1, 2]`, `[1][2]`, `[1-3]` where all three are sources, `【1】`, `［1］`. Left alone: code
blocks and inline code, Markdown links, images and link definitions, footnotes, escaped brackets, and array indexing
such as `a[1]` or `row_ids[2]`. A number of three or more digits is a citation only where there is such a source, so a
bracketed year stays. Not covered: an interval such as [1, 2] in prose reads like a citation when both numbers are
sources.

An engine cites by the place of a passage among those that it was given; what is shown and kept has the number that the
passage has in the conversation (`Numbering`), and what is given to an engine of it has places again (`renumbered`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_ONE = r"\d{1,4}(?:\s*[-–—~～]\s*\d{1,4})?"
_NUMBERS = rf"{_ONE}(?:\s*[,，、;；]\s*{_ONE})*"
_RANGE = re.compile(r"(\d+)(?:\s*[-–—~～]\s*(\d+))?")
ALWAYS = 99
"""Numbers up to this one are citations even without such a source: invented ones."""
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
_LONGEST = 48
_OPEN = re.compile(rf"[ \t]*(?:\[[^\[\]\n]{{0,{_LONGEST}}}\]?|[【［][^】］\n]{{0,{_LONGEST}}}[】］]?)?\Z")
"""What must wait at the end of a text: an open bracket, one whose next character decides, and the space before it."""
_TICKS = re.compile("`+")
_LONGEST_CODE = 200
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
        numbers = _numbers(match["square"] or match["wide"], count)
        if any(start < stop and end > begin for begin, stop in protected):
            continue
        if match["square"] and (
            _INDEXED.search(text[max(0, start - _LOOK_BACK) : start]) or _ASSIGNED.match(text, end)
        ):
            continue
        if count == 0 and len(numbers) > 1:
            continue
        if not numbers or max(numbers) > max(count, ALWAYS):
            continue
        yield Mark(start, end, numbers)


def _numbers(listed: str, count: int) -> tuple[int, ...]:
    """The numbers between brackets; none where a range holds what is no source, as “ages [10-20]” does."""
    found: list[int] = []
    for first, last in _RANGE.findall(listed):
        if last and not 1 <= int(first) < int(last) <= count:
            return ()
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def cited(text: str, count: int) -> tuple[int, ...]:
    """Numbers of the cited sources, each once, in order of first appearance; only 1..count are sources."""
    numbers = (number for mark in marks(text, count) for number in mark.numbers)
    return tuple(dict.fromkeys(number for number in numbers if 1 <= number <= count))


def renumbered(text: str, numbers: Mapping[int, int]) -> str:
    """`text` with other numbers in its citations; one whose number becomes 0 goes, others stay as they are."""
    pieces, at = [], 0
    for mark in marks(text, max(numbers, default=0)):
        if any(number not in numbers for number in mark.numbers):
            continue
        kept = "".join(f"[{numbers[number]}]" for number in mark.numbers if numbers[number])
        before = text[at : mark.start]
        pieces += [before if kept else before.rstrip(" \t"), kept]
        at = mark.end
    return "".join([*pieces, text[at:]])


class Numbering:
    """Citations of an answer while it is written, each written `[n]` by the number of its source.

    A source without a number gets the next free one when it is cited first. Numbers of no source are left out along
    with the space before them. A bracket that may become a citation is held back until it is closed.
    """

    def __init__(self, numbers: Sequence[int], free: int = 1, cited: Sequence[int] = ()) -> None:
        """`numbers` of the sources, 0 for one that has none; `free` is the first that no source has had.

        `cited` are the numbers that the beginning of the answer cites.
        """
        self.numbers = list(numbers)
        self.cited = list(cited)
        """Numbers that are cited, in order of first appearance."""
        self._free = free
        self._count = len(numbers)
        self._text = ""
        self._done = 0

    def push(self, piece: str) -> str:
        """The text that may be shown after `piece`."""
        self._text += piece
        held = _OPEN.search(self._text, max(self._done, len(self._text) - _LONGEST))
        return self._taken(min(held.start() if held else len(self._text), self._code_begins()))

    def _code_begins(self) -> int:
        """Where inline code begins that is not closed yet: a bracket in it may turn out to be code."""
        line = max(self._text.rfind("\n") + 1, self._done, len(self._text) - _LONGEST_CODE)
        opened: re.Match[str] | None = None
        for ticks in _TICKS.finditer(self._text, line):
            if opened is None:
                opened = ticks
            elif len(ticks[0]) == len(opened[0]):
                opened = None
        return opened.start() if opened is not None and len(opened[0]) < 3 else len(self._text)

    def finish(self) -> str:
        """What was held back, now that nothing follows."""
        return self._taken(len(self._text))

    def _taken(self, until: int) -> str:
        begin, self._done = self._done, until
        if not any(bracket in self._text[begin:until] for bracket in "[【［"):
            return self._text[begin:until]
        pieces, at = [], begin
        for mark in marks(self._text, self._count):
            if mark.start < begin or mark.end > until:
                continue
            kept = "".join(f"[{number}]" for number in self._numbers(mark.numbers))
            before = self._text[at : mark.start]
            pieces += [before if kept else before.rstrip(" \t"), kept]
            at = mark.end
        return "".join([*pieces, self._text[at:until]])

    def _numbers(self, given: Sequence[int]) -> Iterator[int]:
        for place in dict.fromkeys(given):
            if 1 <= place <= self._count:
                if not self.numbers[place - 1]:
                    self.numbers[place - 1] = self._free
                    self._free += 1
                number = self.numbers[place - 1]
                if number not in self.cited:
                    self.cited.append(number)
                yield number


class Verbatim(Numbering):
    """No citations: the text as it comes."""

    def __init__(self) -> None:
        super().__init__(())

    def push(self, piece: str) -> str:
        return piece

    def finish(self) -> str:
        return ""
