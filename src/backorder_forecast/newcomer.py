"""The date of an order that is not placed yet, or of a line that its customer wants changed: `Run.promise`.

An order placed now comes in on the next day, behind all that wait (within its class) and before all demand to come. Its
date is what the whole simulation says with that line added: only the component of its item is simulated again, from
arrays that are laid out once. Where stock covers it whoever comes, nothing has to be simulated at all.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .answer import waits_for
from .change import sku_row
from .core import components
from .core.chance import sample_days, sample_waits
from .core.queue_kernel import BY_CLASS, FIRST_PURCHASE, LINE, LINE_DRAW, NONE, PLANNED, STOCK
from .errors import NotAvailable, UsageError
from .past import SKU
from .queue import Layout
from .rules import Lines, first_come, rule_named
from .streams import keys
from .tables import from_rows

if TYPE_CHECKING:
    from .core.queue_kernel import Problem, Tally
    from .past import Past
    from .queue_inputs import QueueInputs
    from .result import Run

NEW_LINE = "(an order not yet placed)"
_LEVELS = np.array([0.1, 0.5, 0.9])
_KEPT = 256  # components that are held ready
_STATES = ("ready", "due", "overdue", "planned", "none")
_ASKED = ("item_id", "location_id", "qty", "priority", "date", "allow_partial", "line_id")


class NewOrder(NamedTuple):
    """An order that comes in tomorrow: the place of its SKU in the problem, what it asks for, its class or key, and how
    many of the lines that wait for the SKU stand before it."""

    place: int
    qty: float
    priority: int
    wanted: int
    pieces: bool
    key: float
    ahead: int
    waiting: int


class OrderDesk:
    """Where orders are taken in: what one run's queue needs to date another line, laid out once."""

    def __init__(self, inputs: QueueInputs, found: Layout) -> None:
        self.inputs, self.found = inputs, found
        self.past, self.problem = found.past, found.problem
        queue = self.past.config.queue
        self.rule = rule_named(queue.rule, queue.strategies)
        lines = found.lines
        self.line_class = lines["class"].to_numpy(float)
        self.committed = ~lines["late"].to_numpy(bool)
        self.place_day = -self.past.days_since(lines["place_date"])
        self.names = list(self.past.skus[SKU].itertuples(index=False, name=None))
        self.po_line_ids = found.purchases["po_line_id"].tolist()
        self.place_of = {int(sku): i for i, sku in enumerate(found.sku_rows)}
        self.overdue = (found.purchases["promised_date"] <= self.past.day).to_numpy(bool)
        self.prepared = lru_cache(_KEPT)(lambda c: components.one_component(self.problem, c))
        self.handling = lru_cache(None)(self._handling)
        self.patience = lru_cache(_KEPT)(self._patience)
        self.sku = lru_cache(1 << 16)(lambda item, location: sku_row(inputs, item, location))

    def _handling(self, location: int) -> np.ndarray:
        """Working days until the line leaves [scenarios], were it committed."""
        out = np.zeros((1, self.problem.scenarios), np.int16)
        law = self.inputs.service.still_to_go(np.array([location]), np.zeros(1, np.int64))
        sample_days(law, keys(self.inputs.seed, "handling", [NEW_LINE]), 0, out)
        return out

    def _patience(self, wanted: int, priority: int) -> np.ndarray:
        """The day on which its customer stops waiting [scenarios]."""
        never, patience = self.problem.horizon + 1, self.inputs.service.patience
        out, start, age = np.zeros((1, self.problem.scenarios), np.int16), np.array([wanted]), np.zeros(1, np.int64)
        laws, row = patience.table(never), patience.rows(np.array([priority]))
        sample_waits(laws, row, age, start, keys(self.inputs.seed, "patience", [NEW_LINE]), never, out)
        return np.where(out < never, out, 0)

    def knows(self, priority: int) -> bool:
        """Whether one more line of this priority leaves the way in which lines are served as it is."""
        return self.problem.rule != BY_CLASS or self.rule.key is first_come or priority in self.classes

    @property
    def classes(self) -> np.ndarray:
        """The priorities that are served one after the other."""
        return self.inputs.demand.classes

    def key(self, priority: int, wanted: int, qty: float, sku: int) -> float:
        """The class, or the key, of a line that is ordered tomorrow."""
        if self.problem.rule == BY_CLASS:
            return float(self.classes[0] if self.rule.key is first_come else priority)
        price = self.past.skus["unit_price"].to_numpy(float)[sku]
        asked = Lines.blank(1)._replace(
            priority=np.array([float(priority)]), ordered=np.ones(1), wanted=np.array([float(wanted)]),
            requested=np.array([float(wanted)]), open_qty=np.array([qty]), unit_price=np.array([price]),
        )  # fmt: skip
        return float(self.rule.key(asked)[0])

    def dated(self, sku: int, qty: float, priority: int, wanted: int, pieces: bool) -> tuple[np.ndarray, np.ndarray]:
        """Days on which the line leaves [scenarios], and how often it waits for each of the SKU's supplies."""
        order = self.order(sku, qty, priority, wanted, pieces)
        from_stock = self.from_stock(order)
        if from_stock is not None:
            return from_stock
        more, at = self.joined(order, self.prepared(self.found.component(order.place)))
        return read_line(more, components.simulated(more), at)

    def order(self, sku: int, qty: float, priority: int, wanted: int, pieces: bool) -> NewOrder:
        """An order that comes in tomorrow, with its turn among those that wait."""
        place = self.place_of[sku]
        row = self.problem.sku[place]
        key = self.key(priority, wanted, qty, sku)
        mine = slice(row["line_from"], row["line_to"])
        same = self.line_class[mine] == key
        before = (self.line_class[mine] < key) | (same & (self.committed[mine] | (self.place_day[mine] <= wanted)))
        # those before it lie together: lines are sorted by this
        return NewOrder(place, qty, priority, wanted, pieces, key, int(before.sum()), before.size)

    def from_stock(self, order: NewOrder) -> tuple[np.ndarray, np.ndarray] | None:
        """What `dated` says of a line that stock covers whoever comes; None where it does not."""
        p, row = self.problem, self.problem.sku[order.place]
        if not self._in_stock(order.place, order.key, order.qty, order.wanted, order.ahead):
            return None
        nexts, opens = p.calendar["next"][row["location"]], p.working_days[row["location"]]
        peg = np.zeros(FIRST_PURCHASE + row["po_to"] - row["po_from"], np.int64)
        peg[STOCK] = p.scenarios
        handling = self.handling(int(row["location"]))
        return opens[np.minimum(nexts[order.wanted] + handling[0], opens.size - 1)], peg

    def joined(self, order: NewOrder, own: Problem) -> tuple[Problem, int]:
        """The problem of its component (own) with the line, and where the line is."""
        p, row = self.problem, self.problem.sku[order.place]
        line, draw = np.zeros(1, LINE), np.zeros((1, p.scenarios), LINE_DRAW)
        line["need"], line["wanted"], line["pieces"], line["order"] = order.qty, order.wanted, order.pieces, -1
        line["key"] = 0.0 if p.rule == BY_CLASS else order.key
        draw["cancel"] = self.patience(order.wanted, order.priority)
        draw["handling"] = self.handling(int(row["location"]))
        g = order.place - int(p.component["sku"][self.found.component(order.place)])
        at = int(own.sku["line_from"][g]) + order.ahead
        above = self.classes > order.key if p.rule == BY_CLASS else np.zeros(len(self.classes), bool)
        return components.with_line(own, g, at, line, draw, above), at

    def _in_stock(self, place: int, key: float, qty: float, wanted: int, ahead: int) -> bool:
        """Whether stock covers the line as soon as it is wanted, whoever comes: nothing to come stands before it."""
        p, row = self.problem, self.problem.sku[place]
        first = p.working_days[row["location"], p.calendar["next"][row["location"], wanted]]
        if p.rule != BY_CLASS or wanted != 1 or first > p.horizon or key > self.classes[0]:
            return False
        needed = p.line["need"][row["line_from"] : row["line_from"] + ahead].sum()
        return bool(row["free"] - needed >= qty)


