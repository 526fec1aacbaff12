"""The embedded moderator: the sentence encoder, adapted, and small networks on hashed n-grams.

A text is cut into windows of whole sentences. Two networks look at each. In English one is the encoder with changes of
low rank and a head (what is meant), the other looks at n-grams (what is written). The encoder does not know Chinese, so
there both look at n-grams, of single sentences too: one learnt from all that people post, the other only from what they
ask an assistant. Their logits are mixed into one calibrated harm probability; the text is as harmful as its worst
window. What is in another language is never more than possibly harmful.

Trained by `python -m finetune.moderation`; what it knows and what not: assets/adapters/moderation.md.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder import LowRank, SentenceEncoder
from errors import ModerationError
from moderation.base import Exchange, Level, Verdict
from moderation.familiar import familiar
from moderation.features import CHINESE, Counts, bags, chinese_share, clean, views
from moderation.lexicon import Lexicon

WEIGHTS = Path(__file__).parent.parent / "assets" / "adapters" / "moderation.safetensors"
MOST_ENCODED = 32
"""Windows of one text that the encoder reads: all of a text up to about 9,000 characters, else those that the n-grams,
which read everything, find most suspicious."""
VECTOR_SCALE = 8.0
"""What a unit vector is multiplied with before the head, while it is trained."""

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
class Ngrams:
    """A network on the sum of the n-grams' rows in a table, shape (2 ** features.BUCKET_BITS, bag width)."""

    head: Head
    table: Floats

    def __call__(self, counts: Counts) -> Floats:
        """Logits for texts laid end to end (`features.bags`)."""
        joined, starts = counts
        if not len(starts):
            return np.empty((0, len(self.head.out_bias)), dtype=np.float32)
        lengths = np.diff(np.append(starts, len(joined)))
        sums = np.add.reduceat(self.table[joined], starts, axis=0)
        return self.head((sums / np.sqrt(lengths)[:, None]).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything that was trained."""

    changes: LowRank
    """What makes the embedded encoder one of harm."""
    vectors: Head
    english: Ngrams
    posted: Ngrams
    """Chinese of all kinds, most of it posted in public."""
    asked: Ngrams
    """Chinese that is asked or said to an assistant; it alone tells categories of Chinese."""
    mix: Floats
    """Weights of the vector logit, the n-gram logit and 1 for English that was encoded (Platt 1999, two inputs)."""
    alone: Floats
    """Weights of the n-gram logit and 1 for English that was not."""
    chinese: Floats
    """Weights of the bounded `asked` logit, the `posted` logit and 1."""
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
                stored = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 (no dict)
                about = file.metadata()
            named = {name: tensor * stored.get(name + _SCALE, 1) for name, tensor in stored.items()}
            names = [name.removesuffix(_DOWN) for name in named if name.endswith(_DOWN)]
            return cls(
                changes={name.removeprefix(_CHANGE): (named[name + _DOWN], named[name + _UP]) for name in names},
                vectors=_head(named, "vectors"),
                english=Ngrams(_head(named, "english"), named["english.table"]),
                posted=Ngrams(_head(named, "posted"), named["posted.table"]),
                asked=Ngrams(_head(named, "asked"), named["asked.table"]),
                **{name: named[name] for name in _MIXES},
                categories=tuple(json.loads(about["categories"])),
                thresholds=tuple(json.loads(about["thresholds"])),
                encoder_hash=about["encoder"],
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModerationError(
                f"The moderation weights {path} cannot be read; restore the file or train it with finetune.moderation."
            ) from error

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What is stored: matrices in bytes with a scale for each of their columns, the rest in half precision."""
        heads = {"vectors": self.vectors, "english": self.english.head, "posted": self.posted.head}
        heads["asked"] = self.asked.head
        named = {f"{name}.{part}": getattr(head, part) for name, head in heads.items() for part in _HEAD}
        named |= {f"{name}.table": getattr(self, name).table for name in ("english", "posted", "asked")}
        stored: dict[str, NDArray[Any]] = {name: getattr(self, name).astype(np.float16) for name in _MIXES}
        for name, (down, up) in self.changes.items():
            stored |= {_CHANGE + name + _DOWN: down.astype(np.float16), _CHANGE + name + _UP: up.astype(np.float16)}
        for name, tensor in named.items():
            if tensor.ndim < 2:
                stored[name] = tensor.astype(np.float16)
                continue
            scale = np.maximum(np.abs(tensor).max(axis=0) / 127, 1e-6).astype(np.float16)
            stored[name + _SCALE] = scale
            levels = np.round(tensor / scale.astype(np.float32)).clip(-127, 127)
            stored[name] = np.ascontiguousarray(levels.astype(np.int8))
        return stored

    def encoded(self, ngram: Floats, vector: Floats) -> Floats:
        """Harm logit and category logits of English windows that were encoded."""
        harm = vector[:, 0] * self.mix[0] + ngram[:, 0] * self.mix[1] + self.mix[2]
        return np.column_stack((harm, _MEANT * vector[:, 1:] + (1 - _MEANT) * ngram[:, 1:]))

    def unencoded(self, ngram: Floats) -> Floats:
        """Harm logit and category logits of English windows that were not."""
        return np.column_stack((ngram[:, 0] * self.alone[0] + self.alone[1], ngram[:, 1:]))

    def in_chinese(self, posted: Floats, asked: Floats) -> Floats:
        """Harm logit and category logits of Chinese windows."""
        harm = bounded(asked[:, 0]) * self.chinese[0] + posted[:, 0] * self.chinese[1] + self.chinese[2]
        return np.column_stack((harm, asked[:, 1:]))

    def level(self, score: float) -> Level:
        return Level(int(np.searchsorted(self.thresholds, score, side="right")))


_HEAD = ("hidden", "hidden_bias", "out", "out_bias")
_MIXES = ("mix", "alone", "chinese")
_SCALE = ".scale"
_CHANGE, _DOWN, _UP = "change.", ".down", ".up"
_STRANGE = -1.4
"""Highest harm logit of a text in a language that the networks do not know: of that they know nothing."""
_MEANT = 0.75
"""How much of an English category's logit is the vector network's: the n-grams tell harm well, its kinds less so."""


def _head(named: Mapping[str, Floats], name: str) -> Head:
    return Head(*(named[f"{name}.{part}"] for part in _HEAD))


def bounded(asked: Floats) -> Floats:
    """Harm logits of the `asked` network, which is sure of itself where it knows nothing: in what people post."""
    return np.clip(asked, -3, 3)


class EmbeddedClassifier:
    """Judges English and Chinese texts by themselves, without what was said before. Safe to call from several threads.

    It has an encoder of its own: the embedded one, changed by the weights.
    """

    name = "embedded"

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._path = weights
        self._encoder: SentenceEncoder | None = None
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
            encoder = SentenceEncoder(changes=weights.changes)
            if encoder.hash != weights.encoder_hash:
                raise ModerationError(
                    f"The moderation weights were trained on encoder {weights.encoder_hash} and the embedded one is "
                    f"{encoder.hash}; train them again with finetune.moderation."
                )
            self._weights, self._encoder = weights, encoder

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
        """Mixed logits of all windows, shape (windows, 1 + categories). Of the English ones some are encoded."""
        weights = self._weights
        assert weights is not None
        logits = np.empty((len(flat), 1 + len(weights.categories)), dtype=np.float32)
        in_chinese = np.array([chinese_share(window) >= CHINESE for window in flat])
        chinese, english = np.flatnonzero(in_chinese), np.flatnonzero(~in_chinese)
        counts = bags(_at(flat, chinese))
        logits[chinese] = weights.in_chinese(weights.posted(counts), weights.asked(counts))
        logits[english] = ngram = weights.english(bags(_at(flat, english)))
        encoded = _encoded(texts, in_chinese, logits[:, 0])
        mixed = weights.encoded(logits[encoded], weights.vectors(self._vectors(_at(flat, encoded))))
        logits[english] = weights.unencoded(ngram)
        logits[encoded] = mixed
        lexicon = Lexicon.embedded()
        strange = [i for i in english.tolist() if not familiar(flat[i], lexicon)]
        logits[strange, 0] = np.minimum(logits[strange, 0], _STRANGE)
        logits[[not window for window in flat], 0] = -np.inf
        return logits

    def _vectors(self, texts: list[str]) -> Floats:
        """Vectors of the texts; the encoder is left alone when there are none."""
        assert self._weights is not None and self._encoder is not None
        empty = np.empty((0, len(self._weights.vectors.hidden)), dtype=np.float32)
        return self._encoder.encode(texts) if texts else empty

    def _verdict(self, logits: Floats) -> Verdict:
        """The verdict on a text from its windows' logits: the worst window counts."""
        assert self._weights is not None
        harm = _sigmoid(logits[:, 0])
        by_category = (harm[:, None] * _sigmoid(logits[:, 1:])).max(axis=0)
        ranked = sorted(zip(self._weights.categories, by_category.tolist(), strict=True), key=lambda pair: -pair[1])
        score = float(harm.max())
        return Verdict(score, self._weights.level(score), tuple(ranked))


def _encoded(texts: list[list[str]], chinese: NDArray[np.bool_], suspicion: Floats) -> NDArray[np.int64]:
    """Indices of the windows that the encoder reads, at most `MOST_ENCODED` of a text."""
    chosen: list[int] = []
    start = 0
    for text in texts:
        known = [start + i for i, window in enumerate(text) if window and not chinese[start + i]]
        chosen += sorted(sorted(known, key=lambda i: -suspicion[i])[:MOST_ENCODED])
        start += len(text)
    return np.array(chosen, dtype=np.int64)


def _at(flat: list[str], places: NDArray[np.int64]) -> list[str]:
    return [flat[i] for i in places]


def _sigmoid(x: Floats) -> Floats:
    return (1 / (1 + np.exp(-x))).astype(np.float32)
