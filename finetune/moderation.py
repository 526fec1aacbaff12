"""Train the embedded moderation classifier.

    python -m finetune.moderation --data DIR --out FILE.safetensors [--ordinary DIR] [--epochs 3] [--run DIR] [--resume]

DIR holds the public sets as gzip JSON lines (moderation_data.py); --ordinary is a folder of reading-comprehension sets
in BEIR layout, whose questions stand for ordinary talk (without it the classifier knows little harmless Chinese).
Writes the weights and, beside them, a card with the figures on held-out texts; and to --run the curves, and after each
epoch a checkpoint that --resume goes on from.

Four networks are trained: the encoder with changes of low rank (moderation_encoder.py) and one on n-grams for English,
one on all Chinese n-grams, one on those of Chinese that is asked. An eighth of the training texts is kept from them: it
sets the mixes, the calibration and the thresholds. At last the networks learn once more the harmless texts with
identity terms, and those of the app itself, that they would still flag (moderation_further.py).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from encoder import SentenceEncoder
from errors import AppError
from finetune import logistic
from finetune import moderation_card as card
from finetune.course import RUNS, STOPPED, Checkpoints, Course, digest
from finetune.moderation_data import TEMPLATES, Row, all_rows
from finetune.moderation_further import further
from finetune.moderation_windows import CATEGORIES, Bools, Ints, Windows, cut
from finetune.writing import writing
from moderation.base import Level
from moderation.classifier import Floats, Head, Ngrams, Weights, bounded
from moderation.features import BUCKET_BITS

if TYPE_CHECKING:
    import torch

_BATCH, _RATE, _DECAY, _DROPOUT = 512, 3e-3, 1e-3, 0.3
_PENALTY = 1e-6
"""On the squares of the weights of a mix: enough that there is one answer."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network on n-grams is trained; `width` is its hidden layer's."""

    width: int
    epochs: int
    bag_width: int
    """Columns of the n-gram table."""
    table_rate: float
    kinds: float = 1.0
    """How much telling the categories counts beside telling harm."""


RECIPES = {
    "english": Recipe(width=32, epochs=4, bag_width=8, table_rate=3e-3),
    "posted": Recipe(width=32, epochs=4, bag_width=8, table_rate=3e-3),
    "asked": Recipe(width=32, epochs=15, bag_width=8, table_rate=1e-2, kinds=10.0),
}


