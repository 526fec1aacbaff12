"""The lines of one column of a PDF as blocks: paragraphs, headings, tables, footnotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import mode

from retrieval.formats.blocks import heading, item, one_line, table
from retrieval.formats.pdf_columns import Box
from retrieval.formats.pdf_lines import LEADER, Piece, rows, usual_pitch, whole
from retrieval.formats.pdf_tables import Table, aligned

TEXT, HEADING, TABLE, NOTE = "text", "heading", "table", "note"
_ENDS = re.compile(r"[.!?:;…。！？：；؟۔][\"'”’»)\]）」』\d\[]*$")
_MARKER = re.compile(r"(?:[•‣▪●○◦■□➢✓·–—*-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])\s+(?=\S)")
_BULLET = re.compile(r"[•‣▪●○◦■□➢✓·*]\s*|[–—-]\s+")
_NOTE = re.compile(r"\[(\d{1,3}|[*†‡§¶]{1,3})\]\s*|(\d{1,3})[.)]?\s*(?=[^\W\d_])|([*†‡§¶]{1,3})\s*")
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u30ff"
_BETWEEN_CJK = re.compile(rf"(?<=[{_CJK}]) (?=[{_CJK}])")
_NO_CASE = re.compile(f"[{_CJK}\u0590-\u08ff]")
_NUMBER_ONLY = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|[•‣▪●○◦■□➢✓·–—*-]")
_CUT = re.compile(r"[^\W\d_]-$")
_SMALLER = 0.93
_USUAL = 0.9  # a few lines may be longer, of code for one
_HEADING_LETTERS, _HEADING_LINES = 200, 3


@dataclass(frozen=True, slots=True)
class Style:
    """What a document's letters say: the size of its text, and the larger sizes, largest first."""

    body: float
    sizes: tuple[float, ...] = ()
    bold: bool = True
    """Whether bold letters set something apart; not where most are."""
    outline: Mapping[str, int] = field(default_factory=dict)
    """Levels of headings by their text, as the file's outline gives them."""

    def level(self, lines: Sequence[Piece], text: str) -> int:
        """Of a heading, from 1 on; 0 where the lines are none."""
        if len(lines) > _HEADING_LINES or len(text) > _HEADING_LETTERS:
            return 0
        named = self.outline.get(plain(text), 0) if self.outline else 0
        if named or text.startswith(("[", "(")) or not any(map(str.isalpha, text)):
            return named
        size = max(line.size for line in lines)
        larger = [i for i, known in enumerate(self.sizes) if size >= known * 0.97]
        if larger and min(line.size for line in lines) > 0.9 * size:
            return larger[0] + 1
        bold = self.bold and all(line.bold for line in lines) and size >= _SMALLER * self.body
        return len(self.sizes) + 1 if bold and len(lines) < _HEADING_LINES and not _ENDS.search(text) else 0


