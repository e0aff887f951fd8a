"""Are the receipt days of open purchases right? Against made-up purchasing whose true law is known.

Departments of `lead_time_world` (300 suppliers of Pareto sizes; effects of items; lead times that lengthen; stuck,
cancelled and split purchases; optimistic stated dates; delays that a supplier's purchases share) are loaded and fitted
as any company would be, by what was known at the snapshot. Of every purchase then open, the day of its last unit:

- *p50 p80 p90 p95*: share of U = F(x−1) + V (F(x) − F(x−1)) at or below the level, exact over V, censored at the
  horizon; over all, the overdue and the not yet due; mean over seeds, its standard error, and the worst seed;
- *MAE* and *pinball(.9)*, of min(day, horizon), as ratios to those of the true law;
- *suppliers*: of those with 30 open purchases or more, the share whose p90 covers within the 99 % band of independent
  purchases. Shared delays widen the spread of the true law's coverage too: compare the two.

Beside them: the true law; the stated date (a past one means tomorrow); quantiles of the supplier's received purchases;
boosted quantile trees made conformal on the latest fifth (Romano, Patterson, Candès 2019); each supplier's Kaplan-Meier
curve given the age; Cox's proportional hazards given the age (statsmodels `PHReg`); and a lognormal
accelerated-failure-time regression given the age, by lifelines where PEERS_PYTHON names an interpreter that has it.

Run ``python -m benchmarks.lead_time_truth`` (some minutes; ``--quick``: three seeds, no peers;
``--challenger``: ours with trees over what else is known beside; ``--variants``: departments that lack one of the
difficulties, or have more of it, or are of another size, those named or all).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

import backorder_forecast as bf

from . import lead_time_peers as peers
from .lead_time_world import START, World, draw, frames, true_law
from .scms import at_or_below

Floats = npt.NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.9, 0.95)
STATES = ("all", "overdue", "not due")
HORIZON, ENOUGH = 180, 30
TRUE, OURS = "true law", "ours"
VARIANTS = {
    "steady": {"trend": 0.0},
    "no shared delays": {"shared": 0.0},
    "more shared delays": {"shared": 0.3},
    "dates tell nothing": {"job": 0.0},
    "shortening": {"trend": -0.3},
    "small": {"suppliers": 30, "purchases": 3_000},
    "large": {"suppliers": 1_000, "purchases": 250_000},
    "large suppliers": {"suppliers": 12, "purchases": 250_000},
    "small suppliers": {"suppliers": 8_000, "purchases": 250_000},
}


def main() -> None:
    """Print one table for each department asked for."""
    asked = _arguments()
    worlds = {"issue": World()} | {name: replace(World(), **change) for name, change in VARIANTS.items()}
    wanted = list(worlds) if asked.variants == [] else asked.variants or ["issue"]
    worlds = {name: worlds[name] for name in wanted}
    for name, world in worlds.items():
        judged = [judge(world, seed, asked) for seed in range(asked.first, asked.first + asked.seeds)]
        report(name, pd.concat(judged, ignore_index=True))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="receipts of open purchases against a known truth")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--peers", type=int, default=5, help="seeds on which the peers are run")
    parser.add_argument("--quick", action="store_true", help="three seeds, no peers")
    parser.add_argument("--challenger", action="store_true", help="ours with lead_time.challenger beside")
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, help="other departments; all where none is named")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    asked = parser.parse_args()
    if asked.quick:
        asked.seeds, asked.peers = 3, 0
    return asked


def judge(world: World, seed: int, asked: argparse.Namespace) -> pd.DataFrame:
    """Scores of every purchase open at the snapshot, by each method."""
    made = draw(world, seed)
    as_of = START + pd.Timedelta(days=made.snapshot)
    past = bf.load(frames(made)).as_of(as_of)
    rows = made.open_rows
    began = time.process_time()
    laws = {TRUE: true_law(made, rows, HORIZON), OURS: _ours(past, rows)}
    seconds = time.process_time() - began
    if asked.challenger:
        told = bf.Config(lead_time={"challenger": True})
        laws |= {"ours, challenger": _ours(bf.load(frames(made), config=told).as_of(as_of), rows)}
    if seed <= asked.peers:
        laws |= peers.laws(past, _ids(rows), HORIZON)
    day = np.minimum(made.last[rows] - made.snapshot, HORIZON + 1)
    out = pd.DataFrame({"supplier": made.supplier[rows]})
    out["state"] = np.where(made.placed[rows] + made.stated[rows] < made.snapshot, "overdue", "not due")
    parts = [_scores(law, day).assign(method=method) for method, law in laws.items()]
    scored = pd.concat([pd.concat([out, part], axis=1) for part in parts], ignore_index=True)
    return scored.assign(seed=seed, seconds=seconds)


def _ids(rows: npt.NDArray[np.int64]) -> list[str]:
    return [f"p{i:06d}" for i in rows]


def _ours(past: bf.Past, rows: npt.NDArray[np.int64]) -> Floats:
    """Our law of the last unit [rows × 0 … horizon]."""
    law = bf.fit_lead_times(past).remaining
    place = pd.Index(law.index["po_line_id"]).get_indexer(_ids(rows))
    if (place < 0).any() or len(place) != len(law):
        raise AssertionError("the open purchases are not those that are open")
    return np.concatenate([np.zeros((len(rows), 1)), law.table[place]], axis=1)


def _scores(law: Floats, day: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Transform and losses of each purchase; a day beyond the horizon is censored there."""
    closed = np.concatenate([law, np.ones((len(law), 1))], axis=1)
    rows = np.arange(len(law))
    low, high = closed[rows, day - 1], closed[rows, day]
    out = pd.DataFrame({f"p{level * 100:.0f}": at_or_below(level, low, high) for level in LEVELS})
    for name, level in (("MAE", 0.5), ("pinball", 0.9)):
        quantile = np.minimum((law < level - 1e-12).sum(axis=1), HORIZON)
        gap = np.minimum(day, HORIZON) - quantile
        out[name] = np.maximum(level * gap, (level - 1) * gap)
    return out


