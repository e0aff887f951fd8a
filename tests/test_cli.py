"""The command line: what goes to which stream, and with which exit code it leaves."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from backorder_forecast import cli, storage
from backorder_forecast.result import Run, open_run
from backorder_forecast.sample import write_sample
from backorder_forecast.synthetic import Spec
from tests.example_run import DAY, example_run

ROOT = Path(__file__).parents[1]
Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run the command line in a folder of its own; return exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_start_logging", lambda talk: None)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "order_lines.csv").write_text(
        "order_id,line_id,item_id,ordered_at,qty\n"
        + "".join(f"O{k},L{k},bolt,2026-06-{k + 1:02d},{1 + k}\n" for k in range(25))
    )
    (folder / "stock.csv").write_text("item_id,date,on_hand\nbolt,2026-06-30,5\n")
    return folder


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put the example in the place of the whole chain; return what it was asked for."""
    asked: dict[str, Any] = {}

    def run(data: Any, *, as_of: pd.Timestamp, progress: Callable[[str], None]) -> Run:
        asked.update(as_of=as_of, config=data.config)
        progress("queue")
        return example_run(as_of=as_of, config=data.config, manifest={"inputs": []})

    monkeypatch.setattr(importlib.import_module("backorder_forecast.pipeline"), "run", run)
    return asked


def test_run_names_the_report_and_nothing_else(invoke: Invoke, source: Path, chain: dict[str, Any]) -> None:
    code, out, err = invoke("run", source)
    folder = Path("reports") / "2026-06-30"
    assert (code, out, err) == (0, f"Report: {folder / 'report.html'}\n", "")
    assert (folder / "report.html").read_bytes().startswith(b"<!DOCTYPE html>")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["timings"].keys() == {"load", "queue", "report"}
    assert open_run(folder).as_of == DAY


def test_flags_beat_the_file_which_beats_the_source(
    invoke: Invoke, source: Path, tmp_path: Path, chain: dict[str, Any]
) -> None:
    (source / "backorder.toml").write_text("[simulation]\nscenarios = 11\nseed = 11\njobs = 1\n")
    (tmp_path / "mine.toml").write_text("[simulation]\nseed = 22\njobs = 2\n[output]\nout = 'there'\n")
    code, _, _ = invoke("run", source, "--config", "mine.toml", "--jobs", 3, "--as-of", "2026-06-20")
    simulation = chain["config"].simulation
    assert code == 0
    assert (simulation.scenarios, simulation.seed, simulation.jobs) == (11, 22, 3)
    assert chain["as_of"] == pd.Timestamp("2026-06-20")
    assert Path("there/2026-06-20/manifest.json").exists()


def test_json_is_all_there_is(invoke: Invoke, source: Path, chain: dict[str, Any]) -> None:
    code, out, err = invoke("run", source, "--json", "--out", "o")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["as_of"] == "2026-06-30"
    assert Path(told["report"]).exists()
    assert told["tables"]["line_eta"] == 8


def test_quiet_says_nothing(invoke: Invoke, source: Path, chain: dict[str, Any]) -> None:
    assert invoke("run", source, "--quiet") == (0, "", "")


