"""Files, queries and frames → Arrow tables of plain types, with the position of every row; reads only."""

from __future__ import annotations

import codecs
import csv
import glob
import hashlib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from .config import Data
from .errors import InputError, Problem

FOREIGN = (
    ".xlsx", ".xls", ".xlsm", ".ods", ".json", ".jsonl", ".xml", ".feather", ".orc", ".db", ".sqlite", ".zip",
)  # fmt: skip
ENDINGS = (".parquet", ".pq", ".csv", ".csv.gz", ".tsv", ".txt")
DELIMITERS = (";", "\t", "|", ",")
HEAD, WIDEST = 65_536, 16_000_000  # bytes read at a time, and at most, to find the header
_MAGIC = {b"PK\x03\x04": "a zip archive (or an Excel workbook)", b"\x1f\x8b": "gzip", b"%PDF": "a PDF",
          b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"SQLi": "an SQLite database"}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Rows as they came: columns, the position of each in its source (from 1), and broken lines of text."""

    table: pa.Table
    position: np.ndarray
    source: str
    broken: tuple[tuple[int, str, str], ...] = ()  # position, text, reason
    repairs: tuple[tuple[str, int, str], ...] = ()


def files_of(pattern: str, table: str) -> list[Path]:
    """Return the files of a path or glob, sorted; ``InputError`` where there is none."""
    found = [Path(name) for name in sorted(glob.glob(pattern))] or (
        [Path(pattern)] if Path(pattern).exists() else []
    )
    if not found:
        raise _unusable(table, f"no file matches {pattern}", "mend the path, or export the file")
    return found


def read_file(path: Path, table: str, reading: Data) -> Rows:
    """Return the rows of one CSV or Parquet file; text files as text throughout, so that ids stay ids.

    Raises: ``InputError`` with one problem that says what the file really is and what to do.
    """
    if not path.is_file():
        raise _unusable(table, f"{path.name} is not a file", "give a CSV or Parquet file")
    if path.stat().st_size == 0:
        raise _unusable(table, f"{path.name} is empty (0 bytes)", "export it again, with its header")
    kind = _kind(path, table)
    return _read_parquet(path, table) if kind == "parquet" else _read_csv(path, table, reading)


def parquet_rows(path: Path, table: str) -> int:
    """Return the number of rows of a Parquet file without reading them."""
    _kind(path, table)
    try:
        with pa.parquet.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _unusable(
            table, f"{path.name} cannot be read: {_first_lines(error)}", "export it again"
        ) from None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_frame(frame: pd.DataFrame, name: str) -> Rows:
    """Return the rows of a data frame; columns of mixed Python values become text."""
    names = [str(column) for column in frame.columns]
    columns = [_arrow(frame.iloc[:, i]) for i in range(len(names))]
    nothing = pa.table({"": pa.array([], pa.string())}).select([])
    table = pa.Table.from_arrays(columns, names) if names else nothing
    return Rows(plain(table), np.arange(1, len(frame) + 1), f"frame {name}")


def sha256_of_table(table: pa.Table) -> str:
    """Return the SHA-256 of a table's content in Arrow's stream format."""
    sink = _Hasher()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.schema) as writer:
        writer.write_table(table)
    return sink.digest.hexdigest()


def run_query(query: str, views: dict[str, pa.Table | str], table: str) -> Rows:
    """Return the rows of a DuckDB query over named views, ordered by all columns to be reproducible.

    ``views`` maps a name to an Arrow table or, for Parquet, to a glob that DuckDB scans itself.
    """
    with duckdb.connect() as connection:
        _create_views(connection, {name: view for name, view in views.items() if _mentions(query, name)})
        try:
            rows = connection.sql(
                f"select * from ({query.strip().rstrip(';')}) order by all"
            ).to_arrow_table()
        except duckdb.Error as error:
            raise _unusable(table, f"its query fails: {_first_lines(error)}", "mend the SQL") from None
    return Rows(plain(rows), np.arange(1, rows.num_rows + 1), "query")


def filtered(rows: Rows, where: str, table: str) -> Rows:
    """Return the rows for which a SQL condition over the source's columns holds, in their order."""
    numbered = rows.table.append_column("__row", pa.array(np.arange(rows.table.num_rows)))
    with duckdb.connect() as connection:
        connection.register("rows", numbered)
        try:
            kept = connection.sql(f"select __row from rows where ({where}) order by __row").to_arrow_table()
        except duckdb.Error as error:
            known = f"its columns are {', '.join(rows.table.column_names)}"
            raise _unusable(table, f"its `where` fails: {_first_lines(error)}", known) from None
    places = kept.column("__row")
    return replace(rows, table=rows.table.take(places), position=rows.position[places.to_numpy()])


