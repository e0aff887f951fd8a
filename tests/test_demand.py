"""Demand: known simulations recovered, censoring by what happens to unmet demand, whole units, sums over days."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.demand import forecast_demand
from backorder_forecast.methods.smoothing import SHARES

DAY = pd.Timestamp("2026-03-31")  # a Tuesday


def ordered(history, day=DAY, **more):
    """Order lines of items from a matrix [items × days] of units that ends on `day`."""
    item, at = np.nonzero(history)
    dates = day - pd.to_timedelta(history.shape[1] - 1 - at, unit="D")
    ids = [f"l{k}" for k in range(len(item))]
    names = [f"i{k:03d}" for k in item]
    return pd.DataFrame({"order_id": ids, "line_id": ids, "item_id": names, "ordered_at": dates,
                         "qty": history[item, at].astype(float)} | more)  # fmt: skip


def fitted(day=DAY, config=None, **tables):
    return forecast_demand(bf.Dataset.of(tables, bf.Config(**(config or {}))).as_of(day))


def counts(rng, mean, ratio, days):
    """Daily negative binomials [items × days] with means [items] or [items × days]."""
    mean = np.broadcast_to(np.reshape(mean, (len(mean), -1)), (len(mean), days))
    return rng.negative_binomial(np.maximum(mean, 1e-9) / (ratio - 1), 1 / ratio)


def doubt(demand):
    """Standard deviation of each level over its mean."""
    return np.sqrt(demand.levels**2 @ SHARES - 1.0)


def by_weekday(demand):
    """Mean demand of each day of the week, Monday first, over that of a day [n × 7]."""
    mean = np.stack([demand.total(1, first=day).mean() for day in range(1, 29)], axis=1)
    days = (DAY.day_of_week + np.arange(1, 29)) % 7
    week = np.stack([mean[:, days == w].mean(axis=1) for w in range(7)], axis=1)
    return week / week.mean(axis=1, keepdims=True)


def items(n, **columns):
    return pd.DataFrame({"item_id": [f"i{k:03d}" for k in range(n)]} | columns)


@pytest.mark.parametrize(("ratio", "open_days"), [(1.3, 7), (4.0, 7), (4.0, 5), (2.5, 1)])
def test_means_and_dispersion_are_recovered(ratio, open_days):
    rng = np.random.default_rng(1)
    true = rng.uniform(0.05, 6, 120)
    weekday = (DAY.day_of_week - np.arange(500)[::-1]) % 7
    daily = true[:, None] * np.where(weekday < open_days, 7 / open_days, 0.0)
    demand = fitted(order_lines=ordered(counts(rng, daily, ratio, 500)))
    found = demand.mean_per_day()
    assert found.sum() == pytest.approx(true.sum(), rel=0.02)
    # the stated doubt about the level is the true one: errors in units of its standard deviation
    sd = doubt(demand) * found
    z = (found - true) / sd
    assert 0.8 < np.sqrt((z**2).mean()) < 1.25
    # a little low where few days are seen: estimates are skewed, and shrunk to their median
    assert np.mean(1 / (1 - demand.theta)) == pytest.approx(ratio, rel=0.12)


def test_a_weekday_shape_is_recovered():
    rng = np.random.default_rng(2)
    shape = np.array([1.6, 1.4, 1.2, 1.2, 1.1, 0.5, 0.0])
    weekday = (DAY.day_of_week - np.arange(400)[::-1]) % 7
    means = rng.uniform(0.5, 3, 60)
    demand = fitted(order_lines=ordered(counts(rng, means[:, None] * shape[weekday], 1.8, 400)))
    assert by_weekday(demand).mean(axis=0) == pytest.approx(shape, abs=0.06)
    daily = fitted(order_lines=ordered(counts(rng, means[:, None] * shape[weekday], 1.8, 400)),
                   config={"demand": {"period_days": 1}})  # fmt: skip
    by_day = pd.Series(daily.mean()).groupby(daily.index["date"]).sum()
    tuesday, sunday = DAY + pd.Timedelta(days=7), DAY + pd.Timedelta(days=5)
    assert by_day[tuesday] == pytest.approx(1.4 * means.sum(), rel=0.06)
    assert by_day[sunday] < 0.02 * means.sum()
    flat = fitted(order_lines=ordered(counts(rng, means, 1.8, 99)), config={"demand": {"weekday_shape": False}})
    assert by_weekday(flat) == pytest.approx(np.ones((60, 7)), abs=0.01)


def test_little_history_leans_on_the_panel():
    rng = np.random.default_rng(3)
    history = counts(rng, np.full(40, 2.0), 1.5, 300)
    history[0] = 0
    history[0, -3] = 2  # two units in ten months of sale
    history[1] = 0  # nothing in ten months
    fresh = items(42, introduced_date=[pd.NaT] * 40 + [DAY - pd.Timedelta(days=1), DAY + pd.Timedelta(days=10)])
    stock = pd.DataFrame({"item_id": fresh.item_id, "date": DAY, "on_hand": 1.0})
    demand = fitted(order_lines=ordered(history), items=fresh, stock=stock)
    mean = demand.mean_per_day()
    typical = np.median(mean)
    assert typical == pytest.approx(2.0, rel=0.05)
    assert 2 / 300 < mean[0] < 0.03  # above its own rate, far below the panel's
    assert 0 < mean[1] < mean[0]
    assert 10 * mean[1] < mean[40] < typical  # two days of silence say less than ten months
    assert mean[41] == pytest.approx(typical, rel=0.05)  # not on sale yet: the panel's
    assert doubt(demand)[41] > doubt(demand)[0] > 3 * doubt(demand)[5]


def test_large_and_lumpy_items_are_not_drawn_to_small_ones():
    rng = np.random.default_rng(15)
    true = np.append(np.full(50, 0.2), [5.0, 8.0])
    history = counts(rng, true[:, None], np.append(np.full(50, 1.5), [25.0, 25.0])[:, None], 120)
    found = fitted(order_lines=ordered(history)).mean_per_day()
    assert found[50:] == pytest.approx(history[50:].mean(axis=1), rel=0.25)


def test_the_memory_follows_a_changing_level():
    rng = np.random.default_rng(4)
    level = np.concatenate([np.full(400, 0.5), np.full(120, 3.0)])
    steady, moved = counts(rng, np.full(50, 2.0), 1.5, 520), counts(rng, np.tile(level, (50, 1)), 1.5, 520)
    slow, fast = fitted(order_lines=ordered(steady)), fitted(order_lines=ordered(moved))
    long = [x for x in slow.names if x.endswith((" 448 days", " 896 days", "steady level", "occurrence and size"))]
    assert slow.models[long].sum(axis=1).mean() > 0.6
    assert fast.models[long].sum(axis=1).mean() < 0.3
    assert fast.mean_per_day().mean() == pytest.approx(3.0, rel=0.1)
    assert fast.notes[0].startswith("demand: models of items with demand in ")


def weekly_stock(rng, true, ratio, days, cover):
    """Demand, sales from stock refilled every Monday to about `cover` weeks, and what was left in the evening."""
    demand = counts(rng, true, ratio, days)
    sold, left = np.zeros_like(demand), np.zeros_like(demand)
    stock = np.zeros(len(true), int)
    for t in range(days):
        if (DAY - pd.Timedelta(days=days - 1 - t)).day_of_week == 0:
            stock = np.maximum(1, rng.poisson(cover * 7 * true))
        sold[:, t] = np.minimum(demand[:, t], stock)
        stock = stock - sold[:, t]
        left[:, t] = stock
    return demand, sold, left


def counted(left):
    item, t = np.indices(left.shape).reshape(2, -1)
    names = np.array([f"i{k:03d}" for k in range(len(left))])
    dates = DAY - pd.to_timedelta(left.shape[1] - 1 - t, unit="D")
    return pd.DataFrame({"item_id": names[item], "date": dates, "on_hand": left[item, t].astype(float)})


@pytest.mark.parametrize(("cover", "share"), [(1.25, 0.10), (0.88, 0.25)])
def test_lost_demand_is_seen_through_stock_outs(cover, share):
    bias, plain, spread = [], [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        true = rng.uniform(0.3, 4, 60)
        asked, sold, left = weekly_stock(rng, true, 2.0, 364, cover)
        assert (left <= 0).mean() == pytest.approx(share, abs=0.03)
        tables = {"order_lines": ordered(sold), "stock": counted(left)}
        demand = fitted(**tables, items=items(60, unmet_demand="lost"))
        bias.append(demand.mean_per_day().sum() / asked.mean(axis=1).sum() - 1)
        spread.append(np.median(1 / (1 - demand.theta)))
        waits = fitted(**tables, items=items(60, unmet_demand="backorder"))
        plain.append(waits.mean_per_day().sum() / true.sum() - 1)
        assert "at least what was sold" in demand.notes[-1]
        assert not any("at least" in x for x in waits.notes)  # nothing is corrected where demand waits
    assert abs(np.mean(bias)) < 0.015
    assert np.mean(plain) < -0.5 * share  # what the correction is for
    assert np.mean(spread) == pytest.approx(2.0, rel=0.12)


def test_what_waits_in_a_mixture_is_not_made_up_again():
    rng = np.random.default_rng(5)
    true = rng.uniform(0.5, 4, 80)
    demand, sold, left = weekly_stock(rng, true, 2.0, 364, 1.0)
    recorded = sold + rng.binomial(demand - sold, 0.6)
    mixed = items(80, unmet_demand="mixed", backorder_share=0.6)
    tables = {"order_lines": ordered(recorded), "stock": counted(left)}
    found = fitted(**tables, items=mixed).mean_per_day().sum() / true.sum() - 1
    uncorrected = fitted(**tables, items=items(80, unmet_demand="backorder")).mean_per_day().sum() / true.sum() - 1
    assert uncorrected < -0.05
    assert abs(found) < 0.03


def test_items_whose_demand_waits_are_left_alone_beside_others():
    rng = np.random.default_rng(6)
    true = rng.uniform(0.5, 3, 40)
    _, sold, left = weekly_stock(rng, true, 2.0, 300, 1.0)
    kind = np.where(np.arange(40) < 20, "lost", "backorder")
    tables = {"order_lines": ordered(sold), "stock": counted(left)}
    both = fitted(**tables, items=items(40, unmet_demand=kind)).mean_per_day()
    none = fitted(**tables, items=items(40, unmet_demand="backorder")).mean_per_day()
    assert (both[:20] > 1.05 * none[:20]).mean() > 0.9
    assert both[20:] == pytest.approx(none[20:], rel=0.02)  # only the pooled shapes move


def test_in_stock_flags_count_where_quantities_are_missing():
    rng = np.random.default_rng(7)
    true = rng.uniform(0.5, 3, 40)
    _, sold, left = weekly_stock(rng, true, 2.0, 300, 1.0)
    stock = counted(left)
    flags = stock.assign(in_stock=stock.on_hand > 0, on_hand=np.nan)
    lost = items(40, unmet_demand="lost")
    by_flag = fitted(order_lines=ordered(sold), stock=flags, items=lost).mean_per_day()
    by_qty = fitted(order_lines=ordered(sold), stock=stock, items=lost).mean_per_day()
    assert by_flag == pytest.approx(by_qty, rel=1e-9)


def test_quantities_stay_whole_or_in_the_smallest_step_seen():
    rng = np.random.default_rng(9)
    history = counts(rng, np.full(3, 2.0), 2.0, 200).astype(float)
    history[1] *= 0.25
    history[2] *= 500.0
    demand = fitted(order_lines=ordered(history))
    assert demand.unit.tolist() == [1.0, 0.01, 10.0]
    assert "demand: 2 items at locations are counted in steps of 0.01, 10, not of 1" in demand.notes
    table = demand.output()
    quantiles = table.filter(regex=r"^p\d+").set_index(table.item_id)
    for item, unit in zip(["i000", "i001", "i002"], demand.unit, strict=True):
        steps = quantiles.loc[item].to_numpy() / unit
        assert steps == pytest.approx(np.round(steps), abs=1e-6)
        assert (steps >= 0).all()
    by_item = table.groupby("item_id")["mean"].mean() / 7
    assert by_item.to_numpy() == pytest.approx([2.0, 0.5, 1000.0], rel=0.15)
    assert (np.diff(quantiles.to_numpy(), axis=1) >= 0).all()


def test_the_end_and_the_beginning_of_an_item():
    rng = np.random.default_rng(10)
    ends = [pd.NaT, DAY + pd.Timedelta(days=10), DAY + pd.Timedelta(days=1), DAY, DAY - pd.Timedelta(days=60)]
    starts = [DAY + pd.Timedelta(days=5), *[pd.NaT] * 4]
    history = counts(rng, np.full(5, 3.0), 1.5, 200)
    history[0] = 0
    stock = pd.DataFrame({"item_id": items(5).item_id, "date": DAY, "on_hand": 1.0})
    known = items(5, discontinued_date=ends, introduced_date=starts)
    config = {"demand": {"period_days": 1, "weekday_shape": False}}
    demand = fitted(order_lines=ordered(history), stock=stock, items=known, config=config)
    mean = demand.index.assign(mean=demand.mean()).pivot_table("mean", "date", "item_id")
    sold = mean > 0
    first, last = sold.idxmax(), sold[::-1].idxmax()
    assert first["i000"] == starts[0]
    assert last["i000"] == DAY + pd.Timedelta(days=180)
    assert last["i001"] == ends[1] - pd.Timedelta(days=1)  # nothing from its last date on
    assert not sold[["i002", "i003", "i004"]].any().any()
    assert demand.total(180).quantile([0.99])["p99"].tolist()[2:] == [0, 0, 0]
    assert demand.total(50, first=11).mean()[1] == 0


@pytest.mark.parametrize(("first", "days"), [(1, 7), (3, 1), (1, 45)])
def test_sums_over_days_have_the_frequencies_of_simulated_days(first, days):
    """Days drawn as the queue simulation draws them: a stratum of the level, then one day after another."""
    rng = np.random.default_rng(11)
    history = counts(rng, np.array([0.2, 1.0, 6.0]), 2.5, 90)
    demand, n = fitted(order_lines=ordered(history)), 60_000
    draws = np.zeros((3, n))
    stratum, apart = rng.choice(len(SHARES), (2, 3, n), p=SHARES), rng.random((3, n)) < demand.apart[:, None]
    level = np.take_along_axis(demand.levels, stratum[0], axis=1)
    chance = np.take_along_axis(demand.chance, stratum[1], axis=1)
    for day in range(first, first + days):
        factor = demand.factors[demand.profile, day] * demand.weekday[:, (DAY + pd.Timedelta(days=day)).day_of_week]
        size = np.maximum((demand.size * factor)[:, None] * level, 1e-9)
        smooth = rng.negative_binomial(size, (1 - demand.theta)[:, None])
        seldom = np.zeros((3, n))
        for i in np.flatnonzero(demand.apart):
            mine = slice(demand.size_start[i], demand.size_start[i + 1])
            at = np.searchsorted(demand.size_cum[mine], rng.random(n))
            seldom[i] = (rng.random(n) < chance[i] * factor[i]) * demand.size_value[mine][at]
        draws += np.where(apart, seldom, smooth)
    law = demand.total(days, first=first)
    assert draws.mean(axis=1) == pytest.approx(law.mean(), rel=0.03)
    assert draws.var(axis=1) == pytest.approx(law.variance(), rel=0.08)
    for x in (0, 2, 10, 40):
        assert (draws <= x).mean(axis=1) == pytest.approx(law.cdf(x), abs=0.01)


def test_periods_add_up_to_the_horizon():
    rng = np.random.default_rng(12)
    demand = fitted(order_lines=ordered(counts(rng, np.full(2, 2.0), 2.0, 100)),
                    config={"simulation": {"horizon_days": 30}})  # fmt: skip
    assert demand.index.days.tolist() == [7, 7, 7, 7, 2] * 2
    assert demand.index.date.iloc[4] == DAY + pd.Timedelta(days=29)
    assert demand.mean().reshape(2, 5).sum(axis=1) == pytest.approx(demand.total(30).mean())
    table = demand.output()
    assert table.columns[:5].tolist() == ["item_id", "location_id", "date", "days", "mean"]


def test_demand_counts_on_its_wanted_day_with_cancellations_left_in():
    plain = ordered(np.ones((1, 100)))
    dates = plain.ordered_at.where(np.arange(100) < 70, DAY + pd.Timedelta(days=30))  # the last thirty: later
    lines = plain.assign(requested_date=dates)
    gone = pd.DataFrame({"line_id": lines.line_id, "cancelled_at": DAY, "qty": 1.0})
    known = fitted(order_lines=lines, cancellations=gone).mean_per_day()
    assert known == pytest.approx(fitted(order_lines=plain[:70]).mean_per_day())
    at_once = fitted(order_lines=lines, config={"data": {"requested_date_is": "wish"}}).mean_per_day()
    assert at_once == pytest.approx(fitted(order_lines=plain).mean_per_day())
    assert at_once[0] == pytest.approx(1.0, rel=0.05)


def test_classes_share_the_demand_where_priority_rules():
    rng = np.random.default_rng(13)
    lines = ordered(counts(rng, np.full(20, 2.0), 2.0, 200))
    lines["priority"] = rng.choice([0, 5], len(lines), p=[0.25, 0.75])
    by_class = fitted(order_lines=lines, config={"queue": {"rule": "priority"}})
    assert by_class.classes.tolist() == [0, 5]
    assert by_class.class_share.mean(axis=0) == pytest.approx([0.25, 0.75], abs=0.03)
    assert by_class.class_share.sum(axis=1) == pytest.approx(np.ones(20))
    assert fitted(order_lines=lines, config={"queue": {"rule": "first_come"}}).classes.tolist() == [0]


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(14)
    _, sold, left = weekly_stock(rng, rng.uniform(0.5, 3, 12), 2.0, 200, 1.0)
    lines, stock, kind = ordered(sold), counted(left), items(12, unmet_demand="lost")
    one = fitted(order_lines=lines, stock=stock, items=kind)
    two = fitted(order_lines=lines.sample(frac=1, random_state=1), stock=stock.sample(frac=1, random_state=2),
                 items=kind[::-1])  # fmt: skip
    same = ("size", "theta", "unit", "weekday", "levels", "apart", "factors", "start_day", "end_day", "class_share")
    for name in same:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    pd.testing.assert_frame_equal(one.output(), two.output())


def test_no_orders_at_all():
    stock = pd.DataFrame({"item_id": ["a"], "date": [DAY], "on_hand": [3.0]})
    demand = fitted(stock=stock, order_lines=ordered(np.zeros((1, 5))))
    assert 0 < demand.mean_per_day()[0] < 0.2
    assert demand.output()["p50"].tolist() == [0] * len(demand.output())
