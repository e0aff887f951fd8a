"""Which model counts how much: by the log score of held-out sums, pooled over items of one kind.

From several past origins every model forecasts the next period and the sum over the next periods; the weights are
those under which what came was most likely, each item holding to one model (EM for a mixture's shares). They are
pooled over items that have demand about as often, never chosen item by item, so that short series cannot overfit.
How much of the past growth goes on is chosen in the same way, once for the panel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from .boosted import ORIGINS as BOOSTED_ORIGINS
from .boosted import Boosted, Lesson, learned, retrained
from .history import History
from .hurdle import Hurdle, hurdle
from .panel import Panel
from .trial import Trial, trials

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


MODELS: dict[str, Callable[[np.ndarray, bool], np.ndarray]] = {
    "auto": lambda half_lives, boosted: np.ones(len(half_lives) + boosted + 1, bool),
    "steady level": lambda half_lives, boosted: _chosen(half_lives == half_lives.max(), boosted, False),
    "smoothing": lambda half_lives, boosted: _chosen(np.ones(len(half_lives), bool), boosted, False),
    "occurrence and size": lambda half_lives, boosted: _chosen(np.zeros(len(half_lives), bool), boosted, True),
}
"""Which models may be mixed, by the name of the choice: half-lives, the boosted level where there is one, and last
occurrence and size."""


def _chosen(memories: np.ndarray, boosted: bool, seldom: bool) -> np.ndarray:
    """Some memories and perhaps occurrence and size, without the boosted level where there is one."""
    return np.concatenate([memories, np.zeros(int(boosted), bool), [seldom]])


@dataclass(frozen=True)
class Weighed:
    """weights [kinds × models]; growth: share of the past growth that goes on; items [kinds]: how many were judged;
    score, steady [kinds]: held-out log score an item of the mixture, and of the longest memory alone; boosted: the
    challenger, if there is one, whose column is the last but one."""

    weights: np.ndarray
    growth: float
    items: np.ndarray
    score: np.ndarray
    steady: np.ndarray
    boosted: Boosted | None = None


def model_weights(
    panel: Panel, horizon: int, half_lives: np.ndarray, model: str = "auto", challenger: bool = False
) -> Weighed:
    """Weigh the models for each kind of item; model: one of MODELS; challenger: with boosted levels."""
    items = panel.history.items
    panel = panel.take(np.arange(0, items, max(1, items // _MANY_ITEMS)))
    judged: list[Trial] = []
    lessons: list[Lesson] = []
    for trial in trials(panel, horizon, half_lives, BOOSTED_ORIGINS if challenger else _ORIGINS):
        if len(judged) < _ORIGINS:
            judged.append(trial)
        if challenger:
            lessons.append(Lesson.of(trial))
    boosted = learned(lessons, len(judged)) if challenger else None
    found = _weighed(judged, kinds(panel.history), half_lives, model, boosted)
    return found if boosted is None else replace(found, boosted=retrained(boosted, lessons))


def _weighed(
    judged: list[Trial], kind: np.ndarray, half_lives: np.ndarray, model: str, boosted: Boosted | None
) -> Weighed:
    """The weights under which what came after the judged origins was likeliest."""
    may = MODELS[model](half_lives, boosted is not None)
    none = np.zeros((len(kind), len(half_lives)))
    smooth_scores = [sum((_smooth_score(x, share) for x in judged), none) for share in _GROWTH]
    best = int(np.argmax([_by_kind(x, kind, np.ones(len(half_lives), bool))[1].sum() for x in smooth_scores]))
    columns = [smooth_scores[best]]
    if boosted is not None:
        columns.append(sum((_boosted_score(x, _GROWTH[best], boosted) for x in judged), none[:, :1]))
    columns.append(sum((_seldom_score(x, _GROWTH[best]) for x in judged), none[:, :1]))
    scores = np.concatenate(columns, axis=1)
    weights, together = _by_kind(scores, kind, may)
    if may[:-1].any() and may[-1]:  # occurrence and size has to be worth it
        plain, alone = _by_kind(scores, kind, np.append(may[:-1], False))
        worth = together - alone >= _WORTH
        weights, together = np.where(worth[:, None], weights, plain), np.where(worth, together, alone)
    rows = np.array([_judged(scores, kind, k).shape[0] for k in range(len(weights))])
    steady = _by_kind(scores, kind, MODELS["steady level"](half_lives, boosted is not None))[1]
    each = max(len(judged), 1) * np.maximum(rows, 1)
    return Weighed(weights, _GROWTH[best], np.bincount(kind, minlength=len(weights)), together / each, steady / each)


def _smooth_score(trial: Trial, growth: float) -> np.ndarray:
    """Log scores of every half-life [n × half-lives], means over the spans; 0 where hardly anything was known."""
    total = [trial.smoothed.log_score(np.round(actual), factor) for _, actual, factor in trial.spans(growth)]
    return np.asarray(np.mean(total, axis=0) * trial.known[:, None])


def _seldom_score(trial: Trial, growth: float) -> np.ndarray:
    """The same of occurrence and size [n × 1]."""
    fitted = hurdle(trial.past.history, trial.exposure)
    total = [_hurdle_score(fitted, np.round(x), factor, periods) for periods, x, factor in trial.spans(growth)]
    return np.asarray((np.mean(total, axis=0) * trial.known)[:, None])


def _boosted_score(trial: Trial, growth: float, boosted: Boosted) -> np.ndarray:
    """The same of the boosted level [n × 1]."""
    exposure = trial.exposure.growing(growth)
    level = boosted.levels(trial.past, exposure, trial.smoothed, trial.horizon)
    total = level * exposure.ahead(np.arange(len(level)), trial.horizon).sum(axis=1)
    ratio = trial.smoothed.ratio
    each = [boosted.log_score(level, total, actual, factor, ratio) for _, actual, factor in trial.spans(growth)]
    return np.asarray((np.mean(each, axis=0) * trial.known)[:, None])


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
