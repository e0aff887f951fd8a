"""How fast are demand forecasts? 10,000 items of 730 days, and a million of them in blocks.

CPU seconds (of all threads) of `bf.forecast_panel` from a long frame that leaves out days without demand, of the fit
alone from arrays, of quantiles of lead-time demand, fixed (28 days) and random (1 to 40 days, another law for each
item), in all and by item; beside them statsforecast's SBA, TSB and AutoETS (some items, the seconds extrapolated), in
the same run, if PEERS_PYTHON names an interpreter that has it. Its frame holds every day, as it must; point forecasts
unless said.

A million items: blocks of 50,000 with demand on a tenth of the days, forecast with `like=` the first one's forecast,
p95 of the demand of 28 days kept. Making up the blocks is not timed, but counts in the peak of memory.

Run ``OMP_NUM_THREADS=1 python -m benchmarks.demand_speed`` (several minutes; ``--quick``: a tenth of everything;
``--profile``: where the time goes).
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import backorder_forecast as bf
from backorder_forecast.methods.fit import Panel, fit_panel
from backorder_forecast.methods.history import History
from backorder_forecast.methods.periods import Periods
from backorder_forecast.panel import memories

Floats = npt.NDArray[np.float64]
DAYS, HORIZON, LONGEST = 730, 28, 40
START = pd.Timestamp("2023-03-06")
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
SHARES = (0.1, 0.3)
BLOCK = 50_000
ETS_ITEMS = 50


def main() -> None:
    """Print the tables."""
    asked = _arguments()
    for share in SHARES:
        events = make(asked.items, share, seed=1)
        if asked.profile:
            _profile(_frame(*events))
        else:
            _print_small(asked, share, events)
    if asked.million:
        _million(asked.million, asked.threads)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="speed of demand forecasts")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--million", type=int, default=1_000_000, help="items in blocks; 0: none")
    parser.add_argument("--threads", type=int, default=1, help="blocks worked on at once")
    parser.add_argument("--profile", action="store_true", help="the functions that take longest, and no more")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    asked = parser.parse_args()
    if asked.quick:
        asked.items, asked.million = asked.items // 10, asked.million // 10
    asked.million = 0 if asked.profile else asked.million
    return asked


def make(
    items: int, share: float, seed: int, first: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Items, days and units of the days with demand, sorted: chances of demand and sizes differ by item."""
    rng = np.random.default_rng([seed, first, 30])
    chance = rng.beta(1.2, 1.2 * (1.0 / share - 1.0), items).astype(np.float32)
    often = rng.random((items, DAYS), dtype=np.float32) < chance[:, None]
    often[:, 0] = True  # each item's history is as long as the panel's
    item, day = np.nonzero(often)
    size = np.exp(rng.normal(0.5, 0.7, items))
    units = 1 + rng.poisson(rng.standard_exponential(len(item)) * size[item])
    return item, day, units


def _frame(
    item: npt.NDArray[np.int64], day: npt.NDArray[np.int64], units: npt.NDArray[np.int64], first: int = 0
) -> pd.DataFrame:
    dates = pd.date_range(START, periods=DAYS).to_numpy()
    return pd.DataFrame({"unique_id": first + item, "ds": dates[day], "y": units})


def _arrays(item: npt.NDArray[np.int64], day: npt.NDArray[np.int64], units: npt.NDArray[np.int64]) -> Panel:
    items = int(item.max()) + 1
    history = History(item, DAYS - 1 - day, units.astype(float), np.full(items, DAYS))
    dates = pd.date_range(START, periods=DAYS + HORIZON)
    periods = Periods(DAYS, np.asarray(dates.day_of_week, np.int64), np.asarray(dates.month, np.int64) - 1, 365.25)
    return Panel(history, periods, np.zeros(items, np.int64))


