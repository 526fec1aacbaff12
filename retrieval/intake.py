"""Documents on their way into an index: read part by part, split, analysed and committed in batches of bounded size.

A document that takes several commits has a marker in the index until the last of them. The marker holds the state of
the splitter, so that after a crash, a full disk or a cancelled upload reading goes on at the next part. The last commit
takes the marker away, and with it whatever the document replaces.

Only a commit holds the lock of the index: reading and analysing do not keep others from writing. Where the index lies
is its `Destination`'s business: on this machine (`retrieval.commits`) or past it (`retrieval.milvus_commits`).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from errors import DocumentError
from retrieval.ahead import Cancelled, ahead
from retrieval.base import Document, Incoming, Part
from retrieval.split import Splitter, Tile
from retrieval.stored import DocumentInfo, Unfinished
from retrieval.text import language

_BATCH_CHARS = 2**22
"""Characters after which a batch is committed, with the part that reaches them: about 20 MB of memory."""
_PIECE_CHARS = 2**16
_LANGUAGE_CHARS = 4000

Progress = Callable[[float, int], None]
"""Told the share of the document that has been read, 0..1, and its passages so far."""


def incoming(document: Document, progress: Callable[[int], None] | None = None) -> Incoming:
    """A document that is in memory; `progress` is told how many of its characters are done."""

    def parts(start: int) -> Iterator[Part]:
        for at in range(start * _PIECE_CHARS, len(document.text), _PIECE_CHARS):
            end = min(at + _PIECE_CHARS, len(document.text))
            yield Part(document.text[at:end], continues=at > 0, done=end / len(document.text))
            if progress is not None:
                progress(end)

    return Incoming(
        document.id,
        document.title,
        document.source,
        parts,
        document.owner,
        document.url,
        document.language,
        document.name,
    )


@dataclass(slots=True)
class Reading:
    """A document that is being added, and how far it is."""

    given: Incoming
    version: str
    begun: float
    """Unix time in seconds."""
    parts: int = 0
    """How many went into the splitter."""
    done: float = 0.0
    waiting: list[Part] = field(default_factory=list)
    """The first parts, until they are long enough to tell the language."""
    splitter: Splitter | None = None
    first: int = 0
    """Number of its first passage in the index; 0 before there is one."""
    last: int = 0
    marked: bool = False
    """Whether it has a marker in the index."""

    @property
    def passages(self) -> int:
        """How many there are so far."""
        return self.splitter.count if self.splitter else 0

    def state(self) -> dict[str, Any]:
        given, splitter = self.given, self.splitter
        assert splitter is not None
        return {
            "id": given.id,
            "owner": given.owner,
            "title": given.title,
            "source": given.source,
            "name": given.name,
            "begun": self.begun,
            "parts": self.parts,
            "done": self.done,
            "first": self.first,
            "passages": self.passages,
            "splitter": splitter.state(),
        }

    def feed(self, part: Part | None) -> Iterator[Tile]:
        """The tiles that are complete with this part; with None, which ends the document, all that are left."""
        if part is not None:
            self.waiting.append(part)
            self.done = part.done
        if self.splitter is None:
            read = "".join(part.text for part in self.waiting)
            if len(read) < _LANGUAGE_CHARS and part is not None:
                return
            given, code = self.given, self.given.language or language(read)
            self.splitter = Splitter(given.id, given.title, given.source, given.url, code)
        for one in self.waiting:
            self.parts += 1
            yield from self.splitter.feed(one)
        self.waiting = []
        if part is None:
            yield from self.splitter.finish()

    def info(self) -> DocumentInfo:
        """Its description, once it is read to the end."""
        given, splitter = self.given, self.splitter
        assert splitter is not None
        return DocumentInfo(
            id=given.id,
            title=given.title,
            source=given.source,
            owner=given.owner,
            url=given.url,
            language=splitter.language,
            passages=splitter.count,
            characters=splitter.length,
            added=self.begun,
            name=given.name,
            version=self.version,
        )


class Destination(Protocol):
    """An index, as far as documents come into it."""

    def check_open(self) -> None:
        """Raises `DocumentError` while it is closed."""
        ...

    def entry(self, tile: Tile, version: str, owner: str, info: DocumentInfo | None) -> Any:
        """A passage as it is written, analysed; `info` for the last one of its document."""
        ...

    def markers(self, document: str | None = None, owner: str | None = None) -> list[dict[str, Any]]:
        """What the markers of documents that are not whole hold: `Reading.state`, and `version`."""
        ...

    def discard(self, versions: Sequence[str]) -> None:
        """Forget what was written of documents that are not whole. Raises `DocumentError`."""
        ...

    def commit(self, written: Sequence[tuple[Reading, Any]], unfinished: Reading | None) -> None:
        """Write entries; None in place of one says that its document is whole now, and replaces what has its id.

        A document is seen wholly or not at all, whatever happens meanwhile. The `unfinished` one gets a marker.
        Raises `DocumentError`, also where a document was deleted since its last commit.
        """
        ...


@dataclass(slots=True)
class _Batch:
    """What the next commit writes: entries, and after the last one of a document its reading, which is then whole."""

    destination: Destination
    written: list[tuple[Reading, Any]] = field(default_factory=list)
    characters: int = 0

    def add(self, reading: Reading, tile: Tile, info: DocumentInfo | None = None) -> None:
        entry = self.destination.entry(tile, reading.version, reading.given.owner, info)
        self.written.append((reading, entry))
        self.characters += len(tile.text)

    def end(self, reading: Reading) -> None:
        self.written.append((reading, None))


class Intake:
    """Adds documents to an index. Any number of threads may add, each its own documents."""

    def __init__(self, destination: Destination, added: Callable[[int, int], None]) -> None:
        """`added` is told the first and the last number of the passages that became searchable, where they have any."""
        self._destination = destination
        self._added = added
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def add(self, given: Iterable[tuple[Incoming, float]]) -> None:
        """Add documents from the beginning: those that fit into a batch in one commit, and each wholly or not at all.

        With each goes when it was added, as Unix time in seconds. Raises `DocumentError` when one cannot be read or
        holds no word; what was committed before it stays.
        """
        with self._claims() as claim:
            batch = _Batch(self._destination)
            for one, added in given:
                claim(one)
                self.discard(one.id, one.owner)
                reading = Reading(one, secrets.token_hex(8), added)
                try:
                    self._read(reading, batch, one.parts(0), None, threading.Event())
                except BaseException:
                    self._give_up(reading)
                    raise
            self._commit(batch)

    def add_one(self, given: Incoming, progress: Progress | None, cancel: threading.Event) -> bool:
        """Add a document of any size, or go on with it; False when it was cancelled before it was whole."""
        with self._claims() as claim:
            claim(given)
            batch, reading = _Batch(self._destination), self._resumed(given)
            parts = ahead(lambda: given.parts(reading.parts), cancel)
            try:
                self._read(reading, batch, parts, progress, cancel)
                self._commit(batch)
            except Cancelled:
                return False
            finally:
                parts.close()
            return True

    def unfinished(self, owner: str | None) -> list[Unfinished]:
        """The documents of exactly this owner, or of everybody, that were begun and are not whole; the latest first."""
        states = self._destination.markers(owner=owner)
        names = [name for name in Unfinished.__slots__ if name != "done"]
        found = [Unfinished(done=state["done"], **{name: state[name] for name in names}) for state in states]
        return sorted(found, key=lambda one: -one.begun)

    def discard(self, document_id: str, owner: str) -> bool:
        """Forget what was read of a document that is not whole. False if there is none."""
        versions = [state["version"] for state in self._destination.markers(document_id, owner)]
        if versions:
            self._destination.discard(versions)
        return bool(versions)

    @contextmanager
    def _claims(self) -> Iterator[Callable[[Incoming], None]]:
        """A function that makes sure that nobody else adds a document at the same time."""
        self._destination.check_open()
        mine: set[tuple[str, str]] = set()

        def claim(given: Incoming) -> None:
            key = given.id, given.owner
            with self._lock:
                if key in self._busy - mine:
                    raise DocumentError(
                        f"“{given.title}” is being added already; wait until that is done.",
                        zh=f"“{given.title}”正在添加中，请等它完成。",
                    )
                mine.add(key)
                self._busy.add(key)

        try:
            yield claim
        finally:
            with self._lock:
                self._busy -= mine

    def _resumed(self, given: Incoming) -> Reading:
        """The reading that the document's marker describes; a new one where there is none that can be used."""
        states = self._destination.markers(given.id, given.owner)
        if len(states) == 1:
            state = states[0]
            try:
                splitter = Splitter.restored(state["splitter"])
                return Reading(
                    given,
                    state["version"],
                    state["begun"],
                    state["parts"],
                    state["done"],
                    splitter=splitter,
                    first=state["first"],
                    marked=True,
                )
            except (KeyError, TypeError):  # written by another version of the splitter
                pass
        self.discard(given.id, given.owner)
        return Reading(given, secrets.token_hex(8), time.time())

    def _read(
        self,
        reading: Reading,
        batch: _Batch,
        parts: Iterator[Part],
        progress: Progress | None,
        cancel: threading.Event,
    ) -> None:
        """Read a document to its end into the batch, which is committed and emptied whenever it is full.

        Raises `Cancelled`, `DocumentError`.
        """
        for part in self._readable(reading, parts):
            for tile in reading.feed(part):
                batch.add(reading, tile)
                if cancel.is_set():
                    raise Cancelled
            if progress is not None:
                progress(reading.done, reading.passages)
            if batch.characters >= _BATCH_CHARS:
                self._commit(batch, reading)
        last = list(reading.feed(None))
        if not last:
            self._give_up(reading)
            raise DocumentError(
                f"“{reading.given.title}” holds no text to search; give a document with words in it.",
                zh=f"“{reading.given.title}”里没有可检索的文字，请上传有文字的文档。",
            )
        for tile in last:
            batch.add(reading, tile, reading.info() if tile is last[-1] else None)
        batch.end(reading)
        if batch.characters >= _BATCH_CHARS:
            self._commit(batch)

    def _readable(self, reading: Reading, parts: Iterator[Part]) -> Iterator[Part]:
        """The parts. A document that cannot be read to its end is forgotten."""
        try:
            yield from parts
        except DocumentError:
            self._give_up(reading)
            raise

    def _give_up(self, reading: Reading) -> None:
        """Forget what was committed of a document; where even that fails, it stays among the unfinished ones."""
        if reading.marked:
            with suppress(DocumentError):
                self.discard(reading.given.id, reading.given.owner)
            reading.marked = False

    def _commit(self, batch: _Batch, unfinished: Reading | None = None) -> None:
        """Write a batch and empty it; the reading that goes on after it gets a marker."""
        whole = [reading for reading, written in batch.written if written is None]
        goes_on = unfinished if unfinished is not None and unfinished.splitter is not None else None
        self._destination.commit(batch.written, goes_on)
        if goes_on is not None:
            goes_on.marked = True
        if whole:
            self._added(min(one.first for one in whole), max(one.last for one in whole))
        batch.written, batch.characters = [], 0


def deleted_meanwhile(reading: Reading) -> DocumentError:
    title = reading.given.title
    return DocumentError(f"“{title}” was deleted while it was being added.", zh=f"“{title}”在添加过程中被删除。")
