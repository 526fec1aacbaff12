"""Adapts the embedded encoder to tell harm: low-rank changes to all its linear layers, and a small head.

LoRA (Hu et al. 2021, arXiv:2106.09685). The loss is the binary cross-entropy of the harm probability, plus that of the
categories where the text is harmful and its kind is known. In every epoch some texts are put beside a harmless one, so
that one bad sentence is found among good ones, and others lose their capitals and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from encoder import LowRank, weights_folder
from finetune.course import Checkpoints, Course, digest
from moderation.classifier import VECTOR_SCALE, Head

RANK, _DROPOUT = 16, 0.1
WIDTH = 256
MOST_TOKENS = 128
_BATCH, _BATCHES_SORTED = 48, 24
_RATE, _HEAD_RATE, _DECAY, _WARM = 5e-4, 2e-3, 0.01, 0.06
_BESIDE, _PLAIN = 0.12, 0.12
"""Shares of the texts that stand beside another one, and that lose capitals and punctuation."""
_MARKS = re.compile(r"[^\w\s']")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts to learn from, as arrays of one length."""

    texts: Sequence[str]
    target: Floats
    """Harm probability."""
    weight: Floats
    kinds: Floats
    """One column per category, 1 where the text has it."""
    kind_weight: Floats
    """0 where the kind of harm is not known or there is none."""


class _LowRank(nn.Module):
    """A linear layer, frozen, with a change of low rank that is learnt."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.down = nn.Parameter(torch.randn(RANK, linear.in_features) / linear.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(linear.out_features, RANK))
        self.drop = nn.Dropout(_DROPOUT)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(…, in features) to (…, out features)."""
        result: torch.Tensor = self.linear(rows) + (self.drop(rows) @ self.down.T) @ self.up.T
        return result


class _Harm(nn.Module):
    """Encoder and head: logits of harm and of each category, shape (texts, 1 + categories)."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        from transformers import AutoModel

        self.net = AutoModel.from_pretrained(weights_folder(), dtype=torch.float32)
        for parameter in self.net.parameters():
            parameter.requires_grad_(False)
        self.changes = {name: _replaced(self.net, name) for name in _linear(self.net)}
        self.head = nn.Sequential(
            nn.Linear(self.net.config.hidden_size, WIDTH), nn.ReLU(), nn.Dropout(0.2), nn.Linear(WIDTH, 1 + categories)
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.net(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        pooled = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        logits: torch.Tensor = self.head(VECTOR_SCALE * normalize(pooled, dim=1))
        return logits


def _linear(net: nn.Module) -> list[str]:
    return [name for name, part in net.named_modules() if type(part) is nn.Linear and name.startswith("encoder.")]


def _replaced(net: nn.Module, name: str) -> _LowRank:
    parent, _, last = name.rpartition(".")
    layer = _LowRank(net.get_submodule(name))  # type: ignore[arg-type]  # it is linear: `_linear` chose it
    setattr(net.get_submodule(parent), last, layer)
    return layer


def adapt(
    data: Labelled, epochs: int = 3, seed: int = 0, checkpoints: Checkpoints | None = None
) -> tuple[LowRank, Head]:
    """The changes to the encoder and the head on its unit vectors. Raises `InputError`: see `Course.epochs`."""
    from transformers import AutoTokenizer

    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    net = _Harm(data.kinds.shape[1]).train()
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for layer in net.changes.values() for p in (layer.down, layer.up)], "lr": _RATE},
            {"params": list(net.head.parameters()), "lr": _HEAD_RATE},
        ],
        weight_decay=_DECAY,
    )
    steps = epochs * -(-len(data.texts) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [_RATE, _HEAD_RATE], total_steps=steps, pct_start=_WARM)
    harmless = np.flatnonzero(data.target < 0.05)
    course = Course(
        "encoder",
        (net, optimizer, schedule),
        chance,
        checkpoints,
        digest(data.texts, data.target, data.weight, data.kinds),
    )
    for _ in course.epochs(epochs, steps // epochs):
        texts = [_varied(data, i, harmless, chance) for i in range(len(data.texts))]
        encoded = tokenizer(texts, truncation=True, max_length=MOST_TOKENS)["input_ids"]
        for batch in _batches([len(ids) for ids in encoded], chance):
            given = tokenizer.pad({"input_ids": [encoded[i] for i in batch]}, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(given["input_ids"], given["attention_mask"])
            loss = _loss(logits.float(), data, batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            rate = float(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
            course.told(float(loss.detach()), rate)
    changes = {name: (layer.down.detach().numpy(), layer.up.detach().numpy()) for name, layer in net.changes.items()}
    (hidden, hidden_bias), (out, out_bias) = (net.head[layer].state_dict().values() for layer in (0, 3))
    head = Head(hidden.numpy().T * np.float32(VECTOR_SCALE), hidden_bias.numpy(), out.numpy().T, out_bias.numpy())
    return changes, head


def _varied(data: Labelled, i: int, harmless: NDArray[np.intp], chance: np.random.Generator) -> str:
    """A text as it is read in one epoch."""
    text, drawn = data.texts[i], chance.random()
    if drawn < _BESIDE and len(text) < 300:
        other = data.texts[int(chance.choice(harmless))][:300]
        return f"{other} {text}" if chance.random() < 0.5 else f"{text} {other}"
    return _MARKS.sub("", text).lower() if drawn > 1 - _PLAIN else text


def _batches(lengths: Sequence[int], chance: np.random.Generator) -> list[NDArray[np.intp]]:
    """All texts in batches of about one length, in random order."""
    order = chance.permutation(len(lengths))
    found: list[NDArray[np.intp]] = []
    for start in range(0, len(order), _BATCH * _BATCHES_SORTED):
        some = order[start : start + _BATCH * _BATCHES_SORTED]
        some = some[np.argsort([lengths[i] for i in some], kind="stable")]
        batches = [some[at : at + _BATCH] for at in range(0, len(some), _BATCH)]
        found += [batches[i] for i in chance.permutation(len(batches))]
    return found


def _loss(logits: torch.Tensor, data: Labelled, batch: NDArray[np.intp]) -> torch.Tensor:
    target, weight = torch.from_numpy(data.target[batch]), torch.from_numpy(data.weight[batch])
    harm = binary_cross_entropy_with_logits(logits[:, 0], target, reduction="none")
    kinds, sure = torch.from_numpy(data.kinds[batch]), torch.from_numpy(data.kind_weight[batch])
    kind = binary_cross_entropy_with_logits(logits[:, 1:], kinds, reduction="none").mean(1)
    return (harm * weight).sum() / weight.sum() + (kind * sure).sum() / (sure.sum() + 1)
