"""A forecast that was brought along, as the demand that the simulation reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .brought import by_moments
from .demand import Demand, class_shares, first_days, row_keys, unseen_shares
from .errors import InputError, Problem
from .forecast import Forecast, PanelForecast
from .methods.laws import Future, PanelLaw
from .past import SKU

if TYPE_CHECKING:
    from .past import Past


def demand_from(past: Past, forecast: Forecast) -> Demand:
    """A forecast as the simulation reads it; `unique_id` is item_id, or item_id/location_id where there are several.

    A daily forecast of our own that begins on the next day is taken as it is; of any other the means, the scatter and
    the doubt about the level, spread evenly over the days of each period. Beyond its end its mean goes on.
    Raises: ``InputError`` for SKUs without a forecast.
    """
    if isinstance(forecast, Demand):
        return forecast
    rows = _rows_of(past, forecast)
    lines = past.lines[past.lines["wanted_date"] <= past.day]
    horizon, span = past.config.simulation.horizon_days, past.config.demand.period_days
    law, future, unit, names = _daily(past, forecast, rows, horizon)
    items, edges = past.skus[SKU].reset_index(drop=True), np.append(np.arange(0, horizon, span), horizon)
    classes, share = class_shares(past, lines, unit)
    return Demand(
        row_keys(past, items, edges), step=unit[np.repeat(np.arange(len(items)), len(edges) - 1)], items=items,
        starts=first_days(past, edges), law=law, future=future, unit=unit, edges=edges, names=names,
        notes=(f"demand: a forecast brought along, of {forecast.horizon} periods",),
        unseen=unseen_shares(past), classes=classes, class_share=share,
    )  # fmt: skip


def _rows_of(past: Past, forecast: Forecast) -> np.ndarray:
    """The forecast's item of each SKU."""
    names = pd.Index(forecast.items["unique_id"].astype(str))
    skus = past.skus
    several = skus["item_id"].duplicated(keep=False)
    whole = skus["item_id"].astype(str) + "/" + skus["location_id"].astype(str)
    rows = names.get_indexer(pd.Index(whole))
    alone = names.get_indexer(pd.Index(skus["item_id"].astype(str)))
    rows = np.where((rows < 0) & ~several.to_numpy(), alone, rows)
    if (rows < 0).any():
        shown = tuple(whole[rows < 0].head(5))
        raise InputError("the forecast does not cover the items", [
            Problem("forecast", "unique_id", "every item has a forecast", int((rows < 0).sum()),
                    float((rows < 0).mean()), shown,
                    "name series item_id, or item_id/location_id where an item lies in several places")])  # fmt: skip
    return np.asarray(rows)


def _daily(
    past: Past, forecast: Forecast, rows: np.ndarray, horizon: int
) -> tuple[PanelLaw, Future, np.ndarray, tuple[str, ...]]:
    """Law and factors of days, the step in which each SKU is counted, and what the models are called."""
    ends = forecast.starts.append(pd.DatetimeIndex([forecast.starts[-1] + _length(forecast.starts)]))
    day = past.day + pd.to_timedelta(np.arange(1, horizon + 1), unit="D")
    at = np.searchsorted(ends.to_numpy(), day.to_numpy(), side="right") - 1
    ones = np.ones(len(rows), np.int64)
    law, future = by_moments(forecast)
    names: tuple[str, ...] = ("brought along",)
    daily_rows = bool((np.diff(ends) == np.timedelta64(1, "D")).all()) and forecast.starts[0] == day[0]
    if isinstance(forecast, PanelForecast) and daily_rows and forecast.law and forecast.future:
        law, future, names = forecast.law, forecast.future, forecast.names
    lengths = np.diff(ends) / np.timedelta64(1, "D")
    every = future.ahead(np.arange(len(forecast.items))) / lengths
    mean = np.concatenate([every, every.mean(axis=1, keepdims=True)], axis=1)
    factors = mean[:, np.where((at >= 0) & (at < len(lengths)), at, np.where(at < 0, 0, len(lengths)))]
    daily = Future(np.arange(len(rows)), factors[rows], np.ones((len(rows), 7)), np.zeros(horizon, np.int64), ones,
                   ones * horizon)  # fmt: skip
    return law.take(rows), daily, _step_of_items(forecast)[rows], names


def _length(dates: pd.DatetimeIndex) -> pd.Timedelta:
    return dates[-1] - dates[-2] if len(dates) > 1 else pd.Timedelta(days=1)


def _step_of_items(forecast: Forecast) -> np.ndarray:
    rows = max(len(forecast) // max(len(forecast.items), 1), 1)
    return np.asarray(forecast.steps()[::rows])
