"""Suppliers that shut: time counted without these days, laws laid out on the calendar ahead, against a known truth."""

import numpy as np
import pandas as pd
import pytest

from backorder_forecast.dataset import Dataset
from backorder_forecast.lead_time import fit_lead_times
from backorder_forecast.lead_time.closures import LAGS, supplier_closures
from backorder_forecast.supply import forecast_supply

START = pd.Timestamp("2023-01-02")
SHUT = np.concatenate([np.arange(a, a + 24) for a in (180, 545, 910)])  # once a year, as days from START
DAYS = 1200


def works(shut=SHUT):
    """Whether the supplier works on each day."""
    return ~np.isin(np.arange(DAYS + 1000), shut)


def received_on(placed, takes, shut=SHUT):
    """Days on which what takes so many working days comes, by counting them one by one."""
    open_day, out = works(shut), []
    for begin, left in zip(placed.tolist(), takes.tolist(), strict=True):
        day = begin + int(not open_day[begin])
        while left > 0 or not open_day[day]:
            day += 1
            left -= int(open_day[day])
        out.append(day)
    return np.array(out)


def calendar(shut=SHUT, suppliers=("s0", "s1", "s2")):
    rows = [pd.DataFrame({"date": START + pd.to_timedelta(shut, "D"), "supplier_id": x}) for x in suppliers]
    return pd.concat(rows).assign(working=False)


