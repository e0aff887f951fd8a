"""The run folder: Parquet tables, state, report and manifest, written whole or not at all.

::

    OUT/2026-06-30/
        line_eta.parquet …      output tables of the contract
        report.html
        manifest.json           as-of, configuration, seed, versions, inputs, notes, what could not be said
        state/*.parquet         what later calls need; no pickle
        state/queue.npz         from what the queue can be simulated again

A run is written into a hidden folder beside its place and moved there by renames, so that a run that is
killed leaves the results of the one before. The same frames give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from . import __version__
from .config import Config
from .errors import BackorderForecastError, FolderLocked, UsageError
from .tables import DATE, INPUT, OUTPUT, TEXT, conform, spec

if TYPE_CHECKING:
    from .law import Law
    from .queue_inputs import QueueInputs
    from .result import Run

log = logging.getLogger(__name__)

FORMAT = 1  # of the run folder; raised when an older program could not read it
MANIFEST = "manifest.json"
REPORT = "report.html"
QUEUE = "state/queue.npz"
SHIP_DATES = "ship_dates"  # the law over lines, among the state
PACKAGES = ("numpy", "pandas", "scipy", "numba", "pyarrow", "duckdb", "statsmodels", "scikit-learn")
GROUP_ROWS = 1 << 17


@dataclass(frozen=True)
class Held:
    """The place of one run, held against others: ``final`` is where its results belong."""

    final: Path

    @property
    def fresh(self) -> Path:
        return self.final.with_name(f".{self.final.name}.new")

    @property
    def previous(self) -> Path:
        return self.final.with_name(f".{self.final.name}.old")


@contextmanager
def hold(out: str | Path, as_of: pd.Timestamp) -> Iterator[Held]:
    """Hold ``out/<as_of>`` against other runs and clear what a dead run left there.

    Raises ``FolderLocked`` at once when another run holds it.
    """
    with hold_folder(Path(out) / str(as_of.date())) as held:
        yield held


@contextmanager
def hold_folder(final: Path) -> Iterator[Held]:
    """Hold one run folder; see :func:`hold`."""
    held = Held(final)
    lock = _lock(final)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        told = f"another run is writing to {final}; wait for it, or choose another --out"
        raise FolderLocked(told) from None
    try:
        _recover(held)
        yield held
    finally:
        lock.release()


def write_run(run: Run, held: Held, *, files: Mapping[str, bytes] | None = None) -> Path:
    """Write ``run`` and further ``files`` (name → bytes) to the place that is held, and return it."""
    fresh = held.fresh
    fresh.mkdir()
    (fresh / "state").mkdir()
    for name, frame in run.tables.items():
        write_parquet(frame, fresh / f"{name}.parquet", name)
    hashes = {}
    for name, frame in _state_frames(run).items():
        content = parquet_bytes(frame)
        hashes[f"state/{name}.parquet"] = hashlib.sha256(content).hexdigest()
        _write_bytes(fresh / "state" / f"{name}.parquet", content)
    if run.inputs is not None:
        content = npz_bytes(run.queue_inputs.packed())
        hashes[QUEUE] = hashlib.sha256(content).hexdigest()
        _write_bytes(fresh / QUEUE, content)
    for name, content in (files or {}).items():
        _write_bytes(fresh / name, content)
    _write_bytes(fresh / MANIFEST, manifest_bytes(run, hashes))  # last: a folder with a manifest is whole
    _sync_folder(fresh / "state")
    _sync_folder(fresh)
    _swap(held)
    return held.final


def read_run(path: str | Path) -> dict[str, Any]:
    """Read a run folder as the arguments of ``Run``.

    The manifest is read before and after the tables: when another run has replaced the folder in between, the
    tables are read again. Raises ``UsageError`` when ``path`` is not a run folder, or a damaged one.
    """
    folder = Path(path)
    for _ in range(5):
        text = _manifest_text(folder)
        found, damage = None, ""
        try:
            found = _read_once(folder, text)
        except (OSError, pa.ArrowException) as error:
            damage = str(error)
        except (KeyError, ValueError, TypeError) as error:
            damage = f"{MANIFEST} does not fit ({error!r})"
        if _manifest_text(folder) != text:
            continue  # replaced meanwhile: what was read may be of both
        if found is None:
            raise UsageError(f"{folder} is damaged: {damage}; make the run again")
        return found
    raise BackorderForecastError(f"{folder} keeps changing while it is read; try again when the run is over")


def manifest_bytes(run: Run, hashes: Mapping[str, str] | None = None) -> bytes:
    """Return ``manifest.json``: how the run came about, and what it holds; ``hashes``: SHA-256 of the state's files."""
    content = {
        "format": FORMAT,
        "as_of": str(run.as_of.date()),
        "seed": run.seed,
        "versions": versions(),
        **run.manifest,
        "tables": {name: len(frame) for name, frame in run.tables.items()},
        "state": dict(sorted((hashes or {}).items())),
        "notes": list(run.notes),
        "missing": dict(run.missing),
        "config": run.config.model_dump(mode="json"),
    }
    return (json.dumps(content, indent=1, default=str, allow_nan=False, ensure_ascii=False) + "\n").encode()


