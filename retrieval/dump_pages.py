"""The pages of a MediaWiki dump, one after the other, from any place on.

A dump is one XML document, `<siteinfo>` and then `<page>` after `<page>`. In it `<` stands for nothing but tags, so
each page can be cut out and parsed alone: one that is broken costs no other, and after each it is known where to go on.

Format: https://www.mediawiki.org/xml/export-0.11.xsd (0.10 is alike).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from errors import SourceError
from retrieval.dump_file import DumpFile, Place
from retrieval.mediawiki import encoded
from retrieval.wikitext import Markup, markup

_BEGINS, _ENDS, _LAST = b"<page>", b"</page>", b"</mediawiki>"
_LARGEST_PAGE = 2**24
"""Bytes of a page in XML; a larger one is left out."""
_REDIRECTS = re.compile(rb"<redirect\s")
_HEAD_OF_PAGE = 4_000
"""Bytes of a page before its text, at most."""
_LARGEST_HEAD = 2**20
_ROOT = re.compile(rb"<mediawiki\b([^<>]{0,4000})>")
_LANGUAGE = re.compile(rb"xml:lang\s*=\s*[\"']([a-z]{2})(?=[-\"'])")
_WIKI = re.compile(r"[a-z0-9_-]{1,64}")
_FILES, _CATEGORIES, _MEDIA = "6", "14", "-2"


@dataclass(frozen=True, slots=True)
class Wiki:
    """What a dump says of the wiki it comes from."""

    name: str
    """Of its database: `enwiki`."""
    articles: str
    """What comes before a title in the address of its page: `https://en.wikipedia.org/wiki/`."""
    language: str
    """ISO 639-1 code; empty where there is none."""
    markup: Markup

    def url(self, title: str) -> str:
        return self.articles + encoded(title)


@dataclass(frozen=True, slots=True)
class Page:
    """A page in its latest version."""

    id: int
    title: str
    namespace: int
    redirect: str
    """Title of the page that it leads to; empty where it is none that leads elsewhere."""
    text: str
    """Wikitext; empty where it is written in something else."""
    place: Place
    """Where the dump goes on after it."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What is no page that can be read: too large, or no XML."""

    place: Place


class Dump:
    """A file with the pages of one wiki."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def wiki(self) -> Wiki:
        """What its head says. Raises `SourceError` when it is no dump, or cannot be read."""
        head = b""
        for piece in DumpFile(self.path).pieces(Place()):
            head += piece
            if b"</siteinfo>" in head or len(head) > _LARGEST_HEAD:
                break
            if len(head) > 1000 and not _ROOT.search(head[:10_000]):
                break
        root = _ROOT.search(head[:10_000])
        begins, ends = head.find(b"<siteinfo>"), head.find(b"</siteinfo>")
        if root is None or not 0 < begins < ends:
            raise self._no_dump()
        try:
            info = ElementTree.fromstring(head[begins : ends + len(b"</siteinfo>")])
        except ElementTree.ParseError as error:
            raise self._no_dump() from error
        name, base = info.findtext("dbname", "").strip(), info.findtext("base", "").strip()
        if not _WIKI.fullmatch(name) or urlsplit(base).scheme not in ("http", "https"):
            raise self._no_dump()
        before, slash, _ = base.partition("/wiki/")
        language = _LANGUAGE.search(root[1])
        named = {one.get("key", ""): one.text or "" for one in info.iterfind("namespaces/namespace")}
        return Wiki(
            name,
            before + slash if slash else base.rpartition("/")[0] + "/",
            language[1].decode() if language else "",
            markup([named.get(key, "") for key in (_FILES, _CATEGORIES, _MEDIA)]),
        )

    def pages(self, file: DumpFile, place: Place) -> Iterator[Page | Broken]:
        """The pages from a place on. Raises `SourceError` when the file is damaged, or ends before the dump does."""
        for data, past in self._cut(file, place):
            yield _page(data, file.place(past)) if data else Broken(file.place(past))

    def redirects(self, file: DumpFile, place: Place) -> Iterator[tuple[Page | None, Place]]:
        """The redirects from a place on; None for every other page, which is not even parsed. Raises like `pages`."""
        for data, past in self._cut(file, place):
            after = file.place(past)
            found = _page(data, after) if _REDIRECTS.search(data, 0, _HEAD_OF_PAGE) else None
            yield (found if isinstance(found, Page) else None), after

    def _cut(self, file: DumpFile, place: Place) -> Iterator[tuple[bytes, int]]:
        """(the bytes of a page, bytes since the place to its end); no bytes where it is too large."""
        held, before, looked, whole = b"", 0, 0, True
        for piece in file.pieces(place):
            held += piece
            while True:
                end = held.find(_ENDS, looked)
                if end < 0:
                    break
                end += len(_ENDS)
                begins = held.find(_BEGINS, 0, end)
                whole = whole and begins >= 0 and end - begins <= _LARGEST_PAGE
                yield (held[begins:end] if whole else b""), before + end
                held, before, looked, whole = held[end:], before + end, 0, True
            if _LAST in held[max(0, looked - len(_LAST)) :]:
                return
            looked = max(0, len(held) - len(_ENDS))
            if len(held) > _LARGEST_PAGE:
                held, before, looked, whole = held[looked:], before + looked, 0, False
        raise file.cut_off()

    def _no_dump(self) -> SourceError:
        return SourceError(
            f"{self.path} is no dump of a wiki; give the file pages-articles.xml.bz2 (or -multistream) of a Wikipedia.",
            zh=f"{self.path} 不是维基的转储文件；请指定某个维基百科的 pages-articles.xml.bz2（或 -multistream）。",
        )


def _redirect(page: ElementTree.Element) -> str:
    found = page.find("redirect")
    return "" if found is None else " ".join(found.get("title", "").split()) or "?"


def _page(data: bytes, place: Place) -> Page | Broken:
    try:
        page = ElementTree.fromstring(data)
    except ElementTree.ParseError:
        try:
            page = ElementTree.fromstring(data.decode("utf-8", "replace"))
        except ElementTree.ParseError:
            return Broken(place)
    number, namespace = page.findtext("id", ""), page.findtext("ns", "")
    title = " ".join(page.findtext("title", "").split())
    if not number.isdecimal() or not title:
        return Broken(place)
    revisions = page.findall("revision")
    latest = revisions[-1] if revisions else page
    wikitext = latest.findtext("model", "wikitext") == "wikitext"
    return Page(
        int(number),
        title,
        int(namespace) if re.fullmatch(r"-?\d{1,9}", namespace) else -1,
        _redirect(page),
        latest.findtext("text", "") if wikitext else "",
        place,
    )
