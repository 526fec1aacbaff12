"""Documents on disk, searchable by BM25 the moment they are whole; their vectors follow in the background.

One tantivy index holds the passages of all documents (`retrieval.stored`); `retrieval.intake` adds to it. A document is
there wholly or not at all, whatever happens while it is added. Texts are analysed by `retrieval.text` beforehand, so
tantivy only splits at spaces. BM25 is tantivy's (k1 = 1.2, b = 0.75) over title, headings and text as one field.

Every look-up is bound to an owner: a visitor finds what is public (owner "") and what is their own, nothing else.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from activity import Activity
from encoder import SentenceEncoder
from errors import DocumentError, SourceError
from retrieval import older
from retrieval.backfill import Backfill, BackfillProgress
from retrieval.base import Document, Incoming, Passage, Retriever, SearchRequest
from retrieval.commits import Commits
from retrieval.intake import Intake, Progress, incoming
from retrieval.nearest import nearest
from retrieval.split import Tile
from retrieval.storage import Storage, View
from retrieval.stored import FOLDER, LAST, DocumentInfo, Unfinished, info_of, joined, owned, passage_of, scope, tile_of
from retrieval.text import analyse
from retrieval.text import language as language_of
from retrieval.vectors import Stored
from retrieval.window import Window, window_around

__all__ = ["BackfillProgress", "DocumentIndex", "DocumentInfo", "Unfinished", "Window"]

_QUERY_CHARS, _QUERY_TERMS = 20_000, 96
_SMALL = 4000
"""Passages of a source that are few enough to compare with every unit of theirs."""
_KEYS = 400
"""Passages of all sources and owners, nearest to the question, among which those of a large source are looked for."""
_MORE = 2
"""For every so many passages that words may find, meaning may add one."""
_WINDOW_CHARS = 20_000
_MOSTLY = 0.8
"""Share of all passages in the scope of a search from which the best of all are looked at first."""

logger = logging.getLogger(__name__)


class DocumentIndex:
    """The documents in a folder. One process writes at a time; any number of threads may use this object."""

    def __init__(self, folder: Path, encoder: SentenceEncoder, activity: Activity | None = None) -> None:
        """`activity`: who waits for an answer, so that the background work makes way; searches add themselves."""
        self.folder = folder
        self._encoder = encoder
        self._activity = activity or Activity()
        self._storage = Storage(folder)
        self._backfill = Backfill(folder / "vectors", encoder, self._storage, self._activity)
        self._intake = Intake(Commits(self._storage), self._backfill.added)

    def open(self) -> None:
        """Open or create the index; what was written in another form is indexed anew.

        Raises `DocumentError` when the folder is in use or cannot be used.
        """
        self._storage.open()
        for folder in sorted(self.folder.glob("bm25*")):
            if folder.name != FOLDER:
                self._take_over(folder)

    def _take_over(self, folder: Path) -> None:
        """Index the documents of an older index, then delete it; one that cannot be read stays where it is."""
        try:
            self._intake.add((one, added) for one, added in older.documents(folder) if not self._has(one))
        except DocumentError as error:
            logger.warning("%s The documents in %s are taken over at the next start.", error, folder)
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("The older index %s could not be read (%s); its documents are not searched", folder, error)
        else:
            shutil.rmtree(folder, ignore_errors=True)

    def _has(self, given: Incoming) -> bool:
        return self._storage.view.info(given.id, given.owner) is not None

    def close(self) -> None:
        """Stop the background thread and release the folder."""
        self._backfill.close()
        self._storage.close()

    # Documents

    def add(self, documents: Iterable[Document], progress: Callable[[int, int], None] | None = None) -> None:
        """Index documents that are in memory; one that has the id and owner of an older one replaces it.

        A few megabytes are one commit; of more, every document is there wholly or not at all. `progress` is told
        (characters done, characters in all). Raises `DocumentError` when a document holds no letter or digit.
        """
        given = list(documents)
        total = sum(len(document.text) for document in given)

        def incomings() -> Iterator[tuple[Incoming, float]]:
            done = 0
            for document in given:
                told = None if progress is None else _from(done, total, progress)
                yield incoming(document, told), time.time()
                done += len(document.text)

        self._intake.add(incomings())

    def add_incoming(
        self, given: Incoming, progress: Progress | None = None, cancel: threading.Event | None = None
    ) -> bool:
        """Index a document of any size part by part, in bounded memory; it replaces an older one once it is whole.

        If it was begun before it is gone on with. `progress` is told (share of the document, passages so far). False
        when `cancel` was set: what was read is kept, to be gone on with or `discard`ed. Raises `DocumentError` when it
        cannot be read (it is discarded then), and when the disk is full (then it can be gone on with).
        """
        return self._intake.add_one(given, progress, cancel or threading.Event())

    def unfinished(self, owner: str | None = None) -> list[Unfinished]:
        """Documents of exactly this owner that were begun and are not whole, the latest first; of all where None."""
        return self._intake.unfinished(owner)

    def discard(self, document_id: str, owner: str) -> bool:
        """Forget what was read of an unfinished document; a whole one of the same id stays. False if there is none."""
        return self._intake.discard(document_id, owner)

    def delete(self, document_id: str, owner: str) -> bool:
        """Delete a document of exactly this owner, whole or not. False if there is none."""
        with self._storage.writing() as view:
            query = view.all_of(document=document_id, owner=owner)
            found = bool(view.find(query, 1))
            self._storage.remove(query)
        self._backfill.removed()
        return found

    def delete_older(self, source: str, begins: str, number: int) -> None:
        """Delete the public documents of a source whose ids are `begins` and digits, added up to this `newest`.

        `begins`: letters, digits, `_` and `-`. One commit: all of them go, or none.
        """
        with self._storage.writing() as view:
            self._storage.remove(view.older(scope(source, ""), begins, number))
        self._backfill.removed()

    @property
    def newest(self) -> int:
        """The number of the passage that came last; 0 where there is none. Those that come later have higher ones."""
        return self._storage.newest

    def count_from(self, number: int) -> None:
        """See to it that whatever is added from now on has a higher number than this, whatever was deleted since."""
        self._storage.count_from(number)

    def holds(self, source: str) -> bool:
        """Whether there is anything public in a source, without counting how much."""
        return bool(self._storage.view.searcher.doc_freq("scope", scope(source, "")))

    def documents(self, source: str, owner: str) -> list[DocumentInfo]:
        """What exactly this owner has in a source, newest first."""
        view = self._storage.view
        query = view.all_of(part=LAST, scope=scope(source, owner))
        return sorted(map(info_of, view.find(query, view.count(query))), key=lambda info: -info.added)

    def document(self, document_id: str, owner: str) -> Document | None:
        """A document with its full text, if it is public or this owner's. For long ones there is `window`."""
        view = self._storage.view
        info = _info(view, document_id, owner)
        return (
            joined(info, list(map(tile_of, view.find(view.all_of(version=info.version), info.passages))))
            if info
            else None
        )

    def window(self, document_id: str, ordinal: int, owner: str, characters: int = _WINDOW_CHARS) -> Window | None:
        """About so many characters of a document around one of its passages, if it is public or this owner's.

        `ordinal`: the passage's number in the document, from 0, which is the end of its id; the nearest one there is
        where it is out of range.
        """
        view = self._storage.view
        info = _info(view, document_id, owner)
        if info is None:
            return None

        def tiles(first: int, beyond: int) -> Iterator[Tile]:
            ids = [f"{info.id}#{number}" for number in range(first, beyond)]
            return map(tile_of, view.find(view.all_of(id=ids, version=info.version), len(ids)))

        return window_around(info, ordinal, characters, tiles)

    def passage(self, passage_id: str, owner: str) -> Passage | None:
        """A passage by its id, if it is public or this owner's."""
        document_id, _, number = passage_id.rpartition("#")
        view = self._storage.view
        info = _info(view, document_id, owner) if number.isdecimal() else None
        hits = view.find(view.all_of(id=passage_id, version=info.version), 1) if info else []
        return passage_of(hits[0]) if hits else None

    def neighbours(self, passage_id: str, owner: str, width: int = 1) -> list[Passage]:
        """The passages up to `width` before and after this one, in the order of the document."""
        return self.around([passage_id], owner, width)[0]

    def around(self, passage_ids: Sequence[str], owner: str, width: int) -> list[list[Passage]]:
        """The neighbours of each passage, as `neighbours` gives them; none of one that is not there."""
        view = self._storage.view
        infos = {one: _info(view, one, owner) for one in {passage_id.rpartition("#")[0] for passage_id in passage_ids}}
        return [_neighbours(view, infos[one.rpartition("#")[0]], one, width) for one in passage_ids]

    # Search

    def retriever(self, source: str) -> Retriever:
        """This index as one source of candidate passages."""
        return _SourceOfIndex(source, self)

    def search(self, request: SearchRequest, source: str) -> list[Passage]:
        """The `k` passages of a source that BM25 finds best, then those nearest in meaning that it has not found.

        There are half as many of the latter, and as many as BM25 leaves room for; their score is 0. Raises
        `SourceError` when the index cannot be read.
        """
        with self._activity:
            try:
                return self._search(self._storage.view, request, source)
            except ValueError as error:
                raise SourceError(
                    f"The documents in {self.folder} could not be searched ({error}).",
                    zh=f"无法检索 {self.folder} 中的文档（{error}）。",
                ) from error

    def _search(self, view: View, request: SearchRequest, source: str) -> list[Passage]:
        from tantivy import Occur, Query

        terms = _query_terms(view, request.query)
        if not terms or request.k < 1 or request.cancel.is_set():
            return []
        any_word = Query.boolean_query(
            [(Occur.Should, Query.term_query(view.fields, "body", t, "freq")) for t in terms]
        )
        scopes, excluded = {scope(source, ""), scope(source, request.owner)}, sorted(request.exclude)
        without = [("version", view.pending), ("document", excluded), ("id", excluded)]
        within = view.all_of(without, scope=sorted(scopes))
        mostly = sum(view.searcher.doc_freq("scope", one) for one in scopes) >= _MOSTLY * view.searcher.num_docs
        found = None if excluded or view.pending or not mostly else _of_all(view, any_word, source, request)
        if found is None:
            theirs = (Occur.Must, Query.const_score_query(within, 0.0))
            hits = view.searcher.search(
                Query.boolean_query([(Occur.Must, any_word), theirs]), request.k, count=False
            ).hits
            found = [passage_of(view.searcher.doc(address), score) for score, address in hits]
        size = sum(view.searcher.doc_freq("scope", one) for one in scopes)
        return found + self._near(view, request, within, size, {passage.id for passage in found})

    def _near(self, view: View, request: SearchRequest, within: Any, size: int, found: set[str]) -> list[Passage]:
        """The passages nearest in meaning to the question that words have not found."""
        if (
            not size
            or not self._encoder.loaded
            or not self._encoder.knows(request.language or language_of(request.query))
        ):
            return []
        room = max(request.k // _MORE, request.k - len(found))
        question = self._encoder.question(request.query[:_QUERY_CHARS])
        if size <= _SMALL:
            hits = view.searcher.search(within, _SMALL, count=False).hits
            addresses = [address for _, address in hits]
            stored = self.vectors(view.searcher.fast_field_values("key", addresses))
            near = [addresses[i] for i in nearest(question, stored, room)]
        else:
            keys = {key: i for i, key in enumerate(self._backfill.nearest(question, _KEYS))}
            if not keys:
                return []
            hits = view.searcher.search(view.with_keys(within, list(keys)), 2 * _KEYS, count=False).hits
            addresses = [address for _, address in hits]
            rank = [keys[key] for key in view.searcher.fast_field_values("key", addresses)]
            near = [address for _, address in sorted(zip(rank, addresses, strict=True), key=itemgetter(0))]
        passages = (passage_of(view.searcher.doc(address)) for address in near[:room])
        return [passage for passage in passages if passage.id not in found]

    def frequencies(self, terms: Sequence[str]) -> tuple[list[int], int]:
        """In how many passages each term occurs, and how many passages there are."""
        searcher = self._storage.view.searcher
        return [searcher.doc_freq("body", term) for term in terms], searcher.num_docs

    # Vectors

    @property
    def backfill_progress(self) -> BackfillProgress:
        """How many passages have their vectors, of how many, and how fast that goes."""
        return self._backfill.progress

    def passage_keys(self) -> NDArray[np.int64]:
        """The `vector_key` of every passage of every owner."""
        return self._storage.view.keys(frozenset("*"))

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]:
        """The stored vectors of passages by `vector_key`; None where they are still missing."""
        return self._backfill.vectors(keys)

    def start_backfill(self) -> None:
        """Encode what has no vectors in a background thread, now and after each `add`, until `close`."""
        self._backfill.start()

    def backfill(self, stop: threading.Event, progress: Callable[[int, int], None] | None = None) -> None:
        """Encode every passage that has no vectors yet, in a language the encoder knows. Loads the encoder."""
        self._backfill.run(stop, progress)


