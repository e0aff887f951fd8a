"""Does `forecast_panel` hold whatever it is given? 100,000 random series of many shapes, in panels of many kinds.

Series: constant, empty, one spike, growth, death, bursts, launches, fractions, values of 1e9, whole and intermittent
counts, weekly patterns; 0 to 1500 periods long, daily, weekly, monthly; with and without in-stock flags, categories,
drivers, dates of introduction and discontinuation. For each panel, of every series and period, of sums, and of demand
over random lead times: no exception, no warning, no NaN, nothing negative, quantiles in order and on the item's step,
cumulative probabilities within 0 … 1 that a quantile reaches and one step less does not.

Run ``OMP_NUM_THREADS=1 python -m benchmarks.fuzz_panel`` (minutes; ``--series 5000``: fewer; ``--seed``: others).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import backorder_forecast as bf

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
FREQUENCIES = {"D": "D", "W": "7D", "M": "MS"}
LONGEST = 1500
ROWS = 120  # of a law whose tables are looked at
CELLS = 1 << 23  # of these tables, at once


def _poisson(rng: np.random.Generator, mean: Any) -> Floats:
    return rng.poisson(mean).astype(float)


def _spike(rng: np.random.Generator, n: int) -> Floats:
    out = np.zeros(n)
    if n:
        out[rng.integers(n)] = 10.0 ** rng.integers(0, 7)
    return out


def _growth(rng: np.random.Generator, n: int) -> Floats:
    return _poisson(rng, np.minimum(np.exp(rng.uniform(0, 0.1) * np.arange(n) - 2.0), 1e6))


def _bursts(rng: np.random.Generator, n: int) -> Floats:
    on = np.repeat(rng.random(n // 10 + 1) < 0.2, 10)[:n]
    return on * _poisson(rng, np.full(n, rng.uniform(1, 80)))


def _dying(rng: np.random.Generator, n: int) -> Floats:
    alive = np.arange(n) < rng.integers(0, n + 1)
    return alive * _poisson(rng, np.full(n, rng.uniform(0.1, 20)))


def _intermittent(rng: np.random.Generator, n: int) -> Floats:
    sizes = np.ceil(np.exp(rng.normal(rng.uniform(0, 3), rng.uniform(0, 1.5), n)))
    return (rng.random(n) < rng.uniform(0.005, 0.3)) * sizes


def _mixed(rng: np.random.Generator, n: int) -> Floats:
    return _poisson(rng, np.full(n, 2.0)) * np.where(rng.random(n) < 0.02, 1e6, 1.0)


SHAPES: dict[str, Draw] = {
    "constant": lambda rng, n: np.full(n, float(rng.integers(1, 50))),
    "zeros": lambda rng, n: np.zeros(n),
    "spike": _spike,
    "growth": _growth,
    "death": _dying,
    "bursts": _bursts,
    "counts": lambda rng, n: _poisson(rng, np.full(n, rng.uniform(0.05, 30))),
    "intermittent": _intermittent,
    "week": lambda rng, n: _poisson(rng, np.resize(rng.gamma(0.5, 4, 7), n)),
    "alternating": lambda rng, n: np.resize([0.0, float(rng.integers(1, 9))], n),
    "quarters": lambda rng, n: np.round(rng.gamma(0.7, 3, n) * (rng.random(n) < 0.5) * 4) / 4,
    "fractions": lambda rng, n: rng.random(n) * (rng.random(n) < 0.4),
    "dust": lambda rng, n: 1e-5 * _poisson(rng, np.full(n, 1.0)),
    "billions": lambda rng, n: np.round(rng.gamma(1.0, 1e9, n)),
    "a billion": lambda rng, n: np.where(rng.random(n) < 0.01, 1e9, _poisson(rng, np.full(n, 1.0))),
    "mixed": _mixed,
    "ramp": lambda rng, n: np.arange(n, dtype=float),
}


COMMON = np.array([0.2 if x in ("billions", "a billion", "mixed") else 1.0 for x in SHAPES])  # their tables are long
COMMON /= COMMON.sum()


@dataclass(frozen=True)
class Case:
    """One call of `forecast_panel` and what was drawn for it."""

    frame: pd.DataFrame
    horizon: int
    frequency: str
    known: dict[str, Any]
    shapes: Counter[str]


def draw(rng: np.random.Generator, most: int = 2000, longest: int = LONGEST) -> Case:
    """A random panel of up to so many series."""
    frequency = str(rng.choice(list(FREQUENCIES)))
    n = int(np.ceil(most ** rng.random()))
    longest = int(rng.choice([3, 30, max(longest // 5, 1), longest]))
    axis = _axis(pd.Timestamp("2026-06-01"), frequency, longest)
    names = [f"s{k:05d}" for k in range(n)]
    shapes = rng.choice(list(SHAPES), n, p=COMMON)
    parts = [_series(rng, str(shape), longest) for shape in shapes]
    frame = pd.DataFrame({
        "unique_id": np.repeat(names, [len(at) for at, _ in parts]),
        "ds": axis[np.concatenate([at for at, _ in parts])],
        "y": np.concatenate([values for _, values in parts]),
    })  # fmt: skip
    frame = frame.iloc[rng.permutation(len(frame))]
    horizon = int(rng.choice([1, 3, 14, 40]))
    known = _known(rng, frame, names, axis.append(_ahead(axis, horizon, frequency)), horizon)
    return Case(frame, horizon, frequency, known, Counter(shapes.tolist()))


def _axis(last: pd.Timestamp, frequency: str, longest: int) -> pd.DatetimeIndex:
    if frequency == "M":
        return pd.date_range(end=last, periods=longest, freq="MS")
    return pd.date_range(end=last, periods=longest, freq=FREQUENCIES[frequency])


def _series(rng: np.random.Generator, shape: str, longest: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Periods and values of one series, up to the axis' end or ended before; zeros are left out now and then."""
    length = int(rng.choice([0, 1, 2, rng.integers(longest + 1), longest], p=[0.03, 0.03, 0.04, 0.6, 0.3]))
    length = min(length, longest)
    values = SHAPES[shape](rng, length)
    first = int(rng.integers(longest - length + 1)) if rng.random() < 0.2 else longest - length
    kept = np.flatnonzero((values > 0) | (rng.random() < 0.5))
    return first + kept, values[kept]


