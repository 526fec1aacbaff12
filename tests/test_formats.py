"""Real files of every kind but PDF, read as people made them: python -m pytest tests/test_formats.py"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retrieval.base import Part
from retrieval.files import open_file
from tests.loading import FILES, load, text

_TEXTS = {
    "report": (
        "The tower is 37 metres high and has 214 steps.",
        "二〇三一年八月，灯塔接待了四千三百八十八名游客",
        "بنيت المنارة في عام 1861 على صخور سوداء عند مصب النهر.",
        "גובה המגדל שלושים ושבעה מטרים.",
    ),
    "manual": (
        "The wheel has twenty-eight paddles of elm and turns six times a minute.",
        "- Derbyshire grit for barley and oats.",
        "Stone: South; Diameter: 118 cm; Last dressed: March 2031",
        "磨坊的水轮有二十八块榆木桨板，每分钟转六圈。",
        "تدور عجلة الطاحونة ست مرات في الدقيقة",
        "גלגל הטחנה מסתובב שש פעמים בדקה",
    ),
    "page": (
        "Variety: Glou Morceau; Picked: mid October; Kept until: January; Wall: west",
        "靠墙种植的梨树比露天的早熟两个星期。",
        "تنضج الكمثرى المزروعة قرب الجدار قبل غيرها بأسبوعين.",
    ),
    "slides": ("Rooftop hives gave 19 kg of honey each in 2030", "每个屋顶蜂箱每年产蜜十九公斤。", "النحل في المدينة"),
    "sheets": ("Name: 王小梅; Duty: 售票员; Since: 2019", "Name: ليلى حداد; Duty: مرشدة; Since: 2024"),
}
_KINDS = ("*.pdf", "*.docx", "*.odt", "*.rtf", "*.pptx", "*.odp", "*.xlsx", "*.ods", "*.epub", "*.html")
_REAL = sorted(path for kind in _KINDS for path in FILES.glob(kind))


@pytest.mark.parametrize("path", _REAL, ids=lambda path: path.name)
def test_the_text_of_a_real_file_is_found_in_every_script(path: Path) -> None:
    incoming = open_file(path, path.name, "owner")
    parts = list(incoming.parts(0))
    for sentence in _TEXTS[path.stem]:
        assert any(sentence in part.text for part in parts), sentence
    assert [part.done for part in parts] == sorted(part.done for part in parts)
    assert parts[-1].done == 1.0
    assert list(incoming.parts(1)) == parts[1:]


def test_every_kind_is_among_the_real_files() -> None:
    assert {path.suffix for path in _REAL} == {kind.removeprefix("*") for kind in _KINDS}


def test_an_rtf_keeps_its_notes_beside_what_they_explain() -> None:
    whole = text(FILES / "report.rtf")
    assert "first lit on 14 March 1862[1], eleven months" in whole
    assert "214 steps.\n\n[1] The date stands in the log-book of Ada Marsh, the first keeper.\n\nThe walls" in whole


def test_an_rtf_keeps_its_headings(tmp_path: Path) -> None:
    headings = re.findall(r"^#.*", text(FILES / "report.rtf"), re.MULTILINE)
    assert headings[:3] == ["# The tower", "## The lamp", "# Visitors and income"]
    path = tmp_path / "own.rtf"
    path.write_bytes(
        rb"{\rtf1\ansi{\stylesheet{\s1\outlinelevel0 Heading 1;}}"
        rb"{\pard\outlinelevel0\b Caf\'e9\par}{\pard\outlinelevel9 Plain.\par}"
        rb"\trowd\pard\intbl\outlinelevel1 Price\cell Name\cell\row\pard After.\par}"
    )
    assert text(path) == "# Café\n\nPlain.\n\nPrice: Name\n\nAfter."


def test_an_rtf_that_is_cut_off_in_a_note_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.rtf"
    path.write_bytes(
        rb"{\rtf1\ansi\pard One.{\super \chftn{\footnote \pard {\super\chftn} A \{brace\}.}} Two."
        rb"{\*\footnote\ftnalt At the end.}\par Three.\par Four{\footnote never clo"
    )
    assert text(path) == "One.[1] Two.[2]\n\n[1] A {brace}.\n\n[2] At the end.\n\nThree.\n\nFour[3]"


@pytest.mark.parametrize("name", ["report.docx", "report.odt"])
def test_a_text_keeps_headings_tables_and_footnotes_where_they_belong(name: str) -> None:
    whole = text(FILES / name)
    assert re.findall(r"^#.*", whole, re.MULTILINE) == [
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
    assert "first lit on 14 March 1862[1], eleven months" in whole
    assert "214 steps.\n\n[1] The date stands in the log-book of Ada Marsh, the first keeper.\n\nThe walls" in whole
    assert (
        "Month: June; Visitors: 1,204; Tickets: £6,020; Remarks: Stairs closed for painting during the second week\n"
        "Month: July; Visitors: 2,917; Tickets: £14,585\n"
        "Month: August; Visitors: 4,388; Tickets: £21,940; Remarks: Open until nine in the evening"
    ) in whole
    assert "Annual report" not in whole  # the running header


def test_numbered_lists_keep_their_numbers() -> None:
    for name in ("manual.docx", "manual.epub"):
        lines = "1. lift it with the crane,\n2. mark the furrows with raddle,\n3. cut them with a mill bill."
        assert lines in text(FILES / name)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("report.docx", "Kestrel Point Lighthouse: report for 2031"),
        ("report.odt", "Kestrel Point Lighthouse: report for 2031"),
        ("report.rtf", "Kestrel Point Lighthouse: report for 2031"),
        ("report.pdf", "Kestrel Point Lighthouse: report for 2031"),
        ("manual.epub", "The tide mill at Farrow"),
        ("slides.odp", "Bees in the city"),
        ("slides.pptx", "Bees in the city"),
        ("page.html", "Growing pears on walls"),
        ("sheets.xlsx", "sheets.xlsx"),
    ],
)
def test_title(name: str, title: str) -> None:
    assert open_file(FILES / name, name, "owner").title == title


@pytest.mark.parametrize("name", ["slides.pptx", "slides.odp"])
def test_slides_have_numbers_titles_tables_and_notes(name: str) -> None:
    parts = load(FILES / name)[1]
    assert [part.place for part in parts] == [f"slide {number}" for number in range(1, 6)]
    assert parts[1].text == (
        "# Why keep bees on a roof\n\n- Rooftop hives gave 19 kg of honey each in 2030\n- Lime trees flower for three "
        "weeks in June\n\nNotes: Mention that the fire brigade must be told about every hive."
    )
    assert parts[2].text == (
        "# Costs\n\nItem: Hive; Price: £240; Lasts: 15 years\nItem: Smoker; Price: £35; Lasts: 10 years\n"
        "Item: Bee suit; Price: £110; Lasts: 5 years"
    )


@pytest.mark.parametrize("name", ["sheets.xlsx", "sheets.ods"])
def test_sheets_have_names_and_show_values_as_the_program_does(name: str) -> None:
    sales, staff = load(FILES / name)[1]
    assert (sales.place, staff.place) == ("sheet Sales", "sheet Staff 名单")
    assert sales.text == (
        "# Sales\n\nSales of the museum shop\n\n"
        "Article: Tin whistle; First sold: 7 March 2031; Pieces: 1,412; Takings: £5,577.40; Share: 61.3%\n"
        "Article: Sea chart; First sold: 21 November 2031; Pieces: 88; Takings: £3,520.00; Share: 38.7%\n"
        "Article: Total; Pieces: 1,500; Takings: £9,097.40"
    )


def test_a_page_is_its_text_without_navigation_scripts_and_footer() -> None:
    title, parts = load(FILES / "page.html")
    whole = parts[0].text
    assert title == "Growing pears on walls"
    assert "in the open[1]. Start with a maiden tree" in whole
    assert "a hand's breadth from the brickwork." in whole
    assert not any(gone in whole for gone in ("Shop for ladders", "must not run", "cookies", "font:", "example.org"))


def test_a_book_has_a_part_for_each_chapter_under_its_heading() -> None:
    parts = load(FILES / "manual.epub")[1]
    headings = [part.text.split("\n")[0] for part in parts]
    assert headings == [
        "# The tide mill at Farrow",
        "# How the mill works",
        "# 潮汐磨坊",
        "# طاحونة المد",
        "# טחנת הגאות",
    ]
    assert "has dropped below the wheel.[1] The wheel" in parts[1].text


def _html(folder: Path, data: bytes) -> list[Part]:
    path = folder / "a.html"
    path.write_bytes(data)
    return load(path)[1]


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("<p>one<br>two</p>", "one\ntwo"),
        ("<p>a<script>x()</script>b <span hidden>c</span><b style='display: none'>d</b></p>", "ab"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ol><li>a</li><li><p>b</p><p>c</p></li></ol>", "1. a\n2. b\n\nc"),
        ("<pre>  x = 1\n# y</pre>", "```\n  x = 1\n# y\n```"),
        ("<dl><dt>Term</dt><dd>Meaning</dd></dl>", "Term\n\nMeaning"),
        (
            "<table><tr><td>Born</td><td>1815</td></tr><tr><td>Died</td><td>1852</td></tr></table>",
            "Born: 1815\nDied: 1852",
        ),
        ("<table><tr><td><table><tr><td>x</td><td>y</td></tr></table></td></tr></table>", "x: y"),
        ("<p>5 &lt; 6 &amp; &nbsp;more&hellip;", "5 < 6 & more…"),
        (
            "<header>Site</header><p>Text</p><aside><a href=/>Other pages</a></aside><aside>A remark</aside>",
            "Text\n\nA remark",
        ),
        ("<p>lone", "lone"),
        ("<div>" * 1500 + "deep", "deep"),
    ],
)
def test_markup(tmp_path: Path, markup: str, shown: str) -> None:
    assert "\n\n".join(part.text for part in _html(tmp_path, markup.encode())) == shown


@pytest.mark.parametrize(
    "data",
    [
        "<meta charset='gb2312'><p>红隼角灯塔高三十七米</p>".encode("gb18030"),
        '<?xml version="1.0" encoding="big5"?><html><p>紅隼角燈塔高三十七米</p></html>'.encode("big5"),
        "<p>红隼角灯塔高三十七米</p>".encode("utf-16"),
        "<meta charset='us-ascii'><p>红隼角灯塔高三十七米</p>".encode(),
    ],
)
def test_the_encoding_of_a_page(tmp_path: Path, data: bytes) -> None:
    assert _html(tmp_path, data)[0].text in ("红隼角灯塔高三十七米", "紅隼角燈塔高三十七米")
