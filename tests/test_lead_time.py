"""Lead times: durations from events, known laws recovered, open purchases calibrated, receipts as the laws say."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from backorder_forecast.dataset import Dataset
from backorder_forecast.lead_time import fit_lead_times
from backorder_forecast.supply import forecast_supply

DAY = pd.Timestamp("2026-03-31")
START = pd.Timestamp("2024-01-01")


def shop(bought, received, gone=None, **tables):
    frames = {"purchase_lines": bought, "receipts": received, **tables}
    if gone is not None:
        frames["purchase_cancellations"] = gone
    return Dataset.of(frames)


def purchases(placed, supplier="s", item="x", qty=10.0, prefix="p"):
    return pd.DataFrame(
        {
            "po_line_id": [f"{prefix}{i}" for i in range(len(placed))], "item_id": item, "supplier_id": supplier,
            "ordered_at": START + pd.to_timedelta(placed, "D"), "qty": qty,
        }
    )  # fmt: skip


def arrivals(bought, days, qty=None):
    """Receipts after so many days, as far as they are not after DAY."""
    out = bought[["po_line_id", "ordered_at", "qty"]].assign(days=days)
    out["received_at"] = out["ordered_at"] + pd.to_timedelta(out["days"], "D")
    out["qty"] = out["qty"] if qty is None else qty
    return out.loc[out["received_at"] <= DAY, ["po_line_id", "received_at", "qty"]]


@pytest.fixture(scope="module")
def company():
    """Six suppliers of ten items each, gamma lead times of known mean and spread, received on any day."""
    rng = np.random.default_rng(1)
    bought, received, truth = [], [], {}
    for s, (mean, cv) in enumerate([(6, 0.3), (12, 0.2), (12, 0.6), (25, 0.3), (40, 0.4), (60, 0.25)]):
        for i in range(10):
            stretch = rng.lognormal(0, 0.2)
            placed = np.sort(rng.integers(0, 820, 25))
            rows = purchases(placed, f"s{s}", f"i{s}_{i}", prefix=f"p{s}_{i}_")
            days = np.maximum(1, rng.gamma(1 / cv**2, mean * stretch * cv**2, 25).astype(int))
            days = np.where(rng.random(25) < 0.01, 10**4, days)  # one in a hundred is stuck
            bought.append(rows)
            received.append(arrivals(rows, days))
            truth[f"s{s}", f"i{s}_{i}"] = mean * stretch, cv
    return pd.concat(bought), pd.concat(received), truth


@pytest.fixture(scope="module")
def fitted(company):
    return fit_lead_times(shop(*company[:2]).as_of(DAY))


def test_known_laws_are_recovered(company, fitted):
    table = fitted.table().set_index(["supplier_id", "item_id"])
    truth = pd.DataFrame(company[2], index=["mean", "cv"]).T
    ratio = table["mean_days"] / truth["mean"].reindex(table.index)
    assert abs(ratio.mean() - 1) < 0.03
    assert ratio.std() < 0.1  # the means of 25 draws differ by more
    # punctual suppliers keep narrow laws beside the others
    wide = (table["p90_days"] - table["p10_days"]) / table["p50_days"]
    by_cv = wide.groupby(truth["cv"].reindex(table.index)).mean()
    assert by_cv[[0.25, 0.3, 0.4, 0.6]].is_monotonic_increasing
    # the quantiles of a gamma law are about 2.56 cv apart
    assert max(by_cv[0.2], by_cv[0.25]) < 0.75
    assert by_cv[0.6] > 1.3


def test_an_item_never_bought_gets_its_suppliers_law_and_a_new_supplier_that_of_all(fitted):
    known = fitted.new_order("s1", "never bought").quantile([0.5])["p50"][0]
    assert 10 <= known <= 14
    spread = fitted.new_order("nobody", "x").quantile([0.1, 0.9])
    assert spread["p10"][0] < 10
    assert spread["p90"][0] > 35


def test_the_stuck_are_not_sure_supply(fitted):
    share = float(fitted.notes[0].split("%")[0])
    assert 0.4 < share < 2.0
    rows = fitted.open_rows
    age = (DAY - rows["ordered_at"]).dt.days
    chance = fitted.remaining.table[:, -1]
    assert chance[age > 300].mean() < 0.2
    assert chance[age > 300].max() < 0.5
    assert (chance[(age < 10).to_numpy()] > 0.9).all()


def test_open_purchases_are_calibrated_given_their_age():
    """Received purchases alone would say that the open ones, being the slow ones, come too soon."""
    shares = np.concatenate([transforms_of_open(seed) for seed in (8, 9, 10)])
    assert np.abs(shares.mean(axis=0) - (0.1, 0.5, 0.9)).max() < 0.05


def transforms_of_open(seed):
    """Of each purchase open on DAY, P(its transform is at or below .1, .5, .9)."""
    rng = np.random.default_rng(seed)
    placed = np.sort(rng.integers(0, 820, 6000))
    rows = purchases(placed, item=[f"i{i % 30}" for i in range(6000)])
    days = np.maximum(1, rng.lognormal(3.0, 0.6, 6000).astype(int))
    fitted = fit_lead_times(shop(rows, arrivals(rows, days)).as_of(DAY))
    open_rows = fitted.open_rows
    later = pd.Series(days, index=rows["po_line_id"]).reindex(open_rows["po_line_id"]).to_numpy()
    left = later - (DAY - open_rows["ordered_at"]).dt.days.to_numpy()
    assert (left > 0).all()
    table = fitted.next_table
    closed = np.concatenate([np.zeros((len(left), 1)), table, np.ones((len(left), 1))], axis=1)
    low, high = (closed[np.arange(len(left)), np.minimum(left, 181) - k] for k in (1, 0))
    return np.stack([np.clip((q - low) / np.maximum(high - low, 1e-12), 0, 1) for q in (0.1, 0.5, 0.9)], axis=1)


def test_nothing_is_received_on_shut_days_and_mondays_make_up_for_them():
    rng = np.random.default_rng(5)
    placed = np.sort(rng.integers(0, 818, 1500))
    rows = purchases(placed)
    days = np.maximum(1, rng.gamma(9, 1.0, 1500).astype(int))
    due = rows["ordered_at"] + pd.to_timedelta(days, "D")
    rolled = due + pd.to_timedelta(np.where(due.dt.day_of_week == 5, 2, np.where(due.dt.day_of_week == 6, 1, 0)), "D")
    came = pd.DataFrame({"po_line_id": rows["po_line_id"], "received_at": rolled, "qty": rows["qty"]})
    fitted = fit_lead_times(shop(rows, came[came["received_at"] <= DAY]).as_of(DAY))
    weekday = (DAY + pd.to_timedelta(np.arange(1, 29), "D")).day_of_week
    step = np.diff(fitted.next_table, prepend=0.0, axis=1)[:, :28]
    assert (step[:, weekday >= 5] == 0).all()
    assert step.sum() > 0
    # the law of the days until goods are ready is that of the gamma, weekends or not
    law = fitted.laws[0]
    truth = np.array([(np.maximum(1, rng.gamma(9, 1.0, 200_000).astype(int)) <= d).mean() for d in range(30)])
    assert np.abs(law[:30] - truth).max() < 0.03
    # what is seen lags behind by the share of days that end a weekend
    assert fitted.receiving.delays() == pytest.approx([5 / 7, 1 / 7, 1 / 7])
    assert fitted.received_laws[0, 5] == pytest.approx((5 * law[5] + law[4] + law[3]) / 7)


def test_durations_count_from_the_confirmation_where_asked():
    rows = purchases(np.arange(0, 600, 10))
    rows["confirmed_at"] = rows["ordered_at"] + pd.Timedelta(days=4)
    data = shop(rows, arrivals(rows, 13))
    for clock, expected in (("ordered_at", 13), ("confirmed_at", 9)):
        config = data.config.merged(data.config.model_dump(), {"lead_time": {"clock": clock}})
        law = fit_lead_times(Dataset.of(data.tables, config=config).as_of(DAY)).new_order("s", "x")
        assert law.quantile_array([0.5])[0, 0] == expected


def test_cancelled_purchases_are_censored_and_give_the_rate_of_cancelling():
    rows = purchases(np.arange(0, 800, 2))
    days = np.where(np.arange(400) % 10 == 0, 10**4, 12)
    gone = rows[np.arange(400) % 10 == 0]
    gone = pd.DataFrame(
        {"po_line_id": gone["po_line_id"], "cancelled_at": gone["ordered_at"] + pd.Timedelta(days=5), "qty": 10.0}
    )
    fitted = fit_lead_times(shop(rows, arrivals(rows, days), gone).as_of(DAY))
    # 40 of 400 were cancelled; days waited: 360 × 12 + 40 × 6, today's counted
    assert fitted.cancel_hazard == pytest.approx(40 / (360 * 12 + 40 * 6), rel=1e-6)
    longer = fitted.new_order("s", "x").table[0]
    assert longer[-1] == pytest.approx((1 - fitted.cancel_hazard) ** 12, abs=0.02)


def test_a_part_comes_first_and_the_rest_after_its_own_gap():
    rows = purchases(np.arange(0, 819, 3), qty=10.0)
    first = arrivals(rows, 8, qty=4.0)
    rest = arrivals(rows, 14, qty=6.0)
    fitted = fit_lead_times(shop(rows, pd.concat([first, rest])).as_of(DAY))
    assert fitted.split_prob[0] > 0.9
    assert fitted.split_share == pytest.approx(np.full(len(fitted.split_share), 0.4))
    rows = fitted.open_rows
    begun = (rows["received_qty"] > 0).to_numpy()
    age = (DAY - rows["ordered_at"]).dt.days.to_numpy()
    p50 = fitted.remaining.quantile_array([0.5])[:, 0]
    assert begun.any()
    assert not begun.all()
    assert p50 == pytest.approx(14 - age)
    assert fitted.remaining_first.quantile_array([0.5])[~begun, 0] == pytest.approx((8 - age)[~begun])


def test_receipts_are_drawn_as_the_laws_say(fitted, company):
    past = shop(*company[:2]).as_of(DAY)
    supply = forecast_supply(past, fitted)
    draws = supply.draws(4000, seed=2)
    never = fitted.horizon + 1
    first = np.where(draws["first"] >= never, never, draws["first"])
    share = np.stack([(first <= d).mean(axis=1) for d in (5, 20, 60)], axis=1)
    law = fitted.remaining_first.table[:, [4, 19, 59]]
    assert np.abs(share - law).max() < 5 * 0.5 / np.sqrt(4000)
    # the last unit
    rest = np.where(draws["first_qty"] < supply.purchases["open_qty"].to_numpy()[:, None], draws["rest"], first)
    share = np.stack([(rest <= d).mean(axis=1) for d in (5, 20, 60)], axis=1)
    assert np.abs(share - fitted.remaining.table[:, [4, 19, 59]]).max() < 5 * 0.5 / np.sqrt(4000)
    # a draw belongs to its purchase: neither order nor company changes it
    fewer = supply.draws(50, seed=2)
    assert (fewer == draws[:, :50]).all()


def test_order_of_rows_and_later_edits_change_nothing(company, fitted):
    bought, received, _ = company
    shuffled = shop(bought.sample(frac=1, random_state=1), received.sample(frac=1, random_state=2))
    again = fit_lead_times(shuffled.as_of(DAY))
    pd.testing.assert_frame_equal(again.table(), fitted.table())
    assert (again.next_table == fitted.next_table).all()


def test_no_purchases_and_none_received():
    empty = shop(purchases([]), arrivals(purchases([]), []))
    nothing = fit_lead_times(empty.as_of(DAY))
    assert nothing.remaining.table.shape == (0, 180)
    assert nothing.table().empty
    waiting = purchases([700, 800])
    unreceived = fit_lead_times(shop(waiting, arrivals(waiting, 10**4)).as_of(DAY))
    assert np.isnan(unreceived.remaining.quantile_array([0.5])).all()


def test_a_supplier_that_is_unlike_the_others_is_learned_day_by_day(company):
    """Half of one supplier's goods come after 5 days and half after 25: no stretched law of all does that."""
    rng = np.random.default_rng(3)
    rows = purchases(np.sort(rng.integers(0, 780, 600)), "two ways", "both", prefix="two")
    days = np.where(rng.random(600) < 0.5, 5, 25)
    fitted = fit_lead_times(
        shop(pd.concat([company[0], rows]), pd.concat([company[1], arrivals(rows, days)])).as_of(DAY)
    )
    law = fitted.new_order("two ways", "both")
    chances = [law.cdf(day)[0] for day in (4, 5, 24, 25)]
    assert chances[0] < 0.1
    assert chances[1] > 0.4
    assert chances[2] < 0.65
    assert chances[3] > 0.9


