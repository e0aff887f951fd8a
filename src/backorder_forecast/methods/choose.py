"""Which model counts how much: by the log score of held-out sums, pooled over items of one kind.

From several past origins every model forecasts the next period and the sum over the next periods; the weights are
those under which what came was most likely, each item holding to one model (EM for a mixture's shares). They are
pooled over items that have demand about as often, never chosen item by item, so that short series cannot overfit.
How much of the past growth goes on is chosen in the same way, once for the panel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import special

from .exposure import Exposure
from .history import History
from .hurdle import Hurdle, hurdle
from .panel import Panel
from .season import shared
from .smoothing import Smoothed, smooth

_ORIGINS = 4
_GROWTH = (1.0, 0.5, 0.0)  # shares of the past growth that may go on
_KINDS = np.array([0.15, 0.5])  # shares of periods with demand that tell seldom, now and then, and mostly apart
_FEW_ITEMS = 30
_MANY_ITEMS = 2000  # beyond which every so manieth item tells the weights
_PRIOR_ITEMS = 3.0
_WORTH = 3.0  # logarithms of likelihood by which occurrence and size has to better the rest of a kind's mixture
_LEAST = 0.03  # weights below it are left out
_WIDTH = 256
_TINY = 1e-9


KINDS = ("less than 15 %", "15 to 50 %", "more than 50 %")


def kinds(history: History) -> np.ndarray:
    """How often each item has demand: 0 seldom, 1 now and then, 2 mostly [n]."""
    share = history.visible().events() / np.maximum(history.length, 1)
    return np.asarray(np.searchsorted(_KINDS, share))


MODELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "auto": lambda half_lives: np.ones(len(half_lives) + 1, bool),
    "steady level": lambda half_lives: np.append(half_lives == half_lives.max(), False),
    "smoothing": lambda half_lives: np.append(np.ones(len(half_lives), bool), False),
    "occurrence and size": lambda half_lives: np.append(np.zeros(len(half_lives), bool), True),
}
"""Which models may be mixed [half-lives + 1, the last being occurrence and size], by the name of the choice."""


@dataclass(frozen=True)
class Weighed:
    """weights [kinds × models]; growth: share of the past growth that goes on; items [kinds]: how many were judged;
    score, steady [kinds]: held-out log score an item of the mixture, and of the longest memory alone."""

    weights: np.ndarray
    growth: float
    items: np.ndarray
    score: np.ndarray
    steady: np.ndarray


def model_weights(panel: Panel, horizon: int, half_lives: np.ndarray, model: str = "auto") -> Weighed:
    """Weigh the models for each kind of item; model: one of MODELS."""
    items = panel.history.items
    panel = panel.take(np.arange(0, items, max(1, items // _MANY_ITEMS)))
    trials = list(_trials(panel, horizon, half_lives))
    kind, may = kinds(panel.history), MODELS[model](half_lives)
    none = np.zeros((len(kind), len(half_lives)))
    smooth_scores = [sum((x.smooth_score(share) for x in trials), none) for share in _GROWTH]
    best = int(np.argmax([_by_kind(x, kind, np.ones(len(half_lives), bool))[1].sum() for x in smooth_scores]))
    seldom = sum((x.seldom_score(_GROWTH[best]) for x in trials), none[:, :1])
    scores = np.concatenate([smooth_scores[best], seldom], axis=1)
    weights, together = _by_kind(scores, kind, may)
    if may[:-1].any() and may[-1]:  # occurrence and size has to be worth it
        plain, alone = _by_kind(scores, kind, np.append(may[:-1], False))
        worth = together - alone >= _WORTH
        weights, together = np.where(worth[:, None], weights, plain), np.where(worth, together, alone)
    judged = np.array([_judged(scores, kind, k).shape[0] for k in range(len(weights))])
    steady = _by_kind(scores, kind, MODELS["steady level"](half_lives))[1]
    each = max(len(trials), 1) * np.maximum(judged, 1)
    return Weighed(weights, _GROWTH[best], np.bincount(kind, minlength=len(weights)), together / each, steady / each)


def _trials(panel: Panel, horizon: int, half_lives: np.ndarray) -> Iterator[_Trial]:
    """The panel fitted as of several past origins."""
    for origin in range(1, _ORIGINS + 1):
        past = panel.until(origin * horizon)
        if past.history.periods < max(2 * horizon, 8):
            return
        common = shared(past.history, past.periods, past.group, horizon)
        exposure = Exposure.fit(past.history, common, past.periods, past.group, past.drivers)
        later = panel.history.until((origin - 1) * horizon)
        yield _Trial(past.history, exposure, later, horizon, smooth(past.history, exposure, half_lives))


@dataclass(frozen=True)
class _Trial:
    """What was known at an origin and fitted to it, and what came later; scores are means over the spans judged."""

    past: History
    exposure: Exposure
    later: History
    horizon: int
    smoothed: Smoothed

    def smooth_score(self, growth: float) -> np.ndarray:
        """Log scores of every half-life [n × half-lives]; 0 where hardly anything was known."""
        total = [self.smoothed.log_score(np.round(actual), factor) for _, actual, factor in self._spans(growth)]
        return np.asarray(np.mean(total, axis=0) * self._known)

    def seldom_score(self, growth: float) -> np.ndarray:
        """Log scores of occurrence and size [n × 1]."""
        fitted = hurdle(self.past, self.exposure)
        total = [_hurdle_score(fitted, np.round(x), factor, periods) for periods, x, factor in self._spans(growth)]
        return np.asarray(np.mean(total, axis=0)[:, None] * self._known)

    @property
    def _known(self) -> np.ndarray:
        return (self.past.length >= self.horizon)[:, None]

    @cached_property
    def _came(self) -> dict[int, np.ndarray]:
        """Sums that came, of the next period and of the horizon, by the number of periods."""
        shown = self.later.visible()
        return {span: shown.sums(self.horizon, self.horizon - span) for span in (1, self.horizon)}

    @cached_property
    def _open(self) -> np.ndarray:
        """Periods of the horizon that are judged [n × horizon]: not those without stock and sales."""
        found = np.ones((self.past.items, self.horizon), bool)
        if self.later.hidden.any():
            at = np.flatnonzero(self.later.hidden & (self.later.age < self.horizon))
            found[self.later.item[at], self.horizon - 1 - self.later.age[at]] = False
        return found

    def _spans(self, growth: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Numbers of periods summed, the sums that came, and the sums of their factors [n]."""
        growing = replace(self.exposure, shared=self.exposure.shared.growing(growth))
        ahead = growing.ahead(np.arange(self.past.items), self.horizon) * self._open
        for span, came in self._came.items():
            yield self._open[:, :span].sum(axis=1), came, ahead[:, :span].sum(axis=1)


