"""The queue day, in plain Python: the meaning of every kernel (contract, section 1).

One scenario, any number of SKUs. A day goes: receipts, cancellations, new lines, allocation and shipments.
Reservations are made anew every day in service order, or by shares. On working days they are committed, and leave
`handling` working days later; a fully reserved line of a ship-complete order is firm on any day.
A line that cancels becomes a ghost: it keeps its place, consumes nothing, and is offered what is free at its turn
together with what lines behind it have taken since it cancelled; under a sharing, what its share would be.
"""

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class Line:
    name: str
    sku: str
    need: float
    place: tuple  # service order: (class, wanted day, tie-breakers…); smaller is served first
    wanted: int = 0  # the day it joins the queue; 0 or less: it waits already
    pieces: bool = True  # may leave in pieces; otherwise it keeps what it is given until whole
    min_ship: float = 0.0  # no piece, and no remainder, is smaller
    group: int = 0  # of customers: what is protected for others is not for it
    aside: bool = False  # its goods were set aside before: served before all shares
    order: str | None = None  # a ship-complete order: leaves when the last of its lines is ready
    ratio: bool = False  # the lines of the order (a group) leave in equal shares of what each asks for
    sent: float = 0.0  # in ratio: units that have left in such shares, or are to leave
    cancels: int = 0  # the day on which this customer stops waiting; 0: never
    handling: int = 0  # working days from commitment to departure
    ghost: bool = False
    firm: bool = False
    got: float = 0.0
    virtual: float = 0.0  # ghost: what it would have got besides
    passed: float = 0.0  # ghost: units that lines behind it took since it cancelled, of what it might have drawn
    first: int | None = None  # the day on which the first piece leaves
    ready: int | None = None  # the day on which it could leave, or leaves, by itself
    free_from: int | None = None  # the day from which its order need not wait for it: it is ready, or cancelled
    committed: list = field(default_factory=list)  # (day, units): for conservation


