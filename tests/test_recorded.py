"""Demand that is recorded once a week or once a month, in a job that counts days."""

import numpy as np
import pandas as pd
import pytest
from benchmarks.panels import COVERED, at_or_below
from hypothesis import given, settings
from hypothesis import strategies as st

import backorder_forecast as bf
from backorder_forecast.demand import forecast_demand
from backorder_forecast.methods.drivers import Drivers
from backorder_forecast.methods.history import History
from backorder_forecast.methods.laws import Future
from backorder_forecast.recorded import Recorded

DAY = pd.Timestamp("2026-03-04")  # a Wednesday
WEEKS = 130


def lines_of(units, dates):
    """Order lines from units [items × dates]."""
    item, at = np.nonzero(units)
    ids = [f"l{k}" for k in range(len(item))]
    names = [f"i{k:04d}" for k in item]
    return pd.DataFrame({"order_id": ids, "line_id": ids, "item_id": names, "ordered_at": dates[at],
                         "qty": units[item, at].astype(float)})  # fmt: skip


def fitted(lines, day=DAY, config=None, **tables):
    return forecast_demand(bf.Dataset.of({"order_lines": lines} | tables, bf.Config(**(config or {}))).as_of(day))


def weekly(rng, n, weeks, drift=0.0, season=0.0):
    """Negative binomials of weeks [n × weeks], and their means; levels walk, and rise and fall with the year."""
    level = np.exp(rng.normal(0.0, 1.0, n))[:, None] * np.exp(drift * rng.standard_normal((n, weeks)).cumsum(axis=1))
    mean = level * np.exp(season * np.sin(2.0 * np.pi * np.arange(weeks) / 52.18 + rng.uniform(0.0, 6.0)))
    ratio = rng.uniform(1.2, 3.0, n)[:, None]
    return rng.negative_binomial(mean / (ratio - 1.0), 1.0 / ratio), mean


def mondays(weeks, day=DAY):
    """The last Mondays to a day."""
    return pd.date_range(end=day - pd.Timedelta(days=day.day_of_week), periods=weeks, freq="7D")


@pytest.fixture(scope="module")
def judged():
    """Where sums of 1 and 3 weeks fell in the laws of 7 and 21 days: on three panels, one of them with a season."""
    out = []
    for seed, season in enumerate((0.0, 0.0, 0.4)):
        units, _ = weekly(np.random.default_rng([seed, 40]), 1200, WEEKS + 3, 0.04, season)
        demand = fitted(lines_of(units[:, :WEEKS], mondays(WEEKS)))
        rows = demand.items["item_id"].str[1:].astype(int).to_numpy()
        for weeks in (1, 3):
            law, came = demand.total(7 * weeks), units[rows, WEEKS : WEEKS + weeks].sum(axis=1)
            out.append(at_or_below(law.cdf(came - 1), law.cdf(came)))
    return out


def test_laws_of_whole_weeks_cover_what_they_say(judged):
    for sums in (judged[::2], judged[1::2]):
        share = np.concatenate(sums).mean(axis=0)
        assert share == pytest.approx([float(x.removeprefix("p")) / 100 for x in COVERED], abs=0.01)


def test_the_law_is_that_of_weeks():
    """The same panel by the door that is told of weeks; four weeks are judged there too."""
    units, _ = weekly(np.random.default_rng(41), 60, 100)
    dates, day = mondays(100), mondays(1)[0]
    demand = fitted(lines_of(units, dates), day)
    item, at = np.indices(units.shape)
    names = [f"i{k:04d}" for k in item.ravel()]
    frame = pd.DataFrame({"unique_id": names, "ds": dates[at.ravel()], "y": units.ravel()})
    frame = frame[frame["unique_id"].isin(demand.items["item_id"])]
    panel = bf.forecast_panel(frame, 4, "W")
    levels = [0.05, 0.5, 0.9, 0.99]
    for weeks in (1, 4):
        assert (demand.total(7 * weeks).quantile_array(levels) == panel.total(weeks).quantile_array(levels)).all()
        assert demand.total(7 * weeks).mean() == pytest.approx(panel.total(weeks).mean(), rel=1e-9)
        assert demand.total(7 * weeks).variance() == pytest.approx(panel.total(weeks).variance(), rel=1e-9)


def test_demand_comes_on_its_day_alone():
    units, mean = weekly(np.random.default_rng(42), 40, 100)
    demand = fitted(lines_of(units, mondays(100)), config={"demand": {"period_days": 1}})
    by_day = demand.mean().reshape(len(demand.items), -1)
    monday = pd.date_range(DAY + pd.Timedelta(days=1), periods=by_day.shape[1]).day_of_week == 0
    assert (by_day[:, monday] > 0).all()
    assert (by_day[:, ~monday] == 0).all()
    assert (demand.total(4).cdf(0) == 1.0).all()  # to Sunday
    assert demand.total(5).mean() == pytest.approx(demand.total(11).mean())
    # the first Monday of the law and of the simulation are the same: factors, kept as days 0, 1, …
    assert (demand.factors[:, 1:-1] > 0).all(axis=0).tolist() == monday.tolist()
    assert 7 * demand.mean_per_day().sum() == pytest.approx(mean.mean(axis=1).sum(), rel=0.1)
    assert any("one day of the week: demand is forecast in weeks" in x for x in demand.notes)