def plain(text: str) -> str:
    """Text as headings are compared: letters and digits in lower case."""
    return "".join(char for char in text.lower() if char.isalnum())


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, a table or a footnote."""

    text: str
    kind: str = TEXT
    unfinished: bool = False
    """Whether the paragraph may go on in the next column or on the next page."""
    hyphen: bool = False
    """Whether it ends within a word."""
    begins: bool = True
    """Whether it looks like the beginning of a paragraph, rather than like the rest of one."""


def blocks(column: Sequence[Box], style: Style) -> Iterator[Block]:
    """The blocks of a column, from the top."""
    run: list[Piece] = []
    for box in column:
        if isinstance(box, Piece):
            run.append(box)
            continue
        yield from _run(run, style)
        run = []
        if isinstance(box, Table):
            yield Block(box.text, TABLE)
    yield from _run(run, style)


def _run(found: Sequence[Piece], style: Style) -> Iterator[Block]:
    """Lines between tables that are drawn; tables without lines are found among them."""
    lines = rows(found)
    waiting: list[Piece] = []
    i = 0
    while i < len(lines):
        end = _table_end(lines, i)
        cells = aligned(lines[i:end]) if end - i > 1 else None
        if cells is None:
            waiting.append(whole(lines[i]))
            i += 1
            continue
        yield from _paragraphs(waiting, style)
        waiting = []
        rtl = sum(piece.rtl for line in lines[i:end] for piece in line) * 2 > sum(map(len, lines[i:end]))
        yield Block(table([cells_of[::-1] for cells_of in cells] if rtl else cells), TABLE)
        i = end
    yield from _paragraphs(waiting, style)


def _table_end(lines: Sequence[Sequence[Piece]], start: int) -> int:
    """Where lines that may be rows of one table end; `start` itself where the first is none."""
    if not _has_cells(lines[start]):
        return start
    end = start + 1
    size = lines[start][0].size
    second = lines[start][1].left
    while end < len(lines):
        line, gap = lines[end], lines[end][0].base - lines[end - 1][0].base
        goes_on = gap < 1.45 * size and line[0].left > second - size
        if gap > 3.2 * size or not (_has_cells(line) or goes_on):
            break
        second = min(second, line[1].left) if _has_cells(line) else second
        end += 1
    while end > start + 1 and not _has_cells(lines[end - 1]) and lines[end - 1][0].left < second - size:
        end -= 1
    return end


def _has_cells(line: Sequence[Piece]) -> bool:
    """Whether more stands on it than a mark or a number and the text of an item."""
    return len(line) > 2 or (len(line) == 2 and not _NUMBER_ONLY.fullmatch(line[0].text))


def _paragraphs(lines: Sequence[Piece], style: Style) -> Iterator[Block]:
    if not lines:
        return
    left = mode(round(line.left) for line in lines)
    right = sorted(line.right for line in lines)[int(_USUAL * (len(lines) - 1))]
    pitch = usual_pitch(lines)
    start = 0
    for i in range(1, len(lines) + 1):
        if i == len(lines) or _parts(lines, i, left, right, pitch, style):
            yield _block(lines[start:i], left, right, style)
            start = i


def _parts(lines: Sequence[Piece], i: int, left: float, right: float, pitch: float, style: Style) -> bool:
    """Whether a paragraph ends before the `i`-th line."""
    above, line = lines[i - 1], lines[i]
    step = line.base - above.base
    if not 0 < step < 1.22 * max(pitch, 1.1 * min(line.size, above.size)):
        return True
    if abs(line.size - above.size) > 0.08 * above.size or (style.bold and line.bold != above.bold):
        return True
    if _MARKER.match(line.text):
        return True
    if line.size < _SMALLER * style.body and _NOTE.match(line.text):
        return True
    if _ENDS.search(above.text) and not above.hyphen:
        indent = (right - line.right) - (right - above.right) if line.rtl else line.left - above.left
        return _fits(above, line, left, right) or indent > 0.8 * line.size
    return False


def _fits(above: Piece, line: Piece, left: float, right: float) -> bool:
    """Whether the first word of `line` would have had room in the line above it."""
    room = above.left - left if line.rtl else right - above.right
    word = line.words[0]
    if _NO_CASE.match(word.text) and not word.rtl:
        return room > 2.2 * line.size
    return room > (word.right - word.left) + 0.6 * line.size


def _ends_early(above: Piece, line: Piece, left: float, right: float) -> bool:
    return LEADER in above.text or _fits(above, line, left, right)


def _block(lines: Sequence[Piece], left: float, right: float, style: Style) -> Block:
    text = _text(lines, left, right)
    level = style.level(lines, text)
    if level:
        return Block(heading(level, text), HEADING)
    first, last = lines[0], lines[-1]
    note = _NOTE.match(text) if first.size < _SMALLER * style.body else None
    if note:
        return Block(f"[{next(filter(None, note.groups()))}] {text[note.end() :]}", NOTE)
    bullet = _BULLET.match(text)
    if bullet and len(text) > bullet.end():
        text = item(text[bullet.end() :], min(4, round(max(0.0, first.left - left) / (1.5 * first.size or 1.0))))
    hyphen = last.hyphen or _CUT.search(text) is not None
    full = (last.left - left if last.rtl else right - last.right) < 0.15 * (right - left) or hyphen
    indented = (right - first.right if first.rtl else first.left - left) > 0.8 * first.size
    rest = (text[:1].islower() or _NO_CASE.match(text) is not None or text[:1].isdigit()) and not indented
    return Block(text, TEXT, full and not _ENDS.search(text), hyphen, not rest)


def _text(lines: Sequence[Piece], left: float, right: float) -> str:
    """The lines as one text: words cut at a line's end mended, a line that ends early for itself."""
    text = lines[0].text
    for above, line in pairwise(lines):
        text = together(text, line.text, above.hyphen, "\n" if _ends_early(above, line, left, right) else " ")
    return "\n".join(_BETWEEN_CJK.sub("", one_line(part)) for part in text.split("\n"))


def together(text: str, more: str, hyphen: bool = False, between: str = " ") -> str:
    """Two stretches of a paragraph as one."""
    if hyphen and not text.endswith("-"):
        return text + more
    if _CUT.search(text) and more[:1].islower():
        # A word cut at the line's end; one that has another hyphen, as in “state-of-the-art”, keeps this one too.
        word = text.rsplit(None, 1)[-1]
        return text + more if "-" in word[:-1] else text[:-1] + more
    if between == " " and text and more and _NO_CASE.match(text[-1]) and re.match(f"[{_CJK}]", text[-1]):
        return text + more if re.match(f"[{_CJK}]", more[0]) else f"{text} {more}"
    return f"{text}{between}{more}"


def finished(found: Sequence[Block]) -> list[Block]:
    """A page's blocks in order: what columns divide joined again, footnotes after the text but before its open end."""
    body = [block for block in found if block.kind != NOTE]
    notes = [block for block in found if block.kind == NOTE]
    made: list[Block] = []
    for block in body:
        last = made[-1] if made else None
        if last is not None and goes_on(last, block):
            text = together(last.text, block.text, last.hyphen)
            made[-1] = replace(block, text=text, begins=last.begins)
        else:
            made.append(block)
    if made and made[-1].unfinished:
        return [*made[:-1], *notes, made[-1]]
    return [*made, *notes]


def goes_on(last: Block, block: Block) -> bool:
    """Whether a paragraph goes on from one column or page to the next."""
    return last.kind == block.kind == TEXT and last.unfinished and not block.begins
