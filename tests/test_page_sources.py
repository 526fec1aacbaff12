"""Settings of sources, and news, on the page in a real Chromium. python -m pytest tests/test_page_sources.py"""

from __future__ import annotations

import re

import pytest
from gradio_client import Client
from playwright.sync_api import Locator, Page, expect

from tests.conftest import HARBOUR, ISLAND, Running, Visit
from tests.visitor import ask

_LIGHTHOUSE, _COUNCIL = HARBOUR
(_BAKERY,) = ISLAND


def open_settings(page: Page, label: str = "Source settings") -> Locator:
    page.locator("#gc-source-settings").get_by_text(label).click()
    expect(page.locator("[data-gc-filled=filled]")).to_be_attached()
    box = page.locator("#gc-setting-news-feeds textarea")
    expect(box).to_be_visible()
    return box


def test_news_is_cited_with_its_date(visit: Visit) -> None:
    page = visit()
    expect(page.get_by_label("News", exact=True)).not_to_be_checked()
    page.get_by_label("News", exact=True).check()
    reply = ask(page, "What is the latest news about the lighthouse?")
    expect(reply).to_contain_text(f"{_LIGHTHOUSE.shown}: {_LIGHTHOUSE.title}")
    expect(reply).not_to_contain_text(_COUNCIL.title)
    source = reply.locator(".gc-source").first
    expect(source.locator("summary")).to_contain_text(f"› Harbour Post · {_LIGHTHOUSE.shown}")
    expect(source.locator(".gc-label")).to_have_text("News")
    source.locator("summary").click()
    expect(source.locator("mark").first).to_contain_text("lit again")
    expect(source.get_by_role("link")).to_have_attribute("href", _LIGHTHOUSE.address)

    listed = ask(page, "What is in the news?").locator("li")
    expect(listed).to_have_count(3)
    expect(listed.nth(0)).to_contain_text(_BAKERY.title)
    expect(listed.nth(1)).to_contain_text(_COUNCIL.title)
    expect(ask(page, "Who discovered penicillin?")).to_contain_text("Fleming")


def test_without_news_the_reader_names_the_source(visit: Visit) -> None:
    expect(ask(visit(), "What is in the news?")).to_contain_text("only in “News” and “Sports scores”")


def test_a_setting_is_kept_a_wrong_value_is_told_and_a_reload_remembers(visit: Visit, running: Running) -> None:
    page = visit()
    box, said = open_settings(page), page.locator("#gc-said-news")
    harbour, island = running.press.url("/harbour"), running.press.url("/island")
    expect(box).to_have_value(f"{harbour}\n{island}")
    expect(page.locator("#gc-source-settings")).to_contain_text("One RSS or Atom address a line, at most 20")
    box.fill(island)
    language = page.locator("#gc-setting-wikipedia-language textarea, #gc-setting-wikipedia-language input")
    language.fill("de")
    expect(said).to_have_text("Kept in this browser.")
    expect(page.locator("#gc-said-wikipedia")).to_have_text("Kept in this browser.")

    page.get_by_label("News", exact=True).check()
    reply = ask(page, "What is in the news?")
    expect(reply).to_contain_text(_BAKERY.title)
    expect(reply).not_to_contain_text(_COUNCIL.title)
    expect(page.locator("#gc-source-settings")).to_contain_text(re.compile(r"feeds? (that were asked )?answers?\."))

    box.fill("http://192.168.0.1/feed")
    expect(said).to_contain_text("“http://192.168.0.1/feed” cannot be a feed")
    language.fill("German")
    expect(page.locator("#gc-said-wikipedia")).to_contain_text("“german” is not the code of a Wikipedia edition")
    expect(said).to_contain_text("192.168.0.1 is inside a private network")
    expect(ask(page, "Any news?")).to_contain_text(_BAKERY.title)

    page.reload()
    box = open_settings(page)
    expect(box).to_have_value(island)
    expect(language).to_have_value("de")
    expect(said).to_have_text("Kept in this browser.")
    expect(open_settings(visit())).to_have_value(f"{harbour}\n{island}")
    box.fill("")
    expect(said).to_have_text("")
    page.reload()
    expect(open_settings(page)).to_have_value(f"{harbour}\n{island}")


def test_the_language_of_wikipedia_is_as_chosen(visit: Visit, running: Running) -> None:
    running.wikipedia.mode = "ok"
    page = visit()
    open_settings(page)
    page.locator("#gc-setting-wikipedia-language textarea, #gc-setting-wikipedia-language input").fill("de")
    expect(page.locator("#gc-said-wikipedia")).to_have_text("Kept in this browser.")
    page.get_by_label("Wikipedia", exact=True).check()
    before = len(running.wikipedia.asked(list="search"))
    ask(page, "Who was first on the Zugspitze?")
    asked = running.wikipedia.asked(list="search")[before:]
    assert asked and {seen.language for seen in asked} == {"de"}


def test_the_forms_speak_chinese(visit: Visit) -> None:
    page = visit(locale="zh-CN")
    box = open_settings(page, "来源设置")
    forms = page.locator("#gc-source-settings")
    expect(forms).to_contain_text("每行一个 RSS 或 Atom 网址，最多 20 个")
    expect(forms).to_contain_text("维基百科的语言")
    box.fill("ftp://a.example/feed")
    expect(page.locator("#gc-said-news")).to_contain_text("“ftp://a.example/feed”不能作为订阅源")


def test_programs_choose_too(running: Running) -> None:
    client = Client(running.url, verbose=False)
    island = {"news": {"feeds": running.press.url("/island")}}
    found = client.predict("any news?", sources=["news"], source_settings=island, api_name="/search")
    assert [passage["title"] for passage in found] == [_BAKERY.title]
    assert found[0]["text"].startswith(f"{_BAKERY.shown}: {_BAKERY.title}")
    reply = client.predict("Any news?", retrieval=["news"], source_settings=island, api_name="/chat")
    assert _BAKERY.title in reply["reply"] and _COUNCIL.title not in reply["reply"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"news": {"feeds": "http://10.0.0.1/"}}, "10.0.0.1 is inside a private network"),
        ({"news": {"nope": "1"}}, "News has no setting “nope”; it has feeds"),
        ({"library": {"feeds": ""}}, "Starter library has no settings; leave them out"),
        ({"nope": {}}, "There is no source named “nope”"),
        ({"news": {"feeds": 1}}, "source_settings is not as expected"),
        ({"wikipedia": {"language": "de.evil.example/"}}, "is not the code of a Wikipedia edition"),
    ],
)
def test_what_a_program_chooses_wrongly_is_told(running: Running, wrong: object, says: str) -> None:
    client = Client(running.url, verbose=False)
    names = ["news", "wikipedia", "library"]
    with pytest.raises(Exception, match=says):
        client.predict("any news?", sources=names, source_settings=wrong, api_name="/search")
    with pytest.raises(Exception, match=says):
        client.predict("any news?", retrieval=names, source_settings=wrong, api_name="/chat")
