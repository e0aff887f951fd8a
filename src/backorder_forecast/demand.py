"""Order lines to a demand law: a negative binomial for each SKU and day, shrunk over the panel.

Daily demand of an SKU is negative binomial with mean m·f(weekday)·g and variance-to-mean ratio φ, so sums
over days are negative binomial too. φ and the weekday shape f are shrunk towards all SKUs; m is a gamma
posterior whose memory fades with one half-life for the panel, chosen by the log score of held-out four-week
sums; g, the doubt about m, is gamma with the posterior's variance and held as equally likely strata, which
law and simulation share. History is corrected only where unmet demand does not wait: a day that ended
without stock says "at least what was sold".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special, stats

from .law import CountLaw, days_to_dates
from .past import SKU, sku_codes
from .tables import TEXT, check_output

if TYPE_CHECKING:
    from .past import Past

STRATA = 16
_HELD_OUT = 28  # days whose sums choose the half-life
_MAX_COUNT = 30_000.0  # larger means are counted in coarser units
_LEAST_FACTOR = 0.1  # weekday factors below it are taken as it, where they divide
_LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Demand:
    """Demand of every SKU on every future day, as arrays row for row with `skus`.

    size: negative-binomial size of an average day, in counts of `unit`; theta: 1 − 1/φ; weekday [n × 7]:
    factors with mean 1, Monday first; levels [n × STRATA]: equally likely factors with mean 1; start_day,
    end_day: demand comes on days start…end after the as-of day; unseen [horizon + 2]: share of the demand of each day
    that is not known yet, as lines ordered for a later day; classes: the priorities seen; class_share
    [n × classes].
    """

    skus: pd.DataFrame
    origin: pd.Timestamp
    horizon: int
    period_days: int
    size: np.ndarray
    theta: np.ndarray
    unit: np.ndarray
    weekday: np.ndarray
    levels: np.ndarray
    start_day: np.ndarray
    end_day: np.ndarray
    unseen: np.ndarray
    classes: np.ndarray
    class_share: np.ndarray
    half_life: float
    notes: tuple[str, ...] = ()

    def mean_per_day(self) -> np.ndarray:
        """Mean demand of an average day [n], in stock units, not looking at start and end."""
        mean: np.ndarray = self.size * self.theta / (1 - self.theta) * self.unit
        return mean

    def exposure(self, first: int, last: int) -> np.ndarray:
        """Sum of the weekday factors over days first…last on which each SKU is sold [n]."""
        days = np.arange(first, last + 1)
        sold = (days >= self.start_day[:, None]) & (days <= self.end_day[:, None])
        factors = self.weekday[:, (self.origin.day_of_week + days) % 7]
        total: np.ndarray = (factors * sold).sum(axis=1)
        return total

    def total(self, first: int, last: int) -> CountLaw:
        """The law of demand summed over days first…last after the as-of day, by SKU."""
        return self._law(self.skus[SKU], np.arange(len(self.skus)), self.exposure(first, last))

    def _law(self, index: pd.DataFrame, rows: np.ndarray, exposure: np.ndarray) -> CountLaw:
        sizes = (self.size[rows] * exposure)[:, None] * self.levels[rows]
        weights = np.full_like(sizes, 1.0 / sizes.shape[1])
        return CountLaw(index.reset_index(drop=True), step=self.unit[rows], sizes=sizes, weights=weights,
                        theta=self.theta[rows])  # fmt: skip

    @property
    def periods(self) -> CountLaw:
        """The law of each SKU and period of `period_days` to the horizon: item_id, location_id, date, days."""
        starts = np.arange(1, self.horizon + 1, self.period_days)
        stops = np.minimum(starts + self.period_days - 1, self.horizon)
        exposure = np.stack([self.exposure(int(a), int(b)) for a, b in zip(starts, stops, strict=True)], axis=1)
        rows = np.repeat(np.arange(len(self.skus)), len(starts))
        index = self.skus[SKU].iloc[rows].reset_index(drop=True)
        index["date"] = np.tile(days_to_dates(self.origin, starts.astype(float)), len(self.skus))
        index["days"] = np.tile(stops - starts + 1, len(self.skus))
        return self._law(index, rows, exposure.ravel())

    def table(self) -> pd.DataFrame:
        """The output table `demand_forecast`."""
        law = self.periods
        out = law.quantile(_LEVELS)
        out.insert(4, "mean", law.mean())
        out["model"] = pd.Series(["negative binomial"] * len(out), dtype=TEXT)
        return check_output("demand_forecast", out)


@dataclass(frozen=True)
class _History:
    """Units of each SKU and day with orders: parallel arrays sorted by SKU and age (0: the as-of day)."""

    sku: np.ndarray
    age: np.ndarray
    qty: np.ndarray
    weekday: np.ndarray
    length: np.ndarray  # days of history of each SKU


def forecast_demand(past: Past) -> Demand:
    """Fit demand on what `past` knew and forecast every SKU to the configured horizon.

    >>> from backorder_forecast.dataset import Dataset
    >>> lines = pd.DataFrame({"order_id": list("abcd"), "line_id": list("abcd"), "item_id": "x", "qty": 2.0,
    ...                       "ordered_at": pd.date_range("2026-01-05", periods=4, freq="7D")})
    >>> demand = forecast_demand(Dataset.of({"order_lines": lines}).as_of("2026-02-01"))
    >>> bool(0.15 < demand.mean_per_day()[0] < 0.4), demand.total(1, 7).quantile([0.5])["p50"].tolist()
    (True, [2.0])
    """
    config = past.config
    lines = past.lines[past.lines["wanted_date"] <= past.day]
    unit = _units(past, lines)
    history = _history(past, lines, unit)
    shape = _weekday_shape(past, history, len(unit))
    ratio = _dispersion(history, shape, len(unit))
    censored, note = _censored_days(past, history)
    half_life = _best_half_life(history, ratio, config.demand.half_lives, len(unit))
    mean, strength = _level(history, ratio, half_life, 0, len(unit))
    if len(censored):
        mean, strength, ratio, shape = _uncensor(past, history, shape, ratio, half_life, censored, mean)
    theta = 1.0 - 1.0 / ratio
    classes, share = _classes(past, lines, unit)
    start, end = _on_sale(past)
    return Demand(
        past.skus, past.day, config.simulation.horizon_days, config.demand.period_days,
        mean * (1 - theta) / theta, theta, unit, shape, _strata(strength), start, end, _unseen(past), classes, share,
        half_life,
        (f"demand: memory with a half-life of {half_life:g} days", *_told_units(unit), *note),
    )  # fmt: skip


def _units(past: Past, lines: pd.DataFrame) -> np.ndarray:
    """The step in which each SKU is counted: 1 for whole items, else the smallest decimal step seen, ≥ 0.001."""
    code = sku_codes(past, lines)
    qty = lines["qty"].to_numpy()
    unit = np.ones(len(past.skus))
    for step in (0.1, 0.01, 0.001):
        finer = np.abs(qty / (10 * step) - np.round(qty / (10 * step))) > 1e-6
        np.minimum.at(unit, code[finer], step)
    # counting a ton in grams would make tables of a million rows: coarser steps where means are large
    total = np.bincount(code, qty, len(unit)) / np.maximum(np.bincount(code, minlength=len(unit)), 1)
    return np.maximum(unit, 10.0 ** np.ceil(np.log10(np.maximum(total / _MAX_COUNT * 100, 1e-9))))


def _told_units(unit: np.ndarray) -> list[str]:
    other = unit[unit != 1.0]
    if not other.size:
        return []
    steps = ", ".join(f"{x:g}" for x in np.unique(other))
    return [f"demand: {other.size} items at locations are counted in steps of {steps}, not of 1"]


def _history(past: Past, lines: pd.DataFrame, unit: np.ndarray) -> _History:
    code = sku_codes(past, lines)
    age = past.days_since(lines["wanted_date"]).astype(np.int64)
    span = past.config.demand.history_days
    first = int(age.max(initial=0)) + 1
    introduced = past.days_since(past.skus["introduced_date"])
    length = np.minimum(np.where(np.isnan(introduced), first, introduced + 1), min(first, span)).clip(0)
    oldest = np.zeros(len(unit), np.int64)
    np.maximum.at(oldest, code, age + 1)
    length = np.maximum(length, np.minimum(oldest, span)).astype(np.int64)
    keep = age < length[code]
    counts = lines["qty"].to_numpy() / unit[code]
    frame = pd.DataFrame({"sku": code[keep], "age": age[keep], "qty": counts[keep]})
    daily = frame.groupby(["sku", "age"], sort=True)["qty"].sum().reset_index()
    ages = daily["age"].to_numpy()
    weekday = (past.day.day_of_week - ages) % 7
    return _History(daily["sku"].to_numpy(), ages, daily["qty"].to_numpy(), weekday, length)


def _weekday_shape(
    past: Past, history: _History, n: int, unseen: Any = 0.0, strength: float = 50.0
) -> np.ndarray:
    """Weekday factors [n × 7], those of all SKUs weighing as much as `strength` days with orders.

    unseen [n × 7]: units that censored days are expected to add.
    """
    if not past.config.demand.weekday_shape:
        return np.ones((n, 7))
    # units of a day count like orders of mean size, so that one bulk order does not make a shape
    mean = np.bincount(history.sku, history.qty, n) / np.maximum(np.bincount(history.sku, minlength=n), 1)
    units = np.zeros((n, 7))
    np.add.at(units, (history.sku, history.weekday), np.minimum(history.qty / mean[history.sku], 3.0))
    units += unseen / np.maximum(mean, 1e-12)[:, None]
    pooled = (units.sum(axis=0) + 1e-3) / (units.sum() + 7e-3)
    shape: np.ndarray = 7.0 * (units + strength * pooled) / (units.sum(axis=1, keepdims=True) + strength)
    return shape


def _dispersion(
    history: _History, shape: np.ndarray, n: int, unseen: Any = 0.0, unseen_squares: Any = 0.0, strength: float = 10.0
) -> np.ndarray:
    """Variance-to-mean ratio φ of daily demand [n], Pearson's, shrunk to the median SKU's.

    unseen, unseen_squares [n]: what censored days are expected to add to the units, and to their squares over the
    weekday factors.
    """
    days = np.maximum(history.length, 1)
    mean = (np.bincount(history.sku, history.qty, n) + unseen) / days
    factor = np.maximum(shape[history.sku, history.weekday], _LEAST_FACTOR)
    squares = np.bincount(history.sku, history.qty**2 / factor, n) + unseen_squares
    # the mean of (q − e)²/e over the days on which anything is expected, e = mean × factor
    open_share = np.maximum((shape >= _LEAST_FACTOR).mean(axis=1), 1 / 7)
    own = (squares / np.maximum(mean, 1e-12) / days - mean) / open_share
    events = np.bincount(history.sku, minlength=n)
    enough = events >= 5
    typical = float(np.median(own[enough])) if enough.any() else 2.0
    ratio: np.ndarray = (events * own + strength * max(typical, 1.05)) / (events + strength)
    return ratio.clip(1.02, 1e4)


def _level(
    history: _History, ratio: np.ndarray, half_life: float, skip: int, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean [n] of the level without the last `skip` days, and its gamma shape."""
    decay = 0.5 ** (1.0 / half_life)
    old = history.age >= skip
    weight = decay ** (history.age[old] - skip)
    units = np.bincount(history.sku[old], weight * history.qty[old], n)
    exposure = (1.0 - decay ** np.maximum(history.length - skip, 0)) / (1.0 - decay)
    return _posterior(units, exposure, ratio)


