"""\"Where is my order?\": one order, line or customer, from what a run knows.

Shipped and cancelled lines belong to the answer as much as waiting ones; a waiting line is told with its
dates, its promise and what it waits for.
"""

from __future__ import annotations

import difflib
import html
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .errors import NotAvailable, UsageError
from .tables import empty

if TYPE_CHECKING:
    from .result import Run

PRINTED = 40  # lines told in full as text; the rest is counted, and in `frame` and `to_dict`
SEARCHED = 20_000  # ids compared when looking for a close match

LINE_COLUMNS = [
    "order_id", "line_id", "customer_id", "item_id", "location_id", "ordered_at", "wanted_date",
    "requested_date", "qty", "shipped_qty", "cancelled_qty", "open_qty", "last_shipped_at",
    "last_cancelled_at",
]  # fmt: skip
ETA_COLUMNS = [
    "status", "p10_date", "p50_date", "p90_date", "next_p50_date", "ready_qty", "queue_position",
    "is_backordered", "backordered_since", "ship_prob", "cancel_prob", "unplaced_prob", "promised_date",
    "first_promised_date", "on_time_prob", "promise_state", "supply_state", "late_reason",
    "pegged_po_line_id", "pegged_prob", "suggested_promise_date",
]  # fmt: skip
OFFER_COLUMNS = [
    "substitute_item_id", "qty", "p10_date", "p50_date", "p90_date", "ship_prob", "on_time_prob", "days_sooner",
    "days_sooner_error", "others_later", "others_later_days", "is_best",
]  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """What is known about the lines asked for: ``frame`` (a row per line), ``events``, text, HTML and a dict.

    ``events`` are the dated shipments and cancellations: line_id, date, what, qty.
    """

    as_of: pd.Timestamp
    asked: str  # "order", "line" or "customer"
    id: str
    frame: pd.DataFrame
    events: pd.DataFrame
    order: dict[str, Any] | None = None  # the row of order_eta, for an order that waits
    offers: pd.DataFrame | None = None  # rows of substitute_offers, where there are any

    def to_dict(self) -> dict[str, Any]:
        """Return plain values (dates as ISO text, None for what is not known), ready for JSON."""
        found: dict[str, Any] = {"as_of": _iso(self.as_of), "asked": self.asked, "id": self.id}
        if self.order is not None:
            found["order"] = self.order
        events = dict(list(self.events.groupby("line_id", sort=False)))
        offers = {} if self.offers is None else dict(list(self.offers.groupby("line_id", sort=False)))
        lines = records(self.frame)
        for line in lines:
            own = events.get(line["line_id"])
            line["events"] = [] if own is None else records(own[["date", "what", "qty"]])
            if line["line_id"] in offers:
                line["substitutes"] = records(offers[line["line_id"]][OFFER_COLUMNS])
        return {**found, "lines": lines}

    def __str__(self) -> str:
        texts = [_line_text(line, self.as_of) for line in self.to_dict()["lines"][:PRINTED]]
        if len(self.frame) > PRINTED:
            texts.append(f"… and {len(self.frame) - PRINTED} more lines")
        return "\n".join([self._headline(), *texts])

    __repr__ = __str__

    def _headline(self) -> str:
        still_open = int((self.frame["open_qty"] > 0).sum())
        lines = f"{len(self.frame)} line{'s' * (len(self.frame) != 1)}, {still_open} open"
        whole = ""
        if self.order and self.order.get("p50_date"):
            whole = f"; whole by {self.order['p50_date']} (p50)"
            whole += f", {self.order['p90_date']} (p90)" if self.order.get("p90_date") else ""
        return f"{self.asked} {self.id}, as of {self.as_of.date()}: {lines}{whole}"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def answer(
    run: Run, order_id: str | None = None, line_id: str | None = None, customer_id: str | None = None
) -> Answer:
    """Look up the lines of one order, line or customer; see :meth:`Run.show`."""
    asked, wanted = _one_of({"order": order_id, "line": line_id, "customer": customer_id})
    if "lines" not in run.state:
        raise NotAvailable("this run knows no order lines" + _because(run))
    lines = run.state["lines"]
    found = lines[lines[f"{asked}_id"] == wanted]
    if found.empty:
        raise UsageError(_not_found(lines, asked, wanted, run.as_of))
    frame = _with_eta(found.reindex(columns=LINE_COLUMNS), run)
    order = _order_row(run, wanted) if asked == "order" else None
    offers = run.tables.get("substitute_offers")
    mine = None if offers is None else offers[offers["line_id"].isin(frame["line_id"])]
    return Answer(run.as_of, asked, wanted, frame, _events(run, frame["line_id"]), order, mine)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dicts of plain values: dates as ISO text, missing as None.

    >>> records(pd.DataFrame({"day": [pd.Timestamp("2026-06-30")], "qty": [float("nan")]}))
    [{'day': '2026-06-30', 'qty': None}]
    """
    columns = {str(name): [plain(value) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it.

    >>> plain(np.float64(2.0)), plain(pd.NaT), plain(pd.Timestamp("2026-06-30 12:30"))
    (2.0, None, '2026-06-30T12:30:00')
    """
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value.tolist()]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _iso(value) if hasattr(value, "isoformat") else value


