"""Text in all its encodings, Markdown, tables, code; names and ids: python -m pytest tests/test_files.py"""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import DocumentError
from retrieval.files import open_file, read_document, safe_name
from tests.loading import load

SIMPLIFIED = "天下大势，分久必合，合久必分。周末七国分争，并入于秦。"
TRADITIONAL = "天下大勢，分久必合，合久必分。週末七國分爭，並入於秦。"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。"
KOREAN = "오늘은 날씨가 매우 좋습니다. 우리는 아침 일찍 학교에 갑니다. 등대는 높은 바위 위에 서 있습니다."
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему."
GREEK = "Όλες οι ευτυχισμένες οικογένειες μοιάζουν μεταξύ τους, κάθε δυστυχισμένη με τον τρόπο της."
ARABIC = "بنيت المنارة في عام 1861 على صخور سوداء عند مصب النهر. يبلغ ارتفاع البرج سبعة وثلاثين مترا"
POLISH = (
    "Wszystkie szczęśliwe rodziny są do siebie podobne, każda nieszczęśliwa na swój sposób. Żółw, źdźbło, łąka. " * 9
)
WESTERN = "It’s naïve: Élève à l’école für München, señor, €5."


def _text(folder: Path, data: bytes, name: str = "notes.txt") -> str:
    path = folder / "upload"
    path.write_bytes(data)
    return "".join(part.text for part in load(path, name)[1])


def _title(folder: Path, data: bytes, name: str) -> str:
    path = folder / "upload"
    path.write_bytes(data)
    return load(path, name)[0]


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
        (SIMPLIFIED + WESTERN, "utf-16-le"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "cp949"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (GREEK, "cp1253"),
        (ARABIC, "cp1256"),
        (POLISH, "cp1250"),
    ],
)
def test_encodings(tmp_path: Path, text: str, encoding: str) -> None:
    assert _text(tmp_path, text.encode(encoding)) == text


def test_a_few_broken_characters_leave_the_others_readable(tmp_path: Path) -> None:
    data = (SIMPLIFIED * 20).encode() + b"\xff" + SIMPLIFIED.encode()
    assert _text(tmp_path, data) == SIMPLIFIED * 20 + "�" + SIMPLIFIED


