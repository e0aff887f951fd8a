"""Each SKU's reorder policy: the one stated, or one derived from its demand over the lead time, and said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.queue_kernel import BASE_STOCK, NO_POLICY, RQ, SS
from .law import CountLaw
from .past import SKU

if TYPE_CHECKING:
    from .demand import Demand
    from .lead_time import LeadTimes
    from .past import Past

KINDS = {"rQ": RQ, "sS": SS, "base_stock": BASE_STOCK}
_LEAD_POINTS = 24  # quantiles of the lead time that stand for its law


@dataclass(frozen=True)
class Policies:
    """Reorder policies row for row with the SKUs.

    frame: policy, reorder_point, order_qty, order_up_to, review_days, pack_size, min_order_qty, max_stock,
    service_measure, service_target, stated (bool), supplier_id, review_phase, lead_row, can_order (bool).
    protection: the law of demand over lead time and review; lead_days: mean lead time.
    """

    frame: pd.DataFrame
    protection: CountLaw
    lead_days: np.ndarray


def set_policies(past: Past, demand: Demand, lead_times: LeadTimes) -> Policies:
    """Return the policy of every SKU, derived where none is stated."""
    frame = _stated(past)
    frame["lead_row"] = lead_times.rows(frame["supplier_id"], frame["item_id"])
    stated_days = past.policies["planned_lead_time_days"].to_numpy(float)
    days, weights = _lead_points(lead_times, frame, stated_days)
    review = frame["review_days"].to_numpy(float)
    protection = _demand_over(demand, days + review[:, None], weights)
    frame["can_order"] = _can_order(past, lead_times, stated_days)
    _derive(past, frame, demand, protection)
    return Policies(frame, protection, (days * weights).sum(axis=1))


def _stated(past: Past) -> pd.DataFrame:
    config, stated = past.config.policy, past.policies
    frame = past.skus[SKU].copy()
    frame["policy"] = stated["policy"]
    for name in ("reorder_point", "order_qty", "order_up_to", "max_stock"):
        frame[name] = stated[name].astype(float)
    for name, default in (("review_days", config.review_days), ("pack_size", 1.0), ("min_order_qty", 0.0)):
        frame[name] = stated[name].astype(float).fillna(float(default))
    frame["max_stock"] = frame["max_stock"].fillna(np.inf)
    frame["service_measure"] = stated["service_measure"].fillna(config.service_measure)
    frame["service_target"] = stated["service_target"].fillna(config.service_target)
    usable = {
        "rQ": frame["reorder_point"].notna() & frame["order_qty"].notna(),
        "sS": frame["reorder_point"].notna() & frame["order_up_to"].notna(),
        "base_stock": frame["order_up_to"].notna(),
    }
    frame["stated"] = False
    for kind, complete in usable.items():
        frame["stated"] |= (frame["policy"] == kind) & complete
    frame["supplier_id"] = _supplier(past, stated)
    frame["review_phase"] = _review_phase(past, frame["review_days"].to_numpy())
    return frame


def _supplier(past: Past, stated: pd.DataFrame) -> pd.Series:
    """Who is asked next: the policy's supplier, else the item's, else the latest purchase's."""
    last = past.purchases.sort_values(["ordered_at", "po_line_id"]).drop_duplicates("item_id", keep="last")
    latest = past.skus["item_id"].map(last.set_index("item_id")["supplier_id"])
    chosen = stated["supplier_id"].where(stated["supplier_id"].notna(), past.skus["supplier_id"])
    return chosen.where(chosen.notna(), latest).fillna("unknown")


