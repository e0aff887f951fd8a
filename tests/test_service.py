"""Working days, handling time and patience, learned from what is known of them and from nothing else."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import backorder_forecast as bf
from backorder_forecast.service import MAX_HANDLING, learn_service

DAY = pd.Timestamp("2026-03-31")  # a Tuesday
MONDAY = pd.Timestamp("2025-01-06")


def learned(config=None, day=DAY, **tables):
    return learn_service(bf.Dataset.of(tables, bf.Config(**(config or {}))).as_of(day))


def lines_on(dates, place="main", item="a", qty=1.0):
    ids = [f"{place}-{item}-{k}" for k in range(len(dates))]
    return pd.DataFrame({"order_id": ids, "line_id": ids, "item_id": item, "location_id": place, "qty": qty,
                         "ordered_at": dates})  # fmt: skip


def left_after(lines, days):
    dates = lines.ordered_at + pd.to_timedelta(days, unit="D")
    return pd.DataFrame({"line_id": lines.line_id, "shipped_at": dates, "qty": lines.qty})


def workdays_later(dates, days):
    shifted = np.busday_offset(np.asarray(dates, "datetime64[D]"), days, "forward")
    return pd.Series(shifted.astype("datetime64[us]"))


def plenty(item):
    before = MONDAY - pd.Timedelta(days=3)
    return pd.DataFrame({"item_id": [item], "location_id": "main", "date": before, "on_hand": 1e6})


def weekdays_of(service, row=0):
    """Whether each weekday is worked on, by the days after the holidays of these tests."""
    days = service.working.ahead(DAY, 60)[row]
    later = pd.date_range(DAY, periods=61)
    return [bool(days[(later.day_of_week == w) & (later > "2026-05-01")].all()) for w in range(7)]


def test_weekdays_are_learned_from_shipments():
    lines = lines_on(pd.date_range(MONDAY, periods=400))
    sent = left_after(lines, 0)
    sent["shipped_at"] = workdays_later(sent.shipped_at, 0)
    sent.loc[5, "shipped_at"] = pd.Timestamp("2025-01-11")  # one stray Saturday
    service = learned(order_lines=lines, shipments=sent)
    assert weekdays_of(service) == [True] * 5 + [False] * 2
    assert "location main: goods leave on Mon, Tue, Wed, Thu, Fri, as in the past" in service.notes
    few = learned(order_lines=lines, shipments=sent[:99])
    assert weekdays_of(few) == [True] * 7
    assert few.notes == ()
    anyway = learned({"queue": {"working_days": "all"}}, order_lines=lines, shipments=sent)
    assert weekdays_of(anyway) == [True] * 7


def test_each_location_has_its_own_weekdays():
    north, south = (lines_on(pd.date_range(MONDAY, periods=300), place=x) for x in ("north", "south"))
    early = left_after(north, 0)
    early["shipped_at"] = workdays_later(early.shipped_at, 0)
    both = pd.concat([early, left_after(south, 0)])
    service = learned(order_lines=pd.concat([north, south]), shipments=both)
    assert service.locations.tolist() == ["north", "south"]
    assert weekdays_of(service, 0) == [True] * 5 + [False] * 2
    assert weekdays_of(service, 1) == [True] * 7


def test_a_calendar_says_more_than_weekdays():
    lines = pd.concat([lines_on(pd.date_range(MONDAY, periods=300), place=x) for x in ("north", "south")])
    sent = left_after(lines, 0)
    sent["shipped_at"] = workdays_later(sent.shipped_at, 0).to_numpy()
    calendar = pd.DataFrame(
        [("2026-04-03", None, None, False), ("2026-04-04", "north", None, True), ("2026-04-06", None, None, False),
         ("2026-04-06", "south", None, True), ("2026-04-07", None, "s1", False), ("2026-04-08", None, None, None)],
        columns=["date", "location_id", "supplier_id", "working"],
    ).astype({"working": "boolean"})  # fmt: skip
    calendar["date"] = pd.to_datetime(calendar["date"])
    for rows in (calendar, calendar[::-1]):
        ahead = learned(order_lines=lines, shipments=sent, calendar=rows).working.ahead(DAY, 10)
        #                        31st 1st  2nd  Fri    Sat    Sun    Mon   7th  8th  9th  10th
        assert ahead[0].tolist() == [True, True, True, False, True, False, False, True, True, True, True]
        assert ahead[1].tolist() == [True, True, True, False, False, False, True, True, True, True, True]


def test_handling_is_learned_from_lines_that_had_stock():
    rng = np.random.default_rng(1)
    dates = MONDAY + pd.to_timedelta(np.sort(rng.integers(0, 400, 3000)), unit="D")
    lines = lines_on(dates)
    took = rng.choice(4, 3000, p=[0.6, 0.25, 0.1, 0.05])
    sent = left_after(lines, 0)
    sent["shipped_at"] = workdays_later(lines.ordered_at, took)
    # an item that has none: its lines wait for three weeks, which is no handling
    starved = lines_on(dates[:500], item="b")
    late = left_after(starved, 0)
    late["shipped_at"] = workdays_later(starved.ordered_at, 15)
    stock = pd.concat([plenty("a"), plenty("b").assign(on_hand=0.0)])
    tables = {"order_lines": pd.concat([lines, starved]), "shipments": pd.concat([sent, late]), "stock": stock}
    service = learned(**tables)
    count = np.bincount(took, minlength=MAX_HANDLING + 1)
    assert service.handling[0] == pytest.approx(np.cumsum(count) / 3000, abs=1e-9)
    assert learned({"queue": {"handling": "none"}}, **tables).handling[0].tolist() == [1] * (MAX_HANDLING + 1)
    # zero where none is seen: no stock table, or too few lines to learn from
    del tables["stock"]
    assert learned(**tables).handling[0].tolist() == [1] * (MAX_HANDLING + 1)
    few = learned(order_lines=lines[:29], shipments=sent[:29], stock=plenty("a"))
    assert few.handling[0].tolist() == [1] * (MAX_HANDLING + 1)


def test_free_days_are_no_handling():
    dates = workdays_later(pd.date_range(MONDAY, periods=300), 0)
    holiday = pd.Timestamp("2025-06-09")  # a Monday
    lines = lines_on(dates)
    shut = lines.ordered_at == holiday
    sent = left_after(lines, 0)
    sent.loc[shut, "shipped_at"] = holiday + pd.Timedelta(days=1)
    calendar = pd.DataFrame({"date": [holiday], "working": pd.array([False], "boolean")})
    assert shut.sum() == 3
    told = learned(order_lines=lines, shipments=sent, stock=plenty("a"), calendar=calendar)
    untold = learned(order_lines=lines, shipments=sent, stock=plenty("a"))
    assert told.handling[0, 0] == 1
    assert untold.handling[0, :2].tolist() == pytest.approx([297 / 300, 1])


def test_long_handling_is_cut_and_pieces_count_whole():
    lines = lines_on(workdays_later(pd.date_range(MONDAY, periods=100), 0), qty=2.0)
    whole = left_after(lines, 0).assign(qty=1.0)
    rest = whole.assign(shipped_at=workdays_later(lines.ordered_at, 2))
    rest.loc[:9, "shipped_at"] = workdays_later(lines.ordered_at[:10], 60).to_numpy()
    found = learned(order_lines=lines, shipments=pd.concat([whole, rest]), stock=plenty("a")).handling[0]
    assert found.tolist() == pytest.approx([0, 0] + [0.9] * (MAX_HANDLING - 2) + [1.0])


def test_patience_by_hand():
    # five lines without stock: two customers leave after 5 and 3 days, one line ships after 8, one still waits
    # after 10, one is cancelled by us after 6: two events in 4 + 2 + 7 + 9 + 5 days at risk beyond the first
    lines = lines_on([DAY - pd.Timedelta(days=x) for x in (40, 40, 40, 10, 40)])
    lines = pd.concat([lines, lines_on([DAY - pd.Timedelta(days=40)] * 30, item="b")])  # these had stock
    stock = pd.concat([plenty("a").assign(on_hand=0.0), plenty("b")])
    gone = pd.DataFrame({"line_id": ["main-a-0", "main-a-1", "main-a-4", "main-b-0"], "qty": 1.0,
                         "cancelled_by": ["customer", None, "retailer", "customer"],
                         "cancelled_at": [DAY - pd.Timedelta(days=40 - x) for x in (5, 3, 6, 4)]})  # fmt: skip
    sent = pd.DataFrame({"line_id": ["main-a-2"], "qty": 1.0, "shipped_at": [DAY - pd.Timedelta(days=32)]})
    tables = {"order_lines": lines, "cancellations": gone, "shipments": sent, "stock": stock}
    assert learned(**tables).patience.daily == pytest.approx(2 / 27)
    assert learned({"queue": {"patience": "none"}}, **tables).patience.endless
    # a part that is cancelled while the rest goes on waiting is no customer who left
    part = lines.assign(qty=lines.qty.mask(lines.line_id == "main-a-1", 5.0))
    days = 4 + 39 + 7 + 9 + 5
    assert learned(**tables | {"order_lines": part}).patience.daily == pytest.approx(1 / days)
    assert learned(order_lines=lines[:0], stock=stock).patience.endless


@pytest.mark.parametrize("hazard", [0.004, 0.03, 0.15])
def test_patience_is_the_estimate_of_a_censored_geometric_law(hazard):
    rng = np.random.default_rng(2)
    n = 4000
    dates = DAY - pd.to_timedelta(np.sort(rng.integers(1, 300, n))[::-1], unit="D")
    lines = lines_on(dates)
    leaves, comes = rng.geometric(hazard, n), rng.integers(1, 60, n)
    seen = (DAY - dates).days.to_numpy()
    cancels = (leaves <= comes) & (leaves <= seen)
    ships = (comes < leaves) & (comes <= seen)
    gone = left_after(lines[cancels], leaves[cancels]).rename(columns={"shipped_at": "cancelled_at"})
    sent = left_after(lines[ships], comes[ships])
    service = learned(order_lines=lines, shipments=sent, cancellations=gone, stock=plenty("a").assign(on_hand=0.0))
    assert service.patience.daily == pytest.approx(hazard, rel=4 / np.sqrt(cancels.sum()))
    # the likelihood of all that was seen beyond the first day is highest there
    waited = np.minimum(np.minimum(leaves, comes), seen)

    def likelihood(h):
        log = np.where(cancels, stats.geom.logpmf(waited - 1, h), stats.geom.logsf(waited - 1, h))
        return log[waited > 1].sum()

    best = likelihood(service.patience.daily)
    assert best > likelihood(service.patience.daily * 1.02)
    assert best > likelihood(service.patience.daily * 0.98)


def test_only_what_was_known_by_the_day_is_learned_from():
    lines = lines_on(pd.date_range(MONDAY, periods=300))
    sent = left_after(lines, 2)
    day = MONDAY + pd.Timedelta(days=150)
    delayed = sent.shipped_at + pd.Timedelta(days=5)
    later = sent.assign(shipped_at=sent.shipped_at.where(sent.shipped_at <= day, delayed))
    one, two = (learned(day=day, order_lines=lines, shipments=x, stock=plenty("a")) for x in (sent, later))
    assert np.array_equal(one.handling, two.handling)
    assert np.array_equal(one.working.works, two.working.works)
    assert one.patience.daily == two.patience.daily
