"""python -m pytest tests/test_render.py"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from chat.bilingual import LANGUAGES, page_language
from chat.conversation import Outcome, Turn
from chat.flags import category_name
from chat.sources import Source
from moderation.base import Category
from retrieval.base import Passage, SearchRequest
from ui.render import banner, entries, note, shielded
from ui.texts import OUTCOMES, STAGES, TEXTS, loading

_SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Named:
    """A retriever that has a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def search(self, request: SearchRequest) -> list[Passage]:
        raise AssertionError(request)


def _html(turn: Turn, language: str = "en", status: str = "") -> str:
    return "".join(block.value for block in _reply(turn, language, status) if not isinstance(block, dict))


def _reply(turn: Turn, language: str = "en", status: str = "") -> list[Any]:
    content: Any = entries(turn, language, status=status)[1]["content"]
    return list(content)


def _passage(**changes: str) -> Passage:
    given = {"id": "d#0", "text": "Fleming discovered penicillin in London in 1928.", "title": "Penicillin"}
    return Passage(**{**given, "source": "library", "document": "d", **changes})  # type: ignore[arg-type]  # only strings


def _from(name: str, *, remote: bool) -> dict[str, Source]:
    return {name: Source(Named(name), {"en": name.title()}, remote=remote)}


def test_only_what_is_kept_here_is_shown_in_its_document() -> None:
    turn = Turn("t", "Who won?", Outcome.ANSWERED, "Arsenal [1].", cited=(1,), passages=(_passage(source="sports"),))
    content: Any = entries(turn, "en", _from("sports", remote=True))[1]["content"]
    html = "".join(block.value for block in content if not isinstance(block, dict))
    assert ">Sports<" in html and "data-gc-open" not in html
    content = entries(turn, "en", _from("sports", remote=False))[1]["content"]
    assert "data-gc-open" in "".join(block.value for block in content if not isinstance(block, dict))


def _html_of_question(turn: Turn) -> str:
    content: Any = entries(turn, "en")[0]["content"]
    return "".join(block.value for block in content)


@pytest.mark.parametrize("text", [_SCRIPT, "a < b && c &lt; d", "![x](http://h/p.png)", "<b>bold</b> <!-- c --> <?p?>"])
def test_markup_in_an_answer_is_shielded(text: str) -> None:
    shown = shielded(text)
    assert "<s" not in shown
    assert "<b" not in shown
    assert "<i" not in shown
    assert "![" not in shown
    assert "&lt" not in shown
    assert shown.replace("\u2060", "") == text


def test_plain_text_is_left_alone() -> None:
    text = "1 < 2, R&D, wow! $5 and *stars* 你好"
    assert shielded(text) == text


def test_no_text_of_a_document_model_or_person_becomes_markup() -> None:
    passage = _passage(text=_SCRIPT, title=_SCRIPT, section=_SCRIPT, url="javascript:alert(3)", id='x" onclick="a#0')
    turn = Turn(
        "t", _SCRIPT, Outcome.ANSWERED, answer=_SCRIPT + " [1]", passages=(passage,), cited=(1,), notices=(_SCRIPT,)
    )
    refused = Turn("t", "q", Outcome.FAILED, reason=_SCRIPT, category=_SCRIPT)
    for html in (
        _html(turn),
        _html(refused),
        _html(Turn("t", "q"), status=_SCRIPT),
        banner("off", _SCRIPT),
        _html_of_question(Turn('t" onclick="a', _SCRIPT)),
        note(_SCRIPT),
    ):
        assert "<script" not in html
        assert "<img" not in html
        assert 'onclick="' not in html
        assert "javascript:" not in html


def test_a_message_is_shown_exactly_as_typed() -> None:
    typed = "# not a heading\n|a|b|\n    *indented* <b>&amp;\n\n  end  "
    html = _html_of_question(Turn("t", typed))
    shown = re.search(r'<div class="gc-typed" dir="auto">(.*?)</div>', html, re.DOTALL)
    assert shown
    assert unescape(shown[1]) == typed
    assert f'data-gc-text="{shown[1]}"' in html


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_words_of_its_own_for_every_category(language: str) -> None:
    names = [category_name(language, category.value) for category in Category]
    assert len(set(names)) == len(Category)
    assert not {"illicit", "sexual/minors"} & set(names)
    assert category_name(language, "an operator's own") == "an operator's own"


def test_what_is_loaded_is_said_in_chinese() -> None:
    steps = re.findall(r'Step\("([^"]+)"', (Path(__file__).parent.parent / "wiring.py").read_text(encoding="utf-8"))
    assert len(steps) > 5
    for says in steps:
        assert loading("zh", says) != says == loading("en", says)
    assert loading("zh", "Indexing the starter library: 37 %") == "正在索引入门资料库：37 %"


def test_only_cited_passages_are_sources_and_others_were_also_read() -> None:
    passages = (_passage(), _passage(id="d#1", text="It is an antibiotic."))
    turn = Turn("t", "q", Outcome.ANSWERED, answer="An antibiotic. [2]", passages=passages, cited=(2,))
    html = _html(turn)
    assert html.index('data-source="2"') < html.index("Also read (1)") < html.index(passages[0].text)
    assert 'data-source="1"' not in html
    assert "From 1 source" in html


def test_an_answer_without_sources_says_that_it_is_from_memory() -> None:
    assert "no source was used" in _html(Turn("t", "q", Outcome.ANSWERED, answer="Hm.", passages=(_passage(),)))


def test_a_refused_answer_is_not_shown() -> None:
    content = _reply(Turn("t", "q", Outcome.ANSWER_REFUSED, answer="secret", reason="Because."))
    assert all("secret" not in str(block if isinstance(block, dict) else block.value) for block in content)


def test_the_original_is_linked_or_opened_in_the_page() -> None:
    url = "https://en.wikipedia.org/wiki/Penicillin#History"
    turn = Turn("t", "q", Outcome.ANSWERED, answer="Yes. [1]", passages=(_passage(url=url),), cited=(1,))
    assert f'href="{url}"' in _html(turn)
    turn = Turn("t", "q", Outcome.ANSWERED, answer="Yes. [1]", passages=(_passage(),), cited=(1,))
    assert 'data-gc-open="d#0" data-gc-from="t"' in _html(turn)


def test_both_languages_know_every_text() -> None:
    english = set(TEXTS["en"])
    assert all(set(TEXTS[language]) == english for language in LANGUAGES)
    assert set(STAGES.values()) | set(OUTCOMES.values()) <= english


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("de-DE,de;q=0.9,zh;q=0.5", "zh"), ("fr", "en"), ("EN-us", "en")],
)
def test_the_page_speaks_the_browsers_first_known_language(header: str, language: str) -> None:
    assert page_language(header) == language


def test_what_stands_around_a_source_is_shown_where_the_answer_took_words_from_it() -> None:
    passage = _passage(
        before="<b>He left</b> a dish open while he was away on holiday.", after="Oxford made it a drug."
    )
    taken = Turn("t", "q", Outcome.ANSWERED, "He left a dish open while he was away [1].", (passage,), cited=(1,))
    shown = _html(taken)
    assert '<span class="gc-context">' in shown and "a dish open while he was away</mark> on holiday." in shown
    assert "&lt;b&gt;He left" in shown and "<b>" not in shown and "Oxford" not in shown
    plain = _html(
        Turn("t", "q", Outcome.ANSWERED, "Fleming discovered penicillin in London [1].", (passage,), cited=(1,))
    )
    assert "gc-context" not in plain and "on holiday" not in plain