def _iso(value: Any) -> str:
    text: str = value.isoformat()
    return text.removesuffix("T00:00:00")


def _one_of(asked: dict[str, str | None]) -> tuple[str, str]:
    given = [(name, str(value)) for name, value in asked.items() if value is not None]
    if len(given) != 1:
        raise UsageError("ask for exactly one of: an order, a line, a customer")
    return given[0]


def _because(run: Run) -> str:
    why = run.missing.get("line_eta")
    return f": {why}" if why else ""


def _with_eta(lines: pd.DataFrame, run: Run) -> pd.DataFrame:
    eta = run.tables.get("line_eta")
    if eta is None:
        eta = empty("line_eta")
    joined = lines.merge(eta.reindex(columns=["line_id", *ETA_COLUMNS]), on="line_id", how="left")
    known = run.state["lines"].set_index("line_id")
    for name in ("promised_date", "first_promised_date"):  # lines that have left were promised something too
        if name in known.columns:
            joined[name] = joined[name].fillna(joined["line_id"].map(known[name]))
    joined["status"] = _status_of_all(joined)
    order = (joined["open_qty"] <= 0).astype("int64").to_numpy()
    return joined.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def _status_of_all(frame: pd.DataFrame) -> pd.Series:
    """``status`` of ``line_eta`` for open lines; shipped, cancelled, or both, for the others."""
    shipped, cancelled = frame["shipped_qty"].fillna(0) > 0, frame["cancelled_qty"].fillna(0) > 0
    names = ["shipped, rest cancelled", "shipped", "cancelled"]
    done = np.select([shipped & cancelled, shipped, cancelled], names, "closed")
    status = frame["status"].astype(object)
    return status.where(frame["open_qty"] > 0, pd.Series(done, index=frame.index, dtype=object))


def _order_row(run: Run, order_id: str) -> dict[str, Any] | None:
    orders = run.tables.get("order_eta")
    if orders is None:
        return None
    rows = records(orders[orders["order_id"] == order_id])
    return rows[0] if rows else None


def _events(run: Run, line_ids: pd.Series) -> pd.DataFrame:
    parts = []
    for name, column, what in (
        ("shipments", "shipped_at", "shipped"),
        ("cancellations", "cancelled_at", "cancelled"),
    ):
        known = run.state.get(name)
        if known is not None:
            own = known.loc[known["line_id"].isin(line_ids), ["line_id", column, "qty"]]
            parts.append(own.rename(columns={column: "date"}).assign(what=what))
    if not parts:
        return pd.DataFrame(columns=["line_id", "date", "qty", "what"])
    return pd.concat(parts).sort_values(["line_id", "date", "what"], kind="stable", ignore_index=True)


def _not_found(lines: pd.DataFrame, asked: str, wanted: str, as_of: pd.Timestamp) -> str:
    elsewhere = [kind for kind in ("order", "line", "customer") if (lines[f"{kind}_id"] == wanted).any()]
    if elsewhere:
        return f"{wanted!r} is not {_a(asked)} but {_a(elsewhere[0])}: ask for the {elsewhere[0]}"
    near = close_matches(wanted, lines[f"{asked}_id"].dropna().unique().tolist())
    hint = f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
    return f"no {asked} {wanted!r} is known on {as_of.date()}{hint}"


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "order" else f"a {kind}"


