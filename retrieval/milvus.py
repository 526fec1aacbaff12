"""The index past one machine: documents in Milvus, found by BM25 and by the nearness of their vectors.

The same analysis as on one machine (`retrieval.text`), the same passages, the same reranking afterwards. BM25 is
Milvus' own function over the terms; beside it the passages nearest to the question's vector are asked for, and both
lists become one by reciprocal rank fusion (Cormack, Clarke & Büttcher 2009): a passage counts 1 / (60 + rank) in each.
Ranks, because BM25's numbers and cosines have nothing in common, and their sign is not the same in every Milvus.

Every query names the owners whose passages may be found: nobody's, and the visitor's own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from activity import Activity
from encoder import SentenceEncoder
from errors import DocumentError
from retrieval.backfill import BackfillProgress
from retrieval.base import Document, Incoming, Passage, Retriever, SearchRequest
from retrieval.intake import Intake, Progress, incoming
from retrieval.milvus_client import Milvus, MilvusError, not_asked, not_changed
from retrieval.milvus_commits import MilvusCommits
from retrieval.milvus_rows import (
    MARKER,
    STEMMER,
    WHOLE,
    Row,
    among,
    documents_schema,
    named,
    passages_schema,
    terms,
    tile_of,
)
from retrieval.milvus_tiles import MilvusTiles
from retrieval.milvus_vectors import MilvusVectors
from retrieval.stored import DocumentInfo, Unfinished, joined
from retrieval.text import analyse
from retrieval.text import language as language_of
from retrieval.vectors import Stored
from retrieval.window import Window, window_around

_QUERY_CHARS, _QUERY_TERMS = 20_000, 96
_RANK = 60
"""The constant of the fusion."""
_EF = 200
"""How many passages the search in the graph of vectors keeps in view; at least as many as are asked for."""
_MOST_HITS = 1000
_LIMIT_S = 10.0
"""For a search without a deadline, and for what a page waits for."""
_COUNT_LIMIT_S = 2.0
_WINDOW_CHARS = 20_000
_KNOWN_S, _MOST_KNOWN = 600.0, 50_000
"""How long counts are good, and how many terms' are kept."""
_FIELDS = ("version", "key", "pieces", "stored", "units", "encoded")

logger = logging.getLogger(__name__)