def test_line_ends_are_one(tmp_path: Path) -> None:
    assert _text(tmp_path, b"a\r\nb\rc\n") == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (b"", "notes.txt", "is empty"),
        (b" \n\t\r\n", "notes.txt", "holds no text"),
        (b"***\n---\n", "notes.md", "holds no text"),
        (bytes(range(256)) * 8, "notes.txt", "is not a text file"),
        (b"a\x01\x02\x03" * 50, "notes.txt", "is not a text file"),
        (b"words", "notes.exe", "cannot be read"),
        (b"words", "notes", "cannot be read"),
        (b"\xff\xfe\x00", "notes.txt", "damaged"),
        (b"word " * 300_000, "notes.txt", "more than the 1.0 MB"),
        (b"caf\x81\x8d \x90", "notes.txt", "encoding"),
    ],
)
def test_what_cannot_be_read_says_so_in_one_sentence(tmp_path: Path, data: bytes, name: str, why: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(data)
    with pytest.raises(DocumentError) as error:
        read_document(path, name, "owner", limit=2**20)
    message = str(error.value)
    assert f"“{name}”" in message and why in message
    assert message.endswith(".") and "\n" not in message


def test_a_big_text_comes_in_pieces_that_end_with_a_paragraph(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    whole = "".join(f"Paragraph {n}. {'word ' * 40}\r\n\r\n" for n in range(12_000))
    path.write_bytes(whole.encode("utf-16"))
    parts = load(path, "big.txt")[1]
    assert "".join(part.text for part in parts) == whole.replace("\r\n", "\n")
    assert len(parts) >= 2 and all(part.text.startswith("Paragraph ") and not part.continues for part in parts)
    assert [part.done for part in parts] == sorted(part.done for part in parts) and parts[-1].done == 1.0
    assert max(len(part.text) for part in parts) <= 2 * 2**20


def test_a_paragraph_of_megabytes_goes_on_in_the_next_part(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("One sentence of seven words stands here. " * 80_000, encoding="utf-8")
    parts = load(path, "big.txt")[1]
    assert [part.continues for part in parts] == [False, *[True] * (len(parts) - 1)] and len(parts) > 2
    assert all(part.text.startswith("One sentence") for part in parts)


def test_code_that_goes_on_in_the_next_part_is_fenced_in_both(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("words\n```python\n" + "# **not** a heading\n" * 150_000 + "```\nafter\n", encoding="utf-8")
    parts = load(path, "big.md")[1]
    assert len(parts) > 1 and all(part.text.count("```") == 2 for part in parts)
    assert all("# **not** a heading" in part.text for part in parts) and parts[-1].text.endswith("```\nafter\n")


@pytest.mark.parametrize(
    ("data", "name", "lines"),
    [
        ("Town,People\nBrill,1200\nOrrin,31", "a.csv", ["Town: Brill; People: 1200", "Town: Orrin; People: 31"]),
        ("Stadt;Land\nKöln;D\nWien;A\n", "a.csv", ["Stadt: Köln; Land: D", "Stadt: Wien; Land: A"]),
        ("名字\t年份\n王小梅\t2019\n", "a.tsv", ["名字: 王小梅; 年份: 2019"]),
        ("1,2,3\n4,5,6\n", "a.csv", ["1; 2; 3", "4; 5; 6"]),
        ("Land,2019,2020\nPeru,3.5,4.5\n", "a.csv", ["Land: Peru; 2019: 3.5; 2020: 4.5"]),
        ('Name,Said\nAda,"one, ""two""\nthree"\nBo,\n', "a.csv", ['Name: Ada; Said: one, "two" three', "Name: Bo"]),
        ("just words\nmore words\n", "a.csv", ["just words", "more words"]),
    ],
)
def test_tables_of_text(tmp_path: Path, data: str, name: str, lines: list[str]) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        assert _text(tmp_path, data.encode(encoding), name).split("\n") == lines


def test_a_table_whose_quotes_do_not_close_says_where(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"“a\.csv” cannot be read as a table near line \d+"):
        _text(tmp_path, b'a,b\n1,"' + b"word\n" * 600_000, "a.csv")


def test_source_code_comes_by_definition_with_its_line_and_fenced(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text(
        '"""Module."""\n\nimport os\n\n\n@cache\ndef first(x: int) -> int:\n    # a comment\n    return x\n\n\n'
        'class Second:\n    """```not a fence```"""\n\n    def method(self) -> None: ...\n',
        encoding="utf-8",
    )
    parts = load(path, "a.py")[1]
    assert [part.place for part in parts] == ["line 1", "line 6", "line 12"]
    assert parts[1].text == (
        "## first\n\n```python\n@cache\ndef first(x: int) -> int:\n    # a comment\n    return x\n```"
    )
    assert parts[2].text.startswith("## Second\n\n```python\nclass Second:") and parts[2].text.endswith("...\n```")


@pytest.mark.parametrize(
    ("name", "code", "names"),
    [
        (
            "a.js",
            "export async function go(a) {\n}\n\nconst run = async (x) => {\n}\nclass Cat extends Pet {}\n",
            "go run Cat",
        ),
        ("a.go", "func (s *Server) Start(ctx context.Context) error {\n}\n\ntype Tree struct {\n}\n", "Start Tree"),
        ("a.rs", "pub(crate) fn main() {\n}\nimpl<T> Tree<T> {\n}\n", "main Tree"),
        ("a.c", "#include <x.h>\nstatic int add(int a, int b)\n{\n  return a;\n}\nstruct point {\n};\n", "add point"),
        ("a.java", "public final class Main {\n  void run() {}\n}\n", "Main"),
        ("a.sql", "CREATE TABLE IF NOT EXISTS birds (\n  id int\n);\nCREATE VIEW seen AS SELECT 1;\n", "birds seen"),
        ("a.sh", "greet() {\n  echo hi\n}\n", "greet"),
    ],
)
def test_definitions_are_found_in_many_languages(tmp_path: Path, name: str, code: str, names: str) -> None:
    path = tmp_path / "upload"
    path.write_text(code, encoding="utf-8")
    headings = [part.text.split("\n")[0] for part in load(path, name)[1]]
    assert [heading.removeprefix("## ") for heading in headings if heading.startswith("##")] == names.split()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("notes.txt", "notes.txt"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\Ada\\a.txt", "a.txt"),
        ("a\x00b\nc\u2028.txt", "abc.txt"),
        ("gpj\u202etxt.exe.txt", "gpjtxt.exe.txt"),
        ("报告.txt", "报告.txt"),
        ("x" * 300 + ".txt", "x" * 115 + "….txt"),
        ("..", "file"),
        ("", "file"),
    ],
)
def test_a_name_is_shown_without_what_misleads(name: str, shown: str) -> None:
    assert safe_name(name) == shown
    assert len(safe_name(name)) <= 120


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"“gone\.txt” could not be opened"):
        read_document(tmp_path / "gone.txt", "gone.txt", "owner")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Intro\n\n# The *first* heading #\n\n# Second\n", "The first heading"),
        ("A title\n=======\n\ntext", "A title"),
        ("---\ntitle: 'From front matter'\ntags: x\n---\n# H\n", "From front matter"),
        ("```\n# a comment\n```\nwords", ""),
        ("no heading", ""),
    ],
)
def test_title_of_markdown(tmp_path: Path, text: str, title: str) -> None:
    assert _title(tmp_path, text.encode(), "notes.md") == title


def test_plain_text_is_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"# no heading here")
    assert open_file(path, "notes.txt", "owner").title == "notes.txt"


