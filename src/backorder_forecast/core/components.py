"""One component of a queue problem by itself, and the days on which its lines leave, scenario by scenario."""

from typing import Any

import numpy as np

from . import queue_kernel as kernel

_BY_SKU = ("class_from", "class_share", "weekday", "levels", "chance", "kind_cum", "kind_key", "kind_step")


def one_component(p: kernel.Problem, c: int) -> kernel.Problem:
    """Component c as a problem of its own, each of its lines with a slot. Tables that all share stay shared."""
    g0, g1 = p.component["sku"][c : c + 2]
    order0, order1 = p.component["order"][c : c + 2]
    sku = p.sku[g0:g1].copy()
    lines, bought = slice(sku["line_from"][0], sku["line_to"][-1]), slice(sku["po_from"][0], sku["po_to"][-1])
    for name, first in (("line", lines.start), ("po", bought.start)):
        sku[f"{name}_from"] -= first
        sku[f"{name}_to"] -= first
    sku["path"] = -1
    line = p.line[lines].copy()
    line["order"] = np.where(line["order"] >= 0, line["order"] - order0, -1)
    line["peg_from"] -= line["peg_from"][0] if line.size else 0
    line["slot"] = np.arange(line.size)
    component = np.array([(0, 0), (g1 - g0, order1 - order0)], kernel.COMPONENT)
    own: dict[str, Any] = {name: np.ascontiguousarray(getattr(p, name)[g0:g1]) for name in _BY_SKU}
    own["class_from"] = own["class_from"] - lines.start
    return p._replace(
        sku=sku, line=line, component=component, order_lines=p.order_lines[order0:order1],
        line_draw=p.line_draw[lines], po_qty=p.po_qty[bought], po_draw=p.po_draw[bought], **own,
    )  # fmt: skip


def with_line(
    p: kernel.Problem, g: int, at: int, line: np.ndarray, draw: np.ndarray, above: np.ndarray
) -> kernel.Problem:  # fmt: skip
    """A problem of one component with one line more: SKU g's, at this place among all its lines.

    line: LINE [1]; draw: LINE_DRAW [1 × scenarios]; above [classes]: whether each class is served after the line's.
    """
    sku, more = p.sku.copy(), np.arange(p.sku.size) > g
    sku["line_from"] += more
    sku["line_to"][g:] += 1
    lines = np.concatenate([p.line[:at], line, p.line[at:]])
    widths = kernel.FIRST_PURCHASE + sku["po_to"] - sku["po_from"]
    width = np.repeat(widths, sku["line_to"] - sku["line_from"])
    lines["peg_from"] = np.cumsum(width) - width
    lines["slot"] = np.arange(lines.size)
    class_from = p.class_from + more[:, None]
    class_from[g] += np.append(above, True)
    return p._replace(sku=sku, line=lines, class_from=class_from,
                      line_draw=np.concatenate([p.line_draw[:at], draw, p.line_draw[at:]]))  # fmt: skip


def tally_of(p: kernel.Problem) -> kernel.Tally:
    """Empty counters of a problem whose lines all have slots."""
    n, days, lines = p.sku.size, p.horizon + 2, p.line.size
    purchases = p.sku["po_to"] - p.sku["po_from"]
    pegs = int(((kernel.FIRST_PURCHASE + purchases) * (p.sku["line_to"] - p.sku["line_from"])).sum())
    return kernel.Tally(
        np.zeros((lines, days), kernel.LINE_DAY), np.zeros((lines, p.scenarios), np.int16),
        np.zeros((lines, p.scenarios), np.int16), np.zeros(lines, np.int64), np.zeros(pegs, np.int64),
        np.zeros((n, p.risk_days.size), kernel.RISK), np.zeros((n, days), np.int64), np.zeros((n, 2), np.int64),
        np.zeros((0, 2, p.scenarios, p.horizon), np.float32), np.zeros((0, p.scenarios, 4)),
    )  # fmt: skip


def simulated(p: kernel.Problem) -> kernel.Tally:
    """What happens in a problem of one component whose lines all have slots."""
    tally = tally_of(p)
    kernel.simulate_components(p, tally, 0, 1)
    return tally


def departures(slot: np.ndarray, order: np.ndarray, tally: kernel.Tally) -> np.ndarray:
    """Days on which lines with slots leave, each if it goes on waiting [lines × scenarios]: by themselves, or with the
    others of their ship-complete order (−1: none)."""
    days: np.ndarray = tally.own_day[slot].copy()
    tied = order >= 0
    if tied.any():
        days[tied] = _together(slot[tied], order[tied], tally)
    return days


def _together(slot: np.ndarray, order: np.ndarray, tally: kernel.Tally) -> np.ndarray:
    days: np.ndarray = np.maximum(tally.own_day[slot], held_by_others(slot, order, tally))
    return days


def held_by_others(slot: np.ndarray, order: np.ndarray, tally: kernel.Tally) -> np.ndarray:
    """The day from which no other line keeps each of the lines of ship-complete orders [lines × scenarios].

    A line leaves when it is ready and no other line keeps it: by not being ready and not cancelled.
    """
    release = tally.release_day[slot]
    shape = (int(order.max(initial=-1)) + 1, release.shape[1])
    last, second, holders = (np.zeros(shape, np.int16) for _ in range(3))
    np.maximum.at(last, order, release)
    holds = release == last[order]
    np.add.at(holders, order, holds)
    np.maximum.at(second, order, np.where(holds, np.int16(0), release))
    found: np.ndarray = np.where(holds & (holders[order] == 1), second[order], last[order])
    return found


def ends(p: kernel.Problem, days: np.ndarray) -> np.ndarray:
    """The day on which each line leaves or its customer does, whichever comes first [lines × scenarios].

    days: on which it leaves if it goes on waiting. What is committed leaves, whoever has had enough meanwhile: a line
    that leaves no later than goods committed on the last working day before would.
    """
    place = np.repeat(p.sku["location"], p.sku["line_to"] - p.sku["line_from"])[:, None]
    cancel = p.line_draw["cancel"].astype(np.int64)
    cancels = (cancel > 0) & (cancel <= p.horizon)
    before = p.calendar["next"][place, np.where(cancels, cancel, 0)] - 1
    at = np.clip(before + p.line_draw["handling"], 0, p.working_days.shape[1] - 1)
    gone = cancels & ((before < 0) | (days > p.working_days[place, at]) | (p.line["order"] >= 0)[:, None])
    found: np.ndarray = np.where(gone, np.minimum(days, cancel), days)
    return found
