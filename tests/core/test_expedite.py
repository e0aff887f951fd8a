"""What a purchase saves by coming sooner is what serving the lines once more by the plain reference says."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
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


def scenarios(seed):
    """One long queue in four scenarios: other days, other parts, other customers who leave; lines out of turn, too."""
    rng = np.random.default_rng(seed)
    n, bought = rng.integers(6, 16), rng.integers(3, 9)
    need, qty, pieces = rng.integers(1, 10, n), rng.integers(1, 12, bought), rng.random(n) < 0.6
    least = np.where(pieces & (rng.random(n) < 0.3), rng.integers(0, 3, n), 0)
    wanted = np.where(rng.random(n) < 0.3 * rng.integers(0, 2), rng.integers(1, 12, n), 0)
    days = range(1, HORIZON + 1)
    working, receiving = (sorted(rng.choice(days, 15, replace=False).tolist()) for _ in range(2))

    def one():
        leaves = np.where(rng.random(n) < 0.3, rng.integers(np.maximum(wanted, 1), HORIZON + 1), 0)
        handling = rng.integers(0, 3, n)
        lines = list(zip(*(x.tolist() for x in (need, wanted, pieces, np.minimum(least, need), leaves, handling)),
                         strict=True))  # fmt: skip
        first = rng.integers(1, HORIZON + 2, bought)
        some = np.where(rng.random(bought) < 0.7, qty, rng.integers(1, qty + 1))
        rest = np.minimum(first + rng.integers(0, 10, bought), HORIZON + 1)
        receipts = list(zip(*(x.tolist() for x in (first, some, rest, qty)), strict=True))
        return Case(int(stock), lines, receipts, working, receiving)

    stock = rng.integers(-5, 9)
    return [one() for _ in range(4)]


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


def gains(*cases):
    """Of one item, each case a scenario."""
    item, line, _, qty, _, *days = arrays(cases[0])
    line_draw, draw = (np.concatenate([arrays(x)[i] for x in cases], axis=1) for i in (2, 4))
    out = np.zeros((len(qty), len(SOONER), len(ex.MEASURES), 2))
    ex.gains(item, line, line_draw, qty, draw, *days, np.array(SOONER, np.int64), out, 0, 1)
    return out


def reference(case):
    """The same of one scenario, all lines served anew by the plain reference [purchases × sooner × measures]."""
    line, before = arrays(case)[1], np.array(case.ends(case.receipts))
    out = np.zeros((len(case.receipts), len(SOONER), len(ex.MEASURES)))
    for j in range(len(case.receipts)):
        for m, sooner in enumerate(SOONER):
            after = np.array(case.ends(case.moved(j, sooner)))
            kept = (before > line["due"]).astype(int) - (after > line["due"])
            saved = before - after
            out[j, m] = saved.sum(), kept.sum(), saved @ line["value"], kept @ line["value"]
    return out


@settings(max_examples=400, deadline=None)
@given(cases())
def test_each_purchase_s_gain_is_the_reference_s(case):
    found, expected = gains(case), reference(case)
    assert found[..., 0].ravel().tolist() == pytest.approx(expected.ravel())
    assert found[..., 1].ravel().tolist() == pytest.approx(np.square(expected).ravel())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
@example(731)  # a least piece: the line whose turn it is has got another part of what it asks for, and then leaves
def test_walks_begun_and_ended_in_between_are_whole_walks(seed):
    """Long queues in several scenarios: nothing of one walk is left for the next one."""
    found, expected = gains(*scenarios(seed)), np.array([reference(x) for x in scenarios(seed)])
    assert found[..., 0].ravel().tolist() == pytest.approx(expected.sum(axis=0).ravel())
    assert found[..., 1].ravel().tolist() == pytest.approx(np.square(expected).sum(axis=0).ravel())


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
