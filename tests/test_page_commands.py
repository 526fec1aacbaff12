"""Slash commands typed into the page, in a real Chromium. python -m pytest tests/test_page_commands.py"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Visit
from tests.tiny_model import DIALOGUES, shared_tiny_model
from tests.visitor import ask


def _said(page: Page, line: str) -> str:
    return ask(page, line).locator(".gc-said").inner_text()


def test_commands_are_offered_while_they_are_typed(visit: Visit) -> None:
    page = visit()
    box = page.locator("#gc-message textarea")
    box.press_sequentially("/")
    hints = page.locator("#gc-hints li")
    expect(hints).not_to_have_count(0)
    expect(hints.first).to_contain_text("/help")
    box.press_sequentially("mo")
    expect(hints).to_have_count(2)
    box.press("ArrowDown")
    expect(page.locator("#gc-hints [aria-selected=true]")).to_contain_text("/moderation")
    box.press("Tab")
    expect(box).to_have_value("/moderation ")
    box.press_sequentially("off")
    box.press("Enter")
    expect(page.locator("#gc-banner")).to_contain_text("Moderation is off")
    expect(page.locator("#gc-moderation input")).not_to_be_checked()
    expect(page.locator("#gc-hints")).to_be_hidden()


def test_commands_move_the_switches_and_stay_out_of_the_conversation(visit: Visit) -> None:
    page = visit(locale="zh-CN")
    assert "/sources [名称… | none | all]" in _said(page, "/help")
    ask(page, "/sources none")
    expect(page.locator("#gc-retrieval input")).not_to_be_checked()
    ask(page, "/sources library")
    expect(page.locator("#gc-retrieval input")).to_be_checked()
    expect(ask(page, "青霉素是谁发现的？")).to_contain_text("弗莱明")
    page.locator("#gc-message textarea").fill("/etc/hosts 是什么")
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-note")).to_contain_text("/say /etc/hosts 是什么")
    expect(page.locator("#gc-message textarea")).to_have_value("/etc/hosts 是什么")
    expect(page.locator("#gc-chat .bot-row")).to_have_count(4)


def test_an_answer_that_was_cut_is_gone_on_with(visit: Visit, tmp_path_factory: pytest.TempPathFactory) -> None:
    question, answer = DIALOGUES[4]
    page = visit()
    page.locator("#gc-retrieval input").uncheck()
    model = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    assert f"{model.name} answers from now on." in _said(page, f"/model {model}")
    expect(page.locator("#gc-model-now")).to_contain_text(model.name)
    assert "max_new_tokens = 6" in _said(page, "/hyperparameters max_new_tokens=6 temperature=0")
    reply = ask(page, question)
    expect(reply.locator(".gc-notice")).to_contain_text("longest allowed length")
    begun = reply.locator(".md").inner_text()
    assert answer.startswith(begun)
    assert begun != answer
    ask(page, "/hyperparameters max_new_tokens=200")
    reply.get_by_role("button", name="Continue").click()
    expect(page.locator("#gc-chat .bot-row .md")).to_have_text(answer)
    expect(page.locator("#gc-chat .bot-row")).to_have_count(3)
    assert question in _said(page, "/raw_prompt")
    ask(page, "/model reader")
    expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")
