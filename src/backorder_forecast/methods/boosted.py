"""A challenger: one model of gradient-boosted trees over the panel that corrects each item's level.

The trees learn, from past origins of all items, by which factor the sum over the horizon differs from what a level of
middling memory expects, given what the other memories say, how often and how lately there was demand, the season ahead,
prices, and the category. The loss is Poisson's, which keeps means. They see no quantile: how far what comes lies from
what they expect, a law of multipliers, is learned from origins that they were not trained on, as the mixing law under
which what came is likeliest (Kiefer, Wolfowitz 1956), for items that sell about as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from .exposure import Exposure
from .panel import Panel
from .smoothing import Smoothed, log_negative_binomial
from .trial import Trial

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

ORIGINS = 13  # past origins learned from
_FEW_ORIGINS, _FEW_ROWS = 4, 2000  # to be trained on, at least
MULTIPLIERS = np.exp(np.arange(-3.5, 2.01, 0.1))
_SIZES = np.array([0.3, 1.0, 4.0, 12.0, 40.0, 120.0])  # expected units over the horizon that tell items apart
_FLAT = 5.0  # items as which a law of even chances counts
_LIKE_ALL = 5.0  # items as which the multipliers of all count beside those of a size
_ROUNDS = 150
_LEAST, _MOST = 0.05, 20.0  # units expected, and of what is expected, that one row may tell
_HEAVY = 0.05  # squared relative error that no number of units removes: large items weigh no more than 1 / it
_TREES = {
    "max_iter": 150, "learning_rate": 0.06, "max_leaf_nodes": 15, "min_samples_leaf": 100, "l2_regularization": 1.0,
    "early_stopping": False, "random_state": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """Of each item: features [n × k]; expected, came: units over the horizon; ratio: φ; known: it may be learned."""

    features: np.ndarray
    expected: np.ndarray
    came: np.ndarray
    ratio: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, trial: Trial) -> Lesson:
        """What a past origin teaches."""
        factor = trial.factors(0.0).sum(axis=1)
        features, level = _seen(trial.past, trial.exposure, trial.smoothed, trial.horizon)
        came = trial.came[trial.horizon]
        return cls(features, level * factor, came, trial.smoothed.ratio, trial.known & (factor > 0))


@dataclass(frozen=True)
class Boosted:
    """trees; spread [sizes + 1 × multipliers]: law of the multiplier, by how many units are expected."""

    trees: HistGradientBoostingRegressor
    spread: np.ndarray

    def levels(self, panel: Panel, exposure: Exposure, smoothed: Smoothed, horizon: int) -> np.ndarray:
        """Levels [n], as multiples of the factors that `exposure` has for the next `horizon` periods."""
        features, level = _seen(panel, exposure, smoothed, horizon)
        rows = np.arange(panel.history.items)
        flat, grown = (x.ahead(rows, horizon).sum(axis=1) for x in (exposure.growing(0.0), exposure))
        same = np.divide(flat, grown, out=np.ones(len(rows)), where=grown > 0)
        return np.asarray(level * predicted(self.trees, features) * same)

    def strata(self, level: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Levels [n × multipliers] around those said, and their chances; factor [n]: sum of those of the horizon."""
        return level[:, None] * MULTIPLIERS, self.spread[sizes(level * factor)]

    def log_score(self, level: np.ndarray, total: np.ndarray, actual: np.ndarray, factor: np.ndarray,
                  ratio: np.ndarray) -> np.ndarray:  # fmt: skip
        """Log probability [n] of sums with these sums of factors; total [n]: the units expected over the horizon."""
        each = _scores(actual, level * factor, ratio)
        return np.asarray(special.logsumexp(each, axis=1, b=self.spread[sizes(total)]))


def learned(lessons: list[Lesson], held: int) -> Boosted | None:
    """Trained on the lessons after the first `held`, which tell the spread; None: there is too little to learn from."""
    if len(lessons) < held + _FEW_ORIGINS or sum(int(x.known.sum()) for x in lessons[held:]) < _FEW_ROWS:
        return None
    trees = _trained(lessons[held:])
    return Boosted(trees, _spread(trees, lessons[:held]))


def retrained(boosted: Boosted, lessons: list[Lesson]) -> Boosted:
    """The same, its trees trained on all lessons."""
    return replace(boosted, trees=_trained(lessons))


