"""A panel as it was known at a past origin, what was fitted to it, and what came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .exposure import Exposure
from .history import History
from .panel import Panel
from .season import shared
from .smoothing import Smoothed, smooth


@dataclass(frozen=True)
class Trial:
    """past: what was known; exposure, smoothed: fitted to it; later: what was known `horizon` periods after."""

    past: Panel
    exposure: Exposure
    smoothed: Smoothed
    later: History
    horizon: int

    @property
    def known(self) -> np.ndarray:
        """Items of which there was a horizon's history at least [n]."""
        return np.asarray(self.past.history.length >= self.horizon)

    @cached_property
    def came(self) -> dict[int, np.ndarray]:
        """Sums that came, of the next period and of the horizon [n], by the number of periods."""
        shown = self.later.visible()
        return {span: shown.sums(self.horizon, self.horizon - span) for span in (1, self.horizon)}

    @cached_property
    def open(self) -> np.ndarray:
        """Periods of the horizon that are judged [n × horizon]: not those without stock and sales."""
        found = np.ones((self.past.history.items, self.horizon), bool)
        if self.later.hidden.any():
            at = np.flatnonzero(self.later.hidden & (self.later.age < self.horizon))
            found[self.later.item[at], self.horizon - 1 - self.later.age[at]] = False
        return found

    def factors(self, growth: float) -> np.ndarray:
        """Factors of the periods that are judged [n × horizon], with that share of the past growth going on."""
        ahead = self.exposure.growing(growth).ahead(np.arange(self.past.history.items), self.horizon)
        return np.asarray(ahead * self.open)

    def spans(self, growth: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Numbers of periods summed, the sums that came, and the sums of their factors [n]."""
        ahead = self.factors(growth)
        for span, came in self.came.items():
            yield self.open[:, :span].sum(axis=1), came, ahead[:, :span].sum(axis=1)


def trials(panel: Panel, horizon: int, half_lives: np.ndarray, origins: int) -> Iterator[Trial]:
    """The panel fitted as of past origins, a horizon apart, the latest first, as far back as there is history."""
    for origin in range(1, origins + 1):
        past = panel.until(origin * horizon)
        if past.history.periods < max(2 * horizon, 8):
            return
        common = shared(past.history, past.periods, past.group, horizon)
        exposure = Exposure.fit(past.history, common, past.periods, past.group, past.drivers)
        smoothed = smooth(past.history, exposure, half_lives)
        yield Trial(past, exposure, smoothed, panel.history.until((origin - 1) * horizon), horizon)
