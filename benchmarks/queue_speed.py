"""How fast is the queue? Engines for first come, first served, and the event kernel, beside SimPy and Ciw.

*First come*: 1.1 million open lines, 400,000 purchases, 100,000 items (lines and purchases of an item geometric), each
purchase with a law of its own over 180 days, 1,000 scenarios. CPU seconds (of all threads) and peak memory of a process
of its own, inputs included: sampling and three quantiles of every line; the same with the histograms kept; the exact
law; the exact law thinned by customers who leave (an approximation). How far the sampled shares are from the exact ones
is printed: their standard error is what 1,000 scenarios have.

*Peers*, if PEERS_PYTHON names an interpreter that has them (`queue_peers.txt`): SimPy and Ciw get the receipt days of
some of these items in some scenarios; every cover day must be ours; the seconds are extrapolated to all of them.

*Event kernel*: the package's own path, frames to outcomes, on a made-up company of 500 items (`--company-items`):
future demand, planned orders, cancellations, handling, ship-complete orders; 180 days, 1,000 scenarios. An event is
what an event simulator would have to schedule: an order line or a day's demand of a class that comes, its leaving
(shipped, cancelled, lost or open at the end), a receipt, an order placed. Days of an item on which nothing happens are
none, though every one costs a draw.

*Shop*: the event kernel alone on 10,000 items of a made-up shop (`queue_shop.py`) by class, and on a quarter of them by
a key of lines, with the draws of lines and purchases beside it; seconds by the clock with `--threads` (2 by default
here). SimPy and Ciw get some of these items in some scenarios with all draws written out (`queue_slices.py`): SimPy all
that happens in the shop, Ciw, which has neither stores nor orders, a shop in which nobody leaves and receipts are told
beforehand. Days of lines must be ours; of SimPy what runs short and what is received, too.

*Periodic policies*: base stock, (s,S) and (r,Q) of one item reviewed every day, as stockpyl simulates them; stock less
what is backordered at the end of every day must be ours.

Compile time of kernels is apart: what import and the engines take with an empty cache of machine code, less the same
with a full one; what is compiled then serves the other rows.

Run ``python -m benchmarks.queue_speed`` (minutes; ``--quick``: a tenth of everything; ``--only first-come|events``).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from backorder_forecast.core import first_come, first_come_law
from backorder_forecast.core.chance import sample_days
from backorder_forecast.executors import run_partitions

Floats = npt.NDArray[np.float64]
LINES, PURCHASES, ITEMS, SCENARIOS, DAYS = 1_100_000, 400_000, 100_000, 1000, 180
LEVELS = np.array([0.1, 0.5, 0.9])
HAZARD = 0.003  # a day, of customers who leave
GOALS = {"sampled": "5 s, 1.5 GB", "exact": "2 s", "events": "8 s, 15 ns"}


def main() -> None:
    """Print the tables, or run one row in a process of its own."""
    asked = _arguments()
    if asked.row:
        print(json.dumps(ROWS[asked.row](asked)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUMBA_CACHE_DIR"] = folder  # of the processes below
        cold, warm = _engine_seconds(), _engine_seconds()
        first, key, shares = (a - b for a, b in zip(cold, warm, strict=True))
        print(f"compile time of the kernels: {first:.0f} CPU s, once; rules not used by default: by a key {key:.0f}, "
              f"by shares {shares:.0f}\n", flush=True)  # fmt: skip
        if asked.only != "events":
            _print_first_come(asked)
        if asked.only != "first-come":
            _print_shop(asked)
            _print_policies(asked)
            _print_events(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="speed of the queue engines")
    parser.add_argument("--items", type=int, default=ITEMS, help="of the first-come queues; 11 lines, 4 purchases each")
    parser.add_argument("--event-items", type=int, default=10_000, help="of the shop")
    parser.add_argument("--company-items", type=int, default=500)
    parser.add_argument("--scenarios", type=int, default=SCENARIOS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("first-come", "events"))
    parser.add_argument("--quick", action="store_true", help="a tenth of the items")
    parser.add_argument("--row", choices=sorted(ROWS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.quick:
        asked.items, asked.event_items = asked.items // 10, asked.event_items // 10
        asked.company_items //= 10
    asked.quick = False  # rows run in processes of their own, with these figures
    return asked


def _in_its_own_process(asked: argparse.Namespace, row: str) -> dict[str, Any]:
    given = ["--items", asked.items, "--event-items", asked.event_items, "--scenarios", asked.scenarios,
             "--company-items", asked.company_items, "--threads", asked.threads, "--row", row]  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.queue_speed", *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _engine_seconds() -> list[float]:
    """CPU seconds of the import with the default engine, and of the other rules' engines, in a process of its own."""
    program = """import time
import backorder_forecast.queue, backorder_forecast.core.first_come_law
from backorder_forecast.core import queue_kernel, queue_layout
problem, tally, _ = queue_layout.smallest()
for rule in (0, 1, 2):
    queue_kernel.simulate_components(problem._replace(rule=rule), tally, 0, 1)
    print(time.process_time())"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ends = [float(x) for x in done.stdout.split()]
    return [b - a for a, b in zip([0.0, *ends], ends, strict=False)]


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def peak() -> float:
    """Most memory that this process has held, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


