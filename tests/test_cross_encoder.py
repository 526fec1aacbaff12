"""Question and sentence read together: python -m pytest tests/test_cross_encoder.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from encoder import SentenceEncoder
from errors import ModelError
from retrieval.cross_encoder import FILE, CrossEncoder
from retrieval.interaction import Interaction, Tokens
from retrieval.judge import ADAPTERS, with_close

_TITLE = "Lighthouse of Skerry. "
_SENTENCES = [
    "The lighthouse was built in 1811 by Robert Stevens.",
    "The lighthouse stands on a reef eleven miles from the coast.",
    "Its lamp burned sperm oil and could be seen from thirty-five miles away.",
    "Fishermen feared the reef long before.",
]


@pytest.fixture(scope="module")
def cross(encoder: SentenceEncoder) -> CrossEncoder:
    return CrossEncoder(encoder, ADAPTERS / FILE)


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("Who built the lighthouse?", 0),
        ("When was the lighthouse constructed?", 0),
        ("How far from the shore does the lighthouse stand?", 1),
        ("What fuel did the lamp use?", 2),
    ],
)
def test_the_sentence_that_answers_has_the_highest_logit(cross: CrossEncoder, question: str, best: int) -> None:
    read = cross.read(question, [_TITLE + sentence for sentence in _SENTENCES])
    assert read.shape == (4, 2)
    assert int(read[:, 0].argmax()) == best


def test_a_pair_is_read_alike_alone_and_among_others(cross: CrossEncoder) -> None:
    texts = [_TITLE + sentence for sentence in _SENTENCES] + ["Short.", "A long one. " * 60]
    together = cross.read("Who built the lighthouse?", texts)
    for i, text in enumerate(texts):
        assert cross.read("Who built the lighthouse?", [text])[0] == pytest.approx(together[i], abs=0.15)
    assert cross.read("Who?", []).shape == (0, 2)
    assert np.isfinite(cross.read("", [""])).all()


def test_a_padded_sentence_is_read_as_it_is() -> None:
    torch.manual_seed(0)
    net = Interaction(32).eval()
    asked, said = (torch.randn(1, n, 32) for n in (5, 9))

    def tokens(states: torch.Tensor, more: int) -> Tokens:
        length = states.shape[1]
        wide = torch.cat([states, torch.randn(1, more, 32)], dim=1)
        return Tokens(wide, wide.flip(2), torch.arange(length + more)[None] < length)

    with torch.inference_mode():
        bare, words = net(tokens(asked, 0), tokens(said, 0))
        wide, more_words = net(tokens(asked, 0), tokens(said, 7))
    torch.testing.assert_close(bare, wide)
    torch.testing.assert_close(words, more_words[:, :9])


def test_weights_that_do_not_fit_are_told_in_one_sentence(encoder: SentenceEncoder, tmp_path: Path) -> None:
    broken, other = tmp_path / "broken.safetensors", tmp_path / "other.safetensors"
    broken.write_bytes(b"junk")
    save_file(load_file(ADAPTERS / FILE), other, {"encoder": "of another"})
    for path in (broken, other, tmp_path / "nowhere.safetensors"):
        with pytest.raises(ModelError, match=f"{path.name}, cannot be used; reinstall") as told:
            CrossEncoder(encoder, path).read("Who?", ["He."])
        assert path.name in told.value.told("zh")


def test_a_closer_look_adds_each_logit_and_its_distance_from_the_best() -> None:
    rows = with_close(
        np.ones((2, 3), np.float32), np.array([1.0, 2.0], np.float32), np.array([[5.0, 0.0], [3.0, 4.0]], np.float32)
    )
    assert rows.tolist() == [[1, 1, 1, 1, -1, 5, 0, 0, -4], [1, 1, 1, 2, 0, 3, -2, 4, 0]]
