"""How fast is the expedite table? What 400,000 open purchases would each save by coming sooner, on 1,000 scenarios.

The queues of `queue_speed`: 1.1 million open lines, 400,000 purchases, 100,000 items, each purchase with a law of its
own over 180 days. CPU seconds of drawing the receipts and of moving every purchase forward in every scenario, block of
items by block, as `backorder_forecast.expedite` does where curves of need and supply say all; once with customers who
never leave, once with some who do (then scenarios in which somebody left are walked through anew); and what one
purchase costs where its item has to be simulated again with all that may happen.

Run ``python -m benchmarks.expedite_speed`` (minutes; ``--items 10000``: a tenth).
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.queue_speed import DAYS, HAZARD, ITEMS, SCENARIOS, make, peak, timed

from backorder_forecast.core import expedite
from backorder_forecast.core.chance import sample_days, sample_geometric
from backorder_forecast.core.queue_layout import LINE_DRAW, PURCHASE_DRAW
from backorder_forecast.executors import run_partitions

BLOCK = 1000  # items whose draws are held at once


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="speed of the expedite table")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--scenarios", type=int, default=SCENARIOS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sooner", type=int, nargs="+", default=[7])
    asked = parser.parse_args()
    q, purchase, received = make(asked.items)
    what = f"{len(q.line):,} lines, {len(purchase):,} purchases, {asked.scenarios:,} scenarios"
    print(f"{what}, sooner by {asked.sooner}")
    print(f"{'':34}{'CPU s':>10}{'µs a purchase':>16}   goal")
    for name, hazard in (("nobody leaves", 0.0), (f"{HAZARD:.1%} leave a day", HAZARD)):
        began = time.perf_counter()
        drawing, moving = _seconds(asked, q, purchase, received, hazard)
        clock = time.perf_counter() - began
        for what, seconds in (("drawing", drawing), ("moving", moving), ("together", drawing + moving)):
            goal = "60 s on 2 cores" if what == "together" else ""
            print(f"{f'{name}, {what}':34}{seconds:10.1f}{1e6 * seconds / len(purchase):16.1f}   {goal}")
        print(f"{f'{name}, by the clock':34}{clock:10.1f}")
    print(f"peak {peak():.1f} GB")


def _seconds(
    asked: argparse.Namespace, q: Any, purchase: npt.NDArray[Any], received: npt.NDArray[Any], hazard: float
) -> tuple[float, float]:
    """CPU seconds of drawing and of all the rest."""
    rng = np.random.default_rng(43)
    line = np.zeros(len(q.line), expedite.WAITS)
    line["need"], line["pieces"] = q.line["need"], rng.random(len(line)) < 0.8
    line["due"], line["value"] = rng.integers(0, 60, len(line)), rng.uniform(1, 100, len(line))
    sooner, days = np.array(asked.sooner, np.int64), np.arange(DAYS + 2)
    out = np.zeros((len(purchase), len(sooner), len(expedite.MEASURES), 2))
    drawing = moving = 0.0
    for begin in range(0, asked.items, BLOCK):
        some = q.item[begin : begin + BLOCK]
        lines = slice(some["line_from"][0], some["line_to"][-1])
        bought = slice(some["po_from"][0], some["po_to"][-1])
        item = np.zeros(len(some), expedite.ITEM)
        for name in ("stock", "line_from", "line_to", "po_from", "po_to"):
            first = {"l": lines.start, "p": bought.start}.get(name[0], 0)
            item[name] = some[name] - first
        draw = np.zeros((bought.stop - bought.start, asked.scenarios), PURCHASE_DRAW)
        leave = np.zeros((lines.stop - lines.start if hazard else 0, asked.scenarios), LINE_DRAW)
        drawing += timed(lambda: _draw(asked.threads, purchase[bought], received[bought], hazard, draw, leave))  # noqa: B023
        work = lambda a, b: expedite.gains(  # noqa: E731
            item, line[lines], leave, purchase["qty"][bought].copy(), draw, days[None].copy(), days[None].copy(),  # noqa: B023
            days, sooner, out[bought], a, b,  # noqa: B023
        )  # fmt: skip
        moving += timed(lambda: run_partitions(work, np.ones(len(item)), asked.threads))  # noqa: B023
    return drawing, moving


def _draw(
    threads: int, purchase: npt.NDArray[Any], received: npt.NDArray[Any], hazard: float, draw: npt.NDArray[Any],
    leave: npt.NDArray[Any],
) -> None:  # fmt: skip
    keys, lines = purchase["key"].copy(), len(leave)
    chance, today, line_keys = np.full(lines, hazard), np.zeros(lines, np.int64), np.arange(lines, dtype=np.uint64)

    def receipts(a: int, b: int) -> None:
        sample_days(received[a:b], keys[a:b], 0, draw["first"][a:b])
        draw["first"][a:b] += 1
        draw["rest"][a:b], draw["first_qty"][a:b] = DAYS + 1, purchase["qty"][a:b, None]

    def leaving(a: int, b: int) -> None:
        sample_geometric(chance[a:b], today[a:b], line_keys[a:b], DAYS + 1, leave["cancel"][a:b])

    run_partitions(receipts, np.ones(len(keys)), threads)
    run_partitions(leaving, np.ones(lines), threads)


if __name__ == "__main__":
    main()
