"""Chat models of well-known shapes with random weights: as fast and as large as the real ones, and nothing to download.

python -m evaluation.shapes neox-80m FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from moderation.lexicon import Lexicon

SHAPES: Mapping[str, tuple[str, dict[str, Any]]] = MappingProxyType(
    {
        "neox-80m": (
            "gpt_neox",
            {"hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8, "intermediate_size": 2048},
        ),
        "llama-360m": (
            "llama",
            {
                "hidden_size": 960,
                "num_hidden_layers": 32,
                "num_attention_heads": 15,
                "num_key_value_heads": 5,
                "intermediate_size": 2560,
                "tie_word_embeddings": True,
                "initializer_range": 0.06,  # smaller weights, so tied, say one word again and again
            },
        ),
        "neox-20b": (
            "gpt_neox",
            {
                "hidden_size": 6144,
                "num_hidden_layers": 44,
                "num_attention_heads": 64,
                "intermediate_size": 24576,
                "rotary_pct": 0.25,
            },
        ),
    }
)
"""transformers' name of the architecture, and what its configuration differs in."""
_VOCABULARY = 50432
_CONTEXT = 2048
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make(shape: str, folder: Path) -> Path:
    """Write a model of a shape, in bf16, and a tokenizer of English words; seeded."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    net = AutoModelForCausalLM.from_config(configuration(shape), dtype=torch.bfloat16)
    net.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def configuration(shape: str) -> Any:
    """The configuration of a shape, as transformers has it."""
    from transformers import AutoConfig

    kind, differs = SHAPES[shape]
    return AutoConfig.for_model(
        kind, vocab_size=_VOCABULARY, max_position_embeddings=_CONTEXT, bos_token_id=0, eos_token_id=0, **differs
    )


def words(count: int, seed: int) -> str:
    """A text of about so many tokens, different for each seed: English words in no order."""
    listed = _words()
    return " ".join(listed[(7919 * seed + 104729 * i) % len(listed)] for i in range(count))


@cache
def _words() -> list[str]:
    """English words of three letters and more, so that what moderates and searches has language to read."""
    return [word for word in Lexicon.embedded().words if len(word) > 2]


def _tokenizer() -> Any:
    """Byte-level BPE of `_VOCABULARY` tokens, trained on a list of words: most of them are one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    spellings = (" " + spelt for word in _words() for spelt in (word, word.capitalize()))
    backend.train_from_iterator(spellings, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.shapes", description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    make(options.shape, options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
