"""The lines of an article, its templates and links written out already, as blocks of Markdown.

Headings become `#`, items `-`, rows of tables “Header: cell; Header: cell”. Sections that list links and sources are
left out, and so are headings that nothing follows.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from retrieval.formats.blocks import heading, item
from retrieval.mediawiki import lists_links
from retrieval.wikitext_tables import BAR, Table

__all__ = ["BAR", "blocks"]

_BREAKS = re.compile(r"(?:<br[^<>]{0,100}>\s{0,100}){2,}", re.IGNORECASE)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]{0,15})(?:[\s/][^<>]{0,2000})?>")
_SPACED = {"br": " ", "td": " ", "th": " ", "wbr": ""}
_APART = re.compile("p|div|blockquote|center|table|tr|[uod]l|li|d[dt]|poem|hr|h[1-6]|section")
_QUOTES = re.compile("'{2,}")
_ADDRESS = re.compile(
    r"\[(?:https?:|ftp:|mailto:|news:|irc:)?(?://)?[^\s\[\]<>\"]{3,2000}(?:[ \t]+([^\[\]\n]{0,2000}))?\]"
)
_LINKED = re.compile(r"\[(?:https?://|ftp://|//|mailto:|news:|irc:)")
_LEFT_OVER = re.compile(r"\{\{|\}\}|\[\[|\]\]|__[A-Z]{3,30}__|~{3,5}|\(\s*[;,，；]?\s*\)|（\s*[;,，；]?\s*）")
_NOTHING_BEFORE = re.compile(r"([(（])\s{0,10}[,;，；]\s{0,10}")
_BEFORE_STOP = re.compile(r"[ \t]+([,.;:!?)](?:\s|$))", re.MULTILINE)
_SPACES = re.compile(r"[ \t]{2,}")
_HEADING = re.compile(r"(={1,6})\s*(\S.{0,500}?)\s*\1\s*")
_WORD = re.compile(r"\w")
_MARKS = re.compile(r"[*#:;]+")
_RULER = re.compile(r"-{4,}|={3,}|`{3,}|~{3,}")
_TABLE = re.compile(r"[:*#;\s]{0,20}\{\|")
_DEEPEST = 6
"""Tables within one another."""


def blocks(text: str) -> str:
    """Markdown of the lines; no templates or links are left in them."""
    lines = _Lines()
    for line in _inline(text).split("\n"):
        lines.feed(line)
    return lines.written()


def _inline(text: str) -> str:
    """The text without the markup within lines."""
    text = _BREAKS.sub("\n\n", text) if "<br" in text.lower() else text
    text = _TAG.sub(_tag, text)
    text = _QUOTES.sub("", text)
    if "[" in text:
        text = _ADDRESS.sub(lambda match: match[1] or "" if _LINKED.match(match[0]) else match[0], text)
    text = _NOTHING_BEFORE.sub(r"\1", _LEFT_OVER.sub("", text))
    if "&" in text:
        text = html.unescape(text.replace("&#124;", BAR).replace("&vert;", BAR))
    return _BEFORE_STOP.sub(r"\1", _SPACES.sub(" ", text.replace("\xa0", " ")))


def _tag(match: re.Match[str]) -> str:
    name = match[1].lower()
    return "\n" if _APART.fullmatch(name) else _SPACED.get(name, "")


@dataclass(slots=True)
class _Lines:
    """Lines go in, in order; `written` gives the Markdown."""

    done: list[tuple[str, int]] = field(default_factory=list)
    """Blocks with the level of the heading that each is; 0 for text."""
    paragraph: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    """Those that are open, the innermost last."""
    left_out: int = 0
    """Level of the heading whose section is being left out; 0 where none is."""

    def feed(self, line: str) -> None:
        line = line.strip()
        title = _HEADING.fullmatch(line) if line.startswith("=") else None
        if title and _WORD.search(title[2]):
            while self.tables:  # a table that was never closed
                self._end_table()
            self._heading(len(title[1]), title[2])
        elif self.left_out:
            return
        elif len(self.tables) < _DEEPEST and (opening := _TABLE.match(line)):
            self._flush()
            self.tables.append(Table(line[opening.end() :]))
        elif self.tables:
            self._in_table(line)
        else:
            self._text(line)

    def _in_table(self, line: str) -> None:
        if line.startswith("|}"):
            self._end_table()
            if line[2:].strip():
                self.feed(line[2:])
        else:
            self.tables[-1].feed(line)

    def _end_table(self) -> None:
        rows = self.tables.pop().rows()
        if self.tables:
            self.tables[-1].feed_text("; ".join(rows))
        elif rows:
            self.done.append(("\n".join(rows), 0))

    def _heading(self, level: int, title: str) -> None:
        self._flush()
        if self.left_out and level > self.left_out:
            return
        self.left_out = level if lists_links(title) else 0
        if not self.left_out:
            self._drop_empty(level)
            self.done.append((heading(level, title), level))

    def _drop_empty(self, level: int) -> None:
        """Take away the headings that nothing follows before one of this level."""
        while self.done and self.done[-1][1] >= level:
            self.done.pop()

    def _text(self, line: str) -> None:
        marks = _MARKS.match(line)
        if not line or _RULER.match(line):
            self._flush()
        elif line[0] in "|!}":  # what is left of a table or a template that was never opened
            return
        else:
            listed = marks is not None and marks[0] != line and marks[0][-1] in "*#"
            if self.paragraph and self.paragraph[-1].lstrip().startswith("- ") is not listed:
                self._flush()
            text = line if marks is None or marks[0] == line else line[marks.end() :].strip()
            self.paragraph.append(item(text, min(marks.end(), 6) - 1) if listed and marks else text)

    def _flush(self) -> None:
        text = "\n".join(filter(None, self.paragraph))
        if text:
            self.done.append((text, 0))
        self.paragraph = []

    def written(self) -> str:
        while self.tables:
            self._end_table()
        self._flush()
        self._drop_empty(1)
        return "\n\n".join(text for text, _ in self.done)
