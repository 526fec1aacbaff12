"""PDFs as LibreOffice, Chromium and pypdf write them: python -m pytest tests/test_pdf.py"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retrieval.base import Part
from tests.loading import FILES, load
from tests.pdfs import page_of, write_pdf


@pytest.fixture(scope="module")
def report() -> list[Part]:
    return load(FILES / "report.pdf")[1]


def test_each_page_is_a_part_and_says_its_number(report: list[Part]) -> None:
    assert [part.place for part in report] == ["page 1", "page 2", "page 3"]
    where = {"214 steps": 0, "bluethroats": 1, "£48,300": 1, "county archive": 2, "二百一十四级台阶": 2}
    for words, page in where.items():
        assert [words in part.text for part in report] == [number == page for number in range(3)]


def test_headings_have_the_levels_of_the_outline(report: list[Part]) -> None:
    headings = re.findall(r"^#.*", "\n".join(part.text for part in report), re.MULTILINE)
    assert headings == [
        "# Kestrel Point Lighthouse",
        "# The tower",
        "## The lamp",
        "# Visitors and income",
        "# Birds of the point",
        "# Repairs",
        "# 灯塔的历史",
        "# تاريخ المنارة",
        "# תולדות המגדלור",
    ]


def test_a_table_with_lines_becomes_rows_that_can_be_read_alone(report: list[Part]) -> None:
    assert (
        "Month: June; Visitors: 1,204; Tickets: £6,020; Remarks: Stairs closed for painting during the second week\n"
        "Month: July; Visitors: 2,917; Tickets: £14,585\n"
        "Month: August; Visitors: 4,388; Tickets: £21,940; Remarks: Open until nine in the evening"
    ) in report[0].text


def test_columns_come_one_after_the_other_with_cut_words_mended(report: list[Part]) -> None:
    text = report[1].text
    assert "by uncontrolled dogs.\n\nPeregrines nested on the northern buttress and raised three young." in text
    assert "Fulmars abandoned the western ledges altogether, presumably because of the scaffolding." in text
    assert "representatives of the harbour administration acknowledged responsibility and compensated" in text
    assert "are transcribed automatically.\n\n# Repairs\n\nThe gallery railing" in text
    assert "ninety-four species" in text


def test_footnotes_are_kept_and_their_marks_are_no_part_of_the_words(report: list[Part]) -> None:
    assert "first lit on 14 March 1862[1], eleven months later" in report[0].text
    assert "23 nautical miles[2]." in report[0].text
    assert report[0].text.endswith(
        "[1] The date stands in the log-book of Ada Marsh, the first keeper.\n\n"
        "[2] Measured from the pilot boat Petrel on a clear night in October 2030."
    )


def test_what_repeats_on_every_page_is_left_out(report: list[Part]) -> None:
    whole = "\n".join(part.text for part in report)
    assert "Annual report" not in whole
    assert not re.search(r"Page \d of 3", whole)


def test_a_paragraph_goes_on_over_the_end_of_a_page(report: list[Part]) -> None:
    assert [part.continues for part in report] == [False, False, True]
    assert report[1].text.endswith("letters, written between 1871 and 1879 by the")
    assert report[2].text.startswith("assistant keeper Josiah Penhallow to a lady in Bruges.")


def test_chinese_lines_are_joined_without_spaces_and_right_to_left_text_is_in_order(report: list[Part]) -> None:
    text = report[2].text
    assert "第一任守塔人是艾达·马什，她在塔里住了二十六年。灯塔最初使用菜籽油照明，一九五八年改用电灯。" in text
    assert "يبلغ ارتفاع البرج سبعة وثلاثين مترا. كانت أول حارسة للمنارة تدعى آدا مارش." in text
    assert "המגדלור נבנה בשנת 1861 על סלעים שחורים בשפך הנהר. גובה המגדל שלושים ושבעה מטרים." in text


def test_a_page_printed_by_a_browser() -> None:
    (part,) = load(FILES / "page.pdf")[1]
    text = part.text
    assert "Variety: Glou Morceau; Picked: mid October; Kept until: January; Wall: west" in text
    first, second, third = (text.index(f"In the {number} winter") for number in ("first", "second", "third"))
    assert text.index("## The first three winters") < first < second < third < text.index("## 墙上的梨树")
    assert "to a bud that points downwards, so that the new growth comes up in a gentle curve." in text
    assert "تنضج الكمثرى المزروعة قرب الجدار قبل غيرها بأسبوعين." in text
    assert text.endswith("[1] Measured at Wexcombe between 2019 and 2027 on forty trees of each kind.")


def test_reading_goes_on_from_any_page(report: list[Part]) -> None:
    from retrieval.files import open_file

    incoming = open_file(FILES / "report.pdf", "report.pdf", "owner")
    for start in range(4):
        assert list(incoming.parts(start)) == report[start:]


_LEFT = [
    "Basalt weathers slowly where",
    "the spray cannot reach it and",
    "keeps its edges for a hundred",
    "years or more without a crack.",
]
_RIGHT = [
    "Granite on the other hand is",
    "split by frost in a few cold",
    "winters, and the blocks slide",
    "down to the beach in spring.",
]


def test_columns_whose_lines_are_stored_across_the_page(tmp_path: Path) -> None:
    lines = [
        (100.0 if side else 330.0, 700.0 - 14 * i, 11.0, text)
        for i in range(4)
        for side, text in ((1, _LEFT[i]), (0, _RIGHT[i]))
    ]
    title = [(100.0, 740.0, 18.0, "Two kinds of rock that stand on the coast")]
    (part,) = load(write_pdf(tmp_path / "a.pdf", [page_of(title + lines)]))[1]
    assert part.text == f"# Two kinds of rock that stand on the coast\n\n{' '.join(_LEFT)}\n\n{' '.join(_RIGHT)}"


def test_a_table_without_lines_is_no_text_in_columns(tmp_path: Path) -> None:
    rows = [
        ("Port", "Depth", "Tide"),
        ("Mardle", "4 m", "2.1 m"),
        ("Tarn Quay", "11 m", "3.4 m"),
        ("Orrin", "6 m", "2.9 m"),
    ]
    cells = [
        (x, 700.0 - 16 * i, 11.0, cell)
        for i, row in enumerate(rows)
        for x, cell in zip((80.0, 200.0, 300.0), row, strict=True)
    ]
    (part,) = load(write_pdf(tmp_path / "a.pdf", [page_of(cells)]))[1]
    assert part.text == (
        "Port: Mardle; Depth: 4 m; Tide: 2.1 m\n"
        "Port: Tarn Quay; Depth: 11 m; Tide: 3.4 m\n"
        "Port: Orrin; Depth: 6 m; Tide: 2.9 m"
    )


def test_a_word_cut_at_the_end_of_a_page_is_whole_on_the_first(tmp_path: Path) -> None:
    filler = "This line is as long as any other line of the text on the page"
    first = [(80.0, 700.0 - 14 * i, 11.0, filler) for i in range(6)] + [(80.0, 616.0, 11.0, f"{filler[:-9]} compres-")]
    second = [(80.0, 700.0, 11.0, "sion of the cork in the wall was measured again in autumn.")]
    one, two = load(write_pdf(tmp_path / "a.pdf", [page_of(first), page_of(second)]))[1]
    assert one.text.endswith(f"{filler[:-9]} compression")
    assert two.text.startswith("of the cork in the wall") and two.continues


def test_a_title_that_stands_on_several_slides_is_no_running_header(tmp_path: Path) -> None:
    body = [(60.0, 500.0 - 14 * i, 11.0, f"Point {i} of the many that are made.") for i in range(5)]
    slide = page_of([(60.0, 740.0, 24.0, "Results"), *body])
    for part in load(write_pdf(tmp_path / "a.pdf", [slide, slide]))[1]:
        assert part.text.startswith("# Results\n\nPoint 0")


def test_a_page_that_is_turned_and_words_that_are_turned_on_it(tmp_path: Path) -> None:
    lines = [(100.0, 700.0, 12.0, "The map was drawn in 1861."), (100.0, 680.0, 12.0, "It shows every rock.")]
    for rotation in (0, 90, 180, 270):
        (part,) = load(write_pdf(tmp_path / "a.pdf", [page_of(lines, rotation=rotation)]))[1]
        words = " ".join(part.text.split())
        assert words == "The map was drawn in 1861. It shows every rock."


def test_a_blank_page_is_an_empty_part(tmp_path: Path) -> None:
    lines = [(100.0, 700.0, 12.0, "Words.")]
    parts = load(write_pdf(tmp_path / "a.pdf", [page_of(lines), page_of([]), page_of(lines)]))[1]
    assert [part.text for part in parts] == ["Words.", "", "Words."]
    assert [part.place for part in parts] == ["page 1", "page 2", "page 3"]