def test_the_rest_is_drawn_after_its_gap():
    rows = purchases(np.arange(0, 819, 3), qty=10.0)
    received = pd.concat([arrivals(rows, 8, qty=4.0), arrivals(rows, 14, qty=6.0)])
    past = shop(rows, received).as_of(DAY)
    fitted = fit_lead_times(past)
    supply = forecast_supply(past, fitted)
    draws = supply.draws(200, seed=1)
    split = draws["first_qty"] < supply.purchases["open_qty"].to_numpy()[:, None]
    begun = (supply.purchases["received_qty"] > 0).to_numpy()
    assert split[~begun].mean() > 0.9
    assert np.median((draws["rest"] - draws["first"])[split]) == 6
    assert (draws["first_qty"][split] == 4).all()


def test_where_nothing_was_ever_received_what_was_stated_counts():
    rows = purchases(np.repeat([812, 815], 6))
    rows["promised_date"] = rows["ordered_at"] + pd.Timedelta(days=14)
    fitted = fit_lead_times(shop(rows, arrivals(rows, 10**4)).as_of(DAY))
    assert sorted(fitted.remaining.quantile_array([0.5])[:, 0]) == [6] * 6 + [9] * 6
    assert fitted.new_order("s", "x").quantile_array([0.1, 0.5, 0.9]).tolist() == [[14, 14, 14]]
    assert "nothing was ever received" in fitted.notes[0]