def lead_laws(items: int) -> bf.Law:
    """Random lead times of 1 to 40 days: means between 5 and 25 days, a third of them as standard deviation."""
    mean = np.random.default_rng(31).uniform(5.0, 25.0, items)[:, None]
    days = np.arange(1, LONGEST + 1)
    table = np.cumsum(np.exp(-0.5 * ((days - mean) / (mean / 3.0)) ** 2), axis=1)
    return bf.Law(pd.DataFrame({"unique_id": np.arange(items)}), table / table[:, -1:], start=1)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds and the result."""
    began = time.process_time()
    done = work()
    return time.process_time() - began, done


def _print_small(asked: argparse.Namespace, share: float, events: tuple[npt.NDArray[np.int64], ...]) -> None:
    frame, panel = _frame(*events), _arrays(*events)
    items, memory = asked.items, memories(bf.Config(), 1.0)
    bf.lead_time_demand(bf.forecast_panel(frame[frame["unique_id"] < 50], HORIZON, "D"), 7).quantile_array(LEVELS)
    print(f"\n{items} items × {DAYS} days, demand on {len(frame) / items / DAYS:.0%} of days ({len(frame)} rows)")
    print(f"{'':<50}{'CPU s':>9}{'µs an item':>12}")
    arrays, _ = timed(lambda: fit_panel(panel, HORIZON, memory))
    frames, forecast = timed(lambda: bf.forecast_panel(frame, HORIZON, "D"))
    assert isinstance(forecast, bf.Forecast)
    again, _ = timed(lambda: bf.forecast_panel(frame, HORIZON, "D", like=forecast))
    fixed, _ = timed(lambda: bf.lead_time_demand(forecast, HORIZON).quantile_array(LEVELS))
    laws = lead_laws(items)
    random, _ = timed(lambda: bf.lead_time_demand(forecast, laws).quantile_array(LEVELS))
    single, _ = timed(lambda: bf.lead_time_demand(forecast, laws.take(np.zeros(1, np.int64))).quantile_array(LEVELS))
    for name, took in (
        ("fit, from arrays", arrays),
        ("fit, from a frame", frames),
        ("fit, from a frame, like= another", again),
        (f"demand over {HORIZON} days, {len(LEVELS)} quantiles", fixed),
        ("demand over a random lead time, a law an item", random),
        ("demand over a random lead time, one law for all", single),
        ("fit from a frame and fixed lead time", frames + fixed),
        ("fit from arrays and fixed lead time", arrays + fixed),
    ):
        print(f"{name:<50}{took:>9.2f}{1e6 * took / items:>12.1f}")
    if python := os.environ.get("PEERS_PYTHON", ""):
        _print_peers(python, items, events)


def _print_peers(python: str, items: int, events: tuple[npt.NDArray[np.int64], ...]) -> None:
    item, day, units = events
    dense = np.zeros((items, DAYS), np.float32)
    dense[item, day] = units
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "units.npy"
        np.save(given, dense)
        work = [python, "-W", "ignore", "-c", _PEERS, str(given), str(HORIZON), str(ETS_ITEMS)]
        said = subprocess.run(work, check=True, capture_output=True, text=True).stdout
    for line in said.splitlines():
        name, done, took = line.split("\t")
        every = float(took) * items / int(done)
        note = "" if int(done) == items else f"  (extrapolated from {done} items)"
        print(f"{f'statsforecast {name}':<50}{every:>9.2f}{1e6 * every / items:>12.1f}{note}")


_PEERS = """
import sys, time
import numpy as np, pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoETS, CrostonSBA, TSB
from statsforecast.utils import ConformalIntervals

units, h, few = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def run(model, units, **how):
    n, days = units.shape
    dates = pd.date_range("2023-03-06", periods=days)
    frame = pd.DataFrame({"unique_id": np.repeat(np.arange(n), days), "ds": np.tile(dates, n), "y": units.ravel()})
    began = time.process_time()
    StatsForecast([model], freq="D", n_jobs=1).forecast(df=frame, h=h, **how)
    return time.process_time() - began

for make, name, rows, conformal in (
    (CrostonSBA, "SBA, point", units, False), (lambda: TSB(0.1, 0.1), "TSB, point", units, False),
    (CrostonSBA, "SBA, conformal intervals (3 windows)", units, True),
    (lambda: AutoETS(season_length=7), "AutoETS, its intervals", units[:: max(1, len(units) // few)][:few], None),
):
    how = {"level": [80, 90, 98]} if conformal is not False else {}
    if conformal:
        how["prediction_intervals"] = ConformalIntervals(h=h, n_windows=3)
    run(make(), units[:2], **how)  # compiled before it is timed
    print(name, len(rows), run(make(), rows, **how), sep="\\t")
"""


def _million(items: int, threads: int) -> None:
    """Stream blocks; the first one tells what items share."""
    size = min(BLOCK, items)
    firsts = list(range(0, items, size))
    clock = {"wall": 0.0, "cpu": 0.0}
    began, shared = time.perf_counter(), None
    with ThreadPoolExecutor(threads) as pool:
        for begin in range(0, len(firsts), threads):
            frames = [_frame(*make(size, SHARES[0], 2, first), first) for first in firsts[begin : begin + threads]]
            wall, cpu = time.perf_counter(), time.process_time()
            if shared is None:  # takes what items share from itself
                shared = bf.forecast_panel(frames[0], HORIZON, "D")
            kept = list(pool.map(_of_block, frames, [shared] * len(frames)))
            clock["wall"] += time.perf_counter() - wall
            clock["cpu"] += time.process_time() - cpu
            assert all(np.isfinite(x).all() for x in kept)
            del frames
    whole = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"\n{items} items in {len(firsts)} blocks of {size}, {threads} at once: ", end="")
    print(f"{clock['wall']:.1f} s ({clock['cpu']:.1f} CPU s), peak {peak:.2f} GB; {whole:.0f} s with making them up")


def _of_block(frame: pd.DataFrame, shared: bf.Forecast) -> Floats:
    """p95 of the demand of each item over the horizon."""
    forecast = bf.forecast_panel(frame, HORIZON, "D", like=shared)
    return bf.lead_time_demand(forecast, HORIZON).quantile_array([0.95])[:, 0].astype(np.float32)


def _profile(frame: pd.DataFrame) -> None:
    watch = cProfile.Profile()
    watch.enable()
    forecast = bf.forecast_panel(frame, HORIZON, "D")
    bf.lead_time_demand(forecast, HORIZON).quantile_array(LEVELS)
    bf.lead_time_demand(forecast, lead_laws(len(forecast.items))).quantile_array(LEVELS)
    watch.disable()
    for order in ("cumulative", "tottime"):
        pstats.Stats(watch).sort_stats(order).print_stats(25)


if __name__ == "__main__":
    main()
