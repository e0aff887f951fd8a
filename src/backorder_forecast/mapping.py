"""The mapping of an export onto the canonical tables, as read from TOML.

::

    [files]                                   # names for use in queries
    orders = "${EXPORT}/orders_*.csv"

    [[tables.order_lines]]                    # one or several feeds per table
    file      = "orders.csv"                  # or: query = "select …", or: frame = "orders" (data frames)
    columns   = { line_id = ["Order", "Pos"], qty = "Menge" }   # canonical = source; a list is joined by "-"
    constants = { location_id = "north" }
    values    = { priority = { gold = 0, "*" = 1 } }            # "*": whatever is not listed
    where     = "Status <> 'draft'"           # SQL over the source's columns
    distinct  = true                          # or the canonical columns of which one row is kept
    options   = { decimal = ",", day_first = true }             # beats [data] for this feed

Paths are relative to the TOML file; ``${NAME}`` is an environment variable. Any other top-level section is
configuration (see `config`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from .config import SOURCE_SECTIONS, Data
from .errors import ConfigError, did_you_mean
from .schema import INPUT
from .section import Section, refuse_unknown

_OPTIONS = (
    "decimal", "thousands", "day_first", "date_format", "excel_serial_dates", "delimiter", "encoding",
    "null_values", "time_zone", "trim_ids", "upper_ids",
)  # fmt: skip
Scalar = str | int | float | bool


class Feed(Section):
    """One source of rows of one canonical table."""

    section: ClassVar[str] = "feed"

    file: str | None = Field(default=None, description="Path or glob of CSV or Parquet files.")
    query: str | None = Field(default=None, description="DuckDB SQL over the names under [files].")
    frame: str | None = Field(default=None, description="Name of a data frame.")
    columns: dict[str, str | list[str]] = Field(default_factory=dict, description="canonical = source")
    constants: dict[str, Scalar] = Field(default_factory=dict, description="canonical = value of every row")
    values: dict[str, dict[str, Scalar]] = Field(
        default_factory=dict, description="canonical = {source = value}"
    )
    where: str | None = Field(default=None, description="SQL condition over the source's columns.")
    distinct: bool | list[str] = Field(
        default=False, description="Keep one of equal rows, or one per columns."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of [data] for this feed.")

    @model_validator(mode="after")
    def _one_source(self) -> Feed:
        if sum(part is not None for part in (self.file, self.query, self.frame)) != 1:
            raise ConfigError("a feed needs exactly one of `file`, `query` and `frame`")
        return self

    @field_validator("options")
    @classmethod
    def _known_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown(options, dict.fromkeys(_OPTIONS), "options")
        Data(**options)
        return options

    def reading(self, data: Data) -> Data:
        """Return how values are to be read: the options of this feed over those of the whole source."""
        return Data(**{**data.model_dump(exclude_unset=True), **self.options})


class Plan(Section):
    """All feeds by table, the files that queries may name, and the configuration beside them."""

    files: dict[str, str] = Field(default_factory=dict)
    feeds: dict[str, tuple[Feed, ...]] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)


def parse(content: Mapping[str, Any]) -> Plan:
    """Return the plan of a parsed TOML file; unknown tables, columns and keys are errors with a hint.

    >>> plan = parse({"tables": {"stock": {"file": "s.csv", "columns": {"on_hand": "Bestand"}}}})
    >>> plan.feeds["stock"][0].columns
    {'on_hand': 'Bestand'}
    """
    tables = content.get("tables", {})
    if not isinstance(tables, Mapping):
        raise ConfigError("[tables] holds one section for each canonical table")
    refuse_unknown(tables, INPUT, "tables")
    feeds = {name: _feeds(name, given) for name, given in tables.items()}
    settings = {key: value for key, value in content.items() if key not in SOURCE_SECTIONS}
    return Plan(files=content.get("files", {}), feeds=feeds, settings=settings)


def resolve(path: str, base: Path) -> str:
    """Return a path with environment variables filled in, relative to ``base``.

    Raises: ``ConfigError`` that names a variable which is not set.
    """

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ConfigError(
                f"the path {path!r} needs the environment variable {name}, which is not set; "
                f"set it to a folder, e.g. export {name}=/path/to/files"
            )
        return os.environ[name]

    return str(base / Path(re.sub(r"\$\{(\w+)\}", fill, path)).expanduser())


def _feeds(table: str, given: Any) -> tuple[Feed, ...]:
    entries = given if isinstance(given, (list, tuple)) else [given]
    return tuple(_feed(table, entry, f"tables.{table}" + (f"[{i}]" if len(entries) > 1 else ""))
                 for i, entry in enumerate(entries, 1))  # fmt: skip


def _feed(table: str, given: Any, where: str) -> Feed:
    try:
        feed = given if isinstance(given, Feed) else Feed(**given) if isinstance(given, Mapping) else None
    except ConfigError as error:
        raise ConfigError(f"{where}: {str(error).replace(chr(39) + 'feed.', chr(39))}") from None
    if feed is None:
        raise ConfigError(f"{where}: expected keys like `file` and `columns`, got {given!r}")
    known = INPUT[table].by_name
    distinct = feed.distinct if isinstance(feed.distinct, list) else []
    for name in (*feed.columns, *feed.constants, *feed.values, *distinct):
        if name not in known:
            raise ConfigError(f"{where}: {table} has no column {name!r}{did_you_mean(name, known)}")
    return feed
