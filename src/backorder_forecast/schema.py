# ruff: noqa: E501 - data: one column a line reads better than wrapped ones
"""Every input and output table, declared as data; `tables` turns the declarations into frames and checks.

Kinds: ``text``, ``date`` (calendar day), ``timestamp``, ``quantity`` (stock units, finite), ``number``,
``money`` (per unit unless said), ``days``, ``int``, ``count`` (whole number that may be missing), ``flag``,
``prob`` (0…1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

Kind = Literal[
    "text", "date", "timestamp", "quantity", "number", "money", "days", "int", "count", "flag", "prob"
]
UNITS: dict[str, str] = {
    "quantity": "stock units", "money": "currency per unit", "days": "days", "prob": "0…1", "date": "day",
    "timestamp": "date or time",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: what it holds, in which unit, and what stands in where it is absent."""

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    default: Any = None
    allowed: tuple[str, ...] = ()
    positive: bool = False  # greater than nothing
    least: float | None = None  # smallest possible value
    later: bool = False  # brought by a later issue; absent until then
    planned: bool = False  # a date that may lie in the future

    @property
    def unit(self) -> str:
        """The unit as text; empty where there is none."""
        return UNITS.get(self.kind, "")


@dataclass(frozen=True)
class Table:
    """One table: its meaning, its key and its columns in order; ``dated`` names the date of its facts."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    dated: str | None = None
    later: bool = False

    def __getitem__(self, name: str) -> Column:
        return self.by_name[name]

    @property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns without which the table cannot be used."""
        return tuple(column.name for column in self.columns if column.required)


_text = partial(Column, kind="text")


def _id(name: str, meaning: str, required: bool = True) -> Column:
    return Column(name, "text", meaning, required)


def _place(meaning: str = "Where; one company with one place may leave it out.") -> Column:
    return Column("location_id", "text", meaning, default="main")


_EVERYWHERE = Column("location_id", "text", "Where; empty: everywhere.")
_KNOWN = Column("known_at", "timestamp", "When the fact became known; empty: on its own date.")


def _qty(meaning: str, **more: Any) -> Column:
    return Column("qty", "quantity", meaning, required=True, **{"positive": True, **more})


def _when(name: str, meaning: str, required: bool = True) -> Column:
    return Column(name, "timestamp", meaning, required)


def _due(name: str, meaning: str, required: bool = False) -> Column:
    return Column(name, "date", meaning, required, planned=True)


def _input(
    name: str, meaning: str, key: tuple[str, ...], *columns: Column, dated: str | None = None
) -> tuple[str, Table]:
    return name, Table(name, meaning, key, (*columns, _KNOWN), dated)


_UNMET = ("backorder", "lost", "mixed")
_MEASURES = ("cycle", "fill", "wait")

