"""Linear layers with their weights in the order that oneDNN's kernels read them: about a sixth faster in bf16.

PyTorch's own layer puts the weights into that order again for every batch. These operators are what `torch.compile`
writes; they are not documented, so a PyTorch that lacks them keeps its own layers.
"""

from __future__ import annotations

import torch
from torch import nn

_ROWS = 512
"""Tokens in a batch, about: oneDNN chooses the order by it."""


class PackedLinear(nn.Module):
    """Computes what the `nn.Linear` in bf16 does that it is made from. For inference on a CPU only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(…, in features) to (…, out features)."""
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
        return result


def pack(net: nn.Module) -> None:
    """Replace every linear layer of a network in bf16; the network's results stay as they were."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return
    for name, part in list(net.named_children()):
        if type(part) is nn.Linear:
            setattr(net, name, PackedLinear(part))
        else:
            pack(part)
