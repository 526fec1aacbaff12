"""Train the embedded moderation classifier.

    python -m finetune.moderation --data DIR --out assets/adapters/moderation.safetensors
        [--ordinary DIR] [--cache FILE.npz] [--leave-one-out]

DIR holds the public sets as gzip JSON lines (moderation_data.py); --ordinary is a folder of reading-comprehension sets
in BEIR layout, whose questions stand for ordinary talk (without it the classifier knows little harmless Chinese).
Every text is encoded once; --cache keeps the vectors. Writes the weights and, beside them, a card with the figures on
held-out texts. --leave-one-out also trains once without each source and measures on it.

Four networks (on English vectors, on English n-grams, on all Chinese n-grams, on those of Chinese that is asked) are
trained five times, each time without a fifth of the training texts; what they say about the fifth they have not seen
sets the mixes, the calibration and the thresholds. Then they are trained on all of it.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from encoder import SentenceEncoder
from finetune import moderation_card as card
from finetune.moderation_data import POSTED, Row, all_rows, fingerprint, number
from moderation.base import Category
from moderation.classifier import CHINESE, Floats, Head, Ngrams, Weights, bounded
from moderation.features import BUCKET_BITS, Counts, bags, chinese_share, clean, views, windows

if TYPE_CHECKING:
    import torch

FOLDS = 5
ENSEMBLE = 3
"""Vector networks trained from different seeds; side by side they are one network, three times as wide."""
MOST_VIEWS = {True: 3, False: 10}
"""Windows that are trained on, of harmful texts; windows and sentences, of harmless ones."""
CATEGORIES = tuple(category.value for category in Category)

_VECTOR_SCALE = 8.0
_NOISE = 0.3
"""Standard deviation of the noise added to scaled vectors while training."""
_BATCH, _RATE, _DECAY, _DROPOUT = 512, 3e-3, 1e-3, 0.3


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one of the networks is trained; `width` is its hidden layer's."""

    width: int
    epochs: int
    bag_width: int = 0
    """Columns of the n-gram table; 0 for the network on vectors."""
    table_rate: float = 0.0
    kinds: float = 1.0
    """How much telling the categories counts beside telling harm."""


RECIPES = {
    "vectors": Recipe(width=256, epochs=12),
    "english": Recipe(width=32, epochs=4, bag_width=8, table_rate=3e-3),
    "posted": Recipe(width=32, epochs=4, bag_width=8, table_rate=3e-3),
    "asked": Recipe(width=32, epochs=15, bag_width=8, table_rate=1e-2, kinds=10.0),
}

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of all rows, as arrays; `row[i]` is the row that window i was cut from."""

    row: Ints
    vectors: Floats
    known: Bools
    """Whether the window has a vector (is not Chinese)."""
    counts: Counts
    target: Floats
    weight: Floats
    kinds: Floats
    """One column per category, 1 where the row has it."""
    kind_weight: Floats
    """0 where the row's kind of harm is not known or it has none."""
    posted: Bools
    """Whether it is from a social network, not said to an assistant."""

    def bag(self, chosen: Ints) -> Counts:
        """The n-gram buckets of some windows, laid end to end."""
        joined, starts = self.counts
        ends = np.append(starts[1:], len(joined))
        lengths = (ends - starts)[chosen]
        offsets = np.cumsum(np.append(0, lengths))[:-1]
        places = np.repeat(starts[chosen] - offsets, lengths) + np.arange(lengths.sum())
        return joined[places], offsets


def cut(rows: Sequence[Row], encoder: SentenceEncoder, cache: Path | None) -> Windows:
    """Cut the rows into windows, encode those that are not Chinese, count their n-grams."""
    parts = [_seen(row) for row in rows]
    flat = [window for part in parts for window in part]
    owner = np.repeat(np.arange(len(rows)), [len(part) for part in parts])
    known = np.array([chinese_share(window) < CHINESE for window in flat])
    vectors = np.zeros((len(flat), encoder.dimension), dtype=np.float32)
    vectors[known] = _encode([window for window, k in zip(flat, known, strict=True) if k], encoder, cache)
    target = np.array([row.target for row in rows], dtype=np.float32)
    # The windows of a text share its weight: all of it where it is harmful, for only one of them may be.
    shared = np.array([len(part) for part in parts]) ** np.where(target > 0.5, 1, 0.5)
    kinds = np.array([[name in (row.categories or ()) for name in CATEGORIES] for row in rows], dtype=np.float32)
    sure = np.array([row.categories is not None and row.target > 0.5 for row in rows], dtype=np.float32)
    weight = (np.array([row.weight for row in rows]) / shared).astype(np.float32)
    return Windows(
        row=owner,
        vectors=vectors,
        known=known,
        counts=bags(flat),
        target=target[owner],
        weight=weight[owner],
        kinds=kinds[owner],
        kind_weight=(sure * weight)[owner],
        posted=np.array([row.source in POSTED for row in rows])[owner],
    )


