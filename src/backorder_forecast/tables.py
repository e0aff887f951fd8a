"""Frames of the canonical tables: types, defaults, order of columns, and the check where a frame leaves.

The declarations are in :mod:`backorder_forecast.schema`; nothing about a table is written down twice.

>>> INPUT["shipments"].required
('line_id', 'shipped_at', 'qty')
>>> list(empty("shipments").columns)
['line_id', 'shipped_at', 'qty', 'delivered_at', 'known_at']
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

from .errors import BackorderForecastError
from .schema import INPUT, OUTPUT, Column, Table

__all__ = [
    "DATE", "INPUT", "OUTPUT", "TEXT", "Column", "Table", "check_output", "conform", "dtype_of", "empty",
    "from_rows", "markdown", "quantile_label", "spec", "text", "text_of",
]  # fmt: skip

PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3
TEXT: Any = pd.StringDtype(na_value=np.nan) if PANDAS_3 else pd.StringDtype("pyarrow_numpy")
DATE = np.dtype("datetime64[us]")
_BLOCK = 65_536  # rows of the shared piece of which absent text columns are made

_NEVER_INFINITE = ("text", "date", "timestamp", "flag", "count", "int")
_DTYPES: dict[str, Any] = {
    "text": TEXT,
    "date": DATE,
    "timestamp": DATE,
    "int": np.dtype("int64"),
    "count": pd.Int64Dtype(),
}


def spec(name: str) -> Table:
    """Return the declaration of an input or output table.

    >>> spec("stock").key
    ('item_id', 'location_id', 'date')
    """
    return INPUT[name] if name in INPUT else OUTPUT[name]


def dtype_of(column: Column) -> Any:
    """Return the dtype of a column; flags that may be missing are nullable, others plain.

    >>> dtype_of(INPUT["order_lines"]["ship_complete"]), dtype_of(INPUT["customers"]["is_consumer"])
    (dtype('bool'), BooleanDtype)
    """
    if column.kind == "flag":
        return np.dtype(bool) if column.required or column.default is not None else pd.BooleanDtype()
    return _DTYPES.get(column.kind, np.dtype("float64"))


def empty(name: str) -> pd.DataFrame:
    """Return the canonical frame of a table without rows.

    Columns that a later issue brings are left out.
    """
    columns = [column for column in spec(name).columns if not column.later]
    return pd.DataFrame({column.name: pd.Series([], dtype=dtype_of(column)) for column in columns})


def text(values: Any) -> pd.Series:
    """Return values as the canonical text type; whatever is missing stays missing.

    >>> text(["007", None]).isna().tolist()
    [False, True]
    """
    series: pd.Series = pd.Series(values).astype(TEXT)
    return series


def text_of(values: pa.ChunkedArray | pa.Array) -> pd.Series:
    """Return an Arrow column as the canonical text type, without a copy where it is text already."""
    series: pd.Series = pd.Series(TEXT.__from_arrow__(values), copy=False)
    return series


def conform(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with every column of the table, in order and type; defaults fill what is absent or NA.

    For frames that are trusted (made by code, or cleaned). Columns that are not declared are dropped from
    input tables and kept behind the declared ones in output tables.

    Raises: ``ValueError`` where a required column is missing or a value does not fit its type.

    >>> frame = pd.DataFrame({"line_id": ["1"], "shipped_at": ["2026-01-02"], "qty": [3]})
    >>> conform("shipments", frame).qty.tolist()
    [3.0]
    """
    table = spec(name)
    missing = [column for column in table.required if column not in frame]
    if missing:
        raise ValueError(f"{name}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    wanted = [column for column in table.columns if not column.later or column.name in frame]
    columns = {column.name: _cast(frame, column) for column in wanted}
    if name in OUTPUT:
        columns |= {
            str(extra): frame[extra].set_axis(pd.RangeIndex(len(frame)))
            for extra in frame
            if extra not in columns
        }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)), copy=False)


