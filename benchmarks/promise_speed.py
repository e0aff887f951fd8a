"""How fast is the date of an order not yet placed? One line more on an opened run, of every item of the sample in turn.

CPU milliseconds of a call on arrays (`OrderDesk.dated`: days in every scenario) and of `Run.promise` (one row in, one
row of dates out), by what has to be simulated: nothing, where stock covers the line whoever comes; the item by itself;
or with all items that ship-complete orders tie to it. 500 scenarios of 180 days, as configured by default.

Run ``python -m benchmarks.promise_speed``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from statistics import median

import numpy as np

import backorder_forecast as bf


def main() -> None:
    """Print the table."""
    config = bf.Config(replay={"days": 0}, lead_time={"rehearsals": 0}, simulation={"jobs": 1})
    with tempfile.TemporaryDirectory() as folder:
        run = bf.open_run(bf.run(bf.load("data/sample", config=config), seed=1).save(folder))
        began = time.process_time()
        desk = run.desk
        print(f"laid out once, reading included: {1e3 * (time.process_time() - began):.0f} ms")
        found: dict[str, list[tuple[float, float]]] = {"in stock": [], "item alone": [], "items tied": []}
        for sku, place in desk.place_of.items():
            items = np.diff(desk.problem.component["sku"])[desk.found.component(place)]
            stocked = desk._in_stock(place, 0.0, 1.0, 1, _lines(desk, place))
            kind = "in stock" if stocked else "item alone" if items == 1 else "items tied"
            item, location = run.queue_inputs.past.skus[["item_id", "location_id"]].iloc[sku]
            row = {"item_id": item, "location_id": location, "qty": 1.0}
            arrays = milliseconds(lambda: desk.dated(sku, 1.0, 0, 1, True))  # noqa: B023
            found[kind].append((arrays, milliseconds(lambda: run.promise(row))))  # noqa: B023
    print(f"{'':14}{'items':>8}{'on arrays':>12}{'Run.promise':>14}   median CPU ms")
    for kind, times in found.items():
        if times:
            print(f"{kind:14}{len(times):>8}{median(x[0] for x in times):>12.3f}{median(x[1] for x in times):>14.2f}")


def _lines(desk: object, place: int) -> int:
    row = desk.problem.sku[place]  # type: ignore[attr-defined]
    return int(row["line_to"] - row["line_from"])


def milliseconds(work: Callable[[], object]) -> float:
    """CPU milliseconds, the best of three."""
    best = np.inf
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return 1e3 * best


if __name__ == "__main__":
    main()
