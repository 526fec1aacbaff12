"""Everything a visitor can meet from the engines is said in Chinese too, and says the same.

python -m pytest tests/test_bilingual.py
"""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import errors
from chat.bilingual import Bilingual, listed, said, told
from chat.budget import Kept
from chat.left_out import what_was_left_out
from errors import ModelError
from retrieval.base import Passage
from tests.facts import CHINESE, facts

_CHAT = Path(__file__).parent.parent / "chat"
_OPERATORS = {"SettingsError"}
"""They end the start, so no visitor meets them."""
_FILES = sorted(path for path in _CHAT.glob("*.py") if path.name != "bilingual.py")


@cache
def _errors() -> frozenset[str]:
    """Names of the errors that visitors can meet: those of errors.py, and what chat/ derives from them."""
    found = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    found -= _OPERATORS
    classes = [node for path in _FILES for node in ast.walk(_parsed(path)) if isinstance(node, ast.ClassDef)]
    return frozenset(found | {node.name for node in classes if found & {ast.unparse(base) for base in node.bases}})


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _sentences(path: Path) -> Iterator[tuple[ast.Call, ast.expr | None]]:
    """Every construction of an error or a `Bilingual`, and its Chinese."""
    names = _errors() | {"Bilingual"}
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node, next((given.value for given in node.keywords if given.arg == "zh"), None)


def _literal(node: ast.expr) -> str | None:
    """The text in the source, each value in it as `{expression}`, whatever the language of its words."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = [
        f"{{{_plain(part)}}}" if isinstance(part, ast.FormattedValue) else str(part.value)
        for part in node.values
        if isinstance(part, ast.FormattedValue | ast.Constant)
    ]
    return "".join(parts)


def _words(text: str) -> list[str]:
    """The English words around the values."""
    return re.findall("[a-z]{4,}", re.sub(r"\{[^{}]*\}", "", text))


def _plain(part: ast.FormattedValue) -> str:
    """The expression, without what only chooses or joins the words of one language."""
    code = ast.unparse(part.value)
    code = re.sub(r"told\((.+), 'zh'\)", r"\1", code)
    code = re.sub(r"\.told\('zh'\)|\.label\('(en|zh)'\)", "", code)
    return re.sub(r"'[^']*'\.join", "join", code).replace("_zh", "")


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_every_sentence_has_its_chinese_with_the_same_names_and_numbers(path: Path) -> None:
    for call, zh in _sentences(path):
        where = f"{path.name}, line {call.lineno}"
        assert zh is not None, f"{where}: no Chinese"
        english, chinese = _literal(call.args[0]), _literal(zh)
        if english is None or chinese is None:
            assert not (english or chinese), f"{where}: only one language is written here"
            continue
        assert CHINESE.search(chinese) or not _words(english), where
        assert not CHINESE.search(english), where
        assert facts(english) == facts(chinese), where


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_progress_and_notices_are_bilingual(path: Path) -> None:
    for node in ast.walk(_parsed(path)):
        if not isinstance(node, ast.Call):
            continue
        told = [given.value for given in node.keywords if given.arg == "notice"]
        if ast.unparse(node.func) in ("progress", "report", "Notice"):
            told += node.args
        assert not any(_literal(text) for text in told), f"{path.name}, line {node.lineno}: only in English"


def test_what_is_looked_for_is_found() -> None:
    """So that the test above cannot pass because it sees nothing."""
    assert {"ModelError", "InputError", "SourceError", "Unavailable"} <= _errors()
    assert "SettingsError" not in _errors()
    seen = {path.name: len(list(_sentences(path))) for path in _FILES}
    assert seen["weights.py"] > 15
    assert seen["remote_http.py"] > 10
    assert sum(seen.values()) > 100
    (call, zh), *_ = _sentences(_CHAT / "slot.py")
    assert zh is not None
    assert _literal(call.args[0]) == "Another model is being loaded; wait until it is ready, then try again."


def test_it_is_the_english_text_and_knows_the_chinese() -> None:
    says = Bilingual("Loading a/b", zh="正在加载 a/b")
    assert says == "Loading a/b" and f"{says}…" == "Loading a/b…"
    assert [told(says, language) for language in ("en", "de", "zh")] == ["Loading a/b", "Loading a/b", "正在加载 a/b"]
    assert type(told(says, "en")) is str
    assert told("as it is", "zh") == "as it is"
    for again in (copy.deepcopy(says), pickle.loads(pickle.dumps(says))):
        assert (again, told(again, "zh")) == (says, "正在加载 a/b")


def test_values_are_filled_into_both_languages() -> None:
    template = Bilingual("{who} waits {seconds:g} s", zh="{who}等待 {seconds:g} 秒")
    filled = template.filled(who=Bilingual("the server {x}", zh="服务器 {x}"), seconds=0.5)
    assert (filled, told(filled, "zh")) == ("the server {x} waits 0.5 s", "服务器 {x}等待 0.5 秒")


def test_lists() -> None:
    one, two, three = "--users 1", Bilingual("the model a", zh="模型 a"), "c"
    assert told(listed([two], "or", "或"), "zh") == "模型 a"
    joined = listed([one, two, three], "or", "或")
    assert (joined, told(joined, "zh")) == ("--users 1, the model a or c", "--users 1、模型 a或c")


def test_an_error_can_be_told_as_a_notice() -> None:
    assert told(said(ModelError("It is gone.", zh="它不见了。")), "zh") == "它不见了。"


@pytest.mark.parametrize(("oldest", "unrelated", "given"), [(0, 1, 1), (1, 0, 2), (17, 0, 2), (0, 3, 0)])
@pytest.mark.parametrize("shortened", [False, True])
def test_what_was_left_out_is_told_with_the_same_numbers(
    oldest: int, unrelated: int, given: int, shortened: bool
) -> None:
    passages = tuple(Passage(f"a#{n}", "text", "A", "library", "a") for n in range(3))
    notices = what_was_left_out(Kept((), passages[:given], oldest, unrelated, shortened), passages, 2048)
    assert notices
    for notice in notices:
        assert notice.endswith(".") and told(notice, "zh").endswith("。")
        assert facts(notice) == facts(told(notice, "zh"))
        assert "2,048" in told(notice, "zh")
