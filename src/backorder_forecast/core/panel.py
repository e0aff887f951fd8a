"""Passes over the events of a whole panel, sorted by item: faded sums, size laws, occurrences, strata of levels."""

import math

import numpy as np
from scipy import special

from ._compile import kernel


@kernel("void(int64[::1], float64[::1], float64[::1], float64[::1])")
def positive_sums(item: np.ndarray, values: np.ndarray, total: np.ndarray, count: np.ndarray) -> None:
    """Add values above 0 to the total of their item, and to its count of them [n]; in any order."""
    for e in range(values.size):
        if values[e] > 0.0:
            total[item[e]] += values[e]
            count[item[e]] += 1.0


@kernel("void(int64[::1], float64[::1], float64[::1])")
def item_sums(start: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Sums of values [events] by item: out [n]. start [n + 1]: where the events of each item begin."""
    for i in range(out.size):
        total = 0.0
        for e in range(start[i], start[i + 1]):
            total += values[e]
        out[i] = total


@kernel("void(int64[::1], float64[::1], float64[::1])")
def scatter_sums(start: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Sums of squared distances of values [events] from the mean of their item: out [n]."""
    for i in range(out.size):
        mean, total = 0.0, 0.0
        for e in range(start[i], start[i + 1]):
            mean += values[e]
        mean /= max(start[i + 1] - start[i], 1)
        for e in range(start[i], start[i + 1]):
            total += (values[e] - mean) ** 2
        out[i] = total


@kernel("void(int64[::1], float64[::1], float64, float64[::1])")
def relative_sizes(start: np.ndarray, qty: np.ndarray, cap: float, out: np.ndarray) -> None:
    """Quantities [events] in multiples of the mean of their item, `cap` at most: out [events]."""
    for i in range(start.size - 1):
        mean = 0.0
        for e in range(start[i], start[i + 1]):
            mean += qty[e]
        mean = max(mean / max(start[i + 1] - start[i], 1), 1e-12)
        for e in range(start[i], start[i + 1]):
            out[e] = min(qty[e] / mean, cap)


@kernel("void(int64[::1], int64[::1], float64[::1], int64[::1], float64[:, ::1], float64[:, ::1])")
def group_sums(
    start: np.ndarray, age: np.ndarray, values: np.ndarray, group: np.ndarray, total: np.ndarray, squares: np.ndarray
) -> None:
    """Add values [events] and their squares up by the group of their item [n] and by age: total, squares
    [groups × ages]; older ones are left out."""
    for i in range(group.size):
        for e in range(start[i], start[i + 1]):
            if age[e] < total.shape[1]:
                total[group[i], age[e]] += values[e]
                squares[group[i], age[e]] += values[e] ** 2


@kernel("void(int64[::1], int64[::1], float64[::1], int64[::1], float64[:, ::1])")
def weekday_sums(
    start: np.ndarray, age: np.ndarray, values: np.ndarray, weekday: np.ndarray, out: np.ndarray
) -> None:
    """Sums of values [events] by item and weekday: out [n × 7]; weekday [ages]."""
    for i in range(out.shape[0]):
        out[i] = 0.0
        for e in range(start[i], start[i + 1]):
            out[i, weekday[age[e]]] += values[e]


@kernel("void(int64[::1], int64[::1], float64[::1], float64[:, ::1], int64, float64[:, ::1])")
def faded_sums(
    start: np.ndarray, age: np.ndarray, values: np.ndarray, fade: np.ndarray, skip: int, out: np.ndarray
) -> None:
    """Sums of values [events], faded by age, of each item without its last `skip` periods: out [n × memories].

    start [n + 1]: where the events of each item begin; fade [memories × ages].
    """
    memories, by_age = fade.shape[0], fade.T.copy()  # memories of an age side by side
    total = np.empty(memories)
    for i in range(out.shape[0]):
        total[:] = 0.0
        for e in range(start[i], start[i + 1]):
            a = age[e] - skip
            if a >= 0:
                for h in range(memories):
                    total[h] += by_age[a, h] * values[e]
        out[i] = total


@kernel(
    "void(int64[::1], int64[::1], float64[:, ::1], int64[::1], float64[:, ::1], int64[::1], float64[::1])"
)
def event_factors(
    start: np.ndarray, age: np.ndarray, past: np.ndarray, group: np.ndarray, week: np.ndarray, weekday: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Factor of each event's period: out [events].

    past [groups × ages], of the item's group [n]; week [n × 7], by the weekday of each age [ages].
    """
    for i in range(group.size):
        for e in range(start[i], start[i + 1]):
            out[e] = past[group[i], age[e]] * week[i, weekday[age[e]]]


@kernel(
    "void(int64[::1], int64[::1], float64[::1], float64[::1], int64, float64[:, ::1], float64[:, ::1])"
)
def block_sums(
    start: np.ndarray, age: np.ndarray, first: np.ndarray, second: np.ndarray, span: int,
    out_first: np.ndarray, out_second: np.ndarray,
) -> None:  # fmt: skip
    """Sums of two values of the events over blocks of `span` ages, the latest first: out [n × blocks]; older ones are
    left out."""
    for i in range(out_first.shape[0]):
        out_first[i], out_second[i] = 0.0, 0.0
        for e in range(start[i], start[i + 1]):
            block = age[e] // span
            if block < out_first.shape[1]:
                out_first[i, block] += first[e]
                out_second[i, block] += second[e]


@kernel("void(float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1])")
def level_strata(atoms: np.ndarray, weights: np.ndarray, edges: np.ndarray, out: np.ndarray) -> None:
    """Means of the strata of each row's atoms [n × atoms] of these weights: out [n × strata].

    edges [strata + 1]: 0 … 1, the shares at which strata begin and end. The mean of the whole is kept exactly.
    """
    strata = edges.size - 1
    for i in range(atoms.shape[0]):
        order = np.argsort(atoms[i])
        whole = weights[i].sum()
        at, s = 0.0, 0
        out[i] = 0.0
        for j in order:
            left = weights[i, j] / whole
            while left > 0.0:
                room = edges[s + 1] - at
                if left < room or s == strata - 1:
                    out[i, s] += left * atoms[i, j]
                    at += left
                    left = 0.0
                else:
                    out[i, s] += room * atoms[i, j]
                    at = edges[s + 1]
                    left -= room
                    s += 1
        for s in range(strata):
            out[i, s] /= edges[s + 1] - edges[s]


_HALF_LOG_TURN = 0.5 * math.log(2.0 * math.pi)
_SELDOM = -500.0  # logarithm of a chance


@kernel()
def _log_beta_binomial(count: float, trials: float, a: float, b: float) -> float:
    ways = math.lgamma(trials + 1.0) - math.lgamma(count + 1.0) - math.lgamma(trials - count + 1.0)
    top = math.lgamma(a + count) + math.lgamma(b + trials - count) - math.lgamma(a + b + trials)
    return ways + top - math.lgamma(a) - math.lgamma(b) + math.lgamma(a + b)


@kernel()
def _add_beta_binomial(trials: int, a: float, b: float, weight: float, out: np.ndarray) -> None:
    """Add weight × P(count = c) to out[c] from the mode outwards; counts beyond the room are left out."""
    mode = int(trials * a / (a + b))
    peak = weight * math.exp(_log_beta_binomial(float(mode), float(trials), a, b))
    p = peak
    for c in range(mode, trials + 1):
        if c < out.size:
            out[c] += p
        if c >= out.size - 1 or (p < 1e-16 * weight and c > mode + 2):
            break
        p *= (trials - c) / (c + 1.0) * (a + c) / (b + trials - c - 1.0)
    p = peak
    for c in range(mode, 0, -1):
        p *= c / (trials - c + 1.0) * (b + trials - c) / (a + c - 1.0)
        if c - 1 < out.size:
            out[c - 1] += p
        if p < 1e-16 * weight and c < mode - 2:
            break


@kernel("float64(float64)")
def _log_gamma(x: float) -> float:
    """Logarithm of the gamma function of x > 0, by Stirling's series from 8 on: to 3e-13, three times as fast as the
    library's."""
    below = 1.0
    while x < 8.0:
        below *= x
        x += 1.0
    y = 1.0 / x
    z = y * y
    series = y * (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z / 1188))))
    return (x - 0.5) * math.log(x) - x + _HALF_LOG_TURN + series - (math.log(below) if below != 1.0 else 0.0)


