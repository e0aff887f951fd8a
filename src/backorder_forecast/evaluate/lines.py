"""Dates of waiting order lines: what was said of every line open on a past day, and when it left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..demand import forecast_demand
from ..eta import line_eta
from ..lead_time import fit_lead_times
from ..past import sku_codes
from ..queue import simulate
from ..supply import forecast_supply
from ..tables import TEXT, check_output
from .scores import clustered_error, randomised_transform
from .stage import Book, Stage

if TYPE_CHECKING:
    from ..past import Past

LEVELS = (0.1, 0.5, 0.9)


def judge(past: Past, then: Past, seed: int, book: Book) -> pd.DataFrame:
    """What was said of each line open on a past day, and what had happened by `then`."""
    waiting = past.lines[past.lines["open_qty"] > 0]
    if past.stock["on_hand"].iloc[sku_codes(past, waiting)].isna().all():
        return pd.DataFrame()
    with book.timed("ours"):
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


def score(lines: pd.DataFrame) -> pd.DataFrame:
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


STAGE = Stage(
    judge, score, notes=lambda lines, book: [], window=lambda config: 1,
    nothing="no line of known stock was open on the past days that could be replayed",
)  # fmt: skip
