"""What a fine-tuning run is told: one frozen `Recipe`, read from a TOML file and `--set section.key=value`.

    recipe = read(Path("finetune/configs/redpajama-3b-lora-24gb.toml"), ["training.steps=200"])

Every table of the file is one dataclass here; a key that no dataclass has is refused. The file is the documentation of
its own choices; what a key means stands here once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["lora", "qlora", "full"]
Schedule = Literal["cosine", "linear", "constant"]


@dataclass(frozen=True, slots=True)
class Model:
    """[model]"""

    base: str
    """Hub id or folder of the model that is taught."""
    adapter: str = ""
    """Hub id or folder of a LoRA adapter that training goes on from: preference training after supervised training."""
    format: str = ""
    """`chat-template`, `openchatkit` or `plain` (chat.prompt.FORMATS); empty: what the app would use for this model."""
    dtype: str = "bfloat16"
    """`bfloat16`, `float16` or `float32`: of the weights as they are loaded."""


@dataclass(frozen=True, slots=True)
class Method:
    """[method]"""

    kind: Kind = "lora"
    """`lora`: low-rank changes beside frozen weights; `qlora`: the same beside 4-bit weights; `full`: every weight."""
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ("all-linear",)
    """Names of linear layers that are changed; `all-linear`: all of them but the output layer."""


@dataclass(frozen=True, slots=True)
class Data:
    """[data]"""

    train: str = ""
    """A weighted mixture of files, folders, hub ids or URLs: `ratings.jsonl:1.0, oig.jsonl:0.2`."""
    held: str = ""
    """The same for the texts that only measure; empty: `held_share` of the training texts."""
    held_share: float = 0.05
    length: int = 2048
    """Tokens of one training row; what is longer loses its oldest turns."""
    packing: bool = True
    """Whether several conversations share a row."""


@dataclass(frozen=True, slots=True)
class Training:
    """[training]"""

    epochs: float = 3.0
    steps: int = 0
    """Optimizer steps; above 0 they count instead of `epochs`."""
    batch: int = 1
    """Rows of one device in one forward pass."""
    accumulate: int = 16
    """Forward passes of one optimizer step."""
    rate: float = 2e-4
    schedule: Schedule = "cosine"
    warmup: float = 0.03
    """Share of the steps over which the learning rate rises."""
    decay: float = 0.0
    clip: float = 1.0
    optimizer: str = "adamw_torch"
    """As transformers names them: `adamw_torch`, `adamw_8bit`, `paged_adamw_8bit`, `adafactor`, …"""
    checkpointing: bool = True
    """Whether activations are computed again in the backward pass, to save memory."""
    seed: int = 0
    evaluate_every: int = 50
    save_every: int = 50
    keep: int = 2
    """Checkpoints that stay on disk."""
    patience: int = 0
    """Evaluations without a better held-out loss after which training stops; 0: never."""


@dataclass(frozen=True, slots=True)
class Preference:
    """[preference], for finetune.preference."""

    beta: float = 0.1
    """How strongly the model is held to what it was before (DPO's beta)."""
    loss: str = "sigmoid"
    """As TRL names them: `sigmoid` (DPO), `ipo`, `hinge`, …"""


@dataclass(frozen=True, slots=True)
class Output:
    """[output]"""

    folder: str = ""
    """Where the run is kept; empty: `runs/NAME` of the app's data folder, which the page's picker lists."""
    name: str = ""
    """The run's name; empty: the file's."""
    report: tuple[str, ...] = ("tensorboard",)
    """Trackers: `tensorboard`, `wandb`; empty for none. The PNG curves are always drawn."""


@dataclass(frozen=True, slots=True)
class Card:
    """[card]: the hardware this recipe is meant for; `--plan` works it out anew."""

    memory_gb: int = 0
    """Of one device; 0: whatever this machine has."""
    devices: int = 1


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
