"""The dataset: frozen, with tables as attributes, and a default day that one stray row cannot move."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from backorder_forecast.dataset import Dataset
from backorder_forecast.errors import UsageError
from backorder_forecast.tables import INPUT


def orders(*days: str) -> pd.DataFrame:
    return pd.DataFrame({"order_id": "o", "line_id": [str(i) for i in range(len(days))], "item_id": "a",
                         "ordered_at": list(days), "qty": 1})  # fmt: skip


def stock(*days: str) -> pd.DataFrame:
    return pd.DataFrame({"item_id": "a", "date": list(days), "on_hand": 1})


def days(start: str, n: int) -> list[str]:
    return [str(day.date()) for day in pd.date_range(start, periods=n)]


def test_every_table_is_there_and_only_given_ones_are_named() -> None:
    data = Dataset.of({"stock": stock("2026-01-01")})
    assert set(data.tables) == set(INPUT)
    assert data.given == {"stock"}
    assert len(data.stock) == 1
    assert "shipments" in dir(data)
    with pytest.raises(AttributeError, match="did you mean 'order_lines'"):
        _ = data.orderlines
    assert repr(data) == "Dataset(stock 1; 0 rejected)"


def test_it_is_frozen() -> None:
    data = Dataset.of({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.given = frozenset()  # type: ignore[misc]
    with pytest.raises(TypeError):
        data.tables["stock"] = data.stock  # type: ignore[index]


@pytest.mark.parametrize(
    ("orders_on", "stock_on", "expected"),
    [
        (days("2026-01-01", 30), days("2026-01-01", 30), "2026-01-30"),
        (days("2026-01-01", 30), [*days("2026-01-01", 30), "2062-01-01"], "2026-01-30"),  # stray stock
        ([*days("2026-01-01", 30), "2026-04-01"], days("2026-01-01", 30), "2026-01-30"),  # stray order
        ([*days("2026-01-01", 30), "2062-01-01"], [*days("2026-01-01", 30), "2062-01-01"], "2026-01-30"),
        (days("2026-01-01", 30), ["2026-01-25"], "2026-01-25"),  # last count before the last order
        (days("2026-01-01", 30), ["2026-02-01"], "2026-02-01"),  # counted on the first of the month
        (days("2026-01-01", 30), ["2025-01-01", "2026-02-01"], "2026-02-01"),
        (days("2026-01-01", 30), ["2027-01-01"], "2026-01-30"),  # a count far behind everything
        (days("2026-01-01", 30), [], "2026-01-30"),
        ([*days("2026-01-01", 30), "2026-03-31"], [], "2026-01-30"),
        ([], ["2026-01-05", "2026-01-06"], "2026-01-06"),
        ([*days("2026-01-01", 30), *["2026-03-31"] * 20], [], "2026-03-31"),  # too many to be strays
    ],
)
def test_the_default_day(orders_on: list[str], stock_on: list[str], expected: str) -> None:
    data = Dataset.of({"order_lines": orders(*orders_on), "stock": stock(*stock_on)})
    assert data.default_as_of() == pd.Timestamp(expected)


def test_without_any_date_there_is_no_default_day() -> None:
    with pytest.raises(UsageError, match="no table holds a dated fact"):
        Dataset.of({"items": pd.DataFrame({"item_id": ["a"]})}).default_as_of()


def test_as_of_is_what_was_known_at_the_end_of_the_day() -> None:
    past = Dataset.of({"order_lines": orders("2026-01-01", "2026-01-02 23:59", "2026-01-03")}).as_of(
        "2026-01-02"
    )
    assert past.day == pd.Timestamp("2026-01-02")
    assert past.lines["line_id"].tolist() == ["0", "1"]
