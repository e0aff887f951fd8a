"""What it saves when one receipt comes sooner: each item's lines served again, scenario by scenario.

An item's lines stand in one order; stock and receipts serve them, a customer may leave before. Between receipts nothing
happens but that someone leaves for whom units were kept, or a line's day comes: so a scenario is a walk over its
receipts, not over its days. It is walked once as it is, with the state after each step kept. A purchase moved forward
is walked from the last state before its new day, until, past its old day, the state is again the one that was; what
differs is what the purchase would save. Days are those of :mod:`.queue_layout`, and so are the draws.

What is not seen here: demand to come that would be served before a line, orders not placed yet, and lines that leave
together. The rest of a day is that of `tests/oracles/queue_day.py`, by which this is tested.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from ._by_reference import by_reference
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

_EVENT = np.dtype([("day", "i8"), ("drawn", "i8"), ("qty", "f8"), ("purchase", "i8")], align=True)
"""A receipt: the working day on which it can serve somebody, the day on which it comes, its units."""

_STATE = np.dtype([("day", "i8"), ("wake", "i8"), ("taken", "i8"), ("come", "f8"), ("free", "f8"), ("first", "i8"),
                   ("reach", "i8"), ("left", "f8")], align=True)  # fmt: skip
"""Where a walk is after a day: the next day on which something changes without a receipt, how many receipts have come,
units that have come, and those still free; the first line to be served, up to where lines have been looked at, and what
the first one asks for."""

_HAIR = 1e-9


class _Walk(NamedTuple):
    """What is read, and room for one item in one scenario."""

    item: np.ndarray
    line: np.ndarray
    line_draw: np.ndarray
    qty: np.ndarray
    draw: np.ndarray
    following: np.ndarray
    opens: np.ndarray
    receive_on: np.ndarray
    sooner: np.ndarray
    out: np.ndarray
    event: np.ndarray  # _EVENT [receipts], by day
    step: np.ndarray  # _STATE [steps]: those of the walk as it is; the first one is before all
    at: np.ndarray  # _STATE [1]: of the walk that is going on
    left: np.ndarray  # f8 [lines]: units that each still asks for; between walks, all
    target: np.ndarray  # f8 [lines]: units that had come when each had all it asks for; NaN: it has not
    gone: np.ndarray  # i8 [lines]: the day on which its customer leaves, H + 1: not before
    before: np.ndarray  # i8 [lines]: the day on which it leaves or its customer does
    after: np.ndarray  # i8 [lines]: the same with a purchase moved; between walks, `gone`


@kernel("int64(int64, int64, int64[::1])")
def moved(day: int, sooner: int, receive_on: np.ndarray) -> int:
    """The day of a receipt that comes so many days sooner: tomorrow at the earliest, on a day on which goods are
    received; one beyond the horizon stays there, nobody knows how far it is."""
    if day >= receive_on.size - 1:
        return day
    return min(day, receive_on[max(1, day - sooner)])


@kernel(allocates=False)
def _working(w: _Walk, item: Any, day: int) -> int:
    """The first working day on or after a day."""
    return w.opens[item.location, w.following[item.location, day]]


@kernel(allocates=False)
def _place(w: _Walk, a: int, day: int) -> int:
    """Where the receipt at a, by day, would stand if it came on this day or sooner than it does."""
    while a > 0 and w.event[a - 1].day > day:
        a -= 1
    return a


@kernel(allocates=False)
def _put(w: _Walk, a: int, b: int, day: int) -> None:
    """The receipt at a now comes on this day, and stands at b; those between make room."""
    drawn, qty, purchase = w.event[a].drawn, w.event[a].qty, w.event[a].purchase
    step = 1 if b > a else -1
    while a != b:
        w.event[a] = w.event[a + step]
        a += step
    w.event[b].day, w.event[b].drawn, w.event[b].qty, w.event[b].purchase = day, drawn, qty, purchase


@kernel(allocates=False)
def _list_receipts(w: _Walk, item: Any, k: int) -> int:
    """The scenario's receipts by the working day on which they can serve somebody; returns how many."""
    n, last = 0, w.receive_on.size - 1
    for j in range(item.po_from, item.po_to):
        draw = w.draw[j, k]
        for rest in range(2):
            units = draw.first_qty if rest == 0 else w.qty[j] - draw.first_qty
            drawn = draw.rest if rest == 1 else draw.first
            if units > 0.0 and drawn < last:
                w.event[n].drawn, w.event[n].qty, w.event[n].purchase = drawn, units, j
                day = _working(w, item, drawn)
                _put(w, n, _place(w, n, day), day)
                n += 1
    return n


