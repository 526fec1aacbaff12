"""Documents into Milvus: what an `Intake` commits, as rows.

Milvus has no transactions. Rows of passages come first; that the document is whole is one row written last, which takes
the place of the version before it. What a crash leaves behind belongs to no whole document, so nobody sees it; it goes
when the document is added again, and when it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from retrieval.intake import Reading, deleted_meanwhile
from retrieval.milvus_client import Milvus, MilvusError, not_changed
from retrieval.milvus_rows import (
    MARKER,
    PIECE,
    STEMMER,
    WHOLE,
    Row,
    among,
    collection,
    document_row,
    named,
    passage_row,
    unpacked,
)
from retrieval.split import Tile
from retrieval.stored import DocumentInfo, info_values
from retrieval.text import stemmed_alike

_AT_ONCE = 500
"""Documents that one filter names."""

Entry = tuple[Row, list[Row], DocumentInfo | None]
"""A passage, what does not fit into its row, and with the last one the document's description."""


class MilvusCommits:
    """The `Destination` that is a Milvus. `dimension` is the length of the vectors."""

    def __init__(self, milvus: Milvus, dimension: Callable[[], int]) -> None:
        self._milvus = milvus
        self._dimension = dimension

    @property
    def passages(self) -> str:
        return collection("passages", self._dimension())

    @property
    def documents(self) -> str:
        return collection("documents", self._dimension())

    def check_open(self) -> None:
        if not self._milvus.is_open:
            raise not_changed(self._milvus.host, MilvusError("it is not open"))

    def entry(self, tile: Tile, version: str, owner: str, info: DocumentInfo | None) -> Entry:
        row, others = passage_row(tile, version, owner, self._dimension())
        return row, others, info

    def markers(self, document: str | None = None, owner: str | None = None) -> list[dict[str, Any]]:
        where = f'kind == "{MARKER}"'
        if owner is not None:
            where += f' and owner == "{named(owner)}"'
        if document is not None and owner is not None:
            where += f' and document == "{named(document, owner)}"'
        with self._changing():
            rows = list(self._milvus.every(self.documents, where, ["pk", "version", "pieces", "stored"]))
            values = [unpacked(parts) for parts in self._milvus.stored(self.documents, rows)]
        return [{**value, "version": row["version"]} for row, value in zip(rows, values, strict=True)]

    def discard(self, versions: Sequence[str]) -> None:
        with self._changing():
            for name in (self.documents, self.passages):
                self._milvus.remove(name, among("version", versions))

    def commit(self, written: Sequence[tuple[Reading, Any]], unfinished: Reading | None) -> None:
        with self._changing():
            readings = {id(one): one for one, _ in written}.values()
            marked = [one.version for one in readings if one.marked]
            there = self._marked(marked) if marked else set()
            for reading in readings:
                if reading.marked and reading.version not in there:
                    self._milvus.remove(self.passages, among("version", [reading.version]))
                    raise deleted_meanwhile(reading)
            entries: list[Entry] = [entry for _, entry in written if entry is not None]
            # The first marker stands before the first passages, so that they can be discarded; how far they are is
            # said once they are there.
            if unfinished is not None and not unfinished.marked:
                self._milvus.write(self.documents, _marker(unfinished, begun=True))
            self._milvus.write(self.documents, [row for _, others, _ in entries for row in others])
            self._milvus.write(self.passages, [row for row, _, _ in entries])
            if unfinished is not None:
                self._milvus.write(self.documents, _marker(unfinished, begun=False))
            self.finish([info for _, _, info in entries if info is not None])

    def finish(self, infos: Sequence[DocumentInfo]) -> None:
        """Make documents seen whose passages are all there, and take away what they replace. Raises `MilvusError`.

        An app that finishes another version of a document meanwhile takes these passages away: nothing of it is seen
        then, rather than half of it.
        """
        for at in range(0, len(infos), _AT_ONCE):
            some = infos[at : at + _AT_ONCE]
            self._finish({named(info.id, info.owner): info for info in some})
            if self._passages(some) < sum(info.passages for info in some):
                self._take_back([info for info in some if self._passages([info]) < info.passages])

    def _finish(self, infos: Mapping[str, DocumentInfo]) -> None:
        """`infos` by what stands for their documents in filters."""
        theirs, versions = among("document", list(infos)), [info.version for info in infos.values()]
        before = self._milvus.find(self.documents, f'kind == "{WHOLE}" and {theirs}', ["version"], limit=len(infos))
        seen: list[Row] = []
        first: list[Row] = []
        for document, info in infos.items():
            row, *others = document_row(
                WHOLE,
                document,
                info.version,
                info_values(info),
                scope=named(info.source, info.owner),
                document=document,
                owner=named(info.owner),
            )
            seen.append(row)
            first += others
        for code in {stemmed_alike(info.language) for info in infos.values()}:
            first += document_row(STEMMER, code, "", code)
        self._milvus.write(self.documents, first)
        self._milvus.write(self.documents, seen)
        self._milvus.remove(self.passages, f"{theirs} and not ({among('version', versions)})")
        self._milvus.remove(self.documents, f'kind == "{MARKER}" and {theirs}')
        old = [row["version"] for row in before if row["version"] not in versions]
        if old:
            self._milvus.remove(self.documents, f'kind == "{PIECE}" and {among("version", old)}')

    def _passages(self, infos: Sequence[DocumentInfo]) -> int:
        """How many passages of these are there."""
        return self._milvus.count(self.passages, among("version", [info.version for info in infos]), strong=True)

    def _take_back(self, lost: Sequence[DocumentInfo]) -> None:
        theirs = among("version", [info.version for info in lost])
        self._milvus.remove(self.documents, f'kind == "{WHOLE}" and {theirs}')
        raise MilvusError(f"another app was adding “{lost[0].title}” at the same time")

    def _marked(self, versions: Sequence[str]) -> set[str]:
        rows = self._milvus.find(self.documents, f'kind == "{MARKER}" and {among("version", versions)}', ["version"])
        return {row["version"] for row in rows}

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            yield
        except MilvusError as error:
            raise not_changed(self._milvus.host, error) from error


def _marker(reading: Reading, begun: bool) -> list[Row]:
    """The row that says how far a reading is; one that has only `begun` is read from the beginning again."""
    given, state = reading.given, reading.state()
    if begun:
        state = {**state, "parts": 0, "done": 0.0, "first": 0, "passages": 0, "splitter": {}}
    document = named(given.id, given.owner)
    return document_row(
        MARKER, f"{document}-{reading.version}", reading.version, state, document=document, owner=named(given.owner)
    )
