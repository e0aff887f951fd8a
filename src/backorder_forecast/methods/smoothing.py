"""Negative-binomial smoothing with memories that fade: a gamma posterior of each item's level, by half-life.

Demand of a period is negative binomial with mean level × factor and a variance-to-mean ratio φ, so sums over periods
are negative binomial too (Snyder, Ord, Beaumont 2012 smooth the same law). With weights that halve every h periods
the level's posterior is gamma; its doubt is held as strata. An infinite half-life is the static law.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from ..core import panel as kernels
from .exposure import LEAST, Exposure
from .history import History

EDGES = np.array([0, 0.03, 0.08, 0.15, 0.23, 0.31, 0.4, 0.49, 0.58, 0.67, 0.75, 0.83, 0.89, 0.94, 0.975, 0.992, 1.0])
"""Shares at which the strata of a level begin and end: finer where it is high, since that is what stock is for."""
SHARES = np.diff(EDGES)

_SHRINK = 10.0  # events as which the typical φ counts
_PRIOR = 0.5  # orders as which the prior counts
_SPAN = 8  # weeks, or periods where these are longer, within which a level is taken as steady
_FEW_ITEMS = 5


@dataclass(frozen=True)
class Smoothed:
    """ratio [n]: φ; mean, strength [half-lives × n]: posterior mean of the level and its gamma shape; typical
    [groups]: rate of orders to which they are shrunk; weight [half-lives × n]: exposure behind the mean;
    half_lives: in periods."""

    ratio: np.ndarray
    mean: np.ndarray
    strength: np.ndarray
    typical: np.ndarray
    weight: np.ndarray
    half_lives: np.ndarray

    @property
    def theta(self) -> np.ndarray:
        """1 − 1/φ [n]."""
        return np.asarray(1.0 - 1.0 / self.ratio)

    def log_score(self, actual: np.ndarray, exposure: np.ndarray) -> np.ndarray:
        """Log probability of sums [n] with these sums of factors [n]: [n × half-lives].

        The doubt about the level enters as extra variance.
        """
        mean = self.mean * exposure
        return log_negative_binomial(actual, mean, self.ratio + np.maximum(mean, 1e-12) / self.strength).T


def log_negative_binomial(count: np.ndarray, mean: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Log probability of counts under negative binomials of these means and variance-to-mean ratios, above 1."""
    mean, p = np.maximum(mean, 1e-12), 1.0 / ratio
    r = mean * p / (1.0 - p)
    ways = special.gammaln(count + r) - special.gammaln(r) - special.gammaln(count + 1.0)
    return np.asarray(ways + r * np.log(p) + count * np.log1p(-p))


def smooth(
    history: History, exposure: Exposure, half_lives: np.ndarray, typical: np.ndarray | None = None,
    ratio: np.ndarray | None = None,
) -> Smoothed:  # fmt: skip
    """Fit every item at every half-life (in periods).

    How often is shrunk, by half an order, not how much at once: the spread of sizes over a panel is too wide. Units / φ
    count as so many orders of size φ.
    typical [groups]: typical rates of orders, where they come from a larger panel; ratio [n]: φ.
    """
    ratio = dispersion(history, exposure) if ratio is None else ratio
    fade = 0.5 ** (np.arange(max(exposure.periods.now, 1)) / half_lives[:, None])
    units, seen = history.faded(fade).T, exposure.past(history.length, fade)
    longest = int(np.argmax(half_lives))
    if typical is None:
        typical = typical_rates(units[longest], seen[longest], ratio, exposure.group)
    mean, weight, rate = np.empty_like(units), np.empty_like(units), typical[exposure.group]
    # a memory's prior is what the next longer one says of the item; that of the longest, what is typical
    for h in np.argsort(-half_lives, kind="stable"):
        weight[h] = _PRIOR / rate + seen[h]
        mean[h] = ratio * (_PRIOR + units[h] / ratio) / weight[h]
        rate = mean[h] / ratio
    return Smoothed(ratio, mean, _PRIOR + units / ratio, typical, weight, half_lives)


def typical_rates(units: np.ndarray, exposure: np.ndarray, ratio: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Median rate of orders of the items [n] that have any, by group (of all where a group has few) [groups]."""
    rate = np.divide(units / ratio, exposure, out=np.zeros(len(units)), where=exposure > 0)
    sold = rate > 0
    every = float(np.median(rate[sold])) if sold.any() else 0.01
    out = np.full(int(group.max(initial=0)) + 1, every)
    for g in range(len(out)):
        mine = sold & (group == g)
        if mine.sum() >= _FEW_ITEMS:
            out[g] = float(np.median(rate[mine]))
    return out


def dispersion(history: History, exposure: Exposure, weeks: int = _SPAN) -> np.ndarray:
    """φ [n]: Pearson's statistic around the level of each block of eight weeks (periods), shrunk to the typical item's.

    A level that moves from block to block is no scatter. Sums of squares over sums of means: no division by small ones.
    """
    span = max(round(weeks * exposure.periods.per_year / 52.18), weeks)
    span = min(span, max(exposure.periods.now, 1))
    factors = exposure.blocks(span)
    blocks = factors.shape[1]
    whole = (history.length // span)[:, None] > np.arange(blocks)
    factor = np.maximum(exposure.of_events(history), LEAST)
    units, squares = (np.empty((history.items, blocks)) for _ in range(2))
    kernels.block_sums(history.start, history.age, history.qty, history.squares() / factor, span, units, squares)
    units, squares = units * whole, squares * whole
    level = units / np.maximum(factors, 1e-12)
    scatter = (squares - level * units).sum(axis=1)
    free = level.sum(axis=1) * np.maximum(span * exposure.open_share() - 1.0, 0.5)
    own = np.divide(scatter, free, out=np.ones(len(free)), where=free > 0)
    events = history.events()
    typical = float(np.median(own[events >= 5])) if (events >= 5).any() else 2.0
    ratio: np.ndarray = (events * own + _SHRINK * max(typical, 1.05)) / (events + _SHRINK)
    return ratio.clip(1.02, 1e4)


def strata(shape: np.ndarray) -> np.ndarray:
    """Means of the strata, of SHARES each, of gammas with mean 1 and these shapes […]: […, strata]."""
    grid, table = _strata_table()
    at = np.clip(np.log(np.maximum(shape, 1e-12)), grid[0], grid[-1])
    place = (at - grid[0]) / (grid[1] - grid[0])
    low = np.minimum(place.astype(np.int64), len(grid) - 2)
    part = (place - low)[..., None]
    return np.asarray(table[low] * (1.0 - part) + table[low + 1] * part)


@lru_cache(maxsize=1)
def _strata_table() -> tuple[np.ndarray, np.ndarray]:
    """Strata means at a grid of logarithms of shapes: between its points they are straight to a thousandth."""
    grid = np.linspace(np.log(0.02), np.log(1e6), 400)
    a = np.exp(grid)[:, None]
    inside = special.gammainc(a + 1.0, special.gammaincinv(a, EDGES[1:-1]))
    inside = np.concatenate([np.zeros_like(a), inside, np.ones_like(a)], axis=1)
    return grid, np.diff(inside, axis=1) / SHARES
