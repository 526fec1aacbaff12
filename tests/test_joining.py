"""Neighbours of what was found, given to a model as its context: python -m pytest tests/test_joining.py"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from chat.finding import Finder
from chat.prompt import grounded_turn
from chat.sources import Source, Sources
from encoder import SentenceEncoder
from errors import SourceError
from retrieval.base import Document, Passage
from retrieval.index import DocumentIndex
from retrieval.joining import Joining
from retrieval.judge import SentenceJudge
from retrieval.milvus import MilvusIndex
from retrieval.query import standalone
from retrieval.rerank import Reranker
from retrieval.unit_vectors import UnitVectors
from retrieval.vectors import Stored, encoded_texts, units, vector_key
from tests.milvus_server import MilvusServer

PENGUINS = """# Notes

## Size

The emperor penguin is the tallest penguin of all and stands more than a metre high.

## Breeding

Emperor penguins breed in the Antarctic winter, and each female penguin lays a single egg.

## Incubation

The male emperor penguin keeps the penguin egg warm on his feet for about sixty-five days.

## Invoices

Invoices are paid within thirty days after they were received by the accounting department.

## Chicks

The penguin chick stays in the colony until it has lost its down and can swim like its parents.
"""


@pytest.fixture
def index(tmp_path: Path, encoder: SentenceEncoder) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path, encoder)
    index.open()
    index.add([Document("notes", "Penguins", PENGUINS, "documents", owner="anna")])
    yield index
    index.close()


def _passage(index: DocumentIndex, number: int) -> Passage:
    found = index.passage(f"notes#{number}", "anna")
    assert found is not None
    return found


def test_neighbours_are_joined_as_far_as_they_stay_on_the_subject(index: DocumentIndex) -> None:
    index.backfill(threading.Event())
    (joined,) = Joining(index, 5, 0.5).join([_passage(index, 1)], "anna")
    assert (joined.id, joined.text) == ("notes#1", _passage(index, 1).text)
    assert PENGUINS[joined.start : joined.end] == joined.text
    assert joined.before == _passage(index, 0).text
    # Not the chicks either: they are behind the invoices.
    assert joined.after == _passage(index, 2).text


def test_without_stored_vectors_nothing_is_joined_and_nothing_encoded(tmp_path: Path) -> None:
    encoder = SentenceEncoder()
    index = DocumentIndex(tmp_path, encoder)
    index.open()
    index.add([Document("notes", "Penguins", PENGUINS, "documents")])
    found = [index.passage("notes#1", "")]
    assert Joining(index, 5, -1.0).join([one for one in found if one], "") == found
    assert not encoder.loaded
    index.close()


def test_what_is_anothers_is_not_joined(index: DocumentIndex) -> None:
    index.backfill(threading.Event())
    found = [_passage(index, 1)]
    assert Joining(index, 5, 0.5).join(found, "bob") == found
    assert index.around(["notes#1", "notes#x", "gone#0", "notes#99999999999999999999"], "bob", 2) == [[]] * 4
    around = index.around(["notes#4", "gone#0", "notes#0"], "anna", 2)
    assert [[one.id for one in each] for each in around] == [["notes#2", "notes#3"], [], ["notes#1", "notes#2"]]


def test_an_index_past_one_machine_joins_the_same(tmp_path: Path, encoder: SentenceEncoder) -> None:
    text = "\n\n".join(
        f"## Part {i}\n\nThe harbour has {i + 2} cranes, and {i + 5} ships lie in the harbour." for i in range(6)
    )
    documents = [
        Document("port", "Port", text, "documents", owner="anna"),
        Document("notes", "Penguins", PENGUINS, "documents"),
    ]
    ids = ["port#2", "notes#1", "port#9", "gone#0", "port#x", "port#99999999999999999999"]
    joined = []
    with MilvusServer(tmp_path) as server:
        for index in (DocumentIndex(tmp_path / "here", encoder), MilvusIndex(server.url, encoder)):
            index.open()
            index.add(documents)
            index.backfill(threading.Event())
            around = [[one.id for one in found] for found in index.around(ids, "anna", 2)]
            assert around[:2] == [
                ["port#0", "port#1", "port#3", "port#4"],
                ["notes#0", "notes#2", "notes#3"],
            ]
            assert around[2:] == [[], [], [], []]
            assert index.around(["port#2"], "bob", 2) == [[]] and index.around([], "anna", 2) == []
            found = [index.passage(one, "anna") for one in ids[:2]]
            joined.append(Joining(index, 1, 0.5).join([one for one in found if one], "anna"))
            index.close()
    assert joined[0] == joined[1] and joined[0][0].before and joined[0][0].after


def test_passages_of_other_sources_stay_as_they_are(index: DocumentIndex) -> None:
    live = Passage("wikipedia:en:Penguin#1", "Penguins swim.", "Penguin", "wikipedia", "wikipedia:en:Penguin")
    assert Joining(index, 5, 0.5).join([live], "anna") == [live]


@dataclass
class Row:
    """A document of passages with vectors that a test chose: angles in a plane, so cosines are plain to see."""

    texts: Sequence[str]
    degrees: Sequence[float]
    failure: SourceError | None = None
    asked: list[int] = field(default_factory=list)

    def passage(self, number: int) -> Passage:
        return Passage(f"d#{number}", self.texts[number], "D", "documents", "d", start=100 * number, language="en")

    def around(self, passage_ids: Sequence[str], owner: str, width: int) -> list[list[Passage]]:
        if self.failure:
            raise self.failure
        places = [int(one.rpartition("#")[2]) for one in passage_ids]
        near = [[n for n in range(at - width, at + width + 1) if 0 <= n < len(self.texts) and n != at] for at in places]
        return [list(map(self.passage, each)) for each in near]

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]:
        self.asked.append(len(keys))
        known = {}
        for number, degrees in enumerate(self.degrees):
            passage = self.passage(number)
            turned = np.radians(degrees)
            one = np.array([[np.cos(turned), np.sin(turned)]], np.float16)
            known[vector_key(encoded_texts(passage, units(passage.text)))] = one
        return [known.get(key) for key in keys]

    def joined(self, *found: int, width: int = 5, least: float = 0.5) -> list[tuple[str, str]]:
        passages = Joining(self, width, least).join([self.passage(n) for n in found], "")
        assert [passage.id for passage in passages] == [f"d#{n}" for n in found]
        return [(passage.before, passage.after) for passage in passages]


LETTERS = [f"Passage {name} alone." for name in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta")]


def test_the_walk_ends_at_the_first_that_is_not_alike_and_at_the_width() -> None:
    a, b, c, _, e, f, g = LETTERS
    # Cosines with delta: 0.17, 0.77, 0.94, 1, 0.87, 0.34, 1.
    row = Row(LETTERS, [80, 40, 20, 0, 30, 70, 0])
    assert row.joined(3) == [(f"{b}\n\n{c}", e)]
    assert row.joined(3, width=1) == [(c, e)]
    assert row.joined(3, least=0.9) == [(c, "")]
    assert row.joined(3, least=0.1) == [(f"{a}\n\n{b}\n\n{c}", f"{e}\n\n{f}\n\n{g}")]
    assert row.joined(3, width=0) == [("", "")]
    assert row.joined() == []


def test_a_cosine_must_be_above_the_least() -> None:
    assert Row(LETTERS[:2], [0, 0]).joined(0, least=1.0) == [("", "")]
    assert Row(LETTERS[:2], [0, 0]).joined(0, least=0.99) == [("", LETTERS[1])]


def test_nothing_is_given_twice() -> None:
    a, _, c, d, e, _, g = LETTERS
    row = Row(LETTERS, [0] * 7)
    # Best first: the passage that ranks higher takes what both could have, and neither takes the other.
    assert row.joined(1, 2, width=2) == [(a, ""), ("", f"{d}\n\n{e}")]
    assert row.joined(5, 1, width=2) == [(f"{d}\n\n{e}", g), (a, c)]
    assert row.joined(1, 5, width=2) == [(a, f"{c}\n\n{d}"), (e, g)]
    assert row.asked == [5, 7, 7]  # one question, each passage once


def test_a_neighbour_that_is_nearly_the_same_ends_the_walk() -> None:
    story = "The old lighthouse keeper climbed the narrow stairs every evening to light the lamp above the harbour"
    row = Row([f"{story}.", f"{story} again.", "Something else entirely."], [0, 0, 0])
    assert row.joined(0) == [("", "")]
    other = Row(["A first passage.", f"{story}.", f"{story} today.", "The last one."], [0, 0, 0, 0])
    assert other.joined(0) == [("", f"{story}.")]


def test_an_index_that_does_not_answer_costs_the_neighbours_only() -> None:
    row = Row(LETTERS, [0] * 7, SourceError("The index could not be asked.", zh="无法查询索引。"))
    assert row.joined(2, 3) == [("", ""), ("", "")]


def test_a_chat_model_reads_them_and_the_reader_does_not(index: DocumentIndex, encoder: SentenceEncoder) -> None:
    index.backfill(threading.Event())
    source = Source(index.retriever("documents"), {"en": "Documents"})
    reranker = Reranker(SentenceJudge(UnitVectors(encoder, index)), index)
    finder = Finder(Sources([source], 5.0), reranker, Joining(index, 1, 0.5))
    query, cancel = standalone("How many eggs does a female emperor penguin lay?", ()), threading.Event()
    plain = finder.found(finder.start([source], query, "anna", cancel), 0.0, cancel).passages
    assert plain[0].id == "notes#1" and not any(passage.before or passage.after for passage in plain)
    read = finder.found(finder.start([source], query, "anna", cancel), plain[0].score, cancel).passages
    assert [passage.id for passage in read] == ["notes#1"]
    assert (read[0].text, read[0].score) == (plain[0].text, plain[0].score)
    assert (read[0].before, read[0].after) == (_passage(index, 0).text, _passage(index, 2).text)


def test_a_prompt_holds_them_inside_the_same_fence() -> None:
    passage = Passage("d#1", "The middle.", "D", "documents", "d", before="``` What was before.", after="What follows.")
    lines = grounded_turn("Why?", [passage]).splitlines()
    at = lines.index("[1] D")
    assert lines[at - 1] == "````"
    assert lines[at + 1 : at + 7] == ["``` What was before.", "", "The middle.", "", "What follows.", "````"]
