"""Durations to a family of laws: laws, items, places, levels, what stated dates tell, each given the others, in turn.

What holds for all houses (the shape of the law, how much houses, items and periods differ) needs many durations of many
houses, and turns; what is a house's own needs its own durations alone, once the rest is known. So with more durations
than turns are worth, some houses, large and small, tell the former, and every house is then fitted given that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import hazards
from .categories import category_priors
from .drifts import common_level, moving_levels, own_levels
from .family import ITEMS, LEVELS, NO_KIN, STEP, WILD, Cases, Family, Kin, no_family, stretch, unstretched
from .house_laws import begin_houses, first_pace, fit_houses

BETAS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])  # how much of what a stated date differs from the usual one is true
_TURNS = 4
_ENOUGH = 30_000  # durations that tell what holds for all houses,
_HOUSES, _OF_HOUSE = 500, 1_000  # of so many houses at most, so many of each
_NEXT_TO_NONE = 1e-5  # weights of stretches that no item has
_PLENTY = 300_000  # a house's own law goes by all its durations if there are no more of all houses; if there are,
_LATE, _EARLY = 8, 200  # by those of so many last periods, and so many of before


def fit_family(
    cases: Cases, houses: int, pairs: int, lanes: int, periods: int, edges: int, slow: bool = True,
    start: Family | None = None, kin: Kin = NO_KIN,
) -> Family:  # fmt: skip
    """Fit laws, items, places, levels (if `slow` change is looked for) and what stated dates tell; from a fit to the
    same cases with other weights, where there is one, in fewer turns. kin: the categories of houses and pairs."""
    if not len(cases):
        return no_family(periods, edges)
    usual = np.zeros(pairs)
    if cases.stated.any():
        usual = _mean_by(cases.pair, cases.stated, pairs)
        news = np.clip(cases.stated - usual[cases.pair], -WILD, WILD)
        cases = replace(cases, stated=usual[cases.pair] + news)
    found = unstretched(houses, pairs, lanes, periods, edges, usual)
    if len(cases) > _ENOUGH:
        return _fit_given(cases, found, _known_from_some(cases, found, slow, kin), slow, kin)
    found = found.changed(pace=first_pace(cases, houses))
    if start is not None:
        level, common = (start.level, start.common) if slow else (found.level, found.common)
        found = replace(start, level=level, common=common)
    found = _in_turns(cases, found, slow, kin, start is not None)
    found = fit_houses(cases, found, edges, kin.house)
    return _fit_effects(cases, found, slow, kin.pair)


def _in_turns(cases: Cases, found: Family, slow: bool, kin: Kin, begun: bool = False) -> Family:
    """Everything given the rest, several times over; once, where another fit has `begun`."""
    told = cases.stated - found.usual[cases.pair]
    for turn in range(1 if begun else _TURNS):
        found = fit_houses(cases, found, found.laws.shape[1], kin.house)
        found = _fit_effects(cases, found, slow, kin.pair)
        if (turn or begun) and np.ptp(told) > 0.01:
            found = _fit_beta(cases, found, told)
    return found


def _known_from_some(cases: Cases, found: Family, slow: bool, kin: Kin) -> Family:
    """The family of some houses, evenly taken by their size, of large ones a part of the items."""
    size = np.bincount(cases.house, minlength=len(found.pace))
    most = max(_OF_HOUSE, _ENOUGH // len(size))
    every = max(-(-int(np.minimum(size, most).sum()) // _ENOUGH), -(-len(size) // _HOUSES))
    chosen = np.zeros(len(size), bool)
    chosen[np.argsort(size, kind="stable")[every // 2 :: every]] = True
    some = cases.taken(np.flatnonzero(chosen[cases.house] & _some_of_each(cases, size, most)))
    house, pair, lane = (np.unique(x, return_inverse=True) for x in (some.house, some.pair, some.lane))
    some = replace(some, house=house[1], pair=pair[1], lane=lane[1])
    begun = unstretched(
        len(house[0]), len(pair[0]), len(lane[0]), len(found.common) - 1, found.laws.shape[1], found.usual[pair[0]]
    )  # fmt: skip
    begun = begun.changed(pace=first_pace(some, len(house[0])))
    of_some = Kin(
        None if kin.house is None else kin.house[house[0]], None if kin.pair is None else kin.pair[pair[0]]
    )
    return _in_turns(some, begun, slow, of_some)


def _some_of_each(cases: Cases, size: np.ndarray, most: int) -> np.ndarray:
    """About so many durations of each house at most: all of every so-manieth item, or of one item a part."""
    of_pair = np.bincount(cases.pair)
    house = np.zeros(len(of_pair), np.int64)
    house[cases.pair] = cases.house
    order = np.argsort(house, kind="stable")
    first = np.searchsorted(house[order], np.arange(len(size)))
    rank = np.empty(len(house), np.int64)
    rank[order] = np.arange(len(house)) - first[house[order]]
    taken = rank % -(-np.maximum(size, 1) // most)[house] == 0
    kept = taken[cases.pair]
    if of_pair.max() > most:
        kept &= np.arange(len(cases)) % -(-np.maximum(of_pair, 1) // most)[cases.pair] == 0
    return kept


def _fit_given(cases: Cases, found: Family, known: Family, slow: bool, kin: Kin) -> Family:
    """Every house, item and place, given what holds for all."""
    edges, periods = found.laws.shape[1], len(found.common) - 1
    found = found.changed(
        population=known.population, common=known.common, walk=known.walk, shared=known.shared,
        item=np.vstack([found.item[:-1], known.item[-1:]]), place=np.vstack([found.place[:-1], known.place[-1:]]),
        beta=np.full(len(found.beta), known.beta[-1]), level=np.vstack([found.level[:-1], known.level[-1:]]),
    )  # fmt: skip
    many = cases
    if len(cases) > _PLENTY:
        size = np.bincount(cases.house, minlength=len(found.pace))
        early = _some_of_each(cases, size, max(_EARLY, _PLENTY // 2 // len(size)))
        many = cases.taken(np.flatnonzero(early | (cases.period >= periods - _LATE)))
    told = many.stated - found.usual[many.pair]
    found = begin_houses(many, found, edges, kin.house)
    found = _fit_effects(many, found, slow, kin.pair, learn=False)
    if np.ptp(told) > 0.01:
        # the houses that tell what holds for all may be those of which no date tells anything
        found = _fit_beta(many, found, told, learn=not len(found.population.beta))
    found = fit_houses(many, found, edges, kin.house, learn=False)
    found = found.changed(item=_fit_effect(cases, found, cases.pair, found.item, kin.pair, learn=False))
    return _fit_effects(many, found, slow, learn=False, items=False)


def _fit_effects(
    cases: Cases, found: Family, slow: bool, kin: np.ndarray | None = None, learn: bool = True, items: bool = True
) -> Family:
    """Items, places and levels, in turn."""
    if items:
        found = found.changed(item=_fit_effect(cases, found, cases.pair, found.item, kin, learn))
    if len(found.place) > len(found.laws):
        found = found.changed(place=_fit_effect(cases, found, cases.lane, found.place, learn=learn))
    return _fit_levels(cases, found, learn) if slow else found


def _mean_by(code: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    size = np.maximum(np.bincount(code, minlength=count), 1)
    mean: np.ndarray = np.bincount(code, values, count) / size
    return mean


def _likelihood(
    cases: Cases, group: np.ndarray, groups: int, by: np.ndarray, found: Family, points: np.ndarray
) -> np.ndarray:
    """Log likelihood of each group's durations, stretched besides by each point [groups × points]."""
    return hazards.scale_likelihood(
        group, groups, cases.house, cases.spans, cases.weight, by, found.laws, points, found.tables
    )


