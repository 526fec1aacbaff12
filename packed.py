"""An encoder's layers as oneDNN reads and fuses them: BERT takes half the time for a short text, in bf16.

Three things are saved. PyTorch's own linear layer puts its weights into the kernels' order again for every batch: that
is mended in any network. Of a BERT, GELU and the residual sums are done by the product before them, and query, key and
value are one product. The operators are those that `torch.compile` writes; they are not documented, so with a PyTorch
that lacks them a network stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

_ROWS = 512
"""Tokens in a batch, about: oneDNN chooses the order by it."""


def packed(net: Any) -> Any:
    """A network in bf16, made faster: for inference on a CPU only. The one that was given is used up."""
    from transformers import BertModel

    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return net
    if type(net) is BertModel and net.config.hidden_act == "gelu" and not net.config.is_decoder:
        return PackedBert(net)
    _pack(net)
    return net


def _pack(net: nn.Module) -> None:
    for name, part in list(net.named_children()):
        if type(part) is nn.Linear:
            setattr(net, name, PackedLinear([part]))
        else:
            _pack(part)


class PackedBert(nn.Module):
    """Computes what the `BertModel` (Devlin et al. 2019, arXiv:1810.04805) does that it is made from."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.config = net.config
        self._embeddings = net.embeddings
        self._layers = nn.ModuleList(_Layer(layer, net.config.num_attention_heads) for layer in net.encoder.layer)

    def get_input_embeddings(self) -> nn.Embedding:
        """The embeddings of the vocabulary."""
        words: nn.Embedding = self._embeddings.word_embeddings
        return words

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Token ids and mask, shape (texts, tokens), to transformers' output with `last_hidden_state`, shape (texts,
        tokens, dimension). What is masked has states that mean nothing."""
        from transformers.modeling_outputs import BaseModelOutput

        hidden = self._embeddings(input_ids)
        mask = None if attention_mask.all() else attention_mask[:, None, None, :].bool()
        for layer in self._layers:
            hidden = layer(hidden, mask)
        return BaseModelOutput(last_hidden_state=hidden)


class _Layer(nn.Module):
    """One layer: attention over all tokens that are not masked, then the network of each token."""

    def __init__(self, layer: Any, heads: int) -> None:
        super().__init__()
        attention = layer.attention.self
        self._heads = heads
        self._asked = PackedLinear([attention.query, attention.key, attention.value])
        self._attended = PackedLinear([layer.attention.output.dense])
        self._attended_norm = layer.attention.output.LayerNorm
        self._wide = PackedLinear([layer.intermediate.dense])
        self._narrow = PackedLinear([layer.output.dense])
        self._norm = layer.output.LayerNorm

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        texts, tokens, dimension = hidden.shape
        query, key, value = self._asked(hidden).view(texts, tokens, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        attended = attended.transpose(1, 2).reshape(texts, tokens, dimension)
        hidden = self._attended_norm(self._attended.added(attended, hidden))
        normed: torch.Tensor = self._norm(self._narrow.added(self._wide(hidden, "gelu"), hidden))
        return normed


class PackedLinear(nn.Module):
    """Computes what `nn.Linear` layers of one input do, their outputs side by side."""

    def __init__(self, linears: Sequence[nn.Linear]) -> None:
        super().__init__()
        weight = torch.cat([linear.weight.detach() for linear in linears])
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
        biases = [linear.bias.detach() for linear in linears if linear.bias is not None]
        self._bias = torch.cat(biases) if biases else None

    def forward(self, rows: torch.Tensor, then: str = "none") -> torch.Tensor:
        """(…, in features) to (…, all out features), and then a function of each by oneDNN's name."""
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, then, [], "none")
        return found

    def added(self, rows: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        """The same, added to something of its shape."""
        sums: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(rows, to, self._weight, self._bias, "add")
        return sums
