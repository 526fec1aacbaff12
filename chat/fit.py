"""Does a model fit this machine, and if it does not, what would make it fit: one sentence with the numbers.

    advice("owner/name", anatomy(config), Load(users=4, context=4096, dtype="bfloat16"), look(placement))

The bytes come from `chat.memory`, the caps from `chat.placement`, the smaller models from the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chat import catalogue
from chat.bilingual import Bilingual, listed, told
from chat.memory import Anatomy, Load, Need
from chat.placement import Placement, kind_of_device, usable_gpus
from chat.placement import check as check_placement
from errors import ModelError

_LEAST_CONTEXT = 1024
_REMEDIES = 3
"""Ways out that one sentence names."""
_LENT_BYTES = 45_097_156_608
"""Of the smallest GPU that ZeroGPU lends, what models may take: above it `spaces` 0.51.3 asks for a larger one."""


@dataclass(frozen=True, slots=True)
class Room:
    """Memory of one device, in bytes."""

    name: str
    free: int
    share: int
    """Of it, what weights may take: a cap of --max-memory, or all of it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a placement may use of this machine."""

    gpus: tuple[Room, ...]
    """Accelerators, in order; empty where the model runs on the CPU."""
    ram: Room
    disk: bool = False
    """Whether weights may lie on disk."""
    spreads: bool = True
    """Whether RAM may take what the accelerators cannot."""
    quantises: bool = True
    """Whether 8 and 4 bits run here."""

    @property
    def rooms(self) -> tuple[Room, ...]:
        """Where the model is meant to lie as a whole: the accelerators, or else the RAM."""
        return self.gpus or (self.ram,)

    @property
    def free(self) -> int:
        return sum(room.free for room in self.rooms)

    @property
    def share(self) -> int:
        return sum(room.share for room in self.rooms)


def look(placement: Placement) -> Machine:
    """Free memory now, within the placement's caps. The placement must have passed `placement.check`."""
    import psutil
    import torch

    if placement.lent:
        return _lent(psutil.virtual_memory().available)
    kind = kind_of_device(placement)
    gpus = [
        _room(placement, gpu, f"GPU {gpu} ({torch.cuda.get_device_name(gpu)})", torch.cuda.mem_get_info(gpu)[0])
        for gpu in usable_gpus(placement)
    ]
    if kind == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
        gpus.append(_room(placement, "mps", Bilingual("the GPU", zh="GPU 显存"), free))
    return Machine(
        gpus=tuple(gpus),
        ram=_room(placement, "cpu", Bilingual("this machine", zh="本机"), psutil.virtual_memory().available),
        disk=placement.offload_dir is not None,
        spreads=placement.spreads,
        quantises=kind in ("cuda", "cpu"),
    )


def _lent(ram: int) -> Machine:
    """What a model may take where it lies in RAM and is moved to a GPU that ZeroGPU lends: the smaller of the two."""
    gpu = Room("the GPU that ZeroGPU lends", _LENT_BYTES, _LENT_BYTES)
    memory = Room("this machine, from whose RAM ZeroGPU's GPU gets it", ram, ram)
    return Machine(gpus=(min(gpu, memory, key=lambda room: room.free),), ram=memory, spreads=False, quantises=False)


def _room(placement: Placement, place: int | str, name: str, free: int) -> Room:
    cap = placement.cap(place)
    return Room(name, free, free if cap is None else min(free, cap))


def fits(need: Need, machine: Machine) -> bool:
    """Whether all of it fits the accelerators, or the RAM where there are none.

    Several share the weights: each needs its own room to compute in, and may be left with a gap smaller than one layer.
    """
    others = len(machine.rooms) - 1
    return (
        need.weights + others * need.piece <= machine.share
        and need.total + others * (need.overhead + need.piece) <= machine.free
    )


def spills(need: Need, machine: Machine) -> bool:
    """Whether it fits at least when RAM takes what accelerators cannot, and the disk what RAM cannot; slowly."""
    if machine.disk:
        return need.cache + need.overhead + need.piece <= machine.free
    if not machine.gpus or not machine.spreads:
        return False
    return need.weights <= machine.share + machine.ram.share and need.total <= machine.free + machine.ram.free


def check(name: str, anatomy: Anatomy, load: Load, machine: Machine) -> Bilingual:
    """What `advice` says. Raises `ModelError` with it when not even one short conversation would fit."""
    says = advice(name, anatomy, load, machine)
    least = anatomy.need(replace(load, users=1, context=min(load.context, _LEAST_CONTEXT)))
    spilling = load.quantisation == "none" and spills(least, machine)
    if not fits(least, machine) and not spilling:
        raise ModelError(says, zh=says.told("zh"))
    return says


