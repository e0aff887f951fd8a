"""`LeadTimes`: what the fitted laws say of new orders, and of open purchases given the age they have reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..core import hazards
from ..core.family import combined
from ..core.recalibration import corrected
from ..law import Law
from .cancelling import LEVELS, Cancelling
from .challenger import features
from .fitted import NO_CORRECTION, Fitted
from .restated import latest
from .table import lead_time_table

_BLOCK = 512  # open purchases whose laws are worked out at a time


@dataclass(frozen=True)
class LeadTimes(Fitted):
    """Fitted lead times, and what they say.

    restated: of statements that changed a purchase's date, where open purchases go by them.
    """

    restated: LeadTimes | None = None

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

    @cached_property
    def laws(self) -> np.ndarray:
        """P(goods of a new order are ready to be received by day) [rows × days from 0]; less what is cancelled.

        They are received on the first day from then on on which anything is (`receiving`). What its supplier's closures
        ahead add is in it, for an order placed today.
        """
        family, rows = self.family, np.arange(len(self._house))
        last, days = np.full(len(rows), family.level.shape[1] - 1), family.laws.shape[1] - 1
        ready = 1.0 - self._outlive(rows, last, self._usual, np.zeros(len(rows)), days)
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
        states = self._passed_after(house, LEVELS)
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

    @cached_property
    def worked(self) -> np.ndarray:
        """Days that count for each open purchase among the k days after today [open × 0 … horizon + 1]."""
        return self.closures.worked(self._calendar_rows(self.open_rows["supplier_id"]), self.origin, self.horizon + 1)

    def _outlive(
        self, place: np.ndarray, period: np.ndarray, stated: np.ndarray, age: np.ndarray, days: int
    ) -> np.ndarray:
        """P(no receipt for so many days more) [rows × days] given the age reached."""
        family = self.family
        house = self._house[place]
        weight, points = combined(family.item[self._item[place]], self._place[place], family.level[house, period])
        pace = np.exp(family.common[period] + family.beta[house] * stated)
        out = np.zeros((len(place), days))
        hazards.survivals(house, weight, age, pace, family.laws, family.longer, points, out)
        return out

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
        days = self.horizon - int(open_until[0])
        place, period = self._placed(rows), self._period(rows)
        stated = self._stated(rows, place)
        # nothing is received on shut days: what became ready on them comes on the next open one
        column = (open_until[1:] - open_until[0]).astype(np.int64)
        table = np.empty((len(rows), self.horizon))
        for some in _blocks(np.flatnonzero(~begun)):
            longer = self._outlive(place[some], period[some], stated[some], age[some], days)
            self._received(longer, some, column, table)
        for some in _blocks(np.flatnonzero(begun)):
            self._received(self._rest_outlives(age[some], days), some, column, table)
        if self.restated is not None:
            mine, stated = latest(self.restated, rows)
            table[mine] = self.restated.plain_table[stated]
        return table

    def _rest_outlives(self, age: np.ndarray, days: int) -> np.ndarray:
        """P(no rest for so many days more) [rows × days] given the days since a part came."""
        one, longer = np.ones(len(age)), np.zeros((len(age), days))
        law, rest = np.zeros(len(age), np.int64), self.rest[None]
        hazards.survivals(law, one[:, None], age, one, rest, np.exp(-rest), np.ones(1), longer)
        return longer

    def _received(self, longer: np.ndarray, some: np.ndarray, column: np.ndarray, table: np.ndarray) -> None:
        """Fill rows of a table [open × days 1…] from P(longer) of these rows, by the days on which goods are received
        and suppliers work."""
        if not self.closures.any:
            hazards.come(longer, some, column, table)
            return
        # nor is it ready, while its supplier is shut, any sooner than before
        last = self.receiving.last_open(self.origin, 0)[0]
        worked = self.closures.worked(
            self._calendar_rows(self.open_rows["supplier_id"].iloc[some]), self.origin + pd.Timedelta(days=int(last)),
            longer.shape[1],
        )  # fmt: skip
        ready = np.concatenate([np.zeros((len(longer), 1)), 1.0 - longer], axis=1)
        table[some] = np.take_along_axis(ready, worked[:, column], axis=1)

    def _shut_since(self, rows: pd.DataFrame, since: pd.Series, days: np.ndarray) -> np.ndarray:
        """On how many of the days from `since` on the supplier was shut [rows]."""
        begin = self.closures.place(since)
        return self.closures.shut(self._calendar_rows(rows["supplier_id"]), begin, days)

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
        states, house = self.passed(rows, LEVELS), self.coded.houses(rows["supplier_id"])
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
        return table if self.cancelling is None else hazards.kept(table, self.stay)

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


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    """Rows in parts whose laws stay in the processor's cache."""
    return np.array_split(rows, -(-len(rows) // _BLOCK)) if len(rows) else []
