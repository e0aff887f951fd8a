# ruff: noqa: E501 - a table of broken inputs reads better with long rows
"""Broken input ends in one clear message, or in a clean repair; never in another exception, never in a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backorder_forecast.dataset import Dataset
from backorder_forecast.errors import BackorderForecastError, ConfigError, InputError
from backorder_forecast.sources import load

N = 200
TABLES = ("order_lines", "shipments", "stock", "purchase_lines", "receipts")


def company() -> dict[str, pd.DataFrame]:
    """Small, whole and consistent: 200 lines, 150 shipped, 20 purchases, 15 received."""
    i = np.arange(N)
    day = (pd.Timestamp("2026-01-01") + pd.to_timedelta(i // 4, unit="D")).strftime("%Y-%m-%d")
    sent = (pd.Timestamp("2026-01-03") + pd.to_timedelta(i // 4, unit="D")).strftime("%Y-%m-%d")
    item = np.where(i % 3, "007", "A1")
    lines = pd.DataFrame({"order_id": (i // 2).astype(str), "line_id": [f"L{k:04d}" for k in i], "item_id": item,
                          "ordered_at": day, "qty": i % 5 + 1, "unit_price": 1.5})  # fmt: skip
    shipments = pd.DataFrame({"line_id": lines["line_id"], "shipped_at": sent, "qty": lines["qty"]})[:150]
    stock = pd.DataFrame({"item_id": ["007", "A1"] * 10, "date": np.repeat(day[::20], 2)[:20], "on_hand": 12})
    purchases = pd.DataFrame({"po_line_id": [f"P{k}" for k in range(20)], "item_id": "007",
                              "ordered_at": day[:80:4], "qty": 50})  # fmt: skip
    receipts = pd.DataFrame({"po_line_id": purchases["po_line_id"], "received_at": sent[:80:4], "qty": 50})[
        :15
    ]
    return dict(zip(TABLES, (lines, shipments, stock, purchases, receipts), strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The company as CSV files."""
    path = tmp_path / "export"
    path.mkdir()
    for name, frame in company().items():
        frame.to_csv(path / f"{name}.csv", index=False)
    return path


def rewrite(
    folder: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame | None], **csv: object
) -> None:
    """Change one file, all values as text."""
    file = folder / f"{table}.csv"
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    changed = change(frame)
    (frame if changed is None else changed).to_csv(file, index=False, **csv)  # type: ignore[call-overload]


def put(table: str, row: int | slice, column: str, value: object) -> Callable[[Path], None]:
    """A breaker that writes one value."""

    def breaker(folder: Path) -> None:
        def change(frame: pd.DataFrame) -> None:
            frame.loc[frame.index[row], column] = value

        rewrite(folder, table, change)

    return breaker


def written(file: str, content: bytes) -> Callable[[Path], object]:
    """A breaker that replaces or adds a file."""
    return lambda folder: (folder / file).write_bytes(content)


def without(table: str, column: str) -> Callable[[Path], None]:
    return lambda folder: rewrite(folder, table, lambda frame: frame.drop(columns=column))


def mapped(table: str, column: str, function: Callable[[str], str]) -> Callable[[Path], None]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{column: frame[column].map(function)})

    return lambda folder: rewrite(folder, table, change)


def zipped(folder: Path) -> None:
    (folder / "stock.csv").unlink()
    with zipfile.ZipFile(folder / "stock.parquet", "w") as archive:
        archive.writestr("stock.csv", "item_id,date,on_hand\n")


def not_parquet(folder: Path) -> None:
    (folder / "stock.csv").rename(folder / "stock.parquet")


