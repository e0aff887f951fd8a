"""Dense counts, smoothing and stretched laws, beside plain Python, textbook estimators and simulation."""

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from backorder_forecast.core import hazards

ONE = np.zeros(1, np.int64)


def counts(low, high, ended, scale=1.0, power=1.0, bins=1.0, size=12, weight=1.0, entry=0.0):
    low, high, ended = np.asarray(low, float), np.asarray(high, float), np.asarray(ended, bool)
    risk, events = np.zeros((1, size)), np.zeros((1, size))
    group, full = np.zeros(len(low), np.int64), np.ones(len(low))
    hazards.add_counts(
        group, full * entry, low, high, ended, full * weight, full * scale, full * power, bins, risk, events
    )
    return risk[0], events[0]


def survival(law):
    return np.exp(-law)


def test_counts_by_hand():
    # ends on days 2 and 4; one still waits after day 3 (it survived the bins 0…3)
    risk, events = counts([2, 4, 4], [3, 5, 4], [True, True, False], size=7)
    assert events.tolist() == [0, 0, 1, 0, 1, 0, 0]
    assert risk.tolist() == [3, 3, 3, 2, 1, 0, 0]
    # what ended on one of the days 3, 4, 5 is spread evenly and is at risk in what is left of it
    risk, events = counts([3], [6], [True], size=7)
    assert events == pytest.approx([0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0])
    assert risk == pytest.approx([1, 1, 1, 1, 2 / 3, 1 / 3, 0])


@pytest.mark.parametrize("seed", range(3))
def test_no_end_is_lost_or_counted_twice_whatever_the_rounding(seed):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 9, 500).astype(float)
    for scale in (1.0, 1.0 - 1e-16, 1.0 + 1e-9, 1.0 - 1e-9, 0.7, 3.0):
        risk, events = counts(low, low + rng.integers(1, 4, 500), np.ones(500), scale=scale, size=60)
        assert events.sum() == pytest.approx(500)
        assert (events >= 0).all()
        assert (events <= risk + 1e-9).all()


def test_weighted_counts_are_counts_of_so_many():
    low, ended = np.array([2.0, 4, 4, 1]), np.array([True, True, False, True])
    weight = np.array([3, 1, 2, 2])
    many = np.repeat(np.arange(4), weight)
    for ours, plain in zip(
        counts(low, low + 1, ended, weight=weight), counts(low[many], low[many] + 1, ended[many]), strict=True
    ):
        assert ours == pytest.approx(plain)


def test_counts_after_stretching_by_hand():
    # (low, high] = (4, 6] at scale 2 is (2, 3]; at power 2 besides it is (4, 9]
    risk, events = counts([4], [6], [True], scale=2.0)
    assert events.tolist() == [0, 0, 1] + [0] * 9
    _, events = counts([4], [6], [True], scale=2.0, power=2.0)
    assert events == pytest.approx([0] * 4 + [0.2] * 5 + [0] * 3)
    # a censored one is at risk for a part of the bin in which it was last seen
    risk, events = counts([5], [5], [False], scale=2.0)
    assert risk == pytest.approx([1, 1, 0.5] + [0] * 9)
    assert not events.any()


