"""What was known at the end of a day: open quantities, changed lines, promises, versions, and nothing later."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.past import sku_codes
from backorder_forecast.places import natural_key, service_order


def at(text):
    return pd.Timestamp(text)


def table(columns, *rows):
    frame = pd.DataFrame(rows, columns=columns.split())
    for name in frame:
        if name.endswith(("_at", "_date", "date")):
            frame[name] = pd.to_datetime(frame[name], format="ISO8601")
    return frame


def past(day, config=None, **tables):
    return bf.Dataset.of(tables, bf.Config(**(config or {}))).as_of(day)


def line(**more):
    base = {"order_id": "o", "line_id": "l", "item_id": "a", "ordered_at": at("2026-01-05"), "qty": 10.0}
    return pd.DataFrame([base | more])


def over(days, column, of="lines", config=None, **tables):
    """A column's value of the only row on each of several days; None where the row is not known."""
    found = []
    for day in days:
        values = getattr(past(day, config, **tables), of)[column].tolist()
        value = values[0] if values else None
        found.append(None if value is pd.NaT else str(value.date()) if isinstance(value, pd.Timestamp) else value)
    return found


DAYS = ("2026-01-04", "2026-01-05", "2026-01-10", "2026-01-12", "2026-01-20")


def test_open_quantity_is_ordered_less_shipped_less_cancelled():
    tables = {
        "order_lines": line(),
        "shipments": table("line_id shipped_at qty", ("l", "2026-01-10 17:30", 4), ("l", "2026-01-20", 2)),
        "cancellations": table("line_id cancelled_at qty", ("l", "2026-01-12", 4)),
    }
    assert over(DAYS, "open_qty", **tables) == [None, 10, 6, 2, 0]
    assert over(DAYS, "shipped_qty", **tables) == [None, 0, 4, 4, 6]
    assert over(DAYS, "cancelled_qty", **tables) == [None, 0, 0, 4, 4]
    assert over(DAYS, "last_shipped_at", **tables) == [None, None, "2026-01-10", "2026-01-10", "2026-01-20"]


def test_the_end_of_a_day_is_midnight():
    early = line(ordered_at=at("2026-01-05 23:59:59"))
    assert over(["2026-01-04", "2026-01-05"], "qty", order_lines=early) == [None, 10]
    assert over(["2026-01-04", "2026-01-05 08:00"], "qty", order_lines=line()) == [None, 10]


def test_sums_of_fractions_leave_no_crumb():
    sent = table("line_id shipped_at qty", *[("l", "2026-01-10", 0.1)] * 3)
    assert 0.3 - (0.1 + 0.1 + 0.1) != 0
    assert over(["2026-01-10"], "open_qty", order_lines=line(qty=0.3), shipments=sent) == [0]
    over_shipped = table("line_id shipped_at qty", ("l", "2026-01-10", 11))
    assert over(["2026-01-10"], "open_qty", order_lines=line(), shipments=over_shipped) == [0]


def test_a_cancelled_line_stays_known():
    gone = table("line_id cancelled_at qty", ("l", "2026-01-10", 10))
    found = past("2026-01-20", order_lines=line(), cancellations=gone).lines
    assert found.open_qty.tolist() == [0]
    assert found.last_cancelled_at.tolist() == [at("2026-01-10")]
    assert found.last_shipped_at.isna().all()


def test_changed_lines_are_rewound():
    # the table shows what the line is today: twelve units, changed twice
    changes = table("line_id changed_at field value old_value", ("l", "2026-01-10", "qty", "8", "10"),
                    ("l", "2026-01-20 09:00", "qty", "12", "8"))  # fmt: skip
    for rows in (changes, changes[::-1]):
        assert over(DAYS, "qty", order_lines=line(qty=12.0), line_changes=rows) == [None, 10, 8, 8, 12]
    # without the old value the present one is taken for the first
    blind = changes.drop(columns="old_value")
    assert over(DAYS, "qty", order_lines=line(qty=12.0), line_changes=blind) == [None, 12, 8, 8, 12]
    # a change that was not known yet has not happened yet
    late = changes.assign(known_at=[at("2026-01-15"), pd.NaT])
    assert over(DAYS, "qty", order_lines=line(qty=12.0), line_changes=late) == [None, 10, 10, 10, 12]


