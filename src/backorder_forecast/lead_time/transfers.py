"""Transfers between our own places as purchases of another kind: the place that sends is their supplier.

What is on the way is supply of the place that receives, what arrived is history. Transfers have laws of their own,
fitted apart from purchases', so that neither kind moves the other's; they come whole and are not cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..law import Law
from ..past import Past
from ..tables import TEXT, conform
from .laws import LeadTimes

if TYPE_CHECKING:
    from collections.abc import Callable

APART = " (transfers)"  # what tells a place from a vendor of the same name, and a transfer from such a purchase line


def transfers_of(past: Past) -> Past:
    """What is known of transfers, told as purchases, and of nothing else.

    Each is a purchase line (po_line_id: its transfer_id) that was ordered when it left, from the place it left.
    """
    rows = past.tables["transfers"].sort_values("transfer_id", kind="stable").reset_index(drop=True)
    sent = pd.DataFrame(
        {
            "po_line_id": _apart(rows["transfer_id"], past.tables["purchase_lines"]["po_line_id"]),
            "supplier_id": _apart(rows["from_location_id"], past.purchases["supplier_id"]),
            "ordered_at": rows["shipped_at"], **{x: rows[x] for x in _ALIKE},
        }
    )  # fmt: skip
    came = rows["received_at"].notna()
    received = sent.loc[came, ["po_line_id", "qty", "known_at"]].assign(received_at=rows.loc[came, "received_at"])
    calendar = past.tables["calendar"]
    tables = {name: frame.iloc[:0] for name, frame in past.tables.items()}
    tables |= {
        "purchase_lines": conform("purchase_lines", sent), "receipts": conform("receipts", received),
        "calendar": calendar[calendar["supplier_id"].isna()],
    }  # fmt: skip
    return Past(past.day, past.config, tables, past.given, memo=past.memo.setdefault("transfers", {}))


def supplied(past: Past) -> pd.DataFrame:
    """Every known purchase line, then every known transfer as such."""
    if past.tables["transfers"].empty:
        return past.purchases
    return pd.concat([past.purchases, transfers_of(past).purchases], ignore_index=True)


_ALIKE = ("item_id", "location_id", "qty", "promised_date", "known_at")


def _apart(names: pd.Series, taken: pd.Series) -> pd.Series:
    """The names, those already taken marked."""
    return names.where(~names.isin(taken), names.astype(object) + APART).astype(TEXT)


@dataclass(frozen=True)
class WithTransfers(LeadTimes):
    """Lead times of purchases, `own`, and of transfers, `moved`, as one: of all that is open, in the order of
    po_line_id; laws of new orders are those of purchases, then those of transfers."""

    own: LeadTimes = field(kw_only=True)
    moved: LeadTimes = field(kw_only=True)

    @classmethod
    def of(cls, own: LeadTimes, moved: LeadTimes) -> WithTransfers:
        """Both kinds together."""
        whole = replace(moved, split_prob=np.zeros_like(moved.split_prob))
        same = {x.name: getattr(own, x.name) for x in fields(LeadTimes)}
        return cls(**same | {"alike": max(own.alike, moved.alike)}, own=own, moved=whole)

    @cached_property
    def _order(self) -> np.ndarray:
        """Where each open line stands among those of purchases and then of transfers."""
        ids = pd.concat([x.open_rows["po_line_id"] for x in (self.own, self.moved)])
        order: np.ndarray = np.argsort(ids.to_numpy(object), kind="stable")
        return order

    @property
    def kinds(self) -> list[tuple[LeadTimes, np.ndarray]]:
        """Lead times of each kind, and the rows of its open lines."""
        own = self._order < len(self.own.open_rows)
        return [(self.own, np.flatnonzero(own)), (self.moved, np.flatnonzero(~own))]

    def _both(self, part: Callable[[LeadTimes], np.ndarray]) -> np.ndarray:
        both: np.ndarray = np.concatenate([part(self.own), part(self.moved)])[self._order]
        return both

    @cached_property
    def open_rows(self) -> pd.DataFrame:
        """The open purchase lines and transfers, in the order of po_line_id."""
        rows = pd.concat([self.own.open_rows, self.moved.open_rows], ignore_index=True)
        return rows.iloc[self._order].reset_index(drop=True)

    @cached_property
    def overdue(self) -> np.ndarray:
        """Whether each is past its first stated day or, without one, its usual one [rows]."""
        return self._both(lambda x: x.overdue)

    @cached_property
    def plain_table(self) -> np.ndarray:
        """`next_table` before what past forecasts say of it."""
        return self._both(lambda x: x.plain_table)

    @cached_property
    def next_table(self) -> np.ndarray:
        """P(next receipt ≤ day) [open × days 1…horizon], given the age reached; no cancellations."""
        return self._both(lambda x: x.next_table)

    @cached_property
    def stay(self) -> np.ndarray:
        """P(not cancelled before day) [open × days 1…horizon]."""
        return self._both(lambda x: x.stay)

    @cached_property
    def gone_table(self) -> np.ndarray:
        """P(cancelled by day) [open × days 1…horizon], if nothing came before."""
        return self._both(lambda x: x.gone_table)

    @cached_property
    def open_split_prob(self) -> np.ndarray:
        """Chance that the next receipt of each brings only a part of what is open."""
        return self._both(lambda x: x.open_split_prob)

    @cached_property
    def remaining_first(self) -> Law:
        """Law of the days until the next receipt of each."""
        return self._open_law(self._both(lambda x: x.remaining_first.table))

    @cached_property
    def remaining(self) -> Law:
        """Law of the days until the last open unit of each has come."""
        return self._open_law(self._both(lambda x: x.remaining.table))

    def rows(self, supplier: pd.Series, item: pd.Series, location: pd.Series | None = None) -> np.ndarray:
        """Rows of `laws` for each (supplier, item, location): those of transfers where the supplier is a place."""
        rows = self.own.rows(supplier, item, location)
        if not len(self.own.purchases):
            return rows
        place = (self.own.coded.houses(supplier) < 0) & (self.moved.coded.houses(supplier) >= 0)
        return np.where(place, len(self.own.laws) + self.moved.rows(supplier, item, location), rows)

    @cached_property
    def laws(self) -> np.ndarray:
        """P(goods of a new order are ready to be received by day) [rows × days from 0]."""
        return _stacked(self.own.laws, self.moved.laws)

    @cached_property
    def received_laws(self) -> np.ndarray:
        """P(lead time of a new order ≤ day) [rows × days from 0], averaged over the weekdays of ordering."""
        return _stacked(self.own.received_laws, self.moved.received_laws)

    @property
    def notes(self) -> list[str]:
        """What a reader should know, of purchases and then of transfers."""
        return [*self.own.notes, *(f"transfers: {x}" for x in self.moved.notes)]

    def learned(self) -> pd.DataFrame:
        """What was learned from past days, of each kind."""
        return pd.concat([self.own.learned(), self.moved.learned().assign(kind="transfers")], ignore_index=True)

    def table(self) -> pd.DataFrame:
        """The output table `lead_times`, places among the suppliers."""
        both = pd.concat([self.own.table(), self.moved.table()], ignore_index=True)
        return both.sort_values(["supplier_id", "item_id"], kind="stable", ignore_index=True)


def _stacked(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Laws over one another, the shorter ones staying as they end."""
    wide = max(one.shape[1], other.shape[1])
    return np.vstack([np.pad(x, ((0, 0), (0, wide - x.shape[1])), mode="edge") for x in (one, other)])
