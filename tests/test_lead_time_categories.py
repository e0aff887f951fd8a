"""Categories of suppliers and items: they tell of whoever was seen seldom, and of nobody where they do not differ."""

import numpy as np
import pandas as pd
import pytest

from backorder_forecast.core.categories import BETWEEN, WITHIN, category_priors
from backorder_forecast.core.hazards import bell
from backorder_forecast.dataset import Dataset
from backorder_forecast.lead_time import fit_lead_times

START, SUPPLIERS, ITEMS = pd.Timestamp("2024-01-01"), 60, 8
POINTS = np.arange(-12, 13) * 0.1


def panel(seed, supplier=0.0, item=0.0, n=4):
    """Four purchases of each of sixty suppliers in five categories, of items in four; true means by supplier, item."""
    rng = np.random.default_rng(seed)
    mean = 25 * np.exp(rng.normal(0, supplier, 5)[np.arange(SUPPLIERS) % 5] + rng.normal(0, 0.15, SUPPLIERS))
    mean = mean[:, None] * np.exp(rng.normal(0, item, 4)[np.arange(ITEMS) % 4])[None, :]
    s, i = np.repeat(np.arange(SUPPLIERS), n), rng.integers(0, ITEMS, SUPPLIERS * n)
    rows = pd.DataFrame({"po_line_id": [f"p{k}" for k in range(len(s))], "item_id": [f"i{x}" for x in i],
                         "supplier_id": [f"s{x}" for x in s], "qty": 1.0,
                         "ordered_at": START + pd.to_timedelta(rng.integers(0, 800, len(s)), "D")})  # fmt: skip
    rows["received_at"] = rows["ordered_at"] + pd.to_timedelta(np.ceil(rng.gamma(9.0, mean[s, i] / 9.0)), "D")
    return rows, mean


def fitted(rows, told=True):
    received = rows[["po_line_id", "qty", "received_at"]]
    tables = {"purchase_lines": rows.drop(columns="received_at"), "receipts": received}
    if told:
        kinds = {"supplier": (SUPPLIERS, 5), "item": (ITEMS, 4)}
        tables |= {f"{x}s": pd.DataFrame({f"{x}_id": [f"{x[0]}{k}" for k in range(n)],
                                          "category": [f"c{k % m}" for k in range(n)]})
                   for x, (n, m) in kinds.items()}  # fmt: skip
    data = Dataset.of(tables)
    steady = {"lead_time": {"rehearsals": 0, "choose_memory": False, "slow_change": False}}
    config = data.config.merged(data.config.model_dump(), steady)
    return fit_lead_times(Dataset.of(data.tables, config=config).as_of(START + pd.Timedelta(days=900)))


def loss(found, mean):
    """Pinball losses of p50 and p90 of new orders under the true law, by its mean."""
    table = found.table()
    true = mean[table["supplier_id"].str[1:].astype(int), table["item_id"].str[1:].astype(int)][:, None]
    took = np.ceil(np.random.default_rng(99).gamma(9.0, true / 9.0, (len(table), 300)))
    said = table[["p50_days", "p90_days"]].fillna(180.0).to_numpy()
    gap = [took - said[:, [j]] for j in (0, 1)]
    return (sum(np.maximum(q * g, (q - 1) * g) for q, g in zip((0.5, 0.9), gap, strict=True)) / true).mean()


@pytest.mark.parametrize(("supplier", "item", "at_most"), [(0.6, 0.0, 0.97), (0.0, 0.4, 0.95)])
def test_what_is_seldom_bought_is_told_by_its_category(supplier, item, at_most):
    losses = []
    for seed in (1, 2, 3):
        rows, mean = panel(seed, supplier, item)
        losses.append([loss(fitted(rows, told), mean) for told in (False, True)])
    blind, told = np.array(losses).T
    assert (told < blind).all()
    assert told.sum() < at_most * blind.sum()


def test_categories_that_do_not_differ_change_nothing():
    for seed in (1, 2, 3):
        rows, _ = panel(seed)
        assert np.array_equal(fitted(rows, told=True).laws, fitted(rows, told=False).laws)


def drawn(seed, between, groups=40, categories=4):
    rng = np.random.default_rng(seed)
    category = rng.integers(-1, categories, groups)
    level = rng.normal(0, between, categories + 1)[category] + rng.normal(0, 0.1, groups)
    seen = level + rng.normal(0, 0.3, groups)
    return -0.5 * ((POINTS[None, :] - seen[:, None]) / 0.3) ** 2, category, level


def test_priors_are_those_of_a_plain_sum_over_where_the_category_may_lie():
    like, category, _ = drawn(1, 0.5)
    prior = bell(POINTS, 0.0, np.array(0.4))
    found = category_priors(like, POINTS, category, prior)
    assert np.exp(found).sum(axis=1) == pytest.approx(1.0)
    # the standard deviations that were chosen, by trying all of them
    best = min(
        (np.abs(slow_priors(like, category, float(w), float(b)) - np.exp(found)).max(), w, b)
        for w in WITHIN[WITHIN > 0.06] for b in BETWEEN[BETWEEN > 0.06]
    )  # fmt: skip
    assert best[0] < 1e-9
    assert 0.2 < best[2] < 1.1


def slow_priors(like, category, within, between):
    """One group, one point and one level of its category after the other."""
    of_level = np.exp(bell(POINTS, 0.0, np.array(between)))
    near = np.array([np.exp(bell(POINTS, x, np.array(within))) for x in POINTS])
    out = np.zeros((len(like) + 1, len(POINTS)))
    for g in range(len(like) + 1):
        weight = of_level.copy()
        for other in range(len(like)):
            if g < len(like) and other != g and category[g] >= 0 and category[other] == category[g]:
                weight *= near @ np.exp(like[other] - like[other].max())
        out[g] = (weight / weight.sum()) @ near
    return out


def test_groups_alike_have_no_categories_and_those_apart_lie_nearer_their_own():
    prior = bell(POINTS, 0.0, np.array(0.4))
    assert all(category_priors(*_asked(seed, 0.0), prior) is None for seed in range(5))
    like, _, category = _asked(7, 0.5)
    found = category_priors(like, POINTS, category, prior)
    level = drawn(7, 0.5)[2]
    own = np.exp(like + found[:-1])
    plain = np.exp(like + prior)
    error = [((x / x.sum(axis=1, keepdims=True)) @ POINTS - level) for x in (own, plain)]
    assert np.square(error[0]).mean() < 0.5 * np.square(error[1]).mean()


def _asked(seed, between):
    like, category, _ = drawn(seed, between)
    return like, POINTS, category
