"""Uploads on their way into the index. python -m pytest tests/test_uploads.py"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from errors import DocumentError
from retrieval.base import Incoming, Part
from retrieval.uploads import State, Upload, Uploads

_WAIT_S = 20


@dataclass
class _Shelf:
    """Takes documents part by part, and stops between them until the test lets it go on."""

    parts: int = 3
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(10**6))
    begun: dict[str, int] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    failure: DocumentError | None = None
    keeps: bool = False
    """Whether a document that failed can be gone on with."""
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    resumed_at: list[int] = field(default_factory=list)

    def add_incoming(
        self,
        given: Incoming,
        progress: Callable[[float, int], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> bool:
        assert progress is not None
        assert cancel is not None
        try:
            self.resumed_at.append(self.begun.get(given.id, 0))
            for _ in given.parts(self.begun.get(given.id, 0)):
                while not self.gate.acquire(timeout=0.01):
                    if cancel.is_set():
                        return False
                if self.failure:
                    self.begun.update({given.id: 1} if self.keeps else {})
                    raise self.failure
                self.begun[given.id] = self.begun.get(given.id, 0) + 1
                progress(self.begun[given.id] / self.parts, self.begun[given.id])
            self.begun.pop(given.id, None)
            self.whole.append(given.id)
            return True
        finally:
            self.ended.release()

    def unfinished(self, owner: str | None = None) -> Sequence[Upload]:
        return [Upload(id, id, owner or "", id) for id in self.begun]

    def discard(self, document_id: str, owner: str) -> bool:
        return self.begun.pop(document_id, None) is not None


def _open(path: Path, name: str, owner: str) -> Incoming:
    text = path.read_text(encoding="utf-8")
    if text == "broken":
        raise DocumentError(f"“{name}” is broken.")

    def parts(start: int) -> Iterator[Part]:
        return (Part(f"{text} {i}") for i in range(start, 3))

    return Incoming(f"{owner}-{name}", text, "documents", parts, owner=owner, name=name)


class _Folder:
    """A folder of uploads that may be opened again, as after a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = _Shelf()
        self.opened: list[Uploads] = []

    def open(self) -> Uploads:
        uploads = Uploads(self.folder / "uploads", self.shelf, _open)
        self.opened.append(uploads)
        return uploads

    def file(self, name: str, text: str = "hello") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def kept(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "uploads").glob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[_Folder]:
    folder = _Folder(tmp_path)
    yield folder
    for uploads in folder.opened:
        uploads.close()


def _until(uploads: Uploads, owner: str, wanted: Callable[[list[Upload]], bool]) -> list[Upload]:
    """The owner's uploads once they are as wanted."""
    waits = threading.Event()
    for _ in range(_WAIT_S * 100):
        if wanted(found := uploads.of(owner)):
            return found
        waits.wait(0.01)
    raise AssertionError(uploads.of(owner))


def _are(*states: State) -> Callable[[list[Upload]], bool]:
    return lambda uploads: [upload.state for upload in uploads] == list(states)


def test_a_file_is_taken_over_read_and_let_go(place: _Folder) -> None:
    uploads, path = place.open(), place.file("a.txt")
    uploads.take(path, "a.txt", "anna")
    (ready,) = _until(uploads, "anna", _are(State.READY))
    assert (ready.title, ready.done, ready.passages) == ("hello", 1.0, 3)
    assert not path.exists()
    assert place.shelf.whole == ["anna-a.txt"]
    assert uploads.of("bert") == []
    uploads.close()
    assert place.kept() == []


def test_a_file_that_cannot_be_read_is_told_and_leaves_the_others_alone(place: _Folder) -> None:
    uploads = place.open()
    uploads.take(place.file("b.txt", "broken"), "b.txt", "anna")
    uploads.take(place.file("a.txt"), "a.txt", "anna")
    failed, _ = _until(uploads, "anna", _are(State.FAILED, State.READY))
    assert str(failed.failure) == "“b.txt” is broken."
    uploads.drop(failed.id, "bert")
    assert len(uploads.of("anna")) == 2
    uploads.drop(failed.id, "anna")
    assert [upload.name for upload in uploads.of("anna")] == ["a.txt"]


