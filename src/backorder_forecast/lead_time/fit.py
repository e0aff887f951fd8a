"""Durations to one law for each supplier, stretched by item; shrunk item → supplier → all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from ..core import hazards
from ..tables import TEXT
from .durations import Durations, ReceivingDays, as_planned, between, receiving_days, to_first_receipt, weights
from .laws import PAIR, LeadTimes

if TYPE_CHECKING:
    from ..past import Past

_BINS, _REACH = 25.0, 20  # the law of all: bins to one typical lead time, and typical lead times tabulated
_SCALES = np.exp(np.arange(np.log(0.5), np.log(500.0), 0.12))  # days that suppliers typically take
_POWERS = np.exp(np.linspace(-0.7, 0.7, 8))  # their spread: the law of all, squeezed or stretched in log time
_STRETCHES = np.exp(np.linspace(-1.2, 1.2, 25))  # an item's lead times against its supplier's
_ROUNDS = 4


@dataclass(frozen=True)
class _Family:
    """Λ of each supplier and, last, of one that is not known [suppliers + 1 × edges]; weights of the stretches of
    each pair [pairs × stretches] and of an item that is not known [stretches]."""

    houses: np.ndarray
    pair_weight: np.ndarray
    item_weight: np.ndarray


def fit_lead_times(past: Past) -> LeadTimes:
    """Fit lead times on the purchases that `past` knew.

    >>> from backorder_forecast.dataset import Dataset
    >>> placed = pd.date_range("2026-01-05", periods=20, freq="2D")
    >>> bought = pd.DataFrame({"po_line_id": [f"p{i}" for i in range(20)], "item_id": "x", "supplier_id": "s",
    ...                        "ordered_at": placed, "qty": 5.0})
    >>> came = pd.DataFrame({"po_line_id": bought.po_line_id, "received_at": placed + pd.Timedelta(days=9), "qty": 5.0})
    >>> fitted = fit_lead_times(Dataset.of({"purchase_lines": bought, "receipts": came}).as_of("2026-02-28"))
    >>> fitted.new_order("s", "x").quantile([0.5])["p50"].tolist()
    [9.0]
    """
    config = past.config.lead_time
    rows = past.purchases.copy()
    rows["clock_at"] = rows["ordered_at"]
    if config.clock == "confirmed_at":
        rows["clock_at"] = rows["confirmed_at"].fillna(rows["ordered_at"])
    rows["supplier_id"] = rows["supplier_id"].astype(TEXT)
    receiving = receiving_days(past, rows["clock_at"].min() if len(rows) else past.day)
    used = rows[past.days_since(rows["clock_at"]) < config.history_days].reset_index(drop=True)
    durations = to_first_receipt(past, used, receiving)
    notes = []
    if len(used) and not durations.ended.any():
        durations = as_planned(past, used)
        notes.append("nothing was ever received: lead times are the stated days of purchases and policies")
    durations = replace(durations, weight=weights(past, used, durations))
    edges = 2 + int(min(config.max_days, max(30.0, durations.high.max(initial=0.0))))
    pairs = used[PAIR].drop_duplicates().sort_values(PAIR, ignore_index=True)
    suppliers = np.array(sorted(used["supplier_id"].unique()), dtype=object)
    family = _fit_family(used, pairs, suppliers, durations, edges)
    rest, split_prob, split_share = _fit_splits(past, used, pairs, receiving, edges)
    return LeadTimes(
        past.day, past.config.simulation.horizon_days, receiving, pairs, suppliers, family.houses, _STRETCHES,
        family.pair_weight, family.item_weight, rest, split_prob, split_share, _cancel_hazard(used, durations), rows,
        tuple(notes),
    )  # fmt: skip


def _fit_family(
    rows: pd.DataFrame, pairs: pd.DataFrame, suppliers: np.ndarray, durations: Durations, edges: int
) -> _Family:
    """Suppliers' laws from durations with their items' stretches taken out, and the stretches, in turn."""
    points = np.log(_STRETCHES)
    if not len(rows):
        prior = hazards.bell(points, 0.0, np.array(0.3))
        return _Family(np.zeros((1, edges)), np.zeros((0, len(points))), np.exp(prior))
    house = pd.Index(suppliers).get_indexer(rows["supplier_id"]).astype(np.int64)
    pair = pd.MultiIndex.from_frame(pairs).get_indexer(pd.MultiIndex.from_frame(rows[PAIR])).astype(np.int64)
    pace, spread = _first_pace(house, durations, len(suppliers)), np.ones(len(suppliers))
    stretch = np.ones(len(rows))
    for _ in range(_ROUNDS):
        houses, pace, spread = _fit_houses(house, durations, stretch, pace, spread, edges)
        like = np.zeros((len(pairs), len(points)))
        hazards.add_scale_likelihood(
            pair, house, durations.low, durations.high, durations.ended, durations.weight, houses, _STRETCHES, like
        )
        prior = hazards.fitted_bell(like, points, centre=0.0)
        weight = hazards.weights(like, prior)
        stretch = np.exp(weight @ points)[pair]
    return _Family(houses, weight, np.exp(prior))


def _first_pace(house: np.ndarray, durations: Durations, count: int) -> np.ndarray:
    """A geometric mean of each supplier's durations, ended or not: where the search begins."""
    size = np.maximum(np.bincount(house, minlength=count), 1)
    return np.exp(np.bincount(house, np.log(durations.low + 1.0), count) / size)


