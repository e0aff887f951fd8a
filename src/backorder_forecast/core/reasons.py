"""Why lines are late: how late each would be if one thing were otherwise, over the scenarios of its item's receipts.

Need and supply are curves (:mod:`.first_come`): a line is covered on the day on which stock and what has come reach
what it and those before it need. Otherwise is one thing at a time: purchases no later than promised; nobody before
the line; lines in the order in which they came; purchases that bring enough for all; and all of these together.
Customers go on waiting. `tests/core/test_reasons.py` has the same in a few slow lines.
"""

from typing import Any

import numba
import numpy as np

from ._compile import kernel
from .expedite import ITEM
from .queue_layout import PURCHASE_DRAW

AS_IT_IS, SUPPLIER, QUEUE, QUANTITY, RULE, ALL = 0, 1, 2, 3, 4, 5
CASES = 6

ASKS = np.dtype([("need", "f8"), ("target", "f8"), ("in_turn", "f8"), ("due", "i8")], align=True)
"""A line: open units; units that it and those before it need, in service order and in the order in which they came; and
the day after which it is late."""

_EVENT = np.dtype([("day", "i8"), ("qty", "f8")], align=True)
_HAIR = 1e-9


@kernel(allocates=False)
def _put(event: np.ndarray, count: int, day: int, qty: float) -> None:
    """Insert a receipt by its day."""
    a = count
    while a > 0 and event[a - 1].day > day:
        event[a].day, event[a].qty = event[a - 1].day, event[a - 1].qty
        a -= 1
    event[a].day, event[a].qty = day, qty


@kernel(allocates=False)
def _list(
    item: Any, qty: np.ndarray, promised: np.ndarray, draw: np.ndarray, k: int, following: np.ndarray,
    opens: np.ndarray, kept: bool, event: np.ndarray,
) -> int:  # fmt: skip
    """The scenario's receipts by the working day on which they can serve somebody; kept: no later than promised."""
    n, last = 0, following.size - 1
    for j in range(item.po_from, item.po_to):
        first, rest, some = draw[j, k].first, draw[j, k].rest, draw[j, k].first_qty
        if kept and promised[j] > 0:
            first, rest = min(first, promised[j]), min(rest, promised[j])
        if first < last:
            _put(event, n, opens[following[first]], some)
            n += 1
        if rest < last and qty[j] - some > 0.0:
            _put(event, n, opens[following[rest]], qty[j] - some)
            n += 1
    return n


@kernel(allocates=False)
def _covered(event: np.ndarray, count: int, stock: float, target: float, today: int, beyond: int) -> int:
    """The day on which stock and receipts reach a target."""
    units = stock
    if units >= target - _HAIR:
        return today
    for a in range(count):
        units += event[a].qty
        if units >= target - _HAIR:
            return max(event[a].day, today)
    return beyond


_ITEMS, _LINES = numba.typeof(np.zeros(1, ITEM)), numba.typeof(np.zeros(1, ASKS))
_DRAWS, _EVENTS = numba.typeof(np.zeros((1, 1), PURCHASE_DRAW)), numba.typeof(np.zeros(1, _EVENT))
_CALENDAR = numba.int64[:, ::1]


@kernel(
    numba.void(_ITEMS, _LINES, numba.float64[::1], numba.int64[::1], _DRAWS, _CALENDAR, _CALENDAR, _EVENTS, _EVENTS,
               numba.float64[:, ::1], numba.int64, numba.int64),
    allocates=False,
)  # fmt: skip
def _lateness(
    item: np.ndarray, line: np.ndarray, qty: np.ndarray, promised: np.ndarray, draw: np.ndarray, following: np.ndarray,
    opens: np.ndarray, event: np.ndarray, kept: np.ndarray, out: np.ndarray, start: int, stop: int,
) -> None:  # fmt: skip
    for g in range(start, stop):
        it = item[g]
        nexts, days, beyond = following[it.location], opens[it.location], following.shape[1] - 1
        today = days[nexts[1]]
        for k in range(draw.shape[1]):
            n = _list(it, qty, promised, draw, k, nexts, days, False, event)
            m = _list(it, qty, promised, draw, k, nexts, days, True, kept)
            first = max(event[0].day, today) if n > 0 else beyond
            soonest = max(kept[0].day, today) if m > 0 else beyond
            for j in range(it.line_from, it.line_to):
                row = line[j]
                seen = _covered(event, n, it.stock, row.target, today, beyond)
                if seen <= row.due:
                    continue
                out[j, 0] += seen - row.due
                out[j, 1] += max(_covered(kept, m, it.stock, row.target, today, beyond) - row.due, 0)
                out[j, 2] += max(_covered(event, n, it.stock, row.need, today, beyond) - row.due, 0)
                out[j, 3] += max((first if row.target > it.stock + _HAIR else today) - row.due, 0)
                out[j, 4] += max(_covered(event, n, it.stock, row.in_turn, today, beyond) - row.due, 0)
                out[j, 5] += max((soonest if row.need > it.stock + _HAIR else today) - row.due, 0)


def lateness(
    item: np.ndarray, line: np.ndarray, qty: np.ndarray, promised: np.ndarray, draw: np.ndarray, following: np.ndarray,
    opens: np.ndarray, out: np.ndarray, start: int, stop: int,
) -> None:  # fmt: skip
    """Add, for lines of items start…stop−1, the days late to `out` [lines × CASES], over the scenarios in which a line
    is late as it is.

    item: expedite.ITEM; line: ASKS; qty, promised (days from today; 0: none) [purchases]; draw: PURCHASE_DRAW
    [purchases × scenarios]; following, opens: as of :func:`expedite.gains`.
    """
    if stop <= start:
        return
    mine = item[start:stop]
    receipts = 1 + 2 * int((mine["po_to"] - mine["po_from"]).max())
    _lateness(item, line, qty, promised, draw, following, opens, np.zeros(receipts, _EVENT),
              np.zeros(receipts, _EVENT), out, start, stop)  # fmt: skip


def shares(out: np.ndarray) -> np.ndarray:
    """Shares of the days late [lines × 5: supplier, queue, quantity, allocation rule, no supply]; NaN: not late.

    Each reason has what it alone would save, all together no more than all save at once; the rest, which nothing of it
    saves, is that nothing was ordered in time.
    """
    total = out[:, AS_IT_IS]
    saved = np.maximum(total[:, None] - out[:, SUPPLIER : RULE + 1], 0.0)
    at_once, apart = total - out[:, ALL], saved.sum(axis=1)
    scale = np.divide(np.maximum(at_once, 0.0), apart, out=np.ones(len(out)), where=apart > at_once)
    part = np.divide(saved * scale[:, None], total[:, None], out=np.full(saved.shape, np.nan), where=total[:, None] > 0)
    found: np.ndarray = np.concatenate([part, 1.0 - part.sum(axis=1, keepdims=True)], axis=1)
    return found