@kernel(allocates=False)
def _piece(offered: float, left: float, least: float) -> float:
    part = min(offered, left - least)
    return part if part >= least - _HAIR else 0.0


@kernel(allocates=False)
def _leaves(w: _Walk, item: Any, j: int, k: int, day: int) -> int:
    """The day on which a line committed on a working day leaves."""
    handling = w.line_draw[j, k].handling if w.line_draw.shape[0] > 0 else 0
    if handling == 0:
        return day
    place = min(w.following[item.location, day] + handling, w.opens.shape[1] - 1)
    return min(w.opens[item.location, place], w.receive_on.size - 1)


@kernel(allocates=False)
def _serve(w: _Walk, item: Any, k: int, end: np.ndarray, first_walk: bool) -> None:
    """Lines take in turn what is free today; `end` gets the days on which they leave, `wake` the next day to look."""
    now, wake, free = w.at[0].day, w.receive_on.size - 1, w.at[0].free
    first, n, x = w.at[0].first, item.line_to - item.line_from, w.at[0].first
    while x < n and free > 0.0:
        row = w.line[item.line_from + x]
        if w.gone[x] <= now:
            w.left[x] = 0.0
        elif w.left[x] > 0.0:
            if row.wanted > now:
                wake = min(wake, row.wanted)
            elif free >= w.left[x] - _HAIR:
                free -= w.left[x]
                w.left[x] = 0.0
                end[x] = _leaves(w, item, item.line_from + x, k, now)
                if first_walk:
                    w.target[x] = w.at[0].come - free
            else:
                give = _piece(free, w.left[x], row.min_ship) if row.pieces == 1 else 0.0
                w.left[x] -= give
                free -= give
                x += 1
                wake = min(wake, w.gone[x - 1]) if free > 0.0 else wake  # what is kept for it would be others' then
                break
        x += 1
    while first < n and w.left[first] <= 0.0:
        first += 1
    w.at[0].free, w.at[0].first, w.at[0].reach = free, first, max(w.at[0].reach, x)
    w.at[0].wake = _working(w, item, wake)


@kernel(allocates=False)
def _go_on(w: _Walk, item: Any, k: int, count: int, end: np.ndarray, first_walk: bool) -> bool:
    """The next day on which something may happen; says whether there is one."""
    taken, beyond = w.at[0].taken, w.receive_on.size - 1
    day = min(w.at[0].wake, w.event[taken].day if taken < count else beyond)
    if day >= beyond or w.at[0].first >= item.line_to - item.line_from:
        return False
    while taken < count and w.event[taken].day <= day:
        w.at[0].free += w.event[taken].qty
        w.at[0].come += w.event[taken].qty
        taken += 1
    w.at[0].day, w.at[0].taken = day, taken
    _serve(w, item, k, end, first_walk)
    return True


@kernel(allocates=False)
def _keep(w: _Walk, item: Any, step: int) -> None:
    w.step[step] = w.at[0]
    x = w.at[0].first
    w.step[step].left = w.left[x] if x < item.line_to - item.line_from else 0.0


@kernel(allocates=False)
def _forget(w: _Walk, item: Any, start: int, stop: int) -> None:
    """Lines ask for everything again."""
    for x in range(start, stop):
        w.left[x], w.after[x] = w.line[item.line_from + x].need, w.gone[x]


@kernel(allocates=False)
def _walk(w: _Walk, item: Any, k: int, count: int) -> int:
    """Walk over the receipts as they are, keeping all states; returns how many."""
    n = item.line_to - item.line_from
    for x in range(n):
        gone = w.line_draw[item.line_from + x, k].cancel if w.line_draw.shape[0] > 0 else 0
        w.gone[x] = gone if 0 < gone < w.receive_on.size else w.receive_on.size - 1
        w.before[x], w.target[x] = w.gone[x], np.nan
    _forget(w, item, 0, n)
    w.at[0].day, w.at[0].wake, w.at[0].taken, w.at[0].reach = 0, _working(w, item, 1), 0, 0
    w.at[0].come, w.at[0].free, w.at[0].first = item.stock, item.stock, 0
    _keep(w, item, 0)
    steps = 1
    while _go_on(w, item, k, count, w.before, True):
        _keep(w, item, steps)
        steps += 1
    _forget(w, item, 0, w.at[0].reach)
    return steps


