"""Policies to reorder points: what the present setting delivers, and what would meet the target.

With X the demand over lead time and review: cycle service of (s, Q) is P(X ≤ s); fill is
1 − (E[X − s]⁺ − E[X − s − Q]⁺)/Q; mean stock is the mean of E[y − X]⁺ over positions y = s+1 … s+Q (Axsäter 2015,
chapter 5). Orders up to S behave like Q = S − s, base stock like s = S − 1 and Q = 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .past import SKU
from .policy import quantile_by_row
from .risk import backordered_now, on_order
from .tables import TEXT, check_output

if TYPE_CHECKING:
    import pandas as pd

    from .law import CountLaw
    from .queue import Outcomes

_BLOCK = 512  # rows whose distributions are held at once


def reorder_points(outcomes: Outcomes) -> pd.DataFrame:
    """The output table `reorder_points`, one row for every SKU."""
    frame, law = outcomes.policies.frame, outcomes.policies.protection
    unit, stated = outcomes.demand.unit, frame["stated"].to_numpy(bool)
    base = (frame["policy"] == "base_stock").to_numpy()
    up_to = frame["order_up_to"].to_numpy(float)
    lot = np.where(frame["policy"] == "rQ", frame["order_qty"], up_to - frame["reorder_point"])
    lot = np.where(base | ~(lot > 0), unit, lot)
    current = np.where(base, up_to - unit, frame["reorder_point"].to_numpy(float))
    measure = np.where(frame["service_measure"] == "fill", "fill", "cycle")
    target = frame["service_target"].to_numpy(float)
    best = _suggest(law, unit, lot, measure, target)
    service, stock = delivered(law, unit, best, lot, measure)
    now, now_stock = delivered(law, unit, current, lot, measure)
    out = frame[[*SKU, "policy"]].copy()
    out["reorder_point"], out["order_qty"] = best, np.where(frame["policy"] == "rQ", lot, np.nan)
    out["order_up_to"] = np.where(frame["policy"] == "rQ", np.nan, best + lot)
    out["lead_time_demand_mean"] = law.mean()
    out["safety_stock"] = best - out["lead_time_demand_mean"]
    out["lead_time_demand_sd"] = np.sqrt(law.variance())
    out["service_measure"], out["service_target"] = measure, target
    out["expected_service"], out["expected_stock"] = service, stock
    out["simulated_service"] = _simulated(outcomes, measure)
    for name in ("reorder_point", "order_qty", "order_up_to"):
        out[f"current_{name}"] = frame[name].where(stated)
    out["current_expected_service"] = np.where(stated, now, np.nan)
    out["current_expected_stock"] = np.where(stated, now_stock, np.nan)
    cost = outcomes.past.skus["unit_cost"].to_numpy(float)
    out["stock_value_change"] = (stock - np.where(stated, now_stock, np.nan)) * cost
    out["reason"] = _reasons(stated, now, target, best, current)
    out["suggested_order_qty"] = _order_now(outcomes, best, lot, base)
    columns = list(outcomes_columns(out))
    return check_output("reorder_points", out[columns])


def outcomes_columns(out: pd.DataFrame) -> list[str]:
    """The columns of `reorder_points` in the contract's order."""
    from .tables import OUTPUT

    return [x for x in OUTPUT["reorder_points"].by_name if x in out]


