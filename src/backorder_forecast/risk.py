"""Outcomes to the chance of running out, with open purchases only and with planned orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .law import days_to_dates
from .past import SKU, sku_codes
from .tables import check_output

if TYPE_CHECKING:
    from .core.queue_kernel import Tally
    from .queue import Outcomes


def backorder_risk(outcomes: Outcomes) -> pd.DataFrame:
    """The output table `backorder_risk` for the configured horizons on both supply bases; SKUs of known stock."""
    horizons = [x for x in outcomes.config.risk.horizons if x <= outcomes.horizon]
    parts = [
        _risk(outcomes, tally, days, basis)
        for days in horizons
        for basis, tally in (("open_only", outcomes.open_only), ("with_planned", outcomes.tally))
    ]
    out = pd.concat(parts, ignore_index=True)
    by = [*SKU, "horizon_days", "supply_basis"]
    return check_output("backorder_risk", out.sort_values(by, kind="stable", ignore_index=True))


def _risk(outcomes: Outcomes, tally: Tally, days: int, basis: str) -> pd.DataFrame:
    past, rows, n = outcomes.past, outcomes.sku_rows, outcomes.scenarios
    column = sorted({*(min(x, outcomes.horizon) for x in outcomes.config.risk.horizons), outcomes.horizon}).index(days)
    risk = tally.risk[:, column]
    out = past.skus[SKU].iloc[rows].reset_index(drop=True)
    out["horizon_days"], out["supply_basis"] = days, basis
    out["backorder_prob"] = risk["short"] / n
    out["expected_backorder_qty"] = risk["short_units"] / n
    new = risk["new_units"]
    out["expected_fill_rate"] = 1.0 - np.divide(risk["short_units"], new, out=np.zeros(len(new)), where=new > 0)
    out["preventable_prob"] = risk["preventable"] / n
    cumulative = np.cumsum(tally.first_short[:, : days + 1], axis=1) / n
    day = np.where(cumulative[:, -1] >= 0.5, (cumulative < 0.5).sum(axis=1), np.nan)
    out["first_backorder_p50_date"] = days_to_dates(past.day, day)
    out["expected_backorder_value"] = out["expected_backorder_qty"] * past.skus["unit_price"].to_numpy()[rows]
    out["on_hand"] = past.stock["on_hand"].to_numpy()[rows]
    out["on_order"] = on_order(outcomes)[rows]
    out["backordered_now"] = backordered_now(outcomes)[rows]
    return out


def on_order(outcomes: Outcomes) -> np.ndarray:
    """Units of open purchases by SKU."""
    open_purchases = outcomes.supply.purchases
    code = sku_codes(outcomes.past, open_purchases)
    units: np.ndarray = np.bincount(code, open_purchases["open_qty"], len(outcomes.past.skus))
    return units


def backordered_now(outcomes: Outcomes) -> np.ndarray:
    """Units wanted by now that stock does not cover, by SKU (0 where the stock is not known)."""
    past = outcomes.past
    lines = past.lines[(past.lines["open_qty"] > 0) & (past.lines["wanted_date"] <= past.day) & ~past.lines["is_stale"]]
    owed = np.bincount(sku_codes(past, lines), lines["open_qty"], len(past.skus))
    short: np.ndarray = np.maximum(owed - np.maximum(np.nan_to_num(past.stock["on_hand"].to_numpy(), nan=np.inf), 0), 0)
    return short


def stock_paths(outcomes: Outcomes) -> pd.DataFrame:
    """Projected stock of the recorded SKUs by day: p10, p50, p90 of what lies there, mean of what is backordered."""
    past, paths = outcomes.past, outcomes.tally.paths
    days = np.arange(1, outcomes.horizon + 1)
    keys = past.skus[SKU].iloc[np.repeat(outcomes.path_skus, len(days))].reset_index(drop=True)
    keys["date"] = np.tile(days_to_dates(past.day, days.astype(float)), len(outcomes.path_skus))
    for name, level in (("on_hand_p10", 0.1), ("on_hand_p50", 0.5), ("on_hand_p90", 0.9)):
        keys[name] = np.quantile(paths[:, 0], level, axis=1, method="inverted_cdf").ravel()
    keys["backordered_mean"] = paths[:, 1].mean(axis=1, dtype=float).ravel()
    return pd.DataFrame(keys)
