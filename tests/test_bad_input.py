"""Whatever is asked for that cannot be had: one sentence names it and says what to do, and the old model answers on.

python -m pytest tests/test_bad_input.py
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chat.base import ChatModel
from chat.bilingual import told
from chat.conversation import Outcome
from chat.hub import not_fetched
from chat.local import LocalModel
from chat.placement import Placement
from chat.remote import RemoteModel
from chat.remote_http import Limits
from chat.slot import Loadable, ModelSlot
from encoder import SentenceEncoder
from errors import AppError
from tests.bench import benches, turn_of
from tests.chat_server import ChatServer
from tests.facts import check_told
from tests.hub_server import NOWHERE, WRONG_TOKEN, Hub, etag, point_hub_at, serve_hub
from tests.tiny_model import DIALOGUES, GREEDY, ask, one_thread, ready, shared_tiny_model, text

FAST = Limits(connect_s=2, silence_s=5, tries=1)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)


@pytest.fixture(scope="module")
def old(good: Path) -> ChatModel:
    """The model that people talk to meanwhile."""
    return ready(good)


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of a good model, to be spoiled."""
    return Path(shutil.copytree(good, tmp_path / "model"))


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    with serve_hub(folder, tmp_path, monkeypatch) as hub:
        yield hub


def refused(old: ChatModel, model: Loadable, *named: str) -> str:
    """Why `model` was not loaded. It is told as it should be, and `old` still answers."""
    slot = ModelSlot(old)
    with pytest.raises(AppError) as raised:
        list(slot.load(model))
    check_told(raised.value, *named)
    assert slot.current is old
    assert text(list(slot.current.stream(ask(DIALOGUES[0][0])))) == DIALOGUES[0][1]
    assert (slot.says, told(slot.says, "zh")) == (str(raised.value), raised.value.told("zh"))
    return slot.says


# The hub


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("owner/gone", "is not on the hub, or is private; check the spelling"),
        ("owner/gated", "is gated: accept its terms on its hub page, log in"),
        ("two words", "is neither a local folder nor a hub id; give a folder that exists"),
    ],
)
def test_a_model_that_is_not_to_be_had(hub: type[Hub], old: ChatModel, model: str, sentence: str) -> None:
    assert sentence in refused(old, LocalModel(model), f"“{model}”")


def test_a_wrong_token(hub: type[Hub], old: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WRONG_TOKEN)
    says = refused(old, LocalModel("owner/tiny"), "“owner/tiny”", "401", "HF_TOKEN")
    assert "does not accept the access token; log in again" in says
    assert WRONG_TOKEN not in says


def test_no_network(old: ChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    assert "cannot be reached; check the network" in refused(old, LocalModel("owner/tiny"), "“owner/tiny”")


def test_a_full_disk(
    hub: type[Hub], old: ChatModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that the download writes to is Linux's /dev/full, which has no space for anything."""
    from huggingface_hub import file_download

    monkeypatch.setattr(file_download, "uuid", SimpleNamespace(uuid4=lambda: SimpleNamespace(hex="0" * 32)))
    blobs = tmp_path / "cache" / "models--owner--tiny" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{etag(folder / 'model.safetensors')}.{'0' * 8}.incomplete").symlink_to("/dev/full")
    assert "the disk is full; free some space" in refused(old, LocalModel("owner/tiny"), "“owner/tiny”")
    monkeypatch.undo()


def test_a_download_that_breaks_off(hub: type[Hub], old: ChatModel) -> None:
    says = refused(old, LocalModel("owner/stored"), "“owner/stored”")
    assert "could not be downloaded to the end; try again" in says


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOSPC, "the disk is full; free some space"), (errno.EACCES, "cannot be written to; name another one")],
)
def test_the_hubs_chunk_store_tells_errors_of_the_disk_in_words(number: int, sentence: str) -> None:
    words = f"Task error: File reconstruction error: IO Error: {os.strerror(number)} (os error {number})"
    error = not_fetched("owner/stored", RuntimeError(words))
    check_told(error, "“owner/stored”")
    assert sentence in str(error)


# The files


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A model's folder made unusable, and what is said of it."""

    spoil: Callable[[Path], object]
    sentence: str


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:50_000])


def configure(**values: Any) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return edit


