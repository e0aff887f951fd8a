"""Demand that stock-outs hid: periods that ended without stock say "at least what was sold".

Expectation and maximisation: what is expected beyond the sales of a censored period, under the level, week and scatter
found so far, counts as demand; then these are found anew. Neither are such periods left out (a period that sells out
is a high one) nor taken as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import panel as kernels
from .exposure import LEAST, Exposure
from .history import History
from .periods import Periods
from .season import Shared, shared
from .smoothing import dispersion, smooth

_HALF_LIFE = 0.5  # years: memory of the level that fills in what was hidden
_ROUNDS, _STEPS = 6, 8


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
    seen, lost = merged.qty[at].copy(), censored.lost
    unseen = np.zeros(len(merged.qty), bool)
    unseen[at] = seen <= 0
    item, ratio = merged.item[at], np.full(merged.items, 2.0)
    half_life = np.array([_HALF_LIFE * periods.per_year])
    fade = 0.5 ** (merged.age[at] / half_life[0])
    for _ in range(_ROUNDS):
        common = shared(merged, periods, group, 0) if periods.now else Shared.none(1, 0, 0)
        exposure = Exposure.fit(merged, common, periods, group)
        factor = np.maximum(exposure.of_events(merged)[at], 1e-9)
        ratio = dispersion(merged, exposure)
        level = smooth(merged, exposure, half_life, ratio=ratio)
        mean, weight = level.mean[0], level.weight[0]
        base = mean * weight - np.bincount(item, fade * merged.qty[at], merged.items)
        for _ in range(_STEPS):
            first, square = _expected(seen, mean[item] * factor, ratio[item])
            filled = seen + lost * np.maximum(first - seen, 0.0)
            mean = np.maximum(base + np.bincount(item, fade * filled, merged.items), 1e-12) / weight
        more = lost * np.maximum(square - first**2, 0.0) / np.maximum(factor, LEAST)
        qty, extra = merged.qty.copy(), np.zeros(len(merged.qty))
        qty[at], extra[at] = filled, more * np.maximum(factor, LEAST)
        change = np.abs(qty[at] - merged.qty[at]).sum()
        merged = merged.filled(qty, extra, unseen)
        if change <= 1e-4 * max(float(qty.sum()), 1e-12):
            break
    return merged


def _expected(seen: np.ndarray, mean: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, square = np.empty(len(seen)), np.empty(len(seen))
    kernels.at_least(seen, mean, ratio, first, square)
    return first, square


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
