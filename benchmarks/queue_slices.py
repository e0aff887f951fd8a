"""Slices of the made-up shop, and periodic policies, for peers to simulate: the inputs, and our answers.

For `benchmarks/queue_speed.py`; the peers are in `queue_peers_shop.py`. Each case is an item in a scenario with all
that is random in it written out, the draws being those of the event kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from benchmarks import queue_shop
from benchmarks.queue_shop import DAYS

from backorder_forecast.core import queue_kernel as qk
from backorder_forecast.core.chance import find_day, mix, uniform, wait
from backorder_forecast.core.queue_layout import PATIENCE

LEAD = 6  # days, of the periodic policies
Answer = dict[str, Any]


class Slice(NamedTuple):
    """Cases for a peer, item after item and scenario after scenario; the problem and the tally that they come from."""

    cases: list[dict[str, Any]]
    problem: qk.Problem
    tally: qk.Tally


def ask(python: str, peer: str, cases: list[dict[str, Any]]) -> tuple[list[Answer], float] | None:
    """A peer's answers and its CPU seconds; nothing if it is not to be had."""
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "slice.json"
        file.write_text(json.dumps(cases))
        script = Path(__file__).with_name("queue_peers_shop.py")
        if subprocess.run([python, str(script), peer, str(file)], check=False).returncode:
            return None
        found = json.loads(file.with_suffix(f".{peer}.json").read_text())
    return found["answers"], found["seconds"]


def of_shop(items: int, scenarios: int, *, patient: bool) -> Slice:
    """The shop by class; `patient`: nobody leaves, no line is whole, all demand waits."""
    p = queue_shop.make(items, scenarios, qk.BY_CLASS).problem
    p.line["slot"] = np.arange(p.line.size)
    if patient:
        p.line["pieces"], p.sku["queue_share"] = 1, 1.0
        p.line_draw["cancel"] = 0
        p.patience[:] = 0.0
    days = np.zeros((2, p.line.size, scenarios), np.int16)
    tally = queue_shop.tally(p)._replace(own_day=days[0], release_day=days[1], ledger=np.zeros((items, scenarios, 4)))
    qk.simulate_components(p, tally, 0, items)
    return Slice([_case(p, g, k, units) for g in range(items) for k, units in enumerate(_demand(p, g))], p, tally)


def _demand(p: qk.Problem, g: int) -> npt.NDArray[np.float64]:
    out = np.zeros((1, p.scenarios, p.horizon))
    qk.demand_paths(p, g, out)
    return out[0]


def _case(p: qk.Problem, g: int, k: int, units: npt.NDArray[np.float64]) -> dict[str, Any]:
    sku = p.sku[g]
    lines = range(sku["line_from"], sku["line_to"])
    bought = range(sku["po_from"], sku["po_to"])
    working = p.calendar["working"][0]
    due = (p.first_ordinal + np.arange(DAYS + 2) - 1 - sku["review_phase"]) % sku["review_days"] == 0
    lead = [max(1, find_day(p.new_lead[sku["lead_row"]], uniform(sku["lead_key"], k, p.first_ordinal + d - 1)))
            for d in range(DAYS + 1)]  # fmt: skip
    return {
        "horizon": DAYS, "stock": float(sku["free"]), "working": working.tolist(),
        "next_working": p.calendar["next"][0].tolist(), "working_days": p.working_days[0].tolist(),
        "review": (due & (working == 1)).tolist(), "arrives": [d + lead[d] for d in range(DAYS + 1)],
        "reorder_point": float(sku["reorder_point"]), "order_up_to": float(sku["order_up_to"]),
        "order_qty": float(sku["order_qty"]) if sku["policy"] == qk.RQ else 0.0, "lost": bool(sku["queue_share"] == 0),
        "lines": [{"need": float(p.line["need"][j]), "wanted": int(p.line["wanted"][j]),
                   "pieces": bool(p.line["pieces"][j]), "cancel": int(p.line_draw["cancel"][j, k]),
                   "handling": int(p.line_draw["handling"][j, k])} for j in lines],
        "purchases": [(int(p.po_draw["first"][j, k]), float(p.po_qty[j])) for j in bought],
        "demand": [(int(d) + 1, float(units[d]), _leaves(p, g, k, int(d) + 1)) for d in np.flatnonzero(units)],
    }  # fmt: skip


