"""The queue day for many SKUs and scenarios: what `tests/oracles/queue_day.py` says, fast.

SKUs whose ship-complete orders tie them together form a component and are simulated side by side, day by day;
components are independent, so ranges of them can run on different threads, each writing its own rows of the tally. What
is read and written: :mod:`.queue_layout`; draws of demand: :mod:`.queue_demand`; receipts and cancellations:
:mod:`.queue_events`; orders: :mod:`.queue_orders`; quiet days: :mod:`.queue_ahead`; who gets what:
:mod:`.queue_serve`; groups in ratio: :mod:`.queue_sets`.
"""

import math
from typing import Any

import numba
import numpy as np

from ._by_reference import by_reference
from ._compile import kernel
from .chance import mix
from .day_sets import SMALL, clear, mark, marked, next_marked
from .queue_ahead import next_working_day, run_ahead
from .queue_demand import batch_size, draw_ahead, draw_sku
from .queue_events import cancel, receive, release, start_sku
from .queue_keys import allocate_by_key
from .queue_layout import (
    BASE_STOCK,
    BY_CLASS,
    BY_KEY,
    CALENDAR,
    COMPONENT,
    EQUAL_LOSSES,
    FIRM,
    FIRST_PURCHASE,
    LINE,
    LINE_DAY,
    LINE_DRAW,
    MAX_MIN,
    NO_POLICY,
    NONE,
    PLANNED,
    PROPORTIONAL,
    PROTECT,
    PURCHASE_DRAW,
    RISK,
    RQ,
    SET_ASIDE,
    SKU,
    SS,
    STOCK,
    WAITING,
    Problem,
    State,
    Tally,
    new_state,
    smallest,
)  # fmt: skip
from .queue_orders import guide_lead_time, lead_draw, lead_time, order_below, order_quantity, review, visit
from .queue_serve import allocate
from .queue_sets import leave_alone, send_sets
from .queue_shares import allocate_shares
from .queue_waiting import join_queue, run_short, waiting_of

__all__ = [
    "BASE_STOCK",
    "BY_CLASS",
    "BY_KEY",
    "CALENDAR",
    "COMPONENT",
    "EQUAL_LOSSES",
    "FIRST_PURCHASE",
    "LINE",
    "LINE_DAY",
    "LINE_DRAW",
    "MAX_MIN",
    "NONE",
    "NO_POLICY",
    "PLANNED",
    "PROPORTIONAL",
    "PROTECT",
    "PURCHASE_DRAW",
    "RISK",
    "RQ",
    "SET_ASIDE",
    "SKU",
    "SS",
    "STOCK",
    "Problem",
    "State",
    "Tally",
    "demand_paths",
    "new_state",
    "order_quantity",
    "simulate_components",
]  # fmt: skip


@kernel(allocates=False, inline=True)
def _new_lines(s: State, i: int, line0: int, day: int) -> float:
    """Known lines whose day has come join the queue; returns their units."""
    new = 0.0
    j = s.day[i, day].wanted
    while j >= 0:
        x = j - line0
        if s.line[x].status == WAITING:
            s.sku[i].wait += s.line[x].left
            s.sku[i].on_order += s.line[x].left
            s.sku[i].known += 1
            new += s.line[x].left
        j = s.line[x].wanted_next
    return new


@kernel(allocates=False, inline=True)
def _new_demand(p: Problem, s: State, t: Tally, i: int, g: int, line0: int, day: int, k: int) -> float:
    """Units of the lines that join the queue today, known and simulated ones."""
    known, simulated = _new_lines(s, i, line0, day), join_queue(p, s, i, g, day, k)
    if known > 0.0:
        s.short[i, s.risk_at[day]].new += known
    if t.ledger.shape[0] > 0:
        t.ledger[g, k, 3] += simulated
    return known + simulated


@kernel(allocates=False, inline=True)
def _unmet_today(s: State, i: int, line0: int, day: int, commits: bool) -> tuple[float, float]:
    """Units wanted first today that could not be covered, those of known lines and of simulated ones."""
    if not commits:
        return 0.0, min(max(0.0, s.sku[i].wait - max(s.sku[i].free, 0.0)), waiting_of(s, i, day))
    known = 0.0
    j = s.day[i, day].wanted
    while j >= 0:
        if s.line[j - line0].status == WAITING:
            known += s.line[j - line0].left
        j = s.line[j - line0].wanted_next
    return known, waiting_of(s, i, day)


