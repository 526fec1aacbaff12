"""Sentences and passages: python -m pytest tests/test_split.py"""

from __future__ import annotations

import time

import pytest

from retrieval.base import Document
from retrieval.split import MAX_WORDS, passages, sentences


def _sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


def _document(text: str, title: str = "Title") -> Document:
    return Document(id="d", title=title, text=text, source="documents", owner="o", language="en")


@pytest.mark.parametrize(
    "expected",
    [
        ["Mr. Smith went to the U.S. in 1999.", "He paid $3.5 million."],
        ["J. R. R. Tolkien wrote it.", "George W. Bush did not."],
        ['"Really?" he asked.', "“Yes.”", "Nobody spoke."],
        ["It began at 5 p.m.", "The end came soon."],
        ["See Fig. 3 and No. 7.", "The answer is no.", "He left."],
        ["Apple Inc. makes phones.", "The U.S. Army is large."],
        ["They went to Washington, D.C.", "It was cold."],
        ["Yahoo! is a firm.", "Wow!", "Yes."],
        ["It is known.[12]", "Another one follows."],
        ["Vitamin C.", "The body needs it."],
        ["Wait... what?", "Yes."],
    ],
)
def test_english_sentences(expected: list[str]) -> None:
    assert _sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["他说：“你好。”", "然后走了。"],
        ["真的吗？！", "是的；", "再见！"],
        ["「好。」", "他說。"],
        ["Docker是什么?", "很好"],
        ["圆周率是3.14。", "它约等于３．１４。"],
    ],
)
def test_chinese_sentences(expected: list[str]) -> None:
    assert _sentences("".join(expected)) == expected


def test_a_line_is_a_sentence_where_it_stands_alone() -> None:
    text = "# Heading\n- first item\n- second item\n\n1. third. Fourth.\n| a | b |\nShort line\nlast line"
    assert _sentences(text) == [
        "Heading",
        "first item",
        "second item",
        "third.",
        "Fourth.",
        "| a | b |",
        "Short line",
        "last line",
    ]


def test_a_number_at_the_start_of_a_line_is_a_marker() -> None:
    assert _sentences("1. Website\nIt goes live.\n2) Fair\n- Held on Saturday.\n* Free") == [
        "Website",
        "It goes live.",
        "Fair",
        "Held on Saturday.",
        "Free",
    ]
    assert _sentences("He was born in 1. The end.") == ["He was born in 1.", "The end."]


def test_lines_with_a_label_stand_alone() -> None:
    text = "Benefit: Staff discount; Who: everyone; Amount: 20%\nBenefit: Boots; Who: outdoor team; Amount: £60"
    assert _sentences(text) == text.split("\n")


def test_numbered_lines_above_a_text_are_headings() -> None:
    text = "Minutes\nPresent: A, B\n\n1. Website\nIt goes live.\n\n2. Greenhouse heating\nThe boiler broke.\n"
    assert [(p.section, p.text) for p in passages(_document(text))] == [
        ("", "Minutes\nPresent: A, B"),
        ("Website", "It goes live."),
        ("Greenhouse heating", "The boiler broke."),
    ]
    listed = "1. Milk\n2. Eggs\n\n1. Add the flour\nand stir.\n"
    assert {p.section for p in passages(_document(listed))} == {""}


def test_a_wrapped_line_goes_on() -> None:
    text = "The quick brown fox jumps over the lazy dog and then it goes\non to the next line. A second one."
    assert _sentences(text) == [text.partition(" A")[0], "A second one."]


def test_nothing_but_punctuation_is_no_sentence() -> None:
    assert _sentences("... --- *** 。。。 \n\n !!! ") == []


def test_passages_are_spans_with_their_headings() -> None:
    text = (
        "# Title\n\nIntro.\n\n## Install\n\nRun this.\n\n### Windows\n```\n# no heading\n```\n\nUse\n-----\nClick.\n"
        "## Empty\n"
    )
    found = passages(_document(text))
    assert [(p.text, p.section) for p in found] == [
        ("Intro.", ""),
        ("Run this.", "Install"),
        ("```\n# no heading\n```", "Install › Windows"),
        ("Click.", "Use"),
    ]
    assert [p.id for p in found] == ["d#0", "d#1", "d#2", "d#3"]
    assert all(text[p.start : p.end] == p.text for p in found)
    assert {(p.document, p.source, p.title, p.language) for p in found} == {("d", "documents", "Title", "en")}


def test_short_paragraphs_join_and_long_ones_are_cut_between_sentences() -> None:
    sentence = "The quick brown fox jumps over the lazy dog near the bank. "
    joined = passages(_document("\n\n".join([sentence] * 4)))
    assert len(joined) == 1
    long = (sentence * 80).strip()
    found = passages(_document(long))
    sizes = [len(p.text.split()) for p in found]
    assert max(sizes) <= MAX_WORDS and max(sizes) - min(sizes) <= 12
    assert all(p.text.startswith("The quick") and p.text.endswith("bank.") for p in found)
    assert " ".join(p.text for p in found) == long


def test_chinese_passages_are_measured_in_characters() -> None:
    text = "黑豹队的防守只丢了三百零八分。" * 100
    found = passages(_document(text))
    assert 200 <= len(found[0].text) <= 400
    assert "".join(p.text for p in found) == text


def test_only_headings_still_give_a_passage() -> None:
    assert [p.text for p in passages(_document("# A\n\n## B\n"))] == ["A\n\n## B"]


@pytest.mark.parametrize("text", ["", " \n\t", "***\n---\n", "😀"])
def test_nothing_to_read_gives_no_passage(text: str) -> None:
    assert passages(_document(text)) == []


@pytest.mark.parametrize(
    "unit", ["a", ".", " ", "\n", "中", '."', "# ", "- ", "| a |\n", "```\n", "1. ", "?)", "A. ", " \n", "> "]
)
def test_pathological_text_takes_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        began = time.process_time()
        found = passages(_document(text))
        assert all(p.text == text[p.start : p.end] and len(p.text) < 5000 for p in found)
        return time.process_time() - began

    seconds(1_000)
    assert seconds(200_000) < 2.0  # a quadratic pattern would take minutes
