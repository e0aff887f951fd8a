"""What the queue kernel reads, writes and remembers: record types, `Problem`, `Tally`, `State`.

Days are numbered 1..H after the as-of day; H + 1 stands for "not within the horizon". Everything random enters as
arrays drawn beforehand (`cancel`, `handling`, `po_*`) or is a keyed draw (future demand, new lead times), so the order
of SKUs, lines and threads cannot change a number.
"""

from typing import Any, NamedTuple

import numpy as np

STOCK, PLANNED, NONE, FIRST_PURCHASE = 0, 1, 2, 3
"""What a line's last unit came from; open purchases of its SKU follow from FIRST_PURCHASE in their order."""

NO_POLICY, RQ, SS, BASE_STOCK = 0, 1, 2, 3

BY_CLASS, BY_KEY, PROPORTIONAL, MAX_MIN, EQUAL_LOSSES, OWN_SHARES = 0, 1, 2, 3, 4, 5
"""How waiting lines are served: class after class, each by wanted day; by a key of lines; or by shares of what is there
(:mod:`.sharing`)."""

SET_ASIDE = -np.inf
"""The key of a line whose goods have been committed: served before all, whatever the rule."""

WAITING, GHOST, FIRM, DONE = 0, 1, 2, 3

LEVEL, APART, CHANCE = -1, -2, -3
"""Draws of an SKU's demand that a whole scenario shares, by index."""
LOST, PATIENCE, UNITS, CLASS, KIND = -1_000_000, -3_000_000, -5_000_000, -9_000_000, -13_000_000
"""Draws of a day: less its ordinal, so that they neither meet each other nor the ordinal itself, the day's demand."""
COUNTS = -1.0  # in place of the chance of occurrence: demand is negative binomial

SKU = np.dtype(
    [
        ("key", "u8"),  # demand draws
        ("lead_key", "u8"),  # draws of a new order's lead time
        ("free", "f8"),  # physical stock that may be allocated; negative is a hole, filled first
        ("line_from", "i8"),
        ("line_to", "i8"),  # its rows of `line`, in service order
        ("po_from", "i8"),
        ("po_to", "i8"),  # its rows of the purchase arrays
        ("size", "f8"),  # negative-binomial size of a day of average weekday and factor 1, in counts of `unit`
        ("theta", "f8"),
        ("profile", "i8"),  # row of `factor`
        ("apart", "f8"),  # P(in a scenario demand is occurrence and size instead of negative binomial)
        ("size_from", "i8"),
        ("size_to", "i8"),  # its rows of `size_value` and `size_cum`; at least one where apart > 0
        ("unit", "f8"),  # the smallest step of quantities
        ("start_day", "i8"),
        ("end_day", "i8"),  # demand comes on days start..end, orders are placed until end
        ("queue_share", "f8"),  # the share of unmet demand that waits; the rest is lost
        ("policy", "i8"),
        ("reorder_point", "f8"),
        ("order_qty", "f8"),
        ("order_up_to", "f8"),
        ("review_days", "i8"),
        ("review_phase", "i8"),  # reviews on days whose ordinal is ≡ phase (mod review_days)
        ("pack_size", "f8"),
        ("min_order_qty", "f8"),
        ("max_stock", "f8"),
        ("lead_row", "i8"),  # row of `new_lead`
        ("lead_shared", "i8"),  # row of `lead_common`, where
        ("lead_alike", "f8"),  # the correlation of its new orders with what else its supplier delivers is more than 0
        ("location", "i8"),  # row of the working-day tables
        ("path", "i8"),  # row of `tally.paths`, or -1
        ("protect_from", "i8"),
        ("protect_to", "i8"),  # its rows of `protect`
    ],
    align=True,
)

LINE = np.dtype(
    [
        ("need", "f8"),
        ("wanted", "i8"),  # the day it joins; ≤ 0: it is waiting already
        ("pieces", "i8"),  # 1: may leave in pieces; with an order: in ratio with its other lines
        ("order", "i8"),  # ship-complete order, or group in ratio, numbered by component; -1: none
        ("slot", "i8"),  # row of `tally.own_day`, or -1
        ("peg_from", "i8"),  # first of its counters in `tally.peg`
        ("min_ship", "f8"),  # the smallest piece that may leave, and may be left over; 0: any
        ("key", "f8"),  # smaller is served first, then by wanted day; not read where classes say it
        ("group", "i8"),  # its customers' group, for whom stock may be protected
    ],
    align=True,
)


