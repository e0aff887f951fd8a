"""Negative-binomial counts whose sums stay negative binomial, and mixtures of them, over whole panels.

A count here has size r and theta: mean r·theta/(1−theta), variance mean/(1−theta). Sums of independent ones
with one theta add their sizes (Johnson, Kemp, Kotz 2005, 5.3), so demand over several days, or over a
random number of days, is a mixture over sizes that share theta.
"""

import math

import numpy as np

from ._compile import kernel

_UNDERFLOW = 1e-250  # P(0) below which counts are built from the mode outwards
_LIGHT = 1e-10
_ABREAST = 64  # members that climb side by side
_NOTHING = 1e-18
_FAR = 1e100  # logarithms beyond it stand for nothing


@kernel("void(float64, float64, float64, float64[:])")
def add_negative_binomial(size: float, theta: float, weight: float, out: np.ndarray) -> None:
    """Add weight × P(count = x) to out[x], x = 0 … len(out)−1, from the mode outwards: nothing underflows."""
    if size <= 0.0 or theta <= 0.0:
        out[0] += weight
        return
    n = out.size
    mode = min(n - 1, max(0, int(theta * (size - 1.0) / (1.0 - theta))))
    log_peak = (
        math.lgamma(mode + size) - math.lgamma(size) - math.lgamma(mode + 1.0)
        + size * math.log1p(-theta) + mode * math.log(theta)
    )  # fmt: skip
    peak = weight * math.exp(log_peak)
    p = peak
    x = mode
    while x < n:
        out[x] += p
        p *= theta * (x + size) / (x + 1.0)
        x += 1
        if p < _NOTHING * weight:
            break
    p = peak
    x = mode
    while x > 0:
        p *= x / (theta * (x - 1.0 + size))
        x -= 1
        out[x] += p
        if p < _NOTHING * weight:
            break


@kernel("void(float64[::1], float64, float64[::1], float64[::1], float64[::1])", fast=True)
def _add_small(
    sizes: np.ndarray, theta: float, mass: np.ndarray, inverse: np.ndarray, out: np.ndarray
) -> None:
    """Add the mixture to out, all its members climbing from zero side by side; mass: what each has there, used up.

    inverse: 1 / x of the values of out. Looked up, since a compiler that may reorder divides once a member instead of
    once a value, which takes three times as long.
    """
    total = 0.0
    for j in range(sizes.size):
        total += mass[j]
    out[0] += total
    mean = sizes.max() * theta / (1.0 - theta)
    for x in range(1, out.size):
        rise, before = theta * inverse[x], x - 1.0
        total = 0.0
        for j in range(sizes.size):
            mass[j] *= rise * (before + sizes[j])
            total += mass[j]
        out[x] += total
        if total < 1e-14 and x > mean:
            break


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:], float64[:, ::1])")
def _add_mixtures(
    sizes: np.ndarray, weights: np.ndarray, zero: np.ndarray, theta: np.ndarray, out: np.ndarray
) -> None:
    """Row by row; zero: weight × P(X = 0) of each member. Members side by side ought to be of about the same size."""
    members = sizes.shape[1]
    mass, small = np.empty(_ABREAST), np.empty(_ABREAST)
    inverse = 1.0 / np.maximum(np.arange(out.shape[1]), 1)
    for i in range(sizes.shape[0]):
        few = 0
        for j in range(members):
            if weights[i, j] <= _LIGHT / members:
                continue
            if zero[i, j] > _UNDERFLOW and theta[i] > 0.0:
                small[few], mass[few] = max(sizes[i, j], 0.0), zero[i, j]
                few += 1
            else:
                add_negative_binomial(sizes[i, j], theta[i], weights[i, j], out[i])
            if few == _ABREAST:  # small ones have fallen to nothing long before large ones do
                _add_small(small, theta[i], mass, inverse, out[i])
                few = 0
        if few > 0:
            _add_small(small[:few], theta[i], mass[:few], inverse, out[i])


def mixture_mass(sizes: np.ndarray, weights: np.ndarray, theta: np.ndarray, out: np.ndarray) -> None:
    """Row by row, add to out[i, x] P(X = x) for the mixture of counts of sizes[i, ·] with weights[i, ·].

    Shapes: sizes and weights [n × m], theta [n], out [n × values]. Members of hardly any weight are left out.
    """
    zero = weights * np.exp(sizes * np.log1p(-theta)[:, None])
    _add_mixtures(sizes, weights, zero, theta, out)


@kernel("void(float64[:, ::1])")
def accumulate(table: np.ndarray) -> None:
    """Turn rows of probabilities into cumulative ones, in place, never above 1."""
    for i in range(table.shape[0]):
        total = 0.0
        for x in range(table.shape[1]):
            total += table[i, x]
            table[i, x] = min(total, 1.0)


def mixture_cdf(sizes: np.ndarray, weights: np.ndarray, theta: np.ndarray, out: np.ndarray) -> None:
    """Row by row, out[i, x] = P(X ≤ x) for the mixture of counts of sizes[i, ·] with weights[i, ·].

    Shapes: sizes and weights [n × m], theta [n], out [n × values] (filled with zeros).
    """
    mixture_mass(sizes, weights, theta, out)
    accumulate(out)


