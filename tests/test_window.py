"""A stretch of a long document: python -m pytest tests/test_window.py"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from encoder import SentenceEncoder
from retrieval.base import Document, Incoming, Part
from retrieval.index import DocumentIndex

PAGES = 60


def page(number: int) -> str:
    return f"## Chapter {number // 10}\n\nPage {number} begins. " + "Words about the weather go on. " * 20


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path_factory.mktemp("documents"), SentenceEncoder())
    index.open()

    def parts(start: int) -> Iterator[Part]:
        return (Part(page(number), f"page {number}", done=number / PAGES) for number in range(start, PAGES))

    index.add_incoming(Incoming("book", "A Book", "documents", parts, "anna"))
    index.add([Document("short", "Short", "# Short\n\nOne passage.\n\n***\n", "documents")])
    yield index
    index.close()


@pytest.mark.parametrize("ordinal", [0, 1, 30, PAGES - 1])
def test_it_is_a_stretch_of_the_document_around_the_passage(index: DocumentIndex, ordinal: int) -> None:
    document = index.document("book", "anna")
    window = index.window("book", ordinal, "anna", characters=4000)
    assert document is not None and window is not None
    assert document.text[window.start : window.start + len(window.text)] == window.text
    assert 1000 < len(window.text) < 6000
    assert window.wanted.id == f"book#{ordinal}" and window.wanted in window.passages
    assert [one.id for one in window.passages] == [f"book#{n}" for n in range(window.first, window.last + 1)]
    assert (window.before, window.after) == (window.first > 0, window.last < PAGES - 1)
    for one in window.passages:
        assert window.text[one.start - window.start : one.end - window.start] == one.text
    for offset, place in window.places:
        assert document.text[offset:].startswith(page(int(place.removeprefix("page ")))[:30])
    assert window.places[0] == (window.start, f"page {window.first}")
    assert len(window.places) == len(window.passages)


def test_one_can_page_through_the_whole_document(index: DocumentIndex) -> None:
    seen, ordinal = set[int](), 0
    for _ in range(PAGES):
        window = index.window("book", ordinal, "anna", characters=3000)
        assert window is not None
        seen |= set(range(window.first, window.last + 1))
        if not window.after:
            break
        ordinal = window.last + 1
    assert seen == set(range(PAGES))


def test_a_short_document_is_one_window(index: DocumentIndex) -> None:
    window = index.window("short", 7, "anna")
    assert window is not None
    assert (window.text, window.start, window.places) == ("# Short\n\nOne passage.\n\n***\n", 0, ())
    assert not window.before and not window.after


def test_it_is_only_for_its_owner(index: DocumentIndex) -> None:
    assert index.window("book", 0, "bert") is None
    assert index.window("book", 0, "") is None
    assert index.window("nothing", 0, "anna") is None


def test_what_stands_between_passages_is_bounded(tmp_path: Path) -> None:
    index = DocumentIndex(tmp_path, SentenceEncoder())
    index.open()
    index.add([Document("d", "D", "First.\n\n" + "* * *\n" * 50_000 + "\n## Last\n\nSecond.", "documents")])
    window = index.window("d", 1, "")
    assert window is not None and window.text == "Second." and window.before and not window.after
    index.close()
