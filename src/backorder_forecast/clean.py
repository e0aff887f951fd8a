"""Raw rows → clean tables: what cannot be used is set aside with its reason, what is repaired is counted.

Whether a row is kept depends on itself and on rows dated no later than it, never on the order of rows: so
an edit after a day cannot change what was known on it. Only the name of a company's home (the location of
tables in which every row names one) counts as known from the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from . import checks
from .coerce import Bools, Coerced, as_text, coerce
from .config import Config, Data
from .dataset import frozen
from .errors import InputError, Problem
from .ledger import Ledger, Sheet
from .schema import INPUT, Column
from .tables import conform, empty

NAMED = 30  # columns named in a message
_WHAT = {
    "text": "is an allowed value",
    "date": "is a date",
    "timestamp": "is a date or time",
    "flag": "is true or false",
    "int": "is a whole number",
    "count": "is a whole number",
}


@dataclass(frozen=True)
class Raw:
    """Rows of one feed under canonical names, as they came, with their positions and how to read them."""

    table: str
    columns: pa.Table
    position: np.ndarray
    source: str
    reading: Data
    broken: tuple[tuple[int, str, str], ...] = ()
    repairs: Sequence[tuple[str, int, str]] = ()
    unused: tuple[str, ...] = ()

    def taken(self, rows: np.ndarray) -> Raw:
        """Return only the rows at these places."""
        return replace(self, columns=self.columns.take(pa.array(rows)), position=self.position[rows])


@dataclass(frozen=True)
class Cleaned:
    """Canonical tables with what was set aside, repaired and noticed on the way."""

    tables: Mapping[str, pd.DataFrame]
    given: frozenset[str]
    rejected_rows: pd.DataFrame
    cleaning_log: pd.DataFrame
    warnings: tuple[str, ...]


def clean(raws: Sequence[Raw], config: Config, problems: Sequence[Problem] = ()) -> Cleaned:
    """Coerce, check and repair all tables; ``problems`` are those met while reading.

    Raises: ``InputError`` with everything that makes any table unusable.
    """
    ledger = Ledger(config.data, list(problems))
    broken = {problem.table for problem in problems}
    sheets = _sheets(raws, ledger)
    broken |= {raw.table for raw in raws} - set(sheets)
    checks.returns(sheets, ledger)
    for sheet in sheets.values():
        _check_rows(sheet, ledger)
    checks.far_future(sheets, ledger)
    checks.locations(sheets, ledger)
    for sheet in sheets.values():
        checks.duplicates(sheet, ledger)
    checks.references(sheets, ledger, broken)
    checks.line_changes(sheets, ledger)
    checks.substitutes(sheets, ledger)
    checks.stock(sheets, ledger)
    checks.ids(sheets, ledger)
    ledger.judge_shares(sheets)
    if ledger.problems:
        raise InputError("the input cannot be used:", ledger.problems)
    given = frozenset(sheets)
    tables = {name: _finished(sheets[name]) if name in given else empty(name) for name in INPUT}
    return Cleaned(
        frozen(tables), given, ledger.rejected_rows(), ledger.cleaning_log(), tuple(ledger.warnings)
    )


def _finished(sheet: Sheet) -> pd.DataFrame:
    frame = pd.DataFrame(sheet.columns, index=pd.RangeIndex(len(sheet.keep)), copy=False)
    return conform(sheet.name, frame if sheet.keep.all() else frame[sheet.keep].reset_index(drop=True))


# ------------------------------------------------------------------------------------------ columns


def _sheets(raws: Sequence[Raw], ledger: Ledger) -> dict[str, Sheet]:
    """One sheet per table whose feeds could all be read."""
    parts: dict[str, list[Sheet | None]] = {}
    for raw in raws:
        parts.setdefault(raw.table, []).append(_sheet(raw, ledger))
    whole = {name: [sheet for sheet in found if sheet is not None] for name, found in parts.items()}
    return {name: Sheet.joined(found) for name, found in whole.items() if len(found) == len(parts[name])}


def _sheet(raw: Raw, ledger: Ledger) -> Sheet | None:
    for repair in raw.repairs:
        ledger.repaired(raw.table, None, *repair)
    if raw.unused:
        ledger.warn(f"{raw.table}: columns not used: {', '.join(raw.unused)}")
    if _lacks_columns(raw, ledger):
        return None
    sheet = Sheet(raw.table, {}, raw.position, np.zeros(len(raw.position), "int16"), (raw.source,))
    sheet.total = len(raw.position) + len(raw.broken)
    ledger.reject_broken(raw.table, raw.source, raw.broken)
    usable = True
    for name in raw.columns.column_names:
        usable &= _column(raw, INPUT[raw.table][name], sheet, ledger)
    if usable:
        _check_missing(sheet, ledger)
    return sheet if usable else None


def _lacks_columns(raw: Raw, ledger: Ledger) -> bool:
    have = set(raw.columns.column_names)
    if raw.table == "stock" and "in_stock" in have:
        have.add("on_hand")
    missing = [name for name in INPUT[raw.table].required if name not in have]
    for name in missing:
        have_all = (*raw.columns.column_names, *raw.unused)
        here = ", ".join(have_all[:NAMED]) + ", …" * (len(have_all) > NAMED) or "nothing"
        remedy = (
            f"add it, or map it: tables.{raw.table}.columns.{name} = '<its name>'; {raw.source} has: {here}"
        )
        ledger.problem(Problem(raw.table, name, "the column is missing", remedy=remedy))
    return bool(missing)


def _column(raw: Raw, column: Column, sheet: Sheet, ledger: Ledger) -> bool:
    """Coerce one column into the sheet; False where the whole column is unusable."""
    found = raw.columns.column(column.name)
    got = coerce(found, column, raw.reading)
    for what, rows, example in got.repairs:
        ledger.repaired(raw.table, column.name, what, rows, example)
    if got.blocker:
        check = "has one time zone that is known"
        ledger.problem(Problem(raw.table, column.name, check, remedy=got.blocker))
        return False
    sheet.columns[column.name] = got.values
    if got.bad is None or not got.bad.any():
        return True
    return _unreadable(raw, column, got, sheet, ledger)


def _unreadable(raw: Raw, column: Column, got: Coerced, sheet: Sheet, ledger: Ledger) -> bool:
    """Rows without a required value are set aside; an optional one is blanked, unless too many are."""
    assert got.bad is not None
    check = _WHAT.get(column.kind, "is a finite number")
    rows = np.flatnonzero(got.bad)
    texts = as_text(raw.columns.column(column.name).take(pa.array(rows))).to_pylist()
    if column.required:
        ledger.reject(sheet, got.bad, column.name, check, got.remedy, texts)
        return True
    share = len(rows) / max(1, len(got.bad))
    if share > ledger.data.max_rejected_share:
        examples = tuple(sorted(set(texts))[:5])
        ledger.problem(Problem(raw.table, column.name, check, len(rows), share, examples, got.remedy))
        return False
    ledger.repaired(
        raw.table, column.name, f"left empty: not what it should be ({check})", len(rows), min(texts)
    )
    return True


# --------------------------------------------------------------------------------------------- rows


def _check_missing(sheet: Sheet, ledger: Ledger) -> None:
    for name in INPUT[sheet.name].required:
        if name not in sheet.columns:  # stock.on_hand beside in_stock
            sheet.columns[name] = pd.Series(np.full(len(sheet.keep), np.nan))
        missing = sheet.columns[name].isna().to_numpy(bool)
        if name in sheet.noted:
            missing = missing & ~sheet.noted[name]
        if sheet.name == "stock" and name == "on_hand" and "in_stock" in sheet.columns:
            missing = missing & sheet.columns["in_stock"].isna().to_numpy(bool)
        remedy = "fill it, or leave such rows out with `where` (an empty cell of a CSV file is '', not null)"
        ledger.reject(sheet, missing, name, "is given", remedy, None)


def _check_rows(sheet: Sheet, ledger: Ledger) -> None:
    """Checks of single rows: range of every number, earliest date, order of dates within the row."""
    for column in INPUT[sheet.name].columns:
        if column.name in sheet.columns:
            _check_range(sheet, column, ledger)
            if column.kind in ("date", "timestamp"):
                _check_date(sheet, column, ledger)
    if sheet.name == "transfers" and "received_at" in sheet.columns:
        early = sheet.columns["received_at"].dt.normalize() < sheet.columns["shipped_at"].dt.normalize()
        ledger.reject(
            sheet, early.to_numpy(bool), "received_at", "is not before it left", "mend the dates", None
        )


def _check_range(sheet: Sheet, column: Column, ledger: Ledger) -> None:
    if column.kind in ("text", "date", "timestamp", "flag"):
        return
    number = sheet.columns[column.name].to_numpy("float64", na_value=np.nan)
    if column.kind == "prob":
        _unfit(
            sheet,
            column,
            (number < 0) | (number > 1),
            "lies between 0 and 1",
            "write shares, not percent",
            ledger,
        )
    if column.positive:
        if column.name == "qty" and ledger.data.zero_quantities == "drop":
            ledger.drop(sheet, number == 0, "qty", "row with quantity 0 dropped")
        if sheet.name in ("receipts", "shipments") and ledger.data.negative_receipts == "drop":
            ledger.drop(sheet, number < 0, "qty", "row with negative quantity dropped")
        _unfit(sheet, column, number <= 0, "is more than 0", _positive_remedy(sheet.name), ledger)
    if column.least is not None:
        _unfit(
            sheet,
            column,
            number < column.least,
            f"is at least {column.least:g}",
            "mend it at the source",
            ledger,
        )


def _positive_remedy(table: str) -> str:
    if table == "order_lines":
        return "are these returns? set data.returns; data.zero_quantities = 'drop' leaves zeros out"
    if table in ("receipts", "shipments"):
        return (
            "corrections? set data.negative_receipts = 'drop'; data.zero_quantities = 'drop' leaves zeros out"
        )
    return "mend it, or set data.zero_quantities = 'drop'"


def _check_date(sheet: Sheet, column: Column, ledger: Ledger) -> None:
    dates = sheet.columns[column.name].to_numpy("datetime64[us]")
    early = dates < np.datetime64(ledger.data.earliest_date)
    remedy = f"mend it, or set data.earliest_date (now {ledger.data.earliest_date})"
    _unfit(sheet, column, early, "is not in the far past", remedy, ledger)
    dated = INPUT[sheet.name].dated
    if column.planned and dated in sheet.columns and dated != column.name:
        own = sheet.columns[str(dated)].to_numpy("datetime64[us]")
        late = dates > own + np.timedelta64(10 * ledger.data.latest_days_ahead, "D")
        _unfit(
            sheet,
            column,
            late,
            "is not in the far future",
            "mend it, or raise data.latest_days_ahead",
            ledger,
        )


def _unfit(sheet: Sheet, column: Column, bad: Bools, check: str, remedy: str, ledger: Ledger) -> None:
    """Set rows aside whose required value does not fit; blank an optional one and count it."""
    bad = bad & ~sheet.gone
    if not bad.any():
        return
    if column.required:
        ledger.reject(sheet, bad, column.name, check, remedy, None)
        return
    values = sheet.columns[column.name]
    example = str(values[bad].astype(str).min())
    ledger.repaired(
        sheet.name, column.name, f"left empty: not what it should be ({check})", int(bad.sum()), example
    )
    sheet.columns[column.name] = values.mask(bad)
