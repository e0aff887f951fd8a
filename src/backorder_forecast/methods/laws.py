"""The demand of every item of a panel in every future period, and its sums: one law for tables and simulation.

An item either follows negative-binomial counts at a level that is in doubt, held as strata, or (with the chance
`apart`) occurrence and size. Both are scaled by the factors of the periods; sums over periods are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import special

from ..core import counts
from .exposure import Exposure
from .hurdle import Hurdle
from .smoothing import EDGES, SHARES

_HARDLY = 1e-7
_LONGEST = 1 << 20  # values of one table: beyond it only what is all but impossible lies
_NEAR = 0.05  # products of level and length within it count as one where a sum is over several lengths
_MEMBERS = 256  # bins for them: a ratio of e^12 from the smallest to the largest
_SEVERAL = 8
_BLOCK = 256

@dataclass(frozen=True)
class Span:
    """What a sum is over, with which chance: by row, alternatives of so many periods with this sum of factors.

    exposure, periods, chance: [rows × alternatives].
    """

    exposure: np.ndarray
    periods: np.ndarray
    chance: np.ndarray

    @classmethod
    def certain(cls, exposure: np.ndarray, periods: np.ndarray) -> Span:
        """Sums over periods [rows] with this sum of factors [rows]."""
        return cls(exposure[:, None], periods[:, None], np.ones((len(exposure), 1)))

    def take(self, rows: np.ndarray | slice) -> Span:
        """Some rows."""
        return Span(self.exposure[rows], self.periods[rows], self.chance[rows])

    def longest(self) -> np.ndarray:
        """Sum of factors that is hardly exceeded [rows]."""
        order = np.argsort(self.exposure, axis=1)
        beyond = 1.0 - np.cumsum(np.take_along_axis(self.chance, order, axis=1), axis=1)
        at = np.minimum((beyond > _HARDLY).sum(axis=1), order.shape[1] - 1)
        rows = np.arange(len(order))
        return np.asarray(self.exposure[rows, order[rows, at]])

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the sum of factors, and of its square [rows]."""
        return (self.chance * self.exposure).sum(axis=1), (self.chance * self.exposure**2).sum(axis=1)


@dataclass(frozen=True)
class Future:
    """By which factor demand of each future period goes up and down.

    profile [n]: row of factors [profiles × horizon]; week [n × 7]: factors by weekday around them; weekday [horizon];
    start, end [n]: demand comes in periods start … end, counted from 1.
    """

    profile: np.ndarray
    factors: np.ndarray
    week: np.ndarray
    weekday: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, exposure: Exposure, weekday: np.ndarray, start: np.ndarray, end: np.ndarray) -> Future:
        """The factors learned from the past; items with drivers of their own have profiles of their own."""
        shared = exposure.shared.ahead
        if exposure.own is None:
            return cls(exposure.group, shared, exposure.week, weekday, start, end)
        now, horizon = exposure.periods.now, shared.shape[1]
        own = shared[exposure.group] * exposure.own[:, now : now + horizon]
        return cls(np.arange(len(own)), own, exposure.week, weekday, start, end)

    @property
    def horizon(self) -> int:
        """Number of periods."""
        return int(self.factors.shape[1])

    def ahead(self, rows: np.ndarray) -> np.ndarray:
        """Factor of each period [rows × horizon], 0 where the item is not sold."""
        period = np.arange(1, self.horizon + 1)
        sold = (period >= self.start[rows, None]) & (period <= self.end[rows, None])
        return np.asarray(self.always(rows) * sold)

    def always(self, rows: np.ndarray) -> np.ndarray:
        """Factor of each period [rows × horizon], as if the item were sold in all of them."""
        return np.asarray(self.factors[self.profile[rows]] * self.week[rows][:, self.weekday])

    def usual(self, rows: np.ndarray) -> np.ndarray:
        """Mean factor of a period [rows], over whole weeks, as if the item were sold in all of them."""
        whole = self.horizon // 7 * 7 or self.horizon
        return np.asarray(self.always(rows)[:, :whole].mean(axis=1) if whole else np.ones(len(rows)))

    def placed(self, on: np.ndarray, horizon: int) -> Future:
        """The same on a finer axis of `horizon` periods: what each period brings comes in one of them, counted from 1
        [periods]; in the others there is none."""
        factors = np.zeros((len(self.factors), horizon))
        factors[:, on - 1] = self.factors
        return replace(self, factors=factors, week=np.ones_like(self.week), weekday=np.zeros(horizon, np.int64))

    @cached_property
    def _open(self) -> np.ndarray | None:
        """Periods up to each one in which anything may come [profiles × 0 … horizon]; None: in all of them."""
        if (self.factors > 0).all():
            return None
        return np.concatenate([np.zeros((len(self.factors), 1)), np.cumsum(self.factors > 0, axis=1)], axis=1)

    def open_share(self) -> np.ndarray:
        """Share of the periods in which anything may come [n]; over whole weeks, as in `usual`."""
        whole = self.horizon // 7 * 7 or self.horizon
        return np.ones(len(self.profile)) if self._open is None else (self._open[:, whole] / whole)[self.profile]

    def between(self, rows: np.ndarray, since: np.ndarray | float, until: np.ndarray) -> np.ndarray:
        """Periods in which anything may come after `since`, to `until` [rows × any], those begun with them."""
        if self._open is None:
            whole = np.maximum(np.ceil(until - since - 1e-9), 0).astype(np.int64)
            return np.broadcast_to(whole, (len(rows), until.shape[1]))
        count, row = self._open[self.profile[rows]], np.arange(len(rows))[:, None]
        last, first = (np.clip(x, 0, self.horizon).astype(np.int64) for x in (np.ceil(until - 1e-9), np.floor(since)))
        beyond = np.maximum(until - self.horizon, 0.0) * self.open_share()[rows, None]
        whole = np.maximum(count[row, last] - count[row, first] + np.ceil(beyond - 1e-9), 0)
        return np.asarray(whole.astype(np.int64))

    def take(self, rows: np.ndarray) -> Future:
        """The factors of some items."""
        ends = {"start": self.start[rows], "end": self.end[rows]}
        return replace(self, profile=self.profile[rows], week=self.week[rows], **ends)


