"""Cancellations by age: rates recovered, shrunk where they say little, and the chance of receipt that follows."""

import numpy as np
import pandas as pd
import pytest

from backorder_forecast.core.ending import AGES, cells, days_in_cells, shrunk_rates
from backorder_forecast.dataset import Dataset
from backorder_forecast.lead_time import fit_lead_times
from backorder_forecast.supply import forecast_supply

START, SPAN = pd.Timestamp("2024-01-01"), 700
DAY = START + pd.Timedelta(days=SPAN)
STEADY = {"lead_time": {"rehearsals": 0, "choose_memory": False, "slow_change": False}}


def test_days_and_cells_are_those_of_counting_one_by_one():
    rng = np.random.default_rng(1)
    begin, end = rng.integers(0, 30, 40).astype(float), rng.integers(0, 300, 40).astype(float)
    states = np.sort(rng.integers(1, 200, (40, 3)).astype(float), axis=1)
    slow = np.zeros((40, 4 * (len(AGES) + 1)))
    for i in range(40):
        for day in range(int(begin[i]), int(end[i])):
            state, age = int((day >= states[i]).sum()), int((day >= AGES).sum())
            slow[i, state * (len(AGES) + 1) + age] += 1
            assert cells(np.array([[float(day)]]), states[i : i + 1])[0, 0] == state * (len(AGES) + 1) + age
    assert days_in_cells(begin, end, states) == pytest.approx(slow)


def test_rates_that_do_not_differ_are_alike_and_those_that_do_are_told_apart():
    rng = np.random.default_rng(2)
    days = rng.uniform(500.0, 5000.0, 30)
    usual = np.full(30, 0.01)
    ends = rng.poisson(0.01 * days).astype(float)
    same = shrunk_rates(ends, days, usual)
    assert same == pytest.approx(usual, rel=0.25)
    assert np.square(same - usual).mean() < 0.5 * np.square(ends / days - usual).mean()
    true = 0.01 * rng.lognormal(0, 1.0, 30)
    ends = rng.poisson(true * days).astype(float)
    apart = shrunk_rates(ends, days, usual)
    assert np.abs(apart / true - 1).mean() < np.abs(ends / days / true - 1).mean()
    assert np.square(apart - true).mean() < 0.1 * np.square(usual - true).mean()
    assert (shrunk_rates(np.zeros(30), days, usual) == 0).all()


def company(seed, cancels, n=4000, short=0.0):
    """Four suppliers, gamma lead times of 25 days; from the 30th to the 50th day of waiting each purchase is cancelled
    with a chance of cancels[supplier] a day. Of those in two parts, some are closed short a week after the first."""
    rng = np.random.default_rng(seed)
    supplier, placed = rng.integers(0, 4, n), np.sort(rng.integers(0, SPAN, n))
    took = np.ceil(rng.gamma(4.0, 25 / 4.0, n))
    gone = 30 + np.floor(np.log(rng.random(n)) / np.log1p(-np.maximum(np.array(cancels)[supplier], 1e-12)))
    gone = np.where((gone < 50) & (gone < took), gone, np.inf)
    rows = pd.DataFrame({"po_line_id": [f"p{i:04d}" for i in range(n)], "item_id": "x", "qty": 10.0,
                         "supplier_id": [f"s{x}" for x in supplier], "ordered_at": at(placed)})  # fmt: skip
    came = np.isinf(gone)
    in_two = came & (rng.random(n) < (0.5 if short else 0.0))
    closed = in_two & (rng.random(n) < short)
    first = rows[["po_line_id"]].assign(day=placed + took, qty=np.where(in_two, 4.0, 10.0))[came]
    rest = rows[["po_line_id"]].assign(day=placed + took + 10, qty=6.0)[in_two & ~closed]
    ends = rows[["po_line_id"]].assign(day=np.where(came, placed + took + 7, placed + gone),
                                       qty=np.where(came, 6.0, 10.0))[~came | closed]  # fmt: skip
    received = pd.concat([first, rest])
    events = {"receipts": received.assign(received_at=at(received["day"])).drop(columns="day"),
              "purchase_cancellations": ends.assign(cancelled_at=at(ends["day"])).drop(columns="day")}  # fmt: skip
    data = Dataset.of({"purchase_lines": rows, **events})
    config = data.config.merged(data.config.model_dump(), STEADY)
    return Dataset.of(data.tables, config=config), events


def at(days):
    return START + pd.to_timedelta(np.asarray(days, float), "D")


