"""Sums of demand over fixed and random numbers of periods: textbook laws, plain arithmetic, and many draws."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import backorder_forecast as bf
from backorder_forecast.forecast import DemandLaw, PanelForecast, told
from backorder_forecast.law import Law
from backorder_forecast.methods.history import History
from backorder_forecast.methods.hurdle import Hurdle
from backorder_forecast.methods.laws import Future, PanelLaw, Span
from backorder_forecast.methods.smoothing import SHARES, strata

POISSON = 1 + 2.0**-27  # a variance-to-mean ratio so near 1 that counts are Poisson
DAY = pd.Timestamp("2026-03-02")  # a Monday


def keys(n):
    return pd.DataFrame({"unique_id": [f"s{k}" for k in range(n)]})


def made(law, horizon=7, factors=None, unit=None, start=None, end=None):
    """A forecast of a law [n], one profile of factors."""
    n = len(law)
    factors = np.ones(horizon) if factors is None else np.asarray(factors, float)
    unit = np.ones(n) if unit is None else np.asarray(unit, float)
    future = Future(np.zeros(n, np.int64), factors[None], np.ones((n, 7)), np.zeros(len(factors), np.int64),
                    np.ones(n, np.int64) if start is None else np.asarray(start),
                    np.full(n, len(factors)) if end is None else np.asarray(end))  # fmt: skip
    index = keys(n).loc[np.repeat(np.arange(n), len(factors))].reset_index(drop=True)
    return PanelForecast(index, step=np.repeat(unit, len(factors)), items=keys(n), law=law, future=future, unit=unit,
                         starts=pd.date_range(DAY, periods=len(factors)), edges=np.arange(len(factors) + 1),
                         names=("steady level",))  # fmt: skip


def certain(rates, ratio=POISSON, **more):
    """Levels without doubt: all strata alike."""
    rates = np.asarray(rates, float)
    levels = np.repeat(rates[:, None], len(SHARES), axis=1)
    return made(PanelLaw.of_counts(np.broadcast_to(np.asarray(ratio, float), rates.shape).copy(), levels), **more)


def seldom(a, b, sizes, events=10_000):
    """Occurrence and size: the chance beta (a, b), sizes {units: share} seen so often that nothing else counts."""
    qty = np.repeat(list(sizes), [round(share * events) for share in sizes.values()]).astype(float)
    history = History(np.zeros(len(qty), np.int64), np.arange(len(qty)), qty, np.array([len(qty)]))
    law = PanelLaw.of_counts(np.array([2.0]), np.ones((1, len(SHARES))))
    hurdle = Hurdle(
        np.array([a]), np.array([b]), np.zeros(1), np.array([1e-3]), history, np.array([a, b, 0.0, 1.0, 1.0])
    )
    return replace(law, apart=np.ones(1), seldom=hurdle)


def lengths(values, chances):
    """One lead time for all."""
    table = np.zeros((1, max(values) + 1))
    table[0, values] = chances
    return Law(pd.DataFrame({"supplier_id": ["x"]}), np.cumsum(table, axis=1))


def fine(law, step, top):
    """A continuous lead time in cells of so many periods, each at its midpoint: odd multiples of half a step."""
    mass = np.diff(law.cdf(np.arange(0.0, top + step, step)))
    table = np.zeros((1, 2 * len(mass)))
    table[0, 1::2] = mass
    return Law(pd.DataFrame({"supplier_id": ["x"]}), np.cumsum(table, axis=1), step=step / 2)


def cdf_of(law, values=80):
    """P(X ≤ x) in steps; what lies beyond the table counts as its end."""
    table = law.cumulative()
    for x in (0, 3):
        assert np.array_equal(law.cdf(x * law.steps()), table[:, min(x, table.shape[1] - 1)])
    return np.pad(table, ((0, 0), (0, max(values - table.shape[1], 0))), mode="edge")[:, :values]


# textbook laws


@pytest.mark.parametrize(("rate", "shape", "scale"), [(1.5, 2.5, 2.0), (4.0, 8.0, 0.5), (0.2, 1.3, 5.0)])
def test_poisson_demand_over_a_gamma_lead_time_is_negative_binomial(rate, shape, scale):
    time = stats.gamma(shape, scale=scale)
    found = cdf_of(bf.lead_time_demand(certain([rate]), fine(time, 0.005, time.isf(1e-9))))
    assert found[0] == pytest.approx(stats.nbinom.cdf(np.arange(80), shape, 1 / (1 + rate * scale)), abs=1e-6)


def test_poisson_demand_over_an_exponential_lead_time_is_geometric():
    rate, mean = 0.7, 3.0
    law = bf.lead_time_demand(certain([rate]), fine(stats.expon(scale=mean), 0.004, 66))
    p = 1 / (1 + rate * mean)
    assert cdf_of(law)[0] == pytest.approx(1 - (1 - p) ** np.arange(1, 81), abs=1e-6)
    assert law.mean()[0] == pytest.approx(rate * mean, rel=1e-5)
    assert law.variance()[0] == pytest.approx((1 - p) / p**2, rel=1e-5)


def test_sums_over_a_fixed_time_are_poisson():
    rates = np.array([0.02, 0.7, 5.0])
    forecast = certain(rates)
    for periods in (0, 1, 3, 7, 12, 2.5):  # within the horizon of 7, beyond it, and parts of periods
        found = cdf_of(bf.lead_time_demand(forecast, periods))
        assert found == pytest.approx(stats.poisson.cdf(np.arange(80), rates[:, None] * periods), abs=1e-6)
    each = cdf_of(bf.lead_time_demand(forecast, [1, 6, 4.5]))
    assert each == pytest.approx(stats.poisson.cdf(np.arange(80), rates[:, None] * [[1], [6], [4.5]]), abs=1e-6)


def test_a_mixture_over_a_lead_time_is_the_weighted_cdf():
    forecast = certain([0.4, 2.0], ratio=[1.8, 3.0])
    law = bf.lead_time_demand(forecast, lengths([1, 4, 9], [0.5, 0.3, 0.2]))
    alone = [cdf_of(bf.lead_time_demand(forecast, x)) for x in (1, 4, 9)]
    assert cdf_of(law) == pytest.approx(0.5 * alone[0] + 0.3 * alone[1] + 0.2 * alone[2], abs=1e-9)
    for size, ratio, found in zip([0.4 / 0.8, 2.0 / 2.0], [1.8, 3.0], alone[1], strict=True):
        assert found == pytest.approx(stats.nbinom.cdf(np.arange(80), 4 * size, 1 / ratio), abs=1e-9)


def test_each_item_may_have_a_lead_time_of_its_own():
    forecast = certain([1.0, 1.0, 2.0])
    table = np.array([[0.0, 1, 1, 1], [0, 0, 0, 1], [0, 0.5, 0.5, 0.6]])
    law = bf.lead_time_demand(forecast, Law(keys(3), table))
    assert law.index.equals(keys(3))
    x = np.arange(80)
    assert cdf_of(law)[0] == pytest.approx(stats.poisson.cdf(x, 1), abs=1e-6)
    assert cdf_of(law)[1] == pytest.approx(stats.poisson.cdf(x, 3), abs=1e-6)
    # a lead time that ends in four of ten cases never is told of those that end
    assert cdf_of(law)[2] == pytest.approx((5 * stats.poisson.cdf(x, 2) + stats.poisson.cdf(x, 6)) / 6, abs=1e-6)
    # counted in steps of two periods, from the first step on
    stepped = Law(keys(3), np.array([[0.5, 1.0]] * 3), start=1, step=2.0)
    assert bf.lead_time_demand(forecast, stepped).mean() == pytest.approx([3.0, 3.0, 6.0])


def test_doubt_about_the_level_makes_counts_negative_binomial():
    # a gamma level held as sixteen strata: the sum over L periods is negative binomial, but for what strata leave out
    shape, rate, periods = 4.0, 1.5, 6
    forecast = made(PanelLaw.of_counts(np.array([POISSON]), rate * strata(np.array([shape]))))
    law = forecast.total(periods)
    exact = stats.nbinom(shape, shape / (shape + rate * periods))
    assert cdf_of(law)[0] == pytest.approx(exact.cdf(np.arange(80)), abs=2e-3)
    assert law.mean()[0] == pytest.approx(exact.mean(), rel=1e-3)
    assert law.variance()[0] == pytest.approx(exact.var(), rel=0.03)


def test_occurrence_and_size_by_hand():
    law = seldom(3.0, 9.0, {1: 0.5, 4: 0.5})
    for periods in (1, 2, 5):
        count = stats.betabinom.pmf(np.arange(periods + 1), periods, 3.0, 9.0)
        power, expected = np.eye(1, 40)[0], np.zeros(40)
        for chance in count:
            expected += chance * power
            power = np.convolve(power, [0, 0.5, 0, 0, 0.5])[:40]
        total = made(law).total(periods)
        assert cdf_of(total, 40)[0] == pytest.approx(expected.cumsum(), abs=3e-4)  # the lognormal still counts a little
        table = expected / expected.sum()
        assert total.mean()[0] == pytest.approx(table @ np.arange(40), rel=1e-3)
        assert total.variance()[0] == pytest.approx(table @ np.arange(40) ** 2 - total.mean()[0] ** 2, rel=2e-3)


# draws


def weekly_panel(rng, share, items=40, days=280):
    """A long frame with a strong week."""
    shape = np.array([0.4, 0.7, 1.0, 1.2, 1.9, 1.5, 0.3])
    mean = rng.uniform(0.5, 4.0, (items, 1)) * shape[(DAY.day_of_week + np.arange(days)) % 7]
    units = (
        rng.poisson(mean)
        if share is None
        else (rng.random(mean.shape) < share * mean) * rng.choice([1, 3, 12], mean.shape)
    )
    item, at = np.nonzero(units)
    return pd.DataFrame({"unique_id": item, "ds": DAY + pd.to_timedelta(at, unit="D"), "y": units[item, at]})


LEAD = {2: 0.15, 5: 0.35, 6: 0.1, 13: 0.3, 20: 0.1}  # the horizon is 14


def drawn_lengths(rng, draws):
    return rng.choice(list(LEAD), draws, p=list(LEAD.values()))


def standard_errors(law, drawn):
    """How far a law is from draws: of its mean, and at worst of its probabilities, in standard errors."""
    law = law.take(np.zeros(1, np.int64))
    values = np.quantile(drawn, [0.02, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999])
    p = np.array([law.cdf(x)[0] for x in values])
    seen = np.array([(drawn <= x).mean() for x in values])
    far = np.abs(seen - p) / np.sqrt(np.maximum(p * (1 - p), 1e-6) / len(drawn))
    return abs(drawn.mean() - law.mean()[0]) / (drawn.std() / np.sqrt(len(drawn))), far.max()


def test_lead_time_demand_has_the_frequencies_of_a_million_draws_period_by_period():
    rng, draws = np.random.default_rng(1), 1_000_000
    forecast = bf.forecast_panel(weekly_panel(rng, None), 14, "D")
    forecast = replace(forecast, law=replace(forecast.law, apart=np.zeros(40)))
    law = bf.lead_time_demand(forecast, lengths(list(LEAD), list(LEAD.values())))
    row = np.array([7])
    factor = forecast.future.ahead(row)[0]
    assert factor.max() > 2.5 * factor.min()
    factor = np.append(factor, np.repeat(factor.mean(), 6))
    ends = drawn_lengths(rng, draws)
    level = forecast.law.levels[7][rng.choice(len(SHARES), draws, p=SHARES)]
    ratio, total = forecast.law.ratio[7], np.zeros(draws)
    for period, times in enumerate(factor):
        going = np.flatnonzero(ends > period)
        total[going] += rng.negative_binomial(level[going] * times / (ratio - 1), 1 / ratio)
    of_mean, of_cdf = standard_errors(law.take(row), total)
    assert of_mean < 3.5
    assert of_cdf < 4
    assert law.take(row).variance()[0] == pytest.approx(total.var(), rel=0.01)


def test_lead_time_demand_apart_has_the_frequencies_of_a_million_draws():
    rng, draws = np.random.default_rng(2), 1_000_000
    forecast = bf.forecast_panel(weekly_panel(rng, 0.08), 14, "D")
    forecast = replace(forecast, law=replace(forecast.law, apart=np.ones(40)))
    law = bf.lead_time_demand(forecast, lengths(list(LEAD), list(LEAD.values())))
    row, hurdle = np.array([7]), forecast.law.seldom
    factor = forecast.future.ahead(row)[0]
    sums = np.append(0.0, np.cumsum(np.append(factor, np.repeat(factor.mean(), 6))))
    ends = drawn_lengths(rng, draws)
    both = hurdle.a[7] + hurdle.b[7]
    a = hurdle.a[7] * sums[ends] / ends
    count = rng.binomial(ends, rng.beta(a, both - a))
    sizes = hurdle.sizes(row, np.ones(1), 4000)[0]
    drawn = rng.choice(4000, count.sum(), p=sizes / sizes.sum())
    total = np.bincount(np.repeat(np.arange(draws), count), drawn, draws)
    of_mean, of_cdf = standard_errors(law.take(row), total)
    assert of_mean < 3.5
    assert of_cdf < 4
    assert law.take(row).variance()[0] == pytest.approx(total.var(), rel=0.03)


def test_a_mixture_of_both_kinds_is_the_mixture_of_their_laws():
    rng = np.random.default_rng(3)
    forecast = bf.forecast_panel(weekly_panel(rng, 0.15), 14, "D")
    lead = lengths(list(LEAD), list(LEAD.values()))
    at = [replace(forecast, law=replace(forecast.law, apart=np.full(40, x))) for x in (0.0, 1.0, 0.3)]
    smooth, apart, both = (cdf_of(bf.lead_time_demand(x, lead), 60) for x in at)
    assert both == pytest.approx(0.7 * smooth + 0.3 * apart, abs=1e-9)
    # mean and variance are exact: those of the table, but for the tail of the size law beyond it
    for one, error in zip(at, (1e-5, 1e-3, 1e-3), strict=True):
        law = bf.lead_time_demand(one, lead)
        table = Law(law.index, law.cumulative(), step=law.step)
        assert law.mean() == pytest.approx(table.mean(), rel=error)
        assert law.variance() == pytest.approx(table.variance(), rel=20 * error)


def test_sample_draws_from_the_law():
    law = certain([0.3, 4.0], ratio=[1.5, 2.5]).total(5)
    drawn = law.sample(40_000, seed=3)
    assert drawn.mean(axis=1) == pytest.approx(law.mean(), rel=0.03)
    assert drawn.var(axis=1) == pytest.approx(law.variance(), rel=0.05)
    assert np.array_equal(law.take(np.array([1])).sample(40_000, seed=3)[0], drawn[1])


# sums of periods


def test_totals_add_up():
    factors = [0.5, 1.0, 2.0, 0.0, 1.5, 1.0]
    forecast = certain([0.8, 3.0], ratio=[1.3, 4.0], factors=factors)
    assert forecast.mean().reshape(2, 6) == pytest.approx(np.outer([0.8, 3.0], factors))
    whole = forecast.total(6)
    assert whole.mean() == pytest.approx(forecast.mean().reshape(2, 6).sum(axis=1))
    assert whole.variance() == pytest.approx(forecast.variance().reshape(2, 6).sum(axis=1))  # no doubt: independent
    first, rest = forecast.total(2), forecast.total(4, first=3)
    for i in range(2):
        parts = [np.diff(cdf_of(x, 120)[i], prepend=0.0) for x in (first, rest)]
        assert np.convolve(*parts)[:120].cumsum() == pytest.approx(cdf_of(whole, 120)[i], abs=1e-9)
    one = forecast.total(1, first=3)
    assert cdf_of(one, 40) == pytest.approx(cdf_of(forecast.take(np.array([2, 8])), 40))
    assert forecast.total(1, first=4).quantile_array([0.99]).tolist() == [[0], [0]]  # a period without factor


def test_doubt_about_the_level_is_shared_by_periods():
    levels = 2.0 * strata(np.array([3.0, 3.0]))
    forecast = made(PanelLaw.of_counts(np.array([1.5, 1.5]), levels))
    apart = forecast.variance().reshape(2, 7).sum(axis=1)
    doubt = (levels**2 @ SHARES) - (levels @ SHARES) ** 2
    assert forecast.total(7).variance() == pytest.approx(apart + doubt * (49 - 7))


def test_periods_before_the_start_and_after_the_end_have_no_demand():
    forecast = certain([2.0, 2.0, 2.0], start=[1, 4, 1], end=[7, 7, 2])
    assert forecast.mean().reshape(3, 7).tolist() == [[2.0] * 7, [0.0] * 3 + [2.0] * 4, [2.0] * 2 + [0.0] * 5]
    # beyond the horizon the mean goes on, but not of what has ended
    assert bf.lead_time_demand(forecast, 10).mean() == pytest.approx([20.0, 14.0, 4.0])
    assert forecast.total(3).quantile_array([0.5])[1] == 0


def test_beyond_the_horizon_the_mean_of_whole_weeks_goes_on():
    factors = [3.0, 1, 1, 1, 1, 0, 0, 9.0]  # a week and a day
    forecast = certain([1.0], factors=factors)
    assert bf.lead_time_demand(forecast, 11).mean()[0] == pytest.approx(16 + 3 * 1.0)
    assert bf.lead_time_demand(forecast, 0.5).mean()[0] == pytest.approx(1.5)
    assert bf.lead_time_demand(forecast, 7.25).mean()[0] == pytest.approx(7 + 9 / 4)


def test_rows_may_sum_several_base_periods():
    forecast = certain([1.0, 2.0])
    weeks = replace(forecast, index=keys(2).loc[[0, 0, 1, 1]].reset_index(drop=True), step=np.ones(4),
                    edges=np.array([0, 3, 7]), starts=forecast.starts[[0, 3]])  # fmt: skip
    assert weeks.mean() == pytest.approx([3.0, 4.0, 6.0, 8.0])
    assert weeks.horizon == 7
    assert cdf_of(weeks, 30)[1] == pytest.approx(cdf_of(forecast.total(4, first=4), 30)[0])


def test_units_scale_everything():
    plain, halves = certain([2.0], ratio=1.7), certain([2.0], ratio=1.7, unit=[0.5])
    for law, half in ((plain, halves), (plain.total(3), halves.total(3))):
        assert half.mean() == pytest.approx(law.mean() / 2)
        assert half.variance() == pytest.approx(law.variance() / 4)
        assert np.array_equal(half.quantile_array([0.1, 0.9]), law.quantile_array([0.1, 0.9]) / 2)
        assert half.cdf(1.25) == pytest.approx(law.cdf(2))


# the law of sums


def demand_law(sizes, ratios, exposure=1.0):
    """A law of counts of these mean levels [n × strata]."""
    n = len(sizes)
    law = PanelLaw.of_counts(np.asarray(ratios, float), np.asarray(sizes, float))
    span = Span.certain(np.full(n, exposure), np.ones(n, np.int64))
    return DemandLaw(keys(n), step=np.ones(n), panel=law, item=np.arange(n), span=span)


def alike(means):
    return np.repeat(np.asarray(means, float)[:, None], len(SHARES), axis=1)


def test_counts_are_scipys():
    means, ratios = np.array([2.5, 1.2, 360.0]), np.array([2.0, 5.0, 10.0])
    law = demand_law(alike(means), ratios)
    x = np.arange(law.width)
    for i, (mean, ratio) in enumerate(zip(means, ratios, strict=True)):
        exact = stats.nbinom(mean / (ratio - 1), 1 / ratio)
        assert law.pmf()[i] == pytest.approx(exact.pmf(x), abs=1e-11)
        assert (law.mean()[i], law.variance()[i]) == pytest.approx((exact.mean(), exact.var()))
        assert law.quantile_array([0.1, 0.5, 0.99])[i].tolist() == exact.ppf([0.1, 0.5, 0.99]).tolist()
        assert law.cdf(7)[i] == pytest.approx(exact.cdf(7))


def test_moments_of_mixed_counts_are_those_of_the_table():
    law = demand_law(np.random.default_rng(1).gamma(1.0, 4.0, (5, len(SHARES))), [1.05, 1.5, 3.0, 9.0, 40.0])
    table = Law(law.index, law.cumulative(), step=law.step)
    assert law.mean() == pytest.approx(table.mean(), rel=1e-5)
    assert law.variance() == pytest.approx(table.variance(), rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 400), min_size=16, max_size=16), min_size=1, max_size=4), st.floats(1.02, 400),
    st.floats(0, 40),
)  # fmt: skip
def test_count_tables_leave_less_than_a_millionth_out(sizes, ratio, exposure):
    law = demand_law(sizes, np.full(len(sizes), ratio), exposure)
    assert (law.cdf(law.width - 1) > 1 - 1e-6).all()


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.05, 50), st.floats(0.5, 500), st.lists(st.integers(1, 300), min_size=1, max_size=40),
    st.lists(st.integers(0, 60), min_size=1, max_size=3), st.floats(-2, 4), st.floats(0.05, 1.5),
)  # fmt: skip
def test_tables_apart_leave_little_out(a, b, qty, periods, centre, spread):
    """The size law has a tail of its own: a p999 is there all the same."""
    history = History(np.zeros(len(qty), np.int64), np.arange(len(qty)), np.array(qty, float), np.array([len(qty)]))
    hurdle = Hurdle(np.array([a]), np.array([b]), np.array([centre]), np.array([spread]), history, np.ones(5))
    law = replace(PanelLaw.of_counts(np.array([2.0]), np.ones((1, 16))), apart=np.ones(1), seldom=hurdle)
    chance = np.full((1, len(periods)), 1 / len(periods))
    span = Span(np.array([periods], float), np.array([periods]), chance)
    found = DemandLaw(keys(1), step=np.ones(1), panel=law, item=np.zeros(1, np.int64), span=span)
    assert found.cdf(found.width - 1)[0] > 0.999


def test_rows_can_be_taken_and_long_ones_are_worked_on_in_blocks():
    rng = np.random.default_rng(4)
    law = demand_law(rng.uniform(0.1, 900, (1500, 16)) * (rng.random((1500, 1)) < 0.9), rng.uniform(1.1, 50, 1500))
    law = replace(law, step=rng.choice([1.0, 0.5], 1500))
    rows = np.array([7, 0, 1499])
    assert isinstance(law.take(rows), DemandLaw)
    assert np.array_equal(law.take(rows).quantile_array([0.5, 0.9]), law.quantile_array([0.5, 0.9])[rows])
    assert law.take(rows).mean() == pytest.approx(law.mean()[rows], rel=1e-14)
    blocks = list(law.blocks())
    assert len(blocks) > 2
    assert sorted(np.concatenate(blocks)) == list(range(1500))
    picked = law.take(rows).cumulative()
    assert np.array_equal(picked, law.cumulative()[rows, : picked.shape[1]])


def test_a_law_without_rows():
    none = certain([])
    assert none.quantile([0.5]).shape == (0, 2)
    assert none.total(3).mean().shape == (0,)
    assert bf.lead_time_demand(none, 4).quantile_array([0.5]).shape == (0, 1)
    assert none.total(3).sample(2, seed=1).shape == (0, 2)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 30), st.floats(1.02, 20), st.floats(0, 12), st.floats(0, 12))
def test_a_longer_lead_time_means_no_less_demand(rate, ratio, one, other):
    short, long = sorted((one, other))
    forecast = certain([rate], ratio=ratio)
    less, more = (cdf_of(bf.lead_time_demand(forecast, x), 40)[0] for x in (short, long))
    assert (more <= less + 1e-9).all()


# words, storage, errors


def test_models_are_told():
    forecast = certain([1.0, 2.0])
    assert forecast.models.to_dict("records") == [{"unique_id": f"s{k}", "steady level": 1.0} for k in range(2)]
    assert forecast.model_words().tolist() == ["100 % steady level"] * 2
    words = told(np.array([[0.004, 0.6, 0.396], [1.0, 0.0, 0.0]]), ("a", "b", "c"))
    assert words == ["60 % b, 40 % c", "100 % a"]


def test_storage_gives_the_law_of_sums_back():
    law = certain([0.5, 2.0], unit=[1.0, 0.1]).total(4)
    back = Law.from_frame(law.to_frame())
    assert np.array_equal(back.quantile_array([0.05, 0.5, 0.95]), law.quantile_array([0.05, 0.5, 0.95]))
    assert back.mean() == pytest.approx(law.mean(), rel=1e-4)


@pytest.mark.parametrize(("periods", "first"), [(0, 1), (8, 1), (1, 8), (1, 0), (-1, 3), (5, 4)])
def test_totals_lie_within_the_horizon(periods, first):
    with pytest.raises(ValueError, match=rf"periods {first} to {first + periods - 1} do not lie within 1 to 7"):
        certain([1.0]).total(periods, first=first)


@pytest.mark.parametrize(
    ("lead_time", "message"),
    [
        (-1, r"a number of periods, 0 or more; 3 rows \(100 %\), e\.g\. -1\.0"),
        ([1, np.nan, 2], r"a number of periods, 0 or more; 1 row \(33\.3 %\), e\.g\. nan"),
        ([1, np.inf, -2], r"2 rows \(66\.7 %\), e\.g\. inf, -2\.0\. To mend it: state it in the forecast's periods"),
        ([1, 2], r"there is one, or one for each of the 3 items; got \(2,\)"),
        (np.ones((3, 2)), r"there is one, or one for each of the 3 items; got \(3, 2\)"),
        (Law(keys(2), np.ones((2, 3))), r"one row, or one for each of the 3 items; this one has 2"),
    ],
)
def test_lead_times_that_cannot_be_used(lead_time, message):
    with pytest.raises(bf.InputError, match=message):
        bf.lead_time_demand(certain([1.0, 2.0, 3.0]), lead_time)


def test_a_lead_time_that_never_ends_says_nothing():
    law = bf.lead_time_demand(certain([1.0, 2.0]), Law(keys(2), np.array([[0.0, 0.0], [0.0, 1.0]])))
    assert np.isnan(law.quantile_array([0.5])).tolist() == [[True], [False]]