@kernel(allocates=False)
def _in_turn(state: Any) -> bool:
    """Whether nobody behind the first line has got anything: then its units are all there is to know."""
    return state.reach <= state.first + 1


@kernel(allocates=False)
def _last_before(w: _Walk, step: int, steps: int, day: int) -> int:
    """The last step before a day from which it can be gone on; `step`: where to begin looking."""
    while step + 1 < steps and w.step[step + 1].day < day:
        step += 1
    while w.step[step].day >= day or not _in_turn(w.step[step]):
        step -= 1
    return step


@kernel(allocates=False)
def _is_as_before(w: _Walk, item: Any, step: int) -> bool:
    """Whether all goes on as it did after this step."""
    then, x = w.step[step], w.at[0].first
    if then.free != w.at[0].free or then.first != x or not (_in_turn(then) and _in_turn(w.at[0])):
        return False
    return x == item.line_to - item.line_from or w.left[x] == then.left


@kernel(allocates=False)
def _walk_again(w: _Walk, item: Any, k: int, count: int, step: int, steps: int, until: int) -> int:
    """Walk over changed receipts from a step on, filling in `after`; from the day `until` on they are as they were.
    Returns up to where lines may differ."""
    w.at[0] = w.step[step]
    if w.at[0].first < item.line_to - item.line_from:
        w.left[w.at[0].first] = w.at[0].left
    while _go_on(w, item, k, count, w.after, False):
        while step + 1 < steps and w.step[step + 1].day <= w.at[0].day:
            step += 1
        if w.at[0].day >= until and _is_as_before(w, item, step):
            for x in range(w.at[0].first, w.at[0].reach):
                w.after[x] = w.before[x]
            return w.at[0].reach
    return max(w.at[0].reach, w.step[steps - 1].reach)


@kernel(allocates=False)
def _add(total: np.ndarray, value: float) -> None:
    total[0] += value
    total[1] += value * value


@kernel(allocates=False)
def _gain(w: _Walk, item: Any, start: int, stop: int, out: np.ndarray) -> None:
    """Add what a scenario saves, and its square, to the sums of one purchase [measures × 2]; forget the walk."""
    days, late, value_days, late_value = 0.0, 0.0, 0.0, 0.0
    for x in range(start, stop):
        row, saved = w.line[item.line_from + x], float(w.before[x] - w.after[x])
        days += saved
        value_days += saved * row.value
        if row.due > 0:
            kept = int(w.before[x] > row.due) - int(w.after[x] > row.due)
            late += kept
            late_value += kept * row.value
        w.left[x], w.after[x] = row.need, w.gone[x]
    _add(out[0], days)
    _add(out[1], late)
    _add(out[2], value_days)
    _add(out[3], late_value)


@kernel(allocates=False)
def _other(w: _Walk, a: int, count: int) -> int:
    """The place of the other receipt of a purchase that comes in parts; −1: none."""
    purchase = w.event[a].purchase
    if w.event[a].qty < w.qty[purchase]:
        for b in range(count):
            if b != a and w.event[b].purchase == purchase:
                return b
    return -1


@kernel(allocates=False)
def _sooner(w: _Walk, item: Any, a: int, m: int) -> int:
    """The working day of a receipt that comes sooner."""
    return min(w.event[a].day, _working(w, item, moved(w.event[a].drawn, w.sooner[m], w.receive_on)))


@kernel(allocates=False)
def _by_curves(w: _Walk, item: Any, k: int, step: int, last: int, a: int, now: int) -> bool:
    """Fill in `after` where the receipt at a comes sooner, by the curves of need and supply, from a step to that of its
    old day: a line is served as soon as its units have come. Says whether that is all there is: lines were there, and
    whoever left had left before its turn, so that all took what they had taken."""
    start, stop, day, units = w.step[step].first, w.step[last].first, now, w.event[a].qty
    for x in range(start, stop):
        if w.line[item.line_from + x].wanted > now:
            return False
        if w.target[x] == w.target[x]:
            while step < last and w.step[step].come + units < w.target[x] - _HAIR:
                step += 1
            day = max(day, w.step[step].day)
            w.after[x] = _leaves(w, item, item.line_from + x, k, day)
        elif w.gone[x] > day:
            return False
    if stop == item.line_to - item.line_from:
        return True
    row = w.line[item.line_from + stop]
    # by least pieces the next line might have got another part of what it asks for than it had
    return row.min_ship == 0.0 and row.wanted <= now and w.step[last].taken > a


