"""Pictures of a result: ``plot_*(result, *, ax=None) -> Axes``. They draw tables and compute nothing.

Colours are those of Okabe and Ito, told apart by every kind of colour vision; what a colour says is also said
by a mark or a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .errors import NotAvailable, UsageError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .evaluate import Replay
    from .forecast import Forecast
    from .past import Past
    from .result import Run

BLUE, ORANGE, GREEN, RED, GREY, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676", "#56B4E9"
STATE_COLOURS = {
    "ready": GREEN,
    "due": BLUE,
    "overdue": RED,
    "planned": ORANGE,
    "none": GREY,
    "unknown": GREY,
}
SHOWN = 30  # rows of a plot with one row for each thing


def plot_line_eta(result: Run, *, ax: Axes | None = None, top: int = SHOWN) -> Axes:
    """Draw the ship dates of waiting lines: p10 to p90 as a bar, p50 as a dot, the promise as a cross.

    Lines are in the order of their p50, the first ``top`` of them; those without a date are left out.
    """
    frame = result.line_eta.dropna(subset=["p50_date"]).sort_values(["p50_date", "line_id"]).head(top)
    return _draw_queue(_axes(ax, 0.24 * len(frame) + 1.2), frame, result, "Ship dates of waiting lines")


def plot_queue(
    result: Run, item_id: str, location_id: str = "main", *, ax: Axes | None = None, top: int = SHOWN
) -> Axes:
    """Draw the queue of one item in service order; see :func:`plot_line_eta`.

    Raises ``UsageError`` when no line waits for the item.
    """
    frame = _of_sku(result.line_eta, item_id, location_id, "no line waits for")
    frame = frame.sort_values(["queue_position", "line_id"]).head(top)
    return _draw_queue(_axes(ax, 0.24 * len(frame) + 1.2), frame, result, f"Queue for {item_id}")


def plot_projected_stock(
    result: Run, item_id: str, location_id: str = "main", *, ax: Axes | None = None
) -> Axes:
    """Draw the stock of one item day by day: p50 as a line, p10 to p90 as a band, backorders below zero.

    Raises ``UsageError`` when the run projects no stock for the item.
    """
    paths = _of_sku(_state(result, "stock_paths"), item_id, location_id, "this run projects no stock for")
    ax = _axes(ax, 2.6)
    days = paths["date"].to_numpy()
    ax.fill_between(
        days,
        paths["on_hand_p10"],
        paths["on_hand_p90"],
        step="post",
        color=SKY,
        alpha=0.35,
        lw=0,
        label="p10-p90",
    )
    ax.step(days, paths["on_hand_p50"], where="post", color=BLUE, lw=1.6, label="stock, p50")
    owed = -paths["backordered_mean"].to_numpy()
    ax.fill_between(days, owed, 0, color=RED, alpha=0.55, lw=0, label="backordered, mean (below zero)")
    ax.axhline(0, color="black", lw=0.8)
    ax.set_title(f"Projected stock: {item_id}", parse_math=False)
    ax.set(ylabel="stock units", xlim=(days[0], days[-1]))
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=bool((paths["on_hand_p90"] % 1 == 0).all())))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda units, _: f"{units:,.10g}"))
    _date_axis(ax)
    ax.legend(loc="best", frameon=False, fontsize="small")
    return ax


def plot_lead_times(result: Run, *, ax: Axes | None = None, top: int = SHOWN) -> Axes:
    """Draw lead times by supplier and item: p10 to p90 as a bar, p50 as a dot; most purchases first."""
    frame = result.lead_times.sort_values(["n_received", "supplier_id"], ascending=[False, True]).head(top)
    labels = [_joined(row) for row in zip(frame["supplier_id"], frame["item_id"], strict=True)]
    ax = _axes(ax, 0.24 * len(frame) + 1.2)
    rows = np.arange(len(frame))
    ax.hlines(rows, frame["p10_days"], frame["p90_days"], color=BLUE, lw=4, alpha=0.35)
    ax.plot(frame["p50_days"], rows, "o", color=BLUE, ms=4)
    _name_rows(ax, labels)
    ax.set_title("Lead times: p10, p50, p90", parse_math=False)
    ax.set(xlabel="days")
    ax.set_xlim(left=0)
    return ax


def plot_risk(
    result: Run, horizon_days: int | None = None, *, ax: Axes | None = None, top: int = SHOWN
) -> Axes:
    """Draw the chance that an item runs out within a horizon, the largest first, on both supply bases.

    ``horizon_days``: by default the longest of the run; ``UsageError`` for one that the run does not have.
    """
    risk = result.backorder_risk
    known = sorted(risk["horizon_days"].unique())
    horizon = known[-1] if horizon_days is None and known else horizon_days
    if horizon not in known:
        raise UsageError(
            f"this run has no horizon of {horizon} days{did_you_mean(str(horizon), map(str, known))}"
        )
    wide = risk[risk["horizon_days"] == horizon].pivot_table(
        index=["item_id", "location_id"], columns="supply_basis", values="backorder_prob", aggfunc="first"
    )
    wide = wide.reindex(columns=["open_only", "with_planned"])
    wide = wide.sort_values(["open_only", "with_planned"], ascending=False).head(top)
    ax = _axes(ax, 0.24 * len(wide) + 1.4)
    rows = np.arange(len(wide))
    ax.plot(wide["open_only"], rows, "o", color=RED, ms=5, label="open purchases only")
    ax.plot(wide["with_planned"], rows, "D", color=BLUE, ms=4, label="with planned purchases")
    ax.hlines(rows, wide["with_planned"], wide["open_only"], color=GREY, lw=1)
    _name_rows(ax, [_joined(key) for key in wide.index])
    ax.set_title(f"Chance of a new backorder within {horizon} days", parse_math=False)
    ax.set(xlabel="probability", xlim=(-0.02, 1.02))
    ax.legend(loc="lower right", frameon=False, fontsize="small")
    return ax


def plot_demand_forecast(
    result: Run | Forecast, item_id: str, location_id: str = "main", *,
    history: Past | pd.DataFrame | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Draw the demand of one item by period as a fan (p50, bands p25 to p75 and p05 to p95), behind what came before.

    result: a run, whose own order lines are the history; or a forecast, and then `history` is the past that it was made
    from (:func:`forecast_demand`), or a frame `unique_id, ds, y` (:func:`forecast_panel`; ``item_id`` is the series).
    What a frame knows of the periods ahead is drawn too. A last period shorter than the others is left out.

    Raises ``UsageError`` when there is no forecast for the item.
    """
    frame = _fan(result, item_id, location_id)
    before = _came(result, history, frame, item_id, location_id)
    ax = _axes(ax, 2.6)
    days = frame["date"].to_numpy()
    ax.fill_between(days, frame["p05"], frame["p95"], color=SKY, alpha=0.25, lw=0, label="p05-p95")
    ax.fill_between(days, frame["p25"], frame["p75"], color=SKY, alpha=0.45, lw=0, label="p25-p75")
    ax.plot(days, frame["p50"], color=BLUE, lw=1.6, label="p50")
    ax.plot(days, frame["mean"], color="black", lw=0.9, ls="--", label="mean")
    if len(before):
        ax.plot(before.index, before.to_numpy(), color=GREY, lw=1.2, marker=".", ms=4, label="came")
    ax.set_title(f"Demand: {item_id}", parse_math=False)
    length = frame["days"].iloc[0] if "days" in frame else None
    ax.set(ylabel=f"units in {length} days" if length else "units in a period", ylim=(0, None))
    _date_axis(ax)
    ax.legend(loc="best", frameon=False, fontsize="small", ncols=2)
    return ax


