"""Stock rolled from counts by what came and went, against plain sums; and when it is not known."""

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.stock import closing_levels, counts, flows, level_at, owed

START = pd.Timestamp("2026-01-01")
NO_ROW, NO_SUM = "no stock row", "stock rows and the flows between them do not reconcile"


def day(n):
    return START + pd.Timedelta(days=n)


def past(until, config=None, **tables):
    return bf.Dataset.of(tables, bf.Config(**(config or {}))).as_of(day(until))


def counted(*rows, item="a"):
    return pd.DataFrame({"item_id": item, "date": [day(x[0]) for x in rows], "on_hand": [x[1] for x in rows]})


def moved(*rows, item="a", place="main"):
    return pd.DataFrame({"item_id": item, "location_id": place, "moved_at": [day(x[0]) for x in rows],
                         "qty": [x[1] for x in rows]})  # fmt: skip


def sold(*rows, item="a"):
    """Order lines and shipments (ordered, shipped, units)."""
    ids = [f"{item}{k}" for k in range(len(rows))]
    lines = pd.DataFrame({"order_id": ids, "line_id": ids, "item_id": item, "qty": [float(x[2]) for x in rows],
                          "ordered_at": [day(x[0]) for x in rows]})  # fmt: skip
    sent = pd.DataFrame({"line_id": ids, "shipped_at": [day(x[1]) for x in rows], "qty": lines.qty})
    return {"order_lines": lines, "shipments": sent}


def bought(*rows, item="a"):
    ids = [f"{item}{k}" for k in range(len(rows))]
    lines = pd.DataFrame({"po_line_id": ids, "item_id": item, "qty": [float(x[1]) for x in rows], "ordered_at": START})
    came = pd.DataFrame({"po_line_id": ids, "received_at": [day(x[0]) for x in rows], "qty": lines.qty})
    return {"purchase_lines": lines, "receipts": came}


def test_a_level_is_rolled_by_everything_that_came_and_went():
    tables = {"stock": counted((2, 50)), "stock_movements": moved((3, -4), (1, 99)), **bought((4, 20), (9, 7)),
              **sold((0, 3, 5), (0, 1, 30), (0, 8, 6))}  # fmt: skip
    # what was before the count, or on its day, is in it
    levels = [past(x, **tables).stock.on_hand[0] for x in range(11)]
    assert np.isnan(levels[:2]).all()
    assert levels[2:] == [50, 41, 61, 61, 61, 61, 55, 62, 62]
    same_day = past(5, stock=counted((5, 10)), **sold((0, 5, 3)))
    assert same_day.stock.on_hand.tolist() == [10]
    assert past(5, **tables).stock.counted_at.tolist() == [day(2)]


def test_the_latest_count_is_taken_and_later_ones_are_not_seen():
    tables = {"stock": counted((2, 50), (6, 44), (9, 3)), **sold((0, 4, 6), (0, 7, 2))}
    assert [past(x, **tables).stock.on_hand[0] for x in (5, 6, 7, 8)] == [44, 44, 42, 42]
    assert past(5, **tables).stock.unexplained_qty[0] == 0


def test_transfers_leave_one_place_and_come_to_another():
    stock = pd.concat([counted((0, 10)).assign(location_id=x) for x in ("n", "s")])
    sent = pd.DataFrame({"transfer_id": ["t"], "item_id": "a", "from_location_id": "n", "location_id": "s", "qty": 4.0,
                         "shipped_at": day(2), "received_at": day(5)})  # fmt: skip
    levels = [past(x, stock=stock, transfers=sent).stock.on_hand.tolist() for x in (1, 2, 4, 5)]
    assert levels == [[10, 10], [6, 10], [6, 10], [6, 14]]


def test_negative_stock_stays_negative():
    known = past(3, stock=counted((1, -4)), **sold((0, 2, 3)))
    assert known.stock.on_hand.tolist() == [-7]
    assert known.stock.reason.tolist() == [""]


def test_unknown_is_never_zero():
    nothing = past(5, **sold((0, 1, 3)))
    assert np.isnan(nothing.stock.on_hand[0])
    assert nothing.stock.reason.tolist() == [NO_ROW]
    # rows with a flag alone say no quantity
    flagged = counted((1, np.nan)).assign(in_stock=True)
    assert past(5, stock=flagged).stock.reason.tolist() == [NO_ROW]


def test_stock_that_does_not_reconcile_is_unknown():
    # twenty left on paper, thirty on the shelf: ten of twenty units of flow are unexplained
    off = {"stock": counted((1, 30), (5, 20)), **sold((0, 2, 20))}
    found = past(6, **off)
    assert found.stock.unexplained_qty.tolist() == [10]
    assert np.isnan(found.stock.on_hand[0])
    assert found.stock.reason.tolist() == [NO_SUM]
    # within the configured share it is counted and the latest row believed
    lenient = past(6, {"data": {"max_unexplained_share": 0.35}}, **off)
    assert lenient.stock.unexplained_qty.tolist() == [10]
    assert lenient.stock.on_hand.tolist() == [20]
    # what is measured against: the flow, or what lies there where hardly anything moves
    shelf = past(6, stock=counted((1, 1000), (5, 990)))
    assert shelf.stock.on_hand.tolist() == [990]
    from_nothing = past(6, stock=counted((1, 0), (5, 5)))
    assert from_nothing.stock.reason.tolist() == [NO_SUM]
    # a movement that explains the gap makes it known
    explained = past(6, **off, stock_movements=moved((3, 10)))
    assert explained.stock.on_hand.tolist() == [20]


