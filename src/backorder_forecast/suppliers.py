"""How each supplier has delivered: curves of purchases still open, and the output table `supplier_scorecard`.

Nothing is forecast here; `lead_time` does that. What was seen is summed up so that purchases still open count as what
they are. One that waits is known to take longer than it has waited (right-censored), one past its stated date is
late, one placed before the log of receipts begins is only known of because it lasted until then (left-truncated).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from .lead_time.punctual import punctuality
from .tables import TEXT, check_output

if TYPE_CHECKING:
    from .past import Past

BAND = 0.95
_AT = 48  # durations of a supplier at which the design effect is worked out; between them it is interpolated
_CELLS = 1 << 21  # lines × durations held at once
_CURVE = ("days", "open_prob", "low", "high", "n_risk", "n_ended")


def supplier_survival(past: Past, level: float = BAND) -> pd.DataFrame:
    """Curves of purchases still open: supplier_id, days, open_prob, low, high, n_risk, n_ended; a row an event day.

    open_prob: the share of a supplier's purchase lines of which something is still to come at the end of so many days
    after they were ordered (or confirmed, `lead_time.clock`), by Kaplan and Meier (1958) as in statsmodels'
    `SurvfuncRight`. A line ends when its last unit has come. Open lines are censored today, cancelled ones on the day
    of their cancellation. Lines placed before the log of receipts begins enter at the age at which they were first
    seen; an end with which the few then at risk have all ended, while others seen later last longer, is not counted
    (too few were at risk to tell: Lai, Ying 1991), or the curve would be 0 from there on.

    low, high: band of the `level` at each day, on the scale log(−log), its variance Greenwood's times the design effect
    of lines of one purchase order, which come together: the variance with orders as clusters over that with lines
    alone, by the influence of each line on the cumulative hazard (Williams 1995), never below 1. Where everything
    ended, `high` stays what it was before. n_risk: lines still open before; n_ended: lines that ended on the day.

    Suppliers without a line that ended have the one row at 0 days.

    >>> from backorder_forecast.dataset import Dataset
    >>> bought = pd.DataFrame({"po_line_id": list("abcd"), "item_id": "x", "supplier_id": "s",
    ...                        "ordered_at": pd.Timestamp("2026-01-05"), "qty": 1.0})
    >>> came = pd.DataFrame({"po_line_id": ["a", "b"], "qty": 1.0,
    ...                      "received_at": pd.to_datetime(["2026-01-15", "2026-01-25"])})
    >>> past = Dataset.of({"purchase_lines": bought, "receipts": came}).as_of("2026-01-31")
    >>> supplier_survival(past)[["days", "open_prob", "n_risk"]].round(9).to_numpy().tolist()
    [[0.0, 1.0, 4.0], [10.0, 0.75, 4.0], [20.0, 0.5, 3.0]]
    """
    lines = lifetimes(past).sort_values("supplier_id", kind="stable")
    code, names = pd.factorize(lines["supplier_id"])
    edges = np.searchsorted(code, np.arange(len(names) + 1))
    whole = _Lives(pd.factorize(lines["po_id"])[0], *(lines[x].to_numpy() for x in ("entry", "days", "ended")))
    curves = [_curve(whole.take(slice(i, j)), level) for i, j in pairwise(edges)]
    columns = {name: np.concatenate([x[name] for x in curves]) if curves else np.zeros(0) for name in _CURVE}
    owner = np.repeat(names.to_numpy(object), [len(x["days"]) for x in curves])
    frame = pd.DataFrame({"supplier_id": pd.Series(owner, dtype=TEXT), **columns})
    return frame.astype({"n_risk": np.int64, "n_ended": np.int64})


def lifetimes(past: Past) -> pd.DataFrame:
    """Supplier_id, po_id, entry, days, ended: how long each purchase line took, row for row with `past.purchases`.

    days: whole days from the start of its clock until its last unit came, or as far as it was seen. entry: it is
    only known of because it lasted longer than this; −1 where it was seen from the beginning.
    """
    rows = past.purchases
    start = rows["ordered_at"]
    if past.config.lead_time.clock == "confirmed_at":
        start = rows["confirmed_at"].fillna(start)
    start = start.dt.floor("D")
    closed, came = rows["open_qty"] <= 0, rows["received_qty"] > 0
    ended = (closed & came).to_numpy(bool)
    end = rows["last_received_at"].where(ended, rows["last_cancelled_at"].where(closed)).fillna(past.day)
    days = np.maximum((end.dt.floor("D") - start).dt.days.to_numpy(float), 0.0)
    begins = log_begins(past)
    entry = np.full(len(rows), -1.0)
    if begins is not None:
        # what ends on the first day of the log is seen to end, so it entered at the end of the day before
        entry = np.maximum((begins - start).dt.days.to_numpy(float) - 1.0, -1.0)
    purchase = rows["po_id"].fillna(rows["po_line_id"])
    return pd.DataFrame({"supplier_id": rows["supplier_id"], "po_id": purchase, "entry": np.minimum(entry, days - 1.0),
                         "days": days, "ended": ended})  # fmt: skip


def log_begins(past: Past) -> pd.Timestamp | None:
    """The day of the first receipt known; None where there is none.

    Earlier purchases are in the books only as far as they lasted until then, or nobody could tell.
    """
    received = past.tables["receipts"]["received_at"]
    return None if received.empty else received.min().floor("D")


class _Lives(NamedTuple):
    """Lines as arrays [n], in any order; see `lifetimes`. order: the code of the purchase order."""

    order: np.ndarray
    entry: np.ndarray
    days: np.ndarray
    ended: np.ndarray

    def take(self, rows: slice | np.ndarray) -> _Lives:
        return _Lives(*(x[rows] for x in self))


def _curve(lines: _Lives, level: float) -> dict[str, np.ndarray]:
    """The curve of one supplier by column, with the row at 0 days before it."""
    from statsmodels.duration.survfunc import SurvfuncRight  # heavy: only where it is used

    lines = lines._replace(ended=lines.ended & ~_dead_ends(lines))
    begin = (0.0, 1.0, 1.0, 1.0, len(lines.days), 0)
    if not lines.ended.any():
        return {name: np.array([x], float) for name, x in zip(_CURVE, begin, strict=True)}
    curve = SurvfuncRight(lines.days, lines.ended.astype(float), entry=lines.entry)
    effect = _design_effect(lines, curve.surv_times, curve.n_risk, curve.n_events)
    low, high = band(curve.surv_prob, curve.surv_prob_se * np.sqrt(effect), level)
    found = (curve.surv_times, curve.surv_prob, low, high, curve.n_risk, curve.n_events)
    return {name: np.concatenate([[x], y]) for name, x, y in zip(_CURVE, begin, found, strict=True)}


def _dead_ends(lines: _Lives) -> np.ndarray:
    """Lines [n] with which all at risk ended, though others, that were first seen later, lasted longer."""
    if (lines.entry < 0).all():
        return np.zeros(len(lines.days), bool)
    entry, days = np.sort(lines.entry), np.sort(lines.days)
    at, ended = np.unique(lines.days[lines.ended], return_counts=True)
    risk = np.searchsorted(entry, at, side="left") - np.searchsorted(days, at, side="left")
    dead: np.ndarray = np.isin(lines.days, at[(risk == ended) & (at < days[-1])]) & lines.ended
    return dead


def band(open_prob: np.ndarray, error: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends [n] of a curve with standard errors, symmetric on the scale log(−log).

    >>> low, high = band(np.array([0.5, 0.0]), np.array([0.1, np.nan]), 0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.295, 0.0], [0.675, 0.675])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = np.exp(norm.ppf(0.5 + level / 2) * error / np.abs(open_prob * np.log(open_prob)))
        low, high = open_prob**wide, open_prob ** (1.0 / wide)
    gone = ~(open_prob > 0)
    high = pd.Series(np.where(gone, np.nan, high)).ffill().fillna(1.0).to_numpy()
    return np.where(gone, 0.0, low), high


def _design_effect(lines: _Lives, at: np.ndarray, risk: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Variance of the cumulative hazard with orders as clusters over that with lines alone [durations], at least 1."""
    if len(np.unique(lines.order)) == len(lines.order):
        return np.ones(len(at))
    lines = lines.take(np.argsort(lines.order, kind="stable"))
    places = np.unique(np.linspace(0, len(at) - 1, min(_AT, len(at))).astype(np.int64))
    grown = np.concatenate([[0.0], np.cumsum(ended / risk.astype(float) ** 2)])
    alone, together = np.zeros(len(places)), np.zeros(len(places))
    for rows in _blocks(lines.order, len(places)):
        part = lines.take(rows)
        own = _influence(part, at, risk, grown, places)
        alone += (own**2).sum(axis=0)
        together += (np.add.reduceat(own, _begins(part.order), axis=0) ** 2).sum(axis=0)
    ratio = np.maximum(together / np.maximum(alone, 1e-300), 1.0)
    effect: np.ndarray = np.interp(at, at[places], ratio)
    return effect


