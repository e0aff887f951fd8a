"""Outcomes to dates: of every open line, of every order, of every open purchase."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.queue_kernel import NONE, PLANNED, STOCK
from .late import lateness
from .law import Law, days_to_dates
from .queue import leave_days
from .tables import TEXT, check_output

if TYPE_CHECKING:
    from .lead_time import LeadTimes
    from .past import Past
    from .queue import Outcomes

_LEVELS = (0.1, 0.5, 0.9)
_STATES = np.array(["ready", "due", "overdue", "planned", "none"], dtype=object)


def line_eta(outcomes: Outcomes) -> pd.DataFrame:
    """The output table `line_eta`: one row for every open line, also for those that could not be simulated."""
    past = outcomes.past
    lines = past.lines[past.lines["open_qty"] > 0].reset_index(drop=True)
    out = lines[["line_id", "order_id", "customer_id", "item_id", "location_id", "open_qty"]].copy()
    at = pd.Index(outcomes.lines["line_id"]).get_indexer(lines["line_id"])
    _put(out, at, _places(outcomes), {"ready_qty": 0.0})
    out["queue_position"] = out["queue_position"].astype("Int64")
    waiting = lines["wanted_date"] <= past.day
    out["is_backordered"] = waiting.to_numpy(bool)
    out["backordered_since"] = lines["wanted_date"].where(waiting)
    ship = outcomes.ship_dates
    dates = ship.quantile(_LEVELS)
    dates["next_p50_date"] = outcomes.next_dates.quantile([0.5])["p50_date"]
    dates["ready_p50_date"] = outcomes.own_dates.quantile([0.5])["p50_date"]
    dates["ship_prob"] = ship.table[:, -1]
    dates["cancel_prob"] = outcomes.tally.cancelled / outcomes.scenarios
    shares, best, best_share = _waits_for(outcomes)
    dates["unplaced_prob"] = shares[:, 3]
    _put(out, at, dates.drop(columns="line_id"), {})
    out["promised_date"], out["first_promised_date"] = lines["promised_date"], lines["first_promised_date"]
    out["on_time_prob"] = _pick(at, ship.cdf(outcomes.lines["promised_date"]))
    slowest = _slowest_of_order(outcomes)
    out["supply_state"] = np.where(at >= 0, _pick_text(at, _STATES[shares.argmax(axis=1)[slowest]]), "unknown")
    out["promise_state"] = promise_state(out["promised_date"], out["on_time_prob"], past)
    out["status"] = status(out, lines["is_stale"].to_numpy())
    out["pegged_po_line_id"] = _pick_text(at, best[slowest])
    out["pegged_prob"] = _pick(at, best_share[slowest])
    out["late_reason"] = _pick_text(at, _late_reasons(outcomes, ship, slowest))
    basis = np.full(len(outcomes.lines), "scenarios", dtype=object)
    basis[outcomes.exact.rows] = "exact"
    out["date_basis"] = _pick_text(at, basis)
    return check_output("line_eta", out)


def _late_reasons(outcomes: Outcomes, ship: Law, slowest: np.ndarray) -> np.ndarray:
    """Why each simulated line, or the one it waits for, is late; None where it hardly is."""
    found = lateness(outcomes.layout, outcomes.config.simulation.jobs)
    late = 1.0 - ship.cdf(found.due) > 1.0 - outcomes.config.promise.at_risk_below
    reasons = np.asarray(np.where(late, found.reason()[slowest], None))
    return reasons


def _put(out: pd.DataFrame, at: np.ndarray, rows: pd.DataFrame, defaults: dict[str, float]) -> None:
    """Copy columns of the simulated lines to the rows of all open lines; missing where there is none."""
    found = rows.reindex(np.where(at >= 0, at, -1))
    for name in rows:
        values = found[name].reset_index(drop=True)
        out[name] = values.fillna(defaults[name]) if name in defaults else values


def _pick(at: np.ndarray, values: np.ndarray) -> np.ndarray:
    if not len(values):
        return np.full(len(at), np.nan)
    picked: np.ndarray = np.where(at >= 0, values[np.maximum(at, 0)], np.nan)
    return picked


def _pick_text(at: np.ndarray, values: np.ndarray) -> pd.Series:
    return pd.Series([values[i] if i >= 0 else None for i in at], dtype=TEXT)


def _places(outcomes: Outcomes) -> pd.DataFrame:
    """Today's place in the queue of each simulated line, and what stock would reserve for it."""
    lines = outcomes.lines
    stock = outcomes.past.stock["on_hand"].to_numpy()[lines["sku"].to_numpy()]
    joined = (lines["wanted_date"] <= outcomes.past.day).to_numpy()
    need = np.where(joined, lines["open_qty"].to_numpy(), 0.0)
    ahead = pd.Series(need).groupby(lines["sku"].to_numpy()).cumsum().to_numpy() - need
    ready = np.clip(np.maximum(stock, 0.0) - ahead, 0.0, need)
    if outcomes.served.sharing:
        ready = _shares(outcomes, need, np.maximum(stock, 0.0))
    return pd.DataFrame(
        {
            "ready_qty": ready,
            "queue_position": lines.groupby("sku").cumcount().to_numpy() + 1.0,
        }
    )


