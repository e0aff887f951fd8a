"""A store's day: M5's CA_1 (3,049 items, 1,969 days), the next 28 days and the sums of the next 7, 14 and 28.

Origins are 28 days apart, the last one 28 days before the data end. An item's history begins with its first sale.
One run prints one table; every figure is a mean over origins:

- *day*: weighted scaled pinball loss of the M5 Uncertainty rules (Makridakis et al. 2022): mean of the pinball loss
  over nine levels and 28 days, over the item's mean absolute one-day step since its first sale, weighted by its
  revenue of the last 28 days. *7, 14, 28 days*: the same of the sum, divided by its days. Behind each loss its ratio
  to ours on the same items, and ±: standard error of the loss less ours, paired, an item's origins counting as one.
- *p90 p95 p99*: share of the 28-day sums at or below that quantile, every item counting the same; ours, which is a
  law over whole units, by the transform U = F(x−1) + V (F(x) − F(x−1)), exact over V.
- *seconds*: fit and prediction, one origin, on the items named; peers on one thread.

Peers are in `peers.py`: statsforecast's models, run if PEERS_PYTHON names an interpreter that has it (`peers.txt`; by
default this one), and boosted trees on the same prices, events and snap days.

Run ``python -m benchmarks.m5`` (25 minutes on two cores). ``--quick``: one origin, a quarter of the items, no slow
peers (3 minutes). ``--keep FOLDER``: peers' quantiles stay there, and are taken from there. BACKORDER_DATA names the
folder of the data sets.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import backorder_forecast as bf

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
DATA = Path(os.environ.get("BACKORDER_DATA", Path(__file__).parents[2] / "shared" / "data"))
LEVELS = np.array([0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995])
TAILS = np.array([0.9, 0.95, 0.99])
HORIZON, SUMS, RECENT = 28, (7, 14, 28), 28
SPANS = {"day": 1} | {f"{k} days": k for k in SUMS}
COVERED = ("p90", "p95", "p99")
QUICK = 4  # one in so many items
OURS, PLAIN, BOOSTED, TREES = "ours", "ours, without drivers", "ours, boosted", "boosted trees"


@dataclass(frozen=True)
class Store:
    """units, price [items × days] (NaN: not on offer); first: day of the first sale [items]; days: ds, snap, events."""

    items: pd.DataFrame
    units: Floats
    price: Floats
    first: Counts
    days: pd.DataFrame

    def take(self, rows: Counts) -> Store:
        """Some items."""
        items = self.items.iloc[rows].reset_index(drop=True)
        return Store(items, self.units[rows], self.price[rows], self.first[rows], self.days)

    def long(self, last: int, values: Floats) -> pd.DataFrame:
        """Rows of the days before `last` from each item's first sale: unique_id, ds and the values [items × days]."""
        item, day = np.nonzero(np.arange(last) >= self.first[:, None])
        ids = pd.Categorical.from_codes(item, self.items["unique_id"])
        return pd.DataFrame({"unique_id": ids, "ds": self.days["ds"].to_numpy()[day], "value": values[item, day]})


@dataclass(frozen=True)
class Said:
    """Quantiles of the days [n × days × levels] and of each sum [n × levels]; chance that the 28 days are at or below
    each tail level [n × tails]; the items [n] and the seconds it took."""

    items: Counts
    days: Floats
    sums: dict[int, Floats]
    covered: Floats
    seconds: float


def main() -> None:
    """Print one table."""
    asked = _arguments()
    store = load()
    if asked.quick:
        keys = np.array([zlib.crc32(x.encode()) for x in store.items["unique_id"]])
        store = store.take(np.flatnonzero(keys % QUICK == 0))
    origins = [store.units.shape[1] - HORIZON * back for back in range(asked.origins, 0, -1)]
    with tempfile.TemporaryDirectory() as made:
        folder = asked.keep or Path(made)
        if not asked.without_peers:
            run_peers(store, origins, folder, asked)
        scores = pd.concat(list(_scores(store, origins, folder, asked)), ignore_index=True)
    print_table(scores)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="demand of a store's items by day")
    parser.add_argument("--origins", type=int, default=3, help="origins, 28 days apart")
    parser.add_argument("--quick", action="store_true", help="one origin, a quarter of the items, no slow peers")
    parser.add_argument("--jobs", type=int, default=2, help="peers at a time")
    parser.add_argument("--keep", type=Path, help="folder in which peers' quantiles stay")
    parser.add_argument("--without-ours", action="store_true")
    parser.add_argument("--without-peers", action="store_true")
    asked = parser.parse_args()
    asked.origins = 1 if asked.quick else asked.origins
    return asked


