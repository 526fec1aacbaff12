"""Documents as wholes: found by their names, read passage by passage.

A search gives passages of many documents; an overview needs one document from its beginning to its end, and one of a
million passages must not be read whole for it. So a document is its count of passages, and any stretch of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from retrieval.base import Passage, Retriever, SearchRequest
from retrieval.index_protocol import Index
from retrieval.stored import DocumentInfo
from retrieval.text import HAN, analyse

_AT_ONCE = 64
"""Passages that one look-up asks for."""
_CANDIDATES = 60
"""Passages among whose documents a title is looked for."""
_WHOLE_ARTICLES = 10_000
_MOST_PAIRS = 0.8
_HAN = re.compile(f"[{HAN}]")
_FILE_NAME = re.compile(r"\S[^\n]*\.\w{1,8}")


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a document without reading it."""

    id: str
    title: str
    source: str
    name: str = ""
    """Name of its file, where it came in one."""
    owner: str = ""
    url: str = ""
    language: str = ""
    added: float = 0.0
    """Unix time in seconds; 0 where it is not known."""


class Readable(Protocol):
    """One document, read as little of it as is needed. Raises `SourceError` when it cannot be."""

    @property
    def about(self) -> About: ...

    @property
    def count(self) -> int:
        """How many passages it has."""
        ...

    def stretch(self, first: int, after: int) -> list[Passage]:
        """The passages from the ordinal `first` up to, not including, `after`, in order; those that there are."""
        ...


class NamedDocuments(Protocol):
    """The documents of a source, as far as a visitor may see them: what is public, and what is the visitor's own.

    A request's `query` is a document's name; its owner, deadline and cancel bind every look-up. Raises `SourceError`.
    """

    @property
    def name(self) -> str:
        """Name of the source."""
        ...

    @property
    def personal(self) -> bool:
        """Whether visitors bring documents of their own to it."""
        ...

    def own(self, owner: str) -> Sequence[Readable]:
        """What exactly this visitor has brought, newest first."""
        ...

    def called(self, request: SearchRequest) -> Sequence[Readable]:
        """Public documents whose titles the name may mean, likeliest first; whether it does is left to the caller."""
        ...

    def telling(self, request: SearchRequest) -> Readable | None:
        """The document that holds all the words of the name in one passage, public or the visitor's own."""
        ...

    def holding(self, passage: Passage, request: SearchRequest) -> Readable | None:
        """The document of a passage that was found earlier, if it is still there and the visitor may see it."""
        ...


@dataclass(frozen=True, slots=True)
class IndexedDocuments:
    """The documents of one source of an index."""

    index: Index
    name: str
    personal: bool = False
    countless: bool = False
    """Whether they are too many to go through all their names."""

    def own(self, owner: str) -> list[Readable]:
        if not owner or not self.personal:
            return []
        return [self._listed(info, owner) for info in self.index.documents(self.name, owner)]

    def _listed(self, info: DocumentInfo, owner: str) -> Readable:
        about = About(info.id, info.title, info.source, info.name, info.owner, info.url, info.language, info.added)
        return _Indexed(self.index, about, owner, info.passages)

    def called(self, request: SearchRequest) -> list[Readable]:
        found = self.index.search(replace(request, k=_CANDIDATES, owner=""), self.name)
        firsts = {passage.document: passage for passage in reversed(found)}
        order = dict.fromkeys(passage.document for passage in found)
        by_title: list[Readable] = [_Indexed(self.index, _about(firsts[document]), "") for document in order]
        if self.countless or (by_title and not _FILE_NAME.fullmatch(request.query)):
            return by_title
        # Only the whole list knows names of files, and titles that are misspelt.
        return [*by_title, *(self._listed(info, "") for info in self.index.documents(self.name, ""))]

    def telling(self, request: SearchRequest) -> Readable | None:
        for passage in self.index.search(replace(request, k=_CANDIDATES), self.name):
            text = f"{passage.title}\n{passage.section}\n{passage.text}"
            if share_held(request.query, set(analyse(text, passage.language)), passage.language):
                return self.holding(passage, request)
        return None

    def holding(self, passage: Passage, request: SearchRequest) -> Readable | None:
        there = self.index.passage(passage.id, request.owner)
        if there is None or there.source != self.name:
            return None
        own = (document for document in self.own(request.owner) if document.about.id == there.document)
        return next(own, None) or _Indexed(self.index, _about(there), "")


