"""Overviews as the assistant gives them: by the reader in quotes, to a chat model as its sources.

python -m pytest tests/test_overviews.py
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chat.assistant import Ask, Assistant
from chat.base import ChatModel
from chat.citations import cited, marks
from chat.conversation import Conversation, Outcome, Turn
from chat.events import Delta, Event, Flagged, Found, Notice, Stage, Status
from chat.overview_texts import notices, written
from chat.reader import Reader
from chat.slot import ModelSlot
from chat.sources import Source, Sources
from chat.startup import Startup
from encoder import SentenceEncoder
from moderation.policy_file import load_policy
from moderation.screen import Screen
from retrieval.base import Document, Passage
from retrieval.documents import Fetched, IndexedDocuments
from retrieval.files import read_document
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.library import read_library
from retrieval.overview import overview
from retrieval.overview_choice import Choice, Why
from retrieval.rerank import Reranker
from retrieval.split import passages
from retrieval.unit_vectors import UnitVectors
from tests.bench import HARM, Engine, Words, turn_of

_FOLDER = Path(__file__).parent / "overviews"
_CORPUS = Path(__file__).parent.parent / "assets" / "corpus"
_ARTICLES = ("Penicillin", "Alexander Fleming", "Hamlet", "World War II", "青霉素", "红楼梦")


@dataclass
class Visit:
    """A visitor's conversation with an assistant over a real index."""

    assistant: Assistant
    owner: str
    sources: tuple[str, ...] = ("library", "documents")
    conversation: Conversation = field(default_factory=lambda: Conversation("c"))
    events: list[Event] = field(default_factory=list)

    def ask(self, message: str, moderation: bool = False) -> Turn:
        number = str(len(self.conversation.turns))
        conversation = Conversation("c", self.owner, self.conversation.turns)
        self.events = list(self.assistant.reply(Ask(number, message, conversation, self.sources, moderation)))
        turn = turn_of(self.events)
        self.conversation = self.conversation.put(turn)
        return turn

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


@pytest.fixture(scope="module")
def index(encoder: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path_factory.mktemp("overviews") / "index", encoder)
    index.open()
    uploads = {"anna": ("board-minutes.txt", "annual-report.md"), "chen": ("tingshui-tongzhi.txt",), "ben": ("cv.md",)}
    library = [article for article in read_library(_CORPUS) if article.title in _ARTICLES]
    index.add(
        library + [read_document(_FOLDER / name, name, owner) for owner, names in uploads.items() for name in names]
    )
    yield index
    index.close()


def assistant(index: DocumentIndex, encoder: SentenceEncoder, model: ChatModel) -> Assistant:
    startup = Startup([])
    startup.start()
    labels = {
        "library": {"en": "Starter library", "zh": "入门资料库"},
        "documents": {"en": "My documents", "zh": "我的文档"},
    }
    sources = [
        Source(index.retriever(name), label, documents=IndexedDocuments(index, name, personal=name == "documents"))
        for name, label in labels.items()
    ]
    return Assistant(
        ModelSlot(model),
        Sources(sources, 5.0),
        Source(index.retriever("guide"), {"en": "Guide", "zh": "指南"}),
        Reranker(SentenceJudge(UnitVectors(encoder, index)), index),
        Screen(Words(), load_policy(None), limit_s=5.0),
        startup,
    )


@pytest.fixture(scope="module")
def reading(index: DocumentIndex, encoder: SentenceEncoder) -> Assistant:
    """With the reader."""
    return assistant(index, encoder, Reader(SentenceJudge(UnitVectors(encoder, index))))


@pytest.fixture
def anna(reading: Assistant) -> Visit:
    return Visit(reading, "anna")


