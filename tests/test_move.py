"""Moving the documents of one machine into a Milvus: python -m pytest tests/test_move.py"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from encoder import SentenceEncoder
from errors import DocumentError
from retrieval import intake
from retrieval.base import Document, Incoming, Part, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.milvus import MilvusIndex
from retrieval.move import move
from tests.milvus_server import MilvusServer

_ROOT = Path(__file__).parent.parent
_SMALL = "import sys, retrieval.move as m; m._AT_ONCE = 5; sys.argv[0] = 'move'; sys.exit(m.main())"
"""The command with batches so small that it can be killed between them."""
_WALLS = "长城是中国古代的防御工程，东起山海关，西至嘉峪关。"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as server:
        yield server


def _book(pages: int) -> Incoming:
    def parts(start: int) -> Iterator[Part]:
        for page in range(start, pages):
            words = " ".join(f"word{page}x{i}" for i in range(250))
            yield Part(f"Page {page} is about topic{page}. {words}.", f"page {page}", done=(page + 1) / pages)

    return Incoming("book", "Book", "documents", parts, "anna", language="en")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, encoder: SentenceEncoder) -> Path:
    """A data folder: documents of two owners and of everybody, a long one, one that is not whole; some have vectors."""
    folder = tmp_path_factory.mktemp("data")
    index = DocumentIndex(folder / "index", encoder)
    index.open()
    index.add(
        [
            Document("mars", "Mars", "Mars has two small moons, Phobos and Deimos.", "library"),
            Document("wall", "长城", _WALLS, "library"),
            Document("mine", "Mine", "A private word about zebras.", "documents", owner="anna"),
            Document("his", "His", "Another private word about zebras.", "documents", owner="bob"),
        ]
    )
    index.backfill(threading.Event())
    index.add_incoming(_book(150))
    stop = threading.Event()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(intake, "_BATCH_CHARS", 8_000)
        index.add_incoming(
            Incoming("half", "Half", "documents", _book(40).parts, "bob", language="en"),
            lambda done, passages: stop.set() if done > 0.5 else None,
            stop,
        )
    index.close()
    return folder


def test_a_killed_move_is_gone_on_with_and_counts_agree(
    data: Path, server: MilvusServer, encoder: SentenceEncoder
) -> None:
    command = [sys.executable, "-c", _SMALL, "--from", str(data), "--to", server.url]
    killed = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert killed.stderr is not None
    said = []
    for line in killed.stderr:
        said.append(line)
        if line.startswith("“Book”: 100 of"):
            killed.kill()
    killed.communicate()
    assert said[-1].startswith("“Book”: 1"), said

    index = MilvusIndex(server.url, encoder)
    index.open()
    found = index.search(SearchRequest("topic3", owner="anna"), "documents")
    assert "book" not in {passage.document for passage in found}  # not whole, so not seen
    there = index._milvus.count(index._commits.passages)
    assert there >= 100

    moved = move(data / "index", server.url, encoder)
    assert moved.complete and (moved.documents, moved.new, moved.unfinished) == (5, 1, 1)
    assert moved.passages == moved.there > there
    assert str(moved).startswith(
        f"Complete: Milvus holds all {moved.passages:,} passages of 5 documents, 1 of them new"
    )
    assert str(moved).endswith("; 1 unfinished stay behind.")

    local = DocumentIndex(data / "index", encoder)
    local.open()
    for source, owner in (("library", ""), ("documents", "anna"), ("documents", "bob")):
        assert index.documents(source, owner) == local.documents(source, owner)
        for query in ("topic3 topic77", "zebras", "长城 山海关", "How many moons does Mars have?"):
            request = SearchRequest(query, owner=owner, k=5)
            here = {passage.id for passage in local.search(request, source) if passage.score}
            assert {passage.id for passage in index.search(request, source) if passage.score} == here
    assert index.document("book", "anna") == local.document("book", "anna")
    assert index.document("book", "bob") is None
    local.close()
    index.close()


def test_the_vectors_go_along(data: Path, server: MilvusServer, encoder: SentenceEncoder) -> None:
    move(data / "index", server.url, encoder)
    index = MilvusIndex(server.url, encoder)
    index.open()
    name = index._commits.passages
    assert index._milvus.count(name, f'encoded == "{encoder.hash}"') == 3  # not the Chinese one, not the book
    assert index.search(SearchRequest("natural satellites of the red planet"), "library")[0].id == "mars#0"
    index.close()


def test_what_was_lost_there_is_moved_again(data: Path, server: MilvusServer, encoder: SentenceEncoder) -> None:
    first = move(data / "index", server.url, encoder)
    assert first.complete
    index = MilvusIndex(server.url, encoder)
    index.open()
    index._milvus.remove(index._commits.passages, "ordinal == 7")
    again = move(data / "index", server.url, encoder)
    assert again.complete and again.new == 1
    assert move(data / "index", server.url, encoder).new == 0
    index.close()


def test_an_incomplete_move_says_so(data: Path, server: MilvusServer, encoder: SentenceEncoder) -> None:
    """Somebody deletes passages there while the command runs."""
    index = MilvusIndex(server.url, encoder)
    index.open()

    def delete(line: str) -> None:
        index._milvus.remove(index._commits.passages, "ordinal == 3")

    moved = move(data / "index", server.url, encoder, report=delete)
    assert not moved.complete
    assert str(moved).startswith(f"Incomplete: Milvus holds {moved.passages - 1:,} of {moved.passages:,} passages")
    index.close()


def test_a_folder_in_use_and_a_folder_without_an_index(
    data: Path, server: MilvusServer, encoder: SentenceEncoder, tmp_path: Path
) -> None:
    with pytest.raises(DocumentError, match="There is no index in"):
        move(tmp_path / "index", server.url, encoder)
    local = DocumentIndex(data / "index", encoder)
    local.open()
    with pytest.raises(DocumentError, match="in use by another Groundchat"):
        move(data / "index", server.url, encoder)
    local.close()
