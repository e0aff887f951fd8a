"""Replay of demand alone: scores by hand, classes, baselines, censoring, nothing of later days in what was said."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import backorder_forecast as bf
from backorder_forecast.backtest import files, summary
from backorder_forecast.evaluate import Replay, calibration
from backorder_forecast.evaluate.classes import demand_classes
from backorder_forecast.evaluate.demand import LEVELS, _transform, scales, score, stood_empty
from backorder_forecast.evaluate.scores import quantile_loss
from backorder_forecast.law import Law
from backorder_forecast.methods.baselines import BASELINES, historical, naive, seasonal_naive
from backorder_forecast.methods.history import History

DAY = pd.Timestamp("2026-03-31")  # a Tuesday
WINDOW = 14
QUICK = {"demand": {"lead_days": WINDOW}, "simulation": {"horizon_days": 30}}


def ordered(history, last=DAY, first="i"):
    """Order lines of items from a matrix [items × days] of units that ends on `last`."""
    item, at = np.nonzero(history)
    dates = last - pd.to_timedelta(history.shape[1] - 1 - at, unit="D")
    ids = [f"{first}{k}-{d}" for k, d in zip(item, at, strict=True)]
    return pd.DataFrame({"order_id": ids, "line_id": ids, "item_id": [f"{first}{k:03d}" for k in item],
                         "ordered_at": dates, "qty": history[item, at].astype(float)})  # fmt: skip


def data_of(config=None, **tables):
    return bf.Dataset.of(tables, bf.Config(**(QUICK | (config or {}))))


def history_of(matrix):
    """A history from a matrix [items × periods], the last period last."""
    item, at = np.nonzero(matrix)
    n, periods = matrix.shape
    return History(item, periods - 1 - at, matrix[item, at].astype(float), np.full(n, periods))


def days_before(*days):
    return [DAY - pd.Timedelta(days=x) for x in days]


# ------------------------------------------------------------------------------------------------ by hand


def test_the_quantile_loss_by_hand():
    came, said = np.array([10.0, 3.0]), np.array([[8.0, 14.0], [3.0, 3.0]])
    # at .5: 2·.5 = 1; at .9: 4·.1 = .4; twice their mean
    assert quantile_loss(came, said, [0.5, 0.9]).tolist() == [pytest.approx(1.4), 0.0]
    # many levels: the continuous ranked probability score, here of a uniform law on 0…100 at 30
    levels = (np.arange(1000) + 0.5) / 1000
    crps = (30**3 + 70**3) / 3 / 100**2
    assert quantile_loss(np.array([30.0]), 100 * levels[None, :], levels)[0] == pytest.approx(crps, rel=1e-4)


def test_baselines_by_hand():
    two = np.array([[1, 0, 2, 0, 5, 3, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0]])
    history = history_of(two)
    assert naive(history, 3, 7, [0.5, 0.9]).tolist() == [[4, 4], [0, 0]]
    # the three days that began seven days before the next one: 0 2 0
    assert seasonal_naive(history, 3, 7, [0.5]).tolist() == [[2], [0]]
    assert seasonal_naive(history, 3, 9, [0.5]).tolist() == [[4], [0]]  # no such season yet
    # sums of two days: 1 2 2 5 8 3 1
    assert historical(history, 2, 7, [2 / 7, 0.5, 0.9])[0].tolist() == [1, 2, 8]
    assert historical(history, 2, 7, [0.5])[1].tolist() == [0]


def test_a_history_shorter_than_the_window_is_stretched():
    short = History(np.array([0]), np.array([1]), np.array([3.0]), np.array([4, 0]))
    for method in BASELINES.values():
        assert method(short, 8, 364, [0.5, 0.99]).tolist() == [[6, 6], [0, 0]]


def test_past_windows_are_all_windows_of_an_item_of_its_own_length():
    rng = np.random.default_rng(3)
    matrix = rng.poisson(0.4, (700, 90)) * 0.1
    history = history_of(matrix)
    length = rng.integers(20, 91, 700)
    length = np.maximum(length, 90 - np.argmax(matrix > 0, axis=1))  # events lie within
    history = History(history.item, history.age, history.qty, length)
    found = historical(history, 14, 364, LEVELS)
    for i in (0, 511, 512, 699):
        own = matrix[i, 90 - length[i] :]
        sums = np.sort(np.round([own[k : k + 14].sum() for k in range(len(own) - 13)], 9))
        assert found[i].tolist() == [sums[int(np.ceil(q * len(sums) - 1e-9)) - 1] for q in LEVELS]


def weekly(*weeks):
    """A history of one item with so many units on the last day of each week, the last week last."""
    days = np.zeros((1, 7 * len(weeks)))
    days[0, 6::7] = weeks
    return history_of(days)


@pytest.mark.parametrize(("weeks", "named"), [
    ([5, 5, 5, 5], "smooth"),
    ([1, 1, 1, 1, 0], "smooth"),  # ADI 1.25
    ([1, 1, 1, 0, 1, 0], "intermittent"),  # 1.5
    ([2, 2, 2, 0, 2, 2, 2, 0], "intermittent"),  # 1.333, just above 1.32
    ([17, 3, 17, 3], "smooth"),  # CV² = 7² / 10² = .49 exactly
    ([18, 2, 18, 2], "erratic"),  # .64
    ([18, 2, 18, 2, 0, 0], "lumpy"),
    ([5, 0, 5, 5], "short"),
    ([0, 0, 0, 0], "no demand"),
])  # fmt: skip
def test_classes_at_their_borders(weeks, named):
    assert demand_classes(weekly(*weeks)).tolist() == [named]


def test_classes_take_weeks_as_wholes():
    # eight days of one unit are one week of seven; the eighth day is older than the last whole week
    days = np.ones((1, 8))
    assert demand_classes(history_of(days)).tolist() == ["short"]
    daily = history_of(np.ones((1, 28)))
    assert demand_classes(daily).tolist() == ["smooth"]
    both = History(np.array([0, 1]), np.array([0, 0]), np.ones(2), np.array([3, 0]))
    assert demand_classes(both).tolist() == ["short", "short"]


def test_scales_by_hand():
    three = np.array([[9, 2, 2, 4, 4, 3, 4], [1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 8]])
    history = history_of(three)
    # windows of two days back from the last: 4 8 7: steps 4 and 1; constant; none; 0 0 8: steps 0 and 8
    median = np.median([8, 2, 16 / 7])
    assert scales(history, 2) == pytest.approx([2.5, median, median, 4.0])
    # two windows of three days are too few
    assert scales(history, 3) == pytest.approx(np.full(4, np.median([12, 3, 24 / 7])))
    assert scales(history_of(np.zeros((2, 9))), 2).tolist() == [1, 1]


def cases():
    frame = pd.DataFrame({
        "item_id": list("aabbc"), "location_id": "main", "as_of": DAY,
        "demand_class": ["smooth", "smooth", "lumpy", "lumpy", "lumpy"],
        "censored": [False, False, False, False, True], "came_qty": [4.0, 6.0, 0.0, 10.0, 3.0],
        "mean": [5.0, 5.0, 2.0, 10.0, 9.0], "u": [0.05, 0.5, 0.92, 0.96, 0.999], "loss": [1.0, 2.0, 3.0, 2.0, np.nan],
    })  # fmt: skip
    for name, other in zip(BASELINES, ([2, 4, 3, 7], [1, 2, 3, 2], [0, 0, 0, 0]), strict=True):
        frame[f"loss_{name}"] = [*map(float, other), np.nan]
    return frame


def test_the_scorecard_by_hand():
    card = score(cases()).set_index(["metric", "segment"])
    value, error, n = card["value"], card["standard_error"], card["n"]
    assert (value["quantile_loss", "all"], n["quantile_loss", "all"]) == (2.0, 4)
    assert value["quantile_loss", "lumpy"] == 2.5
    assert card.loc[("quantile_loss", "all"), ["baseline", "baseline_value"]].tolist() == ["historical", 4.0]
    # saved 1 2 0 5: mean 2; by item −1 + 0 = −1 and −2 + 3 = 1
    assert value["quantile_loss_saved_historical", "all"] == 2.0
    assert error["quantile_loss_saved_historical", "all"] == pytest.approx(np.sqrt(2) / 4)
    # the same as ours in every case: nothing saved, and no doubt about it
    equal = card.loc[("quantile_loss_saved_seasonal_naive", "all")]
    assert (equal["value"], equal["standard_error"], equal["baseline_value"]) == (0.0, 0.0, 2.0)
    assert value["quantile_loss_saved_naive", "smooth"] == -1.5
    # the transform has the censored one too
    assert (value["coverage_p90", "all"], n["coverage_p90", "all"]) == (2 / 5, 5)
    assert [value[f"coverage_p{x}", "all"] for x in (95, 99)] == [3 / 5, 4 / 5]
    assert [value[f"transform_p{x}", "all"] for x in (10, 50)] == [1 / 5, 2 / 5]
    assert value["bias", "all"] == pytest.approx(22 / 20 - 1)
    # residuals mean − 1.1·came: .6 −1.6 | 2 −1; by item −1 and 1, over the sum that came
    assert error["bias", "all"] == pytest.approx(np.sqrt(2) / 20)
    assert set(card.index.get_level_values("segment")) == {"all", "smooth", "lumpy"}
    assert set(card["stage"]) == {"demand"}


def test_where_everything_is_hidden_the_summary_says_what_it_can():
    hidden = cases().assign(censored=True, window_days=14)
    hidden[[x for x in hidden if x.startswith("loss")]] = np.nan
    replayed = Replay(score(hidden), hidden, ["a note"], "demand")
    told = summary(replayed).splitlines()
    assert told[0] == "demand, replayed on 2026-03-31"
    assert next(x for x in told if x.startswith("all")).split() == ["all", "5", "40.0", "60.0", "80.0"]
    assert told[-1] == "a note"
    assert files(replayed).keys() == {"calibration.png", "summary.txt"}


def test_the_calibration_by_hand():
    frame = calibration(pd.DataFrame({"item_id": list("aab"), "u": [0.1, 0.4, 0.8]}), [0.3, 0.5])
    assert frame["share"].tolist() == [1 / 3, 2 / 3]
    # below less level, by item: at .3 (1 − .3) + (0 − .3) and −.3; at .5 1 and −.5
    assert frame["standard_error"].tolist() == pytest.approx([np.hypot(0.4, 0.3) / 3, np.hypot(1, 0.5) / 3])
    assert (frame["n"] == 3).all()


# ---------------------------------------------------------------------------------- what is judged, and when


def plain(n=6, days=120, rng=None):
    rng = rng or np.random.default_rng(1)
    return rng.poisson(np.linspace(0.1, 2, n)[:, None], (n, days))


def test_what_came_is_what_was_wanted_in_the_window_and_cancelled_units_too():
    lines = ordered(np.tile([1, 0, 0, 0, 0], (1, 12)))  # on days 4, 9, … 59 before the last
    at = DAY - pd.Timedelta(days=20)
    more = pd.DataFrame([  # ordered, wanted, units
        (-5, 1, 100), (-5, 14, 200), (-5, 15, 1000), (3, 3, 10_000), (14, 14, 20_000), (1, 15, 1e6), (0, 0, 1),
    ], columns=["ordered", "wanted", "qty"])  # fmt: skip
    more["line_id"] = more["order_id"] = [f"m{k}" for k in range(len(more))]
    more["ordered_at"] = at + pd.to_timedelta(more["ordered"], unit="D") + pd.Timedelta(hours=15)
    more["requested_date"] = at + pd.to_timedelta(more["wanted"], unit="D")
    gone = pd.DataFrame({"line_id": ["m0", "m3"], "cancelled_at": at + pd.Timedelta(days=4), "qty": 5.0})
    known = pd.concat([lines, more.assign(item_id="i000")[[*lines, "requested_date"]]])
    stock = pd.DataFrame({"item_id": ["never", "i000"], "date": at, "on_hand": 1.0})
    data = data_of(order_lines=known, cancellations=gone, stock=stock)
    replayed = bf.replay(data, [at], stage="demand", before=DAY)
    rows = replayed.lines.set_index("item_id")
    assert rows["came_qty"].to_dict() == {"i000": 100 + 200 + 10_000 + 20_000 + 3, "never": 0}
    assert rows["demand_class"].to_dict() == {"i000": "smooth", "never": "no demand"}
    assert not rows["censored"].any()  # stock says nothing where demand waits
    assert rows["loss"].notna().all()


def test_units_of_items_that_nobody_knew_on_the_day_are_said():
    at = DAY - pd.Timedelta(days=WINDOW)
    late = ordered(np.array([[3, 4]]), first="new")
    replayed = bf.replay(data_of(order_lines=pd.concat([ordered(plain()), late])), [at], stage="demand")
    assert "new000" not in set(replayed.lines["item_id"])
    total = int(plain()[:, -WINDOW:].sum()) + 7
    assert f"7 of {total} units were of items that no table knew on the day: not judged" in replayed.notes


def test_every_item_has_a_row_on_every_day_and_what_it_is_told_by():
    data = data_of(order_lines=ordered(plain()))
    replayed = bf.replay(data, days_before(14, 20, 60), stage="demand")
    assert replayed.stage == "demand"
    assert replayed.lines.groupby("as_of").size().tolist() == [6, 6, 6]
    rows = replayed.lines
    assert (rows[["p50", "p80", "p90", "p95", "p99"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    said = quantile_loss(rows["came_qty"].to_numpy(), rows[["p50", "p80", "p90", "p95", "p99"]].to_numpy(), LEVELS)
    assert (rows["loss"] * rows["scale"]).to_numpy() == pytest.approx(said)
    assert rows["u"].between(0, 1).all()
    assert replayed.notes[0] == "sums over 14 days of 6 items at locations on average, on 3 days"
    assert replayed.seconds == {}


def test_a_window_that_is_not_over_is_left_out_and_said():
    data = data_of(order_lines=ordered(plain()))
    replayed = bf.replay(data, days_before(5, 14, 13), stage="demand")
    assert replayed.lines["as_of"].unique().tolist() == days_before(14)
    assert replayed.notes[0] == "2026-03-18, 2026-03-26: left out, since the 14 days after are not over by 2026-03-31"
    nothing = bf.replay(data, days_before(3), stage="demand")
    assert nothing.lines.empty
    assert len(nothing.scorecard) == 0
    assert nothing.notes[-1] == "no order line was known on the past days that could be replayed"
    # by default the last window is just over, however close the days lie
    usual = bf.replay(data_of({"replay": {"days": 3, "spacing_days": 4}}, order_lines=ordered(plain())), stage="demand")
    assert usual.lines["as_of"].unique().tolist() == days_before(22, 18, 14)
    far = bf.replay(data_of({"replay": {"days": 2, "spacing_days": 30}}, order_lines=ordered(plain())), stage="demand")
    assert far.lines["as_of"].unique().tolist() == days_before(60, 30)


def test_days_of_which_nothing_was_known_are_said():
    replayed = bf.replay(data_of(order_lines=ordered(plain())), ["2020-01-01", *days_before(20)], stage="demand")
    assert replayed.lines["as_of"].unique().tolist() == days_before(20)
    assert replayed.notes[0] == "on 1 of 2 days there was nothing to judge"


@pytest.mark.parametrize(("stage", "told"), [
    ("demands", "there is no stage 'demands' to replay; did you mean 'demand'"),
    ("lead_times", "there is no stage 'lead_times' to replay; did you mean 'lead_time'"),
])  # fmt: skip
def test_a_stage_that_is_none(stage, told):
    with pytest.raises(bf.BackorderForecastError, match=told) as caught:
        bf.replay(data_of(order_lines=ordered(plain())), stage=stage)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("day", ["yesterday", None, pd.NaT, pd.Timestamp("2026-01-01", tz="UTC")])
def test_a_day_that_is_none(day):
    with pytest.raises(bf.BackorderForecastError, match="calendar days") as caught:
        bf.replay(data_of(order_lines=ordered(plain())), [day], stage="demand")
    assert caught.value.exit_code == 2


def test_seconds_are_counted_by_a_clock_that_is_given_and_change_nothing_else():
    ticks = iter(range(1000))
    data = data_of(order_lines=ordered(plain()))
    timed = bf.replay(data, days_before(14, 28), stage="demand", clock=lambda: float(next(ticks)))
    assert timed.seconds == dict.fromkeys(["ours", "history", *BASELINES], 1.0)
    untimed = bf.replay(data, days_before(14, 28), stage="demand")
    pd.testing.assert_frame_equal(timed.scorecard, untimed.scorecard)
    pd.testing.assert_frame_equal(timed.lines, untimed.lines)


def test_neither_the_order_of_rows_nor_of_days_matters_and_the_seed_only_spreads():
    lines = ordered(plain())
    one = bf.replay(data_of(order_lines=lines), days_before(28, 14), stage="demand", seed=4)
    two = bf.replay(data_of(order_lines=lines[::-1]), days_before(14, 28), stage="demand", seed=4)
    pd.testing.assert_frame_equal(one.lines, two.lines)
    other = bf.replay(data_of(order_lines=lines), days_before(28, 14), stage="demand", seed=5)
    assert (one.lines["u"] != other.lines["u"]).mean() > 0.9
    pd.testing.assert_frame_equal(one.lines.drop(columns="u"), other.lines.drop(columns="u"))
    # each item and day has a draw of its own
    stock = pd.DataFrame({"item_id": [f"z{k}" for k in range(30)], "date": DAY - pd.Timedelta(days=40), "on_hand": 0.0})
    both = bf.replay(data_of(order_lines=lines, stock=stock), days_before(28, 14), stage="demand", before=DAY)
    assert both.lines.query("demand_class == 'no demand'")["u"].nunique() == 60


def test_what_happens_after_the_day_changes_nothing_that_was_said():
    rng = np.random.default_rng(2)
    lines, at = ordered(plain(12)), DAY - pd.Timedelta(days=WINDOW)
    said = ["item_id", "history_days", "demand_class", "mean", "p50", "p80", "p90", "p95", "p99", "scale"]
    base = bf.replay(data_of(order_lines=lines), [at], stage="demand").lines
    later = lines["ordered_at"] > at
    edited = lines.assign(qty=lines["qty"].where(~later, rng.integers(1, 50, len(lines)).astype(float)))
    edited = pd.concat([edited.drop(edited.index[later][::3]), ordered(np.array([[7, 9]]), first="x")])
    moved = bf.replay(data_of(order_lines=edited), [at], stage="demand").lines
    pd.testing.assert_frame_equal(moved[said], base[said])
    assert (moved["came_qty"] != base["came_qty"]).mean() > 0.5  # and it was judged by the edits
    # what was not known yet at `before` is not seen
    beyond = pd.concat([lines, ordered(np.full((12, 3), 99), last=DAY + pd.Timedelta(days=3), first="i").assign(
        line_id=lambda x: "b" + x.line_id, order_id=lambda x: x.line_id)])  # fmt: skip
    again = bf.replay(data_of(order_lines=beyond), [at], stage="demand", before=DAY)
    pd.testing.assert_frame_equal(again.lines, base)


# ------------------------------------------------------------------------------------------------ known truth


def test_coverage_is_right_where_demand_goes_on_as_it_was_and_wrong_where_it_changes():
    rng = np.random.default_rng(5)
    mean = np.exp(rng.normal(-0.5, 1.2, 150))
    demand = rng.negative_binomial(mean[:, None] / 1.5, 1 / 2.5, (150, 500))
    config = {"replay": {"days": 6, "spacing_days": WINDOW}}
    replayed = bf.replay(data_of(config, order_lines=ordered(demand)), stage="demand")
    card = replayed.scorecard.set_index(["metric", "segment"])
    for metric, level in [("transform_p10", 0.1), ("transform_p50", 0.5), ("coverage_p90", 0.9),
                          ("coverage_p95", 0.95), ("coverage_p99", 0.99)]:  # fmt: skip
        apart = card["value"][metric, "all"] - level
        assert abs(apart) < 3.5 * np.sqrt(level * (1 - level) / len(replayed.lines)), metric
    assert abs(card["value"]["bias", "all"]) < 4 * card["standard_error"]["bias", "all"] < 0.1
    for name in BASELINES:  # where nothing changes, quantiles of a long past are hard to beat; one past sum is not
        saved = card.loc[(f"quantile_loss_saved_{name}", "all")]
        assert saved["value"] > (-2 if name == "historical" else 8) * saved["standard_error"], name
    frame = replayed.calibration()
    assert frame["share"].between(frame["low"], frame["high"]).mean() > 0.8
    demand[:, -WINDOW:] *= 2
    doubled = bf.replay(data_of(order_lines=ordered(demand)), days_before(WINDOW), stage="demand").scorecard
    card = doubled.set_index(["metric", "segment"])["value"]
    assert card["coverage_p90", "all"] < 0.75
    assert card["bias", "all"] == pytest.approx(-0.5, abs=0.05)


def test_under_the_true_law_the_transform_is_uniform_though_much_is_only_known_from_below():
    rng = np.random.default_rng(6)
    n = 5000
    mean = rng.uniform(0.5, 12, n)
    table = stats.poisson.cdf(np.arange(60), mean[:, None])
    index = pd.DataFrame({"item_id": [f"i{k}" for k in range(n)], "location_id": "main"})
    came, stock = rng.poisson(mean), rng.poisson(mean) + 1
    rows = index.assign(as_of=DAY, came_qty=np.minimum(came, stock).astype(float), censored=came >= stock)
    assert 0.2 < rows["censored"].mean() < 0.5
    u = _transform(Law(index, table), rows, seed=1)
    assert stats.kstest(u, "uniform").pvalue > 0.001
    blind = _transform(Law(index, table), rows.assign(censored=False), seed=1)
    assert (blind <= 0.5).mean() > 0.6


def test_sums_of_lost_demand_without_stock_are_known_from_below():
    at = DAY - pd.Timedelta(days=WINDOW)
    lines = ordered(np.tile(plain(1), (4, 1)))
    dates = [at - pd.Timedelta(days=60), at + pd.Timedelta(days=6), at + pd.Timedelta(days=7)]
    level = {"i000": [9e3, 0, 9e3], "i001": [9e3, 9e3, 9e3], "i002": [9e3, 0, 9e3], "i003": [9e3, 0, 9e3]}
    stock = pd.DataFrame([(x, d, v) for x, own in level.items() for d, v in zip(dates, own, strict=True)],
                         columns=["item_id", "date", "on_hand"])  # fmt: skip
    kinds = pd.DataFrame({"item_id": list(level), "unmet_demand": ["lost", "lost", "backorder", "mixed"],
                          "backorder_share": [np.nan, np.nan, np.nan, 0.4]})  # fmt: skip
    replayed = bf.replay(data_of(order_lines=lines, stock=stock, items=kinds), [at], stage="demand", before=DAY)
    rows = replayed.lines.set_index("item_id")
    assert rows["censored"].to_dict() == {"i000": True, "i001": False, "i002": False, "i003": True}
    assert rows["loss"].isna().tolist() == rows["censored"].tolist()
    assert rows["loss_naive"].isna().tolist() == rows["censored"].tolist()
    n = replayed.scorecard.set_index(["metric", "segment"])["n"]
    assert (n["quantile_loss", "all"], n["bias", "all"], n["coverage_p90", "all"]) == (2, 2, 4)
    told = "2 of 4 sums ended a day without stock and count as 'at least so many': in the transform, in no loss"
    assert [x for x in replayed.notes if x.startswith(told)]


def test_stock_of_days_beyond_the_window_hides_nothing():
    at = DAY - pd.Timedelta(days=WINDOW)
    dates = [at, at + pd.Timedelta(days=1), at + pd.Timedelta(days=WINDOW + 1)]
    rows = [("last", dates[0], 0), ("last", dates[1], 5), ("next", dates[0], 5), ("next", dates[2], 0)]
    stock = pd.DataFrame(rows, columns=["item_id", "date", "on_hand"])
    kinds = pd.DataFrame({"item_id": ["last", "next"], "unmet_demand": "lost"})
    then = data_of(stock=stock, items=kinds).as_of(DAY + pd.Timedelta(days=9))
    skus = pd.DataFrame({"item_id": ["next", "gone", "last"], "location_id": "main"})
    assert stood_empty(then, skus, at, WINDOW).tolist() == [False, False, False]
    assert stood_empty(then, skus, at, WINDOW + 1).tolist() == [True, False, False]
    assert stood_empty(then, skus, at - pd.Timedelta(days=1), WINDOW).tolist() == [False, False, True]
