"""The queue day for many SKUs and scenarios: what `tests/oracles/queue_day.py` says, fast.

SKUs whose ship-complete orders tie them together form a component and are simulated side by side, day by day;
components are independent, so ranges of them can run on different threads, each writing its own rows of the tally. What
is read and written: :mod:`.queue_layout`; draws of demand: :mod:`.queue_demand`; receipts and cancellations:
:mod:`.queue_events`; who gets what: :mod:`.queue_serve`.
"""

import math
from typing import Any

import numba
import numpy as np

from ._compile import kernel
from .chance import find_day, uniform
from .queue_demand import draw_demand, future_patience, lose, split_into_kinds, start_demand
from .queue_events import add_arrival, cancel, receive, release, start_sku
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
from .queue_serve import allocate
from .queue_shares import allocate_shares

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
def _new_demand(p: Problem, s: State, t: Tally, i: int, g: int, line0: int, day: int, k: int) -> float:
    """New order lines of the day, known ones whose day has come and simulated ones; returns their units."""
    new = 0.0
    j = s.day[i, day].wanted
    while j >= 0:
        x = j - line0
        if s.line[x].status == WAITING:
            s.sku[i].wait += s.line[x].left
            s.sku[i].on_order += s.line[x].left
            new += s.line[x].left
        j = s.line[x].wanted_next
    if draw_demand(p, s, i, g, day, k) > 0.0:
        if p.rule != BY_CLASS:
            split_into_kinds(p, s, i, g, day, k)
        for c in range(s.back.shape[1]):
            units = s.back[i, c, day].units
            s.sku[i].wait += units
            new += units
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 3] += units
    return new


@kernel(allocates=False)
def _unmet_today(p: Problem, s: State, i: int, g: int, line0: int, day: int) -> tuple[float, float]:
    """Units wanted first today that could not be covered, those of known lines and of simulated ones."""
    known, simulated = 0.0, 0.0
    if p.calendar[p.sku[g].location, day].working == 0:
        covered_short = max(0.0, s.sku[i].wait - max(s.sku[i].free, 0.0))
        for c in range(s.back.shape[1]):
            simulated += s.back[i, c, day].units
        return 0.0, min(covered_short, simulated)
    j = s.day[i, day].wanted
    while j >= 0:
        if s.line[j - line0].status == WAITING:
            known += s.line[j - line0].left
        j = s.line[j - line0].wanted_next
    for c in range(s.back.shape[1]):
        simulated += s.back[i, c, day].units
    return known, simulated


@kernel(allocates=False)
def _record_short(p: Problem, s: State, i: int, day: int, units: float) -> None:
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
def _reorder(p: Problem, s: State, i: int, g: int, day: int, k: int) -> None:
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
            add_arrival(s, i, p.receive_on[day + lead], qty, PLANNED)


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
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
    tied: bool,
) -> None:  # fmt: skip
    new = _new_demand(p, s, t, i, g, line0, day, k)
    sku = p.sku[g]
    # without units waiting there may still be ghosts among the lines
    commits = p.calendar[sku.location, day].working == 1
    anyone = s.sku[i].wait > 0.0
    if (anyone or sku.line_to > sku.line_from) and (tied or (commits and s.sku[i].free > 0.0)):
        if p.rule == BY_CLASS:
            allocate(p, s, t, i, g, line0, order0, day, k, commits, tied)
        elif p.rule == BY_KEY:
            allocate_by_key(p, s, t, i, g, line0, order0, day, k, commits, tied)
        else:
            allocate_shares(p, s, t, i, g, line0, order0, day, k, commits)
    if new > 0.0:
        for r in range(p.risk_days.size):
            if day <= p.risk_days[r]:
                t.risk[g, r].new_units += new
        known, simulated = _unmet_today(p, s, i, g, line0, day)
        if known + simulated > 0.0:
            _record_short(p, s, i, day, known + simulated)
            if simulated > 0.0 and p.sku[g].queue_share < 1.0:
                lose(p, s, t, i, g, day, k, simulated)
            future_patience(p, s, i, g, day, k)
    if p.with_planned:
        _reorder(p, s, i, g, day, k)
    path = p.sku[g].path
    if path >= 0:
        t.paths[path, 0, k, day - 1] = s.sku[i].free
        t.paths[path, 1, k, day - 1] = max(0.0, s.sku[i].wait - max(0.0, s.sku[i].free))


@kernel(allocates=False)
def _run_component(p: Problem, t: Tally, s: State, c: int, k: int) -> None:
    g0, g1 = p.component[c].sku, p.component[c + 1].sku
    line0, po0, order0 = p.sku[g0].line_from, p.sku[g0].po_from, p.component[c].order
    s.listed[0] = 0
    tied = p.component[c + 1].order > order0
    for o in range(order0, p.component[c + 1].order):
        s.order_wait[o - order0] = p.order_lines[o]
    for g in range(g0, g1):
        start_sku(p, s, g - g0, g, line0, po0, k)
    for day in range(1, p.horizon + 1):
        for g in range(g0, g1):
            receive(p, s, t, g - g0, g, po0, day, k)
            cancel(p, s, t, g - g0, g, line0, order0, day, k)
        for g in range(g0, g1):
            _day_of_sku(p, s, t, g - g0, g, line0, order0, day, k, tied)
    for g in range(g0, g1):
        _close_sku(p, s, t, g - g0, g, line0, k)


_PROBLEM, _TALLY, _STATE = (numba.typeof(x) for x in smallest())


@kernel(numba.void(_PROBLEM, _TALLY, _STATE, numba.int64, numba.int64), allocates=False)
def _simulate(p: Problem, t: Tally, s: State, start: int, stop: int) -> None:
    for c in range(start, stop):
        for k in range(p.scenarios):
            _run_component(p, t, s, c, k)


def simulate_components(p: Problem, t: Tally, start: int, stop: int) -> None:
    """Simulate components start…stop−1 in every scenario and add what happened to the tally."""
    if stop > start:
        _simulate(p, t, new_state(p, start, stop), start, stop)


@kernel(numba.void(_PROBLEM, _STATE, numba.int64, numba.float64[:, :, ::1]), allocates=False)
def _demand_paths(p: Problem, s: State, g: int, out: np.ndarray) -> None:
    for k in range(p.scenarios):
        start_demand(p, s, 0, p.sku[g], g, k)
        for day in range(1, p.horizon + 1):
            if draw_demand(p, s, 0, g, day, k) > 0.0:
                for c in range(p.class_share.shape[1]):
                    out[c, k, day - 1] = s.back[0, c, day].units
                    s.back[0, c, day].units = 0.0


def demand_paths(p: Problem, g: int, out: np.ndarray) -> None:
    """The simulated demand of SKU g: units by class, scenario and day, into `out` [C, K, H]. For tests and charts."""
    _demand_paths(p, new_state(p, 0, p.component.size - 1), g, out)
