"""Replay: past days by the same code with only what was known then, scored on what happened later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .core.chance import uniform
from .demand import forecast_demand
from .eta import line_eta
from .law import Law
from .lead_time import fit_lead_times
from .past import Past, rebuild, sku_codes
from .queue import simulate
from .streams import keys
from .supply import forecast_supply
from .tables import TEXT, check_output, empty

if TYPE_CHECKING:
    from .config import Config
    from .dataset import Dataset

LEVELS = (0.1, 0.5, 0.9)
_NOTHING = "no line of known stock was open on the past days that could be replayed"


@dataclass(frozen=True)
class Replay:
    """scorecard: the output table; lines: every line open on a replayed day, what was said of it, what happened."""

    scorecard: pd.DataFrame
    lines: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def replay(
    data: Dataset, days: Iterable[Any] | None = None, *, config: Config | None = None,
    before: pd.Timestamp | None = None, seed: int | None = None,
) -> Replay:  # fmt: skip
    """Forecast on past days and score by what was known at the end of `before` (default: the data's last day).

    days: the days to stand on; by default `replay.days` of them, `replay.spacing_days` apart. What happened is read
    from what was known at `before`, so a replay within a run does not look past the run's own day.
    """
    config = config or data.config
    before = data.default_as_of() if before is None else before
    seed = config.simulation.seed if seed is None else seed
    step = pd.Timedelta(days=config.replay.spacing_days)
    usual = [before - step * (i + 1) for i in range(config.replay.days)]
    chosen = usual if days is None else [pd.Timestamp(x) for x in days]
    then = rebuild(data, before, config)
    fewer = config.replay.scenarios or config.simulation.scenarios
    quick = config.merged(config.model_dump(), {"simulation": {"scenarios": fewer}})
    parts = [_one_day(rebuild(data, day, quick), then, seed) for day in sorted(chosen)]
    parts = [x for x in parts if len(x)]
    if not parts:
        return Replay(empty("scorecard"), pd.DataFrame(), [_NOTHING])
    lines = pd.concat(parts, ignore_index=True)
    return Replay(_scorecard(lines), lines.drop(columns=["u"]))


def _one_day(past: Past, then: Past, seed: int) -> pd.DataFrame:
    """What was said of each line open on a past day, and what had happened by `then`."""
    waiting = past.lines[past.lines["open_qty"] > 0]
    if past.stock["on_hand"].iloc[sku_codes(past, waiting)].isna().all():
        return pd.DataFrame()
    demand, lead_times = forecast_demand(past), fit_lead_times(past)
    outcomes = simulate(past, demand, forecast_supply(past, lead_times), seed=seed)
    said = line_eta(outcomes)
    said = said[said["line_id"].isin(outcomes.lines["line_id"])].reset_index(drop=True)
    if said.empty:
        return pd.DataFrame()
    columns = ["line_id", "item_id", "location_id", "p10_date", "p50_date", "p90_date", "promised_date", "supply_state"]
    out = said[columns].copy()
    out.insert(0, "as_of", past.day)
    out["left_date"], out["censored_at"] = what_happened(then, said["line_id"])
    law = outcomes.ship_dates.take(pd.Index(outcomes.lines["line_id"]).get_indexer(said["line_id"]))
    out["u"] = randomised_transform(law, out["left_date"], out["censored_at"], seed)
    return out


def what_happened(then: Past, line_id: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The day on which each line's last unit left (NaT: not), and the last day on which it was seen waiting."""
    lines = then.lines.set_index("line_id").reindex(line_id.array)
    done = (lines["open_qty"] <= 0).to_numpy()
    cancelled_last = lines["last_cancelled_at"].notna() & ~(lines["last_shipped_at"] > lines["last_cancelled_at"])
    left = lines["last_shipped_at"].where(done & ~cancelled_last.to_numpy()).dt.floor("D")
    # cancellations come before the day's shipments: the day before was the last on which it waited
    gone = lines["last_cancelled_at"].dt.floor("D") - pd.Timedelta(days=1)
    seen = gone.where(done, then.day).fillna(then.day)
    return left.to_numpy(), seen.where(left.isna()).to_numpy()


def randomised_transform(law: Law, left: pd.Series, censored: pd.Series, seed: int) -> np.ndarray:
    """Probability-integral transform of what happened, uniform if the law is right (Czado, Gneiting, Held 2009).

    A day that has come is spread over its own mass; a line still waiting on a day over all that lies beyond it.
    """
    day = -((law.origin - left).dt.days).to_numpy(float) if law.origin is not None else left.to_numpy(float)
    seen = -((law.origin - censored).dt.days).to_numpy(float) if law.origin is not None else censored.to_numpy(float)
    came = ~np.isnan(day)
    low = np.where(came, law.cdf(np.nan_to_num(day, nan=0.0) - 1), law.cdf(np.nan_to_num(seen, nan=0.0)))
    high = np.where(came, law.cdf(np.nan_to_num(day, nan=0.0)), 1.0)
    name = law.index.columns[0]
    key = keys(seed, f"transform {law.origin}", law.index[name])
    v = np.array([uniform(x, 0, 0) for x in key])
    transformed: np.ndarray = low + v * (high - low)
    return transformed


def _scorecard(lines: pd.DataFrame) -> pd.DataFrame:
    """Shares by segment: the transform at three levels, and lines shipped by the stated dates."""
    rows = []
    for segment, part in [("all", lines), *lines.groupby("supply_state", sort=True)]:
        promised = _kept(part, "promised_date")
        for level in LEVELS:
            rows.append(_row(f"transform_p{int(level * 100):02d}", segment, part, (part["u"] <= level).astype(float)))
        for name in ("p50_date", "p90_date"):
            kept = _kept(part, name)
            rows.append(_row(f"shipped_by_{name[:3]}", segment, part, kept, float(promised.mean())))
    frame = pd.DataFrame(rows)
    frame["baseline"] = frame["baseline"].astype(TEXT)
    return check_output("scorecard", frame)


def _kept(lines: pd.DataFrame, name: str) -> pd.Series:
    """Whether each line left by a stated date; missing where that cannot be known yet."""
    stated = lines[name]
    judged = stated.notna() & (lines["left_date"].notna() | (stated <= lines["censored_at"]))
    return (lines["left_date"] <= stated).where(judged).astype(float)


def _row(
    metric: str, segment: str, part: pd.DataFrame, values: pd.Series, baseline: float | None = None
) -> dict[str, Any]:
    known = values.dropna()
    return {
        "stage": "line_eta", "metric": metric, "segment": segment,
        "value": float(known.mean()) if len(known) else np.nan,
        "standard_error": clustered_error(known, part.loc[known.index, "item_id"]), "n": len(known),
        "baseline": None if baseline is None else "stated date",
        "baseline_value": np.nan if baseline is None else baseline,
    }  # fmt: skip


def clustered_error(values: pd.Series, cluster: pd.Series) -> float:
    """Standard error of a mean whose values share their fate within clusters."""
    if len(values) < 2:
        return float("nan")
    totals = (values - values.mean()).groupby(cluster.array).sum()
    return float(np.sqrt((totals**2).sum()) / len(values))
