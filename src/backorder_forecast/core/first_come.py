"""First come, first served without an event loop: the cumulative curves of need and of supply, merged.

Lines of an item, in service order, need N₁ ≤ N₂ ≤ … units in all: what the lines up to each one have open, less the
stock (a hole in the stock is owed first). A receipt that lifts what has come from a to b covers the lines with
a < N ≤ b on its day, whatever came before it and in which order. So a scenario costs a sort of the item's receipts and
two counts for each of them: lines that begin to be covered on that day begin at one place of the queue and end at
another. Counting begins and ends instead of lines, the work does not grow with lines × scenarios, and the day histogram
of each line is a running sum over the queue.

Valid where nobody cancels and all lines of the item are served in one order (`tests/oracles/cover_day.py` says what a
cover day is). Future demand stands behind and does not matter. Draws are those of `chance.sample_days`: the same keys
give the same receipts as everywhere else.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from ._compile import kernel
from .chance import BUCKETS, set_guide, uniform
from .queue_kernel import PURCHASE_DRAW

ITEM = np.dtype(
    [
        ("stock", "f8"),  # units that may be allocated; negative: owed before any line
        ("line_from", "i8"),
        ("line_to", "i8"),  # its rows of `line`, in service order
        ("po_from", "i8"),
        ("po_to", "i8"),  # its rows of `purchase`
        ("location", "i8"),  # row of `commit_on`
    ],
    align=True,
)

LINE = np.dtype([("need", "f8"), ("wanted", "i8")], align=True)
"""Open units, and the day from which they may leave: 0 or less for a line that waits already. Within an item no line
may stand before one that is wanted earlier."""

PURCHASE = np.dtype([("key", "u8"), ("law", "i8"), ("qty", "f8")], align=True)
"""Key of its draws, row of `received`, units that come on that day."""

_BY_SUBSET = 10  # purchases up to which the places of all subsets in the queue are tabulated
_SHIFT, _ROW = 16, (1 << 16) - 1  # a receipt is its day, and its row in the lowest bits
_HAIR = 1e-9


class Queues(NamedTuple):
    """What is to be served. Days are 1…H after today; H + 1 stands for later, or never."""

    item: np.ndarray  # ITEM [items]
    line: np.ndarray  # LINE [lines], by item
    commit_on: np.ndarray  # i8 [locations, H + 2]: the first day, on or after each, on which goods may leave


class Covered(NamedTuple):
    """Days on which the last unit of each line is there and may leave."""

    quantile: np.ndarray  # i2 [lines, levels]: the smallest day with at least that chance; H + 1: beyond
    within: np.ndarray  # f8 [lines]: P(by day H)
    histogram: np.ndarray  # u2 [lines or 0, H + 2]: in how many scenarios on each day


class _Scratch(NamedTuple):
    """Of one range of items; sizes are those of the largest."""

    target: np.ndarray  # f8 [lines]: units that must have come for each line
    arrival: np.ndarray  # i4 [receipts, K]: day and row of each receipt
    units: np.ndarray  # f8 [receipts, K]
    total: np.ndarray  # f8 [subsets]: units of each subset of the receipts
    place: np.ndarray  # i8 [subsets]: how many lines each subset covers
    step: np.ndarray  # i4 [lines + 1, H + 2]: by how much a day's count differs from that of the line before
    run: np.ndarray  # i4 [H + 2]
    guide: np.ndarray  # i8 [BUCKETS]: the first day with at least that chance
    law: np.ndarray  # f8 [days + 1]
    chance: np.ndarray  # f8 [K]


def _scratch(q: Queues, start: int, stop: int, receipts: int, width: int, scenarios: int) -> _Scratch:
    item = q.item[start:stop]
    lines = int((item["line_to"] - item["line_from"]).max())
    rows = receipts * int((item["po_to"] - item["po_from"]).max())
    days = q.commit_on.shape[1]
    if rows > _ROW:
        raise ValueError(f"an item has {rows} receipts; at most {_ROW} can be told apart")
    return _Scratch(
        np.zeros(lines),
        np.zeros((rows, scenarios), np.int32),
        np.zeros((rows, scenarios)),
        np.zeros(1 << _BY_SUBSET),
        np.zeros(1 << _BY_SUBSET, np.int64),
        np.zeros((lines + 1, days), np.int32),
        np.zeros(days, np.int32),
        np.zeros(BUCKETS, np.int64),
        np.zeros(width + 1),
        np.zeros(scenarios),
    )


@kernel(allocates=False)
def set_targets(item: Any, line: np.ndarray, target: np.ndarray) -> None:
    """Units that must have come before each line of the item is covered; none where stock covers it."""
    total = -item.stock
    for j in range(item.line_from, item.line_to):
        total += line[j].need
        target[j - item.line_from] = total


@kernel(allocates=False)
def covers(target: np.ndarray, lines: int, begin: int, units: float) -> int:
    """How many lines these units cover, `begin` or more."""
    n = begin
    while n < lines and target[n] <= units + _HAIR:
        n += 1
    return n


@kernel(allocates=False)
def _set_guide(s: "_Scratch", law: np.ndarray) -> None:
    days = law.size
    for i in range(days):
        s.law[i] = law[i]
    s.law[days] = 2.0  # beyond every chance: never received
    set_guide(s.law, s.guide)


@kernel(allocates=False)
def _set_chances(key: np.uint64, chance: np.ndarray) -> None:
    # apart, so that the compiler sees that nothing else is written and takes several scenarios at once
    for k in range(chance.size):
        chance[k] = uniform(key, k, 0)


@kernel(allocates=False)
def _draw_receipts(s: "_Scratch", p: Any, received: np.ndarray, row: int, beyond: int) -> None:
    """Days of one purchase in every scenario: the smallest one whose chance is at least the draw's."""
    _set_guide(s, received[p.law])
    _set_chances(p.key, s.chance)
    for k in range(s.chance.size):
        u = s.chance[k]
        i = s.guide[int(u * BUCKETS)]
        i += s.law[i] < u
        while s.law[i] < u:
            i += 1
        s.arrival[row, k] = (min(i + 1, beyond) << _SHIFT) | row


