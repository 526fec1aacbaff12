"""Intervals and paired tests, against values worked out by hand and by SciPy.

python -m pytest tests/test_significance.py
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from evaluation.significance import Floats, Sums, difference, estimate, holm, mcnemar, newcombe, randomised, wilson


def means(*values: float) -> Sums:
    return Sums(np.array(values, float), np.ones(len(values)))


def random_scores(n: int, seed: int) -> Floats:
    return np.random.default_rng(seed).random(n)


def test_a_mean_has_the_interval_that_scipy_bootstraps() -> None:
    scores = random_scores(80, 3)
    found = estimate(Sums(scores, np.ones(80)))
    other = stats.bootstrap((scores,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    assert found.value == pytest.approx(scores.mean())
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.005)
    assert found.n == 80


def test_a_ratio_is_of_sums_and_its_exponential_is_a_perplexity() -> None:
    # Two answers: 6 nats over 3 tokens, 2 nats over 5; not the mean of 2 and 0.4.
    sums = Sums(np.array([6.0, 2.0]), np.array([3.0, 5.0]), exponential=True)
    assert sums.value == pytest.approx(np.e)
    found = estimate(sums)
    assert (found.low, found.high) == pytest.approx((np.exp(0.4), np.exp(2.0)))


def test_the_same_seed_gives_the_same_interval_and_another_one_not() -> None:
    sums = Sums(random_scores(30, 1), np.ones(30))
    assert estimate(sums, 0) == estimate(sums, 0) != estimate(sums, 1)


@pytest.mark.parametrize(("right", "n"), [(0, 20), (20, 20), (7, 20), (1, 3)])
def test_wilsons_interval_is_scipys(right: int, n: int) -> None:
    other = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((other.low, other.high))


def test_where_all_are_right_the_interval_is_still_not_a_point() -> None:
    found = estimate(means(*[1.0] * 20))
    assert (found.low, found.high) == pytest.approx((0.8389, 1.0), abs=1e-4)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 5), (8, 2), (3, 3), (0, 9), (700, 600)])
def test_mcnemar_is_the_binomial_test(lost: int, won: int) -> None:
    wanted = stats.binomtest(won, lost + won).pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(wanted)


def test_right_and_wrong_are_compared_by_mcnemar() -> None:
    one, other = means(0, 0, 0, 0, 0, 0, 1, 1), means(1, 1, 1, 1, 1, 1, 1, 0)
    found = difference(one, other)
    assert (found.test, found.n) == ("mcnemar", 8)
    assert found.value == pytest.approx(5 / 8)
    assert found.p == pytest.approx(mcnemar(1, 6)) == pytest.approx(0.125)
    assert found.low < found.value < found.high


def test_paired_shares_have_newcombes_interval() -> None:
    # The table 6.2 of Altman et al. 2000, Statistics with Confidence: 14 of 41 both, 5 only the second, 22 neither.
    one, other = means(*[1] * 14, *[0] * 27), means(*[1] * 19, *[0] * 22)
    assert newcombe(one, other) == pytest.approx((0.0115, 0.2265), abs=1e-4)
    low, high = newcombe(other, one)
    assert (-high, -low) == pytest.approx(newcombe(one, other))


@pytest.mark.parametrize(("one", "other"), [([1] * 20, [1] * 20), ([0, 1] * 10, [0, 1] * 10), ([0] * 20, [1] * 20)])
def test_where_models_differ_on_no_item_or_on_all_the_interval_is_still_not_a_point(
    one: list[float], other: list[float]
) -> None:
    found = difference(means(*one), means(*other))
    assert found.high - found.low > 0.05
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_shares_are_compared_by_randomisation_as_scipy_permutes() -> None:
    one = random_scores(9, 5)
    other = one + np.array([0.2, 0.1, 0.3, -0.05, 0.15, 0.1, -0.1, 0.2, 0.05])

    def gap(a: Floats, b: Floats) -> float:
        return float(np.mean(a) - np.mean(b))

    exact = stats.permutation_test((one, other), gap, permutation_type="samples", n_resamples=10_000).pvalue
    found = difference(Sums(one, np.ones(9)), Sums(other, np.ones(9)))
    assert found.test == "randomisation"
    assert found.p == pytest.approx(exact, abs=0.01)


def test_the_interval_of_a_difference_is_of_the_same_items() -> None:
    one = random_scores(50, 2)
    found = difference(Sums(one, np.ones(50)), Sums(one + 0.1, np.ones(50)))
    # The models differ by the same on every item, so that no resample changes the difference.
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert found.p < 0.001


def test_equal_models_do_not_differ() -> None:
    one = Sums(random_scores(20, 7), np.ones(20))
    found = difference(one, one)
    assert (found.value, found.p) == (0.0, 1.0)


def test_models_without_a_difference_seldom_seem_to_differ() -> None:
    chance = np.random.default_rng(0)
    p = [
        randomised(Sums(chance.random(25), np.ones(25)), Sums(chance.random(25), np.ones(25)), resamples=500)
        for _ in range(200)
    ]
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.10


def test_perplexities_are_compared_by_exchanging_whole_answers() -> None:
    tokens = np.array([3.0, 8.0, 5.0, 9.0, 4.0, 7.0, 6.0, 5.0])
    one, other = Sums(2.0 * tokens, tokens, True), Sums(1.5 * tokens, tokens, True)
    found = difference(one, other)
    assert found.value == pytest.approx(np.exp(1.5) - np.exp(2.0))
    assert found.p == pytest.approx(2 / 2**8, abs=0.005)


def test_holm_adjusts_as_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == [pytest.approx(0.03), pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_models_are_compared_on_the_same_items_only() -> None:
    with pytest.raises(ValueError, match="same items: 2 and 3"):
        difference(means(0, 1), means(0, 1, 1))
    with pytest.raises(ValueError, match="at least one"):
        means()
