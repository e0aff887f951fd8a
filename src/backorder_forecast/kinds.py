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
_CELLS = 64  # keys told apart before
_OWN = 10.0  # lines of all items that an item's own are mixed with
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
    """What will be ordered, as a rule tells lines apart: as in the past, each SKU's own lines and those of all.

    Every past line is moved to the same day and given its key. Where more than MOST keys are seen, each SKU has MOST
    kinds of equal shares, by the quantiles of its keys.
    """
    n = len(past.skus)
    rows, lines = _seen(past)
    group = groups.of(past, rows)
    base, step = _line_up(key, lines)
    cell, cells = _cells(group, step, base, lines.open_qty)
    # in lines of all items, so that those of items sold in large numbers do not outweigh the rest
    mean = np.bincount(rows["sku"], lines.open_qty, n) / np.maximum(np.bincount(rows["sku"], minlength=n), 1)
    weight = lines.open_qty / np.maximum(mean, 1e-9)[rows["sku"].to_numpy()]
    units = np.bincount(rows["sku"].to_numpy() * len(cells) + cell, weight, n * len(cells)).reshape(n, -1)
    pooled = (units.sum(axis=0) + 1e-9) / (units.sum() + 1e-9 * len(cells))
    share = (units + _OWN * pooled) / (units.sum(axis=1, keepdims=True) + _OWN)
    parts = [_kinds_of_group(share, cells, np.flatnonzero(cells[:, 0] == x)) for x in np.unique(cells[:, 0])]
    cum = np.cumsum(np.concatenate([x[0] for x in parts], axis=1), axis=1)
    cum[:, -1] = 1.0
    key_of, step_of = (np.concatenate([x[i] for x in parts], axis=1) for i in (1, 2))
    return Kinds(cum, key_of, step_of, np.concatenate([x[3] for x in parts]))


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


def _cells(group: np.ndarray, step: np.ndarray, base: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each line, and the cells [cells × (group, step, key)]: in each group all keys, or their quantiles."""
    found, at = np.unique(np.stack([group, step, base], axis=1), axis=0, return_inverse=True)
    at = at.ravel()
    weight = np.bincount(at, units, len(found))
    into, kept = np.zeros(len(found), np.int64), np.zeros(0, np.int64)
    for name in np.unique(found[:, 0]):
        mine = np.flatnonzero(found[:, 0] == name)
        middle = np.cumsum(weight[mine]) - weight[mine] / 2
        cut = np.arange(len(mine)) if len(mine) <= _CELLS else (middle / weight[mine].sum() * _CELLS).astype(np.int64)
        _, first, cell = np.unique(cut, return_index=True, return_inverse=True)
        last = np.append(first[1:], len(mine))
        into[mine] = cell.ravel() + len(kept)
        kept = np.concatenate([kept, mine[(first + last - 1) // 2]])
    return into[at], found[kept]


def _kinds_of_group(
    share: np.ndarray, cells: np.ndarray, mine: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Share, key and step [n × kinds] and group [kinds] of the kinds that stand for a group's cells."""
    n, step, base = len(share), cells[mine, 1], cells[mine, 2]
    group = np.full(min(len(mine), MOST), int(cells[mine[0], 0]))
    if len(mine) <= MOST:
        return share[:, mine], np.tile(base, (n, 1)), np.tile(step, (n, 1)), group
    total = share[:, mine].sum(axis=1)
    cum = np.cumsum(share[:, mine], axis=1) / total[:, None]
    levels = (np.arange(MOST) + 0.5) / MOST
    at = np.stack([(cum < x).sum(axis=1) for x in levels], axis=1).clip(max=len(mine) - 1)
    return np.tile(total[:, None] / MOST, (1, MOST)), base[at], step[at], group
