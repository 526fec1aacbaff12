"""The document index and its vectors: python -m pytest tests/test_index.py"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from encoder import SentenceEncoder
from errors import DocumentError, SourceError
from retrieval.base import Document, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.stored import FOLDER
from retrieval.vectors import encoded_texts, units, vector_key

_ROOT = Path(__file__).parent.parent
MOON = "# Moon\n\nThe Moon is the only natural satellite of the Earth.\n\n## Orbit\n\nIt orbits in 27 days."
MARS = "Mars is the fourth planet from the Sun. It has two small moons, Phobos and Deimos."


class _Knows:
    """An encoder that is never loaded: what these tests do must not need one."""

    languages = frozenset({"en"})
    loaded = False

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the encoder was asked for {name}")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path / "documents", _Knows())  # type: ignore[arg-type]  # stands for an encoder
    index.open()
    yield index
    index.close()


def _document(id: str, text: str, owner: str = "", source: str = "documents", title: str = "") -> Document:
    return Document(id=id, title=title or id, text=text, source=source, owner=owner)


def _found(index: DocumentIndex, query: str, owner: str = "", source: str = "documents", **more: object) -> list[str]:
    request = SearchRequest(query, owner=owner, **more)  # type: ignore[arg-type]  # fields of the request by name
    return [passage.id for passage in index.search(request, source)]


def test_a_document_is_found_as_soon_as_it_is_added(index: DocumentIndex) -> None:
    index.add([_document("moon", MOON, title="Moon"), _document("mars", MARS)])
    best = index.search(SearchRequest("What orbits in 27 days?"), "documents")[0]
    assert (best.id, best.section, best.title, best.language) == ("moon#1", "Orbit", "Moon", "en")
    assert MOON[best.start : best.end] == best.text == "It orbits in 27 days."
    assert best.score > 0 and not best.leads


def test_title_and_headings_are_searched(index: DocumentIndex) -> None:
    index.add([_document("a", "# Zebra\n\n## Stripes\n\nBlack and white.", title="Zebra")])
    assert _found(index, "zebra") == _found(index, "stripe") == ["a#0"]


def test_a_visitor_never_sees_what_is_anothers(index: DocumentIndex) -> None:
    index.add(
        [
            _document("public", "A public word about zebras."),
            _document("anna", "Anna's secret word about zebras.", owner="anna"),
            _document("bert", "Bert's secret word about zebras.", owner="bert"),
        ]
    )
    assert set(_found(index, "secret zebras", owner="anna")) == {"public#0", "anna#0"}
    assert _found(index, "secret zebras") == ["public#0"]
    assert [info.id for info in index.documents("documents", "anna")] == ["anna"]
    assert [info.id for info in index.documents("documents", "")] == ["public"]
    for id in ("anna", "public"):
        assert index.document(id, "anna") is not None and index.passage(f"{id}#0", "anna") is not None
    assert index.document("bert", "anna") is None
    assert index.passage("bert#0", "anna") is None
    assert index.document("bert", "") is None
    assert not index.delete("bert", "anna") and not index.delete("public", "anna")
    assert index.document("bert", "bert") is not None


@pytest.mark.parametrize("owner", ["anna OR bert", "*", "documents\x1fanna", "\x1fanna", "anna\x1f"])
def test_an_owner_key_is_only_ever_compared(index: DocumentIndex, owner: str) -> None:
    index.add([_document("anna", "A secret word.", owner="anna")])
    assert _found(index, "secret", owner=owner) == []


def test_owners_may_have_documents_of_one_id(index: DocumentIndex) -> None:
    index.add([_document("x", "Anna's words.", owner="anna")])
    index.add([_document("x", "Bert's text.", owner="bert")])
    anna, bert = index.document("x", "anna"), index.document("x", "bert")
    assert anna is not None and bert is not None
    assert (anna.text, bert.text) == ("Anna's words.", "Bert's text.")
    assert index.delete("x", "anna")
    assert index.document("x", "bert") is not None


def test_sources_are_apart(index: DocumentIndex) -> None:
    index.add([_document("a", "One word.", source="library"), _document("b", "Another word.")])
    assert [p.id for p in index.retriever("library").search(SearchRequest("word"))] == ["a#0"]
    assert index.retriever("library").name == "library"
    assert _found(index, "word", source="nowhere") == []


def test_the_same_id_replaces(index: DocumentIndex) -> None:
    index.add([_document("a", "# A\n\nold words\n\n## B\n\nmore old words")])
    index.add([_document("a", "new words")])
    assert _found(index, "old words new") == ["a#0"]
    assert [(info.id, info.passages, info.characters) for info in index.documents("documents", "")] == [("a", 1, 9)]


def test_deleting(index: DocumentIndex) -> None:
    index.add([_document("a", "some words"), _document("b", "some words too")])
    assert index.delete("a", "") and not index.delete("a", "")
    assert _found(index, "words") == ["b#0"]
    assert index.document("a", "") is None


def test_exclude_and_k(index: DocumentIndex) -> None:
    index.add([_document("a", "# A\n\n## 1\n\nwords one\n\n## 2\n\nwords two"), _document("b", "words three")])
    assert set(_found(index, "words")) == {"a#0", "a#1", "b#0"}
    assert set(_found(index, "words", exclude=frozenset({"a"}))) == {"b#0"}
    assert set(_found(index, "words", exclude=frozenset({"a#1", "b"}))) == {"a#0"}
    assert len(_found(index, "words", k=2)) == 2
    assert _found(index, "words", k=0) == []


def test_the_whole_text_can_be_had_again(index: DocumentIndex) -> None:
    text = f"  \n\n{MOON}\n\n***\n\n" + "Sentence number one is here. " * 400 + "\n\n## End\n"
    index.add([_document("a", text, title="Moon")])
    document = index.document("a", "")
    assert document is not None
    assert document.text == text
    assert (document.title, document.source, document.language) == ("Moon", "documents", "en")


def test_neighbours(index: DocumentIndex) -> None:
    index.add([_document("a#b", "\n\n".join(f"## {i}\n\nwords {i}" for i in range(12)), owner="anna")])
    assert [p.id for p in index.neighbours("a#b#9", "anna", 2)] == ["a#b#7", "a#b#8", "a#b#10", "a#b#11"]
    assert [p.id for p in index.neighbours("a#b#0", "anna")] == ["a#b#1"]
    assert index.neighbours("a#b#0", "bert") == index.neighbours("a", "anna") == []


def test_a_visitor_with_nearly_everything_gets_the_same_passages_and_no_others(index: DocumentIndex) -> None:
    """Where most passages are in scope the best of all are looked at first; naming an exclusion asks for the scope."""
    words = ["river", "stone", "cloud", "market", "engine", "window", "garden", "letter", "winter", "silver"]
    drawn = random.Random(0)
    given = [
        _document(f"d{i}", " ".join(drawn.choices(words, k=30)), owner="bert" if i % 10 == 0 else "anna", title=f"T{i}")
        for i in range(300)
    ]
    index.add([*given, _document("other", "river river stone", source="library")])
    for owner, theirs in (("anna", 270), ("bert", 30), ("", 0)):
        for k in (5, 100, 1000):
            for query in ("river stone", "cloud", "a silver garden in winter", "market engine window"):
                found = _found(index, query, owner, k=k)
                apart = _found(index, query, owner, k=k, exclude=frozenset({"nothing"}))
                assert len(found) == len(apart) <= min(k, theirs) and set(found) == set(apart)
                assert all((int(id[1:-2]) % 10 == 0) == (owner == "bert") for id in found)


@pytest.mark.parametrize(
    "query",
    ["", " ", "😀", '+-&&||!(){}[]^"~*?:\\/', "AND OR NOT", "title:x AND (", "\x00\x1f", "a" * 100_000],
)
def test_no_query_is_too_odd(index: DocumentIndex, query: str) -> None:
    index.add([_document("a", MOON)])
    assert _found(index, query) == []


def test_a_long_query_still_finds_what_is_rare_in_it(index: DocumentIndex) -> None:
    index.add([_document(f"d{i}", f"words about number{i} and the like") for i in range(50)])
    query = "words about it " * 900 + "number7 " + "and the like " * 2000
    assert len(query) < 100_000
    assert _found(index, query)[0] == "d7#0"


def test_words_without_topic_are_found_where_there_is_nothing_else(index: DocumentIndex) -> None:
    index.add([_document("a", "The Who is an English rock band."), _document("b", "Rock is hard.")])
    assert _found(index, "The Who") == ["a#0"]


def test_chinese(index: DocumentIndex) -> None:
    index.add([_document("zh", "黑豹队的防守只丢了308分。他们赢了。"), _document("en", MARS)])
    assert _found(index, "黑豹队丢了多少分？") == ["zh#0"]
    assert index.documents("documents", "")[0].language in ("zh", "en")
    assert {info.id: info.language for info in index.documents("documents", "")} == {"zh": "zh", "en": "en"}


def test_a_question_is_stemmed_as_the_documents_are(index: DocumentIndex) -> None:
    german = "Die Häuser der Stadt wurden im Mittelalter aus Holz gebaut, und viele davon stehen heute noch."
    index.add([_document("de", german), _document("en", "The houses of the town were built of wood.")])
    assert _found(index, "Haus") == ["de#0"]
    assert _found(index, "house") == ["en#0"]


def test_a_document_without_words_is_refused_and_nothing_is_added(index: DocumentIndex) -> None:
    with pytest.raises(DocumentError, match="“b” holds no text"):
        index.add([_document("a", "words"), _document("b", "***")])
    assert _found(index, "words") == [] and index.documents("documents", "") == []
    index.add([_document("a", "words")])
    assert _found(index, "words") == ["a#0"]


def test_a_failure_halfway_leaves_nothing(index: DocumentIndex) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.add([_document("a", "words")], stop)
    index.add([_document("b", "words")])
    assert _found(index, "words") == ["b#0"]


def test_progress_ends_at_the_total(index: DocumentIndex) -> None:
    seen: list[tuple[int, int]] = []
    index.add([_document("a", MOON), _document("b", MARS)], lambda done, total: seen.append((done, total)))
    total = len(MOON) + len(MARS)
    assert seen[-1] == (total, total) and seen == sorted(seen) and len(seen) == 2


def test_documents_outlive_the_process_that_added_them(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib; from retrieval.base import Document; from retrieval.index import DocumentIndex;"
        "from encoder import SentenceEncoder\n"
        "index = DocumentIndex(pathlib.Path(sys.argv[1]), SentenceEncoder()); index.open()\n"
        "index.add([Document('a', 'A', 'kept words', 'documents')])\n"
        "writer = index._storage._writer; import tantivy; writer.add_document(tantivy.Document(id='x', body='torn'))\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=_ROOT, check=False).returncode == 9
    index = DocumentIndex(tmp_path, SentenceEncoder())
    index.open()
    assert _found(index, "kept words") == ["a#0"] and _found(index, "torn") == []
    index.close()


def test_a_second_writer_is_told_in_one_sentence(index: DocumentIndex) -> None:
    second = DocumentIndex(index.folder, SentenceEncoder())
    with pytest.raises(DocumentError, match="are in use by another Groundchat") as error:
        second.open()
    assert "\n" not in str(error.value)
    second.close()
    index.add([_document("a", "words")])
    assert _found(index, "words") == ["a#0"]


def test_a_damaged_or_forbidden_folder_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "meta.json").write_text("junk")
    with pytest.raises(DocumentError, match="cannot be read") as error:
        DocumentIndex(tmp_path, SentenceEncoder()).open()
    assert "\n" not in str(error.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(DocumentError, match="cannot be used"):
        DocumentIndex(tmp_path / "file", SentenceEncoder()).open()


def test_what_words_miss_is_found_by_meaning(tmp_path: Path, encoder: SentenceEncoder) -> None:
    index = DocumentIndex(tmp_path, encoder)
    index.open()
    index.add(
        [
            _document("sick", "Tell your manager before nine on the first day of sickness.", owner="me"),
            _document("not mine", "Whoever feels sick phones the manager.", owner="other"),
            _document("boat", "A boat needs fresh paint every spring."),
        ]
    )
    question = SearchRequest("I feel ill, what now?", owner="me")
    assert index.search(question, "documents") == []
    index.backfill(threading.Event())
    found = index.search(question, "documents")
    assert [(p.id, p.score) for p in found] == [("sick#0", 0.0)]
    assert (
        index.search(SearchRequest("I feel ill, what now?", owner="me", exclude=frozenset({"sick"})), "documents") == []
    )
    index.close()


def test_a_closed_index_says_so(tmp_path: Path) -> None:
    index = DocumentIndex(tmp_path, SentenceEncoder())
    with pytest.raises(SourceError, match="are closed"):
        _found(index, "words")
    with pytest.raises(DocumentError, match="are closed"):
        index.add([_document("a", "words")])
    index.close()


def test_searching_while_adding(index: DocumentIndex) -> None:
    index.add([_document("first", "words")])
    wrong: list[list[str]] = []

    def look() -> None:
        for _ in range(200):
            found = _found(index, "words", k=1000)
            if "first#0" not in found or len(found) % 2 == 0:  # two documents come with each commit
                wrong.append(found)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(10):
        index.add([_document(f"{i}a", "words"), _document(f"{i}b", "words")])
    for thread in threads:
        thread.join()
    assert wrong == []


def test_vectors_follow_in_the_background(tmp_path: Path, encoder: SentenceEncoder) -> None:
    index = DocumentIndex(tmp_path, encoder)
    index.open()
    index.add([_document("mars", MARS), _document("zh", "黑豹队的防守只丢了308分。")])
    passage = index.search(SearchRequest("planet"), "documents")[0]
    texts = encoded_texts(passage, units(passage.text))
    assert texts[0] == "mars. Mars is the fourth planet from the Sun."
    assert index.vectors([vector_key(texts)]) == [None]
    seen: list[tuple[int, int]] = []
    index.backfill(threading.Event(), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]  # the encoder does not know Chinese
    stored = index.vectors([vector_key(texts)])[0]
    assert stored is not None
    np.testing.assert_allclose(stored, encoder.encode(texts), atol=0.02)
    index.backfill(threading.Event(), lambda done, total: seen.append((done, total)))
    assert len(seen) == 1  # nothing is encoded twice
    index.close()


def test_the_thread_encodes_what_is_added_later_and_ends(tmp_path: Path, encoder: SentenceEncoder) -> None:
    index = DocumentIndex(tmp_path, encoder)
    index.open()
    index.start_backfill()
    index.add([_document("mars", MARS)])
    passage = index.search(SearchRequest("planet"), "documents")[0]
    key = vector_key(encoded_texts(passage, units(passage.text)))
    for _ in range(1000):
        if index.vectors([key])[0] is not None:
            break
        threading.Event().wait(0.01)
    assert index.vectors([key])[0] is not None
    index.close()
    assert "vectors" not in {thread.name for thread in threading.enumerate()}
