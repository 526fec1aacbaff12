"""Documents that come in part by part: python -m pytest tests/test_intake.py"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from encoder import SentenceEncoder
from errors import DocumentError
from retrieval import intake
from retrieval.base import Document, Incoming, Part, SearchRequest
from retrieval.index import DocumentIndex

PAGES = 24


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path / "documents", SentenceEncoder())
    index.open()
    yield index
    index.close()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit every few pages."""
    monkeypatch.setattr(intake, "_BATCH_CHARS", 3000)


def page(number: int) -> str:
    return (
        f"## Chapter {number // 10}\n\nPage {number} tells of zebra{number}. " + "It goes on about the weather. " * 30
    )


def _book(id: str = "book", owner: str = "", pages: Callable[[int], str] = page) -> Incoming:
    def parts(start: int) -> Iterator[Part]:
        for number in range(start, PAGES):
            yield Part(pages(number), f"page {number + 1}", done=(number + 1) / PAGES)

    return Incoming(id, "A Book", "documents", parts, owner, name="book.pdf")


def _found(index: DocumentIndex, query: str, owner: str = "") -> list[str]:
    return [passage.id for passage in index.search(SearchRequest(query, owner=owner), "documents")]


class _Crash(BaseException):
    """The process ends here."""


def _crashing(given: Incoming, at: int) -> Incoming:
    def parts(start: int) -> Iterator[Part]:
        for number, part in enumerate(given.parts(start), start):
            if number == at:
                raise _Crash
            yield part

    return replace(given, parts=parts)


def _counting(given: Incoming, asked: list[int]) -> Incoming:
    def parts(start: int) -> Iterator[Part]:
        asked.append(start)
        return given.parts(start)

    return replace(given, parts=parts)


def test_a_document_in_parts_is_the_document(index: DocumentIndex, small_batches: None) -> None:
    seen: list[tuple[float, int]] = []
    assert index.add_incoming(_book(), lambda done, passages: seen.append((done, passages)))
    text = "\n\n".join(map(page, range(PAGES)))
    document = index.document("book", "")
    assert document is not None and document.text == text
    info = index.documents("documents", "")[0]
    assert (info.title, info.name, info.characters, info.language) == ("A Book", "book.pdf", len(text), "en")
    assert seen == sorted(seen) and seen[-1][0] == 1.0 and len(seen) == PAGES
    found = index.search(SearchRequest("zebra17"), "documents")[0]
    assert (found.place, found.section) == ("page 18", "Chapter 1")
    assert text[found.start : found.end] == found.text
    assert index.unfinished() == []


def test_nothing_of_it_is_there_before_it_is_whole(index: DocumentIndex, small_batches: None) -> None:
    commits: list[tuple[object, ...]] = []

    def look(done: float, passages: int) -> None:
        commits.append(
            (
                _found(index, "zebra1"),
                index.documents("documents", ""),
                index.document("book", ""),
                index.passage("book#1", ""),
                index.neighbours("book#1", ""),
                index.window("book", 1, ""),
            )
        )

    index.add_incoming(_book(), look)
    assert {repr(commit) for commit in commits} == {repr(([], [], None, None, [], None))}
    assert _found(index, "zebra1") and index.document("book", "")


def test_the_replaced_one_is_there_until_then(index: DocumentIndex, small_batches: None) -> None:
    index.add([Document("book", "Old", "The older text about zebra3.", "documents")])
    seen: list[object] = []

    def look(done: float, passages: int) -> None:
        seen.append((_found(index, "zebra3"), index.document("book", "").text))  # type: ignore[union-attr]

    index.add_incoming(_book(), look)
    assert seen == [(["book#0"], "The older text about zebra3.")] * PAGES
    assert _found(index, "older") == []
    assert [info.title for info in index.documents("documents", "")] == ["A Book"]


@pytest.mark.parametrize("at", [0, 1, 7, 20, PAGES - 1])
def test_after_a_crash_it_goes_on_where_it_was(index: DocumentIndex, small_batches: None, at: int) -> None:
    with pytest.raises(_Crash):
        index.add_incoming(_crashing(_book(), at))
    assert index.documents("documents", "") == [] and _found(index, "zebra0") == []
    index.close()
    index.open()
    assert _found(index, "zebra0") == []
    unfinished = index.unfinished()
    assert [(one.id, one.title, one.name, one.owner) for one in unfinished] == [("book", "A Book", "book.pdf", "")][
        : len(unfinished)
    ]
    asked: list[int] = []
    assert index.add_incoming(_counting(_book(), asked))
    assert asked == [round(unfinished[0].done * PAGES)] if unfinished else asked == [0]
    assert at < 7 or asked[0] > at - 5
    document = index.document("book", "")
    assert document is not None and document.text == "\n\n".join(map(page, range(PAGES)))
    places = [index.passage(f"book#{number}", "").place for number in range(PAGES)]  # type: ignore[union-attr]
    assert places == [f"page {number + 1}" for number in range(PAGES)]


