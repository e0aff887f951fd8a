
"""Whole runs of the example companies against SQL over the raw files, which knows nothing of our code.

Skipped unless BACKORDER_DATA names the folder in which the files lie. No row of them is part of this repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from benchmarks import scms

import backorder_forecast as bf
from backorder_forecast.demand import forecast_demand
from backorder_forecast.result import Run

EXAMPLES = Path(__file__).parent.parent / "examples"
DATA = os.environ.get("BACKORDER_DATA", "")
DAYS = ("2015-06-30", "2016-03-31")
# the items that the README of the data names: their movements contradict what lies on the shelves
CONTRADICTORY = {"77", "78", "80", "86", "95", "98", "184", "193", "204"}

pytestmark = pytest.mark.slow


def needs(folder: str) -> pytest.MarkDecorator:
    reason = f"no {folder} under BACKORDER_DATA ({DATA})" if DATA else "BACKORDER_DATA is not set"
    return pytest.mark.skipif(not DATA or not (Path(DATA) / folder).is_dir(), reason=reason)


@cache
def company(name: str) -> bf.Dataset:
    return bf.load(EXAMPLES / f"{name}.toml")


@cache
def ran(name: str, day: str, scenarios: int = 20) -> Run:
    """A run of few scenarios without replay: most of what is asked here does not hang on their number."""
    data = company(name)
    few = {"simulation": {"scenarios": scenarios}, "replay": {"days": 0}, "report": {"charts": 0}}
    return bf.run(data, as_of=day, config=bf.Config.merged(data.config, few))


# ------------------------------------------------------------------------- Wide World Importers


@pytest.fixture(scope="module")
def raw() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for file in sorted((Path(DATA) / "wide_world_importers").glob("*.parquet")):
            connection.execute(f"create view {file.name.split('.')[1]} as from '{file}'")
        yield connection


def open_lines(raw: duckdb.DuckDBPyConnection, day: str) -> pd.DataFrame:
    """Lines ordered by the end of the day that were picked later or never; none was ever picked in part."""
    return raw.sql(f"""
        select cast(l.OrderLineID as varchar) as line_id, cast(l.OrderID as varchar) as order_id,
               cast(l.StockItemID as varchar) as item_id, cast(l.Quantity as double) as open_qty
        from OrderLines l join Orders o using (OrderID)
        where o.OrderDate < date '{day}' + 1
          and coalesce(l.PickingCompletedWhen, timestamp '9999-01-01') >= date '{day}' + 1
        order by line_id""").df()


def stock_by_movements(raw: duckdb.DuckDBPyConnection, day: str) -> pd.DataFrame:
    """What lay there before the first movement, plus every movement to the end of the day."""
    return raw.sql(f"""
        with moved as (
            select StockItemID, sum(Quantity) as ever,
                   coalesce(sum(Quantity) filter (TransactionOccurredWhen < date '{day}' + 1), 0) as by_then
            from StockItemTransactions group by 1)
        select cast(StockItemID as varchar) as item_id, QuantityOnHand - ever as opening,
               cast(QuantityOnHand - ever + by_then as double) as units
        from StockItemHoldings join moved using (StockItemID) order by item_id""").df()


@needs("wide_world_importers")
@pytest.mark.parametrize(("day", "rows"), [("2015-06-30", 2133), ("2016-03-31", 2942)])
def test_wwi_every_line_open_on_the_day_and_no_other_has_one_row(
    day: str, rows: int, raw: duckdb.DuckDBPyConnection
) -> None:
    expected = open_lines(raw, day)
    said = ran("wide_world_importers", day).line_eta.sort_values("line_id", ignore_index=True)
    assert len(expected) == rows
    assert said["line_id"].is_unique
    for column in ("line_id", "order_id", "item_id", "open_qty"):
        assert said[column].tolist() == expected[column].tolist()
    orders = ran("wide_world_importers", day).order_eta
    assert sorted(orders["order_id"]) == sorted(set(expected["order_id"]))
    assert orders.set_index("order_id")["lines"].to_dict() == expected["order_id"].value_counts().to_dict()


@needs("wide_world_importers")
@pytest.mark.parametrize("day", DAYS)
def test_wwi_stock_of_the_reconciling_items_is_that_of_the_raw_movements(
    day: str, raw: duckdb.DuckDBPyConnection
) -> None:
    by_hand = stock_by_movements(raw, day).set_index("item_id")
    contradict = set(by_hand.index[by_hand["opening"] < 0])
    assert (contradict, len(by_hand)) == (CONTRADICTORY, 227)
    trusted = by_hand.loc[~by_hand.index.isin(contradict), "units"].to_dict()
    assert len(trusted) == 218
    stock = company("wide_world_importers").as_of(day).stock.set_index("item_id")["on_hand"]
    assert stock.dropna().to_dict() == trusted
    assert set(stock.index[stock.isna()]) == contradict
    risk = ran("wide_world_importers", day).backorder_risk
    assert dict(zip(risk["item_id"], risk["on_hand"], strict=True)) == trusted


@needs("wide_world_importers")
@pytest.mark.parametrize("day", DAYS)
def test_wwi_no_line_of_a_contradictory_item_is_ever_ready(day: str) -> None:
    run = ran("wide_world_importers", day)
    theirs = run.line_eta[run.line_eta["item_id"].isin(CONTRADICTORY)]
    assert len(theirs) > 0.99 * len(run.line_eta)
    assert set(theirs["status"]) <= {"unknown", "stale"}
    assert set(theirs["supply_state"]) == {"unknown"}
    assert not (theirs["ready_qty"] > 0).any()
    assert theirs[["p10_date", "p50_date", "p90_date", "ready_p50_date"]].isna().all(axis=None)
    assert not theirs[["ship_prob", "on_time_prob"]].gt(0).any(axis=None)


@needs("wide_world_importers")
@pytest.mark.parametrize("day", DAYS)
def test_wwi_demand_risk_and_reorder_points_of_the_others_are_said(day: str) -> None:
    run = ran("wide_world_importers", day)
    others = set(company("wide_world_importers").items["item_id"]) - CONTRADICTORY
    assert len(others) == 218
    assert set(run.backorder_risk["item_id"]) == others
    points = run.reorder_points.set_index("item_id").loc[sorted(others)]
    assert points[["reorder_point", "expected_service", "suggested_order_qty"]].notna().all(axis=None)
    assert points["current_expected_service"].between(0, 1).all()
    forecast = run.demand_forecast[run.demand_forecast["item_id"].isin(others)]
    assert forecast["item_id"].nunique() == 218
    assert forecast["mean"].ge(0).all()
    assert forecast["mean"].gt(0).mean() > 0.9


# ------------------------------------------------------------------------------------------- SCMS


def rescheduled(folder: Path, how: str) -> None:
    """Write the deliveries with other scheduled dates under a folder, as if they had been exported so."""
    file = "scms_delivery/scms_delivery_to_2012.parquet"
    rows = pd.read_parquet(Path(DATA) / file)
    dates = [name for name in rows if name.startswith("Scheduled Delivery Date")]
    assert "Scheduled Delivery Date (parsed)" in dates
    for name in dates:
        if how == "shuffled":
            rows[name] = rows[name].sample(frac=1.0, random_state=7).to_numpy()
        else:
            rows[name] = rows[name].where(rows[name].isna(), rows[name].iloc[0])
    (folder / file).parent.mkdir()
    rows.to_parquet(folder / file)


@needs("scms_delivery")
@pytest.mark.parametrize("how", ["shuffled", "all the same"])
def test_scms_no_number_hangs_on_a_scheduled_date(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the last day the dates are shown, with what follows from them; what is learned never sees them."""
    real = company("scms")
    rescheduled(tmp_path, how)
    monkeypatch.setenv("BACKORDER_DATA", str(tmp_path))
    other = bf.load(EXAMPLES / "scms.toml")
    for day in ("2008-12-31", "2010-12-31", "2011-12-31", "2012-12-31"):
        (times, eta), (times_2, eta_2) = (purchases_of(data, day) for data in (real, other))
        shown = ["promised_date", "overdue_days", "late_prob"]
        judged = ["on_time_rate", "bias_days"]
        if day == "2012-12-31":
            assert not eta["promised_date"].equals(eta_2["promised_date"])
            eta, eta_2, times, times_2 = (
                frame.drop(columns=names)
                for frame, names in ((eta, shown), (eta_2, shown), (times, judged), (times_2, judged))
            )
        pd.testing.assert_frame_equal(times, times_2)
        pd.testing.assert_frame_equal(eta, eta_2)
        assert len(eta) > 50


