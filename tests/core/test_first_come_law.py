"""The exact first-come law is the plain reference's, the sampled engines' within their error, and textbooks'."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backorder_forecast.core import first_come as fc
from backorder_forecast.core import first_come_law as fl
from backorder_forecast.core import queue_kernel as qk
from backorder_forecast.executors import run_partitions
from tests.core.problems import tally_for
from tests.core.queues import (
    LEVELS,
    Case,
    event_problem,
    exact,
    purchase_law,
    queues,
    random_case,
    sampled,
    thinned,
)
from tests.oracles.cover_day import cover_law


def by_parts(case, parts):
    """The laws of one item whose purchases may have brought one of several parts: [[(units, chances by day)]]."""
    q, _, _ = queues([case])
    rows = [(qty, i == 0) for purchase in parts for i, (qty, _) in enumerate(purchase)]
    part = np.zeros(len(rows), fl.PART)
    part["qty"], part["opens"] = [x[0] for x in rows], [x[1] for x in rows]
    part["law"], part["share"] = np.arange(len(rows)), 0.3 + 0.1 * (np.arange(len(rows)) % 8)
    q.item["po_to"] = len(rows)
    chance = np.array([x[1] for purchase in parts for x in purchase]).reshape(len(rows), case.horizon)
    chance /= part["share"][:, None]
    out = fl.room(1, q.line.size, LEVELS.size, case.horizon, table=True)
    fl.cover_laws(q, part, chance, LEVELS, out, 0, 1)
    return out


@st.composite
def parted_cases(draw_from):
    """An item whose purchases may have brought one of up to three parts by each of four days."""
    rng = np.random.default_rng(draw_from(st.integers(0, 2**32)))
    step = draw_from(st.sampled_from([1.0, 0.1]))
    horizon = 4
    needs = (rng.integers(1, 7, rng.integers(1, 6)) * step).tolist()
    parts = []
    for _ in range(draw_from(st.integers(0, 6))):
        units = rng.choice(np.arange(1, 10), rng.integers(1, 4), replace=False) * step
        law = np.cumsum(rng.dirichlet(np.ones(horizon + 1))[:-1])
        share = rng.dirichlet(np.ones(len(units)))
        parts.append([(float(x), s * law) for x, s in zip(units, share, strict=True)])
    return Case(float(rng.integers(-4, 9)) * step, needs, [], horizon), parts


@settings(max_examples=200, deadline=None)
@given(parted_cases())
def test_laws_are_the_reference_s(drawn_case):
    case, parts = drawn_case
    found = by_parts(case, parts)
    assert found.known.tolist() == [1]
    for j in range(len(case.needs)):
        law = cover_law(case.stock, case.needs, parts, j, case.horizon)
        np.testing.assert_allclose(found.table[j], law[1:], atol=1e-12)
        assert found.within[j] == found.table[j, -1]
        reach = [next((d for d, x in enumerate(law) if x >= level - 1e-12), 5) for level in LEVELS]
        assert found.quantile[j].tolist() == reach


def test_two_halves_of_many_purchases_are_the_reference_s():
    """No two subsets of fourteen purchases have the same sum."""
    rng = np.random.default_rng(5)
    laws = [np.array([x]) for x in rng.uniform(0.1, 0.9, 14)]
    units = rng.uniform(1, 9, 14)
    case = Case(3.0, [5.0, 7.7, 20.1, 11.0, 40.0], [], 1)
    found = by_parts(case, [[(q, x)] for q, x in zip(units, laws, strict=True)])
    bits = np.arange(1 << 14)[:, None] >> np.arange(14) & 1
    chance = np.where(bits, np.ravel(laws), 1 - np.ravel(laws)).prod(axis=1)
    wanted = np.cumsum(case.needs) - 3.0
    expected = [chance[bits @ units >= x - 1e-9].sum() for x in wanted]
    np.testing.assert_allclose(found.table[:, 0], expected, atol=1e-12)


def test_dozens_of_purchases_of_whole_lots_or_units():
    days = np.arange(1, 61)
    law = 1 - 0.95**days
    lots = exact([Case(0, [5.0] * 30, [(5.0, law)] * 60, 60)])
    tail = stats.binom.sf(np.arange(30)[:, None], 60, law)
    np.testing.assert_allclose(lots.table, tail, atol=1e-12)
    # sixty odd quantities in whole units, beside an independent sum of their laws
    units = np.random.default_rng(6).integers(1, 40, 60)
    odd = exact([Case(0, [100.0] * 9, [(float(x), law) for x in units], 60)])
    mass = np.ones(1)
    for x in units:
        mass = np.convolve(mass, np.concatenate([[1 - law[19]], np.zeros(x - 1), [law[19]]]))
    np.testing.assert_allclose(odd.table[:, 19], [mass[x:].sum() for x in range(100, 1000, 100)], atol=1e-12)


def test_what_has_too_many_sums_is_left_out_and_said_so():
    rng = np.random.default_rng(7)
    units = rng.uniform(1, 2, 40)
    many = Case(0, [200.0], [(x, np.ones(3) * 0.5) for x in units], 3)
    few = Case(0, [1.0], [(1.0, np.array([0.2, 0.4, 1.0]))], 3)
    found = exact([few, many, few])
    assert found.known.tolist() == [1, 0, 1]
    assert found.quantile.tolist() == [[1, 3, 3], [4, 4, 4], [1, 3, 3]]


def test_five_exponential_arrivals_give_the_order_statistics():
    """Whole days: arrivals by day t with chance 1 − e^(−t/10); the j-th of five, a binomial tail."""
    law = 1 - np.exp(-np.arange(1, 81) / 10)
    case = Case(0, [1.0] * 5, [(1.0, law)] * 5, 80)
    tail = stats.binom.sf(np.arange(5)[:, None], 5, law)
    np.testing.assert_allclose(exact([case]).table, tail, atol=1e-12)
    # the mean of the j-th in continuous time is 10 (1/5 + … + 1/(6 − j)); whole days add half a day, little less
    fine = 1 - np.exp(-np.arange(1, 4001) / 200)
    table = exact([Case(0, [1.0] * 5, [(1.0, fine)] * 5, 4000)]).table
    mean = (1 - table).sum(axis=1) / 20 + 1 / 20  # from 0 on, in twentieths of a day
    np.testing.assert_allclose(mean - 1 / 40, 10 * np.cumsum(1 / np.arange(5, 0, -1)), atol=2e-3)
    seen = np.cumsum(sampled([case], 5000).histogram, axis=1)[:, 1:-1] / 5000
    assert np.abs((seen - tail) / np.sqrt(tail * (1 - tail) / 5000 + 1e-6)).max() < 4


def in_standard_errors(table, exact_table, scenarios):
    """How far shares of scenarios are from chances that are neither next to 0 nor to 1."""
    spread = np.sqrt(np.maximum(exact_table * (1 - exact_table), 0) / scenarios)
    some = exact_table * (1 - exact_table) * scenarios > 10
    return np.abs(table - exact_table)[some] / spread[some]


def test_the_sampled_engine_agrees_within_four_standard_errors():
    rng = np.random.default_rng(21)
    cases = [random_case(rng, 50, lines=10, purchases=14, whole=i % 2 == 0) for i in range(12)]
    law = exact(cases)
    assert law.known.all()
    found = sampled(cases, 20_000)
    errors = in_standard_errors(np.cumsum(found.histogram, axis=1)[:, 1:-1] / 20_000, law.table, 20_000)
    assert errors.size > 500
    assert errors.max() < 4
    # and the sampled quantiles are days at which the law is near the level
    off = np.abs(found.quantile - law.quantile)[(found.quantile <= 50) & (law.quantile <= 50)]
    assert np.mean(off > 1) < 0.1


@pytest.mark.parametrize("pieces", [0, 1])
def test_the_event_kernel_agrees_within_four_standard_errors(pieces):
    """On working days, with lines that are wanted later, and demand that comes behind them."""
    rng = np.random.default_rng(22 + pieces)
    cases = [random_case(rng, 50, lines=8, purchases=9) for _ in range(12)]
    for case in cases:
        case.open_days = sorted(rng.choice(np.arange(1, 51), 35, replace=False).tolist())
        case.wanted = sorted(rng.integers(-5, 2, len(case.needs)).tolist())
    p = event_problem(cases, 5000, pieces=pieces)
    p.sku["size"], p.sku["theta"] = 0.3, 0.4
    t = tally_for(p, n_po=p.po_qty.size, ledger=False)
    qk.simulate_components(p, t, 0, len(cases))
    law = exact(cases)
    errors = in_standard_errors(np.cumsum(t.line_day["leaves"], axis=1)[:, 1:-1] / 5000, law.table, 5000)
    assert errors.size > 500
    assert errors.max() < 4


def test_lines_wanted_later_leave_then():
    case = Case(3, [1.0, 1.0, 1.0, 1.0], [(1.0, np.array([0.0, 0.5, 0.5, 0.8, 0.8, 0.9]))], 6,
                wanted=[-2, 2, 4, 4], open_days=[1, 2, 5, 6])  # fmt: skip
    found = exact([case])
    assert found.table.tolist() == [
        [1, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0.8, 0.9],
    ]
    assert found.quantile.tolist() == [[1, 1, 1], [2, 2, 2], [5, 5, 5], [5, 5, 6]]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_monotone_in_place_and_in_receipts(seed):
    rng = np.random.default_rng(seed)
    case = random_case(rng, 20, lines=7, purchases=6)
    law = exact([case]).table
    assert (np.diff(law, axis=0) <= 1e-12).all()
    assert (np.diff(law, axis=1) >= -1e-12).all()
    better = [Case(case.stock + 1, case.needs, case.purchases, 20)]
    better.append(Case(case.stock, case.needs, [*case.purchases, (2.0, purchase_law(rng, 20))], 20))
    if case.purchases:
        qty, first = case.purchases[0]
        sooner = np.append(first[2:], [first[-1], first[-1]])
        better.append(Case(case.stock, case.needs, [(qty, sooner), *case.purchases[1:]], 20))
    for other in better:
        assert (exact([other]).table >= law - 1e-12).all()


def test_palm_the_number_of_outstanding_orders_is_poisson():
    """(S−1, S): every unit asked for is ordered at once. Of Poisson demand in the last days, in slots of 1/500 of a
    day, each unit is outstanding with P(L > age): their number is nearly Poisson with mean λ E[L], whatever the law of
    L (Palm 1938), up to the sum of squared chances (Le Cam 1960)."""
    rate, slot = 0.4, 0.002
    age = np.arange(slot / 2, 40, slot)
    for longer, mean in (
        (np.where(age < 6, 1.0, 0.0), 6.0), (np.exp(-age / 6), 6.0), (stats.gamma.sf(age, 3, scale=2), 6.0)
    ):  # fmt: skip
        chance = rate * slot * longer
        case = Case(0, [1.0] * 12, [(1.0, np.array([x])) for x in chance if x > 0], 1)
        tail = exact([case]).table[:, 0]
        poisson = stats.poisson.sf(np.arange(12), rate * mean)
        assert np.abs(tail - poisson).max() < (chance**2).sum() + 0.02 * rate * slot + rate * 6 * np.exp(-40 / 6)
        assert np.abs(tail - poisson).max() < 6e-3


def test_palm_in_the_event_kernel_with_a_constant_lead_time():
    """Base stock under Poisson demand, simulated until steady: backorders are (X − S)⁺, X Poisson with mean λ L."""
    rate, lead, base = 0.5, 6, 4
    p = event_problem([Case(base, [], [], 60)], 20_000)
    p.sku["size"], p.sku["theta"], p.sku["path"] = rate * 1e6, 1e-6, 0
    p.sku["policy"], p.sku["order_up_to"] = qk.BASE_STOCK, base
    p = p._replace(new_lead=(np.arange(lead + 1) >= lead).astype(float)[None], with_planned=True)
    t = tally_for(p, paths=1, ledger=False)
    qk.simulate_components(p, t, 0, 1)
    short = t.paths[0, 1, :, -1].astype(float)
    # seen at the end of a day: what was ordered on the last `lead` days, today's orders included
    x = np.arange(60)
    expected = (np.maximum(x - base, 0) * stats.poisson.pmf(x, rate * lead)).sum()
    assert abs(short.mean() - expected) < 4 * short.std() / np.sqrt(len(short))


def test_one_and_two_threads_write_the_same_bytes():
    rng = np.random.default_rng(12)
    cases = [random_case(rng, 60, purchases=13, lines=9, whole=i % 3 > 0) for i in range(40)]
    q, purchase, received = queues(cases)
    part = np.zeros(len(purchase), fl.PART)
    part["qty"], part["share"], part["law"], part["opens"] = purchase["qty"], 1, purchase["law"], 1

    def run(jobs):
        out = fl.room(len(cases), q.line.size, LEVELS.size, 60, table=True)
        run_partitions(
            lambda a, b: fl.cover_laws(q, part, received, LEVELS, out, a, b), np.ones(len(cases)), jobs
        )
        return b"".join(x.tobytes() for x in out)

    assert run(1) == run(2)


def with_cancellations(cases, hazard, pieces, scenarios):
    p = event_problem(cases, scenarios, hazard=hazard, pieces=pieces, seed=4)
    t = tally_for(p, n_po=p.po_qty.size, ledger=False)
    qk.simulate_components(p, t, 0, len(cases))
    return np.cumsum(t.line_day["leaves"], axis=1)[:, 1:-1] / scenarios


@pytest.mark.parametrize("pieces", [0, 1])
def test_thinning_by_lines_that_leave(pieces):
    rng = np.random.default_rng(31)
    cases = [random_case(rng, 50, lines=9, purchases=6) for _ in range(25)]
    for case in cases:
        case.open_days = list(range(1, 51))
    place = np.concatenate([np.arange(len(x.needs)) for x in cases])
    plain, law = exact(cases).table, thinned(cases, 0.005, pieces=pieces > 0).table
    seen = with_cancellations(cases, 0.005, pieces, 10_000)
    # nobody ahead: exact
    np.testing.assert_allclose(law[place == 0], plain[place == 0], atol=1e-12)
    assert in_standard_errors(seen[place == 0], law[place == 0], 10_000).max() < 4
    # others: nearly; far nearer than if nobody left
    off, without = (np.sqrt(((x - seen) ** 2).mean()) for x in (law, plain))
    assert off < 0.006
    assert off < without / 5
    np.testing.assert_allclose(thinned(cases, 0.0).table, plain, atol=1e-12)


def test_a_line_that_left_needs_nothing():
    """One line of 4 ahead, 4 units that come on day 3: the one behind gets them if it leaves by then."""
    case = Case(0, [4.0, 4.0], [(4.0, np.array([0.0, 0.0, 1.0, 1.0]))], 4)
    gone = 1 - 0.9**3
    assert thinned([case], 0.1).table.tolist() == [[0, 0, 1, 1], pytest.approx([0, 0, gone, gone])]


def test_first_come_room_has_as_many_days():
    q, _, received = queues([Case(1, [1.0], [(1.0, np.ones(9))], 9)])
    assert fc.room(1, 3, 11, histogram=True).histogram.shape == (1, 11)
    with pytest.raises(ValueError, match="days"):
        fl.cover_laws(q, np.zeros(1, fl.PART), received[:, :5].copy(), LEVELS, exact([Case(1, [1.0], [], 9)]), 0, 1)
