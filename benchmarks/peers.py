"""Quantiles of peers on a daily panel: every statsforecast model with the intervals it offers, and boosted trees.

A script of its own, so that the project's environment need not hold statsforecast:

    python benchmarks/peers.py statsforecast|boosting FOLDER [--seed 1] [--without-slow]

FOLDER holds history.parquet (unique_id, ds, y, every day of an item from its first), items.parquet (unique_id, any
categories), prices.parquet (unique_id, ds, price) and days.parquet (ds, snap, event: a code, 0 for none); the last
three are for the trees. One file a model is left there: unique_id, periods (1: one day; 7, 14, 28: the sum of the
first so many), first (the day ahead, 1…28; 1 for sums), a column for each of LEVELS, and the seconds of fit and
prediction.

*statsforecast.* A level pair is an interval the model gives; .5 is its point forecast; nothing is below 0. Models that
give no intervals of their own get conformal ones. Sums are the same model's next value on blocks of 7, 14, 28 days, as
its user would have them; "paths" sums simulated days. Slow models see a share of the items, chosen by hash, and the
last DAYS_KEPT days, which on an earlier origin cost AutoETS hardly anything (.2033 against .2028 on 60 items); their
blocks are of the whole history. A series that a model refuses gets HistoricAverage. ConformalSeasonalPool takes no
seed: its figures move in the fourth digit.

*boosting.* Histogram trees, one model a level, direct for all days ahead, and others for each sum. Settings were chosen
on days before any that m5.py scores (last day known: the 1,857th). There the target divided by the item's recent mean,
spread by U(0, 1) so that counts have quantiles (Machado and Santos Silva, 2005) and logged, beat the raw
count: mean loss over .165 .5 .835 .975 of .289, whether rows were drawn by their part in the score or not, against
.294 and .328; quantiles are floored back to counts. Eight training origins did better than 26 (.288 against .291).
"""

from __future__ import annotations

import argparse
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
LEVELS = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.9, 0.95, 0.975, 0.99, 0.995)
HORIZON, SUMS, WEEK, YEAR = 28, (7, 14, 28), 7, 364
LABELS = [str(level) for level in LEVELS]


