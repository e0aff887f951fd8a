"""Chance: the order lines and other draws of a span of days, and what open things become when drawn anew."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .spec import Spec
from .world import GAP_MAX, GAP_MEAN, NEVER, Floats, Ints, World

DOWN_SHARE, DELAY_SHARE = 0.08, 0.25
STOP_HAZARD, STOP_MEAN = 1 / 150, 20  # a supplier's common delays: chance a day that one begins, mean length


class NewLines(NamedTuple):
    """Order lines in order of arrival; each array has one entry a line. ``order`` counts from 0 in this
    span."""

    sku: Ints
    order: Ints
    day: Ints
    wanted: Ints
    requested: Ints  # -1: nothing asked for
    qty: Ints
    priority: Ints
    whole: Ints
    complete: Ints  # 1: the order leaves only complete
    customer: Ints
    cancel_day: Ints
    change_day: Ints
    change_qty: Ints  # 0: the date changes instead
    change_shift: Ints
    handling: Ints
    extra: Ints  # working days more if the line had to wait


class Chance(NamedTuple):
    """Draws of the D days from ``first`` on, for the day loop.

    ``uniform`` [4 or 5 x n x D]: of a purchase placed by that SKU on that day its fate, lead time, first part
    and gap, and, in the regime ``queue_jumps``, who skips the queue; ``movement`` [n x D] units; ``down``
    [locations x D] 1 where nothing is committed; ``land`` [suppliers x T] the day on which what was due
    comes.
    """

    first: int
    uniform: Floats
    movement: Ints
    down: Ints
    land: Ints


def geometric_days(rng: np.random.Generator, hazard: float, size: int) -> Ints:
    """Whole days until something of constant daily hazard happens, from 1; NEVER if it cannot."""
    if hazard <= 0:
        return np.full(size, NEVER)
    return rng.geometric(hazard, size)


def draw_lines(world: World, first: int, last: int, rng: np.random.Generator) -> NewLines:
    """Draw every order line of the days ``first`` … ``last``."""
    spec = world.spec
    mean = world.mean_lines[:, first : last + 1]
    k = world.dispersion[:, None]
    counts = rng.poisson(mean * rng.standard_gamma(k, mean.shape) / k)
    per_cell = counts.T.ravel()  # day after day
    cell = np.repeat(np.arange(len(per_cell)), per_cell)
    n_skus = len(world.item)
    sku, day = cell % n_skus, cell // n_skus + first
    sku, day, order = _into_orders(world, sku, day, rng)
    return _describe(spec, world, sku, day, order, rng)


def _into_orders(world: World, sku: Ints, day: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Shuffle the lines of a day and place, cut them into orders, and let the orders come at random times."""
    n = len(sku)
    place, lost = world.location[sku], world.lost[world.item[sku]]
    mixed = np.lexsort((rng.random(n), place, day))
    sku, day, place, lost = sku[mixed], day[mixed], place[mixed], lost[mixed]
    new = rng.random(n) < 0.65
    new |= lost
    if n:
        new[0] = True
        new[1:] |= (np.diff(day) != 0) | (np.diff(place) != 0) | lost[:-1]
    order = np.cumsum(new) - 1
    moment = day[new] + rng.random(int(new.sum()))
    rank = np.empty(len(moment), dtype=np.int64)
    rank[np.argsort(moment, kind="stable")] = np.arange(len(moment))
    order = rank[order]
    by_time = np.argsort(order, kind="stable")
    return sku[by_time], day[by_time], order[by_time]


def _describe(
    spec: Spec, world: World, sku: Ints, day: Ints, order: Ints, rng: np.random.Generator
) -> NewLines:
    n = len(sku)
    n_orders = int(order[-1]) + 1 if n else 0
    lost = world.lost[world.item[sku]]
    complete = (rng.random(n_orders) < spec.ship_complete_share) & _plain(order, world.item[sku], n_orders)
    ahead = np.where(rng.random(n_orders) < spec.future_share, rng.integers(3, 31, n_orders), 0)
    ahead = np.where(lost, 0, ahead[order])
    wanted = day + ahead
    customer = (rng.random(n_orders) ** 1.5 * N_CUSTOMERS).astype(np.int64)
    qty = rng.geometric(1 / world.mean_qty[world.item[sku]])
    priority = (
        (~is_key_customer(customer)).astype(np.int64) if spec.priority else np.zeros(n_orders, np.int64)
    )
    first_of_order = np.searchsorted(order, np.arange(n_orders))
    handling = _handling(world, world.location[sku], rng.random(n))
    extra = rng.integers(1, 6, n) * (rng.random(n) < DELAY_SHARE) * int(spec.dispatch_delays)
    same = complete[order]
    lead_line = np.where(same, first_of_order[order], np.arange(n))
    dates_change = (rng.random(n) < 0.3) & ~same
    return NewLines(
        sku=sku,
        order=order,
        day=day,
        wanted=wanted,
        requested=np.where(ahead > 0, wanted, -1),
        qty=qty,
        priority=priority[order],
        whole=((rng.random(n) < spec.whole_share) & ~lost).astype(np.int64),
        complete=same.astype(np.int64),
        customer=customer[order],
        cancel_day=wanted + geometric_days(rng, spec.cancel_hazard, n),
        change_day=day + geometric_days(rng, spec.daily_change_hazard, n),
        change_qty=np.where(dates_change, 0, np.maximum(1, np.round(qty * rng.uniform(0.4, 1.6, n)))).astype(
            np.int64
        ),
        change_shift=rng.integers(3, 22, n),
        handling=handling[lead_line],
        extra=extra[lead_line],
    )


