"""How suppliers have delivered: curves and punctuality by hand, beside statsmodels, and with purchases still open."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight

import backorder_forecast as bf
from backorder_forecast.lead_time.punctual import punctuality
from backorder_forecast.suppliers import lifetimes, log_begins

DAY = pd.Timestamp("2026-03-31")


def day(n):
    """So many days before DAY; None: no date."""
    return pd.NaT if n is None else DAY - pd.Timedelta(days=n)


def company(rows, gone=(), config=None, **more):
    """Purchase lines (id, order, supplier, ordered, stated, [(received, units), …]) in days before DAY, of 10 units."""
    bought = pd.DataFrame(
        [(line, order, supplier, day(ordered), day(stated)) for line, order, supplier, ordered, stated, _ in rows],
        columns=["po_line_id", "po_id", "supplier_id", "ordered_at", "promised_date"],
    ).assign(item_id="x", qty=10.0, **more)
    received = [(row[0], day(when) + pd.Timedelta(hours=15), qty) for row in rows for when, qty in row[5]]
    came = pd.DataFrame(received, columns=["po_line_id", "received_at", "qty"])
    tables = {"purchase_lines": bought, "receipts": came}
    if gone:
        cancelled = [(line, day(when), qty) for line, when, qty in gone]
        tables["purchase_cancellations"] = pd.DataFrame(cancelled, columns=["po_line_id", "cancelled_at", "qty"])
    return bf.Dataset.of(tables, bf.Config(**(config or {}))).as_of(DAY)


def made_up(n=900, seed=1, suppliers=4, lines=1):
    """Purchases of known lead times (gamma), `lines` alike in an order, as known on DAY."""
    rng = np.random.default_rng(seed)
    order = np.repeat(np.arange(n), lines)
    ordered = np.repeat(rng.integers(0, 400, n), lines)
    took = np.repeat(np.maximum(rng.gamma(4, 8, n).astype(int), 1), lines)
    rows = [
        (f"p{k}", f"o{o}", f"s{o % suppliers}", a, a - 30, [(a - t, 10.0)] if t <= a else [])
        for k, (o, a, t) in enumerate(zip(order, ordered, took, strict=True))
    ]
    return company(rows)


# ------------------------------------------------------------------------------------------------ punctuality

JUDGED = [
    # line, ordered, stated, receipts, cancelled (when, units); due, kept, slip
    ("on_the_day", 40, 10, [(10, 10)], None, (True, 1, 0)),
    ("early", 40, 10, [(20, 10)], None, (True, 1, -10)),
    ("late", 40, 10, [(3, 10)], None, (True, 0, 7)),
    ("last_piece_late", 40, 10, [(20, 5), (4, 5)], None, (True, 0, 6)),
    ("open_past_it", 40, 10, [], None, (True, 0, 11)),  # tomorrow at the soonest
    ("part_still_open", 40, 10, [(12, 4)], None, (True, 0, 11)),
    ("due_today_and_open", 40, 0, [], None, (True, 0, 1)),
    ("not_due", 40, -5, [], None, (False, None, None)),
    ("came_before_its_date_that_lies_ahead", 40, -5, [(7, 10)], None, (False, None, None)),
    ("undated", 40, None, [(7, 10)], None, (False, None, None)),
    ("cancelled_in_time", 40, 10, [], (10, 10), (False, None, None)),
    ("cancelled_when_late", 40, 10, [], (6, 10), (True, 0, 4)),
    ("closed_short", 40, 10, [(12, 4)], (2, 6), (True, 1, -2)),
]


def judged_company():
    rows = [(name, name, "s", ordered, stated, receipts) for name, ordered, stated, receipts, _, _ in JUDGED]
    return company(rows, [(name, *gone) for name, _, _, _, gone, _ in JUDGED if gone])


def test_punctuality_case_by_case():
    past = judged_company()
    found = punctuality(past.purchases, DAY).set_index(past.purchases["po_line_id"])
    for name, *_, (due, kept, slip) in JUDGED:
        assert bool(found.loc[name, "due"]) is due, name
        for value, expected in ((found.loc[name, "kept"], kept), (found.loc[name, "slip_days"], slip)):
            assert np.isnan(value) if expected is None else value == expected, name


def test_the_scorecard_and_lead_times_count_open_purchases_as_what_they_are():
    past = judged_company()
    card = bf.supplier_scorecard(past)
    assert len(card) == 1
    row = card.iloc[0]
    due = [x[-1] for x in JUDGED if x[-1][0]]
    assert (row["n_due"], row["on_time_rate"]) == (9, pytest.approx(3 / 9))
    assert row["bias_days"] == pytest.approx(np.mean([slip for _, _, slip in due]))
    # received at all, even in part; open; open and past the date in force
    assert (row["n_received"], row["n_open"], row["n_overdue"]) == (8, 4, 3)
    table = bf.fit_lead_times(past).table().iloc[0]
    assert (table["on_time_rate"], table["bias_days"]) == (row["on_time_rate"], row["bias_days"])


def test_overdue_is_by_the_date_in_force_and_on_time_by_the_first():
    rows = [("moved", "a", "s", 40, 10, []), ("kept_the_new_one", "b", "s", 40, 10, [(6, 10)])]
    past = company(rows)
    moved = pd.DataFrame({"po_line_id": ["moved", "kept_the_new_one"], "stated_at": day(15),
                          "promised_date": [day(-20), day(5)]})  # fmt: skip
    tables = {name: past.tables[name] for name in ("purchase_lines", "receipts")}
    card = bf.supplier_scorecard(bf.Dataset.of(tables | {"purchase_promises": moved}).as_of(DAY)).iloc[0]
    assert (card["n_open"], card["n_overdue"], card["on_time_rate"]) == (1, 0, 0.0)


def test_the_share_on_time_is_right_though_the_late_are_still_open():
    """Received purchases alone, or all that have come whatever is due, would flatter."""
    past = made_up(4000, suppliers=1)
    true = stats.gamma.cdf(31, 4, scale=8)  # 30 days stated, whole days
    row = bf.supplier_scorecard(past).iloc[0]
    assert row["on_time_low"] <= true <= row["on_time_high"]
    assert row["on_time_rate"] == pytest.approx(true, abs=0.025)
    done = past.purchases[past.purchases["open_qty"] <= 0]
    flattering = (done["last_received_at"].dt.floor("D") <= done["first_promised_date"]).mean()
    assert flattering - true > 0.01
    assert row["p90_low_days"] <= stats.gamma.ppf(0.9, 4, scale=8) <= row["p90_high_days"] + 1


# ------------------------------------------------------------------------------------------------ curves


def test_lifetimes_by_hand():
    rows = [
        ("came", "a", "s", 40, 10, [(20, 10)]), ("in_pieces", "b", "s", 40, 10, [(30, 4), (12, 6)]),
        ("open", "c", "s", 15, 3, []), ("half_open", "d", "s", 25, 3, [(20, 5)]), ("gone", "e", "s", 33, 3, []),
        ("short", "f", "s", 39, 3, [(31, 5)]), ("same_day", "g", "s", 8, 3, [(8, 10)]),
    ]  # fmt: skip
    found = lifetimes(company(rows, [("gone", 30, 10), ("short", 10, 5)])).set_index("po_id")
    expected = {"a": (20, True), "b": (28, True), "c": (15, False), "d": (25, False), "e": (3, False), "f": (8, True),
                "g": (0, True)}  # fmt: skip
    assert {x: (found.loc[x, "days"], found.loc[x, "ended"]) for x in expected} == expected
    # the log begins 31 days before DAY: what was placed before was first seen at the end of the 32nd
    assert found["entry"].to_dict() == {"a": 8, "b": 8, "c": -1, "d": -1, "e": 1, "f": 7, "g": -1}


def test_days_are_counted_from_the_confirmation_where_asked():
    rows = [("a", "a", "s", 40, 10, [(20, 10)]), ("b", "b", "s", 30, 10, [(20, 10)])]
    confirmed = {"confirmed_at": [day(35), pd.NaT]}
    assert lifetimes(company(rows, **confirmed))["days"].tolist() == [20, 10]
    asked = company(rows, config={"lead_time": {"clock": "confirmed_at"}}, **confirmed)
    assert lifetimes(asked)["days"].tolist() == [15, 10]


def test_curves_are_those_of_statsmodels_with_ties_and_truncation():
    past = made_up(3000, suppliers=2)
    late = past.purchases["ordered_at"] >= DAY - pd.Timedelta(days=300)  # the log of receipts begins mid-life
    received = past.tables["receipts"]
    begins = DAY - pd.Timedelta(days=300)
    kept = received[received["received_at"] >= begins]
    lines = past.tables["purchase_lines"].sort_values("po_line_id", ignore_index=True)
    there = late | past.purchases["po_line_id"].isin(kept["po_line_id"]) | (past.purchases["open_qty"] > 0)
    cut = bf.Dataset.of({"purchase_lines": lines[there.to_numpy()], "receipts": kept}).as_of(DAY)
    assert log_begins(cut) >= begins
    frame, rows = bf.supplier_survival(cut), lifetimes(cut)
    assert (rows["entry"] >= 0).sum() > 20
    for supplier, own in rows.groupby("supplier_id"):
        theirs = SurvfuncRight(own["days"], own["ended"].astype(float), entry=own["entry"])
        ours = frame[frame["supplier_id"] == supplier].iloc[1:]
        assert ours["days"].tolist() == theirs.surv_times.tolist()
        assert ours["open_prob"].to_numpy() == pytest.approx(theirs.surv_prob, abs=1e-12)
        assert ours["n_risk"].tolist() == theirs.n_risk.tolist()
        half = bf.supplier_scorecard(cut).set_index("supplier_id").loc[supplier]
        with np.errstate(divide="ignore", invalid="ignore"):
            bands = {q: theirs.quantile_ci(q / 100) for q in (50, 90)}
        for q, (low, high) in bands.items():
            assert half[f"p{q}_low_days"] == low
            assert half[f"p{q}_high_days"] == high or (np.isnan(half[f"p{q}_high_days"]) and high == np.inf)
    # without entries the early, slow ones would seem to have been watched from the start
    blind = SurvfuncRight(rows["days"], rows["ended"].astype(float))
    honest = SurvfuncRight(rows["days"], rows["ended"].astype(float), entry=rows["entry"])
    assert blind.quantile(0.5) >= honest.quantile(0.5)


def test_quantiles_are_the_first_day_on_which_enough_had_come():
    rows = [(f"p{k}", f"o{k}", "s", 50, None, [(50 - k, 10.0)]) for k in (10, 20, 30, 40)]
    card = bf.supplier_scorecard(company(rows)).iloc[0]
    assert (card["p50_days"], card["p90_days"]) == (20, 40)  # half had come after exactly 20 days
    assert card[["on_time_rate", "on_time_low", "bias_days"]].isna().all()
    waiting = [("w1", "w1", "s", 60, None, []), ("w2", "w2", "s", 60, None, [])]
    card = bf.supplier_scorecard(company(rows + waiting)).iloc[0]
    assert (card["p50_days"], np.isnan(card["p90_days"])) == (30, True)


def test_a_curve_does_not_die_of_the_first_that_were_seen():
    """The only line at risk ends before others enter: what was learned of so early a day would make the curve 0."""
    rows = [("first", "a", "s", 50, None, [(45, 10.0)])]  # the log begins with it
    rows += [(f"p{k}", f"o{k}", "s", 60, None, [(60 - k, 10.0)]) for k in (20, 30, 40, 50)]
    curve = bf.supplier_survival(company(rows))
    assert curve["days"].tolist() == [0, 20, 30, 40, 50]
    assert curve["open_prob"].tolist() == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])
    # nor of the last of those watched from the start, where an older one took longer
    rows = [("log", "l", "t", 99, None, [(98, 10.0)]), ("old", "a", "s", 160, None, [(90, 10.0)])]
    rows += [(f"p{k}", f"o{k}", "s", 60, None, [(60 - k, 10.0)]) for k in (20, 30, 40)]
    curve = bf.supplier_survival(company(rows)).query("supplier_id == 's'")
    assert curve["days"].tolist() == [0, 20, 30, 70]
    assert curve["open_prob"].tolist() == pytest.approx([1.0, 2 / 3, 1 / 3, 0.0])


def test_lines_of_one_order_do_not_narrow_the_band():
    alone = made_up(300, suppliers=1)
    thrice = made_up(300, suppliers=1, lines=3)
    one, three = bf.supplier_survival(alone), bf.supplier_survival(thrice)
    assert three["n_risk"].tolist() == (3 * one["n_risk"]).tolist()
    inner = one["open_prob"].between(0.02, 0.98).to_numpy()
    for end in ("low", "high"):
        assert three.loc[inner, end].to_numpy() == pytest.approx(one.loc[inner, end].to_numpy(), abs=0.004)
    # as if they were independent the band would be narrower by the root of three
    apart = thrice.tables["purchase_lines"].assign(po_id=None)
    apart = bf.Dataset.of({"purchase_lines": apart, "receipts": thrice.tables["receipts"]}).as_of(DAY)
    narrow = bf.supplier_survival(apart)[inner]
    ratio = (three["high"] - three["low"])[inner].mean() / (narrow["high"] - narrow["low"]).mean()
    assert ratio == pytest.approx(np.sqrt(3), rel=0.05)
    shares = [bf.supplier_scorecard(x).iloc[0] for x in (alone, thrice)]
    for end in ("on_time_low", "on_time_high"):
        assert shares[1][end] == pytest.approx(shares[0][end], abs=1e-9)


def test_bands_cover_the_true_curve_in_nineteen_of_twenty():
    inside = []
    for seed in range(120):
        curve = bf.supplier_survival(made_up(60, seed, suppliers=1, lines=2))
        for at in (20, 35, 50):
            row, true = curve[curve["days"] <= at].iloc[-1], stats.gamma.sf(at + 1, 4, scale=8)
            inside.append(row["low"] <= true <= row["high"])
    assert 0.9 < np.mean(inside) < 0.985


@pytest.mark.parametrize("blocks", [1 << 21, 64])
def test_the_design_effect_does_not_depend_on_how_lines_are_cut(monkeypatch, blocks):
    from backorder_forecast import suppliers

    past = made_up(80, suppliers=1, lines=3)
    whole = bf.supplier_survival(past)
    monkeypatch.setattr(suppliers, "_CELLS", blocks)
    pd.testing.assert_frame_equal(bf.supplier_survival(past), whole)


def test_no_purchases_and_none_received():
    nothing = company([])
    assert bf.supplier_survival(nothing).empty
    assert bf.supplier_scorecard(nothing).empty
    waiting = company([("w", "o", "s", 20, 5, [])])
    assert bf.supplier_survival(waiting)[["days", "open_prob", "n_risk"]].to_numpy().tolist() == [[0, 1, 1]]
    row = bf.supplier_scorecard(waiting).iloc[0]
    assert (row["n_received"], row["n_overdue"], row["on_time_rate"]) == (0, 1, 0.0)
    assert row[["p50_days", "p90_days"]].isna().all()
    assert 0 < row["on_time_high"] < 1


def test_less_sure_bands_are_narrower_by_as_much_as_a_normal_law_says():
    wide, narrow = (bf.supplier_survival(made_up(300, suppliers=1), level) for level in (0.95, 0.8))

    def reach(frame):
        inner = frame[frame["open_prob"].between(0.05, 0.95)]
        return (np.log(-np.log(inner["low"])) - np.log(-np.log(inner["open_prob"]))).to_numpy()

    assert reach(wide) / reach(narrow) == pytest.approx(stats.norm.ppf(0.975) / stats.norm.ppf(0.9))


def test_order_of_rows_changes_nothing():
    past = made_up(200, lines=2)
    turned = {name: past.tables[name].iloc[::-1] for name in ("purchase_lines", "receipts")}
    again = bf.Dataset.of(turned).as_of(DAY)
    pd.testing.assert_frame_equal(bf.supplier_survival(again), bf.supplier_survival(past))
    pd.testing.assert_frame_equal(bf.supplier_scorecard(again), bf.supplier_scorecard(past))


def test_the_table_of_lead_times_says_who_is_stuck_and_who_is_erratic():
    rows = [(f"q{k}", f"q{k}", "quick", k, None, [(k - 10, 10.0)]) for k in range(20, 400, 4)]
    took = {k: 10 if k % 8 else 60 for k in range(60, 400, 4)}
    rows += [(f"e{k}", f"e{k}", "erratic", k, None, [(k - days, 10.0)]) for k, days in took.items()]
    rows += [(f"s{k}", f"s{k}", "stuck", k, None, [(k - 10, 10.0)] if k % 8 else []) for k in range(60, 400, 4)]
    fitted = bf.fit_lead_times(company(rows))
    table = fitted.table().set_index("supplier_id")
    assert table["p90_over_p50"].equals((table["p90_days"] / table["p50_days"]).rename("p90_over_p50"))
    assert table["p90_over_p50"]["quick"] < 1.5 < 3 < table["p90_over_p50"]["erratic"]
    assert table["stuck_prob"]["quick"] < 0.1
    assert table["stuck_prob"]["stuck"] > 0.3
    law = fitted.new_order("stuck", "x")
    assert table["stuck_prob"]["stuck"] == pytest.approx(1 - law.table[0, -1])
