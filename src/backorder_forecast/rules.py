"""Allocation rules by name: who gets what, each day, of the units of an item that are there.

Two families. An *ordering* is a sort key of lines, smaller first, computed once; lines of one key are served by wanted
day, `ordered_at`, `sequence` and `line_id`, as always. A *sharing* divides what is there among all that wait. Both are
plain functions over arrays; docs/rules.md says where each comes from and what it does with lines not ordered yet.

>>> lines = Lines.blank(3)._replace(open_qty=np.array([4.0, 1.0, 9.0]))
>>> ORDERINGS["smallest"](lines).tolist(), rule_named("largest").name
([4.0, 1.0, 9.0], 'largest')
>>> rule_named("larges")
Traceback (most recent call last):
    ...
backorder_forecast.errors.UsageError: unknown rule 'larges'; did you mean 'largest'?
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from .core.queue_layout import BY_KEY, EQUAL_LOSSES, MAX_MIN, OWN_SHARES, PROPORTIONAL
from .core.sharing import shares
from .errors import UsageError, did_you_mean
from .own_shares import OwnShares, Sharing, own_shares

LAST = 1e9  # the key of lines without what the rule asks for: served after all others


class Lines(NamedTuple):
    """Order lines as arrays [n], for orderings. Days are counted from the as-of day, which is 0; later is positive.

    Of a line not ordered yet (`future`) all dates lie as they did with a line of the past, moved to its own day.
    """

    priority: np.ndarray  # smaller is more urgent
    ordered: np.ndarray  # day ordered
    wanted: np.ndarray  # day from which it may leave
    requested: np.ndarray  # day asked for; that of the order where none was
    promised: np.ndarray  # day stated to the customer, in force; NaN: none
    open_qty: np.ndarray  # units, > 0
    unit_price: np.ndarray  # the line's, or the item's; NaN: unknown
    sequence: np.ndarray  # the planner's; NaN: none
    future: np.ndarray  # bool

    @classmethod
    def blank(cls, n: int) -> Lines:
        """Lines of one unit, ordered and wanted today."""
        zero, none = np.zeros(n), np.full(n, np.nan)
        return cls(zero, zero, zero, zero, none, np.ones(n), none, none, np.zeros(n, bool))

    def moved(self, days: float) -> Lines:
        """The same lines, all their dates so many days later."""
        later = {x: getattr(self, x) + days for x in ("ordered", "wanted", "requested", "promised")}
        return self._replace(**later)


Ordering = Callable[[Lines], np.ndarray]
AnyRule = str | Ordering | Sharing


def first_come(lines: Lines) -> np.ndarray:
    """First come, first served: nothing goes before the wanted day."""
    return np.zeros(len(lines.wanted))


def priority(lines: Lines) -> np.ndarray:
    """Classes of customers or orders, one after the other (head-of-line priority: Cobham 1954)."""
    return lines.priority


def requested(lines: Lines) -> np.ndarray:
    """The earliest requested date first (earliest due date: Jackson 1955)."""
    return lines.requested


def promised(lines: Lines) -> np.ndarray:
    """The earliest promised date first; lines without one come last."""
    return np.where(np.isnan(lines.promised), LAST, lines.promised)


def smallest(lines: Lines) -> np.ndarray:
    """The smallest open quantity first, which serves most lines soonest (shortest processing time: Smith 1956)."""
    return lines.open_qty


def largest(lines: Lines) -> np.ndarray:
    """The largest open quantity first."""
    return -lines.open_qty


def revenue(lines: Lines) -> np.ndarray:
    """The largest value, unit price × open quantity, first; lines without a price come last."""
    return np.where(np.isnan(lines.unit_price), LAST, -lines.unit_price * lines.open_qty)


def sequence(lines: Lines) -> np.ndarray:
    """The planner's own sequence; lines without one, and lines not ordered yet, come last."""
    return np.where(lines.future | np.isnan(lines.sequence), LAST, lines.sequence)


STRATEGIES = ("win", "gain", "improve", "redistribute", "fill", "lose")
"""What may become of a line when what is promised is allocated anew, in the order in which they are served."""
_KEEPING = (STRATEGIES.index("gain"), STRATEGIES.index("improve"))
_APART = 1e5  # days between the keys of two strategies


