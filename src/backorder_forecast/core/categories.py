"""Effects of groups that belong to categories, on a grid: each is normal around its category's, that around all's.

What is known of a group is its log likelihood at every point of the grid. Both standard deviations, of groups within
their category and of categories, are those under which all groups are most likely (empirical Bayes); categories that
do not clearly differ are none. A group's prior is what the others of its category say, its own durations left out.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from .hazards import bell

WITHIN = 0.05 * 1.35 ** np.arange(12)  # standard deviations of groups within a category,
BETWEEN = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0])  # and of categories
_CLEARLY = 3.0  # how much larger the log evidence of categories has to be
_GROUPS = 10_000  # groups by which the standard deviations are judged
_TINY = 1e-300


def category_priors(
    like: np.ndarray, points: np.ndarray, category: np.ndarray, prior: np.ndarray
) -> np.ndarray | None:
    """Log prior weights of each group and, last, of one of an unknown category [groups + 1 × points].

    like [groups × points]; category [groups], -1: none; prior [points]: log weights without categories, which tell
    where the centre of all lies. None: categories do not differ, and that prior holds for all.
    """
    own = np.exp(like - like.max(axis=1, keepdims=True))
    centre = float(np.exp(prior) @ points)
    found = _chosen(own[:: 1 + len(own) // _GROUPS], category[:: 1 + len(own) // _GROUPS], points, centre)
    if found is None:
        return None
    within, of_category = _steps(points, found[0]), bell(points, centre, np.array(found[1]))
    told = np.log(np.maximum(own @ within.T, _TINY))
    others = of_category + _summed(told, category)[category] - told
    others[category < 0] = of_category
    middle = np.vstack([others, of_category])
    weight = np.exp(middle - logsumexp(middle, axis=1, keepdims=True))
    return np.asarray(np.log(np.maximum(weight @ within, _TINY)))


def _steps(points: np.ndarray, sd: float) -> np.ndarray:
    """Normal weights of the points around each point [centres × points]."""
    return np.exp(bell(points, points[:, None], np.array(sd)))


def _summed(told: np.ndarray, category: np.ndarray) -> np.ndarray:
    """Log likelihoods of each category's level [categories × points]."""
    known, size = category >= 0, told.shape[1]
    count = int(category.max(initial=0)) + 1
    cell = category[known, None] * size + np.arange(size)
    return np.bincount(cell.ravel(), told[known].ravel(), count * size).reshape(count, size)


def _chosen(
    own: np.ndarray, category: np.ndarray, points: np.ndarray, centre: float
) -> tuple[float, float] | None:
    """The standard deviations within categories and between them; None: these do not clearly differ."""
    step = float(points[1] - points[0])
    between = np.array([0.0, *BETWEEN[0.6 * step <= BETWEEN]])
    levels = bell(points, centre, np.maximum(between, 0.3 * step)[:, None])
    best, plain, found = -np.inf, -np.inf, (0.0, 0.0)
    for within in WITHIN[0.6 * step <= WITHIN]:
        told = np.log(np.maximum(own @ _steps(points, within).T, _TINY))
        evidence = _evidence(_summed(told, category), levels) + _evidence(told[category < 0], levels)
        plain = max(plain, float(evidence[0]))
        most = 1 + int(np.argmax(evidence[1:]))
        if evidence[most] > best:
            best, found = float(evidence[most]), (float(within), float(between[most]))
    return found if best > plain + _CLEARLY else None


def _evidence(told: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Log evidence of all rows [rows × points] under each prior of their level, log weights [priors × points]."""
    joint = told[:, None, :] + levels
    top = joint.max(axis=2, keepdims=True)
    found: np.ndarray = (np.log(np.exp(joint - top).sum(axis=2)) + top[:, :, 0]).sum(axis=0)
    return found
