"""Memory that was freed goes back to the system, and what PyTorch keeps for later stays small.

glibc keeps it, in pieces between what is still in use: of 56 MB by which 120 answers had made a server grow,
`malloc_trim` gave 49 back (measured). Elsewhere (macOS, musl) there is nothing to do.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, MutableMapping

_EVERY_S = 20.0
_KEPT = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "8"}
"""By the variables that bound them: compiled code, and in every thread descriptions of layers."""


def keep_little(environ: MutableMapping[str, str]) -> None:
    """Bound what PyTorch keeps of layers for each new length of a text. Call it before PyTorch is loaded.

    Unbounded it is a thousand pieces of either kind, the latter in every thread that encodes and 250 kB each: 180
    answers made a server grow by 112 MB (measured). Eight hold all layers of a network. What is set already stays.
    """
    for name, pieces in _KEPT.items():
        environ.setdefault(name, pieces)


def _trimmer() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return trim


class Heap:
    """The process's heap. Safe to call from several threads."""

    def __init__(self, every_s: float = _EVERY_S) -> None:
        self._every_s = every_s
        self._trim = _trimmer()
        self._lock = threading.Lock()
        self._done = time.monotonic()

    def tidy(self) -> bool:
        """Give back what is free, if that was not done lately; whether it was done."""
        with self._lock:
            if self._trim is None or time.monotonic() - self._done < self._every_s:
                return False
            self._done = time.monotonic()
        self._trim(0)
        return True
