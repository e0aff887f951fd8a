"""One run: its tables, laws and notes, and the questions that it answers.

A :class:`Run` is what :func:`backorder_forecast.run` returns and what :func:`open_run` reads back from disk;
the two are the same object, so whatever can be asked of one can be asked of the other.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import storage
from .answer import Answer, answer
from .config import Config
from .errors import NotAvailable, did_you_mean

if TYPE_CHECKING:
    from .explain import Explanation
    from .law import Law
    from .newcomer import OrderDesk
    from .queue import Layout, Outcomes
    from .queue_inputs import QueueInputs
    from .what_if import WhatIf

LATER = {"notices", "promises_to_state", "messages"}
ON_DEMAND = {
    "rule_comparison": "queue.compare names no rules",
    "substitute_offers": "there is no substitutes table",
    "changes": "it was compared with no earlier run",
}


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The results of one day, as tables by name.

    Parameters
    ----------
    as_of : the day at whose end the past was looked at; forecasts begin the day after.
    config : the effective configuration.
    seed : the whole number from which every draw was made.
    tables : output tables of the contract by name; each is also an attribute (``run.line_eta``).
    state : frames that later calls need: ``lines`` (every known line), ``shipments``, ``cancellations``,
        ``purchases``, ``supplier_survival``, ``stock_paths``, ``replay_lines``, ``skus``.
    notes : what a reader must know about how the numbers came about.
    missing : table → why this run could not say it.
    manifest : inputs, cleaning counts, timings; written to ``manifest.json``.
    ship_dates : a law over the open lines: the day on which each leaves.
    inputs : what the queue was simulated from, or how to read that from disk; see ``queue_inputs``.

    Raises ``NotAvailable`` (an ``AttributeError``) when a table is asked for that this run could not make.

    >>> run = Run(pd.Timestamp("2026-06-30"), Config(), seed=1, tables={"line_eta": pd.DataFrame()},
    ...           missing={"backorder_risk": "there is no stock table"})
    >>> len(run.line_eta)
    0
    >>> run.backorder_risk
    Traceback (most recent call last):
        ...
    backorder_forecast.errors.NotAvailable: this run has no backorder_risk: there is no stock table
    """

    as_of: pd.Timestamp
    config: Config
    seed: int
    tables: Mapping[str, pd.DataFrame]
    state: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: Sequence[str] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    ship_dates: Law | None = None
    inputs: QueueInputs | Callable[[], QueueInputs] | None = None

    def __getattr__(self, name: str) -> pd.DataFrame:
        """Return the output table ``name``."""
        if name.startswith("_") or name in self.__dataclass_fields__:
            raise AttributeError(name)  # copying and pickling ask for these before the fields exist
        if name in self.tables:
            return self.tables[name]
        if name in ("queue_inputs", "simulated", "laid_out", "desk"):
            raise NotAvailable(self._why_not_again())  # a property that raises is asked for here once more
        raise NotAvailable(f"this run has no {name}{self._why_not(name)}")

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self.tables})

    def table(self, name: str) -> pd.DataFrame | None:
        """Return an output table, or None where this run has none; see ``missing`` for why."""
        return self.tables.get(name)

    def show(
        self,
        order_id: str | None = None,
        *,
        line_id: str | None = None,
        customer_id: str | None = None,
    ) -> Answer:
        """Answer "where is my order?" for one order, line or customer, shipped and cancelled lines included.

        The answer prints as text, renders in a notebook, and gives ``.to_dict()`` and ``.frame``.
        Raises ``UsageError`` for an id that is not known on ``as_of``, naming close ones.
        """
        return answer(self, order_id=order_id, line_id=line_id, customer_id=customer_id)

    @cached_property
    def queue_inputs(self) -> QueueInputs:
        """What the queue was simulated from, to simulate it again; of an opened run read when first asked for.

        Raises ``NotAvailable`` where nothing was simulated.
        """
        if self.inputs is None:
            raise NotAvailable(self._why_not_again())
        return self.inputs() if callable(self.inputs) else self.inputs

    @cached_property
    def simulated(self) -> Outcomes:
        """The run's own scenarios, simulated again with the day of every line in each of them."""
        return self.queue_inputs.simulate(every_day=True)

    @cached_property
    def laid_out(self) -> Layout:
        """What was simulated, as the kernel reads it."""
        return self.queue_inputs.laid_out()

    def explain(self, line_id: str) -> Explanation:
        """Explain one waiting line: what it waits for, why it is late, and how it goes in chosen scenarios.

        The answer prints as text and has ``.waits_for``, ``.reasons`` and ``.replay`` as frames; ``bf.plot_explain``
        draws the scenarios. Raises ``UsageError`` for a line that is not known or does not wait, ``NotAvailable`` for
        one that was not simulated.
        """
        from .explain import explain

        return explain(self, line_id)

    @cached_property
    def desk(self) -> OrderDesk:
        """Where orders not placed yet are dated."""
        from .newcomer import OrderDesk

        return OrderDesk(self.queue_inputs, self.laid_out)

    def promise(self, asked: Any) -> pd.DataFrame:
        """Date orders that are not placed yet, each as if it were the only one: p10, p50, p90 and what they wait for.

        ``asked`` is a frame, a mapping or a list of mappings with ``item_id``, ``qty`` and where need be
        ``location_id``, ``priority`` (0), ``date`` (not before), ``allow_partial`` (true); or with the ``line_id`` of a
        waiting line and what its customer wants changed (``qty`` still open, ``date``). The dates are those of the
        whole simulation with that line added; the first call lays the queue out.
        Raises ``UsageError`` for what is not known, ``NotAvailable`` where stock is not known.
        """
        from .newcomer import promise

        return promise(self, asked)

    def compare(self, earlier: Run) -> pd.DataFrame:
        """Return the table ``changes``: which lines are new, gone or have another date than in an earlier run, and why.

        Raises ``UsageError`` for a later run, ``NotAvailable`` where either was not simulated.
        """
        from .since import changes

        return changes(self, earlier)

    def what_if(self, variants: Mapping[str, Any] | None = None, **change: Any) -> WhatIf:
        """Simulate the queue again on the same scenarios with something changed, and tell the difference.

        ``change`` is one variant, by the fields of :class:`Change`; ``variants`` are several, by name, each a
        ``Change`` or a mapping of its fields: ``run.what_if(sooner={"P1": 7})``,
        ``run.what_if({"fair": {"rule": "max_min"}})``. The answer has ``.table`` (metrics with value, difference and
        its standard error) and ``.lines`` (whose dates change).
        Raises ``UsageError`` for ids that are not known, ``NotAvailable`` where nothing was simulated.
        """
        from .what_if import what_if

        return what_if(self, {**(variants or {}), **({"changed": change} if change else {})})

    def save(self, out: str | Path, *, files: Mapping[str, bytes] | None = None) -> Path:
        """Write the run to ``out/<as_of>/``, whole or not at all, and return that folder.

        What an earlier run of the same day left there is replaced. ``files`` are further files of the folder
        by name, e.g. ``report.html``. Raises ``FolderLocked`` when another run is writing there.
        """
        with storage.hold(out, self.as_of) as held:
            return storage.write_run(self, held, files=files)

    def _why_not_again(self) -> str:
        why = self.missing.get("line_eta", "its folder is of an earlier version; make the run again")
        return f"this run cannot be simulated again: {why}"

    def _why_not(self, name: str) -> str:
        if name in self.missing:
            return f": {self.missing[name]}"
        if name in LATER:
            return ": this version does not make it yet"
        if name in ON_DEMAND:
            return f": {ON_DEMAND[name]}"
        return did_you_mean(name, [*self.tables, *self.missing])

    def __repr__(self) -> str:
        tables = ", ".join(f"{name} {len(frame):,}" for name, frame in self.tables.items())
        missing = f"; cannot say {', '.join(self.missing)}" if self.missing else ""
        return f"Run(as_of={self.as_of.date()}, seed={self.seed}: {tables or 'no tables'}{missing})"

    def _repr_html_(self) -> str:
        told = [(name, f"{len(frame):,} rows") for name, frame in self.tables.items()]
        told += [(name, f"not available: {why}") for name, why in self.missing.items()]
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in told
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f"<p><b>Run as of {self.as_of.date()}</b>, seed {self.seed}</p><table>{rows}</table>"
            f"<details><summary>{len(self.notes)} notes</summary><ul>{notes}</ul></details>"
        )


def open_run(path: str | Path) -> Run:
    """Read a run folder (``OUT/<as_of>``) back as the same object.

    Raises ``UsageError`` when the folder is not there or is not a run folder.
    """
    return Run(**storage.read_run(path))
