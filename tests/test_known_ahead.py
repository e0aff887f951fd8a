"""What is known beside history: events, prices and promotions move demand as they did; planners' statements stand."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.demand import forecast_demand
from backorder_forecast.known_ahead import carried
from backorder_forecast.methods.drivers import Drivers, fit_effects
from backorder_forecast.methods.history import History
from tests.test_demand import DAY, counts, items, ordered

DAYS, AHEAD = 364, 60
PAST = DAY - pd.to_timedelta(np.arange(DAYS)[::-1], unit="D")
FUTURE = DAY + pd.to_timedelta(np.arange(1, AHEAD + 1), unit="D")
ALL = PAST.append(FUTURE)
CONFIG = {"simulation": {"horizon_days": AHEAD}, "demand": {"period_days": 1, "weekday_shape": False}}


def fitted(config=None, **tables):
    return forecast_demand(bf.Dataset.of(tables, bf.Config(**(CONFIG | (config or {})))).as_of(DAY))


def driver_rows(price, promotion):
    """Rows of `drivers` for items × days."""
    item, at = np.indices(price.shape).reshape(2, -1)
    return pd.DataFrame({"item_id": [f"i{k:03d}" for k in item], "date": ALL[at], "price": price[item, at],
                         "promotion": promotion[item, at]})  # fmt: skip


def priced(rng, n=60):
    """Prices in steps of a fortnight around 10, promotions of a week now and then."""
    steps = rng.choice([8.0, 10.0, 12.0], (n, len(ALL) // 14 + 1)).repeat(14, axis=1)[:, : len(ALL)]
    steps[:, DAYS - 1 :] = 10.0
    promoted = (rng.random((n, len(ALL) // 7 + 1)) < 0.15).repeat(7, axis=1)[:, : len(ALL)]
    promoted[:, DAYS:] = False
    return steps, promoted


def test_price_and_promotion_are_found_with_their_errors_and_carried_ahead():
    rng = np.random.default_rng(1)
    price, promoted = priced(rng)
    promoted[:, DAYS + 10 : DAYS + 17] = True
    price[:30, DAYS + 30 :] = 8.0
    level = rng.uniform(0.5, 4, len(price))
    mean = level[:, None] * (price / 10.0) ** -1.5 * np.where(promoted, 2.0, 1.0)
    demand = fitted(order_lines=ordered(counts(rng, mean[:, :DAYS], 1.6, DAYS)), drivers=driver_rows(price, promoted))
    note = next(x for x in demand.notes if "effects" in x)
    assert note.startswith("demand: effects on its logarithm: price -1.")
    found = demand.mean().reshape(len(price), AHEAD)
    usual = found[:, :10].mean(axis=1, keepdims=True)
    assert (found[:, 10:17] / usual).mean() == pytest.approx(2.0, rel=0.1)
    assert (found[:30, 30:] / usual[:30]).mean() == pytest.approx(0.8**-1.5, rel=0.1)
    assert (found[30:, 30:] / usual[30:]).mean() == pytest.approx(1.0, rel=0.05)
    assert usual.sum() == pytest.approx(level.sum(), rel=0.05)  # today's price, no promotion


def test_effects_are_unbiased_and_their_errors_honest():
    z = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        price, promoted = priced(rng, 25)
        mean = rng.uniform(0.5, 4, 25)[:, None] * (price / 10.0) ** -1.0 * np.where(promoted, 1.5, 1.0)
        units = counts(rng, mean[:, :DAYS], 1.8, DAYS).astype(float)
        item, at = np.nonzero(units)
        history = History(item, DAYS - 1 - at, units[item, at], np.full(25, DAYS))
        drivers = Drivers(("price", "promotion"), np.stack([np.log(price), promoted]).astype(np.float32), (True, False))
        effects = fit_effects(history, np.ones((25, DAYS)), drivers, DAYS, 1 / 7)
        z.append((effects.effect - [-1.0, np.log(1.5)]) / effects.error)
    z = np.array(z)
    assert np.abs(z.mean(axis=0)) == pytest.approx([0, 0], abs=0.6)
    assert 0.6 < z.std() < 1.5


def test_drivers_that_do_nothing_change_next_to_nothing():
    rng = np.random.default_rng(3)
    price, promoted = priced(rng)
    lines = ordered(counts(rng, rng.uniform(0.5, 4, 60), 1.6, DAYS))
    with_them = fitted(order_lines=lines, drivers=driver_rows(price, promoted)).mean()
    assert with_them == pytest.approx(fitted(order_lines=lines).mean(), rel=0.06)
    # a price that never moves says nothing
    still = fitted(order_lines=lines, drivers=driver_rows(np.full_like(price, 9.5), np.zeros_like(promoted)))
    assert still.mean() == pytest.approx(fitted(order_lines=lines).mean(), rel=1e-6)


def test_an_event_that_comes_back_moves_all_items_again():
    rng = np.random.default_rng(4)
    event = np.zeros(len(ALL), bool)
    event[20::40] = True
    mean = rng.uniform(0.5, 4, 50)[:, None] * np.where(event, 3.0, 1.0)
    calendar = pd.DataFrame({"date": ALL[event], "event": "market day"})
    lines = ordered(counts(rng, mean[:, :DAYS], 1.6, DAYS))
    found = fitted(order_lines=lines, calendar=calendar).mean().reshape(50, AHEAD).sum(axis=0)
    usual = np.median(found)
    assert (found[event[DAYS:]] / usual).mean() == pytest.approx(3.0, rel=0.15)
    once = fitted(order_lines=lines, calendar=calendar.head(1)).mean().reshape(50, AHEAD).sum(axis=0)
    assert once.max() < 1.2 * np.median(once)


def test_what_planners_state_stands_beside_what_was_forecast():
    rng = np.random.default_rng(5)
    lines = ordered(counts(rng, np.full(3, 2.0), 1.5, DAYS))
    stated = pd.DataFrame({
        "entity": "item", "entity_id": ["i000", "i000", "i001", "i002", "i002"],
        "field": ["demand_factor", "demand_factor", "demand_per_day", "demand_factor", "price"],
        "value": ["3", "1.5", "7", "-1", "2"], "author": ["Ada", "Ada", "Ben", "Ben", "Ben"],
        "stated_at": pd.to_datetime(["2026-01-01", "2026-02-01", "2026-02-01", "2026-02-01", "2026-02-01"]),
        "from_date": [DAY, DAY, DAY + pd.Timedelta(days=11), pd.NaT, pd.NaT],
        "until_date": [pd.NaT, pd.NaT, DAY + pd.Timedelta(days=20), pd.NaT, pd.NaT],
    })  # fmt: skip
    plain, moved = fitted(order_lines=lines).output(), fitted(order_lines=lines, overrides=stated)
    table = moved.output()
    assert table["statistical_mean"].to_numpy() == pytest.approx(plain["mean"].to_numpy())
    ratio = (table["mean"] / plain["mean"]).to_numpy().reshape(3, AHEAD)
    assert ratio[0] == pytest.approx(np.full(AHEAD, 1.5))  # the later statement
    assert table["mean"].to_numpy().reshape(3, AHEAD)[1, 10:20].mean() == pytest.approx(7.0)
    assert np.delete(ratio[1], np.arange(10, 20)) == pytest.approx(np.ones(50))
    assert ratio[2] == pytest.approx(np.ones(AHEAD))
    assert any("as stated by Ada, Ben" in x for x in moved.notes)
    later = stated.assign(stated_at=DAY + pd.Timedelta(days=1))
    unmoved = fitted(order_lines=lines, overrides=later).output()
    pd.testing.assert_frame_equal(unmoved, plain)  # nothing stated after the day


def test_a_last_value_is_carried_on():
    nan = np.nan
    values = np.array([[nan, 1.0, nan, 2.0, nan], [nan] * 5])
    found = carried(values)
    assert found[0].tolist() == [1, 1, 1, 2, 2]
    assert np.isnan(found[1]).all()


def run_with(forecast, n=3):
    rng = np.random.default_rng(6)
    lines = ordered(counts(rng, np.full(n, 2.0), 1.5, 90))
    stock = pd.DataFrame({"item_id": items(n).item_id, "date": DAY, "on_hand": 20.0})
    config = bf.Config(simulation={"horizon_days": 40, "scenarios": 200}, replay={"days": 0})
    data = bf.Dataset.of({"order_lines": lines, "stock": stock}, config)
    return bf.run(data, as_of=DAY, demand=forecast, seed=1)


def test_a_forecast_brought_along_feeds_the_same_simulation():
    ids, start = [f"i{k:03d}" for k in range(3)], DAY + pd.Timedelta(days=1)
    frame = pd.DataFrame({"unique_id": np.repeat(ids, 40), "ds": np.tile(pd.date_range(start, periods=40), 3)})
    for k, (low, high) in enumerate([(0.0, 0.0), (1.0, 5.0), (9.0, 15.0)]):
        rows = slice(40 * k, 40 * (k + 1))
        frame.loc[frame.index[rows], ["M-lo-80", "M", "M-hi-80"]] = [low, (low + high) / 2, high]
    forecast = bf.Forecast.from_quantiles(frame)
    run = run_with(forecast)
    found = run.demand_forecast.groupby("item_id")["mean"].sum()
    assert found["i001"] == pytest.approx(forecast.mean().reshape(3, 40)[1].sum(), rel=0.02)
    assert found["i002"] > 3 * found["i001"]
    assert set(run.demand_forecast["model"]) == {"100 % brought along"}
    risk = run.backorder_risk.query("horizon_days == 28 and supply_basis == 'open_only'").set_index("item_id")
    assert risk.backorder_prob["i002"] > 0.99
    assert risk.backorder_prob["i000"] < risk.backorder_prob["i001"]
    weekly = frame[frame["ds"].dt.day_of_week == start.day_of_week]  # the same rows read as weeks: a seventh a day
    thin = run_with(bf.Forecast.from_quantiles(weekly)).demand_forecast.groupby("item_id")["mean"].sum()
    assert thin["i001"] == pytest.approx(found["i001"] / 7, rel=0.05)


def test_our_own_daily_forecast_is_taken_as_it_is():
    rng = np.random.default_rng(7)
    units = counts(rng, np.array([0.2, 2.0, 5.0]), 2.0, 200)
    item, at = np.indices(units.shape).reshape(2, -1)
    frame = pd.DataFrame({"unique_id": [f"i{k:03d}" for k in item], "y": units[item, at].astype(float),
                          "ds": DAY - pd.to_timedelta(199 - at, unit="D")})  # fmt: skip
    forecast = bf.forecast_panel(frame, 40, "D")
    run = run_with(forecast)
    weeks = run.demand_forecast.query("days == 7")["p90"].to_numpy().reshape(3, 5)
    own = np.stack([forecast.total(7, first=1 + 7 * w).quantile([0.9])["p90"] for w in range(5)], axis=1)
    assert weeks == pytest.approx(own)


def test_a_forecast_that_leaves_items_out_is_refused():
    frame = pd.DataFrame({"unique_id": "i000", "ds": pd.date_range(DAY + pd.Timedelta(days=1), periods=9), "p50": 1.0,
                          "p90": 3.0})  # fmt: skip
    with pytest.raises(bf.InputError, match=r"every item has a forecast; 2 rows \(66\.7 %\), e\.g\. 'i001/main'"):
        run_with(bf.Forecast.from_quantiles(frame))