def torn_parquet(folder: Path) -> None:
    pd.read_csv(folder / "stock.csv", dtype=str).to_parquet(folder / "stock.parquet")
    content = (folder / "stock.parquet").read_bytes()
    (folder / "stock.parquet").write_bytes(content[: len(content) // 2])
    (folder / "stock.csv").unlink()


def latin(folder: Path) -> None:
    text = (folder / "order_lines.csv").read_text().replace("A1", "Größe")
    (folder / "order_lines.csv").write_bytes(text.encode("cp1252"))


def excel(folder: Path) -> None:
    def serial(day: str) -> str:
        return str((pd.Timestamp(day) - pd.Timestamp("1899-12-30")).days)

    mapped("order_lines", "ordered_at", serial)(folder)


def all_shipments_unknown(folder: Path) -> None:
    mapped("shipments", "line_id", lambda line: line.lower() + "x")(folder)


def two_locations(folder: Path) -> None:
    rewrite(folder, "stock", lambda frame: frame.assign(location_id=["north", "south"] * 10))


def some_zones(folder: Path) -> None:
    """A third of the days with one zone, a third with another, a third without any."""
    tails = ["T08:00:00+02:00", "T06:00:00Z", ""]
    rewrite(folder, "order_lines", lambda frame: frame.assign(
        ordered_at=[day + tails[k % 3] for k, day in enumerate(frame["ordered_at"])]))  # fmt: skip


def renamed(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


def no_mark(folder: Path) -> None:
    (folder / "stock.csv").write_bytes((folder / "stock.csv").read_text().encode("utf-16-le"))


def twice_in_parquet(folder: Path) -> None:
    columns = [pa.array(["A1"]), pa.array(["2026-01-01"]), pa.array([1]), pa.array([2])]
    (folder / "stock.csv").unlink()
    pq.write_table(pa.Table.from_arrays(columns, ["item_id", "date", "on_hand", "on_hand"]), folder / "stock.parquet")


def lists_in_parquet(folder: Path) -> None:
    (folder / "stock.csv").unlink()
    table = pa.table({"item_id": ["A1"], "date": ["2026-01-01"], "on_hand": [[1, 2]]})
    pq.write_table(table, folder / "stock.parquet")


def toml(text: str) -> Callable[[Path], object]:
    return written("backorder.toml", text.encode())


BROKEN: dict[str, tuple[Callable[[Path], object], type[BackorderForecastError], tuple[str, ...]]] = {
    "empty file": (written("stock.csv", b""), InputError, ("stock", "empty (0 bytes)", "export it again")),
    "blank file": (written("stock.csv", b"\n\n\n"), InputError, ("stock", "no header")),
    "missing column": (without("order_lines", "qty"), InputError,
                       ("order_lines.qty", "column is missing", "tables.order_lines.columns.qty")),
    "text in a number": (put("order_lines", slice(0, 40), "qty", "three"), InputError,
                         ("order_lines.qty", "40 rows (20 %)", "'three'", "To mend it")),
    "NaN quantities": (put("order_lines", slice(0, 40), "qty", "NaN"), InputError,
                       ("order_lines.qty", "is given", "40 rows (20 %)")),
    "infinite quantities": (put("shipments", slice(0, 30), "qty", "inf"), InputError,
                            ("shipments.qty", "finite", "30 rows (20 %)", "'inf'")),
    "negative quantities": (put("order_lines", slice(0, 40), "qty", "-2"), InputError,
                            ("order_lines.qty", "is more than 0", "40 rows", "data.returns")),
    "duplicate lines": (put("order_lines", slice(0, 40), "line_id", "1"), InputError,
                        ("order_lines.line_id", "39 rows (19.5 %)", "only once", "columns.line_id = [")),
    "unknown lines": (all_shipments_unknown, InputError,
                      ("shipments.line_id", "is a line of order_lines", "150 rows (100 %)", "text")),
    "shipped before ordered": (put("shipments", slice(0, 30), "shipped_at", "2025-12-01"), InputError,
                               ("shipments.shipped_at", "not before the line was ordered", "30 rows")),
    "dates long past": (put("order_lines", slice(0, 40), "ordered_at", "1900-01-01"), InputError,
                        ("order_lines.ordered_at", "far past", "40 rows", "data.earliest_date")),
    "mixed time zones": (mapped("order_lines", "ordered_at", lambda day: f"{day}T09:00:00+02:00"), InputError,
                         ("order_lines.ordered_at", "time zone", "data.time_zone")),
    "decimal commas": (mapped("order_lines", "qty", lambda qty: f'{qty},5'), InputError,
                       ("order_lines.qty", "200 rows (100 %)", 'data.decimal = ","')),
    "thousands separators": (mapped("order_lines", "qty", lambda qty: f"{qty},000,000"), InputError,
                             ("order_lines.qty", 'data.thousands = ","')),
    "Excel serial dates": (excel, InputError, ("order_lines.ordered_at", "Excel", "data.excel_serial_dates = true")),
    "ambiguous dates": (mapped("stock", "date", lambda day: day[8:] + "/" + day[5:7] + "/" + day[:4]), InputError,
                        ("stock.date", "20 rows (100 %)", "data.day_first")),
    "a zip, not Parquet": (zipped, InputError, ("stock", "not Parquet but a zip", "unpack")),
    "a CSV called Parquet": (not_parquet, InputError, ("stock.parquet is not Parquet",)),
    "a torn Parquet": (torn_parquet, InputError, ("stock", "cannot be read", "export it again")),
    "foreign encoding": (latin, InputError, ("order_lines", "encoding", "cp1252")),
    "unknown setting": (toml("[data]\nmax_rejected = 1\n"), ConfigError,
                        ("data.max_rejected", "did you mean 'max_rejected_share'")),
    "setting out of range": (toml("[simulation]\nscenarios = 0\n"), ConfigError, ("simulation.scenarios = 0",)),
    "no such time zone": (toml('[data]\ntime_zone = "Mars"\n'), ConfigError, ("data.time_zone", "Europe/Berlin")),
    "not TOML": (toml("[data\n"), ConfigError, ("backorder.toml", "not valid TOML")),
    "unknown table in the mapping": (toml('[tables.orderlines]\nfile = "x.csv"\n'), ConfigError,
                                     ("tables.orderlines", "did you mean 'order_lines'")),
    "unknown column in the mapping": (toml('[tables.stock]\nfile = "stock.csv"\ncolumns = {onhand = "on_hand"}\n'),
                                      ConfigError, ("stock has no column 'onhand'", "did you mean 'on_hand'")),
    "mapping names no source column": (
        toml('[tables.stock]\nfile = "stock.csv"\ncolumns = {on_hand = "Bestand"}\n'), InputError,
        ("stock.on_hand", "no column 'Bestand'", "the source has: 'item_id'")),
    "mapped file absent": (toml('[tables.items]\nfile = "articles_*.csv"\n'), InputError,
                           ("items", "no file matches", "articles_*.csv")),
    "environment variable not set": (toml('[tables.items]\nfile = "${NO_SUCH_DIR}/x.csv"\n'), ConfigError,
                                     ("NO_SUCH_DIR", "is not set")),
    "bad SQL": (toml('[files]\ns = "stock.csv"\n[tables.items]\nquery = "select nothing from s"\n'), InputError,
                ("items", "query fails", "nothing")),
    "several locations, none given": (two_locations, InputError,
                                      ("order_lines.location_id", "several", "north, south")),
    "negative stock": (put("stock", 3, "on_hand", "-4"), InputError, ("stock.on_hand", "data.stock_basis", "-4")),
    "two files for a table": (lambda f: shutil.copy(f / "stock.csv", f / "stock.tsv"), InputError,
                              ("stock.csv, stock.tsv",)),
    "a column named twice": (written("stock.csv", b"item_id,date,date,on_hand\nA1,2026-01-01,2026-01-01,1\n"),
                             InputError, ("stock", "twice", "'date'")),
    "shipments without order lines": (lambda f: (f / "order_lines.csv").unlink(), InputError,
                                      ("shipments", "order_lines", "not given")),
    "lines of another width": (written("stock.csv", b"item_id,date,on_hand\n" + b"A1,2026-01-01,1,5\n" * 9),
                               InputError, ("stock", "as many columns as the header", "9 rows (100 %)")),
    "binary rubbish": (written("stock.csv", bytes(range(256)) * 8), InputError, ("stock",)),
    "several time zones and none": (some_zones, InputError, ("order_lines.ordered_at", "time zone", "data.time_zone")),
    "quantities beyond reason": (put("order_lines", slice(0, 40), "qty", "1e300"), InputError,
                                 ("order_lines.qty", "finite number", "40 rows", "1e+12")),
    "a workbook": (renamed("stock.csv", "stock.xlsx"), InputError, ("stock.xlsx", "neither CSV nor Parquet")),
    "JSON": (renamed("stock.csv", "stock.json"), InputError, ("stock.json", "export it as CSV")),
    "not packed at all": (renamed("stock.csv", "stock.csv.gz"), InputError, ("stock.csv.gz", "cannot be unpacked")),
    "a folder for a file": (lambda f: ((f / "stock.csv").unlink(), (f / "stock.csv").mkdir()), InputError,
                            ("stock.csv is not a file",)),
    "UTF-16 without a mark": (no_mark, InputError, ("stock.csv holds NUL", 'data.encoding = "utf-16"')),
    "a quote open in the header": (written("stock.csv", b'"item_id,date,on_hand\nA1,2026-01-01,3\n'), InputError,
                                   ("header of stock.csv", "not closed")),
    "a quote that never closes": (written("stock.csv", b'item_id,date,on_hand\n"A1,2026-01-01,3\nA1,2026-01-02,3\n'), InputError,
                                  ("stock", "quote texts")),
    "a title above the header": (written("stock.csv", b"Stock of today\n\nitem_id,date,on_hand\nA1,2026-01-01,3\n"),
                                 InputError, ("stock.item_id", "missing", "has: Stock of today")),
    "a login page": (written("stock.csv", b"<html><body>please log in</body></html>"), InputError,
                     ("stock.item_id", "<html>")),
    "a column twice in Parquet": (twice_in_parquet, InputError, ("stock.on_hand", "'on_hand' twice")),
    "lists for numbers": (lists_in_parquet, InputError, ("stock.on_hand", "finite number", "[1, 2]")),
    "a delimiter of two marks": (toml("[data]\ndelimiter = ';;'\n"), ConfigError, ("data.delimiter", "one plain character")),
    "no such encoding": (toml("[data]\nencoding = 'klingon'\n"), ConfigError, ("data.encoding", "latin-1")),
    "one mark for two things": (toml("[data]\nthousands = '.'\n"), ConfigError, ("data.thousands", "must differ")),
    "a day that is none": (toml("[data]\nearliest_date = 'soon'\n"), ConfigError, ("data.earliest_date", "1990-01-01")),
    "no horizon is simulated": (toml("[simulation]\nhorizon_days = 5\n"), ConfigError, ("risk.horizons", "[5]")),
    "a section that is a number": (toml("data = 5\n"), ConfigError, ("data", "table of keys")),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_input_is_one_clear_message(kind: str, folder: Path) -> None:
    breaker, error, parts = BROKEN[kind]
    breaker(folder)
    before = listing(folder.parent)
    with pytest.raises(error) as caught:
        load(folder)
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message
    assert len(message) < 20_000
    for problem in getattr(caught.value, "problems", []):
        assert problem.remedy
        assert len(problem.examples) <= 5
    assert listing(folder.parent) == before


@pytest.mark.parametrize("kind", BROKEN)
def test_the_command_ends_with_the_exit_code_of_the_error(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = pytest.importorskip("backorder_forecast.cli", reason="the command line is not there")
    breaker, error, parts = BROKEN[kind]
    breaker(folder)
    before = listing(folder)
    out = folder.parent / "out"
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", str(folder), "--out", str(out), "--quiet"])
    said = capsys.readouterr()
    assert caught.value.code == error.exit_code, said.err
    assert "Traceback" not in said.err
    assert not said.out
    assert parts[0] in said.err
    assert listing(folder) == before
    assert not list(out.rglob("*.*"))


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(file), file.stat().st_size) for file in folder.rglob("*"))


# ------------------------------------------------------------------------------------ clean repairs


def bom(folder: Path) -> None:
    file = folder / "order_lines.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())


def utf16(folder: Path) -> None:
    file = folder / "order_lines.csv"
    file.write_bytes(file.read_text().encode("utf-16"))


def semicolons(folder: Path) -> None:
    rewrite(folder, "order_lines", lambda frame: None, sep=";")


def german(folder: Path) -> None:
    def comma(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(qty=frame["qty"] + ",0", unit_price="1.001,50")

    rewrite(folder, "order_lines", comma, sep=";")
    toml('[data]\ndecimal = ","\nthousands = "."\n')(folder)


def zoned(folder: Path) -> None:
    mapped("order_lines", "ordered_at", lambda day: f"{day}T08:00:00Z")(folder)
    toml('[data]\ntime_zone = "Europe/Berlin"\n')(folder)


def serials(folder: Path) -> None:
    excel(folder)
    toml("[data]\nexcel_serial_dates = true\n")(folder)


def padded(folder: Path) -> None:
    mapped("shipments", "line_id", lambda line: f" {line} ")(folder)


def shouted(folder: Path) -> None:
    rewrite(folder, "order_lines", lambda frame: frame.rename(columns={"qty": " QTY "}))


def day_first(folder: Path) -> None:
    mapped("order_lines", "ordered_at", lambda day: day[8:] + "." + day[5:7] + "." + day[:4])(folder)
    toml("[data]\nday_first = true\n")(folder)


def zones_and_none(folder: Path) -> None:
    some_zones(folder)
    toml('[data]\ntime_zone = "Europe/Berlin"\n')(folder)


def said_separator(folder: Path) -> None:
    semicolons(folder)
    file = folder / "order_lines.csv"
    file.write_text("sep=;\n" + file.read_text())


REPAIRED: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "byte-order mark": (bom, "byte-order mark removed", 1),
    "UTF-16": (utf16, "read as UTF-16, as its byte-order mark says", 1),
    "semicolons": (semicolons, "columns are separated by ';', seen from the header", 1),
    "decimal commas, configured": (german, "decimal or thousands marks read as configured", N),
    "time zones, configured": (zoned, "time zone converted", N),
    "time zones for some, configured": (zones_and_none, "time zone converted", 134),
    "Excel's line about the separator": (said_separator, "columns are separated by ';', seen from the header", 1),
    "Excel serials, configured": (serials, "Excel day count read as date", N),
    "day first, configured": (day_first, "text read as date, day first", N),
    "blanks around ids": (padded, "blanks around ids removed", 150),
    "shouted header": (shouted, "header read as qty", 1),
}


@pytest.mark.parametrize("kind", REPAIRED)
def test_repairs_are_counted_and_give_the_same_tables(kind: str, folder: Path) -> None:
    clean = load(folder)
    breaker, repair, rows = REPAIRED[kind]
    breaker(folder)
    data = load(folder)
    assert not len(data.rejected_rows)
    assert dict(zip(data.cleaning_log["repair"], data.cleaning_log["rows"], strict=True))[repair] == rows
    same = ["order_id", "line_id", "item_id", "qty"]
    pd.testing.assert_frame_equal(data.order_lines[same], clean.order_lines[same])
    same_days = data.order_lines["ordered_at"].dt.normalize() == clean.order_lines["ordered_at"]
    assert same_days.all()
    assert len(data.shipments) == 150


def test_the_whole_company_is_clean(folder: Path) -> None:
    data = load(folder)
    assert not len(data.rejected_rows)
    assert not len(data.cleaning_log)
    assert not data.warnings
    assert [len(data.tables[name]) for name in TABLES] == [200, 150, 20, 20, 15]
    assert set(data.order_lines["item_id"]) == {"007", "A1"}


# ------------------------------------------------------------------ a few bad rows: the run goes on


@pytest.mark.parametrize(
    ("breaker", "table", "column", "row", "value", "part"),
    [
        (put("order_lines", 4, "qty", "x"), "order_lines", "qty", 5, "x", "finite number"),
        (put("order_lines", 4, "ordered_at", "soon"), "order_lines", "ordered_at", 5, "soon", "date"),
        (put("order_lines", 150, "qty", "0"), "order_lines", "qty", 151, "0", "more than 0"),
        (put("order_lines", 199, "line_id", "L0000"), "order_lines", "line_id", 200, "L0000", "only once"),
        (put("shipments", 0, "line_id", "L9999"), "shipments", "line_id", 1, "L9999", "line of order_lines"),
        (put("stock", 1, "on_hand", ""), "stock", "on_hand", 2, "", "is given"),
        (put("stock", 1, "item_id", "007"), "stock", "item_id", None, "007/2026-01-01", "only once"),
    ],
)  # fmt: skip
def test_a_bad_row_is_set_aside_with_its_place_and_reason(
    breaker: Callable[[Path], None],
    table: str,
    column: str,
    row: int | None,
    value: str,
    part: str,
    folder: Path,
) -> None:
    toml("[data]\nmax_rejected_share = 0.2\n")(folder)
    breaker(folder)
    data = load(folder)
    bad = data.rejected_rows[data.rejected_rows["table"] == table]
    assert len(bad) == 1
    assert bad["column"].iloc[0] == column
    assert row is None or bad["row"].iloc[0] == row
    assert (bad["value"].fillna("").iloc[0]).startswith(value)
    assert part in bad["check"].iloc[0]
    assert part in bad["reason"].iloc[0]
    assert len(data.tables[table]) == len(company()[table]) - 1


def test_what_hangs_on_a_bad_line_is_set_aside_too(folder: Path) -> None:
    put("order_lines", 4, "qty", "x")(folder)
    bad = load(folder).rejected_rows
    assert list(zip(bad["table"], bad["row"], strict=True)) == [("order_lines", 5), ("shipments", 5)]


def test_one_receipt_of_2062_is_set_aside_and_moves_nothing(folder: Path) -> None:
    toml("[data]\nmax_rejected_share = 0.1\n")(folder)
    clean = load(folder)
    put("receipts", 3, "received_at", "2062-05-01")(folder)
    data = load(folder)
    assert data.rejected_rows["value"].tolist() == ["2062-05-01"]
    assert "far future" in data.rejected_rows["check"].iloc[0]
    assert data.default_as_of() == clean.default_as_of()
    assert len(data.receipts) == 14


def test_everything_that_is_wrong_is_said_at_once(folder: Path) -> None:
    without("order_lines", "qty")(folder)
    written("stock.csv", b"")(folder)
    mapped("purchase_lines", "qty", lambda qty: "many")(folder)
    with pytest.raises(InputError) as caught:
        load(folder)
    found = {(problem.table, problem.column) for problem in caught.value.problems}
    assert found == {("order_lines", "qty"), ("stock", None), ("purchase_lines", "qty")}


def test_ids_that_differ_by_case_or_blanks_are_warned_of(folder: Path) -> None:
    put("order_lines", slice(0, 3), "item_id", "a1")(folder)
    warnings = load(folder).warnings
    assert any("'A1', 'a1'" in warning and "case or blanks" in warning for warning in warnings)


def test_more_shipped_than_ordered_is_warned_of(folder: Path) -> None:
    put("shipments", 2, "qty", "99")(folder)
    assert any("more shipped than ordered on 1 of 200" in warning for warning in load(folder).warnings)


def test_a_file_of_a_similar_name_is_pointed_at(folder: Path) -> None:
    (folder / "order_line.csv").write_text("a\n1\n")
    assert any("order_line.csv" in w and "did you mean 'order_lines'" in w for w in load(folder).warnings)


def test_an_unknown_item_is_warned_of_and_its_lines_are_kept(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,description\n007,Seven\n")
    data = load(folder)
    assert len(data.order_lines) == N
    assert any("1 of 2 items ordered are not in items (e.g. A1)" in warning for warning in data.warnings)


def test_columns_without_a_name_are_left_out(folder: Path) -> None:
    rewrite(folder, "stock", lambda frame: frame.assign(**{"": "", " ": "x"}))
    data = load(folder)
    assert len(data.stock) == 20
    assert any("stock: columns not used: (column 4 without a name), (column 5" in text for text in data.warnings)


def test_a_header_alone_is_a_table_without_rows(folder: Path) -> None:
    for content in ("item_id,date,on_hand", "item_id,date,on_hand\n\n"):
        (folder / "stock.csv").write_text(content)
        data = load(folder)
        assert "stock" in data.given
        assert data.stock.empty


def test_a_very_wide_header_is_read_whole(folder: Path) -> None:
    names = ",".join(f"attribute_number_{k}" for k in range(8000))
    (folder / "stock.csv").write_text(f"{names},item_id,date,on_hand\n" + "," * 8000 + "A1,2026-01-01,3\n")
    assert load(folder).stock["on_hand"].tolist() == [3.0]


def test_no_stock_and_no_folder_and_no_table(folder: Path, tmp_path: Path) -> None:
    (folder / "stock.csv").unlink()
    assert "stock" not in load(folder).given
    with pytest.raises(InputError, match="no such file or folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "void").mkdir()
    with pytest.raises(InputError, match="no table found"):
        load(tmp_path / "void")


# -------------------------------------------------------------------------- the real command, by hand


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "backorder_forecast.cli", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["run", "nowhere"], 3, "nowhere: there is no such file or folder"),
        (["validate", "nowhere"], 3, "nowhere: there is no such file or folder"),
        (["run", "SOURCE", "--config", "SETTINGS"], 2, "unknown key 'simulation.scenario'; did you mean 'scenarios'?"),
        (["run", "SOURCE", "--as-of", "tomorrow"], 2, "'tomorrow' is not a day"),
        (["run", "SOURCE", "--config", "nowhere.toml"], 2, "nowhere.toml: there is no such file"),
    ],
)  # fmt: skip
def test_the_real_command_says_it_in_one_message(
    arguments: list[str], code: int, part: str, folder: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[simulation]\nscenario = 3\n")
    named = {"SOURCE": folder, "SETTINGS": settings}
    done = command(*(named.get(word, word) for word in arguments), "--out", tmp_path / "out")
    assert done.returncode == code
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not (tmp_path / "out").exists()


def test_without_stock_the_run_says_what_it_cannot_say(folder: Path, tmp_path: Path) -> None:
    (folder / "stock.csv").unlink()
    done = command("run", folder, "--out", tmp_path / "out", "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert set(told["missing"]) == {"line_eta", "order_eta", "backorder_risk", "reorder_points", "expedite"}
    assert set(told["missing"].values()) == {"there is no stock table"}
    assert {"demand_forecast", "lead_times", "purchase_eta"} <= set(told["tables"])


# --------------------------------------------------------------------------------------- any rubbish


@pytest.mark.parametrize("seed", range(30))
def test_random_rubbish_ends_in_our_own_error_or_a_dataset(seed: int, folder: Path) -> None:
    """Bytes are overwritten, cut out and doubled at random places of random files."""
    rng = np.random.default_rng(seed)
    for _ in range(int(rng.integers(1, 6))):
        file = folder / f"{rng.choice(TABLES)}.csv"
        content = bytearray(file.read_bytes())
        at, size = int(rng.integers(0, max(1, len(content)))), int(rng.integers(1, 40))
        how = rng.integers(0, 3)
        if how == 0:
            content[at : at + size] = rng.integers(0, 256, size, dtype="uint8").tobytes()
        elif how == 1:
            del content[at : at + size]
        else:
            content[at:at] = content[at : at + size]
        file.write_bytes(content)
    before = listing(folder)
    with suppress(BackorderForecastError):
        assert isinstance(load(folder), Dataset)
    assert listing(folder) == before


CELLS = [
    "", " ", "NaN", "inf", "-inf", "1e400", "1e308", "1E-320", "-1", "0", "0.5", "1,5", "1.000,5", "1_000", "0x10", "١٢٣",
    "true", "None", "#N/A", "=1+1", "5 pcs", "€5", "9" * 30, "2026-13-45", "0000-00-00", "9999-12-31", "1677-09-21",
    "99999-01-01", "2026-02-30", "2026-01-01T25:00", "2026-01-01T09:00:00+02:00", "2026-01-01 09:00 CET", "20260101",
    "46000", "1767225600000", "01/02/2026", "31.12.2026", "Jan 5, 2026", "2026-W05", "12:30", "\0", "\ufeff", "x" * 9999,
    "line\nbreak", '"', '""', "'", ";", "\t", "\r", "🙂", "\u200b", "\u00a0L0001", "l0001", "007", "7", "7.0", ".", "-",
]  # fmt: skip
OPTIONAL = ["known_at", "location_id", "priority", "requested_date", "promised_date", "ship_complete", "supplier_id",
            "in_stock", "customer_id", "unit_price", "confirmed_at", "allow_partial"]  # fmt: skip
READINGS: list[dict[str, object]] = [
    {},
    {"max_rejected_share": 1.0},
    {"max_rejected_share": 1.0, "stock_basis": "physical", "time_zone": "Europe/Berlin", "returns": "cancel",
     "duplicates": "drop", "zero_quantities": "drop", "negative_receipts": "drop"},
    {"max_rejected_share": 1.0, "stock_basis": "net_of_open_lines", "returns": "stock_return", "day_first": True,
     "excel_serial_dates": True, "decimal": ",", "thousands": ".", "upper_ids": True},
]  # fmt: skip


def mutate(frames: dict[str, pd.DataFrame], rng: np.random.Generator) -> None:
    """Break one thing of one table: cells, a column, its name, rows, or a column that nobody expected."""
    name = str(rng.choice(TABLES))
    frame = frames[name].astype(object)
    column, n = frame.columns[rng.integers(frame.shape[1])], len(frame)
    cell = CELLS[rng.integers(len(CELLS))]
    how = int(rng.integers(10))
    if how <= 3 and n:
        frame.loc[frame.index[rng.permutation(n)[: int(rng.choice([1, 2, n // 2, n]))]], column] = cell
    elif how == 4:
        frame[column] = [CELLS[k] for k in rng.integers(len(CELLS), size=n)]
    elif how == 5:
        frame = frame.drop(columns=column)
    elif how == 6:
        frame = frame.rename(columns={column: cell if rng.random() < 0.5 else str(column).upper()})
    elif how == 7:
        frame = pd.concat([frame, frame[: n // 3]]) if rng.random() < 0.5 else frame[: int(rng.integers(2))]
    elif how == 8:
        frame[str(rng.choice(OPTIONAL))] = [CELLS[k] for k in rng.integers(len(CELLS), size=n)]
    elif n:
        frame[column] = rng.permutation(frame[column].to_numpy())
    frames[name] = frame.reset_index(drop=True)


@pytest.mark.parametrize("block", range(10))
def test_any_mutation_ends_in_our_own_error_or_a_dataset(block: int, tmp_path: Path) -> None:
    """200 companies with one to four things broken, read under one of several configurations."""
    for seed in range(20 * block, 20 * block + 20):
        rng = np.random.default_rng(seed)
        frames = company()
        for _ in range(int(rng.integers(1, 5))):
            mutate(frames, rng)
        for name, frame in frames.items():
            separator = str(rng.choice([",", ",", ",", ";", "\t", "|"]))
            (tmp_path / f"{name}.csv").write_text(frame.to_csv(index=False, sep=separator), newline="")
        with suppress(BackorderForecastError):
            data = load(tmp_path, config={"data": READINGS[int(rng.integers(len(READINGS)))]})
            assert isinstance(data, Dataset)
            assert len(data.rejected_rows) <= sum(len(frame) for frame in frames.values())


def test_nothing_of_the_environment_leaks_into_the_inputs(folder: Path) -> None:
    where = json.dumps([file.where for file in load(folder).inputs])
    assert str(folder) not in where
    assert os.sep + "tmp" not in where
