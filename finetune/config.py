"""What a fine-tuning run is told: one frozen `Recipe`, read from a TOML file and `--set section.key=value`.

    recipe = read(Path("finetune/configs/redpajama-3b-lora-24gb.toml"), ["training.steps=200"])

Every table of the file is one dataclass here; a key that no dataclass has is refused, and so is a value that its type
does not take. The file is the documentation of its own choices; what a key means stands here once. A file may begin
with `extends = "other.toml"`: it then says only what differs. The other is looked for beside it, then in
finetune/configs.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from chat.bilingual import Bilingual
from errors import InputError
from finetune.strict import Between, Faults, Given, fill, merge, table, toml

Kind = Literal["lora", "qlora", "full"]
Schedule = Literal["cosine", "linear", "constant"]
Format = Literal["", "chat-template", "openchatkit", "plain"]
Dtype = Literal["bfloat16", "float16", "float32"]
Compute = Literal["", "bfloat16", "float16", "float32"]
Optimizer = Literal[
    "adamw_torch",
    "adamw_torch_fused",
    "adamw_8bit",
    "paged_adamw_8bit",
    "paged_adamw_32bit",
    "lion_8bit",
    "paged_lion_8bit",
    "adafactor",
    "sgd",
]
Loss = Literal["sigmoid", "hinge", "ipo", "robust", "exo_pair", "nca_pair", "apo_zero", "apo_down", "sppo_hard"]
Tracker = Literal["tensorboard", "wandb"]
Sharding = Literal["none", "fsdp", "zero3"]

Share = Annotated[float, Between(0, 0.9)]
Count = Annotated[int, Between(0, 100_000_000)]
Some = Annotated[int, Between(1, 1_000_000)]


@dataclass(frozen=True, slots=True)
class Model:
    """[model]"""

    base: str
    """Hub id or folder of the model that is taught."""
    adapter: str = ""
    """Hub id or folder of a LoRA adapter that training goes on from: preference training after supervised training."""
    format: Format = ""
    """How turns are written (chat.formats.FORMATS); empty: as the app would write them for this model."""
    dtype: Dtype = "bfloat16"
    """Of the weights as they are loaded."""
    compute: Compute = ""
    """Of what matrices are multiplied in, by autocast; empty: as `dtype`."""
    sources: bool = True
    """Whether the app sets sources before its questions; false: it is taught to answer from memory alone."""

    @property
    def multiplied_in(self) -> Dtype:
        """`compute`, said out."""
        return self.compute or self.dtype


@dataclass(frozen=True, slots=True)
class Method:
    """[method]"""

    kind: Kind = "lora"
    """`lora`: low-rank changes beside frozen weights; `qlora`: the same beside 4-bit weights; `full`: every weight."""
    rank: Annotated[int, Between(1, 4096)] = 16
    alpha: Annotated[int, Between(1, 65536)] = 32
    dropout: Share = 0.05
    targets: tuple[str, ...] = ("all-linear",)
    """Names of linear layers that are changed; `all-linear`: all of them but the output layer."""


@dataclass(frozen=True, slots=True)
class Data:
    """[data]"""

    train: str = ""
    """A weighted mixture of files, folders, hub ids or URLs: `ratings.jsonl:1.0, oig.jsonl:0.2`."""
    held: str = ""
    """The same for the texts that only measure; empty: `held_share` of the training texts."""
    held_share: Share = 0.05
    length: Annotated[int, Between(8, 10_000_000)] = 2048
    """Tokens of one training row; what is longer loses its oldest turns."""
    packing: bool = True
    """Whether several conversations share a row."""


@dataclass(frozen=True, slots=True)
class Training:
    """[training]"""

    epochs: Annotated[float, Between(0, 10_000, above=True)] = 3.0
    steps: Count = 0
    """Optimizer steps; above 0 they count instead of `epochs`."""
    batch: Some = 1
    """Rows of one device in one forward pass."""
    accumulate: Some = 16
    """Forward passes of one optimizer step."""
    rate: Annotated[float, Between(0, 1, above=True)] = 2e-4
    schedule: Schedule = "cosine"
    warmup: Share = 0.03
    """Share of the steps over which the learning rate rises."""
    decay: Annotated[float, Between(0, 10)] = 0.0
    clip: Annotated[float, Between(0, 1_000)] = 1.0
    """Length that a step's gradient is cut to; 0: never."""
    optimizer: Optimizer = "adamw_torch_fused"
    """As transformers names them."""
    checkpointing: bool = True
    """Whether activations are computed again in the backward pass, to save memory."""
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0
    evaluate_every: Some = 50
    save_every: Some = 50
    keep: Some = 2
    """Checkpoints that stay on disk."""
    patience: Count = 0
    """Evaluations without a better held-out loss after which training stops; 0: never."""


