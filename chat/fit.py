"""Does a model fit this machine, and if it does not, what would make it fit: one sentence with the numbers.

    advice("owner/name", anatomy(config), Load(users=4, context=4096, dtype="bfloat16"), look(placement))

The bytes come from `chat.memory`, the caps from `chat.placement`, the smaller models from the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chat import catalogue
from chat.memory import Anatomy, Load, Need
from chat.placement import Placement, kind_of_device, usable_gpus
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
        gpus.append(_room(placement, "mps", "the GPU", free))
    return Machine(
        gpus=tuple(gpus),
        ram=_room(placement, "cpu", "this machine", psutil.virtual_memory().available),
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


def check(name: str, anatomy: Anatomy, load: Load, machine: Machine) -> str:
    """What `advice` says. Raises `ModelError` with it when not even one short conversation would fit."""
    says = advice(name, anatomy, load, machine)
    least = anatomy.need(replace(load, users=1, context=min(load.context, _LEAST_CONTEXT)))
    spilling = load.quantisation == "none" and spills(least, machine)
    if not fits(least, machine) and not spilling:
        raise ModelError(says)
    return says


def advice(name: str, anatomy: Anatomy, load: Load, machine: Machine) -> str:
    """One sentence: what the model needs under `load`, what is free, and what would make it fit."""
    need = anatomy.need(load)
    people = f"{load.users} user{'s' * (load.users != 1)}"
    says = (
        f"“{name}” needs {_gb(need.total)} GB of memory (weights {_gb(need.weights)}, cache {_gb(need.cache)} for "
        f"{people} × {load.context:,} tokens, {_gb(need.overhead)} to work in), and {_gb(machine.free)} GB are free "
        f"on {_listed([room.name for room in machine.rooms], 'and')}"
    )
    if machine.share < machine.free:
        says += f" (of which --max-memory lets weights take {_gb(machine.share)})"
    if fits(need, machine):
        return f"{says}: it fits."
    remedies = list(_remedies(name, anatomy, load, machine))[:_REMEDIES]
    if not remedies:
        return f"{says}; choose a smaller model, or a machine with more memory."
    return f"{says}; what would fit: {_listed(remedies, 'or')}."


def _remedies(name: str, anatomy: Anatomy, load: Load, machine: Machine) -> Iterator[str]:
    """Ways to make it fit, the gentlest first."""
    if load.dtype == "float32" and fits(need := anatomy.need(replace(load, dtype="bfloat16")), machine):
        yield f"--dtype bfloat16 ({_gb(need.total)} GB)"
    if fewer := _largest(range(1, load.users), lambda users: replace(load, users=users), anatomy, machine):
        yield f"--users {fewer} ({_gb(anatomy.need(replace(load, users=fewer)).total)} GB)"
    else:
        yield from _shorter(anatomy, load, machine)
    stronger = {"none": ("8bit", "4bit"), "8bit": ("4bit",)}.get(load.quantisation, ())
    halved = replace(load, dtype="bfloat16") if load.dtype == "float32" else load
    for quantisation in stronger if machine.quantises and anatomy.stored_linear is None else ():
        need = anatomy.need(replace(halved, quantisation=quantisation))
        if fits(need, machine):
            yield f"--quantisation {quantisation} ({_gb(need.total)} GB)"
            break
    if load.quantisation == "none" and spills(anatomy.need(load), machine):
        place = "RAM and disk" if machine.disk else f"RAM ({_gb(machine.ram.share)} GB free)"
        yield f"the part that does not fit in {place}, slowly"
    smaller = catalogue.best_fit(machine.share)
    if smaller is not None and smaller.id != name:
        yield f"the model {smaller.id} ({smaller.memory_gb:g} GB)"


def _largest(values: range, change: Callable[[int], Load], anatomy: Anatomy, machine: Machine) -> int | None:
    """The largest of ascending `values` whose load still fits."""
    return next((value for value in reversed(values) if fits(anatomy.need(change(value)), machine)), None)


def _shorter(anatomy: Anatomy, load: Load, machine: Machine) -> Iterator[str]:
    context = load.context // 2
    while context >= _LEAST_CONTEXT:
        need = anatomy.need(replace(load, users=1, context=context))
        if fits(need, machine):
            yield f"1 user with {context:,} tokens ({_gb(need.total)} GB)"
            return
        context //= 2


def _listed(words: list[str], joint: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f}"
