"""One waiting line explained: which supply it waits for, why it is late, and how it goes in chosen scenarios."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .answer import close_matches, records, waits_for
from .core import components
from .core.queue_kernel import FIRST_PURCHASE, NONE, PLANNED, STOCK
from .errors import NotAvailable, UsageError
from .late import REASONS, lateness
from .tables import text

if TYPE_CHECKING:
    from .core.queue_kernel import Problem, Tally
    from .queue import Layout
    from .result import Run

SCENARIOS = ("best", "median", "worst")
PRINTED = 12  # events of a scenario told as text
_WORDS = {
    "supplier": "purchases come later than promised", "queue": "others stand before it",
    "quantity": "purchases bring less than is needed", "allocation_rule": "the rule serves others first",
    "no_supply": "nothing was ordered that could come in time",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """A line explained, as frames.

    line: its row of ``line_eta``. waits_for: source (`stock`, `purchase`, `planned`, `none`), po_line_id, prob (that
    its last unit comes from there), open_qty, promised_date, p50_date, p90_date. reasons: reason, share, days (so many
    of the ``late_days`` on average), of ``waits_on`` (the line itself, or the slowest of its order); empty shares:
    what is on order is not to blame. replay: scenario, date (empty: beyond the horizon), event, id (of a purchase or a
    line), qty, and ahead (units still asked for before it).
    """

    as_of: pd.Timestamp
    line: dict[str, Any]
    waits_on: str
    late_prob: float
    late_days: float
    waits_for: pd.DataFrame
    reasons: pd.DataFrame
    replay: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        frames = {x: records(getattr(self, x)) for x in ("waits_for", "reasons", "replay")}
        return {"as_of": str(self.as_of.date()), "line": self.line, "waits_on": self.waits_on,
                "late_prob": self.late_prob, "late_days": self.late_days, **frames}  # fmt: skip

    def __str__(self) -> str:
        line = self.line
        dates = ", ".join(f"{q} {line[f'{q}_date'] or 'beyond the horizon'}" for q in ("p10", "p50", "p90"))
        parts = [f"line {line['line_id']} ({line['open_qty']:g} of {line['item_id']} at {line['location_id']}), "
                 f"as of {self.as_of.date()}: {dates}", f"  {waits_for(line)}"]  # fmt: skip
        parts += [_source_text(x) for x in records(self.waits_for)]
        if self.waits_on != line["line_id"]:
            parts += [f"  leaves with line {self.waits_on}, the slowest of its order"]
        told = self.reasons["share"].notna().all()
        late = f"late with {self.late_prob:.0%} chance, by {self.late_days:.1f} days on average"
        parts += [f"  {late}{':' if told else ''}"]
        parts += [f"    {x['share']:>4.0%}  {_WORDS[x['reason']]} ({x['reason']})"
                  for x in records(self.reasons) if x["share"] and x["share"] >= 0.005]  # fmt: skip
        for name, events in self.replay.groupby("scenario", sort=False):
            parts += [f"  {name} scenario", *(_event_text(x) for x in records(events.tail(PRINTED)))]
        return "\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def explain(run: Run, line_id: str) -> Explanation:
    """Explain one line of a run; see :meth:`Run.explain`."""
    found, row = run.laid_out, _row(run, str(line_id))
    place = found.place(int(found.lines["sku"].iloc[row]))
    c = found.component(place)
    own = components.one_component(found.problem, c)
    first = int(found.problem.sku["line_from"][found.problem.component["sku"][c]])
    tally = components.simulated(own)
    days = components.departures(own.line["slot"], own.line["order"], tally)
    at = row - first
    slowest = _slowest(own, tally, at)
    late = lateness(found, run.config.simulation.jobs)
    share, over = late.shares[first + slowest], np.maximum(days[at].astype(float) - late.due[first + at], 0.0)
    reasons = pd.DataFrame({"reason": REASONS, "share": share, "days": share * over.mean()})
    eta = run.line_eta
    return Explanation(
        run.as_of, records(eta[eta["line_id"] == line_id])[0], str(found.lines["line_id"].iloc[first + slowest]),
        float((over > 0).mean()), float(over.mean()), _sources(run, found, own, tally, at, place), reasons,
        _replay(found, own, days, first, at, place),
    )  # fmt: skip


def _row(run: Run, line_id: str) -> int:
    """The line's row among those simulated."""
    simulated = run.laid_out.lines["line_id"]
    rows = np.flatnonzero(simulated == line_id)
    if len(rows):
        return int(rows[0])
    known = run.state["lines"]
    mine = known[known["line_id"] == line_id]
    if mine.empty:
        near = close_matches(line_id, simulated)
        hint = f"; did you mean {' or '.join(repr(x) for x in near)}?" if near else ""
        raise UsageError(f"no line {line_id!r} is known on {run.as_of.date()}{hint}")
    if mine["open_qty"].iloc[0] <= 0:
        raise UsageError(f"line {line_id!r} waits for nothing any more: see show")
    why = "it is stale" if mine["is_stale"].iloc[0] else "the stock of its item is not known"
    raise NotAvailable(f"line {line_id!r} was not simulated: {why}")


