"""Exact dates are those that the simulation would give with scenarios without end, and stand only where they may."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.core.queue_kernel import NO_POLICY, PLANNED
from backorder_forecast.exact import exact_dates, received_parts
from backorder_forecast.past import sku_codes
from backorder_forecast.patience import steady_patience
from backorder_forecast.policy import set_policies
from backorder_forecast.rules import rule_named
from backorder_forecast.service import learn_service

DAY, SCENARIOS, HORIZON = "2026-06-30", 4000, 120


@pytest.fixture(scope="module")
def flow():
    """The sample company with every line in an order of its own: (past, demand, supply, policies, service)."""
    config = bf.Config(simulation={"scenarios": SCENARIOS, "horizon_days": HORIZON}, replay={"days": 0})
    tables = dict(bf.load("data/sample", config=config).tables)
    tables["order_lines"] = tables["order_lines"].assign(order_id=tables["order_lines"]["line_id"])
    past = bf.load(tables, config=config).as_of(DAY)
    # some lines ask for much, and get it in pieces
    times = 1 + 2 * (np.arange(len(past.lines)) % 3)
    past.__dict__["lines"] = past.lines.assign(open_qty=past.lines["open_qty"] * times)
    demand, lead_times = bf.forecast_demand(past), bf.fit_lead_times(past)
    policies = set_policies(past, demand, lead_times)
    return past, demand, bf.forecast_supply(past, lead_times), policies, learn_service(past)


@pytest.fixture(scope="module")
def open_supply_only(flow):
    """Outcomes where nobody orders and nobody leaves: many items have exact dates."""
    past, demand, supply, policies, service = flow
    policies = replace(policies, frame=policies.frame.assign(kind=NO_POLICY))
    service = replace(service, patience=steady_patience(0.0))
    return bf.simulate(past, demand, supply, seed=1, policies=policies, service=service)


def errors(seen, law):
    """Standard errors between shares of scenarios and chances, where these are neither next to 0 nor to 1."""
    some = law * (1 - law) * SCENARIOS > 10
    return np.abs(seen - law)[some] / np.sqrt(law * (1 - law) / SCENARIOS)[some]


def sampled(outcomes, which):
    return np.cumsum(outcomes.tally.line_day[which][:, 1:-1], axis=1) / SCENARIOS


def test_dates_agree_with_the_simulation_within_four_standard_errors(open_supply_only):
    """On working days, after handling, from purchases that come in parts or are cancelled."""
    outcomes, exact = open_supply_only, open_supply_only.exact
    assert len(exact.rows) > 40
    assert (exact.complete[:, 4] < 0.5).sum() > 20  # not only lines that stock covers
    assert not np.allclose(exact.complete, exact.first)
    assert outcomes.supply.lead_times.cancel_hazard > 0
    assert outcomes.supply.lead_times.open_split_prob.max() > 0
    for which, law in (("leaves", exact.complete), ("first", exact.first)):
        off = errors(sampled(outcomes, which)[exact.rows], law)
        assert off.size > 1000
        assert off.max() < 4
        assert np.sqrt((off**2).mean()) < 1.3


def test_the_law_of_receipts_is_what_supply_draws(flow):
    supply = flow[2]
    draws = supply.draws(SCENARIOS, 1)
    law = received_parts(supply, np.arange(len(draws)), HORIZON)
    days = np.arange(1, HORIZON + 1)
    qty = supply.purchases["open_qty"].to_numpy()[:, None, None]
    first, rest = draws["first"][:, :, None] <= days, draws["rest"][:, :, None] <= days
    whole = draws["first_qty"][:, :, None] == qty
    everything = (first & (whole | rest)).mean(axis=1)
    # hundreds of purchases and some ten days of each that say something of their own
    for seen, chance in ((everything, law[::2]), ((first & ~whole & ~rest).mean(axis=1), law[1::2])):
        off = errors(seen, chance)
        assert off.max() < 5
        assert np.sqrt((off**2).mean()) < 1.1


def test_only_whole_items_that_nothing_else_can_date(flow):
    past, demand, supply, _, service = flow
    outcomes = bf.simulate(past, demand, supply, seed=1)
    exact, lines = outcomes.exact, outcomes.lines
    assert 0 < len(exact.rows) < len(lines) / 2
    off = errors(sampled(outcomes, "leaves")[exact.rows], exact.complete)
    assert off.max() < 4
    mine, others = lines.iloc[exact.rows], lines.drop(index=lines.index[exact.rows])
    assert not set(mine["sku"]) & set(others["sku"])
    assert (outcomes.tally.peg[outcomes.line_records["peg_from"] + PLANNED][exact.rows] == 0).all()
    assert service.patience.daily > 0  # so nobody ahead may leave: all but the last of an item are committed
    assert (mine[mine.duplicated("sku", keep="last")]["spent"] > 0).all()
    assert mine.duplicated("sku").any()


def test_nobody_ahead_may_leave(open_supply_only):
    impatient = replace(open_supply_only, service=replace(open_supply_only.service, patience=steady_patience(0.01)))
    lines, rows = open_supply_only.lines, exact_dates(impatient).rows
    assert 0 < len(rows) < len(open_supply_only.exact.rows)
    mine = lines.iloc[rows]
    assert (mine[mine.duplicated("sku", keep="last")]["spent"] > 0).all()


def test_nobody_ahead_may_lose_patience_by_a_day_and_no_line_has_a_least_piece(open_supply_only):
    lines, known = open_supply_only.lines, open_supply_only.exact.rows
    several = lines.iloc[known][lines.iloc[known].duplicated("sku", keep="last")]
    first = several[several["spent"] == 0].index[0]
    mine = {int(lines.loc[first, "sku"])}
    for column in ("max_wait_days", "min_ship_qty"):
        asked = lines.assign(**{column: lines[column].mask(lines.index == first, 3.0)})
        rows = exact_dates(replace(open_supply_only, lines=asked)).rows
        assert set(lines["sku"].iloc[known]) - set(lines["sku"].iloc[rows]) == mine


@pytest.mark.parametrize("name", ["smallest", "requested", "max_min"])
def test_only_where_lines_are_served_in_turn(open_supply_only, name):
    assert not len(exact_dates(replace(open_supply_only, served=rule_named(name))).rows)


def test_purchases_of_a_supplier_that_are_late_together_have_no_exact_law(open_supply_only):
    supply, lines = open_supply_only.supply, open_supply_only.lines
    found = {}
    for alike in (0.0, 0.3):
        lead_times = replace(supply.lead_times, alike=alike)
        outcomes = replace(open_supply_only, supply=replace(supply, lead_times=lead_times))
        found[alike] = set(lines["sku"].iloc[exact_dates(outcomes).rows])
    bought = supply.purchases.assign(sku=sku_codes(open_supply_only.past, supply.purchases))
    several = set(bought.loc[bought.duplicated(["sku", "supplier_id"]), "sku"])
    assert found[0.3] == found[0.0] - several != found[0.0]


def test_no_line_in_an_order_with_others_and_none_that_is_wanted_later(open_supply_only):
    lines = open_supply_only.lines
    sku = lines["sku"].iloc[open_supply_only.exact.rows[-1]]
    row = np.flatnonzero(lines["sku"] == sku)[0]
    tied = replace(open_supply_only, lines=lines.assign(slot=np.where(lines.index == row, 0, lines["slot"])))
    records = open_supply_only.line_records.copy()
    records["wanted"][row] = 9
    later = replace(open_supply_only, line_records=records)
    for other in (tied, later):
        rows = exact_dates(other).rows
        assert set(lines["sku"].iloc[open_supply_only.exact.rows]) - set(lines["sku"].iloc[rows]) == {sku}


def test_tables_say_which_dates_are_exact(open_supply_only, flow):
    eta = bf.line_eta(open_supply_only).set_index("line_id")
    ids = open_supply_only.lines["line_id"]
    assert (eta.loc[ids.iloc[open_supply_only.exact.rows], "date_basis"] == "exact").all()
    assert (eta.loc[ids.drop(index=open_supply_only.exact.rows), "date_basis"] == "scenarios").all()
    assert eta.loc[~eta.index.isin(ids), "date_basis"].isna().all()
    law = open_supply_only.ship_dates
    exact = open_supply_only.exact
    assert (law.table[exact.rows] == exact.complete).all()
    assert (open_supply_only.next_dates.table[exact.rows] == exact.first).all()
    at = exact.rows[0]
    day = np.argmax(exact.complete[0] >= 0.5) + 1
    assert eta.loc[ids[at], "p50_date"] == pd.Timestamp(DAY) + pd.Timedelta(days=int(day))


def test_the_configuration_switches_it_off(open_supply_only):
    config = bf.Config(simulation={"scenarios": SCENARIOS, "horizon_days": HORIZON}, queue={"exact_dates": False})
    plain = replace(open_supply_only, config=config)
    assert not len(plain.exact.rows)
    assert (plain.ship_dates.table == sampled(plain, "leaves")).all()
    assert (bf.line_eta(plain)["date_basis"].dropna() == "scenarios").all()


def test_first_come_serves_lines_of_whatever_priority():
    """Where the smallest priority ever seen is 1, the lines of a rule without classes were once served by nobody."""
    config = bf.Config(simulation={"scenarios": 20, "horizon_days": 60}, replay={"days": 0})
    tables = dict(bf.load("data/sample", config=config).tables)
    tables["order_lines"] = tables["order_lines"].assign(priority=tables["order_lines"]["priority"] + 1)
    past = bf.load(tables, config=config).as_of(DAY)
    supply = bf.forecast_supply(past, bf.fit_lead_times(past))
    left = bf.simulate(past, bf.forecast_demand(past), supply, seed=1, rule="first_come").tally.line_day["leaves"]
    assert left[:, 1:-1].sum() > 0.9 * left.sum()
