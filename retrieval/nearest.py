"""The passages whose vectors are nearest to a question's, by comparing with every one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from encoder import Vectors
from retrieval.vectors import Stored

_LEAST = 0.25
"""A cosine below this says nothing."""


def nearest(question: Vectors, stored: Sequence[Stored | None], count: int) -> list[int]:
    """Indices of the `count` passages with the unit nearest to the question, nearest first; None is left out."""
    known = [i for i, vectors in enumerate(stored) if vectors is not None and len(vectors)]
    if not known:
        return []
    units = [stored[i] for i in known]
    starts = np.cumsum([0, *(len(vectors) for vectors in units if vectors is not None)])[:-1]
    cosines = np.concatenate([v for v in units if v is not None]).astype(np.float32) @ question
    best = np.maximum.reduceat(cosines, starts)
    order = np.argsort(-best, kind="stable")[:count]
    return [known[i] for i in order if best[i] >= _LEAST]
