"""Order lines to a demand law of each SKU and day: the mixture of :mod:`backorder_forecast.methods`.

History is corrected only where unmet demand does not wait: a day that ended without stock says "at least what was
sold".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .forecast import PanelForecast
from .known_ahead import FIELDS, event_columns, override_factors, sku_drivers
from .law import days_to_dates
from .methods.censored import Censored, complete
from .methods.fit import Fitted, fit_panel, kinds_told
from .methods.history import History
from .methods.laws import Future, Span
from .methods.panel import Panel
from .methods.smoothing import SHARES
from .panel import category_groups, counting_steps, memories
from .past import SKU, sku_codes
from .recorded import Recorded
from .tables import TEXT, check_output

if TYPE_CHECKING:
    from .past import Past

_LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Demand(PanelForecast):
    """Demand of every SKU on every future day; rows of the law are periods of `period_days`, sums count days.

    statistical: the factors without planners' statements; unseen [horizon + 2]: share of the demand of each day that is
    not known yet, as lines ordered for a later day; classes: the priorities seen; class_share [n × classes].
    """

    statistical: Future | None = None
    unseen: np.ndarray = field(default_factory=lambda: np.ones(0))
    classes: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    class_share: np.ndarray = field(default_factory=lambda: np.ones((0, 1)))

    @property
    def theta(self) -> np.ndarray:
        """1 − 1/φ of the counts of a day [n]."""
        return self._parts()[0].theta

    @cached_property
    def _mean_level(self) -> np.ndarray:
        return np.asarray(np.maximum(self._parts()[0].levels @ SHARES, 1e-12))

    @property
    def size(self) -> np.ndarray:
        """Negative-binomial size of a day of factor 1 at the mean level [n]."""
        return np.asarray(self._mean_level / (self._parts()[0].ratio - 1.0))

    @property
    def levels(self) -> np.ndarray:
        """Levels over the mean level, by strata [n × strata]."""
        return np.asarray(self._parts()[0].levels / self._mean_level[:, None])

    @property
    def shares(self) -> np.ndarray:
        """Chance of each stratum [strata]."""
        return SHARES

    @property
    def weekday(self) -> np.ndarray:
        """Factors of the days of the week around those of `factors` [n × 7], Monday first."""
        return self._parts()[1].week

    @property
    def profile(self) -> np.ndarray:
        """Row of `factors` [n]."""
        return self._parts()[1].profile

    @property
    def factors(self) -> np.ndarray:
        """Factors of days 0 … horizon + 1 [profiles × days]: growth, season, and what is not known of a day yet."""
        ahead = self._parts()[1].factors
        ones = np.ones((len(ahead), 1))
        return np.asarray(np.concatenate([ones, ahead, ones], axis=1) * self.unseen)

    @property
    def start_day(self) -> np.ndarray:
        """First future day with demand [n]."""
        return self._parts()[1].start

    @property
    def end_day(self) -> np.ndarray:
        """Last future day with demand [n]."""
        return self._parts()[1].end

    @property
    def apart(self) -> np.ndarray:
        """Chance that an SKU's demand follows occurrence and size [n]."""
        return self._parts()[0].apart

    @cached_property
    def chance(self) -> np.ndarray:
        """Chance of demand on a day of factor 1, by strata [n × strata]."""
        return self._parts()[0].chance_strata()

    @cached_property
    def sizes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Laws of one size where demand may follow occurrence and size: counts, cumulative chances, starts [n + 1]."""
        return self._parts()[0].size_laws()

    @property
    def size_value(self) -> np.ndarray:
        """Sizes, in counts."""
        return self.sizes[0]

    @property
    def size_cum(self) -> np.ndarray:
        """Chance of each size or a smaller one."""
        return self.sizes[1]

    @property
    def size_start(self) -> np.ndarray:
        """Where the sizes of each SKU begin [n + 1]."""
        return self.sizes[2]

    def periods_in(self, rows: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Days on which demand may come among so many average ones [rows × any]."""
        open_days = days * self._parts()[1].open_share()[rows, None]
        return np.asarray(np.ceil(open_days - 1e-9).astype(np.int64))

    @cached_property
    def usual_factor(self) -> np.ndarray:
        """Mean factor of the days to the horizon [n], as if the SKU were sold on all of them."""
        return self._parts()[1].usual(np.arange(len(self.items)))

    def mean_per_day(self) -> np.ndarray:
        """Mean demand of an average day [n], in stock units, not looking at start and end."""
        law, _ = self._parts()
        seldom = law.seldom.chance() * law.seldom.size_moments()[0]
        level = self._mean_level * (1.0 - law.apart) + law.apart * seldom
        return np.asarray(level * self.usual_factor * self.unit)

    def output(self) -> pd.DataFrame:
        """The output table `demand_forecast`."""
        out = self.quantile(_LEVELS)
        out.insert(4, "mean", self.mean())
        cells = len(self.edges) - 1
        plain = self if self.statistical is None else replace(self, future=self.statistical)
        out["statistical_mean"] = plain.mean()
        out["model"] = self.model_words().repeat(cells).reset_index(drop=True).astype(TEXT)
        return check_output("demand_forecast", out)


