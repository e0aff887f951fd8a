"""The books of cleaning: sheets (tables being cleaned), rows set aside, repairs, problems and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from .coerce import Bools
from .config import Data
from .errors import Problem
from .schema import INPUT
from .tables import conform, empty


@dataclass
class Sheet:
    """One table while it is cleaned: columns in canonical types, positions, and which rows are still kept."""

    name: str
    columns: dict[str, pd.Series]
    position: np.ndarray
    source: np.ndarray  # places in `sources`
    sources: tuple[str, ...]
    keep: Bools = field(default_factory=lambda: np.zeros(0, bool))
    total: int = 0
    gone: Bools = field(default_factory=lambda: np.zeros(0, bool))  # by a configured repair: not bad
    noted: dict[str, Bools] = field(default_factory=dict)  # rows already set aside, by column

    def __post_init__(self) -> None:
        if not len(self.keep):
            self.keep = np.ones(len(self.position), bool)
        if not len(self.gone):
            self.gone = np.zeros(len(self.position), bool)

    @classmethod
    def joined(cls, parts: Sequence[Sheet]) -> Sheet:
        """Put the feeds of a table below each other; a column that a feed lacks is empty for it."""
        if len(parts) == 1:
            return parts[0]
        name = parts[0].name
        names = [c.name for c in INPUT[name].columns if any(c.name in part.columns for part in parts)]
        frames = [conform_some(name, part.columns, names, len(part.keep)) for part in parts]
        columns = {column: pd.concat([f[column] for f in frames], ignore_index=True) for column in names}
        return cls(
            name,
            columns,
            np.concatenate([part.position for part in parts]),
            np.concatenate([np.full(len(part.keep), i, "int16") for i, part in enumerate(parts)]),
            tuple(", ".join(part.sources) for part in parts),
            np.concatenate([part.keep for part in parts]),
            sum(part.total for part in parts),
            np.concatenate([part.gone for part in parts]),
        )

    def unusable(self, data: Data) -> bool:
        """Whether more of the table has been set aside than the configuration allows."""
        bad = self.total - int((self.keep | self.gone).sum())
        return bad > data.max_rejected_share * max(1, self.total)

    def dates(self) -> np.ndarray | None:
        """Return the days of the facts; None for a table without dates."""
        dated = INPUT[self.name].dated
        return self.columns[dated].to_numpy("datetime64[D]") if dated in self.columns else None

    def kept(self, name: str) -> pd.Series:
        """Return a column of the rows still kept."""
        column = self.columns[name]
        return column if self.keep.all() else column[self.keep]


def conform_some(
    table: str, columns: Mapping[str, pd.Series], names: Iterable[str], rows: int
) -> dict[str, pd.Series]:
    """Return the named columns; those that are absent get the type of the table and nothing (no default)."""
    blank = empty(table)
    return {name: columns.get(name, blank[name].reindex(range(rows)) if blank[name].dtype != bool
                              else pd.Series(pd.NA, index=range(rows), dtype="boolean"))
            for name in names}  # fmt: skip


class Ledger:
    """Collects what happens to the rows of all tables."""

    def __init__(self, data: Data, problems: list[Problem] | None = None) -> None:
        self.data = data
        self.problems: list[Problem] = problems or []
        self.warnings: list[str] = []
        self._rejects: list[pd.DataFrame] = []
        self._repairs: dict[tuple[str, str | None, str], tuple[int, str]] = {}

    def problem(self, problem: Problem) -> None:
        """Note what makes a table unusable."""
        self.problems.append(problem)

    def warn(self, text: str) -> None:
        """Note what a person should look at."""
        self.warnings.append(text)

    def repaired(self, table: str, column: str | None, what: str, rows: int, example: str) -> None:
        """Count a repair; the same repair of several feeds is one entry."""
        before, first = self._repairs.get((table, column, what), (0, example))
        self._repairs[table, column, what] = (before + int(rows), first)

    def reject(
        self,
        sheet: Sheet,
        bad: Bools,
        column: str | None,
        check: str,
        remedy: str,
        values: Sequence[Any] | None,
    ) -> None:
        """Set rows aside; ``values`` as found, one for each bad row (None: those of the column)."""
        rows = np.flatnonzero(bad & ~sheet.gone)
        if not len(rows):
            return
        if values is not None and len(values) != len(rows):
            values = [
                value for value, row in zip(values, np.flatnonzero(bad), strict=True) if not sheet.gone[row]
            ]
        sheet.keep[rows] = False
        before = sheet.noted.get(column or "")
        sheet.noted[column or ""] = bad if before is None else before | bad
        if values is None:
            values = shown(sheet.columns[column].iloc[rows]) if column in sheet.columns else [""] * len(rows)
        sources = np.array(sheet.sources, object)[sheet.source[rows]]
        self._add(sheet.name, sheet.position[rows], column, check, values, remedy, sources)

    def reject_broken(self, table: str, source: str, broken: Sequence[tuple[int, str, str]]) -> None:
        """Set lines aside that do not fit their header."""
        if broken:
            positions, texts, reasons = zip(*broken, strict=True)
            remedy = f"{reasons[0]}; quote texts that hold the delimiter"
            self._add(
                table, np.array(positions), None, "has as many columns as the header", texts, remedy, source
            )

    def drop(self, sheet: Sheet, rows: Bools, column: str | None, what: str) -> None:
        """Leave rows out by a configured repair, and count them."""
        rows = rows & sheet.keep
        if rows.any():
            example = shown(sheet.columns[column][rows].iloc[:1])[0] if column in sheet.columns else ""
            sheet.keep &= ~rows
            sheet.gone |= rows
            self.repaired(sheet.name, column, what, int(rows.sum()), example)

    def judge_shares(self, sheets: Mapping[str, Sheet]) -> None:
        """Turn what was set aside into problems where it is more than the configured share of a table."""
        rejects = self.rejected_rows()
        for name, group in rejects.groupby("table", sort=False):
            sheet = sheets.get(str(name))
            if sheet is None or sheet.unusable(self.data):
                self.problems += _as_problems(group, sheet.total if sheet else len(group))

    def rejected_rows(self) -> pd.DataFrame:
        """Return all rows set aside, in a fixed order."""
        if not self._rejects:
            return empty("rejected_rows")
        rows = conform("rejected_rows", pd.concat(self._rejects, ignore_index=True))
        order = {name: place for place, name in enumerate(INPUT)}
        by = ["place", "source", "row", "column", "check"]
        placed = rows.assign(place=rows["table"].map(order).fillna(len(order)))
        return placed.sort_values(by, ignore_index=True).drop(columns="place")

    def cleaning_log(self) -> pd.DataFrame:
        """Return every repair with its count."""
        rows = [(*key, *value) for key, value in self._repairs.items()]
        names = ["table", "column", "repair", "rows", "example"]
        return conform("cleaning_log", pd.DataFrame(rows, columns=names)) if rows else empty("cleaning_log")

    def _add(
        self,
        table: str,
        rows: np.ndarray,
        column: str | None,
        check: str,
        values: Any,
        remedy: str,
        source: Any,
    ) -> None:
        where = f"{table}.{column}" if column else table
        self._rejects.append(
            pd.DataFrame(
                {
                    "table": table,
                    "row": rows,
                    "column": column or "",
                    "check": check,
                    "value": [str(value)[:200] for value in values],
                    "reason": f"{where}: not so: {check}. {remedy}",
                    "source": source,
                }
            )
        )


def shown(values: pd.Series) -> list[str]:
    """Return values as a person writes them."""
    if values.dtype.kind == "M":
        days = values.dt.strftime("%Y-%m-%d %H:%M:%S").str.replace(" 00:00:00", "", regex=False)
        return [str(day) for day in days.fillna("")]
    if values.dtype.kind == "f":
        return ["" if np.isnan(value) else f"{value:.12g}" for value in values]
    return ["" if pd.isna(value) else str(value) for value in values]


def _as_problems(group: pd.DataFrame, total: int) -> list[Problem]:
    problems, table = [], str(group["table"].iloc[0])
    for (column, check), rows in group.groupby(["column", "check"], sort=False):
        examples = tuple(sorted(set(rows["value"].fillna("")) - {""})[:5])
        remedy = str(rows["reason"].iloc[0]).split(f"not so: {check}. ", 1)[-1]
        share = len(rows) / max(1, total)
        problems.append(Problem(table, str(column) or None, str(check), len(rows), share, examples, remedy))
    return problems
