"""What is on the way: open purchases with their laws, and their receipts in every scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.chance import sample_days, sample_days_together, sample_geometric
from .core.queue_kernel import PURCHASE_DRAW
from .lead_time import LeadTimes
from .streams import keys

if TYPE_CHECKING:
    from .past import Past


@dataclass(frozen=True)
class Supply:
    """Open purchase lines (in the order of po_line_id) and the lead times that date them."""

    purchases: pd.DataFrame
    lead_times: LeadTimes

    def draws(self, scenarios: int, seed: int) -> np.ndarray:
        """Receipts of each open purchase [purchases × scenarios], as the kernel wants them (PURCHASE_DRAW)."""
        rows, fitted = self.purchases, self.lead_times
        never = fitted.horizon + 1
        out = np.zeros((len(rows), scenarios), PURCHASE_DRAW)
        if not len(rows):
            return out
        key = keys(seed, "receipt", rows["po_line_id"])
        # find_day counts from 0, the table's first column is day 1
        first = self._first(key, scenarios, seed) + 1
        gap = np.maximum(_sampled(fitted.rest_table[None], key, 1, scenarios), 1)
        split = np.stack([1.0 - fitted.open_split_prob, np.ones(len(rows))], axis=1)
        part = _sampled(split, key, 2, scenarios) == 1
        shares = np.arange(1, len(fitted.split_share) + 1) / len(fitted.split_share)
        share = fitted.split_share[_sampled(shares[None], key, 3, scenarios)]
        qty = rows["open_qty"].to_numpy()[:, None]
        whole = (qty % 1 == 0) & (qty >= 2)
        some = np.where(whole, np.clip(np.round(qty * share), 1, qty - 1), qty * share)
        gone = np.zeros((len(rows), scenarios), np.int16)
        hazard = np.full(len(rows), fitted.cancel_hazard)
        sample_geometric(hazard, np.zeros(len(rows), np.int64), keys(seed, "gone", rows["po_line_id"]), never, gone)
        lost = gone < first
        out["first"] = np.where(lost, never, first)
        out["first_qty"] = np.where(part, some, qty)
        opens = fitted.receiving.next_open(fitted.origin, never)
        rest = fitted.rest_ready(first, gap)
        out["rest"] = np.where(lost, never, np.minimum(opens[np.minimum(rest, never)], never))
        out["gone"] = np.where(lost & (gone < never), gone, 0)
        return out

    def _first(self, key: np.ndarray, scenarios: int, seed: int) -> np.ndarray:
        """Next receipts from day 0 on [purchases × scenarios], those of one supplier late together."""
        fitted = self.lead_times
        if fitted.alike <= 0.0:
            return _sampled(fitted.next_table, key, 0, scenarios)
        out = np.zeros((len(key), scenarios), np.int16)
        shared = keys(seed, "supplier delay", self.purchases["supplier_id"])
        sample_days_together(np.ascontiguousarray(fitted.next_table), key, shared, fitted.alike, 0, out)
        return out.astype(np.int64)


def _sampled(table: np.ndarray, key: np.ndarray, index: int, scenarios: int) -> np.ndarray:
    """Days from each key's law; `table` [keys × days], or one row for all."""
    out = np.zeros((len(key), scenarios), np.int16)
    sample_days(np.ascontiguousarray(table), key, index, out)
    return out.astype(np.int64)


def forecast_supply(past: Past, lead_times: LeadTimes) -> Supply:
    """Return the open purchases of `past` with their laws."""
    return Supply(lead_times.open_rows, lead_times)
