"""Run: tables by name, and "where is my order?"."""

from __future__ import annotations

import copy
import json

import pandas as pd
import pytest

from backorder_forecast.config import Config
from backorder_forecast.errors import NotAvailable, UsageError
from backorder_forecast.result import Run
from tests.example_run import example_run, purchases_only_run


def test_tables_are_attributes_and_missing_ones_say_why() -> None:
    run = purchases_only_run()
    assert len(run.purchase_eta) == 4
    assert "purchase_eta" in dir(run)
    assert not hasattr(run, "line_eta")
    with pytest.raises(NotAvailable, match="needs order_lines and stock"):
        _ = run.line_eta
    with pytest.raises(NotAvailable, match="does not make it yet"):
        _ = run.messages
    with pytest.raises(NotAvailable, match="did you mean 'lead_times'"):
        _ = run.lead_time
    assert copy.copy(run).seed == 1


def test_a_run_shows_itself() -> None:
    assert "line_eta 8" in repr(example_run())
    assert "cannot say line_eta" in repr(purchases_only_run())
    page = purchases_only_run()._repr_html_()
    assert "not available: needs order_lines" in page


def test_an_order_with_open_and_shipped_lines() -> None:
    text = str(example_run().show("O1"))
    assert "order O1, as of 2026-06-30: 3 lines, 2 open; whole by 2026-07-08 (p50), 2026-07-21 (p90)" in text
    assert "4 still open; ships 2026-07-08 (p50), between 2026-07-03 (p10) and 2026-07-21 (p90)" in text
    assert "shipped 6 on 2026-06-10" in text
    assert "promised 2026-06-25: missed" in text
    assert "promised 2026-07-10: chance of keeping it 61 %" in text
    assert "waits for overdue purchase P1 (91 %)" in text
    assert "L0  pin: 2 ordered 2026-06-05, shipped" in text


def test_an_order_that_is_over() -> None:
    text = str(example_run().show("O9"))
    assert "2 lines, 0 open" in text
    assert "cancelled 1 on 2026-05-16" in text
    assert "shipped, rest cancelled" in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("L3", "in stock and reserved"),
        ("L4", "no supply in sight"),
        ("L5", "the stock of this item is not known"),
        ("L6", "beyond the horizon (p90)"),
        ("L6", "supply that nobody has ordered yet"),
        ("L4", "no ship date within the horizon (chance to ship within it: 2 %)"),
        ("L5", "no ship date can be said"),
        ("L8", "no ship date can be said"),
    ],
)
def test_what_a_line_waits_for(line: str, told: str) -> None:
    assert told in str(example_run().show(line_id=line))


def test_a_customer_and_the_plain_forms() -> None:
    answer = example_run().show(customer_id="C2")
    assert answer.frame["line_id"].tolist() == ["L3", "L10", "L11", "L9"]  # open first
    plain = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert plain["lines"][0]["p50_date"] == "2026-07-01"
    assert plain["lines"][2]["events"][0] == {"date": "2026-05-13", "what": "shipped", "qty": 3.0}
    assert "<pre>" in answer._repr_html_()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"order_id": "o1"}, "did you mean 'O1'"),
        ({"order_id": "L1"}, "not an order but a line: ask for the line"),
        ({"line_id": "O1"}, "not a line but an order"),
        ({"order_id": "zzz"}, "no order 'zzz' is known on 2026-06-30$"),
        ({}, "exactly one"),
        ({"order_id": "O1", "line_id": "L1"}, "exactly one"),
    ],
)
def test_unknown_ids_are_met_with_help(asked: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        example_run().show(**asked)


def test_without_orders_nothing_can_be_shown() -> None:
    with pytest.raises(NotAvailable, match="knows no order lines: needs order_lines"):
        purchases_only_run().show("O1")


def test_without_dates_what_is_known_is_shown() -> None:
    run = example_run()
    bare = Run(run.as_of, Config(), 1, {}, {"lines": run.state["lines"]})
    text = str(bare.show("O1"))
    assert "4 still open; no ship date can be said" in text


def test_a_long_answer_is_cut_as_text_only() -> None:
    run = example_run()
    lines = pd.concat([run.state["lines"]] * 10, ignore_index=True)
    lines["line_id"] = [f"X{k}" for k in range(len(lines))]
    lines["customer_id"] = "C1"
    answer = example_run(state={"lines": lines}).show(customer_id="C1")
    assert len(answer.to_dict()["lines"]) == 120
    assert str(answer).endswith("… and 80 more lines")
