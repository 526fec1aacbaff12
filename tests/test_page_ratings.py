"""Rating answers on the page, in a real Chromium. python -m pytest tests/test_page_ratings.py"""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.conftest import OPERATOR_KEY, Running, Visit
from tests.visitor import LOOKS, ask, assert_it_fits, look

_SHOTS = os.environ.get("SHOTS", "")
"""Folder for pictures of what these tests see; none where it is empty."""
_QUESTION = "Who discovered penicillin?"
_IDEAL = "Alexander Fleming, in 1928. [1]"


def _picture(page: Page, name: str) -> None:
    if _SHOTS:
        page.wait_for_timeout(300)
        page.screenshot(path=Path(_SHOTS) / f"{name}.png")


def _thumb(reply: Locator, name: str) -> Locator:
    return reply.locator(".gc-foot").get_by_role("button", name=name)


def _told(page: Page) -> Locator:
    fold = page.locator("#gc-ratings")
    if not fold.locator(".gc-mine").is_visible():
        fold.get_by_text("Ratings", exact=True).click()
    return fold


def test_a_good_answer_is_rated_kept_with_consent_taken_back_and_nobody_else_s(visit: Visit) -> None:
    page = visit()
    reply = ask(page, _QUESTION)
    good = _thumb(reply, "Good answer")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    panel = reply.locator(".gc-rating")
    expect(panel.locator("summary")).to_have_text("Rated good · may a model learn from it?")
    expect(panel.locator(".gc-rated")).not_to_be_visible()
    _picture(page, "rated-good")
    panel.locator("summary").click()
    expect(panel.get_by_label("Let models be trained on this answer")).not_to_be_checked()
    panel.get_by_label("Let models be trained on this answer").check()
    _picture(page, "consent")
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator("summary")).to_have_text("Rated good · kept for training")
    expect(_told(page)).to_contain_text("1 of your answers is kept with its text.")

    second = ask(page, "Who discovered radium?")
    _thumb(second, "Good answer").click()
    expect(second.locator(".gc-rating summary")).to_have_text("Rated good · kept for training")
    expect(_told(page)).to_contain_text("2 of your answers are kept with their text.")
    _thumb(second, "Good answer").click()
    expect(_thumb(second, "Good answer")).to_have_attribute("aria-pressed", "false")
    expect(second.locator(".gc-rating")).to_have_count(0)
    expect(_told(page)).to_contain_text("1 of your answers is kept with its text.")

    other = visit()
    expect(_thumb(ask(other, _QUESTION), "Good answer")).to_have_attribute("aria-pressed", "false")
    expect(_told(other)).to_contain_text("No text of yours is kept.")
    _told(other).get_by_role("button", name="Delete my ratings").click()
    other.locator("#gc-ratings").get_by_role("button", name="Delete them all?").click()
    expect(_told(other).get_by_role("button", name="Delete my ratings")).to_be_visible()

    page.reload()
    again = page.locator("#gc-chat .bot-row").first
    expect(_thumb(again, "Good answer")).to_have_attribute("aria-pressed", "true")
    expect(_told(page)).to_contain_text("1 of your answers is kept with its text.")
    _told(page).get_by_role("button", name="Delete my ratings").click()
    _picture(page, "delete-sure")
    page.locator("#gc-ratings").get_by_role("button", name="Delete them all?").click()
    expect(_told(page)).to_contain_text("No text of yours is kept.")
    expect(_thumb(again, "Good answer")).to_have_attribute("aria-pressed", "false")


def test_a_bad_answer_gets_reasons_and_a_better_one_and_the_operator_sees_counts(
    visit: Visit, running: Running
) -> None:
    page = visit()
    reply = ask(page, _QUESTION)
    _thumb(reply, "Bad answer").click()
    panel = reply.locator(".gc-rating")
    expect(panel.locator("summary")).to_have_text("What is wrong with it?")
    expect(panel.get_by_role("checkbox", name="not true")).to_be_visible()
    expect(panel.locator("textarea")).not_to_be_visible()
    panel.get_by_role("checkbox", name="not true").check()
    panel.get_by_role("checkbox", name="not supported by its sources").check()
    _picture(page, "reasons")
    # What is being filled in stays, also while something else is answered.
    ask(page, "Who discovered radium?")
    expect(panel.get_by_role("checkbox", name="not true")).to_be_checked()
    panel.get_by_label("Let models be trained on this answer").check()
    panel.get_by_label("What would have been the ideal answer?").fill(_IDEAL)
    _picture(page, "ideal")
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator("summary")).to_have_text(
        "Rated bad · not true, not supported by its sources · kept for training"
    )
    expect(panel.locator(".gc-rated")).not_to_be_visible()
    panel.locator("summary").click()
    expect(panel.locator("textarea")).to_have_value(_IDEAL)
    expect(panel.get_by_role("checkbox", name="not helpful")).not_to_be_checked()

    operator = page.context.new_page()
    operator.goto(f"{running.url}moderation")
    operator.get_by_label("Operator key").fill(OPERATOR_KEY)
    operator.get_by_label("Operator key").press("Enter")
    expect(operator.get_by_role("heading", name="Ratings of answers")).to_be_visible()
    expect(operator.locator("#ratings tbody")).to_contain_text(re.compile("Groundchat|reader", re.IGNORECASE))
    expect(operator.locator("body")).not_to_contain_text("Alexander Fleming, in 1928")
    _picture(operator, "operator-ratings")

    panel.get_by_role("button", name="Take it back").click()
    expect(panel).to_have_count(0)
    expect(_thumb(reply, "Bad answer")).to_have_attribute("aria-pressed", "false")


def test_commands_rate_the_last_answer(visit: Visit) -> None:
    page = visit(locale="zh-CN")
    reply = ask(page, "青霉素是谁发现的？")
    expect(ask(page, "/bad 不正确").locator(".gc-said")).to_have_text(re.compile("文字没有保留"))
    expect(_thumb(reply, "回答得不好")).to_have_attribute("aria-pressed", "true")
    expect(reply.locator(".gc-rating")).to_contain_text("不正确")
    _picture(page, "chinese")
    expect(ask(page, "/good text").locator(".gc-said")).to_have_text(re.compile("文字也已保留"))
    expect(_thumb(reply, "回答得好")).to_have_attribute("aria-pressed", "true")
    ask(page, "/good off")
    expect(reply.locator(".gc-rating")).to_have_count(0)


def test_nothing_overflows_in_any_size_and_mode(visit: Visit) -> None:
    page = visit(width=390, dark=False)
    reply = ask(page, _QUESTION)
    _picture(page, "thumbs-phone-light")
    _thumb(reply, "Bad answer").click()
    panel = reply.locator(".gc-rating")
    panel.get_by_role("checkbox", name="harmful").check()
    panel.get_by_label("Let models be trained on this answer").check()
    for name, width, dark in LOOKS:
        look(page, width, dark)
        panel.locator("textarea").scroll_into_view_if_needed()
        for button in panel.get_by_role("button").all():
            assert button.bounding_box()["height"] >= (44 if width < 400 else 36)  # type: ignore[index]
        assert_it_fits(page)
        _picture(page, f"rating-{name}")
    page.set_viewport_size({"width": 390, "height": 860})
    page.get_by_role("button", name="Menu").click()
    for name, width, dark in LOOKS:
        look(page, width, dark)
        _told(page).locator(".gc-mine").scroll_into_view_if_needed()
        assert_it_fits(page)
        _picture(page, f"told-{name}")
