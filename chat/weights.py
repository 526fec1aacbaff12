"""From a model's name to a network and a tokenizer on a device. Every known way to fail is one sentence.

Safetensors are preferred; a repository that has none is read from PyTorch's own files, as data only. Code that a
repository carries is never run.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from chat import adapter, catalogue, fit
from chat.hub import Progress, download, silent
from chat.memory import Load, anatomy
from chat.on_disk import there
from chat.placement import Placement, check, kind_of_device, loading_options, torch_dtype
from errors import ModelError

logger = logging.getLogger(__name__)

_CONFIG = "config.json"
_FILES = ["*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja", "*.safetensors"]
_OLD_WEIGHTS = "pytorch_model*.bin"
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
_SHORT = 512
"""Tokens of the shortest conversation worth loading a model for."""


def fetch(model: str, progress: Progress) -> Path:
    """The folder that holds `model`: a local one, or the hub's cache, downloaded into it where need be.

    Raises `ModelError`.
    """
    local = _local(model)
    if local is not None:
        return local
    folder = download(model, _FILES, progress)
    if not any(folder.glob("*.safetensors")):
        folder = download(model, [*_FILES, _OLD_WEIGHTS], progress)
    return folder


def config_of(model: str, progress: Progress = silent) -> Any:
    """The configuration of a hub id or a local folder, before its weights are there: only config.json is downloaded.

    Raises `ModelError`.
    """
    local = _local(model)
    name = local.name if local is not None else model
    return read_config(download(model, [_CONFIG], progress) if local is None else local, name)


def _local(model: str) -> Path | None:
    """The folder that is named; None for a hub id. Raises `ModelError` for what is neither."""
    if not model.strip():
        raise ModelError(
            "No chat model is named; give a hub id like owner/name, or a local folder.",
            zh="没有给出聊天模型的名称；请给出 Hugging Face 上形如 owner/name 的名称，或本地文件夹。",
        )
    local = there(model)
    if local is not None and local.is_file():
        raise ModelError(
            f"“{model}” is a file; give the folder that holds {_CONFIG}, or a hub id.",
            zh=f"“{model}”是文件；请给出含有 {_CONFIG} 的文件夹，或 Hugging Face 上的名称。",
        )
    return local if local is not None and local.is_dir() else None


def forecast(model: str, placement: Placement, users: int, context: int, progress: Progress = silent) -> str:
    """What `model` needs for `users` conversations of `context` tokens and what is free, before it is downloaded.

    Raises `ModelError` when the settings contradict each other, there is no such model, or it cannot run here.
    """
    check(placement)
    local = _local(model)
    known = catalogue.find(model) if local is None else None
    config = known.configuration() if known else config_of(model, progress)
    return _fit(local.name if local else model, config, placement, users, context)


def open_config(folder: Path, name: str) -> Any:
    """The configuration of a model whose weights are in `folder`. Raises `ModelError` when there are none."""
    config = read_config(folder, name)
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", _OLD_WEIGHTS)):
        raise ModelError(
            f"“{name}” holds no weights (*.safetensors or {_OLD_WEIGHTS}); download them into its folder.",
            zh=f"“{name}”没有权重（*.safetensors 或 {_OLD_WEIGHTS}）；请把权重下载到它的文件夹中。",
        )
    return config


def read_config(folder: Path, name: str) -> Any:
    """The configuration in `folder`. Raises `ModelError` when it is not a causal language model's."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if not (folder / _CONFIG).is_file():
        raise ModelError(
            f"“{name}” is not a model: {_CONFIG} is missing; give a hub id or a model's folder.",
            zh=f"“{name}”不是模型：缺少 {_CONFIG}；请给出 Hugging Face 上的名称，或模型的文件夹。",
        )
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, AttributeError, TypeError) as error:
        raise ModelError(
            f"The model “{name}” has a {_CONFIG} that cannot be read; download it again.",
            zh=f"模型“{name}”的 {_CONFIG} 无法读取；请重新下载。",
        ) from error
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"The model “{name}” is of a kind this version of transformers does not know; choose another model.",
            zh=f"当前版本的 transformers 不认识模型“{name}”的类型；请换一个模型。",
        ) from error
    known = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    written_for = config.architectures or [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type, "nothing known")]
    # Of a model that also sees pictures the part for text is loaded (Llama Guard 4).
    sees = config.get_text_config() is not config and config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    reads = known.intersection(written_for) or (sees and written_for[0].endswith("ForConditionalGeneration"))
    if not reads or getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"The model “{name}” is a {written_for[0]}, which cannot chat; give a causal language model.",
            zh=f"模型“{name}”是 {written_for[0]}，不能聊天；请给出因果语言模型。",
        )
    return config


def open_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer in `folder`. Raises `ModelError` when there is none that can be used."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        usable = bool(tokenizer.encode("a", add_special_tokens=False))
    except Exception as error:  # tokenizers raise plain Exception for a damaged file
        raise ModelError(
            f"The model “{name}” has no tokenizer that can be read; give a folder that holds one.",
            zh=f"模型“{name}”没有可读取的分词器；请给出含有分词器的文件夹。",
        ) from error
    if not usable:
        raise ModelError(
            f"The model “{name}” has an empty tokenizer; give a folder that holds its tokenizer.json.",
            zh=f"模型“{name}”的分词器是空的；请给出含有其 tokenizer.json 的文件夹。",
        )
    return tokenizer


