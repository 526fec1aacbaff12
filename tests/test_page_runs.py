"""Fine-tuned models in the page's picker, put on a base that stays loaded, in a real Chromium.

python -m pytest tests/test_page_runs.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from evaluation.startup import free_port
from tests.conftest import Visit, wait_until_ready
from tests.test_page_models import alone, load
from tests.tiny_model import DIALOGUES, shared_tiny_model
from tests.tiny_run import COUNTED, QUESTION, make_tiny_run
from tests.visitor import ask

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Watched:
    """The app with one finished run and one that is still being trained."""

    url: str
    base: Path
    runs: Path
    watch: str

    def now(self) -> dict[str, Any]:
        """Which model answers, and where its weights lie."""
        told: dict[str, Any] = httpx.get(self.watch, timeout=20).json()
        return told


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    base = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    folder = tmp_path_factory.mktemp("app")
    runs = folder / "data" / "runs"
    make_tiny_run(runs / "captain", base)
    (runs / "underway" / "checkpoints").mkdir(parents=True)
    port, watch = free_port(), free_port()
    flags = ["--port", str(port), "--data-dir", str(folder / "data"), "--model", "reader", "--network", "off"]
    flags += ["--temperature", "0", "--dtype", "float32", "--device", "cpu"]
    with (folder / "log").open("w") as log:
        app = subprocess.Popen(
            [sys.executable, "-m", "tests.watched_app", str(watch), *flags],
            cwd=_ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(app, f"http://127.0.0.1:{port}/healthz", folder / "log")
            yield Watched(f"http://127.0.0.1:{port}/", base, runs, f"http://127.0.0.1:{watch}/")
        finally:
            app.terminate()
            app.wait(30)


def opened(page: Page) -> Page:
    if not page.locator("#gc-model-go").is_visible():
        page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    expect(page.locator("#gc-model-go")).to_be_visible()
    return page


def anew(page: Page) -> None:
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#gc-chat .bot-row")).to_have_count(0)


def choose(page: Page, run: str) -> None:
    opened(page).locator("#gc-model-runs label").filter(has_text=run).click()
    page.locator("#gc-model-go").click()


def test_an_adapter_is_put_on_its_base_without_loading_it_again_and_taken_off(visit: Visit, running: Watched) -> None:
    page = alone(visit())
    load(page, str(running.base), running.base.name)
    expect(ask(page, QUESTION)).to_contain_text(DIALOGUES[0][1])
    first = running.now()
    assert first["model"] == running.base.name and first["tensors"]

    labels = opened(page).locator("#gc-model-runs label")
    expect(labels).to_have_count(1)
    expect(labels.first).to_contain_text(f"captain · adapter for {running.base.name} · loss")
    expect(labels.first).to_contain_text("exact 1")
    choose(page, "captain")
    expect(page.get_by_label("Or another one")).to_have_value("")
    expect(page.locator("#gc-model-now")).to_contain_text("captain")
    expect(page.locator("#gc-model-status")).to_contain_text("captain is ready")
    anew(page)
    expect(ask(page, QUESTION)).to_contain_text(COUNTED)
    adapted = running.now()
    assert adapted["object"] == first["object"]
    assert set(first["tensors"]) < set(adapted["tensors"])

    load(page, str(running.base), running.base.name)
    anew(page)
    expect(ask(page, QUESTION)).to_contain_text(DIALOGUES[0][1])
    assert running.now() == first
    if shots := os.environ.get("GROUNDCHAT_SHOTS"):
        _look(visit, Path(shots))


def test_a_run_is_loaded_by_a_slash_command_too(visit: Visit, running: Watched) -> None:
    page = alone(visit())
    expect(ask(page, "/model")).to_contain_text("run:captain")
    expect(ask(page, "/model captain")).to_contain_text("captain answers from now on")
    expect(ask(page, QUESTION)).to_contain_text(COUNTED)


def test_a_run_that_is_gone_is_one_sentence_and_leaves_the_list(visit: Visit, running: Watched) -> None:
    shutil.copytree(running.runs / "captain", running.runs / "mate")
    page = opened(alone(visit()))
    expect(page.locator("#gc-model-runs label")).to_have_count(2)
    before = running.now()
    shutil.rmtree(running.runs / "mate")
    choose(page, "mate")
    expect(page.locator("#gc-model-status")).to_contain_text("There is no run “mate” on this machine")
    assert running.now() == before
    page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    page.locator("#gc-model-load").get_by_text("Load a chat model").click()
    expect(page.locator("#gc-model-runs label")).to_have_count(1)


def _look(visit: Visit, shots: Path) -> None:
    """Pictures for people to look at."""
    screens: dict[str, dict[str, Any]] = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390, "height": 844}}
    for name, how in screens.items():
        page = visit(**how)
        if name == "phone":
            page.locator(".sidebar .toggle-button").first.click()
        opened(page).locator("#gc-model-runs").scroll_into_view_if_needed()
        page.locator("#gc-model-runs label").first.click()
        page.wait_for_timeout(500)
        page.screenshot(path=shots / f"runs-{name}.png")
