"""Which model counts how much: by the log score of held-out sums, pooled over items of one kind.

From several past origins every model forecasts the sum over the next periods; the weights are those under which what
came was most likely, each item holding to one model (EM for a mixture's shares). They are pooled over items that have
demand about as often, never chosen item by item, so that short series cannot overfit.
"""

from __future__ import annotations

import numpy as np

from .history import History
from .hurdle import hurdle
from .season import Shared, shared
from .smoothing import smooth

_ORIGINS = 4
_KINDS = np.array([0.15, 0.5])  # shares of periods with demand that tell seldom, now and then, and mostly apart
_FEW_ITEMS = 30
_WIDTH, _ROOM = 512, 4.0
_TINY = 1e-9


def kinds(history: History) -> np.ndarray:
    """How often each item has demand: 0 seldom, 1 now and then, 2 mostly [n]."""
    share = history.events() / np.maximum(history.length, 1)
    return np.asarray(np.searchsorted(_KINDS, share))


def model_weights(
    history: History, horizon: int, cycle: int, per_year: float, half_lives: np.ndarray
) -> np.ndarray:
    """Weights of each item's models [n × half-lives + 1], the last being the hurdle's."""
    scores = np.zeros((history.items, len(half_lives) + 1))
    for origin in range(1, _ORIGINS + 1):
        past = history.until(origin * horizon)
        if past.periods < max(2 * horizon, 8):
            break
        actual = history.until((origin - 1) * horizon).sums(horizon)
        known = (past.length >= horizon)[:, None]
        scores += np.where(known, _scores(past, actual, horizon, cycle, per_year, half_lives), 0.0)
    kind, weights = kinds(history), np.zeros_like(scores)
    for k in range(len(_KINDS) + 1):
        mine = kind == k
        pool = mine if mine.sum() >= _FEW_ITEMS else np.ones(len(mine), bool)
        weights[mine] = _shares(scores[pool])
    return weights


def _scores(
    past: History, actual: np.ndarray, horizon: int, cycle: int, per_year: float, half_lives: np.ndarray
) -> np.ndarray:
    common = shared(past, horizon, cycle, per_year)
    smoothed = smooth(past, common, half_lives).log_score(np.round(actual), float(common.ahead.sum()))
    return np.column_stack([smoothed, _hurdle_score(past, common, actual, horizon)])


def _hurdle_score(past: History, common: Shared, actual: np.ndarray, horizon: int) -> np.ndarray:
    """Log probability of sums [n] under the hurdle model, counted in steps where numbers are large."""
    fitted = hurdle(past, common)
    step = steps(np.maximum(actual, _ROOM * fitted.mean(np.full(past.items, float(horizon)))))
    out = np.empty(past.items)
    for begin in range(0, past.items, 256):
        rows = np.arange(begin, min(begin + 256, past.items))
        cdf = fitted.cdf(rows, horizon, np.full(len(rows), common.ahead.mean()), step[rows], _WIDTH)
        place = np.minimum(np.round(actual[rows] / step[rows]).astype(np.int64), _WIDTH - 1)
        mass = np.diff(cdf, prepend=0.0, axis=1)[np.arange(len(rows)), place]
        out[rows] = np.log(np.maximum(mass, _TINY) / step[rows])
    return out


def steps(reach: np.ndarray, width: int = _WIDTH) -> np.ndarray:
    """Whole units to one cell of a table of `width` cells that has to reach so far [n]."""
    return np.asarray(np.maximum(np.ceil(reach / (width - 1)), 1.0))


def _shares(scores: np.ndarray) -> np.ndarray:
    relative = np.exp(scores - scores.max(axis=1, keepdims=True))
    share = np.full(scores.shape[1], 1.0 / scores.shape[1])
    for _ in range(60):
        held = relative * share
        share = (held / held.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(share)
