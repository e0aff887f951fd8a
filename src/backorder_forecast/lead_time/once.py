"""One fit: durations to the laws of every supplier, item and place, with purchases counted as a memory says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..core import hazards
from ..core.family import Cases, Kin
from ..core.family_fit import fit_family
from ..tables import TEXT
from .cancelling import closed_short, learn_cancelling
from .closures import Closures, supplier_closures
from .coded import Coded
from .durations import (
    Durations,
    ReceivingDays,
    as_planned,
    between,
    receiving_days,
    stated_days,
    to_first_receipt,
    weights,
    working_days,
)
from .fitted import periods_back
from .laws import LeadTimes
from .restated import as_purchases

if TYPE_CHECKING:
    from ..past import Past


@dataclass(frozen=True)
class Memory:
    """How past purchases count: days after which one counts half (None: all alike); whether levels move slowly; whether
    open ones go by dates that were stated anew."""

    half_life: float | None = None
    slow: bool = True
    restated: bool = False

    def __str__(self) -> str:
        fades = "all purchases count alike" if self.half_life is None else f"half-life {self.half_life:.0f} days"
        moves = "slow change" if self.slow else "no slow change"
        return f"{fades}, {moves}" + ", by re-stated dates" * self.restated


@dataclass(frozen=True)
class Prepared:
    """What is known of purchases on a day, as every memory needs it.

    rows: every purchase line; used: those fitted on; lone: whether each line counts for itself or less, with lines of
    the same purchase.
    """

    past: Past
    rows: pd.DataFrame
    used: pd.DataFrame
    receiving: ReceivingDays
    closures: Closures
    durations: Durations
    coded: Coded
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, past: Past, like: Prepared | None = None) -> Prepared:
        """From what `past` knew; with the days on which goods are received, and suppliers shut, of another."""
        config, notes = past.config.lead_time, list[str]()
        rows = past.purchases
        clock = rows["ordered_at"]
        if config.clock == "confirmed_at":
            clock = rows["confirmed_at"].fillna(clock)
        rows = rows.assign(clock_at=clock, supplier_id=rows["supplier_id"].astype(TEXT))
        if like is None:
            receiving = receiving_days(past, rows["clock_at"].min() if len(rows) else past.day)
            closures = supplier_closures(past, rows, receiving.first, len(receiving.shut))
            notes += closures.notes
        else:
            receiving, closures = like.receiving, like.closures
        recent = past.days_since(rows["clock_at"]) < config.history_days
        used = rows if recent.all() else rows[recent].reset_index(drop=True)
        durations = to_first_receipt(past, used, receiving, closures)
        if len(used) and not durations.ended.any():
            durations = working_days(as_planned(past, used), used["supplier_id"], used["clock_at"], closures)
            notes.append("nothing was ever received: lead times are the stated days of purchases and policies")
        durations = replace(durations, weight=weights(used, durations))
        return cls(past, rows, used, receiving, closures, durations, Coded.of(used), tuple(notes))

    def fit(self, memory: Memory, start: LeadTimes | None = None) -> LeadTimes:
        """Fit with this memory; sooner from a fit of the same day with another."""
        found = self._fit(memory, start)
        ends = learn_cancelling(found, self.used, self.durations.low, self.durations.entry)
        found = replace(found, cancelling=ends)
        return self.by_statements(found, memory) if memory.restated else found

    @cached_property
    def statements(self) -> Prepared | None:
        """Of dates that were stated anew; None where there are too few."""
        told = as_purchases(self.past, self.rows)
        return None if told is None else Prepared.of(told, self)

    def by_statements(self, found: LeadTimes, memory: Memory) -> LeadTimes:
        """What was fitted, open purchases going by the dates that were stated anew."""
        if self.statements is None:
            return found
        return replace(found, restated=self.statements.fit(replace(memory, restated=False)))

    @cached_property
    def _edges(self) -> int:
        longest = max(30.0, self.durations.high.max(initial=0.0))
        return 2 + int(min(self.past.config.lead_time.max_days, longest))

    @cached_property
    def _counted(self) -> tuple[Cases, np.ndarray, int]:
        return _cases(self.used, self.durations, self.coded, self.past.day, self.closures)

    @cached_property
    def _categories(self) -> Kin:
        return _kin(self.past, self.coded)

    @cached_property
    def _splits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _fit_splits(self.past, self.used, self.coded, self.receiving, self.closures, self._edges)

    def _fit(self, memory: Memory, start: LeadTimes | None) -> LeadTimes:
        past, used, coded = self.past, self.used, self.coded
        cases, usual, periods = self._counted
        if memory.half_life is not None:
            fading = 0.5 ** (past.days_since(used["clock_at"]) / memory.half_life)
            cases = replace(cases, weight=cases.weight * fading)
        sizes = (len(coded.suppliers), len(coded.pair_keys), len(coded.lane_keys), periods)
        first = start.family if start else None
        family = fit_family(cases, *sizes, self._edges, slow=memory.slow, start=first, kin=self._categories)
        return LeadTimes(
            past.day, past.config.simulation.horizon_days, self.receiving, coded, family, usual, *self._splits,
            _cancel_hazard(used, self.durations), self.rows, self.notes, closures=self.closures,
        )  # fmt: skip


def _cases(
    rows: pd.DataFrame, durations: Durations, coded: Coded, origin: pd.Timestamp, closures: Closures
) -> tuple[Cases, np.ndarray, int]:
    """The durations as arrays; the usual stated days of each supplier, in logarithm; periods of ordering."""
    house, pair, lane = coded.codes(rows)
    back = periods_back(rows["clock_at"], origin)
    periods = 1 + int(back.max(initial=0))
    stated = stated_days(rows, closures)
    known = ~np.isnan(stated)
    usual = _mean_of_known(house, stated, known, len(coded.suppliers))
    against = np.where(known, stated - usual[house], 0.0)
    of_pair = _mean_of_known(pair, against, known, len(coded.pair_keys))
    against = np.where(known, against, of_pair[pair])
    cases = Cases(
        house, pair, lane, periods - 1 - back, durations.entry, durations.low, durations.high, durations.ended,
        durations.weight, against,
    )  # fmt: skip
    return cases, usual, periods


def _kin(past: Past, coded: Coded) -> Kin:
    """Categories of suppliers and of items."""
    found = []
    for name, ids in (("supplier", coded.suppliers), ("item", coded.items)):
        known = past.tables[f"{name}s"].drop_duplicates(f"{name}_id").set_index(f"{name}_id")["category"]
        code, categories = pd.factorize(known.reindex(ids), sort=True)
        found.append(code.astype(np.int64) if len(categories) > 1 else None)
    house, item = found
    return Kin(house, None if item is None else item[coded.pair_keys % max(len(coded.items), 1)])


def _mean_of_known(code: np.ndarray, values: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """Mean by code; 0 where nothing is known."""
    size = np.maximum(np.bincount(code[known], minlength=count), 1)
    mean: np.ndarray = np.bincount(code[known], values[known], count) / size
    return mean


def _fit_splits(
    past: Past, rows: pd.DataFrame, coded: Coded, receiving: ReceivingDays, closures: Closures, edges: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Λ of the gap from a part to the rest, chance of a part by pair (its supplier's, shrunk to all), its shares."""
    seen = rows["first_received_at"].notna().to_numpy()
    share = _first_qty(past, rows) / rows["qty"].to_numpy()
    # what was taken off the order before is no part that is still to come
    parts = np.flatnonzero(seen & (share < 1 - 1e-9))
    few = rows[_EVENTS].iloc[parts]
    once = few["last_received_at"].dt.floor("D") == few["first_received_at"].dt.floor("D")
    open_later = ~((few["open_qty"] <= 0) & once & ~closed_short(few)).to_numpy()
    parts, few = parts[open_later], few[open_later]
    house, count = coded.codes(rows)[0], len(coded.suppliers)
    came = np.bincount(house[seen], minlength=count)
    rate = (len(parts) + 0.5) / (came.sum() + 10.0)
    of_house = (np.bincount(house[parts], minlength=count) + 20 * rate) / (came + 20)
    of_house[came == 0] = rate
    shares = np.sort(share[parts]) if len(parts) else np.array([0.5])
    rest = _law_of_rest(past, few, receiving, closures, edges)
    return rest, of_house[coded.pair_house], np.clip(shares, 0.01, 0.99)


