"""The panel models on simulated panels, by hand, and beside plain arithmetic."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backorder_forecast.methods.boosted import MULTIPLIERS, sizes
from backorder_forecast.methods.censored import Censored, complete
from backorder_forecast.methods.drivers import Drivers
from backorder_forecast.methods.exposure import Exposure
from backorder_forecast.methods.fit import fit_panel, model_names
from backorder_forecast.methods.history import History
from backorder_forecast.methods.hurdle import Hurdle, hurdle
from backorder_forecast.methods.laws import Span
from backorder_forecast.methods.panel import Panel
from backorder_forecast.methods.periods import Periods
from backorder_forecast.methods.season import Shared, shared
from backorder_forecast.methods.smoothing import EDGES, SHARES, dispersion, smooth, strata

HALF_LIVES = np.array([3.0, 12.0, np.inf])


def history(units):
    """A panel from units [items × periods]; every item is as old as the panel."""
    units = np.asarray(units, float)
    item, period = np.nonzero(units)
    age = units.shape[1] - 1 - period
    return History(item, age, units[item, period], np.full(len(units), units.shape[1]))


def months(now, ahead=6):
    return Periods(now, np.zeros(now + ahead, np.int64), np.arange(now + ahead) % 12.0, 12.0)


def days(now, ahead=14):
    """Days from a Monday on, all in one season."""
    return Periods(now, np.arange(now + ahead) % 7, np.zeros(now + ahead), 365.25)


def one_group(past):
    return np.zeros(past.items, np.int64)


def flat(past, ahead=6):
    """Periods alike."""
    axis = Periods(past.periods, np.zeros(past.periods + ahead, np.int64), np.zeros(past.periods + ahead), 12.0)
    return Exposure.fit(past, Shared.none(1, past.periods, ahead), axis, one_group(past))


def fitted(units, axis, horizon, half_lives=HALF_LIVES):
    past = history(units)
    return fit_panel(Panel(past, axis, one_group(past)), horizon, half_lives)


def weights(fit):
    return fit.law.models.mean(axis=0)


# history


def test_history_is_the_dense_panel():
    rng = np.random.default_rng(0)
    units = (rng.random((9, 30)) < 0.4) * rng.integers(1, 9, (9, 30))
    past = history(units)
    assert past.events().tolist() == (units > 0).sum(axis=1).tolist()
    assert past.sums(7).tolist() == units[:, -7:].sum(axis=1).tolist()
    earlier = past.until(12)
    assert earlier.periods == 18
    assert earlier.sums(30).tolist() == units[:, :18].sum(axis=1).tolist()
    fade = 0.5 ** (np.arange(30) / HALF_LIVES[:, None])
    assert past.faded(fade) == pytest.approx(units[:, ::-1] @ fade.T)
    rows = np.array([7, 2, 2])
    assert past.take(rows).sums(30).tolist() == units[rows].sum(axis=1).tolist()
    assert past.take(rows).until(12).faded(fade) == pytest.approx(units[rows, :18][:, ::-1] @ fade[:, :18].T)
    more = past.filled(past.qty, np.full(len(past.qty), 0.5), np.zeros(len(past.qty), bool)).take(rows).until(12)
    assert more.squares() == pytest.approx(more.qty**2 + 0.5)


# growth and season


def test_growth_and_season_that_all_items_share_are_found():
    rng = np.random.default_rng(1)
    t = np.arange(72)
    factor = np.exp(-0.3 * t / 12) * (1 + 0.5 * np.sin(2 * np.pi * t / 12))
    past = history(rng.poisson(rng.gamma(1, 1, (800, 1)) * factor))
    found = shared(past, months(72), one_group(past), 6)
    # several orders of a month count as three at most, so that the slope is a little flat
    assert -0.35 < found.slope[0] < -0.2
    coming = 1 + 0.5 * np.sin(2 * np.pi * np.arange(72, 78) / 12)
    assert np.corrcoef(found.growing(0.0).ahead[0], coming)[0, 1] > 0.97
    # with no growth ahead the season is left; with all of it, it goes on damped
    assert found.growing(0.0).growth == pytest.approx(np.ones((1, 6)))
    assert found.growth[0, -1] > np.exp(0.5 * found.slope[0])
    assert found.growing(0.5).ahead == pytest.approx(found.ahead * found.growth**-0.5)


def test_a_panel_without_either_has_factors_near_one():
    rng = np.random.default_rng(2)
    past = history(rng.poisson(rng.gamma(1, 1, (800, 1)), (800, 60)))
    found = shared(past, months(60), one_group(past), 6)
    assert np.abs(found.ahead / found.ahead.mean() - 1).max() < 0.05
    assert abs(found.slope[0]) < 0.03


def test_hardly_any_event_makes_no_season():
    units = np.zeros((20, 40))
    units[3, [5, 30]] = 4
    found = shared(history(units), months(40), np.zeros(20, np.int64), 6)
    assert (found.past == 1).all()
    assert (found.ahead == 1).all()


def test_groups_have_seasons_of_their_own():
    rng = np.random.default_rng(3)
    wave = 0.7 * np.sin(2 * np.pi * np.arange(60) / 12)
    group = np.repeat([0, 1], 300)
    past = history(rng.poisson(2.0 * np.exp(np.where(group[:, None] == 0, wave, -wave))))
    found = shared(past, months(60, 12), group, 12)
    coming = 0.7 * np.sin(2 * np.pi * np.arange(60, 72) / 12)
    for g, sign in ((0, 1), (1, -1)):
        assert np.corrcoef(np.log(found.ahead[g]), sign * coming)[0, 1] > 0.95


def test_items_have_a_week_of_their_own_shrunk_to_the_groups():
    rng = np.random.default_rng(4)
    shape, other = np.array([0.2, 1, 1, 1, 1, 2.0, 0.8]), np.array([2.0, 1, 1, 1, 1, 0.2, 0.8])
    mean = np.tile(5.0 * shape, (60, 52))
    mean[7] = np.tile(5.0 * other, 52)
    units = rng.poisson(mean)
    units[8] = 0
    units[8, 365 - 8] = 3  # hardly known: the week is the group's
    past, axis = history(units), days(364)
    found = Exposure.fit(past, shared(past, axis, one_group(past), 14), axis, one_group(past))
    ahead = found.ahead(np.arange(60), 14)[:, :7]
    ahead = ahead / ahead.mean(axis=1, keepdims=True)
    assert ahead[0] == pytest.approx(shape, abs=0.2)
    assert ahead[8] == pytest.approx(shape, abs=0.2)
    assert np.abs(ahead[7] - other).max() < 0.45
    dense = found.dense(np.arange(60))
    fade = 0.5 ** (np.arange(364) / np.array([[10.0], [np.inf]]))
    assert found.past(past.length, fade) == pytest.approx(fade[:, ::-1] @ dense.T)
    assert found.of_events(past) == pytest.approx(dense[past.item, 363 - past.age])
    assert found.blocks(50)[:, 0] == pytest.approx(dense[:, -50:].sum(axis=1))


# levels


def test_a_static_level_is_the_mean_and_its_spread_that_of_the_counts():
    rng = np.random.default_rng(5)
    past = history(rng.negative_binomial(2.0, 0.4, (400, 200)))
    found = smooth(past, flat(past), HALF_LIVES)
    assert found.mean[-1] == pytest.approx(past.sums(200) / 200, rel=0.1)
    assert found.mean[-1].mean() == pytest.approx(3.0, rel=0.03)
    assert found.ratio.mean() == pytest.approx(2.5, rel=0.05)
    # the stated doubt is the true one
    error = (found.mean[-1] - 3.0) / (found.mean[-1] / np.sqrt(found.strength[-1]))
    assert 0.85 < np.sqrt((error**2).mean()) < 1.15


def test_short_memories_follow_a_level_that_moved():
    units = np.zeros((10, 48))
    units[:, :24], units[:, 24:] = 2.0, 8.0
    found = smooth(history(units), flat(history(units)), HALF_LIVES)
    assert (found.mean[0] > found.mean[1]).all()
    assert (found.mean[1] > found.mean[2]).all()
    assert found.mean[0] == pytest.approx(np.full(10, 8.0), rel=0.1)
    assert found.mean[2] == pytest.approx(np.full(10, 5.0), rel=0.1)


def test_a_level_that_moves_from_block_to_block_is_no_scatter():
    rng = np.random.default_rng(6)
    level = np.repeat(rng.gamma(2.0, 5.0, (300, 12)), 56, axis=1)  # eight weeks each
    past = history(rng.poisson(level))
    axis = Periods(672, np.zeros(686, np.int64), np.zeros(686), 365.25)
    exposure = Exposure.fit(past, Shared.none(1, 672, 14), axis, one_group(past))
    ratio = dispersion(past, exposure)
    raw = level.var(axis=1) / level.mean(axis=1) + 1
    assert np.median(raw) > 4
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    steady = history(rng.poisson(10.0, (300, 672)))
    assert dispersion(steady, exposure) == pytest.approx(np.ones(300), abs=0.2)


def test_scores_are_those_of_the_negative_binomial():
    past = history(np.tile([0, 3, 1, 4], (5, 12)))
    found = smooth(past, flat(past), HALF_LIVES)
    score = found.log_score(np.full(5, 12.0), np.full(5, 6.0))
    mean, shape = found.mean[1, 0] * 6, found.strength[1, 0]
    variance = mean * found.ratio[0] + mean**2 / shape
    p = mean / variance
    assert score[0, 1] == pytest.approx(stats.nbinom.logpmf(12, mean * p / (1 - p), p))


@pytest.mark.parametrize("shape", [0.05, 0.5, 3.0, 40.0, 5e3])
def test_strata_are_means_of_slices_of_a_gamma(shape):
    found = strata(np.array([shape]))[0]
    draws = np.sort(stats.gamma(shape, scale=1 / shape).ppf((np.arange(200_000) + 0.5) / 200_000))
    parts = np.split(draws, np.round(EDGES[1:-1] * len(draws)).astype(int))
    assert found == pytest.approx([x.mean() for x in parts], rel=5e-3, abs=1e-4)
    assert found @ SHARES == pytest.approx(1.0, abs=1e-9)
    assert (np.diff(found) > 0).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=5))
def test_strata_keep_the_mean_for_any_shape(shapes):
    found = strata(np.array(shapes))
    assert found @ SHARES == pytest.approx(np.ones(len(shapes)), abs=1e-9)
    assert (np.diff(found, axis=1) >= 0).all()


# occurrence and size


def test_hurdle_sums_equal_simulated_sums():
    rng = np.random.default_rng(7)
    units = (rng.random((200, 80)) < 0.2) * rng.choice([1, 2, 5, 20], (200, 80))
    past = history(units)
    found = hurdle(past, flat(past))
    rows, draws = np.zeros(1, np.int64), 300_000
    span = Span.certain(np.array([6.0]), np.array([6]))
    mass = found.mass(rows, span.chance, span.exposure, span.periods, np.ones(1), 600)[0]
    assert mass.sum() == pytest.approx(1.0, abs=1e-4)
    chance = rng.beta(found.a[0], found.b[0], draws)
    law = found.sizes(rows, np.ones(1), 600)[0]
    drawn = rng.choice(600, (draws, 6), p=law / law.sum()) * (rng.random((draws, 6)) < chance[:, None])
    for x in (0, 5, 20, 60):
        seen = (drawn.sum(axis=1) <= x).mean()
        assert mass[: x + 1].sum() == pytest.approx(seen, abs=4 * np.sqrt(0.25 / draws))


def test_what_lies_beyond_a_table_of_sums_does_not_come_back_into_it():
    units = np.zeros((30, 90))
    units[:, ::3] = 40.0
    found = hurdle(history(units), flat(history(units)))
    one = np.zeros(1, np.int64)
    span = Span.certain(np.array([30.0]), np.array([30]))
    short, whole = (found.mass(one, span.chance, span.exposure, span.periods, np.ones(1), x)[0] for x in (90, 4000))
    assert whole[:90].sum() < 0.01
    assert short == pytest.approx(whole[:90], abs=1e-7)


def test_chances_and_sizes_of_a_panel_are_found():
    rng = np.random.default_rng(8)
    chance, centre = rng.beta(2.0, 18.0, (900, 1)), rng.normal(2.0, 0.7, (900, 1))
    units = (rng.random((900, 300)) < chance) * np.ceil(np.exp(rng.normal(centre, 0.5, (900, 300))))
    past = history(units)
    found = hurdle(past, flat(past))
    a, b, middle, within, between = found.panel
    assert a / (a + b) == pytest.approx(0.1, rel=0.07)
    assert a + b == pytest.approx(20.0, rel=0.25)
    assert middle == pytest.approx(2.05, abs=0.15)
    assert (within, between) == pytest.approx((0.25, 0.5), rel=0.2)
    assert found.chance() == pytest.approx(chance[:, 0], abs=0.09)
    size, square = found.size_moments()
    seen = past.sums(300) / np.maximum(past.events(), 1)
    assert np.median(size / np.maximum(seen, 1)) == pytest.approx(1.0, abs=0.05)
    assert (square > size**2).all()


def beta_law(a, b):
    unknown = Hurdle.unknown(1)
    return Hurdle(np.array([a]), np.array([b]), unknown.centre, unknown.spread, unknown.history, unknown.panel)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.02, 60), st.floats(0.2, 400), st.integers(0, 180), st.floats(0.1, 1.5))
def test_counts_of_periods_with_demand_leave_nothing_out(a, b, periods, factor):
    """Skewed chances too: of an item never sold a standard deviation does not tell how often it may be."""
    one = np.zeros(1, np.int64)
    span = Span.certain(np.array([periods * factor]), np.array([periods]))
    counts = beta_law(a, b).counts(one, span.chance, span.exposure, span.periods)[0]
    assert counts.sum() == pytest.approx(1.0, abs=5e-4)
    risen = min(a * factor, 0.999 * (a + b)) if periods else a
    expected = stats.betabinom.pmf(np.arange(len(counts)), periods, risen, a + b - risen) if periods else [1.0]
    assert counts == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_items_are_shrunk_to_the_panel():
    units = np.zeros((40, 100))
    units[:30, ::10] = 4.0
    past = history(units)
    found = hurdle(past, flat(past))
    assert found.chance()[:30] == pytest.approx(np.full(30, 0.1), rel=0.1)
    assert (found.chance()[30:] < 0.05).all()
    assert found.sizes(np.array([35]), np.ones(1), 40)[0].argmax() == 4  # never seen: as those of the others


# weights


def test_weights_go_to_the_law_that_made_the_data():
    rng = np.random.default_rng(9)
    seldom = (rng.random((300, 72)) < rng.beta(1, 8, (300, 1))) * rng.choice([10, 40], (300, 1))
    found = fitted(seldom, months(72), 6)
    assert found.law.models.sum(axis=1) == pytest.approx(np.ones(300))
    assert weights(found)[-1] > 0.6
    assert found.law.apart.tolist() == found.law.models[:, -1].tolist()
    moving = np.exp(np.cumsum(rng.normal(0, 0.3, (300, 72)), axis=1)) * 5
    assert weights(fitted(rng.poisson(np.minimum(moving, 200)), months(72), 6))[0] > 0.6
    steady = rng.poisson(rng.gamma(2.0, 2.0, (300, 1)), (300, 72))
    assert weights(fitted(steady, months(72), 6))[2] > 0.6


def test_of_a_short_panel_hardly_anything_is_chosen():
    found = fitted(np.random.default_rng(10).poisson(2.0, (40, 5)), months(5), 6)
    assert found.law.models.sum(axis=1) == pytest.approx(np.ones(40))
    assert np.isfinite(found.law.levels).all()


def test_levels_mix_memories_and_keep_their_mean():
    rng = np.random.default_rng(11)
    level = np.exp(np.cumsum(rng.normal(0, 0.1, (200, 90)), axis=1)) * 4
    units = rng.poisson(level)
    past = history(units)
    found = fitted(units, months(90), 6)
    memories = smooth(past, found.exposure, HALF_LIVES)
    share = found.law.models[:, :-1] / found.law.models[:, :-1].sum(axis=1, keepdims=True)
    assert found.law.levels @ SHARES == pytest.approx((share * memories.mean.T).sum(axis=1), rel=1e-6)
    assert (np.diff(found.law.levels, axis=1) >= 0).all()


def test_models_are_named():
    assert model_names(np.array([7.0, np.inf])) == ("level of half-life 7 days", "steady level", "occurrence and size")


# boosted levels


def pulsing(spans, rng):
    """Items that ask for six units a day in one fortnight and one in the next, half of them out of step."""
    busy = (np.arange(spans)[None, :] + np.arange(400)[:, None]) % 2 == 0
    rate = np.repeat(np.where(busy, 6.0, 1.0), 14, axis=1)
    return rng.poisson(rate), np.where(busy[:, -1], 1.0, 6.0)


def challenged(units, challenger=True):
    past = history(units)
    panel = Panel(past, days(units.shape[1]), one_group(past))
    return fit_panel(panel, 14, np.array([7.0, 14.0, 28.0, np.inf]), challenger=challenger)


def test_boosted_levels_see_what_no_memory_can():
    units, coming = pulsing(16, np.random.default_rng(12))
    found, plain = challenged(units), challenged(units, challenger=False)
    assert found.pool.names()[-2] == "boosted level"
    assert found.law.models[:, -2].min() > 0.9
    assert found.law.levels @ SHARES == pytest.approx(coming, rel=0.15)
    assert np.abs(plain.law.levels @ SHARES - coming).mean() > 1.5
    again = challenged(units)
    assert np.array_equal(found.law.levels, again.law.levels)


def test_boosted_levels_know_how_unsure_they_are():
    rng = np.random.default_rng(13)
    # each fortnight has a level of its own, of a law that is known: a half or one and a half of the mean
    rate = np.repeat(rng.choice([1.5, 4.5], (400, 16)), 14, axis=1)
    boosted = challenged(rng.poisson(rate)).pool.weighed.boosted
    law = boosted.spread[sizes(np.array([42.0]))[0]]
    near_half, near_more = (law[np.abs(np.log(MULTIPLIERS / x)) < 0.25].sum() for x in (0.5, 1.5))
    assert near_half == pytest.approx(0.5, abs=0.1)
    assert near_more == pytest.approx(0.5, abs=0.1)


def test_boosted_levels_do_with_drivers_of_which_nothing_is_known():
    units, coming = pulsing(16, np.random.default_rng(16))
    past, axis = history(units), days(units.shape[1])
    values = np.full((1, len(units), units.shape[1] + 14), np.nan)
    values[0, 0, :50] = 1.0  # of one item, long ago
    panel = Panel(past, axis, one_group(past), Drivers(("price",), values, (True,)))
    found = fit_panel(panel, 14, np.array([7.0, 14.0, 28.0, np.inf]), challenger=True)
    assert found.law.levels @ SHARES == pytest.approx(coming, rel=0.15)


def test_boosted_levels_want_a_history_to_learn_from():
    units, _ = pulsing(9, np.random.default_rng(14))
    found = challenged(units)
    assert found.pool.weighed.boosted is None
    assert found.pool.refusal(True)
    assert not found.pool.refusal(False)
    plain = challenged(units, challenger=False)
    assert np.array_equal(found.law.levels, plain.law.levels)


# what stock-outs hid


def test_what_was_seen_of_a_panel_is_given_back_at_once():
    """A million items stream in half the memory where no history holds itself."""
    past = history(np.array([[0, 2, 0, 1], [1, 0, 0, 0]]))
    gone = weakref.ref(past)
    assert past.visible() is past
    gc.disable()
    try:
        del past
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("ratio", [1.2, 3.0])
def test_hidden_demand_is_expected_not_left_out(ratio):
    rng = np.random.default_rng(12)
    wanted = rng.negative_binomial(4.0 / (ratio - 1), 1 / ratio, (150, 300))
    stock = rng.integers(0, 12, wanted.shape)
    sold, out = np.minimum(wanted, stock), wanted >= stock
    past, (item, period) = history(sold), np.nonzero(out)
    axis = Periods(300, np.zeros(306, np.int64), np.zeros(306), 365.25)
    done = complete(past, Censored(item, 299 - period, np.ones(len(item))), axis, one_group(past))
    assert done.sums(300).mean() / 300 == pytest.approx(4.0, rel=0.04)
    exposure = Exposure.fit(done, Shared.none(1, 300, 6), axis, one_group(past))
    assert np.median(dispersion(done, exposure)) == pytest.approx(ratio, rel=0.2)
    # of what is expected beyond sales only the lost share counts
    half = complete(past, Censored(item, 299 - period, np.full(len(item), 0.5)), axis, one_group(past))
    assert past.sums(300).sum() < half.sums(300).sum() < done.sums(300).sum()


def test_hidden_demand_of_busy_weeks_is_told_by_what_is_around_it():
    """One month in five is busy, and stock runs out in it: a steady level would fill in a third of what is missing."""
    rng = np.random.default_rng(15)
    level = np.repeat(np.where(rng.random((150, 10)) < 0.2, 12.0, 2.0), 30, axis=1)
    wanted = rng.poisson(level)
    out = (level > 5.0) & (rng.random(level.shape) < 0.4)
    past, (item, period) = history(np.where(out, 0, wanted)), np.nonzero(out)
    axis = Periods(300, np.zeros(306, np.int64), np.zeros(306), 365.25)
    done = complete(past, Censored(item, 299 - period, np.ones(len(item))), axis, one_group(past))
    missing = wanted.sum() - past.sums(300).sum()
    assert missing > 0.2 * wanted.sum()
    assert 0.65 < (done.sums(300).sum() - past.sums(300).sum()) / missing < 1.0


def test_censored_periods_keep_what_was_sold():
    past = history([[3.0, 0, 5, 2, 4, 3, 2, 5, 3, 4]])
    axis = Periods(10, np.zeros(16, np.int64), np.zeros(16), 12.0)
    done = complete(past, Censored(np.array([0, 0]), np.array([8, 2]), np.ones(2)), axis, np.zeros(1, np.int64))
    assert done.age[np.argsort(done.age)].tolist() == sorted({*past.age.tolist(), 8})
    by_age = dict(zip(done.age.tolist(), done.qty.tolist(), strict=True))
    assert by_age[2] > 5.0  # at least what was sold
    assert by_age[8] > 0.0
    assert all(by_age[a] == q for a, q in zip(past.age, past.qty, strict=True) if a != 2)
