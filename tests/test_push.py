"""A model's folder onto the hub, and back. python -m pytest tests/test_push.py"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from chat.local import LocalModel
from chat.placement import Placement
from errors import InputError
from finetune.push import _NAMING, push
from tests.facts import check_told
from tests.hub_server import NOWHERE, WRONG_TOKEN, point_hub_at
from tests.hub_uploads import SENT, TOKEN, serve_uploads
from tests.tiny_model import DIALOGUES, answer, shared_tiny_model

pytestmark = pytest.mark.filterwarnings(SENT)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)


@pytest.fixture
def run(model: Path, tmp_path: Path) -> Path:
    """A run's folder, with what training leaves there."""
    import shutil

    folder = Path(shutil.copytree(model, tmp_path / "run"))
    (folder / "README.md").write_text("---\nlibrary_name: transformers\n---\n# run\n")
    (folder / "run.json").write_text('{"recipe": {"model": {"base": "/home/ada/models/secret"}}}')
    (folder / "checkpoints" / "step-1").mkdir(parents=True)
    (folder / "checkpoints" / "step-1" / "optimizer.pt").write_bytes(b"1" * 100)
    return folder


def test_what_is_pushed_can_be_loaded_back(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_uploads(tmp_path, monkeypatch) as hub:
        page = push(run, "owner/bot", private=True)
        assert page.endswith("/owner/bot")
        assert hub.private == {"owner/bot": True}
        there = {file.name for file in (hub.folder / "owner" / "bot").rglob("*")}
        assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "README.md"} <= there
        assert not there & {"checkpoints", "optimizer.pt", "run.json"}
        loaded = LocalModel("owner/bot", Placement(device="cpu", dtype="float32"))
        loaded.load()
        assert answer(loaded, DIALOGUES[1][0]) == DIALOGUES[1][1]


def test_folders_of_this_machine_go_out_by_their_names_alone(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, key in (("config.json", "_name_or_path"), ("adapter_config.json", "base_model_name_or_path")):
        said = json.loads((run / name).read_text()) if (run / name).exists() else {"peft_type": "LORA"}
        (run / name).write_text(json.dumps(said | {key: "/home/ada/models/secret/tiny"}))
    with serve_uploads(tmp_path, monkeypatch) as hub:
        push(run, "owner/bot")
        sent = [json.loads((hub.folder / "owner" / "bot" / name).read_text()) for name in _NAMING]
    assert [said[key] for said, key in zip(sent, _NAMING.values(), strict=True)] == ["tiny", "tiny"]
    assert sent[0]["model_type"] and sent[1]["peft_type"] == "LORA"
    assert "/home/ada" in (run / "config.json").read_text(), "here it stays as it is"


def test_a_push_that_broke_off_goes_on_and_sends_no_weights_twice(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_uploads(tmp_path, monkeypatch) as hub:
        hub.fails = 1
        with pytest.raises(InputError, match=r"The hub refused “owner/bot” \(400\); try again later with --update"):
            push(run, "owner/bot")
        assert len(hub.puts) == 1
        assert not (hub.folder / "owner" / "bot" / "config.json").exists()
        push(run, "owner/bot", update=True)
        assert len(hub.puts) == 1
        assert (hub.folder / "owner" / "bot" / "config.json").is_file()


@pytest.mark.parametrize(
    ("token", "repository", "sentence"),
    [
        ("", "owner/bot", "cannot be pushed without an access token"),
        (WRONG_TOKEN, "owner/bot", "The hub does not accept the access token"),
        (TOKEN, "somebody/bot", "may not write to “somebody/bot”"),
        (TOKEN, "owner/taken", "is there already; choose another name, or add --update"),
        (TOKEN, "no name at all", "is no name on the hub"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, repository: str, sentence: str
) -> None:
    with serve_uploads(tmp_path, monkeypatch, token) as hub:
        (hub.folder / "owner" / "taken").mkdir(parents=True)
        with pytest.raises(InputError) as raised:
            push(run, repository)
    assert sentence in str(raised.value)
    check_told(raised.value, repository)
    assert token not in str(raised.value) or not token


def test_small_files_arrive_by_the_way_that_has_a_chunk_store(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is taken outside of tests; the store itself (Xet) is not there, so no weights are sent."""
    with serve_uploads(tmp_path, monkeypatch) as hub:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
        (run / "model.safetensors").unlink()
        push(run, "owner/bot")
        assert (hub.folder / "owner" / "bot" / "tokenizer.json").is_file()


def test_a_card_that_the_hub_does_not_take_is_told(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "README.md").write_text("---\nbase_model: /models/tiny\n---\n")
    with serve_uploads(tmp_path, monkeypatch), pytest.raises(InputError) as raised:
        push(run, "owner/bot")
    assert 'does not take the files for “owner/bot” ("base_model" with value' in str(raised.value)
    check_told(raised.value)


def test_without_a_network_it_says_so(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    with pytest.raises(
        InputError, match=r"could not be pushed to the end \(ConnectError\); check the network"
    ) as raised:
        push(run, "owner/bot")
    check_told(raised.value)
