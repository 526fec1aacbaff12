"""EPUB 2 and 3: the chapters in reading order, each a part; a chapter without a heading gets its name in the contents.

Left out: the table of contents itself, pictures, anything outside the archive.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from errors import DocumentError
from retrieval.base import Part
from retrieval.formats.archive import Archive, resolved
from retrieval.formats.base import File, damaged
from retrieval.formats.blocks import heading, joined, one_line
from retrieval.formats.html import blocks, parse

_OPF = "{http://www.idpf.org/2007/opf}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_NCX = "{http://www.daisy.org/z3986/2005/ncx/}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_ENCRYPTED = "{http://www.w3.org/2001/04/xmlenc#}"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Algorithms that only disguise fonts."""


def title(file: File) -> str:
    package, _ = _package(Archive(file))
    return one_line(package.findtext(f".//{_DC}title") or "")


def parts(file: File, start: int) -> Iterator[Part]:
    archive = Archive(file)
    _refuse_locked(archive)
    package, folder = _package(archive)
    listed = {one.get("id"): one for one in package.iter(f"{_OPF}item")}
    chapters: list[str] = []
    for reference in package.iter(f"{_OPF}itemref"):
        listing = listed.get(reference.get("idref"))
        if listing is not None and "nav" not in listing.get("properties", "").split():
            member = resolved(folder, listing.get("href", ""))
            if member in archive and "html" in listing.get("media-type", ""):
                chapters.append(member)
    names = _names(archive, listed, folder)
    for number, member in enumerate(chapters[start:], start=start + 1):
        written = list(blocks(_body(parse(archive.read(member), archive.name))))
        if written and not any(block.startswith("#") for block in written):
            written.insert(0, heading(1, names.get(member, "")))
        yield Part(joined(written), done=number / len(chapters))


def _body(root: Any) -> Any:
    body = root.find(".//body")
    return root if body is None else body


def _package(archive: Archive) -> tuple[Any, str]:
    """(package document, its folder), OCF 3.3."""
    for rootfile in archive.xml("META-INF/container.xml").iter(f"{_CONTAINER}rootfile"):
        member = resolved("", rootfile.get("full-path", ""))
        if member in archive:
            return archive.xml(member), posixpath.dirname(member)
    raise damaged(archive.name)


def _refuse_locked(archive: Archive) -> None:
    member = "META-INF/encryption.xml"
    if member not in archive:
        return
    methods = [one.get("Algorithm") for one in archive.xml(member).iter(f"{_ENCRYPTED}EncryptionMethod")]
    if any(method not in _FONTS for method in methods):
        raise DocumentError(
            f"“{archive.name}” is locked by its seller's copy protection; give a copy without it.",
            zh=f"“{archive.name}”带有版权保护（DRM），请提供没有保护的版本。",
        )


def _names(archive: Archive, listed: dict[str, Any], folder: str) -> dict[str, str]:
    """Members by their name in the table of contents, EPUB 3's or EPUB 2's."""
    names: dict[str, str] = {}
    for listing in listed.values():
        member = resolved(folder, listing.get("href", ""))
        inside = posixpath.dirname(member)
        if member not in archive:
            continue
        if "nav" in listing.get("properties", "").split():
            for link in parse(archive.read(member), archive.name).iter("a"):
                names.setdefault(resolved(inside, link.get("href", "")), one_line("".join(link.itertext())))
        elif listing.get("media-type") == "application/x-dtbncx+xml":
            for point in archive.xml(member).iter(f"{_NCX}navPoint"):
                content = point.find(f"{_NCX}content")
                label = point.findtext(f"{_NCX}navLabel/{_NCX}text") or ""
                if content is not None:
                    names.setdefault(resolved(inside, content.get("src", "")), one_line(label))
    return names