def load() -> Store:
    """The store, items sorted."""
    folder = DATA / "m5_ca1"
    sales = pd.read_parquet(folder / "sales.parquet").sort_values("item_id", ignore_index=True)
    calendar = pd.read_parquet(folder / "calendar.parquet")
    prices = pd.read_parquet(folder / "sell_prices.parquet")
    items = sales[["item_id", "dept_id", "cat_id"]].astype(str).rename(columns={"item_id": "unique_id"})
    weekly = prices.astype({"item_id": str}).pivot_table(index="item_id", columns="wm_yr_wk", values="sell_price")
    units = sales[calendar["d"]].to_numpy(float)
    price = weekly.reindex(items["unique_id"])[calendar["wm_yr_wk"]].to_numpy(float)
    days = calendar[["date", "snap_CA", "event_name_1", "event_name_2"]].rename(
        columns={"date": "ds", "snap_CA": "snap"}
    )
    return Store(items, units, price, (units > 0).argmax(axis=1), days)


def event_flags(store: Store, last: int) -> pd.DataFrame:
    """A column of flags for each event whose name came more than once before `last`."""
    named = store.days[["event_name_1", "event_name_2"]]
    times = pd.concat([named[x].iloc[:last] for x in named]).value_counts()
    return pd.DataFrame({x: named.eq(x).any(axis=1) for x in sorted(times.index[times > 1])})


# ---- who says what


def ours(store: Store, last: int, driven: bool = True, boosted: bool = False) -> Said:
    """One call with default settings, told each item's department, and prices, snap days and events.

    boosted: with boosted levels as a challenger in the mixture.
    """
    frame = store.long(last, store.units[:, :last]).rename(columns={"value": "y"})
    items = store.items.rename(columns={"dept_id": "category"})[["unique_id", "category"]]
    known = drivers(store, last) if driven else None
    began = time.perf_counter()
    config = bf.Config(demand={"boosted": boosted})
    forecast = bf.forecast_panel(frame, HORIZON, "D", drivers=known, items=items, config=config)
    days = forecast.quantile_array(LEVELS).reshape(-1, HORIZON, len(LEVELS))
    laws = {k: forecast.total(k) for k in SUMS}
    sums = {k: law.quantile_array(LEVELS) for k, law in laws.items()}
    took = time.perf_counter() - began
    came = store.units[:, last : last + HORIZON].sum(axis=1)
    below, at = laws[HORIZON].cdf(came - 1), laws[HORIZON].cdf(came)
    covered = np.clip((TAILS - below[:, None]) / np.maximum(at - below, 1e-12)[:, None], 0.0, 1.0)
    return Said(np.arange(len(days)), days, sums, covered, took)


def drivers(store: Store, last: int) -> list[pd.DataFrame]:
    """Snap days and events, which hold for all items, and each item's price; known ahead."""
    prices = store.long(last + HORIZON, store.price).rename(columns={"value": "price"})
    known = event_flags(store, last).assign(ds=store.days["ds"], snap=store.days["snap"].astype(bool))
    return [known.iloc[: last + HORIZON], prices]


def run_peers(store: Store, origins: list[int], folder: Path, asked: argparse.Namespace) -> None:
    """Each kind of peer at each origin as a process on one thread; what is there is not run again."""
    python = os.environ.get("PEERS_PYTHON", sys.executable)
    there = python != sys.executable or importlib.util.find_spec("statsforecast") is not None
    if not there:
        print("statsforecast is not here: PEERS_PYTHON may name an interpreter that has benchmarks/peers.txt\n")
    tasks = []
    for last in origins:
        place = folder / str(last)
        if not (place / "days.parquet").exists():
            _write_peers(store, last, place)
        tasks += [[python, "statsforecast", place]] * there + [[sys.executable, "boosting", place]]
    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(lambda task: _run_peer(*task, asked.quick), tasks))


def _run_peer(python: str, kind: str, place: Path, quick: bool) -> None:
    done = place / f"{kind}.done"
    if done.exists():
        return
    command = [python, str(Path(__file__).with_name("peers.py")), kind, str(place)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command + ["--without-slow"] * quick, check=True, env=one_thread)
    done.touch()


