"""Which token comes next, for many requests at once, each with options of its own.

Order and meaning of the options are those of transformers' `generate`: repetition penalty (Keskar et al. 2019,
arXiv:1909.05858), no-repeat n-grams, temperature, top-k (Fan et al. 2018, arXiv:1805.04833), top-p (Holtzman et al.
2019, arXiv:1904.09751). Nothing sorts the vocabulary: candidates come from a partial selection, and a nucleus that is
wider than it is selected again. Every request draws from a generator of its own, so its seed gives the same answer
whoever else is being answered.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from chat.base import Sampling

NOT_A_NUMBER = -1
"""Instead of a token, where the logits are not numbers."""
_WIDE = 256
"""Candidates looked at for a nucleus without top-k; it hardly ever holds more."""
_SMALLEST = torch.finfo(torch.float32).tiny
"""Smaller options are rounded up to it, not down to 0: with it, too, the likeliest token is taken."""


class Draw:
    """One request's options and what they depend on: the tokens so far and its random numbers."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int]) -> None:
        self.sampling = sampling
        self._random = random.Random(sampling.seed)
        self._chance: float | None = None
        self._tokens = list(prompt) if sampling.no_repeat_ngram else []
        self._follow: dict[tuple[int, ...], list[int]] = {}
        self._seen: set[int] = set(prompt) if sampling.repetition_penalty != 1 else set()
        self._read: Tensor | None = None
        size = sampling.no_repeat_ngram
        for i in range(len(self._tokens) - size + 1 if size else 0):
            self._follow.setdefault(tuple(self._tokens[i : i + size - 1]), []).append(self._tokens[i + size - 1])

    def uniform(self) -> float:
        """The random number for the next token, 0 ≤ u < 1: the same until one is taken."""
        if self._chance is None:
            self._chance = self._random.random()
        return self._chance

    def take(self, token: int) -> None:
        """`token` was picked."""
        self._chance = None
        size = self.sampling.no_repeat_ngram
        if size:
            self._tokens.append(token)
        if 0 < size <= len(self._tokens):
            self._follow.setdefault(tuple(self._tokens[-size:-1]), []).append(token)
        if self._read is not None:
            self._read[token] = True

    def banned(self) -> list[int]:
        """Tokens that would complete a run of `no_repeat_ngram` tokens a second time."""
        size = self.sampling.no_repeat_ngram
        before = len(self._tokens) - size + 1
        return self._follow.get(tuple(self._tokens[before:]), []) if size and before >= 0 else []

    def read(self, like: Tensor) -> Tensor:
        """Which tokens of the vocabulary were read or written; bool, shape (vocabulary,), kept up to date by `take`."""
        if self._read is None:
            read = torch.zeros(like.shape[-1], dtype=torch.bool, device=like.device)
            read[torch.tensor(sorted(self._seen), dtype=torch.long, device=like.device)] = True
            self._read = read
        return self._read


def pick(logits: Tensor, draws: Sequence[Draw]) -> list[int]:
    """One token for each row of `logits`, shape (requests, vocabulary), float32; `NOT_A_NUMBER` where they are none.

    The logits are used up. Each `Draw` is told its token.
    """
    _penalise(logits, draws)
    _ban(logits, draws)
    highest, tokens = logits.max(dim=-1)
    drawn = [i for i, draw in enumerate(draws) if draw.sampling.temperature > 0]
    if drawn:
        rows = torch.tensor(drawn, device=logits.device)
        scores = logits if len(drawn) == len(draws) else logits[rows]
        # The likeliest token has a score of 0: what is divided by however small a temperature stays a number.
        scores = torch.nan_to_num(scores) - torch.nan_to_num(highest[rows])[:, None]
        tokens[rows] = _drawn(scores, _of(draws, drawn))
    tokens = torch.where(torch.isnan(highest), NOT_A_NUMBER, tokens)
    picked: list[int] = tokens.tolist()
    for draw, token in zip(draws, picked, strict=True):
        draw.take(token)
    return picked


def _of(draws: Sequence[Draw], wanted: Sequence[int]) -> list[Draw]:
    return [draws[i] for i in wanted]


