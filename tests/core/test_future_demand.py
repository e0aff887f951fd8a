"""Simulated demand follows the laws that are asked for, and each draw is a function of what it is for."""

import numpy as np
import pytest
from scipy import stats

from backorder_forecast.core import queue_kernel as qk
from tests.core.problems import blank, random_case
from tests.oracles import demand_day

SCENARIOS, DAYS = 20_000, 14


def one_sku(
    *, classes=1, scenarios=SCENARIOS, factor=None, shares=(1.0,), levels=(1.0,), chance=(0.0,), sizes=None, **sku
):
    """A problem of one SKU; levels and chances with their shares, sizes as {counts: probability}."""
    p, _ = blank(1, 0, 0, scenarios, classes=classes, horizon=DAYS)
    p.sku["key"], p.sku["theta"] = 77, 0.4
    for name, value in sku.items():
        p.sku[name] = value
    sizes = sizes or {1.0: 1.0}
    p.sku["size_to"] = len(sizes)
    p = p._replace(
        levels=np.array([levels]), chance=np.array([chance]), level_shares=np.append(np.cumsum(shares)[:-1], 1.0),
        size_value=np.array(list(sizes)), size_cum=np.append(np.cumsum(list(sizes.values()))[:-1], 1.0),
    )  # fmt: skip
    return p if factor is None else p._replace(factor=np.array([[1.0, *factor, 1.0]]))


def paths(p, g=0):
    out = np.zeros((p.class_share.shape[1], p.scenarios, p.horizon))
    qk.demand_paths(p, g, out)
    return out


def agree(seen, pmf):
    """Chi-square of whole numbers against their probabilities 0, 1, …, rare ones taken together."""
    n = seen.size
    common = np.flatnonzero(np.asarray(pmf) * n >= 8)
    count = np.bincount(seen.ravel().astype(int), minlength=len(pmf))
    rest = 1.0 - np.asarray(pmf)[common].sum()
    observed, expected = count[common], np.asarray(pmf)[common] * n
    if rest * n >= 8:
        observed, expected = np.append(observed, n - observed.sum()), np.append(expected, rest * n)
    else:
        assert n - observed.sum() <= 30  # hardly any
        expected = expected * observed.sum() / expected.sum()
    return len(expected) == 1 or stats.chisquare(observed, expected).pvalue > 1e-3


def counts(size, theta=0.4, most=80):
    return stats.nbinom.pmf(np.arange(most), size, 1 - theta) if size > 0 else np.eye(most)[0]


def test_the_kernel_draws_what_the_oracle_draws():
    rng = np.random.default_rng(11)
    kinds = np.zeros(2)
    for case in range(400):
        p, _, _ = random_case(rng, demand=True)
        p = p._replace(scenarios=3, first_weekday=int(rng.integers(7)))
        for g in range(p.sku.size):
            expected = np.stack([demand_day.demand(p, g, k) for k in range(3)], axis=1)
            assert (paths(p, g) == expected).all(), (case, g)
            kinds += (expected > 0).any(axis=(0, 2)).sum(), 3
    assert 0.3 < kinds[0] / kinds[1] < 0.95


@pytest.mark.parametrize("size", [0.05, 0.8, 12.0])
def test_a_factor_multiplies_the_mean_of_its_day(size):
    factor = np.array([1, 1, 0, 0.05, 0.4, 0.999, 1.001, 1.3, 2.5, 1, 0.4, 4, 1, 0])
    p = one_sku(size=size, factor=factor)
    p.weekday[0] = 0.5, 1, 1, 2, 0, 1.5, 1
    units = paths(p)[0]
    for day, f in enumerate(factor):
        assert agree(units[:, day], counts(size * f * p.weekday[0, day % 7], most=200)), day
    # what one scenario draws on a day grows with the factor
    more = paths(p._replace(factor=p.factor * 1.2))[0]
    assert (more >= units).all()
    assert more.sum() == pytest.approx(1.2 * units.sum(), rel=4 * np.sqrt(2 / 0.6 / units.sum()))