@kernel("void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1])", fast=True)
def _climb(
    trials: np.ndarray, a: np.ndarray, b: np.ndarray, mass: np.ndarray, out: np.ndarray
) -> None:
    """Add beta-binomials to out, all climbing from zero side by side; mass: what each has there, used up."""
    highest, total = 0.0, 0.0
    for j in range(trials.size):
        highest = max(highest, trials[j] * a[j] / (a[j] + b[j]))
        total += mass[j]
    out[0] += total
    for c in range(1, out.size):
        before, total = c - 1.0, 0.0
        for j in range(trials.size):
            left = trials[j] - before  # at 0 nothing is left, of which any multiple is nothing
            mass[j] *= left * (a[j] + before) / (c * max(b[j] + left - 1.0, 1e-9))
            total += mass[j]
        out[c] += total
        if total < 1e-16 and c > highest:
            break


@kernel("void(float64[::1], float64[::1], float64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1])")
def occurrences(
    a: np.ndarray, b: np.ndarray, factor: np.ndarray, periods: np.ndarray, chance: np.ndarray, out: np.ndarray
) -> None:
    """Row by row, add to out[i, c] P(demand in c periods), periods[i, j] of them having chance[i, j].

    The chance of demand in a period is beta (a, b) [n], its mean times factor[i, j] and below 1. Beta-binomial.
    """
    trials, mass = np.empty(periods.shape[1]), np.empty(periods.shape[1])
    first, second = np.empty(periods.shape[1]), np.empty(periods.shape[1])
    for i in range(out.shape[0]):
        both, many = a[i] + b[i], 0
        whole = _log_gamma(both)
        for j in range(periods.shape[1]):
            if chance[i, j] <= 0.0:
                continue
            risen = min(a[i] * factor[i, j], 0.999 * both)
            if periods[i, j] <= 0 or risen <= 0.0:
                out[i, 0] += chance[i, j]
                continue
            n, rest = float(periods[i, j]), both - risen
            none = _log_gamma(rest + n) - _log_gamma(rest) - _log_gamma(both + n) + whole
            if none < _SELDOM:  # from zero they would climb out of what floats cannot hold
                _add_beta_binomial(periods[i, j], risen, rest, chance[i, j], out[i])
                continue
            trials[many], first[many], second[many], mass[many] = n, risen, rest, chance[i, j] * math.exp(none)
            many += 1
        if many > 0:
            _climb(trials[:many], first[:many], second[:many], mass[:many], out[i])


