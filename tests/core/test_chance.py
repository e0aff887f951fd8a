"""Draws are uniform, independent between keys, pure functions, and turn into the laws they are asked for."""

import numpy as np
import pytest
from scipy import stats

from backorder_forecast.core import chance


def grid(keys, scenarios, indices):
    return np.array([[[chance.uniform(np.uint64(a), b, c) for c in indices] for b in scenarios] for a in keys])


def test_draws_are_uniform_along_every_axis():
    for draws in (
        grid([3], range(20_000), [0]), grid([3], [5], range(20_000)), grid(range(20_000), [5], [0]),
        grid(range(27), range(27), range(27)),
    ):  # fmt: skip
        assert stats.kstest(draws.ravel(), "uniform").pvalue > 0.001
        assert draws.min() > 0
        assert draws.max() < 1


def test_neighbours_are_independent():
    draws = grid(range(40), range(40), range(40))
    for axis in range(3):
        a, b = np.delete(draws, -1, axis), np.delete(draws, 0, axis)
        n = a.size
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / np.sqrt(n)
        cells = np.histogram2d(a.ravel(), b.ravel(), bins=8)[0]
        assert stats.chisquare(cells.ravel()).pvalue > 0.001


def test_a_draw_depends_on_key_scenario_and_index_alone():
    keys = np.array([11, 2**63 + 5, 7], np.uint64)
    again = keys[::-1].copy()
    law = np.linspace(0.05, 1, 20)
    out, turned, fewer = (np.zeros((3, n), np.int16) for n in (50, 50, 20))
    for table, key in ((out, keys), (turned, again), (fewer, keys)):
        chance.sample_days(np.tile(law, (3, 1)), key, 4, table)
    assert (out == turned[::-1]).all()
    assert (out[:, :20] == fewer).all()
    assert len({chance.uniform(np.uint64(k), s, i) for k in (1, 2) for s in (0, 1) for i in (-1, 0, 1)}) == 12


def plain_mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def test_known_draws_never_change():
    # whole numbers of Python as reference; and one draw written down, since published runs must be repeatable
    for key, scenario, index in [(1, 0, 0), (2**64 - 1, 999, -1), (2**63 + 17, 12, 740_000)]:
        z = plain_mix((key + (scenario + 1) * 0x9E3779B97F4A7C15) % 2**64)
        z = plain_mix((z + (index + 1) * 0xD1342543DE82EF95) % 2**64)
        assert chance.uniform(np.uint64(key), scenario, index) == ((z >> 11) + 0.5) / 2**53
    assert chance.uniform(np.uint64(1), 0, 0) == 0.8713390800962468


def test_mix_is_splitmix64():
    # first outputs for seed 0 of the reference implementation (Vigna, splitmix64.c)
    weyl = 0x9E3779B97F4A7C15
    states = [(weyl * (i + 1)) % 2**64 for i in range(3)]
    assert [int(chance.mix(np.uint64(x))) for x in states] == [
        0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F
    ]  # fmt: skip


def test_find_day_is_numpys_search():
    rng = np.random.default_rng(3)
    for size in (1, 2, 7, 180):
        for _ in range(30):
            cdf = np.sort(np.round(rng.random(size), 1))  # with ties and flat stretches
            for u in [*rng.random(10), *cdf]:
                assert chance.find_day(cdf, u) == np.searchsorted(cdf, u, side="left")


def test_a_guided_search_finds_the_same_day():
    rng, guide = np.random.default_rng(5), np.zeros(chance.BUCKETS, np.int64)
    for cdf in ([0.25, 0.5], [0.0, 0.0, 1.0], [1e-9], [0.3, 0.3, 0.3 + 1e-12, 0.99], np.sort(rng.random(180))):
        table = np.asarray(cdf, float)
        chance.set_guide(table, guide)
        for u in [*rng.random(200), *table[(table > 0) & (table < 1)], 1e-16, 0.25, 0.75, 1 - 2**-53]:
            assert chance.guided_day(table, guide, u) == chance.find_day(table, u)


def test_sample_days_looks_its_draws_up():
    rng = np.random.default_rng(4)
    tables = np.sort(rng.random((5, 30)), axis=1)
    keys = rng.integers(0, 2**63, 5).astype(np.uint64)
    days, values = np.zeros((5, 400), np.int16), np.zeros((5, 400), np.int64)
    chance.sample_days(tables, keys, 2, days)
    chance.sample_values(tables, keys, values)
    for i, (table, key) in enumerate(zip(tables, keys, strict=True)):
        for out, index in ((days, 2), (values, 0)):
            u = [chance.uniform(key, k, index) for k in range(400)]
            assert out[i].tolist() == np.searchsorted(table, u).tolist()
    assert (days == 30).any()  # a law that ends below one leaves the rest beyond its table


def test_sample_days_has_the_frequencies_of_its_table():
    pmf = np.array([0.1, 0.0, 0.4, 0.2])
    out = np.zeros((1, 30_000), np.int16)
    chance.sample_days(np.cumsum(pmf)[None], np.array([9], np.uint64), 0, out)
    seen = np.bincount(out[0], minlength=5)
    assert seen[1] == 0
    expected = np.array([0.1, 0.4, 0.2, 0.3]) * out.size
    assert stats.chisquare(seen[[0, 2, 3, 4]], expected).pvalue > 0.001


