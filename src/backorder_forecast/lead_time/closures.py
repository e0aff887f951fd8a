"""Days on which a supplier is shut, and time counted without them.

A purchase that is open across its supplier's closure takes that much longer, so its duration is counted in days on
which the supplier works, and what is learned from these days is laid out again on the calendar ahead. What a closure
does is seen at our door, perhaps weeks later, when what had left before it has arrived: each supplier's closures are
moved to where least was received of it. A supplier of whom as much comes then as at other times is not taken as shut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ..past import Past

LAGS = (0, 3, 7, 14, 21, 28, 35, 42)  # days after which a closure may be felt
_FELT = 0.5  # share of its usual receipts, up to which a supplier counts as shut,
_EXPECTED = 5.0  # where so many receipts would have been usual


@dataclass(frozen=True)
class Closures:
    """Shut days of suppliers, counted from the day `first` on.

    suppliers: ids, sorted, of those with any, each with its row of shut_before [rows + 1 × days + 1]: shut days before
    each day; the last row: of a supplier that never shuts.
    """

    first: np.datetime64
    suppliers: np.ndarray
    row: np.ndarray
    shut_before: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether any supplier is ever shut."""
        return len(self.suppliers) > 0

    def rows(self, supplier: pd.Series) -> np.ndarray:
        """The row of each supplier in `shut_before`."""
        codes, unique = pd.factorize(supplier)
        place = pd.Index(self.suppliers).get_indexer(pd.Index(np.asarray(unique, dtype=object)))
        found: np.ndarray = np.append(np.append(self.row, len(self.shut_before) - 1)[place], -1)[codes]
        return found

    def shut(self, row: np.ndarray, begin: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Shut days among the `days` days that begin with each day `begin` (whole numbers from `first`) [rows]."""
        last = self.shut_before.shape[1] - 1
        end, start = np.clip(begin + days, 0, last).astype(np.int64), np.clip(begin, 0, last).astype(np.int64)
        found: np.ndarray = self.shut_before[row, end] - self.shut_before[row, start]
        return found

    def worked(self, row: np.ndarray, origin: pd.Timestamp, days: int) -> np.ndarray:
        """Days that count among the k days after `origin`, k = 0 … `days`, for each row [rows × days + 1]."""
        begin, k = self._place(origin) + 1, np.arange(days + 1)
        of_row = np.arange(len(self.shut_before))[:, None]
        worked: np.ndarray = k - self.shut(of_row, np.array([[begin]]), k[None, :])
        return np.asarray(worked[row])

    def place(self, dates: pd.Series) -> np.ndarray:
        """The number of each date."""
        numbers: np.ndarray = (dates.to_numpy("datetime64[D]") - self.first).astype(np.int64)
        return numbers

    def _place(self, day: pd.Timestamp) -> int:
        return int(self.place(pd.Series([day]))[0])

    def between(self, supplier: pd.Series, begin: pd.Series, end: pd.Series) -> np.ndarray:
        """Shut days from `begin` on, before the day of `end` (0 where it is none) [rows]."""
        start = self.place(begin)
        stop = np.where(end.isna(), start, self.place(end.fillna(begin)))
        return np.asarray(self.shut(self.rows(supplier), start, np.maximum(stop - start, 0)))


def no_closures(first: np.datetime64) -> Closures:
    """Nobody is ever shut."""
    return Closures(first, np.zeros(0, object), np.zeros(0, np.int64), np.zeros((1, 2), np.int64))


NO_CLOSURES = no_closures(np.datetime64("1970-01-01", "D"))


def supplier_closures(past: Past, rows: pd.DataFrame, first: np.datetime64, days: int) -> Closures:
    """Closures of the suppliers of purchase lines, from the rows of `calendar` that name them, as `days` days from
    `first` feel them."""
    calendar = past.tables["calendar"]
    off = calendar["supplier_id"].notna() & calendar["working"].eq(False).fillna(False)
    stated = calendar.loc[off & calendar["location_id"].isna(), ["supplier_id", "date"]].drop_duplicates()
    stated = stated[stated["supplier_id"].isin(rows["supplier_id"].unique())]
    if stated.empty:
        return no_closures(first)
    came = rows.loc[rows["first_received_at"].notna(), ["supplier_id", "first_received_at"]]
    took_place = {str(name): part.to_numpy("datetime64[D]") for name, part in
                  came["first_received_at"].groupby(came["supplier_id"])}  # fmt: skip
    today = past.day.to_datetime64().astype("datetime64[D]")
    names, shut, unfelt = [], [], []
    for name, dates in stated.groupby("supplier_id", sort=True)["date"]:
        felt = _felt(dates.to_numpy("datetime64[D]"), took_place.get(str(name), np.zeros(0, "datetime64[D]")), today)
        if felt is None:
            unfelt.append(str(name))
            continue
        names.append(str(name))
        shut.append(np.isin(first + np.arange(days), felt))
    if not names:
        return Closures(first, np.zeros(0, object), np.zeros(0, np.int64), np.zeros((1, 2), np.int64), _note(unfelt))
    kinds, row = np.unique(np.array(shut), axis=0, return_inverse=True)
    before = np.cumsum(np.vstack([kinds, np.zeros((1, days), bool)]), axis=1)
    padded = np.concatenate([np.zeros((len(before), 1), np.int64), before], axis=1)
    return Closures(first, np.array(names, object), np.ravel(row).astype(np.int64), padded, _note(unfelt))


def _note(unfelt: list[str]) -> tuple[str, ...]:
    if not unfelt:
        return ()
    some = ", ".join(unfelt[:3]) + (" …" if len(unfelt) > 3 else "")
    return (f"closures of {len(unfelt)} suppliers in the calendar are not taken as such, since goods come then as at "
            f"other times: {some}",)  # fmt: skip


def _felt(stated: np.ndarray, came: np.ndarray, today: np.datetime64) -> np.ndarray | None:
    """The stated shut days as our receipts feel them, `came` being the days of these; None: not at all.

    Moved by the lag at which least came, unless hardly less came than without one (two standard errors).
    """
    if not len(came):
        return stated
    counts = np.array([np.isin(came, stated + lag).sum() for lag in LAGS])
    best = int(np.argmin(counts))
    lag = best if counts[0] > counts[best] + 2.0 * np.sqrt(counts[0]) else 0
    moved = stated + LAGS[lag]
    seen = (moved >= came.min()) & (moved <= today)
    watched = float((today - came.min()).astype(np.int64) + 1)
    usual = (len(came) - counts[lag]) / max(watched - seen.sum(), 1.0) * seen.sum()
    return None if usual >= _EXPECTED and counts[lag] > _FELT * usual else moved
