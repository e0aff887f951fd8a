"""What it saves when one receipt comes sooner: each item's lines served again, scenario by scenario.

An item's lines stand in one order; stock and receipts serve them, a customer may leave before. Between receipts nothing
happens but that someone leaves for whom units were kept, or a line's day comes: so a scenario is a walk over its
receipts, not over its days. It is walked once as it is and once for each purchase moved forward; what differs is what
the purchase would save. Days are those of :mod:`.queue_layout`, and so are the draws.

What is not seen here: demand to come that would be served before a line, orders not placed yet, and lines that leave
together. The rest of a day is that of `tests/oracles/queue_day.py`, by which this is tested.
"""

from typing import Any

import numba
import numpy as np

from ._compile import kernel
from .queue_layout import LINE_DRAW, PURCHASE_DRAW

ITEM = np.dtype([("stock", "f8"), ("line_from", "i8"), ("line_to", "i8"), ("po_from", "i8"), ("po_to", "i8"),
                 ("location", "i8")], align=True)  # fmt: skip
"""Units that may be allocated (negative: a hole, filled first), its rows of lines and of purchases, its calendar."""

WAITS = np.dtype([("need", "f8"), ("wanted", "i8"), ("pieces", "i8"), ("min_ship", "f8"), ("due", "i8"),
                  ("value", "f8")], align=True)  # fmt: skip
"""A line, in service order: open units, the day it joins, whether it may leave in pieces and of which least size, the
day promised (0: none, or missed already) and what it is worth."""

MEASURES = ("line_days", "late_lines", "value_days", "late_value")

_EVENT = np.dtype([("day", "i8"), ("qty", "f8"), ("purchase", "i8"), ("rest", "i8"), ("cum", "f8"), ("place", "i8")],
                  align=True)  # fmt: skip
"""A receipt: the working day on which it can serve somebody, its units; what has come with it, how many it covers."""

_HAIR = 1e-9


@kernel("int64(int64, int64, int64[::1])")
def moved(day: int, sooner: int, receive_on: np.ndarray) -> int:
    """The day of a receipt that comes so many days sooner: tomorrow at the earliest, on a day on which goods are
    received; one beyond the horizon stays there, nobody knows how far it is."""
    if day >= receive_on.size - 1:
        return day
    return min(day, receive_on[max(1, day - sooner)])


@kernel(allocates=False)
def _sort(event: np.ndarray, count: int) -> None:
    for a in range(1, count):
        b = a
        while b > 0 and event[b - 1].day > event[b].day:
            day, qty, purchase, rest = event[b].day, event[b].qty, event[b].purchase, event[b].rest
            other = event[b - 1]
            event[b].day, event[b].qty, event[b].purchase, event[b].rest = (
                other.day, other.qty, other.purchase, other.rest,
            )  # fmt: skip
            event[b - 1].day, event[b - 1].qty, event[b - 1].purchase, event[b - 1].rest = day, qty, purchase, rest
            b -= 1


@kernel(allocates=False)
def _list_receipts(
    item: Any, qty: np.ndarray, draw: np.ndarray, k: int, following: np.ndarray, opens: np.ndarray, event: np.ndarray,
) -> int:  # fmt: skip
    """The scenario's receipts by the working day on which they can serve somebody; returns how many."""
    n, last = 0, following.size - 1
    for j in range(item.po_from, item.po_to):
        for rest in range(2):
            units = draw[j, k].first_qty if rest == 0 else qty[j] - draw[j, k].first_qty
            day = draw[j, k].rest if rest == 1 else draw[j, k].first
            if units > 0.0 and day < last:
                event[n].day, event[n].qty, event[n].purchase, event[n].rest = opens[following[day]], units, j, rest
                n += 1
    _sort(event, n)
    return n


@kernel(allocates=False)
def _piece(offered: float, left: float, least: float) -> float:
    part = min(offered, left - least)
    return part if part >= least - _HAIR else 0.0


@kernel(allocates=False)
def _leaves(draw: np.ndarray, j: int, k: int, day: int, following: np.ndarray, opens: np.ndarray) -> int:
    """The day on which a line committed on a working day leaves."""
    handling = draw[j, k].handling if draw.shape[0] > 0 else 0
    return min(opens[min(following[day] + handling, opens.size - 1)], following.size - 1)


