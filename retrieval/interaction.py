"""The network that reads a question and a sentence together, over the embedded encoder's token vectors.

The encoder's own weights stay as they are. Each token comes as the encoder's last hidden state, its input embedding,
and how near the nearest token of the other text is, by either; two transformer layers (Vaswani et al. 2017,
arXiv:1706.03762; normalised first) over both texts follow. Training from so few questions succeeds because matching
need not be learned: it is in the inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

QUESTION_TOKENS, SENTENCE_TOKENS = 40, 96
_WIDTH, _HEADS, _LAYERS, _NEARNESS = 128, 4, 2, 4
_DROPOUT, _INPUT_DROPOUT = 0.1, 0.2
_SAME = 0.999
"""A cosine above this is that of a token with itself."""
_NEARNESS_SCALE = 3.0
_PADDED = -20.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """Texts as the network reads them, padded to the longest."""

    states: torch.Tensor
    """The encoder's last hidden states, shape (texts, tokens, dimension)."""
    words: torch.Tensor
    """Input embeddings less their mean over the vocabulary, the same shape."""
    mask: torch.Tensor
    """Which are tokens and not padding, shape (texts, tokens)."""


class Interaction(nn.Module):
    """`forward` gives for each pair the logit that the sentence answers the question, shape (pairs,), and for each
    token of the sentence that it is part of the answer, shape (pairs, tokens)."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm_states, self.norm_words = nn.LayerNorm(dimension), nn.LayerNorm(dimension)
        self.project = nn.Linear(2 * dimension + _NEARNESS, _WIDTH)
        self.part = nn.Embedding(3, _WIDTH)
        self.place = nn.Embedding(max(QUESTION_TOKENS, SENTENCE_TOKENS), _WIDTH)
        self.summary = nn.Parameter(torch.zeros(_WIDTH))
        self.drop = nn.Dropout(_INPUT_DROPOUT)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(_WIDTH, _HEADS, 2 * _WIDTH, _DROPOUT, "gelu", batch_first=True, norm_first=True)
            for _ in range(_LAYERS)
        )
        self.norm = nn.LayerNorm(_WIDTH)
        self.answers, self.answer_token = nn.Linear(_WIDTH, 1), nn.Linear(_WIDTH, 1)

    def forward(self, questions: Tokens, sentences: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        asked, said = _nearness(questions, sentences)
        pairs, length = questions.mask.shape
        every = torch.cat(
            [
                (self.summary + self.part.weight[2]).expand(pairs, 1, -1),
                self._read(questions, asked, 0),
                self._read(sentences, said, 1),
            ],
            dim=1,
        )
        padding = ~torch.cat([questions.mask.new_ones(pairs, 1), questions.mask, sentences.mask], dim=1)
        for layer in self.layers:
            every = layer(every, src_key_padding_mask=padding)
        every = self.norm(every)
        tokens = self.answer_token(every[:, 1 + length :]).squeeze(-1)
        return self.answers(every[:, 0]).squeeze(-1), tokens.masked_fill(~sentences.mask, _PADDED)

    def _read(self, texts: Tokens, nearness: torch.Tensor, part: int) -> torch.Tensor:
        given = torch.cat(
            [self.norm_states(texts.states), self.norm_words(texts.words), _NEARNESS_SCALE * nearness], dim=-1
        )
        read: torch.Tensor = self.project(self.drop(given))
        return read + self.part.weight[part] + self.place.weight[: read.shape[1]]


@torch.no_grad()
def _nearness(questions: Tokens, sentences: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
    """For each token of either text: the highest cosine with the other's by state and by word, whether it stands there
    too, and (of sentences) its mean cosine by state. Shape (pairs, tokens, 4)."""
    nowhere = ~(questions.mask[:, :, None] & sentences.mask[:, None, :])
    states, words = (
        _cosines(one, other).masked_fill(nowhere, -1.0)
        for one, other in ((questions.states, sentences.states), (questions.words, sentences.words))
    )
    same = (words > _SAME).float()
    mean = states.masked_fill(nowhere, 0.0).sum(1) / questions.mask.sum(1, keepdim=True)
    asked = torch.stack([states.amax(2), words.amax(2), same.amax(2), torch.zeros_like(states[:, :, 0])], dim=-1)
    said = torch.stack([states.amax(1), words.amax(1), same.amax(1), mean], dim=-1)
    return asked, said


def _cosines(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return F.normalize(one, dim=-1) @ F.normalize(other, dim=-1).transpose(1, 2)
