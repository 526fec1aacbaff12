"""Wikipedia as a source, against a local server that answers in the real API's format."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from errors import InputError, SourceError
from retrieval.base import Passage, SearchRequest
from retrieval.documents import FetchedDocuments
from retrieval.keywords import any_of, key_terms
from retrieval.wikipedia import Wikipedia
from tests.facts import check_told
from tests.wikipedia_server import WikipediaServer

GEARS = "How many gears of the Antikythera mechanism survive?"
BOTH = "What is a mechanism?"
"""Two articles hold the word."""


@pytest.fixture
def server() -> Iterator[WikipediaServer]:
    with WikipediaServer() as server:
        yield server


@pytest.fixture
def wikipedia(server: WikipediaServer) -> Iterator[Wikipedia]:
    wikipedia = Wikipedia(server.url, user_agent="Tests/1.0 (tests@example.org)", time_limit_s=4.0)
    yield wikipedia
    wikipedia.close()


def ask(query: str, language: str = "en") -> SearchRequest:
    return SearchRequest(query, language=language)


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


@pytest.mark.parametrize(
    ("chosen", "edition", "variant"),
    [
        ("de", "de", None),
        (" DE ", "de", None),
        ("nb", "no", None),
        ("", "en", None),
        ("zh", "zh", "zh-hans"),
        ("zh-hant", "zh", "zh-hant"),
        ("zh-tw", "zh", "zh-hant"),
    ],
)
def test_a_visitor_may_choose_the_edition(
    server: WikipediaServer, wikipedia: Wikipedia, chosen: str, edition: str, variant: str | None
) -> None:
    settings = wikipedia.checked({"language": chosen})
    wikipedia.search(SearchRequest("Zugspitze", language="en", settings=settings))
    assert {seen.path for seen in server.requests} == {f"/{edition}/w/api.php"}
    assert {seen.params.get("variant") for seen in server.requests} == {variant}


@pytest.mark.parametrize("wrong", ["German", "d", "de/", "de.evil.example", "dé", "de\nen", "a" * 30, "zh-" + "x" * 30])
def test_what_is_no_edition_is_told_and_never_asked(server: WikipediaServer, wikipedia: Wikipedia, wrong: str) -> None:
    with pytest.raises(InputError) as caught:
        wikipedia.checked({"language": wrong})
    check_told(caught.value)
    wikipedia.search(SearchRequest("Zugspitze", language="de", settings={"language": wrong}))
    assert {seen.path for seen in server.requests} == {"/en/w/api.php"}


def test_the_status_is_that_of_the_last_question(server: WikipediaServer, wikipedia: Wikipedia) -> None:
    assert wikipedia.status() is None
    wikipedia.search(ask(GEARS))
    status = wikipedia.status()
    assert status is not None and not status.failing and status.text.startswith("Wikipedia answered")
    server.mode = "500"
    with pytest.raises(SourceError) as caught:
        wikipedia.search(ask(BOTH))
    status = wikipedia.status()
    assert status is not None and status.failing
    assert (status.text, status.zh) == (str(caught.value), caught.value.told("zh"))
    server.mode = "ok"
    wikipedia.search(ask(GEARS))
    status = wikipedia.status()
    assert status is not None and not status.failing


def test_an_overview_is_of_the_chosen_edition_and_a_citation_stays_in_its_own(
    server: WikipediaServer, wikipedia: Wikipedia
) -> None:
    documents = FetchedDocuments(wikipedia, wikipedia.checked({"language": "de"}))
    (found,) = documents.called(ask("Zugspitze"))
    assert found.about.language == "de"
    passage = wikipedia.search(ask("Surtsey"))[0]
    held = documents.holding(passage, ask(""))
    assert held is not None and held.about.language == "en"


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
