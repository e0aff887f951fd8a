"""Every notebook runs from top to bottom, says nothing on standard error, and leaves nothing behind."""

from __future__ import annotations

import ast
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbformat: pip install --group test")
nbclient = pytest.importorskip("nbclient", reason="notebooks are executed by nbclient: pip install --group test")
pytest.importorskip("ipykernel", reason="notebooks need a kernel, ipykernel: pip install --group test")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 90
LARGEST = 500_000  # bytes: what is shown in a repository has to open at once


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def complaints(notebook: Any) -> list[str]:
    """Errors, and whatever was printed on standard error (warnings are)."""
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    return [str(x) for x in outputs if x.output_type == "error" or x.get("name") == "stderr"]


def files() -> set[Path]:
    return {path for path in FOLDER.rglob("*") if ".ipynb_checkpoints" not in path.parts}


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS][:4] == [
        "01_quickstart.ipynb", "02_demand.ipynb", "03_lead_times_and_etas.ipynb", "04_queue_what_if.ipynb",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path: Path) -> None:
    notebook, before = read(path), files()
    for cell in code(notebook):
        cell.outputs = []
    # where Jupyter starts a notebook: in its own folder
    resources = {"metadata": {"path": str(FOLDER)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    assert complaints(notebook) == []
    assert files() == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_finds_its_data_from_the_root_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    lines = [x for cell in code(read(path)) for x in ast.parse(cell.source).body]
    finding = [x for x in lines if isinstance(x, ast.Assign) and "exists()" in ast.unparse(x)]
    assert finding
    names: dict[str, Any] = {"Path": Path}
    exec(compile(ast.Module(finding, []), path.name, "exec"), names)
    assert (names["sample"] / "order_lines.parquet").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_with_its_outputs_and_without_traces_of_a_machine(path: Path) -> None:
    notebook, text = read(path), path.read_text(encoding="utf-8")
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert complaints(notebook) == []
    assert len(text) < LARGEST
    places = (str(ROOT), str(Path.home()), tempfile.gettempdir())
    assert not [place for place in places if re.search(rf"{re.escape(place)}[/\\]", text)]
    assert not [cell for cell in notebook.cells if cell.metadata], "cells carry no times or states of an editor"
