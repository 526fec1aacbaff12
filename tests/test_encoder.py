"""python -m pytest tests/test_encoder.py"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

import encoder as module
from encoder import SentenceEncoder
from errors import ModelError
from packed import PackedBert, PackedLinear, packed


def test_vectors_are_unit_long_and_near_for_like_meanings(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode(["a cat sits here", "a kitten is sitting here", "the bridge toll rose"])
    assert vectors.shape == (3, encoder.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert vectors[0] @ vectors[1] > 0.6 > 0.3 > vectors[0] @ vectors[2]


def test_a_vector_depends_on_its_text_not_on_its_batch(encoder: SentenceEncoder) -> None:
    texts = ["short", "a somewhat longer sentence about rivers", "long " * 200]
    together = encoder.encode(texts)
    alone = np.vstack([encoder.encode([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.999


def test_the_order_of_texts_is_kept_across_batches(encoder: SentenceEncoder) -> None:
    texts = [f"number {i} " * (1 + i % 7) for i in range(40)]
    vectors = encoder.encode(texts, batch_tokens=64)
    assert (encoder.encode(texts) * vectors).sum(axis=1).min() > 0.999


def test_packed_layers_compute_what_they_are_made_from() -> None:
    wide, bare = torch.nn.Linear(384, 96), torch.nn.Linear(384, 96, bias=False)
    rows = torch.randn(3, 50, 384).bfloat16()
    for layers in ([wide], [bare], [wide, torch.nn.Linear(384, 64)]):
        expected = torch.cat([layer(rows.float()) for layer in layers], dim=-1)
        ours = PackedLinear([layer.bfloat16() for layer in layers])
        found, sums = ours(rows), ours.added(rows, expected.bfloat16())
        assert found.dtype == torch.bfloat16 and found.shape == expected.shape
        assert torch.allclose(found.float(), expected, atol=0.05)
        assert torch.allclose(sums.float(), 2 * expected, atol=0.1)
        assert torch.allclose(ours(rows, "gelu").float(), torch.nn.functional.gelu(expected), atol=0.05)
        for layer in layers:
            layer.float()


def test_every_linear_layer_of_a_network_is_packed() -> None:
    inner = torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(96, 96, bias=False))
    net = packed(torch.nn.Sequential(torch.nn.Linear(384, 96), inner).bfloat16())
    assert [type(part) for part in (*net, *inner)] == [
        PackedLinear,
        torch.nn.Sequential,
        torch.nn.GELU,
        PackedLinear,
    ]


def test_a_packed_bert_reads_as_the_one_it_is_made_from() -> None:
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    net = BertModel(BertConfig(vocab_size=100, initializer_range=0.1, **shape)).eval()
    ids = torch.randint(5, 100, (3, 17))
    lengths = torch.tensor([17, 9, 1])
    mask = (torch.arange(17) < lengths[:, None]).long()
    with torch.inference_mode():
        expected = net(input_ids=ids, attention_mask=mask).last_hidden_state
        whole = net(input_ids=ids, attention_mask=torch.ones_like(mask)).last_hidden_state
        ours = packed(net.bfloat16())
        assert isinstance(ours, PackedBert) and ours.config.hidden_size == 64
        assert ours.get_input_embeddings().weight.shape == (100, 64)
        found = ours(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        assert (found - expected)[mask.bool()].abs().max() < 0.1
        assert (ours(ids, torch.ones_like(mask)).last_hidden_state.float() - whole).abs().max() < 0.1
    assert (expected[mask.bool()] - whole[mask.bool()]).abs().max() > 0.3  # the mask matters here


def test_another_activation_than_gelu_is_left_to_transformers() -> None:
    net = BertModel(
        BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, hidden_act="relu")
    )
    assert packed(net.bfloat16()) is net and isinstance(net.encoder.layer[0].output.dense, PackedLinear)


def test_nothing_encodes_to_nothing(encoder: SentenceEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_it_says_which_languages_it_knows() -> None:
    assert SentenceEncoder().knows("en")
    assert not SentenceEncoder().knows("zh")
    assert SentenceEncoder(languages=frozenset({"*"})).knows("zh")


def test_other_weights_than_the_published_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EMBEDDED_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="reinstall the requirements"):
        SentenceEncoder().load()


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded; give a hub id or a local folder"):
        SentenceEncoder(str(tmp_path)).load()


def test_an_unknown_id_is_named_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="“nobody/no-such-encoder” cannot be loaded"):
        SentenceEncoder("nobody/no-such-encoder").load()


def test_a_local_folder_gives_the_same_vectors_and_another_hash_only_for_other_weights(
    encoder: SentenceEncoder,
) -> None:
    other = SentenceEncoder(str(module.weights_folder(module.EMBEDDED)))
    assert other.hash == encoder.hash
    assert np.allclose(other.encode(["the same"]), encoder.encode(["the same"]), atol=1e-3)


def test_sentence_transformers_is_never_imported() -> None:
    code = "import sys, encoder; encoder.SentenceEncoder().load(); print('sentence_transformers' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
