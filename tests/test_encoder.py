"""python -m pytest tests/test_encoder.py"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import encoder as module
from encoder import SentenceEncoder
from errors import ModelError
from packed import PackedLinear, pack


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
    linear = torch.nn.Linear(384, 96, dtype=torch.bfloat16)
    bare = torch.nn.Linear(384, 96, bias=False, dtype=torch.bfloat16)
    inner = torch.nn.Sequential(torch.nn.GELU(), bare)
    net = torch.nn.Sequential(linear, inner)
    for given, rows in ((linear, torch.randn(3, 50, 384)), (bare, torch.randn(7, 384))):
        expected = given.float()(rows.bfloat16().float())
        packed = PackedLinear(given.bfloat16())(rows.bfloat16())
        assert packed.dtype == torch.bfloat16 and packed.shape == expected.shape
        assert torch.allclose(packed.float(), expected, atol=0.05)
    pack(net)
    assert [type(part) for part in (*net, *inner)][:3] == [PackedLinear, torch.nn.Sequential, torch.nn.GELU]
    assert isinstance(inner[1], PackedLinear)


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
