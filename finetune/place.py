"""Where a run happens: the card its recipe names, or this machine; how much fits there and how fast it multiplies."""

from __future__ import annotations

import time
from dataclasses import dataclass

from chat.bilingual import Bilingual, told
from chat.fit import look
from chat.placement import Placement, kind_of_device
from errors import InputError
from finetune.config import Recipe


@dataclass(frozen=True, slots=True)
class Place:
    """Devices of one kind."""

    name: Bilingual
    kind: str
    """`cuda` or `cpu`."""
    memory: int
    """Bytes of one device."""
    devices: int
    """Of this machine, or of all where their processes were started together."""
    flops: float
    """Operations per second of one device that training may count on."""
    basis: str
    """What `flops` stands on."""
    bfloat16: bool = True
    """Whether it multiplies in bfloat16."""
    near: bool = True
    """Whether it is this machine."""


@dataclass(frozen=True, slots=True)
class _Card:
    """A card that stands for all with as much memory."""

    memory_gb: int
    name: str
    tflops: float
    """Dense products in 16 bits, as its maker states them."""


_CARDS = (  # smaller ones first
    _Card(16, "NVIDIA RTX A4000", 76.7),
    _Card(24, "NVIDIA A10", 125.0),
    _Card(48, "NVIDIA A40", 149.7),
    _Card(80, "NVIDIA A100", 312.0),
)
_OF_A_CARD = 0.35
"""Share of what a card's maker states that training reaches: assumed, nobody measured it here."""
_OF_A_PRODUCT = 0.5
"""Share of the speed of one large matrix product that a whole step reaches on a CPU."""
_SIDE = 1024
_TRIED_S = 0.3


def of_card(recipe: Recipe) -> Place:
    """The devices that a recipe is meant for; this machine where it names none."""
    card = recipe.card
    if card.memory_gb == 0:
        return here(recipe)
    like = next((one for one in reversed(_CARDS) if one.memory_gb <= card.memory_gb), _CARDS[0])
    return Place(
        name=Bilingual(f"a card of {card.memory_gb} GB", zh=f"{card.memory_gb} GB 的显卡"),
        kind="cuda",
        memory=card.memory_gb * 10**9,
        devices=card.devices,
        flops=_OF_A_CARD * like.tflops * 1e12,
        basis=f"{_OF_A_CARD:.0%} of the {like.tflops:g} TFLOPS of an {like.name}, assumed",
        near=False,
    )


def here(recipe: Recipe) -> Place:
    """This machine: its accelerators with what is free on them, or its RAM, shared by the recipe's processes."""
    machine = look(Placement())
    kind = kind_of_device(Placement())
    flops = _measured(recipe.model.multiplied_in, kind)
    if kind == "cpu":
        processes = max(recipe.card.devices, _processes())
        return Place(
            name=Bilingual(f"{machine.ram.name}, whose processor computes", zh="本机（由处理器计算）"),
            kind="cpu",
            memory=machine.ram.free // processes,
            devices=processes,
            flops=_OF_A_PRODUCT * flops / processes,
            basis=f"{_OF_A_PRODUCT:.0%} of the {flops / 1e12:.3f} TFLOPS measured here",
        )
    smallest = min(machine.gpus, key=lambda room: room.free)
    return Place(
        name=Bilingual(smallest.name, zh=told(smallest.name, "zh")),
        kind=kind,
        memory=smallest.free,
        devices=max(len(machine.gpus), _processes()),
        flops=_OF_A_PRODUCT * flops,
        basis=f"{_OF_A_PRODUCT:.0%} of the {flops / 1e12:.0f} TFLOPS measured here",
        bfloat16=has_bfloat16(kind),
    )


def _processes() -> int:
    """Those that train together, one a device, on all machines."""
    from accelerate import PartialState

    return int(PartialState().num_processes)


def check(recipe: Recipe, place: Place) -> None:
    """Raises `InputError` where `place` cannot do what `recipe` asks for, whatever it needs."""
    check_numbers(recipe, place.kind, place.bfloat16)
    if place.devices < recipe.card.devices:
        raise InputError(
            f"The recipe wants {recipe.card.devices} devices and {place.devices} are here; "
            f"use --set card.devices={place.devices}, or a larger machine.",
            zh=f"配方需要 {recipe.card.devices} 个设备，而这里有 {place.devices} 个；"
            f"请用 --set card.devices={place.devices}，或换更大的机器。",
        )


def check_numbers(recipe: Recipe, kind: str, bfloat16: bool) -> None:
    """Raises `InputError` where a device of this `kind` cannot train in the numbers that `recipe` computes in.

    `bfloat16`: whether it multiplies in these.
    """
    if kind == "cpu" and recipe.model.multiplied_in == "float16":
        raise InputError(
            "Training in float16 needs a GPU, and there is none here; use --set model.compute=bfloat16.",
            zh="以 float16 训练需要 GPU，而本机没有；请用 --set model.compute=bfloat16。",
        )
    if recipe.model.multiplied_in == "bfloat16" and not bfloat16:
        raise InputError(
            "The recipe computes in bfloat16, which this GPU cannot; use --set model.compute=float16.",
            zh="配方以 bfloat16 计算，而此 GPU 不支持；请用 --set model.compute=float16。",
        )


def has_bfloat16(kind: str) -> bool:
    """Whether this machine's devices of a `kind` multiply in bfloat16 by themselves."""
    import torch

    return kind != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def _measured(dtype: str, kind: str) -> float:
    """Operations per second of products of `_SIDE` × `_SIDE` matrices on the first device, in a third of a second."""
    import torch

    side = _SIDE if kind == "cpu" else 8 * _SIDE
    left = torch.ones(side, side, dtype=getattr(torch, dtype), device=kind)
    right, done = left.clone(), 0
    (left @ right).sum().item()
    start = time.perf_counter()
    while time.perf_counter() - start < _TRIED_S:
        (left @ right).sum().item()
        done += 1
    return 2 * side**3 * done / (time.perf_counter() - start)
