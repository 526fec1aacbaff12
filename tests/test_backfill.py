"""Vectors that follow in the background: python -m pytest tests/test_backfill.py"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from activity import Activity
from encoder import SentenceEncoder, Vectors
from retrieval.base import Document, SearchRequest
from retrieval.index import DocumentIndex
from retrieval.vector_keys import PLACE, KeyTable


class _Noting(SentenceEncoder):
    """The embedded encoder; notes what it is given."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        super().__init__()
        self.__dict__.update(encoder.__dict__)
        self.given: list[list[str]] = []
        self.seconds = 0.0

    def encode(self, texts: Sequence[str], batch_tokens: int = 8192) -> Vectors:
        self.given.append(list(texts))
        began = time.monotonic()
        try:
            return super().encode(texts, batch_tokens)
        finally:
            self.seconds += time.monotonic() - began


@pytest.fixture
def noting(encoder: SentenceEncoder) -> _Noting:
    return _Noting(encoder)


@pytest.fixture
def activity() -> Activity:
    return Activity()


@pytest.fixture
def index(tmp_path: Path, noting: _Noting, activity: Activity) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path, noting, activity)
    index.open()
    yield index
    index.close()


def _add(index: DocumentIndex, *names: str, owner: str = "") -> None:
    index.add([Document(name, name, f"Here stands what is said about {name}.", "documents", owner) for name in names])


def _until(true: object, seconds: float = 20) -> None:
    assert callable(true)
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def test_the_latest_documents_come_first(index: DocumentIndex, noting: _Noting) -> None:
    for name in ("zebra", "giraffe", "lion"):
        _add(index, name)
    index.backfill(threading.Event())
    assert [text.partition(".")[0] for batch in noting.given for text in batch] == ["lion", "giraffe", "zebra"]


def test_what_comes_meanwhile_goes_before_what_waits(index: DocumentIndex, noting: _Noting) -> None:
    _add(index, *(f"old{i}" for i in range(50)))
    index.backfill(threading.Event(), lambda done, total: _add(index, "new") if done == 16 else None)
    first = [batch[0].partition(".")[0] for batch in noting.given]
    assert first[:3] == ["old49", "new", "old33"]
    assert sorted(text.partition(".")[0] for batch in noting.given for text in batch) == sorted(
        [*(f"old{i}" for i in range(50)), "new"]
    )


def test_progress_is_seen(index: DocumentIndex) -> None:
    _add(index, *(f"name{i}" for i in range(40)))
    index.add([Document("zh", "中", "月球是地球唯一的天然卫星。", "documents")])  # not a language of the encoder
    seen: list[tuple[int, int]] = []

    def look(done: int, total: int) -> None:
        progress = index.backfill_progress
        seen.append((progress.done, progress.total))
        assert (progress.rate > 0) == (16 < done < 40)

    index.backfill(threading.Event(), look)
    assert seen == [(16, 40), (32, 40), (40, 40)]
    assert index.delete("name3", "")
    index.backfill(threading.Event())
    progress = index.backfill_progress
    assert (progress.done, progress.total, progress.rate, progress.problem) == (39, 39, 0.0, "")


def test_it_stops_when_asked_and_goes_on_later(index: DocumentIndex, noting: _Noting) -> None:
    _add(index, *(f"name{i}" for i in range(40)))
    stop = threading.Event()
    index.backfill(stop, lambda done, total: stop.set())
    assert index.backfill_progress.done == 16
    index.backfill(threading.Event())
    assert index.backfill_progress.done == 40 and sum(map(len, noting.given)) == 40


def test_equal_passages_are_encoded_once(index: DocumentIndex, noting: _Noting) -> None:
    same = [Document(f"d{i}", "Same", "The very same words.", "documents", owner=str(i)) for i in range(40)]
    index.add(same)
    index.backfill(threading.Event())
    assert sum(map(len, noting.given)) == 1
    assert index.backfill_progress.done == 40


def test_it_makes_way_for_who_waits_but_does_not_starve(
    index: DocumentIndex, noting: _Noting, activity: Activity
) -> None:
    _add(index, *(f"name{i}" for i in range(6)))
    began = time.monotonic()
    with activity:
        index.backfill(threading.Event())
    assert [len(batch) for batch in noting.given] == [2, 2, 2]
    assert time.monotonic() - began > 5 * noting.seconds


def test_work_goes_on_at_once_when_nobody_waits_any_more(activity: Activity) -> None:
    activity.__enter__()
    threading.Timer(0.1, lambda: activity.__exit__()).start()
    began = time.monotonic()
    activity.make_way(60, threading.Event())
    assert 0.05 < time.monotonic() - began < 5
    activity.make_way(60, threading.Event())  # nobody is here: no wait at all
    with activity:
        stop = threading.Event()
        stop.set()
        activity.make_way(60, stop)


def test_a_search_counts_as_waiting(index: DocumentIndex, activity: Activity, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(index, "zebra")
    seen: list[bool] = []
    real = index._search

    def search(*given: object) -> object:
        seen.append(activity.busy)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "_search", search)
    assert index.search(SearchRequest("zebra"), "documents")
    assert seen == [True] and not activity.busy


def test_a_key_table_is_a_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.vector_keys._RECENT", 50)
    random = np.random.default_rng(0)
    table, known, row = KeyTable(np.empty(0, PLACE)), dict[int, tuple[int, int]](), 0
    for _ in range(60):
        places = np.empty(7, PLACE)
        for place in places:
            key, count = int(random.integers(-300, 300)), int(random.integers(1, 9))
            place["key"], place["first"], place["count"] = key, row, count
            known[key], row = (row, row + count), row + count
        table.add(places)
        asked = random.integers(-400, 400, 40)
        assert table.find(asked.tolist()) == [known.get(key) for key in asked.tolist()]
        assert table.has(asked).tolist() == [key in known for key in asked.tolist()]
        assert len(table) == len(known)
    again = KeyTable(table.all())
    assert again.find(list(known)) == list(known.values())
