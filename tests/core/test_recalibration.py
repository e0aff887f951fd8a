"""Corrections of levels: found where forecasts are wrong, none where they are right or hardly any are known."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from backorder_forecast.core import recalibration


def transforms(shift, spread, n, seed=1, censored=0.0):
    """Intervals of transforms of forecasts whose true law is g(F)."""
    rng = np.random.default_rng(seed)
    u = ndtr((ndtri(rng.random(n)) - shift) / spread)
    low, high = np.floor(u * 30) / 30, np.floor(u * 30 + 1) / 30
    last = rng.random(n)
    unseen = (rng.random(n) < censored) & (last < u)
    return np.where(unseen, last, low), np.where(unseen, 1.0, high)


@pytest.mark.parametrize("censored", [0.0, 0.7])
@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (-0.4, 1.0), (0.3, 0.8), (0.0, 1.3)])
def test_a_correction_is_found_with_and_without_censoring(shift, spread, censored):
    low, high = transforms(shift, spread, 6000, censored=censored)
    found = recalibration.fitted(low, high, np.ones(6000))
    assert found == pytest.approx((shift, spread), abs=0.06)


def test_few_cases_correct_little():
    low, high = transforms(-0.6, 1.0, 12)
    few, _ = recalibration.fitted(low, high, np.full(12, 0.25))
    assert -0.2 < few < 0
    assert recalibration.fitted(low[:0], high[:0], np.ones(0)) == pytest.approx((0.0, 1.0), abs=0.02)


def test_corrected_laws_are_laws():
    law = np.array([[0.0, 0.2, 0.5, 0.9, 1.0], [0.0, 0.1, 0.3, 0.6, 0.7]])
    same = recalibration.corrected(law, np.zeros(2), np.ones(2))
    assert same is law
    moved = recalibration.corrected(law, np.array([0.5, -0.5]), np.array([1.2, 0.8]))
    assert (np.diff(moved, axis=1) >= 0).all()
    assert moved[0, [0, 4]].tolist() == [0.0, 1.0]
    assert moved[0, 2] == pytest.approx(ndtr(0.5))
    assert moved[1, 2] < law[1, 2]