def joined(parts: list[Rows]) -> Rows:
    """Return the rows of several files below each other; columns that a file lacks are empty for it."""
    if len(parts) == 1:
        return parts[0]
    table = pa.concat_tables([part.table for part in _one_type(parts)], promote_options="permissive")
    position = np.concatenate([part.position for part in parts])
    broken = tuple(row for part in parts for row in part.broken)
    repairs = tuple(repair for part in parts for repair in part.repairs)
    return Rows(table, position, ", ".join(part.source for part in parts), broken, repairs)


def plain(table: pa.Table) -> pa.Table:
    """Return a table with plain columns only: text, numbers, flags, timestamps."""
    for i, name in enumerate(table.column_names):  # one after the other: what is replaced is let go
        table = table.set_column(i, name, _plain_column(table.column(i)))
    return table


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain_column(column.cast(kind.value_type))
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_column(column.cast(kind.storage_type))
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float64())
    if kind in (pa.string(), pa.string_view()) or pa.types.is_time(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.chunked_array([pa.array([None if v is None else v.decode("utf-8", "replace")
                                           for v in column.to_pylist()], pa.large_string())])  # fmt: skip
    if pa.types.is_nested(kind) or pa.types.is_duration(kind):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.large_string())])
    return column


# -------------------------------------------------------------------------------------------- files


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _kind(path: Path, table: str) -> str:
    head = _head(path)
    if path.suffix in (".parquet", ".pq"):
        if head == b"PAR1":
            return "parquet"
        looks = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "something else")
        raise _unusable(
            table, f"{path.name} is not Parquet but {looks}", "unpack it, or export Parquet or CSV"
        )
    if head == b"PAR1":
        return "parquet"
    looks = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "")
    if looks and not (looks == "gzip" and path.suffix == ".gz"):
        raise _unusable(table, f"{path.name} is not CSV but {looks}", "unpack it, or export Parquet or CSV")
    return "csv"


def _read_parquet(path: Path, table: str) -> Rows:
    try:
        with pa.parquet.ParquetFile(path) as file:
            rows = file.read()
    except (pa.ArrowException, OSError) as error:
        raise _unusable(
            table, f"{path.name} cannot be read: {_first_lines(error)}", "export it again"
        ) from None
    return Rows(plain(rows), np.arange(1, rows.num_rows + 1), path.name)


def _read_csv(path: Path, table: str, reading: Data) -> Rows:
    encoding, repairs = _encoding(path, reading)
    lines, told = _first_lines_of(path, table, encoding)
    skip = 2 if re.fullmatch(r"sep=.", lines[0].strip(), re.IGNORECASE) and len(lines) > 1 else 1
    header = lines[skip - 1]
    delimiter = reading.delimiter or (lines[0].strip()[4] if skip == 2 else max(DELIMITERS, key=header.count))
    if reading.delimiter is None and delimiter != ",":
        repairs.append((f"columns are separated by {delimiter!r}, seen from the header", 1, path.name))
    names = _unique(next(csv.reader([header], delimiter=delimiter)), table, path)
    if told <= skip:
        return Rows(_all_text_table(names), np.arange(0), path.name, (), tuple(repairs))
    rows, broken = _parse_csv(path, table, encoding, delimiter, names, skip)
    position = np.arange(1, rows.num_rows + 1)
    for number, *_ in broken:  # a broken line still takes its place in the file
        position[position >= number] += 1
    return Rows(rows, position, path.name, tuple(broken), tuple(repairs))


def _parse_csv(
    path: Path, table: str, encoding: str, delimiter: str, names: list[str], skip: int
) -> tuple[pa.Table, list[tuple[int, str, str]]]:
    """Threads first; if a line does not fit, once more in order, setting such lines aside by place."""
    broken: list[tuple[int, str, str]] = []

    def set_aside(row: Any) -> str:
        reason = f"the line has {row.actual_columns} columns, the header {row.expected_columns}"
        broken.append((row.number - 1, row.text, reason))
        return "skip"

    def parse(handler: Any) -> pa.Table:
        return pa.csv.read_csv(
            path,
            pa.csv.ReadOptions(
                use_threads=handler is None, encoding=encoding, column_names=names, skip_rows=skip
            ),
            pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=handler),
            _all_text(names),
        )

    try:
        return parse(None), broken
    except (pa.ArrowInvalid, UnicodeError):
        _check_encoding(path, table, encoding)
    try:
        return parse(set_aside), sorted(set(broken))
    except (pa.ArrowInvalid, UnicodeError) as error:
        check = f"{path.name} cannot be read as CSV: {_first_lines(error)}"
        hint = "is a quote opened and never closed? " if "straddl" in str(error) else ""
        raise _unusable(table, check, f"{hint}export it again") from None


