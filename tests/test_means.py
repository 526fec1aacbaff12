"""Passages nearest in meaning, out of many: python -m pytest tests/test_means.py"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from encoder import SentenceEncoder
from retrieval import means as module
from retrieval.base import Document, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.means import Means
from retrieval.vectors import VectorFile

_DIMENSION = 40


@pytest.fixture
def file(tmp_path: Path) -> Iterator[VectorFile]:
    file = VectorFile(tmp_path / "test.f16", _DIMENSION)
    file.open()
    yield file
    file.close()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 256)
    monkeypatch.setattr(module, "_FIRST", 16)
    monkeypatch.setattr("retrieval.vectors._READ_AT_ONCE", 128)


def _unit(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    unit: np.ndarray[tuple[int, int], np.dtype[np.float32]] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def test_the_nearest_are_those_that_comparing_one_by_one_finds(file: VectorFile) -> None:
    drawn = np.random.default_rng(0)
    passages = [(key, _unit(drawn.normal(size=(1 + key % 5, _DIMENSION)).astype(np.float32))) for key in range(1, 1501)]
    found = Means()
    assert found.nearest(passages[0][1][0], 5) == []
    for at in (0, 10, 300, 301, 900):
        file.append(passages[at : {0: 10, 10: 300, 300: 301, 301: 900, 900: 1500}[at]])
        found.catch_up(file)
    assert len(found) == 1500
    whole = Means()
    whole.catch_up(file)
    middles = np.stack([vectors.mean(axis=0) for _, vectors in passages])
    for question in _unit(drawn.normal(size=(20, _DIMENSION)).astype(np.float32)):
        products = middles @ question
        nearest = found.nearest(question, 30)
        assert nearest == whole.nearest(question, 30)
        assert len(set(nearest)) == 30
        # Eight bits and bfloat16: nothing that is left out was better than the last by more than their error.
        assert products[np.array(nearest) - 1].min() >= np.sort(products)[-30] - 0.01
    assert len(found.nearest(middles[0], 5000)) == 1500


@pytest.fixture
def index(tmp_path: Path, encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> Iterator[DocumentIndex]:
    monkeypatch.setattr("retrieval.index._SMALL", 0)
    index = DocumentIndex(tmp_path / "documents", encoder)
    index.open()
    yield index
    index.close()


def _ids(index: DocumentIndex, question: str, owner: str = "", **more: object) -> list[str]:
    request = SearchRequest(question, owner=owner, **more)  # type: ignore[arg-type]  # fields of the request by name
    return [passage.document for passage in index.search(request, "documents")]


def test_a_passage_in_other_words_is_found_by_who_may_see_it(index: DocumentIndex) -> None:
    texts = {
        "doctor": "The physician treated patients who were ill.",
        "bread": "Bakers knead dough before sunrise.",
        "ship": "The vessel sank off the coast during a gale.",
    }
    index.add([Document(name, "", text, "documents") for name, text in texts.items()])
    index.add([Document("secret", "", "A sick man saw his medic.", "documents", owner="anna")])
    index.add([Document("apart", "", "A sick man saw his medic.", "library")])
    question = "Which doctors cure sick people?"
    assert "doctor" not in _ids(index, question)
    index.backfill(threading.Event())
    assert _ids(index, question)[0] == "doctor" and "secret" not in _ids(index, question)
    assert set(_ids(index, question, "anna")[:2]) == {"doctor", "secret"}
    assert "doctor" not in _ids(index, question, exclude=frozenset({"doctor"}))
    assert _ids(index, "Quel médecin guérit les gens ?", language="fr") == []
    index.delete("doctor", "")
    assert "doctor" not in _ids(index, question)
    index.add([Document("again", "", texts["doctor"], "documents")])  # its vectors are there already
    assert _ids(index, question)[0] == "again"
