"""The page as people see it, in a real Chromium. python -m pytest tests/test_page.py"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests import browser as chromium
from tests.conftest import Running
from tests.tiny_model import make_tiny_model
from ui.render import unshielded

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_THREAT = "I will kill you, you worthless piece of trash, and burn your house down"
_WAIT_MS = 20_000

expect.set_options(timeout=_WAIT_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.executable()
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium here; make test gets one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, running: Running) -> Iterator[Visit]:
    """Opens the page as a new visitor. Nothing may be fetched from elsewhere, and nothing may fail in the console."""
    problems: list[str] = []
    contexts = []

    def _visit(width: int = 1280, height: int = 860, dark: bool = False, locale: str = "en-US") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale=locale
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_WAIT_MS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("request", lambda sent: None if _ours(sent.url, running) else problems.append(sent.url))
        page.goto(running.url)
        expect(page.locator("#gc-chat button.example").first).to_be_visible()
        return page

    yield _visit
    for context in contexts:
        context.close()
    assert problems == []


def _ours(url: str, running: Running) -> bool:
    return url.startswith((running.url, "data:", "blob:"))


def _ask(page: Page, question: str) -> Locator:
    """Type and send a question; the reply once it is whole."""
    before = page.locator("#gc-chat .bot-row").count()
    page.locator("#gc-message textarea").fill(question)
    page.locator("#gc-message textarea").press("Enter")
    return _whole(page, before)


def _whole(page: Page, place: int) -> Locator:
    reply = page.locator("#gc-chat .bot-row").nth(place)
    expect(reply.locator(".gc-foot, .gc-card").first).to_be_visible()
    expect(page.locator("#gc-message .submit-button")).to_be_visible()
    return reply


def _upload(page: Page, *files: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(files)


def test_a_newcomer_asks_and_sees_the_quote_in_its_source(visit: Visit) -> None:
    page = visit()
    reply = _ask(page, "Who discovered penicillin?")
    expect(reply).to_contain_text("Fleming")
    reply.locator(".gc-cite").first.click()
    source = reply.locator(".gc-source[open]")
    expect(source.locator("mark").first).to_contain_text("Fleming")
    source.get_by_role("button", name="Show in the document").click()
    whole = page.locator("#gc-viewer mark.gc-passage")
    expect(whole).to_be_visible()
    expect(whole).to_contain_text("Fleming")


def test_an_example_is_answered_when_clicked(visit: Visit) -> None:
    page = visit()
    page.locator("#gc-chat button.example").first.click()
    expect(_whole(page, 0)).to_contain_text("Fleming")


def test_a_follow_up_says_what_was_searched_for(visit: Visit) -> None:
    page = visit()
    _ask(page, "Who discovered penicillin?")
    reply = _ask(page, "and where was he born?")
    expect(reply).to_contain_text("Darvel")
    expect(reply.locator(".gc-foot")).to_contain_text("Searched for:")


def test_a_document_is_uploaded_asked_about_opened_and_deleted(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    notes = tmp_path / "allotment.md"
    notes.write_text(
        "# Allotment club\n\n## Spring meeting\n\nThe gate code of the allotment club is 4711-K.\n\n"
        "## Water\n\nThe water is switched on in the second week of April.\n",
        encoding="utf-8",
    )
    _upload(page, notes)
    expect(page.locator("#gc-upload-status")).to_contain_text("“Allotment club” is ready")
    reply = _ask(page, "What is the gate code of the allotment club?")
    expect(reply).to_contain_text("4711-K")
    expect(reply.locator(".gc-source").first).to_contain_text("My documents")

    stranger = visit()
    expect(stranger.locator("#gc-documents")).not_to_contain_text("Allotment club")
    expect(_ask(stranger, "What is the gate code of the allotment club?")).not_to_contain_text("4711-K")

    page.get_by_role("button", name="Delete Allotment club").click()
    expect(page.locator("#gc-upload-status")).to_contain_text("deleted")
    expect(_ask(page, "What is the gate code of the allotment club?")).not_to_contain_text("4711-K")


def test_files_that_cannot_be_read_are_named_and_leave_the_others_alone(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    binary, empty, good = tmp_path / "picture.txt", tmp_path / "empty.txt", tmp_path / "good.txt"
    binary.write_bytes(bytes(range(256)) * 40)
    empty.write_bytes(b"")
    good.write_text("The bicycle shed key hangs behind the blue door.", encoding="utf-8")
    _upload(page, binary, empty, good)
    status = page.locator("#gc-upload-status")
    expect(status.locator(".gc-failed")).to_have_count(2)
    expect(status).to_contain_text("picture.txt")
    expect(status).to_contain_text("empty.txt")
    expect(status.locator(".gc-done")).to_contain_text("good")
    expect(page.locator("#gc-documents li")).to_have_count(1)


def test_moderation_refuses_with_a_reason_and_its_switch_is_seen(visit: Visit) -> None:
    page = visit()
    card = _ask(page, _THREAT).locator(".gc-card")
    expect(card).to_contain_text("This question was not answered")
    expect(card.locator(".gc-tag")).not_to_be_empty()
    page.locator("#gc-moderation input").uncheck()
    expect(page.locator("#gc-banner")).to_contain_text("Moderation is off")
    reply = _ask(page, _THREAT)
    expect(reply.locator(".gc-card")).to_have_count(0)
    expect(reply.locator(".gc-foot")).to_contain_text("Not screened")


def test_with_retrieval_off_nothing_is_looked_up(visit: Visit) -> None:
    page = visit()
    page.locator("#gc-retrieval input").uncheck()
    reply = _ask(page, "Who discovered penicillin?")
    expect(reply).not_to_contain_text("Fleming")
    expect(reply).to_contain_text("Starter library")
    page.locator("#gc-retrieval input").check()
    expect(_ask(page, "Who discovered penicillin?")).to_contain_text("Fleming")


def test_wikipedia_is_cited_with_a_link_to_the_section(visit: Visit, running: Running) -> None:
    running.wikipedia.mode = "ok"
    page = visit()
    page.get_by_label("Starter library").uncheck()
    page.get_by_label("Wikipedia").check()
    reply = _ask(page, "Where was the Antikythera mechanism found?")
    expect(reply.locator(".gc-source").first).to_contain_text("Wikipedia")
    reply.locator(".gc-source summary").first.click()
    link = reply.get_by_role("link", name=re.compile("Open the original")).first
    expect(link).to_have_attribute("href", re.compile(r"^http.+/wiki/"))


def test_when_wikipedia_fails_a_notice_stands_under_the_answer(visit: Visit, running: Running) -> None:
    page = visit()
    page.get_by_label("Wikipedia").check()
    running.wikipedia.mode = "500"
    try:
        reply = _ask(page, "Who discovered penicillin in London?")
    finally:
        running.wikipedia.mode = "ok"
    expect(reply).to_contain_text("Fleming")
    expect(reply.locator(".gc-notice")).to_contain_text("Wikipedia")


def test_retry_edit_undo_and_reset(visit: Visit) -> None:
    page = visit()
    _ask(page, "Who discovered penicillin?")
    page.get_by_role("button", name="Retry").click()
    expect(_whole(page, 0)).to_contain_text("Fleming")

    page.locator("#gc-chat").get_by_role("button", name="Edit").click()
    page.locator("#gc-chat textarea").fill("How high is Mount Everest?")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#gc-chat")).to_contain_text("8,848.86")
    expect(page.locator("#gc-chat")).not_to_contain_text("penicillin")

    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#gc-chat .bot-row")).to_have_count(0)
    expect(page.locator("#gc-message textarea")).to_have_value("How high is Mount Everest?")

    _ask(page, "Who discovered penicillin?")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#gc-chat .bot-row")).to_have_count(0)
    expect(page.locator("#gc-chat button.example").first).to_be_visible()


def test_a_reload_brings_the_conversation_back(visit: Visit) -> None:
    page = visit()
    _ask(page, "Who discovered penicillin?")
    page.reload()
    expect(page.locator("#gc-chat .bot-row")).to_contain_text("Fleming")
    expect(_ask(page, "and where was he born?")).to_contain_text("Darvel")


def test_markup_is_shown_as_text_and_never_run(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    attack = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
    document = tmp_path / "attack.md"
    document.write_text(f"# Zebra {attack}\n\nThe zebra password is {attack} open sesame.\n", encoding="utf-8")
    _upload(page, document)
    expect(page.locator("#gc-upload-status")).to_contain_text("<script>")
    expect(page.locator("#gc-documents")).to_contain_text("<script>")
    reply = _ask(page, f"What is the zebra password? {attack}")
    assert attack in unshielded(page.locator("#gc-chat .user-row").inner_text())
    reply.locator(".gc-source summary").first.click()
    expect(reply.locator(".gc-source").first).to_contain_text("<script>")
    assert page.title() == "Groundchat"


def test_an_empty_and_an_endless_message_are_told_and_kept(visit: Visit) -> None:
    page = visit()
    box = page.locator("#gc-message textarea")
    box.press("Enter")
    expect(page.get_by_text("Your message is empty")).to_be_visible()
    box.fill("long " * 20_000)
    box.press("Enter")
    expect(page.get_by_text("the limit is 20,000")).to_be_visible()
    expect(box).to_have_value("long " * 20_000)
    expect(page.locator("#gc-chat .user-row")).to_have_count(0)


def test_a_chat_model_is_loaded_stopped_and_left_again(visit: Visit, tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "tiny", chat_template=False, steps=0)
    page = visit()
    try:
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
        name = page.get_by_label("Hub id or local folder")
        name.fill("nobody/no-such-model")
        name.press("Enter")
        page.locator("#gc-model-go").click()
        expect(page.locator("#gc-model-status")).to_contain_text("nobody/no-such-model")
        expect(page.locator("#gc-model-status .gc-failed")).to_be_visible()
        expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")

        name.fill(str(model))
        name.press("Enter")
        page.locator("#gc-model-go").click()
        expect(page.locator("#gc-model-now")).to_contain_text(model.name)
        page.locator("#gc-moderation input").uncheck()
        page.locator("#gc-message textarea").fill("Tell me a story")
        page.locator("#gc-message textarea").press("Enter")
        expect(page.locator("#gc-chat .bot-row .md").first).not_to_be_empty()
        page.locator("#gc-message .stop-button").click()
        expect(_whole(page, 0)).to_contain_text("Stopped")
    finally:
        page.locator("#gc-model-reader").click()
    expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")


def test_the_page_speaks_chinese(visit: Visit) -> None:
    page = visit(locale="zh-CN")
    expect(page.get_by_role("button", name="新对话")).to_be_visible()
    reply = _ask(page, "珠穆朗玛峰有多高？")
    expect(reply).to_contain_text("8848")
    expect(reply.locator(".gc-foot")).to_contain_text("依据")


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_nothing_overflows_and_both_modes_apply(visit: Visit, width: int, dark: bool) -> None:
    page = visit(width=width, dark=dark)
    _ask(page, "Who discovered penicillin?")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.body.classList.contains('dark')") is dark
    box = page.locator("#gc-message").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 860
    if not dark:
        page.evaluate("document.querySelector('#gc-theme').click()")
        page.reload()
        expect(page.locator("body.dark")).to_be_visible()
