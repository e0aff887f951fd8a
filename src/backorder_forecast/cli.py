"""The command line: arguments, logging, exit codes; nothing else.

Heavy packages are imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import wraps
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .errors import BackorderForecastError, InputError, UsageError

if TYPE_CHECKING:

    from .config import Config
    from .dataset import Dataset
    from .evaluate import Replay
    from .result import Run

log = logging.getLogger(f"{__package__}.cli")  # __name__ is another under `python -m`

STAGES = ("load", "demand", "lead times", "policy", "supply", "queue", "tables", "replay", "changes", "report")
INTERRUPTED = 130  # what shells expect of a program that was told to stop
Command = Callable[..., Any]


# Arguments that verbs share ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Talk:
    """How to speak: results on standard output, everything else on standard error."""

    quiet: bool = False
    verbose: bool = False
    log_json: bool = False
    as_json: bool = False

    @property
    def shows_progress(self) -> bool:
        return sys.stderr.isatty() and not (self.quiet or self.verbose or self.log_json)

    def result(self, content: dict[str, Any], text: str) -> None:
        """Print the result of a verb: ``content`` as JSON where asked for, else ``text`` unless quiet."""
        if self.as_json:
            click.echo(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=str))
        elif not self.quiet and text:
            click.echo(text)


@dataclass(frozen=True)
class Settings:
    """What the flags say about a run; they beat ``--config``, which beats the source's own file."""

    config_file: Path | None = None
    as_of: date | None = None
    seed: int | None = None
    out: str | None = None
    jobs: int | None = None

    def given(self) -> Config:
        """Return what was set explicitly, as a layer above the source's own configuration."""
        from .config import Config

        file = Config.from_toml(self.config_file) if self.config_file else None
        simulation = {"seed": self.seed, "jobs": self.jobs}
        flags = {"simulation": _set(simulation), "output": _set({"out": self.out})}
        return Config.merged(file, _set(flags))


def _set(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {})}


def _as_day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a day; write it like 2026-06-30", ctx, param) from None


