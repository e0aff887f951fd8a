"""What a policy delivers: a plain day-by-day simulation, textbook numbers, and brute-force sums."""

import numpy as np
import pytest
from scipy import stats

from backorder_forecast.core import replenish as rp


def nb_cdf(mean, ratio, days, values=600):
    if days <= 0:
        return np.ones(values)
    return stats.nbinom.cdf(np.arange(values), mean * days / (ratio - 1), 1 / ratio)


def poisson_cdf(mean, values=80):
    return stats.poisson.cdf(np.arange(values), mean)


def simulated(rng, mean, ratio, lead, review, s, q, days=150_000, base=False):
    """(cycle, fill, stock) of a day-by-day company: receipts, demand, decision; `lead`: days, or drawn from."""
    demand = rng.negative_binomial(mean / (ratio - 1), 1 / ratio, days)
    leads = rng.choice(lead, days)
    coming = np.zeros(days + max(lead) + 1)
    net, on_order, late, held = float(s + q), 0.0, 0.0, 0.0
    due, placed, kept = {}, 0, 0
    for t in range(days):
        if t in due:
            kept += sum(net >= 0 for _ in range(due.pop(t)))  # in the evening before, nothing was owed
        net += coming[t]
        on_order -= coming[t]
        late += max(0.0, demand[t] - max(net, 0.0))
        net -= demand[t]
        position = net + on_order
        if t % review == 0 and position <= s:
            qty = s + 1 - position if base else q * ((s - position) // q + 1)
            on_order += qty
            coming[t + leads[t]] += qty
            due[t + leads[t]] = due.get(t + leads[t], 0) + 1
            placed += 1
        held += max(net, 0.0)
    return kept / max(placed - sum(due.values()), 1), 1 - late / demand.sum(), held / days


@pytest.mark.parametrize(
    ("mean", "ratio", "lead", "review", "s", "q"),
    [
        (2.0, 2.0, 5, 1, 14, 20), (0.2, 3.0, 5, 1, 3, 4), (0.3, 1.5, 1, 1, 2, 6), (2.0, 2.0, 5, 7, 25, 20),
        (2.0, 2.0, 5, 7, 6, 3), (8.0, 4.0, 3, 1, 5, 70),
    ],
)  # fmt: skip
def test_calculation_is_what_happens_day_by_day(mean, ratio, lead, review, s, q):
    cycle, fill, stock = simulated(np.random.default_rng(1), mean, ratio, [lead], review, s, q)
    before, protection = nb_cdf(mean, ratio, lead - 1), nb_cdf(mean, ratio, lead + review - 1)
    between = np.mean([nb_cdf(mean, ratio, lead + j) for j in range(review)], axis=0)
    assert rp.cycle_service(before, nb_cdf(mean, ratio, review), s, q) == pytest.approx(cycle, abs=0.012)
    assert rp.fill_rate(before, protection, s, q) == pytest.approx(fill, abs=0.008)
    assert rp.mean_left(between, s, q) == pytest.approx(stock, rel=0.03)


def test_base_stock_is_a_lot_of_one_below_it():
    cycle, fill, stock = simulated(np.random.default_rng(2), 0.8, 1.6, [6], 1, 7, 1, base=True)
    before, protection = nb_cdf(0.8, 1.6, 5), nb_cdf(0.8, 1.6, 6)
    assert rp.cycle_service(before, nb_cdf(0.8, 1.6, 1), 7, 1) == pytest.approx(cycle, abs=0.012)
    assert rp.fill_rate(before, protection, 7, 1) == pytest.approx(fill, abs=0.008)
    assert rp.mean_left(protection, 7, 1) == pytest.approx(stock, rel=0.03)
    # of the textbook (Silver, Pyke, Thomas 2017, 6.9): of the cycles that order, those whose demand S covers
    demands = nb_cdf(0.8, 1.6, 6)[8] - nb_cdf(0.8, 1.6, 1)[0] * before[8]
    assert rp.cycle_service(before, nb_cdf(0.8, 1.6, 1), 7, 1) == pytest.approx(
        demands / (1 - nb_cdf(0.8, 1.6, 1)[0]), rel=1e-6
    )


def test_random_lead_times_are_a_mixture():
    leads = [3, 5, 9]
    cycle, fill, stock = simulated(np.random.default_rng(3), 0.5, 2.0, leads, 1, 5, 30)
    before = np.mean([nb_cdf(0.5, 2.0, x - 1) for x in leads], axis=0)
    protection = np.mean([nb_cdf(0.5, 2.0, x) for x in leads], axis=0)
    assert rp.cycle_service(before, nb_cdf(0.5, 2.0, 1), 5, 30) == pytest.approx(cycle, abs=0.015)
    assert rp.fill_rate(before, protection, 5, 30) == pytest.approx(fill, abs=0.008)
    assert rp.mean_left(protection, 5, 30) == pytest.approx(stock, rel=0.03)


def test_cost_of_a_textbook_rq_policy():
    # continuous review, Poisson demand of 1.5 a year, lead time 2, h = 20, p = 150, K = 100: the best (r, Q) is
    # (3, 5) and costs 107.92358 (stockpyl's r_q_poisson_exact, after Snyder and Shen 2019, 5.5)
    over_lead = poisson_cdf(3.0)

    def cost(r, q):
        return 100 * 1.5 / q + 20 * rp.mean_left(over_lead, r, q) + 150 * rp.mean_short(over_lead, r, q)

    assert cost(3, 5) == pytest.approx(107.92358063314975, rel=1e-12)
    assert min((cost(r, q), r, q) for r in range(8) for q in range(1, 12))[1:] == (3, 5)


def test_thin_slices_of_time_are_continuous_review():
    # Poisson demand of 3 over the lead time in 3000 slices of a day: units come one by one
    slices = 3000
    review, before, protection = (poisson_cdf(3.0 * x / slices) for x in (1, slices - 1, slices))
    for s in (2, 5, 8):
        # base stock: a unit is served at once if fewer than S = s + 1 were asked for in a lead time (Palm 1938)
        assert rp.fill_rate(before, protection, s, 1) == pytest.approx(stats.poisson.cdf(s, 3), abs=2e-3)
        # (s, Q): no shortage if the demand of a lead time is at most s (Axsäter 2015, 5.3)
        assert rp.cycle_service(before, review, s, 40) == pytest.approx(stats.poisson.cdf(s, 3), abs=2e-3)
        lots = [stats.poisson.cdf(x, 3) for x in range(s, s + 6)]
        assert rp.fill_rate(before, protection, s, 6) == pytest.approx(np.mean(lots), abs=2e-3)


def test_means_are_plain_sums():
    rng = np.random.default_rng(4)
    for _ in range(20):
        pmf = rng.dirichlet(np.ones(12))
        cdf, values = np.cumsum(pmf), np.arange(12)
        s, q = int(rng.integers(-1, 20)), int(rng.integers(1, 60))  # also far beyond the table
        levels = np.arange(s + 1, s + q + 1)[:, None]
        left = (np.maximum(levels - values, 0) @ pmf).mean()
        short = (np.maximum(values - levels, 0) @ pmf).mean()
        assert rp.mean_left(cdf, s, q) == pytest.approx(left)
        assert rp.mean_short(cdf, s, q) == pytest.approx(short, abs=1e-9)
        assert rp.mean_demand(cdf) == pytest.approx(values @ pmf)


def test_undershoot_is_a_plain_sum():
    rng = np.random.default_rng(5)
    for _ in range(20):
        before, review = rng.dirichlet(np.ones(9)), rng.dirichlet(np.ones(6))
        s, q = int(rng.integers(0, 9)), int(rng.integers(1, 9))
        orders = kept = 0.0
        for above in range(1, q + 1):  # the position before a review, above s
            for d, p in enumerate(review):
                if d >= above:
                    orders += p
                    kept += p * sum(before[: max(0, s - (d - above) + 1)])
        found = rp.cycle_service(np.cumsum(before), np.cumsum(review), s, q)
        assert found == pytest.approx(kept / orders)


def test_nothing_asked_for_is_always_served():
    none = np.ones(3)
    assert rp.fill_rate(none, none, 0, 1) == 1
    assert rp.cycle_service(none, none, 0, 1) == 1


@pytest.mark.parametrize("fill", [True, False])
def test_the_least_point_reaches_its_target_and_one_less_does_not(fill):
    rng = np.random.default_rng(6)
    n = 40
    mean, ratio = rng.uniform(0.05, 6, n), rng.uniform(1.1, 5, n)
    lead, target = rng.integers(1, 20, n), rng.uniform(0.3, 0.995, n)
    lot = rng.integers(1, 50, n)
    days = (lead - 1, lead, np.ones(n))
    before, protection, review = (
        np.array([nb_cdf(*x) for x in zip(mean, ratio, y, strict=True)]) for y in days
    )
    kind, out = np.full(n, fill), np.zeros(n, np.int64)
    rp.least_points(before, protection, review, kind, lot, target, out)
    service, stock = np.zeros(n), np.zeros(n)
    rp.deliver(before, protection, protection, review, kind, out.astype(float), lot, service, stock)
    assert (service >= target - 1e-9).all()
    below = np.where(out > 0, out - 1.0, np.nan)
    rp.deliver(before, protection, protection, review, kind, below, lot, service, stock)
    assert (service[out > 0] < target[out > 0]).all()
    assert np.isnan(service[out == 0]).all()
    assert (out > 0).mean() > 0.5