def _review_phase(past: Past, review: np.ndarray) -> np.ndarray:
    """Which residue of the calendar's day number each SKU is looked at on: where most of its orders fell, else
    that of Mondays."""
    monday = pd.Timestamp("1970-01-05").toordinal()
    phase = np.mod(np.full(len(review), monday), np.maximum(review, 1)).astype(np.int64)
    rows = past.purchases.merge(past.skus[SKU].assign(sku=np.arange(len(review))), on=SKU)
    ordinal = rows["ordered_at"].to_numpy("datetime64[D]").astype(np.int64) + pd.Timestamp("1970-01-01").toordinal()
    rest = pd.DataFrame({"sku": rows["sku"], "rest": ordinal % review[rows["sku"]].astype(np.int64), "n": 1})
    votes = rest.groupby(["sku", "rest"], sort=True)["n"].sum().reset_index()
    best = votes.sort_values(["sku", "n", "rest"], ascending=[True, False, True]).drop_duplicates("sku")
    clear = best["n"].to_numpy() * 2 > np.bincount(rest["sku"], minlength=len(review))[best["sku"]]
    phase[best["sku"].to_numpy()[clear]] = best["rest"].to_numpy()[clear]
    return phase


def _can_order(past: Past, lead_times: LeadTimes, stated_days: np.ndarray) -> np.ndarray:
    """Whether a new order's lead time can be said at all, and the item is still bought."""
    known = len(lead_times.purchases) > 0
    ended = past.days_since(past.skus["discontinued_date"]) >= 0
    can: np.ndarray = (known | ~np.isnan(stated_days)) & ~ended
    return can


def _lead_points(lead_times: LeadTimes, frame: pd.DataFrame, stated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equally likely lead times standing for each SKU's law [n × points] and their weights; stated ones if none."""
    n = len(frame)
    if not len(lead_times.purchases):
        days = np.repeat(np.nan_to_num(stated, nan=0.0)[:, None], _LEAD_POINTS, axis=1)
        return days, np.full((n, _LEAD_POINTS), 1 / _LEAD_POINTS)
    laws = lead_times.received_laws
    levels = (np.arange(_LEAD_POINTS) + 0.5) / _LEAD_POINTS
    reach = laws[:, -1:] * levels  # what never comes has no lead time
    points = np.stack([np.searchsorted(row, level) for row, level in zip(laws, reach, strict=True)])
    days = np.minimum(points, laws.shape[1] - 1)[frame["lead_row"]].astype(float)
    return days, np.full((n, _LEAD_POINTS), 1 / _LEAD_POINTS)


def _demand_over(demand: Demand, days: np.ndarray, weights: np.ndarray) -> CountLaw:
    """Demand over a random number of days: a mixture over the days and the strata of the level."""
    sizes = demand.size[:, None, None] * days[:, :, None] * demand.levels[:, None, :]
    mixed = np.broadcast_to(weights[:, :, None] / demand.levels.shape[1], sizes.shape)
    n = len(sizes)
    return CountLaw(
        demand.skus[SKU].reset_index(drop=True), step=demand.unit, sizes=sizes.reshape(n, -1),
        weights=np.ascontiguousarray(mixed.reshape(n, -1)), theta=demand.theta,
    )  # fmt: skip


def _derive(past: Past, frame: pd.DataFrame, demand: Demand, protection: CountLaw) -> None:
    """Fill in policies that are not stated: reorder at the quantile that meets the target, order a cover."""
    missing = ~frame["stated"].to_numpy()
    target = frame["service_target"].to_numpy(float)
    point = quantile_by_row(protection, target)
    lot = np.maximum(np.ceil(demand.mean_per_day() * past.config.policy.cover_days / demand.unit), 1) * demand.unit
    frame.loc[missing, "policy"] = "rQ"
    frame.loc[missing, "reorder_point"] = point[missing]
    frame.loc[missing, "order_qty"] = lot[missing]
    frame["kind"] = np.where(frame["can_order"], frame["policy"].map(KINDS).fillna(NO_POLICY), NO_POLICY)


def quantile_by_row(law: CountLaw, level: np.ndarray) -> np.ndarray:
    """The quantile of each row at its own level (the last tabulated value where that is beyond)."""
    out = np.empty(len(law))
    for q in np.unique(level):
        rows = np.flatnonzero(level == q)
        values = law.quantile_array([float(np.clip(q, 1e-6, 1 - 1e-6))])[:, 0]
        out[rows] = values[rows]
    return np.nan_to_num(out, nan=float(law.width))
