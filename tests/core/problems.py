"""Small random queue problems, as the kernel and as the oracle want them."""

import numpy as np

from backorder_forecast.core import queue_kernel as qk
from tests.oracles import demand_day
from tests.oracles.queue_day import Line

HORIZON = 25


def blank(n_sku, n_lines, n_po, scenarios, *, classes=1, locations=1, orders=0, horizon=HORIZON, slots=0):
    """A problem without demand, policy or handling, each SKU its own component, and an empty tally for it."""
    sku = np.zeros(n_sku, qk.SKU)
    sku["end_day"], sku["start_day"], sku["path"], sku["queue_share"], sku["unit"] = horizon, 1, -1, 1.0, 1.0
    sku["review_days"], sku["pack_size"], sku["max_stock"] = 1, 1.0, np.inf
    line = np.zeros(n_lines, qk.LINE)
    line["order"], line["slot"] = -1, -1
    calendar = np.zeros((locations, horizon + 2), qk.CALENDAR)
    calendar["working"], calendar["next"] = 1, np.arange(horizon + 2)
    working_days = np.tile(np.arange(horizon + 2), (locations, 1))
    component = np.zeros(n_sku + 1, qk.COMPONENT)
    component["sku"] = np.arange(n_sku + 1)
    line_draw = np.zeros((n_lines, scenarios), qk.LINE_DRAW)
    po_draw = np.zeros((n_po, scenarios), qk.PURCHASE_DRAW)
    problem = qk.Problem(
        sku=sku, line=line, class_from=np.zeros((n_sku, classes + 1), np.int64),
        class_share=np.ones((n_sku, classes)) / classes, class_salt=np.arange(classes, dtype=np.uint64),
        patience=np.zeros((16, horizon + 2)),
        weekday=np.ones((n_sku, 7)), factor=np.ones((1, horizon + 2)), levels=np.ones((n_sku, 1)),
        level_shares=np.ones(1), chance=np.zeros((n_sku, 1)), size_value=np.zeros(0), size_cum=np.zeros(0),
        line_draw=line_draw,
        po_qty=np.zeros(n_po), po_draw=po_draw, new_lead=np.ones((1, 8)),
        lead_common=np.zeros((0, scenarios)), calendar=calendar, working_days=working_days,
        receive_on=np.arange(horizon + 2),
        component=component, order_lines=np.zeros(orders, np.int64), risk_days=np.array([7, 14, horizon]),
        rule=qk.BY_CLASS, own_shares=0,
        kind_cum=np.zeros((n_sku, 0)), kind_key=np.zeros((n_sku, 0)), kind_step=np.zeros((n_sku, 0)),
        kind_group=np.zeros(0, np.int64), protect=np.zeros(0, qk.PROTECT), groups=0,
        horizon=horizon, scenarios=scenarios, first_weekday=0, first_ordinal=700000, with_planned=False,
    )  # fmt: skip
    return problem, tally_for(problem, slots=slots, n_po=n_po)


def tally_for(problem, *, slots=0, n_po=0, ledger=True, paths=0):
    n, days = problem.sku.size, problem.horizon + 2
    return qk.Tally(
        line_day=np.zeros((problem.line.size, days), qk.LINE_DAY),
        own_day=np.zeros((slots, problem.scenarios), np.int16),
        release_day=np.zeros((slots, problem.scenarios), np.int16),
        cancelled=np.zeros(problem.line.size, np.int64),
        peg=np.zeros(problem.line.size * (qk.FIRST_PURCHASE + n_po), np.int64),
        risk=np.zeros((n, problem.risk_days.size), qk.RISK),
        first_short=np.zeros((n, days), np.int64),
        cycles=np.zeros((n, 2), np.int64),
        paths=np.zeros((paths, 2, problem.scenarios, problem.horizon), np.float32),
        ledger=np.zeros((n if ledger else 0, problem.scenarios, 4)),
    )


