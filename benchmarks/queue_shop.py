"""A made-up shop for `benchmarks/queue_speed.py`: arrays for the event kernel, no frames.

Each item: intermittent demand of .1 to 1 unit a day in the mean (negative binomial at sixteen levels; for half of the
items, in half of the scenarios, by occurrence and size), other on each day of the week and of the year; (r,nQ) or
(s,S), reviewed every working day or once a week; two lines that wait or will, one open
purchase; customers leave, some will not wait at all. Goods leave on five days of the week.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import gamma

from backorder_forecast.core import queue_kernel as qk
from backorder_forecast.core.chance import sample_days, sample_geometric
from backorder_forecast.executors import run_partitions

DAYS, PROFILES, LEVELS, HAZARD = 180, 50, 16, 0.003
KINDS = {qk.BY_CLASS: 0, qk.BY_KEY: 3}


class Shop(NamedTuple):
    """A problem, and the CPU seconds that its draws of lines and purchases took."""

    problem: qk.Problem
    seconds: float


def make(items: int, scenarios: int, rule: int) -> Shop:
    """The shop under a rule."""
    rng = np.random.default_rng(43)
    lead = rng.uniform(5, 30, PROFILES)
    sku, line = _items(rng, items, lead), _lines(rng, items, rule)
    mean = sku["size"] * sku["theta"] / (1 - sku["theta"])
    sizes = np.sort(rng.dirichlet(np.full(4, 0.7), items))[:, ::-1]
    chance = np.minimum(0.9, mean / (sizes @ [1, 2, 3, 6]))[:, None] * _levels()
    qty = np.ceil(sku["order_qty"] + line["need"].reshape(items, 2).sum(axis=1))
    began = time.process_time()
    line_draw, po_draw = _draws(rng, line, qty, scenarios)
    seconds = time.process_time() - began
    kinds = KINDS[rule]
    calendar, working_days = _calendar()
    component = np.zeros(items + 1, qk.COMPONENT)
    component["sku"] = np.arange(items + 1)
    problem = qk.Problem(
        sku, line, np.stack([sku["line_from"], sku["line_to"]], axis=1), np.ones((items, 1)),
        np.arange(max(kinds, 1), dtype=np.uint64), _patience(max(kinds, 1)), np.ones((items, 7)),
        _factors(rng), np.tile(_levels(), (items, 1)),
        np.append(np.arange(1, LEVELS) / LEVELS, 1.0), chance, np.tile([1.0, 2, 3, 6], items),
        np.concatenate([np.append(np.cumsum(x)[:-1], 1.0) for x in sizes]), line_draw, qty, po_draw,
        ndtr((np.arange(1, 92) - lead[:, None]) / (lead[:, None] / 4)), np.zeros((0, scenarios)), calendar,
        working_days, np.arange(DAYS + 2), component, np.zeros(0, np.int64), np.array([7, 14, 28, DAYS]), rule, 0,
        np.tile(np.arange(1, kinds + 1) / max(kinds, 1), (items, 1)), np.tile(np.arange(kinds) * 4.0, (items, 1)),
        np.ones((items, kinds)), np.zeros(kinds, np.int64), np.zeros(0, qk.PROTECT), 0, DAYS, scenarios, 0,
        738000, True,
    )  # fmt: skip
    return Shop(problem, seconds)


def _levels() -> npt.NDArray[np.float64]:
    levels: npt.NDArray[np.float64] = gamma.ppf((np.arange(LEVELS) + 0.5) / LEVELS, 12) / 12
    return levels


def _items(rng: np.random.Generator, n: int, lead: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    sku = np.zeros(n, qk.SKU)
    mean, theta = np.exp(rng.uniform(np.log(0.1), 0.0, n)), rng.uniform(0.15, 0.6, n)
    sku["key"], sku["lead_key"] = rng.integers(1 << 62, size=(2, n))
    sku["theta"], sku["size"], sku["unit"] = theta, mean * (1 - theta) / theta, 1
    sku["start_day"], sku["end_day"], sku["path"] = 1, DAYS, -1
    sku["queue_share"] = np.where(rng.random(n) < 0.1, 0.0, 1.0)
    sku["profile"], sku["lead_row"] = rng.integers(0, PROFILES, (2, n))
    sku["apart"] = np.where(rng.random(n) < 0.5, 0, 0.5)
    for of, count in (("size", 4), ("line", 2), ("po", 1)):
        sku[f"{of}_to"] = count * np.arange(1, n + 1)
        sku[f"{of}_from"] = sku[f"{of}_to"] - count
    sku["policy"] = rng.choice([qk.RQ, qk.SS], n)
    sku["review_days"], sku["review_phase"] = rng.choice([1, 1, 7], n), rng.integers(0, 7, n)
    cover = mean * (lead[sku["lead_row"]] + sku["review_days"])
    sku["reorder_point"] = np.ceil(cover + 1.3 * np.sqrt(cover / (1 - theta)))
    sku["order_qty"] = np.ceil(np.maximum(1, mean * rng.uniform(7, 28, n)))
    sku["order_up_to"] = sku["reorder_point"] + sku["order_qty"]
    sku["pack_size"], sku["max_stock"] = 1, np.inf
    sku["free"] = np.where(rng.random(n) < 0.7, 0, rng.integers(0, 4, n))
    return sku


def _lines(rng: np.random.Generator, items: int, rule: int) -> npt.NDArray[Any]:
    line = np.zeros(2 * items, qk.LINE)
    line["need"], line["pieces"] = rng.integers(1, 4, 2 * items), rng.random(2 * items) < 0.7
    line["order"] = line["slot"] = -1
    wanted = np.sort(-rng.integers(0, 20, (items, 2)))
    wanted[:, 1] = np.where(rng.random(items) < 0.2, rng.integers(1, 40, items), wanted[:, 1])
    line["wanted"] = wanted.ravel()
    line["key"] = line["wanted"] if rule == qk.BY_KEY else 0
    line["peg_from"] = np.arange(2 * items) * (qk.FIRST_PURCHASE + 1)
    return line


def _patience(rows: int) -> npt.NDArray[np.float64]:
    return np.tile(-np.log1p(-HAZARD) * np.arange(DAYS + 2), (rows, 1))


def _factors(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    days = np.arange(DAYS + 2)
    season = 1 + 0.3 * np.sin(2 * np.pi * (days + rng.uniform(0, 365, (PROFILES, 1))) / 365)
    factors: npt.NDArray[np.float64] = season * 7 * rng.dirichlet(np.full(7, 30.0), PROFILES)[:, days % 7]
    return factors


def _draws(
    rng: np.random.Generator, line: npt.NDArray[Any], qty: npt.NDArray[np.float64], scenarios: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    def some_keys(n: int) -> npt.NDArray[np.uint64]:
        return rng.integers(1 << 62, size=n).astype(np.uint64)

    line_draw, day = np.zeros((line.size, scenarios), qk.LINE_DRAW), np.zeros((line.size, scenarios), np.int16)
    sample_geometric(np.full(line.size, HAZARD), np.maximum(line["wanted"], 0), some_keys(line.size), DAYS + 1, day)
    line_draw["cancel"] = np.where(day <= DAYS, day, 0)
    sample_days(np.array([[0.6, 0.9, 0.97, 1.0]]), some_keys(line.size), 0, day)
    line_draw["handling"] = day
    middle = rng.uniform(3, 40, (qty.size, 1))
    law = ndtr((np.arange(1, DAYS + 1) - middle) / (middle / 4)) * rng.uniform(0.95, 1, (qty.size, 1))
    po_draw, day = np.zeros((qty.size, scenarios), qk.PURCHASE_DRAW), np.zeros((qty.size, scenarios), np.int16)
    sample_days(law, some_keys(qty.size), 0, day)
    po_draw["first"] = po_draw["rest"] = day + 1
    po_draw["first_qty"] = qty[:, None]
    return line_draw, po_draw


def _calendar() -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Five days of seven."""
    open_days = [d for d in range(1, DAYS + 1) if d % 7 < 5]
    calendar, days = np.zeros((1, DAYS + 2), qk.CALENDAR), np.full((1, DAYS + 3), DAYS + 1)
    calendar["working"][0, open_days] = 1
    calendar["next"] = np.searchsorted(open_days, np.arange(DAYS + 2))
    days[0, : len(open_days)] = open_days
    return calendar, days


