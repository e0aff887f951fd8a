"""What purchases save by coming sooner: the table says what the whole simulation says, whatever it was taken from."""

from dataclasses import replace

import numpy as np
import pytest

import backorder_forecast as bf
from backorder_forecast import expedite
from backorder_forecast.core.queue_kernel import NO_POLICY
from backorder_forecast.policy import set_policies
from backorder_forecast.service import learn_service

DAY, SOONER = "2026-06-30", np.array([3, 10])


@pytest.fixture(scope="module")
def flow():
    """The sample company: (past, demand, supply, policies, service)."""
    queue = {"expedite_days": [3, 10], "expedite_simulated": 40}
    config = bf.Config(simulation={"scenarios": 100, "horizon_days": 90}, replay={"days": 0}, queue=queue)
    past = bf.load("data/sample", config=config).as_of(DAY)
    demand, lead_times = bf.forecast_demand(past), bf.fit_lead_times(past)
    policies = set_policies(past, demand, lead_times)
    return past, demand, bf.forecast_supply(past, lead_times), policies, learn_service(past)


@pytest.fixture(scope="module")
def outcomes(flow):
    past, demand, supply, policies, service = flow
    return bf.simulate(past, demand, supply, seed=1, policies=policies, service=service)


@pytest.fixture(scope="module")
def table(outcomes):
    return expedite.expedite_table(outcomes)


def test_where_curves_hold_they_say_what_the_simulation_says(flow):
    """First come, first served, nothing planned, every line an order of its own; customers leave all the same."""
    past, demand, supply, policies, service = flow
    tables = past.tables | {"order_lines": past.tables["order_lines"].assign(ship_complete=False)}
    past = replace(past, tables=tables)
    policies = replace(policies, frame=policies.frame.assign(kind=NO_POLICY))
    found = bf.simulate(past, demand, supply, rule="first_come", seed=1, policies=policies, service=service)
    assert not found.service.patience.endless
    line = expedite._waits(found)
    by_curves = expedite._by_curves(found, line, SOONER)
    rows = np.flatnonzero(expedite._curves_hold(found)[expedite._sku_of(found.problem, "po")]
                          & (by_curves[:, 0, 0, 0] > 0))  # fmt: skip
    assert len(rows) > 15
    assert (found.tally.cancelled[found.line_records["need"] > 0] > 0).sum() > 50
    again = by_curves.copy()
    again[rows] = np.nan
    expedite._simulate_again(found, line, SOONER, rows, again)
    np.testing.assert_allclose(again[rows], by_curves[rows], rtol=1e-12, atol=1e-9)


def test_a_simulated_row_is_the_difference_of_two_whole_simulations(flow, outcomes, table):
    """Also where ship-complete orders tie items, demand goes before and planned orders come."""
    past, demand, supply, policies, service = flow
    row = table[(table["basis"] == "simulated") & (table["sooner_days"] == 10)].iloc[0]
    sooner = supply.sooner({row["po_line_id"]: 10})
    line = expedite._waits(outcomes)
    both = [bf.simulate(past, demand, x, seed=1, policies=policies, service=service, every_day=True)
            for x in (supply, sooner)]  # fmt: skip
    before, after = (expedite.end_days(x) for x in both)
    for name, saved in zip(expedite.MEASURES, expedite.savings(line, before, after), strict=True):
        assert row[f"{name}_saved"] == pytest.approx(saved.mean())
        assert row[f"{name}_error"] == pytest.approx(saved.std(ddof=1) / np.sqrt(saved.size))
    assert row["line_days_saved"] > 0


def test_the_table_tells_every_open_purchase_of_simulated_items(outcomes, table):
    assert table["sooner_days"].unique().tolist() == [3, 10]
    assert set(table["po_line_id"]) <= set(outcomes.supply.purchases["po_line_id"])
    assert len(table) == 2 * outcomes.problem.po_qty.size
    assert {"curves", "simulated", "approximate"} == set(table["basis"])
    assert (table["line_days_error"] >= 0).all()
    more = table.pivot_table(index="po_line_id", columns="sooner_days", values="line_days_saved")
    assert more[10].sum() > more[3].sum() > 0


def test_neither_threads_nor_the_rest_of_the_table_change_a_row(outcomes, table):
    one = replace(outcomes, config=bf.Config.merged(outcomes.config, {"simulation": {"jobs": 1}}))
    assert expedite.expedite_table(one).equals(table)
    fewer = replace(outcomes, config=bf.Config.merged(outcomes.config, {"queue": {"expedite_days": [10]}}))
    both = expedite.expedite_table(fewer).merge(table, on=["po_line_id", "sooner_days", "basis"], suffixes=("", "_all"))
    assert both["line_days_saved"].equals(both["line_days_saved_all"])


def test_what_it_saves_stands_beside_the_purchase_s_dates(flow, table):
    past, _, supply, _, _ = flow
    eta = expedite.with_line_days(bf.purchase_eta(past, supply.lead_times), table, (3, 10))
    saved = table[table["sooner_days"] == 3].set_index("po_line_id")["line_days_saved"]
    eta = eta.set_index("po_line_id")["expedite_line_days"]
    assert eta.notna().sum() == len(saved)
    assert (eta.dropna() == saved.reindex(eta.dropna().index).clip(lower=0)).all()


def test_no_days_no_table(outcomes):
    off = replace(outcomes, config=bf.Config.merged(outcomes.config, {"queue": {"expedite_days": []}}))
    assert expedite.expedite_table(off).empty