N_CUSTOMERS = 400


def is_key_customer(customer: Ints) -> npt.NDArray[np.bool_]:
    """Every fourth customer is a key customer; small numbers order most, so this is a quarter of the
    lines."""
    return np.asarray(customer % 4 == 1)


def _plain(order: Ints, item: Ints, n_orders: int) -> npt.NDArray[np.bool_]:
    """Orders of two or more lines, all of different items."""
    size = np.bincount(order, minlength=n_orders)
    key = np.sort(order * (int(item.max()) + 1 if len(item) else 1) + item)
    twice = np.zeros(n_orders, dtype=bool)
    if len(item):
        twice[key[1:][np.diff(key) == 0] // (int(item.max()) + 1)] = True
    return np.asarray((size >= 2) & ~twice)


def _handling(world: World, place: Ints, u: Floats) -> Ints:
    steps = np.cumsum(world.handling, axis=1)[place]
    return np.asarray((u[:, None] >= steps[:, :-1]).sum(axis=1))


def draw_chance(
    world: World, first: int, last: int, rng: np.random.Generator, known_land: Ints | None = None
) -> Chance:
    """Draw what is not order lines for the days ``first`` … ``last``; ``known_land``: see
    :func:`redraw_land`."""
    spec, shape = world.spec, (len(world.item), last - first + 1)
    uniform = rng.random((5 if spec.queue_jumps else 4, *shape))
    down = rng.random((len(spec.locations), shape[1])) < DOWN_SHARE * spec.dispatch_delays
    return Chance(
        first=first,
        uniform=uniform,
        movement=_movements(world, first, last, rng),
        down=down.astype(np.int64),
        land=redraw_land(world, first, rng, known_land),
    )


def _movements(world: World, first: int, last: int, rng: np.random.Generator) -> Ints:
    """Scrap and returns (rare), and count corrections where the regime has them; units, signed."""
    shape = (len(world.item), last - first + 1)
    hit = rng.random(shape)
    size = rng.integers(1, 3, shape)
    moves = np.where(hit < 0.0005, size, np.where(hit > 0.9995, -size, 0))
    if world.spec.count_corrections:
        level = np.maximum(1, world.policy[0, :, 1:3].max(axis=1) // 10)[:, None]
        tuesday = np.asarray(world.dates.day_of_week == 1)[first : last + 1]
        counted = (rng.random(shape) < 0.08) & tuesday[None, :]
        moves = np.where(counted, rng.integers(1, level + 1, shape) * rng.choice([-1, 1], shape), moves)
    return np.asarray(moves, dtype=np.int64)


def redraw_land(world: World, first: int, rng: np.random.Generator, known: Ints | None) -> Ints:
    """For each supplier and day, the day on which what is due then comes [suppliers x T].

    Without common delays everything comes when due. With them, spells in which nothing comes begin with a
    constant hazard and end with one: ``known`` holds the spells up to day ``first - 1``; what is later is
    drawn.
    """
    n_days = len(world.dates)
    same = np.broadcast_to(np.arange(n_days), (world.spec.suppliers, n_days))
    if not world.spec.common_delays:
        return np.ascontiguousarray(same)
    u = rng.random((world.spec.suppliers, n_days))
    land = np.empty_like(same)
    for supplier in range(world.spec.suppliers):
        stopped = _spells(u[supplier], first, None if known is None else known[supplier])
        after = np.where(stopped, n_days - 1, np.arange(n_days))
        land[supplier] = np.minimum.accumulate(after[::-1])[::-1]
    return land


def _spells(u: Floats, first: int, known: Ints | None) -> npt.NDArray[np.bool_]:
    """Days on which a supplier delivers nothing; before ``first`` as known."""
    stopped = np.zeros(len(u), dtype=bool)
    if known is not None:
        stopped[:first] = known[:first] != np.arange(first)
    for day in range(first if known is not None else 1, len(u)):
        stopped[day] = u[day] >= 1 / STOP_MEAN if stopped[day - 1] else u[day] < STOP_HAZARD
    return stopped


def gap_pmf() -> Floats:
    """Chances of 1 … GAP_MAX + 1 days from the first receipt of a split purchase to the second."""
    days = np.arange(GAP_MAX + 1)
    pmf = (1 / GAP_MEAN) * (1 - 1 / GAP_MEAN) ** days
    return np.asarray(pmf / pmf.sum())
