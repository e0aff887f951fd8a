"""Purchases and receipts to lead-time laws on whole days, and the future of what is open now.

The time to a purchase's next receipt is a hazard for each day since it was ordered, open purchases counting as "not
yet" (right-censored), shrunk item → supplier → all. Days weigh by how often anything is received on their weekday,
and nothing is received on days the calendar calls free. An open purchase's law is conditioned on the age it has
reached. A first receipt brings everything or, with a learned chance, a part; the rest follows after a gap with a law
of its own. Purchases are cancelled at a constant learned rate. What has outlived all that was ever received keeps
the small hazard of the tail, so it is not sure supply.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core import hazards
from .law import Law
from .tables import TEXT, check_output

if TYPE_CHECKING:
    from .past import Past

PAIR = ["supplier_id", "item_id"]


@dataclass(frozen=True)
class LeadTimes:
    """Fitted lead times.

    pairs: supplier_id, item_id; hazard [pairs × days] to the first receipt, `unknown_hazard` for anybody else;
    rest_hazard [days]: from one receipt to the rest; split_prob [pairs], split_share: sorted shares that first
    receipts brought; cancel_hazard: per day; day_weight: weight of each calendar day from `first_day` on.
    """

    origin: pd.Timestamp
    horizon: int
    pairs: pd.DataFrame
    hazard: np.ndarray
    common_hazard: np.ndarray
    supplier_hazard: np.ndarray
    suppliers: np.ndarray
    rest_hazard: np.ndarray
    split_prob: np.ndarray
    split_share: np.ndarray
    cancel_hazard: float
    first_day: np.datetime64
    day_weight: np.ndarray
    purchases: pd.DataFrame
    notes: tuple[str, ...] = ()

    def rows(self, supplier: pd.Series, item: pd.Series) -> np.ndarray:
        """Rows of `laws` for each (supplier, item): the pair's own, else the supplier's, else that of all."""
        known = pd.MultiIndex.from_frame(self.pairs)
        pair = known.get_indexer(pd.MultiIndex.from_arrays([supplier, item])) if len(known) else np.full(len(item), -1)
        house = pd.Index(self.suppliers).get_indexer(supplier) if len(self.suppliers) else np.full(len(item), -1)
        n, m = len(self.pairs), len(self.suppliers)
        rows: np.ndarray = np.where(pair >= 0, pair, np.where(house >= 0, n + house, n + m))
        return rows

    @cached_property
    def all_hazards(self) -> np.ndarray:
        """Hazards of pairs, then suppliers, then all."""
        return np.vstack([self.hazard, self.supplier_hazard, self.common_hazard[None]])

    @cached_property
    def laws(self) -> np.ndarray:
        """P(lead time of a new order ≤ day) [rows × days from 0], cancellations left out."""
        table = hazards.weighted_cdf(self.all_hazards, np.ones((1, self.hazard.shape[1])))
        stay = (1.0 - self.cancel_hazard) ** np.arange(table.shape[1])
        return np.cumsum(np.diff(table, prepend=0.0, axis=1) * stay, axis=1)

    def new_order(self, supplier_id: str, item_id: str) -> Law:
        """The law of the days from a new order to its first receipt."""
        keys = pd.DataFrame({"supplier_id": [supplier_id], "item_id": [item_id]})
        return Law(keys, self.laws[self.rows(keys["supplier_id"], keys["item_id"])])

    @cached_property
    def open_rows(self) -> pd.DataFrame:
        """The open purchase lines, in the order of po_line_id."""
        return self.purchases[self.purchases["open_qty"] > 0].reset_index(drop=True)

    @cached_property
    def next_table(self) -> np.ndarray:
        """P(next receipt ≤ day) [open purchases × days 1…horizon], given the age reached; no cancellations."""
        rows, age = self.open_rows, self._age
        waiting_rest = rows["received_qty"].to_numpy() > 0
        hazard = self.all_hazards[self.rows(rows["supplier_id"], rows["item_id"])]
        hazard = np.where(waiting_rest[:, None], self.rest_hazard[None], hazard)
        last = hazard.shape[1] - 1
        ahead = np.minimum(age[:, None] + np.arange(1, self.horizon + 1), last)
        future = np.take_along_axis(hazard, ahead, axis=1)
        return hazards.weighted_cdf(future, self._future_weight[None, :])

    @cached_property
    def rest_table(self) -> np.ndarray:
        """P(gap between a part and the rest ≤ day) [days from 0]."""
        return hazards.weighted_cdf(self.rest_hazard[None], np.ones((1, len(self.rest_hazard))))[0]

    @cached_property
    def _age(self) -> np.ndarray:
        rows = self.open_rows
        since = rows["last_received_at"].where(rows["received_qty"] > 0, _clock(rows, self.notes))
        age: np.ndarray = (self.origin - since.dt.floor("D")).dt.days.to_numpy()
        return age

    @cached_property
    def _future_weight(self) -> np.ndarray:
        start = int((self.origin.to_datetime64().astype("datetime64[D]") - self.first_day).astype(int)) + 1
        return self.day_weight[start : start + self.horizon]

    @cached_property
    def remaining_first(self) -> Law:
        """Law of the days until an open purchase's next receipt; mass beyond the horizon or never is missing."""
        return self._open_law(self._cancellable(self.next_table))

    @cached_property
    def remaining(self) -> Law:
        """Law of the days until the last open unit of each open purchase has come."""
        first = np.diff(self.next_table, prepend=0.0, axis=1)
        gap = np.diff(self.rest_table, prepend=0.0)
        gap = np.pad(gap, (0, max(0, self.horizon - len(gap))))[: self.horizon]
        chance = self.open_split_prob[:, None]
        later = np.array([np.convolve(row, gap)[: self.horizon] for row in first]).reshape(first.shape)
        return self._open_law(self._cancellable(np.cumsum((1 - chance) * first + chance * later, axis=1)))

    @cached_property
    def open_split_prob(self) -> np.ndarray:
        """Chance that the next receipt of each open purchase brings only a part of what is open."""
        rows = self.open_rows
        place = self.rows(rows["supplier_id"], rows["item_id"])
        prob = np.append(self.split_prob, np.full(len(self.suppliers) + 1, self.split_prob.mean() if len(self.split_prob) else 0.0))
        single = (rows["received_qty"] > 0) | (rows["open_qty"] < 2)
        return np.where(single, 0.0, prob[place])

    def _cancellable(self, table: np.ndarray) -> np.ndarray:
        stay = (1.0 - self.cancel_hazard) ** np.arange(1, self.horizon + 1)
        return np.cumsum(np.diff(table, prepend=0.0, axis=1) * stay, axis=1)

    def _open_law(self, table: np.ndarray) -> Law:
        return Law(self.open_rows[["po_line_id"]], table, start=1, origin=self.origin)

    def table(self) -> pd.DataFrame:
        """The output table `lead_times`."""
        law = Law(self.pairs, self.laws[: len(self.pairs)])
        out = self.pairs.copy()
        grouped = self.purchases.assign(
            came=self.purchases["received_qty"] > 0, waits=self.purchases["open_qty"] > 0, slip=_slip(self.purchases)
        ).assign(kept=lambda x: (x["slip"] <= 0).where(x["slip"].notna()).astype(float)).groupby(PAIR)
        seen = grouped[["came", "waits"]].sum().reindex(pd.MultiIndex.from_frame(self.pairs))
        late = grouped[["kept", "slip"]].mean().reindex(pd.MultiIndex.from_frame(self.pairs))
        out["n_received"], out["n_open"] = seen["came"].to_numpy(np.int64), seen["waits"].to_numpy(np.int64)
        out["mean_days"] = law.mean()
        out[["p10_days", "p50_days", "p90_days"]] = law.quantile_array([0.1, 0.5, 0.9])
        out["on_time_rate"], out["bias_days"] = late["kept"].to_numpy(), late["slip"].to_numpy()
        return check_output("lead_times", out)


