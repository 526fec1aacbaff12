"""HTML as Markdown: what a person reads of a page, without scripts, navigation, forms and what is hidden.

Where a page marks its main text (`main`, `article`, role=main) and that holds most of the words, only that is kept.
Nothing is run, nothing is fetched; a link is its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lxml import etree

from retrieval.base import Part
from retrieval.formats.archive import broken, whole
from retrieval.formats.base import File
from retrieval.formats.blocks import code, heading, item, one_line, packed, table
from retrieval.formats.encoding import decode

_LEFT_OUT = frozenset(
    {
        "script",
        "style",
        "template",
        "noscript",
        "nav",
        "form",
        "button",
        "select",
        "input",
        "textarea",
        "dialog",
        "svg",
        "math",
        "canvas",
        "iframe",
        "object",
        "embed",
        "audio",
        "video",
        "map",
        "head",
        "link",
        "meta",
        "base",
        "rp",
        "rt",
        "datalist",
        "menu",
    }
)
_PAGE_ONLY = frozenset({"header", "footer"})
"""Left out where they stand beside the text of the page; within an article they are its own."""
_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "alert", "menu"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hgroup",
        "html",
        "legend",
        "main",
        "p",
        "section",
        "summary",
        "tr",
        "td",
        "th",
        "caption",
        "tbody",
        "thead",
        "tfoot",
        "ul",
        "ol",
    }
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})|encoding=[\"']([\w.:-]{2,40})[\"']", re.I
)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_MAIN = "//main | //*[@role='main'] | //article"
_MOST_OF_IT = 0.4
_FEW_BROKEN = 0.01
_AS_READ = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "us-ascii": "utf-8"}
"""What a page states, and what browsers read it as (WHATWG's Encoding standard)."""
_DEEPEST = 200


def title(file: File) -> str:
    found = parse(file.path.read_bytes(), file.name).find(".//title")
    return one_line("".join(found.itertext())) if found is not None else ""


def parts(file: File, start: int) -> Iterator[Part]:
    root = parse(file.path.read_bytes(), file.name)
    found = list(blocks(_main(root)))
    return islice(packed((block, (i + 1) / len(found)) for i, block in enumerate(found)), start, None)


def parse(data: bytes, name: str) -> Any:
    """The root element of a page; never None."""
    text = _DECLARATION.sub("", _decoded(data, name))
    # A huge tree is one that may be nested more than 256 deep; deeper text would be lost without a word.
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace") or b"<p></p>", parser)
    except etree.XMLSyntaxError as error:
        raise broken(error, name) from error
    return etree.fromstring(b"<p></p>", parser) if root is None else root


def _decoded(data: bytes, name: str) -> str:
    """By what the page states where it can be read so (as HTML's own rule has it), else by what it looks like."""
    stated = _CHARSET.search(data[:4096])
    if stated and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        codec = (stated[1] or stated[2]).decode("ascii").lower()
        with suppress(LookupError):
            text = data.decode(_AS_READ.get(codec, codec), "replace")
            if text.count("�") <= _FEW_BROKEN * len(text):
                return text
    return decode(data, name)


def _main(root: Any) -> Any:
    """The element that holds the page's text."""
    body = root.find(".//body")
    whole = root if body is None else body
    marked = [element for element in root.xpath(_MAIN) if _wanted(element)]
    most = max(marked, key=_words, default=None)
    return most if most is not None and _words(most) >= _MOST_OF_IT * _words(whole) else whole


def _words(element: Any) -> int:
    return sum(
        len(text) for text in element.itertext("p", "li", "td", "h1", "h2", "h3", "dd", "pre", "blockquote", "a")
    )


def _wanted(element: Any) -> bool:
    return not (
        element.tag in _LEFT_OUT
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or element.get("role") in _ROLES
        or element.get("role") == "doc-backlink"
        or _HIDDEN.search(element.get("style", ""))
        or (element.tag == "aside" and _is_links(element))
    )


def _is_links(element: Any) -> bool:
    """Whether most of its text is links: a list of other pages rather than a remark or a footnote."""
    links = sum(len("".join(link.itertext())) for link in element.iter("a"))
    return links * 2 > len("".join(element.itertext()))


def blocks(root: Any) -> Iterator[str]:
    """The Markdown blocks of an element."""
    writer = _Writer(page=root.tag == "body")
    writer.write(root, 0)
    writer.end()
    return iter(writer.blocks)


@dataclass(slots=True)
class _Writer:
    page: bool
    blocks: list[str] = field(default_factory=list)
    _line: list[str] = field(default_factory=list)
    _lists: list[int | None] = field(default_factory=list)
    """The lists around this place: the number of the last item, None where they are not numbered."""
    _marked: bool = False
    """Whether the next text begins an item."""

    def write(self, element: Any, depth: int) -> None:
        """An element's text, then its children; what is nested deeper than any page is written without structure."""
        self._text(element.text)
        for child in element:
            if isinstance(child.tag, str) and _wanted(child) and not (self.page and child.tag in _PAGE_ONLY):
                if depth > _DEEPEST:
                    self._text(" ".join(child.itertext()))
                else:
                    self._child(child, depth + 1)
            self._text(child.tail)

    def _child(self, child: Any, depth: int) -> None:
        tag = child.tag
        if tag in _HEADINGS:
            self.end()
            self.blocks.append(heading(_HEADINGS[tag], " ".join(child.itertext())))
        elif tag == "table" and _is_data(child):
            self.end()
            self.blocks.append(_table(child))
        elif tag == "pre":
            self.end()
            self.blocks.append(code("".join(child.itertext())))
        elif tag in ("ul", "ol"):
            self.end()
            self._lists.append(0 if tag == "ol" else None)
            self.write(child, depth)
            self.end()
            self._lists.pop()
        elif tag == "li":
            self.end()
            self._marked = True
            self.write(child, depth)
            self.end()
            self._marked = False
        elif tag in ("br", "hr"):
            self._line.append("\n")
        elif tag == "img":
            self._text(child.get("alt"))
        elif (tag == "sup" or _is_reference(child)) and (note := one_line("".join(child.itertext()))).isdigit():
            self._line.append(f"[{note}]")
        elif tag in _BLOCKS:
            self.end()
            self.write(child, depth)
            self.end()
        else:
            self.write(child, depth)

    def _text(self, text: str | None) -> None:
        if text:
            self._line.append(re.sub(r"\s+", " ", text))

    def end(self) -> None:
        """Close the paragraph or item that is being written."""
        lines = (one_line(line) for line in "".join(self._line).split("\n"))
        text = "\n".join(line for line in lines if line)
        self._line.clear()
        if not text:
            return
        if self._marked and self._lists:
            number = self._lists[-1]
            self._lists[-1] = None if number is None else number + 1
            mark = "-" if number is None else f"{number + 1}."
            self.blocks.append(item(text, len(self._lists) - 1, mark))
            self._marked = False
        else:
            self.blocks.append(text)


def _is_reference(element: Any) -> bool:
    """Whether a link refers to a note (EPUB 3's structure vocabulary, DPUB-ARIA)."""
    return "noteref" in element.get("epub:type", "") or element.get("role") == "doc-noteref"


def _is_data(element: Any) -> bool:
    """Whether a table holds data; one that holds other tables or is said to be for layout does not."""
    return element.get("role") not in ("presentation", "none") and element.find(".//table") is None


def _table(element: Any) -> str:
    rows: list[list[str]] = []
    stated = False
    caption = element.find("caption")
    for line in element.iter("tr"):
        cells = [cell for cell in line.iterchildren("td", "th") if _wanted(cell)]
        texts: list[str] = []
        for cell in cells:
            texts += [_cell(cell), *[""] * (whole(cell.get("colspan"), 1, most=64) - 1)]
        stated |= not rows and len(cells) > 1 and all(cell.tag == "th" for cell in cells)
        rows.append(texts)
    above = one_line(" ".join(caption.itertext())) if caption is not None else ""
    return "\n\n".join(filter(None, (above, table(rows, header=True if stated else None))))


def _cell(element: Any) -> str:
    writer = _Writer(page=False)
    writer.write(element, 0)
    writer.end()
    return one_line(" ".join(writer.blocks))