def plot_calibration(replayed: Replay | pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of outcomes at or below each level that was stated against the level; right is the diagonal.

    replayed: a replay, or rows of its ``lines`` (those of one class, of one day). The band holds 95 % of right
    forecasts at each level, items being independent. Raises ``UsageError`` where nothing was judged.
    """
    from .evaluate.scores import calibration

    cases = replayed if isinstance(replayed, pd.DataFrame) else replayed.lines
    if "u" not in cases or cases["u"].isna().all():
        raise UsageError("nothing was judged, so there is no calibration to draw")
    frame = calibration(cases)
    ax = _axes(ax, 4.2, 4.6)
    ax.fill_between(frame["level"], frame["low"], frame["high"], color=GREY, alpha=0.2, lw=0, label="95 % if right")
    ax.plot([0, 1], [0, 1], color="black", lw=0.8)
    ax.plot(frame["level"], frame["share"], color=BLUE, lw=1.8, label="outcomes")
    ax.set_title(f"Calibration: {frame['n'].iloc[0]:,} cases", parse_math=False)
    ax.set(xlabel="level stated", ylabel="share at or below it", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    _grid(ax)
    ax.legend(loc="upper left", frameon=False, fontsize="small")
    return ax


def plot_scores(scorecard: pd.DataFrame, metric: str = "quantile_loss", *, ax: Axes | None = None) -> Axes:
    """Draw a measure by segment, ours beside what it is compared with; bars are two standard errors to either side.

    scorecard: of a replay or a run. Bars of baselines are those of their difference from ours where the scorecard has
    it (``<metric>_saved_<baseline>``). Raises ``UsageError`` for a measure that the scorecard does not have.
    """
    own = scorecard[(scorecard["metric"] == metric) & (scorecard["n"] > 0)]
    if own.empty:
        raise UsageError(f"the scorecard has no {metric!r}{did_you_mean(metric, scorecard['metric'].unique())}")
    saved = scorecard[scorecard["metric"].str.startswith(f"{metric}_saved_") & (scorecard["n"] > 0)]
    others = list(saved.groupby("baseline", sort=False)) or list(own.groupby("baseline", sort=False))
    ax = _axes(ax, 0.2 * len(own) * (len(others) + 1) + 1.3)
    rows = pd.Series(np.arange(len(own)), own["segment"])
    shift = 0.7 / (len(others) + 1)
    _marks(ax, own["value"], rows, own["standard_error"], BLUE, "o", "ours")
    looks = zip(others, (ORANGE, GREEN, RED, GREY), "sD^v", strict=False)
    for k, ((name, part), colour, mark) in enumerate(looks, start=1):
        error = part["standard_error"] if len(saved) else None
        at = rows.reindex(part["segment"]) + k * shift
        _marks(ax, part["baseline_value"], at, error, colour, mark, str(name).replace("_", " "))
    _name_rows(ax, [f"{x} ({n:,})" for x, n in zip(own["segment"], own["n"], strict=True)])
    ax.set_ylim(len(own) - 0.3, -0.5)
    ax.set_title(f"{metric.replace('_', ' ').capitalize()}, by segment (cases)", parse_math=False)
    ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    if "loss" in metric:
        ax.set_xlabel("less is better")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
    return ax


def _marks(
    ax: Axes, value: pd.Series, row: pd.Series, error: pd.Series | None, colour: str, mark: str, label: str
) -> None:
    bars = None if error is None else 2.0 * error.fillna(0.0).to_numpy()
    ax.errorbar(value.to_numpy(), row.to_numpy(float), xerr=bars, fmt=mark, color=colour, ms=5, lw=1.2, label=label)


def plot_replay(result: Run, day: pd.Timestamp, *, ax: Axes | None = None, top: int = SHOWN) -> Axes:
    """Draw one replayed day: what was said then (p10 to p90, p50), what the shop said, and what happened.

    Of many lines, ``top`` evenly spaced ones in the order of their p50. Raises ``UsageError`` for a day that
    was not replayed.
    """
    known = _state(result, "replay_lines")
    frame = known[(known["as_of"] == day) & known["p50_date"].notna()].sort_values(["p50_date", "line_id"])
    if frame.empty:
        raise UsageError(f"{day.date()} was not replayed, or nothing was open then")
    frame = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, min(top, len(frame))).astype(int))]
    ax = _axes(ax, 0.2 * len(frame) + 1.4)
    rows = np.arange(len(frame))
    last = day + pd.Timedelta(days=result.config.simulation.horizon_days)
    ax.hlines(rows, frame["p10_date"], frame["p90_date"].fillna(last), color=SKY, lw=4, alpha=0.5)
    ax.plot(frame["p50_date"], rows, "o", color=BLUE, ms=3.5, label="our p50 (bar: p10 to p90)")
    ax.plot(frame["promised_date"], rows, "x", color=RED, ms=4.5, label="the shop's date")
    ax.plot(frame["left_date"], rows, "|", color="black", ms=9, mew=1.8, label="left")
    ax.axvline(_at(day), color="black", lw=0.8)
    ax.set_title(f"Lines open on {day.date()}", parse_math=False)
    _name_rows(ax, [""] * len(frame))
    _date_axis(ax)
    _crop(ax, day, frame)
    return ax


def _crop(ax: Axes, day: pd.Timestamp, frame: pd.DataFrame) -> None:
    """Keep far tails from squeezing what matters: stop behind the last p50, promise or departure."""
    ends = frame[["p50_date", "promised_date", "left_date"]].max().max()
    span = max((ends - day).days, 7)
    ax.set_xlim(_at(day) - 0.1 * span, _at(day) + 1.35 * span)


def _draw_queue(ax: Axes, frame: pd.DataFrame, result: Run, title: str) -> Axes:
    last = result.as_of + pd.Timedelta(days=result.config.simulation.horizon_days)
    rows = np.arange(len(frame))
    colours = [STATE_COLOURS.get(state, GREY) for state in frame["supply_state"]]
    late = frame["p90_date"].fillna(last).where(frame["p50_date"].notna())
    ax.hlines(rows, frame["p10_date"], late, colors=colours, lw=4, alpha=0.35)
    ax.scatter(frame["p50_date"], rows, c=colours, s=18, zorder=3)
    ax.plot(frame["promised_date"], rows, "x", color="black", ms=5, label="promised")
    ax.axvline(_at(result.as_of), color="black", lw=0.8)
    _name_rows(
        ax, [f"{line} · {state}" for line, state in zip(frame["line_id"], frame["supply_state"], strict=True)]
    )
    ax.set_title(title, parse_math=False)
    _date_axis(ax)
    return ax


def _fan(result: Run | Forecast, item_id: str, location_id: str) -> pd.DataFrame:
    """Quantiles and mean of an item by period (`date` or `ds`), of periods of one length only."""
    from .result import Run

    if isinstance(result, Run):
        frame = _of_sku(result.demand_forecast, item_id, location_id, "this run forecasts no demand for")
    else:
        law = result.take(_of_item(result.index, item_id, location_id))
        frame = law.quantile((0.05, 0.25, 0.5, 0.75, 0.95)).assign(mean=law.mean()).rename(columns={"ds": "date"})
    return frame[frame["days"] == frame["days"].iloc[0]] if "days" in frame else frame


def _of_item(index: pd.DataFrame, item_id: str, location_id: str) -> np.ndarray:
    name = "unique_id" if "unique_id" in index else "item_id"
    own = index[name] == item_id
    if "location_id" in index:
        own &= index["location_id"] == location_id
    if not own.any():
        where = f" at {location_id!r}" if "location_id" in index else ""
        hint = did_you_mean(str(item_id), index[name].astype(str).unique().tolist()[:10_000])
        raise UsageError(f"this forecast has no {item_id!r}{where}{hint}")
    return np.flatnonzero(own)


def _came(
    result: Run | Forecast, history: Past | pd.DataFrame | None, fan: pd.DataFrame, item_id: str, location_id: str
) -> pd.Series:
    """Units that came in each period before the fan, and in it as far as a frame knows them, by first day."""
    from .result import Run

    known: Any = result.state.get("lines") if isinstance(result, Run) else history
    lines: pd.DataFrame | None = getattr(known, "lines", known)
    if lines is None or lines.empty:
        return pd.Series(dtype=float)
    if "wanted_date" in lines:
        lines = lines.rename(columns={"wanted_date": "ds", "qty": "y"})
        own = (lines["item_id"] == item_id) & (lines["location_id"] == location_id)
        last = fan["date"].iloc[0] - pd.Timedelta(days=1)  # what is ordered ahead is not all that will come
    else:
        own = lines["unique_id"] == item_id if "unique_id" in lines else pd.Series(True, index=lines.index)
        last = pd.to_datetime(lines["ds"]).max()
    first = pd.to_datetime(lines["ds"]).min()
    edges = _edges(fan)
    starts = edges[:-1][(edges[:-1] >= first) & (edges[:-1] <= last)]
    place = np.searchsorted(edges, pd.DatetimeIndex(lines.loc[own, "ds"]), side="right") - 1
    units = np.bincount(place[place >= 0], lines.loc[own, "y"].to_numpy(float)[place >= 0], len(edges))
    return pd.Series(units[edges.get_indexer(starts)], index=starts)


def _edges(fan: pd.DataFrame) -> pd.DatetimeIndex:
    """First days of the periods of the fan, of twice as many before it (26 at least), and the day after it."""
    ahead = pd.DatetimeIndex(fan["date"])
    days = int(fan["days"].iloc[0]) if "days" in fan else (ahead[1] - ahead[0]).days if len(ahead) > 1 else 1
    monthly = "days" not in fan and days >= 28 and bool((ahead.day == 1).all())
    step = pd.DateOffset(months=1) if monthly else pd.Timedelta(days=days)
    before = [ahead[0] - step * k for k in range(max(2 * len(ahead), 26), 0, -1)]
    return pd.DatetimeIndex([*before, *ahead, ahead[-1] + step])


def _at(day: pd.Timestamp) -> float:
    """Where a day lies on a date axis."""
    return float(dates.date2num(day))  # type: ignore[no-untyped-call]


def _axes(ax: Axes | None, height: float, width: float = 7.0) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # only where nobody brings axes: it looks for a screen

    return plt.subplots(figsize=(width, min(max(height, 2.2), 12)), layout="constrained")[1]


def _name_rows(ax: Axes, labels: list[str]) -> None:
    ax.set_yticks(np.arange(len(labels)), labels, fontsize="small", parse_math=False)
    ax.set_ylim(len(labels) - 0.4, -0.6)  # the first on top
    ax.grid(axis="x", color="#dddddd", lw=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _date_axis(ax: Axes) -> None:
    locator: Any = dates.AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    _grid(ax)


def _grid(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#dddddd", lw=0.6)
    ax.set_axisbelow(True)


def _state(result: Run, name: str) -> pd.DataFrame:
    if name not in result.state:
        raise NotAvailable(f"this run has no {name}")
    return result.state[name]


def _of_sku(frame: pd.DataFrame, item_id: str, location_id: str, complaint: str) -> pd.DataFrame:
    own = frame[(frame["item_id"] == item_id) & (frame["location_id"] == location_id)]
    if own.empty:
        hint = did_you_mean(item_id, frame["item_id"].unique().tolist()[:10_000]) if len(frame) else ""
        raise UsageError(f"{complaint} {item_id!r} at {location_id!r}{hint}")
    return own


def _joined(parts: Any) -> str:
    return " · ".join(str(part) for part in parts if isinstance(part, str) and part != "main")
