"""Does a network do what the decoders ask of it? Tried out on a few tokens when it is loaded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from chat.masks import Masks
from chat.rows import Rows

_TOLERANCE = 0.05
"""Relative, between logits read together and alone: bf16 gives 0.01, a wrong mask or position more than 0.3."""


@torch.inference_mode()
def goes_on(net: Any) -> None:
    """Read two tokens one by one, so that a network that cannot go on from a cache fails now. Raises what it raises."""
    cache = DynamicCache(config=net.config)
    for _ in range(2):
        net(input_ids=torch.zeros((1, 1), dtype=torch.long, device=net.device), past_key_values=cache, use_cache=True)
    if cache.get_seq_length() != 2:
        raise ValueError("it keeps no cache of what it has read")


@torch.inference_mode()
def batches(net: Any) -> int:
    """Read two texts together and one by one; returns the bytes of keys and values per token.

    Raises `ValueError`, or what the network raises, when it cannot be batched: the logits differ.
    """
    texts = [[i % 7 for i in range(5)], [i % 5 for i in range(9)]]
    store, masks = Rows(net.config.get_text_config().num_hidden_layers), Masks(net.config, net.dtype, net.device)
    store.resize(len(texts), 16)

    def run(ids: list[list[int]], places: Tensor, length: int) -> Tensor:
        given = torch.tensor(ids, device=net.device)
        mask = masks.of(places, length)
        output = net(input_ids=given, position_ids=places, attention_mask=mask, past_key_values=store, use_cache=True)
        logits: Tensor = output.logits[:, -1].float()
        return logits

    for row, ids in enumerate(texts):
        store.read_into(row, 0, len(ids) - 1)
        run([ids[:-1]], torch.arange(len(ids) - 1, device=net.device)[None], len(ids) - 1)
    places = torch.tensor([len(ids) - 1 for ids in texts], device=net.device)
    store.step(places, max(map(len, texts)))
    together = run([ids[-1:] for ids in texts], places[:, None], max(map(len, texts)))
    for row, ids in enumerate(texts):
        alone = net(input_ids=torch.tensor([ids], device=net.device)).logits[0, -1].float()
        if not (together[row] - alone).norm() <= _TOLERANCE * alone.norm():
            raise ValueError("read together, texts give other logits than alone")
    return store.bytes_per_token
