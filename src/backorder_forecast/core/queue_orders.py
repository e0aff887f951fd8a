"""Orders that an item's policy asks for, and the days on which it is asked."""

import math
from typing import Any

import numpy as np

from ._compile import kernel
from .chance import find_day, normal_quantile, uniform
from .day_sets import mark, marked, next_marked
from .queue_events import add_arrival
from .queue_layout import BASE_STOCK, GUIDE, NO_POLICY, PLANNED, RQ, Problem, State


@kernel(allocates=False, inline=True)
def order_quantity(sku: Any, position: float) -> float:
    """Units to order at this inventory position (on hand + on order − backordered) under the SKU's policy."""
    if sku.policy == BASE_STOCK:
        due, qty = position < sku.order_up_to, sku.order_up_to - position
    else:
        due, qty = position <= sku.reorder_point, sku.order_up_to - position
    if not due:
        return 0.0
    if sku.policy == RQ:
        # (r, nQ): as many lots as bring the position above the reorder point, mostly one
        qty, below = sku.order_qty, sku.reorder_point - position
        if below >= sku.order_qty:
            qty *= math.floor(below / sku.order_qty) + 1.0
    qty = max(qty, sku.min_order_qty)
    packs = qty if sku.pack_size == 1.0 else qty / sku.pack_size
    qty = sku.pack_size * math.ceil(packs - 1e-9)
    if position + qty > sku.max_stock:
        qty = sku.pack_size * math.floor((sku.max_stock - position) / sku.pack_size + 1e-9)
    return max(qty, 0.0)


@kernel(allocates=False)
def lead_draw(p: Problem, g: int, ordinal: int, k: int) -> float:
    """The draw from the lead time law of what is ordered on the day of this ordinal.

    Where a supplier's deliveries are late together, normal scores of the draws correlate: a Gaussian copula with one
    factor, that of the supplier's open purchases (:func:`.chance.sample_days_together`), which leaves the law as it is.
    """
    sku = p.sku[g]
    u = uniform(sku.lead_key, k, ordinal)
    if sku.lead_alike > 0.0:
        common, own = math.sqrt(sku.lead_alike), math.sqrt(1.0 - sku.lead_alike)
        z = common * p.lead_common[sku.lead_shared, k] + own * normal_quantile(u)
        return min(0.5 * math.erfc(-z * 0.7071067811865476), 1.0 - 2.0**-53)  # a draw is less than one
    return u


@kernel("void(uint64[:], float64[:, ::1])", lazy=True)
def common_scores(keys: np.ndarray, out: np.ndarray) -> None:
    """Normal scores [suppliers × scenarios] of the delay that all deliveries of a supplier share."""
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = normal_quantile(uniform(keys[i], k, 0))


@kernel(allocates=False, inline=True)
def review(p: Problem, s: State, i: int, g: int, day: int, k: int) -> None:
    """Order what the policy asks for, or come back for it on the next day of review."""
    mine, sku = s.sku[i], p.sku[g]
    if marked(s.review[i], day):
        qty = order_quantity(sku, mine.free + mine.on_order - mine.wait)
        if qty > 0.0:
            mine.on_order += qty
            lead = max(1, lead_time(p, s, i, g, lead_draw(p, g, p.first_ordinal + day - 1, k)))
            if lead < p.new_lead.shape[1] and day + lead <= p.horizon and p.receive_on[day + lead] <= p.horizon:
                add_arrival(s, i, p.receive_on[day + lead], qty, PLANNED)
    if mine.free + mine.on_order - mine.wait < mine.order_below:
        visit(s, i, next_marked(s.review[i], day + 1), p.horizon)


@kernel(allocates=False, inline=True)
def lead_time(p: Problem, s: State, i: int, g: int, u: float) -> int:
    """`chance.find_day` in the law of the SKU's new orders, from where it is known not to be earlier."""
    law, day = p.new_lead[p.sku[g].lead_row], s.lead_guide[i, min(int(u * GUIDE), GUIDE - 1)]
    while day < law.size and law[day] < u:
        day += 1
    return day


@kernel(allocates=False)
def guide_lead_time(p: Problem, s: State, i: int, g: int) -> None:
    """Where the search for each step of a draw begins."""
    for step in range(GUIDE):
        s.lead_guide[i, step] = find_day(p.new_lead[p.sku[g].lead_row], step / GUIDE)


@kernel(allocates=False)
def order_below(p: Problem, g: int) -> float:
    """The position below which the SKU's policy has something ordered."""
    sku = p.sku[g]
    if sku.policy == NO_POLICY or not p.with_planned:
        return -np.inf
    return sku.order_up_to if sku.policy == BASE_STOCK else np.nextafter(sku.reorder_point, np.inf)


@kernel(allocates=False, inline=True)
def visit(s: State, i: int, day: int, horizon: int) -> None:
    """Come back on a day, if there is one."""
    if day <= horizon:
        mark(s.visit[i], day)
