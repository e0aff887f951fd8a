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


@kernel("void(float64[::1], float64, float64[::1], float64[::1])", fast=True)
def _add_small(sizes: np.ndarray, theta: float, mass: np.ndarray, out: np.ndarray) -> None:
    """Add the mixture to out, all its members climbing from zero side by side; mass: what each has there, used up."""
    total = 0.0
    for j in range(sizes.size):
        total += mass[j]
    out[0] += total
    mean = sizes.max() * theta / (1.0 - theta)
    for x in range(1, out.size):
        rise, before = theta / x, x - 1.0
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
                _add_small(small, theta[i], mass, out[i])
                few = 0
        if few > 0:
            _add_small(small[:few], theta[i], mass[:few], out[i])


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


@kernel("void(complex128[:, ::1], float64[:, ::1], complex128[:, ::1])")
def compound(sizes: np.ndarray, chance: np.ndarray, out: np.ndarray) -> None:
    """Row by row, the transform of a sum of as many sizes as there is demand: Σ chance[i, c] · sizes[i, ·]^c.

    Shapes: sizes (transform of the law of one size) and out [n × frequencies], chance [n × counts 0, 1, …].
    """
    for i in range(sizes.shape[0]):
        most = chance.shape[1] - 1
        while most > 0 and chance[i, most] <= 0.0:
            most -= 1
        for f in range(sizes.shape[1]):
            total = complex(chance[i, most])
            for c in range(most - 1, -1, -1):  # Horner's rule over the convolution powers
                total = total * sizes[i, f] + chance[i, c]
            out[i, f] = total