def test_lines_of_one_purchase_that_come_together_count_like_one():
    """Eighty lines of four slow purchases against eighty quick ones by themselves: the law is not half slow."""
    quick = purchases(np.linspace(0, 700, 80).astype(int), prefix="q").assign(po_id=[f"one{i}" for i in range(80)])
    slow = purchases(np.repeat([100, 300, 500, 700], 20), prefix="s").assign(po_id=np.repeat(list("abcd"), 20))
    both = pd.concat([quick, slow])
    fitted = fit_lead_times(shop(both, pd.concat([arrivals(quick, 10), arrivals(slow, 40)])).as_of(DAY))
    assert 0.85 < fitted.new_order("s", "x").cdf(20)[0] < 0.995


def test_old_purchases_fade():
    old, new = purchases(np.arange(0, 400, 4), prefix="o"), purchases(np.arange(400, 800, 4), prefix="n")
    data = shop(pd.concat([old, new]), pd.concat([arrivals(old, 10), arrivals(new, 20)]))
    shares, steady = [], {"choose_memory": False, "slow_change": False}
    for half_life in (None, 730, 90):
        config = data.config.merged(data.config.model_dump(), {"lead_time": steady | {"half_life_days": half_life}})
        law = fit_lead_times(Dataset.of(data.tables, config=config).as_of(DAY)).new_order("s", "x")
        shares.append(law.cdf(15)[0])
    assert shares[0] == pytest.approx(0.5, abs=0.1)
    assert 0.3 < shares[1] < shares[0]
    assert shares[2] < 0.15


