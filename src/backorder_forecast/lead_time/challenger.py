"""A covariate model as challenger: what else is known of open purchases moves the levels of their laws.

A purchase's law is cut at the levels EDGES; the time from one to the next is a person-period. Gradient-boosted trees
(scikit-learn) learn from past days, out of all purchases then open, the hazard of each person-period: the chance that
the next receipt falls into it, given that it did not come before. They see what the law does not: how many lines of the
same purchase order have come, what came of the supplier lately, quantities, the weekday and the month, how much of a
stated time is left. The law is then mapped level by level, g(F), from 0 to 1 and rising, so that it stays a law; beyond
the last edge it keeps its shape.

It enters only by score: trained on older past days, with only what was known by the latest ones, it has to make what
came of the purchases then open likelier than the law does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

    from .laws import LeadTimes

EDGES = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9])
RECENT = (7, 28)  # days in which receipts tell of the present
_MOST = 40_000  # purchases on past days that trees are trained on; of more, every so manieth
_FEW = 400  # of them, from which on they are
_TINY = 1e-9
_TREES: dict[str, Any] = {
    "max_iter": 60, "learning_rate": 0.06, "max_leaf_nodes": 8, "min_samples_leaf": 100, "l2_regularization": 5.0,
    "early_stopping": False, "random_state": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Cases:
    """Purchases open on past days: features [cases × k]; low, high [cases]: between which values of its law each came,
    to 1 where it has not been seen to come; weight; cluster: those that share their fate [cases]."""

    features: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    cluster: np.ndarray

    def __len__(self) -> int:
        return len(self.low)

    def some(self) -> Cases:
        """At most so many of them as are trained on."""
        rows = np.arange(0, len(self), max(1, -(-len(self) // _MOST)))
        return Cases(self.features[rows], self.low[rows], self.high[rows], self.weight[rows], self.cluster[rows])


@dataclass(frozen=True)
class Challenger:
    """Trees over (features, person-period)."""

    trees: HistGradientBoostingClassifier

    def levels(self, features: np.ndarray) -> np.ndarray:
        """g at EDGES and 1 [rows × edges + 1]: 0 … 1, rising."""
        hazard = np.empty((len(features), len(EDGES) - 1))
        for j in range(hazard.shape[1]):
            hazard[:, j] = _predicted(self.trees, _design(features, np.full(len(features), j)))
        beyond = np.cumprod(np.clip(1.0 - hazard, _TINY, 1.0), axis=1)
        zero, one = np.zeros((len(features), 1)), np.ones((len(features), 1))
        return np.concatenate([zero, 1.0 - beyond, one], axis=1)

    def applied(self, law: np.ndarray, features: np.ndarray) -> np.ndarray:
        """g(F) of laws F [rows × days], straight between the edges."""
        return mapped(law, self.levels(features))


def mapped(law: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Piecewise straight map of laws [rows × days] that takes EDGES and 1 to the levels of each row.

    >>> mapped(np.array([[0.05, 0.5, 1.0]]), np.array([[0.0, 0.2, 0.3, 0.6, 0.8, 0.9, 1.0]])).round(3).tolist()
    [[0.1, 0.6, 1.0]]
    """
    edges = np.append(EDGES, 1.0)
    at = np.clip(np.searchsorted(edges, law, side="right") - 1, 0, len(edges) - 2)
    part = (law - edges[at]) / (edges[at + 1] - edges[at])
    low = np.take_along_axis(levels, at, axis=1)
    return np.asarray(low + part * (np.take_along_axis(levels, at + 1, axis=1) - low))


def trained(cases: Cases) -> Challenger | None:
    """Trees trained on the person-periods of the cases; None: there are too few."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    if len(cases) < _FEW:
        return None
    cases = cases.some()
    features, period, came, weight = person_periods(cases)
    if len(np.unique(came)) < 2:
        return None
    with threadpool_limits(1):  # two threads are slower where another process is busy
        trees = HistGradientBoostingClassifier(**_TREES)
        return Challenger(trees.fit(_design(features, period), came, sample_weight=weight))


def person_periods(cases: Cases) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, person-period, whether it came in it, and weight, of every case and period at risk, came or not.

    What came on one day came somewhere between two values of its law, evenly; what is only known to have waited until a
    value was at risk in that period for the part of it that it was seen to wait.
    """
    censored = cases.high >= 1.0
    low, high = cases.low[:, None], np.maximum(cases.high, cases.low + _TINY)[:, None]
    begin, end = EDGES[None, :-1], EDGES[None, 1:]
    inside = np.clip((np.minimum(high, end) - np.maximum(low, begin)) / (high - low), 0.0, 1.0)
    came = np.where(censored[:, None], 0.0, inside)
    waited = np.clip((low - begin) / (end - begin), 0.0, 1.0)  # the part of a period that a censored one was seen
    reached = np.clip((high - begin) / (high - low), 0.0, 1.0)  # P(not come before it)
    risk = np.where(censored[:, None], waited, reached)
    row, period = np.nonzero(risk > _TINY)
    both = np.concatenate([came[row, period], (risk - came)[row, period]])
    rows, periods, happened = np.tile(row, 2), np.tile(period, 2), np.repeat([1, 0], len(row))
    some = both > _TINY
    weight = both[some] * cases.weight[rows[some]]
    return cases.features[rows[some]], periods[some], happened[some], weight


