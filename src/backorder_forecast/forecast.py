"""`Forecast`: a law over items and future periods that can be summed, over a fixed or a random number of periods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .errors import InputError, Problem
from .law import Law, Rows
from .methods.fit import told
from .methods.laws import Future, PanelLaw, Span
from .tables import text

_CELLS = 1 << 21  # numbers of a table that are held at once
_ROWS = 512
_SURE = 1e-8  # chance of lengths of a lead time that are left out, at most


@dataclass(frozen=True)
class DemandLaw(Law):
    """Sums of demand, computed on demand from a panel's law: item [rows] of the panel, and what each sum is over."""

    table: np.ndarray = field(default_factory=lambda: np.zeros((0, 1)))
    panel: PanelLaw | None = None
    item: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    span: Span | None = None

    @cached_property
    def _reach(self) -> np.ndarray:
        return self._panel.reach(self.item, self._span)

    @property
    def _panel(self) -> PanelLaw:
        assert self.panel is not None
        return self.panel

    @property
    def _span(self) -> Span:
        assert self.span is not None
        return self.span

    @property
    def width(self) -> int:
        """Values tabulated: enough for all but a millionth of every row."""
        return int(self._reach.max(initial=1))

    def blocks(self) -> Iterable[Rows]:
        """Rows that reach about as far, together: one long row does not make all tables long."""
        return by_reach(self._reach)

    def _rows(self, rows: Rows, width: int | None = None) -> np.ndarray:
        which = np.arange(len(self))[rows]
        wide = int(self._reach[which].max(initial=1)) if width is None else width
        return self._panel.cdf(self.item[which], self._span.take(which), wide)

    def take(self, rows: np.ndarray) -> DemandLaw:
        """The law of some rows."""
        return DemandLaw(self._index_of(rows), step=self.steps()[rows], panel=self.panel, item=self.item[rows],
                         span=self._span.take(rows))  # fmt: skip

    def mean(self) -> np.ndarray:
        """Mean [rows], exact."""
        return np.asarray(self._panel.mean(self.item, self._span) * self.steps())

    def variance(self) -> np.ndarray:
        """Variance [rows], exact: within the counts, between levels, and over the alternatives of the span."""
        return np.asarray(self._panel.variance(self.item, self._span) * self.steps() ** 2)


def by_reach(reach: np.ndarray) -> Iterator[np.ndarray]:
    """Rows whose tables are about as long [n], together, and not too many cells at once."""
    order = np.argsort(reach, kind="stable")
    begin = 0
    while begin < len(order):
        size = int(min(_ROWS, len(order) - begin))
        while size > 1 and reach[order[begin + size - 1]] * size > _CELLS:
            size //= 2
        yield order[begin : begin + size]
        begin += size


@dataclass(frozen=True)
class Forecast(Law, ABC):
    """Demand of every item in every future period, a row each; `total` sums it.

    items: keys of the items [n]; starts: first day of each row's period. Made by :func:`forecast_panel`, or brought
    along: :meth:`from_quantiles`, :meth:`from_samples`. Sums count base periods: those of the panel, and days for
    :func:`forecast_demand`, whose rows are weeks.
    """

    table: np.ndarray = field(default_factory=lambda: np.zeros((0, 1)))
    items: pd.DataFrame = field(default_factory=pd.DataFrame)
    starts: pd.DatetimeIndex = field(default_factory=lambda: pd.DatetimeIndex([]))
    notes: tuple[str, ...] = ()

    @property
    def horizon(self) -> int:
        """Number of base periods."""
        return len(self.starts)

    def total(self, periods: int, first: int = 1) -> Law:
        """The law of each item's demand summed over `periods` periods, from the `first` one (1: the next)."""
        last = first + periods - 1
        if not 1 <= first <= last <= self.horizon:
            raise ValueError(f"periods {first} to {last} do not lie within 1 to {self.horizon}, the periods forecast")
        return self.over(np.full((len(self.items), 1), float(last)), np.ones((len(self.items), 1)), float(first - 1))

    @abstractmethod
    def over(self, periods: np.ndarray, chance: np.ndarray, after: float = 0.0) -> Law:
        """The law of demand summed from `after` on up to `periods`, each with its chance: [n × alternatives]."""

    @staticmethod
    def from_quantiles(frame: Any, *, model: str | None = None, unit: float = 1.0) -> Forecast:
        """Forecasts as quantiles: columns `unique_id`, `ds` and levels, see :mod:`backorder_forecast.brought`."""
        from .brought import from_quantiles

        return from_quantiles(frame, model, unit)

    @staticmethod
    def from_samples(samples: Any, index: Any, *, unit: float = 1.0) -> Forecast:
        """Forecasts as sample paths [items × periods × samples], see :mod:`backorder_forecast.brought`."""
        from .brought import from_samples

        return from_samples(samples, index, unit)


