"""The dated events of a queue: how each SKU starts, receipts, cancellations, and the day on which goods leave."""

from typing import Any

from ._compile import kernel
from .day_sets import clear, mark, marked
from .queue_layout import BY_CLASS, DONE, FIRM, FIRST_PURCHASE, GHOST, STOCK, WAITING, Problem, State, Tally
from .queue_waiting import take_out


@kernel(allocates=False, inline=True)
def mark_dated(s: State, i: int, day: int) -> None:
    """There is an event in a list of this day."""
    mark(s.visit[i], day)
    mark(s.dated[i], day)


@kernel(allocates=False, inline=True)
def add_arrival(s: State, i: int, day: int, qty: float, source: int) -> None:
    node = s.listed[0]
    s.listed[0] = node + 1
    s.node[node].qty = qty
    s.node[node].src = source
    s.node[node].next = s.day[i, day].arrival
    s.day[i, day].arrival = node
    mark_dated(s, i, day)


@kernel(allocates=False, inline=True)
def start_sku(p: Problem, s: State, i: int, g: int, line0: int, po0: int, k: int) -> None:
    """Set one SKU (i in its component, g over all) to the end of the as-of day and link its dated events."""
    sku = p.sku[g]
    s.sku[i].free = sku.free
    s.sku[i].wait = 0.0
    s.sku[i].on_order = 0.0
    s.sku[i].used = -min(sku.free, 0.0)
    s.sku[i].batch_at = 0
    s.sku[i].batches = 1
    s.sku[i].known = 0
    s.sku[i].ghosts = 0
    s.batch[i, 0].cum = max(sku.free, 0.0)
    s.batch[i, 0].src = STOCK
    s.sku[i].short_now = 0
    s.sku[i].first_short = p.horizon + 1
    for c in range(s.back.shape[1]):
        clear(s.waits[i, c])
        s.at[i, c].line = p.class_from[g, c] if p.rule == BY_CLASS else sku.line_from
    _start_lines(p, s, i, sku, line0, k)
    _start_purchases(p, s, i, sku, po0, k)


@kernel(allocates=False, inline=True)
def _start_lines(p: Problem, s: State, i: int, sku: Any, line0: int, k: int) -> None:
    for j in range(sku.line_to - 1, sku.line_from - 1, -1):
        x = j - line0
        line = p.line[j]
        s.line[x].status = WAITING
        s.line[x].left = line.need
        s.line[x].virtual = 0.0
        s.line[x].passed = 0.0
        s.line[x].turn = -1.0
        s.line[x].seen_first = 0
        s.sent[x] = 0.0
        day = p.line_draw[j, k].cancel
        if 1 <= day <= p.horizon:
            s.line[x].cancel_next = s.day[i, day].cancel
            s.day[i, day].cancel = j
            mark_dated(s, i, day)
        if line.wanted <= 0:
            s.sku[i].wait += line.need
            s.sku[i].known += 1
        else:
            s.sku[i].on_order -= line.need  # the position counts what is owed later, too
        if 1 <= line.wanted <= p.horizon:
            s.line[x].wanted_next = s.day[i, line.wanted].wanted
            s.day[i, line.wanted].wanted = j
            mark_dated(s, i, line.wanted)


@kernel(allocates=False, inline=True)
def _start_purchases(p: Problem, s: State, i: int, sku: Any, po0: int, k: int) -> None:
    # last to first, so that several receipts of a day are taken in the order of the purchases
    for j in range(sku.po_to - 1, sku.po_from - 1, -1):
        source = FIRST_PURCHASE + j - sku.po_from
        s.sku[i].on_order += p.po_qty[j]
        s.po[j - po0].left = p.po_qty[j]
        first = p.po_draw[j, k].first_qty
        rest = p.po_qty[j] - first
        if rest > 0.0 and 1 <= p.po_draw[j, k].rest <= p.horizon:
            add_arrival(s, i, p.po_draw[j, k].rest, rest, source)
        if first > 0.0 and 1 <= p.po_draw[j, k].first <= p.horizon:
            add_arrival(s, i, p.po_draw[j, k].first, first, source)
        gone = p.po_draw[j, k].gone
        if 1 <= gone <= p.horizon:
            s.po[j - po0].gone_next = s.day[i, gone].gone
            s.day[i, gone].gone = j
            mark_dated(s, i, gone)


