"""Question and sentence read together: how likely the sentence answers, and whether some words of it are the answer.

An adapter on the embedded encoder (`retrieval.interaction`), trained by `finetune.reranker`. The token vectors of
sentences that were read lately are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from encoder import SentenceEncoder, TokenStates
from errors import ModelError

if TYPE_CHECKING:
    from retrieval.interaction import Interaction, Tokens

FILE = "reranker.safetensors"
_REMEMBERED = 1024
_AT_ONCE = 16

Matrix = NDArray[np.float32]


class CrossEncoder:
    """Safe to call from several threads; reads its weights on first use."""

    def __init__(self, encoder: SentenceEncoder, weights: Path, remembered: int = _REMEMBERED) -> None:
        """`remembered`: sentences whose token vectors are kept, about 25 kB each."""
        self._encoder = encoder
        self._remembered = remembered
        self._file = weights
        self._net: Interaction | None = None
        self._lock = threading.Lock()
        self._known: OrderedDict[str, TokenStates] = OrderedDict()

    def load(self) -> None:
        """Read the weights, once. Raises `ModelError` when they cannot be used."""
        from safetensors import SafetensorError, safe_open

        from retrieval.interaction import Interaction

        with self._lock:
            if self._net is not None:
                return
            try:
                with safe_open(self._file, "pt") as file:
                    names = file.keys()
                    tensors = {name: file.get_tensor(name).float() for name in names}
                    fitting = (file.metadata() or {}).get("encoder") == self._encoder.hash
                net = Interaction(self._encoder.dimension)
                net.load_state_dict(tensors)
            except (OSError, SafetensorError, RuntimeError) as error:
                raise _unusable(self._file) from error
            if not fitting:
                raise _unusable(self._file)
            self._net = net.eval()

    def read(self, question: str, sentences: Sequence[str]) -> Matrix:
        """Logits that each sentence answers, and that its likeliest word is part of the answer: (sentences, 2).

        `sentences` are as they are encoded, with their headings (`retrieval.vectors.encoded_texts`).
        """
        import torch

        self.load()
        found = np.zeros((len(sentences), 2), np.float32)
        if self._net is None or not sentences:
            return found
        (asked,) = self._states([question])
        said = self._states(sentences)
        order = sorted(range(len(said)), key=lambda i: len(said[i].ids))
        with torch.inference_mode():
            for at in range(0, len(order), _AT_ONCE):
                some = order[at : at + _AT_ONCE]
                answers, tokens = self._net(
                    padded(self._encoder, [asked] * len(some)), padded(self._encoder, [said[i] for i in some])
                )
                found[some] = torch.stack([answers, tokens.amax(1)], dim=1).numpy()
        return found

    def _states(self, texts: Sequence[str]) -> list[TokenStates]:
        from retrieval.interaction import SENTENCE_TOKENS

        with self._lock:
            known = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        fresh = dict(zip(missing, self._encoder.token_states(missing, SENTENCE_TOKENS), strict=True))
        with self._lock:
            self._known |= fresh
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        every = known | fresh
        return [every[text] for text in texts]


def padded(encoder: SentenceEncoder, texts: Sequence[TokenStates]) -> Tokens:
    """Texts side by side, as `Interaction` reads them."""
    import torch

    from retrieval.interaction import Tokens

    longest, dimension = max(len(text.ids) for text in texts), texts[0].states.shape[1]
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    states = torch.zeros(len(texts), longest, dimension)
    mask = torch.zeros(len(texts), longest, dtype=torch.bool)
    for i, text in enumerate(texts):
        ids[i, : len(text.ids)] = torch.tensor(text.ids)
        states[i, : len(text.ids)] = torch.from_numpy(text.states.astype(np.float32))
        mask[i, : len(text.ids)] = True
    return Tokens(states, encoder.embedded(ids), mask)


def _unusable(file: Path) -> ModelError:
    return ModelError(
        f"The weights that read question and sentence together, {file.name}, cannot be used; reinstall Groundchat.",
        zh=f"对照阅读问题与句子的权重 {file.name} 无法使用；请重新安装 Groundchat。",
    )
