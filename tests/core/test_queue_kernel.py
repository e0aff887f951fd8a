"""The kernel does what the oracle says, on random small cases, and what hand-worked cases say."""

import numpy as np
import pytest

from backorder_forecast.core import queue_kernel as qk
from backorder_forecast.core import queue_layout
from tests.core.problems import HORIZON, blank, oracle_inputs, protected, random_case, simulated_lines, tally_for
from tests.oracles import demand_day
from tests.oracles.queue_day import SHARINGS, simulate


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


RULES = {None: 1500, qk.BY_CLASS: 400, qk.BY_KEY: 800, qk.PROPORTIONAL: 400, qk.MAX_MIN: 400, qk.EQUAL_LOSSES: 400}
SHARING = {qk.PROPORTIONAL: "proportional", qk.MAX_MIN: "max_min", qk.EQUAL_LOSSES: "equal_losses"}


def as_the_oracle(case, rule, demand, p, t, lines):
    stock, receipts, working = oracle_inputs(p)
    extra = simulated_lines(p) if demand else []
    unit = {str(g): p.sku["unit"][g] for g in range(p.sku.size)}
    sharing = SHARINGS[SHARING[rule]] if rule in SHARING else None
    expected = simulate(stock, receipts, lines + extra, working, HORIZON, protected(p), sharing, unit)
    got = kernel_days(p, t)
    assert got == [within(expected[x.name]) for x in lines], case
    first = [np.flatnonzero(x)[0] for x in t.line_day["first"]]
    assert [within(x) for x in first] == [within(x.first) for x in lines], case
    cancelled = [int(x.ghost) for x in lines]
    assert t.cancelled.tolist() == cancelled, case


