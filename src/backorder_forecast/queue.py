"""Waiting lines, supply, demand, policy and rule to outcomes: which line leaves when, in every scenario."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .adopt import demand_from
from .core import queue_kernel as kernel
from .core.chance import sample_days, sample_waits
from .core.components import departures
from .exact import ExactDates, exact_dates, no_dates
from .executors import run_partitions
from .kinds import as_lines, future_kinds, no_kinds, protected_groups
from .law import Law
from .past import SKU, sku_codes
from .places import bundles, in_ratio, placed_at, service_order
from .policy import Policies, set_policies
from .rules import NAMES, AnyRule, Rule, first_come, priority, rule_named
from .service import Service, days_committed, learn_service
from .streams import keys, text_hashes
from .supply import Supply

if TYPE_CHECKING:
    from .config import Config
    from .demand import Demand
    from .forecast import Forecast
    from .past import Past

RULES = NAMES


@dataclass(frozen=True)
class Layout:
    """What is simulated, as the kernel reads it: lines (by SKU, in service order; with sku, the row in `past.skus`),
    open purchases in the order of the problem, and the row in `past.skus` of each of its SKUs."""

    past: Past
    lines: pd.DataFrame
    problem: kernel.Problem
    purchases: pd.DataFrame
    sku_rows: np.ndarray

    def component(self, place: int) -> int:
        """The component of a SKU, by its place in the problem."""
        return int(np.searchsorted(self.problem.component["sku"], place, side="right")) - 1

    def place(self, sku: int) -> int:
        """The place in the problem of a row of `past.skus`; −1: it is not simulated."""
        found = np.flatnonzero(self.sku_rows == sku)
        return int(found[0]) if len(found) else -1


@dataclass(frozen=True)
class Outcomes:
    """What happened over the scenarios.

    lines: the simulated lines in the kernel's order (with sku, the row in `past.skus`); simulated [n]: which SKUs
    were; tally: the kernel's counts with planned orders; open_only: its risk counts without them; peg_line,
    peg_purchase: line and open purchase (-1: none) of each counter in `tally.peg`; order_days [orders × scenarios]:
    the day on which the last line of an order of several leaves; orders: their ids; problem: what the kernel read;
    po_rows: the row in `supply.purchases` of each of its purchases.
    """

    past: Past
    demand: Demand
    supply: Supply
    policies: Policies
    service: Service
    config: Config
    seed: int
    lines: pd.DataFrame
    line_records: np.ndarray
    sku_rows: np.ndarray
    tally: kernel.Tally
    open_only: kernel.Tally
    peg_line: np.ndarray
    peg_purchase: np.ndarray
    orders: pd.DataFrame
    order_days: np.ndarray
    path_skus: np.ndarray
    served: Rule
    problem: kernel.Problem
    po_rows: np.ndarray

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.served.name

    @property
    def layout(self) -> Layout:
        """What was simulated."""
        bought = self.supply.purchases.iloc[self.po_rows].reset_index(drop=True)
        return Layout(self.past, self.lines, self.problem, bought, self.sku_rows)

    @property
    def scenarios(self) -> int:
        """Number of scenarios."""
        return self.config.simulation.scenarios

    @property
    def horizon(self) -> int:
        """Days simulated."""
        return self.config.simulation.horizon_days

    @cached_property
    def exact(self) -> ExactDates:
        """The simulated lines that have an exact law, which stands in place of their scenarios."""
        return exact_dates(self) if self.config.queue.exact_dates else no_dates(self.horizon)

    @cached_property
    def own_dates(self) -> Law:
        """The law of the day on which each simulated line is complete, whatever its order waits for."""
        return self._law(self.exact.put(self._shares_of(self.tally.line_day["leaves"])))

    @cached_property
    def next_dates(self) -> Law:
        """The law of the day on which the next piece of each simulated line leaves."""
        return self._law(self.exact.put(self._shares_of(self.tally.line_day["first"]), first=True))

    @cached_property
    def ship_dates(self) -> Law:
        """The law of the day on which each simulated line leaves: with its order where that ships complete."""
        table = self.own_dates.table.copy()
        tied = self.lines["firm_row"].to_numpy() >= 0
        table[tied] = self._shares(leave_days(self.lines[tied], self.tally))
        return Law(self.lines[["line_id"]], table, start=1, origin=self.past.day)

    @cached_property
    def order_law(self) -> Law:
        """The law of the day on which the last line leaves, of each order with several simulated lines."""
        return Law(self.orders[["order_id"]], self._shares(self.order_days), start=1, origin=self.past.day)

    def _shares(self, days: np.ndarray) -> np.ndarray:
        """P(day ≤ d) [rows × 1…horizon] from the days of the scenarios [rows × scenarios]."""
        width = self.horizon + 2
        cell = np.arange(len(days))[:, None] * width + days
        counts = np.bincount(cell.ravel(), minlength=len(days) * width).reshape(-1, width)
        shares: np.ndarray = np.cumsum(counts[:, 1:-1], axis=1) / self.scenarios
        return shares

    def _shares_of(self, counts: np.ndarray) -> np.ndarray:
        shares: np.ndarray = np.cumsum(counts[:, 1 : self.horizon + 1], axis=1) / self.scenarios
        return shares

    def _law(self, table: np.ndarray) -> Law:
        return Law(self.lines[["line_id"]], table, start=1, origin=self.past.day)


def leave_days(lines: pd.DataFrame, tally: kernel.Tally) -> np.ndarray:
    """Days on which lines with a slot leave [lines × scenarios]: by themselves, or with those they are tied to."""
    return departures(lines["slot"].to_numpy(), lines["firm_row"].to_numpy(), tally)


def simulate(
    past: Past, demand: Forecast, supply: Supply, *, rule: AnyRule | None = None, seed: int | None = None,
    policies: Policies | None = None, service: Service | None = None, paths: np.ndarray | None = None,
    every_day: bool = False,
) -> Outcomes:  # fmt: skip
    """Simulate the queue of every SKU whose stock is known against demand and supply.

    rule: one of RULES (default: the configuration's), or one's own (docs/rules.md); paths: rows of
    `past.skus` whose stock is recorded by day; every_day: keep the day of each line in each scenario, not only of lines
    in orders of several.
    Raises: ``UsageError`` for an unknown rule.
    """
    config = past.config
    served = rule_named(rule or config.queue.rule, config.queue.strategies)
    seed = config.simulation.seed if seed is None else seed
    asked = demand_from(past, demand)
    policies = policies or set_policies(past, asked, supply.lead_times)
    service = service or learn_service(past)
    build = _Builder(past, asked, supply, policies, service, served, seed, paths, every_day)
    problem, cost = build.problem(), build.cost
    tally = build.tally(problem, paths=True)
    run_partitions(lambda a, b: kernel.simulate_components(problem, tally, a, b), cost, config.simulation.jobs)
    short = build.open_only(problem)
    open_only = build.tally(short, paths=False)
    run_partitions(lambda a, b: kernel.simulate_components(short, open_only, a, b), cost, config.simulation.jobs)
    if served.own:
        served.own.check()
    orders, order_days = build.order_days(tally)
    return Outcomes(
        past, asked, supply, policies, service, config, seed, build.lines, problem.line, build.sku_rows, tally,
        open_only, *build.pegs(problem), orders, order_days, build.path_skus,
        served, problem, build.po_rows,
    )  # fmt: skip


def lay_out(
    past: Past, demand: Demand, supply: Supply, policies: Policies, service: Service, rule: AnyRule | None = None,
    seed: int | None = None,
) -> Layout:  # fmt: skip
    """What :func:`simulate` would simulate."""
    served = rule_named(rule or past.config.queue.rule, past.config.queue.strategies)
    seed = past.config.simulation.seed if seed is None else seed
    build = _Builder(past, demand, supply, policies, service, served, seed, None, False)
    bought = supply.purchases.iloc[build.po_rows].reset_index(drop=True)
    return Layout(past, build.lines, build.problem(), bought, build.sku_rows)


class _Builder:
    """Lays the frames out as the kernel's arrays: SKUs by component, lines and purchases by SKU."""

    def __init__(
        self, past: Past, demand: Demand, supply: Supply, policies: Policies, service: Service, rule: Rule, seed: int,
        paths: np.ndarray | None, every_day: bool,
    ) -> None:  # fmt: skip
        self.past, self.demand, self.supply, self.policies, self.service = past, demand, supply, policies, service
        self.seed, self.rule, self.every_day = seed, rule, every_day
        self.scenarios = past.config.simulation.scenarios
        self.horizon = past.config.simulation.horizon_days
        known = past.stock["on_hand"].notna().to_numpy()
        waiting = past.lines[(past.lines["open_qty"] > 0) & ~past.lines["is_stale"]]
        waiting = waiting.assign(sku=sku_codes(past, waiting))
        waiting = waiting[known[waiting["sku"].to_numpy()]]
        bundle, self.bundle_ids = bundles(waiting)
        waiting = waiting.assign(bundle=bundle, in_ratio=in_ratio(waiting, bundle))
        self._set_components(known, waiting)
        waiting = waiting.assign(component=self.component_of[waiting["sku"]])
        self.groups = protected_groups(past)
        self._set_rule(waiting)
        keys_of = None if self.by_class else rule.key(as_lines(past, waiting, "open_qty", "promised_date"))
        waiting = waiting.assign(placed_at=placed_at(past, waiting), group=self.groups.of(past, waiting))
        self.lines = self._committed_first(service_order(waiting, rule.key is priority, keys_of))
        self._set_orders()
        self._set_purchases()
        chosen = np.zeros(0, np.int64) if paths is None else np.asarray(paths)
        self.path_skus = chosen[known[chosen]] if len(chosen) else chosen

    def _set_rule(self, waiting: pd.DataFrame) -> None:
        """Whether classes one after the other, as demand has them, are all that the rule asks for."""
        classes = self.demand.classes
        known = (self.rule.key is priority and waiting["priority"].isin(classes).all()) or (
            self.rule.key is first_come and len(classes) == 1
        )
        self.by_class = bool(known) and not self.rule.sharing and not self.groups.count
        self.kinds = no_kinds(len(self.past.skus))
        if not self.by_class:
            self.kinds = future_kinds(self.past, self.rule.key, self.groups)

    def _committed_first(self, lines: pd.DataFrame) -> pd.DataFrame:
        """What was committed to a line and has not left yet is not given to others, whoever comes."""
        spent = days_committed(self.past, self.service, lines, shared=self.rule.sharing)
        first = lines["class"].min() if self.by_class else kernel.SET_ASIDE
        lines = lines.assign(spent=spent, late=spent == 0)
        lines["class"] = lines["class"].where(lines["late"], first)
        return lines.sort_values(["component", "sku", "class", "late"], kind="stable", ignore_index=True)

    def _set_components(self, known: np.ndarray, waiting: pd.DataFrame) -> None:
        """SKUs that lines leaving together tie are simulated together; others by themselves."""
        tied = waiting[waiting["bundle"] >= 0]
        first = tied.groupby("bundle")["sku"].transform("min").to_numpy()
        n = len(known)
        graph = coo_matrix((np.ones(len(tied)), (first, tied["sku"].to_numpy())), shape=(n, n))
        label = connected_components(graph, directed=False)[1]
        rows = np.flatnonzero(known)
        # components in the order of their first SKU, so that the layout follows the sorted texts
        rank = pd.Series(rows, index=label[rows]).groupby(level=0).min()
        place = rank.reindex(label).to_numpy()
        self.component_of = np.where(known, np.nan_to_num(place, nan=-1), -1).astype(np.int64)
        self.sku_rows = rows[np.lexsort((rows, self.component_of[rows]))]
        self.place = np.full(n, -1)
        self.place[self.sku_rows] = np.arange(len(self.sku_rows))

    def _set_orders(self) -> None:
        """Number orders of several lines, and bundles of lines that leave together by component."""
        lines = self.lines
        size = lines.groupby("order_id")["line_id"].transform("size").to_numpy() if len(lines) else np.zeros(0)
        ids = lines.loc[size > 1, "order_id"].drop_duplicates().sort_values()
        self.order_ids = pd.DataFrame({"order_id": ids.to_numpy()})
        lines["order_row"] = np.where(size > 1, pd.Index(ids).get_indexer(lines["order_id"]), -1)
        tied = lines["bundle"].to_numpy() >= 0
        firm = lines.loc[tied, ["component", "bundle"]].drop_duplicates().sort_values(["component", "bundle"])
        self.firm_component = firm["component"].to_numpy()
        lines["firm_row"] = np.where(tied, pd.Index(firm["bundle"]).get_indexer(pd.Index(lines["bundle"])), -1)
        kept = (size > 1) | tied | self.every_day
        lines["slot"] = np.where(kept, np.cumsum(kept) - 1, -1)

    def _set_purchases(self) -> None:
        rows = self.supply.purchases
        code = sku_codes(self.past, rows)
        place = np.where(code >= 0, self.place[code], -1)
        # by SKU, then by the day ordered: the order in which receipts of one day are counted
        order = np.lexsort((rows["po_line_id"].to_numpy(object), rows["ordered_at"].to_numpy(), place))
        self.po_rows = order[place[order] >= 0]
        self.po_place = place[self.po_rows]

    @property
    def cost(self) -> np.ndarray:
        """Rough cost of each component."""
        edges = self._component_edges()
        lines = np.bincount(self.place[self.lines["sku"]], minlength=len(self.sku_rows))
        per_sku = np.concatenate([[0], np.cumsum(20.0 + lines)])
        return np.diff(per_sku[edges])

    def _component_edges(self) -> np.ndarray:
        component = self.component_of[self.sku_rows]
        return np.concatenate([np.flatnonzero(np.diff(component, prepend=-2)), [len(component)]])

    def problem(self) -> kernel.Problem:
        """The kernel's input, with planned orders."""
        demand, rows, day = self.demand, self.sku_rows, self.past.day
        edges = self._component_edges()
        component = np.zeros(len(edges), kernel.COMPONENT)
        component["sku"] = edges
        firsts = self.component_of[self.sku_rows][edges[:-1]] if len(rows) else np.zeros(0, np.int64)
        component["order"][:-1] = np.searchsorted(self.firm_component, firsts)
        component["order"][-1] = len(self.firm_component)
        protected = self._protected()
        sku, line = self._skus(), self._lines()
        class_from = np.stack(
            # the first class holds whoever stands before the others, whatever priorities were seen
            [sku["line_from"], *(self._class_edges(c) for c in demand.classes[1:]), sku["line_to"]], axis=1
        ) if len(rows) else np.zeros((0, 2), np.int64)  # fmt: skip
        calendar, working_days = self._calendar()
        return kernel.Problem(
            sku, line, class_from, np.ascontiguousarray(demand.class_share[rows]),
            self._salts(), self._patience(),
            np.ascontiguousarray(demand.weekday[rows]), np.ascontiguousarray(demand.factors),
            np.ascontiguousarray(demand.levels[rows]), _edges(demand.shares), np.ascontiguousarray(demand.chance[rows]),
            np.ascontiguousarray(demand.size_value), np.ascontiguousarray(demand.size_cum),
            self._line_draws(), self.supply.purchases["open_qty"].to_numpy(float)[self.po_rows].copy(),
            np.ascontiguousarray(self.supply.draws(self.scenarios, self.seed)[self.po_rows]), self._new_lead(),
            self.shared_delays[2],
            calendar, working_days, self._receive_on(), component,
            np.bincount(self.lines["firm_row"][self.lines["firm_row"] >= 0], minlength=len(self.firm_component)),
            self._risk_days(), kernel.BY_CLASS if self.by_class else self.rule.engine, self.rule.address,
            np.ascontiguousarray(self.kinds.cum[rows]), np.ascontiguousarray(self.kinds.key[rows]),
            np.ascontiguousarray(self.kinds.step[rows]), self.kinds.group, protected, self.groups.count, self.horizon,
            self.scenarios, (day.day_of_week + 1) % 7, day.toordinal() + 1, True,
        )  # fmt: skip

    def _salts(self) -> np.ndarray:
        classes, kinds = [f"class {c}" for c in self.demand.classes], self.kinds.group.size
        return text_hashes(classes + [f"kind {c}" for c in range(len(classes), kinds)])

    def _patience(self) -> np.ndarray:
        """How long future customers wait: of each class; of any, where demand is split into kinds of lines."""
        table = self.service.patience.table(self.horizon + 1)
        rows = self.service.patience.rows(self.demand.classes)
        kinds = self.kinds.group.size
        return np.ascontiguousarray(table[rows] if self.by_class else np.repeat(table[-1:], max(len(rows), kinds), 0))

    def _protected(self) -> np.ndarray:
        """What is protected for groups of customers, by SKU."""
        place = self.place[self.groups.row]
        order = np.argsort(place, kind="stable")
        order = order[place[order] >= 0]
        count = np.bincount(place[order], minlength=len(self.sku_rows))
        self.protect_starts = np.concatenate([[0], np.cumsum(count)])
        rows: np.ndarray = self.groups.protect[order]
        return rows

    def _risk_days(self) -> np.ndarray:
        days = {min(x, self.horizon) for x in self.past.config.risk.horizons} | {self.horizon}
        return np.array(sorted(days), np.int64)

    def _class_edges(self, value: int) -> np.ndarray:
        """Where the lines of a class (or a later one) begin, by SKU."""
        lines = self.lines
        place = self.place[lines["sku"]]
        before = np.bincount(place[lines["class"].to_numpy() < value], minlength=len(self.sku_rows))
        return self._line_starts()[:-1] + before

    def _line_starts(self) -> np.ndarray:
        count = np.bincount(self.place[self.lines["sku"]], minlength=len(self.sku_rows))
        return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)

    def _skus(self) -> np.ndarray:
        past, demand, rows = self.past, self.demand, self.sku_rows
        policy = self.policies.frame.iloc[rows]
        out = np.zeros(len(rows), kernel.SKU)
        texts = [past.skus[x].iloc[rows] for x in SKU]
        out["key"], out["lead_key"] = keys(self.seed, "demand", *texts), keys(self.seed, "new order", *texts)
        # blocked units lie there but cannot be allocated; `on_hand` does not count them
        out["free"] = past.stock["on_hand"].to_numpy()[rows]
        starts = self._line_starts()
        out["line_from"], out["line_to"] = starts[:-1], starts[1:]
        po = np.concatenate([[0], np.cumsum(np.bincount(self.po_place, minlength=len(rows)))])
        out["po_from"], out["po_to"] = po[:-1], po[1:]
        out["size"], out["theta"], out["unit"] = demand.size[rows], demand.theta[rows], demand.unit[rows]
        out["profile"], out["apart"] = demand.profile[rows], demand.apart[rows]
        out["size_from"], out["size_to"] = demand.size_start[rows], demand.size_start[rows + 1]
        out["start_day"], out["end_day"] = demand.start_day[rows], demand.end_day[rows]
        out["queue_share"] = past.skus["backorder_share"].to_numpy()[rows]
        out["protect_from"], out["protect_to"] = self.protect_starts[:-1], self.protect_starts[1:]
        out["policy"] = policy["kind"]
        for name in ("reorder_point", "order_qty", "order_up_to", "pack_size", "min_order_qty", "max_stock"):
            out[name] = policy[name].fillna(0.0)
        out["order_qty"] = np.where(out["order_qty"] > 0, out["order_qty"], 1.0)
        out["review_days"], out["review_phase"] = policy["review_days"].clip(lower=1), policy["review_phase"]
        out["lead_row"] = policy["lead_row"]
        out["lead_shared"], out["lead_alike"] = self.shared_delays[0][rows], self.shared_delays[1][rows]
        place = pd.Index(self.service.locations).get_indexer(past.skus["location_id"].iloc[rows])
        out["location"], out["path"] = place, -1
        out["path"][self.place[self.path_skus]] = np.arange(len(self.path_skus))
        return out

    def _lines(self) -> np.ndarray:
        lines = self.lines
        out = np.zeros(len(lines), kernel.LINE)
        out["need"] = lines["open_qty"]
        out["wanted"] = -self.past.days_since(lines["place_date"])
        sets = lines["in_ratio"].to_numpy(bool)
        out["min_ship"] = lines["min_ship_qty"].fillna(0.0).where(~sets, 0.0)
        out["group"] = lines["group"]
        if not self.by_class:
            out["key"] = lines["class"]
        out["pieces"] = lines["allow_partial"].to_numpy(bool) & (lines["firm_row"].to_numpy() < 0) | sets
        out["order"], out["slot"] = lines["firm_row"], lines["slot"]
        purchases = np.bincount(self.po_place, minlength=len(self.sku_rows))
        width = kernel.FIRST_PURCHASE + purchases[self.place[lines["sku"]]]
        out["peg_from"] = np.concatenate([[0], np.cumsum(width)[:-1]]) if len(lines) else 0
        self.peg_width = width
        return out

    def _line_draws(self) -> np.ndarray:
        lines, never = self.lines, self.horizon + 1
        out = np.zeros((len(lines), self.scenarios), kernel.LINE_DRAW)
        cancel = np.zeros(out.shape, np.int16)
        wanted = -self.past.days_since(lines["wanted_date"])
        start, age = (np.maximum(x, 0).astype(np.int64) for x in (wanted, -wanted))
        patience = self.service.patience
        laws, row = patience.table(int(age.max(initial=0)) + never), patience.rows(lines["priority"].to_numpy())
        sample_waits(laws, row, age, start, keys(self.seed, "patience", lines["line_id"]), never, cancel)
        # a customer who waits so many days has left on the morning after them
        limit = np.maximum(wanted + np.floor(lines["max_wait_days"].to_numpy(float)) + 1, 1)
        limit = np.minimum(np.nan_to_num(limit, nan=never), never)
        cancel = np.minimum(cancel, limit[:, None]).astype(np.int16)
        committed = (lines["spent"] > 0) & (lines["firm_row"] < 0)
        out["cancel"] = np.where((cancel < never) & ~committed.to_numpy()[:, None], cancel, 0)
        out["handling"] = self._handling()
        return out

    def _handling(self) -> np.ndarray:
        """Working days from commitment to departure [lines × scenarios], less those already spent."""
        lines = self.lines
        # lines that leave together have handling time, begun when the last is ready
        firm = lines["firm_row"].to_numpy()
        entity = lines["line_id"].to_numpy(object).copy()
        entity[firm >= 0] = self.bundle_ids[lines["bundle"].to_numpy()[firm >= 0]]
        together = np.where(firm >= 0, firm, -1 - np.arange(len(lines)))
        spent = lines["spent"].groupby(together).transform("min").to_numpy()
        place = pd.Index(self.service.locations).get_indexer(lines["location_id"])
        out = np.zeros((len(lines), self.scenarios), np.int16)
        sample_days(self.service.still_to_go(place, spent), keys(self.seed, "handling", entity), 0, out)
        return out

    def _new_lead(self) -> np.ndarray:
        if len(self.supply.lead_times.purchases):
            return np.ascontiguousarray(self.supply.lead_times.laws)
        return np.ascontiguousarray(_stated_lead_laws(self.past, self.policies))

    @cached_property
    def shared_delays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What new orders share with open purchases, see :meth:`Supply.shared_delays`."""
        return self.supply.shared_delays(self.policies.frame, self.scenarios, self.seed)

    def _receive_on(self) -> np.ndarray:
        """The day 0…H + 1 on which goods ready by each day are received."""
        fitted, beyond = self.supply.lead_times, self.horizon + 1
        opens: np.ndarray = np.minimum(fitted.receiving.next_open(self.past.day, beyond), beyond)
        return opens.astype(np.int64)

    def _calendar(self) -> tuple[np.ndarray, np.ndarray]:
        n, width = len(self.service.locations), self.horizon + 2
        calendar = np.zeros((n, width), kernel.CALENDAR)
        days = np.full((n, width + 1), self.horizon + 1, np.int64)
        for i, working in enumerate(self.service.working.ahead(self.past.day, self.horizon + 1)):
            mine = np.flatnonzero(working[: self.horizon + 1])
            mine = mine[mine >= 1]
            days[i, : len(mine)] = mine
            calendar["working"][i] = working
            calendar["next"][i] = np.searchsorted(mine, np.arange(width))
        return calendar, days

    def pegs(self, problem: kernel.Problem) -> tuple[np.ndarray, np.ndarray]:
        """Line, and row in `supply.purchases` (-1: none), of each counter in `tally.peg`."""
        line = np.repeat(np.arange(problem.line.size), self.peg_width)
        place = self.place[self.lines["sku"].to_numpy()]
        which = np.arange(len(line)) - problem.line["peg_from"][line] - kernel.FIRST_PURCHASE
        row = np.where(which >= 0, problem.sku["po_from"][place[line]] + which, 0)
        rows = np.append(self.po_rows, -1)  # there may be no purchase at all
        return line, np.where(which >= 0, rows[row], -1)

    def open_only(self, problem: kernel.Problem) -> kernel.Problem:
        """The same futures without planned orders, as far as risk is asked for."""
        longest = int(problem.risk_days[:-1].max(initial=1))
        sku = problem.sku.copy()
        sku["path"] = -1
        return problem._replace(sku=sku, with_planned=False, horizon=longest,
                                risk_days=problem.risk_days[problem.risk_days <= longest].copy())  # fmt: skip

    def tally(self, problem: kernel.Problem, *, paths: bool) -> kernel.Tally:
        """Empty counters for a problem."""
        n, days = problem.sku.size, problem.horizon + 2
        recorded = len(self.path_skus) if paths else 0
        slots = int((self.lines["slot"] >= 0).sum())
        return kernel.Tally(
            np.zeros((problem.line.size, days), kernel.LINE_DAY),
            np.zeros((slots, self.scenarios), np.int16),
            np.zeros((slots, self.scenarios), np.int16),
            np.zeros(problem.line.size, np.int64),
            np.zeros(int(self.peg_width.sum()), np.int64),
            np.zeros((n, problem.risk_days.size), kernel.RISK),
            np.zeros((n, days), np.int64),
            np.zeros((n, 2), np.int64),
            np.zeros((recorded, 2, self.scenarios, problem.horizon), np.float32),
            np.zeros((0, self.scenarios, 4)),
        )

    def order_days(self, tally: kernel.Tally) -> tuple[pd.DataFrame, np.ndarray]:
        """The day on which the last line of each order of several leaves, by scenario."""
        out = np.zeros((len(self.order_ids), self.scenarios), np.int16)
        mine = self.lines[self.lines["slot"] >= 0]
        several = mine["order_row"].to_numpy() >= 0
        np.maximum.at(out, mine["order_row"].to_numpy()[several], leave_days(mine, tally)[several])
        return self.order_ids, out


def _edges(shares: np.ndarray) -> np.ndarray:
    """Where strata with these shares end; the last at 1, however the sum was rounded."""
    return np.append(np.cumsum(shares)[:-1], 1.0)


def _stated_lead_laws(past: Past, policies: Policies) -> np.ndarray:
    """Certain lead times where no purchase was ever seen: the policies' planned ones, one row for all."""
    days = past.policies["planned_lead_time_days"].dropna()
    lead = int(days.median()) if len(days) else 0
    return (np.arange(past.config.simulation.horizon_days + 1) >= lead).astype(float)[None]