def read_line(p: Problem, tally: Tally, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Days on which a line leaves [scenarios], and how often it waits for each of its SKU's supplies."""
    own = components.departures(p.line["slot"][at : at + 1], p.line["order"][at : at + 1], tally)
    g = int(np.searchsorted(p.sku["line_to"], at, side="right"))
    begin = p.line["peg_from"][at]
    return own[0], tally.peg[begin : begin + FIRST_PURCHASE + p.sku["po_to"][g] - p.sku["po_from"][g]]


def promise(run: Run, asked: Any) -> pd.DataFrame:
    """The dates of orders not placed yet, each as if it were the only one; see :meth:`Run.promise`."""
    desk = run.desk
    rows = [_checked(desk, x) for x in _rows(asked)]
    return from_rows("promise", [_answer(desk, run, row) for row in rows])


def _rows(asked: Any) -> list[dict[str, Any]]:
    """Frame, mapping or list of mappings as rows."""
    if isinstance(asked, dict):
        asked = [asked]
    rows = asked.to_dict("records") if isinstance(asked, pd.DataFrame) else [dict(x) for x in asked]
    for row in rows:
        unknown = [str(x) for x in row if x not in _ASKED]
        if unknown:
            raise UsageError(f"a promise is asked for by {', '.join(_ASKED)}; {unknown[0]!r} is none of them")
    return [{str(name): x for name, x in row.items() if x is not None and x == x} for row in rows]


def _checked(desk: OrderDesk, row: dict[str, Any]) -> dict[str, Any]:
    """A row with everything that it does not say; ``UsageError`` for what cannot be meant."""
    if "line_id" in row:
        row = _of_line(desk, row) | row
    for name in ("item_id", "qty"):
        if name not in row:
            raise UsageError(f"a promise needs {name!r}")
    try:
        qty, priority = float(row["qty"]), int(row.get("priority", 0))
        day = desk.past.day if "date" not in row else pd.Timestamp(row["date"]).floor("D")
    except (TypeError, ValueError) as error:
        raise UsageError(f"a promise cannot be read: {error}") from None
    if not (np.isfinite(qty) and qty > 0):
        raise UsageError(f"the quantity of a promise is more than 0, got {row['qty']!r}")
    horizon = desk.problem.horizon
    wanted = max(1, (day - desk.past.day).days)
    if wanted > horizon:
        raise UsageError(f"{day.date()} lies beyond the {horizon} days that are simulated")
    location = row.get("location_id")
    sku = desk.sku(str(row["item_id"]), None if location is None else str(location))
    if sku not in desk.place_of:
        name = "/".join(desk.past.skus[SKU].iloc[sku])
        raise NotAvailable(f"nothing can be promised of {name!r}: its stock is not known")
    return {"sku": sku, "qty": qty, "priority": priority, "wanted": wanted,
            "date": day if "date" in row else None, "pieces": bool(row.get("allow_partial", True)),
            "line_id": str(row["line_id"]) if "line_id" in row else None}  # fmt: skip


def _of_line(desk: OrderDesk, row: dict[str, Any]) -> dict[str, Any]:
    lines = desk.past.lines
    mine = lines[(lines["line_id"] == str(row["line_id"])) & (lines["open_qty"] > 0)]
    if mine.empty:
        raise UsageError(f"no line {row['line_id']!r} waits on {desk.past.day.date()}, so it cannot be changed")
    line = mine.iloc[0]
    return {"item_id": line["item_id"], "location_id": line["location_id"], "qty": line["open_qty"],
            "priority": line["priority"], "allow_partial": bool(line["allow_partial"])}  # fmt: skip


def _answer(desk: OrderDesk, run: Run, row: dict[str, Any]) -> dict[str, Any]:
    p, sku = desk.problem, row["sku"]
    if row["line_id"] is not None or not desk.knows(row["priority"]):
        days, peg = _recomputed(desk, row)
    else:
        days, peg = desk.dated(sku, row["qty"], row["priority"], row["wanted"], row["pieces"])
    bought = p.sku[desk.place_of[sku]]
    return _told(desk, row, days, peg / p.scenarios, slice(bought["po_from"], bought["po_to"]))


def _told(desk: OrderDesk, row: dict[str, Any], days: np.ndarray, peg: np.ndarray, bought: slice) -> dict[str, Any]:
    item, location = desk.names[row["sku"]]
    return {
        "item_id": item, "location_id": location, "qty": row["qty"], "priority": row["priority"],
        "date": row["date"], "line_id": row["line_id"],
        **dates_of(desk, days), **supply_of(desk, peg, bought),
    }  # fmt: skip


def dates_of(desk: OrderDesk, days: np.ndarray) -> dict[str, Any]:
    """Quantiles of the day on which a line leaves [scenarios], and the chance that it does within the horizon."""
    p, origin = desk.problem, desk.past.day.to_datetime64().astype("datetime64[D]")
    cdf = np.cumsum(np.bincount(days, minlength=p.horizon + 2)[: p.horizon + 1]) / p.scenarios
    at = np.searchsorted(cdf, _LEVELS - 1e-12)
    dates = np.where(at <= p.horizon, origin + at, np.datetime64("NaT"))
    return {"p10_date": dates[0], "p50_date": dates[1], "p90_date": dates[2], "ship_prob": cdf[-1]}


def supply_of(desk: OrderDesk, peg: np.ndarray, bought: slice) -> dict[str, Any]:
    """What a line waits for, by the shares of scenarios in which each supply completes it."""
    overdue, share = desk.overdue[bought], peg[FIRST_PURCHASE:]
    chance = np.array([peg[STOCK], share[~overdue].sum(), share[overdue].sum(), peg[PLANNED], peg[NONE]])
    best = int(share.argmax()) if share.size and share.max() > 0 else -1
    return {
        "unplaced_prob": peg[PLANNED], "supply_state": _STATES[int(chance.argmax())],
        "pegged_po_line_id": desk.po_line_ids[bought.start + best] if best >= 0 else None,
        "pegged_prob": share[best] if best >= 0 else np.nan,
    }  # fmt: skip


def _recomputed(desk: OrderDesk, row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The same from frames: of a line changed, or where one more line changes how all are served."""
    inputs = with_line(desk.inputs, row, str(row["line_id"] or NEW_LINE))
    found = inputs.laid_out()
    line = int(np.flatnonzero(found.lines["line_id"] == (row["line_id"] or NEW_LINE))[0])
    c = found.component(found.place(row["sku"]))
    own = components.one_component(found.problem, c)
    first = int(found.problem.sku["line_from"][found.problem.component["sku"][c]])
    return read_line(own, components.simulated(own), line - first)


def with_line(inputs: QueueInputs, row: dict[str, Any], line_id: str) -> QueueInputs:
    """The inputs with a line that is ordered tomorrow; or with a waiting one asking for another quantity or date.

    row: sku (row of `past.skus`), qty, priority, wanted (day from today), date, pieces.
    """
    past, lines = inputs.past, inputs.past.lines
    at = np.flatnonzero(lines["line_id"] == line_id)
    wanted = past.day + pd.Timedelta(days=row["wanted"])
    if len(at):
        lines = lines.copy()
        i = at[0]
        lines.loc[i, ["qty", "open_qty"]] = [row["qty"] + lines["qty"].iloc[i] - lines["open_qty"].iloc[i], row["qty"]]
        lines.loc[i, "priority"] = row["priority"]
        if row["date"] is not None:
            lines.loc[i, ["requested_date", "wanted_date"]] = wanted
    else:
        ordered = past.day + pd.Timedelta(days=1)
        new: dict[Any, Any] = {
            "order_id": line_id, "line_id": line_id, "item_id": past.skus["item_id"].iloc[row["sku"]],
            "location_id": past.skus["location_id"].iloc[row["sku"]], "ordered_at": ordered, "qty": row["qty"],
            "open_qty": row["qty"], "shipped_qty": 0.0, "cancelled_qty": 0.0, "priority": row["priority"],
            "requested_date": wanted, "wanted_date": wanted, "ship_complete": False,
            "allow_partial": row["pieces"], "is_stale": False,
        }  # fmt: skip
        blank = lines.iloc[:1].reindex([-1])
        columns = {x: pd.Series([new[x]] if x in new else blank[x].array) for x in lines}
        more = pd.DataFrame({x: column.astype(lines[x].dtype) for x, column in columns.items()})
        lines = pd.concat([lines, more], ignore_index=True)
    other = replace(past, tables=_changed_today(past, line_id) if len(at) else past.tables)
    other.__dict__.update({x: past.__dict__[x] for x in ("purchases", "skus", "policies", "stock")}, lines=lines)
    return replace(inputs, past=other)


def _changed_today(past: Past, line_id: str) -> dict[str, pd.DataFrame]:
    """The tables with the change, so that a line loses its place where changed lines do."""
    changes = past.tables["line_changes"]
    tomorrow = past.day + pd.Timedelta(days=1)
    new: dict[Any, Any] = {"line_id": line_id, "changed_at": tomorrow, "field": "qty", "value": ""}
    row = pd.DataFrame({x: pd.Series([new.get(x)]).astype(changes[x].dtype) for x in changes})
    return past.tables | {"line_changes": pd.concat([changes, row], ignore_index=True)}


def promise_text(row: dict[str, Any]) -> str:
    """A row of the answer, in plain values, as text."""
    place = "" if row["location_id"] == "main" else f" at {row['location_id']}"
    what = f"line {row['line_id']}, " if row["line_id"] else ""
    dates = ", ".join(f"{row[f'{q}_date'] or 'beyond the horizon'} ({q})" for q in ("p10", "p50", "p90"))
    within = f"leaves within the horizon with {row['ship_prob']:.0%} chance"
    return f"{what}{row['qty']:g} of {row['item_id']}{place}: {dates}\n  {waits_for(row) or within}; {within}"