def _seen(row: Row) -> list[str]:
    """The views of a row. Of harmful training texts only windows: nobody knows which sentence is the harmful one."""
    harmful = row.target > 0.5
    whole = windows(clean(row.text)) if harmful and not row.held else views(clean(row.text))
    return whole if row.held and row.flagged is not None else whole[: MOST_VIEWS[harmful]]


def _encode(texts: list[str], encoder: SentenceEncoder, cache: Path | None) -> Floats:
    """Vectors of the texts; those in the cache file are not computed again."""
    stored: dict[str, NDArray[np.float16]] = {}
    if cache and cache.is_file():
        with np.load(cache) as file:
            stored = dict(zip(file["keys"].tolist(), file["vectors"], strict=True))
    keys = [fingerprint(f"{encoder.hash} {text}") for text in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in stored}
    print(f"{len(texts)} windows, {len(missing)} to encode", flush=True)
    fresh = encoder.encode(list(missing.values())).astype(np.float16)
    stored |= dict(zip(missing, fresh, strict=True))
    if cache and missing:
        np.savez(cache, keys=np.array(list(stored)), vectors=np.array(list(stored.values())))
    return np.array([stored[key] for key in keys], dtype=np.float32)


def train(data: Windows, chosen: Ints, part: str, seed: int) -> tuple[Head, Floats]:
    """A network on the chosen windows by the recipe of that name, and the n-gram table (unused for vectors).

    Binary cross-entropy of the harm probability, plus that of the categories where the text is harmful. AdamW with a
    cosine schedule (Loshchilov & Hutter 2017, 2019); the table by SparseAdam.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as entropy

    torch.set_flush_denormal(True)  # small networks train many times faster without denormal numbers
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    recipe = RECIPES[part]
    ngrams = recipe.bag_width > 0
    net = torch.nn.Sequential(
        torch.nn.Linear(recipe.bag_width or data.vectors.shape[1], recipe.width),
        torch.nn.ReLU(),
        torch.nn.Dropout(_DROPOUT),
        torch.nn.Linear(recipe.width, 1 + len(CATEGORIES)),
    )
    table = torch.nn.EmbeddingBag(2**BUCKET_BITS if ngrams else 1, recipe.bag_width or 1, mode="sum", sparse=True)
    torch.nn.init.normal_(table.weight, std=0.01)
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)]
    if ngrams:
        optimizers.append(torch.optim.SparseAdam(table.parameters(), lr=recipe.table_rate))
    steps = recipe.epochs * math.ceil(len(chosen) / _BATCH)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) for optimizer in optimizers]

    def inputs(batch: Ints) -> torch.Tensor:
        if not ngrams:
            x = torch.from_numpy(data.vectors[batch]) * _VECTOR_SCALE
            return x + _NOISE * torch.randn_like(x)
        joined, starts = (torch.from_numpy(array) for array in data.bag(batch))
        lengths = torch.diff(starts, append=torch.tensor([len(joined)])).float()
        bag: torch.Tensor = table(joined, starts)
        return bag / lengths.sqrt()[:, None]

    for _ in range(recipe.epochs):
        shuffled = order.permutation(chosen)
        for start in range(0, len(shuffled), _BATCH):
            batch = shuffled[start : start + _BATCH]
            logits = net(inputs(batch))
            weight, kind_weight = torch.from_numpy(data.weight[batch]), torch.from_numpy(data.kind_weight[batch])
            harm = entropy(logits[:, 0], torch.from_numpy(data.target[batch]), reduction="none")
            kind = entropy(logits[:, 1:], torch.from_numpy(data.kinds[batch]), reduction="none").mean(1)
            known_kinds = (kind * kind_weight).sum() / (kind_weight.sum() + 1)
            loss = (harm * weight).sum() / weight.sum() + recipe.kinds * known_kinds
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
    learnt: Floats = table.weight.detach().numpy()
    return _head(net, 1.0 if ngrams else _VECTOR_SCALE), learnt


def _head(net: torch.nn.Sequential, scale: float) -> Head:
    """The network in numpy; the factor on its input goes into the first layer."""
    (hidden, hidden_bias), (out, out_bias) = (net[layer].state_dict().values() for layer in (0, 3))
    return Head(hidden.numpy().T * np.float32(scale), hidden_bias.numpy(), out.numpy().T, out_bias.numpy())


def side_by_side(heads: Sequence[Head]) -> Head:
    """One network whose logits are the mean of several networks' logits."""
    return Head(
        np.concatenate([head.hidden for head in heads], axis=1),
        np.concatenate([head.hidden_bias for head in heads]),
        (np.concatenate([head.out for head in heads]) / len(heads)).astype(np.float32),
        np.mean([head.out_bias for head in heads], axis=0, dtype=np.float32),
    )


