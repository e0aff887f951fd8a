"""The event kernel against queues whose laws are in textbooks, each within four standard errors.

Days are short against everything that happens, so that days and continuous time are the same to a percent or two.
"""

import numpy as np
import pytest
from scipy import stats

from backorder_forecast.core import queue_kernel as qk
from tests.core.problems import blank, tally_for

LEADS = {
    "constant": lambda day: (day >= 40).astype(float),
    "exponential": lambda day: stats.geom.cdf(day, 1 / 40),
    "gamma": lambda day: stats.gamma.cdf(day, 3, scale=40 / 3),
}


def poisson(p, rate):
    """Demand of SKU 0 as good as Poisson, at this rate a day."""
    p.sku["size"], p.sku["theta"], p.sku["key"] = rate * 1e6, 1e-6, 11


def waiting_line(p, t, line, scenarios):
    """Shares of the scenarios in which a line still waits after 0, 1, … days."""
    left = np.cumsum(t.line_day["leaves"][line][p.line[line]["wanted"] : -1]) / scenarios
    return 1.0 - left


def near(seen, expected, scenarios, slack=0.0):
    spread = np.sqrt(np.clip(expected * (1 - expected), 1e-4, None) / scenarios)
    return (np.abs(seen - expected) <= 4 * spread + slack).all()


def added(chances, rate, most=60):
    """The law of Σ over days of Poisson(rate) counts, each day's kept with its chance."""
    count = stats.poisson.pmf(np.arange(most), rate)
    law = np.eye(most)[0]
    for chance in chances[chances > 1e-9]:
        law = (1 - chance) * law + chance * np.convolve(law, count)[:most]
    return law


@pytest.mark.parametrize("name", list(LEADS))
def test_base_stock_under_poisson_demand(name):
    """(S−1, S): outstanding orders are Poisson with mean λ E[L] whatever the law of L (Palm 1938), so backorders are
    (X − S)⁺. A customer still waits after t where S of the orders before, less what was ordered since and has come, are
    still out: X(t) − Y(t) ≥ S, Poisson with means λ ∫ₜ^∞ P(L > u) du and λ ∫₀ᵗ P(L ≤ u) du. (For this one customer,
    known beforehand, nothing is ordered: else 1 is added to Y with chance P(L ≤ t).)"""
    rate, base, wanted, horizon, scenarios = 0.05, 2, 360, 480, 20_000
    come = LEADS[name](np.arange(horizon + 1))
    p, _ = blank(1, 1, 0, scenarios, horizon=horizon)
    poisson(p, rate)
    p.sku["free"], p.sku["path"], p.sku["policy"], p.sku["order_up_to"] = base, 0, qk.BASE_STOCK, base
    p.sku["order_up_to"] -= 1  # the position counts what is owed later, too: the line takes one from it
    p.sku["line_to"], p.class_from[:] = 1, [[0, 1]]
    p.line["need"], p.line["wanted"] = 1, wanted
    p = p._replace(new_lead=come[None].copy(), with_planned=True)
    t = tally_for(p, paths=1, ledger=False)
    qk.simulate_components(p, t, 0, 1)

    outstanding = added(1 - come[:wanted], rate)
    short = t.paths[0, 1, :, wanted - 2].astype(float)
    x = np.arange(len(outstanding))
    expected = (np.maximum(x - base, 0) * outstanding).sum()
    assert abs(short.mean() - expected) < 4 * short.std() / np.sqrt(scenarios)
    palm = (np.maximum(x - base, 0) * stats.poisson.pmf(x, rate * (1 - come).sum())).sum()
    assert expected == pytest.approx(palm, rel=0.03)

    ahead = np.array([0, 5, 20, 39, 60])
    seen = waiting_line(p, t, 0, scenarios)[ahead]
    days, textbook = zip(*(_still_waits(come, rate, base, a, wanted) for a in ahead), strict=True)
    assert near(seen, np.array(days), scenarios)
    assert np.array(days) == pytest.approx(np.array(textbook), abs=0.02)


