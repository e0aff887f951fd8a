"""Passes over the events of a panel beside plain numpy and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backorder_forecast.core import panel as kernels


def events(rng, items=7, periods=40, share=0.3):
    """Units [items × periods], and start, age and units of its events, sorted by item."""
    units = (rng.random((items, periods)) < share) * rng.gamma(2.0, 2.0, (items, periods))
    units[items // 2] = 0.0
    item, period = np.nonzero(units)
    start = np.searchsorted(item, np.arange(items + 1)).astype(np.int64)
    return units, start, (periods - 1 - period).astype(np.int64), units[item, period]


@pytest.mark.parametrize("skip", [0, 1, 13, 39, 60])
def test_faded_sums_are_those_of_the_dense_panel(skip):
    units, start, age, qty = events(np.random.default_rng(1))
    fade = 0.5 ** (np.arange(40) / np.array([[2.0], [9.0], [np.inf]]))
    out = np.full((len(units), 3), 7.0)  # filled anew
    kernels.faded_sums(start, age, qty, fade, skip, out)
    past = units[:, : max(40 - skip, 0)][:, ::-1]
    assert out == pytest.approx(past @ fade[:, : past.shape[1]].T)


def by_age(rng, items, periods):
    """Shared factors [2 × ages], group, week and weekday of each age; and the factor of every item and age."""
    past, group = rng.uniform(0.5, 2.0, (2, periods)), np.arange(items) % 2
    week, weekday = rng.uniform(0.5, 2.0, (items, 7)), (np.arange(periods) % 7)[::-1].copy()
    return (past, group, week, weekday), past[group] * week[:, weekday]


def test_event_factors_and_block_sums_are_those_of_the_dense_panel():
    rng = np.random.default_rng(2)
    units, start, age, qty = events(rng)
    item = np.repeat(np.arange(len(units)), np.diff(start))
    layout, dense = by_age(rng, *units.shape)
    factor = np.empty(len(age))
    kernels.event_factors(start, age, *layout, factor)
    assert factor == pytest.approx(dense[item, age])
    first, second = np.full((7, 5), 7.0), np.full((7, 5), 7.0)  # filled anew; the oldest five periods are left out
    kernels.block_sums(start, age, qty, factor, 7, first, second)
    blocks = units[:, ::-1][:, :35].reshape(7, 5, 7).sum(axis=2)
    assert first == pytest.approx(blocks)
    assert second.sum() == pytest.approx(factor[age < 35].sum())


def test_sums_by_item_are_those_of_the_dense_panel():
    rng = np.random.default_rng(3)
    units, start, _, qty = events(rng)
    item = np.repeat(np.arange(len(units)), np.diff(start))
    total, scatter, relative = np.full(7, 9.0), np.full(7, 9.0), np.empty(len(qty))
    kernels.item_sums(start, qty, total)
    kernels.scatter_sums(start, qty, scatter)
    kernels.relative_sizes(start, qty, 1.5, relative)
    count = (units > 0).sum(axis=1)
    mean = units.sum(axis=1) / np.maximum(count, 1)
    assert total == pytest.approx(units.sum(axis=1))
    assert scatter == pytest.approx(((units - mean[:, None]) ** 2 * (units > 0)).sum(axis=1))
    assert relative == pytest.approx(np.minimum(qty / mean[item], 1.5))
    assert 1.0 < relative.max() == 1.5


def test_sums_by_group_and_weekday_are_those_of_the_dense_panel():
    rng = np.random.default_rng(5)
    units, start, age, qty = events(rng)
    group, weekday = np.arange(7) % 3, rng.integers(0, 7, 40)
    total, squares, week = np.zeros((3, 30)), np.zeros((3, 30)), np.full((7, 7), 9.0)
    kernels.group_sums(start, age, qty, group, total, squares)  # what is older than 30 periods is left out
    kernels.weekday_sums(start, age, qty, weekday, week)
    past = units[:, ::-1]
    assert total == pytest.approx(np.eye(3)[group].T @ past[:, :30])
    assert squares == pytest.approx(np.eye(3)[group].T @ past[:, :30] ** 2)
    assert week == pytest.approx(past @ np.eye(7)[weekday])


def test_only_what_is_above_nothing_is_counted():
    total, count = np.zeros(3), np.zeros(3)
    kernels.positive_sums(np.array([2, 0, 2, 2, 0]), np.array([1.0, 0.0, 2.5, -4.0, 3.0]), total, count)
    assert total.tolist() == [3.0, 0.0, 3.5]
    assert count.tolist() == [1.0, 0.0, 2.0]


def strata(atoms, weights, edges):
    out = np.empty((len(atoms), len(edges) - 1))
    kernels.level_strata(np.array(atoms, float), np.array(weights, float), np.array(edges, float), out)
    return out


def test_strata_by_hand():
    # a quarter each: halves of [1, 2 | 3, 10]
    assert strata([[10, 1, 3, 2]], [[1, 1, 1, 1]], [0, 0.5, 1]).tolist() == [[1.5, 6.5]]
    # an atom that lies across an edge is split
    assert strata([[0, 6]], [[3, 1]], [0, 0.5, 1]) == pytest.approx(np.array([[0.0, 3.0]]))
    assert strata([[5, 5]], [[0, 2]], [0, 0.1, 1]) == pytest.approx(np.array([[5.0, 5.0]]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 5)), min_size=1, max_size=30), st.randoms())
def test_strata_keep_the_mean_rise_and_ignore_the_order(members, random):
    edges = np.array([0, 0.03, 0.2, 0.5, 0.9, 0.99, 1.0])
    members = [*members, (3.0, 1.0)]
    atoms, weights = np.array(members).T
    found = strata([atoms], [weights], edges)[0]
    assert found @ np.diff(edges) == pytest.approx(atoms @ weights / weights.sum(), rel=1e-9, abs=1e-9)
    assert (np.diff(found) >= -1e-9 * (1 + found[1:])).all()
    assert found.min() >= atoms.min() - 1e-9
    assert found.max() <= atoms.max() * (1 + 1e-9)
    random.shuffle(members)
    atoms, weights = np.array(members).T
    assert strata([atoms], [weights], edges)[0] == pytest.approx(found, rel=1e-9, abs=1e-9)


def test_strata_are_those_of_many_draws():
    rng = np.random.default_rng(2)
    edges = np.array([0, 0.1, 0.5, 0.95, 1.0])
    draws = rng.gamma(1.5, 2.0, 40_000)
    parts = np.split(np.sort(draws), (edges[1:-1] * len(draws)).astype(int))
    assert strata([draws], [np.ones(len(draws))], edges)[0] == pytest.approx([x.mean() for x in parts])


def occurrences(a, b, factor, periods, chance, width):
    out = np.zeros((len(a), width))
    kernels.occurrences(*(np.array(x, float) for x in (a, b, factor)), np.array(periods, np.int64),
                        np.array(chance, float), out)  # fmt: skip
    return out


@pytest.mark.parametrize("periods", [0, 1, 2, 7, 60, 800])
@pytest.mark.parametrize(("a", "b"), [(0.02, 0.3), (1.0, 1.0), (0.5, 40.0), (30.0, 2.0), (900.0, 4000.0)])
def test_occurrences_are_scipys(a, b, periods):
    found = occurrences([a], [b], [[1.0]], [[periods]], [[1.0]], periods + 3)[0]
    expected = stats.betabinom.pmf(np.arange(periods + 3), periods, a, b) if periods else np.eye(1, 3)[0]
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-12)


def test_factors_move_the_chance_and_alternatives_are_weighed():
    found = occurrences([2.0], [6.0], [[0.5, 0.0, 2.0, 9.0]], [[3, 5, 8, 4]], [[0.1, 0.2, 0.3, 0.4]], 12)[0]
    x = np.arange(12)
    expected = 0.1 * stats.betabinom.pmf(x, 3, 1, 7) + 0.2 * (x == 0) + 0.3 * stats.betabinom.pmf(x, 8, 4, 4)
    expected += 0.4 * stats.betabinom.pmf(x, 4, 0.999 * 8, 0.001 * 8)  # a chance stays below 1
    assert found == pytest.approx(expected, abs=1e-12)
    # what lies beyond the room is left out, what lies within is the same
    assert occurrences([2.0], [6.0], [[1.0]], [[50]], [[1.0]], 6)[0] == pytest.approx(
        stats.betabinom.pmf(np.arange(6), 50, 2, 6)
    )


@settings(max_examples=80, deadline=None)
@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.floats(0, 3), st.integers(0, 400))
def test_occurrences_add_up_to_one(a, b, factor, periods):
    found = occurrences([a], [b], [[factor]], [[periods]], [[1.0]], periods + 1)[0]
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1.0, abs=1e-6)


def test_size_laws_are_those_seen_and_a_lognormal_law():
    start, qty = np.array([0, 4, 4, 7], np.int64), np.array([1.0, 1.4, 2.6, 90.0, 0.2, 5.0, 7.5])
    items, step = np.array([2, 1, 0], np.int64), np.array([2.5, 1.0, 1.0])
    centre, spread = np.array([1.0, 0.3, 2.0]), np.array([0.5, 1.2, 0.8])
    out = np.full((3, 6), 7.0)  # filled anew
    kernels.size_laws(start, qty, items, step, centre, spread, 3.0, kernels.NORMAL, out)
    # of 0.2, 5 and 7.5 in steps of 2.5: one step at least, two, three; 90 is beyond the table
    seen = np.array([[0, 1, 1, 1, 0, 0], [0] * 6, [0, 2, 0, 1, 0, 0]])
    below = stats.lognorm(spread[:, None], scale=np.exp(centre)[:, None]).cdf((np.arange(7) - 0.5) * step[:, None])
    below[:, :2] = 0.0
    events = np.array([3, 0, 4])[:, None]
    assert out == pytest.approx((seen + 3.0 * np.diff(below, axis=1)) / (events + 3.0), abs=1e-7)
