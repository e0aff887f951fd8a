"""Allocation by a key of lines: any order of service, and stock protected for groups of customers."""

from ._compile import kernel
from .day_sets import next_marked
from .queue_layout import FIRM, GHOST, Problem, State, Tally
from .queue_serve import give_simulated, pass_on, serve_ghost, serve_line


@kernel(allocates=False, inline=True)
def begin_turns(p: Problem, s: State, i: int, g: int, line0: int) -> None:
    """Put the day's cursors before the first that may have a turn, and forget for good what has been served."""
    end = p.sku[g].line_to
    while s.at[i, 0].line < end and s.line[s.at[i, 0].line - line0].status >= FIRM:
        s.at[i, 0].line += 1
    s.at[i, 0].turn = s.at[i, 0].line
    for c in range(s.back.shape[1]):
        s.at[i, c].next = next_marked(s.waits[i, c], 1)


@kernel(allocates=False, inline=True)
def next_turn(p: Problem, s: State, i: int, g: int, line0: int, day: int) -> int:
    """Whose turn is next: a line j ≥ 0, or −2 − node for simulated demand (node = kind · days + day); −1: nobody's.

    By key, then wanted day; of equals the known line before the simulated ones, these by kind.
    """
    best, key, wanted = -1, 0.0, 0
    end = p.sku[g].line_to
    j = s.at[i, 0].turn
    while j < end and (s.line[j - line0].status >= FIRM or p.line[j].wanted > day):
        j += 1
    s.at[i, 0].turn = j
    if j < end:
        best, key, wanted = j, p.line[j].key, p.line[j].wanted
    of = 0
    for c in range(s.back.shape[1]):
        b = s.at[i, c].next
        if b <= day:
            mine = p.kind_key[g, c] + p.kind_step[g, c] * b
            if best == -1 or mine < key or (mine == key and b < wanted):
                best, key, wanted, of = -2 - (c * (p.horizon + 2) + b), mine, b, c
    if best >= 0:
        s.at[i, 0].turn = best + 1
    elif best < -1:
        s.at[i, of].next = next_marked(s.waits[i, of], s.at[i, of].next + 1)
    return best


@kernel(allocates=False, inline=True)
def set_floors(p: Problem, s: State, g: int, day: int) -> None:
    """Units that each group of customers may not draw today: all that is protected for other groups."""
    for q in range(p.groups):
        s.floor[q] = 0.0
        for r in range(p.sku[g].protect_from, p.sku[g].protect_to):
            if p.protect[r].group != q and p.protect[r].first <= day <= p.protect[r].last:
                s.floor[q] += p.protect[r].qty


@kernel(allocates=False, inline=True)
def allocate_by_key(
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
    commits: bool, tied: bool,
) -> float:  # fmt: skip
    """One sweep in the order of keys. Who may not draw below a floor leaves what is under it to those behind."""
    free, taken, ghosts = max(s.sku[i].free, 0.0), 0.0, False
    days, floor = p.horizon + 2, 0.0
    begin_turns(p, s, i, g, line0)
    if p.groups > 0:
        set_floors(p, s, g, day)
    while free > 0.0 or tied:
        who = next_turn(p, s, i, g, line0, day)
        if who == -1:
            break
        if p.groups > 0:
            floor = s.floor[p.line[who].group if who >= 0 else p.kind_group[(-2 - who) // days]]
        usable = max(free - floor, 0.0)
        if who < 0:
            c, b = (-2 - who) // days, (-2 - who) % days
            give = min(usable, s.back[i, c, b])
            free -= give
            if commits:
                taken += give_simulated(s, i, c, b, give)
        elif s.line[who - line0].status == GHOST:
            serve_ghost(p, s, t, i, g, who, who - line0, day, k, free, taken, commits, floor)
            ghosts = True
        elif usable > 0.0:
            open_units = s.line[who - line0].left
            taken += serve_line(p, s, t, i, g, who, who - line0, order0, day, k, usable, commits)
            free -= min(usable, open_units)
    if ghosts:
        pass_on(p, s, i, g, line0, taken)
    return taken
