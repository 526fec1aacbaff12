"""Reliability bins and threshold curves: python -m pytest tests/test_calibration.py"""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.calibration import Bin, calibration_error, refused_from, reliability


def test_bins_hold_the_mean_probability_and_the_share_that_is_harmful() -> None:
    flagged = np.array([False, False, True, True])
    scores = np.array([0.02, 0.08, 0.04, 1.0])
    low, high = reliability(flagged, scores)
    assert low.count == 3
    assert [low.probability, low.harmful] == pytest.approx([0.14 / 3, 1 / 3])
    assert high == Bin(1, 1.0, 1.0)


def test_the_error_weighs_each_bin_by_its_texts() -> None:
    assert calibration_error([Bin(3, 0.2, 0.4), Bin(1, 0.9, 0.9)]) == pytest.approx(0.15)
    assert calibration_error([]) == 0.0


def test_probabilities_that_are_right_have_no_error() -> None:
    scores = np.random.default_rng(0).random(200_000)
    flagged = np.random.default_rng(1).random(200_000) < scores
    assert calibration_error(reliability(flagged, scores)) < 0.01


def test_a_threshold_refuses_what_reaches_it() -> None:
    shares = refused_from(np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.0, 0.5, 0.51, 1.0]))
    assert shares.tolist() == [1.0, 0.75, 0.25, 0.0]
