"""Dates that a supplier moves later: what is left from such a statement on, told as a purchase of its own.

A statement that changes the date in force starts a new clock: the days from it to the receipt, given the days that it
leaves, have a law by supplier, with how much of such a date is true and by how much it is missed. An open purchase goes
by the latest statement known on the day. Whether it should is decided by past days, see `fit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..past import Past
from ..tables import conform

if TYPE_CHECKING:
    from .laws import LeadTimes

FEWEST = 30  # statements of purchases since received, from which on anything is learned
_MARK = "#"  # between a purchase line and the number of the statement


def statements(past: Past, rows: pd.DataFrame) -> pd.DataFrame:
    """Statements that changed the date in force of a purchase line of `rows`, before anything of it had come.

    Columns: line (row of `rows`), number (1, 2, … of the line), stated_at, promised_date, known_at.
    """
    told = past.tables["purchase_promises"]
    line = pd.Index(rows["po_line_id"]).get_indexer(told["po_line_id"])
    told = told[["stated_at", "promised_date", "known_at"]].assign(line=line, day=told["stated_at"].dt.floor("D"))
    told = told[line >= 0].sort_values(["line", "stated_at", "promised_date"], kind="stable")
    told = told.drop_duplicates(["line", "day"], keep="last")
    before = told.groupby("line")["promised_date"].shift()
    before = before.where(told["line"].duplicated(), rows["first_promised_date"].to_numpy()[told["line"]])
    ended = rows["first_received_at"].fillna(rows["last_cancelled_at"].where(rows["open_qty"] <= 0)).dt.floor("D")
    waits = ~(ended.to_numpy()[told["line"]] <= told["day"])
    told = told[before.notna() & (before != told["promised_date"]) & waits].drop(columns="day")
    told = told.assign(number=told.groupby("line").cumcount() + 1)
    return pd.DataFrame(told.reset_index(drop=True))


def as_purchases(past: Past, rows: pd.DataFrame) -> Past | None:
    """Each such statement as a purchase that was ordered when it was made; None where too few have come true or not."""
    told = statements(past, rows)
    mine = rows.iloc[told["line"]].reset_index(drop=True)
    if int(mine["first_received_at"].notna().sum()) < FEWEST:
        return None
    ids = mine["po_line_id"].astype(object) + _MARK + told["number"].astype(str)
    lines = mine[["item_id", "location_id", "supplier_id", "qty"]].assign(
        po_line_id=ids, po_id=mine["po_line_id"], ordered_at=told["stated_at"], known_at=told["known_at"]
    )
    came, gone = mine["first_received_at"], mine["last_cancelled_at"].where(mine["open_qty"] <= 0)
    received = lines[["po_line_id", "qty"]].assign(received_at=came)[came.notna()]
    cancelled = lines[["po_line_id", "qty"]].assign(cancelled_at=gone)[came.isna() & gone.notna()]
    stated = told[["stated_at", "promised_date", "known_at"]].assign(po_line_id=ids)
    nothing = {name: frame.iloc[:0] for name, frame in past.tables.items()}
    kept = {name: past.tables[name] for name in ("items", "suppliers", "calendar")}
    made = {"purchase_lines": lines, "receipts": received, "purchase_cancellations": cancelled,
            "purchase_promises": stated}  # fmt: skip
    tables = nothing | kept | {name: conform(name, frame) for name, frame in made.items()}
    return Past(past.day, past.config, tables, past.given)


def latest(lead_times: LeadTimes, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of open purchases with a statement that changed their date: their rows in `rows`, and the rows of the latest
    statements in the open ones of `lead_times`, which tell of statements."""
    stated = lead_times.open_rows["po_line_id"].astype(object).str.rpartition(_MARK)
    last = pd.DataFrame({"id": stated[0], "number": stated[2].astype(int)})
    last = last.sort_values("number", kind="stable").drop_duplicates("id", keep="last").sort_index()
    place = pd.Index(rows["po_line_id"]).get_indexer(last["id"])
    known = place >= 0
    return place[known], last.index.to_numpy()[known]
