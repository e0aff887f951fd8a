"""How long customers wait before they cancel, and retailers before they do it for them: learned from past waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.ending import shrunk_rates
from .stock import had_stock

if TYPE_CHECKING:
    from .past import Past

EDGES = np.array([1, 8, 15, 31, 61, 121])  # first day waited of each age
_AT_ONCE = 1  # days after which a cancellation is one of somebody who waits
_TOLD = 0.1  # relative difference between chances from which it is worth a reader's while
_LEAST, _MOST_OF = 10, 0.5  # cancellations by the retailer on one day of the wait, and their share, that are a rule


@dataclass(frozen=True)
class Patience:
    """How long lines that find no stock are waited for.

    daily: chance that a customer cancels on a day of the wait, on the average of all past days; age [ages]: at each age
    of the wait (EDGES), over all classes; one_class [classes × ages]: of each class of priority. cut_off: the day of
    the wait on which the retailer cancels (None: it does not), and cut_share: of those that get there.

    A line of a class not seen has the chances of all.
    """

    daily: float
    age: np.ndarray
    classes: np.ndarray
    one_class: np.ndarray
    cut_off: int | None = None
    cut_share: float = 0.0

    @property
    def endless(self) -> bool:
        """Whether nobody ever cancels."""
        return not (self.age.any() or self.one_class.any() or self.cut_share > 0.0)

    def rows(self, classes: np.ndarray) -> np.ndarray:
        """The row of each class in `table`."""
        at = pd.Index(self.classes).get_indexer(pd.Index(classes))
        return np.asarray(np.where(at < 0, len(self.classes), at), np.int64)

    def table(self, days: int) -> np.ndarray:
        """−log P(still waits) at the end of each day 0…days of the wait: of each class, and of one not seen."""
        day = np.arange(1, days + 1)
        chance = np.append(self.one_class, self.age[None], axis=0)[:, np.searchsorted(EDGES, day, "right") - 1]
        chance[:, day == self.cut_off] = 1.0 - (1.0 - chance[:, day == self.cut_off]) * (1.0 - self.cut_share)
        log = np.cumsum(-np.log1p(-np.minimum(chance, 0.999999)), axis=1)
        return np.ascontiguousarray(np.pad(log, ((0, 0), (1, 0))))

    def note(self) -> str:
        """What was learned, for the reader of a run."""
        if self.endless:
            return "no customer who waits leaves"
        told = f"customers who wait leave with a chance of {self.daily:.2%} a day, as in the past"
        if np.ptp(self.age) > _TOLD * self.daily:
            told += f" (from {self.age[0]:.2%} in the first week to {self.age[-1]:.2%} after {EDGES[-1] - 1} days)"
        if len(self.classes) > 1 and np.ptp(self.one_class[:, 0]) > _TOLD * self.daily:
            by = ", ".join(f"{c}: {x:.2%}" for c, x in zip(self.classes, self.one_class[:, 0], strict=True))
            told += f"; in the first week by class of priority, {by}"
        if self.cut_off is not None:
            told += f"; {self.cut_share:.0%} of those that get there are cancelled on day {self.cut_off} of the wait"
        return told


def steady_patience(daily: float) -> Patience:
    """Everybody cancels with this chance on each day."""
    return Patience(daily, np.full(len(EDGES), daily), np.zeros(0), np.zeros((0, len(EDGES))))


def with_cut_off(patience: Patience, day: int | None) -> Patience:
    """The same customers, of a retailer that cancels what has not left by this day of the wait."""
    if day is None:
        return patience
    return Patience(patience.daily, patience.age, patience.classes, patience.one_class, day, 1.0)


@dataclass(frozen=True)
class _Waits:
    """Past waits, by line: whole days, whether the customer or the retailer ended it by cancelling, and the class."""

    days: np.ndarray
    left: np.ndarray
    by_retailer: np.ndarray
    priority: np.ndarray

    def counts(self, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """Days at risk, and customers who cancelled, by age of the wait."""
        days, left = self.days[rows], self.left[rows]
        ends = np.append(EDGES[1:], np.iinfo(np.int64).max)
        begins = np.maximum(EDGES, _AT_ONCE + 1)
        risk = np.maximum(np.minimum(days[:, None] + 1, ends) - begins, 0).sum(axis=0).astype(float)
        age = np.searchsorted(EDGES, days[left], "right") - 1
        return risk, np.bincount(age, minlength=len(EDGES)).astype(float)


def learn_patience(past: Past) -> Patience:
    """The chances that a customer cancels by age of the wait and class of priority, from what `past` knew.

    Lines that had stock were not waiting for goods, and who cancels within a day was not either. Waits that ended
    otherwise, or go on, are censored: a chance is cancellations over days at risk, the most likely constant one. Ages
    are drawn towards the average of all, classes towards the ages of all, as strongly as makes the counts most likely
    (gamma-Poisson; :func:`.core.ending.shrunk_rates`), so that few events move nothing. What the retailer cancels now
    and then is censored too; but where half or more of the lines that get to some day of the wait, ten at least, are
    cancelled by it on that day, it has a rule, and goes on having it.
    """
    config = past.config.queue
    if config.patience != "learned":
        return with_cut_off(steady_patience(0.0), config.cut_off_days)
    waits = _waits(past)
    risk, events = waits.counts(slice(None))
    daily = float(events.sum() / risk.sum()) if risk.sum() > 0 else 0.0
    age = shrunk_rates(events, risk, np.full(len(EDGES), daily))
    classes = np.unique(waits.priority)
    ratio = shrunk_rates(*_by_class(waits, classes, age), np.ones(len(classes)))
    learned = Patience(daily, age, classes, ratio[:, None] * age, *_cut_off(waits))
    return with_cut_off(learned, config.cut_off_days)


def _by_class(waits: _Waits, classes: np.ndarray, age: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cancellations of each class, and those expected at the chances of all."""
    counts = [waits.counts(waits.priority == c) for c in classes]
    return np.array([events.sum() for _, events in counts]), np.array([(risk * age).sum() for risk, _ in counts])


