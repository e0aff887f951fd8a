"""Negative-binomial counts whose sums stay negative binomial, and mixtures of them, over whole panels.

A count here has size r and theta: mean r·theta/(1−theta), variance mean/(1−theta). Sums of independent ones
with one theta add their sizes (Johnson, Kemp, Kotz 2005, 5.3), so demand over several days, or over a
random number of days, is a mixture over sizes that share theta.
"""

import math

import numpy as np

from ._compile import kernel


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
        if p < 1e-18 * weight:
            break
    p = peak
    x = mode
    while x > 0:
        p *= x / (theta * (x - 1.0 + size))
        x -= 1
        out[x] += p
        if p < 1e-18 * weight:
            break


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:], float64[:, ::1])")
def mixture_cdf(sizes: np.ndarray, weights: np.ndarray, theta: np.ndarray, out: np.ndarray) -> None:
    """Row by row, out[i, x] = P(X ≤ x) for the mixture of counts of sizes[i, ·] with weights[i, ·].

    Shapes: sizes and weights [n × m], theta [n], out [n × values] (filled with zeros).
    """
    for i in range(sizes.shape[0]):
        for j in range(sizes.shape[1]):
            if weights[i, j] > 0.0:
                add_negative_binomial(sizes[i, j], theta[i], weights[i, j], out[i])
        total = 0.0
        for x in range(out.shape[1]):
            total += out[i, x]
            out[i, x] = min(total, 1.0)
