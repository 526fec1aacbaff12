"""Documents into the index on this machine: what an `Intake` commits, as tantivy's entries and queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieval.intake import Reading, deleted_meanwhile
from retrieval.split import Tile
from retrieval.storage import Storage, View
from retrieval.stored import MARKER, DocumentInfo, entry, marker


class Commits:
    """The `Destination` that is a storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def check_open(self) -> None:
        self._storage.check_open()

    def entry(self, tile: Tile, version: str, owner: str, info: DocumentInfo | None) -> Any:
        return entry(tile, version, owner, info)

    def markers(self, document: str | None = None, owner: str | None = None) -> list[dict[str, Any]]:
        of = {"document": document, "owner": owner}
        return self._storage.view.markers(**{name: value for name, value in of.items() if value is not None})

    def discard(self, versions: Sequence[str]) -> None:
        with self._storage.writing() as view:
            self._storage.remove(view.one_of("version", versions))

    def commit(self, written: Sequence[tuple[Reading, Any]], unfinished: Reading | None) -> None:
        with self._storage.writing() as view:
            for reading in {id(one): one for one, _ in written}.values():
                _check(reading, view)
            for reading, one in written:
                if one is not None:
                    reading.last = self._storage.number(one)
                    reading.first = reading.first or reading.last
                else:
                    given = reading.given
                    versions = [("version", (reading.version,))]
                    self._storage.remove(view.all_of(versions, document=given.id, owner=given.owner))
                    if reading.marked:
                        self._storage.remove(_marker_of(reading, view))
            if unfinished is not None:
                if unfinished.marked:
                    self._storage.remove(_marker_of(unfinished, view))
                self._storage.put(marker(unfinished.version, unfinished.state()))


def _check(reading: Reading, view: View) -> None:
    if reading.marked and reading.version not in view.pending:
        raise deleted_meanwhile(reading)


def _marker_of(reading: Reading, view: View) -> Any:
    return view.all_of(part=MARKER, version=reading.version)
