"""Groups whose lines leave in equal shares: sets of what each of them asked for, as many as are complete."""

import math

from ._compile import kernel
from .queue_events import in_ratio, note_first
from .queue_layout import FIRM, WAITING, Problem, State, Tally


@kernel(allocates=False, inline=True)
def leave_alone(p: Problem, s: State, t: Tally, c: int, day: int, k: int) -> None:
    """Nothing leaves in ratio."""


@kernel(allocates=False, inline=True)
def send_sets(p: Problem, s: State, t: Tally, c: int, day: int, k: int) -> None:
    """Of each line of a group in ratio, so many whole units leave as all its lines have the same share of set aside.

    What is beyond that waits for the others. Who has cancelled does not count.
    """
    g0, g1, order0 = p.component[c].sku, p.component[c + 1].sku, p.component[c].order
    line0 = p.sku[g0].line_from
    for o in range(order0, p.component[c + 1].order):
        s.order_share[o - order0] = 1.0
    for j in range(line0, p.sku[g1 - 1].line_to):
        if _waits_in_ratio(p, s, j, line0) and s.line[j - line0].status == WAITING:
            share = 1.0 - s.line[j - line0].left / p.line[j].need
            o = p.line[j].order - order0
            s.order_share[o] = min(s.order_share[o], share)
    for g in range(g0, g1):
        for j in range(p.sku[g].line_from, p.sku[g].line_to):
            if _waits_in_ratio(p, s, j, line0):
                unit, share = p.sku[g].unit, s.order_share[p.line[j].order - order0]
                units = unit * math.floor(share * p.line[j].need / unit + 1e-9)
                if share == 1.0:
                    units = p.line[j].need
                if units > s.sent[j - line0]:
                    s.sent[j - line0] = units
                    note_first(p, s, t, g - g0, g, j, j - line0, day, k)


@kernel(allocates=False, inline=True)
def _waits_in_ratio(p: Problem, s: State, j: int, line0: int) -> bool:
    return in_ratio(p, j) and s.line[j - line0].status in (WAITING, FIRM)
