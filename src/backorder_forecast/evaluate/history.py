"""What anybody can read off a list of purchases: the stated date, and how long a supplier's received purchases took.

The baselines that stand beside a forecast of purchases open on a day, as laws of the days still to go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..law import Law
from ..lead_time import supplied

if TYPE_CHECKING:
    from ..past import Past

ENOUGH = 20  # received purchases of a supplier that took longer than this one has waited, for its own to be taken


def received_given_age(past: Past, rows: pd.DataFrame, horizon: int) -> Law:
    """The law of each open purchase by its supplier's received ones: of those that took longer than it has waited, how
    much longer. Where there are fewer than 20 of them: of all suppliers' together; where there are none, never.

    rows: open purchase lines; index: their po_line_id. Purchases that are open themselves are left out, as they would
    be in a list of what was received: that is what this baseline shows.
    """
    every = supplied(past)
    done = every[(every["open_qty"] <= 0) & (every["received_qty"] > 0)]
    took = (done["last_received_at"].dt.floor("D") - done["ordered_at"].dt.floor("D")).dt.days.to_numpy(float)
    everybody = np.sort(took)
    own = {str(name): np.sort(took[at]) for name, at in done.reset_index().groupby("supplier_id").indices.items()}
    asked = pd.DataFrame({"supplier": rows["supplier_id"].astype(object), "age": past.days_since(rows["ordered_at"])})
    group, alike = pd.MultiIndex.from_frame(asked).factorize()
    table = np.zeros((len(alike), horizon))
    for i, (supplier, age) in enumerate(alike):
        rest = _longer(own.get(str(supplier), everybody[:0]), age)
        rest = rest if len(rest) >= ENOUGH else _longer(everybody, age)
        table[i] = np.searchsorted(rest, np.arange(1, horizon + 1), side="right") / max(len(rest), 1)
    return Law(rows[["po_line_id"]].reset_index(drop=True), table[group], start=1, origin=past.day)


def _longer(took: np.ndarray, age: float) -> np.ndarray:
    """Days beyond an age of the sorted durations that are longer."""
    return took[np.searchsorted(took, age, side="right") :] - age


def stated_days(past: Past, rows: pd.DataFrame) -> np.ndarray:
    """Days until the date in force [rows]; one that has passed says tomorrow; NaN where none is stated."""
    return np.asarray(np.maximum(-past.days_since(rows["promised_date"]), 1.0))
