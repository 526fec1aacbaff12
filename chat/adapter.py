"""LoRA adapters: merged into a model's weights, or beside them in a second network that shares them.

    merge(net, read(fetch("owner/lora"), "owner/lora"), "owner/base", quantised=False)   # changes `net`
    beside(net, read(folder, "my-run"), "owner/base")                                    # leaves `net` as it is

Merged, an adapter costs nothing afterwards. Beside, it costs two small products in each layer that it changes, and no
memory but its own; the base goes on as it was, so that people can chat with both and go back without reading anything.
Only the data of an adapter is read (adapter_config.json, adapter_model.safetensors); code in it is never run.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat import on_disk
from chat.hub import ADAPTER, Progress, download, silent
from errors import ModelError

logger = logging.getLogger(__name__)

_NAME = "adapter"
_PREFIX = "base_model.model."
"""What every name in an adapter's file begins with."""
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""The files of an adapter."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that was read, whole and a LoRA."""

    name: str
    """How people know it."""
    folder: Path
    base: str
    """The model it was made for, as its configuration names it."""
    tensors: dict[str, Any]


def fetch(adapter: str, progress: Progress = silent) -> Path:
    """The folder that holds `adapter`: a local one, or the hub's cache. Raises `ModelError` for what is no LoRA."""
    folder = on_disk.folder(adapter) or download(adapter, [CONFIG, WEIGHTS], progress, what=ADAPTER)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(
                f"“{adapter}” is not an adapter: {name} is missing; give a LoRA adapter's hub id or folder.",
                zh=f"“{adapter}”不是适配器：缺少 {name}；请给出 LoRA 适配器在 Hugging Face 上的名称，或其文件夹。",
            )
    config_of(folder, adapter)
    return folder


def config_of(folder: Path, name: str) -> dict[str, Any]:
    """What the adapter in `folder` says of itself. Raises `ModelError` when that cannot be read or is no LoRA."""
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(
            f"The adapter “{name}” has an {CONFIG} that cannot be read; download it again.",
            zh=f"适配器“{name}”的 {CONFIG} 无法读取；请重新下载。",
        ) from error
    config = said if isinstance(said, dict) else {}
    kind = config.get("peft_type") or ""
    if kind != "LORA":
        raise ModelError(
            f"The adapter “{name}” has the peft_type “{kind}”; only LoRA can be merged into a model, so give such one.",
            zh=f"适配器“{name}”的 peft_type 为“{kind}”，而只有 LoRA 适配器能并入模型；请给出 LoRA 适配器。",
        )
    if whole := config.get("modules_to_save"):
        raise ModelError(
            f"The adapter “{name}” also replaces whole layers ({', '.join(map(str, whole))}), which is not supported; "
            "train it without modules_to_save.",
            zh=f"适配器“{name}”还替换了整层（{'、'.join(map(str, whole))}），这不受支持；请不用 modules_to_save 训练。",
        )
    return config


def read(folder: Path, name: str) -> Adapter:
    """The adapter in `folder`, with its weights. Raises `ModelError` when they are damaged or it is no LoRA."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = config_of(folder, name)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"The weights of the adapter “{name}” are damaged; download them again.",
            zh=f"适配器“{name}”的权重已损坏；请重新下载。",
        ) from error
    return Adapter(name, folder, str(config.get("base_model_name_or_path") or "?"), tensors)


def put_on(net: Any, adapter: Adapter, model: str) -> Any:
    """Put the adapter beside the weights of `net`, whose layers it changes; returns PEFT's handle to it.

    Raises `ModelError` when the adapter was made for another model, or lacks weights.
    """
    from peft import LoraModel, PeftConfig
    from peft.utils import set_peft_model_state_dict

    folder, base = adapter.folder, shown(adapter.base)
    unfit = ModelError(
        f"The adapter “{adapter.name}” was made for “{base}” and does not fit “{model}”; choose the model it was made "
        "for.",
        zh=f"适配器“{adapter.name}”是为“{base}”制作的，不适用于“{model}”；请选用它对应的模型。",
    )
    try:
        adapted = LoraModel(net, PeftConfig.from_pretrained(folder), _NAME)
        given = {name.removeprefix(_PREFIX): tensor for name, tensor in adapter.tensors.items()}
        done = set_peft_model_state_dict(net, given, _NAME)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        logger.warning("Adapter %s: %s", adapter.name, error)
        raise unfit from error
    missing = [key for key in done.missing_keys if "lora_" in key]
    if missing or done.unexpected_keys:
        logger.warning("Adapter %s: missing %s, unexpected %s", adapter.name, missing[:3], done.unexpected_keys[:3])
        raise unfit
    if base != model:
        logger.info("The adapter %s was made for %s and is put on %s", adapter.name, base, model)
    return adapted


def merge(net: Any, adapter: Adapter, model: str, quantised: bool) -> Any:
    """`net` with the adapter merged into its weights; beside them where those are quantised. Raises as `put_on`."""
    adapted = put_on(net, adapter, model)
    # Quantised weights would be rounded a second time; the adapter stays in 16 bits beside them.
    return net if quantised else adapted.merge_and_unload(safe_merge=True)


def beside(net: Any, adapter: Adapter, model: str) -> Any:
    """A second network with the adapter beside its weights, which are `net`'s own; `net` stays as it is.

    Raises as `put_on`, and where weights of `net` are not all in the memory of their devices.
    """
    if any(weight.is_meta for weight in net.parameters()):
        raise ModelError(
            f"The adapter “{adapter.name}” cannot be put beside “{model}”, part of which lies in RAM or on disk until "
            "it is needed; start with --adapter, or let the GPU take all of it.",
            zh=f"“{model}”有一部分要用时才从内存或磁盘读入，适配器“{adapter.name}”无法附在它旁边；请在启动时用 "
            "--adapter，或让 GPU 放下它的全部。",
        )
    twin = twin_of(net)
    with _only_names(twin):
        put_on(twin, adapter, model)
    return twin.eval()


@contextmanager
def _only_names(net: Any) -> Iterator[None]:
    """Inside, a state dict of `net` is made without touching it.

    PEFT asks for one to learn its names, and bitsandbytes packs 4-bit weights anew for one, with a loss, while others
    read them.
    """
    import torch

    plain = torch.nn.Module._save_to_state_dict
    special = [module for module in net.modules() if type(module)._save_to_state_dict is not plain]
    for module in special:
        module._save_to_state_dict = functools.partial(plain, module)
    try:
        yield
    finally:
        for module in special:
            del module._save_to_state_dict


def twin_of(net: Any) -> Any:
    """A network of its own whose every tensor is the very one of `net`."""
    import torch

    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())}
    for module in net.modules():
        # Of 8-bit layers the weights are kept in a state beside the module, too.
        for holder in (module, *vars(module).values()):
            tensors = (value for value in getattr(holder, "__dict__", {}).values() if isinstance(value, torch.Tensor))
            shared |= {id(tensor): tensor for tensor in tensors}
    return copy.deepcopy(net, shared)


def shown(model: str) -> str:
    """A model's name without the folders before it: what visitors may read."""
    return Path(model).name if Path(model).is_absolute() or on_disk.folder(model) else model
