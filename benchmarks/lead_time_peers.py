"""Peers of lead times: laws of open purchases by plain, conformal and survival methods, on the same known-by-then data.

Each gives P(last unit comes within k days) [rows × 0 … horizon]. Run as a script, with an interpreter that has
lifelines, it fits an accelerated-failure-time regression: ``python lead_time_peers.py IN.parquet OUT.parquet`` reads
duration, event, train and covariates, and writes the location and scale of the logarithm of each row's duration.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Floats = npt.NDArray[np.float64]
LEVELS = (0.5, 0.8, 0.9, 0.95)
COVARIATES = ["stated", "supplier", "item", "placed"]

COX_ROWS = 10_000  # purchases at most that Cox's model is fitted on, evenly taken


def laws(past: Any, ids: list[str], horizon: int) -> dict[str, Floats]:
    """Every peer's law of the purchases named."""
    table = _table(past)
    rows = table.set_index("po_line_id").loc[ids].reset_index()
    found = {
        "stated date": _stated(rows, horizon),
        "received, supplier": _received(table, rows, horizon),
        "conformal trees": _conformal(table, rows, horizon),
        "Kaplan-Meier | age": _kaplan_meier(table, rows, horizon),
        "Cox | age": _cox(table, rows, horizon),
    }
    regression = _regression(table, rows, horizon)
    return found if regression is None else found | {"AFT | age": regression}


def _table(past: Any) -> pd.DataFrame:
    """Purchases with days to the last unit (or so far), whether it came, and what a regression may know."""
    rows = past.purchases
    done = ((rows["open_qty"] <= 0) & (rows["received_qty"] > 0)).to_numpy()
    gone = (rows["open_qty"] <= 0).to_numpy() & ~done
    end = rows["last_received_at"].where(done, rows["last_cancelled_at"].where(gone, past.day))
    out = rows[["po_line_id", "supplier_id", "item_id"]].copy()
    out["days"] = np.maximum((end - rows["ordered_at"]).dt.days.to_numpy(float), 1.0)
    out["came"], out["age"] = done, past.days_since(rows["ordered_at"])
    out["stated_days"] = (rows["first_promised_date"] - rows["ordered_at"]).dt.days.to_numpy(float)
    out["stated"] = np.log(np.maximum(out["stated_days"], 1.0))
    log = np.log(out["days"])[out["came"]]
    for name in ("supplier", "item"):  # means of received purchases, shrunk to all
        by = log.groupby(out.loc[out["came"], f"{name}_id"]).agg(["sum", "size"])
        mean = (by["sum"] + 5 * log.mean()) / (by["size"] + 5)
        out[name] = out[f"{name}_id"].map(mean).fillna(log.mean())
    out["placed"] = -out["age"] / 365.0
    return out


def _reach(rows: pd.DataFrame, horizon: int) -> Floats:
    return np.asarray(rows["age"].to_numpy()[:, None] + np.arange(horizon + 1)[None, :])


def _not_today(law: Floats) -> Floats:
    law[:, 0] = 0.0
    return law


def _stated(rows: pd.DataFrame, horizon: int) -> Floats:
    left = np.maximum(rows["stated_days"] - rows["age"], 1).to_numpy()
    return (np.arange(horizon + 1)[None, :] >= left[:, None]).astype(float)


def _received(table: pd.DataFrame, rows: pd.DataFrame, horizon: int) -> Floats:
    """Of received purchases of the supplier, the share that took no longer: what should be over comes tomorrow."""
    took = {name: np.sort(part) for name, part in table.loc[table["came"], "days"].groupby(table["supplier_id"])}
    everybody, reach = np.sort(table.loc[table["came"], "days"]), _reach(rows, horizon)
    out = np.zeros(reach.shape)
    for i, supplier in enumerate(rows["supplier_id"]):
        own = np.asarray(took.get(supplier, everybody))
        out[i] = np.searchsorted(own, reach[i], side="right") / len(own)
    return _not_today(out)


