"""Passages of documents that come in parts: python -m pytest tests/test_split_parts.py"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrieval.base import Document, Part
from retrieval.split import LONGEST, MOST_BETWEEN, Splitter, Tile, passages

_CORPUS = Path(__file__).parent.parent / "assets" / "corpus"
_PIECES = (
    "# |## |a|\n|\n\n|word |1. Alpha Beta\n|===\n|---\n|```\n|A sentence. |中文。|- | |Label: value\n|" + "x" * 50
).split("|")


def _tiles(parts: Sequence[Part], stored: bool = False) -> list[Tile]:
    splitter = Splitter("d", "T", "documents", "", "en")
    found: list[Tile] = []
    for part in parts:
        found += splitter.feed(part)
        if stored:
            splitter = Splitter.restored(json.loads(json.dumps(splitter.state())))
    return [*found, *splitter.finish()]


def _cut(text: str, cuts: Sequence[int]) -> list[Part]:
    return [Part(text[a:b], continues=a > 0) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _texts() -> list[str]:
    corpus = [path.read_text(encoding="utf-8") for path in sorted(_CORPUS.rglob("*.md"))]
    odd = ["".join(random.Random(seed).choices(_PIECES, k=300)) for seed in range(60)]
    long = ["x" * (3 * LONGEST), "A sentence of words is here. " * 6000, "\n".join(["Line without an end"] * 9000)]
    return [*corpus, *odd, *long]


@pytest.mark.parametrize("stored", [False, True])
def test_how_a_text_is_cut_into_parts_makes_no_difference(stored: bool) -> None:
    for seed, text in enumerate(_texts()):
        whole = passages(Document("d", "T", text, "documents", language="en"))
        random_cuts = random.Random(seed).choices(range(len(text) + 1), k=1 + seed % 9)
        tiles = _tiles(_cut(text, sorted(random_cuts)), stored)
        assert [tile.passage for tile in tiles] == whole
        assert "".join(tile.text for tile in tiles) == (text if whole else "")


def test_every_passage_says_where_it_begins() -> None:
    pages = [Part(f"Page {n} holds a text of its own, with words.", f"page {n}") for n in range(1, 4)]
    found = [tile.passage for tile in _tiles(pages)]
    assert [(one.place, one.text[:6]) for one in found] == [(f"page {n}", f"Page {n}") for n in range(1, 4)]


def test_a_paragraph_that_goes_on_over_the_page_is_one() -> None:
    parts = [
        Part("First paragraph of page one.\n\nThe last sentence of the page goes", "page 1"),
        Part("on overleaf.\n\nA paragraph of page two.", "page 2", continues=True),
    ]
    first, second = (tile.passage for tile in _tiles(parts))
    assert first.text.endswith("The last sentence of the page goes on overleaf.")
    assert (first.place, second.place, second.text) == ("page 1", "page 2", "A paragraph of page two.")


def test_a_long_paragraph_over_pages_is_cited_where_each_passage_begins() -> None:
    sentence = "The quick brown fox jumps over the lazy dog near the bank. "
    found = [tile.passage for tile in _tiles([Part(sentence * 40, "page 1"), Part(sentence * 40, "page 2", True)])]
    assert {one.place for one in found} == {"page 1", "page 2"}
    assert [one.place for one in found] == ["page 1" if one.start < 40 * len(sentence) else "page 2" for one in found]


def test_parts_of_one_place_may_share_a_passage() -> None:
    found = [tile.passage for tile in _tiles([Part("One row here.", "sheet A"), Part("Two rows here.", "sheet A")])]
    assert [(one.text, one.place) for one in found] == [("One row here.\n\nTwo rows here.", "sheet A")]


def test_headings_go_on_over_pages_but_an_open_fence_does_not() -> None:
    parts = [
        Part("# T\n\n## Methods\n\nWe count.\n\n```\nopen", "page 1"),
        Part("We go on.\n\n## Results\n\nTen.", "page 2"),
    ]
    sections = [tile.passage.section for tile in _tiles(parts)]
    assert sections == ["Methods", "Methods", "Results"]


def test_marks_of_blank_pages_are_kept() -> None:
    parts = [Part("Words.", "page 1"), Part("", "page 2"), Part("***", "page 3"), Part("More words.", "page 4")]
    tiles = _tiles(parts)
    text = "".join(tile.text for tile in tiles)
    marks = [(text[offset : offset + 4], place) for tile in tiles for offset, place in tile.marks]
    assert marks == [("Word", "page 1"), ("***\n", "page 2"), ("***\n", "page 3"), ("More", "page 4")]
    assert [tile.passage.place for tile in tiles] == ["page 1", "page 4"]


def test_memory_stays_small_where_nothing_is_said_for_long() -> None:
    blank = "\n" * 100_000
    splitter = Splitter("d", "T", "documents", "", "en")
    list(splitter.feed(Part("Before.")))
    for _ in range(30):
        list(splitter.feed(Part(blank, continues=True)))
        assert len(splitter.text) + len(splitter.between) < MOST_BETWEEN + 2 * LONGEST
    tiles = [*splitter.feed(Part("\n\nAfter.", continues=True)), *splitter.finish()]
    text = "".join(tile.text for tile in tiles)
    last = tiles[-1].passage
    assert text[last.start : last.end] == last.text == "After." and len(text) == 7 + 30 * 100_000 + 8
