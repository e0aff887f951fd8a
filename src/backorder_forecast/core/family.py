"""Durations to a family of laws: one law for each supplier (house), stretched by item (pair), by the place it goes to
(lane), by when it was ordered and by what was stated.

A duration divided by exp(item + place + common level + own level + β · stated) follows its house's law. The house's
law is the law of all at the house's pace and spread, mixed over what these may be, then corrected day by day. What is
not known for sure of a stretch is summed over, not put at its best guess: durations are counted at several possible
stretches (expectation and maximisation, Dempster, Laird, Rubin 1977), or the laws would hold that doubt twice.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from . import hazards
from ._compile import kernel
from .categories import category_priors
from .drifts import common_level, own_levels

PERIOD = 28  # days of ordering that share a level
STEP = 0.1
ITEMS = np.arange(-12, 13) * STEP  # logarithm of an item's lead times against its supplier's
LEVELS = np.arange(-10, 11) * STEP  # of those ordered in a period against the typical ones
BETAS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])  # how much of what a stated date differs from the usual one is true
_BINS, _REACH = 25.0, 20  # the law of all: bins to one typical lead time, and typical lead times tabulated
_SCALES = np.exp(np.arange(np.log(0.5), np.log(500.0), 0.12))  # days that suppliers typically take
_POWERS = np.exp(np.linspace(-0.7, 0.7, 8))  # their spread: the law of all, squeezed or stretched in log time
_NODES, _SHARES = np.array([-np.sqrt(3.0), 0.0, np.sqrt(3.0)]), np.array([1.0, 4.0, 1.0]) / 6.0
_ROUNDS, _ENOUGH = 4, 100_000  # turns; the cases on which they work
_PLENTY = 300_000  # cases that tell everything but the single item
_TINY = 1e-300
_LIGHT = 1e-4  # weights below count as none
WILD = 1.5  # what a stated date may tell at most, in logarithm


@dataclass(frozen=True)
class Cases:
    """Durations and what they belong to.

    house, pair, lane, period: codes, periods in order of time; durations lie in (low, high] days, or beyond low where
    not `ended`, and are seen from `entry` on; stated: logarithm of the stated days against the house's usual ones.
    """

    house: np.ndarray
    pair: np.ndarray
    lane: np.ndarray
    period: np.ndarray
    entry: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ended: np.ndarray
    weight: np.ndarray
    stated: np.ndarray

    def __len__(self) -> int:
        return len(self.house)

    @cached_property
    def spans(self) -> hazards.Spans:
        """The durations as the likelihood wants them."""
        return hazards.Spans.of(self.entry, self.low, self.high, self.ended)

    def thinned(self, most: int) -> Cases:
        """About so many of the cases at most, evenly taken, each standing for several."""
        every = 1 + len(self) // most
        if every == 1:
            return self
        taken = {x.name: np.ascontiguousarray(getattr(self, x.name)[::every]) for x in fields(self)}
        return Cases(**taken | {"weight": taken["weight"] * every})


@dataclass(frozen=True)
class Kin:
    """The category of each house and of each pair, -1: none known; None: there are none to tell apart."""

    house: np.ndarray | None = None
    pair: np.ndarray | None = None


NO_KIN = Kin()


@dataclass(frozen=True)
class Family:
    """Fitted laws.

    laws: Λ of each house and, last, of one not known [houses + 1 × edges]; item, place: weights of ITEMS of each pair
    and of each lane and, last, of one not known [pairs + 1 × points], [lanes + 1 × points]; level: weights of LEVELS of
    each house, the last not known, in each period, the last the one to come [houses + 1 × periods + 1 × points];
    common: level of each period, the last the one to come [periods + 1], in logarithm; beta: what stated dates tell, by
    house [houses + 1]; usual: the stated days of each pair against the house's usual ones, in logarithm [pairs]; walk,
    shared: standard deviations of the levels; pace_and_spread: of each house [houses], where another fit may start.
    """

    laws: np.ndarray
    item: np.ndarray
    place: np.ndarray
    level: np.ndarray
    common: np.ndarray
    beta: np.ndarray
    usual: np.ndarray
    walk: float = 0.0
    shared: float = 0.0
    pace_and_spread: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0))

    @cached_property
    def tables(self) -> hazards.Tables:
        """The laws as the likelihood wants them."""
        return hazards.Tables(self.laws)

    def changed(self, **parts: Any) -> Family:
        """With other parts; what follows from the laws is kept where these stay."""
        found = replace(self, **parts)
        if "laws" not in parts and "tables" in vars(self):
            vars(found)["tables"] = self.tables
        return found


def no_family(periods: int, edges: int) -> Family:
    """Of no durations: nothing ever comes."""
    item = np.exp(hazards.bell(ITEMS, 0.0, np.array(0.3)))[None]
    level = np.tile(_none(LEVELS), (1, periods + 1, 1))
    nothing = np.zeros(periods + 1)
    return Family(np.zeros((1, edges)), item, _none(ITEMS)[None], level, nothing, np.zeros(1), np.zeros(0))


def _none(points: np.ndarray) -> np.ndarray:
    """Weights of no stretch at all."""
    return (np.abs(points) < STEP / 2).astype(float)


def fit_family(
    cases: Cases, houses: int, pairs: int, lanes: int, periods: int, edges: int, slow: bool = True,
    start: Family | None = None, kin: Kin = NO_KIN,
) -> Family:  # fmt: skip
    """Fit laws, items, places, levels (if `slow` change is looked for) and what stated dates tell, each given the
    others, in turn; from a fit to the same cases with other weights, where there is one, in fewer turns. kin: the
    categories of houses and pairs."""
    if not len(cases):
        return no_family(periods, edges)
    usual = _mean_by(cases.pair, cases.stated, pairs)
    news = np.clip(cases.stated - usual[cases.pair], -WILD, WILD)
    cases = replace(cases, stated=usual[cases.pair] + news)
    found = _start(houses, pairs, lanes, periods, edges, usual)
    pace, spread = _first_pace(cases, houses), np.ones(houses)
    if start is not None:
        level, common = (start.level, start.common) if slow else (found.level, found.common)
        found, (pace, spread) = replace(start, level=level, common=common), start.pace_and_spread
    few = cases.thinned(_ENOUGH)
    told = few.stated - usual[few.pair]
    for turn in range(_ROUNDS if start is None else 1):
        laws, pace, spread = _fit_houses(few, _stretch(few, found), _doubt(few, found), pace, spread, edges, kin.house)
        found = _fit_effects(few, found.changed(laws=laws), houses, periods, slow, kin.pair)
        if (turn or start) and np.ptp(told) > 0.01:
            found = found.changed(beta=_fit_beta(few, found, told, houses))
    if len(few) < len(cases):
        found = found.changed(item=_fit_effect(cases, found, cases.pair, found.item, kin.pair))
    many = cases.thinned(_PLENTY)
    laws, pace, spread = _fit_houses(many, _stretch(many, found), _doubt(many, found), pace, spread, edges, kin.house)
    found = found.changed(laws=laws)
    found = found.changed(item=_fit_effect(cases, found, cases.pair, found.item, kin.pair))
    found = _fit_effects(many, found, houses, periods, slow, items=False)
    return found.changed(pace_and_spread=(pace, spread))


def _fit_effects(
    cases: Cases, found: Family, houses: int, periods: int, slow: bool, kin: np.ndarray | None = None,
    items: bool = True,
) -> Family:  # fmt: skip
    """Items, places and levels, in turn."""
    if items:
        found = found.changed(item=_fit_effect(cases, found, cases.pair, found.item, kin))
    if len(found.place) - 1 > houses:
        found = found.changed(place=_fit_effect(cases, found, cases.lane, found.place))
    return _fit_levels(cases, found, houses, periods) if slow else found


def _start(houses: int, pairs: int, lanes: int, periods: int, edges: int, usual: np.ndarray) -> Family:
    none = no_family(periods, edges)
    return Family(
        np.zeros((houses + 1, edges)), np.tile(_none(ITEMS), (pairs + 1, 1)), np.tile(_none(ITEMS), (lanes + 1, 1)),
        np.tile(none.level, (houses + 1, 1, 1)), np.zeros(periods + 1), np.zeros(houses + 1), usual,
    )  # fmt: skip


def _mean_by(code: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    size = np.maximum(np.bincount(code, minlength=count), 1)
    mean: np.ndarray = np.bincount(code, values, count) / size
    return mean


def _moments(weight: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of points under weights [… × points]."""
    mean = weight @ points
    return mean, np.maximum(weight @ points**2 - mean**2, 0.0)


