"""Fair shares: what each of several claims gets of too little, in whole units.

A rule says the level on which all agree: a share of each claim, an equal gain, or an equal loss. Shares are then made
whole by largest remainder (Hamilton's method); of equal remainders the first in service order goes first.
"""

import math

import numba
import numpy as np

from ._compile import kernel
from .queue_layout import CLAIM, EQUAL_LOSSES, MAX_MIN, PROPORTIONAL

_STEPS = 1_000_000_000.0  # remainders are told apart to this fraction of a unit


@kernel(allocates=False)
def _equal_gain(claims: np.ndarray, n: int, available: float) -> float:
    """λ with Σ min(claim, λ) = available."""
    level, before = 0.0, -1.0
    while level != before:
        before, small, more = level, 0.0, 0
        for m in range(n):
            if claims[m].units <= level:
                small += claims[m].units
            else:
                more += 1
        if more > 0:
            level = max(level, (available - small) / more)
    return level


@kernel(allocates=False)
def _equal_loss(claims: np.ndarray, n: int, available: float) -> float:
    """μ with Σ max(claim − μ, 0) = available."""
    loss, before = 0.0, -1.0
    while loss != before:
        before, large, more = loss, 0.0, 0
        for m in range(n):
            if claims[m].units > loss:
                large += claims[m].units
                more += 1
        if more > 0:
            loss = max(loss, (large - available) / more)
    return loss


@kernel(allocates=False)
def _level(claims: np.ndarray, n: int, total: float, available: float, rule: int) -> float:
    if rule == PROPORTIONAL:
        return available / total
    if rule == MAX_MIN:
        return _equal_gain(claims, n, available)
    return _equal_loss(claims, n, available)


@kernel(allocates=False)
def _due(claim: float, level: float, rule: int) -> float:
    if rule == PROPORTIONAL:
        return claim * level
    if rule == MAX_MIN:
        return min(claim, level)
    return max(claim - level, 0.0)


@kernel(allocates=False)
def share(claims: np.ndarray, n: int, available: float, unit: float, rule: int) -> None:
    """Write the award of each of the first n claims: whole multiples of `unit`, never more than is claimed.

    Together they are what there is, in whole units, or all that is claimed.
    """
    total = 0.0
    for m in range(n):
        total += claims[m].units
    if total <= available + 1e-9:
        for m in range(n):
            claims[m].award = claims[m].units
        return
    level = _level(claims, n, total, available, rule)
    given = 0.0
    for m in range(n):
        due = _due(claims[m].units, level, rule) / unit
        whole = math.floor(due + 1e-9)
        claims[m].award = whole * unit
        claims[m].rest = int(max(due - whole, 0.0) * _STEPS + 0.5)
        given += whole
    _largest_remainders(claims, n, math.floor(available / unit + 1e-9) - given, unit)


@kernel(allocates=False)
def _largest_remainders(claims: np.ndarray, n: int, units: float, unit: float) -> None:
    """One unit more to the claims with the largest remainders, of equal ones the first, until none is left."""
    if units <= 0.0:
        return
    low, high = 0, int(_STEPS) + 1  # at least `units` claims have a rest ≥ low, fewer have one ≥ high
    while high - low > 1:
        middle, above = (low + high) // 2, 0
        for m in range(n):
            if claims[m].rest >= middle:
                above += 1
        if above >= units:
            low = middle
        else:
            high = middle
    for m in range(n):
        if claims[m].rest >= high:
            units -= 1.0
    for m in range(n):
        more = claims[m].rest >= high
        if not more and claims[m].rest == low and units > 0.0:
            units -= 1.0
            more = True
        if more:
            claims[m].award = min(claims[m].award + unit, claims[m].units)


@kernel(numba.void(numba.typeof(np.zeros(1, CLAIM)), numba.float64, numba.float64, numba.int64), allocates=False)
def _share_all(claims: np.ndarray, available: float, unit: float, rule: int) -> None:
    share(claims, claims.size, available, unit, rule)


def shares(claims: np.ndarray, available: float, rule: int, unit: float = 1.0) -> np.ndarray:
    """What each claim gets (claims and result f8 [m], in units; rule: PROPORTIONAL, MAX_MIN or EQUAL_LOSSES).

    >>> shares(np.array([10.0, 40.0, 80.0]), 100.0, PROPORTIONAL)
    array([ 8., 31., 61.])
    >>> shares(np.array([100.0, 200.0, 300.0]), 300.0, EQUAL_LOSSES, unit=0.5)
    array([  0., 100., 200.])
    """
    rows = np.zeros(len(claims), CLAIM)
    rows["units"] = claims
    _share_all(rows, available, unit, rule)
    return np.asarray(rows["award"])


__all__ = ["EQUAL_LOSSES", "MAX_MIN", "PROPORTIONAL", "share", "shares"]
