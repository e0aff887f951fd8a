"""The door for people who come from forecasting libraries: `unique_id, ds, y` to a `Forecast`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from .config import Config
from .core import panel as kernels
from .errors import InputError, Problem, UsageError
from .forecast import PanelForecast
from .known_ahead import carried
from .methods.censored import Censored, complete
from .methods.drivers import Drivers
from .methods.fit import Fitted, Pool, fit_panel
from .methods.history import History
from .methods.laws import Future
from .methods.panel import Panel
from .methods.periods import Periods, month_middles, standardised

PER_YEAR = {"D": 365.25, "W": 52.1786, "M": 12.0}
DAYS_OF = {"D": 1.0, "W": 7.0, "M": 365.25 / 12}
_STEPS = (1.0, 0.1, 0.01, 0.001)
_NUMBERS = ("integer", "floating", "mixed-integer-float", "mixed-integer", "decimal", "complex", "boolean")
_DAY = 86_400_000_000  # microseconds
_MAX_COUNT = 300.0  # larger mean quantities are counted in coarser units


def forecast_panel(
    frame: Any, horizon: int, frequency: str, in_stock: Any = None, *, drivers: Any = None, items: Any = None,
    config: Config | None = None, like: PanelForecast | None = None, seed: int = 1,
) -> PanelForecast:  # fmt: skip
    """Forecast every series of a panel as a distribution over each of the next periods.

    frame: `unique_id`, `ds`, `y` and, if known, `in_stock` (bool), as a pandas, polars or Arrow frame. A period without
    a row counts as zero between a series' first row and the last period of the frame. `ds` is the (first) day of a
    period: weeks are counted from the last one, months by the calendar.
    horizon: periods ahead; frequency: "D", "W" or "M".
    in_stock: a frame `unique_id`, `ds`, `in_stock`; a period that ended without stock says "at least what was sold".
    drivers: what moves demand, known for past and future periods: `ds` and numbers or flags that hold for all series;
    or, with `unique_id`, those of single series: `price` (its logarithm counts, from the last one) and flags; or a list
    of both.
    items: `unique_id` with `category` (series that share season and typical level), `introduced_date`,
    `discontinued_date`; series without a row in `frame` are forecast from those like them.
    like: a forecast whose shared part (season, memory, weights of the models) and last period are taken, for blocks of
    a panel too large for memory; it was made for the same horizon and frequency.
    seed: taken as everywhere else; fitting and sums draw nothing, so it changes no number.

    Raises: ``InputError`` listing what is wrong: columns missing, values missing or negative, series given twice.
    ``UsageError`` for an unknown frequency or a horizon below 1.

    >>> frame = pd.DataFrame({"unique_id": "x", "ds": pd.date_range("2026-01-05", periods=60), "y": [0, 0, 1] * 20})
    >>> forecast = forecast_panel(frame, horizon=14, frequency="D")
    >>> forecast.total(7).quantile([0.5, 0.95]).round().to_dict("records")
    [{'unique_id': 'x', 'p50': 2.0, 'p95': 5.0}]
    """
    config = config or Config()
    _refuse_call(horizon, frequency, like)
    rows, flags = _checked(frame, in_stock)
    facts = _facts(items)
    common, own = _driver_frames(drivers)
    ids, (rows["code"], flags["code"]) = _numbered(facts, rows, flags)
    dates = rows["ds"], flags["ds"]
    axis = _Axis.of(*dates, frequency, horizon) if like is None else _Axis.like(like, pd.concat(dates))
    rows, cut = axis.cut(rows)
    flags, _ = axis.cut(flags)
    code, period, qty = _by_series(rows, axis)
    unit = counting_steps(code, qty, len(ids))
    history, hidden = _history(code, period, qty, unit, _flagged(flags, axis))
    kept = _categories(facts, ids) if like is None else like.groups
    group = _groups(facts, ids, kept)
    periods = axis.periods(common)
    if len(hidden):
        history = complete(history, hidden, periods, group)
    moved = None if own is None else _moved(own, ids, axis)
    pool = None if like is None else _with_rest(like.pool, int(group.max(initial=0)) + 1)
    panel, lives = Panel(history, periods, group, moved), memories(config, DAYS_OF[frequency])
    fitted = fit_panel(panel, horizon, lives, pool, model=config.demand.model, challenger=config.demand.boosted)
    notes = [f"{len(hidden)} periods that ended without stock count as 'at least what was sold'"] if len(hidden) else []
    notes += [f"{cut} rows older than the panel of `like` are left out"] if cut else []
    notes += fitted.pool.refusal(config.demand.boosted)
    made = _forecast(fitted, ids, axis, unit, facts, notes, DAYS_OF[frequency])
    return replace(made, frequency=frequency, groups=kept)


def _refuse_call(horizon: Any, frequency: str, like: Any) -> None:
    if frequency not in PER_YEAR:
        raise UsageError(f"unknown frequency {frequency!r}; known: {', '.join(PER_YEAR)}")
    if not isinstance(horizon, int | np.integer) or isinstance(horizon, bool) or horizon < 1:
        raise UsageError(f"the horizon is {horizon} periods; it is a whole number, 1 at least")
    if like is None:
        return
    if not isinstance(like, PanelForecast) or like.frequency not in PER_YEAR:
        raise UsageError("`like` is a forecast made by forecast_panel")
    if (like.frequency, like.horizon) != (frequency, horizon):
        raise UsageError(f"`like` was made for {like.horizon} periods of {like.frequency!r}; ask for the same")


def memories(config: Config, days: float) -> np.ndarray:
    """Half-lives in periods of so many days: those configured that are longer than a period, and no fading at all."""
    lives = np.array(sorted(config.demand.half_lives)) / days
    return np.append(lives[lives >= 1.5], np.inf)


def _checked(frame: Any, in_stock: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows `unique_id`, `ds`, `y` and flags `unique_id`, `ds`, `in_stock`, or an error that says all that is wrong."""
    rows = _pandas(frame, "frame", ("unique_id", "ds", "y")).reset_index(drop=True)
    table, flags = "frame", rows if "in_stock" in rows else rows.iloc[:0].assign(in_stock=True)
    days, values = as_days(rows["ds"]), as_numbers(rows["y"])
    problems = [*_keys(rows, days, "frame"), *_numbers(rows, values)]
    if in_stock is not None:
        table, flags = "in_stock", _pandas(in_stock, "in_stock", ("unique_id", "ds", "in_stock")).reset_index(drop=True)
        problems += _keys(flags, as_days(flags["ds"]), "in_stock")
    known = flags["in_stock"].isin([True, False]).to_numpy() | flags["in_stock"].isna().to_numpy()
    problems += _problem(flags, table, "in_stock", ~known, "is true or false", "write true or false, or leave it empty")
    if problems:
        raise InputError("the panel cannot be used", problems)
    there = flags["in_stock"].astype("boolean").fillna(True).astype(bool)
    told = {"unique_id": _plain(flags["unique_id"]), "ds": as_days(flags["ds"]), "in_stock": there}
    rows = pd.DataFrame({"unique_id": _plain(rows["unique_id"]), "ds": days, "y": values}, copy=False)
    return rows, pd.DataFrame(told)


