"""By which factor demand of each item and period goes up and down: growth, season, drivers and the item's own week."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core import panel as kernels
from .drivers import Drivers, Effects, fit_effects, own_factors
from .history import History
from .periods import WEEK, Periods
from .season import Shared

_STRENGTH = 50.0  # periods with demand as which the group's week counts
_ROWS = 1024
LEAST = 0.1  # factors below it are taken as it, where they divide


@dataclass(frozen=True)
class Exposure:
    """Factors of a panel: shared [groups × periods], the item's week [n × 7] around it, group [n]; own [n × periods]:
    of each item's drivers, past and future (None: there are none), and their effects."""

    shared: Shared
    periods: Periods
    group: np.ndarray
    week: np.ndarray
    own: np.ndarray | None = None
    effects: Effects | None = None

    @classmethod
    def fit(
        cls, history: History, shared: Shared, periods: Periods, group: np.ndarray, drivers: Drivers | None = None
    ) -> Exposure:
        """Learn each item's week, and what its drivers do."""
        found = cls._with_weeks(history, shared, periods, group)
        if drivers is None or not drivers.names:
            return found
        past = found.dense(np.arange(history.items))
        effects = fit_effects(history, past, drivers, periods.now, 52.18 / periods.per_year)
        return replace(found, own=own_factors(drivers, effects, periods.now), effects=effects)

    @classmethod
    def _with_weeks(cls, history: History, shared: Shared, periods: Periods, group: np.ndarray) -> Exposure:
        """Units by weekday against those expected, shrunk to none beside the group's."""
        flat = cls(shared, periods, group, np.ones((history.items, WEEK)))
        if not periods.weekly or not history.item.size:
            return flat
        seen = np.empty((history.items, WEEK))
        weekday = periods.weekday[periods.of_age(np.arange(periods.now))]
        kernels.weekday_sums(history.start, history.age, history.relative, weekday, seen)
        expected = flat.by_weekday(history.length, np.ones((1, periods.now)))[0]
        expected *= (seen.sum(axis=1) / np.maximum(expected.sum(axis=1), 1e-12))[:, None]
        typical = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-12) * _STRENGTH
        ratio = np.where(typical > 0, (seen + typical) / np.maximum(expected + typical, 1e-12), 1.0)
        return cls(shared, periods, group, ratio)

    def growing(self, share: float) -> Exposure:
        """The same with that share of the growth ahead."""
        return replace(self, shared=self.shared.growing(share))

    def of_events(self, history: History) -> np.ndarray:
        """Factor of each event's period [events]."""
        factor = np.empty(len(history.item))
        kernels.event_factors(history.start, history.age, *self.by_age(), factor)
        return factor if self.own is None else factor * self.own[history.item, self.periods.of_age(history.age)]

    def by_age(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Factors as compiled passes take them: shared [groups × ages], group, week, weekday of each age; the
        items' own drivers aside."""
        weekday = np.ascontiguousarray(self.periods.weekday[: self.periods.now][::-1])
        return np.ascontiguousarray(self.shared.past), self.group, np.ascontiguousarray(self.week), weekday

    def dense(self, rows: np.ndarray) -> np.ndarray:
        """Factor of each past period [rows × periods], the first one first."""
        now = self.periods.now
        factor = self.shared.past[self.group[rows], ::-1] * self.week[rows][:, self.periods.weekday[:now]]
        return np.asarray(factor if self.own is None else factor * self.own[rows, :now])

    def by_weekday(self, length: np.ndarray, fade: np.ndarray) -> np.ndarray:
        """Sums of the shared factors over each item's past, faded by age, by weekday [memories × n × 7]."""
        now = self.periods.now
        at = np.minimum(length, now)
        day = np.eye(WEEK)[self.periods.weekday[:now][::-1]]
        out = np.empty((len(fade), len(length), WEEK))
        for memory, faded in enumerate(fade):
            terms = (self.shared.past * faded[:now])[:, :, None] * day
            sums = np.concatenate([np.zeros((len(terms), 1, WEEK)), np.cumsum(terms, axis=1)], axis=1)
            out[memory] = sums[self.group, at]
        return out

    def past(self, length: np.ndarray, fade: np.ndarray) -> np.ndarray:
        """Sums of the factors over each item's past, faded by age [memories × n]; fade [memories × ages]."""
        if self.own is not None:
            return self._past_of_own(length, fade)
        if not self.periods.weekly:
            sums = np.cumsum(self.shared.past[None] * fade[:, None, : self.periods.now], axis=2)
            sums = np.concatenate([np.zeros((*sums.shape[:2], 1)), sums], axis=2)
            return np.asarray(sums[:, self.group, np.minimum(length, self.periods.now)])
        return np.asarray((self.by_weekday(length, fade) * self.week).sum(axis=2))

    def _past_of_own(self, length: np.ndarray, fade: np.ndarray) -> np.ndarray:
        now, out = self.periods.now, np.empty((len(fade), len(length)))
        for begin in range(0, len(length), _ROWS):
            rows = np.arange(begin, min(begin + _ROWS, len(length)))
            there = np.arange(now)[::-1] < length[rows, None]
            out[:, rows] = fade[:, :now][:, ::-1] @ (self.dense(rows) * there).T
        return out

    def blocks(self, span: int) -> np.ndarray:
        """Sums of the factors over blocks of `span` periods, the last first, whole blocks only [n × blocks]."""
        whole = self.periods.now // span * span
        if self.own is not None:
            rows = np.arange(len(self.group))
            sums = self.dense(rows)[:, self.periods.now - whole :].reshape(len(rows), -1, span).sum(axis=2)
            return np.asarray(sums[:, ::-1])
        day = np.eye(WEEK)[self.periods.weekday[self.periods.of_age(np.arange(whole))]]
        terms = self.shared.past[:, :whole, None] * day
        sums = terms.reshape(len(terms), -1, span, WEEK).sum(axis=2)
        if not self.periods.weekly:
            return np.asarray(sums.sum(axis=2)[self.group])
        return np.asarray(np.einsum("nbw,nw->nb", sums[self.group], self.week))

    def open_share(self) -> np.ndarray:
        """Share of the weekdays on which anything is expected of each item [n]."""
        if not self.periods.weekly:
            return np.ones(len(self.group))
        day = np.eye(WEEK)[self.periods.weekday[: self.periods.now][::-1]]
        typical = self.shared.past @ day / np.maximum(day.sum(axis=0), 1.0)
        factor = typical[self.group] * self.week
        return np.asarray((factor >= LEAST * factor.mean(axis=1, keepdims=True)).mean(axis=1)).clip(1 / WEEK)

    def ahead(self, rows: np.ndarray, horizon: int) -> np.ndarray:
        """Factor of each future period [rows × horizon]."""
        day = self.periods.weekday[self.periods.now : self.periods.now + horizon]
        factor = self.shared.ahead[self.group[rows], :horizon] * self.week[rows][:, day]
        if self.own is None:
            return np.asarray(factor)
        return np.asarray(factor * self.own[rows, self.periods.now : self.periods.now + horizon])
