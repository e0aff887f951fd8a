"""Replay of open purchases alone: outcomes and scores by hand, baselines, known truth, nothing of later days."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.backtest import content, files, summary
from backorder_forecast.evaluate import Replay
from backorder_forecast.evaluate.history import received_given_age, stated_days
from backorder_forecast.evaluate.lead_times import HISTORY, LEVELS, STATED, _cut, score, what_came
from backorder_forecast.evaluate.scores import calibration, randomised_transform
from backorder_forecast.law import Law

DAY = pd.Timestamp("2026-03-31")
QUICK = {"simulation": {"horizon_days": 60}}


def day(n):
    return pd.NaT if n is None else DAY + pd.Timedelta(days=n)


def purchases(ids, ordered, stated=None, supplier="s", order=None):
    frame = pd.DataFrame({"po_line_id": ids, "item_id": "x", "supplier_id": supplier, "qty": 10.0})
    frame["ordered_at"] = [day(x) for x in ordered]
    dates = [day(x) for x in (stated or [None] * len(ids))]
    frame["promised_date"] = pd.Series(dates, dtype="datetime64[us]")
    return frame.assign(po_id=order)


def receipts(*rows):
    frame = pd.DataFrame(rows, columns=["po_line_id", "received_at", "qty"])
    frame["received_at"] = pd.to_datetime([day(x) for x in frame["received_at"]]) + pd.Timedelta(hours=9)
    return frame


def data_of(bought, received, config=None, **tables):
    tables |= {"purchase_lines": bought, "receipts": received}
    return bf.Dataset.of(tables, bf.Config(**(QUICK | (config or {}))))


def steady(n=3000, seed=1, suppliers=3, alike=1, shape=4.0, days=700):
    """Purchases whose lead times are drawn from one gamma law; `alike` lines of an order share theirs."""
    rng = np.random.default_rng(seed)
    ordered = np.repeat(np.sort(rng.integers(-days, 0, n)), alike)
    took = np.repeat(np.maximum(rng.gamma(shape, 30 / shape, n).astype(int), 1), alike)
    ids = [f"p{k}" for k in range(len(took))]
    who = [f"s{k // alike % suppliers}" for k in range(len(took))]
    orders = [f"o{k // alike}" for k in range(len(took))]
    bought = purchases(ids, ordered.tolist(), (ordered + 25).tolist(), who, orders)
    came = ordered + took <= 0
    received = receipts(*[(ids[k], int(ordered[k] + took[k]), 10.0) for k in np.flatnonzero(came)])
    return bought, received


# ------------------------------------------------------------------------------------------------ by hand


def test_what_came_of_each_line():
    law = Law(pd.DataFrame({"po_line_id": list("abcdefghi")}), np.zeros((9, 20)), start=1, origin=DAY)
    bought = purchases(list("abcdefghi"), [-30] * 9)
    received = receipts(("a", 5, 10), ("b", 3, 4), ("b", 8, 6), ("c", 4, 4), ("e", 25, 10), ("f", -2, 4),
                        ("g", 6, 4), ("h", 20, 10), ("i", -9, 4))  # fmt: skip
    gone = pd.DataFrame({"po_line_id": ["d", "f", "g"], "cancelled_at": [day(2), day(7), day(9)], "qty": [10.0, 6, 6]})
    then = data_of(bought, received, purchase_cancellations=gone).as_of(day(12))
    came, seen = (pd.Series(x.to_numpy(), list("abcdefghi")) for x in what_came(then, law))
    # c and i wait for their rest; d is cancelled, f what was left of it; g came short, on the day of its piece
    assert came.dropna().to_dict() == {"a": day(5), "b": day(8), "g": day(6)}
    assert seen.dropna().to_dict() == dict.fromkeys("cdefhi", day(12))
    later = data_of(bought, received, purchase_cancellations=gone).as_of(day(40))
    came, seen = (pd.Series(x.to_numpy(), list("abcdefghi")) for x in what_came(later, law))
    # what came beyond the horizon was not there on its last day, and no more is told apart
    assert came.dropna().to_dict() == {"a": day(5), "b": day(8), "g": day(6), "h": day(20)}
    assert seen.dropna().to_dict() == dict.fromkeys("cdefi", day(20))


def test_received_given_age_by_hand():
    took = [5, 10, 15, 20, 25, 30] * 5  # thirty of supplier s; of t only two
    ids = [f"s{k}" for k in range(30)] + ["t0", "t1", "young", "old", "other", "stranger", "waits", "exact"]
    ordered = [-60] * 32 + [-12, -27, -12, 0, -90, -15]
    bought = purchases(ids, ordered, supplier=["s"] * 30 + ["t", "t", "s", "s", "t", "u", "s", "s"])
    received = receipts(*[(f"s{k}", -60 + x, 10) for k, x in enumerate(took)], ("t0", -59, 10), ("t1", -10, 10))
    past = data_of(bought, received).as_of(DAY)
    rows = past.purchases[past.purchases["open_qty"] > 0].set_index("po_line_id")
    rows = rows.loc[["young", "old", "other", "stranger", "waits", "exact"]].reset_index()
    law = received_given_age(past, rows, 40)
    # young has waited 12 days: of the 20 of its supplier that took longer, 3 8 13 18 days more
    assert law.quantile_array([0.25, 0.5, 1 - 1e-9])[0].tolist() == [3, 8, 18]
    # old, 27 days: only five of its own took longer, and of all six: 3 more days (30), or 23 (the one of t)
    assert law.cdf(3)[1] == pytest.approx(5 / 6)
    assert law.quantile_array([0.9])[1, 0] == 23
    # of t only one took longer than 12 days: all are asked
    assert law.cdf(8)[2] == pytest.approx(10 / 21)
    # a supplier of whom nothing is known: all, from the first day
    assert law.cdf(1)[3] == pytest.approx(1 / 32)
    # longer than anything that came: never
    assert law.table[4].tolist() == [0.0] * 40
    # 15 days: those that came on that day took no longer, and fifteen are too few
    assert law.cdf(5)[5] == pytest.approx(5 / 16)


def test_the_stated_date_of_what_is_overdue_says_tomorrow():
    rows = purchases(list("abcd"), [-9] * 4, [4, 0, -5, None])
    past = data_of(rows, receipts()).as_of(DAY)
    assert stated_days(past, past.purchases).tolist() == [4, 1, 1, pytest.approx(np.nan, nan_ok=True)]


def cases():
    """Four lines of three orders: came on day 4, came on day 20, open after 30 days, cancelled; followed for 30."""
    rows = pd.DataFrame({
        "po_line_id": list("abcd"), "po_id": ["o1", "o1", "o2", "o3"], "supplier_id": "s", "item_id": "x",
        "as_of": DAY, "age_days": 9.0, "state": ["not due", "overdue", "overdue", "undated"], "followed_days": 30,
        "promised_date": pd.to_datetime([day(3), day(-1), day(-4), pd.NaT]),
        "came_date": pd.to_datetime([day(4), day(20), pd.NaT, pd.NaT]),
        "censored_at": pd.to_datetime([pd.NaT, pd.NaT, day(30), day(60)]),
        "u": [0.2, 0.85, 0.97, 0.92], f"u_{HISTORY}": [0.6, 0.99, 0.999, 0.95],
    })  # fmt: skip
    return rows


def test_the_scorecard_by_hand():
    rows = cases()
    for name, values in (("", [1, 3, 5, 7]), (f"_{HISTORY}", [2, 3, 9, 10]), (f"_{STATED}", [4, 8, 12, np.nan])):
        for metric in ("loss", "error_p50", *(f"pinball_p{x}" for x in (50, 80, 90, 95))):
            rows[f"{metric}{name}"] = np.array(values, float)
    card = score(rows).set_index(["metric", "segment"])
    value, n = card["value"], card["n"]
    assert [value[f"coverage_p{x}", "all"] for x in (50, 80, 90, 95)] == [1 / 4, 1 / 4, 2 / 4, 3 / 4]
    assert card["baseline_value"]["coverage_p90", "all"] == 1 / 4
    assert [value["coverage_p90", x] for x in ("overdue", "not due", "undated")] == [1 / 2, 1, 0]
    assert value["transform_p25", "all"] == 1 / 4
    assert (value["quantile_loss", "all"], card["baseline_value"]["quantile_loss", "all"]) == (4, 6)
    saved = card.loc[(f"quantile_loss_saved_{HISTORY}", "all")]
    assert saved["value"] == 2  # 1 0 4 3, of orders 1 | 4 | 3 with mean 2: −2 −2 … sums −3, 2, 1
    assert saved["standard_error"] == pytest.approx(np.sqrt(9 + 4 + 1) / 4)
    stated = card.loc[(f"quantile_loss_saved_{STATED}", "all")]
    assert (stated["value"], stated["n"], stated["baseline_value"]) == (5, 3, 8)  # only where a date is stated
    assert n[f"quantile_loss_saved_{STATED}", "undated"] == 0
    assert (value["came_by_stated_date", "all"], n["came_by_stated_date", "all"]) == (0, 3)
    assert {x for _, x in card.index} == {"all", "overdue", "not due", "undated"}  # four lines of s are too few
    many = score(pd.concat([rows] * 8, ignore_index=True))
    assert "supplier s" in set(many["segment"])
    assert set(many["stage"]) == {"lead_time"}


def test_days_are_cut_off_where_not_all_were_followed():
    assert _cut(np.array([3.0, 40.0, np.nan]), 30).tolist() == [3, 30, 30]


def test_calibration_of_purchases_is_clustered_by_order():
    rows = cases()
    error = calibration(rows, [0.9])["standard_error"].iloc[0]
    # below less .9 by order: .1 + .1, −.9, −.9
    assert error == pytest.approx(np.sqrt(0.2**2 + 0.9**2 + 0.9**2) / 4)
    assert calibration(rows.drop(columns="po_id"), [0.9])["standard_error"].iloc[0] == pytest.approx(1.6 / 4)


# ---------------------------------------------------------------------------------- what is judged, and when


@pytest.fixture(scope="module")
def replayed():
    bought, received = steady()
    config = {"replay": {"days": 4, "spacing_days": 40}}
    return bf.replay(data_of(bought, received, config), stage="lead_time", before=DAY, seed=3)


def test_every_open_line_of_each_day_has_a_row(replayed):
    bought, received = steady()
    rows = replayed.lines
    assert sorted(rows["as_of"].unique()) == [day(x) for x in (-160, -120, -80, -40)]
    ends = received.set_index("po_line_id")["received_at"].reindex(bought["po_line_id"]).to_numpy()
    for at in (day(-160), day(-40)):
        known = bought[(bought["ordered_at"] <= at).to_numpy() & ~(ends < at + pd.Timedelta(days=1))]
        assert set(rows.loc[rows["as_of"] == at, "po_line_id"]) == set(known["po_line_id"])
    assert rows["followed_days"].groupby(rows["as_of"]).first().tolist() == [60, 60, 60, 40]
    assert (rows["state"] == "overdue").equals(rows["promised_date"] <= rows["as_of"])
    assert rows["u"].between(0, 1).all()
    dates = rows[["p50_date", "p80_date", "p90_date", "p95_date"]]
    assert (dates.gt(rows["as_of"], axis=0) | dates.isna()).all(axis=None)  # never in the past
    assert (rows["came_date"].notna() ^ rows["censored_at"].notna()).all()


def test_losses_are_those_of_the_stated_quantiles(replayed):
    rows = replayed.lines
    f = rows["followed_days"].to_numpy()
    took = np.minimum((rows["came_date"] - rows["as_of"]).dt.days.fillna(np.inf).to_numpy(), f)
    total = 0.0
    for level in LEVELS:
        name = f"p{100 * level:.0f}"
        said = np.minimum((rows[f"{name}_date"] - rows["as_of"]).dt.days.fillna(np.inf).to_numpy(), f)
        own = np.where(took > said, level * (took - said), (1 - level) * (said - took))
        assert rows[f"pinball_{name}"].to_numpy() == pytest.approx(own)
        total += own / 2
    assert rows["loss"].to_numpy() == pytest.approx(total)
    assert rows["error_p50"].to_numpy() == pytest.approx(2 * rows["pinball_p50"].to_numpy())


def test_the_window_is_half_of_the_horizon():
    bought, received = steady(300)
    config = {"replay": {"days": 2, "spacing_days": 5}}
    usual = bf.replay(data_of(bought, received, config), stage="lead_time", before=DAY)
    assert sorted(usual.lines["as_of"].unique()) == [day(-35), day(-30)]
    late = bf.replay(data_of(bought, received), [day(-29), day(-30)], stage="lead_time", before=DAY)
    assert late.lines["as_of"].unique().tolist() == [day(-30)]
    assert late.notes[0] == "2026-03-02: left out, since the 30 days after are not over by 2026-03-31"


def test_nothing_open_is_said():
    bought = purchases(["a"], [-90])
    replayed = bf.replay(data_of(bought, receipts(("a", -80, 10))), [day(-40)], stage="lead_time", before=DAY)
    assert replayed.lines.empty
    assert replayed.notes == ["no purchase was open on the past days that could be replayed"]


def test_notes_say_how_much_is_known(replayed):
    rows = replayed.lines
    assert replayed.notes[0] == (
        f"{len(rows)} purchase lines open on 4 days, of {rows['po_id'].nunique()} orders; followed for 40 to 60 days, "
        "losses are of days up to that"
    )
    still = int(rows["came_date"].isna().sum())
    assert replayed.notes[1] == f"{still} of {len(rows)} had not come by then: they count as 'not within so many days'"
    bought, received = steady(300)
    bought["promised_date"] = bought["promised_date"].where(bought.index % 2 == 0)
    half = bf.replay(data_of(bought, received), [day(-40)], stage="lead_time", before=DAY)
    assert set(half.lines["state"]) == {"overdue", "not due", "undated"}
    assert half.notes[-1].endswith("had no stated date on the day: they are not beside it")
    assert half.lines.loc[half.lines["state"] == "undated", f"loss_{STATED}"].isna().all()


def test_lines_without_an_order_are_orders_of_their_own():
    bought, received = steady(300)
    alone = bf.replay(data_of(bought.assign(po_id=None), received), [day(-40)], stage="lead_time", before=DAY).lines
    assert alone["po_id"].tolist() == alone["po_line_id"].tolist()


def test_what_happens_after_the_day_changes_nothing_that_was_said(replayed):
    bought, received = steady()
    at = day(-40)
    later = received["received_at"] > at + pd.Timedelta(days=1)
    postponed = received["received_at"] + pd.Timedelta(days=9)
    moved = received.assign(received_at=received["received_at"].where(~later, postponed))
    new = purchases([f"new{k}" for k in range(50)], [-20] * 50, [-1] * 50)
    config = {"replay": {"days": 4, "spacing_days": 40}}
    again = bf.replay(data_of(pd.concat([bought, new]), moved, config), [at], stage="lead_time", before=DAY, seed=3)
    said = ["po_line_id", "age_days", "state", "p50_date", "p80_date", "p90_date", "p95_date", f"pinball_p50_{STATED}"]
    own = replayed.lines[replayed.lines["as_of"] == at].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.lines[said[:-1]], own[said[:-1]])
    assert (again.lines["u"] != own["u"]).mean() > 0.5  # and it was judged by what was moved
    # what became known after `before` is not seen
    cut = bf.replay(data_of(bought, received), [day(-100)], stage="lead_time", before=day(-50), seed=3).lines
    assert cut["came_date"].max() <= day(-50)
    assert cut["followed_days"].iloc[0] == 50


def test_order_of_rows_and_seed(replayed):
    bought, received = steady()
    config = {"replay": {"days": 4, "spacing_days": 40}}
    turned = bf.replay(data_of(bought[::-1], received[::-1], config), stage="lead_time", before=DAY, seed=3)
    pd.testing.assert_frame_equal(turned.lines, replayed.lines)
    other = bf.replay(data_of(bought, received, config), stage="lead_time", before=DAY, seed=4)
    drawn = ["u", f"u_{HISTORY}"]
    assert (other.lines["u"] != replayed.lines["u"]).mean() > 0.9
    pd.testing.assert_frame_equal(other.lines.drop(columns=drawn), replayed.lines.drop(columns=drawn))


def test_the_summary_and_the_files(replayed):
    told = summary(replayed)
    head = next(line for line in told.splitlines() if "vs history" in line)
    assert head.split()[:5] == ["cases", "p50", "p80", "p90", "p95"]
    row = next(line for line in told.splitlines() if line.startswith("all"))
    assert row.split()[1] == f"{len(replayed.lines):,}"
    assert told.endswith("\n".join(replayed.notes))
    assert files(replayed).keys() == {"calibration.png", "scores.png", "summary.txt"}
    assert content(replayed, "x")["stage"] == "lead_time"


def test_no_more_suppliers_are_told_than_can_be_read():
    rows = cases().iloc[[0] * 30].assign(state="undated", promised_date=pd.NaT)
    for name in ("", f"_{HISTORY}", f"_{STATED}"):
        for metric in ("loss", "error_p50", *(f"pinball_p{x}" for x in (50, 80, 90, 95))):
            rows[f"{metric}{name}"] = np.nan if name == f"_{STATED}" else 1.0
    rows = pd.concat([rows.iloc[: 30 + k % 2 - 1].assign(supplier_id=f"{k:03d} {'long ' * 20}") for k in range(40)])
    many = pd.concat([rows, rows.query("supplier_id.str.startswith('017')").assign(supplier_id="small")])
    card = score(many)
    assert card["segment"].nunique() == 22  # all and those with thirty; of one state only, so not by state
    told = summary(Replay(card, many, ["a note"], "lead_time"))
    lines = [line for line in told.splitlines() if line.startswith("supplier ")]
    assert len(lines) == 12
    assert max(map(len, lines)) < 125
    assert "vs stated" not in told.split("p50, p80")[0]


# ------------------------------------------------------------------------------------------------ known truth


def test_under_the_true_law_coverage_is_right_with_open_and_cancelled_lines():
    """What is judged, not what is fitted: laws, outcomes and censoring drawn from one truth."""
    rng = np.random.default_rng(2)
    n, horizon = 6000, 40
    pmf = rng.dirichlet([*[0.3] * horizon, 5.0], n)
    table = np.cumsum(pmf, axis=1)[:, :horizon]  # the rest, a good part: beyond the horizon, stuck or cancelled
    took = (rng.random(n)[:, None] > table).sum(axis=1) + 1
    never = took > horizon
    ids = [f"p{k}" for k in range(n)]
    index = pd.DataFrame({"po_line_id": ids})
    received = receipts(*[(ids[k], int(took[k]), 10.0) for k in np.flatnonzero(~never)])
    half = np.flatnonzero(never)[::2]  # of those that never come half are cancelled, one way or the other at once
    gone = pd.DataFrame({"po_line_id": [ids[k] for k in half], "cancelled_at": day(3), "qty": 10.0})
    law = Law(index, table, start=1, origin=DAY)
    for after in (15, 60):
        then = data_of(purchases(ids, [-5] * n), received, purchase_cancellations=gone).as_of(day(after))
        u = randomised_transform(law, *what_came(then, law), seed=1)
        for level in (0.1, 0.5, 0.8, 0.9, 0.95):
            assert abs((u <= level).mean() - level) < 3.5 * np.sqrt(level * (1 - level) / n), (after, level)


def test_open_purchases_of_a_steady_company_are_covered_and_better_than_a_list(replayed):
    card = replayed.scorecard.set_index(["metric", "segment"])
    for segment in ("all", "overdue", "not due"):
        for level in (0.5, 0.8, 0.9, 0.95):
            row = card.loc[(f"coverage_p{100 * level:.0f}", segment)]
            assert abs(row["value"] - level) < max(4 * row["standard_error"], 0.02), (segment, level)
    saved = card.loc[(f"quantile_loss_saved_{STATED}", "all")]
    assert saved["value"] > 8 * saved["standard_error"]
    # a long list of one steady law, and nothing stuck: hard to beat
    history = card.loc[(f"quantile_loss_saved_{HISTORY}", "all")]
    assert history["value"] > -3 * history["standard_error"]
    frame = replayed.calibration()
    assert frame["share"].between(frame["low"], frame["high"]).mean() > 0.8


def test_a_law_that_is_too_quick_is_found_out():
    """Half of what was placed lately takes twice as long, which nobody could know."""
    bought, received = steady()
    slow = bought["ordered_at"] > day(-75)
    ends = received.set_index("po_line_id")["received_at"]
    began = bought.set_index("po_line_id")["ordered_at"].reindex(ends.index)
    twice = began.to_numpy() + 2 * (ends - began).to_numpy()
    ends = ends.where(~ends.index.isin(bought.loc[slow, "po_line_id"]), pd.Series(twice, ends.index))
    changed = ends[ends <= DAY].rename("received_at").reset_index().assign(qty=10.0)
    card = bf.replay(data_of(bought, changed), [day(-60)], stage="lead_time", before=DAY).scorecard
    value = card.set_index(["metric", "segment"])["value"]
    assert value["coverage_p50", "all"] < 0.4
    assert value["coverage_p90", "all"] < 0.8


def test_errors_know_that_lines_of_an_order_share_their_fate():
    apart = bf.replay(data_of(*steady(900)), [day(-60)], stage="lead_time", before=DAY).scorecard
    alike = bf.replay(data_of(*steady(900, alike=4)), [day(-60)], stage="lead_time", before=DAY).scorecard
    errors = [x.set_index(["metric", "segment"])["standard_error"]["absolute_error_p50", "all"] for x in (apart, alike)]
    assert errors[1] == pytest.approx(errors[0], rel=0.15)  # four times the lines, and no surer for it
