"""The shop's days, compiled: one pass over the calendar that changes the state in place.

Plain loops over whole numbers, to be read beside the docstring of the package, which they follow step by
step. Everything random was drawn before (:mod:`.draws`).
"""

from __future__ import annotations

import numpy as np

from .desk import compiled, compiled_whole, join, leave_queue, note, resume, search, service_key, touch, write
from .state import (
    CANCEL,
    CANCELLATION,
    CHANGE,
    CHANGES,
    COMMITTED,
    DATE,
    DUE,
    FATE,
    FIRM,
    FREE,
    FUTURE,
    GAP,
    GHOST,
    GHOST_DONE,
    GHOST_READY,
    JUMP,
    LAST,
    LEAD,
    LEAVE,
    LEFT,
    MOVEMENT,
    OUTSTANDING,
    PART,
    PENDING,
    PURCHASE_CANCELLATION,
    QUANTITY,
    RECEIPT,
    SHIPMENT,
    VANISHED,
    WAITING,
    WANTED,
    Desk,
    Log,
    Records,
    Rules,
    State,
    new_desk,
)  # fmt: skip
from .world import (
    BASE_STOCK,
    CANCELLED,
    NEVER,
    PURCHASE_CANCEL_FROM,
    PURCHASE_CANCEL_MAX,
    PURCHASE_CANCEL_MEAN,
    R_Q,
    SPLIT,
    STUCK,
)  # fmt: skip

JUMP_SHARE = 0.05  # of the days on which a queue is served anew, in the regime queue_jumps


@compiled
def _out(desk: Desk, lines: Records, line: int, day: int) -> None:
    """The truth of a line is known."""
    lines[line].out_day = day
    if lines[line].tracked == 1:
        desk.n[OUTSTANDING] -= 1


@compiled
def _leave_day(rules: Rules, lines: Records, line: int, day: int) -> int:
    """Day on which goods committed on ``day`` leave."""
    wait = lines[line].handling
    if day > rules.days[lines[line].wanted].roll:
        wait += lines[line].extra
    return int(rules.work_days[rules.days[day].work_index + wait])


@compiled
def _commit(state: State, rules: Rules, desk: Desk, line: int, qty: int, day: int) -> None:
    """Units (already held) go to picking and will leave."""
    desk.n[FREE] -= 1
    entry = desk.free[desk.n[FREE]]
    flight, lines = state.flights[entry], state.lines
    flight.line, flight.qty = line, qty
    flight.commit_day = rules.days[day].roll
    flight.leave_day = _leave_day(rules, lines, line, flight.commit_day)
    note(desk, rules.first, LEAVE, flight.leave_day, entry)
    lines[line].committed += qty
    if lines[line].committed == lines[line].qty:
        lines[line].status = COMMITTED


@compiled
def _receive(state: State, rules: Rules, desk: Desk, log: Log, entry: int, day: int) -> None:
    """A receipt, or a purchase cancellation, that was due today."""
    bought = state.purchases[entry]
    shelf = state.shelves[bought.sku]
    qty = bought.open
    if bought.cancel_day == day:
        bought.open = 0
        shelf.position -= qty
        write(log, PURCHASE_CANCELLATION, day, entry, qty, 0, 0)
        return
    if bought.came == NEVER:
        bought.came = day
        qty = bought.due_qty
        if qty < bought.open:
            note(desk, rules.first, DUE, bought.rest_due, entry)
    bought.open -= qty
    shelf.on_hand += qty
    shelf.dirty = 1
    write(log, RECEIPT, day, entry, qty, 0, 0)


@compiled
def _move(state: State, rules: Rules, log: Log, day: int) -> None:
    """Scrap, returns and counts; never more than is free."""
    for sku in range(len(state.shelves)):
        qty = rules.movement[sku, day - rules.first]
        if qty == 0 or day < rules.skus[sku].buy_from:
            continue
        shelf = state.shelves[sku]
        qty = max(qty, shelf.held - shelf.on_hand)
        if qty != 0:
            shelf.on_hand += qty
            shelf.position += qty
            shelf.dirty = 1
            write(log, MOVEMENT, day, sku, qty, 0, 0)


@compiled
def _cancel(state: State, rules: Rules, desk: Desk, log: Log, entry: int, day: int) -> None:
    """A customer gives up: the line goes on as a ghost."""
    line = state.lines[entry]
    if line.cancel_day != day:  # it was put off by a later requested date
        note(desk, rules.first, CANCEL, line.cancel_day, entry)
        return
    if line.status != WAITING and line.status != FIRM:
        return
    qty, shelf = line.qty - line.committed, state.shelves[line.sku]
    line.cancelled, line.gone_day, line.passed = qty, day, 0
    shelf.position += qty
    shelf.dirty = 1
    if line.status == WAITING:
        line.status = GHOST
        desk.queues[line.sku].ghosts += 1
    else:
        line.status = GHOST_READY
        _give_back(state, desk, entry, qty)
    if line.complete == 1:
        touch(desk, line.order)
    write(log, CANCELLATION, day, entry, qty, 0, 0)