def tally(p: qk.Problem) -> qk.Tally:
    """Empty counters."""
    n, k = p.sku.size, p.scenarios
    return qk.Tally(
        np.zeros((p.line.size, DAYS + 2), qk.LINE_DAY), np.zeros((0, k), np.int16), np.zeros((0, k), np.int16),
        np.zeros(p.line.size, np.int64), np.zeros(p.line.size * (qk.FIRST_PURCHASE + 1), np.int64),
        np.zeros((n, p.risk_days.size), qk.RISK), np.zeros((n, DAYS + 2), np.int64), np.zeros((n, 2), np.int64),
        np.zeros((0, 2, k, DAYS), np.float32), np.zeros((0, k, 4)),
    )  # fmt: skip


def run(items: int, scenarios: int, threads: int, rule: int) -> dict[str, Any]:
    """Seconds of the draws and of the kernel, of CPU and by the clock; problem and tally."""
    first = make(1, 1, rule).problem  # compiles, or takes what was kept
    qk.simulate_components(first, tally(first), 0, 1)
    wall = time.perf_counter()
    shop = make(items, scenarios, rule)
    counts = tally(shop.problem)
    began, clock = time.process_time(), time.perf_counter()
    work = lambda a, b: qk.simulate_components(shop.problem, counts, a, b)  # noqa: E731
    run_partitions(work, np.ones(items), threads)
    kernel, end = time.process_time() - began, time.perf_counter()
    return {"kernel": kernel, "draws": shop.seconds, "wall": end - clock, "all": end - wall,
            "problem": shop.problem, "tally": counts}  # fmt: skip
