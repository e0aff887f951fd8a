"""Allocation by fair shares: all who wait share what is there, each day anew.

Lines that may leave in pieces, and simulated demand, take their award. Lines that leave only whole put theirs together,
and what is together serves them in service order, as the first that it covers; the rest stays for tomorrow's shares. A
line that has cancelled is offered, each day, the award that it would get if it claimed beside the others.
"""

from ._compile import kernel
from .queue_events import note_first
from .queue_keys import begin_turns, next_turn
from .queue_layout import GHOST, SET_ASIDE, Problem, State, Tally
from .queue_serve import finish, give_simulated, serve_line
from .sharing import share


@kernel(allocates=False, inline=True)
def allocate_shares(
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int,
    commits: bool, tied: bool,
) -> float:  # fmt: skip
    """Share what is free today; on a day off only lines of ship-complete orders take something, and become firm."""
    n, taken, free = _gather(p, s, t, i, g, line0, order0, day, k, commits)
    _award(p, s, g, line0, n, free, commits)
    pot, whole, days = 0.0, False, p.horizon + 2
    for m in range(n):
        who, award = s.claim[m].who, s.claim[m].award
        if who < 0:
            if commits:
                taken += give_simulated(s, i, (-2 - who) // days, (-2 - who) % days, award)
        elif p.line[who].pieces == 0:
            pot += award
            whole = True
        elif s.line[who - line0].status == GHOST:
            _offer_ghost(p, s, t, i, g, who, who - line0, day, k)
        else:
            taken += serve_line(p, s, t, i, g, who, who - line0, order0, day, k, award, commits)
    if whole:
        taken += _serve_whole(p, s, t, i, g, line0, order0, day, k, n, pot, commits)
    return taken


@kernel(allocates=False, inline=True)
def _gather(
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int, commits: bool,
) -> tuple[int, float, float]:  # fmt: skip
    """List the day's claims in service order; lines whose goods were set aside before get them now.

    Returns the number of claims, the units that those lines took, and the units left to share.
    """
    n, taken, free, days = 0, 0.0, max(s.sku[i].free, 0.0), p.horizon + 2
    begin_turns(p, s, i, g, line0)
    who = next_turn(p, s, i, g, line0, day)
    while who != -1:
        if who >= 0 and p.line[who].key == SET_ASIDE and s.line[who - line0].status != GHOST:
            open_units = s.line[who - line0].left
            taken += serve_line(p, s, t, i, g, who, who - line0, order0, day, k, free, commits)
            free -= min(free, open_units)
        else:
            units = s.back[i, (-2 - who) // days, (-2 - who) % days] if who < 0 else s.line[who - line0].left
            ghost = who >= 0 and s.line[who - line0].status == GHOST
            s.claim[n].who, s.claim[n].units = who, 0.0 if ghost else units
            n += 1
        who = next_turn(p, s, i, g, line0, day)
    return n, taken, free


@kernel(allocates=False, inline=True)
def _award(p: Problem, s: State, g: int, line0: int, n: int, free: float, commits: bool) -> None:
    """Share: first for each ghost, it alone claiming beside the others (kept in its `turn`), last without them."""
    for m in range(n + 1):
        who = s.claim[m].who if m < n else -1
        ghost = who >= 0 and s.line[who - line0].status == GHOST
        if ghost:
            s.line[who - line0].turn = 0.0
            if not commits and p.line[who].order < 0:
                continue
            s.claim[m].units = s.line[who - line0].left - s.line[who - line0].virtual
        if ghost or m == n:
            share(s.claim, s.asked, s.given, n, free, p.sku[g].unit, p.rule, p.own_shares)
        if ghost:
            s.line[who - line0].turn = s.claim[m].award
            s.claim[m].units = 0.0


@kernel(allocates=False, inline=True)
def _offer_ghost(p: Problem, s: State, t: Tally, i: int, g: int, j: int, x: int, day: int, k: int) -> None:
    """A ghost in pieces adds up what it would have got."""
    s.line[x].virtual += s.line[x].turn
    if s.line[x].virtual > 0.0:
        note_first(p, s, t, i, g, j, x, day, k)
    if s.line[x].virtual >= s.line[x].left - 1e-9:
        finish(p, s, t, i, g, j, x, day, k, True)


@kernel(allocates=False, inline=True)
def _serve_whole(
    p: Problem, s: State, t: Tally, i: int, g: int, line0: int, order0: int, day: int, k: int, n: int, pot: float,
    commits: bool,
) -> float:  # fmt: skip
    """Serve the lines that leave only whole from what they were awarded together, in service order."""
    taken = 0.0
    for m in range(n):
        who = s.claim[m].who
        if who < 0 or p.line[who].pieces == 1:
            continue
        x = who - line0
        if s.line[x].status == GHOST:
            if (commits or p.line[who].order >= 0) and pot + s.line[x].turn >= s.line[x].left - 1e-9:
                finish(p, s, t, i, g, who, x, day, k, True)
        elif pot > 0.0:
            open_units = s.line[x].left
            taken += serve_line(p, s, t, i, g, who, x, order0, day, k, pot, commits)
            pot -= min(pot, open_units)
    return taken
