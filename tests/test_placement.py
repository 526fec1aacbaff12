"""Where weights lie: number formats, caps, disk, 8 and 4 bits, LoRA adapters, and contradictions told in a sentence.

python -m pytest tests/test_placement.py
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat import adapter, placement, weights
from chat.placement import ZEROGPU, Placement
from errors import ModelError
from tests.facts import check_told
from tests.tiny_model import one_thread, shared_tiny_model

IDS = [[5, 60, 7, 300, 9]]
RANK, ALPHA = 4, 8


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=False)


def load(folder: Path, **chosen: Any) -> Any:
    config = weights.open_config(folder, "tiny")
    return weights.open_net(folder, "tiny", config, Placement(**({"device": "cpu", "dtype": "float32"} | chosen)))


def logits(net: Any) -> Any:
    import torch

    with torch.inference_mode():
        return net(torch.tensor(IDS)).logits.float()


def gib(count: float) -> float:
    return count / 2**30


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_are_kept_in_the_chosen_number_format(folder: Path, dtype: str) -> None:
    assert {str(weight.dtype) for weight in load(folder, dtype=dtype).parameters()} == {f"torch.{dtype}"}


def test_weights_on_disk_give_the_same_logits(folder: Path, tmp_path: Path) -> None:
    import torch

    whole = load(folder)
    size = whole.get_memory_footprint()
    split = load(folder, max_memory=(("cpu", gib(0.9 * size)),), offload_dir=tmp_path / "offload")
    assert set(split.hf_device_map.values()) == {"cpu", "disk"}
    assert any(weight.device.type == "meta" for weight in split.parameters())
    torch.testing.assert_close(logits(split), logits(whole), rtol=0, atol=0)


def test_a_generous_cap_leaves_everything_in_memory(folder: Path) -> None:
    capped = load(folder, max_memory=(("cpu", 1.0),))
    assert all(weight.device.type == "cpu" for weight in capped.parameters())
    assert logits(capped).equal(logits(load(folder)))


def test_a_cap_that_is_too_small_is_refused_before_loading(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"--max-memory lets weights take 0\.0\); choose a smaller model"):
        load(folder, max_memory=(("cpu", gib(100_000)),))


@pytest.mark.parametrize("quantisation", ["8bit", "4bit"])
def test_quantised_weights_are_smaller_and_nearly_as_exact(folder: Path, quantisation: str) -> None:
    exact, small = load(folder, dtype="bfloat16"), load(folder, dtype="auto", quantisation=quantisation)
    assert small.get_memory_footprint() < exact.get_memory_footprint()
    difference = (logits(small) - logits(exact)).abs().mean() / logits(exact).std()
    assert 0 < difference < 0.2


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"dtype": "int4"}, "number format “int4” is unknown; use one of auto, bfloat16"),
        ({"quantisation": "2bit"}, "quantisation “2bit” is unknown; use one of none, 8bit, 4bit"),
        ({"quantisation": "4bit", "dtype": "float32"}, "--dtype float32 and --quantisation 4bit contradict"),
        ({"quantisation": "8bit", "offload_dir": Path("x")}, "--offload-dir and --quantisation 8bit contradict"),
        ({"quantisation": "8bit", "max_memory": (("cpu", 1.0),)}, "leave cpu out of the caps"),
        ({"adapter": "a/b", "offload_dir": Path("x")}, "--adapter and --offload-dir contradict"),
        ({"device": "cpu", "max_memory": ((0, 1.0),)}, "--max-memory names a GPU by its number and --device is cpu"),
        ({"device": "cuda:1", "max_memory": ((0, 1.0),)}, "names other GPUs than --device cuda:1"),
        ({"max_memory": ((99, 1.0),)}, "names GPU 99 and this machine"),
        ({"device": "cuda:99"}, "There is no device “cuda:99” on this machine"),
        ({"device": "bogus"}, "There is no device “bogus” on this machine"),
        ({"device": ZEROGPU, "quantisation": "8bit"}, "--quantisation 8bit does not go with ZeroGPU"),
        ({"device": ZEROGPU, "max_memory": ((0, 1.0),)}, "--max-memory and --offload-dir do not go with ZeroGPU"),
        ({"device": ZEROGPU, "offload_dir": Path("x")}, "--max-memory and --offload-dir do not go with ZeroGPU"),
    ],
)
def test_contradictions_are_refused_in_a_sentence(chosen: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence) as raised:
        placement.check(Placement(**chosen))
    check_told(raised.value)


def test_a_missing_bitsandbytes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match="--quantisation 4bit needs the package bitsandbytes, which is not installed"):
        placement.check(Placement(quantisation="4bit"))


def test_a_model_published_quantised_is_not_quantised_again(folder: Path, tmp_path: Path) -> None:
    stored = Path(shutil.copytree(folder, tmp_path / "stored"))
    config = json.loads((stored / "config.json").read_text())
    (stored / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(ModelError, match="was published quantised, so --quantisation 8bit contradicts it"):
        load(stored, dtype="auto", quantisation="8bit")


def test_what_a_lent_gpu_will_compute_is_loaded_into_ram(folder: Path) -> None:
    import torch

    assert placement.loading_options(Placement(device=ZEROGPU)) == {"dtype": torch.bfloat16, "device_map": None}
    net = load(folder, device=ZEROGPU, dtype="auto")
    assert {(weight.dtype, weight.device.type) for weight in net.parameters()} == {(torch.bfloat16, "cpu")}


def test_caps_become_shares_of_the_named_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (10_000_000_000, 20_000_000_000))
    monkeypatch.setattr(placement, "kind_of_device", lambda chosen: "cuda")
    chosen = Placement(dtype="float16", max_memory=((0, 20.0), (1, 10.0), ("cpu", 64.0)), offload_dir=Path("off"))
    options = placement.loading_options(chosen)
    assert options["device_map"] == "auto"
    assert options["max_memory"] == {0: 20 * 2**30, 1: 10 * 2**30, "cpu": 64 * 2**30}
    assert options["offload_folder"] == "off"
    uncapped = placement.loading_options(Placement(dtype="float16", max_memory=(("cpu", 64.0),)))
    assert uncapped["max_memory"] == {0: 9_000_000_000, 1: 9_000_000_000, 2: 9_000_000_000, "cpu": 64 * 2**30}


# Adapters


def make_adapter(folder: Path, hidden: int = 64, target: str = "query_key_value", **said: Any) -> dict[str, Any]:
    """A LoRA adapter of two layers in `folder`, written by hand; returns what it adds to each layer's weights."""
    import torch
    from safetensors.torch import save_file

    chance = torch.Generator().manual_seed(1)
    folder.mkdir()
    tensors: dict[str, Any] = {}
    added: dict[str, Any] = {}
    for layer in range(2):
        name = f"gpt_neox.layers.{layer}.attention.{target}"
        a = torch.randn(RANK, hidden, generator=chance) / 8
        b = torch.randn(3 * hidden, RANK, generator=chance) / 8
        tensors |= {f"base_model.model.{name}.lora_A.weight": a, f"base_model.model.{name}.lora_B.weight": b}
        added[f"{name}.weight"] = ALPHA / RANK * (b @ a)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.05}
    config |= {"target_modules": [target], "base_model_name_or_path": "owner/base", "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config | said))
    return added


def test_an_adapter_is_merged_into_the_weights(folder: Path, tmp_path: Path) -> None:
    import torch

    plain, by_hand = load(folder), load(folder)
    added = make_adapter(tmp_path / "adapter")
    with torch.no_grad():
        for name, change in added.items():
            by_hand.get_parameter(name).add_(change)
    merged = load(folder, adapter=str(tmp_path / "adapter"))
    assert type(merged) is type(plain)
    assert not any("lora" in name for name, _ in merged.named_modules())
    torch.testing.assert_close(logits(merged), logits(by_hand), rtol=0, atol=1e-5)
    assert (logits(merged) - logits(plain)).abs().max() > 0.1


def test_an_adapter_stays_beside_quantised_weights(folder: Path, tmp_path: Path) -> None:
    make_adapter(tmp_path / "adapter")
    chosen = {"dtype": "auto", "quantisation": "8bit"}
    plain, adapted = load(folder, **chosen), load(folder, adapter=str(tmp_path / "adapter"), **chosen)
    assert type(adapted) is type(plain)
    wanted = logits(load(folder, adapter=str(tmp_path / "adapter")))
    assert (logits(adapted) - wanted).abs().mean() < (logits(plain) - wanted).abs().mean() / 4


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"hidden": 128}, "was made for “owner/base” and does not fit “tiny”"),
        ({"target": "q_proj"}, "was made for “owner/base” and does not fit “tiny”"),
        ({"target_modules": ["dense"]}, "was made for “owner/base” and does not fit “tiny”"),
        ({"peft_type": ""}, "peft_type “”; only LoRA"),
        ({"peft_type": "IA3"}, "peft_type “IA3”; only LoRA"),
    ],
)
def test_an_adapter_for_another_model_is_refused(
    folder: Path, tmp_path: Path, made: dict[str, Any], sentence: str
) -> None:
    make_adapter(tmp_path / "adapter", **made)
    with pytest.raises(ModelError, match=sentence) as raised:
        load(folder, adapter=str(tmp_path / "adapter"))
    check_told(raised.value)


def test_a_damaged_adapter_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    make_adapter(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ModelError, match=r"weights of the adapter .* are damaged"):
        load(folder, adapter=str(tmp_path / "adapter"))
    (tmp_path / "adapter" / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"has an adapter_config\.json that cannot be read"):
        load(folder, adapter=str(tmp_path / "adapter"))
    file.unlink()
    with pytest.raises(ModelError, match=r"is not an adapter: adapter_model\.safetensors is missing"):
        adapter.fetch(str(tmp_path / "adapter"))
