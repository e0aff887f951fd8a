"""Plain forecasts of the sum over the next window, to judge the models by: what a spreadsheet would say.

One signature: the history of items, the periods of the window and of a season, and levels, to quantiles of the sum
[items × levels]. Of items shorter than a window the sum of what there is is stretched to one; without any it is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .history import History

_ROWS = 512  # items whose days are laid out at once
Baseline = Callable[[History, int, int, Sequence[float]], np.ndarray]


def naive(history: History, window: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """The sum of the last window, at every level.

    >>> h = History(np.array([0, 0]), np.array([5, 1]), np.array([2.0, 3.0]), np.array([6]))
    >>> naive(h, 3, 6, [0.5, 0.9]).tolist()
    [[3.0, 3.0]]
    """
    stretch = window / np.clip(history.length, 1, window)
    return np.repeat((history.sums(window) * stretch)[:, None], len(levels), axis=1)


def seasonal_naive(history: History, window: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """The sum of the window that began a season before the coming one; of shorter histories the last window's.

    >>> h = History(np.array([0, 0]), np.array([5, 1]), np.array([2.0, 3.0]), np.array([6]))
    >>> seasonal_naive(h, 3, 6, [0.5, 0.9]).tolist()
    [[2.0, 2.0]]
    """
    known = (history.length >= season) & (window <= season)
    then = history.sums(season) - history.sums(max(season - window, 0))
    repeated = np.repeat(then[:, None], len(levels), axis=1)
    return np.where(known[:, None], repeated, naive(history, window, season, levels))


def historical(history: History, window: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """Quantiles of the sums of all past windows, one ending on each past period: the smallest sum that so many reach.

    >>> h = History(np.array([0, 0]), np.array([3, 1]), np.array([2.0, 3.0]), np.array([5]))
    >>> historical(h, 2, 5, [0.25, 0.5, 0.9]).tolist()  # sums 2, 2, 3, 3
    [[2.0, 2.0, 3.0]]
    """
    out = naive(history, window, season, levels)
    for begin in range(0, history.items, _ROWS):
        rows = np.arange(begin, min(begin + _ROWS, history.items))
        rows = rows[history.length[rows] >= window]
        if rows.size:
            out[rows] = _quantiles(history.take(rows), window, levels)
    return out


def _quantiles(history: History, window: int, levels: Sequence[float]) -> np.ndarray:
    """Empirical quantiles [items × levels] of rolling sums, of items as long as a window at least."""
    total = np.zeros((history.items, history.periods + 1))
    np.add.at(total, (history.item, history.age + 1), history.qty)
    total = np.cumsum(total, axis=1)
    sums = np.round(total[:, window:] - total[:, :-window], 9)
    count = history.length - window + 1
    sums[np.arange(sums.shape[1]) >= count[:, None]] = np.inf
    sums.sort(axis=1)
    place = np.ceil(np.outer(count, levels) - 1e-9).astype(np.int64) - 1
    return np.asarray(np.take_along_axis(sums, place, axis=1))


BASELINES: dict[str, Baseline] = {"historical": historical, "seasonal_naive": seasonal_naive, "naive": naive}
