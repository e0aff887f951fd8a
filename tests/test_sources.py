# ruff: noqa: E501 - mappings and rows of CSV files are quoted as they are
"""Mapping an export onto the canonical tables by configuration alone."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from backorder_forecast.config import Config
from backorder_forecast.errors import ConfigError, InputError, UsageError
from backorder_forecast.sources import describe_inputs, load

FLAT = """Auftrag;Pos;Artikel;Bezeichnung;Kunde;Datum;Menge;Status;Geliefert am
1;10;007;Schraube;K1;02.01.2026;5;offen;
1;20;A1;Mutter;K1;02.01.2026;1.000;geliefert;05.01.2026
2;10;007;Schraube;K2;03.01.2026;2,5;geliefert;04.01.2026
3;10;A1;Mutter;K1;04.01.2026;7;Entwurf;
"""
MAPPING = """
[tables.order_lines]
file = "export_*.csv"
columns = { order_id = "Auftrag", line_id = ["Auftrag", "Pos"], item_id = "Artikel", customer_id = "Kunde", ordered_at = "Datum", qty = "Menge", priority = "Kunde" }
values = { priority = { K1 = 0, "*" = 2 } }
constants = { location_id = "north", ship_complete = true }
where = "Status <> 'Entwurf'"
options = { decimal = ",", thousands = ".", day_first = true }

[tables.shipments]
file = "export_*.csv"
columns = { line_id = ["Auftrag", "Pos"], shipped_at = "Geliefert am", qty = "Menge" }
where = "Status = 'geliefert'"
options = { decimal = ",", thousands = ".", date_format = "%d.%m.%Y" }

[tables.items]
file = "export_*.csv"
columns = { item_id = "Artikel", description = "Bezeichnung" }
distinct = true

