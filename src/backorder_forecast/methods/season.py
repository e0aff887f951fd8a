"""What all items of a panel share: how demand grows or falls, and how it goes with the season.

Each item's units, in multiples of its own mean event (three at most, so that one bulk order does not make a trend),
averaged over the items there are, give one index. Its logarithm is regressed on time and season by ridge regression,
recent periods weighing more, each by the precision of its mean as far as the scatter around the fit bears it out.
The trend goes on damped (Gardner and McKenzie 1985).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .history import History

_CAP = 3.0
_TREND_RIDGE, _SEASON_RIDGE = 1.0, 20.0
_DAMPING = 0.6  # share of a trend that is left after a year
_MEMORY = 2.0  # years at which a period counts half


@dataclass(frozen=True)
class Shared:
    """past [periods]: factor of each age (0: the last period); ahead [horizon]: of each future period; slope: of the
    logarithm, a year."""

    past: np.ndarray
    ahead: np.ndarray
    slope: float


def shared(history: History, horizon: int, cycle: int, per_year: float) -> Shared:
    """Fit the factors; all one where there are fewer than two cycles or hardly an event."""
    periods = history.periods
    total, squares = _index(history)
    if periods < max(2 * cycle, 8) or (total > 0).sum() < periods / 2:
        return Shared(np.ones(periods), np.ones(horizon), 0.0)
    age = np.arange(periods)
    active = np.bincount(np.minimum(history.length, periods), minlength=periods + 1)[::-1].cumsum()[::-1][1:]
    log = np.log(np.maximum(total, 0.5) / np.maximum(active, 1))
    precision = total**2 / np.maximum(squares, 1e-9) * 0.5 ** (age / per_year / _MEMORY)
    design = np.column_stack([np.ones(periods), -age / per_year, np.eye(cycle)[(-1 - age) % cycle]])
    ridge = np.array([0.0, _TREND_RIDGE] + [_SEASON_RIDGE] * cycle)
    fitted = _ridge(design, log, precision, ridge)
    slope, season = fitted[1], fitted[2:]
    left = _DAMPING ** (1.0 / per_year)
    growth = slope / per_year * np.cumsum(left ** np.arange(1, horizon + 1))
    past = np.exp(design[:, 1:] @ fitted[1:])
    return Shared(past, np.exp(growth + season[np.arange(horizon) % cycle]), float(slope))


def _index(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Units of each age in multiples of an item's mean event, capped, and their squares [periods]."""
    mean = history.total(history.qty) / np.maximum(history.events(), 1)
    relative = np.minimum(history.qty / mean[history.item], _CAP)
    size = history.periods
    return np.bincount(history.age, relative, size), np.bincount(history.age, relative**2, size)


def _ridge(design: np.ndarray, target: np.ndarray, precision: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """Ridge regression whose weights are scaled down until they agree with the scatter around the fit."""
    weight = precision
    for _ in range(3):
        fitted = np.linalg.solve(design.T @ (weight[:, None] * design) + np.diag(ridge), design.T @ (weight * target))
        scatter = (precision * (target - design @ fitted) ** 2).sum() / max(precision.sum() / precision.max() - 2, 1.0)
        weight = precision / max(scatter, 1.0)
    return np.asarray(fitted)