def test_rows_of_factors_belong_to_profiles():
    p, _ = blank(3, 0, 0, 400, horizon=DAYS)
    p.sku["key"], p.sku["size"], p.sku["theta"], p.sku["profile"] = 5, 1.0, 0.4, [1, 0, 1]
    p = p._replace(factor=np.stack([np.zeros(DAYS + 2), np.ones(DAYS + 2)]))
    first, second, third = (paths(p, g) for g in range(3))
    assert (first == third).all()
    assert first.any()
    assert not second.any()


def test_levels_come_as_often_as_their_shares():
    shares, levels = (0.1, 0.03, 0.5, 0.25, 0.12), (0.0, 0.2, 0.9, 1.2, 2.0)
    total = paths(one_sku(size=0.5, shares=shares, levels=levels))[0].sum(axis=1)
    pmf = sum(s * counts(0.5 * DAYS * x) for s, x in zip(shares, levels, strict=True))
    assert agree(total, pmf)
    # one level holds for a whole scenario
    far = paths(one_sku(size=500.0, shares=shares, levels=(0.0, 1, 3, 9, 27)))[0]
    level = np.searchsorted([1.0, 500, 1500, 4500], far)
    assert (level == level[:, :1]).all()
    assert agree(level[:, 0], shares)


def test_a_level_or_chance_of_zero_is_no_demand():
    p = one_sku(size=3.0, apart=0.5, levels=(0.0,), chance=(0.0,), factor=np.full(DAYS, 7.0))
    assert not paths(p).any()
    assert paths(p._replace(levels=np.ones((1, 1)))).any(axis=2).mean() == pytest.approx(0.5, abs=4 * 0.5 / 141)


def test_days_with_demand_and_their_sizes():
    shares, chance, sizes = (0.2, 0.5, 0.3), (0.0, 0.1, 0.35), {1.0: 0.5, 4.0: 0.2, 5.0: 0.0, 12.0: 0.3}
    units = paths(one_sku(apart=1.0, shares=shares, chance=chance, levels=(9.0,) * 3, size=5.0, sizes=sizes))[0]
    days = (units > 0).sum(axis=1)
    binomials = [stats.binom.pmf(np.arange(DAYS + 1), DAYS, x) for x in chance]
    assert agree(days, shares @ np.array(binomials))
    law = np.zeros(13)
    law[[1, 4, 12]] = 0.5, 0.2, 0.3
    for some in (units, units[days == 1], units[days > 4]):  # sizes do not know how often
        assert agree(some[some > 0], law)
    followed = units[:, 1:][units[:, :-1] == 12]
    assert agree(followed[followed > 0], law)


def test_chances_of_days_go_with_their_factors_up_to_one():
    factor = np.array([1, 0.5, 0, 2, 3.2, 3.4, 50, 1, 1, 1, 1, 1, 1, 1])
    p = one_sku(apart=1.0, chance=(0.3,), factor=factor, sizes={2.0: 1.0})
    p.weekday[0] = 1, 1, 1, 1, 1, 1, 0.01
    often = (paths(p)[0] > 0).mean(axis=0)
    expected = np.minimum(1.0, 0.3 * factor * np.tile(p.weekday[0], 2))
    assert (np.abs(often - expected) <= 4 * np.sqrt(expected * (1 - expected) / SCENARIOS)).all()
    assert (often[[2, 5]] == [0.0, 1.0]).all()


