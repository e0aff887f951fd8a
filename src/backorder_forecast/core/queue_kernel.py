"""The queue day for many SKUs and scenarios: what `tests/oracles/queue_day.py` says, fast.

Days are numbered 1..H after the as-of day; H + 1 stands for "not within the horizon". SKUs whose ship-complete
orders tie them together form a component and are simulated side by side, day by day; components are independent, so
ranges of them can run on different threads, each writing its own rows of the tally. Everything random enters as
arrays drawn beforehand (`cancel_day`, `handling`, `po_*`) or is a keyed draw (future demand, new lead times), so the
order of SKUs, lines and threads cannot change a number.
"""

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from ._compile import kernel
from .chance import find_day, geometric, mix, negative_binomial, uniform

STOCK, PLANNED, NONE, FIRST_PURCHASE = 0, 1, 2, 3
"""What a line's last unit came from; open purchases of its SKU follow from FIRST_PURCHASE in their order."""

NO_POLICY, RQ, SS, BASE_STOCK = 0, 1, 2, 3

_WAITING, _GHOST, _FIRM, _DONE = 0, 1, 2, 3

_LEVEL, _APART, _CHANCE = -1, -2, -3
"""Draws of an SKU's demand that a whole scenario shares, by index."""
_LOST, _PATIENCE, _UNITS, _CLASS = -1_000_000, -3_000_000, -5_000_000, -9_000_000
"""Draws of a day: less its ordinal, so that they neither meet each other nor the ordinal itself, the day's demand."""
_COUNTS = -1.0  # in place of the chance of occurrence: demand is negative binomial

SKU = np.dtype(
    [
        ("key", "u8"),  # demand draws
        ("lead_key", "u8"),  # draws of a new order's lead time
        ("free", "f8"),  # physical stock that may be allocated; negative is a hole, filled first
        ("line_from", "i8"),
        ("line_to", "i8"),  # its rows of `line`, in service order
        ("po_from", "i8"),
        ("po_to", "i8"),  # its rows of the purchase arrays
        ("size", "f8"),  # negative-binomial size of a day of average weekday and factor 1, in counts of `unit`
        ("theta", "f8"),
        ("profile", "i8"),  # row of `factor`
        ("apart", "f8"),  # P(in a scenario demand is occurrence and size instead of negative binomial)
        ("size_from", "i8"),
        ("size_to", "i8"),  # its rows of `size_value` and `size_cum`; at least one where apart > 0
        ("unit", "f8"),  # the smallest step of quantities
        ("start_day", "i8"),
        ("end_day", "i8"),  # demand comes on days start..end, orders are placed until end
        ("queue_share", "f8"),  # the share of unmet demand that waits; the rest is lost
        ("hazard", "f8"),  # daily chance that a waiting future customer leaves
        ("policy", "i8"),
        ("reorder_point", "f8"),
        ("order_qty", "f8"),
        ("order_up_to", "f8"),
        ("review_days", "i8"),
        ("review_phase", "i8"),  # reviews on days whose ordinal is ≡ phase (mod review_days)
        ("pack_size", "f8"),
        ("min_order_qty", "f8"),
        ("max_stock", "f8"),
        ("lead_row", "i8"),  # row of `new_lead`
        ("location", "i8"),  # row of the working-day tables
        ("path", "i8"),  # row of `tally.paths`, or -1
    ],
    align=True,
)

LINE = np.dtype(
    [
        ("need", "f8"),
        ("wanted", "i8"),  # the day it joins; ≤ 0: it is waiting already
        ("pieces", "i8"),  # 1: may leave in pieces
        ("order", "i8"),  # ship-complete order, numbered by component; -1: none
        ("slot", "i8"),  # row of `tally.own_day`, or -1
        ("peg_from", "i8"),  # first of its counters in `tally.peg`
    ],
    align=True,
)


LINE_DRAW = np.dtype([("cancel", "i2"), ("handling", "i2")], align=True)
"""Per line and scenario: the day on which its customer stops waiting (0 or beyond H: never), and the working days
from commitment to departure."""

PURCHASE_DRAW = np.dtype(
    [("first", "i2"), ("rest", "i2"), ("gone", "i2"), ("pad", "i2"), ("first_qty", "f4")], align=True
)
"""Per purchase and scenario: the day of its next receipt and the units in it, the day of all the rest, and the day
on which it becomes known that nothing more will come."""

CALENDAR = np.dtype([("working", "i8"), ("next", "i8")], align=True)
"""Per location and day 0..H+1: is it a working day, and the place in `working_days` of the first on or after it."""

COMPONENT = np.dtype([("sku", "i8"), ("order", "i8")], align=True)
"""First SKU and first ship-complete order of each component; one row more than there are components."""

RISK = np.dtype([("short", "i8"), ("preventable", "i8"), ("short_units", "f8"), ("new_units", "f8")], align=True)
"""Per SKU and risk day, over scenarios: how often newly wanted units became backordered by then, how often first
after an order placed at once could have come; how many units did, of how many newly wanted."""

