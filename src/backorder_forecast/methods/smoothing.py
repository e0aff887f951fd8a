"""Negative-binomial smoothing with memories that fade: a gamma posterior of each item's level, by half-life.

Demand of a period is negative binomial with mean level × factor and a variance-to-mean ratio φ, so sums over periods
are negative binomial too (Snyder, Ord, Beaumont 2012 smooth the same law). With weights that halve every h periods
the level's posterior is gamma; its doubt is held as equally likely strata. An infinite half-life is the static law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from .history import History
from .season import Shared

STRATA = 8
_SHRINK = 10.0  # events as which the typical φ counts
_PRIOR = 0.5  # orders as which the typical rate counts


@dataclass(frozen=True)
class Smoothed:
    """ratio [n]: φ; mean, strength [half-lives × n]: posterior mean of the level and its gamma shape."""

    ratio: np.ndarray
    mean: np.ndarray
    strength: np.ndarray

    @property
    def theta(self) -> np.ndarray:
        """1 − 1/φ [n]."""
        return np.asarray(1.0 - 1.0 / self.ratio)

    def sizes(self, exposure: float) -> np.ndarray:
        """Negative-binomial sizes [n × half-lives · STRATA] of a sum with this sum of factors."""
        base = self.mean * exposure / (self.ratio - 1.0)
        parts = [size[:, None] * strata(shape) for size, shape in zip(base, self.strength, strict=True)]
        return np.concatenate(parts, axis=1)

    def log_score(self, actual: np.ndarray, exposure: float) -> np.ndarray:
        """Log probability of sums [n × half-lives], the doubt about the level as extra variance."""
        mean = self.mean * exposure
        p = 1.0 / (self.ratio + mean / self.strength)
        return np.asarray(stats.nbinom.logpmf(actual, mean * p / (1.0 - p), p).T)


def smooth(history: History, common: Shared, half_lives: np.ndarray) -> Smoothed:
    """Fit every item at every half-life (in periods)."""
    ratio = _dispersion(history, common)
    mean, strength = zip(*(level(history, common, ratio, h) for h in half_lives), strict=True)
    return Smoothed(ratio, np.stack(mean), np.stack(strength))


def level(
    history: History, common: Shared, ratio: np.ndarray, half_life: float
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean [n] of the level at one half-life, and its gamma shape."""
    fade = 0.5 ** (np.arange(history.periods) / half_life)
    units = history.total(fade[history.age] * history.qty)
    exposure = np.concatenate([[0.0], np.cumsum(fade * common.past)])[history.length]
    return posterior(units, exposure, ratio)


def posterior(units: np.ndarray, exposure: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and gamma shape from half an order of prior; units / φ count as so many orders of size φ.

    How often is shrunk to the typical item's, not how much at once: the spread of sizes over a panel is too wide.
    """
    orders = units / ratio
    rates = orders[exposure > 0] / exposure[exposure > 0]
    typical = float(np.median(rates[rates > 0])) if (rates > 0).any() else 0.01
    return ratio * (_PRIOR + orders) / (_PRIOR / typical + exposure), _PRIOR + orders


def strata(shape: np.ndarray, count: int = STRATA) -> np.ndarray:
    """Means of equally likely strata of a gamma with mean 1 and this shape [n × count]."""
    a = np.asarray(shape, float)[:, None]
    edges = special.gammaincinv(a, np.arange(1, count) / count)
    inside = special.gammainc(a + 1, edges)
    inside = np.concatenate([np.zeros_like(a), inside, np.ones_like(a)], axis=1)
    means: np.ndarray = np.diff(inside, axis=1) * count
    return means


def _dispersion(history: History, common: Shared) -> np.ndarray:
    """φ [n] by Pearson's statistic, shrunk to the typical item's."""
    past = common.past
    exposure = np.concatenate([[0.0], np.cumsum(past)])[history.length]
    mean = history.total(history.qty) / np.maximum(exposure, 1e-12)
    squares = history.total(history.qty**2 / past[history.age])
    scatter = squares - 2 * mean * history.total(history.qty) + mean**2 * exposure
    own = scatter / np.maximum(history.length, 1) / np.maximum(mean, 1e-12)
    events = history.events()
    typical = float(np.median(own[events >= 5])) if (events >= 5).any() else 2.0
    ratio: np.ndarray = (events * own + _SHRINK * max(typical, 1.05)) / (events + _SHRINK)
    return ratio.clip(1.02, 1e4)
