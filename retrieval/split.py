"""Documents into passages, part by part, so that one of any size takes little memory.

A passage is as much of one section as fits, cut between paragraphs where possible, else between sentences. Markdown
headings become the `section` of the passages below them, also of those in later parts. Every step is one pass over the
text with patterns that cannot backtrack far, so that a file of 100 MB, or one line of 10 MB, takes linear time.

How the text is cut into parts that continue each other makes no difference to the passages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from retrieval.base import Document, Part, Passage
from retrieval.sentences import WRAPPED, Span, sentences, trimmed
from retrieval.text import CJK, language

__all__ = ["MAX_WORDS", "TARGET_WORDS", "Span", "Splitter", "Tile", "passages", "sentences"]

TARGET_WORDS, MAX_WORDS = 120, 300
"""Paragraphs are joined up to the first, and left whole up to the second."""
LONGEST = 2**16
"""Characters after which a line or a paragraph is cut, whatever it is."""
MOST_BETWEEN = 2**20
"""Characters without a passage (headings, rulers, white space) that are kept before one."""
_CJK_WORDS = 0.4  # 300 Chinese characters say about as much as 120 English words
_CHARS_PER_WORD = 10  # at most; a run of letters without spaces counts as several words
_AHEAD = 1024  # characters that decide whether a line is a heading: no pattern below looks further
_LAST_SENTENCE = 4096

_HEADING = re.compile(r"[ \t]{0,3}(#{1,6})[ \t]+([^\n]*)")
_UNDERLINE = re.compile(r"(={3,500}|-{3,500})[ \t\r]{0,100}(?:\n|\Z)")
_NUMBERED_HEADING = re.compile(
    r"[ \t]*(?:\d{1,2}[.)、]|[一二三四五六七八九十]{1,3}、)[ \t]*"
    r"([^\W\d][^\s.!?:;。！？：；，]{0,30}(?:[ \t]+[^\s.!?:;]{1,30}){0,5})[ \t]*\n"
    r"(?=[ \t]{0,500}(?![-*+•][ \t]|\d{1,3}[.)、]|[一二三四五六七八九十]{1,3}、)[^\sa-z|])"
)
"""“3. Greenhouse heating” above a text that is no list: how notes and minutes are laid out."""
_NUMBERED_LEVEL = 6
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Tile:
    """A passage and the text up to the one before it: the tiles of a document, joined, are the document."""

    passage: Passage
    before: str
    after: str = ""
    """What follows the last passage of the document."""
    left_out: int = 0
    """Characters that are missing in `before`, after the first `MOST_BETWEEN`: longer than that is nothing said."""
    marks: tuple[tuple[int, str], ...] = ()
    """(offset in the document, place) of every page, slide or sheet that begins in it."""

    @property
    def start(self) -> int:
        return self.passage.start - len(self.before) - self.left_out

    @property
    def text(self) -> str:
        """The stretch of the document; spaces stand for what was left out."""
        before = self.before[:MOST_BETWEEN] + " " * self.left_out + self.before[MOST_BETWEEN:]
        return before + self.passage.text + self.after


def passages(document: Document) -> list[Passage]:
    """The passages of a document, in order. Empty only where the document holds no letter or digit."""
    code = document.language or language(document.text)
    splitter = Splitter(document.id, document.title, document.source, document.url, code)
    tiles = [*splitter.feed(Part(document.text)), *splitter.finish()]
    return [tile.passage for tile in tiles]


@dataclass(slots=True)
class Splitter:
    """Parts go in, in order; tiles come out, the last of a document only when it is finished.

    All offsets are those of the document. Between two parts it can be stored as JSON, and go on from there.
    """

    document: str
    title: str
    source: str
    url: str
    language: str
    text: str = ""
    """What is still needed of the text so far; at least its last two characters."""
    base: int = 0
    """Where that begins."""
    line: int = 0
    """Where the next line begins that has not been looked at."""
    within_line: bool = False
    fenced: bool = False
    headings: list[tuple[int, str]] = field(default_factory=list)
    paragraph: int = -1
    """Where the open paragraph begins; -1 where none is open."""
    start: int = 0
    end: int = 0
    filled: float = 0.0
    """The paragraphs of the next passage, and their length in words."""
    count: int = 0
    held: Tile | None = None
    """The last passage found: it is not known yet whether it is the last of the document."""
    marks: list[tuple[int, str]] = field(default_factory=list)
    """Places that begin after it."""
    place: str = ""
    """The place it ends in."""
    between: str = ""
    left_out: int = 0
    """The text after it as far as it is not in `text` any more, and how many characters that leaves out."""
    done: int = 0
    """Where that text ends."""
    newest: str | None = None
    """Place of the last part; None before the first."""

    @property
    def length(self) -> int:
        """Characters of the document so far."""
        return self.base + len(self.text)

    def state(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return asdict(self)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Splitter:
        """The splitter whose `state` this is."""
        fields: dict[str, Any] = dict(state)
        for name in ("headings", "marks"):
            fields[name] = [(first, second) for first, second in state[name]]
        if held := state["held"]:
            marks = tuple((offset, place) for offset, place in held["marks"])
            fields["held"] = Tile(**held | {"passage": Passage(**held["passage"]), "marks": marks})
        return cls(**fields)

    def feed(self, part: Part) -> Iterator[Tile]:
        """The tiles that are complete with this part; all must be taken before the next part comes."""
        if self.newest is None:
            self.newest = ""
        elif not part.continues:
            yield from self._break(part.place)
        elif part.place != self.newest and _apart(self.text[-1:], part.text[:1]):
            self.text += " "  # two pages: neither ends with what separates their words
        if part.place != self.newest:
            self.marks.append((self.length, part.place))
            self.newest = part.place
        self.text += part.text
        yield from self._lines(final=False)
        self._forget()

    def finish(self) -> Iterator[Tile]:
        """The tiles that are left when there are no more parts; none ever came where the text holds no word."""
        yield from self._close()
        yield from self._flush()
        if not self.count:  # nothing but headings
            self.headings = []
            self.text, self.base = self.between + self.text[self.done - self.base :], 0
            self.between, self.left_out, self.done = "", 0, 0
            yield from self._paragraph(0, len(self.text))
            yield from self._flush()
        if self.held is not None:
            rest = (self.between + self.text[self.done - self.base :])[:MOST_BETWEEN]
            yield replace(self.held, after=rest, marks=(*self.held.marks, *self.marks))
            self.held = None

    def _break(self, place: str) -> Iterator[Tile]:
        """A part that does not continue the one before: a new paragraph, in another place also a new passage."""
        yield from self._close()
        if place != self.newest:
            yield from self._flush()
            self.fenced = False
        if self.length and not self.text.endswith("\n\n"):
            self.text += "\n" if self.text.endswith("\n") else "\n\n"

    def _close(self) -> Iterator[Tile]:
        """All lines so far are whole, and the paragraph ends with them."""
        yield from self._lines(final=True)
        if self.paragraph >= 0:
            yield from self._paragraph(self.paragraph, self.length)
            self.paragraph = -1

    def _lines(self, final: bool) -> Iterator[Tile]:
        """Look at every line of which enough is known, or at all of them."""
        text, base = self.text, self.base
        while (line := self.line - base) < len(text):
            newline = text.find("\n", line, line + LONGEST)
            if newline < 0 and len(text) - line < LONGEST and not final:
                return
            after = newline + 1 if newline >= 0 else min(len(text), line + LONGEST)
            if not final and len(text) - after < _AHEAD and text.find("\n", after) < 0:
                return
            heading, below = None, after
            if not self.within_line and after - line < LONGEST:
                self.fenced ^= _FENCE.match(text, line, after) is not None
                if not self.fenced:
                    heading, below = _heading(text, line, after, alone=self.paragraph < 0)
            self.within_line = newline < 0
            self.line = base + below
            blank = heading is None and text[line:after].isspace()
            if (heading or blank) and self.paragraph >= 0:
                yield from self._paragraph(self.paragraph, base + line)
                self.paragraph = -1
            if heading:
                yield from self._flush()
                self.headings = [outer for outer in self.headings if outer[0] < heading[0]] + [heading]
            elif not blank:
                self.paragraph = base + line if self.paragraph < 0 else self.paragraph
                yield from self._cut()
            if self.filled and self.line - self.end >= LONGEST:  # nothing has been said for long: wait no longer
                yield from self._flush()
        if final:
            self.within_line = False

    def _cut(self) -> Iterator[Tile]:
        """End a paragraph that has become too long, before its last sentence."""
        if self.line - self.paragraph < LONGEST:
            return
        start, end = self.paragraph - self.base, self.line - self.base
        look = max(start + 1, end - _LAST_SENTENCE)
        last = sentences(self.text[look:end])[1:]
        cut = look + last[-1].start if last else end
        yield from self._paragraph(self.paragraph, self.base + cut)
        self.paragraph = self.base + cut if cut < end else -1

    def _paragraph(self, start: int, end: int) -> Iterator[Tile]:
        """Join the paragraph to those before it up to `TARGET_WORDS`; one longer than `MAX_WORDS` is cut."""
        size = _words(self.text, start - self.base, end - self.base)
        if self.filled and self.filled + size > TARGET_WORDS:
            yield from self._flush()
        if size > MAX_WORDS:
            for span in _parts(self.text, Span(start - self.base, end - self.base), size):
                yield from self._found(span)
            return
        self.start = self.start if self.filled else start
        self.end, self.filled = end, self.filled + size
        if any(self.start < offset < end for offset, _ in self.marks):  # goes on on the next page: ends there
            yield from self._flush()

    def _flush(self) -> Iterator[Tile]:
        if self.filled:
            span = trimmed(self.text, self.start - self.base, self.end - self.base)
            self.filled = 0.0
            if span is not None:
                yield from self._found(span)

    def _found(self, span: Span) -> Iterator[Tile]:
        """The next passage, a span of `self.text`; gives out the one before it."""
        if self.held is not None:
            yield self.held
        section = [title for _, title in self.headings]
        start, end = self.base + span.start, self.base + span.end
        marks = tuple(mark for mark in self.marks if mark[0] < end)
        self.marks = self.marks[len(marks) :]
        passage = Passage(
            id=f"{self.document}#{self.count}",
            text=self.text[span.start : span.end],
            title=self.title,
            source=self.source,
            document=self.document,
            section=" › ".join(section[1:] if section[:1] == [self.title] else section),
            place=next((place for offset, place in reversed(marks) if offset <= start), self.place),
            ends=next((place for offset, place in reversed(marks) if start < offset < end), ""),
            url=self.url,
            language=self.language,
            start=start,
            end=end,
        )
        before = self.between + self.text[self.done - self.base : span.start]
        self.held = Tile(passage, before, left_out=self.left_out, marks=marks)
        self.count, self.done, self.between, self.left_out = self.count + 1, end, "", 0
        self.place = marks[-1][1] if marks else self.place

    def _forget(self) -> None:
        """Let go of the text that nothing to come needs; what follows the last passage is kept apart."""
        open_at = [self.line, self.length - 2]
        open_at += [self.paragraph] if self.paragraph >= 0 else []
        open_at += [self.start] if self.filled else []
        needed = max(self.base, min(open_at) - 1)
        if needed > self.done:
            between = self.between + self.text[self.done - self.base : needed - self.base]
            self.left_out += max(0, len(between) - MOST_BETWEEN)
            self.between, self.done = between[:MOST_BETWEEN], needed
        self.text, self.base = self.text[needed - self.base :], needed


def _heading(text: str, line: int, after: int, alone: bool) -> tuple[tuple[int, str] | None, int]:
    """((level, title), where the text goes on) if a heading starts at `line`; `alone`: a paragraph may start here."""
    marked = _HEADING.match(text, line, after)
    if marked:
        title = marked[2].strip().rstrip("#").strip()
        return ((len(marked[1]), title), after) if title else (None, after)
    numbered = _NUMBERED_HEADING.match(text, line) if alone else None
    if numbered:
        return (_NUMBERED_LEVEL, numbered[1].strip()), after
    underline = _UNDERLINE.match(text, after) if alone and after - line <= WRAPPED.stop else None
    if underline and _LETTER.search(text, line, after):
        return (1 if underline[1][0] == "=" else 2, text[line:after].strip()), underline.end()
    return None, after


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
            yield from _pieces(text, start, cut)
            start = cut
        yield from _pieces(text, start, end)


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    span = trimmed(text, start, end)
    if span is not None:
        yield span


_CJK_CHAR = re.compile(rf"[{CJK}]")


def _words(text: str, start: int, end: int) -> float:
    """Length in English words; Chinese, Japanese and Korean characters count by what they say."""
    stretch = text[start:end]
    cjk = 0 if stretch.isascii() else len(_CJK_CHAR.findall(stretch))
    return cjk * _CJK_WORDS + max(len(stretch.split()) - cjk, (len(stretch) - cjk) / _CHARS_PER_WORD, 0)


_UNSPACED = re.compile(f"[{CJK}。，、；：？！“”‘’（）《》〈〉「」『』【】]")


def _apart(before: str, after: str) -> bool:
    """Whether a space belongs between the characters where two pages of one paragraph meet."""
    return not (before.isspace() or after.isspace() or (_UNSPACED.match(before) and _UNSPACED.match(after)))
