"""`run`: the whole flow, from a data set to a `Run`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import eta, evaluate, expedite, reorder, risk
from .adopt import demand_from
from .comparison import compared, comparison_of
from .config import Config
from .demand import Demand, forecast_demand
from .errors import UsageError
from .lead_time import LeadTimes, fit_lead_times
from .past import Past, rebuild, sku_codes
from .places import TYING
from .policy import set_policies
from .queue import Outcomes, simulate
from .queue_inputs import QueueInputs
from .result import Run
from .service import learn_service
from .substitutes import substitute_offers
from .suppliers import supplier_scorecard, supplier_survival
from .supply import forecast_supply

if TYPE_CHECKING:
    from .dataset import Dataset
    from .forecast import Forecast

Progress = Callable[[str], Any]


def run(
    data: Dataset,
    as_of: str | pd.Timestamp | None = None,
    config: Config | None = None,
    seed: int | None = None,
    *,
    demand: Forecast | None = None,
    lead_times: LeadTimes | None = None,
    progress: Progress | None = None,
) -> Run:
    """Do the main job on what was known at the end of `as_of` (default: the latest day of the data).

    `demand` and `lead_times` replace those stages. Raises: ``UsageError`` for a day that is none or before the first
    fact, or a seed that is none.
    """
    config = config or data.config
    seed = config.simulation.seed if seed is None else seed
    say = progress or (lambda stage: None)
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed is a whole number from 0 on, got {seed!r}")
    past = rebuild(data, data.standing_day(as_of), config)
    told = _Told(past, seed)
    if "order_lines" in past.given:
        say("demand")
        told.demand = forecast_demand(past) if demand is None else demand_from(past, demand)
    if past.given & {"purchase_lines", "transfers"} or told.can_simulate:
        say("lead times")
        told.lead_times = lead_times or fit_lead_times(past)
    if told.can_simulate:
        say("queue")
        told.outcomes = _simulate(past, told.demand, told.lead_times, seed)
    say("tables")
    told.make_tables()
    if told.outcomes is not None and config.replay.days:
        say("replay")
        told.add_replay(evaluate.replay(data, config=config, before=past.day, seed=seed))
    return told.as_run(data)


def _simulate(past: Past, demand: Demand | None, lead_times: LeadTimes | None, seed: int) -> Outcomes:
    assert demand is not None
    assert lead_times is not None
    policies = set_policies(past, demand, lead_times)
    supply, paths = forecast_supply(past, lead_times), _worth_drawing(past, demand)
    return simulate(
        past, demand, supply, seed=seed, policies=policies, service=learn_service(past), paths=paths
    )


def _worth_drawing(past: Past, demand: Demand) -> np.ndarray:
    """The SKUs whose projected stock is recorded for the report: most units waiting, then least stock for demand."""
    waiting = past.lines[past.lines["open_qty"] > 0]
    units = np.bincount(sku_codes(past, waiting), waiting["open_qty"], len(past.skus))
    on_hand = past.stock["on_hand"].to_numpy()
    units[np.isnan(on_hand)] = -1.0
    lacking = 28.0 * demand.mean_per_day() - np.nan_to_num(on_hand)
    order = np.lexsort((-lacking, -units))
    return order[units[order] >= 0][: past.config.report.charts]


class _Told:
    """What a run can say so far, and why it cannot say the rest."""

    def __init__(self, past: Past, seed: int) -> None:
        self.past, self.seed = past, seed
        self.demand: Demand | None = None
        self.lead_times: LeadTimes | None = None
        self.outcomes: Outcomes | None = None
        self.tables: dict[str, pd.DataFrame] = {}
        self.state: dict[str, pd.DataFrame] = {}
        self.missing: dict[str, str] = {}
        self.notes = list(past.notes)

    @property
    def can_simulate(self) -> bool:
        """Orders and stock are enough; without purchases under stated lead times."""
        return {"order_lines", "stock"} <= self.past.given

    def make_tables(self) -> None:
        """Every output table that can be said, and a reason for each that cannot."""
        self._part("demand_forecast", self.demand, lambda x: x.output(), "there are no order_lines")
        bought = self.lead_times if self.past.given & {"purchase_lines", "transfers"} else None
        self._part("lead_times", bought, lambda x: x.table(), "there are no purchase_lines")
        self._part("purchase_eta", bought, lambda x: eta.purchase_eta(self.past, x), "there are no purchase_lines")
        survival = supplier_survival(self.past) if bought is not None else None
        self._part("supplier_scorecard", survival, lambda x: supplier_scorecard(self.past, x),
                   "there are no purchase_lines")  # fmt: skip
        if bought is not None and survival is not None:
            self.state |= {"supplier_survival": survival, "lead_time_correction": bought.learned()}
        absent = [x for x in ("order_lines", "stock") if x not in self.past.given]
        why = f"there is no {' and no '.join(absent)} table"
        self._part("line_eta", self.outcomes, eta.line_eta, why)
        self._part("order_eta", self.outcomes, lambda x: eta.order_eta(x, self.tables["line_eta"]), why)
        self._part("backorder_risk", self.outcomes, risk.backorder_risk, why)
        self._part("reorder_points", self.outcomes, reorder.reorder_points, why)
        if compared(self.past):
            self._part("rule_comparison", self.outcomes, comparison_of, why)
        if bought is not None:
            self._expedite(why)
        self._substitutes()
        if self.outcomes is not None:
            self.state["stock_paths"] = risk.stock_paths(self.outcomes)
        self._notes()

    def _expedite(self, why: str) -> None:
        """What purchases save by coming sooner, in a table of its own and beside their dates."""
        self._part("expedite", self.outcomes, expedite.expedite_table, why)
        if "expedite" in self.tables:
            days = self.past.config.queue.expedite_days
            both = self.tables["purchase_eta"], self.tables["expedite"]
            self.tables["purchase_eta"] = expedite.with_line_days(*both, days)

    def _substitutes(self) -> None:
        """What may be sent instead of late lines, where a table says so."""
        if self.outcomes is not None and len(self.past.tables["substitutes"]):
            self.tables["substitute_offers"], said = substitute_offers(self.outcomes, self.tables["line_eta"])
            self.notes += said

    def _part(self, name: str, stage: Any, make: Callable[[Any], pd.DataFrame], why: str) -> None:
        if stage is None:
            self.missing[name] = why
        else:
            self.tables[name] = make(stage)

    def _notes(self) -> None:
        """What the stages assumed, and what a reader should know of the input."""
        for stage in (self.demand, self.lead_times):
            self.notes += list(stage.notes) if stage is not None else []
        if self.outcomes is not None:
            self.notes += self._notes_of_queue(self.outcomes)

    def _notes_of_queue(self, outcomes: Outcomes) -> list[str]:
        service, policies, stock = outcomes.service, outcomes.policies.frame, self.past.stock
        learned = self.past.config.queue.patience == "learned"
        patience = service.patience.note() if learned else "customers wait as long as it takes (queue.patience)"
        unknown = stock["on_hand"].isna()
        reasons = stock.loc[unknown, "reason"].value_counts().sort_index()
        told = "; ".join(f"{count}: {reason}" for reason, count in reasons.items())
        derived, stale = int((~policies["stated"]).sum()), int(self.past.lines["is_stale"].sum())
        said = {
            f"stock of {len(stock[unknown])} of {len(stock)} items at locations is unknown ({told})": unknown.any(),
            f"{derived} items at locations state no policy: theirs is derived from demand over the lead time": derived,
            "no purchases: lead times are the planned ones of the policies": "purchase_lines" not in self.past.given,
            "service measure 'wait' is not computed yet: cycle service is shown instead": (
                policies["service_measure"] == "wait"
            ).any(),
            f"protected_stock is not looked at where stock is shared (queue.rule = {outcomes.rule!r})": (
                outcomes.served.sharing and len(self.past.tables["protected_stock"])
            ),
            "group_rule other than 'independent', 'together' and 'in ratio' is not simulated": (
                ~self.past.lines["group_rule"].dropna().isin(["independent", *TYING])
            ).any(),
            "min_ship_qty of lines that leave in ratio with others is not looked at": (
                outcomes.lines["in_ratio"] & (outcomes.lines["min_ship_qty"] > 0)
            ).any(),
            f"{stale} stale lines are listed and hold nobody up": stale,
        }
        return [*service.notes, patience, *(note for note, holds in said.items() if holds)]

    def add_replay(self, replayed: evaluate.Replay) -> None:
        """Past days by the same code."""
        self.tables["scorecard"] = replayed.scorecard
        self.state["replay_lines"] = replayed.lines
        self.notes += replayed.notes

    def as_run(self, data: Dataset) -> Run:
        """The finished run."""
        past = self.past
        self.tables["rejected_rows"], self.tables["cleaning_log"] = data.rejected_rows, data.cleaning_log
        state = {"lines": past.lines, "purchases": past.purchases, "skus": past.skus, "stock": past.stock}
        state |= {"shipments": past.tables["shipments"], "cancellations": past.tables["cancellations"]}
        manifest = {
            "inputs": [vars(x) for x in data.inputs],
            "rows": {name: len(data.tables[name]) for name in sorted(data.given)},
            "warnings": list(data.warnings),
        }
        ship_dates = self.outcomes.ship_dates if self.outcomes is not None else None
        inputs = QueueInputs.of(self.outcomes) if self.outcomes is not None else None
        return Run(past.day, past.config, self.seed, self.tables, state | self.state, self.notes, self.missing,
                   manifest, ship_dates, inputs)  # fmt: skip
