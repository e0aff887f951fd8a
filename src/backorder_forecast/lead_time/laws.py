"""`LeadTimes`: what the fitted laws say of new orders, and of open purchases given the age they have reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..core import hazards
from ..law import Law
from .durations import ReceivingDays
from .table import lead_time_table

PAIR = ["supplier_id", "item_id"]


@dataclass(frozen=True)
class LeadTimes:
    """Fitted lead times.

    pairs: supplier_id, item_id, sorted; suppliers: sorted; houses: cumulative hazard Λ of the first receipt, of each
    supplier and, last, of one not known [suppliers + 1 × edges]; stretches: by what an item's lead times may be
    longer than its supplier's, with weights for each pair [pairs × stretches] and for an item not known; rest: Λ of
    the gap from one receipt to the rest; split_prob [pairs], split_share: sorted shares that first receipts brought;
    cancel_hazard: per day; purchases: every known purchase line.
    """

    origin: pd.Timestamp
    horizon: int
    receiving: ReceivingDays
    pairs: pd.DataFrame
    suppliers: np.ndarray
    houses: np.ndarray
    stretches: np.ndarray
    pair_weight: np.ndarray
    item_weight: np.ndarray
    rest: np.ndarray
    split_prob: np.ndarray
    split_share: np.ndarray
    cancel_hazard: float
    purchases: pd.DataFrame
    told: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a reader should know: what was taken for want of better, and how much of what is bought is stuck."""
        if self.told or not len(self.purchases):
            return list(self.told)
        stuck = float(np.exp(-self.houses[-1, -1]))
        return [f"{stuck:.1%} of purchases are taken as stuck: nothing comes within {self.houses.shape[1] - 2} days"]

    def rows(self, supplier: pd.Series, item: pd.Series) -> np.ndarray:
        """Rows of `laws` for each (supplier, item): the pair's own, else the supplier's, else that of all."""
        n, m = len(self.pairs), len(self.suppliers)
        pair, house = np.full(len(item), -1), np.full(len(item), -1)
        if n:
            known = pd.MultiIndex.from_frame(self.pairs)
            pair = known.get_indexer(pd.MultiIndex.from_arrays([supplier, item]))
            house = pd.Index(self.suppliers).get_indexer(supplier)
        rows: np.ndarray = np.where(pair >= 0, pair, np.where(house >= 0, n + house, n + m))
        return rows

    @cached_property
    def _house(self) -> np.ndarray:
        """The house of each row of `laws`: of pairs, then suppliers, then of who is not known."""
        own = pd.Index(self.suppliers).get_indexer(self.pairs["supplier_id"]) if len(self.pairs) else []
        return np.concatenate([own, np.arange(len(self.suppliers) + 1)]).astype(np.int64)

    @cached_property
    def _weight(self) -> np.ndarray:
        """Weights of the stretches of each row of `laws`."""
        return np.vstack([self.pair_weight, np.tile(self.item_weight, (len(self.suppliers) + 1, 1))])

    @cached_property
    def laws(self) -> np.ndarray:
        """P(goods of a new order are ready to be received by day) [rows × days from 0]; less what is cancelled.

        They are received on the first day from then on on which anything is (`receiving`).
        """
        longer = np.zeros((len(self._house), self.houses.shape[1] - 1))
        hazards.survivals(self._house, self._weight, np.zeros(len(longer)), self.houses, self.stretches, longer)
        stay = (1.0 - self.cancel_hazard) ** np.arange(longer.shape[1])
        return np.cumsum(np.diff(1.0 - longer, prepend=0.0, axis=1) * stay, axis=1)

    @cached_property
    def received_laws(self) -> np.ndarray:
        """P(lead time of a new order ≤ day) [rows × days from 0], averaged over the weekdays of ordering."""
        out = np.zeros_like(self.laws)
        for lag, share in enumerate(self.receiving.delays()):
            out[:, lag:] += share * self.laws[:, : self.laws.shape[1] - lag]
        return out

    def new_order(self, supplier_id: str, item_id: str) -> Law:
        """The law of the days from a new order to its first receipt."""
        keys = pd.DataFrame({"supplier_id": [supplier_id], "item_id": [item_id]})
        return Law(keys, self.received_laws[self.rows(keys["supplier_id"], keys["item_id"])])

    @cached_property
    def open_rows(self) -> pd.DataFrame:
        """The open purchase lines, in the order of po_line_id."""
        return self.purchases[self.purchases["open_qty"] > 0].reset_index(drop=True)

    @cached_property
    def next_table(self) -> np.ndarray:
        """P(next receipt ≤ day) [open purchases × days 1…horizon], given the age reached; no cancellations."""
        rows = self.open_rows
        begun = rows["received_qty"].to_numpy() > 0
        since = rows["last_received_at"].where(begun, rows["clock_at"]).dt.floor("D")
        open_until = self.receiving.last_open(self.origin, self.horizon)
        age = np.maximum((self.origin - since).dt.days.to_numpy() + 1.0 + open_until[0], 0.0)
        longer = np.zeros((len(rows), self.horizon - int(open_until[0])))
        place = self.rows(rows["supplier_id"], rows["item_id"])
        self._outlive(longer, ~begun, self._house[place], self._weight[place], age, self.houses, self.stretches)
        once = np.ones((len(rows), 1))
        self._outlive(longer, begun, np.zeros(len(rows), np.int64), once, age, self.rest[None], np.ones(1))
        # nothing is received on shut days: what became ready on them comes on the next open one
        ready = np.concatenate([np.zeros((len(rows), 1)), 1.0 - longer], axis=1)
        return ready[:, open_until[1:] - open_until[0]]

    @staticmethod
    def _outlive(longer: np.ndarray, mine: np.ndarray, house: np.ndarray, weight: np.ndarray, age: np.ndarray,
                 laws: np.ndarray, stretches: np.ndarray) -> None:  # fmt: skip
        out = np.zeros((int(mine.sum()), longer.shape[1]))
        hazards.survivals(house[mine], np.ascontiguousarray(weight[mine]), age[mine], laws, stretches, out)
        longer[mine] = out

    @cached_property
    def rest_table(self) -> np.ndarray:
        """P(gap between a part and the rest ≤ day) [days from 0], before waiting for an open day."""
        table: np.ndarray = -np.expm1(-self.rest[1:])
        return table

    @cached_property
    def remaining_first(self) -> Law:
        """Law of the days until an open purchase's next receipt; mass beyond the horizon or never is missing."""
        return self._open_law(self._cancellable(self.next_table))

    @cached_property
    def remaining(self) -> Law:
        """Law of the days until the last open unit of each open purchase has come."""
        first = np.diff(self.next_table, prepend=0.0, axis=1)
        gap = np.diff(self.rest_table, prepend=0.0)
        gap = np.pad(gap, (0, max(0, self.horizon - len(gap))))[: self.horizon]
        chance = self.open_split_prob[:, None]
        later = np.array([np.convolve(row, gap)[: self.horizon] for row in first]).reshape(first.shape).cumsum(axis=1)
        ready = np.concatenate([np.zeros((len(later), 1)), later], axis=1)
        received = ready[:, np.maximum(self.receiving.last_open(self.origin, self.horizon)[1:], 0)]
        return self._open_law(self._cancellable((1 - chance) * self.next_table + chance * received))

    @cached_property
    def open_split_prob(self) -> np.ndarray:
        """Chance that the next receipt of each open purchase brings only a part of what is open."""
        rows = self.open_rows
        place = self.rows(rows["supplier_id"], rows["item_id"])
        typical = self.split_prob.mean() if len(self.split_prob) else 0.0
        prob = np.append(self.split_prob, np.full(len(self.suppliers) + 1, typical))
        single = (rows["received_qty"] > 0) | (rows["open_qty"] < 2)
        return np.where(single, 0.0, prob[place])

    def _cancellable(self, table: np.ndarray) -> np.ndarray:
        stay = (1.0 - self.cancel_hazard) ** np.arange(1, self.horizon + 1)
        return np.cumsum(np.diff(table, prepend=0.0, axis=1) * stay, axis=1)

    def _open_law(self, table: np.ndarray) -> Law:
        return Law(self.open_rows[["po_line_id"]], table, start=1, origin=self.origin)

    def table(self) -> pd.DataFrame:
        """The output table `lead_times`."""
        law = Law(self.pairs, self.received_laws[: len(self.pairs)])
        return lead_time_table(law, self.purchases, self.origin)
