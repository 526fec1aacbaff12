"""Numbers of DOCX lists and headings (ECMA-376 part 1, 17.9): “2.1”, “(a)”, “iv.”, as Word shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from retrieval.formats.archive import Archive, whole

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BULLET = "-"
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"))
_ROMAN_ONES = ((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


def _roman(number: int) -> str:
    written = ""
    for value, letters in (*_ROMAN, *_ROMAN_ONES):
        count, number = divmod(number, value)
        written += letters * count
    return written


def _letters(number: int) -> str:
    """a … z, aa, bb, …"""
    repeats, letter = divmod(number - 1, 26)
    return chr(ord("a") + letter) * (repeats + 1)


_WRITTEN: dict[str, Callable[[int], str]] = {
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
    "decimalZero": lambda number: f"{number:02}",
    "none": lambda number: "",
}
"""Formats of numbers; all others are written in digits."""
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    format: str
    text: str
    """The number as it is shown, with %1 for the number of the first level, and so on."""


@dataclass(slots=True)
class Numbering:
    """The lists of one document, and how far each has been counted."""

    _levels: dict[str, list[_Level]] = field(default_factory=dict)
    _counts: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, archive: Archive, member: str) -> Numbering:
        if member not in archive:
            return cls()
        root = archive.xml(member)
        abstract = {
            one.get(f"{_W}abstractNumId"): [_level(level) for level in one.iterchildren(f"{_W}lvl")]
            for one in root.iterchildren(f"{_W}abstractNum")
        }
        levels = {}
        for one in root.iterchildren(f"{_W}num"):
            based = one.find(f"{_W}abstractNumId")
            if based is not None:
                levels[one.get(f"{_W}numId")] = abstract.get(based.get(f"{_W}val"), [])
        return cls(levels)

    def next(self, list_id: str, depth: int) -> str:
        """The mark of the next item of a list: its number, or “-” for a bullet."""
        levels = self._levels.get(list_id, [])
        if depth >= len(levels) or levels[depth].format == "bullet":
            return _BULLET
        counts = self._counts.setdefault(list_id, [])
        counts += [levels[i].start - (i == depth) for i in range(len(counts), depth + 1)]
        counts[depth] = min(counts[depth] + 1, _MOST)
        del counts[depth + 1 :]
        shown = levels[depth].text
        for i in range(depth, -1, -1):
            write = _WRITTEN.get(levels[i].format, str)
            shown = shown.replace(f"%{i + 1}", write(counts[i]))
        return shown.strip() or _BULLET


def _level(element: Any) -> _Level:
    def value(name: str, otherwise: str) -> str:
        found = element.find(f"{_W}{name}")
        return otherwise if found is None else found.get(f"{_W}val", otherwise)

    return _Level(whole(value("start", ""), 1, _MOST), value("numFmt", "decimal"), value("lvlText", ""))