def test_every_kind_of_field_can_change():
    changes = table(
        "line_id changed_at field value old_value", ("l", "2026-01-10", "requested_date", "2026-02-01", "2026-01-20"),
        ("l", "2026-01-10", "priority", "1", "5"), ("l", "2026-01-10", "ship_complete", "true", "False"),
        ("l", "2026-01-10", "customer_id", "c2", "007"), ("l", "2026-01-10", "no_such_field", "x", "y"),
    )  # fmt: skip
    now = line(requested_date=at("2026-02-01"), priority=1, ship_complete=True, customer_id="c2")
    tables = {"order_lines": now, "line_changes": changes}
    assert over(DAYS, "requested_date", **tables) == [None, "2026-01-20", *["2026-02-01"] * 3]
    assert over(DAYS, "wanted_date", **tables) == [None, "2026-01-20", *["2026-02-01"] * 3]
    assert over(DAYS, "priority", **tables) == [None, 5, 1, 1, 1]
    assert over(DAYS, "ship_complete", **tables) == [None, False, True, True, True]
    assert over(DAYS, "customer_id", **tables) == [None, "007", "c2", "c2", "c2"]
    others = pd.concat([now, line(line_id="m", requested_date=at("2026-01-09"))])
    found = past("2026-01-06", order_lines=others, line_changes=changes).lines.set_index("line_id")
    assert found.requested_date["m"] == at("2026-01-09")  # neighbours stay as they are
    assert found.dtypes.equals(past("2026-01-06", order_lines=others).lines.set_index("line_id").dtypes)


def test_a_requested_date_means_not_before_unless_configured():
    later, past_wish = line(requested_date=at("2026-02-01")), line(requested_date=at("2025-12-24"))
    assert over(["2026-01-10"], "wanted_date", order_lines=later) == ["2026-02-01"]
    assert over(["2026-01-10"], "wanted_date", order_lines=past_wish) == ["2026-01-05"]
    assert over(["2026-01-10"], "wanted_date", order_lines=line(ordered_at=at("2026-01-05 14:00"))) == ["2026-01-05"]
    wish = {"data": {"requested_date_is": "wish"}}
    assert over(["2026-01-10"], "wanted_date", config=wish, order_lines=later) == ["2026-01-05"]


def test_promises_in_force_on_the_day():
    said = table("line_id stated_at promised_date", ("l", "2026-01-10", "2026-01-25"),
                 ("l", "2026-01-20", "2026-02-02"))  # fmt: skip
    tables = {"order_lines": line(promised_date=at("2026-01-15")), "line_promises": said}
    assert over(DAYS, "promised_date", **tables) == [None, "2026-01-15", "2026-01-25", "2026-01-25", "2026-02-02"]
    assert over(DAYS, "first_promised_date", **tables) == [None, *["2026-01-15"] * 4]
    # nothing on the row: the first statement is the first promise
    bare = tables | {"order_lines": line()}
    assert over(DAYS, "promised_date", **bare) == [None, None, "2026-01-25", "2026-01-25", "2026-02-02"]
    assert over(DAYS, "first_promised_date", **bare) == [None, None, *["2026-01-25"] * 3]
    # an export that keeps the latest only: past days do not see it
    latest = {"data": {"promised_date_is": "latest"}}
    shown = line(promised_date=at("2026-02-02"))
    days = pd.date_range("2026-01-06", "2026-01-20")  # so far the data reach
    more = pd.concat([shown, *(line(line_id=f"m{x:%d}", ordered_at=x) for x in days)])
    assert over(DAYS[:4], "promised_date", config=latest, order_lines=more) == [None, None, None, None]
    assert over(DAYS[4:], "promised_date", config=latest, order_lines=more) == ["2026-02-02"]
    logged = {"order_lines": more, "line_promises": said}
    assert over(DAYS[2:], "promised_date", config=latest, **logged) == ["2026-01-25", "2026-01-25", "2026-02-02"]
    assert over(DAYS[2:], "first_promised_date", config=latest, **logged) == ["2026-01-25"] * 3


