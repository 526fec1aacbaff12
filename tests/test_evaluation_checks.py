"""How answers are scored, and the process that runs their code.

python -m pytest tests/test_evaluation_checks.py
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.base import Message, Role
from evaluation.checks import KINDS, fault, score
from evaluation.code_run import Limits, Outcome, run
from evaluation.items import Check, Item, Source
from evaluation.refusals import refuses
from evaluation.tables import cells_f1, table_in
from tests.web_server import WebServer

_LIMITS = Limits(processor_s=1, wall_s=20.0)


def item(kind: str, *answers: str, **told: Any) -> Item:
    check = Check(kind, told)
    assert fault(check) == ""
    return Item("i", "t", (Message(Role.USER, "?"),), "", answers=answers, checks=(check,))


FRUIT = {"columns": ["Fruit", "Price"], "rows": [["apple", "3"], ["pear", "1,200"]]}
CASES: list[tuple[Item, str, float]] = [
    (item("exact", "The Nile"), "nile.", 1),
    (item("exact", "The Nile"), "the river Nile", 0),
    (item("exact", "东京"), "东 京。", 1),
    (item("f1", "the white house"), "white horse", 0.5),
    (item("f1", "长江"), "长河", 0.5),
    (item("holds", "8", "eight"), "A spider has eight legs.", 1),
    (item("holds", "8"), "It has 18.", 0),
    (item("holds", "长江"), "中国最长的河流是长江。", 1),
    (item("holds", "X-ray"), "They used x ray pictures.", 1),
    (item("label", labels=["sport", "science"], label="sport"), "It is about Sport.", 1),
    (item("label", labels=["sport", "science"], label="sport"), "sport or science", 0),
    (item("points", points=[["red"], ["blue", "azure"]]), "An azure sky.", 0.5),
    (item("points", points=[["red"]], most_words=3), "red red red red red red", 0.5),
    (item("json", equals={"a": [1, "X"]}), '```json\n{"A": [1, "x."]}\n```', 1),
    (item("json", equals={"a": 1}), '{"a": 2}', 0),
    (item("json", equals={"a": 1}), "a is 1", 0),
    (item("table", **FRUIT), "| Price | fruit |\n|--:|---|\n| 1200 | Pear |\n| 3 | apple |", 1),
    (item("table", **FRUIT), "Fruit\tPrice\napple\t3\npear\t900", 0.75),
    (item("table", **FRUIT), "| Fruit | Price |\n|---|---|\n| pear | 1200 |\n| apple | 3 |", 1),
    (item("table", **FRUIT), "There are apples at 3.", 0),
    (item("refuses"), "I don't know.", 1),
    (item("bears", new=["Oslo"], old=["basil"]), "Oslo.", 1),
    (item("bears", new=["Oslo"], old=["basil"]), "Oslo, and water the basil.", 0),
    (item("bullets", count=2), "- a\n- b", 1),
    (item("bullets", count=2), "Here:\n- a\n- b", 0),
    (item("numbered", count=2), "1. a\n2. b", 1),
    (item("numbered", count=2), "1. a\n3. b", 0),
    (item("sentences", count=2), "One is here. Two is there!", 1),
    (item("paragraphs", count=2), "a\n\nb", 1),
    (item("words", least=2, most=3), "one two three", 1),
    (item("words", least=2, most=3), "one", 0),
    (item("characters", most=3), "一 二 三", 1),
    (item("lines", least=2, each="P.+"), "Pa\nPb", 1),
    (item("lines", least=2, each="P.+"), "Pa\nQb", 0),
    (item("regex", pattern="a+"), "aaa", 1),
    (item("regex", pattern="a+"), "aaab", 0),
    (item("begins", text="Dear"), "Dear you", 1),
    (item("ends", text="."), "no stop", 0),
    (item("case", **{"is": "upper"}), "ABC 1", 1),
    (item("case", **{"is": "lower"}), "12", 0),
    (item("mentions", all=["a cat", "dog"]), "A cat, a dog", 1),
    (item("lacks", any=["water"]), "Waterfall", 0),
    (item("keys", keys=["n"], types={"n": "number"}), '{"n": 2.5}', 1),
    (item("keys", keys=["n"], types={"n": "number"}), '{"n": true}', 0),
    (item("language", **{"is": "zh"}), "我用Python写程序。", 1),
    (item("language", **{"is": "zh"}), "I write it in 中文", 0),
    (item("python", tests=["assert f(2) == 4"]), "Here you are:\n```python\ndef f(n):\n    return 2 * n\n```", 1),
    (item("python", tests=["assert f(2) == 4"]), "Sure:\n```python\ndef f(n):\n    return 2 * n", 1),
    (item("python", tests=["assert f(2) == 4", "assert f(0) == 1"]), "def f(n): return 2 * n", 0),
]


@pytest.mark.parametrize(("asked", "answer", "worth"), CASES, ids=[f"{c[0].checks[0].kind}-{c[1][:12]}" for c in CASES])
def test_an_answer_is_worth(asked: Item, answer: str, worth: float) -> None:
    assert score(asked, answer) == pytest.approx(worth)


def test_every_kind_of_check_is_tried_here() -> None:
    assert {case[0].checks[0].kind for case in CASES} == set(KINDS)


WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("case", {"is": "title"}),
    ("language", {"is": "fr"}),
    ("regex", {"pattern": "("}),
    ("lines", {"each": "["}),
    ("json", {}),
    ("keys", {"keys": ["n"], "types": {"n": "integer"}}),
    ("points", {"points": []}),
    ("points", {"points": ["red", "blue"]}),
    ("table", {"columns": [], "rows": []}),
    ("table", {"columns": ["n"], "rows": [[1]]}),
    ("label", {"labels": ["a", 2], "label": "a"}),
    ("bullets", {"count": True}),
    ("mentions", {"all": "a cat"}),
)


@pytest.mark.parametrize(("kind", "told"), WRONG, ids=[f"{kind}-{told}" for kind, told in WRONG])
def test_what_a_check_cannot_use_is_told_before_anything_is_asked(kind: str, told: dict[str, Any]) -> None:
    assert f"the check “{kind}”" in fault(Check(kind, told))


def test_checks_are_multiplied_and_citations_do_not_count() -> None:
    checks = (Check("points", {"points": [["red"], ["blue"]]}), Check("words", {"most": 2}))
    asked = Item("i", "t", (Message(Role.USER, "?"),), "", sources=(Source("s", "t"),), checks=checks)
    assert score(asked, "It is red [1] .") == 0
    assert score(asked, "Red, [1] really [1]") == 0.5


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("The sources do not say.", True),
        ("I couldn't find that in the given texts.", True),
        ("None of the passages mentions a price.", True),
        ("Its height is not stated.", True),
        ("资料中没有提到票价。", True),
        ("我不知道。", True),
        ("It is 40 metres tall.", False),
        ("The lamp did not burn oil after 1924.", False),
        ("Lyon. It became so in 1402. The source does not say why.", False),
        ("水库没有鱼。", False),
        ("", False),
    ],
)
def test_a_refusal_is_known_by_how_it_begins(answer: str, refused: bool) -> None:
    assert refuses(answer) is refused


def test_cells_are_compared_by_row_and_column() -> None:
    wanted = [["Name", "Age"], ["Ann", "3"], ["Bo", "4"]]
    assert cells_f1(table_in("Name,Age\nBo,4\nAnn,3"), wanted) == 1
    # Four cells wanted, five given, three in common.
    assert cells_f1(table_in("| Name | Age | Job |\n|---|---|---|\n| Ann | 4 | cook |\n| Bo | 4 |"), wanted) == (
        pytest.approx(2 * 3 / (4 + 5))
    )
    assert cells_f1([], wanted) == cells_f1([["Name", "Age"]], wanted) == 0


def test_code_may_use_the_library() -> None:
    code = "import re, math, collections, itertools, json, datetime, random, dataclasses\nprint('hello')"
    assert run(code, ["assert math.pi > 3", "assert not __import__('os').listdir('.')"]).passed == 2


@pytest.mark.parametrize("first", ["", "from __future__ import annotations\n"])
def test_code_may_hold_dataclasses(first: str) -> None:
    code = f"{first}import dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int = 0"
    assert run(code, ["assert Point(2).x == 2"]) == Outcome(1, "")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("key", encoding="utf-8")
    return tmp_path / "secret"


REACHING = (
    "open({path!r}).read()",
    "import pathlib; pathlib.Path({path!r}).read_text()",
    "import io; io.open({path!r}).read()",
    "import os; os.open({path!r}, 0)",
    "import os\nclass P(str):\n    __str__ = lambda _: os.__file__\nopen(P({path!r})).read()",
    "import __main__\n__main__._LIBRARY = '/'\nopen({path!r}).read()",
    "import __main__\n__main__._refuse.__kwdefaults__['library'] = '/'\nopen({path!r}).read()",
    "import os; os.open(os.__file__, os.O_WRONLY)",
    "open('new', 'w').write('x')",
    "import os; os.remove({path!r})",
    "import os; os.rename({path!r}, 'x')",
    "import os; os.kill(os.getppid(), 9)",
    "import os; os.system('true')",
    "import os; os.fork()",
    "import subprocess; subprocess.run(['true'])",
    "import posix; posix.execv('/bin/true', ['true'])",
    "import socket; socket.create_connection(('127.0.0.1', {port}))",
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/')",
    "import ctypes; ctypes.CDLL(None).getpid()",
    "x = bytearray(2 ** 31)",
    "import sys; sys.exit(0)",
    "import os; os._exit(0)",
)


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer() as started:
        yield started


@pytest.mark.parametrize("code", REACHING)
def test_code_reaches_nothing(code: str, secret: Path, server: WebServer) -> None:
    port = int(server.url("/").rsplit(":", 1)[1].strip("/"))
    outcome = run(code.format(path=str(secret), port=port), ["assert True"], _LIMITS)
    assert outcome.passed == 0 and outcome.reason
    assert secret.read_text(encoding="utf-8") == "key"
    assert server.requests == []


def test_code_that_does_not_end_is_ended() -> None:
    began = time.monotonic()
    outcome = run("while True: pass", ["assert True"], _LIMITS)
    assert outcome.passed == 0
    assert "processor time" in outcome.reason or "ran for more than" in outcome.reason
    assert time.monotonic() - began < _LIMITS.wall_s + 5


def test_code_that_sleeps_is_ended() -> None:
    outcome = run("import time; time.sleep(60)", ["assert True"], Limits(wall_s=0.5))
    assert outcome.reason == "It ran for more than 0.5 s."


def test_code_sees_no_environment_and_leaves_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDCHAT_TEST_SECRET", "key")
    threads = threading.active_count()
    assert run("import os", ["assert 'GROUNDCHAT_TEST_SECRET' not in os.environ"]).passed == 1
    assert threading.active_count() == threads
    assert os.environ["GROUNDCHAT_TEST_SECRET"] == "key"


def test_code_that_is_too_long_is_not_run() -> None:
    assert "characters" in run("#" * 60_000, ["assert True"]).reason
