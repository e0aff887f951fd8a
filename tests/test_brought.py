# ruff: noqa: E501 - tables of broken inputs read better with long rows
"""Forecasts of other libraries: names of quantiles, laws through them, sample paths, sums, moments, what is refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import backorder_forecast as bf
from backorder_forecast.brought import by_moments
from backorder_forecast.errors import UsageError
from backorder_forecast.law import Law
from backorder_forecast.methods.laws import Span
from backorder_forecast.methods.smoothing import SHARES

DAYS = pd.date_range("2026-04-01", periods=4)


def keys(items=("a", "b"), days=DAYS):
    return pd.DataFrame({"unique_id": np.repeat(list(items), len(days)), "ds": np.tile(days, len(items))})


def frame(items=("a", "b"), days=DAYS, **columns):
    return keys(items, days).assign(**columns)


PLAIN = frame(p05=0.0, p50=[2, 3, 4, 5, 20, 30, 40, 50], p95=[5, 6, 7, 8, 60, 70, 80, 90])


def brought(rows, **more):
    return bf.Forecast.from_quantiles(rows, **more)


# names of columns


def test_quantiles_come_back_as_they_were_given():
    forecast = brought(PLAIN)
    assert forecast.quantile([0.05, 0.5, 0.95])[PLAIN.columns].equals(PLAIN.astype({"p50": float, "p95": float}))
    assert (forecast.horizon, forecast.starts.tolist()) == (4, DAYS.tolist())
    assert forecast.items.unique_id.tolist() == ["a", "b"]


def test_levels_are_named_in_several_ways():
    plain = PLAIN[["p05", "p50", "p95"]].to_numpy(float)
    for names in (["p5", "p50", "p95"], ["0.05", "0.5", "0.95"], [0.05, 0.5, 0.95], ["M-lo-90", "M", "M-hi-90"],
                  ["M-lo-90.0", "M-median", "M-hi-90.0"], ["p05", "p50_0", "p95"]):  # fmt: skip
        named = pd.concat([keys(), pd.DataFrame(plain, columns=names)], axis=1)
        named["cutoff"], named["y"] = DAYS[0], 7.0  # columns that say nothing of quantiles
        assert brought(named).quantile_array([0.05, 0.5, 0.95]).tolist() == plain.tolist(), names
    assert brought(frame(p97_5=8.0, p50=3.0)).quantile_array([0.975])[0, 0] == 8
    ends = frame(
        **{"M-lo-100": 0.0, "M-hi-100": 9.0, "M-lo-80": 1.0, "M": 2.0, "M-hi-80": 6.0, "p0": 0.0, "p100": 99.0}
    )
    assert brought(ends).quantile_array([0.1, 0.5, 0.9])[0].tolist() == [1, 2, 6]  # levels 0 and 1 are none


def test_one_of_several_models_is_named():
    both = frame(
        **{"ETS": 2.0, "ETS-lo-80": 1.0, "ETS-hi-80": 4.0, "My-Net": 5.0, "My-Net-lo-80": 3.0, "My-Net-hi-80": 9.0}
    )
    assert brought(both, model="ETS").quantile_array([0.5]).max() == 2
    assert brought(both, model="My-Net").quantile_array([0.1, 0.5, 0.9])[0].tolist() == [3, 5, 9]
    for model in (None, "Other"):
        with pytest.raises(bf.InputError, match=r"one model with quantiles; found: (ETS, My-Net|none).*model=…"):
            brought(both, model=model)
    with pytest.raises(bf.InputError, match="found: one without a name, ETS"):
        brought(
            both[["unique_id", "ds", "ETS-lo-80", "ETS-hi-80"]].assign(p50=2.0)[["unique_id", "ds", "p50", "ETS-lo-80"]]
        )


def test_frames_of_other_libraries_and_any_order_of_rows():
    expected = brought(PLAIN)
    for rows in (PLAIN.sample(frac=1.0, random_state=1), pa.Table.from_pandas(PLAIN), PLAIN.to_dict("list"),
                 PLAIN.assign(ds=PLAIN.ds.astype(str)), PLAIN.assign(ds=PLAIN.ds.dt.tz_localize("UTC"))):  # fmt: skip
        found = brought(rows)
        assert found.index.equals(expected.index)
        assert np.array_equal(found.cumulative(), expected.cumulative())


# laws through quantiles


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.02, 0.98), st.floats(0, 300).map(lambda x: round(x, 3))), min_size=1, max_size=7, unique_by=lambda x: round(x[0], 2)),
    st.sampled_from([1.0, 0.1, 5.0]),
)  # fmt: skip
def test_quantiles_return_rounded_up_to_whole_steps(pairs, unit):
    levels = sorted({round(x, 2) for x, _ in pairs})
    values = np.sort([y for _, y in pairs])[: len(levels)]
    rows = frame(("a",), DAYS[:1], **{str(x): y for x, y in zip(levels, values, strict=True)})
    forecast = brought(rows, unit=unit)
    found = forecast.quantile_array(levels)[0]
    assert found == pytest.approx(np.ceil(np.round(values / unit, 9)) * unit)
    table = forecast.cumulative()[0]
    assert (np.diff(table) >= -1e-15).all()
    assert table[-1] > 1 - 1e-7 or len(table) == 1 << 20  # of levels that lie so near that the tail has no end
    assert not np.isnan(forecast.quantile_array([1e-6, 0.99])).any()


def test_probability_rises_straight_and_falls_off_beyond():
    forecast = brought(frame(("a",), DAYS[:1], p50=10.0, p90=20.0))
    table = forecast.cumulative()[0]
    assert table[10] == pytest.approx(0.5)
    assert table[15] == pytest.approx(0.7)
    assert table[20] == pytest.approx(0.9)
    assert table[4] == pytest.approx(0.5 * 5 / 11)  # from below zero: zero has a share
    # what is above falls to a fifth in ten more, as it did from the median to the p90
    assert 1 - table[[30, 40]] == pytest.approx([0.1 / 5, 0.1 / 25])


def test_steep_and_shallow_tails_lie_within_the_table():
    for columns in ({"p50": 100.0}, {"p94": 90.0, "p95": 100.0}, {"p50": 0.0, "p99": 0.0}, {"p10": 7.0, "p20": 7.0}):
        forecast = brought(frame(("a",), DAYS[:1], **columns))
        assert not np.isnan(forecast.quantile_array([0.9999])).any()
        assert forecast.mean()[0] >= 0


def test_levels_may_share_a_value():
    forecast = brought(frame(("a",), DAYS[:1], p10=0.0, p50=6.0, p75=6.0, p90=9.0, p99=9.0))
    assert forecast.quantile_array([0.1, 0.3, 0.5, 0.75, 0.9, 0.99])[0].tolist() == [0, 3, 6, 6, 9, 9]
    assert forecast.cumulative()[0, [5, 6, 9]] == pytest.approx([0.1 + 0.4 * 5 / 6, 0.75, 0.99])
    zero = brought(frame(("a",), DAYS[:1], p10=0.0, p50=0.0, p90=2.0))
    assert zero.cumulative()[0, 0] == pytest.approx(0.5)


def test_quantiles_that_cross_or_are_negative_are_mended():
    forecast = brought(frame(("a",), DAYS[:1], p10=-3.0, p50=6.0, p90=4.0))
    assert forecast.quantile_array([0.1, 0.5, 0.9])[0].tolist() == [0, 6, 6]


def test_many_quantiles_give_the_law_back():
    law, levels = stats.nbinom(4, 0.2), np.arange(1, 100) / 100
    rows = frame(("a",), DAYS[:1], **{f"p{100 * x:02.0f}": law.ppf(x) for x in levels})
    forecast = brought(rows)
    assert forecast.mean()[0] == pytest.approx(law.mean(), rel=0.02)  # a hundredth of the range, at most, too high
    assert np.sqrt(forecast.variance()[0]) == pytest.approx(law.std(), rel=0.02)
    x = np.arange(60)
    assert forecast.cumulative()[0, :60] == pytest.approx(law.cdf(x), abs=0.03)


# sums of quantile forecasts


def pmf(forecast, row):
    return np.diff(forecast.take(np.array([row])).cumulative()[0], prepend=0.0)


def test_sums_take_periods_as_independent():
    forecast = brought(PLAIN)
    for first, periods in ((1, 4), (2, 2), (4, 1)):
        total = forecast.total(periods, first=first)
        for item in range(2):
            expected = np.ones(1)
            for period in range(first - 1, first - 1 + periods):
                expected = np.convolve(expected, pmf(forecast, 4 * item + period))
            found = np.diff(total.cumulative()[item], prepend=0.0)
            width = min(len(found), len(expected))
            assert found[:width] == pytest.approx(expected[:width], abs=1e-8)
        shape = forecast.mean().reshape(2, 4)[:, first - 1 : first - 1 + periods]
        assert total.mean() == pytest.approx(shape.sum(axis=1), rel=1e-5)
        variance = forecast.variance().reshape(2, 4)[:, first - 1 : first - 1 + periods]
        assert total.variance() == pytest.approx(variance.sum(axis=1), rel=1e-4)


def test_quantile_forecasts_over_lead_times():
    forecast = brought(PLAIN)
    mean = forecast.mean().reshape(2, 4)
    assert bf.lead_time_demand(forecast, 0).quantile_array([0.999]).tolist() == [[0], [0]]
    assert bf.lead_time_demand(forecast, 3).mean() == pytest.approx(forecast.total(3).mean())
    # part of a period: its demand with that chance; beyond the horizon its mean goes on
    assert bf.lead_time_demand(forecast, [1.5, 2.25]).mean() == pytest.approx(
        [mean[0, 0] + mean[0, 1] / 2, mean[1, :2].sum() + mean[1, 2] / 4], rel=1e-6
    )
    assert bf.lead_time_demand(forecast, 10).mean() == pytest.approx(2.5 * mean.sum(axis=1), rel=1e-5)
    table = np.array([[0.0, 0.5, 0.75, 1.0]])
    random = bf.lead_time_demand(forecast, Law(pd.DataFrame({"x": [0]}), table, start=0))
    parts = [bf.lead_time_demand(forecast, x).cdf(9) for x in (1, 2, 3)]
    assert random.cdf(9) == pytest.approx(0.5 * parts[0] + 0.25 * parts[1] + 0.25 * parts[2], abs=1e-8)


def test_long_sums_are_counted_in_coarser_steps_and_keep_their_means():
    days = pd.date_range("2026-01-01", periods=365)
    forecast = brought(frame(("a", "b"), days, p50=np.repeat([900.0, 2.0], 365), p90=np.repeat([2000.0, 5.0], 365)))
    total = forecast.total(365)
    assert total.width < 40_000
    assert total.steps()[0] > 1
    assert total.steps()[1] == 1
    assert total.mean() == pytest.approx(forecast.mean().reshape(2, 365).sum(axis=1), rel=1e-6)
    assert total.variance() == pytest.approx(forecast.variance().reshape(2, 365).sum(axis=1), rel=1e-3)
    sd = np.sqrt(total.variance())
    assert total.quantile_array([0.5, 0.95]) == pytest.approx(
        total.mean()[:, None] + sd[:, None] * [0.0, 1.645], rel=0.02
    )  # many periods: nearly normal
    # nothing wraps around to small values, however wide one period is
    assert (total.cdf(total.mean() - 9 * sd) < 1e-6).all()


# sample paths


def paths(rng, shape=(2, 4, 4000)):
    """Paths whose periods hang together: a level each."""
    return rng.poisson(np.array([2.0, 30.0])[:, None, None] * rng.gamma(2.0, 0.5, (2, 1, shape[2])), shape)


def test_samples_give_their_own_frequencies():
    drawn = paths(np.random.default_rng(1))
    forecast = bf.Forecast.from_samples(drawn, keys())
    flat = drawn.reshape(8, -1)
    assert forecast.mean() == pytest.approx(flat.mean(axis=1))
    assert forecast.variance() == pytest.approx(flat.var(axis=1))
    assert forecast.cdf(3) == pytest.approx((flat <= 3).mean(axis=1))
    expected = np.quantile(flat, [0.1, 0.5, 0.95], axis=1, method="inverted_cdf").T
    assert forecast.quantile_array([0.1, 0.5, 0.95]).tolist() == expected.tolist()
    assert forecast.quantile([0.5]).columns.tolist() == ["unique_id", "ds", "p50"]
    some = forecast.take(np.array([5, 0]))
    assert some.mean() == pytest.approx(flat.mean(axis=1)[[5, 0]])
    assert some.index.equals(keys().iloc[[5, 0]].reset_index(drop=True))


def test_sums_of_samples_are_those_of_the_paths():
    drawn = paths(np.random.default_rng(2))
    forecast = bf.Forecast.from_samples(drawn, keys())
    total = forecast.total(3, first=2)
    sums = drawn[:, 1:].sum(axis=1)
    assert total.mean() == pytest.approx(sums.mean(axis=1))
    assert total.variance() == pytest.approx(sums.var(axis=1))
    assert total.variance()[1] > 2 * drawn[1, 1:].var(axis=1).sum()  # periods hang together
    assert total.cdf([4, 80]) == pytest.approx([(sums[0] <= 4).mean(), (sums[1] <= 80).mean()])
    assert total.take(np.array([1])).mean() == pytest.approx(total.mean()[1:])
    lead = Law(pd.DataFrame({"x": [0]}), np.array([[0.3, 0.3, 1.0]]), start=1)
    found = bf.lead_time_demand(forecast, lead)
    expected = 0.3 * (drawn[:, 0] <= 5).mean(axis=1) + 0.7 * (drawn[:, :3].sum(axis=1) <= 5).mean(axis=1)
    assert found.cdf(5) == pytest.approx(expected)


def test_samples_over_parts_of_periods_and_beyond_the_horizon():
    drawn = paths(np.random.default_rng(3)) * 10.0
    forecast = bf.Forecast.from_samples(drawn, keys())
    half = drawn[:, 0] + drawn[:, 1] / 2
    assert bf.lead_time_demand(forecast, 1.5).mean() == pytest.approx(half.mean(axis=1))
    beyond = drawn.sum(axis=1) * 2.5  # each path's mean goes on
    assert bf.lead_time_demand(forecast, 10).mean() == pytest.approx(beyond.mean(axis=1))
    assert bf.lead_time_demand(forecast, 10).variance() == pytest.approx(beyond.var(axis=1), rel=1e-3)


def test_samples_are_counted_in_their_unit():
    drawn = paths(np.random.default_rng(4)) * 0.25
    forecast = bf.Forecast.from_samples(drawn, keys(), unit=0.25)
    assert forecast.mean() == pytest.approx(drawn.reshape(8, -1).mean(axis=1))
    places = forecast.total(4).quantile_array([0.1, 0.9]) / 0.25
    assert places == pytest.approx(np.round(places))
    coarse = bf.Forecast.from_samples(drawn, keys(), unit=1.0)
    assert coarse.mean() == pytest.approx(np.round(drawn).reshape(8, -1).mean(axis=1))


# moments, for the simulation


def moments(law, future):
    """Means by period, and means and variances of the sum over all."""
    rows, horizon = np.arange(len(law)), future.horizon
    factors = future.ahead(rows)
    by_period = law.levels @ SHARES
    span = Span.certain(factors.sum(axis=1), np.full(len(law), horizon))
    return by_period[:, None] * factors, law.mean(rows, span), law.variance(rows, span)


@pytest.mark.parametrize("kind", ["samples", "quantiles", "panel"])
def test_moments_of_a_forecast_are_kept(kind):
    rng = np.random.default_rng(5)
    if kind == "samples":
        forecast = bf.Forecast.from_samples(paths(rng), keys())
    elif kind == "quantiles":
        forecast = brought(PLAIN.assign(p50=PLAIN.p50 * 0.4))
    else:
        days = pd.date_range("2026-01-01", periods=90)
        rows = frame(("a", "b"), days, y=rng.negative_binomial(np.repeat([0.5, 4.0], 90), 0.3).astype(float))
        forecast = bf.forecast_panel(rows, 4, "D")
    by_period, mean, variance = moments(*by_moments(forecast))
    unit = forecast.steps()[::4]
    total = forecast.total(4)
    assert by_period.ravel() * np.repeat(unit, 4) == pytest.approx(forecast.mean(), rel=2e-3)
    assert mean * unit == pytest.approx(total.mean(), rel=2e-3)
    assert variance * unit**2 == pytest.approx(total.variance(), rel=0.35)


def test_moments_of_an_item_without_demand():
    drawn = paths(np.random.default_rng(6))
    drawn[0] = 0
    by_period, mean, variance = moments(*by_moments(bf.Forecast.from_samples(drawn, keys())))
    assert mean[0] == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(variance).all()
    assert by_period[1] == pytest.approx(drawn[1].mean(axis=1), rel=2e-3)


# what is refused


REFUSED = {
    "no id": (lambda: brought(PLAIN.drop(columns="unique_id")), r"forecast\.unique_id: the column is missing"),
    "no day": (lambda: brought(PLAIN.drop(columns="ds")), r"forecast\.ds: the column is missing"),
    "day numbers": (lambda: brought(PLAIN.assign(ds=range(8))), r"forecast\.ds: is a date; 8 rows \(100 %\), e\.g\. '0'"),
    "an id is missing": (lambda: brought(PLAIN.assign(unique_id=["a"] * 4 + [None] * 4)), r"unique_id: is not missing; 4 rows"),
    "no level": (lambda: brought(PLAIN[["unique_id", "ds"]]), r"found: none"),
    "no number": (lambda: brought(PLAIN.assign(p50=[1, None, 3, 4, 5, 6, 7, "x"])),
                  r"every quantile is a number; 2 rows \(25 %\), e\.g\. 'a 2026-04-02', 'b 2026-04-04'"),
    "a row is missing": (lambda: brought(PLAIN.iloc[:-1]), r"one row for each of the same periods; 1 row \(50 %\), e\.g\. 'b'"),
    "a row twice": (lambda: brought(pd.concat([PLAIN, PLAIN.iloc[[2]]])), r"one row for each of the same periods"),
    "other periods": (lambda: brought(PLAIN.assign(ds=PLAIN.ds.where(PLAIN.index != 7, DAYS[3] + pd.Timedelta(days=1)))),
                      r"one row for each of the same periods"),
    "too fine": (lambda: brought(PLAIN, unit=1e-6), r"values reach [\d,]+ steps\. To mend it: state a coarser unit"),
    "flat samples": (lambda: bf.Forecast.from_samples(np.ones((8, 3)), keys()), r"got \(8, 3\) and 8 rows"),
    "another number of samples": (lambda: bf.Forecast.from_samples(np.ones((2, 3, 9)), keys()), r"got \(2, 3, 9\) and 8 rows"),
    "periods first": (lambda: bf.Forecast.from_samples(np.ones((4, 2, 9)), keys()), r"items first; got \(4, 2, 9\)"),
    "index by period": (lambda: bf.Forecast.from_samples(np.ones((2, 4, 9)), keys().sort_values("ds")), r"items first; got"),
    "no paths": (lambda: bf.Forecast.from_samples(np.ones((2, 4, 0)), keys()), r"got \(2, 4, 0\)"),
    "negative paths": (lambda: bf.Forecast.from_samples(-np.ones((2, 4, 9)), keys()),
                       r"demand is a number, 0 or more; 72 rows \(100 %\), e\.g\. -1\.0.*cut draws off"),
    "paths of nothing": (lambda: bf.Forecast.from_samples(np.full((2, 4, 9), np.nan), keys()), r"demand is a number"),
    "huge paths": (lambda: bf.Forecast.from_samples(np.full((2, 4, 9), 1e9), keys()), r"values reach 1,000,000,001 steps"),
    "uneven index": (lambda: bf.Forecast.from_samples(np.ones((2, 4, 9)), keys().assign(ds=[*DAYS, *DAYS[::-1]])),
                     r"one row for each of the same periods"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_forecasts_that_cannot_be_used(case):
    call, message = REFUSED[case]
    with pytest.raises(bf.InputError, match=message) as error:
        call()
    assert str(error.value).startswith("the forecast cannot be used\n")


@pytest.mark.parametrize("unit", [0.0, -1.0, np.nan, np.inf])
def test_units_are_steps(unit):
    for call in (
        lambda: brought(PLAIN, unit=unit),
        lambda: bf.Forecast.from_samples(np.ones((2, 4, 9)), keys(), unit=unit),
    ):
        with pytest.raises(UsageError, match="the unit is"):
            call()


def test_sums_lie_within_the_horizon():
    for forecast in (brought(PLAIN), bf.Forecast.from_samples(np.ones((2, 4, 9)), keys())):
        with pytest.raises(ValueError, match="periods 2 to 5 do not lie within 1 to 4"):
            forecast.total(4, first=2)
        with pytest.raises(bf.InputError, match="0 or more"):
            bf.lead_time_demand(forecast, [-1.0, 2.0])


def test_forecasts_without_rows():
    none = brought(PLAIN.iloc[:0])
    assert none.quantile([0.5]).shape == (0, 3)
    assert none.mean().shape == (0,)