def purchase(**more):
    base = {"po_line_id": "p", "item_id": "a", "ordered_at": at("2026-01-05"), "qty": 10.0}
    return pd.DataFrame([base | more])


def test_purchases_are_received_cancelled_and_promised_alike():
    tables = {
        "purchase_lines": purchase(promised_date=at("2026-01-12")),
        "receipts": table("po_line_id received_at qty", ("p", "2026-01-10", 3), ("p", "2026-01-12 06:00", 3)),
        "purchase_cancellations": table("po_line_id cancelled_at qty", ("p", "2026-01-20", 4)),
        "purchase_promises": table("po_line_id stated_at promised_date", ("p", "2026-01-12", "2026-01-30")),
    }
    assert over(DAYS, "open_qty", "purchases", **tables) == [None, 10, 7, 4, 0]
    assert over(DAYS, "first_received_at", "purchases", **tables)[3] == "2026-01-10"
    assert over(DAYS, "last_received_at", "purchases", **tables)[3] == "2026-01-12"
    assert over(DAYS, "promised_date", "purchases", **tables) == [None, "2026-01-12", "2026-01-12", *["2026-01-30"] * 2]
    # of an unnamed supplier: the item's, else none
    items = table("item_id supplier_id", ("a", "s1"))
    assert over(DAYS[1:2], "supplier_id", "purchases", **tables, items=items) == ["s1"]
    assert over(DAYS[1:2], "supplier_id", "purchases", **tables) == ["unknown"]


def test_versions_are_seen_from_the_day_they_became_known():
    versions = table("item_id unit_cost known_at", ("a", 5, "2026-01-12"), ("a", 3, None), ("a", 4, "2026-01-10 12:00"),
                     ("b", 9, "2026-01-20"))  # fmt: skip
    for rows in (versions, versions[::-1]):
        cost = [past(x, items=rows).tables["items"].set_index("item_id").unit_cost.to_dict() for x in DAYS]
        assert cost == [{"a": 3}, {"a": 3}, {"a": 4}, {"a": 5}, {"a": 5, "b": 9}]
    lines = pd.concat([line(), line(qty=7.0, known_at=at("2026-01-12"))])
    assert over(DAYS, "qty", order_lines=lines) == [None, 10, 10, 7, 7]


def test_what_was_booked_late_was_not_known():
    sent = table("line_id shipped_at qty known_at", ("l", "2026-01-05", 4, "2026-01-12"), ("l", "2026-01-10", 1, None))
    assert over(DAYS, "open_qty", order_lines=line(), shipments=sent) == [None, 10, 9, 5, 5]
    secret = line(known_at=at("2026-01-12"))
    assert over(DAYS, "open_qty", order_lines=secret) == [None, None, None, 10, 10]


def test_what_happened_later_to_a_known_row_is_not_seen():
    confirmed = purchase(confirmed_at=at("2026-01-12 10:00"))
    assert over(DAYS, "confirmed_at", "purchases", purchase_lines=confirmed) == [
        None, None, None, "2026-01-12", "2026-01-12"
    ]  # fmt: skip
    moved = table("transfer_id item_id from_location_id location_id shipped_at received_at qty",
                  ("t", "a", "n", "s", "2026-01-05", "2026-01-12", 5))  # fmt: skip
    came = [past(x, transfers=moved).tables["transfers"].received_at.notna().tolist() for x in DAYS]
    assert came == [[], [False], [False], [True], [True]]
    assert moved.received_at.notna().all()  # the data set itself is left alone


def test_stale_lines_are_open_and_old():
    lines = pd.concat([line(line_id=x, ordered_at=at(f"2026-01-{d:02d}")) for x, d in (("a", 1), ("b", 5), ("c", 1))])
    sent = table("line_id shipped_at qty", ("c", "2026-01-02", 10))
    config = {"queue": {"stale_line_days": 30}}
    for day, expected in (("2026-01-31", [False] * 3), ("2026-02-01", [True, False, False]),
                          ("2026-02-05", [True, True, False])):  # fmt: skip
        assert past(day, config, order_lines=lines, shipments=sent).lines.is_stale.tolist() == expected
    assert not past("2027-01-01", order_lines=lines).lines.is_stale.any()


