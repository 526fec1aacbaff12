"""A news feed's bytes as items: RSS 0.9x, 1.0 and 2.0, Atom 0.3 and 1.0 (by the library feedparser).

The bytes are what `fetch.py` brought; feedparser is given them, never an address. Before that lxml makes them
well-formed and small, so that nothing a server sends costs much.

Covered: a wrong or missing encoding; characters and tags that are not XML; HTML instead of a feed; entities of its own
(they are taken out, never expanded); feeds without an end; markup and scripts in items, which become plain text;
addresses that are not http(s); dates that have not come yet.
Not covered: a date without a zone counts as UTC; images and other media are left out.
"""

from __future__ import annotations

import calendar
import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from typing import Any
from urllib.parse import urljoin

from lxml import etree

from errors import DocumentError, SourceError
from retrieval.address import host_of, parsed
from retrieval.formats import html
from retrieval.formats.encoding import decode
from retrieval.text import language

ACCEPT = "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, */*;q=0.5"
MOST_ITEMS = 100
"""Of a feed; more are left out, the last first."""

_MOST_ELEMENTS = 2000
"""Within an item, and beside the items."""
_MOST_ATTRIBUTES = 64
_LONGEST_HTML, _LONGEST_TEXT, _LONGEST_TITLE = 50_000, 2000, 300
_AHEAD_S = 24 * 3600.0
"""How far in the future a date may lie: clocks and zones differ by less."""
_ROOTS = frozenset({"rss", "rdf", "feed"})
_ITEMS = frozenset({"item", "entry"})
_PREFIXES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "atom": "http://www.w3.org/2005/Atom",
}
"""What feeds use without saying what it stands for."""
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
_STATED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{2,40})[\"']")
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_BARE = re.compile(r"&(?!#?[A-Za-z0-9]{1,30};)")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30});")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Item:
    """One report."""

    title: str
    text: str
    """Its summary or content as plain text; may be empty."""
    url: str
    """Where it stands in full: an http(s) address, the feed's own where it names none."""
    published: float | None
    """Unix time in seconds; None where it states no date that can be."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed held when it was fetched."""

    title: str
    language: str
    """ISO 639-1 code, by its texts: what feeds state is often wrong."""
    items: tuple[Item, ...]


