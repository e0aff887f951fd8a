"""Levels that move slowly, common to all groups and of each, on a grid of their logarithm.

The level of group g in period b is c_b + x_gb + e_gb: c, common to all, and x, its own, are random walks; e is a
disturbance of that period alone (a delay that everything ordered then shares). What is known of a cell is its log
likelihood at every point of the grid. The standard deviations are those under which all groups are most likely; the
levels follow by filtering forward and smoothing backward, which is exact on a grid (Rabiner 1989; Kitagawa 1987).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ._compile import kernel
from .hazards import bell, relative

WALKS = np.array([0.0, 0.015, 0.03, 0.06])  # standard deviations of a period's step
SHARED = np.array([0.0, 0.05, 0.1, 0.15, 0.2])  # of a period's own disturbance
_YEAR = 13.0  # periods: a group's first level differs from its typical one by the walk of about so many
_CLEARLY = 1.0  # how much larger, in logarithm, the evidence of levels that move has to be (Kass, Raftery 1995)
_TELLING = 100  # groups by which the standard deviations are judged
_TINY = 1e-300


@dataclass(frozen=True)
class Drift:
    """What is known of the levels: walk, shared: the standard deviations chosen; weight [groups + 1 × periods + 1 ×
    points]: of each group and of one not known, in each period and in the one after the last."""

    walk: float
    shared: float
    weight: np.ndarray


def normal_steps(points: np.ndarray, sd: float) -> np.ndarray:
    """Chances of going from each point to each [points × points]; what would leave the grid stays at its edge.

    Steps that are small against the grid's keep their variance: they go to a neighbour, seldom.
    """
    return _steps(tuple(points.tolist()), float(sd))


@lru_cache(maxsize=64)
def _steps(grid: tuple[float, ...], sd: float) -> np.ndarray:
    points = np.array(grid)
    step = float(points[1] - points[0])
    if sd >= step:
        chances = np.exp(bell(points, points[:, None], np.array(sd)))
    else:
        aside = 0.5 * (sd / step) ** 2
        chances = np.diag(np.full(len(points), 1.0 - 2.0 * aside))
        chances += np.diag(np.full(len(points) - 1, aside), 1) + np.diag(np.full(len(points) - 1, aside), -1)
        chances[0, 0] += aside
        chances[-1, -1] += aside
    chances.flags.writeable = False
    return chances


def _around_zero(points: np.ndarray, sd: float) -> np.ndarray:
    """Weights of the points of a normal law around the point 0."""
    middle = int(np.argmin(np.abs(points)))
    row: np.ndarray = normal_steps(points, float(sd))[middle]
    return row


def own_levels(like: np.ndarray, points: np.ndarray) -> Drift:
    """The levels of groups from log likelihoods [groups × periods × points], periods in order of time."""
    cells = relative(like)
    telling = _spans(like)
    seen = telling > 1e-9
    told = [(walk, shared) for walk in WALKS for shared in SHARED]
    # the groups that tell most tell enough
    most = np.sort(np.argsort(-telling.sum(axis=-1), kind="stable")[:_TELLING])
    walk, shared = told[_best(_evidence(cells[most], points, told, seen[most]))]
    return _smoothed(cells, points, float(walk), float(shared))


def moving_levels(like: np.ndarray, points: np.ndarray, walk: float, shared: float) -> Drift:
    """The same, with standard deviations that are known."""
    return _smoothed(relative(like), points, walk, shared)


@kernel("void(float64[:, ::1], float64[:])", allocates=False)
def _largest_less_least(like: np.ndarray, out: np.ndarray) -> None:
    for i in range(like.shape[0]):
        least = most = like[i, 0]
        for s in range(1, like.shape[1]):
            least, most = min(least, like[i, s]), max(most, like[i, s])
        out[i] = most - least


def _spans(like: np.ndarray) -> np.ndarray:
    """How much each cell tells: its largest log likelihood less its least [… of … × points]."""
    out = np.empty(like.shape[:-1])
    _largest_less_least(np.ascontiguousarray(like).reshape(-1, like.shape[-1]), out.reshape(-1))
    return out


def common_level(like: np.ndarray, points: np.ndarray, apart: float) -> np.ndarray:
    """The level common to all groups, by period [periods], with groups that lie `apart` (standard deviation) from it.

    Each group counts for no more than what one group says that differs from the others by so much.
    """
    cells = np.log(np.maximum(relative(like) @ normal_steps(points, max(apart, 0.05)), _TINY)).sum(axis=0)
    level = own_levels_of_one(cells, points)
    found: np.ndarray = level @ points
    return found


def own_levels_of_one(like: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Weights [periods × points] of one walk with log likelihoods [periods × points], without disturbances."""
    cells, seen = relative(like)[None], np.ptp(like, axis=-1)[None] > 1e-9
    best = WALKS[_best(_evidence(cells, points, [(walk, 0.0) for walk in WALKS], seen))]
    return _smoothed(cells, points, float(best), 0.0).weight[0, :-1]


def _best(evidence: np.ndarray) -> int:
    """The place of the largest evidence; the first, steady levels, unless it is clearly larger."""
    best = int(np.argmax(evidence))
    return best if evidence[best] > evidence[0] + _CLEARLY else 0


def _evidence(
    cells: np.ndarray, points: np.ndarray, told: list[tuple[float, float]], seen: np.ndarray
) -> np.ndarray:
    """Log evidence of all cells under each pair of standard deviations (walk, shared), all pairs side by side."""
    steps = np.stack([normal_steps(points, walk) for walk, _ in told])
    each, blur = np.unique([shared for _, shared in told], return_inverse=True)
    blurs = np.stack([normal_steps(points, shared) for shared in each])
    start = np.stack([_around_zero(points, walk * np.sqrt(_YEAR)) for walk, _ in told])
    before = np.repeat(start[:, None, :], len(cells), axis=1)
    evidence = np.zeros(len(told))
    for b in range(cells.shape[1]):
        joint = before * (cells[None, :, b] @ blurs)[blur]
        total = np.maximum(joint.sum(axis=2, keepdims=True), _TINY)
        evidence += np.log(total[:, seen[:, b], 0]).sum(axis=1)
        before = (joint / total) @ steps
    return evidence


def _smoothed(cells: np.ndarray, points: np.ndarray, walk: float, shared: float) -> Drift:
    own, step, start = (
        normal_steps(points, shared), normal_steps(points, walk), _around_zero(points, walk * np.sqrt(_YEAR))
    )  # fmt: skip
    groups, periods, size = cells.shape
    seen = np.ascontiguousarray(cells.transpose(1, 0, 2))  # period by period
    blurred = seen @ own.T  # P(cell | level): what the disturbance may have been is summed over
    before = np.empty((periods + 1, groups, size))
    before[0] = start
    for b in range(periods):
        np.matmul(_shares(before[b] * blurred[b]), step, out=before[b + 1])
    weight = np.empty((groups + 1, periods + 1, size))
    weight[:-1, -1] = before[-1] @ own
    after = np.ones((groups, size))
    for b in range(periods - 1, -1, -1):
        weight[:-1, b] = _shares(((before[b] * after) @ own) * seen[b])
        after = (blurred[b] * after) @ step.T
        after /= np.maximum(after.max(axis=1, keepdims=True), _TINY)
    weight[-1] = start @ own
    return Drift(walk, shared, weight)


def _shares(joint: np.ndarray) -> np.ndarray:
    """Chances [groups × points] from what is proportional to them."""
    return joint / np.maximum(joint.sum(axis=1, keepdims=True), _TINY)