LINE_DRAW = np.dtype([("cancel", "i2"), ("handling", "i2")], align=True)
"""Per line and scenario: the day on which its customer stops waiting (0 or beyond H: never), and the working days
from commitment to departure."""

PURCHASE_DRAW = np.dtype(
    [("first", "i2"), ("rest", "i2"), ("gone", "i2"), ("pad", "i2"), ("first_qty", "f4")], align=True
)
"""Per purchase and scenario: the day of its next receipt and the units in it, the day of all the rest, and the day
on which it becomes known that nothing more will come."""

CALENDAR = np.dtype([("working", "i8"), ("next", "i8")], align=True)
"""Per location and day 0..H+1: is it a working day, and the place in `working_days` of the first on or after it."""

PROTECT = np.dtype([("group", "i8"), ("first", "i8"), ("last", "i8"), ("qty", "f8")], align=True)
"""Units of an SKU's stock that only one group of customers may draw, on days first…last."""

COMPONENT = np.dtype([("sku", "i8"), ("order", "i8")], align=True)
"""First SKU and first ship-complete order of each component; one row more than there are components."""

RISK = np.dtype([("short", "i8"), ("preventable", "i8"), ("short_units", "f8"), ("new_units", "f8")], align=True)
"""Per SKU and risk day, over scenarios: how often newly wanted units became backordered by then, how often first
after an order placed at once could have come; how many units did, of how many newly wanted."""

LINE_DAY = np.dtype([("leaves", "u2"), ("first", "u2")], align=True)
"""Per line and day: scenarios in which it leaves by itself, and in which its next piece leaves, on that day."""


class Problem(NamedTuple):
    """Everything that the kernel reads. K scenarios, H days, C priority classes, M level strata, L kinds of lines."""

    sku: np.ndarray  # SKU [n]
    line: np.ndarray  # LINE [lines], by SKU, then class or key, then wanted day and the rest of the service order
    class_from: np.ndarray  # i8 [n, C + 1]: each class's lines
    class_share: np.ndarray  # f8 [n, C]: share of each class in future demand
    class_salt: np.ndarray  # u8 [max(C, L)]
    patience: np.ndarray  # f8 [max(C, L), H + 2]: −log P(a future customer still waits) by day of the wait
    weekday: np.ndarray  # f8 [n, 7]: factors with mean 1, Monday first
    factor: np.ndarray  # f8 [profiles, H + 2]: of a day's mean demand; 0: it is all known beforehand, as lines
    levels: np.ndarray  # f8 [n, M]: demand levels, mean 1; 0: the item has died
    level_shares: np.ndarray  # f8 [M]: cumulative probability of the levels, and of the chances; ends with 1
    chance: np.ndarray  # f8 [n, M]: P(an average day of factor 1 has demand), where occurrence and size hold
    size_value: np.ndarray  # f8 [S]: what demand a day may have then, in counts of `unit`
    size_cum: np.ndarray  # f8 [S]: cumulative probability of these within their SKU; ends with 1
    line_draw: np.ndarray  # LINE_DRAW [lines, K]
    po_qty: np.ndarray  # f8 [purchases]
    po_draw: np.ndarray  # PURCHASE_DRAW [purchases, K]
    new_lead: np.ndarray  # f8 [rows, days]: P(goods are ready by day), from day 0 of the order
    lead_common: np.ndarray  # f8 [suppliers, K]: normal scores of the delay that a supplier's deliveries share
    calendar: np.ndarray  # CALENDAR [locations, H + 2]
    working_days: np.ndarray  # i8 [locations, W]: ascending, ends with H + 1
    receive_on: np.ndarray  # i8 [H + 2]: the first day on or after each on which anything is received
    component: np.ndarray  # COMPONENT [components + 1]
    order_lines: np.ndarray  # i8 [ship-complete orders]: open lines of each
    risk_days: np.ndarray  # i8 [R], ascending
    rule: int  # BY_CLASS, BY_KEY, or a sharing
    own_shares: int  # address of the user's function where the rule is OWN_SHARES, see :mod:`.sharing`
    kind_cum: np.ndarray  # f8 [n, L]: cumulative share of L kinds of lines in future demand; L = 0 where BY_CLASS
    kind_key: np.ndarray  # f8 [n, L]: the key of a kind, were it wanted on day 0
    kind_step: np.ndarray  # f8 [n, L]: how much later the key is for each day later
    kind_group: np.ndarray  # i8 [L]: its customers' group
    protect: np.ndarray  # PROTECT, by SKU
    groups: int  # of customers, G; 0 protects nobody
    horizon: int
    scenarios: int
    first_weekday: int  # of day 1, Monday 0
    first_ordinal: int  # calendar ordinal of day 1
    with_planned: bool