@dataclass(frozen=True)
class PanelForecast(Forecast):
    """A forecast whose law was fitted to a panel.

    law, future: of the items in base periods; unit [n]: step in which each is counted; edges [rows an item + 1]: base
    periods after which each row's period begins; pool, frequency, groups: what :func:`forecast_panel` takes from it for
    other blocks of a panel.
    """

    law: PanelLaw | None = None
    future: Future | None = None
    unit: np.ndarray = field(default_factory=lambda: np.ones(0))
    edges: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    names: tuple[str, ...] = ()
    pool: Any = None
    frequency: str = ""
    groups: tuple[Any, ...] = ()

    def _parts(self) -> tuple[PanelLaw, Future]:
        assert self.law is not None
        assert self.future is not None
        return self.law, self.future

    @property
    def horizon(self) -> int:
        """Number of base periods."""
        return int(self.edges[-1])

    @cached_property
    def by_period(self) -> DemandLaw:
        """The law of each row."""
        law, future = self._parts()
        n, cells = len(self.items), len(self.edges) - 1
        sums = np.add.reduceat(future.ahead(np.arange(n)), self.edges[:-1], axis=1) if cells else np.zeros((n, 0))
        lengths = future.between(np.arange(n), self.edges[None, :-1], self.edges[None, 1:]).ravel()
        rows = np.repeat(np.arange(n), cells)
        span = Span.certain(sums.ravel(), lengths)
        return DemandLaw(self.index, step=self.unit[rows], panel=law, item=rows, span=span)

    def over(self, periods: np.ndarray, chance: np.ndarray, after: float = 0.0) -> DemandLaw:
        """The law of demand summed from `after` on up to `periods`, each with its chance: [n × alternatives].

        Demand comes evenly within a period; beyond the horizon the mean of the horizon goes on.
        """
        law, future = self._parts()
        rows = np.arange(len(self.items))
        span = spans(future, rows, periods, chance, after)
        return DemandLaw(self.items, step=self.unit, panel=law, item=rows, span=span)

    def _rows(self, rows: Rows, width: int | None = None) -> np.ndarray:
        return self.by_period._rows(rows, width)

    @property
    def width(self) -> int:
        """Values tabulated: enough for all but a millionth of every row."""
        return self.by_period.width

    def blocks(self) -> Iterable[Rows]:
        """Rows that reach about as far, together."""
        return self.by_period.blocks()

    def take(self, rows: np.ndarray) -> Law:
        """The law of some rows."""
        return self.by_period.take(rows)

    def mean(self) -> np.ndarray:
        """Mean [rows], exact."""
        return self.by_period.mean()

    def variance(self) -> np.ndarray:
        """Variance [rows], exact."""
        return self.by_period.variance()

    @property
    def models(self) -> pd.DataFrame:
        """What each model counts in each item's mixture: keys and one column a model, adding up to 1."""
        law, _ = self._parts()
        shares = pd.DataFrame(law.models, columns=list(self.names), index=self.items.index)
        return pd.concat([self.items, shares], axis=1)

    def model_words(self) -> pd.Series:
        """The mixture of each item in words, the heaviest model first [n]."""
        law, _ = self._parts()
        return text(told(law.models, self.names))


