"""Simulated demand of a day: which kind, at which level, how many units of each class, how long they wait."""

import math
from typing import Any

import numpy as np

from ._compile import kernel
from .chance import find_day, mix, negative_binomial, uniform, wait
from .queue_layout import APART, CHANCE, CLASS, COUNTS, KIND, LEVEL, LOST, PATIENCE, UNITS, Problem, State, Tally


@kernel(allocates=False)
def _stratum(p: Problem, key: np.uint64, k: int, index: int) -> int:
    return min(find_day(p.level_shares, uniform(key, k, index)), p.level_shares.size - 1)


@kernel(allocates=False)
def start_demand(p: Problem, s: State, i: int, sku: Any, g: int, k: int) -> None:
    """What the scenario says of the SKU's demand: which kind it is, at which level or chance."""
    s.sku[i].chance = COUNTS
    if sku.apart > 0.0 and uniform(sku.key, k, APART) < sku.apart:
        s.sku[i].chance = p.chance[g, _stratum(p, sku.key, k, CHANCE)]
        return
    level = p.levels[g, _stratum(p, sku.key, k, LEVEL)]
    log_zero = math.log1p(-sku.theta)
    for c in range(p.class_share.shape[1]):
        for w in range(7):
            size = sku.size * level * p.weekday[g, w] * p.class_share[g, c]
            s.rate[i, c, w].size = size
            s.rate[i, c, w].log_zero = size * log_zero
            s.rate[i, c, w].zero = math.exp(size * log_zero)


@kernel(allocates=False, inline=True)
def draw_demand(p: Problem, s: State, i: int, g: int, day: int, k: int) -> float:
    """Units newly ordered from SKU g on this day, by class into `s.back`, and their sum.

    Keyed by SKU, scenario, calendar day and, where classes have demand of their own, class.
    """
    sku = p.sku[g]
    if day < sku.start_day or day > sku.end_day:
        return 0.0
    w = (p.first_weekday + day - 1) % 7
    factor = p.factor[sku.profile, day]
    if s.sku[i].chance >= 0.0:
        return _draw_occurrence(p, s, i, g, day, k, s.sku[i].chance * p.weekday[g, w] * factor)
    total = 0.0
    for c in range(p.class_share.shape[1]):
        if s.rate[i, c, w].size > 0.0:
            u = uniform(mix(sku.key ^ p.class_salt[c]), k, p.first_ordinal + day - 1)
            units = sku.unit * _draw_count(s.rate[i, c, w], sku.theta, factor, u)
            s.back[i, c, day].units = units
            total += units
    return total


@kernel(allocates=False)
def _draw_count(rate: Any, theta: float, factor: float, u: float) -> float:
    """The u-quantile of the day's negative binomial; most days have no demand, which takes little to see."""
    if factor == 1.0:
        return 0.0 if u <= rate.zero else negative_binomial(rate.size, theta, u)
    log_zero = factor * rate.log_zero
    if u <= 1.0 + log_zero or u <= math.exp(log_zero):  # 1 + x never exceeds exp(x)
        return 0.0
    return negative_binomial(factor * rate.size, theta, u)


@kernel(allocates=False)
def _draw_occurrence(p: Problem, s: State, i: int, g: int, day: int, k: int, chance: float) -> float:
    """Demand of a day that has any with this chance: one size, wholly of one class."""
    sku, ordinal = p.sku[g], p.first_ordinal + day - 1
    if uniform(sku.key, k, ordinal) >= chance:
        return 0.0
    at = sku.size_from + find_day(p.size_cum[sku.size_from : sku.size_to], uniform(sku.key, k, UNITS - ordinal))
    units = sku.unit * p.size_value[min(at, sku.size_to - 1)]
    c, left = 0, uniform(sku.key, k, CLASS - ordinal) - p.class_share[g, 0]
    while left > 0.0 and c < p.class_share.shape[1] - 1:
        c += 1
        left -= p.class_share[g, c]
    s.back[i, c, day].units = units
    return units


@kernel(allocates=False)
def split_into_kinds(p: Problem, s: State, i: int, g: int, day: int, k: int) -> None:
    """Divide the day's units among the kinds of lines, by their shares: systematic sampling with one draw.

    The sum is what it was, so every rule meets the same demand; each kind has its share in the mean, and on each day
    the units nearest to it: floor(N·S + u) of N units up to the cumulative share S (Madow 1949).
    """
    units = 0.0
    for c in range(p.class_share.shape[1]):
        units += s.back[i, c, day].units
        s.back[i, c, day].units = 0.0
    sku = p.sku[g]
    u = uniform(sku.key, k, KIND - p.first_ordinal - day)
    before = 0.0
    for c in range(p.kind_cum.shape[1]):
        upto = min(math.floor(units / sku.unit * p.kind_cum[g, c] + u) * sku.unit, units)
        if c == p.kind_cum.shape[1] - 1:
            upto = units
        s.back[i, c, day].units = upto - before
        before = upto


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
        out = min(drop, s.back[i, c, day].units)
        s.back[i, c, day].units -= out
        s.sku[i].wait -= out
        drop -= out
        if t.ledger.shape[0] > 0:
            t.ledger[g, k, 2] += out


@kernel(allocates=False)
def future_patience(p: Problem, s: State, i: int, g: int, day: int, k: int) -> None:
    """Those of today's simulated customers who now wait get the day on which they will have had enough."""
    key = p.sku[g].key
    for c in range(s.back.shape[1]):
        if s.back[i, c, day].units > 0.0 and p.patience[c, p.horizon + 1] > 0.0:
            u = uniform(mix(key ^ p.class_salt[c]), k, PATIENCE - p.first_ordinal - day)
            leaves = day + wait(p.patience[c], 0, u, p.horizon + 1)
            if leaves <= p.horizon:
                node = c * (p.horizon + 2) + day
                s.back[i, c, day].cancel_next = s.day[i, leaves].back_cancel
                s.day[i, leaves].back_cancel = node