@compiled
def _give_back(state: State, desk: Desk, entry: int, qty: int) -> None:
    """A firm line's units return to the pool: the ghosts that had let them pass have not."""
    line, key = state.lines[entry], service_key(state.lines, entry)
    state.shelves[line.sku].held -= qty
    ahead = desk.queues[line.sku].head
    while ahead >= 0 and desk.links[ahead].key < key:
        ghost = state.lines[ahead]
        if ghost.status == GHOST and ghost.gone_day <= line.firm_day:
            ghost.passed -= qty
        ahead = desk.links[ahead].after


@compiled
def _change(state: State, rules: Rules, desk: Desk, log: Log, entry: int, day: int) -> None:
    """A customer asks for another quantity or a later day."""
    line = state.lines[entry]
    if line.status != WAITING or line.committed > 0 or line.change_qty == line.qty:
        return
    if line.change_qty > 0:
        write(log, CHANGE, day, entry, QUANTITY, line.qty, line.change_qty)
        state.shelves[line.sku].position += line.qty - line.change_qty
        line.qty = line.change_qty
    else:
        old = line.wanted
        new = max(old, day) + line.change_shift
        write(log, CHANGE, day, entry, DATE, old, new)
        line.cancel_day += new - max(old, day)
        line.wanted = new
        if old < day:  # it stands in the queue; else the agenda of its old wanted day moves it on
            leave_queue(desk, state.lines, entry)
            note(desk, rules.first, WANTED, new, entry)
    state.shelves[line.sku].dirty = 1


@compiled
def _want(state: State, rules: Rules, desk: Desk, entry: int, day: int) -> None:
    """The wanted day of a line: today, or put off since it was noted."""
    line = state.lines[entry]
    if line.wanted > day:
        note(desk, rules.first, WANTED, line.wanted, entry)
    else:
        join(desk, state.lines, entry)
        state.shelves[line.sku].dirty = 1


@compiled
def _sell_at_once(state: State, rules: Rules, desk: Desk, entry: int, day: int) -> None:
    """A line of lost demand takes what there is; the rest was never ordered."""
    line = state.lines[entry]
    shelf = state.shelves[line.sku]
    line.qty = min(line.qty, shelf.on_hand - shelf.held)
    if line.qty == 0:
        line.status = VANISHED
        return
    line.at_once = 1
    shelf.held += line.qty
    shelf.position -= line.qty
    _commit(state, rules, desk, entry, line.qty, day)


@compiled
def _arrive(state: State, rules: Rules, desk: Desk, entry: int, day: int) -> None:
    """A new order line."""
    line = state.lines[entry]
    line.status = WAITING
    if rules.skus[line.sku].lost == 1:
        _sell_at_once(state, rules, desk, entry, day)
        return
    state.shelves[line.sku].position -= line.qty
    note(desk, rules.first, CANCEL, line.cancel_day, entry)
    note(desk, rules.first, CHANGES, line.change_day, entry)
    _want(state, rules, desk, entry, day)


@compiled
def _serve(state: State, rules: Rules, desk: Desk, entry: int, pool: int, day: int, commits: bool) -> int:
    """Reserve for one waiting line; returns the units that it takes for good (committed or firm)."""
    line = state.lines[entry]
    need = line.qty - line.committed
    give = min(need, pool)
    if give == need and day == line.wanted:
        line.at_once = 1
    if give == 0 or (give < need and (line.whole == 1 or line.complete == 1)):
        return 0
    if line.complete == 1:
        line.status, line.firm_day = FIRM, day
        touch(desk, line.order)
    elif commits:
        _commit(state, rules, desk, entry, give, day)
    else:
        return 0
    state.shelves[line.sku].held += give
    if give == need:
        leave_queue(desk, state.lines, entry)
    return int(give)


@compiled
def _offer(state: State, rules: Rules, desk: Desk, entry: int, pool: int, day: int, commits: bool) -> None:
    """Offer a ghost what is left of the pool and what it let pass."""
    line = state.lines[entry]
    if pool + line.passed < line.cancelled or not (line.complete == 1 or commits):
        return
    leave_queue(desk, state.lines, entry)
    desk.queues[line.sku].ghosts -= 1
    if line.complete == 1:
        line.status = GHOST_READY
        touch(desk, line.order)
    else:
        line.status = GHOST_DONE
        _out(desk, state.lines, entry, _leave_day(rules, state.lines, entry, day))


