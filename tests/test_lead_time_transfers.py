"""Transfers between our own places: supply with laws of their own, in no way counted twice."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.lead_time.transfers import supplied, transfers_of

START, DAY = pd.Timestamp("2025-01-06"), pd.Timestamp("2026-03-31")
SETTINGS = {"lead_time": {"rehearsals": 3}, "replay": {"days": 0}, "simulation": {"scenarios": 200}}


def at(days):
    return START + pd.to_timedelta(days, "D")


def tables(seed=1, transfers=300, clash=False):
    """Purchases of one vendor, thirty days each; transfers north to south, four days each; stock and orders."""
    rng = np.random.default_rng(seed)
    placed = np.sort(rng.integers(0, 445, 250))
    vendor = "north" if clash else "v"
    bought = pd.DataFrame({"po_line_id": [f"p{i}" for i in range(250)], "item_id": "x", "location_id": "north",
                           "supplier_id": vendor, "qty": 5.0, "ordered_at": at(placed)})  # fmt: skip
    came = at(placed + np.ceil(rng.gamma(25.0, 30 / 25.0, 250)))
    received = pd.DataFrame({"po_line_id": bought["po_line_id"], "qty": 5.0, "received_at": came})
    left = np.append(np.sort(rng.integers(0, 445, transfers - 5)), [446, 447, 447, 448, 449])
    name = "p" if clash else "t"
    moved = pd.DataFrame({"transfer_id": [f"{name}{i}" for i in range(transfers)], "item_id": "x", "qty": 2.0,
                          "from_location_id": "north", "location_id": "south", "shipped_at": at(left)})  # fmt: skip
    moved["received_at"] = at(left + np.ceil(rng.gamma(25.0, 4 / 25.0, transfers)))
    moved["promised_date"] = moved["shipped_at"] + pd.Timedelta(days=4)
    stock = pd.DataFrame({"item_id": "x", "location_id": ["north", "south"], "date": DAY, "on_hand": [500.0, 0.0]})
    orders = pd.DataFrame({"order_id": "o", "line_id": ["l0", "l1"], "item_id": "x", "location_id": "south",
                           "ordered_at": DAY - pd.Timedelta(days=1), "qty": [2.0, 1.0]})  # fmt: skip
    return {"purchase_lines": bought, "receipts": received[received["received_at"] <= DAY],
            "transfers": moved, "stock": stock, "order_lines": orders}  # fmt: skip


def known(frames, day=DAY):
    data = bf.Dataset.of(frames)
    return bf.Dataset.of(data.tables, config=data.config.merged(data.config.model_dump(), SETTINGS)).as_of(day)


@pytest.fixture(scope="module")
def past():
    return known(tables())


@pytest.fixture(scope="module")
def fitted(past):
    return bf.fit_lead_times(past)


def on_the_way(past):
    rows = past.tables["transfers"]
    return rows[rows["received_at"].isna()]


def test_what_is_on_the_way_is_supply_of_the_place_that_receives(past, fitted):
    moved, rows = on_the_way(past), fitted.open_rows
    assert 2 < len(moved) < 12
    mine = rows[rows["supplier_id"] == "north"]
    assert sorted(mine["po_line_id"]) == sorted(moved["transfer_id"])
    assert set(mine["location_id"]) == {"south"}
    assert mine["open_qty"].sum() == moved["qty"].sum()
    assert rows["po_line_id"].is_monotonic_increasing
    table = bf.forecast_supply(past, fitted).purchases
    assert table["open_qty"].sum() == moved["qty"].sum() + past.purchases["open_qty"].sum()
    left = fitted.remaining.quantile_array([0.5])[:, 0]
    assert left[(rows["supplier_id"] == "north").to_numpy()].max() <= 4
    assert left[(rows["supplier_id"] == "v").to_numpy()].max() > 15


def test_each_kind_has_laws_of_its_own(past, fitted):
    alone = bf.fit_lead_times(known({k: v for k, v in tables().items() if k != "transfers"}))
    own = (fitted.open_rows["supplier_id"] == "v").to_numpy()
    assert (fitted.next_table[own] == alone.next_table).all()
    assert (fitted.remaining.table[own] == alone.remaining.table).all()
    assert fitted.new_order("v", "x").quantile_array([0.5])[0, 0] == pytest.approx(30, abs=2)
    # who orders from the other place waits as long as transfers take
    assert fitted.new_order("north", "x").quantile_array([0.5])[0, 0] == pytest.approx(4, abs=1)
    assert fitted.new_order("north", "new item").quantile_array([0.9])[0, 0] < 8
    table = fitted.table().set_index("supplier_id")
    assert table["n_received"].to_dict() == {"north": 300 - len(on_the_way(past)), "v": len(past.tables["receipts"])}
    assert table["n_open"]["north"] == len(on_the_way(past))
    shown = past.tables["transfers"]
    late = shown["received_at"].dt.floor("D") > shown["promised_date"]
    assert table["on_time_rate"]["north"] == pytest.approx(1 - late[shown["promised_date"] <= DAY].mean(), abs=0.02)
    assert set(fitted.learned()["kind"]) == {"purchases", "transfers"}
    assert any(x.startswith("transfers: ") for x in fitted.notes)


def test_transfers_come_whole_and_are_drawn_as_their_laws_say(past, fitted):
    supply = bf.forecast_supply(past, fitted)
    draws = supply.draws(3000, seed=1)
    mine = (supply.purchases["supplier_id"] == "north").to_numpy()
    assert (draws["first_qty"][mine] == 2.0).all()
    assert (draws["gone"][mine] == 0).all()
    for days in (1, 3, 30):
        share = (draws["first"] <= days).mean(axis=1)
        assert np.abs(share - fitted.remaining_first.table[:, days - 1]).max() < 5 * 0.5 / np.sqrt(3000)


def test_a_line_that_waits_for_a_transfer_has_its_date_and_nothing_is_counted_twice(past):
    run = bf.run(bf.Dataset.of(tables()), DAY, config=bf.Config(**SETTINGS), seed=1)
    moved = on_the_way(past)
    eta = run.purchase_eta.set_index("po_line_id")
    assert set(moved["transfer_id"]) <= set(eta.index)
    assert (eta.loc[moved["transfer_id"], "supplier_id"] == "north").all()
    risk = run.backorder_risk.drop_duplicates(["item_id", "location_id"]).set_index("location_id")
    assert risk["on_order"]["south"] == moved["qty"].sum()
    assert risk["on_order"]["north"] == past.purchases["open_qty"].sum()
    assert risk["on_hand"].to_dict() == {"north": 500.0, "south": 0.0}  # what left is gone from there
    line = run.line_eta.set_index("line_id").loc["l0"]
    assert line["pegged_po_line_id"] in set(moved["transfer_id"])
    assert line["p50_date"] <= DAY + pd.Timedelta(days=7)


def test_names_that_are_taken_are_told_apart():
    past = known(tables(clash=True))
    fitted = bf.fit_lead_times(past)
    assert fitted.open_rows["po_line_id"].is_unique
    assert set(fitted.open_rows["supplier_id"]) == {"north", "north (transfers)"}
    assert not fitted.table().duplicated(["supplier_id", "item_id"]).any()
    assert len(bf.forecast_supply(past, fitted).purchases) == len(fitted.next_table)


def test_a_past_day_knows_neither_later_arrivals_nor_later_transfers():
    frames, day = tables(), DAY - pd.Timedelta(days=40)
    then = known(frames, day)
    cut = frames["transfers"]
    cut = cut[cut["shipped_at"] <= day].assign(received_at=lambda x: x["received_at"].where(x["received_at"] <= day))
    again = known(frames | {"transfers": cut}, day)
    one, two = bf.fit_lead_times(then), bf.fit_lead_times(again)
    assert (one.next_table == two.next_table).all()
    late = supplied(then).query("supplier_id == 'north'")
    assert len(late) == len(cut)
    assert (late["open_qty"] > 0).sum() == cut["received_at"].isna().sum()


def test_transfers_alone_are_told_of(past):
    frames = {"transfers": tables()["transfers"]}
    run = bf.run(bf.Dataset.of(frames), DAY, config=bf.Config(**SETTINGS))
    assert len(run.purchase_eta) == len(on_the_way(past))
    assert run.lead_times["supplier_id"].tolist() == ["north"]
    assert len(transfers_of(known(frames)).purchases) == 300


def test_the_backtest_judges_transfers_too():
    data = bf.Dataset.of(tables())
    data = bf.Dataset.of(data.tables, config=data.config.merged(data.config.model_dump(), SETTINGS))
    found = bf.replay(data, stage="lead_time", days=[DAY - pd.Timedelta(days=x) for x in (100, 107, 114)], before=DAY)
    mine = found.lines[found.lines["supplier_id"] == "north"]
    assert len(mine) > 1
    assert mine["came_date"].notna().all()