def _still_waits(come, rate, base, after, wanted):
    """P(still waits after so many days): with days as they are, and by the two Poisson laws of continuous time."""
    out = added(1 - come[after + 1 : wanted], rate)  # ordered before the line, and out on that day
    back = added(come[1 : after + 1], rate)  # ordered since, and back
    net = np.convolve(out, back[::-1])  # of out − back, from −(most − 1) on
    exact = net[len(back) - 1 + base :].sum()
    x, y = rate * (1 - come[after:]).sum(), rate * come[:after].sum()
    return exact, stats.skellam.sf(base - 1, max(x, 1e-9), max(y, 1e-9))


def test_one_machine_two_classes():
    """M/M/1 make-to-stock with base stock S and priority: N in production is geometric with r = λ/μ; while N ≥ S,
    customers of the first class see the queue of their class alone, so P(W₁ > t) = r^S e^(−(μ−λ₁)t), and of all
    backorders E[B] = r^S r/(1−r) theirs are E[B₁] = r^S r₁/(1−r₁) (Zheng and Zipkin 1990; Ha 1997). By Little's law
    E[W₂] = E[B₂]/λ₂."""
    mu, rate, base, wanted, horizon, scenarios = 0.02, 0.005, 1, 3000, 4500, 6000
    p, _ = blank(1, 2, 0, scenarios, classes=2, horizon=horizon)
    poisson(p, 2 * rate)
    demand = np.zeros((2, scenarios, horizon))
    qk.demand_paths(p, 0, demand)
    waits = []
    for line, class_from in ((0, [0, 1, 1]), (1, [0, 0, 1])):
        made = _machine(demand.sum(axis=0), wanted, mu)
        p, _ = blank(1, 1, made.shape[1], scenarios, classes=2, horizon=horizon)
        poisson(p, 2 * rate)
        p.sku["free"], p.sku["path"], p.sku["line_to"], p.sku["po_to"] = base, 0, 1, made.shape[1]
        p.class_from[:] = [class_from]
        p.line["need"], p.line["wanted"] = 1, wanted
        p.po_qty[:] = 1
        p.po_draw["first"], p.po_draw["rest"], p.po_draw["first_qty"] = made.T, made.T, 1
        t = tally_for(p, n_po=made.shape[1], paths=1, ledger=False)
        qk.simulate_components(p, t, 0, 1)
        waits.append(waiting_line(p, t, 0, scenarios))
        short = t.paths[0, 1, :, wanted - 2].astype(float)
        assert line == len(waits) - 1

    rho, rho1 = 2 * rate / mu, rate / mu
    both, first = rho**base * rho / (1 - rho), rho**base * rho1 / (1 - rho1)
    assert abs(short.mean() - both) < 4 * short.std() / np.sqrt(scenarios) + 0.01
    days = np.array([0, 20, 50, 100, 200])
    assert near(waits[0][days], rho**base * np.exp(-(mu - rate) * days), scenarios, slack=0.006)
    # four standard errors of a mean wait are a tenth of it, and whole days two in a hundred
    assert waits[0].sum() == pytest.approx(first / rate, rel=0.12)
    assert waits[1].sum() == pytest.approx((both - first) / rate, rel=0.12)


def _machine(units, wanted, mu):
    """Days on which one machine has made the first, second, … unit [scenarios × units]; it works while any is missing.

    units [scenarios × days]: demand besides the one line."""
    scenarios, horizon = units.shape
    rng = np.random.default_rng(8)
    missing, count = np.zeros(scenarios, np.int64), np.zeros(scenarios, np.int64)
    made = np.full((scenarios, 200), horizon + 1, np.int16)
    for day in range(1, horizon + 1):
        done = np.flatnonzero((missing > 0) & (rng.random(scenarios) < mu))
        made[done, count[done]] = day
        count[done] += 1
        missing[done] -= 1
        missing += units[:, day - 1].astype(np.int64) + (day == wanted)
    return made[:, : count.max()]


