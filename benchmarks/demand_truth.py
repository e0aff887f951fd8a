"""Is the demand forecast right? On made-up panels whose law of demand is known.

*Coverage*: share of U = F(x−1) + V (F(x) − F(x−1)) at or below .90 .95 .99, exact over V, of demand over the next 7,
14 and 28 days and over a random lead time of 1 to 40 days (mean 14, its law known), by `bf.forecast_panel` and
`bf.lead_time_demand` with default settings on 730 days. "mean" is the sum of means over that of the true ones, less 1.
Errors are over the seeds, whose items share season and growth. Regimes: weekday, yearly season, growth, levels that
walk (none on average); laws that are ours (negative binomial) and that are not: Poisson-lognormal, orders in packs
of 1, 6 and 12, bursts (one day in twenty has eight times the mean), busy spells (a week in five, on average); items
that are launched and that die.

*Stock-outs*: sales are what stock allowed, `in_stock` says whether a day ended with any. Stock is filled up weekly,
to the level at which the share of days wanted ends without any, but a usual order at least; or it is gone on days that
have nothing to do with demand (three in a row on average). Bias of the mean forecast against the true mean, of all
units and of the median item: ours with the flags, ours without ("ignored"), the mean of the days that ended with stock
("masked"), and ours on demand that nothing hides ("all seen"), which is what sampling alone does.

Run ``python -m benchmarks.demand_truth`` (4 minutes; ``--quick``: two seeds, few items; ``--only coverage`` or
``stockouts``; ``--kinds``: by how often there is demand).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

import backorder_forecast as bf

from .panels import COVERED, at_or_below

Floats = npt.NDArray[np.float64]
Units = npt.NDArray[np.int64]
PAST, HORIZON, LONGEST = 730, 28, 40
SPANS = (7, 14, 28)
START = pd.Timestamp("2023-03-06")  # a Monday
WEEK = np.array([1.15, 1.05, 1.0, 1.0, 1.2, 1.1, 0.5])
KINDS = ("seldom", "now and then", "mostly")


@dataclass(frozen=True)
class World:
    """What demand is like: weekdays apart; season: amplitude of the logarithm, own: how far items differ in it;
    growth a year (logarithm); drift: standard deviation of the walk of a level's logarithm over a year; law;
    turnover: share of items launched in the past, and of those that die in a year."""

    week: bool = True
    season: float = 0.0
    own: float = 0.0
    growth: float = 0.0
    drift: float = 0.0
    law: str = "negative binomial"
    turnover: float = 0.0


_ALL = {"season": 0.4, "growth": 0.15, "drift": 0.4}
WORLDS = {
    "steady": World(week=False),
    "week": World(),
    "week, season": World(season=0.4),
    "growth": World(growth=0.3),
    "decline": World(growth=-0.3),
    "drift": World(drift=0.4),
    "strong drift": World(drift=1.0),
    "season, growth, drift": World(**_ALL),
    "the same, own seasons": World(**_ALL, own=0.5),
    "Poisson-lognormal": World(**_ALL, law="Poisson-lognormal"),
    "packs of 1, 6, 12": World(**_ALL, law="packs"),
    "bursts": World(**_ALL, law="bursts"),
    "busy spells": World(**_ALL, law="busy spells"),
    "launched and dying": World(**_ALL, turnover=0.3),
}
LAWS = ("negative binomial", "Poisson-lognormal", "packs", "bursts", "busy spells")


@dataclass(frozen=True)
class Made:
    """Demand and its true mean [items × days], the days of the past first; born: first day of each item."""

    units: Units
    mean: Floats
    born: Units

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.born)


def main() -> None:
    """Print a table for coverage and one for stock-outs."""
    asked = _arguments()
    if asked.only != "stockouts":
        coverage(asked)
    if asked.only != "coverage":
        stockouts(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="demand forecasts against panels whose truth is known")
    parser.add_argument("--only", choices=("coverage", "stockouts"))
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--kinds", action="store_true", help="by how often there is demand, too")
    parser.add_argument("--quick", action="store_true", help="two seeds of 200 items")
    asked = parser.parse_args()
    if asked.quick:
        asked.seeds, asked.items = 2, 200
    return asked


def make(world: World, items: int, seed: int, usual: float = 0.5) -> Made:
    """A panel; rates of items are lognormal around `usual` units a day, from a 25th of it to 40 times as much."""
    rng = np.random.default_rng([seed, 20])
    days = PAST + LONGEST
    rate = usual * np.exp(rng.normal(0.0, 1.3, items)).clip(0.04, 40.0)
    day = np.arange(days)
    turn = 2.0 * np.pi * day / 365.25
    phase = rng.uniform(0.0, 2.0 * np.pi, 2)
    season = world.season * (0.8 * np.sin(turn + phase[0]) + 0.4 * np.sin(2.0 * turn + phase[1]))
    loading = 1.0 + world.own * rng.standard_normal(items)
    log = world.growth * (day - PAST) / 365.25 + loading[:, None] * season
    walk = world.drift / np.sqrt(365.25) * np.cumsum(rng.standard_normal((items, days)), axis=1)
    log = log + walk - world.drift**2 / 2.0 * day / 365.25  # which neither rises nor falls on average
    if world.week:
        own = np.exp(0.2 * rng.standard_normal((items, 7)))
        shape = WEEK * own / (WEEK * own).mean(axis=1, keepdims=True)
        log = log + np.log(shape[:, day % 7])
    mean = rate[:, None] * np.exp(log)
    born = np.zeros(items, np.int64)
    if world.turnover > 0:
        launched = rng.random(items) < world.turnover
        born = np.where(launched, rng.integers(1, PAST - 7, items), 0)
        died = born + rng.exponential(365.25 / world.turnover, items)
        mean = mean * ((day >= born[:, None]) & (day < died[:, None]))
    return Made(_LAWS[world.law](mean, rng), mean, born)


def _negative_binomial(mean: Floats, rng: np.random.Generator) -> Units:
    """Variance over mean between 1.2 and 4, by item."""
    ratio = np.exp(rng.uniform(np.log(1.2), np.log(4.0), (len(mean), 1)))
    return rng.poisson(rng.standard_gamma(np.maximum(mean, 1e-12) / (ratio - 1.0)) * (ratio - 1.0))


def _poisson_lognormal(mean: Floats, rng: np.random.Generator) -> Units:
    """Levels of days scatter by a factor of e^0.8, so that the variance grows faster than the mean."""
    return rng.poisson(mean * np.exp(0.8 * rng.standard_normal(mean.shape) - 0.32))


def _packs(mean: Floats, rng: np.random.Generator) -> Units:
    """Orders of one pack of 1, 6 or 12 each, with chances .3 .5 .2."""
    orders = rng.poisson(mean / 5.7)
    single = rng.binomial(orders, 0.3)
    half = rng.binomial(orders - single, 0.5 / 0.7)
    return single + 6 * half + 12 * (orders - single - half)


def _bursts(mean: Floats, rng: np.random.Generator) -> Units:
    """One day in twenty has eight times the mean; the other days have what is left of it."""
    return _negative_binomial(mean * np.where(rng.random(mean.shape) < 0.05, 8.0, 0.6 / 0.95), rng)


def _busy_spells(mean: Floats, rng: np.random.Generator) -> Units:
    """Busy spells of a week on average, one day in five, with three times the mean; the other days have half of it."""
    busy = _spells(mean.shape, 0.2, 7.0, rng)
    return _negative_binomial(mean * np.where(busy, 3.0, 0.5), rng)


def _spells(shape: tuple[int, ...], share: float, length: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Where spells are on, this share of all days, so many days long on average [items × days]."""
    on = np.empty(shape, bool)
    now = rng.random(shape[0]) < share
    for t in range(shape[1]):
        on[:, t] = now
        draw = rng.random(shape[0]) * length
        now = np.where(now, draw > 1.0, draw < share / (1.0 - share))
    return on


