"""Simulated demand that joins the queue: which kind of line it is, who does not wait, for how long the others do."""

import math

from ._compile import kernel
from .chance import uniform, wait
from .day_sets import mark, marked, unmark
from .queue_layout import GUIDE, KIND, LOST, PATIENCE, Problem, State, Tally


@kernel(allocates=False, inline=True)
def join_queue(p: Problem, s: State, i: int, g: int, day: int, k: int) -> float:
    """The day's simulated demand joins those who wait; returns its units."""
    at = s.sku[i].next
    if s.demand[at].day != day:
        return 0.0
    s.sku[i].next = at + 1
    join(p, s, i, g, at, k)
    return s.demand[at].units


@kernel(allocates=False)
def join(p: Problem, s: State, i: int, g: int, at: int, k: int) -> None:
    """A row of `demand` joins those who wait."""
    day, of = s.demand[at].day, s.demand[at].of
    if p.kind_cum.shape[1] > 0:
        _split_into_kinds(p, s, i, g, day, k, s.demand[at].units)
    elif of >= 0:
        _begin_to_wait(s, i, of, day, s.demand[at].units)
    else:
        for c in range(s.split.shape[1]):
            if s.split[-1 - of, c] > 0.0:
                _begin_to_wait(s, i, c, day, s.split[-1 - of, c])


@kernel(allocates=False, inline=True)
def _begin_to_wait(s: State, i: int, c: int, day: int, units: float) -> None:
    s.back[i, c, day] = units
    s.sku[i].wait += units
    mark(s.waits[i, c], day)


@kernel(allocates=False, inline=True)
def _split_into_kinds(p: Problem, s: State, i: int, g: int, day: int, k: int, units: float) -> None:
    """Divide the day's units among the kinds of lines, by their shares: systematic sampling with one draw.

    The sum is what it was, so every rule meets the same demand; each kind has its share in the mean, and on each day
    the units nearest to it: floor(N·S + u) of N units up to the cumulative share S (Madow 1949).
    """
    sku = p.sku[g]
    u = uniform(sku.key, k, KIND - p.first_ordinal - day)
    before = 0.0
    for c in range(p.kind_cum.shape[1]):
        upto = min(math.floor(units / sku.unit * p.kind_cum[g, c] + u) * sku.unit, units)
        if c == p.kind_cum.shape[1] - 1:
            upto = units
        if upto > before:
            _begin_to_wait(s, i, c, day, upto - before)
        before = upto


@kernel(allocates=False, inline=True)
def waiting_of(s: State, i: int, day: int) -> float:
    """Units of a day's simulated demand that still wait."""
    units = 0.0
    for c in range(s.back.shape[1]):
        if marked(s.waits[i, c], day):
            units += s.back[i, c, day]
    return units


@kernel(allocates=False, inline=True)
def take_out(s: State, i: int, c: int, day: int, units: float) -> None:
    """Units of a day's simulated demand that wait no longer."""
    s.sku[i].wait -= units
    s.back[i, c, day] -= units
    if s.back[i, c, day] <= 0.0:
        unmark(s.waits[i, c], day)


@kernel(allocates=False)
def run_short(
    p: Problem, s: State, t: Tally, i: int, g: int, day: int, k: int, known: float, simulated: float,
) -> None:  # fmt: skip
    """Units newly wanted by known lines and by simulated ones could not be covered: they are lost, or wait for some
    time."""
    s.sku[i].short_now = 1
    s.sku[i].first_short = min(s.sku[i].first_short, day)
    s.short[i, s.risk_at[day]].units += known + simulated
    if simulated > 0.0 and p.sku[g].queue_share < 1.0:
        _lose(p, s, t, i, g, day, k, simulated)
    _begin_patience(p, s, i, g, day, k)


@kernel(allocates=False)
def _lose(p: Problem, s: State, t: Tally, i: int, g: int, day: int, k: int, unmet: float) -> None:
    """Unmet demand that does not wait is taken out again, the last classes first."""
    sku = p.sku[g]
    keep = sku.queue_share * unmet / sku.unit
    whole = math.floor(keep)
    if keep > whole and uniform(sku.key, k, LOST - p.first_ordinal - day) < keep - whole:
        whole += 1.0
    drop = unmet - whole * sku.unit
    for c in range(s.back.shape[1] - 1, -1, -1):
        if marked(s.waits[i, c], day):
            out = min(drop, s.back[i, c, day])
            take_out(s, i, c, day, out)
            drop -= out
            if t.ledger.shape[0] > 0:
                t.ledger[g, k, 2] += out


@kernel(allocates=False, inline=True)
def _begin_patience(p: Problem, s: State, i: int, g: int, day: int, k: int) -> None:
    """Those of today's simulated customers who now wait get the day on which they will have had enough."""
    for c in range(s.back.shape[1]):
        if marked(s.waits[i, c], day) and p.patience[c, p.horizon + 1] > 0.0:
            u = uniform(s.class_key[i, c], k, PATIENCE - p.first_ordinal - day)
            if u < s.stay[c, p.horizon - day]:
                continue  # they stay beyond the horizon, which takes no logarithm to see
            leaves = day + _wait(p, s, c, u)
            if leaves <= p.horizon:
                s.leave[i, c, day] = s.day[i, leaves].back_cancel
                s.day[i, leaves].back_cancel = c * (p.horizon + 2) + day
                mark(s.visit[i], leaves)
                mark(s.dated[i], leaves)


@kernel(allocates=False, inline=True)
def _wait(p: Problem, s: State, c: int, u: float) -> int:
    """`chance.wait` of a customer who comes and leaves within the horizon, without a logarithm in nearly all cases."""
    days = max(1, s.wait_guide[c, int(u * GUIDE)])
    while u < s.stay[c, days]:
        days += 1
    # `stay` is rounded down by a billionth; where that matters the law itself is asked
    return days if u > s.stay[c, days] * (1.0 + 3e-9) else wait(p.patience[c], 0, u, p.horizon + 1)
