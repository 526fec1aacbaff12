"""A dump followed by the app, and its setting: python -m pytest tests/test_dump_source.py"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from errors import SettingsError
from retrieval import dump_source
from retrieval.base import Live, Retriever, SearchRequest
from retrieval.dump_intake import SOURCE, Advance
from retrieval.dump_source import WikipediaDump, duration, duration_zh, told
from retrieval.index import DocumentIndex
from settings import Settings, load
from tests.dumped import opened
from tests.dumps import Made, articles, taken, write
from wiring import wire

_MADE = list(articles(60, seed=8))
_LIMIT_S = 60.0


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DocumentIndex]:
    found = opened(tmp_path / "index")
    yield found
    found.close()


@pytest.fixture
def followed(tmp_path: Path, index: DocumentIndex) -> Iterator[WikipediaDump]:
    """A dump that is looked at again without rest; `tmp_path / "d.xml.bz2"`, which is not there yet."""
    dump = WikipediaDump(index, tmp_path / "d.xml.bz2", look_every_s=0.01)
    yield dump
    dump.close()


def _until(reached: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(int(_LIMIT_S / 0.02)):
        if reached():
            return
        waited.wait(0.02)
    raise AssertionError("it was not reached in a minute")


def _says(dump: WikipediaDump, words: str) -> Callable[[], bool]:
    return lambda: words in (((status := dump.status()) and status.text) or "")


def test_it_is_read_in_the_background_and_a_newer_file_after_it(
    tmp_path: Path, followed: WikipediaDump, index: DocumentIndex
) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    live: Live = followed
    retriever: Retriever = followed
    assert live.status() is None and live.settings == () and live.checked({}) == {} and followed.empty()
    followed.check()
    followed.start()
    _until(_says(followed, f"enwiki: {len(taken(_MADE))} articles."))
    assert not followed.empty() and retriever.name == SOURCE
    made = taken(_MADE)[2]
    assert retriever.search(SearchRequest(f"article{made.id}x", k=1))[0].title == made.title
    write(path, [Made(5, "Newer", "It is the only article with wordnewer.")])
    _until(_says(followed, "enwiki: 1 articles."))
    assert [one.title for one in retriever.search(SearchRequest("wordnewer"))] == ["Newer"]
    assert len(index.documents(SOURCE, "")) == 1
    path.unlink()
    _until(lambda: followed._state() is None)
    assert [one.title for one in retriever.search(SearchRequest("wordnewer"))] == ["Newer"]


def test_a_file_that_was_read_may_be_deleted(tmp_path: Path, index: DocumentIndex) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    first = WikipediaDump(index, path, look_every_s=0.01)
    first.start()
    _until(_says(first, "articles."))
    first.close()
    path.unlink()
    second = WikipediaDump(index, path, look_every_s=0.01)
    second.check()
    second.start()
    _until(_says(second, f"enwiki: {len(taken(_MADE))} articles."))
    second.close()


def test_what_fails_is_told_and_mended_by_another_file(tmp_path: Path, followed: WikipediaDump) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    followed.start()
    _until(_says(followed, "ends in the middle"))
    status = followed.status()
    assert status is not None and status.failing and "不完整" in status.zh
    path.write_bytes(whole)
    _until(_says(followed, f"enwiki: {len(taken(_MADE))} articles."))
    status = followed.status()
    assert status is not None and not status.failing


def test_closing_stops_it_at_once(tmp_path: Path, index: DocumentIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_source, "_CLOSING_S", _LIMIT_S)
    dump = WikipediaDump(index, write(tmp_path / "d.xml.bz2", articles(2000, seed=1)), look_every_s=0.01)
    dump.start()
    _until(lambda: dump.status() is not None)
    dump.close()
    status = dump.status()
    assert status is not None and not status.failing and "of the dump read" in status.text
    assert dump._thread is not None and not dump._thread.is_alive()


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (20, "less than a minute", "不到一分钟"),
        (600, "10 min", "10 分钟"),
        (3600 * 30 + 1800, "30 h 30 min", "30 小时 30 分钟"),
    ],
)
def test_how_long_it_takes_is_said_in_words(seconds: float, english: str, chinese: str) -> None:
    assert (duration(seconds), duration_zh(seconds)) == (english, chinese)
    status = told(Advance("enwiki", 0.125, 1234567, 10, 5.0, seconds))
    assert status.text == f"enwiki: 12.5 % of the dump read, 1,234,567 articles so far, about {english} left."
    assert status.zh == f"enwiki：转储文件已读取 12.5 %，目前有 1,234,567 篇条目，约剩 {chinese}。"


def test_the_setting_names_a_source(tmp_path: Path) -> None:
    path = write(tmp_path / "d.xml.bz2", _MADE)
    settings = load(["--wikipedia-dump", str(path), "--data-dir", str(tmp_path / "data"), "--network", "off"], {})
    assert load([], {"GROUNDCHAT_WIKIPEDIA_DUMP": str(path)}).wikipedia_dump == path == settings.wikipedia_dump
    core = wire(settings)
    (source,) = core.assistant.sources.named([SOURCE])
    assert not source.remote and source.labels == {"en": "Wikipedia dump", "zh": "维基百科转储"}
    core.index.open()
    assert source.empty("anna")
    assert core.dump is not None
    core.dump.start()
    _until(_says(core.dump, "articles."))
    made = taken(_MADE)[1]
    assert not source.empty("anna")
    assert source.retriever.search(SearchRequest(f"article{made.id}x", owner="anna"))[0].title == made.title
    core.close()


def test_without_the_setting_there_is_no_such_source(tmp_path: Path) -> None:
    core = wire(Settings(data_dir=tmp_path, network=False))
    assert core.dump is None and SOURCE not in [source.name for source in core.assistant.sources.all]


def test_a_start_with_what_is_no_dump_says_so(tmp_path: Path) -> None:
    (tmp_path / "page.sql.gz").write_bytes(b"INSERT INTO page")
    for name, says in (("none.xml.bz2", r"cannot be read \(No such file"), ("page.sql.gz", "is no dump of a wiki")):
        with pytest.raises(SettingsError, match=f"--wikipedia-dump: .*{says}"):
            wire(Settings(data_dir=tmp_path, wikipedia_dump=tmp_path / name))
