"""The loop over past days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import UsageError, did_you_mean
from ..past import rebuild
from ..tables import empty
from . import demand, lead_times, lines
from .scores import calibration
from .stage import Book, Clock, Stage

if TYPE_CHECKING:
    from ..config import Config
    from ..dataset import Dataset

STAGES: dict[str, Stage] = {"line_eta": lines.STAGE, "demand": demand.STAGE, "lead_time": lead_times.STAGE}


@dataclass(frozen=True)
class Replay:
    """How a stage did on past days.

    scorecard: the output table; lines: a row for each case that was judged (an order line or a purchase line open on a
    replayed day, or an item at a location), what was said of it, what happened, and `u`, its transform; seconds: spent
    on each replayed day, by whom, where a clock was given.
    """

    scorecard: pd.DataFrame
    lines: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    stage: str = "line_eta"
    seconds: Mapping[str, float] = field(default_factory=dict)

    def calibration(self, levels: Iterable[float] | None = None) -> pd.DataFrame:
        """Share of outcomes at or below each level, see :func:`backorder_forecast.evaluate.scores.calibration`."""
        return calibration(self.lines, levels)


def replay(
    data: Dataset, days: Iterable[Any] | None = None, *, stage: str = "line_eta", config: Config | None = None,
    before: pd.Timestamp | None = None, seed: int | None = None, clock: Clock | None = None,
) -> Replay:  # fmt: skip
    """Forecast on past days and score by what was known at the end of `before` (default: the data's last day).

    days: the days to stand on; by default `replay.days` of them, `replay.spacing_days` apart, the last one such that
    all it speaks of is over. What happened is read from what was known at `before`, so a replay within a run does not
    look past the run's own day.
    stage: "line_eta", the dates of waiting lines by the whole flow; "demand", sums of demand over `demand.lead_days`;
    "lead_time", the days until what is open at suppliers has come, followed for half of the horizon at least.
    clock: e.g. `time.perf_counter`, to have the runtime in `seconds`.

    Raises: ``UsageError`` for a stage that is none, or a day that is none.
    """
    part = stage_of(stage)
    config = config or data.config
    before = data.default_as_of() if before is None else before
    seed = config.simulation.seed if seed is None else seed
    chosen, told = _days(days, before, part.window(config), config)
    then, quick, book = rebuild(data, before, config), _quick(config), Book(clock)
    judged = [part.judge(rebuild(data, day, quick), then, seed, book) for day in chosen]
    found = [x for x in judged if len(x)]
    if not found:
        return Replay(empty("scorecard"), pd.DataFrame(), [*told, part.nothing], stage)
    if len(found) < len(judged):
        told.append(f"on {len(judged) - len(found)} of {len(judged)} days there was nothing to judge")
    rows = pd.concat(found, ignore_index=True)
    seconds = {name: spent / len(found) for name, spent in book.seconds.items()}
    return Replay(part.score(rows), rows, [*told, *part.notes(rows, book)], stage, seconds)


def stage_of(name: str) -> Stage:
    """The stage of a name. Raises: ``UsageError`` for one that is none."""
    if name not in STAGES:
        raise UsageError(f"there is no stage {name!r} to replay{did_you_mean(name, STAGES)}")
    return STAGES[name]


def _days(
    days: Iterable[Any] | None, before: pd.Timestamp, window: int, config: Config
) -> tuple[list[pd.Timestamp], list[str]]:
    """The days to stand on, in order, and what is to be said of those left out."""
    step = config.replay.spacing_days
    if days is None:
        back = [max(step, window) + step * i for i in range(config.replay.days)]
        return [before - pd.Timedelta(days=x) for x in sorted(back, reverse=True)], []
    chosen = sorted(_day(x) for x in days)
    last = before - pd.Timedelta(days=window)
    late = [x for x in chosen if x > last]
    named = ", ".join(str(x.date()) for x in late)
    told = [f"{named}: left out, since the {window} days after are not over by {before.date()}"] if late else []
    return [x for x in chosen if x <= last], told


def _day(day: Any) -> pd.Timestamp:
    found = pd.to_datetime(day, errors="coerce")
    if not isinstance(found, pd.Timestamp) or found.tz is not None:
        raise UsageError(f"days are calendar days without a time zone such as 2026-06-30, got {day!r}")
    return found.floor("D").as_unit("us")


def _quick(config: Config) -> Config:
    fewer = config.replay.scenarios or config.simulation.scenarios
    return config.merged(config.model_dump(), {"simulation": {"scenarios": fewer}})
