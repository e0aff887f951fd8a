"""Run → plain summary → one self-contained page.

>>> import pandas as pd
>>> from backorder_forecast.config import Config
>>> from backorder_forecast.result import Run
>>> run = Run(pd.Timestamp("2026-06-30"), Config(), seed=1, tables={}, missing={"line_eta": "no order lines"})
>>> b"no order lines" in render(run)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .html import page
from .summary import summarise

if TYPE_CHECKING:
    from ..result import Run

__all__ = ["render", "summarise"]

LARGEST = 4_800_000  # bytes of a page: it has to open at once, and to pass as an attachment


def render(run: Run) -> bytes:
    """Return the report of a run as one HTML file that fetches nothing; the same run gives the same bytes.

    Where the page would grow too large, tables keep fewer rows; they say how many are in which file.
    """
    rows = run.config.report.max_rows
    content = page(summarise(run, rows))
    while len(content) > LARGEST and rows > 1:
        rows //= 2
        content = page(summarise(run, rows))
    return content
