"""A chat model's citations in the page and through gradio_client: what is marked, and numbers that stay.

python -m pytest tests/test_page_citations.py
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gradio_client import Client
from playwright.sync_api import Page, expect

from tests.chat_server import ChatServer
from tests.conftest import Running, Visit
from tests.test_page_models import load
from tests.visitor import ask

RIGHT = "Penicillin was discovered by Alexander Fleming in 1928"
WRONG = "Louis Pasteur discovered it in Lyon in 1857"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        server.mode = "said"
        yield server


@pytest.fixture
def visitor(visit: Visit, server: ChatServer) -> Iterator[Page]:
    """A visitor to whom the server's model answers, and who leaves the reader behind as it was found."""
    page = visit()
    page.locator("#gc-moderation input").uncheck()
    load(page, server.url, "tiny")
    yield page
    if not page.locator("#gc-model-reader").is_visible():
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    page.locator("#gc-model-reader").click()
    expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")


def test_a_citation_that_its_source_does_not_support_is_marked(visitor: Page, server: ChatServer) -> None:
    server.says = [f"{RIGHT} [1]. {WRONG} [1]. Nobody else did [99]."]
    reply = ask(visitor, "Who discovered penicillin?")
    expect(reply.locator(".gc-cite")).to_have_count(2)
    expect(reply.locator(".gc-source .gc-number")).to_have_text(["1"])
    mark = reply.locator(".gc-doubt")
    expect(mark).to_have_text(["not supported by this source"])
    assert "does not seem to say this" in (mark.get_attribute("title") or "")
    assert reply.locator(".gc-cite.gc-doubted").count() == 1
    expect(reply.locator(".md").first).not_to_contain_text("[99]")
    mark.click()
    source = reply.locator(".gc-source[open]")
    expect(source.locator(".gc-unsaid")).to_contain_text(f"Not found in this passage: “{WRONG}.”")
    visitor.reload()
    expect(visitor.locator(".gc-doubt")).to_have_text(["not supported by this source"])


def test_numbers_stay_after_retry_undo_and_a_reload(visitor: Page, server: ChatServer) -> None:
    server.says = ["One [2]. Two [1].", "Two [1].", "Three [3]. Two [1]."]
    first = ask(visitor, "Who discovered penicillin?")
    titles = first.locator(".gc-source .gc-number").all_inner_texts()
    assert titles[:2] == ["1", "2"]
    second = first.locator('[data-source="2"] blockquote').text_content()
    first.get_by_role("button", name="Retry").click()
    reply = visitor.locator("#gc-chat .message-wrap .bot-row").first
    expect(reply.locator(".gc-cite")).to_have_text(["2"])
    assert reply.locator('[data-source="2"] blockquote').text_content() == second
    reply.get_by_role("button", name="Undo").click()
    expect(visitor.locator("#gc-chat .message-wrap .bot-row")).to_have_count(0)
    visitor.reload()
    expect(visitor.locator("#gc-chat button.example").first).to_be_visible()
    again = ask(visitor, "Who discovered penicillin?")
    expect(again.locator(".gc-cite")).to_have_text(["3", "2"])
    assert again.locator('[data-source="2"] blockquote').text_content() == second


def test_a_program_is_told_which_citations_are_unsupported(visitor: Page, server: ChatServer, running: Running) -> None:
    server.says = [f"{RIGHT} [1]. {WRONG} [1].", "In Darvel [1]."]
    client = Client(running.url, verbose=False)
    try:
        reply = client.predict("Who discovered penicillin?", retrieval=["library"], api_name="/chat")
        (doubt,) = reply["unsupported"]
        assert doubt["sentence"] == f"{WRONG}."
        assert reply["reply"][doubt["start"] : doubt["end"]] == "[1]" and doubt["number"] == 1
        assert [source["number"] for source in reply["sources"]] == [1]
    finally:
        client.close()