def test_kind_chance_and_level_are_drawn_apart():
    # by counts: 1 a day at least where the level is high; by occurrence: 1,000,000 on every day or on none
    shares = (0.3, 0.7)
    p = one_sku(apart=0.4, shares=shares, chance=(0.0, 1.0), levels=(0.0, 1.0), size=300.0, sizes={1e6: 1.0})
    units = paths(p)[0]
    assert (((units > 0) == (units[:, :1] > 0)) & ((units == 1e6) == (units[:, :1] == 1e6))).all()
    kind = np.where(units[:, 0] == 1e6, 2, np.where(units[:, 0] > 0, 1, 0))
    assert agree(kind, [0.3, 0.6 * 0.7, 0.4 * 0.7])
    # the stratum is not the same one for both kinds: with the kinds forced, zeros fall together at random
    dead = [paths(_forced(p, x))[0, :, 0] == 0 for x in (0.0, 1.0)]
    table = np.histogram2d(*dead, bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def _forced(p, apart):
    sku = p.sku.copy()
    sku["apart"] = apart
    return p._replace(sku=sku)


def test_classes_share_counts():
    p = one_sku(size=1.5, classes=3)._replace(class_share=np.array([[0.2, 0.0, 0.8]]))
    units = paths(p)
    assert not units[1].any()
    assert agree(units[0], counts(0.3))
    assert agree(units[2], counts(1.2))
    assert agree(units.sum(axis=0), counts(1.5))


def test_classes_share_occurrences():
    share, sizes = np.array([[0.5, 0.0, 0.2, 0.3]]), {1.0: 0.6, 3.0: 0.4}
    p = one_sku(apart=1.0, chance=(0.4,), classes=4, sizes=sizes)._replace(class_share=share)
    units = paths(p)
    assert ((units > 0).sum(axis=0) <= 1).all()
    # the classes only divide what there would be without them
    assert (units.sum(axis=0) == paths(one_sku(apart=1.0, chance=(0.4,), sizes=sizes))[0]).all()
    c, k, day = np.nonzero(units)
    assert agree(c, share[0])
    table = np.histogram2d(c, units[c, k, day], bins=(4, 2))[0]
    assert stats.chi2_contingency(table[[0, 2, 3]]).pvalue > 1e-3


def test_sizes_are_counted_in_units():
    plain, fine = (one_sku(apart=0.5, chance=(0.4,), size=0.6, sizes={1.0: 0.5, 7.0: 0.5}, unit=x) for x in (1.0, 0.25))
    assert (paths(fine) == 0.25 * paths(plain)).all()


def test_other_skus_and_scenarios_change_no_draw():
    rng = np.random.default_rng(12)
    for _ in range(50):
        p, _, _ = random_case(rng, demand=True)
        alone = p._replace(scenarios=4)
        order = rng.permutation(np.concatenate([np.arange(p.sku.size), rng.integers(0, p.sku.size, 3)]))
        more = alone._replace(
            sku=alone.sku[order].copy(), weekday=p.weekday[order], levels=p.levels[order], chance=p.chance[order],
            class_share=p.class_share[order], scenarios=9,
        )  # fmt: skip
        for place, g in enumerate(order):
            assert (paths(more, place)[:, :4] == paths(alone, g)).all()


def test_draws_of_a_calendar_day_do_not_depend_on_the_as_of_day():
    p = one_sku(apart=0.5, chance=(0.4,), size=0.6, sizes={1.0: 0.5, 7.0: 0.5}, classes=2, scenarios=500)
    later = p._replace(first_ordinal=p.first_ordinal + 3, first_weekday=3)
    assert (paths(p)[:, :, 3:] == paths(later)[:, :, :-3]).all()


def test_the_queue_meets_the_demand_that_paths_tell():
    p = one_sku(apart=0.5, chance=(0.4,), size=0.6, sizes={1.0: 0.5, 7.0: 0.5}, classes=2, scenarios=500)
    _, t = blank(1, 0, 0, 500, classes=2, horizon=DAYS)
    qk.simulate_components(p, t, 0, 1)
    assert (t.ledger[0, :, 3] == paths(p).sum(axis=(0, 2))).all()
    assert t.risk["new_units"][0, -1] == paths(p).sum()
