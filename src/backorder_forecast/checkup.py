"""What ``validate`` says: what is wrong with a source, how to mend it, and where the rejected rows are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import storage
from .answer import records

if TYPE_CHECKING:
    import pandas as pd

    from .dataset import Dataset
    from .errors import InputError

REJECTED = "rejected_rows"
EXAMPLES = 5


def write_rejected(data: Dataset, out: Path) -> list[str]:
    """Write ``rejected_rows`` to ``out`` as Parquet and as CSV for people; return the paths."""
    rejected = data.rejected_rows
    contents = {
        out / f"{REJECTED}.parquet": storage.parquet_bytes(rejected, REJECTED),
        out / f"{REJECTED}.csv": rejected.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"),
    }
    for path, content in contents.items():
        storage.write_file(path, content)
    return [str(path) for path in contents]


def findings(data: Dataset, written: list[str]) -> dict[str, Any]:
    """Return everything found, as plain values."""
    return {
        "usable": True,
        "tables": {name: len(data.tables[name]) for name in sorted(data.given)},
        "rejected": _rejected(data.rejected_rows),
        "repairs": records(data.cleaning_log),
        "warnings": list(data.warnings),
        "written": written,
    }


def failure(error: InputError) -> dict[str, Any]:
    """Return why a source cannot be used, as plain values."""
    problems = [
        {
            "table": problem.table,
            "column": problem.column,
            "check": problem.check,
            "rows": problem.rows,
            "share": problem.share,
            "examples": [str(value) for value in problem.examples],
            "remedy": problem.remedy,
        }
        for problem in error.problems
    ]
    return {"usable": False, "message": str(error).splitlines()[0], "problems": problems}


def text(data: Dataset, written: list[str]) -> str:
    """Return the findings as text for a terminal."""
    found = findings(data, written)
    lines = ["Usable. Tables:"]
    lines += [f"  {name}: {rows:,} rows" for name, rows in found["tables"].items()]
    lines += _section("Rejected rows", [_rejected_text(one) for one in found["rejected"]])
    lines += _section("Repairs", [_repair_text(one) for one in found["repairs"]])
    lines += _section("Warnings", found["warnings"])
    last = f"Rejected rows are in {written[0]}" if found["rejected"] else f"No rows are in {written[0]}"
    return "\n".join([*lines, last])


def _section(title: str, told: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {one}" for one in told)] if told else [f"{title}: none"]


def _rejected(rejected: pd.DataFrame) -> list[dict[str, Any]]:
    groups = rejected.groupby(["table", "column", "check"], dropna=False, sort=True)
    return [_rejected_group(part) for _, part in groups]


def _rejected_group(part: pd.DataFrame) -> dict[str, Any]:
    first = records(part.head(EXAMPLES))
    return {
        "table": first[0]["table"],
        "column": first[0]["column"],
        "check": first[0]["check"],
        "rows": len(part),
        "examples": [{"row": one["row"], "value": one["value"]} for one in first],
        "reason": first[0]["reason"],
    }


def _rejected_text(one: dict[str, Any]) -> str:
    where = f"{one['table']}.{one['column']}" if one["column"] else one["table"]
    shown = ", ".join(f"row {example['row']}: {example['value']}" for example in one["examples"])
    return f"{where}: {one['rows']:,} rows: {one['reason'] or one['check']} ({shown})"


def _repair_text(one: dict[str, Any]) -> str:
    where = f"{one['table']}.{one['column']}" if one["column"] else one["table"]
    return f"{where}: {one['repair']} ({one['rows']:,} rows, e.g. {one['example']})"
