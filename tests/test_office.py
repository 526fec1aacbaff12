"""What office files hold beside plain paragraphs: python -m pytest tests/test_office.py"""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from retrieval.formats.number_format import shown
from tests.loading import FILES, load, text

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def _p(words: str, properties: str = "") -> str:
    return f"<w:p>{properties}<w:r><w:t>{words}</w:t></w:r></w:p>"


def _docx(path: Path, body: str, numbering: str = "") -> Path:
    """A Word document with this body, its other members those of a real one."""
    with zipfile.ZipFile(FILES / "manual.docx") as real, zipfile.ZipFile(path, "w") as made:
        for name in real.namelist():
            data = real.read(name)
            if name == "word/document.xml":
                data = f"<w:document {_W}><w:body>{body}</w:body></w:document>".encode()
            elif name == "word/numbering.xml" and numbering:
                data = f"<w:numbering {_W}>{numbering}</w:numbering>".encode()
            made.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>", "a b\nc"),
        (f"<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins>{_p('new')}</w:ins></w:p>", "new"),
        (f"<w:moveFrom>{_p('gone')}</w:moveFrom>{_p('here')}", "here"),
        (f"<w:sdt><w:sdtContent>{_p('in a control')}</w:sdtContent></w:sdt>", "in a control"),
        ("<w:p><w:hyperlink><w:r><w:t>a link</w:t></w:r></w:hyperlink></w:p>", "a link"),
        ("<w:p><w:r><w:instrText>PAGEREF x</w:instrText><w:t>7</w:t></w:r></w:p>", "7"),
        ("<w:p><w:ruby><w:rt><w:t>かな</w:t></w:rt><w:rubyBase><w:t>仮名</w:t></w:rubyBase></w:ruby></w:p>", "仮名"),
        (f"<w:p><w:pict><w:txbxContent>{_p('boxed')}</w:txbxContent></w:pict></w:p>", "boxed"),
        (_p("Part two", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>'), "## Part two"),
        (_p("plain", '<w:pPr><w:outlineLvl w:val="x"/></w:pPr>'), "plain"),
    ],
)
def test_what_stands_in_a_word_document(tmp_path: Path, body: str, shown: str) -> None:
    assert text(_docx(tmp_path / "a.docx", body)) == shown


def test_lists_of_a_word_document_are_numbered_as_word_numbers_them(tmp_path: Path) -> None:
    levels = (("decimal", "%1."), ("lowerLetter", "(%2)"), ("upperRoman", "%1.%3"), ("bullet", ""))
    numbering = '<w:abstractNum w:abstractNumId="0">' + "".join(
        f'<w:lvl w:ilvl="{i}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{shown}"/></w:lvl>'
        for i, (kind, shown) in enumerate(levels)
    )
    numbering += '</w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>'
    body = "".join(
        _p("x", f'<w:pPr><w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="5"/></w:numPr></w:pPr>')
        for depth in (0, 1, 1, 0, 1, 2, 2, 3, 0)
    )
    marks = [line.split()[0] for line in text(_docx(tmp_path / "a.docx", body, numbering)).splitlines() if line]
    assert marks == ["1.", "(a)", "(b)", "2.", "(a)", "2.I", "2.II", "-", "3."]


def test_the_cells_of_a_table_in_a_word_document(tmp_path: Path) -> None:
    def cell(words: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{_p(words)}</w:tc>"

    rows = [
        cell("Bird") + cell("Eggs") + cell("Nest"),
        cell("Tern", '<w:gridSpan w:val="2"/>') + cell("shingle"),
        cell("Fulmar") + cell("1") + "<w:tc><w:tbl><w:tr>" + cell("ledge") + "</w:tr></w:tbl></w:tc>",
    ]
    body = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    assert text(_docx(tmp_path / "a.docx", body)) == "Bird: Tern; Nest: shingle\nBird: Fulmar; Eggs: 1; Nest: ledge"


def test_a_long_document_comes_in_parts_of_bounded_length(tmp_path: Path) -> None:
    body = "".join(_p(f"{number} {'word ' * 60}") for number in range(3000))
    parts = load(_docx(tmp_path / "a.docx", body))[1]
    assert len(parts) > 2 and max(len(part.text) for part in parts) < 2**19
    firsts = [line.split()[0] for part in parts for line in part.text.splitlines() if line]
    assert firsts == [str(number) for number in range(3000)]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (1234.5, "General", "1234.5"),
        (0.1 + 0.2, "General", "0.3"),
        (3, "General", "3"),
        (1412, "#,##0", "1,412"),
        (5577.4, '"£"#,##0.00', "£5,577.40"),
        (5577.4, "[$£-809]#,##0.00", "£5,577.40"),
        (1234.5, "#,##0.00\\ [$€-407]", "1,234.50 €"),
        (-3.5, "0.00;[Red](0.00)", "(3.50)"),
        (0, '0;-0;"none"', "none"),
        (0.613, "0.0%", "61.3%"),
        (12345, "0.00E+00", "1.23E+04"),
        (7, "000", "007"),
        (2.5, "0.##", "2.5"),
        (2.0, "0.##", "2"),
        (1500000, '0.0,,"M"', "1.5M"),
        (0.5, "# ?/?", "0.5"),
        (5, '0" pieces"', "5 pieces"),
        (True, "General", "TRUE"),
        ("words", "@", "words"),
        ("#N/A", "General", "#N/A"),
        (datetime(2031, 3, 7), "mm-dd-yy", "2031-03-07"),
        (datetime(2031, 3, 7), "d mmmm yyyy", "7 March 2031"),
        (datetime(2031, 3, 7), "[$-409]ddd, d\\-mmm\\-yy", "Fri, 7-Mar-31"),
        (datetime(2031, 3, 7), 'd" de "mmmm', "7 de March"),
        (datetime(2031, 3, 7, 15, 4, 5), "yyyy-mm-dd hh:mm:ss", "2031-03-07 15:04:05"),
        (datetime(2031, 3, 7, 15, 4), "h:mm AM/PM", "3:04 PM"),
        (datetime(2031, 3, 7, 15, 4), "General", "2031-03-07 15:04:00"),
        (date(2031, 3, 7), "yyyy/m/d", "2031/3/7"),
        (time(9, 5), "h:mm", "9:05"),
        (timedelta(hours=26, minutes=3), "[h]:mm:ss", "26:03:00"),
    ],
)
def test_values_are_shown_as_their_format_has_it(value: object, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text


def test_a_sheet_may_hold_several_tables_and_years_as_headers(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Plan"
    rows = [
        ["Budget"],
        [],
        ["Item", 2030, 2031],
        ["Boats", 12, 15.5],
        ["Nets", 3, 4],
        [],
        ["Who", "Where"],
        ["Ada", "Orrin"],
    ]
    for row in rows:
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    book.close()
    assert text(tmp_path / "a.xlsx") == (
        "# Plan\n\nBudget\n\nItem: Boats; 2030: 12; 2031: 15.5\nItem: Nets; 2030: 3; 2031: 4\n\nWho: Ada; Where: Orrin"
    )