LINE_DAY = np.dtype([("leaves", "u2"), ("first", "u2")], align=True)
"""Per line and day: scenarios in which it leaves by itself, and in which its next piece leaves, on that day."""


class Problem(NamedTuple):
    """Everything that the kernel reads. K scenarios, H days, C priority classes, M level strata."""

    sku: np.ndarray  # SKU [n]
    line: np.ndarray  # LINE [lines], by SKU, then class, then wanted day and the rest of the service order
    class_from: np.ndarray  # i8 [n, C + 1]: each class's lines
    class_share: np.ndarray  # f8 [n, C]: share of each class in future demand
    class_salt: np.ndarray  # u8 [C]
    weekday: np.ndarray  # f8 [n, 7]: factors with mean 1, Monday first
    factor: np.ndarray  # f8 [profiles, H + 2]: of a day's mean demand; 0: it is all known beforehand, as lines
    levels: np.ndarray  # f8 [n, M]: demand levels, mean 1; 0: the item has died
    level_shares: np.ndarray  # f8 [M]: cumulative probability of the levels, and of the chances; ends with 1
    chance: np.ndarray  # f8 [n, M]: P(an average day of factor 1 has demand), where occurrence and size hold
    size_value: np.ndarray  # f8 [S]: what demand a day may have then, in counts of `unit`
    size_cum: np.ndarray  # f8 [S]: cumulative probability of these within their SKU; ends with 1
    line_draw: np.ndarray  # LINE_DRAW [lines, K]
    po_qty: np.ndarray  # f8 [purchases]
    po_draw: np.ndarray  # PURCHASE_DRAW [purchases, K]
    new_lead: np.ndarray  # f8 [rows, days]: P(goods are ready by day), from day 0 of the order
    calendar: np.ndarray  # CALENDAR [locations, H + 2]
    working_days: np.ndarray  # i8 [locations, W]: ascending, ends with H + 1
    receive_on: np.ndarray  # i8 [H + 2]: the first day on or after each on which anything is received
    component: np.ndarray  # COMPONENT [components + 1]
    order_lines: np.ndarray  # i8 [ship-complete orders]: open lines of each
    risk_days: np.ndarray  # i8 [R], ascending
    horizon: int
    scenarios: int
    first_weekday: int  # of day 1, Monday 0
    first_ordinal: int  # calendar ordinal of day 1
    with_planned: bool


class Tally(NamedTuple):
    """Everything that the kernel writes: counts over scenarios. Rows belong to one component each."""

    line_day: np.ndarray  # LINE_DAY [lines, H + 2]
    own_day: np.ndarray  # i2 [slots, K]: the day it leaves by itself, for lines of orders with several
    release_day: np.ndarray  # i2 [slots, K]: from when on its order need not wait for it: own_day, or it cancelled
    cancelled: np.ndarray  # i8 [lines]
    peg: np.ndarray  # i8 [lines × (FIRST_PURCHASE + purchases of the SKU)], ragged by LINE.peg_from
    risk: np.ndarray  # RISK [n, R]
    first_short: np.ndarray  # i8 [n, H + 2]
    cycles: np.ndarray  # i8 [n, 2]: replenishments, and those before which nothing ran short
    paths: np.ndarray  # f4 [paths, 2, K, H]: stock on hand, units backordered
    ledger: np.ndarray  # f8 [n or 0, K, 4]: received, committed, lost or cancelled, newly ordered


_SKU_STATE = np.dtype(
    [
        ("free", "f8"), ("wait", "f8"), ("on_order", "f8"),
        ("used", "f8"), ("batch_at", "i8"), ("batches", "i8"),  # pegging: units used up, arrivals in their order
        ("short_now", "i8"), ("first_short", "i8"),
        ("chance", "f8"),  # that an average day of factor 1 has demand, or _COUNTS
    ],
    align=True,
)  # fmt: skip
_LINE_STATE = np.dtype(
    [
        ("status", "i8"), ("left", "f8"), ("virtual", "f8"), ("passed", "f8"), ("turn", "f8"), ("seen_first", "i8"),
        ("cancel_next", "i8"), ("wanted_next", "i8"),
    ],
    align=True,
)  # fmt: skip
_DAY = np.dtype([(x, "i8") for x in ("arrival", "cancel", "wanted", "gone", "back_cancel")], align=True)
_NODE = np.dtype([("next", "i8"), ("qty", "f8"), ("src", "i8")], align=True)
_BATCH = np.dtype([("cum", "f8"), ("src", "i8")], align=True)
_RATE = np.dtype([("size", "f8"), ("log_zero", "f8"), ("zero", "f8")], align=True)
_BACK = np.dtype([("units", "f8"), ("cancel_next", "i8")], align=True)
_AT = np.dtype([("line", "i8"), ("back", "i8")], align=True)
_PURCHASE_STATE = np.dtype([("gone_next", "i8"), ("left", "f8")], align=True)


