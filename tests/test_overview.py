"""What an overview holds of documents of many kinds, and how little is read of a long one.

python -m pytest tests/test_overview.py
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from encoder import SentenceEncoder
from retrieval.base import Document, Passage, SearchRequest
from retrieval.centrality import by_terms, centrality
from retrieval.documents import About, Fetched, IndexedDocuments, ordinal
from retrieval.files import read_document
from retrieval.index import DocumentIndex
from retrieval.overview import Overview, overview
from retrieval.sampling import WHOLE, sample
from retrieval.split import passages

_FOLDER = Path(__file__).parent / "overviews"
_EXPECTED = tomllib.loads((_FOLDER / "expected.toml").read_text(encoding="utf-8"))


def read(name: str) -> Fetched:
    return Fetched(tuple(passages(read_document(_FOLDER / name, name, "me"))))


def of_text(text: str, title: str = "notes.txt") -> Overview:
    return overview(Fetched(tuple(passages(Document("d", title, text, "documents")))))


def sentences(one: Overview) -> list[str]:
    return [one.passages[quote.passage].text[quote.span.start : quote.span.end] for quote in one.quotes]


def test_there_is_an_expectation_for_every_document() -> None:
    assert {path.name for path in _FOLDER.iterdir()} == {*_EXPECTED, "expected.toml"}
    assert len(_EXPECTED) >= 12


@pytest.mark.parametrize("name", sorted(_EXPECTED))
def test_an_overview_holds_what_matters(name: str) -> None:
    expected = _EXPECTED[name]
    one = overview(read(name))
    quotes = sentences(one)
    for said in expected["says"]:
        assert any(said in quote for quote in quotes), said
    for never in expected["never"]:
        assert not any(never in quote for quote in quotes), never
    assert list(one.outline) == expected["parts"]
    assert one.headline == expected.get("headline", "")
    assert list(one.table.columns if one.table else ()) == expected.get("columns", [])
    assert 3 <= len(quotes) <= 6


@pytest.mark.parametrize("name", sorted(_EXPECTED))
def test_quotes_come_in_the_order_of_the_document_and_once_each(name: str) -> None:
    one = overview(read(name))
    places = [(ordinal(one.passages[quote.passage]), quote.span.start) for quote in one.quotes]
    assert places == sorted(set(places))
    assert [ordinal(passage) for passage in one.passages] == sorted({ordinal(passage) for passage in one.passages})


@pytest.mark.parametrize("name", [name for name in sorted(_EXPECTED) if len(_EXPECTED[name]["parts"]) > 1])
def test_nearly_every_part_has_a_sentence(name: str) -> None:
    one = overview(read(name))
    quoted = {one.passages[quote.passage].section.split(" › ")[0] for quote in one.quotes}
    assert len(quoted & set(one.outline)) >= min(5, len(one.outline)) - 1


@pytest.mark.parametrize(("wanted", "given"), [(1, 1), (2, 2), (9, 9), (500, 20)])
def test_so_many_sentences_as_are_asked_for(wanted: int, given: int) -> None:
    one = overview(read("annual-report.md"), wanted)
    assert len(one.quotes) == given


def test_one_sentence_is_the_opening() -> None:
    assert sentences(overview(read("tenancy-agreement.md"), 1))[0].startswith("This agreement is made between")


def test_it_stands_on_a_few_passages_more_than_it_quotes() -> None:
    one = overview(read("annual-report.md"), 1)
    assert len(one.passages) == 7  # all of them
    assert len(overview(read("annual-report.md"), 1, passages=2).passages) == 2


@pytest.mark.parametrize(
    "text", ["Yes.", "a b c", "!?\n\nword", "1 2 3\n4 5 6\n7 8 9", "你好", "Why? How? When?", "x" * 9000]
)
def test_what_has_no_sentence_is_still_quoted(text: str) -> None:
    one = of_text(text)
    assert one.quotes
    assert all(quote.strip() for quote in sentences(one))


def test_the_length_is_counted_in_words_or_in_characters() -> None:
    assert of_text("The mill stands by the river. It has a wheel.").words == 10
    assert of_text("长城是中国古代的防御工程。").words == 12


def test_the_same_sentence_is_not_quoted_twice() -> None:
    said = "The harbour was closed because of the storm on Friday."
    one = of_text(
        "\n\n".join([said] * 5 + ["The ferry to Lysa leaves at nine in the morning.", "Tickets cost four euros each."])
    )
    assert sorted(sentences(one)) == [
        "The ferry to Lysa leaves at nine in the morning.",
        said,
        "Tickets cost four euros each.",
    ]


def test_a_running_head_is_not_quoted() -> None:
    pages = [f"Annual report of the harbour office of Lysa, page {n}\n\n{said}" for n, said in enumerate(_PAGES)]
    assert not any("page" in said for said in sentences(of_text("\n\n".join(pages))))


_PAGES = (
    "The harbour office counted 1,204 ships in the harbour last year.",
    "Most of the ships were fishing boats from the islands.",
    "The new quay for the ferries was opened in June.",
    "Repairs of the old lighthouse will begin in spring.",
)


def test_likeness_and_centrality() -> None:
    likeness = by_terms(["the red mill", "a red mill by the sea", "taxes rose", "the mill and the sea"], "en")
    assert np.allclose(np.diag(likeness), 1)
    assert np.allclose(likeness, likeness.T)
    assert likeness[0, 2] == 0
    central = centrality(likeness)
    assert int(central.argmin()) == 2
    assert central.max() == pytest.approx(1)
    assert centrality(by_terms([], "en")).shape == (0,)


# Long documents


@dataclass
class Endless:
    """A document of very many passages, made when they are asked for: `parts` chapters of equal length."""

    count: int
    parts: int
    asked: int = 0
    """Passages that were asked for."""
    about: About = field(default_factory=lambda: About("big", "Annals", "documents", "annals.txt", "me", language="en"))

    def stretch(self, first: int, after: int) -> list[Passage]:
        made = [self._passage(n) for n in range(max(first, 0), min(after, self.count))]
        self.asked += len(made)
        return made

    def _passage(self, n: int) -> Passage:
        chapter = n * self.parts // self.count
        begins = n == 0 or (n - 1) * self.parts // self.count != chapter
        lead = f"Chapter {chapter} tells of the kingdom of {chr(65 + chapter)}landia. " if begins else ""
        text = f"{lead}In the year {n} the harvest of the kingdom was counted again by the clerks."
        return Passage(
            f"big#{n}", text, "Annals", "documents", "big", f"Chapter {chapter}", f"page {n // 3 + 1}", language="en"
        )


@pytest.mark.parametrize("count", [WHOLE + 1, 10_000, 1_000_000])
def test_a_long_document_is_sampled_by_its_structure(count: int) -> None:
    document = Endless(count, parts=12)
    one = overview(document)
    assert document.asked < 700
    assert one.outline == tuple(f"Chapter {n}" for n in range(12))
    assert not one.whole
    assert one.count == count
    assert one.place == f"page {(count - 1) // 3 + 1}"
    assert sentences(one)[0].startswith("Chapter 0 tells of the kingdom of Alandia.")
    assert sum(said.startswith("Chapter ") for said in sentences(one)) >= 5
    assert one.words == pytest.approx(15 * count, rel=0.2)


def test_the_beginning_of_every_section_is_found() -> None:
    taken = sample(Endless(100_000, parts=7))
    begun = {passage.section for passage in taken.passages if "tells of the kingdom" in passage.text}
    assert begun == {f"Chapter {n}" for n in range(7)}


def test_sheets_are_parts() -> None:
    rows = (("Sales", "Umbrellas: 12 pieces were sold in March."), ("Staff", "Ines works in the shop on Mondays."))
    made = [
        Passage(f"d#{n}", text, "Shop", "documents", "d", place=f"sheet {sheet}", language="en")
        for n, (sheet, text) in enumerate(rows)
    ]
    assert overview(Fetched(tuple(made))).outline == ("Sales", "Staff")


def test_a_short_document_is_read_whole() -> None:
    taken = sample(Endless(WHOLE, parts=3))
    assert taken.whole
    assert len(taken.passages) == WHOLE


# Documents of the index


@pytest.fixture
def index(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path / "index", encoder)
    index.open()
    yield index
    index.close()


def long(title: str, paragraphs: int, source: str, owner: str) -> Document:
    text = "\n\n".join(f"{title} holds fact number {n}, which is {'long ' * 60}told." for n in range(paragraphs))
    return Document(f"{title}-{owner}", title, text, source, owner)


def test_any_stretch_of_an_indexed_document_can_be_read(index: DocumentIndex) -> None:
    index.add([long("Facts", 150, "documents", "anna")])
    (document,) = IndexedDocuments(index, "documents", personal=True).own("anna")
    whole = document.stretch(0, document.count)
    assert [ordinal(passage) for passage in whole] == list(range(document.count))
    assert document.count == len(passages(long("Facts", 150, "documents", "anna")))
    for first, after in ((0, 1), (0, 2), (5, 6), (60, 70), (document.count - 1, document.count + 5), (9, 9)):
        assert document.stretch(first, after) == whole[first:after]


@pytest.mark.parametrize("paragraphs", [1, 2, 3, 4, 31, 32, 33])
def test_passages_of_a_public_document_are_counted_without_a_list(index: DocumentIndex, paragraphs: int) -> None:
    index.add([long("Zebra", paragraphs, "library", "")])
    (document,) = IndexedDocuments(index, "library").called(SearchRequest("zebra"))
    assert document.count == len(document.stretch(0, 1000)) == len(passages(long("Zebra", paragraphs, "library", "")))


def test_nobody_reads_what_is_somebody_elses(index: DocumentIndex) -> None:
    index.add([long("Secrets", 5, "documents", "anna"), long("Secrets", 5, "documents", "ben")])
    documents = IndexedDocuments(index, "documents", personal=True)
    (hers,) = documents.own("anna")
    theirs = hers.stretch(0, 1)[0]
    request = SearchRequest("Secrets", owner="ben")
    assert [each.about.owner for each in documents.own("ben")] == ["ben"]
    assert documents.own("") == documents.called(request) == documents.own("carla") == []
    assert documents.holding(theirs, request) is None
    told = documents.telling(request)
    assert told is not None and told.about.owner == "ben"
    assert documents.telling(SearchRequest("Secrets", owner="carla")) is None
