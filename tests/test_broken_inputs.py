# ruff: noqa: E501 - a table of broken inputs reads better with long rows
"""Broken input ends in one clear message, or in a clean repair; never in another exception, never in a file."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
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


REPAIRED: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "byte-order mark": (bom, "byte-order mark removed", 1),
    "UTF-16": (utf16, "read as UTF-16, as its byte-order mark says", 1),
    "semicolons": (semicolons, "columns are separated by ';', seen from the header", 1),
    "decimal commas, configured": (german, "decimal or thousands marks read as configured", N),
    "time zones, configured": (zoned, "time zone converted", N),
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


def test_no_stock_and_no_folder_and_no_table(folder: Path, tmp_path: Path) -> None:
    (folder / "stock.csv").unlink()
    assert "stock" not in load(folder).given
    with pytest.raises(InputError, match="no such file or folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "void").mkdir()
    with pytest.raises(InputError, match="no table found"):
        load(tmp_path / "void")


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


def test_nothing_of_the_environment_leaks_into_the_inputs(folder: Path) -> None:
    where = json.dumps([file.where for file in load(folder).inputs])
    assert str(folder) not in where
    assert os.sep + "tmp" not in where
