"""Places in the queue: which of two waiting lines of an item is served first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from .past import Past


def natural_key(text: str) -> str:
    """A key that sorts runs of digits as numbers.

    >>> sorted(["L10", "L9", "L1"], key=natural_key)
    ['L1', 'L9', 'L10']
    """
    return re.sub(r"\d+", lambda run: run.group().lstrip("0").rjust(24, "0"), text)


def service_order(lines: pd.DataFrame, by_priority: bool, key: np.ndarray | None = None) -> pd.DataFrame:
    """Sort lines by SKU and service order: class, wanted day, ordered_at, sequence, line_id in natural order.

    key: of each line, in place of its class. A line that has lost its place has another in `placed_at`.
    """
    lines = lines.assign(natural=[natural_key(x) for x in lines["line_id"]])
    lines["class"] = key if key is not None else lines["priority"] if by_priority else 0
    if "placed_at" not in lines:
        lines["placed_at"] = lines["ordered_at"]
    lines["place_date"] = lines["wanted_date"].where(lines["wanted_date"] >= lines["placed_at"].dt.floor("D"),
                                                     lines["placed_at"].dt.floor("D"))  # fmt: skip
    by = ["component", "sku", "class", "place_date", "placed_at", "sequence", "natural", "line_id"]
    return lines.sort_values(by, na_position="last", kind="stable", ignore_index=True)


def placed_at(past: Past, lines: pd.DataFrame) -> pd.Series:
    """From when a line has its place in the queue: when it was ordered, or last changed where that loses the place."""
    placed = lines["ordered_at"]
    if past.config.queue.changed_lines == "keep":
        return placed
    changes = past.tables["line_changes"]
    changes = changes[changes["field"].isin(["qty", "requested_date"])]
    last = lines["line_id"].map(changes.groupby("line_id")["changed_at"].max())
    return placed.where(last.isna(), last)
