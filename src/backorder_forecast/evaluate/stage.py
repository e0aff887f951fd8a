"""What a stage is to the replay, and the book that is kept while it is replayed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from ..config import Config
    from ..past import Past

Clock = Callable[[], float]


@dataclass
class Book:
    """Seconds by whom they were spent on, by a clock that is given (none: nothing is timed), and counts by name."""

    clock: Clock | None = None
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to that of `name`."""
        began = self.clock() if self.clock else 0.0
        yield
        if self.clock:
            self.seconds[name] += self.clock() - began


@dataclass(frozen=True)
class Stage:
    """A part of the flow as it is replayed.

    judge: (past, then, seed, book) → a row for each case: as_of, item_id, what was said, what had happened by `then`,
    and `u`, its transform. An empty frame: nothing could be said on that day.
    score: all rows → the output table `scorecard`.
    notes: rows and book → what a reader must know.
    window: days after a replayed day that have to be over before it can be judged.
    nothing: what is said where no day could be replayed.
    """

    judge: Callable[[Past, Past, int, Book], pd.DataFrame]
    score: Callable[[pd.DataFrame], pd.DataFrame]
    notes: Callable[[pd.DataFrame, Book], list[str]]
    window: Callable[[Config], int]
    nothing: str