def share_held(name: str, terms: set[str], language: str = "en") -> float:
    """Share of a name's terms that a text has, where it is said to hold the name; else 0.

    That is all of them, and most of a Chinese name's, whose terms are pairs: “年度工作总结” holds “年度总结”.
    """
    wanted = set(analyse(name, language))
    share = len(wanted & terms) / len(wanted) if wanted else 0.0
    return share if share >= (_MOST_PAIRS if _HAN.search(name) else 1.0) else 0.0


def _about(passage: Passage) -> About:
    return About(passage.document, passage.title, passage.source, url=passage.url, language=passage.language)


@dataclass(frozen=True, slots=True)
class _Indexed:
    index: Index
    about: About
    owner: str
    listed: int = 0

    @property
    def count(self) -> int:
        return self.listed or self._counted()

    def _counted(self) -> int:
        """The number of passages, by doubling and halving: passages are numbered from 0."""
        low, high = 0, 1
        while self._has(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._has(middle) else (low, middle)
        return high

    def _has(self, ordinal: int) -> bool:
        return self.index.passage(f"{self.about.id}#{ordinal}", self.owner) is not None

    def stretch(self, first: int, after: int) -> list[Passage]:
        return [
            passage
            for start in range(first, after, _AT_ONCE)
            for passage in self._block(start, min(start + _AT_ONCE, after))
        ]

    def _block(self, first: int, after: int) -> Iterator[Passage]:
        middle = (first + after) // 2
        centre = f"{self.about.id}#{middle}"
        around = self.index.neighbours(centre, self.owner, middle - first) if after - first > 1 else []
        here = self.index.passage(centre, self.owner)
        found = sorted([*around, here] if here else around, key=lambda passage: passage.start)
        return (passage for passage in found if first <= ordinal(passage) < after)


def ordinal(passage: Passage) -> int:
    """A passage's place among those of its document, from 0."""
    return int(passage.id.rpartition("#")[2])


@dataclass(frozen=True, slots=True)
class FetchedDocuments:
    """Articles that a live source fetches whole, such as Wikipedia's: it finds them by their titles."""

    retriever: Retriever
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the visitor chose of the source."""

    @property
    def name(self) -> str:
        return self.retriever.name

    @property
    def personal(self) -> bool:
        return False

    def own(self, owner: str) -> list[Readable]:
        return []

    def called(self, request: SearchRequest) -> list[Readable]:
        return self._articles(replace(request, settings=self.settings))

    def telling(self, request: SearchRequest) -> Readable | None:
        return None

    def holding(self, passage: Passage, request: SearchRequest) -> Readable | None:
        asked = replace(request, query=passage.title, language=passage.language)  # where it came from, not as chosen
        return next((each for each in self._articles(asked) if each.about.id == passage.document), None)

    def _articles(self, request: SearchRequest) -> list[Readable]:
        found: dict[str, list[Passage]] = {}
        for passage in self.retriever.search(replace(request, k=_WHOLE_ARTICLES)):
            found.setdefault(passage.document, []).append(passage)
        return [Fetched(tuple(sorted(each, key=ordinal))) for each in found.values()]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document whose passages are all at hand, in order; at least one."""

    passages: tuple[Passage, ...]

    @property
    def about(self) -> About:
        return _about(self.passages[0])

    @property
    def count(self) -> int:
        return len(self.passages)

    def stretch(self, first: int, after: int) -> list[Passage]:
        return list(self.passages[max(first, 0) : after])