def forecast_demand(past: Past) -> Demand:
    """Fit demand on what `past` knew and forecast every SKU to the configured horizon.

    >>> from backorder_forecast.dataset import Dataset
    >>> lines = pd.DataFrame({"order_id": list("abcd"), "line_id": list("abcd"), "item_id": "x", "qty": 2.0,
    ...                       "ordered_at": pd.date_range("2026-01-05", periods=4, freq="7D")})
    >>> demand = forecast_demand(Dataset.of({"order_lines": lines}).as_of("2026-02-01"))
    >>> bool(0.15 < demand.mean_per_day()[0] < 0.4), demand.total(7).quantile([0.5])["p50"].tolist()
    (True, [1.0])
    """
    config = past.config
    horizon = config.simulation.horizon_days
    lines = past.lines[past.lines["wanted_date"] <= past.day]
    unit = _units(past, lines)
    asked, daily = config.demand, order_history(past, lines, unit)
    days = pd.date_range(past.day - pd.Timedelta(days=daily.periods - 1), periods=daily.periods + horizon)
    recorded = Recorded.daily(past.day, daily.periods, horizon)
    if asked.weekday_shape:
        recorded = Recorded.of(past.day, daily.age, daily.periods, horizon)
    history, periods = recorded.counted(daily), recorded.axis(asked.weekday_shape, event_columns(past, days))
    group = category_groups(past.skus["category"])
    hidden, note = _censored_days(past, history, recorded.ages)
    if len(hidden):
        history = complete(history, hidden, periods, group)
    panel = Panel(history, periods, group, recorded.drivers(sku_drivers(past, days)))
    lives, ahead = memories(config, recorded.days), recorded.periods(asked.lead_days)
    how = asked.model, asked.boosted
    fitted = fit_panel(panel, ahead, lives, None, len(recorded.ahead), *how)
    return _demand(past, lines, fitted, recorded, unit, (*_told_units(unit), *recorded.told(), *note))


