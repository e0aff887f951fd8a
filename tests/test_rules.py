"""Rules by name and by one's own hand, in the whole simulation of small companies."""

from typing import get_args

import numba
import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.config import Queue
from backorder_forecast.core.queue_layout import BY_KEY
from backorder_forecast.kinds import MOST, as_lines, future_kinds, protected_groups
from backorder_forecast.past import sku_codes
from backorder_forecast.queue import leave_days
from backorder_forecast.rules import LAST, NAMES, ORDERINGS, SHARINGS, Lines, rule_named

DAY = "2026-03-02"
QUICK = {"simulation": {"scenarios": 40, "horizon_days": 60, "jobs": 1},
         "queue": {"handling": "none", "working_days": "all", "patience": "none"}}  # fmt: skip
WAITING = (  # line, quantity, ordered on day of 2026-02, extras
    ("w1", 6, 20, {}), ("w2", 6, 21, {}), ("w3", 20, 22, {}),
)  # fmt: skip


def company(waiting=WAITING, on_hand=10.0, history=40, seed=1, **tables):
    """One item: lines of the past that left at once, lines that wait, stock, and one purchase."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2025-12-01", periods=history, freq="2D")
    old = pd.DataFrame({"line_id": [f"h{i}" for i in range(history)], "ordered_at": days,
                        "qty": rng.integers(1, 5, history).astype(float),
                        "promised_date": days + pd.to_timedelta(rng.choice([2, 14], history), "D")})  # fmt: skip
    rows = [{"line_id": x, "qty": float(q), "ordered_at": pd.Timestamp(2026, 2, d), **m} for x, q, d, m in waiting]
    lines = pd.concat([old, pd.DataFrame(rows)], ignore_index=True).assign(item_id="a")
    lines["order_id"] = lines["line_id"]
    given = {
        "order_lines": lines,
        "shipments": pd.DataFrame({"line_id": old.line_id, "shipped_at": old.ordered_at, "qty": old.qty}),
        "stock": pd.DataFrame({"item_id": ["a"], "date": [pd.Timestamp(DAY)], "on_hand": [on_hand]}),
        "purchase_lines": pd.DataFrame({"po_line_id": ["p0", "p1"], "item_id": "a", "qty": [30.0, 15.0],
                                        "ordered_at": pd.to_datetime(["2025-12-05", "2026-02-25"])}),
        "receipts": pd.DataFrame({"po_line_id": ["p0"], "received_at": [pd.Timestamp("2025-12-19")], "qty": [30.0]}),
    }  # fmt: skip
    return bf.load({**given, **tables}, config=QUICK)


def outcomes(data, rule=None, config=None, **more):
    past = data.as_of(DAY) if config is None else bf.past.rebuild(data, pd.Timestamp(DAY), config)
    demand = bf.forecast_demand(past)
    supply = bf.forecast_supply(past, bf.fit_lead_times(past))
    return bf.simulate(past, demand, supply, rule=rule, **more)


def ready(data, rule):
    eta = bf.line_eta(outcomes(data, rule)).set_index("line_id")
    return eta.ready_qty[[x[0] for x in WAITING]].tolist()


def order_of(data, rule, strategies=None):
    config = bf.Config(**{**QUICK, "queue": {**QUICK["queue"], "strategies": strategies or {}}})
    return outcomes(data, rule, config).lines.line_id.tolist()


def test_settings_and_functions_have_the_same_names():
    assert get_args(Queue.model_fields["rule"].annotation) == NAMES
    assert set(ORDERINGS) | set(SHARINGS) == set(NAMES)


def test_unknown_rules_are_refused_with_a_hint():
    with pytest.raises(bf.ConfigError, match=r"queue.rule = 'prioritty': no rule .* did you mean 'priority'"):
        bf.Config(queue={"rule": "prioritty"})
    with pytest.raises(bf.BackorderForecastError, match="unknown rule 'max-min'; did you mean 'max_min'"):
        rule_named("max-min")


def test_stock_ten_for_six_six_and_twenty_leaves_zero_two_and_twenty():
    assert [q - r for q, r in zip((6, 6, 20), ready(company(), "first_come"), strict=True)] == [0, 2, 20]


def test_what_each_rule_gives_today():
    came = pd.DataFrame({"item_id": ["a"], "moved_at": [pd.Timestamp(DAY)], "qty": [10.0], "kind": ["return"]})
    data = company(stock_movements=came)  # the ten have come today, when all three waited
    assert ready(data, "largest") == [0, 0, 10]
    assert ready(data, "smallest") == [6, 4, 0]
    assert ready(data, "proportional") == [2, 2, 6]
    assert ready(data, "max_min") == [4, 3, 3]
    assert ready(data, "equal_losses") == [0, 0, 10]


def test_orderings_of_waiting_lines():
    rows = (
        ("a", 3, 10, {"priority": 1, "promised_date": "2026-04-01", "requested_date": "2026-02-20", "unit_price": 9.0}),
        ("b", 9, 12, {"priority": 0, "promised_date": None, "requested_date": "2026-02-25", "unit_price": 1.0}),
        ("c", 5, 14, {"priority": 0, "promised_date": "2026-03-01", "unit_price": None, "sequence": 7.0}),
        ("d", 2, 16, {"priority": -1, "promised_date": "2026-03-01", "unit_price": 4.0, "sequence": 2.0}),
    )
    rows = [(x, q, d, {k: pd.Timestamp(v) if "date" in k and v else v for k, v in m.items()}) for x, q, d, m in rows]
    data = company(rows, on_hand=0.0)
    # wanted: c 14, d 16, a 20, b 25 of February
    assert order_of(data, "first_come") == ["c", "d", "a", "b"]
    assert order_of(data, "priority") == ["d", "c", "b", "a"]
    assert order_of(data, "requested") == ["c", "d", "a", "b"]
    assert order_of(data, "promised") == ["c", "d", "a", "b"]
    assert order_of(data, "smallest") == ["d", "a", "c", "b"]
    assert order_of(data, "largest") == ["b", "c", "a", "d"]
    assert order_of(data, "revenue") == ["a", "b", "d", "c"]
    assert order_of(data, "sequence") == ["d", "c", "a", "b"]
    # a and c and d are promised something; b is not
    assert order_of(data, "reallocate") == ["c", "d", "a", "b"]
    assert order_of(data, "reallocate", {1: "win", -1: "lose"}) == ["a", "c", "b", "d"]
    assert order_of(data, "reallocate", {0: "redistribute", -1: "fill", 1: "improve"}) == ["a", "c", "b", "d"]
    assert order_of(data, lambda lines: lines.open_qty % 5) == ["c", "d", "a", "b"]
    assert order_of(data, "max_min") == order_of(data, "first_come")


def test_a_rule_of_ones_own_is_the_rule_that_says_the_same():
    data = company(history=60)

    def mine(lines: Lines) -> np.ndarray:
        return -lines.open_qty

    a, b = outcomes(data, mine), outcomes(data, "largest")
    assert (a.rule, b.rule) == ("mine", "largest")
    for x, y in zip(a.tally, b.tally, strict=True):
        assert (x == y).all()
    for bad, told in ((lambda x: x.open_qty[:1], "shape"), (lambda x: x.promised, "finite"),
                      (lambda x: x.wanted % 7, "straight line"), (lambda x, y, z: x, "a function of")):  # fmt: skip
        with pytest.raises(bf.BackorderForecastError, match=told):
            outcomes(data, bad)


def in_proportion(claims, available):
    return claims * available / claims.sum()


@pytest.mark.parametrize("mine", [in_proportion, numba.njit(in_proportion)])
def test_a_sharing_of_ones_own_is_the_one_that_says_the_same(mine):
    data = company(history=60, on_hand=7.0)
    a, b = outcomes(data, mine), outcomes(data, "proportional")
    assert all((x == y).all() for x, y in zip(a.tally, b.tally, strict=True))
    pd.testing.assert_frame_equal(bf.line_eta(a), bf.line_eta(b))
    assert a.rule == "in_proportion"
    assert a.tally.risk["short_units"].sum() > 0


def test_a_sharing_of_ones_own_gives_no_more_than_is_asked_and_is_there():
    greedy = rule_named(lambda claims, available: claims * 0 + 1e9)
    assert greedy.shares(np.array([3.0, 4.0, 5.0]), 8.0, 1.0).tolist() == [3, 4, 1]
    mean = rule_named(lambda claims, available: -claims)
    assert mean.shares(np.array([3.0, 4.0]), 5.0, 1.0).tolist() == [0, 0]
    half = rule_named(lambda claims, available: claims / 2)
    assert half.shares(np.array([3.0, 4.0]), 5.0, 1.0).tolist() == [1, 2]
    assert half.shares(np.array([3.0, 4.0]), 7.0, 1.0).tolist() == [3, 4]  # enough for all: it is not asked
    for bad, told in ((lambda x, y: x[:1], "one finite number"), (lambda x, y: x / 0 * 0, "one finite number"),
                      (lambda x, y: nowhere, "NameError")):  # noqa: F821  # fmt: skip
        with pytest.raises(bf.BackorderForecastError, match=told), np.errstate(all="ignore"):
            outcomes(company(history=60), bad)


def test_every_rule_meets_the_same_demand_and_supply():
    data = company(history=60, on_hand=0.0)
    base = outcomes(data, "first_come")
    for rule in NAMES:
        other = outcomes(data, rule)
        assert (other.tally.risk["new_units"] == base.tally.risk["new_units"]).all(), rule
        assert other.own_dates.table.shape == base.own_dates.table.shape
    # in pieces and without customers who leave, an order only says whose units they are
    for rule in ("largest", "smallest", "promised", "revenue"):
        chosen = {"paths": np.arange(1)}
        assert (outcomes(data, rule, **chosen).tally.paths == outcomes(data, "first_come", **chosen).tally.paths).all()


def test_the_smallest_are_served_before_future_orders_that_are_larger():
    rows = (("w1", 1, 27, {}), ("w2", 30, 1, {}))
    found = [outcomes(company(rows, on_hand=0.0), x) for x in ("smallest", "first_come")]
    days = [dict(zip(x.lines.line_id, x.own_dates.table.sum(axis=1), strict=True)) for x in found]  # more is sooner
    assert days[0]["w1"] > days[1]["w1"]
    assert days[0]["w2"] < days[1]["w2"]  # those who come later with less are served before it


def test_row_order_threads_and_rules():
    data = company(history=60)
    shuffled = {k: v.sample(frac=1.0, random_state=4) for k, v in data.tables.items() if k in data.given}
    other = bf.load(shuffled, config={**QUICK, "simulation": QUICK["simulation"] | {"jobs": 2}})
    for rule in NAMES:
        a, b = outcomes(data, rule), outcomes(other, rule)
        assert all((x == y).all() for x, y in zip(a.tally, b.tally, strict=True)), rule


def test_kinds_of_future_lines_are_those_of_the_past():
    past = company(history=60).as_of(DAY)
    kinds = future_kinds(past, ORDERINGS["promised"], protected_groups(past))
    assert kinds.step[0].tolist() == [0.0, 1.0, 1.0]  # none, in 2 days, in 14 days
    assert kinds.key[0].tolist() == [LAST, 2.0, 14.0]
    share = np.diff(kinds.cum[0], prepend=0.0)
    old = past.lines[past.lines.line_id.str.startswith("h")]
    days = (old.promised_date - old.ordered_at).dt.days
    assert share[1] / share[2] == pytest.approx(old.qty[days == 2].sum() / old.qty[days == 14].sum(), rel=1e-6)
    assert len(future_kinds(past, ORDERINGS["first_come"], protected_groups(past)).group) == 1
    many = company([(f"w{i}", i + 1, 1, {}) for i in range(40)]).as_of(DAY)
    cut = future_kinds(many, ORDERINGS["smallest"], protected_groups(many))
    assert cut.cum[0].tolist() == pytest.approx(np.arange(1, MOST + 1) / MOST)
    assert (np.diff(cut.key[0]) >= 0).all()


def test_lines_as_rules_see_them():
    past = company().as_of(DAY)
    rows = past.lines[past.lines.open_qty > 0]
    lines = as_lines(past, rows.assign(sku=sku_codes(past, rows)), "open_qty", "promised_date")
    assert lines.wanted.tolist() == [-10, -9, -8]
    assert lines.requested.tolist() == [-10, -9, -8]
    assert np.isnan(lines.promised).all()
    assert lines.moved(3).wanted.tolist() == [-7, -6, -5]
    assert rule_named("priority").engine == BY_KEY


def test_a_customer_waits_no_longer_than_told():
    rows = (("w1", 6, 20, {"max_wait_days": 14}), ("w2", 6, 21, {}), ("w3", 3, 27, {"max_wait_days": 0}))
    data = company(rows, on_hand=0.0)
    free = company([(x, q, d, {}) for x, q, d, _ in rows], on_hand=0.0)
    a, b = outcomes(data, "first_come"), outcomes(free, "first_come")
    assert (b.tally.cancelled == 0).all()
    by = dict(zip(a.lines.line_id, a.tally.cancelled, strict=True))
    assert by["w3"] == a.scenarios  # its day is over
    # w1 waits on 6 March, the fourth simulated day, for the last time: whose date, told as if it stayed, is later has
    # cancelled
    left = np.cumsum(a.tally.line_day["leaves"], axis=1)[a.lines.line_id.tolist().index("w1"), 4]
    assert by["w1"] == a.scenarios - left > 0
    assert by["w2"] == 0
    eta, other = (bf.line_eta(x).set_index("line_id") for x in (a, b))
    assert eta.loc["w1", "cancel_prob"] == by["w1"] / a.scenarios
    assert eta.loc["w1", "ship_prob"] > 0.9  # its date is that of a customer who stays
    assert eta.loc["w2", "p50_date"] <= other.loc["w2", "p50_date"]


def test_a_changed_line_keeps_or_loses_its_place():
    changes = pd.DataFrame({"line_id": ["w1"], "changed_at": [pd.Timestamp("2026-02-25 09:00")], "field": ["qty"],
                            "value": ["6"], "old_value": ["4"]})  # fmt: skip
    data = company(line_changes=changes, on_hand=0.0)
    assert order_of(data, "first_come") == ["w1", "w2", "w3"]
    lose = bf.Config.merged(QUICK, {"queue": {**QUICK["queue"], "changed_lines": "lose"}})
    assert outcomes(data, "first_come", lose).lines.line_id.tolist() == ["w2", "w3", "w1"]


def test_a_changed_priority_or_date_keeps_the_place_and_a_later_date_is_a_later_place():
    config = bf.Config.merged(QUICK, {"queue": {**QUICK["queue"], "changed_lines": "lose"}})

    def order(field, value):
        row = {"line_id": ["w1"], "changed_at": [pd.Timestamp("2026-02-25")], "field": [field], "value": [value],
               "old_value": [None]}  # fmt: skip
        data = company(line_changes=pd.DataFrame(row), on_hand=0.0)
        return [outcomes(data, "first_come", x).lines.line_id.tolist() for x in (None, config)]

    assert order("priority", "0") == [["w1", "w2", "w3"]] * 2
    assert order("requested_date", "2026-02-20") == [["w1", "w2", "w3"], ["w2", "w3", "w1"]]
    assert order("requested_date", "2026-03-09") == [["w2", "w3", "w1"]] * 2


def test_discontinued_items_do_not_come():
    items = pd.DataFrame({"item_id": ["a"], "discontinued_date": [pd.Timestamp("2026-02-24")]})
    nothing = {"items": items, "purchase_lines": pd.DataFrame({"po_line_id": ["p0"], "item_id": "a", "qty": [30.0],
               "ordered_at": pd.to_datetime(["2025-12-05"])})}  # fmt: skip
    for rule in NAMES:
        eta = bf.line_eta(outcomes(company(**nothing), rule)).set_index("line_id")
        assert eta.loc["w3", "ship_prob"] == 0, rule
        assert eta.loc["w3", "status"] == "no_supply"
        assert eta.loc["w3", "supply_state"] == "none"
        assert eta.loc["w3", ["p10_date", "p50_date", "p90_date"]].isna().all()


def test_a_discontinued_item_still_comes_with_what_is_on_order_and_until_its_day():
    def told(day, **tables):
        items = pd.DataFrame({"item_id": ["a"], "discontinued_date": [pd.Timestamp(day)]})
        found = outcomes(company(items=items, **tables), "first_come")
        return bf.line_eta(found).set_index("line_id"), bf.reorder_points(found)

    eta, points = told("2026-02-24")  # 10 in stock and 15 on order serve the first two, and 13 of the last 20
    assert eta.loc["w2", "ship_prob"] > 0.9
    assert eta.loc["w3", "ship_prob"] == 0
    assert eta.loc["w3", "unplaced_prob"] == 0
    assert eta.loc["w3", "next_p50_date"] > pd.Timestamp(DAY)
    assert (points["suggested_order_qty"] == 0).all()
    eta, points = told("2026-04-30")  # until then it is ordered
    assert eta.loc["w3", "unplaced_prob"] > 0.9
    assert (points["suggested_order_qty"] > 0).all()


def test_stock_protected_for_a_class_of_customers():
    rows = (("w1", 6, 20, {"customer_id": "plain"}), ("w2", 6, 21, {"customer_id": "key"}),
            ("w3", 20, 22, {"customer_id": "plain"}))  # fmt: skip
    customers = pd.DataFrame({"customer_id": ["plain", "key"], "customer_class": ["standard", "vip"]})
    kept = pd.DataFrame({"item_id": ["a"], "customer_class": ["vip"], "qty": [7.0]})
    data = company(rows, customers=customers, protected_stock=kept)
    for rule in ("first_come", "priority"):
        got = outcomes(data, rule)
        leaves = got.tally.line_day["leaves"] / got.scenarios
        by = dict(zip(got.lines.line_id, leaves, strict=True))
        assert by["w2"][1] == 1.0  # first come, first served would have left it 4 of its 6
        assert by["w1"][1] < 0.1  # only 3 of the 10 are for it, unless the purchase comes at once
    expired = company(rows, customers=customers, protected_stock=kept.assign(until_date=pd.Timestamp("2026-03-01")))
    got = outcomes(expired, "first_come")
    assert got.tally.line_day["leaves"][got.lines.line_id.tolist().index("w1"), 1] == got.scenarios


def test_a_group_leaves_together_and_its_neighbours_do_not_wait():
    tied = {"group_id": "g", "group_rule": "together"}
    rows = [(x, q, d, tied if x != "w2" else {}) for x, q, d, _ in WAITING]
    got = outcomes(company(rows, on_hand=0.0), "first_come", every_day=True)
    days = dict(zip(got.lines.line_id, leave_days(got.lines, got.tally), strict=True))
    assert (days["w1"] == days["w3"]).all()
    assert (days["w2"] < days["w3"]).any()
    eta = bf.line_eta(got).set_index("line_id")
    assert eta.loc["w1", "p50_date"] == eta.loc["w3", "p50_date"] >= eta.loc["w1", "ready_p50_date"]
    orders = bf.order_eta(got).set_index("order_id")
    assert orders.loc["w1", "p50_date"] == orders.loc["w3", "p50_date"]
    loose = [(x, q, d, {**m, "group_rule": "independent"} if m else m) for x, q, d, m in rows]
    alone = outcomes(company(loose, on_hand=0.0), "first_come")
    plain = outcomes(company(on_hand=0.0), "first_come")
    assert all((x == y).all() for x, y in zip(alone.tally, plain.tally, strict=True))


def test_a_group_in_ratio_leaves_in_equal_shares():
    tied = {"group_id": "g", "group_rule": "in ratio"}
    rows = [(x, q, d, tied if x != "w2" else {}) for x, q, d, _ in WAITING]
    data = company(rows)
    got = outcomes(data, "first_come", every_day=True)
    days = dict(zip(got.lines.line_id, leave_days(got.lines, got.tally), strict=True))
    assert (days["w1"] == days["w3"]).all()
    assert (days["w2"] < days["w3"]).any()
    # 6 of the 10 are set aside for the first of the group, nothing for the last: no set, until the purchase comes
    first = got.next_dates.table.mean(axis=1)[(got.lines.line_id != "w2").to_numpy()]
    assert first[0] == first[1] > got.ship_dates.table.mean(axis=1)[0]
    eta = bf.line_eta(got).set_index("line_id")
    assert eta.loc["w1", "next_p50_date"] < eta.loc["w1", "p50_date"]
    assert eta.loc["w1", "p50_date"] == eta.loc["w3", "p50_date"]
    # a line of it that may not leave in pieces lets all leave on one day
    ways = [[(x, q, d, {**m, "allow_partial": False, "group_rule": rule} if m else m) for x, q, d, m in rows]
            for rule in ("in ratio", "together")]  # fmt: skip
    whole, together = (outcomes(company(x), "first_come") for x in ways)
    assert all((x == y).all() for x, y in zip(whole.tally, together.tally, strict=True))


def test_revenue_of_one_price_is_the_largest_first():
    items = pd.DataFrame({"item_id": ["a"], "unit_price": [3.0]})
    a, b = (outcomes(company(history=60, items=items), x) for x in ("revenue", "largest"))
    assert all((x == y).all() for x, y in zip(a.tally, b.tally, strict=True))


def test_rules_compared_on_the_same_scenarios():
    rows = [(x, q, d, {"promised_date": pd.Timestamp("2026-03-12"), "unit_price": 2.0}) for x, q, d, _ in WAITING]
    past = company(rows, on_hand=0.0, history=60).as_of(DAY)
    demand, supply = bf.forecast_demand(past), bf.forecast_supply(past, bf.fit_lead_times(past))
    table = bf.compare_rules(past, demand, supply, ["first_come", "smallest", "max_min"])
    of = table.set_index(["rule", "metric"])
    assert (of.loc["first_come", ["difference", "difference_error"]] == 0).all().all()
    assert set(table.metric) == {"days", "days_by_value", "days_of_slowest", "within_7", "within_28", "on_time"}
    assert (table.standard_error >= 0).all()
    alone = bf.simulate(past, demand, supply, rule="smallest", every_day=True)
    days = leave_days(alone.lines, alone.tally).mean(axis=0)
    row = of.loc[("smallest", "days")]
    assert row.value == pytest.approx(days.mean())
    assert row.standard_error == pytest.approx(days.std(ddof=1) / np.sqrt(alone.scenarios))
    assert row.difference == pytest.approx(row.value - of.loc[("first_come", "days"), "value"])
    for bad, told in (([], "no rule"), (["max_min"] * 2, "twice"), (["fifo"], "unknown rule")):
        with pytest.raises(bf.BackorderForecastError, match=told):
            bf.compare_rules(past, demand, supply, bad)


def test_a_run_compares_the_rules_that_are_asked_for():
    data = company(history=60)
    past = bf.past.rebuild(data, pd.Timestamp(DAY), bf.Config(**QUICK, replay={"days": 0}))
    queue = {**QUICK["queue"], "compare": ["smallest", "max_min", "priority"]}
    run = bf.run(data, DAY, bf.Config(**{**QUICK, "queue": queue}, replay={"days": 0}), seed=1)
    found = run.rule_comparison
    assert found["rule"].unique().tolist() == ["priority", "smallest", "max_min"]
    assert (found.loc[found["rule"] == "priority", ["difference", "difference_error"]] == 0).all(axis=None)
    demand = bf.forecast_demand(past)
    supply = bf.forecast_supply(past, bf.fit_lead_times(past))
    same = bf.compare_rules(past, demand, supply, ["priority", "smallest", "max_min"], seed=1)
    pd.testing.assert_frame_equal(found, same, check_dtype=False)
    assert "rule_comparison" not in bf.run(data, DAY, bf.Config(**QUICK, replay={"days": 0})).tables
