"""How fast are lead times? A million purchases of 50,000 items from 1,000 suppliers, 100,000 of them open.

CPU seconds (all threads) and the peak of memory: of the fit from arrays, of the fit from frames (`Prepared`, one
memory), of `bf.fit_lead_times` with its rehearsals of past days (which work on a sample of suppliers), and of p50, p80,
p90, p95 of what is open, given its age; of the challenger: trees trained on past days, features of what is open, and
laws moved by them. Trees are then trained and asked in a process of their own beside a loop that takes a core, with
whatever threads there are by default and with one: median wall seconds of both, in turn. Beside them, where
PEERS_PYTHON names an interpreter that has it, lifelines: a Kaplan-Meier curve for each item, of some items, the seconds
extrapolated to all.

Run ``OMP_NUM_THREADS=1 python -m benchmarks.lead_time_speed`` (two minutes; ``--purchases 100000``: a tenth).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import backorder_forecast as bf
from backorder_forecast.core.family import Cases
from backorder_forecast.core.family_fit import fit_family
from backorder_forecast.lead_time.challenger import Cases as PastCases
from backorder_forecast.lead_time.challenger import features, trained
from backorder_forecast.lead_time.once import Memory, Prepared
from backorder_forecast.lead_time.rehearsal import Rehearsals, learn_challenger, learn_correction, past_cases

Ints = npt.NDArray[np.int64]
DAYS, PERIOD, OPEN_DAYS = 1096, 28, 110
START = pd.Timestamp("2023-01-02")
LEVELS = (0.5, 0.8, 0.9, 0.95)
TURNS, AGAIN = 3, 4
SOME = 300  # items of which lifelines draws the curves
_LIFELINES = """
import sys, time, pandas as pd
from lifelines import KaplanMeierFitter
rows = pd.read_parquet(sys.argv[1])
began = time.process_time()
for _, part in rows.groupby("item"):
    KaplanMeierFitter().fit(part["days"], part["came"])
print(time.process_time() - began)
"""


def main() -> None:
    """Print one line for each thing timed."""
    parser = argparse.ArgumentParser(description="speed of lead times")
    parser.add_argument("--purchases", type=int, default=1_000_000)
    parser.add_argument("--trees", action="store_true", help="only the wall seconds of trees")
    asked = parser.parse_args()
    if asked.trees:
        print(_wall_of_trees())
        return
    made = make(asked.purchases, seed=1)
    fit_family(*_cases({name: values[:2000] for name, values in made.items()}))  # compiled, or loaded, once
    cases = _cases(made)
    began = time.process_time()
    _timed("fit from arrays", lambda: fit_family(*cases))
    ours = time.process_time() - began
    for _ in range(AGAIN):
        again = _cases(made)
        began = time.process_time()
        fit_family(*again)
        ours = min(ours, time.process_time() - began)
    print(f"{f'the best of {1 + AGAIN}':<40}{ours:>8.2f} CPU s")
    config = bf.Config(lead_time={"challenger": True})
    past = bf.load(_frames(made), config=config).as_of(START + pd.Timedelta(days=DAYS - 1))
    fitted = _timed("fit from frames", lambda: Prepared.of(past).fit(Memory()))
    _timed(
        f"quantiles of {len(fitted.open_rows):,} open", lambda: fitted.remaining_first.quantile_array(LEVELS)
    )
    _timed("fit_lead_times, rehearsals included", lambda: bf.fit_lead_times(past))
    _challenger(past, fitted)
    _threads()
    _lifelines(made, ours)


def make(n: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Purchases as arrays: house, pair, placed, days to the receipt (or so far), whether it came."""
    rng = np.random.default_rng(seed)
    houses, pairs = max(n // 1000, 2), max(n // 20, 4)
    pair = rng.integers(0, pairs, n)
    house = pair % houses
    mean = np.exp(rng.uniform(np.log(20), np.log(200), houses))[house] * rng.lognormal(0, 0.2, pairs)[pair]
    placed = rng.integers(0, DAYS, n)
    days = np.maximum(1, np.ceil(rng.gamma(9, 1 / 9, n) * mean)).astype(np.int64)
    came = placed + days < DAYS
    return {"house": house, "pair": pair, "placed": placed, "came": came,
            "days": np.where(came, days, DAYS - 1 - placed)}  # fmt: skip


def _cases(made: dict[str, npt.NDArray[Any]]) -> tuple[Cases, int, int, int, int, int]:
    n = len(made["pair"])
    low = made["days"] + np.where(made["came"], 0.0, 1.0)
    houses, pairs = int(made["house"].max()) + 1, int(made["pair"].max()) + 1
    cases = Cases(
        made["house"], made["pair"], made["house"].copy(), made["placed"] // PERIOD, np.zeros(n), low,
        made["days"] + 1.0, made["came"], np.ones(n), np.zeros(n),
    )  # fmt: skip
    return cases, houses, pairs, houses, DAYS // PERIOD + 1, int(low.max()) + 3


def _frames(made: dict[str, npt.NDArray[Any]]) -> dict[str, pd.DataFrame]:
    ids = np.char.add("p", np.arange(len(made["pair"])).astype(str))
    placed = START + pd.to_timedelta(made["placed"], "D")
    bought = pd.DataFrame(
        {
            "po_line_id": ids, "item_id": np.char.add("i", made["pair"].astype(str)), "ordered_at": placed,
            "supplier_id": np.char.add("s", made["house"].astype(str)), "qty": 5.0,
        }
    )  # fmt: skip
    came = made["came"]
    at = placed[came] + pd.to_timedelta(made["days"][came], "D")
    received = pd.DataFrame({"po_line_id": ids[came], "received_at": at, "qty": 5.0})
    return {"purchase_lines": bought, "receipts": received}


def _timed(name: str, work: Callable[[], Any]) -> Any:
    began, wall = time.process_time(), time.perf_counter()
    found = work()
    spent, waited = time.process_time() - began, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name:<40}{spent:>8.2f} CPU s{waited:>8.2f} s{peak:>8.2f} GB at most so far", flush=True)
    return found


