"""Past days on which the purchases then open are forecast again, with only what was known, and judged since.

They say how much of the past should count (`choose`), and whether what is said of open purchases comes true
(`learn_correction`). Each day is forecast once for every memory tried, and never corrected by what it teaches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..core.recalibration import fitted
from ..streams import text_hashes
from .challenger import Cases, Challenger, features, gain, total_and_error, trained
from .fitted import Correction
from .laws import LeadTimes
from .once import Memory, Prepared

if TYPE_CHECKING:
    from ..past import Past

SPACING = 28  # days between rehearsals, on days that do not depend on the day that asks
_MOST = 60_000  # purchases that a rehearsal fits; of more, a sample of suppliers
_RECEIVED, _OPEN = 30, 10  # purchases received and open, from which a day can be rehearsed
_LEARNED = 50  # purchases of a state from which a correction is learned
_FADING = 180.0  # days after which a rehearsal counts half
_ALIKE = 0.05  # correlation taken of the transforms of one supplier's purchases, for how much they tell together
_PAIRS = 50.0  # pairs of independent purchases, taken as seen before any
_HARDLY = 0.01  # a correlation below counts as none
_CHOOSING = 3  # rehearsals by which memories are compared
_FEW = 5  # suppliers, below which errors are by purchase
_DOUBT = 0.5  # standard errors by which another memory has to be better than that of the settings


@dataclass(frozen=True)
class Forecast:
    """What was said on a day: ids, suppliers [open], P(next receipt ≤ day) [open × days 1…], overdue [open]; features:
    what a challenger may know beside [open × k], if there is to be one."""

    day: pd.Timestamp
    ids: pd.Series
    supplier: pd.Series
    table: np.ndarray
    overdue: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """What came of it: day of the next receipt, counted from the forecast's, and whether it was seen; if not, the last
    day on which it was seen to wait [open]."""

    day: np.ndarray
    seen: np.ndarray

    def until(self, days: int) -> Outcome:
        """What was known of it so many days after the forecast."""
        return Outcome(np.minimum(self.day, days), self.seen & (self.day <= days))


class Rehearsals:
    """The forecasts of past days, each made once; also for other days of the same data, where nothing in them can
    depend on the day that asks. first: the memory from whose fit those with others go on."""

    def __init__(self, past: Past, first: Memory) -> None:
        self.past, share = _sampled(past)
        self.first = first
        settings = (repr(past.config.lead_time), repr(past.config.data), past.config.simulation.horizon_days)
        store = past.memo if not _versions(past) else {}
        self._prepared: dict[pd.Timestamp, Prepared | None] = {}
        self._said: dict[tuple[pd.Timestamp, Memory], Forecast] = store.setdefault(("rehearsed", settings, share), {})
        self._first: dict[pd.Timestamp, LeadTimes] = {}
        self._came: dict[pd.Timestamp, Outcome] = {}
        wanted = past.config.lead_time.rehearsals
        last = (past.day - pd.Timestamp(0)).days - SPACING
        numbers = [last - last % SPACING - SPACING * i for i in range(wanted)]
        days = [pd.Timestamp(x, unit="D").as_unit("us") for x in numbers]
        self.days = [x for x in days if any(day == x for day, _ in self._said) or self._prepare(x) is not None]

    def _prepare(self, day: pd.Timestamp) -> Prepared | None:
        if day not in self._prepared:
            known = self.past.purchases_on(day)
            rows = known.purchases
            few = (rows["received_qty"] > 0).sum() < _RECEIVED or (rows["open_qty"] > 0).sum() < _OPEN
            self._prepared[day] = None if few else Prepared.of(known)
        return self._prepared[day]

    def said(self, day: pd.Timestamp, memory: Memory) -> Forecast:
        """What was said on a day with a memory."""
        if (day, memory) not in self._said:
            prepared = self._prepare(day)
            assert prepared is not None
            if day not in self._first:
                self._first[day] = prepared.fit(self.first)
            lead_times, plain = self._first[day], replace(memory, restated=False)
            if plain != self.first:
                lead_times = prepared.fit(plain, lead_times)
            if memory.restated:
                lead_times = prepared.by_statements(lead_times, plain)
            rows = lead_times.open_rows
            table = lead_times.plain_table.astype(np.float32)
            self._said[day, memory] = Forecast(
                day, rows["po_line_id"], rows["supplier_id"], table, lead_times.overdue,
                features(lead_times) if self.past.config.lead_time.challenger else np.zeros((len(rows), 0)),
            )  # fmt: skip
        return self._said[day, memory]

    def came(self, said: Forecast) -> Outcome:
        """What is known by now of what was open then; the same for every memory."""
        if said.day not in self._came:
            self._came[said.day] = self._outcome(said)
        return self._came[said.day]

    def _outcome(self, said: Forecast) -> Outcome:
        end = said.day + pd.Timedelta(days=1)
        receipts = self.past.tables["receipts"]
        later = receipts[receipts["received_at"] >= end].groupby("po_line_id")["received_at"].min()
        came = later.reindex(said.ids.array)
        rows = self.past.purchases.set_index("po_line_id").reindex(said.ids.array)
        gone = rows["last_cancelled_at"].where(rows["open_qty"] <= 0)
        last = came.fillna(gone).fillna(self.past.day).dt.floor("D")
        days = np.maximum((last - said.day).dt.days.to_numpy(np.int64), 0)
        seen = came.notna().to_numpy()
        # on the day of its cancellation it was not seen to wait to the end
        return Outcome(np.where(seen | gone.isna().to_numpy(), days, np.maximum(days - 1, 0)), seen)


def _versions(past: Past) -> bool:
    """Whether what an earlier day knew may look different from here: rows that replaced others."""
    dated = ("purchase_lines", "receipts", "purchase_cancellations", "purchase_promises")
    return any(past.tables[x]["known_at"].notna().any() for x in (*dated, "items", "suppliers", "calendar"))


def _sampled(past: Past) -> tuple[Past, float]:
    """What is known of the purchases of so many suppliers, by the hash of their ids, that a rehearsal stays small; and
    their share, a half, a quarter, …"""
    lines = past.tables["purchase_lines"]
    share = 0.5 ** max(0, int(np.ceil(np.log2(max(len(lines), 1) / _MOST))))
    if share == 1.0:
        return past, share
    bought = past.purchases["supplier_id"]
    names = pd.Series(bought.unique())
    chosen = set(names[text_hashes(names) / 2.0**64 < share])
    kept = set(past.purchases.loc[bought.isin(chosen), "po_line_id"])
    dated = ("purchase_lines", "receipts", "purchase_cancellations", "purchase_promises")
    some = {name: past.tables[name][past.tables[name]["po_line_id"].isin(kept)] for name in dated}
    return replace(past, tables=past.tables | some), share


def choose(rehearsals: Rehearsals, memories: list[Memory]) -> Memory:
    """The memory whose forecasts came truest; the first, unless another is better beyond chance.

    By the squared distance of the distribution function from what happened, summed over days (the continuous ranked
    probability score), as far as every purchase was followed. Standard errors by supplier, where there are some.
    """
    days = rehearsals.days[:: max(1, len(rehearsals.days) // _CHOOSING)][:_CHOOSING]
    if not days or len(memories) == 1:
        return memories[0]
    scores = [np.concatenate([_score(rehearsals, rehearsals.said(day, x)) for day in days]) for x in memories]
    apart = _clusters([rehearsals.said(day, memories[0]) for day in days])
    best, most = memories[0], 0.0
    for memory, score in zip(memories[1:], scores[1:], strict=True):
        saved, error = total_and_error(scores[0] - score, apart)
        if saved - _DOUBT * error > most:
            best, most = memory, saved - _DOUBT * error
    return best


def _clusters(told: list[Forecast]) -> np.ndarray:
    """The suppliers of all purchases told of, which share their fate; where these are few the purchases themselves,
    since few suppliers cannot say how much chance there is between them [cases]."""
    suppliers = np.concatenate([x.supplier.to_numpy(object) for x in told])
    few = len(pd.unique(suppliers)) < _FEW
    return np.concatenate([x.ids.to_numpy(object) for x in told]) if few else suppliers


def _score(rehearsals: Rehearsals, said: Forecast) -> np.ndarray:
    """Days of squared distance of each purchase."""
    came = rehearsals.came(said)
    days = min(said.table.shape[1], (rehearsals.past.day - said.day).days)
    k = np.arange(1, days + 1)[None, :]
    happened = (came.day[:, None] <= k) & came.seen[:, None]
    followed = came.seen[:, None] | (k <= came.day[:, None])
    found: np.ndarray = (((said.table[:, :days] - happened) ** 2) * followed).sum(axis=1)
    return found


def learn_correction(rehearsals: Rehearsals, memory: Memory) -> tuple[Correction, list[str]]:
    """What the rehearsals say of levels, and a note where there is too little to say."""
    parts = []
    for day in rehearsals.days:
        said = rehearsals.said(day, memory)
        low, high = transforms(said.table, rehearsals.came(said))
        age = (rehearsals.past.day - day).days
        parts.append(
            pd.DataFrame({"id": said.ids.to_numpy(object), "supplier": said.supplier.to_numpy(object), "low": low,
                          "high": high, "overdue": said.overdue, "fading": 0.5 ** (age / _FADING)})
        )  # fmt: skip
    if not parts:
        return Correction(), ["forecasts of open purchases are not corrected: too little history to replay past days"]
    cases = pd.concat(parts, ignore_index=True)
    states, counts, notes = [], [], []
    for name, late in (("not yet due", False), ("overdue", True)):
        part = cases[cases["overdue"] == late]
        counts.append(int(part["id"].nunique()))
        enough = counts[-1] >= _LEARNED
        states.append(_of_state(part) if enough else (0.0, 1.0))
        if not enough:
            notes.append(f"forecasts of purchases {name} are not corrected: only {counts[-1]} were open on past days")
    return Correction((states[0], states[1]), (counts[0], counts[1])), notes


def learn_challenger(rehearsals: Rehearsals, memory: Memory, correction: Correction) -> Challenger | None:
    """Trees over what else is known of open purchases, if those trained on older past days, with what was known by the
    latest ones, made what came of the purchases open on these likelier than the corrected law did."""
    days = rehearsals.days
    older, latest = days[len(days) // 2 :], days[: len(days) // 2]
    if not latest:
        return None
    then = min(latest)
    first = trained(past_cases(rehearsals, older, memory, correction, then))
    if first is None:
        return None
    better, error = gain(first, past_cases(rehearsals, latest, memory, correction, rehearsals.past.day))
    if better - _DOUBT * error <= 0.0:
        return None
    return trained(past_cases(rehearsals, days, memory, correction, rehearsals.past.day))


def past_cases(
    rehearsals: Rehearsals, days: list[pd.Timestamp], memory: Memory, correction: Correction, by: pd.Timestamp
) -> Cases:
    """Purchases open on past days, and what was known of them by a later one."""
    parts = []
    for day in days:
        said = rehearsals.said(day, memory)
        law = correction.applied(said.table, said.overdue)
        low, high = transforms(law, rehearsals.came(said).until((by - day).days))
        weight = np.full(len(low), 0.5 ** ((rehearsals.past.day - day).days / _FADING))
        parts.append((said.features, low, high, weight))
    told = [rehearsals.said(day, memory) for day in days]
    known, low, high, weight = (np.concatenate(x) for x in zip(*parts, strict=True))
    return Cases(known, low, high, weight, _clusters(told))


def _of_state(cases: pd.DataFrame) -> tuple[float, float]:
    """A purchase that was open on several days counts as often as any other on each of them, or the slow ones would
    count less; all cases together count for the purchases that they are, less where those of one supplier are many."""
    once = cases["id"].nunique() / len(cases)
    of_supplier = cases.groupby("supplier")["id"].nunique()
    alike = (of_supplier * (1.0 + _ALIKE * (of_supplier - 1.0))).sum() / of_supplier.sum()
    weight = cases["fading"].to_numpy() * once / alike
    return fitted(cases["low"].to_numpy(float), cases["high"].to_numpy(float), weight)


def transforms(table: np.ndarray, came: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """Between which values of its law each outcome lies [rows]; to 1 where it was not seen, or beyond the table."""
    closed = np.concatenate([np.zeros((len(table), 1)), table], axis=1)
    last = table.shape[1]
    seen = came.seen & (came.day <= last)
    at = np.minimum(came.day, last)
    rows = np.arange(len(table))
    high = np.where(seen, closed[rows, at], 1.0)
    low = np.where(seen, closed[rows, np.maximum(at - 1, 0)], closed[rows, at])
    return low, np.maximum(high, low)


def learn_alike(rehearsals: Rehearsals, memory: Memory) -> float:
    """Correlation of the normal scores of purchases of one supplier that are open on the same day.

    From how often two came both by their medians: of a bivariate normal, more often than one in four by
    arcsin(r) / 2π (Sheppard 1899). Of purchases whose law says that by now the median is over, so that it is known of
    every one; pairs of a supplier on a day count like half as many as it has purchases.
    """
    total, count = 0.0, _PAIRS
    for day in rehearsals.days:
        said = rehearsals.said(day, memory)
        came = rehearsals.came(said)
        last = min(said.table.shape[1], (rehearsals.past.day - day).days)
        known = (said.table[:, last - 1] >= 0.5) & (came.seen | (came.day >= last))
        if not known.any():
            continue
        low, high = transforms(said.table, came)
        by_median = np.clip((0.5 - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)[known]
        code = pd.factorize(said.supplier[known])[0]
        apart = by_median - by_median.mean()
        n = np.bincount(code)
        pairs = (np.bincount(code, apart) ** 2 - np.bincount(code, apart**2)) / 2.0
        several = n > 1
        total += float((pairs[several] / (n[several] - 1.0)).sum())
        count += float(n[several].sum()) / 2.0
    found = float(np.clip(np.sin(2.0 * np.pi * total / count), 0.0, 0.9))
    return found if found >= _HARDLY else 0.0
