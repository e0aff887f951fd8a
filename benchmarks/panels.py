"""Monthly spare parts: one default call of `bf.forecast_panel`, judged on the next six months and on their sum.

Car parts (1,046 series by the usual filter) and RAF parts (5,000), several origins each, the same settings on both.

- *loss*: 2 × pinball over the in-sample mean absolute difference, mean over q = .5 .8 .9 .95 .99 and series; the
  sum's divided by 6. Series without any difference cannot be scaled and are left out.
- *ours − it*: the difference on the series and origins that the model was run on; all errors are clustered by series.
- *coverage* of the six-month sum: share of U = F(x−1) + V (F(x) − F(x−1)) at or below .90 .95 .99, exact over V; of
  models with quantiles alone, the share of sums at or below these.
- *lead time*: the same of sums over each part's own lead time in months (those of 1 to 12).

Beside ours: negative binomial with each series' mean and variance ("static"), the same around Syntetos and Boylan's
mean ("SBA + NB"), a normal law around that ("textbook normal"), and statsforecast with conformal intervals, if
PEERS_PYTHON names an interpreter that has it. These intervals are for months alone: half-widths are added up as if
months were independent; below zero they are cut. AutoETS is slow: every so manieth series, with its own intervals too.

Run ``python -m benchmarks.panels`` (half a minute, 2 with peers; ``--quick``: one origin, no peers). BACKORDER_DATA
names the folder of the data sets.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

import backorder_forecast as bf

Floats = npt.NDArray[np.float64]
DATA = Path(os.environ.get("BACKORDER_DATA", Path(__file__).parents[2] / "shared" / "data"))
LEVELS = np.array([0.5, 0.8, 0.9, 0.95, 0.99])
TAILS = LEVELS[2:]
COVERED = ("p90", "p95", "p99")
HELD_OUT, LONGEST = 6, 12
SMOOTHING = 0.1  # of sizes and gaps, the usual constant
ETS_SERIES = 120
OURS = "ours"


@dataclass(frozen=True)
class Said:
    """Quantiles of each month [series × months × levels] and of the sum [series × levels], chance that the transform
    of the sum is at or below each tail level [series × tails], the series that were run and the seconds it took."""

    months: Floats
    total: Floats
    covered: Floats
    series: npt.NDArray[np.int64]
    seconds: float


def main() -> None:
    """Print one table for each panel, and one for lead times."""
    asked = _arguments()
    lead = pd.read_parquet(DATA / "raf" / "raf_wide.parquet", columns=["lead_time_months"])["lead_time_months"]
    for name, units in (("car parts", car_parts()), ("RAF", raf())):
        origins = units.shape[1] - HELD_OUT * np.arange(1, asked.origins + 1)
        scores = pd.concat(list(_scores(units, origins, asked.peers)), ignore_index=True)
        _print_panel(name, scores, origins)
    units = raf()
    _print_lead_times(units, lead.to_numpy(np.int64), units.shape[1] - LONGEST - HELD_OUT * np.arange(asked.origins))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="demand of monthly spare parts")
    parser.add_argument("--origins", type=int, default=3, help="origins, six months apart")
    parser.add_argument("--quick", action="store_true", help="one origin, no peers")
    asked = parser.parse_args()
    asked.peers = "" if asked.quick else os.environ.get("PEERS_PYTHON", "")
    asked.origins = 1 if asked.quick else asked.origins
    return asked


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


def _scores(units: Floats, origins: npt.NDArray[np.int64], peers: str) -> Iterator[pd.DataFrame]:
    """Loss and coverage of every series, by origin and model."""
    for origin in origins:
        past, came = units[:, :origin], units[:, origin : origin + HELD_OUT]
        said = {OURS: ours(past, came), **textbook(past, came)}
        if peers:
            said |= statsforecast(peers, past, came)
        for model, one in said.items():
            yield _score(past, came, one).assign(origin=origin, model=model)


def _score(past: Floats, came: Floats, said: Said) -> pd.DataFrame:
    past, came = past[said.series], came[said.series]
    scale = np.abs(np.diff(past, axis=1)).mean(axis=1)
    known = scale > 0
    month = np.mean([_loss(said.months[:, j], came[:, j]) for j in range(HELD_OUT)], axis=0)
    total = _loss(said.total, came.sum(axis=1)) / HELD_OUT
    frame = pd.DataFrame({"series": said.series, "month": month, "total": total, "seconds": said.seconds})
    frame[["month", "total"]] /= np.where(known, scale, np.nan)[:, None]
    frame[list(COVERED)] = said.covered
    return frame[known]


def _loss(quantiles: Floats, actual: Floats) -> Floats:
    gap = actual[:, None] - quantiles
    return np.asarray(2.0 * np.maximum(LEVELS * gap, (LEVELS - 1.0) * gap).mean(axis=1))


def at_or_below(below: Floats, at: Floats, levels: Floats = TAILS) -> Floats:
    """P(U ≤ level) over V for each row [rows × levels]; below, at: P(X < x) and P(X ≤ x) of what came."""
    step = np.maximum(at - below, 1e-12)
    return np.clip((levels - below[:, None]) / step[:, None], 0.0, 1.0)


def ours(past: Floats, came: Floats) -> Said:
    """One call with default settings."""
    began = time.perf_counter()
    forecast = bf.forecast_panel(_long(past), HELD_OUT, "M")
    months = forecast.quantile_array(LEVELS).reshape(len(past), HELD_OUT, len(LEVELS))
    law = forecast.total(HELD_OUT)
    total = law.quantile_array(LEVELS)
    took = time.perf_counter() - began
    whole = came.sum(axis=1)
    return Said(months, total, at_or_below(law.cdf(whole - 1), law.cdf(whole)), np.arange(len(past)), took)


def _long(past: Floats) -> pd.DataFrame:
    """Every month, so that an item's history begins with the panel's."""
    n, months = past.shape
    dates = pd.date_range("1998-01-01", periods=months, freq="MS")
    return pd.DataFrame({"unique_id": np.repeat(np.arange(n), months), "ds": np.tile(dates, n), "y": past.ravel()})


def textbook(past: Floats, came: Floats) -> dict[str, Said]:
    """What planning systems do: a mean, a variance and a law."""
    variance, croston = past.var(axis=1, ddof=1), syntetos_boylan(past)
    return {
        "static": _counts(past.mean(axis=1), variance, came),
        "SBA + NB": _counts(croston, variance, came),
        "textbook normal": _normal(croston, variance, came),
    }


def syntetos_boylan(past: Floats) -> Floats:
    """Mean a month: Croston's smoothed size over smoothed gap, less half the constant (Syntetos, Boylan 2005)."""
    size, between, gap = np.zeros(len(past)), np.ones(len(past)), np.ones(len(past))
    seen = np.zeros(len(past), bool)
    for units in past.T:
        sold = units > 0
        share = np.where(seen, SMOOTHING, 1.0) * sold
        size, between = size + share * (units - size), between + share * (gap - between)
        seen, gap = seen | sold, np.where(sold, 1.0, gap + 1.0)
    return (1.0 - SMOOTHING / 2.0) * size / between


