"""What can go wrong, as one tree; each class knows the exit code of the command line.

::

    BackorderForecastError            1
    ├── ConfigError                   2   a setting is unknown, wrong or missing
    ├── UsageError                    2   a call that cannot be meant
    ├── MissingExtra                  2   an optional part is not installed
    ├── InputError                    3   the data cannot be used; carries ``problems``
    ├── GateFailed                    4   finished, but a configured gate failed
    ├── FolderLocked                  5   another run holds the folder
    └── NotAvailable                  2   a table or answer that this run cannot give; says why

Every message is written for the person who has to mend the cause.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MAX_SHOWN = 20  # problems printed in one message; the rest is counted


class BackorderForecastError(Exception):
    """Root of every error raised on purpose by this package."""

    exit_code = 1


class ConfigError(BackorderForecastError):
    """A setting or a mapping is unknown, contradictory or missing."""

    exit_code = 2


class UsageError(BackorderForecastError):
    """An argument that cannot be meant, e.g. a day before the first fact."""

    exit_code = 2


class GateFailed(BackorderForecastError):
    """The work is done and written, but a configured gate was not met."""

    exit_code = 4


class FolderLocked(BackorderForecastError):
    """Another run is writing to the same folder."""

    exit_code = 5


class NotAvailable(BackorderForecastError, AttributeError):
    """A table or an answer that this run cannot give; the message says why.

    It is an ``AttributeError`` too, so that ``hasattr(run, "line_eta")`` answers instead of failing.
    """

    exit_code = 2


class MissingExtra(BackorderForecastError, ImportError):
    """An optional dependency is not installed; the message holds the line that installs it.

    >>> print(MissingExtra("excel", "the Excel workbook"))
    the Excel workbook needs an optional part: pip install "backorder-forecast[excel]"
    """

    exit_code = 2

    def __init__(self, extra: str, what: str = "this") -> None:
        self.extra = extra
        super().__init__(f'{what} needs an optional part: pip install "backorder-forecast[{extra}]"')


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one table, in a form a person can act on.

    Parameters: ``table`` and ``column`` (None: the table as a whole), ``check`` (what was asked of it),
    ``rows`` (how many fail), ``share`` (of the table, 0…1), up to five ``examples``, and a ``remedy``.

    >>> print(Problem("stock", "on_hand", "is a number", 2, 0.5, ("n/a", "?"), "write a number"))
    stock.on_hand: is a number; 2 rows (50 %), e.g. 'n/a', '?'. To mend it: write a number
    """

    table: str
    column: str | None
    check: str
    rows: int = 0
    share: float = 0.0
    examples: tuple[Any, ...] = ()
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        rows = f"; {self.rows} row{'s' * (self.rows != 1)} ({_percent(self.share)})" if self.rows else ""
        shown = ", ".join(_shown(value) for value in self.examples[:5])
        examples = f", e.g. {shown}" if shown else ""
        remedy = f". To mend it: {self.remedy}" if self.remedy else ""
        return f"{where}: {self.check}{rows}{examples}{remedy}"


class InputError(BackorderForecastError):
    """The data cannot be used; ``problems`` lists everything found, in all tables at once.

    >>> problem = Problem("stock", None, "the file is empty", remedy="export it")
    >>> print(InputError("cannot be used", [problem]))
    cannot be used
      - stock: the file is empty. To mend it: export it
    """

    exit_code = 3

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        self.problems: list[Problem] = list(problems)
        lines = [message, *(f"  - {problem}" for problem in self.problems[:MAX_SHOWN])]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"  … and {len(self.problems) - MAX_SHOWN} more")
        super().__init__("\n".join(lines))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or a short list of what there is.

    >>> did_you_mean("seeed", ["seed", "jobs"])
    "; did you mean 'seed'?"
    """
    names: Sequence[str] = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def _percent(share: float) -> str:
    percent = 100 * share
    return "under 0.1 %" if 0 < percent < 0.1 else f"{percent:.3g} %"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
