"""The model that a recipe teaches: its tokenizer and prompt format first, its weights when there is something to learn.

    base = open_base(recipe, progress)      # no weights yet
    net = network(recipe, base, progress)   # on this process's device, with the adapter that is trained

Fetching and reading are `chat.weights`': safetensors preferred, code that a repository carries is never run.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat import adapter, catalogue, on_disk, weights
from chat.formats import format_of
from chat.hub import Progress, download
from chat.placement import Placement
from errors import InputError, ModelError
from finetune.config import Recipe
from finetune.masking import Encoder, check_format, encoder
from finetune.place import check_numbers, has_bfloat16

logger = logging.getLogger(__name__)

_ADAPTER = "default"
_TOKENIZER = ("*.json", "*.model", "*.jinja", "*.txt")
"""Files of a model that its tokenizer is read from."""
_LAUNCHED = {"none": "ddp", "fsdp": "fsdp2", "zero3": "zero3"}
"""`card.sharding` → accelerate's configuration for it."""


@dataclass(frozen=True, slots=True)
class Base:
    """What is known of a model before its weights are read."""

    name: str
    folder: Path
    config: Any
    tokenizer: Any
    format: str
    """A key of `chat.formats.FORMATS`."""
    adapter: Path | None
    """The folder of the adapter that training goes on from."""


def open_base(recipe: Recipe, progress: Progress) -> Base:
    """Raises `ModelError` or `InputError` where the model, its tokenizer or the adapter cannot be used."""
    name = recipe.model.base
    folder = weights.fetch(name, progress)
    config = weights.open_config(folder, name)
    tokenizer = weights.open_tokenizer(folder, name)
    format = _format(name, recipe.model.format, tokenizer, config.model_type)
    reads = getattr(config.get_text_config(), "max_position_embeddings", None)
    if reads and recipe.data.length > reads:
        raise InputError(
            f"data.length is {recipe.data.length:,} tokens and “{name}” reads {reads:,} at once; set it to {reads} or "
            "less.",
            zh=f"data.length 为 {recipe.data.length:,} 个词元，而“{name}”一次只能读 {reads:,} 个；"
            f"请设为 {reads} 或更小。",
        )
    adapted = adapter.fetch(recipe.model.adapter, progress) if recipe.model.adapter else None
    if adapted is not None:
        _check_made_for(adapted, recipe)
    return Base(name, folder, config, tokenizer, format, adapted)


def open_encoder(model: str, format: str, progress: Progress) -> Encoder:
    """The encoder of a model, of which nothing but tokenizer and configuration is fetched. Raises `AppError`.

    An empty `format` is the one that the app would write for the model.
    """
    folder = on_disk.folder(model) or download(model, _TOKENIZER, progress)
    tokenizer = weights.open_tokenizer(folder, model)
    return encoder(tokenizer, _format(model, format, tokenizer, weights.read_config(folder, model).model_type))


def _format(model: str, wanted: str, tokenizer: Any, model_type: str) -> str:
    """The wanted format, or the one that the app would write. Raises `InputError` as `check_format`."""
    known = catalogue.find(model)
    format = wanted or (known.format if known else format_of(tokenizer, model_type))
    check_format(tokenizer, format, model)
    return format


def _check_made_for(folder: Path, recipe: Recipe) -> None:
    """Raise `InputError` when an adapter names another base; a model's folder counts by its name."""
    base = str(adapter.config_of(folder, recipe.model.adapter).get("base_model_name_or_path") or "")
    if base and Path(base).name.casefold() != Path(recipe.model.base).name.casefold():
        raise InputError(
            f"The adapter “{recipe.model.adapter}” was made for “{base}”, not for “{recipe.model.base}”; set "
            "model.base to that, or choose another adapter.",
            zh=f"适配器“{recipe.model.adapter}”是为“{base}”制作的，不是“{recipe.model.base}”；请把 "
            "model.base 设为前者，或换一个适配器。",
        )


def is_sharded() -> bool:
    """Whether the processes share one model's weights, instead of each having its own."""
    from accelerate import PartialState

    return PartialState().distributed_type.value in ("FSDP", "DEEPSPEED")


def network(recipe: Recipe, base: Base, progress: Progress) -> Any:
    """The network with what is trained switched on: every weight, or a LoRA adapter, new or the one that is named.

    Raises `ModelError` or `InputError`.
    """
    import torch
    from accelerate import PartialState

    state = PartialState()
    sharded = is_sharded()
    _check_device(recipe, state, sharded)
    placement = Placement(
        device="cpu" if sharded else str(state.device),
        dtype=recipe.model.dtype,
        quantisation="4bit" if recipe.method.kind == "qlora" else "none",
    )
    net = weights.open_net(base.folder, base.name, base.config, placement, progress)
    # Whatever is written names the model as the recipe does, not a folder of this machine's cache.
    net.name_or_path = net.config._name_or_path = base.name
    if recipe.method.kind == "full":
        return net.requires_grad_(True)
    torch.manual_seed(recipe.training.seed)
    return new_adapter(net, recipe) if base.adapter is None else _given_adapter(net, recipe, base.adapter)