def versions() -> dict[str, str]:
    """Return the versions of this package and of those whose numbers a run depends on."""
    found = {"backorder_forecast": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an extra that is not installed
            continue
    return found


def write_parquet(frame: pd.DataFrame, path: Path, name: str = "") -> None:
    """Write ``frame`` without its index; equal frames give equal bytes.

    ``name`` is that of an input or output table, whose days are written as dates.
    """
    _write_bytes(path, parquet_bytes(frame, name))


def parquet_bytes(frame: pd.DataFrame, name: str = "") -> bytes:
    """Return ``frame`` as the content of a Parquet file; see :func:`write_parquet`."""
    table = _arrow_table(frame, name).replace_schema_metadata(None)  # pandas' metadata names its version
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, version="2.6", compression="zstd", row_group_size=GROUP_ROWS)
    return bytes(sink.getvalue().to_pybytes())


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays by name as the content of an npz file; equal arrays give equal bytes."""
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **arrays)
    return sink.getvalue()


def read_parquet(path: Path, name: str = "") -> pd.DataFrame:
    """Read what :func:`write_parquet` wrote, with the package's own types."""
    table = pq.read_table(path, partitioning=None)
    frame = table.to_pandas(date_as_object=False, integer_object_nulls=False)
    for field in table.schema:
        frame[field.name] = _own_type(frame[field.name], field.type)
    return conform(name, frame) if name in OUTPUT else frame


def write_file(path: Path, content: bytes) -> None:
    """Replace one file in one step: readers see the old content or the new."""
    _make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.new")
    _write_bytes(fresh, content)
    fresh.replace(path)
    _sync_folder(path.parent)


# the state --------------------------------------------------------------------------------------------------


def _state_frames(run: Run) -> dict[str, pd.DataFrame]:
    frames = dict(run.state)
    if run.ship_dates is not None:
        frames[SHIP_DATES] = run.ship_dates.to_frame()
    return frames


def _read_once(folder: Path, manifest_text: str) -> dict[str, Any]:
    manifest = json.loads(manifest_text)
    state = {path.stem: read_parquet(path) for path in sorted((folder / "state").glob("*.parquet"))}
    tables = {name: read_parquet(folder / f"{name}.parquet", name) for name in manifest["tables"]}
    known: dict[str, Any] = {
        "as_of": pd.Timestamp(manifest["as_of"]),
        "config": Config(**manifest.pop("config")),
        "seed": int(manifest["seed"]),
    }
    sha256 = manifest.get("state", {}).get(QUEUE)
    return {
        **known,
        "inputs": None if sha256 is None else partial(_read_inputs, folder, sha256, known, state),
        "tables": tables,
        "ship_dates": _law(state.pop(SHIP_DATES, None)),
        "state": state,
        "notes": manifest.pop("notes"),
        "missing": manifest.pop("missing"),
        "manifest": manifest,
    }