class _State(NamedTuple):
    """One component in one scenario. Dated events hang on linked lists, one head per SKU and day."""

    sku: np.ndarray  # _SKU_STATE [n]
    line: np.ndarray  # _LINE_STATE [lines]
    day: np.ndarray  # _DAY [n, H + 2]: heads of the lists
    node: np.ndarray  # _NODE: arrivals
    batch: np.ndarray  # _BATCH [n, arrivals]
    rate: np.ndarray  # _RATE [n, C, 7]
    back: np.ndarray  # _BACK [n, C, H + 2]: simulated demand still waiting, by the day it came
    at: np.ndarray  # _AT [n, C]: where the waiting lines and the waiting simulated demand begin
    po: np.ndarray  # _PURCHASE_STATE [purchases]
    short: np.ndarray  # f8 [n, R]
    order_wait: np.ndarray  # i8 [orders]: lines, not cancelled, that are not ready
    listed: np.ndarray  # i8 [1]: arrivals listed


def new_state(p: Problem, start: int, stop: int) -> "_State":
    """Room for the largest of the components start…stop−1; every scenario begins by clearing what it uses."""
    days, classes = p.horizon + 2, p.class_share.shape[1]
    first, last = p.component["sku"][start:stop], p.component["sku"][start + 1 : stop + 1]
    n = int((last - first).max())
    lines = int((p.sku["line_to"][last - 1] - p.sku["line_from"][first]).max())
    purchases = int((p.sku["po_to"][last - 1] - p.sku["po_from"][first]).max())
    orders = int(np.diff(p.component["order"][start : stop + 1]).max())
    return _State(
        np.zeros(n, _SKU_STATE),
        np.zeros(lines, _LINE_STATE),
        np.zeros((n, days), _DAY),
        np.zeros(2 * purchases + n * days, _NODE),
        np.zeros((n, 2 * purchases + days + 1), _BATCH),
        np.zeros((n, classes, 7), _RATE),
        np.zeros((n, classes, days), _BACK),
        np.zeros((n, classes), _AT),
        np.zeros(purchases, _PURCHASE_STATE),
        np.zeros((n, p.risk_days.size)),
        np.zeros(orders, np.int64),
        np.zeros(1, np.int64),
    )


@kernel(allocates=False)
def _add_arrival(s: "_State", i: int, day: int, qty: float, source: int) -> None:
    node = s.listed[0]
    s.listed[0] = node + 1
    s.node[node].qty = qty
    s.node[node].src = source
    s.node[node].next = s.day[i, day].arrival
    s.day[i, day].arrival = node


@kernel(allocates=False)
def _start_sku(p: Problem, s: "_State", i: int, g: int, line0: int, po0: int, k: int) -> None:
    """Set one SKU (i in its component, g over all) to the end of the as-of day and link its dated events."""
    sku = p.sku[g]
    s.sku[i].free = sku.free
    s.sku[i].wait = 0.0
    s.sku[i].on_order = 0.0
    s.sku[i].used = -min(sku.free, 0.0)
    s.sku[i].batch_at = 0
    s.sku[i].batches = 1
    s.batch[i, 0].cum = max(sku.free, 0.0)
    s.batch[i, 0].src = STOCK
    s.sku[i].short_now = 0
    s.sku[i].first_short = p.horizon + 1
    for r in range(p.risk_days.size):
        s.short[i, r] = 0.0
    for day in range(p.horizon + 2):
        links = s.day[i, day]
        links.arrival = links.cancel = links.wanted = links.gone = links.back_cancel = -1
    for c in range(p.class_share.shape[1]):
        s.at[i, c].back = 1
        s.at[i, c].line = p.class_from[g, c]
        for day in range(p.horizon + 2):
            s.back[i, c, day].units = 0.0
    _start_demand(p, s, i, sku, g, k)
    _start_lines(p, s, i, sku, line0, k)
    _start_purchases(p, s, i, sku, po0, k)


@kernel(allocates=False)
def _stratum(p: Problem, key: np.uint64, k: int, index: int) -> int:
    return min(find_day(p.level_shares, uniform(key, k, index)), p.level_shares.size - 1)


@kernel(allocates=False)
def _start_demand(p: Problem, s: "_State", i: int, sku: Any, g: int, k: int) -> None:
    """What the scenario says of the SKU's demand: which kind it is, at which level or chance."""
    s.sku[i].chance = _COUNTS
    if sku.apart > 0.0 and uniform(sku.key, k, _APART) < sku.apart:
        s.sku[i].chance = p.chance[g, _stratum(p, sku.key, k, _CHANCE)]
        return
    level = p.levels[g, _stratum(p, sku.key, k, _LEVEL)]
    log_zero = math.log1p(-sku.theta)
    for c in range(p.class_share.shape[1]):
        for w in range(7):
            size = sku.size * level * p.weekday[g, w] * p.class_share[g, c]
            s.rate[i, c, w].size = size
            s.rate[i, c, w].log_zero = size * log_zero
            s.rate[i, c, w].zero = math.exp(size * log_zero)