def _shares(outcomes: Outcomes, need: np.ndarray, stock: np.ndarray) -> np.ndarray:
    """What each simulated line would get of today's stock where it is shared."""
    sku, ready = outcomes.lines["sku"].to_numpy(), np.zeros(len(need))
    edges = np.flatnonzero(np.diff(sku, prepend=-1, append=-1))  # lines lie by SKU
    for a, b in pairwise(edges):
        if stock[a] > 0.0:
            unit = float(outcomes.demand.unit[sku[a]])
            ready[a:b] = outcomes.served.shares(need[a:b], float(stock[a]), unit)
    return ready


def _waits_for(outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chance of each supply state [lines × 5], and the purchase that most probably completes each line."""
    n, purchases = len(outcomes.lines), outcomes.supply.purchases
    share = outcomes.tally.peg / outcomes.scenarios
    begin, of_line = outcomes.line_records["peg_from"], outcomes.peg_line
    bought = np.flatnonzero(outcomes.peg_purchase >= 0)
    line, purchase, chance = of_line[bought], outcomes.peg_purchase[bought], share[bought]
    overdue = (purchases["promised_date"] <= outcomes.past.day).to_numpy(bool)[purchase]
    due, late = (np.bincount(line, chance * kind, n) for kind in (~overdue, overdue))
    shares = np.stack([share[begin + STOCK], due, late, share[begin + PLANNED], share[begin + NONE]], axis=1)
    # the most probable purchase of each line; of equal ones the first
    order = np.lexsort((bought, -chance, line))
    first = order[np.diff(line[order], prepend=-1) > 0]
    first = first[chance[first] > 0]
    best, best_share = np.full(n, None, dtype=object), np.full(n, np.nan)
    best[line[first]] = purchases["po_line_id"].to_numpy(object)[purchase[first]]
    best_share[line[first]] = chance[first]
    return shares, best, best_share


def _slowest_of_order(outcomes: Outcomes) -> np.ndarray:
    """The simulated line that each one waits for: itself, or the slowest line of an order that ships complete."""
    lines = outcomes.lines
    own = np.arange(len(lines))
    tied = lines["firm_row"].to_numpy() >= 0
    late = outcomes.own_dates.table[tied].sum(axis=1)  # little mass early: slow
    by = pd.DataFrame({"row": own[tied], "order": lines.loc[tied, "firm_row"].to_numpy(), "mass": late})
    last = by.sort_values(["order", "mass", "row"]).drop_duplicates("order").set_index("order")["row"]
    own[tied] = last.reindex(by["order"].array).to_numpy()
    return own


def promise_state(promised: pd.Series, kept: pd.Series, past: Past) -> np.ndarray:
    """`none`, `late` (missed, or more likely missed than kept), `at_risk`, or `kept_likely`."""
    chance = kept.fillna(0.0)
    missed = (promised <= past.day) | (kept.notna() & (chance < 0.5))
    low = chance < past.config.promise.at_risk_below
    nothing = promised.isna() | kept.isna() & ~missed
    state: np.ndarray = np.select([nothing, missed, low], ["none", "late", "at_risk"], "kept_likely")
    return state


def status(out: pd.DataFrame, stale: np.ndarray) -> np.ndarray:
    """The first that holds, in the contract's order."""
    state, promise = out["supply_state"].to_numpy(object), out["promise_state"].to_numpy(object)
    found: np.ndarray = np.select(
        [
            (state == "unknown") & ~stale, stale, state == "none", promise == "late", state == "ready",
            promise == "at_risk", promise == "kept_likely",
        ],
        ["unknown", "stale", "no_supply", "late", "ready", "at_risk", "on_time"],
        "waiting",
    )  # fmt: skip
    return found


def order_eta(outcomes: Outcomes, lines: pd.DataFrame | None = None) -> pd.DataFrame:
    """The output table `order_eta`: when the last open line of each order leaves."""
    lines = line_eta(outcomes) if lines is None else lines
    orders = lines.groupby("order_id", sort=True).agg(lines=("line_id", "size"), open_qty=("open_qty", "sum"))
    out = orders.reset_index()
    law = _order_law(outcomes, lines, out["order_id"])
    # an order with a line of which nothing is known has no date
    doubtful = out["order_id"].isin(lines.loc[lines["supply_state"] == "unknown", "order_id"]).to_numpy()
    dates = law.quantile(_LEVELS)
    for level in (10, 50, 90):
        out[f"p{level}_date"] = dates[f"p{level}_date"].where(~doubtful)
    out["ship_prob"] = np.where(doubtful, np.nan, law.table[:, -1])
    out["on_time_prob"] = np.where(doubtful, np.nan, _order_on_time(outcomes, lines, out["order_id"]))
    last = lines.sort_values(["order_id", "p50_date", "line_id"], na_position="last")
    last = last.drop_duplicates("order_id", keep="last")
    state = last.set_index("order_id")["supply_state"].reindex(out["order_id"].array).to_numpy(object)
    out["supply_state"] = np.where(doubtful, "unknown", state)
    promised = lines.groupby("order_id")["promised_date"].min().reindex(out["order_id"].array).reset_index(drop=True)
    out["promise_state"] = promise_state(promised, out["on_time_prob"], outcomes.past)
    stale = out["order_id"].isin(lines.loc[lines["status"] == "stale", "order_id"]).to_numpy()
    out["status"] = status(out, stale)
    return check_output("order_eta", out)


def _order_law(outcomes: Outcomes, lines: pd.DataFrame, order_ids: pd.Series) -> Law:
    """The law of each order's last day: that of its several lines, or of its only one."""
    several = pd.Index(outcomes.orders["order_id"]).get_indexer(order_ids)
    simulated = outcomes.lines.drop_duplicates("order_id", keep="last")
    row = pd.Series(simulated.index, index=simulated["order_id"].array).reindex(order_ids.array)
    table = np.zeros((len(order_ids), outcomes.horizon))
    single = row.notna().to_numpy()
    table[single] = outcomes.ship_dates.table[row[row.notna()].astype(int).to_numpy()]
    table[several >= 0] = outcomes.order_law.table[several[several >= 0]]
    return Law(pd.DataFrame({"order_id": order_ids}), table, start=1, origin=outcomes.past.day)


def _order_on_time(outcomes: Outcomes, lines: pd.DataFrame, order_ids: pd.Series) -> np.ndarray:
    """Chance that every line of the order that has a date in force keeps it."""
    alone = lines.groupby("order_id")["on_time_prob"].min().reindex(order_ids.array).to_numpy(float)
    mine = outcomes.lines[outcomes.lines["order_row"] >= 0]
    day = -outcomes.past.days_since(mine["promised_date"])
    own = leave_days(mine, outcomes.tally)
    row = mine["order_row"].to_numpy()
    leaves = np.where(mine["ship_complete"].to_numpy(bool)[:, None], outcomes.order_days[row], own)
    kept = np.where(np.isnan(day)[:, None], True, leaves <= np.nan_to_num(day)[:, None])
    all_kept = np.ones((len(outcomes.orders), outcomes.scenarios), bool)
    np.logical_and.at(all_kept, row, kept)
    at = pd.Index(outcomes.orders["order_id"]).get_indexer(order_ids)
    several: np.ndarray = np.where((at >= 0) & ~np.isnan(alone), _pick(at, all_kept.mean(axis=1)), alone)
    return several


def purchase_eta(past: Past, lead_times: LeadTimes) -> pd.DataFrame:
    """The output table `purchase_eta`: when what is open at suppliers will come."""
    rows = lead_times.open_rows
    law = lead_times.remaining
    columns = ["po_line_id", "item_id", "location_id", "supplier_id", "open_qty", "ordered_at", "promised_date"]
    out = rows[columns].copy()
    out["age_days"] = past.days_since(rows["ordered_at"])
    out["overdue_days"] = np.maximum(past.days_since(rows["promised_date"]), 0.0)
    out["first_p50_date"] = lead_times.remaining_first.quantile([0.5])["p50_date"]
    for level, name in ((0.1, "p10_date"), (0.5, "p50_date"), (0.9, "p90_date")):
        out[name] = days_to_dates(past.day, law.quantile_array([level])[:, 0])
    out["receive_prob"] = law.table[:, -1]
    out["late_prob"] = 1.0 - law.cdf(rows["promised_date"])
    return check_output("purchase_eta", out)