def _begins(order: np.ndarray) -> np.ndarray:
    """Where each order begins among sorted lines."""
    return np.flatnonzero(np.diff(order, prepend=-1))


def _blocks(order: np.ndarray, width: int) -> Iterator[slice]:
    """Runs of sorted lines that keep orders whole, of about so many lines that not too much is held at once."""
    begins, size = _begins(order), max(1, _CELLS // width)
    cuts = np.unique(begins[np.searchsorted(begins, np.arange(0, len(order), size)).clip(max=len(begins) - 1)])
    yield from (slice(i, j) for i, j in pairwise([0, *cuts[cuts > 0].tolist(), len(order)]))


def _influence(lines: _Lives, at: np.ndarray, risk: np.ndarray, grown: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What each line adds to the cumulative hazard by each of the places, less what was to be expected of it
    [lines × places]: 1/Y at its own end, less the sum of dN/Y² (grown) while it was at risk."""
    own = np.where(lines.ended, 1.0 / risk[np.minimum(np.searchsorted(at, lines.days), len(at) - 1)], 0.0)
    left = np.searchsorted(at, lines.entry, side="right")[:, None]
    until = np.minimum(np.searchsorted(at, lines.days, side="right")[:, None], places + 1)
    expected = np.where(until > left, grown[until] - grown[left], 0.0)
    influence: np.ndarray = own[:, None] * (at[places] >= lines.days[:, None]) - expected
    return influence


def supplier_scorecard(past: Past, survival: pd.DataFrame | None = None) -> pd.DataFrame:
    """The output table `supplier_scorecard`; survival: `supplier_survival(past)`, where it was made already.

    On time is judged on purchases whose first stated date has come (see `lead_time.punctual`), so that neither the
    late ones still open nor the early ones not yet due tilt it. Its band is Wilson's (1927) for as many independent
    purchases as have the standard error of the share with orders as clusters. The band of a quantile is where the band
    of the curve crosses it (Brookmeyer, Crowley 1982).
    """
    survival = supplier_survival(past) if survival is None else survival
    rows = past.purchases
    judged = rows[["supplier_id"]].join(punctuality(rows, past.day))
    judged["po_id"] = rows["po_id"].fillna(rows["po_line_id"])
    judged["received"], judged["open"] = rows["received_qty"] > 0, rows["open_qty"] > 0
    judged["overdue"] = judged["open"] & (rows["promised_date"] <= past.day)
    by = judged.groupby("supplier_id", sort=True)
    out = by[list(_COUNTS.values())].sum().astype(np.int64).set_axis(list(_COUNTS), axis=1)
    out["on_time_rate"], out["bias_days"] = by["kept"].mean(), by["slip_days"].mean()
    out["on_time_low"], out["on_time_high"] = _share_band(judged, out)
    out = out.reset_index().merge(_quantiles(survival), on="supplier_id", how="left")
    return check_output("supplier_scorecard", out)


_COUNTS = {"n_received": "received", "n_open": "open", "n_overdue": "overdue", "n_due": "due"}


def _share_band(judged: pd.DataFrame, suppliers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's band of the share that was kept [suppliers], lines of one order sharing their fate; NaN: nothing due."""
    from statsmodels.stats.proportion import proportion_confint

    due = judged[judged["due"]]
    apart = due["kept"] - due["supplier_id"].map(suppliers["on_time_rate"]).astype(float)  # of no row: text
    orders = due.assign(apart=apart).groupby(["supplier_id", "po_id"])["apart"].sum() ** 2
    squares = orders.groupby(level=0).agg(["sum", "size"]).reindex(suppliers.index)
    share, lines = suppliers["on_time_rate"].to_numpy(), suppliers["n_due"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        # where all were kept, or none, there is no scatter to learn from: orders count
        size = share * (1 - share) * lines**2 / squares["sum"].to_numpy()
        size = np.minimum(np.where(squares["sum"] > 0, size, squares["size"]), lines)
        low, high = proportion_confint(share * size, size, alpha=1 - BAND, method="wilson")
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


def _quantiles(survival: pd.DataFrame) -> pd.DataFrame:
    """p50 and p90 of each supplier with their bands, in days: the first day at which a curve is low enough."""
    out = survival[["supplier_id"]].drop_duplicates(ignore_index=True)
    for q in (50, 90):
        for name, column in ((f"p{q}_days", "open_prob"), (f"p{q}_low_days", "low"), (f"p{q}_high_days", "high")):
            # 1 − .9 is a hair below .1
            reached = survival[survival[column] <= 1 - q / 100 + 1e-9].drop_duplicates("supplier_id")
            out[name] = reached.set_index("supplier_id")["days"].reindex(out["supplier_id"].array).to_numpy()
    return out
