"""The proof box: past days replayed with what was known then, beside what the shop said and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from ..result import Run

TITLE = "Does it hold? Past days replayed"
LEAD = (
    "The same program, standing on earlier days and knowing only what was known then. Of the lines open on "
    "each day: what share left by the p50 and by the p90 that we would have stated (right is about half, "
    "and about nine in ten; in whole days somewhat more), and by the date that the shop had stated. A line "
    "counts once the date in question has passed."
)
NOT_REPLAYED = "No past day was replayed in this run (setting replay.days)."
NOTHING_OPEN = "On the past days that were replayed no line was open of which a date could be said."


def by_day(run: Run) -> pd.DataFrame | None:
    """Return a row a replayed day: shares that left by p50, p90 and the stated date; None: no replay."""
    lines = run.state.get("replay_lines")
    if lines is None or lines.empty:
        return None
    return pd.DataFrame([_day(day, part, run.as_of) for day, part in lines.groupby("as_of", sort=True)])


def _day(day: Any, lines: pd.DataFrame, today: pd.Timestamp) -> dict[str, Any]:
    p50, _ = _kept(lines, "p50_date", today)
    p90, judged = _kept(lines, "p90_date", today)
    promised, stated = _kept(lines, "promised_date", today)
    return {
        "as_of": day,
        "lines": len(lines),
        "by_p50": p50,
        "by_p90": p90,
        "judged": judged,
        "by_stated": promised,
        "stated": stated,
        "left": int(lines["left_date"].notna().sum()),
    }


def _kept(lines: pd.DataFrame, column: str, today: pd.Timestamp) -> tuple[float | None, int]:
    """Share of lines that left by the date in ``column``, among those for which that can be known by now.

    A date is judged when it lies before the end of what was seen of its line; judging all lines that left and
    only the late ones of the others would flatter.
    """
    seen_until = lines["censored_at"].fillna(today)
    judged = lines[lines[column].notna() & (lines[column] <= seen_until)]
    if judged.empty:
        return None, 0
    left = judged["left_date"].dt.normalize() <= judged[column]
    return float(left.mean()), len(judged)
