"""Where a model's weights lie and in which numbers: devices, memory caps, disk, 8 and 4 bits, a LoRA adapter.

    AutoModelForCausalLM.from_pretrained(folder, **loading_options(Placement(device="cpu", dtype="bfloat16")))

OpenChatKit's `-g 0:20 1:20 -r 64` is `max_memory=((0, 20.0), (1, 20.0), ("cpu", 64.0))`. What contradicts itself
or this machine is refused with one sentence that names the settings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.bilingual import Bilingual
from errors import ModelError

logger = logging.getLogger(__name__)

DTYPES = ("auto", "bfloat16", "float16", "float32")
QUANTISATIONS = ("none", "8bit", "4bit")
ZEROGPU = "zerogpu"
"""The device of a network that lies in RAM and is moved to a GPU lent for one answer (`chat.zerogpu`)."""
_GIB = 2**30
_ROOM_FOR_THE_REST = 0.9
"""Part of a device's free memory that weights may take where no cap says otherwise."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The operator's choice. `loading_options` turns it into what transformers and accelerate take."""

    device: str = "auto"
    """`auto` (every accelerator there is, else the CPU), `cpu`, `cuda`, `cuda:1`, `mps` or `ZEROGPU`."""
    dtype: str = "auto"
    """One of `DTYPES`; `auto` is bf16 where the device multiplies it natively."""
    quantisation: str = "none"
    """One of `QUANTISATIONS`; through bitsandbytes."""
    max_memory: tuple[tuple[int | str, float], ...] = ()
    """Caps in GiB, by GPU number or "cpu". Once a GPU is named, those not named are left alone."""
    offload_dir: Path | None = None
    """Where weights go that fit neither GPUs nor RAM; without it they are refused."""
    adapter: str = ""
    """Hub id or folder of a LoRA adapter that is merged into the weights."""

    @property
    def quantised(self) -> bool:
        return self.quantisation != "none"

    @property
    def lent(self) -> bool:
        """Whether its GPU is lent for one answer at a time. Until then there is none, nor may CUDA be asked for one."""
        return self.device == ZEROGPU

    @property
    def spreads(self) -> bool:
        """Whether accelerate may divide the weights over several devices."""
        return self.device == "auto" or bool(self.max_memory) or self.offload_dir is not None

    @property
    def gpus(self) -> tuple[int, ...]:
        """The GPUs that caps name."""
        return tuple(sorted(place for place, _ in self.max_memory if isinstance(place, int)))

    def cap(self, place: int | str) -> int | None:
        """The cap of a GPU or of "cpu", in bytes."""
        return next((int(gib * _GIB) for name, gib in self.max_memory if name == place), None)


_CONTRADICTIONS: tuple[tuple[Callable[[Placement], bool], Bilingual], ...] = (
    (
        lambda p: p.dtype not in DTYPES,
        Bilingual(
            f"The number format “{{dtype}}” is unknown; use one of {', '.join(DTYPES)}.",
            zh=f"未知的数值格式“{{dtype}}”；请从 {'、'.join(DTYPES)} 中选一个。",
        ),
    ),
    (
        lambda p: p.quantisation not in QUANTISATIONS,
        Bilingual(
            f"The quantisation “{{quantisation}}” is unknown; use one of {', '.join(QUANTISATIONS)}.",
            zh=f"未知的量化方式“{{quantisation}}”；请从 {'、'.join(QUANTISATIONS)} 中选一个。",
        ),
    ),
    (
        lambda p: p.quantised and p.dtype == "float32",
        Bilingual(
            "--dtype float32 and --quantisation {quantisation} contradict each other, since quantised weights are "
            "multiplied in 16 bits; leave one of them out.",
            zh="--dtype float32 与 --quantisation {quantisation} 矛盾：量化后的权重以 16 位相乘；请去掉其中一个。",
        ),
    ),
    (
        lambda p: p.quantised and p.offload_dir is not None,
        Bilingual(
            "--offload-dir and --quantisation {quantisation} contradict each other, since quantised weights cannot lie "
            "on disk; leave one of them out.",
            zh="--offload-dir 与 --quantisation {quantisation} 矛盾：量化后的权重不能放在磁盘上；请去掉其中一个。",
        ),
    ),
    (
        lambda p: p.quantised and p.device != "cpu" and p.cap("cpu") is not None,
        Bilingual(
            "--max-memory gives “cpu” a share and --quantisation is {quantisation}, but quantised weights cannot be "
            "split between GPU and CPU; leave cpu out of the caps.",
            zh="--max-memory 给“cpu”分了一份，而 --quantisation 为 {quantisation}，量化后的权重不能分放在 GPU 和 "
            "CPU 上；请从内存上限中去掉 cpu。",
        ),
    ),
    (
        lambda p: bool(p.adapter) and p.offload_dir is not None,
        Bilingual(
            "--adapter and --offload-dir contradict each other, since an adapter is merged into the weights and those "
            "on disk cannot be changed; leave one of them out.",
            zh="--adapter 与 --offload-dir 矛盾：适配器要并入权重，而磁盘上的权重不能改动；请去掉其中一个。",
        ),
    ),
    (
        lambda p: bool(p.gpus) and p.device in ("cpu", "mps"),
        Bilingual(
            "--max-memory names a GPU by its number and --device is {device}; leave one of them out.",
            zh="--max-memory 按编号指定了 GPU，而 --device 为 {device}；请去掉其中一个。",
        ),
    ),
    (
        lambda p: p.device.startswith("cuda:") and bool(p.gpus) and [p.device] != [f"cuda:{gpu}" for gpu in p.gpus],
        Bilingual(
            "--max-memory names other GPUs than --device {device}; name the same one, or set the device to auto.",
            zh="--max-memory 指定的 GPU 与 --device {device} 不同；请指定同一个，或把设备设为 auto。",
        ),
    ),
    (
        lambda p: p.lent and p.quantised,
        Bilingual(
            "--quantisation {quantisation} does not go with ZeroGPU, which lends GPUs after the weights were loaded; "
            "set it to none, or choose other hardware for the Space.",
            zh="--quantisation {quantisation} 不能与 ZeroGPU 同用，因为权重载入之后才借到 GPU；"
            "请设为 none，或为 Space 选择其他硬件。",
        ),
    ),
    (
        lambda p: p.lent and (bool(p.max_memory) or p.offload_dir is not None),
        Bilingual(
            "--max-memory and --offload-dir do not go with ZeroGPU, which lends one GPU for a whole model; leave them "
            "out, or choose other hardware for the Space.",
            zh="--max-memory 与 --offload-dir 不能与 ZeroGPU 同用，它为整个模型借出一块 GPU；"
            "请去掉它们，或为 Space 选择其他硬件。",
        ),
    ),
)
"""What cannot be, and what is said of it."""


def check(placement: Placement) -> None:
    """Raise `ModelError` for what contradicts itself, is not installed, or is not on this machine."""
    import torch

    for wrong, sentence in _CONTRADICTIONS:
        if wrong(placement):
            says = sentence.filled(dtype=placement.dtype, quantisation=placement.quantisation, device=placement.device)
            raise ModelError(says, zh=says.told("zh"))
    if placement.device != "auto" and not placement.lent:
        _check_device(placement.device)
    there = torch.cuda.device_count()
    if missing := [gpu for gpu in placement.gpus if gpu >= there]:
        raise _no_gpu(missing[0], there)
    if placement.quantised:
        _check_bitsandbytes(placement)


def _no_gpu(number: int, there: int) -> ModelError:
    if not there:
        return ModelError(
            f"--max-memory names GPU {number} and this machine has no CUDA GPU; leave it out of the caps.",
            zh=f"--max-memory 指定了 GPU {number}，而本机没有 CUDA GPU；请从内存上限中去掉它。",
        )
    return ModelError(
        f"--max-memory names GPU {number} and this machine's GPUs are numbered 0 to {there - 1}; name one of those.",
        zh=f"--max-memory 指定了 GPU {number}，而本机 GPU 的编号是 0 到 {there - 1}；请指定其中之一。",
    )


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            f"There is no device “{device}” on this machine; set the device to auto or cpu.",
            zh=f"本机没有设备“{device}”；请把设备设为 auto 或 cpu。",
        ) from error


def _check_bitsandbytes(placement: Placement) -> None:
    try:
        import bitsandbytes
    except ImportError as error:
        raise ModelError(
            f"--quantisation {placement.quantisation} needs the package bitsandbytes, which is not installed; "
            "docs/models.md says which version to install.",
            zh=f"--quantisation {placement.quantisation} 需要 bitsandbytes 包，而它尚未安装；版本见 docs/models.md。",
        ) from error
    except Exception as error:  # its native library fails to load in many ways
        logger.exception("Importing bitsandbytes failed")
        raise ModelError(
            f"--quantisation {placement.quantisation} needs the package bitsandbytes, which does not run here "
            f"({type(error).__name__}); set the quantisation to none.",
            zh=f"--quantisation {placement.quantisation} 需要 bitsandbytes 包，而它在此无法运行"
            f"（{type(error).__name__}）；请把量化设为 none。",
        ) from error
    kind = kind_of_device(placement)
    if kind not in ("cuda", "cpu") or kind not in bitsandbytes.supported_torch_devices:
        raise ModelError(
            f"--quantisation {placement.quantisation} runs on CUDA GPUs and on the CPU, not on “{kind}”; "
            "set the device to cpu, or the quantisation to none.",
            zh=f"--quantisation {placement.quantisation} 只能在 CUDA GPU 和 CPU 上运行，不能在“{kind}”上运行；"
            "请把设备设为 cpu，或把量化设为 none。",
        )


def kind_of_device(placement: Placement) -> str:
    """`cpu`, `cuda`, `mps` or another of torch's device types: where the first layer will lie."""
    import torch

    if placement.lent:
        return "cpu"
    if placement.device != "auto":
        return torch.device(placement.device).type
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator.type if accelerator else "cpu"


