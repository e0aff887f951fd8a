"""What kind of period each one is, past and future on one axis: weekday, season of the year, known drivers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

WEEK = 7


@dataclass(frozen=True)
class Periods:
    """Periods in their order; the first `now` of them are past.

    weekday [periods]: 0 … 6, Monday first (all 0 where a period is longer than a day); season [periods]: where in the
    year, from 0 on up to `knots`, between which the season goes straight; per_year: periods in a year; drivers
    [periods × k]: what else is known of each, for all items.

    >>> p = Periods(now=3, weekday=np.arange(5) % 7, season=np.zeros(5, int), per_year=365.25)
    >>> p.of_age(np.array([0, 2])).tolist(), p.until(1).now
    ([2, 0], 2)
    """

    now: int
    weekday: np.ndarray
    season: np.ndarray
    per_year: float
    drivers: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    knots: int = 12

    @property
    def ahead(self) -> int:
        """Future periods."""
        return len(self.weekday) - self.now

    @property
    def weekly(self) -> bool:
        """Whether weekdays are told apart."""
        return bool((self.weekday != self.weekday[:1]).any())

    def of_age(self, age: np.ndarray) -> np.ndarray:
        """Place on the axis of past periods by their age (0: the last)."""
        return np.asarray(self.now - 1 - age)

    def until(self, skip: int) -> Periods:
        """The same axis, seen `skip` periods earlier."""
        return replace(self, now=self.now - skip)

    def design(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns that may explain demand [periods × columns]: season, weekday, drivers; and the kind of each."""
        parts = [self._hats()]
        kinds = [np.full(parts[0].shape[1], SEASON)]
        if self.weekly:
            parts.append(np.eye(WEEK)[self.weekday])
            kinds.append(np.full(WEEK, WEEKDAY))
        if self.drivers.size:
            parts.append(self.drivers)
            kinds.append(np.full(self.drivers.shape[1], DRIVER))
        return np.concatenate(parts, axis=1), np.concatenate(kinds)


    def _hats(self) -> np.ndarray:
        """How much of each knot's season is in each period [periods × knots]: 1 at the knot, 0 from the next one on."""
        low = np.floor(self.season).astype(np.int64)
        part = (self.season - low)[:, None]
        each = np.eye(self.knots)
        return np.asarray((1.0 - part) * each[low % self.knots] + part * each[(low + 1) % self.knots])


def month_middles(month: np.ndarray, day: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Where in the year a day lies, in months from the middle of January (0) to that of December (11), 0 ≤ x < 12.

    month from 1, day from 1, days in the month [periods].

    >>> month_middles(np.array([1, 1, 7]), np.array([16, 1, 31]), np.array([31, 31, 31])).round(2).tolist()
    [0.0, 11.52, 6.48]
    """
    return np.asarray((month - 1 + (day - 0.5) / days - 0.5) % 12.0)


SEASON, WEEKDAY, DRIVER = 0, 1, 2


def standardised(columns: np.ndarray) -> np.ndarray:
    """Columns [periods × k] centred and in units of their spread, so that one ridge suits all; steady ones left out."""
    spread = columns.std(axis=0)
    return np.asarray(((columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0))[:, spread > 0])