def _pandas(frame: Any, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    rows = frame.to_pandas() if hasattr(frame, "to_pandas") else frame
    if not isinstance(rows, pd.DataFrame):
        what = f"is a {type(frame).__name__}, not a frame of pandas, polars or Arrow"
        raise InputError("the panel cannot be used", [Problem(name, None, what, remedy="give a frame")])
    twice = rows.columns[rows.columns.duplicated()].unique()
    if len(twice):
        wrong = [Problem(name, str(x), "the column is there once", remedy="rename or drop one") for x in twice]
        raise InputError("the panel cannot be used", wrong)
    lacking = [x for x in columns if x not in rows]
    if lacking:
        there = ", ".join(map(str, rows.columns[:8]))
        wrong = [Problem(name, x, "the column is missing", remedy=f"rename one of: {there}") for x in lacking]
        raise InputError("the panel cannot be used", wrong)
    return rows


def as_days(values: pd.Series) -> pd.Series:
    """Days, NaT where there is none; text is read as ISO dates, and numbers are no dates."""
    numbers = values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in _NUMBERS
    if numbers or pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(np.datetime64("NaT", "us"), index=values.index)
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.start_time
    try:
        days = pd.to_datetime(values, errors="coerce", format="ISO8601")
    except ValueError:  # several time zones in a column
        return pd.Series(np.datetime64("NaT", "us"), index=values.index)
    days = days if days.dt.tz is None else days.dt.tz_localize(None)
    days = days.dt.as_unit("us")
    # numpy's casts are twice as fast as rounding in pandas, and leave NaT alone
    whole = days.to_numpy().astype("datetime64[D]").astype("datetime64[us]")
    return pd.Series(whole, index=values.index, copy=False)


def as_numbers(values: pd.Series) -> np.ndarray:
    """Numbers, NaN where there is none."""
    return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan))


