"""The model that `make tune-demo` begins with: a small GPT-NeoX with random weights, and a tokenizer for its texts.

It has no chat template, so the app writes to it in OpenChatKit's format, as to OpenChatKit's own models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

END = "<|endoftext|>"
CONTEXT = 512
"""Tokens it reads at once."""
_VOCABULARY = 2048
_SPREAD = 0.06
"""Standard deviation of the random weights. An adapter, which leaves them alone, learns little from smaller ones."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the network is; four million parameters as it stands."""

    width: int = 256
    layers: int = 4
    heads: int = 4


def tokenizer_from(texts: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer, made from `texts`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, special_tokens=[END], initial_alphabet=alphabet, show_progress=False, min_frequency=2
    )
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, bos_token=END)


def random_model(tokenizer: Any, folder: Path, shape: Shape, seed: int = 0) -> int:
    """Put a model with random weights into `folder`, saved like any of the hub; its number of parameters."""
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=len(tokenizer),
                hidden_size=shape.width,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=4 * shape.width,
                max_position_embeddings=CONTEXT,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                hidden_dropout=0.0,
                attention_dropout=0.0,
                initializer_range=_SPREAD,
            )
        )
    net.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(tensor.numel() for tensor in net.parameters())
