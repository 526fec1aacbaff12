"""Moves the documents of this machine into a Milvus, with the vectors that are there:

    python -m retrieval.move --from var --to http://milvus:19530

`--from` is the app's data folder; the app must not be running on it. Nothing is deleted here. A document that is in
Milvus already, whole and of the same version, is left as it is, and one of which a part is there is gone on with: so
the command can be stopped or killed at any time and started again. Passages stream through in batches, so memory does
not grow with the index. At the end every document's passages are counted there, and one line says whether all are.

The token of a Milvus that asks for one is read from the file that `--token-file` names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from encoder import SentenceEncoder
from errors import AppError, DocumentError
from retrieval.milvus_client import Milvus, MilvusError, not_changed
from retrieval.milvus_commits import MilvusCommits
from retrieval.milvus_rows import (
    WHOLE,
    Row,
    among,
    documents_schema,
    passage_row,
    passages_schema,
    vectors_of,
)
from retrieval.storage import Storage, View
from retrieval.stored import DocumentInfo, tile_of
from retrieval.vectors import VectorFile

_AT_ONCE = 500
"""Passages read and written together."""
_COUNTED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """What there was to move, and what is in Milvus of it."""

    documents: int
    passages: int
    there: int
    """Passages of those documents in Milvus."""
    new: int
    """Documents that were not whole there before."""
    unfinished: int
    """Documents that are not whole here, and stay behind."""
    vectors: int
    """Passages that went with their vectors, of those that were written now."""

    @property
    def complete(self) -> bool:
        return self.there == self.passages

    def __str__(self) -> str:
        stay = f"; {self.unfinished} unfinished stay behind" if self.unfinished else ""
        if not self.complete:
            return (
                f"Incomplete: Milvus holds {self.there:,} of {self.passages:,} passages of {self.documents:,} "
                f"documents; run the command again{stay}."
            )
        return (
            f"Complete: Milvus holds all {self.passages:,} passages of {self.documents:,} documents, {self.new:,} of "
            f"them new, {self.vectors:,} passages written with their vectors{stay}."
        )


def move(
    folder: Path,
    url: str,
    encoder: SentenceEncoder,
    *,
    token: str = "",
    report: Callable[[str], None] = lambda line: None,
) -> Moved:
    """Move the index in `folder` to the Milvus at `url`. `report` is told how far it is, a line at a time.

    Raises `DocumentError` when the folder or Milvus cannot be used.
    """
    encoder.load()
    if not folder.is_dir():
        raise DocumentError(
            f"There is no index in {folder.parent}; give the app's data folder.",
            zh=f"{folder.parent} 中没有索引，请给出应用的数据文件夹。",
        )
    storage, milvus = Storage(folder), Milvus(url, token)
    vectors = VectorFile(folder / "vectors" / f"{encoder.hash}.f16", encoder.dimension)
    storage.open()
    try:
        vectors.open()
        with closing(milvus):
            milvus.open()
            return _Moving(storage.view, milvus, vectors, encoder, report).run()
    except MilvusError as error:
        raise not_changed(milvus.host, error) from error
    except OSError as error:
        raise DocumentError(
            f"The vectors in {folder} cannot be read ({error.strerror}).",
            zh=f"无法读取 {folder} 中的向量（{error.strerror}）。",
        ) from error
    finally:
        vectors.close()
        storage.close()


class _Moving:
    def __init__(
        self,
        view: View,
        milvus: Milvus,
        vectors: VectorFile,
        encoder: SentenceEncoder,
        report: Callable[[str], None],
    ) -> None:
        self._view = view
        self._milvus = milvus
        self._vectors = vectors
        self._encoder = encoder
        self._report = report
        self._commits = MilvusCommits(milvus, lambda: encoder.dimension)
        self._with_vectors = 0

    def run(self) -> Moved:
        self._milvus.make(self._commits.passages, *passages_schema(self._encoder.dimension))
        self._milvus.make(self._commits.documents, *documents_schema())
        documents = passages = new = there = 0
        for infos in self._documents():
            before = self._complete(infos)
            missing = [info for info in infos if info.version not in before]
            documents, passages = documents + len(infos), passages + sum(info.passages for info in infos)
            new += len(missing)
            self._together([info for info in missing if info.passages <= _AT_ONCE])
            for info in missing:
                if info.passages > _AT_ONCE:
                    self._move(info)
            self._report(f"{documents:,} documents, {passages:,} passages")
        for infos in self._documents():
            there += self._count(self._whole(infos))
        return Moved(documents, passages, there, new, len(self._view.pending), self._with_vectors)

    def _documents(self) -> Iterator[list[DocumentInfo]]:
        """The descriptions of the whole documents here, some at a time."""
        for infos in self._view.descriptions():
            for at in range(0, len(infos), _COUNTED_AT_ONCE):
                yield infos[at : at + _COUNTED_AT_ONCE]

    def _whole(self, infos: Sequence[DocumentInfo]) -> set[str]:
        """Versions of those documents that are seen there."""
        where = f'kind == "{WHOLE}" and {among("version", [info.version for info in infos])}'
        return {row["version"] for row in self._milvus.find(self._commits.documents, where, ["version"], len(infos))}

    def _complete(self, infos: Sequence[DocumentInfo]) -> set[str]:
        """Versions of those documents that are seen there with all their passages."""
        whole = self._whole(infos)
        wanted = {info.version: info.passages for info in infos if info.version in whole}
        if self._count(whole) == sum(wanted.values()):
            return whole
        return {version for version, passages in wanted.items() if self._count({version}) == passages}

    def _count(self, versions: set[str]) -> int:
        if not versions:
            return 0
        return self._milvus.count(self._commits.passages, among("version", sorted(versions)), strong=True)

    def _together(self, infos: Sequence[DocumentInfo]) -> None:
        """Write short documents, several in one message: a message each would take hours for a million."""
        waiting: list[DocumentInfo] = []
        rows, others = list[Row](), list[Row]()
        for info in infos:
            waiting.append(info)
            of_one, more = self._rows(info, 0, info.passages)
            rows += of_one
            others += more
            if len(rows) >= _AT_ONCE or info is infos[-1]:
                self._milvus.write(self._commits.documents, others)
                self._milvus.write(self._commits.passages, rows)
                self._commits.finish(waiting)
                waiting, rows, others = [], [], []

    def _move(self, info: DocumentInfo) -> None:
        """Write a long document's passages that are not there yet, then what makes it seen."""
        # They go in order, so as many as there are, are the first; the last batch may be torn and goes again. Where
        # the document is seen already, some were lost, and nobody knows which.
        begun = 0 if self._whole([info]) else self._count({info.version})
        first = max(0, begun - begun % _AT_ONCE - _AT_ONCE)
        for at in range(first, info.passages, _AT_ONCE):
            until = min(at + _AT_ONCE, info.passages)
            rows, others = self._rows(info, at, until)
            self._milvus.write(self._commits.documents, others)
            self._milvus.write(self._commits.passages, rows)
            if until < info.passages and until % (20 * _AT_ONCE) == 0:
                self._report(f"“{info.title}”: {until:,} of {info.passages:,} passages")
        self._commits.finish([info])

    def _rows(self, info: DocumentInfo, first: int, beyond: int) -> tuple[list[Row], list[Row]]:
        """Rows of the passages from one ordinal up to another, and of what does not fit into them."""
        ids = [f"{info.id}#{number}" for number in range(first, beyond)]
        hits = self._view.find(self._view.all_of(id=ids, version=info.version), len(ids))
        rows, others = [], list[Row]()
        for tile in map(tile_of, hits):
            row, more = passage_row(tile, info.version, info.owner, self._encoder.dimension)
            rows.append(row)
            others += more
        for row, vectors in zip(rows, self._vectors.lookup([row["key"] for row in rows]), strict=True):
            if vectors is not None and len(vectors):
                row |= vectors_of(self._encoder.hash, vectors)
                self._with_vectors += 1
        return sorted(rows, key=lambda row: int(row["ordinal"])), others


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m retrieval.move", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--from", dest="folder", type=Path, required=True, help="the app's data folder")
    parser.add_argument("--to", dest="url", required=True, help="address of the Milvus, like http://milvus:19530")
    parser.add_argument("--token-file", type=Path, help="file with user:password or the API key for it")
    parser.add_argument("--encoder", default="embedded", help="the app's --encoder")
    given = parser.parse_args()
    try:
        token = given.token_file.read_text(encoding="utf-8").strip() if given.token_file else ""
        moved = move(
            given.folder / "index",
            given.url,
            SentenceEncoder(given.encoder),
            token=token,
            report=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except (AppError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(moved)
    return 0 if moved.complete else 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
