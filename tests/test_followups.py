"""Two turns: what a follow-up is searched for as, and that a fresh question stays as it was typed.

python -m pytest tests/test_followups.py
"""

from __future__ import annotations

import re

import pytest

from retrieval.query import Turn, standalone
from tests import followup_turns_en, followups_en, followups_zh

_ALONE = re.compile(r"\s*[|\n]\s*")
_WORD = re.compile(r"[\w']+")


def _rows(pairs: list[tuple[str, str, str, str]], turns: dict[str, Turn]) -> list[tuple[Turn, str, str, str]]:
    return [(turns[key], question, holds, lacks) for key, question, holds, lacks in pairs]


@pytest.mark.parametrize(
    ("turn", "question", "holds", "lacks"), _rows(followups_en.FOLLOW_UPS, followup_turns_en.TURNS), ids=str
)
def test_an_english_follow_up(turn: Turn, question: str, holds: str, lacks: str) -> None:
    query = standalone(question, [turn]).text
    said = {word.lower() for word in _WORD.findall(query)}
    assert {word.lower() for word in _WORD.findall(holds)} <= said, query
    assert not {word.lower() for word in lacks.split()} & said, query


@pytest.mark.parametrize(
    ("turn", "question", "holds", "lacks"), _rows(followups_zh.FOLLOW_UPS, followups_zh.TURNS), ids=str
)
def test_a_chinese_follow_up(turn: Turn, question: str, holds: str, lacks: str) -> None:
    query = standalone(question, [turn]).text
    assert all(part.rstrip("？") in query for part in holds.split()), query
    assert not any(part in query for part in lacks.split()), query


@pytest.mark.parametrize(
    ("turn", "question"),
    [(followup_turns_en.TURNS[key], question) for key, question in followups_en.FRESH]
    + [(followups_zh.TURNS[key], question) for key, question in followups_zh.FRESH],
)
def test_a_fresh_question_that_only_looks_short(turn: Turn, question: str) -> None:
    assert standalone(question, [turn]).text == question


@pytest.mark.parametrize("key", ["penicillin", "titanic", "france", "battery", "planet", "moon", "days off", "lease"])
def test_an_english_question_that_stands_alone_stays_whatever_was_said(key: str) -> None:
    for question in _ALONE.split(followups_en.ALONE.strip()):
        assert standalone(question, [followup_turns_en.TURNS[key]]).text == question


@pytest.mark.parametrize("key", ["青霉素", "故宫", "李白", "行星", "年假", "泰坦尼克"])
def test_a_chinese_question_that_stands_alone_stays_whatever_was_said(key: str) -> None:
    for question in _ALONE.split(followups_zh.ALONE.strip()):
        assert standalone(question, [followups_zh.TURNS[key]]).text == question


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("现在还有多少只？", ""),
        ("什么时候发现的？", ""),
        ("押金多少？", "押金多少？"),
        ("有多少预算？", "有多少预算？"),
    ],
)
def test_only_what_names_something_may_have_been_meant_alone_in_chinese(question: str, alone: str) -> None:
    query = standalone(question, [followups_zh.TURNS["熊猫"]])
    assert query.text.startswith("大熊猫") and query.alone == alone
