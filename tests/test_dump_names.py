"""Redirects as other names of articles: python -m pytest tests/test_dump_names.py"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from errors import DocumentError
from retrieval import dump_intake
from retrieval.base import SearchRequest
from retrieval.dump_file import Place
from retrieval.dump_intake import SOURCE, Advance, DumpIntake
from retrieval.dump_names import OtherNames
from retrieval.dump_pages import Page
from retrieval.index import DocumentIndex
from tests.dumped import opened
from tests.dumps import Made, write

_ARTICLE = (
    "'''New York City''', also called the Big Apple, is the largest city of the [[United States]].\n\n== Name ==\nOld."
)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DocumentIndex]:
    found = opened(tmp_path / "index")
    yield found
    found.close()


def _redirect(number: int, title: str, target: str, more: str = "", namespace: int = 0) -> Made:
    return Made(number, title, f"#REDIRECT [[{target}{more}]]", namespace, target)


def _take(index: DocumentIndex, path: Path) -> list[Advance]:
    told: list[Advance] = []
    assert DumpIntake(index, path).run(threading.Event(), told.append)
    return told


def test_an_article_is_found_by_its_redirects_wherever_they_stand(tmp_path: Path, index: DocumentIndex) -> None:
    made = [
        _redirect(1, "NYC", "New York City"),
        _redirect(2, "New York (city)", "New York City"),
        _redirect(3, "Big Apple", "New York City"),
        Made(4, "New York City", _ARTICLE),
        Made(5, "Boston", "'''Boston''' is another city, where wordboston is said."),
        _redirect(6, "City of Greater Gotham", "New York City"),
        _redirect(7, "Gothamites", "New York City", "#People"),
        _redirect(8, "Wikipedia:NYCX", "New York City", namespace=4),
        Made(9, "Nuw Yirk", "#REDIRECT [[New York City]]\n{{R from misspelling}}", redirect="New York City"),
        _redirect(10, "Loop", "Loop"),
    ]
    _take(index, write(tmp_path / "d.xml.bz2", made))
    document = index.document("enwiki-4", "")
    assert document is not None
    assert document.text.startswith("New York City (NYC; City of Greater Gotham)\n\nNew York City, also called the Big")
    assert [one.title for one in index.search(SearchRequest("NYC"), SOURCE)] == ["New York City"]
    assert [one.title for one in index.search(SearchRequest("Gotham"), SOURCE)] == ["New York City"]
    assert index.search(SearchRequest("NYCX Yirk Gothamites"), SOURCE) == []
    other = index.document("enwiki-5", "")
    assert other is not None and other.text.startswith("Boston is another city")
    assert not list((index.folder / "dumps").glob("*.names*"))


def test_an_article_is_given_no_more_names_than_help(tmp_path: Path, index: DocumentIndex) -> None:
    made = [_redirect(number, f"Alias{number}", "Place") for number in range(1, 90)]
    _take(index, write(tmp_path / "d.xml", [*made, Made(99, "Place", "A place of many names, far away.")]))
    document = index.document("enwiki-99", "")
    assert document is not None
    first = document.text.partition("\n")[0]
    assert first == f"Place ({'; '.join(f'Alias{number}' for number in range(1, 13))})"


def test_the_collecting_goes_on_where_it_was_stopped(
    tmp_path: Path, index: DocumentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump_intake, "_LOOKED_THROUGH", 10)
    made = [_redirect(number, f"Alias{number}", f"Place{number % 3}") for number in range(1, 60)]
    made += [Made(number + 100, f"Place{number}", "A place of many names, far away.") for number in range(3)]
    path = write(tmp_path / "d-multistream.xml.bz2", made, each=4)
    shares: list[float] = []
    for _ in range(40):
        stop = threading.Event()

        def tell(advance: Advance, stop: threading.Event = stop) -> None:
            if advance.redirects:
                shares.append(advance.done)
                stop.set()

        if DumpIntake(index, path).run(stop, tell):
            break
    assert len(shares) == 6 and shares == sorted(shares)
    for number in range(3):
        document = index.document(f"enwiki-{number + 100}", "")
        assert document is not None
        names = [f"Alias{one}" for one in range(1, 60) if one % 3 == number][:12]
        assert document.text.partition("\n")[0] == f"Place{number} ({'; '.join(names)})"


def _page(title: str, target: str) -> Page:
    return Page(1, title, 0, target, f"#REDIRECT [[{target}]]", Place())


def test_names_of_another_dump_and_a_damaged_file_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "dumps" / "x.names"
    for fingerprint in ("a", "b"):
        names = OtherNames(path, fingerprint)
        names.open()
        assert (names.place, names.whole) == (Place(), False)
        names.add([_page(f"Alias {fingerprint}", "Place")], Place(5, 6), whole=True)
        assert names.of("Place", "A place.", "en") == [f"Alias {fingerprint}"]
        names.close()
    again = OtherNames(path, "b")
    again.open()
    assert (again.place, again.whole) == (Place(5, 6), True)
    again.close()
    path.write_bytes(b"no database, but longer than the head of one" * 50)
    damaged = OtherNames(path, "b")
    damaged.open()
    assert (damaged.place, damaged.whole) == (Place(), False)
    damaged.close()


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "dumps").write_text("a file, no folder")
    with pytest.raises(DocumentError, match="cannot be written") as caught:
        OtherNames(tmp_path / "dumps" / "x.names", "a").open()
    assert "无法写入" in caught.value.told("zh")
    names = OtherNames(tmp_path / "y.names", "a")
    names.open()
    with sqlite3.connect(tmp_path / "y.names") as other:
        other.execute("DROP TABLE names")
    with pytest.raises(DocumentError, match="cannot be written"):
        names.add([_page("A", "B")], Place())
    names.close()
