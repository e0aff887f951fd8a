"""Dates without sampling error: the exact first-come law in place of scenarios, for whole items where it may be.

It may be where nothing but the item's open supply, each purchase by itself, can date its lines: none of them is in an
order with others, they are served in turn, nobody stands ahead who may leave, no demand to come is served before them,
open supply covers them all, and in no scenario did a planned order. Working days, handling, parts and cancelled
purchases are as in the simulation; `docs/queue.md` says how the law is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core import first_come_law as core
from .core.first_come import ITEM, LINE, Queues
from .core.queue_kernel import PLANNED
from .executors import run_partitions
from .kinds import protected_groups
from .past import sku_codes
from .rules import first_come, priority

if TYPE_CHECKING:
    from .queue import Outcomes
    from .supply import Supply

_FIRST_PIECE = 1e-6  # units: when anything at all has come for a line, its first piece may leave


@dataclass(frozen=True)
class ExactDates:
    """Laws of some of the simulated lines: rows [n], their places; complete, first [n × days 1…H]: P(the last unit,
    the first piece has left by day)."""

    rows: np.ndarray
    complete: np.ndarray
    first: np.ndarray

    def put(self, table: np.ndarray, *, first: bool = False) -> np.ndarray:
        """The table of all simulated lines with these rows in place of the sampled ones."""
        out = table.copy()
        out[self.rows] = self.first if first else self.complete
        return out


def no_dates(days: int) -> ExactDates:
    """No line has an exact law."""
    return ExactDates(np.zeros(0, np.int64), np.zeros((0, days)), np.zeros((0, days)))


def exact_dates(outcomes: Outcomes) -> ExactDates:
    """The exact laws of the lines of every item that may have them."""
    lines, days = outcomes.lines, outcomes.horizon
    if not _in_turn(outcomes):
        return no_dates(days)
    chosen = _may_be_exact(outcomes)
    rows = np.flatnonzero(chosen[lines["sku"].to_numpy()]) if len(lines) else np.zeros(0, np.int64)
    if not len(rows):
        return no_dates(days)
    mine = lines.iloc[rows]
    queues, sku = _queues(outcomes, mine)
    part, chance, po = _parts(outcomes, sku)
    queues.item["po_from"], queues.item["po_to"] = po[:-1], po[1:]
    out = core.room(len(sku), queues.line.size, 0, days, table=True)
    run_partitions(
        lambda a, b: core.cover_laws(queues, part, chance, np.zeros(0), out, a, b),
        np.diff(po) + 1.0, outcomes.config.simulation.jobs,
    )  # fmt: skip
    known = np.repeat(out.known, queues.item["line_to"] - queues.item["line_from"])[::2] == 1
    last, piece = (_handled(outcomes, mine, table) for table in (out.table[1::2], out.table[::2]))
    piece = np.where(mine["allow_partial"].to_numpy(bool)[:, None], piece, last)
    return ExactDates(rows[known], last[known], piece[known])


def _in_turn(outcomes: Outcomes) -> bool:
    """Whether lines are served one after the other, by when they came or by priority, and from all that there is."""
    rule = outcomes.served
    return rule.key in (first_come, priority) and not rule.sharing and not protected_groups(outcomes.past).count


def _may_be_exact(outcomes: Outcomes) -> np.ndarray:
    """By row of `past.skus`: may the open supply alone, without scenarios, date its lines?"""
    n, lines = len(outcomes.past.skus), outcomes.lines
    sku, need = lines["sku"].to_numpy(), lines["open_qty"].to_numpy(float)
    planned = outcomes.tally.peg[outcomes.line_records["peg_from"] + PLANNED]
    ahead_of_others = np.append(sku[1:] == sku[:-1], np.zeros(min(len(lines), 1), bool))
    patient = lines["max_wait_days"].isna().to_numpy() & outcomes.service.patience.endless
    leaves = (lines["spent"].to_numpy() == 0) & ~patient
    bad = (
        (lines["slot"].to_numpy() >= 0)
        | lines["min_ship_qty"].notna().to_numpy()
        | (outcomes.line_records["wanted"] > 1)  # demand to come would stand before it
        | (lines["class"].to_numpy() > outcomes.demand.classes.min())
        | (leaves & ahead_of_others)
        | (planned > 0)
    )
    stock = outcomes.past.stock["on_hand"].to_numpy(float)
    on_order, together = _open_supply(outcomes.supply, sku_codes(outcomes.past, outcomes.supply.purchases), n)
    covered = np.bincount(sku, need, n) <= np.nan_to_num(stock, nan=-np.inf) + on_order + 1e-9
    found: np.ndarray = covered & ~together & (np.bincount(sku, bad, n) == 0) & (np.bincount(sku, minlength=n) > 0)
    return found


def _open_supply(supply: Supply, code: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """By row of `past.skus`: units on order, and whether its purchases may be late together."""
    rows = supply.purchases.assign(code=code)[code >= 0]
    on_order = np.bincount(rows["code"], rows["open_qty"].to_numpy(float), n)
    together = np.zeros(n, bool)
    if supply.lead_times.alike > 0.0:  # those of one supplier are
        together[rows.loc[rows.duplicated(["code", "supplier_id"]), "code"].to_numpy()] = True
    return on_order, together


def _queues(outcomes: Outcomes, lines: pd.DataFrame) -> tuple[Queues, np.ndarray]:
    """The queues of these lines, each as two: its first piece and the rest; and the rows of `past.skus` of items."""
    past, days = outcomes.past, outcomes.horizon
    sku, at, count = np.unique(lines["sku"].to_numpy(), return_index=True, return_counts=True)
    order = np.argsort(at)  # as the lines stand
    sku, count = sku[order], count[order]
    item = np.zeros(len(sku), ITEM)
    item["stock"] = past.stock["on_hand"].to_numpy(float)[sku]
    item["line_to"] = 2 * np.cumsum(count)
    item["line_from"] = item["line_to"] - 2 * count
    item["location"] = pd.Index(outcomes.service.locations).get_indexer(past.skus["location_id"].iloc[sku])
    line = np.zeros(2 * len(lines), LINE)
    line["need"][::2], line["need"][1::2] = _FIRST_PIECE, lines["open_qty"].to_numpy(float) - _FIRST_PIECE
    working = outcomes.service.working.ahead(past.day, days + 1)
    return Queues(item, line, np.array([_next_working(row, days) for row in working])), sku


def _next_working(working: np.ndarray, days: int) -> np.ndarray:
    """The first working day on or after each of 0…H + 1, today left out."""
    mine = np.append(1 + np.flatnonzero(working[1 : days + 1]), days + 1)
    found: np.ndarray = mine[np.searchsorted(mine, np.arange(days + 2))]
    return found


def _parts(outcomes: Outcomes, sku: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the open purchases of these items may have brought by each day, and where those of each item begin."""
    supply, past = outcomes.supply, outcomes.past
    place = np.full(len(past.skus) + 1, -1)
    place[sku] = np.arange(len(sku))
    item = place[sku_codes(past, supply.purchases)]  # no such item: the last, which is none
    rows = np.flatnonzero(item >= 0)
    rows = rows[np.argsort(item[rows], kind="stable")]
    chance = received_parts(supply, rows, outcomes.horizon)
    qty, split = supply.purchases["open_qty"].to_numpy(float)[rows], supply.lead_times.open_split_prob[rows] > 0.0
    firsts = {x: _first_sizes(x, supply.lead_times.split_share) for x in np.unique(qty[split]).tolist()}
    found = [_parts_of(x, firsts[x] if parted else None, 2 * i)
             for i, (x, parted) in enumerate(zip(qty.tolist(), split.tolist(), strict=True))]  # fmt: skip
    part = np.concatenate([np.zeros(0, core.PART), *found])
    count = np.bincount(item[rows], [len(x) for x in found], len(sku)).astype(np.int64)
    return part, chance, np.concatenate([[0], np.cumsum(count)])


