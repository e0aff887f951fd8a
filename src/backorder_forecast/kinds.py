"""Lines as a rule sees them, those of the past moved to future days too: what kinds of lines will be ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .core.queue_layout import PROTECT
from .errors import UsageError
from .past import sku_codes
from .rules import Lines, Ordering

if TYPE_CHECKING:
    from .past import Past

MOST = 8  # kinds of lines of each group of customers
_OWN = 10.0  # lines of all items that an item's own are mixed with, where there are few kinds
_EVER = 1_000_000  # days
_NEAR, _FAR = 53.0, 131.0  # days at which keys are looked at; primes, so that no week or month hides


@dataclass(frozen=True)
class Groups:
    """Groups of customers for whom stock is protected; 0 is all others. `protect`: rows by SKU, `row` of past.skus."""

    names: tuple[str, ...]
    row: np.ndarray
    protect: np.ndarray

    @property
    def count(self) -> int:
        """How many; 0 where nothing is protected."""
        return len(self.names) + 1 if self.names else 0

    def of(self, past: Past, lines: pd.DataFrame) -> np.ndarray:
        """The group of each line's customer."""
        if not self.names:
            return np.zeros(len(lines), np.int64)
        customers = past.tables["customers"].drop_duplicates("customer_id").set_index("customer_id")
        named = lines["customer_id"].map(customers["customer_class"])
        return np.asarray(pd.Index(self.names).get_indexer(pd.Index(named)) + 1, np.int64)


def protected_groups(past: Past) -> Groups:
    """Stock that is protected on simulated days, from the table `protected_stock`."""
    rows = past.tables["protected_stock"]
    rows = rows.assign(sku=sku_codes(past, rows), first=_days(past, rows["from_date"], -_EVER),
                       last=_days(past, rows["until_date"], _EVER))  # fmt: skip
    rows = rows[(rows["sku"] >= 0) & (rows["qty"] > 0) & (rows["last"] >= 1)]
    rows = rows.sort_values(["sku", "customer_class", "first"], kind="stable")
    names = tuple(sorted(rows["customer_class"].unique()))
    out = np.zeros(len(rows), PROTECT)
    out["group"] = pd.Index(names).get_indexer(rows["customer_class"]) + 1
    out["first"], out["last"], out["qty"] = rows["first"], rows["last"], rows["qty"]
    return Groups(names, rows["sku"].to_numpy(np.int64), out)


def _days(past: Past, dates: pd.Series, otherwise: int) -> np.ndarray:
    days: np.ndarray = np.nan_to_num(-past.days_since(dates), nan=otherwise).astype(np.int64)
    return days


def as_lines(past: Past, lines: pd.DataFrame, qty: str, promised: str) -> Lines:
    """Rows of `past.lines`, with `sku`, as arrays for an ordering; units and promise from the columns named."""
    days = {x: -past.days_since(lines[x]) for x in ("ordered_at", "wanted_date", "requested_date", promised)}
    asked = days["requested_date"]
    price = lines["unit_price"].to_numpy(float)
    listed = past.skus["unit_price"].to_numpy(float)[lines["sku"].to_numpy()]
    return Lines(
        lines["priority"].to_numpy(float), days["ordered_at"], days["wanted_date"],
        np.where(np.isnan(asked), days["ordered_at"], asked), days[promised], lines[qty].to_numpy(float),
        np.where(np.isnan(price), listed, price), lines["sequence"].to_numpy(float), np.zeros(len(lines), bool),
    )  # fmt: skip


@dataclass(frozen=True)
class Kinds:
    """Kinds of lines in each SKU's future demand [n × L]: cumulative share of the units, key were it wanted on day 0,
    and how much later the key is for each day later; group of customers [L]."""

    cum: np.ndarray
    key: np.ndarray
    step: np.ndarray
    group: np.ndarray


def no_kinds(n: int) -> Kinds:
    """Where classes say it."""
    none = np.zeros((n, 0))
    return Kinds(none, none, none, np.zeros(0, np.int64))