def _posterior(units: np.ndarray, exposure: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and gamma shape from half an order of prior; units / φ count as so many orders of size φ.

    How often is shrunk to the typical SKU's, not how much at once: the spread of sizes over a panel is too wide.
    """
    orders = units / ratio
    rates = orders[exposure > 0] / exposure[exposure > 0]
    typical = float(np.median(rates[rates > 0])) if (rates > 0).any() else 0.01
    prior = 0.5
    return ratio * (prior + orders) / (prior / typical + exposure), prior + orders


def _best_half_life(
    history: _History, ratio: np.ndarray, half_lives: tuple[float, ...], n: int
) -> float:
    """The half-life under which the last four weeks' sums were most likely, forecast from the days before."""
    usable = history.length > 2 * _HELD_OUT
    if usable.sum() < 3:
        return sorted(half_lives)[len(half_lives) // 2]
    recent = history.age < _HELD_OUT
    actual = np.bincount(history.sku[recent], history.qty[recent], n)[usable]

    def score(half_life: float) -> float:
        mean, strength = _level(history, ratio, half_life, _HELD_OUT, n)
        total = mean[usable] * _HELD_OUT
        variance = total * ratio[usable] + total**2 / strength[usable]
        p = np.clip(total / variance, 1e-9, 1 - 1e-9)
        return float(stats.nbinom.logpmf(np.round(actual), total * p / (1 - p), p).sum())

    return max(half_lives, key=score)


def _censored_days(past: Past, history: _History) -> tuple[np.ndarray, list[str]]:
    """Days (sku, age) that ended without stock, of SKUs whose unmet demand does not all wait."""
    from .stock import closing_levels

    lost = np.flatnonzero((past.skus["backorder_share"].to_numpy() < 1.0) & (history.length > 0))
    if not lost.size:
        return np.empty((0, 2), np.int64), []
    sku = np.repeat(lost, history.length[lost])
    age = np.concatenate([np.arange(x) for x in history.length[lost]])
    day = past.day.to_datetime64().astype("datetime64[D]") - age
    flagged, out = _flags(past, sku, day)
    level = closing_levels(past, sku, day)
    out = np.where(flagged, out, level <= 0)
    found = np.column_stack([sku[out], age[out]])
    told = f"{len(found)} days of {len(lost)} items that ended without stock count as 'at least what was sold'"
    return found, [f"demand: {told}"]


def _flags(past: Past, sku: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in-stock flags exist: (is there one at most a month before, does it say 'out of stock')."""
    rows = past.tables["stock"]
    rows = rows[rows["in_stock"].notna()]
    key = sku_codes(past, rows) * (1 << 22) + rows["date"].to_numpy("datetime64[D]").astype(np.int64)
    order = np.argsort(key, kind="stable")
    key, in_stock = key[order], rows["in_stock"].to_numpy(bool)[order]
    if not len(key):
        return np.zeros(len(sku), bool), np.zeros(len(sku), bool)
    wanted = sku * (1 << 22) + day.astype(np.int64)
    at = np.searchsorted(key, wanted, side="right") - 1
    near = (at >= 0) & (wanted - key[at] <= 31)
    return near, near & ~in_stock[np.maximum(at, 0)]


def _uncensor(
    past: Past, history: _History, shape: np.ndarray, ratio: np.ndarray, half_life: float, censored: np.ndarray,
    mean: np.ndarray, rounds: int = 40,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Level, its gamma shape, φ and weekday factors, censored days counting as what is expected of them (EM).

    Of what is expected beyond the sales the share that was lost counts; the rest came as lines that waited.
    """
    n = len(mean)
    decay = 0.5 ** (1.0 / half_life)
    sku, age = censored.T
    sold = pd.Series(history.qty, index=history.sku * (1 << 22) + history.age)
    seen = sold.reindex(sku * (1 << 22) + age).fillna(0.0).to_numpy()
    weekday = (past.day.day_of_week - age) % 7
    lost = 1.0 - past.skus["backorder_share"].to_numpy()[sku]
    base = np.bincount(history.sku, decay**history.age * history.qty, n)
    exposure = (1.0 - decay**history.length) / (1.0 - decay)
    strength = np.ones(n)
    for _ in range(rounds):
        factor = shape[sku, weekday]
        expected, square = _at_least(seen, mean[sku] * factor, ratio[sku])
        more = lost * np.maximum(expected - seen, 0.0)
        before = mean
        mean, strength = _posterior(base + np.bincount(sku, decay**age * more, n), exposure, ratio)
        squares = lost * np.maximum(square - seen**2, 0.0) / np.maximum(factor, _LEAST_FACTOR)
        ratio = _dispersion(history, shape, n, np.bincount(sku, more, n), np.bincount(sku, squares, n))
        unseen = np.bincount(sku * 7 + weekday, more, n * 7).reshape(n, 7)
        shape = _weekday_shape(past, history, n, unseen)
        if (np.abs(mean - before) <= 1e-4 * before).all():
            break
    return mean, strength, ratio, shape


def _at_least(seen: np.ndarray, mean: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[Y | Y ≥ seen] and E[Y² | Y ≥ seen] of negative binomials with these means and variance-to-mean ratios.

    By size-biasing: y·pmf(y) is the mean times the pmf of one more size at y − 1.
    """
    theta, odds = 1.0 - 1.0 / ratio, ratio - 1.0
    size = np.maximum(mean / odds, 1e-12)
    tail = np.maximum(_reaches(seen, size, theta), 1e-12)
    first = size * odds * _reaches(seen - 1, size + 1, theta) / tail
    pairs = size * (size + 1) * odds**2 * _reaches(seen - 2, size + 2, theta) / tail
    return first, pairs + first


def _reaches(count: np.ndarray, size: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """P(Y ≥ count) of negative binomials."""
    found: np.ndarray = np.where(count <= 0, 1.0, special.betainc(np.maximum(count, 1e-9), size, theta))
    return found


def _classes(past: Past, lines: pd.DataFrame, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The priorities seen and the share of each in an SKU's demand, shrunk to that of all."""
    by_priority = past.config.queue.rule == "priority"
    priority = lines["priority"].to_numpy() if by_priority else np.zeros(len(lines), np.int64)
    open_lines = past.lines.loc[past.lines["open_qty"] > 0, "priority"].to_numpy()
    seen = np.concatenate([priority, open_lines]) if by_priority else priority
    classes = np.unique(seen) if seen.size else np.zeros(1, np.int64)
    units = np.zeros((len(unit), len(classes)))
    np.add.at(units, (sku_codes(past, lines), np.searchsorted(classes, priority)), 1.0)
    pooled = (units.sum(axis=0) + 1e-9) / (units.sum() + 1e-9 * len(classes))
    return classes, (units + 10.0 * pooled) / (units.sum(axis=1, keepdims=True) + 10.0)


def _on_sale(past: Past) -> tuple[np.ndarray, np.ndarray]:
    """First and last future day with demand of each SKU."""
    horizon = past.config.simulation.horizon_days
    ahead = -past.days_since(past.skus["introduced_date"])
    until = -past.days_since(past.skus["discontinued_date"]) - 1
    start = np.nan_to_num(np.maximum(ahead, 1), nan=1.0)
    end = np.where(np.isnan(until), horizon, np.clip(until, 0, horizon))
    return start.astype(np.int64), end.astype(np.int64)


def _unseen(past: Past) -> np.ndarray:
    """Share of the lines wanted on each day 0…horizon + 1 from today that is not ordered yet, as in the past."""
    lines, horizon = past.lines[past.lines["wanted_date"] <= past.day], past.config.simulation.horizon_days
    ahead = (lines["wanted_date"] - lines["ordered_at"].dt.floor("D")).dt.days.to_numpy().clip(0, horizon + 2)
    units = np.bincount(ahead, minlength=horizon + 3)
    share: np.ndarray = np.cumsum(units)[: horizon + 2] / max(int(units.sum()), 1)
    # of what is wanted on day h, that ordered at least h days ahead is known today
    unseen = np.concatenate([[1.0], share[:-1]]) if len(lines) else np.ones(horizon + 2)
    return np.where(unseen > 1 - 1e-9, 1.0, unseen)


def _strata(shape: Any, strata: int = STRATA) -> np.ndarray:
    """Means of equally likely strata of a gamma with mean 1 and this shape [n × strata]."""
    a = np.asarray(shape, float)[:, None]
    edges = special.gammaincinv(a, np.arange(1, strata) / strata)
    inside = special.gammainc(a + 1, edges)
    inside = np.concatenate([np.zeros_like(a), inside, np.ones_like(a)], axis=1)
    means: np.ndarray = np.diff(inside, axis=1) * strata
    return means
