"""Replay's scores by hand: the randomised transform with censoring, shares by stated dates, clustered errors."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import backorder_forecast as bf
from backorder_forecast.core.chance import uniform
from backorder_forecast.evaluate import clustered_error, randomised_transform, what_happened
from backorder_forecast.evaluate.lines import score as _scorecard
from backorder_forecast.law import Law
from backorder_forecast.streams import keys

DAY = pd.Timestamp("2026-03-01")


def day(n):
    return DAY + pd.Timedelta(days=n) if n is not None else pd.NaT


def dates(*days):
    return pd.Series([day(x) for x in days], dtype="datetime64[us]")


def law_of(*rows, first=1):
    index = pd.DataFrame({"line_id": [f"L{i}" for i in range(len(rows))]})
    return Law(index, np.array(rows, float), start=first, origin=DAY)


def test_the_transform_by_hand():
    row = [0.1, 0.5, 0.5, 0.9]  # on days 1 to 4; a tenth later or never
    law = law_of(*[row] * 7)
    left = dates(1, 2, 3, 4, 9, None, None)
    waiting = dates(None, None, None, None, None, 2, 4)
    v = np.array([uniform(k, 0, 0) for k in keys(5, f"transform {DAY}", law.index.line_id)])
    low = np.array([0.0, 0.1, 0.5, 0.5, 0.9, 0.5, 0.9])
    high = np.array([0.1, 0.5, 0.5, 0.9, 0.9, 1.0, 1.0])
    found = randomised_transform(law, left, waiting, seed=5)
    assert found == pytest.approx(low + v * (high - low), abs=1e-12)
    assert len(set(v.round(6))) == 7
    other = randomised_transform(law, left, waiting, seed=6)
    assert (other[[0, 1, 3, 5, 6]] != found[[0, 1, 3, 5, 6]]).all()


def test_the_transform_belongs_to_the_line():
    law = law_of([0.2, 0.8], [0.5, 1.0], [0.1, 0.3])
    left = dates(1, 2, None)
    waiting = dates(None, None, 2)
    found = randomised_transform(law, left, waiting, seed=1)
    turned = np.array([2, 0])
    again = randomised_transform(law.take(turned), left[turned].reset_index(drop=True),
                                 waiting[turned].reset_index(drop=True), seed=1)  # fmt: skip
    assert again.tolist() == found[turned].tolist()


def outcome(rng, tables, watched):
    """Days drawn from laws [n × days], seen only up to `watched` days."""
    days = (rng.random(len(tables))[:, None] > tables).sum(axis=1) + 1
    seen = days <= np.minimum(watched, tables.shape[1])
    left = pd.Series(np.where(seen, DAY.to_datetime64() + days.astype("m8[D]"), np.datetime64("NaT", "us")))
    waiting = pd.Series(np.where(seen, np.datetime64("NaT", "us"), DAY.to_datetime64() + watched.astype("m8[D]")))
    return left.astype("datetime64[us]"), waiting.astype("datetime64[us]")


def test_under_the_true_law_the_transform_is_uniform_though_much_is_censored():
    rng = np.random.default_rng(1)
    n = 6000
    pmf = rng.dirichlet(np.full(31, 0.3), n)
    tables = np.cumsum(pmf, axis=1)[:, :30]  # some mass lies beyond the thirty days
    watched = rng.integers(3, 25, n)
    left, waiting = outcome(rng, tables, watched)
    assert 0.3 < waiting.notna().mean() < 0.7
    u = randomised_transform(law_of(*tables), left, waiting, seed=1)
    assert stats.kstest(u, "uniform").pvalue > 0.001
    # a law that says everything comes two days sooner is found out
    hasty = np.hstack([tables[:, 2:], tables[:, -1:], tables[:, -1:]])
    wrong = randomised_transform(law_of(*hasty), left, waiting, seed=1)
    assert (wrong <= 0.5).mean() < 0.42


def test_what_happened_to_each_line():
    names = ["whole", "pieces", "open", "part", "gone", "rest_gone", "gone_then_sent"]
    lines = pd.DataFrame({"order_id": names, "line_id": names, "item_id": "a", "qty": 5.0, "ordered_at": day(0)})
    sent = pd.DataFrame([("whole", 3, 5), ("pieces", 2, 2), ("pieces", 6, 3), ("part", 4, 1), ("rest_gone", 2, 2),
                         ("gone_then_sent", 7, 2)], columns=["line_id", "shipped_at", "qty"])  # fmt: skip
    gone = pd.DataFrame([("gone", 4, 5), ("rest_gone", 5, 3), ("gone_then_sent", 5, 3)],
                        columns=["line_id", "cancelled_at", "qty"])  # fmt: skip
    sent["shipped_at"] = sent.shipped_at.map(day) + pd.Timedelta(hours=15)
    gone["cancelled_at"] = gone.cancelled_at.map(day)
    then = bf.Dataset.of({"order_lines": lines, "shipments": sent, "cancellations": gone}).as_of(day(9))
    left, waiting = (pd.Series(x, names) for x in what_happened(then, pd.Series(names)))
    expected = dict.fromkeys(names, pd.NaT) | {"whole": day(3), "pieces": day(6), "gone_then_sent": day(7)}
    assert left.to_dict() == expected
    assert waiting.notna().to_dict() == {x: pd.isna(expected[x]) for x in names}
    assert waiting[["open", "part"]].tolist() == [day(9)] * 2
    assert (waiting[["gone", "rest_gone"]] <= [day(4), day(5)]).all()
    assert (waiting[["gone", "rest_gone"]] >= [day(3), day(4)]).all()


def test_shares_by_hand():
    lines = pd.DataFrame({
        "item_id": list("aabbc"), "supply_state": ["due", "due", "due", "overdue", "overdue"],
        "u": [0.05, 0.5, 0.95, 0.3, 0.91],
        # left by p50: yes, no, not known yet (still waiting before it), no (waited past it), none stated
        "p50_date": dates(5, 3, 20, 4, None), "p90_date": dates(9, 9, 30, 6, 7),
        "promised_date": dates(2, 9, 9, None, 9),
        "left_date": dates(5, 4, None, None, 8), "censored_at": dates(None, None, 10, 10, None),
    })  # fmt: skip
    score = _scorecard(lines).set_index(["metric", "segment"])
    value, n = score["value"], score["n"]
    assert [value[f"transform_p{x}", "all"] for x in (10, 50, 90)] == [1 / 5, 3 / 5, 3 / 5]
    assert value["transform_p50", "due"] == pytest.approx(2 / 3)
    assert value["transform_p90", "overdue"] == 1 / 2
    assert (value["shipped_by_p50", "all"], n["shipped_by_p50", "all"]) == (pytest.approx(1 / 3), 3)
    assert (value["shipped_by_p90", "all"], n["shipped_by_p90", "all"]) == (2 / 4, 4)
    # the shop's own dates: a missed, a kept, one whose day passed while it waited, one kept
    assert score["baseline_value"]["shipped_by_p90", "all"] == 2 / 4
    assert set(score.baseline.dropna()) == {"stated date"}
    assert set(score.index.get_level_values("segment")) == {"all", "due", "overdue"}


def test_errors_are_clustered():
    values = pd.Series([1.0, 0.0, 1.0, 1.0])
    # mean .75: clusters a: .25 − .75 = −.5, b: .25 + .25 = .5
    assert clustered_error(values, pd.Series(list("aabb"))) == pytest.approx(np.sqrt(0.25 + 0.25) / 4)
    alone = clustered_error(values, pd.Series(list("abcd")))
    assert alone == pytest.approx(np.sqrt(((values - 0.75) ** 2).sum()) / 4)
    assert np.isnan(clustered_error(values[:1], pd.Series(["a"])))


def test_nothing_to_replay_is_said():
    lines = pd.DataFrame({"order_id": ["o"], "line_id": ["l"], "item_id": ["a"], "qty": [1.0], "ordered_at": [day(0)]})
    stock = pd.DataFrame({"item_id": ["a"], "date": [day(0)], "on_hand": [1.0]})
    data = bf.Dataset.of({"order_lines": lines, "stock": stock})
    replayed = bf.replay(data, days=["2025-01-01", "2026-02-01"])
    assert len(replayed.scorecard) == 0
    assert replayed.notes == ["no line of known stock was open on the past days that could be replayed"]


def test_default_days_lie_before_the_last_one():
    lines = pd.DataFrame({"order_id": "o", "item_id": "a", "qty": 1.0,
                          "ordered_at": pd.date_range("2025-11-01", "2026-03-01")})  # fmt: skip
    lines["line_id"] = [f"l{k}" for k in range(len(lines))]
    stock = pd.DataFrame({"item_id": "a", "date": pd.date_range("2025-11-01", "2026-03-01"), "on_hand": 0.0})
    config = bf.Config(replay={"days": 2, "spacing_days": 20}, simulation={"scenarios": 10, "horizon_days": 30})
    replayed = bf.replay(bf.Dataset.of({"order_lines": lines, "stock": stock}, config), before=DAY)
    assert sorted(replayed.lines.as_of.unique()) == [day(-40), day(-20)]
    assert (replayed.lines.censored_at == DAY).all()
    assert replayed.lines.groupby("as_of").size().tolist() == [(day(x) - day(-120)).days + 1 for x in (-40, -20)]
