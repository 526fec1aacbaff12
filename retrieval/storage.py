"""The tantivy index in a folder: its one writer, and the state of it that look-ups see.

What is written between the beginning and the end of `writing` is one commit: after a crash it is there or not. Tantivy
holds a lock on the folder as long as there is a writer, so a second process is turned away.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import DocumentError, SourceError
from retrieval.stored import FOLDER, LAST, MARKER, DocumentInfo, closed, info_of, marked, schema, why_not

_WRITER_BYTES = 64_000_000
_BLOCK_BYTES = 4096
"""Stored entries are compressed together up to this size, and unpacked together for one of them. Against tantivy's
16384 a hundred passages are fetched in half the time, from files that are a sixth larger."""
_FULL = re.compile(r"(?:code: |os error )(?:27|28|122)\b")
"""EFBIG, ENOSPC and EDQUOT in tantivy's messages."""
_LITTLE_SPACE = 100_000_000
"""Bytes; where less is left, a writer that gives up without a reason has met the end of the disk."""
_KEYS_AT_ONCE, _LISTED_AT_ONCE = 2**16, 2**12
_MANY = 8
"""Values of a field that are quicker to find as a set, which looks at all their entries, than one by one."""


@dataclass(frozen=True, slots=True)
class View:
    """The index between two commits. Stays as it is whatever is written meanwhile."""

    searcher: Any
    fields: Any
    stemmers: tuple[str, ...]
    """One language for each stemmer that documents were analysed with."""
    pending: tuple[str, ...]
    """Versions of documents that are not whole yet."""

    def all_of(self, without: Sequence[tuple[str, Sequence[str]]] = (), /, **wanted: str | Sequence[str]) -> Any:
        """Query: each field has the value, or one of the values, and none of those in `without`."""
        from tantivy import Occur, Query

        must = [(Occur.Must, self.one_of(name, (v,) if isinstance(v, str) else v)) for name, v in wanted.items()]
        must = must or [(Occur.Must, Query.all_query())]
        return Query.boolean_query([*must, *((Occur.MustNot, self.one_of(name, v)) for name, v in without if v)])

    def one_of(self, name: str, values: Sequence[str]) -> Any:
        """Query: the field has one of the values."""
        from tantivy import Occur, Query

        if len(values) > _MANY:
            return Query.term_set_query(self.fields, name, list(values))
        return Query.boolean_query([(Occur.Should, Query.term_query(self.fields, name, v, "basic")) for v in values])

    def with_keys(self, within: Any, keys: Sequence[int]) -> Any:
        """Query: what matches `within` and has one of these vector keys."""
        from tantivy import Occur, Query

        return Query.boolean_query([(Occur.Must, within), (Occur.Must, Query.term_set_query(self.fields, "key", keys))])

    def find(self, query: Any, limit: int) -> list[Any]:
        """The first stored entries that match, in no order."""
        hits = self.searcher.search(query, max(1, limit), count=False).hits
        return [self.searcher.doc(address) for _, address in hits]

    def count(self, query: Any) -> int:
        return int(self.searcher.search(query, 1, count=True).count)

    def info(self, document_id: str, owner: str) -> DocumentInfo | None:
        """The description of a document that is whole, and exactly this owner's."""
        hits = self.find(self.all_of(part=LAST, document=document_id, owner=owner), 1)
        return info_of(hits[0]) if hits else None

    def markers(self, **of: str) -> list[dict[str, Any]]:
        """What the markers of these documents hold; of all documents that are not whole where none is named."""
        query = self.all_of(part=MARKER, **of)
        return [marked(hit) for hit in self.find(query, self.count(query))]

    def descriptions(self) -> Iterator[list[DocumentInfo]]:
        """The descriptions of all documents that are whole, some at a time, about as they came."""
        from tantivy import Occur, Query

        for at in range(0, self.last_number + 1, _LISTED_AT_ONCE):
            numbered = self._numbered(at, at + _LISTED_AT_ONCE - 1, frozenset("*"))
            query = Query.boolean_query([(Occur.Must, numbered), (Occur.Must, self.one_of("part", [LAST]))])
            yield sorted(map(info_of, self.find(query, _LISTED_AT_ONCE)), key=lambda info: info.added)

    # Passages by their numbers: a later one has a higher number.

    @property
    def last_number(self) -> int:
        """The highest of all; 0 where there is no passage."""
        from tantivy import Query

        hits = self.searcher.search(Query.all_query(), 1, count=False, order_by_field="number").hits
        return int(hits[0][0] or 0) if hits else 0

    def _numbered(self, first: int, last: int, languages: frozenset[str]) -> Any:
        from tantivy import FieldType, Occur, Query

        query = [(Occur.Must, Query.range_query(self.fields, "number", FieldType.Integer, first, last))]
        if "*" not in languages:
            query.append((Occur.Must, self.one_of("language", sorted(languages))))
        if self.pending:
            query.append((Occur.MustNot, self.one_of("version", self.pending)))
        return Query.boolean_query(query)

    def newest(self, first: int, last: int, limit: int, languages: frozenset[str]) -> list[tuple[int, int, Any]]:
        """(number, vector key, address) of whole documents' passages in a range of numbers, the latest ones first."""
        query = self._numbered(first, last, languages)
        hits = self.searcher.search(query, limit, count=False, order_by_field="number").hits
        keys = self.searcher.fast_field_values("key", [address for _, address in hits])
        return [(number, key, address) for (number, address), key in zip(hits, keys, strict=True)]

    def older(self, scope: str, begins: str, number: int) -> Any:
        """Query: passages up to this number of the documents in a scope whose ids are this and digits."""
        from tantivy import FieldType, Occur, Query

        ids = Query.regex_query(self.fields, "document", f"{begins}[0-9]+")
        numbers = Query.range_query(self.fields, "number", FieldType.Integer, 0, number)
        return Query.boolean_query([(Occur.Must, one) for one in (self.one_of("scope", (scope,)), ids, numbers)])

    def keys(self, languages: frozenset[str], first: int = 0, last: int | None = None) -> NDArray[np.int64]:
        """The vector keys of whole documents' passages in a range of numbers, in these languages (`*`: all)."""
        found = [np.empty(0, np.int64)]
        end = self.last_number if last is None else last
        for at in range(first, end + 1, _KEYS_AT_ONCE):
            query = self._numbered(at, min(end, at + _KEYS_AT_ONCE - 1), languages)
            addresses = [address for _, address in self.searcher.search(query, _KEYS_AT_ONCE, count=False).hits]
            found.append(np.array(self.searcher.fast_field_values("key", addresses), np.int64))
        return np.concatenate(found)