def test_one_owners_files_wait_for_each_other_and_nobody_elses(place: _Folder) -> None:
    place.shelf.gate = threading.Semaphore(0)
    uploads = place.open()
    for owner, name in (("anna", "a.txt"), ("anna", "b.txt"), ("bert", "a.txt")):
        uploads.take(place.file(name), name, owner)
    _until(uploads, "anna", _are(State.READING, State.WAITING))
    _until(uploads, "bert", _are(State.READING))
    place.shelf.gate.release(100)
    _until(uploads, "anna", _are(State.READY, State.READY))


def test_what_was_stopped_goes_on_where_it_was_also_after_a_restart(place: _Folder) -> None:
    place.shelf.gate = threading.Semaphore(1)
    uploads = place.open()
    uploads.take(place.file("a.txt"), "a.txt", "anna")
    (reading,) = _until(uploads, "anna", lambda found: found[0].passages == 1)
    uploads.stop(reading.id, "bert")
    assert uploads.of("anna")[0].state is State.READING
    uploads.stop(reading.id, "anna")
    assert place.shelf.ended.acquire(timeout=_WAIT_S)
    uploads.close()
    assert place.kept() == [reading.id]

    again = place.open()
    again.start()
    (stopped,) = _until(again, "anna", _are(State.STOPPED))
    assert round(stopped.done, 2) == 0.33
    place.shelf.gate.release(100)
    again.go_on(stopped.id, "anna")
    _until(again, "anna", _are(State.READY))
    assert place.shelf.resumed_at == [0, 1]


def test_what_was_being_read_when_the_program_ended_goes_on_by_itself(place: _Folder) -> None:
    place.shelf.gate = threading.Semaphore(2)
    uploads = place.open()
    uploads.take(place.file("a.txt"), "a.txt", "anna")
    _until(uploads, "anna", lambda found: found[0].passages == 2)
    uploads.close()
    place.shelf.gate.release(100)
    again = place.open()
    again.start()
    _until(again, "anna", _are(State.READY))
    assert place.shelf.resumed_at == [0, 2]


def test_what_is_dropped_while_it_is_read_leaves_nothing(place: _Folder) -> None:
    place.shelf.gate = threading.Semaphore(1)
    uploads = place.open()
    uploads.take(place.file("a.txt"), "a.txt", "anna")
    (reading,) = _until(uploads, "anna", lambda found: found[0].passages == 1)
    uploads.drop(reading.id, "anna")
    assert uploads.of("anna") == []
    uploads.close()
    assert place.kept() == []
    assert place.shelf.begun == {}


@pytest.mark.parametrize(("keeps", "state"), [(True, State.STOPPED), (False, State.FAILED)])
def test_a_failure_that_can_be_mended_waits_for_its_owner(place: _Folder, keeps: bool, state: State) -> None:
    place.shelf.failure, place.shelf.keeps = DocumentError("The disk is full."), keeps
    uploads = place.open()
    uploads.take(place.file("a.txt"), "a.txt", "anna")
    (ended,) = _until(uploads, "anna", _are(state))
    assert str(ended.failure) == "The disk is full."
    if keeps:
        place.shelf.failure = None
        uploads.go_on(ended.id, "anna")
        (ready,) = _until(uploads, "anna", _are(State.READY))
        assert ready.failure is None
    uploads.close()
    assert place.kept() == []


def test_an_upload_that_cannot_be_described_any_more_is_left_alone(place: _Folder) -> None:
    (place.folder / "uploads" / "x").mkdir(parents=True)
    (place.folder / "uploads" / "x" / "about.json").write_text("{", encoding="utf-8")
    uploads = place.open()
    uploads.start()
    assert uploads.of("anna") == []
