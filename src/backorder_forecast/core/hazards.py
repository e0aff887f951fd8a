"""Durations in whole days as hazards: dense counts, shrunk from the particular to the general.

For each group (a supplier; an item of a supplier) and each day t since the purchase was placed, `risk` counts the
purchases that had not come before day t and were seen on it, `events` those that came on it. Days weigh by how
often anything is received on them (calendar), so that a weekend is no evidence of slowness. A group's hazard is
(events + k·prior) / (risk + k): the mean of a gamma posterior around the more general group, its strength k chosen
by the marginal likelihood of the counts (negative binomial) over all groups.
"""

import numpy as np
from scipy.special import gammaln

from ._compile import kernel

STRENGTHS = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0])


@kernel("void(int64[:], int64[:], int64[:], boolean[:], float64[:], float64[:, ::1], float64[:, ::1])")
def add_counts(
    group: np.ndarray, start: np.ndarray, duration: np.ndarray, ended: np.ndarray, weight: np.ndarray,
    risk: np.ndarray, events: np.ndarray,
) -> None:  # fmt: skip
    """Add purchases to dense counts [groups × days].

    `start` indexes `weight` (one entry a calendar day); `duration` is the day of the end, or of the last look.
    Purchases count at risk on days 0…duration; durations beyond the last column are cut there, unended.
    """
    last = risk.shape[1] - 1
    for i in range(group.size):
        g = group[i]
        if g < 0:
            continue
        stop = min(duration[i], last)
        for t in range(stop + 1):
            risk[g, t] += weight[start[i] + t]
        if ended[i] and duration[i] <= last:
            events[g, duration[i]] += 1.0


def pooled(risk: np.ndarray, events: np.ndarray, least: float = 5.0) -> np.ndarray:
    """A smooth hazard [days] from the counts of all: a window around each day wide enough for `least` events.

    Beyond the last days on which anything came the window reaches back, so the tail keeps a small hazard that falls
    as purchases sit there and nothing comes: what will perhaps never come is not taken as sure supply.
    """
    days = risk.size
    at_risk, came = np.concatenate([[0.0], np.cumsum(risk)]), np.concatenate([[0.0], np.cumsum(events)])
    hazard = np.zeros(days)
    if came[-1] == 0:
        return hazard
    for t in range(days):
        low, high = t, t + 1
        width = 0
        while came[high] - came[low] < least and (low > 0 or high < days):
            width += 1
            low, high = max(0, t - width), min(days, t + width + 1)
            if events[t] > 0 and width >= 3:
                break
        exposure = at_risk[high] - at_risk[low]
        hazard[t] = (came[high] - came[low]) / exposure if exposure > 0 else 0.0
    return np.clip(hazard, 0.0, 1.0)


def strength(risk: np.ndarray, events: np.ndarray, prior: np.ndarray) -> float:
    """The strength k under which the counts [groups × days] of all groups are most likely around their priors."""
    seen = (risk > 0) & (prior > 0)
    e, r, h = events[seen], risk[seen], prior[seen]
    if not e.size:
        return float(STRENGTHS[-1])
    score = [
        float(np.sum(gammaln(e + k * h) - gammaln(k * h) + k * h * np.log(k) - (e + k * h) * np.log(k + r)))
        for k in STRENGTHS
    ]
    return float(STRENGTHS[int(np.argmax(score))])


def shrunk(risk: np.ndarray, events: np.ndarray, prior: np.ndarray, k: float) -> np.ndarray:
    """Posterior mean hazards [groups × days]."""
    return np.clip((events + k * prior) / np.maximum(risk + k, 1e-12), 0.0, 1.0)


def pace(risk: np.ndarray, events: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """How much faster than `prior` each group is [groups], one factor on the hazard, shrunk towards 1.

    The factors are gamma distributed around 1; their variance is fitted by moments over the groups.
    """
    came, expected = events.sum(axis=1), (risk * prior).sum(axis=1)
    usable = expected > 0
    excess = ((came - expected) ** 2 - expected)[usable].sum()
    variance = max(excess, 0.0) / max((expected[usable] ** 2).sum(), 1e-12)
    if variance <= 1e-6:
        return np.ones(len(came))
    shape = 1.0 / variance
    return (came + shape) / (expected + shape)


def weighted_cdf(hazard: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """P(T ≤ t) [rows × days] from hazards [rows × days] on days that weigh `weight` [rows × days]."""
    stay = np.log1p(-np.clip(hazard * weight, 0.0, 1.0 - 1e-9))
    return -np.expm1(np.cumsum(stay, axis=1))
