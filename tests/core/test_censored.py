"""Filling in what stock-outs hid, beside plain sums over every count and every period."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backorder_forecast.core import censored as kernels


def beyond(seen, mean, ratio):
    """E[Y | Y ≥ seen], E[Y² | Y ≥ seen] of a negative binomial, summed over every count."""
    x = np.arange(int(np.ceil(seen)), int(400 + mean + 60 * ratio))
    log = stats.nbinom.logpmf(x, mean / (ratio - 1), 1 / ratio)
    p = np.exp(log - log.max())
    return p @ x / p.sum(), p @ x.astype(float) ** 2 / p.sum()


@pytest.mark.parametrize("ratio", [1.02, 1.7, 12.0, 300.0])
@pytest.mark.parametrize("mean", [1e-6, 0.3, 4.0, 75.0])
@pytest.mark.parametrize("seen", [0.0, 0.3, 1.0, 2.0, 6.0, 30.0, 140.0, 290.0])
def test_what_is_expected_is_the_plain_sum(seen, mean, ratio):
    assert kernels.expected_beyond(seen, mean, ratio) == pytest.approx(beyond(seen, mean, ratio), rel=1e-4)


@pytest.mark.parametrize("ratio", [1.05, 1.7, 4.0])
@pytest.mark.parametrize(("seen", "mean"), [(1.0, 0.4), (2.0, 3.0), (6.0, 4.0), (20.0, 15.0), (90.0, 100.0)])
def test_what_is_sold_in_part_is_expected_exactly(seen, mean, ratio):
    assert kernels.expected_beyond(seen, mean, ratio) == pytest.approx(beyond(seen, mean, ratio), rel=1e-9)


@given(st.integers(0, 10_000), st.floats(0.1, 0.99), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_neighbours_weigh_by_their_distance(seed, decay, periods):
    values, out = np.random.default_rng(seed).gamma(2.0, 2.0, periods), np.empty(periods)
    kernels.both_sides(values, decay, out)
    assert out == pytest.approx(decay ** np.abs(np.arange(periods)[:, None] - np.arange(periods)) @ values)


def test_steps_of_level_and_demand_are_those_by_hand():
    rng = np.random.default_rng(3)
    start, steps = np.array([0, 4, 4, 9]), 3
    seen, lost = rng.poisson(1.5, 9).astype(float), rng.choice([0.3, 1.0], 9)
    factor, fade, ratio = rng.uniform(0.5, 2.0, 9), rng.uniform(0.1, 1.0, 9), np.array([1.3, 1.5, 4.0])
    level, weight, qty, extra = np.array([0.8, 1.0, 2.5]), np.array([5.0, 4.0, 6.0]), seen.copy(), np.zeros(9)
    want, want_extra = plain_by_level(start, seen, lost, factor, fade, ratio, level, weight, steps)
    kernels.fill_by_level(start, seen, lost, factor, fade, ratio, level, weight, steps, qty, extra)
    assert qty == pytest.approx(want)
    assert extra == pytest.approx(want_extra)
    assert (qty >= seen).all()


def plain_by_level(start, seen, lost, factor, fade, ratio, level, weight, steps):
    item, qty, mean = np.repeat(np.arange(len(level)), np.diff(start)), seen.copy(), level.copy()
    for _ in range(steps):
        means = zip(seen, mean[item] * factor, ratio[item], strict=True)
        first, square = np.transpose([beyond(*x) for x in means])
        before, qty = qty, seen + lost * (first - seen)
        mean = mean + np.bincount(item, fade * (qty - before), len(level)) / weight
    return qty, lost * (square - first**2)


def test_levels_around_are_those_of_dense_sums():
    """Two items of 30 periods, another too young for all of them; decay and gamma law by their formulas."""
    rng = np.random.default_rng(4)
    length, group, decay, shape, steps = np.array([30, 12, 30]), np.array([0, 1, 1]), 0.8, 2.0, 2
    past, week = rng.uniform(0.5, 2.0, (2, 30)), rng.uniform(0.5, 2.0, (3, 7))
    weekday = (np.arange(30) % 7)[::-1].copy()
    age = [np.sort(rng.permutation(n)[: n // 2]) for n in length]
    start = np.concatenate([[0], np.cumsum([len(x) for x in age])])
    qty = rng.poisson(2.0, start[-1]).astype(float)
    cells = np.array([0, 3, 5, 5])  # nothing of the last item is hidden
    at = np.concatenate([np.array([1, 4, 9]), start[1] + np.array([0, 3])])
    seen, lost, factor = qty[at].copy(), np.array([1.0, 0.5, 1.0, 1.0, 0.7]), rng.uniform(0.5, 2.0, 5)
    ratio, whole, extra = np.array([1.5, 3.0, 2.0]), rng.uniform(10.0, 30.0, 3), np.zeros(5)
    dense = past[group] * week[:, weekday] * (np.arange(30) < length[:, None])
    apart = decay ** np.abs(np.arange(30)[:, None] - np.arange(30))
    want, item, ages = qty.copy(), np.repeat([0, 1], [3, 2]), np.concatenate(age)
    for _ in range(steps):
        units = np.zeros((3, 30))
        units[np.repeat(np.arange(3), np.diff(start)), ages] = want
        mean = (units.sum(axis=1) / whole)[item]
        near, exposed = ((x @ apart)[item, ages[at]] for x in (units, dense))
        level = (shape + near / ratio[item]) / (shape / mean + exposed / ratio[item])
        means = zip(seen, level * factor, ratio[item], strict=True)
        first, square = np.transpose([beyond(*x) for x in means])
        want[at] = seen + lost * (first - seen)
    layout = (past, group, week, weekday)
    cut = (cells, at, seen, lost, factor)
    kernels.fill_nearby(start, ages, qty, length, *layout, *cut, ratio, whole, shape, decay, steps, extra)
    assert qty == pytest.approx(want)
    assert extra == pytest.approx(lost * (square - first**2))