def first_days(past: Past, edges: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(days_to_dates(past.day, (edges[:-1] + 1).astype(float)))


def row_keys(past: Past, items: pd.DataFrame, edges: np.ndarray) -> pd.DataFrame:
    """Keys of the rows: SKU, first day and length of each period."""
    index = items.iloc[np.repeat(np.arange(len(items)), len(edges) - 1)].reset_index(drop=True)
    index["date"] = np.tile(first_days(past, edges), len(items))
    index["days"] = np.tile(np.diff(edges), len(items))
    return index


def _demand(
    past: Past, lines: pd.DataFrame, fitted: Fitted, recorded: Recorded, unit: np.ndarray, notes: tuple[str, ...]
) -> Demand:
    horizon, span = past.config.simulation.horizon_days, past.config.demand.period_days
    exposure = fitted.exposure
    weekday = exposure.periods.weekday[exposure.periods.now :]
    statistical = Future.of(exposure, weekday, *_on_sale(past))
    if recorded.frequency != "D":
        statistical = statistical.placed(recorded.ahead, horizon)
    future, stated = _overridden(past, fitted, statistical, unit)
    edges = np.append(np.arange(0, horizon, span), horizon)
    items = past.skus[SKU].reset_index(drop=True)
    classes, share = class_shares(past, lines, unit)
    mixed = [f"models of {x}" for x in kinds_told(fitted.pool, recorded.days)]
    mixed += fitted.pool.refusal(past.config.demand.boosted)
    effects = exposure.effects.words() if exposure.effects is not None else []
    moved = ["effects on its logarithm: " + ", ".join(effects)] if effects else []
    return Demand(
        row_keys(past, items, edges), step=unit[np.repeat(np.arange(len(items)), len(edges) - 1)], items=items,
        starts=first_days(past, edges), notes=tuple(f"demand: {x}" for x in (*mixed, *moved, *stated, *notes)),
        law=fitted.law, future=future, unit=unit, edges=edges, names=fitted.pool.names(recorded.days),
        pool=fitted.pool, statistical=statistical, unseen=unseen_shares(past), classes=classes, class_share=share,
    )  # fmt: skip


def _overridden(past: Past, fitted: Fitted, future: Future, unit: np.ndarray) -> tuple[Future, list[str]]:
    """The factors of the days with what planners state of them."""
    rows = np.arange(len(unit))
    stated = past.tables["overrides"]
    if not stated["field"].isin(FIELDS).any():
        return future, []
    level = fitted.law.mean(rows, Span.certain(np.ones(len(unit)), np.ones(len(unit), np.int64))) * unit
    factor, notes = override_factors(past, level[:, None] * future.ahead(rows))
    if factor is None:
        return future, []
    return replace(future, profile=rows, factors=future.factors[future.profile] * factor), notes


def _units(past: Past, lines: pd.DataFrame) -> np.ndarray:
    return counting_steps(sku_codes(past, lines), lines["qty"].to_numpy(float), len(past.skus))


def _told_units(unit: np.ndarray) -> list[str]:
    other = unit[unit != 1.0]
    if not other.size:
        return []
    steps = ", ".join(f"{x:g}" for x in np.unique(other))
    return [f"{other.size} items at locations are counted in steps of {steps}, not of 1"]


def order_history(past: Past, lines: pd.DataFrame, unit: np.ndarray) -> History:
    """Units of each SKU and day with orders, as far back as is configured."""
    code = sku_codes(past, lines)
    age = past.days_since(lines["wanted_date"]).astype(np.int64)
    span = past.config.demand.history_days
    first = int(age.max(initial=0)) + 1
    introduced = past.days_since(past.skus["introduced_date"])
    length = np.minimum(np.where(np.isnan(introduced), first, introduced + 1), min(first, span)).clip(0)
    oldest = np.zeros(len(unit), np.int64)
    np.maximum.at(oldest, code, age + 1)
    length = np.maximum(length, np.minimum(oldest, span)).astype(np.int64)
    keep = age < length[code]
    counts = lines["qty"].to_numpy() / unit[code]
    frame = pd.DataFrame({"sku": code[keep], "age": age[keep], "qty": counts[keep]})
    daily = frame.groupby(["sku", "age"], sort=True)["qty"].sum().reset_index()
    # copies: what pandas hands out may not be written to, and compiled code asks for such arrays
    sku, ages, units = (daily[x].to_numpy(copy=True) for x in ("sku", "age", "qty"))
    return History(sku, ages, units, length)


def _censored_days(past: Past, history: History, ages: np.ndarray) -> tuple[Censored, tuple[str, ...]]:
    """Days that ended without stock, of SKUs whose unmet demand does not all wait, among those of these ages, which
    begin the periods of the history."""
    from .stock import closing_levels

    lost = np.flatnonzero((past.skus["backorder_share"].to_numpy() < 1.0) & (history.length > 0))
    if not lost.size:
        return Censored(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)), ()
    sku = np.repeat(lost, history.length[lost])
    age = np.concatenate([np.arange(x) for x in history.length[lost]])
    day = past.day.to_datetime64().astype("datetime64[D]") - ages[age]
    flagged, out = in_stock_flags(past, sku, day)
    level = closing_levels(past, sku, day)
    out = np.where(flagged, out, level <= 0)
    share = 1.0 - past.skus["backorder_share"].to_numpy(float)
    found = Censored(sku[out], age[out], share[sku[out]])
    told = f"{len(found)} days of {len(lost)} items that ended without stock count as 'at least what was sold'"
    return found, (told,)


