"""Demand that stock-outs hid, filled in by expectation and maximisation: passes over the censored periods of each item.

What is expected of a censored period depends on the level, and the level on what is expected: every pass takes a few
steps of the two in turn, item by item, so that an item's periods stay at hand. All arrays are sorted by item.
"""

import math

import numpy as np

from ._compile import kernel

_FEW = 256.0  # counts that are added up from zero, at most
_MOSTLY = 0.999  # chance of less than was sold beyond which the counts above are added up instead


@kernel("UniTuple(float64, 2)(float64, float64, float64)")
def expected_beyond(seen: float, mean: float, ratio: float) -> tuple[float, float]:
    """E[Y | Y ≥ seen] and E[Y² | Y ≥ seen] of a negative binomial; ratio: variance over mean, above 1.

    What is below is taken from the whole where that is little work; else probabilities above are added up relative to
    that of the first count, so none underflows.
    """
    m, r, low = max(mean, 1e-12), ratio, max(0.0, math.ceil(seen - 1e-9))
    if low < m - 9.0 * math.sqrt(m * r) or low <= 0.0:  # hardly any count is below
        return m, m * r + m * m
    theta, size = 1.0 - 1.0 / r, m / (r - 1.0)
    below, once, twice, x = 0.0, 0.0, 0.0, 0.0
    p = math.exp(-size * math.log(r)) if low <= _FEW else 0.0
    while x < low and p > 0.0:
        below += p
        once += p * x
        twice += p * x * x
        p *= theta * (x + size) / (x + 1.0)
        x += 1.0
    if x == low and below < _MOSTLY:
        return (m - once) / (1.0 - below), (m * r + m * m - twice) / (1.0 - below)
    p, total, once, twice, x = 1.0, 0.0, 0.0, 0.0, low
    while True:
        total += p
        once += p * x
        twice += p * x * x
        p *= theta * (x + size) / (x + 1.0)
        x += 1.0
        if x > m and p < 1e-10 * total:
            break
    return once / total, twice / total


@kernel("void(float64[::1], float64, float64[::1])")
def both_sides(values: np.ndarray, decay: float, out: np.ndarray) -> None:
    """Sums of values [periods] around each period, weighing decay^(periods away), before and after: out [periods]."""
    total = 0.0
    for a in range(values.size):
        total = decay * total + values[a]
        out[a] = total
    total = 0.0
    for a in range(values.size - 1, -1, -1):
        out[a] += decay * total
        total = decay * total + values[a]


@kernel(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], int64, float64[::1], float64[::1])"
)
def fill_by_level(
    start: np.ndarray, seen: np.ndarray, lost: np.ndarray, factor: np.ndarray, fade: np.ndarray, ratio: np.ndarray,
    level: np.ndarray, weight: np.ndarray, steps: int, qty: np.ndarray, extra: np.ndarray,
) -> None:  # fmt: skip
    """Fill censored periods [cells] by a level of each item that they raise: qty and its variance, extra [cells].

    start [n + 1]: where the cells of each item begin; seen, lost, factor, fade [cells]: what was sold, the share of
    unmet demand that is lost, the factor of the period and how much it still counts; ratio, level, weight [n]: variance
    over mean, the mean of a period of factor 1 before the first step, the exposure behind it; qty as it is counted in
    that mean.
    """
    for i in range(level.size):
        mean = level[i]
        for _ in range(steps):
            more = 0.0
            for c in range(start[i], start[i + 1]):
                first, square = expected_beyond(seen[c], mean * factor[c], ratio[i])
                filled = seen[c] + lost[c] * max(first - seen[c], 0.0)
                more += fade[c] * (filled - qty[c])
                qty[c], extra[c] = filled, lost[c] * max(square - first**2, 0.0)
            mean += more / weight[i]


@kernel(
    "void(int64[::1], int64[::1], float64[::1], int64[::1], float64[:, ::1], int64[::1], float64[:, ::1], int64[::1],"
    " int64[::1], int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64, float64, int64, float64[::1])"
)
def fill_nearby(
    start: np.ndarray, age: np.ndarray, qty: np.ndarray, length: np.ndarray, past: np.ndarray, group: np.ndarray,
    week: np.ndarray, weekday: np.ndarray, cells: np.ndarray, at: np.ndarray, seen: np.ndarray, lost: np.ndarray,
    factor: np.ndarray, ratio: np.ndarray, whole: np.ndarray, shape: float, decay: float, steps: int,
    extra: np.ndarray,
) -> None:  # fmt: skip
    """Fill censored periods by the level around them, drawn to the item's mean as a gamma law of this shape would be.

    start [n + 1], age, qty [events]: those of each item, among them the censored ones, whose qty is filled in; length
    [n]: periods of each item; past [groups × ages], group [n], week [n × 7], weekday [ages]: factors of the periods;
    cells [n + 1]: where the censored events of each item begin in at, seen, lost, factor, extra [cells]: at: which
    events these are, the others as in `fill_by_level`; ratio, whole [n]: variance over mean, sum of all factors.
    """
    longest = past.shape[1]
    units, factors = np.empty(longest), np.empty(longest)
    near, exposed = np.empty(longest), np.empty(longest)
    for i in range(group.size):
        if cells[i] == cells[i + 1]:
            continue
        last = min(length[i], longest)
        units[:last] = 0.0
        for e in range(start[i], start[i + 1]):
            units[age[e]] += qty[e]
        for a in range(last):
            factors[a] = past[group[i], a] * week[i, weekday[a]]
        both_sides(factors[:last], decay, exposed[:last])
        for _ in range(steps):
            both_sides(units[:last], decay, near[:last])
            total = 0.0
            for e in range(start[i], start[i + 1]):
                total += qty[e]
            mean = max(total, 1e-12) / max(whole[i], 1e-12)
            for c in range(cells[i], cells[i + 1]):
                e = at[c]
                level = (shape + near[age[e]] / ratio[i]) / (shape / mean + exposed[age[e]] / ratio[i])
                first, square = expected_beyond(seen[c], level * factor[c], ratio[i])
                filled = seen[c] + lost[c] * max(first - seen[c], 0.0)
                qty[e], extra[c] = filled, lost[c] * max(square - first**2, 0.0)
                units[age[e]] = filled