_LAWS: dict[str, Callable[[Floats, np.random.Generator], Units]] = {
    "negative binomial": _negative_binomial,
    "Poisson-lognormal": _poisson_lognormal,
    "packs": _packs,
    "bursts": _bursts,
    "busy spells": _busy_spells,
}


def frame_of(units: Units, born: Units, in_stock: npt.NDArray[np.bool_] | None = None) -> pd.DataFrame:
    """Days with demand or without stock, and the first one of each item, as a long frame."""
    first = np.arange(units.shape[1]) == born[:, None]
    last = np.arange(units.shape[1]) == units.shape[1] - 1
    told = (units > 0) | first | last
    if in_stock is not None:
        told |= ~in_stock
    told &= np.arange(units.shape[1]) >= born[:, None]
    item, day = np.nonzero(told)
    out = pd.DataFrame({"unique_id": item, "ds": START + pd.to_timedelta(day, unit="D"), "y": units[item, day]})
    if in_stock is not None:
        out["in_stock"] = in_stock[item, day]
    return out


def lead_law() -> bf.Law:
    """A lead time of 1 to 40 days: a gamma law with mean 14 and standard deviation 6, on whole days."""
    edges = stats.gamma((14 / 6) ** 2, scale=36 / 14).cdf(np.arange(1, LONGEST + 1) + 0.5)
    return bf.Law(pd.DataFrame({"lead_time": ["all"]}), (edges / edges[-1])[None], start=1)


