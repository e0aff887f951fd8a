"""Demand alone: what was said on a past day of the units wanted over the next window, and what came.

The window is `demand.lead_days`, the sums over which the models are weighed. What came are the units whose wanted day
lies in it, cancelled ones too. Sums of items whose unmet demand is lost, at least in part, and that ended a day of the
window without stock say "at least so many": they count in the transform as that, and in no loss. Where stock came back
within the window most of what came was seen, and a transform spread over all that lies beyond leans upwards: coverage
reads too low then, not too high. `lines` has the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..demand import forecast_demand, in_stock_flags, order_history
from ..forecast import lead_time_demand
from ..methods.baselines import BASELINES
from ..past import SKU, sku_codes
from ..stock import closing_levels
from ..streams import keys
from ..tables import TEXT, check_output, quantile_label
from .classes import NAMES, demand_classes
from .scores import clustered_error, quantile_loss, spread
from .stage import Book, Stage

if TYPE_CHECKING:
    from ..law import Law
    from ..methods.history import History
    from ..past import Past

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
SEASON = 364  # days: a year of whole weeks, so that weekdays stay
FEWEST = 3  # past windows from which an item's own scale is taken
TRANSFORM, COVERAGE = (0.1, 0.5), (0.9, 0.95, 0.99)
_DAY = np.timedelta64(1, "D")


def judge(past: Past, then: Past, seed: int, book: Book) -> pd.DataFrame:
    """What was said of every SKU on a past day, and what came in the window."""
    window = past.config.demand.lead_days
    wanted = past.lines[past.lines["wanted_date"] <= past.day]
    if wanted.empty:
        return pd.DataFrame()
    with book.timed("ours"):
        law = lead_time_demand(forecast_demand(past), window)
        said = law.quantile_array(LEVELS)
    with book.timed("history"):
        history = order_history(past, wanted, np.ones(len(past.skus)))
    out = past.skus[SKU].reset_index(drop=True)
    out.insert(0, "as_of", past.day)
    out["window_days"], out["history_days"] = window, history.length
    out["demand_class"] = pd.Series(demand_classes(history), dtype=TEXT)
    out["came_qty"] = _came(past, then, window, book)
    out["censored"] = stood_empty(then, out, past.day, window)
    out["mean"] = law.mean()
    out[[quantile_label(x) for x in LEVELS]] = said
    out["u"] = _transform(law, out, seed)
    out["scale"] = scales(history, window)
    out["loss"] = _loss(out, said)
    for name, method in BASELINES.items():
        with book.timed(name):
            plain = method(history, window, SEASON, LEVELS)
        out[f"loss_{name}"] = _loss(out, plain)
    return out


def _loss(rows: pd.DataFrame, quantiles: np.ndarray) -> pd.Series:
    """Scaled quantile loss of each row; NaN where what came is only known from below."""
    loss: pd.Series = quantile_loss(rows["came_qty"].to_numpy(), quantiles, LEVELS) / rows["scale"]
    return loss.where(~rows["censored"])


def _came(past: Past, then: Past, window: int, book: Book) -> np.ndarray:
    """Units of each SKU [n] wanted in the window, as known on the later day; those of unknown SKUs are counted."""
    lines, end = then.lines, past.day + pd.Timedelta(days=window)
    lines = lines[(lines["wanted_date"] > past.day) & (lines["wanted_date"] <= end)]
    code = sku_codes(past, lines)
    book.counts["units"] += float(lines["qty"].sum())
    book.counts["unknown units"] += float(lines["qty"].to_numpy()[code < 0].sum())
    return np.bincount(code[code >= 0], lines["qty"].to_numpy()[code >= 0], len(past.skus))


def stood_empty(then: Past, skus: pd.DataFrame, day: pd.Timestamp, window: int) -> np.ndarray:
    """SKUs [n] whose unmet demand is lost, at least in part, and that ended a day of the window without stock."""
    code = sku_codes(then, skus)
    share = then.skus["backorder_share"].to_numpy(float)[code]
    lost = np.flatnonzero((code >= 0) & (share < 1.0))
    out = np.zeros(len(skus), bool)
    sku = np.repeat(code[lost], window)
    days = np.tile(day.to_datetime64().astype("datetime64[D]") + _DAY * np.arange(1, window + 1), len(lost))
    flagged, empty = in_stock_flags(then, sku, days)
    level = closing_levels(then, sku, days)
    out[lost] = np.where(flagged, empty, level <= 0).reshape(len(lost), window).any(axis=1)
    return out


def _transform(law: Law, rows: pd.DataFrame, seed: int) -> np.ndarray:
    """The randomised transform of what came; of "at least so many" over all from there on."""
    came = rows["came_qty"].to_numpy()
    low = law.cdf(came - law.steps())
    high = np.where(rows["censored"], 1.0, law.cdf(came))
    day = rows["as_of"].iloc[0].date() if len(rows) else None
    return spread(low, high, keys(seed, f"transform demand {day}", *(rows[x] for x in SKU)))


def scales(history: History, window: int) -> np.ndarray:
    """Units by which the losses of each item are divided [n], so that items can be compared; from the past alone.

    The mean absolute difference of the item's sums over windows that follow each other, back from the last day, where
    there are three windows and they differ: the mean loss of the naive forecast, as in Hyndman and Koehler (2006), on
    sums. Else the median over items of mean demand in a window (of those with demand; 1 where none has any).
    """
    count = history.length // window
    part = history.age // window
    inside = part < count[history.item]
    sums = np.zeros((history.items, int(count.max(initial=0)) + 1))
    np.add.at(sums, (history.item[inside], part[inside]), history.qty[inside])
    steps = np.abs(np.diff(sums, axis=1)) * (np.arange(1, sums.shape[1]) < count[:, None])
    own = steps.sum(axis=1) / np.maximum(count - 1, 1)
    mean = window * history.total(history.qty) / np.maximum(history.length, 1)
    usual = float(np.median(mean[mean > 0])) if (mean > 0).any() else 1.0
    return np.where((count >= FEWEST) & (own > 1e-9), own, usual)


def score(rows: pd.DataFrame) -> pd.DataFrame:
    """Losses, ours beside the baselines, coverage and bias, of all and by class of demand."""
    parts = [("all", rows), *((x, rows[rows["demand_class"] == x]) for x in NAMES)]
    found = [one for segment, part in parts if len(part) for one in _scores(segment, part)]
    frame = pd.DataFrame(found)
    frame["baseline"] = frame["baseline"].astype(TEXT)
    return check_output("scorecard", frame)


def _scores(segment: str, part: pd.DataFrame) -> Iterator[dict[str, Any]]:
    seen = part[~part["censored"]]
    for name in BASELINES:
        other = seen[f"loss_{name}"]
        if name == next(iter(BASELINES)):
            yield _row("quantile_loss", segment, seen["loss"], seen, name, other.mean())
        yield _row(f"quantile_loss_saved_{name}", segment, other - seen["loss"], seen, name, other.mean())
    for kind, levels in (("transform", TRANSFORM), ("coverage", COVERAGE)):
        for level in levels:
            below = (part["u"] <= level).astype(float)
            yield _row(f"{kind}_{quantile_label(level)}", segment, below, part)
    yield _bias(segment, seen)


def _bias(segment: str, seen: pd.DataFrame) -> dict[str, Any]:
    """Sum of the means over that of what came, less 1; its error is that of a ratio, clustered by item."""
    came = seen["came_qty"].sum()
    ratio = seen["mean"].sum() / came if came > 0 else np.nan
    apart = (seen["mean"] - ratio * seen["came_qty"]) * (len(seen) / came if came > 0 else np.nan)
    return _row("bias", segment, apart, seen) | {"value": ratio - 1.0}


def _row(
    metric: str, segment: str, values: pd.Series, part: pd.DataFrame, baseline: str | None = None, other: float = np.nan
) -> dict[str, Any]:
    return {
        "stage": "demand", "metric": metric, "segment": segment, "value": values.mean(),
        "standard_error": clustered_error(values, part["item_id"]), "n": len(values),
        "baseline": baseline, "baseline_value": other,
    }  # fmt: skip


def notes(rows: pd.DataFrame, book: Book) -> list[str]:
    """How many cases there are, which are judged in part, and what nobody could foresee."""
    days, window, hidden = rows["as_of"].nunique(), rows["window_days"].iloc[0], int(rows["censored"].sum())
    unknown, units = book.counts["unknown units"], book.counts["units"]
    said = [f"sums over {window} days of {len(rows) // days} items at locations on average, on {days} days"]
    if hidden:
        said.append(f"{hidden} of {len(rows)} sums ended a day without stock and count as 'at least so many': in the "
                    "transform, in no loss and no bias")  # fmt: skip
    if unknown:
        said.append(f"{unknown:,.0f} of {units:,.0f} units were of items that no table knew on the day: not judged")
    return said


STAGE = Stage(
    judge, score, notes, window=lambda config: config.demand.lead_days,
    nothing="no order line was known on the past days that could be replayed",
)  # fmt: skip
