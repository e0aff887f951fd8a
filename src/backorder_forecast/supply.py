"""What is on the way: open purchases and transfers with their laws, and their receipts in every scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.chance import sample_days, sample_days_together, sample_ends
from .core.queue_kernel import PURCHASE_DRAW
from .lead_time import LeadTimes
from .streams import keys

if TYPE_CHECKING:
    from .past import Past


@dataclass(frozen=True)
class Supply:
    """Open purchase lines and transfers (in the order of po_line_id) and the lead times that date them."""

    purchases: pd.DataFrame
    lead_times: LeadTimes

    def draws(self, scenarios: int, seed: int) -> np.ndarray:
        """Receipts of each open purchase [purchases × scenarios], as the kernel wants them (PURCHASE_DRAW)."""
        out = np.zeros((len(self.purchases), scenarios), PURCHASE_DRAW)
        for fitted, rows in self.lead_times.kinds:
            if len(rows):
                out[rows] = _draws(fitted, scenarios, seed)
        return out


def _draws(fitted: LeadTimes, scenarios: int, seed: int) -> np.ndarray:
    """Receipts of the open lines of one kind of supply."""
    rows, never = fitted.open_rows, fitted.horizon + 1
    out = np.zeros((len(rows), scenarios), PURCHASE_DRAW)
    # find_day counts from 0, the table's first column is day 1
    key = keys(seed, "receipt", rows["po_line_id"])
    first = _first(fitted, key, scenarios, seed) + 1
    gap = np.maximum(_sampled(fitted.rest_table[None], key, 1, scenarios), 1)
    gone = np.zeros((len(rows), scenarios), np.int16)
    sample_ends(fitted.gone_table, keys(seed, "gone", rows["po_line_id"]), gone)
    lost = gone < first
    out["first"] = np.where(lost, never, first)
    out["first_qty"] = _first_qty(fitted, key, scenarios)
    opens = fitted.receiving.next_open(fitted.origin, never)
    rest = fitted.rest_ready(first, gap)
    out["rest"] = np.where(lost, never, np.minimum(opens[np.minimum(rest, never)], never))
    out["gone"] = np.where(lost & (gone < never), gone, 0)
    return out


def _first(fitted: LeadTimes, key: np.ndarray, scenarios: int, seed: int) -> np.ndarray:
    """Next receipts from day 0 on [open × scenarios], those of one supplier late together."""
    if fitted.alike <= 0.0:
        return _sampled(fitted.next_table, key, 0, scenarios)
    out = np.zeros((len(key), scenarios), np.int16)
    shared = keys(seed, "supplier delay", fitted.open_rows["supplier_id"])
    sample_days_together(np.ascontiguousarray(fitted.next_table), key, shared, fitted.alike, 0, out)
    return out.astype(np.int64)


def _first_qty(fitted: LeadTimes, key: np.ndarray, scenarios: int) -> np.ndarray:
    """Units that the next receipt of each open line brings [open × scenarios]: all that is open, or a part."""
    rows = fitted.open_rows
    split = np.stack([1.0 - fitted.open_split_prob, np.ones(len(rows))], axis=1)
    part = _sampled(split, key, 2, scenarios) == 1
    shares = np.arange(1, len(fitted.split_share) + 1) / len(fitted.split_share)
    share = fitted.split_share[_sampled(shares[None], key, 3, scenarios)]
    qty = rows["open_qty"].to_numpy()[:, None]
    whole = (qty % 1 == 0) & (qty >= 2)
    some = np.where(whole, np.clip(np.round(qty * share), 1, qty - 1), qty * share)
    return np.where(part, some, qty)


def _sampled(table: np.ndarray, key: np.ndarray, index: int, scenarios: int) -> np.ndarray:
    """Days from each key's law; `table` [keys × days], or one row for all."""
    out = np.zeros((len(key), scenarios), np.int16)
    sample_days(np.ascontiguousarray(table), key, index, out)
    return out.astype(np.int64)


def forecast_supply(past: Past, lead_times: LeadTimes) -> Supply:
    """Return the open purchases and transfers of `past` with their laws."""
    return Supply(lead_times.open_rows, lead_times)
