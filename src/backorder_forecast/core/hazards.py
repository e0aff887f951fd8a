"""Durations to laws: dense counts on whole days, and laws that differ between groups by pace and spread.

A duration is known to lie in an interval (low, high] of days, or to be longer than low (right-censored). A law is a
cumulative hazard Λ at the edges 0, 1, 2, … of its bins, linear between them and beyond with the last slope;
S(t) = exp(−Λ(t)). Groups of one family share a law up to a scale and a power, S_g(t) = S((t / scale)^power): slow
suppliers stretch it, punctual ones squeeze it. So a group with few durations borrows the shape of all, the tail
included, and a day that is late for one supplier and early for another is not taken for the same thing. What a
group's own counts say beyond that is added day by day, shrunk with a strength chosen by the marginal likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from ._compile import kernel

STRENGTHS = np.array([2.0**i for i in range(14)])
_GROUPS = 10_000  # groups by which a prior is judged
_JUDGED = 60  # groups by which a strength is judged, those with the most events
_TINY = 1e-300


@kernel(
    "void(int64[:], float64[:], float64[:], float64[:], boolean[:], float64[:], float64[:], float64[:], float64,"
    " float64[:, ::1], float64[:, ::1])"
)
def _add_counts(
    group: np.ndarray, entry: np.ndarray, low: np.ndarray, high: np.ndarray, ended: np.ndarray, weight: np.ndarray,
    scale: np.ndarray, power: np.ndarray, bins: float, steps: np.ndarray, events: np.ndarray,
) -> None:  # fmt: skip
    # steps: by how much the risk of a bin differs from that of the bin before, [groups × bins + 1]
    size = events.shape[1]
    for i in range(group.size):
        a, whole = low[i] / scale[i], power[i] == 1.0
        a = bins * (a if whole else a ** power[i])
        first = min(size, int(a + 1e-9))
        row = steps[group[i]]
        begin = 0
        if entry[i] > 0.0:
            e = entry[i] / scale[i]
            e = min(a, bins * (e if whole else e ** power[i]))
            begin = min(first, int(e))
            if begin < first:
                row[begin] -= weight[i] * (e - begin)
                row[begin + 1] += weight[i] * (e - begin)
        row[begin] += weight[i]
        row[first] -= weight[i]
        if not ended[i]:
            if first < size:
                row[first] += weight[i] * (a - first)
                row[first + 1] -= weight[i] * (a - first)
            continue
        b = high[i] / scale[i]
        b = bins * (b if whole else b ** power[i])
        left = 1.0
        t = first
        while t < size and left > 0.0:
            row[t] += weight[i] * left
            row[t + 1] -= weight[i] * left
            # what rounding leaves over belongs to the last bin
            part = (t + 1.0 - max(a, t)) / (b - a) if t + 1.0 < b - 1e-9 else left
            events[group[i], t] += weight[i] * part
            left -= part
            t += 1


def add_counts(
    group: np.ndarray, entry: np.ndarray, low: np.ndarray, high: np.ndarray, ended: np.ndarray, weight: np.ndarray,
    scale: np.ndarray, power: np.ndarray, bins: float, risk: np.ndarray, events: np.ndarray,
) -> None:  # fmt: skip
    """Add durations to dense counts [groups × bins], each after (t / scale)^power × bins and with its weight.

    What is seen only from a duration of `entry` on (left-truncated) is at risk from there. An end known to a span of
    several bins is spread evenly over them; `risk` counts what had not ended before a bin, and a part of one for a
    censored duration that was last seen within it. Ends beyond the last bin are censored there.
    """
    steps = np.zeros((risk.shape[0], risk.shape[1] + 1))
    _add_counts(group, entry, low, high, ended, weight, scale, power, bins, steps, events)
    risk += at_risk(steps)


def dense_counts(
    group: np.ndarray, entry: np.ndarray, low: np.ndarray, high: np.ndarray, ended: np.ndarray, power: np.ndarray,
    bins: float, stretches: list[tuple[np.ndarray, np.ndarray]], shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Counts at risk and ended [groups × bins], of durations that have one of several (scale, weight) each; as
    `add_counts` counts them."""
    steps, events = np.zeros((shape[0], shape[1] + 1)), np.zeros(shape)
    for scale, weight in stretches:
        _add_counts(group, entry, low, high, ended, weight, scale, power, bins, steps, events)
    return at_risk(steps), events


