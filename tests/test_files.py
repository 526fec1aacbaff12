"""Files: python -m pytest tests/test_files.py"""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import DocumentError
from retrieval.base import Document
from retrieval.files import read_document

SIMPLIFIED = "天下大势，分久必合，合久必分。周末七国分争，并入于秦。"
TRADITIONAL = "天下大勢，分久必合，合久必分。週末七國分爭，並入於秦。"
WESTERN = "It’s naïve: Élève à l’école für München, señor, €5."


def _read(folder: Path, data: bytes, name: str = "notes.txt", limit: int = 2**20) -> Document:
    path = folder / "upload"
    path.write_bytes(data)
    return read_document(path, name, "owner", limit=limit)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED, "utf-32"),
        (SIMPLIFIED, "gb18030"),
        (TRADITIONAL, "gb18030"),
        (TRADITIONAL, "big5"),
        (WESTERN, "cp1252"),
        ("é", "cp1252"),
        ("Hello 你好", "gb18030"),
        ("a" * 100_000 + SIMPLIFIED, "gb18030"),
    ],
)
def test_encodings(tmp_path: Path, text: str, encoding: str) -> None:
    assert _read(tmp_path, text.encode(encoding)).text == text


def test_line_ends_are_one(tmp_path: Path) -> None:
    assert _read(tmp_path, b"a\r\nb\rc\n").text == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (b"", "notes.txt", "is empty"),
        (b" \n\t\r\n", "notes.txt", "holds no text"),
        (b"***\n---\n", "notes.md", "holds no text"),
        (bytes(range(256)) * 8, "notes.txt", "is not a text file"),
        (b"\x89PNG\r\n\x1a\n rest", "notes.txt", "is not a text file"),
        (b"%PDF-1.7 some text", "notes.txt", "is not a text file"),
        (b"a\x01\x02\x03" * 50, "notes.txt", "is not a text file"),
        (b"words", "notes.docx", "cannot be read"),
        (b"words", "notes", "cannot be read"),
        (b"\xff\xfe\x00", "notes.txt", "damaged"),
        (b"word " * 300_000, "notes.txt", "more than the 1.0 MB"),
        (b"caf\x81\x8d \x90", "notes.txt", "encoding"),
    ],
)
def test_what_cannot_be_read_says_so_in_one_sentence(tmp_path: Path, data: bytes, name: str, why: str) -> None:
    with pytest.raises(DocumentError) as error:
        _read(tmp_path, data, name)
    message = str(error.value)
    assert f"“{name}”" in message and why in message
    assert message.endswith(".") and "\n" not in message


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"“gone\.txt” could not be opened"):
        read_document(tmp_path / "gone.txt", "gone.txt", "owner")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Intro\n\n# The *first* heading #\n\n# Second\n", "The first heading"),
        ("A title\n=======\n\ntext", "A title"),
        ("---\ntitle: 'From front matter'\ntags: x\n---\n# H\n", "From front matter"),
        ("```\n# a comment\n```\nwords", "notes.md"),
        ("no heading", "notes.md"),
    ],
)
def test_title_of_markdown(tmp_path: Path, text: str, title: str) -> None:
    assert _read(tmp_path, text.encode(), "notes.md").title == title


def test_plain_text_is_called_by_its_name(tmp_path: Path) -> None:
    assert _read(tmp_path, b"# no heading here").title == "notes.txt"


def test_markdown_becomes_readable_and_code_and_html_stay(tmp_path: Path) -> None:
    text = (
        "## Use **it**\n\nSee _the_ [guide](https://example.org/a 'x') and ![a cat](cat.png), `run` or snake_case_name"
        ", 2*3*4 \\*stars\\*.\n\n<b onclick='x'>bold</b>\n\n```\n**kept** [as](it) is\n```\nafter **that**\n"
    )
    assert _read(tmp_path, text.encode(), "a.md").text == (
        "## Use it\n\nSee the guide and a cat, run or snake_case_name, "
        "2*3*4 *stars*.\n\n<b onclick='x'>bold</b>\n\n```\n**kept** [as](it) is\n```\nafter that\n"
    )


def test_tables_become_lines_that_can_be_read_alone(tmp_path: Path) -> None:
    text = (
        "# H\n\n| Benefit | Who | |\n|:--|---|--|\n| **Discount** | all | 20% |\n| Boots \\| shoes | | £60 |\n\n"
        "a | b\n\n"
        "One|Two\n---|---\n1|2|3\n"
    )
    assert _read(tmp_path, text.encode(), "a.md").text == (
        "# H\n\nBenefit: Discount; Who: all; 20%\nBenefit: Boots | shoes; £60\n\na | b\n\nOne: 1; Two: 2; 3\n"
    )
    fenced = b"```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n"
    assert _read(tmp_path, fenced, "a.md").text == fenced.decode()


@pytest.mark.parametrize(
    "unit",
    ["|", "|-", "|-|\n", "a|b\n", "[", "**a", "*", "`", "_a ", "[a](", "<http://", "# ", "---\n", "~~", "\\", "[x]: "],
)
def test_pathological_markdown_is_read_quickly(tmp_path: Path, unit: str) -> None:
    # A pattern that looks back would take minutes; without one this is a fraction of a second.
    _read(tmp_path, (unit * (150_000 // len(unit)) + "\nwords").encode(), "a.md")


def test_id_depends_on_owner_name_and_content(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"words")
    first = read_document(path, "a.txt", "owner").id
    assert first == read_document(path, "a.txt", "owner").id
    assert len({first, read_document(path, "b.txt", "owner").id, read_document(path, "a.txt", "other").id}) == 3
    path.write_bytes(b"other words")
    assert read_document(path, "a.txt", "owner").id != first
