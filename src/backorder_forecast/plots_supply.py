"""Pictures of suppliers and their purchases, by the habits of `plots`: they draw tables and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .errors import UsageError, did_you_mean
from .plots import BLUE, GREEN, GREY, ORANGE, RED, _axes, _grid, _state

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .evaluate import Replay
    from .past import Past
    from .result import Run

_LOOKS = ((BLUE, "-"), (RED, "--"), (GREEN, "-."), (ORANGE, ":"), ("black", "-"), (GREY, "--"))
_STATES = {"overdue": (RED, "--"), "not due": (BLUE, "-"), "undated": (ORANGE, "-.")}
_TAIL = 0.02  # a curve below this is drawn no further


def plot_supplier_survival(
    result: Run | pd.DataFrame, suppliers: Sequence[str] | None = None, *, ax: Axes | None = None, top: int = 4
) -> Axes:
    """Draw the share of each supplier's purchases still open by days since ordering, with 95 % bands.

    result: a run, or what :func:`supplier_survival` returns. suppliers: up to six of them; by default the ``top`` ones
    with most purchase lines. The axis ends where the last of the curves falls below 2 %, or ends itself.
    Raises ``UsageError`` for a supplier of whom no purchase is known.
    """
    curves = result if isinstance(result, pd.DataFrame) else _state(result, "supplier_survival")
    chosen = _chosen(curves, suppliers, top)
    ax, last = _axes(ax, 3.6), 1.0
    for supplier, (colour, dash) in zip(chosen, _LOOKS, strict=False):
        own = curves[curves["supplier_id"] == supplier]
        ax.fill_between(own["days"], own["low"], own["high"], step="post", color=colour, alpha=0.18, lw=0)
        label = f"{supplier} ({own['n_risk'].iloc[0]:,})"
        ax.step(own["days"], own["open_prob"], where="post", color=colour, ls=dash, lw=1.6, label=label)
        tail = own.loc[own["open_prob"] < _TAIL, "days"]
        last = max(last, tail.iloc[0] if len(tail) else own["days"].iloc[-1])
    ax.set_title("Purchases still open, with 95 % bands", parse_math=False)
    ax.set(xlabel="days since ordering", ylabel="share still open", xlim=(0, 1.04 * last), ylim=(0, 1.01))
    _grid(ax)
    legend = ax.legend(loc="upper right", frameon=False, fontsize="small", title="supplier (lines)")
    for text in legend.get_texts():
        text.set_parse_math(False)
    return ax


def _chosen(curves: pd.DataFrame, suppliers: Sequence[str] | None, top: int) -> list[str]:
    """The suppliers to draw, as many as can be told apart."""
    first = curves.drop_duplicates("supplier_id")
    known = first.sort_values("n_risk", ascending=False, kind="stable")["supplier_id"].tolist()
    strange = [x for x in suppliers or () if x not in set(known)]
    if strange or not known:
        of_whom = f" of supplier {strange[0]!r}{did_you_mean(strange[0], known[:10_000])}" if strange else ""
        raise UsageError(f"no purchase is known{of_whom}")
    if suppliers is not None and len(suppliers) > len(_LOOKS):
        raise UsageError(f"{len(suppliers)} curves cannot be told apart: draw up to {len(_LOOKS)}")
    return known[: min(top, len(_LOOKS))] if suppliers is None else list(suppliers)


def plot_promise_against_received(
    result: Run | Past, supplier_id: str | None = None, *, ax: Axes | None = None, most: int = 1500
) -> Axes:
    """Draw how long purchases took against how long the first stated date gave them; on the diagonal: as stated.

    result: a run or a past. Open purchases stand at the days that they have waited so far; those above the diagonal
    are late already. Of more than ``most`` lines as many are drawn, evenly by day of ordering. What took longer than
    99 in 100 is drawn at the upper end.
    Raises ``UsageError`` where no purchase (of the supplier) has a first stated date.
    """
    frame = _stated_and_taken(result, supplier_id)
    wide = max(float(frame["stated"].max()), 1.0)
    end = 1.05 * max(float(frame["took"].quantile(0.99)), wide, 7.0)
    frame = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, min(most, len(frame))).astype(int))]
    ax = _axes(ax, 4.8, 5.2)
    ax.plot([0, end], [0, end], color="black", lw=0.8)
    for waits, mark, colour, size, label in ((False, "o", BLUE, 9, "received"), (True, "^", RED, 22, "open, so far")):
        own = frame[frame["waits"] == waits]
        face = "none" if waits else colour
        ax.scatter(own["stated"], own["took"].clip(upper=end), s=size, marker=mark, facecolors=face, lw=0.9 * waits,
                   edgecolors=colour, alpha=1.0 if waits else 0.35, label=f"{label} ({len(own):,})")  # fmt: skip
    of_whom = "" if supplier_id is None else f": {supplier_id}"
    ax.set_title(f"Days taken against days stated{of_whom}", parse_math=False)
    ax.set(xlabel="days from ordering to the first stated date", ylabel="days until complete")
    ax.set(xlim=(0, 1.05 * wide), ylim=(0, end))
    _grid(ax)
    ax.legend(loc="upper right", bbox_to_anchor=(1.0, -0.12), ncols=2, frameon=False, fontsize="small")
    return ax


def _stated_and_taken(result: Run | Past, supplier_id: str | None) -> pd.DataFrame:
    """Days stated and taken by purchase line, by day of ordering; those cancelled whole are left out."""
    from .result import Run

    rows = _state(result, "purchases") if isinstance(result, Run) else result.purchases
    day = result.as_of if isinstance(result, Run) else result.day
    rows = rows[rows["first_promised_date"].notna() & ((rows["received_qty"] > 0) | (rows["open_qty"] > 0))]
    rows = rows if supplier_id is None else rows[rows["supplier_id"] == supplier_id]
    if rows.empty:
        of_whom = "" if supplier_id is None else f" of supplier {supplier_id!r}"
        raise UsageError(f"no purchase{of_whom} has a first stated date")
    rows = rows.sort_values(["ordered_at", "po_line_id"])
    waits, began = rows["open_qty"] > 0, rows["ordered_at"].dt.floor("D")
    stated = rows["first_promised_date"].dt.floor("D") - began
    took = rows["last_received_at"].dt.floor("D").where(~waits, day) - began
    return pd.DataFrame({"stated": stated.dt.days, "took": took.dt.days, "waits": waits})


def plot_lead_time_calibration(replayed: Replay | pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the calibration of open purchases, overdue and not yet due apart, beside that of received purchases.

    replayed: a replay of "lead_time", or rows of its ``lines``. The share of purchases that came at or below each
    stated level, those still open as "not yet"; right is the diagonal. The band holds 95 % of right forecasts of all
    of them, orders being independent; dotted: what the supplier's received purchases, given the age, would have said.
    Raises ``UsageError`` where nothing was judged.
    """
    from .evaluate.scores import calibration

    cases = replayed if isinstance(replayed, pd.DataFrame) else replayed.lines
    if not {"u", "state"} <= set(cases) or cases["u"].isna().all():
        raise UsageError("no open purchase was judged, so there is no calibration to draw")
    ax, every = _axes(ax, 4.4, 4.8), calibration(cases)
    ax.fill_between(every["level"], every["low"], every["high"], color=GREY, alpha=0.2, lw=0, label="95 % if right")
    ax.plot([0, 1], [0, 1], color="black", lw=0.8)
    plain = calibration(cases.assign(u=cases["u_supplier_history"]))
    ax.plot(plain["level"], plain["share"], ":", color="black", lw=1.4, label="supplier's received, given age")
    for state, (colour, dash) in _STATES.items():
        own = cases[cases["state"] == state]
        if len(own):
            frame = calibration(own)
            ax.plot(frame["level"], frame["share"], color=colour, ls=dash, lw=1.8, label=f"{state} ({len(own):,})")
    ax.set_title(f"Calibration: {len(cases):,} purchases open", parse_math=False)
    ax.set(xlabel="level stated", ylabel="share at or below it", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    _grid(ax)
    ax.legend(loc="upper left", frameon=False, fontsize="small")
    return ax
