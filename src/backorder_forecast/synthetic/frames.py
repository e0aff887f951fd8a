"""From whole numbers to the canonical tables of the contract, and the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .draws import N_CUSTOMERS, NewLines, is_key_customer
from .state import (
    CANCELLATION,
    CHANGE,
    DATE,
    FUTURE,
    MOVEMENT,
    PURCHASE_CANCELLATION,
    RECEIPT,
    REORDER_BEFORE,
    SHIPMENT,
    VANISHED,
    Log,
    State,
)
from .world import BASE_STOCK, KINDS, NEVER, POLICY_NAMES, R_Q, Floats, Ints, World

Texts = npt.NDArray[np.object_]
HOUR = {"receipt": 7, "movement": 7, "cancellation": 8, "change": 8, "shipment": 16, "purchase": 17}
RESTATED, BOOKED_LATE = 5, 6  # streams of draws
STOCK_WEEKDAY = 1  # Tuesday


def build_tables(world: World, lines: NewLines, final: State, log: Log) -> dict[str, pd.DataFrame]:
    """Every table of a company, by its canonical name."""
    names = line_ids(final)
    bought = _purchase_frames(world, final, log)
    return {
        "items": _items(world),
        "policies": _policies(world),
        **_line_frames(world, lines, final, log, names),
        "stock": _stock(world, log),
        "stock_movements": _movements(world, log),
        **bought,
        "customers": _customers(),
        "suppliers": _suppliers(world),
        "calendar": _calendar(world),
        "drivers": _drivers(world),
    }


def build_truth(world: World, lines: NewLines, final: State, last: int) -> pd.DataFrame:
    """One row a line: line_id, item_id, location_id, qty, ordered_at, wanted_date, cancelled_at, ship_date.

    ``ship_date``: the day on which the last unit left or, had the line not cancelled, would have left; NaT
    where that is after the ``last`` day.
    """
    there = _there(final)
    state = final.lines
    sku, out = state.sku[there], state.out_day[there]
    return pd.DataFrame(
        {
            "line_id": line_ids(final)[there],
            "item_id": _item_ids(world)[world.item[sku]],
            "location_id": _location_ids(world)[world.location[sku]],
            "qty": state.qty[there].astype(float),
            "ordered_at": _days(world, lines.day[there]),
            "wanted_date": _days(world, state.wanted[there]),
            "cancelled_at": _days(world, state.gone_day[there]),
            "ship_date": _days(world, np.where(out <= last, out, NEVER)),
        }
    )


def line_ids(state: State) -> Texts:
    """``L1``, ``L2``, … for the lines that came and did not vanish; empty for the others."""
    there = _there(state)
    number = np.cumsum(there)
    return np.array([f"L{k}" if real else "" for k, real in zip(number, there, strict=True)], dtype=object)


def _rows(log: Log, table: int) -> Ints:
    """Rows of one table of the log, in order of days: what, day, then its numbers."""
    return np.asarray(log.rows[log.rows[:, 0] == table][:, [2, 1, 3, 4, 5]])


def _there(state: State) -> npt.NDArray[np.bool_]:
    return np.asarray((state.lines.status != FUTURE) & (state.lines.status != VANISHED))


def _item_ids(world: World) -> Texts:
    return np.array([f"{k + 1:05d}" for k in range(len(world.kind))], dtype=object)


def _location_ids(world: World) -> Texts:
    return np.array(world.spec.locations, dtype=object)


def _supplier_ids(world: World) -> Texts:
    return np.array([f"S{k + 1:02d}" for k in range(world.spec.suppliers)], dtype=object)


def _customer_ids() -> Texts:
    return np.array([f"C{k + 1:04d}" for k in range(N_CUSTOMERS)], dtype=object)


def _sku_keys(world: World, sku: Ints) -> dict[str, Texts]:
    return {
        "item_id": _item_ids(world)[world.item[sku]],
        "location_id": _location_ids(world)[world.location[sku]],
    }


def _days(world: World, day: Ints, hour: int = 0) -> Any:
    """Days as timestamps; days before -1000 or beyond the calendar are missing."""
    start = world.dates[0].to_datetime64().astype("datetime64[us]")
    known = (day > -1000) & (day < len(world.dates))
    hours = np.where(known, day, 0) * 24 + hour
    return np.where(known, start + hours.astype("timedelta64[h]"), np.datetime64("NaT", "us"))


def _items(world: World) -> pd.DataFrame:
    m = len(world.kind)
    category = np.array(KINDS, dtype=object)[world.kind]
    return pd.DataFrame(
        {
            "item_id": _item_ids(world),
            "description": [f"{kind} article {k + 1}" for k, kind in enumerate(category)],
            "category": np.array(["tools", "parts", "garden"], dtype=object)[world.kind],
            "supplier_id": _supplier_ids(world)[world.supplier],
            "unit_cost": world.unit_cost,
            "unit_price": _prices(world),
            "introduced_date": _days(world, np.where(world.introduced < 0, -NEVER, world.introduced)),
            "discontinued_date": _days(world, world.discontinued),
            "unmet_demand": np.where(world.lost, "lost", "backorder").astype(object),
        },
        index=range(m),
    )


def _prices(world: World) -> Floats:
    return np.asarray(np.round(world.unit_cost * 1.6, 2))


def _policies(world: World) -> pd.DataFrame:
    introduced = world.introduced[world.item]
    stated = np.where(introduced < 0, -1, introduced - REORDER_BEFORE)
    revised = np.flatnonzero(world.policy_day < NEVER)
    sku = np.concatenate([np.arange(len(stated)), revised])
    day = np.concatenate([stated, world.policy_day[revised]])
    values = np.concatenate([world.policy[0], world.policy[1][revised]])
    kind = values[:, 0]
    return pd.DataFrame(
        {
            **_sku_keys(world, sku),
            "stated_at": _days(world, day),
            "policy": np.array(POLICY_NAMES, dtype=object)[kind],
            "reorder_point": np.where(kind == BASE_STOCK, np.nan, values[:, 1]),
            "order_qty": np.where(kind == R_Q, values[:, 2], np.nan),
            "order_up_to": np.where(kind == R_Q, np.nan, values[:, 2]),
            "review_days": values[:, 3],
            "pack_size": values[:, 4].astype(float),
            "planned_lead_time_days": world.stated_lead[world.item[sku]].astype(float),
            "supplier_id": _supplier_ids(world)[world.supplier[world.item[sku]]],
        }
    )


def _line_frames(
    world: World, lines: NewLines, final: State, log: Log, names: Texts
) -> dict[str, pd.DataFrame]:
    there = _there(final)
    sku = lines.sku[there]
    state = final.lines
    order_number = np.cumsum(np.diff(lines.order[there], prepend=-1) > 0)
    starts = np.flatnonzero(np.diff(order_number, prepend=0))
    ordered_at = _order_times(world, lines)[there]
    promises = _line_promises(world, final, names, ordered_at, log.level.shape[1] - 1)
    frame = pd.DataFrame(
        {
            "order_id": np.array([f"SO{k}" for k in order_number], dtype=object),
            "line_id": names[there],
            **_sku_keys(world, sku),
            "customer_id": _customer_ids()[lines.customer[there]],
            "ordered_at": ordered_at,
            "qty": state.qty[there].astype(float),
            "priority": lines.priority[there],
            "sequence": np.arange(len(sku)) - starts[order_number - 1] + 1 if len(sku) else sku,
            "requested_date": _days(world, _requested(lines, final, log)[there]),
            "promised_date": promises.drop_duplicates("line_id")["promised_date"].to_numpy(),
            "ship_complete": lines.complete[there] == 1,
            "allow_partial": lines.whole[there] == 0,
            "unit_price": _prices(world)[world.item[sku]],
        }
    )
    return {
        "order_lines": frame,
        "line_changes": _line_changes(world, log, names),
        "line_promises": promises,
        "shipments": _facts(world, _rows(log, SHIPMENT), names, "line_id", "shipped_at", HOUR["shipment"]),
        "cancellations": _facts(
            world, _rows(log, CANCELLATION), names, "line_id", "cancelled_at", HOUR["cancellation"]
        ).assign(cancelled_by="customer"),
    }


def _order_times(world: World, lines: NewLines) -> Any:
    """Orders of a day come one after the other between nine and four, all lines of an order together."""
    if not len(lines.order):
        return _days(world, lines.day)
    new = np.diff(lines.order, prepend=-1) > 0
    day = lines.day[new]
    first = np.searchsorted(day, day)
    rank = np.arange(len(day)) - first
    seconds = 9 * 3600 + (rank + 1) * (7 * 3600) // (np.bincount(day)[day] + 1)
    times = _days(world, day) + seconds.astype("timedelta64[s]")
    return times[lines.order]


def _requested(lines: NewLines, final: State, log: Log) -> Ints:
    """Requested days as they stand at the end; far in the past where nothing was asked for."""
    changed = np.zeros(len(lines.sku), dtype=bool)
    changes = _rows(log, CHANGE)
    changed[changes[changes[:, 2] == DATE, 0]] = True
    asked = np.where(lines.requested < 0, -NEVER, lines.requested)
    return np.where(changed, final.lines.wanted, asked)


def _facts(world: World, rows: Ints, names: Texts, key: str, date: str, hour: int) -> pd.DataFrame:
    return pd.DataFrame(
        {key: names[rows[:, 0]], date: _days(world, rows[:, 1], hour), "qty": rows[:, 2].astype(float)}
    )


def _line_changes(world: World, log: Log, names: Texts) -> pd.DataFrame:
    rows = _rows(log, CHANGE)
    of_date = rows[:, 2] == DATE
    old, new = (_as_text(world, rows[:, column], of_date) for column in (3, 4))
    return pd.DataFrame(
        {
            "line_id": names[rows[:, 0]],
            "changed_at": _days(world, rows[:, 1], HOUR["change"]),
            "field": np.where(of_date, "requested_date", "qty").astype(object),
            "value": new,
            "old_value": old,
        }
    )


def _as_text(world: World, value: Ints, is_day: npt.NDArray[np.bool_]) -> Texts:
    dates = np.datetime_as_string(_days(world, np.where(is_day, value, 0)), unit="D")
    return np.where(is_day, dates, value.astype(str)).astype(object)


def _line_promises(world: World, final: State, names: Texts, ordered_at: Any, end: int) -> pd.DataFrame:
    """What customers were told: when they ordered, and again now and then once that has passed.

    The first date is the next working day after the wanted day where the goods were there or the line is for
    a later day, else the order day plus the stated lead time. When a date has passed, half of the customers
    hear, on the next working day, of a new one: half the stated lead time later.
    """
    there, state = _there(final), final.lines
    sku = state.sku[there]
    day, wanted = state.day[there], state.wanted[there]
    lead = world.stated_lead[world.item[sku]]
    soon = (state.at_once[there] == 1) | (wanted > day)
    promised = world.roll[np.where(soon, world.roll[wanted] + 1, day + lead)]
    until = np.where(state.gone_day[there] < NEVER, state.gone_day[there], state.out_day[there])
    told = [pd.DataFrame({"line": np.arange(len(sku)), "stated_at": ordered_at, "promised": promised})]
    hears = np.random.default_rng([world.spec.seed, RESTATED]).random((len(state.sku), 2))[there] < 0.5
    last = len(world.dates) - 1
    for again in range(2):
        stated = world.roll[np.minimum(promised + 1, last)]
        promised = np.where(hears[:, again], world.roll[np.minimum(stated + 1 + lead // 2, last)], NEVER)
        hears &= ((until > stated) & (stated <= end))[:, None]
        rows = np.flatnonzero(hears[:, again])
        promised = np.where(hears[:, again], promised, last - 1)
        told.append(
            pd.DataFrame(
                {"line": rows, "stated_at": _days(world, stated[rows], 9), "promised": promised[rows]}
            )
        )
    frame = pd.concat(told).sort_values(["line", "stated_at"], kind="stable")
    return pd.DataFrame(
        {
            "line_id": names[there][frame["line"].to_numpy()],
            "stated_at": frame["stated_at"].to_numpy(),
            "promised_date": _days(world, frame["promised"].to_numpy()),
        }
    )


def _stock(world: World, log: Log) -> pd.DataFrame:
    """Stock at the end of the day: the opening one, every Tuesday, and the last day."""
    n_days = log.level.shape[1]
    counted = np.asarray(world.dates.day_of_week[:n_days] == STOCK_WEEKDAY)
    counted[-1] = True
    day = np.concatenate([[-1], np.flatnonzero(counted)])
    levels = np.concatenate([world.opening[:, None], log.level[:, counted]], axis=1)
    kept_from = np.maximum(world.introduced[world.item] - REORDER_BEFORE, -1)
    rows, sku = np.nonzero(day[:, None] >= kept_from[None, :])
    return pd.DataFrame(
        {
            **_sku_keys(world, sku),
            "date": _days(world, day[rows]),
            "on_hand": levels[sku, rows].astype(float),
        }
    )


def _movements(world: World, log: Log) -> pd.DataFrame:
    rows = _rows(log, MOVEMENT)
    kind = np.where(rows[:, 2] > 0, "return", "scrap").astype(object)
    if world.spec.count_corrections:
        kind[np.asarray(world.dates.day_of_week)[rows[:, 1]] == STOCK_WEEKDAY] = "count"
    return pd.DataFrame(
        {
            **_sku_keys(world, rows[:, 0]),
            "moved_at": _days(world, rows[:, 1], HOUR["movement"]),
            "qty": rows[:, 2].astype(float),
            "kind": kind,
        }
    )


def _purchase_frames(world: World, final: State, log: Log) -> dict[str, pd.DataFrame]:
    bought, count = final.purchases, int(final.bought[0])
    sku, day = bought.sku[:count], bought.day[:count]
    names = np.array([f"P{k + 1}" for k in range(count)], dtype=object)
    supplier = world.supplier[world.item[sku]]
    promised = world.roll[np.minimum(day + world.stated_lead[world.item[sku]], len(world.dates) - 1)]
    headers = pd.factorize(pd.MultiIndex.from_arrays([day, supplier, world.location[sku]]))[0]
    lines = pd.DataFrame(
        {
            "po_line_id": names,
            "po_id": np.array([f"PO{k + 1}" for k in headers], dtype=object),
            **_sku_keys(world, sku),
            "supplier_id": _supplier_ids(world)[supplier],
            "ordered_at": _days(world, day, HOUR["purchase"]),
            "qty": bought.qty[:count].astype(float),
            "promised_date": _days(world, promised),
            "unit_cost": world.unit_cost[world.item[sku]],
        }
    )
    receipts = _booked(world, log)
    return {
        "purchase_lines": lines,
        "receipts": _facts(world, receipts, names, "po_line_id", "received_at", HOUR["receipt"]),
        "purchase_cancellations": _facts(
            world, _rows(log, PURCHASE_CANCELLATION), names, "po_line_id", "cancelled_at", HOUR["receipt"]
        ),
        "purchase_promises": _purchase_promises(world, final, log, names, promised),
    }


def _booked(world: World, log: Log) -> Ints:
    """Receipts as booked: in the regime ``late_booking`` some only days after the goods were there."""
    rows = _rows(log, RECEIPT)
    if not world.spec.late_booking:
        return rows
    u = np.random.default_rng([world.spec.seed, BOOKED_LATE]).random(len(rows))
    late = np.where(u < 0.4, 1 + (u / 0.4 * 5).astype(np.int64), 0)
    rows[:, 1] = world.roll[np.minimum(rows[:, 1] + late, len(world.dates) - 1)]
    return np.asarray(rows[rows[:, 1] < log.level.shape[1]])


def _purchase_promises(world: World, final: State, log: Log, names: Texts, promised: Ints) -> pd.DataFrame:
    """What suppliers said: when ordered, and for three in ten of those overdue by three days again.

    The second date depends on the stated lead time alone: it tells nothing about the arrival.
    """
    bought, count = final.purchases, len(names)
    day, lead = bought.day[:count], world.stated_lead[world.item[bought.sku[:count]]]
    closed = np.full(count, NEVER)
    for rows in (_rows(log, RECEIPT), _rows(log, PURCHASE_CANCELLATION)):
        done = rows[bought.open[rows[:, 0]] == 0]
        closed[done[:, 0]] = done[:, 1]  # rows are in order of days: the last one stays
    last = len(world.dates) - 1
    again = world.roll[np.minimum(promised + 3, last)]
    u = np.random.default_rng([world.spec.seed, RESTATED, 1]).random(count)
    late = np.flatnonzero((u < 0.3) & (closed > again) & (again < log.level.shape[1]))
    new = world.roll[np.minimum(again + 3 + lead // 3, last)]
    return pd.DataFrame(
        {
            "po_line_id": np.concatenate([names, names[late]]),
            "stated_at": np.concatenate(
                [_days(world, day, HOUR["purchase"]), _days(world, again[late], HOUR["change"])]
            ),
            "promised_date": np.concatenate([_days(world, promised), _days(world, new[late])]),
        }
    )


def _customers() -> pd.DataFrame:
    number = np.arange(N_CUSTOMERS)
    return pd.DataFrame(
        {
            "customer_id": _customer_ids(),
            "customer_class": np.where(is_key_customer(number), "key", "standard").astype(object),
            "country": np.array(["DE", "FR", "NL", "AT"], dtype=object)[number // 7 % 4],
            "is_consumer": number % 3 == 0,
        }
    )


def _suppliers(world: World) -> pd.DataFrame:
    names = _supplier_ids(world)
    return pd.DataFrame({"supplier_id": names, "name": [f"Supplier {name[1:]}" for name in names]})


def _calendar(world: World) -> pd.DataFrame:
    holiday = ~world.working & (np.asarray(world.dates.day_of_week) < 5)
    return pd.DataFrame(
        {
            "date": world.dates,
            "working": world.working,
            "event": pd.Series(holiday).map({True: "holiday", False: None}).to_numpy(),
        }
    )


def _drivers(world: World) -> pd.DataFrame:
    """Promotions, known ahead: one row a promoted item, location and day of promotion."""
    sku, day = np.nonzero(world.promotion[world.item] & (world.mean_lines > 0))
    price = np.round(_prices(world)[world.item[sku]] * 0.8, 2)
    return pd.DataFrame(
        {**_sku_keys(world, sku), "date": world.dates[day], "price": price, "promotion": True}
    )
