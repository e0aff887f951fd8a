"""Places in the queue: which of two waiting lines of an item is served first, and which lines leave together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from .past import Past

TYING = ("together", "in ratio")  # values of `group_rule` by which lines wait for each other


def natural_key(text: str) -> str:
    """A key that sorts runs of digits as numbers.

    >>> sorted(["L10", "L9", "L1"], key=natural_key)
    ['L1', 'L9', 'L10']
    """
    return re.sub(r"\d+", lambda run: run.group().lstrip("0").rjust(24, "0"), text)


def service_order(lines: pd.DataFrame, by_priority: bool, key: np.ndarray | None = None) -> pd.DataFrame:
    """Sort lines by SKU and service order: class, wanted day, ordered_at, sequence, line_id in natural order.

    key: of each line, in place of its class. A line that has lost its place has another in `placed_at`.
    """
    lines = lines.assign(natural=[natural_key(x) for x in lines["line_id"]])
    lines["class"] = key if key is not None else lines["priority"] if by_priority else 0
    if "placed_at" not in lines:
        lines["placed_at"] = lines["ordered_at"]
    lines["place_date"] = lines["wanted_date"].where(lines["wanted_date"] >= lines["placed_at"].dt.floor("D"),
                                                     lines["placed_at"].dt.floor("D"))  # fmt: skip
    by = ["component", "sku", "class", "place_date", "placed_at", "sequence", "natural", "line_id"]
    return lines.sort_values(by, na_position="last", kind="stable", ignore_index=True)


def placed_at(past: Past, lines: pd.DataFrame) -> pd.Series:
    """From when a line has its place in the queue: when it was ordered, or last changed where that loses the place."""
    placed = lines["ordered_at"]
    if past.config.queue.changed_lines == "keep":
        return placed
    changes = past.tables["line_changes"]
    changes = changes[changes["field"].isin(["qty", "requested_date"])]
    last = changes.groupby("line_id")["changed_at"].max().reindex(lines["line_id"].array).set_axis(placed.index)
    return placed.where(last.isna(), last)


def bundles(lines: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Which lines leave with each other: a number for each, -1 for those by themselves; and a text for each number.

    Those of a ship-complete order, and those of a group whose rule is `together` or `in ratio`; what an order and a
    group share ties them all. The text is the first order_id.

    >>> lines = pd.DataFrame({"order_id": list("aabbc"), "ship_complete": [True] * 4 + [False],
    ...                       "group_id": [None, "g", None, None, "g"], "group_rule": "together"})
    >>> bundles(lines)[0].tolist(), bundles(lines.assign(group_rule=None))[1].tolist()
    ([0, 0, 1, 1, 0], ['a', 'b'])
    """
    n = len(lines)
    order, orders = pd.factorize(lines["order_id"])
    group, groups = pd.factorize(lines["group_id"].where(lines["group_rule"].isin(TYING)))
    complete = lines["ship_complete"].to_numpy(bool) & (np.bincount(order, minlength=1)[order] > 1)
    mates = group >= 0
    row = np.concatenate([np.flatnonzero(complete), np.flatnonzero(mates)])
    node = n + np.concatenate([order[complete], len(orders) + group[mates]])
    size = n + len(orders) + len(groups)
    graph = coo_matrix((np.ones(len(row)), (row, node)), shape=(size, size))
    label = connected_components(graph, directed=False)[1][:n]
    tied = complete | (np.bincount(label, minlength=1)[label] > 1)
    found = pd.DataFrame({"label": label, "order_id": lines["order_id"].to_numpy(object)})[tied]
    first = found.groupby("label")["order_id"].min().sort_values(kind="stable")
    return np.where(tied, pd.Index(first.index).get_indexer(pd.Index(label)), -1), first.to_numpy(object)


def in_ratio(lines: pd.DataFrame, bundle: np.ndarray) -> np.ndarray:
    """Which lines leave in equal shares with the others of their bundle: nothing ties any of these in another way.

    A line that leaves only whole, or on one day with others, lets all of them leave only on one day.

    >>> lines = pd.DataFrame({"order_id": list("abab"), "ship_complete": False, "group_id": list("gghh"),
    ...                       "group_rule": "in ratio", "allow_partial": [True, True, True, False]})
    >>> in_ratio(lines, bundles(lines)[0]).tolist()
    [True, True, False, False]
    """
    several = lines.groupby("order_id")["order_id"].transform("size") > 1
    whole = (lines["ship_complete"] & several) | ~lines["allow_partial"] | (lines["group_rule"] != "in ratio")
    spoiled = np.bincount(bundle[bundle >= 0], whole[bundle >= 0], max(int(bundle.max(initial=-1)), 0) + 1) > 0
    found: np.ndarray = (bundle >= 0) & ~spoiled[np.maximum(bundle, 0)]
    return found