def with_settings(data, **settings):
    config = data.config.merged(data.config.model_dump(), {"lead_time": settings})
    return Dataset.of(data.tables, config=config)


def test_a_stated_date_that_tells_is_believed_and_one_that_does_not_is_not():
    """One supplier states half of what it takes, short and long jobs alike; the other states anything."""
    rng = np.random.default_rng(4)
    told = purchases(np.arange(0, 819, 3), "honest", "a", prefix="h")
    idle = purchases(np.arange(0, 819, 3), "idle", "b", prefix="i")
    job = rng.lognormal(0, 0.5, len(told))
    took = np.ceil(20 * job * rng.lognormal(0, 0.1, len(told)))
    told["promised_date"] = told["ordered_at"] + pd.to_timedelta(np.ceil(10 * job), "D")
    idle["promised_date"] = idle["ordered_at"] + pd.to_timedelta(np.ceil(10 * rng.permutation(job)), "D")
    came = [arrivals(told, took), arrivals(idle, np.ceil(20 * rng.lognormal(0, 0.1, len(idle))))]
    fitted = fit_lead_times(shop(pd.concat([told, idle]), pd.concat(came)).as_of(DAY))
    assert fitted.family.beta[0] > 0.85
    assert fitted.family.beta[1] < 0.15
    # a long job is known to be long while it is young, and is not overdue for being past its stated date
    new = pd.concat([told.assign(po_line_id="new" + told["po_line_id"]).tail(2)])
    new["promised_date"] = new["ordered_at"] + pd.to_timedelta([5, 30], "D")
    fitted = fit_lead_times(shop(pd.concat([told, idle, new]), pd.concat(came)).as_of(DAY))
    p50 = fitted.remaining_first.quantile([0.5]).set_index("po_line_id")["p50_date"]
    took = (p50[new["po_line_id"]].to_numpy() - new["ordered_at"].to_numpy()) / np.timedelta64(1, "D")
    assert took == pytest.approx([10, 60], rel=0.2)