def read_feed(data: bytes, address: str, clock: Callable[[], float] = time.time) -> Feed:
    """The feed in `data`, which came from `address`. `clock` gives Unix time in seconds.

    Raises `SourceError` where it is no feed.
    """
    import feedparser

    found = feedparser.parse(
        io.BytesIO(_tidied(data, address)),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    now = clock()
    items = tuple(item for entry in found.entries[:MOST_ITEMS] if (item := _item(entry, address, now)) is not None)
    sample = "\n".join(f"{item.title} {item.text[:100]}" for item in items)
    return Feed(_plain(found.feed.get("title", "")) or host_of(parsed(address)), language(sample), items)


def _tidied(data: bytes, address: str) -> bytes:
    """Well-formed XML of limited size with the same items, in UTF-8. Raises `SourceError`."""
    text = _DECLARATION.sub("", _text(data, address)).lstrip()
    root = _parsed(text, recover=False)
    if root is None:
        root = _parsed("".join(_mended(text)), recover=True)
    if root is None or _name(root) not in _ROOTS:
        raise _no_feed(address)
    etree.strip_elements(root, etree.Entity, with_tail=False)
    _trim(root)
    for element in root.iter():
        _declare(element)
    return bytes(etree.tostring(root, encoding="utf-8"))


def _parsed(text: str, recover: bool) -> Any:
    """The root element; None where there is none. Entities stay unexpanded nodes."""
    parser = etree.XMLParser(
        recover=recover, resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return None


def _mended(text: str) -> Iterator[str]:
    """The text with ampersands and HTML's names for characters put right, which mean nothing in XML; not in CDATA."""
    at = 0
    while (start := text.find(_CDATA, at)) >= 0 and (end := text.find(_CDATA_END, start)) >= 0:
        yield _ENTITY.sub(_character, _BARE.sub("&amp;", text[at:start]))
        at = end + len(_CDATA_END)
        yield text[start:at]
    yield _ENTITY.sub(_character, _BARE.sub("&amp;", text[at:]))


def _text(data: bytes, address: str) -> str:
    """By what it is before what it says it is: text that can be read as UTF-8 hardly ever is anything else."""
    stated = _STATED.match(data[:400])
    for codec in ("utf-8-sig", stated[1].decode("ascii") if stated else ""):
        with suppress(UnicodeDecodeError, LookupError):
            return data.decode(codec)
    try:
        return decode(data, "feed")
    except DocumentError as error:
        raise _no_feed(address) from error


def _character(entity: re.Match[str]) -> str:
    return entity[0] if entity[1] in _OF_XML else html5.get(f"{entity[1]};", f"&amp;{entity[1]};")


def _name(element: Any) -> str:
    """A tag without its namespace or prefix, in lower case."""
    return str(element.tag).rpartition("}")[2].rpartition(":")[2].lower()


def _trim(root: Any) -> None:
    """Take out items beyond the first, and what has more elements than any item needs."""
    items = [element for element in root.iter(etree.Element) if _name(element) in _ITEMS]
    for element in items[MOST_ITEMS:]:
        element.getparent().remove(element)
    for element in items[:MOST_ITEMS]:
        if _is_huge(element):
            element.getparent().remove(element)
    beside = 0
    for parent in (root, *root):
        for element in list(parent):
            if _name(element) not in _ITEMS and element.find(".//{*}item") is None:
                beside += sum(1 for _ in element.iter())
                if beside > _MOST_ELEMENTS:
                    parent.remove(element)


def _is_huge(element: Any) -> bool:
    return sum(1 for _ in element.iter()) > _MOST_ELEMENTS


def _declare(element: Any) -> None:
    """Give names with an undeclared prefix a namespace: one that stays makes the whole not well-formed."""
    prefix, colon, name = element.tag.rpartition("}")[2].partition(":")
    if colon and not element.tag.startswith("{"):
        space = _PREFIXES.get(prefix.lower(), "")
        element.tag = f"{{{space}}}{name}" if space else name
    if len(element.attrib) > _MOST_ATTRIBUTES:  # feedparser takes minutes over many
        element.attrib.clear()
    for attribute in list(element.attrib):
        if ":" in attribute and not attribute.startswith("{"):
            del element.attrib[attribute]


def _item(entry: Any, address: str, now: float) -> Item | None:
    """The item; None where it says nothing."""
    title = _plain(entry.get("title", ""))[:_LONGEST_TITLE]
    text = _shortened(_readable(entry))
    if not title and not text:
        return None
    return Item(title or _SPACE.sub(" ", text)[:80], text, _link(entry, address), _published(entry, now))


def _readable(entry: Any) -> str:
    """Content, or the summary where there is none, as plain text."""
    details = [*entry.get("content", ()), entry.get("summary_detail", {})]
    for detail in details:
        value = str(detail.get("value", ""))[:_LONGEST_HTML]
        text = value if detail.get("type") == "text/plain" and "<" not in value else _of_html(value)
        if text.strip():
            return text.strip()
    return ""


def _of_html(markup: str) -> str:
    """What a person reads of HTML; the mark at its front says that it is UTF-8, whatever stands in it."""
    root = html.parse(b"\xef\xbb\xbf" + markup.encode("utf-8", "replace"), "feed")
    body = root.find(".//body")
    return "\n\n".join(html.blocks(root if body is None else body))


def _shortened(text: str) -> str:
    """The text's first paragraphs or sentences."""
    if len(text) <= _LONGEST_TEXT:
        return text
    cut = text[:_LONGEST_TEXT]
    end = max(cut.rfind(mark) for mark in ("\n", ". ", "。", "! ", "? "))
    return cut[: end + 1].strip() if end > _LONGEST_TEXT // 2 else cut.rstrip() + "…"


def _plain(title: str) -> str:
    """A title without markup, on one line; some feeds escape it twice."""
    text = unescape(str(title)[: 4 * _LONGEST_TITLE])
    return _SPACE.sub(" ", _of_html(text) if re.search(r"</?[A-Za-z]", text) else text).strip()


def _link(entry: Any, address: str) -> str:
    for named in _links(entry):
        with suppress(SourceError, ValueError):
            return str(parsed(urljoin(address, named.strip())))
    return address


def _links(entry: Any) -> Iterator[str]:
    for link in entry.get("links", ()):
        if link.get("rel") == "alternate" and link.get("href"):
            yield str(link["href"])
    if entry.get("link"):
        yield str(entry["link"])


def _published(entry: Any, now: float) -> float | None:
    for key in ("published_parsed", "updated_parsed", "created_parsed"):
        moment = entry.get(key)
        if moment is not None:
            with suppress(ValueError, OverflowError, TypeError):
                seconds = float(calendar.timegm(moment))
                return seconds if 0 < seconds <= now + _AHEAD_S else None
    return None


def _no_feed(address: str) -> SourceError:
    host = host_of(parsed(address))
    return SourceError(
        f"What {host} sent is no news feed; give the address of an RSS or Atom feed.",
        zh=f"{host} 发来的内容不是新闻订阅源，请给出 RSS 或 Atom 订阅源的网址。",
    )