def _leaves(p: qk.Problem, g: int, k: int, day: int) -> int:
    """On which day customers who come on a day, and have to wait, will have had enough."""
    if p.patience[0, -1] == 0.0:
        return DAYS + 1
    u = uniform(mix(p.sku["key"][g] ^ p.class_salt[0]), k, PATIENCE - p.first_ordinal - day)
    return int(day + wait(p.patience[0], 0, u, DAYS + 1))


def same_as_simpy(ours: Slice, answers: list[Answer]) -> bool:
    """Days of all lines that are not cancelled; first days and units short; receipts."""
    items = ours.problem.sku.size
    day = ours.tally.own_day.reshape(items, -1, ours.problem.scenarios)
    for g in range(items):
        mine = answers[g * day.shape[2] : (g + 1) * day.shape[2]]
        for k, answer in enumerate(mine):
            if any(b is not None and a != b for a, b in zip(day[g, :, k], answer["lines"], strict=True)):
                return False
        first = np.bincount([x["first_short"] for x in mine], minlength=DAYS + 2)
        if not (first == ours.tally.first_short[g]).all():
            return False
        if sum(x["receipts"] for x in mine) != ours.tally.cycles[g, 0]:
            return False
        if sum(x["short"] for x in mine) != ours.tally.risk["short_units"][g, -1]:
            return False
    return True


def same_as_ciw(ours: Slice, answers: list[Answer]) -> bool:
    """Days of all lines, from when the last unit of each begins its service."""
    p, scenarios = ours.problem, ours.problem.scenarios
    for at, answer in enumerate(answers):
        g, k = divmod(at, scenarios)
        sku, case = p.sku[g], ours.cases[at]
        comes = [(max(x["wanted"], 0), 0, n, x["need"]) for n, x in enumerate(case["lines"])]
        comes += [(day, 1, 0, units) for day, units, _ in case["demand"]]
        done = 0
        for _, simulated, n, units in sorted(comes):
            done += int(units)
            day = max(answer["start"][done - 1], 1)
            place = case["next_working"][min(day, DAYS + 1)] + case["lines"][n]["handling"]
            leaves = case["working_days"][min(place, p.working_days.shape[1] - 1)]
            if not simulated and leaves != ours.tally.own_day[sku["line_from"] + n, k]:
                return False
    return True


# periodic policies


def of_policies(scenarios: int) -> Slice:
    """One item under each policy that stockpyl knows, demand of every day, one lead time; paths kept."""
    shop = queue_shop.make(3, scenarios, qk.BY_CLASS).problem
    sku = shop.sku.copy()
    sku["line_from"] = sku["line_to"] = sku["po_from"] = sku["po_to"] = 0
    sku["apart"], sku["theta"], sku["size"], sku["queue_share"] = 0.0, 0.5, 2.0, 1.0
    sku["policy"], sku["free"], sku["path"] = [qk.BASE_STOCK, qk.SS, qk.RQ], 12, np.arange(3)
    sku["reorder_point"], sku["order_up_to"], sku["order_qty"] = 12, [16, 26, 0], 1
    sku["order_qty"][2], sku["review_days"] = 28, 1  # never more than one lot at once: stockpyl orders only one
    law = np.zeros((queue_shop.PROFILES, 20))
    law[:, LEAD:] = 1.0
    calendar = shop.calendar.copy()
    calendar["working"][:, 1 : DAYS + 1], calendar["next"][0] = 1, np.maximum(np.arange(DAYS + 2) - 1, 0)
    p = shop._replace(
        sku=sku, line=shop.line[:0], line_draw=shop.line_draw[:0], po_qty=shop.po_qty[:0], po_draw=shop.po_draw[:0],
        class_from=np.zeros((3, 2), np.int64), patience=np.zeros_like(shop.patience), new_lead=law, calendar=calendar,
        working_days=np.append(np.arange(1, DAYS + 1), [DAYS + 1, DAYS + 1])[None],
    )  # fmt: skip
    tally = queue_shop.tally(p)._replace(paths=np.zeros((3, 2, scenarios, DAYS), np.float32))
    qk.simulate_components(p, tally, 0, 3)
    given: list[tuple[str, dict[str, int]]] = [
        ("BS", {"base_stock_level": 16}), ("sS", {"reorder_point": 12, "order_up_to_level": 26}),
        ("rQ", {"reorder_point": 12, "order_quantity": 28}),
    ]  # fmt: skip
    cases = [{"policy": name, "given": how, "lead": LEAD, "stock": 12, "demand": units.tolist()}
             for g, (name, how) in enumerate(given) for units in _demand(p, g)]  # fmt: skip
    return Slice(cases, p, tally)