def test_a_place_that_is_far_takes_longer_from_the_same_supplier():
    rng = np.random.default_rng(6)
    rows = purchases(np.sort(rng.integers(0, 780, 600)), item=[f"i{i % 40}" for i in range(600)])
    rows["location_id"] = np.where(rng.random(600) < 0.5, "near", "far")
    days = np.ceil(np.where(rows["location_id"] == "far", 20, 10) * rng.lognormal(0, 0.2, 600))
    fitted = fit_lead_times(shop(rows, arrivals(rows, days)).as_of(DAY))
    where = pd.Series(["near", "far"])
    place = fitted.rows(pd.Series(["s", "s"]), pd.Series(["i1", "i1"]), where)
    near, far = ((fitted.laws[row] < 0.5).sum() for row in place)
    assert (near, far) == (pytest.approx(10, abs=1.5), pytest.approx(20, abs=3))
    both = (fitted.laws[fitted.rows(pd.Series(["s"]), pd.Series(["i1"]))[0]] < 0.5).sum()
    assert near < both < far


def test_lead_times_that_lengthen_are_followed():
    rng = np.random.default_rng(7)
    placed = np.sort(rng.integers(0, 820, 4000))
    rows = purchases(placed, item=[f"i{i % 30}" for i in range(4000)])
    days = np.ceil(15 * (1 + placed / 820) * rng.lognormal(0, 0.25, 4000))
    data = shop(rows, arrivals(rows, days))
    slow = fit_lead_times(data.as_of(DAY)).new_order("s", "i1").quantile_array([0.5])[0, 0]
    steady = with_settings(data, slow_change=False, choose_memory=False)
    mean = fit_lead_times(steady.as_of(DAY)).new_order("s", "i1").quantile_array([0.5])[0, 0]
    assert slow == pytest.approx(30, abs=2.5)
    assert mean < 25
    # what past days show to be better is taken, whatever the settings say
    chosen = fit_lead_times(with_settings(data, slow_change=False).as_of(DAY))
    assert chosen.memory != "all purchases count alike, no slow change"
    assert chosen.new_order("s", "i1").quantile_array([0.5])[0, 0] > mean + 2


def test_what_was_under_way_when_the_log_began_does_not_lengthen_lead_times():
    """Purchases of the first days are known only where they were still open a month later."""
    rng = np.random.default_rng(9)
    rows = purchases(np.sort(rng.integers(0, 400, 3000)))
    days = np.ceil(rng.gamma(4.0, 5.0, 3000))
    # the log of receipts begins on day 60
    known = rows["ordered_at"] + pd.to_timedelta(days, "D") >= START + pd.Timedelta(days=60)
    fitted = fit_lead_times(shop(rows[known], arrivals(rows[known], days[known])).as_of(START + pd.Timedelta(days=200)))
    truth = np.quantile(np.ceil(rng.gamma(4.0, 5.0, 100_000)), [0.1, 0.5, 0.9])
    assert fitted.new_order("s", "x").quantile_array([0.1, 0.5, 0.9])[0] == pytest.approx(truth, abs=1.5)