def test_the_reader_tells_what_it_is_and_quotes_it_with_its_parts(anna: Visit) -> None:
    turn = anna.ask("What is the report about?")
    first, quotes, parts = turn.answer.split("\n\n")
    assert first == (
        "“Nordvik Ferries: Annual Report 2023” (annual-report.md) is one of your documents: a Markdown file, "
        "about 270 words, 6 parts."
    )
    assert quotes.startswith("- Nordvik Ferries carried 4.1 million passengers in 2023")
    assert parts == "Its parts: Traffic · Finances · Electric ferries · Safety · Outlook · Contact"
    assert turn.outcome is Outcome.ANSWERED
    assert turn.query == "What is “Nordvik Ferries: Annual Report 2023” about?"


def test_every_quote_stands_in_the_passage_that_it_cites(anna: Visit) -> None:
    turn = anna.ask("Summarise board-minutes.txt")
    lines = [line for line in turn.answer.splitlines() if line.startswith("- ")]
    assert 3 <= len(lines) <= 6
    for line in lines:
        (mark,) = marks(line, len(turn.passages))
        assert line[2 : mark.start].strip() in turn.passage(mark.numbers[0]).text
    assert turn.cited == cited(turn.answer, len(turn.passages)) == tuple(range(1, len(turn.cited) + 1))
    assert {passage.document for passage in turn.passages} == {turn.passages[0].document}


def test_an_overview_goes_through_every_stage(anna: Visit) -> None:
    anna.ask("Summarise board-minutes.txt")
    assert [event.stage for event in anna.events if isinstance(event, Status)] == [
        Stage.CHECKING,
        Stage.SEARCHING,
        Stage.WRITING,
    ]
    assert any(isinstance(event, Found) and event.passages for event in anna.events)
    assert sum(isinstance(event, Delta) for event in anna.events) > 5


def test_it_says_which_of_several_was_taken(anna: Visit) -> None:
    anna.ask("What is this about?")
    assert anna.notices == [
        "You have 2 documents, and this is the newest. For another one, name it: “Summarise board-minutes.txt”."
    ]
    turn = anna.ask("summarise board-minutes.txt")
    assert anna.notices == []
    again = anna.ask("summarise it in one sentence")
    assert again.passages[0].document == turn.passages[0].document
    assert anna.notices == []


def test_it_is_what_was_talked_about_last(anna: Visit) -> None:
    asked = anna.ask("Who discovered penicillin?")
    assert asked.cited and asked.passages[0].source == "library"
    turn = anna.ask("Summarise it")
    assert turn.passages[0].title == asked.passages[0].title
    assert turn.answer.startswith(f"“{asked.passages[0].title}” is an article in the starter library: about ")
    assert anna.notices and "Summarise annual-report.md" in anna.notices[0]


def test_another_overview_and_a_question_may_follow(anna: Visit) -> None:
    anna.ask("Summarise annual-report.md")
    other = anna.ask("and board-minutes.txt?")
    assert "(board-minutes.txt)" in other.answer
    back = anna.ask("what about the annual report?")
    assert "(annual-report.md)" in back.answer
    question = anna.ask("How many passengers were carried in 2023?")
    assert "4.1 million" in question.answer and "Its parts" not in question.answer


def test_all_documents_get_a_line_each(anna: Visit) -> None:
    turn = anna.ask("What's in my documents?")
    lines = turn.answer.splitlines()
    assert lines[0] == "2 documents, in a few words each:"
    assert [line.split("”")[0] for line in lines[2:]] == [
        "- “Nordvik Ferries: Annual Report 2023",
        "- “Minutes of the board of the Elm Street Housing Cooperative",
    ]
    assert len({passage.document for passage in turn.passages}) == 2


def test_chinese_is_answered_in_chinese(reading: Assistant) -> None:
    turn = Visit(reading, "chen").ask("這個檔案講了什麼？")
    assert turn.answer.startswith("《关于临时停水的通知》（tingshui-tongzhi.txt）是你的文档：文本文件，约 260 字。")
    assert "更换。 [1]" in turn.answer
    assert turn.query == "《关于临时停水的通知》讲了什么？"
    article = Visit(reading, "chen").ask("总结一下关于青霉素的文章")
    assert article.answer.startswith("《青霉素》是入门资料库中的文章：约 ")


