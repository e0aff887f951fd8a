"""What README and docs say is so: their snippets run or name what exists, and their links lead somewhere."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import backorder_forecast as bf
from backorder_forecast import cli, mapping
from backorder_forecast.tables import OUTPUT

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "examples/README.md", ROOT / "reports/README.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a kind, also those indented under a list."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^\1```", page, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [x for x in targets if not x.startswith("http") and not (page.parent / x).exists()] == []


def test_the_readme_speaks_of_what_the_door_has() -> None:
    first, second, third = blocks(README, "python")
    for name in re.findall(r"\bbf\.(\w+)", README):
        assert name in bf.__all__, name
    nodes = ast.walk(ast.parse(first + second + third))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    wanted = {"load", "run", "forecast_demand", "fit_lead_times", "simulate", "forecast_panel", "lead_time_demand"}
    assert {f"bf.{name}" for name in wanted} | {"data.as_of"} <= called


def test_the_readme_names_verbs_and_tables_that_are_there() -> None:
    verbs = set(re.findall(r"^(?:\.venv/bin/)?backorder-forecast ([\w-]+)", README, re.MULTILINE))
    assert {"validate", "run", "show"} <= verbs <= set(cli.cli.commands)
    named = set(re.findall(r"`(\w+)`", README.split("| question |")[1].split("\n\n")[0]))
    assert named <= set(OUTPUT)


def test_targets_of_make_are_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = makefile.split(".PHONY: ")[1].splitlines()[0].split()
    explained = set(re.findall(r'@echo "make ([\w-]+)', makefile))
    assert set(targets) - {"clean"} == explained
    assert {"run", "test"} <= set(re.findall(r"^make ([\w-]+)", README, re.MULTILINE)) <= explained


def test_the_flow_in_pieces_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    settings = {"simulation": {"scenarios": 10, "horizon_days": 30}, "replay": {"days": 0, "scenarios": 10}}
    names = {"bf": bf, "data": bf.load("data/sample", config=settings)}
    exec(compile(blocks(README, "python")[1], "README.md", "exec"), names)
    assert set(names) >= {"past", "demand", "lead_times", "supply", "outcomes"}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_mappings_parse(page: Path) -> None:
    for text in blocks(page.read_text(encoding="utf-8"), "toml"):
        assert mapping.parse(tomllib.loads(text)).feeds


def test_the_example_of_a_mapping_is_usable(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
    for name, text in zip(("sales", "buying", "stock_0309"), blocks(page, "csv"), strict=True):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    (tmp_path / "company.toml").write_text(blocks(page, "toml")[0], encoding="utf-8")
    data = bf.load(tmp_path / "company.toml")
    assert data.rejected_rows.empty
    assert data.warnings == ()
    past = data.as_of("2026-03-09")
    lines = past.lines.set_index("line_id")
    assert lines["open_qty"].to_dict() == {"4711-10": 0.0, "4711-20": 4.0, "4712-10": 0.0}
    assert lines["priority"].to_dict() == {"4711-10": 0, "4711-20": 0, "4712-10": 1}
    assert lines["promised_date"].dropna().unique().tolist() == [pd.Timestamp("2026-03-10")]
    stock = past.stock.set_index(["item_id", "location_id"])["on_hand"]
    assert (stock["00017", "north"], stock["00018", "north"]) == (800.0, 0.0)
    assert past.purchases.set_index("po_line_id")["open_qty"].to_dict() == {"P1": 0.0, "P2": 50.0}
