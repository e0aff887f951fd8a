"""Occurrence and size apart: for demand that comes seldom and in sizes of its own (Croston 1972, as a distribution).

A period has demand with an item's own chance, beta distributed over the panel (so the count of periods with demand
is beta-binomial), and then a size: one of those seen, or, the more the fewer were seen, one from a lognormal law
whose centre is shrunk over the panel. Sums over k periods are exact: the size law convolved with itself as often as
there is demand, by Fourier transform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from .history import History
from .season import Shared

_FEW = 3.0  # sizes as which the lognormal law counts beside those seen
_FEW_ITEMS = 20


@dataclass(frozen=True)
class Hurdle:
    """a, b [n]: beta law of the chance of demand; centre, spread [n]: of log sizes; history: the sizes seen."""

    a: np.ndarray
    b: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    history: History

    def cdf(
        self, rows: np.ndarray, periods: int, factor: np.ndarray, step: np.ndarray, width: int
    ) -> np.ndarray:
        """P(sum over periods ≤ x · step) for x = 0 … width − 1 [rows × width]; what lies beyond is left out.

        rows: items; factor [rows]: by which demand in these periods is, on the mean, more frequent than now.
        """
        sizes = np.fft.rfft(self._sizes(rows, step, width), 2 * width, axis=1)
        chance = self._occurrences(rows, periods, factor)
        total = np.zeros_like(sizes)
        for count in range(periods, -1, -1):  # Horner's rule over the convolution powers
            total = total * sizes + chance[:, count, None]
        mass = np.fft.irfft(total, 2 * width, axis=1)[:, :width]
        return np.asarray(np.minimum(np.cumsum(np.maximum(mass, 0.0), axis=1), 1.0))

    def mean(self, exposure: np.ndarray) -> np.ndarray:
        """Mean of a sum with this sum of factors [n]."""
        events = self.history.events()
        seen = self.history.total(self.history.qty) / np.maximum(events, 1)
        own = events / (events + _FEW)
        typical = np.exp(self.centre + self.spread**2 / 2.0)
        mean: np.ndarray = exposure * self.a / (self.a + self.b) * (own * seen + (1.0 - own) * typical)
        return mean

    def reach(self, periods: int, factor: np.ndarray) -> np.ndarray:
        """A value that sums over so many periods hardly exceed [n]."""
        often = periods * np.minimum(factor * self.a / (self.a + self.b), 1.0)
        most = np.minimum(np.ceil(often + 4.0 * np.sqrt(often * (1.0 + periods / (self.a + self.b))) + 2.0), periods)
        largest = np.zeros(self.history.items)
        np.maximum.at(largest, self.history.item, self.history.qty)
        large = np.maximum(largest, np.exp(self.centre + 2.6 * self.spread))
        typical = self.mean(np.ones(len(often))) / np.maximum(self.a / (self.a + self.b), 1e-12)
        reach: np.ndarray = most * typical + 3.0 * np.sqrt(most) * large
        return reach

    def _occurrences(self, rows: np.ndarray, periods: int, factor: np.ndarray) -> np.ndarray:
        """P(demand in so many of the periods) [rows × 0…periods]."""
        count = np.arange(periods + 1)
        both = (self.a + self.b)[rows, None]
        a = np.minimum(self.a[rows, None] * factor[:, None], 0.999 * both)
        b = both - a
        ways = special.gammaln(periods + 1) - special.gammaln(count + 1) - special.gammaln(periods - count + 1)
        return np.asarray(np.exp(ways + special.betaln(a + count, b + periods - count) - special.betaln(a, b)))

    def _sizes(self, rows: np.ndarray, step: np.ndarray, width: int) -> np.ndarray:
        """Size law in steps [rows × width]; sizes below one step count as one. An item may stand in several rows."""
        mine, row = np.unique(rows, return_inverse=True)
        if len(mine) < len(rows) and (step == step[np.unique(row, return_index=True)[1]][row]).all():
            return self._sizes(mine, step[np.unique(row, return_index=True)[1]], width)[row]
        edges = np.log(np.maximum(np.arange(width + 1) - 0.5, 1e-9))
        below = special.ndtr((edges + np.log(step)[:, None] - self.centre[rows, None]) / self.spread[rows, None])
        below[:, :2] = [0.0, 0.0]
        typical = np.diff(below, axis=1)
        place = np.full(self.history.items, -1)
        place[rows] = np.arange(len(rows))
        at = place[self.history.item]
        mine = at >= 0
        seen = np.zeros((len(rows), width))
        size = np.clip(np.round(self.history.qty[mine] / step[at[mine]]), 1, width - 1).astype(np.int64)
        np.add.at(seen, (at[mine], size), 1.0)
        events = seen.sum(axis=1, keepdims=True)
        return np.asarray((seen + _FEW * typical) / (events + _FEW))


def hurdle(history: History, common: Shared) -> Hurdle:
    """Fit every item, its whole history weighing alike apart from the growth and season that all items share."""
    events = history.events().astype(float)
    trials = np.concatenate([[0.0], np.cumsum(common.past)])[history.length]
    a, b = _beta(events, trials)
    centre, spread = _sizes(history, events)
    return Hurdle(a + events, b + np.maximum(trials - events, 0.0), centre, spread, history)


def _beta(events: np.ndarray, trials: np.ndarray) -> tuple[float, float]:
    """The beta law over the panel under which the counts of periods with demand are most likely."""
    known = trials > 0
    e = events[known]
    n = np.maximum(trials[known], e)
    rate = float((e.sum() + 0.5) / (n.sum() + 1.0)) if known.any() else 0.5
    start = np.log([0.5, max(0.5 * (1.0 / rate - 1.0), 0.05)])
    if known.sum() < _FEW_ITEMS:
        return float(np.exp(start[0])), float(np.exp(start[1]))

    def loss(x: np.ndarray) -> float:
        a, b = np.exp(np.clip(x, -6.0, 8.0))
        return -float((special.betaln(a + e, b + n - e) - special.betaln(a, b)).sum())

    found = optimize.minimize(loss, start, method="Nelder-Mead", options={"maxiter": 120}).x
    a, b = np.exp(np.clip(found, -6.0, 8.0))
    return float(a), float(b)


def _sizes(history: History, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and spread of the logarithm of each item's sizes, shrunk to the panel's; the centre's doubt is added."""
    log = np.log(np.maximum(history.qty, 0.5))
    if not len(log):
        return np.zeros(history.items), np.ones(history.items)
    own = history.total(log) / np.maximum(events, 1.0)
    within = history.total((log - own[history.item]) ** 2)
    several = events >= 2
    common = within[several].sum() / max((events[several] - 1).sum(), 1.0) if several.any() else 1.0
    common = max(float(common), 1e-3)
    between = max(float(np.var(own[events >= 3])) if (events >= 3).sum() > 1 else 1.0, 1e-3)
    pull = common / between
    variance = (within + _FEW * common) / (np.maximum(events - 1.0, 0.0) + _FEW)
    centre = (history.total(log) + pull * log.mean()) / (events + pull)
    return centre, np.sqrt(variance + variance / (events + pull))
