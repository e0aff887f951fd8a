"""The company: its tables, its truth, and its continuation from any day under fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import UsageError
from .days import run_days
from .draws import Chance, NewLines, draw_chance, draw_lines
from .frames import build_tables, build_truth, line_ids
from .moment import Redraw, copy_state, extend, open_only, opening_state, rules_of, without_future
from .spec import Spec, sample_spec
from .state import COMMITTED, FIRM, WAITING, Log, State
from .world import Ints, World, build_world

Day = int | str | pd.Timestamp
LINES, CHANCE, CONTINUED = 2, 3, 4  # streams of draws
REACH = 200  # days of calendar to keep behind the last day, for what is due then


@dataclass(frozen=True)
class Moment:
    """The complete state of a company at the end of a day (counted from day 0)."""

    day: int
    state: State


@dataclass(frozen=True)
class Company:
    """A simulated company.

    ``tables``: canonical frames by name. ``truth``: one row a line, see :func:`~.frames.build_truth`.
    """

    spec: Spec
    world: World = field(repr=False)
    lines: NewLines = field(repr=False)  # as they came; entry = line number
    log: Log = field(repr=False)
    final: State = field(repr=False)
    start: Moment = field(repr=False)  # the state from which the days of this company were run
    parent: Company | None = field(repr=False)
    chance: Chance = field(repr=False)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Canonical frames by name, mutually consistent, in the order in which things happened."""
        return build_tables(self.world, self.lines, self.final, self.log)

    @cached_property
    def truth(self) -> pd.DataFrame:
        """For each order line, the day on which its last unit left or, had it not cancelled, would have
        left."""
        return build_truth(self.world, self.lines, self.final, self.last_day)

    @property
    def last_day(self) -> int:
        """Number of the last day."""
        return int(self.log.level.shape[1]) - 1

    def day_number(self, day: Day) -> int:
        """A date as the number of the day from day 0; whole numbers stay as they are.

        Raises ``UsageError`` where the day is not one of the company's.
        """
        number = day if isinstance(day, int) else (pd.Timestamp(day) - self.world.dates[0]).days
        if not -1 <= number <= self.last_day:
            raise UsageError(f"day {day} is outside the {self.last_day + 1} days of the company")
        return number

    def at(self, day: Day) -> Moment:
        """The complete state at the end of a day."""
        number = self.day_number(day)
        if number < self.start.day:
            assert self.parent is not None  # the first company starts on the evening before day 0
            return self.parent.at(number)
        state = copy_state(self.start.state)
        run_days(state, rules_of(self.world, self.chance), _no_log(), number)
        return Moment(number, without_future(state))

    def continue_from(self, day: Day, seed: int, days: int | None = None) -> Company:
        """The same past up to the end of ``day``, and ``days`` (default: as many as were left) under a fresh
        seed."""
        moment = self.at(day)
        last = self.last_day if days is None else moment.day + days
        world = self.world
        _check_reach(world, last)
        rng = np.random.default_rng([self.spec.seed, CONTINUED, moment.day, seed])
        chance = draw_chance(world, moment.day + 1, last, rng, self.chance.land)
        state = moment.state
        Redraw.of(world, state, moment.day, self.chance.land).draw(world, state, chance.land, rng)
        coming = draw_lines(world, moment.day + 1, last, rng)
        past = NewLines(*(part[: len(state.lines)] for part in self.lines))
        return _run(world, past, coming, Moment(moment.day, state), chance, self, last)


def simulate_company(spec: Spec) -> Company:
    """Run a company from its first day to its last.

    >>> company = simulate_company(Spec(items=6, days=40, seed=3))
    >>> sorted(company.tables)[:4]
    ['calendar', 'cancellations', 'customers', 'drivers']
    >>> len(company.truth) == len(company.tables["order_lines"])
    True
    """
    world = build_world(spec)
    coming = draw_lines(world, 0, spec.end, np.random.default_rng([spec.seed, LINES]))
    chance = draw_chance(world, 0, spec.end, np.random.default_rng([spec.seed, CHANCE]))
    nothing = NewLines(*(part[:0] for part in coming))
    return _run(world, nothing, coming, Moment(-1, opening_state(world)), chance, None, spec.end)


def sample_tables(seed: int = 1) -> dict[str, pd.DataFrame]:
    """The tables of the company of ``data/sample``, by canonical name."""
    return simulate_company(sample_spec(seed)).tables