@kernel(allocates=False)
def _start_lines(p: Problem, s: "_State", i: int, sku: Any, line0: int, k: int) -> None:
    for j in range(sku.line_to - 1, sku.line_from - 1, -1):
        x = j - line0
        line = p.line[j]
        s.line[x].status = _WAITING
        s.line[x].left = line.need
        s.line[x].virtual = 0.0
        s.line[x].passed = 0.0
        s.line[x].turn = -1.0
        s.line[x].seen_first = 0
        day = p.line_draw[j, k].cancel
        if 1 <= day <= p.horizon:
            s.line[x].cancel_next = s.day[i, day].cancel
            s.day[i, day].cancel = j
        if line.wanted <= 0:
            s.sku[i].wait += line.need
        else:
            s.sku[i].on_order -= line.need  # the position counts what is owed later, too
        if 1 <= line.wanted <= p.horizon:
            s.line[x].wanted_next = s.day[i, line.wanted].wanted
            s.day[i, line.wanted].wanted = j


@kernel(allocates=False)
def _start_purchases(p: Problem, s: "_State", i: int, sku: Any, po0: int, k: int) -> None:
    # last to first, so that several receipts of a day are taken in the order of the purchases
    for j in range(sku.po_to - 1, sku.po_from - 1, -1):
        source = FIRST_PURCHASE + j - sku.po_from
        s.sku[i].on_order += p.po_qty[j]
        s.po[j - po0].left = p.po_qty[j]
        first = p.po_draw[j, k].first_qty
        rest = p.po_qty[j] - first
        if rest > 0.0 and p.po_draw[j, k].rest <= p.horizon:
            _add_arrival(s, i, p.po_draw[j, k].rest, rest, source)
        if first > 0.0 and p.po_draw[j, k].first <= p.horizon:
            _add_arrival(s, i, p.po_draw[j, k].first, first, source)
        gone = p.po_draw[j, k].gone
        if 1 <= gone <= p.horizon:
            s.po[j - po0].gone_next = s.day[i, gone].gone
            s.day[i, gone].gone = j


@kernel(allocates=False)
def _receive(p: Problem, s: "_State", t: Tally, i: int, g: int, po0: int, day: int, k: int) -> None:
    node = s.day[i, day].arrival
    if node >= 0:
        t.cycles[g, 0] += 1
        if s.sku[i].short_now == 0:
            t.cycles[g, 1] += 1
        s.sku[i].short_now = 0
    while node >= 0:
        qty = s.node[node].qty
        s.sku[i].free += qty
        s.sku[i].on_order -= qty
        source = s.node[node].src
        if source >= FIRST_PURCHASE:
            s.po[p.sku[g].po_from + source - FIRST_PURCHASE - po0].left -= qty
        b = s.sku[i].batches
        s.batch[i, b].cum = s.batch[i, b - 1].cum + qty
        s.batch[i, b].src = source
        s.sku[i].batches = b + 1
        if t.ledger.shape[0] > 0:
            t.ledger[g, k, 0] += qty
        node = s.node[node].next
    j = s.day[i, day].gone
    while j >= 0:
        s.sku[i].on_order -= s.po[j - po0].left
        s.po[j - po0].left = 0.0
        j = s.po[j - po0].gone_next


@kernel(allocates=False)
def _departure(p: Problem, location: int, day: int, handling: int) -> int:
    position = p.calendar[location, day].next + handling
    return min(p.working_days[location, min(position, p.working_days.shape[1] - 1)], p.horizon + 1)


@kernel(allocates=False)
def _release(p: Problem, t: Tally, j: int, leaves: int, k: int) -> None:
    slot = p.line[j].slot
    if slot >= 0 and t.release_day[slot, k] == 0:
        t.release_day[slot, k] = leaves


