"""Wikipedia as a source, against a local server that answers (and fails) as the real API does."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from errors import SettingsError, SourceError
from retrieval.base import Passage, SearchRequest
from retrieval.keywords import any_of, key_terms
from retrieval.wikipedia import Wikipedia
from tests.wikipedia_server import WikipediaServer

GEARS = "How many gears of the Antikythera mechanism survive?"
BOTH = "What is a mechanism?"
"""Two articles hold the word."""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[WikipediaServer]:
    with WikipediaServer() as server:
        yield server


@pytest.fixture
def wikipedia(server: WikipediaServer, clock: Clock) -> Iterator[Wikipedia]:
    wikipedia = Wikipedia(server.url, user_agent="Tests/1.0 (tests@example.org)", time_limit_s=4.0, clock=clock)
    yield wikipedia
    wikipedia.close()


def ask(query: str, language: str = "en") -> SearchRequest:
    return SearchRequest(query, language=language)


def failure(wikipedia: Wikipedia, request: SearchRequest) -> str:
    """The one sentence that the search fails with."""
    with pytest.raises(SourceError) as caught:
        wikipedia.search(request)
    assert re.fullmatch(r"[^\n]+\.", str(caught.value)), str(caught.value)
    assert ". " not in str(caught.value)
    return str(caught.value)


def by_section(passages: list[Passage]) -> dict[str, Passage]:
    return {passage.section: passage for passage in passages}


def test_the_best_passage_comes_first_with_all_that_a_citation_needs(
    server: WikipediaServer, wikipedia: Wikipedia
) -> None:
    passages = wikipedia.search(ask(GEARS))
    best = passages[0]
    assert best.text.startswith("At least 30 bronze gears survive.")
    assert best.title == "Antikythera mechanism"
    assert best.section == "Description › Gears"
    assert best.url == server.url.replace("{language}", "en") + "/wiki/Antikythera_mechanism#Gears"
    assert (best.source, best.language, best.document) == ("wikipedia", "en", "wikipedia:en:101")
    assert best.score > passages[1].score > 0
    assert wikipedia.name == "wikipedia"


def test_passages_have_ids_and_spans_of_their_own(wikipedia: Wikipedia) -> None:
    passages = sorted(wikipedia.search(ask(GEARS)), key=lambda passage: passage.start)
    assert [passage.id for passage in passages] == [f"wikipedia:en:101#{n}" for n in range(len(passages))]
    assert len(passages) == 6
    assert all(passage.end - passage.start == len(passage.text) for passage in passages)
    assert all(before.end <= after.start for before, after in pairwise(passages))


def test_anchors_are_those_of_the_page(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    base = server.url.replace("{language}", "en") + "/wiki/"
    antikythera, surtsey = by_section(wikipedia.search(ask(GEARS))), by_section(wikipedia.search(ask("Surtsey")))
    assert antikythera["Reconstructions › Gears"].url == base + "Antikythera_mechanism#Gears_2"
    assert antikythera[""].url == base + "Antikythera_mechanism"
    assert surtsey["Origin of the name"].url == base + "Surtsey#Origin_of_the_name"
    assert surtsey["Life's arrival & spread"].url == base + "Surtsey#Life%27s_arrival_%26_spread"
    assert wikipedia.search(ask("levers and cams"))[0].url == base + "Mechanism_(engineering)"


def test_chinese_titles_and_anchors_are_percent_encoded(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    passages = by_section(wikipedia.search(SearchRequest("都江堰是谁修建的？")))
    page = server.url.replace("{language}", "zh") + "/wiki/%E9%83%BD%E6%B1%9F%E5%A0%B0"
    assert passages["历史"].url == page + "#%E5%8E%86%E5%8F%B2"
    split = passages["主体工程 › 鱼嘴 分水堤"]
    assert split.url == page + "#%E9%B1%BC%E5%98%B4_%E5%88%86%E6%B0%B4%E5%A0%A4"
    assert (split.language, split.document) == ("zh", "wikipedia:zh:201")


def test_lists_of_links_and_sources_are_left_out(wikipedia: Wikipedia) -> None:
    sections = {passage.section for passage in wikipedia.search(ask("Antikythera bronze gears eclipses works cited"))}
    assert sections == {"", "Discovery", "Description › Gears", "Description › Inscriptions", "Reconstructions"} | {
        "Reconstructions › Gears"
    }
    assert "参考文献" not in by_section(wikipedia.search(ask("都江堰", "zh")))
    assert "Einzelnachweise" not in by_section(wikipedia.search(ask("Zugspitze", "de")))


def test_a_formula_is_given_once(wikipedia: Wikipedia) -> None:
    (passage,) = wikipedia.search(ask("period of a pendulum"))
    assert r"the period T=2\pi {\sqrt {L/g}} depends only on the length and on gravity." in passage.text
    assert "displaystyle" not in passage.text
    assert "π" not in passage.text


def test_a_match_in_the_only_passage_counts_for_it(wikipedia: Wikipedia) -> None:
    (passage,) = wikipedia.search(ask("period of a pendulum"))
    assert passage.score > 0


@pytest.mark.parametrize(
    ("query", "language", "edition"),
    [
        ("Which island rose from the sea?", "", "en"),
        ("二十四节气是什么？", "", "zh"),
        ("Wer erreichte als Erster den Gipfel der Zugspitze?", "", "de"),
        ("Zugspitze", "de", "de"),
        ("Surtsey", "nb", "no"),
        ("Surtsey", "evil.com/", "en"),
        ("Surtsey", "../zh", "en"),
    ],
)
def test_the_language_of_the_question_chooses_the_edition(
    server: WikipediaServer, wikipedia: Wikipedia, query: str, language: str, edition: str
) -> None:
    wikipedia.search(SearchRequest(query, language=language))
    assert {seen.path for seen in server.requests} == {f"/{edition}/w/api.php"}


@pytest.mark.parametrize(("query", "variant"), [("二十四节气是什么？", "zh-hans"), ("二十四節氣是什麼？", "zh-hant")])
def test_chinese_is_asked_for_in_the_script_of_the_question(
    server: WikipediaServer, wikipedia: Wikipedia, query: str, variant: str
) -> None:
    passages = wikipedia.search(SearchRequest(query))
    assert {seen.params["variant"] for seen in server.requests} == {variant}
    assert ("二十四節氣是中國" in passages[0].text) == (variant == "zh-hant")


def test_the_server_sees_who_asks_and_for_which_words(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    wikipedia.search(ask(GEARS))
    assert {seen.headers["User-Agent"] for seen in server.requests} == {
        "Tests/1.0 (tests@example.org) Wikipedia-API/0.16.0"
    }
    (search,) = server.asked(list="search")
    assert search.params["srsearch"] == "gears antikythera mechanism survive"
    assert search.params["srnamespace"] == "0"
    (extract,) = server.asked(prop="extracts")
    assert (extract.params["titles"], extract.params["explaintext"]) == ("Antikythera mechanism", "1")


@pytest.mark.parametrize(
    ("question", "language", "terms"),
    [
        ("How tall is Mt. Everest?", "en", ["mt", "everest"]),
        ("What is C++?", "en", ["c++"]),
        ('"insource:/x/" -foo NOT ~baz*', "en", ["insource", "x", "foo", "not", "baz"]),
        ("Who?", "en", ["who"]),
        ("Was ist die Hauptstadt von Österreich?", "de", ["hauptstadt", "österreich"]),
        ("How do stars die?", "en", ["stars", "die"]),
        ("长江有多长？", "zh", ["长江"]),
        ("北京在哪里？", "zh", ["北京"]),
        ("哪吒是谁", "zh", ["哪吒"]),
        ("多伦多大学有多少学生？", "zh", ["多伦多大学", "学生"]),
        ("???", "en", []),
    ],
)
def test_key_terms_leave_out_question_words_and_operators(question: str, language: str, terms: list[str]) -> None:
    assert key_terms(question, language) == terms


def test_a_search_fits_into_what_wikipedia_accepts() -> None:
    words = [f"word{n}" for n in range(200)]
    assert len(" ".join(key_terms(" ".join(words), "en"))) <= 300
    assert len(any_of(words)) <= 300
    assert any_of(["红楼梦的作者", "gears"]) == "红楼 OR 楼梦 OR 作者 OR gears"


def test_pages_with_some_of_the_words_are_taken_when_none_has_all(
    server: WikipediaServer, wikipedia: Wikipedia
) -> None:
    passages = wikipedia.search(ask("Which spaceship studied the puffins of Surtsey?"))
    assert passages[0].title == "Surtsey"
    assert [seen.params["srsearch"] for seen in server.asked(list="search")] == [
        "spaceship studied puffins surtsey",
        "spaceship OR studied OR puffins OR surtsey",
    ]


def test_nothing_found_is_no_failure(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    assert wikipedia.search(ask("zzyzx")) == []
    assert wikipedia.search(ask("?!")) == []
    server.mode = "empty"
    assert wikipedia.search(ask("Surtsey")) == []


def test_k_and_excluded_documents_and_passages(wikipedia: Wikipedia) -> None:
    everything = wikipedia.search(ask(BOTH))
    assert {passage.document for passage in everything} == {"wikipedia:en:101", "wikipedia:en:104"}
    assert wikipedia.search(SearchRequest(BOTH, k=2, language="en")) == everything[:2]
    hidden = frozenset({"wikipedia:en:104", everything[0].id})
    left = wikipedia.search(SearchRequest(BOTH, language="en", exclude=hidden))
    assert left
    assert not {entry for passage in left for entry in (passage.id, passage.document)} & hidden


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("429", r"Wikipedia asked us to slow down; it is asked again in 7 s\."),
        ("503-later", r"Wikipedia asked us to slow down; it is asked again in 7 s\."),
        ("busy", r"Wikipedia has too much to do; it is asked again in 30 s\."),
        ("403", r"Wikipedia refused the request \(403\); give a contact address in the user agent\."),
        ("404", r"Wikipedia answered with HTTP status 404; check the Wikipedia address\."),
        ("500", r"Wikipedia has trouble answering \(HTTP status 500\); try again later\."),
        ("nonsense", r"Wikipedia's answer was not in the expected form; .*"),
        ("error", r"Wikipedia could not answer the search \(internal_api_error_DBQueryError\); .*"),
        ("truncated", r"127\.0\.0\.1 broke off its answer; try again later\."),
        ("hang-up", r"127\.0\.0\.1 broke off its answer; try again later\."),
        ("huge", r"127\.0\.0\.1 sent more than 2 MB, .*"),
        ("bomb", r"127\.0\.0\.1 sent more than 2 MB, .*"),
        ("brotli", r"127\.0\.0\.1 sent its answer in an encoding .*"),
        ("redirect-loop", r"127\.0\.0\.1 redirected more than 4 times; .*"),
        ("redirect-away", r"127\.0\.0\.2 is inside a private network .*"),
    ],
)
def test_each_failure_is_one_sentence(server: WikipediaServer, wikipedia: Wikipedia, mode: str, sentence: str) -> None:
    server.mode = mode
    assert re.fullmatch(sentence, failure(wikipedia, ask(GEARS)))
    server.mode = "ok"


SEARCH_BODIES = [
    *("[]", "null", "5", '""', "{}", '{"batchcomplete":""}', '{"query":[]}', '{"query":{}}', "[" * 100_000, "\x00", ""),
    *('{"query":{"search":{}}}', '{"query":{"search":[1]}}', '{"query":{"search":[{"nope":1}]}}'),
    *('{"query":{"search":[{"title":"A","size":"big"}]}}', '{"query":{"search":[null]}}', '{"query":{"pages":[]}}'),
]
EXTRACT_BODIES = [
    *('{"query":{"pages":{"1":{}}}}', '{"query":{"pages":{"1":5}}}', '{"query":{"pages":{"1":{"extract":5}}}}'),
    *('{"query":{"pages":{"1":{"extract":null}}}}', '{"query":{"pages":{"1":{"extract":"x","pageid":"y"}}}}', "[]"),
]


@pytest.mark.parametrize("body", SEARCH_BODIES)
def test_an_answer_of_the_wrong_shape(server: WikipediaServer, wikipedia: Wikipedia, body: str) -> None:
    server.mode, server.body = "body", body.encode()
    assert failure(wikipedia, ask(GEARS)).startswith("Wikipedia's answer was not in the expected form;")


@pytest.mark.parametrize("body", EXTRACT_BODIES)
def test_an_article_of_the_wrong_shape(server: WikipediaServer, wikipedia: Wikipedia, body: str) -> None:
    server.extract_body = body.encode()
    assert failure(wikipedia, ask(GEARS)).startswith("Wikipedia's answer was not in the expected form;")


def test_an_error_without_a_code_and_bytes_that_are_no_text(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.mode, server.body = "body", b'{"error":"x"}'
    assert "(no reason given)" in failure(wikipedia, ask(GEARS))
    server.body = b'\xff\xfe{"query"'
    assert "not in the expected form" in failure(wikipedia, ask(GEARS))


def test_an_article_that_is_gone_leaves_the_others(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.extract_body = json.dumps({"query": {"pages": {"-1": {"ns": 0, "title": "X", "missing": ""}}}}).encode()
    assert wikipedia.search(ask(GEARS)) == []


def test_headings_may_nest_without_end(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    deep = "Intro." + "".join(f"\n\n\n{'=' * n} H{n} {'=' * n}\nText {n}." for n in range(2, 1200))
    pages = {"101": {"pageid": 101, "ns": 0, "title": "Antikythera mechanism", "extract": deep}}
    server.extract_body = json.dumps({"query": {"pages": pages}}).encode()
    assert wikipedia.search(SearchRequest(GEARS, k=5, language="en"))


def test_an_endless_article_is_cut(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    pages = {"101": {"pageid": 101, "ns": 0, "title": "A", "extract": "Bronze gears turn slowly. " * 20_000}}
    server.extract_body = json.dumps({"query": {"pages": pages}}).encode()
    passages = wikipedia.search(SearchRequest(GEARS, k=10_000, language="en"))
    assert 90_000 < sum(len(passage.text) for passage in passages) <= 100_000


def test_a_port_that_nobody_listens_on() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        wikipedia = Wikipedia(f"http://127.0.0.1:{reserved.getsockname()[1]}/{{language}}")
        assert failure(wikipedia, ask(GEARS)).startswith("127.0.0.1 could not be reached;")
        wikipedia.close()


@pytest.mark.parametrize("mode", ["slow", "drip"])
@pytest.mark.parametrize("by", ["time limit", "deadline"])
def test_nothing_takes_longer_than_its_time(server: WikipediaServer, mode: str, by: str) -> None:
    server.mode = mode
    wikipedia = Wikipedia(server.url, time_limit_s=0.3 if by == "time limit" else 30.0)
    start = time.monotonic()
    deadline = start + 0.3 if by == "deadline" else None
    assert "did not answer within" in failure(wikipedia, SearchRequest(GEARS, language="en", deadline=deadline))
    assert time.monotonic() - start < 1.5
    wikipedia.close()


def test_a_deadline_that_has_passed(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    request = SearchRequest(GEARS, language="en", deadline=time.monotonic() - 1)
    assert "no time left" in failure(wikipedia, request)
    assert server.requests == []


def test_pages_that_came_in_time_are_used(server: WikipediaServer) -> None:
    server.stuck = {"Mechanism (engineering)"}
    wikipedia = Wikipedia(server.url, time_limit_s=0.6)
    assert {passage.title for passage in wikipedia.search(ask(BOTH))} == {"Antikythera mechanism"}
    wikipedia.close()


def test_one_page_that_fails_leaves_the_others(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.failing = {"Antikythera mechanism"}
    assert {passage.title for passage in wikipedia.search(ask(BOTH))} == {"Mechanism (engineering)"}
    server.failing = {"Antikythera mechanism", "Mechanism (engineering)", "Surtsey"}
    assert "HTTP status 500" in failure(wikipedia, ask("Surtsey"))


def test_pages_are_fetched_side_by_side(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    server.extracts_together = threading.Barrier(2)
    assert len({passage.document for passage in wikipedia.search(ask(BOTH))}) == 2


def test_a_cancelled_search_returns_nothing_and_asks_nothing(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    cancel = threading.Event()
    cancel.set()
    assert wikipedia.search(SearchRequest(GEARS, language="en", cancel=cancel)) == []
    assert server.requests == []


def test_a_cancel_ends_a_search_that_is_under_way(server: WikipediaServer) -> None:
    server.mode = "slow"
    wikipedia = Wikipedia(server.url, time_limit_s=30.0)
    cancel, arrived = threading.Event(), threading.Event()
    server.on_request = arrived.set
    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(wikipedia.search, SearchRequest(GEARS, language="en", cancel=cancel))
        assert arrived.wait(5)
        cancelled = time.monotonic()
        cancel.set()
        assert searching.result() == []
    assert time.monotonic() - cancelled < 1
    wikipedia.close()


def test_a_passing_fault_gets_a_second_try(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    for mode in ("500", "hang-up"):
        server.mode, server.faults_left = mode, 1
        assert wikipedia.search(ask({"500": GEARS, "hang-up": "Surtsey"}[mode]))


def test_after_429_wikipedia_is_left_alone_for_as_long_as_it_asked(
    server: WikipediaServer, wikipedia: Wikipedia, clock: Clock
) -> None:
    wikipedia.search(ask("Surtsey"))
    server.mode, server.retry_after = "429", "40"
    failure(wikipedia, ask(GEARS))
    server.mode = "ok"
    asked = len(server.requests)
    clock.now += 39
    assert failure(wikipedia, ask(GEARS)) == "Wikipedia asked us to slow down; it is asked again in 1 s."
    assert wikipedia.search(ask("Surtsey")), "what is kept is still served"
    assert len(server.requests) == asked
    clock.now += 2
    assert wikipedia.search(ask(GEARS))


def test_after_failures_in_a_row_wikipedia_is_left_alone_for_longer_and_longer(
    server: WikipediaServer, wikipedia: Wikipedia, clock: Clock
) -> None:
    server.mode = "nonsense"
    waits = []
    for _ in range(8):
        failure(wikipedia, ask(GEARS))
        asked = len(server.requests)
        start = clock.now
        while len(server.requests) == asked:
            clock.now += 0.5
            failure(wikipedia, ask("Surtsey"))
        waits.append(clock.now - start)
    assert waits == sorted(waits)
    assert waits[0] <= 5.5
    assert 60 <= waits[-1] < 61


def test_a_success_forgets_the_failures(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    for query in ("puffins", "cams"):
        server.mode = "nonsense"
        failure(wikipedia, ask(GEARS))
        server.mode = "ok"
        assert wikipedia.search(ask(query))


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_was_fetched_is_not_fetched_again(server: WikipediaServer, tmp_path: Path, on_disk: bool) -> None:
    folder = tmp_path if on_disk else None
    first = Wikipedia(server.url, cache_folder=folder)
    passages = first.search(ask(GEARS))
    asked = len(server.requests)
    assert first.search(ask(GEARS)) == passages
    assert len(server.requests) == asked == 2
    first.close()
    second = Wikipedia(server.url, cache_folder=folder)
    assert second.search(ask(GEARS)) == passages
    assert len(server.requests) == asked + (0 if on_disk else 2)
    second.close()


def test_a_failure_is_not_kept(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    for mode in ("error", "nonsense"):
        server.mode = mode
        failure(wikipedia, ask({"error": GEARS, "nonsense": "Surtsey"}[mode]))
        server.mode = "ok"
        assert wikipedia.search(ask({"error": GEARS, "nonsense": "Surtsey"}[mode]))


def test_many_people_may_ask_at_once(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    queries = {GEARS: "en", "都江堰": "zh", "Zugspitze": "de", "Surtsey": "en"}
    with ThreadPoolExecutor(8) as pool:
        asked = [(query, pool.submit(wikipedia.search, ask(query, queries[query]))) for query in [*queries] * 6]
        for query, found in asked:
            assert {passage.language for passage in found.result()} == {queries[query]}


def test_questions_are_not_logged(wikipedia: Wikipedia, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wikipedia.search(ask("Surtsey puffins"))
    assert not [record for record in caplog.records if "surtsey" in record.getMessage().lower()]


@pytest.mark.parametrize(
    "url", ["", "wikipedia.org", "ftp://wikipedia.org", "https://", "http://user:pass@host/{language}", "http://[::1"]
)
def test_an_address_that_cannot_be_used_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="The Wikipedia address"):
        Wikipedia(url)


def test_only_a_host_that_the_operator_named_may_be_private(
    server: WikipediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that holds the language depends on what a visitor asks, so it must be public."""
    port = int(server.url.split(":")[2].split("/")[0])
    inside = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [inside])
    wikipedia = Wikipedia(f"http://{{language}}.wiki.test:{port}")
    assert failure(wikipedia, ask("Surtsey")).startswith("en.wiki.test is inside a private network")
    wikipedia.close()
    named = Wikipedia(f"http://wiki.test:{port}/{{language}}")
    assert named.search(ask("Surtsey"))
    named.close()
