"""A panel's history to the law of its future: what items share, each item's level, and the mixture of models."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..core import panel as kernels
from .choose import KINDS, Weighed, kinds, model_weights
from .exposure import Exposure
from .hurdle import Hurdle, hurdle
from .laws import PanelLaw
from .panel import Panel
from .season import Shared, shared
from .smoothing import EDGES, SHARES, Smoothed, smooth, strata

_BLOCK = 4096


@dataclass(frozen=True)
class Pool:
    """What the items of a panel share, so that blocks of a panel too large for memory can take it from one of them.

    typical [groups]: rate of orders; sizes: laws over the panel of occurrence and size.
    """

    shared: Shared
    half_lives: np.ndarray
    weighed: Weighed
    typical: np.ndarray
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def names(self, days: float = 1.0) -> tuple[str, ...]:
        """Names of the models of the mixture; days: in a period."""
        return model_names(self.half_lives * days, self.weighed.boosted is not None)

    def refusal(self, challenger: bool) -> list[str]:
        """What is to be said where a challenger was asked for and could not be trained."""
        lacking = challenger and self.weighed.boosted is None
        return ["there is too little history for boosted levels: they are left out"] if lacking else []


@dataclass(frozen=True)
class Fitted:
    """The law of a panel, the factors of its periods and what its items share."""

    law: PanelLaw
    exposure: Exposure
    pool: Pool


def fit_panel(
    panel: Panel, horizon: int, half_lives: np.ndarray, pool: Pool | None = None, ahead: int | None = None,
    model: str = "auto", challenger: bool = False,
) -> Fitted:  # fmt: skip
    """Fit a panel for sums over `horizon` periods; half_lives in periods, np.inf for a level that stays.

    pool: what items share, from another part of the panel; ahead: periods to forecast, where these are more;
    challenger: whether boosted levels may enter the mixture.
    """
    history, periods, group = panel.history, panel.periods, panel.group
    if pool is None:
        common = shared(history, periods, group, horizon if ahead is None else ahead)
        weighed = model_weights(panel, horizon, half_lives, model, challenger)
        common = common.growing(weighed.growth)
    else:
        common, weighed, half_lives = pool.shared, pool.weighed, pool.half_lives
    exposure = Exposure.fit(history, common, periods, group, panel.drivers)
    smoothed = smooth(history, exposure, half_lives, None if pool is None else pool.typical)
    seldom = hurdle(history, exposure, None if pool is None else pool.sizes)
    mine = _carried(weighed.weights[kinds(history)], seldom, exposure)
    atoms = _boosted_atoms(weighed, panel, exposure, smoothed, horizon)
    law = PanelLaw(smoothed.ratio, _levels(smoothed, mine[:, :-1], atoms), mine[:, -1].copy(), seldom, mine)
    if pool is None:
        pool = Pool(common, half_lives, weighed, smoothed.typical, seldom.panel)
    return Fitted(law, exposure, pool)


def _carried(weights: np.ndarray, seldom: Hurdle, exposure: Exposure) -> np.ndarray:
    """Weights [n × models] without occurrence and size where demand is so frequent that its chance cannot rise with the
    season: it would pass 1."""
    peak = exposure.shared.ahead.max(axis=1, initial=0.0)[exposure.group] * exposure.week.max(axis=1)
    if exposure.own is not None:
        peak = peak * exposure.own[:, exposure.periods.now :].max(axis=1, initial=0.0)
    weights = weights.copy()
    weights[(seldom.chance() * peak >= 1.0) & (weights[:, :-1].sum(axis=1) > 0), -1] = 0.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


_Atoms = tuple[np.ndarray, np.ndarray]


def _boosted_atoms(
    weighed: Weighed, panel: Panel, exposure: Exposure, smoothed: Smoothed, horizon: int
) -> _Atoms | None:
    """Boosted levels and their chances [n × multipliers]; None: there are none."""
    if weighed.boosted is None:
        return None
    level = weighed.boosted.levels(panel, exposure, smoothed, horizon)
    return weighed.boosted.strata(level, exposure.ahead(np.arange(len(level)), horizon).sum(axis=1))


def _levels(smoothed: Smoothed, weights: np.ndarray, boosted: _Atoms | None) -> np.ndarray:
    """Strata of each item's level [n × strata] out of those of every half-life and, if there are any, boosted ones;
    weights [n × half-lives (+ 1)]."""
    memories = len(smoothed.mean)
    # an item that follows occurrence and size alone has a level too, of its longest memory
    longest = np.eye(weights.shape[1])[memories - 1]
    weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, longest)
    used = np.flatnonzero(weights[:, :memories].any(axis=0))
    out = np.empty((len(weights), len(SHARES)))
    for begin in range(0, len(weights), _BLOCK):
        rows = slice(begin, min(begin + _BLOCK, len(weights)))
        atoms = smoothed.mean[used].T[rows, :, None] * strata(smoothed.strength[used].T[rows])
        mass = weights[rows, used, None] * SHARES
        atoms, mass = (x.reshape(len(x), -1) for x in (atoms, mass))
        if boosted is not None:
            level, chance = (x[rows] for x in boosted)
            atoms = np.concatenate([atoms, level], axis=1)
            mass = np.concatenate([mass, weights[rows, memories:] * chance], axis=1)
        kernels.level_strata(np.ascontiguousarray(atoms), np.ascontiguousarray(mass), EDGES, out[rows])
    return out


def model_names(half_lives: np.ndarray, boosted: bool = False) -> tuple[str, ...]:
    """Names of the models of a mixture; half_lives in days."""
    fading = tuple("steady level" if np.isinf(h) else f"{FADING} {h:.0f} days" for h in half_lives)
    return (*fading, *["boosted level"] * boosted, "occurrence and size")


FADING = "level of half-life"


def told(weights: np.ndarray, names: tuple[str, ...]) -> list[str]:
    """Mixtures [n × models] in words, the heaviest part first; fading levels as one.

    >>> names = model_names(np.array([28.0, 56.0, np.inf]))
    >>> told(np.array([[0.15, 0.1, 0.35, 0.4], [0.0, 0.0, 1.0, 0.0]]), names)
    ['40 % occurrence and size, 35 % steady level, 25 % level of half-life 28 to 56 days', '100 % steady level']
    """
    rows, which = np.unique(weights, axis=0, return_inverse=True)
    words = [_in_words(row, names) for row in rows]
    return [words[i] for i in which.ravel()]


def _in_words(row: np.ndarray, names: tuple[str, ...]) -> str:
    used = [j for j in range(len(row)) if row[j] >= 0.005]
    fading = [j for j in used if names[j].startswith(FADING)]
    parts = [(float(row[j]), names[j]) for j in used if j not in fading]
    if fading:
        ends = [names[j].removeprefix(FADING).removesuffix(" days").strip() for j in (fading[0], fading[-1])]
        span = ends[0] if len(fading) == 1 else f"{ends[0]} to {ends[1]}"
        parts.append((float(row[fading].sum()), f"{FADING} {span} days"))
    return ", ".join(f"{100 * weight:.0f} % {name}" for weight, name in sorted(parts, key=lambda x: -x[0]))


def kinds_told(pool: Pool, days: float = 1.0) -> list[str]:
    """For each kind of item that there is: what is mixed, and how much likelier that made what was held out; days: in a
    period."""
    weighed = pool.weighed
    words = told(weighed.weights, pool.names(days))
    gain = weighed.score - weighed.steady
    return [
        f"items with demand in {KINDS[k]} of periods: {words[k]} "
        f"(held-out log score {weighed.score[k]:.2f}, {gain[k]:+.2f} against a steady level)"
        for k in np.flatnonzero(weighed.items > 0)
    ]
