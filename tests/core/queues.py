"""Small first-come queues, as the fast engines, the event kernel and the plain reference want them."""

from dataclasses import dataclass, field

import numpy as np

from backorder_forecast.core import first_come as fc
from backorder_forecast.core import first_come_law as fl
from backorder_forecast.core import queue_kernel as qk
from backorder_forecast.core.chance import sample_days
from tests.core.problems import blank

LEVELS = np.array([0.1, 0.5, 0.9])


@dataclass
class Case:
    """One item: needs in service order, days from which lines are wanted, (units, law by day 1…) of purchases."""

    stock: float
    needs: list
    purchases: list
    horizon: int
    wanted: list = field(default_factory=list)
    open_days: list = field(default_factory=list)  # none: every day, today (day 0) too

    @property
    def starts(self):
        return self.wanted or [0] * len(self.needs)

    @property
    def commit_on(self):
        days = self.open_days or range(self.horizon + 2)
        later = [[d for d in days if d >= x] for x in range(self.horizon + 2)]
        return np.array([min(x[0] if x else self.horizon + 1, self.horizon + 1) for x in later])


def queues(cases):
    """The items of several cases of one horizon, and their purchases, each with its own law and key."""
    item = np.zeros(len(cases), fc.ITEM)
    item["stock"], item["location"] = [c.stock for c in cases], np.arange(len(cases))
    for of, rows in (("line", [len(c.needs) for c in cases]), ("po", [len(c.purchases) for c in cases])):
        item[f"{of}_to"] = np.cumsum(rows)
        item[f"{of}_from"] = item[f"{of}_to"] - rows
    line = np.zeros(int(item["line_to"][-1]), fc.LINE)
    line["need"], line["wanted"] = [x for c in cases for x in c.needs], [x for c in cases for x in c.starts]
    purchase = np.zeros(int(item["po_to"][-1]), fc.PURCHASE)
    purchase["key"] = np.arange(1, len(purchase) + 1) * 7919
    purchase["law"], purchase["qty"] = np.arange(len(purchase)), [x[0] for c in cases for x in c.purchases]
    received = np.array([x[1] for c in cases for x in c.purchases], float).reshape(len(purchase), cases[0].horizon)
    return fc.Queues(item, line, np.array([c.commit_on for c in cases])), purchase, received


def sampled(cases, scenarios):
    q, purchase, received = queues(cases)
    out = fc.room(q.line.size, LEVELS.size, cases[0].horizon + 2, histogram=True)
    fc.cover_days(q, purchase, received, LEVELS, scenarios, out, 0, len(cases))
    return out


def draws(purchase, received, scenarios):
    """The same receipts as `sampled` meets, as the event kernel wants them."""
    days = np.zeros((len(purchase), scenarios), np.int16)
    sample_days(received, purchase["key"].copy(), 0, days)
    out = np.zeros(days.shape, qk.PURCHASE_DRAW)
    out["first"] = days + 1
    out["rest"], out["first_qty"] = out["first"], purchase["qty"][:, None]
    return out


def exact(cases):
    q, purchase, received = queues(cases)
    part = np.zeros(len(purchase), fl.PART)
    part["qty"], part["share"], part["law"], part["opens"] = purchase["qty"], 1, purchase["law"], 1
    out = fl.room(len(cases), q.line.size, LEVELS.size, cases[0].horizon, table=True)
    fl.cover_laws(q, part, received, LEVELS, out, 0, len(cases))
    return out


def thinned(cases, hazard, *, pieces=False):
    q, purchase, received = queues(cases)
    part = np.zeros(len(purchase), fl.PART)
    part["qty"], part["share"], part["law"], part["opens"] = purchase["qty"], 1, purchase["law"], 1
    out = fl.room(len(cases), q.line.size, LEVELS.size, cases[0].horizon, table=True)
    leaving = np.zeros(q.line.size, fl.LEAVING)
    leaving["hazard"], leaving["pieces"] = hazard, q.line["need"] if pieces else 1
    fl.thinned_laws(q, part, received, leaving, LEVELS, out, 0, len(cases))
    return out


def event_problem(cases, scenarios, *, hazard=0.0, pieces=1, seed=0):
    """The cases as the event kernel's problem, with the receipts that `sampled` meets."""
    q, purchase, received = queues(cases)
    horizon = cases[0].horizon
    p, _ = blank(len(cases), q.line.size, len(purchase), scenarios, locations=len(cases), horizon=horizon)
    for name in ("line_from", "line_to", "po_from", "po_to", "location"):
        p.sku[name] = q.item[name]
    p.sku["free"], p.sku["key"] = q.item["stock"], 1 + np.arange(len(cases))
    p.class_from[:] = np.stack([q.item["line_from"], q.item["line_to"]], axis=1)
    p.line["need"], p.line["wanted"], p.line["pieces"] = q.line["need"], q.line["wanted"], pieces
    most = int((q.item["po_to"] - q.item["po_from"]).max())
    p.line["peg_from"] = np.arange(q.line.size) * (qk.FIRST_PURCHASE + most)
    p.po_qty[:], p.po_draw[:] = purchase["qty"], draws(purchase, received, scenarios)
    for i, case in enumerate(cases):
        days = [d for d in case.open_days or range(horizon + 1) if d <= horizon] + [horizon + 1]
        p.calendar["working"][i] = np.isin(np.arange(horizon + 2), days)
        p.calendar["next"][i] = np.searchsorted(days, np.arange(horizon + 2))
        p.working_days[i], p.working_days[i, : len(days)] = horizon + 1, days
    if hazard:
        waits = np.random.default_rng(seed).geometric(hazard, p.line_draw.shape)
        day = waits + np.maximum(q.line["wanted"], 0)[:, None]
        p.line_draw["cancel"] = np.where(day <= horizon, day, 0)
    return p


def purchase_law(rng, horizon, *, spread=12.0):
    """A random law of a receipt day, some of it never."""
    middle, width = rng.uniform(1, horizon), rng.uniform(1, spread)
    steps = np.exp(-0.5 * ((np.arange(horizon) - middle) / width) ** 2) + 1e-6
    return rng.uniform(0.8, 1.0) * np.cumsum(steps) / steps.sum()


def random_case(rng, horizon, *, lines=8, purchases=5, whole=True):
    n, m = int(rng.integers(1, lines + 1)), int(rng.integers(0, purchases + 1))
    units = (lambda top, size: rng.integers(1, top, size).astype(float)) if whole else (
        lambda top, size: rng.uniform(0.1, top, size)
    )  # fmt: skip
    return Case(float(rng.integers(-4, 8)), units(6, n).tolist(),
                [(q, purchase_law(rng, horizon)) for q in units(12, m)], horizon)  # fmt: skip
