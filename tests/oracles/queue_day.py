"""The queue day, in plain Python: the meaning of every kernel (contract, section 1).

One scenario, any number of SKUs. A day goes: receipts, cancellations, new lines, allocation and shipments.
Reservations are made anew every day in service order. On working days they are committed, and leave `handling`
working days later; a fully reserved line of a ship-complete order is firm on any day.
A line that cancels becomes a ghost: it keeps its place, consumes nothing, and is offered what is free at its turn
together with what lines behind it have taken since it cancelled.
"""

from dataclasses import dataclass, field


@dataclass
class Line:
    name: str
    sku: str
    need: float
    place: tuple  # service order: (class, wanted day, tie-breakers…); smaller is served first
    wanted: int = 0  # the day it joins the queue; 0 or less: it waits already
    pieces: bool = True  # may leave in pieces; otherwise it keeps what it is given until whole
    order: str | None = None  # a ship-complete order: leaves when the last of its lines is ready
    cancels: int = 0  # the day on which this customer stops waiting; 0: never
    handling: int = 0  # working days from commitment to departure
    ghost: bool = False
    firm: bool = False
    got: float = 0.0
    virtual: float = 0.0  # ghost: what it would have got besides
    passed: float = 0.0  # ghost: units that lines behind it took since it cancelled
    first: int | None = None  # the day on which the first piece leaves
    ready: int | None = None  # the day on which it could leave, or leaves, by itself
    free_from: int | None = None  # the day from which its order need not wait for it: it is ready, or cancelled
    committed: list = field(default_factory=list)  # (day, units): for conservation


def simulate(stock, receipts, lines, working, horizon):
    """Run the days 1..horizon; returns {line: day it leaves, None if it cannot}; `lines` carry the details.

    stock: {sku: units} (negative: a hole that is filled first); receipts: [(day, sku, units)];
    working: set of working days (reaching as far beyond the horizon as handling takes).
    """
    free = dict(stock)
    leaves_after = sorted(working)
    for day in range(1, horizon + 1):
        for when, sku, units in receipts:
            free[sku] += units if when == day else 0
        for line in lines:
            if line.cancels == day and not line.ghost:
                cancel(line, lines, free, departure(line, day, leaves_after))
        for sku in free:
            queue = sorted((x for x in lines if x.sku == sku and x.wanted <= day), key=lambda x: x.place)
            allocate(queue, free, sku, day, leaves_after)
    return {x.name: leaves(x, lines) for x in lines}


def leaves(line, lines):
    """With the last line of a ship-complete order that has not cancelled before."""
    days = [line.ready, *(x.free_from for x in lines if line.order and x.order == line.order and x is not line)]
    return None if None in days else max(days)


def departure(line, day, leaves_after):
    return [d for d in leaves_after if d >= day][line.handling]


def cancel(line, lines, free, leaves):
    """A line can cancel while open units are not committed to leave; a firm one while its order waits."""
    order_waits = line.order and any(x.order == line.order and not x.ghost and x.ready is None for x in lines)
    if line.ready is None:
        line.ghost, line.free_from = True, leaves
    elif line.firm and order_waits:
        line.ghost = True
        free[line.sku] += line.need


def allocate(queue, free, sku, day, leaves_after):
    at_hand, turn, taken, commits = max(free[sku], 0.0), {}, 0.0, day in leaves_after
    for line in queue:
        if line.ready is not None:
            continue
        if line.ghost:
            turn[line.name] = taken
            offered = at_hand + line.passed
            if not commits and not line.order:
                continue
            if line.pieces and not line.order:
                # passed counts from the cancellation: what it had got before stays got
                line.virtual = max(line.virtual, min(line.need - line.got, offered))
            else:
                line.virtual = line.need if offered >= line.need else 0.0
            line.first = line.first or (departure(line, day, leaves_after) if line.virtual > 0 else None)
            line.ready = departure(line, day, leaves_after) if line.got + line.virtual >= line.need else None
            continue
        if at_hand <= 0:
            continue
        if not commits and not line.order:
            at_hand -= min(at_hand, line.need - line.got)  # reserved for today
            continue
        if line.pieces and not line.order:
            give = min(at_hand, line.need - line.got)
        elif at_hand >= line.need:
            give = line.need
        else:
            at_hand = 0.0  # it keeps what there is; reservations are made anew tomorrow
            continue
        at_hand, taken, line.got = at_hand - give, taken + give, line.got + give
        free[sku] -= give
        line.committed.append((day, give))
        line.first = line.first or departure(line, day, leaves_after)
        if line.got >= line.need:
            line.ready = line.free_from = departure(line, day, leaves_after)
            line.firm = bool(line.order)
    for line in queue:
        if line.name in turn:
            line.passed += taken - turn[line.name]
