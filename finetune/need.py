"""What a run keeps in the memory of one device, in bytes, before anything is loaded.

    need(config, recipe).total

Activations are rehearsed (`finetune.rehearsal`), weights, gradients and optimizer states counted. Worked out by rule:
what several devices share (ZeRO, Rajbhandari et al. 2020: each holds an n-th of what is sharded, and the layer that
is just computed as a whole), what an optimizer remembers of a weight, and the runtime's own needs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from chat.memory import Anatomy, Load
from finetune.config import Recipe
from finetune.rehearsal import Rehearsal, rehearse

_CUDA_RUNTIME = 600_000_000
"""A CUDA context, cuBLAS and its workspace, about."""
_CUDA_GAPS = 0.04
"""Share of all else that PyTorch's allocator loses between blocks, about."""
CPU_RUNTIME = 900_000_000
"""Resident bytes of a process that has loaded PyTorch, transformers, PEFT and TRL, about."""
_CPU_GAPS = 0.04
"""Share of all else that the C library's heap and the matrix library's scratch add, about."""
_GATHERED = 2
"""Layers that lie on a device as a whole where weights are sharded: the one computed, and the next that is fetched."""
_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True)
class Optimizer:
    """What an optimizer remembers of each trained weight."""

    own: float
    """Bytes of its own, whatever the weight's."""
    alike: int
    """Numbers of the weight's type."""
    factored: int = 0
    """Bytes for each row and each column of a matrix."""
    all_on_gpu: int = 0
    """While it steps on a GPU: copies of all trained weights."""
    one_on_cpu: int = 0
    """While it steps on a CPU: copies of the largest trained weight."""
    widened: int = 0
    """While it steps: bytes for each number of the largest trained weight."""


_QUANTISED_STATE = 1 + 4 / 256
"""bitsandbytes: one byte, and a four-byte scale for 256 of them."""
OPTIMIZERS = {
    "adamw_torch": Optimizer(own=0, alike=2, all_on_gpu=1, one_on_cpu=2),
    "adamw_torch_fused": Optimizer(own=0, alike=2),
    "adamw_8bit": Optimizer(own=2 * _QUANTISED_STATE, alike=0),
    "paged_adamw_8bit": Optimizer(own=2 * _QUANTISED_STATE, alike=0),
    "paged_adamw_32bit": Optimizer(own=8, alike=0),
    "lion_8bit": Optimizer(own=_QUANTISED_STATE, alike=0),
    "paged_lion_8bit": Optimizer(own=_QUANTISED_STATE, alike=0),
    "adafactor": Optimizer(own=0, alike=0, factored=4, widened=12),
    "sgd": Optimizer(own=0, alike=0),
}
"""By its name. `paged_…` states may leave for RAM when a device is full; here they are counted as if they stayed.
PyTorch's AdamW steps all weights at once on a GPU, with a copy of one of its states, and one by one on a CPU, with two;
Adafactor one by one, in float32."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes on one device."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What a step holds at its fullest moment beside the other lines."""
    shared: int
    """Buckets of data-parallel training, or the layers gathered where weights are sharded."""
    runtime: int

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class Sizes:
    """A run's need, and what it was worked out from."""

    need: Need
    rehearsal: Rehearsal
    checkpoint: int
    """Bytes of a checkpoint on disk: trained weights, optimizer states."""
    result: int
    """Bytes of what the run leaves: an adapter, or whole weights."""


def sizes(config: Any, body: Anatomy, recipe: Recipe, kind: str = "cuda", pairs: bool = False) -> Sizes:
    """What a run of `recipe` keeps on each device of a `kind` (`cuda`, `cpu`); `pairs`: preference training,
    whose reference is worked out before the first step and not kept.

    `body` is the configuration's anatomy. Takes about a second. Raises `InputError` where an adapter finds no layer.
    """
    devices, sharded = recipe.card.devices, recipe.card.sharded
    rows = recipe.training.batch * (2 if pairs else 1)
    acted = rehearse(config, recipe, rows, recipe.data.length, recipe.data.packing and not pairs, kind)
    frozen = _frozen(body, recipe, acted)
    # Sharded weights are trained in float32 beside the ones computed with, whatever they were loaded in.
    size = 4 if sharded else acted.trained_bytes / acted.trained
    trained = round(acted.trained * size)
    optimizer = OPTIMIZERS[recipe.training.optimizer]
    states = round(acted.trained * (optimizer.own + optimizer.alike * size))
    states += acted.rows_and_columns * optimizer.factored
    part = devices if sharded else 1
    need = Need(
        weights=(frozen + trained) // part,
        gradients=trained // part,
        optimizer=states // part,
        activations=max(
            acted.working - acted.trained_bytes + _dequantised(recipe, acted),
            _stepping(optimizer, kind, trained // part, round(acted.largest * size) // part, acted.largest // part),
        ),
        shared=_gathered(body, recipe, acted) if sharded else trained if devices > 1 else 0,
        runtime=0,
    )
    return Sizes(
        need=replace(need, runtime=_runtime(kind, need.total)),
        rehearsal=acted,
        checkpoint=trained + states,
        result=trained,
    )


def _frozen(body: Anatomy, recipe: Recipe, acted: Rehearsal) -> int:
    """Bytes of the weights that stay as they are."""
    if recipe.method.kind == "qlora":
        return body.need(Load(users=1, context=1, dtype=recipe.model.dtype, quantisation="4bit")).weights
    return (acted.parameters - acted.trained) * _SIZES[recipe.model.dtype]


def _dequantised(recipe: Recipe, acted: Rehearsal) -> int:
    """Bytes of the one layer that bitsandbytes unpacks to multiply with."""
    computed = _SIZES[recipe.model.multiplied_in]
    return acted.linear * computed if recipe.method.kind == "qlora" else 0


def _stepping(optimizer: Optimizer, kind: str, trained: int, largest_bytes: int, largest: int) -> int:
    """Bytes that an optimizer's step takes beside weights, gradients and states."""
    copies = optimizer.one_on_cpu * largest_bytes if kind == "cpu" else optimizer.all_on_gpu * trained
    return max(copies, optimizer.widened * largest)


def _gathered(body: Anatomy, recipe: Recipe, acted: Rehearsal) -> int:
    """Bytes of what lies on a device as a whole although it is sharded, and of its gradients where it is trained."""
    layers = body.largest
    computed = _SIZES[recipe.model.multiplied_in]
    gradients = layers + acted.ends if recipe.method.kind == "full" else 0
    return (_GATHERED * layers + acted.ends + gradients) * computed


def _runtime(kind: str, beside: int) -> int:
    fixed, gaps = (CPU_RUNTIME, _CPU_GAPS) if kind == "cpu" else (_CUDA_RUNTIME, _CUDA_GAPS)
    return fixed + round(gaps * beside)
