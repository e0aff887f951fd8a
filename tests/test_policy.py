"""Policies stated and derived, and demand over lead time and review against textbook formulas."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import backorder_forecast as bf
from backorder_forecast.core.queue_kernel import BASE_STOCK, NO_POLICY, RQ, SS
from backorder_forecast.demand import Demand
from backorder_forecast.methods.laws import Future, PanelLaw
from backorder_forecast.methods.smoothing import SHARES
from backorder_forecast.policy import Cover, lot_sizes, set_policies, suggested_points

DAY = pd.Timestamp("2026-03-31")


def demand_of(mean, ratio, levels=None, unit=1.0):
    """Demand with known means and variance-to-mean ratios, without doubt about the level unless given."""
    mean, ratio = np.atleast_1d(np.asarray(mean, float)), np.broadcast_to(ratio, np.shape(np.atleast_1d(mean)))
    n = len(mean)
    skus = pd.DataFrame({"item_id": [f"i{k:03d}" for k in range(n)], "location_id": "main"})
    levels = np.ones((n, len(SHARES))) if levels is None else np.broadcast_to(levels, (n, len(SHARES)))
    units, ones = np.full(n, unit), np.ones(n, np.int64)
    law = PanelLaw.of_counts(ratio, (mean / units)[:, None] * levels)
    future = Future(0 * ones, np.ones((1, 180)), np.ones((n, 7)), np.zeros(180, np.int64), ones, 180 * ones)
    return Demand(skus, step=units, items=skus, law=law, future=future, unit=units, edges=np.array([0, 180]),
                  names=("steady level",), unseen=np.ones(182), class_share=np.ones((n, 1)))  # fmt: skip


def doubtful(low, high):
    """Levels by strata with mean 1, and their variance."""
    levels = np.linspace(low, high, len(SHARES))
    levels /= levels @ SHARES
    return levels, levels**2 @ SHARES - 1.0


def lead_times_of(*pmfs, pairs=None):
    """Stands for fitted lead times: laws over days 0, 1, …, one a SKU in turn, without what never comes."""
    width = max(len(x) for x in pmfs)
    laws = np.array([np.cumsum(np.pad(x, (0, width - len(x)))) for x in map(np.asarray, pmfs)], float)

    def rows(supplier, item, location):
        return np.arange(len(item)) % len(pmfs) if pairs is None else np.array([pairs[x] for x in supplier])

    return SimpleNamespace(received_laws=laws, laws=laws, purchases=np.zeros(1), rows=rows)


def after(days):
    """All mass on one day."""
    return np.append(np.zeros(days), 1.0)


def past_of(n=1, day=DAY, config=None, **tables):
    names = [f"i{k:03d}" for k in range(n)]
    stock = pd.DataFrame({"item_id": names, "date": DAY - pd.Timedelta(days=1), "on_hand": 5.0})
    return bf.Dataset.of({"stock": stock} | tables, bf.Config(**(config or {}))).as_of(day)


def policies_of(rows):
    frame = pd.DataFrame(rows)
    return frame.assign(stated_at=pd.to_datetime(frame.get("stated_at", "2026-01-01")))


def test_demand_over_a_fixed_lead_time():
    # Silver, Pyke, Thomas (2017), 6.7: mean D·L, variance σ²·L. What is ordered in the evening of a day comes in the
    # morning of the L-th day after it, so with a look every evening L days of demand have to be covered.
    mean, sd = Cover(demand_of([4.0, 0.3], [2.5, 1.5]), np.array([[6.0], [20.0]]), np.ones(2)).moments()
    assert mean == pytest.approx([24, 6])
    assert sd == pytest.approx(np.sqrt([4 * 2.5 * 6, 0.3 * 1.5 * 20]))
    # and R − 1 more where it is looked at every R days (6.9: D·(R + L))
    mean, sd = Cover(demand_of([4.0], 2.5), np.array([[6.0]]), np.array([7.0])).moments()
    assert (mean[0], sd[0]) == pytest.approx((4 * 12, np.sqrt(10 * 12)))


def test_demand_over_a_random_lead_time():
    # Silver, Pyke, Thomas (2017), 6.10: variance = E[L]·σ² + Var[L]·D²
    lead = np.array([3.0, 5.0, 10.0])
    mean, sd = Cover(demand_of([4.0], 2.5), lead[None], np.ones(1)).moments()
    assert mean[0] == pytest.approx(6 * 4)
    assert sd[0] == pytest.approx(np.sqrt(6 * 10 + lead.var() * 16))


def test_doubt_about_the_level_adds_its_own_variance():
    levels, variance = doubtful(0.5, 1.5)
    mean, sd = Cover(demand_of([4.0], 2.5, levels), np.array([[6.0]]), np.ones(1)).moments()
    assert mean[0] == pytest.approx(24)
    assert sd[0] == pytest.approx(np.sqrt(6 * 10 + 24**2 * variance))


def test_points_stand_for_the_law_of_the_lead_time():
    days = np.arange(120)
    laws = [after(9), stats.nbinom.pmf(days, 4, 0.2), 0.8 * stats.geom.pmf(days, 0.1), np.array([0.5, 0.0, 0.5])]
    past = past_of(4)
    found = set_policies(past, demand_of(np.ones(4), 1.5), lead_times_of(*laws))
    expected = [9.0, *(np.maximum(days, 1) @ x / x.sum() for x in laws[1:3]), 1.5]  # it takes a day at least
    assert found.lead_days == pytest.approx(expected, rel=1e-9)
    mean, sd = found.cover.moments()
    assert mean == pytest.approx(expected)
    spread = [(np.maximum(days, 1) - e) ** 2 @ x / x.sum() for x, e in zip(laws[1:3], expected[1:3], strict=True)]
    variance = [0, *spread, 0.25]
    # points leave out what varies within their shares: most in a long tail
    assert sd == pytest.approx(np.sqrt(np.array(expected) * 1.5 + variance), rel=0.02)


def test_cover_agrees_with_draws():
    rng = np.random.default_rng(1)
    n, lead = 400_000, np.array([2.0, 4.0, 4.0, 11.0])
    levels, _ = doubtful(0.4, 1.6)
    cover = Cover(demand_of([0.7], 2.2, levels), lead[None], np.array([3.0]))
    laws = cover.laws(np.array([0]))
    level, days = rng.choice(levels, n, p=SHARES), rng.choice(lead, n)

    def draws(days):
        size = 0.7 * level * days / 1.2
        return rng.negative_binomial(np.maximum(size, 1e-9), 1 / 2.2)

    for law, seen in (
        (laws.before, draws(days - 1)), (laws.protection, draws(days + 2)), (laws.review, draws(np.full(n, 3))),
    ):  # fmt: skip
        for x in (0, 2, 5, 12):
            assert law.cdf(x)[0] == pytest.approx((seen <= x).mean(), abs=0.004)
    # days since the last review and lead times, four points each, are spread over one another
    between = draws(days + rng.integers(0, 3, n))
    assert laws.between.mean()[0] == pytest.approx(between.mean(), rel=0.06)


def test_the_policy_in_force_is_the_latest_stated_and_a_later_one_is_not_seen():
    stated = policies_of([
        {"item_id": "i000", "stated_at": "2025-01-01", "policy": "rQ", "reorder_point": 5, "order_qty": 10},
        {"item_id": "i000", "stated_at": "2026-02-01", "policy": "rQ", "reorder_point": 9, "order_qty": 20},
        {"item_id": "i000", "stated_at": "2026-04-15", "policy": "rQ", "reorder_point": 99, "order_qty": 99},
    ])  # fmt: skip
    points, first = {}, pd.DataFrame({"item_id": ["i000"], "date": ["2024-01-01"], "on_hand": [1]})
    for day in ("2024-12-31", "2025-01-01", "2026-01-31", "2026-02-01", "2026-04-14", "2026-04-15"):
        past = past_of(day=pd.Timestamp(day), policies=stated, stock=first)
        frame = set_policies(past, demand_of([1.0], 2.0), lead_times_of(after(5))).frame
        points[day] = (frame.reorder_point[0], frame.order_qty[0]) if frame.stated[0] else None
    assert points == {
        "2024-12-31": None, "2025-01-01": (5, 10), "2026-01-31": (5, 10), "2026-02-01": (9, 20),
        "2026-04-14": (9, 20), "2026-04-15": (99, 99),
    }  # fmt: skip


def test_what_is_not_stated_is_derived_and_said_so():
    stated = policies_of([
        {"item_id": "i000", "policy": "rQ", "reorder_point": 5, "order_qty": 10},
        {"item_id": "i001", "policy": "sS", "reorder_point": 5, "order_up_to": 30},
        {"item_id": "i002", "policy": "base_stock", "order_up_to": 30},
        {"item_id": "i003", "policy": "rQ", "reorder_point": 5},  # how much is missing
        {"item_id": "i004", "pack_size": 12, "service_target": 0.5},
    ])  # fmt: skip
    past = past_of(6, policies=stated, config={"policy": {"cover_days": 10, "service_target": 0.9}})
    frame = set_policies(past, demand_of(np.full(6, 1.5), 2.0), lead_times_of(after(8))).frame
    assert frame.stated.tolist() == [True, True, True, False, False, False]
    assert frame.policy.tolist() == ["rQ", "sS", "base_stock", "rQ", "rQ", "rQ"]
    assert frame.kind.tolist() == [RQ, SS, BASE_STOCK, RQ, RQ, RQ]
    assert frame.order_qty[3:].tolist() == [15, 15, 15]  # ten days of demand
    assert frame.pack_size.tolist() == [1, 1, 1, 1, 12, 1]
    assert frame.service_target.tolist() == [0.9, 0.9, 0.9, 0.9, 0.5, 0.9]
    assert frame.reorder_point[3] == frame.reorder_point[5] > frame.reorder_point[4]
    # the derived point covers the lead-time demand and its undershoot to the target, by brute force
    law = [stats.nbinom(1.5 * x, 0.5) for x in (1, 7)]
    over = [law[0].cdf(u + 15) - law[0].cdf(u) for u in range(60)]

    def kept(s):
        return sum(w * law[1].cdf(s - u) for u, w in enumerate(over)) / sum(over)

    point = int(frame.reorder_point[5])
    assert kept(point - 1) < 0.9 <= kept(point)


def test_who_is_asked_and_when():
    ordered = pd.to_datetime(["2026-01-06", "2026-01-13", "2026-01-21", "2026-02-03", "2026-02-05"])
    bought = pd.DataFrame({"po_line_id": list("abcde"), "item_id": ["i000"] * 4 + ["i002"], "qty": 5.0,
                           "supplier_id": ["s1", "s1", "s1", "s2", "s3"], "ordered_at": ordered})  # fmt: skip
    items = pd.DataFrame({"item_id": ["i001", "i002"], "supplier_id": ["s7", "s8"]})
    stated = policies_of([{"item_id": f"i00{k}", "policy": "base_stock", "order_up_to": 5, "review_days": 7,
                           "supplier_id": "s9" if k == 2 else None} for k in range(4)])  # fmt: skip
    past = past_of(4, policies=stated, purchase_lines=bought, items=items)
    law = lead_times_of(after(5), pairs={"s2": 0, "s7": 0, "s9": 0, "unknown": 0})
    frame = set_policies(past, demand_of(np.ones(4), 2.0), law).frame
    # the latest purchase's; the item's; the policy's before the item's; nobody known
    assert frame.supplier_id.tolist() == ["s2", "s7", "s9", "unknown"]
    tuesday, monday = pd.Timestamp("2026-03-31").toordinal() % 7, pd.Timestamp("2026-03-30").toordinal() % 7
    thursday = pd.Timestamp("2026-02-05").toordinal() % 7
    assert frame.review_phase.tolist() == [tuesday, monday, thursday, monday]  # where most orders fell, else Mondays
    assert frame.review_days.tolist() == [7] * 4


def test_nothing_is_ordered_of_what_ended_or_where_no_lead_time_is_known():
    ended = pd.DataFrame({"item_id": ["i000", "i001"], "discontinued_date": [DAY, DAY + pd.Timedelta(days=1)]})
    past = past_of(3, items=ended)
    frame = set_policies(past, demand_of(np.ones(3), 2.0), lead_times_of(after(5))).frame
    assert frame.can_order.tolist() == [False, True, True]
    assert frame.kind.tolist() == [NO_POLICY, RQ, RQ]
    never = SimpleNamespace(purchases=np.zeros(0), rows=lambda supplier, item, place: np.zeros(len(item), np.int64))
    stated = policies_of([{"item_id": "i001", "planned_lead_time_days": 12.0}])
    found = set_policies(past_of(3, policies=stated), demand_of(np.ones(3), 2.0), never)
    assert found.frame.can_order.tolist() == [False, True, False]
    assert found.lead_days[1] == 12
    assert found.cover.moments()[0][1] == pytest.approx(12)


def test_lots_come_in_packs_and_reach_the_least_order():
    frame = pd.DataFrame({
        "policy": ["rQ", "rQ", "rQ", "sS", "base_stock", "base_stock"], "reorder_point": [3, 3, 3, 4, np.nan, np.nan],
        "order_qty": [10.0, 10, 10, np.nan, np.nan, np.nan], "order_up_to": [np.nan, np.nan, np.nan, 20, 9, 9],
        "pack_size": [1.0, 6, 6, 1, 1, 6], "min_order_qty": [0.0, 0, 14, 0, 0, 0],
    })  # fmt: skip
    assert lot_sizes(frame, np.ones(6)).tolist() == [10, 12, 18, 16, 1, 6]


def test_suggestions_rise_with_target_lead_time_and_review_but_not_over_the_stock_allowed():
    def point(target=0.9, lead=10.0, review=1.0, measure="cycle", most=np.inf):
        frame = pd.DataFrame({"policy": ["rQ"], "reorder_point": [0.0], "order_qty": [20.0], "order_up_to": [np.nan],
                              "pack_size": [1.0], "min_order_qty": [0.0], "max_stock": [most],
                              "service_measure": [measure], "service_target": [target]})  # fmt: skip
        cover = Cover(demand_of([2.0], 3.0), np.array([[lead]]), np.array([review]))
        return suggested_points(frame, cover)[0]

    for measure in ("cycle", "fill"):
        assert point(0.5, measure=measure) < point(0.9, measure=measure) < point(0.99, measure=measure)
        assert point(lead=5, measure=measure) < point(lead=20, measure=measure)
        assert point(review=1, measure=measure) < point(review=14, measure=measure)
    assert point(measure="fill") < point()  # with a lot of twenty, most units come from a full shelf
    assert point(most=30.0) == 10
    assert point(most=15.0) == 0
