"""From a model's name to a network and a tokenizer on a device. Every known way to fail is one sentence.

Safetensors are preferred; a repository that has none is read from PyTorch's own files, as data only. Code that a
repository carries is never run.
"""

from __future__ import annotations

import errno
import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from errors import ModelError

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]

_FILES = ["*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja", "*.safetensors"]
_OLD_WEIGHTS = "pytorch_model*.bin"
_NOT_WANTED = ["*/*", "consolidated*"]
"""Subfolders and second copies of the weights."""
_DTYPES = ("auto", "bfloat16", "float16", "float32")
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def fetch(model: str, progress: Progress) -> Path:
    """The folder that holds `model`: a local one, or the hub's cache, downloaded into it where need be.

    Raises `ModelError`.
    """
    if not model.strip():
        raise ModelError("No chat model is named; give a hub id like owner/name, or a local folder.")
    local = Path(model).expanduser()
    if local.is_dir():
        return local
    if local.is_file():
        raise ModelError(f"“{model}” is a file; give the folder that holds config.json, or a hub id.")
    import httpx2
    from huggingface_hub import snapshot_download

    options: dict[str, Any] = {"ignore_patterns": _NOT_WANTED, "tqdm_class": _bar(model, progress)}
    progress(f"Looking for {model}")
    try:
        folder = Path(snapshot_download(model, allow_patterns=_FILES, **options))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(model, allow_patterns=[*_FILES, _OLD_WEIGHTS], **options))
    except (OSError, ValueError, httpx2.HTTPError) as error:
        raise _not_fetched(model, error) from error
    return folder


def _bar(model: str, progress: Progress) -> type[Any]:
    """A progress bar class for the hub that reports the bytes on disk and draws nothing."""
    from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

    class ReportingBar(tqdm):  # type: ignore[misc]  # its base has no types
        monitor_interval = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"file": io.StringIO()})

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            if self.unit == "B" and self.total and str(self.desc).startswith("Reconstructing"):
                progress(f"Downloading {model}: {self.n / 1e6:,.0f} of {self.total / 1e6:,.0f} MB")

    return ReportingBar


def _not_fetched(model: str, error: Exception) -> ModelError:
    from huggingface_hub import errors as hub

    status = getattr(getattr(error.__cause__ or error, "response", None), "status_code", None)
    if isinstance(error, hub.HFValidationError):
        why = "is neither a local folder nor a hub id; give a folder that exists, or an id like owner/name."
    elif isinstance(error, hub.GatedRepoError):
        why = "is gated: accept its terms on its hub page, log in with `hf auth login`, then try again."
    elif isinstance(error, hub.RepositoryNotFoundError):
        why = "is not on the hub, or is private; check the spelling, or log in with `hf auth login`."
    elif isinstance(error.__cause__, hub.OfflineModeIsEnabled):
        why = "is not on this machine, and HF_HUB_OFFLINE forbids a download; unset it, or give a local folder."
    elif status is not None:
        why = f"cannot be downloaded: the hub answered {status}; try again later, or log in with `hf auth login`."
    elif isinstance(error, hub.LocalEntryNotFoundError):
        why = "is not on this machine and the hub cannot be reached; check the network, or give a local folder."
    elif getattr(error, "errno", None) == errno.ENOSPC:
        why = "cannot be downloaded: the disk is full; free some space, then try again."
    else:
        why = "could not be downloaded to the end; try again, and it goes on where it stopped."
    return ModelError(f"The model “{model}” {why}")


