"""Are the ship dates right? Against a made-up company whose true law of every line's date is known.

For each regime, seed and as-of day the main job runs on what was known by then; the generator, continued from
that day under fresh seeds, gives a sample of the true law of each open line's day (the ghost's, if it
cancels). Printed:

- *transform*: share of U = F(x-1) + V (F(x) - F(x-1)) at or below .1, .5, .9, exact over V; "law": x drawn
from the true law, "seen": x as it happened in this one company. Censored at the horizon. - *pinball* (sum of
.1 .5 .9) of our quantiles over draws of the true law, divided by the true law's own. That one is judged on
the draws from which it was taken, so it is too good by about one part in the number of continuations. -
*Brier score* of "leaves on the first possible day" for lines that are ready. - the same for the naive: the
stated date (a past one means tomorrow), and past waits given age.

Each item and day weighs the same; standard errors are clustered by item. Run ``python
benchmarks/known_truth.py --quick`` for one seed and two days.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

import backorder_forecast as bf
from backorder_forecast.synthetic import REGIMES, Company, regime, simulate_company, true_ship_days

Floats = npt.NDArray[np.float64]
LEVELS = (0.1, 0.5, 0.9)
ASSUMED = ("base", "priority")


def main() -> None:
    """Run the regimes asked for and print one block for each."""
    asked = _arguments()
    for name in asked.regimes:
        started = time.perf_counter()
        lines = pd.concat([_judge(name, seed, asked) for seed in asked.seeds], ignore_index=True)
        _print_regime(name, lines, time.perf_counter() - started)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ship dates against a company whose truth is known")
    parser.add_argument("--regimes", nargs="+", choices=sorted(REGIMES), default=list(REGIMES))
    parser.add_argument("--assumed", action="store_true", help="only the regimes that our simulation assumes")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=8, help="as-of days for each seed")
    parser.add_argument("--continuations", type=int, default=100, help="draws of the true law for each day")
    parser.add_argument("--scenarios", type=int, default=500, help="scenarios of the main job")
    parser.add_argument("--horizon", type=int, default=180, help="days")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument(
        "--quick", action="store_true", help="one seed, two days, 40 continuations, base only"
    )
    asked = parser.parse_args()
    if asked.assumed:
        asked.regimes = list(ASSUMED)
    if asked.quick:
        asked.regimes, asked.seeds, asked.days, asked.continuations = ["base"], asked.seeds[:1], 2, 40
    return asked


def _judge(name: str, seed: int, asked: argparse.Namespace) -> pd.DataFrame:
    """One row for each open line and as-of day of one company."""
    company = simulate_company(regime(name, seed=seed, items=asked.items))
    config = bf.Config(
        simulation={"scenarios": asked.scenarios, "horizon_days": asked.horizon},
        replay={"days": 0},
    )
    data = bf.load(company.tables, config=config)
    first, last = company.last_day // 2, company.last_day - asked.horizon
    days = np.unique(np.linspace(first, last, asked.days).astype(int))
    return pd.concat([_judge_day(company, data, config, int(day), asked) for day in days]).assign(seed=seed)


def _judge_day(
    company: Company, data: bf.Dataset, config: bf.Config, day: int, asked: argparse.Namespace
) -> pd.DataFrame:
    as_of, horizon = company.world.dates[day], asked.horizon
    run = bf.run(data, as_of=as_of, config=config, seed=1)
    eta = run.line_eta.set_index("line_id")
    drawn = true_ship_days(company, day, asked.continuations, seed=1, horizon=horizon)
    # without a law are lines whose stock our books do not tell; without one true date those of which the waiting
    # rest was cancelled while a piece was on its way out
    shared = run.ship_dates.index["line_id"].isin(drawn.index).to_numpy()
    law = run.ship_dates.take(np.flatnonzero(shared))
    ids = law.index["line_id"].to_numpy()
    left_out = (~shared).sum() + len(drawn) - len(ids)
    eta = eta.reindex(ids)
    truth = company.truth.set_index("line_id").reindex(ids)
    seen = (truth["ship_date"] - as_of).dt.days.to_numpy(float)
    true = _censored(drawn.reindex(ids).to_numpy(float), horizon)
    frame = pd.DataFrame(
        {
            "item_id": truth["item_id"].to_numpy(),
            "day": day,
            "left_out": left_out,
            "state": eta["supply_state"].to_numpy(),
            "priority": data.order_lines.set_index("line_id")["priority"].reindex(ids).to_numpy(),
        }
    )
    ours = np.stack([law.cdf(k) for k in range(horizon + 1)], axis=1)
    seen = _censored(np.where(np.isnan(seen), -1, seen), horizon)[:, None]
    waits = _waits_given_age(company, day, truth["wanted_date"], horizon)
    for source, table in (("ours", ours), ("waits", waits)):
        for level in LEVELS:
            frame[f"{source} law {level}"] = _at_or_below(table, true, level).mean(axis=1)
            frame[f"{source} seen {level}"] = _at_or_below(table, seen, level).mean(axis=1)
    stated = (eta["promised_date"] - as_of).dt.days.to_numpy(float)
    stated = np.clip(np.where(np.isnan(stated), 1, stated), 1, horizon)
    frame["pinball ours"] = _pinball(_quantiles(ours), true)
    frame["pinball true"] = _pinball(np.quantile(true, LEVELS, axis=1, method="inverted_cdf").T, true)
    frame["pinball waits"] = _pinball(_quantiles(waits), true)
    frame["pinball stated"] = _pinball(np.repeat(stated[:, None], len(LEVELS), axis=1), true)
    soon = int(company.world.roll[day + 1]) - day
    at_once = (true == soon).mean(axis=1)
    for source, chance in (("ours", ours[:, soon]), ("true", at_once), ("waits", waits[:, soon])):
        frame[f"brier {source}"] = at_once * (1 - chance) ** 2 + (1 - at_once) * chance**2
    return frame


def _censored(days: Floats, horizon: int) -> Floats:
    """Days 1 … horizon; later or never (below 1) becomes horizon + 1."""
    return np.where((days < 1) | (days > horizon), horizon + 1, days)


def _at_or_below(table: Floats, days: Floats, level: float) -> Floats:
    """P(U <= level) over V for each line and day, U being the randomised transform [lines x draws].

    table: P(X <= k) for k = 0 … horizon; a day of horizon + 1 is censored and takes what is left of the law.
    """
    closed = np.concatenate([table, np.ones((len(table), 1))], axis=1)
    at = days.astype(int)
    high = np.take_along_axis(closed, at, axis=1)
    low = np.take_along_axis(closed, at - 1, axis=1)
    step = np.maximum(high - low, 1e-12)
    return np.clip((level - low) / step, 0, 1)


def _quantiles(table: Floats) -> Floats:
    """Smallest day with P(X <= day) at the level or above [lines x levels]; beyond the horizon: the day after
    it."""
    return np.stack([(table < level - 1e-12).sum(axis=1) for level in LEVELS], axis=1).astype(float)


def _pinball(quantiles: Floats, days: Floats) -> Floats:
    """Sum over the levels of the mean pinball loss of each line, in days; beyond the horizon counts as the
    horizon."""
    horizon = days.max(initial=1)
    total = np.zeros(len(days))
    for column, level in enumerate(LEVELS):
        gap = np.minimum(days, horizon) - np.minimum(quantiles[:, column], horizon)[:, None]
        total += np.maximum(level * gap, (level - 1) * gap).mean(axis=1)
    return total


def _waits_given_age(company: Company, day: int, wanted: pd.Series, horizon: int) -> Floats:
    """P(X <= k) [lines x 0 … horizon] from the waits, known by then, of lines that had waited as long."""
    as_of, tables = company.world.dates[day], company.tables
    shipped = tables["shipments"]
    shipped = shipped[shipped["shipped_at"].dt.normalize() <= as_of]
    last = shipped.groupby("line_id").agg(qty=("qty", "sum"), last=("shipped_at", "max"))
    lines = tables["order_lines"].set_index("line_id").reindex(last.index)
    last = last[last["qty"] == lines["qty"]]
    began = company.truth.set_index("line_id")["wanted_date"].reindex(last.index)
    waits = np.sort((last["last"].dt.normalize() - began).dt.days.to_numpy())
    age = (as_of - wanted).dt.days.to_numpy()
    longer = len(waits) - np.searchsorted(waits, age, side="right")
    reach = age[:, None] + np.arange(horizon + 1)[None, :]
    gone = np.searchsorted(waits, reach, side="right") - (len(waits) - longer)[:, None]
    law = gone / np.maximum(longer, 1)[:, None]
    tomorrow = np.broadcast_to(np.arange(horizon + 1) >= 1, law.shape)
    return np.where((longer >= 5)[:, None], law, tomorrow)


def _share(frame: pd.DataFrame, column: str) -> tuple[float, float]:
    """Mean of a column, each item and day weighing the same, and its standard error clustered by item."""
    cells = frame.groupby(["seed", "item_id", "day"])[column].mean()
    items = cells.groupby(["seed", "item_id"]).agg(["sum", "count"])
    mean = items["sum"].sum() / items["count"].sum()
    error = np.sqrt(((items["sum"] - mean * items["count"]) ** 2).sum()) / items["count"].sum()
    return float(mean), float(error)


def _ratio(frame: pd.DataFrame, source: str) -> float:
    return _share(frame, f"pinball {source}")[0] / max(_share(frame, "pinball true")[0], 1e-9)


def _segments(lines: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    yield "all", lines
    yield from ((str(state), part) for state, part in lines.groupby("state"))
    if lines["priority"].max() > lines["priority"].min():
        yield from ((f"priority {level}", part) for level, part in lines.groupby("priority"))


def _print_regime(name: str, lines: pd.DataFrame, seconds: float) -> None:
    said = "assumed" if name in ASSUMED else "not assumed"
    print(f"\n{name} ({said}): {len(lines)} lines, {lines['seed'].nunique()} seeds, ", end="")
    left_out = lines.drop_duplicates(["seed", "day"])["left_out"].sum()
    print(f"{lines['day'].nunique()} days each, {left_out} lines left out, {seconds:.0f} s")
    header = "".join(f"{f'{kind} {level}':>16}" for kind in ("law", "seen") for level in LEVELS)
    print(f"{'':<14}{'lines':>7}{'items':>7}{header}{'pinball':>9}{'stated':>8}{'waits':>7}")
    for segment, part in _segments(lines):
        print(_row(segment, part, "ours"))
    print(_row("waits | age", lines, "waits"))
    _print_brier(lines[lines["state"] == "ready"])


def _row(segment: str, part: pd.DataFrame, source: str) -> str:
    show: Callable[[tuple[float, float]], str] = lambda pair: f"{pair[0]:>9.3f} ±{pair[1]:.3f}"  # noqa: E731
    shares = "".join(show(_share(part, f"{source} {kind} {q}")) for kind in ("law", "seen") for q in LEVELS)
    items = part.groupby(["seed", "item_id"]).ngroups
    ratios = f"{_ratio(part, source):>9.3f}{_ratio(part, 'stated'):>8.2f}{_ratio(part, 'waits'):>7.2f}"
    return f"{segment:<14}{len(part):>7}{items:>7}{shares}{ratios}"


def _print_brier(ready: pd.DataFrame) -> None:
    if ready.empty:
        print("no line is ready")
        return
    scores = {source: _share(ready, f"brier {source}")[0] for source in ("ours", "true", "waits")}
    print("ready lines, leaves on the first possible day, Brier score: ", end="")
    print(", ".join(f"{source} {score:.4f}" for source, score in scores.items()))


if __name__ == "__main__":
    main()
