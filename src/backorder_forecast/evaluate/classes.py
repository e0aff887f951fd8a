"""Classes of demand by how often there is any and how much sizes differ."""

from __future__ import annotations

import numpy as np

from ..methods.history import History

NAMES = ("smooth", "erratic", "intermittent", "lumpy", "short", "no demand")
SELDOM, UNEVEN, FEWEST = 1.32, 0.49, 4


def demand_classes(history: History, period: int = 7) -> np.ndarray:
    """The class of each item [n], after Syntetos, Boylan and Croston (2005), on weeks of its history.

    ADI: weeks for each week with demand; CV²: squared coefficient of variation of the units of those weeks. smooth:
    ADI ≤ 1.32, CV² ≤ .49; erratic: ADI ≤ 1.32, CV² above; intermittent: ADI above, CV² ≤ .49; lumpy: both above.
    short: fewer than four weeks with demand, too few to tell; no demand: none.

    >>> weekly = History(np.zeros(8, int), np.arange(0, 56, 7), np.full(8, 2.0), np.array([56]))
    >>> demand_classes(weekly).tolist()
    ['smooth']
    """
    weeks = np.maximum(history.length // period, 1)
    inside = history.age < weeks[history.item] * period
    key = history.item[inside] * (1 << 32) + history.age[inside] // period
    week, place = np.unique(key, return_inverse=True)
    units = np.bincount(place, history.qty[inside], len(week))
    item = week >> 32
    events = np.bincount(item, minlength=history.items)
    several = np.maximum(events, 1)
    mean = np.bincount(item, units, history.items) / several
    variance = np.bincount(item, (units - mean[item]) ** 2, history.items) / several
    seldom = weeks / several > SELDOM
    uneven = variance > UNEVEN * mean**2
    chosen = np.select([events == 0, events < FEWEST], [5, 4], 2 * seldom + uneven)
    return np.asarray(np.array(NAMES, object)[chosen])