# the table ------------------------------------------------------------------------------------------------


def report(name: str, scored: pd.DataFrame) -> None:
    """Print every method's scores by state."""
    open_rows = len(scored[scored["method"] == OURS]) / scored["seed"].nunique()
    seconds = scored.groupby("seed")["seconds"].first().mean()
    print(f"\n{name}: {scored['seed'].nunique()} seeds, {open_rows:.0f} open purchases each, {seconds:.1f} CPU s a fit")
    head = "".join(f"{f'p{level * 100:.0f}':>8}{'±':>6}{'worst':>7}" for level in LEVELS)
    print(f"{'':<22}{'':<9}{'n':>7}{head}{'MAE':>8}{'pinball':>9}{'suppliers':>11}")
    for method in scored["method"].unique():
        for state in STATES:
            print(_line(scored, method, state))


def _line(scored: pd.DataFrame, method: str, state: str) -> str:
    seen = scored if state == "all" else scored[scored["state"] == state]
    part = seen[seen["method"] == method]
    true = seen[(seen["method"] == TRUE) & seen["seed"].isin(part["seed"].unique())]
    cells = ""
    for level in LEVELS:
        by_seed = part.groupby("seed")[f"p{level * 100:.0f}"].mean()
        worst = by_seed.iloc[int(np.argmax(np.abs(by_seed.to_numpy() - level)))]
        cells += f"{by_seed.mean():>8.3f}{by_seed.sem():>6.3f}{worst:>7.3f}"
    ratios = [part[x].mean() / true[x].mean() for x in ("MAE", "pinball")]
    inside = f"{_inside(part):>10.0%}" if state == "all" else ""
    told = f"{method if state == 'all' else '':<22}{state:<9}{len(part):>7}"
    return f"{told}{cells}{ratios[0]:>8.3f}{ratios[1]:>9.3f} {inside}"


def _inside(part: pd.DataFrame) -> float:
    """Share of (seed, supplier) with enough open purchases whose p90 covers within a 99 % band of independent ones."""
    cells = part.groupby(["seed", "supplier"])["p90"].agg(["sum", "size"])
    cells = cells[cells["size"] >= ENOUGH]
    low, high = stats.binom.ppf([[0.005], [0.995]], cells["size"].to_numpy(), 0.9)
    return float(((cells["sum"] >= low - 0.5) & (cells["sum"] <= high + 0.5)).mean())


if __name__ == "__main__":
    main()