INPUT: dict[str, Table] = dict([
    _input(
        "items", "What is sold.", ("item_id", "known_at"),
        _id("item_id", "The item."),
        Column("description", "text", "Its name."),
        Column("category", "text", "Group of like items; forecasts of new items lean on it."),
        Column("supplier_id", "text", "Who usually supplies it."),
        Column("unit_cost", "money", "What a unit costs us.", least=0),
        Column("unit_price", "money", "What a unit sells for.", least=0),
        Column("introduced_date", "date", "First day on sale.", planned=True),
        Column("discontinued_date", "date", "From this day on it is no longer reordered.", planned=True),
        Column("unmet_demand", "text", "What happens to demand that meets no stock.", allowed=_UNMET),
        Column("backorder_share", "prob", "Share of unmet demand that waits, where it is mixed."),
        Column("shelf_life_days", "days", "How long a unit keeps.", positive=True),
    ),
    _input(
        "policies", "How an item is reordered, from the day it was stated.",
        ("item_id", "location_id", "stated_at"),
        _id("item_id", "The item."), _place(), _when("stated_at", "From when it holds."),
        Column("policy", "text", "Kind: fixed quantity, order up to, or base stock.",
               allowed=("rQ", "sS", "base_stock")),
        Column("reorder_point", "quantity", "Order when the position is at or below it."),
        Column("order_qty", "quantity", "How much (rQ).", positive=True),
        Column("order_up_to", "quantity", "Up to where (sS, base_stock)."),
        Column("review_days", "days", "Days between looks.", default=1.0, positive=True),
        Column("pack_size", "quantity", "Orders are multiples of it.", default=1.0, positive=True),
        Column("min_order_qty", "quantity", "Smallest order.", default=0.0, least=0),
        Column("max_stock", "quantity", "Never beyond.", least=0),
        Column("planned_lead_time_days", "days", "Lead time that the plan assumes.", least=0),
        Column("supplier_id", "text", "From whom; empty: the item's own."),
        Column("service_measure", "text", "What the target measures.", allowed=_MEASURES),
        Column("service_target", "prob", "The target."),
        Column("holding_rate", "number", "Holding cost per year as a share of value.", least=0),
        Column("backorder_cost", "money", "Cost of a backordered unit and day.", least=0),
        dated="stated_at",
    ),
    _input(
        "order_lines", "What customers ordered.", ("line_id",),
        _id("order_id", "The order."), _id("line_id", "The line; unique over all orders."),
        _id("item_id", "The item."), _when("ordered_at", "When it was ordered."), _qty("Quantity ordered."),
        _place("From where it is served."),
        Column("customer_id", "text", "Who ordered."),
        Column("priority", "int", "Smaller is served first.", default=0),
        Column("sequence", "number", "Place in the queue among lines of the same moment."),
        _due("requested_date", "Day the customer asked for."),
        _due("promised_date", "First date stated to the customer (or the latest: `promised_date_is`)."),
        Column("ship_complete", "flag", "The whole order leaves on one day.", default=False),
        Column("allow_partial", "flag", "The line may leave in pieces.", default=True),
        Column("min_ship_qty", "quantity", "Smallest piece that may be sent or left over.", least=0),
        Column("max_wait_days", "days", "Days after the wanted day that the customer waits, and no longer.", least=0),
        Column("group_id", "text", "Lines that belong together, of one order or of several."),
        Column("group_rule", "text", "How they do: `independent`, `together` (all leave on one day), or `in ratio` "
               "(at any time the same share of each has left)."),
        Column("unit_price", "money", "What a unit brings."),
        Column("channel", "text", "Where it was sold."),
        _when("paid_at", "When it was paid.", required=False),
        dated="ordered_at",
    ),
    _input(
        "line_changes", "What was changed on a line after it was ordered.", (),
        _id("line_id", "The line."), _when("changed_at", "When."),
        Column("field", "text", "Which column of `order_lines`.", required=True),
        Column("value", "text", "Its new value.", required=True),
        Column("old_value", "text", "Its value before; empty: the line's present one is taken for its first."),
        dated="changed_at",
    ),
    _input(
        "shipments", "What left for a customer.", (),
        _id("line_id", "The line."), _when("shipped_at", "When it left."), _qty("How much."),
        _when("delivered_at", "When it arrived.", required=False), dated="shipped_at",
    ),
    _input(
        "cancellations", "What will not be shipped any more.", (),
        _id("line_id", "The line."), _when("cancelled_at", "When."), _qty("How much."),
        Column("cancelled_by", "text", "By whom.", allowed=("customer", "retailer")),
        Column("reason", "text", "Why."), dated="cancelled_at",
    ),
    _input(
        "stock", "What lay there at the end of a day.", ("item_id", "location_id", "date"),
        _id("item_id", "The item."), _place(),
        Column("date", "date", "At the end of this day.", required=True),
        Column("on_hand", "quantity", "Physical units, allocated ones included (or: `stock_basis`); may be empty "
               "where `in_stock` is given.", required=True),
        Column("blocked_qty", "quantity", "Units that cannot be sold, apart from `on_hand`.", default=0.0, least=0),
        Column("in_stock", "flag", "Whether there was any, where the quantity is not known."),
        dated="date",
    ),
    _input(
        "stock_movements", "Stock that came or went without order or purchase.", (),
        _id("item_id", "The item."), _when("moved_at", "When."),
        _qty("How much; negative: it went.", positive=False), _place(),
        Column("kind", "text", "Why.", default="other", allowed=("count", "scrap", "return", "other")),
        dated="moved_at",
    ),
    _input(
        "purchase_lines", "What was ordered from suppliers.", ("po_line_id",),
        _id("po_line_id", "The line; unique over all purchases."), _id("item_id", "The item."),
        _when("ordered_at", "When it was ordered."), _qty("Quantity ordered."),
        Column("po_id", "text", "The purchase."), _place("Where it will be received."),
        Column("supplier_id", "text", "From whom."),
        _when("confirmed_at", "When the supplier confirmed.", required=False),
        _due("promised_date", "First date stated by the supplier (or the latest: `promised_date_is`)."),
        Column("unit_cost", "money", "What a unit costs.", least=0), dated="ordered_at",
    ),
    _input(
        "receipts", "What came from suppliers.", (),
        _id("po_line_id", "The purchase line."), _when("received_at", "When."), _qty("How much."),
        dated="received_at",
    ),
    _input(
        "purchase_cancellations", "What a supplier will not deliver any more (also a line closed short).", (),
        _id("po_line_id", "The purchase line."), _when("cancelled_at", "When."), _qty("How much."),
        dated="cancelled_at",
    ),
    _input(
        "line_promises", "What a customer was really told, each time.", (),
        _id("line_id", "The line."), _when("stated_at", "When."),
        _due("promised_date", "The date that was told.", required=True), dated="stated_at",
    ),
    _input(
        "purchase_promises", "What a supplier really said, each time.", (),
        _id("po_line_id", "The purchase line."), _when("stated_at", "When."),
        _due("promised_date", "The date that was told.", required=True), dated="stated_at",
    ),
    _input(
        "line_messages", "What was sent to a customer about a line.", (),
        _id("line_id", "The line."), _when("sent_at", "When."),
        Column("kind", "text", "What kind of message.", required=True),
        _due("promised_date", "The date in it."),
        Column("response", "text", "What came back.", allowed=("agreed", "refused", "none")),
        _when("responded_at", "When it came back.", required=False), dated="sent_at",
    ),
    _input(
        "transfers", "Goods on the way between our own places: supply of the place that receives them.",
        ("transfer_id",),
        _id("transfer_id", "The transfer."), _id("item_id", "The item."), _id("from_location_id", "From where."),
        Column("location_id", "text", "To where.", required=True),
        _when("shipped_at", "When it left."), _qty("How much."),
        _when("received_at", "When it arrived.", required=False),
        _due("promised_date", "When it is due."), dated="shipped_at",
    ),
    _input(
        "customers", "Who orders.", ("customer_id",),
        _id("customer_id", "The customer."), Column("customer_class", "text", "Group."),
        Column("country", "text", "Country."), Column("is_consumer", "flag", "Whether a private person."),
        Column("language", "text", "Language of messages."),
    ),
    _input(
        "suppliers", "Who supplies: a vendor, a plant or another warehouse.", ("supplier_id",),
        _id("supplier_id", "The supplier."), Column("name", "text", "Name."),
        Column("category", "text", "Group of like suppliers."),
        Column("min_order_value", "number", "Smallest order, in currency.", least=0),
        Column("order_weekdays", "text", "Days on which it takes orders, e.g. 'mon,thu'; empty: all."),
    ),
    _input(
        "protected_stock", "Stock that only a class of customers may draw.", (),
        _id("item_id", "The item."), Column("customer_class", "text", "For whom.", required=True),
        _qty("How much.", positive=False, least=0), _place(),
        Column("from_date", "date", "From.", planned=True), Column("until_date", "date", "Until.", planned=True),
    ),
    _input(
        "substitutes", "What may be sent instead.", (),
        _id("item_id", "The item."), _id("substitute_item_id", "What replaces it."),
        Column("ratio", "number", "Units of it for one unit.", default=1.0, positive=True),
        Column("rank", "number", "Smaller is preferred."),
    ),
    _input(
        "calendar", "Working days and events.", (),
        Column("date", "date", "The day.", required=True, planned=True), _EVERYWHERE,
        Column("supplier_id", "text", "Whose day; empty: ours. Days on which a supplier is shut lengthen what is open "
               "with it."),
        Column("working", "flag", "Whether work is done; empty: not said."), Column("event", "text", "Its name."),
    ),
    _input(
        "drivers", "What moves demand.", ("item_id", "location_id", "date", "known_at"),
        _id("item_id", "The item."), Column("date", "date", "The day.", required=True, planned=True), _EVERYWHERE,
        Column("price", "money", "Price of the day.", least=0), Column("promotion", "flag", "Whether promoted."),
    ),
    _input(
        "overrides", "What a person says instead; the latest statement wins.", (),
        Column("entity", "text", "What it is about.", required=True,
               allowed=("item", "line", "purchase_line", "supplier")),
        _id("entity_id", "Which one."),
        Column("field", "text", "Which column; of an item also `demand_factor` and `demand_per_day`.", required=True),
        Column("value", "text", "Its value.", required=True), Column("author", "text", "Who says so.", required=True),
        _when("stated_at", "When."), _EVERYWHERE,
        Column("from_date", "date", "From.", planned=True), Column("until_date", "date", "Until.", planned=True),
        Column("reason", "text", "Why."), dated="stated_at",
    ),
])  # fmt: skip


