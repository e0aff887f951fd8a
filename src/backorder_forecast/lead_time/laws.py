"""`LeadTimes`: what the fitted laws say of new orders, and of open purchases given the age they have reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..core import hazards
from ..core.family import ITEMS, LEVELS, PERIOD, WILD, Family, combined
from ..core.recalibration import corrected
from ..law import Law
from ..tables import TEXT
from .cancelling import LEVELS as LEVELS_OF_CANCELLING
from .cancelling import Cancelling
from .challenger import Challenger, features
from .closures import NO_CLOSURES, Closures
from .coded import Coded
from .durations import ReceivingDays, stated_days
from .restated import latest
from .table import lead_time_table


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
class LeadTimes:
    """Fitted lead times.

    coded: suppliers and pairs; family: their laws of the first receipt, see `core.family`; usual: logarithm of the days
    that each supplier usually states; rest: Λ of the gap from one receipt to the rest; split_prob [pairs], split_share:
    sorted shares that first receipts brought; cancel_hazard: per day; purchases: every known purchase line; correction:
    what past forecasts say of those of open purchases; alike: correlation of the normal scores of open purchases of one
    supplier, which are late together; memory: how past purchases count, in words; challenger: what else is known of
    open purchases, if it has earned its place; closures: days on which suppliers are shut; restated:
    of statements that changed a purchase's date, where open purchases go by them; cancelling: the chance a day of being
    cancelled by age, if anything ever was.

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
    restated: LeadTimes | None = None
    cancelling: Cancelling | None = None

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """supplier_id, item_id, sorted."""
        return self.coded.pairs.astype(TEXT)

    @property
    def suppliers(self) -> np.ndarray:
        """Supplier ids, sorted."""
        return self.coded.suppliers

    @property
    def notes(self) -> list[str]:
        """What a reader should know: what was taken for want of better, and how much of what is bought is stuck."""
        if any("nothing was ever received" in x for x in self.told) or not len(self.purchases):
            return list(self.told)
        stuck, days = float(np.exp(-self.family.laws[-1, -1])), self.family.laws.shape[1] - 2
        stuck_note = f"{stuck:.1%} of purchases are taken as stuck: nothing comes within {days} days"
        return [stuck_note, *self._learned_notes(), *self.told]

    def _learned_notes(self) -> list[str]:
        """What past days taught."""
        notes = [f"lead times: {self.memory}"] if self.memory else []
        for state, (shift, spread), n in zip(
            ("not yet due", "overdue"), self.correction.by_state, self.correction.learned_from, strict=True
        ):
            if (shift, spread) != (0.0, 1.0):
                half = float(corrected(np.array([[0.5]]), np.array([shift]), np.array([spread]))[0, 0])
                notes.append(
                    f"of {n} purchases {state} on past days {half:.0%} came by the day by which half were expected; "
                    "forecasts are corrected by that"
                )
        if self.challenger is not None:
            notes.append("lead times: boosted trees over what else is known of open purchases came truer on past days")
        if self.alike > 0:
            notes.append(f"open purchases of one supplier are late together (correlation {self.alike:.2f})")
        return notes

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

    @cached_property
    def laws(self) -> np.ndarray:
        """P(goods of a new order are ready to be received by day) [rows × days from 0]; less what is cancelled.

        They are received on the first day from then on on which anything is (`receiving`). What its supplier's closures
        ahead add is in it, for an order placed today.
        """
        family, rows = self.family, np.arange(len(self._house))
        longer = np.zeros((len(rows), family.laws.shape[1] - 1))
        last = np.full(len(rows), family.level.shape[1] - 1)
        self._outlive(longer, np.ones(len(rows), bool), rows, last, self._usual, np.zeros(len(rows)))
        ready = 1.0 - longer
        if self.closures.any:
            self._lay_out(ready)
        each = np.diff(ready, prepend=0.0, axis=1)
        if self.cancelling is not None:
            stay = self._new_stay(self.cancelling, each.shape[1])
            for some in np.array_split(np.arange(len(each)), 1 + len(each) // 4096):
                each[some] *= stay[self._house[some]]
        return np.cumsum(each, axis=1)

    def _new_stay(self, cancelling: Cancelling, days: int) -> np.ndarray:
        """P(a new order is not cancelled before day) [suppliers + 1 × days from 0]."""
        house = np.arange(len(self.family.laws))
        states = self._passed_after(house, LEVELS_OF_CANCELLING)
        factor = np.append(cancelling.factor, 1.0)[np.minimum(house, len(cancelling.factor) - 1)]
        return cancelling.kept(np.zeros(len(house)), days - 1, states, factor)

    def _lay_out(self, ready: np.ndarray) -> None:
        """Lay laws of new orders [rows × days from 0] of suppliers that shut out on the calendar, in place."""
        row = np.append(self._calendar_rows(pd.Series(self.suppliers)), len(self.closures.shut_before) - 1)[self._house]
        yesterday = self.origin - pd.Timedelta(days=1)
        for kind in np.unique(row[row < len(self.closures.shut_before) - 1]):
            worked = self.closures.worked(np.array([kind]), yesterday, ready.shape[1])[0, 1:]
            mine = np.flatnonzero(row == kind)
            ready[mine] = np.where(worked > 0, ready[mine][:, np.maximum(worked - 1, 0)], 0.0)

    def _calendar_rows(self, supplier: pd.Series) -> np.ndarray:
        """The row of each supplier in the closures, the last of those that never shut."""
        found: np.ndarray = np.arange(len(self.closures.shut_before))[self.closures.rows(supplier)]
        return found

    @cached_property
    def worked(self) -> np.ndarray:
        """Days that count for each open purchase among the k days after today [open × 0 … horizon + 1]."""
        return self.closures.worked(
            self._calendar_rows(self.open_rows["supplier_id"]), self.origin, self.horizon + 1
        )

    def _outlive(
        self, longer: np.ndarray, mine: np.ndarray, place: np.ndarray, period: np.ndarray, stated: np.ndarray,
        age: np.ndarray,
    ) -> None:  # fmt: skip
        """Fill the rows `mine` of longer [… × days]: P(no receipt for so many days more) given the age reached."""
        family, house = self.family, self._house[place]
        weight, points = combined(family.item[self._item[place]], self._place[place], family.level[house, period])
        pace = np.exp(family.common[period] + family.beta[house] * stated)
        out = np.zeros((int(mine.sum()), longer.shape[1]))
        laws = np.ascontiguousarray(family.laws)
        hazards.survivals(house[mine], weight[mine], age[mine], pace[mine], laws, points, out)
        longer[mine] = out

    @cached_property
    def received_laws(self) -> np.ndarray:
        """P(lead time of a new order ≤ day) [rows × days from 0], averaged over the weekdays of ordering."""
        out = np.zeros_like(self.laws)
        for lag, share in enumerate(self.receiving.delays()):
            out[:, lag:] += share * self.laws[:, : self.laws.shape[1] - lag]
        return out

    def new_order(self, supplier_id: str, item_id: str) -> Law:
        """The law of the days from a new order to its first receipt."""
        keys = pd.DataFrame({"supplier_id": [supplier_id], "item_id": [item_id]})
        return Law(keys, self.received_laws[self.rows(keys["supplier_id"], keys["item_id"])])

    @cached_property
    def open_rows(self) -> pd.DataFrame:
        """The open purchase lines, in the order of po_line_id."""
        return self.purchases[self.purchases["open_qty"] > 0].reset_index(drop=True)

    @cached_property
    def overdue(self) -> np.ndarray:
        """Whether each open purchase is past its first stated day or, without one, its usual one [rows]."""
        rows = self.open_rows
        usual = self.passed(rows, np.array([0.5]))[:, 0]
        age = (self.origin - rows["clock_at"].dt.floor("D")).dt.days.to_numpy(float)
        if self.closures.any:
            age = age - self._shut_since(rows, rows["clock_at"], age)
        late = (self.origin - rows["first_promised_date"].dt.floor("D")).dt.days.to_numpy(float)
        past_day: np.ndarray = np.where(np.isnan(late), age > usual, late > 0)
        return past_day

    def passed(self, rows: pd.DataFrame, levels: np.ndarray) -> np.ndarray:
        """Days after which the laws of purchase lines pass levels, stretches at their mean [rows × levels]."""
        family = self.family
        place = self.rows(rows["supplier_id"], rows["item_id"], rows["location_id"])
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

    @cached_property
    def next_table(self) -> np.ndarray:
        """P(next receipt ≤ day) [open purchases × days 1…horizon], given the age reached; no cancellations."""
        table = self.plain_table
        if self.correction != NO_CORRECTION:
            table = self.correction.applied(table, self.overdue)
        return table if self.challenger is None else self.challenger.applied(table, features(self))

    @cached_property
    def plain_table(self) -> np.ndarray:
        """`next_table` before what past forecasts say of it."""
        rows = self.open_rows
        begun = rows["received_qty"].to_numpy() > 0
        since = rows["last_received_at"].where(begun, rows["clock_at"]).dt.floor("D")
        open_until = self.receiving.last_open(self.origin, self.horizon)
        age = np.maximum((self.origin - since).dt.days.to_numpy() + 1.0 + open_until[0], 0.0)
        if self.closures.any:
            age = age - self._shut_since(rows, since, age)
        longer = np.zeros((len(rows), self.horizon - int(open_until[0])))
        place = self.rows(rows["supplier_id"], rows["item_id"], rows["location_id"])
        self._outlive(longer, ~begun, place, self._period(rows), self._stated(rows, place), age)
        one = np.ones(int(begun.sum()))
        out = np.zeros((len(one), longer.shape[1]))
        law = np.zeros(len(one), np.int64)
        hazards.survivals(law, np.ones((len(one), 1)), age[begun], one, self.rest[None], np.ones(1), out)
        longer[begun] = out
        # nothing is received on shut days: what became ready on them comes on the next open one
        ready = np.concatenate([np.zeros((len(rows), 1)), 1.0 - longer], axis=1)
        table: np.ndarray = ready[:, open_until[1:] - open_until[0]]
        if self.closures.any:
            # nor is it ready, while its supplier is shut, any sooner than before
            last = self.origin + pd.Timedelta(days=int(open_until[0]))
            worked = self.closures.worked(self._calendar_rows(rows["supplier_id"]), last, longer.shape[1])
            table = np.take_along_axis(ready, worked[:, open_until[1:] - open_until[0]], axis=1)
        if self.restated is not None:
            mine, stated = latest(self.restated, rows)
            table[mine] = self.restated.plain_table[stated]
        return table

    def _shut_since(self, rows: pd.DataFrame, since: pd.Series, days: np.ndarray) -> np.ndarray:
        """On how many of the days from `since` on the supplier was shut [rows]."""
        begin = self.closures.place(since)
        return self.closures.shut(self._calendar_rows(rows["supplier_id"]), begin, days)

    def _period(self, rows: pd.DataFrame) -> np.ndarray:
        """The period of ordering of purchase lines, as `family` counts them; the first for older ones."""
        last = self.family.level.shape[1] - 2
        period: np.ndarray = np.maximum(last - periods_back(rows["clock_at"], self.origin), 0)
        return period

    def _stated(self, rows: pd.DataFrame, place: np.ndarray) -> np.ndarray:
        """What purchase lines state against their supplier's usual days, in logarithm; the pair's usual if nothing."""
        usual = np.append(self.usual, 0.0)[self._house[place]]
        of_pair = self._usual[place]
        news = np.clip(stated_days(rows, self.closures) - usual - of_pair, -WILD, WILD)
        return np.where(self._house[place] < len(self.usual), of_pair + np.nan_to_num(news), 0.0)

    @cached_property
    def rest_table(self) -> np.ndarray:
        """P(gap between a part and the rest ≤ day) [days from 0], before waiting for an open day; less what is closed
        short before."""
        table: np.ndarray = -np.expm1(-self.rest[1:])
        if self.cancelling is None or not self.cancelling.begun.any():
            return table
        kept = self.cancelling.kept(np.zeros(1), len(table) - 1, np.zeros((1, 0)), np.ones(1))[0]
        return np.asarray(np.cumsum(np.diff(table, prepend=0.0) * kept))

    @cached_property
    def remaining_first(self) -> Law:
        """Law of the days until an open purchase's next receipt; mass beyond the horizon or never is missing."""
        return self._open_law(self._cancellable(self.next_table))

    @cached_property
    def remaining(self) -> Law:
        """Law of the days until the last open unit of each open purchase has come."""
        first = np.diff(self.next_table, prepend=0.0, axis=1)
        gap = np.diff(self.rest_table, prepend=0.0)
        chance = self.open_split_prob[:, None]
        later = self.followed(first, gap, np.arange(len(first)))
        ready = np.concatenate([np.zeros((len(later), 1)), later], axis=1)
        received = ready[:, np.maximum(self.receiving.last_open(self.origin, self.horizon)[1:], 0)]
        return self._open_law(self._cancellable((1 - chance) * self.next_table + chance * received))

    def followed(self, first: np.ndarray, gap: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """P(the rest is ready by day) [rows × days 1 … horizon] of the open purchases `rows`.

        first [rows × days 1 …]: chances of the next receipt; gap [days from 0]: chances of the days from it to the
        rest, of those on which the supplier works.
        """
        days = self.horizon
        gap = np.pad(gap, (0, max(0, days - len(gap))))[:days]
        each = np.array([np.convolve(row, gap)[:days] for row in first]).reshape(first.shape)
        later: np.ndarray = each.cumsum(axis=1)
        if self.closures.any:
            worked = self.worked[rows, 1 : days + 1]
            for i in np.flatnonzero(worked[:, -1] < days):
                by_worked = np.bincount(worked[i], first[i], days + 1)
                later[i] = np.convolve(by_worked, gap)[: days + 1].cumsum()[worked[i]]
        return later

    def rest_ready(self, first: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """The day on which the rest of each open purchase is ready, so many days after its next receipt, of those on
        which its supplier works [open × scenarios]; horizon + 1 where later."""
        never = self.horizon + 1
        ready: np.ndarray = np.minimum(first + gap, never)
        if self.closures.any:
            for i in np.flatnonzero(self.worked[:, -1] < never):
                wanted = self.worked[i, np.minimum(first[i], never)] + gap[i]
                ready[i] = np.maximum(np.minimum(np.searchsorted(self.worked[i], wanted), never), first[i])
        return ready

    @cached_property
    def open_split_prob(self) -> np.ndarray:
        """Chance that the next receipt of each open purchase brings only a part of what is open."""
        rows = self.open_rows
        place = self.rows(rows["supplier_id"], rows["item_id"])
        typical = self.split_prob.mean() if len(self.split_prob) else 0.0
        others = np.full(len(self.suppliers) + 1, typical)
        prob = np.concatenate([self.split_prob, others, self.split_prob[self._several["pair"]]])
        single = (rows["received_qty"] > 0) | (rows["open_qty"] < 2)
        return np.where(single, 0.0, prob[place])

    @cached_property
    def stay(self) -> np.ndarray:
        """P(not cancelled before day) [open × days 1…horizon]."""
        return self._kept[:, :-1]

    @cached_property
    def gone_table(self) -> np.ndarray:
        """P(cancelled by day) [open × days 1…horizon], if nothing came before."""
        return 1.0 - self._kept[:, 1:]

    @cached_property
    def _kept(self) -> np.ndarray:
        """P(not cancelled within k days) [open × k = 0 … horizon]."""
        rows, found = self.open_rows, self.cancelling
        if found is None:
            return np.ones((len(rows), self.horizon + 1))
        begun = rows["received_qty"].to_numpy() > 0
        since = rows["last_received_at"].where(begun, rows["clock_at"]).dt.floor("D")
        age = (self.origin - since).dt.days.to_numpy(float) + 1.0
        states, house = self.passed(rows, LEVELS_OF_CANCELLING), self.coded.houses(rows["supplier_id"])
        factor = found.factor[np.minimum(house, len(found.factor) - 1)]
        kept = found.kept(age, self.horizon, states, factor)
        kept[begun] = found.kept(age[begun], self.horizon, states[begun, :0], np.ones(begun.sum()))
        return kept

    @property
    def kinds(self) -> list[tuple[LeadTimes, np.ndarray]]:
        """Lead times of each kind of supply, and the rows of its open lines."""
        return [(self, np.arange(len(self.open_rows)))]

    def _cancellable(self, table: np.ndarray) -> np.ndarray:
        """Less what is cancelled before; on one day receipts come first, as in the simulation."""
        return np.cumsum(np.diff(table, prepend=0.0, axis=1) * self.stay, axis=1)

    def _open_law(self, table: np.ndarray) -> Law:
        return Law(self.open_rows[["po_line_id"]], table, start=1, origin=self.origin)

    def learned(self) -> pd.DataFrame:
        """What was learned from past days, for the run folder: a row for each state of open purchases."""
        shift, spread = zip(*self.correction.by_state, strict=True)
        return pd.DataFrame(
            {
                "state": ["not yet due", "overdue"], "shift": shift, "spread": spread,
                "learned_from": self.correction.learned_from, "memory": self.memory, "alike": self.alike,
                "challenger": self.challenger is not None, "kind": "purchases",
            }
        )  # fmt: skip

    def table(self) -> pd.DataFrame:
        """The output table `lead_times`."""
        law = Law(self.pairs, self.received_laws[: len(self.pairs)])
        return lead_time_table(law, self.purchases, self.origin)
