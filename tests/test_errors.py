"""What a person is told when something goes wrong, in both languages. python -m pytest tests/test_errors.py"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from errors import AppError, DocumentError
from retrieval.files import read_document

_ROOT = Path(__file__).parent.parent
_MET_BY_VISITORS = {"AppError", "InputError", "DocumentError", "SourceError", "StatusError", "BrokenOffError"}
_FILES = (
    *sorted((_ROOT / "retrieval").rglob("*.py")),
    _ROOT / "ui" / "documents.py",
    _ROOT / "ui" / "runs.py",
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_sentence_a_visitor_can_meet_is_said_in_chinese_too(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MET_BY_VISITORS:
            # A sentence that is not written here was written, in both languages, elsewhere.
            written = node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
            assert not written or "zh" in {given.arg for given in node.keywords}, f"line {node.lineno}: no Chinese"


def test_an_error_is_told_in_the_language_of_the_person() -> None:
    error = AppError("It is empty.", zh="是空的。")
    assert (str(error), error.told("en"), error.told("de"), error.told("zh")) == (*["It is empty."] * 3, "是空的。")
    assert AppError("Only in English.").told("zh") == "Only in English."


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.pdf", b"x"), ("a.txt", b""), ("a.txt", b"\n \n"), ("a.txt", bytes(range(256))), ("a.txt", b"long " * 100)],
)
def test_a_file_that_cannot_be_read_is_named_in_both_languages(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        read_document(path, name, "owner", limit=300)
    english, chinese = caught.value.told("en"), caught.value.told("zh")
    assert name in english
    assert name in chinese
    assert _CHINESE.search(chinese)
    assert not _CHINESE.search(english)
