"""First come, first served without sampling: the law of the day on which each line is covered, from sums of receipts.

A line is covered by day t if and only if what has been received by then reaches its place in the queue:
P(T ≤ t) = P(Σ Qᵢ(t) ≥ N), where Qᵢ(t) is what purchase i has brought by t (nothing, all, or a part) and N the units
that the lines up to it need, less stock. No other day matters, since receipts only add up; so wherever purchases are
independent of each other, the law is that of a sum, on each day by itself. All days are worked on side by side.

The law of the sum is kept on the distinct sums that subsets of purchases can have, none beyond what the last line
needs: lots of one size, or whole units, make few of them however many purchases there are. Where there are many,
purchases are dealt to two halves, and each line's chance is the sum over one half of what is then asked of the other
(the halves of Horowitz and Sahni's subset sums, 1974): 2ᵐ subsets cost 2^(m/2) sums. An item whose halves would still
exceed `MOST_SUMS` is left out, and said so.

Nobody cancels: then the law is exact. `thinned_laws` lets customers leave. A line ahead takes what it had before it
left, or all that it needs; how much that is by t is taken as independent of other lines and of what has been received
by t. The chance of it is right for each line; the independence is not (goods that come early serve those who would have
left later). So thinned laws are an approximation (docs/queue.md says how good), but for lines with nobody ahead who may
leave: these are exact. An exact law would need what was received on all days together, not on each by itself.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from ._compile import kernel
from .first_come import ITEM, LINE, Queues, set_targets

PART = np.dtype([("qty", "f8"), ("share", "f8"), ("law", "i8"), ("opens", "i8")], align=True)
"""Units that a purchase may have brought by a day; exactly these with the chance share × row `law` of `chance`.
`opens` is 1 at the first part of each purchase; rows that follow with 0 are what else it may have brought by then."""

MOST_SUMS = 4096  # distinct sums of each half
MOST_PIECES = 8  # in which what a line took before it left is told apart
_ONE_HALF = 512  # sums up to which all purchases stay in one half
_HAIR = 1e-9


LEAVING = np.dtype([("hazard", "f8"), ("pieces", "i8")], align=True)
"""Of a line: the daily chance that it stops waiting, and in how many equal pieces it may take its units before it
does (1: it leaves whole)."""


class CoverLaw(NamedTuple):
    """Days on which the last unit of each line is there and may leave. H days."""

    quantile: np.ndarray  # i2 [lines, levels]: the smallest day with at least that chance; H + 1: beyond
    within: np.ndarray  # f8 [lines]: P(by day H)
    table: np.ndarray  # f8 [lines or 0, H]: P(by day 1, 2, …, H)
    known: np.ndarray  # u1 [items]: 1 where the law could be computed


class _Sums(NamedTuple):
    """Laws of sums on distinct values, one for each day: two halves, and three buffers of each to work in."""

    value: np.ndarray  # f8 [2, 3, MOST_SUMS], ascending
    mass: np.ndarray  # f8 [2, 3, MOST_SUMS, H]
    size: np.ndarray  # i8 [2]: sums of each half
    at: np.ndarray  # i8 [2]: the buffer that holds them
    target: np.ndarray  # f8 [lines]
    law: np.ndarray  # f8 [H + 1]: P(covered by day 0, 1, …, H)
    leaves: np.ndarray  # f8 [H + 1]: P(may leave by …)
    none: np.ndarray  # f8 [H]: P(nothing) of the purchase or line that is being added
    kept: np.ndarray  # f8 [MOST_PIECES + 2, H]: P(at least so many pieces are taken) of a line that may leave
    one: np.ndarray  # f8 [H]: ones


def _sums(q: Queues, start: int, stop: int) -> _Sums:
    days = q.commit_on.shape[1] - 2
    item = q.item[start:stop]
    lines = int((item["line_to"] - item["line_from"]).max())
    return _Sums(
        np.zeros((2, 3, MOST_SUMS)), np.zeros((2, 3, MOST_SUMS, days)), np.zeros(2, np.int64), np.zeros(2, np.int64),
        np.zeros(lines), np.zeros(days + 1), np.zeros(days + 1), np.zeros(days), np.zeros((MOST_PIECES + 2, days)),
        np.ones(days),
    )  # fmt: skip


@kernel(allocates=False)
def _clear(s: "_Sums", half: int) -> None:
    s.size[half], s.at[half] = 1, 0
    s.value[half, 0, 0] = 0.0
    s.mass[half, 0, 0, :] = 1.0


@kernel(allocates=False)
def _blend(out: np.ndarray, x: np.ndarray, stay: np.ndarray, y: np.ndarray, come: np.ndarray, share: float) -> None:
    for t in range(out.size):
        out[t] = stay[t] * x[t] + share * come[t] * y[t]


@kernel(allocates=False)
def _scale(out: np.ndarray, x: np.ndarray, by: np.ndarray, share: float) -> None:
    for t in range(out.size):
        out[t] = share * by[t] * x[t]


@kernel(allocates=False)
def _gather(out: np.ndarray, x: np.ndarray) -> None:
    for t in range(out.size):
        out[t] += x[t]


@kernel(allocates=False)
def _gather_product(out: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    for t in range(out.size):
        out[t] += x[t] * y[t]


@kernel(allocates=False)
def _merge(
    s: "_Sums", half: int, x: int, sizes: int, stay: np.ndarray, qty: float, come: np.ndarray, share: float, cap: float,
    out: int,
) -> int:  # fmt: skip
    """stay × (what buffer x holds, so many sums) + share × come × (the half's sums, each with qty more), into `out`.

    Sums beyond the cap count as the cap. Returns how many sums that makes; −1: too many.
    """
    f, size = s.at[half], s.size[half]
    a, b, n = 0, 0, 0
    while a < sizes or b < size:
        stays = s.value[half, x, a] if a < sizes else np.inf
        comes = min(s.value[half, f, b] + qty, cap) if b < size else np.inf
        if n == MOST_SUMS:
            return -1
        s.value[half, out, n] = min(stays, comes)
        if abs(stays - comes) <= _HAIR:
            _blend(s.mass[half, out, n], s.mass[half, x, a], stay, s.mass[half, f, b], come, share)
            a, b = a + 1, b + 1
        elif stays < comes:
            _scale(s.mass[half, out, n], s.mass[half, x, a], stay, 1.0)
            a += 1
        else:
            _scale(s.mass[half, out, n], s.mass[half, f, b], come, share)
            b += 1
        # several sums reach the cap together
        while b < size and abs(min(s.value[half, f, b] + qty, cap) - s.value[half, out, n]) <= _HAIR:
            _blend(s.mass[half, out, n], s.mass[half, out, n], s.one, s.mass[half, f, b], come, share)
            b += 1
        n += 1
    return n


@kernel(allocates=False)
def _add_purchase(s: "_Sums", half: int, part: np.ndarray, begin: int, end: int, chance: np.ndarray, cap: float) -> int:
    """Add what one purchase (parts begin…end−1) has brought to the sums of a half; 0 if they become too many."""
    s.none[:] = 1.0
    for r in range(begin, end):
        for t in range(s.none.size):
            s.none[t] -= part[r].share * chance[part[r].law, t]
    first = s.at[half]
    x, size, out = first, s.size[half], (first + 1) % 3
    for r in range(begin, end):
        stay, come = s.none if r == begin else s.one, chance[part[r].law]
        size = _merge(s, half, x, size, stay, part[r].qty, come, part[r].share, cap, out)
        if size < 0:
            return 0
        x, out = out, 3 - first - out
    s.at[half], s.size[half] = x, size
    return 1


@kernel(allocates=False)
def _add_all(s: "_Sums", item: Any, part: np.ndarray, chance: np.ndarray, cap: float, halves: int) -> int:
    """The sums of all purchases of an item, in one half or dealt to two; 0 if they are too many."""
    _clear(s, 0)
    _clear(s, 1)
    begin = item.po_from
    while begin < item.po_to:
        end = begin + 1
        while end < item.po_to and part[end].opens == 0:
            end += 1
        half = 1 if halves == 2 and s.size[0] > _ONE_HALF and s.size[1] < s.size[0] else 0
        added = _add_purchase(s, half, part, begin, end, chance, cap)
        if added == 0 and halves == 2:
            added = _add_purchase(s, 1 - half, part, begin, end, chance, cap)
        if added == 0:
            return 0
        begin = end
    return 1


@kernel(allocates=False)
def _to_tail(s: "_Sums", half: int) -> None:
    """From the law of each sum to the chance of at least that sum."""
    mass = s.mass[half, s.at[half]]
    for i in range(s.size[half] - 2, -1, -1):
        _gather(mass[i], mass[i + 1])


@kernel(allocates=False)
def _first_reaching(s: "_Sums", half: int, units: float) -> int:
    """The place of the smallest sum that reaches so many units; the number of sums if none does."""
    low, high, at = 0, s.size[half], s.at[half]
    while low < high:
        middle = (low + high) // 2
        if s.value[half, at, middle] >= units - _HAIR:
            high = middle
        else:
            low = middle + 1
    return low


@kernel(allocates=False)
def _set_law(s: "_Sums", units: float, sign: float) -> None:
    """By day, P(sum of half 0 + sign × sum of half 1 reaches so many units); half 0 is a tail, half 1 a law."""
    at = s.at[1]
    s.law[:] = 0.0
    for i in range(s.size[1]):
        place = _first_reaching(s, 0, units - sign * s.value[1, at, i])
        if place < s.size[0]:
            _gather_product(s.law[1:], s.mass[1, at, i], s.mass[0, s.at[0], place])


@kernel(allocates=False)
def _write(s: "_Sums", levels: np.ndarray, out: CoverLaw, j: int) -> None:
    """Quantiles of a line and its table, from `leaves`."""
    days = s.law.size - 1
    for level in range(levels.size):
        low, high = 0, days + 1
        while low < high:
            middle = (low + high) // 2
            if s.leaves[middle] >= levels[level] - 1e-12:
                high = middle
            else:
                low = middle + 1
        out.quantile[j, level] = low
    out.within[j] = s.leaves[days]
    if out.table.shape[0] > 0:
        for d in range(days):
            out.table[j, d] = s.leaves[d + 1]


@kernel(allocates=False)
def _set_leaves(s: "_Sums", opens: np.ndarray, wanted: int) -> None:
    """From days of being covered to days on which goods may leave: open ones, from when the line is wanted.

    opens: row of `commit_on`.
    """
    days = s.law.size - 1
    covered, chance = 0, 0.0
    for d in range(days + 1):
        while covered <= days and opens[max(covered, wanted)] <= d:
            chance = s.law[covered]
            covered += 1
        s.leaves[d] = chance


@kernel(allocates=False)
def _exact_item(
    s: "_Sums", q: Queues, item: Any, part: np.ndarray, chance: np.ndarray, levels: np.ndarray, out: CoverLaw
) -> int:
    lines = item.line_to - item.line_from
    set_targets(item, q.line, s.target)
    cap = max(s.target[lines - 1], 0.0)
    if _add_all(s, item, part, chance, cap, 2) == 0:
        return 0
    _to_tail(s, 0)
    before = -1
    for j in range(lines):
        place = _first_reaching(s, 0, s.target[j])
        if s.target[j] <= _HAIR:
            s.law[:] = 1.0
        elif before < 0 or place != before or s.size[1] > 1:  # else as the line before
            _set_law(s, s.target[j], 1.0)
            before = place
        wanted = min(q.line[item.line_from + j].wanted, s.law.size)
        _set_leaves(s, q.commit_on[item.location], wanted)
        _write(s, levels, out, item.line_from + j)
    return 1


@kernel(allocates=False)
def _set_kept(s: "_Sums", piece: int, hazard: float, start: int) -> None:
    """By day: P(the line still asks for a piece, or has had it), who waits leaving with a chance a day from `start`.

    The day's cancellations come before its shipments (`queue_day.py`), so who leaves on day s had had it by s − 1.
    """
    stays, left = 1.0, 0.0
    for t in range(1, s.law.size):
        if t > start:
            left += stays * hazard * (1.0 - (s.leaves[t - 1] if t > 1 else 0.0))
            stays *= 1.0 - hazard
        s.kept[piece, t - 1] = 1.0 - left


@kernel(allocates=False)
def _add_line(s: "_Sums", pieces: int, need: float, cap: float) -> int:
    """Add what a line takes to the law of what the lines ahead take; 0 if that has too many values."""
    for t in range(s.none.size):
        s.none[t] = 1.0 - s.kept[1, t]
        s.kept[pieces + 1, t] = 0.0
        for r in range(1, pieces + 1):  # from at least so many pieces to so many
            s.kept[r, t] = max(s.kept[r, t] - s.kept[r + 1, t], 0.0)
    first = s.at[1]
    x, size, out = first, s.size[1], (first + 1) % 3
    for r in range(1, pieces + 1):
        stay = s.none if r == 1 else s.one
        size = _merge(s, 1, x, size, stay, need * r / pieces, s.kept[r], 1.0, cap, out)
        if size < 0:
            return 0
        x, out = out, 3 - first - out
    s.at[1], s.size[1] = x, size
    return 1


@kernel(allocates=False)
def _thinned_item(
    s: "_Sums", q: Queues, item: Any, part: np.ndarray, chance: np.ndarray, leaving: np.ndarray, levels: np.ndarray,
    out: CoverLaw,
) -> int:  # fmt: skip
    """Half 0 has the tail of what is received, half 1 the law of what the lines ahead take."""
    set_targets(item, q.line, s.target)
    cap = max(s.target[item.line_to - item.line_from - 1], 0.0)
    if _add_all(s, item, part, chance, cap, 1) == 0:
        return 0
    _to_tail(s, 0)
    out_of_reach = s.value[0, s.at[0], s.size[0] - 1] + max(item.stock, 0.0) + 1.0
    for j in range(item.line_from, item.line_to):
        need, wanted = q.line[j].need, min(q.line[j].wanted, s.law.size)
        pieces = max(1, min(leaving[j].pieces, MOST_PIECES))
        for r in range(1, pieces + 1):
            _set_law(s, need * r / pieces - item.stock, -1.0)
            if r == pieces:
                s.law[0] = 1.0 if s.target[j - item.line_from] <= _HAIR else 0.0
            _set_leaves(s, q.commit_on[item.location], wanted)
            _set_kept(s, r, leaving[j].hazard, max(wanted, 0))
        _write(s, levels, out, j)
        if _add_line(s, pieces, need, out_of_reach) == 0:
            return 0
    return 1


def _example() -> tuple[Queues, _Sums, CoverLaw]:
    """The smallest problem: a kernel's signature is its type."""
    item = np.zeros(1, ITEM)
    item["line_to"] = item["po_to"] = 1
    queues = Queues(item, np.zeros(1, LINE), np.zeros((1, 3), np.int64))
    return queues, _sums(queues, 0, 1), room(1, 1, 1, 1, table=True)


def room(items: int, lines: int, levels: int, days: int, *, table: bool) -> CoverLaw:
    """Empty results; days: H. Lines of items that turn out not to be `known` keep H + 1 and zeros."""
    return CoverLaw(
        np.full((lines, levels), days + 1, np.int16),
        np.zeros(lines),
        np.zeros((lines if table else 0, days)),
        np.zeros(items, np.uint8),
    )


_QUEUES, _SUMS, _LAW = (numba.typeof(x) for x in _example())
_PARTS, _LEAVING = numba.typeof(np.zeros(1, PART)), numba.typeof(np.zeros(1, LEAVING))
_TABLE, _ROW = numba.float64[:, ::1], numba.float64[::1]


@kernel(numba.void(_QUEUES, _PARTS, _TABLE, _ROW, _SUMS, _LAW, numba.int64, numba.int64), allocates=False)
def _exact(
    q: Queues, part: np.ndarray, chance: np.ndarray, levels: np.ndarray, s: "_Sums", out: CoverLaw, start: int,
    stop: int,
) -> None:  # fmt: skip
    for g in range(start, stop):
        if q.item[g].line_to > q.item[g].line_from:
            out.known[g] = _exact_item(s, q, q.item[g], part, chance, levels, out)


@kernel(numba.void(_QUEUES, _PARTS, _TABLE, _LEAVING, _ROW, _SUMS, _LAW, numba.int64, numba.int64), allocates=False)
def _thinned(
    q: Queues, part: np.ndarray, chance: np.ndarray, leaving: np.ndarray, levels: np.ndarray, s: "_Sums",
    out: CoverLaw, start: int, stop: int,
) -> None:  # fmt: skip
    for g in range(start, stop):
        if q.item[g].line_to > q.item[g].line_from:
            out.known[g] = _thinned_item(s, q, q.item[g], part, chance, leaving, levels, out)


def cover_laws(
    q: Queues, part: np.ndarray, chance: np.ndarray, levels: np.ndarray, out: CoverLaw, start: int, stop: int
) -> None:
    """The laws of the lines of items start…stop−1, nobody leaving, into their rows of `out`.

    part: PART, by item (`po_from`, `po_to` are its rows here); chance [rows × days 1…H]: P(a purchase has brought
    exactly that part by day) is its share of a row; levels: of the quantiles, ascending.
    """
    if stop > start:
        _check(q, chance)
        _exact(q, part, chance, levels, _sums(q, start, stop), out, start, stop)


def thinned_laws(
    q: Queues, part: np.ndarray, chance: np.ndarray, leaving: np.ndarray, levels: np.ndarray, out: CoverLaw,
    start: int, stop: int,
) -> None:  # fmt: skip
    """The same where customers leave, from the day on which they wait: thinned. leaving: LEAVING [lines]."""
    if stop > start:
        _check(q, chance)
        _thinned(q, part, chance, leaving, levels, _sums(q, start, stop), out, start, stop)


def _check(q: Queues, chance: np.ndarray) -> None:
    if chance.shape[1] != q.commit_on.shape[1] - 2:
        raise ValueError(f"chances of {chance.shape[1]} days for queues of {q.commit_on.shape[1] - 2} days")
