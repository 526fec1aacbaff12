"""Which document a request means, over a real index and a Wikipedia that listens on this machine.

python -m pytest tests/test_overview_choice.py
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from encoder import SentenceEncoder
from retrieval.base import Document, SearchRequest
from retrieval.documents import About, FetchedDocuments, IndexedDocuments, NamedDocuments
from retrieval.index import DocumentIndex
from retrieval.overview_choice import Choice, Cited, Why, choose, match
from retrieval.overview_request import OverviewRequest, overview_request
from retrieval.wikipedia import Wikipedia
from tests.wikipedia_server import WikipediaServer

LIBRARY = (
    ("Penicillin", "Penicillin is an antibiotic. It was discovered by Alexander Fleming."),
    ("Alexander Fleming", "Alexander Fleming was a Scottish physician. He discovered penicillin."),
    ("World War II", "World War II was the deadliest war in history. Its causes are disputed."),
    ("青霉素", "青霉素是一种抗生素，由弗莱明发现。"),
)
ANNAS = (
    ("lighthouse.txt", "lighthouse.txt", "The keeper of Sker Rock lit the lamp every evening."),
    ("Annual Report 2022", "annual-report-2022.pdf", "Traffic fell in 2022 because of the fog."),
    ("Annual Report 2023", "annual-report-2023.pdf", "Traffic rose in 2023 because of the new ferries."),
    ("关于停水的通知", "tongzhi.md", "物业公司决定于五月更换供水管道。"),
    ("Photosynthesis", "photosynthesis.md", "My notes on how leaves make sugar from light."),
)
"""(title, file name, text), in the order in which she uploads them."""


@dataclass
class Room:
    """A visitor among sources."""

    index: DocumentIndex
    sources: list[NamedDocuments]

    def add(self, owner: str, title: str, name: str, text: str) -> str:
        identity = f"{owner}-{name}"
        self.index.add([Document(identity, title, text, "documents", owner, name=name)])
        return identity

    def ask(
        self, message: str, owner: str = "anna", cited: tuple[Cited, ...] = (), language: str = "en"
    ) -> Choice | None:
        asked = overview_request(message)
        assert asked is not None, message
        return self.choose(asked, owner, cited, language)

    def choose(self, asked: OverviewRequest, owner: str, cited: tuple[Cited, ...], language: str) -> Choice | None:
        cancel = threading.Event()
        look = SearchRequest("", owner=owner, language=language, deadline=time.monotonic() + 5, cancel=cancel)
        return choose(asked, self.sources, cited, look)

    def cited(self, query: str, source: str = "library", owner: str = "anna", asked: float | None = None) -> Cited:
        found = self.index.search(SearchRequest(query, k=2, owner=owner), source)
        return Cited(tuple(found[:1]), time.time() if asked is None else asked)


@pytest.fixture
def room(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Room]:
    index = DocumentIndex(tmp_path / "index", encoder)
    index.open()
    index.add([Document(f"library-{title}", title, f"# {title}\n\n{text}", "library") for title, text in LIBRARY])
    yield Room(index, [IndexedDocuments(index, "library"), IndexedDocuments(index, "documents", personal=True)])
    index.close()


@pytest.fixture
def anna(room: Room) -> Room:
    room.index.add(
        [Document(f"anna-{name}", title, text, "documents", "anna", name=name) for title, name, text in ANNAS]
    )
    return room


def taken(choice: Choice | None) -> str:
    assert choice is not None
    assert len(choice.documents) == 1
    return choice.documents[0].about.name or choice.documents[0].about.title


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Summarise lighthouse.txt", "lighthouse.txt"),
        ("summarise LIGHTHOUSE.TXT", "lighthouse.txt"),
        ("Summarise lighthouse", "lighthouse.txt"),
        ("what is “lighthouse” about?", "lighthouse.txt"),
        ("what is the lighthouse file about", "lighthouse.txt"),
        ("Summarise lighthouse.pdf", "lighthouse.txt"),
        ("what is the 2022 report about?", "annual-report-2022.pdf"),
        ("Summarise lighthuose.txt", "lighthouse.txt"),
        ("summarise the annual report 2022", "annual-report-2022.pdf"),
        ("Summarise Annual_Report-2022", "annual-report-2022.pdf"),
        ("key points of annual-report-2023.pdf", "annual-report-2023.pdf"),
        ("总结《关于停水的通知》", "tongzhi.md"),
        ("總結《關於停水的通知》", "tongzhi.md"),
        ("总结停水的通知", "tongzhi.md"),
        ("tongzhi.md讲了什么", "tongzhi.md"),
        ("What is photosynthesis about?", "photosynthesis.md"),
        ("Summarise the article on penicillin", "Penicillin"),
        ("summarise Penicillin", "Penicillin"),
        ("give me an overview of World War II", "World War II"),
        ("Summarise the article about Fleming", "Alexander Fleming"),
        ("Summarise my file about the keeper of Sker Rock", "lighthouse.txt"),
        ("总结关于青霉素的文章", "青霉素"),
        ("總結關於青黴素的文章", "青霉素"),
    ],
)
def test_a_name_is_found_in_any_form(anna: Room, message: str, name: str) -> None:
    choice = anna.ask(message)
    assert taken(choice) == name
    assert choice is not None and choice.why is Why.NAMED


@pytest.mark.parametrize(
    "message", ["Summarise annual-report-2024.pdf", "Summarise secret.txt", "Summarise my thesis on bees"]
)
def test_a_name_that_nothing_has_is_missing(anna: Room, message: str) -> None:
    choice = anna.ask(message)
    assert choice is not None
    assert (choice.why, choice.documents) == (Why.MISSING, ())


@pytest.mark.parametrize(
    "message",
    [
        "Summarise the causes of the war",
        "What is the film Alien about?",
        "What is penicillin about?",
        "What is World War II about?",
        "总结战争的原因",
        "what is in my report about holidays?",
    ],
)
def test_an_ordinary_question_stays_one(anna: Room, message: str) -> None:
    assert anna.ask(message) is None


def test_equally_likely_names_give_the_newest_and_the_others(anna: Room) -> None:
    choice = anna.ask("Summarise the annual report")
    assert taken(choice) == "annual-report-2023.pdf"
    assert choice is not None and [about.name for about in choice.others] == ["annual-report-2022.pdf"]
    assert taken(anna.ask("what does the report say?")) == "annual-report-2023.pdf"


def test_a_kind_of_file_is_a_name_too(anna: Room) -> None:
    assert taken(anna.ask("Summarise the pdf")) == "annual-report-2023.pdf"
    assert taken(anna.ask("Summarise the text file")) == "lighthouse.txt"


def test_public_documents_are_found_by_misspelt_titles_and_by_the_names_of_their_files(anna: Room) -> None:
    assert taken(anna.ask("Summarise the article on penicilin")) == "Penicillin"
    anna.index.add([Document("h", "House rules", "No dogs in the kitchen.", "library", name="rules_v2.pdf")])
    assert taken(anna.ask("Summarise rules_v2.pdf")) == "rules_v2.pdf"


def test_several_files_can_be_named_at_once(anna: Room) -> None:
    choice = anna.ask("Summarise annual-report-2022.pdf and lighthouse.txt")
    assert choice is not None
    assert [each.about.name for each in choice.documents] == ["annual-report-2022.pdf", "lighthouse.txt"]


def test_without_a_name_it_is_the_newest_or_the_only_one(anna: Room) -> None:
    choice = anna.ask("What is this about?")
    assert taken(choice) == "photosynthesis.md"
    assert choice is not None and choice.why is Why.NEWEST and len(choice.others) == 4
    anna.add("ben", "Mill", "mill.md", "The mill has a new wheel.")
    only = anna.ask("What is this about?", "ben")
    assert taken(only) == "mill.md"
    assert only is not None and only.why is Why.ONLY
    assert taken(anna.ask("summarise the first document")) == "lighthouse.txt"


def test_all_of_them(anna: Room) -> None:
    choice = anna.ask("what's in my documents?")
    assert choice is not None and choice.why is Why.ALL
    assert [each.about.name for each in choice.documents] == [name for _, name, _ in reversed(ANNAS)]
    for number in range(5):
        anna.add("anna", f"Note {number}", f"note{number}.md", "A note on something small.")
    many = anna.ask("what's in my documents?")
    assert many is not None and (len(many.documents), len(many.others)) == (8, 2)


def test_what_the_last_answer_quoted_is_meant(anna: Room) -> None:
    fleming = anna.cited("Scottish physician")
    for message in ("summarise it", "What is this about?", "总结一下", "Summarise the article"):
        choice = anna.ask(message, cited=(fleming,))
        assert taken(choice) == "Alexander Fleming"
        assert choice is not None and choice.why is Why.CITED
        assert choice.others[0].name == "photosynthesis.md"
    lamp = anna.cited("keeper lamp", "documents")
    choice = anna.ask("summarise it", cited=(lamp, fleming))
    assert taken(choice) == "lighthouse.txt"
    assert choice is not None and choice.others == ()


def test_what_was_uploaded_since_goes_first(anna: Room) -> None:
    fleming = anna.cited("Scottish physician", asked=time.time() - 1)
    anna.add("anna", "Mill", "mill.md", "The mill has a new wheel.")
    assert taken(anna.ask("What is this about?", cited=(fleming,))) == "mill.md"
    assert taken(anna.ask("Summarise it", cited=(replace(fleming, asked=0.0),))) == "Alexander Fleming"


def test_my_document_is_none_of_the_library(anna: Room) -> None:
    fleming = anna.cited("Scottish physician")
    assert taken(anna.ask("What is my document about?", cited=(fleming,))) == "photosynthesis.md"
    assert taken(anna.ask("What is the document about?", cited=(fleming,))) == "photosynthesis.md"
    assert taken(anna.ask("What is the report about?", cited=(fleming,))) == "annual-report-2023.pdf"
    theirs = anna.ask("What is my document about?", "nobody", (fleming,))
    assert theirs is not None and theirs.why is Why.MISSING
    assert taken(anna.ask("What is the document about?", "nobody", (fleming,))) == "Alexander Fleming"


def test_a_word_that_may_mean_something_in_the_world_is_no_certain_request(room: Room) -> None:
    fleming = room.cited("Scottish physician")
    assert room.ask("What does the contract say?", "nobody") is None
    assert room.ask("What does the contract say?", "nobody", (fleming,)) is None
    assert taken(room.ask("What is the book about?", "nobody", (fleming,))) == "Alexander Fleming"


def test_what_was_quoted_and_is_gone_is_not_meant(anna: Room) -> None:
    lamp = anna.cited("keeper lamp", "documents")
    anna.index.delete("anna-lighthouse.txt", "anna")
    assert taken(anna.ask("summarise it", cited=(lamp,))) == "photosynthesis.md"


def test_another_visitors_documents_are_never_taken(anna: Room) -> None:
    lamp = anna.cited("keeper lamp", "documents")
    for message in (
        "summarise it",
        "What is this about?",
        "Summarise lighthouse.txt",
        "what's in my documents?",
        "总结一下",
    ):
        for owner in ("ben", ""):
            choice = anna.ask(message, owner, (lamp,))
            assert choice is not None
            assert not choice.documents and not choice.others


def test_a_source_that_is_switched_off_is_not_looked_at(anna: Room) -> None:
    fleming = anna.cited("Scottish physician")
    anna.sources = anna.sources[1:]
    assert taken(anna.ask("summarise it", cited=(fleming,))) == "photosynthesis.md"
    choice = anna.ask("Summarise the article on penicillin")
    assert choice is not None and choice.why is Why.MISSING


def test_nothing_at_all_is_missing(room: Room) -> None:
    for message in ("What is this about?", "tl;dr", "what's in my documents?", "这个文件讲了什么？"):
        choice = room.ask(message, "nobody")
        assert choice is not None and choice.why is Why.MISSING


@pytest.fixture
def server() -> Iterator[WikipediaServer]:
    with WikipediaServer() as server:
        yield server


@pytest.fixture
def abroad(room: Room, server: WikipediaServer) -> Iterator[Room]:
    """With Wikipedia switched on."""
    wikipedia = Wikipedia(server.url, user_agent="Tests/1.0 (tests@example.org)", time_limit_s=4.0)
    room.sources.append(FetchedDocuments(wikipedia))
    yield room
    wikipedia.close()


def test_a_wikipedia_article_is_read_whole_and_in_order(abroad: Room) -> None:
    choice = abroad.ask("Summarise the Wikipedia article on the Antikythera mechanism")
    assert taken(choice) == "Antikythera mechanism"
    assert choice is not None
    (article,) = choice.documents
    whole = article.stretch(0, article.count)
    assert [passage.id for passage in whole] == [f"wikipedia:en:101#{n}" for n in range(article.count)]
    assert article.about.url.startswith("http")
    again = abroad.ask("summarise it", cited=(Cited((whole[2],), time.time()),))
    assert taken(again) == "Antikythera mechanism"


def test_a_wikipedia_that_fails_is_told_and_the_rest_goes_on(abroad: Room, server: WikipediaServer) -> None:
    server.mode = "500"
    choice = abroad.ask("Summarise the article on penicillin")
    assert taken(choice) == "Penicillin"
    assert choice is not None and [str(error).startswith("Wikipedia") for error in choice.failures] == [True]


@pytest.mark.parametrize(
    ("name", "title", "file", "fits"),
    [
        ("report", "Report", "", True),
        ("The Report", "report", "", True),
        ("report.pdf", "Annual Report", "report.pdf", True),
        ("annual report", "Annual Report 2023", "", True),
        ("report 2022", "Report 2023", "", False),
        ("repotr 2023", "Report 2023", "", True),
        ("report", "Photograph", "", False),
        ("red mill", "The mill", "", False),
        ("红楼", "红楼梦", "", True),
        ("水浒传", "红楼梦", "", False),
        ("", "Report", "", False),
        ("...", "Report", "", False),
        ("x" * 500, "Report", "x.pdf", False),
    ],
)
def test_how_a_name_fits(name: str, title: str, file: str, fits: bool) -> None:
    assert (match((name,), About("d", title, "documents", file)) > 0) is fits
