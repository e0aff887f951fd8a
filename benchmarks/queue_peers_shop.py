"""A slice of the made-up shop in SimPy and Ciw, and periodic policies in stockpyl, for `benchmarks/queue_speed.py`.

A script of its own, like `queue_peers.py`:

    python benchmarks/queue_peers_shop.py simpy|ciw|stockpyl FILE.json

FILE holds a list of cases, each an item in a scenario, as `queue_slices.py` writes them. Left beside it:
FILE.simpy.json (or ciw, or stockpyl) with the answers, case by case, and the CPU seconds.

*SimPy*: lines, demand, receipts, those who leave, reviews and the service of a day are events at tenths of that day, in
the order of a queue day. Nothing is scheduled for days on which nothing happens.

*Ciw*: a unit of goods is a server, a unit of demand a customer, service does not end. Ciw has neither a store nor
orders: which receipts the policy brings, and how many units are left when one comes, is worked out beforehand, and
nobody leaves, no line is whole and no demand is lost.

*stockpyl*: one node, demand day by day as a list.
"""

import argparse
import json
import time
import warnings
from itertools import pairwise
from pathlib import Path


def main():
    """Run one peer on one file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("simpy", "ciw", "stockpyl"))
    parser.add_argument("file", type=Path)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    try:
        run = {"simpy": simpy_case, "ciw": ciw_case, "stockpyl": stockpyl_case}[asked.peer]()
    except ImportError:
        raise SystemExit(3) from None
    cases = json.loads(asked.file.read_text())
    began = time.process_time()
    answers = [run(x) for x in cases]
    seconds = time.process_time() - began
    asked.file.with_suffix(f".{asked.peer}.json").write_text(json.dumps({"answers": answers, "seconds": seconds}))


def simpy_case():
    """Simulate a case with SimPy."""
    import simpy

    def run(case):
        shop = SimpyItem(simpy.Environment(), case)
        shop.env.run(until=case["horizon"] + 0.95)
        return {"first_short": shop.first_short, "short": shop.short, "receipts": len(shop.received),
                "lines": [x["leaves"] for x in shop.lines]}  # fmt: skip

    return run


class SimpyItem:
    """One item: its queue, its stock, what is on order."""

    def __init__(self, env, case):
        self.env, self.case, self.horizon = env, case, case["horizon"]
        self.free, self.queue, self.served_on = case["stock"], [], -1
        self.lines = [dict(x, left=x["need"], leaves=self.horizon + 1, known=True, open=True) for x in case["lines"]]
        self.first_short, self.short, self.received = self.horizon + 1, 0.0, set()
        self.position = case["stock"] + sum(q for _, q in case["purchases"]) - sum(x["need"] for x in self.lines)
        self.reviewing = False
        for line in self.lines:
            if line["wanted"] <= 0:
                self.queue.append(line)
            else:
                env.process(self.line_comes(line))
            if line["cancel"]:
                env.process(self.line_cancels(line))
        for day, qty in case["purchases"]:
            env.process(self.receipt(day, qty))
        env.process(self.demand())
        if self.queue:
            env.process(self.serve(1))
        env.process(self.review(1))

    def until(self, moment):
        return self.env.timeout(moment - self.env.now)

    def line_comes(self, line):
        if line["wanted"] <= self.horizon:
            yield self.until(line["wanted"] + 0.3)
            if line["open"]:
                self.queue.append(line)
                self.env.process(self.serve(line["wanted"], [line]))

    def line_cancels(self, line):
        yield self.until(line["cancel"] + 0.2)
        if line["open"]:
            line["open"] = False
            line["leaves"] = None
            self.gone(line)
            self.env.process(self.serve(line["cancel"]))

    def gone(self, who):
        self.position += who["left"]
        if who in self.queue:
            self.queue.remove(who)

    def demand(self):
        for day, units, leaves in self.case["demand"]:
            yield self.until(day + 0.31)
            who = {"left": units, "known": False, "pieces": True, "leaves_on": leaves, "open": True}
            self.queue.append(who)
            self.position -= units
            self.env.process(self.serve(day, [who]))

    def receipt(self, day, qty):
        if day <= self.horizon:
            yield self.until(day + 0.1)
            self.free += qty
            self.received.add(day)
            self.env.process(self.serve(day))

    def serve(self, day, new=()):
        """Goods are shared out at the end of a working day, once; then it is seen who has to wait."""
        yield self.until(day + 0.4)
        works = self.case["working"][day]
        if works and self.served_on != day:
            self.served_on = day
            self.sweep(day)
        yield self.until(day + 0.5)
        self.see_who_waits(day, new, works)
        if not works and self.free > 0 and self.queue:
            later = next((d for d in range(day + 1, self.horizon + 1) if self.case["working"][d]), None)
            if later:
                self.env.process(self.serve(later))
        if not self.reviewing and self.position <= self.case["reorder_point"]:
            self.env.process(self.review(day))

    def sweep(self, day):
        free = self.free
        for who in list(self.queue):
            if free <= 0:
                break
            give = min(free, who["left"]) if who["pieces"] or free >= who["left"] else 0
            free -= min(free, who["left"])
            who["left"] -= give
            self.free -= give
            if who["left"] <= 0:
                who["open"] = False
                self.queue.remove(who)
                if who["known"]:
                    after = self.case["next_working"][day] + who["handling"]
                    who["leaves"] = self.case["working_days"][min(after, len(self.case["working_days"]) - 1)]

    def see_who_waits(self, day, new, works):
        waiting = sum(x["left"] for x in new if x["open"])
        if waiting and not works:
            known = any(x["known"] for x in new)
            waiting = 0 if known else min(max(0, sum(x["left"] for x in self.queue) - max(self.free, 0)), waiting)
        if waiting > 0:
            self.short += waiting
            self.first_short = min(self.first_short, day)
        for who in new:
            if not who["known"] and who["open"] and waiting > 0:
                self.lose_or_wait(day, who, waiting)

    def lose_or_wait(self, day, who, waiting):
        if self.case["lost"]:
            who["left"] -= waiting
            self.position += waiting
            if who["left"] <= 0:
                who["open"] = False
                self.queue.remove(who)
        if who["open"] and day < who["leaves_on"] <= self.horizon:
            self.env.process(self.customer_leaves(who))

    def customer_leaves(self, who):
        yield self.until(who["leaves_on"] + 0.2)
        if who["open"]:
            who["open"] = False
            self.gone(who)

    def review(self, day):
        """Order on days of review from this day on, as long as the position asks for it."""
        self.reviewing = True
        while self.position <= self.case["reorder_point"]:
            day = next((d for d in range(day, self.horizon + 1) if self.case["review"][d]), None)
            if day is None:
                break
            yield self.until(day + 0.6)
            if self.position <= self.case["reorder_point"]:
                self.order(day)
            day += 1
        self.reviewing = False

    def order(self, day):
        qty = order(self.case, self.position)
        self.position += qty
        self.env.process(self.receipt(self.case["arrives"][day], qty))


def order(case, position):
    """(r,nQ) or (s,S)."""
    if case["order_qty"]:
        return case["order_qty"] * ((case["reorder_point"] - position) // case["order_qty"] + 1)
    return case["order_up_to"] - position


def ciw_case():
    """Simulate a case with Ciw."""
    import ciw

    def run(case):
        comes = [(max(x["wanted"], 0), x["need"]) for x in case["lines"] if x["wanted"] <= case["horizon"]]
        comes = by_day(comes + [(day, units) for day, units, _ in case["demand"]])
        servers, days, stock = [int(case["stock"])], [], case["stock"]
        for day, qty in by_day(planned(case)):
            left = max(0, stock - sum(units for when, units in comes if when < day))
            servers.append(int(left + qty))
            days.append(day)
            stock += qty
        long, wanted = 10 * case["horizon"], int(sum(x[1] for x in comes))
        # receipts come at the beginning of their day, and demand a little later
        moments = [0.0] + [day + 0.1 for day, _ in comes]
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Sequential([*(b - a for a, b in pairwise(moments)), 1e9])],
            batching_distributions=[ciw.dists.Sequential([*(int(x[1]) for x in comes), 1])],
            service_distributions=[ciw.dists.Deterministic(long)],
            number_of_servers=[
                ciw.Schedule(
                    numbers_of_servers=[*servers, wanted], shift_end_dates=[*days, case["horizon"] + 1, 4 * long]
                )
            ],
        )  # fmt: skip
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_time(2 * long)
        records = sorted(simulation.get_all_records(), key=lambda x: x.id_number)
        return {"start": [int(x.service_start_date) for x in records]}

    return run


def by_day(rows):
    """Quantities of one day together."""
    found = {}
    for day, qty in rows:
        found[day] = found.get(day, 0) + qty
    return sorted(found.items())


def planned(case):
    """All receipts, those that the policy orders included; nobody leaves, so only demand moves the position."""
    receipts = list(case["purchases"])
    position = case["stock"] + sum(q for _, q in receipts) - sum(x["need"] for x in case["lines"])
    demand = {day: units for day, units, _ in case["demand"]}
    for day in range(1, case["horizon"] + 1):
        position -= demand.get(day, 0)
        if case["review"][day] and position <= case["reorder_point"]:
            qty = order(case, position)
            position += qty
            receipts.append((case["arrives"][day], qty))
    return [(day, qty) for day, qty in receipts if day <= case["horizon"]]


def stockpyl_case():
    """Simulate a case with stockpyl."""
    from stockpyl.sim import simulation
    from stockpyl.supply_chain_network import single_stage_system

    def run(case):
        network = single_stage_system(
            holding_cost=1, stockout_cost=1, demand_type="D", demand_list=case["demand"],
            shipment_lead_time=case["lead"], initial_inventory_level=case["stock"],
            policy_type=case["policy"], **case["given"],
        )  # fmt: skip
        simulation(network, len(case["demand"]), rand_seed=1, progress_bar=False)
        days = network.nodes[0].state_vars[: len(case["demand"])]
        return {"level": [next(iter(x.inventory_level.values())) for x in days]}

    return run


if __name__ == "__main__":
    main()