@kernel(allocates=False)
def _cancel(
    p: Problem, s: "_State", t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
) -> None:  # fmt: skip
    j = s.day[i, day].cancel
    while j >= 0:
        x = j - line0
        order = p.line[j].order
        if s.line[x].status == _WAITING:
            s.line[x].status = _GHOST
            t.cancelled[j] += 1
            if p.line[j].wanted <= day:
                s.sku[i].wait -= s.line[x].left
            else:
                s.sku[i].on_order += s.line[x].left
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 2] += s.line[x].left
            if order >= 0:
                s.order_wait[order - order0] -= 1
                _release(p, t, j, _departure(p, p.sku[g].location, day, p.line_draw[j, k].handling), k)
        elif s.line[x].status == _FIRM and s.order_wait[order - order0] > 0:
            s.line[x].status = _DONE
            t.cancelled[j] += 1
            s.sku[i].free += p.line[j].need
            s.sku[i].used -= p.line[j].need
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 1] -= p.line[j].need
                t.ledger[g, k, 2] += p.line[j].need
        j = s.line[x].cancel_next
    node = s.day[i, day].back_cancel
    days = p.horizon + 2
    while node >= 0:
        bucket = s.back[i, node // days, node % days]
        s.sku[i].wait -= bucket.units
        if t.ledger.shape[0] > 0:
            t.ledger[g, k, 2] += bucket.units
        bucket.units = 0.0
        node = bucket.cancel_next


@kernel(allocates=False, inline=True)
def _draw_demand(p: Problem, s: "_State", i: int, g: int, day: int, k: int) -> float:
    """Units newly ordered from SKU g on this day, by class into `s.back`, and their sum.

    Keyed by SKU, scenario, calendar day and, where classes have demand of their own, class.
    """
    sku = p.sku[g]
    if day < sku.start_day or day > sku.end_day:
        return 0.0
    w = (p.first_weekday + day - 1) % 7
    factor = p.factor[sku.profile, day]
    if s.sku[i].chance >= 0.0:
        return _draw_occurrence(p, s, i, g, day, k, s.sku[i].chance * p.weekday[g, w] * factor)
    total = 0.0
    for c in range(p.class_share.shape[1]):
        if s.rate[i, c, w].size > 0.0:
            u = uniform(mix(sku.key ^ p.class_salt[c]), k, p.first_ordinal + day - 1)
            units = sku.unit * _draw_count(s.rate[i, c, w], sku.theta, factor, u)
            s.back[i, c, day].units = units
            total += units
    return total


@kernel(allocates=False)
def _draw_count(rate: Any, theta: float, factor: float, u: float) -> float:
    """The u-quantile of the day's negative binomial; most days have no demand, which takes little to see."""
    if factor == 1.0:
        return 0.0 if u <= rate.zero else negative_binomial(rate.size, theta, u)
    log_zero = factor * rate.log_zero
    if u <= 1.0 + log_zero or u <= math.exp(log_zero):  # 1 + x never exceeds exp(x)
        return 0.0
    return negative_binomial(factor * rate.size, theta, u)


@kernel(allocates=False)
def _draw_occurrence(p: Problem, s: "_State", i: int, g: int, day: int, k: int, chance: float) -> float:
    """Demand of a day that has any with this chance: one size, wholly of one class."""
    sku, ordinal = p.sku[g], p.first_ordinal + day - 1
    if uniform(sku.key, k, ordinal) >= chance:
        return 0.0
    at = sku.size_from + find_day(p.size_cum[sku.size_from : sku.size_to], uniform(sku.key, k, _UNITS - ordinal))
    units = sku.unit * p.size_value[min(at, sku.size_to - 1)]
    c, left = 0, uniform(sku.key, k, _CLASS - ordinal) - p.class_share[g, 0]
    while left > 0.0 and c < p.class_share.shape[1] - 1:
        c += 1
        left -= p.class_share[g, c]
    s.back[i, c, day].units = units
    return units


@kernel(allocates=False, inline=True)
def _new_demand(p: Problem, s: "_State", t: Tally, i: int, g: int, line0: int, day: int, k: int) -> float:
    """New order lines of the day, known ones whose day has come and simulated ones; returns their units."""
    new = 0.0
    j = s.day[i, day].wanted
    while j >= 0:
        x = j - line0
        if s.line[x].status == _WAITING:
            s.sku[i].wait += s.line[x].left
            s.sku[i].on_order += s.line[x].left
            new += s.line[x].left
        j = s.line[x].wanted_next
    if _draw_demand(p, s, i, g, day, k) > 0.0:
        for c in range(p.class_share.shape[1]):
            units = s.back[i, c, day].units
            s.sku[i].wait += units
            new += units
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 3] += units
    return new


@kernel(allocates=False)
def _source(s: "_State", i: int, ghost: bool) -> int:
    """Which batch the unit committed last came from, batches being used up in the order of their arrival."""
    if ghost:
        return s.batch[i, s.sku[i].batches - 1].src
    while s.sku[i].batch_at < s.sku[i].batches - 1 and s.batch[i, s.sku[i].batch_at].cum < s.sku[i].used - 1e-9:
        s.sku[i].batch_at += 1
    return s.batch[i, s.sku[i].batch_at].src


@kernel(allocates=False)
def _note_first(p: Problem, s: "_State", t: Tally, i: int, g: int, j: int, x: int, day: int, k: int) -> None:
    if s.line[x].seen_first == 0:
        s.line[x].seen_first = 1
        t.line_day[j, _departure(p, p.sku[g].location, day, p.line_draw[j, k].handling)].first += 1


@kernel(allocates=False)
def _finish(
    p: Problem, s: "_State", t: Tally, i: int, g: int, j: int, x: int, day: int, k: int, ghost: bool,
) -> None:  # fmt: skip
    _note_first(p, s, t, i, g, j, x, day, k)
    leaves = _departure(p, p.sku[g].location, day, p.line_draw[j, k].handling)
    t.line_day[j, leaves].leaves += 1
    if p.line[j].slot >= 0:
        t.own_day[p.line[j].slot, k] = leaves
        _release(p, t, j, leaves, k)
    t.peg[p.line[j].peg_from + _source(s, i, ghost)] += 1
    s.line[x].status = _DONE