def spans(future: Future, rows: np.ndarray, until: np.ndarray, chance: np.ndarray, since: float = 0.0) -> Span:
    """Sums of factors from `since` to `until` base periods [rows × alternatives], each with its chance.

    Within a period demand comes evenly; beyond the horizon the mean factor goes on.
    """
    out = np.empty(until.shape)
    for begin in range(0, len(rows), 8192):
        part = slice(begin, begin + 8192)
        factors = future.ahead(rows[part])
        sums = np.concatenate([np.zeros((len(factors), 1)), np.cumsum(factors, axis=1)], axis=1)
        after = future.usual(rows[part]) * (future.end[rows[part]] >= future.horizon)
        out[part] = along(sums, until[part], after)
        if since > 0:
            out[part] -= along(sums, np.full((len(factors), 1), since), after)
    return Span(np.maximum(out, 0.0), future.between(rows, since, until), chance)


def along(sums: np.ndarray, when: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Cumulative sums [rows × 0 … horizon] at times [rows × m], straight between them; `after`: slope beyond them."""
    horizon = sums.shape[1] - 1
    low = np.clip(np.floor(when).astype(np.int64), 0, max(horizon - 1, 0))
    part = np.clip(when - low, 0.0, 1.0)
    if len(when) and (when == when[0]).all():  # the same times for all rows, as lead times mostly are
        inside = sums[:, low[0]] * (1.0 - part[0]) + sums[:, np.minimum(low[0] + 1, horizon)] * part[0]
    else:
        row = np.arange(len(sums))[:, None]
        inside = sums[row, low] * (1.0 - part) + sums[row, np.minimum(low + 1, horizon)] * part
    beyond = np.maximum(when - horizon, 0.0) * after[:, None]
    return np.asarray(inside + beyond)


def lead_time_demand(forecast: Forecast, lead_time: Any) -> Law:
    """Demand over a lead time, fixed or random: the mixture over its lengths of the sums over so many periods, exact.

    lead_time: a number of the forecast's periods, one an item, or a `Law` of them (one row for all, or one an item in
    the forecast's order). What a law leaves beyond its table never comes and is left out; demand during a part of a
    period comes evenly. Beyond the forecast's horizon its mean goes on.

    Returns: a law over the items. Raises: ``InputError`` where rows do not fit, or a lead time is negative or missing.

    >>> frame = pd.DataFrame({"unique_id": "x", "ds": pd.date_range("2026-01-05", periods=60), "y": 2})
    >>> from backorder_forecast.panel import forecast_panel
    >>> law = lead_time_demand(forecast_panel(frame, 14, "D"), 7)
    >>> bool(11 < law.mean()[0] < 17)
    True
    """
    n = len(forecast.items)
    if isinstance(lead_time, Law):
        return forecast.over(*_alternatives(lead_time, n))
    days = np.asarray(lead_time, float)
    if days.ndim > 1 or days.size not in (1, n):
        raise InputError("lead times cannot be used", [
            Problem("lead_time", None, f"there is one, or one for each of the {n} items; got {days.shape}",
                    remedy="take them in the order of the forecast's items")])  # fmt: skip
    days = np.broadcast_to(days.reshape(-1), (n,))
    bad = np.flatnonzero(~np.isfinite(days) | (days < 0))
    if bad.size:
        raise InputError("lead times cannot be used", [
            Problem("lead_time", None, "a lead time is a number of periods, 0 or more", bad.size, bad.size / n,
                    tuple(days[i] for i in bad[:5]), "state it in the forecast's periods")])  # fmt: skip
    return forecast.over(days[:, None], np.ones((n, 1)))


def _alternatives(law: Law, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of a lead time and their chances [n × lengths]."""
    if len(law) not in (1, n):
        raise InputError("lead times cannot be used", [
            Problem("lead_time", None, f"a law has one row, or one for each of the {n} items; this one has {len(law)}",
                    remedy="take the rows of the forecast's items, in its order")])  # fmt: skip
    mass = law.pmf()
    mass /= np.maximum(mass.sum(axis=1, keepdims=True), 1e-300)
    least = _SURE / mass.shape[1]
    used = np.flatnonzero((mass > least).any(axis=0))
    lengths = np.maximum((law.start + used) * law.steps()[:, None], 0.0)
    mass = np.where(mass[:, used] > least, mass[:, used], 0.0)
    mass /= np.maximum(mass.sum(axis=1, keepdims=True), 1e-300)
    return np.broadcast_to(lengths, (n, used.size)), np.broadcast_to(mass, (n, used.size))
