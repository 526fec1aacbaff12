"""What a run takes before anything of it is loaded: memory, steps, time and disk; what cannot fit is refused.

    python -m finetune.plan --config finetune/configs/redpajama-3b-lora-24gb.toml [--set key=value] [--here]

Only a model's config.json is read, from its folder, the catalogue or the hub. Memory is `finetune.need`'s. Time counts
the operations of every matrix product and divides them by a speed that is stated. GB are billions of bytes.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chat import catalogue, on_disk
from chat.bilingual import Bilingual, listed
from chat.hub import Progress, silent
from chat.memory import Anatomy, anatomy
from chat.weights import config_of
from errors import AppError, InputError
from finetune.config import Recipe, read
from finetune.need import Need, Sizes, sizes
from finetune.place import Place, check, here, of_card
from finetune.run_folder import RUNS, free_bytes

Change = Mapping[str, Mapping[str, Any]]
"""Table → key → value."""
_REMEDIES = 3
"""Ways out that one sentence names."""
_SHORTEST = 256
"""Tokens of the shortest row that is proposed."""
_WORDS = {
    "weights": "权重",
    "gradients": "梯度",
    "optimizer": "优化器",
    "activations": "激活值",
    "shared": "设备间共享",
    "runtime": "运行环境",
}


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes."""

    checkpoint: int
    kept: int
    """Checkpoints that are there at once: one is written before the oldest is deleted."""
    result: int
    free: int

    @property
    def total(self) -> int:
        return self.checkpoint * self.kept + self.result


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that fits."""

    recipe: Recipe
    place: Place
    parameters: int
    trained: int
    memory: Need
    disk: Disk
    tokens_per_step: int
    """Tokens that all devices together read before the weights change; padding counts."""
    steps: int | None
    """None where neither the recipe nor its data say how many."""
    seconds_per_step: float
    notes: tuple[Bilingual, ...] = ()

    @property
    def tokens(self) -> int | None:
        return None if self.steps is None else self.steps * self.tokens_per_step

    @property
    def seconds(self) -> float | None:
        """Of training alone, without evaluations."""
        return None if self.steps is None else self.steps * self.seconds_per_step

    def with_rows(self, rows: int) -> Plan:
        """The same for data that are known to make so many rows."""
        return replace(self, steps=_steps(self.recipe, rows))

    def text(self) -> str:
        """All of it, a line for each thing."""
        recipe, memory, disk = self.recipe, self.memory, self.disk
        devices = recipe.card.devices
        each = "" if devices == 1 else f" on each of {devices} devices"
        lines = [
            f"model        {recipe.model.base}, {recipe.method.kind}, {recipe.model.dtype}",
            f"parameters   {self.parameters:,}, of which {self.trained:,} are trained "
            f"({self.trained / self.parameters:.2%})",
            f"memory       {_gb(memory.total)} GB{each}, of {_gb(self.place.memory)} GB: {self.place.name}",
            *(f"  {part:<12}{_gb(size)} GB" for part, size in _parts(memory)),
            f"steps        {'as many as the data give' if self.steps is None else f'{self.steps:,}'}, of "
            f"{self.tokens_per_step:,} tokens each"
            + ("" if self.tokens is None else f", {self.tokens:,} tokens together"),
            f"time         {_time(self.seconds_per_step)} a step"
            + ("" if self.seconds is None else f", {_time(self.seconds)} together")
            + f" ({self.place.basis})",
            f"disk         {_gb(disk.total)} GB: {disk.kept} checkpoints of {_gb(disk.checkpoint)} GB while one is "
            f"written, and {_gb(disk.result)} GB that stay; {_gb(disk.free)} GB are free",
            *(f"note         {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def plan(
    recipe: Recipe,
    tokens: int = 0,
    pairs: bool = False,
    place: Place | None = None,
    folder: Path = RUNS,
    there: int = 0,
    progress: Progress = silent,
) -> Plan:
    """What a run of `recipe` takes at `place` (None: this machine), for training texts of `tokens` tokens together.

    The texts are taken to fill their rows.
    `pairs`: preference training; `folder`: where the run is kept, unless the recipe says where; `there`: bytes that it
    has on that disk already, and overwrites. Raises `InputError` for what cannot fit into memory or on the disk, with
    what would, and `ModelError` where there is no such model.
    """
    folder = Path(recipe.output.folder).expanduser() if recipe.output.folder else folder
    place = place or here(recipe)
    check(recipe, place)
    config = _config(recipe, progress)
    body = anatomy(config)
    taken = sizes(config, body, recipe, place.kind, pairs)
    if taken.need.total > place.memory:
        raise _too_large(config, body, recipe, taken.need, place, pairs)
    disk = Disk(
        checkpoint=taken.checkpoint,
        kept=recipe.training.keep + 1,
        result=taken.result,
        free=free_bytes(folder),
    )
    if disk.total > disk.free + there and place.near:
        raise _no_space(recipe, disk, folder)
    per_step = _rows_per_step(recipe)
    length = recipe.data.length * (2 if pairs else 1)
    return Plan(
        recipe=recipe,
        place=place,
        parameters=taken.rehearsal.parameters,
        trained=taken.rehearsal.trained,
        memory=taken.need,
        disk=disk,
        tokens_per_step=per_step * length,
        steps=_steps(recipe, math.ceil(tokens / recipe.data.length)),
        seconds_per_step=per_step
        * length
        * _operations(config, recipe, taken, pairs)
        / (place.flops * recipe.card.devices),
        notes=tuple(_notes(recipe)),
    )


def _config(recipe: Recipe, progress: Progress) -> Any:
    """The base's configuration: a local folder's, the catalogue's, or the hub's. Raises `ModelError`."""
    base = recipe.model.base
    known = None if on_disk.folder(base) else catalogue.find(base)
    return known.configuration() if known else config_of(base, progress)


def _rows_per_step(recipe: Recipe) -> int:
    return recipe.training.batch * recipe.training.accumulate * recipe.card.devices


def _steps(recipe: Recipe, rows: int) -> int | None:
    if recipe.training.steps:
        return recipe.training.steps
    return math.ceil(recipe.training.epochs * rows / _rows_per_step(recipe)) if rows else None


def _operations(config: Any, recipe: Recipe, taken: Sizes, pairs: bool) -> float:
    """Additions and multiplications for one token of one row.

    A weight costs 2 forward, 2 for the gradient that is passed on, and 2 for its own where it is trained; checkpointing
    works out the forward pass once more. Attention over a row of `length` costs 4·length for each number of its heads
    forward, and 2.5 times that backward, where scores are worked out again.
    """
    text = config.get_text_config(decoder=True)
    head: int = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    attention: int = 4 * recipe.data.length * text.num_hidden_layers * text.num_attention_heads * head
    acted = taken.rehearsal
    forward = 2 * acted.multiplied + attention
    backward = 2 * acted.multiplied + 2 * acted.adapted + 2.5 * attention
    again = forward if recipe.training.checkpointing else 0
    return forward + backward + again + (forward if pairs else 0)


def _notes(recipe: Recipe) -> Iterator[Bilingual]:
    if recipe.method.kind == "full" and recipe.model.dtype == "bfloat16" and not recipe.card.sharded:
        yield Bilingual(
            f"weights kept in bfloat16 lose changes smaller than 1/256 of them: a rate of {recipe.training.rate:g} may "
            "teach little; --set model.dtype=float32 --set model.compute=bfloat16 keeps them",
            zh=f"以 bfloat16 保存的权重会丢失小于其 1/256 的变化：学习率 {recipe.training.rate:g} 可能收效甚微；"
            "--set model.dtype=float32 --set model.compute=bfloat16 可保留这些变化",
        )


def _too_large(config: Any, body: Anatomy, recipe: Recipe, need: Need, place: Place, pairs: bool) -> InputError:
    """What is needed, what there is, and what would fit."""
    parts = ", ".join(f"{part} {_gb(size)}" for part, size in _parts(need))
    zh_parts = "，".join(f"{_WORDS[part]} {_gb(size)}" for part, size in _parts(need))
    says = Bilingual(
        f"Training “{recipe.model.base}” ({recipe.method.kind}) needs {_gb(need.total)} GB on each device ({parts}), "
        f"and there are {_gb(place.memory)} GB: {place.name}",
        zh=f"这样训练“{recipe.model.base}”（{recipe.method.kind}）每个设备需要 {_gb(need.total)} GB（{zh_parts}），"
        f"而{place.name.told('zh')}有 {_gb(place.memory)} GB",
    )
    ways = list(_ways(config, body, recipe, place, pairs))
    if not ways:
        return InputError(
            f"{says}; choose a smaller model, or a device with more memory.",
            zh=f"{says.told('zh')}；请选用更小的模型，或内存更大的设备。",
        )
    fits = listed(ways, "or", "或")
    return InputError(f"{says}; what would fit: {fits}.", zh=f"{says.told('zh')}；可行的办法：{fits.told('zh')}。")


def _ways(config: Any, body: Anatomy, recipe: Recipe, place: Place, pairs: bool) -> Iterator[Bilingual]:
    """Changes that make it fit: single ones, the gentlest first; where none does alone, more and more of them."""
    single = list(_changes(recipe, place))
    found = 0
    for change in single:
        if (need := sizes(config, body, changed(recipe, change), place.kind, pairs).need).total <= place.memory:
            yield _way([change], need)
            found += 1
            if found == _REMEDIES:
                return
    if found:
        return
    together: list[Change] = []
    for change in single:
        together = [one for one in together if not set(_keys(one)) & set(_keys(change))] + [change]
        altered = recipe
        for one in together:
            altered = changed(altered, one)
        if len(together) > 1 and (need := sizes(config, body, altered, place.kind, pairs).need).total <= place.memory:
            yield _way(together, need)
            return


def _changes(recipe: Recipe, place: Place) -> Iterator[Change]:
    training = recipe.training
    if not recipe.card.sharded and recipe.card.devices > 1:
        yield {"card": {"sharding": "fsdp"}}
    if not training.checkpointing:
        yield {"training": {"checkpointing": True}}
    if training.batch > 1:
        yield {"training": {"batch": 1, "accumulate": training.batch * training.accumulate}}
    length = recipe.data.length // 2
    while length >= _SHORTEST:
        yield {"data": {"length": length}}
        length //= 2
    if recipe.method.kind == "full":
        if place.kind != "cpu" and not training.optimizer.startswith("paged"):
            yield {"training": {"optimizer": "paged_adamw_8bit"}}
        if training.optimizer != "adafactor":
            yield {"training": {"optimizer": "adafactor"}}
        yield {"method": {"kind": "lora"}, "training": {"rate": 2e-4}}
    if recipe.model.dtype == "float32":
        yield {"model": {"dtype": "bfloat16"}}
    if recipe.method.kind != "qlora":
        yield {"method": {"kind": "qlora"}}


def _keys(change: Change) -> Iterator[str]:
    return (f"{table}.{key}" for table, values in change.items() for key in values)


def changed(recipe: Recipe, change: Change) -> Recipe:
    """`recipe` with other values in some tables."""
    tables: Any = {name: replace(getattr(recipe, name), **values) for name, values in change.items()}
    return replace(recipe, **tables)


def _way(changes: Sequence[Change], need: Need) -> Bilingual:
    options = " ".join(
        f"--set {table}.{key}={str(value).lower() if isinstance(value, bool) else value}"
        for change in changes
        for table, values in change.items()
        for key, value in values.items()
    )
    return Bilingual(f"{options} ({_gb(need.total)} GB)", zh=f"{options}（{_gb(need.total)} GB）")


def _no_space(recipe: Recipe, disk: Disk, folder: Path) -> InputError:
    total, free = _gb(disk.total), _gb(disk.free)
    return InputError(
        f"The run's checkpoints and result need {total} GB on the disk of {folder}, and {free} GB are free; free some, "
        f"name another disk with --set output.folder=…, or keep fewer than {recipe.training.keep} checkpoints.",
        zh=f"检查点和结果在 {folder} 所在磁盘上需要 {total} GB，而空闲 {free} GB；请腾出空间，"
        f"用 --set output.folder=… 另指定磁盘，或减少保留的检查点（现为 {recipe.training.keep} 个）。",
    )


def _parts(need: Need) -> list[tuple[str, int]]:
    return [(part, size) for part in _WORDS if (size := getattr(need, part))]


def _gb(count: float) -> str:
    return f"{count / 1e9:,.2f}" if count < 1e10 else f"{count / 1e9:,.1f}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.plan", description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="the recipe")
    parser.add_argument("--set", action="append", default=[], metavar="table.key=value", help="in place of the file's")
    parser.add_argument("--here", action="store_true", help="on this machine, whatever card the recipe names")
    parser.add_argument("--pairs", action="store_true", help="preference training (finetune.preference)")
    parser.add_argument("--tokens", type=int, default=0, help="of the training texts together")
    options = parser.parse_args(arguments)
    try:
        recipe = read(options.config, options.set)
        place = here(recipe) if options.here else of_card(recipe)
        print(plan(recipe, options.tokens, pairs=options.pairs, place=place).text())
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
