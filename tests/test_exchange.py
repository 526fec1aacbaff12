"""Memory when one model is exchanged for another: the old one's is given back, and the new one's room follows it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chat import batching
from chat.batching import BatchedDecoder
from chat.local import LocalModel
from chat.slot import ModelSlot
from errors import ModelError
from tests.batched import until
from tests.bench import Engine
from tests.tiny_model import ask, one_thread, shared_tiny_model, text


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)


def test_an_exchanged_models_memory_is_given_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_LINGER_S", 0.05)
    slot = ModelSlot(Engine())
    list(slot.load(LocalModel(str(folder))))
    old = slot.current
    assert isinstance(old, LocalModel) and isinstance(old._decoder, BatchedDecoder)
    assert text(list(old.stream(ask("Hello!")))) == "Hello! How can I help you?"
    left = old.stream(ask("Hello!"))
    next(left)
    kept = [weakref.ref(old.network), weakref.ref(old._decoder._table.store)]
    list(slot.load(LocalModel(str(folder))))
    assert slot.current is not old
    del old, left

    def gone() -> bool:
        gc.collect()
        return all(reference() is None for reference in kept)

    until(gone)


def test_room_for_conversations_is_what_is_free_when_it_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, free = LocalModel(str(folder)), [0]
    model.load()
    decoder = model._decoder
    assert isinstance(decoder, BatchedDecoder)
    text(list(model.stream(ask("Hello!"))))
    per_token = decoder.bytes_per_token
    decoder.forget()
    there = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there._replace(available=free[0]))
    free[0] = 20 * per_token
    with pytest.raises(ModelError, match=r"takes \d+ tokens and there is memory for 12; start a new one"):
        list(model.stream(ask("Hello!")))
    free[0] = 4096 * per_token
    assert text(list(model.stream(ask("Hello!")))) == "Hello! How can I help you?"
    held = decoder._table.store.count * decoder._table.store.capacity
    assert 0 < held <= 0.6 * 4096
    free[0] = 0
    assert text(list(model.stream(ask("Hello!")))) == "Hello! How can I help you?", "in what it holds"
    assert decoder._table.store.count * decoder._table.store.capacity == held
