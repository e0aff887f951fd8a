"""What a reorder policy delivers, by whole days and units, from tables of demand.

A day goes: receipts, demand, a reorder decision on every R-th day. What is ordered on a day arrives on the morning
of the L-th day after it; s is the reorder point, Q the lot, D(n) the demand of n days, F their distribution. Just
after a decision the position y is uniform on s+1 … s+Q, exactly so where whole lots are ordered (Axsäter 2015, 5.3),
and the stock at the end of the day L + j later is y − D(L + j). Hence

* mean stock is E[y − D(L + j)]⁺ over y and j = 0 … R−1;
* fill is 1 − (E[D(L+R−1) − y]⁺ − E[D(L−1) − y]⁺) / E[D(R)]: what ends a cycle of reviews short, less what began it
  so, of what was asked for in it;
* the chance of a cycle without shortage is P(U + D(L−1) ≤ s), where U is how far the position had fallen below s
  when the order was placed: P(U = u) is in proportion to F(u + Q) − F(u) of D(R).

Tables are [rows × values]: P(D ≤ x) for x = 0, 1, …; beyond a table it is 1.
"""

import math

import numpy as np

from ._compile import kernel


@kernel("float64(float64[:], int64)")
def _at(cdf: np.ndarray, x: int) -> float:
    if x < 0:
        return 0.0
    return cdf[x] if x < cdf.size else 1.0


@kernel("float64(float64[:], int64, int64)")
def mean_left(cdf: np.ndarray, point: int, lot: int) -> float:
    """Mean of E[y − D]⁺ over y = point+1 … point+lot: E[y − D]⁺ is the sum of P(D ≤ x) over x < y."""
    total = 0.0
    left = 0.0
    for y in range(1, point + lot + 1):
        left += _at(cdf, y - 1)
        if y > point:
            total += left
    return total / lot


@kernel("float64(float64[:])")
def mean_demand(cdf: np.ndarray) -> float:
    """E[D]: the sum of P(D > x)."""
    total = 0.0
    for x in range(cdf.size):
        total += 1.0 - cdf[x]
    return total


@kernel("float64(float64[:], int64, int64)")
def mean_short(cdf: np.ndarray, point: int, lot: int) -> float:
    """Mean of E[D − y]⁺ over y = point+1 … point+lot."""
    return mean_left(cdf, point, lot) + mean_demand(cdf) - (point + (lot + 1.0) / 2.0)


@kernel("float64(float64[:], float64[:], int64, int64)")
def fill_rate(before: np.ndarray, protection: np.ndarray, point: int, lot: int) -> float:
    """Share of units served from stock; before: D(L−1), protection: D(L+R−1)."""
    asked = mean_demand(protection) - mean_demand(before)
    if asked <= 0.0:
        return 1.0
    short = mean_short(protection, point, lot) - mean_short(before, point, lot)
    return min(1.0, max(0.0, 1.0 - short / asked))


@kernel("float64(float64[:], float64[:], int64, int64)")
def cycle_service(before: np.ndarray, review: np.ndarray, point: int, lot: int) -> float:
    """Share of replenishments before which nothing was short; before: D(L−1), review: D(R)."""
    orders = 0.0
    kept = 0.0
    for u in range(review.size):
        weight = _at(review, u + lot) - review[u]
        orders += weight
        kept += weight * _at(before, point - u)
    return kept / orders if orders > 0.0 else 1.0


@kernel("float64(boolean, float64[:], float64[:], float64[:], int64, int64)")
def _service(
    fill: bool, before: np.ndarray, protection: np.ndarray, review: np.ndarray, point: int, lot: int
) -> float:  # fmt: skip
    if fill:
        return fill_rate(before, protection, point, lot)
    return cycle_service(before, review, point, lot)


@kernel(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean[:], float64[:], int64[:],"
    " float64[:], float64[:])",
    lazy=True,
)
def deliver(
    before: np.ndarray, protection: np.ndarray, between: np.ndarray, review: np.ndarray, fill: np.ndarray,
    point: np.ndarray, lot: np.ndarray, service: np.ndarray, stock: np.ndarray,
) -> None:  # fmt: skip
    """Fill in the service and mean stock of each row's (point, lot); NaN where there is no point.

    between: D(L + j) with all j = 0 … R−1 equally likely.
    """
    for i in range(point.size):
        service[i] = stock[i] = math.nan
        if not math.isnan(point[i]):
            s = math.floor(point[i] + 1e-9)
            service[i] = _service(fill[i], before[i], protection[i], review[i], s, lot[i])
            stock[i] = mean_left(between[i], s, lot[i])


@kernel(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean[:], int64[:], float64[:], int64[:])",
    lazy=True,
)
def least_points(
    before: np.ndarray, protection: np.ndarray, review: np.ndarray, fill: np.ndarray, lot: np.ndarray,
    target: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Fill in the smallest reorder point, from 0, that reaches each row's target."""
    for i in range(out.size):
        low, high = -1, before.shape[1] + protection.shape[1]
        while high - low > 1:
            middle = (low + high) // 2
            if _service(fill[i], before[i], protection[i], review[i], middle, lot[i]) >= target[i] - 1e-12:
                high = middle
            else:
                low = middle
        out[i] = high
