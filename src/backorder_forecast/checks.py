"""Checks across rows and tables; each sets rows aside, repairs, or warns, and none looks ahead."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .coerce import Bools, coerce
from .dataset import EVENTS
from .errors import Problem
from .identity import any_repeated, arrow, distinct, key_codes, places_of, text_codes
from .ledger import Ledger, Sheet, shown
from .schema import INPUT
from .tables import text

Sheets = Mapping[str, Sheet]
LINE_TABLES = ("shipments", "cancellations", "line_changes", "line_promises", "line_messages")
PURCHASE_TABLES = ("receipts", "purchase_cancellations", "purchase_promises")
NOT_BEFORE = ("shipments", "cancellations", "line_changes", "receipts", "purchase_cancellations")
FEW = 20  # with fewer events nothing is said about the bulk of them
STRAY_SHARE = 0.01
SHARED_IDS = ("item_id", "location_id", "supplier_id")


# ------------------------------------------------------------------------------------------ returns


def returns(sheets: dict[str, Sheet], ledger: Ledger) -> None:
    """Turn negative order lines into what the configuration says that they are."""
    lines = sheets.get("order_lines")
    how = ledger.data.returns
    if lines is None or how == "reject" or "qty" not in lines.columns:
        return
    negative = (lines.columns["qty"].to_numpy() < 0) & lines.keep
    if not negative.any():
        return
    frame = pd.DataFrame(lines.columns, copy=False)
    if how == "cancel":
        _append(sheets, "cancellations", _cancelled(frame[~negative & lines.keep], frame[negative]))
    elif how == "stock_return":
        back = frame[negative].rename(columns={"ordered_at": "moved_at"})
        columns = [name for name in ("item_id", "location_id", "moved_at", "known_at") if name in back]
        _append(
            sheets, "stock_movements", back[columns].assign(qty=-back["qty"], kind=text_like("return", back))
        )
    what = {
        "drop": "dropped",
        "cancel": "read as cancellation",
        "stock_return": "read as goods that came back",
    }[how]
    ledger.drop(lines, negative, "qty", f"negative order line {what}")


def text_like(value: str, frame: pd.DataFrame) -> pd.Series:
    """Return a text column of one value for the rows of a frame."""
    return text(pd.Series([value] * len(frame), index=frame.index, dtype=object))


def _cancelled(lines: pd.DataFrame, back: pd.DataFrame) -> pd.DataFrame:
    """Cancellations of the customer's latest earlier line of the item, at most its quantity."""
    by = [name for name in ("customer_id", "item_id", "location_id") if name in lines]
    keyed = [frame.assign(key=frame[by].fillna("").agg("\0".join, axis=1)) for frame in (lines, back)]
    left, right = (frame.sort_values(["ordered_at", "line_id"]) for frame in reversed(keyed))
    right = right[["ordered_at", "key", "line_id", "qty"]].rename(columns={"line_id": "of", "qty": "ordered"})
    pairs = pd.merge_asof(left, right, on="ordered_at", by="key").dropna(subset=["of"])
    before = (-pairs["qty"]).groupby(pairs["of"]).cumsum() + pairs["qty"]
    qty = np.minimum(-pairs["qty"], pairs["ordered"] - before)
    known = {"known_at": pairs["known_at"]} if "known_at" in pairs else {}
    made = pd.DataFrame({"line_id": pairs["of"], "cancelled_at": pairs["ordered_at"], "qty": qty, **known})
    return made.assign(cancelled_by=text_like("customer", made))[qty > 0]


def _append(sheets: dict[str, Sheet], name: str, frame: pd.DataFrame) -> None:
    frame = frame.reset_index(drop=True)
    columns = {str(column): frame[column] for column in frame}
    nowhere = np.zeros(len(frame), "int64")
    made = Sheet(name, columns, nowhere, nowhere.astype("int16"), ("order_lines",))
    made.total = len(frame)
    sheets[name] = Sheet.joined([sheets[name], made]) if name in sheets else made


# -------------------------------------------------------------------------------------------- dates


