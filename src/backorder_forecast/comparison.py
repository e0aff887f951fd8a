"""Rules compared on the same futures: what the waiting lines gain and lose, with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .adopt import demand_from
from .errors import UsageError
from .kinds import as_lines
from .policy import Policies, set_policies
from .queue import Outcomes, leave_days, simulate
from .rules import AnyRule
from .service import Service, learn_service
from .tables import check_output

if TYPE_CHECKING:
    from .forecast import Forecast
    from .past import Past
    from .supply import Supply

USUAL = ("first_come", "priority", "promised", "smallest", "revenue", "max_min")
_WITHIN = (7, 28)


def compare_rules(
    past: Past, demand: Forecast, supply: Supply, rules: Sequence[AnyRule] = USUAL, *, seed: int | None = None,
    policies: Policies | None = None, service: Service | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Simulate the waiting lines under each rule, scenario by scenario alike.

    Returns rule, metric, value, standard_error, and difference, difference_error against the first rule: of the means
    over lines, their standard errors over scenarios. Metrics, over the lines that wait today, each if it goes on
    waiting: `days` until it leaves (beyond the horizon: one day more), `days_by_value` (weighted by unit price × open
    quantity), `days_of_slowest` (the slowest tenth of a scenario), `within_7`, `within_28` (share that has left), and
    `on_time` (share of promises in force, not missed yet, that are kept).
    Raises: ``UsageError`` for an unknown rule, none, or one twice.
    """
    if not rules:
        raise UsageError("no rule to compare; name some, e.g. rules=['first_come', 'max_min']")
    asked = demand_from(past, demand)
    policies = policies or set_policies(past, asked, supply.lead_times)
    service = service or learn_service(past)
    seen: dict[str, pd.DataFrame] = {}
    for rule in rules:
        found = simulate(past, asked, supply, rule=rule, seed=seed, policies=policies, service=service, every_day=True)
        if found.rule in seen:
            raise UsageError(f"rule {found.rule!r} is there twice")
        seen[found.rule] = line_measures(found)
    base = next(iter(seen.values()))
    return pd.concat([differences("rule", name, found, base) for name, found in seen.items()], ignore_index=True)


def compared(past: Past) -> list[AnyRule]:
    """The run's rule and those to be compared with it; none: nothing is compared."""
    queue = past.config.queue
    others: list[AnyRule] = [x for x in dict.fromkeys(queue.compare) if x != queue.rule]
    return [queue.rule, *others] if others else []


def comparison_of(outcomes: Outcomes) -> pd.DataFrame:
    """The output table `rule_comparison`: the rules to be compared, on the run's own futures."""
    found = compare_rules(
        outcomes.past, outcomes.demand, outcomes.supply, compared(outcomes.past), seed=outcomes.seed,
        policies=outcomes.policies, service=outcomes.service,
    )  # fmt: skip
    return check_output("rule_comparison", found)


def line_measures(outcomes: Outcomes) -> pd.DataFrame:
    """Each metric of the waiting lines in each scenario [scenarios × metrics]; every line has its days."""
    lines, past = outcomes.lines, outcomes.past
    days = leave_days(lines, outcomes.tally).astype(float)
    if not len(lines):
        return pd.DataFrame(index=range(outcomes.scenarios))
    out = {"days": days.mean(axis=0)}
    seen = as_lines(past, lines, "open_qty", "promised_date")
    value = np.nan_to_num(seen.unit_price * seen.open_qty)
    if value.sum() > 0:
        out["days_by_value"] = value @ days / value.sum()
    tenth = max(1, len(lines) // 10)
    out["days_of_slowest"] = np.partition(days, len(lines) - tenth, axis=0)[-tenth:].mean(axis=0)
    out |= {f"within_{x}": (days <= x).mean(axis=0) for x in _WITHIN if x <= outcomes.horizon}
    promised = -past.days_since(lines["promised_date"])
    kept = promised >= 1
    if kept.any():
        out["on_time"] = (days[kept] <= promised[kept, None]).mean(axis=0)
    return pd.DataFrame(out)


def differences(of: str, name: str, found: pd.DataFrame, base: pd.DataFrame) -> pd.DataFrame:
    """Rows of one rule or variant, its name in column `of`: metrics [scenarios × metrics] beside those of the base.

    Differences are taken scenario by scenario, so that what both share cancels out.
    """
    root = np.sqrt(len(found))
    less = found - base
    return pd.DataFrame(
        {
            of: name, "metric": found.columns, "value": found.mean().to_numpy(),
            "standard_error": found.std(ddof=1).to_numpy() / root,
            "difference": less.mean().to_numpy(), "difference_error": less.std(ddof=1).to_numpy() / root,
        }
    )  # fmt: skip
