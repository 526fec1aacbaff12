"""The code that docs/extending.md teaches, run as it stands there. python -m pytest tests/test_extending.py"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chat.sources import Source, Sources
from retrieval.base import Passage
from retrieval.fetch import Fetcher
from retrieval.pace import Pace
from retrieval.query import standalone
from settings import Settings
from tests.web_server import Page, WebServer, silent
from wired_sources import _user_agent

_ROOT = Path(__file__).parent.parent
_DOCUMENT = (_ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
_SOURCE, _WIRING = re.findall(r"```python\n(.*?)```", _DOCUMENT, re.DOTALL)
_PATH = "/search?q=Who+has+the+key+of+the+boathouse%3F"
_RESULTS = {
    "results": [
        {
            "id": 7,
            "title": "Boathouse",
            "text": "It is green. The key hangs in the office.",
            "url": "https://k.example/7",
        },
        {"id": 8, "title": "Keys", "text": "Mara has the key of the boathouse.", "url": "https://k.example/8"},
    ]
}


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        server.pages[_PATH] = Page(json.dumps(_RESULTS).encode(), {"Content-Type": "application/json"})
        yield server


@contextmanager
def wired(server: WebServer, limit_s: float = 5.0) -> Iterator[Sources]:
    """The sources after the document's wiring, with the server of the test for its example's."""
    source: dict[str, Any] = {"__name__": "retrieval.knowledge_base"}
    exec(compile(_SOURCE, "extending.md", "exec"), source)
    fetchers: list[Fetcher] = []

    def fetcher(*args: Any, **named: Any) -> Fetcher:
        fetchers.append(Fetcher(*args, **named))
        return fetchers[-1]

    wiring = {
        "KnowledgeBase": source["KnowledgeBase"],
        "Fetcher": fetcher,
        "Source": Source,
        "_user_agent": _user_agent,
        "settings": Settings(allow_hosts=frozenset({server.host})),
        "pace": Pace(),
        "sources": [],
    }
    exec(_WIRING.replace("https://knowledge.example/search", server.url("/search")), wiring)
    yield Sources(wiring["sources"], limit_s)
    for each in fetchers:
        each.close()


def ask(sources: Sources) -> tuple[list[Passage], list[str]]:
    cancel = threading.Event()
    query = standalone("Who has the key of the boathouse?", ())
    found, notices = sources.collect(sources.start(sources.named(["knowledge"]), query, "", cancel), cancel)
    return found, [notice.told("en") for notice in notices.values()]


def test_the_source_finds_ranks_and_names_its_passages(server: WebServer) -> None:
    with wired(server) as sources:
        found, notices = ask(sources)
        (source,) = sources.all
    assert notices == []
    assert [passage.id for passage in found] == ["knowledge:8#0", "knowledge:7#0"]
    assert (found[0].title, found[0].url, found[0].source) == ("Keys", "https://k.example/8", "knowledge")
    assert found[0].text == "Mara has the key of the boathouse."
    assert source.remote and source.label("zh") == "知识库"


@pytest.mark.parametrize("body", [b"[]", b"{}", b"<html>", b'{"results": [{"id": 1}]}', b'{"results": 5}'])
def test_another_form_is_a_notice(server: WebServer, body: bytes) -> None:
    server.pages[_PATH] = Page(body)
    with wired(server) as sources:
        assert ask(sources) == ([], ["The knowledge base did not answer as expected; check its address."])


def test_a_silent_server_costs_no_more_than_the_limit(server: WebServer) -> None:
    server.pages[_PATH] = silent
    with wired(server, limit_s=0.5) as sources:
        found, (notice,) = ask(sources)
    assert found == [] and "did not answer within 0." in notice


def test_it_is_short_and_names_files_that_there_are() -> None:
    assert len([line for line in _SOURCE.splitlines() if line.strip()]) <= 40
    assert max(map(len, (*_SOURCE.splitlines(), *_WIRING.splitlines()))) <= 120
    for place in re.findall(r"`((?:retrieval|tests)/[\w/]+\.py)`", _DOCUMENT):
        assert (_ROOT / place).is_file() or place == "retrieval/knowledge_base.py", place
