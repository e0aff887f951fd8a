"""A family of laws: one law for each supplier (house), stretched by item (pair), by the place it goes to (lane), by
when it was ordered and by what was stated.

A duration divided by exp(item + place + common level + own level + β · stated) follows its house's law. What is not
known for sure of a stretch is kept as weights on a grid, not as a best guess: laws are mixed over it. How all that is
learned: `family_fit`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from . import hazards
from ._compile import kernel

PERIOD = 28  # days of ordering that share a level
STEP = 0.1
ITEMS = np.arange(-12, 13) * STEP  # logarithm of an item's lead times against its supplier's
LEVELS = np.arange(-10, 11) * STEP  # of those ordered in a period against the typical ones
WILD = 1.5  # what a stated date may tell at most, in logarithm
_LIGHT = 1e-4  # weights below count as none


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

    def taken(self, rows: np.ndarray | slice) -> Cases:
        """Some of them."""
        return Cases(*(np.ascontiguousarray(getattr(self, x.name)[rows]) for x in fields(self)))


@dataclass(frozen=True)
class Kin:
    """The category of each house and of each pair, -1: none known; None: there are none to tell apart."""

    house: np.ndarray | None = None
    pair: np.ndarray | None = None


NO_KIN = Kin()


@dataclass(frozen=True)
class Population:
    """What holds for all houses beside what is in `Family`, learned from some of them.

    law: Λ over typical lead times, of every duration by its house's pace and spread; pace, spread: log prior weights of
    these on their grids; strength: how much each house's own counts have to say against it; beta: how often which value
    of `Family.beta` is so.
    """

    law: np.ndarray
    pace: np.ndarray
    spread: np.ndarray
    strength: float
    beta: np.ndarray


UNKNOWN = Population(np.zeros(0), np.zeros(0), np.zeros(0), 0.0, np.zeros(0))


@dataclass(frozen=True)
class Family:
    """Fitted laws.

    laws: Λ of each house and, last, of one not known [houses + 1 × edges]; item, place: weights of ITEMS of each pair
    and of each lane and, last, of one not known [pairs + 1 × points], [lanes + 1 × points]; level: weights of LEVELS of
    each house, the last not known, in each period, the last the one to come [houses + 1 × periods + 1 × points];
    common: level of each period, the last the one to come [periods + 1], in logarithm; beta: what stated dates tell, by
    house [houses + 1]; usual: the stated days of each pair against the house's usual ones, in logarithm [pairs]; pace,
    spread: of each house [houses]; walk, shared: standard deviations of the levels; population: what holds for all.
    """

    laws: np.ndarray
    item: np.ndarray
    place: np.ndarray
    level: np.ndarray
    common: np.ndarray
    beta: np.ndarray
    usual: np.ndarray
    pace: np.ndarray
    spread: np.ndarray
    walk: float = 0.0
    shared: float = 0.0
    population: Population = UNKNOWN

    @cached_property
    def tables(self) -> hazards.Tables:
        """The laws as the likelihood wants them."""
        return hazards.Tables(self.laws)

    @cached_property
    def longer(self) -> np.ndarray:
        """P(longer) under the laws, at their edges."""
        return np.exp(-self.laws)

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
    still, no_house = np.zeros(periods + 1), np.zeros(0)
    laws = np.zeros((1, edges))
    return Family(laws, item, _none(ITEMS)[None], level, still, np.zeros(1), np.zeros(0), no_house, no_house)


def _none(points: np.ndarray) -> np.ndarray:
    """Weights of no stretch at all."""
    return (np.abs(points) < STEP / 2).astype(float)


def unstretched(houses: int, pairs: int, lanes: int, periods: int, edges: int, usual: np.ndarray) -> Family:
    """Before anything is learned: laws of nothing, and no duration stretched."""
    none = no_family(periods, edges)
    return Family(
        np.zeros((houses + 1, edges)), np.tile(_none(ITEMS), (pairs + 1, 1)), np.tile(_none(ITEMS), (lanes + 1, 1)),
        np.tile(none.level, (houses + 1, 1, 1)), np.zeros(periods + 1), np.zeros(houses + 1), usual,
        np.ones(houses), np.ones(houses),
    )  # fmt: skip


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


def stretch(cases: Cases, found: Family) -> np.ndarray:
    """Logarithm of what each duration is stretched by."""
    return _added(
        cases, found.item @ ITEMS, found.place @ ITEMS, found.level @ LEVELS, found.common, found.beta
    )


def doubt(cases: Cases, found: Family) -> np.ndarray:
    """The standard deviation of the doubt about what each duration is stretched by."""
    item, place = (_moments(x, ITEMS)[1] for x in (found.item, found.place))
    level = _moments(found.level, LEVELS)[1]
    return np.sqrt(_added(cases, item, place, level, np.zeros(len(found.common)), np.zeros(len(found.beta))))


@kernel("void(float64[:, ::1], float64[:, ::1], int64[:], float64, float64[:, ::1])", allocates=False)
def _spread(weight: np.ndarray, effect: np.ndarray, taken: np.ndarray, light: float, total: np.ndarray) -> None:
    for row in range(weight.shape[0]):
        for i in taken:
            by = effect[row, i]
            if by > light:
                for k in range(weight.shape[1]):
                    total[row, i + k] += by * weight[row, k]


def combined(*effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [rows × points] of the sums of independent stretches [rows × points each], and the points, as factors."""
    weight = np.ascontiguousarray(effects[0])
    for effect in effects[1:]:
        total = np.zeros((len(weight), weight.shape[1] + effect.shape[1] - 1))
        taken = np.flatnonzero(effect.max(axis=0, initial=0.0) > _LIGHT)
        _spread(weight, np.ascontiguousarray(effect), taken, _LIGHT, total)
        weight = total
    weight = np.where(weight < _LIGHT, 0.0, weight)
    weight /= weight.sum(axis=1, keepdims=True)
    half = weight.shape[1] // 2
    return weight, np.exp(np.arange(-half, half + 1) * STEP)
