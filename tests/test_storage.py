"""The run folder: whole or not at all, the same bytes for the same frames, held against others."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from backorder_forecast import storage
from backorder_forecast.errors import FolderLocked, UsageError
from backorder_forecast.result import open_run
from tests.example_run import DAY, example_run

ROOT = Path(__file__).parents[1]

# A run that stops for ever at a given step, so that a test can kill it there.
STUCK = """
import sys, time
from pathlib import Path
from backorder_forecast import storage
from tests.example_run import example_run

steps, stop = [], int(sys.argv[2])
def stuck(function):
    def wrapped(*arguments, **more):
        steps.append(function.__name__)
        if len(steps) > stop:
            print("stopped", flush=True)
            time.sleep(60)
        return function(*arguments, **more)
    return wrapped
storage._write_bytes = stuck(storage._write_bytes)
Path.rename = stuck(Path.rename)
storage.shutil.rmtree = stuck(storage.shutil.rmtree)
example_run(seed=2).save(sys.argv[1], files={"report.html": b"second"})
print("done", len(steps), flush=True)
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stuck_run(out: Path, step: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STUCK, str(out), str(step)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = example_run()
    folder = run.save(tmp_path, files={"report.html": b"page"})
    back = open_run(folder)
    assert folder == tmp_path / "2026-06-30"
    assert (back.as_of, back.seed, back.config) == (run.as_of, run.seed, run.config)
    assert list(back.notes) == list(run.notes)
    for name, frame in run.tables.items():
        pd.testing.assert_frame_equal(back.tables[name][frame.columns], frame, check_dtype=False)
    for name, frame in run.state.items():
        pd.testing.assert_frame_equal(back.state[name], frame)
    assert (folder / "report.html").read_bytes() == b"page"


def test_what_was_opened_and_saved_again_has_the_same_bytes(tmp_path: Path) -> None:
    first = contents(example_run().save(tmp_path / "a"))
    second = contents(open_run(tmp_path / "a" / "2026-06-30").save(tmp_path / "b"))
    assert first == second
    assert len(first) > 10


def test_days_are_dates_to_every_reader(tmp_path: Path) -> None:
    schema = pq.read_schema(example_run().save(tmp_path) / "line_eta.parquet")
    assert str(schema.field("p50_date").type) == "date32[day]"
    assert schema.metadata is None


def test_manifest_says_how_the_run_came_about(tmp_path: Path) -> None:
    manifest = json.loads((example_run().save(tmp_path) / "manifest.json").read_text())
    assert manifest["as_of"] == "2026-06-30"
    assert manifest["seed"] == 1
    assert manifest["config"]["simulation"]["scenarios"] == 500
    assert manifest["versions"].keys() >= {"backorder_forecast", "numpy", "pandas"}
    assert manifest["inputs"][0]["rows"] == 12
    assert manifest["tables"]["line_eta"] == 8
    folder = tmp_path / "2026-06-30"
    on_disk = sorted(f"state/{path.name}" for path in (folder / "state").iterdir())
    assert sorted(manifest["state"]) == on_disk
    for name, told in manifest["state"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == told
    assert manifest["notes"]
    assert manifest["timings"]["queue"] == 0.4


def test_the_same_day_again_replaces_the_folder_whole(tmp_path: Path) -> None:
    folder = example_run().save(tmp_path, files={"old.txt": b"old"})
    example_run(seed=2).save(tmp_path)
    assert not (folder / "old.txt").exists()
    assert open_run(folder).seed == 2
    assert {path.name for path in tmp_path.iterdir()} <= {"2026-06-30", ".2026-06-30.lock"}


def test_odd_frames_survive(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "mixed": ["a", 1, None],
            "flag": pd.array([True, None, False], dtype="boolean"),
            "nothing": [np.nan, np.nan, np.nan],
            "law": [np.array([0.25, 0.75]), np.array([1.0]), np.array([])],
        }
    )
    storage.write_parquet(frame, tmp_path / "x.parquet")
    back = storage.read_parquet(tmp_path / "x.parquet")
    assert back["mixed"].tolist()[:2] == ["a", "1"]
    assert back["flag"].isna().tolist() == [False, True, False]
    assert back["law"][0].tolist() == [0.25, 0.75]
    storage.write_parquet(frame.head(0), tmp_path / "empty.parquet")
    assert list(storage.read_parquet(tmp_path / "empty.parquet")) == list(frame)


def test_another_run_is_kept_out_and_told(tmp_path: Path) -> None:
    with storage.hold(tmp_path, DAY), pytest.raises(FolderLocked, match="another run is writing"):
        example_run().save(tmp_path)
    example_run().save(tmp_path)  # free again


def test_a_run_of_another_process_holds_the_folder(tmp_path: Path) -> None:
    process = stuck_run(tmp_path, 3)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        with pytest.raises(FolderLocked):
            example_run().save(tmp_path)
    finally:
        process.kill()
        process.communicate()


def number_of_steps(out: Path) -> int:
    process = stuck_run(out, 10_000)
    told, _ = process.communicate(timeout=60)
    return int(told.split()[1])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
def test_a_killed_run_leaves_the_results_of_the_one_before(tmp_path: Path) -> None:
    """Kill a real process in the midst of writing, before, between and after the renames."""
    example_run().save(tmp_path / "count", files={"report.html": b"first"})
    steps = number_of_steps(tmp_path / "count")
    for step in (0, 2, steps - 4, steps - 3, steps - 2, steps - 1):
        out = tmp_path / f"at{step}"
        before = contents(example_run().save(out, files={"report.html": b"first"}))
        process = stuck_run(out, step)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()

        run = open_run(out / "2026-06-30")
        assert run.seed in (1, 2)
        if run.seed == 1:
            assert contents(out / "2026-06-30") == before
        else:
            assert (out / "2026-06-30" / "report.html").read_bytes() == b"second"
        example_run(seed=3).save(out)  # and the next run works, and clears what was left
        assert open_run(out / "2026-06-30").seed == 3
        assert {path.name for path in out.iterdir()} <= {"2026-06-30", ".2026-06-30.lock"}


def test_a_failure_in_the_midst_leaves_the_results_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = example_run().save(tmp_path)
    before = contents(folder)

    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "manifest_bytes", full)
    with pytest.raises(OSError, match="No space"):
        example_run(seed=2).save(tmp_path)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is not a run folder"),
        ("{", "not a manifest of this program"),
        ('{"format": 99}', "written by a later version"),
    ],
)
def test_what_is_not_a_run_folder_is_said_so(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UsageError, match=told):
        open_run(tmp_path)


@pytest.mark.parametrize("file", ["line_eta.parquet", "state/lines.parquet"])
def test_a_damaged_run_folder_is_said_so(tmp_path: Path, file: str) -> None:
    folder = example_run().save(tmp_path)
    (folder / file).write_bytes((folder / file).read_bytes()[:200])
    with pytest.raises(UsageError, match=r"is damaged: .* make the run again"):
        open_run(folder)


def test_a_run_folder_without_one_of_its_tables_is_said_so(tmp_path: Path) -> None:
    folder = example_run().save(tmp_path)
    (folder / "line_eta.parquet").unlink()
    with pytest.raises(UsageError, match=r"is damaged: .*line_eta\.parquet"):
        open_run(folder)


def test_a_manifest_that_lacks_its_configuration_is_said_so(tmp_path: Path) -> None:
    folder = example_run().save(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["config"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"is damaged: manifest\.json does not fit"):
        open_run(folder)


def test_the_folder_of_all_runs_names_them(tmp_path: Path) -> None:
    example_run().save(tmp_path)
    with pytest.raises(UsageError, match="the runs in it are 2026-06-30"):
        open_run(tmp_path)


def test_out_may_not_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        example_run().save(tmp_path / "file")