@kernel(allocates=False)
def _exchange(arrival: np.ndarray, a: int, b: int) -> None:
    for k in range(arrival.shape[1]):
        x, y = arrival[a, k], arrival[b, k]
        arrival[a, k] = min(x, y)
        arrival[b, k] = max(x, y)


@kernel(allocates=False)
def _sort(arrival: np.ndarray, rows: int) -> None:
    """Batcher's merge exchange (Knuth 3, 5.2.2 M): the same exchanges in every scenario, so all side by side."""
    top = 1
    while 2 * top < rows:
        top *= 2
    p = top if rows > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while d > 0:
            for i in range(rows - d):
                if i & p == r:
                    _exchange(arrival, i, i + d)
            d = q - p
            q //= 2
            r = p
        p //= 2


@kernel(allocates=False)
def _set_places(s: "_Scratch", item: Any, purchase: np.ndarray, lines: int) -> None:
    """How many lines each subset of the item's purchases covers, subsets being bits."""
    s.total[0] = 0.0
    s.place[0] = covers(s.target, lines, 0, 0.0)
    for j in range(item.po_to - item.po_from):
        bit, qty = 1 << j, purchase[item.po_from + j].qty
        for subset in range(bit):
            s.total[bit | subset] = s.total[subset] + qty
            s.place[bit | subset] = covers(s.target, lines, s.place[subset], s.total[subset] + qty)


@kernel(allocates=False)
def _count_by_subset(s: "_Scratch", rows: int, lines: int, beyond: int) -> None:
    for k in range(s.chance.size):
        subset, at = 0, s.place[0]
        for r in range(rows):
            arrival = s.arrival[r, k]
            day = arrival >> _SHIFT
            subset |= 1 << (arrival & _ROW)
            s.step[at, day] += 1
            at = s.place[subset]
            s.step[at, day] -= 1
        s.step[at, beyond] += 1
        s.step[lines, beyond] -= 1


