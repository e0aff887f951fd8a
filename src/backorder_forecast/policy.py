"""Each SKU's reorder policy: the one stated, or one derived from demand over the lead time, and said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from .core import replenish
from .core.queue_kernel import BASE_STOCK, NO_POLICY, RQ, SS
from .forecast import DemandLaw
from .methods.laws import Span
from .past import SKU

if TYPE_CHECKING:
    from .demand import Demand
    from .lead_time import LeadTimes
    from .past import Past

KINDS = {"rQ": RQ, "sS": SS, "base_stock": BASE_STOCK}
_LEAD_POINTS = 24  # lead times that stand for a law of them
_GOLDEN = 0.6180339887498949
_BLOCK = 64  # SKUs whose tables are held at once


class Laws(NamedTuple):
    """Demand over the days that matter to a policy, L being those from order to receipt and R those of a review.

    before: L − 1 days; protection: L + R − 1; between: L + j, j = 0 … R−1 equally likely; review: R. What comes on a
    day comes in its morning, and the decision is its evening's: see :mod:`backorder_forecast.core.replenish`.
    """

    before: DemandLaw
    protection: DemandLaw
    between: DemandLaw
    review: DemandLaw


@dataclass(frozen=True)
class Cover:
    """What reorder points have to cover, by SKU: demand, equally likely lead times [n × points], days of a review."""

    demand: Demand
    lead: np.ndarray
    review: np.ndarray

    def laws(self, rows: np.ndarray) -> Laws:
        """The laws of some SKUs."""
        lead, review = self.lead[rows], self.review[rows, None]
        # lead times and days since the review are drawn together, as points of a golden-ratio lattice
        since = np.floor(np.arange(1, lead.shape[1] + 1) * _GOLDEN % 1.0 * review)
        days = (lead - 1, lead + review - 1, lead + since, review)
        return Laws(*(_demand_over(self.demand, rows, x) for x in days))

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the demand over lead time and review."""
        mean, variance = np.zeros(len(self.lead)), np.zeros(len(self.lead))
        for rows in _blocks(np.arange(len(self.lead))):
            law = self.laws(rows).protection
            mean[rows], variance[rows] = law.mean(), law.variance()
        return mean, np.sqrt(variance)

    def delivered(self, point: np.ndarray, lot: np.ndarray, fill: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Service by each row's measure and mean stock of (point, lot), in stock units; NaN without a point."""
        service, stock = np.zeros(len(point)), np.zeros(len(point))
        for rows in _blocks(np.arange(len(point))):
            unit, found, left = self.demand.unit[rows], np.zeros(len(rows)), np.zeros(len(rows))
            before, protection, between, review = (x.cumulative() for x in self.laws(rows))
            points, lots = point[rows] / unit, _lots(lot[rows] / unit)
            replenish.deliver(before, protection, between, review, fill[rows], points, lots, found, left)
            service[rows], stock[rows] = found, left * unit
        return service, stock

    def least_points(self, lot: np.ndarray, fill: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The smallest reorder point of each row, in stock units, that reaches its target."""
        points = np.zeros(len(lot))
        for rows in _blocks(np.arange(len(lot))):
            unit, found, laws = self.demand.unit[rows], np.zeros(len(rows), np.int64), self.laws(rows)
            before, protection, review = (x.cumulative() for x in (laws.before, laws.protection, laws.review))
            lots = _lots(lot[rows] / unit)
            replenish.least_points(before, protection, review, fill[rows], lots, target[rows], found)
            points[rows] = found * unit
        return points


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK)]


def _demand_over(demand: Demand, rows: np.ndarray, days: np.ndarray) -> DemandLaw:
    """Demand over equally likely numbers of average days [rows × points]."""
    days = np.broadcast_to(days, (len(rows), days.shape[1]))
    chance = np.full(days.shape, 1.0 / max(days.shape[1], 1))
    span = Span(days * demand.usual_factor[rows, None], demand.periods_in(rows, days), chance)
    index = demand.items.iloc[rows].reset_index(drop=True)
    return DemandLaw(index, step=demand.unit[rows], panel=demand.law, item=rows, span=span)


def _lots(counts: np.ndarray) -> np.ndarray:
    lots: np.ndarray = np.maximum(np.round(counts), 1).astype(np.int64)
    return lots


@dataclass(frozen=True)
class Policies:
    """Reorder policies row for row with the SKUs.

    frame: policy, reorder_point, order_qty, order_up_to, review_days, pack_size, min_order_qty, max_stock,
    service_measure, service_target, stated (bool), supplier_id, review_phase, lead_row, can_order (bool).
    cover: the laws of demand over lead time and review; lead_days: mean lead time.
    """

    frame: pd.DataFrame
    cover: Cover
    lead_days: np.ndarray


def set_policies(past: Past, demand: Demand, lead_times: LeadTimes) -> Policies:
    """Return the policy of every SKU, derived where none is stated."""
    frame = _stated(past)
    frame["lead_row"] = lead_times.rows(frame["supplier_id"], frame["item_id"], frame["location_id"])
    stated_days = past.policies["planned_lead_time_days"].to_numpy(float)
    days = _lead_points(lead_times, frame, stated_days)
    cover = Cover(demand, days, frame["review_days"].to_numpy(float))
    frame["can_order"] = _can_order(past, lead_times, stated_days)
    _derive(past, frame, demand, cover)
    return Policies(frame, cover, days.mean(axis=1))


def _stated(past: Past) -> pd.DataFrame:
    config, stated = past.config.policy, past.policies
    frame = past.skus[SKU].copy()
    frame["policy"] = stated["policy"]
    for name in ("reorder_point", "order_qty", "order_up_to", "max_stock"):
        frame[name] = stated[name].astype(float)
    for name, default in (("review_days", config.review_days), ("pack_size", 1.0), ("min_order_qty", 0.0)):
        frame[name] = stated[name].astype(float).fillna(float(default))
    frame["review_days"] = frame["review_days"].round().clip(lower=1.0)
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
    """Which residue of the day's number each SKU is looked at on: where most of its orders fell, else Mondays'."""
    monday = pd.Timestamp("1970-01-05").toordinal()
    phase: np.ndarray = np.mod(np.full(len(review), monday), review).astype(np.int64)
    rows = past.purchases.merge(past.skus[SKU].assign(sku=np.arange(len(review))), on=SKU)
    since = rows["ordered_at"].to_numpy("datetime64[D]").astype(np.int64)
    ordinal = since + pd.Timestamp("1970-01-01").toordinal()
    rest = pd.DataFrame({"sku": rows["sku"], "rest": ordinal % review[rows["sku"]].astype(np.int64), "n": 1})
    votes = rest.groupby(["sku", "rest"], sort=True)["n"].sum().reset_index()
    best = votes.sort_values(["sku", "n", "rest"], ascending=[True, False, True]).drop_duplicates("sku")
    best = best[best["n"].to_numpy() * 2 > np.bincount(rest["sku"], minlength=len(review))[best["sku"]]]
    phase[best["sku"].to_numpy()] = best["rest"].to_numpy()
    return phase


def _can_order(past: Past, lead_times: LeadTimes, stated_days: np.ndarray) -> np.ndarray:
    """Whether a new order's lead time can be said at all, and the item is still bought."""
    known = len(lead_times.purchases) > 0
    ended = past.days_since(past.skus["discontinued_date"]) >= 0
    can: np.ndarray = (known | ~np.isnan(stated_days)) & ~ended
    return can


def _lead_points(lead_times: LeadTimes, frame: pd.DataFrame, stated: np.ndarray) -> np.ndarray:
    """Equally likely lead times standing for each SKU's law [n × points], at least a day; stated ones if none.

    Each point is the mean of its share of the law, so that the mean of the points is the law's.
    """
    if not len(lead_times.purchases):
        return np.repeat(np.maximum(np.nan_to_num(stated), 1.0)[:, None], _LEAD_POINTS, axis=1)
    laws = np.stack([_points(row) for row in lead_times.received_laws])
    points: np.ndarray = laws[frame["lead_row"].to_numpy()]
    return points


def _points(cdf: np.ndarray) -> np.ndarray:
    """Means of equally likely shares of one law of days 0, 1, …; what never comes has no lead time."""
    if cdf[-1] <= 0.0:
        return np.ones(_LEAD_POINTS)
    levels = np.append(0.0, cdf / cdf[-1])
    days = np.maximum(np.arange(len(cdf)), 1.0)
    partial = np.append(0.0, np.cumsum(np.diff(levels) * days))  # of the mean, up to each level
    shares = np.arange(_LEAD_POINTS + 1) / _LEAD_POINTS
    points: np.ndarray = _LEAD_POINTS * np.diff(np.interp(shares, levels, partial))
    return points


def lot_sizes(frame: pd.DataFrame, unit: np.ndarray) -> np.ndarray:
    """Units of one order: the lot (rQ), from reorder point up (sS), or the least there is, in packs; ≥ a unit."""
    gap = frame["order_up_to"] - frame["reorder_point"]
    lot = np.where(frame["policy"] == "rQ", frame["order_qty"], np.where(frame["policy"] == "sS", gap, unit))
    pack, least = frame["pack_size"].to_numpy(float), frame["min_order_qty"].to_numpy(float)
    lots: np.ndarray = np.fmax(pack * np.ceil(np.fmax(lot, least) / pack - 1e-9), unit)
    return lots


def suggested_points(frame: pd.DataFrame, cover: Cover) -> np.ndarray:
    """The reorder point of each row that meets its target with its lot, as far as the stock allowed goes."""
    lot = lot_sizes(frame, cover.demand.unit)
    points = cover.least_points(lot, by_fill(frame), frame["service_target"].to_numpy(float))
    least: np.ndarray = np.minimum(points, np.maximum(frame["max_stock"].to_numpy(float) - lot, 0.0))
    return least


def by_fill(frame: pd.DataFrame) -> np.ndarray:
    """Which targets are fill rates; all others count cycles without shortage."""
    fill: np.ndarray = (frame["service_measure"] == "fill").to_numpy(bool)
    return fill


def _derive(past: Past, frame: pd.DataFrame, demand: Demand, cover: Cover) -> None:
    """Fill in policies that are not stated: order a cover at the reorder point that meets the target."""
    missing = np.flatnonzero(~frame["stated"].to_numpy())
    days = past.config.policy.cover_days
    frame.loc[missing, "policy"] = "rQ"
    lot = np.ceil(demand.mean_per_day() * days / demand.unit) * demand.unit
    frame.loc[missing, "order_qty"] = np.maximum(lot, demand.unit)[missing]
    points = suggested_points(frame, cover)
    frame.loc[missing, "reorder_point"] = points[missing]
    frame["kind"] = np.where(frame["can_order"], frame["policy"].map(KINDS).fillna(NO_POLICY), NO_POLICY)