def check_output(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the conformed frame of an output table after its check: the one at which frames leave.

    Raises: ``BackorderForecastError`` with all failures, since a bad output is a defect of the program.
    """
    try:
        checked: pd.DataFrame = output_schema(name).validate(conform(name, frame), lazy=True)
    except ValueError as error:
        raise BackorderForecastError(f"output table breaks its own schema: {error}") from error
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "failure_case"]]
        first = cases.drop_duplicates(["column", "check"]).to_numpy()
        found = "; ".join(f"{column}: {check}, e.g. {value!r}" for column, check, value in first)
        raise BackorderForecastError(f"output table {name} breaks its own schema: {found}") from error
    return checked


def from_rows(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the checked frame of an output table without a key from a few rows; ``None`` and NaN are missing values.

    What `conform` and `check_output` make of a frame, which costs them milliseconds however few its rows are: an
    answer has to be quicker. Only columns that are declared are kept.

    Raises: ``BackorderForecastError`` for the first value that may not be, as :func:`check_output` does.

    >>> from_rows("promise", [{"item_id": "a", "qty": 2, "priority": 0, "ship_prob": 1.0}])["qty"].tolist()
    [2.0]
    """
    columns = [column for column in OUTPUT[name].columns if not column.later]
    found = {column.name: [row.get(column.name, column.default) for row in rows] for column in columns}
    for column in columns:
        for value in found[column.name]:
            if not _may_be(column, value):
                told = f"output table {name} breaks its own schema: {column.name}, e.g. {value!r}"
                raise BackorderForecastError(told)
    arrays: dict[str, Any] = dict.fromkeys(found)
    for dtype in {dtype_of(column) for column in columns}:
        same = [column.name for column in columns if dtype_of(column) == dtype]
        together = _array([x for name in same for x in found[name]], dtype)  # an array for each takes its time
        arrays |= {name: together[i * len(rows) : (i + 1) * len(rows)] for i, name in enumerate(same)}
    return pd.DataFrame(arrays, copy=False)


@cache
def output_schema(name: str) -> pandera.DataFrameSchema:
    """Return the pandera schema generated from the declaration of an output table."""
    table = OUTPUT[name]
    columns = {column.name: _output_column(table, column) for column in table.columns}
    return pandera.DataFrameSchema(columns, unique=list(table.key) or None, strict=False)


def quantile_label(level: float) -> str:
    """Return the column name of a quantile level.

    >>> [quantile_label(q) for q in (0.05, 0.5, 0.975, 0.999, 0.29)]
    ['p05', 'p50', 'p97_5', 'p99_9', 'p29']
    """
    if not 0 < level < 1:
        raise ValueError(f"a quantile level lies between 0 and 1, not {level}")
    percent = f"{round(level * 100, 6):.6f}".rstrip("0").rstrip(".")
    whole, _, rest = percent.partition(".")
    return f"p{int(whole):02d}" + (f"_{rest}" if rest else "")


def markdown() -> str:
    """Return the reference of all tables as Markdown, as `docs/tables.md` holds it."""
    parts = ["# Tables", "", "Made from `schema.py` by `make docs`; `**`: required.", "", "## Input", ""]
    parts += [_table_markdown(table) for table in INPUT.values()]
    parts += ["## Output", ""]
    parts += [_table_markdown(table) for table in OUTPUT.values()]
    return "\n".join(parts).rstrip() + "\n"


def _cast(frame: pd.DataFrame, column: Column) -> pd.Series:
    dtype = dtype_of(column)
    if column.name not in frame:
        return _fill(column, len(frame))
    values = frame[column.name].set_axis(pd.RangeIndex(len(frame)))
    if column.default is not None and values.isna().any():
        plain = values.astype(object) if values.dtype == object else None
        values = (
            values.fillna(column.default) if plain is None else plain.where(values.notna(), column.default)
        )
    if column.kind in ("date", "timestamp"):
        values = (values if values.dtype.kind == "M" else pd.to_datetime(values, format="ISO8601")).astype(
            DATE
        )
        return values.dt.normalize() if column.kind == "date" else values
    cast: pd.Series = values if values.dtype == dtype else values.astype(dtype)
    return cast


def _fill(column: Column, rows: int) -> pd.Series:
    """A column that is absent: its default or nothing, in next to no memory however many rows there are."""
    dtype = dtype_of(column)
    if column.kind == "text":
        block = pa.array([column.default] * min(rows, _BLOCK), pa.large_string())
        blocks = pa.chunked_array([block] * (rows // _BLOCK) + [block[: rows % _BLOCK]], block.type)
        return text_of(blocks)
    if not isinstance(dtype, np.dtype):
        missing: pd.Series = pd.Series(pd.NA, index=range(rows), dtype=dtype)
        return missing
    nothing: Any = np.datetime64("NaT", "us") if dtype == DATE else np.nan
    value = np.asarray(nothing if column.default is None else column.default, dtype)
    series: pd.Series = pd.Series(np.broadcast_to(value, rows), copy=False)
    return series


def _array(values: list[Any], dtype: Any) -> Any:
    if dtype == DATE:
        days = np.array([np.datetime64("NaT") if x is None else x for x in values], "datetime64[D]")
        return pd.array(days.astype(DATE), copy=False)
    return np.array(values, dtype) if isinstance(dtype, np.dtype) else pd.array(values, dtype)


def _may_be(column: Column, value: Any) -> bool:
    """The checks of :func:`_output_column` for one value."""
    if value is None or value != value:
        return True
    finite = column.kind in _NEVER_INFINITE or bool(np.isfinite(value))
    within = column.kind != "prob" or -1e-9 <= value <= 1 + 1e-9
    large = (not column.positive or value > 0) and (column.least is None or value >= column.least)
    return finite and within and large and (not column.allowed or value in column.allowed)


def _output_column(table: Table, column: Column) -> pandera.Column:
    checks = []
    if column.kind == "prob":
        checks.append(pandera.Check.in_range(-1e-9, 1 + 1e-9))
    if column.positive:
        checks.append(pandera.Check.gt(0))
    if column.least is not None:
        checks.append(pandera.Check.ge(column.least))
    if column.allowed:
        checks.append(pandera.Check.isin(column.allowed))
    if column.kind not in _NEVER_INFINITE:
        checks.append(pandera.Check(lambda values: ~np.isinf(values), name="finite", ignore_na=True))
    key = column.name in table.key
    return pandera.Column(None, checks, nullable=not key, required=column.required)


def _table_markdown(table: Table) -> str:
    head = f"### {table.name}\n\n{table.meaning}" + (" *Brought by a later version.*" if table.later else "")
    key = f" Key: {', '.join(f'`{name}`' for name in table.key)}." if table.key else ""
    rows = ["| column | kind | unit | default | meaning |", "|---|---|---|---|---|"]
    rows += [_column_markdown(column) for column in table.columns]
    return f"{head}{key}\n\n" + "\n".join(rows) + "\n"


def _column_markdown(column: Column) -> str:
    name = f"**{column.name}**" if column.required else column.name
    default = "" if column.default is None else f"`{column.default}`"
    allowed = " One of " + ", ".join(f"`{value}`" for value in column.allowed) + "." if column.allowed else ""
    later = " *Later.*" if column.later else ""
    return f"| {name} | {column.kind} | {column.unit} | {default} | {column.meaning}{allowed}{later} |"


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown())
