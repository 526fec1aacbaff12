"""The least work of a network, counted by hand for one small shape and compared with torch's own counter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM

from evaluation.bounds import Limits, Work, first_token_s, tokens_per_s

_SHAPE = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
_BODY = 2 * (32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 48)
"""Per layer: queries, keys and values of half the heads, the way out; gate, up and down."""
_NORMS = (2 * 2 + 1) * 32


def llama(*, tied: bool) -> Any:
    return AutoModelForCausalLM.from_config(
        AutoConfig.for_model("llama", tie_word_embeddings=tied, **_SHAPE), attn_implementation="eager"
    ).eval()


@pytest.mark.parametrize("tied", [False, True])
def test_weights_are_counted_once_and_the_input_embedding_not_at_all(tied: bool) -> None:
    work = Work.of(llama(tied=tied))
    assert (work.body, work.head) == (_BODY, 100 * 32)
    assert work.read_bytes == 4 * (_BODY + _NORMS + 100 * 32)
    assert work.attention == 2 * 4 * 4 * 8
    assert work.reading(3) == 2 * _BODY * 3 + 2 * 3200 + 256 * (1 + 2 + 3)
    assert work.writing(10) == 2 * (_BODY + 3200) + 256 * 10


def test_one_token_takes_what_torch_counts() -> None:
    net = llama(tied=False)
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        net(torch.tensor([[7]]), use_cache=False)
    assert counted.get_total_flops() == Work.of(net).reading(1)


def test_the_slower_of_memory_and_arithmetic_is_the_bound() -> None:
    work = Work(body=1000, head=100, read_bytes=2200, attention=10)
    assert first_token_s(work, Limits(1e3, 1e9), 2) == pytest.approx(2.2)
    assert first_token_s(work, Limits(1e9, 1e3), 2) == pytest.approx((2 * 1000 * 2 + 200 + 10 * 3) / 1e3)
    assert tokens_per_s(work, Limits(1e3, 1e9), 4, 5, 20) == pytest.approx(4 / 2.6)