@kernel(allocates=False)
def _by_walk(
    w: _Walk, item: Any, k: int, count: int, step: int, steps: int, a: int, now: int, b: int, now_b: int
) -> int:  # fmt: skip
    """The same with the receipt at b, too (−1: none), by walking again from a step; returns up to where they differ."""
    was, to = w.event[a].day, _place(w, a, now)
    was_b = w.event[b].day if b >= 0 else 0
    _put(w, a, to, now)
    to_b = _place(w, b, now_b) if b >= 0 else 0
    if b >= 0:
        _put(w, b, to_b, now_b)
    stop = _walk_again(w, item, k, count, step, steps, max(was, was_b))
    if b >= 0:
        _put(w, to_b, b, was_b)
    _put(w, to, a, was)
    return stop


@kernel(allocates=False)
def _move(w: _Walk, item: Any, k: int, count: int, a: int, m: int, step: int, steps: int) -> int:
    """Count what it saves if the purchase with its first receipt at a comes sooner; returns where looking began."""
    b = _other(w, a, count)
    if 0 <= b < a:
        return step
    was, now, out = w.event[a].day, _sooner(w, item, a, m), w.out[w.event[a].purchase, m]
    was_b, now_b = (w.event[b].day, _sooner(w, item, b, m)) if b >= 0 else (was, was)
    if now == was and now_b == was_b:
        return step
    step = _last_before(w, step, steps, min(now if now < was else now_b, now_b if now_b < was_b else now))
    start = w.step[step].first
    if start == item.line_to - item.line_from:
        return step
    if b < 0 and (step + 1 == steps or w.step[step + 1].day >= now):
        last = _last_before(w, step, steps, was + 1)
        if _by_curves(w, item, k, step, last, a, now):
            _gain(w, item, start, w.step[last].first, out)
            return step
        _forget(w, item, start, w.step[last].first)
    _gain(w, item, start, _by_walk(w, item, k, count, step, steps, a, now, b, now_b), out)
    return step


@kernel(allocates=False)
def _scenarios(w: _Walk, item: Any) -> None:
    for k in range(w.draw.shape[1]):
        count = _list_receipts(w, item, k)
        steps = _walk(w, item, k, count)
        for m in range(w.sooner.size):
            step = 0
            for a in range(count):
                step = _move(w, item, k, count, a, m, step, steps)


def _room(
    item: np.ndarray, line: np.ndarray, line_draw: np.ndarray, qty: np.ndarray, draw: np.ndarray, following: np.ndarray,
    opens: np.ndarray, receive_on: np.ndarray, sooner: np.ndarray, out: np.ndarray, start: int, stop: int,
) -> _Walk:  # fmt: skip
    lines = max(int((item["line_to"] - item["line_from"])[start:stop].max()), 1)
    receipts = max(2 * int((item["po_to"] - item["po_from"])[start:stop].max()), 1)
    return _Walk(
        item, line, line_draw, qty, draw, following, opens, receive_on, sooner, out, np.zeros(receipts, _EVENT),
        np.zeros(receipts + 2 * lines + 2, _STATE), np.zeros(1, _STATE), np.zeros(lines), np.zeros(lines),
        np.zeros(lines, np.int64), np.zeros(lines, np.int64), np.zeros(lines, np.int64),
    )  # fmt: skip


_SMALLEST = _room(
    np.zeros(1, ITEM), np.zeros(1, WAITS), np.zeros((1, 1), LINE_DRAW), np.zeros(1), np.zeros((1, 1), PURCHASE_DRAW),
    np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64),
    np.zeros((1, 1, 1, 1)), 0, 1,
)  # fmt: skip


@kernel(numba.void(numba.typeof(_SMALLEST), numba.int64, numba.int64), allocates=False)
def _gains(walk: _Walk, start: int, stop: int) -> None:
    w = by_reference(walk)
    for g in range(start, stop):
        item, need = w.item[g], 0.0
        for j in range(item.line_from, item.line_to):
            need += w.line[j].need
        if need > max(item.stock, 0.0) + _HAIR and item.po_to > item.po_from:
            _scenarios(w, item)


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
    _gains(_room(item, line, line_draw, qty, draw, following, opens, receive_on, sooner, out, start, stop), start, stop)
