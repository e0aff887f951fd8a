"""What was known at the end of a day: the only door to history.

`rebuild` filters every table to the rows known by then and derives from them the state of each order line,
purchase line and stock level. Whatever is fitted, simulated or scored starts here, so an earlier day is the
same call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .errors import UsageError
from .tables import INPUT, TEXT, conform

if TYPE_CHECKING:
    from .config import Config
    from .dataset import Dataset

SKU = ["item_id", "location_id"]
_ITEM_COLUMNS = [
    "description", "category", "supplier_id", "unit_cost", "unit_price", "unmet_demand", "backorder_share",
    "introduced_date", "discontinued_date",
]  # fmt: skip


@dataclass(frozen=True)
class Past:
    """The company as it was known at the end of `day`.

    >>> from backorder_forecast.dataset import Dataset
    >>> lines = pd.DataFrame({"order_id": ["o"], "line_id": ["l"], "item_id": ["a"], "qty": [5.0],
    ...                       "ordered_at": [pd.Timestamp("2026-01-05")]})
    >>> sent = pd.DataFrame({"line_id": ["l"], "shipped_at": [pd.Timestamp("2026-01-07")], "qty": [2.0]})
    >>> data = Dataset.of({"order_lines": lines, "shipments": sent})
    >>> [float(data.as_of(day).lines.open_qty.sum()) for day in ("2026-01-04", "2026-01-06", "2026-01-07")]
    [0.0, 5.0, 3.0]
    """

    day: pd.Timestamp
    config: Config
    tables: dict[str, pd.DataFrame]
    given: frozenset[str]
    notes: list[str] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def lines(self) -> pd.DataFrame:
        """Every known order line with its open quantity, in the order of line_id."""
        return _lines(self)

    @cached_property
    def purchases(self) -> pd.DataFrame:
        """Every known purchase line with its open quantity, in the order of po_line_id."""
        return _purchases(self)

    @cached_property
    def skus(self) -> pd.DataFrame:
        """Items at locations that any known row speaks of, with what is known of the item; sorted."""
        return _skus(self)

    @cached_property
    def stock(self) -> pd.DataFrame:
        """Physical stock of each SKU at the end of the day (NaN: unknown), row for row with `skus`."""
        from .stock import stock_levels

        return stock_levels(self)

    @cached_property
    def policies(self) -> pd.DataFrame:
        """The policy of each SKU in force, row for row with `skus`; NaN where none is stated."""
        stated = self.tables["policies"].sort_values([*SKU, "stated_at"], kind="stable")
        last = stated.drop_duplicates(SKU, keep="last")
        return self.skus[SKU].merge(last, on=SKU, how="left").reset_index(drop=True)

    def purchases_on(self, day: pd.Timestamp) -> Past:
        """What was known of purchases at the end of an earlier day; of anything else, nothing."""
        dated = ("purchase_lines", "receipts", "purchase_cancellations", "purchase_promises")
        kept = {name: _known(name, self.tables[name], day) for name in dated}
        kept |= {name: self.tables[name] for name in ("items", "suppliers", "calendar")}
        tables = {name: kept.get(name, frame.iloc[:0]) for name, frame in self.tables.items()}
        if self.config.data.promised_date_is == "latest":
            nothing = np.full(len(tables["purchase_lines"]), np.datetime64("NaT", "us"))
            tables["purchase_lines"] = tables["purchase_lines"].assign(promised_date=nothing)
        return Past(day, self.config, tables, self.given)

    def days_since(self, dates: pd.Series) -> np.ndarray:
        """Whole days from each date to `day` (negative: in the future), NaN where there is no date."""
        days: np.ndarray = (self.day - dates.dt.floor("D")).dt.days.to_numpy(float)
        return days


def rebuild(data: Dataset, day: pd.Timestamp, config: Config | None = None) -> Past:
    """Return what `data` knew at the end of `day`. Raises: ``UsageError`` for a day that is none."""
    if pd.isna(day) or day.tz is not None:
        raise UsageError(f"as_of needs a calendar day without a time zone, got {day!r}")
    day = day.floor("D")
    config = config or data.config
    tables = {name: _known(name, frame, day) for name, frame in data.tables.items()}
    if config.data.promised_date_is == "latest" and day < data.default_as_of():
        for name in ("order_lines", "purchase_lines", "transfers"):
            nothing = np.full(len(tables[name]), np.datetime64("NaT", "us"))
            tables[name] = tables[name].assign(promised_date=nothing)
    tables["order_lines"] = _rewind(tables["order_lines"], data.tables["line_changes"], day)
    past = Past(day, config, tables, data.given, memo=data.memo)
    undated = [x for x in ("items", "calendar", "drivers") if x in data.given]
    undated = [x for x in undated if data.tables[x].known_at.isna().all()]
    if undated:
        past.notes.append(f"{', '.join(undated)}: undated, so their present content counts as always known")
    return past


def _known(name: str, frame: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Rows known at the end of the day; of several versions of a key the one that became known last."""
    if frame.empty:
        return frame
    end = day + pd.Timedelta(days=1)
    known = frame["known_at"].isna() | (frame["known_at"] < end)
    dated = INPUT[name].dated
    if dated:
        known &= frame[dated] < end
    frame = frame[known]
    key = [x for x in INPUT[name].key if x != "known_at"]
    if key and frame["known_at"].notna().any():
        frame = frame.sort_values("known_at", kind="stable", na_position="first")
        frame = frame.drop_duplicates(key, keep="last")
    return _without_future(name, frame.reset_index(drop=True), end)


