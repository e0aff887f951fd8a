"""The report says what the tables say, is one page, the same for the same run, never empty in silence."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser

import pandas as pd
import pytest

from backorder_forecast import report
from backorder_forecast.config import Config
from backorder_forecast.report.model import Section, Summary, Table
from backorder_forecast.report.summary import summarise
from tests.example_run import DAY, HOSTILE, example_run, purchases_only_run

VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Collects what a page refers to, and checks that tags nest."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(content.decode())
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []
        self.links += [str(values[name]) for name in ("src", "href", "srcset") if name in values]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def section(summary: Summary, id: str) -> Section:
    return next(one for one in summary.sections if one.id == id)


def column(table: Table, title: str) -> list[object]:
    at = [one.title for one in table.columns].index(title)
    return [row[at] for row in table.rows]


def test_headline_figures() -> None:
    figures = {figure.label: figure.value for figure in summarise(example_run()).figures}
    assert figures == {
        "open lines": 8,
        "backordered": 6,
        "late or without supply": 2,
        "stock not known": 1,
        "promises at risk": 1,
        "ready to leave": 1,
        "items likely to run short": 2,
        "purchases overdue": 1,
        "items to order now": 2,
    }


def test_lines_to_act_on_come_most_urgent_first_with_what_to_do() -> None:
    table = section(summarise(example_run()), "act").tables[0]
    assert column(table, "Line") == ["L1", "L4", "L2"]
    assert column(table, "What to do") == [
        "Chase P1; tell the customer 2026-07-21",
        "Order it: nothing that is on the way will serve it",
        "Expedite P2; tell the customer 2026-07-15",
    ]
    assert column(table, "Value") == [10.0, 340.0, 6.0]


def test_lines_of_unknown_stock_are_one_row_an_item() -> None:
    eta = example_run().tables["line_eta"]
    more = eta[eta["status"] == "unknown"].assign(line_id="L6b", open_qty=3.0, promised_date=DAY)
    tables = {**example_run().tables, "line_eta": pd.concat([eta, more], ignore_index=True)}
    summary = summarise(example_run(tables=tables))
    table = section(summary, "act").tables[1]
    found = [column(table, name) for name in ("Item", "Lines", "Open", "Promises missed")]
    assert found == [["gear"], [2], [5.0], [1]]
    figures = {figure.label: (figure.value, figure.detail) for figure in summary.figures}
    assert figures["stock not known"] == (2, "lines of 1 item: no date can be said")
    assert figures["late or without supply"] == (3, "2 of 6 promises missed already")


def test_nobody_waiting_is_one_figure_and_not_five_noughts() -> None:
    tables = example_run().tables
    run = example_run(tables={**tables, "line_eta": tables["line_eta"].head(0)})
    figures = summarise(run).figures
    assert [figure.label for figure in figures] == [
        "open lines",
        "items likely to run short",
        "purchases overdue",
        "items to order now",
    ]
    assert figures[0].detail == "nobody is waiting"


def test_what_there_is_comes_before_what_there_is_not() -> None:
    sections = summarise(purchases_only_run()).sections
    assert [bool(one.missing) for one in sections] == [
        *sorted(bool(one.missing) for one in sections[:-1]),
        False,
    ]
    assert sections[-1].id == "quality"


def test_why_nothing_was_replayed_is_said_as_it_is() -> None:
    score = {"scorecard": example_run().tables["scorecard"].head(0)}
    for run, words in (
        (example_run(state={}, tables={**example_run().tables, **score}), "could be said"),
        (purchases_only_run(), "order_lines"),
        (example_run(state={}, tables={}), "replay.days"),
    ):
        assert words in section(summarise(run), "proof").missing


def test_punctuality_against_dates_that_moved_is_not_shown() -> None:
    run = example_run(config=Config(data={"promised_date_is": "latest"}))
    titles = [one.title for one in section(summarise(run), "lead-times").tables[0].columns]
    assert "p90" in titles
    assert not {"On time", "Late by"} & set(titles)
    suppliers = [one.title for one in section(summarise(run), "suppliers").tables[0].columns]
    assert "Nine in ten" in suppliers
    assert not {"On time", "Late by", "Judged"} & set(suppliers)
    for id in ("lead-times", "suppliers"):
        first = section(summarise(example_run()), id).tables[0]
        assert "On time" in [one.title for one in first.columns]


def test_suppliers_stand_with_their_bands_and_curves() -> None:
    part = section(summarise(example_run()), "suppliers")
    table = part.tables[0]
    assert column(table, "Supplier") == ["S1", "S2", "S3"]  # most overdue first, then most open, most received
    bands = [[row[at] for row in table.rows] for at, one in enumerate(table.columns) if one.title == "95 % band"]
    assert bands == [["24 to 61 %", "55 to 99 %", None], ["28 to 37", "from 28", None], ["from 44", None, None]]
    assert len(part.charts) == 1
    assert part.charts[0].alt.endswith("Half were complete: S1 in 32 days, S2 in 31 days.")
    assert b"S1 (28)" in part.charts[0].svg
    assert not section(summarise(example_run(config=Config(report={"charts": 0}))), "suppliers").charts
    assert not section(summarise(purchases_only_run()), "suppliers").charts  # it kept no curves
    why = {"supplier_scorecard": "there are no purchase_lines"}
    missing = section(summarise(example_run(tables={}, missing=why)), "suppliers").missing
    assert "there are no purchase_lines" in missing


def test_an_item_is_described_only_where_that_says_more_than_its_id() -> None:
    run = example_run()
    skus = run.state["skus"].assign(description=run.state["skus"]["item_id"])
    table = section(summarise(example_run(state={**run.state, "skus": skus})), "risk").tables[0]
    assert "Description" not in [one.title for one in table.columns]


def test_only_items_that_matter_have_a_chart() -> None:
    run = example_run()
    risk = run.tables["backorder_risk"].assign(backorder_prob=0.001, backordered_now=0.0)
    calm = section(summarise(example_run(tables={**run.tables, "backorder_risk": risk})), "stock")
    assert not calm.charts
    assert "none is waited for" in calm.missing
    assert section(summarise(run), "stock").charts


def test_items_are_sorted_by_risk_and_purchases_by_what_they_hold_up() -> None:
    summary = summarise(example_run())
    assert column(section(summary, "risk").tables[0], "Item") == ["bolt", "nut", "cam", "pin"]
    assert column(section(summary, "purchases").tables[0], "Purchase") == ["P1"]
    assert column(section(summary, "purchases").tables[1], "Purchase") == ["P4", "P2", "P3"]


def test_the_proof_box_counts_what_can_be_judged() -> None:
    lines = pd.DataFrame(
        {
            "as_of": DAY - pd.Timedelta(days=20),
            "line_id": list("abcd"),
            "item_id": "x",
            "location_id": "main",
            "p10_date": DAY - pd.Timedelta(days=15),
            "p50_date": DAY - pd.Timedelta(days=10),
            "p90_date": [DAY - pd.Timedelta(days=1)] * 3 + [DAY + pd.Timedelta(days=9)],
            "promised_date": [DAY - pd.Timedelta(days=12), pd.NaT, pd.NaT, pd.NaT],
            "left_date": [DAY - pd.Timedelta(days=11), DAY - pd.Timedelta(days=5), pd.NaT, pd.NaT],
            "censored_at": DAY,
        }
    )
    table = section(summarise(example_run(state={"replay_lines": lines})), "proof").tables[0]
    row = dict(zip([one.title for one in table.columns], table.rows[0], strict=True))
    assert row["By our p50"] == 0.25
    assert row["By our p90"] == pytest.approx(2 / 3)  # the fourth line's p90 has not passed
    assert (row["Judged"], row["By the shop's date"], row["With a date"]) == (3, 0.0, 1)


@pytest.mark.parametrize("make", [example_run, purchases_only_run])
def test_one_page_that_refers_to_nothing_outside(make: object) -> None:
    assert callable(make)
    content = report.render(make())
    page = Page(content)
    assert len(content) < 1_000_000
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        assert link.startswith(("#", "data:image/svg+xml;base64,"))
        assert not link.startswith("#") or link[1:] in page.ids
    assert b"http://" not in content
    assert b"https://" not in content
    assert b'lang="en"' in content


def test_the_same_run_gives_the_same_bytes() -> None:
    assert report.render(example_run()) == report.render(example_run())


def test_texts_of_a_company_never_become_a_program() -> None:
    content = report.render(example_run())
    assert content.count(b"<script") == 1
    assert HOSTILE in "".join(Page(content).texts)


def test_the_script_is_the_one_that_the_policy_names() -> None:
    import base64
    import hashlib

    content = report.render(example_run()).decode()
    script = re.findall(r"<script>(.*?)</script>", content, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in content.replace("&#39;", "'")


def test_what_a_run_cannot_say_is_said() -> None:
    content = report.render(purchases_only_run()).decode()
    assert content.count("needs order_lines and stock") >= 3
    assert "Lead times by supplier and item" in content
    summary = summarise(purchases_only_run())
    told = [one.id for one in summary.sections if not one.missing]
    assert told == ["purchases", "suppliers", "lead-times", "quality"]


def test_nothing_at_all_still_makes_a_page() -> None:
    empty = {name: frame.head(0) for name, frame in example_run().tables.items()}
    Page(report.render(example_run(tables=empty, state={})))
    Page(report.render(example_run(tables={}, state={})))


def test_long_tables_are_capped_and_say_where_the_rest_is() -> None:
    config = Config(report={"max_rows": 2, "top": 1, "charts": 0})
    content = report.render(example_run(config=config)).decode()
    assert "1 more row in <code>line_eta.parquet</code>" in content
    assert "Projected stock" not in content


def test_a_page_never_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(report.render(example_run(config=Config(report={"charts": 0}))))
    monkeypatch.setattr(report, "LARGEST", whole - 2000)
    content = report.render(example_run(config=Config(report={"charts": 0, "max_rows": 4})))
    assert len(content) <= whole - 2000


def test_the_title_is_configured_and_the_day_is_named() -> None:
    summary = summarise(example_run(config=Config(report={"title": "Ørsted & Sons"})))
    assert (summary.title, summary.as_of) == ("Ørsted & Sons", date(2026, 6, 30))