@pytest.mark.parametrize("seed", range(3))
def test_unsmoothed_hazards_are_kaplan_meier(seed):
    # the same estimator by statsmodels (Kaplan and Meier 1958)
    rng = np.random.default_rng(seed)
    days, seen = rng.integers(0, 30, 400), rng.integers(0, 40, 400)
    ended = days <= seen
    low = np.where(ended, days, seen + 1).astype(float)
    risk, events = counts(low, low + 1, ended, size=45)
    ours = np.cumprod(1 - np.divide(events, risk, out=np.zeros(45), where=risk > 0))
    theirs = SurvfuncRight(np.where(ended, days, seen), ended)
    assert ours[theirs.surv_times.astype(int)] == pytest.approx(theirs.surv_prob, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_late_entries_are_kaplan_meier_with_left_truncation(seed):
    rng = np.random.default_rng(seed)
    entry, days, seen = rng.integers(0, 10, 900), rng.integers(0, 30, 900), rng.integers(0, 40, 900)
    known = np.minimum(days, seen) > entry  # what was over by the entry nobody knows of
    entry, days, seen = (x[known] for x in (entry, days, seen))
    ended = days <= seen
    low = np.where(ended, days, seen + 1).astype(float)
    # at risk from the bin after the day of entry on, as in statsmodels
    risk, events = counts(low, low + 1, ended, size=45, entry=entry + 1.0)
    ours = np.cumprod(1 - np.divide(events, risk, out=np.zeros(45), where=risk > 0))
    theirs = SurvfuncRight(np.where(ended, days, seen), ended, entry=entry)
    assert ours[theirs.surv_times.astype(int)] == pytest.approx(theirs.surv_prob, abs=1e-12)


def test_the_rest_of_a_memoryless_duration_is_as_long_as_the_whole():
    law, out = 0.2 * np.arange(60.0), np.zeros((3, 20))
    age, one = np.array([0.0, 7.0, 31.5]), np.ones(3)
    hazards.survivals(np.zeros(3, np.int64), np.ones((3, 1)), age, one, law[None], np.exp(-law)[None], np.ones(1), out)
    assert out == pytest.approx(np.tile(np.exp(-0.2 * np.arange(1, 21)), (3, 1)))


def test_smoothing_keeps_the_events_and_leaves_the_stuck_in_doubt():
    rng = np.random.default_rng(5)
    days = rng.gamma(9, 1.5, 3000).astype(int)
    low = np.concatenate([days, np.full(30, 300)]).astype(float)  # thirty wait for ever
    ended = np.concatenate([np.ones(3000, bool), np.zeros(30, bool)])
    risk, events = counts(low, low + 1, ended, size=300)
    hazard = hazards.smooth(risk, events)
    s = survival(hazards.cumulative(hazard))
    truth = np.array([(days > t).mean() * 0.99 + 0.01 for t in range(1, 30)])
    assert np.abs(s[2:31] - truth).max() < 0.02
    # after the last event: half an event over all the days waited there
    assert 0.008 < s[-1] < 0.011
    last = int(np.flatnonzero(events)[-1])
    assert hazard[last + 1 :] == pytest.approx(0.5 / risk[last + 1 :].sum())


def test_a_stretched_law_is_the_law_of_stretched_durations():
    t = np.arange(40, dtype=float)
    law = hazards.stretched(0.3 * np.arange(41.0), np.array([2.0, 4.0]), np.array([1.0, 1.5]), 5.0, 40)
    # Λ(b·(t/s)^p) with Λ(x) = 0.3 x
    assert law[0] == pytest.approx(0.3 * 5.0 * t / 2.0)
    assert law[1] == pytest.approx(0.3 * 5.0 * (t / 4.0) ** 1.5)


def plain_scale_likelihood(entry, low, high, ended, law, scale):
    def cumulated(t):
        below = min(int(t), len(law) - 2)
        return law[below] + (t - below) * (law[below + 1] - law[below])

    total = 0.0
    for begin, a, b, e in zip(entry, low, high, ended, strict=True):
        gone = np.exp(-cumulated(a / scale)) - np.exp(-cumulated(b / scale))
        total += np.log(max(gone, 1e-300)) if e else -cumulated(a / scale)
        total += cumulated(begin / scale)
    return total


@pytest.mark.parametrize("narrow", [False, True])
def test_scale_likelihood_equals_a_plain_loop(narrow):
    rng = np.random.default_rng(2)
    law = np.concatenate([[0.0], np.cumsum(rng.uniform(0.05, 0.06, 90))])
    low = rng.integers(20 if narrow else 0, 50, 30).astype(float)
    high, ended = low + (1 if narrow else rng.integers(1, 4, 30)), rng.random(30) < 0.7
    points, stretch = np.array([-0.5, 0.0, 0.5]), rng.uniform(-0.5, 0.5, 30)
    entry = np.where(rng.random(30) < 0.5, low * rng.random(30), 0.0) * (not narrow)
    group, weight = (np.arange(30) % 2).astype(np.int64), np.full(30, 2.0)
    spans = hazards.Spans.of(entry, low, high, ended)
    assert not narrow or not spans.wide.any()
    house = np.zeros(30, np.int64)
    out = hazards.scale_likelihood(group, 2, house, spans, weight, stretch, law[None], points)
    for g in range(2):
        mine = group == g
        days = [(x / np.exp(stretch))[mine] for x in (entry, low, high)]
        plain = 2.0 * np.array([plain_scale_likelihood(*days, ended[mine], law, s) for s in np.exp(points)])
        # up to a constant; narrow intervals take the law's density at their middle
        assert out[g] - out[g, 1] == pytest.approx(plain - plain[1], rel=0.01, abs=0.3)


def test_conditional_survival_is_a_ratio_mixed_over_the_scales():
    law = np.concatenate([[0.0], np.cumsum(np.linspace(0.01, 0.2, 80))])
    scale, weight = np.array([1.0, 2.0]), np.array([[0.25, 0.75]])
    out = np.zeros((1, 10))
    laws = law[None]
    hazards.survivals(ONE, weight, np.array([7.0]), np.array([1.25]), laws, np.exp(-laws), scale, out)
    days = np.arange(1, 11)

    def s(t, c):
        return np.interp(np.asarray(t) / c / 1.25, np.arange(81), np.exp(-law))

    plain = sum(w * s(7.0 + days, c) / s(np.array([7.0]), c) for w, c in zip(weight[0], scale, strict=True))
    assert out[0] == pytest.approx(plain)


def test_the_prior_is_as_wide_as_the_groups_differ():
    # twenty draws a group from N(effect, 1): the effects' spread is found (Morris 1983)
    rng = np.random.default_rng(3)
    points = np.linspace(-2, 2, 81)
    for spread in (0.0, 0.5):
        effect = rng.normal(0, spread, 300)
        mean = effect + rng.normal(0, 1 / np.sqrt(20), 300)
        like = -0.5 * 20 * (mean[:, None] - points[None, :]) ** 2
        prior = hazards.fitted_bell(like, points, centre=0.0)
        assert np.sqrt(np.exp(prior) @ points**2) == pytest.approx(spread, abs=0.06)
        shrunk = hazards.weights(like, prior) @ points
        assert ((shrunk - effect) ** 2).mean() <= ((mean - effect) ** 2).mean()


def test_strength_is_weak_where_groups_differ_and_strong_where_they_do_not():
    rng = np.random.default_rng(4)
    prior = np.full((200, 20), 0.1)
    risk = np.full((200, 20), 50.0)
    alike = rng.poisson(risk * prior).astype(float)
    apart = rng.poisson(risk * prior * rng.gamma(1.0, 1.0, (200, 20))).astype(float)
    weak, strong = hazards.strength(risk, apart, prior), hazards.strength(risk, alike, prior)
    assert weak < 30 < 500 < strong
    # gamma with shape 1 around 0.1: the rate, in days at risk, is 10
    assert 8 <= weak <= 16
    assert hazards.shrunk(risk, apart, prior, 10.0) == pytest.approx((apart + 1.0) / 60.0)


def test_the_last_end_is_all_that_was_left_however_many_came_before_in_whatever_order():
    # added up from the first day, rounding of what half a million ends weigh hides the third of one that is last
    rng = np.random.default_rng(5)
    low = np.append(rng.integers(0, 9, 300_000), 11).astype(float)
    weight = np.append(rng.choice([1 / 6, 2 / 3, 1 / 7], 300_000), 1 / 3)
    tails = []
    for order in (np.arange(len(low)), rng.permutation(len(low))):
        risk, events = counts(low[order], low[order] + 1, np.ones(len(low)), weight=weight[order])
        assert risk[11] == events[11]
        tails.append(hazards.cumulative(hazards.smooth(risk, events)))
    assert tails[0] == pytest.approx(tails[1], rel=1e-9)


def test_dense_counts_at_several_stretches_are_the_sum_of_each():
    rng = np.random.default_rng(6)
    low = rng.integers(0, 9, 50).astype(float)
    group, full, ended = rng.integers(0, 3, 50), np.ones(50), rng.random(50) < 0.7
    stretches = [(full * 0.8, full / 3), (full * 1.3, 2 * full / 3)]
    risk, events = hazards.dense_counts(group, 0 * low, low, low + 1, ended, full, 1.0, stretches, (3, 12))
    plain = np.zeros((3, 12)), np.zeros((3, 12))
    for scale, weight in stretches:
        hazards.add_counts(group, 0 * low, low, low + 1, ended, weight, scale, full, 1.0, *plain)
    assert risk == pytest.approx(plain[0], abs=1e-12)
    assert events == pytest.approx(plain[1])


def test_stretched_laws_mixtures_and_shares_equal_plain_numpy():
    rng = np.random.default_rng(7)
    law = np.cumsum(rng.random(30))
    scale, power = np.array([0.5, 3.0, 9.0]), np.array([1.0, 0.7, 1.4])
    laws = hazards.stretched(law, scale, power, 2.0, 40)
    t = np.arange(40.0)
    plain = [hazards.at(law, 2.0 * (t / a) ** b) for a, b in zip(scale, power, strict=True)]
    assert laws == pytest.approx(np.array(plain))
    weight = np.array([[0.2, 0.0, 0.8], [1e-30, 1.0, 0.0]])
    assert hazards.mixed(weight, laws) == pytest.approx(weight @ np.exp(-laws))
    like = rng.normal(0, 300, (6, 9))
    share = np.exp(like - like.max(axis=1, keepdims=True))
    assert hazards.weights(like, np.zeros(9)) == pytest.approx(share / share.sum(axis=1, keepdims=True))


def test_what_comes_and_what_stays_equal_plain_numpy():
    rng = np.random.default_rng(8)
    rows = np.array([2, 0])
    longer, column = rng.random((2, 7)), np.array([0, 1, 1, 1, 4, 7])
    out = np.full((3, 6), -1.0)
    hazards.come(longer, rows, column, out)
    ready = np.concatenate([np.zeros((2, 1)), 1.0 - longer], axis=1)
    assert np.array_equal(out[rows], ready[:, column])
    assert (out[1] == -1.0).all()
    table, stay = np.sort(rng.random((3, 7)), axis=1), np.sort(rng.random((3, 7)), axis=1)[:, ::-1]
    plain = np.cumsum(np.diff(table, prepend=0.0, axis=1) * stay, axis=1)
    assert np.array_equal(hazards.kept(table, stay), plain)


def test_far_out_the_least_likely_law_of_a_mixture_is_all_that_is_left():
    # a quick law, and one in 10^25 that is slow: what has lasted 100 days follows the slow one
    quick, slow = 2.0 * np.arange(201.0), 0.01 * np.arange(201.0)
    found = -np.log(hazards.mixed(np.array([[1.0 - 1e-25, 1e-25]]), np.stack([quick, slow]))[0])
    assert found[100] == pytest.approx(-np.log(1e-25) + 1.0)
    assert np.diff(found)[100:199] == pytest.approx(0.01)


def test_bins_taken_together_tell_nearly_what_single_ones_tell():
    rng = np.random.default_rng(10)
    laws = np.cumsum(np.vstack([np.zeros(1), *np.full((400, 1), 0.02)]).T * np.array([[0.8], [1.0], [1.3]]), axis=1)
    days = np.ceil(rng.exponential(50.0, 2000))
    low, ended = np.minimum(days - 1, 390.0), days < 390
    risk, events = counts(low, low + 1, ended, size=400)
    steps = np.diff(laws, axis=1)
    plain = events @ np.log(-np.expm1(-steps)).T - (risk - events) @ steps.T
    found = hazards.log_likelihood(risk[None], events[None], laws)[0]
    assert found - found[1] == pytest.approx(plain - plain[1], abs=0.05)
    assert plain[1] == max(plain)
