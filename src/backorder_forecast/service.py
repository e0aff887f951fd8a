"""How lines leave a location and how long customers wait: working days, handling time, patience, from the past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .past import sku_codes
from .stock import closing_levels, level_at, open_events

if TYPE_CHECKING:
    from .past import Past

MAX_HANDLING = 10  # working days
_WEEKDAYS = np.array(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])


@dataclass(frozen=True)
class Service:
    """By location: working [locations × days 0…horizon+1+slack], handling: P(≤ h working days) [locations × h].

    hazard: daily chance that a waiting customer cancels.
    """

    locations: np.ndarray
    working: np.ndarray
    handling: np.ndarray
    hazard: float
    notes: tuple[str, ...]


def learn_service(past: Past) -> Service:
    """Learn working days, handling and patience from what `past` knew."""
    locations = np.array(sorted(past.skus["location_id"].unique()), dtype=object)
    shipped = _shipped_lines(past)
    weekdays, notes = _weekdays(past, shipped, locations)
    working = _working_days(past, locations, weekdays)
    handling = _handling(past, shipped, locations, weekdays)
    return Service(locations, working, handling, _patience(past), tuple(notes))


def _shipped_lines(past: Past) -> pd.DataFrame:
    sent = past.tables["shipments"]
    place = past.lines.set_index("line_id")["location_id"].reindex(sent["line_id"].array)
    return pd.DataFrame({"location_id": place.to_numpy(), "weekday": sent["shipped_at"].dt.day_of_week.to_numpy()})


def _weekdays(past: Past, shipped: pd.DataFrame, locations: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Which weekdays each location works on [locations × 7]: those that see more than a stray shipment."""
    found = np.ones((len(locations), 7), bool)
    notes = []
    if past.config.queue.working_days == "learned":
        for i, place in enumerate(locations):
            count = np.bincount(shipped.loc[shipped["location_id"] == place, "weekday"], minlength=7)
            if count.sum() >= 100:
                found[i] = count > 0.005 * count.sum()
                notes.append(f"location {place}: goods leave on {', '.join(_WEEKDAYS[found[i]])}, as in the past")
    return found, notes


def _working_days(past: Past, locations: np.ndarray, weekdays: np.ndarray) -> np.ndarray:
    horizon = past.config.simulation.horizon_days
    days = past.day.to_datetime64().astype("datetime64[D]") + np.arange(horizon + 2)
    working = weekdays[:, (days.astype(np.int64) + 3) % 7]
    calendar = past.tables["calendar"]
    calendar = calendar[calendar["supplier_id"].isna() & calendar["working"].notna()]
    for i, place in enumerate(locations):
        mine = calendar[calendar["location_id"].isna() | (calendar["location_id"] == place)]
        mine = mine.sort_values("location_id", na_position="first", kind="stable").drop_duplicates("date", keep="last")
        said = mine.set_index(mine["date"].to_numpy("datetime64[D]"))["working"].reindex(days)
        working[i] = np.where(said.isna(), working[i], said.fillna(True).astype(bool))
    return working


def _handling(past: Past, shipped: pd.DataFrame, locations: np.ndarray, weekdays: np.ndarray) -> np.ndarray:
    """P(handling ≤ h working days) by location, from lines that left whole and had stock on their wanted day."""
    out = np.ones((len(locations), MAX_HANDLING + 1))
    if past.config.queue.handling != "learned" or "stock" not in past.given:
        return out
    lines = past.lines
    lines = lines[(lines["open_qty"] <= 0) & (lines["shipped_qty"] >= lines["qty"]) & ~lines["ship_complete"]]
    code = sku_codes(past, lines)
    wanted = lines["wanted_date"].to_numpy("datetime64[D]")
    level = closing_levels(past, code, wanted) - level_at(open_events(past), code, wanted)
    lines = lines[level >= 0]  # even after everything wanted by then something was left
    for i, place in enumerate(locations):
        mine = lines[lines["location_id"] == place]
        mask = [bool(x) for x in weekdays[i]]
        begin = np.busday_offset(mine["wanted_date"].to_numpy("datetime64[D]"), 0, "forward", weekmask=mask)
        took = np.busday_count(begin, mine["last_shipped_at"].to_numpy("datetime64[D]"), weekmask=mask)
        count = np.bincount(np.clip(took, 0, MAX_HANDLING), minlength=MAX_HANDLING + 1)
        if count.sum() >= 30:
            out[i] = np.cumsum(count) / count.sum()
    return out


def _patience(past: Past) -> float:
    """Daily chance that a waiting customer cancels: customers' cancellations per line-day waited beyond the first."""
    if past.config.queue.patience != "learned":
        return 0.0
    lines = past.lines
    end = lines[["last_shipped_at", "last_cancelled_at"]].max(axis=1).where(lines["open_qty"] <= 0, past.day)
    waited = (end.dt.floor("D") - lines["wanted_date"]).dt.days.clip(lower=0).fillna(0).to_numpy(float)
    by_retailer = past.tables["cancellations"]
    by_retailer = set(by_retailer.loc[by_retailer["cancelled_by"] == "retailer", "line_id"])
    left = (lines["cancelled_qty"] > 0) & ~lines["line_id"].isin(by_retailer) & (waited > 0)
    exposure = waited[(waited > 1) | left].sum()
    return float(left.sum() / exposure) if exposure > 0 else 0.0


