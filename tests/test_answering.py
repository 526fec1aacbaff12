"""What of a text may be quoted and in which order, what is to be explained: python -m pytest tests/test_answering.py"""

from __future__ import annotations

import pytest

from chat.reader import _fitted
from encoder import SentenceEncoder
from retrieval.answering import Sentence, quotable, read_question
from retrieval.base import Passage
from retrieval.expected import defined
from retrieval.rarity import Rarity
from retrieval.vectors import units
from retrieval.word_likeness import WordLikeness, content_words

NILE = Passage(
    "nile#0",
    "The Nile is a river in Africa. The Nile is about 6,650 kilometres long. It flows north into the sea. "
    "The two main branches of the Nile meet in Khartoum.",
    "Nile",
    "library",
    "nile",
    language="en",
)


def test_the_likelier_sentence_stands_first() -> None:
    quoted = [Sentence(0, span, NILE.text[span.start : span.end]) for span in units(NILE.text)]
    question = read_question("nile", "en", Rarity({}))
    for ranked, order in ((quoted[3::-3], [3, 0]), (quoted[1::-1], [0, 1]), (quoted[0:2], [0, 1])):
        found = [quote.sentence for quote in _fitted(question, [NILE], ranked, [1])]
        assert found == [quoted[i] for i in order]


@pytest.mark.parametrize(
    ("unit", "quoted"),
    [
        ("Q: How big?\nA: 1.8 litres.", "1.8 litres."),
        ("How big is it?\n1.8 litres.", "1.8 litres."),
        ("Website\nIt goes live.", "It goes live."),
        ("问：多大？\n答：1.8升。", "1.8升。"),
        ("Really? Yes.", "Really? Yes."),
        ("Is it big?", ""),
        ("It was, he said, a “why?” moment.", "It was, he said, a “why?” moment."),
    ],
)
def test_what_of_a_unit_may_be_quoted(unit: str, quoted: str) -> None:
    assert quotable(unit) == quoted


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("what is a black hole?", "black hole"),
        ("Whats photosynthesis", "photosynthesis"),
        ("who was Marie Curie", "Marie Curie"),
        ("tell me about the Moon", "Moon"),
        ("什么是丝绸之路？", "丝绸之路"),
        ("李白是谁", "李白"),
        ("how deep is it", ""),
    ],
)
def test_what_a_question_wants_explained(question: str, subject: str) -> None:
    assert defined(question) == subject


def test_words_used_alike_are_alike(encoder: SentenceEncoder) -> None:
    likeness = WordLikeness(encoder)
    same, near, far = likeness.between(["biggest"], ["biggest", "largest", "table"])[0]
    assert same == 1 and near > 0.6 and far < 0.1
    assert likeness.between([], ["a"]).shape == (0, 1)
    assert content_words("What is the Boiling point, at 1,000 m?") == ("boiling", "point", "1,000")