@pytest.mark.parametrize(("size", "theta"), [(0.2, 0.3), (3.5, 0.6), (40.0, 0.9), (1.0, 0.98)])
def test_negative_binomial_is_scipys_quantile(size, theta):
    levels = np.array([1e-9, 0.01, 0.2, 0.5, 0.9, 0.999, 1 - 1e-9])
    found = [chance.negative_binomial(size, theta, u) for u in levels]
    assert found == stats.nbinom.ppf(levels, size, 1 - theta).tolist()


@pytest.mark.parametrize(("mean", "ratio"), [(700.0, 1.1), (3000.0, 3.0), (40_000.0, 20.0)])
def test_large_counts_are_near_scipys_quantile(mean, ratio):
    theta = 1 - 1 / ratio
    size = mean * (1 - theta) / theta
    assert size * np.log1p(-theta) < -600  # where the expansion takes over
    levels = np.array([0.001, 0.05, 0.3, 0.5, 0.7, 0.95, 0.999])
    found = np.array([chance.negative_binomial(size, theta, u) for u in levels])
    exact = stats.nbinom.ppf(levels, size, 1 - theta)
    assert np.abs(found - exact).max() <= max(1.0, 0.005 * np.sqrt(mean * ratio))


def test_no_demand_draws_nothing():
    assert chance.negative_binomial(0.0, 0.5, 0.99) == 0
    assert chance.negative_binomial(3.0, 0.0, 0.99) == 0


def test_normal_quantile_is_scipys():
    levels = np.concatenate([np.logspace(-12, -1, 40), np.linspace(0.02, 0.98, 97), 1 - np.logspace(-9, -1, 40)])
    found = np.array([chance.normal_quantile(u) for u in levels])
    assert found == pytest.approx(stats.norm.ppf(levels), rel=2e-8, abs=2e-9)


def test_geometric_waits():
    u = (np.arange(200_000) + 0.5) / 200_000
    days = np.array([chance.geometric(x, 0.05, 10_000) for x in u])
    seen = np.bincount(days)[1:60] / len(days)
    assert seen == pytest.approx(stats.geom.pmf(np.arange(1, 60), 0.05), abs=1e-5)
    assert chance.geometric(0.3, 0.0, 91) == 91
    assert chance.geometric(1e-12, 0.01, 91) == 91
    assert chance.geometric(0.999999999, 0.01, 91) == 1


def test_sample_geometric_begins_after_its_start():
    keys = np.array([1, 2, 3], np.uint64)
    out = np.zeros((3, 4000), np.int16)
    chance.sample_geometric(np.array([0.1, 0.1, 0.0]), np.array([0, 20, 0]), keys, 61, out)
    assert out[0].min() == 1
    assert out[1].min() == 21
    assert out.max() == 61  # never within the horizon
    assert (out[2] == 61).all()
    assert np.mean(out[0] == 61) == pytest.approx(0.9**60, abs=0.003)
    assert np.mean(out[1] == 61) == pytest.approx(0.9**40, abs=0.01)
    days = [chance.geometric(chance.uniform(keys[0], k, 0), 0.1, 61) for k in range(4000)]
    assert out[0].tolist() == days


def test_waits_under_one_daily_chance_are_geometric_at_any_age():
    law = -np.log1p(-0.05) * np.arange(400)
    u = (np.arange(20_000) + 0.5) / 20_000
    for age in (0, 7, 250):
        days = np.array([chance.wait(law, age, x, 91) for x in u])
        assert days.tolist() == [chance.geometric(x, 0.05, 91) for x in u]


def test_waits_follow_their_law_given_how_long_they_have_lasted():
    daily = np.r_[0.0, np.full(10, 0.02), 0.5, np.full(60, 0.1)]
    law = np.cumsum(-np.log1p(-daily))
    u = (np.arange(100_000) + 0.5) / 100_000
    for age in (0, 8, 15):
        days = np.array([chance.wait(law, age, x, 41) for x in u])
        still = np.exp(law[age] - law[age : age + 41])
        assert np.bincount(days, minlength=42)[1:41] / len(u) == pytest.approx(still[:-1] - still[1:], abs=2e-5)
        assert np.mean(days == 41) == pytest.approx(still[40], abs=2e-5)
    assert chance.wait(np.zeros(50), 3, 1e-300, 30) == 30


def test_sampled_waits_begin_after_their_start():
    laws = np.array([0.0, 1.0])[:, None] * -np.log1p(-0.1) * np.arange(120)
    out = np.zeros((3, 4000), np.int16)
    keys = np.array([1, 2, 3], np.uint64)
    chance.sample_waits(laws, np.array([1, 1, 0]), np.array([30, 0, 0]), np.array([0, 20, 0]), keys, 61, out)
    same = np.zeros((3, 4000), np.int16)
    chance.sample_geometric(np.array([0.1, 0.1, 0.0]), np.array([0, 20, 0]), keys, 61, same)
    assert (out == same).all()


def test_ends_with_a_constant_hazard_are_geometric_draw_by_draw():
    keys = np.array([1, 2, 3], np.uint64)
    hazard, days = np.array([0.1, 0.01, 0.0]), 60
    gone = 1.0 - (1.0 - hazard[:, None]) ** np.arange(1, days + 1)
    ends, plain = np.zeros((3, 500), np.int16), np.zeros((3, 500), np.int16)
    chance.sample_ends(gone, keys, ends)
    chance.sample_geometric(hazard, np.zeros(3, np.int64), keys, days + 1, plain)
    assert (ends == plain).all()
