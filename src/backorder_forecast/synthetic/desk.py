"""The tools of the compiled days: compiling, the log, agendas by day, queues as linked lists.

The cache of :mod:`.days` looks at that file only: after a change here or in :mod:`.state`, touch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from .state import (
    CANCEL,
    CHANGES,
    DUE,
    FIRM,
    FREE,
    GHOST,
    GHOST_READY,
    LAST,
    LEAVE,
    OUTSTANDING,
    PENDING,
    WAITING,
    WANTED,
    Desk,
    Log,
    Records,
    Rules,
    State,
)
from .world import NEVER, Floats

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile, to be called from compiled code only: without the doors to Python, which cost most of the
    time."""
    return cast(F, numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function))


def compiled_whole(function: F) -> F:
    """Compile with everything that it calls, with a cache where one can be written."""
    try:
        return cast(F, numba.njit(cache=True)(function))
    except RuntimeError:  # no folder for the cache
        return cast(F, numba.njit(function))


@compiled
def write(log: Log, table: int, day: int, what: int, a: int, b: int, c: int) -> None:
    if len(log.rows) == 0:
        return
    if log.used[0] >= len(log.rows):
        raise IndexError("the log of the synthetic company is full")
    row = log.rows[log.used[0]]
    row[0], row[1], row[2], row[3], row[4], row[5] = table, day, what, a, b, c
    log.used[0] += 1


@compiled
def note(desk: Desk, first: int, which: int, day: int, entry: int) -> None:
    """Put an entry on a day's agenda; days after the last one do not matter."""
    if day <= desk.n[LAST]:
        at = max(day, first) - first
        desk.following[which, entry] = desk.agenda[which, at]
        desk.agenda[which, at] = entry


@compiled
def search(law: Floats, u: float) -> int:
    """First place at which a cumulative law exceeds ``u``; the last place if none does."""
    low, high = 0, len(law) - 1
    while low < high:
        middle = (low + high) // 2
        if law[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def service_key(lines: Records, line: int) -> int:
    """Service order as one number."""
    return int((lines[line].priority << 50) | (lines[line].wanted << 30) | line)


@compiled
def join(desk: Desk, lines: Records, line: int) -> None:
    """Put a line into its SKU's queue at its place in service order."""
    queue, links, key = desk.queues[lines[line].sku], desk.links, service_key(lines, line)
    ahead = queue.tail
    while ahead >= 0 and links[ahead].key > key:
        ahead = links[ahead].before
    behind = queue.head if ahead < 0 else links[ahead].after
    links[line].key, links[line].before, links[line].after = key, ahead, behind
    if ahead < 0:
        queue.head = line
    else:
        links[ahead].after = line
    if behind < 0:
        queue.tail = line
    else:
        links[behind].before = line


@compiled
def leave_queue(desk: Desk, lines: Records, line: int) -> None:
    queue, links = desk.queues[lines[line].sku], desk.links
    ahead, behind = links[line].before, links[line].after
    if ahead < 0:
        queue.head = behind
    else:
        links[ahead].after = behind
    if behind < 0:
        queue.tail = ahead
    else:
        links[behind].before = ahead


@compiled
def touch(desk: Desk, order: int) -> None:
    """Remember to look at a ship-complete order on the next day on which goods are committed."""
    if desk.is_pending[order] == 0:
        desk.is_pending[order] = 1
        desk.pending[desk.n[PENDING]] = order
        desk.n[PENDING] += 1


@compiled
def resume(state: State, rules: Rules, desk: Desk) -> None:
    """Note what is there on the agendas and in the queues."""
    for entry in range(len(state.lines)):
        _resume_line(state, rules, desk, entry)
    for entry in range(len(state.flights)):
        if state.flights[entry].line < 0:
            desk.free[desk.n[FREE]] = entry
            desk.n[FREE] += 1
        else:
            note(desk, rules.first, LEAVE, state.flights[entry].leave_day, entry)
    for entry in range(state.bought[0]):
        bought = state.purchases[entry]
        if bought.open > 0:
            due = bought.due if bought.came == NEVER else bought.rest_due
            note(desk, rules.first, DUE, min(due, bought.cancel_day), entry)


@compiled
def _resume_line(state: State, rules: Rules, desk: Desk, entry: int) -> None:
    line, first = state.lines[entry], rules.first
    if line.tracked == 1 and line.out_day == NEVER:
        desk.n[OUTSTANDING] += 1
    if line.status == WAITING or line.status == FIRM:
        note(desk, first, CANCEL, line.cancel_day, entry)
    if line.status == WAITING and line.change_day >= first:
        note(desk, first, CHANGES, line.change_day, entry)
    if line.status == WAITING and line.wanted >= first:
        note(desk, first, WANTED, line.wanted, entry)
    elif line.status == WAITING or line.status == GHOST:
        join(desk, state.lines, entry)
        desk.queues[line.sku].ghosts += int(line.status == GHOST)
    waits = line.status in (WAITING, FIRM, GHOST, GHOST_READY)
    if line.complete == 1 and waits:
        touch(desk, line.order)