def _waits(past: Past) -> _Waits:
    lines = past.lines[~had_stock(past, past.lines)]
    still = lines["open_qty"] > 0
    end = lines[["last_shipped_at", "last_cancelled_at"]].max(axis=1).where(~still, past.day)
    days = (end.dt.floor("D") - lines["wanted_date"]).dt.days.clip(lower=0).fillna(0).to_numpy(np.int64)
    cancelled = past.tables["cancellations"]
    retailer = set(cancelled.loc[cancelled["cancelled_by"] == "retailer", "line_id"])
    ended = ((lines["cancelled_qty"] > 0) & ~still).to_numpy()
    by_retailer = ended & lines["line_id"].isin(retailer).to_numpy()
    left = ended & ~by_retailer & (days > _AT_ONCE)
    # who said how long they would wait have kept to it: that tells nothing of the others
    left &= ~(days > np.nan_to_num(lines["max_wait_days"].to_numpy(float), nan=np.inf))
    return _Waits(days, left, by_retailer, lines["priority"].to_numpy())


def _cut_off(waits: _Waits) -> tuple[int | None, float]:
    """The day of the wait on which the retailer cancels most lines, and the share of them; (None, 0): there is none."""
    events = np.bincount(waits.days[waits.by_retailer], minlength=2)
    waiting = np.bincount(waits.days, minlength=len(events))[::-1].cumsum()[::-1][: len(events)]
    share = np.where(events >= _LEAST, events / np.maximum(waiting, 1), 0.0)
    share[: _AT_ONCE + 1] = 0.0
    day = int(np.argmax(share))
    return (day, float(share[day])) if share[day] >= _MOST_OF else (None, 0.0)
