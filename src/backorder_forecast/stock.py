"""Stock of each SKU over the past, rolled from the rows that were counted by what came and went.

The level at the end of a day is that of the latest stock row, plus later movements, receipts and transfers
in, less later shipments and transfers out. Two stock rows that the flows between them do not explain are
counted; where the unexplained share of the flow is too large the level is unknown, never zero and never
enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .past import SKU, sku_codes

if TYPE_CHECKING:
    from .past import Past

_DAY = np.timedelta64(1, "D")


def flows(past: Past) -> pd.DataFrame:
    """Every change of physical stock: sku (row of `past.skus`), day (datetime64[D]), qty (signed)."""
    tables = past.tables
    by_line = past.lines.set_index("line_id")[SKU]
    by_purchase = past.purchases.set_index("po_line_id")[SKU]
    arrived = tables["transfers"].dropna(subset="received_at")
    left = tables["transfers"].drop(columns="location_id").rename(columns={"from_location_id": "location_id"})
    parts = [
        _flow(past, _placed(tables["shipments"], "line_id", by_line), "shipped_at", -1.0),
        _flow(past, _placed(tables["receipts"], "po_line_id", by_purchase), "received_at", 1.0),
        _flow(past, tables["stock_movements"], "moved_at", 1.0),
        _flow(past, arrived, "received_at", 1.0),
        _flow(past, left, "shipped_at", -1.0),
    ]
    all_flows = pd.concat(parts, ignore_index=True)
    all_flows = all_flows[all_flows["sku"] >= 0]
    # equal days of an SKU are one flow: neither the order of rows nor their split matters
    summed = all_flows.groupby(["sku", "day"], sort=True)["qty"].sum()
    return summed.reset_index()


def _placed(events: pd.DataFrame, key: str, places: pd.DataFrame) -> pd.DataFrame:
    found = places.reindex(events[key].array)
    return events.assign(item_id=found["item_id"].to_numpy(), location_id=found["location_id"].to_numpy())


def _flow(past: Past, events: pd.DataFrame, when: str, sign: float) -> pd.DataFrame:
    days = events[when].to_numpy("datetime64[D]")
    return pd.DataFrame({"sku": sku_codes(past, events), "day": days, "qty": sign * events["qty"].to_numpy()})


def counts(past: Past) -> pd.DataFrame:
    """The stock rows with a known quantity: sku, day, on_hand (physical), in the order of SKU and day."""
    rows = past.tables["stock"]
    rows = rows[rows["on_hand"].notna()]
    frame = pd.DataFrame(
        {
            "sku": sku_codes(past, rows),
            "day": rows["date"].to_numpy("datetime64[D]"),
            "on_hand": rows["on_hand"].to_numpy(float),
        }
    ).sort_values(["sku", "day"], ignore_index=True)
    if past.config.data.stock_basis == "net_of_open_lines":
        frame["on_hand"] += owed(past, frame["sku"].to_numpy(), frame["day"].to_numpy("datetime64[D]"))
    return frame


def owed(past: Past, sku: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Units wanted by the end of each (SKU, day) and neither shipped nor cancelled by then."""
    events = open_events(past)
    return level_at(events, sku, day)


def open_events(past: Past) -> pd.DataFrame:
    """Changes of the quantity that is wanted and open: sku, day, qty (signed), summed by SKU and day."""
    lines = past.lines
    code = pd.Series(sku_codes(past, lines), index=lines["line_id"].array)
    parts = [
        pd.DataFrame(
            {"sku": code.array, "day": lines["wanted_date"].to_numpy("datetime64[D]"), "qty": lines["qty"].to_numpy()}
        )
    ]
    for table, when in (("shipments", "shipped_at"), ("cancellations", "cancelled_at")):
        rows = past.tables[table]
        days = rows[when].to_numpy("datetime64[D]")
        parts.append(
            pd.DataFrame(
                {"sku": code.reindex(rows["line_id"].array).to_numpy(), "day": days, "qty": -rows["qty"].to_numpy()}
            )
        )
    summed = pd.concat(parts, ignore_index=True).groupby(["sku", "day"], sort=True)["qty"].sum()
    return summed.reset_index()