def purchases_of(data: bf.Dataset, day: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    run = bf.run(data, as_of=day)
    return run.lead_times, run.purchase_eta


@needs("scms_delivery")
def test_scms_on_past_days_no_schedule_is_shown_or_judged() -> None:
    run = bf.run(company("scms"), as_of="2011-12-31")
    assert run.purchase_eta[["promised_date", "late_prob"]].isna().all(axis=None)
    assert run.lead_times[["on_time_rate", "bias_days"]].isna().all(axis=None)
    assert {"line_eta", "backorder_risk", "reorder_points"} <= set(run.missing)


@needs("scms_delivery")
def test_scms_benchmark_scores_like_slow_arithmetic() -> None:
    """Ten purchases of one day, one by one, from the definitions."""
    data, day, last = company("scms"), pd.Timestamp("2010-12-31"), pd.Timestamp("2012-12-31")
    judged = scms.judge(data, day, last, 180)
    rows = data.as_of(day).purchases
    rows = rows[rows["open_qty"] > 0].reset_index(drop=True)
    came = data.as_of(last).purchases.set_index("po_line_id")["last_received_at"]
    laws = scms.laws(data.as_of(day), rows, 180)
    for i in range(0, len(rows), max(1, len(rows) // 10)):
        x = min((came[rows["po_line_id"][i]] - day).days, 181)
        for method, law in laws.items():
            for level in (0.5, 0.9):
                q = next((k for k in range(181) if law[i, k] >= level - 1e-12), 180)
                gap = min(x, 180) - q
                assert judged[f"{method} pinball {level}"][i] == max(level * gap, (level - 1) * gap)
                u = [transformed(law[i], x, (v + 0.5) / 4000) for v in range(4000)]
                share = sum(value <= level for value in u) / 4000
                assert judged[f"{method} cover {level}"][i] == pytest.approx(share, abs=1e-3)


def transformed(law: np.ndarray, x: int, v: float) -> float:
    low = law[-1] if x > 180 else (law[x - 1] if x else 0.0)
    high = 1.0 if x > 180 else law[x]
    return float(low + v * (high - low))


@needs("scms_delivery")
def test_scms_history_given_age_is_what_a_list_says() -> None:
    data, day = company("scms"), pd.Timestamp("2011-12-31")
    past = data.as_of(day)
    rows = past.purchases[past.purchases["open_qty"] > 0].reset_index(drop=True)
    laws = scms.laws(past, rows, 180)
    done = past.purchases[past.purchases["last_received_at"].notna()]
    took = (done["last_received_at"] - done["ordered_at"]).dt.days
    few = 0
    for i in range(0, len(rows), 25):
        age = (day - rows["ordered_at"][i]).days
        everybody = [d - age for d in took if d > age]
        own = [d - age for d in took[done["supplier_id"] == rows["supplier_id"][i]] if d > age]
        few += len(own) < 20
        for method, rest in (("all | age", everybody), ("vendor | age", own if len(own) >= 20 else everybody)):
            expected = [sum(d <= k for d in rest) / max(len(rest), 1) for k in range(181)]
            np.testing.assert_allclose(laws[method][i], expected)
    assert 0 < few < 20


@needs("scms_delivery")
def test_scms_open_purchases_come_nearly_as_often_as_said() -> None:
    """The last day followed for a year: bounds that a defect breaks; the benchmark prints the rest."""
    judged = scms.judge(company("scms"), pd.Timestamp("2011-12-31"), pd.Timestamp("2012-12-31"), 180)
    assert len(judged) == 493
    assert judged["ours cover 0.5"].mean() == pytest.approx(0.5, abs=0.12)
    assert judged["ours cover 0.9"].mean() == pytest.approx(0.9, abs=0.06)


# -------------------------------------------------------------------------------------------- VN2


def shelves() -> pd.DataFrame:
    """By (location_id, item_id), from the raw files: mean sales of the last 13 weeks with stock, the state, and the
    share of the last two years' weeks that sold more than is on hand."""
    folder = Path(DATA) / "vn2"
    keys = ["Store", "Product"]
    sold = pd.read_parquet(folder / "sales_weekly_wide.parquet").set_index(keys)
    flag = pd.read_parquet(folder / "in_stock_wide.parquet").set_index(keys).loc[sold.index, sold.columns]
    state = pd.read_parquet(folder / "initial_state_2024-04-08.parquet").set_index(keys).loc[sold.index]
    index = pd.MultiIndex.from_tuples([(str(store), str(product)) for store, product in sold.index])
    weekly = sold.where(flag > 0).iloc[:, -13:].mean(axis=1).to_numpy()
    left = state["End Inventory"].to_numpy()
    short = (sold.iloc[:, -104:].to_numpy() > left[:, None]).mean(axis=1)
    columns = {"weekly": weekly, "on_hand": left, "due": state["In Transit W+2"].to_numpy(), "short": short}
    return pd.DataFrame(columns, index=index)


def risk_of(run: Run, days: int) -> pd.Series:
    risk = run.backorder_risk
    own = risk[(risk["horizon_days"] == days) & (risk["supply_basis"] == "open_only")]
    return own.set_index(["location_id", "item_id"])["backorder_prob"]


@needs("vn2")
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a mixture of memories follows weeks of cover of 13 weeks less closely: Spearman -.69 of 7 days, not -.75",
)
def test_vn2_items_with_little_stock_for_their_demand_come_first() -> None:
    run, seen = ran("vn2", "2024-04-08", 400), shelves()
    seen["cover"] = seen["on_hand"] / seen["weekly"].clip(lower=0.05)  # weeks
    for days in (7, 14):
        seen["prob"] = risk_of(run, days).reindex(seen.index)
        assert seen["prob"].notna().all()
        assert seen["cover"].corr(seen["prob"], method="spearman") < -0.75
        ranked = seen.sort_values("prob", kind="stable")
        assert ranked["cover"].tail(25).max() < 2
        assert ranked["weekly"].tail(25).median() > 3 * seen["weekly"].median()
        assert ranked["cover"].head(25).min() > 1
        assert ranked["cover"].head(25).median() > 3
    assert run.line_eta.empty  # what met no stock is lost: nobody waits


@needs("vn2")
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="forecast in weeks, risks follow two years' weeks less (.52): those tell least of what was sold afterwards",
)
def test_vn2_risks_of_the_next_week_are_ordered_as_past_weeks_were() -> None:
    """By the share of two years' weeks in which more was sold than lies there now."""
    run, seen = ran("vn2", "2024-04-08", 400), shelves()
    seen["prob"] = risk_of(run, 7).reindex(seen.index)
    assert seen["short"].corr(seen["prob"], method="spearman") > 0.8


@needs("vn2")
def test_vn2_weeks_that_are_past_were_forecast_as_weeks() -> None:
    """On four Mondays, against the raw files: means of the next week, and where more was sold than a shelf holds now.

    Better told apart by the forecast than by weeks of cover, or by how often two years' weeks sold so much.
    """
    folder = Path(DATA) / "vn2"
    sold = pd.read_parquet(folder / "sales_weekly_wide.parquet").set_index(["Store", "Product"])
    flag = pd.read_parquet(folder / "in_stock_wide.parquet").set_index(["Store", "Product"]).loc[sold.index]
    held = shelves()["on_hand"].to_numpy()
    said, came, told = 0.0, 0.0, []
    for back in (6, 14, 30, 46):
        past, week = sold.iloc[:, : -back], sold.iloc[:, -back].to_numpy()
        demand = forecast_demand(company("vn2").as_of(past.columns[-1]))
        keys = pd.MultiIndex.from_frame(demand.items[["location_id", "item_id"]])
        rows = keys.get_indexer([(str(store), str(product)) for store, product in sold.index])
        seen = (rows >= 0) & (flag.iloc[:, -back].to_numpy() > 0)
        law = demand.total(7).take(rows[seen])
        said, came = said + law.mean().sum(), came + week[seen].sum()
        cover = held / past.where(flag.iloc[:, : -back] > 0).iloc[:, -13:].mean(axis=1).fillna(0.0).clip(lower=0.05)
        often = (past.iloc[:, -104:].to_numpy() > held[:, None]).mean(axis=1)
        more = week[seen] > held[seen]
        told.append([_apart(x, more) for x in (1.0 - law.cdf(held[seen]), -cover.to_numpy()[seen], often[seen])])
    assert said == pytest.approx(came, rel=0.15)
    ours, by_cover, by_share = np.mean(told, axis=0)
    assert ours > by_cover
    assert ours > by_share


def _apart(score: np.ndarray, event: np.ndarray) -> float:
    """Chance that an event has a higher score than another row: the area under the ROC curve."""
    ranks = pd.Series(score).rank().to_numpy()[event]
    return float((ranks.mean() - (event.sum() + 1) / 2) / (~event).sum())


@needs("vn2")
def test_vn2_demand_is_what_was_sold_and_more_where_stock_ran_out() -> None:
    """Means of the forecast against plain means of the last 13 weeks in which there was stock."""
    run, seen = ran("vn2", "2024-04-08", 400), shelves()
    weeks = run.demand_forecast
    weeks = weeks[weeks["days"] == 7].groupby(["location_id", "item_id"])["mean"].mean().reindex(seen.index)
    assert weeks.sum() == pytest.approx(seen["weekly"].sum(), rel=0.15)
    assert weeks.corr(seen["weekly"]) > 0.95


@needs("vn2")
def test_vn2_what_is_on_its_way_takes_its_two_weeks() -> None:
    """The file has no receipts: the stated two weeks are all that is known of lead times."""
    run, seen = ran("vn2", "2024-04-08", 400), shelves()
    assert (run.purchase_eta["p50_date"] == pd.Timestamp("2024-04-22")).all()
    assert run.purchase_eta["late_prob"].max() < 0.5
    points = run.reorder_points.set_index(["location_id", "item_id"]).reindex(seen.index)
    # two weeks until what is ordered comes, and one until the next look
    assert points["lead_time_demand_mean"].sum() == pytest.approx(3 * seen["weekly"].sum(), rel=0.15)
