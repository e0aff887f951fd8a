"""Settings: frozen, merged by layer, and strict about names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from backorder_forecast import config
from backorder_forecast.config import Config
from backorder_forecast.errors import ConfigError


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"simulation": {"seeed": 1}}, "unknown key 'simulation.seeed'; did you mean 'seed'?"),
        ({"simulatoin": {}}, "unknown key 'simulatoin'; did you mean 'simulation'?"),
        ({"simulation": {"scenarios": "many"}}, "simulation.scenarios = 'many'"),
        ({"queue": {"rule": "fifo"}}, "no rule of that name"),
        ({"risk": {"horizons": [7, 0]}}, "risk.horizons.1 = 0"),
        ({"demand": 3}, "demand: expected a table"),
        ({"data": {"time_zone": "Mars/Base"}}, "no time zone of that name"),
        ({"data": {"earliest_date": "long ago"}}, "data.earliest_date"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(content: dict[str, object], part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**content)
    assert part in str(caught.value)


def test_later_layers_win_key_by_key_and_defaults_never_do() -> None:
    merged = Config.merged(
        {"simulation": {"seed": 3, "scenarios": 10}},
        Config(simulation={"seed": 4}),
        None,
        {"risk": {"horizons": [5]}},
    )
    assert (merged.simulation.seed, merged.simulation.scenarios, merged.risk.horizons) == (4, 10, (5,))
    assert merged.given() == {"simulation": {"seed": 4, "scenarios": 10}, "risk": {"horizons": (5,)}}


def test_it_is_frozen() -> None:
    with pytest.raises((TypeError, ValueError), match="frozen"):
        Config().simulation.seed = 5


def test_files_name_themselves_in_errors(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[demand]\nhistory = 3\n")
    with pytest.raises(ConfigError, match=r"settings\.toml: unknown key 'demand.history'"):
        Config.from_toml(file)
    file.write_text('[tables.stock]\nfile = "x"\n')
    with pytest.raises(ConfigError, match="give this file as SOURCE"):
        Config.from_toml(file)
    with pytest.raises(ConfigError, match="no such file"):
        Config.from_toml(tmp_path / "none.toml")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        Config.from_toml(file)
    file.write_bytes(b"\xef\xbb\xbf[replay]\ndays = 2\n")
    assert Config.from_toml(file).replay.days == 2


def test_every_setting_has_a_description_and_the_commented_file_is_toml() -> None:
    assert [key for _, key, _, text in config.settings() if len(text) < 10] == []
    text = config.commented_toml({"replay": {"days": 2}, "output": {"out": 'a"b'}})
    assert Config(**tomllib.loads(text)) == Config(replay={"days": 2}, output={"out": 'a"b'})
    lines = (line.removeprefix("# ") for line in text.splitlines())
    active = [line for line in lines if line.startswith("[") or (" = " in line and "(none)" not in line)]
    everything = "\n".join(
        line for line in active if line.startswith("[") or line.split(" = ")[0].isidentifier()
    )
    assert Config(**tomllib.loads(everything)).simulation == Config().simulation


def test_the_reference_of_settings_is_current() -> None:
    page = Path(__file__).parent.parent / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == config.markdown()