def same_as_stockpyl(ours: Slice, answers: list[Answer]) -> bool:
    """Stock on hand less what is backordered, at the end of every day."""
    level = (ours.tally.paths[:, 0] - ours.tally.paths[:, 1]).reshape(len(answers), DAYS)
    return bool((level == np.array([x["level"] for x in answers])).all())


# what is printed


def print_shop_peers(cases: int, kernel: float) -> None:
    """Seconds of SimPy and Ciw for so many items in a scenario, from a slice; `kernel`: ours."""
    for peer, items, scenarios in (("simpy", 100, 40), ("ciw", 50, 20)):
        mine = of_shop(items, scenarios, patient=peer == "ciw")
        found = ask(os.environ.get("PEERS_PYTHON", ""), peer, mine.cases)
        if found is None:
            print(f"{peer}: not to be had from PEERS_PYTHON")
            continue
        same = {"simpy": same_as_simpy, "ciw": same_as_ciw}[peer](mine, found[0])
        seconds = found[1] * cases / len(mine.cases)
        name = f"{peer}, extrapolated" + (", nobody leaves" if peer == "ciw" else "")
        print(f"{name:34}{seconds:10,.0f}  {seconds / kernel:,.0f} times as long; "
              f"{'every answer as ours' if same else 'ANSWERS DIFFER'}", flush=True)  # fmt: skip


def policies(scenarios: int) -> Answer:
    """Seconds of a policy's item in a scenario, here and in stockpyl, and whether every day is the same."""
    many, seconds = of_policies(scenarios), []
    for _ in range(3):
        began = time.process_time()
        qk.simulate_components(many.problem, many.tally, 0, 3)
        seconds.append(time.process_time() - began)
    few = of_policies(20)
    found = ask(os.environ.get("PEERS_PYTHON", ""), "stockpyl", few.cases)
    theirs = {} if found is None else {"theirs": found[1] / len(few.cases), "same": same_as_stockpyl(few, found[0])}
    return {"ours": min(seconds) / len(many.cases), **theirs}


def print_policies(x: Answer) -> None:
    """What :func:`policies` found."""
    print(f"\nbase stock, (s,S), (r,Q): one item, {DAYS} days, reviewed every day")
    print(f"{'event kernel':34}{x['ours'] * 1e6:10.1f} µs a scenario, demand drawn and the stock of every day kept")
    if "theirs" in x:
        print(f"{'stockpyl':34}{x['theirs'] * 1e6:10,.0f} µs a scenario, demand given; "
              f"{x['theirs'] / x['ours']:,.0f} times as long; {'every day as ours' if x['same'] else 'DAYS DIFFER'}",
              flush=True)  # fmt: skip
    else:
        print("stockpyl: not to be had from PEERS_PYTHON")