def main() -> None:
    """Run one kind of peer on one folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("statsforecast", "boosting"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-slow", action="store_true", help="only models that can see every item")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    if asked.kind == "statsforecast":
        found = run_statsforecast(asked.folder, asked.seed, not asked.without_slow)
    else:
        found = run_boosting(asked.folder, asked.seed)
    for name, frame in found:
        frame.to_parquet(asked.folder / f"{name}.parquet")


def _rows(ids: npt.NDArray[Any], periods: int, quantiles: Floats) -> pd.DataFrame:
    """Quantiles [items × days ahead × levels] as rows; sums have one day ahead."""
    ahead = quantiles.shape[1]
    keys = {"unique_id": np.repeat(ids, ahead), "periods": periods, "first": np.tile(np.arange(1, ahead + 1), len(ids))}
    return pd.DataFrame(keys).join(pd.DataFrame(quantiles.reshape(-1, len(LEVELS)), columns=LABELS))


# ---- statsforecast

DAYS_KEPT = 400
WINDOWS = (40, 20, 10, 5, 2)  # of conformal errors, at most half of the history
PATHS = 500
PAIRS = (50, 67, 80, 90, 95, 98, 99)
MIDDLE = 0.001  # the interval whose ends are the median, for a model whose point forecast is something else


@dataclass(frozen=True)
class Peer:
    """make(days a period, conformal intervals or None) → model; one_in: share of the items, by hash."""

    make: Callable[[int, Any], Any]
    conformal: bool = False
    one_in: int = 1
    days: int | None = None
    sampled_median: bool = False
    paths: bool = False


def statsforecast_peers() -> dict[str, Peer]:
    """Every model of statsforecast 2.1.1 but those that another here chooses or tunes (fixed smoothing, ARIMA, Theta),
    those of variances, constants, UCM, and the slowest: AutoTBATS and AutoMFLES."""
    from statsforecast import models as m

    def season(days: int) -> int:
        return WEEK if days == 1 else 1

    def slow(make: Callable[[int, Any], Any], one_in: int = 20, **others: Any) -> Peer:
        return Peer(make, one_in=one_in, days=DAYS_KEPT, **others)

    return {
        "HistoricAverage": Peer(lambda k, ci: m.HistoricAverage()),
        "Naive": Peer(lambda k, ci: m.Naive()),
        "SeasonalNaive": Peer(lambda k, ci: m.SeasonalNaive(season(k))),
        "RandomWalkWithDrift": Peer(lambda k, ci: m.RandomWalkWithDrift()),
        "ConformalSeasonalPool": Peer(
            lambda k, ci: m.ConformalSeasonalPool(season(k), n_samples=1000), sampled_median=True
        ),
        "ConformalSeasonalPool paths": Peer(lambda k, ci: m.ConformalSeasonalPool(season(k)), paths=True),
        "WindowAverage 56": Peer(lambda k, ci: m.WindowAverage(56 // k, prediction_intervals=ci), conformal=True),
        "SeasonalWindowAverage 8": Peer(
            lambda k, ci: m.SeasonalWindowAverage(season(k), 8 if k == 1 else 56 // k, prediction_intervals=ci),
            conformal=True,
        ),
        "SESOptimized": Peer(
            lambda k, ci: m.SimpleExponentialSmoothingOptimized(prediction_intervals=ci), conformal=True
        ),
        "SeasonalESOptimized": Peer(
            lambda k, ci: m.SeasonalExponentialSmoothingOptimized(season(k), prediction_intervals=ci), conformal=True
        ),
        "CrostonClassic": Peer(lambda k, ci: m.CrostonClassic(prediction_intervals=ci), conformal=True),
        "CrostonOptimized": Peer(lambda k, ci: m.CrostonOptimized(prediction_intervals=ci), conformal=True),
        "CrostonSBA": Peer(lambda k, ci: m.CrostonSBA(prediction_intervals=ci), conformal=True),
        "TSB": Peer(lambda k, ci: m.TSB(0.1, 0.1, prediction_intervals=ci), conformal=True),
        "ADIDA": Peer(lambda k, ci: m.ADIDA(prediction_intervals=ci), conformal=True),
        "IMAPA": Peer(lambda k, ci: m.IMAPA(prediction_intervals=ci), conformal=True),
        "DynamicOptimizedTheta": Peer(lambda k, ci: m.DynamicOptimizedTheta(season(k)), one_in=4, days=DAYS_KEPT),
        "TBATS": Peer(lambda k, ci: m.TBATS(season(k), use_boxcox=False, use_trend=False), one_in=4, days=DAYS_KEPT),
        "AutoETS": slow(lambda k, ci: m.AutoETS(season(k))),
        "AutoETS paths": slow(lambda k, ci: m.AutoETS(season(k)), paths=True),
        "HoltWinters": slow(lambda k, ci: m.HoltWinters(season(k)) if k == 1 else m.Holt()),
        "AutoTheta": slow(lambda k, ci: m.AutoTheta(season(k))),
        "MSTL": slow(lambda k, ci: m.MSTL([WEEK if k == 1 else YEAR // k])),
        "MFLES": slow(lambda k, ci: m.MFLES(season(k) if k == 1 else None, prediction_intervals=ci), conformal=True),
        "AutoRegressive": slow(lambda k, ci: m.AutoRegressive(WEEK if k == 1 else 2)),
        "AutoCES": slow(lambda k, ci: m.AutoCES(season(k)), one_in=40),
        "AutoARIMA": slow(lambda k, ci: m.AutoARIMA(season_length=season(k), approximation=True), one_in=40),
    }


def run_statsforecast(folder: Path, seed: int, slow: bool) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and rows of each model."""
    frame = pd.read_parquet(folder / "history.parquet").sort_values(["unique_id", "ds"])
    frame["hash"] = frame["unique_id"].map({x: zlib.crc32(x.encode()) for x in frame["unique_id"].unique()})
    peers = {x: peer for x, peer in statsforecast_peers().items() if slow or peer.one_in == 1}
    for name, peer in peers.items():
        some = frame[frame["hash"] % peer.one_in == 0]
        series = {str(x): part.to_numpy(float) for x, part in some.groupby("unique_id", sort=True)["y"]}
        began = time.perf_counter()
        parts = by_paths(peer, series, seed) if peer.paths else by_intervals(peer, series)
        yield name, pd.concat(parts, ignore_index=True).assign(seconds=time.perf_counter() - began)


def by_intervals(peer: Peer, series: dict[str, Floats]) -> list[pd.DataFrame]:
    """Days, and the next block of each length; blocks are few, and need no shortening."""
    daily = {x: y[-(peer.days or len(y)) :] for x, y in series.items()}
    parts = [_rows(np.array(list(daily)), 1, intervals(peer, daily, 1, HORIZON))]
    for k in SUMS:
        blocks = {x: _blocks(y, k) for x, y in series.items()}
        parts.append(_rows(np.array(list(blocks)), k, intervals(peer, blocks, k, 1)))
    return parts


