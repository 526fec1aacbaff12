"""Reads a file with its loader in this process, as the process for it does, so that a test takes milliseconds."""

from __future__ import annotations

from pathlib import Path

from retrieval.base import Part
from retrieval.formats.base import File
from retrieval.formats.kinds import confirm, kind_of

FILES = Path(__file__).parent / "files"
"""Files of every kind, made by the programs that people use; see the README there."""


def load(path: Path, name: str = "") -> tuple[str, list[Part]]:
    """(the title that the file states, its parts). Raises `DocumentError`."""
    file = File(path, name or path.name, path.stat().st_size)
    kind = kind_of(file)
    confirm(file, kind)
    return kind.loader().title(file), list(kind.loader().parts(file, 0))


def text(path: Path, name: str = "") -> str:
    """All its parts with a blank line between them."""
    return "\n\n".join(part.text for part in load(path, name)[1])