def _without_future(name: str, frame: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """Rows without what happened to them later (a confirmation, a delivery), which has columns of its own."""
    table = INPUT[name]
    for column in table.columns:
        if column.kind == "timestamp" and column.name not in (table.dated, "known_at"):
            later = frame[column.name] >= end
            if later.any():
                frame[column.name] = frame[column.name].mask(later)
    return frame


def _rewind(lines: pd.DataFrame, changes: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Order lines with each changed field as it was: the last value known, else the first one."""
    if changes.empty or lines.empty:
        return lines
    changes = changes.sort_values(["line_id", "field", "changed_at"], kind="stable")
    seen = changes[changes[["changed_at", "known_at"]].max(axis=1) < day + pd.Timedelta(days=1)]
    first = changes.drop_duplicates(["line_id", "field"]).dropna(subset="old_value")
    last = seen.drop_duplicates(["line_id", "field"], keep="last")
    lines = lines.copy()
    for name in sorted(set(changes["field"]) & set(INPUT["order_lines"].by_name) - {"line_id", "known_at"}):
        for rows, value in ((first, "old_value"), (last, "value")):
            new = rows[rows["field"] == name].set_index("line_id")[value].reindex(lines["line_id"].array)
            lines[name] = _replaced(lines[name], new.set_axis(lines.index))
    return conform("order_lines", lines)


def _replaced(column: pd.Series, new: pd.Series) -> pd.Series:
    """`column` with the values of `new` (text) where there are any, in the column's own type."""
    typed: pd.Series = new
    if pd.api.types.is_bool_dtype(column.dtype):
        typed = new.str.strip().str.lower().isin(["true", "1", "yes", "t", "y"])
    elif pd.api.types.is_datetime64_any_dtype(column.dtype):
        typed = pd.to_datetime(new, errors="coerce", format="ISO8601").astype("datetime64[us]")
    elif pd.api.types.is_numeric_dtype(column.dtype):
        typed = pd.to_numeric(new, errors="coerce")
        new = new.where(typed.notna())
    return column.where(new.isna(), typed).astype(column.dtype)


def _attach(frame: pd.DataFrame, key: str, rows: pd.DataFrame, when: str, names: dict[str, str]) -> None:
    """Add columns of what happened to each key to `frame`: units (qty; 0 where nothing), first and last date."""
    if rows.empty:
        nothing = np.full(len(frame), np.datetime64("NaT", "us"))
        for source, name in names.items():
            frame[name] = 0.0 if source == "qty" else nothing
        return
    # texts of both at once to numbers: the rest goes by these
    codes, unique = pd.factorize(pd.concat([frame[key], rows[key]], ignore_index=True))
    mine, theirs = codes[: len(frame)], codes[len(frame) :]
    grouped = rows[theirs >= 0].groupby(theirs[theirs >= 0])
    for source, name in names.items():
        if source == "qty":
            units = grouped["qty"].sum()
            values = np.zeros(len(unique) + 1)
            values[units.index] = np.nan_to_num(units.to_numpy())
        else:
            dates = grouped[when].min() if source == "first" else grouped[when].max()
            values = np.full(len(unique) + 1, np.datetime64("NaT", "us"))
            values[dates.index] = dates.to_numpy("datetime64[us]")
        frame[name] = values[mine]


def _lines(past: Past) -> pd.DataFrame:
    frame = past.tables["order_lines"].sort_values("line_id", kind="stable").reset_index(drop=True)
    names = {"qty": "shipped_qty", "last": "last_shipped_at"}
    _attach(frame, "line_id", past.tables["shipments"], "shipped_at", names)
    names = {"qty": "cancelled_qty", "last": "last_cancelled_at"}
    _attach(frame, "line_id", past.tables["cancellations"], "cancelled_at", names)
    frame["open_qty"] = _open(frame["qty"] - frame["shipped_qty"] - frame["cancelled_qty"])
    ordered = frame["ordered_at"].dt.floor("D")
    wish = frame["requested_date"] if past.config.data.requested_date_is == "not_before" else ordered
    frame["wanted_date"] = wish.where(wish > ordered, ordered)
    _promises(frame, "line_id", past.tables["line_promises"], past.config)
    age = past.days_since(frame["wanted_date"])
    limit = past.config.queue.stale_line_days
    frame["is_stale"] = (age > limit) & (frame["open_qty"] > 0) if limit else np.zeros(len(frame), bool)
    return frame


def _open(units: pd.Series) -> pd.Series:
    # sums of fractions must not leave a crumb that waits for ever
    return units.where(units > 1e-9, 0.0)


def _promises(frame: pd.DataFrame, key: str, stated: pd.DataFrame, config: Config) -> None:
    """The promise in force (the latest stated) and the first one, from the row and the log of statements."""
    on_row = frame["promised_date"].to_numpy()
    moved = config.data.promised_date_is == "latest"
    first_on_row = np.full(len(frame), np.datetime64("NaT", "us")) if moved else on_row
    frame["first_promised_date"] = first_on_row
    if stated.empty:
        return
    stated = stated.sort_values([key, "stated_at", "promised_date"], kind="stable")
    by_key, wanted = stated.set_index(key)["promised_date"], frame[key].array
    latest = by_key[~by_key.index.duplicated(keep="last")].reindex(wanted)
    first = by_key[~by_key.index.duplicated()].reindex(wanted)
    frame["promised_date"] = np.where(latest.isna(), on_row, latest.to_numpy())
    frame["first_promised_date"] = np.where(np.isnat(first_on_row), first.to_numpy(), first_on_row)


def _purchases(past: Past) -> pd.DataFrame:
    frame = past.tables["purchase_lines"].sort_values("po_line_id", kind="stable").reset_index(drop=True)
    names = {"qty": "received_qty", "first": "first_received_at", "last": "last_received_at"}
    _attach(frame, "po_line_id", past.tables["receipts"], "received_at", names)
    names = {"qty": "cancelled_qty", "last": "last_cancelled_at"}
    _attach(frame, "po_line_id", past.tables["purchase_cancellations"], "cancelled_at", names)
    frame["open_qty"] = _open(frame["qty"] - frame["received_qty"] - frame["cancelled_qty"])
    if frame["supplier_id"].isna().any():
        by_item = past.tables["items"].drop_duplicates("item_id").set_index("item_id")["supplier_id"]
        known = frame["supplier_id"].where(frame["supplier_id"].notna(), frame["item_id"].map(by_item))
        frame["supplier_id"] = known.fillna("unknown").astype(TEXT)
    _promises(frame, "po_line_id", past.tables["purchase_promises"], past.config)
    return frame


def _skus(past: Past) -> pd.DataFrame:
    names = ("order_lines", "stock", "purchase_lines", "policies", "stock_movements", "transfers")
    pairs = pd.concat([past.tables[x][SKU].drop_duplicates() for x in names], ignore_index=True)
    skus = pairs.drop_duplicates().sort_values(SKU, kind="stable").reset_index(drop=True)
    items = past.tables["items"].drop_duplicates("item_id")[["item_id", *_ITEM_COLUMNS]]
    skus = skus.merge(items, on="item_id", how="left")
    default = past.config.data
    skus["unmet_demand"] = skus["unmet_demand"].fillna(default.unmet_demand)
    usual = 0.5 if default.backorder_share is None else default.backorder_share
    share = skus["backorder_share"].fillna(usual)
    fixed = skus["unmet_demand"].map({"backorder": 1.0, "lost": 0.0})
    skus["backorder_share"] = fixed.where(fixed.notna(), share).astype(float)
    return skus


def sku_codes(past: Past, frame: pd.DataFrame) -> np.ndarray:
    """The row of each (item_id, location_id) of `frame` in `past.skus`; -1 where it is not among them."""
    skus = past.skus
    items = pd.Index(skus["item_id"].unique())
    places = pd.Index(skus["location_id"].unique())
    width = max(len(places), 1)
    table = items.get_indexer(skus["item_id"]) * width + places.get_indexer(skus["location_id"])
    item, place = items.get_indexer(frame["item_id"]), places.get_indexer(frame["location_id"])
    row = pd.Index(table).get_indexer(item * width + place)
    codes: np.ndarray = np.where((item >= 0) & (place >= 0), row, -1)
    return codes