def test_cancel_is_quick_and_keeps_what_was_read(index: DocumentIndex, small_batches: None) -> None:
    cancel, reached = threading.Event(), threading.Event()

    def parts(start: int) -> Iterator[Part]:
        for number, part in enumerate(_book().parts(start), start):
            if number == 20:
                reached.set()
                cancel.wait()
                time.sleep(1.5)  # a page that takes long to read
            yield part

    pressed: list[float] = []

    def press() -> None:
        reached.wait()
        pressed.append(time.monotonic())
        cancel.set()

    threading.Thread(target=press).start()
    given = replace(_book(), parts=parts)
    assert not index.add_incoming(given, cancel=cancel)
    assert time.monotonic() - pressed[0] < 1
    assert [one.id for one in index.unfinished()] == ["book"] and _found(index, "zebra0") == []
    assert index.add_incoming(_book())
    assert index.unfinished() == [] and len(_found(index, "zebra0")) == 1


def test_what_is_never_gone_on_with_can_be_discarded(index: DocumentIndex, small_batches: None) -> None:
    index.add([Document("book", "Old", "The older text.", "documents", owner="anna")])
    with pytest.raises(_Crash):
        index.add_incoming(_crashing(_book(owner="anna"), 20))
    assert [one.passages for one in index.unfinished("anna")] == [17] and index.unfinished("bert") == []
    assert not index.discard("book", "bert") and index.discard("book", "anna")
    assert not index.discard("book", "anna") and index.unfinished() == []
    assert _found(index, "older", "anna") == ["book#0"]
    asked: list[int] = []
    index.add_incoming(_counting(_book(owner="anna"), asked))
    assert asked == [0]


def test_a_file_that_turns_out_unreadable_leaves_nothing(index: DocumentIndex, small_batches: None) -> None:
    def parts(start: int) -> Iterator[Part]:
        yield from list(_book().parts(start))[:20]
        raise DocumentError("Page 21 is damaged.")

    with pytest.raises(DocumentError, match="damaged"):
        index.add_incoming(replace(_book(), parts=parts))
    assert index.unfinished() == [] and index.documents("documents", "") == []
    assert index.frequencies(["zebra1"]) == ([0], 0)


def test_a_file_without_words_is_refused(index: DocumentIndex) -> None:
    with pytest.raises(DocumentError, match="“A Book” holds no text"):
        index.add_incoming(_book(pages=lambda number: "***\n\n"))
    assert index.unfinished() == []


def test_deleting_what_is_being_added_ends_it(index: DocumentIndex, small_batches: None) -> None:
    def look(done: float, passages: int) -> None:
        if done > 0.5:
            index.delete("book", "")

    with pytest.raises(DocumentError, match="“A Book” was deleted while it was being added"):
        index.add_incoming(_book(), look)
    assert index.unfinished() == [] and index.documents("documents", "") == []
    assert index.frequencies(["zebra1"]) == ([0], 0)


def test_the_same_document_is_not_added_twice_at_once(index: DocumentIndex, small_batches: None) -> None:
    def again(done: float, passages: int) -> None:
        with pytest.raises(DocumentError, match="“A Book” is being added already"):
            index.add_incoming(_book())

    assert index.add_incoming(_book(), again)
    assert index.add_incoming(_book("other"))


def test_others_add_between_the_batches_of_a_large_document(index: DocumentIndex, small_batches: None) -> None:
    def others(done: float, passages: int) -> None:
        index.add([Document(f"small{passages}", "Small", f"A note on zebra{passages}.", "documents", owner="anna")])
        assert _found(index, f"zebra{passages}", "anna") == [f"small{passages}#0"]

    index.add_incoming(_book(), others)
    assert set(_found(index, "zebra12", "anna")) == {"book#12", "small12#0"}


def test_many_documents_in_memory_are_batched(index: DocumentIndex, small_batches: None) -> None:
    given = [Document(f"d{i}", f"D{i}", page(i), "documents") for i in range(20)]
    given.append(Document("big", "Big", "\n\n".join(map(page, range(200))), "documents"))
    seen: list[tuple[int, int]] = []
    index.add(given, lambda done, total: seen.append((done, total)))
    total = sum(len(document.text) for document in given)
    assert seen == sorted(seen) and seen[-1] == (total, total)
    assert len(index.documents("documents", "")) == 21
    assert all(index.document(one.id, "").text == one.text for one in given)  # type: ignore[union-attr]


def test_a_document_in_memory_is_never_mixed_with_one_begun_before(index: DocumentIndex, small_batches: None) -> None:
    def stop(done: int, total: int) -> None:
        if done > 100_000:
            raise _Crash

    text = "\n\n".join(map(page, range(200)))
    with pytest.raises(_Crash):
        index.add([Document("big", "Big", text, "documents")], stop)
    assert index.unfinished() == []
    index.add([Document("big", "Big", "Quite another text.", "documents")])
    assert index.document("big", "").text == "Quite another text."  # type: ignore[union-attr]