def bought(seed, n=500, suppliers=6, mean=30.0, shut=SHUT):
    """Purchases of six suppliers, three of whom shut; the day on which each comes."""
    rng = np.random.default_rng(seed)
    parts = []
    for s in range(suppliers):
        placed = np.sort(rng.integers(0, DAYS, n))
        takes = np.maximum(1, np.ceil(rng.gamma(16.0, mean / 16.0, n))).astype(int)
        came = received_on(placed, takes, shut) if s < 3 else placed + takes
        ids = [f"p{s}_{i}" for i in range(n)]
        parts.append(pd.DataFrame({"po_line_id": ids, "item_id": f"i{s}", "supplier_id": f"s{s}", "qty": 5.0,
                                   "ordered_at": START + pd.to_timedelta(placed, "D"), "came": came}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def known(rows, day, **tables):
    received = rows[["po_line_id", "qty"]].assign(received_at=START + pd.to_timedelta(rows["came"], "D"))
    data = Dataset.of({"purchase_lines": rows.drop(columns="came"), "receipts": received, **tables})
    settings = {"lead_time": {"choose_memory": False, "slow_change": False, "rehearsals": 0}}
    return Dataset.of(data.tables, config=data.config.merged(data.config.model_dump(), settings)).as_of(
        START + pd.Timedelta(days=day)
    )


def transforms(fitted, rows, day):
    """Interval of its law in which each open purchase of the suppliers that shut came."""
    open_rows = fitted.open_rows
    came = rows.set_index("po_line_id")["came"].reindex(open_rows["po_line_id"].array).to_numpy() - day
    table = np.concatenate([np.zeros((len(came), 1)), fitted.next_table, np.ones((len(came), 1))], axis=1)
    mine = open_rows["supplier_id"].isin(["s0", "s1", "s2"]).to_numpy()
    at = np.arange(len(came))
    return table[at, came - 1][mine], table[at, came][mine]


def covered(intervals, level):
    low, high = (np.concatenate(x) for x in zip(*intervals, strict=True))
    return np.clip((level - low) / np.maximum(high - low, 1e-12), 0, 1).mean()


def test_open_purchases_across_a_closure_are_calibrated_where_the_calendar_is_told():
    told, blind = [], []
    for seed in (1, 2, 3):
        rows = bought(seed)
        for day in (900, 920):  # before the third closure, and within it
            for found, tables in ((told, {"calendar": calendar()}), (blind, {})):
                fitted = fit_lead_times(known(rows, day, **tables))
                found.append(transforms(fitted, rows, day))
    right, wrong = ([covered(x, level) for level in (0.1, 0.5, 0.9)] for x in (told, blind))
    assert right == pytest.approx([0.1, 0.5, 0.9], abs=0.04)
    assert np.abs(np.array(wrong) - [0.1, 0.5, 0.9]).max() > 0.2


def test_nothing_comes_while_its_supplier_is_shut_and_the_rest_waits_as_long():
    rows = bought(1)
    past = known(rows, 900, calendar=calendar())
    fitted = fit_lead_times(past)
    shut = np.isin(900 + np.arange(1, 181), SHUT)
    step = np.diff(fitted.next_table, prepend=0.0, axis=1)
    closes = fitted.open_rows["supplier_id"].isin(["s0", "s1", "s2"]).to_numpy()
    assert np.abs(step[closes][:, shut]).max() == 0.0
    assert step[closes].sum() > 0
    assert step[~closes][:, shut].sum() > 1
    # the law is that of its working days, laid out on the calendar
    open_days, counted = ~shut, np.arange(180) - np.cumsum(shut)
    plain = fit_lead_times(known(rows, 900, calendar=calendar(SHUT[SHUT < 900])))
    laid_out = plain.next_table[closes][:, counted[open_days]]
    assert fitted.next_table[closes][:, open_days] == pytest.approx(laid_out)
    # what is ordered today takes the closure's days longer
    said = [x.new_order("s0", "i0").quantile_array([0.5])[0, 0] for x in (fitted, plain)]
    assert said[0] == said[1] + 24
    draws = forecast_supply(past, fitted).draws(200, seed=1)
    drawn = draws["first"][closes]
    assert not np.isin(drawn, np.flatnonzero(shut) + 1).any()


def test_the_rest_of_what_came_in_part_waits_for_its_supplier():
    rows = bought(2)
    rows["qty"] = 10.0
    cut = rows[rows["came"] + 15 < DAYS]
    later = cut.assign(came=received_on(cut["came"].to_numpy(), np.full(len(cut), 6)))
    both = pd.concat([rows.assign(part=4.0), later.assign(part=6.0)])
    received = both[["po_line_id"]].assign(qty=both["part"], received_at=START + pd.to_timedelta(both["came"], "D"))
    past = Dataset.of({"purchase_lines": rows.drop(columns="came"), "receipts": received,
                       "calendar": calendar()}).as_of(START + pd.Timedelta(days=900))  # fmt: skip
    fitted = fit_lead_times(past)
    supply = forecast_supply(past, fitted)
    draws = supply.draws(400, seed=1)
    closes = supply.purchases["supplier_id"].isin(["s0", "s1", "s2"]).to_numpy()
    split = (draws["first_qty"] < 10.0) & (draws["rest"] <= 180) & closes[:, None]
    first, rest = draws["first"][split], draws["rest"][split]
    open_days = works()[900:].cumsum()
    assert np.median(open_days[rest] - open_days[first]) == 6
    assert works()[900 + rest].all()
    # drawn as the law says
    parted = draws["first_qty"] < supply.purchases["open_qty"].to_numpy()[:, None]
    last = np.where(parted, draws["rest"], draws["first"])
    share = np.stack([(last <= d).mean(axis=1) for d in (20, 40, 60)], axis=1)
    assert np.abs(share - fitted.remaining.table[:, [19, 39, 59]]).max() < 5 * 0.5 / np.sqrt(400)


def of_one(rows, shut, day=1000):
    past = known(rows, day, calendar=calendar(shut, ("s0",)))
    lines = past.purchases
    first = lines["ordered_at"].min().to_datetime64().astype("datetime64[D]")
    return supplier_closures(past, lines, first, 1400)


def test_a_closure_is_looked_for_where_receipts_feel_it():
    """Goods are at sea for three weeks: what left before the holiday comes during it, and nothing three weeks later."""
    rows = bought(4, suppliers=1, shut=SHUT + 21)
    found = of_one(rows, SHUT)
    assert 21 in LAGS
    assert shut_days(found).tolist() == (SHUT + 21).tolist()
    assert shut_days(of_one(bought(4, suppliers=1), SHUT)).tolist() == SHUT.tolist()


def shut_days(found):
    """Days from START on which the first supplier is shut."""
    return np.flatnonzero(np.diff(found.shut_before[0])) - found.place(pd.Series([START]))[0]


def test_a_closure_that_nobody_feels_is_none():
    rows = bought(5, suppliers=1, shut=np.array([5000]))
    found = of_one(rows, SHUT)
    assert not found.any
    assert "closures of 1 suppliers" in found.notes[0]
    plain, told = (fit_lead_times(known(rows, 1000, **x)) for x in ({}, {"calendar": calendar(SHUT, ("s0",))}))
    assert (plain.next_table == told.next_table).all()
    assert any("closures" in x for x in told.notes)


def test_days_are_counted_as_one_by_one():
    rows = bought(6)
    past = known(rows, 950, calendar=calendar())
    found = supplier_closures(past, past.purchases, START.to_datetime64().astype("datetime64[D]"), 1400)
    rng = np.random.default_rng(1)
    begin, days = rng.integers(0, 1000, 50), rng.integers(0, 300, 50)
    supplier = pd.Series(rng.choice(["s0", "s4", "nobody"], 50))
    slow = [sum(d in set(SHUT.tolist()) for d in range(b, b + n)) if s == "s0" else 0
            for b, n, s in zip(begin.tolist(), days.tolist(), supplier, strict=True)]  # fmt: skip
    assert found.shut(found.rows(supplier), begin, days).tolist() == slow


def test_a_calendar_of_somebody_else_changes_nothing():
    rows = bought(7, n=150)
    plain = fit_lead_times(known(rows, 900))
    other = fit_lead_times(known(rows, 900, calendar=calendar(suppliers=("not ours",))))
    assert (plain.next_table == other.next_table).all()
    assert (plain.laws == other.laws).all()
