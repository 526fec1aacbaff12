"""A LoRA adapter merged into a model's weights, so that it costs nothing afterwards and batches like any other.

Only the data of an adapter is read (adapter_config.json, adapter_model.safetensors); code in it is never run.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from chat.hub import ADAPTER, Progress, download, silent
from errors import ModelError

logger = logging.getLogger(__name__)

_NAME = "adapter"
_PREFIX = "base_model.model."
"""What every name in an adapter's file begins with."""
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def fetch(adapter: str, progress: Progress = silent) -> Path:
    """The folder that holds `adapter`: a local one, or the hub's cache. Raises `ModelError` for what is no LoRA."""
    local = Path(adapter).expanduser()
    folder = local if local.is_dir() else download(adapter, [_CONFIG, _WEIGHTS], progress, what=ADAPTER)
    for name in (_CONFIG, _WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(
                f"“{adapter}” is not an adapter: {name} is missing; give a LoRA adapter's hub id or folder.",
                zh=f"“{adapter}”不是适配器：缺少 {name}；请给出 LoRA 适配器在 Hugging Face 上的名称，或其文件夹。",
            )
    kind = _read(folder, adapter).get("peft_type")
    if kind != "LORA":
        raise ModelError(
            f"The adapter “{adapter}” is a {kind}; only LoRA adapters can be merged into a model, so give one.",
            zh=f"适配器“{adapter}”是 {kind}，而只有 LoRA 适配器能并入模型；请给出 LoRA 适配器。",
        )
    return folder


def _read(folder: Path, adapter: str) -> dict[str, Any]:
    try:
        said = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"The adapter “{adapter}” has an {_CONFIG} that cannot be read; download it again.",
            zh=f"适配器“{adapter}”的 {_CONFIG} 无法读取；请重新下载。",
        ) from error
    return said if isinstance(said, dict) else {}


def merge(net: Any, folder: Path, adapter: str, model: str, quantised: bool) -> Any:
    """`net` with the adapter in `folder` merged into its weights; beside them where those are quantised.

    Raises `ModelError` when the adapter was made for another model, or lacks weights.
    """
    from peft import LoraModel, PeftConfig
    from peft.utils import set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    base = _read(folder, adapter).get("base_model_name_or_path") or "?"
    unfit = ModelError(
        f"The adapter “{adapter}” was made for “{base}” and does not fit “{model}”; choose the model it was made for.",
        zh=f"适配器“{adapter}”是为“{base}”制作的，不适用于“{model}”；请选用它对应的模型。",
    )
    try:
        tensors = load_file(folder / _WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"The weights of the adapter “{adapter}” are damaged; download them again.",
            zh=f"适配器“{adapter}”的权重已损坏；请重新下载。",
        ) from error
    try:
        adapted = LoraModel(net, PeftConfig.from_pretrained(folder), _NAME)
        done = set_peft_model_state_dict(net, {name.removeprefix(_PREFIX): t for name, t in tensors.items()}, _NAME)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        logger.warning("Adapter %s: %s", adapter, error)
        raise unfit from error
    missing = [key for key in done.missing_keys if "lora_" in key]
    if missing or done.unexpected_keys:
        logger.warning("Adapter %s: missing %s, unexpected %s", adapter, missing[:3], done.unexpected_keys[:3])
        raise unfit
    if base != model:
        logger.info("The adapter %s was made for %s and is merged into %s", adapter, base, model)
    # Quantised weights would be rounded a second time; the adapter stays in 16 bits beside them.
    return net if quantised else adapted.merge_and_unload(safe_merge=True)
