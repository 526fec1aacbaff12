"""Which of the tokens in a row a token may look at: everything before it, or the last few where a layer has a window.

transformers' models take such a mask as it is: one tensor, or one per kind of layer where a model mixes them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_FULL, _SLIDING = "full_attention", "sliding_attention"


class Masks:
    """Masks for the layers of one network. Raises `ValueError` for a kind of attention that needs another memory."""

    def __init__(self, config: Any, dtype: torch.dtype, device: torch.device) -> None:
        text = config.get_text_config()
        self._dtype, self._device = dtype, device
        window = getattr(text, "sliding_window", None)
        if getattr(text, "use_sliding_window", True) is False:
            window = None
        kinds = set(getattr(text, "layer_types", None) or [_SLIDING if window else _FULL])
        if not kinds <= {_FULL, _SLIDING}:
            raise ValueError(f"layers of the kinds {', '.join(sorted(kinds))}")
        if _SLIDING in kinds and not isinstance(window, int):
            raise ValueError("a sliding window of no length")
        self._windows: dict[str, int | None] = {kind: window if kind == _SLIDING else None for kind in sorted(kinds)}

    def of(self, positions: Tensor, length: int) -> Any:
        """For tokens at `positions`, shape (rows, tokens), that look at 0..length-1.

        Additive, shape (rows, 1, tokens, length); a dict by kind of layer where there are two kinds.
        """
        masks = {kind: self._mask(positions, length, window) for kind, window in self._windows.items()}
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _mask(self, positions: Tensor, length: int, window: int | None) -> Tensor:
        at = positions[:, None, :, None]
        seen = torch.arange(length, device=positions.device)
        hidden = seen > at
        if window is not None:
            hidden |= seen <= at - window
        mask = torch.zeros(hidden.shape, dtype=self._dtype, device=self._device)
        return mask.masked_fill_(hidden.to(self._device), torch.finfo(self._dtype).min)
