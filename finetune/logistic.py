"""Logistic regression by Newton's method (iteratively reweighted least squares), for weights that are few."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]]

_STEPS, _NEAR = 50, 1e-8
"""Steps at most, and the change of a weight below which they end."""


def fit(features: Numbers, answers: Numbers, weights: Numbers, penalty: float = 1e-3) -> Floats:
    """Bias, then a weight for each column of `features`.

    `answers` are the probabilities to learn, `weights` how much each row counts; `penalty` is on the squares of what is
    found.
    """
    design = np.column_stack([np.ones(len(features)), features]).astype(np.float64)
    ridge = penalty * np.eye(design.shape[1])
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-design @ found))
        gradient = design.T @ (weights * (answers - chance)) - ridge @ found
        curvature = (design * (weights * chance * (1 - chance))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        found += step
        if np.abs(step).max() < _NEAR:
            break
    return np.asarray(found)


def probabilities(found: Floats, features: Numbers) -> Floats:
    """Of each row, by what `fit` gave."""
    return np.asarray(1 / (1 + np.exp(-found[0] - features @ found[1:])))
