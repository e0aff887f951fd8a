"""Frames → tables of plain values, capped, with the place where the rest is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from .model import Column, Kind, Table, Value

if TYPE_CHECKING:
    from ..result import Run

LONGEST = 90  # characters of a text in a cell


@dataclass(frozen=True)
class Look:
    """How much to show: ``first`` rows at once, ``most`` in the page; ``several``: more than one location."""

    run: Run
    first: int
    most: int

    @property
    def several(self) -> bool:
        """Whether the run has more than one location; one alone needs no column."""
        places: set[Any] = set()
        for name in ("line_eta", "backorder_risk", "purchase_eta", "reorder_points"):
            frame = self.run.table(name)
            if frame is not None:
                places |= set(frame["location_id"].unique())
        return len(places) > 1


@dataclass(frozen=True)
class Shown:
    """A column of a frame and how it is headed."""

    name: str
    title: str
    kind: Kind = "text"
    help: str = ""
    optional: bool = False  # left out where the frame has nothing in it


def tabulate(
    look: Look, frame: pd.DataFrame, source: str, caption: str, shown: Sequence[Shown], id: str = "",
    *, total: int | None = None, empty: str = "Nothing to show.",
) -> Table:  # fmt: skip
    """Return the first rows of ``frame`` as a table; ``source`` names the file that has all of them.

    ``total``: how many rows there are in all, where ``frame`` is a choice of them. ``empty``: what stands in
    place of a table without rows.
    """
    wanted = [one for one in shown if _has(look, frame, one)]
    head = frame.head(look.most)
    cells = [[_value(value, one.kind) for value in head[one.name].tolist()] for one in wanted]
    return Table(
        id=(id or source).replace("_", "-"),
        caption=caption,
        columns=[Column(one.title, one.kind, one.help) for one in wanted],
        rows=list(zip(*cells, strict=True)),
        total=len(frame) if total is None else total,
        first=look.first,
        file=f"{source}.parquet" if source else "",
        empty=empty,
    )


def described(frame: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add ``description`` of each row's item, where the run knows any that says more than the id."""
    skus = run.state.get("skus")
    if skus is None or "description" not in skus or "item_id" not in frame:
        return frame
    telling = skus["description"].notna() & (skus["description"] != skus["item_id"])
    names = skus[telling].drop_duplicates("item_id").set_index("item_id")["description"]
    return frame.assign(description=frame["item_id"].map(names))


def _has(look: Look, frame: pd.DataFrame, one: Shown) -> bool:
    if one.name == "location_id" and not look.several:
        return False
    if one.name not in frame.columns:
        return False
    return not one.optional or bool(frame[one.name].notna().any())


def _value(value: Any, kind: Kind) -> Value:
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if kind == "date":
        return pd.Timestamp(value).date()
    if kind in ("qty", "money", "percent", "days"):
        return float(value)
    if kind == "count":
        return int(value)
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
