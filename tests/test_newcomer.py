"""An order not placed yet has the date that the whole simulation gives with its line added, scenario by scenario."""

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast import cli, newcomer
from backorder_forecast.newcomer import NEW_LINE, OrderDesk, with_line
from backorder_forecast.queue import leave_days
from tests.sample_run import sample_run


@pytest.fixture(scope="module")
def run():
    return sample_run()


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    return run.save(tmp_path_factory.mktemp("runs"))


def asked(sku, qty, wanted=1, priority=0, pieces=True):
    return {"sku": sku, "qty": qty, "priority": priority, "wanted": wanted, "date": None, "pieces": pieces}


def in_full(inputs, row):
    """Days and pegs by the whole simulation with the line added."""
    outcomes = with_line(inputs, row, NEW_LINE).simulate(every_day=True)
    at = int(np.flatnonzero(outcomes.lines["line_id"] == NEW_LINE)[0])
    place = int(np.flatnonzero(outcomes.sku_rows == row["sku"])[0])
    sku = outcomes.problem.sku[place]
    begin = outcomes.problem.line["peg_from"][at]
    peg = outcomes.tally.peg[begin : begin + newcomer.FIRST_PURCHASE + sku["po_to"] - sku["po_from"]]
    return leave_days(outcomes.lines.iloc[[at]], outcomes.tally)[0], peg


def dated(desk, row):
    return desk.dated(row["sku"], row["qty"], row["priority"], row["wanted"], row["pieces"])


@pytest.mark.parametrize("rule", ["priority", "first_come", "promised", "smallest", "max_min"])
def test_equal_to_the_whole_simulation(run, rule):
    inputs = run.queue_inputs
    config = bf.Config.merged(inputs.past.config, {"queue": {"rule": rule}})
    past = replace(inputs.past, config=config)
    past.__dict__.update({x: inputs.past.__dict__[x] for x in ("lines", "purchases", "skus", "policies", "stock")})
    inputs = replace(inputs, past=past)
    desk = OrderDesk(inputs, inputs.laid_out())
    waits = desk.found.lines["sku"].value_counts()
    tied = desk.found.lines.loc[desk.found.lines["firm_row"] >= 0, "sku"].iloc[0]
    rows = [asked(int(waits.index[0]), 3.0), asked(int(waits.index[5]), 40.0, 12, pieces=False), asked(int(tied), 2.0)]
    for row in rows:
        days, peg = dated(desk, row)
        full, full_peg = in_full(inputs, row)
        assert days.tolist() == full.tolist()
        assert peg.tolist() == full_peg.tolist()
        assert peg.sum() == desk.problem.scenarios


def test_classes_go_before_each_other(run):
    """With several priorities: one more line of each class, and one of a class never seen."""
    inputs = run.queue_inputs
    demand, lines = inputs.demand, inputs.past.lines
    share = np.tile([0.3, 0.7], (len(inputs.past.skus), 1))
    past = replace(inputs.past)
    past.__dict__.update(inputs.past.__dict__)
    urgent = np.arange(len(lines)) % 3 == 0
    past.__dict__["lines"] = lines.assign(priority=np.where(urgent, 0, 2))
    inputs = replace(inputs, past=past, demand=replace(demand, classes=np.array([0, 2]), class_share=share))
    desk = OrderDesk(inputs, inputs.laid_out())
    assert desk.problem.rule == newcomer.BY_CLASS
    sku = int(desk.found.lines["sku"].value_counts().index[0])
    means = []
    for priority in (0, 2):
        row = asked(sku, 4.0, priority=priority)
        days, peg = dated(desk, row)
        full, full_peg = in_full(inputs, row)
        assert days.tolist() == full.tolist()
        assert peg.tolist() == full_peg.tolist()
        means.append(days.mean())
    assert means[0] < means[1]
    assert not desk.knows(1)
    recomputed, _ = newcomer._recomputed(desk, asked(sku, 4.0, priority=1) | {"line_id": None})
    assert recomputed.tolist() == in_full(inputs, asked(sku, 4.0, priority=1))[0].tolist()
    assert means[0] <= recomputed.mean() <= means[1]


