"""What may be sent instead: its date and what it does to others are those of the whole simulation so changed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast.expedite import end_days
from backorder_forecast.newcomer import NEW_LINE, with_line
from backorder_forecast.queue import leave_days
from backorder_forecast.report import render, summarise
from backorder_forecast.substitutes import stated, substitute_offers
from tests.sample_run import sample_data, sample_run

DATES = ["p10_date", "p50_date", "p90_date"]


def with_substitutes(data, rows, config=None):
    given = {name: data.tables[name] for name in data.given}
    return bf.load({**given, "substitutes": rows}, config=config or data.config)


@pytest.fixture(scope="module")
def data():
    """The sample company: every other item may be replaced by the next, and the next by three halves of it."""
    plain = sample_data()
    items = sorted(plain.tables["items"]["item_id"])
    pairs = pd.DataFrame({"item_id": items[:-1:2], "substitute_item_id": items[1::2][: len(items[:-1:2])]})
    back = pairs.rename(columns={"item_id": "substitute_item_id", "substitute_item_id": "item_id"}).assign(ratio=1.5)
    return with_substitutes(plain, pd.concat([pairs, back]))


@pytest.fixture(scope="module")
def run(data):
    return bf.run(data, seed=3)


@pytest.fixture(scope="module")
def offers(run):
    return run.substitute_offers


def wanted(run, line):
    return max(1, int((line["wanted_date"] - run.as_of).days))


def in_full(run, offer):
    """Days of what is sent instead, and days sooner on which every other line ends, by whole simulations."""
    base = run.simulated
    inputs = run.queue_inputs
    line = inputs.past.lines.set_index("line_id").loc[offer["line_id"]]
    without = replace(inputs.past)
    gone = inputs.past.lines["line_id"] != offer["line_id"]
    without.__dict__.update(inputs.past.__dict__)
    without.__dict__["lines"] = inputs.past.lines[gone].reset_index(drop=True)
    skus = inputs.past.skus
    here = skus["location_id"] == offer["location_id"]
    sku = np.flatnonzero((skus["item_id"] == offer["substitute_item_id"]) & here)
    row = {"sku": int(sku[0]), "qty": offer["qty"], "priority": int(line["priority"]), "wanted": wanted(run, line),
           "date": None, "pieces": bool(line["allow_partial"])}  # fmt: skip
    after = with_line(replace(inputs, past=without), row, NEW_LINE).simulate(every_day=True)
    mine = after.lines["line_id"] == NEW_LINE
    days = leave_days(after.lines[mine], after.tally)[0]
    others = base.lines.index[base.lines["line_id"] != offer["line_id"]]
    at = pd.Index(after.lines["line_id"]).get_indexer(base.lines.loc[others, "line_id"])
    own = base.lines["line_id"] == offer["line_id"]
    return leave_days(base.lines[own], base.tally)[0], days, end_days(base)[others] - end_days(after)[at]


def error(of):
    return of.std(ddof=1) / np.sqrt(of.size)


def test_an_offer_is_the_difference_of_two_whole_simulations(run, offers):
    """Date, days saved, and days that every other waiting line gains or loses."""
    tied = run.simulated.lines.set_index("line_id")["firm_row"]
    alone = offers[offers["line_id"].map(tied) < 0]
    pressing = alone[alone["others_later_days"] > 0].head(2)
    assert len(pressing) == 2
    for _, offer in pd.concat([pressing, alone[alone["supply_state"] == "ready"].head(1)]).iterrows():
        own, days, saved = in_full(run, offer)
        assert offer["days_sooner"] == pytest.approx((own - days).mean())
        assert offer["days_sooner_error"] == pytest.approx(error(own - days))
        assert offer["ship_prob"] == pytest.approx((days <= 90).mean())
        later, sooner = np.maximum(-saved, 0).sum(axis=0), np.maximum(saved, 0).sum(axis=0)
        assert offer["others_later"] == pytest.approx((saved < 0).sum(axis=0).mean())
        for name, sums in (("later", later), ("sooner", sooner)):
            assert offer[f"others_{name}_days"] == pytest.approx(sums.mean())
            assert offer[f"others_{name}_days_error"] == pytest.approx(error(sums))


def test_its_date_is_that_of_an_order_placed_now(run, offers):
    """Unless the item it replaces is tied to it, or the line leaves with others."""
    lines = run.queue_inputs.past.lines.set_index("line_id")
    laid = run.laid_out
    skus = run.queue_inputs.past.skus[["item_id", "location_id"]].to_numpy()
    component = {tuple(x): laid.component(laid.place(i)) for i, x in enumerate(skus) if laid.place(i) >= 0}
    firm = laid.lines.set_index("line_id")["firm_row"]
    seen = 0
    for _, offer in offers.iterrows():
        line = lines.loc[offer["line_id"]]
        item, instead = (component[offer[x], offer["location_id"]] for x in ("item_id", "substitute_item_id"))
        if item == instead or firm[offer["line_id"]] >= 0:
            continue
        asked = {"item_id": offer["substitute_item_id"], "location_id": offer["location_id"], "qty": offer["qty"],
                 "priority": line["priority"], "allow_partial": bool(line["allow_partial"])}  # fmt: skip
        if wanted(run, line) > 1:
            asked["date"] = line["wanted_date"]
        told = run.promise(asked).iloc[0]
        names = [*DATES, "ship_prob", "unplaced_prob", "supply_state", "pegged_po_line_id", "pegged_prob"]
        for name in names:
            assert told[name] == offer[name] or (pd.isna(told[name]) and pd.isna(offer[name])), name
        seen += 1
    assert seen >= 5


def test_a_line_of_a_ship_complete_order_waits_for_the_rest_of_it(run, offers):
    tied = run.simulated.lines.set_index("line_id")["firm_row"]
    mine = offers[offers["line_id"].map(tied) >= 0]
    assert len(mine)
    for _, offer in mine.head(3).iterrows():
        own, alone, _ = in_full(run, offer)  # without the others of its order
        assert offer["days_sooner"] <= (own - alone).mean() + 1e-9


def test_offers_are_of_late_lines_and_ranked(run, offers):
    eta = run.line_eta.set_index("line_id").loc[offers["line_id"]]
    assert (eta["is_backordered"] | (eta["promise_state"] == "late")).all()
    assert (offers["p10_date"].dropna() > run.as_of).all()
    ratio = offers["ratio"]
    assert set(ratio) == {1.0, 1.5}
    assert (offers["qty"] == np.ceil(offers["open_qty"] * ratio)).all()
    best = offers[offers["is_best"]]
    assert len(best)
    assert best["line_id"].is_unique
    assert (best["days_sooner"] > 2 * best["days_sooner_error"]).all()
    assert "late lines that have substitutes were not simulated" in " ".join(run.notes)


def test_rank_before_date_and_the_latest_statement(data, offers):
    """Of two substitutes the preferred one is best if it is sooner; of several statements the one known last counts."""
    line = offers[offers["is_best"]].iloc[0]
    stock = data.tables["stock"]
    here = stock[stock["location_id"] == line["location_id"]].sort_values("date").groupby("item_id")["on_hand"].last()
    full = here.drop([line["item_id"], line["substitute_item_id"]]).idxmax()
    best = line["substitute_item_id"]
    rows = pd.DataFrame({"item_id": line["item_id"], "substitute_item_id": [full, best, full, full],
                         "rank": [2.0, 1.0, 0.0, 0.5], "known_at": pd.to_datetime(
                             ["2026-06-01", "2026-06-01", "2026-05-01", "2026-08-01"])})  # fmt: skip
    found = bf.run(with_substitutes(sample_data(), rows), seed=3).substitute_offers
    mine = found[found["line_id"] == line["line_id"]]
    assert mine["substitute_item_id"].tolist() == [best, full]
    assert mine["rank"].tolist() == [1.0, 2.0]
    assert mine["is_best"].tolist() == [True, False]
    assert mine["days_sooner"].iloc[1] > mine["days_sooner"].iloc[0]


def test_neither_threads_nor_how_many_are_simulated_change_a_row(run, offers):
    outcomes = run.queue_inputs.simulate()
    pairs = offers[["item_id", "substitute_item_id", "ratio", "rank"]].drop_duplicates(ignore_index=True)
    outcomes.past.tables["substitutes"] = pairs.assign(known_at=pd.NaT)
    for section in ({"simulation": {"jobs": 1}}, {"queue": {"substitutes_simulated": 200}}):
        other = replace(outcomes, config=bf.Config.merged(outcomes.config, section))
        found, _ = substitute_offers(other, run.line_eta)
        both = found.merge(offers, on=["line_id", "substitute_item_id"], suffixes=("", "_all"))
        assert len(both) > 5
        for name in ("days_sooner", "others_later_days", "p50_date"):
            assert both[name].equals(both[f"{name}_all"])
    none = replace(outcomes, config=bf.Config.merged(outcomes.config, {"queue": {"substitutes_simulated": 0}}))
    assert substitute_offers(none, run.line_eta)[0].empty


def test_without_a_table_there_is_nothing_and_it_says_why():
    plain = sample_run()
    with pytest.raises(bf.errors.NotAvailable, match="there is no substitutes table"):
        _ = plain.substitute_offers
    assert "substitute_offers" not in plain.missing


def test_rows_that_cannot_be_meant(data):
    items = sorted(data.tables["items"]["item_id"])
    good = [(items[i], items[i + 1], 1.0) for i in range(60)]
    rows = pd.DataFrame([*good, (items[0], items[0], 1.0), (items[0], items[3], 0.0), (items[0], "no such item", 1.0)],
                        columns=["item_id", "substitute_item_id", "ratio"])  # fmt: skip
    found = with_substitutes(sample_data(), rows)
    rejected = found.rejected_rows[found.rejected_rows["table"] == "substitutes"]
    assert rejected[["row", "check"]].values.tolist() == [[61, "is another item"]]
    repaired = found.cleaning_log[found.cleaning_log["table"] == "substitutes"]
    assert repaired["column"].tolist() == ["ratio"]
    assert any("substitutes: 1 of 62 items are in no other table (e.g. no such item)" in x for x in found.warnings)
    assert len(found.tables["substitutes"]) == 62


def test_what_was_stated_last_counts():
    rows = pd.DataFrame({"item_id": ["a", "a", "b"], "substitute_item_id": "b", "ratio": [2.0, 3.0, 1.0],
                         "rank": [1.0, np.nan, 1.0], "known_at": pd.to_datetime(["2026-01-02", "", ""])})  # fmt: skip

    assert stated(rows).values.tolist() == [["a", "b", 2.0, 1.0]]


def test_it_is_told(run, offers, tmp_path):
    best = offers[offers["is_best"]].iloc[0]
    answer = run.show(line_id=best["line_id"])
    line = answer.to_dict()["lines"][0]
    assert [x["is_best"] for x in line["substitutes"]].count(True) == 1
    told = str(answer)
    assert f"may be sent instead: {best['qty']:g} of {best['substitute_item_id']}; ships" in told
    assert "days sooner on average" in told
    opened = bf.open_run(run.save(tmp_path))
    pd.testing.assert_frame_equal(opened.substitute_offers, offers, check_exact=True)
    assert str(opened.show(line_id=best["line_id"])) == told
    section = next(x for x in summarise(run).sections if x.id == "instead")
    assert len(section.tables[0].rows) == offers["is_best"].sum()
    page = render(run)
    assert b"What may be sent instead" in page
    assert len(page) < 5_000_000

