"""A panel as the methods see it: what was asked for, when, and what is known beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .drivers import Drivers
from .history import History
from .periods import Periods


@dataclass(frozen=True)
class Panel:
    """history: what was asked for; periods: the axis; group [n]: 0, 1, … of items that share a season; drivers: what
    moves single items, if anything is known."""

    history: History
    periods: Periods
    group: np.ndarray
    drivers: Drivers | None = None

    def take(self, rows: np.ndarray) -> Panel:
        """Some of the items."""
        drivers = None if self.drivers is None else self.drivers.take(rows)
        return Panel(self.history.take(rows), self.periods, self.group[rows], drivers)

    def until(self, skip: int) -> Panel:
        """The panel without its last `skip` periods; drivers and the axis go on."""
        return Panel(self.history.until(skip), self.periods.until(skip), self.group, self.drivers)
