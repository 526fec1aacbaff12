"""What keeps the operator's documents: a folder, a list of URLs. They are everybody's to search."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from errors import AppError

SHARED = "shared"
"""The source that holds them."""


@dataclass(frozen=True, slots=True)
class File:
    """A document as it is now. `key` is its own in its corpus; another `version` means another content."""

    key: str
    version: str
    path: Path
    name: str
    """How people know it; its suffix tells the kind."""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that cannot be had now, and why. What was read of it before stays."""

    key: str
    error: AppError


@dataclass(frozen=True, slots=True)
class Listing:
    """The keys of the documents that there are. Of keys that begin like one in `unknown` it cannot be told."""

    keys: frozenset[str]
    unknown: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


class Corpus(Protocol):
    """Documents that come, change and go. One thread uses it."""

    @property
    def name(self) -> str: ...

    def listing(self) -> Listing:
        """What there is now. Raises `SourceError` when that cannot be told."""

    def files(self, stop: threading.Event) -> Iterator[File | Failure]:
        """Those of the last listing that may have changed. A file stays where it is until the next one is asked for."""

    def forget(self, key: str) -> None:
        """A document has gone, and with it what was kept for it."""
