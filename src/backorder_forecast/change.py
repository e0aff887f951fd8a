"""What may be changed before the queue is simulated again: rule, stock, purchases, service targets, demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from .answer import close_matches
from .errors import UsageError
from .lead_time import LeadTimes
from .past import SKU
from .policy import suggested_points
from .queue_inputs import QueueInputs
from .rules import AnyRule, rule_named


@dataclass(frozen=True)
class Change:
    """One change of what is; everything may be left out. SKUs are named `item`, or `item/location`.

    rule: another allocation rule; stock: units more (or fewer) on hand; sooner: days by which purchases come sooner, by
    po_line_id; cancel: purchases that never come; buy: more purchases, each with `item` and `qty` and either the `date`
    on which it comes for certain or, without one, as long as a new order takes; move: stock between locations, each
    with `item`, `qty`, `from`, `to` (locations) and `days` on the way; service_target: one for all SKUs or by SKU,
    whose policies become those that reach it; demand: factor of all demand to come, or by SKU.

    >>> Change(sooner={"P1": 7}).told()
    'P1 7 days sooner'
    """

    rule: AnyRule | None = None
    stock: Mapping[str, float] = field(default_factory=dict)
    sooner: Mapping[str, float] = field(default_factory=dict)
    cancel: Sequence[str] = ()
    buy: Sequence[Mapping[str, Any]] = ()
    move: Sequence[Mapping[str, Any]] = ()
    service_target: float | Mapping[str, float] | None = None
    demand: float | Mapping[str, float] | None = None

    def applied(self, inputs: QueueInputs) -> QueueInputs:
        """The inputs with all but the rule changed. Raises: ``UsageError`` for ids that are not known, and the like."""
        if self.rule is not None:
            rule_named(self.rule, inputs.past.config.queue.strategies)
        for step in (_stocked, _moved, _expedited, _cancelled, _bought, _demanded, _targeted):
            inputs = step(inputs, self)
        return inputs

    def told(self) -> str:
        """The change in words."""
        parts = [f"rule {getattr(self.rule, '__name__', self.rule)}"] if self.rule else []
        parts += [f"stock of {x} {units:+g}" for x, units in self.stock.items()]
        parts += [f"{x} {days:g} days sooner" for x, days in self.sooner.items()]
        parts += [f"{x} cancelled" for x in self.cancel]
        parts += [f"{x['qty']:g} of {x['item']} bought" for x in self.buy]
        parts += [f"{x['qty']:g} of {x['item']} from {x['from']} to {x['to']}" for x in self.move]
        for name, what in (("service_target", "service target"), ("demand", "demand ×")):
            given = getattr(self, name)
            by = given if isinstance(given, Mapping) else {} if given is None else {"": given}
            parts += [f"{what} {value:g}" + (f" of {x}" if x else "") for x, value in by.items()]
        return ", ".join(parts) or "nothing changed"

    @classmethod
    def of(cls, given: Change | Mapping[str, Any]) -> Change:
        """From a mapping, as a TOML file has it. Raises: ``UsageError`` for a key that is not known."""
        if isinstance(given, Change):
            return given
        names = [x.name for x in fields(cls)]
        for name in given:
            if name not in names:
                near = close_matches(str(name), names)
                raise UsageError(f"unknown change {name!r}; " + (f"did you mean {near[0]!r}?" if near else
                                                                  f"there are {', '.join(names)}"))  # fmt: skip
        return cls(**given)


def sku_row(inputs: QueueInputs, name: str, location: str | None = None) -> int:
    """The row of an SKU named `item`, `item/location`, or item and location apart.

    Raises: ``UsageError`` where there is none, or several locations to choose from.
    """
    skus = inputs.past.skus
    whole = skus["item_id"].astype(str) + "/" + skus["location_id"].astype(str)
    named = (skus["item_id"] == name) & (skus["location_id"] == location) if location else whole == name
    found = np.flatnonzero(named)
    if not len(found) and not location:
        found = np.flatnonzero(skus["item_id"] == name)
    if len(found) > 1:
        places = ", ".join(skus["location_id"].iloc[found])
        raise UsageError(f"item {name!r} lies at several locations ({places}); name one, as {whole.iloc[found[0]]!r}")
    if not len(found):
        told = f"{name}/{location}" if location else name
        known = whole if "/" in told else skus["item_id"]
        raise UsageError(f"no item {told!r} is known on {inputs.past.day.date()}{_near(told, known.unique())}")
    return int(found[0])


def purchase_rows(inputs: QueueInputs, ids: Iterable[str]) -> np.ndarray:
    """The rows of open purchases. Raises: ``UsageError`` for one that is not open, or not known."""
    known = inputs.supply.purchases["po_line_id"]
    rows = pd.Index(known).get_indexer(pd.Index([str(x) for x in ids], dtype=known.dtype))
    for name, row in zip(ids, rows, strict=True):
        if row < 0:
            came = (inputs.past.purchases["po_line_id"] == name).any()
            why = "has come or is cancelled already" if came else f"is not known{_near(str(name), known)}"
            raise UsageError(f"purchase line {name!r} {why}")
    return np.asarray(rows)


def _near(name: str, known: Iterable[str]) -> str:
    near = close_matches(name, known)
    return f"; did you mean {' or '.join(repr(x) for x in near)}?" if near else ""


def _number(value: Any, what: str, holds: Callable[[float], bool], told: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number) or not holds(number):
        raise UsageError(f"{what} is {told}, got {value!r}")
    return number


def _field(row: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in row:
        raise UsageError(f"{what} needs {name!r}; got {', '.join(map(str, row)) or 'nothing'}")
    return row[name]


def _with_stock(inputs: QueueInputs, units: dict[int, float]) -> QueueInputs:
    """More or fewer units on hand, by row."""
    past = inputs.past
    level = past.stock["on_hand"].to_numpy(float).copy()
    for row, more in units.items():
        if np.isnan(level[row]):
            name = "/".join(past.skus[SKU].iloc[row])
            raise UsageError(f"the stock of {name!r} is not known, so it is not simulated")
        level[row] += more
    stock = past.stock.assign(on_hand=level)
    other = replace(past)
    other.__dict__.update({x: past.__dict__[x] for x in ("lines", "purchases", "skus", "policies")}, stock=stock)
    return replace(inputs, past=other)


def _stocked(inputs: QueueInputs, change: Change) -> QueueInputs:
    units: dict[int, float] = {}
    for name, more in change.stock.items():
        row = sku_row(inputs, name)
        units[row] = units.get(row, 0.0) + _number(more, f"stock of {name!r}", lambda x: True, "a number of units more")
    return _with_stock(inputs, units) if units else inputs


def _moved(inputs: QueueInputs, change: Change) -> QueueInputs:
    """Units leave at once and arrive for certain after some days."""
    for row in change.move:
        item, begin, end = (str(_field(row, x, "a move")) for x in ("item", "from", "to"))
        source, target = sku_row(inputs, item, begin), sku_row(inputs, item, end)
        qty = _number(_field(row, "qty", "a move"), "the quantity of a move", lambda x: x > 0, "more than 0 units")
        days = _number(row.get("days", 1), "the days of a move", lambda x: x >= 1, "a day at least")
        there = inputs.past.stock["on_hand"].iloc[source]
        if source == target or qty > there:
            why = "from and to are one place" if source == target else f"only {there:g} lie at {begin!r}"
            raise UsageError(f"{qty:g} units of {item!r} cannot be moved: {why}")
        inputs = _with_stock(inputs, {source: -qty})
        inputs = _with_purchase(inputs, target, qty, int(days), f"{begin} to {end}")
    return inputs


def _expedited(inputs: QueueInputs, change: Change) -> QueueInputs:
    if not change.sooner:
        return inputs
    purchase_rows(inputs, list(change.sooner))
    days = {str(x): int(_number(d, f"days sooner of {x!r}", lambda x: x % 1 == 0, "a whole number of days"))
            for x, d in change.sooner.items()}  # fmt: skip
    return replace(inputs, supply=inputs.supply.sooner(days))


def _cancelled(inputs: QueueInputs, change: Change) -> QueueInputs:
    if not change.cancel:
        return inputs
    ids = [change.cancel] if isinstance(change.cancel, str) else list(change.cancel)
    return replace(inputs, supply=inputs.supply.without(purchase_rows(inputs, ids)))


def _bought(inputs: QueueInputs, change: Change) -> QueueInputs:
    for row in change.buy:
        sku = sku_row(inputs, str(_field(row, "item", "a purchase")))
        told = "the quantity of a purchase"
        qty = _number(_field(row, "qty", "a purchase"), told, lambda x: x > 0, "more than 0 units")
        days = None
        if row.get("date") is not None:
            days = max(1, (_day(row["date"]) - inputs.past.day).days)
        inputs = _with_purchase(inputs, sku, qty, days, "bought")
    return inputs


def _day(value: Any) -> pd.Timestamp:
    try:
        return pd.Timestamp(value).floor("D")
    except (ValueError, TypeError):
        raise UsageError(f"{value!r} is not a day; write it like 2026-06-30") from None


def _with_purchase(inputs: QueueInputs, sku: int, qty: float, days: int | None, name: str) -> QueueInputs:
    """One more purchase: it comes after so many days for certain, or (None) as a new order does."""
    supply, fitted, past = inputs.supply, inputs.supply.lead_times, inputs.past
    policy = inputs.policies.frame.iloc[sku]
    if days is None and not policy["can_order"]:
        name = "/".join(past.skus[SKU].iloc[sku])
        raise UsageError(f"how long an order of {name!r} takes is not known: give its date")
    new: dict[Any, Any] = {
        "po_line_id": f"what if {len(supply.purchases)}: {name}", "item_id": past.skus["item_id"].iloc[sku],
        "location_id": past.skus["location_id"].iloc[sku], "supplier_id": policy["supplier_id"],
        "ordered_at": past.day, "qty": qty, "open_qty": qty,
    }  # fmt: skip
    row = pd.DataFrame({x: pd.Series([new.get(x)]).astype(supply.purchases[x].dtype) for x in supply.purchases})
    law = _as_ordered(fitted, int(policy["lead_row"])) if days is None else _certain(inputs, days)
    return replace(inputs, supply=supply.with_more(row, law))


def _as_ordered(fitted: LeadTimes, row: int) -> np.ndarray:
    """P(received by day) [1 × days 1…horizon] of an order placed today that follows a row of `laws`."""
    until = np.clip(fitted.receiving.last_open(fitted.origin, fitted.horizon)[1:], 0, fitted.laws.shape[1] - 1)
    law: np.ndarray = fitted.laws[[row]][:, until]
    return law


def _certain(inputs: QueueInputs, days: int) -> np.ndarray:
    fitted = inputs.supply.lead_times
    comes = fitted.receiving.next_open(inputs.past.day, fitted.horizon)[min(days, fitted.horizon)]
    law: np.ndarray = (np.arange(1, fitted.horizon + 1) >= max(comes, days)).astype(float)[None]
    return law


def _by_sku(inputs: QueueInputs, given: float | Mapping[str, float], what: str, holds: Callable[[float], bool],
            told: str) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Rows and values."""
    if not isinstance(given, Mapping):
        n = len(inputs.past.skus)
        return np.arange(n), np.full(n, _number(given, what, holds, told))
    rows = [sku_row(inputs, str(x)) for x in given]
    return np.array(rows, np.int64), np.array([_number(x, what, holds, told) for x in given.values()])