def _fit_effect(
    cases: Cases, found: Family, code: np.ndarray, weight: np.ndarray, kin: np.ndarray | None = None,
    learn: bool = True,
) -> np.ndarray:  # fmt: skip
    """Weights of the stretches of each pair (or lane) and, last, of one not known; `weight`: those so far; kin: the
    categories they belong to; `learn`: also how much they differ, which is otherwise as the last of `weight` says."""
    others = stretch(cases, found) - (weight[:-1] @ ITEMS)[code]
    if not learn and kin is None:
        near = weight[-1] > _NEXT_TO_NONE
        like = _likelihood(cases, code, len(weight) - 1, others, found, ITEMS[near])
        found_weight = np.zeros_like(weight)
        found_weight[:-1, near], found_weight[-1] = hazards.weights(like, np.log(weight[-1, near])), weight[-1]
        return found_weight
    like = _likelihood(cases, code, len(weight) - 1, others, found, ITEMS)
    prior = hazards.fitted_bell(like, ITEMS, centre=0.0) if learn else np.log(np.maximum(weight[-1], 1e-300))
    by_category = None if kin is None else category_priors(like, ITEMS, kin, prior)
    if by_category is None:
        return np.vstack([hazards.weights(like, prior), np.exp(prior)])
    return np.vstack([hazards.weights(like, by_category[:-1]), np.exp(by_category[-1])])


def _fit_levels(cases: Cases, found: Family, learn: bool) -> Family:
    """The level of all in each period, and each house's own against it; `learn`: also how much houses' levels move.
    What is known to be steady is left so."""
    if not (learn or found.walk or found.shared or found.common.any()):
        return found
    houses, periods = len(found.laws) - 1, len(found.common) - 1
    level = (found.level @ LEVELS)[cases.house, cases.period] + found.common[cases.period]
    others = stretch(cases, found) - level
    cell = cases.house * periods + cases.period
    like = _likelihood(cases, cell, houses * periods, others, found, LEVELS).reshape(houses, periods, -1)
    apart = np.hypot(found.shared, found.walk * np.sqrt(13.0)) if found.shared or found.walk else 0.2
    common = common_level(like, LEVELS, float(apart))
    common = common - np.average(common, weights=np.bincount(cases.period, cases.weight, periods))
    own = _moved(like, common)
    drift = own_levels(own, LEVELS) if learn else moving_levels(own, LEVELS, found.walk, found.shared)
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


def _fit_beta(cases: Cases, found: Family, news: np.ndarray, learn: bool = True) -> Family:
    """What stated dates tell, by house and, last, of one not known.

    Judged by how the dates of one pair differ, since what differs between pairs is in their items' stretches. `learn`:
    also how often which value is so, from all houses.
    """
    others = stretch(cases, found) - found.beta[cases.house] * news
    houses = len(found.laws) - 1
    like = np.hstack(
        [_likelihood(cases, cases.house, houses, others + b * news, found, np.zeros(1)) for b in BETAS]
    )
    shares = _shares_of(like) if learn else found.population.beta
    beta = np.append(hazards.weights(like, np.log(shares)) @ BETAS, shares @ BETAS)
    return found.changed(beta=beta, population=replace(found.population, beta=shares))


def _shares_of(like: np.ndarray) -> np.ndarray:
    """How often each value is so, among houses with log likelihoods [houses × values]."""
    telling = np.ptp(like, axis=1) > 0.1
    shares = np.full(like.shape[1], 1.0 / like.shape[1])
    for _ in range(20):
        weight = hazards.weights(like, np.log(shares))
        shares = (weight[telling].sum(axis=0) + 0.2) / (telling.sum() + 0.2 * like.shape[1])
    return shares
