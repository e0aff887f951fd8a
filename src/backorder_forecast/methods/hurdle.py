"""Occurrence and size apart: for demand that comes seldom and in sizes of its own (Croston 1972, as a distribution).

A period has demand with an item's own chance, beta distributed over the panel (so the count of periods with demand
is beta-binomial), and then a size: one of those seen, or, the more the fewer were seen, one from a lognormal law
whose centre is shrunk over the panel. Sums over periods are exact: the size law convolved with itself as often as
there is demand, by Fourier transform, tilted so that nothing wraps around (Grübel and Hermesmeier 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft, optimize, special

from ..core import counts
from ..core import panel as kernels
from .exposure import Exposure
from .history import History

_FEW = 3.0  # sizes as which the lognormal law counts beside those seen
_FEW_ITEMS = 20
_MANY_ITEMS = 2000  # beyond which the laws over the panel are learned from every so manieth item
_MOST_SPREAD = 2.0  # of log sizes, a factor of fifty either way: beyond it a table of sums would not end
_SKEWED = 0.4  # a of a beta law below which standard deviations do not tell how far it reaches
_TILT = 18.0  # e^−18 of what lies beyond the table wraps into it


@dataclass(frozen=True)
class Hurdle:
    """a, b [n]: beta law of the chance of demand; centre, spread [n]: of log sizes; history: the sizes seen;
    panel: (a, b, centre, within, between) over the panel."""

    a: np.ndarray
    b: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    history: History
    panel: np.ndarray

    @classmethod
    def unknown(cls, n: int) -> Hurdle:
        """Items of which nothing was seen, in a panel of which nothing was."""
        none = np.zeros(0, np.int64)
        history, ones = History(none, none, np.zeros(0), np.zeros(n, np.int64)), np.ones(n)
        return cls(ones / 2.0, ones / 2.0, np.zeros(n), ones, history, np.array([0.5, 0.5, 0.0, 1.0, 1.0]))

    def take(self, rows: np.ndarray) -> Hurdle:
        """The laws of some items."""
        sizes = self.centre[rows], self.spread[rows], self.history.take(rows)
        return Hurdle(self.a[rows], self.b[rows], *sizes, self.panel)

    def mass(
        self, rows: np.ndarray, chance: np.ndarray, exposure: np.ndarray, periods: np.ndarray, step: np.ndarray,
        width: int,
    ) -> np.ndarray:  # fmt: skip
        """P(sum = x · step) for x = 0 … width − 1 [rows × width]; what lies beyond is left out.

        The sum is over periods[·, j], with this sum of factors, with chance[·, j]: all [rows × alternatives].
        """
        out = np.zeros((len(rows), width))
        self.add_mass(rows, chance, exposure, periods, step, np.ones(len(rows)), np.arange(len(rows)), out)
        return out

    def add_mass(
        self, rows: np.ndarray, chance: np.ndarray, exposure: np.ndarray, periods: np.ndarray, step: np.ndarray,
        weight: np.ndarray, at: np.ndarray, out: np.ndarray,
    ) -> None:  # fmt: skip
        """Add weight [rows] times the probabilities of `mass` to the rows `at` of out [any × values]."""
        length = fft.next_fast_len(max(out.shape[1], 8), real=True)
        tilt = np.exp(-_TILT / length * np.arange(length))
        law = self.sizes(rows, step, length)
        law *= tilt
        sizes = np.ascontiguousarray(fft.rfft(law, axis=1))
        counts.compound(sizes, self.counts(rows, chance, exposure, periods), sizes)
        mass = np.ascontiguousarray(fft.irfft(sizes, length, axis=1, overwrite_x=True))
        counts.add_lifted(mass, 1.0 / tilt, np.ascontiguousarray(weight), at, out)

    def counts(
        self, rows: np.ndarray, chance: np.ndarray, exposure: np.ndarray, periods: np.ndarray
    ) -> np.ndarray:
        """P(demand in so many periods) [rows × 0, 1, …], as far as it matters."""
        factor = exposure / np.maximum(periods, 1)
        both = self.a[rows] + self.b[rows]
        share = np.minimum(factor.max(axis=1) * self.a[rows] / both, 1.0)
        trials = periods.max(axis=1)
        spread = np.sqrt(trials * share * (1.0 - share) * (1.0 + trials / (both + 1.0)))
        often = trials * _high(self.a[rows], both, factor.max(axis=1))
        most = np.maximum(trials * share + 6.0 * spread, often + 4.0 * np.sqrt(often)) + 6.0
        most = np.minimum(np.ceil(most), trials)
        out = np.zeros((len(rows), int(most.max(initial=0)) + 1))
        kernels.occurrences(self.a[rows], self.b[rows], *_tight(factor, periods, chance), out)
        return out

    def sizes(self, rows: np.ndarray, step: np.ndarray, width: int) -> np.ndarray:
        """Law of one size in steps [rows × width], at least one step; what lies beyond is left out."""
        out, some = np.empty((len(rows), width)), rows.astype(np.int64)
        centre, spread, step = (np.ascontiguousarray(x, float) for x in (self.centre[rows], self.spread[rows], step))
        history = self.history
        kernels.size_laws(history.start, history.qty, some, step, centre, spread, _FEW, kernels.NORMAL, out)
        return out

    def size_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and mean square of one size [n]."""
        return self._moments

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        events = self.history.events()
        own = events / (events + _FEW)
        seen = self.history.total(self.history.qty) / np.maximum(events, 1)
        squares = self.history.total(self.history.qty**2) / np.maximum(events, 1)
        # lognormal sizes below a step and a half count as one step, as in `sizes`
        cut = (np.log(1.5) - self.centre) / self.spread
        typical = np.exp(self.centre + self.spread**2 / 2.0) * special.ndtr(self.spread - cut) + special.ndtr(cut)
        square = np.exp(2.0 * (self.centre + self.spread**2)) * special.ndtr(2.0 * self.spread - cut)
        square += special.ndtr(cut)
        return own * seen + (1 - own) * typical, own * squares + (1 - own) * square

    def chance(self) -> np.ndarray:
        """Mean chance of demand in a period of factor 1 [n]."""
        return np.asarray(self.a / (self.a + self.b))

    @cached_property
    def _large(self) -> np.ndarray:
        """A size that is hardly exceeded [n]."""
        largest = np.zeros(self.history.items)
        some = np.diff(self.history.start) > 0
        if some.any():
            largest[some] = np.maximum.reduceat(self.history.qty, self.history.start[:-1][some])
        return np.asarray(np.maximum(largest, np.exp(self.centre + 2.6 * self.spread)))

    def reach(self, rows: np.ndarray, periods: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """A value that sums over so many periods hardly exceed [rows]."""
        both = (self.a + self.b)[rows]
        often = periods * _high(self.a[rows], both, factor)
        most = np.ceil(often + 4.0 * np.sqrt(often * (1.0 + periods / both)) + 2.0)
        most = np.minimum(most, periods)
        return np.asarray(most * self.size_moments()[0][rows] + 3.0 * np.sqrt(most) * self._large[rows])


def _high(a: np.ndarray, both: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Mean chance of demand of beta laws (a, both − a), times a factor; of those so skewed that standard deviations
    tell little, what they hardly exceed."""
    risen = np.minimum(a * factor, 0.999 * both)
    chance, skewed = risen / both, (risen < _SKEWED) & (risen > 0.0)
    chance[skewed] = special.betaincinv(risen[skewed], (both - risen)[skewed], 0.9999)
    return np.asarray(chance)


def _tight(factor: np.ndarray, periods: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    whole = np.ascontiguousarray(periods, dtype=np.int64)
    return np.ascontiguousarray(factor), whole, np.ascontiguousarray(chance)


def hurdle(history: History, exposure: Exposure, panel: np.ndarray | None = None) -> Hurdle:
    """Fit every item, its whole history weighing alike apart from the factors of its periods.

    panel: the laws over a panel, where they come from a larger one.
    """
    trials = exposure.past(history.length, np.ones((1, max(exposure.periods.now, 1))))[0]
    if history.hidden.any():  # a period without stock and sales says nothing of occurrence
        hidden = history.item[history.hidden]
        trials = trials - np.bincount(hidden, exposure.of_events(history)[history.hidden], history.items)
        history = history.visible()
    events = history.events()
    log = np.log(np.maximum(history.qty, 0.5))
    total, scatter = history.total(log), history.scatter(log)
    if panel is None:
        some = slice(None, None, max(1, history.items // _MANY_ITEMS))
        panel = np.array([*_beta(events[some], trials[some]), *_panel_sizes(log, total, scatter, events)])
    a, b, centre, within, between = panel
    pull = within / between
    variance = (scatter + _FEW * within) / (np.maximum(events - 1.0, 0.0) + _FEW)
    middle = (total + pull * centre) / (events + pull)
    spread = np.minimum(np.sqrt(variance + variance / (events + pull)), _MOST_SPREAD)
    return Hurdle(a + events, b + np.maximum(trials - events, 0.0), middle, spread, history, panel)


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


def _panel_sizes(
    log: np.ndarray, total: np.ndarray, within: np.ndarray, events: np.ndarray
) -> tuple[float, float, float]:
    """Centre of the logarithms of sizes [events] over the panel, their variance within items and between them.

    total, within [n]: sums of the logarithms by item, and of their squared distances from the item's mean.
    """
    if not len(log):
        return 0.0, 1.0, 1.0
    own = total / np.maximum(events, 1.0)
    several = events >= 2
    common = within[several].sum() / max((events[several] - 1).sum(), 1.0) if several.any() else 1.0
    between = float(np.var(own[events >= 3])) if (events >= 3).sum() > 1 else 1.0
    return float(log.mean()), max(float(common), 1e-3), max(between, 1e-3)