def _demanded(inputs: QueueInputs, change: Change) -> QueueInputs:
    """Every factor of future demand times what is given; policies stay as they are."""
    if change.demand is None:
        return inputs
    demand = inputs.demand
    assert demand.future is not None
    rows, factor = _by_sku(inputs, change.demand, "a factor of demand", lambda x: x >= 0, "a number from 0 on")
    every = np.ones(len(inputs.past.skus))
    every[rows] = factor
    future = demand.future
    future = replace(future, profile=np.arange(len(every)), factors=future.factors[future.profile] * every[:, None])
    return replace(inputs, demand=replace(demand, future=future))


def _targeted(inputs: QueueInputs, change: Change) -> QueueInputs:
    """Policies that reach other targets, at the demand that is assumed."""
    if change.service_target is None:
        return inputs
    policies, frame = inputs.policies, inputs.policies.frame.copy()
    told = "a share between 0 and 1"
    rows, target = _by_sku(inputs, change.service_target, "a service target", lambda x: 0 < x < 1, told)
    frame.loc[rows, "service_target"] = target
    cover = replace(policies.cover, demand=inputs.demand)
    point = suggested_points(frame, cover)[rows]
    up_to, before = frame["order_up_to"].to_numpy(float)[rows], frame["reorder_point"].to_numpy(float)[rows]
    base = (frame["policy"] == "base_stock").to_numpy()[rows]
    frame.loc[rows, "reorder_point"] = np.where(base, before, point)
    frame.loc[rows, "order_up_to"] = np.where(base, point + inputs.demand.unit[rows], up_to + point - before)
    return replace(inputs, policies=replace(policies, frame=frame, cover=cover))