def test_customers_who_leave_a_busy_server():
    """M/M/1+M (Erlang A, Palm 1957) with a server that always has work: the queue has n with chance ∝ Π λ/(μ + kθ)."""
    rate, mu, theta, horizon, scenarios, start = 0.05, 0.02, 0.001, 4000, 3000, 30
    rng = np.random.default_rng(5)
    purchases = rng.random((scenarios, horizon)) < mu
    made = np.full((scenarios, int(purchases.sum(axis=1).max())), horizon + 1, np.int16)
    for k, row in enumerate(purchases):
        days = np.flatnonzero(row) + 1
        made[k, : len(days)] = days
    p, _ = blank(1, start, made.shape[1], scenarios, horizon=horizon)
    poisson(p, rate)
    p.sku["path"], p.sku["line_to"], p.sku["po_to"], p.class_from[:] = 0, start, made.shape[1], [[0, start]]
    p.line["need"], p.line["peg_from"] = 1, np.arange(start) * (qk.FIRST_PURCHASE + made.shape[1])
    leaves = rng.geometric(theta, (start, scenarios))
    p.line_draw["cancel"] = np.where(leaves <= horizon, leaves, 0)
    p.patience[:] = -np.log1p(-theta) * np.arange(horizon + 2)
    p.po_qty[:] = 1
    p.po_draw["first"], p.po_draw["rest"], p.po_draw["first_qty"] = made.T, made.T, 1
    t = tally_for(p, n_po=made.shape[1], paths=1, ledger=False)
    qk.simulate_components(p, t, 0, 1)
    n = np.arange(200)
    law = np.cumprod(np.append(1.0, rate / (mu + n[1:] * theta)))
    law /= law.sum()
    assert law[0] < 1e-3  # it always has work
    queue = t.paths[0, 1, :, -1].astype(float)
    mean, spread = (n * law).sum(), np.sqrt((n**2 * law).sum() - (n * law).sum() ** 2)
    assert abs(queue.mean() - mean) < 4 * spread / np.sqrt(scenarios)
    assert queue.std() == pytest.approx(spread, rel=4 / np.sqrt(2 * scenarios) + 0.02)


def test_fifteen_units_against_ten_with_exponential_patience():
    """Fifteen wait, ten come on day T; each leaves with chance h a day. The j-th is served on T, if it goes on waiting,
    where at most nine of the j − 1 ahead still do: a binomial tail with (1 − h)^T, mixed over T."""
    hazard, horizon, scenarios = 0.03, 60, 20_000
    rng = np.random.default_rng(2)
    p, _ = blank(1, 15, 1, scenarios, horizon=horizon)
    p.sku["line_to"], p.sku["po_to"], p.class_from[:] = 15, 1, [[0, 15]]
    p.line["need"], p.line["peg_from"] = 1, np.arange(15) * (qk.FIRST_PURCHASE + 1)
    law = stats.nbinom.pmf(np.arange(horizon), 3, 0.15)
    come = rng.choice(horizon, scenarios, p=law / law.sum()) + 1
    p.po_qty[:] = 10
    p.po_draw["first"], p.po_draw["rest"], p.po_draw["first_qty"] = come, come, 10
    leaves = rng.geometric(hazard, (15, scenarios))
    p.line_draw["cancel"] = np.where(leaves <= horizon, leaves, 0)
    t = tally_for(p, n_po=1)
    qk.simulate_components(p, t, 0, 1)
    served = t.line_day["leaves"][:, 1:-1].sum(axis=1) / scenarios
    day = np.arange(1, horizon + 1)
    tail = stats.binom.cdf(9, np.arange(15)[:, None], (1 - hazard) ** day)
    assert near(served, (tail * law / law.sum()).sum(axis=1), scenarios)
    assert served[:10] == pytest.approx(1.0)
    cancelled = t.cancelled / scenarios
    alive = 1 - (((1 - hazard) ** day) * law / law.sum()).sum()
    assert near(cancelled[:10], np.full(10, alive), scenarios)
