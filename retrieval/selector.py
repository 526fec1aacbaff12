"""The network that weighs the features of `retrieval.answering`: one hidden layer, a few thousand numbers in JSON.

A sentence's probability of answering is a softmax over all sentences and “none of them”, whose logit is 0. So the
probabilities of one question add up to the probability that the passages answer it at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import ModelError
from retrieval.answering import CLOSE, FEATURES

COLUMNS = (*FEATURES, *CLOSE)
"""What a network may read."""

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Network:
    """Weights of one network and the features it reads."""

    columns: tuple[int, ...]
    """Indices into `COLUMNS`."""
    mean: Vector
    scale: Vector
    hidden: NDArray[np.float32]
    """Shape (features, hidden units)."""
    hidden_bias: Vector
    output: Vector
    output_bias: float
    threshold: float
    """Below this probability that any sentence answers, nothing is quoted."""
    encoder: str = ""
    """Hash of the encoder whose cosines it was fitted to; empty where it reads none."""

    def logits(self, rows: NDArray[np.float32]) -> Vector:
        """One logit per row of `COLUMNS`, or of `FEATURES` where it reads no more."""
        inputs = ((rows[:, self.columns] - self.mean) / self.scale).astype(np.float32)
        logits: Vector = _gelu(inputs @ self.hidden + self.hidden_bias) @ self.output + np.float32(self.output_bias)
        return logits


@dataclass(frozen=True, slots=True)
class Averaged:
    """Both looks: the mean of their logits. The closer one alone is too sure of itself outside encyclopaedic text."""

    first: Network
    close: Network
    threshold: float

    def logits(self, rows: NDArray[np.float32]) -> Vector:
        """One logit per row of `COLUMNS`."""
        mean: Vector = (self.first.logits(rows) + self.close.logits(rows)) * np.float32(0.5)
        return mean


def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian error linear unit, tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""
    gate: NDArray[np.float32] = 0.5 * x * (1 + np.tanh(np.float32(0.7978846) * (x + np.float32(0.044715) * x**3)))
    return gate


def probabilities(logits: Vector) -> Vector:
    """Of each sentence that it answers; what is missing from 1 is the probability that none does."""
    highest = max(float(logits.max(initial=0.0)), 0.0)
    shares = np.exp(logits - highest)
    result: Vector = shares / (shares.sum() + np.exp(-highest))
    return result


def read_networks(path: Path) -> dict[str, Network]:
    """The networks in a file by name. Raises `ModelError` when it is missing, malformed, or of other features."""
    try:
        return {name: _network(fields) for name, fields in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The reader's weights, {path.name}, cannot be used ({type(error).__name__}); reinstall Groundchat.",
            zh=f"阅读器的权重 {path.name} 无法使用（{type(error).__name__}）；请重新安装 Groundchat。",
        ) from error


def _network(fields: Mapping[str, Any]) -> Network:
    columns = tuple(COLUMNS.index(name) for name in fields["features"])
    arrays = {name: np.array(fields[name], np.float32) for name in ("mean", "scale", "hidden", "hidden_bias", "output")}
    units = len(arrays["output"])
    if arrays["hidden"].shape != (len(columns), units) or not all(
        np.isfinite(array).all() for array in arrays.values()
    ):
        raise ValueError(f"{len(columns)} features do not fit weights of shape {arrays['hidden'].shape}")
    return Network(
        columns=columns,
        output_bias=float(fields["output_bias"]),
        threshold=float(fields["threshold"]),
        encoder=str(fields.get("encoder", "")),
        **arrays,
    )


def as_json(network: Network) -> dict[str, Any]:
    """The fields that `read_networks` reads."""
    return {
        "features": [COLUMNS[column] for column in network.columns],
        **{
            name: np.round(getattr(network, name).astype(np.float64), 4).tolist()
            for name in ("mean", "scale", "hidden", "hidden_bias", "output")
        },
        "output_bias": round(network.output_bias, 4),
        "threshold": network.threshold,
        "encoder": network.encoder,
    }