def _challenger(past: bf.Past, fitted: Any) -> None:
    """CPU seconds that the challenger adds to a fit: trained, and its word on what is open."""
    rehearsals = Rehearsals(past, Memory())
    for day in rehearsals.days:
        rehearsals.said(day, Memory())

    def whole() -> None:
        correction, _ = learn_correction(rehearsals, Memory())
        learn_challenger(rehearsals, Memory(), correction)
        cases = past_cases(rehearsals, rehearsals.days, Memory(), correction, past.day)
        trees = trained(cases)
        if trees is None:
            raise AssertionError("there are too few past purchases to train trees on")
        trees.applied(fitted.plain_table, features(fitted))

    _timed(f"challenger, {len(fitted.open_rows):,} open", whole)


def _threads() -> None:
    """Median wall seconds of trees with the default threads and with one, while a loop takes a core."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found: dict[str, list[float]] = {"": [], "1": []}
        for _ in range(TURNS):
            for threads, seconds in found.items():
                env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
                env |= {"OMP_NUM_THREADS": threads} if threads else {}
                command = [sys.executable, "-m", "benchmarks.lead_time_speed", "--trees"]
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
                seconds.append(float(done.stdout))
    finally:
        busy.kill()
    plain, one = (float(np.median(x)) for x in found.values())
    told = "trees beside a busy core, default threads"
    print(f"{told:<40}{plain:>8.2f} s, one thread {one:.2f} s: {plain / one:.2f} of it")


def _wall_of_trees() -> float:
    """Wall seconds to train trees on as many cases as ever, and to ask them of 100,000 rows."""
    rng = np.random.default_rng(1)
    n = 40_000
    low = rng.random(n) * 0.95
    known = rng.normal(size=(n, 17))
    cases = PastCases(known, low, low + 0.05 * rng.random(n), np.ones(n), np.arange(n).astype(str))
    began = time.perf_counter()
    trees = trained(cases)
    assert trees is not None
    trees.levels(rng.normal(size=(100_000, 17)))
    return time.perf_counter() - began


def _lifelines(made: dict[str, npt.NDArray[Any]], ours: float) -> None:
    python = os.environ.get("PEERS_PYTHON")
    if not python:
        print("no lifelines: set PEERS_PYTHON")
        return
    some = made["pair"] < SOME
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.parquet"
        rows = {"item": made["pair"][some], "days": made["days"][some], "came": made["came"][some]}
        pd.DataFrame(rows).to_parquet(path)
        done = subprocess.run([python, "-c", _LIFELINES, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no lifelines: {done.stderr.strip().splitlines()[-1]}")
        return
    items = int(made["pair"].max()) + 1
    told, seconds = f"lifelines, Kaplan-Meier of {items:,} items", float(done.stdout) * items / SOME
    print(f"{told:<40}{seconds:>8.2f} CPU s (of {SOME} items, extrapolated): {seconds / ours:.0f} times ours")


if __name__ == "__main__":
    main()
