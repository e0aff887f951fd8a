# ruff: noqa: E501 - tables of cases read better with long rows
"""Coercion, row checks, checks across tables, and that none of them looks ahead or minds the order of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from backorder_forecast.coerce import Coerced, coerce
from backorder_forecast.config import Config, Data
from backorder_forecast.dataset import Dataset
from backorder_forecast.errors import InputError
from backorder_forecast.identity import any_repeated, key_codes, number_keys, places_of
from backorder_forecast.schema import INPUT, Column
from backorder_forecast.sources import load

LOOSE = {"data": {"max_rejected_share": 1.0}}


def read(values: list[Any] | pa.Array, kind: Any, name: str = "x", **how: Any) -> Coerced:
    allowed = how.pop("allowed", ())
    return coerce(pa.chunked_array([values]), Column(name, kind, "", allowed=allowed), Data(**how))


def bad(result: Coerced) -> list[bool]:
    return [] if result.bad is None else result.bad.tolist()


# ----------------------------------------------------------------------------------------- coercion


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["007", " 7 ", "", None], ["007", "7", None, None]),
        ([7, 12345678901, None], ["7", "12345678901", None]),
        ([7.0, None, 8.0], ["7", None, "8"]),
        ([7.5, 8.0], ["7.5", "8"]),
        (["NA", "null"], ["NA", "null"]),
        ([True, False], ["true", "false"]),
    ],
)
def test_ids_stay_text(values: list[Any], expected: list[str | None]) -> None:
    got = read(values, "text", "item_id").values
    assert [None if pd.isna(value) else value for value in got] == expected


@pytest.mark.parametrize(
    ("texts", "how", "expected"),
    [
        (["1", " 2.5 ", "", "NULL", "1e3"], {}, [1, 2.5, np.nan, np.nan, 1000]),
        (["1,5", "-2"], {"decimal": ","}, [1.5, -2]),
        (["1.234.567,5", "12"], {"decimal": ",", "thousands": "."}, [1234567.5, 12]),
        (["1,234", "1,234.5"], {"thousands": ","}, [1234, 1234.5]),
        (["1 234"], {"thousands": " "}, [1234]),
        (["5 Stk", "7"], {}, [None, 7]),
        (["1.5"], {"decimal": ","}, [None]),  # a point where commas are decimal is not guessed at
        (["1.50"], {"decimal": ",", "thousands": "."}, [None]),  # no group of three
        (["12,34"], {"thousands": ","}, [None]),
        (["1_000", "inf", "-Infinity"], {}, [None, None, None]),
    ],
)
def test_numbers_are_read_as_configured_and_never_guessed(
    texts: list[str], how: Any, expected: list[Any]
) -> None:
    got = read(texts, "quantity", **how)
    assert [number is None for number in expected] == (bad(got) or [False] * len(texts))
    np.testing.assert_array_equal(got.values, [np.nan if n is None else n for n in expected])


@pytest.mark.parametrize(
    ("texts", "how", "expected"),
    [
        (["2026-01-31", "2026-01-31 08:30", "2026-01-31T08:30:15"], {}, ["01-31 00:00", "01-31 08:30", "01-31 08:30"]),
        (["20260131", "2026-01-31"], {}, ["01-31 00:00", "01-31 00:00"]),
        (["31.01.2026", "1/2/2026", "2026-02-01"], {"day_first": True}, ["01-31 00:00", "02-01 00:00", "02-01 00:00"]),
        (["1/2/2026 8:30"], {"day_first": False}, ["01-02 08:30"]),
        (["31.01.2026"], {"day_first": False}, [None]),
        (["01/02/2026", "2026-01-31"], {}, [None, "01-31 00:00"]),
        (["31-Jan-26", "2026-01-31"], {"date_format": "%d-%b-%y"}, ["01-31 00:00", None]),
        (["2026-02-30", "soon"], {}, [None, None]),
        (["46053", "46053.5"], {"excel_serial_dates": True}, ["01-31 00:00", "01-31 12:00"]),
        (["2026-01-31T23:30:00Z", "2026-01-31T10:00:00-05:00"], {"time_zone": "Europe/Berlin"}, ["02-01 00:30", "01-31 16:00"]),
        (["2026-01-31 23:30:00 UTC", "2026-01-31 10:00"], {"time_zone": "UTC"}, ["01-31 23:30", "01-31 10:00"]),
    ],
)  # fmt: skip
def test_dates_are_read_as_configured_and_never_guessed(
    texts: list[str], how: Any, expected: list[Any]
) -> None:
    got = read(texts, "timestamp", **how)
    assert [None if pd.isna(day) else day.strftime("%m-%d %H:%M") for day in got.values] == expected
    assert [day is None for day in expected] == (bad(got) or [False] * len(texts))
    assert got.values.dtype == "datetime64[us]"


def test_dates_of_every_arrow_type() -> None:
    day = np.datetime64("2026-01-31T10:00", "us")
    for kind in ("ns", "us", "ms", "s"):
        assert read(pa.array([day]).cast(pa.timestamp(kind)), "timestamp").values[0] == pd.Timestamp(day)
    assert read(pa.array([day]).cast(pa.date32(), safe=False), "date").values[0] == pd.Timestamp("2026-01-31")
    zoned = pa.array([day]).cast(pa.timestamp("us", "UTC"))
    assert "data.time_zone" in (read(zoned, "timestamp").blocker or "")
    assert read(zoned, "timestamp", time_zone="Asia/Tokyo").values[0] == pd.Timestamp("2026-01-31 19:00")
    assert read(zoned, "date", time_zone="Pacific/Auckland").values[0] == pd.Timestamp("2026-01-31")


@pytest.mark.parametrize(
    ("texts", "how", "hint"),
    [
        (["45000"], {}, "data.excel_serial_dates"),
        (["01/02/2026"], {}, "data.day_first"),
        (["Jan 5"], {}, "data.date_format"),
        (["2026-01-01"], {"date_format": "%d.%m.%Y"}, "%d.%m.%Y"),
    ],
)
def test_the_remedy_names_the_key_that_mends_it(texts: list[str], how: Any, hint: str) -> None:
    assert hint in read(texts, "date", **how).remedy


def test_flags_and_allowed_values() -> None:
    got = read(["yes", "N", "1", "", "perhaps"], "flag")
    assert got.values.astype(object).where(got.values.notna(), None).tolist() == [
        True,
        False,
        True,
        None,
        None,
    ]
    assert bad(got) == [False, False, False, False, True]
    kinds = read(["lost", " Lost", "gone", None], "text", "unmet_demand", allowed=("lost", "mixed"))
    assert kinds.values.fillna("").tolist() == ["lost", "lost", "", ""]
    assert bad(kinds) == [False, False, True, False]
    assert [repair[:2] for repair in kinds.repairs] == [("spelling of an allowed value", 1)]


def test_empty_columns_of_every_kind() -> None:
    for kind in ("text", "date", "timestamp", "quantity", "int", "flag", "prob"):
        for column in (pa.array([], pa.string()), pa.array([], pa.null())):
            assert len(read(column, kind).values) == 0
        assert read(pa.nulls(3), kind).values.isna().all()


# ------------------------------------------------------------------------------------------- tables


def frames() -> dict[str, pd.DataFrame]:
    """A small company of 60 lines over 60 days."""
    days = [str(day.date()) for day in pd.date_range("2026-01-01", periods=60)]
    lines = pd.DataFrame({"order_id": [f"O{i // 2}" for i in range(60)], "line_id": [f"L{i}" for i in range(60)],
                          "item_id": ["a", "b", "c"] * 20, "ordered_at": days, "qty": 2.0,
                          "customer_id": [f"C{i % 5}" for i in range(60)]})  # fmt: skip
    sent = pd.DataFrame({"line_id": lines["line_id"], "shipped_at": days, "qty": 2.0})[:40]
    bought = pd.DataFrame({"po_line_id": ["P1", "P2"], "item_id": "a", "ordered_at": days[:2], "qty": 50})
    came = pd.DataFrame({"po_line_id": ["P1"], "received_at": [days[9]], "qty": 50})
    stock = pd.DataFrame({"item_id": ["a", "b", "c"], "date": days[0], "on_hand": 100})
    return {
        "order_lines": lines,
        "shipments": sent,
        "purchase_lines": bought,
        "receipts": came,
        "stock": stock,
    }


def changed(table: str, row: int, **values: Any) -> dict[str, pd.DataFrame]:
    tables = frames()
    frame = tables[table].copy()
    for column, value in values.items():
        frame[column] = frame[column].astype(object) if column in frame else None
        frame.loc[frame.index[row], column] = value
    return tables | {table: frame}


def rejects(data: Dataset) -> list[tuple[str, int, str]]:
    return list(
        zip(data.rejected_rows["table"], data.rejected_rows["row"], data.rejected_rows["column"], strict=True)
    )


def test_clean_input_stays_as_it_is() -> None:
    data = load(frames())
    assert not len(data.rejected_rows)
    assert not len(data.cleaning_log)
    assert not data.warnings
    assert data.order_lines["qty"].sum() == 120


@pytest.mark.parametrize(
    ("table", "row", "values", "expected"),
    [
        ("order_lines", 50, {"qty": 0}, [("order_lines", 51, "qty")]),
        ("order_lines", 50, {"qty": -1}, [("order_lines", 51, "qty")]),
        ("order_lines", 50, {"qty": np.nan}, [("order_lines", 51, "qty")]),
        ("order_lines", 50, {"qty": np.inf}, [("order_lines", 51, "qty")]),
        ("order_lines", 50, {"item_id": None}, [("order_lines", 51, "item_id")]),
        ("order_lines", 50, {"item_id": "  "}, [("order_lines", 51, "item_id")]),
        ("order_lines", 50, {"ordered_at": None}, [("order_lines", 51, "ordered_at")]),
        ("order_lines", 50, {"ordered_at": "1970-01-01"}, [("order_lines", 51, "ordered_at")]),
        ("order_lines", 50, {"qty": 0, "item_id": None}, [("order_lines", 51, "item_id"), ("order_lines", 51, "qty")]),
        ("order_lines", 1, {"qty": 0}, [("order_lines", 2, "qty"), ("shipments", 2, "line_id")]),
        ("order_lines", 50, {"line_id": "L2"}, [("order_lines", 51, "line_id")]),
        ("shipments", 3, {"line_id": "L99"}, [("shipments", 4, "line_id")]),
        ("shipments", 3, {"shipped_at": "2026-01-03"}, [("shipments", 4, "shipped_at")]),
        ("receipts", 0, {"po_line_id": "p1"}, [("receipts", 1, "po_line_id")]),
        ("stock", 2, {"item_id": "b"}, [("stock", 3, "item_id")]),
        ("shipments", 39, {"shipped_at": "2062-01-01"}, [("shipments", 40, "shipped_at")]),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_set_aside(
    table: str, row: int, values: dict[str, Any], expected: list[tuple[str, int, str]]
) -> None:
    assert rejects(load(changed(table, row, **values), config=LOOSE)) == expected


def test_a_bad_optional_value_is_blanked_and_counted_unless_there_are_many() -> None:
    tables = changed("order_lines", 3, unit_price="cheap")
    data = load(tables)
    assert not len(data.rejected_rows)
    (entry,) = data.cleaning_log.itertuples(index=False)
    assert (entry.table, entry.column, entry.rows, entry.example) == ("order_lines", "unit_price", 1, "cheap")
    tables["order_lines"]["unit_price"] = "cheap"
    with pytest.raises(InputError, match=r"order_lines\.unit_price: is a finite number; 60 rows"):
        load(tables)


def test_a_promise_of_the_year_2999_means_none() -> None:
    data = load(changed("order_lines", 3, promised_date="2999-12-31"))
    assert data.order_lines["promised_date"].isna().all()
    assert data.cleaning_log["example"].tolist() == ["2999-12-31"]


def test_in_stock_flags_serve_where_no_quantity_is_known() -> None:
    stock = pd.DataFrame({"item_id": ["a", "b", "c"], "date": "2026-01-01", "in_stock": [True, False, None]})
    data = load({"stock": stock}, config=LOOSE)
    assert data.stock["in_stock"].tolist() == [True, False]
    assert data.stock["on_hand"].isna().all()
    assert rejects(data) == [("stock", 3, "on_hand")]


def test_of_equal_keys_the_row_known_earliest_is_kept() -> None:
    lines = frames()["order_lines"]
    again = lines.iloc[[5, 5]].assign(ordered_at=["2026-01-04", "2026-01-20"], qty=[9.0, 1.0])
    data = load({"order_lines": pd.concat([lines, again])}, config=LOOSE)
    kept = data.order_lines.set_index("line_id").loc["L5"]
    assert (kept["qty"], kept["ordered_at"]) == (9.0, pd.Timestamp("2026-01-04"))
    assert [row for _, row, _ in rejects(data)] == [6, 62]
    dropped = load({"order_lines": pd.concat([lines, again])}, config={"data": {"duplicates": "drop"}})
    assert not len(dropped.rejected_rows)
    assert dropped.cleaning_log["rows"].tolist() == [2]


def test_known_at_decides_before_the_own_date() -> None:
    stock = pd.DataFrame({"item_id": "a", "date": "2026-01-01", "on_hand": [5, 7],
                          "known_at": ["2026-01-09", "2026-01-02"]})  # fmt: skip
    assert load({"stock": stock}, config=LOOSE).stock["on_hand"].tolist() == [7.0]


def test_versions_of_an_item_are_not_duplicates() -> None:
    items = pd.DataFrame({"item_id": "a", "unit_cost": [1, 2], "known_at": ["2026-01-01", "2026-02-01"]})
    assert len(load({"items": items}).items) == 2


@pytest.mark.parametrize("how", ["reject", "drop", "cancel", "stock_return"])
def test_negative_order_lines_are_what_the_configuration_says(how: str) -> None:
    tables = changed("order_lines", 59, qty=-3.0, item_id="b", customer_id="C1")
    tables["order_lines"].loc[56, ["item_id", "customer_id"]] = ["b", "C1"]
    data = load(tables, config={"data": {"returns": how, "max_rejected_share": 0.5}})
    assert len(data.order_lines) == 59
    assert rejects(data) == ([("order_lines", 60, "qty")] if how == "reject" else [])
    assert data.cleaning_log["rows"].tolist() == ([] if how == "reject" else [1])
    cancelled = data.cancellations[["line_id", "qty", "cancelled_by"]].to_numpy().tolist()
    assert cancelled == ([["L56", 2.0, "customer"]] if how == "cancel" else [])
    moved = data.stock_movements[["item_id", "qty", "kind"]].to_numpy().tolist()
    assert moved == ([["b", 3.0, "return"]] if how == "stock_return" else [])


def test_zeros_and_negative_receipts_can_be_dropped_and_are_counted() -> None:
    tables = changed("order_lines", 50, qty=0.0)
    tables["receipts"] = pd.DataFrame({"po_line_id": "P1", "received_at": "2026-01-10", "qty": [50, -1]})
    data = load(tables, config={"data": {"zero_quantities": "drop", "negative_receipts": "drop"}})
    assert not len(data.rejected_rows)
    assert data.cleaning_log["rows"].tolist() == [1, 1]
    assert (len(data.order_lines), len(data.receipts)) == (59, 1)


def test_changes_are_written_in_canonical_form() -> None:
    changes = pd.DataFrame({"line_id": ["L1", "L1", "L2", "L2"], "changed_at": "2026-02-01",
                            "field": ["qty", "Promised_Date", "qty", "colour"], "value": ["1,5", "31.12.2026", "many", "red"],
                            "old_value": ["2,0", "", "", ""]})  # fmt: skip
    config = {"data": {"decimal": ",", "day_first": True, "max_rejected_share": 0.6}}
    data = load(frames() | {"line_changes": changes}, config=config)
    assert data.line_changes[["field", "value"]].to_numpy().tolist() == [
        ["qty", "1.5"],
        ["promised_date", "2026-12-31"],
    ]
    assert data.line_changes["old_value"].fillna("").tolist() == ["2", ""]
    assert rejects(data) == [("line_changes", 3, "value"), ("line_changes", 4, "field")]


# ---------------------------------------------------------------------------------------- locations


def test_the_only_location_named_is_taken_for_blanks() -> None:
    tables = frames()
    tables["stock"]["location_id"] = "depot"
    data = load(tables)
    assert set(data.order_lines["location_id"]) == {"depot"}
    assert set(data.purchase_lines["location_id"]) == {"depot"}
    assert set(data.cleaning_log["repair"]) == {"the only location known by then is taken"}


def test_blanks_are_set_aside_from_the_day_of_the_second_location() -> None:
    tables = frames()
    tables["order_lines"]["location_id"] = ["north"] * 30 + ["south"] * 25 + [None] * 5
    tables["stock"]["location_id"] = "north"
    data = load(tables, config=LOOSE)
    late = [("order_lines", row, "location_id") for row in range(56, 61)]
    assert rejects(data) == late
    assert set(data.purchase_lines["location_id"]) == {"north"}  # bought before there was a second one


# ------------------------------------------------------------------------------------------- ids


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (["L1", "L20"], ["L20", "L3"], True),
        (["007", "010"], ["010"], True),
        (["7", "010"], ["010"], False),
        (["7", "8"], ["007"], False),
        (["A1", "B2"], ["A1"], False),
        (["L-1", "L-2"], ["L-2"], True),
        (["1" * 30], ["2"], False),
        (["٣", "1"], ["1"], False),
        (["", "1"], ["1"], False),
        ([None, "5"], ["5", None], True),
    ],
)  # fmt: skip
def test_number_keys_stand_for_ids_one_to_one(left: list[Any], right: list[Any], same: bool) -> None:
    keys = number_keys([pa.chunked_array([pa.array(part, pa.large_string())]) for part in (left, right)])
    assert (keys is not None) == same
    if keys is not None:
        for part, numbers in zip((left, right), keys, strict=True):
            assert len(set(part)) == len(set(numbers.tolist()))
        texts, numbers = [*left, *right], np.concatenate(keys)
        pairs = {(text, number) for text, number in zip(texts, numbers.tolist(), strict=True)}
        assert len(pairs) == len(set(texts))


@pytest.mark.parametrize("style", ["{}", "L{:08d}", "{}x", "9{:016d}", "{:017d}", "a{}"])
def test_fast_ids_are_those_of_plain_python(style: str) -> None:
    rng = np.random.default_rng(3)
    known = [style.format(number) for number in rng.permutation(500)[:300]]
    wanted = [style.format(number) for number in rng.integers(0, 600, 400)]
    (places,) = places_of(pd.Series(known), [pd.Series(wanted)])
    assert places.tolist() == [known.index(text) if text in known else -1 for text in wanted]
    assert any_repeated(key_codes([pd.Series(wanted)])) == (len(set(wanted)) < len(wanted))
    assert not any_repeated(key_codes([pd.Series(known)]))
    days = pd.Series(np.datetime64("2026-01-01", "us") + rng.integers(0, 9, 400).astype("timedelta64[D]"))
    codes = key_codes([pd.Series(wanted), pd.Series(wanted[::-1]), days])
    rows = list(zip(wanted, wanted[::-1], days, strict=True))
    assert len(set(codes.tolist())) == len(set(rows)) == len(set(zip(rows, codes.tolist(), strict=True)))


# -------------------------------------------------------------------------- order and look-ahead


def messy(seed: int) -> dict[str, pd.DataFrame]:
    """The company with a dozen random defects."""
    rng = np.random.default_rng(seed)
    tables = {name: frame.astype(object) for name, frame in frames().items()}
    values: list[Any] = [None, "x", "L3", "P1", -1, 0, 3, "2026-01-20", "2030-05-05", "1980-01-01", "a", " a"]
    for _ in range(12):
        name = str(rng.choice(list(tables)))
        frame = tables[name]
        frame.iloc[int(rng.integers(len(frame))), int(rng.integers(frame.shape[1]))] = values[
            rng.integers(len(values))
        ]
    lines = tables["order_lines"]
    tables["order_lines"] = pd.concat([lines, lines.sample(3, random_state=seed)], ignore_index=True)
    if seed % 3 == 0:
        tables["stock"]["location_id"] = ["north", None, "south"]
    if seed % 3 == 1:
        tables["order_lines"]["location_id"] = "north"
    return tables


def as_set(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return sorted(tuple(map(str, row)) for row in frame.to_numpy().tolist())


BASIS = {"data": {"max_rejected_share": 1.0, "stock_basis": "physical"}}


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    tables = messy(seed)
    shuffled = {name: frame.sample(frac=1, random_state=seed) for name, frame in tables.items()}
    first, second = load(tables, config=BASIS), load(shuffled, config=BASIS)
    for name in INPUT:
        assert as_set(first.tables[name]) == as_set(second.tables[name])
    without_place = [column for column in first.rejected_rows if column != "row"]
    assert as_set(first.rejected_rows[without_place]) == as_set(second.rejected_rows[without_place])
    assert first.warnings == second.warnings


def known(data: Dataset, day: str) -> dict[str, list[tuple[str, ...]]]:
    """Rows dated up to a day, and known by then."""
    end = pd.Timestamp(day) + pd.Timedelta(days=1)
    return {
        name: as_set(data.tables[name][data.tables[name][table.dated] < end])
        for name, table in INPUT.items()
        if table.dated
    }


@pytest.mark.parametrize("seed", range(40))
def test_edits_after_a_day_change_nothing_that_was_kept_up_to_it(seed: int) -> None:
    """Rows after the day are deleted, changed, or new ones inserted; what is kept before it stays the same."""
    rng = np.random.default_rng(seed)
    day = "2026-01-25"
    tables = messy(seed)
    before = known(load(tables, config=BASIS), day)
    name = str(rng.choice(["order_lines", "shipments", "purchase_lines", "receipts", "stock"]))
    dated = str(INPUT[name].dated)
    frame = tables[name]
    # what cannot be read as a date is nobody's past, and is left alone
    later = pd.to_datetime(frame[dated].astype(str), errors="coerce", format="%Y-%m-%d") > pd.Timestamp(day)
    rows = np.flatnonzero(later.to_numpy())
    how = rng.choice(["delete", "insert", "change"])
    if how == "delete" and len(rows):
        frame = frame.drop(frame.index[rng.choice(rows)])
    elif how == "change" and len(rows):
        frame.loc[frame.index[rng.choice(rows)], dated] = "2026-03-15"
    else:
        some = frame.sample(1, random_state=seed).assign(**{dated: "2026-02-20", "location_id": "east"})
        frame = pd.concat([frame, some], ignore_index=True)
    assert known(load(tables | {name: frame}, config=BASIS), day) == before


def test_the_verdict_on_a_stray_date_does_not_depend_on_what_comes_later() -> None:
    lines = frames()["order_lines"]
    stray = lines.iloc[[0]].assign(line_id="S", ordered_at="2030-01-01")
    after = pd.concat([lines.assign(line_id="M" + lines["line_id"], ordered_at="2030-02-01")] * 1)
    alone = load({"order_lines": pd.concat([lines, stray])}, config=LOOSE)
    followed = load({"order_lines": pd.concat([lines, stray, after])}, config=LOOSE)
    assert rejects(alone) == rejects(followed) == [("order_lines", 61, "ordered_at")]
    assert len(followed.order_lines) == 120


def test_settings_of_the_source_travel_with_the_dataset() -> None:
    assert load(frames(), config=Config(simulation={"seed": 5})).config.simulation.seed == 5