def _fit_houses(
    house: np.ndarray, durations: Durations, stretch: np.ndarray, pace: np.ndarray, spread: np.ndarray, edges: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Λ of each supplier and of one not known, and better paces and spreads of the suppliers.

    The law of all at each supplier's pace and spread, mixed over what these may be, then corrected day by day.
    """
    risk, events = np.zeros((len(pace), edges - 1)), np.zeros((len(pace), edges - 1))
    low, high, ended = durations.low, durations.high, durations.ended
    hazards.add_counts(
        house, low, high, ended, durations.weight, stretch, np.ones(len(low)), 1.0, risk, events
    )
    scale, power = (x.ravel() for x in np.meshgrid(_SCALES, _POWERS, indexing="ij"))
    base = _law_of_all(durations, stretch * pace[house], spread[house])
    laws = hazards.stretched(base, scale, power, _BINS, edges)
    like = hazards.log_likelihood(risk, events, laws)
    prior = _prior(like)
    weight = hazards.weights(like, prior)
    outlive = np.vstack([weight, np.exp(prior)]) @ np.exp(-laws)
    steps = -np.diff(np.log(np.maximum(outlive, 1e-300)), axis=1)
    expected = -np.expm1(-steps)
    k = hazards.strength(risk, events, expected[:-1])
    expected[:-1] = hazards.shrunk(risk, events, expected[:-1], k)
    return hazards.cumulative(expected), np.exp(weight @ np.log(scale)), np.exp(weight @ np.log(power))


def _law_of_all(durations: Durations, scale: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Λ over typical lead times: every duration by its own pace and spread."""
    risk, events = np.zeros((1, int(_BINS * _REACH))), np.zeros((1, int(_BINS * _REACH)))
    all_one = np.zeros(len(scale), np.int64)
    hazards.add_counts(
        all_one, durations.low, durations.high, durations.ended, durations.weight, scale, power, _BINS, risk, events
    )
    return hazards.cumulative(hazards.smooth(risk[0], events[0]))


def _prior(like: np.ndarray) -> np.ndarray:
    """Log prior weights of (pace, spread), each normal in its logarithm, fitted to all suppliers."""
    grid = like.reshape(len(like), len(_SCALES), len(_POWERS))
    of_power = hazards.bell(np.log(_POWERS), 0.0, np.array(0.35))
    of_scale = hazards.fitted_bell(logsumexp(grid + of_power, axis=2), np.log(_SCALES))
    of_power = hazards.fitted_bell(
        logsumexp(grid + of_scale[None, :, None], axis=1), np.log(_POWERS), centre=0.0
    )
    return np.asarray((of_scale[:, None] + of_power[None, :]).ravel())


def _fit_splits(
    past: Past, rows: pd.DataFrame, pairs: pd.DataFrame, receiving: ReceivingDays, edges: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Λ of the gap from a part to the rest, chance of a part by pair (its supplier's, shrunk to all), its shares."""
    came = rows[rows["first_received_at"].notna()]
    receipts = past.tables["receipts"].assign(day=lambda x: x["received_at"].dt.floor("D"))
    by_day = receipts.groupby(["po_line_id", "day"], sort=True)["qty"].sum().reset_index()
    first = by_day.drop_duplicates("po_line_id").set_index("po_line_id")["qty"].reindex(came["po_line_id"].array)
    share = first.to_numpy() / came["qty"].to_numpy()
    parts = share < 1 - 1e-9
    rate = (parts.sum() + 0.5) / (len(came) + 10.0)
    seen = pd.DataFrame({"supplier_id": came["supplier_id"], "part": parts})
    seen = seen.groupby("supplier_id")["part"].agg(["sum", "size"])
    house = ((seen["sum"] + 20 * rate) / (seen["size"] + 20)).reindex(pairs["supplier_id"].array).fillna(rate)
    shares = np.sort(share[parts]) if parts.any() else np.array([0.5])
    rest = _law_of_rest(past, came[parts], receiving, edges)
    return rest, house.to_numpy(float), np.clip(shares, 0.01, 0.99)


def _law_of_rest(past: Past, waiting: pd.DataFrame, receiving: ReceivingDays, edges: int) -> np.ndarray:
    begin = waiting["first_received_at"].dt.floor("D")
    finished = (waiting["open_qty"] <= 0) & (waiting["last_received_at"].dt.floor("D") > begin)
    end = waiting["last_received_at"].where(finished, past.day).dt.floor("D")
    gaps = between(begin, end, np.array(finished, bool), receiving)
    risk, events = np.zeros((1, edges - 1)), np.zeros((1, edges - 1))
    one = np.ones(len(waiting))
    hazards.add_counts(
        np.zeros(len(waiting), np.int64), gaps.low, gaps.high, gaps.ended, gaps.weight, one, one, 1.0, risk, events
    )
    # where no second receipt was ever seen: some days
    hazard = hazards.smooth(risk[0], events[0]) if events.any() else np.full(edges - 1, 0.1)
    return hazards.cumulative(hazard)


def _cancel_hazard(rows: pd.DataFrame, durations: Durations) -> float:
    """Cancellations of whole waiting purchases per day waited."""
    cancelled = (rows["cancelled_qty"] > 0) & rows["first_received_at"].isna()
    waited = float(durations.low.sum())
    return float(cancelled.sum()) / waited if waited > 0 else 0.0
