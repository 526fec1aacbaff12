"""What the reader says when nothing answers, and whom it asks back about.

python -m pytest tests/test_replies.py
"""

from __future__ import annotations

import pytest

from chat.base import ChatRequest, Finish, Message, Role
from chat.excerpt import words
from chat.reader import DOCUMENTS, Reader
from chat.replies import ask_back, small_talk, unanswered
from chat.smalltalk import Talk
from encoder import SentenceEncoder
from retrieval.base import Passage
from retrieval.judge import SentenceJudge
from retrieval.unit_vectors import UnitVectors

LIBRARY, WIKIPEDIA = "Starter library", "Wikipedia"
CV = "Dr Anna Berg studied chemistry in Uppsala. She was born in Malmö in 1980."


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("who shot the sheriff", "says who"),
        ("when did the mayor resign", "says when"),
        ("why is the tap dripping", "says why"),
        ("how many moons does Mars have", "gives the figure"),
        ("is the shop open", "answers this"),
    ],
)
def test_it_says_what_was_looked_for_and_where(query: str, says: str) -> None:
    text = unanswered("en", [LIBRARY], [WIKIPEDIA], query)
    assert says in text
    assert LIBRARY in text and "switch on Wikipedia" in text


def test_it_advises_by_what_is_left_to_do() -> None:
    everything = unanswered("en", [LIBRARY, WIKIPEDIA], [], "who shot the sheriff")
    assert "other words" in everything and "switch on" not in everything
    off = unanswered("en", [], [LIBRARY], "who shot the sheriff")
    assert "Retrieval is off" in off and LIBRARY in off
    assert "“sheriff”" in unanswered("en", [LIBRARY], [], "sheriff?")
    assert "“警长”" in unanswered("zh", ["入门资料库"], [], "警长")
    assert "英文" in unanswered("zh", ["入门资料库"], [], "法国有多少人口？")
    assert "asking in English" in unanswered("de", [LIBRARY], [], "Wer hat das Bild gemalt?")


@pytest.mark.parametrize("hidden", ["My documents", "我的文档"])
def test_it_names_no_source_that_it_was_not_told_of(hidden: str) -> None:
    for language in ("en", "zh"):
        for query in ("who shot the sheriff", "sheriff", "谁画了它"):
            assert hidden not in unanswered(language, [LIBRARY], [WIKIPEDIA], query)


def test_braces_in_a_question_do_no_harm() -> None:
    assert "{0}" not in unanswered("en", [LIBRARY], [], "{0} {query}?")
    assert unanswered("en", ["{x}"], [], "who?")


@pytest.mark.parametrize("language", ["en", "zh", "de"])
def test_every_kind_of_small_talk_has_a_short_reply(language: str) -> None:
    said = [small_talk(kind, language) for kind in Talk]
    assert all(text and words(text) <= 60 for text in said)
    assert len(set(said)) == len(Talk)


@pytest.mark.parametrize(
    ("word", "language", "says"),
    [
        ("he", "en", "Whom do you mean by “he”"),
        ("it", "en", "what “it” stands for"),
        ("why", "en", "“why” about what"),
        ("and the second", "en", "about what"),
        ("他", "zh", "指的是谁"),
        ("它", "zh", "指的是什么"),
        ("为什么", "zh", "是问什么"),
    ],
)
def test_it_asks_back(word: str, language: str, says: str) -> None:
    assert says in ask_back(word, language)


@pytest.fixture(scope="module")
def reader(encoder: SentenceEncoder) -> Reader:
    reader = Reader(SentenceJudge(UnitVectors(encoder)))
    reader.load()
    return reader


def _said(reader: Reader, question: str, language: str, passages: tuple[Passage, ...] = ()) -> tuple[str, Finish]:
    request = ChatRequest((Message(Role.USER, question),), passages, question, language, (LIBRARY,), (WIKIPEDIA,))
    chunks = list(reader.stream(request))
    assert chunks[-1].finish is not None
    return "".join(chunk.text for chunk in chunks), chunks[-1].finish


def _cv(source: str) -> Passage:
    return Passage("cv#0", CV, "Curriculum vitae", source, "cv", language="en", end=len(CV), score=0.5)


@pytest.mark.parametrize(
    ("question", "language", "says"),
    [
        ("when was he born?", "en", "Whom do you mean by “he”?"),
        ("why?", "en", "“why” about what?"),
        ("and the second?", "en", "about what?"),
        ("他是哪里人？", "zh", "“他”指的是谁？"),
        ("为什么？", "zh", "“为什么”是问什么？"),
    ],
)
def test_the_reader_asks_who_or_what_is_meant(reader: Reader, question: str, language: str, says: str) -> None:
    text, finish = _said(reader, question, language, (_cv("library"),))
    assert says in text
    assert finish is Finish.UNANSWERED


def test_a_document_of_ones_own_may_say_who_she_is(reader: Reader) -> None:
    for question, says in {"When was she born?": "1980", "What did she study?": "chemistry"}.items():
        text, finish = _said(reader, question, "en", (_cv(DOCUMENTS),))
        assert says in text
        assert finish is Finish.STOP
    assert _said(reader, "How tall is she?", "en", (_cv(DOCUMENTS),))[1] is Finish.UNANSWERED


def test_a_thing_that_is_not_named_is_asked_for_only_where_nothing_answers(reader: Reader) -> None:
    text, finish = _said(reader, "how do I clean it?", "en")
    assert "“it”" in text and LIBRARY in text
    assert finish is Finish.UNANSWERED


@pytest.mark.parametrize(("question", "says"), [("what's 2+2", "calculate"), ("weather today", "weather")])
def test_the_reader_says_what_it_cannot_do(reader: Reader, question: str, says: str) -> None:
    text, finish = _said(reader, question, "en", (_cv("library"),))
    assert says in text
    assert finish is Finish.UNANSWERED
