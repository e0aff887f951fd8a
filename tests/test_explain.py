"""A line explained: what it waits for adds up, why it is late is what the table says, scenarios are the run's own."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.late import REASONS
from backorder_forecast.queue import leave_days
from tests.example_run import example_run
from tests.sample_run import sample_run

mpl.use("Agg")


@pytest.fixture(scope="module")
def run():
    return sample_run()


@pytest.fixture(scope="module")
def lines(run):
    """Late lines of every reason, a line that is on time, and one of a ship-complete order."""
    eta = run.line_eta
    chosen = [*eta.dropna(subset="late_reason").drop_duplicates("late_reason")["line_id"]]
    chosen += [eta.loc[eta["status"] == "on_time", "line_id"].iloc[0]]
    tied = run.simulated.lines
    return [*chosen, *tied.loc[tied["firm_row"] >= 0, "line_id"].iloc[:3]]


def test_what_it_waits_for_is_what_the_table_says(run, lines):
    for line in lines:
        found = run.explain(line)
        assert found.waits_for["prob"].sum() == pytest.approx(1.0)
        row = run.line_eta.set_index("line_id").loc[line]
        planned = found.waits_for.loc[found.waits_for["source"] == "planned", "prob"].sum()
        assert planned == pytest.approx(row["unplaced_prob"])
        if found.waits_on == line and not pd.isna(row["pegged_po_line_id"]):
            bought = found.waits_for.set_index("po_line_id")["prob"]
            assert bought[row["pegged_po_line_id"]] == pytest.approx(row["pegged_prob"])


def test_late_reason_is_the_largest_share(run, lines):
    seen = set()
    for line in lines:
        found = run.explain(line)
        reason = run.line_eta.set_index("line_id").loc[line, "late_reason"]
        if not pd.isna(reason):
            assert found.reasons["share"].sum() == pytest.approx(1.0)
            assert found.reasons["days"].sum() == pytest.approx(found.late_days)
            assert found.reasons["reason"][found.reasons["share"].argmax()] == reason
            assert found.late_prob > 0.2
            seen.add(reason)
    assert len(seen) >= 3
    assert found.reasons["reason"].tolist() == list(REASONS)


def test_lines_that_are_hardly_late_have_no_reason(run):
    eta = run.line_eta
    assert eta.loc[eta["status"].isin(["ready", "unknown"]), "late_reason"].isna().all()
    assert eta.loc[eta["status"] == "late", "late_reason"].notna().mean() > 0.85


def test_the_scenarios_are_the_run_s_best_median_and_worst(run, lines):
    outcomes = run.simulated
    days = leave_days(outcomes.lines, outcomes.tally)
    at = pd.Index(outcomes.lines["line_id"])
    for line in lines:
        replay = run.explain(line).replay
        own = replay[replay["event"].isin(["line leaves", "still waits"])]
        ordered = np.sort(days[at.get_loc(line)])
        expected = [ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]]
        found = (own["date"] - run.as_of).dt.days.fillna(outcomes.horizon + 1).tolist()
        assert found == expected
        assert (replay["ahead"] >= 0).all()
        for _, events in replay.groupby("scenario"):
            assert events["date"].dropna().is_monotonic_increasing


def test_it_tells_itself_and_is_drawn(run, lines):
    found = run.explain(lines[0])
    told = str(found)
    assert told.startswith(f"line {lines[0]} (")
    assert "median scenario" in told
    assert found._repr_html_().startswith("<pre>")
    assert set(found.to_dict()) >= {"line", "waits_for", "reasons", "replay", "late_prob"}
    ax = bf.plot_explain(found)
    assert lines[0] in ax.get_title()
    assert [x.get_text() for x in ax.get_yticklabels()] == ["best", "median", "worst"]


def test_what_cannot_be_explained_says_why(run):
    shipped = run.state["lines"].loc[run.state["lines"]["open_qty"] <= 0, "line_id"].iloc[0]
    near = run.line_eta["line_id"].iloc[0]
    with pytest.raises(bf.BackorderForecastError, match="waits for nothing any more"):
        run.explain(shipped)
    with pytest.raises(bf.BackorderForecastError, match="did you mean"):
        run.explain(near.lower())
    with pytest.raises(bf.NotAvailable, match="cannot be simulated again"):
        example_run().explain("L1")
