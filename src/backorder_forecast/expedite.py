"""What each open purchase would save if it came sooner: the table `expedite`, on the scenarios of the outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core import components
from .core.expedite import ITEM, MEASURES, WAITS, gains, moved
from .core.queue_kernel import PLANNED
from .executors import run_partitions
from .kinds import as_lines, protected_groups
from .rules import first_come, priority
from .tables import check_output, empty

if TYPE_CHECKING:
    from .core.queue_kernel import Problem
    from .queue import Outcomes


def expedite_table(outcomes: Outcomes) -> pd.DataFrame:
    """The output table `expedite`: a row for every open purchase of a simulated SKU and each of the configured days."""
    sooner = np.array(sorted({*outcomes.config.queue.expedite_days}), np.int64)
    if not len(sooner) or not outcomes.problem.po_qty.size:
        return empty("expedite")
    line = _waits(outcomes)
    sums = _by_curves(outcomes, line, sooner)
    basis = np.where(_curves_hold(outcomes)[_sku_of(outcomes.problem, "po")], "curves", "approximate").astype(object)
    chosen = _worth_simulating(outcomes, sums, basis)
    basis[chosen] = "simulated"
    _simulate_again(outcomes, line, sooner, chosen, sums)
    return check_output("expedite", _as_frame(outcomes, sooner, sums, basis))


def _sku_of(problem: Problem, of: str) -> np.ndarray:
    """The row of `problem.sku` of each line, or (of "po") of each purchase."""
    count = problem.sku[f"{of}_to"] - problem.sku[f"{of}_from"]
    return np.repeat(np.arange(problem.sku.size), count)


def _waits(outcomes: Outcomes) -> np.ndarray:
    """The simulated lines as the kernel of expediting reads them."""
    records, lines = outcomes.line_records, outcomes.lines
    out = np.zeros(len(lines), WAITS)
    for name in ("need", "wanted", "pieces", "min_ship"):
        out[name] = records[name]
    due = -outcomes.past.days_since(lines["promised_date"])
    out["due"] = np.nan_to_num(np.maximum(due, 0.0))
    seen = as_lines(outcomes.past, lines, "open_qty", "promised_date")
    out["value"] = np.nan_to_num(seen.unit_price * seen.open_qty)
    return out


def _by_curves(outcomes: Outcomes, line: np.ndarray, sooner: np.ndarray) -> np.ndarray:
    """Sums over scenarios [purchases × sooner × measures × 2] by the curves of each SKU's need and supply."""
    p = outcomes.problem
    item = np.zeros(p.sku.size, ITEM)
    item["stock"], item["location"] = p.sku["free"], p.sku["location"]
    for name in ("line_from", "line_to", "po_from", "po_to"):
        item[name] = p.sku[name]
    out = np.zeros((p.po_qty.size, len(sooner), len(MEASURES), 2))
    following = np.ascontiguousarray(p.calendar["next"])
    cost = (1.0 + item["line_to"] - item["line_from"]) * (1.0 + item["po_to"] - item["po_from"])
    run_partitions(
        lambda a, b: gains(item, line, p.line_draw, p.po_qty, p.po_draw, following, p.working_days, p.receive_on,
                           sooner, out, a, b),
        cost, outcomes.config.simulation.jobs,
    )  # fmt: skip
    return out


def _curves_hold(outcomes: Outcomes) -> np.ndarray:
    """Of which simulated SKUs the curves say all: lines served in turn, before all demand to come."""
    lines, p, rule = outcomes.lines, outcomes.problem, outcomes.served
    in_turn = rule.key in (first_come, priority) and not rule.sharing and not protected_groups(outcomes.past).count
    planned = outcomes.tally.peg[p.line["peg_from"] + PLANNED] if len(lines) else np.zeros(0)
    bad = (
        (lines["firm_row"].to_numpy() >= 0)
        | (p.line["wanted"] > 1)
        | (lines["class"].to_numpy() > outcomes.demand.classes.min())
        | (planned > 0)
    )
    found: np.ndarray = in_turn & (np.bincount(_sku_of(p, "line"), bad, p.sku.size) == 0)
    return found


