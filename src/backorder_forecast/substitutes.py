"""What may be sent instead: the table `substitute_offers`, on the scenarios of the outcomes.

A late line whose customer takes a substitute leaves its queue and stands in the other's as an order placed now. Both
are simulated again, and what the line and those that wait beside it gain or lose is taken scenario by scenario.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .core import components
from .executors import run_partitions
from .newcomer import OrderDesk, dates_of, read_line, supply_of
from .queue_inputs import QueueInputs
from .tables import check_output, empty

if TYPE_CHECKING:
    from .core.queue_kernel import Problem, Tally
    from .newcomer import NewOrder
    from .queue import Outcomes

SURE = 2.0  # standard errors by which an offer has to be sooner to be called better
_KEPT = 64  # components whose simulation as it is is held ready


def substitute_offers(outcomes: Outcomes, eta: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The output table `substitute_offers` for the late lines of `eta` (`line_eta`), and what its reader must know.

    At most `queue.substitutes_simulated` items at locations are simulated again, for the lines that wait longest first.
    """
    asked = _asked(outcomes, eta)
    possible = asked[asked["place"] >= 0].reset_index(drop=True)
    notes = _note(len(asked) - len(possible), "times what may be sent instead of a late line has no stock row, or no "
                  "known stock, where the line is served: no date is said of it")  # fmt: skip
    if possible.empty:
        return empty("substitute_offers"), notes
    bench = _Bench(OrderDesk(QueueInputs.of(outcomes), outcomes.layout), outcomes.lines)
    chosen = _within_budget(bench, possible, outcomes.config.queue.substitutes_simulated)
    notes += _note(possible["line"].nunique() - len(chosen), "late lines that have substitutes were not simulated with "
                   "them (queue.substitutes_simulated)")  # fmt: skip
    return _ranked(possible, _simulated(bench, chosen, outcomes.config.simulation.jobs)), notes


def _note(count: int, what: str) -> list[str]:
    return [f"{count} {what}"] if count else []


def _asked(outcomes: Outcomes, eta: pd.DataFrame) -> pd.DataFrame:
    """Late lines × what may replace their items: line (row of `outcomes.lines`), sku, place in the problem (−1: none),
    qty of the substitute; lines that wait longest first."""
    late = (eta["is_backordered"] & (eta["supply_state"] != "ready")) | (eta["promise_state"] == "late")
    late &= eta["date_basis"].notna()
    known = ["line_id", "order_id", "customer_id", "item_id", "location_id", "open_qty", "p50_date", "promised_date"]
    lines = eta.loc[late, known].sort_values(["p50_date", "line_id"], ascending=[False, True], na_position="first")
    found = lines.merge(stated(outcomes.past.tables["substitutes"]), on="item_id", how="inner")
    found["line"] = pd.Index(outcomes.lines["line_id"]).get_indexer(found["line_id"])
    committed = ~outcomes.lines["late"].to_numpy(bool)
    found = found[~committed[found["line"]]].reset_index(drop=True)
    skus = pd.MultiIndex.from_frame(outcomes.past.skus[["item_id", "location_id"]])
    named = found[["substitute_item_id", "location_id"]]
    found["sku"] = skus.get_indexer(pd.MultiIndex.from_frame(named)) if len(found) else np.zeros(0, np.int64)
    place = np.full(len(skus) + 1, -1)
    place[outcomes.sku_rows] = np.arange(len(outcomes.sku_rows))
    found["place"] = place[found["sku"]]  # the last is of those that are no SKU
    unit = outcomes.demand.unit[found["sku"]]
    found["qty"] = np.ceil(found["open_qty"] * found["ratio"] / unit - 1e-9) * unit
    return found


def stated(rows: pd.DataFrame) -> pd.DataFrame:
    """What may be sent instead of each item, by what was known last: item_id, substitute_item_id, ratio, rank.

    rows: the input table `substitutes`.
    """
    order = ["item_id", "substitute_item_id", "known_at", "rank", "ratio"]
    ordered = rows.sort_values(order, ascending=[True, True, True, False, False], na_position="first")
    last = ordered.drop_duplicates(["item_id", "substitute_item_id"], keep="last")
    return last.loc[last["item_id"] != last["substitute_item_id"], ["item_id", "substitute_item_id", "ratio", "rank"]]


