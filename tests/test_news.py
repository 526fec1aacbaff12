"""News as a source, against a local server that speaks RSS and Atom. python -m pytest tests/test_news.py"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from errors import InputError, SettingsError, SourceError
from retrieval.base import Passage, SearchRequest
from retrieval.feed_list import MOST_FEEDS, FeedList
from retrieval.feed_store import EVERY_S, PAUSE_S
from retrieval.news import News
from tests.facts import check_told
from tests.feed_samples import Report, atom, bomb, rss10, rss20
from tests.web_server import Answer, Handler, Page, WebServer, dripping, endless, raw, redirect, silent

LIGHTHOUSE = Report(
    "Lighthouse of Skarholm lit again",
    "<p>The lighthouse of Skarholm was lit on Friday for the first time since the storm.</p>",
    minutes=60,
)
OLDER = Report("Lighthouse loses its roof", "A storm took the roof of the lighthouse of Skarholm.", minutes=-600)
COUNCIL = Report("Council votes for a new school", "The council voted for a school at the harbour.", minutes=120)
UNDATED = Report("Choir looks for tenors", "The choir of Skarholm looks for two tenors.", minutes=None)
LATEST = "What is the latest news about the lighthouse?"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """News of a list of feeds on a local server."""

    server: WebServer
    folder: Path
    clock: Clock = field(default_factory=Clock)
    opened: list[News] = field(default_factory=list)

    def news(self, *paths: str, limit_s: float = 5.0) -> News:
        file = self.folder / "feeds.txt"
        file.write_text("# ours\n" + "\n".join(self.server.url(path) for path in paths), encoding="utf-8")
        news = News(
            FeedList.read(file), self.folder / "news", user_agent="Tests/1.0", time_limit_s=limit_s, clock=self.clock
        )
        self.opened.append(news)
        return news


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with WebServer() as server:
        desk = Desk(server, tmp_path)
        yield desk
        for news in desk.opened:
            news.close()


def titles(passages: list[Passage]) -> list[str]:
    return list(dict.fromkeys(passage.title for passage in passages))


def serve(desk: Desk) -> News:
    """Three papers in three formats."""
    desk.server.pages["/rss"] = Page(rss20("Harbour Post", OLDER, COUNCIL))
    desk.server.pages["/rdf"] = Page(rss10("Island Times", LIGHTHOUSE, UNDATED))
    desk.server.pages["/atom"] = Page(atom("Skarholm Today", Report("Bakery closes", "After 40 years.", minutes=30)))
    return desk.news("/rss", "/rdf", "/atom")


def test_a_report_is_a_passage_with_all_that_a_citation_needs(desk: Desk) -> None:
    best = serve(desk).search(SearchRequest("Which roof did the storm take?", language="en"))[0]
    assert best.text == f"{OLDER.shown}: {OLDER.title}\n\nA storm took the roof of the lighthouse of Skarholm."
    assert (best.title, best.section, best.place) == (OLDER.title, "Harbour Post", OLDER.shown)
    assert (best.source, best.url, best.language) == ("news", OLDER.address, "en")
    assert best.id == f"{best.document}#0" and (best.start, best.end) == (0, len(best.text))
    assert best.score > 0 and not best.leads


def test_the_newest_about_the_topic_lead(desk: Desk) -> None:
    found = serve(desk).search(SearchRequest(LATEST, language="en"))
    assert titles([passage for passage in found if passage.leads]) == [LIGHTHOUSE.title, OLDER.title]
    assert COUNCIL.title not in titles(found)


def test_a_report_that_shares_one_word_of_several_does_not_lead(desk: Desk) -> None:
    news = serve(desk)
    found = news.search(SearchRequest("What does my contract currently say about the school?", language="en"))
    assert titles(found) == [COUNCIL.title] and not any(passage.leads for passage in found)
    found = news.search(SearchRequest("Did the council vote for the school today?", language="en"))
    assert titles([passage for passage in found if passage.leads]) == [COUNCIL.title]


def test_without_a_topic_the_newest_of_all_lead_and_what_has_no_date_goes_last(desk: Desk) -> None:
    news = serve(desk)
    wanted = [COUNCIL.title, LIGHTHOUSE.title, "Bakery closes", OLDER.title, UNDATED.title]
    for question in ("What is in the news?", "What happened today?"):
        found = news.search(SearchRequest(question, language="en"))
        assert titles(found) == wanted
        assert all(passage.leads for passage in found)
    assert found[-1].place == "" and found[-1].text.startswith(UNDATED.title)


def test_chinese_questions_find_chinese_reports(desk: Desk) -> None:
    desk.server.pages["/zh"] = Page(
        rss20(
            "海港日报",
            Report("灯塔重新点亮", "周五，斯卡霍姆的灯塔在风暴后首次点亮。", minutes=9),
            Report("学校开学", "新学校九月开学。", minutes=20),
            encoding="gb18030",
        )
    )
    news = desk.news("/zh")
    assert titles(news.search(SearchRequest("关于灯塔的最新消息", language="zh"))) == ["灯塔重新点亮"]
    assert titles(news.search(SearchRequest("今天有什么新闻？", language="zh"))) == ["学校开学", "灯塔重新点亮"]
    assert news.search(SearchRequest("灯塔是哪天点亮的？", language="zh"))[0].title == "灯塔重新点亮"


def test_a_question_that_no_report_fits_finds_none(desk: Desk) -> None:
    news = serve(desk)
    assert news.search(SearchRequest("latest news about penicillin", language="en")) == []
    assert news.search(SearchRequest("Who discovered penicillin?", language="en")) == []


def test_near_duplicates_across_feeds_fall_out(desk: Desk) -> None:
    words = "The lighthouse of Skarholm was lit on Friday for the first time since the storm took its roof in March"
    desk.server.pages["/a"] = Page(rss20("A", Report("Light over the bay", f"{words}.", minutes=5)))
    desk.server.pages["/b"] = Page(atom("B", Report("Light over the bay", f"<b>{words}</b>, police said.", minutes=4)))
    desk.server.pages["/c"] = Page(rss10("C", Report("Light over the bay again", f"{words}!", minutes=6)))
    found = desk.news("/a", "/b", "/c").search(SearchRequest("What is in the news?", language="en"))
    assert [passage.section for passage in found] == ["C"]


def test_excluded_documents_and_passages_stay_out(desk: Desk) -> None:
    news = serve(desk)
    first = news.search(SearchRequest(LATEST, language="en"))[0]
    for left_out in (first.id, first.document):
        assert first.id not in {
            p.id for p in news.search(SearchRequest(LATEST, language="en", exclude=frozenset({left_out})))
        }
    assert len(news.search(SearchRequest("What is in the news?", k=2, language="en"))) == 2


def test_feeds_are_asked_at_the_same_time(desk: Desk) -> None:
    together = threading.Barrier(3, timeout=10)

    def meeting(body: bytes) -> Answer:
        def answer(handler: Handler) -> None:
            together.wait()
            Page(body)(handler)

        return answer

    for name in "abc":
        desk.server.pages[f"/{name}"] = meeting(rss20(name, Report(f"News of {name}", minutes=ord(name))))
    found = desk.news("/a", "/b", "/c").search(SearchRequest("any news?", language="en"))
    assert titles(found) == ["News of c", "News of b", "News of a"]


def test_a_feed_is_asked_again_after_minutes_and_sent_again_only_if_it_changed(desk: Desk) -> None:
    desk.server.pages["/a"] = Page(rss20("A", LIGHTHOUSE), {"ETag": '"1"'})
    news = desk.news("/a")
    for _ in range(3):
        assert titles(news.search(SearchRequest(LATEST))) == [LIGHTHOUSE.title]
    assert len(desk.server.asked("/a")) == 1
    desk.clock.now += EVERY_S
    assert titles(news.search(SearchRequest(LATEST))) == [LIGHTHOUSE.title]
    assert desk.server.asked("/a")[1].headers["If-None-Match"] == '"1"'
    desk.server.pages["/a"] = Page(rss20("A", OLDER), {"ETag": '"2"'})
    desk.clock.now += EVERY_S
    assert titles(news.search(SearchRequest(LATEST))) == [OLDER.title]


FAULTS: dict[str, Answer] = {
    "status": Page(b"broken", status=500),
    "gone": Page(b"gone", status=410),
    "html": Page(b"<html><body>Log in</body></html>", {"Content-Type": "text/html"}),
    "empty": Page(b""),
    "silent": silent,
    "dripping": dripping(b" ", b"HTTP/1.1 200 OK\r\n\r\n<rss><channel>"),
    "endless": endless(b"<item><title>x</title></item>" * 1000, first=b"<rss><channel>"),
    "announced": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n<rss>"),
    "broken off": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<rss>"),
    "no http": raw(b"\x00\x01\x02"),
    "elsewhere": redirect("http://127.0.0.2/feed"),
    "metadata": redirect("http://169.254.169.254/latest/meta-data"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_feed_that_fails_does_not_fail_the_others(desk: Desk, fault: str) -> None:
    desk.server.pages["/bad"] = FAULTS[fault]
    desk.server.pages["/good"] = Page(rss20("Good", LIGHTHOUSE))
    news = desk.news("/bad", "/good", limit_s=1.0)
    began = time.monotonic()
    assert titles(news.search(SearchRequest(LATEST))) == [LIGHTHOUSE.title]
    assert time.monotonic() - began < 2.0
    _settled(desk, "/bad", news)
    status = news.status()
    assert status is not None and status.failing
    assert status.text == f"1 of 2 feeds answer; these do not: {desk.server.host}/bad."
    assert f"{desk.server.host}/bad" in status.zh
    asked = len(desk.server.asked("/bad"))
    assert titles(news.search(SearchRequest(LATEST))) == [LIGHTHOUSE.title]
    assert len(desk.server.asked("/bad")) == asked, "it is left alone for a while"


@pytest.mark.parametrize("fault", FAULTS)
def test_where_no_feed_can_be_read_one_sentence_says_so(desk: Desk, fault: str) -> None:
    desk.server.pages["/bad"] = desk.server.pages["/worse"] = FAULTS[fault]
    for news in (desk.news("/bad", limit_s=0.8), desk.news("/bad", "/worse", limit_s=0.8)):
        with pytest.raises(SourceError) as caught:
            news.search(SearchRequest(LATEST))
        check_told(caught.value)


def test_a_bomb_costs_nothing(desk: Desk) -> None:
    desk.server.pages["/bomb"] = Page(bomb())
    desk.server.pages["/good"] = Page(rss20("Good", LIGHTHOUSE))
    found = desk.news("/bomb", "/good").search(SearchRequest(LATEST))
    assert titles(found)[0] == LIGHTHOUSE.title
    assert sum(len(passage.text) for passage in found) < 2000


def test_a_feed_that_fails_later_is_used_as_it_was(desk: Desk) -> None:
    desk.server.pages["/a"] = Page(rss20("A", LIGHTHOUSE))
    news = desk.news("/a")
    news.search(SearchRequest(LATEST))
    desk.server.pages["/a"] = Page(b"down", status=503)
    desk.clock.now += EVERY_S
    assert titles(news.search(SearchRequest(LATEST))) == [LIGHTHOUSE.title]
    status = news.status()
    assert status is not None and status.failing
    desk.server.pages["/a"] = Page(rss20("A", OLDER))
    desk.clock.now += PAUSE_S
    assert titles(news.search(SearchRequest(LATEST))) == [OLDER.title]
    status = news.status()
    assert status is not None and not status.failing


def test_a_search_ends_with_its_deadline_and_with_a_cancel(desk: Desk) -> None:
    desk.server.pages["/silent"] = silent
    news = desk.news("/silent", limit_s=30)
    began = time.monotonic()
    with pytest.raises(SourceError, match="in time"):
        news.search(SearchRequest(LATEST, deadline=began + 0.3))
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    assert news.search(SearchRequest(LATEST, cancel=cancel)) == []
    assert time.monotonic() - began < 5


def test_nobody_has_asked_anything_yet(desk: Desk) -> None:
    assert desk.news("/a").status() is None


def test_a_visitors_own_feeds_replace_the_list(desk: Desk) -> None:
    news = serve(desk)
    chosen = news.checked({"feeds": f"  {desk.server.url('/rss')}\n# mine\n\n{desk.server.url('/rss')}"})
    assert chosen == {"feeds": desk.server.url("/rss")}
    found = news.search(SearchRequest("any news?", language="en", settings=chosen))
    assert {passage.section for passage in found} == {"Harbour Post"}
    assert desk.server.asked("/atom") == []


def test_a_visitors_feed_may_not_lie_inside_the_network_even_on_a_host_of_the_list(desk: Desk) -> None:
    news = serve(desk)
    inside = desk.server.url("/private")
    desk.server.pages["/private"] = Page(rss20("Private", LIGHTHOUSE))
    with pytest.raises(InputError):
        news.checked({"feeds": inside})
    with pytest.raises(SourceError, match="private network"):
        news.search(SearchRequest(LATEST, settings={"feeds": inside}))
    assert desk.server.asked("/private") == []


@pytest.mark.parametrize(
    "text",
    [
        "ftp://news.example/feed",
        "news.example/feed",
        "https://",
        "https://user:secret@news.example/feed",
        "http://localhost/feed",
        "http://127.0.0.1/feed",
        "http://[::1]/feed",
        "http://0x7f.1/feed",
        "http://10.0.0.7:8080/feed",
        "http://news.internal/feed",
        "https://news.example:25/feed",
        "https://news.example/feed https://other example/",
        "javascript:alert(1)",
        "\n".join(f"https://news.example/{number}" for number in range(MOST_FEEDS + 1)),
    ],
)
def test_a_list_that_cannot_be_used_is_told_in_one_sentence(desk: Desk, text: str) -> None:
    with pytest.raises(InputError) as caught:
        desk.news("/a").checked({"feeds": f"https://fine.example/feed\n{text}"})
    for told, stop in ((str(caught.value), "."), (caught.value.told("zh"), "。")):
        assert told.endswith(stop) and "\n" not in told
        assert text in told or str(MOST_FEEDS) in told


def test_an_empty_list_and_the_default_mean_the_operators(desk: Desk) -> None:
    news = serve(desk)
    (setting,) = news.settings
    assert setting.lines and setting.default.splitlines() == [desk.server.url(p) for p in ("/rss", "/rdf", "/atom")]
    for text in ("", "  \n", setting.default):
        assert news.checked({"feeds": text}) == {"feeds": ""}
    assert news.checked({}) == {"feeds": ""}


def test_the_built_in_list_has_several_publishers_in_each_language() -> None:
    listed = FeedList.built_in()
    assert len(listed.languages) <= MOST_FEEDS
    assert listed.checked("\n".join(listed.languages)) == "" and listed.hosts == []
    for code in ("en", "zh"):
        asked = listed.wanted("", code)
        assert len({address.split("/")[2] for address in asked}) >= 5
        assert {listed.languages[address] for address in asked} == {code}
    assert listed.wanted("", "de") == listed.wanted("", "en")
    assert listed.wanted("https://mine.example/feed", "zh") == ["https://mine.example/feed"]


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"ftp://a.example/\n", "ftp"), (b"\xff\xfe\x00", "UTF-8"), (b"nonsense", "nonsense"), (None, "cannot be read")],
)
def test_an_operators_list_that_cannot_be_used_stops_the_start(tmp_path: Path, body: bytes | None, says: str) -> None:
    file = tmp_path / "feeds.txt"
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(SettingsError, match=says) as caught:
        FeedList.read(file)
    assert "--news-feeds" in str(caught.value)


def _settled(desk: Desk, path: str, news: News) -> None:
    """Wait until the feed that a search did not wait for has been given up."""
    assert news._trusted.ask(desk.server.url(path)).result(10).failure is not None
