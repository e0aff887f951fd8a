"""How long lines are waited for: learned by age and class, censored, and told to lines and to those to come."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.patience import EDGES, learn_patience, steady_patience, with_cut_off

DAY = pd.Timestamp("2026-03-31")


def waits(n, chance, rng, *, cut_off=None, longest=300, priority=None):
    """Tables of n lines without stock: each day of the wait customers leave with `chance(days, priority)`, goods come
    with 1 %, and the retailer cancels what is there on day `cut_off`."""
    began = rng.integers(1, longest, n)
    priority = np.zeros(n, np.int64) if priority is None else priority
    left, came = np.full(n, 10_000), rng.geometric(0.01, n)
    for day in range(1, longest + 1):
        left[(left > day) & (rng.random(n) < chance(day, priority))] = day
    by_retailer = np.zeros(n, bool)
    if cut_off is not None:
        by_retailer = (left > cut_off) & (came > cut_off)
        left = np.where(by_retailer, cut_off, left)
    ids = [f"l{i}" for i in range(n)]
    lines = pd.DataFrame({"order_id": ids, "line_id": ids, "item_id": "a", "qty": 1.0, "priority": priority,
                          "ordered_at": DAY - pd.to_timedelta(began, unit="D")})  # fmt: skip
    gone, sent = (left <= came) & (left <= began), (came < left) & (came <= began)
    cancelled = pd.DataFrame({"line_id": lines.line_id[gone], "qty": 1.0,
                              "cancelled_at": (lines.ordered_at + pd.to_timedelta(left, unit="D"))[gone],
                              "cancelled_by": np.where(by_retailer, "retailer", "customer")[gone]})  # fmt: skip
    shipped = pd.DataFrame({"line_id": lines.line_id[sent], "qty": 1.0,
                            "shipped_at": (lines.ordered_at + pd.to_timedelta(came, unit="D"))[sent]})  # fmt: skip
    stock = pd.DataFrame({"item_id": ["a"], "date": [DAY - pd.Timedelta(days=400)], "on_hand": 0.0})
    return {"order_lines": lines, "cancellations": cancelled, "shipments": shipped, "stock": stock}


def learned(tables, **queue):
    return learn_patience(bf.Dataset.of(tables, bf.Config(queue=queue)).as_of(DAY))


def by_age(day, _):
    return np.where(day < 15, 0.04, 0.004)


def test_chances_by_age_are_found_where_they_differ():
    found = learned(waits(6_000, by_age, np.random.default_rng(1)))
    assert found.age[:2] == pytest.approx(0.04, rel=0.1)
    assert found.age[3:5] == pytest.approx(0.004, rel=0.25)
    assert f"{found.age[0]:.2%} in the first week" in found.note()


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_told_apart_where_nothing_differs(seed):
    rng = np.random.default_rng(seed)
    found = learned(waits(1_500, lambda d, p: np.full(1_500, 0.02), rng, priority=rng.integers(0, 2, 1_500)))
    counted = found.daily
    assert np.abs(found.age / counted - 1).max() < 0.15
    assert np.abs(found.one_class / counted - 1).max() < 0.2


def test_chances_by_class_are_found_and_a_rare_class_is_drawn_to_the_rest():
    rng = np.random.default_rng(3)
    priority = rng.choice([0, 1, 2], 6_000, p=[0.5, 0.498, 0.002])
    found = learned(waits(6_000, lambda d, p: np.where(p == 0, 0.03, 0.01), rng, priority=priority))
    assert found.classes.tolist() == [0, 1, 2]
    assert found.one_class[0, 0] == pytest.approx(0.03, rel=0.15)
    assert found.one_class[1, 0] == pytest.approx(0.01, rel=0.2)
    assert 0.008 < found.one_class[2, 0] < 0.03
    # a class never seen has the chances of all
    assert found.rows(np.array([1, 7])).tolist() == [1, 3]
    assert found.table(10)[3, 10] == pytest.approx(-np.log1p(-found.age[[0] * 7 + [1] * 3]).sum())


def test_held_out_waits_are_likelier_than_under_one_chance():
    rng = np.random.default_rng(5)
    found = learned(waits(2_000, by_age, rng))
    law, flat = found.table(300)[-1], steady_patience(found.daily).table(300)[-1]
    later = waits(4_000, by_age, rng)
    gone = later["cancellations"].set_index("line_id")["cancelled_at"]
    sent = later["shipments"].set_index("line_id")["shipped_at"]
    lines = later["order_lines"].set_index("line_id")
    end = gone.reindex(lines.index).fillna(sent.reindex(lines.index)).fillna(DAY)
    days = (end - lines["ordered_at"]).dt.days.to_numpy()
    left = lines.index.isin(gone.index)

    def log_likelihood(law):
        chance = -np.expm1(-np.diff(law, prepend=0.0))
        return np.where(left, np.log(chance[days]) - law[days - 1], -law[days])[days > 1].sum()

    assert log_likelihood(law) > log_likelihood(flat) + 50


def test_a_retailers_rule_is_found_and_what_it_cancels_now_and_then_is_none():
    rng = np.random.default_rng(7)
    steady = lambda d, p: np.full(1_000, 0.01)  # noqa: E731
    found = learned(waits(1_000, steady, rng, cut_off=45))
    assert (found.cut_off, found.cut_share) == (45, pytest.approx(1.0, abs=0.05))
    assert found.daily == pytest.approx(0.01, rel=0.2)
    assert "on day 45 of the wait" in found.note()
    tables = waits(1_000, steady, rng)
    assert learned(tables).cut_off is None
    now_and_then = tables["cancellations"].assign(cancelled_by="retailer")
    assert learned(tables | {"cancellations": now_and_then}).endless
    stated = learned(tables, cut_off_days=30)
    assert (stated.cut_off, stated.cut_share) == (30, 1.0)
    assert learned(tables, cut_off_days=30, patience="none").age.tolist() == [0.0] * len(EDGES)


def test_who_kept_to_the_wait_they_had_named_says_nothing_of_others():
    tables = waits(500, lambda d, p: np.full(500, 0.02), np.random.default_rng(2))
    named = tables["order_lines"].assign(max_wait_days=1)
    assert learned(tables | {"order_lines": named}).daily == 0.0
    assert learned(tables).daily > 0.015


def test_the_table_is_the_law_of_the_wait():
    patience = with_cut_off(steady_patience(0.1), 5)
    still = np.exp(-patience.table(8)[0])
    assert still[:5] == pytest.approx(0.9 ** np.arange(5))
    assert still[5:].max() < 1e-5


def test_lines_are_cancelled_on_the_day_of_their_wait_by_which_the_retailer_has_promised_nothing_more():
    ages = np.array([10, 40, 59])
    ids = [f"l{x}" for x in ages]
    lines = pd.DataFrame({"order_id": ids, "line_id": ids, "item_id": "a", "qty": 1.0,
                          "ordered_at": DAY - pd.to_timedelta(ages, unit="D")})  # fmt: skip
    stock = pd.DataFrame({"item_id": ["a"], "date": [DAY], "on_hand": 0.0})
    policy = pd.DataFrame({"item_id": ["a"], "stated_at": [DAY], "policy": "rQ", "reorder_point": 0.0, "order_qty": 9.0,
                           "planned_lead_time_days": 25.0})  # fmt: skip
    config = bf.Config(queue={"cut_off_days": 60}, simulation={"scenarios": 50, "horizon_days": 60})
    past = bf.Dataset.of({"order_lines": lines, "stock": stock, "policies": policy}, config).as_of(DAY)
    outcomes = bf.simulate(past, bf.forecast_demand(past), bf.forecast_supply(past, bf.fit_lead_times(past)), seed=1)
    found = bf.line_eta(outcomes).set_index("line_id")["cancel_prob"]
    # goods come after 25 days: too late for those who have 20 days left or one
    assert found.tolist() == [0.0, 1.0, 1.0]
