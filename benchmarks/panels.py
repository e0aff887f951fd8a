"""Monthly spare parts: scaled quantile loss of the demand models in `methods`, a month and on the six-month sum.

Car parts (1,046 filtered series) and RAF parts (5,000), three origins each, six months held out; one default call,
settings the same on both. Loss: 2 × pinball over the in-sample mean absolute difference, mean over q = .5 .8 .9 .95
.99 and series; the sum's divided by 6. Beside ours the static negative binomial, and the pooled smoothing alone.

Run ``python -m benchmarks.panels`` (a minute). BACKORDER_DATA names the folder of the data sets.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from backorder_forecast.core.counts import mixture_cdf
from backorder_forecast.methods.choose import model_weights
from backorder_forecast.methods.history import History
from backorder_forecast.methods.hurdle import hurdle
from backorder_forecast.methods.season import shared
from backorder_forecast.methods.smoothing import STRATA, smooth

Floats = npt.NDArray[np.float64]
DATA = Path(os.environ.get("BACKORDER_DATA", Path(__file__).parents[2] / "shared" / "data"))
LEVELS = np.array([0.5, 0.8, 0.9, 0.95, 0.99])
HALF_LIVES = np.array([1.5, 3.0, 6.0, 12.0, 24.0, 48.0, 1e9])  # months
HELD_OUT, CYCLE, BLOCK, LONGEST = 6, 12, 256, 20_000


def main() -> None:
    """Print one table."""
    print(f"{'':<10}{'last month':>11}{'series':>8}{'model':>24}{'a month':>10}{'6 months':>10}{'seconds':>9}")
    for name, units in (("car parts", car_parts()), ("RAF", raf())):
        for origin in units.shape[1] - HELD_OUT * np.array([1, 2, 3]):
            for model in ("mixture", "pooled smoothing", "static"):
                began = time.perf_counter()
                month, total, count = score(units, int(origin), model)
                took = time.perf_counter() - began
                print(f"{name:<10}{origin:>11}{count:>8}{model:>24}{month:>10.4f}{total:>10.4f}{took:>9.1f}")


def car_parts() -> Floats:
    """The usual filter: complete, ten months with demand, demand in the first and in the last fifteen."""
    units = pd.read_parquet(DATA / "carparts" / "carparts_wide.parquet").iloc[:, 1:].to_numpy(float)
    sold = np.nan_to_num(units) > 0
    usual = (sold.sum(axis=1) >= 10) & sold[:, :15].any(axis=1) & sold[:, -15:].any(axis=1)
    return units[usual & ~np.isnan(units).any(axis=1)]


def raf() -> Floats:
    """Every series."""
    frame = pd.read_parquet(DATA / "raf" / "raf_wide.parquet")
    return frame[[x for x in frame if str(x)[:2] in ("19", "20")]].to_numpy(float)


def score(units: Floats, origin: int, model: str) -> tuple[float, float, int]:
    """Loss a month and on the sum, and the number of series whose loss can be scaled."""
    past, came = units[:, :origin], units[:, origin : origin + HELD_OUT]
    scale = np.abs(np.diff(past, axis=1)).mean(axis=1)
    known = scale > 0
    monthly, total = forecast(past, model)
    month = np.mean([_loss(quantiles, came[:, j]) for j, quantiles in enumerate(monthly)], axis=0)
    whole = _loss(total, came.sum(axis=1)) / HELD_OUT
    return float((month / scale)[known].mean()), float((whole / scale)[known].mean()), int(known.sum())


def _loss(quantiles: Floats, actual: Floats) -> Floats:
    gap = actual[:, None] - quantiles
    return np.asarray(2.0 * np.maximum(LEVELS * gap, (LEVELS - 1.0) * gap).mean(axis=1))


def forecast(past: Floats, model: str) -> tuple[list[Floats], Floats]:
    """Quantiles of each month, and of their sum."""
    item, month = np.nonzero(past)
    length = np.full(len(past), past.shape[1])
    history = History(item, past.shape[1] - 1 - month, past[item, month], length)
    weights = np.zeros((len(past), len(HALF_LIVES) + 1))
    if model == "static":
        weights[:, -2] = 1.0
    else:
        weights = model_weights(history, HELD_OUT, CYCLE, float(CYCLE), HALF_LIVES)
        if model == "pooled smoothing":
            weights[:, -1] = 0.0
            weights /= weights.sum(axis=1, keepdims=True)
    ahead = shared(history, HELD_OUT, CYCLE, float(CYCLE)).ahead
    ahead = np.ones(HELD_OUT) if model == "static" else ahead
    months = [_quantiles(history, weights, float(factor), 1, model) for factor in ahead]
    return months, _quantiles(history, weights, float(ahead.sum()), HELD_OUT, model)


def _quantiles(history: History, weights: Floats, exposure: float, periods: int, model: str) -> Floats:
    common = shared(history, HELD_OUT, CYCLE, float(CYCLE))
    if model == "static":
        common = type(common)(np.ones_like(common.past), np.ones_like(common.ahead), 0.0)
    smoothed, seldom = smooth(history, common, HALF_LIVES), hurdle(history, common)
    sizes, shares = smoothed.sizes(exposure), np.repeat(weights[:, :-1] / STRATA, STRATA, axis=1)
    factor = np.full(history.items, exposure / periods)
    mean = sizes.max(axis=1) * (smoothed.ratio - 1.0)
    reach = mean + 7.0 * np.sqrt(mean * smoothed.ratio) + 12.0 * smoothed.ratio
    reach = np.maximum(reach, seldom.reach(periods, factor))
    out = np.zeros((history.items, len(LEVELS)))
    order = np.argsort(reach)
    for begin in range(0, len(order), BLOCK):
        rows = order[begin : begin + BLOCK]
        width = int(min(reach[rows].max() + 2, LONGEST))
        cdf = np.zeros((len(rows), width))
        mixture_cdf(
            np.ascontiguousarray(sizes[rows]), np.ascontiguousarray(shares[rows]), smoothed.theta[rows], cdf
        )
        if weights[rows, -1].any():
            cdf += weights[rows, -1:] * seldom.cdf(rows, periods, factor[rows], np.ones(len(rows)), width)
        out[rows] = np.stack([(cdf < q - 1e-9).sum(axis=1) for q in LEVELS], axis=1)
    return out


if __name__ == "__main__":
    main()