def coverage(asked: argparse.Namespace) -> None:
    """Print shares at or below the tail levels by regime and span."""
    print(f"{'coverage':<24}{'demand over':<14}{'items':>6}{''.join(f'{x:>12}' for x in COVERED)}{'mean':>15}{'s':>6}")
    for name in asked.worlds:
        began = time.perf_counter()
        found = pd.concat([_judge(WORLDS[name], asked.items, seed) for seed in range(asked.seeds)], ignore_index=True)
        took = time.perf_counter() - began
        for span, part in found.groupby("span", sort=False):
            print(_row(name, str(span), part, took))
            took = 0.0
        if asked.kinds:
            for kind, part in found[found["span"] == "28 days"].groupby("kind", sort=True):
                print(_row(name, f" {KINDS[int(kind)]}", part, 0.0))


def _judge(world: World, items: int, seed: int) -> pd.DataFrame:
    """One row an item and span: transform, means."""
    made = make(world, items, seed)
    forecast = bf.forecast_panel(frame_of(made.units[:, :PAST], made.born), HORIZON, "D")
    came, true = made.units[:, PAST:], made.mean[:, PAST:]
    often = (made.units[:, :PAST] > 0).sum(axis=1) / (PAST - made.born)
    kind = np.searchsorted([0.15, 0.5], often)
    frames = []
    for span, lead, law in _sums(forecast):
        drawn = 1 + np.searchsorted(lead, np.random.default_rng([seed, 21]).random(items))
        whole = (came * (np.arange(LONGEST) < drawn[:, None])).sum(axis=1)
        frame = pd.DataFrame({"seed": seed, "span": span, "kind": kind, "said": law.mean()})
        frame["true"] = true @ (1.0 - np.append(0.0, lead[:-1]))
        frame[list(COVERED)] = at_or_below(law.cdf(whole - 1), law.cdf(whole))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _sums(forecast: bf.Forecast) -> Iterator[tuple[str, Floats, bf.Law]]:
    """Name, P(lead time ≤ 1, 2, … days), and law of each sum."""
    for span in SPANS:
        yield f"{span} days", (np.arange(1, LONGEST + 1) >= span).astype(float), forecast.total(span)
    lead = lead_law()
    yield "lead time", lead.cumulative()[0], bf.lead_time_demand(forecast, lead)


def _row(name: str, span: str, part: pd.DataFrame, took: float) -> str:
    cells = "".join(f"{m:>7.3f} ±{e:.3f}".replace("±0.", "±.") for m, e in (_over_seeds(part, x) for x in COVERED))
    sums = part.groupby("seed")[["said", "true"]].sum()
    off = 100.0 * (sums["said"] / sums["true"] - 1.0)
    mean = f"{off.mean():>+8.1f} ±{_error(off):.1f} %"
    return f"{name:<24}{span:<14}{len(part):>6}{cells}{mean:>15}" + (f"{took:>6.0f}" if took else "")


def _over_seeds(part: pd.DataFrame, column: str) -> tuple[float, float]:
    """Mean, and its error from seed to seed, or from item to item where that is larger."""
    seeds = part.groupby("seed")[column].mean()
    alone = float(part[column].std(ddof=0) / np.sqrt(len(part)))
    return float(part[column].mean()), max(_error(seeds) if len(seeds) > 1 else 0.0, alone)


