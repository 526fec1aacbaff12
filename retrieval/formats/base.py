"""What every loader speaks: a file goes in, its parts come out in reading order, as Markdown.

Loaders run in a process of their own (`retrieval/formats/__main__.py`), import nothing heavy, open nothing but the
file they are given, and follow no link in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from errors import DocumentError
from retrieval.base import Part

PART_CHARS = 2**18
"""Where a file has no pages, slides or sheets, about how long a part becomes."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to read; `name` is how its owner calls it, made safe to show."""

    path: Path
    name: str
    size: int
    """In bytes."""

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()


class Loader(Protocol):
    """A module of this package. Both functions raise `DocumentError` when the file cannot be used as it is.

    What else they raise is taken for damage in the file, told as such and logged.
    """

    def title(self, file: File) -> str:
        """The title that the file states of itself; empty where it states none."""
        ...

    def parts(self, file: File, start: int) -> Iterator[Part]:
        """Its parts from the `start`-th on, the same at every call. A part may be empty: a blank page."""
        ...


def damaged(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” is damaged and cannot be read; open it in the program it comes from, save it again and upload that.",
        zh=f"“{name}”已损坏，无法读取；请用原来的程序打开并重新保存后再上传。",
    )


def encrypted(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” is protected by a password; save it without one and upload it again.",
        zh=f"“{name}”受密码保护，请去掉密码后重新上传。",
    )


def without_text(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” holds no text; give a file with words in it.", zh=f"“{name}”里没有文字，请上传有文字的文件。"
    )


def not_opened(name: str, error: OSError) -> DocumentError:
    return DocumentError(
        f"“{name}” could not be opened ({error.strerror}); upload it again.",
        zh=f"无法打开“{name}”（{error.strerror}），请重新上传。",
    )
