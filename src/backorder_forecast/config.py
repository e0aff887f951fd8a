"""Every setting of the program as one frozen tree.

A setting has a unit, a default and, where it can be switched off, the value that does so; all three are in
its description, from which :func:`commented_toml` and :func:`markdown` are made. An unknown key is an error
that names the nearest known one.

>>> Config().simulation.scenarios
500
>>> Config.merged({"simulation": {"seed": 7}}, {"simulation": {"jobs": 2}}).simulation.seed
7
>>> Config(simulation={"seeed": 3})
Traceback (most recent call last):
    ...
backorder_forecast.errors.ConfigError: unknown key 'simulation.seeed'; did you mean 'seed'?
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from .errors import ConfigError, did_you_mean
from .section import Section

SOURCE_SECTIONS = ("files", "tables")  # of a mapping; read by `sources`, never settings

Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[int, Field(ge=1)]


class Data(Section):
    """How the input is to be read and repaired."""

    section: ClassVar[str] = "data"

    stock_basis: Literal["physical", "net_of_open_lines"] | None = Field(
        default=None,
        description="What `on_hand` means: physical units, allocated ones included, or net of what open "
        "lines are owed. None: physical, and negative stock is then an error that asks for this key.",
    )
    promised_date_is: Literal["first", "latest"] = Field(
        default="first",
        description="Whether `promised_date` on a row is the first one stated (known when ordered) or the "
        "latest one, moved since. Nobody can tell when a latest one was stated: past days do not see it, "
        "nothing is learned from it, and only on the last day of the data is it shown, with what compares "
        "with it (`overdue_days`, `late_prob`, `on_time_prob`). It says nothing of punctuality, since nearly "
        "all is on time for a date that has moved; what was stated first can be told in `line_promises` and "
        "`purchase_promises`.",
    )
    requested_date_is: Literal["not_before", "wish"] = Field(
        default="not_before",
        description="Whether a requested date after the order day means 'not before' (the line is wanted "
        "from then) or is a mere wish (wanted from the order day).",
    )
    unmet_demand: Literal["backorder", "lost", "mixed"] = Field(
        default="backorder",
        description="What happens to demand that meets no stock, for items that do not say.",
    )
    backorder_share: Share | None = Field(
        default=None, description="Share (0…1) of unmet demand that waits, where `unmet_demand` is 'mixed'."
    )
    max_rejected_share: Share = Field(
        default=0.05,
        description="Share (0…1) of the rows of a table that may be set aside before the table counts as "
        "unusable. 0: any bad row ends the run; 1: off.",
    )
    max_unexplained_share: Share = Field(
        default=0.10,
        description="Share (0…1) of an item's stock flow that may stay unexplained between stock rows before "
        "its stock counts as unknown. 1: off.",
    )
    earliest_date: str = Field(
        default="1990-01-01", description="Dates before this day are set aside. '1700-01-01': off."
    )
    latest_days_ahead: Days = Field(
        default=730,
        description="Days that a few events may lie after all others before they are set aside as dated in "
        "the far future; planned dates may lie ten times as many after their own row. 100000: off.",
    )
    time_zone: str | None = Field(
        default=None,
        description="Zone (e.g. 'Europe/Berlin') into which timestamps with a zone are converted. None: "
        "timestamps with a zone are an error that asks for this key.",
    )
    decimal: Literal[".", ","] = Field(default=".", description="Decimal mark of numbers written as text.")
    thousands: Literal["", ",", ".", " ", "'", "_"] = Field(
        default="", description="Separator of thousands in numbers written as text. '': none."
    )
    day_first: bool | None = Field(
        default=None,
        description="Whether 03/04/2026 is the 3rd of April (true) or the 4th of March (false). None: such "
        "dates are refused, since nobody can tell.",
    )
    date_format: str | None = Field(
        default=None,
        description="strftime format of dates written as text, e.g. '%d.%m.%Y'. None: ISO dates, or what "
        "`day_first` says.",
    )
    excel_serial_dates: bool = Field(
        default=False,
        description="Whether numbers in date columns are Excel's day counts (45000 = 2023-03-15).",
    )
    delimiter: str | None = Field(
        default=None, description="Column delimiter of CSV files. None: seen from the header."
    )
    encoding: str = Field(
        default="utf-8", description="Encoding of CSV files: utf-8, utf-16, latin-1, or cp1252."
    )
    null_values: tuple[str, ...] = Field(
        default=("", "NULL", "null", "NaN", "nan", "NA", "N/A", "n/a", "None", "-"),
        description="Texts in CSV files that mean 'nothing' outside of ids and descriptions.",
    )
    returns: Literal["reject", "drop", "cancel", "stock_return"] = Field(
        default="reject",
        description="What a negative order line is: an error (set aside), nothing (dropped), a cancellation "
        "of the customer's latest earlier line of the item, or goods that came back (a stock movement). "
        "Counted.",
    )
    zero_quantities: Literal["reject", "drop"] = Field(
        default="reject",
        description="Whether rows with quantity 0 are set aside as bad, or dropped and counted.",
    )
    negative_receipts: Literal["reject", "drop"] = Field(
        default="reject",
        description="Whether receipts and shipments of less than nothing are bad, or dropped and counted.",
    )
    duplicates: Literal["reject", "drop"] = Field(
        default="reject",
        description="Whether later rows of a key that is already there are bad, or dropped and counted. The "
        "row known earliest is kept either way.",
    )
    trim_ids: bool = Field(
        default=True,
        description="Whether blanks around ids are removed (counted). false: off, and blanks are warned of.",
    )
    upper_ids: bool = Field(
        default=False,
        description="Whether ids are made upper case (counted); ids that differ only by case become one.",
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        try:
            return zone and ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no time zone of that name; use one like 'Europe/Berlin' or 'UTC'") from None

    @field_validator("earliest_date", mode="before")
    @classmethod
    def _iso_day(cls, day: Any) -> str:
        try:
            return (day if isinstance(day, date) else date.fromisoformat(day)).isoformat()
        except (TypeError, ValueError):
            raise ValueError("not a day; write it like '1990-01-01'") from None

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, mark: str | None) -> str | None:
        if mark and (len(mark) != 1 or not mark.isascii() or mark in "\r\n\0\""):
            raise ValueError("a delimiter is one plain character, like ';' or '\\t'")
        return mark or None

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            "a".encode(name)
        except (LookupError, UnicodeError, TypeError):
            raise ValueError("no encoding of that name; use utf-8, utf-16, latin-1 or cp1252") from None
        return name

    @model_validator(mode="after")
    def _two_marks(self) -> Data:
        if self.thousands == self.decimal:
            raise ConfigError(f"data.thousands and data.decimal are both {self.decimal!r}: they must differ")
        return self


class Simulation(Section):
    """The scenarios."""

    section: ClassVar[str] = "simulation"

    scenarios: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=500, description="Number of futures simulated."
    )
    horizon_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=180, description="Days simulated; what lies beyond has no date."
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        default=1, description="Whole number from which every draw is made."
    )
    jobs: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Threads used. 0: all cores; never changes a number."
    )


class Demand(Section):
    """What may be ordered."""

    section: ClassVar[str] = "demand"

    history_days: Days = Field(default=730, description="Days of history used. 100000: all.")
    half_lives: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(7.0, 14.0, 28.0, 56.0, 112.0, 224.0, 448.0, 896.0),
        description="Half-lives (days) of the memory of the demand level that are mixed, beside none at all.",
    )
    model: Literal["auto", "steady level", "smoothing", "occurrence and size"] = Field(
        default="auto",
        description="What may be mixed: 'auto': all, by held-out sums; or the levels of all memories ('smoothing'), "
        "the longest one alone, or occurrence and size alone.",
    )
    boosted: bool = Field(
        default=False,
        description="Whether a level corrected by gradient-boosted trees over all items may enter the mixture of "
        "'auto', by the same held-out sums. It costs some seconds, and wants ten spans of `lead_days` (of the horizon "
        "in `forecast_panel`) of history of some hundred items. false: off.",
    )
    lead_days: Days = Field(
        default=28, description="Days over whose held-out sums the models are weighed; about a lead time and a review."
    )
    period_days: Days = Field(default=7, description="Days of a period of `demand_forecast`. 1: daily.")
    weekday_shape: bool = Field(
        default=True,
        description="Whether weekdays differ; where everything ordered is dated on one day of the week or month, it is "
        "forecast in weeks or months, each on its day. false: off.",
    )


class LeadTime(Section):
    """How long supplies take."""

    section: ClassVar[str] = "lead_time"

    max_days: Days = Field(default=730, description="Longest duration (days) that is told apart.")
    history_days: Days = Field(default=1460, description="Days of purchases used. 100000: all.")
    half_life_days: Days | None = Field(
        default=None, description="Age (days) at which a purchase counts half. None: all count alike."
    )
    clock: Literal["ordered_at", "confirmed_at"] = Field(
        default="ordered_at", description="From when a purchase is timed."
    )
    slow_change: bool = Field(
        default=True, description="Whether a supplier's lead times may drift and be late together. false: steady."
    )
    rehearsals: int = Field(
        ge=0,
        default=6,
        description="Past days, 28 apart, on which what was then open is forecast again, for the settings below. "
        "0: none.",
    )
    choose_memory: bool = Field(
        default=True,
        description="Whether `half_life_days` and `slow_change` may give way to what did better on past days. "
        "false: as stated.",
    )
    recalibrate: bool = Field(
        default=True,
        description="Whether the laws of open purchases are corrected by how those of past days came true. false: off.",
    )
    challenger: bool = Field(
        default=False,
        description="Whether boosted trees over what else is known of open purchases (lines of the same order, what "
        "came of the supplier lately, quantities) may move their laws, if that came truer on past days. false: off.",
    )
    restated_dates: bool = Field(
        default=True,
        description="Whether open purchases may go by the date that their supplier stated last (`purchase_promises`), "
        "with what is learned of such dates, if that came truer on past days. false: off.",
    )
    shared_delays: bool = Field(
        default=True,
        description="Whether purchases of one supplier, open ones and those still to be placed, may be late together, "
        "as open ones were on past days. false: each for itself.",
    )


class Policy(Section):
    """What is assumed of items that state no policy, and what is aimed at."""

    section: ClassVar[str] = "policy"

    service_measure: Literal["cycle", "fill", "wait"] = Field(
        default="cycle",
        description="'cycle': chance of a replenishment without shortage; 'fill': share of units from stock; "
        "'wait': chance that a unit waits no longer than its lead time.",
    )
    service_target: Probability = Field(default=0.95, description="Target (0…1) of that measure.")
    holding_rate: Annotated[float, Field(ge=0)] = Field(
        default=0.2, description="Cost of holding stock, per year, as a share of its value. 0: off."
    )
    review_days: Days = Field(default=1, description="Days between looks at an item's stock.")
    cover_days: Days = Field(default=14, description="Days of mean demand in one order of a derived policy.")


RuleName = Literal[
    "first_come", "priority", "requested", "promised", "smallest", "largest", "revenue", "sequence",
    "reallocate", "proportional", "max_min", "equal_losses",
]
Strategy = Literal["win", "gain", "improve", "redistribute", "fill", "lose"]


class Queue(Section):
    """How waiting lines are served."""

    section: ClassVar[str] = "queue"

    rule: RuleName = Field(
        default="priority",
        description="Who gets what is there, see docs/rules.md: an order of service, or shares of it for all who wait. "
        "With all priorities equal, 'priority' is first come, first served.",
    )  # fmt: skip
    compare: tuple[RuleName, ...] = Field(
        default=(),
        description="Rules whose effect on the waiting lines is simulated beside that of `rule`, on the same futures, "
        "for the table `rule_comparison` and the report; each takes as long as the queue itself. (): off.",
    )
    strategies: dict[int, Strategy] = Field(
        default={},
        description="What may become of lines under rule 'reallocate', by priority: '0' = 'win', …; see docs/rules.md. "
        "Of other lines, those with a promise gain and the rest is redistributed.",
    )
    changed_lines: Literal["keep", "lose"] = Field(
        default="keep",
        description="Whether a line keeps its place in the queue when its quantity or requested date is changed, or "
        "stands behind all that were there on that day. A later requested date is a later place either way.",
    )
    @field_validator("rule", mode="before")
    @classmethod
    def _known_rule(cls, name: Any) -> Any:
        known = get_args(cls.model_fields["rule"].annotation)
        if name not in known:
            raise ValueError(f"no rule of that name{did_you_mean(str(name), known)}")
        return name

    stale_line_days: Days | None = Field(
        default=None,
        description="Age (days since wanted) from which a line is listed but holds nobody up. None: off.",
    )
    handling: Literal["learned", "none"] = Field(
        default="learned", description="Time from allocation to leaving, per location. 'none': off."
    )
    working_days: Literal["learned", "all"] = Field(
        default="learned", description="Days on which lines leave, per location. 'all': off."
    )
    patience: Literal["learned", "none"] = Field(
        default="learned",
        description="How long customers wait before they cancel, by age of the wait and class of priority, and on "
        "which day of it the retailer cancels, where it has such a rule. 'none': nobody cancels.",
    )
    cut_off_days: Days | None = Field(
        default=None,
        description="Day of the wait on which the retailer cancels what has not left. None: as in the past.",
    )
    exact_dates: bool = Field(
        default=True,
        description="Whether items that open supply alone dates have the exact law instead of scenarios. False: off.",
    )
    expedite_days: tuple[Days, ...] = Field(
        default=(7,),
        description="Days sooner by which the table `expedite` lets each open purchase come; "
        "`purchase_eta.expedite_line_days` is for the first of them. []: off.",
    )
    expedite_simulated: Annotated[int, Field(ge=0)] = Field(
        default=100,
        description="Items at locations that are simulated again for that table at most: where curves of need and "
        "supply say only about what a purchase saves, those that seem to save most are simulated again, with all items "
        "that ship-complete orders tie to theirs. 0: none.",
    )
    substitutes_simulated: Annotated[int, Field(ge=0)] = Field(
        default=500,
        description="Items at locations that are simulated again for the table `substitute_offers` at most: those of "
        "late lines and of what may be sent instead, with all items that ship-complete orders tie to theirs; lines "
        "that wait longest first. 0: none.",
    )


class Risk(Section):
    """What runs out."""

    section: ClassVar[str] = "risk"

    horizons: tuple[Days, ...] = Field(
        default=(7, 14, 28), description="Horizons (days) of `backorder_risk`."
    )


class Promise(Section):
    """How dates that were stated are judged."""

    section: ClassVar[str] = "promise"

    at_risk_below: Share = Field(
        default=0.8, description="Chance of keeping a promise below which its line is 'at_risk'. 0: off."
    )
    quantile: Probability = Field(default=0.9, description="Level at which a date is stated to a customer.")


class Replay(Section):
    """Past days by the same code."""

    section: ClassVar[str] = "replay"

    days: Annotated[int, Field(ge=0)] = Field(
        default=4, description="Number of past days replayed in a run, and by `backtest`. 0: off."
    )
    spacing_days: Days = Field(
        default=28, description="Days between them. The last one lies as many back, or as many as it speaks of."
    )
    scenarios: Annotated[int, Field(ge=1)] | None = Field(
        default=200, description="Number of futures simulated for each. None: as in the run itself."
    )


class Report(Section):
    """What the report shows."""

    section: ClassVar[str] = "report"

    title: str = Field(default="Backorder report", description="Title of the page.")
    top: Annotated[int, Field(ge=1)] = Field(default=25, description="Rows in a table before 'show all'.")
    charts: Annotated[int, Field(ge=0)] = Field(default=6, description="Projected-stock charts. 0: off.")
    max_rows: Annotated[int, Field(ge=1)] = Field(
        default=1000, description="Rows of a table kept in the page at most."
    )


class Output(Section):
    """Where results go."""

    section: ClassVar[str] = "output"

    out: str = Field(default="reports", description="Folder under which each run writes OUT/<as_of>/.")


class Config(Section):
    """All settings; build it in code, from a TOML file, or by merging layers.

    >>> config = Config(simulation={"scenarios": 100}, risk={"horizons": [7]})
    >>> config.simulation.scenarios, config.risk.horizons, config.policy.service_target
    (100, (7,), 0.95)
    """

    data: Data = Field(default_factory=lambda: Data(), description=Data.__doc__)
    simulation: Simulation = Field(default_factory=lambda: Simulation(), description=Simulation.__doc__)
    demand: Demand = Field(default_factory=lambda: Demand(), description=Demand.__doc__)
    lead_time: LeadTime = Field(default_factory=lambda: LeadTime(), description=LeadTime.__doc__)
    policy: Policy = Field(default_factory=lambda: Policy(), description=Policy.__doc__)
    queue: Queue = Field(default_factory=lambda: Queue(), description=Queue.__doc__)
    risk: Risk = Field(default_factory=lambda: Risk(), description=Risk.__doc__)
    promise: Promise = Field(default_factory=lambda: Promise(), description=Promise.__doc__)
    replay: Replay = Field(default_factory=lambda: Replay(), description=Replay.__doc__)
    report: Report = Field(default_factory=lambda: Report(), description=Report.__doc__)
    output: Output = Field(default_factory=lambda: Output(), description=Output.__doc__)

    @model_validator(mode="after")
    def _some_horizon_is_simulated(self) -> Config:
        days = self.simulation.horizon_days
        if not any(horizon <= days for horizon in self.risk.horizons):
            told = f"risk.horizons: none lies within the simulated days (simulation.horizon_days = {days})"
            raise ConfigError(f"{told}; set e.g. horizons = [{days}]")
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> Config:
        """Read settings from a TOML file; a mapping of sources in it is refused, since it would be ignored.

        Raises ``ConfigError``: no such file, not TOML, an unknown key, a value out of range.
        """
        content = read_toml(path)
        for name in SOURCE_SECTIONS:
            if name in content:
                raise ConfigError(
                    f"{path}: [{name}] maps a source; give this file as SOURCE, not as --config"
                )
        with _in_file(path):
            return cls.merged(content)

    @classmethod
    def merged(cls, *layers: Mapping[str, Any] | Config | None) -> Config:
        """Merge nested mappings or configurations; later ones win, key by key.

        Of a ``Config`` only what was set explicitly counts, so that defaults never beat a lower layer.

        >>> Config.merged(Config(replay={"days": 2}), Config(simulation={"seed": 9})).replay.days
        2
        """
        total: dict[str, Any] = {}
        for layer in layers:
            if layer is not None and not isinstance(layer, (Config, Mapping)):
                raise ConfigError(f"a configuration is a Config or a dict, not {type(layer).__name__}")
            if layer is not None:
                total = _over(total, layer.given() if isinstance(layer, Config) else layer)
        return cls(**total)

    def given(self) -> dict[str, Any]:
        """Return what was set explicitly, as nested plain values.

        >>> Config(replay={"days": 2}).given()
        {'replay': {'days': 2}}
        """
        return self.model_dump(exclude_unset=True)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Parse a TOML file (a byte-order mark is forgiven); ``ConfigError`` says what is wrong and where."""
    try:
        return tomllib.loads(Path(path).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file in UTF-8; TOML has to be") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def settings() -> Iterator[tuple[str, str, Any, str]]:
    """Yield (section, key, default, description) of every setting, in order."""
    for name, field in Config.model_fields.items():
        section = field.get_default(call_default_factory=True)
        for key, inner in type(section).model_fields.items():
            yield name, key, getattr(section, key), f"{inner.description or ''}{_choices(inner.annotation)}"


def _choices(annotation: Any) -> str:
    """The texts that a setting may be, in words; nothing where it is no choice."""
    options = [x for part in (annotation, *get_args(annotation)) if get_origin(part) is Literal for x in get_args(part)]
    return f" One of: {', '.join(map(str, options))}." if options else ""


def commented_toml(given: Mapping[str, Any] | None = None) -> str:
    """Return a configuration file with every key: those in ``given`` set, all others as comments.

    >>> print(commented_toml({"replay": {"days": 2}}).split("[replay]")[1].splitlines()[2])
    days = 2
    """
    given, lines, last = (
        given or {},
        ["# Settings of backorder-forecast; a line with '#' shows the default."],
        "",
    )
    for section, key, default, description in settings():
        if section != last:
            lines += ["", f"[{section}]"]
            last = section
        chosen = given.get(section, {})
        setting = _toml(chosen[key]) if key in chosen else _toml(default)
        lines += [f"# {description}", f"{'' if key in chosen else '# '}{key} = {setting}"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """Return the reference of all settings as Markdown."""
    lines, last = ["# Settings", "", "Made from `config.py` by `make docs`.", ""], ""
    for section, key, default, description in settings():
        if section != last:
            lines += [f"\n## `[{section}]`\n", "| key | default | meaning |", "|---|---|---|"]
            last = section
        lines.append(f"| `{key}` | `{_toml(default)}` | {description.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


class _in_file:
    """Name the file in a ``ConfigError`` raised inside."""

    def __init__(self, path: str | Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ConfigError):
            raise ConfigError(f"{self.path}: {error}") from None


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _over(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _toml(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
