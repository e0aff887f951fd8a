"""The same scenarios with something changed: what waiting lines, and all that is still to be ordered, gain and lose."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .answer import records
from .change import Change
from .comparison import differences, line_measures
from .errors import UsageError
from .expedite import end_days
from .law import Law
from .queue import leave_days
from .tables import check_output

if TYPE_CHECKING:
    from .queue import Outcomes
    from .queue_inputs import QueueInputs
    from .result import Run

AS_IT_IS = "as it is"
PRINTED = 15  # lines told in full as text
_CELLS = 1 << 26  # numbers of projected stock that are held at once


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf:
    """What changes bring: ``table`` (a row for each variant and metric), ``lines`` (those whose dates differ), notes.

    Metrics of the lines that wait today are those of :func:`compare_rules`, and ``line_days`` (until they leave or
    their customers do, all lines together) and ``late_lines`` (promises in force that are missed). Of all demand, that
    to come included: ``backordered_unit_days`` and their value, ``mean_stock`` and its value (of a mean day).
    """

    as_of: pd.Timestamp
    table: pd.DataFrame
    lines: pd.DataFrame
    told: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"as_of": str(self.as_of.date()), "variants": dict(self.told), "metrics": records(self.table),
                "lines": records(self.lines), "notes": list(self.notes)}  # fmt: skip

    def __str__(self) -> str:
        parts = [f"what if, as of {self.as_of.date()}"]
        for name, what in self.told.items():
            rows = self.table[self.table["variant"] == name]
            moved = self.lines[self.lines["variant"] == name]
            parts += [f"{name}: {what}", *(_metric_text(x) for x in records(rows))]
            parts += [f"  {len(moved)} line{'s' * (len(moved) != 1)} with other dates"]
            parts += [_line_text(x) for x in records(moved.head(PRINTED))]
        return "\n".join([*parts, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def what_if(run: Run, variants: Mapping[str, Change | Mapping[str, Any]]) -> WhatIf:
    """Simulate each variant on the run's scenarios; see :meth:`Run.what_if`."""
    if not variants:
        raise UsageError("nothing is changed; say what, e.g. sooner={'P1': 7} (--sooner P1=7)")
    inputs = run.queue_inputs
    changes = {str(name): Change.of(x) for name, x in variants.items()}
    if AS_IT_IS in changes:
        raise UsageError(f"{AS_IT_IS!r} is what all variants are compared with; name yours otherwise")
    changed = {name: x.applied(inputs) for name, x in changes.items()}  # whatever is wrong is said before hours pass
    paths, notes = _recorded(inputs)
    base = inputs.simulate(every_day=True, paths=paths)
    before = measures(base)
    tables, lines = [differences("variant", AS_IT_IS, before, before)], []
    for name, change in changes.items():
        after = changed[name].simulate(rule=change.rule, every_day=True, paths=paths)
        tables.append(differences("variant", name, measures(after), before))
        lines.append(_moved_lines(name, base, after))
    told = {name: x.told() for name, x in changes.items()}
    return WhatIf(run.as_of, check_output("what_if", pd.concat(tables, ignore_index=True)),
                  check_output("what_if_lines", pd.concat(lines, ignore_index=True)), told, notes)  # fmt: skip