def _slowest(p: Problem, tally: Tally, at: int) -> int:
    """The line itself, or that of its ship-complete order that is ready last on average; of equal ones the first."""
    order = p.line["order"][at]
    if order < 0:
        return at
    mates = np.flatnonzero(p.line["order"] == order)
    return int(mates[tally.own_day[mates].mean(axis=1).argmax()])


def _sources(run: Run, found: Layout, p: Problem, tally: Tally, at: int, place: int) -> pd.DataFrame:
    """What the last unit comes from, with probability."""
    sku = found.problem.sku[place]
    bought = found.purchases.iloc[sku["po_from"] : sku["po_to"]].reset_index(drop=True)
    begin = p.line["peg_from"][at]
    share = tally.peg[begin : begin + FIRST_PURCHASE + len(bought)] / p.scenarios
    out = pd.DataFrame({"source": ["purchase"] * len(bought), "po_line_id": bought["po_line_id"],
                        "prob": share[FIRST_PURCHASE:], "open_qty": bought["open_qty"],
                        "promised_date": bought["promised_date"]})  # fmt: skip
    eta = run.tables.get("purchase_eta")
    dates = None if eta is None else eta.set_index("po_line_id").reindex(bought["po_line_id"].array)
    for name in ("p50_date", "p90_date"):
        out[name] = pd.Series(pd.NaT, out.index) if dates is None else dates[name].to_numpy()
    others = pd.DataFrame({"source": ["stock", "planned", "none"], "prob": share[[STOCK, PLANNED, NONE]]})
    both = pd.concat([out[out["prob"] > 0], others[others["prob"] > 0]], ignore_index=True)
    both["po_line_id"] = text(both["po_line_id"])
    order = np.lexsort((np.arange(len(both)), -both["prob"].to_numpy()))
    return both.iloc[order].reset_index(drop=True)


def _replay(found: Layout, p: Problem, days: np.ndarray, first: int, at: int, place: int) -> pd.DataFrame:
    """Dated events of the best, the median and the worst scenario, by the day on which the line leaves."""
    order = np.lexsort((np.arange(p.scenarios), days[at]))
    chosen = [order[0], order[(p.scenarios - 1) // 2], order[-1]]
    parts = [_events(found, p, days, first, at, place, int(k)).assign(scenario=name)
             for name, k in zip(SCENARIOS, chosen, strict=True)]  # fmt: skip
    out = pd.concat(parts, ignore_index=True)
    far = out["day"].to_numpy() > p.horizon
    out.insert(0, "date", (found.past.day + pd.to_timedelta(out["day"], unit="D")).where(~far))
    return out[["scenario", "date", "event", "id", "qty", "ahead"]]


def _events(found: Layout, p: Problem, days: np.ndarray, first: int, at: int, place: int, k: int) -> pd.DataFrame:
    """What happens around one line in one scenario, up to its leaving, in the order of days."""
    sku = found.problem.sku[place]
    leaves, rows = int(days[at, k]), []
    for j in range(sku["po_from"], sku["po_to"]):
        name, draw = found.purchases["po_line_id"].iloc[j], found.problem.po_draw[j, k]
        some = float(draw["first_qty"])
        rest = float(found.problem.po_qty[j]) - some
        rows += [(int(draw["first"]), 0, "receipt", name, some)]
        rows += [(int(draw["rest"]), 0, "receipt", name, rest)] * int(rest > 0)
        rows += [(int(draw["gone"]), 0, "purchase cancelled", name, some + rest)] * int(draw["gone"] > 0)
    before = slice(sku["line_from"] - first, at)
    ends = components.ends(p, days)[before, k]
    for x, end in zip(range(before.start, before.stop), ends.tolist(), strict=True):
        what = "line before leaves" if end == days[x, k] else "line before cancels"
        rows.append((end, 1, what, found.lines["line_id"].iloc[first + x], float(p.line["need"][x])))
    rows = [x for x in rows if x[0] <= min(leaves, p.horizon)]
    line = found.lines.iloc[first + at]
    rows.append((leaves, 2, "line leaves" if leaves <= p.horizon else "still waits", line["line_id"], line["open_qty"]))
    out = pd.DataFrame(sorted(rows), columns=["day", "kind", "event", "id", "qty"])
    gone = out["qty"].where(out["event"].str.startswith("line before"), 0.0).cumsum()
    out["ahead"] = p.line["need"][before].sum() - gone
    return out.drop(columns="kind")


def _source_text(row: dict[str, Any]) -> str:
    what = {"stock": "stock", "planned": "supply that nobody has ordered yet", "none": "none within the horizon"}
    name = what.get(row["source"]) or f"purchase {row['po_line_id']} of {row['open_qty']:g}"
    dates = f", expected {row['p50_date']} (p50)" if row["p50_date"] else ""
    promised = f", promised {row['promised_date'][:10]}" if row["promised_date"] else ""
    return f"    {row['prob']:>4.0%}  {name}{promised}{dates}"


def _event_text(row: dict[str, Any]) -> str:
    date = row["date"] or "beyond the horizon"
    return f"    {date}  {row['event']}: {row['id']}, {row['qty']:g} units; {row['ahead']:g} still before it"