@kernel(allocates=False)
def _close_sku(p: Problem, s: State, t: Tally, i: int, g: int, line0: int, k: int) -> None:
    """After the last day: lines that did not leave, and what the scenario says of the SKU's risk."""
    sku = p.sku[g]
    for j in range(sku.line_from, sku.line_to):
        x = j - line0
        if s.line[x].status < FIRM:
            t.line_day[j, p.horizon + 1].leaves += 1
            t.peg[p.line[j].peg_from + NONE] += 1
            if p.line[j].slot >= 0:
                t.own_day[p.line[j].slot, k] = p.horizon + 1
                release(p, t, j, p.horizon + 1, k)
        if s.line[x].seen_first == 0:
            t.line_day[j, p.horizon + 1].first += 1
    first = s.sku[i].first_short
    t.first_short[g, first] += 1
    if first <= p.horizon:
        s.short[i, s.risk_at[first]].scenarios += 1
        today = p.first_ordinal - 1
        lead = max(1, lead_time(p, s, i, g, lead_draw(p, g, today, k)))
        if first >= p.receive_on[min(lead, p.horizon + 1)]:
            s.short[i, s.risk_at[first]].preventable += 1


@kernel(allocates=False, inline=True)
def _is_served(p: Problem, s: State, i: int, g: int, day: int, tied: bool) -> bool:
    """Whether goods are shared out today, or may at least become firm."""
    # without units waiting there may still be ghosts among the lines
    commits = p.calendar[p.sku[g].location, day].working == 1
    return (tied or (commits and s.sku[i].free > 0.0)) and _anyone(s, i)


@kernel(allocates=False, inline=True)
def _after_service(
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, day: int, k: int, tied: bool, new: float, taken: float,
) -> None:  # fmt: skip
    """What was taken leaves; new demand that was not covered runs short, is lost, or waits for some time."""
    commits = p.calendar[p.sku[g].location, day].working == 1
    s.sku[i].free -= taken
    if t.ledger.shape[0] > 0:
        t.ledger[g, k, 1] += taken
    if new > 0.0:
        known, simulated = _unmet_today(s, i, line0, day, commits)
        if known + simulated > 0.0:
            run_short(p, s, t, i, g, day, k, known, simulated)
    _come_back(p, s, i, g, day, commits, tied, new > 0.0 or taken > 0.0 or marked(s.dated[i], day))
    s.day[i, day].wanted = -1
    if s.sku[i].free + s.sku[i].on_order - s.sku[i].wait < s.sku[i].order_below:
        review(p, s, i, g, day, k)
    if p.sku[g].path >= 0:
        _record_path(p, s, t, i, p.sku[g].path, day, k)


@kernel(allocates=False, inline=True)
def _anyone(s: State, i: int) -> bool:
    return s.sku[i].wait > 0.0 or s.sku[i].known > 0 or s.sku[i].ghosts > 0


@kernel(allocates=False, inline=True)
def _come_back(p: Problem, s: State, i: int, g: int, day: int, commits: bool, tied: bool, changed: bool) -> None:
    """Visit the next day on which those who wait may get something without a new event.

    A sweep by which nobody gets anything would find the same tomorrow; what one leaves for others to share would not.
    """
    if not (changed or not commits or p.rule >= PROPORTIONAL) or not _anyone(s, i):
        return
    if tied:
        visit(s, i, day + 1, p.horizon)
    elif s.sku[i].free > 0.0:
        visit(s, i, next_working_day(p, g, day), p.horizon)


@kernel(allocates=False, inline=True)
def _start_scenario(p: Problem, s: State, t: Tally, c: int, k: int) -> None:
    g0, g1 = p.component[c].sku, p.component[c + 1].sku
    line0, po0, order0 = p.sku[g0].line_from, p.sku[g0].po_from, p.component[c].order
    s.listed[0] = 0
    for o in range(order0, p.component[c + 1].order):
        s.order_wait[o - order0] = p.order_lines[o]
    n = g1 - g0
    ahead = k % batch_size(p, s, n)
    if ahead == 0:
        draw_ahead(p, s, c, k)
    for i in range(n):
        g = (g0 + i) & SMALL
        s.sku[i].next = s.drawn[ahead * n + i]
        for at in range(s.visit.shape[1]):
            s.visit[i, at], s.dated[i, at] = s.always[i, at], 0
        start_sku(p, s, i, g, line0, po0, k)
        if s.sku[i].known > 0:
            visit(s, i, 1, p.horizon)
        if s.sku[i].free + s.sku[i].on_order - s.sku[i].wait < s.sku[i].order_below:
            visit(s, i, next_marked(s.review[i], 1), p.horizon)
        s.due[i] = 0


