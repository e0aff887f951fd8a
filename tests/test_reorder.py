"""The table `reorder_points`: its own arithmetic, what to order now by hand, and calculation against simulation."""

import math

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.reorder import reorder_points
from backorder_forecast.synthetic import Spec, simulate_company

DAY = pd.Timestamp("2026-03-31")
QUICK = {"simulation": {"scenarios": 40, "horizon_days": 60, "jobs": 1}, "replay": {"days": 0}}


def regular(n, every, item, qty, first="2025-06-02"):
    days = pd.date_range(first, periods=n, freq=f"{every}D")
    return pd.DataFrame({"item_id": item, "ordered_at": days, "qty": float(qty)})


def company():
    """Six items sold daily, bought every ten days with nine days' lead time; `stock` is known of five."""
    names = [f"i{k}" for k in range(6)]
    lines = pd.concat([regular(303, 1, x, 2) for x in names], ignore_index=True)
    lines["line_id"] = lines["order_id"] = [f"l{k}" for k in range(len(lines))]
    late = lines.ordered_at > DAY - pd.Timedelta(days=3)  # of the last three days nothing has left: 6 of each
    sent = lines[~late].rename(columns={"ordered_at": "shipped_at"})[["line_id", "shipped_at", "qty"]]
    bought = pd.concat([regular(30, 10, x, 20) for x in names], ignore_index=True)
    bought["po_line_id"], bought["supplier_id"] = [f"p{k}" for k in range(len(bought))], "s"
    came = bought.assign(received_at=bought.ordered_at + pd.Timedelta(days=9))
    came = came[came.received_at <= DAY - pd.Timedelta(days=10)]  # the last one, at least, is open
    stock = pd.DataFrame({"item_id": names[:5], "date": DAY, "on_hand": [30.0, 2.0, -4.0, 30.0, 100.0]})
    stated = pd.DataFrame([
        {"item_id": "i0", "policy": "rQ", "reorder_point": 60, "order_qty": 10, "pack_size": 6},
        {"item_id": "i1", "policy": "sS", "reorder_point": 15, "order_up_to": 40, "min_order_qty": 50},
        {"item_id": "i2", "policy": "base_stock", "order_up_to": 12, "service_measure": "fill"},
        {"item_id": "i3", "policy": "rQ", "reorder_point": 5, "order_qty": 10, "max_stock": 25},
        {"item_id": "i5", "policy": "rQ", "reorder_point": 5, "order_qty": 10, "service_measure": "wait"},
    ])  # fmt: skip
    items = pd.DataFrame({"item_id": names, "unit_cost": 3.0})
    return {"order_lines": lines, "shipments": sent, "purchase_lines": bought, "stock": stock, "items": items,
            "receipts": came[["po_line_id", "received_at", "qty"]],
            "policies": stated.assign(stated_at=pd.Timestamp("2025-06-01"))}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes():
    past = bf.Dataset.of(company(), bf.Config(**QUICK)).as_of(DAY)
    lead_times = bf.fit_lead_times(past)
    return bf.simulate(past, bf.forecast_demand(past), bf.forecast_supply(past, lead_times), seed=1)


@pytest.fixture(scope="module")
def table(outcomes):
    return reorder_points(outcomes).set_index("item_id")


def test_its_own_arithmetic(table):
    assert table.safety_stock.to_numpy() == pytest.approx(table.reorder_point - table.lead_time_demand_mean)
    by_lot = table.policy == "rQ"
    assert table.order_up_to.isna().equals(by_lot)
    assert table.order_qty.notna().equals(by_lot)
    assert table.order_qty[by_lot].tolist() == [12, 10, *[table.order_qty["i4"]] * 1, 10]  # ten in packs of six
    assert table.order_up_to["i1"] == table.reorder_point["i1"] + 50  # the least order
    assert table.order_up_to["i2"] == table.reorder_point["i2"] + 1
    change = (table.expected_stock - table.current_expected_stock) * 3.0
    assert table.stock_value_change.drop("i4").to_numpy() == pytest.approx(change.drop("i4"))
    assert table.lead_time_demand_mean.to_numpy() == pytest.approx(np.full(6, 18.0), rel=0.1)
    assert table.service_measure.tolist() == ["cycle", "cycle", "fill", "cycle", "cycle", "cycle"]
    others = table.drop("i3")  # its stock is limited
    assert (others.expected_service >= others.service_target - 1e-9).all()


def test_what_is_present_and_what_is_derived(table):
    assert table.current_reorder_point.fillna(-1).tolist() == [60, 15, -1, 5, -1, 5]
    assert table.current_order_up_to.fillna(-1).tolist() == [-1, 40, 12, -1, -1, -1]
    assert table.current_expected_service.isna().tolist() == [False] * 4 + [True, False]
    reason = table.reason
    assert reason["i0"].startswith("lower: the present setting delivers ")
    assert reason["i2"].startswith("raise: the present setting delivers ")
    assert "largest stock allowed reaches" in reason["i3"]
    assert reason["i4"] == "no policy is stated: derived from demand over the lead time"
    assert table.reorder_point["i3"] == 15  # 25 less the lot
    assert table.simulated_service.isna().tolist() == [False] * 5 + [True]