SPOILT = [
    Spoilt(cut, "are damaged or do not fit it; download them again"),
    Spoilt(lambda folder: (folder / "model.safetensors").unlink(), "holds no weights"),
    Spoilt(configure(num_hidden_layers=4), "lack 24 of its tensors; download them again"),
    Spoilt(configure(model_type="nonsense", architectures=["Nonsense"]), "choose another model"),
    Spoilt(lambda folder: (folder / "tokenizer.json").write_text("{}"), "no tokenizer that can be read; give a folder"),
    Spoilt(configure(hidden_size=65536, intermediate_size=262144, num_hidden_layers=200), "; what would fit: "),
]


@pytest.mark.parametrize("spoilt", SPOILT, ids=lambda spoilt: spoilt.sentence)
def test_weights_that_are_corrupt(old: ChatModel, folder: Path, spoilt: Spoilt) -> None:
    spoilt.spoil(folder)
    assert spoilt.sentence in refused(old, LocalModel(str(folder), Placement(device="cpu")), "“model”")


def test_a_chat_template_that_fails(old: ChatModel, folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ raise_exception('not today') }}")
    assert "choose another model" in refused(old, LocalModel(str(folder)), "not today")


def test_a_model_without_a_chat_template_answers_and_says_so_once(good: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(good)
    tokenizer.chat_template = None
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(tmp_path / "plain")
    tokenizer.save_pretrained(tmp_path / "plain")
    slot, model = ModelSlot(ready(good)), LocalModel(str(tmp_path / "plain"), Placement(device="cpu"))
    list(slot.load(model))
    assert slot.current is model
    first, later = (
        [chunk.notice for chunk in model.stream(ask(*said)) if chunk.notice] for said in (["Hello!"], ["A", "B", "C"])
    )
    assert first[0].startswith("This model has no chat template, so it is written to in plain lines of User")
    assert first[0].endswith("choose a model that was made to chat.")
    assert told(first[0], "zh").startswith("此模型没有聊天模板")
    assert not any("template" in notice for notice in later)


# The settings


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"dtype": "float32", "quantisation": "4bit"}, ("--dtype float32", "--quantisation 4bit")),
        ({"device": "cpu", "max_memory": ((0, 1.0),)}, ("--max-memory", "--device")),
        ({"adapter": "a/b", "offload_dir": Path("off")}, ("--adapter", "--offload-dir")),
        ({"device": "cuda:99"}, ("“cuda:99”",)),
    ],
)
def test_contradictory_flags(good: Path, old: ChatModel, chosen: dict[str, Any], named: tuple[str, ...]) -> None:
    refused(old, LocalModel(str(good), Placement(**chosen)), *named)


# A server


def test_no_server(old: ChatModel) -> None:
    assert "check that the server runs" in refused(old, RemoteModel(NOWHERE, limits=FAST), "127.0.0.1:9")


def test_a_model_that_a_server_has_not(old: ChatModel) -> None:
    with ChatServer() as server:
        refused(old, RemoteModel(server.url, "huge", limits=FAST), server.host, "“huge”", "tiny")


@pytest.mark.parametrize("key", ["", "sk-wrong-1234567890"])
def test_a_wrong_key(old: ChatModel, key: str) -> None:
    with ChatServer() as server:
        server.models_status = [401]
        says = refused(old, RemoteModel(server.url, key=key, limits=FAST), server.host)
    assert "give the right one" in says
    assert "sk-" not in says


# The message


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_message_longer_than_the_context(encoder: SentenceEncoder, good: Path, tmp_path: Path, language: str) -> None:
    """Through the whole assistant: the turn fails and says why in the person's language; the next one is answered."""
    model = LocalModel(str(good), Placement(device="cpu"), context_limit=256)
    long = {"en": "Where does the river go? " * 100, "zh": "这条河流向哪里？" * 100}[language]
    with benches(encoder, tmp_path) as make:
        bench = make()
        list(bench.models.load(model))
        failed = turn_of(bench.reply(long, sources=(), sampling=GREEDY))
        assert failed.outcome is Outcome.FAILED
        assert {"en": "The message is too long: it takes ", "zh": "消息太长：它有 "}[language] in failed.reason
        assert {"en": "shorten it or send it in parts.", "zh": "请缩短，或分几次发送。"}[language] in failed.reason
        assert bench.models.current is model
        assert turn_of(bench.reply(DIALOGUES[0][0], sources=(), sampling=GREEDY)).answer == DIALOGUES[0][1]
