"""What a run keeps so that its queue can be simulated again, with something changed: the inputs of `simulate`.

Of the past only what the simulation reads is kept: lines, purchases, SKUs and stock as of the day, and the last weeks
of what came and went. A run that was just made keeps the same as one read back from disk, so both answer alike, bit for
bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .core.family import Family, Population
from .demand import Demand
from .lead_time.cancelling import Cancelling
from .lead_time.closures import Closures
from .lead_time.coded import Coded
from .lead_time.durations import ReceivingDays
from .lead_time.fitted import Correction
from .lead_time.laws import LeadTimes
from .lead_time.transfers import WithTransfers
from .methods.history import History
from .methods.hurdle import Hurdle
from .methods.laws import Future, PanelLaw
from .packing import pack, unpack
from .past import Past
from .patience import Patience
from .policy import Cover, Policies
from .queue import Layout, Outcomes, lay_out, simulate
from .service import RECENT_DAYS, Service, WorkingDays
from .supply import Supply
from .tables import INPUT, empty

if TYPE_CHECKING:
    from .config import Config
    from .rules import AnyRule

STATE = ("lines", "purchases", "skus", "stock")  # frames of the past that a run's state has anyway
_CLASSES = (
    Demand, PanelLaw, Hurdle, History, Future, LeadTimes, ReceivingDays, Coded, Family, Population, Correction, Service,
    WorkingDays, Patience, WithTransfers, Closures, Cancelling,
)  # fmt: skip
_WHOLE = ("customers", "protected_stock")  # tables read as they are
_RECENT = {"shipments": "shipped_at", "receipts": "received_at", "stock_movements": "moved_at"}


@dataclass(frozen=True)
class QueueInputs:
    """Past (what the simulation reads of it), demand, supply, policies, service and seed of a run."""

    past: Past
    demand: Demand
    supply: Supply
    policies: Policies
    service: Service
    seed: int

    @classmethod
    def of(cls, outcomes: Outcomes) -> QueueInputs:
        """Those of a simulation."""
        demand = replace(outcomes.demand, index=pd.DataFrame(), step=1.0, pool=None, statistical=None, notes=())
        policies = outcomes.policies
        policies = replace(policies, cover=replace(policies.cover, demand=demand))
        fitted = _open_only(outcomes.supply.lead_times)
        supply = Supply(fitted.open_rows, fitted)
        past = outcomes.past
        state = {name: getattr(past, name) for name in STATE}
        kept = _past(past.day, past.config, _tables(past), past.given, state, past.policies)
        return cls(kept, demand, supply, policies, outcomes.service, outcomes.seed)

    def simulate(self, rule: AnyRule | None = None, **more: Any) -> Outcomes:
        """Simulate the queue, scenario by scenario as the run did; more: as of :func:`simulate`."""
        return simulate(self.past, self.demand, self.supply, rule=rule, seed=self.seed, policies=self.policies,
                        service=self.service, **more)  # fmt: skip

    def laid_out(self) -> Layout:
        """What is simulated, by the configured rule."""
        return lay_out(self.past, self.demand, self.supply, self.policies, self.service, seed=self.seed)

    def packed(self) -> dict[str, np.ndarray]:
        """All that the run's state does not have anyway, as named arrays."""
        fitted = self.supply.lead_times
        kept = {
            "tables": {name: frame for name, frame in self.past.tables.items() if len(frame)},
            "given": sorted(self.past.given),
            "stated": self.past.policies,
            "demand": self.demand,
            "lead_times": _without_trees(fitted),
            # trees cannot be kept: what they said of open purchases can
            "next_tables": [x.next_table if x.challenger is not None else None for x in _kinds(fitted)],
            "policies": [self.policies.frame, self.policies.cover.lead, self.policies.cover.review,
                         self.policies.lead_days],
            "service": self.service,
        }  # fmt: skip
        return pack(kept, _CLASSES)

    @classmethod
    def unpacked(
        cls, arrays: Mapping[str, np.ndarray], day: pd.Timestamp, config: Config, seed: int,
        state: Mapping[str, pd.DataFrame],
    ) -> QueueInputs:  # fmt: skip
        """The inverse of `packed`, with the frames of the run's state."""
        kept = unpack(arrays, _CLASSES)
        tables = {name: kept["tables"].get(name, empty(name)) for name in INPUT}
        past = _past(day, config, tables, frozenset(kept["given"]), {x: state[x] for x in STATE}, kept["stated"])
        fitted, frame = kept["lead_times"], kept["policies"][0]
        for kind, table in zip(_kinds(fitted), kept["next_tables"], strict=True):
            if table is not None:
                kind.__dict__["next_table"] = table
        policies = Policies(frame, Cover(kept["demand"], *kept["policies"][1:3]), kept["policies"][3])
        return cls(past, kept["demand"], Supply(fitted.open_rows, fitted), policies, kept["service"], seed)


def _past(
    day: pd.Timestamp, config: Config, tables: dict[str, pd.DataFrame], given: frozenset[str],
    state: Mapping[str, pd.DataFrame], stated: pd.DataFrame,
) -> Past:  # fmt: skip
    """A past whose derived frames are known."""
    past = Past(day, config, tables, given)
    past.__dict__.update(state, policies=stated)
    return past


def _tables(past: Past) -> dict[str, pd.DataFrame]:
    """What the simulation reads of the tables; of all others no row."""
    out = {name: frame.iloc[:0] for name, frame in past.tables.items()}
    out |= {name: past.tables[name] for name in _WHOLE}
    since = past.day - pd.Timedelta(days=RECENT_DAYS)
    for name, when in _RECENT.items():
        out[name] = _later(past.tables[name], past.tables[name][when] >= since)
    moved = past.tables["transfers"]
    out["transfers"] = _later(moved, (moved["shipped_at"] >= since) | (moved["received_at"] >= since))
    waiting = past.lines.loc[past.lines["open_qty"] > 0, "line_id"]
    changes = past.tables["line_changes"]
    out["line_changes"] = _later(changes, changes["line_id"].isin(waiting))
    return out


def _later(frame: pd.DataFrame, keep: pd.Series) -> pd.DataFrame:
    return frame[keep].reset_index(drop=True)


def _kinds(fitted: LeadTimes) -> list[LeadTimes]:
    """The lead times, or those of purchases and of transfers apart."""
    return [fitted.own, fitted.moved] if isinstance(fitted, WithTransfers) else [fitted]


def _without_trees(fitted: LeadTimes) -> LeadTimes:
    if isinstance(fitted, WithTransfers):
        return replace(fitted, challenger=None, own=_without_trees(fitted.own), moved=_without_trees(fitted.moved))
    return replace(fitted, challenger=None)


def _open_only(fitted: LeadTimes) -> LeadTimes:
    """The same lead times, of past purchases only what was learned."""
    known = fitted.purchases
    some = known[known["open_qty"] > 0] if (known["open_qty"] > 0).any() else known.iloc[:1]
    some = some.reset_index(drop=True)
    if isinstance(fitted, WithTransfers):
        return replace(fitted, purchases=some, own=_open_only(fitted.own), moved=_open_only(fitted.moved))
    kept = replace(fitted, purchases=some)
    if fitted.challenger is not None:
        kept.__dict__["next_table"] = fitted.next_table
    return kept
