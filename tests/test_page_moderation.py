"""Moderation on the page, in a real Chromium. python -m pytest tests/test_page_moderation.py"""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.conftest import OPERATOR_KEY, Running, Visit
from tests.visitor import LOOKS, THREAT, ask, assert_it_fits, look

_SHOTS = os.environ.get("SHOTS", "")
"""Folder for pictures of what these tests see; none where it is empty."""
_OTHER_THREAT = "I will find where you live and beat you until you stop moving, you disgusting idiot"


def _picture(page: Page, name: str) -> None:
    if _SHOTS:
        page.screenshot(path=Path(_SHOTS) / f"{name}.png")


def test_a_refusal_says_what_and_how_sure_and_is_contested_without_its_text(visit: Visit, running: Running) -> None:
    page = visit()
    card = ask(page, THREAT).locator(".gc-card")
    sure = card.locator(".gc-tag").nth(1)
    expect(sure).to_have_text(re.compile("fairly sure|quite sure|very sure"))
    expect(sure).to_have_attribute("title", re.compile(r"Probability of harm: \d+ %"))
    _picture(page, "refused")
    card.get_by_text("I think this is wrong").click()
    expect(card.get_by_role("checkbox")).not_to_be_checked()
    _picture(page, "contest")
    card.get_by_role("button", name="Send").click()
    expect(card).to_contain_text("Thank you. The operator will look at it; the text was not kept.")
    expect(card.get_by_text("I think this is wrong")).to_have_count(0)
    expect(page.locator("#gc-message textarea")).to_have_value("")
    _picture(page, "thanks")

    operator = page.context.new_page()
    operator.goto(f"{running.url}moderation")
    expect(operator.locator("body")).not_to_contain_text("Contested")
    _picture(operator, "operator-key")
    operator.get_by_label("Operator key").fill("something else")
    operator.get_by_role("button", name="Open").click()
    expect(operator.get_by_role("alert")).to_contain_text("This is not the operator key")
    operator.get_by_label("Operator key").fill(OPERATOR_KEY)
    operator.get_by_role("button", name="Open").click()
    expect(operator.get_by_role("heading", name="Contested decisions")).to_be_visible()
    case = operator.locator("article").first
    expect(case).to_contain_text("The text was not kept.")
    expect(operator.locator("body")).not_to_contain_text("burn your house down")
    expect(operator.locator("tbody").first).to_contain_text(re.compile("Question.*(harassment|violence)"))


def test_with_consent_the_operator_reads_the_text_and_rules(visit: Visit, running: Running) -> None:
    page = visit()
    card = ask(page, _OTHER_THREAT).locator(".gc-card")
    card.get_by_text("I think this is wrong").click()
    card.get_by_label("Keep the text too").check()
    card.get_by_role("button", name="Send").click()
    expect(card).to_contain_text("and at the text")

    operator = page.context.new_page()
    operator.goto(f"{running.url}moderation")
    operator.get_by_label("Operator key").fill(OPERATOR_KEY)
    operator.get_by_label("Operator key").press("Enter")
    case = operator.locator("article").filter(has_text="beat you until you stop moving")
    expect(case).to_have_count(1)
    case.get_by_role("button", name="The decision was right").click()
    expect(case).to_contain_text("Ruled right")
    _picture(operator, "operator")
    with operator.expect_download() as caught:
        operator.get_by_role("link", name="Download those ruled on").click()
    text = Path(caught.value.path()).read_text(encoding="utf-8")
    assert '"flagged": true' in text
    assert "beat you until you stop moving" in text
    operator.get_by_role("button", name="Sign out").click()
    expect(operator.get_by_label("Operator key")).to_be_visible()


def test_what_is_screened_is_told_in_the_settings(visit: Visit) -> None:
    page = visit()
    fold = page.locator("#gc-policy")
    expect(fold.locator("li").first).not_to_be_visible()
    fold.get_by_text("What is screened").click()
    expect(fold.get_by_text("A text that cannot be checked is refused.")).to_be_visible()
    expect(fold.get_by_text("hate against a group of people")).to_be_visible()
    _picture(page, "policy")


def test_it_is_told_and_contested_in_chinese(visit: Visit) -> None:
    page = visit(locale="zh-CN")
    card = ask(page, "我要杀了你，你这个该死的垃圾，我要把你全家都杀光").locator(".gc-card")
    expect(card.locator(".gc-tag").last).to_have_text(re.compile("确定"))
    card.get_by_text("我认为判断有误").click()
    card.get_by_role("button", name="提交").click()
    expect(card).to_contain_text("谢谢")
    page.locator("#gc-policy").get_by_text("审核哪些内容").click()
    expect(page.locator("#gc-policy")).to_contain_text("无法审核的内容一律拒绝")


def test_nothing_overflows_in_any_size_and_mode(visit: Visit, running: Running) -> None:
    page = visit(width=390)
    card = ask(page, THREAT).locator(".gc-card")
    card.get_by_text("I think this is wrong").click()
    page.get_by_role("button", name="Menu").click()
    page.locator("#gc-policy").get_by_text("What is screened").click()
    operator = page.context.new_page()
    operator.goto(f"{running.url}moderation")
    operator.get_by_label("Operator key").fill(OPERATOR_KEY)
    operator.get_by_label("Operator key").press("Enter")
    expect(operator.get_by_role("heading", name="Counts")).to_be_visible()
    for name, width, dark in LOOKS:
        look(page, width, dark)
        expect(page.locator("#gc-policy li").last).to_be_visible()
        assert_it_fits(page)
        _picture(page, f"policy-{name}")
        operator.emulate_media(color_scheme="dark" if dark else "light")
        operator.set_viewport_size({"width": width, "height": 860})
        assert_it_fits(operator)
        _picture(operator, f"operator-{name}")
    page.set_viewport_size({"width": 390, "height": 860})
    page.get_by_role("button", name="Menu").click()
    for name, width, dark in LOOKS:
        look(page, width, dark)
        expect(card.get_by_role("button", name="Send")).to_be_visible()
        assert_it_fits(page)
        _picture(page, f"contest-{name}")


def test_screening_that_is_off_is_seen_on_the_page_and_in_its_transcript(visit: Visit) -> None:
    page = visit()
    page.locator("#gc-message textarea").fill("/moderation off")
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-banner")).to_contain_text("Moderation is off")
    reply = ask(page, "Who discovered penicillin?")
    expect(reply.locator(".gc-foot")).to_contain_text("Not screened")
    page.locator("#gc-message textarea").fill("/moderation on")
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-banner .gc-banner")).to_have_count(0)
    expect(page.locator("#gc-chat .gc-foot").filter(has_text="Not screened")).to_have_count(1)