def test_markdown_becomes_readable_and_code_and_html_stay(tmp_path: Path) -> None:
    text = (
        "## Use **it**\n\nSee _the_ [guide](https://example.org/a 'x') and ![a cat](cat.png), `run` or snake_case_name"
        ", 2*3*4 \\*stars\\*.\n\n<b onclick='x'>bold</b>\n\n```\n**kept** [as](it) is\n```\nafter **that**\n"
    )
    assert _text(tmp_path, text.encode(), "a.md") == (
        "## Use it\n\nSee the guide and a cat, run or snake_case_name, "
        "2*3*4 *stars*.\n\n<b onclick='x'>bold</b>\n\n```\n**kept** [as](it) is\n```\nafter that\n"
    )


def test_tables_become_lines_that_can_be_read_alone(tmp_path: Path) -> None:
    text = (
        "# H\n\n| Benefit | Who | |\n|:--|---|--|\n| **Discount** | all | 20% |\n| Boots \\| shoes | | £60 |\n\n"
        "a | b\n\n"
        "One|Two\n---|---\n1|2|3\n"
    )
    assert _text(tmp_path, text.encode(), "a.md") == (
        "# H\n\nBenefit: Discount; Who: all; 20%\nBenefit: Boots | shoes; £60\n\na | b\n\nOne: 1; Two: 2; 3\n"
    )
    fenced = b"```\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n"
    assert _text(tmp_path, fenced, "a.md") == fenced.decode()


@pytest.mark.parametrize(
    "unit",
    ["|", "|-", "|-|\n", "a|b\n", "[", "**a", "*", "`", "_a ", "[a](", "<http://", "# ", "---\n", "~~", "\\", "[x]: "],
)
def test_pathological_markdown_is_read_quickly(tmp_path: Path, unit: str) -> None:
    # A pattern that looks back would take minutes; without one this is a fraction of a second.
    _text(tmp_path, (unit * (150_000 // len(unit)) + "\nwords").encode(), "a.md")


def test_id_depends_on_owner_name_and_content(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"words")
    first = read_document(path, "a.txt", "owner").id
    assert first == read_document(path, "a.txt", "owner").id
    assert len({first, read_document(path, "b.txt", "owner").id, read_document(path, "a.txt", "other").id}) == 3
    path.write_bytes(b"other words")
    assert read_document(path, "a.txt", "owner").id != first
