"""What changed since an earlier run: a change made on purpose is found, and given as the reason."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast import cli, eta
from backorder_forecast.newcomer import with_line
from tests.sample_run import QUICK, sample_run


@pytest.fixture(scope="module")
def run():
    return sample_run()


@pytest.fixture(scope="module")
def purchase(run):
    worth = run.expedite[run.expedite["basis"] != "simulated"].sort_values("line_days_saved")
    return worth.iloc[-1]


def run_of(run, inputs, **state):
    """A run whose queue is what these inputs say."""
    outcomes = inputs.simulate()
    past = inputs.past
    frames = {"lines": past.lines, "purchases": past.purchases, "stock": past.stock, **state}
    tables = {**run.tables, "line_eta": eta.line_eta(outcomes),
              "purchase_eta": eta.purchase_eta(past, inputs.supply.lead_times)}  # fmt: skip
    return dataclasses.replace(run, inputs=inputs, tables=tables, state={**run.state, **frames}, config=past.config)


def reasons(found):
    moved = found[found["change"].isin(["later", "sooner"])]
    return moved["because"].value_counts(), moved


def test_the_same_run_has_not_changed(run):
    assert run.compare(run).empty


def test_a_purchase_that_slipped(run, purchase):
    earlier = run_of(run, bf.Change(sooner={purchase["po_line_id"]: 10}).applied(run.queue_inputs))
    count, moved = reasons(run.compare(earlier))
    assert (moved["change"] == "later").mean() > 0.9  # what is firm for longer may be cancelled meanwhile
    assert count.index[0] == "purchase"
    mine = moved[moved["item_id"] == purchase["item_id"]]
    assert (mine["because"] == "purchase").mean() > 0.8
    assert (mine["purchase_days"] > 0).any()
    others = ["receipt_days", "stock_days", "new_lines_days", "cancellation_days", "rule_days"]
    assert (mine[others].fillna(0.0) == 0).all(axis=None)


def test_stock_that_was_corrected(run, purchase):
    sku = f"{purchase['item_id']}/{purchase['location_id']}"
    later = run_of(run, bf.Change(stock={sku: 12.0}).applied(run.queue_inputs))
    _, moved = reasons(later.compare(run))
    mine = moved[moved["because"] == "stock"]
    assert len(mine) > 2
    assert (mine["change"] == "sooner").all()
    assert (mine.loc[mine["item_id"] == purchase["item_id"], "detail"] == "+12 units").all()
    assert (mine["because_days"] <= -1).all()


def test_what_came_is_a_receipt_not_a_correction(run, purchase):
    inputs, name = run.queue_inputs, purchase["po_line_id"]
    qty = float(purchase["open_qty"])
    sku = f"{purchase['item_id']}/{purchase['location_id']}"
    came = bf.Change(cancel=[name], stock={sku: qty}).applied(inputs)
    bought = inputs.past.purchases
    mine = bought["po_line_id"] == name
    received = bought.assign(received_qty=bought["received_qty"] + qty * mine, open_qty=bought["open_qty"] * ~mine)
    count, moved = reasons(run_of(run, came, purchases=received).compare(run))
    assert count.index[0] == "receipt"
    assert (moved["stock_days"].dropna() == 0).all()
    mine = (moved["because"] == "receipt") & (moved["item_id"] == purchase["item_id"])
    told = moved.loc[mine & (moved["location_id"] == purchase["location_id"]), "detail"]
    assert len(told) > 5
    assert (told == f"{name}: {qty:g} came").all()


def test_lines_ordered_and_cancelled_since(run, purchase):
    """An urgent line comes in: others are later; it is cancelled: they are sooner."""
    place = run.queue_inputs.past.skus
    sku = int(np.flatnonzero((place["item_id"] == purchase["item_id"])
                             & (place["location_id"] == purchase["location_id"]))[0])  # fmt: skip
    row = {"sku": sku, "qty": 25.0, "priority": -1, "wanted": 1, "date": None, "pieces": True}
    more = run_of(run, with_line(run.queue_inputs, row, "NEW"))
    found = more.compare(run)
    assert found.set_index("line_id").loc["NEW", "change"] == "new"
    _, moved = reasons(found)
    mine = moved[(moved["item_id"] == purchase["item_id"]) & (moved["location_id"] == purchase["location_id"])]
    assert (mine["because"] == "new_lines").mean() > 0.8
    assert (mine["change"] == "later").all()
    lines = more.state["lines"]
    gone = lines.assign(cancelled_qty=np.where(lines["line_id"] == "NEW", 25.0, lines["cancelled_qty"]),
                        open_qty=np.where(lines["line_id"] == "NEW", 0.0, lines["open_qty"]))  # fmt: skip
    found = run_of(run, run.queue_inputs, lines=gone).compare(more)
    assert found.set_index("line_id").loc["NEW", "change"] == "cancelled"
    _, moved = reasons(found)
    mine = moved[(moved["item_id"] == purchase["item_id"]) & (moved["location_id"] == purchase["location_id"])]
    assert (mine["because"] == "cancellation").mean() > 0.8


def test_another_rule(run):
    inputs = run.queue_inputs
    config = bf.Config.merged(inputs.past.config, {"queue": {"rule": "smallest"}})
    past = dataclasses.replace(inputs.past, config=config)
    past.__dict__.update({x: inputs.past.__dict__[x] for x in ("lines", "purchases", "skus", "policies", "stock")})
    count, _ = reasons(run_of(run, dataclasses.replace(inputs, past=past)).compare(run))
    assert count.index[0] == "rule"


def test_a_later_run_is_not_a_previous_one(run):
    later = dataclasses.replace(run, as_of=run.as_of + pd.Timedelta(days=1))
    with pytest.raises(bf.BackorderForecastError, match="compare that one with this"):
        run.compare(later)


def test_run_with_previous_writes_the_table_and_a_section(run, tmp_path, capsys):
    folder = run.save(tmp_path / "before")
    (tmp_path / "quick.toml").write_text(
        "".join(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in part.items()) for name, part in QUICK.items())
    )
    flags = ["--seed", "3", "--config", str(tmp_path / "quick.toml"), "--out", str(tmp_path / "out")]
    assert cli._exit_code(["run", "data/sample", "--previous", str(folder), *flags, "--quiet"]) == 0
    opened = bf.open_run(tmp_path / "out" / "2026-06-30")
    assert opened.changes.empty  # the same day, seed and settings: not one date differs
    assert "What changed since the previous run" in Path(tmp_path / "out" / "2026-06-30" / "report.html").read_text()
    assert cli._exit_code(["run", "data/sample", "--previous", str(tmp_path), *flags]) == 2
    assert "is not a run folder" in capsys.readouterr().err