def _plain(values: pd.Series) -> pd.Series:
    """Categories as what they are."""
    return values.astype(values.cat.categories.dtype) if isinstance(values.dtype, pd.CategoricalDtype) else values


def _keys(rows: pd.DataFrame, days: pd.Series, table: str) -> list[Problem]:
    """What is wrong with the ids (if there are any) and dates, and the days that these are, of a table."""
    problems: list[Problem] = []
    for column in [x for x in ("unique_id", "ds") if x in rows]:
        gone = rows[column].isna().to_numpy()
        problems += _problem(rows, table, column, gone, "is not missing", "fill it in, or leave the row out")
    bad = rows["ds"].notna().to_numpy() & days.isna().to_numpy()
    return problems + _problem(rows, table, "ds", bad, "is a date", "write dates like 2026-01-31")


def _numbers(rows: pd.DataFrame, values: np.ndarray) -> list[Problem]:
    given = rows["y"].notna().to_numpy()
    return [
        *_problem(rows, "frame", "y", ~given, "is not missing", "leave out rows of periods without demand"),
        *_problem(rows, "frame", "y", given & ~np.isfinite(values), "is a finite number", "write a number"),
        *_problem(rows, "frame", "y", values < 0, "is not negative", "keep returns apart from demand"),
    ]


def _problem(rows: pd.DataFrame, table: str, column: str, bad: np.ndarray, check: str, remedy: str) -> list[Problem]:
    """The problem of some rows, shown by their keys and value; none where there are none."""
    if not bad.any():
        return []
    names = list(dict.fromkeys(x for x in ("unique_id", "ds", column) if x in rows))
    shown = [" ".join(str(x).removesuffix(" 00:00:00") for x in row) for row in rows.loc[bad, names].head(5).to_numpy()]
    return [Problem(table, column, check, int(bad.sum()), float(bad.mean()), tuple(shown), remedy)]