[simulation]
seed = 9
"""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    (tmp_path / "export_1.csv").write_text(FLAT, encoding="utf-8")
    (tmp_path / "map.toml").write_text(MAPPING, encoding="utf-8")
    return tmp_path


def test_one_flat_file_feeds_several_tables(export: Path) -> None:
    data = load(export / "map.toml")
    lines = data.order_lines
    assert lines["line_id"].tolist() == ["1-10", "1-20", "2-10"]
    assert lines["item_id"].tolist() == ["007", "A1", "007"]
    assert lines["qty"].tolist() == [5.0, 1000.0, 2.5]
    assert lines["priority"].tolist() == [0, 0, 2]
    assert lines["location_id"].tolist() == ["north"] * 3
    assert lines["ship_complete"].all()
    assert lines["ordered_at"].tolist() == [pd.Timestamp("2026-01-02")] * 2 + [pd.Timestamp("2026-01-03")]
    assert data.shipments["shipped_at"].tolist() == [pd.Timestamp("2026-01-05"), pd.Timestamp("2026-01-04")]
    assert sorted(data.items["item_id"]) == ["007", "A1"]
    assert data.config.simulation.seed == 9
    assert data.given == {"order_lines", "shipments", "items"}


def test_inputs_are_named_counted_and_hashed_once(export: Path) -> None:
    (file,) = load(export / "map.toml").inputs
    assert (file.where, file.rows) == ("export_1.csv", 4)
    assert file.sha256 == hashlib.sha256((export / "export_1.csv").read_bytes()).hexdigest()
    assert set(file.name.split(", ")) <= {"order_lines", "shipments", "items"}
    assert next(describe_inputs(load(export / "map.toml"))).endswith(file.sha256[:12])


def test_several_files_of_a_glob_are_joined_and_rows_keep_their_place(export: Path) -> None:
    more = (
        FLAT.splitlines()[0] + "\n9;10;A1;Mutter;K1;kaputt;5;offen;\n9;20;A1;Mutter;K1;05.01.2026;5;offen;\n"
    )
    (export / "export_2.csv").write_text(more, encoding="utf-8")
    with_room = (export / "map.toml").read_text() + "[data]\nmax_rejected_share = 0.5\n"
    (export / "map.toml").write_text(with_room)
    data = load(export / "map.toml")
    assert data.order_lines["line_id"].tolist() == ["1-10", "1-20", "2-10", "9-20"]
    assert [(row.row, row.value) for row in data.rejected_rows.itertuples()] == [(1, "kaputt")]
    assert len(data.inputs) == 2


def test_positions_survive_a_filter_and_broken_lines(tmp_path: Path) -> None:
    rows = [
        "a,2026-01-01,1",
        "b,2026-01-01,x",
        "too,few",
        "c,2026-01-01,1",
        "d,2026-01-01,y",
        "skip,2026-01-01,z",
    ]
    (tmp_path / "s.csv").write_text("item_id,date,on_hand\n" + "\n".join(rows) + "\n")
    mapping = (
        '[tables.stock]\nfile = "s.csv"\nwhere = "item_id <> \'skip\'"\n[data]\nmax_rejected_share = 1.0\n'
    )
    (tmp_path / "m.toml").write_text(mapping)
    bad = load(tmp_path / "m.toml").rejected_rows
    assert sorted(zip(bad["row"], bad["value"], strict=True)) == [(2, "x"), (3, "too,few"), (5, "y")]
    assert set(bad["source"]) == {"s.csv"}


def test_queries_join_files_and_frames(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["007", "8"], "q": [1, 2]}).to_parquet(tmp_path / "p.parquet")
    (tmp_path / "n.csv").write_text("id,name\n007,Bolt\n8,Nut\n")
    (tmp_path / "m.toml").write_text(
        '[files]\np = "p.parquet"\nn = "n.csv"\n'
        '[tables.items]\nquery = "select p.id as item_id, name as description from p join n using (id) order by q desc"\n'
    )
    items = load(tmp_path / "m.toml").items
    assert list(zip(items["item_id"], items["description"], strict=True)) == [("007", "Bolt"), ("8", "Nut")]
    frames = {"raw": pd.DataFrame({"id": [7, 8], "what": ["Bolt", "Nut"]})}
    query = {"items": {"query": "select id as item_id, what as description from raw where id = 8"}}
    assert load(frames, mapping=query).items["description"].tolist() == ["Nut"]


def test_frames_under_canonical_or_own_names(export: Path) -> None:
    frame = pd.DataFrame({"Item": [7.0, None], "Day": pd.Timestamp("2026-01-01"), "Left": [3, 4]})
    columns = {"item_id": "Item", "date": "Day", "on_hand": "Left"}
    config = {"data": {"max_rejected_share": 0.5}}
    data = load({"levels": frame}, mapping={"stock": {"frame": "levels", "columns": columns}}, config=config)
    assert data.stock["item_id"].tolist() == ["7"]
    assert data.rejected_rows["check"].tolist() == ["is given"]
    with pytest.raises(ConfigError, match="did you mean 'stock'"):
        load({"stocks": frame})
    with pytest.raises(UsageError, match="expected a pandas DataFrame, got list"):
        load({"stock": [1, 2]})  # type: ignore[dict-item]
    before = frame.copy(deep=True)
    load({"levels": frame}, mapping={"stock": {"frame": "levels", "columns": columns}}, config=config)
    pd.testing.assert_frame_equal(frame, before)


def test_frames_of_mixed_python_values() -> None:
    frame = pd.DataFrame({"item_id": [7, "007", "x"], "date": ["2026-01-01", pd.Timestamp("2026-01-02"), "2026-01-03"],
                          "on_hand": ["1", 2, 3.5]}, dtype=object)  # fmt: skip
    stock = load({"stock": frame}).stock
    assert stock["item_id"].tolist() == ["7", "007", "x"]
    assert stock["on_hand"].tolist() == [1.0, 2.0, 3.5]
    assert stock["date"].dt.day.tolist() == [1, 2, 3]


def test_flags_beat_config_which_beats_the_folders_own_file(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id\na\n")
    (tmp_path / "backorder.toml").write_text("[simulation]\nseed = 1\nscenarios = 10\nhorizon_days = 30\n")
    data = load(
        tmp_path, config=Config.merged({"simulation": {"seed": 2}}, {"simulation": {"scenarios": 20}})
    )
    simulation = data.config.simulation
    assert (simulation.seed, simulation.scenarios, simulation.horizon_days) == (2, 20, 30)


def test_a_folder_with_parquet_gz_tsv_and_a_mapping_of_its_own(tmp_path: Path) -> None:
    pd.DataFrame({"item_id": ["a"], "unit_cost": [1.5]}).to_parquet(tmp_path / "items.parquet")
    (tmp_path / "customers.csv.gz").write_bytes(gzip.compress(b"customer_id,country\n01,NA\n"))
    (tmp_path / "suppliers.tsv").write_text("supplier_id\tname\n1\tOne, Two\n")
    (tmp_path / "Levels.csv").write_text("item_id,date,n\na,2026-01-01,5\n")
    (tmp_path / "backorder.toml").write_text(
        '[tables.stock]\nfile = "Levels.csv"\ncolumns = { on_hand = "n" }\n'
    )
    data = load(str(tmp_path))
    assert data.given == {"items", "customers", "suppliers", "stock"}
    assert data.customers.loc[0, ["customer_id", "country"]].tolist() == ["01", "NA"]
    assert data.suppliers["name"].tolist() == ["One, Two"]
    assert data.stock["on_hand"].tolist() == [5.0]


def test_environment_variables_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x.csv").write_text("item_id\na\n")
    (tmp_path / "m.toml").write_text('[tables.items]\nfile = "${EXPORT_HERE}/x.csv"\n')
    with pytest.raises(ConfigError, match="EXPORT_HERE, which is not set"):
        load(tmp_path / "m.toml")
    monkeypatch.setenv("EXPORT_HERE", str(tmp_path / "far"))
    data = load(tmp_path / "m.toml")
    assert data.inputs[0].where == "${EXPORT_HERE}/x.csv"


def test_several_feeds_of_one_table(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("item_id,date,on_hand\na,2026-01-01,1\n")
    (tmp_path / "s.csv").write_text("item_id,date,on_hand,blocked_qty\na,01/02/2026,2,1\n")
    (tmp_path / "m.toml").write_text(
        '[[tables.stock]]\nfile = "n.csv"\nconstants = { location_id = "n" }\n'
        '[[tables.stock]]\nfile = "s.csv"\nconstants = { location_id = "s" }\noptions = { day_first = true }\n'
    )
    stock = load(tmp_path / "m.toml").stock
    assert list(zip(stock["location_id"], stock["on_hand"], stock["blocked_qty"], strict=True)) == [
        ("n", 1, 0),
        ("s", 2, 1),
    ]
    assert stock["date"].dt.month.tolist() == [1, 2]


def test_one_row_per_key_is_chosen_by_content_not_by_place(tmp_path: Path) -> None:
    rows = ["a,Zeta", "a,Alpha", "b,Beta"]
    for order in (rows, rows[::-1]):
        (tmp_path / "i.csv").write_text("item_id,description\n" + "\n".join(order))
        (tmp_path / "m.toml").write_text('[tables.items]\nfile = "i.csv"\ndistinct = ["item_id"]\n')
        items = load(tmp_path / "m.toml").items.sort_values("item_id")
        assert items["description"].tolist() == ["Alpha", "Beta"]


@pytest.mark.parametrize(
    ("mapping", "part"),
    [
        ({"stock": {"columns": {}}}, "exactly one of `file`, `query` and `frame`"),
        ({"stock": {"frame": "s", "file": "x.csv"}}, "exactly one of"),
        ({"stock": {"frame": "s", "colums": {}}}, "did you mean 'columns'"),
        ({"stock": {"frame": "s", "options": {"decimals": ","}}}, "did you mean 'decimal'"),
        ({"stock": {"frame": "s", "options": {"decimal": ";"}}}, "data.decimal"),
        ({"stock": {"frame": "t"}}, "no frame 't'"),
        ({"stock": {"frame": "s", "distinct": ["location_id"]}}, "this feed does not fill"),
        ({"stock": "s.csv"}, "expected keys like"),
        ({"stok": {"frame": "s"}}, "did you mean 'stock'"),
    ],
)
def test_a_mapping_that_cannot_be_meant(mapping: dict[str, Any], part: str) -> None:
    frame = pd.DataFrame({"item_id": ["a"], "date": ["2026-01-01"], "on_hand": [1]})
    with pytest.raises(ConfigError) as caught:
        load({"s": frame}, mapping={"tables": mapping})
    assert part in str(caught.value)


def test_sources_that_cannot_be_meant(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("a\n")
    with pytest.raises(UsageError, match="give a folder"):
        load(tmp_path / "orders.csv")
    (tmp_path / "m.toml").write_text("")
    with pytest.raises(UsageError, match="is a mapping itself"):
        load(tmp_path / "m.toml", mapping={})
    with pytest.raises(InputError, match="no table found"):
        load(tmp_path / "m.toml")


def test_a_text_of_several_lines_in_quotes_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('item_id,description\na,"two\nlines, and ""quotes"""\nb,x\n')
    assert load(tmp_path).items["description"].tolist() == ['two\nlines, and "quotes"', "x"]


def test_loading_twice_gives_the_same(export: Path) -> None:
    first, second = load(export / "map.toml"), load(export / "map.toml")
    assert first.inputs == second.inputs
    for name in first.tables:
        pd.testing.assert_frame_equal(first.tables[name], second.tables[name])
