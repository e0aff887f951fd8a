"""Demand that stock-outs hid: periods that ended without stock say "at least what was sold".

Expectation and maximisation: what is expected beyond the sales of a censored period, under the level, week and scatter
found so far, counts as demand; then these are found anew. First the level is that of the last half year; then, where
levels move from fortnight to fortnight by more than chance, that of the weeks around the period. Neither are such
periods left out (a period that sells out is a high one) nor taken as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import panel as kernels
from .exposure import Exposure
from .history import History
from .periods import Periods
from .season import Shared, shared
from .smoothing import dispersion, smooth

_HALF_LIFE = 0.5  # years: memory of the level that fills in what was hidden, at first
_NEAR = 7.0 / 365.25  # years: half-life, before and after, of the level around it
_WEEKS = 2  # (periods, where these are longer) within which that is taken as steady
_LEAST_SHAPE, _STEADY = 0.3, 500.0  # of the law of such levels; beyond it they tell nothing that is new
_ROUNDS, _NEARBY_ROUNDS, _STEPS = 6, 4, 6
_ENOUGH = 1e-3  # change of the filled units at which a round is the last


@dataclass(frozen=True)
class Censored:
    """Periods whose demand was at least what was sold: item, age and the share of unmet demand that is lost (0…1)."""

    item: np.ndarray
    age: np.ndarray
    lost: np.ndarray

    def __len__(self) -> int:
        return len(self.item)


def complete(history: History, censored: Censored, periods: Periods, group: np.ndarray) -> History:
    """The history with the demand expected in its censored periods; of what is expected beyond sales the lost share.

    >>> h = History(np.zeros(20, int), np.arange(20), np.full(20, 3.0), np.array([40]))
    >>> out = Censored(np.zeros(20, int), np.arange(20, 40), np.ones(20))
    >>> from .periods import Periods
    >>> done = complete(h, out, Periods(40, np.zeros(40, int), np.zeros(40, int), 365.25), np.zeros(1, int))
    >>> bool(115 < done.qty.sum() < 125)
    True
    """
    merged, at = _merge(history, censored)
    unseen = np.zeros(len(merged.qty), bool)
    unseen[at] = merged.qty[at] <= 0
    hidden = _Hidden(at, merged.qty[at].copy(), censored.lost, unseen)
    for _ in range(_ROUNDS):
        exposure = _exposure(merged, periods, group)
        ratio, before = dispersion(merged, exposure), merged
        merged = _by_recent_level(merged, hidden, exposure, ratio)
        if np.abs(merged.qty - before.qty).sum() <= _ENOUGH * max(float(merged.qty.sum()), 1e-12):
            break
    for _ in range(_NEARBY_ROUNDS):
        exposure = _exposure(merged, periods, group)
        ratio = dispersion(merged, exposure, _WEEKS)
        shape = _nearby_shape(merged, exposure, ratio)
        if shape > _STEADY:
            break
        factor = hidden.factor(merged, exposure)
        for _ in range(_STEPS):
            level = _nearby_level(merged, exposure, ratio, shape, at)
            merged = hidden.filled(merged, level * factor, ratio)
    return merged


@dataclass(frozen=True)
class _Hidden:
    """Censored events [m]: where they are, what was sold, the share of unmet demand that is lost; unseen [events]."""

    at: np.ndarray
    seen: np.ndarray
    lost: np.ndarray
    unseen: np.ndarray

    def factor(self, history: History, exposure: Exposure) -> np.ndarray:
        """Factor of each censored period [m]."""
        return np.asarray(np.maximum(exposure.of_events(history)[self.at], 1e-9))

    def filled(self, history: History, mean: np.ndarray, ratio: np.ndarray) -> History:
        """The history with what is expected of censored periods, given their means [m]."""
        first, square = np.empty(len(mean)), np.empty(len(mean))
        kernels.at_least(self.seen, mean, ratio[history.item[self.at]], first, square)
        qty, extra = history.qty.copy(), np.zeros(len(history.qty))
        qty[self.at] = self.seen + self.lost * np.maximum(first - self.seen, 0.0)
        extra[self.at] = self.lost * np.maximum(square - first**2, 0.0)
        return history.filled(qty, extra, self.unseen)


def _exposure(history: History, periods: Periods, group: np.ndarray) -> Exposure:
    common = shared(history, periods, group, 0) if periods.now else Shared.none(1, 0, 0)
    return Exposure.fit(history, common, periods, group)


def _by_recent_level(history: History, hidden: _Hidden, exposure: Exposure, ratio: np.ndarray) -> History:
    """The history filled by the level of each item with a memory of half a year, step by step."""
    half_life, item = np.array([_HALF_LIFE * exposure.periods.per_year]), history.item[hidden.at]
    recent = smooth(history, exposure, half_life, ratio=ratio)
    mean, fade = recent.mean[0], 0.5 ** (history.age[hidden.at] / half_life[0])
    factor = hidden.factor(history, exposure)
    for _ in range(_STEPS):
        before = history.qty[hidden.at]
        history = hidden.filled(history, mean[item] * factor, ratio)
        more = fade * (history.qty[hidden.at] - before)
        mean = mean + np.bincount(item, more, history.items) / recent.weight[0]
    return history


def _nearby_shape(history: History, exposure: Exposure, ratio: np.ndarray) -> float:
    """Shape κ of the gamma law of levels of a fortnight around an item's mean, by moments over the panel.

    The variance of the sum of a block is φ m E + (m E)² / κ, m being the item's mean and E the sum of its factors.
    """
    span = max(round(_WEEKS * exposure.periods.per_year / 52.18), _WEEKS)
    expected = exposure.blocks(span)
    units, none = (np.empty(expected.shape) for _ in range(2))
    kernels.block_sums(history.start, history.age, history.qty, history.qty, span, units, none)
    whole = (history.length // span)[:, None] > np.arange(expected.shape[1])
    level = (units * whole).sum(axis=1) / np.maximum((expected * whole).sum(axis=1), 1e-12)
    mean = level[:, None] * expected * whole
    excess = ((units * whole - mean) ** 2 - ratio[:, None] * mean).sum()
    return float(np.clip((mean**2).sum() / max(excess, 1e-12), _LEAST_SHAPE, 2.0 * _STEADY))


def _nearby_level(
    history: History, exposure: Exposure, ratio: np.ndarray, shape: float, at: np.ndarray
) -> np.ndarray:
    """Level around some events [m]: what their neighbourhood says, drawn to the item's mean."""
    units, seen = (x[at] for x in exposure.nearby(history, 0.5 ** (1.0 / (_NEAR * exposure.periods.per_year))))
    whole = exposure.past(history.length, np.ones((1, max(exposure.periods.now, 1))))[0]
    mean = np.maximum(history.total(history.qty), 1e-12) / np.maximum(whole, 1e-12)
    mine, scatter = mean[history.item[at]], ratio[history.item[at]]
    return np.asarray((shape + units / scatter) / (shape / mine + seen / scatter))


def _merge(history: History, censored: Censored) -> tuple[History, np.ndarray]:
    """Events of both, sorted by item and age, and where the censored ones are."""
    span = max(int(history.periods), int(censored.age.max(initial=0)) + 1, 1)
    asked = history.item * span + history.age
    hidden = censored.item * span + censored.age
    key = np.union1d(asked, hidden)
    qty = np.zeros(len(key))
    np.add.at(qty, np.searchsorted(key, asked), history.qty)
    merged = History(key // span, key % span, qty, history.length)
    return merged, np.searchsorted(key, hidden)