# first come, first served


def make(items: int) -> tuple[first_come.Queues, npt.NDArray[Any], Floats]:
    """Queues, purchases and the laws of their receipt days; needs and quantities about in balance."""
    rng = np.random.default_rng(41)
    lines, bought = (_sizes(rng, items, total * items // ITEMS) for total in (LINES, PURCHASES))
    item = np.zeros(items, first_come.ITEM)
    for name, count in (("line", lines), ("po", bought)):
        item[f"{name}_to"] = np.cumsum(count)
        item[f"{name}_from"] = item[f"{name}_to"] - count
    item["stock"] = np.where(rng.random(items) < 0.3, rng.integers(0, 6, items), 0)
    line = np.zeros(lines.sum(), first_come.LINE)
    line["need"] = rng.integers(1, 6, len(line))
    purchase = np.zeros(bought.sum(), first_come.PURCHASE)
    purchase["key"], purchase["law"] = rng.integers(1 << 62, size=len(purchase)), np.arange(len(purchase))
    share = np.repeat(3 * lines / bought, bought) * rng.uniform(0.5, 1.7, len(purchase))
    purchase["qty"] = np.maximum(1, np.round(share))
    commit_on = np.arange(DAYS + 2)[None]
    return first_come.Queues(item, line, commit_on), purchase, _laws(rng, len(purchase))


def _sizes(rng: np.random.Generator, items: int, total: int) -> npt.NDArray[np.int64]:
    """A geometric number for each item, at least one, so many in all."""
    return 1 + np.bincount(rng.choice(items, total - items, p=rng.dirichlet(np.ones(items))), minlength=items)


def _laws(rng: np.random.Generator, purchases: int) -> Floats:
    """P(received by day) [purchases × days]: bells of all widths, a few per cent of each never."""
    out = np.empty((purchases, DAYS))
    for begin in range(0, purchases, 10_000):
        rows = out[begin : begin + 10_000]
        middle = rng.uniform(5, 90, (len(rows), 1))
        rows[:] = ndtr((np.arange(1, DAYS + 1) - middle) / (middle / rng.uniform(2, 6, (len(rows), 1))))
        rows *= rng.uniform(0.95, 1.0, (len(rows), 1))
    return out


def sampled(asked: argparse.Namespace, *, histogram: bool) -> dict[str, Any]:
    """The merged engine."""
    q, purchase, received = make(asked.items)
    out = first_come.room(q.line.size, LEVELS.size, DAYS + 2, histogram=histogram)
    work = lambda a, b: first_come.cover_days(q, purchase, received, LEVELS, asked.scenarios, out, a, b)  # noqa: E731
    seconds = timed(lambda: run_partitions(work, np.ones(asked.items), asked.threads))
    found = {"seconds": seconds, "gigabytes": peak()}
    if histogram:  # beside the exact law of some items
        some = min(asked.items, 5000)
        law = _exact_laws(q, purchase, received, some)
        at = q.item["line_to"][some - 1]
        share = np.cumsum(out.histogram[:at], axis=1)[:, 1:-1] / asked.scenarios
        spread = np.sqrt(np.maximum(law * (1 - law), 0) / asked.scenarios)
        seen = law * (1 - law) * asked.scenarios > 10
        found["error"] = float(np.sqrt(np.mean(((share - law)[seen] / spread[seen]) ** 2)))
    return found


def _parts(purchase: npt.NDArray[Any]) -> npt.NDArray[Any]:
    part = np.zeros(len(purchase), first_come_law.PART)
    part["qty"], part["share"], part["law"], part["opens"] = purchase["qty"], 1, purchase["law"], 1
    return part


def _exact_laws(q: first_come.Queues, purchase: npt.NDArray[Any], received: Floats, items: int) -> Floats:
    """P(by day) of the lines of the first items."""
    few = q._replace(item=q.item[:items], line=q.line[: q.item["line_to"][items - 1]])
    out = first_come_law.room(items, few.line.size, LEVELS.size, DAYS, table=True)
    first_come_law.cover_laws(few, _parts(purchase), received, LEVELS, out, 0, items)
    return out.table


def exact(asked: argparse.Namespace) -> dict[str, Any]:
    """The law without sampling."""
    q, purchase, received = make(asked.items)
    part = _parts(purchase)
    out = first_come_law.room(asked.items, q.line.size, LEVELS.size, DAYS, table=False)
    work = lambda a, b: first_come_law.cover_laws(q, part, received, LEVELS, out, a, b)  # noqa: E731
    seconds = timed(lambda: run_partitions(work, np.ones(asked.items), asked.threads))
    most = int((q.item["po_to"] - q.item["po_from"]).max())
    return {"seconds": seconds, "gigabytes": peak(), "known": float(out.known.mean()), "most": most}


def thinned(asked: argparse.Namespace) -> dict[str, Any]:
    """The same with customers who leave."""
    q, purchase, received = make(asked.items)
    part = _parts(purchase)
    leaving = np.zeros(q.line.size, first_come_law.LEAVING)
    leaving["hazard"], leaving["pieces"] = HAZARD, 1
    out = first_come_law.room(asked.items, q.line.size, LEVELS.size, DAYS, table=False)
    work = lambda a, b: first_come_law.thinned_laws(q, part, received, leaving, LEVELS, out, a, b)  # noqa: E731
    seconds = timed(lambda: run_partitions(work, np.ones(asked.items), asked.threads))
    return {"seconds": seconds, "gigabytes": peak(), "known": float(out.known.mean())}


def _print_first_come(asked: argparse.Namespace) -> None:
    lines, bought = LINES * asked.items // ITEMS, PURCHASES * asked.items // ITEMS
    print(f"first come: {lines:,} lines, {bought:,} purchases, {asked.items:,} items, {asked.scenarios:,} scenarios")
    print(f"{'':34}{'CPU s':>10}{'ns a line × scenario':>22}{'GB':>7}  goal")
    each = 1e9 / lines / asked.scenarios
    found = {row: _in_its_own_process(asked, row) for row in ("sampled", "histograms", "exact", "thinned")}
    for row, name in (("sampled", "sampled, quantiles"), ("histograms", "the same, histograms kept"),
                      ("exact", "exact law, quantiles"), ("thinned", "thinned law (approximate)")):  # fmt: skip
        seconds = found[row]["seconds"]
        print(f"{name:34}{seconds:10.1f}{seconds * each:22.2f}{found[row]['gigabytes']:7.2f}  {GOALS.get(row, '')}")
    for name, seconds, same in _peers(asked):
        print(f"{name:34}{seconds:10,.0f}{seconds * each:22,.0f}{'':9}{same}")
    error = found["histograms"]["error"]
    print(f"sampled shares are off the exact law by {error:.2f} standard errors (root mean square)")
    print(f"items whose exact law could be had: {found['exact']['known']:.1%}; purchases of one item, at most: "
          f"{found['exact']['most']}\n")  # fmt: skip


def _peers(asked: argparse.Namespace) -> list[tuple[str, float, str]]:
    """Seconds of each peer for everything, from some items in some scenarios, and whether its days are ours."""
    python = os.environ.get("PEERS_PYTHON", "")
    if not python:
        print("SimPy and Ciw are not here: PEERS_PYTHON may name an interpreter that has benchmarks/queue_peers.txt")
        return []
    found = []
    for peer, items, scenarios in (("simpy", 100, 40), ("ciw", 100, 5)):
        q, purchase, received = make(items)
        day = np.zeros((len(purchase), scenarios), np.int16)
        sample_days(received, purchase["key"].copy(), 0, day)
        out = first_come.room(q.line.size, LEVELS.size, DAYS + 2, histogram=True)
        first_come.cover_days(q, purchase, received, LEVELS, scenarios, out, 0, items)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "slice.npz"
            np.savez(file, stock=q.item["stock"], line_to=q.item["line_to"], po_to=q.item["po_to"],
                     need=q.line["need"], qty=purchase["qty"], day=day + 1, horizon=DAYS)  # fmt: skip
            script = Path(__file__).with_name("queue_peers.py")
            if subprocess.run([python, str(script), peer, str(file)], check=False).returncode:
                print(f"{peer}: not to be had from PEERS_PYTHON")
                continue
            theirs = np.load(file.with_suffix(f".{peer}.npz"))
            counts = np.stack([(theirs["days"] == d).sum(axis=1) for d in range(DAYS + 2)], axis=1)
            seconds = float(theirs["seconds"])
        same = "every day as ours" if (counts == out.histogram).all() else "DAYS DIFFER"
        found.append((f"{peer}, extrapolated", seconds * asked.items / items * asked.scenarios / scenarios, same))
    return found


# the event kernel


def events(asked: argparse.Namespace) -> dict[str, Any]:
    """Frames to outcomes on a made-up company; what happened in it, and what the kernel alone took."""
    import backorder_forecast as bf
    from backorder_forecast import queue
    from backorder_forecast.core import queue_kernel, queue_layout
    from backorder_forecast.synthetic import regime, simulate_company

    company = simulate_company(regime("base", seed=1, items=asked.company_items))
    config = bf.Config(
        simulation={"scenarios": asked.scenarios, "horizon_days": DAYS, "jobs": asked.threads}, replay={"days": 0}
    )
    past = bf.load(company.tables, config=config).as_of(company.world.dates[company.last_day - DAYS])
    demand, lead_times = bf.forecast_demand(past), bf.fit_lead_times(past)
    supply = bf.forecast_supply(past, lead_times)
    took, seen = {True: 0.0, False: 0.0}, {}
    run = queue_kernel.simulate_components
    problem, tally, _ = queue_layout.smallest()
    run(problem, tally, 0, 1)  # compiles, or takes what was kept

    def watched(problem: Any, tally: Any, start: int, stop: int) -> None:
        seen[problem.with_planned] = (problem, tally)
        began = time.thread_time()
        run(problem, tally, start, stop)
        took[problem.with_planned] += time.thread_time() - began

    queue.kernel.simulate_components = watched
    seconds = timed(lambda: bf.simulate(past, demand, supply, seed=1))
    kernel = [took[True], took[False]]
    return {"seconds": seconds, "kernel": kernel, "gigabytes": peak(), **_what_happened(*seen[True])}


def _what_happened(problem: Any, tally: Any) -> dict[str, float]:
    """Events over all scenarios; demand that comes from some items in some scenarios, extrapolated."""
    from backorder_forecast.core.queue_kernel import demand_paths

    scenarios = min(problem.scenarios, 50)
    few = problem._replace(scenarios=scenarios)
    items = np.unique(np.linspace(0, problem.sku.size - 1, 500).astype(int))
    out = np.zeros((problem.class_share.shape[1], scenarios, problem.horizon))
    came = 0
    for g in items:
        out[:] = 0
        demand_paths(few, int(g), out)
        came += int((out > 0).sum())
    demand = came * problem.sku.size / len(items) * problem.scenarios / scenarios
    receipts = float(tally.cycles[:, 0].sum())
    known = problem.line.size * problem.scenarios
    return {"demand": demand, "receipts": receipts, "lines": float(known), "items": float(problem.sku.size)}


def _events(x: dict[str, Any]) -> float:
    """Demand and lines come and leave; a receipt was ordered. Known lines have come already."""
    return float(2 * x["demand"] + x["lines"] + 2 * x["receipts"])


def _print_events(asked: argparse.Namespace) -> None:
    x = _in_its_own_process(asked, "events")
    days = x["items"] * DAYS * asked.scenarios
    happened = _events(x)
    print(f"\nevent kernel: {x['items']:,.0f} items × {DAYS} days × {asked.scenarios:,} scenarios, frames to outcomes")
    print(f"{'':34}{'CPU s':>10}{'ns an event':>14}{'ns an item-day':>16}   goal")
    for name, seconds in (("kernel, with planned orders", x["kernel"][0]), ("kernel, open supply only", x["kernel"][1]),
                          ("bf.simulate, all of it", x["seconds"])):  # fmt: skip
        goal = GOALS["events"] if seconds == x["kernel"][0] else ""
        print(f"{name:34}{seconds:10.1f}{seconds * 1e9 / happened:14.1f}{seconds * 1e9 / days:16.1f}   {goal}")
    print(f"{happened:.3g} events, on {days:.3g} item-days: demand {x['demand']:.3g}, lines {x['lines']:.3g}, "
          f"receipts {x['receipts']:.3g}; peak {x['gigabytes']:.1f} GB")  # fmt: skip


def shop(asked: argparse.Namespace, rule: int, part: int) -> dict[str, Any]:
    """The event kernel by itself, on all items or a part of them."""
    from benchmarks import queue_shop

    found = queue_shop.run(asked.event_items // part, asked.scenarios, max(asked.threads, 2), rule)
    happened = _what_happened(found.pop("problem"), found.pop("tally"))
    return {**found, **happened, "gigabytes": peak()}


def _print_shop(asked: argparse.Namespace) -> None:
    from benchmarks import queue_slices

    print(f"\nshop: {asked.event_items:,} items × {DAYS} days × {asked.scenarios:,} scenarios, event kernel alone")
    print(f"{'':34}{'CPU s':>10}{'ns an event':>14}{'ns an item-day':>16}{'clock s':>10}{'draws, CPU s':>14}   goal")
    for row, name in (("shop", "class after class"), ("shop-key", "a quarter, by a key of lines")):
        x = _in_its_own_process(asked, row)
        ns, days = x["kernel"] * 1e9, x["items"] * DAYS * asked.scenarios
        print(f"{name:34}{x['kernel']:10.1f}{ns / _events(x):14.1f}{ns / days:16.1f}{x['wall']:10.1f}{x['draws']:14.1f}"
              f"   {GOALS['events']}")  # fmt: skip
        print(f"{_events(x):.3g} events: demand {x['demand']:.3g}, lines {x['lines']:.3g}, receipts "
              f"{x['receipts']:.3g}; peak {x['gigabytes']:.1f} GB; with all inputs made "
              f"{x['all']:.0f} s by the clock", flush=True)  # fmt: skip
        if row == "shop":
            queue_slices.print_shop_peers(asked.event_items * asked.scenarios, x["kernel"])


def policies(asked: argparse.Namespace) -> dict[str, Any]:
    """Periodic policies, here and in stockpyl."""
    from benchmarks import queue_slices

    return queue_slices.policies(asked.scenarios)


def _print_policies(asked: argparse.Namespace) -> None:
    from benchmarks import queue_slices

    queue_slices.print_policies(_in_its_own_process(asked, "policies"))


ROWS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "sampled": lambda asked: sampled(asked, histogram=False),
    "histograms": lambda asked: sampled(asked, histogram=True),
    "exact": exact,
    "thinned": thinned,
    "events": events,
    "shop": lambda asked: shop(asked, 0, 1),
    "shop-key": lambda asked: shop(asked, 1, 4),
    "policies": policies,
}

if __name__ == "__main__":
    main()
