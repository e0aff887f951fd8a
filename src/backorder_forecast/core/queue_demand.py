"""Simulated demand of the scenarios: which kind, at which level, how many units of each class on which days.

Whether a day has demand is one draw against one limit; most days have none. An SKU's scenarios are drawn stratum by
stratum: limits of all days are worked out once for each, and the draws of 64 days are made side by side. What a day
with demand has, is looked up in its cumulative probabilities, which are tabled as far as any draw has needed them.
What comes is listed day after day.
"""

import math
from typing import Any

import numpy as np

from ._compile import kernel
from .chance import count_from, draw, find_day, limit_above, limit_below, mix, negative_binomial, scenario_key, to_unit
from .day_sets import SMALL, count_above, lowest, marked
from .queue_layout import APART, CHANCE, CLASS, COUNTS_TABLED, LEVEL, UNITS, Problem, State

_ALL, _NONE, _ONE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), np.uint64(1)
_STEP = np.uint64(0xD1342543DE82EF95)
_UNKNOWN = 2.0  # in place of a probability
_LOG_TINY = -600.0  # as in `chance.negative_binomial`


@kernel(allocates=False, inline=True)
def batch_size(p: Problem, s: State, n: int) -> int:
    """For how many scenarios a component of n SKUs is drawn ahead."""
    return min(max(s.room[0] // n, 1), p.scenarios)


@kernel(allocates=False)
def draw_ahead(p: Problem, s: State, c: int, k: int) -> None:
    """The demand of a component's SKUs in scenarios k… as many as there is room for: into `s.demand`, beginning at
    `s.drawn`."""
    g0, g1 = p.component[c].sku, p.component[c + 1].sku
    s.room[1] = s.room[2] = 0
    last = min(k + batch_size(p, s, g1 - g0), p.scenarios)
    for g in range(g0, g1):
        draw_sku(p, s, g - g0, g, g1 - g0, k, last)


@kernel(allocates=False)
def draw_sku(p: Problem, s: State, i: int, g: int, n: int, k: int, last: int) -> None:
    """The demand of SKU g, the i-th of n, in scenarios k…last − 1."""
    strata = p.level_shares.size
    _part_scenarios(p, s, g, k, last)
    for m in range(2 * strata):
        b = s.first_alike[m]
        if b >= 0 and m < strata:
            _table_counts(p, s, i, g, m)
        elif b >= 0:
            _table_occurrence(p, s, g, m - strata)
        while b >= 0:
            s.drawn[b * n + i] = s.room[1]
            if m < strata:
                _draw_counts(p, s, i, g, k + b)
            else:
                _draw_occurrence(p, s, i, g, k + b)
            s.demand[s.room[1]].day = 64 * s.came.shape[1]
            s.room[1] += 1
            b = s.alike[b]


@kernel(allocates=False)
def _part_scenarios(p: Problem, s: State, g: int, k: int, last: int) -> None:
    """Link the scenarios of each stratum, in their order."""
    sku, strata = p.sku[g], p.level_shares.size
    for m in range(2 * strata):
        s.first_alike[m] = -1
    for b in range(last - k - 1, -1, -1):
        key = scenario_key(sku.key, k + b)
        apart = sku.apart > 0.0 and draw(key, APART) < sku.apart
        m = min(find_day(p.level_shares, draw(key, CHANCE if apart else LEVEL)), strata - 1)
        m += strata if apart else 0
        s.alike[b] = s.first_alike[m]
        s.first_alike[m] = b


@kernel(allocates=False)
def _table_counts(p: Problem, s: State, i: int, g: int, m: int) -> None:
    """From which draw on each day has demand, in a stratum of levels."""
    sku = p.sku[g]
    log_one = math.log1p(-sku.theta)
    for c in range(p.class_share.shape[1]):
        s.class_key[i, c] = mix(sku.key ^ p.class_salt[c])
        for day in range(s.limit.shape[1]):
            s.limit[c, day] = _ALL
        for day in range(max(1, sku.start_day), min(p.horizon, sku.end_day) + 1):
            size = sku.size * p.levels[g, m] * p.weekday[g, (p.first_weekday + day - 1) % 7] * p.class_share[g, c]
            size *= p.factor[sku.profile, day]
            zero = math.exp(size * log_one)
            if size > 0.0:
                s.limit[c, day] = limit_above(zero)
            s.rate[c, day].size = size
            s.cum[c, day, 0] = zero if size > 0.0 and size * log_one >= _LOG_TINY else _UNKNOWN
            for n in range(1, COUNTS_TABLED + 1):
                s.cum[c, day, n] = _UNKNOWN


@kernel(allocates=False)
def _table_occurrence(p: Problem, s: State, g: int, m: int) -> None:
    """The same in a stratum of chances; draws are turned round, so that demand is above the limit, too."""
    sku = p.sku[g]
    for day in range(s.limit.shape[1]):
        s.limit[0, day] = _ALL
    for day in range(max(1, sku.start_day), min(p.horizon, sku.end_day) + 1):
        s.limit[0, day] = limit_below(_chance(p, sku, g, m, day))


@kernel(allocates=False)
def _chance(p: Problem, sku: Any, g: int, m: int, day: int) -> float:
    return p.chance[g, m] * p.weekday[g, (p.first_weekday + day - 1) % 7] * p.factor[sku.profile, day]


@kernel(allocates=False, inline=True)
def _find_days(
    came: np.ndarray, bits: np.ndarray, limit: np.ndarray, key: np.uint64, first_ordinal: int, turn: np.uint64
) -> None:  # fmt: skip
    """Days whose draw reaches their limit: draws of 64 days side by side."""
    for at in range(came.size):
        word = _NONE
        origin = key + np.uint64(first_ordinal + 64 * at) * _STEP
        some, drawn = limit[64 * at : 64 * at + 64], bits[64 * at : 64 * at + 64]
        for bit in range(64):
            drawn[bit] = mix(origin + np.uint64(bit) * _STEP) ^ turn
            word |= np.uint64(drawn[bit] >= some[bit]) << np.uint64(bit)
        came[at] = word


@kernel(allocates=False)
def _draw_counts(p: Problem, s: State, i: int, g: int, k: int) -> None:
    """Days that have demand, and how many units of each class."""
    unit, theta, classes = p.sku[g].unit, p.sku[g].theta, p.class_share.shape[1]
    for c in range(classes):
        _find_days(s.came[c], s.bits[c], s.limit[c], scenario_key(s.class_key[i, c], k), p.first_ordinal, _NONE)
    row = s.room[1]
    for at in range(s.came.shape[1]):
        word = s.came[0, at]
        for c in range(1, classes):
            word |= s.came[c, at]
        while word != _NONE:
            day = (64 * at + lowest(word)) & SMALL
            word &= word - _ONE
            if classes == 1:
                units, of = unit * _count(s, 0, day, theta), 0
            else:
                units, of = _of_classes(s, day, unit, theta)
            if units > 0.0:
                _list(s, i, row, day, units, of)
                row += 1
    s.room[1] = row


@kernel(allocates=False, inline=True)
def _list(s: State, i: int, row: int, day: int, units: float, of: int) -> None:
    s.demand[row].units, s.demand[row].day, s.demand[row].of = units, day, of
    s.day_units[i, day] += units


@kernel(allocates=False)
def _of_classes(s: State, day: int, unit: float, theta: float) -> tuple[float, int]:
    """A day's units of all classes together, and of which they are."""
    row, total, of, several = s.room[2], 0.0, 0, 0
    for c in range(s.came.shape[0]):
        s.split[row, c] = unit * _count(s, c, day, theta) if marked(s.came[c], day) else 0.0
        if s.split[row, c] > 0.0:
            total, of, several = total + s.split[row, c], c, several + 1
    if several > 1:
        of, s.room[2] = -1 - row, row + 1
    return total, of


@kernel(allocates=False, inline=True)
def _count(s: State, c: int, day: int, theta: float) -> float:
    """The u-quantile of the day's negative binomial: what :func:`.chance.negative_binomial` says, step by step, from
    probabilities that are kept."""
    u = to_unit(s.bits[c, day])
    n = count_above(s.cum[c, day], u)  # the last entry is above every draw
    return float(n) if s.cum[c, day, n] < _UNKNOWN else _count_on(s, c, day, theta, u)


@kernel(allocates=False)
def _count_on(s: State, c: int, day: int, theta: float, u: float) -> float:
    """The same where the day's table is not made yet, and beyond it."""
    size, cum = s.rate[c, day].size, s.cum[c, day]
    if cum[0] == _UNKNOWN:
        return negative_binomial(size, theta, u)
    if cum[1] == _UNKNOWN:
        s.rate[c, day].p = _table_day(cum, size, theta)
    if u <= cum[COUNTS_TABLED - 1]:
        n = 0
        while u > cum[n]:
            n += 1
        return float(n)
    return count_from(COUNTS_TABLED - 1.0, s.rate[c, day].p, cum[COUNTS_TABLED - 1], size, theta, u)


@kernel(allocates=False)
def _table_day(cum: np.ndarray, size: float, theta: float) -> float:
    """The first cumulative probabilities of a day's counts, from that of none; returns that of the last count."""
    mean, p, total = size * theta / (1.0 - theta), cum[0], cum[0]
    for n in range(COUNTS_TABLED - 1):
        p *= theta * (n + size) / (n + 1.0)
        total += p
        # whatever the draw, the count goes no further; no draw is above 1
        cum[n + 1] = total if total < 1.0 and (p >= 1e-17 or n + 1.0 <= mean) else 1.0
    return p


@kernel(allocates=False)
def _draw_occurrence(p: Problem, s: State, i: int, g: int, k: int) -> None:
    """Days that have demand with some chance: of one size, wholly of one class."""
    sku, row = p.sku[g], s.room[1]
    key = scenario_key(sku.key, k)
    _find_days(s.came[0], s.bits[0], s.limit[0], key, p.first_ordinal, _ALL)
    sizes, values = p.size_cum[sku.size_from : sku.size_to], p.size_value[sku.size_from : sku.size_to]
    for at in range(s.came.shape[1]):
        word = s.came[0, at]
        while word != _NONE:
            day = (64 * at + lowest(word)) & SMALL
            word &= word - _ONE
            ordinal = p.first_ordinal + day - 1
            units = sku.unit * values[min(find_day(sizes, draw(key, UNITS - ordinal)), values.size - 1)]
            if units > 0.0 and s.limit[0, day] != _ALL:
                of = _class_of(p, g, draw(key, CLASS - ordinal)) if p.class_share.shape[1] > 1 else 0
                _list(s, i, row, day, units, of)
                row += 1
    s.room[1] = row


@kernel(allocates=False)
def _class_of(p: Problem, g: int, u: float) -> int:
    c, left = 0, u - p.class_share[g, 0]
    while left > 0.0 and c < p.class_share.shape[1] - 1:
        c += 1
        left -= p.class_share[g, c]
    return c
