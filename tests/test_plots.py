"""Plots draw what the tables say, on the axes given or on new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backorder_forecast import plots
from backorder_forecast.errors import NotAvailable, UsageError
from backorder_forecast.evaluate import Replay
from backorder_forecast.panel import forecast_panel
from backorder_forecast.tables import conform
from tests.example_run import DAY, example_run, purchases_only_run

PLOTS: list[tuple[Callable[..., Axes], tuple[Any, ...], str]] = [
    (plots.plot_line_eta, (), "Ship dates of waiting lines"),
    (plots.plot_queue, ("bolt",), "Queue for bolt"),
    (plots.plot_projected_stock, ("nut",), "Projected stock: nut"),
    (plots.plot_lead_times, (), "Lead times: p10, p50, p90"),
    (plots.plot_risk, (), "Chance of a new backorder within 28 days"),
    (plots.plot_risk, (7,), "Chance of a new backorder within 7 days"),
    (plots.plot_demand_forecast, ("pin",), "Demand: pin"),
]


@pytest.fixture(autouse=True)
def _no_screen() -> Iterator[None]:
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.mark.parametrize(("plot", "arguments", "title"), PLOTS)
def test_draws_on_given_axes(plot: Callable[..., Axes], arguments: tuple[Any, ...], title: str) -> None:
    ax = Figure().subplots()
    assert plot(example_run(), *arguments, ax=ax) is ax
    assert ax.get_title() == title
    assert ax.has_data()


@pytest.mark.parametrize(("plot", "arguments", "title"), PLOTS)
def test_draws_on_new_axes(plot: Callable[..., Axes], arguments: tuple[Any, ...], title: str) -> None:
    ax = plot(example_run(), *arguments)
    assert ax.get_title() == title
    ax.figure.draw_without_rendering()


def test_the_p50_is_where_the_table_says() -> None:
    run = example_run()
    ax = plots.plot_projected_stock(run, "nut")
    paths = run.state["stock_paths"]
    assert ax.lines[0].get_ydata().tolist() == paths.loc[paths["item_id"] == "nut", "on_hand_p50"].tolist()


def test_a_replayed_day() -> None:
    day = DAY - mpl.dates.datetime.timedelta(days=28)
    assert plots.plot_replay(example_run(), day).get_title() == "Lines open on 2026-06-02"
    with pytest.raises(UsageError, match="was not replayed"):
        plots.plot_replay(example_run(), DAY)


def cases(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"item_id": [f"i{k % 40}" for k in range(200)], "u": (np.arange(200) + 0.5) / 200} | columns)


def test_calibration_of_cases_that_are_right_is_the_diagonal() -> None:
    ax = plots.plot_calibration(cases())
    ax.figure.draw_without_rendering()
    assert ax.get_title() == "Calibration: 200 cases"
    share = next(line for line in ax.lines if line.get_label() == "outcomes")
    assert share.get_ydata() == pytest.approx(share.get_xdata(), abs=0.006)
    late = plots.plot_calibration(Replay(pd.DataFrame(), cases(u=0.99)), ax=Figure().subplots())
    share = next(line for line in late.lines if line.get_label() == "outcomes")
    assert share.get_ydata()[:98].tolist() == [0.0] * 98
    with pytest.raises(UsageError, match="nothing was judged"):
        plots.plot_calibration(Replay(pd.DataFrame(), pd.DataFrame()))


def scores() -> pd.DataFrame:
    rows = [
        ("quantile_loss", "all", 0.4, 0.02, 90, "historical", 0.5),
        ("quantile_loss", "lumpy", 0.6, 0.05, 40, "historical", 0.9),
        ("quantile_loss", "short", np.nan, np.nan, 0, "historical", np.nan),
        ("quantile_loss_saved_historical", "all", 0.1, 0.01, 90, "historical", 0.5),
        ("quantile_loss_saved_historical", "lumpy", 0.3, 0.04, 40, "historical", 0.9),
        ("quantile_loss_saved_naive", "all", 0.6, 0.03, 90, "naive", 1.0),
        ("quantile_loss_saved_naive", "lumpy", 0.5, 0.1, 40, "naive", 1.1),
        ("bias", "all", 0.01, 0.02, 90, None, np.nan),
    ]
    names = ["metric", "segment", "value", "standard_error", "n", "baseline", "baseline_value"]
    return conform("scorecard", pd.DataFrame(rows, columns=names).assign(stage="demand"))


def test_scores_stand_beside_those_of_the_baselines_with_the_error_of_their_difference() -> None:
    ax = plots.plot_scores(scores())
    ax.figure.draw_without_rendering()
    assert [x.get_text() for x in ax.get_yticklabels()] == ["all (90)", "lumpy (40)"]
    ours, historical, naive = ax.containers
    assert [x.get_label() for x in ax.containers] == ["ours", "historical", "naive"]
    assert ours[0].get_xdata().tolist() == [0.4, 0.6]
    assert historical[0].get_xdata().tolist() == [0.5, 0.9]
    ends = np.array([bar[:, 0] for bar in naive[2][0].get_segments()])
    assert ends == pytest.approx(np.array([[0.94, 1.06], [0.9, 1.3]]))
    alone = plots.plot_scores(scores(), "bias", ax=Figure().subplots())
    assert [x.get_label() for x in alone.containers] == ["ours"]
    with pytest.raises(UsageError, match="did you mean 'quantile_loss'"):
        plots.plot_scores(scores(), "quantile_lost")


def test_the_fan_stands_behind_what_came() -> None:
    """The periods of the fan go on from those before: weeks that end on the day."""
    lines = pd.DataFrame({"item_id": ["pin", "pin", "pin", "nut", "pin"], "location_id": "main"})
    lines["wanted_date"] = DAY - pd.to_timedelta([21, 6, 0, 3, -2], unit="D")
    lines["qty"] = [1.0, 2.0, 4.0, 8.0, 16.0]
    ax = plots.plot_demand_forecast(example_run(state={"lines": lines}), "pin")
    came = next(line for line in ax.lines if line.get_label() == "came")
    weeks = [DAY - pd.Timedelta(days=x) for x in (20, 13, 6)]
    assert list(came.get_xdata()) == weeks
    assert came.get_ydata().tolist() == [0, 0, 6]  # the unit of the 21st day before lies in a week that is cut
    assert not [x for x in plots.plot_demand_forecast(example_run(state={}), "pin").lines if x.get_label() == "came"]


@pytest.mark.parametrize(("frequency", "dates"), [
    ("D", pd.date_range("2026-01-01", periods=60)),
    ("W", pd.date_range("2025-01-06", periods=60, freq="7D")),
    ("M", pd.date_range("2021-01-01", periods=60, freq="MS")),
])  # fmt: skip
def test_the_fan_of_a_panel(frequency: str, dates: pd.DatetimeIndex) -> None:
    units = np.arange(60.0)
    frame = pd.DataFrame({"unique_id": "x", "ds": dates, "y": units})
    past = frame[frame.y < 54]
    forecast = forecast_panel(pd.concat([past, past.assign(unique_id="z", y=1.0)]), 6, frequency)
    ax = plots.plot_demand_forecast(forecast, "x", history=frame[~frame.y.isin([40, 56])])
    came = next(line for line in ax.lines if line.get_label() == "came")
    assert list(came.get_xdata()) == list(dates[-32:])  # 26 before, and the six ahead, which are known here
    assert came.get_ydata().tolist() == [x * (x not in (40, 56)) for x in units[-32:]]
    p50 = next(line for line in ax.lines if line.get_label() == "p50")
    assert p50.get_ydata().tolist() == forecast.quantile([0.5])["p50"].tolist()[:6]
    with pytest.raises(UsageError, match="this forecast has no 'zz'; did you mean 'z'"):
        plots.plot_demand_forecast(forecast, "zz")


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="did you mean 'bolt'"):
        plots.plot_queue(example_run(), "bold")
    with pytest.raises(UsageError, match="no horizon of 99"):
        plots.plot_risk(example_run(), 99)
    with pytest.raises(NotAvailable, match="needs order_lines"):
        plots.plot_line_eta(purchases_only_run())
    with pytest.raises(NotAvailable, match="stock_paths"):
        plots.plot_projected_stock(purchases_only_run(), "nut")


def test_ids_are_never_mathematics() -> None:
    run = example_run()
    frame = run.tables["line_eta"].assign(item_id="$x_1$ cost$", line_id="$\\bad")
    ax = plots.plot_queue(example_run(tables={"line_eta": frame}), "$x_1$ cost$")
    ax.figure.draw_without_rendering()
