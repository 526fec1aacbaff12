"""What is kept of documents in Milvus, by their ids: descriptions, stretches, neighbours of passages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from retrieval.base import Passage
from retrieval.milvus_client import Milvus
from retrieval.milvus_commits import MilvusCommits
from retrieval.milvus_rows import WHOLE, Row, among, named, pk_of, tile_of, unpacked
from retrieval.split import Tile
from retrieval.stored import DocumentInfo

_LIMIT_S = 10.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class MilvusTiles:
    """Looks up. Everything raises `MilvusError`."""

    milvus: Milvus
    commits: MilvusCommits
    """Knows the names of the collections."""

    def info(self, document_id: str, owner: str) -> DocumentInfo | None:
        """The description of a document that is this owner's, else of a public one."""
        return self.infos([document_id], owner).get(document_id)

    def infos(self, document_ids: Iterable[str], owner: str) -> dict[str, DocumentInfo]:
        """The same of several documents, by id, without those that are not there."""
        names = {one: dict.fromkeys(f"{WHOLE}-{named(one, of)}" for of in (owner, "")) for one in document_ids}
        wanted = among("pk", [name for each in names.values() for name in each])
        rows = self._find(self.commits.documents, wanted, sum(map(len, names.values())))
        found = {row["pk"]: info for row, info in zip(rows, self.infos_of(rows), strict=True)}
        first = {one: next((found[name] for name in each if name in found), None) for one, each in names.items()}
        return {one: info for one, info in first.items() if info is not None}

    def infos_of(self, rows: Sequence[Row]) -> list[DocumentInfo]:
        """The descriptions that rows of documents hold."""
        stored = self.milvus.stored(self.commits.documents, rows)
        return [DocumentInfo(*unpacked(parts)) for parts in stored]

    def tiles(self, info: DocumentInfo, first: int, beyond: int) -> Iterator[Tile]:
        """The tiles of a document from one ordinal up to, not including, another."""
        for at in range(first, beyond, _AT_ONCE):
            until = min(at + _AT_ONCE, beyond)
            where = f'version == "{info.version}" and ordinal >= {at} and ordinal < {until}'
            yield from self._tiles(where, until - at).values()

    def around(self, passage_ids: Sequence[str], owner: str, width: int) -> list[list[Passage]]:
        """The passages up to `width` before and after each of these, in order; all by two questions."""
        places = {one: one.rpartition("#")[::2] for one in passage_ids if one.rpartition("#")[2].isdecimal()}
        infos = self.infos({document for document, _ in places.values()}, owner) if places else {}
        pks: dict[str, list[str]] = {}
        for one, (document, number) in places.items():
            if (info := infos.get(document)) is not None:
                near = range(max(0, int(number) - width), min(int(number) + width + 1, info.passages))
                pks[one] = [pk_of(info.version, ordinal) for ordinal in near if ordinal != int(number)]
        wanted = sorted({pk for each in pks.values() for pk in each})
        tiles: dict[str, Tile] = {}
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            tiles |= self._tiles(among("pk", some), len(some))
        return [[tiles[pk].passage for pk in pks.get(one, ()) if pk in tiles] for one in passage_ids]

    def _tiles(self, where: str, limit: int) -> dict[str, Tile]:
        """Tiles by `pk`."""
        rows = self._find(self.commits.passages, where, limit)
        stored = self.milvus.stored(self.commits.documents, rows)
        return {row["pk"]: tile_of(parts)[0] for row, parts in zip(rows, stored, strict=True)}

    def _find(self, collection: str, where: str, limit: int) -> list[Row]:
        return self.milvus.find(collection, where, ["pk", "pieces", "stored"], limit, _LIMIT_S)