def train(data: Windows, chosen: Ints, part: str, seed: int = 0, checkpoints: Checkpoints | None = None) -> Ngrams:
    """A network on the n-grams of the chosen windows, by the recipe of that name.

    Binary cross-entropy of the harm probability, plus that of the categories where the text is harmful. AdamW with a
    cosine schedule (Loshchilov & Hutter 2017, 2019); the table by SparseAdam. Raises `InputError`: see `Course.epochs`.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as entropy

    torch.set_flush_denormal(True)  # small networks train many times faster without denormal numbers
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    recipe = RECIPES[part]
    net = torch.nn.Sequential(
        torch.nn.Linear(recipe.bag_width, recipe.width),
        torch.nn.ReLU(),
        torch.nn.Dropout(_DROPOUT),
        torch.nn.Linear(recipe.width, 1 + len(CATEGORIES)),
    )
    table = torch.nn.EmbeddingBag(2**BUCKET_BITS, recipe.bag_width, mode="sum", sparse=True)
    torch.nn.init.normal_(table.weight, std=0.01)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY),
        torch.optim.SparseAdam(table.parameters(), lr=recipe.table_rate),
    ]
    steps = math.ceil(len(chosen) / _BATCH)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(each, recipe.epochs * steps) for each in optimizers]
    learnt = digest([data.texts[i] for i in chosen], data.target[chosen], data.weight[chosen], data.kinds[chosen])
    course = Course(f"n-grams {part}", (net, table, *optimizers, *schedules), order, checkpoints, learnt)
    for _ in course.epochs(recipe.epochs, steps):
        shuffled = order.permutation(chosen)
        for start in range(0, len(shuffled), _BATCH):
            batch = shuffled[start : start + _BATCH]
            joined, starts = (torch.from_numpy(array) for array in data.bag(batch))
            lengths = torch.diff(starts, append=torch.tensor([len(joined)])).float()
            logits = net(table(joined, starts) / lengths.sqrt()[:, None])
            weight, kind_weight = torch.from_numpy(data.weight[batch]), torch.from_numpy(data.kind_weight[batch])
            harm = entropy(logits[:, 0], torch.from_numpy(data.target[batch]), reduction="none")
            kind = entropy(logits[:, 1:], torch.from_numpy(data.kinds[batch]), reduction="none").mean(1)
            known_kinds = (kind * kind_weight).sum() / (kind_weight.sum() + 1)
            loss = (harm * weight).sum() / weight.sum() + recipe.kinds * known_kinds
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            course.told(float(loss.detach()), float(schedules[0].get_last_lr()[0]))
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
    (hidden, hidden_bias), (out, out_bias) = (net[layer].state_dict().values() for layer in (0, 3))
    head = Head(hidden.numpy().T.copy(), hidden_bias.numpy(), out.numpy().T.copy(), out_bias.numpy())
    return Ngrams(head, table.weight.detach().numpy())


def fit(data: Windows, epochs: int, encoder_hash: str, checkpoints: Checkpoints | None = None) -> Weights:
    """All networks on the windows to train on, not yet mixed or calibrated.

    Raises `InputError`: see `Course.epochs`.
    """
    from finetune.moderation_encoder import adapt

    learn = ~data.held & ~data.calibrating
    english, chinese = np.flatnonzero(learn & data.english), np.flatnonzero(learn & ~data.english)
    changes, vectors = adapt(data.labelled(english), epochs, checkpoints=checkpoints)
    return Weights(
        changes=changes,
        vectors=vectors,
        english=train(data, english, "english", checkpoints=checkpoints),
        posted=train(data, chinese, "posted", checkpoints=checkpoints),
        asked=train(data, chinese[~data.posted[chinese]], "asked", checkpoints=checkpoints),
        mix=np.array([0.6, 0.4, 0.0], dtype=np.float32),
        chinese=np.array([0.5, 0.5, 0.0], dtype=np.float32),
        alone=np.array([1.0, 0.0], dtype=np.float32),
        categories=CATEGORIES,
        thresholds=(1.0,) * 4,
        encoder_hash=encoder_hash,
    )


def logits(weights: Weights, data: Windows, chosen: Ints, vectors: Floats | None = None) -> tuple[Floats, Floats]:
    """Logits of the networks on n-grams of all kinds, and of the other: the encoder, or on Chinese that is asked.

    `vectors`: those of the chosen windows that are English; encoded here where they are not given.
    """
    ngram = np.empty((len(chosen), 1 + len(CATEGORIES)), dtype=np.float32)
    other = np.empty_like(ngram)
    known = data.english[chosen]
    english, chinese = data.bag(chosen[known]), data.bag(chosen[~known])
    ngram[known], ngram[~known] = weights.english(english), weights.posted(chinese)
    if vectors is None:
        vectors = SentenceEncoder(changes=weights.changes).encode([data.texts[i] for i in chosen[known]])
    other[known] = weights.vectors(vectors)
    other[~known] = weights.asked(chinese)
    return ngram, other


def mixed(weights: Weights, data: Windows, chosen: Ints, ngram: Floats, other: Floats) -> Floats:
    """Harm logit of each window, mixed as at run time where everything is encoded."""
    known = data.english[chosen]
    return np.where(known, weights.encoded(ngram, other)[:, 0], weights.in_chinese(ngram, other)[:, 0])


def worst_of(scores: Floats, owner: Ints, rows: int) -> Floats:
    """Each row's highest window; minus infinity where a row has none."""
    found = np.full(rows, -np.inf, dtype=np.float32)
    np.maximum.at(found, owner, scores)
    return found


# Which share of harmless texts may reach a level, by kind of source; the strictest kind decides.
_ALLOWED = (
    {"ordinary": 0.03, "everyday": 0.13, "alarming": 0.25},  # needs caution
    {"ordinary": 0.02, "everyday": 0.1, "alarming": 0.18},  # needs intervention
)
_KINDS = {
    "ordinary": ("benign", "library", "ordinary_squad_dev_en", "ordinary_xquad_zh", "ordinary_drcd_zh_hant"),
    "everyday": ("own_everyday", "own_software"),
    "alarming": ("own_contrast", "own_message", "own_prompt", "own_task"),
}
_ONCE_MORE = ("own_identity", TEMPLATES, "own_reply")
"""Sources whose harmless texts are learnt once more where they are flagged."""
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


def calibrate(weights: Weights, rows: Sequence[Row], data: Windows) -> Weights:
    """Set mixes, calibration and thresholds by the windows that were kept for it."""
    chosen = np.flatnonzero(data.calibrating)
    ngram, other = logits(weights, data, chosen)
    english = data.english[chosen]

    def fitted(part: NDArray[np.bool_], *inputs: Floats) -> Floats:
        columns = np.column_stack([x[part] for x in inputs])
        bias, *slopes = logistic.fit(columns, data.target[chosen[part]], data.weight[chosen[part]], _PENALTY)
        return np.array([*slopes, bias], dtype=np.float32)

    weights = replace(
        weights,
        mix=fitted(english, other[:, 0], ngram[:, 0]),
        chinese=fitted(~english, bounded(other[:, 0]), ngram[:, 0]),
        alone=fitted(english, ngram[:, 0]),
    )
    limits = _limits(rows, data, chosen, mixed(weights, data, chosen, ngram, other))
    # Chinese n-grams are surer than they should be of texts unlike those they know: their logit is lowered until the
    # same threshold holds for both languages.
    weights.chinese[2] -= max(0.0, limits[1][1] - limits[0][1])
    return replace(weights, thresholds=thresholds(*limits[0]))