def _slip(purchases: pd.DataFrame) -> pd.Series:
    """Days between the first date stated and the day on which all had come."""
    done = purchases["last_received_at"].where((purchases["open_qty"] <= 0) & (purchases["received_qty"] > 0))
    return (done.dt.floor("D") - purchases["first_promised_date"].dt.floor("D")).dt.days


def _clock(rows: pd.DataFrame, _: object = None) -> pd.Series:
    return rows["clock_at"]


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
    config = past.config
    rows = past.purchases.copy()
    use_confirmed = config.lead_time.clock == "confirmed_at"
    rows["clock_at"] = rows["confirmed_at"].fillna(rows["ordered_at"]) if use_confirmed else rows["ordered_at"]
    rows["supplier_id"] = rows["supplier_id"].astype(TEXT)
    recent = past.days_since(rows["clock_at"]) < config.lead_time.history_days
    fit = rows[recent].reset_index(drop=True)
    first_day, weight = _day_weights(past, fit)
    duration, came = _durations(past, fit)
    days = min(config.lead_time.max_days, int(duration.max(initial=30)) + 1) + 1
    start = (fit["clock_at"].to_numpy("datetime64[D]") - first_day).astype(np.int64)
    pairs = fit[PAIR].drop_duplicates().sort_values(PAIR, ignore_index=True)
    common, by_supplier, suppliers, by_pair = _fit_hazards(fit, pairs, start, duration, came, weight, days)
    rest, split_prob, split_share = _fit_splits(past, fit, pairs, first_day, weight, days)
    return LeadTimes(
        past.day, config.simulation.horizon_days, pairs, by_pair, common, by_supplier, suppliers, rest, split_prob,
        split_share, _cancel_hazard(past, fit, duration), first_day, weight, rows,
    )  # fmt: skip


