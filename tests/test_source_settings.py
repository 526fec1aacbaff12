"""What a visitor chose of the sources, from the question down to each search, and what sources tell of themselves.

python -m pytest tests/test_source_settings.py
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from chat.assistant import Ask
from chat.commands import run
from chat.conversation import Conversation
from chat.session import Offer, Session
from chat.sources import Source, Sources
from encoder import SentenceEncoder
from errors import InputError
from retrieval.base import Setting, SourceStatus
from retrieval.web_search import WebSearch
from tests.bench import Make, Shelf, benches
from tests.facts import check_told
from ui.source_settings import SettingsHandlers, SettingsPanel, form_of

TOWN = Setting(
    "town",
    {"en": "Town", "zh": "城镇"},
    {"en": "Its name", "zh": "名称"},
    choices={"skarholm": {"en": "Skarholm", "zh": "斯卡霍姆"}, "ostrow": {"en": "Ostrow", "zh": "奥斯特罗"}},
    default="skarholm",
)
STREET = Setting("street", {"en": "Street", "zh": "街道"}, {"en": "Empty: all", "zh": "留空则全部"}, lines=True)


@dataclass
class Atlas(Shelf):
    """A source with two settings."""

    name: str = "atlas"
    settings: tuple[Setting, ...] = (TOWN, STREET)
    told: SourceStatus | None = None
    checks: list[Mapping[str, str]] = field(default_factory=list)

    def checked(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        self.checks.append(settings)
        if "?" in settings.get("street", ""):
            raise InputError("“?” is no street; write its name.", zh="“?”不是街道，请填写名称。")
        return {name: text.strip().lower() for name, text in settings.items()}

    def status(self) -> SourceStatus | None:
        return self.told


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


def sources(atlas: Atlas) -> Sources:
    plain = Source(Shelf("library"), {"en": "Starter library", "zh": "入门资料库"})
    return Sources([plain, Source(atlas, {"en": "Atlas", "zh": "地图集"}, live=atlas)], 5.0)


def test_what_was_chosen_reaches_its_source_alone(make: Make) -> None:
    atlas, shelf = Atlas(), Shelf()
    bench = make(shelves=[shelf, atlas])
    bench.assistant.sources.all = (
        bench.assistant.sources.all[0],
        dataclasses.replace(bench.assistant.sources.all[1], live=atlas),
    )
    ask = Ask("t", "Who?", Conversation("c"), ("library", "atlas"), settings={"atlas": {"street": " Quay "}})
    list(bench.assistant.reply(ask))
    bench.assistant.search("Who?", ["atlas"], 5, settings={"atlas": {"town": "Ostrow"}})
    assert [dict(asked.settings) for asked in atlas.asked] == [{"street": "quay"}, {"town": "ostrow"}]
    assert [dict(asked.settings) for asked in shelf.asked] == [{}]


def test_a_wrong_value_refuses_the_question_only_where_its_source_is_searched(make: Make) -> None:
    atlas = Atlas()
    bench = make(shelves=[Shelf(), atlas])
    bench.assistant.sources.all = (
        bench.assistant.sources.all[0],
        dataclasses.replace(bench.assistant.sources.all[1], live=atlas),
    )
    ask = Ask("t", "Who?", Conversation("c"), ("library",), settings={"atlas": {"street": "?"}})
    assert list(bench.assistant.reply(ask))
    with pytest.raises(InputError, match="no street"):
        bench.assistant.reply(dataclasses.replace(ask, sources=("atlas",)))
    assert atlas.asked == []


@pytest.mark.parametrize(
    ("chosen", "named"),
    [({"nowhere": {}}, "nowhere"), ({"library": {"town": "x"}}, ""), ({"atlas": {"planet": "x"}}, "planet")],
)
def test_what_is_not_there_cannot_be_chosen(chosen: dict[str, dict[str, str]], named: str) -> None:
    with pytest.raises(InputError) as caught:
        sources(Atlas()).checked(chosen)
    check_told(caught.value, named)


def test_the_sources_command_says_how_each_fares() -> None:
    atlas = Atlas(told=SourceStatus("All 3 maps are there.", zh="3 张地图都在。"))
    offer = Offer(sources(atlas).all, "m", "reader")
    session = Session(Conversation("c"), ("atlas",))
    assert run("/sources", session, offer).text.splitlines()[1] == "[x] atlas: Atlas (All 3 maps are there.)"
    chinese = dataclasses.replace(session, language="zh")
    assert run("/sources", chinese, offer).text.splitlines()[1] == "[x] atlas: 地图集 (3 张地图都在。)"


@dataclass
class Forms:
    """The forms by themselves, with the handlers that a page would call."""

    atlas: Atlas
    kept: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = sources(self.atlas)
        self.panel = SettingsPanel(gr.BrowserState({}), gr.HTML(), gr.Accordion(), (form_of(known.all[1]),))
        self.handlers = SettingsHandlers(self.panel, known)

    def open(self, language: str = "en") -> dict[Any, Any]:
        return self._took(self.handlers.show(self.kept, _from(language)))

    def fill(self, town: list[str], street: str, language: str = "en") -> dict[Any, Any]:
        return self._took(self.handlers.change(_from(language), self.kept, "filled", town, street))

    def said(self, update: dict[Any, Any]) -> str:
        return str(update[self.panel.forms[0].said])

    def _took(self, update: dict[Any, Any]) -> dict[Any, Any]:
        self.kept = update[self.panel.kept]
        return update


def _from(language: str) -> gr.Request:
    return gr.Request(headers={"accept-language": language})


def test_only_what_differs_from_the_default_is_kept() -> None:
    forms = Forms(Atlas())
    assert forms.open()[forms.panel.components[0]].value == ["skarholm"]
    forms.fill(["skarholm"], "Quay\nMarket ")
    assert forms.kept == {"atlas": {"street": "quay\nmarket"}}
    update = forms.fill(["skarholm", "ostrow"], "")
    assert forms.kept == {"atlas": {"town": "skarholm\nostrow"}}
    assert "Kept in this browser" in forms.said(update)
    update = forms.fill(["skarholm"], "")
    assert forms.kept == {} and forms.said(update) == ""


def test_what_is_on_can_be_switched_off_and_stays_off(tmp_path: Path) -> None:
    web = WebSearch("http://localhost:1", cache_folder=tmp_path)
    known = Sources([Source(web, {"en": "Web search"}, live=web)], 5.0)
    panel = SettingsPanel(gr.BrowserState({}), gr.HTML(), gr.Accordion(), (form_of(known.all[0]),))
    handlers = SettingsHandlers(panel, known)
    kept = handlers.change(_from("en"), {}, "filled", [])[panel.kept]
    assert known.checked(kept)["web"] == {"read": ""}
    opened = handlers.show(kept, _from("en"))
    assert opened[panel.components[0]].value == []
    assert handlers.change(_from("en"), opened[panel.kept], "filled", ["pages"])[panel.kept] == {}
    web.close()


def test_a_wrong_value_is_told_in_the_visitors_language_and_the_last_good_one_stays() -> None:
    forms = Forms(Atlas())
    forms.fill(["ostrow"], "Quay")
    before = forms.kept
    assert "“?” is no street" in forms.said(forms.fill(["ostrow"], "?"))
    assert "“?”不是街道" in forms.said(forms.fill(["ostrow"], "?", "zh"))
    assert forms.kept == before
    opened = forms.open("zh")
    town, street = (opened[component] for component in forms.panel.components)
    assert (town.value, town.label, street.value, street.info) == (["ostrow"], "城镇", "quay", "留空则全部")
    assert town.choices == [("斯卡霍姆", "skarholm"), ("奥斯特罗", "ostrow")]


def test_what_the_browser_kept_and_cannot_be_used_any_more_goes() -> None:
    forms = Forms(Atlas(), {"atlas": {"street": "?"}, "gone": {"x": "y"}})
    update = forms.open()
    assert "no street" in forms.said(update)
    assert forms.kept == {}
    assert update[forms.panel.components[1]].value == ""


def test_defaults_that_the_browser_drew_first_are_nobodys_choice() -> None:
    forms = Forms(Atlas(), {"atlas": {"street": "quay"}})
    update = forms.handlers.change(_from("en"), {}, "", ["skarholm"], "")
    assert update == {forms.panel.kept: gr.skip()}
    assert forms.panel.filled not in forms.open() and forms.handlers.filled()


def test_the_head_says_how_the_source_fares_and_shows_no_markup() -> None:
    forms = Forms(Atlas())
    (head,) = forms.handlers.heads(_from("en")).values()
    assert "Not asked yet." in head
    forms.atlas.told = SourceStatus("<b>Two maps</b> are lost.", zh="两张地图丢失。", failing=True)
    (head,) = forms.handlers.heads(_from("en")).values()
    assert "gc-failed" in head and "&lt;b&gt;Two maps" in head
    (head,) = forms.handlers.heads(_from("zh")).values()
    assert "两张地图丢失。" in head