def open_config(folder: Path, name: str) -> Any:
    """The model's configuration. Raises `ModelError` when the folder holds no chat model with weights."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if not (folder / "config.json").is_file():
        raise ModelError(f"“{name}” is not a model: config.json is missing; give a hub id or a model's folder.")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, AttributeError, TypeError) as error:
        raise ModelError(f"The model “{name}” has a config.json that cannot be read; download it again.") from error
    except (ValueError, KeyError) as error:
        raise ModelError(f"The model “{name}” is of a kind this version of transformers does not know.") from error
    known = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    written_for = config.architectures or [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type, "nothing known")]
    if not known.intersection(written_for) or getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"The model “{name}” is a {written_for[0]}, which cannot chat; give a causal language model.")
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", _OLD_WEIGHTS)):
        raise ModelError(f"“{name}” holds no weights (*.safetensors or {_OLD_WEIGHTS}); download them into its folder.")
    return config


def open_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer in `folder`. Raises `ModelError` when there is none that can be used."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        usable = bool(tokenizer.encode("a", add_special_tokens=False))
    except Exception as error:  # tokenizers raise plain Exception for a damaged file
        raise ModelError(f"The model “{name}” has no tokenizer that can be read; give a folder that holds one.") from (
            error
        )
    if not usable:
        raise ModelError(f"The model “{name}” has an empty tokenizer; give a folder that holds its tokenizer.json.")
    return tokenizer


def open_net(folder: Path, name: str, config: Any, device: str, dtype: str) -> Any:
    """The network in `folder`, of the configuration `config`, on `device`: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    `auto` spreads it over the accelerators there are, and takes the CPU where there is none; `dtype` `auto` is bf16
    where the device multiplies it natively. Raises `ModelError`.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    placement = _placement(device)
    target = _dtype(dtype, on_cpu=placement is None)
    if placement is None:
        _check_memory(folder, name, config, target)
    try:
        net, loaded = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=target,
            device_map=placement,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelError(f"There is not enough memory to load “{name}”; choose a smaller model.") from error
        if isinstance(error, SafetensorError) or not isinstance(error, (OSError, ValueError, ImportError)):
            logger.exception("Loading %s failed", name)
            raise ModelError(f"The weights of “{name}” are damaged or do not fit it; download them again.") from error
        raise ModelError(f"The model “{name}” cannot be loaded: {_first_sentence(error)}") from error
    if missing := [*loaded["missing_keys"], *loaded["mismatched_keys"]]:
        raise ModelError(f"The weights of “{name}” lack {len(missing)} of its tensors; download them again.")
    if isinstance(placement, dict) and torch.device(device).type != net.device.type:
        raise ModelError(f"The model “{name}” could not be placed on “{device}”; set the device to auto or cpu.")
    return net.eval()


def _placement(device: str) -> str | dict[str, str] | None:
    """accelerate's `device_map`; None for the CPU. Raises `ModelError` for a device that is not there."""
    import torch

    if device == "auto":
        return "auto" if torch.accelerator.is_available() else None
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(f"There is no device “{device}” on this machine; set the device to auto or cpu.") from error
    return None if device == "cpu" else {"": device}


def _dtype(dtype: str, on_cpu: bool) -> Any:
    """The torch dtype that `auto`, `bfloat16`, `float16` or `float32` means here."""
    import torch

    if dtype not in _DTYPES:
        raise ModelError(f"The number format “{dtype}” is unknown; use one of {', '.join(_DTYPES)}.")
    if dtype != "auto":
        return getattr(torch, dtype)
    if on_cpu:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if native else torch.float32
    native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float16


def _check_memory(folder: Path, name: str, config: Any, dtype: Any) -> None:
    """Raise `ModelError` when the weights do not fit the free memory: the system would kill the whole app."""
    import psutil  # type: ignore[import-untyped]  # ships no types
    import torch

    if getattr(config, "quantization_config", None):
        return
    files = list(folder.glob("*.safetensors")) or list(folder.glob(_OLD_WEIGHTS))
    stored = config.dtype if isinstance(config.dtype, torch.dtype) else torch.float32
    needed = sum(file.stat().st_size for file in files) * dtype.itemsize / stored.itemsize
    free = psutil.virtual_memory().available
    if needed > free:
        raise ModelError(
            f"The model “{name}” needs {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "choose a smaller model, or run it on a GPU."
        )


def free_bytes(device: Any) -> int:
    """Free memory where `device` keeps its tensors, in bytes."""
    import psutil
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def free_gpu_bytes() -> int:
    """Free memory of the emptiest GPU, in bytes; 0 where there is none."""
    import torch

    if not torch.cuda.is_available():
        return 0
    return max(torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count()))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory, the GPU's or the machine's, ran out."""
    return isinstance(error, MemoryError) or any(phrase in str(error).lower() for phrase in _NO_MEMORY)


def _first_sentence(error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"{line[:200].rstrip('.')}."