def _output(name: str, meaning: str, key: tuple[str, ...], *columns: Column, later: bool = False) -> tuple[str, Table]:
    return name, Table(name, meaning, key, columns, later=later)


def _out(name: str, kind: Kind, meaning: str, **more: Any) -> Column:
    return Column(name, kind, meaning, **{"required": True, **more})


_SKU = (_id("item_id", "The item."), _id("location_id", "Where."))
_STATES = ("ready", "due", "overdue", "planned", "none", "unknown")
_WAITS_FOR = (
    _out("unplaced_prob", "prob", "Chance that it waits for supply that nobody has ordered yet."),
    _out("supply_state", "text", "Of what it most probably waits for.", allowed=_STATES),
    _out("pegged_po_line_id", "text", "Open purchase line that it most probably waits for."),
    _out("pegged_prob", "prob", "How probably."),
)
_PROMISE_STATES = ("kept_likely", "at_risk", "late", "none")
_STATUS = ("unknown", "stale", "no_supply", "late", "ready", "at_risk", "on_time", "waiting")
_REASONS = ("supplier", "queue", "quantity", "allocation_rule", "no_supply")


def _dates(what: str) -> tuple[Column, ...]:
    return tuple(
        _out(f"p{level}_date", "date", f"With {level} % chance {what} by the end of this day; empty: beyond the horizon.")
        for level in (10, 50, 90)
    )