def far_future(sheets: Sheets, ledger: Ledger) -> None:
    """Set events aside that lie far behind all others, as judged by the events up to their own day.

    A day is far in the future if the configured number of days up to it hold next to nothing of what all days
    up to it hold. So the verdict on a day never depends on what comes later.
    """
    tables = [sheets[name] for name in (*EVENTS, "stock") if name in sheets]
    days = {sheet.name: _day_numbers(sheet) for sheet in tables}
    unique, counts = _histogram([days[sheet.name][sheet.keep] for sheet in tables])
    if counts.sum() < FEW:
        return
    until = np.cumsum(counts)
    start = np.searchsorted(unique, unique - ledger.data.latest_days_ahead, side="left")
    window = until - np.where(start > 0, until[start - 1], 0)
    stray = (until > FEW) & (window <= np.maximum(1, STRAY_SHARE * until))
    if not stray.any():
        return
    for sheet in tables:
        bad = np.isin(days[sheet.name], unique[stray]) & sheet.keep
        remedy = "mend the date, or raise data.latest_days_ahead"
        ledger.reject(sheet, bad, INPUT[sheet.name].dated, "is not in the far future", remedy, None)


def _histogram(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct days and how many events each holds; days are few however many the events."""
    counted = [np.unique(part, return_counts=True) if len(part) < 10_000 else _count(part) for part in parts]
    if not counted:
        return np.empty(0, "int64"), np.empty(0, "int64")
    unique, place = np.unique(np.concatenate([days for days, _ in counted]), return_inverse=True)
    return unique, np.bincount(place, np.concatenate([counts for _, counts in counted])).astype("int64")


def _count(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = days.min()
    counts = np.bincount(days - first)
    found = np.flatnonzero(counts)
    return found + first, counts[found]


def _day_numbers(sheet: Sheet) -> np.ndarray:
    dates = sheet.dates()
    assert dates is not None
    days: np.ndarray = dates.astype("int64")  # NaT is the smallest number; such rows are not kept
    return days


# ---------------------------------------------------------------------------------------- locations


def locations(sheets: Sheets, ledger: Ledger) -> None:
    """Give rows without a location the company's home; from the day of a second location, set them aside.

    Home is the first location of the tables in which every row names one, else "main". One row that names a
    place among rows that do not is a second location from its day on: it must not rename what came before.
    """
    placed = [sheet for sheet in sheets.values() if _may_omit_location(sheet)]
    first = {sheet.name: _first_days(sheet) for sheet in placed}
    settled = [days for sheet in placed if (days := first[sheet.name]) and not _unplaced(sheet).any()]
    home = min(((day, name) for days in settled for name, day in days.items()), default=(0, "main"))[1]
    names = sorted({name for days in first.values() for name in days} - {home})
    several_from = min(
        (day for days in first.values() for name, day in days.items() if name != home), default=None
    )
    for sheet in placed:
        _fill_location(sheet, home, several_from, [home, *names], ledger)


def _may_omit_location(sheet: Sheet) -> bool:
    column = INPUT[sheet.name].by_name.get("location_id")
    return column is not None and column.default is not None


def _unplaced(sheet: Sheet) -> Bools:
    values = sheet.columns.get("location_id")
    return sheet.keep.copy() if values is None else values.isna().to_numpy(bool) & sheet.keep


def _first_days(sheet: Sheet) -> dict[str, int]:
    """The day from which each location is named; an undated table names its own from the start."""
    if "location_id" not in sheet.columns:
        return {}
    dates = sheet.dates()
    days = np.full(len(sheet.keep), -(10**6)) if dates is None else dates.astype("int64")
    codes, names = text_codes(sheet.columns["location_id"])
    rows = sheet.keep & (codes >= 0)
    earliest = np.full(len(names), np.iinfo("int64").max)
    np.minimum.at(earliest, codes[rows], days[rows])
    return {name: int(day) for name, day in zip(names, earliest, strict=True) if day < np.iinfo("int64").max}


def _fill_location(
    sheet: Sheet, home: str, several_from: int | None, names: list[str], ledger: Ledger
) -> None:
    missing = _unplaced(sheet)
    if not missing.any() or (home == "main" and several_from is None):
        return  # the default does
    if several_from is not None:
        dates = sheet.dates()
        late = missing & (True if dates is None else dates.astype("int64") >= several_from)
        listed = ", ".join(names[:5])
        remedy = f"the company has several locations ({listed}); map location_id, or set it under `constants`"
        shown_as = [""] * int(late.sum())
        ledger.reject(sheet, late, "location_id", "is given where a company has several", remedy, shown_as)
        missing = missing & ~late
    if home != "main" and missing.any():
        what = "the only location known by then is taken"
        ledger.repaired(sheet.name, "location_id", what, int(missing.sum()), home)
    nowhere = text(pd.Series([None] * len(sheet.keep), dtype=object))
    sheet.columns["location_id"] = sheet.columns.get("location_id", nowhere).fillna(home)


# --------------------------------------------------------------------------------------- duplicates


def duplicates(sheet: Sheet, ledger: Ledger) -> None:
    """Keep of rows with the same key the one known earliest; ties are decided by content, never by place."""
    key = [name for name in INPUT[sheet.name].key if name in sheet.columns]
    if not key or not sheet.keep.any():
        return
    rows = np.flatnonzero(sheet.keep)
    codes = key_codes([sheet.columns[name] for name in key])
    if not any_repeated(codes[rows]):
        return
    repeated = pd.Series(codes[rows]).duplicated(keep=False).to_numpy()
    rows = rows[repeated]
    order = _by_age_and_content(sheet, rows)
    later = rows[order][pd.Series(codes[rows][order]).duplicated().to_numpy()]
    bad = np.zeros(len(sheet.keep), bool)
    bad[later] = True
    if ledger.data.duplicates == "drop":
        ledger.drop(sheet, bad, key[0], "row of a key that is already there dropped")
        return
    shown_keys = [
        "/".join(parts)
        for parts in zip(*(shown(sheet.columns[k].iloc[np.sort(later)]) for k in key), strict=True)
    ]
    ledger.reject(sheet, bad, key[0], _once(key), _duplicate_remedy(sheet.name), shown_keys)


def _once(key: list[str]) -> str:
    return f"{' and '.join(key)} occur{'s' * (len(key) == 1)} only once"


def _duplicate_remedy(table: str) -> str:
    rule = "the row known earliest is kept (data.duplicates = 'drop' drops the others)"
    if table in ("order_lines", "purchase_lines"):
        column = "line_id" if table == "order_lines" else "po_line_id"
        joined = f"columns.{column} = ['<order>', '<line>']"
        return f"if lines are numbered within orders, join columns: {joined}; {rule}"
    return rule


def _by_age_and_content(sheet: Sheet, rows: np.ndarray) -> np.ndarray:
    frame = pd.DataFrame({name: values.iloc[rows] for name, values in sheet.columns.items()}).reset_index(
        drop=True
    )
    dated = INPUT[sheet.name].dated
    ages = [name for name in ("known_at", dated) if name is not None and name in frame]
    known = frame[ages[0]] if ages else pd.Series(pd.NaT, index=frame.index)
    if len(ages) > 1:
        known = known.fillna(frame[ages[1]])
    others = [name for name in sorted(sheet.columns) if name not in ages]
    order = frame.assign(**{"": known}).sort_values(["", *others, *ages], kind="stable").index
    places: np.ndarray = order.to_numpy()
    return places


# --------------------------------------------------------------------------------------- references


def references(sheets: Sheets, ledger: Ledger, broken: set[str]) -> None:
    """Set aside what refers to unknown lines or happens before them; warn of more shipped than ordered."""
    _refer(sheets, "order_lines", "line_id", LINE_TABLES, ledger, broken)
    _refer(sheets, "purchase_lines", "po_line_id", PURCHASE_TABLES, ledger, broken)


def _refer(
    sheets: Sheets, parent: str, key: str, children: tuple[str, ...], ledger: Ledger, broken: set[str]
) -> None:
    present = [sheets[name] for name in children if name in sheets]
    if parent in broken or not present:
        return
    if parent not in sheets:
        for sheet in present:
            check = f"is of use only with {parent}, which is not given"
            ledger.problem(Problem(sheet.name, None, check, remedy=f"give {parent} too, or leave it out"))
        return
    lines = sheets[parent]
    if lines.unusable(ledger.data):
        return  # said already; what hangs on it would only repeat it
    rows = np.flatnonzero(lines.keep)
    places = places_of(lines.kept(key), [sheet.columns[key] for sheet in present])
    ordered = lines.columns["ordered_at"].to_numpy("datetime64[D]")[rows]
    totals = {}
    for sheet, place in zip(present, places, strict=True):
        _check_children(sheet, parent, key, place, ordered, ledger)
        totals[sheet.name] = _total(sheet, place, len(rows))
    verb = ("shipments", "shipped") if parent == "order_lines" else ("receipts", "received")
    if verb[0] in totals:
        _warn_of_more(lines, rows, key, totals[verb[0]], verb[1], ledger)


def _check_children(
    sheet: Sheet, parent: str, key: str, place: np.ndarray, ordered: np.ndarray, ledger: Ledger
) -> None:
    unknown = (place < 0) & sheet.keep
    remedy = "give the lines too, or leave these rows out; ids are compared as text, so that 7 is not 007"
    ledger.reject(sheet, unknown, key, f"is a line of {parent}", remedy, None)
    dated = INPUT[sheet.name].dated
    if sheet.name not in NOT_BEFORE or dated is None or not len(ordered):
        return
    days = sheet.columns[dated].to_numpy("datetime64[D]")
    early = (days < ordered[np.maximum(place, 0)]) & (place >= 0) & sheet.keep
    ledger.reject(sheet, early, dated, "is not before the line was ordered", "mend the dates", None)


def _total(sheet: Sheet, place: np.ndarray, lines: int) -> np.ndarray:
    rows = sheet.keep & (place >= 0)
    qty = sheet.columns["qty"].to_numpy()[rows] if "qty" in sheet.columns else None
    return np.bincount(place[rows], weights=qty, minlength=lines)


def _warn_of_more(
    lines: Sheet, rows: np.ndarray, key: str, total: np.ndarray, verb: str, ledger: Ledger
) -> None:
    qty = lines.columns["qty"].to_numpy()[rows]
    more: Bools = total > qty * (1 + 1e-9)
    if more.any():
        examples = ", ".join(lines.columns[key].iloc[rows[more]].sort_values().head(5))
        count = f"{int(more.sum()):,} of {len(rows):,} lines"
        ledger.warn(
            f"{lines.name}: more {verb} than ordered on {count} (e.g. {examples}); nothing of them is open"
        )


# ------------------------------------------------------------------------------------- other tables


def line_changes(sheets: Sheets, ledger: Ledger) -> None:
    """Set changes aside of fields that no line has, and write values as the tables do."""
    sheet = sheets.get("line_changes")
    if sheet is None:
        return
    fields = sheet.columns["field"].str.strip().str.lower()
    sheet.columns["field"] = fields
    known = INPUT["order_lines"].by_name
    fixed = ("line_id", "order_id", "known_at")
    unknown = ~fields.isin([name for name in known if name not in fixed]).to_numpy(bool) & sheet.keep
    remedy = f"a change is of one of {', '.join(name for name in known if name not in fixed)}"
    ledger.reject(sheet, unknown, "field", "is a column of order_lines that can change", remedy, None)
    for name in sorted(set(fields[sheet.keep])):
        _write_values(sheet, name, (fields == name).to_numpy(bool) & sheet.keep, ledger)


def _write_values(sheet: Sheet, name: str, rows: Bools, ledger: Ledger) -> None:
    column = INPUT["order_lines"][name]
    for part in ("value", "old_value"):
        if part not in sheet.columns:
            continue
        values = sheet.columns[part]
        got = coerce(arrow(values[rows]), column, ledger.data)
        bad = np.zeros(len(rows), bool)
        bad[rows] = (got.values.isna() & values[rows].notna().to_numpy()).to_numpy(bool)
        if got.blocker or bad.any():
            remedy = got.blocker or got.remedy
            ledger.reject(
                sheet, bad & sheet.keep, part, f"is a value of {name} ({column.kind})", remedy, None
            )
        written = values.astype(object)
        written[rows] = [word or None for word in shown(got.values)]
        sheet.columns[part] = text(written)


def stock(sheets: Sheets, ledger: Ledger) -> None:
    """Ask what negative stock means, unless the configuration says so."""
    sheet = sheets.get("stock")
    if sheet is None or ledger.data.stock_basis is not None:
        return
    negative = (sheet.columns["on_hand"].to_numpy() < 0) & sheet.keep
    if negative.any():
        rows = int(negative.sum())
        remedy = (
            'say what it means: data.stock_basis = "physical" (goods already owed) or "net_of_open_lines" '
            "(stock less what open lines are owed)"
        )
        examples = tuple(shown(sheet.columns["on_hand"][negative].iloc[:5]))
        ledger.problem(
            Problem("stock", "on_hand", "is not negative", rows, rows / sheet.total, examples, remedy)
        )


def ids(sheets: Sheets, ledger: Ledger) -> None:
    """Warn of ids that differ only by case or blanks, and of order lines whose items nobody else knows."""
    for name in SHARED_IDS:
        known = {
            table: distinct(sheet.kept(name)) for table, sheet in sheets.items() if name in sheet.columns
        }
        if known:
            _warn_of_alike(name, pc.unique(pa.concat_arrays(known.values())), ledger)
        if name == "item_id":
            _warn_of_unknown_items(known, ledger)
            _warn_of_unknown_substitutes(sheets, known, ledger)


def substitutes(sheets: Sheets, ledger: Ledger) -> None:
    """Set rows aside in which an item would replace itself."""
    sheet = sheets.get("substitutes")
    if sheet is None:
        return
    same = (sheet.columns["item_id"] == sheet.columns["substitute_item_id"]).to_numpy(bool) & sheet.keep
    remedy = "name another item, or leave the row out"
    ledger.reject(sheet, same, "substitute_item_id", "is another item", remedy, None)


def _warn_of_unknown_substitutes(sheets: Sheets, known: Mapping[str, pa.Array], ledger: Ledger) -> None:
    elsewhere = [ids for table, ids in known.items() if table != "substitutes"]
    if "substitutes" not in known or not elsewhere:
        return
    instead = distinct(sheets["substitutes"].kept("substitute_item_id"))
    named = pc.unique(pa.concat_arrays([known["substitutes"], instead]))
    unknown = pc.filter(named, pc.invert(pc.is_in(named, value_set=pa.concat_arrays(elsewhere))))
    if len(unknown):
        examples = ", ".join(sorted(unknown.to_pylist())[:5])
        ledger.warn(f"substitutes: {len(unknown):,} of {len(named):,} items are in no other table (e.g. {examples}); "
                    "nothing can be said of them")  # fmt: skip


def _warn_of_alike(name: str, known: pa.Array, ledger: Ledger) -> None:
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(known))
    if len(pc.unique(plain)) == len(known):
        return
    alike = pd.DataFrame({"id": known.to_pylist(), "plain": plain.to_pylist()}).sort_values(["plain", "id"])
    pairs = alike[alike["plain"].duplicated(keep=False)]
    examples = ", ".join(repr(value) for value in pairs["id"].head(4))
    ledger.warn(
        f"{name}: {pairs['plain'].nunique()} ids differ only by case or blanks from another "
        f"(e.g. {examples}); they are kept apart (data.upper_ids = true joins them)"
    )


def _warn_of_unknown_items(known: Mapping[str, pa.Array], ledger: Ledger) -> None:
    for table, kept in (
        ("items", "they count as items without description"),
        ("stock", "their stock is unknown"),
    ):
        if table not in known or "order_lines" not in known:
            continue
        ordered = known["order_lines"]
        unknown = pc.filter(ordered, pc.invert(pc.is_in(ordered, value_set=known[table])))
        if len(unknown):
            examples = ", ".join(sorted(unknown.to_pylist())[:5])
            count = f"{len(unknown):,} of {len(ordered):,} items ordered"
            ledger.warn(f"order_lines: {count} are not in {table} (e.g. {examples}); {kept}")