@kernel(allocates=False)
def _serve(
    item: Any, line: np.ndarray, draw: np.ndarray, k: int, following: np.ndarray, opens: np.ndarray,
    event: np.ndarray, count: int, left: np.ndarray, end: np.ndarray,
) -> None:  # fmt: skip
    """Fill in the day on which each line leaves or its customer does, whichever comes first."""
    beyond, j0, n = following.size - 1, item.line_from, item.line_to - item.line_from
    drawn = draw.shape[0] > 0
    for x in range(n):
        left[x] = line[j0 + x].need
        end[x] = beyond
        if drawn and 0 < draw[j0 + x, k].cancel < beyond:
            end[x] = draw[j0 + x, k].cancel
    free, first, e = item.stock, 0, 0
    now = opens[following[1]]
    while now < beyond:
        while e < count and event[e].day <= now:
            free += event[e].qty
            e += 1
        wake = beyond
        x = first
        while x < n and free > 0.0:
            if left[x] > 0.0 and drawn and 0 < draw[j0 + x, k].cancel <= now:
                left[x] = 0.0
            if left[x] <= 0.0:
                first += x == first
                x += 1
                continue
            row = line[j0 + x]
            if row.wanted > now:
                wake = min(wake, row.wanted)
                x += 1
                continue
            if free >= left[x] - _HAIR:
                free -= left[x]
                left[x] = 0.0
                end[x] = _leaves(draw, j0 + x, k, now, following, opens)
                x += 1
                continue
            if row.pieces == 1:
                give = _piece(free, left[x], row.min_ship)
                left[x] -= give
                free -= give
            if free > 0.0 and drawn and draw[j0 + x, k].cancel > now:
                wake = min(wake, draw[j0 + x, k].cancel)  # what is kept for it would be others' then
            break
        later = event[e].day if e < count else beyond
        if wake < beyond:
            later = min(later, opens[following[wake]])
        now = later


@kernel(allocates=False)
def _add(total: np.ndarray, value: float) -> None:
    total[0] += value
    total[1] += value * value


@kernel(allocates=False)
def _gain(item: Any, line: np.ndarray, before: np.ndarray, after: np.ndarray, out: np.ndarray) -> None:
    """Add what a scenario saves, and its square, to the sums of one purchase [measures × 2]."""
    days, late, value_days, late_value = 0.0, 0.0, 0.0, 0.0
    for j in range(item.line_from, item.line_to):
        x = j - item.line_from
        saved = float(before[x] - after[x])
        days += saved
        value_days += saved * line[j].value
        if line[j].due > 0:
            kept = int(before[x] > line[j].due) - int(after[x] > line[j].due)
            late += kept
            late_value += kept * line[j].value
    _add(out[0], days)
    _add(out[1], late)
    _add(out[2], value_days)
    _add(out[3], late_value)


@kernel(allocates=False)
def _cover(
    item: Any, line: np.ndarray, draw: np.ndarray, k: int, following: np.ndarray, opens: np.ndarray, event: np.ndarray,
    count: int, target: np.ndarray, end: np.ndarray,
) -> bool:  # fmt: skip
    """Fill in the days by the curves: says whether it may, nobody having left before. Sets `cum` and `place`."""
    n, j0, beyond, e, units = item.line_to - item.line_from, item.line_from, following.size - 1, 0, item.stock
    day = opens[following[1]]
    x = 0
    while True:
        while x < n and target[x] <= units + _HAIR:
            if draw.shape[0] > 0 and 0 < draw[j0 + x, k].cancel <= day:
                return False
            end[x] = _leaves(draw, j0 + x, k, day, following, opens)
            x += 1
        if e > 0:
            event[e - 1].place = x
        if e == count:
            break
        day = max(event[e].day, day)
        units += event[e].qty
        event[e].cum = units
        e += 1
    while x < n:
        if draw.shape[0] > 0 and 0 < draw[j0 + x, k].cancel < beyond:
            return False
        end[x] = beyond
        x += 1
    return True