def _worth_simulating(outcomes: Outcomes, sums: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Purchases that seem to save most, of those of which the curves do not say all, as many as are to be simulated."""
    seems, p = sums[:, :, 0, 0].max(axis=1), outcomes.problem
    order = np.lexsort((np.arange(len(seems)), -seems))
    wanted = order[(basis[order] == "approximate") & (seems[order] > 0)]
    most = outcomes.config.queue.expedite_simulated
    size = np.diff(p.component["sku"])[_component_of(p, wanted)] * sums.shape[1]
    wanted, size = wanted[size <= most], size[size <= most]
    chosen: np.ndarray = np.sort(wanted[np.cumsum(size) <= most])
    return chosen


def _component_of(p: Problem, purchases: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.searchsorted(p.component["sku"], _sku_of(p, "po")[purchases], side="right") - 1
    return found


def _simulate_again(
    outcomes: Outcomes, line: np.ndarray, sooner: np.ndarray, rows: np.ndarray, sums: np.ndarray
) -> None:
    """Put what the whole simulation says in the rows of some purchases; those of a component share its base."""
    p = outcomes.problem
    found, at = np.unique(_component_of(p, rows), return_inverse=True)

    def work(start: int, stop: int) -> None:
        for i in range(start, stop):
            _simulate_component(p, line, sooner, int(found[i]), rows[at == i], sums)

    cost = np.diff(p.component["sku"])[found] * (1.0 + np.bincount(at, minlength=len(found)))
    run_partitions(work, cost, outcomes.config.simulation.jobs)


def _simulate_component(
    p: Problem, line: np.ndarray, sooner: np.ndarray, c: int, rows: np.ndarray, sums: np.ndarray
) -> None:
    g = p.component["sku"][c]
    own = components.one_component(p, c)
    lines = line[p.sku["line_from"][g] :][: own.line.size]
    before = _ends(own)
    for j in rows:
        for m, days in enumerate(sooner):
            draw = own.po_draw.copy()
            mine = draw[j - p.sku["po_from"][g]]
            for name in ("first", "rest"):
                mine[name] = [moved(int(d), int(days), p.receive_on) for d in mine[name]]
            after = _ends(own._replace(po_draw=draw))
            for i, saved in enumerate(savings(lines, before, after)):
                sums[j, m, i] = saved.sum(), (saved**2).sum()


def _ends(p: Problem) -> np.ndarray:
    tally = components.simulated(p)
    return components.ends(p, components.departures(p.line["slot"], p.line["order"], tally))


def end_days(outcomes: Outcomes) -> np.ndarray:
    """The day on which each simulated line leaves or its customer does [lines × scenarios], of every line's days."""
    lines, p = outcomes.lines, outcomes.problem
    days = components.departures(lines["slot"].to_numpy(), lines["firm_row"].to_numpy(), outcomes.tally)
    return components.ends(p, days)


def savings(line: np.ndarray, before: np.ndarray, after: np.ndarray) -> list[np.ndarray]:
    """Each of MEASURES by scenario, from the days on which lines (WAITS) end [lines × scenarios]."""
    saved = (before - after).astype(float)
    due = np.where(line["due"] > 0, line["due"], np.iinfo(np.int64).max)[:, None]
    kept = (before > due).astype(float) - (after > due)
    return [saved.sum(axis=0), kept.sum(axis=0), line["value"] @ saved, line["value"] @ kept]


def _as_frame(outcomes: Outcomes, sooner: np.ndarray, sums: np.ndarray, basis: np.ndarray) -> pd.DataFrame:
    n, rows = outcomes.scenarios, outcomes.po_rows
    columns = ["po_line_id", "item_id", "location_id", "supplier_id", "open_qty"]
    bought = outcomes.supply.purchases[columns].iloc[np.repeat(rows, len(sooner))].reset_index(drop=True)
    bought["sooner_days"] = np.tile(sooner, len(rows))
    mean = sums[..., 0] / n
    spread = np.maximum(sums[..., 1] / n - mean**2, 0.0)
    for i, name in enumerate(MEASURES):
        bought[f"{name}_saved"] = mean[..., i].ravel()
        bought[f"{name}_error"] = np.sqrt(spread[..., i] / max(n - 1, 1)).ravel()
    bought["basis"] = np.repeat(basis, len(sooner))
    return bought.sort_values(["po_line_id", "sooner_days"], ignore_index=True)


def with_line_days(purchases: pd.DataFrame, expedite: pd.DataFrame, days: tuple[int, ...]) -> pd.DataFrame:
    """`purchase_eta` with what each purchase saves if it comes the first of these days sooner."""
    chosen = expedite[expedite["sooner_days"] == (days[0] if days else 0)]
    saved = purchases["po_line_id"].map(chosen.set_index("po_line_id")["line_days_saved"])
    # a line served sooner, whose customer would have left, can cost another's days: next to nothing, on the whole
    return check_output("purchase_eta", purchases.assign(expedite_line_days=saved.clip(lower=0.0)))
