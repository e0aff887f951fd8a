"""Replay: past days by the same code with only what was known then, scored on what happened later.

`rolling` goes through the days; a file for each stage that can be replayed says what is said on a day, what happened,
and how that is scored: `lines` (dates of waiting order lines), `demand` (sums over a window), `lead_times` (days until
open purchases come).
"""

from .lines import what_happened
from .rolling import STAGES, Replay, replay
from .scores import calibration, clustered_error, randomised_transform

__all__ = [
    "STAGES", "Replay", "calibration", "clustered_error", "randomised_transform", "replay", "what_happened",
]  # fmt: skip