def _by_kind(scores: np.ndarray, kind: np.ndarray, may: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights for each kind of item [kinds × models], and the logarithm of the likelihood that they reach [kinds].

    may [models]: which of them may be mixed.
    """
    kinds_of = len(_KINDS) + 1
    weights, likelihood = np.zeros((kinds_of, scores.shape[1])), np.zeros(kinds_of)
    for k in range(kinds_of):
        judged = _judged(scores, kind, k)[:, may]
        weights[k, may] = _shares(judged)
        likelihood[k] = special.logsumexp(judged, axis=1, b=weights[k, may]).sum()
    return weights, likelihood


def _judged(scores: np.ndarray, kind: np.ndarray, k: int) -> np.ndarray:
    """Scores of the items of a kind, or of all where it has few."""
    mine = kind == k
    return scores[mine] if mine.sum() >= _FEW_ITEMS else scores


def _hurdle_score(fitted: Hurdle, actual: np.ndarray, factor: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Log probability of sums [n] under the hurdle model, counted in steps where numbers are large."""
    step = steps(actual + 2.0)
    place = np.round(actual / step).astype(np.int64)
    out, order = np.empty(len(actual)), np.argsort(place, kind="stable")
    for begin in range(0, len(order), 256):
        rows = order[begin : begin + 256]
        alone = (np.ones((len(rows), 1)), factor[rows, None], periods[rows, None])
        mass = fitted.mass(rows, *alone, step[rows], int(place[rows].max()) + 1)
        out[rows] = np.log(np.maximum(mass[np.arange(len(rows)), place[rows]], _TINY) / step[rows])
    return out


def steps(reach: np.ndarray, width: int = _WIDTH) -> np.ndarray:
    """Whole units to one cell of a table of `width` cells that has to reach so far [n]."""
    return np.asarray(np.maximum(np.ceil(reach / (width - 1)), 1.0))


def _shares(scores: np.ndarray) -> np.ndarray:
    """Shares of the models [models] that make the scores [n × models] likeliest, beside a few items that speak for long
    memories: where hardly anything was held out, nothing speaks for short ones."""
    prior = 0.5 ** np.arange(scores.shape[1])[::-1]
    prior /= prior.sum()
    relative, share = np.exp(scores - scores.max(axis=1, keepdims=True)), prior
    for _ in range(100):
        share = share * (relative.T @ (1.0 / (relative @ share))) + _PRIOR_ITEMS * prior
        share /= share.sum()
    share = np.where(share >= _LEAST, share, 0.0)
    return np.asarray(share / share.sum())
