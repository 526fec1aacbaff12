"""The model picker's answers, without a browser. python -m pytest tests/test_model_picker.py"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import gradio as gr
import pytest

from chat import catalogue
from chat.base import ChatRequest, Chunk
from chat.making import Chosen, ModelMaker
from chat.placement import Placement
from chat.remote import RemoteModel, is_address
from chat.runs import Run, Runs
from chat.slot import Loadable, ModelSlot
from errors import ModelError
from tests.chat_server import ChatServer
from tests.page_parts import model_panel
from ui import models
from ui.layout import Options
from ui.models import ModelHandlers

_LISTED = catalogue.load()[0]


class _Model:
    """A chat model that is loaded at once."""

    least = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def load(self, progress: Callable[[str], None] | None = None) -> None:
        """Nothing is to be loaded."""

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        yield Chunk(self.name)


def _made(name: str, /, *, model: str = "", key: str = "") -> Loadable:
    return RemoteModel(name, model, key) if is_address(name) else _Model(name)


def _forecast(name: str) -> str:
    if name == "nobody/huge":
        raise ModelError("It needs 900 GB of memory and 4 GB are free.")
    return "" if name == "run:captain" else f"“{name}” needs 3 GB of memory: it fits."


class _Picker:
    """The handlers of a page whose operator lets visitors load models."""

    def __init__(self, *, private: bool, runs: Callable[[], tuple[Run, ...]] = tuple) -> None:
        options = Options(
            ("library",), ("library",), True, False, True, private, catalogue.load(), (".txt",), 1000, runs
        )
        self.panel = model_panel()
        self.slot = ModelSlot(_Model("reader"))
        self.choices: list[tuple[str, str]] = []
        self.handlers = ModelHandlers(self.panel, self.slot, self.slot.current, _made, _forecast, options)

    def press_load(
        self,
        listed: str | None,
        named: str,
        agreed: str,
        language: str = "en",
        model: str = "",
        key: str = "",
        run: str = "",
    ) -> tuple[str, str]:
        """(what is said, what is agreed to) after a click on Load."""
        request = gr.Request(headers={"accept-language": language})
        said, still = "", agreed
        for update in self.handlers.load(listed, run, named, model, key, agreed, request):
            said, still = update.get(self.panel.status, said), update.get(self.panel.agreed, still)
            self.choices = getattr(update.get(self.panel.server_model), "choices", self.choices)
        return said, still


def test_a_models_size_is_told_before_the_second_click_loads_it() -> None:
    picker = _Picker(private=True)
    said, agreed = picker.press_load(_LISTED.id, "", "")
    assert f"about {2 * _LISTED.parameters:.1f} GB are downloaded" in said
    assert "needs 3 GB of memory: it fits" in said
    assert agreed == _LISTED.id
    assert picker.slot.current.name == "reader"
    said, agreed = picker.press_load(_LISTED.id, "", agreed)
    assert (picker.slot.current.name, agreed) == (_LISTED.id, "")


def test_agreeing_to_one_model_does_not_load_another() -> None:
    picker = _Picker(private=True)
    _, agreed = picker.press_load(None, "nobody/small", "")
    said, _ = picker.press_load(_LISTED.id, "", agreed)
    assert "GB of memory" in said
    assert picker.slot.current.name == "reader"


def test_what_cannot_fit_is_not_offered_for_a_second_click() -> None:
    picker = _Picker(private=True)
    said, agreed = picker.press_load(None, "nobody/huge", "")
    assert "900 GB" in said and "gc-failed" in said
    assert agreed == ""


def test_a_servers_address_is_asked_at_once_and_its_key_goes_to_it_alone() -> None:
    picker = _Picker(private=True)
    with ChatServer() as server:
        server.models = [{"id": name, "object": "model", "owned_by": "vllm"} for name in ("tiny", "large")]
        said, _ = picker.press_load(None, server.url, "", key="sk-secret")
        assert "has several models; name one of tiny or large" in said
        assert [name for name, _ in picker.choices] == ["tiny", "large"]
        assert picker.slot.current.name == "reader"
        said, _ = picker.press_load(None, server.url, "", model="large", key="sk-secret")
        assert "sk-secret" not in said
        assert picker.slot.current.name == "large"
        assert {seen.headers["Authorization"] for seen in server.seen} == {"Bearer sk-secret"}


@pytest.mark.parametrize(("name", "shown"), [("http://127.0.0.1:1/v1", True), (" HTTPS://h ", True), ("a/b", False)])
def test_what_a_server_needs_is_asked_for_only_where_an_address_is_typed(name: str, shown: bool) -> None:
    picker = _Picker(private=True)
    update = picker.handlers.named(name, gr.Request(headers={}))
    assert update[picker.panel.server].visible is shown


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-this-name/model", "a\0b"])
def test_a_name_that_nothing_can_have_is_looked_up_like_any_other(name: str) -> None:
    """It is no folder, so what it would need is asked for, and that tells that there is no such model."""
    assert "needs 3 GB" in _Picker(private=True).press_load(None, name, "")[0]
    slot = ModelSlot(_Model("reader"))
    make = ModelMaker(slot, Runs(Path("none")), Placement(), users=1, chosen=Chosen(""))
    assert make(name).name == name
    with pytest.raises(ModelError, match="neither a local folder nor a hub id"):
        make.forecast(name)


def test_nothing_is_loaded_where_nothing_is_chosen() -> None:
    assert "No model is chosen" in _Picker(private=True).press_load(None, "  ", "")[0]
    assert "尚未选择模型" in _Picker(private=True).press_load(None, "", "", "zh")[0]


def test_a_folder_is_loaded_at_once_on_a_private_page(tmp_path: Path) -> None:
    picker = _Picker(private=True)
    picker.press_load(None, str(tmp_path), "")
    assert picker.slot.current.name == str(tmp_path)


@pytest.mark.parametrize("agreed", [False, True])
def test_where_others_can_reach_the_page_no_answer_tells_folders_apart(tmp_path: Path, agreed: bool) -> None:
    picker = _Picker(private=False)
    names = [str(tmp_path), str(tmp_path / "no-such-folder"), "assets/corpus", "../..", "nobody/no-such-model"]
    answers = {picker.press_load(None, name, name if agreed else "")[0] for name in names}
    assert len(answers) == 1
    assert "only models of the list" in answers.pop()
    assert picker.slot.current.name == "reader"


def _runs() -> tuple[Run, ...]:
    made = datetime(2026, 11, 20, tzinfo=UTC)
    return (
        Run(Path("/data/runs/captain"), "adapter", "/models/secret/tiny", made, {"loss": 1.2345, "exact": 0.9}),
        Run(Path("/data/runs/mate"), "adapter", _LISTED.id, made, {}),
        Run(Path("/data/runs/whole"), "full", "", made, {}),
    )


@pytest.mark.parametrize("private", [True, False])
def test_runs_of_this_machine_are_listed_for_whoever_may_load_models(private: bool) -> None:
    picker = _Picker(private=private, runs=_runs)
    shown = picker.handlers.show(gr.Request(headers={"accept-language": "en"}))[picker.panel.runs]
    assert shown.visible
    assert shown.choices[0] == ("captain · adapter for tiny · loss 1.23 · exact 0.9 · 2026-11-20", "run:captain")
    assert shown.choices[2] == ("whole · whole model · 2026-11-20", "run:whole")
    said, _ = picker.press_load(None, "", "", run="run:captain")
    assert "captain is ready" in said
    assert picker.slot.current.name == "run:captain"
    assert "run:" not in said and "secret" not in said


def test_the_base_that_a_run_needs_is_told_before_it_is_downloaded() -> None:
    picker = _Picker(private=False, runs=_runs)
    said, agreed = picker.press_load(None, "", "", run="run:mate")
    assert f"{_LISTED.id}: about {2 * _LISTED.parameters:.1f} GB are downloaded" in said
    assert agreed == "run:mate"
    picker.press_load(None, "", agreed, run="run:mate")
    assert picker.slot.current.name == "run:mate"


def test_where_others_can_reach_the_page_a_run_that_is_not_listed_is_no_run() -> None:
    picker = _Picker(private=False, runs=_runs)
    for name in ("run:other", "run:../captain", "/data/runs/captain"):
        assert "only models of the list" in picker.press_load(None, name, name)[0]


def test_a_name_takes_the_place_of_what_was_chosen_before() -> None:
    picker = _Picker(private=True, runs=_runs)
    panel = picker.panel
    request = gr.Request(headers={})
    assert picker.handlers.listed(request)[panel.agreed] == ""
    assert picker.handlers.named("a/b", request)[panel.runs] is None
    assert picker.handlers.runs("run:captain", request).value == "run:captain"
    assert picker.handlers.runs("run:gone", request).value is None


def test_no_group_of_runs_is_shown_where_there_are_none() -> None:
    picker = _Picker(private=True)
    assert not picker.handlers.show(gr.Request(headers={}))[picker.panel.runs].visible


@pytest.mark.parametrize(
    ("says", "share"),
    [("Downloading a/b: 1,200 of 4,800 MB", 0.25), ("Loading a/b into memory", None), ("1 of 0 MB", None)],
)
def test_the_bar_shows_what_is_downloaded(says: str, share: float | None) -> None:
    assert models._share(says) == share