@dataclass(frozen=True, slots=True)
class _SourceOfIndex:
    name: str
    index: DocumentIndex

    def search(self, request: SearchRequest) -> list[Passage]:
        return self.index.search(request, self.name)


def _of_all(view: View, any_word: Any, source: str, request: SearchRequest) -> list[Passage] | None:
    """The best passages that are the visitor's to see, picked from the best of all; None where those are too few.

    Tantivy skips whatever cannot be among the best only where nothing but words is asked for.
    """
    limit, found = request.k + request.k // 2, list[Passage]()
    hits = view.searcher.search(any_word, limit, count=False).hits
    for score, address in hits:
        passage, owner = owned(view.searcher.doc(address), score)
        if passage.source == source and owner in ("", request.owner):
            found.append(passage)
            if len(found) == request.k:
                return found
    return found if len(hits) < limit else None


def _from(done: int, total: int, progress: Callable[[int, int], None]) -> Callable[[int], None]:
    return lambda characters: progress(done + characters, total)


def _info(view: View, document_id: str, owner: str) -> DocumentInfo | None:
    """The description of a document that is this owner's, else of a public one."""
    return view.info(document_id, owner) or (view.info(document_id, "") if owner else None)


def _neighbours(view: View, info: DocumentInfo | None, passage_id: str, width: int) -> list[Passage]:
    _, _, number = passage_id.rpartition("#")
    if info is None or not number.isdecimal():
        return []
    around = range(max(0, int(number) - width), min(int(number) + width + 1, info.passages))
    ids = [f"{info.id}#{i}" for i in around if i != int(number)]
    found = map(passage_of, view.find(view.all_of(id=ids, version=info.version), len(ids))) if ids else ()
    return sorted(found, key=lambda passage: passage.start)


def _query_terms(view: View, query: str) -> list[str]:
    """The distinct terms of a question that occur at all, in every stemming; the rarest where they are many."""
    query = query[:_QUERY_CHARS]
    terms = dict.fromkeys(term for language in view.stemmers for term in analyse(query, language))
    counts = {term: view.searcher.doc_freq("body", term) for term in terms}
    return sorted((term for term in terms if counts[term]), key=lambda term: counts[term])[:_QUERY_TERMS]
