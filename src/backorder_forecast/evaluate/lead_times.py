"""Open purchases alone: what was said on a past day of the days until the last open unit comes, and when it came.

Judged are the purchase lines open on the day, which are the slow ones. A line that is still open on the later day says
"not within so many days" and counts as that in the transform, spread over all that lies beyond. So does one that was
cancelled, whose chance is part of the law: known never to come, but to know that of these alone would tilt what is told
of the others. Losses are of min(days, f), f
being the days for which everything was followed (up to the horizon), and of quantiles cut off there too: these are
known of every line, so that the slow ones need not be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..lead_time import fit_lead_times, supplied
from ..tables import DATE, TEXT, check_output, quantile_label
from .history import received_given_age, stated_days
from .scores import clustered_error, quantile_loss, randomised_transform
from .stage import Book, Stage

if TYPE_CHECKING:
    from ..config import Config
    from ..law import Law
    from ..past import Past

LEVELS = (0.5, 0.8, 0.9, 0.95)
TRANSFORM = (0.1, 0.25)  # levels below those that are stated, where a law that is too slow is seen
HISTORY, STATED = "supplier_history", "stated_date"
STATES = ("overdue", "not due", "undated")
FEWEST = 30  # lines of a supplier for a segment of its own,
SUPPLIER = "supplier "  # so named
_DATES = [f"{quantile_label(x)}_date" for x in LEVELS]


def judge(past: Past, then: Past, seed: int, book: Book) -> pd.DataFrame:
    """What was said of every purchase line open on a past day, and what had come of it by `then`."""
    if not (supplied(past)["open_qty"] > 0).any():
        return pd.DataFrame()
    with book.timed("ours"):
        lead_times = fit_lead_times(past)
        law, rows = lead_times.remaining, lead_times.open_rows
        said = law.quantile_array(LEVELS)
    with book.timed(HISTORY):
        plain = received_given_age(past, rows, law.width)
    out = _as_known(past, rows)
    for column, days in zip(_DATES, said.T, strict=True):
        out[column] = law.dates(days)
    out["came_date"], out["censored_at"] = what_came(then, law)
    out["followed_days"] = followed = min(law.width, int((then.day - past.day).days))
    for suffix, one in (("", law), (f"_{HISTORY}", plain)):
        out[f"u{suffix}"] = randomised_transform(one, out["came_date"], out["censored_at"], seed)
    took = _cut((out["came_date"] - past.day).dt.days.to_numpy(float), followed)
    _add_losses(out, "", took, _cut(said, followed))
    _add_losses(out, f"_{HISTORY}", took, _cut(plain.quantile_array(LEVELS), followed))
    stated = np.minimum(stated_days(past, rows), followed)  # no date: no loss
    _add_losses(out, f"_{STATED}", took, np.repeat(stated[:, None], len(LEVELS), axis=1))
    return out


def _as_known(past: Past, rows: pd.DataFrame) -> pd.DataFrame:
    """What was known of each open line on the day; a line without an order is an order of its own."""
    out = rows[["po_line_id", "supplier_id", "item_id", "location_id", "open_qty"]].reset_index(drop=True)
    out.insert(0, "as_of", past.day)
    out["po_id"] = rows["po_id"].fillna(rows["po_line_id"]).array
    out["age_days"] = past.days_since(rows["ordered_at"])
    out["promised_date"] = rows["promised_date"].array
    out["state"] = pd.Series(_state(past, rows), dtype=TEXT)
    return out


def _state(past: Past, rows: pd.DataFrame) -> np.ndarray:
    """By the date in force on the day: overdue, not due, or undated where none is stated."""
    stated = rows["promised_date"]
    return np.select([stated <= past.day, stated.notna()], STATES[:2], STATES[2])


def what_came(then: Past, law: Law) -> tuple[pd.Series, pd.Series]:
    """The day on which the last unit of each line came (NaT: it did not), and until when it was seen that it had not.

    What came beyond the law's horizon had not come on its last day; what was cancelled had not come by `then`.
    """
    assert law.origin is not None
    lines = supplied(then).set_index("po_line_id").reindex(law.index["po_line_id"].array).reset_index(drop=True)
    last = law.origin + pd.Timedelta(days=law.width)
    received = lines["last_received_at"].dt.floor("D")
    came = received.where((lines["open_qty"] <= 0) & (received > law.origin) & (received <= last))
    seen = pd.Series(min(then.day, last), index=came.index)
    return came.astype(DATE), seen.where(came.isna()).astype(DATE)


def _cut(days: np.ndarray, followed: int) -> np.ndarray:
    """Days up to those followed; what lies beyond, or never comes, is cut off there."""
    return np.asarray(np.minimum(np.where(np.isnan(days), np.inf, days), followed))


def _add_losses(out: pd.DataFrame, suffix: str, took: np.ndarray, said: np.ndarray) -> None:
    """Add what quantiles [lines × levels] lose, in days: pinball by level, twice their mean, and the error of p50."""
    for column, level in enumerate(LEVELS):
        out[f"pinball_{quantile_label(level)}{suffix}"] = quantile_loss(took, said[:, [column]], [level]) / 2.0
    out[f"loss{suffix}"] = quantile_loss(took, said, LEVELS)
    out[f"error_p50{suffix}"] = np.abs(took - said[:, 0])


def score(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage and losses beside the baselines: of all, by state, and of suppliers with 30 lines or more."""
    states = STATES if len(set(rows["state"])) > 1 else ()
    parts = [("all", rows), *((x, rows[rows["state"] == x]) for x in states)]
    parts += [(f"{SUPPLIER}{x}", part) for x, part in rows.groupby("supplier_id", sort=True) if len(part) >= FEWEST]
    found = [one for segment, part in parts if len(part) for one in _scores(segment, part)]
    frame = pd.DataFrame(found)
    frame["baseline"] = frame["baseline"].astype(TEXT)
    return check_output("scorecard", frame)