def test_the_language_of_a_document_is_told_where_it_is_another(reading: Assistant) -> None:
    turn = Visit(reading, "chen").ask("What is the file about?")
    assert "about 260 characters, in Chinese." in turn.answer


@pytest.mark.parametrize(
    ("owner", "message", "sources", "said"),
    [
        (
            "anna",
            "Summarise cv.md",
            ("library", "documents"),
            "There is no document called “cv.md” in Starter library or My",
        ),
        (
            "anna",
            "Summarise cv.md",
            ("library", "documents"),
            "Your documents: “annual-report.md”, “board-minutes.txt”.",
        ),
        ("new", "What is this about?", ("library", "documents"), "You have not uploaded a document yet"),
        ("new", "tl;dr", ("documents",), "You have not uploaded a document yet"),
        ("anna", "What is my report about?", ("library",), "The source “My documents” is not switched on"),
        ("anna", "What is this about?", (), "Retrieval is off"),
        ("new", "Summarise the article on bees", ("documents",), "You could switch on Starter library"),
        ("new", "这个文件讲了什么？", ("library", "documents"), "你还没有上传文档"),
        (
            "chen",
            "总结report.pdf",
            ("library", "documents"),
            "里没有叫《report.pdf》的文档。你的文档有：《tingshui-tongzhi.txt》",
        ),
        ("anna", "我的文件讲了什么？", ("library",), "“我的文档”没有打开"),
    ],
)
def test_that_there_is_none_is_said_plainly(
    reading: Assistant, owner: str, message: str, sources: tuple[str, ...], said: str
) -> None:
    visit = Visit(reading, owner, sources)
    turn = visit.ask(message)
    assert said in turn.answer
    assert (turn.outcome, turn.passages) == (Outcome.UNANSWERED, ())
    assert "".join(event.text for event in visit.events if isinstance(event, Delta)) == turn.answer


@pytest.mark.parametrize(
    "message",
    [
        "What is Hamlet about?",
        "Summarise the causes of World War II",
        "红楼梦讲了什么？",
        "What is the film Alien about?",
    ],
)
def test_an_ordinary_question_is_answered_as_one(anna: Visit, message: str) -> None:
    turn = anna.ask(message)
    assert "parts" not in turn.answer and "各部分" not in turn.answer
    assert "uploaded" not in turn.answer


def test_what_is_searched_for_an_ordinary_question_is_its_topic(anna: Visit) -> None:
    assert anna.ask("Summarise the causes of World War II").query == "causes of World War II"


@pytest.mark.parametrize(
    "message", ["Summarise this: The cat sat on the mat.", "summarise our conversation", "总结我们的对话"]
)
def test_what_was_said_or_pasted_is_no_document(anna: Visit, message: str) -> None:
    turn = anna.ask(message)
    assert turn.outcome is Outcome.UNANSWERED
    assert "chat model" in turn.answer or "聊天模型" in turn.answer


def test_nobody_hears_of_another_visitors_documents(index: DocumentIndex, reading: Assistant) -> None:
    for message in (
        "What is this about?",
        "Summarise annual-report.md",
        "what's in my documents?",
        "Summarise “Nordvik Ferries”",
    ):
        turn = Visit(reading, "ben").ask(message)
        assert "4.1 million" not in turn.answer
        assert all(passage.document == index.documents("documents", "ben")[0].id for passage in turn.passages)
    hers = Visit(reading, "anna").ask("Summarise annual-report.md")
    spied = Visit(reading, "ben", conversation=Conversation("c", "ben", (hers,)))
    assert "4.1 million" not in spied.ask("summarise it").answer


def test_a_refused_request_reads_nothing(index: DocumentIndex, encoder: SentenceEncoder) -> None:
    engine = Engine()
    visit = Visit(assistant(index, encoder, engine), "anna")
    turn = visit.ask(f"Summarise {HARM}.pdf", moderation=True)
    assert turn.outcome is Outcome.QUESTION_REFUSED
    assert any(isinstance(event, Flagged) for event in visit.events)
    assert engine.asked == [] and turn.passages == ()


