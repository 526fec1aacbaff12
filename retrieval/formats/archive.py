"""ZIP containers and the XML in them, read so that no file can unpack into more than it may.

Covered: archives that state or hold far more than their size, too many members, members stored twice over each other
(their sizes are added up), passwords, damage, XML with entities of its own (“billion laughs”, external entities).
Not covered: what takes long without growing; the time limit of the process ends that.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import unquote

from lxml import etree

from errors import DocumentError
from retrieval.formats.base import File, damaged, encrypted

_BROKEN = (zipfile.BadZipFile, EOFError, zlib.error)
_HEAD = 2**16
_MOST_MEMBERS = 20_000
_MOST_BYTES = 4 * 2**30
_SMALL = 128 * 2**20
_MOST_TIMES = 200
"""A file may unpack to 128 MB, or to 200 times its size where that is more (deflate ends at about 1,000 times)."""


class Archive:
    """The members of a ZIP file. Raises `DocumentError` when it is damaged, encrypted or a decompression bomb."""

    def __init__(self, file: File) -> None:
        self.name = file.name
        try:
            self._zip = zipfile.ZipFile(file.path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise damaged(file.name) from error
        members = self._zip.infolist()
        # zipfile hands out no more of a member than it states, so what is stated is the most that can come.
        unpacked = sum(member.file_size for member in members)
        allowed = min(_MOST_BYTES, max(_SMALL, _MOST_TIMES * file.size))
        if unpacked > allowed or len(members) > _MOST_MEMBERS:
            raise _bomb(file.name, len(members), unpacked, allowed)
        if any(member.flag_bits & 1 for member in members):
            raise encrypted(file.name)
        self._sizes = {member.filename: member.file_size for member in members}

    def __contains__(self, member: object) -> bool:
        return member in self._sizes

    def __iter__(self) -> Iterator[str]:
        return iter(self._sizes)

    def size(self, member: str) -> int:
        return self._sizes[member]

    def open(self, member: str) -> IO[bytes]:
        try:
            stream = self._zip.open(member)
            head = stream.read(_HEAD).replace(b"\0", b"")  # without the zeros, UTF-16 reads like ASCII
            stream.close()
            if b"<!ENTITY" in head:
                raise _entities(self.name)
            return self._zip.open(member)
        except (KeyError, NotImplementedError, *_BROKEN) as error:
            raise damaged(self.name) from error

    def read(self, member: str) -> bytes:
        try:
            with self.open(member) as stream:
                return stream.read()
        except _BROKEN as error:
            raise damaged(self.name) from error

    def xml(self, member: str) -> Any:
        """The root element of a member."""
        return parse_xml(self.read(member), self.name)

    def relations(self, member: str) -> dict[str, tuple[str, str]]:
        """OPC relations of a member by id, but for external ones: (last word of their type, member they point to)."""
        folder, base = posixpath.split(member)
        source = posixpath.join(folder, "_rels", f"{base}.rels")
        if source not in self:
            return {}
        found = {}
        for relation in self.xml(source):
            if isinstance(relation.tag, str) and relation.get("TargetMode") != "External":
                target = resolved(folder, relation.get("Target", ""))
                found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], target)
        return found

    def main(self) -> str:
        """The member that holds the document itself in an Office Open XML file."""
        for kind, target in self.relations("").values():
            if kind == "officeDocument" and target in self:
                return target
        raise damaged(self.name)

    def stated_title(self) -> str:
        """`dc:title` of an Office Open XML file."""
        if "docProps/core.xml" not in self:
            return ""
        return self.xml("docProps/core.xml").findtext("{http://purl.org/dc/elements/1.1/}title") or ""


def resolved(folder: str, target: str) -> str:
    """A reference inside an archive as the name of a member; never outside of it."""
    path = unquote(target.partition("#")[0])
    joined = path if path.startswith("/") else posixpath.join(folder, path)
    return posixpath.normpath("/" + joined).lstrip("/")


def whole(stated: str | None, otherwise: int, most: int) -> int:
    """The number that an attribute states, from 0 to `most`; `otherwise` where it states none that makes sense."""
    if stated is None or not (stated.isascii() and stated.isdigit()):
        return otherwise
    return min(int(stated[:9]), most)


def parse_xml(data: bytes, name: str) -> Any:
    """The root element. Entities are not resolved and nothing is fetched."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise broken(error, name) from error


def elements(stream: IO[bytes], name: str, tags: tuple[str, ...]) -> Iterator[Any]:
    """Each element with one of these tags as it ends, outermost last; what the caller is done with it should clear."""
    try:
        for _, element in etree.iterparse(
            stream, events=("end",), tag=tags, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        ):
            yield element
    except etree.XMLSyntaxError as error:
        raise broken(error, name) from error
    except _BROKEN as error:
        raise damaged(name) from error


def forget(element: Any) -> None:
    """Drop an element that was read and what stands before it, so that a long member does not fill the memory."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def broken(error: Any, name: str) -> Exception:
    """What an error of libxml2's parser means."""
    return MemoryError() if error.code == etree.ErrorTypes.ERR_NO_MEMORY else damaged(name)


def _entities(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” defines XML entities, as files do that are made to overwhelm a reader; save it again from the "
        "program it comes from.",
        zh=f"“{name}”定义了 XML 实体，这类文件可能用于攻击；请用原来的程序重新保存后再上传。",
    )


def _bomb(name: str, members: int, unpacked: int, allowed: int) -> DocumentError:
    size, most = f"{unpacked / 2**20:,.0f} MB", f"{allowed / 2**20:,.0f} MB"
    return DocumentError(
        f"“{name}” would unpack to {size} in {members:,} files, more than the {most} in {_MOST_MEMBERS:,} files that a "
        "file of its size may; split it up, or save it again from the program it comes from.",
        zh=f"“{name}”解压后有 {size}、{members:,} 个文件，超过了 {most}、{_MOST_MEMBERS:,} 个文件的上限；"
        "请拆分，或用原来的程序重新保存后再上传。",
    )
