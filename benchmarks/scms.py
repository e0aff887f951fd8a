"""When will a purchase come? On real purchases (USAID health commodities), beside plain history.

On the last day of each year the lead times are fitted on what was known by then; the purchases open on it are
judged by what was known at the end of the file. Beside ours stand two laws that anybody can read off a list:

- *vendor | age*: of the vendor's received purchases that took longer than this one has waited, how much
  longer (where there are fewer than 20 such purchases, of all vendors').
- *all | age*: the same of all vendors' received purchases.

and histogram gradient boosting of quantiles (*trees*, scikit-learn): of the days still to go, censored at 180, of
purchases open on a day every four weeks that were followed for 180 days by then, from age, vendor, category, product,
country and quantity; with defaults but for smaller steps (.05 × 150) and leaves of 30.

Printed, for each day and over all: the share of purchases that came by the p50 and by the p90, as the
transform P(U <= q), U = F(x-1) + V (F(x) - F(x-1)), exact over V, censored at the horizon (right is .5 and
.9); the pinball loss in days of the p50, of the p90, and their sum, of min(day, horizon), which was seen for
every purchase, so that nothing has to be left out; and that sum less the vendor history's. Errors: standard
errors by drawing purchase orders, all lines of one together, with replacement. No number hangs on a scheduled
date.

Run ``python -m benchmarks.scms`` (seconds). BACKORDER_DATA names the folder that holds ``scms_delivery/``;
by default ``../shared/data``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.preprocessing import OrdinalEncoder

import backorder_forecast as bf

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
ROOT = Path(__file__).parents[1]
LEVELS = (0.5, 0.9)
OURS, VENDOR, ALL, TREES = "ours", "vendor | age", "all | age", "trees"
METHODS = (OURS, VENDOR, ALL, TREES)
KNOWN = ["supplier_id", "category", "item_id", "location_id", "age", "units"]
ENOUGH = 20  # purchases of a vendor that lasted as long, for its own history to be taken
SCORES = ("cover p50", "cover p90", "pinball p50", "pinball p90", "sum", "less vendor's")


def main() -> None:
    """Print one table."""
    asked = _arguments()
    data = load()
    last = data.default_as_of()
    days = [pd.Timestamp(year, 12, 31) for year in range(2000, last.year)]
    judged = [judge(data, day, last, asked.horizon) for day in days]
    judged = [part for part in judged if len(part) >= asked.least]
    pooled = pd.concat(judged, ignore_index=True)
    print(f"{'':<12}{'':<14}{'lines':>6}{'orders':>7}" + "".join(f"{score:>16}" for score in SCORES))
    for name, part in [*((str(x["day"].iloc[0].date()), x) for x in judged), ("all days", pooled)]:
        for row in table(part, asked.draws):
            print(f"{name:<12}{row}")
            name = ""
    still = int((data.as_of(last).purchases["open_qty"] > 0).sum())
    print(f"{last.date()}: {still} open, and nothing known of what happened later")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="arrival of open purchases, on real purchases")
    parser.add_argument("--least", type=int, default=40, help="open purchases from which a day is judged")
    parser.add_argument("--horizon", type=int, default=180, help="days for which every purchase was followed")
    parser.add_argument("--draws", type=int, default=1000, help="of purchase orders, for standard errors")
    return parser.parse_args()


def load() -> bf.Dataset:
    """The example; ends with a sentence where its file is not at hand."""
    folder = Path(os.environ.setdefault("BACKORDER_DATA", str(ROOT.parent / "shared" / "data")))
    if not (folder / "scms_delivery").is_dir():
        raise SystemExit(f"no scms_delivery under {folder}: set BACKORDER_DATA to the folder that holds it")
    return bf.load(ROOT / "examples" / "scms.toml")


# one day --------------------------------------------------------------------------------------------------


def judge(data: bf.Dataset, day: pd.Timestamp, last: pd.Timestamp, horizon: int) -> pd.DataFrame:
    """Scores of every purchase open on a day, by each method: one row a purchase."""
    if (last - day).days < horizon:
        raise ValueError(f"purchases open on {day.date()} were not followed for {horizon} days")
    past = data.as_of(day)
    rows = past.purchases[past.purchases["open_qty"] > 0].reset_index(drop=True)
    if rows.empty:
        return pd.DataFrame()
    came = data.as_of(last).purchases.set_index("po_line_id")["last_received_at"]
    came = came.reindex(rows["po_line_id"].array)
    day_came = (came.dt.floor("D") - day).dt.days.fillna(np.inf).to_numpy(float)
    out = pd.DataFrame({"day": day, "po_line_id": rows["po_line_id"], "po_id": rows["po_id"]})
    for method, law in laws(past, rows, horizon).items():
        _score(out, method, law, day_came, horizon)
    _score(out, TREES, _trees(data, past, horizon), day_came, horizon)
    return out


def laws(past: bf.Past, rows: pd.DataFrame, horizon: int) -> dict[str, Floats]:
    """P(comes within k days) of each method: [purchases x 0 … horizon]."""
    return {OURS: _ours(past, rows, horizon), **_history(past, rows, horizon)}


def _ours(past: bf.Past, rows: pd.DataFrame, horizon: int) -> Floats:
    """Our law, and a check that `purchase_eta` states its quantiles."""
    lead_times = bf.fit_lead_times(past)
    remaining = lead_times.remaining
    place = pd.Index(remaining.index["po_line_id"]).get_indexer(rows["po_line_id"])
    law = np.stack([remaining.cdf(k)[place] for k in range(horizon + 1)], axis=1)
    stated = bf.purchase_eta(past, lead_times).set_index("po_line_id").loc[rows["po_line_id"]]
    for level in LEVELS:
        said = (stated[f"p{level * 100:.0f}_date"] - past.day).dt.days.to_numpy(float)
        np.testing.assert_array_equal(_quantile(law, level), np.where(said <= horizon, said, np.inf))
    return law


def _history(past: bf.Past, rows: pd.DataFrame, horizon: int) -> dict[str, Floats]:
    """The laws of plain history: how much longer those took that had waited as long."""
    done = past.purchases[(past.purchases["open_qty"] <= 0) & (past.purchases["received_qty"] > 0)]
    took = (done["last_received_at"].dt.floor("D") - done["ordered_at"].dt.floor("D")).dt.days
    by_vendor = {vendor: np.sort(part.to_numpy()) for vendor, part in took.groupby(done["supplier_id"])}
    everybody = np.sort(took.to_numpy())
    age = past.days_since(rows["ordered_at"])
    common = np.stack([_longer(everybody, waited, horizon)[0] for waited in age])
    own = common.copy()
    for i, (vendor, waited) in enumerate(zip(rows["supplier_id"], age, strict=True)):
        law, n = _longer(by_vendor.get(vendor, everybody[:0]), waited, horizon)
        own[i] = law if n >= ENOUGH else common[i]
    return {VENDOR: own, ALL: common}


def _longer(took: Floats, waited: float, horizon: int) -> tuple[Floats, int]:
    """P(at most k days more), of durations above what was waited, and how many there are (none: never)."""
    rest = took[np.searchsorted(took, waited, side="right") :] - waited
    within = np.searchsorted(rest, np.arange(horizon + 1), side="right")
    return within / max(len(rest), 1), len(rest)


def _trees(data: bf.Dataset, past: bf.Past, horizon: int) -> Floats:
    """A law through the trees' p50 and p90, straight between them."""
    first = past.purchases["ordered_at"].min() + pd.Timedelta(days=180)
    days = pd.date_range(first, past.day - pd.Timedelta(days=horizon), freq="28D").normalize()
    rows = _waiting(data, past, past)
    law = np.zeros((len(rows), horizon + 1))
    if not len(days):
        return law  # the first year, which is not judged
    known = pd.concat([_waiting(data, data.as_of(day), past) for day in days], ignore_index=True)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=200)
    codes.fit(known[KNOWN[:4]])

    def table(part: pd.DataFrame) -> Floats:
        return np.column_stack([codes.transform(part[KNOWN[:4]]), part[KNOWN[4:]]])

    ends = np.zeros((len(rows), len(LEVELS)))
    for column, level in enumerate(LEVELS):
        trees = HistGradientBoostingRegressor(
            loss="quantile", quantile=level, learning_rate=0.05, max_iter=150, min_samples_leaf=30, random_state=0
        )
        trees.fit(table(known), np.minimum(known["left"], horizon))
        ends[:, column] = np.clip(np.ceil(trees.predict(table(rows))), 1, horizon)
    ends = np.maximum.accumulate(ends, axis=1)
    known_at = [[0.0, *end, horizon + 1.0] for end in ends]
    return np.array([np.interp(np.arange(horizon + 1), at, [0.0, *LEVELS, 1.0]) for at in known_at])


