"""Declarations of tables, canonical frames, and the check where a frame leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backorder_forecast import tables
from backorder_forecast.errors import BackorderForecastError
from backorder_forecast.tables import (
    INPUT,
    OUTPUT,
    TEXT,
    check_output,
    conform,
    dtype_of,
    empty,
    from_rows,
    quantile_label,
)

CONTRACT_REQUIRED = {
    "items": "item_id",
    "policies": "item_id, stated_at",
    "order_lines": "order_id, line_id, item_id, ordered_at, qty",
    "line_changes": "line_id, changed_at, field, value",
    "shipments": "line_id, shipped_at, qty",
    "cancellations": "line_id, cancelled_at, qty",
    "stock": "item_id, date, on_hand",
    "stock_movements": "item_id, moved_at, qty",
    "purchase_lines": "po_line_id, item_id, ordered_at, qty",
    "receipts": "po_line_id, received_at, qty",
    "purchase_cancellations": "po_line_id, cancelled_at, qty",
    "line_promises": "line_id, stated_at, promised_date",
    "purchase_promises": "po_line_id, stated_at, promised_date",
    "line_messages": "line_id, sent_at, kind",
    "transfers": "transfer_id, item_id, from_location_id, location_id, shipped_at, qty",
    "customers": "customer_id",
    "suppliers": "supplier_id",
    "protected_stock": "item_id, customer_class, qty",
    "substitutes": "item_id, substitute_item_id",
    "calendar": "date",
    "drivers": "item_id, date",
    "overrides": "entity, entity_id, field, value, author, stated_at",
}


def test_required_columns_are_those_of_the_contract() -> None:
    assert {name: set(table.required) for name, table in INPUT.items()} == {
        name: set(columns.split(", ")) for name, columns in CONTRACT_REQUIRED.items()
    }


@pytest.mark.parametrize("name", [*INPUT, *OUTPUT])
def test_declarations_hold_together(name: str) -> None:
    table = tables.spec(name)
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    assert set(table.key) <= set(names)
    assert table.dated is None or table.dated in names
    assert all(column.meaning.endswith(".") for column in table.columns)
    if name in INPUT:
        assert "known_at" in names


@pytest.mark.parametrize("name", [*INPUT, *OUTPUT])
def test_an_empty_frame_is_canonical_and_conforms_to_itself(name: str) -> None:
    frame = empty(name)
    assert [frame[column.name].dtype for column in tables.spec(name).columns if not column.later] == [
        dtype_of(column) for column in tables.spec(name).columns if not column.later
    ]
    pd.testing.assert_frame_equal(conform(name, frame), frame)


@pytest.mark.parametrize("name", OUTPUT)
def test_an_empty_output_table_leaves(name: str) -> None:
    assert len(check_output(name, empty(name))) == 0


def lines(n: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "qty": np.arange(1, n + 1),
            "order_id": [7] * n,
            "line_id": [f"{i:03d}" for i in range(n)],
            "item_id": "a",
            "ordered_at": pd.Timestamp("2026-01-02 10:30"),
            "promised_date": "2026-02-01",
            "extra": 1,
        }
    )


def test_conform_orders_casts_fills_and_drops() -> None:
    frame = conform("order_lines", lines())
    assert list(frame.columns) == list(INPUT["order_lines"].by_name)
    assert frame["order_id"].tolist() == ["7"] * 3
    assert frame["line_id"].dtype == TEXT
    assert frame["ordered_at"].dt.hour.tolist() == [10] * 3
    assert frame["location_id"].tolist() == ["main"] * 3
    assert (frame["priority"].dtype, frame["allow_partial"].all(), frame["ship_complete"].any()) == (
        "int64",
        True,
        False,
    )
    assert frame["requested_date"].isna().all()
    assert frame["requested_date"].dtype == "datetime64[us]"


def test_conform_fills_defaults_into_holes_and_keeps_what_is_there() -> None:
    frame = conform("order_lines", lines().assign(location_id=["x", None, "y"], priority=[2.0, np.nan, 0.0]))
    assert frame["location_id"].tolist() == ["x", "main", "y"]
    assert frame["priority"].tolist() == [2, 0, 0]
    odd = conform("order_lines", lines().set_axis([5, 5, 9]))
    pd.testing.assert_frame_equal(odd, conform("order_lines", lines()))


def test_conform_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="order_lines: missing columns line_id, item_id"):
        conform("order_lines", lines().drop(columns=["item_id", "line_id"]))


def test_absent_columns_of_a_long_table_take_next_to_no_memory_and_work() -> None:
    frame = conform("order_lines", lines(200_000))
    assert frame["channel"].isna().all()
    assert (frame["location_id"] == "main").all()
    assert len(frame[frame["qty"] > 100_000].sort_values("paid_at")) == 100_000


def risk(**changes: object) -> pd.DataFrame:
    row: dict[str, object] = dict.fromkeys((c.name for c in OUTPUT["backorder_risk"].columns), 0.5)
    row |= {"item_id": "a", "location_id": "main", "horizon_days": 7, "supply_basis": "open_only"}
    row |= {"first_backorder_p50_date": pd.NaT} | changes
    return pd.DataFrame([row, row | {"item_id": "b"}])


def test_a_good_output_leaves_in_canonical_types_with_extra_columns_behind() -> None:
    frame = check_output("backorder_risk", risk(own=1))
    assert list(frame.columns) == [*OUTPUT["backorder_risk"].by_name, "own"]
    assert frame["horizon_days"].dtype == "int64"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"backorder_prob": 1.2}, "backorder_prob"),
        ({"backorder_prob": -0.1}, "backorder_prob"),
        ({"expected_backorder_qty": -1.0}, "expected_backorder_qty"),
        ({"expected_backorder_qty": np.inf}, "finite"),
        ({"supply_basis": "hope"}, "supply_basis"),
        ({"item_id": None}, "item_id"),
    ],
)
def test_a_bad_output_does_not_leave(changes: dict[str, object], part: str) -> None:
    with pytest.raises(BackorderForecastError, match=part):
        check_output("backorder_risk", risk(**changes))


def promised(**changes: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(OUTPUT["promise"].by_name)
    row |= {"item_id": "a", "location_id": "main", "qty": 2, "priority": 0, "ship_prob": 0.5, "supply_state": "due"}
    return row | changes


def test_a_few_rows_become_the_frame_that_the_check_of_frames_makes_of_them() -> None:
    day = np.datetime64("2026-07-01")
    rows = [promised(), promised(date=pd.Timestamp(day), p50_date=day, pegged_po_line_id="7", pegged_prob=0.25)]
    for some in (rows, rows[:1], []):
        frame = pd.DataFrame(some, columns=list(OUTPUT["promise"].by_name))
        pd.testing.assert_frame_equal(from_rows("promise", some), check_output("promise", frame), check_exact=True)


@pytest.mark.parametrize(
    "changes",
    [{"ship_prob": 1.2}, {"ship_prob": -0.1}, {"qty": 0.0}, {"qty": np.inf}, {"supply_state": "hope"}],
)
def test_a_bad_row_leaves_neither_way(changes: dict[str, object]) -> None:
    with pytest.raises(BackorderForecastError, match=next(iter(changes))):
        from_rows("promise", [promised(**changes)])
    with pytest.raises(BackorderForecastError, match=next(iter(changes))):
        check_output("promise", pd.DataFrame([promised(**changes)]))


def test_a_repeated_key_or_a_missing_column_does_not_leave() -> None:
    with pytest.raises(BackorderForecastError, match="schema"):
        check_output("backorder_risk", risk().assign(item_id="a"))
    with pytest.raises(BackorderForecastError, match="missing column on_hand"):
        check_output("backorder_risk", risk().drop(columns="on_hand"))


@pytest.mark.parametrize(
    ("level", "label"),
    [(0.05, "p05"), (0.5, "p50"), (0.975, "p97_5"), (0.999, "p99_9"), (0.0125, "p01_25"), (0.07, "p07")],
)
def test_quantile_labels(level: float, label: str) -> None:
    assert quantile_label(level) == label


def test_a_level_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_label(1.0)


def test_the_reference_of_tables_is_current_and_complete() -> None:
    page = (Path(__file__).parent.parent / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == tables.markdown()
    for table in (*INPUT.values(), *OUTPUT.values()):
        assert f"### {table.name}\n" in page
