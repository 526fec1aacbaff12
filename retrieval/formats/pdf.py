"""PDF through PDFium: a part for each page, read one after the other, so that any number takes little memory.

Columns come in reading order, tables as rows, headings by their size (and the file's outline), footnotes after the
text, words that were cut at a line's end whole. What repeats at the top and bottom of neighbouring pages, and page
numbers, are left out. Nothing is run and no link is followed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from errors import DocumentError
from retrieval.base import Part
from retrieval.formats.base import File, damaged, encrypted
from retrieval.formats.blocks import joined
from retrieval.formats.pdf_columns import Box, regions
from retrieval.formats.pdf_lines import Piece, pieces, rows
from retrieval.formats.pdf_paragraphs import Block, Style, blocks, finished, goes_on, plain, together
from retrieval.formats.pdf_tables import ruled
from retrieval.formats.pdf_words import Frame, Rule, Word, frame, rules, words

_REOPEN = 200
"""Pages after which the file is opened anew, because PDFium keeps what it has read of each."""
_SAMPLED = 24
_NEIGHBOURS = 2
_MARGIN = 0.15
_PAGE_NUMBER = re.compile(
    r"[-–—|·\s]*(?:page|p\.|seite|pagina|página|第)?\s*(?:\d{1,4}|[ivxlc]{1,6})\s*(?:页|頁|ページ)?"
    r"(?:\s*(?:of|/|von|de|di|sur|共)\s*\d{1,4}\s*(?:页|頁)?)?[-–—|·\s]*",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_MOST_OUTLINE = 5_000


def title(file: File) -> str:
    with _opened(file) as document:
        return str(document.get_metadata_value("Title"))


def parts(file: File, start: int) -> Iterator[Part]:
    with _Pages(file) as pages:
        count = pages.count
        blank = start == 0
        pictures = False
        for number in range(start, count):
            text = pages.text(number)
            blank &= not any(map(str.isalnum, text))
            pictures |= blank and pages.has_pictures(number)
            yield Part(text, f"page {number + 1}", pages.continues(number), (number + 1) / count)
        if blank and pictures:
            raise DocumentError(
                f"“{file.name}” is a scan: its pages are pictures and hold no text; run text recognition (OCR) over it "
                "and upload the result.",
                zh=f"“{file.name}”是扫描件：页面是图片，没有文字；请先做文字识别（OCR）再上传。",
            )


def _opened(file: File) -> Any:
    try:
        return pypdfium2.PdfDocument(file.path)
    except pypdfium2.PdfiumError as error:
        if pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD or "password" in str(error).lower():
            raise encrypted(file.name) from error
        raise damaged(file.name) from error


@dataclass(frozen=True, slots=True)
class _Page:
    """A page as it is drawn."""

    words: list[Word]
    pieces: list[Piece]
    turned: list[str]
    rules: list[Rule]
    frame: Frame
    top: list[tuple[str, int]]
    """Fingerprints of its first lines, from the edge inwards, those that a gap may set apart from the text."""
    bottom: list[tuple[str, int]]


@dataclass(slots=True)
class _Pages:
    """The pages of a file; the last few that were read are remembered."""

    file: File
    count: int = 0
    _document: Any = None
    _style: Style = field(default_factory=lambda: Style(0.0))
    _read: int = 0
    _drawn: dict[int, _Page] = field(default_factory=dict)
    _laid: dict[int, list[Block]] = field(default_factory=dict)

    def __enter__(self) -> _Pages:
        self._document = _opened(self.file)
        self.count = len(self._document)
        self._style = self._measured()
        return self

    def __exit__(self, *error: object) -> None:
        self._document.close()

    def text(self, number: int) -> str:
        """The text of a page, with the rest of a word that its last line cut, and without what the page before took."""
        laid = list(self.blocks(number))
        if self.continues(number) and self.blocks(number - 1)[-1].hyphen:
            _, _, rest = laid[0].text.partition(" ")
            laid[0] = replace(laid[0], text=rest)
        if laid and laid[-1].hyphen and self.continues(number + 1):
            word, _, _ = self.blocks(number + 1)[0].text.partition(" ")
            laid[-1] = replace(laid[-1], text=together(laid[-1].text, word, hyphen=True))
        return joined(block.text for block in laid)

    def continues(self, number: int) -> bool:
        """Whether the page begins within a paragraph of the page before."""
        if not 0 < number < self.count:
            return False
        before, here = self.blocks(number - 1), self.blocks(number)
        return bool(before and here) and goes_on(before[-1], here[0])

    def blocks(self, number: int) -> list[Block]:
        if number not in self._laid:
            if len(self._laid) > 2 * _NEIGHBOURS:
                del self._laid[min(self._laid)]
            self._laid[number] = self._layout(number)
        return self._laid[number]

    def has_pictures(self, number: int) -> bool:
        try:
            page = self._document[number]
        except pypdfium2.PdfiumError:
            return False
        try:
            return any(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3))
        finally:
            page.close()

    def _layout(self, number: int) -> list[Block]:
        page = self.drawn(number)
        rtl = sum(piece.rtl for piece in page.pieces) * 2 > len(page.pieces)
        kept = self._kept(number)
        tables, rest = ruled([word for piece in kept for word in piece.words], page.rules, rtl)
        boxes: list[Box] = [*pieces(rest), *tables] if tables else [*kept]
        found = [block for column in regions(boxes, rtl) for block in blocks(column, self._style)]
        aside = [Block(" ".join(page.turned))] if page.turned else []
        return finished([*found, *aside])

    def drawn(self, number: int) -> _Page:
        if number not in self._drawn:
            if len(self._drawn) > 4 * _NEIGHBOURS:
                del self._drawn[min(self._drawn)]
            self._drawn[number] = self._draw(number)
        return self._drawn[number]

    def _draw(self, number: int) -> _Page:
        self._read += 1
        if self._read % _REOPEN == 0:
            self._document.close()
            self._document = _opened(self.file)
        try:
            page = self._document[number]
        except pypdfium2.PdfiumError:  # one damaged page leaves the others alone
            return _Page([], [], [], [], Frame(1.0, 1.0, 0, 0.0, 0.0), [], [])
        try:
            where = frame(page)
            text_page = page.get_textpage()
            try:
                found, turned = words(text_page, where)
            finally:
                text_page.close()
            drawn = rules(page, where)
        finally:
            page.close()
        cut = pieces(found)
        lines = rows(cut)
        return _Page(found, cut, turned, drawn, where, _edge(lines, where), _edge(lines[::-1], where))

    def _kept(self, number: int) -> list[Piece]:
        """What stands on a page, without its header and footer."""
        page = self.drawn(number)
        near = range(max(0, number - _NEIGHBOURS), min(self.count, number + _NEIGHBOURS + 1))
        neighbours = [self.drawn(n) for n in near if n != number]
        lines = rows(page.pieces)
        dropped: set[int] = set()
        for edge, others, ordered in (
            (page.top, [one.top for one in neighbours], lines),
            (page.bottom, [one.bottom for one in neighbours], lines[::-1]),
        ):
            repeated = {mark for other in others for mark in other}
            for mark, line in zip(edge, ordered, strict=False):
                title = line[0].size > 1.12 * self._style.body  # the same one may stand on several slides
                if title or (mark not in repeated and not _is_number(line)):
                    break
                dropped |= set(map(id, line))
        kept = [piece for piece in page.pieces if id(piece) not in dropped]
        return kept or page.pieces

    def _measured(self) -> Style:
        """Sizes and weights of the letters on pages from all over the file."""
        step = max(1, self.count // _SAMPLED)
        letters: Counter[float] = Counter()
        bold = 0
        for number in range(0, self.count, step):
            page = self._draw(number)
            for word in page.words:
                letters[round(word.size * 2) / 2] += len(word.text)
                bold += len(word.text) * word.bold
        if not letters:
            return Style(10.0)
        body = letters.most_common(1)[0][0]
        sizes: list[float] = []
        for size in sorted(letters, reverse=True):
            if size >= 1.12 * body and (not sizes or size < 0.94 * sizes[-1]):
                sizes.append(size)
        return Style(body, tuple(sizes[-5:]), bold * 3 < sum(letters.values()), self._outline())

    def _outline(self) -> dict[str, int]:
        levels: dict[str, int] = {}
        for number, entry in enumerate(self._document.get_toc(max_depth=6)):
            if number >= _MOST_OUTLINE:
                break
            named = plain(entry.get_title())
            if named:
                levels.setdefault(named, entry.level + 1)
        return levels


def _edge(lines: Sequence[Sequence[Piece]], where: Frame) -> list[tuple[str, int]]:
    """Fingerprints of a page's outermost lines down to the last that a gap sets apart; figures count as alike."""
    found: list[tuple[str, int]] = []
    apart = 0
    for i, line in enumerate(lines[:3]):
        base = line[0].base
        if not (base < _MARGIN * where.height or base > (1 - _MARGIN) * where.height):
            break
        text = " ".join(_DIGITS.sub("#", piece.text) for piece in line)
        found.append((text, round(base / 6)))
        following = lines[i + 1][0] if i + 1 < len(lines) else None
        size = max(piece.size for piece in line)
        if following is None or abs(following.base - base) > 1.75 * max(size, min(following.size, 1.2 * size)):
            apart = i + 1
    return found[:apart]


def _is_number(line: Sequence[Piece]) -> bool:
    return len(line) == 1 and _PAGE_NUMBER.fullmatch(line[0].text) is not None
