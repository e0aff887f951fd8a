"""What items of a panel share: how demand grows or falls, and how it goes with season, weekday and known drivers.

Each item's units, in multiples of its own mean event (three at most, so that one bulk order does not make a trend),
added up over the items there are, give one index for all items and one for each group of them. It is regressed on
time, season, weekday and drivers by quasi-Poisson regression with a logarithmic link and ridge penalties, recent
periods weighing more; a group's effects are drawn to those of all. The trend goes on damped (Gardner, McKenzie 1985).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core import panel as kernels
from .history import History
from .periods import DRIVER, SEASON, WEEKDAY, Periods

_RIDGE = {SEASON: 20.0, WEEKDAY: 1.0, DRIVER: 5.0}  # precision of effects
_TREND_RIDGE = 1.0
_GROUP_RIDGE = 20.0  # precision with which a group's effects are those of all
_DAMPING = 0.6  # share of a trend that is left after a year
_MEMORY = 2.0  # years at which a period counts half
_CYCLES = 1.5  # years of history from which on seasons are told from growth
_STEPS = 15


@dataclass(frozen=True)
class Shared:
    """past [groups × periods]: factor of each age (0: the last period); ahead [groups × future periods]; growth, of the
    same shape: the part of it that goes on growing; slope [groups]: of the logarithm, a year; effects [groups ×
    columns] and errors (standard errors of those of all), in the order of `Periods.design`."""

    past: np.ndarray
    ahead: np.ndarray
    growth: np.ndarray
    slope: np.ndarray
    effects: np.ndarray
    errors: np.ndarray

    @classmethod
    def none(cls, groups: int, past: int, ahead: int) -> Shared:
        """No growth, no season."""
        nothing = np.zeros((groups, 0))
        ones = np.ones((groups, ahead))
        return cls(np.ones((groups, past)), ones, ones, np.zeros(groups), nothing, np.zeros(0))

    def growing(self, share: float) -> Shared:
        """The same with that share of the growth ahead."""
        return replace(self, ahead=self.ahead * self.growth ** (share - 1.0), growth=self.growth**share)


def shared(history: History, periods: Periods, group: np.ndarray, horizon: int) -> Shared:
    """Fit the factors; without effect where there is hardly an event, without a season in less than a year and a half.

    group [n]: 0, 1, …, of each item.
    """
    groups, now = int(group.max(initial=0)) + 1, periods.now
    total, squares, active = _index(history, group, groups, now)
    if now < 8 or (total.sum(axis=0) > 0).sum() < min(now, 104) / 4:
        return Shared.none(groups, now, horizon)
    design, ridge = _design(periods, horizon)
    age = np.arange(now)[::-1]
    weight = 0.5 ** (age / periods.per_year / _MEMORY)
    units, scatter, there = (x.sum(axis=0) for x in (total, squares, active))
    every, errors = _regress(design[:now], units, scatter, there, weight, np.zeros(len(ridge)), ridge)
    effects = np.repeat(every[None], groups, axis=0)
    if groups > 1:
        to_all = np.maximum(ridge, _GROUP_RIDGE)
        for g in np.flatnonzero(total.sum(axis=1) > 0):
            effects[g] = _regress(design[:now], total[g], squares[g], active[g], weight, every, to_all)[0]
    return _factors(effects, errors, design, periods, horizon)


def _index(history: History, group: np.ndarray, groups: int, now: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units of each group and period in multiples of an item's mean event, capped; their squares; items there were."""
    total, squares = np.zeros((groups, now)), np.zeros((groups, now))
    kernels.group_sums(history.start, history.age, history.relative, group, total, squares)
    total, squares = total[:, ::-1], squares[:, ::-1]
    born = np.bincount(group * (now + 1) + now - np.minimum(history.length, now), minlength=groups * (now + 1))
    return total, squares, np.cumsum(born.reshape(groups, now + 1)[:, :now], axis=1)


def _design(periods: Periods, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Level, time in years and the columns of the periods [past and horizon × columns]; the ridge of each."""
    columns, kinds = periods.design()
    end = periods.now + horizon
    years = (np.arange(end) - periods.now) / periods.per_year
    ridge = np.array([0.0, _TREND_RIDGE, *(_RIDGE[int(k)] for k in kinds)])
    if periods.now < _CYCLES * periods.per_year:
        columns = np.where(kinds == SEASON, 0.0, columns)
    return np.column_stack([np.ones(end), years, columns[:end]]), ridge


def _regress(
    design: np.ndarray, total: np.ndarray, squares: np.ndarray, active: np.ndarray, weight: np.ndarray,
    centre: np.ndarray, ridge: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Ridge quasi-Poisson regression of totals on the design: effects and their standard errors.

    A unit's scatter is that of the events' sizes, or of the totals around the fit where that is larger.
    """
    there = active > 0
    x, y, w = design[there], total[there], weight[there]
    offset = np.log(active[there])
    effects = centre.copy()
    effects[0] = np.log(max(float(y.sum()), 0.5) / active[there].sum()) if centre[0] == 0.0 else centre[0]
    size = squares.sum() / max(float(total.sum()), 1e-9)
    scatter, penalty = size, np.diag(ridge)
    penalty[0, 0] = 1e-6
    for _ in range(_STEPS):
        mean = np.exp(np.clip(offset + x @ effects, -30.0, 30.0))
        spread = (w * (y - mean) ** 2 / np.maximum(mean, 1e-3)).sum() / max(float(w.sum()) - 2.0, 1.0)
        scatter = max(size, float(spread))
        known = (x * (w * mean / scatter)[:, None]).T
        pull = x.T @ (w * (y - mean) / scatter) - penalty @ (effects - centre)
        change = np.clip(np.linalg.solve(known @ x + penalty, pull), -2.0, 2.0)
        effects = effects + change
        if np.abs(change).max() < 1e-3:
            break
    return effects, np.sqrt(np.maximum(np.diag(np.linalg.inv(known @ x + penalty)), 0.0))


def _factors(effects: np.ndarray, errors: np.ndarray, design: np.ndarray, periods: Periods, horizon: int) -> Shared:
    """Factors of past and future; growth goes on from the last period, damped."""
    log = effects[:, 1:] @ design[:, 1:].T
    left = _DAMPING ** (1.0 / periods.per_year)
    undamped = effects[:, 1:2] * design[periods.now :, 1]
    growth = effects[:, 1:2] / periods.per_year * np.cumsum(left ** np.arange(1, horizon + 1))
    ahead = log[:, periods.now :] - undamped + growth
    past = log[:, : periods.now][:, ::-1]
    return Shared(np.exp(past), np.exp(ahead), np.exp(growth), effects[:, 1], effects[:, 2:], errors[2:])
