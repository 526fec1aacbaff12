"""Citations: read where they are meant, left alone where they are not."""

from __future__ import annotations

import time

import pytest

from chat.citations import Numbering, cited, marks, renumbered


def numbered(text: str, count: int, size: int = 10_000) -> str:
    """The text as it is shown, when it is written in pieces of a size."""
    numbering = Numbering([0] * count)
    pieces = [numbering.push(text[start : start + size]) for start in range(0, len(text), size)]
    return "".join(pieces) + numbering.finish()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Paris is the capital [1].", (1,)),
        ("Paris is the capital[2].", (2,)),
        ("It is long [3, 1] and blue [2][1].", (3, 1, 2)),
        ("It is long [1,2；3].", (1, 2, 3)),
        ("It is long [1-3].", (1, 2, 3)),
        ("It is long [3, 1–2] and blue【2—3】.", (3, 1, 2)),
        ("首都是巴黎【1】,人口众多［2］。", (1, 2)),
        ("It is so【3†Danube】.", (3,)),
        ("In 1889[1], after World War I[2] (see the notes)[3].", (1, 2, 3)),
        ("As [1]: says", (1,)),
        ("Wow![1] Really?[2]", (1, 2)),
        ("[1] and [1] and [ 1 ]", (1,)),
        ("[0] [4] [99]", ()),
        ("no citation at all", ()),
        ("", ()),
    ],
)
def test_citations_are_read_in_order_of_appearance(text: str, numbers: tuple[int, ...]) -> None:
    assert cited(text, 3) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "Use `a [1]` here.",
        "Use ``x ` [1]`` here.",
        "```python\nprint(items [1])\n```",
        "~~~\nitems [1]\n",
        "   ```\n [1]\n```` \n",
        "See [1](https://example.org) and ![1](a.png).",
        "See [the text [1]](https://example.org/a_(b)).",
        "[1]: https://example.org",
        "a[1] and x2[1] and row_ids[1] and f()[1]",
        "arr[1] = 5 and list[1].append(2)",
        r"an escaped \[1\] and a footnote [^1]",
        "In [2020] and [100].",
        "Ages [10-20], years [1914-1918], digits [0-9], a score [3-1] and [2-9].",
    ],
)
def test_brackets_that_are_no_citations_are_left_alone(text: str) -> None:
    assert cited(text, 3) == ()
    for size in (1, 3, 10_000):
        assert numbered(text, 3, size) == text


def test_text_around_code_is_still_read() -> None:
    text = "First [1].\n\n```\nx [2]\n```\n\nThen `y [2]` and [3].\n\nA lone ` tick\n\nand [2] another `."
    assert cited(text, 3) == (1, 3, 2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Long [1, 7] and blue [9].", "Long [1] and blue."),
        ("Long【2】 and [3, 1].", "Long[1] and [2][3]."),
        ("Long [3]. Blue [1]. Long again [3]", "Long [1]. Blue [2]. Long again [1]"),
        ("Long [1, 1].", "Long [1]."),
        ("Long [3]. Blue [2 – 3].", "Long [1]. Blue [2][1]."),
        ("Long \t[0]", "Long"),
        ("`[9]` stays, [9] goes", "`[9]` stays, goes"),
        ("```\n[2] stays\n```\n[2] counts", "```\n[2] stays\n```\n[1] counts"),
        ("nothing to do [1].", "nothing to do [1]."),
        ("an open [1", "an open [1"),
        ("a list: [x] [ ] [", "a list: [x] [ ] ["),
        ("It's `code, and a tick that never closes [2].", "It's `code, and a tick that never closes [1]."),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 10_000])
def test_citations_are_numbered_as_they_come_and_invented_ones_go(text: str, wanted: str, size: int) -> None:
    assert numbered(text, 3, size) == wanted
    assert numbered(wanted, 3, size) == wanted


def test_sources_keep_their_numbers_and_new_ones_get_the_next_free() -> None:
    numbering = Numbering([0, 7, 0, 2], free=9)
    assert numbering.push("Long [3]. Blue [4, 2]. Deep [1, 3].") == "Long [9]. Blue [2][7]. Deep [10][9]."
    assert numbering.numbers == [10, 7, 9, 2]
    assert numbering.cited == [9, 2, 7, 10]
    later = Numbering(numbering.numbers, free=11, cited=[9])
    assert later.push("Deep [2], long [3] .") == "Deep [7], long [9] ."
    assert later.cited == [9, 7]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Long [1]. Blue [12] .", "Long [3]. Blue ."),
        ("Both [1][12] and [1, 12].", "Both [3] and [3]."),
        ("A list [1, 2] and `x [1]` stay.", "A list [1, 2] and `x [1]` stay."),
        ("Deep [150], in [2020].", "Deep [4], in [2020]."),
    ],
)
def test_an_answer_is_given_to_an_engine_with_other_numbers(text: str, wanted: str) -> None:
    assert renumbered(text, {1: 3, 12: 0, 150: 4}) == wanted


def test_without_sources_lists_stay_and_invented_citations_go() -> None:
    assert numbered("Sorted: [3, 1, 2] [1].", 0) == "Sorted: [3, 1, 2]."


def test_marks_point_into_the_text() -> None:
    text = "Long [1, 7] and【2】."
    assert [(text[mark.start : mark.end], mark.numbers) for mark in marks(text, 3)] == [
        ("[1, 7]", (1, 7)),
        ("【2】", (2,)),
    ]


@pytest.mark.parametrize("part", ["``a`", "[", "[a", "`", "a [1] ", "[1,", "[a](b", "a_", "![(", "`\n``\n", "```\n"])
def test_hostile_text_takes_no_long(part: str) -> None:
    text = (part * 20_000)[:20_000]
    begun = time.process_time()
    numbered(text, 3)
    assert time.process_time() - begun < 2
