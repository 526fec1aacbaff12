"""The operator's documents in the background, beside a running app. python -m pytest tests/test_corpora.py"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from encoder import SentenceEncoder
from errors import SourceError
from retrieval.base import Document, SearchRequest
from retrieval.corpora import Corpora
from retrieval.corpus import SHARED, Corpus, Failure, File, Listing
from retrieval.fetch import Fetcher
from retrieval.http_cache import HttpCache
from retrieval.index import DocumentIndex
from retrieval.url_list import UrlList
from retrieval.watched_folder import WatchedFolder
from settings import Settings
from tests.web_server import Page, WebServer
from wiring import wire


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path / "index", SentenceEncoder())
    index.open()
    yield index
    index.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    return folder


@pytest.fixture
def follow(index: DocumentIndex, tmp_path: Path) -> Iterator[Callable[..., Corpora]]:
    begun: list[Corpora] = []

    def follow(*corpora: Corpus) -> Corpora:
        begun.append(Corpora(index, corpora, tmp_path / "data", look_every_s=0.02))
        begun[-1].start()
        return begun[-1]

    yield follow
    for corpora in begun:
        corpora.close()


def eventually(said: Callable[[], object], wanted: object) -> None:
    until = time.monotonic() + 20
    while said() != wanted and time.monotonic() < until:
        threading.Event().wait(0.01)
    assert said() == wanted


def names(index: DocumentIndex) -> list[str]:
    return sorted(info.name for info in index.documents(SHARED, ""))


def put(folder: Path, name: str, text: str) -> None:
    """Written elsewhere and moved here, so that it need not settle."""
    file = folder / f".{name}"
    file.write_text(text, encoding="utf-8")
    os.utime(file, (time.time() - 10,) * 2)
    file.rename(folder / name)


def test_a_folder_and_a_list_are_followed_side_by_side(
    index: DocumentIndex, follow: Callable[..., Corpora], folder: Path, tmp_path: Path
) -> None:
    put(folder, "a.md", "# Otters\n\nOtters sleep.")
    put(folder, "b.bin", "no document")
    with WebServer() as server:
        server.pages["/page.txt"] = Page(b"Badgers dig.")
        listed = tmp_path / "urls.txt"
        listed.write_text(server.url("/page.txt"))
        fetcher = Fetcher("Tests/1.0", allowed_hosts=[server.host])
        corpora = follow(WatchedFolder(folder, tmp_path), UrlList(listed, HttpCache(fetcher, tmp_path / "pages")))
        eventually(lambda: names(index), [f"{server.host.split(':')[0]}/page.txt", "a.md"])
        eventually(lambda: (corpora.status().documents, corpora.status().waiting), (2, 0))
        (failure,) = corpora.status().failures
        assert "b.bin" in str(failure)
        put(folder, "c.md", "# Herons\n\nHerons stand still.")
        (folder / "a.md").unlink()
        (folder / "b.bin").unlink()
        eventually(lambda: names(index), ["127.0.0.1/page.txt", "c.md"])
        eventually(lambda: corpora.status().failures, ())
        listed.write_text("# none any more\n")
        eventually(lambda: names(index), ["c.md"])
        corpora.close()
        fetcher.close()


def test_what_belongs_to_no_corpus_any_more_is_deleted(
    index: DocumentIndex, follow: Callable[..., Corpora], folder: Path, tmp_path: Path
) -> None:
    put(folder, "a.md", "# Otters\n\nOtters sleep.")
    index.add(
        [Document("old", "Old", "Left behind.", SHARED), Document("own", "Own", "Mine.", SHARED, owner="visitor")]
    )
    corpora = follow(WatchedFolder(folder, tmp_path))
    eventually(lambda: names(index), ["a.md"])
    assert [info.id for info in index.documents(SHARED, "visitor")] == ["own"]
    corpora.close()
    follow()  # neither a folder nor a list is set any more
    assert names(index) == []


def test_nothing_is_deleted_while_it_is_not_known_what_there_is(
    index: DocumentIndex, follow: Callable[..., Corpora], folder: Path, tmp_path: Path
) -> None:
    """The record is lost, and of a document that is in the index it cannot be told whether it is still there."""

    class Unsure:
        name = "unsure"
        looked = threading.Event()

        def listing(self) -> Listing:
            return Listing(frozenset({"a"}))

        def files(self, stop: threading.Event) -> Iterator[File | Failure]:
            yield Failure("a", SourceError("It cannot be had now."))
            self.looked.set()

        def forget(self, key: str) -> None:
            raise AssertionError("nothing is to be forgotten")

    index.add([Document("old", "Old", "Left behind.", SHARED, name="a")])
    unsure = Unsure()
    follow(unsure)
    for _ in range(2):
        unsure.looked.clear()
        assert unsure.looked.wait(10)
    assert names(index) == ["a"]


def test_a_bug_in_a_look_does_not_end_the_following(
    index: DocumentIndex,
    follow: Callable[..., Corpora],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = WatchedFolder(folder, tmp_path)
    listing, fails = watched.listing, [ZeroDivisionError()]

    def failing_once() -> Listing:
        if fails:
            raise fails.pop()
        return listing()

    monkeypatch.setattr(watched, "listing", failing_once)
    put(folder, "a.md", "# Otters\n\nOtters sleep.")
    follow(watched)
    eventually(lambda: names(index), ["a.md"])
    assert "ZeroDivisionError" in caplog.text


def test_the_app_offers_shared_documents_and_answers_before_they_are_read(tmp_path: Path, folder: Path) -> None:
    put(folder, "house.md", "# House rules\n\nThe kitchen closes at nine.")
    settings = Settings(data_dir=tmp_path / "data", documents_folder=folder, network=False, model="reader")
    core = wire(settings)
    source = next(source for source in core.assistant.sources.all if source.name == SHARED)
    assert (source.label("en"), source.label("zh"), source.remote) == ("Shared documents", "共享文档", False)
    assert source.empty("anyone")
    core.index.open()
    core.corpora.start()
    eventually(lambda: core.corpora.status().documents, 1)
    assert not source.empty("anyone")
    found = source.retriever.search(SearchRequest("When does the kitchen close?", owner="anyone"))
    assert [passage.text for passage in found] == ["The kitchen closes at nine."]
    core.corpora.close()
    core.index.close()


def test_without_the_settings_there_is_no_such_source(tmp_path: Path) -> None:
    core = wire(Settings(data_dir=tmp_path / "data", network=False, model="reader"))
    assert SHARED not in [source.name for source in core.assistant.sources.all]
