"""Which sentences say most of what a document says: those that are like many others.

The degree of a sentence among all, by the terms they share, weighted by how few sentences hold them (Erkan & Radev
2004, “LexRank”, section 3.1). LexRank's walk over the same likenesses, and likenesses of sentence vectors, were
measured and chose no better (docs/measurements.md).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.text import analyse

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]


def by_terms(sentences: Sequence[str], language: str) -> Matrix:
    """Likeness of every two sentences, shape (n, n), 0..1: the cosine of their terms' weights."""
    counted = [Counter(analyse(sentence, language)) for sentence in sentences]
    holding = Counter(term for terms in counted for term in terms)
    shared = (term for term, count in holding.items() if count > 1)  # the others make no two sentences alike
    columns = {term: i for i, term in enumerate(shared)}
    weights = np.zeros((len(sentences), max(len(columns), 1)), np.float32)
    lengths = np.zeros((len(sentences), 1), np.float32)
    for row, terms in enumerate(counted):
        for term, count in terms.items():
            weight = (1 + math.log(count)) * math.log(1 + len(sentences) / holding[term])
            lengths[row] += weight**2
            if term in columns:
                weights[row, columns[term]] = weight
    weights /= np.maximum(np.sqrt(lengths), 1e-6)
    likeness: Matrix = np.clip(weights @ weights.T, 0.0, 1.0)
    np.fill_diagonal(likeness, 1.0)
    return likeness


def centrality(likeness: Matrix) -> Vector:
    """How central each sentence is, 0..1 with the most central at 1; shape (n,)."""
    degree: Vector = likeness.sum(axis=1)
    return degree / max(float(degree.max(initial=0.0)), 1e-6)