@pytest.mark.parametrize(("day", "of_month"), [("2026-03-04", 1), ("2026-03-30", 31), ("2026-02-27", 15)])
def test_months_come_on_their_day(day, of_month):
    day = pd.Timestamp(day)
    months = pd.period_range(end=day.to_period("M"), periods=40, freq="M")
    dates = months.to_timestamp() + pd.to_timedelta(np.minimum(of_month, months.days_in_month) - 1, unit="D")
    dates = pd.DatetimeIndex(dates[dates <= day])
    units, mean = weekly(np.random.default_rng(43), 40, len(dates))
    demand = fitted(lines_of(units, dates), day, {"demand": {"history_days": 2000, "period_days": 1}})
    by_day = demand.mean().reshape(len(demand.items), -1)
    coming = pd.date_range(day + pd.Timedelta(days=1), periods=by_day.shape[1])
    due = coming.day == np.minimum(of_month, coming.days_in_month)
    assert (by_day > 0).all(axis=0).tolist() == due.tolist()
    first = by_day[:, due][:, 0].sum()
    assert first == pytest.approx(mean.mean(axis=1).sum(), rel=0.1)
    assert any("one day of the month: demand is forecast in months" in x for x in demand.notes)


def test_weeks_without_stock_count_once():
    """Flags hold until the next one: six days of seven without stock could not have had any demand."""
    rng = np.random.default_rng(44)
    units, mean = weekly(rng, 150, 120)
    out = rng.random(units.shape) < 0.2
    sold, dates = np.where(out, 0, units), mondays(120)
    item, at = np.indices(units.shape)
    names = np.array([f"i{k:04d}" for k in range(150)])
    flags = pd.DataFrame({"item_id": names[item.ravel()], "date": dates[at.ravel()], "in_stock": ~out.ravel()})
    flags["on_hand"] = np.nan
    lost = pd.DataFrame({"item_id": names, "unmet_demand": "lost"})
    demand = fitted(lines_of(sold, dates), stock=flags, items=lost)
    assert 7 * demand.mean_per_day().sum() == pytest.approx(mean.mean(axis=1).sum(), rel=0.04)
    told = [x for x in demand.notes if "at least what was sold" in x]
    assert f"{out[:, -104:].sum()} days" in told[0]  # of the two years that count


def test_one_order_on_another_day_makes_it_days():
    units, _ = weekly(np.random.default_rng(45), 20, 60)
    lines = lines_of(units, mondays(60))
    lines.loc[7, "ordered_at"] += pd.Timedelta(days=1)
    demand = fitted(lines)
    assert (demand.total(4).cdf(0) < 1.0).all()
    assert not any("forecast in weeks" in x for x in demand.notes)
    flat = fitted(lines_of(units, mondays(60)), config={"demand": {"weekday_shape": False}})
    assert flat.total(7).mean() == pytest.approx(7 * flat.total(1).mean(), rel=0.05)  # as was asked for


def test_few_days_on_one_weekday_may_be_chance():
    age = np.arange(0, 49, 7)
    assert Recorded.of(DAY, age, 60, 28).frequency == "D"
    assert Recorded.of(DAY, np.append(age, 49), 60, 28).frequency == "W"
    assert Recorded.of(DAY, np.append(age, 49), 60, 3).frequency == "D"  # no such day before the horizon
    assert Recorded.of(DAY, np.zeros(0, np.int64), 0, 28).frequency == "D"


def test_periods_take_prices_as_they_were_last_and_promotions_that_were_on():
    found = Recorded("W", DAY, 15, np.array([2, 9]), np.array([5, 12]))
    price, on = np.arange(27.0)[None], np.zeros((1, 27))
    on[0, [4, 8, 17]] = 1.0  # ages 10 and 6, and in 3 days
    drivers = found.drivers(Drivers(("price", "promotion"), np.stack([price, on]), (True, False)))
    # periods begin at ages 9 and 2 and in 5 and 12 days: places 5, 12, 19, 26
    assert drivers.values[0].tolist() == [[11.0, 18.0, 25.0, 26.0]]
    assert drivers.values[1].tolist() == [[1.0, 1.0, 0.0, 0.0]]
    events = found.axis(True, on.T).drivers
    assert (events[:, 0] > 0).tolist() == [True, True, False, False]
    assert found.dates.equals(DAY + pd.to_timedelta([-9, -2, 5, 12], unit="D"))


def test_histories_are_counted_in_periods():
    history = History(np.array([0, 0, 1]), np.array([9, 2, 2]), np.array([1.0, 2.0, 3.0]), np.array([10, 3, 2]))
    found = Recorded("W", DAY, 15, np.array([2, 9]), np.array([5, 12])).counted(history)
    assert found.age.tolist() == [1, 0, 0]
    assert found.length.tolist() == [2, 1, 0]


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_open_periods_are_counted_one_by_one(seed, some_shut):
    rng = np.random.default_rng(seed)
    horizon, ones = int(rng.integers(1, 20)), np.ones(3, np.int64)
    factors = rng.uniform(0.1, 2.0, (2, horizon)) * ((rng.random((2, horizon)) < 0.5) | (not some_shut))
    future = Future(np.array([0, 1, 0]), factors, np.ones((3, 7)), np.zeros(horizon, np.int64), ones, ones * horizon)
    since = float(rng.integers(0, horizon))
    until = since + rng.integers(0, 2 * (horizon - int(since)) + 1, (3, 4)) / 2.0
    found = future.between(np.arange(3), since, until)
    for i, row in enumerate(until):
        for j, end in enumerate(row):
            inside = [k for k in range(horizon) if since < k + 1 and k < end and end > since and k >= since]
            assert found[i, j] == sum(factors[future.profile[i], k] > 0 for k in inside)
