"""Shares of too little: textbook cases, and what holds for all."""

from fractions import Fraction

import numpy as np
import pytest

from backorder_forecast.core.queue_layout import EQUAL_LOSSES, MAX_MIN, PROPORTIONAL
from backorder_forecast.core.sharing import shares
from tests.oracles import queue_day

RULES = {PROPORTIONAL: queue_day.proportional, MAX_MIN: queue_day.max_min, EQUAL_LOSSES: queue_day.equal_losses}
CLAIMS = np.array([100.0, 200.0, 300.0])


@pytest.mark.parametrize(
    ("rule", "available", "expected"),
    [
        (PROPORTIONAL, 100, (50 / 3, 100 / 3, 50)), (PROPORTIONAL, 200, (100 / 3, 200 / 3, 100)),
        (PROPORTIONAL, 300, (50, 100, 150)),
        (MAX_MIN, 100, (100 / 3, 100 / 3, 100 / 3)), (MAX_MIN, 200, (200 / 3, 200 / 3, 200 / 3)),
        (MAX_MIN, 300, (100, 100, 100)),
        (EQUAL_LOSSES, 100, (0, 0, 100)), (EQUAL_LOSSES, 200, (0, 50, 150)), (EQUAL_LOSSES, 300, (0, 100, 200)),
    ],
)  # fmt: skip
def test_estates_of_aumann_and_maschler(rule, available, expected):
    """Three creditors claim 100, 200, 300 of 100, 200, 300 (Aumann and Maschler 1985, the rules they compare)."""
    assert shares(CLAIMS, available, rule, unit=1e-4) == pytest.approx(expected, abs=1e-4)
    whole = shares(CLAIMS, available, rule)
    assert whole.sum() == available
    assert (whole == np.floor(whole)).all()
    assert np.abs(whole - expected).max() < 1


def test_largest_remainders_and_ties_in_service_order():
    assert shares(np.array([10.0, 40.0, 80.0]), 100.0, PROPORTIONAL).tolist() == [8, 31, 61]
    assert shares(np.array([5.0, 5.0, 5.0]), 8.0, MAX_MIN).tolist() == [3, 3, 2]
    assert shares(np.array([5.0, 5.0, 5.0]), 8.0, EQUAL_LOSSES).tolist() == [3, 3, 2]
    assert shares(np.array([2.0, 1.0, 1.0]), 1.0, PROPORTIONAL).tolist() == [1, 0, 0]
    assert shares(np.array([3.0, 3.0]), 2.5, PROPORTIONAL, unit=0.5).tolist() == [1.5, 1.0]
    assert shares(np.array([3.0, 1.0]), 9.0, PROPORTIONAL).tolist() == [3, 1]
    assert shares(np.array([3.0, 1.0]), 0.0, PROPORTIONAL).tolist() == [0, 0]


@pytest.mark.parametrize("rule", RULES)
def test_shares_of_random_claims(rule):
    rng = np.random.default_rng(rule)
    for case in range(1000):
        claims = rng.integers(0, 30, rng.integers(1, 12)).astype(float)
        available, unit = float(rng.integers(0, claims.sum() + 3)), float(rng.choice([1.0, 1.0, 0.5, 2.0]))
        claims *= unit
        got = shares(claims, available * unit, rule, unit)
        assert (got >= 0).all()
        assert (got <= claims).all(), case  # nobody gets more than asked
        assert got.sum() == min(available * unit, claims.sum()), case
        assert got.tolist() == queue_day.share(claims, available * unit, RULES[rule], unit), case
        if available * unit < claims.sum():
            exact = RULES[rule]([Fraction(x) for x in claims], Fraction(available * unit))
            assert max(abs(float(a) - b) for a, b in zip(exact, got, strict=True)) < unit


def test_many_claims():
    claims = np.random.default_rng(5).integers(1, 100, 20_000).astype(float)
    for rule in RULES:
        got = shares(claims, 300_001.0, rule)
        assert got.sum() == 300_001
        assert (got <= claims).all()
