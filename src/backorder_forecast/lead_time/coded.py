"""Suppliers, items and locations as numbers: pairs of supplier and item, lanes of supplier and location."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

T = TypeVar("T")

PAIR, LANE = ["supplier_id", "item_id"], ["supplier_id", "location_id"]


@dataclass(frozen=True)
class Coded:
    """Those that purchase lines speak of.

    suppliers, items, places: ids, sorted; pair_keys, lane_keys: the pairs and lanes seen, as supplier · count + item
    (or place), sorted: their places are their codes; routes: pair, lane and the number of purchases of each.
    """

    suppliers: np.ndarray
    items: np.ndarray
    places: np.ndarray
    pair_keys: np.ndarray
    lane_keys: np.ndarray
    routes: pd.DataFrame

    @cached_property
    def _kept(self) -> dict[tuple[str, int], tuple[pd.DataFrame, Any]]:
        """What was worked out once, by what it is and the frame it follows from."""
        return {}

    def once(self, what: str, rows: pd.DataFrame, work: Callable[[], T]) -> T:
        """What follows from a frame of purchase lines, whatever is fitted to them: worked out once for each frame."""
        key = (what, id(rows))
        if key not in self._kept or self._kept[key][0] is not rows:
            self._kept[key] = (rows, work())
        found: T = self._kept[key][1]
        return found

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Coded:
        """From the columns supplier_id, item_id and location_id of purchase lines."""
        seen = [pd.factorize(rows[x], sort=True) for x in ("supplier_id", "item_id", "location_id")]
        house, item, place = (codes for codes, _ in seen)
        suppliers, items, places = (np.asarray(ids, dtype=object) for _, ids in seen)
        pair, pair_keys = pd.factorize(house * max(len(items), 1) + item, sort=True)
        lane, lane_keys = pd.factorize(house * max(len(places), 1) + place, sort=True)
        width = max(len(lane_keys), 1)
        route, routes = pd.factorize(pair * width + lane, sort=True)
        table = pd.DataFrame({"pair": routes // width, "lane": routes % width, "n": np.bincount(route)})
        found = cls(suppliers, items, places, pair_keys, lane_keys, table)
        for name, codes in (("house", house), ("pair", np.where((house >= 0) & (item >= 0), pair, -1)),
                            ("lane", np.where((house >= 0) & (place >= 0), lane, -1))):  # fmt: skip
            found._kept[name, id(rows)] = (rows, codes.astype(np.int64))
        return found

    @property
    def pairs(self) -> pd.DataFrame:
        """supplier_id, item_id of each pair."""
        width = max(len(self.items), 1)
        return pd.DataFrame(
            {"supplier_id": self.suppliers[self.pair_keys // width], "item_id": self.items[self.pair_keys % width]}
        )

    @property
    def pair_house(self) -> np.ndarray:
        """The supplier's code of each pair."""
        return np.asarray(self.pair_keys // max(len(self.items), 1), np.int64)

    def houses(self, supplier: pd.Series) -> np.ndarray:
        """The code of each supplier, -1 where it is not known."""
        return _places(self.suppliers, supplier)

    def codes(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The codes of the supplier, the pair and the lane of each purchase line."""
        return (
            self.once("house", rows, lambda: self.houses(rows["supplier_id"])),
            self.once("pair", rows, lambda: self.pairs_of(rows)), self.once("lane", rows, lambda: self.lanes_of(rows)),
        )  # fmt: skip

    def pairs_of(self, rows: pd.DataFrame) -> np.ndarray:
        """The code of each pair, -1 where it is not known."""
        item = _places(self.items, rows["item_id"])
        return _codes(self.pair_keys, self.houses(rows["supplier_id"]), item, self.items)

    def lanes_of(self, rows: pd.DataFrame) -> np.ndarray:
        """The code of each lane, -1 where it is not known."""
        place = _places(self.places, rows["location_id"])
        return _codes(self.lane_keys, self.houses(rows["supplier_id"]), place, self.places)


def _places(known: np.ndarray, ids: pd.Series) -> np.ndarray:
    if not len(known):
        return np.full(len(ids), -1, np.int64)
    # every text once, then numbers
    codes, unique = pd.factorize(ids)
    found = pd.Index(known).get_indexer(pd.Index(np.asarray(unique, dtype=object)))
    places: np.ndarray = np.append(found, -1)[codes].astype(np.int64)
    return places


def _codes(keys: np.ndarray, house: np.ndarray, other: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(keys):
        return np.full(len(house), -1, np.int64)
    wanted = house * max(len(others), 1) + other
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    codes: np.ndarray = np.where((house >= 0) & (other >= 0) & (keys[at] == wanted), at, -1).astype(np.int64)
    return codes
