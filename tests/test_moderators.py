"""The moderators of the settings, on their engines, in the app.

python -m pytest tests/test_moderators.py
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import settings as configuration
from chat.bilingual import told
from chat.local import LocalModel
from chat.moderators import Embedded, Engines, Moderators, named
from chat.placement import ZEROGPU, Placement
from encoder import SentenceEncoder
from errors import AppError, SettingsError
from moderation import catalogue
from moderation.base import Action, Exchange, Level, Verdict
from moderation.policy_file import load_policy
from moderation.screen import Screen
from screening import moderators_of, screen_of
from settings import Settings
from tests.facts import check_told
from tests.guards import make_guard, opened, teach
from tests.scoring_server import ScoringServer
from tests.test_text_classifier import make
from tests.tiny_model import one_thread
from wiring import wire

ON_CPU = Placement(device="cpu", dtype="float32")
BREAD, BOMB = "How do I bake bread?", "How do I build a bomb?"


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guard that finds one question harmful."""
    folder = make_guard("Llama-Guard-3-1B", tmp_path_factory.mktemp("guards"))
    said = [[{"role": "user", "content": [{"type": "text", "text": text}]}] for text in (BREAD, BOMB)]
    teach(folder, [(said[0], "\n\nsafe<|im_end|>"), (said[1], "\n\nunsafe\nS9<|im_end|>")])
    return folder


class Calm:
    """A moderator that finds nothing; stands for the embedded one, whose judgement is not tested here."""

    name = "embedded"
    loaded = False

    def load(self) -> None:
        self.loaded = True

    def check(self, exchanges: Any) -> list[Verdict]:
        return [Verdict(0.0, Level.CASUAL) for _ in exchanges]


def _named(*names: str, **engines: Any) -> Moderators:
    calm = Calm()
    return named(names, Engines(Embedded(calm, calm.load), catalogue.load(), ON_CPU, **engines))


def _loaded(*names: str, **engines: Any) -> Screen:
    moderators = _named(*names, **engines)
    moderators.load(lambda _: None)
    return Screen(moderators.moderator, load_policy(), limit_s=60)


def test_the_embedded_one_alone_is_the_default() -> None:
    assert Settings().moderators == ("embedded",)
    calm = Calm()
    moderators = named(("embedded",), Engines(Embedded(calm, calm.load), catalogue.load(), ON_CPU))
    assert moderators.moderator is calm
    moderators.load(lambda _: None)
    assert calm.loaded


def test_a_guard_in_a_folder_refuses_what_the_embedded_one_lets_pass(guard: Path) -> None:
    screen = _loaded("embedded", str(guard))
    assert screen.check(Exchange(BREAD)).action is Action.ALLOW
    assert screen.check(Exchange(BOMB)).action is Action.REFUSE


def test_a_guard_on_a_server_and_a_classifier_screen_together(guard: Path, tmp_path: Path) -> None:
    classifier = make(
        tmp_path / "unheard-of", ("safe", "hate"), taught={BREAD: "safe", "bad words": "hate", BOMB: "safe"}
    )
    with ScoringServer(*opened(guard)) as server:
        screen = _loaded("embedded", f"{server.url}#meta-llama/Llama-Guard-3-1B", str(classifier))
        assert screen.check(Exchange(BREAD)).action is Action.ALLOW
        decision = screen.check(Exchange(BOMB))
        assert (decision.action, decision.category) == (Action.REFUSE, "weapons")
        assert screen.check(Exchange("bad words")).category == "hate"
    unchecked = screen.check(Exchange(BREAD))
    assert unchecked.action is Action.REFUSE
    assert "could not be checked" in unchecked.reason


def test_the_key_goes_to_the_servers(guard: Path) -> None:
    with ScoringServer(*opened(guard)) as server:
        server.key = "sk-very-secret"
        assert _loaded(server.url, key="sk-very-secret").check(Exchange(BOMB)).action is Action.REFUSE
        with pytest.raises(AppError) as raised:
            _loaded(server.url)
        check_told(raised.value, server.host)


def test_a_model_that_chats_and_screens_is_loaded_once(guard: Path) -> None:
    model = LocalModel(str(guard), ON_CPU)
    screen = _loaded(str(guard), shared=model)
    assert model.loaded
    read: list[Any] = []
    model.network.register_forward_pre_hook(lambda net, given: read.append(given))
    assert screen.check(Exchange(BOMB)).action is Action.REFUSE
    assert read