class Tally(NamedTuple):
    """Everything that the kernel writes: counts over scenarios. Rows belong to one component each."""

    line_day: np.ndarray  # LINE_DAY [lines, H + 2]
    own_day: np.ndarray  # i2 [slots, K]: the day it leaves by itself, for lines of orders with several
    release_day: np.ndarray  # i2 [slots, K]: from when on its order need not wait for it: own_day, or it cancelled
    cancelled: np.ndarray  # i8 [lines]
    peg: np.ndarray  # i8 [lines × (FIRST_PURCHASE + purchases of the SKU)], ragged by LINE.peg_from
    risk: np.ndarray  # RISK [n, R]
    first_short: np.ndarray  # i8 [n, H + 2]
    cycles: np.ndarray  # i8 [n, 2]: replenishments, and those before which nothing ran short
    paths: np.ndarray  # f4 [paths, 2, K, H]: stock on hand, units backordered
    ledger: np.ndarray  # f8 [n or 0, K, 4]: received, committed, lost or cancelled, newly ordered


_SKU_STATE = np.dtype(
    [
        ("free", "f8"), ("wait", "f8"), ("on_order", "f8"),
        ("used", "f8"), ("batch_at", "i8"), ("batches", "i8"),  # pegging: units used up, arrivals in their order
        ("known", "i8"), ("ghosts", "i8"),  # open lines that wait today, and lines that have cancelled, not done yet
        ("short_now", "i8"), ("first_short", "i8"),
        ("order_below", "f8"),  # an order is due where the position is less
        ("plain", "i8"),  # 1: days on which nobody waits are soon done, see :mod:`.queue_ahead`
        ("next", "i8"),  # the row of `demand` that comes next
    ],
    align=True,
)  # fmt: skip
_LINE_STATE = np.dtype(
    [
        ("status", "i8"), ("left", "f8"), ("virtual", "f8"), ("passed", "f8"), ("turn", "f8"), ("room", "f8"),
        ("seen_first", "i4"), ("cancel_next", "i4"), ("wanted_next", "i4"),
    ],
    align=True,
)  # fmt: skip
_DAY = np.dtype([(x, "i4") for x in ("arrival", "cancel", "wanted", "gone", "back_cancel")], align=True)
_NODE = np.dtype([("next", "i8"), ("qty", "f8"), ("src", "i8")], align=True)
_BATCH = np.dtype([("cum", "f8"), ("src", "i8")], align=True)
_DEMAND = np.dtype([("units", "f8"), ("day", "i4"), ("of", "i4")], align=True)
_SHORT = np.dtype([("scenarios", "i8"), ("preventable", "i8"), ("units", "f8"), ("new", "f8")], align=True)
_RATE = np.dtype([("size", "f8"), ("p", "f8")], align=True)
_AT = np.dtype([("line", "i8"), ("turn", "i8"), ("next", "i8")], align=True)
CLAIM = np.dtype([("units", "f8"), ("award", "f8"), ("rest", "i8"), ("who", "i8")], align=True)
_PURCHASE_STATE = np.dtype([("gone_next", "i8"), ("left", "f8")], align=True)

COUNTS_TABLED = 7
"""How many cumulative probabilities of a day's counts are kept; beyond, they are worked out each time."""


AHEAD = 1 << 28
"""Bytes of demand that may be drawn ahead; memory is taken only as far as there is demand."""

GUIDE = 256
"""Steps of probability for which it is kept where a law is to be searched (Chen and Asau 1974)."""


