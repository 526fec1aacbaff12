"""How sure a figure is, and whether two models differ: intervals and paired tests over the items of a suite.

Every figure is a ratio of sums over items, Σa / Σb (a mean where every b is 1), or its exponential (perplexity). Each
item counts as a whole; models are compared on the same items. Seeds are fixed: the same answers give the same figures.

- Interval: the percentile bootstrap by item (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, ch. 13).
  Where all items of a share are alike, which no resample can change, Wilson's score interval (Wilson 1927, JASA 22).
- Interval of a difference: both models resampled together (Koehn 2004, EMNLP, paired bootstrap). Where two shares
  differ by the same on every item, Newcombe's score interval (1998, Stat. Med. 17, 2635–2650, method 10).
- p of a difference: approximate randomisation, the two models' results exchanged item by item at random (Noreen 1989,
  *Computer-Intensive Methods*; Yeh 2000, COLING), two-sided, (1 + as extreme) / (1 + tried). Where every result is
  right or wrong the exact form of it: McNemar's test (McNemar 1947, Psychometrika 12) by the binomial distribution.
- Several tests: Holm's step-down adjustment (Holm 1979, Scand. J. Statist. 6).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
_AT_ONCE = 1_000
"""Resamples in memory at once: of 400 items 3 MB."""
_WILSON_Z = 1.959963984540054
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Sums:
    """What each item adds above and below the line, shape (items,); items without the figure are left out before."""

    above: Floats
    below: Floats
    exponential: bool = False

    def __post_init__(self) -> None:
        if self.above.shape != self.below.shape or not len(self.above):
            raise ValueError(f"needs as many above as below, at least one: {self.above.shape}, {self.below.shape}")

    @property
    def value(self) -> float:
        return float(_ratio(self.above.sum(), self.below.sum(), self.exponential))

    @property
    def binary(self) -> bool:
        """Whether each item is plainly right or wrong."""
        return not self.exponential and bool(np.all(self.below == 1) and np.all((self.above == 0) | (self.above == 1)))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the interval that holds it in `LEVEL` of the cases."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The second model's figure less the first one's, over the items that both have it for."""

    value: float
    low: float
    high: float
    p: float
    n: int
    test: str
    """`mcnemar` or `randomisation`."""


def estimate(sums: Sums, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """A figure and its interval."""
    n = len(sums.above)
    if sums.binary and np.all(sums.above == sums.above[0]):
        return Estimate(sums.value, *wilson(int(sums.above.sum()), n), n)
    found = np.concatenate([_resampled(sums, drawn) for drawn in _draws(n, seed, resamples)])
    return Estimate(sums.value, *_percentiles(found), n)


def difference(one: Sums, other: Sums, seed: int = 0, resamples: int = RESAMPLES) -> Difference:
    """How the second model differs from the first on the same items, in the same order."""
    n = len(one.above)
    if len(other.above) != n:
        raise ValueError(f"models are compared on the same items: {n} and {len(other.above)}")
    value, binary = other.value - one.value, one.binary and other.binary
    gained = other.above - one.above
    if binary and np.all(gained == gained[0]):
        low, high = newcombe(one, other)
    else:
        draws = _draws(n, seed, resamples)
        low, high = _percentiles(np.concatenate([_resampled(other, i) - _resampled(one, i) for i in draws]))
    if binary:
        return Difference(value, low, high, mcnemar(int(np.sum(gained < 0)), int(np.sum(gained > 0))), n, "mcnemar")
    return Difference(value, low, high, randomised(one, other, seed, resamples), n, "randomisation")


def wilson(right: int, n: int) -> tuple[float, float]:
    """The score interval of a share at `LEVEL`."""
    share, z2 = right / n, _WILSON_Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _WILSON_Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(one: Sums, other: Sums) -> tuple[float, float]:
    """The score interval of the second share less the first one's, both of the same items, at `LEVEL`."""
    n, first, second = len(one.above), int(one.above.sum()), int(other.above.sum())
    both = int((one.above * other.above).sum())
    p, q = first / n, second / n
    (p_low, p_high), (q_low, q_high) = wilson(first, n), wilson(second, n)
    # ad − bc of the table of two by two, towards 0 by n / 2 where it is positive
    product = n * both - first * second
    scale = math.sqrt(first * (n - first) * second * (n - second))
    phi = (max(0.0, product - n / 2) if product > 0 else product) / scale if scale else 0.0
    low = (q - q_low) ** 2 - 2 * phi * (q - q_low) * (p_high - p) + (p_high - p) ** 2
    high = (q_high - q) ** 2 - 2 * phi * (q_high - q) * (p - p_low) + (p - p_low) ** 2
    return max(-1.0, q - p - math.sqrt(low)), min(1.0, q - p + math.sqrt(high))


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p of so many items that only the first, and only the second model got right."""
    n, term, tail = lost + won, 1, 1
    for k in range(min(lost, won)):
        term = term * (n - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << n))  # of whole numbers: they pass the range of floats


def randomised(one: Sums, other: Sums, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided p: how often exchanging the models item by item sets them as far apart."""
    n, chance = len(one.above), np.random.default_rng(seed)
    apart = abs(other.value - one.value) - _LEAST
    extreme = 0
    for size in _sizes(resamples):
        swapped = chance.random((size, n)) < 0.5
        first = _sides(one, other, swapped)
        second = _sides(other, one, swapped)
        extreme += int(np.sum(np.abs(second - first) >= apart))
    return (1 + extreme) / (1 + resamples)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of several tests, adjusted so that all of them together err as seldom as one."""
    adjusted, least = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        least = max(least, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = least
    return adjusted


def p_value(p: float) -> str:
    """A p-value in a table."""
    return f"{p:.4f}" if p >= 1 / RESAMPLES else f"< {1 / RESAMPLES:g}"


def _sides(one: Sums, other: Sums, swapped: NDArray[np.bool_]) -> Floats:
    """The first model's figure where some items are the second one's, shape (resamples,)."""
    above = np.where(swapped, other.above, one.above).sum(axis=1)
    below = np.where(swapped, other.below, one.below).sum(axis=1)
    return _ratio(above, below, one.exponential)


def _resampled(sums: Sums, drawn: NDArray[np.int64]) -> Floats:
    return _ratio(sums.above[drawn].sum(axis=1), sums.below[drawn].sum(axis=1), sums.exponential)


def _ratio(above: Floats, below: Floats, exponential: bool) -> Floats:
    ratio: Floats = np.divide(above, below)
    return np.exp(ratio) if exponential else ratio


def _draws(n: int, seed: int, resamples: int) -> Iterator[NDArray[np.int64]]:
    """Which items each resample holds, shape (some resamples, items)."""
    chance = np.random.default_rng(seed)
    for size in _sizes(resamples):
        yield chance.integers(0, n, (size, n))


def _sizes(resamples: int) -> list[int]:
    return [min(_AT_ONCE, resamples - done) for done in range(0, resamples, _AT_ONCE)]


def _percentiles(found: Floats) -> tuple[float, float]:
    low, high = np.quantile(found, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