def level_at(events: pd.DataFrame, sku: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Sum of the events of each SKU up to and including a day; `events` sorted by SKU and day."""
    key = _key(events["sku"].to_numpy(), events["day"].to_numpy("datetime64[D]"))
    start = np.concatenate([[0.0], np.cumsum(events["qty"].to_numpy(float))])
    position = np.searchsorted(key, _key(sku, day), side="right")
    before = np.searchsorted(key, _key(sku, np.full(len(sku), np.datetime64("0001-01-01", "D"))), side="left")
    level: np.ndarray = start[position] - start[before]
    return level


def _key(sku: np.ndarray, day: np.ndarray) -> np.ndarray:
    # SKU and day in one sortable number; days since the year 1 stay below 2**22
    days = (np.asarray(day, "datetime64[D]") - np.datetime64("0001-01-01", "D")).astype(np.int64)
    key: np.ndarray = np.asarray(sku, np.int64) * (1 << 22) + days
    return key


def stock_levels(past: Past) -> pd.DataFrame:
    """Physical stock at the end of the day, by SKU: on_hand (NaN: unknown), counted_at, unexplained_qty, reason."""
    rows, moves = counts(past), flows(past)
    skus = past.skus[SKU].copy()
    last = rows.drop_duplicates("sku", keep="last").set_index("sku").reindex(skus.index)
    counted = last["day"].to_numpy("datetime64[D]")
    known = ~np.isnat(counted)
    code = skus.index.to_numpy()
    today = np.full(len(skus), past.day.to_datetime64().astype("datetime64[D]"))
    since = np.where(known, counted, today)
    rolled = last["on_hand"].to_numpy(float) + level_at(moves, code, today) - level_at(moves, code, since)
    unexplained, share = _unexplained(rows, moves, len(skus))
    doubtful = share > past.config.data.max_unexplained_share
    skus["on_hand"] = np.where(known & ~doubtful, rolled, np.nan)
    skus["counted_at"] = counted.astype("datetime64[us]")
    skus["unexplained_qty"] = unexplained
    skus["reason"] = np.select(
        [~known, doubtful],
        ["no stock row", "stock rows and the flows between them do not reconcile"],
        default="",
    )
    return skus


def _unexplained(rows: pd.DataFrame, moves: pd.DataFrame, n: int) -> tuple[np.ndarray, np.ndarray]:
    """By SKU: units that flows between stock rows do not explain, and their share of the gross flow."""
    sku, day = rows["sku"].to_numpy(), rows["day"].to_numpy("datetime64[D]")
    level, gross = rows["on_hand"].to_numpy(float), moves.assign(qty=moves["qty"].abs())
    pair = np.flatnonzero(sku[1:] == sku[:-1])
    flow = level_at(moves, sku[pair], day[pair + 1]) - level_at(moves, sku[pair], day[pair])
    through = level_at(gross, sku[pair], day[pair + 1]) - level_at(gross, sku[pair], day[pair])
    gap = np.abs(level[pair + 1] - level[pair] - flow)
    unexplained = np.bincount(sku[pair], gap, n)
    # counting differences on a shelf that hardly moves are measured against what lies there
    size = np.bincount(sku[pair], np.maximum(through, np.abs(level[pair])), n)
    share = np.divide(unexplained, size, out=np.zeros(n), where=size > 0)
    return unexplained, np.where((size == 0) & (unexplained > 0), 1.0, share)


def closing_levels(past: Past, sku: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Physical stock at the end of past days, by the nearest stock row before (else after); NaN without any."""
    rows, moves = counts(past), flows(past)
    key = _key(rows["sku"].to_numpy(), rows["day"].to_numpy("datetime64[D]"))
    at = np.searchsorted(key, _key(sku, day), side="right") - 1
    row_sku = np.append(rows["sku"].to_numpy(), -1)
    at = np.where((at >= 0) & (row_sku[at] == sku), at, np.minimum(at + 1, len(rows)))
    found = row_sku[at] == sku
    at = np.where(found, at, 0)
    if not len(rows):
        return np.full(len(sku), np.nan)
    anchor = rows["day"].to_numpy("datetime64[D]")[at]
    level = rows["on_hand"].to_numpy(float)[at] + level_at(moves, sku, day) - level_at(moves, sku, anchor)
    closing: np.ndarray = np.where(found, level, np.nan)
    return closing


def had_stock(past: Past, lines: pd.DataFrame) -> np.ndarray:
    """Whether stock covered everything wanted by the end of each line's wanted day (unknown: no)."""
    code, wanted = sku_codes(past, lines), lines["wanted_date"].to_numpy("datetime64[D]")
    covered: np.ndarray = closing_levels(past, code, wanted) >= level_at(open_events(past), code, wanted)
    return covered
