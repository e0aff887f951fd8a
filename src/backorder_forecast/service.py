"""How lines leave a location and how long they are waited for: working days, handling time, patience, from the past."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .patience import Patience, learn_patience
from .stock import flows, had_stock

if TYPE_CHECKING:
    from .past import Past

MAX_HANDLING = 10  # working days
_MISTAKEN = 0.03  # of lines, taken as committed on an earlier day than they were
RECENT_DAYS = 42  # that are served again to see what is committed
_WEEKDAYS = np.array(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])


@dataclass(frozen=True)
class WorkingDays:
    """Which days each location works on: `works` [locations × days], from the day `first` on."""

    first: np.datetime64
    works: np.ndarray

    def ahead(self, day: pd.Timestamp, count: int) -> np.ndarray:
        """[locations × 0…count]: from the given day on."""
        begin = int((day.to_datetime64().astype("datetime64[D]") - self.first).astype(int))
        return self.works[:, begin : begin + count + 1]

    @cached_property
    def _until(self) -> np.ndarray:
        """How many there are before each day [locations × days + 1]."""
        return np.concatenate([np.zeros((len(self.works), 1), np.int64), np.cumsum(self.works, axis=1)], axis=1)

    def count(self, place: np.ndarray, begin: Any, end: Any) -> np.ndarray:
        """How many there are at each location (row) from `begin` to `end` (days, one or one a row), both included."""
        until = self._until
        a, b = ((np.asarray(x, "datetime64[D]") - self.first).astype(np.int64) for x in (begin, end))
        found: np.ndarray = np.maximum(until[place, np.maximum(b, -1) + 1] - until[place, np.maximum(a, 0)], 0)
        return found


@dataclass(frozen=True)
class Service:
    """By location: working days, and handling: P(≤ h working days) [locations × h].

    patience: how long lines are waited for.
    """

    locations: np.ndarray
    working: WorkingDays
    handling: np.ndarray
    patience: Patience
    notes: tuple[str, ...]

    def still_to_go(self, place: np.ndarray, spent: np.ndarray) -> np.ndarray:
        """P(≤ h more working days) [lines × h] of lines that could have left `spent` working days already.

        That they could is only likely: what frees stock unseen (a cancellation ahead) makes a line ready later, so
        the law of a line that has become ready just now is mixed in, the more the longer nothing explains the delay.
        """
        fresh = self.handling[place]
        h = np.arange(fresh.shape[1])
        law = np.pad(fresh, ((0, 0), (1, len(h))), constant_values=((0.0, 0.0), (0.0, 1.0)))
        spent = np.minimum(spent, len(h))[:, None]
        gone = np.take_along_axis(law, spent, axis=1)
        reach = np.take_along_axis(law, spent + h[None, :] + 1, axis=1)
        out: np.ndarray = ((1.0 - _MISTAKEN) * (reach - gone) + _MISTAKEN * fresh)
        out /= (1.0 - _MISTAKEN) * (1.0 - gone) + _MISTAKEN
        return out


def learn_service(past: Past) -> Service:
    """Learn working days, handling and patience from what `past` knew."""
    locations = np.array(sorted(past.skus["location_id"].unique()), dtype=object)
    weekdays, notes = _weekdays(past, _shipped_lines(past), locations)
    working = _working_days(past, locations, weekdays)
    return Service(locations, working, _handling(past, locations, working), learn_patience(past), tuple(notes))


def days_committed(past: Past, service: Service, lines: pd.DataFrame, *, shared: bool = False) -> np.ndarray:
    """Working days, up to today, since what stock covers was committed to each waiting line; 0: it is not.

    lines: by SKU (`sku`, a row of `past.skus`) in service order. The last days are served again: what lay there on a
    day and was not received later went to the lines that waited then, as far as they still wait. (What has left
    since took its own units with it.) Where what is there is shared, it covers a line when it covers all that wait.
    """
    sku, need = lines["sku"].to_numpy(), lines["open_qty"].to_numpy()
    wanted = lines["wanted_date"].to_numpy("datetime64[D]")
    place = pd.Index(service.locations).get_indexer(lines["location_id"])
    today = past.day.to_datetime64().astype("datetime64[D]")
    came = flows(past)
    came = came[(came["qty"] > 0) & (came["day"].to_numpy("datetime64[D]") > today - RECENT_DAYS)]
    free = past.stock["on_hand"].to_numpy() - np.bincount(came["sku"], came["qty"], len(past.stock))
    spent = np.zeros(len(lines), np.int64)
    for day in np.arange(today - RECENT_DAYS, today) + 1:
        new = came[came["day"].to_numpy("datetime64[D]") == day]
        free = free + np.bincount(new["sku"], new["qty"], len(free))
        waits = (wanted <= day) & (spent == 0)
        of_sku = pd.Series(np.where(waits, need, 0.0)).groupby(sku)
        total = (of_sku.transform("sum") if shared else of_sku.cumsum()).to_numpy()
        served = waits & (total <= free[sku]) & (service.working.count(place, day, day) == 1)
        spent[served] = service.working.count(place[served], day, today)
        free = free - np.bincount(sku[served], need[served], len(free))
    return spent


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


def _working_days(past: Past, locations: np.ndarray, weekdays: np.ndarray) -> WorkingDays:
    begin = past.lines["wanted_date"].min() if len(past.lines) else past.day
    first = min(begin, past.day).to_datetime64().astype("datetime64[D]")
    last = past.day.to_datetime64().astype("datetime64[D]") + past.config.simulation.horizon_days + 2
    days = np.arange(first, last)
    works = weekdays[:, (days.astype(np.int64) + 3) % 7]
    calendar = past.tables["calendar"]
    calendar = calendar[calendar["supplier_id"].isna() & calendar["working"].notna()]
    for i, place in enumerate(locations):
        mine = calendar[calendar["location_id"].isna() | (calendar["location_id"] == place)]
        mine = mine.sort_values("location_id", na_position="first", kind="stable").drop_duplicates("date", keep="last")
        said = mine.set_index(mine["date"].to_numpy("datetime64[D]"))["working"].reindex(days)
        works[i] = np.where(said.isna(), works[i], said.fillna(True).astype(bool))
    return WorkingDays(first, works)


def _handling(past: Past, locations: np.ndarray, working: WorkingDays) -> np.ndarray:
    """P(handling ≤ h working days) by location, from lines that left whole and had stock on their wanted day."""
    out = np.ones((len(locations), MAX_HANDLING + 1))
    if past.config.queue.handling != "learned" or "stock" not in past.given:
        return out
    lines = past.lines
    lines = lines[(lines["open_qty"] <= 0) & (lines["shipped_qty"] >= lines["qty"]) & ~lines["ship_complete"]]
    lines = lines[had_stock(past, lines)]
    place = pd.Index(locations).get_indexer(lines["location_id"])
    begin, end = (lines[x].to_numpy("datetime64[D]") for x in ("wanted_date", "last_shipped_at"))
    took = np.clip(working.count(place, begin, end) - 1, 0, MAX_HANDLING)
    for i in range(len(locations)):
        count = np.bincount(took[place == i], minlength=MAX_HANDLING + 1)
        if count.sum() >= 30:
            out[i] = np.cumsum(count) / count.sum()
    return out
