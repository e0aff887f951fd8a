"""Orders not placed yet are late together with what their supplier has open, each by its own law."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

import backorder_forecast as bf
from backorder_forecast.core import queue_kernel as qk
from backorder_forecast.core.chance import find_day, sample_days_together, uniform
from backorder_forecast.core.queue_orders import common_scores
from backorder_forecast.policy import set_policies
from backorder_forecast.queue import lay_out
from backorder_forecast.service import learn_service
from tests.core.problems import blank, tally_for
from tests.sample_run import sample_data

SCENARIOS, HORIZON = 20_000, 60
SUPPLIERS = np.array([11, 22], np.uint64)
OPEN = ndtr((np.arange(1, HORIZON + 1) - 20.0) / 6.0)
NEW = ndtr((np.arange(HORIZON + 2) - 25.0) / 8.0) * (np.arange(HORIZON + 2) > 0)
NEW[-1] = 1.0


def planned(alike):
    """Days from order to receipt of what two SKUs order on day 1 [2 × scenarios], from one supplier and another."""
    p, _ = blank(2, 2, 0, SCENARIOS, slots=2, horizon=HORIZON)
    p.sku["lead_key"], p.sku["lead_alike"], p.sku["lead_shared"] = (5, 6), alike, (0, 1)
    p.sku["policy"], p.sku["line_from"], p.sku["line_to"] = qk.BASE_STOCK, (0, 1), (1, 2)
    p.class_from[:] = [(0, 1), (1, 2)]
    p.line["need"], p.line["pieces"], p.line["slot"], p.line["peg_from"] = 5, 1, (0, 1), (0, qk.FIRST_PURCHASE)
    scores = np.zeros((2, SCENARIOS))
    common_scores(SUPPLIERS, scores)
    p = p._replace(with_planned=True, new_lead=NEW[None], lead_common=scores)
    t = tally_for(p, slots=2)
    qk.simulate_components(p, t, 0, 2)
    return t.own_day.astype(int) - 1, p


def late(days):
    return days > np.median(days)


def test_each_order_keeps_its_law_and_is_late_with_what_its_supplier_has_open():
    """Of a bivariate normal, indicators of the upper half correlate with 2 arcsin(r) / π (Sheppard 1899)."""
    opened = np.zeros((1, SCENARIOS), np.int16)
    for alike in (0.3, 0.7):
        days, _ = planned(alike)
        shares = np.stack([(days <= d).mean(axis=1) for d in range(HORIZON)])
        error = np.sqrt(NEW * (1 - NEW) / SCENARIOS)[:HORIZON, None] + 1e-9
        assert (np.abs(shares - NEW[:HORIZON, None]) / error).max() < 4.5
        sample_days_together(OPEN[None], np.array([77], np.uint64), SUPPLIERS[:1], alike, 0, opened)
        scores = [ndtri(np.clip(np.interp(x + 0.5, np.arange(len(y)), y), 1e-9, 1 - 1e-9))
                  for x, y in ((days[0] - 1, NEW), (days[1] - 1, NEW), (opened[0].astype(int) - 1, OPEN))]  # fmt: skip
        same, other = np.corrcoef(scores[0], scores[2])[0, 1], np.corrcoef(scores[1], scores[2])[0, 1]
        assert same == pytest.approx(alike, abs=0.02)
        assert abs(other) < 4 / np.sqrt(SCENARIOS)
        half = np.corrcoef(late(days[0]), late(opened[0]))[0, 1]
        assert half == pytest.approx(2 * np.arcsin(alike) / np.pi, abs=0.05)


def test_where_nothing_is_shared_draws_are_those_of_the_order_alone():
    days, p = planned(0.0)
    alone = [max(1, find_day(NEW, uniform(np.uint64(5), k, p.first_ordinal))) for k in range(SCENARIOS)]
    assert days[0].tolist() == alone


@pytest.fixture(scope="module")
def flow():
    past = sample_data().as_of("2026-06-30")
    demand, lead_times = bf.forecast_demand(past), bf.fit_lead_times(past)
    return past, demand, lead_times, set_policies(past, demand, lead_times)


def test_what_open_purchases_share_is_what_new_orders_share(flow):
    past, demand, lead_times, policies = flow
    for alike in (0.0, 0.5):
        supply = bf.forecast_supply(past, replace(lead_times, alike=alike))
        found = lay_out(past, demand, supply, policies, learn_service(past), seed=4).problem
        assert (found.sku["lead_alike"] == alike).all()
        assert bool(found.lead_common.size) == (alike > 0)
    row, _, scores = supply.shared_delays(policies.frame, 1000, 4)
    of = dict(zip(policies.frame["supplier_id"], row, strict=True))
    first = supply.draws(1000, 4)["first"].astype(float)
    wide = (first.std(axis=1) > 4) & (first <= 90).all(axis=1)  # neither due at once nor beyond the horizon
    first, owner = first[wide], supply.purchases.loc[wide, "supplier_id"].map(of).to_numpy()
    assert len(first) > 8
    common = np.corrcoef(np.vstack([first, scores]))[: len(first), len(first) :]
    own = common[np.arange(len(first)), owner]
    assert 0.55 < own.mean() < np.sqrt(0.5) + 0.02  # laws are bounded and skewed: a little less than of normal scores
    others = common.copy()
    others[np.arange(len(first)), owner] = np.nan
    assert abs(np.nanmean(others)) < 0.01


def test_suppliers_and_places_of_transfers_each_have_their_own_correlation(flow):
    past, _, lead_times, policies = flow

    class Both:
        alike = 0.6
        kinds = ((replace(lead_times, alike=0.6), None), (replace(lead_times, alike=0.2), None))

    supply = replace(bf.forecast_supply(past, lead_times), lead_times=Both)
    rows = policies.frame.head(2).assign(lead_row=[0, len(lead_times.laws) + 1], supplier_id=["x", None])
    row, alike, scores = supply.shared_delays(rows, 10, 1)
    assert row.tolist() == [0, 1]
    assert alike.tolist() == [0.6, 0.2]
    assert scores.shape == (2, 10)
