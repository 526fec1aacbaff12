"""Fixtures that more than one test file uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from encoder import SentenceEncoder
from evaluation.startup import free_port
from tests import browser as chromium
from tests.feed_samples import Report, atom, rss20
from tests.serving import Serving, serve
from tests.tiny_model import DIALOGUES, make_tiny_model, shared_tiny_model
from tests.web_server import Page as Sent
from tests.web_server import WebServer
from tests.wikipedia_server import WikipediaServer

_ROOT = Path(__file__).parent.parent
_START_S = 120
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_WAIT_MS = 20_000
OPERATOR_KEY = "the operator of the tests"

expect.set_options(timeout=_WAIT_MS)


HARBOUR = (
    Report("Lighthouse of Skarholm lit again", "<p>The lighthouse was lit on Friday, the first time since March.</p>"),
    Report("Council votes for a new school", "The council voted for a school at the harbour.", minutes=45),
)
ISLAND = (Report("Bakery closes after 40 years", "<b>Nobody</b> could be found to go on with it.", minutes=90),)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with few tests come first: those are the ones that start an app, a browser or a training.

    Of several workers (`make test`) the one that is given such a file last would be busy alone.
    """
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: tests[item.path])


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    """The embedded encoder, loaded once for the whole run."""
    encoder = SentenceEncoder()
    encoder.load()
    return encoder


@pytest.fixture(scope="session")
def untaught_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with random weights, called `before`."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "before", chat_template=True, steps=0)


@pytest.fixture(scope="session")
def taught_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model that was taught `DIALOGUES`."""
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)


@pytest.fixture(scope="session")
def taught_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`DIALOGUES` as a suite."""
    path = tmp_path_factory.mktemp("suite") / "taught.jsonl"
    rows = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
        for asked, said in DIALOGUES
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A real server for the remote engine, started once for the whole run."""
    with serve(tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("serve")) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Running:
    """The whole app, open and ready, with a Wikipedia and a press of its own."""

    url: str
    wikipedia: WikipediaServer
    press: WebServer
    """Serves the feeds of the operator's list, `/harbour` and `/island`."""


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real app with its starter library, started as people start it, once for the whole run."""
    folder = tmp_path_factory.mktemp("app")
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with WikipediaServer() as wikipedia, WebServer() as press, (folder / "log").open("w") as log:
        press.pages["/harbour"] = Sent(rss20("Harbour Post", *HARBOUR))
        press.pages["/island"] = Sent(atom("Island Times", *ISLAND))
        feeds = folder / "feeds.txt"
        feeds.write_text("\n".join(map(press.url, ("/harbour", "/island"))), encoding="utf-8")
        flags = ["--port", str(port), "--data-dir", str(folder / "data"), "--model", "reader"]
        flags += [
            "--wikipedia-url",
            wikipedia.url,
            "--news-feeds",
            str(feeds),
            "--source-limit-s",
            "3",
            "--users",
            "4",
            "--max-new-tokens",
            "3500",
            "--temperature",
            "0.1",
            "--operator-key",
            OPERATOR_KEY,
        ]
        app = subprocess.Popen(
            [sys.executable, "app.py", *flags],
            cwd=_ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(app, f"{url}healthz", folder / "log")
            yield Running(url, wikipedia, press)
        finally:
            app.terminate()
            app.wait(30)


def wait_until_ready(app: subprocess.Popen[bytes], health: str, log: Path) -> None:
    """Wait for the app's health to be good. Raises `RuntimeError` with its log where that does not come."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until and app.poll() is None:
        try:
            if httpx.get(health, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"The app did not start:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.executable()
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium here; make test gets one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, running: Running) -> Iterator[Visit]:
    with visits(browser, running) as visit:
        yield visit


@contextmanager
def visits(browser: Browser, running: Running) -> Iterator[Visit]:
    """Opens the page as a new visitor. Nothing may be fetched from elsewhere, and nothing may fail in the console."""
    problems: list[str] = []
    contexts = []

    def _visit(width: int = 1280, height: int = 860, dark: bool = False, locale: str = "en-US") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale=locale
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_WAIT_MS)
        # Gradio gives up its own requests when a page is left or reloaded, and does not catch what that raises.
        page.on("pageerror", lambda error: None if error.name == "AbortError" else problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.on("request", lambda sent: None if _ours(sent.url, running) else problems.append(sent.url))
        page.goto(running.url)
        expect(page.locator("#gc-chat button.example").first).to_be_visible()
        return page

    yield _visit
    for context in contexts:
        context.close()
    assert problems == []


def _ours(url: str, running: Running) -> bool:
    return url.startswith((running.url, "data:", "blob:"))
