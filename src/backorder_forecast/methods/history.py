"""A panel of demand as sparse events: which item, how many periods ago, how many units. Arrays only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..core import panel as kernels

_CAP = 3.0


@dataclass(frozen=True)
class History:
    """Units by item and age in periods (0: the last one), for the events alone; ages are below the item's length.

    item, age, qty: parallel arrays sorted by item; length [n]: periods since each item's first one; extra [events]:
    variance of units that are only expected, as in periods without stock; hidden [events]: periods in which nothing was
    sold, for want of stock, and units are expected all the same (both empty: there are none).

    >>> h = History(np.array([0, 0, 1]), np.array([5, 1, 0]), np.array([2.0, 3.0, 1.0]), np.array([6, 4]))
    >>> h.until(1).age.tolist(), h.until(1).length.tolist(), h.sums(2).tolist()
    ([4, 0], [5, 3], [3.0, 1.0])
    """

    item: np.ndarray
    age: np.ndarray
    qty: np.ndarray
    length: np.ndarray
    extra: np.ndarray = field(default_factory=lambda: np.zeros(0))
    hidden: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.length)

    @property
    def periods(self) -> int:
        """Periods of the longest item."""
        return int(self.length.max(initial=0))

    @cached_property
    def start(self) -> np.ndarray:
        """Where the events of each item begin [n + 1]."""
        return np.searchsorted(self.item, np.arange(self.items + 1)).astype(np.int64)

    def until(self, skip: int) -> History:
        """The history without its last `skip` periods."""
        old = self.age >= skip
        length = np.maximum(self.length - skip, 0)
        return History(self.item[old], self.age[old] - skip, self.qty[old], length, *self._unsure(old))

    def take(self, rows: np.ndarray) -> History:
        """The history of some items, numbered anew in the order of `rows`."""
        count = (self.start[1:] - self.start[:-1])[rows]
        ends = np.cumsum(count)
        events = np.arange(int(count.sum())) + np.repeat(self.start[rows] - (ends - count), count)
        item = np.repeat(np.arange(len(rows)), count)
        return History(item, self.age[events], self.qty[events], self.length[rows], *self._unsure(events))

    def filled(self, qty: np.ndarray, extra: np.ndarray, hidden: np.ndarray) -> History:
        """The same events with the units that are expected, and what is unsure of them."""
        return History(self.item, self.age, qty, self.length, extra, hidden)

    def visible(self) -> History:
        """The events in which something was sold."""
        # kept only where it is another one: a history that holds itself is not given back to memory at once
        return self._shown if self.hidden.any() else self

    @cached_property
    def _shown(self) -> History:
        shown = np.flatnonzero(~self.hidden)
        return History(self.item[shown], self.age[shown], self.qty[shown], self.length, *self._unsure(shown))

    def squares(self) -> np.ndarray:
        """Squares of units, as expected [events]."""
        square: np.ndarray = self.qty**2
        return square + self.extra if len(self.extra) else square

    def _unsure(self, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(x[events] if len(x) else x for x in (self.extra, self.hidden))  # type: ignore[return-value]

    def sums(self, last: int, but: int = 0) -> np.ndarray:
        """Units of each item [n] in its last `last` periods, but for the very last `but` of them."""
        recent = np.flatnonzero((self.age < last) & (self.age >= but))
        return self.total(self.qty[recent], recent)

    def total(self, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Values of events (of some rows) added up by item [n]."""
        if isinstance(rows, np.ndarray):
            return np.asarray(np.bincount(self.item[rows], values, self.items))
        return self._by_item(kernels.item_sums, values)

    def scatter(self, values: np.ndarray) -> np.ndarray:
        """Squared distances of values of events from their item's mean, added up by item [n]."""
        return self._by_item(kernels.scatter_sums, values)

    def _by_item(self, work: Callable[[np.ndarray, np.ndarray, np.ndarray], None], values: np.ndarray) -> np.ndarray:
        out = np.empty(self.items)
        work(self.start, np.ascontiguousarray(values, float), out)
        return out

    @cached_property
    def relative(self) -> np.ndarray:
        """Units in multiples of the item's mean event [events], capped, so that one bulk order does not make a shape
        or a trend."""
        out = np.empty(len(self.qty))
        kernels.relative_sizes(self.start, self.qty, _CAP, out)
        return out

    def faded(self, fade: np.ndarray) -> np.ndarray:
        """Units of each item, faded by age [n × memories]; fade [memories × ages]."""
        out = np.zeros((self.items, len(fade)))
        kernels.faded_sums(self.start, self.age, self.qty, np.ascontiguousarray(fade), 0, out)
        return out

    def events(self) -> np.ndarray:
        """Periods with demand [n]."""
        return np.diff(self.start).astype(float)