def reallocate(lines: Lines, strategies: Mapping[int, str] | None = None) -> np.ndarray:
    """Allocate anew what is promised already, by a strategy for each class of priority.

    Who may win is served first, then those whose promises are to be kept (gain, improve: by promised date), then those
    among whom goods are redistributed (first come, first served), then those who fill up with what is left, and last
    who loses. strategies: one of STRATEGIES by priority; of other lines, those with a promise gain and the rest
    is redistributed. (The strategies of backorder processing in SAP's documentation of advanced available-to-promise.)
    """
    rank = np.where(np.isnan(lines.promised), STRATEGIES.index("redistribute"), STRATEGIES.index("gain")).astype(float)
    for value, strategy in (strategies or {}).items():
        rank[lines.priority == value] = STRATEGIES.index(strategy)
    by_promise = np.isin(rank, _KEEPING) & ~np.isnan(lines.promised)
    return np.asarray(_APART * rank + np.where(by_promise, lines.promised, 0.0))


ORDERINGS: dict[str, Ordering] = {
    x.__name__: x for x in (first_come, priority, requested, promised, smallest, largest, revenue, sequence, reallocate)
}
"""Each computes a key from lines."""

SHARINGS: dict[str, int] = {"proportional": PROPORTIONAL, "max_min": MAX_MIN, "equal_losses": EQUAL_LOSSES}
"""Each divides what is there among those who wait, see :mod:`backorder_forecast.core.sharing`."""

NAMES = (*ORDERINGS, *SHARINGS)


@dataclass(frozen=True)
class Rule:
    """A rule as the queue wants it. engine: BY_KEY or a sharing; key: the ordering, or that of ties."""

    name: str
    engine: int
    key: Ordering
    own: OwnShares | None = None

    @property
    def sharing(self) -> bool:
        """Whether what is there is shared."""
        return self.engine != BY_KEY

    @property
    def address(self) -> int:
        """Of the user's own sharing; 0: there is none."""
        return self.own.address if self.own else 0

    def shares(self, claims: np.ndarray, available: float, unit: float) -> np.ndarray:
        """What each claim gets of what is available, under a sharing."""
        found = shares(claims, available, self.engine, unit, self.address)
        if self.own:
            self.own.check()
        return found


def rule_named(rule: AnyRule, strategies: Mapping[int, str] | None = None) -> Rule:
    """The rule of a name, or a user's own ordering or sharing; strategies: of `reallocate`.

    Raises: ``UsageError`` for anything else.
    """
    if callable(rule):
        arguments = len(inspect.signature(getattr(rule, "py_func", rule)).parameters)
        name = getattr(rule, "__name__", "own")
        if arguments == 1:
            return Rule(name, BY_KEY, _checked(rule))  # type: ignore[arg-type]
        if arguments == 2:
            return Rule(name, OWN_SHARES, first_come, own_shares(rule))  # type: ignore[arg-type]
        raise UsageError("a rule of one's own is a function of lines that gives a key for each (rules.Lines), or of "
                         "claims and what is available that gives units for each claim")  # fmt: skip
    if rule == "reallocate":
        return Rule(rule, BY_KEY, partial(reallocate, strategies=strategies))
    if rule in ORDERINGS:
        return Rule(rule, BY_KEY, ORDERINGS[rule])
    if rule in SHARINGS:
        return Rule(rule, SHARINGS[rule], first_come)
    raise UsageError(f"unknown rule {rule!r}{did_you_mean(str(rule), NAMES)}")


def _checked(rule: Ordering) -> Ordering:
    def key(lines: Lines) -> np.ndarray:
        found = np.asarray(rule(lines))
        n = len(lines.wanted)
        if found.shape != (n,) or found.dtype.kind not in "biuf" or not np.isfinite(found).all():
            told = f"{found.dtype} of shape {found.shape}"
            raise UsageError(f"the rule gave {told}; it has to give one finite number for each of {n} lines")
        return found.astype(float)

    return key