def random_case(rng, *, demand=False, rule=None, ratio=False):
    """One to three SKUs at one location, tied by ship-complete orders or not; one scenario.

    ratio: some of these orders are groups whose lines leave in ratio.

    rule: how lines are served, with smallest pieces and, by key, protected stock; None: by class, without either.
    """
    n_sku, classes = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    counts = rng.integers(0, 7, n_sku)
    receipts = rng.integers(0, 5, n_sku)
    n_lines, n_po = int(counts.sum()), int(receipts.sum())
    n_orders = int(rng.integers(0, 3)) if n_lines > 1 else 0
    p, t = blank(n_sku, n_lines, n_po, 1, classes=classes, orders=n_orders, slots=n_lines)
    p = p._replace(component=np.array([(0, 0), (n_sku, n_orders)], qk.COMPONENT))
    working = rng.random(HORIZON + 1) < 0.8
    _set_calendar(p, working)
    sets = rng.random(n_orders) < 0.8 if ratio else np.zeros(n_orders, bool)
    lines = []
    j = po = 0
    for g in range(n_sku):
        row = p.sku[g]
        row["key"], row["free"] = rng.integers(1 << 60), rng.integers(-3, 8)
        row["line_from"], row["po_from"] = j, po
        place = sorted(
            (_band(rng, classes, rule), int(rng.choice([-3, -2, -1, 0, 0, rng.integers(1, 15)])), i)
            for i in range(counts[g])
        )
        p.class_from[g] = j + np.searchsorted([x[0] for x in place], np.arange(classes + 1))
        for c, wanted, i in place:
            order = int(rng.integers(n_orders)) if n_orders and rng.random() < 0.5 else -1
            pieces = bool(order < 0 and rng.random() < 0.6)
            in_ratio = bool(order >= 0 and sets[order])
            need = float(rng.integers(1, 6))
            least, group = (float(rng.choice([0, 0, 1, 2, 3])), int(rng.integers(3))) if rule is not None else (0.0, 0)
            if in_ratio:
                pieces, least, need = True, 0.0, float(rng.integers(1, 9))
            p.line[j] = (need, wanted, pieces, order, j, j * (qk.FIRST_PURCHASE + n_po), least, c, group)
            cancels = int(rng.integers(max(wanted, 0) + 1, 30)) if rng.random() < 0.5 else 0
            handling = int(rng.choice([0, 0, 1, 2]))
            p.line_draw[j, 0] = (cancels, handling)
            lines.append(
                Line(str(j), str(g), need, (c, wanted, 0, 0, i), wanted, pieces, least, group, c == qk.SET_ASIDE,
                     f"o{order}" if order >= 0 else None, in_ratio, cancels=cancels, handling=handling)
            )  # fmt: skip
            if order >= 0:
                p.order_lines[order] += 1
            j += 1
        for _ in range(receipts[g]):
            qty = float(rng.integers(1, 8))
            first = float(rng.integers(1, qty + 1))
            days = np.sort(rng.integers(1, HORIZON + 5, 2))
            p.po_qty[po] = qty
            p.po_draw[po, 0] = (days[0], days[1], 0, 0, first)
            po += 1
        row["line_to"], row["po_to"] = j, po
    if rule not in (None, qk.BY_CLASS):
        p = with_kinds(p, rng, rule)
    return with_demand(p, rng) if demand else p, t, lines


def _band(rng, classes, rule):
    """The class of a line, or its key."""
    if rule in (None, qk.BY_CLASS):
        return int(rng.integers(classes))
    return float(rng.choice([qk.SET_ASIDE, -2.0, 0.0, 0.0, 1.0, 3.0]))


def with_kinds(p, rng, rule):
    """Kinds of lines in future demand, with keys that follow the day or do not; stock protected for groups."""
    n, kinds = p.sku.size, int(rng.integers(1, 4))
    p.sku["protect_to"] = np.cumsum(rng.integers(0, 3, n)) if rule == qk.BY_KEY and rng.random() < 0.5 else 0
    p.sku["protect_from"][1:] = p.sku["protect_to"][:-1]
    protect = np.zeros(int(p.sku["protect_to"].max()), qk.PROTECT)
    protect["group"], protect["qty"] = rng.integers(0, 3, protect.size), rng.integers(1, 5, protect.size)
    protect["first"], protect["last"] = rng.integers(-3, 9, protect.size), rng.integers(5, HORIZON + 3, protect.size)
    cum = np.cumsum(rng.dirichlet(np.ones(kinds), n), axis=1)
    cum[:, -1] = 1.0
    return p._replace(
        rule=rule, kind_cum=cum, kind_key=rng.integers(-3, 4, (n, kinds)).astype(float),
        kind_step=np.ascontiguousarray(np.tile(rng.choice([0.0, 1.0, 0.2], kinds), (n, 1))),
        kind_group=rng.integers(0, 3, kinds), protect=protect, groups=3 if protect.size else 0,
        class_salt=np.arange(max(kinds, p.class_share.shape[1]), dtype=np.uint64),
    )  # fmt: skip