_EVENTS = [
    "po_line_id", "supplier_id", "qty", "open_qty", "received_qty", "cancelled_qty", "first_received_at",
    "last_received_at", "last_cancelled_at",
]  # fmt: skip


def _first_qty(past: Past, rows: pd.DataFrame) -> np.ndarray:
    """Units received on the day of each line's first receipt."""
    qty = rows["received_qty"].to_numpy(float, copy=True)
    several = (rows["last_received_at"].dt.floor("D") > rows["first_received_at"].dt.floor("D")).to_numpy(bool)
    if several.any():
        some = rows[["po_line_id", "first_received_at"]][several]
        receipts = past.tables["receipts"]
        receipts = receipts[receipts["po_line_id"].isin(some["po_line_id"])]
        first = pd.Series(some["first_received_at"].dt.floor("D").to_numpy(), index=some["po_line_id"].array)
        receipts = receipts[receipts["received_at"].dt.floor("D") == receipts["po_line_id"].map(first)]
        qty[several] = receipts.groupby("po_line_id")["qty"].sum().reindex(first.index).to_numpy()
    return qty


def _law_of_rest(
    past: Past, waiting: pd.DataFrame, receiving: ReceivingDays, closures: Closures, edges: int
) -> np.ndarray:
    begin = waiting["first_received_at"].dt.floor("D")
    finished = (waiting["open_qty"] <= 0) & (waiting["last_received_at"].dt.floor("D") > begin)
    short = closed_short(waiting)
    end = waiting["last_received_at"].where(finished, waiting["last_cancelled_at"].where(short, past.day)).dt.floor("D")
    gaps = working_days(
        between(begin, end, np.array(finished, bool), receiving), waiting["supplier_id"], begin, closures
    )
    risk, events = np.zeros((1, edges - 1)), np.zeros((1, edges - 1))
    one = np.ones(len(waiting))
    hazards.add_counts(
        np.zeros(len(waiting), np.int64), gaps.entry, gaps.low, gaps.high, gaps.ended, gaps.weight, one, one, 1.0, risk,
        events,
    )  # fmt: skip
    # where no second receipt was ever seen: some days
    hazard = hazards.smooth(risk[0], events[0]) if events.any() else np.full(edges - 1, 0.1)
    return hazards.cumulative(hazard)


def _cancel_hazard(rows: pd.DataFrame, durations: Durations) -> float:
    """Cancellations of whole waiting purchases per day waited."""
    cancelled = (rows["cancelled_qty"] > 0) & rows["first_received_at"].isna()
    waited = float(durations.low.sum())
    return float(cancelled.sum()) / waited if waited > 0 else 0.0
