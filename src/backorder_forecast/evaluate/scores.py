"""Scores that stages share: the randomised transform, pinball loss, clustered errors, calibration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..core.chance import uniform
from ..streams import keys

if TYPE_CHECKING:
    from ..law import Law

TWO_SIDED = 1.959964  # standard errors on either side that hold 95 %


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
    return spread(low, high, keys(seed, f"transform {law.origin}", law.index[name]))


def spread(low: np.ndarray, high: np.ndarray, key: np.ndarray) -> np.ndarray:
    """A number between `low` and `high` [n], drawn by key."""
    v = np.array([uniform(x, 0, 0) for x in key])
    drawn: np.ndarray = low + v * (high - low)
    return drawn


def quantile_loss(came: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Mean over levels of twice the pinball loss [n]; quantiles [n × levels].

    At level q: (came − quantile)·q above it, (quantile − came)·(1 − q) below; for many levels twice their mean is the
    continuous ranked probability score (Gneiting, Ranjan 2011).

    >>> quantile_loss(np.array([10.0]), np.array([[8.0, 14.0]]), [0.5, 0.9]).tolist()  # 2·(2·.5 + 4·.1) / 2
    [1.4]
    """
    level, above = np.asarray(levels, float), came[:, None] - quantiles
    return np.asarray(2.0 * np.maximum(level * above, (level - 1.0) * above).mean(axis=1))


def clustered_error(values: pd.Series, cluster: pd.Series) -> float:
    """Standard error of a mean whose values share their fate within clusters."""
    if len(values) < 2:
        return float("nan")
    totals = (values - values.mean()).groupby(cluster.array).sum()
    return float(np.sqrt((totals**2).sum()) / len(values))


def calibration(cases: pd.DataFrame, levels: Iterable[float] | None = None) -> pd.DataFrame:
    """Share of the outcomes at or below each level: level, share, standard_error (clustered), low, high, n.

    cases: rows of a replay, with the transform `u`. Clusters are purchase orders where the cases have a `po_id`, else
    items (`item_id`). low and high: 95 % of such samples of a right forecast
    lie between them, at each level.

    >>> rows = pd.DataFrame({"item_id": list("abcd"), "u": [0.1, 0.2, 0.3, 0.9]})
    >>> calibration(rows, [0.5])[["level", "share", "n"]].to_dict("records")
    [{'level': 0.5, 'share': 0.75, 'n': 4}]
    """
    at = np.arange(1, 100) / 100 if levels is None else np.asarray(list(levels), float)
    known = cases.dropna(subset="u")
    below = known["u"].to_numpy()[:, None] <= at
    code, clusters = pd.factorize(known["po_id" if "po_id" in known else "item_id"])
    totals = np.zeros((len(clusters), len(at)))
    # around the level, not around the share: what a right forecast would scatter by
    np.add.at(totals, code, below - at)
    error = np.sqrt((totals**2).sum(axis=0)) / max(len(known), 1)
    share = below.mean(axis=0) if len(known) else np.full(len(at), np.nan)
    low, high = np.clip(at - TWO_SIDED * error, 0, 1), np.clip(at + TWO_SIDED * error, 0, 1)
    return pd.DataFrame({"level": at, "share": share, "standard_error": error, "low": low, "high": high,
                         "n": len(known)})  # fmt: skip