def _waiting(data: bf.Dataset, on: bf.Past, by: bf.Past) -> pd.DataFrame:
    """Purchases open on a day: what was known of them then, and the days they still took as known by another."""
    rows = on.purchases[on.purchases["open_qty"] > 0].reset_index(drop=True)
    came = by.purchases.set_index("po_line_id")["last_received_at"].reindex(rows["po_line_id"].array)
    category = data.suppliers.drop_duplicates("supplier_id").set_index("supplier_id")["category"]
    out = rows[["supplier_id", "item_id", "location_id"]].astype(object)
    out["category"] = rows["supplier_id"].map(category).astype(object)
    out["age"], out["units"] = on.days_since(rows["ordered_at"]), np.log1p(rows["qty"].to_numpy())
    out["left"] = (came.dt.floor("D") - on.day).dt.days.fillna(np.inf).to_numpy(float)
    return out


def _score(out: pd.DataFrame, method: str, law: Floats, day_came: Floats, horizon: int) -> None:
    rows = np.arange(len(law))
    seen = day_came <= horizon
    at = np.where(seen, day_came, horizon).astype(int)
    low = np.where(seen, np.where(at > 0, law[rows, np.maximum(at - 1, 0)], 0.0), law[:, -1])
    high = np.where(seen, law[rows, at], 1.0)
    for level in LEVELS:
        out[f"{method} cover {level}"] = at_or_below(level, low, high)
        gap = np.minimum(day_came, horizon) - np.minimum(_quantile(law, level), horizon)
        out[f"{method} pinball {level}"] = np.maximum(level * gap, (level - 1) * gap)


