"""Forecasts brought along from other libraries, as the laws that everything else here reads.

Quantiles come in columns named like those here (`p05`, `p50`, `p97_5`), as plain levels (`0.05`), or as Nixtla's
libraries name them: `Model`, `Model-lo-90`, `Model-hi-90` (the ends of a central interval: levels .05 and .95; the
model's own column counts as the median). Between quantiles probability rises straight; beyond the outer ones it falls
off as steeply as between the last two. Marginal quantiles say nothing of how periods hang together: sums take them as
independent. Sample paths do say so, and sums are theirs.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import fft

from .errors import InputError, Problem, UsageError
from .forecast import Forecast, along, by_reach
from .law import Law, Rows
from .methods.laws import Future, PanelLaw
from .methods.smoothing import strata
from .panel import as_days, as_numbers

_LEVEL = re.compile(r"^p(\d+)(?:_(\d+))?$")
_INTERVAL = re.compile(r"^(?P<model>.+)-(?:(?P<side>lo|hi)-(?P<level>\d+(?:\.\d+)?)|median)$")
_STEADY = 1e6  # gamma shape of a level that is not in doubt
_MOST = 1 << 20  # steps that one law may reach
_LONGEST = 1 << 15  # steps of a sum; beyond it sums are counted in coarser ones
_HARDLY = 1e-8  # chance beyond the end of a table
_TILT = 18.0  # e^−18 of what lies beyond a table of sums wraps into it
_STOP = "the forecast cannot be used"


@dataclass(frozen=True)
class _OnDemand(Law, ABC):
    """Laws whose tables are computed when they are asked for."""

    table: np.ndarray = field(default_factory=lambda: np.zeros((0, 1)))

    @property
    @abstractmethod
    def _reach(self) -> np.ndarray:
        """Values tabulated of each row [rows]."""

    @abstractmethod
    def _law(self, row: int, width: int) -> np.ndarray:
        """Cumulative probabilities of 0 … width − 1 steps."""

    @property
    def width(self) -> int:
        """Values tabulated."""
        return int(self._reach.max(initial=1))

    def blocks(self) -> Iterable[Rows]:
        """Rows that reach about as far, together."""
        return by_reach(self._reach)

    def _rows(self, rows: Rows, width: int | None = None) -> np.ndarray:
        which = np.arange(len(self))[rows]
        wide = int(self._reach[which].max(initial=1)) if width is None else width
        out = np.empty((len(which), wide))
        for place, row in enumerate(which):
            out[place] = self._law(row, wide)
        return out


@dataclass(frozen=True)
class QuantileForecast(_OnDemand, Forecast):
    """Laws of each item and period through its quantiles, values [rows × levels] in steps; sums take periods as
    independent."""

    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 1)))
    levels: np.ndarray = field(default_factory=lambda: np.array([0.5]))

    @cached_property
    def _reach(self) -> np.ndarray:
        top, fall = self.values[:, -1], _fall(self.values, self.levels)
        tail = np.log((1.0 - self.levels[-1]) / _HARDLY).clip(0.0) / fall
        return np.asarray(np.minimum(np.ceil(top + tail) + 2.0, _MOST))

    def _law(self, row: int, width: int) -> np.ndarray:
        return _through(self.values[row], self.levels, width)

    def take(self, rows: np.ndarray) -> QuantileForecast:
        """The laws of some rows."""
        return QuantileForecast(self._index_of(rows), step=self.steps()[rows], values=self.values[rows],
                                levels=self.levels)  # fmt: skip

    def over(self, periods: np.ndarray, chance: np.ndarray, after: float = 0.0) -> Law:
        """The law of demand summed from `after` (whole) on up to `periods`, each with its chance: [n × alternatives].

        Of part of a period there is the whole with that chance; beyond the horizon its mean law goes on.
        """
        rows = len(self.items)
        unit = self.steps().reshape(rows, self.horizon)[:, 0] if rows else np.ones(0)
        step, sums = np.ones(rows), []
        for i in range(rows):
            mass = np.diff(self._rows(np.arange(i * self.horizon, (i + 1) * self.horizon)), prepend=0.0, axis=1)
            step[i], law = _sum_law(mass, periods[i] - after, chance[i], round(after))
            sums.append(law)
        table = np.ones((rows, max(map(len, sums), default=1)))
        for row, law in zip(table, sums, strict=True):
            row[: len(law)], row[len(law) :] = law, law[-1]
        return Law(self.items, table, step=unit * step)


def _sum_law(mass: np.ndarray, periods: np.ndarray, chance: np.ndarray, after: int) -> tuple[float, np.ndarray]:
    """Steps to a cell, and cumulative probabilities of sums over so many periods, each with its chance.

    mass [horizon × values]: of each period; `after`: periods left out at first.
    """
    low = np.maximum(np.floor(periods + 1e-9), 0.0).astype(np.int64)
    part = np.clip(periods - low, 0.0, 1.0)
    last = int((low + (part > 1e-9)).max(initial=0))
    beyond = np.repeat(mass.mean(axis=0, keepdims=True), max(after + last - len(mass), 0), axis=0)
    used = np.concatenate([mass, beyond])[after : after + last]
    coarse = max(int(np.ceil(_sum_reach(used) / _LONGEST)), 1)
    used = _coarser(used, coarse)
    size = fft.next_fast_len(_sum_reach(used), real=True)
    tilt = np.exp(-_TILT / size * np.arange(size))
    powers = np.cumprod(np.vstack([np.ones((1, size // 2 + 1)), fft.rfft(_folded(used, size) * tilt, axis=1)]), axis=0)
    weighed = (chance * (1.0 - part)) @ powers[low] + (chance * part) @ powers[np.minimum(low + 1, last)]
    law = np.maximum(fft.irfft(weighed, size) / tilt, 0.0)
    return coarse, np.minimum(np.cumsum(law), 1.0)


def _sum_reach(mass: np.ndarray) -> int:
    """Cells that the sum of independent laws [periods × cells] hardly passes: no more than all of them together."""
    at = np.arange(mass.shape[1], dtype=float)
    mean, square = mass @ at, mass @ at**2
    likely = mean.sum() + 9.0 * np.sqrt(np.maximum(square - mean**2, 0.0).sum()) + mass.shape[1]
    return int(min(np.ceil(likely), len(mass) * (mass.shape[1] - 1))) + 1


def _coarser(mass: np.ndarray, steps: int) -> np.ndarray:
    """Masses [periods × cells] on cells of so many steps, split between neighbours so that means are kept."""
    if steps == 1:
        return mass
    at = np.arange(mass.shape[1])
    low, part = at // steps, (at % steps) / steps
    out = np.zeros((len(mass), low[-1] + 2))
    for row, masses in zip(out, mass, strict=True):
        row += np.bincount(low, masses * (1.0 - part), out.shape[1]) + np.bincount(low + 1, masses * part, out.shape[1])
    return out


def _folded(mass: np.ndarray, size: int) -> np.ndarray:
    """Masses on `size` cells: zeros behind them."""
    out = np.zeros((len(mass), size))
    out[:, : mass.shape[1]] = mass[:, :size]
    return out


@dataclass(frozen=True)
class _SampleSums(_OnDemand):
    """Sums of sample paths [n × periods × samples] from `after` to `until`, each with its chance [n × alternatives].

    Within a period demand comes evenly; beyond the horizon each path's mean goes on.
    """

    samples: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 1)))
    until: np.ndarray = field(default_factory=lambda: np.zeros((0, 1)))
    chance: np.ndarray = field(default_factory=lambda: np.zeros((0, 1)))
    after: float = 0.0

    @cached_property
    def _reach(self) -> np.ndarray:
        reach = np.array([self._places(i).max(initial=0) + 1 for i in range(len(self))], np.int64)
        _refuse_long(int(reach.max(initial=1)))
        return reach

    def _places(self, row: int) -> np.ndarray:
        """Steps of each path and alternative [samples × alternatives]."""
        paths = self.samples[row].T
        sums = np.concatenate([np.zeros((len(paths), 1)), np.cumsum(paths, axis=1)], axis=1)
        mean = paths.mean(axis=1)
        until = np.broadcast_to(self.until[row], (len(paths), self.until.shape[1]))
        values = along(sums, until, mean) - along(sums, np.full((len(paths), 1), self.after), mean)
        return np.asarray(np.round(np.maximum(values, 0.0) / self.steps()[row]), np.int64)

    def _law(self, row: int, width: int) -> np.ndarray:
        places = self._places(row)
        weight = np.broadcast_to(self.chance[row] / len(places), places.shape)
        return np.minimum(np.cumsum(np.bincount(places.ravel(), weight.ravel(), width)[:width]), 1.0)

    def take(self, rows: np.ndarray) -> _SampleSums:
        """The sums of some rows."""
        return _SampleSums(self._index_of(rows), step=self.steps()[rows], samples=self.samples[rows],
                           until=self.until[rows], chance=self.chance[rows], after=self.after)  # fmt: skip


@dataclass(frozen=True)
class SampleForecast(_OnDemand, Forecast):
    """Laws as sample paths [items × periods × samples]; sums are those of the paths."""

    samples: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 1)))

    @cached_property
    def _by_period(self) -> _SampleSums:
        n, horizon, paths = self.samples.shape
        ones = np.ones((n * horizon, 1))
        flat = self.samples.reshape(n * horizon, 1, paths)
        return _SampleSums(self.index, step=self.steps(), samples=flat, until=ones, chance=ones)

    @property
    def _reach(self) -> np.ndarray:
        return self._by_period._reach

    def _law(self, row: int, width: int) -> np.ndarray:
        return self._by_period._law(row, width)

    def take(self, rows: np.ndarray) -> Law:
        """The laws of some rows."""
        return self._by_period.take(rows)

    def over(self, periods: np.ndarray, chance: np.ndarray, after: float = 0.0) -> Law:
        """The law of demand summed from `after` on up to `periods`, each with its chance: [n × alternatives].

        Within a period demand comes evenly; beyond the horizon each path's mean goes on.
        """
        unit = self.steps().reshape(len(self.items), -1)[:, 0] if len(self.items) else np.ones(0)
        return _SampleSums(self.items, step=unit, samples=self.samples, until=periods, chance=chance, after=after)


def from_samples(samples: Any, index: Any, unit: float) -> SampleForecast:
    """Sample paths [items × periods × samples] with the keys of their rows: `unique_id`, `ds`, items then periods."""
    _refuse_unit(unit)
    values = np.asarray(samples, float)
    rows = _keys(index)
    _refuse_samples(values, rows)
    horizon = values.shape[1]
    items = rows[["unique_id"]].iloc[::horizon].reset_index(drop=True)
    starts = pd.DatetimeIndex(rows["ds"].iloc[:horizon])
    made = SampleForecast(rows, step=np.full(len(rows), unit), items=items, starts=starts, samples=values)
    _refuse_long(made.width)
    return made


def from_quantiles(frame: Any, model: str | None, unit: float) -> QuantileForecast:
    """Quantiles in columns, by `unique_id` and `ds`; several models in a frame: `model` names one."""
    _refuse_unit(unit)
    rows = frame.to_pandas() if hasattr(frame, "to_pandas") else pd.DataFrame(frame)
    keys = _keys(rows)
    levels, columns = _levels(rows, model)
    rows, keys = _in_order(rows, keys)
    values = np.maximum.accumulate(np.column_stack([as_numbers(rows[x]) for x in columns]), axis=1)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        first = keys[bad].head(5)
        shown = tuple(f"{x} {day:%Y-%m-%d}" for x, day in zip(first["unique_id"], first["ds"], strict=True))
        raise InputError(_STOP, [
            Problem("quantiles", None, "every quantile is a number", int(bad.sum()), float(bad.mean()), shown,
                    "leave out the levels that are not forecast")])  # fmt: skip
    items = keys[["unique_id"]].drop_duplicates().reset_index(drop=True)
    starts = pd.DatetimeIndex(keys["ds"].iloc[: len(keys) // max(len(items), 1)])
    values = np.maximum(values, 0.0) / unit
    whole = np.round(values)
    values = np.where(np.abs(values - whole) < 1e-9 * np.maximum(whole, 1.0), whole, values)  # 0.3 / 0.1 is 3
    steps = np.full(len(keys), unit)
    made = QuantileForecast(keys, step=steps, items=items, starts=starts, values=values, levels=levels)
    _refuse_long(int(values.max(initial=0.0)) + 2)
    return made


def _keys(index: Any) -> pd.DataFrame:
    rows = index.to_pandas() if hasattr(index, "to_pandas") else pd.DataFrame(index)
    lacking = [x for x in ("unique_id", "ds") if x not in rows]
    if lacking:
        raise InputError(_STOP, [
            Problem("forecast", x, "the column is missing", remedy="name the series `unique_id` and the period `ds`")
            for x in lacking])  # fmt: skip
    keys = pd.DataFrame({"unique_id": rows["unique_id"], "ds": as_days(rows["ds"])}).reset_index(drop=True)
    problems = []
    for column, check in (("unique_id", "is not missing"), ("ds", "is a date")):
        bad = keys[column].isna().to_numpy()
        if bad.any():
            shown = tuple(str(x) for x in rows.loc[bad, column].head(5))
            problems.append(Problem("forecast", column, check, int(bad.sum()), float(bad.mean()), shown,
                                    "write the series' id, and dates like 2026-01-31"))  # fmt: skip
    if problems:
        raise InputError(_STOP, problems)
    return keys


def _in_order(rows: pd.DataFrame, keys: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = keys.sort_values(["unique_id", "ds"], kind="stable").index
    keys = keys.loc[order].reset_index(drop=True)
    _refuse_uneven(keys)
    return rows.reset_index(drop=True).loc[order].reset_index(drop=True), keys


def _refuse_uneven(keys: pd.DataFrame) -> None:
    """Refuse series without one row for each of the periods that most of them have."""
    days = dict(keys.groupby("unique_id", sort=False)["ds"].agg(tuple))
    usual = max(Counter(days.values()).items(), key=lambda x: x[1], default=((), 0))[0]
    odd = [name for name, mine in days.items() if mine != usual or len(set(mine)) < len(mine)]
    if odd:
        raise InputError(_STOP, [
            Problem("forecast", "ds", "every series has one row for each of the same periods", len(odd),
                    len(odd) / len(days), tuple(odd[:5]), "forecast all series to one horizon")])  # fmt: skip


def _refuse_samples(values: np.ndarray, rows: pd.DataFrame) -> None:
    fits = values.ndim == 3 and all(values.shape[1:]) and values.shape[0] * values.shape[1] == len(rows)
    if fits:
        names = rows["unique_id"].to_numpy(object).reshape(values.shape[:2])
        fits = bool((names == names[:, :1]).all()) and len(set(names[:, 0])) == len(names)
    if not fits:
        what = "the array is items × periods × samples, and its index has a row for each item and period, items first"
        raise InputError(_STOP, [
            Problem("samples", None, f"{what}; got {values.shape} and {len(rows)} rows",
                    remedy="reshape it, or pass the index of its rows")])  # fmt: skip
    _refuse_uneven(rows)
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        raise InputError(_STOP, [
            Problem("samples", None, "demand is a number, 0 or more", int(bad.sum()), float(bad.mean()),
                    tuple(values[bad][:5]), "cut draws off at 0")])  # fmt: skip


def _refuse_unit(unit: float) -> None:
    if not (np.isfinite(unit) and unit > 0):
        raise UsageError(f"the unit is {unit}; it is the step in which demand is counted, above 0")


def _refuse_long(width: int) -> None:
    if width > _MOST:
        raise InputError(_STOP, [
            Problem("forecast", None, f"values reach {width:,} steps", remedy="state a coarser unit=…")])  # fmt: skip


def _levels(rows: pd.DataFrame, model: str | None) -> tuple[np.ndarray, list[Any]]:
    """Levels in rising order, and the column of each."""
    found: dict[str | None, dict[float, Any]] = {}
    for column in rows:
        if column in ("unique_id", "ds"):
            continue
        name, level = _level(column)
        if level is not None:
            found.setdefault(name, {})[level] = column
    for name in [x for x in found if x is not None]:
        if name in rows:
            found[name].setdefault(0.5, name)
    if model is not None:
        found = {k: v for k, v in found.items() if k == model}
    if len(found) != 1:
        several = ", ".join("one without a name" if x is None else str(x) for x in found) or "none"
        raise InputError(_STOP, [
            Problem("quantiles", None, f"there is one model with quantiles; found: {several}",
                    remedy="name one with model=…; columns are like p05, 0.05 or Model-lo-90")])  # fmt: skip
    columns = next(iter(found.values()))
    levels = sorted(columns)
    return np.array(levels), [columns[x] for x in levels]


def _level(column: Any) -> tuple[str | None, float | None]:
    """Model and level that a column's name says.

    >>> _level("AutoETS-lo-90"), _level("p97_5"), _level("0.1"), _level("cutoff")
    (('AutoETS', 0.05), (None, 0.975), (None, 0.1), (None, None))
    """
    name, level = None, None
    if found := _LEVEL.match(str(column)):
        level = float(f"{int(found[1])}.{found[2] or 0}") / 100.0
    elif found := _INTERVAL.match(str(column)):
        half = float(found["level"] or 0.0) / 200.0
        name, level = found["model"], round(0.5 - half if found["side"] == "lo" else 0.5 + half, 10)
    else:
        with suppress(ValueError):
            level = float(str(column))
    return (name, level) if level is not None and 0.0 < level < 1.0 else (None, None)


def _fall(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """How fast what lies beyond the highest quantile falls off, a step: as between the last two [rows]."""
    if len(levels) < 2:
        return np.asarray(1.0 / np.maximum(values[:, -1], 1.0))
    gap = np.maximum(values[:, -1] - values[:, -2], 0.5)
    return np.asarray(np.log((1.0 - levels[-2]) / (1.0 - levels[-1])) / gap)


def _through(values: np.ndarray, levels: np.ndarray, width: int) -> np.ndarray:
    """Cumulative probabilities on 0 … width − 1 through quantiles: P(X ≤ value) is the level there."""
    at = np.arange(width, dtype=float)
    top, level = values[-1], levels[-1]
    # where levels share a value, probability jumps there from the lowest of them to the highest
    first, last = np.append(True, np.diff(values) > 0), np.append(np.diff(values) > 0, True)
    places = np.column_stack([values[first] - _HARDLY, values[last]]).ravel()
    chances = np.column_stack([levels[first], levels[last]]).ravel()
    inside = np.interp(at, np.append(-1.0, places), np.append(0.0, chances))
    beyond = 1.0 - (1.0 - level) * np.exp(-_fall(values[None], levels)[0] * np.maximum(at - top, 0.0))
    return np.asarray(np.where(at < top, inside, beyond))


def by_moments(forecast: Forecast) -> tuple[PanelLaw, Future]:
    """Negative-binomial laws with the means and scatter of a forecast that was brought along, for the simulation.

    Means are kept by period; the variance-to-mean ratio is the item's median over periods, and what the sum over all
    periods scatters beyond that is doubt about the level.
    """
    n, horizon = len(forecast.items), forecast.horizon
    unit = forecast.steps().reshape(n, horizon)[:, 0] if n else np.ones(0)
    mean = forecast.mean().reshape(n, horizon) / unit[:, None]
    variance = forecast.variance().reshape(n, horizon) / unit[:, None] ** 2
    ratio = np.clip(_medians(variance / np.maximum(mean, 1e-9), mean > 1e-9), 1.02, 1e4)
    level = np.maximum(mean.mean(axis=1), 1e-9)
    whole = forecast.total(horizon)
    total = mean.sum(axis=1)
    excess = np.maximum(whole.variance() / unit**2 - ratio * total, 0.0)
    shape = np.minimum(np.maximum(total, 1e-9) ** 2 / np.maximum(excess, 1e-9), _STEADY)
    law = PanelLaw.of_counts(ratio, level[:, None] * strata(shape))
    factors = mean / level[:, None]
    ones = np.ones(n, np.int64)
    return law, Future(np.arange(n), factors, np.ones((n, 7)), np.zeros(horizon, np.int64), ones, ones * horizon)


def _medians(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Median of the known values of each row, 0 where none is."""
    count = known.sum(axis=1)
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    row = np.arange(len(values))
    below, above = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[1] - 1)
    middle = (ordered[row, below] + ordered[row, above]) / 2.0
    return np.where(count > 0, middle, 0.0)
