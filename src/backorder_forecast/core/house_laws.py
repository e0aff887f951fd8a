"""Each supplier's law: the law of all at its pace and spread, mixed over what these may be, then corrected day by day
by its own counts.

Durations are counted at several possible stretches (expectation and maximisation, Dempster, Laird, Rubin 1977), or the
laws would hold the doubt about these twice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import hazards
from .categories import category_priors
from .family import Cases, Family, combined, doubt, stretch

_BINS, _REACH = 25.0, 20  # the law of all: bins to one typical lead time, and typical lead times tabulated
SCALES = np.exp(np.arange(np.log(0.5), np.log(500.0), 0.12))  # days that suppliers typically take
POWERS = np.exp(np.linspace(-0.7, 0.7, 8))  # their spread: the law of all, squeezed or stretched in log time
_SCALE, _POWER = (x.ravel() for x in np.meshgrid(SCALES, POWERS, indexing="ij"))
_NODES, _SHARES = np.array([-np.sqrt(3.0), 0.0, np.sqrt(3.0)]), np.array([1.0, 4.0, 1.0]) / 6.0
_TINY = 1e-300
_LIGHT = 1e-3  # weights below count as none where the search begins


def fit_houses(
    cases: Cases, found: Family, edges: int, kin: np.ndarray | None, learn: bool = True
) -> Family:
    """Laws of each house and of one not known, given how durations are stretched; and paces and spreads, better than
    those that `found` has; `learn`: also what holds for all houses, which is otherwise as `found` has it."""
    by, about = stretch(cases, found), doubt(cases, found)
    risk, events = _count(cases, cases.house, by, about, np.ones(len(cases)), 1.0, (len(found.pace), edges - 1))
    population = found.population
    if learn:
        typical = by + np.log(found.pace[cases.house])
        population = replace(population, law=_law_of_all(cases, typical, about, found.spread[cases.house]))
    laws = hazards.stretched(population.law, _SCALE, _POWER, _BINS, edges)
    like = hazards.log_likelihood(risk, events, laws)
    if learn:
        pace, spread = _priors(like)
        population = replace(population, pace=pace, spread=spread)
    prior, of_unknown = _prior(like, population.pace, population.spread, kin)
    weight = hazards.weights(like, prior)
    expected = _hazards(weight, of_unknown, laws)
    if learn:
        population = replace(population, strength=hazards.strength(risk, events, expected[:-1]))
    expected[:-1] = hazards.shrunk(risk, events, expected[:-1], population.strength)
    return _with_laws(found, expected, weight).changed(population=population)


def _hazards(weight: np.ndarray, of_unknown: np.ndarray, laws: np.ndarray) -> np.ndarray:
    """Hazards by day of each house and of one not known, their laws mixed over pace and spread."""
    outlive = np.maximum(hazards.mixed(np.vstack([weight, np.exp(of_unknown)]), laws), _TINY)
    return np.asarray(1.0 - outlive[:, 1:] / outlive[:, :-1])


def _with_laws(found: Family, expected: np.ndarray, weight: np.ndarray) -> Family:
    return found.changed(
        laws=hazards.cumulative(expected), pace=np.exp(weight @ np.log(_SCALE)), spread=np.exp(weight @ np.log(_POWER))
    )


def begin_houses(cases: Cases, found: Family, edges: int, kin: np.ndarray | None) -> Family:
    """Laws of each house by its pace and spread alone, where nothing is known yet of its items, places and levels but
    what `found` says of unknown ones."""
    by, none = stretch(cases, found), np.zeros(len(cases))
    risk, events = _count(cases, cases.house, by, none, np.ones(len(cases)), 1.0, (len(found.pace), edges - 1))
    law, population = found.population.law, found.population
    weight, factor = combined(found.item[-1:], found.place[-1:], found.level[-1:, -1])
    seen = np.empty((len(SCALES), len(POWERS), edges))
    for i, power in enumerate(POWERS):
        blurred = hazards.blurred(law, weight[0], factor**power)
        seen[:, i] = hazards.stretched(blurred, SCALES, np.full(len(SCALES), power), _BINS, edges)
    like = hazards.log_likelihood(risk, events, seen.reshape(-1, edges))
    prior, of_unknown = _prior(like, population.pace, population.spread, kin)
    weight = hazards.weights(like, prior)
    weight[weight < _LIGHT] = 0.0
    laws = hazards.stretched(law, _SCALE, _POWER, _BINS, edges)
    return _with_laws(found, _hazards(weight, of_unknown, laws), weight)


def first_pace(cases: Cases, count: int) -> np.ndarray:
    """A geometric mean of each house's durations, ended or not: where the search begins."""
    size = np.maximum(np.bincount(cases.house, minlength=count), 1)
    pace: np.ndarray = np.exp(np.bincount(cases.house, np.log(cases.low + 1.0), count) / size)
    return pace


def _count(
    cases: Cases, group: np.ndarray, by: np.ndarray, about: np.ndarray, power: np.ndarray, bins: float,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Dense counts at three possible stretches of each duration (Gauss and Hermite), or one where none is in doubt."""
    nodes, shares = (_NODES, _SHARES) if about.max(initial=0.0) > 0.02 else (_NODES[1:2], np.ones(1))
    several = [(np.exp(by + node * about), cases.weight * share) for node, share in zip(nodes, shares, strict=True)]
    return hazards.dense_counts(
        group, cases.entry, cases.low, cases.high, cases.ended, power, bins, several, shape
    )


def _law_of_all(cases: Cases, by: np.ndarray, about: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Λ over typical lead times: every duration by its own pace and spread."""
    group, shape = np.zeros(len(cases), np.int64), (1, int(_BINS * _REACH))
    risk, events = _count(cases, group, by, about, power, _BINS, shape)
    return hazards.cumulative(hazards.smooth(risk[0], events[0]))


def _likely(like: np.ndarray) -> np.ndarray:
    """Likelihoods of each house, the largest 1 [houses × paces × spreads]."""
    return hazards.relative(like).reshape(len(like), len(SCALES), len(POWERS))


def _priors(like: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log prior weights of pace and of spread, each normal in its logarithm, fitted to all suppliers."""
    grid = _likely(like)
    of_power = hazards.bell(np.log(POWERS), 0.0, np.array(0.35))
    of_paces = np.log(np.maximum(grid @ np.exp(of_power), _TINY))
    of_scale = hazards.fitted_bell(of_paces, np.log(SCALES))
    of_spreads = np.log(np.maximum(np.exp(of_scale) @ grid, _TINY))
    return of_scale, hazards.fitted_bell(of_spreads, np.log(POWERS), centre=0.0)


def _prior(
    like: np.ndarray, pace: np.ndarray, spread: np.ndarray, kin: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Log prior weights of (pace, spread) for all suppliers or, paces around their category's, for each; and of one not
    known."""
    both = np.asarray((pace[:, None] + spread[None, :]).ravel())
    if kin is None:
        return both, both
    of_paces = np.log(np.maximum(_likely(like) @ np.exp(spread), _TINY))
    by_category = category_priors(of_paces, np.log(SCALES), kin, pace)
    if by_category is None:
        return both, both
    each = (by_category[:, :, None] + spread[None, None, :]).reshape(len(by_category), -1)
    return each[:-1], each[-1]
