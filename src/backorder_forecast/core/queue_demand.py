"""Simulated demand of a scenario: which kind, at which level, how many units of each class on which days, how long they
wait.

Whether a day has demand is one draw against one limit; most days have none. Limits of all days are worked out once for
each stratum of an SKU's demand, and the draws of 64 days are made side by side. What a day with demand has, is looked
up in its cumulative probabilities, which are tabled as far as any draw has needed them.
"""

import math
from typing import Any

import numpy as np

from ._compile import kernel
from .chance import (
    count_from,
    draw,
    find_day,
    limit_above,
    limit_below,
    mix,
    negative_binomial,
    scenario_key,
    uniform,
    wait,
)
from .day_sets import SMALL, clear, lowest, mark, marked, next_marked, unmark
from .queue_layout import (
    APART,
    CHANCE,
    CLASS,
    COUNTS_TABLED,
    KIND,
    LEVEL,
    LOST,
    PATIENCE,
    UNITS,
    Problem,
    State,
    Tally,
)  # fmt: skip

_ALL, _NONE, _ONE = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), np.uint64(1)
_STEP = np.uint64(0xD1342543DE82EF95)
_UNKNOWN = 2.0  # in place of a probability


@kernel(allocates=False, inline=True)
def draw_scenario(p: Problem, s: State, i: int, g: int, k: int) -> None:
    """All simulated demand of SKU g in a scenario: days into `s.came`, units by class and day into `s.back`."""
    sku, strata = p.sku[g], p.level_shares.size
    for c in range(p.class_share.shape[1]):
        clear(s.came[i, c])
    apart = sku.apart > 0.0 and uniform(sku.key, k, APART) < sku.apart
    m = min(find_day(p.level_shares, uniform(sku.key, k, CHANCE if apart else LEVEL)), strata - 1)
    if apart:
        if s.tabled[strata + m] == 0:
            _table_occurrence(p, s, sku, g, m)
        _draw_occurrence(p, s, i, sku, g, m, k)
        return
    if s.tabled[m] == 0:
        _table_counts(p, s, sku, g, m)
    for c in range(p.class_share.shape[1]):
        _draw_counts(p, s, i, sku, c, m, k, mix(sku.key ^ p.class_salt[c]))


@kernel(allocates=False)
def draw_ahead(p: Problem, s: State, c: int, k: int) -> None:
    """The demand of a component's SKUs in scenarios k… as many as there is room for, SKU by SKU, so that each one's
    tables are made once for all of them."""
    last = min(k + s.ahead_came.shape[0], p.scenarios)
    for g in range(p.component[c].sku, p.component[c + 1].sku):
        i = g - p.component[c].sku
        s.tabled[:] = 0
        for b in range(last - k):
            draw_scenario(p, s, i, g, k + b)
            for of in range(p.class_share.shape[1]):
                _copy(s.came[i, of], s.ahead_came[b, i, of])
                n, day = 0, next_marked(s.came[i, of], 1)
                while day <= p.horizon:
                    s.ahead_units[b, i, of, n] = s.back[i, of, day]
                    n, day = n + 1, next_marked(s.came[i, of], day + 1)


@kernel(allocates=False)
def take_drawn(p: Problem, s: State, i: int, b: int) -> None:
    """An SKU's demand in one of the scenarios drawn ahead, as :func:`draw_scenario` leaves it."""
    for of in range(p.class_share.shape[1]):
        _copy(s.ahead_came[b, i, of], s.came[i, of])
        n, day = 0, next_marked(s.came[i, of], 1)
        while day <= p.horizon:
            s.back[i, of, day] = s.ahead_units[b, i, of, n]
            n, day = n + 1, next_marked(s.came[i, of], day + 1)


@kernel(allocates=False)
def _copy(days: np.ndarray, to: np.ndarray) -> None:
    for at in range(days.size):
        to[at] = days[at]


@kernel(allocates=False)
def _table_counts(p: Problem, s: State, sku: Any, g: int, m: int) -> None:
    """From which draw on each day has demand, in a stratum of levels."""
    s.tabled[m] = 1
    log_one = math.log1p(-sku.theta)
    for c in range(p.class_share.shape[1]):
        row = m * p.class_share.shape[1] + c
        for day in range(s.limit.shape[2]):
            s.limit[m, c, day] = _ALL
        for day in range(max(1, sku.start_day), min(p.horizon, sku.end_day) + 1):
            size = sku.size * p.levels[g, m] * p.weekday[g, (p.first_weekday + day - 1) % 7] * p.class_share[g, c]
            factor = p.factor[sku.profile, day]
            log_zero = factor * (size * log_one)
            zero = math.exp(log_zero)
            if factor != 1.0:
                zero = max(zero, 1.0 + log_zero)  # as large, but for rounding
            if size > 0.0:
                s.limit[m, c, day] = limit_above(zero)
            s.rate[row, day].size = factor * size
            for n in range(COUNTS_TABLED):
                s.cum[row, day, n] = _UNKNOWN