class State(NamedTuple):
    """One component in one scenario. Dated events hang on linked lists, one head per SKU and day; sets of days are
    bits, 64 days in a word (:mod:`.day_sets`), W words for days 0…H + 1.

    The lists are empty, whenever a scenario begins, because every day that has one is visited and empties it. The
    demand tables are those of one stratum of one SKU at a time.

    Simulated demand is drawn for B scenarios ahead, and listed day after day: the units of a day, and of which class
    they are; of several (−1 − a row of `split`) where not all are of one. Behind the last comes a day beyond all.
    """

    sku: np.ndarray  # _SKU_STATE [n]
    line: np.ndarray  # _LINE_STATE [lines]
    day: np.ndarray  # _DAY [n, H + 2]: heads of the lists
    node: np.ndarray  # _NODE: arrivals
    batch: np.ndarray  # _BATCH [n, arrivals]
    back: np.ndarray  # f8 [n, max(C, L), H + 2]: units of simulated demand, by the day it comes; then: still waiting
    leave: np.ndarray  # i4 [n, max(C, L), H + 2]: the next in a list of those who leave
    demand: np.ndarray  # _DEMAND: simulated demand of an SKU in a scenario, one after the other
    split: np.ndarray  # f8 [rows, C]: units of each class, where they are of several
    drawn: np.ndarray  # i8 [B × n]: where in `demand` an SKU's begins, scenario by scenario
    room: np.ndarray  # i8 [3]: rows of `drawn` that there is memory for; of `demand` and of `split`, those in use
    day_units: np.ndarray  # f8 [n, H + 2]: units of simulated demand, all scenarios
    waits: np.ndarray  # u8 [n, max(C, L), W]: those whose demand still waits
    review: np.ndarray  # u8 [n, W]: days on which an order may be placed
    visit: np.ndarray  # u8 [n, W]: days to be visited
    dated: np.ndarray  # u8 [n, W]: those of them with a list
    always: np.ndarray  # u8 [n, W]: those visited in every scenario
    due: np.ndarray  # i8 [n]: the next busy day
    at: np.ndarray  # _AT [n, max(C, L)]: where waiting lines begin; whose turn is next
    po: np.ndarray  # _PURCHASE_STATE [purchases]
    stay: np.ndarray  # f8 [max(C, L), H + 2]: below which draw a simulated customer waits for longer, rounded down
    short: np.ndarray  # _SHORT [n, R + 1]: what ran short after the risk day before and by this one, all scenarios
    risk_at: np.ndarray  # i8 [H + 2]: the first risk day on or after each
    order_wait: np.ndarray  # i8 [orders]: lines, not cancelled, that are not ready
    order_share: np.ndarray  # f8 [orders]: of a group in ratio, the share that all its lines have set aside
    sent: np.ndarray  # f8 [lines]: units that left, or are to leave, in ratio with others
    listed: np.ndarray  # i8 [1]: arrivals listed
    claim: np.ndarray  # CLAIM [lines + L × days]: those who share what is there today
    asked: np.ndarray  # f8 [as many]: their claims, for the user's function
    given: np.ndarray  # f8 [as many]: and what it gives
    floor: np.ndarray  # f8 [G]: units that each group may not draw today
    class_key: np.ndarray  # u8 [n, max(C, L)]: of the SKU's draws for a class or kind
    lead_guide: np.ndarray  # i2 [n, GUIDE]: from where to search the law of new orders
    wait_guide: np.ndarray  # i2 [max(C, L), GUIDE]: the same for customers' waits
    first_alike: np.ndarray  # i4 [2 M]: the first scenario in each stratum, of counts, of occurrence
    alike: np.ndarray  # i4 [B]: the next in the same stratum
    came: np.ndarray  # u8 [C, W]: days on which a draw says that there is demand
    bits: np.ndarray  # u8 [C, 64 W]: the draws
    limit: np.ndarray  # u8 [C, 64 W]: from which draw on a day has demand
    rate: np.ndarray  # _RATE [C, H + 2]: a day's size, and P(the last count in its table)
    cum: np.ndarray  # f8 [C, H + 2, COUNTS_TABLED + 1]: cumulative probability of a day's counts


