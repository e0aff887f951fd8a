"""What stays the same over a company's life: items, suppliers, lead-time laws, policies, calendar, demand
means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from .spec import Spec

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

AFTER = 400  # days of calendar and demand means beyond the last day
MAX_LEAD = 365  # days; longer lead times are cut here
SPLIT, CANCELLED, STUCK = 0.15, 0.02, 0.005  # fates of purchases; the rest comes whole
GAP_MEAN, GAP_MAX = 10, 60  # days from the first to the second receipt
PURCHASE_CANCEL_FROM, PURCHASE_CANCEL_MEAN, PURCHASE_CANCEL_MAX = 5, 25, 300
NEVER = 1_000_000  # a day that does not come
HOLIDAYS = ("01-01", "05-01", "12-25", "12-26")
WEEKDAY = np.array([1.25, 1.15, 1.10, 1.10, 1.15, 0.80, 0.45])
KINDS = ("smooth", "intermittent", "seasonal")
R_Q, S_S, BASE_STOCK = 0, 1, 2
POLICY_NAMES = ("rQ", "sS", "base_stock")


@dataclass(frozen=True)
class World:
    """Arrays over SKUs (n), items (m), suppliers (v) and days (T = days + AFTER).

    ``working`` [T] bool; ``roll`` [T] the first working day from t on; ``work_days`` the working days in
    order; ``work_index`` [T] position in ``work_days`` of ``roll``; ``mean_lines`` [n x T]; ``lead_pmf`` [m x
    MAX_LEAD], entry j is the chance of j + 1 days; ``policy`` [2 x n x 5] kind, r (or s), Q or S, review
    days, pack size, the second from ``policy_day`` [n] on; ``handling`` [locations x 3] chances of 0, 1, 2
    working days.
    """

    spec: Spec
    dates: pd.DatetimeIndex
    working: npt.NDArray[np.bool_]
    roll: Ints
    work_days: Ints
    work_index: Ints
    item: Ints
    location: Ints
    supplier: Ints  # [m]
    kind: Ints  # [m]
    promoted: npt.NDArray[np.bool_]  # [m]
    promotion: npt.NDArray[np.bool_]  # [m x T]
    lost: npt.NDArray[np.bool_]  # [m]
    introduced: Ints  # [m], -1 means always there
    discontinued: Ints  # [m], NEVER means not
    unit_cost: Floats  # [m]
    mean_lines: Floats
    dispersion: Floats  # [n]
    mean_qty: Floats  # [m]
    lead_pmf: Floats
    lead_cdf: Floats
    lead_mean: Floats  # [m]
    stated_lead: Ints  # [m] what the supplier says
    stretch: Floats  # [T] lead times of purchases placed on day t are this much longer
    policy: Ints
    policy_day: Ints
    opening: Ints  # [n] stock before day 0
    handling: Floats


def build_world(spec: Spec) -> World:
    """Draw the company that ``spec`` describes; the same spec gives the same company."""
    rng = np.random.default_rng([spec.seed, 1])
    dates = pd.date_range(spec.start, periods=spec.days + AFTER, freq="D", unit="us")
    working, roll, work_days, work_index = _calendar(dates)
    m = spec.items
    kind = rng.choice(len(KINDS), size=m, p=[0.45, 0.35, 0.20])
    supplier = rng.integers(0, spec.suppliers, size=m)
    introduced, discontinued = _lives(spec, rng)
    promoted, promotion = _promotions(spec, len(dates), rng)
    pmf, lead_mean = _lead_laws(spec, supplier, rng)
    item, location = _skus(spec, rng)
    means = _mean_lines(spec, dates, kind, item, introduced, discontinued, promotion, rng)
    mean_qty = np.where(kind == 1, rng.uniform(1.2, 4.0, m), rng.uniform(1.0, 3.0, m))
    stated = np.maximum(1, np.round(lead_mean * rng.uniform(0.80, 1.0, m))).astype(np.int64)
    policy, policy_day = _policies(spec, means, mean_qty[item], lead_mean[item], kind[item], rng)
    first = introduced[item] < 0
    opening = np.where(first, policy[0, :, 1] + policy[0, :, 2] // 3 * (policy[0, :, 0] == R_Q), 0)
    start = np.linspace(1.0, 1.35, spec.days) if spec.drift else np.ones(spec.days)
    return World(
        spec=spec,
        dates=dates,
        working=working,
        roll=roll,
        work_days=work_days,
        work_index=work_index,
        item=item,
        location=location,
        supplier=supplier,
        kind=kind,
        promoted=promoted,
        promotion=promotion,
        lost=rng.permutation(m) < round(spec.lost_share * m),
        introduced=introduced,
        discontinued=discontinued,
        unit_cost=np.round(rng.lognormal(3.0, 0.8, m), 2),
        mean_lines=means,
        dispersion=rng.uniform(1.0, 4.0, len(item)),
        mean_qty=mean_qty,
        lead_pmf=pmf,
        lead_cdf=np.cumsum(pmf, axis=1),
        lead_mean=lead_mean,
        stated_lead=stated,
        stretch=np.concatenate([start, np.full(AFTER, start[-1])]),
        policy=policy,
        policy_day=policy_day,
        opening=np.maximum(opening, 0),
        handling=np.array([[0.85, 0.12, 0.03], [0.65, 0.25, 0.10]])[np.arange(len(spec.locations)) % 2],
    )


def _calendar(dates: pd.DatetimeIndex) -> tuple[npt.NDArray[np.bool_], Ints, Ints, Ints]:
    holiday = np.isin(dates.strftime("%m-%d"), HOLIDAYS)
    working = np.asarray(dates.day_of_week < 5) & ~holiday
    work_days = np.flatnonzero(working)
    # beyond the last working day nothing rolls: those days are never reached by a receipt
    work_index = np.searchsorted(work_days, np.arange(len(dates))).clip(max=len(work_days) - 1)
    return working, work_days[work_index], work_days, work_index


def _lives(spec: Spec, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """New and discontinued items: six percent of each, never both."""
    few = max(1, round(0.06 * spec.items))
    chosen = rng.permutation(spec.items)
    introduced, discontinued = np.full(spec.items, -1), np.full(spec.items, NEVER)
    introduced[chosen[:few]] = rng.integers(spec.days // 6, max(spec.days // 6 + 1, spec.days * 5 // 6), few)
    gone = chosen[few : 2 * few]
    discontinued[gone] = rng.integers(spec.days // 3, max(spec.days // 3 + 1, spec.days), len(gone))
    return introduced, discontinued


def _promotions(
    spec: Spec, n_days: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Weeks of promotion, about one in ten weeks, for a tenth of the items."""
    promoted = rng.permutation(spec.items) < max(1, spec.items // 10)
    weeks = rng.random((spec.items, n_days // 7 + 1)) < 0.10
    return promoted, np.repeat(weeks, 7, axis=1)[:, :n_days] & promoted[:, None]


def _lead_laws(spec: Spec, supplier: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Chances of 1 … MAX_LEAD days [m x MAX_LEAD], and their means [m], by supplier and item."""
    mean = rng.uniform(8, 40, spec.suppliers)[supplier] * rng.lognormal(0, 0.15, len(supplier))
    spread = rng.uniform(0.20, 0.55, spec.suppliers)[supplier]
    gamma = (np.arange(spec.suppliers) % 2 == 0)[supplier]
    edges = np.arange(MAX_LEAD + 1)[None, :]
    sigma = np.sqrt(np.log1p(spread**2))[:, None]
    of_gamma = stats.gamma.cdf(edges, 1 / spread[:, None] ** 2, scale=(mean * spread**2)[:, None])
    of_lognormal = stats.lognorm.cdf(edges, sigma, scale=mean[:, None] * np.exp(-(sigma**2) / 2))
    pmf = np.diff(np.where(gamma[:, None], of_gamma, of_lognormal), axis=1)
    pmf /= pmf.sum(axis=1, keepdims=True)
    return pmf, pmf @ np.arange(1, MAX_LEAD + 1)


def _skus(spec: Spec, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Item and location of each SKU; every item is kept at the first location or, rarely, elsewhere only."""
    kept = rng.random((spec.items, len(spec.locations))) < spec.second_location_share
    kept[:, 0] |= ~kept[:, 1:].any(axis=1)
    kept[:, 0] |= rng.random(spec.items) < 0.9
    item, location = np.nonzero(kept)
    return item.astype(np.int64), location.astype(np.int64)


def _mean_lines(
    spec: Spec,
    dates: pd.DatetimeIndex,
    kind: Ints,
    item: Ints,
    introduced: Ints,
    discontinued: Ints,
    promotion: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """Mean number of order lines of each SKU on each day [n x T]."""
    n, day = len(item), np.arange(len(dates))
    level = rng.lognormal(0, 0.6, n) * np.where(kind[item] == 1, 0.15, 1.0)
    level *= spec.lines_per_day / level.mean()
    phase = rng.uniform(0, 365.25, len(kind))[item][:, None]
    swing = np.where(kind == 2, rng.uniform(0.4, 0.8, len(kind)), 0.0)[item][:, None]
    season = 1 + swing * np.sin(2 * np.pi * (np.asarray(dates.day_of_year)[None, :] - phase) / 365.25)
    lift = np.where(promotion, 2.5, 1.0)[item]
    alive = (day >= introduced[item][:, None]) & (day < discontinued[item][:, None])
    drift = np.interp(day, [0, spec.days], [1.0, 1.5]) if spec.drift else np.ones(len(day))
    return np.asarray(level[:, None] * season * lift * alive * drift * WEEKDAY[dates.day_of_week])


def _policies(
    spec: Spec, means: Floats, mean_qty: Floats, lead: Floats, kind: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Policies of each SKU before and after its revision [2 x n x 5], and the day of the revision [n]."""
    n = len(mean_qty)
    alive = np.maximum((means > 0).sum(axis=1), 1)
    rate = means.sum(axis=1) / alive * mean_qty  # units a day
    badly = rng.random(n) < spec.badly_set_share
    review = np.where(badly, rng.choice([1, 7, 14, 28], n), rng.choice([1, 7], n, p=[0.7, 0.3]))
    style = rng.choice(3, size=n, p=[0.6, 0.25, 0.15])
    over = (lead + review) * rate
    spread = np.sqrt(over * (1 + 2 * mean_qty) + (0.35 * lead * rate) ** 2)
    enough = over + rng.uniform(0.8, 2.0, n) * spread
    low = np.round(np.where(badly, rng.uniform(0, 0.5, n) * over, enough)).astype(np.int64)
    batch = np.maximum(1, np.round(rate * rng.uniform(10, 35, n))).astype(np.int64)
    batch = np.where(style == R_Q, batch, low + np.maximum(batch, 2))
    batch = np.where(style == BASE_STOCK, np.maximum(low, 1), batch)
    pack = np.where((style != R_Q) & (rng.random(n) < 0.15), 5, 1)
    first = np.stack([style, np.where(style == BASE_STOCK, 0, low), batch, review, pack], axis=1)
    second = first.copy()
    second[:, 1] = np.round(second[:, 1] * 1.3)
    revised = rng.random(n) < 0.05
    day = np.where(
        revised, rng.integers(spec.days // 8, max(spec.days // 8 + 1, spec.days * 3 // 8), n), NEVER
    )
    return np.stack([first, second]).astype(np.int64), day