@kernel(allocates=False)
def _moves(
    k: int, following: np.ndarray, opens: np.ndarray, receive_on: np.ndarray, po_draw: np.ndarray, event: np.ndarray,
    count: int, j: int, sooner: int,
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """The receipts of purchase j that come on an earlier day (−1: none), in the order of their new days; these days;
    and the last of the receipts."""
    one, two, day_one, day_two, last = -1, -1, following.size - 1, following.size - 1, -1
    for a in range(count):
        if event[a].purchase == j:
            drawn = po_draw[j, k].rest if event[a].rest == 1 else po_draw[j, k].first
            day = opens[following[moved(drawn, sooner, receive_on)]]
            if day >= event[a].day:
                continue
            last = a
            if one < 0:
                one, day_one = a, day
            else:
                two, day_two = a, day
    if day_two < day_one:
        return two, one, day_two, day_one, last
    return one, two, day_one, day_two, last


@kernel(allocates=False)
def _gain_in_window(
    item: Any, line: np.ndarray, draw: np.ndarray, k: int, following: np.ndarray, opens: np.ndarray,
    receive_on: np.ndarray, po_draw: np.ndarray, event: np.ndarray, count: int, target: np.ndarray,
    before: np.ndarray, j: int, sooner: int, out: np.ndarray,
) -> None:  # fmt: skip
    """The same where the curves say it: walk the receipts from the new day of purchase j's to the old one."""
    one, two, day_one, day_two, last = _moves(k, following, opens, receive_on, po_draw, event, count, j, sooner)
    if one < 0:
        return
    none = following.size - 1
    a = last
    while a > 0 and event[a - 1].day > day_one:
        a -= 1
    today, n = opens[following[1]], item.line_to - item.line_from
    units = event[a - 1].cum if a > 0 else item.stock
    x = event[a - 1].place if a > 0 else 0
    while a == 0 and x < n and target[x] <= units + _HAIR:
        x += 1
    days, late, value_days, late_value = 0.0, 0.0, 0.0, 0.0
    put_one, put_two = False, two < 0
    stop = event[last].place
    while x < stop:
        if a <= last and a in (one, two):
            a += 1
            continue
        following_day = event[a].day if a <= last else none
        if not put_one and day_one <= following_day and (put_two or day_one <= day_two):
            day, put_one = day_one, True
            units += event[one].qty
        elif not put_two and day_two <= following_day:
            day, put_two = day_two, True
            units += event[two].qty
        elif a > last:
            break
        else:
            day = following_day
            units += event[a].qty
            a += 1
        day = max(day, today)
        while x < stop and target[x] <= units + _HAIR:
            row = line[item.line_from + x]
            leaves = _leaves(draw, item.line_from + x, k, day, following, opens)
            saved = float(before[x] - leaves)
            days += saved
            value_days += saved * row.value
            if row.due > 0:
                kept = int(before[x] > row.due) - int(leaves > row.due)
                late += kept
                late_value += kept * row.value
            x += 1
    _add(out[0], days)
    _add(out[1], late)
    _add(out[2], value_days)
    _add(out[3], late_value)


@kernel(allocates=False)
def _move(
    event: np.ndarray, changed: np.ndarray, count: int, j: int, k: int, sooner: int, draw: np.ndarray,
    receive_on: np.ndarray, following: np.ndarray, opens: np.ndarray,
) -> int:  # fmt: skip
    """Copy the receipts with those of purchase j moved forward; returns the first day on which anything differs."""
    differs = following.size - 1
    for a in range(count):
        changed[a].day, changed[a].qty = event[a].day, event[a].qty
        changed[a].purchase, changed[a].rest = event[a].purchase, event[a].rest
        if event[a].purchase == j:
            drawn = draw[j, k].rest if event[a].rest == 1 else draw[j, k].first
            changed[a].day = opens[following[moved(drawn, sooner, receive_on)]]
            if changed[a].day < event[a].day:
                differs = min(differs, changed[a].day)
    _sort(changed, count)
    return differs


_ITEMS, _LINES = numba.typeof(np.zeros(1, ITEM)), numba.typeof(np.zeros(1, WAITS))
_LINE_DRAWS, _DRAWS = (numba.typeof(np.zeros((1, 1), x)) for x in (LINE_DRAW, PURCHASE_DRAW))
_EVENTS, _DAYS = numba.typeof(np.zeros(1, _EVENT)), numba.int64[::1]
_CALENDAR = numba.int64[:, ::1]


@kernel(
    numba.void(_ITEMS, _LINES, _LINE_DRAWS, numba.float64[::1], _DRAWS, _CALENDAR, _CALENDAR, _DAYS, _DAYS, _EVENTS,
               _EVENTS, numba.float64[::1], numba.float64[::1], _DAYS, _DAYS, numba.float64[:, :, :, ::1], numba.int64,
               numba.int64),
    allocates=False,
)  # fmt: skip
def _gains(
    item: np.ndarray, line: np.ndarray, line_draw: np.ndarray, qty: np.ndarray, draw: np.ndarray,
    following: np.ndarray, opens: np.ndarray, receive_on: np.ndarray, sooner: np.ndarray, event: np.ndarray,
    changed: np.ndarray, left: np.ndarray, target: np.ndarray, before: np.ndarray, after: np.ndarray, out: np.ndarray,
    start: int, stop: int,
) -> None:  # fmt: skip
    for g in range(start, stop):
        it = item[g]
        nexts, days = following[it.location], opens[it.location]
        n, need, present = it.line_to - it.line_from, 0.0, True
        for j in range(it.line_from, it.line_to):
            need += line[j].need
            target[j - it.line_from] = need
            present &= line[j].wanted <= days[nexts[1]]
        if n == 0 or need <= it.stock + _HAIR or it.po_to == it.po_from:
            continue
        for k in range(draw.shape[1]):
            count = _list_receipts(it, qty, draw, k, nexts, days, event)
            if present and _cover(it, line, line_draw, k, nexts, days, event, count, target, before):
                for j in range(it.po_from, it.po_to):
                    for m in range(sooner.size):
                        _gain_in_window(it, line, line_draw, k, nexts, days, receive_on, draw, event, count, target,
                                        before, j, sooner[m], out[j, m])  # fmt: skip
                continue
            _serve(it, line, line_draw, k, nexts, days, event, count, left, before)
            last = 0
            for x in range(n):
                last = max(last, before[x])
            for j in range(it.po_from, it.po_to):
                for m in range(sooner.size):
                    differs = _move(event, changed, count, j, k, sooner[m], draw, receive_on, nexts, days)
                    if differs < last:
                        _serve(it, line, line_draw, k, nexts, days, changed, count, left, after)
                        _gain(it, line, before, after, out[j, m])


def gains(
    item: np.ndarray, line: np.ndarray, line_draw: np.ndarray, qty: np.ndarray, draw: np.ndarray, following: np.ndarray,
    opens: np.ndarray, receive_on: np.ndarray, sooner: np.ndarray, out: np.ndarray, start: int, stop: int,
) -> None:  # fmt: skip
    """Add to `out` what each purchase of items start…stop−1 saves by coming sooner, over scenarios.

    item: ITEM; line: WAITS; line_draw: queue_layout.LINE_DRAW [lines × scenarios], or no rows: nobody leaves and
    nothing takes time; qty [purchases], draw [purchases × scenarios]: queue_layout.PURCHASE_DRAW; following [locations
    × days 0…H + 1]: place in `opens` of the first working day on or after each; opens [locations × …]: the working
    days; receive_on [days]: the first day on or after each on which goods are received; sooner: days.
    out: sums and sums of squares [purchases × sooner × MEASURES × 2].
    """
    if stop <= start:
        return
    mine = item[start:stop]
    lines = max(int((mine["line_to"] - mine["line_from"]).max()), 1)
    receipts = max(2 * int((mine["po_to"] - mine["po_from"]).max()), 1)
    _gains(item, line, line_draw, qty, draw, following, opens, receive_on, sooner, np.zeros(receipts, _EVENT),
           np.zeros(receipts, _EVENT), np.zeros(lines), np.zeros(lines), np.zeros(lines, np.int64),
           np.zeros(lines, np.int64), out, start, stop)  # fmt: skip
