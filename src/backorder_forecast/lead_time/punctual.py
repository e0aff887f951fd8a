"""Whether purchases came by the date that was first stated for them, those still open counted as what they are."""

from __future__ import annotations

import numpy as np
import pandas as pd


def punctuality(purchases: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Judge each purchase line by its first stated date, at the end of `day`: due, kept, slip_days; row for row.

    due: the stated date has come, so that the purchase can be judged; one received early, whose date lies ahead, is
    not judged, since those that will be late on that date could not be yet. One cancelled by then is never due.
    kept: 1 where all that was to come had come by that date, else 0: one still open is late. NaN where not due.
    slip_days: days from the stated date to the last receipt (early: negative). One still open is taken to come
    tomorrow, one cancelled after its date to have come then: they are at least so late. NaN where not due.

    >>> rows = pd.DataFrame({"qty": 1.0, "open_qty": [0.0, 1.0, 1.0, 0.0], "received_qty": [1.0, 0.0, 0.0, 1.0],
    ...     "first_promised_date": pd.to_datetime(["2026-03-05", "2026-03-05", "2026-03-20", "2026-03-20"]),
    ...     "last_received_at": pd.to_datetime(["2026-03-04", None, None, "2026-03-07"]),
    ...     "last_cancelled_at": pd.to_datetime([None] * 4)})
    >>> judged = punctuality(rows, pd.Timestamp("2026-03-10"))
    >>> judged.kept.tolist(), judged.slip_days.tolist()
    ([1.0, 0.0, nan, nan], [-1.0, 6.0, nan, nan])
    """
    stated = purchases["first_promised_date"].dt.floor("D")
    closed, came = purchases["open_qty"] <= 0, purchases["received_qty"] > 0
    done = purchases["last_received_at"].where(closed & came).dt.floor("D")
    gone = purchases["last_cancelled_at"].where(closed & ~came).dt.floor("D")
    due = (stated <= day) & ~(gone <= stated)
    end = done.fillna(gone).fillna(day + pd.Timedelta(days=1))
    slip = (end - stated).dt.days.astype(float)
    return pd.DataFrame({
        "due": due.to_numpy(bool),
        "kept": np.where(due, (done <= stated).astype(float), np.nan),
        "slip_days": np.where(due, slip, np.nan),
    })  # fmt: skip
