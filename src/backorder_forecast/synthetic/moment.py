"""Building states: an opening day, a state with more lines, a small copy, and what is open drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .draws import DELAY_SHARE, Chance, NewLines, gap_pmf, geometric_days
from .state import (
    COMMITTED,
    DAY,
    FIRM,
    FLIGHT,
    FUTURE,
    LINE,
    ORDER,
    PURCHASE,
    REORDER_BEFORE,
    SHELF,
    SKU,
    WAITING,
    Records,
    Rules,
    State,
    records,
)
from .world import (
    CANCELLED,
    GAP_MAX,
    MAX_LEAD,
    NEVER,
    PURCHASE_CANCEL_FROM,
    PURCHASE_CANCEL_MAX,
    PURCHASE_CANCEL_MEAN,
    SPLIT,
    STUCK,
    Floats,
    Ints,
    World,
)

MONDAY = np.datetime64("1970-01-05", "D")


def rules_of(world: World, chance: Chance) -> Rules:
    """What the compiled days need to know of the company and of chance."""
    days = records(DAY, len(world.dates))
    days.working, days.roll, days.work_index = world.working, world.roll, world.work_index
    first_date = world.dates[0].to_datetime64().astype("datetime64[D]")
    return Rules(
        skus=_sku_rules(world),
        days=days,
        work_days=world.work_days,
        stretch=world.stretch,
        lead_cdf=world.lead_cdf,
        gap_cdf=np.cumsum(gap_pmf()),
        uniform=np.ascontiguousarray(chance.uniform),  # one layout: the days are compiled once
        movement=np.ascontiguousarray(chance.movement),
        down=np.ascontiguousarray(chance.down),
        land=np.ascontiguousarray(chance.land),
        review_offset=int((first_date - MONDAY).astype(np.int64)),
        first=chance.first,
    )


def _sku_rules(world: World) -> Records:
    skus, item = records(SKU, len(world.item)), world.item
    introduced = world.introduced[item]
    skus.location, skus.supplier, skus.law = world.location, world.supplier[item], item
    skus.lost, skus.revised = world.lost[item], world.policy_day
    skus.buy_from = np.where(introduced < 0, -NEVER, introduced - REORDER_BEFORE)
    skus.buy_until = world.discontinued[item]
    for column, name in enumerate(("kind", "low", "high", "review", "pack")):
        skus[name], skus[f"next_{name}"] = world.policy[0, :, column], world.policy[1, :, column]
    return skus


def opening_state(world: World) -> State:
    """The evening before day 0: stock, and nothing else."""
    shelves = records(SHELF, len(world.opening))
    shelves.on_hand, shelves.position = world.opening, world.opening
    return State(
        lines=records(LINE, 0),
        orders=records(ORDER, 0),
        purchases=records(PURCHASE, 0),
        bought=np.zeros(1, dtype=np.int64),
        flights=records(FLIGHT, 0),
        shelves=shelves,
    )


def copy_state(state: State) -> State:
    """A copy that shares nothing with the original."""
    return State(*(part.copy() for part in state))


def _coming(new: NewLines, orders_before: int) -> Records:
    """State of lines that have not come yet."""
    lines = records(LINE, len(new.sku))
    for name in set(LINE.names or ()) & set(NewLines._fields):
        lines[name] = getattr(new, name)
    lines.order += orders_before
    lines.firm_day = lines.gone_day = lines.out_day = NEVER
    lines.status = FUTURE
    return lines


def extend(state: State, new: NewLines, days: int) -> State:
    """A copy of a state with the lines of ``days`` more days to come, and room for what they cause."""
    lines = _joined(state.lines, _coming(new, len(state.orders)))
    orders = records(ORDER, len(np.bincount(new.order)))
    orders.n_lines = np.bincount(new.order)
    orders.first = np.cumsum(orders.n_lines) - orders.n_lines + len(state.lines)
    count, room = int(state.bought[0]), len(state.shelves) * days
    return State(
        lines=lines,
        orders=_joined(state.orders, orders),
        purchases=_joined(state.purchases[:count], np.empty(room, PURCHASE)),
        bought=state.bought.copy(),
        flights=_joined(state.flights, records(FLIGHT, 2 * len(lines) + 100, -1)),
        shelves=state.shelves.copy(),
    )


def _joined(old: Records, new: Records) -> Records:
    return np.concatenate([old, new]).view(np.recarray)


def without_future(state: State) -> State:
    """A copy without lines to come and spare room."""
    lines = state.lines[state.lines.status != FUTURE]
    n_orders = int(lines.order.max()) + 1 if len(lines) else 0
    return State(
        lines=lines,
        orders=state.orders[:n_orders].copy(),
        purchases=state.purchases[: int(state.bought[0])].copy(),
        bought=state.bought.copy(),
        flights=state.flights[state.flights.line >= 0],
        shelves=state.shelves.copy(),
    )


def open_only(state: State) -> tuple[State, Ints]:
    """The part of a state that can still cause anything (no ghosts, nothing finished), and which lines those
    are."""
    flights = state.flights[state.flights.line >= 0]
    keep = np.isin(state.lines.status, (WAITING, FIRM, COMMITTED))
    keep[flights.line] = True
    kept = np.flatnonzero(keep)
    lines = state.lines[kept]
    _, of_line, sizes = np.unique(lines.order, return_inverse=True, return_counts=True)
    lines.order = of_line
    orders = records(ORDER, len(sizes))
    orders.first, orders.n_lines = np.cumsum(sizes) - sizes, sizes
    flights.line = np.searchsorted(kept, flights.line)
    bought = state.purchases[: int(state.bought[0])]
    bought = bought[bought.open > 0]
    small = State(lines, orders, bought, np.array([len(bought)]), flights, state.shelves.copy())
    return small, kept


@dataclass(frozen=True)
class Redraw:
    """The laws of what is open at the end of ``day``, given what has been seen; made once, drawn from often.

    ``whole`` … are chances of the fates of purchases of which nothing has come (in ``waiting``); ``lead`` [k
    x MAX_LEAD] and ``rest`` [j x gaps] are cumulative laws of what is still possible.
    """

    day: int
    waiting: Ints
    begun: Ints
    fates: Floats
    lead: Floats
    rest: Floats

    @classmethod
    def of(cls, world: World, state: State, day: int, land: Ints) -> Redraw:
        """Condition on everything seen by the end of ``day``; ``land`` as it was known then."""
        bought = state.purchases[: int(state.bought[0])]
        waiting = np.flatnonzero((bought.open > 0) & (bought.came == NEVER))
        begun = np.flatnonzero((bought.open > 0) & (bought.came != NEVER))
        item = world.item[bought.sku[waiting]]
        due = _landing(world, land, item, _nominal(world, bought.day[waiting], np.arange(1, MAX_LEAD + 1)))
        lead = world.lead_pmf[item] * (due > day)
        fates = _fates(bought.qty[waiting], day - bought.day[waiting], lead.sum(axis=1))
        gaps = np.minimum(bought.came[begun][:, None] + np.arange(1, GAP_MAX + 2), len(world.dates) - 1)
        rest = gap_pmf() * (_landing(world, land, world.item[bought.sku[begun]], gaps) > day)
        return cls(day, waiting, begun, fates, _cumulative(lead), _cumulative(rest))

    def draw(self, world: World, state: State, land: Ints, rng: np.random.Generator) -> None:
        """Draw anew, in place, all that is open in ``state``."""
        self._purchases(world, state, land, rng)
        _redraw_lines(world, state, self.day, rng)
        _redraw_handling(world, state, self.day, rng)

    def _purchases(self, world: World, state: State, land: Ints, rng: np.random.Generator) -> None:
        bought, k = state.purchases, len(self.waiting)
        at, last = self.waiting, len(world.dates) - 1
        item, qty = world.item[bought.sku[at]], bought.qty[at]
        fate = (rng.random((k, 1)) >= self.fates[:, :-1]).sum(axis=1)  # whole, split, cancelled, stuck
        lead = np.minimum((rng.random((k, 1)) >= self.lead).sum(axis=1), MAX_LEAD - 1) + 1
        nominal = np.minimum(
            bought.day[at] + np.ceil(lead * world.stretch[bought.day[at]]).astype(np.int64), last
        )
        due = _landing(world, land, item, nominal[:, None])[:, 0]
        gap = np.minimum((rng.random((k, 1)) >= np.cumsum(gap_pmf())).sum(axis=1), GAP_MAX) + 1
        rest = _landing(world, land, item, np.minimum(due + gap, last)[:, None])[:, 0]
        part = np.maximum(1, (qty * (0.3 + 0.5 * rng.random(k))).astype(np.int64))
        late = np.maximum(self.day - bought.day[at], PURCHASE_CANCEL_FROM) + rng.geometric(
            1 / PURCHASE_CANCEL_MEAN, k
        )
        bought.due[at] = np.where(fate <= 1, due, NEVER)
        bought.due_qty[at] = np.where(fate == 1, part, qty)
        bought.rest_due[at] = np.where(fate == 1, rest, NEVER)
        cancelled = bought.day[at] + np.minimum(late, PURCHASE_CANCEL_MAX)
        bought.cancel_day[at] = np.where(fate == 2, cancelled, NEVER)
        j, begun = len(self.begun), self.begun
        gap = np.minimum((rng.random((j, 1)) >= self.rest).sum(axis=1), GAP_MAX) + 1
        day = np.minimum(bought.came[begun] + gap, last)[:, None]
        bought.rest_due[begun] = _landing(world, land, world.item[bought.sku[begun]], day)[:, 0]


def _nominal(world: World, placed: Ints, lead: Ints) -> Ints:
    """Days on which purchases would come with each lead time, before calendars [k x lead times]."""
    days = placed[:, None] + np.ceil(lead[None, :] * world.stretch[placed][:, None]).astype(np.int64)
    return np.minimum(days, len(world.dates) - 1)


def _landing(world: World, land: Ints, item: Ints, day: Ints) -> Ints:
    """Days on which what is due on ``day`` [k x …] is received."""
    return world.roll[land[world.supplier[item][:, None], day]]


def _fates(qty: Ints, age: Ints, not_yet: Floats) -> Floats:
    """Cumulative chances of whole, split, cancelled, stuck [k x 4], given that nothing has come."""
    split = np.where(qty >= 2, SPLIT, 0.0)
    uncancelled = (1 - 1 / PURCHASE_CANCEL_MEAN) ** np.maximum(age - PURCHASE_CANCEL_FROM, 0)
    cancelled = CANCELLED * uncancelled * (age < PURCHASE_CANCEL_MAX)
    whole = (1 - SPLIT - CANCELLED - STUCK) + (SPLIT - split)
    weights = np.stack([whole * not_yet, split * not_yet, cancelled, np.full(len(qty), STUCK)], axis=1)
    return _cumulative(weights)


def _cumulative(weights: Floats) -> Floats:
    total = np.cumsum(weights, axis=1)
    return np.asarray(total / np.maximum(total[:, -1:], 1e-300))


def _redraw_lines(world: World, state: State, day: int, rng: np.random.Generator) -> None:
    """Patience and changes have no memory."""
    lines, spec = state.lines, world.spec
    n = len(lines)
    still = np.isin(lines.status, (WAITING, FIRM))
    patience = np.maximum(lines.wanted, day) + geometric_days(rng, spec.cancel_hazard, n)
    lines.cancel_day[still] = patience[still]
    unchanged = still & (lines.change_day > day) & (lines.committed == 0)
    lines.change_day[unchanged] = day + geometric_days(rng, spec.daily_change_hazard, n)[unchanged]
    qty = np.maximum(1, np.round(lines.qty * rng.uniform(0.4, 1.6, n))).astype(np.int64)
    dates_change = (rng.random(n) < 0.3) & (lines.complete == 0)
    lines.change_qty[unchanged] = np.where(dates_change, 0, qty)[unchanged]
    lines.change_shift[unchanged] = rng.integers(3, 22, n)[unchanged]


def _redraw_handling(world: World, state: State, day: int, rng: np.random.Generator) -> None:
    """Handling of lines none of whose pieces has left, given that what is in picking has not left by
    ``day``."""
    lines, flights = state.lines, state.flights
    n, flying = len(lines.sku), flights.line >= 0
    line = flights.line[flying]
    lead_line = np.where(lines.complete == 1, state.orders.first[lines.order], np.arange(n))
    commit = flights.commit_day[flying]
    done = np.searchsorted(world.work_days, [day], side="right")[0] - 1 - world.work_index[commit]
    elapsed, waited = np.full(n, -1), np.zeros(n, dtype=bool)
    np.maximum.at(elapsed, lead_line[line], np.maximum(done, -1))
    np.logical_or.at(waited, lead_line[line], commit > world.roll[lines.wanted[line]])
    handling, extra = _draw_handling(world, lines.sku, elapsed, waited, rng)
    untold = (lines.left == 0)[lead_line]
    lines.handling[untold] = handling[lead_line][untold]
    lines.extra[untold] = extra[lead_line][untold]
    late = commit > world.roll[lines.wanted[line]]
    wait = lines.handling[line] + np.where(late, lines.extra[line], 0)
    flights.leave_day[flying] = world.work_days[world.work_index[commit] + wait]


def _draw_handling(
    world: World, sku: Ints, elapsed: Ints, waited: npt.NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Ints, Ints]:
    delay = DELAY_SHARE * world.spec.dispatch_delays
    handling, extra = (grid.ravel() for grid in np.meshgrid(np.arange(3), np.arange(6), indexing="ij"))
    chance: Any = world.handling[world.location[sku]][:, handling] * np.where(
        extra == 0, 1 - delay, delay / 5
    )
    possible = handling + np.where(waited[:, None], extra, 0) > elapsed[:, None]
    law = _cumulative(chance * possible)
    at = np.minimum((rng.random((len(sku), 1)) >= law).sum(axis=1), len(handling) - 1)
    return handling[at], extra[at]
