"""What changed since an earlier run, line by line, and why: the table `changes`.

Why a date moved is asked of today's queue: one thing at a time is put back as it was then, everything else staying as
it is, and the median day is worked out again on the curves of need and supply. The thing that moves it most in the
direction in which it really moved is the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.first_come import ITEM, LINE, Queues, cover_days_drawn, room
from .errors import UsageError
from .executors import run_partitions
from .past import SKU
from .queue import lay_out
from .tables import check_output, text

if TYPE_CHECKING:
    from .queue import Layout
    from .result import Run

CAUSES = ("receipt", "purchase", "stock", "new_lines", "cancellation", "rule")


@dataclass(frozen=True)
class _Queue:
    """Today's queue, or what it would be: stock [SKUs], need [lines], and purchases: place, units and draws of each."""

    found: Layout
    stock: np.ndarray
    need: np.ndarray
    place: np.ndarray
    qty: np.ndarray
    draw: np.ndarray

    @classmethod
    def of(cls, found: Layout, scenarios: int) -> _Queue:
        p = found.problem
        place = np.repeat(np.arange(p.sku.size), p.sku["po_to"] - p.sku["po_from"])
        return cls(found, p.sku["free"].copy(), p.line["need"].copy(), place, p.po_qty, p.po_draw[:, :scenarios])

    def with_more(self, place: np.ndarray, qty: np.ndarray, draw: np.ndarray) -> _Queue:
        """With further purchases."""
        return replace(self, place=np.append(self.place, place), qty=np.append(self.qty, qty),
                       draw=np.concatenate([self.draw, draw]))  # fmt: skip

    def without(self, gone: np.ndarray) -> _Queue:
        """Without some of its purchases."""
        return replace(self, place=self.place[~gone], qty=self.qty[~gone], draw=self.draw[~gone])

    def medians(self, jobs: int) -> np.ndarray:
        """The median day of each line, H + 1 beyond the horizon; customers go on waiting."""
        p, order = self.found.problem, np.argsort(self.place, kind="stable")
        item = np.zeros(p.sku.size, ITEM)
        item["stock"], item["location"] = self.stock, p.sku["location"]
        item["line_from"], item["line_to"] = p.sku["line_from"], p.sku["line_to"]
        item["po_to"] = np.cumsum(np.bincount(self.place, minlength=p.sku.size))
        item["po_from"] = np.append(0, item["po_to"][:-1])
        line = np.zeros(p.line.size, LINE)
        line["need"], line["wanted"] = self.need, p.line["wanted"]
        place = np.arange(len(p.calendar))[:, None]
        queues = Queues(item, line, p.working_days[place, p.calendar["next"]])
        qty, draw = np.ascontiguousarray(self.qty[order]), np.ascontiguousarray(self.draw[order])
        out, half = room(p.line.size, 1, p.horizon + 2, histogram=False), np.array([0.5])
        run_partitions(lambda a, b: cover_days_drawn(queues, qty, draw, half, out, a, b), np.ones(len(item)), jobs)
        return _together(out.quantile[:, 0].astype(np.int64), self.found.lines["firm_row"].to_numpy())


