"""Files into documents: every kind in `retrieval/formats/`, read part by part in a process of its own.

A file is told by its content, which must be what its suffix says. Nothing is written by its name, and the name is
shown without what could mislead: folders, control characters, marks that turn the direction of writing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

from errors import DocumentError
from retrieval.base import Document, Incoming
from retrieval.formats.base import File, not_opened
from retrieval.formats.kinds import kind_of
from retrieval.parsing import Limits, Reading

MOST_BYTES = 20 * 2**20
_LONGEST_NAME = 120
_LONGEST_SUFFIX = 16
_BLOCK = 2**20
_SLASH = re.compile(r"[/\\]")


def open_file(
    path: Path, name: str, owner: str, source: str = "documents", limit: int = MOST_BYTES, limits: Limits | None = None
) -> Incoming:
    """The document in the file at `path`, which its owner calls `name`, ready to be read. `limit` is in bytes.

    The id depends on owner, name and content alone. Raises `DocumentError` when the file is missing, empty or too
    large, of a kind that is not read or another than its suffix says, encrypted or damaged; what is found only on the
    way (damage further on, nothing but pictures) is raised by the iterator of its parts, which has a `close` that
    ends the reading at once.
    """
    name = safe_name(name)
    size = _size(path, name, limit)
    kind_of(File(path, name, size))
    reading = Reading(path, name, size, limits or Limits())
    title = reading.title() or name
    document_id = _digest(path, name, owner)[:16]
    return Incoming(document_id, title, source, reading.parts, owner=owner, name=name)


def read_document(path: Path, name: str, owner: str, source: str = "documents", limit: int = MOST_BYTES) -> Document:
    """The whole document in a file, as `open_file` finds it. Raises `DocumentError`."""
    incoming = open_file(path, name, owner, source, limit)
    written: list[str] = []
    for part in incoming.parts(0):
        if written and part.text:
            written.append(_between(written[-1], part.continues))
        written.append(part.text)
    return Document(incoming.id, incoming.title, "".join(written), source, owner=owner, name=incoming.name)


def _between(before: str, continues: bool) -> str:
    """What stands between two parts: nothing where the first ends with a line, a space within a paragraph."""
    if before.endswith("\n"):
        return ""
    return " " if continues else "\n\n"


def safe_name(name: str) -> str:
    """`name` as it may be shown: its last part, printable, in one direction, at most 120 characters with its suffix."""
    last = _SLASH.split(name.rstrip("/\\"))[-1]
    shown = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    shown = " ".join(shown.split())
    if len(shown) > _LONGEST_NAME:
        suffix = Path(shown).suffix
        suffix = suffix if len(suffix) <= _LONGEST_SUFFIX else ""
        shown = f"{shown[: _LONGEST_NAME - len(suffix) - 1]}…{suffix}"
    return shown if shown.strip(".") else "file"


def too_large(name: str, size: int, limit: int) -> DocumentError:
    """What to say of a file of `size` bytes where at most `limit` are read."""
    return DocumentError(
        f"“{name}” has {_megabytes(size)}, more than the {_megabytes(limit)} allowed; split it up.",
        zh=f"“{name}”有 {_megabytes(size)}，超过了 {_megabytes(limit)} 的上限，请拆分后再上传。",
    )


def _size(path: Path, name: str, limit: int) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise not_opened(name, error) from error
    if size > limit:
        raise too_large(name, size, limit)
    if not size:
        raise DocumentError(
            f"“{name}” is empty (0 bytes); give a file with words in it.",
            zh=f"“{name}”是空文件（0 字节），请上传有文字的文件。",
        )
    return size


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _digest(path: Path, name: str, owner: str) -> str:
    digest = hashlib.sha256(b"\0".join([owner.encode(), name.encode("utf-8", "replace"), b""]))
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise not_opened(name, error) from error
    return digest.hexdigest()
