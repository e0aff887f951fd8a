"""What is on the way: open purchases and transfers with their laws, and their receipts in every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.chance import sample_days, sample_days_together, sample_ends
from .core.queue_kernel import PURCHASE_DRAW
from .core.queue_orders import common_scores
from .lead_time import LeadTimes
from .streams import keys

if TYPE_CHECKING:
    from .past import Past

SUPPLIER_DELAY = "supplier delay"  # the stream of what a supplier's deliveries have in common


@dataclass(frozen=True)
class Supply:
    """Open purchase lines and transfers (in the order of po_line_id) and the lead times that date them.

    What if: sooner_by, days by which each comes sooner than drawn, tomorrow at best; away, whether it never comes;
    added, P(received by day) [rows × days 1…horizon] of further rows of `purchases`, behind those of the lead times.
    """

    purchases: pd.DataFrame
    lead_times: LeadTimes
    sooner_by: np.ndarray | None = None
    away: np.ndarray | None = None
    added: np.ndarray | None = None

    def sooner(self, days: Mapping[str, float]) -> Supply:
        """The same supply with some purchases coming so many days sooner, in every scenario.

        days: by po_line_id. What a supplier cancels is the same; what comes beyond the horizon stays there.
        """
        by = self.purchases["po_line_id"].map(days).fillna(0).to_numpy(np.int64)
        return replace(self, sooner_by=by if self.sooner_by is None else self.sooner_by + by)

    def without(self, rows: np.ndarray) -> Supply:
        """The same supply, some rows of which never come, as is known from tomorrow on."""
        away = np.zeros(len(self.purchases), bool) if self.away is None else self.away.copy()
        away[rows] = True
        return replace(self, away=away)

    def with_more(self, rows: pd.DataFrame, received: np.ndarray) -> Supply:
        """The same supply and further purchases; received: P(received by day) [rows × days 1…horizon]."""
        n = len(rows)
        return replace(
            self, purchases=pd.concat([self.purchases, rows], ignore_index=True),
            sooner_by=None if self.sooner_by is None else np.append(self.sooner_by, np.zeros(n, np.int64)),
            away=None if self.away is None else np.append(self.away, np.zeros(n, bool)),
            added=received if self.added is None else np.concatenate([self.added, received]),
        )  # fmt: skip

    def draws(self, scenarios: int, seed: int) -> np.ndarray:
        """Receipts of each open purchase [purchases × scenarios], as the kernel wants them (PURCHASE_DRAW)."""
        out = np.zeros((len(self.purchases), scenarios), PURCHASE_DRAW)
        for fitted, rows in self.lead_times.kinds:
            if len(rows):
                out[rows] = _draws(fitted, scenarios, seed)
        return self._changed(out, seed)

    def shared_delays(
        self, policies: pd.DataFrame, scenarios: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """The delay that new orders share with open purchases of the same supplier.

        policies: supplier_id, lead_row. Returns the row of the scores of each, the correlation of draws of one supplier
        as learned from open purchases (0: none), and scores [suppliers × scenarios].
        """
        fitted = [kind for kind, _ in self.lead_times.kinds]
        alike = np.array([kind.alike for kind in fitted])
        if not alike.any():
            return np.zeros(len(policies), np.int64), np.zeros(len(policies)), np.zeros((0, scenarios))
        of_kind = np.searchsorted(np.cumsum([len(kind.laws) for kind in fitted]), policies["lead_row"], side="right")
        row, suppliers = pd.factorize(policies["supplier_id"].astype(object).fillna(""))
        scores = np.zeros((len(suppliers), scenarios))
        common_scores(keys(seed, SUPPLIER_DELAY, suppliers), scores)
        return row, alike[np.minimum(of_kind, len(alike) - 1)], scores

    def _changed(self, drawn: np.ndarray, seed: int) -> np.ndarray:
        """The receipts with what is otherwise."""
        never = self.lead_times.horizon + 1
        if self.added is not None:
            more = self.purchases.iloc[-len(self.added) :]
            rows = drawn[-len(self.added) :]
            rows["first"] = _sampled(self.added, keys(seed, "receipt", more["po_line_id"]), 0, drawn.shape[1]) + 1
            rows["first_qty"], rows["rest"] = more["open_qty"].to_numpy()[:, None], never
        if self.away is not None:
            for name, day in (("first", never), ("rest", never), ("gone", 1)):
                drawn[name][self.away] = day
        if self.sooner_by is not None:
            opens = self.lead_times.receiving.next_open(self.lead_times.origin, never)
            for name in ("first", "rest"):
                days = drawn[name].astype(np.int64)
                earlier = opens[np.maximum(days - self.sooner_by[:, None], 1)]
                drawn[name] = np.where(days < never, np.minimum(days, earlier), days)
        return drawn


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
    shared = keys(seed, SUPPLIER_DELAY, fitted.open_rows["supplier_id"])
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
