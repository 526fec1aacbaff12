"""Documents and uploads as HTML. python -m pytest tests/test_document_view.py"""

from __future__ import annotations

import re
from typing import Any

import pytest

from chat.bilingual import LANGUAGES
from errors import DocumentError
from retrieval.backfill import BackfillProgress
from retrieval.base import Passage
from retrieval.stored import DocumentInfo
from retrieval.uploads import State, Upload
from retrieval.window import Window
from ui.document_view import backfill_line, document_gone, document_list, document_page, upload_list
from ui.texts import place_name

_SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
_TEXT = "# Penicillin\n\n- Fleming discovered penicillin in London in 1928.\n- It was a mould.\n"


def _info(**changes: Any) -> DocumentInfo:
    given = {"id": "d", "title": "Notes", "source": "documents", "owner": "o", "url": "", "language": "en", "name": ""}
    return DocumentInfo(**{**given, "passages": 1, "characters": 9, "added": 0.0, **changes})


def _place(text: str, whole: str = _TEXT, offset: int = 0) -> Passage:
    start = offset + whole.index(text)
    return Passage("d#0", text, "Penicillin", "documents", "d", start=start, end=start + len(text))


def _page(quoted: Passage | None, answer: str, text: str = _TEXT, **changes: Any) -> str:
    wanted = quoted or _place(text, text)
    window = Window(
        **{
            "info": _info(title="Penicillin"),
            "text": text,
            "start": 0,
            "passages": (wanted,),
            "wanted": wanted,
            "places": (),
            "first": 0,
            "last": 0,
            **changes,
        }
    )
    return document_page(window, quoted, "turn", answer, "en")


def test_no_text_of_a_document_becomes_markup() -> None:
    upload = Upload('u" onclick="a', _SCRIPT, "o", _SCRIPT)
    failed = Upload("f", "f", "o", "f", State.FAILED, failure=DocumentError(_SCRIPT))
    for html in (
        document_list([_info(id='i" onclick="a', title=_SCRIPT, name=_SCRIPT)], "en"),
        _page(None, "", _SCRIPT, info=_info(id='d" onclick="a', title=_SCRIPT, name=_SCRIPT), places=((0, _SCRIPT),)),
        _page(_place(_TEXT), _SCRIPT * 3),
        upload_list([upload, failed], "en"),
        backfill_line(BackfillProgress(1, 2, 0.0, _SCRIPT), "en"),
    ):
        assert "<script" not in html
        assert "<img" not in html
        assert 'onclick="' not in html


def test_only_the_quoted_words_are_marked_in_a_document() -> None:
    quote = "Fleming discovered penicillin in London in 1928"
    passage = _place("- Fleming discovered penicillin in London in 1928.\n- It was a mould.")
    page = _page(passage, f"{quote}. [1]")
    assert re.findall("<mark[^>]*>(.*?)</mark>", page) == [quote]
    assert "gc-quoted" in page


def test_marks_are_where_they_belong_in_the_middle_of_a_document() -> None:
    quote = "Fleming discovered penicillin in London in 1928"
    page = _page(_place(_TEXT[14:], offset=5000), f"{quote}. [1]", start=5000)
    assert re.findall("<mark[^>]*>(.*?)</mark>", page) == [quote]


def test_a_passage_that_was_not_quoted_is_shown_as_a_place_and_a_whole_file_without_marks() -> None:
    place = _page(_place("- It was a mould."), "Something else altogether.")
    assert re.findall("<mark[^>]*>(.*?)</mark>", place) == ["It was a mould."]
    assert "gc-quoted" not in place
    assert "<mark" not in _page(None, "Fleming discovered penicillin in London in 1928.")


def test_marks_that_span_lines_of_a_document_stay_within_each_line() -> None:
    assert [part.strip() for part in re.findall("<mark[^>]*>(.*?)</mark>", _page(_place(_TEXT), _TEXT), re.DOTALL)] == [
        "Penicillin",
        "Fleming discovered penicillin in London in 1928.",
        "It was a mould",
    ]


def test_pages_are_named_where_they_begin_and_the_rest_of_a_document_is_a_click_away() -> None:
    page = _page(
        None,
        "",
        "end of one. start of two.",
        start=100,
        places=((100, "page 1"), (112, "page 2")),
        info=_info(passages=9),
        first=3,
        last=4,
    )
    shown = re.sub("(<[^>]*>)+", "|", page)
    assert shown.endswith("Earlier in the document|page 1|end of one. |page 2|start of two.|Later in the document|")
    assert re.findall('data-gc-page="([^"]*)" data-gc-from="turn"', page) == ["d#2", "d#5"]
    assert "data-gc-page" not in _page(None, "")


def test_a_listed_document_names_its_file_beside_its_title() -> None:
    html = document_list([_info(title="Staff handbook", name="handbook.md")], "en")
    assert "1 passage · handbook.md" in html
    assert 'title="Staff handbook (handbook.md)"' in html
    assert document_list([_info(title="notes.txt", name="notes.txt")], "en").count("notes.txt") == 4


def test_a_document_that_is_gone_can_be_closed() -> None:
    assert "data-gc-close" in document_gone("zh")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("state", "acts"),
    [
        (State.WAITING, ["drop"]),
        (State.READING, ["stop", "drop"]),
        (State.STOPPED, ["go_on", "drop"]),
        (State.READY, []),
        (State.FAILED, ["dismiss"]),
    ],
)
def test_an_upload_says_how_it_is_and_what_can_be_done(state: State, acts: list[str], language: str) -> None:
    failure = DocumentError("It is broken.", zh="文件已损坏。") if state is State.FAILED else None
    html = upload_list([Upload("u", "Report", "o", "report.pdf", state, 0.426, 1234, failure)], language)
    assert re.findall('data-gc-upload="([a-z_]+)" data-gc-target="u"', html) == acts
    assert ("42" in html) is (state in (State.READING, State.STOPPED))
    assert ("Report" in html) is (state is not State.FAILED)


def test_how_far_the_vectors_are_is_told_only_while_some_are_missing() -> None:
    assert "25 %" in backfill_line(BackfillProgress(1, 4, 9.0), "en")
    assert "磁盘" in backfill_line(BackfillProgress(1, 4, 0.0, "磁盘已满"), "zh")
    assert backfill_line(BackfillProgress(4, 4, 0.0), "en") == ""


def test_a_passage_that_goes_on_over_the_page_names_both() -> None:
    assert place_name("en", "page 143", "page 144") == "page 143–144"
    assert place_name("zh", "page 143") == "第 143 页"
    assert place_name("en", "line 7") == "line 7"
    assert place_name("en", "chapter 7") == "chapter 7"
