"""The pictures of a report, as SVG that is the same for the same run and follows dark and light."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import plots, plots_supply
from .model import Chart
from .tabulate import described

if TYPE_CHECKING:
    from ..result import Run

MATTERS = 0.01  # the chance of running short from which an item is worth a chart
WIDEST = 62  # characters of a chart's title
LOOK: Any = {
    "svg.fonttype": "none",  # text stays text: small, sharp, and found by a search
    "svg.hashsalt": "backorder-forecast",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}
DARK = b"""<style>@media (prefers-color-scheme: dark){text{fill:#d5dbe1!important}
[style*="stroke: #000000"]{stroke:#d5dbe1!important}[style*="fill: #000000"]{fill:#d5dbe1!important}
[style*="stroke: #dddddd"]{stroke:#3a434d!important}[style*="stroke: #0072b2"]{stroke:#56b4e9!important}
[style*="fill: #0072b2"]{fill:#56b4e9!important}}</style>"""


def projected_stock(run: Run, horizon: int) -> list[Chart]:
    """Return a chart of the projected stock of each of the items that matter most, if any does."""
    with mpl.rc_context(LOOK):
        return [_stock_chart(run, item, place) for item, place in _worst(run, horizon)]


def replayed(run: Run) -> list[Chart]:
    """Return one chart with a panel for each replayed day; none where nothing was replayed."""
    lines = run.state["replay_lines"]
    days = sorted(lines.loc[lines["p50_date"].notna(), "as_of"].unique())[-4:]
    if not days:
        return []
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(10.4, 3.1 * ((len(days) + 1) // 2) + 0.3), layout="constrained")
        panels = np.atleast_1d(figure.subplots((len(days) + 1) // 2, min(len(days), 2))).ravel()
        for panel, day in zip(panels, days, strict=False):
            plots.plot_replay(run, pd.Timestamp(day), ax=panel, top=18)
            panel.spines["left"].set_visible(False)
        for panel in panels[len(days) :]:
            panel.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        alt = "For some lines then open: our p10 to p90, the shop's date, and the day each left."
        return [Chart(_svg(figure), alt, "Some of the lines open on each day; the table counts them all.")]


def suppliers(run: Run, frame: pd.DataFrame) -> list[Chart]:
    """Return a chart of the purchases still open by age, of the suppliers with most lines; none without receipts."""
    curves = run.state.get("supplier_survival")
    if curves is None or not curves["n_ended"].any():
        return []
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(7.2, 3.0), layout="constrained")
        most = curves.drop_duplicates("supplier_id").sort_values("n_risk", ascending=False, kind="stable")
        drawn = most["supplier_id"].head(4).tolist()
        plots_supply.plot_supplier_survival(curves, drawn, ax=figure.subplots())
        half = frame.set_index("supplier_id")["p50_days"].reindex(drawn).dropna()
        said = ", ".join(f"{supplier} in {days:g} days" for supplier, days in half.items())
        alt = f"Share of purchase lines still open by days since ordering. Half were complete: {said}."
        return [Chart(_svg(figure), alt, "The suppliers with most purchase lines, with 95 % bands.")]


def _worst(run: Run, horizon: int) -> list[tuple[str, str]]:
    """Items with a projected stock, those with the largest expected shortage first."""
    keys = ["item_id", "location_id"]
    known = run.state["stock_paths"][keys].drop_duplicates().sort_values(keys)
    risk = run.table("backorder_risk")
    if risk is not None:
        own = risk[(risk["horizon_days"] == horizon) & (risk["supply_basis"] == "open_only")]
        own = own[(own["backorder_prob"] >= MATTERS) | (own["backordered_now"] > 0)]
        order = ["expected_backorder_value", "expected_backorder_qty", "backorder_prob"]
        known = known.merge(own[[*keys, *order]], on=keys)
        known = known.sort_values([*order, *keys], ascending=[False, False, False, True, True])
    chosen = known.head(run.config.report.charts)
    return list(zip(chosen["item_id"], chosen["location_id"], strict=True))


def _stock_chart(run: Run, item: str, place: str) -> Chart:
    figure = Figure(figsize=(5.2, 2.5), layout="constrained")
    ax = plots.plot_projected_stock(run, item, place, ax=figure.subplots())
    at = f" at {place}" if place != "main" else ""
    ax.set_title(_shortened(f"{item}{at}{_called(run, item)}"), parse_math=False)
    paths = run.state["stock_paths"]
    own = paths[(paths["item_id"] == item) & (paths["location_id"] == place)]
    low = own.iloc[int(own["on_hand_p50"].to_numpy().argmin())]
    alt = (
        f"Projected stock of {item}{at}: p50 {own['on_hand_p50'].iloc[0]:g} units at first, lowest "
        f"{low['on_hand_p50']:g} on {low['date'].date()}; at most {own['backordered_mean'].max():.3g} "
        "units backordered on average."
    )
    return Chart(_svg(figure), alt, "")


def _called(run: Run, item: str) -> str:
    named = described(pd.DataFrame({"item_id": [item]}), run)
    name = named["description"].iloc[0] if "description" in named else None
    return f": {name}" if isinstance(name, str) else ""


def _shortened(title: str) -> str:
    return title if len(title) <= WIDEST else title[: WIDEST - 1] + "…"


def _svg(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    content = sink.getvalue()
    at = content.index(b"<defs>")
    return content[:at] + DARK + content[at:]