def _recorded(inputs: QueueInputs) -> tuple[np.ndarray, tuple[str, ...]]:
    """The SKUs whose stock is recorded by day: all, or as many as can be held, those with most units waiting first."""
    simulation, skus = inputs.past.config.simulation, len(inputs.past.skus)
    most = max(1, _CELLS // (2 * simulation.scenarios * simulation.horizon_days))
    if skus <= most:
        return np.arange(skus), ()
    level = np.nan_to_num(inputs.demand.mean_per_day())
    chosen = np.sort(np.lexsort((np.arange(skus), -level))[:most])
    return chosen, (f"stock and backorders by day are those of the {most} items at locations with most demand",)


def measures(outcomes: Outcomes) -> pd.DataFrame:
    """Every metric in each scenario [scenarios × metrics]."""
    out = line_measures(outcomes)
    lines = outcomes.lines
    if len(lines):
        end = end_days(outcomes)
        begin = np.maximum(outcomes.problem.line["wanted"], 0)[:, None]
        out["line_days"] = np.maximum(end - begin, 0).sum(axis=0).astype(float)
        due = -outcomes.past.days_since(lines["promised_date"])
        promised = ~np.isnan(due)
        out["late_lines"] = (end[promised] > due[promised, None]).sum(axis=0).astype(float)
    paths, skus = outcomes.tally.paths, outcomes.past.skus.iloc[outcomes.path_skus]
    if len(paths):
        stock, short = paths.mean(axis=3, dtype=float).transpose(1, 0, 2)
        days = outcomes.horizon
        out["backordered_unit_days"] = short.sum(axis=0) * days
        out["backordered_value_days"] = np.nan_to_num(skus["unit_price"].to_numpy(float)) @ short * days
        out["mean_stock"] = np.maximum(stock, 0.0).sum(axis=0)
        out["mean_stock_value"] = np.nan_to_num(skus["unit_cost"].to_numpy(float)) @ np.maximum(stock, 0.0)
    return out


def _moved_lines(name: str, base: Outcomes, other: Outcomes) -> pd.DataFrame:
    """Lines that leave on another day in some scenario, each if its customer goes on waiting; counted in scenarios."""
    at = pd.Index(other.lines["line_id"]).get_indexer(base.lines["line_id"])
    before, after = leave_days(base.lines, base.tally).astype(float), leave_days(other.lines, other.tally).astype(float)
    after = after[at]
    moved = np.flatnonzero((before != after).any(axis=1))
    saved = before[moved] - after[moved]
    lines = base.lines.iloc[moved]
    out = lines[["line_id", "order_id", "customer_id", "item_id", "location_id", "open_qty"]].reset_index(drop=True)
    out.insert(0, "variant", name)
    for prefix, days in (("", before[moved]), ("new_", after[moved])):
        law = _law(base, lines, days)
        dates = law.quantile([0.5, 0.9])
        out[f"{prefix}p50_date"], out[f"{prefix}p90_date"] = dates["p50_date"], dates["p90_date"]
        out[f"{prefix}on_time_prob"] = law.cdf(lines["promised_date"].reset_index(drop=True))
    out["days_sooner"] = saved.mean(axis=1)
    out["days_sooner_error"] = saved.std(axis=1, ddof=1) / np.sqrt(base.scenarios) if base.scenarios > 1 else 0.0
    order = np.lexsort((out["line_id"].to_numpy(object), -out["days_sooner"].abs()))
    return out.iloc[order].reset_index(drop=True)


def _law(outcomes: Outcomes, lines: pd.DataFrame, days: np.ndarray) -> Law:
    width = outcomes.horizon + 2
    cell = np.arange(len(days))[:, None] * width + days.astype(np.int64)
    counts = np.bincount(cell.ravel(), minlength=len(days) * width).reshape(-1, width)
    table = np.cumsum(counts[:, 1:-1], axis=1) / outcomes.scenarios
    return Law(lines[["line_id"]], table, start=1, origin=outcomes.past.day)


def _metric_text(row: dict[str, Any]) -> str:
    change = "" if not row["difference"] else f"  {row['difference']:+,.3g} ± {row['difference_error'] or 0.0:,.2g}"
    return f"  {row['metric']:<24}{row['value']:>14,.4g}{change}"


def _line_text(row: dict[str, Any]) -> str:
    before, after = (row[x] or "beyond the horizon" for x in ("p50_date", "new_p50_date"))
    days = f"{abs(row['days_sooner']):.1f} days {'sooner' if row['days_sooner'] > 0 else 'later'}"
    return f"    {row['line_id']} ({row['item_id']} at {row['location_id']}): p50 {before} → {after}, {days} on average"
