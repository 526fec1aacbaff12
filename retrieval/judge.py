"""Which sentences of some passages answer a question: their features, weighed by the networks of `finetune.reader`.

One judge serves the reranker, which asks how likely a passage holds an answer at all, and the reader, which quotes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.answering import Question, Sentence, describe, read_question, sentences
from retrieval.base import Passage
from retrieval.cross_encoder import FILE as CROSS_ENCODER
from retrieval.cross_encoder import CrossEncoder, Matrix
from retrieval.rarity import Rarity, read_rarity
from retrieval.selector import Averaged, Network, Vector, read_networks
from retrieval.unit_vectors import UnitVectors
from retrieval.vectors import encoded_texts, units, vector_key
from retrieval.word_likeness import WordLikeness

ADAPTERS = Path(__file__).parent.parent / "assets" / "adapters"
_READ = 12
"""Sentences that are looked at closely; the right one is among so many likeliest as good as always."""
_UNREAD = -20.0


@dataclass(frozen=True, slots=True)
class Judged:
    """The sentences of some passages, and what speaks for each."""

    question: Question
    sentences: list[Sentence]
    logits: Vector
    """One for each sentence; “none of them” has 0."""
    threshold: float
    """Below this probability that any of them answers, nothing should be quoted."""


class SentenceJudge:
    """Safe to call from several threads; loads its networks on first use."""

    def __init__(self, vectors: UnitVectors, adapters: Path = ADAPTERS) -> None:
        self.vectors = vectors
        self.likeness = WordLikeness(vectors.encoder)
        self.cross_encoder = CrossEncoder(vectors.encoder, adapters / CROSS_ENCODER)
        self._adapters = adapters
        self._networks: dict[str, Network] = {}
        self._rarity = Rarity({})
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read the weights, once. Raises `ModelError` when they cannot be used."""
        with self._lock:
            if not self._networks:
                self._rarity = read_rarity(self._adapters / "reader.terms.tsv")
                self._networks = read_networks(self._adapters / "reader.json")

    def knows(self, language: str) -> bool:
        """Whether vectors can be trusted in this language, by the encoder that the network was fitted to."""
        self.load()
        encoder = self.vectors.encoder
        return encoder.knows(language) and self._networks["vectors"].encoder == encoder.hash

    def read(self, text: str, language: str) -> Question:
        """A question as the features see it."""
        self.load()
        return read_question(text, language, self._rarity)

    def judge(
        self, text: str, language: str, passages: Sequence[Passage], cosines: Vector | None, *, closely: bool = False
    ) -> Judged:
        """Weigh every sentence of the passages. `cosines` as `cosines` gives them; None where they are not `known`.

        `closely`: where there are cosines, the question is read together with the likeliest sentences, and the others
        count as wrong. On one busy core that took 8 ms for each sentence, and 1 ms for one that was read lately.
        """
        question, found = self.read(text, language), sentences(passages)
        network = self._networks["words" if cosines is None else "vectors"]
        likeness = None if cosines is None else self.likeness
        rows = describe(question, passages, found, cosines, likeness)
        if not closely or cosines is None or not found:
            return Judged(question, found, network.logits(rows), network.threshold)
        close = self._close()
        both = Averaged(network, close, close.threshold)
        first = network.logits(rows)
        likeliest = closest(first)
        texts = [encoded for passage in passages for encoded in encoded_texts(passage, units(passage.text))]
        read = self.cross_encoder.read(text, [texts[i] for i in likeliest])
        logits = np.full(len(found), _UNREAD, np.float32)
        logits[likeliest] = both.logits(with_close(rows[likeliest], first[likeliest], read))
        return Judged(question, found, logits, both.threshold)

    def _close(self) -> Network:
        """The closer look's network, with the threshold of both; read on first use: its recipe works without."""
        with self._lock:
            if "close" not in self._networks:
                self._networks = self._networks | read_networks(self._adapters / "reranker.json")
            return self._networks["close"]

    def cosines(self, text: str, passages: Sequence[Passage]) -> Vector:
        """Cosine of a question with every sentence of the passages, in order."""
        spans = [units(passage.text) for passage in passages]
        keys = [vector_key(encoded_texts(*each)) for each in zip(passages, spans, strict=True)]
        vectors = [each for each in self.vectors.find(passages, spans, keys) if each is not None]
        if not vectors:
            return np.zeros(0, np.float32)
        cosines: Vector = np.concatenate(vectors) @ self.vectors.encoder.question(text)
        return cosines


def closest(logits: Vector) -> NDArray[np.intp]:
    """Indices, ascending, of the sentences to look at closely by the first look's logits."""
    return np.sort(np.argsort(-logits, kind="stable")[:_READ])


def with_close(rows: Matrix, logits: Vector, read: Matrix) -> Matrix:
    """`FEATURES` followed by `CLOSE`: the logits of the first look, and what `CrossEncoder.read` gives."""
    looked = np.column_stack([logits, read])
    beside = np.stack([looked, looked - looked.max(axis=0)], axis=2).reshape(len(rows), -1)
    return np.concatenate([rows, beside], axis=1).astype(np.float32)
