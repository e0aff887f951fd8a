"""A user's own sharing, as a function that compiled kernels can call: compiled itself, or plain Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np

from .errors import UsageError

Sharing = Callable[[np.ndarray, float], np.ndarray]
"""(claims f8 [m] in units, available units) → units for each claim; the claims in service order, > 0 or, for a line
that has cancelled, 0. Asked where there is not enough for all; what it gives is made whole by largest remainder."""

_POINTER = ctypes.POINTER(ctypes.c_double)
_C_TYPE = ctypes.CFUNCTYPE(None, _POINTER, ctypes.c_int64, ctypes.c_double, _POINTER)
_DOUBLES = numba.types.CPointer(numba.float64)


@dataclass
class OwnShares:
    """`address` of the function; `raised`: what went wrong in plain Python, which cannot leave a kernel by itself."""

    address: int
    kept: Any = field(repr=False)  # the callback lives as long as this
    raised: list[Exception] = field(default_factory=list)

    def check(self) -> None:
        """Raise what the function raised. Raises: ``UsageError``."""
        if self.raised:
            raise UsageError(f"the rule failed: {self.raised[0]!r}") from self.raised[0]


def own_shares(function: Sharing) -> OwnShares:
    """Make a function callable from kernels: at full speed if numba has compiled it, else by calling Python."""
    return _compiled(function) if hasattr(function, "py_func") else _plain(function)


def _compiled(function: Any) -> OwnShares:
    @numba.cfunc(numba.void(_DOUBLES, numba.int64, numba.float64, _DOUBLES), error_model="numpy")  # type: ignore[untyped-decorator]
    def asked(claims: Any, n: int, available: float, out: Any) -> None:
        found = function(numba.carray(claims, n), available)
        units = numba.carray(out, n)
        for m in range(min(n, found.size)):
            units[m] = found[m]

    return OwnShares(asked.address, asked)


def _plain(function: Sharing) -> OwnShares:
    raised: list[Exception] = []

    def asked(claims: Any, n: int, available: float, out: Any) -> None:
        if raised:
            return
        try:
            given = function(np.ctypeslib.as_array(claims, (n,)).copy(), available)
            np.ctypeslib.as_array(out, (n,))[:] = _checked(np.asarray(given, float), n)
        except Exception as problem:
            raised.append(problem)

    callback = _C_TYPE(asked)
    return OwnShares(ctypes.cast(callback, ctypes.c_void_p).value or 0, callback, raised)


def _checked(given: np.ndarray, n: int) -> np.ndarray:
    if given.shape != (n,) or not np.isfinite(given).all():
        raise ValueError(f"it has to give one finite number for each of {n} claims, not shape {given.shape}")
    return given
