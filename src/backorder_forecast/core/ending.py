"""Daily chances that something waiting ends otherwise (is cancelled), by how far it is and by how long it has waited.

A wait goes through states, each ending at an age of its own (where its law of coming passes a level), and through bins
of age common to all. A cell is a state and a bin. Ends in a cell are Poisson around its days waited; the cells' rates
are gamma around that of all with a shape that the counts choose (marginal likelihood): no cell is believed for a
handful of ends, and where rates do not differ all are alike. Groups differ from this by a factor, shrunk in the same
way to 1.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

AGES = np.array([7.0, 14.0, 28.0, 56.0, 112.0, 224.0, 448.0])  # days at which bins of age end
SHAPES = 2.0 ** np.arange(-1, 14)  # ends that the prior of a cell counts for


def days_in_cells(begin: np.ndarray, end: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Days of each wait [waits] from the age `begin` to `end` in each cell [waits × states · bins].

    states [waits × states − 1]: ages at which states end, rising.
    """
    edge = np.zeros((len(begin), 1))
    beyond = np.full((len(begin), 1), np.inf)
    of_state = np.concatenate([edge, states, beyond], axis=1)
    of_age = np.concatenate([[0.0], AGES, [np.inf]])
    low = np.maximum(np.maximum(of_state[:, :-1, None], of_age[None, None, :-1]), begin[:, None, None])
    high = np.minimum(np.minimum(of_state[:, 1:, None], of_age[None, None, 1:]), end[:, None, None])
    return np.maximum(high - low, 0.0).reshape(len(begin), (states.shape[1] + 1) * (len(AGES) + 1))


def cells(age: np.ndarray, states: np.ndarray) -> np.ndarray:
    """The cell of each age [waits × ages] of waits whose states end at `states` [waits × states − 1]."""
    found = np.searchsorted(AGES, age, side="right").astype(np.int64)
    for j in range(states.shape[1]):
        found += (len(AGES) + 1) * (age >= states[:, j, None])
    return found


def shrunk_rates(ends: np.ndarray, days: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Rates [cells] from ends and days waited [cells], shrunk to `usual` ones [cells]."""
    if not ends.any():
        return np.zeros(len(ends))
    expected = usual * days
    seen = expected > 0
    e, x = ends[seen], expected[seen]
    score = [
        float((gammaln(e + k) - gammaln(k) + k * np.log(k) - (e + k) * np.log(k + x) + e * np.log(x)).sum())
        for k in SHAPES
    ]
    k = float(SHAPES[int(np.argmax(score))])
    return np.asarray(usual * (ends + k) / (expected + k))