def nb_law(mean: Floats, variance: Floats) -> stats.rv_discrete:
    """Negative binomials of these moments [rows × 1]; hardly ever below the Poisson law's variance."""
    mean = np.maximum(mean, 1e-9)[:, None]
    p = mean / np.maximum(variance[:, None], 1.02 * mean)
    return stats.nbinom(mean * p / (1.0 - p), p)


def _counts(mean: Floats, variance: Floats, came: Floats) -> Said:
    began = time.perf_counter()
    month = nb_law(mean, variance).ppf(LEVELS)
    law = nb_law(HELD_OUT * mean, HELD_OUT * variance)
    total = law.ppf(LEVELS)
    took = time.perf_counter() - began
    whole = came.sum(axis=1, keepdims=True)
    covered = at_or_below(law.cdf(whole - 1)[:, 0], law.cdf(whole)[:, 0])
    return Said(_every_month(month), total, covered, np.arange(len(came)), took)


def _every_month(month: Floats) -> Floats:
    return np.repeat(month[:, None], HELD_OUT, axis=1)


def _normal(mean: Floats, variance: Floats, came: Floats) -> Said:
    began = time.perf_counter()
    beyond = stats.norm.ppf(LEVELS) * np.sqrt(variance)[:, None]
    month = np.maximum(mean[:, None] + beyond, 0.0)
    total = np.maximum(HELD_OUT * mean[:, None] + np.sqrt(HELD_OUT) * beyond, 0.0)
    took = time.perf_counter() - began
    return Said(_every_month(month), total, _reached(total, came), np.arange(len(came)), took)