@kernel(
    "void(int64[:], int64[:], int64[:], int64[:], float64[:], float64[:], float64[:], float64[:, ::1], float64[:],"
    " float64[:], float64[:])"
)
def _add_up(
    house: np.ndarray, pair: np.ndarray, lane: np.ndarray, period: np.ndarray, stated: np.ndarray, item: np.ndarray,
    place: np.ndarray, level: np.ndarray, common: np.ndarray, beta: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    for i in range(house.size):
        own = item[pair[i]] + place[lane[i]] + level[house[i], period[i]]
        out[i] = own + common[period[i]] + beta[house[i]] * stated[i]


def _added(
    cases: Cases, item: np.ndarray, place: np.ndarray, level: np.ndarray, common: np.ndarray, beta: np.ndarray
) -> np.ndarray:
    """Sums over what each duration belongs to, of numbers of pairs, lanes, houses' periods, periods, and of houses
    times what was stated."""
    out = np.empty(len(cases))
    _add_up(
        cases.house, cases.pair, cases.lane, cases.period, cases.stated, item, place, level, common, beta, out
    )
    return out


def _stretch(cases: Cases, found: Family) -> np.ndarray:
    """Logarithm of what each duration is stretched by."""
    return _added(
        cases, found.item @ ITEMS, found.place @ ITEMS, found.level @ LEVELS, found.common, found.beta
    )


def _doubt(cases: Cases, found: Family) -> np.ndarray:
    """The standard deviation of the doubt about what each duration is stretched by."""
    item, place = (_moments(x, ITEMS)[1] for x in (found.item, found.place))
    level = _moments(found.level, LEVELS)[1]
    return np.sqrt(_added(cases, item, place, level, np.zeros(len(found.common)), np.zeros(len(found.beta))))


def _first_pace(cases: Cases, count: int) -> np.ndarray:
    """A geometric mean of each house's durations, ended or not: where the search begins."""
    return np.exp(_mean_by(cases.house, np.log(cases.low + 1.0), count))


def _fit_houses(
    cases: Cases, stretch: np.ndarray, doubt: np.ndarray, pace: np.ndarray, spread: np.ndarray, edges: int,
    kin: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Λ of each house and of one not known, and better paces and spreads of the houses."""
    risk, events = _count(cases, cases.house, stretch, doubt, np.ones(len(cases)), 1.0, (len(pace), edges - 1))
    scale, power = (x.ravel() for x in np.meshgrid(_SCALES, _POWERS, indexing="ij"))
    some = slice(None, None, 1 + len(cases) // _ENOUGH)
    of_all = stretch[some] + np.log(pace[cases.house[some]])
    base = _law_of_all(cases.thinned(_ENOUGH), of_all, doubt[some], spread[cases.house[some]])
    laws = hazards.stretched(base, scale, power, _BINS, edges)
    like = hazards.log_likelihood(risk, events, laws)
    prior, of_unknown = _prior(like, kin)
    weight = hazards.weights(like, prior)
    outlive = np.maximum(hazards.mixed(np.vstack([weight, np.exp(of_unknown)]), laws), _TINY)
    expected = 1.0 - outlive[:, 1:] / outlive[:, :-1]
    k = hazards.strength(risk, events, expected[:-1])
    expected[:-1] = hazards.shrunk(risk, events, expected[:-1], k)
    return hazards.cumulative(expected), np.exp(weight @ np.log(scale)), np.exp(weight @ np.log(power))


def _count(
    cases: Cases, group: np.ndarray, stretch: np.ndarray, doubt: np.ndarray, power: np.ndarray, bins: float,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Dense counts at three possible stretches of each duration (Gauss and Hermite), or one where none is in doubt."""
    nodes, shares = (_NODES, _SHARES) if doubt.max(initial=0.0) > 0.02 else (_NODES[1:2], np.ones(1))
    several = [
        (np.exp(stretch + node * doubt), cases.weight * share) for node, share in zip(nodes, shares, strict=True)
    ]
    return hazards.dense_counts(
        group, cases.entry, cases.low, cases.high, cases.ended, power, bins, several, shape
    )


def _law_of_all(cases: Cases, stretch: np.ndarray, doubt: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Λ over typical lead times: every duration by its own pace and spread."""
    group, shape = np.zeros(len(cases), np.int64), (1, int(_BINS * _REACH))
    risk, events = _count(cases, group, stretch, doubt, power, _BINS, shape)
    return hazards.cumulative(hazards.smooth(risk[0], events[0]))


def _prior(like: np.ndarray, kin: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Log prior weights of (pace, spread), each normal in its logarithm, fitted to all suppliers: for all of them, or,
    paces around their category's, for each; and of one not known."""
    grid = np.exp(like - like.max(axis=1, keepdims=True)).reshape(len(like), len(_SCALES), len(_POWERS))
    of_power = hazards.bell(np.log(_POWERS), 0.0, np.array(0.35))
    of_paces = np.log(np.maximum(grid @ np.exp(of_power), _TINY))
    of_scale = hazards.fitted_bell(of_paces, np.log(_SCALES))
    of_spreads = np.log(np.maximum(np.exp(of_scale) @ grid, _TINY))
    of_power = hazards.fitted_bell(of_spreads, np.log(_POWERS), centre=0.0)
    both = np.asarray((of_scale[:, None] + of_power[None, :]).ravel())
    if kin is None:
        return both, both
    of_paces = np.log(np.maximum(grid @ np.exp(of_power), _TINY))
    by_category = category_priors(of_paces, np.log(_SCALES), kin, of_scale)
    if by_category is None:
        return both, both
    each = (by_category[:, :, None] + of_power[None, None, :]).reshape(len(by_category), -1)
    return each[:-1], each[-1]


def _likelihood(
    cases: Cases, group: np.ndarray, groups: int, stretch: np.ndarray, found: Family, points: np.ndarray
) -> np.ndarray:
    """Log likelihood of each group's durations, stretched besides by each point [groups × points]."""
    return hazards.scale_likelihood(
        group, groups, cases.house, cases.spans, cases.weight, stretch, found.laws, points, found.tables
    )


def _fit_effect(
    cases: Cases, found: Family, code: np.ndarray, weight: np.ndarray, kin: np.ndarray | None = None
) -> np.ndarray:
    """Weights of the stretches of each pair (or lane) and, last, of one not known; `weight`: those so far; kin: the
    categories they belong to."""
    others = _stretch(cases, found) - (weight @ ITEMS)[code]
    like = _likelihood(cases, code, len(weight) - 1, others, found, ITEMS)
    prior = hazards.fitted_bell(like, ITEMS, centre=0.0)
    by_category = None if kin is None else category_priors(like, ITEMS, kin, prior)
    if by_category is None:
        return np.vstack([hazards.weights(like, prior), np.exp(prior)])
    return np.vstack([hazards.weights(like, by_category[:-1]), np.exp(by_category[-1])])


def _fit_levels(cases: Cases, found: Family, houses: int, periods: int) -> Family:
    """The level of all in each period, and each house's own against it."""
    level = (found.level @ LEVELS)[cases.house, cases.period] + found.common[cases.period]
    others = _stretch(cases, found) - level
    cell = cases.house * periods + cases.period
    like = _likelihood(cases, cell, houses * periods, others, found, LEVELS).reshape(houses, periods, -1)
    apart = np.hypot(found.shared, found.walk * np.sqrt(13.0)) if found.shared or found.walk else 0.2
    common = common_level(like, LEVELS, float(apart))
    common = common - np.average(common, weights=np.bincount(cases.period, cases.weight, periods))
    drift = own_levels(_moved(like, common), LEVELS)
    return found.changed(
        level=drift.weight, common=np.append(common, common[-1]), walk=drift.walk, shared=drift.shared
    )


def _moved(like: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Log likelihoods [houses × periods × points] of levels against the common one [periods]."""
    at = np.clip((LEVELS[None, :] + common[:, None] - LEVELS[0]) / STEP, 0, len(LEVELS) - 1)
    below = np.minimum(at.astype(np.int64), len(LEVELS) - 2)
    part, rows = at - below, np.arange(len(common))[:, None]
    moved: np.ndarray = (1 - part) * like[:, rows, below] + part * like[:, rows, below + 1]
    return moved


def _fit_beta(cases: Cases, found: Family, news: np.ndarray, houses: int) -> np.ndarray:
    """What stated dates tell, by house and, last, of one not known.

    Judged by how the dates of one pair differ, since what differs between pairs is in their items' stretches. How often
    which value is so is learned from all houses.
    """
    others = _stretch(cases, found) - found.beta[cases.house] * news
    like = np.hstack(
        [_likelihood(cases, cases.house, houses, others + b * news, found, np.zeros(1)) for b in BETAS]
    )
    telling = np.ptp(like, axis=1) > 0.1
    prior = np.full(len(BETAS), 1.0 / len(BETAS))
    for _ in range(20):
        weight = hazards.weights(like, np.log(prior))
        prior = (weight[telling].sum(axis=0) + 0.2) / (telling.sum() + 0.2 * len(BETAS))
    found_beta: np.ndarray = np.append(hazards.weights(like, np.log(prior)) @ BETAS, prior @ BETAS)
    return found_beta


@kernel("void(float64[:, ::1], float64[:, ::1], int64[:], float64[:, ::1])", allocates=False)
def _spread(weight: np.ndarray, effect: np.ndarray, taken: np.ndarray, total: np.ndarray) -> None:
    for row in range(weight.shape[0]):
        for i in taken:
            by = effect[row, i]
            if by > 0.0:
                for k in range(weight.shape[1]):
                    total[row, i + k] += by * weight[row, k]


def combined(*effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [rows × points] of the sums of independent stretches [rows × points each], and the points, as factors."""
    weight = np.ascontiguousarray(effects[0])
    for effect in effects[1:]:
        total = np.zeros((len(weight), weight.shape[1] + effect.shape[1] - 1))
        taken = np.flatnonzero(effect.max(axis=0, initial=0.0) > _LIGHT)
        _spread(weight, np.ascontiguousarray(effect), taken, total)
        weight = total
    weight = np.where(weight < _LIGHT, 0.0, weight)
    weight /= weight.sum(axis=1, keepdims=True)
    half = weight.shape[1] // 2
    return weight, np.exp(np.arange(-half, half + 1) * STEP)
