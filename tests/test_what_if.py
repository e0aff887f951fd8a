"""What-if: the same scenarios with something changed, of a fresh run and of one read back from disk."""

import json
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast import cli
from backorder_forecast.packing import pack, unpack
from backorder_forecast.queue import leave_days
from backorder_forecast.queue_inputs import QueueInputs
from backorder_forecast.tables import TEXT
from tests.sample_run import sample_data, sample_run


@pytest.fixture(scope="module")
def run():
    return sample_run()


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    return run.save(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def opened(folder):
    return bf.open_run(folder)


@pytest.fixture(scope="module")
def purchase(run):
    """The open purchase that saves most by coming sooner, its value simulated in full."""
    worth = run.expedite[run.expedite["basis"] == "simulated"]
    return worth.sort_values("line_days_saved").iloc[-1]


def sku(row):
    return f"{row['item_id']}/{row['location_id']}"


def difference(found, metric, variant="changed"):
    rows = found.table[(found.table["variant"] == variant) & (found.table["metric"] == metric)]
    return rows["difference"].iloc[0]


def test_an_opened_run_answers_bit_for_bit_as_the_fresh_one(run, opened, purchase):
    for one, other in zip(run.simulated.problem, opened.simulated.problem, strict=True):
        np.testing.assert_array_equal(one, other)
    variants = {
        "rule": {"rule": "max_min"}, "by promise": {"rule": "promised", "sooner": {purchase["po_line_id"]: 5}},
        "supply": {"cancel": [purchase["po_line_id"]], "buy": [{"item": sku(purchase), "qty": 7}]},
        "all else": {"stock": {sku(purchase): 3}, "demand": 1.3, "service_target": 0.99},
    }  # fmt: skip
    fresh, again = run.what_if(variants), opened.what_if(variants)
    pd.testing.assert_frame_equal(fresh.table, again.table, check_exact=True)
    pd.testing.assert_frame_equal(fresh.lines, again.lines, check_exact=True)
    assert (fresh.table.groupby("variant")["difference"].apply(lambda x: x.abs().max()).drop("as it is") > 0).all()


def test_the_run_s_own_scenarios_are_simulated_again(run, opened):
    """What is kept is what the run was made from: the same dates come out."""
    dates = opened.simulated.ship_dates.quantile([0.1, 0.5, 0.9]).set_index("line_id")
    eta = run.line_eta[run.line_eta["date_basis"] == "scenarios"].set_index("line_id")[list(dates)]
    dates = dates.reindex(eta.index)
    assert len(dates) > 300
    pd.testing.assert_frame_equal(dates, eta)


def test_nothing_changed_changes_nothing(opened, purchase):
    found = opened.what_if(stock={sku(purchase): 0.0}, demand=1.0)
    assert (found.table["difference"] == 0.0).all()
    assert found.lines.empty


def test_sooner_is_what_the_expedite_table_says(opened, purchase):
    found = opened.what_if(sooner={purchase["po_line_id"]: int(purchase["sooner_days"])})
    assert difference(found, "line_days") == pytest.approx(-purchase["line_days_saved"])
    assert difference(found, "late_lines") == pytest.approx(-purchase["late_lines_saved"])
    assert set(found.lines["item_id"]) >= {purchase["item_id"]}
    first = found.lines.iloc[0]
    assert first["days_sooner"] > 0
    assert first["new_p50_date"] <= first["p50_date"]


def test_plenty_tomorrow_serves_everybody_on_the_first_day(opened, purchase):
    found = opened.what_if(buy=[{"item": sku(purchase), "qty": 10_000, "date": opened.as_of + pd.Timedelta(days=1)}])
    by_stock = opened.what_if(stock={sku(purchase): 10_000})
    assert difference(found, "line_days") == pytest.approx(difference(by_stock, "line_days"), rel=0.02)
    mine = found.lines[(found.lines["item_id"] == purchase["item_id"])
                       & (found.lines["location_id"] == purchase["location_id"])]  # fmt: skip
    assert (mine["days_sooner"] >= 0).all()
    assert len(mine) > 3


def test_a_cancelled_purchase_is_one_that_never_was(opened, purchase):
    inputs = bf.Change(cancel=[purchase["po_line_id"]]).applied(opened.queue_inputs)
    drawn = inputs.supply.draws(60, 3)[(inputs.supply.purchases["po_line_id"] == purchase["po_line_id"]).to_numpy()]
    assert (drawn["first"] == 91).all()
    assert (drawn["gone"] == 1).all()
    after, before = inputs.simulate(every_day=True), opened.simulated
    mine = before.lines.loc[before.lines["item_id"] == purchase["item_id"], "component"]
    alone = ~before.lines["component"].isin(mine).to_numpy()
    assert alone.sum() > 100
    days, other = (leave_days(x.lines, x.tally)[alone] for x in (before, after))
    assert (days == other).all()  # the others' draws are the same
    assert after.tally.own_day.sum() > before.tally.own_day.sum()


def test_a_move_takes_here_and_brings_there_after_some_days(opened):
    stock = opened.queue_inputs.past.stock
    several = stock[stock["item_id"].duplicated(keep=False)]
    item, begin, units = several.sort_values("on_hand").iloc[-1][["item_id", "location_id", "on_hand"]]
    end = next(x for x in stock.loc[stock["item_id"] == item, "location_id"] if x != begin)
    move = {"item": item, "qty": 4, "from": begin, "to": end, "days": 9}
    inputs = bf.Change(move=[move]).applied(opened.queue_inputs)
    moved = inputs.past.stock["on_hand"] - stock["on_hand"]
    assert moved.sum() == -4
    row = inputs.supply.purchases.iloc[-1]
    assert (row["item_id"], row["location_id"], row["open_qty"]) == (item, end, 4.0)
    drawn = inputs.supply.draws(60, 3)[-1]
    came = drawn["gone"] == 0
    assert (drawn["first"][came] == drawn["first"].min()).all()
    assert 9 <= drawn["first"].min() <= 12  # the first day after it on which goods are received
    with pytest.raises(bf.BackorderForecastError, match=f"only {units:g} lie at"):
        opened.what_if(move=[move | {"qty": units + 1}])
    with pytest.raises(bf.BackorderForecastError, match="one place"):
        opened.what_if(move=[move | {"to": begin}])


def test_a_higher_target_holds_more_and_waits_less(opened):
    found = opened.what_if({"more": {"service_target": 0.995}, "less": {"service_target": 0.8}})
    for metric, sign in (("mean_stock", 1), ("backordered_unit_days", -1), ("mean_stock_value", 1)):
        assert sign * difference(found, metric, "more") > sign * difference(found, metric, "less")
    assert difference(found, "mean_stock", "more") > 0 > difference(found, "line_days", "more")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sooner": {"P9999x": 3}}, "purchase line 'P9999x' is not known"),
        ({"stock": {"0042/north": 3}}, "no item '0042/north' is known on 2026-06-30; did you mean '00042/north'"),
        ({"stock": {"00042": 3}}, "lies at several locations"),
        ({"stock": {"00042/north": "many"}}, "is a number of units more, got 'many'"),
        ({"buy": [{"item": "00042/north"}]}, "a purchase needs 'qty'"),
        ({"buy": [{"item": "00042/north", "qty": 3, "date": "soon"}]}, "'soon' is not a day"),
        ({"demnd": 2}, "unknown change 'demnd'; did you mean 'demand'"),
        ({"service_target": 1.2}, "a service target is a share between 0 and 1"),
        ({"rule": "maxmin"}, "did you mean 'max_min'"),
        ({}, "nothing is changed"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_simulated(opened, change, told):
    with pytest.raises(bf.BackorderForecastError, match=told) as error:
        opened.what_if(**change)
    assert error.value.exit_code == 2


def said(capsys, *arguments):
    code = cli._exit_code(["what-if", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_verb_says_the_same(opened, folder, purchase, capsys, tmp_path):
    file = tmp_path / "variants.toml"
    file.write_text(f'[target]\nservice_target = 0.9\n[sooner]\nsooner = {{ "{purchase["po_line_id"]}" = 5 }}\n')
    code, out, _ = said(capsys, folder, "--variants", file, "--cancel", purchase["po_line_id"], "--json")
    assert code == 0
    found, asked = json.loads(out), {"sooner": {purchase["po_line_id"]: 5}}
    assert list(found["variants"]) == ["target", "sooner", "changed"]
    one = next(x for x in found["metrics"] if (x["variant"], x["metric"]) == ("sooner", "line_days"))
    assert one["difference"] == pytest.approx(difference(opened.what_if(**asked), "line_days"))
    code, out, _ = said(capsys, folder, "--sooner", f"{purchase['po_line_id']}=5")
    assert code == 0
    assert f"changed: {purchase['po_line_id']} 5 days sooner" in out
    assert "sooner on average" in out


def test_the_verb_refuses_with_one_message(folder, capsys, tmp_path):
    for flags, told in (
        ((), "nothing is changed"), (("--sooner", "P1"), "--sooner is written PO=DAYS, got 'P1'"),
        (("--move", "00042=3:north"), "--move is written"), (("--cancel", "P0"), "purchase line 'P0'"),
        (("--demand", "lots"), "'lots' is not a number"),
    ):  # fmt: skip
        code, out, err = said(capsys, folder, *flags)
        assert (code, out) == (2, "")
        assert told in err
    assert said(capsys, tmp_path, "--rule", "max_min")[0] == 2


def test_a_folder_that_was_replaced_or_is_of_an_earlier_version_says_so(run, folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    late = bf.open_run(copy)
    (copy / "state" / "queue.npz").write_bytes(b"another")
    with pytest.raises(bf.BackorderForecastError, match="has been replaced since it was opened"):
        late.what_if(rule="max_min")
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["state"]["state/queue.npz"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(bf.NotAvailable, match="earlier version"):
        bf.open_run(copy).what_if(rule="max_min")


def test_the_same_run_is_kept_in_the_same_bytes(run, folder, tmp_path):
    again = bf.open_run(folder).save(tmp_path)
    assert (again / "state" / "queue.npz").read_bytes() == (folder / "state" / "queue.npz").read_bytes()


def test_what_boosted_trees_said_of_open_purchases_is_kept_without_them(run):
    inputs = run.queue_inputs
    fitted = replace(inputs.supply.lead_times, challenger=object())
    fitted.__dict__["next_table"] = np.sqrt(inputs.supply.lead_times.next_table)
    kept = replace(inputs, supply=replace(inputs.supply, lead_times=fitted)).packed()
    found = QueueInputs.unpacked(kept, inputs.past.day, inputs.past.config, inputs.seed, run.state).supply.lead_times
    assert found.challenger is None
    assert found.next_table.tobytes() == fitted.next_table.tobytes()


def test_transfers_on_the_way_are_kept_too():
    tables = dict(sample_data().tables)
    lines = tables["purchase_lines"].iloc[-400:]
    rows = pd.DataFrame({"transfer_id": "T" + lines["po_line_id"], "item_id": lines["item_id"], "qty": lines["qty"],
                         "from_location_id": np.where(lines["location_id"] == "north", "south", "north"),
                         "location_id": lines["location_id"], "shipped_at": lines["ordered_at"]})  # fmt: skip
    rows["received_at"] = (rows["shipped_at"] + pd.Timedelta(days=9)).where(rows["shipped_at"] < "2026-06-15")
    config = bf.Config.merged(sample_data().config, {"simulation": {"scenarios": 20}})
    past = bf.load({**tables, "transfers": rows}, config=config).as_of("2026-06-30")
    demand, lead_times = bf.forecast_demand(past), bf.fit_lead_times(past)
    outcomes = bf.simulate(past, demand, bf.forecast_supply(past, lead_times), seed=1, every_day=True)
    inputs = QueueInputs.of(outcomes)
    assert len(inputs.supply.lead_times.moved.open_rows) > 10
    state = {name: getattr(past, name) for name in ("lines", "purchases", "skus", "stock")}
    found = QueueInputs.unpacked(inputs.packed(), past.day, config, 1, state).simulate(every_day=True)
    for one, other in zip(outcomes.problem, found.problem, strict=True):
        np.testing.assert_array_equal(one, other)


@dataclass(frozen=True)
class Packed:
    numbers: np.ndarray
    frame: pd.DataFrame
    rest: tuple


def test_what_is_packed_comes_back_and_nothing_else_is():
    frame = pd.DataFrame({"id": pd.Series(["007", None, "ü\x00"], dtype=TEXT), "day": pd.Timestamp("2026-06-30"),
                          "x": [0.1, np.nan, -0.0], "flag": pd.array([True, None, False], "boolean"),
                          "n": pd.array([1, None, 3], "Int64"), "ok": [True, False, True]})  # fmt: skip
    rest = ({"a": [1, None, "b"]}, pd.Timestamp("2026-06-30 12:00"), np.datetime64("2026-06-30", "D"),
            pd.DatetimeIndex(["2026-01-01"]), np.array(["x", None], dtype=object), float("inf"))  # fmt: skip
    value = Packed(np.array([[1e-300, np.pi]]), frame, rest)
    found = unpack(pack(value, [Packed]), [Packed])
    assert found.numbers.tobytes() == value.numbers.tobytes()
    pd.testing.assert_frame_equal(found.frame, frame, check_exact=True)
    assert found.rest[:3] == rest[:3]
    assert found.rest[3].equals(rest[3])
    assert found.rest[4].tolist() == ["x", None]
    assert found.rest[5] == float("inf")
    with pytest.raises(TypeError, match="cannot be packed"):
        pack(value, [])
    with pytest.raises(KeyError):
        unpack(pack(value, [Packed]), [])
