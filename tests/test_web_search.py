"""Web search through a SearxNG instance on this machine: its results, the pages behind them, and every failure.

python -m pytest tests/test_web_search.py
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from errors import InputError, SettingsError, SourceError
from retrieval.base import Live, Retriever, SearchRequest
from retrieval.searxng import query, results
from retrieval.web_search import WebSearch
from settings import Settings
from tests.web_server import Answer, Page, WebServer, dripping, endless, raw, redirect, silent
from wiring import wire

QUESTION = "How deep is Lake Baikal?"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
PAGE = """<!doctype html><html><head><title>Baikal facts</title><script>alert(1)</script></head><body><main>
<h1>Lake Baikal</h1><p>{}</p><p>The lake is the deepest on Earth, with a greatest depth of 1,642 metres.</p>
</main></body></html>"""


def result(url: str, title: str, content: str, **more: Any) -> dict[str, Any]:
    """A result as an instance sends it."""
    return {
        "url": url,
        "title": title,
        "content": content,
        "publishedDate": None,
        "thumbnail": "",
        "engine": "duckduckgo",
        "template": "default.html",
        "parsed_url": ["https", "example.org", "/", "", "", ""],
        "img_src": "",
        "priority": "",
        "engines": ["duckduckgo", "brave"],
        "positions": [1, 2],
        "score": 3.0,
        "category": "general",
        **more,
    }


def answer(*found: dict[str, Any], **more: Any) -> bytes:
    body = {
        "query": QUESTION,
        "number_of_results": 0,
        "results": list(found),
        "answers": [],
        "corrections": [],
        "infoboxes": [],
        "suggestions": [],
        "unresponsive_engines": [],
        **more,
    }
    return json.dumps(body).encode()


DEPTH = result(
    "https://lakes.example.org/baikal",
    "Lake Baikal – depth",
    "Baikal is <b>1,642&nbsp;metres</b> deep at its deepest point.",
    publishedDate="2026-03-04T05:06:07",
)
OTHER = result("https://fish.example.org/", "Fish of Siberia", "The omul lives in cold water.")


def path(question: str = QUESTION, language: str = "en") -> str:
    return "/search?" + urlencode({"q": question, "format": "json", "language": language, "pageno": 1})


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def web(server: WebServer) -> Iterator[WebSearch]:
    """Pages on this machine may be read, as an exception."""
    web = WebSearch(server.url(""), page_hosts=[server.host], wall=lambda: 1_800_000_000.0, time_limit_s=10)
    yield web
    web.close()


def answers(server: WebServer, given: bytes | Answer, at: str | None = None) -> None:
    page = Page(given, {"Content-Type": "application/json"}) if isinstance(given, bytes) else given
    server.pages[at or path()] = page


def test_it_is_a_source_that_visitors_can_set(web: WebSearch) -> None:
    retriever: Retriever = web
    live: Live = web
    assert retriever.name == "web"
    assert live.status() is None
    (setting,) = live.settings
    assert (setting.name, setting.default, list(setting.choices)) == ("read", "pages", ["pages"])
    assert live.checked({}) == {"read": "pages"}
    assert live.checked({"read": ""}) == {"read": ""}
    with pytest.raises(InputError, match="cannot be set to read “everything”"):
        live.checked({"read": "everything"})


def test_snippets_become_passages(web: WebSearch, server: WebServer) -> None:
    answers(server, answer(OTHER, DEPTH))
    depth, fish = web.search(SearchRequest(QUESTION, settings={"read": ""}))
    assert depth.text == "Baikal is 1,642 metres deep at its deepest point."
    assert (depth.title, depth.url) == ("Lake Baikal – depth", "https://lakes.example.org/baikal")
    assert (depth.section, depth.language, depth.source) == ("2026-03-04", "en", "web")
    assert depth.id == f"{depth.document}#0"
    assert fish.text == "The omul lives in cold water."
    assert depth.score > fish.score > 0
    status = web.status()
    assert status is not None and not status.failing
    assert status.text == "08:00 UTC: 2 results from duckduckgo, brave, 0 pages read."


def test_the_first_pages_are_read(web: WebSearch, server: WebServer) -> None:
    filler = "Nerpa seals live on its islands. " * 60
    page = PAGE.format(filler).encode()
    server.pages["/baikal"] = Page(page, {"Content-Type": "text/html; charset=utf-8"})
    answers(server, answer(result(server.url("/baikal"), "Baikal", "A lake in Siberia."), DEPTH))
    found = web.search(SearchRequest(QUESTION))
    read = [passage for passage in found if passage.url == server.url("/baikal")]
    assert any("greatest depth of 1,642 metres" in passage.text for passage in read)
    assert not any("alert" in passage.text for passage in read)
    assert {passage.section for passage in read} == {"Lake Baikal", ""}
    assert [passage.text for passage in read if not passage.section] == ["A lake in Siberia."]
    assert len({passage.id for passage in found}) == len(found)
    assert len({(passage.document, passage.start) for passage in found}) == len(found)
    assert "1 page read." in str(web.status())


def test_pages_that_fail_leave_their_snippets(server: WebServer) -> None:
    bad: dict[str, Answer] = {
        "/silent": silent,
        "/huge": endless(b"x" * 65536),
        "/gone": Page(status=404),
        "/picture": Page(b"\x89PNG\r\n\x1a\n" + bytes(100), {"Content-Type": "image/png"}),
        "/empty": Page(b"", {"Content-Type": "text/html"}),
        "/zip": Page(b"PK\x03\x04" + bytes(100), {"Content-Type": "text/html"}),
        "/inside": redirect("http://127.0.0.2/"),
    }
    server.pages |= bad
    web = WebSearch(server.url(""), page_hosts=[server.host], pages=len(bad), time_limit_s=2.0)
    answers(server, answer(*(result(server.url(at), at, f"Snippet of {at[1:]}.") for at in bad)))
    began = time.monotonic()
    found = web.search(SearchRequest(QUESTION))
    assert time.monotonic() - began < 2.5
    assert {passage.text for passage in found} == {f"Snippet of {at[1:]}." for at in bad}
    web.close()


def test_a_page_inside_the_network_is_not_read(server: WebServer) -> None:
    """Although the instance itself may be."""
    server.pages["/secret"] = Page(PAGE.format("Secret.").encode(), {"Content-Type": "text/html"})
    answers(server, answer(result(server.url("/secret"), "Secret", "A snippet.")))
    web = WebSearch(server.url(""))
    assert [passage.text for passage in web.search(SearchRequest(QUESTION))] == ["A snippet."]
    assert server.asked("/secret") == []
    web.close()


@pytest.mark.parametrize(
    ("question", "language", "q", "sent"),
    [
        ("!g :fr ?now how\n deep", "en", "g fr now how deep", "en"),
        ("!!g secret", "en", "g secret", "en"),
        ("贝加尔湖有多深？", "zh", "贝加尔湖有多深？", "zh-CN"),
        ("貝加爾湖有多深？", "zh", "貝加爾湖有多深？", "zh-TW"),
        ("a" * 1000, "de", "a" * 300, "de"),
        ("what is C++: a & b?", "en", "what is C++: a & b?", "en"),
    ],
)
def test_what_is_asked(question: str, language: str, q: str, sent: str) -> None:
    asked = dict(parse_qsl(urlsplit(query(question, language)).query))
    assert asked == {"q": q, "format": "json", "language": sent, "pageno": "1"}


def test_answers_are_kept_for_a_while(web: WebSearch, server: WebServer) -> None:
    answers(server, answer(DEPTH))
    for _ in range(2):
        web.search(SearchRequest(QUESTION, settings={"read": ""}))
    assert len(server.asked(path())) == 1
    assert web.search(SearchRequest("  ")) == []


def test_infoboxes_count_and_addresses_count_once(web: WebSearch, server: WebServer) -> None:
    box = {
        "infobox": "Lake Baikal",
        "id": "https://en.example.org/Baikal",
        "content": "Rift lake, 1,642 m.",
        "urls": [],
    }
    answers(server, answer(DEPTH, DEPTH | {"title": "Again"}, infoboxes=[box, None, {}]))
    found = web.search(SearchRequest(QUESTION, settings={"read": ""}))
    assert {passage.title for passage in found} == {"Lake Baikal", "Lake Baikal – depth"}
    gone = found[0].document
    left = web.search(SearchRequest(QUESTION, settings={"read": ""}, exclude=frozenset([gone])))
    assert [passage.document for passage in left] == [found[1].document]


def test_results_that_cannot_be_cited_are_left_out() -> None:
    bad: list[Any] = [
        None,
        {"title": "no address"},
        result("javascript:alert(1)", "Script", "x"),
        result("http://user:pw@example.org/", "Credentials", "x"),
        result("https://example.org/nothing", "", ""),
        result("https://example.org/types", "x", "y") | {"title": 7, "content": ["z"]},
    ]
    odd = result("https://example.org/odd", "<script>alert(1)</script>\x00\u202e", "z" * 10_000)
    odd |= {"publishedDate": "yesterday", "engines": "google", "engine": "g\n" * 100}
    (found,) = results(answer(*bad, odd)).found
    assert found.title == "<script>alert(1)</script>"  # as text; the page escapes it
    assert (len(found.snippet), found.published) == (2000, "")
    assert all(len(engine) <= 40 and engine.isprintable() for engine in found.engines)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            Page(b"<h1>403</h1>", status=403),
            r"The SearxNG instance at 127\.0\.0\.1 does not give out JSON \(403\); add “json” to its settings\.yml, "
            r"search: formats: \[html, json\], and restart it\.",
        ),
        (b"<html><script>alert(1)</script></html>", r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (b"", r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (b"[]", r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (b'{"results": {}}', r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (b'{"results": [1, [], {"url": 3}]}', r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (b"[" * 300_000, r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (answer(DEPTH).decode().encode("utf-16"), r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (b'{"results": [{"title": "caf\xe9"}]}', r"What 127\.0\.0\.1 sent is not SearxNG's JSON; .*"),
        (
            answer(unresponsive_engines=[["google", "timeout"], ["brave", "too many requests"], 7]),
            r"None of the search engines behind 127\.0\.0\.1 answered \(google, brave\); try again later\.",
        ),
        (Page(status=404), r"127\.0\.0\.1 answered with HTTP status 404; check the address\."),
        (Page(status=500), r"127\.0\.0\.1 answered with HTTP status 500; try again later\."),
        (
            Page(status=429, headers={"Retry-After": "9"}),
            r"Web search asked us to slow down; it is asked again in 9 s\.",
        ),
        (raw(b""), r"127\.0\.0\.1 broke off its answer; try again later\."),
        (endless(b" " * 65536, HEAD), r"127\.0\.0\.1 sent more than 2 MB, .*"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n{"), r"127\.0\.0\.1 .*"),
        (silent, r"127\.0\.0\.1 did not answer within .* s; .*"),
        (dripping(b" ", HEAD), r"127\.0\.0\.1 did not answer within .* s; .*"),
        (redirect("http://127.0.0.2/search"), r"127\.0\.0\.2 is inside a private network .*"),
    ],
)
def test_each_failure_is_one_sentence_in_time(server: WebServer, given: bytes | Answer, sentence: str) -> None:
    answers(server, given)
    web = WebSearch(server.url(""), time_limit_s=0.6)
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        web.search(SearchRequest(QUESTION))
    assert time.monotonic() - began < 2
    assert re.fullmatch(sentence, str(caught.value)), str(caught.value)
    assert caught.value.told("zh") != str(caught.value)
    status = web.status()
    assert status is not None and status.failing and str(caught.value) in status.text
    web.close()


def test_nothing_found_is_no_failure(web: WebSearch, server: WebServer) -> None:
    answers(server, answer())
    assert web.search(SearchRequest(QUESTION)) == []


def test_an_instance_that_fails_again_and_again_is_left_alone(server: WebServer) -> None:
    answers(server, Page(status=500))
    web = WebSearch(server.url(""), clock=lambda: 0.0)
    for _ in range(2):
        with pytest.raises(SourceError, match="HTTP status 500"):
            web.search(SearchRequest(QUESTION))
    with pytest.raises(SourceError, match=r"Web search failed several times; it is asked again in 5 s\."):
        web.search(SearchRequest(QUESTION))
    assert len(server.requests) == 2
    web.close()


@pytest.mark.parametrize("stuck", ["instance", "page"])
def test_a_cancelled_search_ends_at_once(server: WebServer, stuck: str) -> None:
    answers(server, silent if stuck == "instance" else answer(result(server.url("/stuck"), "Stuck", "A snippet.")))
    server.pages["/stuck"] = silent
    web = WebSearch(server.url(""), page_hosts=[server.host], time_limit_s=60)
    request = SearchRequest(QUESTION)
    threading.Timer(0.2, request.cancel.set).start()
    began = time.monotonic()
    assert web.search(request) == []
    assert time.monotonic() - began < 3
    web.close()


def test_an_address_that_is_none() -> None:
    with pytest.raises(SettingsError, match="The web search address “search” cannot be used"):
        WebSearch("search")


def test_the_app_has_it_only_where_an_instance_is_named(tmp_path: Path) -> None:
    def names(**given: Any) -> list[str]:
        return [one.name for one in wire(Settings(data_dir=tmp_path, model="reader", **given)).assistant.sources.all]

    assert "sports" in names() and "web" not in names()
    assert "web" in names(web_search_url="http://127.0.0.1:8080")
    assert not {"sports", "web"} & set(names(web_search_url="http://127.0.0.1:8080", network=False))
