"""Simulated demand, in plain Python: which draw decides what, and by which law (see `queue_kernel.Problem`)."""

import numpy as np
from scipy import stats

from backorder_forecast.core.chance import mix, uniform

LEVEL, APART, CHANCE = -1, -2, -3  # draws that a whole scenario shares
UNITS, CLASS, KIND = -5_000_000, -9_000_000, -13_000_000  # of a day, less its ordinal, which is for occurrence


def demand(p, g, k):
    """Units of SKU g in scenario k, [classes × horizon]."""
    sku = p.sku[g]
    out = np.zeros((p.class_share.shape[1], p.horizon))
    days = np.arange(max(1, sku["start_day"]), min(p.horizon, sku["end_day"]) + 1)
    factor = p.factor[sku["profile"], days] * p.weekday[g, (p.first_weekday + days - 1) % 7]
    ordinals = p.first_ordinal + days - 1
    apart = uniform(sku["key"], k, APART) < sku["apart"]
    column = np.searchsorted(p.level_shares, uniform(sku["key"], k, CHANCE if apart else LEVEL))
    if apart:
        for day, ordinal, chance in zip(days, ordinals, p.chance[g, column] * factor, strict=True):
            c, units = occurrence(p, g, k, int(ordinal), chance)
            out[c, day - 1] = units
    elif days.size:
        size = sku["size"] * p.levels[g, column] * factor
        for c, share in enumerate(p.class_share[g]):
            key = mix(sku["key"] ^ p.class_salt[c])
            out[c, days - 1] = counts(size * share, sku["theta"], [uniform(key, k, int(x)) for x in ordinals])
    return out * sku["unit"]


def kinds(p, g, k, units):
    """The same units by kinds of lines instead of classes, [kinds × horizon]: each day's divided by one draw."""
    step, total = p.sku["unit"][g], units.sum(axis=0)
    u = np.array([uniform(p.sku["key"][g], k, KIND - p.first_ordinal - day) for day in range(1, p.horizon + 1)])
    upto = np.floor(total / step * p.kind_cum[g][:, None] + u) * step
    upto[-1] = total
    return np.diff(np.minimum(upto, total), axis=0, prepend=0.0)


def counts(size, theta, u):
    """Quantiles of negative binomials; none where there is no demand."""
    some = (size > 0) & (theta > 0)
    found = stats.nbinom.ppf(np.array(u), np.where(some, size, 1.0), 1.0 - theta if theta > 0 else 0.5)
    return np.where(some, found, 0.0)


def occurrence(p, g, k, ordinal, chance):
    """Class and counts of a day on which there is demand with this chance."""
    key, mine = p.sku["key"][g], slice(p.sku["size_from"][g], p.sku["size_to"][g])
    if uniform(key, k, ordinal) >= min(1.0, chance):
        return 0, 0.0
    c = np.searchsorted(np.cumsum(p.class_share[g])[:-1], uniform(key, k, CLASS - ordinal))
    return c, p.size_value[mine][np.searchsorted(p.size_cum[mine], uniform(key, k, UNITS - ordinal))]
