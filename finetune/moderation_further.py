"""The moderator's networks learn some windows more, and keep to what they said of the others.

Learning without forgetting (Li & Hoiem 2016, arXiv:1606.09282): of windows that are not ruled on, the aim is what the
network said before. The encoder, the mixes, the calibration and the thresholds stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as entropy

from finetune.moderation_windows import Bools, Ints, Windows
from moderation.classifier import Floats, Head, Ngrams, Weights

_EPOCHS, _BATCH, _CASES = 8, 512, 64
"""Windows of our own examples in a batch, and of cases at most, drawn anew each time."""
_COUNT = 0.1
"""What the cases' loss counts beside that of our own examples: enough that a single one is learnt, even where it
contradicts all that the moderator knew. At 0.3 more of the rest changed."""
_RATE, _TABLE_RATE = 1e-3, 3e-3


@dataclass(frozen=True, slots=True)
class Aims:
    """What a network is to say of some windows. Rows are windows."""

    harm: Floats
    """Probabilities: of a case what was ruled, of the rest what the network said before."""
    kinds: Floats
    """One column per category."""
    share: Floats
    """Of its text's weight; a text of several windows may be harmful in one of them only."""
    cases: Bools


def further(start: Weights, data: Windows, vectors: Floats, cases: Bools, seed: int = 0) -> Weights:
    """The weights after the cases were learnt.

    `vectors` are those of all windows that are English, `cases` tells the windows that are cases'.
    """
    torch.manual_seed(seed)
    torch.set_flush_denormal(True)
    english, chinese = (np.flatnonzero(~data.held & part) for part in (data.english, ~data.english))
    place = np.cumsum(data.english) - 1
    known = vectors[place[english]]
    learnt = start
    if cases[english].any():
        learnt = replace(
            learnt,
            vectors=_head_taught(start.vectors, known, _aims(start.vectors(known), data, english, cases), seed),
            english=_ngrams_taught(start.english, data, english, cases, seed),
        )
    if cases[chinese].any():
        learnt = replace(
            learnt,
            posted=_ngrams_taught(start.posted, data, chinese, cases, seed),
            asked=_ngrams_taught(start.asked, data, chinese, cases, seed),
        )
    return learnt


def _aims(before: Floats, data: Windows, chosen: Ints, cases: Bools) -> Aims:
    """What to aim at, given the logits from before, shape (chosen, 1 + categories)."""
    said = 1 / (1 + np.exp(-before))
    ruled = cases[chosen]
    kinds = np.where((ruled & (data.kind_weight[chosen] > 0))[:, None], data.kinds[chosen], said[:, 1:])
    harm = np.where(ruled, data.target[chosen], said[:, 0])
    return Aims(harm.astype(np.float32), kinds.astype(np.float32), data.weight[chosen], ruled)


def _head_taught(head: Head, x: Floats, aims: Aims, seed: int) -> Head:
    net, given = _module(head), torch.from_numpy(x)
    _descend(lambda batch: net(given[batch]), aims, [torch.optim.Adam(net.parameters(), lr=_RATE)], seed)
    return _head_of(net)


def _ngrams_taught(start: Ngrams, data: Windows, chosen: Ints, cases: Bools, seed: int) -> Ngrams:
    net = _module(start.head)
    weights = torch.from_numpy(start.table.copy())
    table = nn.EmbeddingBag.from_pretrained(weights, mode="sum", sparse=True, freeze=False)

    def said(batch: torch.Tensor) -> torch.Tensor:
        joined, starts = (torch.from_numpy(array) for array in data.bag(chosen[batch.numpy()]))
        lengths = torch.diff(starts, append=torch.tensor([len(joined)])).float()
        found: torch.Tensor = net(table(joined, starts) / lengths.sqrt()[:, None])
        return found

    optimizers = [
        torch.optim.Adam(net.parameters(), lr=_RATE),
        torch.optim.SparseAdam(table.parameters(), lr=_TABLE_RATE),
    ]
    _descend(said, _aims(start(data.bag(chosen)), data, chosen, cases), optimizers, seed)
    return Ngrams(_head_of(net), table.weight.detach().numpy())


def _descend(
    said: Callable[[torch.Tensor], torch.Tensor], aims: Aims, optimizers: Sequence[torch.optim.Optimizer], seed: int
) -> None:
    """Cross-entropy with the aims by Adam, at a rate that falls along a cosine. Every step sees cases."""
    chance = np.random.default_rng(seed)
    harm, kinds, share = (torch.from_numpy(array) for array in (aims.harm, aims.kinds, aims.share))
    cases, others = np.flatnonzero(aims.cases), np.flatnonzero(~aims.cases)
    batches = -(-len(others) // _BATCH)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(each, _EPOCHS * batches) for each in optimizers]
    for _ in range(_EPOCHS):
        for some in np.array_split(chance.permutation(others), batches):
            drawn = chance.permutation(cases)[:_CASES]
            batch = torch.from_numpy(np.concatenate((some, drawn)))
            logits = said(batch)
            of_harm = entropy(logits[:, 0], harm[batch], reduction="none")
            of_kinds = entropy(logits[:, 1:], kinds[batch], reduction="none").mean(1)
            held, ruled = of_harm[: len(some)], of_harm[len(some) :] * share[batch[len(some) :]]
            loss = held.mean() + _COUNT * ruled.mean() + of_kinds.mean()
            for optimizer in optimizers:
                optimizer.zero_grad()
            torch.autograd.backward(loss)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()


def _module(head: Head) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(*head.hidden.shape), nn.ReLU(), nn.Linear(*head.out.shape))
    arrays = (head.hidden.T, head.hidden_bias, head.out.T, head.out_bias)
    with torch.no_grad():
        for parameter, array in zip(net.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return net


def _head_of(net: nn.Sequential) -> Head:
    hidden, hidden_bias, out, out_bias = (parameter.detach().numpy() for parameter in net.parameters())
    return Head(hidden.T.copy(), hidden_bias, out.T.copy(), out_bias)