def future_kinds(past: Past, key: Ordering, groups: Groups) -> Kinds:
    """What will be ordered, as a rule tells lines apart: as in the past.

    Every past line is moved to the same day and given its key. Up to MOST keys are kinds of their own, in the
    proportion of the SKU's own lines and some of all items; where there are more, each SKU has MOST kinds of equal
    shares, at the quantiles of its own keys.
    """
    n = len(past.skus)
    rows, lines = _seen(past)
    sku, group = rows["sku"].to_numpy(np.int64), groups.of(past, rows)
    base, step = _line_up(key, lines)
    # counted in lines, so that items sold in large numbers do not outweigh the rest
    mean = np.bincount(sku, lines.open_qty, n) / np.maximum(np.bincount(sku, minlength=n), 1)
    weight = lines.open_qty / np.maximum(mean, 1e-9)[sku]
    names, which = np.unique(group, return_inverse=True)
    of_group, parts = _shares(n, sku, which, weight), []
    for i, name in enumerate(names):
        mine = which == i
        share, key_of, step_of = _kinds_of_group(n, sku[mine], base[mine], step[mine], weight[mine])
        parts.append((share * of_group[:, [i]], key_of, step_of, np.full(share.shape[1], name)))
    share, key_of, step_of = (np.concatenate([x[i] for x in parts], axis=1) for i in range(3))
    cum = np.cumsum(share, axis=1)
    cum[:, -1] = 1.0
    return Kinds(cum, key_of, step_of, np.concatenate([x[3] for x in parts]))


def _shares(n: int, sku: np.ndarray, cell: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Share of each cell in the lines of each SKU [n × cells], shrunk to that of all."""
    cells = int(cell.max()) + 1
    units = np.bincount(sku * cells + cell, weight, n * cells).reshape(n, cells)
    pooled = units.sum(axis=0) / units.sum()
    shares: np.ndarray = (units + _OWN * pooled) / (units.sum(axis=1, keepdims=True) + _OWN)
    return shares


def _seen(past: Past) -> tuple[pd.DataFrame, Lines]:
    """Lines wanted by now, as if all were wanted today and not ordered yet."""
    rows = past.lines[past.lines["wanted_date"] <= past.day]
    rows = rows.assign(sku=sku_codes(past, rows))
    age = past.days_since(rows["wanted_date"])
    keep = (rows["sku"].to_numpy() >= 0) & (age < past.config.demand.history_days) & (rows["qty"].to_numpy() > 0)
    rows, age = rows[keep], age[keep]
    lines = as_lines(past, rows, "qty", "first_promised_date")
    if not len(rows):
        return pd.DataFrame({"sku": np.zeros(1, np.int64), "customer_id": [None]}), Lines.blank(1)
    return rows, lines.moved(age)._replace(future=np.ones(len(rows), bool))  # type: ignore[arg-type]


def _line_up(key: Ordering, lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    """Key of each line were it wanted today, and how it grows with each day later."""
    base, near, far = (np.asarray(key(lines.moved(x)), float) for x in (0.0, _NEAR, _FAR))
    step = (far - base) / _FAR
    if (np.abs(base + step * _NEAR - near) > 1e-6 * (1.0 + np.abs(near))).any():
        raise UsageError("the key of a rule has to move with a line's dates in a straight line, or not at all")
    return base, step


def _kinds_of_group(
    n: int, sku: np.ndarray, base: np.ndarray, step: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share, key and step of the kinds of lines of one group of customers, each [n × kinds]."""
    found, cell = np.unique(np.stack([step, base], axis=1), axis=0, return_inverse=True)
    if len(found) <= MOST:
        return _shares(n, sku, cell.ravel(), weight), np.tile(found[:, 1], (n, 1)), np.tile(found[:, 0], (n, 1))
    at = np.where(np.bincount(sku, minlength=n)[:, None] > 0, _quantiles(n, sku, base, step, weight),
                  _quantiles(1, np.zeros_like(sku), base, step, weight))  # fmt: skip
    return np.full((n, MOST), 1.0 / MOST), base[at], step[at]


def _quantiles(n: int, sku: np.ndarray, base: np.ndarray, step: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Lines at the middle of each of MOST equal parts of each SKU's lines, sorted by key [n × MOST]."""
    order = np.lexsort((base, step, sku))
    total = np.bincount(sku, weight, n)
    before = np.concatenate([[0.0], np.cumsum(total)[:-1]])
    reached = sku[order] + np.minimum((np.cumsum(weight[order]) - before[sku[order]]) / total[sku[order]], 1.0)
    wanted = np.arange(n)[:, None] + (np.arange(MOST) + 0.5) / MOST
    place = np.searchsorted(reached, wanted.ravel()).reshape(n, MOST)
    last = np.searchsorted(sku[order], np.arange(n), side="right")[:, None] - 1
    found: np.ndarray = order[np.clip(place, 0, np.maximum(last, 0))]
    return found