@compiled
def _skip_queue(state: State, rules: Rules, desk: Desk, sku: int, day: int, commits: bool) -> None:
    """Regime ``queue_jumps``: now and then a random waiting line is served first."""
    lines, links, waiting = state.lines, desk.links, 0
    entry = desk.queues[sku].head
    while entry >= 0:
        waiting += int(lines[entry].status == WAITING)
        entry = links[entry].after
    u = rules.uniform[JUMP, sku, day - rules.first] / JUMP_SHARE
    if u >= 1 or waiting < 2:
        return
    chosen, entry = int(u * waiting), desk.queues[sku].head
    while lines[entry].status != WAITING or chosen > 0:
        chosen -= int(lines[entry].status == WAITING)
        entry = links[entry].after
    pool, key = state.shelves[sku].on_hand - state.shelves[sku].held, links[entry].key
    taken = _serve(state, rules, desk, entry, pool, day, commits)
    entry = desk.queues[sku].head
    while entry >= 0 and links[entry].key < key:
        if lines[entry].status == GHOST:
            lines[entry].passed += taken
        entry = links[entry].after


@compiled
def _allocate(state: State, rules: Rules, desk: Desk, sku: int, day: int) -> None:
    """Serve the queue of one SKU."""
    lines, shelf, queue = state.lines, state.shelves[sku], desk.queues[sku]
    commits = rules.days[day].working == 1 and rules.down[rules.skus[sku].location, day - rules.first] == 0
    if rules.uniform.shape[0] > JUMP:
        _skip_queue(state, rules, desk, sku, day, commits)
    pool, taken = shelf.on_hand - shelf.held, 0
    entry = queue.head
    while entry >= 0 and (pool > 0 or queue.ghosts > 0):
        behind = desk.links[entry].after
        if lines[entry].status == GHOST:
            desk.links[entry].taken = taken
            _offer(state, rules, desk, entry, pool, day, commits)
        else:
            reserved = min(pool, lines[entry].qty - lines[entry].committed)
            taken += _serve(state, rules, desk, entry, pool, day, commits)
            pool -= reserved
        entry = behind
    entry = queue.head if taken > 0 and queue.ghosts > 0 else -1
    while entry >= 0:
        if lines[entry].status == GHOST:
            lines[entry].passed += taken - desk.links[entry].taken
        entry = desk.links[entry].after
    shelf.dirty = 0 if commits else 1


@compiled
def _settle(state: State, rules: Rules, desk: Desk, order: int, day: int) -> None:
    """A ship-complete order leaves when no line of it still waits; so does a ghost that is ready."""
    lines, first = state.lines, state.orders[order].first
    end = first + state.orders[order].n_lines
    for entry in range(first, end):
        if lines[entry].status == WAITING:
            return
    for entry in range(first, end):
        if lines[entry].status == FIRM:
            _commit(state, rules, desk, entry, lines[entry].qty, day)
        elif lines[entry].status == GHOST_READY:
            lines[entry].status = GHOST_DONE
            _out(desk, lines, entry, _leave_day(rules, lines, entry, day))


@compiled
def _settle_orders(state: State, rules: Rules, desk: Desk, day: int) -> None:
    """Look at the ship-complete orders in which something happened; keep those of places that commit
    nothing."""
    kept = 0
    for at in range(desk.n[PENDING]):
        order = desk.pending[at]
        place = rules.skus[state.lines[state.orders[order].first].sku].location
        if rules.days[day].working == 1 and rules.down[place, day - rules.first] == 0:
            desk.is_pending[order] = 0
            _settle(state, rules, desk, order, day)
        else:
            desk.pending[kept] = order
            kept += 1
    desk.n[PENDING] = kept


@compiled
def _ship(state: State, desk: Desk, log: Log, entry: int, day: int) -> None:
    """Committed units leave the house."""
    flight = state.flights[entry]
    line = state.lines[flight.line]
    state.shelves[line.sku].on_hand -= flight.qty
    state.shelves[line.sku].held -= flight.qty
    line.left += flight.qty
    write(log, SHIPMENT, day, flight.line, flight.qty, 0, 0)
    if line.status == COMMITTED and line.left == line.qty:
        line.status = LEFT
        _out(desk, state.lines, flight.line, day)
    flight.line = -1
    desk.free[desk.n[FREE]] = entry
    desk.n[FREE] += 1


