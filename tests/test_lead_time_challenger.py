"""The covariate challenger of open purchases' laws: what it may learn, and that it enters only where it earns it."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.dataset import Dataset
from backorder_forecast.lead_time.challenger import EDGES, Cases, gain, mapped, person_periods, trained
from backorder_forecast.past import rebuild

DAY = pd.Timestamp("2025-11-15")


def cases(low, high, features=None, supplier=None):
    low, high = np.array(low, float), np.array(high, float)
    features = np.zeros((len(low), 1)) if features is None else features
    supplier = np.arange(len(low)).astype(str) if supplier is None else supplier
    return Cases(features, low, high, np.ones(len(low)), supplier)


def test_person_periods_by_hand():
    # came on a day between .2 and .3 of its law, half in the period to .25 and half in that to .5
    _, period, came, weight = person_periods(cases([0.2], [0.3]))
    found = {(p, c): w for p, c, w in zip(period.tolist(), came.tolist(), weight.tolist(), strict=True)}
    assert found == pytest.approx({(0, 0): 1.0, (1, 1): 0.5, (1, 0): 0.5, (2, 1): 0.5})
    # still open at .4 of it: three fifths of the third period were seen
    _, period, came, weight = person_periods(cases([0.4], [1.0]))
    found = {(p, c): w for p, c, w in zip(period.tolist(), came.tolist(), weight.tolist(), strict=True)}
    assert found == pytest.approx({(0, 0): 1.0, (1, 0): 1.0, (2, 0): 0.6})


def test_hazards_of_uniform_transforms_are_those_of_the_law():
    rng = np.random.default_rng(1)
    u = rng.random(40_000)
    seen = u < rng.uniform(0.3, 1.0, len(u))  # the others are censored before
    low = np.where(seen, u, u * rng.random(len(u)))
    _, period, came, weight = person_periods(cases(low, np.where(seen, u + 1e-6, 1.0)))
    at_risk = np.bincount(period, weight)
    hazard = np.bincount(period, weight * came) / at_risk
    assert len(at_risk) == len(EDGES) - 1
    assert (hazard > 0).all()
    plain = [((u < b) & (u >= a) & seen).sum() for a, b in pairwise(EDGES)]
    assert np.bincount(period, weight * came) == pytest.approx(plain, rel=0.01)


def test_a_mapped_law_stays_a_law():
    rng = np.random.default_rng(2)
    law = np.sort(rng.random((50, 30)), axis=1)
    levels = np.sort(rng.random((50, len(EDGES) + 1)), axis=1)
    levels[:, 0], levels[:, -1] = 0.0, 1.0
    found = mapped(law, levels)
    assert (np.diff(found, axis=1) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1
    same = np.tile(np.append(EDGES, 1.0), (50, 1))
    assert mapped(law, same) == pytest.approx(law)


def test_it_learns_who_is_slow_and_says_how_much_likelier_that_makes_what_came():
    rng = np.random.default_rng(3)

    def drawn(n):
        slow = rng.random(n) < 0.5
        u = np.where(slow, rng.random(n) ** 0.5, rng.random(n) ** 2.0)
        return cases(u * 0.98, u * 0.98 + 0.02, slow[:, None].astype(float), rng.integers(0, 30, n).astype(str))

    found = trained(drawn(4000))
    levels = found.levels(np.array([[0.0], [1.0]]))
    assert levels[0, 3] == pytest.approx(np.sqrt(0.5), abs=0.05)  # at its median
    assert levels[1, 3] == pytest.approx(0.5**2, abs=0.05)
    better, error = gain(found, drawn(2000))
    assert better > 5 * error


def test_of_what_says_nothing_nothing_is_gained():
    rng = np.random.default_rng(4)
    low = rng.random((2, 2000)) * 0.98
    noise, later = (cases(x, x + 0.02, rng.random((2000, 1))) for x in low)
    better, error = gain(trained(noise), later)
    assert better < error


def company(seed, slowed, n=4000):
    """Purchases of twenty suppliers; large ones take `slowed` times as long."""
    rng = np.random.default_rng(seed)
    placed = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 730, n)), unit="D")
    supplier, qty = rng.integers(0, 20, n), rng.integers(1, 200, n).astype(float)
    pace = np.exp(0.3 * rng.standard_normal(20))[supplier] * np.where(qty > 120, slowed, 1.0)
    days = np.round(rng.gamma(6.0, 5.0, n) * pace) + 1
    ids = [f"p{i:05d}" for i in range(n)]
    bought = pd.DataFrame({"po_line_id": ids, "item_id": [f"i{i}" for i in supplier * 10 + rng.integers(0, 10, n)],
                           "supplier_id": [f"s{i}" for i in supplier], "ordered_at": placed, "qty": qty})  # fmt: skip
    came = placed + pd.to_timedelta(days, unit="D")
    receipts = pd.DataFrame({"po_line_id": ids, "received_at": came, "qty": qty})
    return Dataset.of({"purchase_lines": bought, "receipts": receipts}), receipts.set_index("po_line_id")["received_at"]


def fitted(data, challenger):
    asked = {"lead_time": {"challenger": challenger, "choose_memory": False}}
    config = data.config.merged(data.config.model_dump(), asked)
    return bf.fit_lead_times(rebuild(data, DAY, config))


def loss(lead_times, came):
    """Pinball loss of the median and the p90, in days."""
    law = lead_times.remaining
    days = (came.reindex(law.index["po_line_id"].array) - DAY).dt.days.to_numpy()
    said = np.nan_to_num(law.quantile_array([0.5, 0.9]), nan=180.0)
    gap = days[:, None] - said
    return np.maximum(gap * [0.5, 0.9], gap * [-0.5, -0.1]).mean()


@pytest.mark.slow
def test_it_enters_where_it_knows_more_and_only_there():
    data, came = company(1, slowed=2.2)
    plain, found = fitted(data, False), fitted(data, True)
    assert plain.challenger is None
    assert found.challenger is not None
    assert any("boosted trees" in x for x in found.notes)
    assert found.learned()["challenger"].all()
    assert loss(found, came) < 0.9 * loss(plain, came)
    table = found.next_table
    assert (np.diff(table, axis=1) >= -1e-12).all()
    assert table.max() <= 1.0
    data, came = company(2, slowed=1.0)
    alike = fitted(data, True)
    assert alike.challenger is None
    assert np.array_equal(alike.next_table, fitted(data, False).next_table)