def test_what_stock_covers_is_not_simulated_and_still_the_same(run, monkeypatch):
    desk = run.desk
    stock = desk.past.stock["on_hand"].to_numpy()
    sku = int(np.nanargmax(stock))
    row = asked(sku, 1.0)
    full, peg = in_full(run.queue_inputs, row)
    monkeypatch.setattr(newcomer.components, "simulated", lambda p: pytest.fail("it was simulated"))
    days, found = dated(desk, row)
    assert days.tolist() == full.tolist()
    assert found.tolist() == peg.tolist()
    assert found[newcomer.STOCK] == desk.problem.scenarios


def test_an_opened_run_promises_the_same_and_faster_than_it_was_loaded(run, folder):
    opened = bf.open_run(folder)
    skus = run.queue_inputs.past.skus
    frame = skus[["item_id", "location_id"]].iloc[::20].assign(qty=5.0)
    began = time.process_time()
    first = opened.promise(frame)
    loaded = time.process_time() - began
    pd.testing.assert_frame_equal(first, run.promise(frame), check_exact=True)
    began = time.process_time()
    opened.promise(frame)
    assert time.process_time() - began < loaded
    assert (first["p10_date"].dropna() > run.as_of).all()
    assert first["ship_prob"].between(0, 1).all()


def test_a_changed_line_is_dated_as_if_it_had_been_so(run):
    eta = run.line_eta
    waiting = eta[(eta["date_basis"] == "scenarios") & (eta["open_qty"] >= 2) & (eta["ready_qty"] == 0)].iloc[0]
    line, qty = waiting["line_id"], waiting["open_qty"]
    as_it_is = run.promise({"line_id": line}).iloc[0]
    tied = run.simulated.lines.set_index("line_id")["firm_row"]
    alone = eta.loc[eta["line_id"].map(tied).eq(-1) & (eta["date_basis"] == "scenarios"), "line_id"].iloc[0]
    unchanged = run.promise({"line_id": alone}).iloc[0]
    for name in ("p10_date", "p50_date", "p90_date"):
        assert unchanged[name] == eta.set_index("line_id").loc[alone, name]
    more = run.promise({"line_id": line, "qty": qty + 50}).iloc[0]
    assert more["qty"] == qty + 50
    assert more["ship_prob"] <= as_it_is["ship_prob"]
    ready = eta.loc[eta["status"] == "ready", "line_id"].iloc[0]
    later = run.promise({"line_id": ready, "date": run.as_of + pd.Timedelta(days=20)}).iloc[0]
    assert later["p10_date"] >= run.as_of + pd.Timedelta(days=20)
    assert later["p10_date"] > run.promise({"line_id": ready}).iloc[0]["p10_date"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"item_id": "0042", "qty": 1}, "no item '0042' is known on 2026-06-30; did you mean '00042'"),
        ({"item_id": "00042", "qty": 1}, "lies at several locations"),
        ({"item_id": "00042", "location_id": "north", "qty": 0}, "is more than 0"),
        ({"item_id": "00042", "location_id": "north", "qty": "x"}, "cannot be read"),
        ({"item_id": "00042", "location_id": "north"}, "a promise needs 'qty'"),
        ({"item_id": "00042", "location_id": "north", "qty": 1, "date": "2027-06-30"}, "beyond the 90 days"),
        ({"item": "00042", "qty": 1}, "'item' is none of them"),
        ({"line_id": "nobody"}, "no line 'nobody' waits"),
    ],
)
def test_what_cannot_be_promised_says_why(run, row, told):
    with pytest.raises(bf.BackorderForecastError, match=told) as error:
        run.promise(row)
    assert error.value.exit_code == 2


def test_the_verb(run, folder, capsys):
    def said(*flags):
        code = cli._exit_code(["promise", str(folder), *flags])
        return code, *capsys.readouterr()

    code, out, _ = said("--item", "00042", "--location", "north", "--qty", "3", "--json")
    assert code == 0
    found, row = json.loads(out), run.promise({"item_id": "00042", "location_id": "north", "qty": 3}).iloc[0]
    assert found["p50_date"] == str(row["p50_date"].date())
    assert found["ship_prob"] == row["ship_prob"]
    code, out, _ = said("--item", "00042", "--location", "north", "--qty", "3", "--date", "2026-07-20")
    assert code == 0
    assert out.startswith("3 of 00042 at north: 2026-0")
    for flags in ((), ("--item", "00042"), ("--item", "x", "--qty", "1"), ("--line", "L1", "--item", "x")):
        code, out, err = said(*flags)
        assert (code, out) == (2, "")
        assert "Error: " in err