def gain(challenger: Challenger, cases: Cases) -> tuple[float, float]:
    """How much likelier the challenger makes what came of cases that it has not seen: sum of log ratios to the law, and
    its standard error, by cluster."""
    levels = challenger.levels(cases.features)
    below, above = (mapped(x[:, None], levels)[:, 0] for x in (cases.low, cases.high))
    law = np.maximum(cases.high - cases.low, _TINY)
    return total_and_error(cases.weight * np.log(np.maximum(above - below, _TINY) / law), cases.cluster)


def total_and_error(each: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """Sum of values of purchases [cases], and its standard error with clusters of them [cases]."""
    sums = np.bincount(pd.factorize(cluster)[0], each)
    spread = (sums**2).sum() - sums.sum() ** 2 / max(len(sums), 1)
    return float(sums.sum()), float(np.sqrt(max(spread, 0.0)))


def features(lead_times: LeadTimes) -> np.ndarray:
    """What is known of each open purchase beside its law [open × k]."""
    rows, origin = lead_times.open_rows, lead_times.origin
    age = (origin - rows["clock_at"].dt.floor("D")).dt.days.to_numpy(float)
    left = (rows["first_promised_date"].dt.floor("D") - origin).dt.days.to_numpy(float)
    table = lead_times.plain_table
    middle = (table < 0.5).sum(axis=1) + 1.0
    columns = [
        lead_times.overdue, np.log1p(age), np.sign(left) * np.log1p(np.abs(left)), np.log(middle), table[:, -1],
        np.log1p(rows["qty"].to_numpy(float)), rows["received_qty"].to_numpy(float) > 0,
        np.full(len(rows), origin.day_of_week), np.full(len(rows), origin.month), np.log(middle + age),
        *_siblings(lead_times), *_lately(lead_times),
    ]  # fmt: skip
    return np.stack([np.asarray(x, float) for x in columns], axis=1)


def _siblings(lead_times: LeadTimes) -> list[np.ndarray]:
    """Of the lines of an open line's purchase order: how many, how many have come, and how many in the last days."""
    rows, every = lead_times.open_rows, lead_times.purchases
    came = every["first_received_at"].notna()
    fresh = came & (every["first_received_at"] > lead_times.origin - pd.Timedelta(days=RECENT[0]))
    order = every["po_id"].fillna(every["po_line_id"])
    by_order = pd.DataFrame({"lines": 1, "came": came, "fresh": fresh}).groupby(order).sum()
    mine = by_order.reindex(rows["po_id"].fillna(rows["po_line_id"]).array)
    return [np.log(mine["lines"].to_numpy(float)), *(mine[x] / mine["lines"] for x in ("came", "fresh"))]


def _lately(lead_times: LeadTimes) -> list[np.ndarray]:
    """Of an open line's supplier: lines open and received lately, in logarithm, and days since it last delivered."""
    rows, every = lead_times.open_rows, lead_times.purchases
    since = (lead_times.origin - every["last_received_at"].dt.floor("D")).dt.days
    counted = {"open": every["open_qty"] > 0} | {f"in {k}": since < k for k in RECENT}
    by = pd.DataFrame(counted).groupby(every["supplier_id"]).sum().reindex(rows["supplier_id"].array)
    last = since.groupby(every["supplier_id"]).min().reindex(rows["supplier_id"].array)
    return [*(np.log1p(by[x].to_numpy(float)) for x in counted), np.log1p(last.to_numpy(float))]


def _design(known: np.ndarray, period: np.ndarray) -> np.ndarray:
    """A column that says nothing of any row is none to scikit-learn, which asks for a value."""
    known = np.where(np.isfinite(known).any(axis=0), known, 0.0)
    return np.column_stack([period, known]).astype(np.float32)


def _predicted(trees: HistGradientBoostingClassifier, design: np.ndarray) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.asarray(trees.predict_proba(design)[:, 1])