def _blocks(y: Floats, k: int) -> Floats:
    """Sums of k days, the last ones whole; of what is shorter one, at the same rate."""
    whole: Floats = y[len(y) % k :].reshape(-1, k).sum(axis=1) if len(y) >= k else y.mean(keepdims=True) * k
    return whole


def intervals(peer: Peer, series: dict[str, Floats], days: int, horizon: int) -> Floats:
    """Quantiles [items × periods ahead × levels], items that allow as many conformal windows together."""
    allowed = {
        x: next((w for w in WINDOWS if 2 * w * horizon <= len(y)), 0) if peer.conformal else 0
        for x, y in series.items()
    }
    place = {x: i for i, x in enumerate(series)}
    out = np.zeros((len(series), horizon, len(LEVELS)))
    for windows in set(allowed.values()):
        group = {x: y for x, y in series.items() if allowed[x] == windows}
        out[[place[x] for x in group]] = _forecast(peer, group, days, horizon, windows)
    return out


def _forecast(peer: Peer, series: dict[str, Floats], days: int, horizon: int, windows: int) -> Floats:
    from statsforecast import StatsForecast
    from statsforecast.models import HistoricAverage
    from statsforecast.utils import ConformalIntervals

    conformal = ConformalIntervals(h=horizon, n_windows=windows) if windows else None
    model = HistoricAverage() if peer.conformal and not windows else peer.make(days, conformal)
    median = peer.sampled_median
    lengths = [len(y) for y in series.values()]
    frame = pd.DataFrame({"unique_id": np.repeat(list(series), lengths), "y": np.concatenate(list(series.values()))})
    frame["ds"] = np.concatenate([np.arange(-n, 0) for n in lengths])
    engine = StatsForecast([model], freq=1, fallback_model=HistoricAverage())
    found = engine.forecast(df=frame, h=horizon, level=[*PAIRS, MIDDLE] if median else list(PAIRS))
    name = model.alias
    low, high = ([f"{name}-{side}-{pair}" for pair in PAIRS] for side in ("lo", "hi"))
    named = {(50 - pair / 2) / 100: column for pair, column in zip(PAIRS, low, strict=True)}
    named |= {(50 + pair / 2) / 100: column for pair, column in zip(PAIRS, high, strict=True)}
    named[0.5] = f"{name}-lo-{MIDDLE}" if median else name
    quantiles = found[[named[level] for level in LEVELS]].to_numpy(float)
    return _mended(quantiles.reshape(len(series), horizon, len(LEVELS)))


def _mended(quantiles: Floats) -> Floats:
    """At least 0; a level that a model leaves empty is its item's next lower one, or 0."""
    quantiles = np.where(np.isfinite(quantiles), quantiles, -np.inf).clip(0.0)
    return np.maximum.accumulate(quantiles, axis=-1)


def by_paths(peer: Peer, series: dict[str, Floats], seed: int) -> list[pd.DataFrame]:
    """Days and sums of simulated futures; errors drawn from past ones, which beat normal errors for AutoETS."""
    days, sums = [], {k: [] for k in SUMS}
    for y in series.values():
        simulated = peer.make(1, None).simulate(
            h=HORIZON, n_paths=PATHS, y=y[-(peer.days or len(y)) :], seed=seed, error_distribution="bootstrap"
        )
        paths = simulated.clip(0.0)
        days.append(np.quantile(paths, LEVELS, axis=0).T)
        for k in SUMS:
            sums[k].append(np.quantile(paths[:, :k].sum(axis=1), LEVELS)[None])
    ids = np.array(list(series))
    return [_rows(ids, 1, np.array(days)), *(_rows(ids, k, np.array(sums[k])) for k in SUMS)]


# ---- boosting

TREES = {"early_stopping": False, "learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 31, "min_samples_leaf": 200}
SUM_TREES = TREES | {"max_leaf_nodes": 15}
DAY_ORIGINS = range(28, 28 * 9, 28)  # days before the last known one at which training forecasts begin
SUM_ORIGINS = range(0, 14 * 26, 14)  # the same, and the sum's length more
ROWS = 200_000
DAY_LEVELS = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995)
SPREAD = 0.1  # added before logs, in units of the item's recent mean
LEAST = 0.02  # units a day, of the recent mean that targets are divided by


@dataclass(frozen=True)
class Panel:
    """units [items × days known], NaN before an item's first; price [items × all days]; kinds [items × columns] codes;
    days, snap, event: of all days, the future's too."""

    ids: npt.NDArray[Any]
    units: Floats
    price: Floats
    kinds: Floats
    days: pd.DatetimeIndex
    snap: Floats
    event: Floats