def true_ship_days(company: Company, day: Day, n: int, seed: int, horizon: int = 180) -> pd.DataFrame:
    """Days from ``day`` on which each line then open leaves, in ``n`` continuations: a sample of the true
    law.

    Rows: ``line_id`` of the lines open at the end of ``day``, in order of arrival; columns: continuations. A
    value is 1 … ``horizon`` (the ghost's, if the line cancels), or -1 where it leaves later or never.

    >>> company = simulate_company(Spec(items=6, days=60, seed=3))
    >>> days = true_ship_days(company, 50, n=3, seed=1, horizon=30)
    >>> days.shape[1], bool(days.isin([-1, *range(1, 31)]).all(axis=None))
    (3, True)
    """
    moment = company.at(day)
    last = moment.day + horizon
    world = company.world
    _check_reach(world, last)
    small, kept = open_only(moment.state)
    is_open = np.isin(small.lines.status, (WAITING, FIRM, COMMITTED))
    small.lines.tracked[is_open] = 1
    redraw = Redraw.of(world, small, moment.day, company.chance.land)
    days = np.empty((int(is_open.sum()), n), dtype=np.int16)
    for column in range(n):
        rng = np.random.default_rng([company.spec.seed, CONTINUED, moment.day, seed, column])
        out = _one_future(world, small, redraw, company.chance.land, last, rng)[: len(kept)][is_open]
        days[:, column] = np.where(out <= last, out - moment.day, -1)
    names = line_ids(moment.state)[kept[is_open]]
    return pd.DataFrame(days, index=pd.Index(names, name="line_id"))


def _one_future(
    world: World, small: State, redraw: Redraw, land: Ints, last: int, rng: np.random.Generator
) -> Ints:
    """The truth of every line in one continuation up to day ``last``."""
    first = redraw.day + 1
    chance = draw_chance(world, first, last, rng, land)
    state = copy_state(small)
    redraw.draw(world, state, chance.land, rng)
    state = extend(state, draw_lines(world, first, last, rng), last - first + 1)
    run_days(state, rules_of(world, chance), _no_log(), last, True)
    return np.asarray(state.lines.out_day)


def _run(
    world: World,
    past: NewLines,
    coming: NewLines,
    start: Moment,
    chance: Chance,
    parent: Company | None,
    last: int,
) -> Company:
    days = last - start.day
    opening = extend(start.state, coming, days)
    state, log = copy_state(opening), _new_log(world, coming, start.state, days)
    run_days(state, rules_of(world, chance), log, last)
    log = _trimmed(log)
    if parent is not None:
        log = _joined(parent.log, log, start.day)
    lines = NewLines(*(np.concatenate(pair) for pair in zip(past, coming, strict=True)))
    before = len(start.state.orders)
    lines.order[len(past.sku) :] += before
    return Company(world.spec, world, lines, log, state, Moment(start.day, opening), parent, chance)


def _new_log(world: World, coming: NewLines, state: State, days: int) -> Log:
    """Room for everything that can happen to the lines there and coming."""
    units = int(
        coming.qty.sum() + state.lines.qty.sum()
    )  # each is shipped at most once, in a row of its own at worst
    lines, skus = len(coming.sku) + len(state.lines), len(world.item)
    rows = 2 * units + 3 * lines + 5 * skus * days + 2 * len(state.purchases)
    return Log(
        rows=np.empty((rows, 6), dtype=np.int64),
        level=np.zeros((skus, days), dtype=np.int64),
        used=np.zeros(1, dtype=np.int64),
    )


def _no_log() -> Log:
    return Log(
        np.zeros((0, 6), dtype=np.int64), np.zeros((0, 0), dtype=np.int64), np.zeros(1, dtype=np.int64)
    )


def _trimmed(log: Log) -> Log:
    """Only the rows used, by day and then by what they are about: the order within a day tells nothing."""
    rows = log.rows[: int(log.used[0])]
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    return Log(rows, log.level, np.array([len(rows)]))


def _joined(old: Log, new: Log, day: int) -> Log:
    """What happened up to ``day`` in one company and afterwards in another."""
    rows = np.concatenate([old.rows[old.rows[:, 1] <= day], new.rows])
    level = np.concatenate([old.level[:, : day + 1], new.level], axis=1)
    return _trimmed(Log(rows, level, np.array([len(rows)])))


def _check_reach(world: World, last: int) -> None:
    limit = len(world.dates) - 1 - REACH
    if last > limit:
        raise UsageError(
            f"the company's calendar carries a continuation to {world.dates[limit]:%Y-%m-%d} at most"
        )
