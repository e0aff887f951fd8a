"""What one fit found, and which of it each supplier, item and place goes by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..core.family import ITEMS, LEVELS, PERIOD, WILD, Family
from ..core.recalibration import corrected
from ..tables import TEXT
from .cancelling import Cancelling
from .challenger import Challenger
from .closures import NO_CLOSURES, Closures
from .coded import Coded
from .durations import ReceivingDays, stated_days


def periods_back(clock: pd.Series, origin: pd.Timestamp) -> np.ndarray:
    """Periods of ordering before the one that ends on `origin` [rows]."""
    back: np.ndarray = np.maximum((origin - clock.dt.floor("D")).dt.days.to_numpy(np.int64), 0) // PERIOD
    return back


@dataclass(frozen=True)
class Correction:
    """How levels of open purchases' laws are corrected, (shift, spread) of those not due and of those overdue (see
    `core.recalibration`), and from how many past purchases each was learned."""

    by_state: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0))
    learned_from: tuple[int, int] = (0, 0)

    def applied(self, law: np.ndarray, overdue: np.ndarray) -> np.ndarray:
        """Corrected laws [open × days]."""
        of_row = np.array(self.by_state)[overdue.astype(np.int64)]
        return corrected(law, of_row[:, 0], of_row[:, 1])


NO_CORRECTION = Correction()


@dataclass(frozen=True)
class Fitted:
    """Fitted lead times.

    coded: suppliers and pairs; family: their laws of the first receipt, see `core.family`; usual: logarithm of the days
    that each supplier usually states; rest: Λ of the gap from one receipt to the rest; split_prob [pairs], split_share:
    sorted shares that first receipts brought; cancel_hazard: per day; purchases: every known purchase line; correction:
    what past forecasts say of those of open purchases; alike: correlation of the normal scores of open purchases of one
    supplier, which are late together; memory: how past purchases count, in words; challenger: what else is known of
    open purchases, if it has earned its place; closures: days on which suppliers are shut;
    cancelling: the chance a day of being cancelled, if anything ever was.

    Laws of `family` and `rest` count the days on which the supplier works; tables are laid out on the calendar.
    """

    origin: pd.Timestamp
    horizon: int
    receiving: ReceivingDays
    coded: Coded
    family: Family
    usual: np.ndarray
    rest: np.ndarray
    split_prob: np.ndarray
    split_share: np.ndarray
    cancel_hazard: float
    purchases: pd.DataFrame
    told: tuple[str, ...] = ()
    correction: Correction = NO_CORRECTION
    alike: float = 0.0
    memory: str = ""
    challenger: Challenger | None = None
    closures: Closures = NO_CLOSURES
    cancelling: Cancelling | None = None

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """supplier_id, item_id, sorted."""
        return self.coded.pairs.astype(TEXT)

    @property
    def suppliers(self) -> np.ndarray:
        """Supplier ids, sorted."""
        return self.coded.suppliers

    def rows(self, supplier: pd.Series, item: pd.Series, location: pd.Series | None = None) -> np.ndarray:
        """Rows of `laws` for each (supplier, item, location): the pair's own (on that lane, where it is bought on
        several), else the supplier's, else that of all."""
        n, m = len(self.pairs), len(self.suppliers)
        house = self.coded.houses(supplier)
        wanted = pd.DataFrame({"supplier_id": supplier.array, "item_id": item.array})
        pair = self.coded.pairs_of(wanted)
        rows: np.ndarray = np.where(pair >= 0, pair, np.where(house >= 0, n + house, n + m))
        if location is not None and len(self._several):
            lane = self.coded.lanes_of(wanted.assign(location_id=location.array))
            known = pd.MultiIndex.from_frame(self._several[["pair", "lane"]])
            own = known.get_indexer(pd.MultiIndex.from_arrays([pair, lane]))
            rows = np.where(own >= 0, n + m + 1 + own, rows)
        return rows

    def _placed(self, rows: pd.DataFrame) -> np.ndarray:
        """Rows of `laws` of purchase lines."""
        return self.coded.once(
            "place", rows, lambda: self.rows(rows["supplier_id"], rows["item_id"], rows["location_id"])
        )

    @cached_property
    def _several(self) -> pd.DataFrame:
        """The routes of pairs that have several."""
        routes = self.coded.routes
        return routes[routes["pair"].duplicated(keep=False)].reset_index(drop=True)

    @cached_property
    def _house(self) -> np.ndarray:
        """The house of each row of `laws`: of pairs, of suppliers, of who is not known, of pairs on each lane."""
        own = self.coded.pair_house
        return np.concatenate([own, np.arange(len(self.suppliers) + 1), own[self._several["pair"].to_numpy()]])

    @cached_property
    def _item(self) -> np.ndarray:
        """The row of `family.item` of each row of `laws`."""
        n = len(self.pairs)
        return np.concatenate([np.arange(n), np.full(len(self.suppliers) + 1, n), self._several["pair"]])

    @cached_property
    def _place(self) -> np.ndarray:
        """Weights of the lane's stretch of each row of `laws`; of pairs mixed over their lanes."""
        routes, place = self.coded.routes, self.family.place
        share = routes["n"] / routes.groupby("pair")["n"].transform("sum")
        mixed = np.zeros((len(self.pairs), place.shape[1]))
        np.add.at(mixed, routes["pair"].to_numpy(), share.to_numpy()[:, None] * place[routes["lane"]])
        return np.vstack([mixed, np.tile(place[-1], (len(self.suppliers) + 1, 1)), place[self._several["lane"]]])

    @cached_property
    def _usual(self) -> np.ndarray:
        """What each row of `laws` usually states against its supplier's usual days, in logarithm."""
        usual = self.family.usual
        return np.concatenate([usual, np.zeros(len(self.suppliers) + 1), usual[self._several["pair"]]])

    def _calendar_rows(self, supplier: pd.Series) -> np.ndarray:
        """The row of each supplier in the closures, the last of those that never shut."""
        found: np.ndarray = np.arange(len(self.closures.shut_before))[self.closures.rows(supplier)]
        return found

    def passed(self, rows: pd.DataFrame, levels: np.ndarray) -> np.ndarray:
        """Days after which the laws of purchase lines pass levels, stretches at their mean [rows × levels]."""
        family = self.family
        place = self._placed(rows)
        house, period = self._house[place], self._period(rows)
        stretch = family.item[self._item[place]] @ ITEMS + self._place[place] @ ITEMS
        stretch = stretch + family.level[house, period] @ LEVELS + family.common[period]
        stretch = stretch + family.beta[house] * self._stated(rows, place)
        return np.asarray(self._passed_after(house, levels) * np.exp(stretch)[:, None])

    def _passed_after(self, house: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Days after which laws of houses pass levels [houses × levels]; where they never do, all days there are."""
        laws, last = self.family.laws, self.family.laws.shape[1]
        first = [np.where(laws[:, -1] >= x, np.argmax(laws >= x, axis=1), last) for x in -np.log1p(-levels)]
        return np.asarray(np.stack(first, axis=1)[house], float)

    def _period(self, rows: pd.DataFrame) -> np.ndarray:
        """The period of ordering of purchase lines, as `family` counts them; the first for older ones."""
        last = self.family.level.shape[1] - 2
        period: np.ndarray = np.maximum(last - periods_back(rows["clock_at"], self.origin), 0)
        return period

    def _stated(self, rows: pd.DataFrame, place: np.ndarray) -> np.ndarray:
        """What purchase lines state against their supplier's usual days, in logarithm; the pair's usual if nothing."""
        usual = np.append(self.usual, 0.0)[self._house[place]]
        of_pair = self._usual[place]
        days = self.coded.once("stated", rows, lambda: stated_days(rows, self.closures))
        news = np.clip(days - usual - of_pair, -WILD, WILD)
        return np.where(self._house[place] < len(self.usual), of_pair + np.nan_to_num(news), 0.0)

    @cached_property
    def open_rows(self) -> pd.DataFrame:
        """The open purchase lines, in the order of po_line_id."""
        rows = self.purchases
        return self.coded.once("open", rows, lambda: rows[rows["open_qty"] > 0].reset_index(drop=True))
