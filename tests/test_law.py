"""What a `Law` says: quantiles by the contract, moments, draws, storage."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backorder_forecast.core.chance import uniform
from backorder_forecast.law import Law, days_to_dates
from backorder_forecast.streams import keys

DAY = pd.Timestamp("2026-03-31")


def law_of(*rows, **more):
    return Law(pd.DataFrame({"line_id": [f"L{i}" for i in range(len(rows))]}), np.array(rows, float), **more)


def test_a_quantile_is_the_smallest_value_that_reaches_its_level():
    law = law_of([0.1, 0.5, 0.5, 0.9], [0.0, 0.0, 0.3, 1.0], start=1)
    found = law.quantile_array([0.1, 0.11, 0.5, 0.51, 0.9, 0.95])
    assert found[0].tolist()[:5] == [1, 2, 2, 4, 4]
    assert np.isnan(found[0, 5])  # beyond the table, never its last day
    assert found[1].tolist() == [3, 3, 4, 4, 4, 4]
    # 0.1 added nine times is a hair below 0.9 and counts as reaching it
    tenths = law_of([sum([0.1] * 9), 1.0])
    assert tenths.table[0, 0] < 0.9
    assert tenths.quantile_array([0.9]).tolist() == [[0]]


def test_quantiles_are_named_and_dated():
    law = law_of([0.2, 0.6, 0.97], [0.0, 0.0, 0.4], start=1, origin=DAY)
    frame = law.quantile([0.05, 0.5, 0.975])
    assert frame.columns.tolist() == ["line_id", "p05_date", "p50_date", "p97_5_date"]
    assert frame.p50_date[0] == pd.Timestamp("2026-04-02")
    assert frame.p97_5_date.isna().all()
    assert frame.sort_values("p50_date").line_id.tolist() == ["L0", "L1"]  # never comes last
    assert law_of([0.2, 1]).quantile([0.999]).columns.tolist() == ["line_id", "p99_9"]


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5])
def test_levels_lie_between_zero_and_one(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        law_of([1.0]).quantile([level])


def test_cdf_at_numbers_and_dates():
    law = law_of([0.2, 0.6, 0.9], [0.1, 0.1, 1.0], start=2, origin=DAY)
    assert law.cdf(1).tolist() == [0, 0]
    assert law.cdf([3, 4]).tolist() == [0.6, 1.0]
    assert law.cdf([2.7, 99]).tolist() == [0.2, 1.0]
    assert np.isnan(law.cdf([np.nan, 3])).tolist() == [True, False]
    dates = pd.Series([pd.Timestamp("2026-04-03 17:00"), pd.NaT])
    assert law.cdf(dates)[0] == 0.6
    assert np.isnan(law.cdf(dates)[1])
    assert law.cdf(pd.Timestamp("2026-04-03")).tolist() == [0.6, 0.1]
    with pytest.raises(ValueError, match="origin"):
        law_of([1.0]).cdf(pd.Timestamp("2026-04-03"))
    with pytest.raises(ValueError, match="origin"):
        law_of([1.0]).dates(np.array([1.0]))


def test_steps_are_units():
    law = law_of([0.25, 0.5, 1.0], [0.0, 0.5, 1.0], step=np.array([0.5, 10.0]))
    assert law.quantile([0.5])["p50"].tolist() == [0.5, 10]
    assert law.mean().tolist() == pytest.approx([0.5 * 1.25, 10 * 1.5])
    assert law.cdf([0.5, 19.0]).tolist() == [0.5, 0.5]
    assert law.variance().tolist() == pytest.approx([0.25 * (0.25 + 2 - 1.25**2), 100 * 0.25])


def test_moments_by_hand():
    law = law_of([0.2, 0.6, 1.0], [0.1, 0.3, 0.5], [0.0, 0.0, 0.0], start=1)
    values = np.array([1, 2, 3])
    expected = np.array([values @ [0.2, 0.4, 0.4], values @ [0.2, 0.4, 0.4]])
    # of the second only what lies in the table is told; of the third nothing does
    assert law.mean()[:2] == pytest.approx(expected)
    assert np.isnan(law.mean()[2])
    assert law.variance()[:2] == pytest.approx([values**2 @ [0.2, 0.4, 0.4] - expected[0] ** 2] * 2)
    assert law.pmf()[1].tolist() == pytest.approx([0.1, 0.2, 0.2])


def test_draws_have_the_frequencies_of_the_law():
    law = law_of([0.3, 0.3, 0.7], [0.0, 0.5, 1.0], start=4)
    draws = law.sample(40_000, seed=1)
    assert draws.shape == (2, 40_000)
    assert np.isnan(draws[0]).mean() == pytest.approx(0.3, abs=0.01)
    assert [np.mean(draws[0] == x) for x in (4, 5, 6)] == pytest.approx([0.3, 0.0, 0.4], abs=0.01)
    assert [np.mean(draws[1] == x) for x in (4, 5, 6)] == pytest.approx([0.0, 0.5, 0.5], abs=0.01)


def test_draws_belong_to_the_row_and_not_to_its_place():
    law = law_of([0.3, 0.6, 1.0], [0.1, 0.2, 1.0], [0.5, 0.8, 0.9])
    draws = law.sample(30, seed=5)
    assert np.array_equal(law.take(np.array([2, 0])).sample(30, seed=5), draws[[2, 0]], equal_nan=True)
    assert np.array_equal(law.sample(10, seed=5), draws[:, :10], equal_nan=True)  # more draws change none
    assert not np.array_equal(law.sample(30, seed=6), draws, equal_nan=True)
    keyed = Law(pd.DataFrame({"item_id": ["a", "a"], "date": [DAY, DAY + pd.Timedelta(days=1)]}), law.table[:2])
    first, second = keyed.sample(200, seed=5)
    assert not np.array_equal(first, second)  # every key column counts


def test_draws_are_look_ups_of_keyed_uniforms():
    rng = np.random.default_rng(1)
    law = law_of(*np.sort(rng.random((4, 50)), axis=1), start=1)
    for row, key, draws in zip(law.table, keys(8, "law", law.index.line_id), law.sample(25, seed=8), strict=True):
        places = np.searchsorted(row, [uniform(key, k, 0) for k in range(25)])
        assert np.array_equal(draws, np.where(places < 50, places + 1.0, np.nan), equal_nan=True)
    long = law_of(np.append(np.zeros(69_000), np.linspace(0, 1, 2001)))  # longer than 16 bits count
    assert long.sample(200, seed=1).mean() == pytest.approx(70_000, rel=0.002)


def test_storage_gives_the_law_back():
    steps = np.array([1.0, 0.5])
    law = law_of([0.3, 0.9, 1.0], [0.05, 0.1, 0.2], start=1, origin=DAY, step=steps)
    back = Law.from_frame(law.to_frame())
    assert (back.start, back.origin, list(back.step)) == (1, DAY, [1.0, 0.5])
    pd.testing.assert_frame_equal(back.index, law.index)
    levels = (0.05, 0.1, 0.2, 0.3, 0.9)  # exactly reached, so a rounding down would move them
    pd.testing.assert_frame_equal(back.quantile(levels), law.quantile(levels))
    assert Law.from_frame(law_of([0.5, 1.0]).to_frame()).origin is None
    nothing = law.take(np.zeros(0, np.int64))
    assert len(Law.from_frame(nothing.to_frame())) == 0


def test_a_law_without_rows():
    empty = Law(pd.DataFrame({"line_id": pd.Series([], dtype=str)}), np.zeros((0, 9)), origin=DAY)
    assert empty.quantile([0.5]).columns.tolist() == ["line_id", "p50_date"]
    assert empty.mean().shape == (0,)
    assert empty.pmf().shape == (0, 9)
    assert empty.sample(3, seed=1).shape == (0, 3)


tables = st.lists(
    st.lists(st.floats(0, 1), min_size=4, max_size=4).map(lambda x: np.cumsum(x) / max(4.0, sum(x))),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(tables, st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6), st.integers(-3, 40))
def test_quantiles_rise_and_invert_the_cdf(rows, levels, start):
    law = law_of(*rows, start=start)
    levels = sorted(levels)
    found = law.quantile_array(levels)
    for column, level in enumerate(levels):
        value = found[:, column]
        inside = ~np.isnan(value)
        assert (law.cdf(np.nan_to_num(value))[inside] >= level - 1e-12).all()
        assert (law.cdf(np.nan_to_num(value) - 1)[inside] < level).all()
        assert (law.table[~inside, -1] < level).all()
        later = np.nan_to_num(found[:, column:], nan=np.inf)
        assert (later >= later[:, :1]).all()


def test_days_become_dates():
    found = days_to_dates(DAY, np.array([0.0, 1.0, np.nan]))
    assert found.dtype == np.dtype("datetime64[us]")
    assert pd.Series(found).tolist() == [DAY, pd.Timestamp("2026-04-01"), pd.NaT]