@kernel(allocates=False, inline=True)
def _next_due(s: State, n: int) -> int:
    day = s.due[0]
    for i in range(1, n):
        day = min(day, s.due[i])
    return day


@kernel(allocates=False)
def _record_path(p: Problem, s: State, t: Tally, i: int, path: int, day: int, k: int) -> None:
    t.paths[path, 0, k, day - 1] = s.sku[i].free
    t.paths[path, 1, k, day - 1] = max(0.0, s.sku[i].wait - max(0.0, s.sku[i].free))


def _engine(allocation: Any, leave_in_ratio: Any = leave_alone) -> Any:
    """The days of components first…last − 1, in all scenarios, served by one allocation; compiled for each apart."""

    @kernel(allocates=False, inline=True)
    def days(p: Problem, t: Tally, s: State, c: int, k: int) -> None:
        g0, n = p.component[c].sku, p.component[c + 1].sku - p.component[c].sku
        line0, po0, order0 = p.sku[g0].line_from, p.sku[g0].po_from, p.component[c].order
        tied = p.component[c + 1].order > order0
        day = 0
        while day <= p.horizon:
            for i in range(n):
                if s.due[i] == day and marked(s.dated[i], day):
                    receive(p, s, t, i, g0 + i, po0, day, k)
                    cancel(p, s, t, i, g0 + i, line0, order0, day, k)
            for at in range(n):
                i, g, taken = at & SMALL, (g0 + at) & SMALL, 0.0
                if s.due[i] == day:
                    if day > 0:
                        new = _new_demand(p, s, t, i, g, line0, day, k)
                        if _is_served(p, s, i, g, day, tied):
                            commits = p.calendar[p.sku[g].location, day].working == 1
                            taken = allocation(p, s, t, i, g, line0, order0, day, k, commits, tied)
                        _after_service(p, s, t, i, g, line0, day, k, tied, new, taken)
                    s.due[i] = run_ahead(p, s, t, i, g, po0, day, k, tied)
            if tied and day > 0:
                leave_in_ratio(p, s, t, c, day, k)
            day = _next_due(s, n)

    @kernel(allocates=False, inline=True)
    def run(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
        for c in range(start, stop):
            _open_component(p, s, c)
            for k in range(p.scenarios):
                _start_scenario(p, s, t, c, k)
                days(p, t, s, c, k)
                g0 = p.component[c].sku
                for g in range(g0, p.component[c + 1].sku):
                    _close_sku(p, s, t, g - g0, g, p.sku[g0].line_from, k)
            _close_component(p, t, s, c)

    return run


@kernel(allocates=False)
def _open_component(p: Problem, s: State, c: int) -> None:
    """What is the same in every scenario: days of review, days to be visited whatever happens."""
    g0, g1 = p.component[c].sku, p.component[c + 1].sku
    for g in range(g0, g1):
        i, sku = g - g0, p.sku[g]
        for of in range(s.class_key.shape[1]):
            s.class_key[i, of] = mix(sku.key ^ p.class_salt[of])
        guide_lead_time(p, s, i, g)
        clear(s.review[i])
        clear(s.always[i])
        for day in range(1, min(p.horizon, sku.end_day) + 1):
            due = (p.first_ordinal + day - 1 - sku.review_phase) % sku.review_days == 0
            if due and sku.policy != NO_POLICY and p.calendar[sku.location, day].working == 1:
                mark(s.review[i], day)
        for r in range(sku.protect_from, sku.protect_to):  # others may draw more, or less, from these days on
            for day in (p.protect[r].first, p.protect[r].last + 1):
                if 1 <= day <= p.horizon:
                    mark(s.always[i], day)
        for day in range(1, p.horizon + 1 if sku.path >= 0 else 1):
            mark(s.always[i], day)
        for r in range(s.short.shape[1]):
            s.short[i, r].scenarios = s.short[i, r].preventable = 0
            s.short[i, r].units = s.short[i, r].new = 0.0
        for day in range(p.horizon + 2):
            s.day_units[i, day] = 0.0
        # of whole units the order in which they are added up does not matter
        whole = sku.unit == math.floor(sku.unit)
        s.sku[i].order_below = order_below(p, g)
        s.sku[i].plain = whole and sku.path < 0 and sku.protect_from == sku.protect_to


@kernel(allocates=False)
def _close_component(p: Problem, t: Tally, s: State, c: int) -> None:
    """What happened by each risk day."""
    g0 = p.component[c].sku
    for g in range(g0, p.component[c + 1].sku):
        i, units, new, day = g - g0, 0.0, 0.0, 1
        for r in range(p.risk_days.size):
            units, new = units + s.short[i, r].units, new + s.short[i, r].new
            while day <= p.risk_days[r]:
                new += s.day_units[i, day]
                day += 1
            if r > 0:
                s.short[i, r].scenarios += s.short[i, r - 1].scenarios
                s.short[i, r].preventable += s.short[i, r - 1].preventable
            t.risk[g, r].short += s.short[i, r].scenarios
            t.risk[g, r].preventable += s.short[i, r].preventable
            t.risk[g, r].short_units += units
            t.risk[g, r].new_units += new


_PROBLEM, _TALLY, _STATE = (numba.typeof(x) for x in smallest())


_run_by_class, _run_by_key, _run_by_shares = (_engine(x) for x in (allocate, allocate_by_key, allocate_shares))
_SIGNATURE = numba.void(_PROBLEM, _TALLY, _STATE, numba.int64, numba.int64)


@kernel(_SIGNATURE, allocates=False, lazy=True)
def _simulate_by_class(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
    _run_by_class(by_reference(p), by_reference(t), by_reference(s), start, stop)


@kernel(_SIGNATURE, allocates=False, lazy=True)
def _simulate_by_key(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
    _run_by_key(by_reference(p), by_reference(t), by_reference(s), start, stop)


@kernel(_SIGNATURE, allocates=False, lazy=True)
def _simulate_by_shares(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
    _run_by_shares(by_reference(p), by_reference(t), by_reference(s), start, stop)


_sets_by_class, _sets_by_key, _sets_by_shares = (
    _engine(x, send_sets) for x in (allocate, allocate_by_key, allocate_shares)
)


@kernel(_SIGNATURE, allocates=False, lazy=True)
def _simulate_sets_by_class(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
    _sets_by_class(by_reference(p), by_reference(t), by_reference(s), start, stop)


@kernel(_SIGNATURE, allocates=False, lazy=True)
def _simulate_sets_by_key(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
    _sets_by_key(by_reference(p), by_reference(t), by_reference(s), start, stop)


@kernel(_SIGNATURE, allocates=False, lazy=True)
def _simulate_sets_by_shares(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
    _sets_by_shares(by_reference(p), by_reference(t), by_reference(s), start, stop)


_SIMULATE = {  # by rule (all others share), and whether lines leave in ratio
    (BY_CLASS, False): _simulate_by_class, (BY_CLASS, True): _simulate_sets_by_class,
    (BY_KEY, False): _simulate_by_key, (BY_KEY, True): _simulate_sets_by_key,
}  # fmt: skip


def simulate_components(p: Problem, t: Tally, start: int, stop: int) -> None:
    """Simulate components start…stop−1 in every scenario and add what happened to the tally.

    The engine of the problem's rule, with groups in ratio or without, is compiled when it is first asked for.
    """
    if stop > start:
        sets = bool(((p.line["order"] >= 0) & (p.line["pieces"] == 1)).any())
        run = _SIMULATE.get((p.rule, sets), _simulate_sets_by_shares if sets else _simulate_by_shares)
        run(p, t, new_state(p, start, stop), start, stop)


@kernel(numba.void(_PROBLEM, _STATE, numba.int64, numba.float64[:, :, ::1]), allocates=False, lazy=True)
def _demand_paths(problem: Problem, state: State, g: int, out: np.ndarray) -> None:
    p, s = by_reference(problem), by_reference(state)
    for c in range(s.class_key.shape[1]):
        s.class_key[0, c] = mix(p.sku[g].key ^ p.class_salt[c])
    for k in range(p.scenarios):
        s.room[1] = s.room[2] = 0
        draw_sku(p, s, 0, g, 1, k, k + 1)
        at = 0
        while s.demand[at].day <= p.horizon:
            day, of = s.demand[at].day, s.demand[at].of
            if of >= 0:
                out[of, k, day - 1] = s.demand[at].units
            else:
                for c in range(p.class_share.shape[1]):
                    out[c, k, day - 1] = s.split[-1 - of, c]
            at += 1


def demand_paths(p: Problem, g: int, out: np.ndarray) -> None:
    """The simulated demand of SKU g: units by class, scenario and day, into `out` [C, K, H]. For tests and charts."""
    _demand_paths(p, new_state(p, 0, p.component.size - 1), g, out)