def _read_inputs(folder: Path, sha256: str, known: Mapping[str, Any], state: Mapping[str, pd.DataFrame]) -> QueueInputs:
    """What the queue was simulated from. Raises ``UsageError`` where the folder is another run's by now, or damaged."""
    from .queue_inputs import QueueInputs

    try:
        content = (folder / QUEUE).read_bytes()
    except OSError as error:
        raise UsageError(f"{folder / QUEUE} cannot be read: {error.strerror or error}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UsageError(f"{folder} has been replaced since it was opened, or is damaged: open it again")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    return QueueInputs.unpacked(kept, known["as_of"], known["config"], known["seed"], state)


def _law(frame: pd.DataFrame | None) -> Law | None:
    if frame is None:
        return None
    from .law import Law

    return Law.from_frame(frame)


def _manifest_text(folder: Path) -> str:
    path = folder / MANIFEST
    if not path.exists():
        _recover_quietly(folder)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        told = f"{folder} is not a run folder: it has no {MANIFEST}{_runs_inside(folder)}"
        raise UsageError(told) from None
    try:
        form = json.loads(text)["format"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is not a manifest of this program") from None
    if form > FORMAT:
        raise UsageError(f"{folder} was written by a later version of this program (format {form})")
    return text


def _runs_inside(folder: Path) -> str:
    runs = sorted(path.parent.name for path in folder.glob(f"[!.]*/{MANIFEST}"))
    return f"; the runs in it are {', '.join(runs[-5:])}" if runs else ""


# files ------------------------------------------------------------------------------------------------------


def _arrow_table(frame: pd.DataFrame, name: str) -> pa.Table:
    columns = {str(column): _arrow_column(frame[column]) for column in frame.columns}
    if name in OUTPUT or name in INPUT:
        days = [column.name for column in spec(name).columns if column.kind == "date"]
        for day in columns.keys() & set(days):  # a day is a date to every other reader too
            columns[day] = columns[day].cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    return pa.table(columns)


def _arrow_column(values: pd.Series) -> Any:
    try:
        column = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types: only text can hold them all
        column = pa.array([None if value is None else str(value) for value in values.tolist()])
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = column.type
    return column.cast(pa.string()) if pa.types.is_large_string(kind) or pa.types.is_null(kind) else column


def _own_type(values: pd.Series, kind: Any) -> pd.Series:
    if pa.types.is_string(kind):
        return values.astype(TEXT)
    if pa.types.is_temporal(kind):
        return values.astype(DATE)
    if pa.types.is_boolean(kind) and values.dtype != bool:
        return values.astype("boolean")
    return values


def _write_bytes(path: Path, content: bytes) -> None:
    with path.open("wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` last through a power cut, where the system can."""
    if os.name == "nt":  # pragma: no cover - folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# replacing a folder -----------------------------------------------------------------------------------------


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{folder} is a file, not a folder") from None


def _lock(final: Path) -> filelock.BaseFileLock:
    _make_folder(final.parent)
    return filelock.FileLock(final.with_name(f".{final.name}.lock"))


def _swap(held: Held) -> None:
    """Put the new folder in the place of the old one; :func:`_recover` mends a death between two renames."""
    if held.final.exists():
        held.final.rename(held.previous)
    held.fresh.rename(held.final)
    _sync_folder(held.final.parent)
    shutil.rmtree(held.previous, ignore_errors=True)


def _recover(held: Held) -> None:
    """Clear what a dead run left, or finish what it had all but done. Only under the lock."""
    if held.previous.exists():
        if held.final.exists():
            shutil.rmtree(held.previous)
        elif (held.fresh / MANIFEST).exists():
            held.fresh.rename(held.final)  # the new results are whole: they only had to be moved
            shutil.rmtree(held.previous)
        else:
            held.previous.rename(held.final)
        log.info("mended %s after a run that was killed", held.final)
    if held.fresh.exists():
        shutil.rmtree(held.fresh)


def _recover_quietly(folder: Path) -> None:
    """Let a reader see the results although a run died in the midst of replacing them."""
    held = Held(folder)
    if held.previous.exists():
        try:
            with hold_folder(folder):
                pass
        except (FolderLocked, OSError):
            log.info("%s is being replaced", folder)