def at_or_below(level: float, low: Floats, high: Floats) -> Floats:
    """P(U <= level) of a transform spread evenly from low to high.

    >>> at_or_below(0.5, np.array([0.2, 0.6, 0.4, 0.5]), np.array([0.4, 0.9, 0.6, 0.5])).tolist()
    [1.0, 0.0, 0.5, 1.0]
    """
    width = high - low
    inside = np.divide(level - low, width, out=(low <= level).astype(float), where=width > 1e-12)
    share: Floats = np.clip(inside, 0.0, 1.0)
    return share


def _quantile(law: Floats, level: float) -> Floats:
    """The smallest day with P >= level; infinite beyond the horizon."""
    at = (law < level - 1e-12).sum(axis=1)
    return np.where(at < law.shape[1], at, np.inf)


# the table ------------------------------------------------------------------------------------------------


def table(part: pd.DataFrame, draws: int) -> list[str]:
    """A line of text for each method: every score with its standard error."""
    code, orders = pd.factorize(part["po_id"])
    weight = np.random.default_rng(1).multinomial(len(orders), np.full(len(orders), 1 / len(orders)), draws)

    def show(values: Floats) -> str:
        mean, error = with_error(values, code, weight)
        return f"{mean:>9.3f} ±{error:.3f}".rjust(16)

    head = f"{len(part):>6}{len(orders):>7}"
    return [f"{method:<14}{head}" + "".join(map(show, _columns(part, method))) for method in METHODS]


def _columns(part: pd.DataFrame, method: str) -> list[Floats]:
    cover, own = (_scores(part, method, kind) for kind in ("cover", "pinball"))
    vendor = _scores(part, VENDOR, "pinball")
    total = own[0] + own[1]
    return [*cover, *own, total, total - vendor[0] - vendor[1]]


def _scores(part: pd.DataFrame, method: str, kind: str) -> list[Floats]:
    return [part[f"{method} {kind} {level}"].to_numpy() for level in LEVELS]


def with_error(values: Floats, code: Counts, weight: Counts) -> tuple[float, float]:
    """Mean of values, and its standard error over draws of whole clusters; `weight`: [draws x clusters].

    >>> with_error(np.array([1.0, 3.0]), np.array([0, 1]), np.array([[2, 0], [1, 1], [0, 2]]))
    (2.0, 1.0)
    """
    total, count = np.bincount(code, values), np.bincount(code)
    means = (weight @ total) / (weight @ count)
    return float(values.mean()), float(means.std(ddof=1))


if __name__ == "__main__":
    main()