def received_parts(supply: Supply, rows: np.ndarray, days: int) -> np.ndarray:
    """P(a purchase has brought all, P(only a part) by day): two rows for each [2 × purchases, days 1…H].

    The law of what `Supply.draws` draws: the next receipt, perhaps a part; the rest after a gap, on a day on which
    goods are received; nothing more once the purchase is cancelled.
    """
    fitted = supply.lead_times
    never = fitted.horizon + 1
    first = np.diff(fitted.next_table[rows], prepend=0.0, axis=1) * fitted.stay[rows]
    gap = np.diff(fitted.rest_table, prepend=0.0)
    gap[1] += gap[0]  # at least a day
    gap[0] = 0.0
    ready = fitted.followed(first, gap, rows)
    # the last day from which goods are received by each of the days 1…H
    opens = fitted.receiving.next_open(fitted.origin, never)
    until = np.searchsorted(opens, np.arange(1, never), side="right") - 1
    rest = np.concatenate([np.zeros((len(rows), 1)), ready], axis=1)[:, np.minimum(until, never - 1)]
    split, came = fitted.open_split_prob[rows, None], first.cumsum(axis=1)
    out = np.zeros((2 * len(rows), days))
    width = min(days, never - 1)
    out[::2, :width] = ((1.0 - split) * came + split * rest)[:, :width]
    out[1::2, :width] = (split * (came - rest))[:, :width]
    return out


def _parts_of(qty: float, firsts: tuple[np.ndarray, np.ndarray] | None, law: int) -> np.ndarray:
    """The parts of one purchase: all of it, and where it may come in parts what the first may be, with shares."""
    sizes, share = firsts if firsts is not None else (np.zeros(0), np.zeros(0))
    part = np.zeros(1 + len(sizes), core.PART)
    part["qty"], part["share"] = np.append(qty, sizes), np.append(1.0, share)
    part["law"], part["opens"] = law + (np.arange(len(part)) > 0), np.arange(len(part)) == 0
    return part


def _first_sizes(qty: float, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units that a first part may be, as `Supply.draws` rounds them, and how probable each is."""
    sizes = qty * shares
    if qty % 1 == 0 and qty >= 2:
        sizes = np.clip(np.round(sizes), 1, qty - 1)
    found, count = np.unique(sizes, return_counts=True)
    return found, count / count.sum()


def _handled(outcomes: Outcomes, lines: pd.DataFrame, table: np.ndarray) -> np.ndarray:
    """P(left by day) from P(committed by day) [lines × days 1…H]: so many working days later as handling takes."""
    service, days = outcomes.service, outcomes.horizon
    place = pd.Index(service.locations).get_indexer(lines["location_id"])
    takes = np.diff(service.still_to_go(place, lines["spent"].to_numpy()), prepend=0.0, axis=1)
    working = service.working.ahead(outcomes.past.day, days + 1)
    out = np.zeros_like(table)
    for i in np.unique(place):
        mine, open_days = place == i, np.flatnonzero(working[i][1 : days + 1])
        committed, left = table[mine][:, open_days], np.zeros((mine.sum(), len(open_days)))
        for h in range(min(takes.shape[1], len(open_days))):
            left[:, h:] += takes[mine, h, None] * committed[:, : len(open_days) - h]
        # on a day off as many have left as by the working day before
        since = np.searchsorted(open_days, np.arange(days), side="right")
        out[mine] = np.concatenate([np.zeros((mine.sum(), 1)), left], axis=1)[:, since]
    law: np.ndarray = np.clip(out, 0.0, 1.0)
    return law
