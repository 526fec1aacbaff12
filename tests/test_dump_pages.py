"""Pages of dumps in every compression, and what is no dump: python -m pytest tests/test_dump_pages.py"""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest

from errors import SourceError
from retrieval.dump_file import DumpFile, Place
from retrieval.dump_pages import Broken, Dump, Page
from tests.dumps import TAIL, Made, articles, head, page, write

_FORMS = ("d.xml", "d.xml.bz2", "d.xml.gz", "d-multistream.xml.bz2")
_MADE = list(articles(250, seed=3))


def _pages(path: Path, place: Place | None = None) -> list[Page | Broken]:
    return list(Dump(path).pages(DumpFile(path), place or Place()))


@pytest.mark.parametrize("name", _FORMS)
def test_every_page_is_there_and_goes_on_anywhere(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, _MADE)
    pages = _pages(path)
    assert [(one.id, one.title, one.namespace, one.redirect) for one in pages if isinstance(one, Page)] == [
        (made.id, made.title, made.namespace, made.redirect) for made in _MADE
    ]
    assert [one.text for one in pages if isinstance(one, Page)] == [made.text for made in _MADE]
    for number in (0, 1, 98, 99, 100, 101, 199, 248, 249):
        assert _pages(path, pages[number].place) == pages[number + 1 :]


def test_going_on_in_a_multistream_dump_reads_one_stream(tmp_path: Path) -> None:
    pages = _pages(write(tmp_path / "d-multistream.xml.bz2", _MADE))
    assert {one.place.stream for one in pages[:99]} != {one.place.stream for one in pages[100:199]}
    assert pages[150].place.past < 200_000 < pages[249].place.stream + sum(len(made.text) for made in _MADE)
    whole = _pages(write(tmp_path / "d.xml.bz2", _MADE))
    assert {one.place.stream for one in whole} == {0}


def test_streams_may_end_amid_a_page(tmp_path: Path) -> None:
    """Programs that compress with many threads cut where a block is full."""
    data = (head() + "".join(map(page, _MADE)) + TAIL).encode()
    cut = b"".join(bz2.compress(data[at : at + 7001]) for at in range(0, len(data), 7001))
    (tmp_path / "d.xml.bz2").write_bytes(cut)
    pages = _pages(tmp_path / "d.xml.bz2")
    assert [one.id for one in pages if isinstance(one, Page)] == [made.id for made in _MADE]
    for number in range(0, 249, 31):
        assert _pages(tmp_path / "d.xml.bz2", pages[number].place) == pages[number + 1 :]


@pytest.mark.parametrize(("language", "prefix"), [("en", "file"), ("zh", "媒体"), ("de", "datei")])
def test_the_head_tells_of_the_wiki(language: str, prefix: str, tmp_path: Path) -> None:
    wiki = Dump(write(tmp_path / "d.xml.bz2", [], language)).wiki()
    assert (wiki.name, wiki.language) == (f"{language}wiki", language)
    assert wiki.url("A B/C?") == f"https://{language}.wikipedia.org/wiki/A_B/C%3F"
    assert prefix in wiki.markup.wordless


def test_a_broken_page_costs_no_other(tmp_path: Path) -> None:
    data = head() + page(Made(1, "A", "a")) + "  <page><title>B</title><id>2</wrong></page>\n" + page(Made(3, "C", "c"))
    data += "  <page><title>D</title><ns>0</ns><id>x</id></page>\n" + page(Made(5, "E", "e")) + TAIL
    path = tmp_path / "d.xml"
    path.write_bytes(data.encode().replace(b">e<", b">e\xff<"))
    pages = _pages(path)
    assert [one.title if isinstance(one, Page) else None for one in pages] == ["A", None, "C", None, "E"]
    assert isinstance(pages[4], Page) and pages[4].text == "e�"


def test_a_page_larger_than_any_is_left_out(tmp_path: Path) -> None:
    made = [Made(1, "A", "a"), Made(2, "B", "b" * 17_000_000), Made(3, "C", "c"), Made(4, "D", "d" * 3_000_000)]
    for name in _FORMS:
        path = write(tmp_path / name, made, each=2)
        pages = _pages(path)
        assert [one.title if isinstance(one, Page) else None for one in pages] == ["A", None, "C", "D"]
        assert _pages(path, pages[1].place) == pages[2:]


def test_a_page_in_another_form_has_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "d.xml", [Made(1, "A.js", "var a;", model="javascript")])
    assert [one.text for one in _pages(path) if isinstance(one, Page)] == [""]


@pytest.mark.parametrize("name", _FORMS)
def test_a_file_that_is_cut_off_gives_what_it_has_and_says_so(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, _MADE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 5])
    with pytest.raises(SourceError, match=r"ends in the middle, after [\d,]+ bytes; download it again") as caught:
        _pages(path)
    assert "请重新下载" in caught.value.told("zh")
    if name != "d.xml.bz2":  # one block, which is whole or cannot be decompressed
        some = _some(path)
        assert len(some) > 50
        assert [one.id for one in some if isinstance(one, Page)] == [made.id for made in _MADE[: len(some)]]


def _some(path: Path) -> list[Page | Broken]:
    got: list[Page | Broken] = []
    pages = Dump(path).pages(DumpFile(path), Place())
    try:
        for one in pages:
            got.append(one)  # what came before the error is looked at
    except SourceError:
        pass
    return got


@pytest.mark.parametrize("name", ["d.xml.bz2", "d.xml.gz", "d-multistream.xml.bz2"])
def test_a_damaged_file_says_so(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, _MADE)
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at : at + 50] = bytes(50)
    path.write_bytes(data)
    with pytest.raises(SourceError, match="is damaged near byte"):
        _pages(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no dump of a wiki"),
        (b"%PDF-1.7 ...", "is no dump of a wiki"),
        (bz2.compress(b"INSERT INTO page VALUES (1);" * 1000), "is no dump of a wiki"),
        (gzip.compress(b"<html><body>404</body></html>", mtime=0), "is no dump of a wiki"),
        (b"<mediawiki><siteinfo><dbname>../x</dbname><base>https://a/wiki/A</base></siteinfo>", "is no dump of a wiki"),
        (b"<mediawiki><siteinfo><dbname>x</dbname></siteinfo>" + b" " * 5000, "is no dump of a wiki"),
        (b"<mediawiki xml:lang='en'>" + b"x" * 3_000_000, "is no dump of a wiki"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "is compressed as 7z, which is not read; get it as .bz2, or unpack it"),
        (b"PK\x03\x04....", "is compressed as zip"),
        (b"\x28\xb5\x2f\xfd....", "is compressed as zstd"),
        (b"BZh9 this is not bzip2 at all", "is damaged near byte"),
    ],
)
def test_what_is_no_dump_says_so_in_one_sentence(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "pages-articles.xml.bz2"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        Dump(path).wiki()
    assert says in str(caught.value) and str(path) in str(caught.value)
    assert caught.value.told("zh") != str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.bz2", tmp_path):
        with pytest.raises(SourceError, match=r"cannot be read \((No such file|Is a directory)"):
            Dump(path).wiki()