def advice(name: str, anatomy: Anatomy, load: Load, machine: Machine) -> Bilingual:
    """One sentence: what the model needs under `load`, what is free, and what would make it fit."""
    need = anatomy.need(load)
    says = _needed(name, need, load, machine)
    if fits(need, machine):
        return Bilingual(f"{says}: it fits.", zh=f"{says.told('zh')}：放得下。")
    remedies = list(_remedies(name, anatomy, load, machine))[:_REMEDIES]
    if not remedies:
        return Bilingual(
            f"{says}; choose a smaller model, or a machine with more memory.",
            zh=f"{says.told('zh')}；请选用更小的模型，或内存更大的机器。",
        )
    ways = listed(remedies, "or", "或")
    return Bilingual(f"{says}; what would fit: {ways}.", zh=f"{says.told('zh')}；可行的办法：{ways.told('zh')}。")


def _needed(name: str, need: Need, load: Load, machine: Machine) -> Bilingual:
    """What is needed and what is free, without an end."""
    people = f"{load.users} user{'s' * (load.users != 1)}"
    rooms = listed([room.name for room in machine.rooms], "and", "、")
    total, weights, cache, work, free = map(_gb, (need.total, need.weights, need.cache, need.overhead, machine.free))
    english = (
        f"“{name}” needs {total} GB of memory (weights {weights}, cache {cache} for {people} × {load.context:,} "
        f"tokens, {work} to work in), and {free} GB are free on {rooms}"
    )
    chinese = (
        f"“{name}”需要 {total} GB 内存（权重 {weights}，{load.users} 位用户 × {load.context:,} 个词元的缓存 {cache}，"
        f"运算 {work}），空闲 {free} GB（{rooms.told('zh')}"
    )
    if machine.share < machine.free:
        english += f" (of which --max-memory lets weights take {_gb(machine.share)})"
        chinese += f"，其中 --max-memory 允许权重占用 {_gb(machine.share)}"
    chinese += "）"
    return Bilingual(english, zh=chinese)


def _remedies(name: str, anatomy: Anatomy, load: Load, machine: Machine) -> Iterator[Bilingual]:
    """Ways to make it fit, the gentlest first."""
    if load.dtype == "float32" and fits(need := anatomy.need(replace(load, dtype="bfloat16")), machine):
        yield _way("--dtype bfloat16", need)
    if fewer := _largest(range(1, load.users), lambda users: replace(load, users=users), anatomy, machine):
        yield _way(f"--users {fewer}", anatomy.need(replace(load, users=fewer)))
    else:
        yield from _shorter(anatomy, load, machine)
    stronger = {"none": ("8bit", "4bit"), "8bit": ("4bit",)}.get(load.quantisation, ())
    halved = replace(load, dtype="bfloat16") if load.dtype == "float32" else load
    for quantisation in stronger if machine.quantises and anatomy.stored_linear is None else ():
        need = anatomy.need(replace(halved, quantisation=quantisation))
        if fits(need, machine):
            yield _way(f"--quantisation {quantisation}", need)
            break
    if load.quantisation == "none" and spills(anatomy.need(load), machine):
        yield _spilled(machine)
    smaller = catalogue.best_fit(machine.share)
    if smaller is not None and smaller.id != name:
        size = f"{smaller.memory_gb:g} GB"
        yield Bilingual(f"the model {smaller.id} ({size})", zh=f"模型 {smaller.id}（{size}）")


def _way(what: Bilingual | str, need: Need) -> Bilingual:
    return Bilingual(f"{what} ({_gb(need.total)} GB)", zh=f"{told(what, 'zh')}（{_gb(need.total)} GB）")


def _spilled(machine: Machine) -> Bilingual:
    if machine.disk:
        return Bilingual(
            "the part that does not fit in RAM and disk, slowly", zh="把放不下的部分放在内存和磁盘上，会很慢"
        )
    ram = _gb(machine.ram.share)
    return Bilingual(
        f"the part that does not fit in RAM ({ram} GB free), slowly",
        zh=f"把放不下的部分放在内存里（空闲 {ram} GB），会很慢",
    )


def _largest(values: range, change: Callable[[int], Load], anatomy: Anatomy, machine: Machine) -> int | None:
    """The largest of ascending `values` whose load still fits."""
    return next((value for value in reversed(values) if fits(anatomy.need(change(value)), machine)), None)


def _shorter(anatomy: Anatomy, load: Load, machine: Machine) -> Iterator[Bilingual]:
    context = load.context // 2
    while context >= _LEAST_CONTEXT:
        need = anatomy.need(replace(load, users=1, context=context))
        if fits(need, machine):
            people = Bilingual(f"1 user with {context:,} tokens", zh=f"1 位用户、{context:,} 个词元")
            yield _way(people, need)
            return
        context //= 2


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f}"


def fitting_model(placement: Placement) -> str | None:
    """The best catalogue model for this machine's GPU; None without one.

    Raises `ModelError` where the settings contradict each other, or an adapter names no model.
    """
    if placement.adapter:
        raise ModelError(
            "--adapter belongs to one model, and none is named; name it with --model.",
            zh="--adapter 属于某一个模型，但没有指明是哪个；请用 --model 指明。",
        )
    check_placement(placement)
    machine = look(placement)
    best = catalogue.best_fit(machine.share) if machine.gpus else None
    return best.id if best else None
