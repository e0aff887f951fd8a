"""What is known of demand beside its history: events of the calendar, prices and promotions, planners' statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .methods.drivers import Drivers
from .methods.periods import standardised
from .past import SKU, sku_codes

if TYPE_CHECKING:
    from .past import Past

FIELDS = ("demand_factor", "demand_per_day")
"""Fields of `overrides` of an item that change its demand: times a factor, or to so many units a day."""


def event_columns(past: Past, days: pd.DatetimeIndex) -> np.ndarray:
    """One column for each event of our calendar that falls in these days more than once [days × events]."""
    rows = past.tables["calendar"]
    rows = rows[rows["event"].notna() & rows["supplier_id"].isna()]
    rows = rows[["date", "event"]].drop_duplicates()
    place = days.get_indexer(pd.DatetimeIndex(rows["date"]))
    rows, place = rows[place >= 0], place[place >= 0]
    names = rows["event"].value_counts()
    names = names[names > 1].sort_index()
    out = np.zeros((len(days), len(names)))
    column = pd.Index(names.index).get_indexer(rows["event"])
    out[place[column >= 0], column[column >= 0]] = 1.0
    return standardised(out)


def sku_drivers(past: Past, days: pd.DatetimeIndex) -> Drivers | None:
    """Prices (their logarithms, which last until the next one) and promotions of SKUs on these days; None: no rows."""
    rows = past.tables["drivers"]
    everywhere = rows["location_id"].isna()
    spread = rows[everywhere].drop(columns="location_id").merge(past.skus[SKU], on="item_id")
    rows = pd.concat([spread, rows[~everywhere]], ignore_index=True)  # what is said of one place stands
    rows = rows.assign(code=sku_codes(past, rows), at=days.get_indexer(pd.DatetimeIndex(rows["date"])))
    rows = rows[(rows["code"] >= 0) & (rows["at"] >= 0)]
    if rows.empty:
        return None
    price = np.full((len(past.skus), len(days)), np.nan, np.float32)
    promotion = np.zeros_like(price)
    code, at = rows["code"].to_numpy(), rows["at"].to_numpy()
    stated = rows["price"].to_numpy(float)
    price[code, at] = np.log(np.where(stated > 0, stated, np.nan))
    promotion[code, at] = rows["promotion"].astype("boolean").fillna(False).to_numpy(bool)
    values = {"price": carried(price), "promotion": promotion}
    used = {k: v for k, v in values.items() if np.nan_to_num(v).any()}
    return Drivers(tuple(used), np.stack(list(used.values())), tuple(k == "price" for k in used)) if used else None


def carried(values: np.ndarray) -> np.ndarray:
    """Each row's last known value goes on; before the first one that one holds [n × periods]."""
    known = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(values.shape[1]), -1), axis=1)
    last = np.where(last < 0, known.argmax(axis=1)[:, None], last)
    return np.take_along_axis(values, last, axis=1)


def override_factors(past: Past, mean: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """By which factor planners' statements move the demand of each future day [n × days] (None: there is none).

    mean [n × days]: the statistical mean, in stock units. The latest statement on a field and day wins; a factor and
    a number of units a day on the same day: the units.
    """
    rows = past.tables["overrides"]
    rows = rows[(rows["entity"] == "item") & rows["field"].isin(FIELDS)]
    value = pd.to_numeric(rows["value"], errors="coerce")
    rows = rows.assign(number=value)[value.ge(0).to_numpy()].sort_values("stated_at", kind="stable")
    if rows.empty:
        return None, []
    n, horizon = mean.shape
    factor, units = np.ones((n, horizon)), np.full((n, horizon), np.nan)
    first = np.fmax(np.nan_to_num(-past.days_since(rows["from_date"]), nan=1.0), 1.0).astype(int)
    last = np.fmin(np.nan_to_num(-past.days_since(rows["until_date"]), nan=horizon), horizon).astype(int)
    columns = (rows[x].tolist() for x in ("entity_id", "location_id", "field", "number"))
    for item, place, name, number, begin, end in zip(*columns, first, last, strict=True):
        mine = past.skus["item_id"] == item
        if pd.notna(place):
            mine &= past.skus["location_id"] == place
        target = factor if name == "demand_factor" else units
        target[np.flatnonzero(mine)[:, None], np.arange(begin - 1, max(end, begin - 1))] = number
    # so many units a day keep the week's shape: what they amount to over the days of a statement
    for i in np.flatnonzero(np.isfinite(units).any(axis=1)):
        for stated in np.unique(units[i][np.isfinite(units[i])]):
            days = units[i] == stated
            usual = mean[i, days].mean()
            factor[i, days] = stated / usual if usual > 0 else 1.0
    moved = int((factor != 1.0).any(axis=1).sum())
    authors = ", ".join(sorted(set(rows["author"].astype(str))))
    note = f"demand of {moved} items at locations as stated by {authors}; `statistical_mean` says what was forecast"
    return factor, [note]