@kernel(allocates=False)
def _table_occurrence(p: Problem, s: State, sku: Any, g: int, m: int) -> None:
    """The same in a stratum of chances; draws are turned round, so that demand is above the limit, too."""
    row = p.level_shares.size + m
    s.tabled[row] = 1
    for day in range(s.limit.shape[2]):
        s.limit[row, 0, day] = _ALL
    for day in range(max(1, sku.start_day), min(p.horizon, sku.end_day) + 1):
        s.limit[row, 0, day] = limit_below(_chance(p, sku, g, m, day))


@kernel(allocates=False)
def _chance(p: Problem, sku: Any, g: int, m: int, day: int) -> float:
    return p.chance[g, m] * p.weekday[g, (p.first_weekday + day - 1) % 7] * p.factor[sku.profile, day]


@kernel(allocates=False, inline=True)
def _find_days(came: np.ndarray, limit: np.ndarray, key: np.uint64, first_ordinal: int, turn: np.uint64) -> None:
    """Days whose draw reaches their limit: draws of 64 days side by side."""
    for at in range(came.size):
        word = _NONE
        origin = key + np.uint64(first_ordinal + 64 * at) * _STEP
        some = limit[64 * at : 64 * at + 64]
        for bit in range(64):
            word |= np.uint64((mix(origin + np.uint64(bit) * _STEP) ^ turn) >= some[bit]) << np.uint64(bit)
        came[at] = word


@kernel(allocates=False, inline=True)
def _draw_counts(p: Problem, s: State, i: int, sku: Any, c: int, m: int, k: int, key: np.uint64) -> None:
    row, came, back = m * p.class_share.shape[1] + c, s.came[i, c], s.back[i, c]
    cum = s.cum[row]
    key = scenario_key(key, k)
    _find_days(came, s.limit[m, c], key, p.first_ordinal, _NONE)
    for at in range(came.size):
        word = came[at]
        while word != _NONE:
            day = (64 * at + lowest(word)) & SMALL
            word &= word - _ONE
            units = sku.unit * _count(s, cum[day], row, day, sku.theta, draw(key, p.first_ordinal + day - 1))
            back[day] = units
            if units <= 0.0:
                unmark(came, day)


@kernel(allocates=False, inline=True)
def _count(s: State, cum: np.ndarray, row: int, day: int, theta: float, u: float) -> float:
    """The u-quantile of the day's negative binomial: what :func:`.chance.negative_binomial` says, step by step, from
    probabilities that are kept."""
    n = 0
    for m in range(COUNTS_TABLED):
        n += 1 if u > cum[m] else 0
    return float(n) if n < COUNTS_TABLED and cum[n] < _UNKNOWN else _count_on(s, row, day, theta, u)


@kernel(allocates=False)
def _count_on(s: State, row: int, day: int, theta: float, u: float) -> float:
    """The same where the day's table is not made yet, and beyond it."""
    size, cum = s.rate[row, day].size, s.cum[row, day]
    log_zero = size * math.log1p(-theta)
    if log_zero < -600.0 or theta <= 0.0 or size <= 0.0:
        return negative_binomial(size, theta, u)
    if cum[0] == _UNKNOWN:
        s.rate[row, day].p = _table_day(cum, size, theta, math.exp(log_zero))
    if u <= cum[COUNTS_TABLED - 1]:
        n = 0
        while u > cum[n]:
            n += 1
        return float(n)
    return count_from(COUNTS_TABLED - 1.0, s.rate[row, day].p, cum[COUNTS_TABLED - 1], size, theta, u)


@kernel(allocates=False)
def _table_day(cum: np.ndarray, size: float, theta: float, p: float) -> float:
    """The first cumulative probabilities of a day's counts; returns the probability of the last count."""
    mean, total = size * theta / (1.0 - theta), p
    cum[0] = total
    for n in range(COUNTS_TABLED - 1):
        p *= theta * (n + size) / (n + 1.0)
        total += p
        # whatever the draw, the count goes no further; no draw is above 1
        cum[n + 1] = total if total < 1.0 and (p >= 1e-17 or n + 1.0 <= mean) else 1.0
    return p


@kernel(allocates=False, inline=True)
def _draw_occurrence(p: Problem, s: State, i: int, sku: Any, g: int, m: int, k: int) -> None:
    """Days that have demand with some chance: of one size, wholly of one class."""
    key, came, limit = scenario_key(sku.key, k), s.came[i, 0], s.limit[p.level_shares.size + m, 0]
    _find_days(came, limit, key, p.first_ordinal, _ALL)
    sizes, values = p.size_cum[sku.size_from : sku.size_to], p.size_value[sku.size_from : sku.size_to]
    day = next_marked(came, 1)
    while day <= p.horizon:
        ordinal, c = p.first_ordinal + day - 1, 0
        units = sku.unit * values[min(find_day(sizes, draw(key, UNITS - ordinal)), values.size - 1)]
        if p.class_share.shape[1] > 1:
            c = _class_of(p, g, draw(key, CLASS - ordinal))
        if units <= 0.0 or limit[day] == _ALL:
            unmark(came, day)
        elif c > 0:
            unmark(came, day)
            mark(s.came[i, c], day)
        s.back[i, c, day] = units
        day = next_marked(came, day + 1)


