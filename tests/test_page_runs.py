"""Fine-tuned models in the page's picker, put on a base that stays loaded, in a real Chromium.

The app runs in this process, so that the test can look at the weights.

python -m pytest tests/test_page_runs.py
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import settings as configuration
from app import App, build_app, launch
from chat.adapted import AdaptedModel
from chat.local import LocalModel
from tests.conftest import Visit
from tests.test_page_models import alone, load
from tests.tiny_model import DIALOGUES, shared_tiny_model
from tests.tiny_run import COUNTED, QUESTION, make_tiny_run
from tests.visitor import ask

_READY_S = 180


class _Here:
    """The app of this process, as `visit` wants it."""

    def __init__(self, app: App, url: str, base: Path, runs: Path) -> None:
        self.app, self.url, self.base, self.runs = app, url, base, runs

    @property
    def current(self) -> object:
        return self.app.core.assistant.models.current


@pytest.fixture(scope="module", autouse=True)
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Here]:
    """The app with one finished run and one that is still being trained; before the browser, whose loop it must not
    find."""
    base = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    data = tmp_path_factory.mktemp("app") / "data"
    make_tiny_run(data / "runs" / "captain", base)
    (data / "runs" / "underway" / "checkpoints").mkdir(parents=True)
    flags = ["--port", "0", "--data-dir", str(data), "--model", "reader", "--network", "off", "--temperature", "0"]
    chosen = configuration.load([*flags, "--dtype", "float32", "--device", "cpu"], {})
    app = build_app(chosen)
    url = launch(app, chosen, block=False)
    try:
        app.core.assistant.startup.join(_READY_S)
        assert app.core.assistant.startup.ready
        yield _Here(app, url, base, data / "runs")
    finally:
        app.blocks.close()
        app.core.close()


def opened(page: Page) -> Page:
    if not page.locator("#gc-model-go").is_visible():
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    expect(page.locator("#gc-model-go")).to_be_visible()
    return page


def choose(page: Page, run: str) -> None:
    opened(page).locator("#gc-model-runs label").filter(has_text=run).click()
    page.locator("#gc-model-go").click()


def test_an_adapter_is_put_on_its_base_without_loading_it_again_and_taken_off(visit: Visit, running: _Here) -> None:
    page = alone(visit())
    load(page, str(running.base), running.base.name)
    expect(ask(page, QUESTION)).to_contain_text(DIALOGUES[0][1])
    first = running.current
    assert isinstance(first, LocalModel)
    places = {weight.data_ptr() for weight in first.network.parameters()}

    labels = opened(page).locator("#gc-model-runs label")
    expect(labels).to_have_count(1)
    expect(labels.first).to_contain_text(f"captain · adapter for {running.base.name} · loss")
    expect(labels.first).to_contain_text("exact 1")
    choose(page, "captain")
    expect(page.get_by_label("Or another one")).to_have_value("")
    expect(page.locator("#gc-model-now")).to_contain_text("captain")
    expect(page.locator("#gc-model-status")).to_contain_text("captain is ready")
    page.get_by_role("button", name="New chat").click()
    expect(ask(page, QUESTION)).to_contain_text(COUNTED)
    adapted = running.current
    assert isinstance(adapted, AdaptedModel) and adapted.base is first
    assert places <= {weight.data_ptr() for weight in adapted.network.parameters()}

    load(page, str(running.base), running.base.name)
    page.get_by_role("button", name="New chat").click()
    expect(ask(page, QUESTION)).to_contain_text(DIALOGUES[0][1])
    assert running.current is first
    if shots := os.environ.get("GROUNDCHAT_SHOTS"):
        _look(visit, Path(shots))


def test_a_run_is_loaded_by_a_slash_command_too(visit: Visit, running: _Here) -> None:
    page = alone(visit())
    expect(ask(page, "/model").locator(".md").last).to_contain_text("run:captain")
    expect(ask(page, "/model captain").locator(".md").last).to_contain_text("captain answers from now on")
    expect(ask(page, QUESTION)).to_contain_text(COUNTED)


def test_a_run_that_is_gone_is_one_sentence_and_leaves_the_list(visit: Visit, running: _Here) -> None:
    shutil.copytree(running.runs / "captain", running.runs / "mate")
    page = opened(alone(visit()))
    expect(page.locator("#gc-model-runs label")).to_have_count(2)
    before = running.current
    shutil.rmtree(running.runs / "mate")
    choose(page, "mate")
    expect(page.locator("#gc-model-status")).to_contain_text("There is no run “mate” on this machine")
    assert running.current is before
    page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    expect(page.locator("#gc-model-runs label")).to_have_count(1)


def _look(visit: Visit, shots: Path) -> None:
    """Pictures for people to look at."""
    for name, how in {"light": {}, "dark": {"dark": True}, "phone": {"width": 390, "height": 844}}.items():
        page = visit(**how)
        if name == "phone":
            page.locator(".sidebar .toggle-button").first.click()
        opened(page).locator("#gc-model-runs").scroll_into_view_if_needed()
        page.locator("#gc-model-runs label").first.click()
        page.wait_for_timeout(500)
        page.screenshot(path=shots / f"runs-{name}.png")
