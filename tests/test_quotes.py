"""python -m pytest tests/test_quotes.py"""

from __future__ import annotations

from chat.quotes import marks


def _marked(answer: str, passage: str) -> list[str]:
    return [passage[mark.start : mark.end] for mark in marks(answer, passage)]


def test_a_quote_is_marked_exactly() -> None:
    passage = "Before. Alexander Fleming discovered penicillin in 1928. After it came streptomycin."
    answer = "“Alexander Fleming discovered penicillin in 1928.” [1]"
    assert _marked(answer, passage) == ["Alexander Fleming discovered penicillin in 1928"]


def test_two_quotes_are_two_marks() -> None:
    passage = "One two three four five. Something else stands here. Six seven eight nine ten."
    assert _marked("Six seven eight nine ten. [1]", passage) == ["Six seven eight nine ten"]
    both = _marked("One two three four five. [1] Six seven eight nine ten. [1]", passage)
    assert both == ["One two three four five", "Six seven eight nine ten"]


def test_chance_words_are_not_marked() -> None:
    assert _marked("The cat sat on a mat.", "The dog sat on the rug.") == []


def test_chinese_is_compared_by_character() -> None:
    assert _marked("“弗莱明发现了青霉素。”[1]", "1928年，弗莱明发现了青霉素。它是抗生素。") == ["弗莱明发现了青霉素"]
