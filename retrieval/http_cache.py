"""What was downloaded, kept in a folder and asked for again only when it may have changed.

A fresh body is used as it is; a stale one is confirmed by its ETag or Last-Modified (304), or replaced. Each URL has a
body file and a small JSON file beside it, which is written last and removed first: an entry is there wholly or not at
all. The least recently used go first when there are too many bytes. Names are SHA-256, so that the folder does not
spell out what was asked.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from errors import SourceError
from retrieval.fetch import Answer, Fetcher, Known
from retrieval.freshness import fresh_s, may_be_kept

log = logging.getLogger(__name__)

_ENTRY, _BODY, _UNFINISHED = ".json", ".body", ".part"


@dataclass(frozen=True, slots=True)
class Kept:
    """A body on disk. Whoever is done with it says so by `HttpCache.done`."""

    file: Path
    version: str
    """SHA-256 of the body in hex."""
    url: str
    """Where it came from in the end, after redirects."""
    content_type: str
    """In lower case, without parameters; empty where the host named none."""
    passing: bool = False
    """Whether it is not kept: its host forbids it, or it is too large."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a body that is kept."""

    url: str
    content_type: str
    version: str
    size: int
    cache_control: str
    etag: str
    last_modified: str
    fresh_until: float
    """Unix time in seconds."""


class HttpCache:
    """Downloads through `fetcher`, kept in `folder`. Safe to call from several threads for different URLs.

    `clock` gives Unix time in seconds.
    """

    def __init__(
        self, fetcher: Fetcher, folder: Path, max_bytes: int = 4 * 2**30, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock

    def open(self) -> None:
        """Make the folder, and remove what a crash left behind. Raises `SourceError` when it cannot be used."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            entries = {file.stem for file in self._folder.glob(f"*{_ENTRY}")}
            for file in list(self._folder.iterdir()):
                if file.suffix == _UNFINISHED or (file.suffix == _BODY and file.stem not in entries):
                    file.unlink(missing_ok=True)
        except OSError as error:
            raise SourceError(
                f"The folder {self._folder} cannot be used for what is fetched ({error.strerror}); choose another one.",
                zh=f"文件夹 {self._folder} 不能用来存放读取的内容（{error.strerror}），请换一个。",
            ) from error

    def fetch(self, url: str, *, accept: str = "*/*", cancel: threading.Event | None = None) -> Kept:
        """The body at `url`, from the folder where that is allowed. Raises what `Fetcher.download` raises."""
        name = self._name(url)
        entry = self._entry(name)
        if entry is not None and self._clock() < entry.fresh_until:
            return self._used(name, entry)
        known = Known(entry.url, entry.etag, entry.last_modified) if entry is not None else None
        arriving = self._folder / f"{uuid.uuid4().hex}{_UNFINISHED}"
        answer = self._fetcher.download(url, arriving, known=known, accept=accept, cancel=cancel)
        if entry is not None and not answer.changed:
            return self._confirmed(name, entry, answer)
        try:
            return self._arrived(name, arriving, answer)
        except OSError as error:
            arriving.unlink(missing_ok=True)
            raise SourceError(
                f"What was fetched from {url} could not be kept ({error.strerror}); mend the folder {self._folder}.",
                zh=f"无法保存从 {url} 读取的内容（{error.strerror}），请检查文件夹 {self._folder}。",
            ) from error

    def done(self, kept: Kept) -> None:
        """Remove a body that is not to be kept."""
        if kept.passing:
            kept.file.unlink(missing_ok=True)

    def forget(self, url: str) -> None:
        """Remove what is kept of a URL."""
        self._remove(self._name(url))

    def _name(self, url: str) -> str:
        """What came from inside a network is not given out any more once its host is no longer allowed."""
        where = "inside" if self._fetcher.may_lie_inside(url) else "outside"
        return hashlib.sha256(f"{where} {url}".encode()).hexdigest()

    def _entry(self, name: str) -> _Entry | None:
        try:
            entry = _Entry(**json.loads(self._path(name, _ENTRY).read_bytes()))
            intact = self._path(name, _BODY).stat().st_size == entry.size
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:  # another version's, or damaged: as if it were not there
            log.debug("cache entry %s: %s", name, error)
            return None
        return entry if intact else None

    def _confirmed(self, name: str, entry: _Entry, answer: Answer) -> Kept:
        confirmed = self._described(answer, entry.version, entry.size, entry)
        try:
            self._write(name, confirmed)
        except OSError as error:  # it is only asked for again sooner than it need be
            log.debug("cache entry %s: %s", name, error)
        return self._used(name, confirmed)

    def _arrived(self, name: str, arriving: Path, answer: Answer) -> Kept:
        with arriving.open("rb") as file:
            version = hashlib.file_digest(file, "sha256").hexdigest()
        size = arriving.stat().st_size
        self._remove(name)
        if size > self._max_bytes or not may_be_kept(answer.headers):
            return Kept(arriving, version, answer.url, answer.content_type, passing=True)
        entry = self._described(answer, version, size, None)
        arriving.replace(self._path(name, _BODY))
        self._write(name, entry)
        self._make_room()
        return self._used(name, entry)

    def _described(self, answer: Answer, version: str, size: int, before: _Entry | None) -> _Entry:
        """What an answer says of a body. Where it only confirms one, what was said before holds (RFC 9111, 3.2)."""
        said = dict(answer.headers)
        if before is not None:
            older = (before.cache_control, before.etag, before.last_modified)
            said = dict(zip(("cache-control", "etag", "last-modified"), older, strict=True)) | said
        now = self._clock()
        return _Entry(
            url=answer.url,
            content_type=before.content_type if before is not None else answer.content_type,
            version=version,
            size=size,
            cache_control=said.get("cache-control", ""),
            etag=said.get("etag", ""),
            last_modified=said.get("last-modified", ""),
            fresh_until=now + fresh_s(said, now),
        )

    def _used(self, name: str, entry: _Entry) -> Kept:
        try:
            os.utime(self._path(name, _ENTRY))  # what was used last goes last
        except OSError as error:
            log.debug("cache entry %s: %s", name, error)
        return Kept(self._path(name, _BODY), entry.version, entry.url, entry.content_type)

    def _write(self, name: str, entry: _Entry) -> None:
        unfinished = self._path(name, _UNFINISHED)
        unfinished.write_text(json.dumps(asdict(entry)), encoding="utf-8")
        unfinished.replace(self._path(name, _ENTRY))

    def _make_room(self) -> None:
        taken = 0
        for _, size, name in sorted(self._sizes(), reverse=True):
            taken += size
            if taken > self._max_bytes:
                self._remove(name)

    def _sizes(self) -> Iterator[tuple[int, int, str]]:
        """(when it was used last, bytes, name) of every entry."""
        for file in self._folder.glob(f"*{_ENTRY}"):
            with suppress(FileNotFoundError):  # another thread made room
                yield file.stat().st_mtime_ns, file.with_suffix(_BODY).stat().st_size, file.stem

    def _remove(self, name: str) -> None:
        for suffix in (_ENTRY, _BODY):
            self._path(name, suffix).unlink(missing_ok=True)

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}{suffix}"
