"""Quiet days: an SKU goes ahead through all days on which nobody has to wait for goods."""

from ._compile import kernel
from .day_sets import marked, next_marked
from .queue_demand import demand_of, join_queue
from .queue_events import receive
from .queue_layout import Problem, State, Tally
from .queue_orders import review, visit


@kernel(allocates=False, inline=True)
def next_working_day(p: Problem, g: int, day: int) -> int:
    """The first one after a day."""
    return p.working_days[p.sku[g].location, p.calendar[p.sku[g].location, day + 1].next]


@kernel(allocates=False, inline=True)
def run_ahead(p: Problem, s: State, t: Tally, i: int, g: int, po0: int, day: int, k: int) -> int:
    """Go through the days after this one as long as nobody has to wait for goods; returns the first that is busy.

    Demand that there is enough for, receipts and orders need no queue, whatever the rule. What comes on a day off is
    taken from stock at once, too: nobody can tell before the next working day.
    """
    sku, days, dated, came, back = s.sku[i], s.visit[i], s.dated[i], s.came[i, 0], s.back[i, 0]
    day = next_marked(days, day + 1)
    if sku.plain == 0 or sku.known > 0 or sku.ghosts > 0 or sku.wait != 0.0:
        return day
    since, several = day, p.class_share.shape[1] > 1
    while day <= p.horizon:
        if marked(dated, day) and not _only_receipts(p, s, t, i, g, po0, day, k):
            break
        new = demand_of(p, s, i, day) if several else back[day] if marked(came, day) else 0.0
        if sku.free < new:
            break
        if new > 0.0:
            sku.free -= new
            sku.used += new
            _count_new(p, s, t, i, g, day, k, new)
        if sku.free + sku.on_order < sku.order_below:
            review(p, s, i, g, day, k)
        day = next_marked(days, day + 1)
    _put_back(p, s, t, i, g, since, min(day, p.horizon + 1), k)
    return day


@kernel(allocates=False, inline=True)
def _count_new(p: Problem, s: State, t: Tally, i: int, g: int, day: int, k: int, new: float) -> None:
    s.new_units[i, s.risk_at[day]] += new
    if t.ledger.shape[0] > 0:
        t.ledger[g, k, 1] += new
        t.ledger[g, k, 3] += new


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
def _put_back(p: Problem, s: State, t: Tally, i: int, g: int, since: int, day: int, k: int) -> None:
    """Before a busy day: the demand since the last working day is still there, and what it would take."""
    off = day - 1
    while off >= since and p.calendar[p.sku[g].location, off].working == 0:
        new = join_queue(p, s, i, g, off, k)
        s.sku[i].free += new
        s.sku[i].used -= new
        if t.ledger.shape[0] > 0:
            t.ledger[g, k, 1] -= new
        off -= 1
    if s.sku[i].wait > 0.0:
        visit(s, i, next_working_day(p, g, day - 1), p.horizon)