def _known(
    rng: np.random.Generator, frame: pd.DataFrame, names: list[str], span: pd.DatetimeIndex, horizon: int
) -> dict[str, Any]:
    """Other arguments: stock flags, items, drivers over all periods."""
    known: dict[str, Any] = {}
    if rng.random() < 0.3:
        flags = frame.sample(frac=rng.random(), random_state=int(rng.integers(1 << 30)))[["unique_id", "ds"]]
        known["in_stock"] = flags.assign(in_stock=rng.random(len(flags)) < rng.choice([0.0, 0.5, 0.9]))
    if rng.random() < 0.5 or frame.empty:
        known["items"] = _items(rng, names, span[-horizon - 1])
    if rng.random() < 0.3:
        flag = rng.random(len(span)) < 0.1
        known["drivers"] = pd.DataFrame({"ds": span, "heat": rng.normal(20, 8, len(span)), "fair": flag})
    elif rng.random() < 0.3 and len(span) * len(names) <= 60_000:
        rows = pd.MultiIndex.from_product([names[::2], span], names=["unique_id", "ds"]).to_frame(index=False)
        rows["price"] = np.round(rng.gamma(4.0, 2.0, len(rows)) + 0.01, 2)
        known["drivers"] = rows.assign(promotion=rng.random(len(rows)) < 0.1)
    return known


def _items(rng: np.random.Generator, names: list[str], last: pd.Timestamp) -> pd.DataFrame:
    n = len(names)
    days = last.to_datetime64() + rng.integers(-60, 120, (2, n)).astype("m8[D]")
    return pd.DataFrame({
        "unique_id": names, "category": rng.choice(["a", "b", None], n),
        "introduced_date": pd.Series(days[0]).where(rng.random(n) < 0.2),
        "discontinued_date": pd.Series(days[1]).where(rng.random(n) < 0.2),
    })  # fmt: skip


def _ahead(axis: pd.DatetimeIndex, horizon: int, frequency: str) -> pd.DatetimeIndex:
    if frequency == "M":
        return pd.date_range(axis[-1], periods=horizon + 1, freq="MS")[1:]
    return pd.date_range(axis[-1], periods=horizon + 1, freq=FREQUENCIES[frequency])[1:]