def in_stock_flags(past: Past, sku: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in-stock flags exist: (is there one at most a month before, does it say 'out of stock')."""
    rows = past.tables["stock"]
    rows = rows[rows["in_stock"].notna()]
    key = sku_codes(past, rows) * (1 << 22) + rows["date"].to_numpy("datetime64[D]").astype(np.int64)
    order = np.argsort(key, kind="stable")
    key, in_stock = key[order], rows["in_stock"].to_numpy(bool)[order]
    if not len(key):
        return np.zeros(len(sku), bool), np.zeros(len(sku), bool)
    wanted = sku * (1 << 22) + day.astype(np.int64)
    at = np.searchsorted(key, wanted, side="right") - 1
    near = (at >= 0) & (wanted - key[at] <= 31)
    return near, near & ~in_stock[np.maximum(at, 0)]


def class_shares(past: Past, lines: pd.DataFrame, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The priorities seen and the share of each in an SKU's demand, shrunk to that of all."""
    by_priority = past.config.queue.rule == "priority"
    priority = lines["priority"].to_numpy() if by_priority else np.zeros(len(lines), np.int64)
    open_lines = past.lines.loc[past.lines["open_qty"] > 0, "priority"].to_numpy()
    seen = np.concatenate([priority, open_lines]) if by_priority else priority
    classes = np.unique(seen) if seen.size else np.zeros(1, np.int64)
    units = np.zeros((len(unit), len(classes)))
    np.add.at(units, (sku_codes(past, lines), np.searchsorted(classes, priority)), 1.0)
    pooled = (units.sum(axis=0) + 1e-9) / (units.sum() + 1e-9 * len(classes))
    return classes, (units + 10.0 * pooled) / (units.sum(axis=1, keepdims=True) + 10.0)


def _on_sale(past: Past) -> tuple[np.ndarray, np.ndarray]:
    """First and last future day with demand of each SKU."""
    horizon = past.config.simulation.horizon_days
    ahead = -past.days_since(past.skus["introduced_date"])
    until = -past.days_since(past.skus["discontinued_date"]) - 1
    start = np.nan_to_num(np.maximum(ahead, 1), nan=1.0)
    end = np.where(np.isnan(until), horizon, np.clip(until, 0, horizon))
    return start.astype(np.int64), end.astype(np.int64)


def unseen_shares(past: Past) -> np.ndarray:
    """Share of the lines wanted on each day 0…horizon + 1 from today that is not ordered yet, as in the past."""
    lines, horizon = past.lines[past.lines["wanted_date"] <= past.day], past.config.simulation.horizon_days
    ahead = (lines["wanted_date"] - lines["ordered_at"].dt.floor("D")).dt.days.to_numpy().clip(0, horizon + 2)
    units = np.bincount(ahead, minlength=horizon + 3)
    share: np.ndarray = np.cumsum(units)[: horizon + 2] / max(int(units.sum()), 1)
    # of what is wanted on day h, that ordered at least h days ahead is known today
    unseen = np.concatenate([[1.0], share[:-1]]) if len(lines) else np.ones(horizon + 2)
    return np.where(unseen > 1 - 1e-9, 1.0, unseen)
