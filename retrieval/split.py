"""Documents into passages, passages into sentences; everything is a span of the original characters.

A passage is as much of one section as fits, cut between paragraphs where possible, else between sentences. Markdown
headings become the `section` of the passages below them. Every step is one pass over the text with patterns that
cannot backtrack far, so that a file of 100 MB, or one line of 10 MB, takes linear time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.base import Document, Passage
from retrieval.text import CJK, language, word_set

TARGET_WORDS, MAX_WORDS = 120, 300
"""Paragraphs are joined up to the first, and left whole up to the second."""
_CJK_WORDS = 0.4  # 300 Chinese characters say about as much as 120 English words
_CHARS_PER_WORD = 10  # at most; a run of letters without spaces counts as several words
_WRAPPED = range(40, 121)  # a line this long and not ended by a mark goes on in the next line

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
        span = _trimmed(text, start, end)
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
        newline - line not in _WRAPPED
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


def _trimmed(text: str, start: int, end: int) -> Span | None:
    """The span without markers and white space around it; None where no letter or digit is left."""
    if start == 0 or text[start - 1] == "\n":
        marker = _MARKER.match(text, start, end)
        start = marker.end() if marker else start
    blank = _BLANK.match(text, start, end)
    start = blank.end() if blank else start
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if _LETTER.search(text, start, end) else None


def passages(document: Document) -> list[Passage]:
    """The passages of a document, in order. Empty only where the document holds no letter or digit."""
    code = document.language or language(document.text)
    spans = [
        (section, span)
        for section, paragraphs in _sections(document.text)
        for span in _packed(document.text, paragraphs)
    ]
    if not spans:  # nothing but headings
        spans = [((), span) for span in _packed(document.text, [Span(0, len(document.text))])]
    return [
        Passage(
            id=f"{document.id}#{i}",
            text=document.text[span.start : span.end],
            title=document.title,
            source=document.source,
            document=document.id,
            section=" › ".join(section[1:] if section[:1] == (document.title,) else section),
            url=document.url,
            language=code,
            start=span.start,
            end=span.end,
        )
        for i, (section, span) in enumerate(spans)
    ]


_HEADING = re.compile(r"[ \t]{0,3}(#{1,6})[ \t]+([^\n]*)")
_UNDERLINE = re.compile(r"(={3,}|-{3,})[ \t\r]*(?:\n|\Z)")
_NUMBERED_HEADING = re.compile(
    r"[ \t]*(?:\d{1,2}[.)、]|[一二三四五六七八九十]{1,3}、)[ \t]*"
    r"([^\W\d][^\s.!?:;。！？：；，]{0,30}(?:[ \t]+[^\s.!?:;]{1,30}){0,5})[ \t]*\n"
    r"(?=[ \t]*(?![-*+•][ \t]|\d{1,3}[.)、]|[一二三四五六七八九十]{1,3}、)[^\sa-z|])"
)
"""“3. Greenhouse heating” above a text that is no list: how notes and minutes are laid out."""
_NUMBERED_LEVEL = 6
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")


def _sections(text: str) -> Iterator[tuple[tuple[str, ...], list[Span]]]:
    """(headings from the outermost, paragraphs below the last of them), section by section."""
    headings: list[tuple[int, str]] = []
    paragraphs: list[Span] = []
    paragraph, line, fenced = -1, 0, False
    while line < len(text):
        newline = text.find("\n", line)
        after = len(text) if newline < 0 else newline + 1
        fenced ^= _FENCE.match(text, line, after) is not None
        heading, below = (None, after) if fenced else _heading(text, line, after, alone=paragraph < 0)
        blank = heading is None and text[line:after].isspace()
        if (heading or blank) and paragraph >= 0:
            paragraphs.append(Span(paragraph, line))
            paragraph = -1
        if heading:
            if paragraphs:
                yield tuple(title for _, title in headings), paragraphs
            paragraphs = []
            headings = [outer for outer in headings if outer[0] < heading[0]] + [heading]
        elif not blank and paragraph < 0:
            paragraph = line
        line = below
    if paragraph >= 0:
        paragraphs.append(Span(paragraph, len(text)))
    if paragraphs:
        yield tuple(title for _, title in headings), paragraphs


def _heading(text: str, line: int, after: int, alone: bool) -> tuple[tuple[int, str] | None, int]:
    """((level, title), where the text goes on) if a heading starts at `line`; `alone`: a paragraph may start here."""
    marked = _HEADING.match(text, line, after)
    if marked:
        title = marked[2].strip().rstrip("#").strip()
        return ((len(marked[1]), title), after) if title else (None, after)
    numbered = _NUMBERED_HEADING.match(text, line) if alone else None
    if numbered:
        return (_NUMBERED_LEVEL, numbered[1].strip()), after
    underline = _UNDERLINE.match(text, after) if alone and after - line <= _WRAPPED.stop else None
    if underline and _LETTER.search(text, line, after):
        return (1 if underline[1][0] == "=" else 2, text[line:after].strip()), underline.end()
    return None, after


def _packed(text: str, paragraphs: list[Span]) -> Iterator[Span]:
    """Paragraphs joined up to `TARGET_WORDS`; one longer than `MAX_WORDS` is cut into parts of equal size."""
    start, end, filled = 0, 0, 0.0
    for paragraph in paragraphs:
        size = _words(text, paragraph.start, paragraph.end)
        if filled and filled + size > TARGET_WORDS:
            yield from _found(text, start, end)
            filled = 0.0
        if size > MAX_WORDS:
            yield from _parts(text, paragraph, size)
            continue
        start = start if filled else paragraph.start
        end, filled = paragraph.end, filled + size
    if filled:
        yield from _found(text, start, end)


def _found(text: str, start: int, end: int) -> Iterator[Span]:
    span = _trimmed(text, start, end)
    if span is not None:
        yield span


def _parts(text: str, paragraph: Span, size: float) -> Iterator[Span]:
    """A long paragraph in parts of about `TARGET_WORDS`, whole sentences each."""
    goal = size / math.ceil(size / TARGET_WORDS)
    start, end, filled = 0, 0, 0.0
    for sentence in _short_sentences(text, paragraph):
        words = _words(text, sentence.start, sentence.end)
        if filled and filled + words / 2 > goal:
            yield Span(start, end)
            filled = 0.0
        start = start if filled else sentence.start
        end, filled = sentence.end, filled + max(words, 0.1)
    if filled:
        yield Span(start, end)


def _short_sentences(text: str, paragraph: Span) -> Iterator[Span]:
    """The paragraph's sentences; one that is too long for a passage comes in pieces."""
    for found in sentences(text[paragraph.start : paragraph.end]):
        start, end = paragraph.start + found.start, paragraph.start + found.end
        words = _words(text, start, end)
        step = int((end - start) * TARGET_WORDS / words) if words > MAX_WORDS else end - start
        while end - start > step:
            cut = max(text.rfind(mark, start + step // 2, start + step) for mark in " \n\t,，、") + 1
            cut = cut or start + step
            yield from _found(text, start, cut)
            start = cut
        yield from _found(text, start, end)


_CJK_CHAR = re.compile(rf"[{CJK}]")


def _words(text: str, start: int, end: int) -> float:
    """Length in English words; Chinese, Japanese and Korean characters count by what they say."""
    stretch = text[start:end]
    cjk = 0 if stretch.isascii() else len(_CJK_CHAR.findall(stretch))
    return cjk * _CJK_WORDS + max(len(stretch.split()) - cjk, (len(stretch) - cjk) / _CHARS_PER_WORD, 0)
