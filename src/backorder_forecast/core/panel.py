"""Passes over the events of a whole panel, sorted by item: faded sums, size laws, occurrences, strata of levels."""

import math

import numpy as np
from scipy import special

from ._compile import kernel


@kernel("void(int64[::1], int64[::1], float64[::1], float64[:, ::1], int64, float64[:, ::1])")
def faded_sums(
    start: np.ndarray, age: np.ndarray, values: np.ndarray, fade: np.ndarray, skip: int, out: np.ndarray
) -> None:
    """Sums of values [events], faded by age, of each item without its last `skip` periods: out [n × memories].

    start [n + 1]: where the events of each item begin; fade [memories × ages].
    """
    memories = fade.shape[0]
    total = np.empty(memories)
    for i in range(out.shape[0]):
        total[:] = 0.0
        for e in range(start[i], start[i + 1]):
            a = age[e] - skip
            if a >= 0:
                for h in range(memories):
                    total[h] += fade[h, a] * values[e]
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
    "void(int64[::1], int64[::1], float64[::1], int64[::1], float64[:, ::1], int64[::1], float64[:, ::1], int64[::1],"
    " float64, float64[::1], float64[::1])"
)
def nearby_sums(
    start: np.ndarray, age: np.ndarray, qty: np.ndarray, length: np.ndarray, past: np.ndarray, group: np.ndarray,
    week: np.ndarray, weekday: np.ndarray, decay: float, units: np.ndarray, seen: np.ndarray,
) -> None:  # fmt: skip
    """Units and factors around each event, weighing decay^(periods away), before and after: units, seen [events].

    length [n]: periods of each item; the factors as in `event_factors`.
    """
    longest = past.shape[1]
    y, f, before_y, before_f = np.empty(longest), np.empty(longest), np.empty(longest), np.empty(longest)
    for i in range(group.size):
        if start[i] == start[i + 1]:
            continue
        last = min(length[i], longest)
        y[:last] = 0.0
        for e in range(start[i], start[i + 1]):
            y[age[e]] += qty[e]
        total_y, total_f = 0.0, 0.0
        for a in range(last):
            f[a] = past[group[i], a] * week[i, weekday[a]]
            total_y, total_f = decay * total_y + y[a], decay * total_f + f[a]
            before_y[a], before_f[a] = total_y, total_f
        total_y, total_f = 0.0, 0.0
        for a in range(last - 1, -1, -1):
            mine_y, mine_f = y[a], f[a]  # their places take the sums of both sides
            y[a], f[a] = before_y[a] + decay * total_y, before_f[a] + decay * total_f
            total_y, total_f = decay * total_y + mine_y, decay * total_f + mine_f
        for e in range(start[i], start[i + 1]):
            units[e], seen[e] = y[age[e]], f[age[e]]


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


@kernel("void(float64[::1], float64[::1], float64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1])")
def occurrences(
    a: np.ndarray, b: np.ndarray, factor: np.ndarray, periods: np.ndarray, chance: np.ndarray, out: np.ndarray
) -> None:
    """Row by row, add to out[i, c] P(demand in c periods), periods[i, j] of them having chance[i, j].

    The chance of demand in a period is beta (a, b) [n], its mean times factor[i, j] and below 1. Beta-binomial.
    """
    for i in range(out.shape[0]):
        both = a[i] + b[i]
        for j in range(periods.shape[1]):
            if chance[i, j] <= 0.0:
                continue
            risen = min(a[i] * factor[i, j], 0.999 * both)
            if periods[i, j] <= 0 or risen <= 0.0:
                out[i, 0] += chance[i, j]
            else:
                _add_beta_binomial(periods[i, j], risen, both - risen, chance[i, j], out[i])


_PER_SD, _SDS = 1024, 8  # points of the table of the normal law: straight between them to 3e-8
NORMAL = special.ndtr(np.arange(-_SDS * _PER_SD, _SDS * _PER_SD + 2) / _PER_SD)


@kernel("float64(float64, float64[::1])")
def _normal(z: float, table: np.ndarray) -> float:
    at = (z + _SDS) * _PER_SD
    if at <= 0.0:
        return 0.0
    below = int(at)
    if below >= table.size - 1:
        return 1.0
    return table[below] + (at - below) * (table[below + 1] - table[below])


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
    log = np.empty(width + 1)
    for s in range(1, width + 1):
        log[s] = math.log(s - 0.5)
    for i in range(items.size):
        events = start[items[i] + 1] - start[items[i]]
        below, shift = 0.0, math.log(step[i]) - centre[i]
        out[i, 0] = 0.0
        for s in range(1, width):
            more = _normal((log[s + 1] + shift) / spread[i], normal)
            out[i, s] = few * (more - below)
            below = more
        for e in range(start[items[i]], start[items[i] + 1]):
            s = max(1, math.floor(qty[e] / step[i] + 0.5))
            if s < width:
                out[i, s] += 1.0
        for s in range(width):
            out[i, s] /= events + few


@kernel("void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1])")
def at_least(
    seen: np.ndarray, mean: np.ndarray, ratio: np.ndarray, first: np.ndarray, square: np.ndarray
) -> None:
    """E[Y | Y ≥ seen] into `first` and E[Y² | Y ≥ seen] into `square`, of negative binomials; all [cells].

    ratio: variance over mean, above 1. Adds up probabilities relative to that of the first count, so none underflows.
    """
    for i in range(seen.size):
        m, r, low = max(mean[i], 1e-12), ratio[i], max(0.0, math.ceil(seen[i] - 1e-9))
        sd = math.sqrt(m * r)
        if low < m - 9.0 * sd or low <= 0.0:  # hardly any count is below
            first[i], square[i] = m, m * r + m * m
            continue
        theta, size = 1.0 - 1.0 / r, m / (r - 1.0)
        p, total, once, twice, x = 1.0, 0.0, 0.0, 0.0, low
        while True:
            total += p
            once += p * x
            twice += p * x * x
            p *= theta * (x + size) / (x + 1.0)
            x += 1.0
            if x > m and p < 1e-10 * total:
                break
        first[i], square[i] = once / total, twice / total
