"""Fair shares: what each of several claims gets of too little, in whole units.

A rule says the level on which all agree: a share of each claim, an equal gain, or an equal loss. Shares are then made
whole by largest remainder (Hamilton's method); of equal remainders the first in service order goes first.
"""

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.extending import intrinsic

from ._compile import kernel
from .queue_layout import CLAIM, EQUAL_LOSSES, MAX_MIN, OWN_SHARES, PROPORTIONAL

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


@intrinsic
def _ask(context: Any, address: Any, asked: Any, n: Any, available: Any, given: Any) -> Any:
    """Call the function at an address: void(double *claims, int64 n, double available, double *units)."""
    signature = numba.void(numba.int64, asked, numba.int64, numba.float64, given)

    def call(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        numbers, real = ir.DoubleType().as_pointer(), ir.DoubleType()
        kind = ir.FunctionType(ir.VoidType(), [numbers, ir.IntType(64), real, numbers])
        asked, given = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (1, 4))
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [asked, args[2], args[3], given])
        return context.get_dummy_value()

    return signature, call


@kernel(allocates=False)
def _ask_own(
    claims: np.ndarray, asked: np.ndarray, given: np.ndarray, n: int, available: float, address: int
) -> float:
    """What the user's function gives to each claim, no more than asked and than there is; returns the sum."""
    for m in range(n):
        asked[m], given[m] = claims[m].units, 0.0
    _ask(address, asked, n, available, given)
    total = 0.0
    for m in range(n):
        units = min(given[m], claims[m].units, available - total)
        given[m] = units if units > 0.0 else 0.0  # neither less than nothing nor not a number
        total += given[m]
    return total


@kernel(allocates=False)
def share(
    claims: np.ndarray, asked: np.ndarray, given: np.ndarray, n: int, available: float, unit: float, rule: int,
    address: int,
) -> None:  # fmt: skip
    """Write the award of each of the first n claims: whole multiples of `unit`, never more than is claimed.

    Together they are what there is, in whole units, or all that is claimed. asked, given: room for the user's function
    at `address`, which is asked where the rule is OWN_SHARES and may leave some for tomorrow.
    """
    total = 0.0
    for m in range(n):
        total += claims[m].units
    if total <= available + 1e-9:
        for m in range(n):
            claims[m].award = claims[m].units
        return
    own = rule == OWN_SHARES
    level = 0.0 if own else _level(claims, n, total, available, rule)
    spare = math.floor((_ask_own(claims, asked, given, n, available, address) if own else available) / unit + 1e-9)
    for m in range(n):
        due = (given[m] if own else _due(claims[m].units, level, rule)) / unit
        whole = math.floor(due + 1e-9)
        claims[m].award = whole * unit
        claims[m].rest = int(max(due - whole, 0.0) * _STEPS + 0.5)
        spare -= whole
    _largest_remainders(claims, n, spare, unit)


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


_CLAIMS, _UNITS = numba.typeof(np.zeros(1, CLAIM)), numba.float64[::1]


@kernel(
    numba.void(_CLAIMS, _UNITS, _UNITS, numba.float64, numba.float64, numba.int64, numba.int64), allocates=False,
    lazy=True,
)  # fmt: skip
def _share_all(
    claims: np.ndarray, asked: np.ndarray, given: np.ndarray, available: float, unit: float, rule: int, address: int
) -> None:
    share(claims, asked, given, claims.size, available, unit, rule, address)


def shares(claims: np.ndarray, available: float, rule: int, unit: float = 1.0, address: int = 0) -> np.ndarray:
    """What each claim gets (claims and result f8 [m], in units; rule: PROPORTIONAL, MAX_MIN, EQUAL_LOSSES, OWN_SHARES).

    >>> shares(np.array([10.0, 40.0, 80.0]), 100.0, PROPORTIONAL)
    array([ 8., 31., 61.])
    >>> shares(np.array([100.0, 200.0, 300.0]), 300.0, EQUAL_LOSSES, unit=0.5)
    array([  0., 100., 200.])
    """
    rows = np.zeros(len(claims), CLAIM)
    rows["units"] = claims
    _share_all(rows, np.zeros(len(claims)), np.zeros(len(claims)), available, unit, rule, address)
    return np.asarray(rows["award"])


__all__ = ["EQUAL_LOSSES", "MAX_MIN", "OWN_SHARES", "PROPORTIONAL", "share", "shares"]
