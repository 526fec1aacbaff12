"""How many devices a run has, and how it is started on several: python -m pytest tests/test_finetune_devices.py"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chat.fit import Machine, Room
from errors import InputError
from finetune import base_model, place
from finetune.config import Card, Model, Recipe


def _recipe(devices: int, sharding: Any) -> Recipe:
    return Recipe(model=Model(base="x", dtype="float32"), card=Card(devices=devices, sharding=sharding))


def test_devices_of_machines_that_train_together_count(monkeypatch: pytest.MonkeyPatch) -> None:
    four = Machine(gpus=tuple(Room(f"GPU {n}", 80 * 10**9, 80 * 10**9) for n in range(4)), ram=Room("RAM", 1, 1))
    for name, found in (("look", four), ("kind_of_device", "cuda"), ("_measured", 1e12), ("has_bfloat16", True)):
        monkeypatch.setattr(place, name, lambda *_, found=found: found)
    eight = _recipe(8, "fsdp")
    with pytest.raises(InputError, match="wants 8 devices and 4 are here"):
        place.check(eight, place.here(eight))
    monkeypatch.setattr(place, "_processes", lambda: 8)
    place.check(eight, place.here(eight))


@pytest.mark.parametrize(("sharding", "named"), [("none", "ddp"), ("fsdp", "fsdp2"), ("zero3", "zero3")])
def test_several_gpus_are_started_as_the_recipe_shares_them(
    sharding: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    recipe = _recipe(2, sharding)
    alone, two = (SimpleNamespace(device=torch.device("cpu"), num_processes=count) for count in (1, 2))
    if sharding != "none":
        with pytest.raises(InputError, match=rf"accelerate/{named}\.yaml.*card\.sharding=none"):
            base_model._check_device(recipe, two, sharded=False)
    base_model._check_device(recipe, two, sharded=sharding != "none")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=rf"has 2 GPUs and one process was started.*accelerate/{named}\.yaml"):
        base_model._check_device(recipe, alone, sharded=False)