@kernel("void(float64[:, ::1], float64[:, ::1])")
def _add_up_steps(steps: np.ndarray, risk: np.ndarray) -> None:
    for g in range(risk.shape[0]):
        left = 0.0
        for t in range(risk.shape[1] - 1, -1, -1):
            left -= steps[g, t + 1]
            risk[g, t] = left if left >= 1e-9 else 0.0  # what rounding leaves of nothing is nothing


def at_risk(steps: np.ndarray) -> np.ndarray:
    """Counts at risk [groups × bins] from their steps [groups × bins + 1], added up from the last: of the few that are
    left in a tail, rounding is then as small as they are, or the last end would or would not be all that was left."""
    risk = np.empty((steps.shape[0], steps.shape[1] - 1))
    _add_up_steps(steps, risk)
    return risk


def smooth(risk: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Hazards [bins] from the counts of all: those of Kaplan and Meier (1958), evened out over blocks of bins.

    A block ends where it has seen a tenth of the events, ten at most; a bin with as many is a block by itself.
    After the last event the hazard is that of half an event over all the waiting seen there: what has outlived
    every known duration is not taken as sure to end.
    """
    if not events.any():
        return np.zeros(risk.size)
    alone = np.divide(events, risk, out=np.zeros(risk.size), where=risk > 0)
    last = int(np.flatnonzero(events > 0)[-1]) + 1
    edges = _blocks(events[:last], min(10.0, max(1.0, events.sum() / 10.0)))
    steps = np.diff(cumulative(alone)[edges]) / np.diff(edges)
    hazard = np.zeros(risk.size)
    hazard[:last] = np.repeat(-np.expm1(-steps), np.diff(edges))
    waited = risk[last:].sum()
    hazard[last:] = min(hazard[last - 1], 0.5 / max(0.5, waited))
    return hazard


def _blocks(events: np.ndarray, least: float) -> np.ndarray:
    """Edges of consecutive blocks of bins, the last at the end."""
    edges, seen = [0], 0.0
    for t, came in enumerate(events):
        if came >= least and edges[-1] < t:
            edges.append(t)
            seen = 0.0
        seen += came
        if seen >= least:
            edges.append(t + 1)
            seen = 0.0
    if edges[-1] < len(events):
        edges.append(len(events))
    return np.array(edges)


def cumulative(hazard: np.ndarray) -> np.ndarray:
    """Λ at the edges [… × bins + 1] from the hazards of the bins [… × bins]."""
    steps = -np.log1p(-np.clip(hazard, 0.0, 1.0 - 1e-9))
    return np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)


@kernel("void(float64[:, ::1], float64[:], float64[:, ::1])", allocates=False)
def _values_of_each(laws: np.ndarray, times: np.ndarray, out: np.ndarray) -> None:
    last = laws.shape[1] - 1
    for i in range(laws.shape[0]):
        for t in range(times.size):
            below = min(int(times[t]), last - 1)
            out[i, t] = laws[i, below] + (times[t] - below) * (laws[i, below + 1] - laws[i, below])


def at(law: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Λ(t) of laws [… × edges] at any times, linear between edges and beyond the last with the last slope."""
    last = law.shape[-1] - 1
    below = np.minimum(t.astype(np.int64), last - 1)
    values: np.ndarray = law[..., below] + (t - below) * (law[..., below + 1] - law[..., below])
    return values


def stretched(law: np.ndarray, scale: np.ndarray, power: np.ndarray, bins: float, edges: int) -> np.ndarray:
    """Λ(bins·(t / scale)^power) at t = 0 … edges−1 for each scale and power: [pairs of them × edges]."""
    times = _times(tuple(scale.tolist()), tuple(power.tolist()), bins, edges)
    out = np.empty(times.shape)
    _values(law, times, out)
    return out


def blurred(law: np.ndarray, weight: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """The law [edges] of durations stretched by factors, each as likely as its weight."""
    times = np.arange(law.size) / factor[:, None]
    longer = weight @ np.exp(-at(law, np.minimum(times, 4.0 * law.size)))
    return -np.log(np.maximum(longer, _TINY))


@lru_cache(maxsize=16)
def _times(scale: tuple[float, ...], power: tuple[float, ...], bins: float, edges: int) -> np.ndarray:
    t = np.arange(edges, dtype=float)
    return np.asarray(bins * (t[None, :] / np.array(scale)[:, None]) ** np.array(power)[:, None])


@kernel("void(float64[:], float64[:, ::1], float64[:, ::1])", allocates=False)
def _values(law: np.ndarray, times: np.ndarray, out: np.ndarray) -> None:
    last = law.size - 1
    for i in range(times.shape[0]):
        for t in range(times.shape[1]):
            below = min(int(times[i, t]), last - 1)
            out[i, t] = law[below] + (times[i, t] - below) * (law[below + 1] - law[below])


@kernel("void(float64[:, ::1], float64[:, ::1], float64[:, ::1])", allocates=False, fast=True)
def _mix(weight: np.ndarray, chance: np.ndarray, out: np.ndarray) -> None:
    for g in range(weight.shape[0]):
        row = out[g]
        for s in range(weight.shape[1]):
            by = weight[g, s]
            if by > 0.0:  # the least likely law may be all that is left far out
                for t in range(chance.shape[1]):
                    row[t] += by * chance[s, t]


def mixed(weight: np.ndarray, laws: np.ndarray) -> np.ndarray:
    """P(longer) of mixtures of laws [mixtures × edges] by their weights [mixtures × laws]: of most suppliers, few of
    the laws are likely at all."""
    out = np.zeros((len(weight), laws.shape[1]))
    _mix(np.ascontiguousarray(weight), np.exp(-laws), out)
    return out


def log_likelihood(risk: np.ndarray, events: np.ndarray, laws: np.ndarray) -> np.ndarray:
    """Log likelihood of each group's dense counts [groups × bins] under each law [laws × edges].

    Bins are taken together, the more the later, and hazards as the same all over them.
    """
    marks = _marks(risk.shape[1])
    steps = np.diff(laws[:, marks], axis=1) / np.diff(marks)
    ends = np.log(np.maximum(-np.expm1(-steps), 1e-12))
    waited, came = (np.add.reduceat(x, marks[:-1], axis=1) for x in (risk - events, events))
    return came @ ends.T - waited @ np.minimum(steps, 30.0).T


@lru_cache(maxsize=4)
def _marks(bins: int) -> np.ndarray:
    """Edges of bins taken together: single ones first, then so many that they last a thirtieth of what was before."""
    marks = [0]
    while marks[-1] < bins:
        marks.append(min(bins, marks[-1] + max(1, marks[-1] // 30)))
    return np.array(marks)


@kernel("float64(float64[:], float64)")
def _value(law: np.ndarray, t: float) -> float:
    below = min(int(t), law.size - 2)
    return law[below] + (t - below) * (law[below + 1] - law[below])


LOG_FIRST, LOG_STEP = -1.5, 0.025  # logarithms of the days at which laws are tabulated for likelihoods
_LOG_SIZE = 1 + int(10.0 / LOG_STEP)
_NARROW = 0.3  # an interval up to so wide, in logarithm, has the density of its middle all over


@dataclass(frozen=True)
class Spans:
    """Durations as the likelihood wants them: low, high, ended, entry as ever; middle: logarithm of the interval's
    middle, or of low where not ended; wide: the interval is too wide for that."""

    entry: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ended: np.ndarray
    middle: np.ndarray
    wide: np.ndarray

    @classmethod
    def of(cls, entry: np.ndarray, low: np.ndarray, high: np.ndarray, ended: np.ndarray) -> Spans:
        """From intervals."""
        begin = np.log(np.maximum(low, 0.01))
        width = np.log(np.maximum(high, 0.02)) - begin
        return cls(
            entry, low, high, ended, begin + np.where(ended, width / 2, 0.0), (ended & (width > _NARROW)) | (entry > 0)
        )


class Tables:
    """Laws [laws × edges] as the likelihood looks them up: at days evenly spaced in logarithm, Λ (waits) and the log
    chance of an end around each (ends)."""

    def __init__(self, laws: np.ndarray) -> None:
        self.laws = np.ascontiguousarray(laws)
        edges = np.exp(LOG_FIRST + LOG_STEP * (np.arange(_LOG_SIZE + 1) - 0.5))
        survive = np.exp(-self._at(edges))
        self.ends = np.log(np.maximum(survive[:, :-1] - survive[:, 1:], 1e-14))
        self.waits = self._at(np.exp(LOG_FIRST + LOG_STEP * np.arange(_LOG_SIZE)))
        self._phases: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def _at(self, times: np.ndarray) -> np.ndarray:
        out = np.empty((len(self.laws), len(times)))
        _values_of_each(self.laws, times, out)
        return out

    def by_phase(self, stride: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """`waits` and `ends` for `size` look-ups, `stride` values apart."""
        if (stride, size) not in self._phases:
            self._phases[stride, size] = (
                _by_phase(self.waits, stride, size), _by_phase(self.ends, stride, size)
            )  # fmt: skip
        return self._phases[stride, size]


def _by_phase(table: np.ndarray, stride: int, size: int) -> np.ndarray:
    """A table [laws × days] laid out so that every stride-th value, from the back, lies beside the next [laws × stride
    × …]; the values at both ends go on for `size` more, so that no look-up falls out."""
    pad = size * stride
    wide = np.pad(table, ((0, 0), (pad, pad + (-table.shape[1]) % stride)), mode="edge").astype(np.float32)
    return np.ascontiguousarray(wide.reshape(len(table), -1, stride).transpose(0, 2, 1)[:, :, ::-1])


@kernel(
    "void(int64[:], int64[:], float64[:], float64[:], float64[:], boolean[:], float64[:], boolean[:], float64[:],"
    " float64[:], float64[:, ::1], float32[:, :, ::1], float32[:, :, ::1], int64, float64[:, ::1])",
    fast=True,
)
def _add_scale_likelihood(
    group: np.ndarray, house: np.ndarray, entry: np.ndarray, low: np.ndarray, high: np.ndarray, ended: np.ndarray,
    middle: np.ndarray, wide: np.ndarray, weight: np.ndarray, stretch: np.ndarray, laws: np.ndarray,
    waits: np.ndarray, ends: np.ndarray, first: int, out: np.ndarray,
) -> None:  # fmt: skip
    size, stride, length = out.shape[1], waits.shape[1], waits.shape[2]
    pad = size * stride
    for i in range(group.size):
        row = out[group[i]]
        if wide[i]:
            law = laws[house[i]]
            for s in range(size):
                by = math.exp(stretch[i] + (first + s * stride) * LOG_STEP)
                a = _value(law, low[i] / by)
                from_entry = _value(law, entry[i] / by) if entry[i] > 0.0 else 0.0
                gone = math.log(max(-math.expm1(a - _value(law, high[i] / by)), 1e-12)) if ended[i] else 0.0
                row[s] += weight[i] * (gone - a + from_entry)
            continue
        place = math.floor((middle[i] - stretch[i] - LOG_FIRST) / LOG_STEP + 0.5) - first + pad
        at = min(max(length - 1 - place // stride, 0), length - size)
        w = weight[i] if ended[i] else -weight[i]
        values = ends[house[i], place % stride] if ended[i] else waits[house[i], place % stride]
        for s in range(size):
            row[s] += w * values[at + s]


def scale_likelihood(
    group: np.ndarray, groups: int, house: np.ndarray, spans: Spans, weight: np.ndarray, stretch: np.ndarray,
    laws: np.ndarray, points: np.ndarray, tables: Tables | None = None,
) -> np.ndarray:  # fmt: skip
    """Log likelihood, up to a constant, of each group's durations under their houses' laws [houses × edges], stretched
    by the exponential of each of evenly spaced points, multiples of LOG_STEP, besides the durations' own `stretch`:
    [groups × points]. tables: of the laws, where they are at hand.

    Narrow intervals take the law's density at their middle from a table: no logarithm for each duration and point.
    """
    tables = Tables(laws) if tables is None else tables
    first = round(float(points[0]) / LOG_STEP)
    stride = round(float(points[1] - points[0]) / LOG_STEP) if len(points) > 1 else 1
    out = np.zeros((groups, len(points)))
    _add_scale_likelihood(
        group, house, spans.entry, spans.low, spans.high, spans.ended, spans.middle, spans.wide, weight, stretch,
        tables.laws, *tables.by_phase(stride, len(points)), first, out,
    )  # fmt: skip
    return out


@kernel("void(float64[:, ::1], float64[:, ::1])", allocates=False)
def _below_top(log: np.ndarray, out: np.ndarray) -> None:
    for g in range(log.shape[0]):
        top = log[g, 0]
        for s in range(1, log.shape[1]):
            top = max(top, log[g, s])
        for s in range(log.shape[1]):
            out[g, s] = log[g, s] - top


def relative(log: np.ndarray) -> np.ndarray:
    """Likelihoods [… × points] from their logarithms, the largest of each row 1."""
    out = np.empty(log.shape)
    size = log.shape[-1]
    _below_top(np.ascontiguousarray(log, float).reshape(-1, size), out.reshape(-1, size))
    return np.exp(out, out=out)


@kernel("void(float64[:, ::1])", allocates=False)
def _to_shares(values: np.ndarray) -> None:
    for g in range(values.shape[0]):
        total = 0.0
        for s in range(values.shape[1]):
            total += values[g, s]
        for s in range(values.shape[1]):
            share = values[g, s] / total
            values[g, s] = share if share > 1e-300 else 0.0  # denormal numbers slow sums down twentyfold


def weights(likelihood: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Posterior weights [groups × points] from log likelihoods and log prior weights [points]."""
    found = relative(likelihood + prior)
    _to_shares(found)
    return found


def bell(points: np.ndarray, centre: float | np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Log weights of normal laws on a grid [… × points], one for each centre and standard deviation [… × 1]."""
    log = -0.5 * ((points - centre) / sd) ** 2
    log = log - log.max(axis=-1, keepdims=True)
    return np.asarray(log - np.log(np.exp(log).sum(axis=-1, keepdims=True)))


def _without_crumbs(values: np.ndarray) -> np.ndarray:
    """Values of which no two can have a denormal product."""
    values[values < 1e-150] = 0.0
    return values


def fitted_bell(likelihood: np.ndarray, points: np.ndarray, centre: float | None = None) -> np.ndarray:
    """The normal prior on a grid under which all groups are most likely (empirical Bayes), as log weights."""
    likelihood = likelihood[:: 1 + len(likelihood) // _GROUPS]
    widths = np.diff(points).min() / 2 * 1.15 ** np.arange(80)
    widths = widths[widths < np.ptp(points)]
    middle = float(points.mean()) if centre is None else centre
    told = _without_crumbs(relative(likelihood))
    for _ in range(1 if centre is not None else 6):
        priors = bell(points, middle, widths[:, None])
        evidence = np.log(np.maximum(told @ _without_crumbs(np.exp(priors)).T, _TINY)).sum(axis=0)
        best = priors[int(np.argmax(evidence))]
        if centre is None:
            middle = float((weights(likelihood, best) @ points).mean())
    return np.asarray(best)


def strength(risk: np.ndarray, events: np.ndarray, prior: np.ndarray) -> float:
    """The strength k under which the counts [groups × bins] of all groups are most likely around their priors.

    Counts are Poisson around risk × hazard, hazards gamma around their prior with k as rate, so counts are negative
    binomial.
    """
    if len(risk) > _JUDGED:
        most = np.sort(np.argsort(-events.sum(axis=1), kind="stable")[:_JUDGED])
        risk, events, prior = risk[most], events[most], prior[most]
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
    """Posterior mean hazards [groups × bins]."""
    return np.clip((events + k * prior) / np.maximum(risk + k, 1e-12), 0.0, 1.0)


@kernel(
    "void(int64[:], float64[:, ::1], float64[:], float64[:], float64[:, ::1], float64[:, ::1], float64[:],"
    " float64[:, ::1])"
)
def _survivals(
    house: np.ndarray, weight: np.ndarray, age: np.ndarray, pace: np.ndarray, laws: np.ndarray, longer: np.ndarray,
    scale: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    last = laws.shape[1] - 1
    for i in range(house.size):
        law, chance = laws[house[i]], longer[house[i]]
        for s in range(scale.size):
            if weight[i, s] < 1e-7:
                continue
            step = 1.0 / (scale[s] * pace[i])
            x = age[i] * step
            reached = _value(law, x)
            plain = int(x) < last and reached < 25.0
            at = min(int(x), last - 1)
            share = weight[i, s] / (chance[at] + (x - at) * (chance[at + 1] - chance[at])) if plain else 0.0
            for t in range(out.shape[1]):
                x += step
                below = int(x)
                if plain and below < last:
                    left = chance[below] + (x - below) * (chance[below + 1] - chance[below])
                    out[i, t] += share * left
                else:
                    out[i, t] += weight[i, s] * math.exp(reached - _value(law, x))


def survivals(
    house: np.ndarray, weight: np.ndarray, age: np.ndarray, pace: np.ndarray, laws: np.ndarray, longer: np.ndarray,
    scale: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Fill out [rows × days]: P(longer than age + day, day = 1, 2, …) given longer than age, of durations that, divided
    by the row's pace and the scale, follow its house's law, over the scales' weights [rows × scales] that have been
    learned from these durations too. longer: exp(−laws); within a day it falls in a straight line: no exponential for
    each.
    """
    _survivals(house, weight, age, pace, laws, longer, scale, out)
    np.minimum(out, 1.0, out=out)


@kernel("void(float64[:, ::1], int64[:], int64[:], float64[:, ::1])", allocates=False)
def come(longer: np.ndarray, rows: np.ndarray, column: np.ndarray, out: np.ndarray) -> None:
    """Fill `rows` of out [… × days]: P(has come by the column-th day), from P(longer) by day 1, 2, … [rows × days]."""
    for i in range(rows.size):
        row = rows[i]
        for t in range(column.size):
            out[row, t] = 1.0 - longer[i, column[t] - 1] if column[t] > 0 else 0.0


@kernel("void(float64[:, ::1], float64[:, :], float64[:, ::1])", allocates=False)
def _kept(table: np.ndarray, stay: np.ndarray, out: np.ndarray) -> None:
    for i in range(table.shape[0]):
        total, before = 0.0, 0.0
        for t in range(table.shape[1]):
            total += (table[i, t] - before) * stay[i, t]
            before = table[i, t]
            out[i, t] = total


def kept(table: np.ndarray, stay: np.ndarray) -> np.ndarray:
    """P(by day) [rows × days] of what comes by `table` if it stays until then, which it does by day with `stay`."""
    out = np.empty(table.shape)
    _kept(np.ascontiguousarray(table, float), stay, out)
    return out
