"""Files of every kind, uploaded and asked about in a real Chromium. python -m pytest tests/test_page_documents.py"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Running, Visit, visits
from tests.visitor import ask, upload

_FILES = Path(__file__).parent / "files"
_OWNER = re.compile(r'"owner":\s*"([^"]+)"')
"""A visitor's key in what the page sends."""


@pytest.fixture(scope="module")
def opened(browser: Browser, running: Running) -> Iterator[Page]:
    """One page for the files of every kind: opening it takes about as long as all that is done with one of them."""
    with visits(browser, running) as visit:
        page = visit()
        page.get_by_label("Starter library").uncheck()
        yield page


@pytest.fixture
def visitor(opened: Page) -> Iterator[Page]:
    """A visitor who leaves no document and no conversation behind."""
    yield opened
    documents = opened.locator("#gc-documents li")
    while documents.count():
        delete = documents.first.get_by_role("button", name="Delete ")
        delete.click()
        expect(delete).to_have_text("Delete?")
        left = documents.count() - 1
        delete.click()
        expect(documents).to_have_count(left)
    expect(opened.locator("#gc-viewer.open")).to_have_count(0)
    opened.get_by_role("button", name="New chat").click()
    expect(opened.locator("#gc-chat .bot-row")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "question", "answer", "place"),
    [
        ("report.pdf", "How many steps does the tower have?", "214 steps", "page 1"),
        ("report.pdf", "How much did the gallery railing cost?", "£48,300", "page 2"),
        ("report.docx", "How many visitors came in August?", "4,388", ""),
        ("report.odt", "灯塔建于哪一年？", "一八六一年", ""),
        ("report.rtf", "Who made the new balusters?", "blacksmith from Tarn Quay", ""),
        ("page.pdf", "Which variety of pear is picked in mid October?", "Glou Morceau", "page 1"),
        ("page.html", "متى تنضج الكمثرى المزروعة قرب الجدار؟", "بأسبوعين", ""),
        ("manual.docx", "How many paddles does the wheel have?", "twenty-eight paddles", ""),
        ("manual.epub", "When was the South stone last dressed?", "March 2031", ""),
        ("manual.odt", "How long does the miller wait at spring tides?", "hour and a half", ""),
        ("sheets.xlsx", "What were the takings of the sea chart?", "3,520", "sheet"),
        ("sheets.ods", "When was the tin whistle first sold?", "7 March 2031", "sheet"),
        ("slides.pptx", "How much does a smoker cost?", "£35", "slide 3"),
        ("slides.odp", "Who must be told about every hive?", "fire brigade", "slide 2"),
    ],
)
def test_a_file_of_every_kind_is_asked_about(visitor: Page, name: str, question: str, answer: str, place: str) -> None:
    upload(visitor, _FILES / name)
    expect(visitor.locator("#gc-documents li")).to_have_count(1)
    reply = ask(visitor, question)
    expect(reply).to_contain_text(answer)
    source = reply.locator(".gc-source").first
    expect(source.locator("summary")).to_contain_text(place)
    source.locator("summary").click()
    source.get_by_role("button", name="Show in the document").click()
    shown = visitor.locator("#gc-viewer article")
    expect(shown).to_contain_text(answer)
    expect(shown.locator("mark").first).to_be_visible()
    if re.search(r"\d", place):
        expect(shown.locator(".gc-place").filter(has_text=place)).to_have_count(1)


def test_two_visitors_with_files_of_one_name_never_see_each_others(
    visit: Visit, running: Running, tmp_path: Path
) -> None:
    codes = {"anna": "Blue-4711", "ben": "Red-0815"}
    pages, owners = {}, {}
    for name, code in codes.items():
        file = tmp_path / name / "gate.md"
        file.parent.mkdir()
        file.write_text(f"# Gate\n\nThe code of the garden gate is {code}.\n", encoding="utf-8")
        pages[name] = visit()
        with pages[name].expect_request(lambda request: bool(_OWNER.search(request.post_data or ""))) as sent:
            upload(pages[name], file)
            expect(pages[name].locator("#gc-documents li")).to_have_count(1)
        named = _OWNER.search(sent.value.post_data or "")
        assert named
        owners[name] = named[1]
    client = Client(running.url, verbose=False)
    try:
        for name, other in (("anna", "ben"), ("ben", "anna")):
            reply = ask(pages[name], "What is the code of the garden gate?")
            expect(reply).to_contain_text(codes[name])
            expect(pages[name].locator("body")).not_to_contain_text(codes[other])
            told = {"sources": ["documents"], "api_name": "/search"}
            found = client.predict(query="code of the garden gate", owner=owners[name], **told)
            assert [passage["text"] for passage in found] == [f"The code of the garden gate is {codes[name]}."]
            assert client.predict(query="code of the garden gate", **told) == []
    finally:
        client.close()


def test_a_new_question_comes_into_view_and_escape_closes_the_document(visit: Visit) -> None:
    page = visit(height=500)
    for question in ("Who discovered penicillin?", "How does photosynthesis work?", "How high is Mount Everest?"):
        ask(page, question)
    page.locator("#gc-chat .bubble-wrap").evaluate("pane => pane.scrollTo(0, 0)")
    reply = ask(page, "When did people first land on the Moon?")
    expect(page.locator("#gc-chat .user-row").last).to_be_in_viewport()
    reply.locator(".gc-source summary").first.click()
    reply.get_by_role("button", name="Show in the document").first.click()
    expect(page.locator("#gc-viewer.open")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#gc-viewer.open")).to_have_count(0)


def test_a_file_that_is_too_large_is_told_before_it_is_sent(visit: Visit, tmp_path: Path) -> None:
    large, small = tmp_path / "diary of a whole life.txt", tmp_path / "note.txt"
    with large.open("wb") as stream:
        stream.truncate(120_000_000)
    small.write_text("The key to the boathouse hangs behind the clock in the hall.", encoding="utf-8")
    page = visit()
    upload(page, large, small)
    expect(page.locator("#gc-documents li")).to_have_count(1)
    told = page.locator("#gc-upload-status .gc-failed")
    expect(told).to_have_text("“diary of a whole life.txt” has 120.0 MB, more than the 100.0 MB allowed; split it up.")
    upload(page, large)
    expect(told).to_have_count(2)
    expect(page.locator("#gc-documents li")).to_have_count(1)