def delivered(
    law: CountLaw, unit: np.ndarray, point: np.ndarray, lot: np.ndarray, measure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Service by each row's measure and mean stock of (point, lot), in stock units; NaN where there is no point."""
    service, stock = np.full(len(law), np.nan), np.full(len(law), np.nan)
    for begin in range(0, len(law), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        cdf = law._rows(rows)
        below = np.cumsum(cdf, axis=1)  # below[x] = E[(x + 1 − X)⁺]
        twice = np.cumsum(below, axis=1)
        mean = (cdf.shape[1] - below[:, -1]) - 0.0
        s, q = point[rows] / unit[rows], np.maximum(lot[rows] / unit[rows], 1.0)
        held = (_at(twice, s + q - 1) - _at(twice, s - 1)) / q
        stock[rows] = np.where(np.isnan(s), np.nan, np.maximum(held, 0.0)) * unit[rows]
        short = _at(below, s - 1) - s + mean  # E[X − s]⁺ = E[s − X]⁺ − s + E[X]
        short_later = _at(below, s + q - 1) - (s + q) + mean
        fill = 1.0 - (short - short_later) / q
        found = np.where(measure[rows] == "fill", fill, _at(cdf, s, straight=False))
        service[rows] = np.where(np.isnan(s), np.nan, np.clip(found, 0.0, 1.0))
    return service, stock


def _at(table: np.ndarray, x: np.ndarray, *, straight: bool = True) -> np.ndarray:
    """Values of each row's table at x (0 below it); beyond its end the last value, or its straight continuation."""
    x = np.nan_to_num(x, nan=-1.0)
    place = np.floor(x + 1e-9).astype(np.int64)
    last = table.shape[1] - 1
    inside = np.take_along_axis(table, np.clip(place, 0, last)[:, None], axis=1)[:, 0]
    slope = (table[:, last] - table[:, last - 1]) if straight and last > 0 else 0.0
    beyond = np.maximum(place - last, 0) * slope
    value: np.ndarray = np.where(place < 0, 0.0, inside + beyond)
    return value


def _suggest(law: CountLaw, unit: np.ndarray, lot: np.ndarray, measure: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest reorder point that meets the target by each row's measure."""
    point = quantile_by_row(law, target)
    fill = np.flatnonzero(measure == "fill")
    low, high = -np.ones(len(law)), point / unit + np.maximum(lot / unit, 1.0)
    for _ in range(40):
        if not len(fill) or (high - low)[fill].max() <= 1:
            break
        middle = np.floor((low + high) / 2)
        enough = delivered(law, unit, middle * unit, lot, measure)[0] >= target
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    best: np.ndarray = np.where(measure == "fill", np.maximum(high, 0) * unit, point)
    return best


def _simulated(outcomes: Outcomes, measure: np.ndarray) -> np.ndarray:
    """Service of the policy in force over the simulated horizon; NaN where nothing was simulated or replenished."""
    out = np.full(len(measure), np.nan)
    cycles, risk = outcomes.tally.cycles, outcomes.tally.risk[:, -1]
    kept = np.divide(cycles[:, 1], cycles[:, 0], out=np.full(len(cycles), np.nan), where=cycles[:, 0] > 0)
    new = risk["new_units"]
    filled = 1.0 - np.divide(risk["short_units"], new, out=np.full(len(new), np.nan), where=new > 0)
    out[outcomes.sku_rows] = np.where(measure[outcomes.sku_rows] == "fill", filled, kept)
    return out


def _reasons(
    stated: np.ndarray, now: np.ndarray, target: np.ndarray, best: np.ndarray, current: np.ndarray
) -> pd.Series:
    import pandas as pd

    def words(i: int) -> str:
        if not stated[i]:
            return "no policy is stated: derived from demand over the lead time"
        if best[i] == current[i]:
            return f"the present setting is the least that reaches the target of {target[i]:.0%}"
        change = "raise" if best[i] > current[i] else "lower"
        return f"{change}: the present setting delivers {now[i]:.1%} against a target of {target[i]:.0%}"

    return pd.Series([words(i) for i in range(len(stated))], dtype=TEXT)


def _order_now(outcomes: Outcomes, best: np.ndarray, lot: np.ndarray, base: np.ndarray) -> np.ndarray:
    """What the suggested setting would order today, in packs; NaN where stock is unknown or nothing is bought."""
    past, frame = outcomes.past, outcomes.policies.frame
    lines = past.lines
    owed = backordered_now(outcomes)
    free = np.maximum(past.stock["on_hand"].to_numpy(float), 0.0)
    covered = np.bincount(
        _codes(outcomes), lines.loc[_waiting(outcomes), "open_qty"], len(past.skus)
    ) - owed
    position = free - covered - owed + on_order(outcomes)
    due = position <= best
    lots = np.where(frame["policy"] == "rQ", lot * (np.floor((best - position) / lot) + 1), best + lot - position)
    pack = frame["pack_size"].to_numpy(float)
    qty = np.ceil(np.maximum(lots, frame["min_order_qty"]) / pack - 1e-9) * pack
    ordered: np.ndarray = np.where(np.isnan(position), np.nan, np.where(due & frame["can_order"], qty, 0.0))
    return ordered


def _waiting(outcomes: Outcomes) -> np.ndarray:
    lines = outcomes.past.lines
    waiting: np.ndarray = ((lines["open_qty"] > 0) & ~lines["is_stale"]).to_numpy()
    return waiting


def _codes(outcomes: Outcomes) -> np.ndarray:
    from .past import sku_codes

    return sku_codes(outcomes.past, outcomes.past.lines[_waiting(outcomes)])