@dataclass(frozen=True, slots=True)
class Preference:
    """[preference], for finetune.preference."""

    beta: Annotated[float, Between(0, 100, above=True)] = 0.1
    """How strongly the model is held to what it was before (DPO's beta)."""
    loss: Loss = "sigmoid"
    """As TRL names them; `sigmoid` is DPO, `robust` the same where one pair in ten may be the wrong way round."""
    sft: Annotated[float, Between(0, 100)] = 1.0
    """Weight of the preferred answer's own loss beside it, which keeps its likelihood from falling; 0: none."""


@dataclass(frozen=True, slots=True)
class Output:
    """[output]"""

    folder: str = ""
    """Where the run is kept; empty: `runs/NAME` of the app's data folder, which the page's picker lists."""
    name: str = ""
    """The run's name; empty: the file's."""
    report: tuple[Tracker, ...] = ("tensorboard",)
    """Trackers; empty for none. The PNG curves are always drawn."""


@dataclass(frozen=True, slots=True)
class Card:
    """[card]: the hardware this recipe is meant for; `--plan` works it out anew."""

    memory_gb: Annotated[int, Between(0, 100_000)] = 0
    """Billions of bytes of one device; 0: whatever this machine has."""
    devices: Annotated[int, Between(1, 10_000)] = 1
    """Of all machines together."""
    sharding: Sharding = "none"
    """`none`: each device holds the whole model; `fsdp`, `zero3`: they share weights, gradients and optimizer."""

    @property
    def sharded(self) -> bool:
        return self.sharding != "none"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run, whole."""

    model: Model
    method: Method = field(default_factory=Method)
    data: Data = field(default_factory=Data)
    training: Training = field(default_factory=Training)
    preference: Preference = field(default_factory=Preference)
    output: Output = field(default_factory=Output)
    card: Card = field(default_factory=Card)
    file: Path | None = None
    """Where it was read from."""


CONFIGS = Path(__file__).with_name("configs")
_EXTENDS = "extends"
_DEEPEST = 8
"""Files that one file may go back to."""


def read(file: Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in `file`, with `changes` (`table.key=value`, the value as in TOML or bare text) in its place.

    Raises `InputError` that tells every fault at once: keys that are unknown, values that are mistyped or out of range
    or contradict each other.
    """
    faults: Faults = []
    given = _file(file, faults)
    for change in changes:
        given = merge(given, _change(change, faults))
    recipe = fill(Recipe, given, faults)
    if recipe is not None:
        faults += [rule.says for rule in _RULES if rule.broken(recipe)]
    if recipe is None or faults:
        raise _refused(file, faults)
    return replace(recipe, file=file)


def _refused(file: Path, faults: Faults) -> InputError:
    if len(faults) == 1:
        return InputError(f"{file.name}: {faults[0]}.", zh=f"{file.name}：{faults[0].told('zh')}。")
    lines = "".join(f"\n- {fault}." for fault in faults)
    zh = "".join(f"\n- {fault.told('zh')}。" for fault in faults)
    return InputError(
        f"{file.name} has {len(faults)} faults; mend them all:{lines}",
        zh=f"{file.name} 有 {len(faults)} 处错误，请全部改正：{zh}",
    )


