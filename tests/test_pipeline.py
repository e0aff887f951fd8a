"""The main job on the sample: what must hold whatever the numbers are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.past import rebuild
from backorder_forecast.policy import set_policies
from backorder_forecast.service import learn_service
from backorder_forecast.tables import OUTPUT

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
QUICK = {"simulation": {"scenarios": 60, "horizon_days": 90, "jobs": 1}, "replay": {"days": 0}}
DAY = "2026-03-31"


@pytest.fixture(scope="module")
def data():
    return bf.load(SAMPLE)


@pytest.fixture(scope="module")
def config(data):
    return data.config.merged(data.config.model_dump(), QUICK)


@pytest.fixture(scope="module")
def run(data, config):
    return bf.run(data, DAY, config, seed=3)


def same(a, b, names=None):
    for name in names or a.tables:
        pd.testing.assert_frame_equal(a.tables[name], b.tables[name], obj=name)


def test_every_open_line_has_one_row_and_every_table_its_key(run, data):
    lines = data.as_of(DAY).lines
    assert sorted(run.line_eta.line_id) == sorted(lines.line_id[lines.open_qty > 0])
    for name, frame in run.tables.items():
        key = list(OUTPUT[name].key)
        assert not key or not frame.duplicated(key).any(), name


def test_dates_and_chances_are_in_order(run):
    eta = run.line_eta
    far = pd.Timestamp.max.floor("D").as_unit("us")
    p10, p50, p90 = (eta[f"p{x}_date"].fillna(far) for x in (10, 50, 90))
    assert (p10 <= p50).all()
    assert (p50 <= p90).all()
    assert (eta.p10_date.dropna() > pd.Timestamp(DAY)).all()
    assert (eta.next_p50_date.fillna(far) <= p50).all()
    assert (eta.ready_p50_date.fillna(far) <= p50).all()
    risk = run.backorder_risk.set_index(["item_id", "location_id", "supply_basis", "horizon_days"]).sort_index()
    grows = risk.backorder_prob.groupby(level=[0, 1, 2]).diff().dropna()
    assert (grows >= 0).all()
    basis = risk.reset_index().pivot_table("backorder_prob", ["item_id", "location_id", "horizon_days"], "supply_basis")
    assert (basis["open_only"] >= basis["with_planned"] - 1e-12).all()


def test_an_order_leaves_with_its_last_line(run):
    far = pd.Timestamp.max.floor("D").as_unit("us")
    latest = run.line_eta.assign(p50=run.line_eta.p50_date.fillna(far)).groupby("order_id")["p50"].max()
    order = run.order_eta.set_index("order_id").p50_date.fillna(far)
    assert (order >= latest.reindex(order.index)).all()


def test_row_order_and_threads_change_nothing(run, data, config):
    rng = np.random.default_rng(0)
    shuffled = {name: data.tables[name].iloc[rng.permutation(len(data.tables[name]))] for name in data.given}
    again = config.merged(config.model_dump(), {"simulation": {"jobs": 2}})
    other = bf.run(bf.Dataset.of(shuffled, data.config), DAY, again, seed=3)
    same(run, other, [x for x in run.tables if x not in ("rejected_rows", "cleaning_log")])


def test_an_added_item_changes_no_draw_of_the_others(run, data, config):
    past = rebuild(data, pd.Timestamp(DAY), config)
    demand, lead_times = bf.forecast_demand(past), bf.fit_lead_times(past)
    supply = bf.forecast_supply(past, lead_times)
    fitted = {"policies": set_policies(past, demand, lead_times), "service": learn_service(past)}
    whole = bf.simulate(past, demand, supply, seed=3, **fitted).ship_dates
    fewer = past.lines[past.lines.open_qty > 0].item_id.iloc[0]
    orders_of_others = past.tables["order_lines"][past.tables["order_lines"].item_id != fewer]
    less = bf.Past(past.day, past.config, past.tables | {"order_lines": orders_of_others}, past.given)
    assert len(less.skus) == len(past.skus)
    part = bf.simulate(less, demand, supply, seed=3, **fitted).ship_dates
    at = pd.Index(whole.index.line_id).get_indexer(part.index.line_id)
    # lines tied by ship-complete orders to the item that went may move; all others may not
    orders = past.lines.set_index("line_id").order_id
    tied = set(orders[past.lines.set_index("line_id").item_id == fewer])
    free = ~part.index.line_id.map(orders).isin(tied).to_numpy()
    moved = (np.abs(whole.table[at] - part.table) > 1e-12).any(axis=1) & free
    assert (~part.index.line_id.isin(_components(past, tied))).sum() > 100
    assert not moved[~part.index.line_id.isin(_components(past, tied))].any()


def _components(past, tied):
    """Lines of orders, and of items, that a chain of ship-complete orders links to the item."""
    lines = past.lines[past.lines.open_qty > 0]
    orders, items = set(tied), set()
    while True:
        found = set(lines[lines.order_id.isin(orders)].item_id + lines[lines.order_id.isin(orders)].location_id)
        more = set(lines[lines.ship_complete & (lines.item_id + lines.location_id).isin(found)].order_id)
        if found == items and more <= orders:
            return set(lines[(lines.item_id + lines.location_id).isin(items)].line_id)
        items, orders = found, orders | more


def test_part_of_the_tables_gives_part_of_the_answers(data, config):
    bought = bf.Dataset.of({x: data.tables[x] for x in ("purchase_lines", "receipts")}, data.config)
    run = bf.run(bought, DAY, config)
    assert {"lead_times", "purchase_eta"} <= set(run.tables)
    with pytest.raises(bf.NotAvailable, match="order_lines"):
        run.line_eta  # noqa: B018
    ordered = bf.Dataset.of({"order_lines": data.tables["order_lines"]}, data.config)
    assert set(bf.run(ordered, DAY, config).tables) >= {"demand_forecast"}


def test_replay_is_the_same_code_on_past_days(data, config):
    replayed = bf.replay(data, days=["2026-02-02"], config=config)
    score = replayed.scorecard.set_index(["metric", "segment"]).value
    assert 0.8 < score["transform_p90", "all"] < 0.98
    assert 0.35 < score["transform_p50", "all"] < 0.65


def test_the_door_is_light():
    code = (
        "import sys, backorder_forecast; heavy = {'pandas', 'scipy', 'pandera', 'sklearn', 'statsmodels', "
        "'matplotlib', 'numba', 'numpy'}; sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_ordered_ahead_is_not_simulated_a_second_time():
    """Every line is wanted ten days after its order: demand up to then is known, and no other comes."""
    day = pd.Timestamp("2026-03-31")
    placed = pd.date_range("2025-10-01", day, freq="D")
    lines = pd.DataFrame({"order_id": [f"o{i}" for i in range(len(placed))], "item_id": "x", "qty": 2.0})
    lines = lines.assign(line_id=lines["order_id"], ordered_at=placed, requested_date=placed + pd.Timedelta(days=10))
    done = lines[lines["requested_date"] <= day]
    shipped = pd.DataFrame({"line_id": done["line_id"], "shipped_at": done["requested_date"], "qty": 2.0})
    stock = pd.DataFrame({"item_id": ["x"], "date": [day], "on_hand": [500.0]})
    config = bf.Config(**QUICK, risk={"horizons": [10, 20]})
    data = bf.load({"order_lines": lines, "shipments": shipped, "stock": stock}, config=config)
    past = data.as_of(day)
    demand = bf.forecast_demand(past)
    assert (demand.unseen[1:11] == 0).all()
    assert (demand.unseen[11:] == 1).all()
    outcomes = bf.simulate(past, demand, bf.forecast_supply(past, bf.fit_lead_times(past)), seed=1)
    new = outcomes.tally.risk["new_units"][0] / config.simulation.scenarios
    assert new[0] == 20
    assert 25 < new[1] < 55


@pytest.mark.parametrize(("day", "seed"), [("yesterday", 1), ("1990-01-01", 1), (DAY, -1), (DAY, "x")])
def test_days_and_seeds_that_cannot_be_meant(data, config, day, seed):
    with pytest.raises(bf.BackorderForecastError, match=r"as_of|nothing is known|seed"):
        bf.run(data, day, config, seed=seed)
