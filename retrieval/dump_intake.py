"""A Wikipedia dump into the index, article by article, so that it can be stopped or killed at any moment.

Articles come in batches, each one commit. After each a record beside the index says where in the dump it goes on; it is
written after the commit, so a crash between the two costs that batch once more, and each of its articles replaces
itself. Where a dump is newer than what the index holds of the same wiki, the older pages go when the last new one is
there: all that came before the first. The index is what counts: where it does not hold what the record says, the dump
is read again.

The redirects are collected before, as other names of articles (`retrieval.dump_names`).
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from activity import Activity
from errors import DocumentError
from retrieval.base import Document
from retrieval.dump_file import DumpFile, Place
from retrieval.dump_names import OtherNames
from retrieval.dump_pages import Broken, Dump, Page, Wiki
from retrieval.dump_record import Record, fingerprint, path_of, read, write
from retrieval.index import DocumentIndex
from retrieval.split import passages
from retrieval.wikitext import plain
from retrieval.wikitext_templates import tells_apart

log = logging.getLogger(__name__)

SOURCE = "wikipedia_dump"

_BATCH_CHARS, _BATCH_ARTICLES = 2_000_000, 2_000
"""A batch is full with either. Half of what the index commits at once, so that a batch is one commit."""
_LOOKED_THROUGH = 20_000
"""Pages after which it is noted how far the redirects are."""
_LETTER = re.compile(r"[^\W\d_]")
_FEWEST_LETTERS = 8
_PIECE_S = 0.05
"""Work between two looks whether somebody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a run is."""

    wiki: str
    """`enwiki`."""
    done: float
    """Share of the file that has been read, 0..1."""
    articles: int
    """In the index, of this dump."""
    pages: int
    """Read in this run, articles or not."""
    seconds: float
    """Since the first of them."""
    left_s: float | None
    """How long the rest will take at the rate of this run; None while that cannot be told."""
    redirects: bool = False
    """Whether it is still looking through the dump for redirects."""
    whole: bool = False


@dataclass(slots=True)
class _Batch:
    documents: list[Document] = field(default_factory=list)
    characters: int = 0

    def add(self, document: Document) -> None:
        self.documents.append(document)
        self.characters += len(document.text)

    @property
    def full(self) -> bool:
        return self.characters >= _BATCH_CHARS or len(self.documents) >= _BATCH_ARTICLES


class _Breath:
    """Makes way for people who wait, every few hundredths of a second of work."""

    def __init__(self, activity: Activity, stop: threading.Event) -> None:
        self._activity = activity
        self._stop = stop
        self._since = time.monotonic()

    def take(self) -> None:
        worked = time.monotonic() - self._since
        if worked >= _PIECE_S:
            self._activity.make_way(worked, self._stop)
            self._since = time.monotonic()


class DumpIntake:
    """Takes one dump into an index that is open. One thread uses it."""

    def __init__(self, index: DocumentIndex, path: Path, activity: Activity | None = None) -> None:
        self._index = index
        self._path = path
        self._activity = activity or Activity()

    def run(self, stop: threading.Event, told: Callable[[Advance], None]) -> bool:
        """Read the dump from where it was left to its end; False when `stop` was set before that.

        Raises `SourceError` when the file is none, is damaged or cut off, and `DocumentError` when the index cannot
        be written; what was read before stays, and the next run goes on from there.
        """
        dump = Dump(self._path)
        wiki = dump.wiki()
        begun = self._begun(wiki)
        record = begun or Record(str(self._path.absolute()), fingerprint(self._path), Place(), self._index.newest)
        names = OtherNames(path_of(self._index.folder, wiki.name).with_suffix(".names"), record.fingerprint)
        if record.whole:
            names.delete()
            told(Advance(wiki.name, 1.0, record.articles, 0, 0.0, 0.0, whole=True))
            return True
        if not begun:
            write(self._index.folder, wiki.name, record)
        told(Advance(wiki.name, record.done, record.articles, 0, 0.0, None))
        self._index.count_from(record.before)
        names.open()
        try:
            run = _Run(self._index, dump, wiki, names, stop, _Breath(self._activity, stop), told)
            if not (names.whole or run.collect(record)) or not run.articles(record):
                return False
            names.delete()
        finally:
            names.close()
        return True

    def _begun(self, wiki: Wiki) -> Record | None:
        """The record of this very file, if the index agrees with it."""
        record = read(self._index.folder, wiki.name)
        if record is None or record.fingerprint != fingerprint(self._path):
            return None
        there = not record.last or self._index.passage(f"{record.last}#0", "") is not None
        return record if there else None


@dataclass(frozen=True, slots=True)
class _Run:
    """One reading of a dump: first its redirects, then its articles. Both say whether they came to the end."""

    index: DocumentIndex
    dump: Dump
    wiki: Wiki
    names: OtherNames
    stop: threading.Event
    breath: _Breath
    told: Callable[[Advance], None]

    def collect(self, record: Record) -> bool:
        """The other names of articles."""
        file, found, began = DumpFile(self.dump.path), list[Page](), time.monotonic()
        place = self.names.place
        for pages, (redirect, after) in enumerate(self.dump.redirects(file, place), start=1):
            place = after
            if redirect is not None:
                found.append(redirect)
            self.breath.take()
            if self.stop.is_set():
                return False
            if pages % _LOOKED_THROUGH == 0:
                self.names.add(found, place)
                found.clear()
                seconds = time.monotonic() - began
                self.told(Advance(self.wiki.name, file.done, record.articles, pages, seconds, None, redirects=True))
        self.names.add(found, place, whole=True)
        return True

    def articles(self, record: Record) -> bool:
        """The articles, batch by batch, and the end of those that they replace."""
        file = DumpFile(self.dump.path)
        batch, pages, first_at, first_read = _Batch(), 0, 0.0, 0
        for page in self.dump.pages(file, record.place):
            if not pages:
                first_at, first_read = time.monotonic(), file.read
            pages += 1
            article = self._article(page)
            if article is not None:
                batch.add(article)
            self.breath.take()
            if self.stop.is_set():
                return False
            if batch.full:
                record = self._take(batch, replace(record, place=page.place, done=file.done))
                batch = _Batch()
                self.told(_advance(self.wiki, record, file, pages, time.monotonic() - first_at, first_read))
        record = self._take(batch, record)
        if record.before:
            self.index.delete_older(SOURCE, f"{self.wiki.name}-", record.before)
        write(self.index.folder, self.wiki.name, replace(record, whole=True))
        seconds = time.monotonic() - first_at if pages else 0.0
        self.told(Advance(self.wiki.name, 1.0, record.articles, pages, seconds, 0.0, whole=True))
        return True

    def _article(self, page: Page | Broken) -> Document | None:
        wiki = self.wiki
        if isinstance(page, Broken):
            log.warning("A page of %s cannot be read and is left out; it ends at %s", self.dump.path, page.place)
            return None
        if page.namespace != 0 or page.redirect or not page.text or tells_apart(page.title, page.text):
            return None
        text = plain(page.text, wiki.markup)
        letters = itertools.islice(_LETTER.finditer(text), _FEWEST_LETTERS)
        if sum(1 for _ in letters) < _FEWEST_LETTERS:
            return None
        names = self.names.of(page.title, text, wiki.language or "en")
        if names:
            text = f"{page.title} ({'; '.join(names)})\n\n{text}"
        return Document(
            f"{wiki.name}-{page.id}", page.title, text, SOURCE, url=wiki.url(page.title), language=wiki.language
        )

    def _take(self, batch: _Batch, record: Record) -> Record:
        """Commit a batch, then write down that the dump goes on at the record's place."""
        documents = batch.documents
        if documents:
            try:
                self._add(documents)
            except DocumentError:
                # One article without a word in it would keep all others out.
                documents = [document for document in documents if passages(document)]
                if len(documents) == len(batch.documents):
                    raise
                self._add(documents)
        last = documents[-1].id if documents else record.last
        record = replace(record, articles=record.articles + len(documents), last=last)
        write(self.index.folder, self.wiki.name, record)
        return record

    def _add(self, documents: Sequence[Document]) -> None:
        if documents:
            self.index.add(documents, progress=lambda done, total: self.breath.take())


def _advance(wiki: Wiki, record: Record, file: DumpFile, pages: int, seconds: float, first_read: int) -> Advance:
    read_here, left = file.read - first_read, file.size - file.read
    left_s = 0.0 if not left else seconds * left / read_here if read_here > 0 else None
    return Advance(wiki.name, record.done, record.articles, pages, seconds, left_s)


def forget(index: DocumentIndex, wiki: str) -> bool:
    """Delete all articles of a wiki, and what is noted of its dump. False where there is no such wiki."""
    path = path_of(index.folder, wiki)
    if not path.is_file():
        return False
    index.delete_older(SOURCE, f"{wiki}-", index.newest)
    OtherNames(path.with_suffix(".names"), "").delete()
    path.unlink(missing_ok=True)
    return True
