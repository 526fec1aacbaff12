"""The words of a PDF page with their places, and the straight lines drawn on it, as PDFium sees them.

Places are in points from the upper left corner of the page as it is shown, whichever way it is rotated. Letters of
right-to-left scripts are put into reading order by where they stand: producers store them in either order.
"""

from __future__ import annotations

import ctypes
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

_RUN = re.compile(r"[^\s\ufffe\x02\x00\u00ad]+[\ufffe\x02\u00ad]?")
_HYPHENS = "\ufffe\x02\u00ad"
"""What PDFium gives for a hyphen at the end of a line."""
_SPACES = " \t\u00a0\u3000"
_MARKS = re.compile(r"(?<=.)[\d*†‡§¹²³]|[\d*†‡§¹²³](?=.)")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_LTR_RUN = re.compile(
    "[^\\W\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff](?:[\\w.,:/%+-]*[^\\W\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff])?"
)
_COMPATIBILITY = re.compile("[\u2f00-\u2fdf\ufb00-\ufb4f\ufb50-\ufdff\ufe70-\ufeff\uff21-\uff5a]")
_ALEFS = "اأإآ"
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_BOLD = 600
_MOST_OBJECTS, _MOST_RULES = 50_000, 4_000
_THIN = 3.0
_MOST_CHARS = 200_000
_UPRIGHT = 0.1  # radians


class Word(NamedTuple):
    """Text between white space, on one line. (A page has hundreds: a named tuple is made five times as fast.)"""

    text: str
    left: float
    right: float
    base: float
    """Its baseline, growing downwards."""
    size: float
    """Of its letters, in points as shown."""
    bold: bool = False
    rtl: bool = False
    hyphen: bool = False
    """Whether it was cut at the end of a line, with a hyphen that is not part of it."""
    spaced: bool = False
    """Whether a space is stored before it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line drawn on the page, upright or level."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def level(self) -> bool:
        return self.right - self.left > self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Frame:
    """How a page's own coordinates become those of the page as shown."""

    width: float
    height: float
    """Of the page as shown."""
    rotation: int
    """Clockwise, in degrees."""
    left: float
    bottom: float
    """The corner of the box that is shown."""

    def shown(self, x: float, y: float) -> tuple[float, float]:
        x, y = x - self.left, y - self.bottom
        if not self.rotation:
            return x, self.height - y
        turned = {
            90: (y, x),
            180: (self.width - x, y),
            270: (self.width - y, self.height - x),
        }
        return turned[self.rotation]


def frame(page: Any) -> Frame:
    left, bottom, *_ = page.get_cropbox()
    width, height = page.get_size()
    return Frame(width, height, page.get_rotation() % 360, left, bottom)


def words(text_page: Any, where: Frame) -> tuple[list[Word], list[str]]:
    """(the words that stand upright, in the order in which they are stored; the text that is turned)."""
    text = _text(text_page)
    found: list[Word] = []
    turned: list[str] = []
    reader = _Reader(text_page, where)
    for match in _RUN.finditer(text):
        for start, end in reader.sizes(text, match.start(), match.end()):
            word = reader.word(text, start, end)
            if word is None:
                turned.append(text[start:end].rstrip(_HYPHENS))
            elif word.text:
                found.append(word)
    return found, turned


def _text(text_page: Any) -> str:
    """The text of a page, one character (a UTF-16 unit) for each that PDFium counts."""
    count = min(text_page.count_chars(), _MOST_CHARS)
    text = str(text_page.get_text_range(0, count)) if count else ""
    if len(text) == count:
        return text
    codes = (pdfium.FPDFText_GetUnicode(text_page, i) for i in range(count))
    return "".join(chr(code) if code and code < 0x110000 and not 0xD800 <= code < 0xE000 else "\x00" for code in codes)