def test_forecasts_of_past_days_correct_todays():
    """From a day shortly before the end on purchases come at a quarter of the speed: later than was said."""
    rng = np.random.default_rng(10)
    placed = np.sort(rng.integers(0, 818, 6000))
    rows = purchases(placed, item=[f"i{i % 30}" for i in range(6000)])
    due, turn = placed + np.ceil(rng.gamma(9.0, 2.0, 6000)), 600
    days = np.where(due > turn, np.maximum(turn, placed) + 4 * (due - np.maximum(turn, placed)), due) - placed
    data = with_settings(shop(rows, arrivals(rows, days)), slow_change=False, choose_memory=False)
    fitted = fit_lead_times(data.as_of(START + pd.Timedelta(days=700)))
    shift = fitted.correction.by_state[0][0]
    assert shift < -0.2
    assert (np.diff(fitted.next_table, axis=1) >= 0).all()
    off = with_settings(data, slow_change=False, choose_memory=False, recalibrate=False)
    plain = fit_lead_times(off.as_of(START + pd.Timedelta(days=700)))
    assert (plain.next_table == fitted.plain_table).all()
    p50 = [(x < 0.5).sum(axis=1).mean() for x in (fitted.next_table, plain.next_table)]
    assert p50[0] > p50[1]


def test_past_days_forecast_once_serve_other_days_too(company):
    """Days of one data set share what they said of earlier ones; it changes no number."""
    data = shop(*company[:2])
    days = [DAY - pd.Timedelta(days=28), DAY]
    together = [fit_lead_times(data.as_of(day)) for day in days]
    alone = [fit_lead_times(shop(*company[:2]).as_of(day)) for day in days]
    assert len(next(iter(data.memo.values()))) > 6
    for shared, fresh in zip(together, alone, strict=True):
        assert (shared.next_table == fresh.next_table).all()
        assert (shared.correction, shared.alike, shared.memory) == (fresh.correction, fresh.alike, fresh.memory)


def test_too_little_history_corrects_nothing_and_says_so():
    rows = purchases(np.arange(700, 820, 2))
    fitted = fit_lead_times(shop(rows, arrivals(rows, 13)).as_of(DAY))
    assert fitted.correction.by_state == ((0.0, 1.0), (0.0, 1.0))
    assert any("not corrected" in note for note in fitted.notes)


@pytest.fixture(scope="module")
def late_together():
    """Forty suppliers; what is due at one of them in the same two months is late by the same factor."""
    rng = np.random.default_rng(11)
    rows = pd.concat([purchases(np.sort(rng.integers(0, 820, 300)), f"s{s}", prefix=f"{s}_") for s in range(40)])
    placed = (rows["ordered_at"] - START).dt.days.to_numpy()
    house = np.repeat(np.arange(40), 300)
    factor = rng.lognormal(0, 0.4, (40, 14))[house, placed // 60]
    days = np.ceil(40 * factor * rng.lognormal(0, 0.3, len(rows)))
    settings = {"slow_change": False, "choose_memory": False}
    past = with_settings(shop(rows, arrivals(rows, days)), **settings).as_of(DAY)
    return past, fit_lead_times(past)


def test_purchases_of_one_supplier_are_late_together(late_together, company, fitted):
    past, shared = late_together
    assert 0.2 < shared.alike < 0.8
    assert fitted.alike < 0.1  # the fixture's are late for themselves
    supply = forecast_supply(past, shared)
    draws = supply.draws(2000, seed=3)["first"].astype(float)
    late = draws > np.median(draws, axis=1, keepdims=True)
    owner = supply.purchases["supplier_id"].to_numpy()
    score = np.corrcoef(late)
    same = owner[:, None] == owner[None, :]
    np.fill_diagonal(same, False)
    # of a bivariate normal, indicators of the upper half correlate with 2 arcsin(r) / pi
    assert score[same].mean() == pytest.approx(2 * np.arcsin(shared.alike) / np.pi, abs=0.06)
    assert abs(score[owner[:, None] != owner[None, :]].mean()) < 0.01
    # each purchase's own law is as it was
    law = shared.remaining_first.table
    share = np.stack([(draws <= d).mean(axis=1) for d in (5, 20, 60)], axis=1)
    assert np.abs(share - law[:, [4, 19, 59]]).max() < 5 * 0.5 / np.sqrt(2000)


def test_draws_that_are_late_together_depend_on_nobody_else(late_together):
    past, shared = late_together
    supply = forecast_supply(past, shared)
    every = supply.draws(40, seed=3)
    some = np.flatnonzero(supply.purchases["supplier_id"].isin(["s3", "s17"]))[::-1]
    fewer = dataclasses.replace(shared, purchases=supply.purchases.iloc[some].reset_index(drop=True))
    assert (forecast_supply(past, fewer).draws(40, seed=3) == every[some]).all()
