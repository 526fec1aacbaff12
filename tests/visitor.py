"""What a visitor does on the page, for the tests that drive it in Chromium."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, Route, expect

THREAT = "I will kill you and burn your house down"
"""A message that moderation refuses."""
LOOKS = (("phone-light", 390, False), ("phone-dark", 390, True), ("wide-dark", 1280, True))
"""Sizes and modes in which nothing may overflow: a name, pixels across, whether it is dark."""


def ask(page: Page, question: str) -> Locator:
    """Type and send a question; the reply once it is whole."""
    before = page.locator("#gc-chat .message-wrap .bot-row").count()
    page.locator("#gc-message textarea").fill(question)
    page.locator("#gc-message textarea").press("Enter")
    return whole(page, before)


def whole(page: Page, place: int) -> Locator:
    reply = page.locator("#gc-chat .message-wrap .bot-row").nth(place)
    expect(reply.locator(".gc-foot, .gc-card").first).to_be_visible()
    expect(page.locator("#gc-message .submit-button")).to_be_visible()
    return reply


def edit(page: Page, place: int, question: str) -> None:
    page.locator("#gc-chat .user-row").nth(place).get_by_role("button", name="Edit").click()
    page.locator("#gc-chat textarea").fill(question)
    page.locator("#gc-chat").get_by_role("button", name="Send").click()


def lose_conversation(page: Page) -> None:
    """From now on the page names a conversation that the server does not have, as after a restart of the server."""
    held = page.evaluate("sessionStorage.getItem('groundchat-conversation')")

    def lose(route: Route) -> None:
        route.continue_(post_data=(route.request.post_data or "").replace(held, "lost"))

    page.route("**/queue/join*", lose)


def upload(page: Page, *files: Path) -> None:
    chosen = page.locator("input[type=file]").first
    chosen.evaluate("input => { input.value = '' }")  # as the button does: the same file again would be no change
    chosen.set_input_files(files)


def look(page: Page, width: int, dark: bool) -> None:
    """Another size and mode of a page that is open already; opening one takes seconds."""
    page.set_viewport_size({"width": width, "height": 860})
    if dark is not page.evaluate("document.body.classList.contains('dark')"):
        page.evaluate("document.querySelector('#gc-theme').click()")
    expect(page.locator("body.dark")).to_have_count(int(dark))


def assert_it_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