def fit(data: Windows, chosen: Ints, encoder_hash: str, ensemble: int = ENSEMBLE) -> Weights:
    """All networks on the chosen windows, not yet mixed or calibrated."""
    english, chinese = chosen[data.known[chosen]], chosen[~data.known[chosen]]
    return Weights(
        vectors=side_by_side([train(data, english, "vectors", seed)[0] for seed in range(ensemble)]),
        english=Ngrams(*train(data, english, "english", seed=0)),
        posted=Ngrams(*train(data, chinese, "posted", seed=0)),
        asked=Ngrams(*train(data, chinese[~data.posted[chinese]], "asked", seed=0)),
        mix=np.array([0.6, 0.4, 0.0], dtype=np.float32),
        chinese=np.array([0.5, 0.5, 0.0], dtype=np.float32),
        alone=np.array([1.0, 0.0], dtype=np.float32),
        categories=CATEGORIES,
        thresholds=(1.0,) * 4,
        encoder_hash=encoder_hash,
    )


def logits(weights: Weights, data: Windows, chosen: Ints) -> tuple[Floats, Floats]:
    """Logits of the networks on n-grams of all kinds, and of the other one: on vectors, or on Chinese that is asked."""
    ngram = np.empty((len(chosen), 1 + len(CATEGORIES)), dtype=np.float32)
    other = np.empty_like(ngram)
    known = data.known[chosen]
    english, chinese = data.bag(chosen[known]), data.bag(chosen[~known])
    ngram[known], ngram[~known] = weights.english(english), weights.posted(chinese)
    other[known], other[~known] = weights.vectors(data.vectors[chosen[known]]), weights.asked(chinese)
    return ngram, other


def mixed(weights: Weights, data: Windows, chosen: Ints, ngram: Floats, other: Floats) -> Floats:
    """Harm logit of each window, mixed as at run time where everything is encoded."""
    known = data.known[chosen]
    return np.where(known, weights.encoded(ngram, other)[:, 0], weights.in_chinese(ngram, other)[:, 0])


def regress(x: Floats, target: Floats, weight: Floats, steps: int = 30) -> Floats:
    """Weights of a logistic regression on the columns of x and 1, by Newton's method (Platt scaling)."""
    x = np.column_stack((x, np.ones(len(x)))).astype(np.float64)
    beta = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-x @ beta))
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(len(beta))
        beta -= np.linalg.solve(hessian, x.T @ (weight * (p - target)))
    return beta.astype(np.float32)


def worst_of(scores: Floats, owner: Ints, rows: int) -> Floats:
    """Each row's highest window; minus infinity where a row has none."""
    found = np.full(rows, -np.inf, dtype=np.float32)
    np.maximum.at(found, owner, scores)
    return found


# Which share of harmless texts may reach a level, by kind of source; the strictest kind decides.
_ALLOWED = (
    {"ordinary": 0.008, "everyday": 0.06, "alarming": 0.14},  # needs caution
    {"ordinary": 0.002, "everyday": 0.025, "alarming": 0.08},  # needs intervention
)
_KINDS = {
    "ordinary": ("benign", "library", "ordinary_squad_dev_en", "ordinary_xquad_zh", "ordinary_drcd_zh_hant"),
    "everyday": ("own_everyday", "own_task"),
    "alarming": ("own_contrast", "own_message"),
}
_MILD = (0.2, 0.5)
"""Probabilities from which "possibly" and "probably needs caution" begin, unless caution itself begins lower."""


def limit(rows: Sequence[Row], scores: Floats, allowed: dict[str, float]) -> float:
    """The lowest logit that at most the allowed shares of harmless training texts reach."""
    found = []
    for kind, share in allowed.items():
        harmless = [row.flagged is False and not row.held and row.source in _KINDS[kind] for row in rows]
        found.append(float(np.quantile(scores[np.array(harmless)], 1 - share)))
    return max(found)


def thresholds(caution: float, intervention: float) -> tuple[float, ...]:
    """Where the levels begin, from the logits of the upper two."""
    upper = [float(1 / (1 + np.exp(-logit))) for logit in (caution, intervention)]
    return (min(_MILD[0], upper[0] / 2), min(_MILD[1], upper[0] * 0.75), *upper)


