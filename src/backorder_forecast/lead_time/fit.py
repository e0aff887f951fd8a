"""Lead times of a day: how much of the past counts chosen by past days, one fit, and levels corrected by them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .laws import LeadTimes
from .once import Memory, Prepared
from .rehearsal import Rehearsals, choose, learn_alike, learn_challenger, learn_correction
from .transfers import WithTransfers, transfers_of

if TYPE_CHECKING:
    from ..config import LeadTime
    from ..past import Past


def fit_lead_times(past: Past) -> LeadTimes:
    """Fit lead times on the purchases that `past` knew, and on transfers between places, as another kind.

    >>> import pandas as pd
    >>> from backorder_forecast.dataset import Dataset
    >>> placed = pd.date_range("2026-01-05", periods=20, freq="2D")
    >>> bought = pd.DataFrame({"po_line_id": [f"p{i}" for i in range(20)], "item_id": "x", "supplier_id": "s",
    ...                        "ordered_at": placed, "qty": 5.0})
    >>> came = pd.DataFrame({"po_line_id": bought.po_line_id, "received_at": placed + pd.Timedelta(days=9), "qty": 5.0})
    >>> fitted = fit_lead_times(Dataset.of({"purchase_lines": bought, "receipts": came}).as_of("2026-02-28"))
    >>> fitted.new_order("s", "x").quantile([0.5])["p50"].tolist()
    [9.0]
    """
    bought = _fit(past)
    return bought if past.tables["transfers"].empty else WithTransfers.of(bought, _fit(transfers_of(past)))


def _fit(past: Past) -> LeadTimes:
    """Lead times of one kind."""
    config = past.config.lead_time
    tried = memories(config)
    prepared, rehearsals = Prepared.of(past), Rehearsals(past, tried[0])
    memory = choose(rehearsals, tried)
    if config.restated_dates and prepared.statements is not None:
        memory = choose(rehearsals, [memory, replace(memory, restated=True)])
    found = prepared.fit(memory)
    if not len(found.open_rows):
        return found
    found = replace(found, memory=str(memory))
    if config.shared_delays:
        found = replace(found, alike=learn_alike(rehearsals, memory))
    if config.recalibrate:
        correction, notes = learn_correction(rehearsals, memory)
        found = replace(found, correction=correction, told=(*found.told, *notes))
    if config.challenger:
        found = replace(found, challenger=learn_challenger(rehearsals, memory, found.correction))
    return found


def memories(config: LeadTime) -> list[Memory]:
    """What is tried: the memory of the settings first; if it is to be chosen, others too."""
    stated = Memory(config.half_life_days, config.slow_change)
    if not config.choose_memory:
        return [stated]
    others = [Memory(half_life, slow) for slow in (True, False) for half_life in (None, 365.0)]
    return [stated, *(x for x in others if x != stated)]