def simulate(stock, receipts, lines, working, horizon, protected=(), sharing=None, unit=None):
    """Run the days 1..horizon; returns {line: day it leaves, None if it cannot}; `lines` carry the details.

    stock: {sku: units} (negative: a hole that is filled first); receipts: [(day, sku, units)];
    working: set of working days (reaching as far beyond the horizon as handling takes); protected: [(sku, group,
    first day, last day, units)]; sharing: a function of SHARINGS in place of service in order; unit: {sku: its step}.
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
            kept = [(group, units) for at, group, a, b, units in protected if at == sku and a <= day <= b]
            if sharing:
                allocate_shares(queue, free, sku, day, leaves_after, sharing, unit[sku])
            else:
                allocate(queue, free, sku, day, leaves_after, kept)
        send_sets(lines, day, leaves_after, unit or {})
    return {x.name: leaves(x, lines) for x in lines}


def leaves(line, lines):
    """With the last line of a ship-complete order that has not cancelled before."""
    days = [line.ready, *(x.free_from for x in lines if line.order and x.order == line.order and x is not line)]
    return None if None in days else max(days)


def send_sets(lines, day, leaves_after, unit):
    """In ratio: of each line so many whole units as all lines of the group, but cancelled ones, have the same share of
    set aside."""
    for group in {x.order for x in lines if x.ratio}:
        waiting = [x for x in lines if x.order == group and not x.ghost]
        share = min((Fraction(x.got) / Fraction(x.need) for x in waiting), default=Fraction(0))
        for line in waiting:
            step = Fraction(unit.get(line.sku, 1.0))
            units = float(share * Fraction(line.need) // step * step) if share < 1 else line.need
            if units > line.sent:
                line.sent = units
                line.first = line.first or departure(line, day, leaves_after)


def departure(line, day, leaves_after):
    return [d for d in leaves_after if d >= day][line.handling]


def cancel(line, lines, free, leaves):
    """A line can cancel while open units are not committed to leave; a firm one while its order waits."""
    order_waits = line.order and any(x.order == line.order and not x.ghost and x.ready is None for x in lines)
    if line.ready is None:
        line.ghost, line.free_from = True, leaves
        if line.ratio:
            free[line.sku] += line.got - line.sent
            line.got = line.sent
    elif line.firm and order_waits:
        line.ghost, line.first = True, line.first or leaves
        free[line.sku] += line.need - line.sent


def piece(offered, left, least):
    """What may leave of `left` units when so many are offered."""
    whole = min(offered, left)
    part = whole if whole == left else min(whole, left - least)
    return part if part >= least or part == left else 0.0


def give_to(line, offered, free, day, leaves_after):
    """Commit what the line can take of what is offered; returns the units."""
    left = line.need - line.got
    if day not in leaves_after and not line.order:
        return 0.0
    parts = in_pieces(line)
    give = piece(offered, left, line.min_ship) if parts else left if offered >= left else 0.0
    if give <= 0:
        return 0.0
    line.got += give
    free[line.sku] -= give
    line.committed.append((day, give))
    if not line.ratio:
        line.first = line.first or departure(line, day, leaves_after)
    if line.got >= line.need:
        line.ready = line.free_from = departure(line, day, leaves_after)
        line.firm = bool(line.order)
    return give


def in_pieces(line):
    """Whether it takes what there is; a line in ratio has it set aside, also on days off."""
    return line.pieces and (line.ratio or not line.order)


def allocate(queue, free, sku, day, leaves_after, kept):
    at_hand, turn, taken, commits = max(free[sku], 0.0), {}, 0.0, day in leaves_after
    for line in queue:
        if line.ready is not None:
            continue
        floor = sum(units for group, units in kept if group != line.group)
        if line.ghost:
            turn[line.name] = taken, max(at_hand - floor, 0.0)
            offered = at_hand + line.passed - floor
            if not commits and not line.order:
                continue
            if in_pieces(line):
                # passed counts from the cancellation: what it had got before stays got
                line.virtual = max(line.virtual, piece(offered, line.need - line.got, line.min_ship))
            else:
                line.virtual = line.need if offered >= line.need else 0.0
            line.first = line.first or (departure(line, day, leaves_after) if line.virtual > 0 else None)
            line.ready = departure(line, day, leaves_after) if line.got + line.virtual >= line.need else None
            continue
        if at_hand <= floor:
            continue
        reserved = min(at_hand - floor, line.need - line.got)  # what it cannot take today is kept for it today
        taken += give_to(line, at_hand - floor, free, day, leaves_after)
        at_hand -= reserved
    for line in queue:
        if line.name in turn:
            before, might = turn[line.name]
            line.passed += min(taken - before, might)


def allocate_shares(queue, free, sku, day, leaves_after, sharing, unit):
    """Each line's share; lines that leave only whole put theirs together and are served from that in their order."""
    at_hand, commits = max(free[sku], 0.0), day in leaves_after
    queue = [x for x in queue if x.ready is None]
    for line in [x for x in queue if x.aside and not x.ghost]:
        reserved = min(at_hand, line.need - line.got)
        give_to(line, at_hand, free, day, leaves_after)
        at_hand -= reserved
        queue.remove(line)

    def awards(claimant=None):
        claims = [0.0 if x.ghost and x is not claimant else x.need - x.got - x.virtual for x in queue]
        return dict(zip([x.name for x in queue], share(claims, at_hand, sharing, unit), strict=True))

    alone = {x.name: awards(x)[x.name] for x in queue if x.ghost and (commits or x.order)}
    award, pot = awards(), 0.0
    for line in queue:
        if not in_pieces(line):
            pot += award[line.name]
        elif line.ghost and line.name in alone:
            line.virtual += alone[line.name]
            line.first = line.first or (departure(line, day, leaves_after) if line.virtual > 0 else None)
            line.ready = departure(line, day, leaves_after) if line.got + line.virtual >= line.need else None
        elif not line.ghost:
            give_to(line, award[line.name], free, day, leaves_after)
    for line in queue:
        if in_pieces(line):
            continue
        if line.ghost:
            if line.name in alone and pot + alone[line.name] >= line.need:
                line.ready = line.first = departure(line, day, leaves_after)
        else:
            reserved = min(pot, line.need - line.got)
            give_to(line, pot, free, day, leaves_after)
            pot -= reserved


def share(claims, available, sharing, unit=1.0):
    """Whole multiples of the unit by largest remainder, ties to the first; all where there is enough for all."""
    claims = [Fraction(x) for x in claims]
    if sum(claims) <= available:
        return [float(x) for x in claims]
    due = [x / Fraction(unit) for x in sharing(claims, Fraction(available))]
    out = [x.numerator // x.denominator for x in due]
    spare = int(Fraction(available) / Fraction(unit)) - sum(out)
    for _, m in sorted((-(x - w), m) for m, (x, w) in enumerate(zip(due, out, strict=True)))[: max(spare, 0)]:
        out[m] += 1
    return [min(float(x * unit), float(c)) for x, c in zip(out, claims, strict=True)]


def proportional(claims, available):
    return [x * available / sum(claims) for x in claims]


def max_min(claims, available):
    """Uniform gains: the smallest claims are met as long as they are below an equal part of what is left."""
    out, left = {}, available
    for place, m in enumerate(sorted(range(len(claims)), key=claims.__getitem__)):
        out[m] = min(claims[m], left / (len(claims) - place))
        left -= out[m]
    return [out[m] for m in range(len(claims))]


def equal_losses(claims, available):
    """Uniform losses, none more than its claim: what is missing, shared by max-min."""
    return [c - x for c, x in zip(claims, max_min(claims, sum(claims) - available), strict=True)]


SHARINGS = {"proportional": proportional, "max_min": max_min, "equal_losses": equal_losses}
