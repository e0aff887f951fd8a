"""The made-up company as a folder of canonical tables with a commented configuration."""

from __future__ import annotations

from pathlib import Path

from . import storage
from .config import commented_toml
from .errors import UsageError
from .schema import INPUT
from .synthetic import Spec, simulate_company

SETTINGS = "backorder.toml"
SHOWN = {
    "queue": {"compare": ["promised", "smallest", "revenue", "max_min"]},
    "report": {"title": "Backorders of the sample company"},
}
KEPT = {"README.md"}  # may lie beside the tables


def write_sample(folder: Path, spec: Spec) -> dict[str, int]:
    """Write the company of ``spec`` to ``folder`` and return the rows of each table.

    The same ``spec`` gives the same bytes. Raises ``UsageError`` when other files lie there: nothing that is
    not a sample is written over.
    """
    _refuse_strangers(folder)
    tables = simulate_company(spec).tables
    for name, frame in tables.items():
        said = frame if frame.empty else frame.dropna(axis="columns", how="all")
        storage.write_file(folder / f"{name}.parquet", storage.parquet_bytes(said, name))
    settings = commented_toml(SHOWN)
    storage.write_file(folder / SETTINGS, settings.encode())
    return {name: len(frame) for name, frame in tables.items()}


def _refuse_strangers(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder")
    ours = {f"{name}.parquet" for name in INPUT} | KEPT | {SETTINGS}
    others = sorted(path.name for path in folder.iterdir() if path.name not in ours)
    if others:
        raise UsageError(f"{folder} holds other files ({', '.join(others[:3])}); choose an empty folder")