@kernel(allocates=False)
def _serve_ghost(
    p: Problem, s: "_State", t: Tally, i: int, g: int, j: int, x: int, day: int, k: int, free: float,
    taken: float, commits: bool,
) -> None:  # fmt: skip
    offered = free + s.line[x].passed
    s.line[x].turn = taken
    if not commits and p.line[j].order < 0:
        return
    if p.line[j].pieces == 1:
        if offered > s.line[x].virtual:
            s.line[x].virtual = min(offered, s.line[x].left)
        if s.line[x].virtual > 0.0:
            _note_first(p, s, t, i, g, j, x, day, k)
        offered = s.line[x].virtual
    if offered >= s.line[x].left - 1e-9:
        _finish(p, s, t, i, g, j, x, day, k, True)


@kernel(allocates=False)
def _serve_line(
    p: Problem, s: "_State", t: Tally, i: int, g: int, j: int, x: int, order0: int, day: int, k: int,
    free: float, commits: bool,
) -> float:  # fmt: skip
    """Commit what the line can get of `free`; returns the units, or -1 if it keeps everything until whole.

    On days off nothing is committed, but a line of a ship-complete order may become firm.
    """
    line = p.line[j]
    if not commits and line.order < 0:
        return 0.0
    if free >= s.line[x].left - 1e-9:
        give = s.line[x].left
    elif line.pieces == 1:
        give = free
    else:
        return -1.0
    s.line[x].left -= give
    s.sku[i].used += give
    s.sku[i].wait -= give
    if s.line[x].left <= 1e-9:
        _finish(p, s, t, i, g, j, x, day, k, False)
        if line.order >= 0:
            s.line[x].status = _FIRM
            s.order_wait[line.order - order0] -= 1
    else:
        _note_first(p, s, t, i, g, j, x, day, k)
    return give


@kernel(allocates=False)
def _allocate(
    p: Problem, s: "_State", t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
    commits: bool, tied: bool,
) -> None:  # fmt: skip
    """One sweep through the queue in service order, existing lines and simulated ones merged by wanted day.

    On a day off (`commits` false) lines only reserve what would be theirs.
    """
    free, taken, ghosts = max(s.sku[i].free, 0.0), 0.0, False
    for c in range(p.class_share.shape[1]):
        end = p.class_from[g, c + 1]
        while s.at[i, c].line < end and s.line[s.at[i, c].line - line0].status >= _FIRM:
            s.at[i, c].line += 1
        while s.at[i, c].back < day and s.back[i, c, s.at[i, c].back].units <= 0.0:
            s.at[i, c].back += 1
        j, b = s.at[i, c].line, s.at[i, c].back
        # where lines may become firm on days off, a ghost may be owed enough although nothing is free
        while free > 0.0 or tied:
            while j < end and s.line[j - line0].status >= _FIRM:
                j += 1
            while b <= day and s.back[i, c, b].units <= 0.0:
                b += 1
            line_waits = j < end and p.line[j].wanted <= day
            if line_waits and (b > day or p.line[j].wanted <= b):
                x = j - line0
                if s.line[x].status == _GHOST:
                    _serve_ghost(p, s, t, i, g, j, x, day, k, free, taken, commits)
                    ghosts = True
                elif free > 0.0:
                    open_units = s.line[x].left
                    give = _serve_line(p, s, t, i, g, j, x, order0, day, k, free, commits)
                    if give < 0.0:
                        free = 0.0
                    else:
                        taken += give
                        free -= give if commits else min(free, open_units)
                j += 1
            elif b <= day:
                give = min(free, s.back[i, c, b].units)
                free -= give
                if commits:
                    s.back[i, c, b].units -= give
                    s.sku[i].wait -= give
                    s.sku[i].used += give
                    taken += give
                b += 1
            else:
                break
    s.sku[i].free -= taken
    if t.ledger.shape[0] > 0:
        t.ledger[g, k, 1] += taken
    if ghosts:
        _pass_on(p, s, i, g, line0, taken)


@kernel(allocates=False)
def _pass_on(p: Problem, s: "_State", i: int, g: int, line0: int, taken: float) -> None:
    """Ghosts that had a turn are owed what the lines behind them took after it."""
    for j in range(p.sku[g].line_from, p.sku[g].line_to):
        x = j - line0
        if s.line[x].turn >= 0.0:
            s.line[x].passed += taken - s.line[x].turn
            s.line[x].turn = -1.0


@kernel(allocates=False)
def _unmet_today(p: Problem, s: "_State", i: int, g: int, line0: int, day: int) -> tuple[float, float]:
    """Units wanted first today that could not be covered, those of known lines and of simulated ones."""
    known, simulated = 0.0, 0.0
    if p.calendar[p.sku[g].location, day].working == 0:
        covered_short = max(0.0, s.sku[i].wait - max(s.sku[i].free, 0.0))
        for c in range(s.back.shape[1]):
            simulated += s.back[i, c, day].units
        return 0.0, min(covered_short, simulated)
    j = s.day[i, day].wanted
    while j >= 0:
        if s.line[j - line0].status == _WAITING:
            known += s.line[j - line0].left
        j = s.line[j - line0].wanted_next
    for c in range(s.back.shape[1]):
        simulated += s.back[i, c, day].units
    return known, simulated


