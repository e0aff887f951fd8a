"""On which days demand is recorded: every day, or once a week or a month, as many files hold it.

Where everything ordered is dated on one day of the week, a day's job knows weeks, not days: on six of seven days there
cannot be any demand. So it is forecast in weeks (months), each of which comes on its own day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from .methods.drivers import Drivers
from .methods.history import History
from .methods.periods import Periods, month_middles, standardised
from .panel import DAYS_OF, PER_YEAR

_LEAST = {"W": 8, "M": 6}  # days on which there was demand: fewer may fall on one weekday by chance
_WORDS = {"W": ("weeks", "one day of the week"), "M": ("months", "one day of the month")}


@dataclass(frozen=True)
class Recorded:
    """frequency: "D", "W" or "M"; day: today; span: days looked back on; ages: of past recording days, the last one
    first; ahead: coming ones, counted from 1 (tomorrow). Each begins a period.

    >>> day = pd.Timestamp("2026-03-04")  # a Wednesday
    >>> found = Recorded.of(day, np.arange(2, 100, 7), span=100, horizon=28)
    >>> found.frequency, found.ages[:3].tolist(), found.ahead.tolist()
    ('W', [2, 9, 16], [5, 12, 19, 26])
    >>> Recorded.of(day, np.arange(0, 100, 5), span=100, horizon=28).frequency
    'D'
    """

    frequency: str
    day: pd.Timestamp
    span: int
    ages: np.ndarray
    ahead: np.ndarray

    @classmethod
    def daily(cls, day: pd.Timestamp, span: int, horizon: int) -> Recorded:
        """Every day of the last `span` ones, and of the next `horizon`."""
        return cls("D", day, span, np.arange(span), np.arange(1, horizon + 1))

    @classmethod
    def of(cls, day: pd.Timestamp, age: np.ndarray, span: int, horizon: int) -> Recorded:
        """How demand is recorded that came on days of these ages."""
        age = np.unique(age)
        dates = day - pd.to_timedelta(age, unit="D")
        found = cls.daily(day, span, horizon)
        if len(age) >= _LEAST["W"] and (age % 7 == age[0] % 7).all():
            first = int(age[0]) % 7
            found = cls("W", day, span, np.arange(first, span, 7), np.arange(7 - first, horizon + 1, 7))
        elif len(age) >= _LEAST["M"] and (dates.day == np.minimum(dates.day.max(), dates.days_in_month)).all():
            found = cls("M", day, span, *_monthly(day, int(dates.day.max()), span, horizon))
        return found if len(found.ahead) else cls.daily(day, span, horizon)

    @property
    def per_year(self) -> float:
        """Periods in a year."""
        return PER_YEAR[self.frequency]

    @property
    def days(self) -> float:
        """Days in a period, on average."""
        return DAYS_OF[self.frequency]

    def periods(self, days: int) -> int:
        """Periods in so many days, one at least."""
        return max(round(days / self.days), 1)

    @cached_property
    def dates(self) -> pd.DatetimeIndex:
        """Past and coming recording days, in their order."""
        return pd.DatetimeIndex(self.day + pd.to_timedelta(np.append(-self.ages[::-1], self.ahead), unit="D"))

    def counted(self, history: History) -> History:
        """A history of days in these periods."""
        if self.frequency == "D":
            return history
        age, length = np.searchsorted(self.ages, history.age), np.searchsorted(self.ages, history.length)
        return replace(history, age=age.astype(np.int64), length=length.astype(np.int64))

    def axis(self, weekdays: bool, events: np.ndarray) -> Periods:
        """The periods for the methods, with the events of every past day and of those to the horizon [days × events];
        weekdays: whether they may differ."""
        weekday = np.asarray(self.dates.day_of_week, np.int64)
        if self.frequency != "D" or not weekdays:
            weekday = np.zeros_like(weekday)
        if self.frequency != "D" and events.size:
            events = standardised(np.maximum.reduceat(events, self._begin, axis=0))
        return Periods(len(self.ages), weekday, self._season(), self.per_year, events)

    def _season(self) -> np.ndarray:
        if self.frequency == "M":
            return np.asarray(self.dates.month, float) - 1.0
        middle = self.dates + pd.Timedelta(days=3 if self.frequency == "W" else 0)
        return month_middles(*(np.asarray(x, float) for x in (middle.month, middle.day, middle.days_in_month)))

    def drivers(self, daily: Drivers | None) -> Drivers | None:
        """Drivers of every day in these periods: prices as they were last, others where they were on at all."""
        if daily is None or self.frequency == "D":
            return daily
        end = np.append(self._begin[1:], daily.values.shape[2]) - 1
        whole = [
            values[:, end] if priced else np.maximum.reduceat(values, self._begin, axis=1)
            for values, priced in zip(daily.values, daily.priced, strict=True)
        ]
        return Drivers(daily.names, np.stack(whole), daily.priced)

    @property
    def _begin(self) -> np.ndarray:
        """Place of each recording day among all days, past and ahead."""
        return np.asarray(np.append(-self.ages[::-1], self.ahead) + self.span - 1)

    def told(self) -> list[str]:
        """What is to be said of it."""
        if self.frequency == "D":
            return []
        periods, days = _WORDS[self.frequency]
        return [f"everything ordered is dated on {days}: demand is forecast in {periods}, each on its day"]


def _monthly(day: pd.Timestamp, of_month: int, span: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Ages of the past days of the month (the last day, where a month has fewer), and the coming ones."""
    first, last = day - pd.Timedelta(days=span - 1), day + pd.Timedelta(days=horizon)
    months = pd.period_range(first, last, freq="M")
    ahead = (months.to_timestamp() - day).days.to_numpy() + np.minimum(of_month, months.days_in_month.to_numpy()) - 1
    past = -ahead[(ahead <= 0) & (ahead > -span)][::-1]
    return past.astype(np.int64), ahead[(ahead > 0) & (ahead <= horizon)].astype(np.int64)
