"""What every source of passages speaks: a request goes in, candidate passages come out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Document:
    """A text as it was given to the index. `id` is unique in the index; `text` is what spans point into."""

    id: str
    title: str
    text: str
    source: str
    """Name of the retriever it belongs to: `library`, `guide`, `documents`, …"""
    owner: str = ""
    """Owner key of the visitor it belongs to; empty for what everybody may search."""
    url: str = ""
    language: str = ""
    """ISO 639-1 code; detected from the text where empty."""
    name: str = ""
    """Name of the file it came in, where it came in one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file in reading order: a page, a slide, a sheet, or a piece of a long text."""

    text: str
    """Markdown where the file has structure: headings as `#`, rows of tables as “Header: cell; Header: cell”."""
    place: str = ""
    """Where it stands: `page 12`, `slide 3`, `sheet Sales`; empty where a file has no such places."""
    continues: bool = False
    """Whether it begins in the middle of a paragraph, which the part before it began."""
    done: float = 0.0
    """Share of the file that is read with it, 0..1."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A document on its way into the index, read part by part, so that it need not fit into memory."""

    id: str
    """Depends on owner, name and content alone: the same file gives the same id, so that a reading can be resumed."""
    title: str
    source: str
    parts: Callable[[int], Iterator[Part]]
    """Its parts from the n-th on (0 for all of them), the same at every call. Raises `DocumentError`."""
    owner: str = ""
    url: str = ""
    language: str = ""
    """ISO 639-1 code; detected from the text where empty."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document: `document.text[start:end] == text`."""

    id: str
    """Unique and stable: `<document id>#<ordinal>`."""
    text: str
    title: str
    source: str
    document: str
    section: str = ""
    """Headings above the passage, outermost first, joined by ` › `."""
    place: str = ""
    """Where in its file it begins, as a `Part` says it."""
    ends: str = ""
    """Where it ends, if that is another place: a paragraph goes on over the page."""
    url: str = ""
    language: str = ""
    start: int = 0
    end: int = 0
    score: float = 0.0
    """Retrievers: their own scale, higher is better. After reranking: probability in 0..1 that it answers."""
    leads: bool = False
    """Whether its source puts it before what merely matches: the newest, where the question asks for the newest."""
    before: str = ""
    """What stands before it in the document, given to a model as its context (`retrieval.joining`)."""
    after: str = ""
    """What stands after it; neither belongs to `text`."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search. `k` is the number of candidates wanted; `deadline` is on `time.monotonic()`'s clock."""

    query: str
    k: int = 100
    owner: str = ""
    language: str = ""
    deadline: float | None = None
    exclude: frozenset[str] = frozenset()
    """Ids of documents or of passages that must not be returned."""
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the visitor chose about the source, by the name of the `Setting`; the default stands for what is missing."""
    cancel: threading.Event = field(default_factory=threading.Event)

    def remaining(self, limit_s: float) -> float:
        """Seconds left until the deadline, at most `limit_s`, at least 0."""
        if self.deadline is None:
            return limit_s
        return max(0.0, min(limit_s, self.deadline - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Setting:
    """Something a visitor may choose about a source: which feeds, which leagues. Its value is text."""

    name: str
    labels: Mapping[str, str]
    """By language: `en`, `zh`."""
    hints: Mapping[str, str]
    default: str = ""
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Values with their labels by language; several may be chosen, one a line. Empty where text is typed."""
    lines: bool = False
    """Whether several things may be typed, one a line."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source fares, in one sentence."""

    text: str
    zh: str
    failing: bool = False


class Live(Protocol):
    """What a source over the network tells of itself and lets a visitor choose."""

    @property
    def settings(self) -> tuple[Setting, ...]: ...

    def checked(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """The settings as they are used. Raises `errors.InputError` for a value that cannot be."""
        ...

    def status(self) -> SourceStatus | None:
        """None while nobody has asked it anything."""
        ...


class Retriever(Protocol):
    """A source of candidate passages, best first. Raises `errors.SourceError` when it cannot answer."""

    @property
    def name(self) -> str: ...

    def search(self, request: SearchRequest) -> list[Passage]: ...