def with_demand(p, rng):
    """Demand of every kind: by levels, some of them 0, by occurrence and size, or sometimes one, sometimes the other.

    With days that differ, classes of any share, SKUs that are sold for a while only, and units that are not one.
    """
    n, classes = p.class_share.shape
    strata, profiles = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    p.sku["size"], p.sku["theta"] = rng.uniform(0.05, 1, n), rng.uniform(0.1, 0.6, n)
    p.sku["unit"], p.sku["profile"] = rng.choice([1.0, 1.0, 0.5, 2.0], n), rng.integers(0, profiles, n)
    p.sku["apart"] = np.where(rng.random(n) < 0.5, rng.choice([0.0, 1.0], n), rng.random(n))
    if rng.random() < 0.3:
        p.sku["start_day"], p.sku["end_day"] = rng.integers(-2, 9, n), rng.integers(5, p.horizon + 3, n)
    p.sku["size_to"] = np.cumsum(rng.integers(1, 6, n))
    p.sku["size_from"][1:] = p.sku["size_to"][:-1]
    laws = [np.cumsum(rng.dirichlet(np.ones(row["size_to"] - row["size_from"]))) for row in p.sku]
    days = (profiles, p.horizon + 2)
    return p._replace(
        factor=np.where(rng.random(days) < 0.4, rng.choice([0.0, 1.0, 1.0], days), rng.uniform(0.1, 2.5, days)),
        weekday=np.where(rng.random((n, 7)) < 0.5, 1.0, rng.choice([0.0, 0.5, 1.7], (n, 7))),
        levels=rng.choice([0.0, 0.4, 1.0, 1.8], (n, strata)),
        level_shares=np.append(np.sort(rng.random(strata - 1)), 1.0),
        chance=rng.choice([0.0, 0.1, 0.4, 1.0], (n, strata)),
        class_share=rng.dirichlet(np.ones(classes), n),
        size_value=np.concatenate([np.sort(rng.choice(9, law.size, replace=False)) + 1.0 for law in laws]),
        size_cum=np.concatenate([np.append(law[:-1], 1.0) for law in laws]),
    )


def _set_calendar(p, working):
    """working[d]: day d is a working day; beyond the horizon every day is."""
    days = [d for d in range(1, HORIZON + 1) if working[d]] + [HORIZON + 1]
    p.calendar["working"][0] = [0, *working[1:], 1]
    p.calendar["next"][0] = np.searchsorted(days, np.arange(HORIZON + 2))
    p.working_days[0] = HORIZON + 1
    p.working_days[0, : len(days)] = days


def oracle_inputs(p):
    stock = {str(g): float(p.sku["free"][g]) for g in range(p.sku.size)}
    receipts = []
    for g in range(p.sku.size):
        for j in range(p.sku["po_from"][g], p.sku["po_to"][g]):
            draw = p.po_draw[j, 0]
            receipts.append((int(draw["first"]), str(g), float(draw["first_qty"])))
            receipts.append((int(draw["rest"]), str(g), float(p.po_qty[j] - draw["first_qty"])))
    working = {d for d in range(1, HORIZON + 9) if d > HORIZON or p.calendar["working"][0, d]}
    return stock, receipts, working


def simulated_lines(p):
    """The future demand of the first scenario, as lines for the oracle: they may leave in pieces and never cancel."""
    out = []
    for g in range(p.sku.size):
        units = demand_day.demand(p, g, 0)
        if p.rule != qk.BY_CLASS:
            units = demand_day.kinds(p, g, 0, units)
        for c, d in np.argwhere(units > 0):
            band = c if p.rule == qk.BY_CLASS else p.kind_key[g, c] + p.kind_step[g, c] * (d + 1)
            group = 0 if p.rule == qk.BY_CLASS else int(p.kind_group[c])
            out.append(Line(f"d{g}.{c}.{d}", str(g), units[c, d], (band, d + 1, 1, c, 0), d + 1, group=group))
    return out


def protected(p):
    """What is protected, as the oracle wants it."""
    span = zip(p.sku["protect_from"], p.sku["protect_to"], strict=True)
    rows = [(str(g), r) for g, (a, b) in enumerate(span) for r in p.protect[a:b]]
    return [(g, int(r["group"]), int(r["first"]), int(r["last"]), float(r["qty"])) for g, r in rows]
