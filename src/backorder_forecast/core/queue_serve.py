"""Allocation: one sweep through the waiting lines of an SKU in service order, and what a served line leaves behind."""

from ._compile import kernel
from .day_sets import next_marked
from .queue_events import departure, in_ratio, note_first, release
from .queue_layout import DONE, FIRM, GHOST, Problem, State, Tally
from .queue_waiting import take_out


@kernel(allocates=False, inline=True)
def source(s: State, i: int, ghost: bool) -> int:
    """Which batch the unit committed last came from, batches being used up in the order of their arrival."""
    if ghost:
        return s.batch[i, s.sku[i].batches - 1].src
    while s.sku[i].batch_at < s.sku[i].batches - 1 and s.batch[i, s.sku[i].batch_at].cum < s.sku[i].used - 1e-9:
        s.sku[i].batch_at += 1
    return s.batch[i, s.sku[i].batch_at].src


@kernel(allocates=False, inline=True)
def finish(
    p: Problem, s: State, t: Tally, i: int, g: int, j: int, x: int, day: int, k: int, ghost: bool,
) -> None:  # fmt: skip
    if ghost or not in_ratio(p, j):
        note_first(p, s, t, i, g, j, x, day, k)
    leaves = departure(p, p.sku[g].location, day, p.line_draw[j, k].handling)
    t.line_day[j, leaves].leaves += 1
    if p.line[j].slot >= 0:
        t.own_day[p.line[j].slot, k] = leaves
        release(p, t, j, leaves, k)
    t.peg[p.line[j].peg_from + source(s, i, ghost)] += 1
    s.line[x].status = DONE
    if ghost:
        s.sku[i].ghosts -= 1
    else:
        s.sku[i].known -= 1


@kernel(allocates=False, inline=True)
def piece(offered: float, left: float, least: float) -> float:
    """Units of `left` that may leave when so many are offered: never a piece, nor a remainder, smaller than `least`."""
    if offered >= left - 1e-9:
        return left
    part = min(offered, left - least)
    return part if part >= least - 1e-9 else 0.0


@kernel(allocates=False, inline=True)
def serve_ghost(
    p: Problem, s: State, t: Tally, i: int, g: int, j: int, x: int, day: int, k: int, free: float,
    taken: float, commits: bool, floor: float,
) -> None:  # fmt: skip
    """Offer a line that has cancelled what is free at its turn, less what is protected from it, and what passed it."""
    offered = free + s.line[x].passed - floor
    s.line[x].turn, s.line[x].room = taken, max(free - floor, 0.0)
    if not commits and p.line[j].order < 0:
        return
    if p.line[j].pieces == 1:
        if offered > s.line[x].virtual:
            s.line[x].virtual = max(s.line[x].virtual, piece(offered, s.line[x].left, p.line[j].min_ship))
        if s.line[x].virtual > 0.0:
            note_first(p, s, t, i, g, j, x, day, k)
        offered = s.line[x].virtual
    if offered >= s.line[x].left - 1e-9:
        finish(p, s, t, i, g, j, x, day, k, True)


@kernel(allocates=False, inline=True)
def serve_line(
    p: Problem, s: State, t: Tally, i: int, g: int, j: int, x: int, order0: int, day: int, k: int,
    free: float, commits: bool,
) -> float:  # fmt: skip
    """Commit what the line can get of `free`; returns the units. What it cannot take yet is kept for it today.

    On days off nothing is committed, but a line of a ship-complete order may become firm.
    """
    line = p.line[j]
    if not commits and line.order < 0:
        return 0.0
    if free >= s.line[x].left - 1e-9:
        give = s.line[x].left
    elif line.pieces == 1:
        give = piece(free, s.line[x].left, line.min_ship)
    else:
        give = 0.0
    if give <= 0.0:
        return 0.0
    s.line[x].left -= give
    s.sku[i].used += give
    s.sku[i].wait -= give
    if s.line[x].left <= 1e-9:
        finish(p, s, t, i, g, j, x, day, k, False)
        if line.order >= 0:
            s.line[x].status = FIRM
            s.order_wait[line.order - order0] -= 1
    elif line.order < 0:
        note_first(p, s, t, i, g, j, x, day, k)
    return give


@kernel(allocates=False, inline=True)
def allocate(
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
    commits: bool, tied: bool,
) -> float:  # fmt: skip
    """One sweep through the queue in service order, existing lines and simulated ones merged by wanted day.

    On a day off (`commits` false) lines only reserve what would be theirs. Returns the units that were taken.
    """
    free, taken, ghosts = max(s.sku[i].free, 0.0), 0.0, False
    for c in range(p.class_share.shape[1]):
        end = p.class_from[g, c + 1]
        while s.at[i, c].line < end and s.line[s.at[i, c].line - line0].status >= FIRM:
            s.at[i, c].line += 1
        j, waits = s.at[i, c].line, s.waits[i, c]
        b = next_marked(waits, 1)
        # where lines may become firm on days off, a ghost may be owed enough although nothing is free
        while free > 0.0 or tied:
            while j < end and s.line[j - line0].status >= FIRM:
                j += 1
            line_waits = j < end and p.line[j].wanted <= day
            if line_waits and (b > day or p.line[j].wanted <= b):
                x = j - line0
                if s.line[x].status == GHOST:
                    serve_ghost(p, s, t, i, g, j, x, day, k, free, taken, commits, 0.0)
                    ghosts = True
                elif free > 0.0:
                    open_units = s.line[x].left
                    taken += serve_line(p, s, t, i, g, j, x, order0, day, k, free, commits)
                    free -= min(free, open_units)
                j += 1
            elif b <= day:
                give = min(free, s.back[i, c, b])
                free -= give
                if commits:
                    taken += give_simulated(s, i, c, b, give)
                b = next_marked(waits, b + 1)
            else:
                break
    if ghosts:
        pass_on(p, s, i, g, line0, taken)
    return taken


@kernel(allocates=False, inline=True)
def give_simulated(s: State, i: int, c: int, day: int, units: float) -> float:
    """Units for the simulated demand of a day, which leave at once."""
    take_out(s, i, c, day, units)
    s.sku[i].used += units
    return units


@kernel(allocates=False, inline=True)
def pass_on(p: Problem, s: State, i: int, g: int, line0: int, taken: float) -> None:
    """Ghosts that had a turn are owed what the lines behind them took after it, of what they might have drawn."""
    for j in range(p.sku[g].line_from, p.sku[g].line_to):
        x = j - line0
        if s.line[x].turn >= 0.0:
            s.line[x].passed += min(taken - s.line[x].turn, s.line[x].room)
            s.line[x].turn = -1.0