def test_a_held_folder_is_exit_5(invoke: Invoke, source: Path, chain: dict[str, Any]) -> None:
    with storage.hold("reports", DAY):
        code, out, err = invoke("run", source)
    assert (code, out) == (5, "")
    assert err.startswith("Error: another run is writing to reports/2026-06-30")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "Usage:"),
        (("nonsense",), 2, "No such command"),
        (("run",), 2, "Missing argument"),
        (("run", "source", "--as-of", "30.06.2026"), 2, "write it like 2026-06-30"),
        (("run", "source", "--as-of", "2026-02-30"), 2, "is not a day"),
        (("run", "source", "--seed", "-1"), 2, "--seed"),
        (("run", "source", "--executor", "dask"), 2, "not built yet"),
        (("run", "source", "--quiet", "--verbose"), 2, "exclude each other"),
        (("run", "source", "--config", "nowhere.toml"), 2, "there is no such file"),
        (("run", "nowhere"), 3, "there is no such file or folder"),
        (("validate", "nowhere"), 3, "there is no such file or folder"),
        (("show", "nowhere", "--order", "1"), 2, "not a run folder"),
        (("show", "nowhere"), 2, "exactly one of --order, --line, --customer"),
        (("report", "nowhere"), 2, "not a run folder"),
        (("backtest",), 2, "Missing argument"),
        (("backtest", "nowhere"), 3, "there is no such file or folder"),
        (("backtest", "source", "--stage", "demnd"), 2, "there is no stage 'demnd' to replay; did you mean 'demand'?"),
        (("backtest", "source", "--days", "0"), 2, "--days"),
        (("backtest", "source", "--spacing", "-7"), 2, "--spacing"),
    ],
)
def test_what_cannot_be_meant_is_one_message(
    invoke: Invoke, source: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    left, out, err = invoke(*arguments)
    assert left == code
    assert told in out + err
    assert "Traceback" not in err
    assert not Path("reports").exists()


def test_an_unexpected_failure_is_exit_1(
    invoke: Invoke, source: Path, chain: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(importlib.import_module("backorder_forecast.pipeline"), "run", broken)
    code, out, err = invoke("run", source)
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "Error: unexpected failure: ZeroDivisionError: by zero"
    assert "Traceback" not in err
    assert "Traceback" in invoke("run", source, "--verbose")[2]
    assert json.loads(invoke("run", source, "--log-json")[2])["level"] == "error"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_exit_1(
    invoke: Invoke, source: Path, chain: dict[str, Any]
) -> None:
    Path("shut").mkdir(mode=0o500)
    code, _, err = invoke("run", source, "--out", "shut")
    assert code == 1
    assert "Permission denied" in err


def test_show_as_text_and_as_json(invoke: Invoke, tmp_path: Path) -> None:
    folder = example_run().save(tmp_path)
    code, out, err = invoke("show", folder, "--order", "O1")
    assert (code, err) == (0, "")
    assert out.startswith("order O1, as of 2026-06-30: 3 lines, 2 open")
    told = json.loads(invoke("show", folder, "--customer", "C2", "--json")[1])
    assert [line["line_id"] for line in told["lines"]] == ["L3", "L10", "L11", "L9"]
    code, out, err = invoke("show", folder, "--line", "l1")
    assert (code, out) == (2, "")
    assert "did you mean 'L1'" in err


def test_report_renders_again(invoke: Invoke, tmp_path: Path) -> None:
    folder = example_run().save(tmp_path)
    code, out, _ = invoke("report", folder)
    assert (code, out) == (0, f"Report: {folder / 'report.html'}\n")
    first = (folder / "report.html").read_bytes()
    invoke("report", folder)
    assert (folder / "report.html").read_bytes() == first


def test_validate_says_what_is_wrong_and_keeps_the_rows(invoke: Invoke, source: Path) -> None:
    with (source / "order_lines.csv").open("a") as file:
        file.write("O99,L99,bolt,2026-06-29,-4\n")
    code, out, err = invoke("validate", source, "--out", "checked")
    assert (code, err) == (0, "")
    assert "order_lines.qty: 1 rows" in out
    rejected = pd.read_parquet("checked/rejected_rows.parquet")
    assert rejected["table"].tolist() == ["order_lines"]
    assert Path("checked/rejected_rows.csv").exists()
    told = json.loads(invoke("validate", source, "--json")[1])
    assert told["usable"]
    assert told["rejected"][0]["rows"] == 1


def test_validate_of_what_cannot_be_used(invoke: Invoke, source: Path) -> None:
    (source / "order_lines.csv").write_text("order_id,item_id\nO1,bolt\n")
    code, out, err = invoke("validate", source, "--json")
    told = json.loads(out)
    assert code == 3
    assert not told["usable"]
    assert {problem["table"] for problem in told["problems"]} == {"order_lines"}
    assert err.startswith("Error: ")


@pytest.fixture
def weekly(source: Path) -> Path:
    """The source with settings under which its 25 days suffice."""
    (source / "backorder.toml").write_text("[demand]\nlead_days = 7\n[simulation]\nscenarios = 20\nhorizon_days = 30\n")
    return source


def test_backtest_of_demand_says_and_writes_how_good_it_was(invoke: Invoke, weekly: Path) -> None:
    code, out, err = invoke("backtest", weekly, "--stage", "demand", "--days", 2, "--spacing", 5)
    folder = Path("reports") / "backtest-demand-2026-06-30"
    assert (code, err) == (0, "")
    assert out.startswith("demand, replayed on 2026-06-18, 2026-06-23\n")
    head = next(line for line in out.splitlines() if "vs historical" in line)
    assert head.split()[:2] == ["cases", "loss"]
    assert re.search(r"^seconds a day +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ *$", out, re.MULTILINE)
    assert out.endswith(f"Backtest: {folder}\n")
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "calibration.png", "manifest.json", "replay_demand.parquet", "scorecard.parquet", "scores.png", "summary.txt",
    ]  # fmt: skip
    assert (folder / "summary.txt").read_text() == out.split("\n\nBacktest: ")[0] + "\n"
    opened = open_run(folder)
    assert opened.as_of == DAY
    # units 1 + k were wanted on June 1 + k, until the 25th
    assert opened.replay_demand["came_qty"].tolist() == [19 + 20 + 21 + 22 + 23 + 24 + 25, 24 + 25]
    assert set(opened.scorecard["stage"]) == {"demand"}
    assert opened.manifest["seconds_per_day"].keys() >= {"ours", "historical", "naive", "seasonal_naive"}
    assert opened.manifest["timings"].keys() == {"load", "replay", "report"}


def test_backtest_of_lead_times_says_and_writes_how_good_it_was(invoke: Invoke, weekly: Path) -> None:
    at = pd.Series(pd.date_range("2026-03-02", "2026-06-29"))
    ids = [f"P{k}" for k in range(len(at))]
    bought = pd.DataFrame({"po_line_id": ids, "item_id": "bolt", "supplier_id": "S", "ordered_at": at, "qty": 5})
    bought["promised_date"] = at + pd.Timedelta(days=7)
    came = pd.DataFrame({"po_line_id": ids, "received_at": at + pd.Timedelta(days=9), "qty": 5})
    bought.to_csv(weekly / "purchase_lines.csv", index=False)
    came[came["received_at"] <= DAY].to_csv(weekly / "receipts.csv", index=False)
    code, out, err = invoke("backtest", weekly, "--stage", "lead_time", "--days", 2, "--spacing", 9)
    folder = Path("reports") / "backtest-lead_time-2026-06-30"
    assert (code, err) == (0, "")
    assert out.startswith("lead_time, replayed on 2026-06-06, 2026-06-15\n")
    assert re.search(r"^all +18 .* 0\.0$", out, re.MULTILINE)  # nine a day open; none came by its stated date
    assert re.search(r"^seconds a day +[\d.]+ +[\d.]+ *$", out, re.MULTILINE)
    assert out.endswith(f"Backtest: {folder}\n")
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "calibration.png", "manifest.json", "replay_lead_time.parquet", "scorecard.parquet", "scores.png",
        "summary.txt",
    ]  # fmt: skip
    opened = open_run(folder)
    assert (opened.replay_lead_time["came_date"] - opened.replay_lead_time["as_of"]).dt.days.max() == 9
    assert opened.manifest["seconds_per_day"].keys() == {"ours", "supplier_history"}
    told = json.loads(invoke("backtest", weekly, "--stage", "lead_time", "--days", 1, "--json")[1])
    assert {row["segment"] for row in told["scorecard"]} == {"all", "overdue", "not due"}


