"""What moves the demand of single items: price and promotion, by one regression over the panel.

Within blocks of eight weeks (periods), in which an item's level is taken as steady, units are regressed on how far each
driver is from its mean of the block: a negative-binomial GLM with a logarithmic link and the level as offset
(statsmodels; Cameron and Trivedi 2013, 3.3), its standard errors clustered by item. An effect counts as far as it
stands out from its error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .history import History

_SPAN = 8
_MOST_ROWS = 60_000
_FEW_ROWS = 100
_MOST_EFFECT = 3.0  # in logarithms, of one driver over its range


@dataclass(frozen=True)
class Drivers:
    """names [k]; values [k × n × periods], past and future: logarithms of prices, 1 where a promotion runs, else 0, NaN
    where nothing is known; priced [k]: those that count from their last past value, the others from 0."""

    names: tuple[str, ...]
    values: np.ndarray
    priced: tuple[bool, ...]

    def take(self, rows: np.ndarray) -> Drivers:
        """The drivers of some items."""
        return Drivers(self.names, self.values[:, rows], self.priced)

    def centred(self, now: int) -> np.ndarray:
        """Values over what they count from, 0 where nothing is known [k × n × periods]."""
        out = np.empty_like(self.values)
        for k, priced in enumerate(self.priced):
            base = _last_known(self.values[k][:, :now])[:, None] if priced else 0.0
            out[k] = np.nan_to_num(self.values[k] - base)
        return out


@dataclass(frozen=True)
class Effects:
    """names; effect of one unit of each driver on the logarithm of demand, and its standard error [k]."""

    names: tuple[str, ...]
    effect: np.ndarray
    error: np.ndarray

    @property
    def counted(self) -> np.ndarray:
        """Effects as far as they stand out from their errors [k] (positive-part shrinkage; Efron and Morris 1973)."""
        square = np.maximum(self.effect**2, 1e-12)
        kept = np.clip(1.0 - self.error**2 / square, 0.0, 1.0) * self.effect
        return np.asarray(np.clip(kept, -_MOST_EFFECT, _MOST_EFFECT))

    def words(self) -> list[str]:
        """Each effect that could be estimated, with its error, to be read."""
        told = zip(self.names, self.effect, self.error, strict=True)
        return [f"{name} {effect:+.2f} (± {error:.2f})" for name, effect, error in told if np.isfinite(error)]


def own_factors(drivers: Drivers, effects: Effects, now: int) -> np.ndarray:
    """By which factor the drivers move demand [n × periods], 1 at the last known price without a promotion."""
    moved = np.tensordot(effects.counted, drivers.centred(now), axes=1)
    return np.asarray(np.exp(np.clip(moved, -_MOST_EFFECT, _MOST_EFFECT)))


def fit_effects(history: History, factors: np.ndarray, drivers: Drivers, now: int, weeks: float) -> Effects:
    """Regress units on the drivers; factors [n × past periods]: what is expected of each period but for them.

    weeks: in a period.
    """
    units, offset, columns, items = _rows(history, factors, drivers, now, max(round(_SPAN / weeks), _SPAN))
    nothing = Effects(drivers.names, np.zeros(len(drivers.names)), np.full(len(drivers.names), np.inf))
    moving = columns.std(axis=0) > 1e-6 if len(columns) else np.zeros(len(drivers.names), bool)
    if len(units) < _FEW_ROWS or len(np.unique(items)) < 2 or not moving.any():
        return nothing
    effect, error = nothing.effect.copy(), nothing.error.copy()
    effect[moving], error[moving] = _regress(units, offset, columns[:, moving], items)
    return Effects(drivers.names, effect, error)


def _regress(
    units: np.ndarray, offset: np.ndarray, columns: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    import statsmodels.api as sm

    design = sm.add_constant(columns, has_constant="add")
    mean = np.exp(offset)
    alpha = float(np.clip(((units - mean) ** 2 - mean).sum() / (mean**2).sum(), 0.01, 10.0))
    model = sm.GLM(units, design, family=sm.families.NegativeBinomial(alpha=alpha), offset=offset)
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": items}, maxiter=25)
    return np.asarray(fitted.params[1:]), np.asarray(fitted.bse[1:])


def _rows(
    history: History, factors: np.ndarray, drivers: Drivers, now: int, span: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Units, logarithms of what is expected, drivers over their block's mean, items: of periods in blocks that tell."""
    blocks, n = now // span, history.items
    empty = np.zeros(0)
    if not blocks or not n:
        return empty, empty, np.zeros((0, len(drivers.names))), empty
    first = now - blocks * span
    units = np.zeros((n, now))
    units[history.item, now - 1 - history.age] = history.qty
    shape = (n, blocks, span)
    units, expected = units[:, first:].reshape(shape), factors[:, first:].reshape(shape)
    values = np.stack([x[:, first:now].reshape(shape) for x in drivers.values])
    known = np.isfinite(values).all(axis=(0, 3))
    total = units.sum(axis=2)
    spread = np.where(known, np.ptp(values, axis=3).max(axis=0), 0.0)
    old = history.length[:, None] >= now - first - np.arange(blocks) * span
    chosen = np.argwhere((total > 0) & known & (spread > 1e-9) & old)
    chosen = chosen[:: max(1, len(chosen) * span // _MOST_ROWS)]
    i, b = chosen.T
    level = total[i, b] / np.maximum(expected[i, b].sum(axis=1), 1e-9)
    offset = np.log(np.maximum(level[:, None] * expected[i, b], 1e-9))
    centred = values[:, i, b] - values[:, i, b].mean(axis=2, keepdims=True)
    return units[i, b].ravel(), offset.ravel(), centred.reshape(len(values), -1).T, np.repeat(i, span)


def _last_known(values: np.ndarray) -> np.ndarray:
    """The last value of each row that is not NaN (0: none is)."""
    known = np.isfinite(values)
    if not values.shape[1]:
        return np.zeros(len(values))
    last = values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.where(known.any(axis=1), values[np.arange(len(values)), last], 0.0)
