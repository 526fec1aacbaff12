"""What a model needs in memory, worked out from its configuration alone, before its weights are downloaded.

    estimate(config, users=4, context=4096, dtype="bfloat16", quantisation="none").total

Counted: every weight and buffer of the network, built without memory on torch's meta device; the key-value cache of
each layer, with its own heads and window; the states of linear-attention layers. Estimated: the room to compute in.
Not counted: what other programs take, fragmentation, and images or sound.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

_RUNTIME = 500_000_000
"""Bytes that a CUDA context and its libraries take, about."""
_TOKENS_AT_ONCE = 512
"""Prompt tokens computed together."""
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
_QUANTISED_BYTES = {"8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Bytes of one weight. 4 bits: NF4, a one-byte scale for 64 weights, and a four-byte scale for 256 of those."""
_ROW_SCALE = {"8bit": 4, "4bit": 0}
"""Bytes of scale for each row of a linear layer."""
_STORED_BYTES = {"fp8": 1.0, "finegrained_fp8": 1.0, "fbgemm_fp8": 1.0, "mxfp4": 0.53, "gptq": 0.55, "awq": 0.55}
"""Bytes of one linear weight in a model that was published quantised, by its method."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """What one layer remembers of a conversation."""

    numbers_per_token: int
    window: int | None
    """Tokens after which it forgets; None for never."""
    state: int
    """Numbers it keeps whatever the length: a linear-attention layer's."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a model: how many conversations at once, how long each, in which numbers."""

    users: int
    context: int
    """Tokens of each conversation, prompt and answer together."""
    dtype: str
    """`bfloat16`, `float16` or `float32`."""
    quantisation: str = "none"


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a model takes under a load."""

    weights: int
    cache: int
    overhead: int
    """On each device: room to compute in, and the runtime itself."""
    piece: int
    """The largest part of the weights that cannot be split between two devices."""

    @property
    def total(self) -> int:
        """On one device."""
        return self.weights + self.cache + self.overhead


@dataclass(frozen=True, slots=True)
class Anatomy:
    """How many numbers a model is made of."""

    parameters: int
    """Weights; those used twice count once."""
    linear: int
    """Of them, in the linear layers that 8 and 4 bits shrink. The output layer is none of them."""
    rows: int
    """Output rows of those linear layers."""
    largest: int
    """Weights of the largest layer or embedding."""
    layers: tuple[LayerCache, ...]
    activations: int
    """Numbers alive while one token passes through one layer."""
    vocabulary: int
    stored_linear: float | None
    """Bytes of one linear weight where the model was published quantised."""

    def need(self, load: Load) -> Need:
        size = _BYTES[load.dtype]
        shrunk = _QUANTISED_BYTES.get(load.quantisation) or self.stored_linear or size
        weights = (self.parameters - self.linear) * size + self.linear * shrunk
        weights += self.rows * _ROW_SCALE.get(load.quantisation, 0)
        numbers = sum(
            layer.numbers_per_token * min(load.context, layer.window or load.context) + layer.state
            for layer in self.layers
        )
        logits = load.users * self.vocabulary * 2 * 4  # float32, and a sorted or softened copy
        working = _TOKENS_AT_ONCE * self.activations * size + logits + _RUNTIME
        return Need(
            weights=math.ceil(weights),
            cache=math.ceil(load.users * numbers * size),
            overhead=math.ceil(working),
            piece=math.ceil(self.largest * weights / self.parameters),
        )


def estimate(config: Any, users: int, context: int, dtype: str, quantisation: str = "none") -> Need:
    """Bytes that the model of a transformers configuration needs for `users` conversations of `context` tokens."""
    return anatomy(config).need(Load(users, context, dtype, quantisation))


def anatomy(config: Any) -> Anatomy:
    """Count a model's numbers from its configuration. Builds it on the meta device: no memory, about a second.

    Raises whatever transformers raises for a configuration that makes no causal language model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        net = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    output = net.get_output_embeddings()
    linears = [m for m in net.modules() if isinstance(m, torch.nn.Linear) and m is not output]
    blocks: Counter[str] = Counter()
    for name, weight in net.named_parameters():
        layer = re.match(r".*?\.\d+\.", name)
        blocks[layer.group() if layer else name] += weight.numel()
    text = config.get_text_config(decoder=True)
    width = int(text.hidden_size)
    inner = max([int(module.out_features) for module in linears], default=4 * width)
    return Anatomy(
        parameters=sum(weight.numel() for weight in net.parameters()),
        linear=sum(module.weight.numel() for module in linears),
        rows=sum(module.out_features for module in linears),
        largest=max(blocks.values()),
        layers=_layers(text),
        activations=6 * width + 2 * inner,
        vocabulary=int(text.vocab_size),
        stored_linear=_stored_linear(getattr(config, "quantization_config", None)),
    )


def _layers(text: Any) -> tuple[LayerCache, ...]:
    """Each layer's cache, by transformers' own reading of the configuration: windows, shared and linear layers."""
    from transformers.cache_utils import get_layer_types_and_kwargs

    kinds, options = get_layer_types_and_kwargs(text)
    return tuple(
        LayerCache(
            numbers_per_token=0 if kind in _NO_KEYS else _keys_and_values(layer),
            window=option.get("sliding_window"),
            state=_state(layer) if kind in _STATES else 0,
        )
        for kind, option, layer in zip(kinds, options, text.per_layer_config, strict=True)
    )


_STATES = ("linear_attention", "mamba", "hybrid", "hybrid_sliding")
_NO_KEYS = ("dummy", "linear_attention", "mamba", "conv")


def _keys_and_values(layer: Any) -> int:
    """Numbers that an attention layer keeps of one token."""
    if latent := getattr(layer, "kv_lora_rank", None):
        return int(latent) + int(layer.qk_rope_head_dim)  # kept compressed
    heads = int(layer.num_attention_heads)
    head = getattr(layer, "head_dim", None) or int(layer.hidden_size) // heads
    return 2 * int(getattr(layer, "num_key_value_heads", None) or heads) * int(head)


def _state(layer: Any) -> int:
    """Numbers of a gated delta network's or Mamba's recurrent state; 0 for kinds this does not know."""
    for names in (
        ("linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim"),
        ("mamba_n_heads", "mamba_d_head", "mamba_d_state"),
    ):
        if all(isinstance(getattr(layer, name, None), int) for name in names):
            return 2 * math.prod(int(getattr(layer, name)) for name in names)  # kept in float32
    return 0


def _stored_linear(stored: Any) -> float | None:
    """Bytes of a linear weight of a model published quantised; None where it is not, or the method is unknown."""
    if stored is None:
        return None
    said = stored if isinstance(stored, dict) else stored.to_dict()
    if said.get("load_in_4bit"):
        return _QUANTISED_BYTES["4bit"]
    if said.get("load_in_8bit"):
        return _QUANTISED_BYTES["8bit"]
    method = str(said.get("quant_method", ""))
    if isinstance(bits := said.get("bits"), int):
        return bits / 8 + 0.05
    return _STORED_BYTES.get(method)
