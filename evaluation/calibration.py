"""How far probabilities can be believed, and what each threshold would do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BINS = 10

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bin:
    """Texts whose probability lies in one tenth of 0..1."""

    count: int
    probability: float
    """Their mean."""
    harmful: float
    """Share that is harmful."""


def reliability(flagged: Labels, scores: Scores) -> list[Bin]:
    """The bins that hold texts, lowest first."""
    place = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    chosen = [place == i for i in range(_BINS)]
    return [
        Bin(int(part.sum()), float(scores[part].mean()), float(flagged[part].mean())) for part in chosen if part.any()
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error, Σ n_b / n · |share harmful - mean probability| (Guo et al. 2017, 1706.04599)."""
    total = sum(part.count for part in bins)
    return sum(part.count * abs(part.harmful - part.probability) for part in bins) / total if total else 0.0


def refused_from(scores: Scores, thresholds: Scores) -> Scores:
    """Share of texts at or above each threshold."""
    ordered = np.sort(scores)
    shares: Scores = 1 - np.searchsorted(ordered, thresholds, side="left") / max(1, len(ordered))
    return shares
