"""Families of laws fitted to many durations: what holds for all from some suppliers, every supplier given that."""

from dataclasses import replace

import numpy as np
import pytest

from backorder_forecast.core import family_fit, hazards, house_laws
from backorder_forecast.core.family import ITEMS, NO_KIN, Cases, Family, Kin
from backorder_forecast.core.family_fit import fit_family

DAYS, PERIOD = 700, 28


def department(seed, size, item=0.2, common=0.0, shared=0.0):
    """Durations of suppliers with so many purchases each: gamma, cv 1/3, open ones censored; and the true means."""
    rng = np.random.default_rng(seed)
    house = np.repeat(np.arange(len(size)), size)
    own = (rng.random(len(house)) * np.maximum(size // 15, 1)[house]).astype(np.int64)
    pair = np.unique(house * 100_000 + own, return_inverse=True)[1]
    placed = rng.integers(0, DAYS, len(house))
    period = placed // PERIOD
    typical = np.exp(rng.uniform(np.log(10), np.log(50), len(size)))
    mean = typical[house] * rng.lognormal(0, item, pair.max() + 1)[pair] * (1.0 + common * placed / DAYS)
    mean *= rng.lognormal(0, shared, (len(size), period.max() + 1))[house, period]
    days = np.maximum(1, np.ceil(rng.gamma(9, 1 / 9, len(house)) * mean)).astype(np.int64)
    came = placed + days < DAYS
    days = np.where(came, days, DAYS - 1 - placed)
    low = days + np.where(came, 0.0, 1.0)
    none = np.zeros(len(house))
    cases = Cases(house, pair, house.copy(), period, none, low, days + 1.0, came, none + 1.0, none)
    return cases, typical, (len(size), int(pair.max()) + 1, len(size), int(period.max()) + 1, int(low.max()) + 3)


def medians(found: Family) -> np.ndarray:
    return np.argmax(found.laws[:-1] >= np.log(2), axis=1)


@pytest.fixture(scope="module")
def large():
    # Pareto-like sizes, with suppliers that sent next to nothing
    size = np.concatenate([[3, 5, 8], (60 * (1 + np.random.default_rng(5).pareto(1.5, 250))).astype(int)])
    cases, typical, shape = department(1, size, common=0.3, shared=0.1)
    assert len(cases) > family_fit._ENOUGH
    return cases, typical, shape, fit_family(cases, *shape)


def test_many_durations_give_the_laws_that_all_turns_give(large, monkeypatch):
    cases, _, shape, found = large
    monkeypatch.setattr(family_fit, "_ENOUGH", len(cases))
    turned = fit_family(cases, *shape)
    apart = np.abs(np.exp(-found.laws) - np.exp(-turned.laws))
    much = np.bincount(cases.house, minlength=shape[0]) > 100
    assert apart[:-1][much].mean() < 0.005
    assert apart[:-1][much].mean(axis=1).max() < 0.03  # what a supplier's pace is, its items' stretches are not
    assert np.abs(found.item @ ITEMS - turned.item @ ITEMS).mean() < 0.02
    assert np.abs(found.common - turned.common).mean() < 0.02
    assert found.shared > 0 < turned.shared


def test_what_a_small_supplier_sent_is_not_lost_among_many(large):
    cases, typical, shape, found = large
    few = np.bincount(cases.house, minlength=shape[0]) < 10
    # all of it lies within a third, its items' own stretches included
    assert np.abs(np.log(medians(found)[few] / typical[few])).max() < np.log(1.5)
    assert len(np.unique(medians(found)[few])) > 1


def test_lead_times_that_lengthen_are_seen_in_many_durations(large):
    found = large[3]
    assert found.common[-1] - found.common[0] == pytest.approx(np.log(1.3), abs=0.1)


def test_many_durations_of_steady_suppliers_leave_levels_alone():
    cases, typical, shape = department(2, np.full(80, 500))
    found = fit_family(cases, *shape)
    assert (found.walk, found.shared) == (0.0, 0.0)
    assert not found.common.any()
    assert np.abs(np.log(medians(found) / typical)).mean() < 0.12


def test_rows_in_another_order_give_the_same_laws(large):
    cases, _, shape, found = large
    other = np.random.default_rng(3).permutation(len(cases))
    again = fit_family(cases.taken(other), *shape)
    assert np.exp(-again.laws) == pytest.approx(np.exp(-found.laws), abs=1e-6)


def test_of_many_durations_a_supplier_without_any_takes_its_categorys_law():
    cases, _, shape = department(4, np.full(200, 200))
    slow = np.arange(202) % 2  # the last two have sent nothing
    days = np.round(cases.low * (1 + slow)[cases.house])
    stretched = replace(cases, low=days, high=days + 1.0)
    shape = (202, *shape[1:4], int(days.max()) + 3)
    told, untold = (fit_family(stretched, *shape, kin=kin) for kin in (Kin(house=slow), NO_KIN))
    quick, late = medians(told)[200:]
    assert np.log(late / quick) == pytest.approx(np.log(2), abs=0.25)
    assert len(set(medians(untold)[200:])) == 1


def test_dates_are_believed_though_those_who_tell_for_all_state_none(monkeypatch):
    cases, _, shape = department(9, np.full(80, 500))
    monkeypatch.setattr(family_fit, "_HOUSES", 8)
    size = np.bincount(cases.house)
    every = len(size) // 8
    chosen = np.argsort(size, kind="stable")[every // 2 :: every]
    mine = (cases.house == next(h for h in range(80) if h not in chosen)) & cases.ended
    news = np.where(mine, np.log(cases.low + 1.0), 0.0)
    news[mine] -= news[mine].mean()
    found = fit_family(replace(cases, stated=news), *shape)
    assert found.beta[np.unique(cases.house[mine])[0]] > 0.5


@pytest.mark.parametrize("most", [30, 200])
def test_of_large_suppliers_whole_items_are_taken(most):
    cases, _, shape = department(6, np.array([4, 100, 1000, 3000]))
    size = np.bincount(cases.house)
    kept = family_fit._some_of_each(cases, size, most)
    taken = np.bincount(cases.house[kept], minlength=4)
    assert taken[0] == 4
    assert (taken <= np.minimum(size, 3 * most)).all()
    assert (taken >= np.minimum(size, most) / 3).all()
    of_pair, of_kept = np.bincount(cases.pair), np.bincount(cases.pair[kept], minlength=shape[1])
    assert set(of_kept[of_kept > 0] / of_pair[of_kept > 0]) == {1.0}


def test_of_one_large_item_a_part_is_taken():
    cases, _, _ = department(7, np.array([5000]))
    kept = family_fit._some_of_each(replace(cases, pair=np.zeros(5000, np.int64)), np.array([5000]), 100)
    assert kept.sum() == 100


def test_a_law_blurred_is_the_law_of_a_duration_times_a_factor():
    law = np.concatenate([[0.0], np.cumsum(np.linspace(0.0, 0.3, 99))])
    weight, factor = np.array([0.2, 0.5, 0.3]), np.array([0.8, 1.0, 1.5])
    found = hazards.blurred(law, weight, factor)
    days = np.arange(60)
    plain = sum(w * np.exp(-np.interp(days / f, np.arange(100), law)) for w, f in zip(weight, factor, strict=True))
    assert np.exp(-found[:60]) == pytest.approx(plain, abs=1e-12)


def test_suppliers_begin_at_their_own_pace_and_spread_though_items_differ():
    # what differs between items is not taken for the spread of a supplier's law
    cases, typical, shape = department(8, np.full(60, 400), item=0.3)
    turned = fit_family(cases, *shape)
    begun = house_laws.begin_houses(cases, turned.changed(item=np.tile(turned.item[-1], (shape[1] + 1, 1))),
                                    shape[-1], None)  # fmt: skip
    spread = lambda found: np.array([np.ptp(np.interp([0.1, 2.3], x, np.arange(len(x)))) for x in found.laws[:-1]])  # noqa: E731
    assert np.median(spread(begun) / spread(turned)) == pytest.approx(1.0, abs=0.1)
    assert np.median(begun.pace / typical) == pytest.approx(np.median(turned.pace / typical), rel=0.05)