def _conformal(table: pd.DataFrame, rows: pd.DataFrame, horizon: int) -> Floats:
    """Boosted quantile trees of received durations, moved by the errors of the latest fifth."""
    from sklearn.ensemble import HistGradientBoostingRegressor as Trees

    came = table[table["came"]].sort_values("placed", kind="stable")
    cut = int(0.8 * len(came))
    train, held = came[:cut], came[cut:]
    quantiles = np.zeros((len(rows), len(LEVELS)))
    for j, level in enumerate(LEVELS):
        model = Trees(loss="quantile", quantile=level, random_state=0)
        model.fit(train[COVARIATES], np.log(train["days"]))
        errors = np.log(held["days"]) - model.predict(held[COVARIATES])
        move = np.quantile(errors, min(1.0, level * (1 + 1 / len(errors))))
        quantiles[:, j] = np.exp(model.predict(rows[COVARIATES]) + move)
    quantiles = np.maximum.accumulate(quantiles, axis=1)
    reach, known = _reach(rows, horizon), [0.0, *LEVELS, 1.0]
    law = [np.interp(r, [0.0, *q, 2 * q[-1]], known) for r, q in zip(reach, quantiles, strict=True)]
    return _not_today(np.array(law))


def _kaplan_meier(table: pd.DataFrame, rows: pd.DataFrame, horizon: int) -> Floats:
    """Each supplier's curve (all suppliers' where it has come to an end) given the age."""
    from statsmodels.duration.survfunc import SurvfuncRight

    def curve(part: pd.DataFrame) -> Floats:
        found = SurvfuncRight(part["days"], part["came"].astype(int))
        steps = np.searchsorted(found.surv_times, np.arange(2000), side="right")
        return np.append(1.0, found.surv_prob)[steps]

    everybody = curve(table)
    own = {name: curve(part) for name, part in table.groupby("supplier_id") if part["came"].any()}
    out = np.zeros((len(rows), horizon + 1))
    for i, (supplier, age) in enumerate(zip(rows["supplier_id"], rows["age"].astype(int), strict=True)):
        survive = own.get(supplier, everybody)
        survive = survive if survive[age] > 1e-9 else everybody
        out[i] = 1.0 - survive[age : age + horizon + 1] / max(survive[age], 1e-9)
    return out


def _cox(table: pd.DataFrame, rows: pd.DataFrame, horizon: int) -> Floats:
    """Cox's proportional hazards by statsmodels (Efron's ties, Breslow's baseline), given the age."""
    from statsmodels.duration.hazard_regression import PHReg

    some = table[:: 1 + len(table) // COX_ROWS]
    centre = some[COVARIATES].mean()
    known = (some[COVARIATES] - centre).fillna(0.0)
    found = PHReg(some["days"], known, status=some["came"].astype(int), ties="efron").fit()
    days, baseline, _ = found.baseline_cumulative_hazard[0]
    risk = np.exp((rows[COVARIATES] - centre).fillna(0.0).to_numpy() @ found.params)
    grown = np.append(0.0, baseline)[np.searchsorted(days, _reach(rows, horizon), side="right")]
    return np.asarray(-np.expm1(-risk[:, None] * (grown - grown[:, :1])))


def _regression(table: pd.DataFrame, rows: pd.DataFrame, horizon: int) -> Floats | None:
    python = os.environ.get("PEERS_PYTHON")
    if not python:
        return None
    both = pd.concat([table.assign(train=True), rows.assign(train=False)], ignore_index=True)
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder) / "asked.parquet", Path(folder) / "told.parquet"
        both[["days", "came", "train", *COVARIATES]].to_parquet(asked)
        done = subprocess.run([python, __file__, str(asked), str(told)], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"no AFT regression: {done.stderr.strip().splitlines()[-1]}")
            return None
        found = pd.read_parquet(told)
    middle, scale = found["middle"].to_numpy()[:, None], found["scale"].to_numpy()[:, None]
    reach = np.log(np.maximum(_reach(rows, horizon), 0.5))
    longer = stats.norm.sf((reach - middle) / scale)
    return np.asarray(1.0 - longer / np.maximum(longer[:, :1], 1e-300))


def _fit_lifelines(asked: Path, told: Path) -> None:
    from lifelines import LogNormalAFTFitter  # type: ignore[import-not-found, unused-ignore]

    both = pd.read_parquet(asked)
    train = both[both["train"]].drop(columns="train").assign(came=lambda x: x["came"].astype(int))
    model = LogNormalAFTFitter().fit(train, duration_col="days", event_col="came")
    rows = both.loc[~both["train"], COVARIATES]
    coefficients = model.params_["mu_"]
    middle = rows[COVARIATES] @ coefficients[COVARIATES] + coefficients["Intercept"]
    scale = float(np.exp(model.params_["sigma_"]["Intercept"]))
    pd.DataFrame({"middle": middle.to_numpy(), "scale": scale}).to_parquet(told)


if __name__ == "__main__":
    _fit_lifelines(Path(sys.argv[1]), Path(sys.argv[2]))
