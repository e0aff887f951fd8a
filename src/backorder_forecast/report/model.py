"""The plain summary of a run: what a report says, before it is drawn as a page or a workbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Kind = Literal["text", "id", "long", "badge", "qty", "money", "percent", "days", "date", "count"]
Value = str | float | int | date | None
NUMBERS: frozenset[str] = frozenset({"qty", "money", "percent", "days", "count"})


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, what it holds, and a sentence on what it means."""

    title: str
    kind: Kind = "text"
    help: str = ""

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS


@dataclass(frozen=True)
class Table:
    """Rows to read. ``total`` rows exist, ``rows`` are in here, the first ``first`` are shown at once."""

    id: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    total: int
    first: int
    file: str = ""  # where all rows are
    empty: str = "Nothing to show."

    @property
    def left_out(self) -> int:
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Chart:
    """A picture as SVG, with the words for those who do not see it."""

    svg: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Figure:
    """A headline figure; ``tone`` is "bad", "warn", "good" or ""."""

    label: str
    value: Value
    kind: Kind = "count"
    detail: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the report. Where ``missing`` is set, that sentence stands in place of its content."""

    id: str
    title: str
    lead: str = ""
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    lists: Sequence[tuple[str, Sequence[str]]] = ()  # (heading, sentences)
    missing: str = ""


@dataclass(frozen=True)
class Summary:
    """Everything that a report of one run says."""

    title: str
    as_of: date
    figures: Sequence[Figure]
    sections: Sequence[Section]
    about: Sequence[tuple[str, str]] = field(default_factory=tuple)