def new_state(p: Problem, start: int, stop: int) -> State:
    """Room for the largest of the components start…stop−1."""
    days, classes = p.horizon + 2, p.class_share.shape[1]
    words = (days + 63) // 64
    lanes = max(classes, p.kind_cum.shape[1])
    first, last = p.component["sku"][start:stop], p.component["sku"][start + 1 : stop + 1]
    n = int((last - first).max())
    lines = int((p.sku["line_to"][last - 1] - p.sku["line_from"][first]).max())
    claims = int(lines + lanes * days if p.rule >= PROPORTIONAL else 1)
    purchases = int((p.sku["po_to"][last - 1] - p.sku["po_from"][first]).max())
    orders = int(np.diff(p.component["order"][start : stop + 1]).max())
    room = AHEAD // (_DEMAND.itemsize * days + (8 * classes * days if classes > 1 else 0))
    batch = scenarios_ahead(room, p.scenarios, last - first)
    rows = int((batch * (last - first)).max())
    stay = np.exp(p.patience[:, :1] - p.patience) * (1.0 - 1e-9)
    day = np.zeros((n, days), _DAY)
    for head in _DAY.names or ():
        day[head] = -1
    return State(
        np.zeros(n, _SKU_STATE),
        np.zeros(lines, _LINE_STATE),
        day,
        np.zeros(2 * purchases + n * days, _NODE),
        np.zeros((n, 2 * purchases + days + 1), _BATCH),
        np.zeros((n, lanes, days)),
        np.zeros((n, lanes, days), np.int32),
        np.zeros(rows * days, _DEMAND),
        np.zeros((rows * days if classes > 1 else 1, classes)),
        np.zeros(rows, np.int64),
        np.array([room, 0, 0]),
        np.zeros((n, days)),
        np.zeros((n, lanes, words), np.uint64),
        np.zeros((n, words), np.uint64),
        np.zeros((n, words), np.uint64),
        np.zeros((n, words), np.uint64),
        np.zeros((n, words), np.uint64),
        np.zeros(n, np.int64),
        np.zeros((n, lanes), _AT),
        np.zeros(purchases, _PURCHASE_STATE),
        stay,
        np.zeros((n, p.risk_days.size + 1), _SHORT),
        np.searchsorted(p.risk_days, np.arange(days)),
        np.zeros(orders, np.int64),
        np.zeros(orders),
        np.zeros(lines),
        np.zeros(1, np.int64),
        np.zeros(claims, CLAIM),
        np.zeros(claims),
        np.zeros(claims),
        np.zeros(max(p.groups, 1)),
        np.zeros((n, lanes), np.uint64),
        np.zeros((n, GUIDE), np.int16),
        _guide(stay),
        np.zeros(2 * p.level_shares.size, np.int32),
        np.zeros(batch.max(), np.int32),
        np.zeros((classes, words), np.uint64),
        np.zeros((classes, 64 * words), np.uint64),
        np.zeros((classes, 64 * words), np.uint64),
        np.zeros((classes, days), _RATE),
        np.zeros((classes, days, COUNTS_TABLED + 1)),
    )


def scenarios_ahead(room: int, scenarios: int, skus: Any) -> Any:
    """For how many scenarios the demand of a component of so many SKUs is drawn at once. It depends on the component
    only, so that sums over scenarios are added up in one order, however many threads there are."""
    return np.minimum(np.maximum(room // skus, 1), scenarios)


def _guide(stay: np.ndarray) -> np.ndarray:
    """For each step of a draw the first day by which not every such draw stays; `stay` [rows, days], falling."""
    steps = np.arange(1, GUIDE + 1) / GUIDE
    return np.stack([np.searchsorted(-row, -steps) for row in stay]).astype(np.int16)


def smallest() -> tuple[Problem, Tally, State]:
    """The smallest problem: the kernel's signature is its type."""

    def one(dtype: Any, axes: int = 1) -> np.ndarray:
        return np.zeros((1,) * axes, dtype)

    problem = Problem(
        one(SKU), one(LINE), one("i8", 2), one("f8", 2), one("u8"), one("f8", 2), one("f8", 2), one("f8", 2),
        one("f8", 2), one("f8"), one("f8", 2), one("f8"), one("f8"), one(LINE_DRAW, 2),
        one("f8"), one(PURCHASE_DRAW, 2), one("f8", 2), one("f8", 2), one(CALENDAR, 2), one("i8", 2), one("i8"),
        one(COMPONENT), one("i8"),
        one("i8"), 0, 0, one("f8", 2), one("f8", 2), one("f8", 2), one("i8"), one(PROTECT), 0, 1, 1, 0, 1, True,
    )  # fmt: skip
    tally = Tally(
        one(LINE_DAY, 2), one("i2", 2), one("i2", 2), one("i8"), one("i8"), one(RISK, 2), one("i8", 2), one("i8", 2),
        one("f4", 4), one("f8", 3),
    )  # fmt: skip
    problem.component.resize(2)
    problem.component["sku"][1] = 1
    return problem, tally, new_state(problem, 0, 1)