def _penalise(logits: Tensor, draws: Sequence[Draw]) -> None:
    rows = [i for i, draw in enumerate(draws) if draw.sampling.repetition_penalty != 1]
    if rows:
        index = torch.tensor(rows, device=logits.device)
        scores = logits[index]
        penalty = _column([draws[i].sampling.repetition_penalty for i in rows], logits)
        read = torch.stack([draws[i].read(logits) for i in rows])
        logits[index] = torch.where(read, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def _ban(logits: Tensor, draws: Sequence[Draw]) -> None:
    for i, draw in enumerate(draws):
        if banned := draw.banned():
            logits[i, torch.tensor(banned, device=logits.device)] = -torch.inf


def _drawn(scores: Tensor, draws: Sequence[Draw]) -> Tensor:
    """Tokens drawn at the temperatures above 0 of these requests, shape (requests,). No score is above 0."""
    scores = scores / _column([draw.sampling.temperature for draw in draws], scores).clamp(min=_SMALLEST)
    chances = _column([draw.uniform() for draw in draws], scores)
    tokens = torch.empty(len(draws), dtype=torch.long, device=scores.device)
    narrowed = [draw.sampling.top_k > 0 or draw.sampling.top_p < 1 for draw in draws]
    for wanted, draw_from in ((True, _narrowed), (False, _whole)):
        rows = [i for i, narrow in enumerate(narrowed) if narrow is wanted]
        if rows:
            index = torch.tensor(rows, device=scores.device)
            tokens[index] = draw_from(scores[index], chances[index], [draw.sampling for draw in _of(draws, rows)])
    return tokens


def _whole(scores: Tensor, chances: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """Drawn from the whole vocabulary."""
    return _inverted(scores.softmax(dim=-1), chances)


def _narrowed(scores: Tensor, chances: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """Drawn from the k likeliest tokens, and of those from the fewest that hold the probability p."""
    size = scores.shape[-1]
    ks = [min(sampling.top_k or size, size) for sampling in samplings]
    width = min(size, max(k if k < size else _WIDE for k in ks))
    values, ids = scores.topk(width, dim=-1)
    k, top_p = _column(ks, scores), _column([sampling.top_p for sampling in samplings], scores).clamp(min=_SMALLEST)
    values = values.masked_fill(torch.arange(width, device=scores.device) >= k, -torch.inf)
    # What the probabilities are shares of: the k candidates, or where there is no top-k the whole vocabulary.
    whole = torch.where(k < size, values.logsumexp(-1, keepdim=True), scores.logsumexp(-1, keepdim=True))
    shares = (values - whole).exp()
    reached = shares.cumsum(dim=-1)
    tokens = _gathered(ids, _inverted(shares * (reached - shares < top_p), chances))
    short = [i for i, s in enumerate(((k == size) & (reached[:, -1:] < top_p))[:, 0].tolist()) if s and width < size]
    if short:
        index = torch.tensor(short, device=scores.device)
        values, ids = scores[index].sort(dim=-1, descending=True)
        shares = values.softmax(dim=-1)
        within = shares.cumsum(dim=-1) - shares < top_p[index]
        tokens[index] = _gathered(ids, _inverted(shares * within, chances[index]))
    return tokens


def _gathered(ids: Tensor, places: Tensor) -> Tensor:
    return ids.gather(1, places[:, None])[:, 0]


def _inverted(shares: Tensor, chances: Tensor) -> Tensor:
    """Places drawn in proportion to `shares`, shape (requests, places), by inverting their cumulative sum."""
    reached = shares.cumsum(dim=-1, dtype=torch.float64 if shares.device.type != "mps" else None)
    wanted = chances.to(reached.dtype) * reached[:, -1:]
    # Not beyond the last place that has a share: rounding may put `wanted` there.
    last = shares.shape[-1] - 1 - (shares.flip(-1) > 0).to(torch.uint8).argmax(dim=-1)
    return torch.minimum(torch.searchsorted(reached, wanted, right=True)[:, 0], last)


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None]
