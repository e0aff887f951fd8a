"""Demand that stock-outs hid: periods that ended without stock say "at least what was sold".

Expectation and maximisation: what is expected beyond the sales of a censored period, under the level, week and scatter
found so far, counts as demand; then these are found anew. First the level is that of the last half year; then, where
levels move from fortnight to fortnight by more than chance, that of the weeks around the period. Neither are such
periods left out (a period that sells out is a high one) nor taken as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import censored as kernels
from ..core import panel
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
    merged, hidden = _merge(history, censored)
    for _ in range(_ROUNDS):
        exposure = _exposure(merged, periods, group)
        ratio, before = dispersion(merged, exposure), merged
        merged = hidden.by_recent_level(merged, exposure, ratio)
        if np.abs(merged.qty - before.qty).sum() <= _ENOUGH * max(float(merged.qty.sum()), 1e-12):
            break
    for _ in range(_NEARBY_ROUNDS):
        exposure = _exposure(merged, periods, group)
        ratio = dispersion(merged, exposure, _WEEKS)
        shape = _nearby_shape(merged, exposure, ratio)
        if shape > _STEADY:
            break
        merged = hidden.by_level_around(merged, exposure, ratio, shape)
    return merged


@dataclass(frozen=True)
class _Hidden:
    """Censored events [m], sorted: where they are, what was sold, the share of unmet demand that is lost; start
    [n + 1]: where those of each item begin; unseen [events]: those of which nothing was sold."""

    at: np.ndarray
    seen: np.ndarray
    lost: np.ndarray
    start: np.ndarray
    unseen: np.ndarray

    @classmethod
    def of(cls, history: History, at: np.ndarray, lost: np.ndarray) -> _Hidden:
        """Some events of a history that holds what was sold."""
        order = np.argsort(at, kind="stable")
        at, unseen = at[order], np.zeros(len(history.qty), bool)
        unseen[at] = history.qty[at] <= 0
        start = np.searchsorted(at, history.start).astype(np.int64)
        return cls(at, history.qty[at], np.ascontiguousarray(lost[order], float), start, unseen)

    def by_recent_level(self, history: History, exposure: Exposure, ratio: np.ndarray) -> History:
        """The history filled by the level of each item with a memory of half a year, step by step."""
        half_life = np.array([_HALF_LIFE * exposure.periods.per_year])
        recent = smooth(history, exposure, half_life, ratio=ratio)
        fade = 0.5 ** (history.age[self.at] / half_life[0])
        filled, extra = history.qty[self.at], np.zeros(len(self.at))
        kernels.fill_by_level(
            self.start, self.seen, self.lost, self._factor(history, exposure), fade, ratio, recent.mean[0],
            recent.weight[0], _STEPS, filled, extra,
        )  # fmt: skip
        return self._filled(history, filled, extra)

    def by_level_around(self, history: History, exposure: Exposure, ratio: np.ndarray, shape: float) -> History:
        """The history filled by what the neighbourhood of each censored period says of the level, drawn to the item's
        mean as `shape` asks, step by step."""
        qty, extra = history.qty.copy(), np.zeros(len(self.at))
        decay = 0.5 ** (1.0 / (_NEAR * exposure.periods.per_year))
        whole = exposure.past(history.length, np.ones((1, max(exposure.periods.now, 1))))[0]
        past, group, week, weekday = exposure.by_age()
        kernels.fill_nearby(
            history.start, history.age, qty, history.length, past, group, week, weekday, self.start, self.at,
            self.seen, self.lost, self._factor(history, exposure), ratio, whole, shape, decay, _STEPS, extra,
        )  # fmt: skip
        return self._filled(history, qty[self.at], extra)

    def _factor(self, history: History, exposure: Exposure) -> np.ndarray:
        """Factor of each censored period [m]."""
        return np.asarray(np.maximum(exposure.of_events(history)[self.at], 1e-9))

    def _filled(self, history: History, filled: np.ndarray, extra: np.ndarray) -> History:
        qty, unsure = history.qty.copy(), np.zeros(len(history.qty))
        qty[self.at], unsure[self.at] = filled, extra
        return history.filled(qty, unsure, self.unseen)


def _exposure(history: History, periods: Periods, group: np.ndarray) -> Exposure:
    common = shared(history, periods, group, 0) if periods.now else Shared.none(1, 0, 0)
    return Exposure.fit(history, common, periods, group)


def _nearby_shape(history: History, exposure: Exposure, ratio: np.ndarray) -> float:
    """Shape κ of the gamma law of levels of a fortnight around an item's mean, by moments over the panel.

    The variance of the sum of a block is φ m E + (m E)² / κ, m being the item's mean and E the sum of its factors.
    """
    span = max(round(_WEEKS * exposure.periods.per_year / 52.18), _WEEKS)
    expected = exposure.blocks(span)
    units, none = (np.empty(expected.shape) for _ in range(2))
    panel.block_sums(history.start, history.age, history.qty, history.qty, span, units, none)
    whole = (history.length // span)[:, None] > np.arange(expected.shape[1])
    level = (units * whole).sum(axis=1) / np.maximum((expected * whole).sum(axis=1), 1e-12)
    mean = level[:, None] * expected * whole
    excess = ((units * whole - mean) ** 2 - ratio[:, None] * mean).sum()
    return float(np.clip((mean**2).sum() / max(excess, 1e-12), _LEAST_SHAPE, 2.0 * _STEADY))


def _merge(history: History, censored: Censored) -> tuple[History, _Hidden]:
    """Events of both, sorted by item and age, and the censored ones among them."""
    span = max(int(history.periods), int(censored.age.max(initial=0)) + 1, 1)
    asked = history.item * span + history.age
    hidden = censored.item * span + censored.age
    # a stable sort takes what comes in long runs, up or down, in one pass
    key = np.sort(np.concatenate([asked, hidden]), kind="stable")
    key = key[np.append(True, np.diff(key) > 0)[: len(key)]]
    qty = np.zeros(len(key))
    np.add.at(qty, np.searchsorted(key, asked), history.qty)
    merged = History(key // span, key % span, qty, history.length)
    return merged, _Hidden.of(merged, np.searchsorted(key, hidden), censored.lost)