def _error(values: pd.Series) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def stockouts(asked: argparse.Namespace) -> None:
    """Print the bias of the mean where stock-outs hide demand."""
    seeds, items = max(1, asked.seeds // 2), max(100, asked.items // 2)
    said = ("ours", "ignored", "masked", "all seen")
    names = "".join(f"{x:>18}" for x in said)
    print(f"\nbias of the mean, %, {seeds} seeds of {items} items; in brackets: of the median item; CPU ms an item")
    print(f"{'stock-outs':<16}{'law':<20}{'days':>6}{'units lost':>11}{names}{'ms':>8}{'ignored':>9}")
    worlds = {law: World(law=law) for law in LAWS} | {"NB, season, drift": WORLDS["season, growth, drift"]}
    for scheme in ("filled weekly", "gone at random"):
        for share in (0.10, 0.25):
            for law, world in worlds.items():
                runs = [_censored(world, scheme, share, items, seed) for seed in range(seeds)]
                _print_bias(f"{scheme[:14]:<14}", law, pd.concat(runs, ignore_index=True), said)


def _print_bias(scheme: str, law: str, found: pd.DataFrame, said: tuple[str, ...]) -> None:
    cells = []
    for name in said:
        each = 100.0 * (found[name] / found["true"] - 1.0).median()
        cells.append("{:>+7.1f} ±{:.1f} ({:+.1f})".format(*_bias(found, name), each))
    rest = "".join(f"{x:>18}" for x in cells)
    lost = 1.0 - found["sold"].sum() / found["asked"].sum()
    took = f"{found['ms'].mean():>8.2f}{found['plain'].mean():>9.2f}"
    print(f"{scheme:<16}{law:<20}{found['out'].mean():>6.1%}{lost:>11.1%}{rest}{took}")


def _bias(found: pd.DataFrame, name: str) -> tuple[float, float]:
    """Bias in %, and its error from seed to seed, or from item to item where that is larger."""
    ratio = found[name].sum() / found["true"].sum()
    apart = found[name] - ratio * found["true"]
    seeds = found.groupby("seed")[[name, "true"]].sum()
    shared = _error(seeds[name] / seeds["true"]) if len(seeds) > 1 else 0.0
    error = max(float(np.sqrt((apart**2).sum()) / found["true"].sum()), shared)
    return 100.0 * (ratio - 1.0), 100.0 * error


def _censored(world: World, scheme: str, share: float, items: int, seed: int) -> pd.DataFrame:
    """One row an item: true mean of a future day, and what each way of looking at the sales says."""
    made = make(world, items, 100 + seed, usual=2.0)
    asked = made.units[:, :PAST]
    in_stock = ~_spells(asked.shape, share, 3.0, np.random.default_rng([seed, 22]))
    sold = np.where(in_stock, asked, 0)
    if scheme == "filled weekly":
        sold, in_stock = _filled_weekly(asked, share)
    began = time.process_time()
    ours = _mean(frame_of(sold, made.born, in_stock))
    took, began = time.process_time() - began, time.process_time()
    ignored = _mean(frame_of(sold, made.born))
    plain = time.process_time() - began
    masked = (sold * in_stock).sum(axis=1) / np.maximum(in_stock.sum(axis=1), 1)
    return pd.DataFrame({
        "true": made.mean[:, PAST : PAST + HORIZON].mean(axis=1), "ours": ours, "masked": masked,
        "ignored": ignored, "all seen": _mean(frame_of(asked, made.born)),
        "out": 1.0 - in_stock.mean(axis=1), "sold": sold.sum(axis=1), "asked": asked.sum(axis=1),
        "ms": 1e3 * took / items, "plain": 1e3 * plain / items, "seed": seed,
    })  # fmt: skip


def _mean(frame: pd.DataFrame) -> Floats:
    return bf.forecast_panel(frame, HORIZON, "D").total(HORIZON).mean() / HORIZON


def _filled_weekly(asked: Units, share: float) -> tuple[Units, npt.NDArray[np.bool_]]:
    """Stock is filled up on Mondays; each item's level is that under which nearest to `share` of days end without."""
    usual = np.ceil(asked.sum(axis=1) / np.maximum((asked > 0).sum(axis=1), 1)).astype(np.int64)
    low, high = np.maximum(usual, 1), np.maximum(asked.sum(axis=1), usual) + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        out = 1.0 - _sell(asked, middle)[1].mean(axis=1)
        low, high = np.where(out > share, middle, low), np.where(out > share, high, middle)
    gap = [np.abs(1.0 - _sell(asked, x)[1].mean(axis=1) - share) for x in (low, high)]
    return _sell(asked, np.where(gap[0] <= gap[1], low, high))


def _sell(asked: Units, level: Units) -> tuple[Units, npt.NDArray[np.bool_]]:
    stock, sold = level.copy(), np.empty_like(asked)
    in_stock = np.empty(asked.shape, bool)
    for t in range(asked.shape[1]):
        stock = np.maximum(stock, level) if t % 7 == 0 else stock
        sold[:, t] = np.minimum(asked[:, t], stock)
        stock = stock - sold[:, t]
        in_stock[:, t] = stock > 0
    return sold, in_stock


if __name__ == "__main__":
    main()
