# ruff: noqa: E501 - tables of broken inputs read better with long rows
"""The door from `unique_id, ds, y`: what it takes, what it refuses, what no order of rows may change, and the truth."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from benchmarks import fuzz_panel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

import backorder_forecast as bf
from backorder_forecast.errors import UsageError
from backorder_forecast.panel import category_groups, counting_steps, kept_categories, memories

START = pd.Timestamp("2026-01-05")  # a Monday
LEVELS = [0.05, 0.5, 0.95, 0.99]


def long(units, frequency="D", start=START, names=None):
    """A long frame of units [items × periods], zeros too."""
    units = np.atleast_2d(np.asarray(units, float))
    steps = {"D": "D", "W": "7D", "M": "MS"}[frequency]
    ds = pd.date_range(start.replace(day=1) if frequency == "M" else start, periods=units.shape[1], freq=steps)
    names = [f"s{k:04d}" for k in range(len(units))] if names is None else names
    return pd.DataFrame({"unique_id": np.repeat(names, len(ds)), "ds": np.tile(ds, len(units)), "y": units.ravel()})


def panel(rng, items=25, periods=120, mean=2.0):
    return long(rng.poisson(rng.gamma(2.0, mean / 2, (items, 1)), (items, periods)))


def same(one, other):
    """Whether two forecasts are the same, digit for digit."""
    pd.testing.assert_frame_equal(one.index, other.index)
    assert np.array_equal(one.mean(), other.mean())
    assert np.array_equal(one.variance(), other.variance())
    assert np.array_equal(one.quantile_array(LEVELS), other.quantile_array(LEVELS))
    assert np.array_equal(one.models.drop(columns="unique_id"), other.models.drop(columns="unique_id"))
    assert one.notes == other.notes


FRAME = panel(np.random.default_rng(1))


@pytest.fixture(scope="module")
def forecast():
    return bf.forecast_panel(FRAME, 14, "D")


# what comes in and out


def test_a_forecast_has_a_row_for_each_series_and_period(forecast):
    assert len(forecast) == 25 * 14
    assert forecast.index.columns.tolist() == ["unique_id", "ds"]
    assert forecast.index.equals(forecast.index.sort_values(["unique_id", "ds"]))
    assert forecast.index.ds[0] == FRAME.ds.max() + pd.Timedelta(days=1)
    assert forecast.horizon == 14
    assert forecast.quantile([0.05, 0.975]).columns.tolist() == ["unique_id", "ds", "p05", "p97_5"]
    assert forecast.items.unique_id.tolist() == sorted(FRAME.unique_id.unique())
    assert forecast.total(3).quantile([0.5]).columns.tolist() == ["unique_id", "p50"]


def test_quantiles_are_whole_rising_and_not_negative(forecast):
    found = forecast.quantile_array(LEVELS)
    assert (found == np.round(found)).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert (found >= 0).all()


class Foreign:
    """A frame of another library."""

    def to_pandas(self):
        return FRAME


def test_frames_of_other_libraries_are_taken(forecast):
    same(bf.forecast_panel(Foreign(), 14, "D"), forecast)
    same(bf.forecast_panel(pa.Table.from_pandas(FRAME), 14, "D"), forecast)
    days = pa.table({"unique_id": FRAME.unique_id, "ds": pa.array(FRAME.ds.dt.date, pa.date32()), "y": FRAME.y})
    same(bf.forecast_panel(days, 14, "D"), forecast)


def test_polars_frames_are_taken(forecast):
    polars = pytest.importorskip("polars")
    same(bf.forecast_panel(polars.from_pandas(FRAME), 14, "D"), forecast)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.assign(ds=x.ds.dt.strftime("%Y-%m-%d")),
        lambda x: x.assign(ds=x.ds.dt.date),
        lambda x: x.assign(ds=x.ds.dt.tz_localize("Europe/Berlin") + pd.Timedelta(hours=17)),
        lambda x: x.assign(ds=x.ds.dt.to_period("D")),
        lambda x: x.assign(unique_id=x.unique_id.astype("category")),
        lambda x: x.assign(unique_id=x.unique_id.astype(object)),
        lambda x: x.assign(y=x.y.astype("Int64")),
        lambda x: x.assign(y=x.y.astype(int).astype(str)),
        lambda x: x.assign(in_stock=True),
        lambda x: x.assign(in_stock=None, other="z"),
        lambda x: x.set_index(np.arange(len(x))[::-1]),
    ],
)
def test_types_of_columns_change_nothing(forecast, change):
    same(bf.forecast_panel(change(FRAME), 14, "D"), forecast)


def test_whole_numbers_name_series_too():
    found = bf.forecast_panel(FRAME.assign(unique_id=FRAME.unique_id.str[1:].astype(int)), 14, "D")
    assert found.items.unique_id.dtype == np.int64
    assert found.items.unique_id.tolist() == list(range(25))


def test_the_order_of_rows_changes_no_digit(forecast):
    rng = np.random.default_rng(2)
    same(bf.forecast_panel(FRAME.sample(frac=1.0, random_state=3), 14, "D"), forecast)
    frame = FRAME.assign(y=np.round(FRAME.y * rng.choice([0.25, 1.0, 1.7], len(FRAME)), 2))
    flags = frame[["unique_id", "ds"]].assign(in_stock=rng.random(len(frame)) < 0.8)
    drivers = pd.DataFrame({"ds": pd.date_range(START, periods=134), "heat": rng.normal(size=134)})
    items = pd.DataFrame({"unique_id": frame.unique_id.unique(), "category": ["a"] * 22 + ["b"] * 3})
    known = {"in_stock": flags, "drivers": drivers, "items": items}
    turned = {k: v.sample(frac=1.0, random_state=4) for k, v in known.items()}
    one = bf.forecast_panel(frame, 14, "D", **known)
    same(bf.forecast_panel(frame.sample(frac=1.0, random_state=5), 14, "D", **turned), one)


def test_the_same_call_gives_the_same_numbers(forecast):
    same(bf.forecast_panel(FRAME, 14, "D"), forecast)


def test_zeros_between_may_be_left_out(forecast):
    first = FRAME.groupby("unique_id").ds.transform("min") == FRAME.ds
    last = FRAME.ds == FRAME.ds.max()
    same(bf.forecast_panel(FRAME[(FRAME.y > 0) | first | last], 14, "D"), forecast)


def test_a_series_begins_with_its_first_row():
    units = np.zeros((2, 60))
    units[:, 50:] = 4.0
    frame = long(units)
    late = frame[(frame.unique_id == "s0000") | (frame.y > 0)]  # of the second no zeros are given before its first sale
    mean = bf.forecast_panel(late, 7, "D").total(7).mean()
    assert mean[1] > 1.2 * mean[0]


# shapes of panels


@pytest.mark.parametrize(("frequency", "step"), [("D", "D"), ("W", "7D"), ("M", "MS")])
def test_each_frequency_goes_on_where_the_frame_ends(frequency, step):
    rng = np.random.default_rng(4)
    frame = long(rng.poisson(3, (8, 40)), frequency)
    found = bf.forecast_panel(frame, 5, frequency)
    expected = pd.date_range(frame.ds.max(), periods=6, freq=step)[1:]
    assert found.starts.tolist() == expected.tolist()
    assert found.mean().mean() == pytest.approx(3.0, rel=0.15)
    names = found.models.columns
    assert names[0] == "unique_id"
    assert names[-2:].tolist() == ["steady level", "occurrence and size"]


def test_months_are_calendar_months_and_weeks_begin_with_the_last_one():
    days = ["2025-11-30", "2025-12-01", "2026-02-28"]
    months = bf.forecast_panel(pd.DataFrame({"unique_id": "x", "ds": days, "y": 2}), 3, "M")
    assert months.starts.strftime("%Y-%m-%d").tolist() == ["2026-03-01", "2026-04-01", "2026-05-01"]
    weeks = pd.DataFrame({"unique_id": "x", "ds": ["2026-01-07", "2026-01-14", "2026-01-28"], "y": 2})
    assert bf.forecast_panel(weeks, 2, "W").starts.strftime("%m-%d").tolist() == ["02-04", "02-11"]
    # a day of a week counts as that week; two of them are two rows
    other = pd.concat([weeks, weeks.iloc[:1].assign(ds="2026-01-22")])
    filled = weeks.iloc[:1].assign(ds="2026-01-21")
    same(bf.forecast_panel(other, 2, "W"), bf.forecast_panel(pd.concat([weeks, filled]), 2, "W"))
    with pytest.raises(bf.InputError, match=r"one row a series and period; 1 row \(20 %\), e\.g\. 'x 2026-01-2[12]'"):
        bf.forecast_panel(pd.concat([other, filled]), 2, "W")


def test_series_without_history():
    """Length 0 and 1, nothing ever sold, one spike: the panel says what is usual."""
    rng = np.random.default_rng(5)
    usual = rng.poisson(3.0, (30, 100))
    never, spike = np.zeros(100), np.zeros(100)
    spike[60] = 40
    frame = pd.concat([long(usual), long([never], names=["never"]), long([spike], names=["spike"]),
                       pd.DataFrame({"unique_id": "new", "ds": [START + pd.Timedelta(days=99)], "y": 5.0})])  # fmt: skip
    found = bf.forecast_panel(frame, 28, "D", items=pd.DataFrame({"unique_id": ["launch", "new"]}))
    total = found.total(28)
    mean = pd.Series(total.mean(), index=total.index.unique_id)
    assert len(mean) == 34
    assert 0 < mean["never"] < 3
    assert 1 < mean["spike"] < 45
    assert mean["launch"] == pytest.approx(84, rel=0.35)
    high = total.quantile([0.99]).set_index("unique_id").p99
    assert high["launch"] > high[:"s0029"].filter(like="s00").median()  # nothing is known of it: it may sell more
    assert mean["new"] > mean["launch"]


def test_a_panel_without_any_sale_and_an_empty_one():
    nothing = bf.forecast_panel(long(np.zeros((3, 50))), 7, "D")
    assert (nothing.total(7).quantile_array([0.5]) == 0).all()
    assert (nothing.mean() > 0).all()
    empty = bf.forecast_panel(FRAME.iloc[:0], 7, "D")
    assert len(empty) == 0
    assert empty.quantile([0.5]).columns.tolist() == ["unique_id", "ds", "p50"]
    assert len(bf.forecast_panel(FRAME.iloc[:0], 7, "D", items=pd.DataFrame({"unique_id": ["a", "b"]}))) == 14


def test_gaps_count_as_zero():
    frame = FRAME[FRAME.unique_id == "s0003"]
    holed = frame.iloc[np.r_[0:20, 100:120]]
    zeros = frame.assign(y=np.where(np.isin(np.arange(120), np.r_[0:20, 100:120]), frame.y, 0.0))
    same(bf.forecast_panel(holed, 7, "D"), bf.forecast_panel(zeros, 7, "D"))


@pytest.mark.parametrize(("scale", "unit"), [(1.0, 1.0), (1e3, 10.0), (1e6, 1e4), (1e12, 1e10)])
def test_huge_values_are_counted_in_coarser_steps(scale, unit):
    rng = np.random.default_rng(6)
    frame = long(np.round(rng.poisson(2.0, (6, 90)) * scale))
    found = bf.forecast_panel(frame, 7, "D")
    assert found.unit.tolist() == [unit] * 6
    assert found.width < 5000
    assert found.mean().mean() == pytest.approx(2.0 * scale, rel=0.15)
    places = found.quantile_array(LEVELS) / unit
    assert places == pytest.approx(np.round(places), abs=1e-9)
    if unit > 1:
        assert f"6 series are counted in steps of {unit:g}, not of 1" in found.notes


def test_fractions_are_counted_in_their_smallest_decimal_step():
    rng = np.random.default_rng(7)
    kilos = long(rng.poisson(3.0, (5, 100)) * 0.25)
    found = bf.forecast_panel(kilos, 7, "D")
    assert found.unit.tolist() == [0.01] * 5
    places = found.quantile_array(LEVELS) / 0.01
    assert places == pytest.approx(np.round(places), abs=1e-9)
    assert found.mean().mean() == pytest.approx(0.75, rel=0.1)
    assert "5 series are counted in steps of 0.01, not of 1" in found.notes


def test_counting_steps_by_hand():
    code = np.array([0, 0, 1, 1, 2, 2, 3, 3, 5])
    qty = np.array([1, 7, 0.5, 2, 0.125, 0.25, 2000, 4000, 0])
    assert counting_steps(code, qty, 6).tolist() == [1.0, 0.1, 0.001, 10.0, 1.0, 1.0]
    assert counting_steps(np.zeros(2, int), np.array([0.3, 900.0]), 1).tolist() == [10.0]
    assert counting_steps(np.zeros(0, int), np.zeros(0), 2).tolist() == [1.0, 1.0]


def test_memories_are_in_periods_and_longer_than_one():
    config = bf.Config(demand={"half_lives": [7, 3, 90]})
    assert memories(config, 1.0).tolist() == [3, 7, 90, np.inf]
    assert memories(config, 7.0).tolist() == [90 / 7, np.inf]
    assert memories(config, 365.25 / 12)[:-1] == pytest.approx([90 / 30.4375])


# what is known beside


def test_categories_share_their_season_where_they_have_enough_series():
    rng = np.random.default_rng(8)
    t = np.arange(156)
    wave = np.where(np.arange(60) < 30, 1, -1)[:, None] * np.sin(2 * np.pi * t / 52.18)
    frame = long(rng.poisson(2.0 * np.exp(0.8 * wave)), "W", start=pd.Timestamp("2023-01-02"))
    items = pd.DataFrame({"unique_id": frame.unique_id.unique(), "category": ["ice"] * 30 + ["ski"] * 30})
    apart = bf.forecast_panel(frame, 26, "W", items=items)
    assert apart.groups == ("ice", "ski")
    coming = 2.0 * np.exp(
        0.8 * np.where(np.arange(60) < 30, 1, -1)[:, None] * np.sin(2 * np.pi * np.arange(156, 182) / 52.18)
    )
    pooled = bf.forecast_panel(frame, 26, "W")

    def error(found):
        return np.abs(found.mean().reshape(60, 26) - coming).mean()

    assert error(apart) < 0.7 * error(pooled)
    few = items.assign(category=["ice"] * 50 + ["ski"] * 10)  # less than twenty are of the rest
    assert bf.forecast_panel(frame, 26, "W", items=few).groups == ("ice",)


def test_groups_by_hand():
    category = pd.Series(["b"] * 3 + ["a"] * 2 + [None, "c"])
    assert kept_categories(category, least=2) == ("a", "b")
    assert kept_categories(category, most=1, least=2) == ("b",)
    assert category_groups(category, ("a", "b")).tolist() == [1, 1, 1, 0, 0, 2, 2]
    assert category_groups(category).tolist() == [0] * 7


def test_dates_of_introduction_and_discontinuation():
    day = FRAME.ds.max()
    rows = [("s0001", day + pd.Timedelta(days=4), pd.NaT), ("s0002", pd.NaT, day + pd.Timedelta(days=3)),
            ("s0003", day + pd.Timedelta(days=30), pd.NaT), ("s0004", day, day),
            ("s0005", day - pd.Timedelta(days=900), day + pd.Timedelta(days=400)), ("zz", day + pd.Timedelta(days=2), None)]  # fmt: skip
    items = pd.DataFrame(rows, columns=["unique_id", "introduced_date", "discontinued_date"])
    found = bf.forecast_panel(FRAME, 6, "D", items=items)
    mean = found.mean().reshape(-1, 6)
    sold = pd.DataFrame(mean > 0, index=found.items.unique_id)
    assert sold.loc["s0001"].tolist() == [False] * 3 + [True] * 3
    assert sold.loc["s0002"].tolist() == [True] * 2 + [False] * 4  # the day that discontinues it has none
    assert not sold.loc["s0003"].any()  # introduced after the horizon
    assert not sold.loc["s0004"].any()
    assert sold.loc["s0005"].all()
    assert sold.loc["zz"].tolist() == [False] + [True] * 5
    weeks = bf.forecast_panel(long(np.ones((2, 30)), "W"), 3, "W", items=pd.DataFrame({
        "unique_id": ["s0000", "s0001"], "introduced_date": ["2026-08-12", None], "discontinued_date": [None, "2026-08-12"],
    }))  # fmt: skip
    assert weeks.starts[1] == pd.Timestamp("2026-08-10")
    assert (weeks.mean().reshape(2, 3) > 0).tolist() == [[False, True, True], [True, True, False]]


def test_drivers_of_all_series_move_them():
    rng = np.random.default_rng(9)
    fair = rng.random(154) < 0.15
    frame = long(rng.poisson(np.where(fair[:140], 6.0, 2.0), (40, 140)))
    drivers = pd.DataFrame({"ds": pd.date_range(START, periods=154), "fair": fair, "steady": 5.0})
    found = bf.forecast_panel(frame, 14, "D", drivers=drivers).mean().reshape(40, 14).mean(axis=0)
    assert found[fair[140:]].mean() / found[~fair[140:]].mean() == pytest.approx(3.0, rel=0.2)
    # numbers that are not known of some periods count as usual there, not as zero
    heat = rng.normal(25.0, 4.0, 154)
    frame = long(rng.poisson(np.exp(0.7 + 0.1 * (heat[:140] - 25)), (40, 140)))
    known = pd.DataFrame({"ds": pd.date_range(START, periods=140), "heat": heat[:140]})
    found = bf.forecast_panel(frame, 14, "D", drivers=known).mean()
    assert found.mean() == pytest.approx(2.0 * np.exp(0.08), rel=0.1)


def test_prices_and_promotions_of_single_series_move_them():
    rng = np.random.default_rng(10)
    promoted = rng.random((40, 182)) < 0.1
    price = np.repeat(rng.choice([8.0, 10.0], (40, 13)), 14, axis=1)
    price[:, 167:] = 10.0
    mean = 3.0 * (price / 10.0) ** -2.0 * np.where(promoted, 2.5, 1.0)
    frame = long(rng.poisson(mean[:, :168]))
    item, at = np.indices(price.shape).reshape(2, -1)
    rows = pd.DataFrame({"unique_id": [f"s{k:04d}" for k in item], "ds": START + pd.to_timedelta(at, unit="D"),
                         "price": price[item, at], "promotion": promoted[item, at]})  # fmt: skip
    found = bf.forecast_panel(frame, 14, "D", drivers=rows)
    assert any("price -" in x and "promotion +" in x for x in found.notes)
    coming, off = promoted[:, 168:], found.mean().reshape(40, 14)
    assert off[coming].mean() / off[~coming].mean() == pytest.approx(2.5, rel=0.2)
    assert off[~coming].mean() == pytest.approx(3.0, rel=0.1)  # at the last price, without a promotion


def test_periods_without_stock_say_at_least():
    rng = np.random.default_rng(11)
    wanted = rng.poisson(4.0, (60, 200))
    left = rng.integers(0, 12, (60, 200))
    sold, there = np.minimum(wanted, left), wanted < left
    frame = long(sold)
    flags = frame[["unique_id", "ds"]].assign(in_stock=there.ravel())
    found = bf.forecast_panel(frame, 7, "D", flags)
    blind = bf.forecast_panel(frame, 7, "D")
    assert found.mean().mean() == pytest.approx(4.0, rel=0.04)
    assert blind.mean().mean() < 3.2
    hidden = int((~there).sum())
    assert f"{hidden} periods that ended without stock count as 'at least what was sold'" in found.notes
    same(bf.forecast_panel(frame.assign(in_stock=there.ravel()), 7, "D"), found)
    same(bf.forecast_panel(frame.assign(in_stock=False), 7, "D", flags), found)  # the frame given counts
    same(bf.forecast_panel(frame, 7, "D", flags.assign(in_stock=there.ravel().astype(float))), found)
    same(bf.forecast_panel(frame, 7, "D", flags.assign(ds=flags.ds.astype(str))), found)
    same(bf.forecast_panel(frame, 7, "D", pd.concat([flags, flags])), found)
    # where no flag is, there was stock; rows that were left out were zero
    some = (frame.y > 0) | (frame.ds == START) | (frame.ds == frame.ds.max())
    same(bf.forecast_panel(frame[some], 7, "D", flags[~flags.in_stock]), found)


def test_flags_tell_from_when_on_a_series_was_there():
    frame = long(np.full((3, 40), 4.0))
    early = pd.DataFrame({"unique_id": "s0001", "ds": [START - pd.Timedelta(days=40)], "in_stock": True})
    mean = bf.forecast_panel(frame, 7, "D", early).total(7).mean()
    assert mean[1] < 0.75 * mean[0]  # forty days without a sale came before


def test_flags_by_day_tell_of_weeks():
    frame = long(np.full((3, 40), 5.0), "W")
    days = pd.DataFrame({"unique_id": "s0001", "ds": pd.date_range(START, periods=280), "in_stock": True})
    days.loc[days.ds.dt.day_of_week == 6, "in_stock"] = np.arange(40) % 2 == 0  # every other Sunday: none left
    days.loc[days.ds.dt.day_of_week == 2, "in_stock"] = False  # none left in between, but there was again
    found = bf.forecast_panel(frame, 4, "W", days)
    assert found.starts[0] == frame.ds.max() + pd.Timedelta(days=7)
    assert "20 periods that ended without stock" in found.notes[0]
    mean = found.mean().reshape(3, 4).mean(axis=1)
    assert mean[1] > mean[0]


def test_periods_without_stock_are_not_periods_with_demand():
    rng = np.random.default_rng(1)
    wanted = (rng.random((200, 400)) < 0.1) * np.maximum(rng.poisson(10, (200, 400)), 1)
    out = np.repeat(rng.random((200, 40)) < 0.3, 10, axis=1)
    frame = long(np.where(out, 0, wanted)).assign(in_stock=~out.ravel())
    found = bf.forecast_panel(frame, 14, "D")
    assert found.cdf(0).mean() == pytest.approx(0.9, abs=0.03)


# blocks of a panel


def test_a_block_forecast_like_its_own_panel_is_the_same(forecast):
    again = bf.forecast_panel(FRAME, 14, "D", like=forecast)
    same(again, forecast)
    same(bf.forecast_panel(FRAME, 14, "D", like=again), forecast)


def test_blocks_take_season_weights_and_groups_from_the_panel():
    rng = np.random.default_rng(12)
    week = np.array([0.3, 1, 1, 1, 1.2, 2.0, 0.5])
    frame = long(rng.poisson(3.0 * week[np.arange(120) % 7], (80, 120)))
    items = pd.DataFrame({"unique_id": frame.unique_id.unique(), "category": ["a", "b"] * 40})
    whole = bf.forecast_panel(frame, 14, "D", items=items)
    # a small block, from a later first day: alone it would know no group and hardly a week
    block = frame[frame.unique_id.isin(["s0010", "s0011", "s0012"]) & (frame.ds >= START + pd.Timedelta(days=30))]
    mine = items[items.unique_id.isin(block.unique_id)]
    found = bf.forecast_panel(block, 14, "D", items=mine, like=whole)
    assert found.groups == whole.groups == ("a", "b")
    assert found.starts.equals(whole.starts)
    assert found.models.iloc[:, 1:].to_numpy() == pytest.approx(whole.models.iloc[10:13, 1:].to_numpy())
    expected = whole.mean().reshape(80, 14)[10:13]
    assert found.mean().reshape(3, 14) == pytest.approx(expected, rel=0.25)
    shape = found.mean().reshape(3, 14)
    assert np.corrcoef(shape.sum(axis=0), expected.sum(axis=0))[0, 1] > 0.98
    # a category that the panel did not have, and none at all
    for other in (mine.assign(category="c"), mine[["unique_id"]]):
        assert bf.forecast_panel(block, 14, "D", items=other, like=whole).mean().mean() == pytest.approx(3.0, rel=0.25)
    # the whole panel, row by row of blocks, hardly differs from the whole at once
    halves = [bf.forecast_panel(frame[frame.unique_id.isin(x)], 14, "D", items=items[items.unique_id.isin(x)], like=whole)
              for x in np.split(items.unique_id.to_numpy(), 2)]  # fmt: skip
    assert np.concatenate([x.mean() for x in halves]) == pytest.approx(whole.mean(), rel=0.02)


def test_blocks_that_do_not_fit_are_refused(forecast):
    with pytest.raises(UsageError, match=r"`like` was made for 14 periods of 'D'; ask for the same"):
        bf.forecast_panel(FRAME, 15, "D", like=forecast)
    with pytest.raises(UsageError, match="ask for the same"):
        bf.forecast_panel(FRAME, 14, "W", like=forecast)
    brought = bf.Forecast.from_quantiles(pd.DataFrame({"unique_id": ["x"], "ds": [START], "p50": [1.0]}))
    with pytest.raises(UsageError, match="made by forecast_panel"):
        bf.forecast_panel(FRAME, 14, "D", like=brought)
    late = FRAME.assign(ds=FRAME.ds + pd.Timedelta(days=2))
    with pytest.raises(bf.InputError, match=r"lies in the past of `like`, to 2026-05-04; 50 rows .* end all blocks"):
        bf.forecast_panel(late, 14, "D", like=forecast)
    old = pd.concat(
        [FRAME, FRAME.iloc[:3].assign(ds=pd.Timestamp("2025-12-01") + pd.to_timedelta([0, 1, 2], unit="D"))]
    )
    cut = bf.forecast_panel(old, 14, "D", like=forecast)
    assert cut.notes[0] == "3 rows older than the panel of `like` are left out"
    assert np.array_equal(cut.mean(), forecast.mean())


# what is refused


BROKEN = {
    "no column": (lambda x: x.rename(columns={"y": "qty", "ds": "date"}),
                  [r"frame\.ds: the column is missing\. To mend it: rename one of: unique_id, date, qty", r"frame\.y: "]),
    "twice": (lambda x: pd.concat([x, x.iloc[3:10]]),
              [r"frame\.ds: there is one row a series and period; 7 rows \(0\.233 %\), e\.g\. 's0000 2026-01-08', .*'s0000 2026-01-12'\. "
               "To mend it: add up the rows of a period"]),
    "negative": (lambda x: x.assign(y=np.where(np.arange(len(x)) % 1000 == 7, -2.0, x.y)),
                 [r"frame\.y: is not negative; 3 rows \(0\.1 %\), e\.g\. 's0000 2026-01-12 -2\.0', .*keep returns apart"]),
    "missing": (lambda x: x.assign(y=x.y.where(np.arange(len(x)) > 5)),
                [r"frame\.y: is not missing; 6 rows \(0\.2 %\), e\.g\. 's0000 2026-01-05 nan'.*leave out rows of periods"]),
    "text": (lambda x: x.assign(y=x.y.astype(object).where(np.arange(len(x)) > 0, "n/a")),
             [r"frame\.y: is a finite number; 1 row .*'s0000 2026-01-05 n/a'.*write a number"]),
    "infinite": (lambda x: x.assign(y=np.inf), [r"frame\.y: is a finite number; 3000 rows \(100 %\)"]),
    "no day": (lambda x: x.assign(ds=x.ds.where(np.arange(len(x)) > 1)),
               [r"frame\.ds: is not missing; 2 rows .*'s0000 NaT', 's0000 NaT'\. To mend it: fill it in"]),
    "day first": (lambda x: x.assign(ds=x.ds.dt.strftime("%d/%m/%Y")),
                  [r"frame\.ds: is a date; 3000 rows .*'s0000 05/01/2026'.*write dates like 2026-01-31"]),
    "day numbers": (lambda x: x.assign(ds=np.arange(len(x))), [r"frame\.ds: is a date; 3000 rows .*'s0000 0'"]),
    "zones": (lambda x: x.assign(ds=["2026-01-01T00:00+01:00", "2026-01-02T00:00+02:00"] * 1500), [r"frame\.ds: is a date"]),
    "no id": (lambda x: x.assign(unique_id=x.unique_id.where(x.unique_id != "s0003")),
              [r"frame\.unique_id: is not missing; 120 rows \(4 %\)"]),
    "kinds of ids": (lambda x: x.assign(unique_id=x.unique_id.astype(object).where(x.unique_id != "s0003", 3)),
                     [r"frame\.unique_id: ids are of one kind, in all tables; found: int, str"]),
    "flags": (lambda x: x.assign(in_stock="yes"), [r"frame\.in_stock: is true or false; 3000 rows"]),
    "columns twice": (lambda x: pd.concat([x, x[["y"]]], axis=1), [r"frame\.y: the column is there once"]),
    "several": (lambda x: x.assign(y=-1.0, ds="soon"), [r"frame\.ds: is a date", r"frame\.y: is not negative"]),
    "no frame": (lambda x: x.to_dict(), [r"frame: is a dict, not a frame of pandas, polars or Arrow"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_frames_end_in_one_message(case):
    change, messages = BROKEN[case]
    with pytest.raises(bf.InputError) as error:
        bf.forecast_panel(change(FRAME), 14, "D")
    assert len(error.value.problems) == len(messages)
    for problem, message in zip(error.value.problems, messages, strict=True):
        assert pd.Series([str(problem)]).str.match(message).item(), str(problem)
        assert len(problem.examples) <= 5


DAY = FRAME.ds.max()
OTHERS = {
    "flags without days": ({"in_stock": FRAME[["unique_id"]]}, r"in_stock\.ds: the column is missing"),
    "flags that are words": ({"in_stock": FRAME[["unique_id", "ds"]].assign(in_stock="no")}, r"in_stock\.in_stock: is true or"),
    "flags of no day": ({"in_stock": FRAME[["unique_id"]].assign(ds="?", in_stock=True)}, r"in_stock\.ds: is a date"),
    "items without ids": ({"items": pd.DataFrame({"sku": [1]})}, r"items\.unique_id: the column is missing"),
    "items of other ids": ({"items": pd.DataFrame({"unique_id": [1]})}, r"ids are of one kind"),
    "an item without an id": ({"items": pd.DataFrame({"unique_id": ["a", None]})}, r"items\.unique_id: is not missing; 1 row"),
    "a launch some day": ({"items": pd.DataFrame({"unique_id": ["a"], "introduced_date": ["soon"]})},
                          r"items\.introduced_date: is a date; 1 row \(100 %\), e\.g\. 'a soon'"),
    "drivers of no day": ({"drivers": pd.DataFrame({"ds": [None], "x": [1.0]})}, r"drivers\.ds: is not missing"),
    "drivers in words": ({"drivers": pd.DataFrame({"ds": [DAY], "event": ["fair"]})},
                         r"drivers\.event: is a finite number or a flag; .*write 1 and 0 for yes and no"),
    "drivers without end": ({"drivers": pd.DataFrame({"ds": [DAY], "unique_id": ["s0000"], "price": [np.inf]})},
                            r"drivers\.price: is a finite number"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_other_broken_frames_end_in_one_message(case):
    given_, message = OTHERS[case]
    with pytest.raises(bf.InputError, match=message):
        bf.forecast_panel(FRAME, 14, "D", **given_)


def test_all_that_is_wrong_is_said_at_once():
    flags = FRAME[["unique_id", "ds"]].assign(in_stock="no")
    with pytest.raises(bf.InputError) as error:
        bf.forecast_panel(FRAME.assign(y=-1.0), 14, "D", flags)
    assert [x.table for x in error.value.problems] == ["frame", "in_stock"]


@pytest.mark.parametrize(("horizon", "frequency"), [(0, "D"), (-3, "W"), (2.5, "M"), ("7", "D"), (True, "D"), (None, "D"),
                                                    (7, "H"), (7, "d"), (7, None)])  # fmt: skip
def test_calls_that_cannot_be_meant(horizon, frequency):
    with pytest.raises(UsageError, match=r"horizon|frequency"):
        bf.forecast_panel(FRAME, horizon, frequency)


# whatever comes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(
    st.lists(
        st.lists(
            st.one_of(st.just(0.0), st.integers(0, 9).map(float), st.floats(0, 50), st.sampled_from([1e4, 1e9, 0.25, 1e-4])),
            max_size=50,
        ),
        min_size=1, max_size=5,
    ),
    st.integers(1, 9), st.sampled_from("DWM"), st.randoms(),
)  # fmt: skip
def test_any_panel_gives_laws(series, horizon, frequency, random):
    step = {"D": "D", "W": "7D", "M": "MS"}[frequency]
    days = pd.date_range("2024-01-01", periods=50, freq=step)
    rows = [
        (f"s{k}", day, y)
        for k, values in enumerate(series)
        for day, y in zip(days[-len(values) :], values, strict=False)
    ]
    random.shuffle(rows)
    frame = pd.DataFrame(rows, columns=["unique_id", "ds", "y"])
    items = pd.DataFrame({"unique_id": [f"s{k}" for k in range(len(series))]})
    case = fuzz_panel.Case(frame, horizon, frequency, {"items": items}, {})
    assert fuzz_panel.check(case) == len(series) * (horizon + 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.floats(1.0, 40.0))
def test_more_demand_everywhere_is_a_higher_forecast(seed, factor):
    rng = np.random.default_rng(seed)
    units = rng.poisson(rng.gamma(1.0, 2.0, (10, 1)), (10, 60))
    less = bf.forecast_panel(long(units), 7, "D").mean().sum()
    more = bf.forecast_panel(long(np.round(units * factor)), 7, "D").mean().sum()
    assert more >= 0.95 * less


def test_three_thousand_random_series():
    seen, case = 0, 0
    while seen < 3000:
        drawn = fuzz_panel.draw(np.random.default_rng([77, case]), most=700, longest=150)
        fuzz_panel.check(drawn)
        seen, case = seen + drawn.shapes.total(), case + 1
    assert case > 10


# the truth


def pits(forecast, periods, actual, rng):
    """Randomised transforms of sums that came [n]."""
    law = forecast.total(periods)
    low, high = law.cdf(actual - 1), law.cdf(actual)
    return low + rng.random(len(actual)) * (high - low)


def negative_binomials(rng, mean, ratio):
    return rng.negative_binomial(np.maximum(mean, 1e-9) / (ratio - 1), 1 / ratio)


TRUTHS = {
    "steady": lambda rng, n, t: np.repeat(rng.gamma(0.8, 1.5, (n, 1)), len(t), axis=1),
    "slow": lambda rng, n, t: np.repeat(rng.gamma(0.8, 0.06, (n, 1)), len(t), axis=1),
    "season": lambda rng, n, t: rng.gamma(1.0, 2.0, (n, 1)) * np.exp(0.6 * np.sin(2 * np.pi * t / 365.25)) *
    np.array([0.2, 1.0, 1.0, 1.0, 1.3, 1.8, 0.7])[t % 7],
    "drift": lambda rng, n, t: rng.gamma(1.0, 2.0, (n, 1)) * np.exp(np.cumsum(rng.normal(0, 0.015, (n, len(t))), axis=1)),
    "growth": lambda rng, n, t: rng.gamma(1.0, 1.0, (n, 1)) * np.exp(0.5 * t / 365.25),
}  # fmt: skip


@pytest.mark.parametrize("truth", TRUTHS)
def test_sums_of_four_weeks_are_covered_as_stated(truth):
    rng = np.random.default_rng(20)
    n, past, ahead = 800, 760, 28
    mean = TRUTHS[truth](rng, n, np.arange(past + ahead))
    units = negative_binomials(rng, mean, rng.uniform(1.2, 3.5, (n, 1)))
    forecast = bf.forecast_panel(long(units[:, :past], start=pd.Timestamp("2024-01-01")), ahead, "D")
    u = pits(forecast, ahead, units[:, past:].sum(axis=1), rng)
    for level in (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99):
        error = np.sqrt(level * (1 - level) / n)
        assert (u <= level).mean() == pytest.approx(level, abs=3.5 * error + 0.015), level
    total = mean[:, past:].sum(axis=1)
    assert forecast.total(ahead).mean().sum() == pytest.approx(total.sum(), rel=0.06)


@pytest.mark.parametrize("frequency", ["W", "M"])
def test_longer_periods_are_covered_as_stated(frequency):
    rng = np.random.default_rng(21)
    n, past, ahead = 1200, {"W": 104, "M": 48}[frequency], {"W": 4, "M": 3}[frequency]
    mean = np.repeat(rng.gamma(0.7, 4.0, (n, 1)), past + ahead, axis=1)
    units = negative_binomials(rng, mean, 2.2)
    forecast = bf.forecast_panel(long(units[:, :past], frequency), ahead, frequency)
    u = pits(forecast, ahead, units[:, past:].sum(axis=1), rng)
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    for level in (0.05, 0.5, 0.9, 0.95):
        assert (u <= level).mean() == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / n) + 0.01)


def test_coverage_can_fail():
    """The same check finds a forecast out that is a quarter too low."""
    rng = np.random.default_rng(22)
    units = negative_binomials(rng, np.repeat(rng.gamma(1.0, 2.0, (800, 1)), 228, axis=1), 2.0)
    forecast = bf.forecast_panel(long(units[:, :200]), 28, "D")
    actual = units[:, 200:].sum(axis=1)
    u = pits(forecast, 28, np.round(actual * 4 / 3), rng)
    assert (u <= 0.5).mean() < 0.42
    assert stats.kstest(pits(forecast, 28, actual, rng), "uniform").pvalue > 1e-3
