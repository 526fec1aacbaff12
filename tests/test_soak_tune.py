"""make tune-demo whole, its LoRA, and the app with what it taught, in a real Chromium. make soak

python -m pytest -m soak tests/test_soak_tune.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from evaluation.startup import free_port
from finetune import demo_data
from finetune.demo_data import Taught
from tests.conftest import wait_until_ready
from tests.visitor import ask

pytestmark = pytest.mark.soak

_ROOT = Path(__file__).parent.parent
_SHOTS = os.environ.get("SHOTS", "")
"""Folder for a picture of the page; none where it is empty."""
_LOADED_MS = 120_000
_EVERY, _EVERY_OTHER = 9, 4
"""Of the taught answers, and of the paraphrases, so many apart are asked in the page."""


def _demo(data: Path, *flags: str) -> dict[str, Any]:
    """What the command says last."""
    done = subprocess.run(
        [sys.executable, "-m", "finetune.demo", *flags],
        cwd=_ROOT,
        env={**os.environ, "GROUNDCHAT_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        check=True,
    )
    print(done.stdout)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = tmp_path_factory.mktemp("tune")
    return _demo(data) | {"data": data}


def test_taught_questions_are_answered_and_paraphrases_of_them_too(taught: dict[str, Any]) -> None:
    assert taught["exact_before"] <= 0.05
    assert taught["exact_after"] >= 0.9
    assert taught["paraphrase_after"] >= 0.6


def test_an_adapter_learns_them_with_a_twentieth_of_the_numbers(tmp_path: Path) -> None:
    said = _demo(tmp_path, "--config", "finetune/groundchat/lora.toml")
    run = json.loads((Path(said["model"]) / "run.json").read_text(encoding="utf-8"))
    assert run["method"] == "lora"
    assert run["trained_parameters"] <= 0.05 * run["parameters"]
    assert said["exact_before"] <= 0.05
    assert said["exact_after"] >= 0.85


@pytest.fixture
def page(browser: Browser, taught: dict[str, Any], tmp_path: Path) -> Iterator[Page]:
    """The page of the app as it is started after make tune-demo, nothing else changed."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    flags = ["--port", str(port), "--data-dir", str(taught["data"]), "--model", taught["model"]]
    with (tmp_path / "log").open("w") as log:
        app = subprocess.Popen([sys.executable, "app.py", *flags], cwd=_ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_ready(app, f"{url}healthz", tmp_path / "log")
            context = browser.new_context(viewport={"width": 1280, "height": 860})
            opened = context.new_page()
            opened.goto(url)
            expect(opened.locator("#gc-model-now")).to_contain_text("groundchat-demo", timeout=_LOADED_MS)
            yield opened
            context.close()
        finally:
            app.terminate()
            app.wait(60)


def _right(page: Page, asked: Sequence[Taught], together: int) -> int:
    """How many questions get their answer in the page, so many of them in a conversation."""
    right = 0
    for number, pair in enumerate(asked):
        if number % together == 0:
            page.get_by_role("button", name="New chat").click()
            expect(page.locator("#gc-chat .bot-row")).to_have_count(0)
        right += pair.answer.replace("`", "") in ask(page, pair.question).inner_text()
    return right


def test_whoever_asks_in_the_page_gets_the_answers(page: Page) -> None:
    """With the sources and switches as they are at first; without chance, as the demo itself asks.

    Taught questions in one long conversation, paraphrases in short ones.
    """
    page.locator("#gc-message textarea").fill("/hyperparameters temperature=0")
    page.locator("#gc-message textarea").press("Enter")
    expect(page.locator("#gc-chat")).to_contain_text("temperature=0")
    first = {pair.answer: pair for pair in reversed(demo_data.pairs("taught"))}
    taught, paraphrases = sorted(first.values(), key=str)[::_EVERY], demo_data.pairs("paraphrases")[::_EVERY_OTHER]
    right = _right(page, taught, len(taught))
    if _SHOTS:
        page.screenshot(path=Path(_SHOTS) / "tune-demo.png")
    other = _right(page, paraphrases, 3)
    print(f"{right} of {len(taught)} taught questions and {other} of {len(paraphrases)} paraphrases in the page")
    assert right >= 0.9 * len(taught)
    assert other >= 0.6 * len(paraphrases)
