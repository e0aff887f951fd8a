"""What a purchase saves by coming sooner is what serving the lines once more by the plain reference says."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorder_forecast.core import expedite as ex
from backorder_forecast.core.queue_layout import LINE_DRAW, PURCHASE_DRAW
from tests.oracles.queue_day import Line, simulate

HORIZON, SOONER = 20, (2, 7)


@dataclass
class Case:
    """One item in one scenario; receipts: (first day, its units, day of the rest, units in all)."""

    stock: float
    lines: list
    receipts: list
    working: list
    receiving: list

    def moved(self, j, sooner):
        """The receipts with those of one purchase so many days sooner, on days on which goods are received."""
        def day(d):
            earlier = [x for x in self.receiving if x >= max(1, d - sooner)]
            return d if d > HORIZON else min([d, *earlier])

        return [(day(a), some, day(b), qty) if i == j else (a, some, b, qty)
                for i, (a, some, b, qty) in enumerate(self.receipts)]  # fmt: skip

    def ends(self, receipts):
        """The day on which each line leaves or its customer does, by the plain reference."""
        lines = [Line(str(i), "s", need, (i,), wanted, pieces, least, cancels=cancels, handling=handling)
                 for i, (need, wanted, pieces, least, cancels, handling) in enumerate(self.lines)]  # fmt: skip
        parts = [x for a, some, b, qty in receipts for x in ((a, some), (b, qty - some))]
        dated = [(day, "s", units) for day, units in parts if units > 0]
        beyond = list(range(HORIZON + 1, HORIZON + 5))
        simulate({"s": self.stock}, dated, lines, {*self.working, *beyond}, HORIZON)
        return [min(line.ready or HORIZON + 1, HORIZON + 1) if not line.ghost else line.cancels for line in lines]


@st.composite
def cases(draw):
    n = draw(st.integers(1, 6))
    units = st.integers(1, 9)
    lines = []
    for _ in range(n):
        need, pieces = draw(units), draw(st.booleans())
        least = draw(st.integers(0, need)) if pieces and draw(st.integers(0, 3)) == 0 else 0
        wanted = draw(st.integers(1, 12)) if draw(st.integers(0, 4)) == 0 else 0
        cancels = draw(st.integers(max(wanted, 1), HORIZON)) if draw(st.booleans()) else 0
        lines.append((need, wanted, pieces, least, cancels, draw(st.integers(0, 2))))
    lines.sort(key=lambda x: x[1])
    receipts = []
    for _ in range(draw(st.integers(1, 5))):
        qty, first = draw(units), draw(st.integers(1, HORIZON + 1))
        some = draw(st.integers(0, qty))
        receipts.append((first, some or qty, min(first + draw(st.integers(1, 9)), HORIZON + 1), qty))
    days = st.sets(st.integers(1, HORIZON), min_size=8)
    return Case(draw(st.integers(-5, 8)), lines, receipts, sorted(draw(days)), sorted(draw(days)))


def arrays(case):
    item = np.array([(case.stock, 0, len(case.lines), 0, len(case.receipts), 0)], ex.ITEM)
    line, line_draw = np.zeros(len(case.lines), ex.WAITS), np.zeros((len(case.lines), 1), LINE_DRAW)
    for i, (need, wanted, pieces, least, cancels, handling) in enumerate(case.lines):
        line[i] = (need, wanted, pieces, least, 1 + 3 * i, 10.0 + i)
        line_draw[i, 0] = (cancels, handling)
    draw = np.zeros((len(case.receipts), 1), PURCHASE_DRAW)
    for j, (first, some, rest, _) in enumerate(case.receipts):
        draw[j, 0] = (first, rest, 0, 0, some)
    following = np.searchsorted(case.working, np.arange(HORIZON + 2))[None].astype(np.int64)
    opens = np.array([[*case.working, HORIZON + 1]], np.int64)
    receive_on = np.append(case.receiving, HORIZON + 1)[np.searchsorted(case.receiving, np.arange(HORIZON + 2))]
    qty = np.array([x[3] for x in case.receipts], float)
    return item, line, line_draw, qty, draw, following, opens, receive_on.astype(np.int64)


def gains(case):
    out = np.zeros((len(case.receipts), len(SOONER), len(ex.MEASURES), 2))
    ex.gains(*arrays(case), np.array(SOONER, np.int64), out, 0, 1)
    return out


@settings(max_examples=400, deadline=None)
@given(cases())
def test_each_purchase_s_gain_is_the_reference_s(case):
    found, line = gains(case), arrays(case)[1]
    before = np.array(case.ends(case.receipts))
    for j in range(len(case.receipts)):
        for m, sooner in enumerate(SOONER):
            after = np.array(case.ends(case.moved(j, sooner)))
            kept = (before > line["due"]).astype(int) - (after > line["due"])
            saved = before - after
            expected = [saved.sum(), kept.sum(), (saved * line["value"]).sum(), (kept * line["value"]).sum()]
            assert found[j, m, :, 0].tolist() == pytest.approx(expected)
            assert found[j, m, :, 1].tolist() == pytest.approx(np.square(expected))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_nobody_waits_longer_where_no_customer_leaves_and_lines_take_what_comes(case):
    """Advancing a receipt never delays a first-come line."""
    case.lines = [(need, wanted, True, 0, 0, handling) for need, wanted, _, _, _, handling in case.lines]
    assert (gains(case)[..., 0] >= 0).all()


def test_hand_worked_case():
    every = list(range(1, HORIZON + 1))
    two = [(4, 0, False, 0, 0, 0), (3, 0, False, 0, 0, 0)]
    case = Case(0, two, [(6, 4, 6, 4), (9, 3, 9, 3)], every, every)
    found = gains(case)[..., 0, 0]
    # the first purchase serves the line of 4, the second that of 3: each two days sooner; 7 days: at day 1, and at 2
    # but on day 2 three have come for the line of 4, and the other one waits for both
    assert found.tolist() == [[2.0, 5.0], [2.0, 3.0]]


def test_items_do_not_mix_and_those_in_stock_cost_nothing():
    every = list(range(1, HORIZON + 1))
    case = Case(0, [(4, 0, True, 0, 0, 0)], [(6, 4, 6, 4)], every, every)
    item, line, line_draw, qty, draw, *days = arrays(case)
    items = np.concatenate([item, item, item])
    items["stock"][1] = 9
    for name in ("line", "po"):
        items[f"{name}_from"], items[f"{name}_to"] = np.arange(3), np.arange(1, 4)
    out = np.zeros((3, 1, 4, 2))
    ex.gains(items, np.tile(line, 3), np.tile(line_draw, (3, 1)), np.tile(qty, 3), np.tile(draw, (3, 1)), *days,
             np.array([2], np.int64), out, 0, 3)  # fmt: skip
    assert out[:, 0, 0, 0].tolist() == [2.0, 0.0, 2.0]


def test_what_comes_beyond_the_horizon_stays_there():
    receive_on = np.arange(HORIZON + 2)
    assert [ex.moved(d, 5, receive_on) for d in (HORIZON + 1, HORIZON, 3)] == [HORIZON + 1, HORIZON - 5, 1]
