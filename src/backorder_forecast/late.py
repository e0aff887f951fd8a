"""Why waiting lines are late, as shares: of every simulated line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core import reasons as core
from .core.expedite import ITEM
from .executors import run_partitions
from .places import natural_key

if TYPE_CHECKING:
    from .queue import Layout

REASONS = ("supplier", "queue", "quantity", "allocation_rule", "no_supply")


@dataclass(frozen=True)
class Lateness:
    """Of simulated lines: due, the day from today after which each is late; shares [lines × REASONS] of its days late,
    NaN: open supply alone is not to blame."""

    due: np.ndarray
    shares: np.ndarray

    def reason(self) -> np.ndarray:
        """The largest share of each line, of equal ones the first; None where there is none."""
        at = np.nan_to_num(self.shares, nan=-1.0).argmax(axis=1)
        named = np.asarray(np.where(np.isnan(self.shares[:, 0]), None, np.array(REASONS, dtype=object)[at]))
        return named


def lateness(found: Layout, jobs: int) -> Lateness:
    """Why each line is late: after its promised day, or, without one, after the first day on which it could leave.

    Only days to come count: what was due earlier is late from the day after the first possible one on.
    """
    p = found.problem
    item = np.zeros(p.sku.size, ITEM)
    item["stock"], item["location"] = p.sku["free"], p.sku["location"]
    for name in ("line_from", "line_to", "po_from", "po_to"):
        item[name] = p.sku[name]
    out = np.zeros((p.line.size, core.CASES))
    line, promised, following = _asks(found), _promised(found), np.ascontiguousarray(p.calendar["next"])
    cost = (1.0 + item["line_to"] - item["line_from"]) * (1.0 + item["po_to"] - item["po_from"])
    run_partitions(
        lambda a, b: core.lateness(item, line, p.po_qty, promised, p.po_draw, following, p.working_days, out, a, b),
        cost, jobs,
    )  # fmt: skip
    return Lateness(line["due"], core.shares(out))


def _asks(found: Layout) -> np.ndarray:
    """Units before each line by service order and by when it came, and the day after which it is late."""
    p, lines, past = found.problem, found.lines, found.past
    out = np.zeros(p.line.size, core.ASKS)
    out["need"] = p.line["need"]
    sku = lines["sku"].to_numpy()
    out["target"] = pd.Series(out["need"]).groupby(sku).cumsum()
    natural = np.array([natural_key(x) for x in lines["line_id"]], dtype=object)
    came = pd.DataFrame({"sku": sku, "day": lines["place_date"], "at": lines["placed_at"],
                         "sequence": lines["sequence"], "natural": natural, "need": out["need"]})  # fmt: skip
    came = came.sort_values(["sku", "day", "at", "sequence", "natural"], na_position="last", kind="stable")
    out["in_turn"] = came["need"].groupby(came["sku"].to_numpy()).cumsum().sort_index()
    place = np.repeat(p.sku["location"], p.sku["line_to"] - p.sku["line_from"])
    first = np.minimum(np.maximum(p.line["wanted"], 1), p.horizon)
    soonest = p.working_days[place, p.calendar["next"][place, first]]
    promised = np.nan_to_num(-past.days_since(lines["promised_date"]), nan=0.0)
    out["due"] = np.maximum(soonest, promised)
    return out


def _promised(found: Layout) -> np.ndarray:
    """Days from today to what suppliers first promised; overdue: tomorrow; 0: nothing promised."""
    rows = found.purchases
    days = -found.past.days_since(rows["first_promised_date"])
    known = ~np.isnan(days)
    out: np.ndarray = np.where(known, np.clip(np.nan_to_num(days), 1, found.problem.horizon), 0).astype(np.int64)
    return out