def predicted(trees: HistGradientBoostingRegressor, features: np.ndarray) -> np.ndarray:
    """Factor of what is expected [rows]."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.asarray(trees.predict(features))


def sizes(units: np.ndarray) -> np.ndarray:
    """Which law of the multiplier an item has that expects so many units over the horizon [n]."""
    return np.asarray(np.searchsorted(_SIZES, units))


def _trained(lessons: list[Lesson]) -> HistGradientBoostingRegressor:
    """One thread: two of them are slower where another process is busy."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    features, came, ratio = (_of_all(lessons, name) for name in ("features", "came", "ratio"))
    expected = np.maximum(_of_all(lessons, "expected"), _LEAST)
    # Poisson regression of y on x with offset log m is that of y / m, each row weighing m
    weight = expected / (ratio + _HEAVY * expected)
    trees = HistGradientBoostingRegressor(loss="poisson", categorical_features=[0], **_TREES)
    with threadpool_limits(1):
        return trees.fit(features, np.minimum(came / expected, _MOST), sample_weight=weight)


def _of_all(lessons: list[Lesson], name: str) -> np.ndarray:
    return np.concatenate([getattr(x, name)[x.known] for x in lessons])


def _spread(trees: HistGradientBoostingRegressor, lessons: list[Lesson]) -> np.ndarray:
    """Laws of the multiplier [sizes + 1 × multipliers] of lessons that the trees have not seen."""
    expected = np.concatenate([(x.expected * predicted(trees, x.features))[x.known] for x in lessons])
    scores = _scores(_of_all(lessons, "came"), expected, _of_all(lessons, "ratio"))
    even = np.full(len(MULTIPLIERS), 1.0 / len(MULTIPLIERS))
    of_all = _mixing_law(scores, even, _FLAT)
    size = sizes(expected)
    return np.stack([_mixing_law(scores[size == k], of_all, _LIKE_ALL) for k in range(len(_SIZES) + 1)])


def _scores(actual: np.ndarray, mean: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Log probability of sums [n] if the level is each multiple of what is expected [n × multipliers]."""
    return log_negative_binomial(np.round(actual)[:, None], mean[:, None] * MULTIPLIERS, ratio[:, None])


def _mixing_law(scores: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """Chances [points] under which scores [n × points] are likeliest, beside `strength` items that follow the prior."""
    relative: np.ndarray = np.exp(scores - scores.max(axis=1, initial=-np.inf, keepdims=True))
    law: np.ndarray = prior
    for _ in range(_ROUNDS):
        law = law * (relative.T @ (1.0 / (relative @ law))) + strength * prior
        law /= law.sum()
    return law


def _seen(panel: Panel, exposure: Exposure, smoothed: Smoothed, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Features [n × k], the category first, and the level they are relative to [n].

    Logarithms of ratios, so that small and large items teach each other; windows are multiples of the horizon.
    """
    history, n = panel.history, panel.history.items
    level = _middling(smoothed, horizon)
    ahead = exposure.growing(0.0).ahead(np.arange(n), horizon)
    since = np.full(n, history.periods + 1.0)
    np.minimum.at(since, history.item, history.age)
    columns: list[Any] = [panel.group, np.log(level), np.log(smoothed.ratio), np.log1p(history.length), since]
    columns += list(np.log(np.maximum(smoothed.mean, 1e-6) / level))
    columns += [ahead.mean(axis=1), np.full(n, panel.periods.season[panel.periods.now + horizon // 2])]
    for window in (max(horizon // 4, 1), horizon, 3 * horizon, 13 * horizon):
        columns.append(np.log((history.sums(window) + 0.3) / (level * window + 0.3)))
    for window in (horizon, 3 * horizon):
        columns.append(np.bincount(history.item[history.age < window], minlength=n) / window)
    found = np.stack([*columns, *_driven(panel, exposure, horizon)], axis=1).astype(np.float32)
    # scikit-learn asks for a value in every column: one that says nothing of any item is 0
    return np.where(np.isfinite(found).any(axis=0), found, np.float32(0.0)), level


def _middling(smoothed: Smoothed, horizon: int) -> np.ndarray:
    """Geometric mean of the levels that remember about one and about two horizons [n]."""
    lives = smoothed.half_lives
    near = [int(np.argmin(np.abs(np.log(np.minimum(lives, 1e9) / span)))) for span in (horizon, 2 * horizon)]
    return np.asarray(np.exp(np.log(np.maximum(smoothed.mean[near], 1e-6)).mean(axis=0)))


def _driven(panel: Panel, exposure: Exposure, horizon: int) -> list[np.ndarray]:
    """Each driver over the horizon, against the last horizon and the last year; the factor they make together."""
    if panel.drivers is None or exposure.own is None:
        return []
    now, year = panel.periods.now, round(panel.periods.per_year)
    columns = [np.log(exposure.own[:, now : now + horizon].mean(axis=1))]
    for values in panel.drivers.values:
        then = _mean(values[:, now : now + horizon])
        columns += [then - _mean(values[:, max(now - k, 0) : now]) for k in (horizon, year)]
    return columns


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of what is known of each row, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0))
