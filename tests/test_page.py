"""The page as people see it, in a real Chromium. python -m pytest tests/test_page.py"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import Running, Visit
from tests.tiny_model import make_endless_model
from tests.visitor import THREAT, ask, edit, upload, whole


def test_a_newcomer_asks_and_sees_the_quote_in_its_source(visit: Visit) -> None:
    page = visit()
    reply = ask(page, "Who discovered penicillin?")
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
    expect(whole(page, 0)).to_contain_text("Fleming")


def test_what_a_document_is_about_is_told_and_every_sentence_opens_in_it(visit: Visit) -> None:
    page = visit()
    ask(page, "Who discovered penicillin?")
    upload(page, Path(__file__).parent / "overviews" / "annual-report.md")
    expect(page.locator("#gc-upload-status")).to_contain_text("is ready")
    reply = ask(page, "What is this about?")
    expect(reply).to_contain_text("“Nordvik Ferries: Annual Report 2023” (annual-report.md) is one of your documents")
    expect(reply.locator(".message li, .prose li")).to_have_count(6)
    expect(reply).to_contain_text("Its parts: Traffic · Finances · Electric ferries · Safety · Outlook · Contact")
    reply.locator(".gc-cite").nth(2).click()
    source = reply.locator(".gc-source[open]")
    expect(source.locator("mark")).to_contain_text("812 million kroner")
    source.get_by_role("button", name="Show in the document").click()
    expect(page.locator("#gc-viewer mark")).to_contain_text("812 million kroner")


def test_a_follow_up_says_what_was_searched_for(visit: Visit) -> None:
    page = visit()
    ask(page, "Who discovered penicillin?")
    reply = ask(page, "and where was he born?")
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
    upload(page, notes)
    expect(page.locator("#gc-upload-status")).to_contain_text("“Allotment club” is ready")
    reply = ask(page, "What is the gate code of the allotment club?")
    expect(reply).to_contain_text("4711-K")
    expect(reply.locator(".gc-source").first).to_contain_text("My documents")

    stranger = visit()
    expect(stranger.locator("#gc-documents")).not_to_contain_text("Allotment club")
    expect(ask(stranger, "What is the gate code of the allotment club?")).not_to_contain_text("4711-K")

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
    expect(ask(page, "What is the gate code of the allotment club?")).not_to_contain_text("4711-K")


def test_moderation_refuses_with_a_reason_and_its_switch_is_seen(visit: Visit) -> None:
    page = visit()
    card = ask(page, THREAT).locator(".gc-card")
    expect(card).to_contain_text("This question was not answered")
    expect(card.locator(".gc-tag").first).to_have_text(re.compile("harassment|violence"))
    page.locator("#gc-moderation input").uncheck()
    expect(page.locator("#gc-banner")).to_contain_text("Moderation is off")
    reply = ask(page, THREAT)
    expect(reply.locator(".gc-card")).to_have_count(0)
    expect(reply.locator(".gc-foot")).to_contain_text("Not screened")


def test_with_retrieval_off_nothing_is_looked_up(visit: Visit) -> None:
    page = visit()
    page.locator("#gc-retrieval input").uncheck()
    reply = ask(page, "Who discovered penicillin?")
    expect(reply).not_to_contain_text("Fleming")
    expect(reply).to_contain_text("Starter library")
    page.locator("#gc-retrieval input").check()
    expect(ask(page, "Who discovered penicillin?")).to_contain_text("Fleming")


def test_wikipedia_is_cited_with_a_link_to_the_section(visit: Visit, running: Running) -> None:
    running.wikipedia.mode = "ok"
    page = visit()
    page.get_by_label("Starter library").uncheck()
    page.get_by_label("Wikipedia").check()
    reply = ask(page, "Where was the Antikythera mechanism found?")
    expect(reply.locator(".gc-source").first).to_contain_text("Wikipedia")
    reply.locator(".gc-source summary").first.click()
    link = reply.get_by_role("link", name=re.compile("Open the original")).first
    expect(link).to_have_attribute("href", re.compile(r"^http.+/wiki/"))


def test_retry_edit_undo_and_reset(visit: Visit) -> None:
    page = visit()
    ask(page, "Who discovered penicillin?")
    page.get_by_role("button", name="Retry").click()
    expect(whole(page, 0)).to_contain_text("Fleming")

    edit(page, 0, "How high is Mount Everest?")
    expect(page.locator("#gc-chat")).to_contain_text("8,848.86")
    expect(page.locator("#gc-chat")).not_to_contain_text("penicillin")

    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#gc-chat .bot-row")).to_have_count(0)
    expect(page.locator("#gc-message textarea")).to_have_value("How high is Mount Everest?")

    ask(page, "Who discovered penicillin?")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#gc-chat .bot-row")).to_have_count(0)
    expect(page.locator("#gc-chat button.example").first).to_be_visible()


def test_a_reload_brings_the_conversation_back(visit: Visit) -> None:
    page = visit()
    ask(page, "Who discovered penicillin?")
    page.reload()
    expect(page.locator("#gc-chat .bot-row")).to_contain_text("Fleming")
    expect(ask(page, "and where was he born?")).to_contain_text("Darvel")


def test_a_chat_model_is_loaded_stopped_and_left_again(visit: Visit, tmp_path: Path) -> None:
    model = make_endless_model(tmp_path / "tiny")
    page = visit()
    status, load = page.locator("#gc-model-status"), page.locator("#gc-model-go")
    try:
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
        load.click()
        expect(status).to_contain_text("No model is chosen")
        page.get_by_label("1.0 GB · SmolLM2-135M-Instruct").check()
        load.click()
        expect(status).to_contain_text("GB of memory (weights 0.3")
        expect(load).to_have_text("Load it now")

        name = page.get_by_label("Or another one")
        name.press_sequentially("nobody/no-such-model")
        expect(load).to_have_text("Load")
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
        expect(whole(page, 1)).to_contain_text("Stopped")
    finally:
        page.locator("#gc-model-reader").click()
    expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")


def test_the_page_speaks_chinese(visit: Visit, running: Running, tmp_path: Path) -> None:
    page = visit(locale="zh-CN")
    expect(page.get_by_role("button", name="新对话")).to_be_visible()
    reply = ask(page, "珠穆朗玛峰有多高？")
    expect(reply).to_contain_text("8848")
    expect(reply.locator(".gc-foot")).to_contain_text("依据")
    page.locator("#gc-message textarea").fill("长" * 20_001)
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-note")).to_contain_text("上限是 20,000 个")
    empty = tmp_path / "空.txt"
    empty.write_bytes(b"")
    upload(page, empty)
    expect(page.locator("#gc-upload-status .gc-failed")).to_contain_text("“空.txt”是空文件")
    page.get_by_label("维基百科").check()
    running.wikipedia.mode = "500"
    try:
        reply = ask(page, "泰山有多高？")
    finally:
        running.wikipedia.mode = "ok"
    expect(reply.locator(".gc-notice")).to_contain_text("维基百科")
    expect(ask(page, THREAT).locator(".gc-tag").first).to_have_text(re.compile("骚扰|暴力"))


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_nothing_overflows_and_both_modes_apply(visit: Visit, width: int, dark: bool) -> None:
    page = visit(width=width, dark=dark)
    ask(page, "Who discovered penicillin?")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.body.classList.contains('dark')") is dark
    box = page.locator("#gc-message").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 860
    if not dark:
        page.evaluate("document.querySelector('#gc-theme').click()")
        page.reload()
        expect(page.locator("body.dark")).to_be_visible()
