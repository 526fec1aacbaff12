"""The index past one machine, over the network against Milvus Lite's server: python -m pytest tests/test_milvus.py"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from encoder import SentenceEncoder
from errors import DocumentError, SourceError
from retrieval import intake
from retrieval.base import Document, Incoming, Part, SearchRequest
from retrieval.files import open_file
from retrieval.index import DocumentIndex
from retrieval.index_protocol import Index
from retrieval.intake import Progress
from retrieval.judge import SentenceJudge
from retrieval.milvus import MilvusIndex, fusion
from retrieval.rerank import Reranker
from retrieval.stored import DocumentInfo
from retrieval.unit_vectors import UnitVectors
from retrieval.uploads import State, Upload, Uploads
from retrieval.vectors import encoded_texts, units, vector_key
from tests.milvus_server import MilvusServer

MOON = "# Moon\n\nThe Moon is the only natural satellite of the Earth.\n\n## Orbit\n\nIt orbits in 27 days."
MARS = "Mars is the fourth planet from the Sun. It has two small moons, Phobos and Deimos."
GREAT_WALL = "长城是中国古代的防御工程，东起山海关，西至嘉峪关。"
ILL = "An employee who is ill calls the office before nine. A doctor's note is due on the third day."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as server:
        yield server


@pytest.fixture
def index(server: MilvusServer, encoder: SentenceEncoder) -> Iterator[MilvusIndex]:
    server.clear()
    index = MilvusIndex(server.url, encoder)
    index.open()
    yield index
    index.close()


def _document(id: str, text: str, owner: str = "", source: str = "documents", title: str = "") -> Document:
    return Document(id=id, title=title or id, text=text, source=source, owner=owner)


def _found(index: Index, query: str, owner: str = "", source: str = "documents", **more: object) -> list[str]:
    request = SearchRequest(query, owner=owner, **more)  # type: ignore[arg-type]  # fields of the request by name
    return [passage.id for passage in index.search(request, source)]


def _paged(id: str, pages: int, owner: str = "", fail_at: int = -1) -> Incoming:
    def parts(start: int) -> Iterator[Part]:
        for page in range(start, pages):
            if page == fail_at:
                raise DocumentError("The file is damaged.")
            words = " ".join(f"filler{page}x{i}" for i in range(300))
            yield Part(f"Page {page} is about topic{page}. {words}.", f"page {page}", done=(page + 1) / pages)

    return Incoming(id, f"Title of {id}", "documents", parts, owner, language="en")


def test_a_document_is_found_as_soon_as_it_is_added(index: MilvusIndex) -> None:
    shared: Index = index
    shared.add([_document("moon", MOON, title="Moon"), _document("mars", MARS)])
    best = shared.search(SearchRequest("What orbits in 27 days?"), "documents")[0]
    assert (best.id, best.section, best.title, best.language) == ("moon#1", "Orbit", "Moon", "en")
    assert MOON[best.start : best.end] == best.text == "It orbits in 27 days."
    assert best.score > 0
    assert index.search(SearchRequest("zebra"), "documents") == []
    assert index.search(SearchRequest("??"), "documents") == []


def test_terms_are_the_same_as_on_one_machine(index: MilvusIndex, encoder: SentenceEncoder, tmp_path: Path) -> None:
    """Stems, accents, traditional characters, and numbers; BM25 finds the same passages in the same order."""
    texts = [MOON, MARS, GREAT_WALL, "Café society, 1,000 cafés.", "Die Häuser der Städte sind alt und hoch.", ILL]
    documents = [_document(f"d{i}", text) for i, text in enumerate(texts)]
    local = DocumentIndex(tmp_path, encoder)
    local.open()
    local.add(documents)
    index.add(documents)
    for query in ("orbiting moons", "長城", "CAFE 1000", "Haus Stadt", "planets and satellites of the sun", "U.S."):
        here = [passage for passage in local.search(SearchRequest(query), "documents") if passage.score]
        there = index.search(SearchRequest(query), "documents")
        assert [passage.id for passage in there] == [passage.id for passage in here], query
        assert [p.score for p in there] == pytest.approx([p.score for p in here], rel=0.35)
    assert index.frequencies(["moon", "长城", "nothing"]) == local.frequencies(["moon", "长城", "nothing"])
    local.close()


def test_a_visitor_never_sees_what_is_anothers(index: MilvusIndex) -> None:
    anna, bob = 'anna" or scope != "', "bob"
    index.add(
        [
            _document("public", "A public word about zebras."),
            _document("annas", "A private word about zebras.", owner=anna),
            _document("bobs", "Another private word about zebras.", owner=bob),
        ]
    )
    assert set(_found(index, "zebras")) == {"public#0"}
    assert set(_found(index, "zebras", owner=anna)) == {"public#0", "annas#0"}
    assert set(_found(index, "zebras", owner=bob)) == {"public#0", "bobs#0"}
    assert index.passage("annas#0", bob) is None
    assert index.document("annas", bob) is None
    assert index.window("annas", 0, "") is None
    assert index.neighbours("annas#0", bob) == []
    assert not index.delete("annas", bob) and not index.delete("public", bob)
    assert [info.id for info in index.documents("documents", bob)] == ["bobs"]
    assert [info.id for info in index.documents("documents", "")] == ["public"]
    assert index.documents("library", bob) == []


def test_vectors_find_what_words_do_not_and_belong_to_their_owner(index: MilvusIndex) -> None:
    index.add([_document("rules", ILL), _document("moon", MOON), _document("annas", ILL, owner="anna")])
    assert _found(index, "unwell staff sickness") == []
    index.backfill(threading.Event())
    assert _found(index, "unwell staff sickness")[0] == "rules#0"
    assert "annas#0" not in _found(index, "unwell staff sickness", owner="bob")
    assert index.search(SearchRequest("unwell staff sickness"), "documents")[0].score == 0
    progress = index.backfill_progress
    assert (progress.done, progress.total) == (4, 4)


def test_both_orders_are_fused_by_rank() -> None:
    assert fusion([["a", "b", "c"], ["c", "a", "d"]]) == ["a", "c", "b", "d"]
    assert fusion([["a"], []]) == ["a"]
    assert fusion([]) == []
    # 1/61 + 1/63 against 1/62 + 1/62: the formula's own numbers.
    assert fusion([["x", "y"], ["z", "y", "x"]])[0] == "x"


def test_the_same_reranking_follows(index: MilvusIndex, encoder: SentenceEncoder, tmp_path: Path) -> None:
    """With the vectors that Milvus holds, order and probabilities are those of one machine."""
    documents = [_document(f"d{i}", text) for i, text in enumerate([MOON, MARS, ILL, GREAT_WALL])]
    local = DocumentIndex(tmp_path, encoder)
    local.open()
    for one in (local, index):
        one.add(documents)
        one.backfill(threading.Event())
    question = "How many moons does Mars have?"
    ranked = {}
    for name, one in (("here", local), ("there", index)):
        candidates = one.search(SearchRequest(question), "documents")
        ranked[name] = Reranker(SentenceJudge(UnitVectors(encoder, one)), one).rank(question, candidates)
    assert ranked["there"][0].id == ranked["here"][0].id == "d1#0"
    assert ranked["there"][0].score == pytest.approx(ranked["here"][0].score, abs=0.02)
    local.close()


def test_stored_vectors_are_the_encoders(index: MilvusIndex, encoder: SentenceEncoder) -> None:
    index.add([_document("mars", MARS)])
    passage = index.passage("mars#0", "")
    assert passage is not None
    texts = encoded_texts(passage, units(passage.text))
    key = vector_key(texts)
    assert index.vectors([key, 5]) == [None, None]
    index.backfill(threading.Event())
    vectors, none = index.vectors([key, 5])
    assert vectors is not None and none is None
    assert np.sum(vectors.astype(np.float32) * encoder.encode(texts), axis=1).min() > 0.999


def test_documents_can_be_read_whole_and_in_stretches(index: MilvusIndex) -> None:
    index.add([_document("moon", MOON, title="Moon")])
    index.add_incoming(_paged("book", 40))
    whole = index.document("moon", "")
    assert whole is not None and whole.text == MOON
    info = next(info for info in index.documents("documents", "") if info.id == "book")
    book = index.document("book", "")
    assert book is not None and info.characters == len(book.text)
    window = index.window("book", info.passages // 2, "", 4000)
    assert window is not None and window.before and window.after
    assert book.text[window.start : window.start + len(window.text)] == window.text
    around = index.neighbours("book#10", "", 2)
    assert [passage.id for passage in around] == ["book#8", "book#9", "book#11", "book#12"]
    assert index.passage("book#999", "") is None and index.passage("book#x", "") is None


def test_a_replaced_document_is_another(index: MilvusIndex) -> None:
    index.add([_document("a", "First about lions."), _document("b", "Another about lions.")])
    index.add([_document("a", "Second about tigers.")])
    assert _found(index, "lions") == ["b#0"]
    assert _found(index, "tigers") == ["a#0"]
    assert len(index.documents("documents", "")) == 2


def test_a_deleted_document_is_gone(index: MilvusIndex, server: MilvusServer) -> None:
    index.add_incoming(_paged("book", 10, "anna"))
    index.add([_document("moon", MOON)])
    assert index.delete("book", "anna")
    assert not index.delete("book", "anna")
    assert _found(index, "topic3", owner="anna") == []
    assert index.documents("documents", "anna") == []
    names = index._commits
    assert index._milvus.count(names.passages) == 2
    assert index._milvus.count(names.documents, 'kind != "stemmer"') == 1


def test_what_was_excluded_is_not_found(index: MilvusIndex) -> None:
    index.add([_document("moon", MOON), _document("mars", MARS)])
    assert set(_found(index, "moons")) > {"mars#0"}
    assert not set(_found(index, "moons", exclude=frozenset(["mars"]))) & {"mars#0"}
    assert _found(index, "moon orbit", k=1, exclude=frozenset(["moon#1", "mars"])) == ["moon#0"]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_BATCH_CHARS", 8_000)


def test_a_document_that_is_being_added_is_not_seen_and_can_be_gone_on_with(
    index: MilvusIndex, small_batches: None
) -> None:
    index.add([_document("book", "An older one about topic3 and topic7.", owner="anna")])
    stop, reached = threading.Event(), []

    def progress(done: float, passages: int) -> None:
        reached.append(done)
        if done >= 0.5:
            stop.set()

    assert not index.add_incoming(_paged("book", 20, "anna"), progress, stop)
    (begun,) = index.unfinished("anna")
    assert (begun.id, begun.title) == ("book", "Title of book") and 0 < begun.done < 1
    assert index.unfinished("bob") == [] and index.unfinished() == [begun]
    # Until it is whole the older one is found, and nothing of the new one.
    assert _found(index, "topic3", owner="anna", k=1) == ["book#0"]
    assert index.passage("book#0", "anna").text.startswith("An older one")  # type: ignore[union-attr]
    again: list[float] = []
    assert index.add_incoming(_paged("book", 20, "anna"), lambda done, passages: again.append(done))
    assert again[0] > 0.2
    assert index.unfinished() == []
    book = index.document("book", "anna")
    assert book is not None and all(f"topic{page}." in book.text for page in range(20))
    assert "older one" not in book.text
    assert index._milvus.count(index._commits.passages) == index.documents("documents", "anna")[0].passages


def test_passages_of_unfinished_documents_take_no_places(index: MilvusIndex, small_batches: None) -> None:
    stop = threading.Event()
    index.add_incoming(_paged("book", 30), lambda done, passages: stop.set() if done > 0.9 else None, stop)
    index.add([_document("page", "A page that says filler3x3 once.")])
    assert _found(index, "page filler3x3 topic3 topic4 topic5", k=2) == ["page#0"]


def test_a_document_that_cannot_be_read_leaves_nothing(index: MilvusIndex, small_batches: None) -> None:
    with pytest.raises(DocumentError, match="damaged"):
        index.add_incoming(_paged("book", 20, fail_at=15))
    assert index.unfinished() == []
    assert index._milvus.count(index._commits.passages) == 0


def test_a_document_deleted_while_it_is_added_stays_deleted(index: MilvusIndex, small_batches: None) -> None:
    def progress(done: float, passages: int) -> None:
        if 0.5 < done < 0.6:
            index.delete("book", "")

    with pytest.raises(DocumentError, match="“Title of book” was deleted while it was being added"):
        index.add_incoming(_paged("book", 40), progress)
    assert index.unfinished() == [] and index.documents("documents", "") == []
    assert index._milvus.count(index._commits.passages) == 0


def test_a_second_app_sees_what_the_first_has_added(
    index: MilvusIndex, server: MilvusServer, encoder: SentenceEncoder
) -> None:
    index.add([_document("moon", MOON)])
    second = MilvusIndex(server.url, encoder)
    second.open()
    assert _found(second, "orbit") == ["moon#1"]
    second.close()


def test_of_two_apps_that_add_one_document_at_once_neither_leaves_half_of_it(
    index: MilvusIndex, server: MilvusServer, encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = MilvusIndex(server.url, encoder)
    other.open()
    finish = index._commits.finish

    def late(infos: Sequence[DocumentInfo]) -> None:
        other.add([_document("moon", MOON)])
        finish(infos)

    try:
        with monkeypatch.context() as patched:
            patched.setattr(index._commits, "finish", late)
            with pytest.raises(DocumentError, match="another app was adding “moon” at the same time"):
                index.add([_document("moon", MOON)])
        for each in (index, other):
            assert _found(each, "What orbits in 27 days?") == []
        index.add([_document("moon", MOON)])
        for each in (index, other):
            assert "moon#1" in _found(each, "What orbits in 27 days?")
    finally:
        other.close()


def test_a_cancelled_search_finds_nothing(index: MilvusIndex) -> None:
    index.add([_document("moon", MOON)])
    request = SearchRequest("orbit")
    request.cancel.set()
    assert index.search(request, "documents") == []


def test_a_milvus_that_goes_away_is_one_sentence_in_time(tmp_path: Path, encoder: SentenceEncoder) -> None:
    with MilvusServer(tmp_path) as server:
        index = MilvusIndex(server.url, encoder)
        index.open()
        index.add([_document("moon", MOON)])
        server.stop()
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"The index at 127\.0\.0\.1 could not be asked \([^()]+\); check that"):
            index.search(SearchRequest("orbit", deadline=began + 1.0), "documents")
        assert time.monotonic() - began < 2.5
        assert index.frequencies(["moon"]) == ([0], 0)
        assert index.vectors([1]) == [None]
        server.start()
        assert _found(index, "orbit") == ["moon#1"]
        index.close()
    with pytest.raises(SourceError, match="it is not open"):
        index.search(SearchRequest("orbit"), "documents")
    with pytest.raises(DocumentError, match="it is not open"):
        index.add([_document("moon", MOON)])


def test_an_upload_waits_for_a_milvus_that_went_away(
    tmp_path: Path, encoder: SentenceEncoder, small_batches: None
) -> None:
    file = tmp_path / "notes.md"
    file.write_text("\n\n".join(f"Paragraph {i} is about topic{i}. " + "Filler words. " * 60 for i in range(400)))
    with MilvusServer(tmp_path) as server:
        index = MilvusIndex(server.url, encoder)
        index.open()
        uploads = Uploads(tmp_path / "uploads", index, lambda path, name, owner: open_file(path, name, owner))
        reached = threading.Event()
        begin = index.add_incoming

        def add(given: Incoming, progress: Progress | None = None, cancel: threading.Event | None = None) -> bool:
            def told(done: float, passages: int) -> None:
                if not reached.is_set():
                    server.stop()
                    reached.set()

            return begin(given, told, cancel)

        index.add_incoming = add  # type: ignore[method-assign]  # the moment at which the server goes
        uploads.take(file, "notes.md", "anna")
        assert reached.wait(60)
        upload = _until(uploads, "anna", State.STOPPED)
        assert "could not be changed" in str(upload.failure)
        server.start()
        uploads.go_on(upload.id, "anna")
        assert _until(uploads, "anna", State.READY).failure is None
        assert index.document(upload.id, "anna") is not None
        uploads.close()
        index.close()


def _until(uploads: Uploads, owner: str, state: State) -> Upload:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        (upload,) = uploads.of(owner)
        if upload.state is state:
            return upload
        time.sleep(0.05)
    raise AssertionError(f"The upload is {upload.state}: {upload.failure}")


def test_a_milvus_that_is_not_there_is_one_sentence(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.milvus_client._CONNECT_S", 1.0)
    with pytest.raises(DocumentError, match=r"The index at 127\.0\.0\.1 could not be opened \(.+\); check --index"):
        MilvusIndex("http://127.0.0.1:9", encoder).open()


def test_a_long_passage_is_kept_whole(index: MilvusIndex) -> None:
    text = " ".join(chr(0x4E00 + (i * 7919) % 20000) for i in range(60_000))
    index.add([_document("long", f"{text}\n\nThe end is near.")])
    document = index.document("long", "")
    assert document is not None and document.text == f"{text}\n\nThe end is near."
    assert "long#" in _found(index, "end near")[0]
    assert index.delete("long", "")
    assert index._milvus.count(index._commits.documents, 'kind != "stemmer"') == 0
