"""The panel models: by simulation, by hand, and beside plain arithmetic."""

import numpy as np
import pytest
from scipy import stats

from backorder_forecast.methods.choose import model_weights
from backorder_forecast.methods.history import History
from backorder_forecast.methods.hurdle import hurdle
from backorder_forecast.methods.season import Shared, shared
from backorder_forecast.methods.smoothing import smooth

HALF_LIVES = np.array([3.0, 12.0, 1e9])


def panel(units):
    item, month = np.nonzero(units)
    length = np.full(len(units), units.shape[1])
    return History(item, units.shape[1] - 1 - month, units[item, month].astype(float), length)


def flat(history, ahead=6):
    return Shared(np.ones(history.periods), np.ones(ahead), 0.0)


def test_growth_and_season_that_all_items_share_are_found():
    rng = np.random.default_rng(1)
    t = np.arange(60)
    factor = np.exp(-0.3 * t / 12) * (1 + 0.5 * np.sin(2 * np.pi * t / 12))
    history = panel(rng.poisson(rng.gamma(1, 1, (800, 1)) * factor))
    found = shared(history, 6, 12, 12.0)
    # items with more than one order a month are capped, so that the slope is a little flat
    assert -0.35 < found.slope < -0.2
    coming = 1 + 0.5 * np.sin(2 * np.pi * np.arange(60, 66) / 12)
    assert np.corrcoef(found.ahead, coming)[0, 1] > 0.9


def test_a_panel_without_either_has_factors_near_one():
    rng = np.random.default_rng(2)
    found = shared(panel(rng.poisson(rng.gamma(1, 1, (800, 1)), (800, 60))), 6, 12, 12.0)
    assert np.abs(found.ahead - 1).max() < 0.05


def test_a_static_level_is_the_mean_and_its_spread_that_of_the_counts():
    rng = np.random.default_rng(3)
    history = panel(rng.negative_binomial(2.0, 0.4, (400, 200)))
    found = smooth(history, flat(history), HALF_LIVES)
    assert found.mean[-1].mean() == pytest.approx(3.0, rel=0.03)
    assert found.ratio.mean() == pytest.approx(2.5, rel=0.05)


def test_hurdle_sums_equal_simulated_sums():
    rng = np.random.default_rng(4)
    units = (rng.random((200, 80)) < 0.2) * rng.choice([1, 2, 5, 20], (200, 80))
    found = hurdle(panel(units), flat(panel(units)))
    cdf = found.cdf(np.arange(200), 6, np.ones(200), np.ones(200), 400)
    plain = found.cdf(np.arange(200), 1, np.ones(200), np.ones(200), 400)
    assert (np.diff(cdf, axis=1) >= -1e-12).all()
    assert cdf[:, -1].min() > 0.99
    chance = rng.beta(found.a[0], found.b[0], 200_000)
    sizes = np.diff(plain[0], prepend=0.0)
    sizes[0] = 0.0
    drawn = rng.choice(400, (200_000, 6), p=sizes / sizes.sum()) * (rng.random((200_000, 6)) < chance[:, None])
    for x in (0, 5, 20, 60):
        assert cdf[0, x] == pytest.approx((drawn.sum(axis=1) <= x).mean(), abs=0.006)


def test_weights_go_to_the_law_that_made_the_data():
    rng = np.random.default_rng(5)
    seldom = (rng.random((300, 72)) < rng.beta(1, 8, (300, 1))) * rng.choice([10, 40], (300, 1))
    weights = model_weights(panel(seldom), 6, 12, 12.0, HALF_LIVES)
    assert weights.sum(axis=1) == pytest.approx(np.ones(300))
    assert weights[:, -1].mean() > 0.6
    moving = np.exp(np.cumsum(rng.normal(0, 0.3, (300, 72)), axis=1)) * 5
    quick = model_weights(panel(rng.poisson(np.minimum(moving, 200))), 6, 12, 12.0, HALF_LIVES)
    assert quick[:, 0].mean() > 0.6


def test_scores_are_those_of_the_negative_binomial():
    history = panel(np.tile([0, 3, 1, 4], (5, 12)))
    found = smooth(history, flat(history), HALF_LIVES)
    score = found.log_score(np.full(5, 12.0), 6.0)
    mean, shape = found.mean[1, 0] * 6, found.strength[1, 0]
    variance = mean * found.ratio[0] + mean**2 / shape
    p = mean / variance
    assert score[0, 1] == pytest.approx(stats.nbinom.logpmf(12, mean * p / (1 - p), p))