def _executor(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if value != "local":
        raise click.BadParameter(f"{value!r} is not built yet: only 'local' is", ctx, param)
    return value


def talking(command: Command) -> Command:
    """Give a verb the flags about what is printed, and hand them on as ``talk``."""

    @click.option("--quiet", is_flag=True, help="Print errors only.")
    @click.option("--verbose", is_flag=True, help="Log every step; show the traceback of a failure.")
    @click.option("--log-json", is_flag=True, help="Log every step as one JSON object a line.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
    @wraps(command)
    def wrapped(quiet: bool, verbose: bool, log_json: bool, as_json: bool, **more: Any) -> Any:
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose exclude each other")
        talk = Talk(quiet, verbose, log_json, as_json)
        _start_logging(talk)
        return command(talk=talk, **more)

    return wrapped


def with_settings(command: Command) -> Command:
    """Give a verb the flags about a run, and hand them on as ``settings``."""

    @click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings, as TOML.")
    @click.option("--as-of", metavar="DATE", callback=_as_day, help="Stand at the end of this day.")
    @click.option("--seed", type=click.IntRange(min=0), help="Whole number from which every draw is made.")
    @click.option("--out", type=click.Path(), help="Folder of all runs; default: reports.")
    @click.option("--executor", default="local", callback=_executor, show_default=True, help="Who computes.")
    @click.option("--jobs", type=click.IntRange(min=0), help="Threads; 0: all. Never changes a number.")
    @wraps(command)
    def wrapped(executor: str, **more: Any) -> Any:
        names = [field.name for field in dataclasses.fields(Settings)]
        settings = Settings(**{name: more.pop(name) for name in names})
        return command(settings=settings, **more)

    return wrapped


# The verbs --------------------------------------------------------------------------------------------------


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="backorder-forecast")
def cli() -> None:
    """When does each waiting order line ship, what will run out, and what to reorder."""


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Which company.")
@talking
def sample(folder: Path, seed: int, talk: Talk) -> None:
    """Write a made-up company and a commented configuration to DIR."""
    from .sample import write_sample
    from .synthetic import sample_spec

    rows = write_sample(folder, sample_spec(seed))
    told = (
        f"{len(rows)} tables, {sum(rows.values()):,} rows, in {folder}. Next: backorder-forecast run {folder}"
    )
    talk.result({"folder": str(folder), "tables": rows}, told)


@cli.command()
@click.argument("source")
@click.option("--previous", type=click.Path(path_type=Path), help="An earlier run folder: say what changed since.")
@with_settings
@talking
def run(source: str, previous: Path | None, settings: Settings, talk: Talk) -> None:
    """Do the main job: tables, report and manifest in OUT/<as_of>/.

    SOURCE is a folder of tables under their canonical names, or a TOML file that says where each comes from.
    """
    with _progress(talk) as stage:
        earlier = _earlier(previous)
        data = _load(source, settings, stage)
        result, folder = _run_into_folder(data, settings, stage, earlier)
    report = folder / "report.html"
    content: dict[str, Any] = {
        "as_of": str(result.as_of.date()),
        "folder": str(folder),
        "report": str(report),
    }
    content |= {"tables": {name: len(frame) for name, frame in result.tables.items()}}
    content |= {"missing": dict(result.missing), "notes": list(result.notes)}
    talk.result(content, f"Report: {report}")


@cli.command()
@click.argument("source")
@with_settings
@talking
def validate(source: str, settings: Settings, talk: Talk) -> None:
    """Check SOURCE: say what is wrong and how to mend it; write the rejected rows to OUT."""
    from . import checkup

    with _progress(talk) as stage:
        try:
            data = _load(source, settings, stage)
        except InputError as error:
            if talk.as_json:
                talk.result(checkup.failure(error), "")
            raise
    written = checkup.write_rejected(data, Path(data.config.output.out))
    talk.result(checkup.findings(data, written), checkup.text(data, written))


@cli.command()
@click.argument("source")
@click.option("--stage", "part", default="line_eta", show_default=True, help="line_eta, demand or lead_time.")
@click.option("--days", type=click.IntRange(min=1), help="Number of past days; default: replay.days.")
@click.option("--spacing", type=click.IntRange(min=1), help="Days between them; default: replay.spacing_days.")
@with_settings
@talking
def backtest(source: str, part: str, days: int | None, spacing: int | None, settings: Settings, talk: Talk) -> None:
    """Replay past days of SOURCE with only what was known then: scorecard and calibration.

    Written to OUT/backtest-STAGE-<as_of>/, whole or not at all.
    """
    from . import backtest as told
    from .evaluate.rolling import stage_of

    stage_of(part)
    with _progress(talk) as stage:
        data = _load(source, settings, stage, {"replay": _set({"days": days, "spacing_days": spacing})})
        replayed, folder = _backtest_into_folder(data, part, settings, stage)
    talk.result(told.content(replayed, str(folder)), f"{told.summary(replayed)}\n\nBacktest: {folder}")


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--order", "order_id", help="Id of an order.")
@click.option("--line", "line_id", help="Id of an order line.")
@click.option("--customer", "customer_id", help="Id of a customer.")
@talking
def show(run_dir: Path, talk: Talk, **ids: str | None) -> None:
    """Answer "where is my order?", shipped and cancelled lines included."""
    from .result import open_run

    if sum(value is not None for value in ids.values()) != 1:
        raise click.UsageError("ask for exactly one of --order, --line, --customer")
    found = open_run(run_dir).show(**ids)
    talk.result(found.to_dict(), str(found))


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--item", "item_id", help="The item.")
@click.option("--qty", type=float, help="How much of it.")
@click.option("--location", "location_id", help="From where; not needed where the item lies at one location.")
@click.option("--priority", type=int, help="Of the line; default: 0.")
@click.option("--date", metavar="DATE", callback=_as_day, help="Not before this day.")
@click.option("--line", "line_id", help="A waiting line that is to be changed, instead of --item.")
@talking
def promise(run_dir: Path, talk: Talk, **asked: Any) -> None:
    """Say when an order that is not placed yet would leave; or a waiting line, with another quantity or date."""
    from .answer import records
    from .newcomer import promise_text
    from .result import open_run

    if not asked["line_id"] and (asked["item_id"] is None or asked["qty"] is None):
        raise click.UsageError("say what is ordered: --item and --qty, or --line")
    if asked["line_id"] and (asked["item_id"] or asked["location_id"]):
        raise click.UsageError("--line says what is ordered: leave --item and --location out")
    found = records(open_run(run_dir).promise(asked))[0]
    talk.result(found, promise_text(found))


@cli.command("what-if")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--rule", help="Another allocation rule.")
@click.option("--stock", multiple=True, metavar="ITEM=UNITS", help="Units more, or fewer, on hand.")
@click.option("--sooner", multiple=True, metavar="PO=DAYS", help="A purchase line comes so many days sooner.")
@click.option("--cancel", multiple=True, metavar="PO", help="A purchase line never comes.")
@click.option("--buy", multiple=True, metavar="ITEM=QTY[@DATE]", help="One more purchase; no date: as a new order.")
@click.option("--move", multiple=True, metavar="ITEM=QTY:FROM>TO[:DAYS]", help="Stock moves between locations.")
@click.option("--service-target", multiple=True, metavar="[ITEM=]SHARE", help="Policies that reach another target.")
@click.option("--demand", multiple=True, metavar="[ITEM=]FACTOR", help="Demand to come times a factor.")
@click.option("--variants", type=click.Path(path_type=Path), help="TOML file with a table for each further variant.")
@talking
def what_if(run_dir: Path, variants: Path | None, talk: Talk, **flags: Any) -> None:
    """Simulate the same scenarios with something changed: what improves, by how much, and which dates move.

    ITEM is an item, or ITEM/LOCATION where it lies at several.
    """
    from .change_text import change_of, variants_of
    from .result import open_run

    asked = {} if variants is None else dict(variants_of(variants))
    if any(flags.values()):
        asked["changed"] = change_of(**flags)
    with _progress(talk) as stage:
        stage("load")
        opened = open_run(run_dir)
        stage("queue")
        found = opened.what_if(asked)
    talk.result(found.to_dict(), str(found))


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@talking
def report(run_dir: Path, talk: Talk) -> None:
    """Render the report of a run folder again."""
    from . import storage
    from .report import render
    from .result import open_run

    page = render(open_run(run_dir))
    target = run_dir / storage.REPORT
    with storage.hold_folder(run_dir.resolve()):
        storage.write_file(target, page)
    talk.result({"report": str(target)}, f"Report: {target}")


# What the verbs share ---------------------------------------------------------------------------------------


def _load(source: str, settings: Settings, stage: Stages, more: dict[str, Any] | None = None) -> Dataset:
    from .config import Config
    from .sources import load

    stage("load")
    return load(source, config=Config.merged(settings.given(), more))


def _earlier(folder: Path | None) -> Run | None:
    """The run that is compared with, read before its folder may be replaced."""
    from .result import open_run

    if folder is None:
        return None
    found = open_run(folder)
    _ = found.queue_inputs
    return found


def _run_into_folder(
    data: Dataset, settings: Settings, stage: Stages, earlier: Run | None = None
) -> tuple[Run, Path]:
    from . import pipeline, storage
    from .report import render

    as_of = data.standing_day(settings.as_of)
    with storage.hold(data.config.output.out, as_of) as held:
        result = pipeline.run(data, as_of=as_of, progress=stage)
        if earlier is not None:
            stage("changes")
            tables = {**result.tables, "changes": result.compare(earlier)}
            result = dataclasses.replace(result, tables=tables)
        stage("report")
        page = render(result)
        result = dataclasses.replace(result, manifest={**result.manifest, "timings": stage.timings()})
        return result, storage.write_run(result, held, files={storage.REPORT: page})


def _backtest_into_folder(data: Dataset, part: str, settings: Settings, stage: Stages) -> tuple[Replay, Path]:
    from . import backtest as told
    from . import storage

    as_of = data.standing_day(settings.as_of)
    with storage.hold_folder(Path(data.config.output.out) / f"backtest-{part}-{as_of.date()}") as held:
        stage("replay")
        replayed = told.judged(data, part, as_of, perf_counter)
        stage("report")
        files = told.files(replayed)
        return replayed, storage.write_run(told.as_run(replayed, data, as_of, stage.timings()), held, files=files)


class Stages:
    """Times the stages of a run and tells whoever watches."""

    def __init__(self, watch: Callable[[str], None]) -> None:
        self._watch, self._seconds, self._name, self._began = watch, dict[str, float](), "", perf_counter()

    def __call__(self, name: str) -> None:
        self._close()
        self._name, self._began = name, perf_counter()
        log.info("%s", name)
        self._watch(name)

    def _close(self) -> None:
        if self._name:
            took = perf_counter() - self._began
            self._seconds[self._name] = self._seconds.get(self._name, 0.0) + took

    def timings(self) -> dict[str, float]:
        """Return seconds by stage, the present one up to now."""
        self._close()
        self._began = perf_counter()
        return {name: round(seconds, 3) for name, seconds in self._seconds.items()}


@contextmanager
def _progress(talk: Talk) -> Iterator[Stages]:
    """Show the stages on a terminal; say nothing in a batch."""
    if not talk.shows_progress:
        yield Stages(lambda name: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description:<11}"), BarColumn(24), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=len(STAGES))

        def watch(name: str) -> None:
            done = STAGES.index(name) if name in STAGES else None
            bar.update(task, description=name, completed=done)

        yield Stages(watch)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        return json.dumps(told, ensure_ascii=False)


def _start_logging(talk: Talk) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if talk.log_json else logging.Formatter("%(name)s: %(message)s"))
    level = logging.DEBUG if talk.verbose else logging.INFO if talk.log_json else logging.ERROR
    package = logging.getLogger(__package__)
    package.handlers, package.propagate = [handler], False
    package.setLevel(level)
    logging.captureWarnings(True)
    warned = logging.getLogger("py.warnings")
    warned.handlers, warned.propagate = [handler if talk.verbose else logging.NullHandler()], False


# Exit codes -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with the contract's exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_exit_code(given))


def _exit_code(given: list[str]) -> int:
    try:
        code = cli.main(args=given, prog_name="backorder-forecast", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return UsageError.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _say(given, "stopped; earlier results are untouched", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has gone: nothing to tell, nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BackorderForecastError as error:
        return _say(given, str(error), error.exit_code)
    except MemoryError:
        return _say(given, "not enough memory for this source", BackorderForecastError.exit_code)
    except OSError as error:
        return _say(given, _about_file(error), BackorderForecastError.exit_code)
    except Exception as error:
        told = f"unexpected failure: {type(error).__name__}: {error}"
        hint = "" if "--verbose" in given else "\nRun again with --verbose for the traceback."
        return _say(given, told + hint, BackorderForecastError.exit_code)
    return code if isinstance(code, int) else 0


def _about_file(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _say(given: list[str], message: str, code: int) -> int:
    if "--verbose" in given:
        traceback.print_exc(file=sys.stderr)
    text = (
        json.dumps({"level": "error", "message": message}) if "--log-json" in given else f"Error: {message}"
    )
    click.echo(text, err=True)
    return code


if __name__ == "__main__":
    main()
