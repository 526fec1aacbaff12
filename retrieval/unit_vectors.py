"""The vectors of a passage's units wherever they can be had: stored in the index, encoded lately, or encoded now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from encoder import SentenceEncoder
from retrieval.base import Passage
from retrieval.split import Span
from retrieval.vectors import Stored, encoded_texts

Matrix = NDArray[np.float32]

_REMEMBERED = 1024
"""Passages whose fresh vectors are kept, about 8 MB: the next question is often about the same ones."""


class VectorStore(Protocol):
    """Vectors of passages that have been encoded before: a `DocumentIndex`."""

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]: ...


class UnitVectors:
    """One for the reranker and the reader, so that what the one has encoded the other need not. Safe for threads."""

    def __init__(self, encoder: SentenceEncoder, store: VectorStore | None = None) -> None:
        self.encoder = encoder
        self._store = store
        self._fresh: OrderedDict[int, Matrix] = OrderedDict()
        self._lock = threading.Lock()

    def find(
        self,
        passages: Sequence[Passage],
        spans: Sequence[Sequence[Span]],
        keys: Sequence[int],
        at_once: int | None = None,
    ) -> list[Matrix | None]:
        """For each passage its vectors, shape (units, dimension).

        `spans` are its `units`, `keys` their `vector_key`. None stands where more than `at_once` units in all would
        have to be encoded now; the first passages come first.
        """
        stored = self._store.vectors(keys) if self._store is not None else [None] * len(keys)
        with self._lock:
            found = [
                self._fresh.get(key) if vectors is None or len(vectors) != len(own) else vectors.astype(np.float32)
                for key, own, vectors in zip(keys, spans, stored, strict=True)
            ]
        now = []
        left = at_once
        for i, vectors in enumerate(found):
            if vectors is None and (left is None or len(spans[i]) <= left):
                now.append(i)
                left = None if left is None else left - len(spans[i])
        texts = [encoded_texts(passages[i], spans[i]) for i in now]
        encoded = self.encoder.encode([text for group in texts for text in group])
        for i, end in zip(now, accumulate(map(len, texts)), strict=True):
            found[i] = self._remember(keys[i], encoded[end - len(spans[i]) : end])
        return found

    def _remember(self, key: int, vectors: Matrix) -> Matrix:
        with self._lock:
            self._fresh[key] = vectors
            if len(self._fresh) > _REMEMBERED:
                self._fresh.popitem(last=False)
        return vectors