def test_the_chance_of_being_cancelled_goes_with_age():
    data, _ = company(1, [0.05] * 4, n=12_000)
    fitted = fit_lead_times(data.as_of(DAY))
    age = (DAY - fitted.open_rows["ordered_at"]).dt.days.to_numpy()
    left = np.clip(np.minimum(age + 1 + 20, 50) - np.maximum(age + 1, 30), 0, None)  # its days of danger among 20
    truth = 0.95**left
    gone = fitted.gone_table[:, 19]
    assert np.abs(1 - gone - truth).mean() < 0.1
    assert 1 - gone[age < 8] == pytest.approx(1.0, abs=0.03)
    assert np.mean(1 - gone[(age > 29) & (age < 34)]) == pytest.approx(0.95**18, abs=0.12)
    assert (fitted.gone_table[:, 0] >= 0).all()
    assert (np.diff(fitted.gone_table, axis=1) >= 0).all()


def test_receipt_is_as_probable_as_it_is_true():
    """Of all purchases open on a day, and of the old ones, as many come as said."""
    said, seen = [], []
    for seed in (2, 3, 4):
        data, events = company(seed, [0.05] * 4, n=12_000)
        fitted = fit_lead_times(data.as_of(DAY))
        ids = set(events["receipts"]["po_line_id"])
        rows = fitted.open_rows
        old = ((DAY - rows["ordered_at"]).dt.days >= 30).to_numpy()
        law, came = fitted.remaining.table[:, -1], rows["po_line_id"].isin(ids).to_numpy()
        said.append((law.mean(), law[old].mean(), law[~old].mean()))
        seen.append((came.mean(), came[old].mean(), came[~old].mean()))
    assert np.mean(said, axis=0) == pytest.approx(np.mean(seen, axis=0), abs=0.04)


def test_a_supplier_that_cancels_more_is_known_for_it():
    data, _ = company(5, [0.02, 0.02, 0.02, 0.15])
    factor = fit_lead_times(data.as_of(DAY)).cancelling.factor
    assert factor[3] > 2 * factor[:3].max()
    assert factor[-1] == 1.0
    alike, _ = company(5, [0.05] * 4)
    assert fit_lead_times(alike.as_of(DAY)).cancelling.factor == pytest.approx(np.ones(5), abs=0.15)


def test_what_is_closed_short_does_not_come():
    data, events = company(6, [0.0] * 4, short=0.4)
    fitted = fit_lead_times(data.as_of(DAY))
    rows = fitted.open_rows
    begun = (rows["received_qty"] > 0).to_numpy()
    age = (DAY - rows["last_received_at"]).dt.days.to_numpy()
    assert fitted.remaining.table[begun & (age < 7), -1].mean() == pytest.approx(0.6, abs=0.12)
    # parted half of the time, of these four in ten never whole
    assert fitted.remaining.table[~begun, -1].mean() == pytest.approx(1 - 0.5 * 0.4, abs=0.04)
    assert fitted.remaining_first.table[~begun, -1].min() > 0.95
    # the gap to the rest is ten days, whatever was closed short
    gap = np.diff(fitted.rest_table, prepend=0.0)
    assert np.argmax(gap) == 10
    assert fitted.rest_table[-1] == pytest.approx(0.6, abs=0.05)
    assert len(events["purchase_cancellations"]) > 300


def test_what_was_taken_off_before_the_receipt_leaves_nothing_to_come():
    rows = pd.DataFrame({"po_line_id": [f"p{i}" for i in range(60)], "item_id": "x", "supplier_id": "s", "qty": 10.0,
                         "ordered_at": at(np.arange(60) * 10)})  # fmt: skip
    less = rows[["po_line_id"]].assign(cancelled_at=rows["ordered_at"] + pd.Timedelta(days=2), qty=4.0)
    came = rows[["po_line_id"]].assign(received_at=rows["ordered_at"] + pd.Timedelta(days=8), qty=6.0)
    fitted = fit_lead_times(Dataset.of({"purchase_lines": rows, "receipts": came, "purchase_cancellations": less})
                            .as_of(DAY))  # fmt: skip
    assert fitted.split_prob[0] < 0.05


def test_cancellations_are_drawn_as_the_laws_say():
    data, _ = company(7, [0.08] * 4)
    past = data.as_of(DAY)
    fitted = fit_lead_times(past)
    draws = forecast_supply(past, fitted).draws(3000, seed=1)
    comes = (draws["first"] <= fitted.horizon).mean(axis=1)
    assert np.abs(comes - fitted.remaining_first.table[:, -1]).max() < 5 * 0.5 / np.sqrt(3000)
    gone = (draws["gone"] > 0).mean(axis=1)
    first = np.diff(fitted.next_table, prepend=0.0, axis=1)
    step = np.diff(fitted.gone_table, prepend=0.0, axis=1)
    assert np.abs(gone - (step * (1 - np.cumsum(first, axis=1))).sum(axis=1)).max() < 5 * 0.5 / np.sqrt(3000)
