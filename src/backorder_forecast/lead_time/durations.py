"""Purchases and receipts to right-censored durations, and the days on which anything is received."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..past import SKU
from .closures import Closures

if TYPE_CHECKING:
    from ..past import Past

_FEW_PAIRS = 10.0  # pairs of lines received apart, taken as seen before any
_ENOUGH, _RARE = 50, 0.01  # receipts seen, and their share on a kind of day, before it counts as shut


@dataclass(frozen=True)
class Durations:
    """Durations known to lie in (low, high] days, or, where not `ended`, to be longer than low; their weights.

    entry: the duration from which on each is seen, more than 0 for what was under way when the log of receipts begins.
    """

    low: np.ndarray
    high: np.ndarray
    ended: np.ndarray
    weight: np.ndarray
    entry: np.ndarray


@dataclass(frozen=True)
class ReceivingDays:
    """On which calendar days, from `first` on, anything is received.

    shut [days]: nothing is. run [days]: how many shut days lie directly before an open day, or end on a shut one.
    """

    first: np.datetime64
    shut: np.ndarray
    run: np.ndarray

    def place(self, dates: pd.Series) -> np.ndarray:
        """The row of each date."""
        rows: np.ndarray = (dates.to_numpy("datetime64[D]") - self.first).astype(np.int64)
        return rows

    def last_open(self, origin: pd.Timestamp, days: int) -> np.ndarray:
        """Days from `origin` to the last open day on or before each of the days 0 … `days` after it."""
        begin = int(self.place(pd.Series([origin]))[0])
        rows = slice(begin, begin + days + 1)
        found: np.ndarray = np.arange(days + 1) - np.where(self.shut[rows], self.run[rows], 0)
        return found

    def next_open(self, origin: pd.Timestamp, days: int) -> np.ndarray:
        """Days from `origin` to the first open day on or after each of the days 0 … `days` after it."""
        begin = int(self.place(pd.Series([origin]))[0])
        open_days = np.flatnonzero(~self.shut[begin:])
        at = np.searchsorted(open_days, np.arange(days + 1))
        found: np.ndarray = np.append(open_days, len(self.shut))[at]
        return found

    def delays(self) -> np.ndarray:
        """Share of weekdays that end a run of 0, 1, 2, … shut days: how far the count of days seen lags behind."""
        week = self.run[-7:] * self.shut[-7:]
        shares: np.ndarray = np.bincount(week) / 7.0
        return shares


def receiving_days(past: Past, first: pd.Timestamp) -> ReceivingDays:
    """Days from `first` to beyond the horizon; shut are weekdays on which hardly anything ever came, and free days."""
    begin = first.to_datetime64().astype("datetime64[D]")
    end = past.day.to_datetime64().astype("datetime64[D]") + past.config.simulation.horizon_days + 14
    days = np.arange(begin, end)
    weekday = (days.astype(np.int64) + 3) % 7
    received = past.tables["receipts"]["received_at"]
    rare = _hardly_any(received.dt.day_of_week.to_numpy(), 7)
    calendar = past.tables["calendar"]
    off = calendar["working"].eq(False).fillna(False) & calendar["supplier_id"].isna() & calendar["location_id"].isna()
    free = calendar.loc[off, "date"].to_numpy("datetime64[D]")
    shut = rare[weekday]
    if _hardly_any(np.isin(received.to_numpy("datetime64[D]"), free).astype(np.int64), 2)[1]:
        shut |= np.isin(days, free)
    # beyond the last free day known, the last week shows the weekly rhythm alone
    shut[-7:] = rare[weekday[-7:]]
    return ReceivingDays(begin, shut, _runs(shut))


def _hardly_any(kind: np.ndarray, kinds: int) -> np.ndarray:
    """Of which kinds there are next to none, where enough was seen to say so [kinds]."""
    seen = np.bincount(kind, minlength=kinds)
    rare: np.ndarray = (seen < _RARE * seen.sum()) & (seen.sum() >= _ENOUGH)
    return rare


def _runs(shut: np.ndarray) -> np.ndarray:
    place = np.arange(len(shut))
    last_open = np.maximum.accumulate(np.where(shut, -1, place))
    before = np.concatenate([[-1], last_open[:-1]])
    runs: np.ndarray = np.where(shut, place - last_open, place - 1 - before)
    return runs


def to_first_receipt(past: Past, rows: pd.DataFrame, receiving: ReceivingDays, closures: Closures) -> Durations:
    """Days from the clock's start to the first receipt, or to the day on which each was last seen waiting; days on
    which its supplier is shut do not count."""
    came = np.array(rows["first_received_at"].notna(), bool)
    end = rows["first_received_at"].where(came, rows["last_cancelled_at"].where(rows["open_qty"] <= 0))
    found = between(rows["clock_at"], end.fillna(past.day), came, receiving)
    # before its first receipt the log tells of nothing: what was ordered earlier is known because it lasted
    before = (past.tables["receipts"]["received_at"].min() - rows["clock_at"]).dt.days.to_numpy(float)
    found = replace(found, entry=np.minimum(np.maximum(np.nan_to_num(before), 0.0), found.low))
    return working_days(found, rows["supplier_id"], rows["clock_at"], closures)


def working_days(found: Durations, supplier: pd.Series, start: pd.Series, closures: Closures) -> Durations:
    """The same durations without the days on which their supplier is shut.

    What is received on such a day all the same had been ready on the working day before.
    """
    if not closures.any:
        return found
    row, begin = closures.rows(supplier), closures.place(start)
    entry, low, high = (x - closures.shut(row, begin, x) for x in (found.entry, found.low, found.high))
    low = np.where(found.ended & (high <= low), np.maximum(high - 1.0, 0.0), low)
    return replace(found, low=low, high=np.maximum(high, low + 1.0), entry=np.minimum(entry, low))


def as_planned(past: Past, rows: pd.DataFrame) -> Durations:
    """Every purchase as if it had come on its stated day or, without one, after the planned lead time of its SKU."""
    stated = (rows["first_promised_date"].dt.floor("D") - rows["clock_at"].dt.floor("D")).dt.days
    policies = past.policies.drop_duplicates(SKU).set_index(SKU)["planned_lead_time_days"]
    planned = policies.reindex(pd.MultiIndex.from_frame(rows[SKU])).to_numpy(float)
    days = stated.to_numpy(float)
    days = np.maximum(np.where(np.isnan(days), planned, days), 0.0)
    known = ~np.isnan(days)
    low = np.where(known, days, 0.0)
    return Durations(low, low + 1.0, known, np.ones(len(rows)), np.zeros(len(rows)))


def stated_days(rows: pd.DataFrame, closures: Closures) -> np.ndarray:
    """Logarithm of the days from the clock's start to the first stated date, those on which the supplier is shut left
    out; NaN where none is known [rows]."""
    days = (rows["first_promised_date"].dt.floor("D") - rows["clock_at"].dt.floor("D")).dt.days.to_numpy(float)
    if closures.any:
        days = days - closures.between(rows["supplier_id"], rows["clock_at"], rows["first_promised_date"])
    known: np.ndarray = np.log(np.maximum(days, 1.0))
    return known


def weights(rows: pd.DataFrame, durations: Durations) -> np.ndarray:
    """Weights of the purchase lines: the lines of one purchase that come together count less.

    With a share r of same-purchase pairs received on one day, n lines count like n / (1 + (n − 1) r) independent
    ones (the design effect of Kish 1965, 8.2).
    """
    if rows["po_id"].isna().all():
        return np.ones(len(rows))
    supplier, order = pd.factorize(rows["supplier_id"])[0], pd.factorize(rows["po_id"])[0]
    # a line without a purchase order is one by itself
    alone = order < 0
    order = np.where(alone, order.max(initial=0) + 1 + np.cumsum(alone), order)
    purchase = pd.factorize(supplier.astype(np.int64) * (order.max(initial=0) + 1) + order)[0]
    came = pd.DataFrame({"purchase": purchase, "day": rows["first_received_at"].dt.floor("D")})[durations.ended]
    lines = np.bincount(purchase)
    pairs, together = (_pairs(came.groupby(by).size()) for by in ("purchase", ["purchase", "day"]))
    alike = together / (pairs + _FEW_PAIRS)
    shared: np.ndarray = 1.0 / (1.0 + (lines[purchase] - 1.0) * alike)
    return shared


def _pairs(size: pd.Series) -> float:
    return float((size * (size - 1)).sum()) / 2.0


def between(start: pd.Series, end: pd.Series, ended: np.ndarray, receiving: ReceivingDays) -> Durations:
    """Durations from start to end.

    Day d after the start is the interval (d, d + 1]. What is received after shut days may have been ready on any of
    them; what still waits on a shut day was last seen to wait on the open day before.
    """
    days = np.maximum((end.dt.floor("D") - start.dt.floor("D")).dt.days.to_numpy(np.int64), 0)
    place = receiving.place(end)
    run, shut = receiving.run[place], receiving.shut[place]
    low = np.where(ended, days - np.where(shut, 0, run), days + 1 - np.where(shut, run, 0))
    none, one = np.zeros(len(days)), np.ones(len(days))
    return Durations(np.maximum(low, 0).astype(float), days + 1.0, ended, one, none)
