"""Sets of days as bits, 64 days in a word, each set an array: which days of a scenario there is anything to do on.

To go from one such day to the next takes about as long whether tomorrow is the day or three months are skipped.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.extending import intrinsic

from ._compile import kernel

_ONE, _ALL, _NONE = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0)
SMALL = 0xFFFFFFF
"""No day and no row is larger. `x & SMALL` says that x is not negative, so that no kernel looks whether to count from
the end of an array."""


@intrinsic
def lowest(context: Any, word: Any) -> Any:
    """The place of the lowest bit that is set; of no use where none is."""

    def count(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return numba.int64(numba.uint64), count


@intrinsic
def count_above(context: Any, table: Any, u: Any) -> Any:
    """How many of eight numbers in a row u is above: all compared in one step."""

    def count(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        eight, place = ir.VectorType(ir.DoubleType(), 8), ir.IntType(32)
        at = context.make_array(signature.args[0])(context, builder, args[0]).data
        numbers = builder.load(builder.bitcast(at, eight.as_pointer()), align=8)
        same = builder.insert_element(ir.Constant(eight, ir.Undefined), args[1], ir.Constant(place, 0))
        same = builder.shuffle_vector(same, same, ir.Constant(ir.VectorType(place, 8), [0] * 8))
        above = builder.bitcast(builder.fcmp_ordered(">", same, numbers), ir.IntType(8))
        return builder.zext(builder.ctpop(above), ir.IntType(64))

    return numba.int64(table, u), count


@kernel(allocates=False, inline=True)
def mark(days: np.ndarray, day: int) -> None:
    """Put a day into a set."""
    days[day >> 6] |= _ONE << np.uint64(day & 63)


@kernel(allocates=False, inline=True)
def unmark(days: np.ndarray, day: int) -> None:
    """Take a day out of a set."""
    days[day >> 6] &= ~(_ONE << np.uint64(day & 63))


@kernel(allocates=False, inline=True)
def marked(days: np.ndarray, day: int) -> bool:
    """Is the day in the set?"""
    return (days[day >> 6] >> np.uint64(day & 63)) & _ONE != _NONE


@kernel(allocates=False, inline=True)
def next_marked(days: np.ndarray, day: int) -> int:
    """The first day of the set on or after a day; one beyond all where there is none."""
    at = (day >> 6) & SMALL
    if at >= days.size:
        return 64 * days.size
    word = days[at] & (_ALL << np.uint64(day & 63))
    while word == _NONE:
        at += 1
        if at == days.size:
            return 64 * at
        word = days[at]
    return (64 * at + lowest(word)) & SMALL


@kernel(allocates=False, inline=True)
def clear(days: np.ndarray) -> None:
    """Empty a set."""
    for at in range(days.size):
        days[at] = _NONE
