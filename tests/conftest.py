"""Fixtures that more than one test file uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from encoder import SentenceEncoder
from tests.wikipedia_server import WikipediaServer


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    """The embedded encoder, loaded once for the whole run."""
    encoder = SentenceEncoder()
    encoder.load()
    return encoder


@dataclass(frozen=True, slots=True)
class Running:
    """The whole app, open and ready, with a Wikipedia of its own."""

    url: str
    wikipedia: WikipediaServer
    folder: Path


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real app with its starter library, on a free port, opened once for the whole run."""
    import app as groundchat
    from settings import Settings

    folder = tmp_path_factory.mktemp("app")
    with WikipediaServer() as wikipedia:
        settings = Settings(
            port=0, data_dir=folder, model="reader", wikipedia_url=wikipedia.url, source_limit_s=3.0, users=4
        )
        app = groundchat.build_app(settings)
        url = groundchat.launch(app, settings, block=False)
        assert app.startup.join(120)
        assert app.startup.ready, app.startup.failure
        yield Running(url, wikipedia, folder)
        app.blocks.close()
        app.index.close()
