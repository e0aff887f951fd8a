"""Days that need no queue: an SKU goes ahead through those on which nobody has to wait for goods, and through those on
which there is nothing for anybody.
"""

import math
from typing import Any

from ._compile import kernel
from .day_sets import marked, next_marked
from .queue_events import leave, receive
from .queue_layout import Problem, State, Tally
from .queue_orders import review, visit
from .queue_waiting import join, join_queue, run_short


@kernel(allocates=False, inline=True)
def next_working_day(p: Problem, g: int, day: int) -> int:
    """The first one after a day."""
    return p.working_days[p.sku[g].location, p.calendar[p.sku[g].location, day + 1].next]


@kernel(allocates=False, inline=True)
def run_ahead(p: Problem, s: State, t: Tally, i: int, g: int, po0: int, day: int, k: int, tied: bool) -> int:
    """Go through the days after this one as long as nobody is to be served; returns the first on which somebody is."""
    sku = s.sku[i]
    if sku.plain == 1 and sku.known == 0 and sku.ghosts == 0 and sku.wait == 0.0:
        day = _while_nobody_waits(p, s, t, i, g, po0, day, k) - 1
    if sku.free <= 0.0 and not tied and p.sku[g].path < 0:
        return _while_nothing_is_there(p, s, t, i, g, day, k)
    return min(next_marked(s.visit[i], day + 1), s.demand[sku.next].day)


@kernel(allocates=False, inline=True)
def _while_nobody_waits(p: Problem, s: State, t: Tally, i: int, g: int, po0: int, day: int, k: int) -> int:
    """Demand that there is enough for, receipts and orders need no queue, whatever the rule. What comes on a day off is
    taken from stock at once, too: nobody can tell before the next working day."""
    sku, busy, begun, below = s.sku[i], day, s.sku[i].next, s.sku[i].order_below
    other = next_marked(s.visit[i], day + 1)
    while True:
        _take(s, t, sku, g, k, other, below)
        day = min(other, s.demand[sku.next].day)
        if day > p.horizon:
            break
        if day == other and marked(s.dated[i], day) and not _only_receipts(p, s, t, i, g, po0, day, k):
            break
        if s.demand[sku.next].day == day and not _take_one(s, t, sku, g, k):
            break
        if sku.free + sku.on_order < sku.order_below:
            review(p, s, i, g, day, k)
        # where it still asks for an order, it is visited on the next day of review
        below = sku.order_below if sku.free + sku.on_order >= sku.order_below else -math.inf
        other = next_marked(s.visit[i], day + 1)
    _put_back(p, s, t, i, g, busy, begun, min(day, p.horizon + 1), k)
    return day


@kernel(allocates=False, inline=True)
def _take(s: State, t: Tally, sku: Any, g: int, k: int, until: int, below: float) -> None:
    """Demand of days before `until` takes what it wants as long as there is enough and no order becomes due."""
    free, at = sku.free, sku.next
    rest = free - s.demand[at].units
    while s.demand[at].day < until and rest >= 0.0 and rest + sku.on_order >= below:
        free, at = rest, at + 1
        rest = free - s.demand[at].units
    _count_taken(t, sku, g, k, sku.free - free)
    sku.free, sku.next = free, at


@kernel(allocates=False, inline=True)
def _take_one(s: State, t: Tally, sku: Any, g: int, k: int) -> bool:
    """The next demand takes what it wants, if that is there."""
    new = s.demand[sku.next].units
    if sku.free < new:
        return False
    sku.next += 1
    sku.free -= new
    _count_taken(t, sku, g, k, new)
    return True


@kernel(allocates=False, inline=True)
def _count_taken(t: Tally, sku: Any, g: int, k: int, units: float) -> None:
    sku.used += units
    if t.ledger.shape[0] > 0:
        t.ledger[g, k, 1] += units
        t.ledger[g, k, 3] += units


@kernel(allocates=False, inline=True)
def _only_receipts(p: Problem, s: State, t: Tally, i: int, g: int, po0: int, day: int, k: int) -> bool:
    """Take what comes if nothing else is dated this day. Of those who wanted to leave, nobody is there any more."""
    lists = s.day[i, day]
    if lists.cancel >= 0 or lists.wanted >= 0 or lists.gone >= 0:
        return False
    lists.back_cancel = -1
    receive(p, s, t, i, g, po0, day, k)
    return True


@kernel(allocates=False, inline=True)
def _put_back(p: Problem, s: State, t: Tally, i: int, g: int, busy: int, begun: int, day: int, k: int) -> None:
    """Before a busy day: the demand since the last working day is still there, and what it would take."""
    if day - 1 <= busy or p.calendar[p.sku[g].location, day - 1].working == 1:
        return
    off, sku = day - 1, s.sku[i]
    while off > busy and p.calendar[p.sku[g].location, off].working == 0:
        off -= 1
    at = sku.next - 1
    while at >= begun and s.demand[at].day > off:
        join(p, s, i, g, at, k)
        sku.free += s.demand[at].units
        sku.used -= s.demand[at].units
        if t.ledger.shape[0] > 0:
            t.ledger[g, k, 1] -= s.demand[at].units
        at -= 1
    if sku.wait > 0.0:
        visit(s, i, next_working_day(p, g, day - 1), p.horizon)


@kernel(allocates=False, inline=True)
def _while_nothing_is_there(p: Problem, s: State, t: Tally, i: int, g: int, day: int, k: int) -> int:
    """Without a unit to be had nobody is served, whatever the rule: demand begins to wait, customers leave."""
    sku = s.sku[i]
    while True:
        other = next_marked(s.visit[i], day + 1)
        day = min(other, s.demand[sku.next].day)
        if day > p.horizon or (day == other and marked(s.dated[i], day) and not _only_leaving(p, s, t, i, g, day, k)):
            return day
        new = join_queue(p, s, i, g, day, k)
        if new > 0.0:
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 3] += new
            run_short(p, s, t, i, g, day, k, 0.0, new)
        if sku.free + sku.on_order - sku.wait < sku.order_below:
            review(p, s, i, g, day, k)


@kernel(allocates=False, inline=True)
def _only_leaving(p: Problem, s: State, t: Tally, i: int, g: int, day: int, k: int) -> bool:
    """Take out those simulated customers who have had enough, if nothing else is dated this day."""
    lists = s.day[i, day]
    if lists.arrival >= 0 or lists.cancel >= 0 or lists.wanted >= 0 or lists.gone >= 0:
        return False
    leave(p, s, t, i, g, day, k)
    return True
