"""What a measurement ran on, to stand beside its figures."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
_FEATURES = ("avx512_bf16", "amx_bf16", "avx512f", "avx2")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, GPU, and versions."""
    import psutil
    import torch
    import transformers

    info = _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.is_file() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    return {
        "cpu": name[1].strip() if name else platform.processor() or platform.machine(),
        "features": [feature for feature in _FEATURES if re.search(rf"\b{feature}\b", info)],
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