def _file(file: Path, faults: Faults, depth: int = 0) -> dict[str, Any]:
    """The tables of a file over those of the file that it extends."""
    found = _toml(file)
    base = found.pop(_EXTENDS, None)
    here = table(found, file.name)
    if base is None:
        return here
    if not isinstance(base, str) or not base:
        faults.append(Bilingual(f"extends is {base!r}; it takes a file's name", zh=f"extends 是 {base!r}；应为文件名"))
        return here
    if depth == _DEEPEST:
        faults.append(
            Bilingual(f"extends goes round in a circle at {file.name}", zh=f"extends 在 {file.name} 处循环引用")
        )
        return here
    beside = file.parent / base
    return merge(_file(beside if beside.is_file() else CONFIGS / base, faults, depth + 1), here)


def _toml(file: Path) -> dict[str, Any]:
    try:
        return toml(file)
    except OSError as error:
        names = sorted(path.name for path in CONFIGS.glob("*.toml"))
        close = difflib.get_close_matches(file.name, names, n=1)
        hint = CONFIGS / close[0] if close else CONFIGS
        raise InputError(
            f"The recipe {file} cannot be read: {error.strerror}; is {hint} meant?",
            zh=f"无法读取配方 {file}：{error.strerror}；是否指 {hint}？",
        ) from error


def _change(change: str, faults: Faults) -> Mapping[str, Any]:
    """`table.key=value` as tables."""
    key, equals, value = change.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not equals or len(names) != 2 or not all(names):
        faults.append(
            Bilingual(
                f"--set {change} is no change; write --set table.key=value",
                zh=f"--set {change} 不是有效的更改；请写成 --set 表.键=值",
            )
        )
        return {}
    return {names[0]: {names[1]: Given(".".join(names), "--set", value.strip(), bare=True)}}


@dataclass(frozen=True, slots=True)
class _Rule:
    """What two keys must not say together."""

    broken: Callable[[Recipe], bool]
    says: Bilingual


_RULES = (
    _Rule(
        lambda r: not r.model.base.strip(),
        Bilingual("model.base is empty; give a hub id or a folder", zh="model.base 为空；请给出 Hub 名称或文件夹"),
    ),
    _Rule(
        lambda r: r.method.kind == "full" and r.model.dtype == "float16",
        Bilingual(
            "model.dtype float16 cannot be trained whole (method.kind full), its small changes are rounded away; "
            "choose bfloat16 or float32",
            zh="model.dtype 为 float16 时无法全量训练（method.kind full），微小变化会被舍去；请选 bfloat16 或 float32",
        ),
    ),
    _Rule(
        lambda r: r.method.kind == "full" and bool(r.model.adapter),
        Bilingual(
            "model.adapter goes on with a LoRA adapter, and method.kind full trains whole weights; merge it first "
            "(python -m finetune.merge), or choose lora",
            zh="model.adapter 表示继续训练 LoRA 适配器，而 method.kind full 训练全部权重；请先合并"
            "（python -m finetune.merge），或选 lora",
        ),
    ),
    _Rule(
        lambda r: r.method.kind != "full" and not r.method.targets,
        Bilingual(
            "method.targets is empty, so nothing would be trained; give layers, or all-linear",
            zh="method.targets 为空，没有可训练的内容；请给出层的名称，或 all-linear",
        ),
    ),
    _Rule(
        lambda r: r.training.patience > 0 and not r.data.held and r.data.held_share == 0,
        Bilingual(
            "training.patience stops at the held-out loss, and nothing is held out; set data.held_share or data.held",
            zh="training.patience 依据留出集的损失停止，而没有留出数据；请设置 data.held_share 或 data.held",
        ),
    ),
    _Rule(
        lambda r: r.training.patience > 0 and r.training.save_every % r.training.evaluate_every > 0,
        Bilingual(
            "training.patience keeps the best checkpoint, so training.save_every must be a multiple of "
            "training.evaluate_every",
            zh="training.patience 会保留最好的检查点，因此 training.save_every 必须是 training.evaluate_every 的倍数",
        ),
    ),
    _Rule(
        lambda r: r.card.devices == 1 and r.card.sharded,
        Bilingual(
            "card.sharding shares a model between devices, and card.devices is 1; set it to none, or give more devices",
            zh="card.sharding 让多个设备分担模型，而 card.devices 是 1；请设为 none，或增加设备",
        ),
    ),
)
