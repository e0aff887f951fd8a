"""A panel of demand as sparse events: which item, how many periods ago, how many units. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class History:
    """Units by item and age in periods (0: the last one), for the events alone; ages are below the item's length.

    item, age, qty: parallel arrays sorted by item; length [n]: periods since each item's first one.

    >>> h = History(np.array([0, 0, 1]), np.array([5, 1, 0]), np.array([2.0, 3.0, 1.0]), np.array([6, 4]))
    >>> h.until(1).age.tolist(), h.until(1).length.tolist(), h.sums(2).tolist()
    ([4, 0], [5, 3], [3.0, 1.0])
    """

    item: np.ndarray
    age: np.ndarray
    qty: np.ndarray
    length: np.ndarray

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.length)

    @property
    def periods(self) -> int:
        """Periods of the longest item."""
        return int(self.length.max(initial=0))

    def until(self, skip: int) -> History:
        """The history without its last `skip` periods."""
        old = self.age >= skip
        length = np.maximum(self.length - skip, 0)
        return History(self.item[old], self.age[old] - skip, self.qty[old], length)

    def sums(self, last: int) -> np.ndarray:
        """Units of each item [n] in its last `last` periods."""
        recent = self.age < last
        return self.total(self.qty[recent], recent)

    def total(self, values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Values of events (of some rows) added up by item [n]."""
        added: np.ndarray = np.bincount(self.item[rows], values, self.items)
        return added

    def events(self) -> np.ndarray:
        """Periods with demand [n]."""
        counted: np.ndarray = np.bincount(self.item, minlength=self.items)
        return counted