def test_backtest_again_replaces_the_folder_and_changes_no_table(invoke: Invoke, weekly: Path) -> None:
    call = ("backtest", weekly, "--stage", "demand", "--days", 1, "--spacing", 7)
    folder = Path("reports") / "backtest-demand-2026-06-30"
    invoke(*call)
    first = contents(folder, "*.p*")
    (folder / "stray").write_text("")
    assert invoke(*call, "--quiet") == (0, "", "")
    assert contents(folder, "*.p*") == first
    assert not (folder / "stray").exists()
    with storage.hold_folder(folder):
        code, _, err = invoke(*call)
    assert (code, err.startswith("Error: another run is writing to reports/backtest-demand-2026-06-30")) == (5, True)
    assert contents(folder, "*.p*") == first


def test_backtest_as_json_is_the_scorecard(invoke: Invoke, weekly: Path) -> None:
    code, out, err = invoke("backtest", weekly, "--stage", "demand", "--as-of", "2026-06-24", "--spacing", 7, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["days"] == ["2026-06-03", "2026-06-10", "2026-06-17"]  # of four days the first was before all
    assert told["notes"][0] == "on 1 of 4 days there was nothing to judge"
    rows = {(row["metric"], row["segment"]): row for row in told["scorecard"]}
    assert rows["quantile_loss", "all"]["n"] == 3
    assert rows["quantile_loss_saved_naive", "all"]["baseline"] == "naive"
    assert [row["level"] for row in told["calibration"]][-1] == 0.99
    assert Path(told["folder"]).name == "backtest-demand-2026-06-24"


def test_backtest_of_lines_is_what_it_does_if_nothing_is_said(invoke: Invoke, weekly: Path) -> None:
    code, out, err = invoke("backtest", weekly, "--days", 1, "--spacing", 7)
    assert (code, err) == (3, "Error: nothing can be replayed: no line of known stock was open on the past days that "
                              "could be replayed\n")  # fmt: skip
    stock = (weekly / "stock.csv").read_text()
    (weekly / "stock.csv").write_text(stock + "bolt,2026-05-31,0\n")
    code, out, err = invoke("backtest", weekly, "--days", 1, "--spacing", 7, "--as-of", "2026-06-30")
    assert (code, err) == (0, "")
    assert out.startswith("line_eta, replayed on 2026-06-23\n")
    assert len(open_run(Path("reports") / "backtest-line_eta-2026-06-30").replay_line_eta) == 23


def test_backtest_of_nothing_is_said(invoke: Invoke, weekly: Path) -> None:
    code, out, err = invoke("backtest", weekly, "--stage", "demand", "--spacing", 200)
    assert (code, out) == (3, "")
    assert err.startswith("Error: nothing can be replayed: no order line was known")
    (weekly / "backorder.toml").write_text("[replay]\ndays = 0\n")
    code, out, err = invoke("backtest", weekly, "--stage", "demand")
    assert (code, err) == (2, "Error: replay.days is 0, so there is nothing to do: say --days\n")
    assert not list(Path("reports").glob("[!.]*"))


@pytest.mark.slow
def test_backtest_of_the_sample(invoke: Invoke) -> None:
    code, out, err = invoke("backtest", ROOT / "data" / "sample", "--stage", "demand", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["days"] == ["2026-03-10", "2026-04-07", "2026-05-05", "2026-06-02"]
    rows = {(row["metric"], row["segment"]): row for row in told["scorecard"]}
    for name in ("historical", "seasonal_naive", "naive"):
        saved = rows[f"quantile_loss_saved_{name}", "all"]
        assert saved["value"] > 2 * saved["standard_error"], name
    for metric, level in (("coverage_p90", 0.9), ("coverage_p95", 0.95), ("coverage_p99", 0.99)):
        covered = rows[metric, "all"]
        assert abs(covered["value"] - level) < 3 * covered["standard_error"], metric
    assert {segment for _, segment in rows} >= {"all", "smooth", "erratic", "intermittent", "lumpy"}


def test_help_is_there_at_once() -> None:
    began = time.perf_counter()
    command = [sys.executable, "-X", "importtime", "-m", "backorder_forecast.cli", "run", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert time.perf_counter() - began < 5  # loose: the machine may be busy
    assert "--as-of" in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"numpy", "pandas", "pyarrow", "matplotlib", "numba", "pydantic", "rich", "jinja2"}


def test_an_unknown_verb_is_refused(invoke: Invoke) -> None:
    code, out, err = invoke("promises", "anything", "--item", "7")
    assert (code, out) == (2, "")
    assert "No such command 'promises'" in err


def test_a_day_before_the_first_fact_cannot_be_meant(invoke: Invoke, source: Path) -> None:
    code, out, err = invoke("run", source, "--as-of", "2025-06-30")
    assert (code, out) == (2, "")
    assert err == "Error: nothing is known on 2025-06-30: the first fact is of 2026-06-01\n"
    assert not Path("reports").exists()


def test_out_may_not_be_a_file(invoke: Invoke, source: Path) -> None:
    Path("taken").write_text("")
    for verb in ("run", "validate"):
        code, out, err = invoke(verb, source, "--out", "taken")
        assert (code, out, err) == (2, "", "Error: taken is a file, not a folder\n")


# ----------------------------------------------------------------------- whole runs of a small company


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company of some twenty items at two locations, quick to run."""
    folder = tmp_path_factory.mktemp("small") / "company"
    write_sample(folder, Spec(items=12, days=150, suppliers=3, lines_per_day=0.5, seed=3))
    settings = "[simulation]\nscenarios = 40\nhorizon_days = 60\n[replay]\ndays = 1\nscenarios = 20\n"
    (folder / "backorder.toml").write_text(settings)
    return folder


def started(small: Path, out: Path, *more: object) -> subprocess.Popen[str]:
    call = [sys.executable, "-m", "backorder_forecast.cli", "run", small, "--out", out, *more]
    call = [str(word) for word in call]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def ended(process: subprocess.Popen[str]) -> Path:
    """The run folder, once its run has ended well."""
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return Path(out.removeprefix("Report: ").strip()).parent


def contents(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    found = [path for path in sorted(folder.rglob(pattern)) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.slow
def test_the_number_of_jobs_changes_no_byte_of_any_table(small: Path, tmp_path: Path) -> None:
    one, two = (ended(started(small, tmp_path / str(jobs), "--jobs", jobs)) for jobs in (1, 2))
    tables = contents(one, "*.parquet")
    assert {"line_eta.parquet", "reorder_points.parquet", "state/lines.parquet"} <= set(tables)
    others = contents(two, "*.parquet")
    assert sorted(others) == sorted(tables)
    assert [name for name in tables if others[name] != tables[name]] == []
    assert len(open_run(one).line_eta) > 10


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
def test_a_run_that_is_killed_leaves_the_one_before_whole(small: Path, tmp_path: Path) -> None:
    """kill -9 while it reads, computes and draws; the tests of storage kill it between any two writes."""
    folder = ended(started(small, tmp_path))
    before = contents(folder)
    for stage in ("load", "queue", "report"):
        with started(small, tmp_path, "--seed", 2, "--log-json") as process:
            assert process.stderr is not None
            reached = any(json.loads(line)["message"] == stage for line in process.stderr)
            process.send_signal(signal.SIGKILL)
        assert (reached, process.returncode) == (True, -signal.SIGKILL)
        assert contents(folder) == before
    assert open_run(ended(started(small, tmp_path, "--seed", 2))).seed == 2
    assert {path.name for path in tmp_path.iterdir()} <= {folder.name, f".{folder.name}.lock"}


SLEEPER = """
import sys, time
from backorder_forecast import cli, sources

def slow(*arguments, **more):
    print("loading", flush=True)
    time.sleep(60)
sources.load = slow
cli.main(["run", "anything"])
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_ctrl_c_ends_cleanly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == cli.INTERRUPTED
    assert out == ""
    assert err.strip() == "Error: stopped; earlier results are untouched"
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_leaves_is_no_failure(tmp_path: Path) -> None:
    folder = example_run().save(tmp_path)
    command = f"{sys.executable} -m backorder_forecast.cli show {folder} --customer C2 --json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("{\n", "")


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_progress_is_shown_on_a_terminal_only() -> None:
    import pty

    master, slave = pty.openpty()
    code = "from backorder_forecast.cli import Talk, _progress\nwith _progress(Talk()) as s: s('queue')"
    done = subprocess.run([sys.executable, "-c", code], stderr=slave, stdout=slave, check=True, cwd=ROOT)
    os.close(slave)
    assert b"queue" in os.read(master, 10_000)
    os.close(master)
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    assert (done.returncode, piped.stdout, piped.stderr) == (0, b"", b"")