def _write_peers(store: Store, last: int, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    history = store.long(last, store.units[:, :last]).rename(columns={"value": "y"})
    prices = store.long(last + HORIZON, store.price).rename(columns={"value": "price"})
    for name, frame in (("history", history), ("prices", prices)):
        frame.astype({"unique_id": str}).to_parquet(place / f"{name}.parquet")
    store.items.to_parquet(place / "items.parquet")
    event = 1 + pd.factorize(store.days["event_name_1"], sort=True)[0]
    days = pd.DataFrame({"ds": store.days["ds"], "snap": store.days["snap"], "event": event})
    days.iloc[: last + HORIZON].to_parquet(place / "days.parquet")


def of_peer(store: Store, last: int, frame: pd.DataFrame) -> Said:
    """What a peer's file says."""
    frame = frame.sort_values(["unique_id", "first"])
    items = pd.Index(store.items["unique_id"]).get_indexer(frame["unique_id"].unique())
    levels, tails = [str(x) for x in LEVELS], [str(x) for x in TAILS]
    parts = {int(k): part for k, part in frame.groupby("periods")}
    days = parts[1][levels].to_numpy(float).reshape(len(items), HORIZON, len(levels))
    sums = {k: parts[k][levels].to_numpy(float) for k in SUMS}
    came = store.units[items, last : last + HORIZON].sum(axis=1)
    covered = (came[:, None] <= parts[HORIZON][tails].to_numpy(float)).astype(float)
    return Said(items, days, sums, covered, float(frame["seconds"].iloc[0]))


# ---- scores


def _scores(store: Store, origins: list[int], folder: Path, asked: argparse.Namespace) -> Iterator[pd.DataFrame]:
    """Weight, losses and coverage of every item, by origin and model."""
    for last in origins:
        if not asked.without_ours:
            yield score(store, last, ours(store, last)).assign(origin=last, model=OURS)
            yield score(store, last, ours(store, last, driven=False)).assign(origin=last, model=PLAIN)
            yield score(store, last, ours(store, last, boosted=True)).assign(origin=last, model=BOOSTED)
        files = sorted((folder / str(last)).glob("*.parquet"))
        for file in files:
            if file.stem not in ("history", "prices", "items", "days"):
                said = of_peer(store, last, pd.read_parquet(file))
                yield score(store, last, said).assign(origin=last, model=file.stem)


def score(store: Store, last: int, said: Said) -> pd.DataFrame:
    """Rows of the items that were run."""
    rows = said.items
    past, came = store.units[rows, :last], store.units[rows, last : last + HORIZON]
    stepped = np.arange(1, last) > store.first[rows, None]
    scale = (np.abs(np.diff(past, axis=1)) * stepped).sum(axis=1) / stepped.sum(axis=1)
    revenue = (past * np.nan_to_num(store.price[rows, :last]))[:, -RECENT:].sum(axis=1)
    out = pd.DataFrame({"item": rows, "weight": revenue / revenue.sum(), "seconds": said.seconds})
    out["day"] = pinball(said.days, came).mean(axis=1) / scale
    for k in SUMS:
        out[f"{k} days"] = pinball(said.sums[k], came[:, :k].sum(axis=1)) / (scale * k)
    out[list(COVERED)] = said.covered
    return out


def pinball(quantiles: Floats, came: Floats) -> Floats:
    """Mean over levels, the last axis."""
    gap = came[..., None] - quantiles
    return np.asarray(np.maximum(LEVELS * gap, (LEVELS - 1.0) * gap).mean(axis=-1))


def weighted(frame: pd.DataFrame, column: str) -> tuple[float, float]:
    """Mean over origins of the weighted mean over items, and its standard error, an item's rows counting as one."""
    origins = frame["origin"].nunique()
    part = (frame["weight"] * frame[column]).groupby(frame["item"]).sum() / origins
    weight = frame["weight"].groupby(frame["item"]).sum() / origins
    mean, n = float(part.sum()), len(part)
    return mean, float(np.sqrt(n / max(n - 1, 1) * ((part - mean * weight) ** 2).sum()))


def print_table(scores: pd.DataFrame) -> None:
    """A line a model, best days first after the base."""
    base = OURS if (scores["model"] == OURS).any() else TREES
    heads = "".join(f"{x:>22}" for x in SPANS)
    by_origin = f"day, 28 days at {', '.join(map(str, sorted(scores['origin'].unique())))}"
    print(f"Each loss with its ratio to that of {base} on the same items, and ± the standard error of the difference.")
    print(f"{'model':<28}{'items':>6}{heads}{'p90':>7}{'p95':>6}{'p99':>6}{'seconds':>9}  {by_origin}")
    beside = scores[scores["model"] == base]
    models = {str(x): part for x, part in scores.groupby("model")}
    for model in sorted(models, key=lambda x: (x != base, _ratio(models[x], beside))):
        print(_line(models[model], beside, model))


def _ratio(part: pd.DataFrame, base: pd.DataFrame) -> float:
    return weighted(part, "day")[0] / weighted(_same(base, part), "day")[0]


def _same(base: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """The base's rows of a part's items and origins, with that part's weights."""
    keys = ["item", "origin"]
    return base.drop(columns="weight").merge(part[[*keys, "weight"]], on=keys, how="right", validate="1:1")


def _line(part: pd.DataFrame, base: pd.DataFrame, model: str) -> str:
    part = part.sort_values(["origin", "item"], ignore_index=True)
    beside = _same(base, part).sort_values(["origin", "item"], ignore_index=True)
    cells = [f"{model:<28}{part['item'].nunique():>6}"]
    for span in SPANS:
        loss, error = weighted(part, span)[0], weighted(part.assign(gap=part[span] - beside[span]), "gap")[1]
        cells.append(f"{loss:>8.4f}{loss / weighted(beside, span)[0]:>6.3f} ±{error:.4f}")
    cells += [" ", *(f"{part[x].mean():>6.3f}" for x in COVERED)]
    cells.append(f"{part.groupby('origin')['seconds'].first().mean():>9.1f} ")
    for span in ("day", "28 days"):
        cells += [f" {weighted(x, span)[0]:.4f}" for _, x in part.groupby("origin")] + [" "]
    return "".join(cells).rstrip()


if __name__ == "__main__":
    main()