@kernel(allocates=False)
def _class_of(p: Problem, g: int, u: float) -> int:
    c, left = 0, u - p.class_share[g, 0]
    while left > 0.0 and c < p.class_share.shape[1] - 1:
        c += 1
        left -= p.class_share[g, c]
    return c


@kernel(allocates=False, inline=True)
def demand_of(p: Problem, s: State, i: int, day: int) -> float:
    """Units of simulated demand that come on a day."""
    units = 0.0
    for c in range(p.class_share.shape[1]):
        if marked(s.came[i, c], day):
            units += s.back[i, c, day]
    return units


@kernel(allocates=False, inline=True)
def join_queue(p: Problem, s: State, i: int, g: int, day: int, k: int) -> float:
    """The day's simulated demand joins those who wait; returns its units."""
    new = demand_of(p, s, i, day)
    if new > 0.0 and p.kind_cum.shape[1] > 0:
        _split_into_kinds(p, s, i, g, day, k, new)
    elif new > 0.0:
        for c in range(p.class_share.shape[1]):
            if marked(s.came[i, c], day):
                s.sku[i].wait += s.back[i, c, day]
                mark(s.waits[i, c], day)
    return new


@kernel(allocates=False, inline=True)
def _split_into_kinds(p: Problem, s: State, i: int, g: int, day: int, k: int, units: float) -> None:
    """Divide the day's units among the kinds of lines, by their shares: systematic sampling with one draw.

    The sum is what it was, so every rule meets the same demand; each kind has its share in the mean, and on each day
    the units nearest to it: floor(N·S + u) of N units up to the cumulative share S (Madow 1949).
    """
    sku = p.sku[g]
    u = uniform(sku.key, k, KIND - p.first_ordinal - day)
    before = 0.0
    for c in range(p.kind_cum.shape[1]):
        upto = min(math.floor(units / sku.unit * p.kind_cum[g, c] + u) * sku.unit, units)
        if c == p.kind_cum.shape[1] - 1:
            upto = units
        if upto > before:
            s.back[i, c, day] = upto - before
            s.sku[i].wait += upto - before
            mark(s.waits[i, c], day)
        before = upto


@kernel(allocates=False, inline=True)
def waiting_of(s: State, i: int, day: int) -> float:
    """Units of a day's simulated demand that still wait."""
    units = 0.0
    for c in range(s.back.shape[1]):
        if marked(s.waits[i, c], day):
            units += s.back[i, c, day]
    return units


@kernel(allocates=False, inline=True)
def take_out(s: State, i: int, c: int, day: int, units: float) -> None:
    """Units of a day's simulated demand that wait no longer."""
    s.sku[i].wait -= units
    s.back[i, c, day] -= units
    if s.back[i, c, day] <= 0.0:
        unmark(s.waits[i, c], day)


@kernel(allocates=False)
def lose(p: Problem, s: State, t: Tally, i: int, g: int, day: int, k: int, unmet: float) -> None:
    """Unmet demand that does not wait is taken out again, the last classes first."""
    sku = p.sku[g]
    keep = sku.queue_share * unmet / sku.unit
    whole = math.floor(keep)
    if uniform(sku.key, k, LOST - p.first_ordinal - day) < keep - whole:
        whole += 1.0
    drop = unmet - whole * sku.unit
    for c in range(s.back.shape[1] - 1, -1, -1):
        if marked(s.waits[i, c], day):
            out = min(drop, s.back[i, c, day])
            take_out(s, i, c, day, out)
            drop -= out
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 2] += out


@kernel(allocates=False, inline=True)
def future_patience(p: Problem, s: State, i: int, g: int, day: int, k: int) -> None:
    """Those of today's simulated customers who now wait get the day on which they will have had enough."""
    for c in range(s.back.shape[1]):
        if marked(s.waits[i, c], day) and p.patience[c, p.horizon + 1] > 0.0:
            u = uniform(mix(p.sku[g].key ^ p.class_salt[c]), k, PATIENCE - p.first_ordinal - day)
            if u < s.stay[c, p.horizon - day]:
                continue  # they stay beyond the horizon, which takes no logarithm to see
            leaves = day + wait(p.patience[c], 0, u, p.horizon + 1)
            if leaves <= p.horizon:
                s.leave[i, c, day] = s.day[i, leaves].back_cancel
                s.day[i, leaves].back_cancel = c * (p.horizon + 2) + day
                mark(s.visit[i], leaves)
                mark(s.dated[i], leaves)