@kernel("void(float64[:, ::1], float64[::1], float64[::1], int64[::1], float64[:, ::1])", lazy=True)
def add_lifted(mass: np.ndarray, lift: np.ndarray, weight: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Add weight[i] × lift[x] × mass[i, x], where that is above 0, to out[rows[i], x].

    Shapes: mass [n × values], lift [values], weight and rows [n], out [any × values, not more].
    """
    for i in range(rows.size):
        for x in range(out.shape[1]):
            out[rows[i], x] += weight[i] * max(lift[x] * mass[i, x], 0.0)


@kernel("void(float64[:, ::1], float64[::1], int64[:, ::1])")
def places(cdf: np.ndarray, levels: np.ndarray, out: np.ndarray) -> None:
    """Row by row, the first value at which cumulative probabilities reach each level, their number where none does.

    Shapes: cdf [n × values], rising along each row; levels [m], out [n × m].
    """
    for i in range(cdf.shape[0]):
        for q in range(levels.size):
            low, high = 0, cdf.shape[1]
            while low < high:
                middle = (low + high) // 2
                if cdf[i, middle] < levels[q]:
                    low = middle + 1
                else:
                    high = middle
            out[i, q] = low


@kernel("void(complex128[:, ::1], float64[:, ::1], complex128[:, ::1])", fast=True, lazy=True)
def compound(sizes: np.ndarray, chance: np.ndarray, out: np.ndarray) -> None:
    """Row by row, the transform of a sum of as many sizes as there is demand: Σ chance[i, c] · sizes[i, ·]^c.

    Shapes: sizes (transform of the law of one size) and out [n × frequencies], chance [n × counts 0, 1, …].
    """
    size, turned = np.empty(_ABREAST), np.empty(_ABREAST)
    real, imag = np.empty(_ABREAST), np.empty(_ABREAST)
    for i in range(sizes.shape[0]):
        most = chance.shape[1] - 1
        while most > 0 and chance[i, most] <= _NOTHING:
            most -= 1
        for begin in range(0, sizes.shape[1], _ABREAST):
            many = min(_ABREAST, sizes.shape[1] - begin)
            for f in range(many):
                size[f], turned[f] = sizes[i, begin + f].real, sizes[i, begin + f].imag
                real[f], imag[f] = chance[i, most], 0.0
            for c in range(most - 1, -1, -1):  # Horner's rule over the convolution powers, frequencies side by side
                for f in range(many):
                    r, t = real[f], imag[f]
                    real[f] = r * size[f] - t * turned[f] + chance[i, c]
                    imag[f] = r * turned[f] + t * size[f]
            for f in range(many):
                out[i, begin + f] = complex(real[f], imag[f])


@kernel(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], float64, float64[:, ::1], float64[:, ::1])",
    lazy=True,
)
def merge_products(
    first: np.ndarray, chance: np.ndarray, second: np.ndarray, shares: np.ndarray, tolerance: float,
    merged: np.ndarray, weights: np.ndarray,
) -> None:  # fmt: skip
    """Products of every first [n × a] with every second [n × b], those within a relative tolerance as one: their mean.

    chance [n × a] and shares [b] weigh them. Bins of the logarithm, from the smallest product that counts; the last one
    takes what lies beyond. merged, weights [n × bins], more than a of them; products of nothing count as 0, in bin 0.
    Where a row's seconds are all the same nothing drowns the differences between the firsts: they stay as they are.
    """
    bins = merged.shape[1]
    log_first, log_second = np.empty(first.shape[1]), np.empty(second.shape[1])
    shared, place = np.empty(second.shape[1]), np.empty(second.shape[1], np.int32)
    for i in range(merged.shape[0]):
        merged[i], weights[i] = 0.0, 0.0
        if second[i].max() - second[i].min() <= 1e-12 * second[i].max():
            for j in range(first.shape[1]):
                merged[i, j], weights[i, j] = first[i, j] * second[i, 0], chance[i, j]
            continue
        low = _FAR
        for j in range(first.shape[1]):
            log_first[j] = math.log(first[i, j]) / tolerance if first[i, j] > 0.0 else -_FAR
            if chance[i, j] > 0.0 and first[i, j] > 0.0:
                low = min(low, log_first[j])
        least = _FAR
        for k in range(second.shape[1]):
            log_second[k] = math.log(second[i, k]) / tolerance if second[i, k] > 0.0 else -_FAR
            shared[k] = shares[k] * second[i, k]
            if second[i, k] > 0.0:
                least = min(least, log_second[k])
        low += least
        for j in range(first.shape[1]):
            if chance[i, j] <= 0.0:
                continue
            weight, product, mine = chance[i, j], chance[i, j] * first[i, j], log_first[j]
            for k in range(second.shape[1]):  # apart from the sums, so that it is done for several at once
                place[k] = 1 + np.int32(min(max(mine + log_second[k] - low, -1.0), bins - 2.0))
            for k in range(second.shape[1]):
                weights[i, place[k]] += weight * shares[k]
                merged[i, place[k]] += product * shared[k]
        for at in range(bins):
            if weights[i, at] > 0.0:
                merged[i, at] /= weights[i, at]
