"""A made-up purchasing department whose law of every receipt is known: for `lead_time_truth`.

Suppliers differ in size (Pareto), typical lead time, spread and family (gamma or lognormal); items within a supplier
have lead times of their own. On top of that, as asked for in `World`:

- *trend*: what is ordered later takes longer, in a straight line over the history;
- *shared*: everything ordered from one supplier within 30 days shares a factor (lognormal), new each time;
- *stated*: half of the suppliers know more than we do of a purchase (a made-to-order part takes longer) and say so
  in their stated date, which is optimistic throughout, by a share of each supplier's own; the other half state a
  standard time. None of them has noticed the trend;
- *fates*: some purchases are stuck for ever, some are cancelled some time after ordering, some come in two parts, the
  rest a gap later. Nothing is received at weekends: what is ready then comes on Monday.

`true_law` is the law of the day of the last unit of a purchase open on `day`, given its age, its stated date and what
has come of it, by somebody who knows all of the above but not the shared factor of the month.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
START = pd.Timestamp("2023-01-02")  # a Monday
STUCK, CANCELLED, SPLIT = 0, 1, 2
CANCEL_FROM, CANCEL_MEAN = 5, 25.0
GAP_HAZARD = 0.1
NEVER = 1_000_000
_NODES = 9


@dataclass(frozen=True)
class World:
    """What a department is like; shares in 0…1, spreads as standard deviations of logarithms."""

    suppliers: int = 300
    purchases: int = 40_000
    days: int = 1096  # of history; the last is the snapshot
    item: float = 0.2
    job: float = 0.25  # what differs between purchases and informed suppliers state
    trend: float = 0.35  # longer at the end than at the start
    shared: float = 0.15
    stuck: float = 0.01
    cancelled: float = 0.02
    split: float = 0.15


@dataclass(frozen=True)
class Department:
    """A drawn department, as arrays over purchases; days count from START."""

    world: World
    supplier: Ints
    item: Ints
    placed: Ints
    qty: Ints
    stated: Ints  # days after ordering
    mean: Floats  # of the lead time, days, the shared factor apart
    cv: Floats
    gamma: npt.NDArray[np.bool_]
    can_split: npt.NDArray[np.bool_]
    first: Ints  # day received; NEVER
    last: Ints
    first_qty: Ints
    gone: Ints  # day cancelled; NEVER

    @property
    def snapshot(self) -> int:
        """The last day of the history."""
        return self.world.days - 1

    @property
    def open_rows(self) -> Ints:
        """Purchases of which units are open at the snapshot."""
        waits = (self.last > self.snapshot) & (self.gone > self.snapshot)
        return np.flatnonzero(waits)


def open_day(day: Ints) -> Ints:
    """The first working day from a day on."""
    weekday = day % 7
    return day + np.where(weekday == 5, 2, np.where(weekday == 6, 1, 0))


def last_open(day: Ints) -> Ints:
    """The last working day up to a day."""
    return day - np.maximum(day % 7 - 4, 0)


def draw(world: World, seed: int) -> Department:
    """Draw a department."""
    rng = np.random.default_rng([seed, 71])
    n, s = world.purchases, world.suppliers
    size = rng.pareto(1.5, s) + 1
    supplier = np.sort(np.concatenate([np.arange(s), rng.choice(s, n - s, p=size / size.sum())]))
    items = np.maximum(1, np.bincount(supplier, minlength=s) // 15)
    begin = np.concatenate([[0], np.cumsum(items)])
    popular = rng.random(n) ** 1.5
    item = begin[supplier] + (popular * items[supplier]).astype(np.int64)
    placed = last_open(np.sort(rng.integers(0, world.days, n))[rng.permutation(n)])
    typical = np.exp(rng.uniform(np.log(8), np.log(60), s))
    of_item = typical[np.repeat(np.arange(s), items)] * rng.lognormal(0, world.item, begin[-1])
    job = np.where(rng.random(s)[supplier] < 0.5, rng.lognormal(0, world.job, n), 1.0)
    optimism = rng.uniform(0.65, 1.0, s)[supplier]
    rough = rng.lognormal(0, 0.1, begin[-1])[item]
    stated = np.maximum(1, np.round(of_item[item] * job * optimism * rough)).astype(np.int64)
    mean = of_item[item] * job * (1 + world.trend * placed / world.days)
    cv, gamma = rng.uniform(0.15, 0.5, s)[supplier], rng.random(s)[supplier] < 0.5
    factor = rng.lognormal(0, world.shared, (s, world.days // 30 + 1))[supplier, placed // 30]
    lead = np.where(gamma, rng.gamma(1 / cv**2, cv**2), rng.lognormal(-np.log1p(cv**2) / 2, np.sqrt(np.log1p(cv**2))))
    ready = placed + np.maximum(1, np.ceil(lead * mean * factor)).astype(np.int64)
    qty = rng.integers(1, 40, n)
    fate = np.searchsorted(np.cumsum([world.stuck, world.cancelled, world.split]), rng.random(n), side="right")
    gone = placed + CANCEL_FROM + np.ceil(rng.exponential(CANCEL_MEAN, n)).astype(np.int64)
    first = np.where((fate == STUCK) | (fate == CANCELLED), NEVER, open_day(ready))
    gap = rng.geometric(GAP_HAZARD, n)
    in_two = (fate == SPLIT) & (qty > 1)
    last = np.where(in_two, open_day(first + gap), first)
    part = np.clip(np.round(qty * rng.uniform(0.3, 0.8, n)), 1, np.maximum(qty - 1, 1)).astype(np.int64)
    return Department(
        world, supplier, item, placed, qty, stated, mean, cv, gamma, qty > 1, first, last,
        np.where(in_two, part, qty), np.where(fate == CANCELLED, gone, NEVER),
    )  # fmt: skip


def frames(made: Department) -> dict[str, pd.DataFrame]:
    """The tables as a company would have them at any later time: all that ever happens."""
    ids = np.array([f"p{i:06d}" for i in range(len(made.item))], dtype=object)
    day = lambda x: START + pd.to_timedelta(x, "D")  # noqa: E731
    bought = pd.DataFrame(
        {
            "po_line_id": ids, "item_id": [f"i{i:05d}" for i in made.item], "qty": made.qty.astype(float),
            "supplier_id": [f"s{i:03d}" for i in made.supplier], "ordered_at": day(made.placed),
            "promised_date": day(made.placed + made.stated),
        }
    )  # fmt: skip
    came = np.flatnonzero(made.first < NEVER)
    later = np.flatnonzero((made.first_qty < made.qty) & (made.first < NEVER))
    received = pd.DataFrame(
        {
            "po_line_id": np.concatenate([ids[came], ids[later]]),
            "received_at": day(np.concatenate([made.first[came], made.last[later]])),
            "qty": np.concatenate([made.first_qty[came], (made.qty - made.first_qty)[later]]).astype(float),
        }
    )  # fmt: skip
    gone = np.flatnonzero(made.gone < NEVER)
    cancelled = {"po_line_id": ids[gone], "cancelled_at": day(made.gone[gone]), "qty": made.qty[gone].astype(float)}
    return {"purchase_lines": bought, "receipts": received, "purchase_cancellations": pd.DataFrame(cancelled)}


def true_law(made: Department, rows: Ints, horizon: int) -> Floats:
    """P(the last open unit comes within k days of the snapshot) [rows × 0 … horizon]."""
    day = made.snapshot
    opens = last_open(day + np.arange(horizon + 1)) - day
    begun = made.first[rows] <= day
    out = np.zeros((len(rows), horizon + 1))
    out[~begun] = _law_of_unbegun(made, rows[~begun], opens)
    since = day - made.first[rows[begun]]
    gap = lambda d: -np.expm1(np.log1p(-GAP_HAZARD) * np.maximum(d, 0))  # noqa: E731
    gone = gap(since + np.minimum(opens[0], 0))[:, None]
    out[begun] = (gap(since[:, None] + opens[None, :]) - gone) / (1 - gone)
    return out


def _law_of_unbegun(made: Department, rows: Ints, opens: Ints) -> Floats:
    world, age = made.world, (made.snapshot - made.placed[rows]).astype(float)
    lead = _lead_cdf(made, rows, age[:, None] + opens[None, :])
    seen = lead[:, :1]  # by the snapshot, or the last working day before it
    cancelled = np.exp(-np.maximum(age - CANCEL_FROM, 0) / CANCEL_MEAN)
    comes = 1 - world.stuck - world.cancelled
    waits = comes * (1 - seen[:, 0]) + world.stuck + world.cancelled * cancelled
    first = np.diff((lead - seen) / waits[:, None], axis=1, prepend=0.0)
    first[:, 0] = 0.0
    split = world.split * made.can_split[rows]
    together = (comes - split)[:, None] * np.cumsum(first, axis=1)
    steps = np.maximum(opens[None, :] - np.arange(len(opens))[:, None], 0)
    rest = -np.expm1(np.log1p(-GAP_HAZARD) * steps)
    return np.asarray(together + split[:, None] * (first @ np.triu(rest, 1)))


def _lead_cdf(made: Department, rows: Ints, days: Floats) -> Floats:
    """P(lead time ≤ days), over what the shared factor may be (Gauss and Hermite)."""
    node, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    cv, mean = made.cv[rows, None], made.mean[rows, None]
    sigma = np.sqrt(np.log1p(cv**2))
    total = np.zeros(days.shape)
    gamma = made.gamma[rows]
    for x, w in zip(node, weight / weight.sum(), strict=True):
        scaled = np.maximum(days, 0) / (mean * np.exp(made.world.shared * x))
        total[gamma] += w * stats.gamma.cdf(scaled[gamma] / cv[gamma] ** 2, 1 / cv[gamma] ** 2)
        other = ~gamma
        z = np.log(np.maximum(scaled[other], 1e-12)) / sigma[other] + sigma[other] / 2
        total[other] += w * stats.norm.cdf(z)
    return np.where(days >= 1, total, 0.0)
