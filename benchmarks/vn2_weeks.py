"""Are weeks that are past forecast well by a daily job? VN2's shelves, whose sales are dated on Mondays alone.

The demand forecast of `examples/vn2.toml` as of past Mondays, judged on the sums of the next week and of three, of
shelves that had stock all the while: shares at or below p90, p95, p99 by the randomised transform, exact over its
draws; pinball loss (sum over five levels); mean log score; sum of means over what came. Errors are over the Mondays.

Run ``BACKORDER_DATA=FOLDER python -m benchmarks.vn2_weeks`` (half a minute).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import backorder_forecast as bf
from backorder_forecast.demand import Demand, forecast_demand

from .panels import COVERED, at_or_below

Floats = npt.NDArray[np.float64]
FOLDER = Path(os.environ.get("BACKORDER_DATA", "")) / "vn2"
EXAMPLE = Path(__file__).parent.parent / "examples" / "vn2.toml"
WEEKS_BACK = (3, 6, 10, 14, 18, 22, 30, 38, 46, 54)
LEVELS = np.array([0.5, 0.8, 0.9, 0.95, 0.99])


def main() -> None:
    """Print a row for each span, and one for each Monday."""
    keys = ["Store", "Product"]
    sold = pd.read_parquet(FOLDER / "sales_weekly_wide.parquet").set_index(keys)
    flag = pd.read_parquet(FOLDER / "in_stock_wide.parquet").set_index(keys).loc[sold.index, sold.columns]
    data, rows = bf.load(EXAMPLE), []
    for back in WEEKS_BACK:
        demand = forecast_demand(data.as_of(str(sold.columns[-1 - back])))
        for weeks in (1, 3):
            span = slice(sold.shape[1] - back, sold.shape[1] - back + weeks)
            in_stock = (flag.iloc[:, span] > 0).all(axis=1)
            came = sold.iloc[:, span].sum(axis=1)[in_stock]
            rows.append({"days": 7 * weeks, "weeks back": back} | _judged(demand, came, weeks))
    found = pd.DataFrame(rows).set_index(["days", "weeks back"])
    by_span = found.groupby("days")
    error = by_span.std() / np.sqrt(len(WEEKS_BACK))
    print("means over the Mondays, and their errors")
    print(pd.concat({"mean": by_span.mean(), "error": error}).round(4).to_string())
    print(found.round(3).to_string())


def _judged(demand: Demand, came: pd.Series, weeks: int) -> dict[str, float]:
    """Scores of the sums of so many weeks [shelves with stock], by (Store, Product)."""
    index = pd.MultiIndex.from_frame(demand.items[["location_id", "item_id"]])
    place = index.get_indexer([(str(store), str(product)) for store, product in came.index])
    units = came.to_numpy(float)[place >= 0]
    law = demand.total(7 * weeks).take(place[place >= 0])
    below, upto = np.where(units > 0, law.cdf(units - 1), 0.0), law.cdf(units)
    apart = units[:, None] - law.quantile_array(LEVELS)
    loss = np.maximum(LEVELS * apart, (LEVELS - 1.0) * apart).sum(axis=1)
    covered = dict(zip(COVERED, at_or_below(below, upto).mean(axis=0), strict=True))
    log = np.log(np.maximum(upto - below, 1e-9)).mean()
    return covered | {"loss": loss.mean(), "log score": log, "mean": law.mean().sum() / units.sum()}


if __name__ == "__main__":
    main()
