"""What the report calls things: headings, their meaning, and sentences for a planner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .tabulate import Shown

_ITEM = (Shown("item_id", "Item", "id"), Shown("description", "Description", "long", optional=True))
_SKU = (*_ITEM, Shown("location_id", "Location", "id"))
_P50 = "As likely before as after this day."
_P90 = "Nine chances in ten of being there by this day; empty: beyond the horizon."

LINES = (
    Shown("line_id", "Line", "id"),
    Shown("order_id", "Order", "id"),
    Shown("customer_id", "Customer", "id", optional=True),
    *_SKU,
    Shown("open_qty", "Open", "qty", "Ordered, not shipped, not cancelled."),
    Shown("value", "Value", "money", "Open quantity at its selling price.", optional=True),
    Shown("status", "Status", "badge"),
    Shown("promised_date", "Promised", "date", "The date now in force.", optional=True),
    Shown("on_time_prob", "Chance kept", "percent", "Chance of keeping the promise.", optional=True),
    Shown("p50_date", "Ships p50", "date", _P50),
    Shown("p90_date", "Ships p90", "date", _P90),
    Shown("waits", "Waits for"),
    Shown("do", "What to do", "long"),
)
CHANGES = (
    Shown("line_id", "Line", "id"),
    Shown("order_id", "Order", "id"),
    Shown("item_id", "Item", "id"),
    Shown("location_id", "Location", "id"),
    Shown("earlier_p50_date", "p50 then", "date", "As likely before as after this day, as was said then."),
    Shown("p50_date", "p50 now", "date", _P50),
    Shown("days_moved", "Days later", "days", "Less than nothing: sooner. Empty: beyond the horizon, then or now."),
    Shown("because", "Because of"),
    Shown("because_days", "Days by it", "days", "Days that this alone makes it later."),
    Shown("detail", "Detail", "long", optional=True),
)
OFFERS = (
    Shown("line_id", "Line", "id"),
    Shown("customer_id", "Customer", "id", optional=True),
    *_SKU,
    Shown("open_qty", "Open", "qty", "Ordered, not shipped, not cancelled."),
    Shown("own_p50_date", "Ships p50", "date", "Of the line as it is: as likely before as after this day."),
    Shown("substitute_item_id", "Instead", "id", "What may be sent instead."),
    Shown("qty", "Units", "qty", "Of it for all that is open."),
    Shown("p50_date", "Instead p50", "date", _P50),
    Shown("p90_date", "Instead p90", "date", _P90),
    Shown("days_sooner", "Days sooner", "days", "On average, scenario by scenario."),
    Shown("days_sooner_error", "± days", "days", "Standard error of the days sooner."),
    Shown("others_later_days", "Others later", "days", "Days that other waiting lines leave later for it, in all."),
    Shown("others_sooner_days", "Others sooner", "days", "Days that other waiting lines leave sooner by it, in all."),
)
COUNTS = (
    *_SKU,
    Shown("lines", "Lines", "count", "Open order lines of the item."),
    Shown("open_qty", "Open", "qty", "Units ordered, not shipped, not cancelled."),
    Shown("value", "Value", "money", "Those units at their selling price.", optional=True),
    Shown("missed", "Promises missed", "count", "Lines whose promised day has passed."),
    Shown("since", "Waiting since", "date", "The first day on which a unit could not leave.", optional=True),
)
PURCHASES = (
    Shown("po_line_id", "Purchase", "id"),
    Shown("supplier_id", "Supplier", "id", optional=True),
    *_SKU,
    Shown("open_qty", "Open", "qty", "Ordered, not received, not cancelled."),
    Shown("ordered_at", "Ordered", "date"),
    Shown("promised_date", "Promised", "date", optional=True),
    Shown("overdue_days", "Overdue", "days", "Days past the stated date.", optional=True),
    Shown("p10_date", "Comes p10", "date", "One chance in ten of being here by this day."),
    Shown("p50_date", "Comes p50", "date", _P50),
    Shown("p90_date", "Comes p90", "date", _P90),
    Shown("receive_prob", "Comes at all", "percent", "Chance that the rest comes within the horizon."),
    Shown("late_prob", "Late", "percent", "Chance of coming after the stated date.", optional=True),
    Shown(
        "expedite_line_days",
        "Line-days saved",
        "qty",
        "Backordered line-days saved if expedited.",
        optional=True,
    ),
)
NOT_OVERDUE = tuple(one for one in PURCHASES if one.name != "overdue_days")
ORDERS = (
    *_SKU,
    Shown("suggested_order_qty", "Order now", "qty"),
    Shown("prob", "Runs short", "percent", "Chance within the horizon, nothing ordered.", optional=True),
    Shown("policy", "Policy", "id"),
    Shown("reorder_point", "Reorder point", "qty", "Order when stock plus what is on order falls to it."),
    Shown("order_qty", "Quantity", "qty", optional=True),
    Shown("order_up_to", "Up to", "qty", optional=True),
    Shown("safety_stock", "Safety stock", "qty"),
    Shown("lead_time_demand_mean", "Lead-time demand", "qty", "Mean over the lead time and review."),
    Shown("expected_service", "Service", "percent", "By calculation."),
    Shown("simulated_service", "Simulated now", "percent", "Of the present setting, by simulation.", optional=True),
    Shown("reason", "Why", "long", optional=True),
)
POLICIES = (
    *_SKU,
    Shown("service_measure", "Measure", "id"),
    Shown("service_target", "Target", "percent"),
    Shown("current_expected_service", "Present service", "percent", "What the present setting delivers."),
    Shown("expected_service", "Suggested service", "percent"),
    Shown("current_reorder_point", "Present point", "qty"),
    Shown("reorder_point", "Suggested point", "qty"),
    Shown("current_order_qty", "Present quantity", "qty", optional=True),
    Shown("order_qty", "Suggested quantity", "qty", optional=True),
    Shown("current_order_up_to", "Present up to", "qty", optional=True),
    Shown("order_up_to", "Suggested up to", "qty", optional=True),
    Shown("stock_value_change", "Stock value", "money", "Expected change of stock value.", optional=True),
    Shown("reason", "Why", "long", optional=True),
)
LEAD_TIMES = (
    Shown("supplier_id", "Supplier", "id", optional=True),
    *_ITEM,
    Shown("n_received", "Received", "count", "Purchase lines received."),
    Shown("n_open", "Open", "count", "Purchase lines still open: they count as at least this old."),
    Shown("mean_days", "Mean", "days"),
    Shown("p10_days", "p10", "days"),
    Shown("p50_days", "p50", "days"),
    Shown("p90_days", "p90", "days"),
    Shown("p90_over_p50", "p90 / p50", "qty", "How much longer the slow ones take.", optional=True),
    Shown("stuck_prob", "Stuck", "percent", "Chance that nothing comes within the longest duration told apart."),
    Shown("on_time_rate", "On time", "percent", "By the first stated date; open ones past it are late.", optional=True),
    Shown("bias_days", "Late by", "days", "Mean days received after the stated date.", optional=True),
)
SUPPLIERS = (
    Shown("supplier_id", "Supplier", "id"),
    Shown("n_received", "Received", "count", "Purchase lines of which anything has come."),
    Shown("n_open", "Open", "count", "Purchase lines still open."),
    Shown("n_overdue", "Overdue", "count", "Open lines whose date in force has passed."),
    Shown("n_due", "Judged", "count", "Lines whose first stated date has come.", optional=True),
    Shown("on_time_rate", "On time", "percent", "Of them: complete by that date; open ones are late.", optional=True),
    Shown("on_time_band", "95 % band", "text", "Of the share, as far as so many lines can tell.", optional=True),
    Shown("bias_days", "Late by", "days", "Mean days after the first stated date; open ones as if they came tomorrow.",
          optional=True),
    Shown("p50_days", "Half within", "days", "Days until half of the lines were complete, open ones counted as open."),
    Shown("p50_band", "95 % band", "text", "In days."),
    Shown("p90_days", "Nine in ten", "days", "Days until nine in ten were complete; empty: not seen yet."),
    Shown("p90_band", "95 % band", "text", "In days; without an end where what was seen does not bound it."),
)  # fmt: skip
INPUTS = (Shown("name", "Table", "id"), Shown("where", "From", "long"), Shown("rows", "Rows", "count"))
REJECTED = (
    Shown("table", "Table", "id"),
    Shown("column", "Column", "id"),
    Shown("rows", "Rows", "count"),
    Shown("reason", "Why", "long"),
    Shown("row", "First row", "count"),
    Shown("value", "Found there", "long"),
)
REPAIRS = (
    Shown("table", "Table", "id"),
    Shown("column", "Column", "id"),
    Shown("repair", "What was done", "long"),
    Shown("rows", "Rows", "count"),
    Shown("example", "For example", "long"),
)
PROOF = (
    Shown("as_of", "Day", "date", "What was known at the end of this day, and nothing later."),
    Shown("lines", "Lines open", "count"),
    Shown("by_p50", "By our p50", "percent", "Share that left by the p50; right is about half."),
    Shown("by_p90", "By our p90", "percent", "Share that left by the p90; right is about nine in ten."),
    Shown("judged", "Judged", "count", "Lines whose p90 has passed, so that it can be judged."),
    Shown("by_stated", "By the shop's date", "percent", "Share that left by the date the shop had stated."),
    Shown("stated", "With a date", "count", "Lines for which the shop had stated a date that has passed."),
    Shown("left", "Have left by now", "count"),
)
SCORES = (
    Shown("stage", "Stage", "id"),
    Shown("metric", "Measure"),
    Shown("segment", "Of", "id"),
    Shown("value", "Value", "qty"),
    Shown("standard_error", "Standard error", "qty"),
    Shown("n", "Cases", "count"),
    Shown("baseline", "Beside", "text", optional=True),
    Shown("baseline_value", "Its value", "qty", optional=True),
)


RULES = (
    Shown("rule", "Rule", "id"),
    Shown("days", "Mean days", "text", "Days until a waiting line leaves, if its customer goes on waiting."),
    Shown("days_by_value", "By value", "text", "The same, lines weighted by price × open quantity.", optional=True),
    Shown("days_of_slowest", "Slowest tenth", "text", "The same, of the tenth of the lines that waits longest."),
    Shown("within_7", "Within 7 days", "text", "Share of the waiting lines that has left.", optional=True),
    Shown("within_28", "Within 28 days", "text", "Share of the waiting lines that has left.", optional=True),
    Shown("on_time", "On time", "text", "Share of the promises not missed yet that are kept.", optional=True),
)


def effect(metric: str, value: float, difference: float, error: float, first: bool) -> str:
    """A measure under a rule, and how it differs from the first rule's, with the standard error of the difference.

    >>> effect("days", 21.04, 21.04 - 19.5, 0.12, False), effect("on_time", 0.713, 0.0, 0.0, True)
    ('21.0 (+1.5 ± 0.1)', '71 %')
    """
    if metric.startswith("days"):
        told, less = f"{value:.1f}", f"{difference:+.1f} ± {error:.1f}"
    else:
        told, less = f"{100 * value:.0f} %", f"{100 * difference:+.1f} ± {100 * error:.1f}"
    return told if first else f"{told} ({less})"


def risk_columns(horizons: Sequence[int], main: int) -> tuple[Shown, ...]:
    """Return the columns of the risk table for the configured horizons."""
    chances = [
        Shown(f"prob_{days}", f"{days} days", "percent", f"Chance within {days} days, nothing ordered.")
        for days in horizons
    ]
    return (
        *_SKU,
        Shown("on_hand", "On hand", "qty", "Empty: not known."),
        Shown("on_order", "On order", "qty"),
        Shown("backordered_now", "Owed now", "qty", "Backordered already."),
        *chances,
        Shown("planned_prob", f"{main} days, with planned", "percent", "If the policies' orders are placed."),
        Shown("first_backorder_p50_date", "First p50", "date", "As likely short before as after this day."),
        Shown("expected_backorder_qty", "Units short", "qty", f"Expected, within {main} days."),
        Shown("expected_backorder_value", "Worth", "money", "Expected value of those units.", optional=True),
        Shown(
            "preventable_prob", "Preventable", "percent", "Chance of a shortage that an order today averts."
        ),
    )


_NAMES = {
    "ready": "stock in hand",
    "due": "purchase",
    "overdue": "overdue purchase",
    "planned": "an order not yet placed",
    "none": "nothing on the way",
    "unknown": "stock is not known",
}


def supply(row: Mapping[Any, Any]) -> str:
    """Say what a line most probably waits for.

    >>> supply({"supply_state": "overdue", "pegged_po_line_id": "P7"})
    'overdue purchase P7'
    """
    state = row.get("supply_state")
    if not isinstance(state, str):
        return ""
    peg = row.get("pegged_po_line_id")
    return (
        f"{_NAMES.get(state, state)} {peg}"
        if isinstance(peg, str) and state in ("due", "overdue")
        else _NAMES[state]
    )


def action(row: Mapping[Any, Any]) -> str:
    """Say what somebody could do about a line today.

    >>> action({"status": "no_supply"})
    'Order it: nothing that is on the way will serve it'
    >>> action({"status": "late", "supply_state": "overdue", "pegged_po_line_id": "P7"})
    'Chase P7; tell the customer'
    """
    status, state = row.get("status"), row.get("supply_state")
    peg = row.get("pegged_po_line_id")
    purchase = peg if isinstance(peg, str) else "the supplier"
    tell = _tell(row.get("suggested_promise_date"))
    if status == "unknown":
        return "Count the stock: its level is not known"
    if status == "no_supply" or state == "none":
        return "Order it: nothing that is on the way will serve it"
    if state == "planned":
        return f"Order it now{tell}"
    if state == "ready":
        return "Ship it: it is in stock"
    verb = "Chase" if state == "overdue" else "Expedite"
    return f"{verb} {purchase}{tell}"


def between(low: float, high: float, *, percent: bool = False) -> str | None:
    """Say the ends of a band; without an upper end where there is none.

    >>> between(16.0, 18.0), between(0.394, 0.47, percent=True), between(60.0, float("nan"))
    ('16 to 18', '39 to 47 %', 'from 60')
    """
    if low != low:
        return None
    ends = [f"{100 * x:.0f}" if percent else number(x) for x in (low, high) if x == x]
    unit = " %" if percent else ""
    return f"{ends[0]} to {ends[1]}{unit}" if len(ends) == 2 else f"from {ends[0]}{unit}"


def _tell(day: Any) -> str:
    if day is None or day is pd.NaT or not isinstance(day, pd.Timestamp):
        return "; tell the customer"
    return f"; tell the customer {day.date()}"


def metric(name: str) -> str:
    """Say what a measure of the scorecard is.

    >>> metric("transform_p90"), metric("shipped_by_p50"), metric("brier_score")
    ('share below our p90, steps of whole days spread (right: 0.9)', 'left by our p50', 'brier score')
    """
    kind, _, level = name.rpartition("_p")
    if kind == "transform" and level.isdigit():
        return f"share below our p{level}, steps of whole days spread (right: 0.{level.rstrip('0')})"
    if kind == "shipped_by" and level.isdigit():
        return f"left by our p{level}"
    return name.replace("_", " ")


def number(value: float) -> str:
    """Return a number as people read it: thousands apart, no decimals where they say nothing.

    >>> number(1234567.8), number(12.5), number(3.0), number(-0.04)
    ('1,234,568', '12.5', '3', '-0.04')
    """
    size = abs(value)
    if size >= 1000 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.3g}"
