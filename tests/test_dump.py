"""A dump in the index: found, resumed, replaced, followed: python -m pytest tests/test_dump.py"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from activity import Activity
from errors import SourceError
from retrieval import dump_intake
from retrieval.base import Document, SearchRequest
from retrieval.documents import IndexedDocuments
from retrieval.dump import main
from retrieval.dump_intake import SOURCE, Advance, DumpIntake, forget
from retrieval.dump_record import Record, records
from retrieval.dump_record import write as write_record
from retrieval.index import DocumentIndex
from tests.dumped import Held, held, opened
from tests.dumps import Made, articles, taken, write

_MADE = list(articles(120, seed=5))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_intake, "_BATCH_CHARS", 30_000)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DocumentIndex]:
    found = opened(tmp_path / "index")
    yield found
    found.close()


def _take(index: DocumentIndex, path: Path, until: Callable[[Advance], bool] = lambda advance: False) -> list[Advance]:
    stop, told = threading.Event(), list[Advance]()

    def tell(advance: Advance) -> None:
        told.append(advance)
        if until(advance):
            stop.set()

    assert DumpIntake(index, path).run(stop, tell) is not stop.is_set()
    return told


def _found(index: DocumentIndex, words: str) -> list[str]:
    return [one.title for one in index.search(SearchRequest(words, k=3), SOURCE)]


def test_articles_are_found_and_nothing_else_is(tmp_path: Path, index: DocumentIndex) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    told = _take(index, path)
    wanted = taken(_MADE)
    assert told[-1].whole and told[-1].articles == len(wanted) == len(index.documents(SOURCE, ""))
    assert [one.articles for one in told] == sorted(one.articles for one in told) and len(told) > 4
    assert all(0 <= one.done <= 1 for one in told) and told[2].left_s is not None
    made = wanted[10]
    (passage, *_) = index.search(SearchRequest(f"article{made.id}x", k=3), SOURCE)
    assert (passage.title, passage.document) == (made.title, f"enwiki-{made.id}")
    assert passage.url == f"https://en.wikipedia.org/wiki/{made.title}"
    assert passage.language == "en"
    document = index.document(passage.document, "somebody")
    assert document is not None and "## History" in document.text and "[[" not in document.text
    assert _found(index, "disambig redirect Box Is this so") == []


def test_chinese_articles_are_found(tmp_path: Path, index: DocumentIndex) -> None:
    text = "'''長城'''是-{zh-hans:古代中国;zh-hant:古代中國}-的防禦工程。{{lang|en|Great Wall}}\n\n== 歷史 ==\n始建於"
    text += "[[春秋時期|春秋]]。"
    _take(index, write(tmp_path / "d.xml.bz2", [Made(777, "長城 (中國)", text), *articles(30, 2, "zh")], "zh"))
    (passage, *_) = index.search(SearchRequest("长城", language="zh"), SOURCE)
    assert (passage.document, passage.language) == ("zhwiki-777", "zh")
    assert passage.url == "https://zh.wikipedia.org/wiki/%E9%95%B7%E5%9F%8E_(%E4%B8%AD%E5%9C%8B)"


@pytest.mark.parametrize(
    ("name", "batches"),
    [("d.xml", 2), ("d.xml.gz", 3), ("d.xml.bz2", 2), ("d-multistream.xml.bz2", 1), ("d-multistream.xml.bz2", 5)],
)
def test_what_was_stopped_goes_on_to_the_same_end(
    name: str, batches: int, tmp_path: Path, index: DocumentIndex
) -> None:
    path = write(tmp_path / name, _MADE, each=7)
    _take(index, path)
    index.close()
    other = opened(tmp_path / "other")
    runs = 0
    while not _take(other, path, lambda one: one.pages > 0 and not one.whole and _batch(one, batches))[-1].whole:
        runs += 1
        other.close()
        other = opened(tmp_path / "other")
    other.close()
    assert runs > 0
    _same(held(tmp_path / "index"), held(tmp_path / "other"))


_SEEN: list[int] = []


def _batch(advance: Advance, every: int) -> bool:
    _SEEN.append(advance.articles)
    return len(_SEEN) % every == 0


def _same(one: Held, other: Held) -> None:
    assert one.documents == other.documents
    assert one.passages == other.passages
    assert one.entries == other.entries == len(one.passages)


def test_a_crash_between_commit_and_record_doubles_nothing(
    tmp_path: Path, index: DocumentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "d-multistream.xml.bz2", _MADE, each=7)
    _take(index, path)
    index.close()
    other = opened(tmp_path / "other")
    writes = []

    def failing(folder: Path, wiki: str, record: Record) -> None:
        writes.append(record)
        if len(writes) == 4:
            raise KeyboardInterrupt
        write_record(folder, wiki, record)

    monkeypatch.setattr(dump_intake, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        _take(other, path)
    assert len(other.documents(SOURCE, "")) == writes[3].articles > writes[2].articles
    _take(other, path)
    other.close()
    _same(held(tmp_path / "index"), held(tmp_path / "other"))


def test_a_newer_dump_replaces_the_older_one(tmp_path: Path, index: DocumentIndex) -> None:
    path = tmp_path / "d.xml.bz2"
    _take(index, write(path, _MADE))
    _take(index, write(tmp_path / "zh.xml.bz2", list(articles(20, 2, "zh")), "zh"))
    index.add([Document("mine", "Mine", "It is mine, wordmine.", "documents", "anna")])
    gone, changed = taken(_MADE)[30], taken(_MADE)[31]
    newer = [
        replace(made, text="Changed to wordnew.") if made is changed else made for made in _MADE if made is not gone
    ]
    chinese = [info.id for info in index.documents(SOURCE, "") if info.id.startswith("zhwiki-")]
    write(path, [*newer, Made(999, "Added", "Something wordadded here.")])
    half = _take(index, path, lambda one: one.articles > 30)[-1]
    assert not half.whole and _found(index, f"article{gone.id}x")  # the older page stays until the newer dump is there
    index.delete("mine", "anna")  # numbers may come again
    index.close()
    index.open()
    index.add([Document("mine", "Mine", "It is mine, wordmine.", "documents", "anna")])
    _take(index, path)
    assert _found(index, f"article{gone.id}x") == [] == _found(index, f"article{changed.id}x")
    assert _found(index, "wordnew") == [changed.title] and _found(index, "wordadded") == ["Added"]
    assert index.document("mine", "anna") is not None
    ids = [info.id for info in index.documents(SOURCE, "")]
    assert sorted(ids) == sorted([*chinese, *(f"enwiki-{made.id}" for made in taken(newer)), "enwiki-999"])
    assert {name: record.whole for name, record in records(index.folder).items()} == {"enwiki": True, "zhwiki": True}


def test_a_dump_that_is_whole_is_not_read_again_unless_the_index_is_gone(tmp_path: Path, index: DocumentIndex) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    _take(index, path)
    (again,) = _take(index, path)
    assert again.whole and again.pages == 0 and again.articles == len(taken(_MADE))
    for info in index.documents(SOURCE, ""):
        index.delete(info.id, "")
    assert _take(index, path)[-1].pages == len(_MADE)
    (index.folder / "dumps" / "enwiki.json").write_text("{broken")
    assert _take(index, path)[-1].pages == len(_MADE)
    assert len(index.documents(SOURCE, "")) == len(taken(_MADE))


def test_a_dump_cut_off_replaces_nothing(tmp_path: Path, index: DocumentIndex) -> None:
    path = write(tmp_path / "d-multistream.xml.bz2", _MADE, each=7)
    whole = path.read_bytes()
    _take(index, path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="ends in the middle"):
        _take(index, path)
    assert len(index.documents(SOURCE, "")) == len(taken(_MADE))
    path.write_bytes(whole)
    assert _take(index, path)[-1].whole
    assert len(index.documents(SOURCE, "")) == len(taken(_MADE))


def test_pages_without_words_and_of_any_size_fail_no_other(tmp_path: Path, index: DocumentIndex) -> None:
    made = [
        Made(1, "Nothing", "{{stub}}"),
        Made(2, "Marks", "a.\n\nb.\n\nc.\n\nd.\n\ne.\n\nf.\n\ng.\n\nh.\n\ni.\n\nj."),
        Made(3, "Huge", "wordhuge " + "{{a|[[b|" * 100_000 + "word " * 500_000),
        Made(4, "Last", "It ends with wordlast in it."),
    ]
    _take(index, write(tmp_path / "d.xml", made))
    assert _found(index, "wordhuge") == ["Huge"] and _found(index, "wordlast") == ["Last"]
    assert not {"Nothing"} & {info.title for info in index.documents(SOURCE, "")}


def test_wikis_whose_names_begin_alike_are_told_apart(tmp_path: Path, index: DocumentIndex) -> None:
    for wiki in ("x", "x-y"):
        _take(index, write(tmp_path / f"{wiki}.xml", [Made(1, "A", "An article of wordwiki.")], wiki=wiki))
    assert forget(index, "x")
    assert [info.id for info in index.documents(SOURCE, "")] == ["x-y-1"]
    assert list(records(index.folder)) == ["x-y"] and not forget(index, "x")


def test_it_makes_way_for_who_waits(tmp_path: Path, index: DocumentIndex) -> None:
    waited: list[float] = []

    class Watched(Activity):
        def make_way(self, worked_s: float, stop: threading.Event) -> None:
            waited.append(worked_s)

    path = write(tmp_path / "d.xml", _MADE * 3)
    DumpIntake(index, path, Watched()).run(threading.Event(), lambda advance: None)
    assert waited and min(waited) >= 0.05


def test_an_article_is_found_by_its_name_without_going_through_all_names(tmp_path: Path, index: DocumentIndex) -> None:
    _take(index, write(tmp_path / "d.xml", _MADE))
    made = taken(_MADE)[0]
    documents = IndexedDocuments(index, SOURCE, countless=True)
    assert documents.called(SearchRequest(made.title))[0].about.title == made.title
    assert list(documents.called(SearchRequest("unheardofname.txt"))) == []


def test_the_command_indexes_says_so_and_forgets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    assert main([str(path), "--data-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"enwiki: {len(taken(_MADE))} articles." in said and "0.0 % of the dump read, 0 articles so far." in said
    assert main(["--forget", "xxwiki", "--data-dir", str(tmp_path)]) == 1
    assert "There is no dump of “xxwiki”" in capsys.readouterr().err
    assert main(["--forget", "enwiki", "--data-dir", str(tmp_path)]) == 0
    assert held(tmp_path / "index").documents == {} and records(tmp_path / "index") == {}


def test_the_command_says_what_is_wrong(
    tmp_path: Path, index: DocumentIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    assert main([str(path), "--data-dir", str(tmp_path)]) == 1
    assert "in use by another Groundchat" in capsys.readouterr().err
    assert main([str(tmp_path / "none"), "--data-dir", str(tmp_path / "other")]) == 1
    assert "cannot be read (No such file or directory)" in capsys.readouterr().err
