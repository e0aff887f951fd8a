"""Run → plain summary: which rows of which table a planner has to see, in which order, in which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import __version__
from . import charts, proof, words
from .model import Figure, Section, Summary, Table
from .tabulate import Look, described, tabulate

if TYPE_CHECKING:
    from ..result import Run

URGENT = {"late": 0, "no_supply": 1, "at_risk": 2, "unknown": 3}  # statuses to act on, most urgent first
LIKELY = 0.5  # from this chance on an item counts as about to run out
WORTH_SHOWING = 0.01  # smaller chances of running out are left to the file


def summarise(run: Run, max_rows: int | None = None) -> Summary:
    """Return the summary of a run; ``max_rows``: rows of a table kept at most (default: as configured)."""
    settings = run.config.report
    look = Look(run, settings.top, settings.max_rows if max_rows is None else max_rows)
    return Summary(
        title=settings.title,
        as_of=run.as_of.date(),
        figures=_figures(run),
        sections=[section for make in SECTIONS if (section := make(run, look)) is not None],
        about=_about(run),
    )


# Headline figures -------------------------------------------------------------------------------------------


def _figures(run: Run) -> list[Figure]:
    found: list[Figure] = []
    for name, make in (
        ("line_eta", _line_figures),
        ("backorder_risk", _risk_figures),
        ("purchase_eta", _purchase_figures),
        ("reorder_points", _reorder_figures),
    ):
        frame = run.table(name)
        if frame is not None:
            found += make(frame, run)
    return found


def _line_figures(eta: pd.DataFrame, run: Run) -> list[Figure]:
    count = eta["status"].value_counts()
    waiting = int(eta["is_backordered"].fillna(value=False).sum())
    late = int(count.get("late", 0)) + int(count.get("no_supply", 0))
    risky = int(count.get("at_risk", 0))
    promised = int(eta["promised_date"].notna().sum())
    value = _value(eta, run)
    worth = f"worth {words.number(value.sum())}" if value.notna().any() else ""
    return [
        Figure("open lines", len(eta), detail=worth),
        Figure("backordered", waiting, detail=f"{words.number(_owed(eta))} units"),
        Figure("late or without supply", late, detail=f"of {promised:,} with a promise", tone=_bad(late)),
        Figure("promises at risk", risky, detail=_below(run), tone="warn" if risky else "good"),
        Figure("ready to leave", int(count.get("ready", 0)), detail="in stock and reserved"),
    ]


def _risk_figures(risk: pd.DataFrame, run: Run) -> list[Figure]:
    horizon = main_horizon(run)
    own = risk[(risk["horizon_days"] == horizon) & (risk["supply_basis"] == "open_only")]
    likely = int((own["backorder_prob"] >= LIKELY).sum())
    detail = f"of {len(own):,}, within {horizon} days, if nothing is ordered"
    return [Figure("items likely to run short", likely, detail=detail, tone=_bad(likely))]


def _purchase_figures(purchases: pd.DataFrame, run: Run) -> list[Figure]:
    overdue = int((purchases["overdue_days"] > 0).sum())
    detail = f"of {len(purchases):,} open purchase lines"
    return [Figure("purchases overdue", overdue, detail=detail, tone="warn" if overdue else "good")]


def _reorder_figures(points: pd.DataFrame, run: Run) -> list[Figure]:
    now = int((points["suggested_order_qty"] > 0).sum())
    return [Figure("items to order now", now, detail=f"of {len(points):,} with a policy")]


def _owed(eta: pd.DataFrame) -> float:
    return float(eta.loc[eta["is_backordered"].fillna(value=False).astype(bool), "open_qty"].sum())


def _below(run: Run) -> str:
    return f"chance of keeping it below {run.config.promise.at_risk_below:.0%}"


def _bad(count: int) -> str:
    return "bad" if count else "good"


def _value(eta: pd.DataFrame, run: Run) -> pd.Series:
    """What the open quantity of each line sells for; NaN where no price is known."""
    lines = run.state.get("lines")
    if lines is None or "unit_price" not in lines:
        return pd.Series(np.nan, index=eta.index)
    price = eta["line_id"].map(lines.set_index("line_id")["unit_price"])
    return eta["open_qty"] * price.astype(float)  # of no line at all pandas makes texts


def main_horizon(run: Run) -> int:
    """Return the horizon by which risk is sorted: the middle one."""
    horizons = sorted(run.config.risk.horizons)
    return horizons[len(horizons) // 2]


# Sections ---------------------------------------------------------------------------------------------------


def _act(run: Run, look: Look) -> Section:
    eta = run.table("line_eta")
    title = "Lines to act on today"
    if eta is None:
        return Section("act", title, missing=_why(run, "line_eta"))
    urgent = eta[eta["status"].isin(list(URGENT))]
    frame = urgent.assign(value=_value(urgent, run), urgency=urgent["status"].map(URGENT))
    order = ["urgency", "value", "open_qty", "line_id"]
    frame = described(frame.sort_values(order, ascending=[True, False, False, True]).head(look.most), run)
    rows = frame.to_dict("records")
    frame = frame.assign(do=[words.action(row) for row in rows], waits=[words.supply(row) for row in rows])
    lead = (
        "Late lines, lines that nothing will serve, and promises that will probably break; the dearest first."
    )
    caption = "Open order lines that need somebody today"
    table = tabulate(look, frame, "line_eta", caption, words.LINES, total=len(urgent))
    return Section("act", title, lead, [table])


def _run_out(run: Run, look: Look) -> Section:
    risk = run.table("backorder_risk")
    title = "Items about to run out"
    if risk is None:
        return Section("risk", title, missing=_why(run, "backorder_risk"))
    horizon = main_horizon(run)
    frame = described(_risk_by_item(risk, run, horizon), run)
    shown = frame[~(frame["prob"] < WORTH_SHOWING)]
    names = words.risk_columns(sorted(run.config.risk.horizons), horizon)
    lead = (
        f"Chance that a unit wanted within the horizon finds no stock, sorted by {horizon} days. “Nothing "
        "ordered” counts purchases already placed; “with planned” adds those that the policies would place."
    )
    table = tabulate(look, shown, "backorder_risk", "Items by the chance of a new backorder", names)
    return Section("risk", title, lead, [table])


def _risk_by_item(risk: pd.DataFrame, run: Run, horizon: int) -> pd.DataFrame:
    """One row an item: chances by horizon on open supply, the rest from the main horizon."""
    keys = ["item_id", "location_id"]
    here = risk[(risk["horizon_days"] == horizon) & (risk["supply_basis"] == "open_only")].copy()
    for days in run.config.risk.horizons:
        own = risk[(risk["horizon_days"] == days) & (risk["supply_basis"] == "open_only")]
        here = here.merge(
            own[[*keys, "backorder_prob"]].rename(columns={"backorder_prob": f"prob_{days}"}),
            on=keys,
            how="left",
        )
    planned = risk[(risk["horizon_days"] == horizon) & (risk["supply_basis"] == "with_planned")]
    planned = planned[[*keys, "backorder_prob"]].rename(columns={"backorder_prob": "planned_prob"})
    here = here.merge(planned, on=keys, how="left").rename(columns={"backorder_prob": "prob"})
    order = ["prob", "expected_backorder_value", "expected_backorder_qty", *keys]
    return here.sort_values(order, ascending=[False, False, False, True, True])


def _purchases(run: Run, look: Look) -> Section:
    purchases = run.table("purchase_eta")
    title = "Overdue purchases"
    if purchases is None:
        return Section("purchases", title, missing=_why(run, "purchase_eta"))
    frame = described(purchases, run)
    overdue = frame[frame["overdue_days"] > 0].sort_values(
        ["overdue_days", "po_line_id"], ascending=[False, True]
    )
    others = frame[~(frame["overdue_days"] > 0)].sort_values(
        ["late_prob", "p50_date", "po_line_id"], ascending=[False, True, True]
    )
    lead = (
        "Purchases past their stated date, the longest overdue first; then all others, "
        "the likeliest to be late first. Dates are those of the last open unit."
    )
    tables = [
        tabulate(look, overdue, "purchase_eta", "Overdue purchase lines", words.PURCHASES, "overdue"),
        tabulate(
            look, others, "purchase_eta", "Other open purchase lines", words.PURCHASES, "open-purchases"
        ),
    ]
    return Section("purchases", title, lead, tables)


def _reorder(run: Run, look: Look) -> Section:
    points = run.table("reorder_points")
    title = "Reorder suggestions"
    if points is None:
        return Section("reorder", title, missing=_why(run, "reorder_points"))
    frame = described(points, run)
    frame["gap"] = frame["service_target"] - frame["current_expected_service"]
    now = frame[frame["suggested_order_qty"] > 0].sort_values(
        ["suggested_order_qty", "item_id", "location_id"], ascending=[False, True, True]
    )
    changed = frame[frame["gap"].notna()].sort_values(
        ["gap", "item_id", "location_id"], ascending=[False, True, True]
    )
    tables = [tabulate(look, now, "reorder_points", "To order now", words.ORDERS, "order-now")]
    if len(changed):
        caption = "Present settings and what they deliver, the furthest below target first"
        tables.append(tabulate(look, changed, "reorder_points", caption, words.POLICIES, "policies"))
    lead = (
        "What to order today, and which settings miss their target. Service is by calculation, not by hope."
    )
    return Section("reorder", title, lead, tables)


def _stock_charts(run: Run, look: Look) -> Section | None:
    if not run.config.report.charts:
        return None
    title = "Projected stock"
    if "stock_paths" not in run.state or run.state["stock_paths"].empty:
        why = run.missing.get("stock_paths") or run.missing.get("backorder_risk")
        return Section("stock", title, missing=why or "This run projects no stock.")
    lead = "The items that matter most: stock with p10 to p90, and below zero what is owed to customers."
    return Section("stock", title, lead, charts=charts.projected_stock(run, main_horizon(run)))


def _lead_times(run: Run, look: Look) -> Section:
    times = run.table("lead_times")
    title = "Lead times"
    if times is None:
        return Section("lead-times", title, missing=_why(run, "lead_times"))
    frame = described(times, run)
    order = ["n_open", "n_received", "supplier_id", "item_id"]
    frame = frame.sort_values(order, ascending=[False, False, True, True])
    lead = "How long a purchase placed today will take, learned from received and still open purchases."
    table = tabulate(look, frame, "lead_times", "Lead times by supplier and item", words.LEAD_TIMES, "times")
    return Section("lead-times", title, lead, [table])


def _quality(run: Run, look: Look) -> Section:
    inputs = pd.DataFrame([_input(one) for one in run.manifest.get("inputs", ())])
    tables = [tabulate(look, inputs, "", "What was read", words.INPUTS, "inputs")] if len(inputs) else []
    rejected, cleaned = run.table("rejected_rows"), run.table("cleaning_log")
    if rejected is not None:
        caption = "Rows that could not be used"
        tables.append(tabulate(look, _by_check(rejected), "rejected_rows", caption, words.REJECTED))
    if cleaned is not None:
        tables.append(tabulate(look, cleaned, "cleaning_log", "Repairs that were made", words.REPAIRS))
    missing = [f"{name}: {why}" for name, why in run.missing.items()]
    lists = [("What this run cannot say", missing), ("Notes", list(run.notes))]
    lead = "What went in, what was set aside, and what a reader must know about the numbers."
    return Section("quality", "Data quality and notes", lead, tables, lists=[one for one in lists if one[1]])


def _input(one: Any) -> dict[str, Any]:
    row = one if isinstance(one, dict) else vars(one)
    return {"name": row.get("name"), "where": row.get("where"), "rows": row.get("rows")}


def _by_check(rejected: pd.DataFrame) -> pd.DataFrame:
    keys = ["table", "column", "check"]
    grouped = rejected.groupby(keys, dropna=False, sort=True, as_index=False)
    found: pd.DataFrame = grouped.agg(
        rows=("row", "size"), row=("row", "first"), value=("value", "first"), reason=("reason", "first")
    )
    return found.sort_values(["rows", *keys], ascending=[False, True, True, True])


def _why(run: Run, name: str) -> str:
    return f"Not in this run: {run.missing.get(name, f'it made no {name}')}."


def _proof(run: Run, look: Look) -> Section:
    tables: list[Table] = []
    days = proof.by_day(run)
    if days is None:
        return Section("proof", proof.TITLE, missing=run.missing.get("scorecard", "") or proof.NOT_REPLAYED)
    tables.append(
        tabulate(look, days, "", "Past days replayed with only what was known then", words.PROOF, "days")
    )
    scores = run.table("scorecard")
    if scores is not None:
        tables.append(tabulate(look, scores, "scorecard", "Scorecard", words.SCORES))
    return Section("proof", proof.TITLE, proof.LEAD, tables, charts.replayed(run))


SECTIONS: tuple[Callable[[Any, Look], Section | None], ...] = (
    _act,
    _run_out,
    _purchases,
    _reorder,
    _stock_charts,
    _proof,
    _lead_times,
    _quality,
)


def _about(run: Run) -> list[tuple[str, str]]:
    simulation = run.config.simulation
    return [
        ("As of", f"end of {run.as_of.date()}"),
        ("Futures simulated", f"{simulation.scenarios:,} over {simulation.horizon_days} days"),
        ("Seed", str(run.seed)),
        ("Program", f"backorder-forecast {__version__}"),
    ]
