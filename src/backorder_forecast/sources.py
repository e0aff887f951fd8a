"""`load`: a folder, a TOML mapping or data frames → a checked `Dataset`. Reads only; writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from . import mapping as maps
from . import readers
from .clean import Raw, clean
from .coerce import as_text
from .config import Config, Data, read_toml
from .dataset import Dataset, InputFile
from .errors import ConfigError, InputError, Problem, UsageError, did_you_mean
from .schema import INPUT

__all__ = ["load"]

log = logging.getLogger(__name__)
OWN_FILE = "backorder.toml"
Source = str | Path | Mapping[str, pd.DataFrame]


def load(
    source: Source,
    *,
    mapping: str | Path | Mapping[str, Any] | None = None,
    config: Config | Mapping[str, Any] | None = None,
) -> Dataset:
    """Read, map, check and clean the tables of a company.

    Parameters
    ----------
    source : a folder of canonical tables (``order_lines.parquet``, ``.csv``, …; it may hold its own
        ``backorder.toml``), a TOML file that says where each table comes from, or frames by name.
    mapping : a TOML file or its content, for frames and folders whose tables are not canonical.
    config : settings that beat the source's own.

    Raises
    ------
    ConfigError : a setting or mapping that cannot be meant. InputError : data that cannot be used, with
        everything that is wrong in all tables at once.

    >>> lines = pd.DataFrame({"order_id": ["1"], "line_id": ["007"], "item_id": ["a"],
    ...                       "ordered_at": ["2026-06-30"], "qty": [2]})
    >>> data = load({"order_lines": lines})
    >>> data.order_lines.line_id.tolist(), sorted(data.given)
    (['007'], ['order_lines'])
    """
    plan, base, frames = _plan(source, mapping)
    settings = Config.merged(plan.settings, config)
    reading = _Reading(base, frames, plan, settings)
    raws, problems = reading.raws()
    if not raws and not problems:
        remedy = f"name files after their tables ({', '.join(INPUT)}), or give a TOML file that maps yours"
        problems = [Problem("source", None, "no table found", remedy=remedy)]
    cleaned = clean(raws, settings, problems)
    for warning in (*reading.warnings, *cleaned.warnings):
        log.info("%s", warning)
    return Dataset(
        tables=cleaned.tables,
        given=cleaned.given,
        rejected_rows=cleaned.rejected_rows,
        cleaning_log=cleaned.cleaning_log,
        warnings=(*reading.warnings, *cleaned.warnings),
        inputs=tuple(reading.inputs.values()),
        config=settings,
    )


# --------------------------------------------------------------------------------------------- plan


def _plan(source: Source, mapping: Any) -> tuple[maps.Plan, Path, dict[str, pd.DataFrame]]:
    """The feeds of every table, the folder to which paths are relative, and the frames given."""
    if isinstance(source, Mapping):
        frames = {str(name): _frame(name, value) for name, value in source.items()}
        return _frame_plan(frames, _mapping(mapping)), Path(), frames
    path = _path(source)
    if not _is_there(path):
        raise InputError(f"{source}: there is no such file or folder", [])
    if path.is_dir():
        return _folder_plan(path, _mapping(mapping)), path, {}
    if path.suffix.lower() != ".toml":
        raise UsageError(f"{source}: give a folder of tables, or a TOML file that says where each comes from")
    if mapping is not None:
        raise UsageError("a TOML source is a mapping itself; give the folder when you pass `mapping`")
    return _parsed(path), path.parent, {}


def _path(source: str | Path) -> Path:
    try:
        return Path(source).expanduser()
    except (TypeError, RuntimeError):  # no text, or the home of nobody
        told = f"a source is a folder, a TOML file or a dict of frames, not {source!r}"
        raise UsageError(told) from None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _parsed(path: Path) -> maps.Plan:
    try:
        return maps.parse(read_toml(path))
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _mapping(mapping: Any) -> maps.Plan:
    if mapping is None:
        return maps.Plan()
    if isinstance(mapping, (str, Path)):
        return _parsed(Path(mapping))
    if isinstance(mapping, Mapping):
        whole = {"tables", "files"} & set(mapping) or not set(mapping) <= set(INPUT)
        return maps.parse(mapping if whole else {"tables": mapping})
    raise UsageError(f"a mapping is a TOML file or a dict, not {type(mapping).__name__}")


def _frame(name: Any, value: Any) -> pd.DataFrame:
    if not isinstance(value, pd.DataFrame):
        raise UsageError(f"{name}: expected a pandas DataFrame, got {type(value).__name__}")
    return value


def _frame_plan(frames: dict[str, pd.DataFrame], plan: maps.Plan) -> maps.Plan:
    mapped = {feed.frame for feeds in plan.feeds.values() for feed in feeds if feed.frame is not None}
    for name in sorted(mapped - set(frames)):
        raise ConfigError(
            f"the mapping names no frame that is given: no frame {name!r}{did_you_mean(name, frames)}"
        )
    queries = any(feed.query for feeds in plan.feeds.values() for feed in feeds)
    feeds = dict(plan.feeds)
    for name in frames:
        if name in INPUT and name not in feeds:
            feeds[name] = (maps.Feed(frame=name),)
        elif name not in mapped and not queries and name not in INPUT:
            raise ConfigError(f"no table {name!r}{did_you_mean(name, INPUT)}")
    return plan.model_copy(update={"feeds": feeds})


def _folder_plan(folder: Path, plan: maps.Plan) -> maps.Plan:
    own = _parsed(folder / OWN_FILE) if (folder / OWN_FILE).exists() else maps.Plan()
    feeds = {**own.feeds, **plan.feeds}
    for name, files in _canonical_files(folder).items():
        if name in feeds:
            continue
        if len(files) > 1:
            listed = ", ".join(file.name for file in files)
            raise InputError(f"{folder}: several files for one table: {listed}; keep one of them", [])
        feeds[name] = (maps.Feed(file=files[0].name),)
    _refuse_unreadable(folder, set(feeds))
    settings = Config.merged(own.settings, plan.settings).given()
    return maps.Plan(files={**own.files, **plan.files}, feeds=feeds, settings=settings)


def _refuse_unreadable(folder: Path, fed: set[str]) -> None:
    """A table that is there, but as a file that nobody here can read, must not count as not given."""
    found = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in readers.FOREIGN]
    problems = [
        Problem(stem, None, f"{file.name} is neither CSV nor Parquet", remedy="export it as CSV or Parquet")
        for file in found
        if (stem := file.name.partition(".")[0].lower()) in INPUT and stem not in fed
    ]
    if problems:
        raise InputError("the input cannot be used:", problems)


def _canonical_files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        stem, ending = _stem(file)
        if ending and stem in INPUT:
            found.setdefault(stem, []).append(file)
    return found


def _stem(file: Path) -> tuple[str, str]:
    stem, _, ending = file.name.partition(".")
    return stem.lower(), ending if f".{ending.lower()}" in readers.ENDINGS else ""


# ------------------------------------------------------------------------------------------ reading


@dataclass
class _Reading:
    """Reads every feed once, remembers what was read, and collects problems instead of stopping."""

    base: Path
    frames: dict[str, pd.DataFrame]
    plan: maps.Plan
    config: Config
    inputs: dict[str, InputFile] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _files: dict[Any, readers.Rows] = field(default_factory=dict)
    _views: dict[str, Any] | None = None

    def raws(self) -> tuple[list[Raw], list[Problem]]:
        """Return the raw rows of every table, in the order of the schema, and what went wrong."""
        raws: list[Raw] = []
        problems: list[Problem] = []
        self._warn_of_other_files()
        for name in (name for name in INPUT if name in self.plan.feeds):
            for feed in self.plan.feeds[name]:
                try:
                    raws.append(self._raw(name, feed))
                except InputError as error:
                    if not error.problems:
                        raise
                    problems += error.problems
        return raws, problems

    def _raw(self, table: str, feed: maps.Feed) -> Raw:
        reading = feed.reading(self.config.data)
        rows = self._rows(table, feed, reading)
        if feed.where:
            rows = readers.filtered(rows, feed.where, table)
        columns, unused, repairs = _canonical(rows.table, table, feed)
        raw = Raw(
            table,
            columns,
            rows.position,
            rows.source,
            reading,
            rows.broken,
            (*rows.repairs, *repairs),
            unused,
        )
        return _distinct(raw, feed)

    def _rows(self, table: str, feed: maps.Feed, reading: Data) -> readers.Rows:
        if feed.frame is not None:
            return self._from_frame(table, feed.frame)
        if feed.file is not None:
            return self._from_files(table, feed.file, reading)
        return readers.run_query(feed.query or "", self._query_views(table), table)

    def _from_frame(self, table: str, name: str) -> readers.Rows:
        if name not in self.frames:
            raise ConfigError(f"tables.{table}: no frame {name!r}{did_you_mean(name, self.frames)}")
        if ("frame", name) not in self._files:
            rows = readers.read_frame(self.frames[name], name)
            self._files["frame", name] = rows
            self._note(name, "data frame", rows.table.num_rows, readers.sha256_of_table(rows.table))
        return self._files["frame", name]

    def _from_files(self, table: str, pattern: str, reading: Data) -> readers.Rows:
        key = (pattern, reading.delimiter, reading.encoding)
        if key not in self._files:
            files = readers.files_of(maps.resolve(pattern, self.base), table)
            parts = [readers.read_file(file, table, reading) for file in files]
            for file, part in zip(files, parts, strict=True):
                self._note(table, _where(pattern, file), part.table.num_rows, readers.sha256_of(file))
            self._files[key] = readers.joined(parts)
        return self._files[key]

    def _query_views(self, table: str) -> dict[str, Any]:
        if self._views is None:
            views: dict[str, Any] = {
                name: readers.read_frame(frame, name).table for name, frame in self.frames.items()
            }
            for name, pattern in self.plan.files.items():
                views[name] = self._view(name, pattern)
            self._views = views
        return self._views

    def _view(self, name: str, pattern: str) -> Any:
        """Parquet is scanned by DuckDB itself; text files are read as text first, so that ids stay ids."""
        files = readers.files_of(maps.resolve(pattern, self.base), f"files.{name}")
        if all(file.suffix in (".parquet", ".pq") for file in files):
            for file in files:
                self._note(
                    name, _where(pattern, file), readers.parquet_rows(file, name), readers.sha256_of(file)
                )
            return maps.resolve(pattern, self.base)
        return self._from_files(name, pattern, self.config.data).table

    def _note(self, name: str, where: str, rows: int, digest: str) -> None:
        if where in self.inputs and where != "data frame":
            known = self.inputs[where]
            name = known.name if name in known.name.split(", ") else f"{known.name}, {name}"
        self.inputs[where if where != "data frame" else f"frame {name}"] = InputFile(
            name, where, rows, digest
        )

    def _warn_of_other_files(self) -> None:
        if self.frames or not self.base.is_dir() or self.plan.feeds.keys() - set(_canonical_files(self.base)):
            return  # a mapping names its files itself
        for file in sorted(self.base.iterdir()):
            stem, ending = _stem(file)
            if ending and stem not in INPUT:
                self.warnings.append(
                    f"{file.name} is no table of ours and is not read{did_you_mean(stem, INPUT)}"
                )


def _where(pattern: str, file: Path) -> str:
    return (Path(pattern).parent / file.name).as_posix()


# ------------------------------------------------------------------------------------------ mapping


def _canonical(
    source: pa.Table, table: str, feed: maps.Feed
) -> tuple[pa.Table, tuple[str, ...], list[tuple[str, int, str]]]:
    """Columns under their canonical names, names left unused, and repairs of headers."""
    finder = _Finder(source, table)
    columns: dict[str, pa.ChunkedArray] = {}
    for name in INPUT[table].by_name:
        if name in feed.constants:
            columns[name] = _constant(feed.constants[name], source.num_rows)
        elif name in feed.columns:
            columns[name] = finder.mapped(name, feed.columns[name])
        elif (found := finder.find(name)) is not None:
            columns[name] = found
        if name in columns and name in feed.values:
            columns[name] = _mapped_values(columns[name], feed.values[name])
    if finder.problems:
        raise InputError("the mapping does not fit its source", finder.problems)
    unused = (
        tuple(name for name in source.column_names if name not in finder.used) if not feed.columns else ()
    )
    frame = pa.table(columns) if columns else source.select([])
    return frame, unused, finder.repairs


@dataclass
class _Finder:
    """Looks up source columns: exactly first, then ignoring case and blanks, which is noted."""

    source: pa.Table
    table: str
    used: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    repairs: list[tuple[str, int, str]] = field(default_factory=list)

    def find(self, name: str) -> pa.ChunkedArray | None:
        if self.source.column_names.count(name) > 1:
            check = f"its source names the column {name!r} twice"
            self.problems.append(Problem(self.table, name, check, remedy="rename one"))
            return pa.chunked_array([pa.nulls(self.source.num_rows)])
        exact = name in self.source.column_names
        alike = [have for have in self.source.column_names if have.strip().casefold() == name.casefold()]
        if not exact and len(alike) != 1:
            return None
        if not exact:
            self.repairs.append((f"header read as {name}", 1, repr(alike[0])))
        self.used.add(name if exact else alike[0])
        return self.source.column(name if exact else alike[0])

    def mapped(self, name: str, wanted: str | list[str]) -> pa.ChunkedArray:
        parts = [self._one(name, part) for part in ([wanted] if isinstance(wanted, str) else wanted)]
        if len(parts) == 1 or self.problems:
            return parts[0]
        return pc.binary_join_element_wise(
            *[as_text(part) for part in parts], pa.scalar("-", pa.large_string())
        )

    def _one(self, name: str, wanted: str) -> pa.ChunkedArray:
        found = self.find(wanted)
        if found is None:
            check = f"its source has no column {wanted!r}{did_you_mean(wanted, self.source.column_names)}"
            have = f"the source has: {', '.join(map(repr, self.source.column_names[:30]))}"
            self.problems.append(Problem(self.table, name, check, remedy=f"mend `columns`; {have}"))
            return pa.chunked_array([pa.nulls(self.source.num_rows)])
        return found


def _constant(value: Any, rows: int) -> pa.ChunkedArray:
    scalar = pa.scalar(value, pa.large_string()) if isinstance(value, str) else pa.scalar(value)
    return pa.chunked_array([pa.repeat(scalar, rows)])


def _mapped_values(column: pa.ChunkedArray, values: Mapping[str, Any]) -> pa.ChunkedArray:
    """Replace texts by those configured; '*' stands for every other one, '' for nothing."""
    texts = as_text(column)
    encoded = texts.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    others = values.get("*")
    new = [
        values.get(text.strip(), text if others is None else others)
        for text in encoded.dictionary.to_pylist()
    ]
    mapped = pa.array([_written(value) for value in new], pa.large_string()).take(encoded.indices)
    if "" in values:
        mapped = pc.fill_null(mapped, _written(values[""]))
    return pa.chunked_array([mapped])


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _distinct(raw: Raw, feed: maps.Feed) -> Raw:
    """One row of those that are equal; the first by content, so that the order of rows decides nothing."""
    if not feed.distinct or not raw.columns.num_columns:
        return raw
    texts = pd.DataFrame(
        {name: as_text(raw.columns.column(name)).to_pandas() for name in raw.columns.column_names}
    )
    order = texts.sort_values(list(texts.columns), kind="stable").index
    keys = list(feed.distinct) if isinstance(feed.distinct, list) else list(texts.columns)
    absent = [key for key in keys if key not in texts]
    if absent:
        raise ConfigError(
            f"tables.{raw.table}: `distinct` names {absent[0]!r}, which this feed does not fill"
        )
    kept = np.sort(order[~texts.loc[order].duplicated(keys).to_numpy()].to_numpy())
    return raw.taken(kept)


def describe_inputs(data: Dataset) -> Iterator[str]:
    """Yield one line for every input: what, from where, rows, start of its hash."""
    for file in data.inputs:
        yield f"{file.name}: {file.where}, {file.rows:,} rows, sha256 {file.sha256[:12]}"