def test_setting_what_is_suggested_changes_nothing_more(outcomes, table):
    tables = company()
    stated = tables["policies"]
    best = stated.item_id.map(table.reorder_point)
    up_to = stated.item_id.map(table.order_up_to)
    stated = stated.assign(reorder_point=best.where(stated.policy != "base_stock"), order_up_to=up_to)
    past = bf.Dataset.of(tables | {"policies": stated}, bf.Config(**QUICK)).as_of(DAY)
    supply = bf.forecast_supply(past, bf.fit_lead_times(past))
    again = reorder_points(bf.simulate(past, outcomes.demand, supply, seed=1)).set_index("item_id")
    assert again.reorder_point.tolist() == table.reorder_point.tolist()
    met = again.drop(["i3", "i4"])
    assert met.current_expected_service.tolist() == met.expected_service.tolist()
    assert met.reason.str.startswith("the present setting is the least that reaches the target").all()


def test_what_to_order_now_by_hand(outcomes, table):
    # owed: 6 of each, ordered 20 or 40 and not yet received
    ordered = outcomes.supply.purchases.groupby("item_id").open_qty.sum()
    on_hand = {"i0": 30.0, "i1": 2.0, "i2": -4.0, "i3": 30.0, "i4": 100.0}
    position = {x: on_hand[x] + ordered[x] - 6 for x in on_hand}
    assert position["i2"] == ordered["i2"] - 10  # the hole comes on top of what is owed
    point = table.reorder_point
    expected = dict.fromkeys(on_hand, 0.0)
    for item, lot, pack in (("i0", 12, 6), ("i4", table.order_qty["i4"], 1)):
        if position[item] <= point[item]:
            expected[item] = math.ceil((math.floor((point[item] - position[item]) / lot) + 1) * lot / pack) * pack
    if position["i1"] <= point["i1"]:
        expected["i1"] = max(point["i1"] + 50 - position["i1"], 50)
    expected["i2"] = max(point["i2"] + 1 - position["i2"], 0)
    assert table.suggested_order_qty.drop("i5").to_dict() == expected
    assert np.isnan(table.suggested_order_qty["i5"])  # stock unknown
    assert expected["i2"] > 0
    assert expected["i3"] == 0


def test_lines_that_are_stale_do_not_call_for_orders(outcomes, table):
    config = bf.Config(**QUICK | {"queue": {"stale_line_days": 1}})
    past = bf.Dataset.of(company(), config).as_of(DAY)
    supply = bf.forecast_supply(past, bf.fit_lead_times(past))
    fewer = reorder_points(bf.simulate(past, outcomes.demand, supply, seed=1)).set_index("item_id")
    less = table.suggested_order_qty["i2"] - fewer.suggested_order_qty["i2"]
    assert less == past.lines.loc[past.lines.is_stale & (past.lines.item_id == "i2"), "open_qty"].sum() > 0


def test_stock_allowed_limits_the_order():
    tables = company()
    low = tables["stock"].assign(on_hand=lambda x: x.on_hand.mask(x.item_id == "i3", -40.0))
    past = bf.Dataset.of(tables | {"stock": low}, bf.Config(**QUICK)).as_of(DAY)
    supply = bf.forecast_supply(past, bf.fit_lead_times(past))
    found = reorder_points(bf.simulate(past, bf.forecast_demand(past), supply, seed=1)).set_index("item_id")
    position = -40 - 6 + supply.purchases.groupby("item_id").open_qty.sum()["i3"]
    lots = (math.floor((found.reorder_point["i3"] - position) / 10) + 1) * 10
    assert found.suggested_order_qty["i3"] == min(lots, 25 - position)
    assert position + found.suggested_order_qty["i3"] <= 25


@pytest.mark.parametrize("measure", ["cycle", "fill"])
def test_what_is_calculated_is_what_the_simulation_delivers(measure):
    data = bf.Dataset.of(simulate_company(Spec(items=60, days=400, seed=4)).tables)
    quick = {"simulation": {"scenarios": 100, "jobs": 1}, "replay": {"days": 0}}
    config = bf.Config(**quick, policy={"service_measure": measure})
    told = bf.run(data, "2025-07-31", config, seed=1).reorder_points
    told = told.dropna(subset=["current_expected_service", "simulated_service"])
    gap = told.simulated_service - told.current_expected_service
    assert len(told) > 50
    # the simulation starts from today's stock and has weekends; the calculation is in the long run
    assert abs(gap.mean()) < 0.04
    assert gap.abs().median() < 0.06
    assert np.corrcoef(told.simulated_service, told.current_expected_service)[0, 1] > 0.9