def _reached(total: Floats, came: Floats) -> Floats:
    return (came.sum(axis=1)[:, None] <= total[:, -len(TAILS) :]).astype(float)


def statsforecast(python: str, past: Floats, came: Floats) -> dict[str, Said]:
    """Its models with conformal intervals, in an interpreter of their own."""
    slow = np.arange(0, len(past), max(1, len(past) // ETS_SERIES))
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "past.npz", Path(folder) / "said.npz"
        np.savez(given, past=past, slow=slow, horizon=HELD_OUT)
        subprocess.run([python, "-W", "ignore", "-c", _PEERS, str(given), str(answer)], check=True)
        with np.load(answer) as found:
            tables = {name: found[name] for name in found.files}
    return {name: _of_peer(table, slow, came) for name, table in tables.items()}


def _of_peer(table: Floats, slow: npt.NDArray[np.int64], came: Floats) -> Said:
    """table [series × months × (seconds, levels)]: the middle is the point forecast."""
    series = slow if len(table) == len(slow) else np.arange(len(came))
    months = np.maximum(table[:, :, 1:], 0.0)
    centre = table[:, :, 1].sum(axis=1)[:, None]
    beyond = np.sqrt(((table[:, :, 1:] - table[:, :, 1:2]) ** 2).sum(axis=1))
    total = np.maximum(centre + beyond, 0.0)
    return Said(months, total, _reached(total, came[series]), series, float(table[0, 0, 0]))


_PEERS = """
import sys, time
import numpy as np, pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import ADIDA, AutoETS, CrostonSBA, TSB
from statsforecast.utils import ConformalIntervals

with np.load(sys.argv[1]) as given:
    past, slow, h = given["past"], given["slow"], int(given["horizon"])
LEVELS = [60, 80, 90, 98]

def run(model, units, intervals):
    n, months = units.shape
    dates = pd.date_range("1998-01-01", periods=months, freq="MS")
    frame = pd.DataFrame({"unique_id": np.repeat(np.arange(n), months), "ds": np.tile(dates, n), "y": units.ravel()})
    began = time.perf_counter()
    said = StatsForecast([model], freq="MS", n_jobs=1).forecast(
        df=frame, h=h, level=LEVELS, prediction_intervals=ConformalIntervals(h=h, n_windows=3) if intervals else None)
    took = time.perf_counter() - began
    said = said.sort_values(["unique_id", "ds"])
    name = [x for x in said if x not in ("unique_id", "ds") and "-" not in x][0]
    columns = [said[name]] + [said[f"{name}-hi-{x}"] for x in LEVELS]
    table = np.stack([x.to_numpy(float).reshape(n, h) for x in columns], axis=2)
    return np.concatenate([np.full((n, h, 1), took), table], axis=2)

run(CrostonSBA(), past[:3], True)  # compiled before it is timed
np.savez(sys.argv[2], **{
    "sf SBA": run(CrostonSBA(), past, True),
    "sf TSB": run(TSB(0.1, 0.1), past, True),
    "sf ADIDA": run(ADIDA(), past, True),
    "sf AutoETS": run(AutoETS(season_length=12), past[slow], True),
    "sf AutoETS, its own": run(AutoETS(season_length=12), past[slow], False),
})
"""


def mean_and_error(frame: pd.DataFrame, column: str) -> tuple[float, float]:
    """Mean over rows, and its standard error, rows of one series counting as one."""
    series = frame.groupby("series")[column].agg(["sum", "count"])
    mean = float(series["sum"].sum() / series["count"].sum())
    apart = series["sum"] - mean * series["count"]
    return mean, float(np.sqrt((apart**2).sum()) / series["count"].sum())


def _print_panel(name: str, scores: pd.DataFrame, origins: npt.NDArray[np.int64]) -> None:
    header = f"{'a month':>15}{'6 months':>15}{'ours − it':>17}{'6 months':>17}"
    print(f"\n{name:<11}{'model':<21}{'series':>7}{header}{''.join(f'{x:>12}' for x in COVERED)}{'seconds':>9}")
    kinds = list(scores["model"].unique())
    for origin in [*origins, None][: len(origins) + (len(origins) > 1)]:
        part = scores if origin is None else scores[scores["origin"] == origin]
        for model in kinds:
            print(f"{'all' if origin is None else f'month {origin}':<11}" + _row(part, model))


def _row(part: pd.DataFrame, model: str) -> str:
    mine = part[part["model"] == model]
    cells = [f"{model:<21}{mine['series'].nunique():>7}"]
    cells += [_cell(mean_and_error(mine, x), 4, 7) for x in ("month", "total")]
    both = part[part["model"] == OURS].merge(mine, on=["origin", "series"], suffixes=("", " its"))
    for x in ("month", "total"):
        both["gap"] = both[x] - both[f"{x} its"]
        cells.append(f"{'':>17}" if model == OURS else "  " + _cell(mean_and_error(both, "gap"), 4, 7))
    cells += [_cell(mean_and_error(mine, x), 3, 5) for x in COVERED]
    cells.append(f"{mine.groupby('origin')['seconds'].first().sum():>9.2f}")
    return "".join(cells)


def _cell(pair: tuple[float, float], digits: int, width: int) -> str:
    return f"{pair[0]:>{width + 1}.{digits}f} ±{pair[1]:<{digits + 1}.{digits}f}".replace("±0.", "±.")


def _print_lead_times(units: Floats, lead: npt.NDArray[np.int64], origins: npt.NDArray[np.int64]) -> None:
    """Coverage of sums over each part's own lead time."""
    some = np.flatnonzero((lead >= 1) & (lead <= LONGEST))
    parts = [_lead_times(units[some, :origin], units[some, origin:], lead[some]) for origin in origins]
    found = pd.concat(parts, ignore_index=True)
    print(f"\nRAF, sums over each part's own lead time, {len(some)} parts, origins {', '.join(map(str, origins))}")
    print(f"{'model':<21}{''.join(f'{x:>12}' for x in COVERED)}{'loss':>17}{'ours − it':>17}")
    mine = found[found["model"] == OURS]
    for model, part in found.groupby("model", sort=False):
        both = mine.assign(loss=mine["loss"].to_numpy() - part["loss"].to_numpy())
        gap = "" if model == OURS else "  " + _cell(mean_and_error(both, "loss"), 4, 7)
        cover = "".join(_cell(mean_and_error(part, x), 3, 5) for x in COVERED)
        print(f"{model:<21}{cover}  {_cell(mean_and_error(part, 'loss'), 4, 7)}{gap}")


def _lead_times(past: Floats, came: Floats, lead: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Transform and loss (scaled, for a month of lead time) of each part by model."""
    whole = np.take_along_axis(np.cumsum(came, axis=1), lead[:, None] - 1, axis=1)[:, 0]
    scale = np.abs(np.diff(past, axis=1)).mean(axis=1)
    law = bf.lead_time_demand(bf.forecast_panel(_long(past), LONGEST, "M"), lead)
    said = {OURS: (law.quantile_array(LEVELS), at_or_below(law.cdf(whole - 1), law.cdf(whole)))}
    mean, variance, croston = past.mean(axis=1), past.var(axis=1, ddof=1), syntetos_boylan(past)
    for name, centre in (("static", mean), ("SBA + NB", croston)):
        its = nb_law(lead * centre, lead * variance)
        below, at = its.cdf(whole[:, None] - 1)[:, 0], its.cdf(whole[:, None])[:, 0]
        said[name] = (its.ppf(LEVELS), at_or_below(below, at))
    beyond = stats.norm.ppf(LEVELS) * np.sqrt(lead * variance)[:, None]
    quantiles = np.maximum((lead * croston)[:, None] + beyond, 0.0)
    said["textbook normal"] = (quantiles, (whole[:, None] <= quantiles[:, 2:]).astype(float))
    frames = []
    for name, (quantiles, covered) in said.items():
        frame = pd.DataFrame({"series": np.arange(len(lead)), "model": name})
        frame["loss"] = _loss(quantiles, whole) / lead / np.where(scale > 0, scale, np.nan)
        frame[list(COVERED)] = covered
        frames.append(frame[scale > 0])
    return pd.concat(frames, ignore_index=True)


if __name__ == "__main__":
    main()
