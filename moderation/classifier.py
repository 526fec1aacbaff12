"""The embedded moderator: a small head on the sentence encoder's vectors and on hashed n-grams, in numpy.

A text is cut into windows of whole sentences, and those into sentences. Two small networks look at each: one at its
vector (what is meant; English), one at its n-grams (what is written; the only one for Chinese, which the encoder does
not know). Their logits are mixed into one calibrated harm probability; the text is as harmful as its worst window.

Trained by `python -m finetune.moderation`; what it knows and what not: assets/adapters/moderation.md.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder import SentenceEncoder
from errors import ModerationError
from moderation.base import Exchange, Level, Verdict
from moderation.features import Counts, bags, chinese_share, clean, views

WEIGHTS = Path(__file__).parent.parent / "assets" / "adapters" / "moderation.safetensors"
CHINESE = 0.3
"""Share of Chinese characters from which a window is judged by its n-grams alone."""
MOST_ENCODED = 32
"""Windows and sentences of one text that the encoder reads: all of a text up to about 3,000 characters, else those that
the n-grams, which read everything, find most suspicious."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """A network with one hidden layer: harm logit first, then one logit per category given that there is harm."""

    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Logits, shape (rows of x, 1 + categories)."""
        logits: Floats = np.maximum(x @ self.hidden + self.hidden_bias, 0) @ self.out + self.out_bias
        return logits


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything that was trained."""

    vectors: Head
    ngrams: Head
    table: Floats
    """One row per n-gram bucket, shape (2 ** features.BUCKET_BITS, bag width)."""
    mix: Floats
    """Weights of the vector logit, the n-gram logit and 1 where there is a vector (Platt 1999, two inputs)."""
    alone: Floats
    """Weights of the n-gram logit and 1 where there is none."""
    categories: tuple[str, ...]
    thresholds: tuple[float, ...]
    """Harm probabilities from which the levels after `casual` begin."""
    encoder_hash: str

    @classmethod
    def read(cls, path: Path) -> Weights:
        """The weights in a file. Raises `ModerationError` when it cannot be used."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                named = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 (no dict)
                about = file.metadata()
            return cls(
                vectors=Head(*(named[f"vectors.{part}"] for part in _HEAD)),
                ngrams=Head(*(named[f"ngrams.{part}"] for part in _HEAD)),
                table=named["table"],
                mix=named["mix"],
                alone=named["alone"],
                categories=tuple(json.loads(about["categories"])),
                thresholds=tuple(json.loads(about["thresholds"])),
                encoder_hash=about["encoder"],
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModerationError(
                f"The moderation weights {path} cannot be read; restore the file or train it with finetune.moderation."
            ) from error

    def tensors(self) -> dict[str, NDArray[np.float16]]:
        """What is stored, in half precision."""
        named = {f"vectors.{part}": getattr(self.vectors, part) for part in _HEAD}
        named |= {f"ngrams.{part}": getattr(self.ngrams, part) for part in _HEAD}
        named |= {"table": self.table, "mix": self.mix, "alone": self.alone}
        return {name: np.ascontiguousarray(tensor.astype(np.float16)) for name, tensor in named.items()}

    def ngram_logits(self, counts: Counts) -> Floats:
        """Logits of the n-gram network for texts laid end to end (`features.bags`)."""
        joined, starts = counts
        lengths = np.diff(np.append(starts, len(joined)))
        sums = np.add.reduceat(self.table[joined], starts, axis=0)
        return self.ngrams((sums / np.sqrt(lengths)[:, None]).astype(np.float32))

    def mixed(self, ngram: Floats, vector: Floats | None) -> Floats:
        """Harm logit and category logits of windows that have a vector (its network's logits) or have none."""
        if vector is None:
            harm = ngram[:, 0] * self.alone[0] + self.alone[1]
            return np.column_stack((harm, ngram[:, 1:]))
        harm = vector[:, 0] * self.mix[0] + ngram[:, 0] * self.mix[1] + self.mix[2]
        return np.column_stack((harm, (vector[:, 1:] + ngram[:, 1:]) / 2))

    def level(self, score: float) -> Level:
        return Level(int(np.searchsorted(self.thresholds, score, side="right")))


_HEAD = ("hidden", "hidden_bias", "out", "out_bias")


class EmbeddedClassifier:
    """Judges English and Chinese texts by themselves, without what was said before. Safe to call from several threads.

    The weights belong to the embedded encoder; when another one is set, that one is loaded beside it.
    """

    name = "embedded"

    def __init__(self, encoder: SentenceEncoder, weights: Path = WEIGHTS) -> None:
        self._encoder = encoder
        self._path = weights
        self._weights: Weights | None = None
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        return self._weights is not None

    def load(self) -> None:
        """Read the weights once. Raises `ModerationError` when they cannot be used, `ModelError` without encoder."""
        with self._lock:
            if self._weights is not None:
                return
            weights = Weights.read(self._path)
            if self._encoder.hash != weights.encoder_hash:
                self._encoder = SentenceEncoder()
            if self._encoder.hash != weights.encoder_hash:
                raise ModerationError(
                    f"The moderation weights were trained on encoder {weights.encoder_hash} and the embedded one is "
                    f"{self._encoder.hash}; train them again with finetune.moderation."
                )
            self._weights = weights

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict each, in order. Loads the weights on first use."""
        self.load()
        texts = [views(clean(exchange.text)) for exchange in exchanges]
        flat = [window for text in texts for window in text]
        if not flat:
            return []
        logits = self._logits(texts, flat)
        ends = np.cumsum([len(text) for text in texts])
        return [self._verdict(part) for part in np.split(logits, ends[:-1])]

    def _logits(self, texts: list[list[str]], flat: list[str]) -> Floats:
        """Mixed logits of all windows; those that the encoder reads get a vector, all get n-grams."""
        assert self._weights is not None
        ngram = self._weights.ngram_logits(bags(flat))
        encoded = np.array(_encoded(texts, ngram[:, 0]), dtype=np.int64)
        logits = self._weights.mixed(ngram, None)
        logits[[not window for window in flat], 0] = -np.inf
        if len(encoded):
            vectors = self._encoder.encode([flat[i] for i in encoded])
            logits[encoded] = self._weights.mixed(ngram[encoded], self._weights.vectors(vectors))
        return logits

    def _verdict(self, logits: Floats) -> Verdict:
        """The verdict on a text from its windows' logits: the worst window counts."""
        assert self._weights is not None
        harm = _sigmoid(logits[:, 0])
        by_category = (harm[:, None] * _sigmoid(logits[:, 1:])).max(axis=0)
        ranked = sorted(zip(self._weights.categories, by_category.tolist(), strict=True), key=lambda pair: -pair[1])
        score = float(harm.max())
        return Verdict(score, self._weights.level(score), tuple(ranked))


def _encoded(texts: list[list[str]], suspicion: Floats) -> list[int]:
    """Indices of the windows that the encoder reads, at most `MOST_ENCODED` of a text."""
    chosen: list[int] = []
    start = 0
    for text in texts:
        known = [start + i for i, window in enumerate(text) if window and chinese_share(window) < CHINESE]
        chosen += sorted(sorted(known, key=lambda i: -suspicion[i])[:MOST_ENCODED])
        start += len(text)
    return chosen


def _sigmoid(x: Floats) -> Floats:
    return (1 / (1 + np.exp(-x))).astype(np.float32)
