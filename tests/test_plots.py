"""Plots draw what the tables say, on the axes given or on new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backorder_forecast import plots
from backorder_forecast.errors import NotAvailable, UsageError
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
