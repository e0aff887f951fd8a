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

URGENT = {"late": 0, "no_supply": 1, "at_risk": 2}  # statuses to act on, most urgent first
LIKELY = 0.5  # from this chance on an item counts as about to run out
WORTH_SHOWING = 0.01  # smaller chances of running out are left to the file


def summarise(run: Run, max_rows: int | None = None) -> Summary:
    """Return the summary of a run; ``max_rows``: rows of a table kept at most (default: as configured)."""
    settings = run.config.report
    look = Look(run, settings.top, settings.max_rows if max_rows is None else max_rows)
    told = [section for make in SECTIONS if (section := make(run, look)) is not None]
    told.sort(key=lambda section: bool(section.missing))  # what there is comes before what there is not
    return Summary(
        title=settings.title,
        as_of=run.as_of.date(),
        figures=_figures(run),
        sections=[*told, _quality(run, look)],
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
    if eta.empty:
        return [Figure("open lines", 0, detail="nobody is waiting")]
    waiting = int(eta["is_backordered"].fillna(value=False).sum())
    value = _value(eta, run)
    worth = f"worth {words.number(value.sum())}" if value.notna().any() else ""
    found = [
        Figure("open lines", len(eta), detail=worth),
        Figure("backordered", waiting, detail=f"{words.number(_owed(eta))} units"),
        _late_figure(eta, run),
    ]
    unknown = eta[eta["status"] == "unknown"]
    if len(unknown):
        items = len(unknown[["item_id", "location_id"]].drop_duplicates())
        detail = f"lines of {items:,} item{'s' * (items != 1)}: no date can be said"
        found.append(Figure("stock not known", len(unknown), detail=detail, tone="warn"))
    if len(unknown) < len(eta):
        risky, ready = (int((eta["status"] == status).sum()) for status in ("at_risk", "ready"))
        tone = "warn" if risky else "good"
        found.append(Figure("promises at risk", risky, detail=_below(run), tone=tone))
        found.append(Figure("ready to leave", ready, detail="in stock and reserved"))
    return found


def _late_figure(eta: pd.DataFrame, run: Run) -> Figure:
    """Lines that break their promise, whatever else is wrong with them, and those that nothing will serve."""
    missed = eta["promised_date"] <= run.as_of  # still open at the end of that day
    late = eta["status"].isin(["late", "no_supply"]) | (eta["promise_state"] == "late") | missed
    promised = int(eta["promised_date"].notna().sum())
    detail = "nothing is promised"
    if promised:
        detail = f"{int(missed.sum()):,} of {promised:,} promises missed already"
    return Figure("late or without supply", int(late.sum()), detail=detail, tone=_bad(int(late.sum())))


def _risk_figures(risk: pd.DataFrame, run: Run) -> list[Figure]:
    horizon = main_horizon(run)
    own = risk[(risk["horizon_days"] == horizon) & (risk["supply_basis"] == "open_only")]
    likely = int((own["backorder_prob"] >= LIKELY).sum())
    detail = f"of {len(own):,}, within {horizon} days, if nothing is ordered"
    return [Figure("items likely to run short", likely, detail=detail, tone=_bad(likely))]


def _purchase_figures(purchases: pd.DataFrame, run: Run) -> list[Figure]:
    if purchases.empty:
        return [Figure("open purchases", 0, detail="nothing is on order")]
    suppliers = purchases["supplier_id"].nunique()
    of_whom = f"of {suppliers:,} supplier{'s' * (suppliers != 1)}"
    if purchases["promised_date"].isna().all():
        return [Figure("open purchases", len(purchases), detail=f"lines {of_whom}; no date is stated")]
    overdue = int((purchases["promised_date"] <= run.as_of).sum())
    detail = f"of {len(purchases):,} open lines {of_whom}"
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
    horizons = _horizons(run)
    return horizons[len(horizons) // 2]


def _horizons(run: Run) -> list[int]:
    """The horizons of which the run says anything: those within the days that it simulated."""
    return sorted(days for days in run.config.risk.horizons if days <= run.config.simulation.horizon_days)


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
    unknown = bool((eta["status"] == "unknown").any())
    none = "None of those whose stock is known." if unknown else "No line needs anybody today."
    tables = [tabulate(look, frame, "line_eta", caption, words.LINES, total=len(urgent), empty=none)]
    if unknown:
        caption = "Items to count: their stock is not known, so their lines have no date"
        tables.append(tabulate(look, _to_count(eta, run), "line_eta", caption, words.COUNTS, "to-count"))
    return Section("act", title, lead, tables)


def _since(run: Run, look: Look) -> Section | None:
    changed = run.table("changes")
    if changed is None:
        return None
    moved = changed[changed["change"].isin(["later", "sooner"])]
    caption, none = "Lines with another date than then, the furthest moved first", "No date has moved."
    count = changed["change"].value_counts()
    gone = [f"{count.get(x, 0):,} {x}" for x in ("new", "shipped", "cancelled", "later", "sooner")]
    lead = f"Of the lines open then or now: {', '.join(gone)}. Days are those that the reason alone explains."
    table = tabulate(look, moved, "changes", caption, words.CHANGES, "changes", empty=none)
    return Section("since", "What changed since the previous run", lead, [table])


def _instead(run: Run, look: Look) -> Section | None:
    offers = run.table("substitute_offers")
    if offers is None or offers.empty:
        return None
    best = offers[offers["is_best"]].sort_values(["days_sooner", "line_id"], ascending=[False, True])
    own = run.line_eta.set_index("line_id")["p50_date"]
    frame = described(best.assign(own_p50_date=best["line_id"].map(own)), run)
    lead = (
        "Late lines that would leave sooner as another item, if their customers took it: the preferred one that does, "
        "ordered now, behind those that wait for it. Largest gain first."
    )
    caption, none = "Lines that something else would serve sooner", "Nothing else would leave sooner."
    table = tabulate(look, frame, "substitute_offers", caption, words.OFFERS, "instead", empty=none)
    return Section("instead", "What may be sent instead", lead, [table])


def _to_count(eta: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Items of unknown stock for which lines wait, one row each, the most owed first."""
    lines = eta[eta["status"] == "unknown"]
    lines = lines.assign(value=_value(lines, run), missed=lines["promised_date"] <= run.as_of)
    keys = ["item_id", "location_id"]
    found = lines.groupby(keys, as_index=False, sort=True).agg(
        lines=("line_id", "size"),
        open_qty=("open_qty", "sum"),
        value=("value", lambda worth: worth.sum(min_count=1)),
        missed=("missed", "sum"),
        since=("backordered_since", "min"),
    )
    by = ["value", "open_qty", *keys]
    return described(found.sort_values(by, ascending=[False, False, True, True]), run)


def _run_out(run: Run, look: Look) -> Section:
    risk = run.table("backorder_risk")
    title = "Items about to run out"
    if risk is None:
        return Section("risk", title, missing=_why(run, "backorder_risk"))
    horizon = main_horizon(run)
    frame = described(_risk_by_item(risk, run, horizon), run)
    shown = frame[~(frame["prob"] < WORTH_SHOWING)]
    names = words.risk_columns(_horizons(run), horizon)
    lead = (
        f"Chance that a unit wanted within so many days finds no stock, sorted by {horizon} days; with the purchases "
        "already placed alone and, “with planned”, with those that the policies would place."
    )
    none = f"No item has a chance of {WORTH_SHOWING:.0%} or more."
    caption = "Items by the chance of a new backorder"
    table = tabulate(look, shown, "backorder_risk", caption, names, empty=none)
    return Section("risk", title, lead, [table])


def _risk_by_item(risk: pd.DataFrame, run: Run, horizon: int) -> pd.DataFrame:
    """One row an item: chances by horizon on open supply, the rest from the main horizon."""
    keys = ["item_id", "location_id"]
    here = risk[(risk["horizon_days"] == horizon) & (risk["supply_basis"] == "open_only")].copy()
    for days in _horizons(run):
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
    title = "Purchases"
    if purchases is None:
        return Section("purchases", title, missing=_why(run, "purchase_eta"))
    frame = described(purchases, run)
    missed = frame["promised_date"] <= run.as_of
    overdue = frame[missed].sort_values(
        ["p50_date", "overdue_days", "po_line_id"], ascending=[True, False, True], na_position="last"
    )
    others = frame[~missed].sort_values(
        ["late_prob", "p50_date", "po_line_id"], ascending=[False, True, True]
    )
    lead = (
        "Purchases whose stated date has come: first those that may still be hurried, last those that may never "
        "come; then all others, the likeliest to be late first. Dates are those of the last open unit."
    )
    source, caption = "purchase_eta", "Other open purchase lines"
    tables = [
        tabulate(look, overdue, source, "Overdue purchase lines", words.PURCHASES, "overdue", empty="None."),
        tabulate(look, others, source, caption, words.NOT_OVERDUE, "open-purchases", empty="None."),
    ]
    return Section("purchases", title, lead, tables)


def _reorder(run: Run, look: Look) -> Section:
    points = run.table("reorder_points")
    title = "Reorder suggestions"
    if points is None:
        return Section("reorder", title, missing=_why(run, "reorder_points"))
    frame = described(points, run)
    frame["gap"] = frame["service_target"] - frame["current_expected_service"]
    frame["prob"] = _risk_of(frame, run)
    now = frame[frame["suggested_order_qty"] > 0].sort_values(
        ["prob", "suggested_order_qty", "item_id", "location_id"], ascending=[False, False, True, True]
    )
    changed = frame[frame["gap"].notna()].sort_values(
        ["gap", "item_id", "location_id"], ascending=[False, True, True]
    )
    none = "Nothing is to be ordered today."
    caption = f"To order now, the likeliest to run short within {main_horizon(run)} days first"
    tables = [tabulate(look, now, "reorder_points", caption, words.ORDERS, "order-now", empty=none)]
    if len(changed):
        caption = "Present settings and what they deliver, the furthest below target first"
        tables.append(tabulate(look, changed, "reorder_points", caption, words.POLICIES, "policies"))
    lead = (
        "What to order today, and which settings miss their target. Service is by calculation, not by hope."
    )
    return Section("reorder", title, lead, tables)


def _risk_of(points: pd.DataFrame, run: Run) -> pd.Series:
    """The chance of each row's item to run short if nothing is ordered; NaN where the run does not say."""
    risk, keys = run.table("backorder_risk"), ["item_id", "location_id"]
    if risk is None:
        return pd.Series(np.nan, index=points.index)
    own = risk[(risk["horizon_days"] == main_horizon(run)) & (risk["supply_basis"] == "open_only")]
    found: pd.Series = points[keys].merge(own, on=keys, how="left")["backorder_prob"].set_axis(points.index)
    return found


def _stock_charts(run: Run, look: Look) -> Section | None:
    if not run.config.report.charts:
        return None
    title = "Projected stock"
    if "stock_paths" not in run.state or run.state["stock_paths"].empty:
        return Section("stock", title, missing=_why(run, "backorder_risk"))
    lead = "The items that matter most: stock with p10 to p90, and below zero what is owed to customers."
    pictures = charts.projected_stock(run, main_horizon(run))
    none = "Of the items whose stock was projected, none is waited for or about to run out."
    return Section("stock", title, lead, charts=pictures, missing="" if pictures else none)


def _suppliers(run: Run, look: Look) -> Section:
    frame = run.table("supplier_scorecard")
    title = "Suppliers"
    if frame is None:
        return Section("suppliers", title, missing=_why(run, "supplier_scorecard"))
    frame = frame.sort_values(["n_overdue", "n_open", "n_received", "supplier_id"], ascending=[False] * 3 + [True])
    for name, low, high in (("p50", "p50_low_days", "p50_high_days"), ("p90", "p90_low_days", "p90_high_days"),
                            ("on_time", "on_time_low", "on_time_high")):  # fmt: skip
        ends = zip(frame[low], frame[high], strict=True)
        frame[f"{name}_band"] = [words.between(a, b, percent=name == "on_time") for a, b in ends]
    if run.config.data.promised_date_is == "latest":
        frame = frame.drop(columns=_AGAINST_STATED & set(frame))
    lead = (
        "How each supplier has delivered. A purchase still open counts as what it is: it has taken at least so long, "
        "and past its stated date it is late. Durations are days from ordering until all had come."
    )
    tables = [tabulate(look, frame, "supplier_scorecard", "Suppliers, the most overdue lines first", words.SUPPLIERS)]
    pictures = charts.suppliers(run, frame) if run.config.report.charts else []
    return Section("suppliers", title, lead, tables, pictures)


# nearly every receipt is on time for the last new date
_AGAINST_STATED = {"n_due", "on_time_rate", "on_time_band", "bias_days"}


def _lead_times(run: Run, look: Look) -> Section:
    times = run.table("lead_times")
    title = "Lead times"
    if times is None:
        return Section("lead-times", title, missing=_why(run, "lead_times"))
    frame = described(times, run)
    order = ["n_open", "n_received", "supplier_id", "item_id"]
    frame = frame.sort_values(order, ascending=[False, False, True, True])
    lead = "How long a purchase placed today will take, learned from received and still open purchases."
    if run.config.data.promised_date_is == "latest":
        frame = frame.drop(columns=_AGAINST_STATED & set(frame))
    table = tabulate(look, frame, "lead_times", "Lead times by supplier and item", words.LEAD_TIMES, "times")
    return Section("lead-times", title, lead, [table])


def _quality(run: Run, look: Look) -> Section:
    inputs = pd.DataFrame([_input(one) for one in run.manifest.get("inputs", ())])
    tables = [tabulate(look, inputs, "", "What was read", words.INPUTS, "inputs")] if len(inputs) else []
    rejected, cleaned = run.table("rejected_rows"), run.table("cleaning_log")
    if rejected is not None:
        caption = "Rows that could not be used"
        rows = _by_check(rejected)
        tables.append(tabulate(look, rows, "rejected_rows", caption, words.REJECTED, empty="None."))
    if cleaned is not None:
        caption = "Repairs that were made"
        tables.append(tabulate(look, cleaned, "cleaning_log", caption, words.REPAIRS, empty="None."))
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


def _rules(run: Run, look: Look) -> Section | None:
    found = run.table("rule_comparison")
    if found is None or found.empty:
        return None
    own = found["rule"].iloc[0]
    columns = (found[x] for x in ("metric", "value", "difference", "difference_error"))
    effects = zip(*columns, found["rule"] == own, strict=True)
    told = found.assign(told=[words.effect(*x) for x in effects])
    frame = told.pivot_table("told", "rule", "metric", aggfunc="first").loc[found["rule"].unique()].reset_index()
    lead = (
        f"What other rules would do to the lines that wait today, beside {own}, which dates everything else here. All "
        "meet the same futures, so the differences (in brackets, ± one standard error) are the rules' own."
    )
    table = tabulate(look, frame, "rule_comparison", "Waiting lines under each rule", words.RULES, "rules")
    return Section("rules", "Allocation rules compared", lead, [table])


def _why(run: Run, name: str) -> str:
    return f"Not in this run: {run.missing.get(name, f'it made no {name}')}."


def _proof(run: Run, look: Look) -> Section:
    tables: list[Table] = []
    days = proof.by_day(run)
    if days is None:
        return Section("proof", proof.TITLE, missing=_not_replayed(run))
    tables.append(
        tabulate(look, days, "", "Past days replayed with only what was known then", words.PROOF, "days")
    )
    scores = run.table("scorecard")
    if scores is not None:
        scores = scores.assign(metric=scores["metric"].map(words.metric))
        tables.append(tabulate(look, scores, "scorecard", "Scorecard", words.SCORES))
    return Section("proof", proof.TITLE, proof.LEAD, tables, charts.replayed(run))


def _not_replayed(run: Run) -> str:
    if run.table("scorecard") is not None:
        return proof.NOTHING_OPEN
    return _why(run, "line_eta") if "line_eta" in run.missing else proof.NOT_REPLAYED


SECTIONS: tuple[Callable[[Any, Look], Section | None], ...] = (
    _act,
    _instead,
    _since,
    _run_out,
    _purchases,
    _reorder,
    _rules,
    _stock_charts,
    _proof,
    _suppliers,
    _lead_times,
)


def _about(run: Run) -> list[tuple[str, str]]:
    simulation = run.config.simulation
    return [
        ("As of", f"end of {run.as_of.date()}"),
        ("Futures simulated", f"{simulation.scenarios:,} over {simulation.horizon_days} days"),
        ("Seed", str(run.seed)),
        ("Program", f"backorder-forecast {__version__}"),
    ]