class Storage:
    """One process writes at a time; any number of threads may use this object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index: Any = None
        self._writer: Any = None
        self._view: View | None = None
        self._lock = threading.RLock()
        self._number = 0

    def open(self) -> None:
        """Open or create the index. Raises `DocumentError` when the folder is in use or cannot be used."""
        import tantivy

        folder = self.folder / FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not tantivy.Index.exists(str(folder)):
                _create(folder)
            self._index = tantivy.Index(schema(), str(folder))
            self._index.config_reader("manual")
            self._writer = self._new_writer()
        except ValueError as error:
            self._index = None
            raise DocumentError(**why_not(self.folder, str(error))) from error
        except OSError as error:
            raise DocumentError(
                f"The folder {self.folder} cannot be used for documents ({error.strerror}); choose another one.",
                zh=f"文件夹 {self.folder} 不能用来存放文档（{error.strerror}），请换一个。",
            ) from error
        self._number = self._refreshed().last_number

    def close(self) -> None:
        """Release the folder; what is not committed is forgotten."""
        with self._lock:
            self._writer = self._index = self._view = None

    @property
    def view(self) -> View:
        """The index as the last commit left it. Raises `SourceError` while it is closed."""
        view = self._view
        if view is None:
            raise SourceError(**closed(self.folder))
        return view

    def check_open(self) -> None:
        """Raises `DocumentError` while it is closed."""
        if self._view is None:
            raise DocumentError(**closed(self.folder))

    @contextmanager
    def writing(self) -> Iterator[View]:
        """What is put and removed meanwhile is committed at the end, or forgotten if something fails.

        Gives the view that it all begins with. Raises `DocumentError` when it cannot be written.
        """
        with self._lock:
            self.check_open()
            try:
                if self._writer is None:
                    self._writer = self._new_writer()
                yield self.view
                self._writer.commit()
                self._refreshed()
            except ValueError as error:  # tantivy's own: the disk is full, a file is gone
                self._begin_anew()
                raise DocumentError(**_unwritten(self.folder, str(error))) from error
            except BaseException:
                self._begin_anew()
                raise

    def put(self, entry: Any) -> None:
        """Add an entry. Only while `writing`."""
        self._writer.add_document(entry)

    def number(self, entry: Any) -> int:
        """Give an entry the next number, and add it. Only while `writing`."""
        self._number += 1
        entry.add_integer("number", self._number)
        self._writer.add_document(entry)
        return self._number

    @property
    def newest(self) -> int:
        """The number that was given last."""
        return self._number

    def count_from(self, number: int) -> None:
        """The next entry's number is higher than this."""
        with self._lock:
            self._number = max(self._number, number)

    def remove(self, query: Any) -> None:
        """Remove what matches of all that was put before. Only while `writing`."""
        self._writer.delete_documents_by_query(query)

    def _new_writer(self) -> Any:
        """A writer, once what a commit left that was killed or failed is gone: tantivy may use its names again."""
        writer = self._index.writer(_WRITER_BYTES, 1)
        with suppress(ValueError):  # a full disk, say, which the next commit tells of
            writer.garbage_collect_files()
        return writer

    def _begin_anew(self) -> None:
        """Another writer: one that has met an error may lose what it is given next without a word."""
        self._writer = None
        try:
            self._writer = self._new_writer()
        except (ValueError, OSError):  # the next `writing` tries again, and tells why not
            return

    def _refreshed(self) -> View:
        self._index.reload()
        searcher = self._index.searcher()
        stemmers = tuple(code for code, _ in searcher.terms_with_prefix("stemmer", ""))
        fields = self._index.schema
        pending = View(searcher, fields, stemmers, ()).markers()
        self._view = View(searcher, fields, stemmers, tuple(state["version"] for state in pending))
        return self._view


def _create(folder: Path) -> None:
    """An empty index. Tantivy keeps its settings in meta.json; its Python interface cannot set this one."""
    import tantivy

    tantivy.Index(schema(), str(folder))
    path = folder / "meta.json"
    meta = json.loads(path.read_text(encoding="utf-8"))
    meta["index_settings"]["docstore_blocksize"] = _BLOCK_BYTES
    new = path.with_suffix(".new")
    new.write_text(json.dumps(meta), encoding="utf-8")
    new.replace(path)


def _unwritten(folder: Path, reason: str) -> dict[str, str]:
    """The sentence for a commit that failed, in both languages."""
    if _FULL.search(reason) or shutil.disk_usage(folder).free < _LITTLE_SPACE:
        return {
            "text": f"The disk that holds {folder} is full, and what is indexed already is kept; free some space, then "
            "add the document again.",
            "zh": f"{folder} 所在的磁盘已满，已索引的内容不受影响；请腾出空间后重新添加该文档。",
        }
    reason = reason.partition("\n")[0]
    return {
        "text": f"The documents in {folder} could not be written ({reason}).",
        "zh": f"无法写入 {folder} 中的文档（{reason}）。",
    }
