"""A Wikipedia dump into the index, article by article, so that it can be stopped or killed at any moment.

Articles come in batches, each one commit. After each a record beside the index says where in the dump it goes on; it is
written after the commit, so a crash between the two costs that batch once more, and each of its articles replaces
itself. Where a dump is newer than what the index holds of the same wiki, the older pages go when the last new one is
there: all that came before the first. The index is what counts: where it does not hold what the record says, the dump
is read again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from activity import Activity
from errors import DocumentError, SourceError
from retrieval.base import Document
from retrieval.dump_file import DumpFile, Place
from retrieval.dump_pages import Broken, Dump, Page, Wiki
from retrieval.index import DocumentIndex
from retrieval.split import passages
from retrieval.wikitext import plain
from retrieval.wikitext_templates import tells_apart

log = logging.getLogger(__name__)

SOURCE = "wikipedia_dump"

_BATCH_CHARS, _BATCH_ARTICLES = 2_000_000, 2_000
"""A batch is full with either. Half of what the index commits at once, so that a batch is one commit."""
_SAMPLE = 2**20
_LETTER = re.compile(r"[^\W\d_]")
_FEWEST_LETTERS = 8
_PIECE_S = 0.05
"""Work between two looks whether somebody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Record:
    """How far a dump is."""

    path: str
    fingerprint: str
    """Of the file: another one is another dump."""
    place: Place
    before: int
    """Number of the last passage before the first of this dump."""
    articles: int = 0
    last: str = ""
    """Id of the article that was added last."""
    done: float = 0.0
    """Share of the file that was read then."""
    whole: bool = False


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
        file = DumpFile(self._path)
        begun = self._begun(wiki)
        record = begun or Record(str(self._path.absolute()), fingerprint(self._path), Place(), self._index.newest)
        if record.whole:
            told(Advance(wiki.name, 1.0, record.articles, 0, 0.0, 0.0, whole=True))
            return True
        if not begun:
            write(self._index.folder, wiki.name, record)
        told(Advance(wiki.name, record.done, record.articles, 0, 0.0, None))
        self._index.count_from(record.before)
        breath = _Breath(self._activity, stop)
        batch, pages, first_at, first_read = _Batch(), 0, 0.0, 0
        for page in dump.pages(file, record.place):
            if not pages:
                first_at, first_read = time.monotonic(), file.read
            pages += 1
            article = self._article(page, wiki)
            if article is not None:
                batch.add(article)
            breath.take()
            if stop.is_set():
                return False
            if batch.full:
                record = self._take(batch, replace(record, place=page.place, done=file.done), wiki, breath)
                batch = _Batch()
                told(_advance(wiki, record, file, pages, time.monotonic() - first_at, first_read))
        record = self._take(batch, record, wiki, breath)
        if self._index.holds(SOURCE):
            self._index.delete_older(SOURCE, f"{wiki.name}-", record.before)
        write(self._index.folder, wiki.name, replace(record, whole=True))
        seconds = time.monotonic() - first_at if pages else 0.0
        told(Advance(wiki.name, 1.0, record.articles, pages, seconds, 0.0, whole=True))
        return True

    def _begun(self, wiki: Wiki) -> Record | None:
        """The record of this very file, if the index agrees with it."""
        record = read(self._index.folder, wiki.name)
        if record is None or record.fingerprint != fingerprint(self._path):
            return None
        there = not record.last or self._index.passage(f"{record.last}#0", "") is not None
        return record if there else None

    def _article(self, page: Page | Broken, wiki: Wiki) -> Document | None:
        if isinstance(page, Broken):
            log.warning("A page of %s cannot be read and is left out; it ends at %s", self._path, page.place)
            return None
        if page.namespace != 0 or page.redirect or not page.text or tells_apart(page.title, page.text):
            return None
        text = plain(page.text, wiki.markup)
        letters = itertools.islice(_LETTER.finditer(text), _FEWEST_LETTERS)
        if sum(1 for _ in letters) < _FEWEST_LETTERS:
            return None
        return Document(
            f"{wiki.name}-{page.id}", page.title, text, SOURCE, url=wiki.url(page.title), language=wiki.language
        )

    def _take(self, batch: _Batch, record: Record, wiki: Wiki, breath: _Breath) -> Record:
        """Commit a batch, then write down that the dump goes on at the record's place."""
        documents = batch.documents
        if documents:
            try:
                self._add(documents, breath)
            except DocumentError:
                # One article without a word in it would keep all others out.
                documents = [document for document in documents if passages(document)]
                if len(documents) == len(batch.documents):
                    raise
                self._add(documents, breath)
        last = documents[-1].id if documents else record.last
        record = replace(record, articles=record.articles + len(documents), last=last)
        write(self._index.folder, wiki.name, record)
        return record

    def _add(self, documents: Sequence[Document], breath: _Breath) -> None:
        if documents:
            self._index.add(documents, progress=lambda done, total: breath.take())


def _advance(wiki: Wiki, record: Record, file: DumpFile, pages: int, seconds: float, first_read: int) -> Advance:
    read_here, left = file.read - first_read, file.size - file.read
    left_s = 0.0 if not left else seconds * left / read_here if read_here > 0 else None
    return Advance(wiki.name, record.done, record.articles, pages, seconds, left_s)


def forget(index: DocumentIndex, wiki: str) -> bool:
    """Delete all articles of a wiki, and what is noted of its dump. False where there is no such wiki."""
    path = _path(index.folder, wiki)
    if not path.is_file():
        return False
    index.delete_older(SOURCE, f"{wiki}-", index.newest)
    path.unlink(missing_ok=True)
    return True


def records(folder: Path) -> dict[str, Record]:
    """The dumps that were begun, by the names of their wikis. `folder`: the index's."""
    names = sorted(path.stem for path in (folder / "dumps").glob("*.json"))
    found = {name: read(folder, name) for name in names}
    return {name: record for name, record in found.items() if record is not None}


def read(folder: Path, wiki: str) -> Record | None:
    """What is noted of a wiki's dump; None where nothing is, or nothing that can be used."""
    path = _path(folder, wiki)
    try:
        noted = json.loads(path.read_bytes())
        return Record(**noted | {"place": Place(**noted["place"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("%s cannot be read (%s); that dump is read from its beginning", path, error)
        return None


def write(folder: Path, wiki: str, record: Record) -> None:
    """Note how far a dump is. Raises `DocumentError` when that cannot be written."""
    path = _path(folder, wiki)
    unfinished = path.with_suffix(".part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(asdict(record)), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be written ({error.strerror}); free some space or mend its folder, then start again.",
            zh=f"无法写入 {path}（{error.strerror}），请腾出空间或修复该文件夹后重新启动。",
        ) from error


def _path(folder: Path, wiki: str) -> Path:
    return folder / "dumps" / f"{wiki}.json"


def fingerprint(path: Path) -> str:
    """Of a file: its size, its beginning and its end. Raises `SourceError` when it cannot be read."""
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE))
            file.seek(max(0, size - _SAMPLE))
            digest.update(file.read(_SAMPLE))
    except OSError as error:
        raise SourceError(
            f"The dump {path} cannot be read ({error.strerror}); give one that is there.",
            zh=f"无法读取转储文件 {path}（{error.strerror}），请指定一个存在的文件。",
        ) from error
    return digest.hexdigest()
