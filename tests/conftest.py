"""Fixtures that more than one test file uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from encoder import SentenceEncoder
from evaluation.startup import free_port
from tests.serving import Serving, serve
from tests.wikipedia_server import WikipediaServer

_ROOT = Path(__file__).parent.parent
_START_S = 120


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    """The embedded encoder, loaded once for the whole run."""
    encoder = SentenceEncoder()
    encoder.load()
    return encoder


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A real server for the remote engine, started once for the whole run."""
    with serve(tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("serve")) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Running:
    """The whole app, open and ready, with a Wikipedia of its own."""

    url: str
    wikipedia: WikipediaServer


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real app with its starter library, started as people start it, once for the whole run."""
    folder = tmp_path_factory.mktemp("app")
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with WikipediaServer() as wikipedia, (folder / "log").open("w") as log:
        flags = ["--port", str(port), "--data-dir", str(folder / "data"), "--model", "reader"]
        flags += [
            "--wikipedia-url",
            wikipedia.url,
            "--source-limit-s",
            "3",
            "--users",
            "4",
            "--max-new-tokens",
            "3500",
            "--temperature",
            "0",
        ]
        app = subprocess.Popen(
            [sys.executable, "app.py", *flags],
            cwd=_ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(app, f"{url}healthz", folder / "log")
            yield Running(url, wikipedia)
        finally:
            app.terminate()
            app.wait(30)


def _wait_until_ready(app: subprocess.Popen[bytes], health: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and app.poll() is None:
        try:
            if httpx.get(health, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"The app did not start:\n{log.read_text(encoding='utf-8')}")