@kernel(allocates=False)
def _lose(p: Problem, s: "_State", t: Tally, i: int, g: int, day: int, k: int, unmet: float) -> None:
    """Unmet demand that does not wait is taken out again, the last classes first."""
    sku = p.sku[g]
    keep = sku.queue_share * unmet / sku.unit
    whole = math.floor(keep)
    if uniform(sku.key, k, _LOST - p.first_ordinal - day) < keep - whole:
        whole += 1.0
    drop = unmet - whole * sku.unit
    for c in range(s.back.shape[1] - 1, -1, -1):
        out = min(drop, s.back[i, c, day].units)
        s.back[i, c, day].units -= out
        s.sku[i].wait -= out
        drop -= out
        if t.ledger.shape[0] > 0:
            t.ledger[g, k, 2] += out


@kernel(allocates=False)
def _future_patience(p: Problem, s: "_State", i: int, g: int, day: int, k: int) -> None:
    """Those of today's simulated customers who now wait get the day on which they will have had enough."""
    sku = p.sku[g]
    if sku.hazard <= 0.0:
        return
    for c in range(s.back.shape[1]):
        if s.back[i, c, day].units > 0.0:
            u = uniform(mix(sku.key ^ p.class_salt[c]), k, _PATIENCE - p.first_ordinal - day)
            leaves = day + geometric(u, sku.hazard, p.horizon + 1)
            if leaves <= p.horizon:
                node = c * (p.horizon + 2) + day
                s.back[i, c, day].cancel_next = s.day[i, leaves].back_cancel
                s.day[i, leaves].back_cancel = node


@kernel(allocates=False)
def _record_short(p: Problem, s: "_State", i: int, day: int, units: float) -> None:
    s.sku[i].short_now = 1
    s.sku[i].first_short = min(s.sku[i].first_short, day)
    for r in range(p.risk_days.size):
        if day <= p.risk_days[r]:
            s.short[i, r] += units


@kernel(allocates=False)
def order_quantity(sku: Any, position: float) -> float:
    """Units to order at this inventory position (on hand + on order − backordered) under the SKU's policy."""
    if sku.policy == BASE_STOCK:
        due, qty = position < sku.order_up_to, sku.order_up_to - position
    else:
        due, qty = position <= sku.reorder_point, sku.order_up_to - position
    if not due:
        return 0.0
    if sku.policy == RQ:
        # (r, nQ): as many lots as bring the position above the reorder point
        qty = sku.order_qty * (math.floor((sku.reorder_point - position) / sku.order_qty) + 1.0)
    qty = max(qty, sku.min_order_qty)
    qty = sku.pack_size * math.ceil(qty / sku.pack_size - 1e-9)
    if position + qty > sku.max_stock:
        qty = sku.pack_size * math.floor((sku.max_stock - position) / sku.pack_size + 1e-9)
    return max(qty, 0.0)


@kernel(allocates=False)
def _reorder(p: Problem, s: "_State", i: int, g: int, day: int, k: int) -> None:
    sku = p.sku[g]
    ordinal = p.first_ordinal + day - 1
    if sku.policy == NO_POLICY or day > sku.end_day or (ordinal - sku.review_phase) % sku.review_days != 0:
        return
    if p.calendar[sku.location, day].working == 0:
        return
    qty = order_quantity(sku, s.sku[i].free + s.sku[i].on_order - s.sku[i].wait)
    if qty > 0.0:
        s.sku[i].on_order += qty
        lead = max(1, find_day(p.new_lead[sku.lead_row], uniform(sku.lead_key, k, ordinal)))
        if lead < p.new_lead.shape[1] and day + lead <= p.horizon:
            _add_arrival(s, i, p.receive_on[day + lead], qty, PLANNED)


@kernel(allocates=False)
def _close_sku(p: Problem, s: "_State", t: Tally, i: int, g: int, line0: int, k: int) -> None:
    """After the last day: lines that did not leave, and what the scenario says of the SKU's risk."""
    sku = p.sku[g]
    for j in range(sku.line_from, sku.line_to):
        x = j - line0
        if s.line[x].status < _FIRM:
            t.line_day[j, p.horizon + 1].leaves += 1
            t.peg[p.line[j].peg_from + NONE] += 1
            if p.line[j].slot >= 0:
                t.own_day[p.line[j].slot, k] = p.horizon + 1
                _release(p, t, j, p.horizon + 1, k)
        if s.line[x].seen_first == 0:
            t.line_day[j, p.horizon + 1].first += 1
    t.first_short[g, s.sku[i].first_short] += 1
    today = p.first_ordinal - 1
    lead = max(1, find_day(p.new_lead[sku.lead_row], uniform(sku.lead_key, k, today)))
    lead = p.receive_on[min(lead, p.horizon + 1)]
    for r in range(p.risk_days.size):
        t.risk[g, r].short_units += s.short[i, r]
        if s.sku[i].first_short <= p.risk_days[r]:
            t.risk[g, r].short += 1
            if s.sku[i].first_short >= lead:
                t.risk[g, r].preventable += 1


