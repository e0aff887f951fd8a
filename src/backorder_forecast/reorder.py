"""Policies to reorder points: what the present setting delivers, and what would meet the target.

What a setting delivers is calculated day by day, undershoot included, see :mod:`backorder_forecast.core.replenish`.
Orders up to S behave like Q = S − s, base stock like s = S − 1 and Q = 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .past import SKU, sku_codes
from .policy import by_fill, lot_sizes, suggested_points
from .risk import on_order
from .tables import check_output, text

if TYPE_CHECKING:
    import pandas as pd

    from .queue import Outcomes


def reorder_points(outcomes: Outcomes) -> pd.DataFrame:
    """The output table `reorder_points`, one row for every SKU."""
    frame, cover = outcomes.policies.frame, outcomes.policies.cover
    unit, stated = outcomes.demand.unit, frame["stated"].to_numpy(bool)
    base, by_lot = (frame["policy"] == "base_stock").to_numpy(), (frame["policy"] == "rQ").to_numpy()
    fill, lot = by_fill(frame), lot_sizes(frame, unit)
    current = np.where(base, frame["order_up_to"].to_numpy(float) - unit, frame["reorder_point"].to_numpy(float))
    best = suggested_points(frame, cover)
    service, stock = cover.delivered(best, lot, fill)
    now, now_stock = cover.delivered(current, lot, fill)
    out = frame[[*SKU, "policy", "service_target"]].copy()
    out["reorder_point"], out["order_qty"] = best, np.where(by_lot, lot, np.nan)
    out["order_up_to"] = np.where(by_lot, np.nan, best + np.where(base, unit, lot))
    out["lead_time_demand_mean"], out["lead_time_demand_sd"] = cover.moments()
    out["safety_stock"] = best - out["lead_time_demand_mean"]
    out["service_measure"] = np.where(fill, "fill", "cycle")
    out["expected_service"], out["expected_stock"] = service, stock
    out["simulated_service"] = _simulated(outcomes, fill)
    for name in ("reorder_point", "order_qty", "order_up_to"):
        out[f"current_{name}"] = frame[name].where(stated)
    out["current_expected_service"] = np.where(stated, now, np.nan)
    out["current_expected_stock"] = np.where(stated, now_stock, np.nan)
    cost = outcomes.past.skus["unit_cost"].to_numpy(float)
    out["stock_value_change"] = (stock - np.where(stated, now_stock, np.nan)) * cost
    out["reason"] = _reasons(frame, now, service, best, current)
    out["suggested_order_qty"] = _order_now(outcomes, best, lot, unit)
    return check_output("reorder_points", out)


def _simulated(outcomes: Outcomes, fill: np.ndarray) -> np.ndarray:
    """Service of the policy in force over the simulated horizon; NaN: nothing was simulated or replenished."""
    out = np.full(len(fill), np.nan)
    cycles, risk = outcomes.tally.cycles, outcomes.tally.risk[:, -1]
    kept = np.divide(cycles[:, 1], cycles[:, 0], out=np.full(len(cycles), np.nan), where=cycles[:, 0] > 0)
    new = risk["new_units"]
    filled = 1.0 - np.divide(risk["short_units"], new, out=np.full(len(new), np.nan), where=new > 0)
    out[outcomes.sku_rows] = np.where(fill[outcomes.sku_rows], filled, kept)
    return out


def _reasons(
    frame: pd.DataFrame, now: np.ndarray, service: np.ndarray, best: np.ndarray, current: np.ndarray
) -> pd.Series:
    """Why each row says what it says, in words."""
    stated, target = frame["stated"].to_numpy(bool), frame["service_target"].to_numpy(float)

    def words(i: int) -> str:
        if not stated[i]:
            return "no policy is stated: derived from demand over the lead time"
        if service[i] < target[i] - 1e-9:
            return f"the largest stock allowed reaches {service[i]:.1%} of a target of {target[i]:.0%}"
        if best[i] == current[i]:
            return f"the present setting is the least that reaches the target of {target[i]:.0%}"
        change = "raise" if best[i] > current[i] else "lower"
        return f"{change}: the present setting delivers {now[i]:.1%} against a target of {target[i]:.0%}"

    return text([words(i) for i in range(len(stated))])


def _order_now(outcomes: Outcomes, best: np.ndarray, lot: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """What the suggested setting would order today, in packs; NaN where stock is unknown or nothing is bought."""
    past, frame = outcomes.past, outcomes.policies.frame
    waiting = past.lines[(past.lines["open_qty"] > 0) & ~past.lines["is_stale"]]
    owed = np.bincount(sku_codes(past, waiting), waiting["open_qty"], len(past.skus))
    position = past.stock["on_hand"].to_numpy(float) + on_order(outcomes) - owed
    up_to = best + np.where(frame["policy"] == "base_stock", unit, lot)
    lots = lot * (np.floor((best - position) / lot) + 1)
    qty = np.maximum(np.where(frame["policy"] == "rQ", lots, up_to - position), frame["min_order_qty"])
    pack, room = frame["pack_size"].to_numpy(float), frame["max_stock"].to_numpy(float) - position
    packs = np.minimum(np.ceil(qty / pack - 1e-9), np.floor(room / pack + 1e-9))
    due = (position <= best) & frame["can_order"].to_numpy(bool)
    ordered: np.ndarray = np.where(due, np.maximum(pack * packs, 0.0), 0.0)
    ordered[np.isnan(position)] = np.nan
    return ordered