def test_a_chat_model_is_given_the_whole_document_in_short(index: DocumentIndex, encoder: SentenceEncoder) -> None:
    engine = Engine(["It is about ferries. [1]"], least=0.04)
    turn = Visit(assistant(index, encoder, engine), "anna").ask("What is this about?")
    (asked,) = engine.asked
    assert asked.question == "What is this about?"
    assert [passage.section for passage in asked.passages] == [
        "",
        "Traffic",
        "Finances",
        "Electric ferries",
        "Safety",
        "Outlook",
        "Contact",
    ]
    assert (turn.outcome, turn.cited) == (Outcome.ANSWERED, (1,))


@pytest.mark.parametrize(
    ("message", "asks_it"), [("tl;dr", True), ("What is this about?", True), ("Summarise report.pdf", False)]
)
def test_a_chat_model_may_know_what_is_meant_where_no_document_is(
    index: DocumentIndex, encoder: SentenceEncoder, message: str, asks_it: bool
) -> None:
    engine = Engine(["You said that ferries are slow."], least=0.04)
    Visit(assistant(index, encoder, engine), "nobody").ask(message)
    assert bool(engine.asked) is asks_it


def test_a_deleted_document_is_not_spoken_of(encoder: SentenceEncoder, tmp_path: Path) -> None:
    index = DocumentIndex(tmp_path / "index", encoder)
    index.open()
    index.add(
        [Document("d", "Mill", "# Mill\n\nThe mill by the river has a new wheel.", "documents", "anna", name="mill.md")]
    )
    visit = Visit(assistant(index, encoder, Reader(SentenceJudge(UnitVectors(encoder, index)))), "anna")
    assert "new wheel" in visit.ask("Summarise mill.md").answer
    index.delete("d", "anna")
    assert "new wheel" not in visit.ask("summarise it").answer
    index.close()


def test_a_cancelled_request_ends_quietly(reading: Assistant) -> None:
    cancel = threading.Event()
    cancel.set()
    events = reading.reply(
        Ask("t", "What is this about?", Conversation("c", "anna"), ("documents",), False, cancel=cancel)
    )
    assert turn_of(list(events)).outcome is Outcome.STOPPED


@pytest.mark.parametrize("language", ["en", "zh", "de"])
@pytest.mark.parametrize(
    "text", ["A", "?", "Fine. " * 3, "| a | b |", "word " * 500, "[1] is here [2]. [3]", "“„»", "中"]
)
def test_odd_documents_are_put_in_words(text: str, language: str) -> None:
    given = tuple(passages(Document("d", "Odd", text, "elsewhere")))
    if given:
        one = overview(Fetched(given))
        said = written([one], one.passages, language)
        assert said.strip() and set(cited(said, 99)) <= set(range(1, len(one.passages) + 1))


def test_that_not_all_was_read_is_told_and_how_many_pages_there_are() -> None:
    made = [
        Passage(f"d#{n}", f"Fact {n} is told here.", "Annals", "elsewhere", "d", place=f"page {n + 1}", language="en")
        for n in range(300)
    ]
    document = Fetched(tuple(made))
    one = overview(document)
    (told,) = notices(Choice(Why.NAMED, (document,)), [one], "en")
    assert told.startswith("“Annals” is long: its beginning, its end and places spread over it were read, ")
    assert told.endswith(" of 300 passages.")
    assert "about 300 pages, about 1,500 words" in written([one], one.passages, "en")


def test_many_parts_are_counted_and_cut() -> None:
    text = "\n\n".join(f"## Part {n}\n\nThis is what part number {n} of the manual has to say." for n in range(40))
    one = overview(Fetched(tuple(passages(Document("d", "Manual", text, "elsewhere")))))
    said = written([one], one.passages, "en")
    assert "40 parts" in said
    assert said.endswith("Part 11 · and 28 more")
