"""Plots of suppliers and purchases draw what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backorder_forecast import plots_supply
from backorder_forecast.errors import NotAvailable, UsageError
from backorder_forecast.evaluate import Replay
from tests.example_run import example_run, purchases, purchases_only_run, supplier_survival


@pytest.fixture(autouse=True)
def _no_screen() -> Iterator[None]:
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


def labels(ax: Axes) -> list[str]:
    return [str(x) for x in ax.get_legend_handles_labels()[1]]


def test_curves_are_those_of_the_run() -> None:
    ax = Figure().subplots()
    assert plots_supply.plot_supplier_survival(example_run(), ax=ax) is ax
    ax.figure.draw_without_rendering()
    assert labels(ax) == ["S1 (28)", "S2 (7)", "S3 (1)"]
    own = supplier_survival().query("supplier_id == 'S1'")
    assert ax.lines[0].get_xdata().tolist() == own["days"].tolist()
    assert ax.lines[0].get_ydata().tolist() == own["open_prob"].tolist()
    ends = ax.collections[0].get_paths()[0].get_extents()
    assert (ends.y0, ends.y1) == (0.02, 1.0)
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 3
    assert ax.get_xlim()[1] == pytest.approx(1.04 * 58)


def test_chosen_suppliers_in_their_order_and_from_a_frame() -> None:
    ax = plots_supply.plot_supplier_survival(supplier_survival(), ["S2", "S1"])
    assert labels(ax) == ["S2 (7)", "S1 (28)"]
    assert labels(plots_supply.plot_supplier_survival(supplier_survival(), top=1)) == ["S1 (28)"]


def test_a_long_tail_does_not_squeeze_the_curve() -> None:
    tail = pd.DataFrame({"supplier_id": "S1", "days": [70.0, 900.0], "open_prob": [0.01, 0.005], "low": 0.0,
                         "high": 0.05, "n_risk": 2, "n_ended": 1})  # fmt: skip
    ax = plots_supply.plot_supplier_survival(pd.concat([supplier_survival(), tail]), ["S1"])
    assert ax.get_xlim()[1] == pytest.approx(1.04 * 70)


def test_days_taken_against_days_stated() -> None:
    ax = Figure().subplots()
    assert plots_supply.plot_promise_against_received(example_run(), ax=ax) is ax
    ax.figure.draw_without_rendering()
    assert labels(ax) == ["received (2)", "open, so far (4)"]
    received, waiting = (np.asarray(x.get_offsets()).tolist() for x in ax.collections)
    assert received == [[30, 45], [30, 28]]  # by day of ordering
    assert waiting == [[40, 60], [32, 30], [28, 20], [35, 5]]
    diagonal = ax.lines[0]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
    alone = plots_supply.plot_promise_against_received(example_run(), "S2")
    assert alone.get_title() == "Days taken against days stated: S2"
    assert labels(alone) == ["received (1)", "open, so far (1)"]


def test_of_many_purchases_some_are_drawn_and_far_ones_at_the_end() -> None:
    rows = pd.concat([purchases().query("po_line_id == 'P0'")] * 400, ignore_index=True)
    rows["po_line_id"] = [f"P{k}" for k in range(400)]
    rows.loc[0, "last_received_at"] = rows.loc[0, "ordered_at"] + pd.Timedelta(days=5000)
    ax = plots_supply.plot_promise_against_received(example_run(state={"purchases": rows}), most=50)
    offsets = np.asarray(ax.collections[0].get_offsets())
    assert len(offsets) == 50
    assert offsets[:, 1].max() == ax.get_ylim()[1] < 100


def cases(**columns: Any) -> pd.DataFrame:
    u = (np.arange(200) + 0.5) / 200
    frame = pd.DataFrame({"po_id": [f"o{k % 90}" for k in range(200)], "u": u, "u_supplier_history": u**2})
    return frame.assign(state=np.where(np.arange(200) % 2, "overdue", "not due"), **columns)


def test_calibration_overdue_and_not_due_apart_beside_a_list() -> None:
    ax = plots_supply.plot_lead_time_calibration(Replay(pd.DataFrame(), cases(), stage="lead_time"))
    ax.figure.draw_without_rendering()
    assert ax.get_title() == "Calibration: 200 purchases open"
    assert set(labels(ax)) == {"95 % if right", "supplier's received, given age", "overdue (100)", "not due (100)"}
    lines = {str(line.get_label()): line for line in ax.lines}
    for name in ("overdue (100)", "not due (100)"):
        assert lines[name].get_ydata() == pytest.approx(lines[name].get_xdata(), abs=0.011)
    theirs = lines["supplier's received, given age"]
    assert theirs.get_ydata() == pytest.approx(np.sqrt(theirs.get_xdata().astype(float)), abs=0.006)
    late = plots_supply.plot_lead_time_calibration(cases(u=0.99), ax=Figure().subplots())
    assert next(x for x in late.lines if x.get_label() == "overdue (100)").get_ydata()[:98].tolist() == [0.0] * 98


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="no purchase is known of supplier 's3'; known: S1, S2, S3"):
        plots_supply.plot_supplier_survival(example_run(), ["s3"])
    with pytest.raises(UsageError, match="no purchase is known"):
        plots_supply.plot_supplier_survival(supplier_survival().head(0))
    with pytest.raises(UsageError, match="7 curves cannot be told apart"):
        plots_supply.plot_supplier_survival(supplier_survival(), ["S1"] * 7)
    with pytest.raises(NotAvailable, match="supplier_survival"):
        plots_supply.plot_supplier_survival(purchases_only_run())
    with pytest.raises(UsageError, match="no purchase of supplier 'S3' has a first stated date"):
        plots_supply.plot_promise_against_received(example_run(), "S3")
    with pytest.raises(NotAvailable, match="purchases"):
        plots_supply.plot_promise_against_received(purchases_only_run())
    for nothing in (pd.DataFrame(), cases(u=np.nan), cases().drop(columns="state")):
        with pytest.raises(UsageError, match="no open purchase was judged"):
            plots_supply.plot_lead_time_calibration(nothing)


def test_names_are_never_mathematics() -> None:
    curves = supplier_survival().replace("S1", "$x_1$ cost$")
    ax = plots_supply.plot_supplier_survival(curves)
    ax.figure.draw_without_rendering()
    rows = purchases().replace("S1", "$\\bad")
    ax = plots_supply.plot_promise_against_received(example_run(state={"purchases": rows}), "$\\bad")
    ax.figure.draw_without_rendering()