def calibrate(weights: Weights, rows: Sequence[Row], data: Windows, chosen: Ints) -> Weights:
    """Set mixes, calibration and thresholds by what networks trained on the other folds say about each fold."""
    fold = np.array([number(row.group) % FOLDS for row in rows])[data.row]
    ngram = np.zeros((len(data.row), 1 + len(CATEGORIES)), dtype=np.float32)
    other = np.zeros_like(ngram)
    for left_out in range(FOLDS):
        inside, outside = chosen[fold[chosen] != left_out], chosen[fold[chosen] == left_out]
        apart = fit(data, inside, weights.encoder_hash, ensemble=1)
        ngram[outside], other[outside] = logits(apart, data, outside)
        print(f"fold {left_out + 1} of {FOLDS}", flush=True)
    english, chinese = chosen[data.known[chosen]], chosen[~data.known[chosen]]

    def fitted(part: Ints, *inputs: Floats) -> Floats:
        return regress(np.column_stack([x[part] for x in inputs]), data.target[part], data.weight[part])

    weights = replace(
        weights,
        mix=fitted(english, other[:, 0], ngram[:, 0]),
        chinese=fitted(chinese, bounded(other[:, 0]), ngram[:, 0]),
        alone=fitted(english, ngram[:, 0]),
    )
    scores = worst_of(mixed(weights, data, chosen, ngram[chosen], other[chosen]), data.row[chosen], len(rows))
    some_known = worst_of(data.known[chosen].astype(np.float32), data.row[chosen], len(rows))
    parts = [np.flatnonzero(some_known == value) for value in (1, 0)]
    limits = [[limit([rows[i] for i in part.tolist()], scores[part], a) for a in _ALLOWED] for part in parts]
    print(f"limits: English {limits[0]}, Chinese {limits[1]}")
    # Chinese n-grams are surer than they should be of texts unlike those they know: their logit is lowered until the
    # same threshold holds for both languages.
    weights.chinese[2] -= max(0.0, limits[1][1] - limits[0][1])
    return replace(weights, thresholds=thresholds(*limits[0]))


def held_scores(weights: Weights, rows: Sequence[Row], data: Windows, chosen: Ints) -> Floats:
    """Harm probability of every row that has chosen windows (0 for the others)."""
    logit = worst_of(mixed(weights, data, chosen, *logits(weights, data, chosen)), data.row[chosen], len(rows))
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


def save(weights: Weights, path: Path) -> None:
    from safetensors.numpy import save_file

    about = {
        "categories": json.dumps(weights.categories),
        "thresholds": json.dumps([round(value, 4) for value in weights.thresholds]),
        "encoder": weights.encoder_hash,
    }
    save_file(weights.tensors(), path, metadata=about)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded moderation classifier.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the public moderation sets")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go; the card goes beside them")
    parser.add_argument("--ordinary", type=Path, help="folder of reading-comprehension sets in BEIR layout")
    parser.add_argument("--cache", type=Path, help="file that keeps the sentence vectors (.npz)")
    parser.add_argument("--leave-one-out", action="store_true", help="also train without each source in turn")
    options = parser.parse_args()

    started = time.monotonic()
    encoder = SentenceEncoder()
    rows = all_rows(options.data, options.ordinary)
    data = cut(rows, encoder, options.cache)
    held = np.array([row.held for row in rows])[data.row]
    learn, test = np.flatnonzero(~held), np.flatnonzero(held)
    weights = calibrate(fit(data, learn, encoder.hash), rows, data, learn)
    save(weights, options.out)
    weights = Weights.read(options.out)
    print(f"mix {weights.mix}, Chinese {weights.chinese}, alone {weights.alone}, levels begin at {weights.thresholds}")

    tables = [card.per_source(rows, held_scores(weights, rows, data, test), weights.thresholds)]
    if options.leave_one_out:
        without = {
            source: held_scores(_refitted(weights, rows, data, learn, source), rows, data, test)
            for source in card.sources(rows)
        }
        tables.append(card.left_out(rows, without, weights.thresholds))
    text = card.card(rows, weights, tables, options.out.stat().st_size, (time.monotonic() - started) / 60)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print("\n\n".join(tables))


def _refitted(weights: Weights, rows: Sequence[Row], data: Windows, learn: Ints, source: str) -> Weights:
    """The networks trained without a source (our own files together), mixed and calibrated as the real ones."""
    inside = np.array([card.family(row.source) != source for row in rows])[data.row]
    apart = fit(data, learn[inside[learn]], weights.encoder_hash, ensemble=1)
    print(f"without {source}", flush=True)
    return replace(apart, mix=weights.mix, chinese=weights.chinese, alone=weights.alone, thresholds=weights.thresholds)


if __name__ == "__main__":
    main()