@kernel(allocates=False)
def _count_by_units(s: "_Scratch", rows: int, lines: int, beyond: int) -> None:
    first = covers(s.target, lines, 0, 0.0)
    for k in range(s.chance.size):
        units, at = 0.0, first
        for r in range(rows):
            if at == lines:
                break
            day = s.arrival[r, k] >> _SHIFT
            units += s.units[s.arrival[r, k] & _ROW, k]
            s.step[at, day] += 1
            at = covers(s.target, lines, at, units)
            s.step[at, day] -= 1
        s.step[at, beyond] += 1
        s.step[lines, beyond] -= 1


@kernel(allocates=False)
def _begin(s: "_Scratch", item: Any, line: np.ndarray) -> int:
    """Clear the counts and cover by stock what it covers, on day 0; returns the item's lines."""
    lines = item.line_to - item.line_from
    set_targets(item, line, s.target)
    s.step[: lines + 1] = 0
    s.step[0, 0] = s.chance.size
    s.step[covers(s.target, lines, 0, 0.0), 0] -= s.chance.size
    return lines


@kernel(allocates=False)
def _read_line(s: "_Scratch", opens: np.ndarray, wanted: int, levels: np.ndarray, out: Covered, j: int) -> None:
    """Quantiles of a line, and its histogram if that is kept, from `run`; opens: row of `commit_on`."""
    last, scenarios = s.run.size - 1, s.chance.size
    seen, level, d = 0, 0, 0
    while d <= last and level < levels.size:
        seen += s.run[d]
        while level < levels.size and seen >= levels[level] * scenarios - _HAIR:
            out.quantile[j, level] = opens[max(d, wanted)]
            level += 1
        d += 1
    late, d = 0, last
    while d >= 0 and opens[max(d, wanted)] == last:
        late += s.run[d]
        d -= 1
    out.within[j] = (scenarios - late) / scenarios
    if out.histogram.shape[0] > 0:
        for d in range(last + 1):
            out.histogram[j, opens[max(d, wanted)]] += s.run[d]


@kernel(allocates=False)
def _add(step: np.ndarray, run: np.ndarray) -> None:
    for d in range(run.size):
        run[d] += step[d]


@kernel(allocates=False)
def _read(s: "_Scratch", q: Queues, item: Any, levels: np.ndarray, out: Covered) -> None:
    """Sum up the steps along the queue: each line's histogram."""
    s.run[:] = 0
    for j in range(item.line_from, item.line_to):
        _add(s.step[j - item.line_from], s.run)
        _read_line(s, q.commit_on[item.location], min(q.line[j].wanted, s.run.size - 1), levels, out, j)


def _example(receipts: int) -> tuple[Queues, _Scratch, Covered]:
    """The smallest problem: a kernel's signature is its type."""
    item = np.zeros(1, ITEM)
    item["line_to"] = item["po_to"] = 1
    queues = Queues(item, np.zeros(1, LINE), np.zeros((1, 3), np.int64))
    found = Covered(np.zeros((1, 1), np.int16), np.zeros(1), np.zeros((1, 3), np.uint16))
    return queues, _scratch(queues, 0, 1, receipts, 1, 1), found


_QUEUES, _SCRATCH, _COVERED = (numba.typeof(x) for x in _example(1))
_PURCHASES, _LAWS = numba.typeof(np.zeros(1, PURCHASE)), numba.float64[:, ::1]
_DRAWS = numba.typeof(np.zeros((1, 1), PURCHASE_DRAW))