def _together(days: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Lines that leave together wait for the latest of them (order: −1 for those by themselves)."""
    tied = order >= 0
    latest = np.zeros(int(order.max(initial=-1)) + 1, np.int64)
    np.maximum.at(latest, order[tied], days[tied])
    out = days.copy()
    out[tied] = latest[order[tied]]
    return out


class _Since:
    """Today and then, matched by ids."""

    def __init__(self, run: Run, earlier: Run) -> None:
        self.run, self.earlier, self.now, self.then = run, earlier, run.laid_out, earlier.laid_out
        self.gap = (run.as_of - earlier.as_of).days
        self.scenarios = min(self.now.problem.scenarios, self.then.problem.scenarios)
        self.queue = _Queue.of(self.now, self.scenarios)
        self.place_now = self._places(self.now)
        bought, was = run.state["purchases"].set_index("po_line_id"), earlier.state["purchases"].set_index("po_line_id")
        self.came, self.dropped = (
            (bought[x] - was[x].reindex(bought.index).fillna(0.0)) for x in ("received_qty", "cancelled_qty")
        )
        self.bought = bought
        lines, before = run.state["lines"].set_index("line_id"), earlier.state["lines"].set_index("line_id")
        self.lines, self.before = lines, before
        cancelled = lines["cancelled_qty"] - before["cancelled_qty"].reindex(lines.index).fillna(0.0)
        self.cancelled = cancelled[cancelled > 0]

    def _places(self, found: Layout) -> pd.Series:
        """The place in the problem of each simulated SKU."""
        skus = found.past.skus[SKU].iloc[found.sku_rows]
        return pd.Series(np.arange(len(skus)), index=pd.MultiIndex.from_frame(skus))

    def of(self, frame: pd.DataFrame) -> np.ndarray:
        """The place of each row's SKU now, −1 where it is not simulated."""
        return self.place_now.reindex(pd.MultiIndex.from_frame(frame[SKU])).fillna(-1).to_numpy(np.int64)

    def draws_then(self, ids: pd.Index) -> tuple[np.ndarray, np.ndarray]:
        """Which purchases were open then, and when each would come as was thought then, counted from today."""
        at = pd.Index(self.then.purchases["po_line_id"]).get_indexer(ids)
        draw = self.then.problem.po_draw[np.maximum(at, 0), : self.scenarios].copy()
        for name in ("first", "rest"):
            day = draw[name].astype(np.int64)
            beyond = day > self.then.problem.horizon
            draw[name] = np.where(beyond, self.now.problem.horizon + 1, np.maximum(day - self.gap, 1))
        return at >= 0, draw

    def back(self, cause: str) -> _Queue:
        """Today's queue with one thing as it was."""
        found: _Queue = getattr(self, f"_without_{cause}")()
        return found

    def _without_receipt(self) -> _Queue:
        came = self.came[self.came > 0]
        place = self.of(self.bought.loc[came.index])
        came, place = came[place >= 0], place[place >= 0]
        stock = self.queue.stock - np.bincount(place, came, len(self.queue.stock))
        known, draw = self.draws_then(came.index)
        draw["first_qty"] = came.to_numpy()[:, None]
        more = replace(self.queue, stock=stock)
        return more.with_more(place[known], came.to_numpy()[known], draw[known])

    def _without_purchase(self) -> _Queue:
        ids = pd.Index(self.now.purchases["po_line_id"])
        known, draw = self.draws_then(ids)
        draw["first_qty"] = np.minimum(draw["first_qty"], self.queue.qty[:, None])
        mixed = np.where(known[:, None], draw, self.queue.draw)
        as_then = replace(self.queue, draw=mixed).without(~known)
        dropped = self.dropped[self.dropped > 0]
        place = self.of(self.bought.loc[dropped.index])
        open_then, draw = self.draws_then(dropped.index)
        chosen = open_then & (place >= 0)
        draw["first_qty"] = dropped.to_numpy()[:, None]
        return as_then.with_more(place[chosen], dropped.to_numpy()[chosen], draw[chosen])

    def corrected(self) -> np.ndarray:
        """Units by which stock differs from what receipts and shipments say, by place: counted, moved or returned."""
        n = len(self.queue.stock)
        was = pd.Series(self.then.problem.sku["free"], index=self._places(self.then).index)
        before = was.reindex(self.place_now.index).to_numpy()
        place = self.of(self.bought)
        came = np.bincount(place[place >= 0], self.came.to_numpy()[place >= 0], n)
        sent = self.lines["shipped_qty"] - self.before["shipped_qty"].reindex(self.lines.index).fillna(0.0)
        at = self.of(self.lines)
        left = np.bincount(at[at >= 0], sent.to_numpy()[at >= 0], n)
        found: np.ndarray = np.nan_to_num(self.queue.stock - (before + came - left))
        return np.where(np.abs(found) > 1e-9, found, 0.0)

    def _without_stock(self) -> _Queue:
        return replace(self.queue, stock=self.queue.stock - self.corrected())

    def _without_new_lines(self) -> _Queue:
        known = self.now.lines["line_id"].isin(self.before.index).to_numpy()
        return replace(self.queue, need=np.where(known, self.queue.need, 0.0))

    def _without_cancellation(self) -> _Queue:
        """What was cancelled stands again before the next line of then that still waits."""
        need = self.queue.need.copy()
        then, at_now = self.then.lines, pd.Index(self.now.lines["line_id"])
        row = pd.Index(then["line_id"]).get_indexer(self.cancelled.index)
        survivor, sku = at_now.get_indexer(then["line_id"]), then["sku"].to_numpy()
        for i, units in zip(row.tolist(), self.cancelled.tolist(), strict=True):
            j = i
            while 0 <= j < len(sku) and sku[j] == sku[i] and survivor[j] < 0:
                j += 1
            if 0 <= j < len(sku) and sku[j] == sku[i]:
                need[survivor[j]] += units
        return replace(self.queue, need=need)

    def _without_rule(self) -> _Queue:
        """By the rule of then: its places, in today's order of lines."""
        x = self.run.queue_inputs
        rule = self.earlier.config.queue.rule
        return _Queue.of(lay_out(x.past, x.demand, x.supply, x.policies, x.service, rule, x.seed), self.scenarios)

    def moved(self) -> pd.DataFrame:
        """By how many days each cause makes today's lines later, by line_id."""
        jobs = self.run.config.simulation.jobs
        base, ids, out = self.queue.medians(jobs), self.now.lines["line_id"], {}
        for cause in CAUSES:
            if cause == "rule" and self.run.config.queue.rule == self.earlier.config.queue.rule:
                out[cause] = np.zeros(len(base))
                continue
            queue = self.back(cause)
            days = pd.Series(queue.medians(jobs), index=queue.found.lines["line_id"].array).reindex(ids.array)
            out[cause] = base - days.to_numpy()
        return pd.DataFrame(out, index=ids.array)


def changes(run: Run, earlier: Run) -> pd.DataFrame:
    """The output table `changes` of two runs; see :meth:`Run.compare`."""
    if earlier.as_of > run.as_of:
        told = f"the other run is of {earlier.as_of.date()}, later than {run.as_of.date()}"
        raise UsageError(f"{told}: compare that one with this")
    since = _Since(run, earlier)
    now, then = run.line_eta.set_index("line_id"), earlier.line_eta.set_index("line_id")
    ids = now.index.union(then.index).sort_values()
    frame = pd.DataFrame({"line_id": ids.array})
    for name in ("order_id", "item_id", "location_id"):
        frame[name] = text(now[name].reindex(ids).where(ids.isin(now.index), then[name].reindex(ids)).array)
    frame["earlier_p50_date"], frame["p50_date"] = (x["p50_date"].reindex(ids).to_numpy() for x in (then, now))
    frame["days_moved"] = (frame["p50_date"] - frame["earlier_p50_date"]).dt.days.astype(float)
    frame["change"] = _kinds(since, frame, now.index, then.index)
    moved = since.moved().reindex(ids).reset_index(drop=True)
    for cause in CAUSES:
        frame[f"{cause}_days"] = moved[cause]
    frame["because"], frame["because_days"] = _because(frame, moved)
    frame["detail"] = _details(since, frame)
    frame = frame[frame["change"] != "unchanged"]
    order = np.lexsort((frame["line_id"].to_numpy(object), -frame["days_moved"].abs().fillna(np.inf)))
    return check_output("changes", frame.iloc[order])


def _kinds(since: _Since, frame: pd.DataFrame, now: pd.Index, then: pd.Index) -> np.ndarray:
    """What became of each line."""
    here, there = frame["line_id"].isin(now).to_numpy(), frame["line_id"].isin(then).to_numpy()
    gone = since.lines["cancelled_qty"].reindex(frame["line_id"].array).to_numpy() > (
        since.before["cancelled_qty"].reindex(frame["line_id"].array).to_numpy()
    )
    same = (frame["days_moved"] == 0) | (frame["p50_date"].isna() & frame["earlier_p50_date"].isna())
    later = (frame["days_moved"] > 0) | (frame["p50_date"].isna() & frame["earlier_p50_date"].notna())
    return np.select([here & ~there, ~here & gone, ~here, same, later],
                     ["new", "cancelled", "shipped", "unchanged", "later"], "sooner")  # fmt: skip


def _because(frame: pd.DataFrame, moved: pd.DataFrame) -> tuple[pd.Series, np.ndarray]:
    """The cause that moves each line most in the direction in which it moved; `other` where none does."""
    sign = frame["change"].map({"later": 1.0, "sooner": -1.0}).to_numpy(float)
    along = np.nan_to_num(moved[list(CAUSES)].to_numpy(float) * sign[:, None], nan=0.0)
    best = along.argmax(axis=1)
    some = along[np.arange(len(along)), best] >= 1.0
    name = np.where(some, np.array(CAUSES, dtype=object)[best], "other")
    days = np.where(some, along[np.arange(len(along)), best] * sign, np.nan)
    moves = ~np.isnan(sign)
    return text(pd.Series(name).where(moves, None)), np.where(moves, days, np.nan)


def _details(since: _Since, frame: pd.DataFrame) -> pd.Series:
    """The reason of each moved line in words, where it lies with its own item."""
    eta, was = (x.table("purchase_eta") for x in (since.run, since.earlier))
    slips = pd.DataFrame()
    if eta is not None and was is not None:
        slips = eta[["po_line_id", *SKU, "p50_date"]].merge(was[["po_line_id", "p50_date"]], on="po_line_id",
                                                            suffixes=("", "_then"))  # fmt: skip
        slips["days"] = (slips["p50_date"] - slips["p50_date_then"]).dt.days
    came = since.bought.assign(came=since.came)[since.came > 0]
    pegged = since.run.line_eta.set_index("line_id")["pegged_po_line_id"]
    corrected, at = since.corrected(), since.of(frame)
    said = []
    for row, place in zip(frame.itertuples(), at.tolist(), strict=True):
        told = None
        if row.because == "purchase" and len(slips):
            mine = slips[(slips["item_id"] == row.item_id) & (slips["location_id"] == row.location_id)].dropna()
            mine = mine[(mine["days"] > 0) == (row.change == "later")]
            own = mine[mine["po_line_id"] == pegged.get(row.line_id)]
            mine = own if len(own) else mine
            if len(mine):
                first = mine.iloc[mine["days"].abs().argmax()]
                told = f"{first['po_line_id']}: {first['p50_date_then'].date()} → {first['p50_date'].date()}"
        elif row.because == "receipt":
            mine = came[(came["item_id"] == row.item_id) & (came["location_id"] == row.location_id)]
            told = ", ".join(f"{x}: {units:g} came" for x, units in mine["came"].items()) or None
        elif row.because == "stock" and place >= 0 and corrected[place]:
            told = f"{corrected[place]:+g} units"
        said.append(told)
    return text(said)