def _durations(past: Past, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Days from clock to the first receipt, or to the day on which the purchase was last seen waiting."""
    came = np.array(rows["first_received_at"].notna(), bool)
    end = rows["first_received_at"].where(came, rows["last_cancelled_at"].where(rows["open_qty"] <= 0))
    end = end.fillna(past.day)
    duration = (end.dt.floor("D") - rows["clock_at"].dt.floor("D")).dt.days.to_numpy()
    return np.maximum(duration, 0), came


def _day_weights(past: Past, rows: pd.DataFrame) -> tuple[np.datetime64, np.ndarray]:
    """How often anything is received on a calendar day, relative to the mean: by weekday, 0 on free days."""
    start = rows["clock_at"].min() if len(rows) else past.day
    first = start.to_datetime64().astype("datetime64[D]")
    last = past.day.to_datetime64().astype("datetime64[D]") + past.config.simulation.horizon_days + 1
    days = np.arange(first, last + 1)
    weekday = (days.astype(np.int64) + 3) % 7
    received = past.tables["receipts"]["received_at"].dt.day_of_week.to_numpy()
    share = (np.bincount(received, minlength=7) + 1.0) / (len(received) + 7.0)
    share = np.where(share < 0.01, 0.0, share) if len(received) >= 50 else np.full(7, 1 / 7)
    weight = 7.0 * share[weekday] / share.sum()
    free = past.tables["calendar"]
    free = free[free["working"].eq(False).fillna(False) & free["supplier_id"].isna() & free["location_id"].isna()]
    weight[np.isin(days, free["date"].to_numpy("datetime64[D]"))] = 0.0
    return first, np.append(weight, np.ones(past.config.lead_time.max_days + 2))


def _fit_hazards(
    rows: pd.DataFrame, pairs: pd.DataFrame, start: np.ndarray, duration: np.ndarray, came: np.ndarray,
    weight: np.ndarray, days: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    suppliers = np.array(sorted(rows["supplier_id"].unique()), dtype=object)
    house = pd.Index(suppliers).get_indexer(rows["supplier_id"]) if len(suppliers) else np.zeros(0, np.int64)
    pair = pd.MultiIndex.from_frame(pairs).get_indexer(pd.MultiIndex.from_frame(rows[PAIR])) if len(pairs) else house
    risk, events = np.zeros((len(pairs), days)), np.zeros((len(pairs), days))
    hazards.add_counts(pair.astype(np.int64), start, duration.astype(np.int64), came, weight, risk, events)
    owner = pd.Index(suppliers).get_indexer(pairs["supplier_id"]) if len(pairs) else np.zeros(0, np.int64)
    risk_s, events_s = np.zeros((len(suppliers), days)), np.zeros((len(suppliers), days))
    np.add.at(risk_s, owner, risk)
    np.add.at(events_s, owner, events)
    common = hazards.pooled(risk.sum(axis=0), events.sum(axis=0))
    prior = np.broadcast_to(common, risk_s.shape)
    k = hazards.strength(risk_s, events_s, prior)
    by_supplier = hazards.shrunk(risk_s, events_s, prior, k)
    prior = by_supplier[owner]
    prior = np.clip(prior * hazards.pace(risk, events, prior)[:, None], 0.0, 1.0) if len(pairs) else prior
    by_pair = hazards.shrunk(risk, events, prior, hazards.strength(risk, events, prior)) if len(pairs) else prior
    return common, by_supplier, suppliers, by_pair


def _fit_splits(
    past: Past, rows: pd.DataFrame, pairs: pd.DataFrame, first_day: np.datetime64, weight: np.ndarray, days: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gap hazard from a part to the rest, chance of a part by pair (shrunk to the supplier's and all), its shares."""
    came = rows[rows["first_received_at"].notna()]
    receipts = past.tables["receipts"].assign(day=lambda x: x["received_at"].dt.floor("D"))
    first = receipts.groupby(["po_line_id", "day"], sort=True)["qty"].sum().reset_index()
    first = first.drop_duplicates("po_line_id").set_index("po_line_id")["qty"].reindex(came["po_line_id"].array)
    share = first.to_numpy() / came["qty"].to_numpy()
    parts = share < 1 - 1e-9
    waiting = came[parts]
    begin = waiting["first_received_at"].dt.floor("D")
    finished = (waiting["open_qty"] <= 0) & (waiting["last_received_at"].dt.floor("D") > begin)
    end = waiting["last_received_at"].where(finished, past.day).dt.floor("D")
    gap = np.array((end - begin).dt.days, np.int64)
    risk, events = np.zeros((1, days)), np.zeros((1, days))
    start = (begin.to_numpy("datetime64[D]") - first_day).astype(np.int64)
    group = np.zeros(len(gap), np.int64)
    hazards.add_counts(group, start, gap, np.array(finished, bool), weight, risk, events)
    rest = hazards.pooled(risk[0], events[0])
    if not events.any():
        rest = np.full(days, 0.1)
    rate = (parts.sum() + 0.5) / (len(came) + 10.0)
    seen = pd.DataFrame({"supplier_id": came["supplier_id"], "part": parts}).groupby("supplier_id")["part"].agg(["sum", "size"])
    house = ((seen["sum"] + 20 * rate) / (seen["size"] + 20)).reindex(pairs["supplier_id"].array).fillna(rate)
    shares = np.sort(share[parts]) if parts.any() else np.array([0.5])
    return rest, house.to_numpy(float), np.clip(shares, 0.01, 0.99)


def _cancel_hazard(past: Past, rows: pd.DataFrame, duration: np.ndarray) -> float:
    """Cancellations of whole waiting purchases per day waited."""
    cancelled = (rows["cancelled_qty"] > 0) & rows["first_received_at"].isna()
    exposure = float(duration.sum())
    return float(cancelled.sum()) / exposure if exposure > 0 else 0.0
