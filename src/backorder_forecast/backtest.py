"""What ``backtest`` writes and says: a replay of past days as a folder, as text, and as plain values."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .answer import records
from .errors import InputError, UsageError
from .evaluate import Replay, replay
from .evaluate.lead_times import SUPPLIER
from .methods.baselines import BASELINES
from .result import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .dataset import Dataset
    from .evaluate.stage import Clock

SCORE = {"demand": "quantile_loss", "lead_time": "quantile_loss", "line_eta": "shipped_by_p90"}  # drawn by segment
MOST_SUPPLIERS, _WIDEST = 12, 40  # told and drawn; characters of a segment's name
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)  # of the calibration told in JSON


def judged(data: Dataset, stage: str, as_of: pd.Timestamp, clock: Clock) -> Replay:
    """Replay one stage by the data's settings.

    Raises ``UsageError`` where no day is asked for, ``InputError`` where on none of the days anything can be judged.
    """
    if not data.config.replay.days:
        raise UsageError("replay.days is 0, so there is nothing to do: say --days")
    replayed = replay(data, stage=stage, before=as_of, clock=clock)
    if replayed.lines.empty:
        raise InputError(f"nothing can be replayed: {'; '.join(replayed.notes)}")
    return replayed


def as_run(replayed: Replay, data: Dataset, as_of: pd.Timestamp, timings: Mapping[str, float]) -> Run:
    """A replay as a run that has a scorecard and its cases, so that it is stored and opened like any other."""
    tables = {"scorecard": replayed.scorecard, f"replay_{replayed.stage}": replayed.lines}
    manifest = {
        "stage": replayed.stage,
        "inputs": [vars(x) for x in data.inputs],
        "timings": dict(timings),
        "seconds_per_day": {name: round(x, 4) for name, x in replayed.seconds.items()},
    }
    why = f"this is a backtest of {replayed.stage}, not a run"
    missing = dict.fromkeys(("line_eta", "order_eta", "purchase_eta", "backorder_risk", "reorder_points"), why)
    return Run(as_of, data.config, data.config.simulation.seed, tables, notes=replayed.notes, missing=missing,
               manifest=manifest)  # fmt: skip


def files(replayed: Replay) -> dict[str, bytes]:
    """Pictures and the summary, by file name."""
    from matplotlib.figure import Figure

    from . import plots, plots_supply

    def picture(draw: Callable[[Axes], Any], width: float, height: float) -> bytes:
        figure, sink = Figure(figsize=(width, height), layout="constrained"), io.BytesIO()
        draw(figure.subplots())
        figure.savefig(sink, format="png", dpi=120, metadata={"Software": None})
        return sink.getvalue()

    calibrated = plots_supply.plot_lead_time_calibration if replayed.stage == "lead_time" else plots.plot_calibration
    found = {"calibration.png": picture(lambda ax: calibrated(replayed, ax=ax), 4.6, 4.2)}
    metric, card = SCORE[replayed.stage], leading(replayed.scorecard)
    if card.loc[card["metric"] == metric, "n"].sum():  # dates may all lie too late to be judged yet
        height = max(5.0, 1.3 + 0.28 * card["segment"].nunique())
        found["scores.png"] = picture(lambda ax: plots.plot_scores(card, metric, ax=ax), 7.0, min(height, 12.0))
    return found | {"summary.txt": f"{summary(replayed)}\n".encode()}


def content(replayed: Replay, folder: str) -> dict[str, Any]:
    """The scorecard and what belongs to it, as plain values."""
    return {
        "stage": replayed.stage,
        "folder": folder,
        "days": [str(x.date()) for x in sorted(replayed.lines["as_of"].unique())],
        "scorecard": records(replayed.scorecard),
        "calibration": records(replayed.calibration(LEVELS)),
        "seconds_per_day": {name: round(x, 4) for name, x in replayed.seconds.items()},
        "notes": replayed.notes,
    }


def summary(replayed: Replay) -> str:
    """Scores by segment as a table for a terminal, with the runtime and the notes."""
    days = ", ".join(str(x.date()) for x in sorted(replayed.lines["as_of"].unique()))
    table, legend = _TABLES[replayed.stage](replayed), _LEGEND[replayed.stage]
    return "\n".join([f"{replayed.stage}, replayed on {days}", "", table, "", *legend, *replayed.notes])


_LEGEND = {
    "demand": [
        "loss: scaled quantile loss; vs: ours less that of a plain forecast, in % of it, ± a standard error",
        "p90, p95, p99: % of what came at or below them (right: 90, 95, 99); bias: of the mean, in %",
    ],
    "lead_time": [
        "p50, p80, p90, p95: % of purchase lines that came at or below them, those still open as 'not yet', steps of",
        "whole days spread (right: 50, 80, 90, 95); history: the same of what the supplier's received purchases, given",
        "the age, would have said; loss: twice the pinball loss in days, mean over these levels; vs: ours less that of",
        "history, of the stated date, in % of it, ± a standard error; |p50|: mean error of the p50 in days; by stated:",
        "% that came by the date then in force",
    ],
    "line_eta": [
        "by p50, by p90, by stated: % of lines that had left by that date, of those where it can be known",
        "u ≤ .1, .5, .9: % of the days at or below those levels, steps of whole days spread (right: 10, 50, 90)",
    ],
}


def leading(scorecard: pd.DataFrame) -> pd.DataFrame:
    """The scorecard with no more suppliers than can be read, those with most cases; the table has them all."""
    cases = scorecard.groupby("segment")["n"].max()
    suppliers = cases[cases.index.str.startswith(SUPPLIER)].sort_values(ascending=False, kind="stable")
    return scorecard[~scorecard["segment"].isin(suppliers.index[MOST_SUPPLIERS:])]


def _by_segment(replayed: Replay, column: str) -> pd.DataFrame:
    """A column of the scorecard by segment and metric."""
    card = leading(replayed.scorecard)
    return card.pivot_table(index="segment", columns="metric", values=column, sort=False, dropna=False)


def _demand_table(replayed: Replay) -> str:
    value, error, other, n = (
        _by_segment(replayed, x) for x in ("value", "standard_error", "baseline_value", "n")
    )
    out = pd.DataFrame({"cases": n["coverage_p90"].map("{:,.0f}".format), "loss": value["quantile_loss"].map(_three)})
    seconds = {"cases": "", "loss": _seconds(replayed, "ours")}
    for name in BASELINES:
        metric = f"quantile_loss_saved_{name}"
        share, scatter = -100 * value[metric] / other[metric], 100 * error[metric] / other[metric]
        column = f"vs {name.replace('_', ' ')}"
        out[column] = [_with_error(a, b) for a, b in zip(share, scatter, strict=True)]
        seconds[column] = _seconds(replayed, "history", name)
    for level in ("p90", "p95", "p99"):
        out[level] = value[f"coverage_{level}"].map(_percent)
    out["bias"] = (100 * value["bias"]).map(lambda x: "" if np.isnan(x) else f"{x:+.1f}")
    if replayed.seconds:
        out.loc["seconds a day"] = pd.Series(seconds)
    return _plain(out)


def _lead_times_table(replayed: Replay) -> str:
    value, error, other, n = (
        _by_segment(replayed, x) for x in ("value", "standard_error", "baseline_value", "n")
    )
    out = pd.DataFrame({"cases": n["coverage_p90"].map("{:,.0f}".format)})
    for level in ("p50", "p80", "p90", "p95"):
        out[level] = value[f"coverage_{level}"].map(_percent)
    for level in ("p50", "p90"):
        out[f"history {level}"] = other[f"coverage_{level}"].map(_percent)
    out["loss"] = value["quantile_loss"].map(_days)
    seconds = {"cases": "", "loss": _seconds(replayed, "ours")}
    for name, column in (("supplier_history", "vs history"), ("stated_date", "vs stated")):
        metric = f"quantile_loss_saved_{name}"
        share, scatter = -100 * value[metric] / other[metric], 100 * error[metric] / other[metric]
        out[column] = [_with_error(a, b) for a, b in zip(share, scatter, strict=True)]
    seconds["vs history"] = _seconds(replayed, "supplier_history")
    out["|p50|"] = value["absolute_error_p50"].map(_days)
    out["by stated"] = value["came_by_stated_date"].map(_percent)
    out = out.drop(columns=[x for x in ("vs stated", "by stated") if (out[x] == "").all()])  # nobody stated a date
    out.index = [x if len(x) <= _WIDEST else f"{x[: _WIDEST - 1]}…" for x in out.index]
    if replayed.seconds:
        out.loc["seconds a day"] = pd.Series(seconds).reindex(out.columns)
    return _plain(out)


def _lines_table(replayed: Replay) -> str:
    value, n = _by_segment(replayed, "value"), _by_segment(replayed, "n")
    out = pd.DataFrame({"cases": n["transform_p90"].map("{:,.0f}".format)})
    for column, metric in (("by p50", "shipped_by_p50"), ("by p90", "shipped_by_p90")):
        out[column] = value[metric].map(_percent)
    out["by stated"] = _by_segment(replayed, "baseline_value")["shipped_by_p90"].map(_percent)
    for column, metric in (("u ≤ .1", "transform_p10"), ("u ≤ .5", "transform_p50"), ("u ≤ .9", "transform_p90")):
        out[column] = value[metric].map(_percent)
    if replayed.seconds:
        out.loc["seconds a day"] = pd.Series({"cases": _seconds(replayed, "ours")})
    return _plain(out)


_TABLES: dict[str, Callable[[Replay], str]] = {
    "demand": _demand_table,
    "lead_time": _lead_times_table,
    "line_eta": _lines_table,
}


def _plain(table: pd.DataFrame) -> str:
    return table.fillna("").rename_axis(index=None, columns=None).to_string()


def _seconds(replayed: Replay, *names: str) -> str:
    return f"{sum(replayed.seconds.get(x, 0.0) for x in names):.2f}"


def _three(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _days(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.1f}"


def _percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.1f}"


def _with_error(value: float, error: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:+.0f}" if np.isnan(error) else f"{value:+.0f} ± {error:.0f}"