def _scores(segment: str, part: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for kind, levels in (("coverage", LEVELS), ("transform", TRANSFORM)):
        for level in levels:
            below, plain = ((part[x] <= level).astype(float) for x in ("u", f"u_{HISTORY}"))
            yield _row(f"{kind}_{quantile_label(level)}", segment, below, part, HISTORY, plain.mean())
    plain = part[f"loss_{HISTORY}"]
    yield _row("quantile_loss", segment, part["loss"], part, HISTORY, plain.mean())
    for name in (HISTORY, STATED):
        other = part[f"loss_{name}"]
        yield _row(f"quantile_loss_saved_{name}", segment, other - part["loss"], part, name, other.mean())
    for level in LEVELS:
        name = f"pinball_{quantile_label(level)}"
        yield _row(name, segment, part[name], part, HISTORY, part[f"{name}_{HISTORY}"].mean())
    by_stated = _came_by(part, "promised_date")
    yield _row("came_by_stated_date", segment, by_stated, part) | {"baseline": None}
    yield _row("absolute_error_p50", segment, part["error_p50"], part, HISTORY, part[f"error_p50_{HISTORY}"].mean())


def _came_by(part: pd.DataFrame, name: str) -> pd.Series:
    """Whether each line had come by a stated date; missing where that cannot be known yet, or none is stated."""
    stated = part[name]
    known = stated.notna() & (part["came_date"].notna() | (stated <= part["censored_at"]))
    return (part["came_date"] <= stated).where(known).astype(float)


def _row(
    metric: str, segment: str, values: pd.Series, part: pd.DataFrame, baseline: str = STATED,
    other: float = np.nan,
) -> dict[str, Any]:
    known = values.dropna()
    return {
        "stage": "lead_time", "metric": metric, "segment": segment, "value": known.mean(),
        "standard_error": clustered_error(known, part.loc[known.index, "po_id"]), "n": len(known),
        "baseline": baseline, "baseline_value": other,
    }  # fmt: skip


def notes(rows: pd.DataFrame, book: Book) -> list[str]:
    """How many cases there are, and how many of them are known only in part."""
    days, open_still = rows["as_of"].nunique(), int(rows["came_date"].isna().sum())
    least, most = int(rows["followed_days"].min()), int(rows["followed_days"].max())
    said = [f"{len(rows)} purchase lines open on {days} day{'s' * (days != 1)}, of {rows['po_id'].nunique()} orders; "
            f"followed for {least} to {most} days, losses are of days up to that"]  # fmt: skip
    if open_still:
        said.append(f"{open_still} of {len(rows)} had not come by then: they count as 'not within so many days'")
    undated = int((rows["state"] == "undated").sum())
    if undated:
        said.append(f"{undated} of {len(rows)} had no stated date on the day: they are not beside it")
    return said


def _window(config: Config) -> int:
    """Half of the horizon: long enough that most of what is open has come, short enough that there are days left."""
    return max(config.simulation.horizon_days // 2, 1)


STAGE = Stage(
    judge, score, notes, window=_window,
    nothing="no purchase was open on the past days that could be replayed",
)  # fmt: skip