def _within_budget(bench: _Bench, possible: pd.DataFrame, most: int) -> list[pd.DataFrame]:
    """The lines that are simulated, by their rows: in turn, while no more SKUs than `most` are taken.

    Each takes one at least, so as many lines are looked at as there may be.
    """
    first = possible[possible["line"].isin(possible["line"].drop_duplicates().head(most))]
    chosen = []
    for _, rows in first.groupby("line", sort=False):
        cost = bench.cost(rows)
        if cost <= most:
            most -= cost
            chosen.append(rows)
    return chosen


class _Stood(NamedTuple):
    """A component simulated: its problem, the days on which its lines leave, and end, [lines × scenarios]."""

    problem: Problem
    tally: Tally
    leaves: np.ndarray
    ends: np.ndarray


def _stood(p: Problem) -> _Stood:
    tally = components.simulated(p)
    leaves = components.departures(p.line["slot"], p.line["order"], tally)
    return _Stood(p, tally, leaves, components.ends(p, leaves))


class _Bench:
    """Simulates what offers bring, component by component; what is as it is is simulated once."""

    def __init__(self, desk: OrderDesk, lines: pd.DataFrame) -> None:
        self.desk, self.lines = desk, lines
        self.size = np.diff(desk.problem.component["sku"])
        self.wanted = np.maximum(1, -desk.past.days_since(lines["wanted_date"])).astype(np.int64)
        self.due = -desk.past.days_since(lines["promised_date"])
        self.as_it_is = lru_cache(_KEPT)(lambda c: _stood(desk.prepared(c)))

    def component(self, line: int) -> int:
        """The component of a row of `outcomes.lines`."""
        return self.desk.found.component(self.desk.place_of[int(self.lines["sku"].iloc[line])])

    def order(self, row: Any) -> NewOrder:
        """A row of `_asked` as an order."""
        line = self.lines.iloc[row.line]
        pieces, wanted = bool(line["allow_partial"]), int(self.wanted[row.line])
        return self.desk.order(int(row.sku), float(row.qty), int(line["priority"]), wanted, pieces)

    def covered(self, order: NewOrder) -> bool:
        """Whether stock covers it, and nobody waits behind it who would feel that."""
        return order.ahead == order.waiting and self.desk.from_stock(order) is not None

    def cost(self, rows: pd.DataFrame) -> int:
        """SKUs that are simulated again for the offers of one line."""
        own = self.component(int(rows["line"].iloc[0]))
        orders = [self.order(row) for row in rows.itertuples(index=False)]
        found = [self.desk.found.component(x.place) for x in orders]
        leaves = int(any(c != own for c in found)) * self.size[own]
        joins = sum(self.size[c] for c, x in zip(found, orders, strict=True) if c == own or not self.covered(x))
        return int(leaves + joins)

    def offers(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """What each substitute of one line brings; rows: of `_asked`."""
        line = int(rows["line"].iloc[0])
        c = self.component(line)
        at = line - int(self.desk.problem.sku["line_from"][self.desk.problem.component["sku"][c]])
        without = _without(self.as_it_is(c).problem, at)
        left = lru_cache(None)(lambda: _stood(without))  # where the substitute is tied to the item, it is not asked for
        return [self._offer(row, c, at, without, left) for row in rows.itertuples(index=False)]

    def _offer(self, row: Any, c: int, at: int, without: Problem, left: Callable[[], _Stood]) -> dict[str, Any]:
        desk, order, before = self.desk, self.order(row), self.as_it_is(c)
        other = desk.found.component(order.place)
        days, peg, joined = self._joined(order, other, without if other == c else None)
        after = joined if other == c and joined is not None else left()
        days = np.maximum(days, _held(after, at)) if without.line["order"][at] >= 0 else days
        saved = _moved(before, after, at, days)
        if other != c and joined is not None:
            saved = np.concatenate([saved, self.as_it_is(other).ends - joined.ends])
        due, bought = self.due[row.line], desk.problem.sku[order.place]
        return {
            **dates_of(desk, days),
            **supply_of(desk, peg / desk.problem.scenarios, slice(bought["po_from"], bought["po_to"])),
            "on_time_prob": np.nan if np.isnan(due) else float(np.mean(days <= due)),
            **_effect("days_sooner", before.leaves[at].astype(float) - days), **_others(saved.astype(float)),
        }  # fmt: skip

    def _joined(self, order: NewOrder, c: int, own: Problem | None) -> tuple[np.ndarray, np.ndarray, _Stood | None]:
        """Days of the line in its new queue, what it waits for there, and what others do (None: as without it).

        own: the problem of its component, where the line comes from the same one.
        """
        if own is None and self.covered(order) and (from_stock := self.desk.from_stock(order)):
            return (*from_stock, None)
        more, at = self.desk.joined(order, self.desk.prepared(c) if own is None else own)
        found = _stood(more)
        days, peg = read_line(more, found.tally, at)
        kept = np.delete(np.arange(more.line.size), at)
        tally = found.tally._replace(own_day=found.tally.own_day[kept], release_day=found.tally.release_day[kept])
        others = more._replace(line=more.line[kept])
        return days, peg, _Stood(others, tally, found.leaves[kept], found.ends[kept])


def _without(p: Problem, at: int) -> Problem:
    """The same component, the customer of one line having left it by tomorrow."""
    draw = p.line_draw.copy()
    draw["cancel"][at] = 1
    return p._replace(line_draw=draw)


def _held(left: _Stood, at: int) -> np.ndarray:
    """The day from which none of the lines that a line leaves together with keeps it [scenarios]."""
    order = left.problem.line["order"]
    mates = np.flatnonzero(order == order[at])
    held = components.held_by_others(mates, np.zeros(len(mates), np.int64), left.tally)
    days: np.ndarray = held[mates == at][0]
    return days


def _moved(before: _Stood, left: _Stood, at: int, days: np.ndarray) -> np.ndarray:
    """Days sooner on which the other lines of a component end [others × scenarios]; those that the line must leave with
    wait for what is sent in its place."""
    after, order = left.ends.copy(), before.problem.line["order"]
    if order[at] >= 0:
        mates = order == order[at]
        stays = left.ends[mates] == left.leaves[mates]
        after[mates] = np.where(stays, np.maximum(left.leaves[mates], days), left.ends[mates])
    moved: np.ndarray = before.ends.astype(np.int64) - after
    return np.delete(moved, at, axis=0)


def _others(saved: np.ndarray) -> dict[str, float]:
    """What other lines that wait gain and lose, of the days sooner on which they end [lines × scenarios]."""
    return {
        "others_later": float((saved < 0).sum(axis=0).mean()),
        **_effect("others_later_days", np.maximum(-saved, 0.0).sum(axis=0)),
        **_effect("others_sooner_days", np.maximum(saved, 0.0).sum(axis=0)),
    }


def _effect(name: str, of: np.ndarray) -> dict[str, float]:
    """Mean over scenarios and its standard error."""
    error = float(of.std(ddof=1) / np.sqrt(of.size)) if of.size > 1 else 0.0
    return {name: float(of.mean()), f"{name}_error": error}


def _simulated(bench: _Bench, lines: list[pd.DataFrame], jobs: int) -> list[tuple[int, dict[str, Any]]]:
    """What offers bring, with the row of `_asked` of each."""
    found: list[list[dict[str, Any]]] = [[] for _ in lines]

    def work(start: int, stop: int) -> None:
        for i in range(start, stop):
            found[i] = bench.offers(lines[i])

    run_partitions(work, np.array([1.0 + len(x) for x in lines]), jobs)
    return [(int(row), told) for rows, answers in zip(lines, found, strict=True)
            for row, told in zip(rows.index, answers, strict=True)]  # fmt: skip


def _ranked(possible: pd.DataFrame, found: list[tuple[int, dict[str, Any]]]) -> pd.DataFrame:
    """The table: a line's offers by rank, then by date; the first that is surely sooner is the best."""
    if not found:
        return empty("substitute_offers")
    columns = ["line_id", "order_id", "customer_id", "item_id", "location_id", "open_qty", "substitute_item_id", "rank",
               "ratio", "qty"]  # fmt: skip
    out = possible.iloc[[row for row, _ in found]][columns].reset_index(drop=True)
    out = pd.concat([out, pd.DataFrame([told for _, told in found])], axis=1)
    order = ["line_id", "rank", "p50_date", "p90_date", "days_sooner", "substitute_item_id"]
    out = out.sort_values(order, ascending=[True, True, True, True, False, True], ignore_index=True)
    better = (out["days_sooner"] > SURE * out["days_sooner_error"]) & (out["ship_prob"] > 0)
    first = out[better].drop_duplicates("line_id").index
    out["is_best"] = out.index.isin(first)
    return check_output("substitute_offers", out)