class MilvusIndex:
    """What `DocumentIndex` is on one machine. Any number of threads and of apps may use one Milvus.

    `url` is the operator's choice; `token` is `user:password` or a key where Milvus asks for one.
    """

    def __init__(
        self, url: str, encoder: SentenceEncoder, activity: Activity | None = None, *, token: str = ""
    ) -> None:
        self.url = url
        self._encoder = encoder
        self._activity = activity or Activity()
        self._milvus = Milvus(url, token)
        self._commits = MilvusCommits(self._milvus, lambda: encoder.dimension)
        self._tiles = MilvusTiles(self._milvus, self._commits)
        self._vectors = MilvusVectors(
            self._milvus, encoder, self._activity, lambda: (self._commits.passages, self._commits.documents)
        )
        self._intake = Intake(self._commits, lambda first, last: self._vectors.changed())
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._stemmers: tuple[float, tuple[str, ...]] = (0.0, ())
        self._lock = threading.Lock()

    def open(self) -> None:
        """Connect, and create what is not there. Loads the encoder. Raises `DocumentError` when Milvus does not answer.

        What is in Milvus is kept by analysis and by length of vectors: with another encoder of another length the
        documents must be moved there again.
        """
        dimension = self._encoder.dimension
        try:
            self._milvus.open()
            self._milvus.make(self._commits.passages, *passages_schema(dimension))
            self._milvus.make(self._commits.documents, *documents_schema())
        except MilvusError as error:
            self._milvus.close()
            raise DocumentError(
                f"The index at {self._milvus.host} could not be opened ({error}); check --index, and that Milvus is "
                "running there.",
                zh=f"无法打开 {self._milvus.host} 上的索引（{error}），请检查 --index，以及 Milvus 是否在运行。",
            ) from error

    def close(self) -> None:
        """Stop the background thread and the connection."""
        self._vectors.close()
        self._milvus.close()

    # Documents

    def add(self, documents: Iterable[Document], progress: Callable[[int, int], None] | None = None) -> None:
        """Index documents that are in memory; one that has the id and owner of an older one replaces it.

        `progress` is told (characters done, characters in all). Raises `DocumentError`.
        """
        given = list(documents)
        total, done = sum(len(document.text) for document in given), 0

        def incomings() -> Iterator[tuple[Incoming, float]]:
            nonlocal done
            for document in given:
                yield incoming(document), time.time()
                done += len(document.text)
                if progress is not None:
                    progress(done, total)

        self._intake.add(incomings())

    def add_incoming(
        self, given: Incoming, progress: Progress | None = None, cancel: threading.Event | None = None
    ) -> bool:
        """Index a document of any size part by part, or go on with it; False when `cancel` was set.

        Raises `DocumentError` when it cannot be read (it is discarded then), and when Milvus cannot be written.
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
        document = named(document_id, owner)
        try:
            rows = self._milvus.find(
                self._commits.documents, f'document == "{document}" and {among("kind", [WHOLE, MARKER])}', ["version"]
            )
            # Without its description nobody sees it any more.
            self._milvus.remove(self._commits.documents, f'document == "{document}"')
            self._milvus.remove(self._commits.passages, f'document == "{document}"')
            if rows:
                self._milvus.remove(self._commits.documents, among("version", [row["version"] for row in rows]))
        except MilvusError as error:
            raise not_changed(self._milvus.host, error) from error
        self._vectors.changed()
        return bool(rows)

    def documents(self, source: str, owner: str) -> list[DocumentInfo]:
        """What exactly this owner has in a source, newest first."""
        where = f'kind == "{WHOLE}" and scope == "{named(source, owner)}"'
        with self._asking():
            rows = self._milvus.every(self._commits.documents, where, ["pk", "pieces", "stored"])
            infos = self._tiles.infos_of(list(rows))
        return sorted(infos, key=lambda info: -info.added)

    def document(self, document_id: str, owner: str) -> Document | None:
        """A document with its full text, if it is public or this owner's. For long ones there is `window`."""
        with self._asking():
            info = self._tiles.info(document_id, owner)
            return joined(info, list(self._tiles.tiles(info, 0, info.passages))) if info else None

    def window(self, document_id: str, ordinal: int, owner: str, characters: int = _WINDOW_CHARS) -> Window | None:
        """About so many characters of a document around one of its passages, if it is public or this owner's."""
        with self._asking():
            info = self._tiles.info(document_id, owner)
            if info is None:
                return None
            return window_around(
                info, ordinal, characters, lambda first, beyond: self._tiles.tiles(info, first, beyond)
            )

    def passage(self, passage_id: str, owner: str) -> Passage | None:
        """A passage by its id, if it is public or this owner's."""
        document_id, _, number = passage_id.rpartition("#")
        with self._asking():
            info = self._tiles.info(document_id, owner) if number.isdecimal() else None
            tiles = self._tiles.tiles(info, int(number), min(int(number) + 1, info.passages)) if info else ()
            return next((tile.passage for tile in tiles), None)

    def neighbours(self, passage_id: str, owner: str, width: int = 1) -> list[Passage]:
        """The passages up to `width` before and after this one, in the order of the document."""
        return self.around([passage_id], owner, width)[0]

    def around(self, passage_ids: Sequence[str], owner: str, width: int) -> list[list[Passage]]:
        """The neighbours of each passage, as `neighbours` gives them, all by two questions to Milvus."""
        with self._asking():
            return self._tiles.around(passage_ids, owner, width)

    # Search

    def retriever(self, source: str) -> Retriever:
        """This index as one source of candidate passages."""
        return _SourceOfIndex(source, self)

    def search(self, request: SearchRequest, source: str) -> list[Passage]:
        """The `k` passages of a source that words and vectors together find best, best first.

        `score` is BM25's, which the reranking reckons with; 0 where only the vectors found a passage. Raises
        `SourceError` when Milvus does not answer in time.
        """
        with self._activity, self._asking():
            return self._search(request, source)

    def _search(self, request: SearchRequest, source: str) -> list[Passage]:
        query = request.query[:_QUERY_CHARS]
        words = dict.fromkeys(word for code in self._codes() for word in analyse(query, code))
        if not words or request.k < 1 or request.cancel.is_set():
            return []
        owners = dict.fromkeys(("", request.owner))
        within = among("scope", [named(source, owner) for owner in owners])
        if request.exclude:
            hidden = [named(one, owner) for one in sorted(request.exclude) for owner in owners]
            within += f" and not ({among('document', hidden)})"
        limit = min(request.k + len(request.exclude), _MOST_HITS)
        for _ in range(3):  # documents that are being added or replaced may take up the places of others
            lists = list(self._lists(request, " ".join(list(words)[:_QUERY_TERMS]), within, limit))
            versions = {row["version"] for hits in lists for _, row in hits}
            gone = versions - self._whole(versions, request)
            if not gone or all(len(hits) < limit for hits in lists) or request.cancel.is_set():
                break
            within += f" and not ({among('version', sorted(gone))})"
        kept = [[(score, row) for score, row in hits if row["version"] not in gone] for hits in lists]
        return self._passages(kept, request)

    def _lists(self, request: SearchRequest, words: str, within: str, limit: int) -> Iterator[list[tuple[float, Row]]]:
        """What BM25 finds, and what lies nearest to the question, where the encoder knows its language."""
        name = self._commits.passages
        body = " ".join(terms([word]) for word in words.split(" "))
        bm25 = {"metric_type": "BM25"}
        yield self._milvus.nearest(name, "terms", body, within, _FIELDS, limit, request.remaining(_LIMIT_S), bm25)
        language = request.language or language_of(request.query)
        if self._encoder.loaded and self._encoder.knows(language) and not request.cancel.is_set():
            question = self._encoder.question(request.query[:_QUERY_CHARS]).tolist()
            encoded = f'{within} and encoded == "{self._encoder.hash}"'
            graph = {"metric_type": "IP", "params": {"ef": max(_EF, limit)}}
            yield self._milvus.nearest(
                name, "dense", question, encoded, _FIELDS, limit, request.remaining(_LIMIT_S), graph
            )

    def _whole(self, versions: set[str], request: SearchRequest) -> set[str]:
        """Which of these are of documents that are whole."""
        if not versions:
            return set()
        where = f'kind == "{WHOLE}" and {among("version", sorted(versions))}'
        limit_s = request.remaining(_LIMIT_S)
        rows = self._milvus.find(self._commits.documents, where, ["version"], len(versions), limit_s)
        return {row["version"] for row in rows}

    def _passages(self, lists: Sequence[Sequence[tuple[float, Row]]], request: SearchRequest) -> list[Passage]:
        fused = fusion([[row["pk"] for _, row in hits] for hits in lists])
        rows = {row["pk"]: row for hits in lists for _, row in hits}
        scores = {row["pk"]: abs(score) for score, row in lists[0]} if lists else {}
        order = [rows[pk] for pk in fused[: request.k + len(request.exclude)]]
        stored = self._milvus.stored(self._commits.documents, order, request.remaining(_LIMIT_S))
        found = []
        for row, parts in zip(order, stored, strict=True):
            tile, owner = tile_of(parts)
            if tile.passage.id not in request.exclude and owner in ("", request.owner):
                found.append(replace(tile.passage, score=scores.get(row["pk"], 0.0)))
        self._vectors.keep(order)
        return found[: request.k]

    def frequencies(self, terms_asked: Sequence[str]) -> tuple[list[int], int]:
        """In how many passages each term occurs, and how many there are; some minutes old, 0 where Milvus is silent."""
        try:
            total = self._counted("")
            return [self._counted(terms([term])) for term in terms_asked], total
        except MilvusError as error:
            logger.warning("%s", not_asked(self._milvus.host, error))
            return [0] * len(terms_asked), 0

    def _counted(self, token: str) -> int:
        """Passages that hold a token; all of them for the empty one."""
        now = time.monotonic()
        with self._lock:
            known = self._counts.get(token)
        if known is not None and now - known[0] < _KNOWN_S:
            return known[1]
        where = f'TEXT_MATCH(body, "{token}")' if token else ""
        count = self._milvus.count(self._commits.passages, where, _COUNT_LIMIT_S)
        with self._lock:
            self._counts[token] = (now, count)
            self._counts.move_to_end(token)
            while len(self._counts) > _MOST_KNOWN:
                self._counts.popitem(last=False)
        return count

    def _codes(self) -> tuple[str, ...]:
        """One language for each stemmer that documents were analysed with."""
        asked, codes = self._stemmers
        now = time.monotonic()
        if not codes or now - asked > _LIMIT_S:
            rows = self._milvus.find(self._commits.documents, f'kind == "{STEMMER}"', ["pk"], limit_s=_LIMIT_S)
            codes = tuple(sorted(row["pk"].removeprefix(f"{STEMMER}-") for row in rows))
            self._stemmers = (now, codes)
        return codes

    # Vectors

    @property
    def backfill_progress(self) -> BackfillProgress:
        """How many passages have their vectors, of how many, and how fast that goes."""
        return self._vectors.progress

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]:
        """The stored vectors of passages by `vector_key`; None where they are still missing."""
        return self._vectors.lookup(keys)

    def start_backfill(self) -> None:
        """Encode what has no vectors in a background thread, now and after each `add`, until `close`."""
        self._vectors.start()

    def backfill(self, stop: threading.Event, progress: Callable[[int, int], None] | None = None) -> None:
        """Encode every passage that has no vectors yet, in a language the encoder knows. Raises `SourceError`."""
        self._vectors.run(stop, progress)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except MilvusError as error:
            raise not_asked(self._milvus.host, error) from error


@dataclass(frozen=True, slots=True)
class _SourceOfIndex:
    name: str
    index: MilvusIndex

    def search(self, request: SearchRequest) -> list[Passage]:
        return self.index.search(request, self.name)


def fusion(lists: Sequence[Sequence[Any]], constant: int = _RANK) -> list[Any]:
    """Several orders as one, best first: by the sum of 1 / (constant + rank), ranks from 1 (Cormack et al. 2009)."""
    scores: dict[Any, float] = {}
    for order in lists:
        for rank, one in enumerate(order, start=1):
            scores[one] = scores.get(one, 0.0) + 1 / (constant + rank)
    return sorted(scores, key=lambda one: -scores[one])