_PER_SD, _SDS = 1024, 8  # points of the table of the normal law: straight between them to 3e-8
NORMAL = special.ndtr(np.arange(-_SDS * _PER_SD, _SDS * _PER_SD + 2) / _PER_SD)


@kernel(
    "void(int64[::1], float64[::1], int64[::1], float64[::1], float64[::1], float64[::1], float64, float64[::1],"
    " float64[:, ::1])"
)
def size_laws(
    start: np.ndarray, qty: np.ndarray, items: np.ndarray, step: np.ndarray, centre: np.ndarray, spread: np.ndarray,
    few: float, normal: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Fill out [rows × steps] with the law of one size of some items, in steps, one at least: those seen, and beside
    them as `few` more a lognormal law; what lies beyond is left out.

    start [all items + 1]: where the events of each item begin; items, step, centre and spread of log sizes [rows];
    normal: NORMAL.
    """
    width = out.shape[1]
    log, scaled = np.empty(width + 1), np.empty(width)
    for s in range(1, width + 1):
        log[s] = math.log(s - 0.5)
    for i in range(items.size):
        events = start[items[i] + 1] - start[items[i]]
        slope, share, unit = _PER_SD / spread[i], 1.0 / (events + few), step[i]
        shift, last = (math.log(step[i]) - centre[i]) * slope + _SDS * _PER_SD, normal.size - 2.0
        for s in range(1, width):
            scaled[s] = min(max(log[s + 1] * slope + shift, 0.0), last)
        out[i, 0], below = 0.0, 0.0
        for s in range(1, width):
            place = np.int32(scaled[s])
            more = normal[place] + (scaled[s] - place) * (normal[place + 1] - normal[place])
            out[i, s] = few * share * (more - below)
            below = more
        for e in range(start[items[i]], start[items[i] + 1]):
            s = max(1, int(qty[e] / unit + 0.5))
            if s < width:
                out[i, s] += share