@kernel(allocates=False, inline=True)
def receive(p: Problem, s: State, t: Tally, i: int, g: int, po0: int, day: int, k: int) -> None:
    node = s.day[i, day].arrival
    s.day[i, day].arrival = -1
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
    s.day[i, day].gone = -1
    while j >= 0:
        s.sku[i].on_order -= s.po[j - po0].left
        s.po[j - po0].left = 0.0
        j = s.po[j - po0].gone_next


@kernel(allocates=False, inline=True)
def departure(p: Problem, location: int, day: int, handling: int) -> int:
    position = p.calendar[location, day].next + handling
    return min(p.working_days[location, min(position, p.working_days.shape[1] - 1)], p.horizon + 1)


@kernel(allocates=False, inline=True)
def release(p: Problem, t: Tally, j: int, leaves: int, k: int) -> None:
    slot = p.line[j].slot
    if slot >= 0 and t.release_day[slot, k] == 0:
        t.release_day[slot, k] = leaves


@kernel(allocates=False, inline=True)
def note_first(p: Problem, s: State, t: Tally, i: int, g: int, j: int, x: int, day: int, k: int) -> None:
    if s.line[x].seen_first == 0:
        s.line[x].seen_first = 1
        t.line_day[j, departure(p, p.sku[g].location, day, p.line_draw[j, k].handling)].first += 1


@kernel(allocates=False, inline=True)
def in_ratio(p: Problem, j: int) -> bool:
    """Whether a line leaves in equal shares with the others of its group."""
    return p.line[j].order >= 0 and p.line[j].pieces == 1


@kernel(allocates=False, inline=True)
def _give_back(p: Problem, s: State, t: Tally, i: int, g: int, j: int, x: int, k: int) -> None:
    """A line in ratio that cancels gives back what is set aside for it and has not left; it asks for that anew."""
    units = p.line[j].need - s.line[x].left - s.sent[x]
    s.line[x].left += units
    s.sku[i].free += units
    s.sku[i].used -= units
    if t.ledger.shape[0] > 0:
        t.ledger[g, k, 1] -= units
        t.ledger[g, k, 2] += units


@kernel(allocates=False, inline=True)
def cancel(
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
) -> None:  # fmt: skip
    j = s.day[i, day].cancel
    s.day[i, day].cancel = -1
    while j >= 0:
        x = j - line0
        order = p.line[j].order
        if s.line[x].status == WAITING:
            s.line[x].status = GHOST
            s.sku[i].ghosts += 1
            t.cancelled[j] += 1
            if p.line[j].wanted < day:  # it has joined the queue
                s.sku[i].known -= 1
                s.sku[i].wait -= s.line[x].left
            else:
                s.sku[i].on_order += s.line[x].left
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 2] += s.line[x].left
            if order >= 0:
                if in_ratio(p, j):
                    _give_back(p, s, t, i, g, j, x, k)
                s.order_wait[order - order0] -= 1
                release(p, t, j, departure(p, p.sku[g].location, day, p.line_draw[j, k].handling), k)
        elif s.line[x].status == FIRM and s.order_wait[order - order0] > 0:
            s.line[x].status = DONE
            t.cancelled[j] += 1
            units = p.line[j].need - s.sent[x]
            note_first(p, s, t, i, g, j, x, day, k)
            s.sku[i].free += units
            s.sku[i].used -= units
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 1] -= units
                t.ledger[g, k, 2] += units
        j = s.line[x].cancel_next
    leave(p, s, t, i, g, day, k)


@kernel(allocates=False, inline=True)
def leave(p: Problem, s: State, t: Tally, i: int, g: int, day: int, k: int) -> None:
    """Simulated customers who have had enough."""
    node = s.day[i, day].back_cancel
    s.day[i, day].back_cancel = -1
    while node >= 0:
        c, since = node // (p.horizon + 2), node % (p.horizon + 2)
        if marked(s.waits[i, c], since):
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 2] += s.back[i, c, since]
            take_out(s, i, c, since, s.back[i, c, since])
        node = s.leave[i, c, since]