@pytest.mark.parametrize("demand", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_kernel_equals_the_oracle(rule, demand):
    rng = np.random.default_rng(7)
    for case in range(RULES[rule]):
        as_the_oracle(case, rule, demand, *random_case(rng, demand=demand, rule=rule))


@pytest.mark.parametrize("demand", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_groups_in_ratio_equal_the_oracle(rule, demand):
    rng = np.random.default_rng(11)
    for case in range(RULES[rule] // 2):
        as_the_oracle(case, rule, demand, *random_case(rng, demand=demand, rule=rule, ratio=True))


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


def first_days(p, t):
    """Units committed to each line on day 1 (what it needs less what the oracle's terms call left)."""
    return [within(np.flatnonzero(x)[0]) for x in t.line_day["first"]]


def test_stock_ten_and_orders_six_six_twenty():
    p, t = one_line_case(10, [6, 6, 20], [])
    p.sku["path"] = 0
    t = tally_for(p, slots=3, paths=1)
    assert kernel_days(p, t) == [1, None, None]
    assert first_days(p, t) == [1, 1, None]  # backordered 0, 2 and 20
    assert t.paths[0, 1, 0, 0] == 22


def test_no_piece_and_no_remainder_is_smaller_than_the_smallest_shipment():
    def pieces(need, least, *receipts, behind=()):
        p, t = one_line_case(0, [need, *behind], [(2 * i + 1, q) for i, q in enumerate(receipts)])
        p.line["min_ship"][0] = least
        p.sku["path"] = 0
        t = tally_for(p, slots=1 + len(behind), n_po=len(receipts), paths=1)
        days = kernel_days(p, t)
        came = np.array([[q, 0.0] for q in receipts]).ravel()
        return days, came - np.diff(t.paths[0, 0, 0, : came.size], prepend=0.0)

    # 3 of 10 are too few; 8 would leave 2; so 6 leave, and 4 with the third receipt
    days, left = pieces(10, 4, 3, 5, 2)
    assert left.tolist() == [0, 0, 6, 0, 4, 0]
    assert days == [5]
    # what waits to be enough is kept for it
    days, left = pieces(10, 4, 3, 5, behind=(1,))
    assert days == [None, None]
    # a minimum above half of the need means whole
    assert pieces(10, 6, 9, 1)[1].tolist() == [0, 0, 10, 0]
    assert pieces(10, 0, 9, 1)[1].tolist() == [9, 0, 1, 0]


def test_a_kit_leaves_in_sets():
    """Six of one item with four of another: of each the same share, in whole units; the rest waits for the others."""
    p, _ = blank(2, 3, 3, 1, orders=1, slots=3)
    p = p._replace(component=np.array([(0, 0), (2, 1)], qk.COMPONENT), order_lines=np.array([2]))
    p.sku["free"], p.sku["line_from"], p.sku["line_to"] = (8, 0), (0, 2), (2, 3)
    p.sku["po_to"] = (0, 3)
    p.class_from[:] = [(0, 2), (2, 3)]
    p.line["need"], p.line["pieces"], p.line["slot"] = (6, 2, 4), 1, range(3)
    p.line["order"], p.line["peg_from"] = (0, -1, 0), np.arange(3) * (qk.FIRST_PURCHASE + 3)
    p.po_qty[:] = (1, 1, 2)
    for j, (day, qty) in enumerate(((2, 1), (4, 1), (6, 2))):
        p.po_draw[j, 0] = (day, 0, 0, 0, qty)
    t = tally_for(p, slots=3, n_po=3)
    assert kernel_days(p, t) == [6, 1, 6]  # who stands behind has what the six leave
    assert t.own_day[:, 0].tolist() == [1, 1, 6]
    assert first_days(p, t) == [2, 1, 2]  # a quarter: 1 of 6 (1.5), 1 of 4
    # on day 5 the customer of the six leaves: 3 have gone in two quarters, 3 come back to who stands behind
    p.line["need"][1], p.line_draw["cancel"][0, 0] = 5, 5
    t = tally_for(p, slots=3, n_po=3)
    assert kernel_days(p, t) == [6, 5, 6]
    assert t.ledger[0, 0].tolist() == [0, 8, 3, 0]
    assert t.ledger[1, 0].tolist() == [4, 4, 0, 0]
    # if the other customer leaves, all that is set aside is a whole set of one line
    p.line["need"][1], p.line_draw["cancel"][:, 0] = 2, (0, 0, 3)
    t = tally_for(p, slots=3, n_po=3)
    assert kernel_days(p, t)[:2] == [3, 1]
    assert t.release_day[2, 0] == 3


def keyed_case(rng, keys):
    p, _ = one_line_case(2.0, rng.integers(1, 9, 6).astype(float), [(3, 5.0), (8, 7.0), (15, 4.0)])
    p.sku["size"], p.sku["theta"], p.sku["key"], p.sku["path"] = 0.4, 0.4, rng.integers(1 << 60), 0
    p.line["wanted"] = rng.integers(-5, 12, 6)
    n = len(keys)
    p = p._replace(
        rule=qk.BY_KEY, kind_cum=np.arange(1, n + 1)[None] / n, kind_key=np.array([keys]), kind_step=np.ones((1, n)),
        kind_group=np.zeros(n, np.int64), class_salt=np.arange(n, dtype=np.uint64),
    )  # fmt: skip
    return p, tally_for(p, slots=6, n_po=3, paths=1)


@pytest.mark.parametrize("seed", range(25))
def test_an_order_of_service_changes_who_gets_it_not_how_much_leaves(seed):
    rng = np.random.default_rng(seed)
    p, t = keyed_case(rng, [0.0])
    p.line["key"] = 0.0
    p.line[:] = p.line[np.argsort(p.line["wanted"], kind="stable")]
    kernel_days(p, t)
    other = p._replace(kind_cum=np.array([[0.3, 1.0]]), kind_key=np.array([[-4.0, 9.0]]), kind_step=np.zeros((1, 2)),
                       kind_group=np.zeros(2, np.int64), class_salt=np.arange(2, dtype=np.uint64))  # fmt: skip
    other = other._replace(line=p.line.copy())
    other.line["key"] = np.sort(rng.integers(-5, 5, 6))
    again = tally_for(other, slots=6, n_po=3, paths=1)
    days = kernel_days(other, again)
    assert (t.paths == again.paths).all()
    assert (t.ledger == again.ledger).all()
    assert (t.risk["new_units"] == again.risk["new_units"]).all()
    assert days is not None


@pytest.mark.parametrize("ratio", [False, True])
@pytest.mark.parametrize("rule", [qk.BY_CLASS, qk.BY_KEY, qk.PROPORTIONAL, qk.MAX_MIN, qk.EQUAL_LOSSES])
def test_units_are_conserved_under_every_rule(rule, ratio):
    rng = np.random.default_rng(rule)
    for _ in range(150):
        p, t, lines = random_case(rng, demand=True, rule=rule, ratio=ratio)
        p = p._replace(with_planned=True, new_lead=np.array([[0, 0, 0.5, 0.7, 1.0]]))
        p.patience[:] = -np.log1p(-0.1) * np.arange(p.horizon + 2)
        p.sku["policy"], p.sku["reorder_point"], p.sku["order_qty"] = qk.RQ, 2, 4
        p.sku["queue_share"] = 0.8
        p.sku["path"] = np.arange(p.sku.size)
        t = tally_for(p, slots=len(lines), n_po=p.po_qty.size, paths=p.sku.size)
        qk.simulate_components(p, t, 0, 1)
        received, committed, lost, new = (t.ledger[:, 0, x] for x in range(4))
        assert np.allclose(p.sku["free"] + received - committed, t.paths[:, 0, 0, -1])
        # nobody gets more than asked: what has come in as demand, left and gone is what waits
        late = [sum(p.line["need"][a:b][p.line["wanted"][a:b] > HORIZON]) for a, b in zip(p.sku["line_from"],
                p.sku["line_to"], strict=True)]  # fmt: skip
        asked = [sum(p.line["need"][a:b]) for a, b in zip(p.sku["line_from"], p.sku["line_to"], strict=True)]
        assert (committed <= np.array(asked) + new - lost - late + 1e-9).all()


def test_ranges_of_components_are_independent_under_every_rule():
    rng = np.random.default_rng(4)
    for rule in (qk.BY_KEY, qk.PROPORTIONAL, qk.MAX_MIN, qk.EQUAL_LOSSES):
        for _ in range(40):
            p, t, lines = random_case(rng, demand=True, rule=rule)
            if p.order_lines.size:
                continue
            component = np.zeros(p.sku.size + 1, qk.COMPONENT)
            component["sku"] = np.arange(p.sku.size + 1)
            p = p._replace(component=component)
            parts = tally_for(p, slots=len(lines), n_po=p.po_qty.size)
            qk.simulate_components(p, t, 0, p.sku.size)
            for c in reversed(range(p.sku.size)):
                qk.simulate_components(p, parts, c, c + 1)
            assert all((a == b).all() for a, b in zip(t, parts, strict=True))


def busy_case(rng, rule, scenarios, ratio=False):
    """A random case with planned orders, lost and impatient customers, in several scenarios."""
    p, _, lines = random_case(rng, demand=True, rule=rule, ratio=ratio)
    p = p._replace(
        with_planned=True, new_lead=np.array([[0, 0, 0.5, 0.7, 1.0]]), scenarios=scenarios,
        line_draw=np.tile(p.line_draw, scenarios), po_draw=np.tile(p.po_draw, scenarios),
    )  # fmt: skip
    p.line_draw["cancel"] = np.where(rng.random(p.line_draw.shape) < 0.5, p.line_draw["cancel"], 0)
    n = p.sku.size
    p.sku["policy"], p.sku["reorder_point"] = rng.integers(0, 4, n), rng.integers(0, 4, n)
    p.sku["order_qty"], p.sku["order_up_to"] = rng.integers(1, 9, n), rng.integers(2, 12, n)
    p.sku["review_days"] = rng.choice([1, 3, 7], n)
    p.patience[:] = -np.log1p(-rng.choice([0, 0.1])) * np.arange(p.horizon + 2)
    p.sku["max_stock"], p.sku["queue_share"] = rng.choice([np.inf, 7], n), rng.choice([1.0, 0.6], n)
    p.sku["free"] += rng.integers(0, 12, n)
    return p, lines


def outcome(p, lines, *, paths=0):
    t = tally_for(p, slots=len(lines), n_po=p.po_qty.size, paths=paths)
    qk.simulate_components(p, t, 0, p.component.size - 1)
    return t._replace(paths=np.zeros(0))


@pytest.mark.parametrize("ratio", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_days_without_an_event_change_nothing(rule, ratio):
    # an SKU whose path is recorded is taken through every day, one after the other, and all that happens on it
    rng = np.random.default_rng(3)
    for case in range(150):
        p, lines = busy_case(rng, rule, 4, ratio)
        every_day = p._replace(sku=p.sku.copy())
        every_day.sku["path"] = np.arange(p.sku.size)
        for a, b in zip(outcome(p, lines), outcome(every_day, lines, paths=p.sku.size), strict=True):
            assert a.tolist() == b.tolist(), case


def test_how_many_scenarios_are_drawn_ahead_changes_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    cases = [busy_case(rng, None, 7) for _ in range(60)]
    expected = [outcome(*x) for x in cases]
    for room in (1, 3 * 8 * 3 * 27):
        monkeypatch.setattr(queue_layout, "AHEAD", room)
        for case, before in zip(cases, expected, strict=True):
            assert all(a.tolist() == b.tolist() for a, b in zip(outcome(*case), before, strict=True))
