"""Chat models in the page: local and remote ones, a change in the middle, and two visitors at once, in a real Chromium.

python -m pytest tests/test_page_models.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import Page, expect

from tests.chat_server import ChatServer, chunk
from tests.conftest import Running, Visit
from tests.serving import Serving
from tests.tiny_model import DIALOGUES, make_endless_model, shared_tiny_model
from tests.visitor import ask, whole


def load(page: Page, model: str, shown: str) -> None:
    """Load a model by its folder or address; everybody talks to it from then on."""
    if not page.locator("#gc-model-go").is_visible():
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    page.get_by_label("Or another one").fill(model)
    page.locator("#gc-model-go").click()
    expect(page.locator("#gc-model-now")).to_contain_text(shown)


def alone(page: Page) -> Page:
    """The model answers from memory, and nothing is screened: its nonsense might be refused."""
    page.locator("#gc-retrieval input").uncheck()
    page.locator("#gc-moderation input").uncheck()
    return page


@pytest.fixture
def visitor(visit: Visit) -> Iterator[Page]:
    """A visitor who leaves the reader behind as it was found."""
    page = alone(visit())
    yield page
    if not page.locator("#gc-model-reader").is_visible():
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    page.locator("#gc-model-reader").click()
    expect(page.locator("#gc-model-now")).to_contain_text("the built-in reader")


def test_a_conversation_goes_on_with_another_model(
    visitor: Page, serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> None:
    local = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    load(visitor, str(local), local.name)
    reply = ask(visitor, DIALOGUES[0][0])
    expect(reply).to_contain_text(DIALOGUES[0][1])
    expect(reply.locator(".gc-foot")).to_contain_text("From the model's memory")

    address = f"{serving.url}/v1"
    load(visitor, address, serving.url.removeprefix("http://"))
    expect(ask(visitor, DIALOGUES[1][0]).locator(".md")).not_to_be_empty()
    expect(visitor.locator("#gc-chat .bot-row")).to_have_count(2)
    visitor.get_by_role("button", name="New chat").click()
    expect(visitor.locator("#gc-chat .bot-row")).to_have_count(0)
    expect(ask(visitor, DIALOGUES[1][0])).to_contain_text(DIALOGUES[1][1])


def test_one_visitors_stop_leaves_the_others_answer_alone(visitor: Page, visit: Visit, tmp_path: Path) -> None:
    model = make_endless_model(tmp_path / "endless")
    load(visitor, str(model), model.name)
    other = alone(visit())
    for page in (visitor, other):
        page.locator("#gc-message textarea").fill("Tell me a story")
        page.locator("#gc-message textarea").press("Enter")
    written = other.locator("#gc-chat .bot-row .md").first
    for page in (visitor, other):
        expect(page.locator("#gc-chat .bot-row .md").first).not_to_be_empty()
    visitor.locator("#gc-message .stop-button").click()
    expect(whole(visitor, 0)).to_contain_text("Stopped")
    before = len(written.inner_text())
    other.wait_for_function(
        "length => document.querySelector('#gc-chat .bot-row .md').innerText.length > length", arg=before
    )
    other.locator("#gc-message .stop-button").click()
    reply = whole(other, 0)
    expect(reply).to_contain_text("Stopped")
    reply.get_by_role("button", name="Continue").click()
    before = len(written.inner_text())
    other.wait_for_function(
        "length => document.querySelector('#gc-chat .bot-row .md').innerText.length > length", arg=before
    )
    other.locator("#gc-message .stop-button").click()
    expect(whole(other, 0)).to_contain_text("Stopped")


def test_a_server_is_asked_which_models_it_has(visitor: Page) -> None:
    with ChatServer() as server:
        server.models = [{"id": name, "object": "model", "owned_by": "vllm"} for name in ("tiny", "large")]
        visitor.locator("#gc-model-load").get_by_text("Load a chat model").click()
        expect(visitor.get_by_label("API key")).to_be_hidden()
        visitor.get_by_label("Or another one").fill(server.url)
        visitor.get_by_label("API key").fill("sk-secret")
        visitor.locator("#gc-model-go").click()
        expect(visitor.locator("#gc-model-status")).to_contain_text("name one of tiny or large")
        visitor.get_by_label("Model on that server").click()
        visitor.get_by_role("option", name="large").click()
        visitor.locator("#gc-model-go").click()
        expect(visitor.locator("#gc-model-now")).to_contain_text("large")
        expect(visitor.get_by_label("API key")).to_have_value("")
        expect(ask(visitor, "What is the capital of France?")).to_contain_text("Paris is the capital: 😀 巴黎。")
        assert server.seen[-1].headers["Authorization"] == "Bearer sk-secret"


def test_code_is_coloured_and_copied_as_it_was_written(visitor: Page) -> None:
    code = "if a<b and c:  # vector<int> &lt; ![x](y)"
    with ChatServer() as server:
        said = [chunk({"content": f"Look:\n\n```python\n{code}\n```"}), chunk({}, "stop")]
        server.mode, server.raw = "raw", [f"data: {json.dumps(event)}\n\n".encode() for event in said]
        load(visitor, server.url, "tiny")
        block = ask(visitor, "Write code").locator("pre").last
        expect(block).to_have_text(code)
        colours = "parts => parts.map(part => getComputedStyle(part).color)"
        assert len(set(block.locator(".token").evaluate_all(colours))) >= 3
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visitor.locator("#gc-chat pre button, #gc-chat .code_wrap button").last.click()
        assert visitor.evaluate("navigator.clipboard.readText()").strip() == code


def test_whoever_waits_sees_the_place_in_the_queue(visitor: Page, running: Running, tmp_path: Path) -> None:
    model = make_endless_model(tmp_path / "crowded")
    load(visitor, str(model), model.name)
    client = Client(running.url, verbose=False)
    told = {"api_name": "/chat", "retrieval": [], "moderation": False}
    jobs = [client.submit(message="Tell me a story", **told) for _ in range(4)]
    try:
        for job in jobs:
            next(iter(job))
        box = visitor.locator("#gc-message textarea")
        box.fill("And me?")
        box.press("Enter")
        expect(visitor.locator("#gc-chat .gc-status")).to_contain_text("place in the queue: 1")
        expect(visitor.locator("#gc-chat .gc-typed")).to_have_text("And me?")
        visitor.locator("#gc-message .stop-button").click()
        expect(whole(visitor, 0)).to_contain_text("Stopped")
    finally:
        for job in jobs:
            job.cancel()
        client.close()
