"""Vectors of passages in Milvus: encoded in the background, looked up for the reranker.

A passage is found by its words as soon as its document is whole; its vectors follow. Several apps may follow the same
Milvus: they write the same vectors, so that what two of them encode is lost work and no harm.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from activity import Activity
from encoder import SentenceEncoder
from errors import AppError
from retrieval.backfill import BackfillProgress
from retrieval.milvus_client import Milvus, MilvusError, not_asked
from retrieval.milvus_rows import Row, among, tile_of, units_of, vectors_of
from retrieval.vectors import Stored, encoded_texts, units

logger = logging.getLogger(__name__)

_LISTED = 256
_AT_ONCE, _AT_ONCE_BUSY = 16, 2
_KEPT = 8192
"""Passages whose vectors are kept, about 16 MB: the reranker asks for those that a search has just brought."""
_LOOK_AGAIN_S, _TRY_AGAIN_S = 60.0, 60.0
_LIMIT_S = 5.0


class MilvusVectors:
    """One thread encodes; any number may look up. `names` are the collections: passages, documents."""

    def __init__(
        self, milvus: Milvus, encoder: SentenceEncoder, activity: Activity, names: Callable[[], tuple[str, str]]
    ) -> None:
        self._milvus = milvus
        self._encoder = encoder
        self._activity = activity
        self._names = names
        self._kept: OrderedDict[int, Stored] = OrderedDict()
        self._lock = threading.Lock()
        self._running = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._progress = BackfillProgress(0, 0, 0.0)

    @property
    def progress(self) -> BackfillProgress:
        return self._progress

    def start(self) -> None:
        """Run in a background thread, now and after each change, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_running, name="vectors", daemon=True)
            self._thread.start()

    def changed(self) -> None:
        self._wake.set()

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def keep(self, rows: Iterable[Row]) -> None:
        """Remember the vectors that a search has brought with its rows."""
        if not self._encoder.loaded:
            return
        found = [(row["key"], units_of(row, self._encoder.dimension)) for row in rows if self._is_mine(row)]
        with self._lock:
            for key, vectors in found:
                if vectors is not None:
                    self._kept[key] = vectors
                    self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _is_mine(self, row: Row) -> bool:
        return bool(row["encoded"] == self._encoder.hash)

    def lookup(self, keys: Sequence[int]) -> list[Stored | None]:
        """The stored vectors by `vector_key`; None where there are none, or Milvus does not say."""
        if not self._encoder.loaded or not self._milvus.is_open:
            return [None] * len(keys)
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = sorted({key for key in keys if key not in found})
        if missing:
            where = f'{among("key", missing)} and encoded == "{self._encoder.hash}"'
            try:
                # Equal passages share a key; one row of each is enough, and there may be many.
                rows = self._milvus.find(
                    self._names()[0], where, ["key", "units", "encoded"], 2 * len(missing), _LIMIT_S
                )
            except MilvusError as error:
                logger.warning("%s", not_asked(self._milvus.host, error))
                rows = []
            self.keep(rows)
            found |= {
                row["key"]: vectors for row in rows if (vectors := units_of(row, self._encoder.dimension)) is not None
            }
        return [found.get(key) for key in keys]

    def _keep_running(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.run(self._stop)
                self._wake.wait(_LOOK_AGAIN_S)  # others may have added documents
            except AppError as error:
                done = self._progress
                self._progress = BackfillProgress(done.done, done.total, 0.0, str(error))
                logger.warning("%s", error)
                self._wake.wait(_TRY_AGAIN_S)

    def run(self, stop: threading.Event, progress: Callable[[int, int], None] | None = None) -> None:
        """Encode every passage that has no vectors yet, in a language the encoder knows. Loads the encoder.

        `progress` is told (passages done, passages that were missing). Raises `SourceError`.
        """
        self._encoder.load()
        with self._running:
            try:
                self._run(stop, progress)
            except MilvusError as error:
                raise not_asked(self._milvus.host, error) from error

    def _run(self, stop: threading.Event, progress: Callable[[int, int], None] | None) -> None:
        passages, documents = self._names()
        known = self._encoder.languages
        theirs = "" if "*" in known else f" and {among('language', sorted(known))}"
        where = f'encoded != "{self._encoder.hash}"{theirs}'
        total, done = self._milvus.count(passages, f"ordinal >= 0{theirs}"), 0
        missing = self._milvus.count(passages, where)
        self._progress = BackfillProgress(total - missing, total, 0.0)
        began = time.monotonic()
        while not stop.is_set():
            rows = self._milvus.find(passages, where, ["pk", "pieces", "stored"], _LISTED)
            if not rows:
                break
            while rows and not stop.is_set():
                started = time.monotonic()
                batch = rows[: _AT_ONCE_BUSY if self._activity.busy else _AT_ONCE]
                del rows[: len(batch)]
                self._milvus.change(passages, self._encoded(batch, documents))
                done += len(batch)
                rate = done / max(time.monotonic() - began, 1e-3)
                left = max(0, missing - done)
                self._progress = BackfillProgress(total - left, total, rate if left else 0.0)
                if progress is not None:
                    progress(done, max(done, missing))
                self._activity.make_way(time.monotonic() - started, stop)
        self._progress = BackfillProgress(self._progress.done, self._progress.total, 0.0)

    def _encoded(self, rows: Sequence[Row], documents: str) -> list[Row]:
        """The fields to change: the vectors of these passages."""
        stored = self._milvus.stored(documents, rows)
        texts = []
        for parts in stored:
            passage = tile_of(parts)[0].passage
            texts.append(encoded_texts(passage, units(passage.text)))
        vectors = self._encoder.encode([text for group in texts for text in group])
        ends = accumulate(map(len, texts))
        return [
            {"pk": row["pk"], **vectors_of(self._encoder.hash, vectors[end - len(group) : end])}
            for row, group, end in zip(rows, texts, ends, strict=True)
        ]
