"""How late lines would be if one thing were otherwise is what a few slow lines say; shares add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorder_forecast.core import reasons
from backorder_forecast.core.expedite import ITEM
from backorder_forecast.core.queue_layout import PURCHASE_DRAW
from tests.oracles.cover_day import cover_day, leaves

HORIZON = 15


def by_hand(case):
    """Days late of each line in each case; zero where it is not late as it is."""
    stock, needs, came, due, receipts, working = case
    dated = [(d, units) for a, some, b, qty, _ in receipts for d, units in ((a, some), (b, qty - some)) if units > 0]
    kept = [(min(d, promised or d), units) for a, some, b, qty, promised in receipts
            for d, units in ((a, some), (b, qty - some)) if units > 0]  # fmt: skip
    plenty = [[(d, 1000) for d, _ in x if d <= HORIZON] for x in (dated, kept)]
    place = came.index

    def late(j, needs, receipts):
        day = leaves(cover_day(stock, needs, receipts, len(needs) - 1), 1, working, HORIZON)
        return max(day - due[j], 0)

    found = []
    for j, need in enumerate(needs):
        before = needs[: j + 1]
        in_turn = [needs[i] for i in sorted(range(len(needs)), key=place) if place(i) <= place(j)]
        row = [late(j, before, dated), late(j, before, kept), late(j, [need], dated), late(j, before, plenty[0]),
               late(j, in_turn, dated), late(j, [need], plenty[1])]  # fmt: skip
        found.append(row if row[0] > 0 else [0] * 6)
    return found


@st.composite
def cases(draw):
    n = draw(st.integers(1, 5))
    needs = draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    due = draw(st.lists(st.integers(1, HORIZON), min_size=n, max_size=n))
    receipts = []
    for _ in range(draw(st.integers(0, 4))):
        qty, first = draw(st.integers(1, 9)), draw(st.integers(1, HORIZON + 1))
        some = draw(st.integers(1, qty))
        receipts.append((first, some, min(first + draw(st.integers(0, 9)), HORIZON + 1), qty, draw(st.integers(0, 12))))
    working = sorted(draw(st.sets(st.integers(1, HORIZON), min_size=6)))
    return draw(st.integers(-4, 9)), needs, draw(st.permutations(range(n))), due, receipts, working


def computed(case):
    stock, needs, came, due, receipts, working = case
    item = np.array([(stock, 0, len(needs), 0, len(receipts), 0)], ITEM)
    line = np.zeros(len(needs), reasons.ASKS)
    line["need"], line["target"], line["due"] = needs, np.cumsum(needs), due
    for j in range(len(needs)):
        line["in_turn"][j] = sum(needs[i] for i in came[: came.index(j) + 1])
    draw = np.zeros((len(receipts), 1), PURCHASE_DRAW)
    for i, (first, some, rest, _, _) in enumerate(receipts):
        draw[i, 0] = (first, rest, 0, 0, some)
    following = np.searchsorted(working, np.arange(HORIZON + 2))[None].astype(np.int64)
    out = np.zeros((len(needs), reasons.CASES))
    qty, promised = (np.array([x[i] for x in receipts], kind) for i, kind in ((3, float), (4, np.int64)))
    reasons.lateness(item, line, qty, promised, draw, following, np.array([[*working, HORIZON + 1]]), out, 0, 1)
    return out


@settings(max_examples=400, deadline=None)
@given(cases())
def test_each_case_is_the_slow_one_s(case):
    out = computed(case)
    assert out.tolist() == by_hand(case)
    share = reasons.shares(out)
    late = out[:, 0] > 0
    assert np.isnan(share[~late]).all()
    assert share[late].sum(axis=1) == pytest.approx(1.0)
    assert (share[late] >= -1e-12).all()


def test_hand_worked_reasons():
    every = list(range(1, HORIZON + 1))

    def largest(*case):
        return reasons.shares(computed((*case, every)))[-1].round(3).tolist()

    # ten units promised on day 2 come on day 12: the supplier
    assert largest(0, [4], [0], [1], [(12, 10, 12, 10, 2)]) == [0.909, 0, 0, 0, 0.091]
    # four come on day 2, as promised, for one who stands before, and four more on day 9
    assert largest(0, [4, 4], [0, 1], [2, 2], [(2, 4, 2, 4, 2), (9, 4, 9, 4, 9)]) == [0, 0.5, 0.5, 0, 0]
    # the same had it been served in turn
    by_rule = largest(0, [4, 4], [1, 0], [2, 2], [(2, 4, 2, 4, 2), (9, 4, 9, 4, 9)])
    assert by_rule == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0], abs=1e-3)
    # a line of ten with one incoming six
    assert largest(0, [10], [0], [3], [(3, 6, 3, 6, 3)]) == [0, 0, 1, 0, 0]
    # nothing is on order
    assert largest(0, [3], [0], [1], []) == [0, 0, 0, 0, 1]
