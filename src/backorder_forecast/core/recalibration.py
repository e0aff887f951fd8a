"""Levels corrected by how past forecasts did.

A forecast law F is replaced by g(F), with g(u) = Φ(a + b·Φ⁻¹(u)): a moves it (above 0: what was forecast came sooner
than said), b squeezes (above 1) or stretches it. g rises from 0 to 1, so laws stay laws, and (0, 1) is no change. a and
b are the posterior mean under a prior around no change, from the probability-integral transforms of past forecasts
(Dawid 1984), each known to an interval: of a whole day, or from what was last seen on up to 1 where it is censored.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

SHIFTS, SPREADS = np.linspace(-1.5, 1.5, 61), np.linspace(-0.8, 0.8, 33)  # a, and the logarithm of b
_SD_SHIFT, _SD_SPREAD = 0.2, 0.15  # of the prior
_CELLS = 200  # transforms are rounded to so many
_EDGE = 1e-9


def fitted(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """(a, b) from intervals of transforms [cases] and how many independent cases each counts for."""
    keys, counts = _counted(low, high, weight)
    z = np.concatenate([[-np.inf], ndtri(np.arange(1, _CELLS) / _CELLS), [np.inf]])
    below, above = keys // (_CELLS + 1), keys % (_CELLS + 1)
    log = np.empty((len(SHIFTS), len(SPREADS)))
    for j, spread in enumerate(np.exp(SPREADS)):
        at = ndtr(SHIFTS[:, None] + spread * z[None, :])
        log[:, j] = np.log(np.maximum(at[:, above] - at[:, below], 1e-12)) @ counts
    log -= 0.5 * (SHIFTS[:, None] / _SD_SHIFT) ** 2 + 0.5 * (SPREADS[None, :] / _SD_SPREAD) ** 2
    posterior = np.exp(log - log.max())
    posterior /= posterior.sum()
    return float(posterior.sum(axis=1) @ SHIFTS), float(np.exp(posterior.sum(axis=0) @ SPREADS))


def _counted(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rounded intervals, as one number each, and their weights; an interval is a cell at least."""
    below = np.minimum(np.floor(low * _CELLS + 0.5), _CELLS - 1).astype(np.int64)
    above = np.maximum(np.floor(high * _CELLS + 0.5).astype(np.int64), below + 1)
    keys, place = np.unique(below * (_CELLS + 1) + above, return_inverse=True)
    return keys, np.bincount(place, weight, len(keys))


def corrected(law: np.ndarray, shift: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """g(F) of laws F [rows × days] with a and b of each row; 0 and 1 stay."""
    if not ((shift != 0.0) | (spread != 1.0)).any():
        return law
    inner = np.clip(law, _EDGE, 1.0 - _EDGE)
    moved = ndtr(shift[:, None] + spread[:, None] * ndtri(inner))
    found: np.ndarray = np.where((law <= 0.0) | (law >= 1.0), law, moved)
    return found