def test_each_item_is_judged_by_its_own_rows():
    good, bad = counted((1, 10), (5, 7), item="a"), counted((1, 30), (5, 90), item="b")
    lines = sold((0, 2, 3))
    found = past(6, stock=pd.concat([bad, good]), **lines).stock
    assert found.item_id.tolist() == ["a", "b"]
    assert found.reason.tolist() == ["", NO_SUM]
    assert found.on_hand[0] == 7


def test_net_of_open_lines_is_put_back():
    # twelve lie there; five of the line ordered on day 1 and still open have been taken off
    net = {"data": {"stock_basis": "net_of_open_lines"}}
    tables = {"stock": counted((2, 7), (4, -1)), **sold((1, 6, 5), (3, 7, 8))}
    assert past(2, net, **tables).stock.on_hand.tolist() == [12]
    assert past(4, net, **tables).stock.on_hand.tolist() == [12]
    assert past(6, net, **tables).stock.on_hand.tolist() == [7]
    assert past(4, **tables | {"stock": counted((2, 7), (4, 7))}).stock.on_hand.tolist() == [7]
    days = np.array([np.datetime64(day(x), "D") for x in (0, 1, 3, 6, 7)])
    assert owed(past(9, **tables), np.zeros(5, int), days).tolist() == [0, 5, 13, 8, 0]


def test_what_is_not_wanted_yet_is_not_owed():
    tables = sold((1, 8, 5))
    tables["order_lines"]["requested_date"] = day(4)
    days = [np.datetime64(day(x), "D") for x in (3, 4, 7, 8)]
    assert owed(past(9, **tables), np.zeros(4, int), days).tolist() == [0, 5, 5, 0]
    gone = pd.DataFrame({"line_id": ["a0"], "cancelled_at": [day(6)], "qty": [5.0]})
    cancelled = past(9, order_lines=tables["order_lines"], cancellations=gone)
    assert owed(cancelled, np.zeros(4, int), days).tolist() == [0, 5, 0, 0]


def test_levels_of_past_days_go_from_the_nearest_count_before_else_after():
    tables = {"stock": counted((3, 20), (6, 10)), **sold((0, 1, 2), (0, 4, 5), (0, 5, 3), (0, 8, 4)),
              "stock_movements": moved((2, 1))}  # fmt: skip
    known = past(9, **tables)
    days = np.array([np.datetime64(day(x), "D") for x in range(10)])
    levels = closing_levels(known, np.zeros(10, int), days)
    # before the first count it is rolled back; the two units missing by the 6th show from then on
    assert levels.tolist() == [21, 19, 20, 20, 15, 12, 10, 10, 6, 6]
    unknown = closing_levels(past(9, **sold((0, 1, 2))), np.zeros(1, int), days[:1])
    assert np.isnan(unknown).all()


def plain_level(events, sku, until):
    return sum(q for s, d, q in events if s == sku and d <= until)


def test_levels_are_plain_sums():
    rng = np.random.default_rng(1)
    events = [(int(rng.integers(4)), int(rng.integers(40)), float(rng.integers(-9, 10))) for _ in range(120)]
    frame = pd.DataFrame(events, columns=["sku", "day", "qty"]).groupby(["sku", "day"])["qty"].sum().reset_index()
    frame["day"] = np.datetime64("2026-01-01") + frame["day"].to_numpy()
    sku, until = np.repeat(np.arange(5), 41), np.tile(np.arange(-1, 40), 5)
    found = level_at(frame, sku, np.datetime64("2026-01-01") + until)
    assert found.tolist() == [plain_level(events, s, d) for s, d in zip(sku, until, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_a_random_company_reconciles_whatever_the_order_of_its_rows(seed):
    rng = np.random.default_rng(seed)
    names = ["a", "b", "c"]
    kinds = ("stock", "order_lines", "shipments", "purchase_lines", "receipts", "stock_movements")
    parts, levels = {name: [] for name in kinds}, {}
    for item in names:
        out = sold(*((0, int(rng.integers(1, 30)), int(rng.integers(1, 9))) for _ in range(12)), item=item)
        came = bought(*((int(rng.integers(1, 30)), int(rng.integers(5, 30))) for _ in range(5)), item=item)
        other = moved(*((int(rng.integers(1, 30)), int(rng.integers(-3, 4))) for _ in range(4)), item=item)
        change = np.zeros(31)
        for frame, when, sign in ((out["shipments"], "shipped_at", -1), (came["receipts"], "received_at", 1),
                                  (other, "moved_at", 1)):  # fmt: skip
            np.add.at(change, (frame[when] - START).dt.days, sign * frame.qty)
        levels[item] = 40 + np.cumsum(change)
        known = sorted(rng.choice(31, 4, replace=False))
        parts["stock"].append(counted(*((x, levels[item][x]) for x in known), item=item))
        parts["stock_movements"].append(other)
        for name, frame in {**out, **came}.items():
            parts[name].append(frame)
    tables = {name: pd.concat(frames).sample(frac=1, random_state=seed) for name, frames in parts.items()}
    found = past(30, **tables)
    assert found.stock.on_hand.tolist() == [levels[x][30] for x in names]
    assert found.stock.unexplained_qty.tolist() == [0, 0, 0]
    days = np.array([np.datetime64(day(x), "D") for x in range(31)])
    for code, item in enumerate(names):
        assert closing_levels(found, np.full(31, code), days).tolist() == levels[item].tolist()
    assert not flows(found).duplicated(["sku", "day"]).any()
    assert counts(found).equals(counts(found).sort_values(["sku", "day"]))