def levelled(weights: Weights, rows: Sequence[Row], data: Windows) -> Weights:
    """The weights with the thresholds that fit them; those of English hold for both languages."""
    chosen = np.flatnonzero(data.calibrating)
    english, _ = _limits(rows, data, chosen, mixed(weights, data, chosen, *logits(weights, data, chosen)))
    return replace(weights, thresholds=thresholds(*english))


def _limits(rows: Sequence[Row], data: Windows, chosen: Ints, harm: Floats) -> list[list[float]]:
    """The logits where the upper two levels begin, of English and of Chinese, by the windows kept for calibration."""
    scores = worst_of(harm, data.row[chosen], len(rows))
    calibrating = np.zeros(len(rows), dtype=bool)
    calibrating[data.row[chosen]] = True
    some_english = worst_of(data.english[chosen].astype(np.float32), data.row[chosen], len(rows))
    parts = [np.flatnonzero(calibrating & (some_english == value)) for value in (1, 0)]
    limits = [[limit([rows[i] for i in part.tolist()], scores[part], a) for a in _ALLOWED] for part in parts]
    print(f"limits: English {limits[0]}, Chinese {limits[1]}")
    return limits


def flagged(weights: Weights, rows: Sequence[Row], data: Windows, vectors: Floats, level: Level) -> Bools:
    """Whether each row is of this level or above; `vectors` are the English windows'."""
    everything = np.arange(len(data.row))
    ngram, other = logits(weights, data, everything, vectors)
    worst = worst_of(mixed(weights, data, everything, ngram, other), data.row, len(rows))
    found: Bools = 1 / (1 + np.exp(-worst)) >= weights.thresholds[level - 1]
    return found


def even(weights: Weights, rows: Sequence[Row], data: Windows) -> Weights:
    """The weights after learning once more which harmless texts about people, and which of the app's own, they flag."""
    english = np.flatnonzero(data.english)
    vectors = SentenceEncoder(changes=weights.changes).encode([data.texts[i] for i in english])
    harmless = [row.flagged is False and not row.held and row.source in _ONCE_MORE for row in rows]
    wrong = flagged(weights, rows, data, vectors, Level.NEEDS_CAUTION) & np.array(harmless)
    print(
        f"{wrong.sum()} of {sum(harmless):,} harmless texts about people and of the app are flagged: learnt once more"
    )
    return further(weights, data, vectors, wrong[data.row])


def held_scores(weights: Weights, rows: Sequence[Row], data: Windows) -> Floats:
    """Harm probability of every held-out row (0 for the others)."""
    chosen = np.flatnonzero(data.held)
    logit = worst_of(mixed(weights, data, chosen, *logits(weights, data, chosen)), data.row[chosen], len(rows))
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


def save(weights: Weights, path: Path) -> None:
    """Raises `OSError` when the file cannot be written."""
    from safetensors.numpy import save as stored

    about = {
        "categories": json.dumps(weights.categories),
        "thresholds": json.dumps([round(value, 4) for value in weights.thresholds]),
        "encoder": weights.encoder_hash,
    }
    path.write_bytes(stored(weights.tensors(), metadata=about))


def main(arguments: Sequence[str] | None = None) -> int:
    about = "Train the embedded moderation classifier."
    parser = argparse.ArgumentParser(prog="python -m finetune.moderation", description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public moderation sets")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go; the card goes beside them")
    parser.add_argument("--ordinary", type=Path, help="folder of reading-comprehension sets in BEIR layout")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the English texts")
    parser.add_argument("--run", type=Path, default=RUNS / "moderation", help="where curves and checkpoints go")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints there")
    try:
        _made(parser.parse_args(arguments))
    except AppError as error:
        print(f"finetune.moderation: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"finetune.moderation: {STOPPED}", file=sys.stderr)
        return 130
    return 0


def _made(options: argparse.Namespace) -> None:
    """Train, and write weights and card. Raises `InputError`."""
    started = time.monotonic()
    checkpoints = Checkpoints(options.run, options.resume)
    checkpoints.admit()
    with writing(options.out, "--out"):
        options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = all_rows(options.data, options.ordinary)
    data = cut(rows)
    print(f"{len(rows):,} texts, {len(data.row):,} windows, {int(data.english.sum()):,} of them English", flush=True)
    weights = calibrate(fit(data, options.epochs, SentenceEncoder().hash, checkpoints), rows, data)
    with writing(options.out, "--out"):
        save(weights, options.out)
        weights = even(Weights.read(options.out), rows, data)  # as they are stored: that is what refuses
        weights = levelled(weights, rows, data)
        save(weights, options.out)
        weights = Weights.read(options.out)
    print(f"mix {weights.mix}, Chinese {weights.chinese}, alone {weights.alone}, levels begin at {weights.thresholds}")
    table = card.per_source(rows, held_scores(weights, rows, data), weights.thresholds)
    text = card.card(rows, weights, [table], options.out.stat().st_size, (time.monotonic() - started) / 60)
    with writing(options.out, "--out"):
        options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    sys.exit(main())
