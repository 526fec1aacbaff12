"""Uploaded files on their way into the index: kept on disk until they are in it, so that no stop or restart loses one.

Files of one owner are read one after the other, files of different owners side by side. What was being read when the
program ended goes on with the next start; what its owner stopped waits until they let it go on or drop it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from errors import AppError, DocumentError
from retrieval.base import Incoming

logger = logging.getLogger(__name__)

_READERS = 4
_TOLD_S = 20.0
"""How long a document that is ready is told of."""
_FILE, _ABOUT = "file", "about.json"

OpenFile = Callable[[Path, str, str], Incoming]
"""A file's path, its name and its owner to the document in it. Raises `DocumentError`."""


class Begun(Protocol):
    """A document that is not whole yet."""

    @property
    def id(self) -> str: ...


class Index(Protocol):
    """What takes the documents."""

    def add_incoming(
        self,
        given: Incoming,
        progress: Callable[[float, int], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> bool:
        """Add a document, or go on with it; False when it was cancelled. Raises `DocumentError`."""
        ...

    def unfinished(self, owner: str | None = None) -> Sequence[Begun]:
        """Documents that were begun and can be gone on with."""
        ...

    def discard(self, document_id: str, owner: str) -> bool:
        """Forget what was read of a document that is not whole."""
        ...


class State(StrEnum):
    WAITING = "waiting"
    READING = "reading"
    STOPPED = "stopped"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """One file and how far it is."""

    id: str
    """The document's id; for a file that was refused, one of its own."""
    title: str
    owner: str
    name: str
    state: State = State.WAITING
    done: float = 0.0
    """Share of the file that is read, 0..1."""
    passages: int = 0
    failure: AppError | None = None
    ended: float = 0.0
    """When it became ready, on `time.monotonic()`'s clock."""


class Uploads:
    """The uploads in a folder. Safe to call from several threads."""

    def __init__(self, folder: Path, index: Index, open_file: OpenFile) -> None:
        self._folder = folder
        self._index = index
        self._open = open_file
        self._lock = threading.Lock()
        self._uploads: dict[str, Upload] = {}
        self._cancels: dict[str, threading.Event] = {}
        self._busy: set[str] = set()
        """Owners one of whose files is being read."""
        self._closed = False
        self._readers = threading.BoundedSemaphore(_READERS)
        self._threads: set[threading.Thread] = set()

    def start(self) -> None:
        """Go on with what was left when the program ended."""
        for about in sorted(self._folder.glob(f"*/{_ABOUT}"), key=lambda path: path.stat().st_mtime):
            try:
                told = json.loads(about.read_text(encoding="utf-8"))
                state = State.STOPPED if told["stopped"] else State.WAITING
                upload = Upload(about.parent.name, told["title"], told["owner"], told["name"], state, told["done"])
            except (OSError, ValueError, KeyError) as error:
                logger.warning("The upload in %s cannot be gone on with: %s", about.parent.name, error)
                continue
            with self._lock:
                self._uploads[upload.id] = upload
            self._next(upload.owner)

    def close(self) -> None:
        """Stop reading; what was being read goes on at the next `start`."""
        with self._lock:
            self._closed = True
            for cancel in self._cancels.values():
                cancel.set()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def take(self, path: Path, name: str, owner: str) -> Upload:
        """Take the file over, and read it when its turn comes. One that cannot be read is told among the owner's."""
        try:
            upload = self._taken(path, name, owner)
        except DocumentError as error:
            upload = Upload(secrets.token_hex(8), name, owner, name, State.FAILED, failure=error)
        with self._lock:
            self._uploads[upload.id] = upload
        self._next(owner)
        return upload

    def _taken(self, path: Path, name: str, owner: str) -> Upload:
        given = self._open(path, name, owner)
        upload = Upload(given.id, given.title, owner, given.name)
        with self._lock:
            known = self._uploads.get(given.id)
        if known is not None and known.state in (State.WAITING, State.READING):
            return known
        folder = self._folder / given.id
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(path, folder / _FILE)
            self._describe(upload)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise DocumentError(
                f"“{given.name}” could not be kept ({error.strerror}); free some space, then upload it again.",
                zh=f"无法保存“{given.name}”（{error.strerror}），请腾出空间后重新上传。",
            ) from error
        return upload

    def _describe(self, upload: Upload) -> None:
        about = {
            "title": upload.title,
            "owner": upload.owner,
            "name": upload.name,
            "stopped": upload.state is State.STOPPED,
            "done": upload.done,
        }
        written = self._folder / upload.id / f"{_ABOUT}.new"
        written.write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        written.replace(written.with_name(_ABOUT))

    def of(self, owner: str) -> list[Upload]:
        """The owner's uploads, oldest first; one that is ready is told of for a while."""
        now = time.monotonic()
        with self._lock:
            old = [u.id for u in self._uploads.values() if u.state is State.READY and now - u.ended > _TOLD_S]
            for id in old:
                del self._uploads[id]
            return [upload for upload in self._uploads.values() if upload.owner == owner]

    def stop(self, upload_id: str, owner: str) -> None:
        """Stop reading; what was read stays, and the file can be gone on with."""
        with self._lock:
            upload = self._owned(upload_id, owner)
            if upload is None or upload.state not in (State.WAITING, State.READING):
                return
            self._uploads[upload_id] = stopped = dataclasses.replace(upload, state=State.STOPPED)
            if upload_id in self._cancels:
                self._cancels[upload_id].set()
            self._describe(stopped)

    def go_on(self, upload_id: str, owner: str) -> None:
        """Go on reading what was stopped."""
        with self._lock:
            upload = self._owned(upload_id, owner)
            if upload is None or upload.state is not State.STOPPED:
                return
            self._uploads[upload_id] = waiting = dataclasses.replace(upload, state=State.WAITING, failure=None)
            self._describe(waiting)
        self._next(owner)

    def drop(self, upload_id: str, owner: str) -> None:
        """Forget a file that is not in the index yet, and what was read of it."""
        with self._lock:
            upload = self._owned(upload_id, owner)
            if upload is None:
                return
            del self._uploads[upload_id]
            cancel = self._cancels.get(upload_id)
            if cancel is not None:
                cancel.set()
        if cancel is None:
            self._forget(upload)

    def _owned(self, upload_id: str, owner: str) -> Upload | None:
        upload = self._uploads.get(upload_id)
        return upload if upload is not None and upload.owner == owner else None

    def _forget(self, upload: Upload) -> None:
        shutil.rmtree(self._folder / upload.id, ignore_errors=True)
        self._index.discard(upload.id, upload.owner)

    def _next(self, owner: str) -> None:
        """Read the owner's next file, unless one is being read."""
        with self._lock:
            waiting = [u for u in self._uploads.values() if u.owner == owner and u.state is State.WAITING]
            if not waiting or owner in self._busy or self._closed:
                return
            upload, cancel = waiting[0], threading.Event()
            self._busy.add(owner)
            self._cancels[upload.id] = cancel
            self._uploads[upload.id] = dataclasses.replace(upload, state=State.READING)
            # A daemon: leaving the program does not wait for a large file.
            thread = threading.Thread(target=self._run, args=(upload, cancel), name="upload", daemon=True)
            self._threads.add(thread)
        thread.start()

    def _run(self, upload: Upload, cancel: threading.Event) -> None:
        with self._readers:
            self._read(upload, cancel)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _read(self, upload: Upload, cancel: threading.Event) -> None:
        try:
            whole = self._index.add_incoming(
                self._open(self._folder / upload.id / _FILE, upload.name, upload.owner),
                lambda done, passages: self._progress(upload.id, done, passages),
                cancel,
            )
            if whole:
                self._became(upload.id, state=State.READY, done=1.0, ended=time.monotonic())
                shutil.rmtree(self._folder / upload.id, ignore_errors=True)
        except AppError as error:
            self._fail(upload, error)
        except Exception:
            logger.exception("An upload could not be indexed")
            self._fail(
                upload,
                AppError(
                    f"“{upload.name}” could not be indexed; the log says why. Upload it again.",
                    zh=f"无法索引“{upload.name}”，原因见日志。请重新上传。",
                ),
            )
        finally:
            with self._lock:
                del self._cancels[upload.id]
                self._busy.discard(upload.owner)
                dropped = upload.id not in self._uploads
            if dropped:
                with suppress(AppError):
                    self._forget(upload)
            self._next(upload.owner)

    def _fail(self, upload: Upload, error: AppError) -> None:
        """A document that can be gone on with (the disk was full, say) waits for its owner to let it."""
        try:
            begun = any(begun.id == upload.id for begun in self._index.unfinished(upload.owner))
        except AppError:  # the index is out of reach; what was read may be in it
            begun = True
        if begun:
            self._became(upload.id, state=State.STOPPED, failure=error)
            return
        self._became(upload.id, state=State.FAILED, failure=error)
        self._forget(upload)

    def _progress(self, upload_id: str, done: float, passages: int) -> None:
        self._became(upload_id, done=done, passages=passages)

    def _became(self, upload_id: str, **changes: object) -> None:
        with self._lock:
            upload = self._uploads.get(upload_id)
            if upload is not None:
                self._uploads[upload_id] = dataclasses.replace(upload, **changes)  # type: ignore[arg-type]
