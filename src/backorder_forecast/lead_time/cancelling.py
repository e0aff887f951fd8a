"""Cancellations as a competing end: the chance a day that a waiting purchase is cancelled, or closed short.

Young purchases are seldom cancelled, those whose time is long over often: so the chance depends on how far the
purchase's own law is through, on its age, and on its supplier. Of purchases of which a part has come it depends on the
days since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.ending import cells, days_in_cells, shrunk_rates

if TYPE_CHECKING:
    import pandas as pd

    from .laws import LeadTimes

LEVELS = np.array([0.5, 0.8, 0.95, 0.99])  # of a purchase's law, at which states end
_MOST = 60_000  # purchases by whose waiting rates are judged; of more, every so manieth
_MOST_A_DAY = 0.5


@dataclass(frozen=True)
class Cancelling:
    """Chances a day: waiting [cells] of a purchase of which nothing has come, begun [cells] of one of which a part has;
    factor [suppliers + 1]: of each supplier, the last not known."""

    waiting: np.ndarray
    begun: np.ndarray
    factor: np.ndarray

    def kept(self, age: np.ndarray, days: int, states: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """P(not cancelled within k days) [rows × k = 0 … days] of waits of these ages [rows]; see `core.ending`."""
        rates = self.waiting if states.shape[1] else self.begun
        at = cells(age[:, None] + np.arange(days)[None, :], states)
        stay = np.cumprod(1.0 - np.minimum(rates[at] * factor[:, None], _MOST_A_DAY), axis=1)
        return np.concatenate([np.ones((len(age), 1)), stay], axis=1)


def learn_cancelling(found: LeadTimes, rows: pd.DataFrame, low: np.ndarray, entry: np.ndarray) -> Cancelling | None:
    """From purchase lines, how long each waited with nothing come (`low`) and from when on it was seen to (`entry`);
    None: nothing was ever cancelled."""
    if not (rows["cancelled_qty"] > 0).any():
        return None
    nothing_came = rows["first_received_at"].isna().to_numpy()
    gone = (rows["cancelled_qty"] > 0).to_numpy() & (rows["open_qty"] <= 0).to_numpy()
    parted = rows["last_received_at"] > rows["first_received_at"]
    parted |= (rows["open_qty"] > 0) | (rows["cancelled_qty"] > 0)
    begun = _of_begun(found, rows[~nothing_came & parted.to_numpy()])
    ended = np.flatnonzero(gone & nothing_came)
    if not len(ended):
        return Cancelling(np.zeros(len(LEVELS) * 8 + 8), begun, np.ones(1)) if begun.any() else None
    every = 1 + len(rows) // _MOST
    some = np.arange(0, len(rows), every)
    house = found.coded.codes(rows)[0]
    passed = found.passed(rows if every == 1 else rows.iloc[some], LEVELS)
    days = every * days_in_cells(entry[some], low[some], passed)
    last = np.maximum(low[ended] - 1.0, 0.0)
    at = cells(last[:, None], passed[ended] if every == 1 else found.passed(rows.iloc[ended], LEVELS))[:, 0]
    ends = np.bincount(at, minlength=days.shape[1]).astype(float)
    usual = ends.sum() / max(days.sum(), 1.0)
    rates = shrunk_rates(ends, days.sum(axis=0), np.full(len(ends), usual))
    count = len(found.suppliers)
    expected = np.bincount(house[some], days @ rates, count)
    seen = np.bincount(house[ended], minlength=count).astype(float)
    return Cancelling(rates, begun, np.append(shrunk_rates(seen, expected, np.ones(count)), 1.0))


def _of_begun(found: LeadTimes, rows: pd.DataFrame) -> np.ndarray:
    """Rates by the days since the first receipt of purchases of which a part came then."""
    first = rows["first_received_at"].dt.floor("D")
    later = rows["last_received_at"].dt.floor("D").where(rows["last_received_at"].dt.floor("D") > first)
    short = closed_short(rows)
    waits = (later.notna() | short | (rows["open_qty"] > 0)).to_numpy()
    end = rows["last_cancelled_at"].dt.floor("D").where(short, later).fillna(found.origin)
    waited = (end - first).dt.days.to_numpy(float)[waits] + 1.0
    none = np.zeros((len(waited), 0))
    days = days_in_cells(np.zeros(len(waited)), waited, none)
    at = cells((waited - 1.0)[:, None], none)[:, 0][short.to_numpy()[waits]]
    ends = np.bincount(at, minlength=days.shape[1]).astype(float)
    return shrunk_rates(ends, days.sum(axis=0), np.full(len(ends), ends.sum() / max(days.sum(), 1.0)))


def closed_short(rows: pd.DataFrame) -> pd.Series:
    """Of which purchases the rest was cancelled after a part had come, and nothing came later."""
    part = (rows["open_qty"] <= 0) & (rows["cancelled_qty"] > 0) & (rows["received_qty"] > 0)
    gone = rows["last_cancelled_at"].dt.floor("D") > rows["last_received_at"].dt.floor("D")
    once = rows["last_received_at"].dt.floor("D") == rows["first_received_at"].dt.floor("D")
    short: pd.Series = part & gone & once
    return short
