"""The kernel does what the oracle says, on random small cases, and what hand-worked cases say."""

import numpy as np
import pytest

from backorder_forecast.core import queue_kernel as qk
from tests.core.problems import HORIZON, blank, oracle_inputs, random_case, simulated_lines, tally_for
from tests.oracles import demand_day
from tests.oracles.queue_day import simulate


def within(day):
    return int(day) if day is not None and day <= HORIZON else None


def kernel_days(p, t):
    qk.simulate_components(p, t, 0, p.component.size - 1)
    assert (t.line_day["leaves"].sum(axis=1) == p.scenarios).all()
    assert (t.line_day["first"].sum(axis=1) == p.scenarios).all()
    return [within(leaves(p, t, j)) for j in range(p.line.size)]


def leaves(p, t, j):
    """A line of a ship-complete order leaves when no other line keeps it."""
    others = [i for i in range(p.line.size) if i != j and p.line["order"][i] == p.line["order"][j] >= 0]
    return max([t.own_day[j, 0], *t.release_day[others, 0]])


@pytest.mark.parametrize("demand", [False, True])
def test_kernel_equals_the_oracle(demand):
    rng = np.random.default_rng(7)
    for case in range(1500):
        p, t, lines = random_case(rng, demand=demand)
        stock, receipts, working = oracle_inputs(p)
        extra = simulated_lines(p) if demand else []
        expected = simulate(stock, receipts, lines + extra, working, HORIZON)
        got = kernel_days(p, t)
        assert got == [within(expected[x.name]) for x in lines], case
        first = [np.flatnonzero(x)[0] for x in t.line_day["first"]]
        assert [within(x) for x in first] == [within(x.first) for x in lines], case
        cancelled = [int(x.ghost) for x in lines]
        assert t.cancelled.tolist() == cancelled, case


def test_units_are_conserved_in_every_scenario():
    rng = np.random.default_rng(8)
    for _ in range(300):
        p, t, lines = random_case(rng, demand=True)
        p = p._replace(with_planned=True)
        p.sku["policy"], p.sku["reorder_point"], p.sku["order_qty"] = qk.RQ, 2, 4
        p = p._replace(new_lead=np.array([[0, 0, 0.5, 0.7, 1.0]]))
        t = tally_for(p, slots=len(lines), n_po=p.po_qty.size, paths=p.sku.size)
        p.sku["path"] = np.arange(p.sku.size)
        qk.simulate_components(p, t, 0, 1)
        received, committed = t.ledger[:, 0, 0], t.ledger[:, 0, 1]
        assert np.allclose(p.sku["free"] + received - committed, t.paths[:, 0, 0, -1])
        assert t.ledger[:, 0, 3].tolist() == [demand_day.demand(p, g, 0).sum() for g in range(p.sku.size)]


def one_line_case(free, needs, receipts, pieces=1):
    p, t = blank(1, len(needs), len(receipts), 1, slots=len(needs))
    p.sku["free"], p.sku["line_to"], p.sku["po_to"] = free, len(needs), len(receipts)
    p.class_from[0] = 0, len(needs)
    p.line["need"], p.line["pieces"], p.line["slot"] = needs, pieces, np.arange(len(needs))
    p.line["peg_from"] = np.arange(len(needs)) * (qk.FIRST_PURCHASE + len(receipts))
    for j, (day, qty) in enumerate(receipts):
        p.po_qty[j], p.po_draw[j, 0] = qty, (day, 0, 0, 0, qty)
    return p, t


def test_hand_worked_cases():
    # a receipt smaller than the line's need does not date the line
    p, t = one_line_case(0, [10], [(3, 6)])
    assert kernel_days(p, t) == [None]
    assert np.flatnonzero(t.line_day["first"][0]).tolist() == [3]
    # negative stock is owed already: the hole is filled before any line
    p, t = one_line_case(-4, [5], [(2, 6), (5, 3)])
    assert kernel_days(p, t) == [5]
    # receipts cross and are counted on their own days; first come, first served
    p, t = one_line_case(1, [3, 2, 4], [(6, 4), (2, 5)])
    assert kernel_days(p, t) == [2, 2, 6]
    # a whole line keeps what it is given; nobody overtakes it
    p, t = one_line_case(0, [5, 1], [(2, 3), (4, 3)], pieces=0)
    assert kernel_days(p, t) == [4, 4]
    assert t.peg.reshape(2, -1)[:, qk.FIRST_PURCHASE :].tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("seed", range(40))
def test_more_or_earlier_supply_never_delays_a_first_come_line(seed):
    rng = np.random.default_rng(seed)
    needs = rng.integers(1, 9, 6).astype(float)
    receipts = [(int(rng.integers(1, 25)), float(rng.integers(1, 9))) for _ in range(5)]
    pieces = rng.integers(0, 2, 6)

    def days(free, rows):
        p, t = one_line_case(free, needs, rows, pieces)
        p.sku["size"], p.sku["theta"], p.sku["key"] = 0.4, 0.4, 99
        return [x or HORIZON + 1 for x in kernel_days(p, t)]

    base = days(2.0, receipts)
    better = [days(3.0, receipts), days(2.0, [*receipts, (4, 2.0)])]
    better.append(days(2.0, [(max(1, d - 3), q) if i == 2 else (d, q) for i, (d, q) in enumerate(receipts)]))
    for other in better:
        assert all(a <= b for a, b in zip(other, base, strict=True))


def test_order_quantities_of_each_policy():
    sku = np.zeros(1, qk.SKU)[0]
    sku["pack_size"], sku["max_stock"] = 1.0, np.inf

    def qty(position, **fields):
        for name, value in fields.items():
            sku[name] = value
        out = np.zeros(1, qk.SKU)
        out[0] = sku
        return qk.order_quantity.py_func(out[0].view(np.recarray), position)

    fixed = {"policy": qk.RQ, "reorder_point": 10.0, "order_qty": 6.0}
    assert [qty(x, **fixed) for x in (11.0, 10.0, 5.0, 4.0, -3.0)] == [0, 6, 6, 12, 18]
    upto = {"policy": qk.SS, "reorder_point": 10.0, "order_up_to": 30.0}
    assert [qty(x, **upto) for x in (11.0, 10.0, 4.0)] == [0, 20, 26]
    base = {"policy": qk.BASE_STOCK, "order_up_to": 30.0}
    assert [qty(x, **base) for x in (30.0, 29.0, -4.0)] == [0, 1, 34]
    assert qty(29.0, **base, pack_size=12.0) == 12
    assert qty(29.0, **base, pack_size=1.0, min_order_qty=5.0) == 5
