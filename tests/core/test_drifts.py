"""Levels on a grid: exact beside enumeration, and found where they are made up."""

from itertools import pairwise, product

import numpy as np
import pytest

from backorder_forecast.core import drifts

POINTS = np.arange(-10, 11) * 0.1


def test_small_steps_keep_their_variance():
    for sd in (0.0, 0.03, 0.09, 0.1, 0.2):
        row = drifts.normal_steps(POINTS, sd)[10]
        assert row.sum() == pytest.approx(1)
        assert np.sqrt(row @ POINTS**2) == pytest.approx(sd, abs=1e-3)


def test_smoothing_equals_enumeration_of_every_path():
    rng = np.random.default_rng(1)
    points = np.array([-0.1, 0.0, 0.1])
    cells, walk, shared = rng.random((1, 3, 3)), 0.08, 0.05
    step, blur = drifts.normal_steps(points, walk), drifts.normal_steps(points, shared)
    first = drifts._around_zero(points, walk * np.sqrt(13.0))
    weight = np.zeros((4, 3))  # of level + disturbance in each period, and in the one to come
    for path in product(range(3), repeat=4):
        for seen in product(range(3), repeat=4):
            chance = first[path[0]]
            for a, b in pairwise(path):
                chance *= step[a, b]
            for t in range(4):
                chance *= blur[path[t], seen[t]] * (cells[0, t, seen[t]] if t < 3 else 1.0)
            for t in range(4):
                weight[t, seen[t]] += chance
    found = drifts._smoothed(cells, points, walk, shared).weight[0]
    assert found == pytest.approx(weight / weight.sum(axis=1, keepdims=True))


def like_of(level, n=8, sd=0.3, seed=0):
    """Log likelihoods of cells in which n durations were seen around the level."""
    mean = level + np.random.default_rng(seed).normal(0, sd / np.sqrt(n), level.shape)
    return -0.5 * n * ((mean[..., None] - POINTS) / sd) ** 2


def test_steady_groups_are_found_steady_and_moving_ones_moving():
    rng = np.random.default_rng(2)
    steady = drifts.own_levels(like_of(np.zeros((60, 36))), POINTS)
    assert (steady.walk, steady.shared) == (0.0, 0.0)
    apart = drifts.own_levels(like_of(rng.normal(0, 0.15, (60, 36))), POINTS)
    assert apart.walk <= 0.015
    assert 0.1 <= apart.shared <= 0.2
    moving = np.cumsum(rng.normal(0, 0.06, (60, 36)), axis=1)
    drift = drifts.own_levels(like_of(moving), POINTS)
    assert drift.walk >= 0.03
    error = drift.weight[:-1, :-1] @ POINTS - np.clip(moving, -1, 1)
    assert np.sqrt((error**2).mean()) < 0.12
    # next period's level is the last one's, in more doubt
    assert drift.weight[:-1, -1] @ POINTS == pytest.approx(drift.weight[:-1, -2] @ POINTS, abs=0.02)


def test_the_common_level_is_not_that_of_the_largest_group():
    level = np.tile(np.linspace(-0.3, 0.3, 24), (30, 1))
    like = like_of(level)
    like[0] = like_of(np.full((1, 24), 0.6), n=400)[0]  # one that says much, and something else
    common = drifts.common_level(like, POINTS, 0.2)
    assert common == pytest.approx(level[0] + 0.02, abs=0.1)