@kernel(
    numba.void(_QUEUES, _PURCHASES, _LAWS, numba.float64[::1], _SCRATCH, _COVERED, numba.int64, numba.int64),
    allocates=False,
)
def _sampled(
    q: Queues, purchase: np.ndarray, received: np.ndarray, levels: np.ndarray, s: "_Scratch", out: Covered, start: int,
    stop: int,
) -> None:  # fmt: skip
    beyond = q.commit_on.shape[1] - 1
    for g in range(start, stop):
        item = q.item[g]
        rows = item.po_to - item.po_from
        lines = _begin(s, item, q.line)
        for r in range(rows):
            _draw_receipts(s, purchase[item.po_from + r], received, r, beyond)
        _sort(s.arrival, rows)
        if rows <= _BY_SUBSET:
            _set_places(s, item, purchase, lines)
            _count_by_subset(s, rows, lines, beyond)
        else:
            for r in range(rows):
                s.units[r] = purchase[item.po_from + r].qty
            _count_by_units(s, rows, lines, beyond)
        _read(s, q, item, levels, out)


@kernel(
    numba.void(_QUEUES, numba.float64[::1], _DRAWS, numba.float64[::1], _SCRATCH, _COVERED, numba.int64, numba.int64),
    allocates=False,
)
def _drawn(
    q: Queues, qty: np.ndarray, draw: np.ndarray, levels: np.ndarray, s: "_Scratch", out: Covered, start: int, stop: int
) -> None:
    beyond = q.commit_on.shape[1] - 1
    for g in range(start, stop):
        item = q.item[g]
        lines = _begin(s, item, q.line)
        for j in range(item.po_from, item.po_to):
            a, b = 2 * (j - item.po_from), 2 * (j - item.po_from) + 1
            for k in range(s.chance.size):
                s.arrival[a, k] = (min(draw[j, k].first, beyond) << _SHIFT) | a
                s.arrival[b, k] = (min(draw[j, k].rest, beyond) << _SHIFT) | b
                s.units[a, k] = draw[j, k].first_qty
                s.units[b, k] = qty[j] - draw[j, k].first_qty
        rows = 2 * (item.po_to - item.po_from)
        _sort(s.arrival, rows)
        _count_by_units(s, rows, lines, beyond)
        _read(s, q, item, levels, out)


def room(lines: int, levels: int, days: int, *, histogram: bool) -> Covered:
    """Empty results for all lines; ``days``: H + 2, as many as `commit_on` has."""
    counts = np.zeros((lines if histogram else 0, days), np.uint16)
    return Covered(np.full((lines, levels), days - 1, np.int16), np.zeros(lines), counts)


def cover_days(
    q: Queues, purchase: np.ndarray, received: np.ndarray, levels: np.ndarray, scenarios: int, out: Covered, start: int,
    stop: int,
) -> None:  # fmt: skip
    """Serve items start…stop−1 in every scenario and write their lines' rows of `out`.

    purchase: PURCHASE [purchases], each received whole on one day; received: P(by day) [laws × days 1, 2, …], what
    is missing at the end comes later or never; levels: of the quantiles, ascending.
    """
    if stop > start:
        _check(q, scenarios)
        scratch = _scratch(q, start, stop, 1, received.shape[1], scenarios)
        _sampled(q, purchase, received, levels, scratch, out, start, stop)


def cover_days_drawn(
    q: Queues, qty: np.ndarray, draw: np.ndarray, levels: np.ndarray, out: Covered, start: int, stop: int
) -> None:
    """The same with receipts drawn beforehand, in parts or depending on one another.

    qty: units of each purchase; draw: queue_kernel.PURCHASE_DRAW [purchases × scenarios].
    """
    if stop > start:
        _check(q, draw.shape[1])
        scratch = _scratch(q, start, stop, 2, 1, draw.shape[1])
        _drawn(q, qty, draw, levels, scratch, out, start, stop)


def _check(q: Queues, scenarios: int) -> None:
    if scenarios > np.iinfo(np.uint16).max:
        raise ValueError(f"{scenarios} scenarios; counts hold {np.iinfo(np.uint16).max} at most")
    if q.commit_on.shape[1] - 1 >= 1 << 15:
        raise ValueError("days are counted in two bytes")