@dataclass(frozen=True)
class Table:
    """Features of rows, named; `levels` are in units and divided by `size` [rows]; target, and the draw's weight."""

    features: dict[str, Floats]
    levels: tuple[str, ...]
    size: Floats
    target: Floats
    weight: Floats


def read_panel(folder: Path) -> Panel:
    """Arrays of the four files; a price holds until the next, and the first also before it."""
    frame, price, known, items = (
        pd.read_parquet(folder / f"{x}.parquet") for x in ("history", "prices", "days", "items")
    )
    units = frame.pivot_table(index="unique_id", columns="ds", values="y", observed=True)
    known = known.sort_values("ds").set_index("ds").loc[units.columns[0] :]
    items = items.set_index("unique_id").loc[units.index]
    wide = price.pivot_table(index="unique_id", columns="ds", values="price", observed=True)
    wide = wide.reindex(units.index).reindex(columns=known.index).ffill(axis=1).bfill(axis=1)
    kinds = np.stack([pd.factorize(items[x].astype(str), sort=True)[0] for x in items], axis=1)
    ids, days = units.index.to_numpy(), pd.DatetimeIndex(known.index)
    snap, event = known["snap"].to_numpy(float), known["event"].to_numpy(float)
    return Panel(ids, units.to_numpy(float), wide.to_numpy(float), kinds.astype(float), days, snap, event)


