"""`Dataset`: the checked tables of a company, frozen; `as_of(day)` is the only door to history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .config import Config
from .errors import UsageError, did_you_mean
from .tables import INPUT, conform, empty

if TYPE_CHECKING:
    from .past import Past

EVENTS = (
    "order_lines",
    "line_changes",
    "shipments",
    "cancellations",
    "stock_movements",
    "purchase_lines",
    "receipts",
    "purchase_cancellations",
    "transfers",
)
GAP_DAYS = 7  # a few rows behind a gap longer than this are strays
STRAY_SHARE = 0.001  # how few: this share of all rows, but at least one


@dataclass(frozen=True)
class InputFile:
    """One input: its table or name, where it came from, its rows and the SHA-256 of its content."""

    name: str
    where: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Dataset:
    """Checked tables, by name as attributes too; ``given`` names those that the source really had.

    Made by :func:`backorder_forecast.load`. Every table has every column of its schema; one that was not
    given is an empty frame.

    >>> data = Dataset.of({"stock": pd.DataFrame({"item_id": ["a"], "date": ["2026-06-30"], "on_hand": [3]})})
    >>> data.stock.location_id.tolist(), len(data.order_lines), data.default_as_of()
    (['main'], 0, Timestamp('2026-06-30 00:00:00'))
    """

    tables: Mapping[str, pd.DataFrame]
    given: frozenset[str]
    rejected_rows: pd.DataFrame = field(default_factory=lambda: empty("rejected_rows"))
    cleaning_log: pd.DataFrame = field(default_factory=lambda: empty("cleaning_log"))
    warnings: tuple[str, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    config: Config = field(default_factory=Config)
    memo: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)  # what stages need not do twice

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame], config: Config | None = None) -> Dataset:
        """Build from frames that are known to be clean, without any check beyond types."""
        frames = {name: conform(name, tables[name]) if name in tables else empty(name) for name in INPUT}
        return cls(MappingProxyType(frames), frozenset(tables), config=config or Config())

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name == "tables":
            raise AttributeError(name)
        if name not in self.tables:
            raise AttributeError(f"no table {name!r}{did_you_mean(name, self.tables)}")
        return self.tables[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tables]

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {len(self.tables[name]):,}" for name in INPUT if name in self.given)
        return f"Dataset({rows}; {len(self.rejected_rows):,} rejected)"

    def as_of(self, day: str | pd.Timestamp) -> Past:
        """Return what was known at the end of a day. Raises: ``UsageError`` for a day that is none."""
        from .past import rebuild

        return rebuild(self, _day(day))

    def standing_day(self, day: str | date | None) -> pd.Timestamp:
        """Return the day to stand on: by default the latest one.

        Raises: ``UsageError`` for a day that is none, or before the first fact.
        """
        if day is None:
            return self.default_as_of()
        wanted, first = _day(day), self.first_day()
        if first is not None and wanted < first:
            raise UsageError(f"nothing is known on {wanted.date()}: the first fact is of {first.date()}")
        return wanted

    def default_as_of(self) -> pd.Timestamp:
        """Return the latest stock day that is not beyond the events, never asking the clock.

        Without stock: the last day of the events. A few rows behind a gap are strays and do not count.
        A count of stock shortly after the last event is taken where none lies near before it.

        Raises: ``UsageError`` where no table has a date.
        """
        events = _last_day(np.concatenate([np.empty(0, "int64"), *self._event_days()]))
        counted = np.unique(_days(self.tables["stock"]["date"]))
        if events is None and not counted.size:
            aside = len(self.rejected_rows)
            why = f" ({aside:,} rows were set aside: see rejected_rows)" if aside else ""
            raise UsageError(f"no table holds a dated fact{why}; there is no day to stand on")
        if events is None:
            return _timestamp(int(counted[-1]))
        before = counted[counted <= events]
        shortly_after = counted[(counted > events) & (counted <= events + GAP_DAYS)]
        if before.size and (events - before[-1] <= 4 * GAP_DAYS or not shortly_after.size):
            return _timestamp(int(before[-1]))
        return _timestamp(int(shortly_after[-1]) if shortly_after.size else events)

    def first_day(self) -> pd.Timestamp | None:
        """Return the day of the first event or count of stock; None where no table has a date."""
        days = np.concatenate([_days(self.tables["stock"]["date"]), *self._event_days()])
        return _timestamp(int(days.min())) if days.size else None

    def _event_days(self) -> Iterator[np.ndarray]:
        for name in EVENTS:
            yield _days(self.tables[name][INPUT[name].dated or ""])


def _day(day: str | date) -> pd.Timestamp:
    try:
        return pd.Timestamp(day)
    except (ValueError, TypeError):
        raise UsageError(f"as_of needs a calendar day such as 2026-06-30, got {day!r}") from None


def _days(dates: pd.Series) -> np.ndarray:
    known = dates.to_numpy("datetime64[D]")
    days: np.ndarray = known[~np.isnat(known)].astype("int64")
    return days


def _last_day(days: np.ndarray) -> int | None:
    """The last day of the bulk: whatever few rows follow a gap are left out."""
    if not days.size:
        return None
    unique, counts = np.unique(days, return_counts=True)
    behind = days.size - np.cumsum(counts)[:-1]
    stray = (np.diff(unique) > GAP_DAYS) & (behind <= max(1, STRAY_SHARE * days.size))
    return int(unique[np.argmax(stray)] if stray.any() else unique[-1])


def _timestamp(day: int) -> pd.Timestamp:
    return pd.Timestamp(np.datetime64(day, "D")).as_unit("us")


def frozen(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a read-only view of a mapping."""
    return MappingProxyType(dict(tables))