def test_service_order_counts_runs_of_digits_as_numbers():
    names = ["line10", "line2", "line2b", "line02c", "Line1", "9", "10"]
    assert sorted(names, key=natural_key) == ["9", "10", "Line1", "line2", "line2b", "line02c", "line10"]
    lines = pd.concat([line(line_id=x) for x in names], ignore_index=True)
    known = past("2026-01-10", order_lines=lines).lines.assign(component=0, sku=0)
    assert service_order(known, by_priority=False).line_id.tolist() == sorted(names, key=natural_key)


def test_service_order_is_wanted_then_ordered_then_sequence_then_id():
    lines = table(
        "line_id ordered_at requested_date sequence priority", ("e", "2026-01-06", None, None, 0),
        ("d", "2026-01-05 12:00", None, None, 0), ("c", "2026-01-05", None, None, 0),
        ("b", "2026-01-05", None, 2, 0), ("a", "2026-01-05", None, 3, 0), ("z", "2026-01-07", None, None, -1),
        ("f", "2026-01-04", "2026-01-09", None, 0),
    ).assign(order_id="o", item_id="x", qty=1.0)  # fmt: skip
    for rows in (lines, lines[::-1]):
        known = past("2026-01-10", order_lines=rows).lines.assign(component=0, sku=0)
        assert service_order(known, by_priority=False).line_id.tolist() == ["b", "a", "c", "d", "e", "z", "f"]
        assert service_order(known, by_priority=True).line_id.tolist() == ["z", "b", "a", "c", "d", "e", "f"]


def test_items_at_locations_are_those_that_any_row_speaks_of():
    stock = table("item_id location_id date on_hand", ("b", "n", "2026-01-05", 1), ("007", "n", "2026-01-05", 1),
                  ("b", "s", "2026-01-20", 1))  # fmt: skip
    items = table("item_id unmet_demand backorder_share", ("b", "lost", None), ("a", "mixed", 0.3),
                  ("c", "mixed", None), ("007", "mixed", None))  # fmt: skip
    found = past("2026-01-10", stock=stock, items=items, order_lines=line())
    assert found.skus[["item_id", "location_id"]].to_numpy().tolist() == [["007", "n"], ["a", "main"], ["b", "n"]]
    assert found.skus.backorder_share.tolist() == [0.5, 0.3, 0.0]
    shares = past("2026-01-10", {"data": {"backorder_share": 0.9}}, stock=stock, items=items).skus
    assert shares.backorder_share.tolist() == [0.9, 0.0]
    asked = table("item_id location_id", ("b", "n"), ("b", "s"), ("zz", "n"), ("a", "main"), (None, "n"))
    assert sku_codes(found, asked).tolist() == [2, -1, -1, 1, -1]
    plain = past("2026-01-10", order_lines=line()).skus
    assert plain.unmet_demand.tolist() == ["backorder"]
    assert plain.backorder_share.tolist() == [1.0]


def test_undated_tables_are_noted_unless_they_have_versions():
    items = table("item_id unit_cost", ("a", 5))
    note = past("2026-01-10", items=items, order_lines=line()).notes[0]
    assert note == "items: undated, so their present content counts as always known"
    assert past("2026-01-10", items=items.assign(known_at=at("2026-01-01"))).notes == []


@pytest.mark.parametrize("day", [pd.NaT, pd.Timestamp("2026-01-05", tz="Europe/Berlin")])
def test_a_day_is_a_calendar_day(day):
    with pytest.raises(bf.BackorderForecastError, match="calendar day"):
        past(day, order_lines=line())


def test_days_since_are_whole_days():
    known = past("2026-01-10", order_lines=line())
    dates = pd.Series([at("2026-01-10 23:00"), at("2026-01-08 23:00"), at("2026-01-12 01:00"), pd.NaT])
    assert known.days_since(dates)[:3].tolist() == [0, 2, -2]
    assert np.isnan(known.days_since(dates)[3])