def close_matches(wanted: str, ids: Iterable[str]) -> list[str]:
    """Return up to three ids like ``wanted``; ids that differ only by case, blanks or leading zeros first.

    >>> close_matches("so-0042", ["SO-42", "SO-0042", "SO-0043"])
    ['SO-0042']
    """
    all_ids = [str(one) for one in ids]
    same = [one for one in all_ids if _bare(one) == _bare(wanted)]
    if same:
        return same[:3]
    start = wanted[: max(1, len(wanted) // 2)].casefold()
    likely = [one for one in all_ids if one.casefold().startswith(start)] or all_ids
    return difflib.get_close_matches(wanted, likely[:SEARCHED], n=3, cutoff=0.6)


def _bare(text: str) -> str:
    return text.strip().casefold().lstrip("0")


def _line_text(line: dict[str, Any], as_of: pd.Timestamp) -> str:
    head = f"  {line['line_id']}  {line['item_id']}"
    if line["location_id"] not in (None, "main"):
        head += f" at {line['location_id']}"
    told = [
        f"{head}: {_qty(line['qty'])} ordered {_day(line['ordered_at'])}, {_words(line['status'])}",
        *_past_text(line),
        *(_future_text(line, as_of) if line["open_qty"] else []),
    ]
    return "\n".join(told)


def _past_text(line: dict[str, Any]) -> list[str]:
    events = line["events"]
    return [f"      {event['what']} {_qty(event['qty'])} on {_day(event['date'])}" for event in events]


def _future_text(line: dict[str, Any], as_of: pd.Timestamp) -> list[str]:
    told = [f"{_qty(line['open_qty'])} still open; {_dates(line)}", _promise(line, as_of), waits_for(line)]
    if (line["cancel_prob"] or 0) >= 0.05:
        told.append(f"chance that the customer cancels first: {_percent(line['cancel_prob'])}")
    told += [_instead(offer) for offer in line.get("substitutes", [])]
    return [f"      {text}" for text in told if text]


def _instead(offer: dict[str, Any]) -> str:
    """What may be sent instead, in words."""
    what = f"may be sent instead: {_qty(offer['qty'])} of {offer['substitute_item_id']}; {_dates(offer)}"
    days = offer["days_sooner"]
    what += f"; {abs(days):.1f} days {'sooner' if days >= 0 else 'later'} on average"
    if offer["others_later_days"] >= 0.05:
        what += f", others wait {offer['others_later_days']:.1f} days more in all"
    return what + ("; best" if offer["is_best"] else "")


def _dates(line: dict[str, Any]) -> str:
    if line["p50_date"] is None:
        chance = line["ship_prob"]
        if chance is None:  # it was not simulated: stale, or its stock is unknown
            return "no ship date can be said"
        return f"no ship date within the horizon (chance to ship within it: {_percent(chance)})"
    late = line["p90_date"] or "beyond the horizon"
    return f"ships {line['p50_date']} (p50), between {line['p10_date']} (p10) and {late} (p90)"


def _promise(line: dict[str, Any], as_of: pd.Timestamp) -> str:
    if line["promised_date"] is None:
        return "nothing promised"
    when = _day(line["promised_date"])
    if when <= str(as_of.date()):  # still open at the end of that day
        return f"promised {when}: missed"
    kept = "" if line["on_time_prob"] is None else f": chance of keeping it {_percent(line['on_time_prob'])}"
    return f"promised {when}{kept}"


def waits_for(line: dict[str, Any]) -> str:
    """Say in words what an open line most probably waits for.

    >>> waits_for({"supply_state": "overdue", "pegged_po_line_id": "P7", "pegged_prob": 0.9})
    'waits for overdue purchase P7 (90 %)'
    """
    peg = line.get("pegged_po_line_id")
    purchase = f"purchase {peg} ({_percent(line['pegged_prob'])})" if peg else "a purchase"
    return {
        "ready": "in stock and reserved: leaves on the next working day",
        "due": f"waits for {purchase}",
        "overdue": f"waits for overdue {purchase}",
        "planned": "waits for supply that nobody has ordered yet",
        "none": "no supply in sight",
        "unknown": "the stock of this item is not known",
    }.get(line.get("supply_state") or "", "")


def _words(status: str | None) -> str:
    return (status or "open").replace("_", " ")


def _qty(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _day(value: str | None) -> str:
    return "?" if value is None else value[:10]


def _percent(value: float | None) -> str:
    if value is None:
        return "?"
    if 0.99 < value < 1 or 0 < value < 0.01:
        return "over 99 %" if value > 0.5 else "under 1 %"
    return f"{100 * value:.0f} %"