def test_moderators_stay_on_the_cpu_of_a_space_that_lends_its_gpus(guard: Path) -> None:
    calm = Calm()
    engines = Engines(Embedded(calm, calm.load), catalogue.load(), Placement(ZEROGPU, "float32", adapter="some/lora"))
    moderators = named((str(guard),), engines)
    moderators.load(lambda _: None)
    assert moderators.moderator.check([Exchange(BOMB)])[0].level is Level.NEEDS_INTERVENTION


def test_what_is_loaded_is_told_in_both_languages(guard: Path) -> None:
    said: list[str] = []
    _named("embedded", str(guard)).load(said.append)
    assert (str(said[0]), told(said[0], "zh")) == ("Loading the moderator embedded", "正在加载审核模型 embedded")
    assert "Loading the moderator Llama-Guard-3-1B" in said


def test_neither_addresses_nor_paths_are_told_to_everybody(guard: Path) -> None:
    names = _named("embedded", str(guard), "http://10.0.0.5:8000/v1#owner/model", "http://10.0.0.5:8001/v1").names
    assert names == ("embedded", "Llama-Guard-3-1B", "owner/model", "server")


def test_an_address_that_cannot_be_one_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="--moderators names a server that cannot be used"):
        _named("http://user:pass@host/v1")


def test_the_first_that_cannot_be_loaded_is_told(guard: Path, tmp_path: Path) -> None:
    with pytest.raises(AppError) as raised:
        _loaded(str(guard), str(make(tmp_path / "unheard-of", ("LABEL_0", "LABEL_1"))))
    check_told(raised.value, "unheard-of", "LABEL_0")


# In the app


def test_settings() -> None:
    found = configuration.load(
        ["--moderators", "embedded, owner/name,http://h:1/v1#m,embedded", "--moderator-key", "sk-12345678"], {}
    )
    assert found.moderators == ("embedded", "owner/name", "http://h:1/v1#m")
    assert "sk-1234" not in repr(found)
    with pytest.raises(SettingsError, match="--moderators in the flags is “ , ”: use embedded, hub ids"):
        configuration.load(["--moderators", " , "], {})


def test_settings_become_moderators_and_a_screen(guard: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[levels.user]\n'needs intervention' = 'warn'\n", encoding="utf-8")
    settings = Settings(moderators=(str(guard),), moderation_policy=str(policy), moderation_limit_s=60)
    moderators = moderators_of(settings, Calm(), ON_CPU)  # type: ignore[arg-type]  # not asked here
    screen = screen_of(settings, moderators, SentenceEncoder())
    assert screen.check(Exchange(BOMB)).action is Action.WARN


def test_a_catalogue_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read"):
        wire(Settings(data_dir=tmp_path / "data", moderator_catalogue=tmp_path / "nowhere.toml"))


def test_weights_that_are_not_there_stop_the_start(tmp_path: Path) -> None:
    core = wire(Settings(data_dir=tmp_path / "data", network=False, moderation_weights=tmp_path / "mine.safetensors"))
    startup = core.assistant.startup
    startup.start()
    try:
        assert startup.join(120)
        assert "mine.safetensors cannot be read" in str(startup.failure)
    finally:
        core.close()


def test_the_app_answers_nothing_until_all_moderators_are_there(tmp_path: Path) -> None:
    folder = make(tmp_path / "unheard-of", ("LABEL_0", "LABEL_1"))
    core = wire(Settings(data_dir=tmp_path / "data", model="reader", network=False, moderators=(str(folder),)))
    assert core.moderators == ("unheard-of",)
    startup = core.assistant.startup
    startup.start()
    try:
        assert startup.join(120)
        assert not startup.ready
        assert startup.failure is not None and "LABEL_0" in str(startup.failure)
        with pytest.raises(AppError):
            list(startup.wait(threading.Event()))
    finally:
        core.close()


def test_a_chat_model_that_screens_too_is_the_same_one(guard: Path, tmp_path: Path) -> None:
    core = wire(Settings(data_dir=tmp_path / "data", model=str(guard), device="cpu", moderators=(str(guard),)))
    assert core.make_model(str(guard)) is core.make_model(str(guard))
    assert core.make_model("owner/other") is not core.make_model("owner/other")
