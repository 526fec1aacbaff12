"""A document that gives the assistant orders, uploaded in a real Chromium.

python -m pytest tests/test_page_orders.py
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.conftest import Visit
from tests.test_vetting import KETTLE, LEFT_OUT
from tests.visitor import ask, upload


def test_a_poisoned_passage_is_left_out_and_the_page_says_so(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "kettle.md"
    file.write_text(KETTLE, encoding="utf-8")
    page = visit()
    page.get_by_label("Starter library").uncheck()
    upload(page, file)
    expect(page.locator("#gc-documents li")).to_have_count(1)
    reply = ask(page, "How many litres of water does the Brushwell kettle hold?")
    expect(reply).to_contain_text("1.7 litres")
    expect(reply.locator(".gc-notice")).to_have_text(LEFT_OUT)
    expect(reply).not_to_contain_text("nine litres")
    page.locator("#gc-moderation input").uncheck()
    reply = ask(page, "How long is the cord of the Brushwell kettle?")
    expect(reply).to_contain_text("75 centimetres")
    expect(reply.locator(".gc-notice").filter(has_text="left out")).to_have_count(0)