@kernel(allocates=False, inline=True)
def _day_of_sku(
    p: Problem, s: "_State", t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
    tied: bool,
) -> None:  # fmt: skip
    new = _new_demand(p, s, t, i, g, line0, day, k)
    sku = p.sku[g]
    # without units waiting there may still be ghosts among the lines
    commits = p.calendar[sku.location, day].working == 1
    anyone = s.sku[i].wait > 0.0
    if (anyone or sku.line_to > sku.line_from) and (tied or (commits and s.sku[i].free > 0.0)):
        _allocate(p, s, t, i, g, line0, order0, day, k, commits, tied)
    if new > 0.0:
        for r in range(p.risk_days.size):
            if day <= p.risk_days[r]:
                t.risk[g, r].new_units += new
        known, simulated = _unmet_today(p, s, i, g, line0, day)
        if known + simulated > 0.0:
            _record_short(p, s, i, day, known + simulated)
            if simulated > 0.0 and p.sku[g].queue_share < 1.0:
                _lose(p, s, t, i, g, day, k, simulated)
            _future_patience(p, s, i, g, day, k)
    if p.with_planned:
        _reorder(p, s, i, g, day, k)
    path = p.sku[g].path
    if path >= 0:
        t.paths[path, 0, k, day - 1] = s.sku[i].free
        t.paths[path, 1, k, day - 1] = max(0.0, s.sku[i].wait - max(0.0, s.sku[i].free))


@kernel(allocates=False)
def _run_component(p: Problem, t: Tally, s: "_State", c: int, k: int) -> None:
    g0, g1 = p.component[c].sku, p.component[c + 1].sku
    line0, po0, order0 = p.sku[g0].line_from, p.sku[g0].po_from, p.component[c].order
    s.listed[0] = 0
    tied = p.component[c + 1].order > order0
    for o in range(order0, p.component[c + 1].order):
        s.order_wait[o - order0] = p.order_lines[o]
    for g in range(g0, g1):
        _start_sku(p, s, g - g0, g, line0, po0, k)
    for day in range(1, p.horizon + 1):
        for g in range(g0, g1):
            _receive(p, s, t, g - g0, g, po0, day, k)
            _cancel(p, s, t, g - g0, g, line0, order0, day, k)
        for g in range(g0, g1):
            _day_of_sku(p, s, t, g - g0, g, line0, order0, day, k, tied)
    for g in range(g0, g1):
        _close_sku(p, s, t, g - g0, g, line0, k)


def _example() -> tuple[Problem, Tally, _State]:
    """The smallest problem: the kernel's signature is its type."""

    def one(dtype: Any, axes: int = 1) -> np.ndarray:
        return np.zeros((1,) * axes, dtype)

    problem = Problem(
        one(SKU), one(LINE), one("i8", 2), one("f8", 2), one("u8"), one("f8", 2), one("f8", 2), one("f8", 2),
        one("f8"), one("f8", 2), one("f8"), one("f8"), one(LINE_DRAW, 2),
        one("f8"), one(PURCHASE_DRAW, 2), one("f8", 2), one(CALENDAR, 2), one("i8", 2), one("i8"), one(COMPONENT),
        one("i8"),
        one("i8"), 1, 1, 0, 1, True,
    )  # fmt: skip
    tally = Tally(
        one(LINE_DAY, 2), one("i2", 2), one("i2", 2), one("i8"), one("i8"), one(RISK, 2), one("i8", 2), one("i8", 2),
        one("f4", 4), one("f8", 3),
    )  # fmt: skip
    problem.component.resize(2)
    problem.component["sku"][1] = 1
    return problem, tally, new_state(problem, 0, 1)


_PROBLEM, _TALLY, _STATE = (numba.typeof(x) for x in _example())


@kernel(numba.void(_PROBLEM, _TALLY, _STATE, numba.int64, numba.int64), allocates=False)
def _simulate(p: Problem, t: Tally, s: "_State", start: int, stop: int) -> None:
    for c in range(start, stop):
        for k in range(p.scenarios):
            _run_component(p, t, s, c, k)


def simulate_components(p: Problem, t: Tally, start: int, stop: int) -> None:
    """Simulate components start…stop−1 in every scenario and add what happened to the tally."""
    if stop > start:
        _simulate(p, t, new_state(p, start, stop), start, stop)


@kernel(numba.void(_PROBLEM, _STATE, numba.int64, numba.float64[:, :, ::1]), allocates=False)
def _demand_paths(p: Problem, s: "_State", g: int, out: np.ndarray) -> None:
    for k in range(p.scenarios):
        _start_demand(p, s, 0, p.sku[g], g, k)
        for day in range(1, p.horizon + 1):
            if _draw_demand(p, s, 0, g, day, k) > 0.0:
                for c in range(p.class_share.shape[1]):
                    out[c, k, day - 1] = s.back[0, c, day].units
                    s.back[0, c, day].units = 0.0


def demand_paths(p: Problem, g: int, out: np.ndarray) -> None:
    """The simulated demand of SKU g: units by class, scenario and day, into `out` [C, K, H]. For tests and charts."""
    _demand_paths(p, new_state(p, 0, p.component.size - 1), g, out)