def _check_device(recipe: Recipe, state: Any, sharded: bool) -> None:
    import torch

    check_numbers(recipe, state.device.type, has_bfloat16(state.device.type))
    gpus = torch.cuda.device_count()
    launch = f"`accelerate launch --config_file finetune/accelerate/{_LAUNCHED[recipe.card.sharding]}.yaml -m …`"
    if gpus > 1 and state.num_processes == 1:
        raise InputError(
            f"This machine has {gpus} GPUs and one process was started; start it with {launch}, or show it one GPU "
            "with CUDA_VISIBLE_DEVICES=0.",
            zh=f"本机有 {gpus} 块 GPU，而只启动了一个进程；请用 {launch} 启动，或用 CUDA_VISIBLE_DEVICES=0 "
            "只显示一块。",
        )
    if recipe.card.sharded and not sharded:
        raise InputError(
            f"By card.sharding {recipe.card.sharding} the devices share the weights, and here each process would hold "
            f"them all; start it with {launch}, or use --set card.sharding=none.",
            zh=f"card.sharding 为 {recipe.card.sharding} 时各设备分担权重，而这里每个进程都会持有全部权重；请用 "
            f"{launch} 启动，或用 --set card.sharding=none。",
        )
    if sharded and recipe.method.kind == "qlora":
        raise InputError(
            "method.kind qlora keeps 4-bit weights whole on each device, which FSDP and ZeRO-3 would cut up; use "
            "finetune/accelerate/ddp.yaml, or method.kind lora.",
            zh="method.kind qlora 在每个设备上保留完整的 4 位权重，不能由 FSDP 或 ZeRO-3 切分；请用 "
            "finetune/accelerate/ddp.yaml，或 method.kind lora。",
        )


def new_adapter(net: Any, recipe: Recipe, widened: bool = True) -> Any:
    """`net` with a new LoRA adapter in its layers, in float32 where `widened`, else in the numbers of the weights.

    Raises `InputError` where it has no layers of the names that the recipe gives, or one is the output layer: the
    losses multiply by that layer's weights themselves, and would leave an adapter of it out.
    """
    from peft import LoraConfig, get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    targets = recipe.method.targets
    config = LoraConfig(
        r=recipe.method.rank,
        lora_alpha=recipe.method.alpha,
        lora_dropout=recipe.method.dropout,
        target_modules=targets[0] if targets == ("all-linear",) else list(targets),
        task_type="CAUSAL_LM",
    )
    try:
        adapted = get_peft_model(net, config, autocast_adapter_dtype=widened)
    except ValueError as error:
        logger.warning("Adding the adapter failed: %s", error)
        asked, there = ", ".join(targets), ", ".join(_linear(net))
        raise InputError(
            f"method.targets is {asked}, and “{recipe.model.base}” has no such layers; it has {there}, or use "
            "all-linear.",
            zh=f"method.targets 为 {asked}，而“{recipe.model.base}”没有这些层；它有 {there}，也可用 all-linear。",
        ) from error
    if isinstance(adapted.get_output_embeddings(), BaseTunerLayer):
        raise InputError(
            f"method.targets is {', '.join(targets)}, and one of these is the output layer, which takes no adapter; "
            "leave it out.",
            zh=f"method.targets 为 {', '.join(targets)}，其中之一是输出层，不能加适配器；请去掉它。",
        )
    return adapted


def _linear(net: Any) -> list[str]:
    """Last names of the linear layers, the output layer left out."""
    output = net.get_output_embeddings()
    names = [
        name.rpartition(".")[2]
        for name, module in net.named_modules()
        if module is not output and re.search("Linear|Conv1D", type(module).__name__)
    ]
    return sorted(set(names))


def _given_adapter(net: Any, recipe: Recipe, folder: Path) -> Any:
    """The network with an adapter in its place that is trained further. Raises `ModelError` where it does not fit."""
    from peft import PeftConfig, PeftModelForCausalLM
    from peft.utils import set_peft_model_state_dict

    tensors = adapter.read(folder, recipe.model.adapter).tensors
    unfit = ModelError(
        f"The adapter “{recipe.model.adapter}” does not fit “{recipe.model.base}”; set model.base to the model it was "
        "made for.",
        zh=f"适配器“{recipe.model.adapter}”不适用于“{recipe.model.base}”；请把 model.base 设为它对应的模型。",
    )
    try:
        config = PeftConfig.from_pretrained(folder)
        config.inference_mode = False
        config.base_model_name_or_path = recipe.model.base
        adapted = PeftModelForCausalLM(net, config, _ADAPTER)
        done = set_peft_model_state_dict(adapted, tensors, _ADAPTER)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        logger.warning("Adapter %s: %s", recipe.model.adapter, error)
        raise unfit from error
    if done.unexpected_keys or any("lora_" in key for key in done.missing_keys):
        raise unfit
    return adapted