class _Reader:
    """Asks PDFium about single characters, through the same few buffers."""

    def __init__(self, text_page: Any, where: Frame) -> None:
        self._page = text_page.raw
        self._where = where
        self._box = pdfium.FS_RECTF()
        self._matrix = pdfium.FS_MATRIX()
        self._x, self._y = ctypes.c_double(), ctypes.c_double()

    def sizes(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """A run cut where its letters change in size, as they do at the mark of a footnote."""
        if end - start == 1 or not _MARKS.search(text, start, end):
            yield start, end
            return
        sizes = [pdfium.FPDFText_GetFontSize(self._page, i) for i in range(start, end)]
        first = 0
        for i in range(1, len(sizes)):
            if not 0.85 < sizes[i] / (sizes[i - 1] or 1.0) < 1.18:
                yield start + first, start + i
                first = i
        yield start + first, end

    def word(self, text: str, start: int, end: int) -> Word | None:
        """The word at these characters; None where it is turned."""
        page, matrix = self._page, self._matrix
        scale = 1.0
        if pdfium.FPDFText_GetMatrix(page, start, matrix):
            scale = math.hypot(matrix.b, matrix.d)
            angle = math.atan2(matrix.b, matrix.a) - math.radians(self._where.rotation)
            if abs((angle + math.pi) % (2 * math.pi) - math.pi) > _UPRIGHT:
                return None
        pdfium.FPDFText_GetCharOrigin(page, start, self._x, self._y)
        _, base = self._where.shown(self._x.value, self._y.value)
        size = pdfium.FPDFText_GetFontSize(page, start) * scale or 1.0
        bold = pdfium.FPDFText_GetFontWeight(page, start) >= _BOLD
        hyphen = text[end - 1] in _HYPHENS
        written = text[start : end - hyphen]
        spaced = start > 0 and text[start - 1] in _SPACES
        if written.isascii() or not _RTL.search(written):
            left = self._place(start)[0]
            right = self._place(end - 1)[1] if end - start > 1 else self._place(start)[1]
            return Word(_plain(written), min(left, right), max(left, right), base, size, bold, False, hyphen, spaced)
        places = [self._place(i) for i in range(start, end - hyphen)]
        left, right = min(x for x, _ in places), max(x for _, x in places)
        return Word(_plain(_reordered(written, places)), left, right, base, size, bold, True, hyphen, spaced)

    def _place(self, i: int) -> tuple[float, float]:
        """(left, right) of a character as shown."""
        box = self._box
        pdfium.FPDFText_GetLooseCharBox(self._page, i, box)
        if not self._where.rotation:
            return box.left - self._where.left, box.right - self._where.left
        first, _ = self._where.shown(box.left, box.bottom)
        second, _ = self._where.shown(box.right, box.top)
        return min(first, second), max(first, second)


def _reordered(text: str, places: list[tuple[float, float]]) -> str:
    """Letters from right to left as they stand, numbers and Latin words within them from left to right."""
    order = sorted(range(len(text)), key=lambda i: -(places[i][0] + places[i][1]))
    written = "".join(text[i] for i in order)
    written = _LTR_RUN.sub(lambda match: match[0][::-1], written)
    for alef in _ALEFS:  # the two letters of a ligature share one place, in the order of the page, not of reading
        for i in range(len(order) - 1):
            if written[i : i + 2] == alef + "ل" and places[order[i]] == places[order[i + 1]]:
                written = f"{written[:i]}ل{alef}{written[i + 2 :]}"
    return written


def _plain(text: str) -> str:
    """Ligatures and positional forms as their letters, symbols of private fonts as bullets."""
    if text.isascii():
        return text
    text = _COMPATIBILITY.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return _PRIVATE.sub("•", text)


def turned_back(line: list[Word]) -> list[Word]:
    """The words of one line in reading order: by place, and what runs against the line's direction turned back."""
    if not any(word.rtl for word in line):
        return sorted(line, key=_left)
    letters = sum(len(word.text) for word in line if word.rtl or any(map(str.isalpha, word.text)))
    rtl = sum(len(word.text) for word in line if word.rtl) * 2 > letters
    written: list[Word] = []
    against: list[Word] = []
    for word in sorted(line, key=_from_right if rtl else _left):
        if word.rtl == rtl:
            written += [*reversed(against), word]
            against = []
        else:
            against.append(word)
    return [*written, *reversed(against)]


_left = attrgetter("left")


def _from_right(word: Word) -> float:
    return -word.right


def rules(page: Any, where: Frame) -> list[Rule]:
    """The straight lines drawn on a page, thin boxes and the edges of other boxes among them."""
    found: list[Rule] = []
    count = pdfium.FPDFPage_CountObjects(page)
    bounds = [ctypes.c_float() for _ in range(4)]
    for i in range(min(count, _MOST_OBJECTS)):
        drawn = pdfium.FPDFPage_GetObject(page, i)
        if pdfium.FPDFPageObj_GetType(drawn) != pdfium.FPDF_PAGEOBJ_PATH:
            continue
        if pdfium.FPDFPath_CountSegments(drawn) > 5 or not pdfium.FPDFPageObj_GetBounds(drawn, *bounds):
            continue
        x1, y1 = where.shown(bounds[0].value, bounds[1].value)
        x2, y2 = where.shown(bounds[2].value, bounds[3].value)
        left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
        if right - left <= _THIN or bottom - top <= _THIN:
            found.append(Rule(left, top, right, bottom))
        elif right - left < 0.95 * where.width:
            found += [
                Rule(left, top, right, top),
                Rule(left, bottom, right, bottom),
                Rule(left, top, left, bottom),
                Rule(right, top, right, bottom),
            ]
        if len(found) > _MOST_RULES:  # a drawing, not a table
            return []
    return found
