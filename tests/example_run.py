"""A small hand-made run: every status, supply state and awkward text once, for tests of what reads a run.

Nothing in here is computed by the package: the numbers are written down so that a test can expect them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from backorder_forecast.config import Config
from backorder_forecast.result import Run
from backorder_forecast.tables import conform

LEVELS = ["p05", "p10", "p25", "p50", "p75", "p90", "p95", "p99"]
DAY = pd.Timestamp("2026-06-30")
HOSTILE = 'Bolt </script><script>alert("x")</script> & Ø 5 µm'

_OPEN = [
    # line, order, customer, item, qty, open, position, status, supply, promise, p10, p50, p90, promised,
    # on-time probability
    ("L1", "O1", "C1", "bolt", 10, 4, 1, "late", "overdue", "late", 3, 8, 21, -5, 0.0),
    ("L2", "O1", "C1", "nut", 6, 6, 1, "at_risk", "due", "at_risk", 5, 9, 15, 10, 0.61),
    ("L3", "O2", "C2", "bolt", 3, 3, 2, "ready", "ready", "kept_likely", 1, 1, 1, 4, 1.0),
    ("L4", "O3", "C3", "cam", 1, 1, 1, "no_supply", "none", "late", None, None, None, 12, 0.02),
    ("L5", "O4", "C3", "gear", 2, 2, 1, "unknown", "unknown", "none", None, None, None, None, None),
    ("L6", "O5", "C4", "nut", 8, 8, 2, "waiting", "planned", "none", 20, 33, None, None, None),
    ("L7", "O6", "C4", "pin", 5, 5, 1, "on_time", "due", "kept_likely", 2, 3, 6, 14, 0.97),
    ("L8", "O7", "C5", "cam", 4, 4, 9, "stale", "none", "none", None, None, None, None, None),
]
_ITEMS = {"bolt": HOSTILE, "nut": "Nut M8", "cam": "Camshaft", "gear": "Gear 40 teeth", "pin": "Pin, steel"}


def _days(values: Any) -> pd.Series:
    offsets = pd.to_timedelta(pd.Series(values, dtype="float64"), unit="D")
    return (DAY + offsets).astype("datetime64[us]")


def line_eta() -> pd.DataFrame:
    names = ["line_id", "order_id", "customer_id", "item_id", "qty", "open_qty", "queue_position", "status"]
    names += ["supply_state", "promise_state"]
    frame = pd.DataFrame([row[:10] for row in _OPEN], columns=names).drop(columns="qty")
    for at, name in zip((10, 11, 12, 13), ("p10", "p50", "p90", "promised"), strict=True):
        frame[f"{name}_date"] = _days([row[at] for row in _OPEN])
    frame["on_time_prob"] = pd.Series([row[14] for row in _OPEN], dtype="float64")
    frame.insert(4, "location_id", "main")
    frame["open_qty"] = frame["open_qty"].astype("float64")
    frame["ready_qty"] = np.where(frame["status"] == "ready", frame["open_qty"], 0.0)
    frame["is_backordered"] = ~frame["status"].isin(["ready", "unknown"])
    frame["backordered_since"] = _days([-20, -3, None, -40, None, -1, -2, -400])
    frame["next_p50_date"] = frame["p50_date"]
    frame["ready_p50_date"] = frame["p50_date"]
    frame["first_promised_date"] = frame["promised_date"]
    frame["ship_prob"] = [0.98, 0.99, 1.0, 0.02, np.nan, 0.71, 1.0, np.nan]
    frame["cancel_prob"] = [0.12, 0.03, 0.0, 0.45, np.nan, 0.2, 0.01, np.nan]
    frame["unplaced_prob"] = [0.02, 0.0, 0.0, 0.02, np.nan, 0.71, 0.0, np.nan]
    frame["late_reason"] = ["supplier", "supplier", None, "no_supply", None, "quantity", None, None]
    frame["pegged_po_line_id"] = ["P1", "P2", None, None, None, None, "P3", None]
    frame["pegged_prob"] = [0.91, 0.8, np.nan, np.nan, np.nan, np.nan, 0.99, np.nan]
    frame["date_basis"] = [None if x == "unknown" else "scenarios" for x in frame["supply_state"]]
    frame["suggested_promise_date"] = frame["p90_date"]
    return frame


def lines() -> pd.DataFrame:
    """``past.lines``: the open lines and four that have left or been cancelled."""
    eta = line_eta()
    frame = eta[["line_id", "order_id", "customer_id", "item_id", "location_id", "open_qty"]].copy()
    frame["qty"] = [float(row[4]) for row in _OPEN]
    done = pd.DataFrame(
        [
            ("L0", "O1", "C1", "pin", "main", 0.0, 2.0),
            ("L9", "O8", "C2", "nut", "main", 0.0, 7.0),
            ("L10", "O9", "C2", "cam", "main", 0.0, 1.0),
            ("L11", "O9", "C2", "pin", "main", 0.0, 5.0),
        ],
        columns=frame.columns,
    )
    frame = pd.concat([frame, done], ignore_index=True)
    frame["shipped_qty"] = [6, 0, 0, 0, 0, 0, 0, 0, 2, 7, 0, 3]
    frame["cancelled_qty"] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]
    frame = frame.astype({"shipped_qty": "float64", "cancelled_qty": "float64"})
    frame["ordered_at"] = _days([-25, -25, -2, -44, -9, -3, -6, -420, -25, -60, -50, -50])
    frame["wanted_date"] = frame["ordered_at"]
    frame["requested_date"] = _days([None] * 12)
    frame["last_shipped_at"] = _days([-20, *[None] * 7, -24, -50, None, -48])
    frame["last_cancelled_at"] = _days([*[None] * 10, -45, -44])
    frame["first_promised_date"] = _days([-5, 10, 4, 12, None, None, 14, None, -23, -52, None, -45])
    frame["promised_date"] = frame["first_promised_date"]
    frame["unit_price"] = [2.5, 1.0, 2.5, 340.0, 60.0, 1.0, 0.4, 340.0, 0.4, 1.0, 340.0, 0.4]
    frame["priority"] = 0
    frame["ship_complete"] = False
    frame["allow_partial"] = True
    frame["is_stale"] = [*[False] * 7, True, *[False] * 4]
    return frame.sort_values("line_id", ignore_index=True)


def purchase_eta() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "po_line_id": ["P1", "P2", "P3", "P4"],
            "item_id": ["bolt", "nut", "pin", "bolt"],
            "location_id": "main",
            "supplier_id": ["S1", "S1", "S2", "S1"],
            "open_qty": [40.0, 30.0, 100.0, 60.0],
            "ordered_at": _days([-60, -20, -30, -5]),
            "promised_date": _days([-12, 8, 2, 30]),
            "age_days": [60.0, 20.0, 30.0, 5.0],
            "overdue_days": [12.0, 0.0, 0.0, 0.0],
            "first_p50_date": _days([6, 8, 2, 29]),
            "p10_date": _days([2, 4, 1, 20]),
            "p50_date": _days([6, 8, 2, 30]),
            "p90_date": _days([19, 14, 5, 44]),
            "receive_prob": [0.95, 0.99, 1.0, 1.0],
            "late_prob": [1.0, 0.44, 0.31, 0.45],
            "expedite_line_days": [55.5, 12.0, 0.0, 3.25],
        }
    )
    return frame


def lead_times() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "supplier_id": ["S1", "S1", "S2"],
            "item_id": ["bolt", "nut", "pin"],
            "n_received": [14, 11, 6],
            "n_open": [2, 1, 1],
            "mean_days": [37.2, 30.1, 31.0],
            "p10_days": [21.0, 19.0, 26.0],
            "p50_days": [34.0, 28.0, 31.0],
            "p90_days": [61.0, 47.0, 38.0],
            "p90_over_p50": [1.79, 1.68, 1.23],
            "stuck_prob": [0.04, 0.02, 0.0],
            "on_time_rate": [0.31, 0.55, 0.9],
            "bias_days": [7.4, 2.2, -0.6],
        }
    )


def supplier_scorecard() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "supplier_id": ["S1", "S2", "S3"],
            "n_received": [25, 6, 0],
            "n_open": [3, 1, 1],
            "n_overdue": [1, 0, 0],
            "n_due": [24, 6, 0],
            "on_time_rate": [0.42, 0.9, np.nan],
            "on_time_low": [0.24, 0.55, np.nan],
            "on_time_high": [0.61, 0.99, np.nan],
            "bias_days": [5.1, -0.6, np.nan],
            "p50_days": [32.0, 31.0, np.nan],
            "p50_low_days": [28.0, 28.0, np.nan],
            "p50_high_days": [37.0, np.nan, np.nan],
            "p90_days": [58.0, np.nan, np.nan],
            "p90_low_days": [44.0, np.nan, np.nan],
            "p90_high_days": [np.nan, np.nan, np.nan],
        }
    )


def supplier_survival() -> pd.DataFrame:
    rows = [
        ("S1", 0.0, 1.0, 1.0, 1.0, 28, 0), ("S1", 19.0, 0.9, 0.7, 0.97, 28, 3), ("S1", 32.0, 0.5, 0.3, 0.66, 22, 10),
        ("S1", 58.0, 0.1, 0.02, 0.25, 8, 6), ("S2", 0.0, 1.0, 1.0, 1.0, 7, 0), ("S2", 31.0, 0.5, 0.2, 0.8, 6, 3),
        ("S3", 0.0, 1.0, 1.0, 1.0, 1, 0),
    ]  # fmt: skip
    columns = ["supplier_id", "days", "open_prob", "low", "high", "n_risk", "n_ended"]
    return pd.DataFrame(rows, columns=columns)


def purchases() -> pd.DataFrame:
    """``past.purchases``: of four open lines and three that have come; one was never given a date."""
    names = ["po_line_id", "supplier_id", "ordered_at", "first_promised_date", "last_received_at", "open_qty"]
    rows = [
        ("P0", "S1", -90, -60, -45, 0.0), ("P1", "S1", -60, -20, None, 40.0), ("P2", "S1", -20, 8, None, 30.0),
        ("P3", "S2", -30, 2, None, 100.0), ("P4", "S1", -5, 30, None, 60.0), ("P5", "S2", -80, -50, -52, 0.0),
        ("P6", "S3", -70, None, -40, 0.0),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=names)
    for name in names[2:5]:
        frame[name] = _days(frame[name])
    frame["received_qty"] = np.where(frame["open_qty"] > 0, 0.0, 10.0)
    return frame


def backorder_risk() -> pd.DataFrame:
    rows = [
        (item, "main", horizon, basis, round(base + step * horizon / 28 - 0.1 * (basis != "open_only"), 3))
        for item, base, step in (("bolt", 0.5, 0.3), ("nut", 0.3, 0.4), ("cam", 0.1, 0.1), ("pin", 0.1, 0.05))
        for horizon in (7, 14, 28)
        for basis in ("open_only", "with_planned")
    ]
    keys = ["item_id", "location_id", "horizon_days", "supply_basis", "backorder_prob"]
    frame = pd.DataFrame(rows, columns=keys)
    frame["expected_backorder_qty"] = frame["backorder_prob"] * 12
    frame["expected_fill_rate"] = 1 - frame["backorder_prob"] / 2
    frame["preventable_prob"] = frame["backorder_prob"] / 3
    frame["first_backorder_p50_date"] = _days(np.where(frame["backorder_prob"] > 0.5, 6.0, np.nan))
    frame["expected_backorder_value"] = frame["expected_backorder_qty"] * 2.5
    frame["on_hand"] = frame["item_id"].map({"bolt": 0.0, "nut": 2.0, "cam": np.nan, "pin": 40.0})
    frame["on_order"] = frame["item_id"].map({"bolt": 100.0, "nut": 30.0, "cam": 0.0, "pin": 100.0})
    frame["backordered_now"] = frame["item_id"].map({"bolt": 4.0, "nut": 14.0, "cam": 5.0, "pin": 5.0})
    return frame


def reorder_points() -> pd.DataFrame:
    frame = pd.DataFrame({"item_id": ["bolt", "nut", "pin"], "location_id": "main", "policy": "rQ"})
    frame["reorder_point"] = [80.0, 44.0, 60.0]
    frame["order_qty"] = [60.0, 30.0, 100.0]
    frame["order_up_to"] = [np.nan] * 3
    frame["safety_stock"] = [22.0, 14.0, 9.0]
    frame["lead_time_demand_mean"] = [58.0, 30.0, 51.0]
    frame["lead_time_demand_sd"] = [17.2, 11.0, 8.0]
    frame["service_measure"] = "cycle"
    frame["service_target"] = 0.95
    frame["expected_service"] = [0.953, 0.951, 0.957]
    frame["expected_stock"] = [50.1, 30.2, 60.3]
    frame["simulated_service"] = [0.949, 0.955, 0.951]
    frame["current_reorder_point"] = [60.0, 44.0, np.nan]
    frame["current_order_qty"] = [60.0, 30.0, np.nan]
    frame["current_order_up_to"] = [np.nan] * 3
    frame["current_expected_service"] = [0.78, 0.951, np.nan]
    frame["current_expected_stock"] = [34.0, 30.2, np.nan]
    frame["stock_value_change"] = [40.3, 0.0, np.nan]
    frame["reason"] = ["lead time grew", "as it is", "no current setting"]
    frame["suggested_order_qty"] = [60.0, 30.0, 0.0]
    return frame


def demand_forecast() -> pd.DataFrame:
    parts = []
    for item, mean in (("bolt", 12.0), ("nut", 6.0), ("pin", 20.0)):
        part = pd.DataFrame({"item_id": item, "location_id": "main", "date": _days([1, 8, 15, 22])})
        part["days"] = 7
        part["mean"] = mean
        for name, factor in zip(LEVELS, range(1, 9), strict=True):
            part[name] = np.floor(mean * factor / 4)
        part["statistical_mean"] = part["mean"]
        part["model"] = "100 % steady level"
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def stock_paths() -> pd.DataFrame:
    parts = []
    for item, start in (("bolt", 0.0), ("nut", 2.0), ("pin", 40.0)):
        part = pd.DataFrame({"item_id": item, "location_id": "main", "date": _days(range(1, 61))})
        wave = start + 25 * (1 + np.sin(np.arange(60) / 9.0))
        part["on_hand_p10"] = np.floor(np.maximum(wave - 20, 0))
        part["on_hand_p50"] = np.floor(wave)
        part["on_hand_p90"] = np.floor(wave + 18)
        part["backordered_mean"] = np.maximum(10 - np.arange(60) / 4, 0)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def scorecard() -> pd.DataFrame:
    rows = [
        ("line_eta", "share_shipped_by_p50", "all", 0.52, 0.03, 240, 0.41, "stated date"),
        ("line_eta", "share_shipped_by_p90", "all", 0.88, 0.02, 240, 0.41, "stated date"),
        ("line_eta", "pit_at_p50", "all", 0.503, 0.03, 240, np.nan, None),
        ("line_eta", "pit_at_p90", "overdue", 0.861, 0.05, 61, np.nan, None),
    ]
    names = ["stage", "metric", "segment", "value", "standard_error", "n", "baseline_value", "baseline"]
    return pd.DataFrame(rows, columns=names)[[*names[:6], "baseline", "baseline_value"]]


def replay_lines() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    parts = []
    for back in (112, 84, 56, 28):
        part = pd.DataFrame({"line_id": [f"R{back}-{k}" for k in range(12)], "item_id": "bolt"})
        part.insert(0, "as_of", DAY - pd.Timedelta(days=back))
        part["location_id"] = "main"
        wait = rng.integers(1, 40, 12)
        for name, factor in (("p10", 0.4), ("p50", 1.0), ("p90", 1.9), ("promised", 0.9)):
            part[f"{name}_date"] = _days(np.floor(18 * factor) - back + 0 * wait)
        part["left_date"] = _days(np.where(wait - back > 0, np.nan, wait - back))
        part["censored_at"] = DAY
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _events(column: str, rows: list[tuple[str, int, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["line_id", column, "qty"])
    frame[column] = _days(frame[column])
    return frame


def example_run(**changed: Any) -> Run:
    """The run; ``changed`` replaces whole arguments of ``Run``, e.g. ``tables={}``."""
    tables = {
        "line_eta": line_eta(),
        "order_eta": _order_eta(),
        "purchase_eta": purchase_eta(),
        "lead_times": lead_times(),
        "supplier_scorecard": supplier_scorecard(),
        "demand_forecast": demand_forecast(),
        "backorder_risk": backorder_risk(),
        "reorder_points": reorder_points(),
        "scorecard": scorecard(),
        "rejected_rows": pd.DataFrame(
            [("order_lines", 17, "qty", "is a finite number", "inf", "not a quantity")],
            columns=["table", "row", "column", "check", "value", "reason"],
        ),
        "cleaning_log": pd.DataFrame(
            [("order_lines", "ordered_at", "text read as a date", 12, "01.02.2026")],
            columns=["table", "column", "repair", "rows", "example"],
        ),
    }
    skus = pd.DataFrame({"item_id": list(_ITEMS), "location_id": "main"})
    skus["description"] = list(_ITEMS.values())
    state = {
        "lines": lines(),
        "purchases": purchases(),
        "supplier_survival": supplier_survival(),
        "shipments": _events("shipped_at", [("L1", -20, 6), ("L0", -24, 2), ("L9", -50, 7), ("L11", -48, 3)]),
        "cancellations": _events("cancelled_at", [("L10", -45, 1), ("L11", -44, 2)]),
        "stock_paths": stock_paths(),
        "replay_lines": replay_lines(),
        "skus": skus.sort_values("item_id", ignore_index=True),
    }
    inputs = [{"name": "order_lines", "where": "order_lines.csv", "rows": 12, "sha256": "0" * 64}]
    arguments: dict[str, Any] = {
        "as_of": DAY,
        "config": Config(),
        "seed": 1,
        "tables": {name: conform(name, frame) for name, frame in tables.items()},
        "state": state,
        "notes": ["items is undated: it counts as always known"],
        "missing": {},
        "manifest": {"inputs": inputs, "timings": {"load": 0.1, "queue": 0.4}},
    }
    return Run(**{**arguments, **changed})


def purchases_only_run() -> Run:
    """What a run over purchases alone can say, and why it cannot say the rest."""
    why = "needs order_lines and stock, which this source does not have"
    names = ["line_eta", "order_eta", "backorder_risk", "reorder_points", "demand_forecast"]
    tables = {"purchase_eta": purchase_eta(), "lead_times": lead_times(), "supplier_scorecard": supplier_scorecard()}
    return example_run(tables=tables, state={}, missing=dict.fromkeys(names, why))


def _order_eta() -> pd.DataFrame:
    names = ["order_id", "open_qty", "p10_date", "p50_date", "p90_date", "ship_prob", "on_time_prob"]
    names += ["supply_state", "promise_state", "status"]
    lines_ = line_eta().drop_duplicates("order_id")[names].reset_index(drop=True)
    lines_.insert(1, "lines", lines_["order_id"].map({"O1": 2}).fillna(1).astype("int64"))
    return lines_
