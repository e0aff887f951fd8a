"""The state of the made-up company, its rules and its log: few record arrays, which the compiled days can
read.

A record array is read as ``lines[k].status`` in the compiled days and as ``lines.status`` where numpy does
the work. Every field is a whole number; days are counted from day 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .world import NEVER, Floats, Ints

FUTURE, WAITING, FIRM, COMMITTED, LEFT, GHOST, GHOST_READY, GHOST_DONE, VANISHED = range(9)
QUANTITY, DATE = 0, 1  # kinds of change
SHIPMENT, RECEIPT, CANCELLATION, PURCHASE_CANCELLATION, CHANGE, MOVEMENT = range(6)  # tables of the log
FATE, LEAD, PART, GAP, JUMP = range(5)  # what the uniforms of a cell are for
REORDER_BEFORE = 30  # days before introduction from which purchases are placed

Records = Any  # np.recarray; its fields are not seen by type checkers


def _fields(text: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in text.split()])


LINE = _fields(
    "sku order day wanted qty priority whole complete cancel_day change_day change_qty change_shift"
    " handling extra status committed left cancelled firm_day gone_day passed out_day at_once tracked"
)
"""An order line. ``committed`` and ``left``: units, all told; ``gone_day``: of its cancellation; ``passed``:
units that its ghost let pass; ``out_day``: the truth, the day on which the last unit (of the ghost) leaves;
``at_once``: all of it was reserved on its wanted day; ``tracked``: the run may stop when its truth is known.
The first 14 are drawn, see :class:`~.draws.NewLines`."""

ORDER = _fields("first n_lines")
"""First line and number of lines of an order; they stand together."""

PURCHASE = _fields("sku day qty open due due_qty rest_due cancel_day came")
"""A purchase: days of its first and second receipt and of its cancellation, NEVER if they do not come;
``came``: day of the first receipt that has come, or NEVER."""

FLIGHT = _fields("line qty commit_day leave_day")
"""Units committed and not yet gone; ``line`` -1 marks a free entry."""

SHELF = _fields("on_hand held position dirty")
"""An SKU; ``dirty``: something happened since its queue was last served for good."""

SKU = _fields(
    "location supplier law lost buy_from buy_until revised"
    " kind low high review pack next_kind next_low next_high next_review next_pack"
)
"""What stays of an SKU: ``law`` is its row of lead times; policy until the day ``revised``, and from then
on."""

DAY = _fields("working roll work_index")
LINK = _fields("after before key taken")
QUEUE = _fields("head tail ghosts")


class State(NamedTuple):
    """The company at the end of a day, complete. ``bought[0]`` of the purchases are used."""

    lines: Records
    orders: Records
    purchases: Records
    bought: Ints
    flights: Records
    shelves: Records


class Rules(NamedTuple):
    """What does not change, and the draws of a span of D days from day ``first``."""

    skus: Records
    days: Records
    work_days: Ints
    stretch: Floats
    lead_cdf: Floats
    gap_cdf: Floats
    uniform: Floats  # [5 x n x D]
    movement: Ints  # [n x D] units, signed
    down: Ints  # [locations x D] 1: nothing is committed
    land: Ints  # [suppliers x T] day on which what is due comes
    review_offset: int
    first: int


class Log(NamedTuple):
    """What happened. ``rows`` [· x 6]: table, day, what (line, purchase or SKU), and units or kind, old, new;
    ``level`` [n x D] stock at the day's end; ``used[0]`` counts the rows."""

    rows: Ints
    level: Ints
    used: Ints


class Desk(NamedTuple):
    """Working memory of a run: queues and agendas as linked lists, free entries, orders to look at."""

    links: Records  # [lines] neighbours in the queue; ``taken``: units taken before a ghost's turn
    queues: Records  # [n]
    agenda: Ints  # [5 x D + 1] first entry of each list of each day
    following: Ints  # [5 x entries]
    free: Ints  # stack of free flight entries
    pending: Ints  # stack of ship-complete orders
    is_pending: Ints
    n: Ints  # numbers: free, pending, outstanding tracked lines, last day


CANCEL, CHANGES, WANTED, DUE, LEAVE = range(5)  # lists of the agenda
FREE, PENDING, OUTSTANDING, LAST = range(4)


def records(kind: np.dtype[np.void], n: int, fill: int = 0) -> Records:
    """``n`` records, every field at ``fill``."""
    made = np.full((n, len(kind.names or ())), fill, dtype=np.int64)
    return made.view(kind).reshape(n).view(np.recarray)


def new_desk(state: State, days: int, last: int) -> Desk:
    """Empty working memory for a run of ``days`` days that ends on day ``last``."""
    n_lines, n_orders, n_flights = len(state.lines), len(state.orders), len(state.flights)
    desk = Desk(
        links=records(LINK, n_lines, -1),
        queues=records(QUEUE, len(state.shelves), -1),
        agenda=np.full((5, days + 1), -1),
        following=np.full((5, max(n_lines, len(state.purchases), n_flights)), -1),
        free=np.zeros(n_flights, dtype=np.int64),
        pending=np.zeros(n_orders, dtype=np.int64),
        is_pending=np.zeros(n_orders, dtype=np.int64),
        n=np.array([0, 0, 0, last]),
    )
    desk.queues.ghosts = 0
    return desk


def never(n: int) -> Ints:
    """``n`` days that do not come."""
    return np.full(n, NEVER)
