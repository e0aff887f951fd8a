"""Dates that suppliers move later: heeded with each one's bias where that came truer, and as known on the day."""

import numpy as np
import pandas as pd
import pytest

from backorder_forecast.dataset import Dataset
from backorder_forecast.lead_time import fit_lead_times
from backorder_forecast.lead_time.restated import as_purchases, statements

START, DAY = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-12-01")
SPAN = (DAY - START).days


def at(days):
    return START + pd.to_timedelta(days, "D")


def company(seed, honest=True, n=2500):
    """Ten suppliers, gamma lead times of thirty days. Half of the purchases are given a new date when two thirds of
    their time are over: half of the suppliers then say what is left, the others half of it. Or anything is said,
    on any day."""
    rng = np.random.default_rng(seed)
    supplier = rng.integers(0, 10, n)
    placed, took = np.sort(rng.integers(0, SPAN, n)), np.ceil(rng.gamma(4.0, 30 / 4.0, n)) + 3
    rows = pd.DataFrame({"po_line_id": [f"p{i:04d}" for i in range(n)], "item_id": "x", "qty": 5.0,
                         "supplier_id": [f"s{x}" for x in supplier], "ordered_at": at(placed),
                         "promised_date": at(placed + 25)})  # fmt: skip
    said_on = placed + (np.floor(took * 2 / 3) if honest else rng.integers(1, 40, n))
    moved = (rng.random(n) < 0.5) & (said_on < placed + took)
    told = placed + took - said_on if honest else rng.integers(1, 30, n)
    told = np.ceil(told * np.where(supplier < 5, 1.0, 0.5) * rng.lognormal(0, 0.1, n))
    promises = pd.DataFrame({"po_line_id": rows["po_line_id"], "stated_at": at(said_on),
                             "promised_date": at(said_on + told)})[moved]  # fmt: skip
    came = rows[["po_line_id", "qty"]].assign(received_at=at(placed + took))
    return {"purchase_lines": rows, "receipts": came, "purchase_promises": promises}


def known(tables, day=DAY, **settings):
    data = Dataset.of(tables)
    config = data.config.merged(data.config.model_dump(), {"lead_time": {"choose_memory": False} | settings})
    return Dataset.of(data.tables, config=config).as_of(day)


def losses(fitted, tables):
    """Pinball loss of p10, p50, p90 of each open purchase whose date was moved, in days."""
    moved = tables["purchase_promises"]
    moved = set(moved.loc[moved["stated_at"] <= DAY, "po_line_id"])
    mine = fitted.open_rows["po_line_id"].isin(moved).to_numpy()
    came = tables["receipts"].set_index("po_line_id")["received_at"].reindex(fitted.open_rows["po_line_id"].array)
    days = (came - DAY).dt.days.to_numpy()[mine, None]
    gap = days - np.nan_to_num(fitted.remaining.quantile_array([0.1, 0.5, 0.9])[mine], nan=180.0)
    level = np.array([0.1, 0.5, 0.9])
    return np.maximum(level * gap, (level - 1) * gap).sum(axis=1)


def test_a_new_date_tells_with_its_suppliers_bias():
    told, blind = [], []
    for seed in (1, 2):
        tables = company(seed)
        fitted = fit_lead_times(known(tables))
        assert fitted.restated is not None
        assert any("by re-stated dates" in x for x in fitted.notes)
        plain = fit_lead_times(known(tables, restated_dates=False))
        assert plain.restated is None
        others = ~fitted.open_rows["po_line_id"].isin(tables["purchase_promises"]["po_line_id"]).to_numpy()
        assert others.any()
        told.append(losses(fitted, tables))
        blind.append(losses(plain, tables))
        beside = (fitted.plain_table[others] == plain.plain_table[others]).all()
        assert beside  # what says nothing anew is as it was
    assert np.concatenate(told).mean() < 0.75 * np.concatenate(blind).mean()


def test_who_says_half_of_what_is_left_is_read_so():
    tables = company(3)
    began = DAY - pd.Timedelta(days=26)
    new = pd.DataFrame({"po_line_id": ["true", "half"], "item_id": "x", "qty": 5.0, "supplier_id": ["s0", "s9"],
                        "ordered_at": began, "promised_date": began + pd.Timedelta(days=25)})  # fmt: skip
    said = new[["po_line_id"]].assign(stated_at=DAY, promised_date=DAY + pd.Timedelta(days=10))
    tables |= {"purchase_lines": pd.concat([tables["purchase_lines"], new]),
               "purchase_promises": pd.concat([tables["purchase_promises"], said])}  # fmt: skip
    fitted = fit_lead_times(known(tables))
    p50 = pd.Series(fitted.remaining.quantile_array([0.5])[:, 0], fitted.open_rows["po_line_id"])
    assert p50["true"] == pytest.approx(10, abs=2)
    assert p50["half"] == pytest.approx(20, abs=4)


def test_dates_that_say_nothing_are_not_heeded():
    tables = company(4, honest=False)
    fitted, plain = (fit_lead_times(known(tables, restated_dates=x)) for x in (True, False))
    assert fitted.restated is None
    assert (fitted.next_table == plain.next_table).all()


def test_statements_are_changes_made_before_anything_came_and_known_on_the_day():
    lines = pd.DataFrame({"po_line_id": list("abcd"), "item_id": "x", "supplier_id": "s", "qty": 1.0,
                          "ordered_at": at(0), "promised_date": [at(10), at(10), pd.NaT, at(10)]})  # fmt: skip
    told = pd.DataFrame(
        [("a", 0, 10), ("a", 5, 12), ("a", 6, 12), ("a", 7, 14), ("a", 7, 15), ("a", 99, 30),  # 99: not known yet
         ("b", 9, 20),  # it had come by then
         ("c", 1, 10), ("c", 2, 11), ("d", 3, 10)],
        columns=["po_line_id", "stated", "date"],
    ).sample(frac=1, random_state=1)  # fmt: skip
    told = told.assign(stated_at=at(told["stated"]), promised_date=at(told["date"]))
    came = pd.DataFrame({"po_line_id": ["b"], "received_at": at([9]), "qty": 1.0})
    tables = {"purchase_lines": lines, "receipts": came, "purchase_promises": told.drop(columns=["stated", "date"])}
    past = known(tables, at(50))
    rows = past.purchases
    found = statements(past, rows)
    days = [(rows["po_line_id"][x.line], x.number, (x.stated_at - START).days, (x.promised_date - START).days)
            for x in found.itertuples()]  # fmt: skip
    assert days == [("a", 1, 5, 12), ("a", 2, 7, 15), ("c", 1, 2, 11)]
    assert as_purchases(past, rows) is None  # too few


def test_what_is_said_later_changes_nothing():
    tables, day = company(5), DAY - pd.Timedelta(days=30)
    cut = {"purchase_promises": tables["purchase_promises"].query("stated_at <= @day")}
    one, two = (fit_lead_times(known(x, day)) for x in (tables, tables | cut))
    assert one.restated is not None
    assert (one.next_table == two.next_table).all()
