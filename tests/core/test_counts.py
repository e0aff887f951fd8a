"""Negative-binomial counts against scipy's, and mixtures against plain sums and draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backorder_forecast.core.counts import add_negative_binomial, mixture_cdf


def pmf(size, theta, values):
    out = np.zeros(values)
    add_negative_binomial(size, theta, 1.0, out)
    return out


def cdf(sizes, weights, theta, values):
    out = np.zeros((len(theta), values))
    mixture_cdf(np.array(sizes, float), np.array(weights, float), np.array(theta, float), out)
    return out


@pytest.mark.parametrize("size", [0.003, 0.7, 1.0, 4.0, 55.5, 300.0])
@pytest.mark.parametrize("theta", [0.02, 0.4, 0.9, 0.995])
def test_pmf_is_scipys(size, theta):
    mean = size * theta / (1 - theta)
    values = int(mean + 8 * np.sqrt(mean / (1 - theta)) + 40 / -np.log(theta)) + 2
    expected = stats.nbinom.pmf(np.arange(values), size, 1 - theta)
    assert pmf(size, theta, values) == pytest.approx(expected, rel=1e-8, abs=1e-15)


def test_hand_worked_values():
    # size 2, theta 1/2: P(x) = (x + 1) / 2**(x + 2)
    assert pmf(2.0, 0.5, 5) == pytest.approx([1 / 4, 2 / 8, 3 / 16, 4 / 32, 5 / 64])
    # size 1: geometric
    assert pmf(1.0, 0.25, 3) == pytest.approx([0.75, 0.1875, 0.046875])


@pytest.mark.parametrize("mean", [2_000.0, 30_000.0, 200_000.0])
@pytest.mark.parametrize("ratio", [1.02, 3.0, 40.0])
def test_large_means_do_not_underflow(mean, ratio):
    theta = 1 - 1 / ratio
    size = mean * (1 - theta) / theta
    assert np.exp(size * np.log1p(-theta)) < 1e-17  # walking up from P(0) would lose everything
    found = pmf(size, theta, int(mean + 10 * np.sqrt(mean * ratio)))
    x = np.arange(len(found))
    assert found.sum() == pytest.approx(1, abs=1e-6)
    assert found @ x == pytest.approx(mean, rel=1e-6)
    assert found @ (x - mean) ** 2 == pytest.approx(mean * ratio, rel=1e-4)


def test_nothing_sold_and_short_tables():
    assert pmf(0.0, 0.5, 3).tolist() == [1, 0, 0]
    assert pmf(3.0, 0.0, 3).tolist() == [1, 0, 0]
    # a table that ends before the mode holds the beginning of the law
    assert pmf(100.0, 0.5, 60) == pytest.approx(stats.nbinom.pmf(np.arange(60), 100, 0.5), rel=1e-8)


def test_sums_of_counts_add_their_sizes():
    alone, together = pmf(1.3, 0.6, 200), pmf(1.3 + 0.4, 0.6, 200)
    assert np.convolve(alone, pmf(0.4, 0.6, 200))[:200] == pytest.approx(together, abs=1e-14)


def test_mixture_is_the_plain_sum():
    rng = np.random.default_rng(1)
    sizes, theta = rng.gamma(1.0, 3.0, (6, 5)), rng.uniform(0.05, 0.9, 6)
    weights = rng.dirichlet(np.ones(5), 6)
    weights[2] = [1, 0, 0, 0, 0]
    found = cdf(sizes, weights, theta, 80)
    for i in range(6):
        parts = [stats.nbinom.cdf(np.arange(80), size, 1 - theta[i]) for size in sizes[i]]
        assert found[i] == pytest.approx(weights[i] @ parts, abs=1e-12)


def test_mixture_has_the_frequencies_of_draws():
    rng = np.random.default_rng(2)
    sizes, weights, theta = np.array([0.5, 3.0, 9.0]), np.array([0.2, 0.5, 0.3]), 0.55
    draws = rng.negative_binomial(rng.choice(sizes, 200_000, p=weights), 1 - theta)
    seen = np.bincount(draws, minlength=60)[:60].cumsum() / len(draws)
    assert cdf([sizes], [weights], [theta], 60)[0] == pytest.approx(seen, abs=4 * 0.5 / np.sqrt(len(draws)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 500), min_size=1, max_size=4), st.floats(0.001, 0.99), st.integers(1, 300)
)  # fmt: skip
def test_a_cdf_rises_to_at_most_one(sizes, theta, values):
    found = cdf([sizes], [np.full(len(sizes), 1 / len(sizes))], [theta], values)[0]
    assert (np.diff(found) >= 0).all()
    assert found[0] >= 0
    assert found[-1] <= 1