def _check_encoding(path: Path, table: str, encoding: str) -> None:
    """Say so where the bytes are not what the encoding says; otherwise a line is broken."""
    decode = codecs.getincrementaldecoder(encoding)()
    try:
        with pa.input_stream(str(path)) as file:  # unpacks .gz
            while block := file.read(1 << 20):
                decode.decode(block)
        decode.decode(b"", final=True)
    except UnicodeError as wrong:
        check = f"{path.name} is not in the configured encoding ({_first_lines(wrong)})"
        raise _unusable(table, check, 'set data.encoding, e.g. "cp1252" or "latin-1"') from None


def _all_text_table(names: list[str]) -> pa.Table:
    return pa.table({name: pa.array([], pa.large_string()) for name in names})


def _all_text(names: Iterable[str]) -> pa.csv.ConvertOptions:
    return pa.csv.ConvertOptions(
        column_types={name: pa.large_string() for name in names},
        strings_can_be_null=False,
        quoted_strings_can_be_null=False,
        null_values=[],
    )


def _encoding(path: Path, reading: Data) -> tuple[str, list[tuple[str, int, str]]]:
    head = _head(path)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", [("read as UTF-16, as its byte-order mark says", 1, path.name)]
    if head[:3] == b"\xef\xbb\xbf":
        return "utf-8", [("byte-order mark removed", 1, path.name)]
    return reading.encoding, []


def _first_lines_of(path: Path, table: str, encoding: str) -> tuple[list[str], int]:
    """The first lines of a text file, the header among them, and how many lines its start has (at least)."""
    text = _start(path, table, encoding)
    if "\0" in text:
        remedy = 'is it UTF-16 without a mark? set data.encoding = "utf-16"'
        raise _unusable(table, f"{path.name} holds NUL characters", remedy)
    lines = text.splitlines()
    if not text.strip() or not lines[0].strip():
        raise _unusable(table, f"{path.name} has no header", "its first line has to name the columns")
    if lines[0].count('"') % 2:
        remedy = "close it, and write the name of each column on one line"
        raise _unusable(table, f"a quote in the header of {path.name} is not closed on its line", remedy)
    return lines[:2], len([line for line in lines if line.strip()])


def _start(path: Path, table: str, encoding: str) -> str:
    """The start of a text file: at least its first lines, whatever their width."""
    try:
        with pa.input_stream(str(path)) as stream:  # unpacks .gz
            start = stream.read(HEAD)
            while start.count(b"\n") < 3 and len(start) < WIDEST and (more := stream.read(HEAD)):
                start += more
    except OSError as error:
        check = f"{path.name} cannot be unpacked: {_first_lines(error)}"
        raise _unusable(table, check, "export it again") from None
    text: str = start.decode(encoding, errors="ignore")
    return text.lstrip("\ufeff")


def _unique(names: list[str], table: str, path: Path) -> list[str]:
    """The names of the columns; one without a name gets one that nothing asks for."""
    clean = [name.strip() or f"(column {i} without a name)" for i, name in enumerate(names, 1)]
    twice = sorted({name for name in clean if clean.count(name) > 1})
    if twice:
        raise _unusable(
            table, f"{path.name} names a column twice: {', '.join(map(repr, twice))}", "rename one"
        )
    return clean


# ------------------------------------------------------------------------------------------ helpers


def _create_views(connection: Any, views: dict[str, pa.Table | str]) -> None:
    for name, view in views.items():
        if isinstance(view, str):
            literal = view.replace("'", "''")
            connection.execute(
                f"create view \"{name}\" as select * from read_parquet('{literal}', union_by_name=true)"
            )
        else:
            connection.register(name, view)


def _mentions(query: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", query, re.IGNORECASE) is not None


def _arrow(values: pd.Series) -> pa.ChunkedArray:
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    elif isinstance(values.dtype, pd.IntervalDtype):
        values = values.astype(str)
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        texts = [None if _missing(value) else str(value) for value in values]
        array = pa.array(texts, pa.large_string())
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _one_type(parts: list[Rows]) -> list[Rows]:
    """Columns that are text in one file and numbers in another become text, so that files can be joined."""
    types: dict[str, set[pa.DataType]] = {}
    for part in parts:
        for name in part.table.column_names:
            types.setdefault(name, set()).add(part.table.schema.field(name).type)
    mixed = {
        name for name, kinds in types.items() if len(kinds - {pa.null()}) > 1 and pa.large_string() in kinds
    }
    if not mixed:
        return parts
    return [Rows(_with_text(part.table, mixed), part.position, part.source, part.broken, part.repairs)
            for part in parts]  # fmt: skip


def _with_text(table: pa.Table, names: set[str]) -> pa.Table:
    for i, name in enumerate(table.column_names):
        if name in names:
            table = table.set_column(i, name, pc.cast(table.column(i), pa.large_string()))
    return table


def _unusable(table: str, check: str, remedy: str) -> InputError:
    return InputError("the input cannot be used", [Problem(table, None, check, remedy=remedy)])


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]


class _Hasher(io.RawIOBase):
    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return len(data)
