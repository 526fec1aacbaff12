"""Keeps the index in step with one corpus: what is new or changed is read, what has gone is deleted.

Which version of which document is in the index stands in a small file beside it, so that a restart reads nothing twice.
The index is what counts: what it does not hold is read again, whatever the file says.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from errors import AppError, DocumentError
from retrieval.corpus import SHARED, Corpus, Failure, File
from retrieval.files import open_file
from retrieval.index_protocol import Index

log = logging.getLogger(__name__)

_SAVED_EVERY = 100
"""Documents; so many may be read again after a crash."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 24 * 3600.0


def read_into(index: Index, file: File, limit_bytes: int, stop: threading.Event) -> str:
    """Read a file and put it into the index, in place of an older one of the same id; returns the id.

    Raises `DocumentError`, also when `stop` is set before the end: it is gone on with the next time. This is the only
    place that knows how files are read.
    """
    opened = open_file(file.path, file.name, "", SHARED, limit_bytes)
    # Its name tells where it lies, so two of one content and one name in two folders are two documents.
    given = replace(
        opened,
        id=hashlib.sha256(f"{opened.id}\0{file.name}".encode("utf-8", "replace")).hexdigest()[:16],
        title=file.name if opened.title == opened.name else opened.title,
        name=file.name,
        url=file.url,
    )
    if not index.add_incoming(given, cancel=stop):
        raise DocumentError(
            f"Reading “{file.name}” was stopped; it goes on at the next start.",
            zh=f"“{file.name}”的读取已停止，下次启动时继续。",
        )
    return given.id


@dataclass(frozen=True, slots=True)
class _Held:
    """What the index holds of a key."""

    version: str
    document: str


@dataclass(frozen=True, slots=True)
class _Tried:
    """A version that could not be read."""

    version: str
    pause_s: float
    again: float


class Follower:
    """Follows one corpus; one thread uses it, others may read `documents`, `waiting` and `failures`.

    `lock` is held while a document is read and noted, so that whoever holds it sees index and notes agree. `clock`
    gives seconds.
    """

    def __init__(
        self,
        index: Index,
        corpus: Corpus,
        record: Path,
        limit_bytes: int,
        lock: threading.Lock | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index = index
        self._corpus = corpus
        self._record = record
        self._limit_bytes = limit_bytes
        self._lock = lock or threading.Lock()
        self._clock = clock
        self._held: dict[str, _Held] | None = None
        self._trusted = True
        """Whether the record was there when it was looked for."""
        self._tried: dict[str, _Tried] = {}
        self._unsaved = 0
        self.failures: dict[str, AppError] = {}
        self.waiting = 0
        """Documents that have not been read yet, and have not failed."""

    @property
    def documents(self) -> frozenset[str]:
        """Ids of the documents of this corpus that are in the index."""
        return frozenset(held.document for held in list((self._held or {}).values()))

    def step(self, stop: threading.Event) -> bool:
        """Go through the corpus once. True when it is sure that no other document of the index belongs to it."""
        if self._held is None:
            self._held = self._recorded()
        held = self._held
        try:
            listing = self._corpus.listing()
        except AppError as error:
            self._failed(Failure("", error))
            return False
        for failure in listing.failures:
            self._failed(failure)
        told = {failure.key for failure in listing.failures} | listing.keys
        self.failures = {key: error for key, error in self.failures.items() if key in told}
        for key in [key for key in held if key not in listing.keys and not key.startswith(listing.unknown)]:
            self._drop(key)
        self.waiting = len(listing.keys - held.keys() - self.failures.keys())
        for found in self._corpus.files(stop):
            if stop.is_set():
                break
            self._take(found, stop)
        if self._unsaved:
            self._save()
        all_read = self._trusted or listing.keys <= held.keys()
        return all_read and not listing.unknown and not stop.is_set()

    def _take(self, found: File | Failure, stop: threading.Event) -> None:
        assert self._held is not None
        if isinstance(found, Failure):
            self._failed(found)
            return
        held, tried = self._held.get(found.key), self._tried.get(found.key)
        if held is not None and held.version == found.version:
            self.failures.pop(found.key, None)
            return
        if tried is not None and tried.version == found.version and self._clock() < tried.again:
            return
        try:
            with self._lock:
                self._note(found.key, _Held(found.version, read_into(self._index, found, self._limit_bytes, stop)))
                if held is not None:
                    self._delete(held.document)
        except AppError as error:
            if not stop.is_set():  # else the index was closed
                self._failed(Failure(found.key, error), found.version)
        except Exception:  # a bug in reading one file must not keep the others out
            log.exception("%s could not be read", found.name)
            self._failed(Failure(found.key, _bug(found.name)), found.version)

    def _note(self, key: str, held: _Held) -> None:
        assert self._held is not None
        if key not in self._held and key not in self.failures:
            self.waiting = max(self.waiting - 1, 0)
        self._held[key] = held
        self._tried.pop(key, None)
        self.failures.pop(key, None)
        self._changed()

    def _drop(self, key: str) -> None:
        assert self._held is not None
        gone = self._held.pop(key)
        self._tried.pop(key, None)
        self._delete(gone.document)
        self._corpus.forget(key)
        self._changed()

    def _delete(self, document: str) -> None:
        if document not in self.documents:  # two files of one content and name are one document
            self._index.delete(document, "")

    def _failed(self, failure: Failure, version: str = "") -> None:
        """Remember a failure; it is logged once, however often it comes."""
        if str(self.failures.get(failure.key, "")) != str(failure.error):
            log.warning("%s", failure.error)
        self.failures[failure.key] = failure.error
        if version:
            before = self._tried.get(failure.key)
            pause = before.pause_s * 4 if before is not None and before.version == version else _FIRST_PAUSE_S
            pause = min(pause, _LONGEST_PAUSE_S)
            self._tried[failure.key] = _Tried(version, pause, self._clock() + pause)

    def _changed(self) -> None:
        self._unsaved += 1
        if self._unsaved >= _SAVED_EVERY:
            self._save()

    def _save(self) -> None:
        assert self._held is not None
        unfinished = self._record.with_suffix(".part")
        entries = {key: [held.version, held.document] for key, held in self._held.items()}
        try:
            self._record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(entries), encoding="utf-8")
            unfinished.replace(self._record)
        except OSError as error:
            log.warning(
                "%s cannot be written (%s); shared documents are read again after a restart", self._record, error
            )
        self._unsaved = 0

    def _recorded(self) -> dict[str, _Held]:
        """What the record and the index agree on."""
        try:
            entries = json.loads(self._record.read_bytes())
            held = {str(key): _Held(str(version), str(document)) for key, (version, document) in entries.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("%s cannot be read (%s); shared documents are read again", self._record, error)
            self._trusted = False
            return {}
        there = {info.id for info in self._index.documents(SHARED, "")}
        return {key: entry for key, entry in held.items() if entry.document in there}


def _bug(name: str) -> DocumentError:
    return DocumentError(
        f"“{name}” could not be read because of a fault inside Groundchat; the log says what.",
        zh=f"Groundchat 内部出错，无法读取“{name}”，详情见日志。",
    )