@compiled
def _quantity(rules: Rules, sku: int, position: int, day: int) -> int:
    """Units to buy today by the SKU's policy."""
    now = rules.skus[sku]
    kind, low, high, review, pack = now.kind, now.low, now.high, now.review, now.pack
    if day >= now.revised:
        kind, low, high, review, pack = (
            now.next_kind,
            now.next_low,
            now.next_high,
            now.next_review,
            now.next_pack,
        )
    if (day + rules.review_offset) % review != 0 or not now.buy_from <= day < now.buy_until:
        return 0
    if kind == R_Q:
        return 0 if position > low else int(high * ((low - position) // high + 1))
    if position >= high or (kind != BASE_STOCK and position > low):
        return 0
    return int((high - position + pack - 1) // pack * pack)


@compiled
def _place(state: State, rules: Rules, desk: Desk, sku: int, qty: int, day: int) -> None:
    """Order from the supplier; its fate is sealed now, though nobody knows it."""
    entry, at, end = state.bought[0], day - rules.first, len(rules.days) - 1
    state.bought[0] += 1
    bought, u = state.purchases[entry], rules.uniform[:, sku, at]
    bought.sku, bought.day, bought.qty, bought.open, bought.due_qty = sku, day, qty, qty, qty
    bought.due, bought.rest_due, bought.cancel_day, bought.came = NEVER, NEVER, NEVER, NEVER
    state.shelves[sku].position += qty
    if SPLIT + CANCELLED <= u[FATE] < SPLIT + CANCELLED + STUCK:
        return
    if SPLIT <= u[FATE] < SPLIT + CANCELLED:
        late = int(np.log(1 - u[LEAD]) / np.log(1 - 1 / PURCHASE_CANCEL_MEAN)) + 1
        bought.cancel_day = day + min(PURCHASE_CANCEL_FROM + late, PURCHASE_CANCEL_MAX)
        note(desk, rules.first, DUE, bought.cancel_day, entry)
        return
    lead = search(rules.lead_cdf[rules.skus[sku].law], u[LEAD]) + 1
    land = rules.land[rules.skus[sku].supplier]
    bought.due = rules.days[land[min(day + int(np.ceil(lead * rules.stretch[day])), end)]].roll
    if u[FATE] < SPLIT and qty >= 2:
        bought.due_qty = max(1, int(qty * (0.3 + 0.5 * u[PART])))
        gap = search(rules.gap_cdf, u[GAP]) + 1
        bought.rest_due = rules.days[land[min(bought.due + gap, end)]].roll
    note(desk, rules.first, DUE, bought.due, entry)


@compiled
def _one_day(state: State, rules: Rules, desk: Desk, log: Log, day: int, coming: int) -> int:
    """One day of the shop; ``coming`` is the first line that has not come yet. Returns the next one."""
    at = day - rules.first
    for which in (DUE, CANCEL, CHANGES, WANTED):
        if which == CANCEL:
            _move(state, rules, log, day)
        entry = desk.agenda[which, at]
        while entry >= 0:
            following = desk.following[which, entry]
            if which == DUE:
                _receive(state, rules, desk, log, entry, day)
            elif which == CANCEL:
                _cancel(state, rules, desk, log, entry, day)
            elif which == CHANGES:
                _change(state, rules, desk, log, entry, day)
            else:
                _want(state, rules, desk, entry, day)
            entry = following
    while coming < len(state.lines) and state.lines[coming].day == day:
        _arrive(state, rules, desk, coming, day)
        coming += 1
    for sku in range(len(state.shelves)):
        if state.shelves[sku].dirty == 1:
            _allocate(state, rules, desk, sku, day)
    _settle_orders(state, rules, desk, day)
    entry = desk.agenda[LEAVE, at]
    while entry >= 0:
        following = desk.following[LEAVE, entry]
        _ship(state, desk, log, entry, day)
        entry = following
    for sku in range(len(state.shelves) * rules.days[day].working):
        qty = _quantity(rules, sku, state.shelves[sku].position, day)
        if qty > 0:
            _place(state, rules, desk, sku, qty, day)
    return coming


@compiled_whole
def _run(state: State, rules: Rules, desk: Desk, log: Log, stop_early: bool) -> None:
    resume(state, rules, desk)
    coming = 0
    while coming < len(state.lines) and state.lines[coming].status != FUTURE:
        coming += 1
    for day in range(rules.first, desk.n[LAST] + 1):
        if stop_early and desk.n[OUTSTANDING] == 0:
            return
        coming = _one_day(state, rules, desk, log, day, coming)
        if log.level.shape[1] > 0:
            for sku in range(len(state.shelves)):
                log.level[sku, day - rules.first] = state.shelves[sku].on_hand


def run_days(state: State, rules: Rules, log: Log, last: int, stop_early: bool = False) -> None:
    """Run the days ``rules.first`` … ``last``, changing ``state`` and filling ``log``.

    ``stop_early`` ends the run when the truth of every tracked line is known.
    """
    _run(state, rules, new_desk(state, max(last - rules.first + 1, 0), last), log, stop_early)
