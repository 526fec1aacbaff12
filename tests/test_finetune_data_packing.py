"""Packed rows: none is too long, nothing is lost, and no conversation sees another.

python -m pytest tests/test_finetune_data_packing.py
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from finetune.packing import IGNORED, Packed, Tokens, pack

VOCABULARY = 61


def tokens(length: int, chance: random.Random) -> Tokens:
    """A conversation whose second half is taught."""
    ids = tuple(chance.randrange(1, VOCABULARY) for _ in range(length))
    return Tokens(ids, tuple(at >= length // 2 for at in range(length)))


def first_fit_decreasing(lengths: list[int], length: int) -> list[list[int]]:
    """The rule word for word, without a tree."""
    rows: list[list[int]] = []
    for one in sorted(lengths, reverse=True):
        row = next((row for row in rows if sum(row) + one <= length), None)
        if row is None:
            rows.append(row := [])
        row.append(one)
    return rows


@pytest.mark.parametrize(("count", "length"), [(0, 8), (1, 8), (2, 8), (7, 31), (64, 64), (257, 100), (1000, 128)])
def test_it_is_first_fit_decreasing_and_loses_nothing(count: int, length: int) -> None:
    chance = random.Random(count)
    rows = [tokens(chance.randint(1, length), chance) for _ in range(count)]
    packed = pack(rows, length)
    assert [[len(part.ids) for part in row.parts] for row in packed] == first_fit_decreasing(
        [len(row.ids) for row in rows], length
    )
    assert sorted(part.ids for row in packed for part in row.parts) == sorted(row.ids for row in rows)
    assert all(len(row.fields["input_ids"]) <= length for row in packed)


def test_empty_rows_fall_out_and_one_that_is_too_long_is_a_mistake() -> None:
    assert pack([Tokens((), ()), Tokens((), ())], 8) == []
    with pytest.raises(ValueError, match="9 tokens do not fit"):
        pack([tokens(9, random.Random(0))], 8)


def test_a_rows_fields() -> None:
    row = Packed((Tokens((5, 6, 7), (False, True, True)), Tokens((8, 9), (False, True))))
    assert row.fields == {
        "input_ids": [5, 6, 7, 8, 9],
        "labels": [IGNORED, 6, 7, IGNORED, 9],
        "seq_lengths": [3, 2],
    }


def gpt_neox(attention: str) -> Any:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = GPTNeoXConfig(vocab_size=VOCABULARY, hidden_dropout=0.0, attention_dropout=0.0, **sizes)
    return GPTNeoXForCausalLM._from_config(config, attn_implementation=attention)


def llama(attention: str) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = LlamaConfig(vocab_size=VOCABULARY, num_key_value_heads=2, **sizes)
    return LlamaForCausalLM._from_config(config, attn_implementation=attention)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("make", [gpt_neox, llama])
def test_the_logits_of_packed_conversations_are_those_of_each_alone(make: Any, attention: str) -> None:
    """Through TRL's own collator, two packed rows in one batch."""
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    chance = random.Random(1)
    packed = pack([tokens(length, chance) for length in (9, 5, 1, 2, 11, 4)], 16)
    assert len(packed) == 2 and all(len(row.parts) > 1 for row in packed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        net = make(attention).eval()
        batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)([row.fields for row in packed])
        lengths = [length for row in packed for length in row.fields["seq_lengths"]]
        assert batch["position_ids"].tolist() == [[at for length in lengths for at in range(length)]]
        assert "attention_mask" not in batch
        together = net(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits[0]
        parts = [part for row in packed for part in row.parts]
        alone = torch.cat([net(input_ids=torch.tensor([part.ids])).logits[0] for part in parts])
        leaking = net(input_ids=batch["input_ids"]).logits[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert (leaking - alone).abs().max() > 1e-3  # what this test would see without the positions


@pytest.mark.parametrize("make", [gpt_neox, llama])
def test_the_loss_of_packed_conversations_is_theirs_token_for_token(make: Any) -> None:
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    chance = random.Random(2)
    rows = [tokens(length, chance) for length in (9, 5, 2, 11, 4)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        net = make("sdpa").eval()
        batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)([r.fields for r in pack(rows, 16)])
        wanted = {name: batch[name] for name in ("input_ids", "position_ids", "labels")}
        packed = net(**wanted, use_cache=False).loss
        total, count = 0.0, 0
        for row in rows:
            labels = torch.tensor([row.labels])
            taught = int((labels[:, 1:] != IGNORED).sum())
            total += float(net(input_ids=torch.tensor([row.ids]), labels=labels).loss) * taught
            count += taught
    assert float(packed) == pytest.approx(total / count, abs=1e-5)
