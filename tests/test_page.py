"""The page as people see it, in a real Chromium. python -m pytest tests/test_page.py"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from tests import browser as chromium
from tests.conftest import Running
from tests.tiny_model import make_tiny_model

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
    before = page.locator("#gc-chat .message-wrap .bot-row").count()
    page.locator("#gc-message textarea").fill(question)
    page.locator("#gc-message textarea").press("Enter")
    return _whole(page, before)


def _whole(page: Page, place: int) -> Locator:
    reply = page.locator("#gc-chat .message-wrap .bot-row").nth(place)
    expect(reply.locator(".gc-foot, .gc-card").first).to_be_visible()
    expect(page.locator("#gc-message .submit-button")).to_be_visible()
    return reply


def _edit(page: Page, place: int, question: str) -> None:
    page.locator("#gc-chat .user-row").nth(place).get_by_role("button", name="Edit").click()
    page.locator("#gc-chat textarea").fill(question)
    page.locator("#gc-chat").get_by_role("button", name="Send").click()


def _lose_conversation(page: Page) -> None:
    """From now on the page names a conversation that the server does not have, as after a restart of the server."""
    held = page.evaluate("sessionStorage.getItem('groundchat-conversation')")

    def lose(route: Route) -> None:
        route.continue_(post_data=(route.request.post_data or "").replace(held, "lost"))

    page.route("**/queue/join*", lose)


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
    quoted = page.locator("#gc-viewer mark")
    expect(quoted).to_have_text([re.compile(r"^(?:(?!\. ).)*Fleming(?:(?!\. ).)*$")])
    expect(page.locator("#gc-viewer article")).to_contain_text(quoted.inner_text())
    page.locator("#gc-viewer").get_by_role("button", name="Close").click()
    expect(page.locator("#gc-viewer.open")).to_have_count(0)


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

    page.get_by_role("button", name="Open Allotment club").click()
    expect(page.locator("#gc-viewer article")).to_contain_text("second week of April")
    expect(page.locator("#gc-viewer mark")).to_have_count(0)
    expect(page.locator("#gc-documents")).to_contain_text("allotment.md")
    delete = page.get_by_role("button", name="Delete Allotment club")
    delete.click()
    expect(delete).to_have_text("Delete?")
    expect(page.locator("#gc-documents li")).to_have_count(1)
    delete.click()
    expect(page.locator("#gc-upload-status")).to_contain_text("deleted")
    expect(page.locator("#gc-viewer.open")).to_have_count(0)
    expect(page.locator("#gc-viewer article")).to_have_count(0)
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
    expect(card.locator(".gc-tag")).to_have_text(re.compile("harassment|violence"))
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

    _edit(page, 0, "How high is Mount Everest?")
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
    assert page.locator("#gc-chat .gc-typed").inner_text() == f"What is the zebra password? {attack}"
    assert "\u2060" not in reply.locator(".md").first.inner_text()
    assert attack in reply.locator(".md").first.inner_text()
    reply.locator(".gc-source summary").first.click()
    expect(reply.locator(".gc-source").first).to_contain_text("<script>")
    assert page.title() == "Groundchat"


def test_a_message_is_shown_copied_and_edited_as_it_was_typed(visit: Visit) -> None:
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    typed = "# who discovered penicillin?\n|a|b|\n    <b>![x](https://example.org/x.png)</b> &amp; *bold*"
    reply = _ask(page, typed)
    assert page.locator("#gc-chat .gc-typed").inner_text() == typed
    page.locator("#gc-chat .user-row").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == typed
    reply.get_by_role("button", name="Copy").click()
    expect(reply.get_by_role("button", name="Copied")).to_be_visible()
    assert "\u2060" not in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Edit").click()
    expect(page.locator("#gc-chat textarea")).to_have_value(typed)
    page.locator("#gc-chat textarea").press("Escape")
    expect(page.locator("#gc-chat .gc-typed")).to_be_visible()


def test_what_cannot_be_sent_is_told_beside_the_box_and_the_chat_stays(visit: Visit) -> None:
    page = visit()
    reply = _ask(page, "Who discovered penicillin?")
    box, note = page.locator("#gc-message textarea"), page.locator("#gc-note")
    page.wait_for_timeout(1600)  # an Enter right after a message is taken for a double one
    box.press("Enter")
    expect(note).to_contain_text("Your message is empty")
    endless = "long " * 20_000
    box.fill(endless)
    expect(note).not_to_be_visible()
    box.press("Enter")
    expect(note).to_contain_text("the limit is 20,000")
    expect(box).to_have_value(endless)
    expect(reply).to_contain_text("Fleming")
    expect(page.locator("#gc-chat .user-row")).to_have_count(1)
    expect(page.locator("#gc-chat .error, .toast-body")).to_have_count(0)


def test_a_double_enter_sends_once_and_says_nothing(visit: Visit) -> None:
    page = visit()
    box = page.locator("#gc-message textarea")
    box.fill("Who discovered penicillin?")
    box.press("Enter")
    box.press("Enter")
    expect(_whole(page, 0)).to_contain_text("Fleming")
    expect(page.locator("#gc-chat .user-row")).to_have_count(1)
    expect(page.locator("#gc-note")).not_to_be_visible()


def test_messages_sent_during_an_answer_wait_for_their_turn(visit: Visit) -> None:
    page = visit()
    questions = ["Who discovered penicillin?", "How high is Mount Everest?", "How does photosynthesis work?"]
    box = page.locator("#gc-message textarea")
    for question in questions:
        box.fill(question)
        box.press("Enter")
        expect(box).to_have_value("")
    for place, word in enumerate(("Fleming", "8,848.86", "Photosynthesis")):
        expect(page.locator("#gc-chat .bot-row").nth(place).locator(".md")).to_contain_text(word)
    expect(page.locator("#gc-chat .gc-typed")).to_have_text(questions)
    expect(page.locator("#gc-message .submit-button")).to_be_visible()


def test_each_tab_has_its_own_conversation_and_a_stale_one_is_refreshed(visit: Visit, running: Running) -> None:
    page = visit()
    _ask(page, "Who discovered penicillin?")
    _ask(page, "How high is Mount Everest?")
    other = page.context.new_page()
    other.set_default_timeout(_WAIT_MS)
    other.goto(running.url)
    expect(other.locator("#gc-chat button.example").first).to_be_visible()
    key = "groundchat-conversation"
    shared = page.evaluate(f"sessionStorage.getItem('{key}')")  # what a browser does when a tab is duplicated
    other.evaluate(f"sessionStorage.setItem('{key}', '{shared}')")
    other.reload()
    expect(other.locator("#gc-chat .gc-typed")).to_have_count(2)
    other.get_by_role("button", name="Undo").click()
    expect(other.locator("#gc-chat .gc-typed")).to_have_count(1)

    _edit(page, 1, "Where is Lake Baikal?")
    expect(page.locator("#gc-note")).to_contain_text("changed in another tab")
    expect(page.locator("#gc-chat .gc-typed")).to_have_text(["Who discovered penicillin?"])
    expect(page.locator("#gc-message textarea")).to_have_value("Where is Lake Baikal?")

    other.get_by_role("button", name="New chat").click()
    expect(other.locator("#gc-chat .gc-typed")).to_have_count(0)
    page.reload()
    expect(page.locator("#gc-chat .gc-typed")).to_have_count(1)


def test_when_the_server_forgot_the_conversation_the_page_says_so_and_keeps_it_to_read(visit: Visit) -> None:
    page = visit()
    _ask(page, "Who discovered penicillin?")
    _lose_conversation(page)
    page.locator("#gc-message textarea").fill("How high is Mount Everest?")
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-earlier")).to_be_visible()
    expect(_whole(page, 0)).to_contain_text("8,848.86")
    expect(page.locator("#gc-earlier")).to_contain_text("Who discovered penicillin?")
    expect(page.locator("#gc-earlier .gc-divider")).to_contain_text("no longer on the server")
    expect(page.locator("#gc-earlier .gc-act")).to_have_count(0)
    page.reload()
    expect(page.locator("#gc-chat .gc-typed")).to_have_text(["How high is Mount Everest?"])


def test_a_chat_model_is_loaded_stopped_and_left_again(visit: Visit, tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "tiny", chat_template=False, steps=0)
    page = visit()
    status, load = page.locator("#gc-model-status"), page.locator("#gc-model-go")
    try:
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
        load.click()
        expect(status).to_contain_text("No model is chosen")
        page.get_by_label("microsoft/phi-4").or_(page.get_by_label("phi-4")).first.check()
        load.click()
        expect(status).to_contain_text("needs 32 GB of memory")
        expect(load).to_have_text("Load it now")

        name = page.get_by_label("Or another one")
        name.fill("nobody/no-such-model")
        expect(load).to_have_text("Load")
        load.click()
        expect(status).to_contain_text("its size is unknown")
        load.click()
        expect(page.locator("#gc-model-status .gc-failed")).to_contain_text("nobody/no-such-model")
        expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")

        name.fill(str(model))
        load.click()
        expect(page.locator("#gc-model-now")).to_contain_text(model.name)
        page.locator("#gc-moderation input").uncheck()
        page.locator("#gc-message textarea").fill("Tell me a story")
        page.locator("#gc-message textarea").press("Enter")
        expect(page.locator("#gc-chat .bot-row .md").first).not_to_be_empty()
        page.locator("#gc-message textarea").fill("Who discovered penicillin?")
        page.locator("#gc-message textarea").press("Enter")
        expect(page.locator("#gc-chat .bot-row").nth(1)).to_contain_text("Waiting for the answer above")
        page.locator("#gc-message .stop-button").click()
        expect(page.locator("#gc-chat .bot-row").first).to_contain_text("Stopped")
        expect(page.locator("#gc-chat .bot-row").nth(1).locator(".md")).not_to_be_empty()
        page.locator("#gc-message .stop-button").click()
        expect(_whole(page, 1)).to_contain_text("Stopped")
    finally:
        page.locator("#gc-model-reader").click()
    expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")


def test_the_page_speaks_chinese(visit: Visit, running: Running, tmp_path: Path) -> None:
    page = visit(locale="zh-CN")
    expect(page.get_by_role("button", name="新对话")).to_be_visible()
    reply = _ask(page, "珠穆朗玛峰有多高？")
    expect(reply).to_contain_text("8848")
    expect(reply.locator(".gc-foot")).to_contain_text("依据")
    page.locator("#gc-message textarea").fill("长" * 20_001)
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-note")).to_contain_text("上限是 20,000 个")
    empty = tmp_path / "空.txt"
    empty.write_bytes(b"")
    _upload(page, empty)
    expect(page.locator("#gc-upload-status .gc-failed")).to_contain_text("“空.txt”是空文件")
    page.get_by_label("维基百科").check()
    running.wikipedia.mode = "500"
    try:
        reply = _ask(page, "泰山有多高？")
    finally:
        running.wikipedia.mode = "ok"
    expect(reply.locator(".gc-notice")).to_contain_text("维基百科")
    expect(_ask(page, _THREAT).locator(".gc-tag")).to_have_text(re.compile("骚扰|暴力"))


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
