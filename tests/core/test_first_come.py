"""The merged first-come engine does what the plain reference and the event kernel do, scenario by scenario."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorder_forecast.core import first_come as fc
from backorder_forecast.core import queue_kernel as qk
from backorder_forecast.executors import run_partitions
from tests.core.problems import tally_for
from tests.core.queues import LEVELS, Case, draws, event_problem, queues, random_case, sampled
from tests.oracles.cover_day import cover_day, leaves

HORIZON = 20


def drawn(case, draw):
    """Days in every scenario of receipts drawn beforehand, in parts."""
    q, purchase, _ = queues([case])
    out = fc.room(q.line.size, LEVELS.size, case.horizon + 2, histogram=True)
    fc.cover_days_drawn(q, purchase["qty"].copy(), draw, LEVELS, out, 0, 1)
    return out


def one_day(case, receipts):
    """The day of each line where every purchase comes as said: (day, units), or (day, units, day of the rest)."""
    draw = np.zeros((len(receipts), 1), qk.PURCHASE_DRAW)
    for j, (day, units, *rest) in enumerate(receipts):
        draw[j, 0] = (day, rest[0] if rest else day, 0, 0, units)
    out = drawn(case, draw)
    days = out.histogram.argmax(axis=1)
    assert (out.quantile == days[:, None]).all()
    assert (out.within == (days <= case.horizon)).all()
    return days.tolist()


@st.composite
def parted_cases(draw_from):
    """An item and, for each purchase, a day, what comes on it, and the day of the rest."""
    step = draw_from(st.sampled_from([1.0, 0.25]))
    units = st.integers(1, 9).map(lambda x: x * step)
    needs = draw_from(st.lists(units, min_size=1, max_size=7))
    bought = draw_from(st.lists(st.tuples(units, st.integers(1, 25), st.integers(1, 25), st.floats(0, 1)), max_size=14))
    wanted = sorted(draw_from(st.lists(st.integers(-3, 23), min_size=len(needs), max_size=len(needs))))
    open_days = sorted(draw_from(st.sets(st.integers(0, HORIZON), max_size=HORIZON)))
    stock = draw_from(st.integers(-9, 20)) * step
    case = Case(stock, needs, [(x[0], np.zeros(HORIZON)) for x in bought], HORIZON, wanted, open_days or [1])
    return case, [(day, round(qty * share / step) * step, rest) for qty, day, rest, share in bought]


@settings(max_examples=300, deadline=None)
@given(parted_cases())
def test_each_scenario_is_the_reference_s(drawn_case):
    case, receipts = drawn_case
    dated = [(day, units) for day, units, _ in receipts]
    dated += [(rest, bought[0] - units) for (_, units, rest), bought in zip(receipts, case.purchases, strict=True)]
    found = [cover_day(case.stock, case.needs, dated, j) for j in range(len(case.needs))]
    expected = [leaves(x, w, case.open_days, HORIZON) for x, w in zip(found, case.starts, strict=True)]
    assert one_day(case, receipts) == expected


def test_hand_worked_cases():
    def case(stock, needs, purchases):
        return Case(stock, needs, [(x, np.zeros(HORIZON)) for x in purchases], HORIZON)

    # stock 10, orders 6, 6, 20: short by 0, 2, 20
    item, line = queues([case(10, [6, 6, 20], [])])[0][:2]
    target = np.zeros(3)
    fc.set_targets.py_func(item.view(np.recarray)[0], line.view(np.recarray), target)
    assert np.clip(target, 0, line["need"]).tolist() == [0, 2, 20]
    assert one_day(case(10, [6, 6, 20], [2, 19, 1]), [(3, 2), (5, 19), (9, 1)]) == [0, 3, 9]
    assert one_day(case(10, [6, 6, 20], [1, 20]), [(3, 1), (5, 20)]) == [0, 5, HORIZON + 1]
    # a receipt smaller than the line's need does not date it
    assert one_day(case(0, [10], [6]), [(3, 6)]) == [HORIZON + 1]
    # negative stock is owed already; receipts cross
    assert one_day(case(-4, [5], [6, 3]), [(2, 6), (5, 3)]) == [5]
    assert one_day(case(1, [3, 2, 4], [4, 5]), [(6, 4), (2, 5)]) == [2, 2, 6]
    # in parts: the last unit dates the line
    assert one_day(case(0, [4, 2], [6]), [(2, 4, 7)]) == [2, 7]


@pytest.mark.parametrize("purchases", [5, 16])  # subsets tabulated, and units counted
def test_draws_are_those_of_the_event_kernel(purchases):
    rng = np.random.default_rng(purchases)
    cases = [random_case(rng, 40, purchases=purchases, lines=12) for _ in range(20)]
    found = sampled(cases, 300)
    at = 0
    for case in cases:
        q, purchase, received = queues(cases)
        mine = slice(q.item["po_from"][cases.index(case)], q.item["po_to"][cases.index(case)])
        again = drawn(case, draws(purchase[mine], received[mine], 300))
        assert (found.histogram[at : at + len(case.needs)] == again.histogram).all()
        assert (found.quantile[at : at + len(case.needs)] == again.quantile).all()
        at += len(case.needs)


@pytest.mark.parametrize("pieces", [0, 1])
def test_histograms_equal_the_event_kernel_s_to_the_count(pieces):
    """With demand to come, which stands behind: lines in pieces or whole, on working days."""
    rng = np.random.default_rng(11)
    cases = [random_case(rng, 40, purchases=12, lines=10) for _ in range(25)]
    for case in cases:
        case.open_days = sorted(rng.choice(np.arange(1, 41), 25, replace=False).tolist())
    p = event_problem(cases, 200, pieces=pieces)
    p.sku["size"], p.sku["theta"] = 0.5, 0.4
    t = tally_for(p, n_po=p.po_qty.size, ledger=False)
    qk.simulate_components(p, t, 0, len(cases))
    assert t.risk["new_units"].sum() > 0
    found = sampled(cases, 200)
    assert (found.histogram == t.line_day["leaves"]).all()
    assert found.within.tolist() == ((200 - found.histogram[:, -1].astype(int)) / 200).tolist()
    # quantiles as `Law` reads them from a histogram
    table = np.cumsum(found.histogram, axis=1) / 200
    expected = np.stack([(table < x - 1e-12).sum(axis=1) for x in LEVELS], axis=1)
    assert (found.quantile == expected).all()


def test_one_and_two_threads_write_the_same_bytes():
    rng = np.random.default_rng(12)
    cases = [random_case(rng, 60, purchases=13, lines=9) for _ in range(60)]
    q, purchase, received = queues(cases)

    def run(jobs):
        out = fc.room(q.line.size, LEVELS.size, 62, histogram=True)
        run_partitions(
            lambda a, b: fc.cover_days(q, purchase, received, LEVELS, 100, out, a, b), np.ones(len(cases)), jobs
        )
        return b"".join(x.tobytes() for x in out)

    assert run(1) == run(2)


@settings(max_examples=100, deadline=None)
@given(parted_cases(), st.integers(0, 13), st.integers(1, 9), st.integers(1, 20))
def test_neither_an_earlier_nor_another_receipt_delays_a_line(drawn_case, which, sooner, day):
    case, receipts = drawn_case
    base = one_day(case, receipts)
    assert base == sorted(base)  # nobody is served before those ahead
    more = replace(case, purchases=[*case.purchases, (2.0, np.zeros(HORIZON))])
    better = [one_day(more, [*receipts, (day, 2.0, day)])]
    if receipts:
        j = which % len(receipts)
        earlier = tuple(max(1, x - sooner) if i != 1 else x for i, x in enumerate(receipts[j]))
        better.append(one_day(case, [*receipts[:j], earlier, *receipts[j + 1 :]]))
    for other in better:
        assert all(a <= b for a, b in zip(other, base, strict=True))


def test_more_scenarios_than_counts_hold_are_refused():
    q, purchase, received = queues([Case(0, [1.0], [(1.0, np.ones(5))], 5)])
    with pytest.raises(ValueError, match="scenarios"):
        fc.cover_days(q, purchase, received, LEVELS, 70_000, fc.room(1, 3, 7, histogram=False), 0, 1)