@dataclass(frozen=True)
class PanelLaw:
    """ratio [n]: φ of the counts; levels [n × strata]: mean counts in a period of factor 1, by strata of SHARES;
    apart [n]: the chance that an item follows `seldom`; models [n × models]: what each counts, for telling."""

    ratio: np.ndarray
    levels: np.ndarray
    apart: np.ndarray
    seldom: Hurdle
    models: np.ndarray

    def __len__(self) -> int:
        return len(self.ratio)

    @classmethod
    def of_counts(cls, ratio: np.ndarray, levels: np.ndarray) -> PanelLaw:
        """Negative-binomial counts alone: φ [n], above 1, and mean counts of a period [n × strata]."""
        n = len(ratio)
        return cls(ratio, levels, np.zeros(n), Hurdle.unknown(n), np.ones((n, 1)))

    @property
    def theta(self) -> np.ndarray:
        """1 − 1/φ [n]."""
        return np.asarray(1.0 - 1.0 / self.ratio)

    def take(self, rows: np.ndarray) -> PanelLaw:
        """The laws of some items."""
        seldom = self.seldom.take(rows)
        return PanelLaw(self.ratio[rows], self.levels[rows], self.apart[rows], seldom, self.models[rows])

    def mean(self, rows: np.ndarray, span: Span) -> np.ndarray:
        """Mean of the sums [rows]."""
        exposure = span.moments()[0]
        smooth = (self.levels[rows] @ SHARES) * exposure
        size = self.seldom.size_moments()[0][rows]
        return np.asarray(smooth + self.apart[rows] * (self.seldom.chance()[rows] * size * exposure - smooth))

    def variance(self, rows: np.ndarray, span: Span) -> np.ndarray:
        """Variance of the sums [rows]."""
        once, twice = span.moments()
        level, square = self.levels[rows] @ SHARES, self.levels[rows] ** 2 @ SHARES
        smooth = self.ratio[rows] * level * once + square * twice  # mean squares
        size, size_square = (x[rows] for x in self.seldom.size_moments())
        chance, both = self.seldom.chance()[rows], (self.seldom.a + self.seldom.b)[rows]
        # of the count of periods with demand: E[N] = p·e, E[N(N−1)] = e²(1 − 1/k) E[p²]
        pairs = (span.chance * span.exposure**2 * (1.0 - 1.0 / np.maximum(span.periods, 1))).sum(axis=1)
        pairs *= chance * (chance * both + 1.0) / (both + 1.0)
        seldom = chance * once * size_square + pairs * size**2
        mixed = smooth + self.apart[rows] * (seldom - smooth)
        return np.asarray(np.maximum(mixed - self.mean(rows, span) ** 2, 0.0))

    def reach(self, rows: np.ndarray, span: Span) -> np.ndarray:
        """A value that the sums hardly exceed [rows], a millionth at most."""
        exposure = span.longest()
        ratio = self.ratio[rows]
        mean = self.levels[rows].max(axis=1) * exposure
        reach = mean + 6.0 * np.sqrt(mean * ratio) + 13.0 * ratio
        some = self.apart[rows] > 0
        if some.any():
            items = rows[some]
            periods = span.periods[some].max(axis=1)
            often = self.seldom.reach(items, periods, exposure[some] / np.maximum(periods, 1))
            reach[some] = np.maximum(reach[some], often)
        return np.asarray(np.minimum(np.ceil(reach) + 2.0, _LONGEST))

    def cdf(self, rows: np.ndarray, span: Span, width: int) -> np.ndarray:
        """P(sum ≤ x) for x = 0 … width − 1 [rows × width]."""
        sizes, weights = self._members(rows, span)
        out = np.zeros((len(rows), width))
        counts.mixture_mass(sizes, weights, self.theta[rows], out)
        some = np.flatnonzero(self.apart[rows] > 0)
        if some.size:
            part = span.take(some)
            ones, apart = np.ones(some.size), self.apart[rows[some]]
            self.seldom.add_mass(rows[some], part.chance, part.exposure, part.periods, ones, apart, some, out)
        counts.accumulate(out)
        return out

    def _members(self, rows: np.ndarray, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """Sizes of the negative binomials that are mixed, and their weights [rows × members]; near ones as one where
        the sum is over several lengths."""
        base = np.ascontiguousarray(self.levels[rows] / (self.ratio[rows] - 1.0)[:, None])
        chance = (1.0 - self.apart[rows])[:, None] * span.chance
        if span.exposure.shape[1] < _SEVERAL:
            sizes = span.exposure[:, :, None] * base[:, None, :]
            weights = chance[:, :, None] * SHARES
            return sizes.reshape(len(rows), -1), weights.reshape(len(rows), -1)
        sizes, weights = (np.empty((len(rows), max(_MEMBERS, span.exposure.shape[1] + 1))) for _ in range(2))
        exposure = np.ascontiguousarray(span.exposure, float)
        counts.merge_products(exposure, chance, base, SHARES, _NEAR, sizes, weights)
        used = np.flatnonzero(weights.any(axis=0))
        return np.ascontiguousarray(sizes[:, used]), np.ascontiguousarray(weights[:, used])

    def chance_strata(self) -> np.ndarray:
        """Chance of demand in a period of factor 1, by strata of SHARES [n × strata]; 0 where `apart` is."""
        out = np.zeros_like(self.levels)
        some = self.apart > 0
        a, b = self.seldom.a[some, None], self.seldom.b[some, None]
        edges = special.betaincinv(a, b, EDGES[1:-1])
        # the mean of a beta up to x is that of the whole times the share of one with a + 1 there
        inside = special.betainc(a + 1.0, b, edges)
        inside = np.concatenate([np.zeros_like(a), inside, np.ones_like(a)], axis=1)
        out[some] = np.diff(inside, axis=1) / SHARES * (a / (a + b))
        return out

    def size_laws(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Laws of one size where `apart` is above 0, ragged: counts, cumulative chances, starts [n + 1]."""
        some = np.flatnonzero(self.apart > 0)
        reach = self.seldom.reach(some, np.ones(len(some)), np.ones(len(some)))
        values, chances = [np.zeros(0)] * len(some), [np.zeros(0)] * len(some)
        order = np.argsort(reach, kind="stable")
        for begin in range(0, len(order), _BLOCK):
            part = order[begin : begin + _BLOCK]
            law = self.seldom.sizes(some[part], np.ones(len(part)), int(reach[part].max()) + 2)
            for at, row in zip(part, law, strict=True):
                used = np.flatnonzero(row > 1e-9)
                total = np.cumsum(row[used])
                values[at], chances[at] = used.astype(float), total / total[-1]
        count = np.zeros(len(self), np.int64)
        count[some] = [len(x) for x in values]
        starts = np.concatenate([[0], np.cumsum(count)])
        empty = [np.zeros(0)]
        return np.concatenate([*values, *empty]), np.concatenate([*chances, *empty]), starts
