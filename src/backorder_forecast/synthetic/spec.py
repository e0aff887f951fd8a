"""What a made-up company is asked to be: sizes, chances and the regimes its days follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import UsageError

__all__ = ["REGIMES", "Spec", "regime", "sample_spec"]


@dataclass(frozen=True)
class Spec:
    """A company, before chance has its say. Rates are per calendar day, shares in 0…1.

    >>> Spec(items=20, days=60).end
    59
    """

    items: int = 200
    days: int = 730
    suppliers: int = 10
    locations: tuple[str, ...] = ("north", "south")
    seed: int = 1
    start: str = "2024-07-01"
    second_location_share: float = 0.4  # of the items are kept at each further location as well
    lines_per_day: float = 0.45  # mean over SKUs of order lines a day
    badly_set_share: float = 0.35  # of SKUs, whose reorder point is far too low
    lost_share: float = 0.10  # of items, whose unmet demand is lost
    cancel_hazard: float = 0.01
    change_hazard: float = 0.002
    future_share: float = 0.06  # of orders, asked for on a later day
    ship_complete_share: float = 0.4  # of orders of several lines
    whole_share: float = 0.25  # of lines that may not leave in pieces
    priority: bool = False  # a quarter of the lines, those of key customers, go first
    dispatch_delays: bool = False
    queue_jumps: bool = False
    count_corrections: bool = False
    late_booking: bool = False
    edited_quantities: bool = False
    common_delays: bool = False
    drift: bool = False

    def __post_init__(self) -> None:
        if min(self.items, self.days, self.suppliers, len(self.locations)) < 1:
            raise UsageError("a company needs at least one item, day, supplier and location")

    @property
    def end(self) -> int:
        """The last day, counted from day 0."""
        return self.days - 1

    @property
    def daily_change_hazard(self) -> float:
        """Chance a day that an open line is changed."""
        return 0.03 if self.edited_quantities else self.change_hazard


REGIMES: dict[str, Spec] = {
    "base": Spec(),
    "priority": Spec(priority=True),
    "dispatch_delays": Spec(dispatch_delays=True),
    "queue_jumps": Spec(queue_jumps=True),
    "count_corrections": Spec(count_corrections=True),
    "late_booking": Spec(late_booking=True),
    "edited_quantities": Spec(edited_quantities=True),
    "common_delays": Spec(common_delays=True),
    "drift": Spec(drift=True),
}
"""Named companies; ``base`` and ``priority`` are what our simulation assumes, the others are not."""


def regime(name: str, **changes: object) -> Spec:
    """A named regime with some settings changed.

    >>> regime("priority", items=30).priority
    True
    """
    if name not in REGIMES:
        raise UsageError(f"unknown regime {name!r}; known: {', '.join(sorted(REGIMES))}")
    return replace(REGIMES[name], **changes)  # type: ignore[arg-type]


def sample_spec(seed: int = 1) -> Spec:
    """The company of ``data/sample``: about 210 SKUs, two years, under 2 MB as Parquet files.

    >>> sample_spec().items
    150
    """
    return Spec(items=150, lines_per_day=0.38, seed=seed)