def open_net(folder: Path, name: str, config: Any, placement: Placement, progress: Progress = silent) -> Any:
    """The network in `folder`, of the configuration `config`, placed as chosen, its adapter merged.

    Raises `ModelError`.
    """
    from transformers import AutoModelForCausalLM

    options = loading_options(placement)
    named = placement.adapter
    adapted = adapter.read(adapter.fetch(named, progress), named) if named else None
    _fit(name, config, placement, users=1, context=_SHORT)
    try:
        net, loaded = AutoModelForCausalLM.from_pretrained(
            folder, config=config, trust_remote_code=False, output_loading_info=True, **options
        )
    except Exception as error:
        raise _not_loaded(error, folder, name, placement) from error
    if missing := [*loaded["missing_keys"], *loaded["mismatched_keys"]]:
        raise ModelError(
            f"The weights of “{name}” lack {len(missing)} of its tensors; download them again.",
            zh=f"“{name}”的权重缺少 {len(missing)} 个张量；请重新下载。",
        )
    _check_placed(net, name, placement)
    if adapted is not None:
        net = adapter.merge(net, adapted, name, placement.quantised)
    return net.eval()


def _not_loaded(error: Exception, folder: Path, name: str, placement: Placement) -> ModelError:
    """Why weights could not be read, in one sentence."""
    from safetensors import SafetensorError

    if is_out_of_memory(error):
        return ModelError(
            f"There is not enough memory to load “{name}”; choose a smaller model.",
            zh=f"内存不足，无法加载“{name}”；请选用更小的模型。",
        )
    if isinstance(error, SafetensorError) or not isinstance(error, (OSError, ValueError, ImportError)):
        logger.error("Loading %s failed", name, exc_info=error)
        return ModelError(
            f"The weights of “{name}” are damaged or do not fit it; download them again.",
            zh=f"“{name}”的权重已损坏或与它不符；请重新下载。",
        )
    if placement.quantised and "on the CPU or the disk" in str(error):
        return ModelError(
            f"The model “{name}” does not fit the GPU memory it may take with --quantisation {placement.quantisation}; "
            "raise --max-memory, or choose a smaller model.",
            zh=f"以 --quantisation {placement.quantisation} 加载模型“{name}”，可用的 GPU 显存不够；"
            "请调高 --max-memory，或选用更小的模型。",
        )
    reason = _first_sentence(error).replace(str(folder), name)
    return ModelError(
        f"The model “{name}” cannot be loaded ({reason}); mend that, or choose another model.",
        zh=f"无法加载模型“{name}”（{reason}）；请排除此问题，或换一个模型。",
    )


def _fit(name: str, config: Any, placement: Placement, users: int, context: int) -> str:
    """What the model needs and what is free. Raises `ModelError` when it cannot run here: the app would be killed."""
    if placement.quantised and getattr(config, "quantization_config", None):
        raise ModelError(
            f"The model “{name}” was published quantised, so --quantisation {placement.quantisation} contradicts it; "
            "set the quantisation to none.",
            zh=f"模型“{name}”发布时已经量化，与 --quantisation {placement.quantisation} 矛盾；请把量化设为 none。",
        )
    try:
        counted = anatomy(config)
    except Exception as error:  # transformers checks configurations in many ways
        logger.exception("Building %s from its configuration failed", name)
        kind = type(error).__name__
        raise ModelError(
            f"The model “{name}” cannot be built from its {_CONFIG} ({kind}); download it again.",
            zh=f"无法按 {_CONFIG} 构建模型“{name}”（{kind}）；请重新下载。",
        ) from error
    declared = getattr(config.get_text_config(), "max_position_embeddings", None) or context
    dtype = str(torch_dtype(placement)).removeprefix("torch.")
    load = Load(users, min(context, declared), dtype, placement.quantisation)
    return fit.check(name, counted, load, fit.look(placement))


def free_bytes(net: Any) -> int:
    """Free memory where a network lies, in bytes: of its accelerators together, or the machine's.

    What torch holds on a GPU without using it, a model's that was exchanged for one, is free too.
    """
    import psutil
    import torch

    gpus = {tensor.device for tensor in net.parameters() if tensor.device.type == "cuda"}
    if gpus:
        unused = sum(torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu) for gpu in gpus)
        return unused + sum(int(torch.cuda.mem_get_info(gpu)[0]) for gpu in gpus)
    return int(psutil.virtual_memory().available)


def _check_placed(net: Any, name: str, placement: Placement) -> None:
    """Raise `ModelError` when the network did not come to lie where it was meant to."""
    places = {str(place) for place in getattr(net, "hf_device_map", {}).values()}
    if "disk" in places and placement.offload_dir is None:
        raise ModelError(
            f"The model “{name}” does not fit the memory that it may take; raise --max-memory, or name a folder for "
            "the rest with --offload-dir.",
            zh=f"模型“{name}”超出了允许使用的内存；请调高 --max-memory，或用 --offload-dir 为其余部分指定文件夹。",
        )
    if placement.adapter and "disk" in places:
        raise ModelError(
            f"The model “{name}” lies partly on disk, where no adapter can be merged into it; leave --adapter out, or "
            "choose a smaller model.",
            zh=f"模型“{name}”有一部分在磁盘上，无法并入适配器；请去掉 --adapter，或选用更小的模型。",
        )
    if not placement.spreads and kind_of_device(placement) != net.device.type:
        raise ModelError(
            f"The model “{name}” could not be placed on “{placement.device}”; set the device to auto or cpu.",
            zh=f"无法把模型“{name}”放到“{placement.device}”上；请把设备设为 auto 或 cpu。",
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory, the GPU's or the machine's, ran out."""
    return isinstance(error, MemoryError) or any(phrase in str(error).lower() for phrase in _NO_MEMORY)


def _first_sentence(error: Exception) -> str:
    """Without its full stop."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line[:200].rstrip(".")
