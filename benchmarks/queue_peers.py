"""First come, first served in general event simulators, for `benchmarks/queue_speed.py`.

A script of its own, so that the project's environment need not hold SimPy and Ciw:

    python benchmarks/queue_peers.py simpy|ciw FILE.npz

FILE holds items one after another: stock [items], line_to and po_to [items], need [lines], qty [purchases], day
[purchases × scenarios] (beyond the horizon: never), horizon. Left beside it: FILE.simpy.npz or FILE.ciw.npz with the
day on which each line is covered [lines × scenarios] (horizon + 1: not within it) and the CPU seconds.

*SimPy*: the stock is a Container; one process gets what each line needs, one after the other, and every purchase is one
that puts what it brings on its day.

*Ciw*: a unit of goods is a server, a unit of need a customer, a receipt a shift of so many new servers that begins on
its day; service never ends before the horizon. A last shift after it serves whoever still waits.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

try:
    import ciw
except ImportError:
    ciw = None
try:
    import simpy
except ImportError:
    simpy = None


def main() -> None:
    """Run one peer on one file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("simpy", "ciw"))
    parser.add_argument("file", type=Path)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    if {"simpy": simpy, "ciw": ciw}[asked.peer] is None:
        raise SystemExit(3)
    run = {"simpy": by_simpy, "ciw": by_ciw}[asked.peer]
    given = np.load(asked.file)
    days = np.zeros((len(given["need"]), given["day"].shape[1]), np.int64)
    began = time.process_time()
    line = po = 0
    for stock, line_to, po_to in zip(given["stock"], given["line_to"], given["po_to"], strict=True):
        for k in range(days.shape[1]):
            receipts = list(zip(given["day"][po:po_to, k].tolist(), given["qty"][po:po_to].tolist(), strict=True))
            needs = given["need"][line:line_to].tolist()
            days[line:line_to, k] = run(int(stock), needs, receipts, int(given["horizon"]))
        line, po = line_to, po_to
    np.savez(asked.file.with_suffix(f".{asked.peer}.npz"), days=days, seconds=time.process_time() - began)


def by_simpy(stock, needs, receipts, horizon):
    """Cover days of one item in one scenario."""
    env = simpy.Environment()
    shelf = simpy.Container(env, init=stock)
    days = [horizon + 1] * len(needs)

    def lines():
        for place, need in enumerate(needs):
            yield shelf.get(int(need))
            days[place] = int(env.now)

    def purchase(day, qty):
        yield env.timeout(day)
        yield shelf.put(qty)

    env.process(lines())
    for day, qty in receipts:
        env.process(purchase(day, int(qty)))
    env.run(until=horizon + 0.5)
    return days


def by_ciw(stock, needs, receipts, horizon):
    """Cover days of one item in one scenario."""
    days = sorted({day for day, _ in receipts if day <= horizon})
    units = [int(sum(qty for when, qty in receipts if when == day)) for day in days]
    wanted = int(sum(needs))
    long = 10 * horizon
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([1e-9, 1e9])],
        batching_distributions=[ciw.dists.Deterministic(wanted)],
        service_distributions=[ciw.dists.Deterministic(long)],
        number_of_servers=[
            ciw.Schedule(numbers_of_servers=[stock, *units, wanted], shift_end_dates=[*days, horizon + 1, 4 * long])
        ],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(2 * long)
    records = sorted(simulation.get_all_records(), key=lambda x: x.id_number)
    starts = [int(x.service_start_date) for x in records]
    return [starts[int(last) - 1] for last in np.cumsum(needs)]


if __name__ == "__main__":
    main()
