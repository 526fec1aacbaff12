"""Loading a chat model: from a folder, from a hub that answers or does not, and every way it can fail."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chat import weights
from chat.base import ChatRequest, Message, Role, Sampling
from chat.local import LocalModel
from chat.placement import Placement
from errors import ModelError
from tests.facts import check_told
from tests.hub_server import NOWHERE, Hub, point_hub_at, serve_hub
from tests.tiny_model import one_thread, shared_tiny_model


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=False)


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of a good model, to be spoiled."""
    return Path(shutil.copytree(good, tmp_path / "model"))


def greets(model: LocalModel) -> bool:
    request = ChatRequest((Message(Role.USER, "Hello!"),), sampling=Sampling(temperature=0))
    return "".join(chunk.text for chunk in model.stream(request)) == "Hello! How can I help you?"


def configure(**values: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return edit


def write(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def remove(*names: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return edit


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:50_000])


def keep_as_bin(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


class Trap:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def keep_as_trap(folder: Path) -> None:
    import torch

    torch.save({"weight": Trap(folder / "sprung")}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (remove("config.json"), "“model” is not a model: config.json is missing"),
        (write("config.json", "{"), "has a config.json that cannot be read"),
        (configure(model_type="nonsense", architectures=["Nonsense"]), "of a kind this version of transformers"),
        (configure(model_type="bert", architectures=["BertModel"]), "is a BertModel, which cannot chat"),
        (configure(model_type="t5", architectures=["T5ForConditionalGeneration"]), "which cannot chat"),
        (remove("model.safetensors"), "holds no weights"),
        (remove("tokenizer.json"), "has no tokenizer that can be read"),
        (remove("tokenizer.json", "tokenizer_config.json"), "tokenizer"),
        (write("tokenizer.json", "{}"), "has no tokenizer that can be read"),
        (write("chat_template.jinja", "{{ raise_exception('not today') }}"), "not today"),
        (cut, "are damaged or do not fit it"),
        (write("model.safetensors", "version https://git-lfs.github.com/spec/v1"), "are damaged or do not fit it"),
        (configure(num_hidden_layers=4), "lack 24 of its tensors"),
        (configure(hidden_size=128), "are damaged or do not fit it"),
        (keep_as_trap, "are damaged or do not fit it"),
    ],
)
def test_a_spoiled_model_is_one_sentence(folder: Path, spoil: Callable[[Path], object], sentence: str) -> None:
    spoil(folder)
    model = LocalModel(str(folder))
    with pytest.raises(ModelError, match=sentence) as raised:
        model.load()
    assert not model.loaded
    check_told(raised.value)
    assert str(folder) not in str(raised.value)
    assert not (folder / "sprung").exists()


def test_a_load_that_failed_can_be_tried_again(folder: Path) -> None:
    weights_file = folder / "model.safetensors"
    held = weights_file.rename(folder / "held")
    model = LocalModel(str(folder))
    with pytest.raises(ModelError):
        model.load()
    held.rename(weights_file)
    model.load()
    assert greets(model)


def test_pytorch_files_are_read_where_there_are_no_safetensors(folder: Path) -> None:
    keep_as_bin(folder)
    assert greets(LocalModel(str(folder)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "auto"])
def test_number_formats(good: Path, dtype: str) -> None:
    model = LocalModel(str(good), Placement(dtype=dtype))
    model.load()
    assert greets(model)
    assert dtype == "auto" or str(model.network.dtype) == f"torch.{dtype}"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device": "bogus"}, "There is no device “bogus”"),
        ({"device": "cuda:77"}, "There is no device “cuda:77”"),
        ({"dtype": "int4"}, "number format “int4” is unknown; use one of auto, bfloat16"),
    ],
)
def test_impossible_options_are_refused(good: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        LocalModel(str(good), Placement(**options)).load()


def test_a_model_larger_than_the_memory_is_refused_before_it_is_read(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    free = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(ModelError, match=r"and 0\.0 GB are free on this machine; choose a smaller model"):
        LocalModel(str(good), Placement(device="cpu")).load()


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("", "No chat model is named"),
        ("./no-such-folder", "neither a local folder nor a hub id"),
        ("two words", "neither a local folder nor a hub id"),
        (__file__, "is a file; give the folder"),
    ],
)
def test_names_that_can_be_no_model(model: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence) as raised:
        LocalModel(model).load()
    check_told(raised.value, Path(model).name)


# The hub


