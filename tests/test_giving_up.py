"""A download that is given up: the load ends at once, whatever the hub does, and the next one is possible."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from chat.local import LocalModel
from chat.remote import RemoteModel
from chat.slot import ModelSlot
from errors import ModelError
from tests.batched import until
from tests.bench import Engine
from tests.hub_server import Hub, serve_hub
from tests.tiny_model import one_thread, shared_tiny_model

SOON_S = 1.0


@pytest.fixture
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=False)


@pytest.fixture
def hub(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 2**14)
    with one_thread(), serve_hub(good, tmp_path, monkeypatch) as hub:
        yield hub
    until(lambda: not any(thread.name == "download" for thread in threading.enumerate()))


def give_up(slot: ModelSlot, said: Iterator[str], name: str) -> None:
    """Cancel, and see that the load ends soon, with its sentence."""
    begun = time.monotonic()
    slot.cancel()
    with pytest.raises(ModelError, match=f"Loading {name} was cancelled") as raised:
        list(said)
    assert time.monotonic() - begun < SOON_S
    assert raised.value.told("zh") == f"已取消加载 {name}。"
    assert slot.current.name == "engine"


def downloading(said: Iterator[str]) -> None:
    assert any(word.startswith("Downloading owner/tiny: ") for word in said)


def test_a_download_that_is_given_up_ends_at_once_and_the_next_one_is_possible(hub: type[Hub], tmp_path: Path) -> None:
    hub.pause_s = 0.2
    slot = ModelSlot(Engine())
    said = slot.load(LocalModel("owner/tiny"))
    downloading(said)
    until(lambda: list((tmp_path / "cache").rglob("snapshots/*/config.json")))
    give_up(slot, said, "owner/tiny")
    until(lambda: not any(thread.name == "download" for thread in threading.enumerate()))
    assert not list((tmp_path / "cache").rglob("*.safetensors")), "the download has ended before its end"
    assert list((tmp_path / "cache").rglob("snapshots/*/config.json")), "what is whole stays"
    hub.pause_s = 0
    assert [*slot.load(LocalModel("owner/tiny"))][-1] == "owner/tiny is ready"
    assert slot.current.name == "owner/tiny"


def test_it_is_given_up_while_the_hub_is_silent(hub: type[Hub], good: Path) -> None:
    hub.gate.clear()
    slot = ModelSlot(Engine())
    said = slot.load(LocalModel("owner/tiny"))
    downloading(said)
    give_up(slot, said, "owner/tiny")
    assert list(slot.load(LocalModel(str(good))))
    assert slot.current.name == good.name


def test_it_is_given_up_while_the_chunk_store_is_silent(hub: type[Hub], good: Path) -> None:
    hub.gate.clear()
    slot = ModelSlot(Engine())
    said = slot.load(LocalModel("owner/stored"))
    assert any(word.startswith("Looking for owner/stored") for word in said)
    until(lambda: hub.asked_store.is_set())
    give_up(slot, said, "owner/stored")
    assert list(slot.load(LocalModel(str(good))))


def test_a_silent_server_is_given_up_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        slot = ModelSlot(Engine())
        said = slot.load(RemoteModel(f"http://127.0.0.1:{port}/v1"))
        assert [next(said), next(said)][-1].startswith("Asking 127.0.0.1")
        give_up(slot, said, f"127.0.0.1:{port}")