def _by_series(rows: pd.DataFrame, axis: _Axis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series, period (0: the last one) and quantity of each row, sorted, so that the order of rows moves no digit."""
    # copies: what pandas hands out may not be written to, and compiled code asks for such arrays
    code, qty = rows["code"].to_numpy(copy=True), rows["y"].to_numpy(copy=True)
    period = axis.place(rows["ds"])
    key = code * (1 << 32) + period
    if (key[1:] > key[:-1]).all():  # most frames come sorted
        return code, period, qty
    order = np.argsort(key, kind="stable")
    _refuse_twice(rows, order, key[order])
    return code[order], period[order], qty[order]


def _refuse_twice(rows: pd.DataFrame, order: np.ndarray, key: np.ndarray) -> None:
    """order: of the rows by series and period; key: sorted."""
    twice = np.flatnonzero(np.diff(key) == 0)
    if not twice.size:
        return
    first = rows.iloc[order[twice[:5]]]
    shown = tuple(f"{x.unique_id} {x.ds:%Y-%m-%d}" for x in first.itertuples())
    raise InputError("the panel cannot be used", [
        Problem("frame", "ds", "there is one row a series and period", twice.size, twice.size / len(rows), shown,
                "add up the rows of a period, or choose a finer frequency"),
    ])  # fmt: skip


def _facts(items: Any) -> pd.DataFrame:
    """What is known of series, by their ids; dates as days."""
    if items is None:
        return pd.DataFrame(index=pd.Index([], name="unique_id"))
    rows = _pandas(items, "items", ("unique_id",)).reset_index(drop=True)
    dated = [x for x in ("introduced_date", "discontinued_date") if x in rows]
    days = {x: as_days(rows[x]) for x in dated}
    problems = _problem(rows, "items", "unique_id", rows["unique_id"].isna().to_numpy(), "is not missing", "fill it in")
    for name in dated:
        bad = (rows[name].notna() & days[name].isna()).to_numpy()
        problems += _problem(rows, "items", name, bad, "is a date", "write dates like 2026-01-31")
    if problems:
        raise InputError("the panel cannot be used", problems)
    rows = rows.assign(unique_id=_plain(rows["unique_id"]), **days)
    return rows.drop_duplicates("unique_id", keep="last").set_index("unique_id")


def _numbered(facts: pd.DataFrame, *tables: pd.DataFrame) -> tuple[pd.Index, list[np.ndarray]]:
    """Series of all tables, sorted, and which of them each row of each table is of."""
    found = [pd.factorize(x["unique_id"]) for x in tables]
    ids = _ids(*(pd.Index(kinds) for _, kinds in found), facts.index)
    return ids, [_placed(code, pd.Index(kinds), ids) for code, kinds in found]


def _placed(code: np.ndarray, kinds: pd.Index, ids: pd.Index) -> np.ndarray:
    place = np.asarray(ids.get_indexer(kinds), np.int64)
    return np.asarray(code, np.int64) if (place == np.arange(len(place))).all() else place[code]


def _ids(*found: pd.Index) -> pd.Index:
    """Series that were found in several tables, sorted."""
    every: pd.Index[Any] = pd.Index([], dtype=object)
    for one in found:
        if one.empty:
            continue
        every = one if every.empty else every.union(one, sort=False)
    try:
        return every.sort_values().rename("unique_id")
    except TypeError:
        kinds = ", ".join(sorted({type(x).__name__ for x in every}))
        raise InputError("the panel cannot be used", [
            Problem("frame", "unique_id", f"ids are of one kind, in all tables; found: {kinds}",
                    remedy="write them all as text, or all as numbers")]) from None  # fmt: skip


@dataclass(frozen=True)
class _Axis:
    """Periods of a panel: its last one and how they are counted."""

    frequency: str
    last: pd.Timestamp
    past: int
    horizon: int

    @classmethod
    def of(cls, dates: pd.Series, more: pd.Series, frequency: str, horizon: int) -> _Axis:
        """The axis on which these dates begin periods, and more dates lie in them or after them."""
        ends = [end for x in (dates, more) if len(x) for end in (x.min(), x.max())]
        if not ends:
            return cls(frequency, pd.Timestamp("2000-01-03"), 0, horizon)
        axis = cls(frequency, max(ends) if dates.empty else dates.max(), 0, horizon)
        later = max(axis.at(max(ends)), 0)
        axis = replace(axis, last=axis.dates(later, later + 1)[0]) if later else axis
        return replace(axis, past=1 - axis.at(min(ends)))

    @classmethod
    def like(cls, forecast: PanelForecast, dates: pd.Series) -> _Axis:
        """The axis of an earlier forecast; none of these dates lies after its past."""
        ahead = cls(forecast.frequency, pd.Timestamp(forecast.starts[0]), 0, forecast.horizon)
        axis = replace(ahead, last=ahead.dates(-1, 0)[0], past=forecast.pool.shared.past.shape[1])
        if len(dates) and axis.at(dates.max()) > 0:
            late = np.flatnonzero(axis.place(dates) > 0)
            shown = tuple(f"{x:%Y-%m-%d}" for x in dates.iloc[late[:5]])
            check = f"lies in the past of `like`, to {axis.last:%Y-%m-%d}"
            raise InputError("the panel cannot be used", [
                Problem("frame", "ds", check, late.size, late.size / len(dates), shown,
                        "end all blocks of a panel with the same period")])  # fmt: skip
        return axis

    def cut(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
        """Rows not older than the axis, and how many are."""
        if rows.empty or self.at(rows["ds"].min()) > -self.past:
            return rows, 0
        old = self.place(rows["ds"]) <= -self.past
        return rows[~old], int(old.sum())

    def at(self, day: pd.Timestamp) -> int:
        """Periods of a day after the last one."""
        return int(self.place(pd.Series([day]))[0])

    def place(self, dates: pd.Series) -> np.ndarray:
        """Periods after the last one (0, and negative before)."""
        when, last = (x.astype("datetime64[us]") for x in (dates.to_numpy(), self.last.to_datetime64()))
        if self.frequency == "M":
            return np.asarray(when.astype("datetime64[M]") - last.astype("datetime64[M]")).astype(np.int64)
        # whole numbers: dividing dates by dates takes ten times as long
        return np.asarray((when - last).astype(np.int64) // (int(DAYS_OF[self.frequency]) * _DAY))

    def dates(self, first: int, stop: int) -> pd.DatetimeIndex:
        """First days of some periods, counted from the last past one (0)."""
        count = stop - first
        if self.frequency == "M":
            start = self.last.to_period("M") + first
            found = pd.DatetimeIndex(pd.period_range(start, periods=count, freq="M").to_timestamp())
        else:
            step = pd.Timedelta(days=int(DAYS_OF[self.frequency]))
            found = pd.DatetimeIndex(self.last + step * np.arange(first, stop))
        return found.as_unit("us")

    def periods(self, drivers: Any) -> Periods:
        """The axis for the methods, with drivers that hold for all series."""
        dates = self.dates(1 - self.past, self.horizon + 1)
        weekday = np.asarray(dates.day_of_week) if self.frequency == "D" else np.zeros(len(dates), np.int64)
        season = np.asarray(dates.month, float) - 1.0
        if self.frequency != "M":
            middle = dates + pd.Timedelta(days=int(DAYS_OF[self.frequency]) // 2)
            season = month_middles(*(np.asarray(x, float) for x in (middle.month, middle.day, middle.days_in_month)))
        known = self._drivers(drivers, dates)
        return Periods(self.past, weekday.astype(np.int64), season, PER_YEAR[self.frequency], known)

    def _drivers(self, rows: pd.DataFrame | None, dates: pd.DatetimeIndex) -> np.ndarray:
        if rows is None:
            return np.zeros((0, 0))
        place = self.place(rows["ds"]) + self.past - 1
        inside = (place >= 0) & (place < len(dates))
        names = [x for x in rows if x != "ds"]
        columns = [_by_period(place[inside], as_numbers(rows[x])[inside], len(dates)) for x in names]
        return standardised(np.stack(columns, axis=1) if names else np.zeros((len(dates), 0)))


def _by_period(place: np.ndarray, values: np.ndarray, periods: int) -> np.ndarray:
    """One driver by period: flags are counted, of other numbers the mean is taken (none is known: that of all)."""
    known = np.isfinite(values)
    total = np.bincount(place[known], values[known], periods)
    if np.isin(values[known], (0.0, 1.0)).all():
        return total
    count = np.bincount(place[known], minlength=periods)
    return np.where(count > 0, total / np.maximum(count, 1), values[known].mean())


def _driver_frames(drivers: Any) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Drivers of all series, and of single ones: one frame, or one of each."""
    if isinstance(drivers, list | tuple):
        found = [_driver_frames(x) for x in drivers]
        common, own = ([x[k] for x in found if x[k] is not None] for k in (0, 1))
        if len(common) > 1 or len(own) > 1:
            raise UsageError("drivers are one frame for all series and one for single ones, at most")
        return (common or [None])[0], (own or [None])[0]
    if drivers is None:
        return None, None
    rows = _pandas(drivers, "drivers", ("ds",)).reset_index(drop=True)
    days = as_days(rows["ds"])
    problems = _keys(rows, days, "drivers")
    names: list[Any] = [x for x in rows if x not in ("unique_id", "ds")]
    for name in names:
        bad = rows[name].notna().to_numpy() & ~np.isfinite(as_numbers(rows[name]))
        problems += _problem(rows, "drivers", name, bad, "is a finite number or a flag", "write 1 and 0 for yes and no")
    if problems:
        raise InputError("the panel cannot be used", problems)
    rows = rows.assign(ds=days)
    return (None, rows.assign(unique_id=_plain(rows["unique_id"]))) if "unique_id" in rows else (rows, None)


def _moved(rows: pd.DataFrame, ids: pd.Index, axis: _Axis) -> Drivers:
    rows = rows.sort_values("ds", kind="stable")  # of several in a period the last one counts
    return own_drivers(rows, _placed(*pd.factorize(rows["unique_id"]), ids), axis.place(rows["ds"]), len(ids), axis)


def own_drivers(rows: pd.DataFrame, code: np.ndarray, place: np.ndarray, n: int, axis: _Axis) -> Drivers:
    """Drivers of single series on the axis; place: periods after the last past one. Steps last until the next row."""
    names = [x for x in rows if x not in ("unique_id", "ds")]
    length, at = axis.past + axis.horizon, place + axis.past - 1
    inside = (code >= 0) & (at >= 0) & (at < length)
    out = np.full((len(names), n, length), np.nan, np.float32)
    for k, name in enumerate(names):
        values = as_numbers(rows[name])
        if name == "price":
            values = np.log(np.where(values > 0, values, np.nan))
        out[k, code[inside], at[inside]] = values[inside]
        out[k] = carried(out[k]) if name == "price" else np.nan_to_num(out[k])
    return Drivers(tuple(str(x) for x in names), out, tuple(x == "price" for x in names))


def counting_steps(code: np.ndarray, qty: np.ndarray, n: int) -> np.ndarray:
    """Step in which each item is counted [n]: 1 for whole numbers, else the smallest decimal step seen, ≥ 0.001.

    Quantities in the thousands are counted in tens, and so on: tables of a law stay short.
    """
    unit = np.ones(n)
    fraction = qty != np.round(qty)
    if fraction.any():
        some, mine = qty[fraction], code[fraction]
        for coarse, step in pairwise(_STEPS):
            finer = np.abs(some / coarse - np.round(some / coarse)) > 1e-6
            np.minimum.at(unit, mine[finer], step)
    total, count = np.zeros(n), np.zeros(n)
    # compiled code asks for arrays that may be written to, which pandas does not hand out
    tight = np.require(code, np.int64, ["C", "W"]), np.require(qty, float, ["C", "W"])
    kernels.positive_sums(*tight, total, count)
    mean = total / np.maximum(count, 1)
    return np.maximum(unit, 10.0 ** np.ceil(np.log10(np.maximum(mean / _MAX_COUNT, 1e-9))))


def _history(
    code: np.ndarray, period: np.ndarray, qty: np.ndarray, unit: np.ndarray, flagged: tuple[np.ndarray, ...]
) -> tuple[History, Censored]:
    """Events of the panel, and its censored periods; all arrays are sorted by series and period."""
    length = np.zeros(len(unit), np.int64)
    flag_code, flag_period, out = flagged
    for series, when in ((code, period), (flag_code, flag_period)):
        ends = np.searchsorted(series, np.arange(len(unit) + 1))
        some = np.flatnonzero(np.diff(ends))
        oldest = np.minimum(when[ends[some]], when[ends[some + 1] - 1])
        length[some] = np.maximum(length[some], 1 - oldest)
    if (unit != 1.0).any():
        qty = qty / unit[code]
    if not (qty > 0).all():
        sold = np.flatnonzero(qty > 0)
        code, period, qty = code[sold], period[sold], qty[sold]
    history = History(code, -period, qty, length)
    return history, Censored(flag_code[out], -flag_period[out], np.ones(int(out.sum())))


def _flagged(flags: pd.DataFrame, axis: _Axis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series and period of each flag, sorted, and whether it says that the period ended without stock."""
    code, period, out = flags["code"].to_numpy(), axis.place(flags["ds"]), ~flags["in_stock"].to_numpy(bool)
    key = code * (1 << 32) - period
    order = np.argsort(key, kind="stable")
    if (np.diff(key[order]) == 0).any():  # of several flags in a period the last one counts
        order = np.lexsort((out, flags["ds"].to_numpy(), key))
        order = order[np.append(np.diff(key[order]) > 0, True)]
    return code[order], period[order], out[order]


def _categories(facts: pd.DataFrame, ids: pd.Index) -> tuple[Any, ...]:
    return kept_categories(facts["category"].reindex(ids)) if "category" in facts else ()


def _groups(facts: pd.DataFrame, ids: pd.Index, kept: tuple[Any, ...]) -> np.ndarray:
    if "category" not in facts:
        return np.full(len(ids), len(kept), np.int64)
    return category_groups(facts["category"].reindex(ids), kept)


def kept_categories(category: pd.Series, most: int = 40, least: int = 20) -> tuple[Any, ...]:
    """Categories with `least` items that are among the `most` largest, sorted."""
    size = _plain(category).dropna().value_counts()
    return tuple(sorted(size[size >= least].head(most).index, key=str))


def category_groups(category: pd.Series, kept: tuple[Any, ...] | None = None) -> np.ndarray:
    """Group of each item: its category if that is kept, else the rest."""
    kept = kept_categories(category) if kept is None else kept
    place = pd.Index(kept, dtype=object).get_indexer(pd.Index(category.astype(object)))
    return np.asarray(np.where((place >= 0) & category.notna().to_numpy(), place, len(kept)), np.int64)


def _with_rest(pool: Pool, groups: int) -> Pool:
    """The pool with a group for the rest, a mean of the others, where none of its items was without a group."""
    shared, typical = pool.shared, pool.typical
    if len(shared.past) >= groups:
        return pool

    def more(factors: np.ndarray) -> np.ndarray:
        return np.concatenate([factors, np.exp(np.log(factors).mean(axis=0, keepdims=True))])

    shared = replace(
        shared, past=more(shared.past), ahead=more(shared.ahead), growth=more(shared.growth),
        slope=np.append(shared.slope, shared.slope.mean()),
        effects=np.concatenate([shared.effects, shared.effects.mean(axis=0, keepdims=True)]),
    )  # fmt: skip
    return replace(pool, shared=shared, typical=np.append(typical, np.median(typical)))


def _forecast(
    fitted: Fitted, ids: pd.Index, axis: _Axis, unit: np.ndarray, facts: pd.DataFrame, notes: list[str], days: float
) -> PanelForecast:
    n, horizon = len(ids), axis.horizon
    dates = axis.dates(1, horizon + 1)
    items = pd.DataFrame({"unique_id": ids})
    index = pd.DataFrame({"unique_id": items["unique_id"].repeat(horizon).reset_index(drop=True)})
    index["ds"] = np.tile(dates, n)
    start, end = _on_sale(facts, ids, axis)
    exposure = fitted.exposure
    weekday = exposure.periods.weekday[exposure.periods.now : exposure.periods.now + horizon]
    future = Future.of(exposure, weekday, start, end)
    if exposure.effects is not None and exposure.effects.words():
        notes = [*notes, "effects on the logarithm of demand: " + ", ".join(exposure.effects.words())]
    other = unit[unit != 1.0]
    if other.size:
        steps = ", ".join(f"{x:g}" for x in np.unique(other))
        notes = [*notes, f"{other.size} series are counted in steps of {steps}, not of 1"]
    return PanelForecast(
        index, step=np.repeat(unit, horizon), items=items, starts=dates, notes=tuple(notes), law=fitted.law,
        future=future, unit=unit, edges=np.arange(horizon + 1), names=fitted.pool.names(days),
        pool=fitted.pool,
    )  # fmt: skip


def _on_sale(facts: pd.DataFrame, ids: pd.Index, axis: _Axis) -> tuple[np.ndarray, np.ndarray]:
    """First and last future period with demand of each series; the day that discontinues one has none."""
    start, end = np.ones(len(ids), np.int64), np.full(len(ids), axis.horizon, np.int64)
    if "introduced_date" in facts:
        day = facts["introduced_date"].reindex(ids)
        known = day.notna().to_numpy()
        start[known] = np.maximum(axis.place(day[known]), 1)
    if "discontinued_date" in facts:
        day = facts["discontinued_date"].reindex(ids) - pd.Timedelta(days=1)
        known = day.notna().to_numpy()
        end[known] = np.clip(axis.place(day[known]), 0, axis.horizon)
    return start, end
