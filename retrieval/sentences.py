"""A text into sentences: spans of its characters, found in one pass with patterns that cannot backtrack far."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.text import CJK, word_set

WRAPPED = range(40, 121)
"""Characters of a line that, not ended by a mark, goes on in the next one."""

_CLOSERS = "\"'”’»)\\]}」』）】》〉］"
_END = re.compile(
    rf"(?P<line>\n)"
    rf"|(?<![。！？；｡])[。！？；｡]+[{_CLOSERS}]*"
    rf"|(?<=[{CJK}])[!?]+[{_CLOSERS}]*(?!\s)"
    rf"|(?<![.!?…])(?P<mark>[.!?…।۔؟]+)[{_CLOSERS}]*(?:\[\d{{1,3}}\])*(?=[ \t\r\f\v\u00a0\u3000]|\n|$)"
)
_NEW_LINE = re.compile(
    r"[ \t\r]*(?:\n|\Z|[-*+•][ \t]|\d{1,3}[.)][ \t]|\||>|#{1,6}[ \t]|```|~~~|[^\W\d_][\w ()]{0,30}:[ \t])"
)
_OWN_LINE = re.compile(r"[ \t]*(?:\||#{1,6}[ \t]|```|~~~)")
_MARKER = re.compile(r"(?:\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>+)[ \t]+)+")
_LIST_NUMBER = re.compile(r"[ \t]*\d{1,3}[.)]\Z")
_BLANK = re.compile(r"\s*")
_WORD_BEFORE = re.compile(r"[\w.&]+\Z")
_NEXT_WORD = re.compile(r"\s*[\"'“‘«(\[]*(\w+)")
_LETTER = re.compile(r"\w")

_TITLES = word_set(
    "mr mrs ms dr prof rev hon messrs mme mlle gen col lt sgt capt cmdr adm gov sen rep pres vs e.g i.e eg ie cf viz "
    "approx"
)
_NUMBERED = word_set("no nos fig figs vol vols p pp art sec ch eq ed c ca nr s")
_MAYBE_LAST = word_set(
    "st mt ft jr sr inc ltd co corp bros etc al dept univ est jan feb mar apr jun jul aug sep sept oct nov dec"
)
_STARTERS = word_set(
    "a according after all although an and another as at because before both but by despite during each even for from "
    "he her here his how however i if in is it its later many more most no not on once one only other others our she "
    "since so some such that the their then there these they this those though through thus to today under unlike "
    "until we what when where which while who why with yet you"
)


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` of the text it was found in."""

    start: int
    end: int


def sentences(text: str) -> list[Span]:
    """The sentences of `text` in order, without the white space and list markers between them.

    A line that is a heading, a table row or a list item is a sentence of its own. What holds no letter or digit
    (a ruler, stray punctuation) belongs to none.
    """
    spans, start = [], 0
    for end in (*_ends(text), len(text)):
        span = trimmed(text, start, end)
        if span is not None:
            spans.append(span)
        start = end
    return spans


def _ends(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        if match["line"]:
            ends = _line_ends(text, match.start())
        elif match["mark"]:
            ends = _mark_ends(text, match.start(), match.end(), match["mark"])
        else:
            ends = True
        if ends:
            yield match.end()


def _line_ends(text: str, newline: int) -> bool:
    """Whether this newline ends a sentence, rather than wrapping a long one."""
    line = text.rfind("\n", 0, newline) + 1
    return (
        newline - line not in WRAPPED
        or _NEW_LINE.match(text, newline + 1) is not None
        or _OWN_LINE.match(text, line) is not None
    )


def _mark_ends(text: str, start: int, end: int, mark: str) -> bool:
    """Whether a mark followed by white space ends a sentence, rather than an abbreviation or a quoted cry."""
    following = _NEXT_WORD.match(text, end)
    if following is None:
        return True
    next_word = following[1]
    if next_word[0].islower():
        return False
    before = _WORD_BEFORE.search(text, max(0, start - 24), start)
    if mark != "." or before is None:
        return True
    word = before[0].lower()
    if word.isdigit() and _LIST_NUMBER.match(text, text.rfind("\n", 0, start) + 1, end):
        return False
    if word in _TITLES:
        return False
    if word in _NUMBERED and next_word[0].isdigit():
        return False
    if word in _MAYBE_LAST or "." in word or (len(word) == 1 and word.isalpha()):
        return next_word.lower() in _STARTERS
    return True


def trimmed(text: str, start: int, end: int) -> Span | None:
    """The span without markers and white space around it; None where no letter or digit is left."""
    if start == 0 or text[start - 1] == "\n":
        marker = _MARKER.match(text, start, end)
        start = marker.end() if marker else start
    blank = _BLANK.match(text, start, end)
    start = blank.end() if blank else start
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if _LETTER.search(text, start, end) else None