def run_boosting(folder: Path, seed: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """One peer: days, and each sum."""
    panel = read_panel(folder)
    began = time.perf_counter()
    last = panel.units.shape[1]
    training = stacked([day_table(panel, last - back) for back in DAY_ORIGINS])
    found = boosted(training, day_table(panel, last), DAY_LEVELS, TREES, seed)
    days = found.reshape(HORIZON, len(panel.ids), len(LEVELS)).swapaxes(0, 1)
    parts = [_rows(panel.ids, 1, days)]
    for k in SUMS:
        training = stacked([sum_table(panel, last - k - back, k) for back in SUM_ORIGINS])
        levels = LEVELS if k == SUMS[-1] else DAY_LEVELS
        found = boosted(training, sum_table(panel, last, k), levels, SUM_TREES, seed)
        parts.append(_rows(panel.ids, k, found[:, None]))
    yield "boosted trees", pd.concat(parts, ignore_index=True).assign(seconds=time.perf_counter() - began)


def item_features(panel: Panel, last: int) -> tuple[dict[str, Floats], list[str], Floats]:
    """What is known of each item after `last` days; names of those in units; the recent mean."""
    past = panel.units[:, :last]
    units = {f"mean{k}": np.nanmean(past[:, -k:], axis=1) for k in (1, 3, 7, 14, 28, 56, 91, 182, 364)}
    size = np.maximum((units["mean28"] + units["mean91"]) / 2, LEAST)
    units |= {f"sd{k}": np.nanstd(past[:, -k:], axis=1) for k in (28, 91)}
    units |= {f"p{q}": np.nanquantile(past[:, -91:], q / 100, axis=1) for q in (50, 90)}
    units |= {f"week{k}": np.nanmean(past[:, last - 7 * k : last - 7 * k + 7], axis=1) for k in (2, 4)}
    others = {f"zero{k}": np.nanmean(np.where(np.isnan(past), np.nan, past == 0)[:, -k:], axis=1) for k in (28, 91)}
    others["since"] = np.argmax(np.nan_to_num(past[:, ::-1]) > 0, axis=1)
    others["age"] = np.isfinite(past).sum(axis=1)
    others["longest"] = np.array([np.diff(np.flatnonzero(x > 0)).max(initial=0) for x in past[:, -182:]])
    same = panel.kinds[:, :1] == panel.kinds[:, 0]
    group = np.nan_to_num(past).T @ same.astype(float)  # days × items: what all of the item's kind sold
    others["group now"] = group[-7:].mean(axis=0) / group[-28:].mean(axis=0)
    year = group[last - YEAR : last - YEAR + 28].mean(axis=0) / group[last - YEAR - 28 : last - YEAR].mean(axis=0)
    others["group a year ago"] = year
    others |= {f"kind{j}": panel.kinds[:, j] for j in range(panel.kinds.shape[1])}
    return units | others, list(units), size


def price_features(panel: Panel, last: int, periods: slice) -> dict[str, Floats]:
    """Price of the days asked, and relative to what it was."""
    asked = panel.price[:, periods].mean(axis=1)
    before = {k: panel.price[:, last - k : last].mean(axis=1) for k in (28, YEAR)}
    return {"price": asked, "price to month": asked / before[28], "price to year": asked / before[YEAR]}


def day_table(panel: Panel, last: int) -> Table:
    """Rows of every item on each of the days ahead, day by day."""
    features, levels, size = item_features(panel, last)
    parts, targets = [], []
    for day in range(last, last + HORIZON):
        same = [d for d in range(day - WEEK, day - 40 * WEEK, -WEEK) if d < last]
        units = {f"weekday{k}": np.nanmean(panel.units[:, same[:k]], axis=1) for k in (4, 8, 26)}
        units["year ago"] = np.nanmean(panel.units[:, day - YEAR - 3 : day - YEAR + 4], axis=1)
        date = panel.days[day]
        row = {"ahead": day - last, "weekday": date.dayofweek, "dom": date.day, "month": date.month}
        row |= {
            "snap": panel.snap[day],
            "kind of event": panel.event[day],
            "soon": panel.event[day + 1 : day + 3].any(),
        }
        price = price_features(panel, last, slice(day, day + 1))
        parts.append(features | units | {x: np.full(len(size), float(v)) for x, v in row.items()} | price)
        targets.append(panel.units[:, day] if day < panel.units.shape[1] else np.full(len(size), np.nan))
    joined = {x: np.concatenate([part[x] for part in parts]) for x in parts[0]}
    weight = np.tile(draw_weight(panel, last, size), HORIZON)
    return Table(joined, (*levels, *units), np.tile(size, HORIZON), np.concatenate(targets), weight)


def sum_table(panel: Panel, last: int, periods: int) -> Table:
    """Rows of every item: the sum of the next days, divided by their number."""
    features, levels, size = item_features(panel, last)
    ahead, date = slice(last, last + periods), panel.days[last]
    features["year ago"] = np.nanmean(panel.units[:, last - YEAR : last - YEAR + periods], axis=1)
    row = {
        "dom": date.day,
        "month": date.month,
        "snap": panel.snap[ahead].sum(),
        "events": (panel.event[ahead] > 0).sum(),
    }
    features |= {x: np.full(len(size), float(v)) for x, v in row.items()} | price_features(panel, last, ahead)
    target = panel.units[:, ahead].sum(axis=1) if ahead.stop <= panel.units.shape[1] else np.full(len(size), np.nan)
    return Table(features, (*levels, "year ago"), size * periods, target, draw_weight(panel, last, size))


def draw_weight(panel: Panel, last: int, size: Floats) -> Floats:
    """Root of an item's part in the score: revenue of four weeks over the mean step, times the size divided by."""
    past = panel.units[:, :last]
    revenue = np.nansum(past[:, -28:], axis=1) * panel.price[:, last - 1]
    return np.sqrt(revenue / np.nanmean(np.abs(np.diff(past, axis=1)), axis=1) * size)


def stacked(tables: list[Table]) -> Table:
    """One table of several origins."""
    first = tables[0]
    features = {x: np.concatenate([t.features[x] for t in tables]) for x in first.features}
    size, target, weight = (np.concatenate([getattr(t, x) for t in tables]) for x in ("size", "target", "weight"))
    return Table(features, first.levels, size, target, weight)


def boosted(training: Table, asked: Table, levels: tuple[float, ...], trees: dict[str, Any], seed: int) -> Floats:
    """Quantiles [rows × LEVELS], NaN at levels not asked."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(seed)
    weight = np.where(np.isfinite(training.target + training.size + training.weight), training.weight, 0.0)
    drawn = rng.choice(len(weight), min(ROWS, len(weight)), p=weight / weight.sum())
    target = np.log((training.target[drawn] + rng.random(len(drawn))) / training.size[drawn] + SPREAD)
    features, new = _matrix(training, drawn), _matrix(asked, np.arange(len(asked.size)))
    kinds = [j for j, x in enumerate(training.features) if x.startswith("kind")]
    out = np.full((len(new), len(LEVELS)), np.nan)
    for level in levels:
        model = HistGradientBoostingRegressor(
            loss="quantile", quantile=level, categorical_features=kinds, random_state=seed, **trees
        )
        spread = (np.exp(model.fit(features, target).predict(new)) - SPREAD) * asked.size
        out[:, LEVELS.index(level)] = np.floor(spread.clip(0.0))
    asked_for = [LEVELS.index(level) for level in levels]
    out[:, asked_for] = np.sort(out[:, asked_for], axis=1)
    return out


def _matrix(table: Table, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    size = table.size[rows]
    columns = [v[rows] / size if x in table.levels else v[rows] for x, v in table.features.items()]
    return np.stack([*columns, size], axis=1).astype(np.float32)


if __name__ == "__main__":
    main()
