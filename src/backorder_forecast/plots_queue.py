"""Pictures of the queue: how one waiting line fares in chosen scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .plots import BLUE, GREEN, GREY, ORANGE, RED, _at, _axes, _date_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .explain import Explanation

_LOOKS = {
    "receipt": ("^", BLUE, "receipt of a purchase"),
    "purchase cancelled": ("X", RED, "purchase cancelled"),
    "line before leaves": ("|", GREY, "a line before it leaves"),
    "line before cancels": ("x", ORANGE, "a line before it cancels"),
    "line leaves": ("*", GREEN, "it leaves"),
}


def plot_explain(explained: Explanation, *, ax: Axes | None = None) -> Axes:
    """Draw how a line fares in its best, median and worst scenario: receipts, lines before it, and when it leaves.

    explained: of ``Run.explain``. A line that still waits at the end of the horizon has no star.
    """
    replay, line = explained.replay, explained.line
    names = list(dict.fromkeys(replay["scenario"]))
    ax = _axes(ax, 0.55 * len(names) + 1.7)
    row = replay["scenario"].map({name: i for i, name in enumerate(names)}).to_numpy(float)
    known = replay["date"].notna().to_numpy()
    for event, (mark, colour, label) in _LOOKS.items():
        mine = known & (replay["event"] == event).to_numpy()
        size = 13 if mark == "*" else 8
        if mine.any():
            ax.plot(replay.loc[mine, "date"], row[mine], mark, color=colour, ms=size, label=label, zorder=3)
    for i, name in enumerate(names):
        last = replay.loc[(replay["scenario"] == name) & known, "date"].max()
        last = explained.as_of if pd.isna(last) else last
        ax.hlines(i, _at(explained.as_of), _at(last), color=GREY, lw=0.8)
        if not known[row == i].all():  # only its own leaving can lie beyond the horizon
            ax.text(_at(last), i - 0.12, " still waits …", va="bottom", fontsize="small", color=RED)
    ax.axvline(_at(explained.as_of), color="black", lw=0.8)
    if line.get("promised_date"):
        ax.axvline(_at(pd.Timestamp(line["promised_date"])), color=RED, lw=1.0, ls="--", label="promised")
    ax.set_title(f"Line {line['line_id']}: {line['open_qty']:g} of {line['item_id']}", parse_math=False)
    _date_axis(ax)
    ax.set_yticks(np.arange(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")
    return ax