@pytest.fixture
def hub(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    with serve_hub(good, tmp_path, monkeypatch) as hub:
        yield hub


def test_a_hub_id_is_downloaded_with_its_progress_told(hub: type[Hub], capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    model = LocalModel("owner/tiny")
    model.load(told.append)
    assert greets(model)
    said = list(dict.fromkeys(told))  # some are told again while they last
    assert said[0] == "Looking for owner/tiny"
    assert any(word.startswith("“owner/tiny” needs ") and word.endswith(": it fits.") for word in said)
    assert any(word.startswith("Downloading owner/tiny: ") and word.endswith(" MB") for word in said)
    assert said[-2:] == ["Loading owner/tiny into memory", "owner/tiny is ready"]
    assert "it/s" not in capfd.readouterr().err


def test_once_downloaded_it_needs_no_network(hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalModel("owner/tiny").load()
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    assert greets(LocalModel("owner/tiny"))


def test_a_repository_without_safetensors_is_downloaded_too(hub: type[Hub], folder: Path) -> None:
    keep_as_bin(folder)
    hub.folder = folder
    assert greets(LocalModel("owner/tiny"))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("owner/gone", "is not on the hub, or is private; check the spelling"),
        ("owner/gated", "is gated: accept its terms on its hub page"),
        ("owner/token", "the hub answered 401"),
        ("owner/broken", "the hub answered 500"),
    ],
)
def test_what_the_hub_refuses_is_told_in_a_sentence(hub: type[Hub], model: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=f"The model “{model}” .*{sentence}") as raised:
        LocalModel(model).load()
    check_told(raised.value, f"“{model}”")


def test_without_network_it_says_so_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    begun = time.monotonic()
    with pytest.raises(ModelError, match="not on this machine and the hub cannot be reached; check the network"):
        LocalModel("owner/tiny").load()
    assert time.monotonic() - begun < 5


def test_when_told_to_stay_offline_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils._http import close_session

    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    try:
        with pytest.raises(ModelError, match="HF_HUB_OFFLINE forbids a download"):
            LocalModel("owner/tiny").load()
    finally:
        close_session()


# The configuration, before the weights


def test_only_the_configuration_is_downloaded(hub: type[Hub], tmp_path: Path, good: Path) -> None:
    config = weights.config_of("owner/tiny")
    assert config.hidden_size == weights.config_of(str(good)).hidden_size
    fetched = {file.name for file in (tmp_path / "cache").rglob("snapshots/*/*")}
    assert fetched == {"config.json"}


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("owner/gone", "is not on the hub, or is private; check the spelling"),
        ("owner/gated", "is gated: accept its terms on its hub page"),
        ("owner/token", "the hub answered 401, it does not accept the access token; log in again"),
        ("owner/broken", "the hub answered 500"),
        ("two words", "neither a local folder nor a hub id"),
    ],
)
def test_a_configuration_that_cannot_be_had_is_one_sentence(hub: type[Hub], model: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=f"The model “{model}” .*{sentence}"):
        weights.config_of(model)


def test_a_repository_without_configuration_is_one_sentence(hub: type[Hub], folder: Path) -> None:
    remove("config.json")(folder)
    hub.folder = folder
    with pytest.raises(ModelError, match=r"“owner/tiny” is not a model: config\.json is missing"):
        weights.config_of("owner/tiny")


def test_what_a_model_needs_is_said_before_it_is_downloaded(hub: type[Hub], tmp_path: Path) -> None:
    says = weights.forecast("owner/tiny", Placement(device="cpu"), users=3, context=9999)
    assert says.startswith("“owner/tiny” needs 0.5 GB of memory")
    assert "for 3 users × 4,096 tokens" in says  # its own context
    assert says.endswith("it fits.")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_model_that_cannot_fit_is_not_downloaded(hub: type[Hub], folder: Path, tmp_path: Path) -> None:
    configure(hidden_size=65536, intermediate_size=262144, num_hidden_layers=200)(folder)
    hub.folder = folder
    with pytest.raises(ModelError, match=r"“owner/tiny” needs [\d,.]+ GB of memory .*; what would fit: the model"):
        weights.forecast("owner/tiny", Placement(device="cpu"), users=3, context=1024)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_contradicting_settings_are_told_before_the_hub_is_asked(hub: type[Hub]) -> None:
    with pytest.raises(ModelError, match="--max-memory names a GPU by its number and --device is cpu"):
        weights.forecast("owner/gone", Placement(device="cpu", max_memory=((0, 1.0),)), users=1, context=1024)


def test_a_configuration_without_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    with pytest.raises(ModelError, match="not on this machine and the hub cannot be reached; check the network"):
        weights.config_of("owner/tiny")


def test_code_of_a_repository_is_never_run(folder: Path) -> None:
    trap = "from pathlib import Path\nPath(__file__).with_name('sprung').touch()\n"
    (folder / "trap.py").write_text(trap)
    configure(model_type="own", auto_map={"AutoConfig": "trap.Config", "AutoModelForCausalLM": "trap.Net"})(folder)
    with pytest.raises(ModelError, match="of a kind this version of transformers does not know"):
        weights.config_of(str(folder))
    assert not list(folder.rglob("sprung"))