def torch_dtype(placement: Placement) -> Any:
    """The torch dtype that `placement.dtype` means here."""
    import torch

    if placement.dtype != "auto":
        return getattr(torch, placement.dtype)
    if placement.lent:
        return torch.bfloat16  # which every GPU that was ever lent multiplies natively
    if kind_of_device(placement) == "cpu":
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if native or placement.quantised else torch.float32
    native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float16


def loading_options(placement: Placement) -> dict[str, Any]:
    """Arguments of `from_pretrained`: dtype, device_map, max_memory, offload_folder, quantization_config.

    Raises `ModelError` like `check`.
    """
    check(placement)
    dtype = torch_dtype(placement)
    options: dict[str, Any] = {"dtype": dtype, "device_map": _device_map(placement)}
    if options["device_map"] == "auto" and (placement.max_memory or placement.offload_dir):
        options["max_memory"] = _shares(placement)
    if placement.offload_dir is not None:
        options["offload_folder"] = str(placement.offload_dir)
    if placement.quantised:
        options["quantization_config"] = _quantization(placement, dtype)
    return options


def _device_map(placement: Placement) -> str | dict[str, str] | None:
    """None leaves everything on the CPU, `auto` lets accelerate spread it."""
    kind = kind_of_device(placement)
    if placement.max_memory or placement.offload_dir:
        return "auto"
    if kind == "cpu":
        return {"": "cpu"} if placement.quantised else None
    return "auto" if placement.device == "auto" else {"": placement.device}


def _shares(placement: Placement) -> dict[int | str, int]:
    """Bytes of weights that each device may take."""
    import psutil
    import torch

    shares: dict[int | str, int] = {}
    for gpu in usable_gpus(placement):
        cap = placement.cap(gpu)
        shares[gpu] = cap if cap is not None else int(torch.cuda.mem_get_info(gpu)[0] * _ROOM_FOR_THE_REST)
    if not shares or not placement.quantised:
        cap = placement.cap("cpu")
        shares["cpu"] = cap if cap is not None else int(psutil.virtual_memory().available * _ROOM_FOR_THE_REST)
    return shares


def usable_gpus(placement: Placement) -> tuple[int, ...]:
    """Numbers of the CUDA GPUs that `placement` may use."""
    import torch

    if kind_of_device(placement) != "cuda":
        return ()
    if placement.gpus:
        return placement.gpus
    if placement.device == "auto":
        return tuple(range(torch.cuda.device_count()))
    return (torch.device(placement.device).index or 0,)


def _quantization(placement: Placement, dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    if placement.quantisation == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