OUTPUT: dict[str, Table] = dict([
    _output(
        "demand_forecast", "What may be ordered in each period.", ("item_id", "location_id", "date"),
        *_SKU, _out("date", "date", "First day of the period."),
        _out("days", "int", "Length of the period.", positive=True),
        _out("mean", "quantity", "Expected quantity.", least=0),
        *(_out(f"p{q:02d}", "quantity", f"Demand is at most this with {q} % chance.", least=0)
          for q in (5, 10, 25, 50, 75, 90, 95, 99)),
        _out("statistical_mean", "quantity", "Expected quantity without what planners state of it.", least=0),
        _out("model", "text", "The mixture that made it, the heaviest model first."),
    ),
    _output(
        "lead_times", "How long a new order takes.", ("supplier_id", "item_id"),
        _id("supplier_id", "From whom; of transfers: the place they leave."), _id("item_id", "The item."),
        _out("n_received", "int", "Purchases received.", least=0), _out("n_open", "int", "Purchases open.", least=0),
        _out("mean_days", "days", "Mean, within the longest duration told apart.", least=0),
        *(_out(f"p{q}_days", "days", f"At most this with {q} % chance.", least=0) for q in (10, 50, 90)),
        _out("p90_over_p50", "number", "p90 over p50: how much longer the slow ones take.", least=1),
        _out("stuck_prob", "prob", "Chance that nothing comes within the longest duration told apart: stuck or cancelled."),
        _out("on_time_rate", "prob", "Of purchases whose first stated date has come, the share that had come by it; "
             "open ones are late."),
        _out("bias_days", "days", "Mean of received less that date, of the same; open ones as if they came tomorrow."),
    ),
    _output(
        "supplier_scorecard", "How each supplier has delivered, purchases still open counted as what they are.",
        ("supplier_id",),
        _id("supplier_id", "From whom."),
        _out("n_received", "int", "Purchase lines of which anything has come.", least=0),
        _out("n_open", "int", "Purchase lines still open.", least=0),
        _out("n_overdue", "int", "Of them those whose date in force has passed.", least=0),
        _out("n_due", "int", "Purchase lines whose first stated date has come: those that can be judged by it.", least=0),
        _out("on_time_rate", "prob", "Share of them that had come by it, complete; open ones are late."),
        _out("on_time_low", "prob", "Lower end of its 95 % band."), _out("on_time_high", "prob", "Upper end."),
        _out("bias_days", "days", "Mean of received less first stated date, of the same; open ones as if they came tomorrow."),
        *(column for q, share in ((50, "half"), (90, "nine in ten")) for column in (
            _out(f"p{q}_days", "days", f"Days until {share} were complete, open ones censored; empty: not seen yet.", least=0),
            _out(f"p{q}_low_days", "days", "Lower end of its 95 % band.", least=0),
            _out(f"p{q}_high_days", "days", "Upper end; empty: not to be bounded by what was seen.", least=0),
        )),
    ),
    _output(
        "purchase_eta", "When what is open will come.", ("po_line_id",),
        _id("po_line_id", "The purchase line, or the transfer."), *_SKU,
        _out("supplier_id", "text", "From whom; of a transfer: the place it left."),
        _out("open_qty", "quantity", "Still to come.", positive=True), _out("ordered_at", "timestamp", "When ordered."),
        _out("promised_date", "date", "Date in force."), _out("age_days", "days", "Since it was ordered.", least=0),
        _out("overdue_days", "days", "Since the date in force; 0: not overdue; empty: none stated.", least=0),
        _out("first_p50_date", "date", "First units come by this day with 50 % chance."),
        *_dates("the last open unit has come"),
        _out("receive_prob", "prob", "Chance that it comes within the horizon."),
        _out("late_prob", "prob", "Chance that it comes after the date in force."),
        _out("expedite_line_days", "number", "Backordered line-days of waiting lines saved if it came sooner, by the first "
             "of `queue.expedite_days`; empty: not simulated.", required=False, least=0),
    ),
    _output(
        "expedite", "What each open purchase would save if it came sooner, on the same scenarios; see docs/queue.md.",
        ("po_line_id", "sooner_days"),
        _id("po_line_id", "The purchase line."), *_SKU, _out("supplier_id", "text", "From whom."),
        _out("open_qty", "quantity", "Still to come.", positive=True),
        _out("sooner_days", "int", "Days sooner, tomorrow at the earliest.", positive=True),
        *(column for name, what in (
            ("line_days", "Days that open lines wait, until they leave or their customers do, less"),
            ("late_lines", "Promises in force kept that would be missed"),
            ("value_days", "The same days, each times the value (price times open units) of its line, in currency × days"),
            ("late_value", "Value of the lines whose promises are kept that would be missed, in currency"),
          ) for column in (
            _out(f"{name}_saved", "number", f"{what}; mean of the scenarios."),
            _out(f"{name}_error", "number", "Its standard error.", least=0),
          )),
        _out("basis", "text", "Whether curves of need and supply say all there is; whether its component was simulated "
             "again; or whether curves say it only about (demand served before, planned orders, lines that leave together).",
             allowed=("curves", "simulated", "approximate")),
    ),
    _output(
        "line_eta", "When each waiting line leaves, if its customer goes on waiting.", ("line_id",),
        _id("line_id", "The line."), _id("order_id", "The order."), _out("customer_id", "text", "Who ordered."), *_SKU,
        _out("open_qty", "quantity", "Ordered less shipped less cancelled.", positive=True),
        _out("ready_qty", "quantity", "Of it reserved from stock today.", least=0),
        _out("queue_position", "count", "Place in the queue of its item and location, from 1.", least=1),
        _out("is_backordered", "flag", "Wanted by now and not shipped."),
        _out("backordered_since", "date", "Since when."), *_dates("its last open unit leaves"),
        _out("next_p50_date", "date", "Its next piece leaves by this day with 50 % chance."),
        _out("ready_p50_date", "date", "It is complete by this day with 50 % chance, whatever its order waits for."),
        _out("ship_prob", "prob", "Chance that it leaves within the horizon."),
        _out("cancel_prob", "prob", "Chance that it is cancelled before it ships."),
        _out("unplaced_prob", "prob", "Chance that it waits for supply that nobody has ordered yet."),
        _out("promised_date", "date", "Date in force."), _out("first_promised_date", "date", "First date stated."),
        _out("on_time_prob", "prob", "Chance that it leaves by the date in force; empty: none."),
        _out("supply_state", "text", "Of what it most probably waits for.", allowed=_STATES),
        _out("promise_state", "text", "Whether the date in force will be kept.", allowed=_PROMISE_STATES),
        _out("status", "text", "For reading: the first that holds.", allowed=_STATUS),
        _out("late_reason", "text", "Why it, or the line of its order that it waits for, is late (the largest share, see "
             "docs/queue.md); empty: it is hardly late, or not simulated.", allowed=_REASONS, required=False),
        _out("pegged_po_line_id", "text", "Open purchase line that it most probably waits for."),
        _out("pegged_prob", "prob", "How probably."),
        _out("date_basis", "text", "Whether its dates are counted over scenarios or the exact law; empty: no dates.",
             allowed=("scenarios", "exact")),
        _out("suggested_promise_date", "date", "Date to state.", required=False, later=True),
    ),
    _output(
        "substitute_offers", "What may be sent instead of late lines, if their customers took it; see docs/queue.md. Where "
        "there is a table `substitutes`.",
        ("line_id", "substitute_item_id"),
        _id("line_id", "The line: backordered and not in stock, or more likely to miss its date than not."),
        _id("order_id", "The order."), _out("customer_id", "text", "Who ordered."), *_SKU,
        _out("open_qty", "quantity", "Still open.", positive=True), _id("substitute_item_id", "What may be sent instead."),
        _out("rank", "number", "As stated; smaller is preferred."), _out("ratio", "number", "Units of it for one unit."),
        _out("qty", "quantity", "Of it for all that is open.", positive=True),
        *_dates("all of it leaves, ordered now in place of the line, with what the line must leave with"),
        _out("ship_prob", "prob", "Chance that it leaves within the horizon."),
        _out("on_time_prob", "prob", "Chance that it leaves by the date in force of the line; empty: none."),
        *_WAITS_FOR,
        _out("days_sooner", "days", "Days sooner than the line, scenario by scenario; beyond the horizon counts as one day "
             "more."),
        _out("days_sooner_error", "days", "Its standard error.", least=0),
        _out("others_later", "number", "Other waiting lines that leave later for it; mean of the scenarios.", least=0),
        *(column for which in ("later", "sooner") for column in (
            _out(f"others_{which}_days", "days", f"Days {which} of other waiting lines, of both items and what leaves with "
                 "them, all together.", least=0),
            _out(f"others_{which}_days_error", "days", "Its standard error.", least=0),
        )),
        _out("is_best", "flag", "The first of the line's, by rank and then date, that leaves sooner by more than two "
             "standard errors."),
    ),
    _output(
        "order_eta", "When the whole open rest of an order has left.", ("order_id",),
        _id("order_id", "The order."), _out("lines", "int", "Open lines.", least=1),
        _out("open_qty", "quantity", "Open units of all lines.", positive=True), *_dates("its last line leaves"),
        _out("ship_prob", "prob", "Chance that all leaves within the horizon."),
        _out("on_time_prob", "prob", "Chance that every line with a date keeps it; empty: none has one."),
        _out("supply_state", "text", "Of the line that most probably leaves last.", allowed=_STATES),
        _out("promise_state", "text", "Whether the dates in force will be kept.", allowed=_PROMISE_STATES),
        _out("status", "text", "For reading: the first that holds.", allowed=_STATUS),
    ),
    _output(
        "changes", "What changed since an earlier run, and why; see docs/queue.md. In a run with `--previous`.", ("line_id",),
        _id("line_id", "The line, open in one of the two runs or both."), _id("order_id", "The order."), *_SKU,
        _out("change", "text", "What became of it.", allowed=("new", "shipped", "cancelled", "later", "sooner")),
        _out("earlier_p50_date", "date", "p50 then; empty: beyond the horizon, or not open."),
        _out("p50_date", "date", "p50 now; empty: beyond the horizon, or gone."),
        _out("days_moved", "days", "Now less then; empty: one of them is."),
        _out("because", "text", "What moved it most in that direction; `other`: lead times learned anew, demand, customers "
             "who left, or chance.", allowed=("receipt", "purchase", "stock", "new_lines", "cancellation", "rule", "other")),
        _out("because_days", "days", "By so many days, all else being as it is now."),
        *(_out(f"{name}_days", "days", f"Days later for {what}, all else being as it is now; empty: not simulated now.")
          for name, what in (("receipt", "what was received"), ("purchase", "purchases that slipped, were placed or cancelled"),
                             ("stock", "stock counted, moved or returned"), ("new_lines", "lines ordered since"),
                             ("cancellation", "lines cancelled since"), ("rule", "another rule"))),
        _out("detail", "text", "The reason in words, where it has a name."),
    ),
    _output(
        "promise", "Dates of orders not placed yet, or of lines changed; of `Run.promise`, not kept in the run folder.", (),
        *_SKU, _out("qty", "quantity", "Asked for.", positive=True), _out("priority", "int", "Of the line."),
        _out("date", "date", "Not before this day; empty: as soon as possible."),
        _out("line_id", "text", "The line that is changed; empty: an order not placed yet."),
        *_dates("its last unit leaves"), _out("ship_prob", "prob", "Chance that it leaves within the horizon."),
        *_WAITS_FOR,
    ),
    _output(
        "what_if", "What changes bring, on the same scenarios; of `Run.what_if`, not kept in the run folder.",
        ("variant", "metric"),
        _id("variant", "Which change; `as it is`: none."), _id("metric", "What is measured, see docs/queue.md."),
        _out("value", "number", "Mean of the scenarios."), _out("standard_error", "number", "Its standard error.", least=0),
        _out("difference", "number", "Value less that of `as it is`, scenario by scenario."),
        _out("difference_error", "number", "Standard error of the difference.", least=0),
    ),
    _output(
        "what_if_lines", "Waiting lines whose dates a change moves; of `Run.what_if`, not kept in the run folder.",
        ("variant", "line_id"),
        _id("variant", "Which change."), _id("line_id", "The line."), _id("order_id", "The order."),
        _out("customer_id", "text", "Who ordered."), *_SKU, _out("open_qty", "quantity", "Still open.", positive=True),
        *(column for prefix, when in (("", "as it is"), ("new_", "with the change")) for column in (
            *(_out(f"{prefix}p{q}_date", "date", f"With {q} % chance it leaves by the end of this day, {when}; empty: beyond "
                   "the horizon.") for q in (50, 90)),
            _out(f"{prefix}on_time_prob", "prob", f"Chance that it leaves by the date in force, {when}; empty: none."),
        )),
        _out("days_sooner", "days", "Days that it leaves sooner; beyond the horizon counts as one day more."),
        _out("days_sooner_error", "days", "Its standard error.", least=0),
    ),
    _output(
        "backorder_risk", "What may run out, with open purchases only and with planned ones.",
        ("item_id", "location_id", "horizon_days", "supply_basis"),
        *_SKU, _out("horizon_days", "int", "Days looked ahead.", positive=True),
        _out("supply_basis", "text", "Which supply counts.", allowed=("open_only", "with_planned")),
        _out("backorder_prob", "prob", "Chance that a unit newly wanted within the horizon becomes backordered."),
        _out("expected_backorder_qty", "quantity", "Expected units of it.", least=0),
        _out("expected_fill_rate", "prob", "Expected share of newly wanted units that need not wait."),
        _out("preventable_prob", "prob", "Part of the chance that an order placed today could still prevent."),
        _out("first_backorder_p50_date", "date", "By when with 50 % chance; empty: less likely within the horizon."),
        _out("expected_backorder_value", "number", "Expected units times price, in currency.", least=0),
        _out("on_hand", "quantity", "Physical stock; empty: unknown."), _out("on_order", "quantity", "To come.", least=0),
        _out("backordered_now", "quantity", "Backordered already.", least=0),
    ),
    _output(
        "reorder_points", "What to reorder, and what the present setting delivers.", ("item_id", "location_id"),
        *_SKU, _out("policy", "text", "Kind.", allowed=("rQ", "sS", "base_stock")),
        _out("reorder_point", "quantity", "Suggested."), _out("order_qty", "quantity", "Suggested.", least=0),
        _out("order_up_to", "quantity", "Suggested."),
        _out("safety_stock", "quantity", "Reorder point less mean demand over the lead time."),
        _out("lead_time_demand_mean", "quantity", "Mean demand over lead time and review.", least=0),
        _out("lead_time_demand_sd", "quantity", "Its standard deviation.", least=0),
        _out("service_measure", "text", "What the target measures.", allowed=_MEASURES),
        _out("service_target", "prob", "The target."), _out("expected_service", "prob", "By calculation."),
        _out("expected_stock", "quantity", "Mean stock, by calculation.", least=0),
        _out("simulated_service", "prob", "Of the policy in force, over the simulated days; empty: not simulated."),
        *(_out(f"current_{name}", "quantity", "Of the present policy; empty: none stated.")
          for name in ("reorder_point", "order_qty", "order_up_to")),
        _out("current_expected_service", "prob", "What the present policy delivers."),
        _out("current_expected_stock", "quantity", "Mean stock of the present policy.", least=0),
        _out("stock_value_change", "number", "Expected change of stock value, in currency."),
        _out("reason", "text", "In words."), _out("suggested_order_qty", "quantity", "To order now.", least=0),
    ),
    _output(
        "rule_comparison", "What other allocation rules would do to the lines that wait, on the same futures.",
        ("rule", "metric"),
        _id("rule", "The rule; the first is the run's own."),
        _id("metric", "`days` until a line leaves, the mean over waiting lines, each if it goes on waiting; "
            "`days_by_value`, weighted by price × open quantity; `days_of_slowest`, of a scenario's slowest tenth; "
            "`within_7`, `within_28`, share that has left; `on_time`, share of promises not missed yet that are kept."),
        _out("value", "number", "Mean over scenarios."), _out("standard_error", "number", "Over scenarios."),
        _out("difference", "number", "Less that of the run's own rule, scenario by scenario."),
        _out("difference_error", "number", "Its standard error."),
    ),
    *(
        _output(name, "Brought by a later version.", ("line_id",), _id("line_id", "The line."), later=True)
        for name in ("notices", "promises_to_state", "messages")
    ),
    _output(
        "scorecard", "How right past runs were.", ("stage", "metric", "segment"),
        _id("stage", "Which part."), _id("metric", "What was measured."), _id("segment", "On what."),
        _out("value", "number", "The measure."), _out("standard_error", "number", "Of the measure."),
        _out("n", "int", "Number of cases.", least=0), _out("baseline", "text", "What it is compared with."),
        _out("baseline_value", "number", "The measure of that."),
    ),
    _output(
        "rejected_rows", "Rows that could not be used.", (),
        _id("table", "Which table."), _out("row", "int", "Position in the source, from 1.", least=0),
        _out("column", "text", "Which column."), _id("check", "What was asked of it."),
        _out("value", "text", "What was found."), _out("reason", "text", "In words, with the remedy."),
        _out("source", "text", "File, query or frame from which it came.", required=False),
    ),
    _output(
        "cleaning_log", "Every repair that was made.", (),
        _id("table", "Which table."), _out("column", "text", "Which column."), _id("repair", "What was done."),
        _out("rows", "int", "On how many rows.", least=1), _out("example", "text", "One of them."),
    ),
])  # fmt: skip
