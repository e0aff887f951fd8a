"""Negative-binomial counts against scipy's, and mixtures against plain sums and draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backorder_forecast.core.counts import (
    accumulate,
    add_lifted,
    add_negative_binomial,
    compound,
    merge_products,
    mixture_cdf,
    mixture_mass,
    places,
)


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


def test_members_of_all_sizes_are_added_exactly():
    # small ones climb from zero side by side, large ones (P(0) below every float) start at their modes
    sizes = np.array([[0.0, 0.01, 3.0, 400.0, 20_000.0]])
    weights, theta = np.array([[0.1, 0.2, 0.3, 0.25, 0.15]]), np.array([0.3])
    out = np.zeros((1, 10_000))
    mixture_mass(sizes, weights, theta, out)
    x = np.arange(10_000)
    parts = [np.eye(1, 10_000)[0], *(stats.nbinom.pmf(x, size, 0.7) for size in sizes[0, 1:])]
    assert out[0] == pytest.approx(weights[0] @ parts, rel=1e-7, abs=1e-13)
    before = out.copy()
    mixture_mass(sizes, weights, theta, out)  # adds to what is there
    assert out == pytest.approx(2 * before)


# beyond a mean of 575 P(0) is below every float: there logarithms of gamma functions of huge sizes cost digits
@pytest.mark.parametrize(
    ("mean", "above", "error"), [(0.4, 1e-9, 1e-8), (17, 1e-9, 1e-7), (500, 1e-9, 1e-7), (900, 1e-6, 2e-5)]
)
def test_a_ratio_near_one_is_poisson(mean, above, error):
    theta = 1 - 1 / (1 + above)
    found = cdf([[mean * (1 - theta) / theta]], [[1.0]], [theta], 1200)[0]
    assert found == pytest.approx(stats.poisson.cdf(np.arange(1200), mean), abs=error)


def test_rows_do_not_meet():
    rng = np.random.default_rng(3)
    sizes, weights, theta = rng.gamma(1.0, 30.0, (40, 7)), rng.dirichlet(np.ones(7), 40), rng.uniform(0.01, 0.99, 40)
    weights[::3, ::2] = 0.0
    together = cdf(sizes, weights, theta, 300)
    for i in range(40):
        assert np.array_equal(cdf(sizes[[i]], weights[[i]], theta[[i]], 300)[0], together[i])


def test_probabilities_add_up_but_never_above_one():
    table = np.array([[0.25, 0.5, 0.25 + 1e-12, 1e-9], [0.0, 0.1, 0.0, 0.2]])
    accumulate(table)
    assert table[0].tolist() == [0.25, 0.75, 1.0, 1.0]
    assert table[1] == pytest.approx([0.0, 0.1, 0.1, 0.3])


def test_compound_is_the_convolution_of_as_many_sizes_as_there_are():
    rng = np.random.default_rng(4)
    size_laws = rng.dirichlet(np.full(6, 0.5), 5)  # of sizes 0 to 5
    chance = rng.dirichlet(np.ones(4), 5)
    chance[0, 1:] = 0.0  # never any
    chance[1, 2:] = 0.0
    out = np.empty((5, 17), np.complex128)
    compound(np.fft.rfft(size_laws, 32, axis=1), chance, out)
    found = np.fft.irfft(out, 32, axis=1)
    for law, shares, mass in zip(size_laws, chance, found, strict=True):
        power, expected = np.eye(1, 16)[0], np.zeros(16)
        for share in shares:
            expected += share * power
            power = np.convolve(power, law)[:16]
        assert mass[:16] == pytest.approx(expected, abs=1e-12)
        assert mass[16:] == pytest.approx(np.zeros(16), abs=1e-12)


def products(first, chance, second, shares, tolerance, bins):
    merged, weights = (np.empty((len(first), bins)) for _ in range(2))
    merge_products(first, chance, second, shares, tolerance, merged, weights)
    return merged, weights


def test_products_are_merged_within_the_tolerance_and_keep_their_mean():
    rng = np.random.default_rng(3)
    first, second = rng.uniform(0.0, 9.0, (5, 30)), rng.gamma(2.0, 1.0, (5, 16))
    first[:, 0] = 0.0
    chance = rng.dirichlet(np.ones(30), 5)
    chance[:, 3] = 0.0
    shares = rng.dirichlet(np.ones(16))
    merged, weights = products(first, chance, second, shares, 0.05, 256)
    assert weights.sum(axis=1) == pytest.approx(chance.sum(axis=1))
    assert weights[:, 0] == pytest.approx(chance[:, 0])
    every = first[:, :, None] * second[:, None, :]
    assert (merged * weights).sum(axis=1) == pytest.approx((every * chance[:, :, None] * shares).sum(axis=(1, 2)))
    square = (every**2 * chance[:, :, None] * shares).sum(axis=(1, 2))
    assert (merged**2 * weights).sum(axis=1) == pytest.approx(square, rel=0.05**2)


def test_products_with_one_certain_factor_stay_as_they_are():
    first, chance = np.array([[1.0, 1.01, 4.0]]), np.array([[0.2, 0.3, 0.5]])
    merged, weights = products(first, chance, np.full((1, 4), 2.0), np.full(4, 0.25), 0.05, 8)
    assert merged[0, :3].tolist() == [2.0, 2.02, 8.0]
    assert weights[0, :3].tolist() == [0.2, 0.3, 0.5]


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_levels_are_reached_where_the_fewest_values_are_below(seed, values):
    rng = np.random.default_rng(seed)
    table = np.minimum(np.sort(rng.random((5, values)).round(1), axis=1), rng.uniform(0.2, 1.0, (5, 1)))
    levels, at = np.array([0.5, 0.05, 0.9, 0.3]), np.empty((5, 4), np.int64)
    places(table, levels, at)
    assert (at == (table[:, :, None] < levels).sum(axis=1)).all()


def test_lifted_mass_is_added_to_its_rows_and_never_below_nothing():
    out = np.ones((3, 2))
    mass = np.array([[0.5, -1e-9, 0.1], [0.25, 0.5, 0.1]])  # longer than what is asked for
    add_lifted(mass, np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.5]), np.array([2, 0]), out)
    assert out.tolist() == [[1.125, 1.5], [1.0, 1.0], [1.5, 1.0]]
