"""`Law`: a column of distributions over whole numbers (days from a day, or units), one a row of its index.

>>> import numpy as np
>>> law = Law(pd.DataFrame({"line_id": ["a", "b"]}), np.array([[0.2, 0.6, 1.0], [0.0, 0.1, 0.3]]), start=1)
>>> law.quantile([0.5, 0.9])["p50"].tolist()
[2.0, nan]
>>> law.cdf([2, 2]).tolist()
[0.6, 0.1]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .core import counts
from .core.chance import sample_values
from .tables import quantile_label

_BLOCK = 4096  # rows worked on at once where laws are computed on demand,
_CELLS = 1 << 22  # and fewer where they are long: this many values at most
_STORED = 7  # decimals that 4-byte floats in 0…1 keep
Rows = slice | np.ndarray


@dataclass(frozen=True)
class Law:
    """Distributions P(X ≤ x) on x = start, start + step, … as a matrix [rows × values].

    index: frame of keys, one row each. table: cumulative probabilities; a row may end below 1, the rest
    lying beyond the last value ("not within the horizon", or never). origin: the day from which days are
    counted, so that quantiles can be dates. step: units of one value, by row or for all.
    """

    index: pd.DataFrame
    table: np.ndarray
    start: int = 0
    step: Any = 1.0
    origin: pd.Timestamp | None = None

    def __len__(self) -> int:
        return len(self.index)

    def _rows(self, rows: Rows, width: int | None = None) -> np.ndarray:
        """Cumulative probabilities of some rows; laws computed on demand may end them where hardly anything is left."""
        return self.table[rows]

    @property
    def width(self) -> int:
        """Values tabulated."""
        return int(self.table.shape[1])

    def steps(self) -> np.ndarray:
        """Units of one value [rows]."""
        return np.broadcast_to(np.asarray(self.step, float), (len(self),))

    def cumulative(self) -> np.ndarray:
        """P(X ≤ start + j·step) [rows × values]."""
        return self._rows(slice(0, len(self)), self.width)

    def blocks(self) -> Iterable[Rows]:
        """Rows to be worked on together, so that tables of long laws stay small."""
        size = min(_BLOCK, max(1, _CELLS // max(self.width, 1)))
        return (slice(i, min(i + size, len(self))) for i in range(0, len(self), size))

    def _each(
        self, work: Callable[[Rows, np.ndarray], np.ndarray], shape: tuple[int, ...] = ()
    ) -> np.ndarray:
        out = np.empty((len(self), *shape))
        for rows in self.blocks():
            out[rows] = work(rows, self._rows(rows))
        return out

    def mean(self) -> np.ndarray:
        """Mean [rows], in units; of the values within the table where mass lies beyond it (NaN: all does)."""

        def work(rows: Rows, cdf: np.ndarray) -> np.ndarray:
            total = cdf[:, -1]
            above = (total[:, None] - cdf)[:, :-1].sum(axis=1)
            safe = np.where(total > 0, total, 1.0)
            return np.where(total > 0, self.steps()[rows] * (self.start + above / safe), np.nan)

        return self._each(work)

    def variance(self) -> np.ndarray:
        """Variance [rows] of the values within the table."""

        def work(rows: Rows, cdf: np.ndarray) -> np.ndarray:
            mass = np.diff(cdf, prepend=0.0, axis=1) / np.maximum(cdf[:, -1:], 1e-300)
            values = self.start + np.arange(cdf.shape[1])
            mean = mass @ values
            spread: np.ndarray = np.maximum(mass @ values**2 - mean**2, 0.0) * self.steps()[rows] ** 2
            return spread

        return self._each(work)

    def quantile_array(self, levels: Iterable[float]) -> np.ndarray:
        """Smallest value with P(X ≤ value) ≥ level: [rows × levels], NaN where that lies beyond the table."""
        wanted = np.asarray(list(levels), float)
        if ((wanted <= 0) | (wanted >= 1)).any():
            raise ValueError("levels lie strictly between 0 and 1")

        def work(rows: Rows, cdf: np.ndarray) -> np.ndarray:
            at = np.empty((len(cdf), len(wanted)), np.int64)
            # a hair of tolerance: sums of floats may end at 0.8999999999999999
            counts.places(np.require(cdf, float, ["C", "W"]), wanted - 1e-12, at)
            values = (self.start + at) * self.steps()[rows, None]
            return np.where(at < cdf.shape[1], values, np.nan)

        return self._each(work, (len(wanted),))

    def quantile(self, levels: Iterable[float]) -> pd.DataFrame:
        """Quantiles as a frame: keys and p05, p50, p97_5 …; dates (p50_date) where the law has an origin."""
        wanted = list(levels)
        values = self.quantile_array(wanted)
        out = self.index.reset_index(drop=True).copy()
        for column, level in enumerate(wanted):
            if self.origin is None:
                out[quantile_label(level)] = values[:, column]
            else:
                out[f"{quantile_label(level)}_date"] = self.dates(values[:, column])
        return out

    def dates(self, days: np.ndarray) -> np.ndarray:
        """Days from the origin as dates (datetime64[us]); NaN becomes NaT."""
        if self.origin is None:
            raise ValueError("this law has no origin, so its values are no days")
        return days_to_dates(self.origin, days)

    def cdf(self, at: Any) -> np.ndarray:
        """P(X ≤ at) [rows]; `at`: one value or one a row, dates where the law has an origin (NaT → NaN)."""
        value = self._number(at)

        def work(rows: Rows, cdf: np.ndarray) -> np.ndarray:
            place = np.floor(value[rows] / self.steps()[rows] + 1e-9) - self.start
            known = ~np.isnan(place)
            column = np.clip(np.where(known, place, 0), -1, cdf.shape[1] - 1).astype(np.int64)
            found = np.where(column >= 0, cdf[np.arange(len(column)), np.maximum(column, 0)], 0.0)
            return np.where(known, found, np.nan)

        return self._each(work)

    def _number(self, at: Any) -> np.ndarray:
        values = pd.Series(at) if not np.isscalar(at) else pd.Series([at] * len(self))
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            if self.origin is None:
                raise ValueError("dates need a law with an origin")
            return (values.dt.floor("D") - self.origin).dt.days.to_numpy(float)
        return values.to_numpy(float)

    def pmf(self) -> np.ndarray:
        """P(X = start + j·step) [rows × values]."""
        out = np.zeros((len(self), self.width))
        for rows in self.blocks():
            out[rows] = np.diff(self._rows(rows, self.width), prepend=0.0, axis=1)
        return out

    def sample(self, n: int, seed: int) -> np.ndarray:
        """Draw n values of each row [rows × n], keyed by the row's text keys; NaN: beyond the table."""
        from .streams import keys

        key = keys(seed, "law", *(self.index[x].astype(str) for x in self.index))

        def work(rows: Rows, cdf: np.ndarray) -> np.ndarray:
            at = np.zeros((len(cdf), n), np.int64)
            sample_values(np.ascontiguousarray(cdf), key[rows], at)
            return np.where(at < cdf.shape[1], (self.start + at) * self.steps()[rows, None], np.nan)

        return self._each(work, (n,))

    def take(self, rows: np.ndarray) -> Law:
        """The law of some rows."""
        return replace(self, index=self._index_of(rows), table=self.table[rows], step=self.steps()[rows])

    def _index_of(self, rows: np.ndarray) -> pd.DataFrame:
        return self.index.iloc[rows].reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """Keys and rows of cumulative probabilities (f4 lists), with what `from_frame` needs, for storage."""
        out = self.index.reset_index(drop=True).copy()
        out["cdf"] = list(self.cumulative().astype(np.float32))
        out["cdf_start"], out["cdf_step"] = self.start, self.steps()
        out["cdf_origin"] = pd.Series(self.origin, index=out.index, dtype="datetime64[us]")
        return out

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Law:
        """The inverse of `to_frame`, up to the rounding of 4-byte floats."""
        # 900 of 1000 scenarios came back as 0.89999998, and the p90 a day later
        rows = [np.round(np.asarray(x, float), _STORED) for x in frame["cdf"]]
        index = frame.drop(columns=["cdf", "cdf_start", "cdf_step", "cdf_origin"]).reset_index(drop=True)
        if not rows:
            return Law(index, np.zeros((0, 1)))
        origin = frame["cdf_origin"].iloc[0]
        return Law(index, np.vstack(rows), int(frame["cdf_start"].iloc[0]), frame["cdf_step"].to_numpy(float),
                   None if pd.isna(origin) else origin)  # fmt: skip


def days_to_dates(origin: pd.Timestamp, days: np.ndarray) -> np.ndarray:
    """Days from a day as datetime64[us]; NaN becomes NaT."""
    out = np.full(len(days), np.datetime64("NaT"), "datetime64[us]")
    known = ~np.isnan(days)
    start = origin.to_datetime64().astype("datetime64[D]")
    out[known] = (start + days[known].astype(np.int64)).astype("datetime64[us]")
    return out
