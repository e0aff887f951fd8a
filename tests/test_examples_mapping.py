# ruff: noqa: E501 - SQL is quoted as it is
"""The example mappings against independent SQL over the raw files; skipped where those are not at hand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from backorder_forecast.dataset import Dataset
from backorder_forecast.errors import ConfigError
from backorder_forecast.sources import load

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
DATA = Path(os.environ.get("BACKORDER_DATA", ROOT.parent / "shared" / "data"))
DAYS = ("2015-06-30", "2016-03-31")


def needs(folder: str) -> pytest.MarkDecorator:
    there = (DATA / folder).is_dir()
    return pytest.mark.skipif(not there, reason=f"no {folder} under BACKORDER_DATA ({DATA})")


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKORDER_DATA", str(DATA))


@cache
def example(name: str) -> Dataset:
    return load(EXAMPLES / f"{name}.toml")


@pytest.fixture
def raw() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for file in sorted((DATA / "wide_world_importers").glob("*.parquet")):
            name = file.name.split(".")[1]
            connection.execute(f"create view {name} as select * from '{file}'")
        yield connection


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> pd.DataFrame:
    return connection.sql(sql).df()


@pytest.mark.parametrize("name", ["wide_world_importers", "scms", "vn2"])
def test_an_example_without_its_data_says_which_variable_is_missing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BACKORDER_DATA")
    with pytest.raises(ConfigError, match="BACKORDER_DATA, which is not set"):
        load(EXAMPLES / f"{name}.toml")


def test_no_row_and_no_place_of_a_machine_is_in_the_examples() -> None:
    for file in EXAMPLES.iterdir():
        assert file.suffix in (".toml", ".md")
        assert file.stat().st_size < 10_000
        assert not re.search(r'"/|"~|[A-Z]:\\', file.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------- Wide World Importers


@needs("wide_world_importers")
def test_wwi_loads_whole_and_clean(raw: duckdb.DuckDBPyConnection) -> None:
    data = example("wide_world_importers")
    assert not len(data.rejected_rows)
    assert not len(data.cleaning_log)
    assert data.default_as_of() == pd.Timestamp("2016-05-31")
    counts = answer(raw, """select (select count(*) from OrderLines) as order_lines,
        (select count(*) from OrderLines where PickingCompletedWhen is not null) as shipments,
        (select count(*) from PurchaseOrderLines) as purchase_lines,
        (select count(*) from StockItemTransactions where Quantity > 0 and PurchaseOrderID is not null) as receipts,
        (select count(*) from StockItems) as items, (select count(*) from Customers) as customers""")  # fmt: skip
    for name, rows in counts.iloc[0].items():
        assert len(data.tables[str(name)]) == rows


@needs("wide_world_importers")
@pytest.mark.parametrize("day", DAYS)
def test_wwi_lines_open_on_a_day_are_those_of_the_raw_tables(
    day: str, raw: duckdb.DuckDBPyConnection
) -> None:
    lines = example("wide_world_importers").as_of(day).lines
    opened = lines[lines["open_qty"] > 0]
    expected = answer(raw, f"""select cast(OrderLineID as varchar) as line_id, Quantity as qty
        from OrderLines join Orders using (OrderID)
        where OrderDate < date '{day}' + 1
          and (OrderLines.PickingCompletedWhen is null or OrderLines.PickingCompletedWhen >= date '{day}' + 1)""")  # fmt: skip
    assert len(expected) > 2000
    assert set(opened["line_id"]) == set(expected["line_id"])
    assert opened["open_qty"].sum() == expected["qty"].sum()


@needs("wide_world_importers")
@pytest.mark.parametrize("day", DAYS)
def test_wwi_stock_is_that_of_the_raw_movements_or_unknown(day: str, raw: duckdb.DuckDBPyConnection) -> None:
    stock = example("wide_world_importers").as_of(day).stock.set_index("item_id")["on_hand"]
    raw_stock = answer(raw, f"""select cast(h.StockItemID as varchar) as item_id,
        any_value(h.QuantityOnHand) - sum(m.Quantity) filter (m.TransactionOccurredWhen >= date '{day}' + 1) as units,
        any_value(h.QuantityOnHand) - sum(m.Quantity) as opening
        from StockItemHoldings h join StockItemTransactions m using (StockItemID) group by 1""").set_index("item_id")  # fmt: skip
    trusted = raw_stock["opening"] >= 0
    assert (trusted.sum(), (~trusted).sum()) == (218, 9)
    np.testing.assert_array_equal(
        stock[raw_stock.index[trusted]], raw_stock.loc[trusted, "units"].astype(float)
    )
    assert stock[raw_stock.index[~trusted]].isna().all()


@needs("wide_world_importers")
def test_wwi_nearly_all_open_lines_are_of_items_of_unknown_stock() -> None:
    for day in DAYS:
        past = example("wide_world_importers").as_of(day)
        unknown = set(past.stock.loc[past.stock["on_hand"].isna(), "item_id"])
        opened = past.lines[past.lines["open_qty"] > 0]
        assert opened["item_id"].isin(unknown).mean() > 0.99


@needs("wide_world_importers")
def test_wwi_units_and_links(raw: duckdb.DuckDBPyConnection) -> None:
    data = example("wide_world_importers")
    moved = answer(
        raw, "select sum(Quantity) as units from StockItemTransactions where TransactionTypeID = 11"
    )
    assert data.receipts["qty"].sum() == moved["units"].iloc[0]
    received = data.receipts.groupby("po_line_id")["qty"].sum()
    ordered = data.purchase_lines.set_index("po_line_id")["qty"]
    assert (received == ordered.reindex(received.index)).all()
    assert len(ordered) - len(received) == 9
    links = answer(raw, "select count(*) as n from Orders where BackorderOrderID is not null")["n"].iloc[0]
    lines = data.order_lines
    assert lines.loc[lines["group_id"] != lines["order_id"], "order_id"].nunique() == links
    assert not lines["allow_partial"].any()


# ------------------------------------------------------------------------------------------- SCMS


@needs("scms_delivery")
def test_scms_455_purchases_are_open_at_the_end_and_no_past_day_sees_a_schedule() -> None:
    data = example("scms")
    assert data.given == {"items", "purchase_lines", "receipts", "suppliers"}
    assert not len(data.rejected_rows)
    assert data.default_as_of() == pd.Timestamp("2012-12-31")
    assert (data.as_of("2012-12-31").purchases["open_qty"] > 0).sum() == 455
    assert data.config.data.promised_date_is == "latest"
    for day in ("2009-12-31", "2011-12-31"):
        past = data.as_of(day)
        assert past.purchases[["promised_date", "first_promised_date"]].isna().all(axis=None)


@needs("scms_delivery")
@pytest.mark.parametrize("year", [2008, 2009, 2010, 2011, 2012])
def test_scms_purchases_open_on_a_day(year: int) -> None:
    file = DATA / "scms_delivery" / "scms_delivery_to_2012.parquet"
    with duckdb.connect() as connection:
        expected = answer(connection, f"""with timed as (
            select cast(ID as varchar) as id, "Delivered to Client Date (parsed)" as came, case "Fulfill Via"
              when 'From RDC' then "PQ First Sent to Client Date (parsed)"
              else "PO Sent to Vendor Date (parsed)" end as sent
            from '{file}') select id from timed where sent <= date '{year}-12-31'
              and (came is null or came > date '{year}-12-31')""")  # fmt: skip
    purchases = example("scms").as_of(f"{year}-12-31").purchases
    assert set(purchases.loc[purchases["open_qty"] > 0, "po_line_id"]) == set(expected["id"])


# -------------------------------------------------------------------------------------------- VN2


@needs("vn2")
def test_vn2_sales_flags_stock_and_pipeline() -> None:
    data = example("vn2")
    sold = pd.read_parquet(DATA / "vn2" / "sales_weekly_wide.parquet").set_index(["Store", "Product"])
    flags = pd.read_parquet(DATA / "vn2" / "in_stock_wide.parquet").set_index(["Store", "Product"])
    state = pd.read_parquet(DATA / "vn2" / "initial_state_2024-04-08.parquet")
    assert data.order_lines["qty"].sum() == sold.to_numpy().sum()
    assert data.shipments["qty"].sum() == sold.to_numpy().sum()
    assert len(data.stock) == flags.size
    assert (~data.stock["in_stock"]).sum() == (flags == 0).to_numpy().sum()
    assert data.stock["on_hand"].sum() == state["End Inventory"].sum()
    assert set(data.stock.loc[data.stock["on_hand"].notna(), "date"]) == {pd.Timestamp("2024-04-08")}
    due = data.purchase_lines.groupby("promised_date")["qty"].sum()
    assert due.to_dict() == {pd.Timestamp("2024-04-22"): state["In Transit W+2"].sum()}
    assert data.default_as_of() == pd.Timestamp("2024-04-08")
    assert set(data.items["unmet_demand"]) == {"lost"}
    assert len(data.as_of("2024-04-08").skus) == 599
    week = data.order_lines[data.order_lines["ordered_at"] == "2023-05-15"]
    assert week.set_index(["location_id", "item_id"])["qty"].sum() == sold["2023-05-15"].sum()
