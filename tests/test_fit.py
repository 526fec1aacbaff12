"""Does a model fit, and what would make it fit.

python -m pytest tests/test_fit.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chat import catalogue
from chat.fit import Machine, Room, advice, check, fits, look, spills
from chat.memory import Anatomy, Load, anatomy
from chat.placement import ZEROGPU, Placement
from errors import ModelError
from tests.facts import check_told, facts
from tests.tiny_model import one_thread

NEOX = "togethercomputer/GPT-NeoXT-Chat-Base-20B"
FOUR = Load(users=4, context=2048, dtype="bfloat16")


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def neox() -> Anatomy:
    entry = catalogue.find(NEOX)
    assert entry is not None
    return anatomy(entry.configuration())


def room(name: str, gb: float, share: float | None = None) -> Room:
    return Room(name, int(gb * 1e9), int((gb if share is None else share) * 1e9))


def machine(*gpus: float, ram: float = 16.0, **more: Any) -> Machine:
    rooms = tuple(room(f"GPU {number}", gb) for number, gb in enumerate(gpus))
    return Machine(gpus=rooms, ram=room("this machine", ram), **more)


def test_what_fits_is_said_with_its_numbers(neox: Anatomy) -> None:
    assert advice("owner/big", neox, FOUR, machine(80)) == (
        "“owner/big” needs 50.6 GB of memory (weights 41.1, cache 8.9 for 4 users × 2,048 tokens, 0.6 to work in), and "
        "80.0 GB are free on GPU 0: it fits."
    )


def test_what_does_not_fit_is_told_with_ways_out(neox: Anatomy) -> None:
    says = advice("owner/big", neox, FOUR, machine(45, ram=4))
    assert "and 45.0 GB are free on GPU 0; what would fit: --users 1 (" in says
    assert "--quantisation 8bit (" in says
    assert says.endswith("or the model microsoft/phi-4 (31.7 GB).")


@pytest.mark.parametrize("gb", [5, 12, 16, 24, 30, 40, 45, 50])
def test_every_way_out_that_is_named_does_fit(neox: Anatomy, gb: float) -> None:
    here = machine(gb, ram=0)
    says = advice("owner/big", neox, FOUR, here)
    assert facts(says) == facts(says.told("zh"))
    assert not fits(neox.need(FOUR), here)
    if users := re.search(r"--users (\d+) \(([\d.]+) GB\)", says):
        need = neox.need(replace(FOUR, users=int(users[1])))
        assert fits(need, here)
        assert f"{need.total / 1e9:.1f}" == users[2]
        assert not fits(neox.need(replace(FOUR, users=int(users[1]) + 1)), here)
    if bits := re.search(r"--quantisation (\w+)", says):
        assert fits(neox.need(replace(FOUR, quantisation=bits[1])), here)
    if context := re.search(r"1 user with ([\d,]+) tokens", says):
        assert fits(neox.need(replace(FOUR, users=1, context=int(context[1].replace(",", "")))), here)
    smaller = re.search(r"the model (\S+) \(([\d.]+) GB\)", says)
    assert smaller is not None
    assert float(smaller[2]) <= gb
    assert catalogue.find(smaller[1]) is not None


def test_the_same_is_said_in_chinese(neox: Anatomy) -> None:
    assert advice("owner/big", neox, FOUR, machine(80)).told("zh") == (
        "“owner/big”需要 50.6 GB 内存（权重 41.1，4 位用户 × 2,048 个词元的缓存 8.9，运算 0.6），"
        "空闲 80.0 GB（GPU 0）：放得下。"
    )
    capped = Machine((room("GPU 0", 80, share=40),), room("this machine", 4))
    for here in (machine(30, 30), machine(24, ram=64), machine(24, ram=8, disk=True), machine(ram=0.1), capped):
        for load in (FOUR, replace(FOUR, users=1), Load(1, 8192, "float32")):
            says = advice("owner/big", neox, load, here)
            assert facts(says) == facts(says.told("zh"))
            assert says.told("zh").endswith("。")
    with pytest.raises(ModelError) as raised:
        check("owner/big", neox, FOUR, machine(ram=0.1))
    check_told(raised.value, "“owner/big”")


def test_float32_on_a_cpu_is_offered_sixteen_bits(neox: Anatomy) -> None:
    says = advice("owner/big", neox, Load(1, 2048, "float32"), machine(ram=50))
    assert "what would fit: --dtype bfloat16 (" in says


def test_where_nothing_helps_it_says_so(neox: Anatomy) -> None:
    says = advice("owner/big", neox, FOUR, machine(ram=0.1))
    assert says.endswith("; choose a smaller model, or a machine with more memory.")


def test_several_gpus_add_up_but_not_to_the_last_byte(neox: Anatomy) -> None:
    need = neox.need(FOUR)
    assert fits(need, machine(26, 30))
    assert not fits(need, machine(need.total / 2e9, need.total / 2e9))
    assert advice("owner/big", neox, FOUR, machine(30, 30)).endswith("60.0 GB are free on GPU 0 and GPU 1: it fits.")


def test_caps_bound_the_weights_alone(neox: Anatomy) -> None:
    capped = Machine((room("GPU 0", 80, share=40),), room("this machine", 4))
    assert not fits(neox.need(FOUR), capped)
    assert "80.0 GB are free on GPU 0 (of which --max-memory lets weights take 40.0)" in advice(
        "x/y", neox, FOUR, capped
    )
    assert fits(neox.need(FOUR), Machine((room("GPU 0", 80, share=42),), room("this machine", 4)))


def test_ram_takes_what_gpus_cannot_only_unquantised(neox: Anatomy) -> None:
    mixed = machine(24, ram=64)
    assert spills(neox.need(FOUR), mixed)
    assert "the part that does not fit in RAM (64.0 GB free), slowly" in advice("x/y", neox, FOUR, mixed)
    assert not spills(neox.need(FOUR), machine(24, ram=8))
    assert not spills(neox.need(FOUR), machine(24, ram=64, spreads=False))
    assert spills(neox.need(FOUR), machine(24, ram=8, disk=True))
    assert not spills(neox.need(FOUR), machine(ram=64))
    assert check("x/y", neox, FOUR, mixed).startswith("“x/y” needs")
    small = machine(8, ram=64)
    with pytest.raises(ModelError, match="“x/y” needs"):
        check("x/y", neox, replace(FOUR, quantisation="8bit"), small)


def test_only_what_cannot_even_hold_one_short_talk_is_refused(neox: Anatomy) -> None:
    assert "what would fit: --users 1" in check("x/y", neox, FOUR, machine(44.5))
    with pytest.raises(ModelError, match="what would fit: --quantisation 8bit"):
        check("x/y", neox, FOUR, machine(40, ram=0))


def test_this_machine_is_looked_at_within_its_caps() -> None:
    import psutil

    here = look(Placement(device="cpu"))
    assert here.gpus == ()
    assert 0 < here.ram.free <= psutil.virtual_memory().total
    assert here.ram.share == here.ram.free
    assert not here.disk
    assert not here.spreads
    capped = look(Placement(device="cpu", max_memory=(("cpu", 0.25),), offload_dir=Path("off")))
    assert capped.ram.share == 2**28
    assert capped.disk


@pytest.mark.parametrize(
    ("ram", "where"),
    [
        (64, "45.1 GB are free on the GPU that ZeroGPU lends: it fits."),
        (20, "20.0 GB are free on this machine, from whose RAM ZeroGPU's GPU gets it; what would fit: "),
    ],
)
def test_a_gpu_that_is_yet_to_be_lent_is_not_looked_at(
    neox: Anatomy, monkeypatch: pytest.MonkeyPatch, ram: int, where: str
) -> None:
    import psutil
    import torch

    def initialised(*_: object) -> None:
        raise RuntimeError("Low-level CUDA init reached.")

    for name in ("mem_get_info", "get_device_properties", "current_device", "init"):
        monkeypatch.setattr(torch.cuda, name, initialised)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=ram * 10**9))
    here = look(Placement(device=ZEROGPU))
    says = advice("owner/big", neox, Load(1, 2048, "bfloat16"), here)
    assert where in says
    assert "--quantisation" not in says and "slowly" not in says


def test_gpus_are_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from chat import fit, placement

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: ((gpu + 1) * 10**10, 10**11))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu: "Card")
    for module in (fit, placement):
        monkeypatch.setattr(module, "kind_of_device", lambda chosen: "cuda")
    assert look(Placement()).gpus == (
        Room("GPU 0 (Card)", 10**10, 10**10),
        Room("GPU 1 (Card)", 2 * 10**10, 2 * 10**10),
    )
    assert look(Placement(max_memory=((1, 1.0),))).gpus == (Room("GPU 1 (Card)", 2 * 10**10, 2**30),)
    assert look(Placement(device="cuda:1")).gpus == (Room("GPU 1 (Card)", 2 * 10**10, 2 * 10**10),)