def check(case: Case) -> int:
    """Forecast a case and assert what holds of any; the number of laws looked at."""
    forecast = bf.forecast_panel(case.frame, case.horizon, case.frequency, **case.known)
    n = len(forecast.items)
    assert len(forecast) == n * case.horizon
    shares = forecast.models.drop(columns="unique_id").to_numpy(float)
    assert np.allclose(shares.sum(axis=1), 1.0), "weights do not add up to 1"
    assert (shares >= 0).all(), "a weight is negative"
    rng = np.random.default_rng(case.horizon + n)
    lead_time = bf.Law(forecast.items, rng.dirichlet(np.full(9, 0.5), n).cumsum(axis=1), step=case.horizon / 6)
    laws = [forecast, forecast.total(case.horizon), forecast.total(int(rng.integers(1, case.horizon + 1))),
            bf.lead_time_demand(forecast, lead_time)]  # fmt: skip
    for law in laws:
        check_moments(law)
    # of every series the whole, of some the rest: tables are long
    check_quantiles(laws[1])
    for law in laws[0], *laws[2:]:
        check_quantiles(law.take(some(rng, len(law), ROWS)))
    for law in laws:
        check_cdf(law.take(some(rng, len(law), max(1, min(ROWS // 4, CELLS // law.width)))))
    return sum(map(len, laws))


def some(rng: np.random.Generator, n: int, most: int) -> npt.NDArray[np.int64]:
    """Up to so many of n rows."""
    return np.sort(rng.permutation(n)[:most])


def check_moments(law: bf.Law) -> None:
    """Means and variances are numbers, not negative."""
    for number in (law.mean(), law.variance()):
        assert np.isfinite(number).all(), "a moment is no number"
        assert (number >= 0).all(), "a moment is negative"


def check_quantiles(law: bf.Law) -> npt.NDArray[np.float64]:
    """Quantiles are there, in order, on the item's step."""
    found = law.quantile_array(LEVELS)
    assert not np.isnan(found).any(), "a quantile is missing"
    assert (found >= 0).all(), "a quantile is negative"
    assert (np.diff(found, axis=1) >= 0).all(), "quantiles are not in order"
    places = found / law.steps()[:, None]
    assert (np.abs(places - np.round(places)) <= 1e-6 * np.maximum(places, 1)).all(), "a quantile is off the steps"
    return found


def check_cdf(law: bf.Law) -> None:
    """Probabilities rise within 0 … 1; a quantile reaches its level, and one step less does not."""
    table, found = law.cumulative(), law.quantile_array((0.5, 0.95))
    assert ((table >= 0) & (table <= 1)).all(), "a probability lies outside 0 … 1"
    assert (np.diff(table, axis=1) >= 0).all(), "cumulative probabilities fall"
    rows = np.arange(len(law))
    for at, level in zip(np.round(found / law.steps()[:, None]).astype(int).T, (0.5, 0.95), strict=True):
        assert (table[rows, at] >= level - 1e-9).all(), "a quantile does not reach its level"
        below = np.where(at > 0, table[rows, np.maximum(at - 1, 0)], 0.0)
        assert (below < level + 1e-9).all(), "one step less would reach it too"
    at = np.round(found[:, 0] / law.steps()).astype(int)
    assert np.allclose(law.cdf(found[:, 0]), table[rows, at], atol=1e-9), "cdf is not the table"


def main() -> None:
    """Fuzz, and print what was seen."""
    parser = argparse.ArgumentParser(description="random panels through forecast_panel")
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="only this panel")
    asked = parser.parse_args()
    shapes, kinds, laws, case, spent = Counter[str](), Counter[str](), 0, 0, 0.0
    while shapes.total() < asked.series:
        drawn = draw(np.random.default_rng([asked.seed, case if asked.case is None else asked.case]))
        begin = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                laws += check(drawn)
        except Exception:
            print(f"panel {case} of seed {asked.seed}: {drawn.frequency}, {drawn.horizon} ahead, {sorted(drawn.known)}")
            raise
        spent += time.perf_counter() - begin
        shapes += drawn.shapes
        kinds.update([drawn.frequency, *drawn.known])
        case += 1
        if asked.case is not None:
            break
    print(f"{shapes.total():,} series in {case:,} panels, {laws:,} laws: nothing wrong, {spent:.0f} s")
    print("panels: " + ", ".join(f"{k} {v:,}" for k, v in sorted(kinds.items())))
    print("series: " + ", ".join(f"{k} {v:,}" for k, v in sorted(shapes.items())))


if __name__ == "__main__":
    main()
